//! How much a leader sends.

use proto::eraftpb::MessageType::MsgAppend;

use crate::unit::fixture::Setup;
use crate::unit::mate::Mate;
use crate::unit::{Check, Promise, ensure, msg};

const BYTES: Promise = Promise::new(
    "handout",
    "an append carries at most max_message_bytes of entry data, but always at least one entry that is to be sent; with 0, \
     one entry a message",
    "a follower that is far behind would be sent its whole backlog in one message, again and again",
);

/// A follower that is far behind, and several limits. Each entry of the log has 3 or 4 bytes.
pub fn appends_respect_the_byte_limit() -> Check {
    for limit in [0, 1, 10, 1 << 20] {
        let mut setup = Setup::bare(1, 3).log(&[1; 30]);
        setup.config.max_message_bytes = limit;
        let mut peer = setup.start()?;
        peer.wins()?;
        let mut mates = [Mate::new(2, &[]), Mate::new(3, &[1; 30])];
        peer.serves(&mut mates)?;
        for mate in &mates {
            let caught_up = mate.entries() == peer.disk_entries();
            ensure!(
                BYTES,
                caught_up,
                "limit {limit}; without any tick, {} holds {} of 31 entries",
                mate.id,
                mate.entries().len()
            );
        }
        for append in msg::of_kind(&mates[0].heard, MsgAppend) {
            let bytes: usize = append.entries.iter().map(|entry| entry.data.len()).sum();
            let fits = append.entries.len() <= 1 || (limit > 0 && bytes as u64 <= limit);
            ensure!(BYTES, fits, "limit {limit}; {} with {bytes} bytes of data", msg::describe(append));
        }
    }
    Ok(())
}

const INFLIGHT: Promise = Promise::new(
    "handout",
    "at most max_inflight_messages appends with entries are on their way to a follower that does not answer",
    "a leader would bury a slow follower, and its own memory, under messages",
);

/// A follower that answered until now stops answering.
pub fn unanswered_appends_are_limited() -> Check {
    for limit in [1, 3] {
        let mut setup = Setup::bare(1, 3);
        setup.config.max_inflight_messages = limit;
        let mut peer = setup.start()?;
        peer.wins()?;
        let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
        peer.serves(&mut mates)?;
        let mut waiting = Vec::new();
        for number in 0..20 {
            peer.proposes(&format!("p{number}"))?;
            waiting.extend(peer.sends_kind(MsgAppend).into_iter().filter(|append| append.to == 2));
        }
        let carrying = waiting.iter().filter(|append| !append.entries.is_empty()).count();
        ensure!(
            INFLIGHT,
            carrying <= limit,
            "20 proposals, no answer, limit {limit}: {}",
            msg::describe_all(&waiting)
        );
        for message in waiting {
            if let Some(answer) = mates[0].answer(&message)? {
                peer.hears(answer)?;
            }
        }
        peer.serves_for(4, &mut mates)?;
        let held = mates[0].entries().len();
        ensure!(
            INFLIGHT,
            held == 21,
            "limit {limit}; then the follower answered; it holds {held} of 21 entries"
        );
    }
    Ok(())
}

const ROOM: Promise = Promise::new(
    "handout",
    "an append that was acknowledged is no longer on its way: it makes room for the next",
    "once as many appends were sent as may be on their way, replication goes at the pace of heartbeats",
);

/// Proposals that are acknowledged one by one, while no time passes.
pub fn acknowledged_appends_make_room() -> Check {
    for limit in [1, 2] {
        let mut setup = Setup::bare(1, 3);
        setup.config.max_inflight_messages = limit;
        let mut peer = setup.start()?;
        peer.wins()?;
        let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
        peer.serves(&mut mates)?;
        for number in 1..=8 {
            peer.proposes(&format!("p{number}"))?;
            peer.serves(&mut mates)?;
            for mate in &mates {
                let held = mate.entries().len();
                ensure!(
                    ROOM,
                    held == number + 1,
                    "limit {limit}, everything was answered; after proposal {number} {} holds {held} of {} entries",
                    mate.id,
                    number + 1
                );
            }
        }
    }
    Ok(())
}

const OTHERS: Promise = Promise::new(
    "§5.3",
    "a follower that does not answer holds up nobody but itself",
    "one slow machine, and every write takes until the next heartbeat",
);

/// One follower is silent from the start; the other gets each proposal at once.
pub fn silent_follower_holds_up_nobody() -> Check {
    for silent in [2, 3] {
        let mut setup = Setup::bare(1, 3);
        setup.config.max_inflight_messages = 1;
        let mut peer = setup.start()?;
        peer.wins()?;
        let mut mates = [Mate::new(5 - silent, &[])];
        peer.serves(&mut mates)?;
        for number in 1..=4 {
            peer.proposes(&format!("p{number}"))?;
            peer.serves(&mut mates)?;
            let (held, commit) = (mates[0].entries().len() as u64, peer.commit());
            let last = number + 1;
            ensure!(
                OTHERS,
                (held, commit) == (last, last),
                "{silent} is silent, {} answers; after proposal {number} it holds {held} of {last} entries, commit {commit}",
                mates[0].id
            );
        }
    }
    Ok(())
}
