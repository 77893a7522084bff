//! How a leader brings followers up to date.

use proto::eraftpb::MessageType::MsgAppend;
use raft::{Index, Term};

use crate::unit::fixture::Setup;
use crate::unit::mate::Mate;
use crate::unit::msg::{at, describe_log, ids};
use crate::unit::{Check, Promise, ensure, msg};

const FIGURE_7: Promise = Promise::new(
    "§5.3, figure 7",
    "whatever a follower's log looks like, the leader makes it equal to its own: it goes back to where the logs agree, and \
     sends what follows",
    "followers that missed something would never be of use again",
);

/// The leader of figure 7, and its followers a to f.
const FIGURE_7_LEADER: &[Term] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
const FIGURE_7_FOLLOWERS: [(&str, &[Term]); 8] = [
    ("a", &[1, 1, 1, 4, 4, 5, 5, 6, 6]),
    ("b", &[1, 1, 1, 4]),
    ("c", &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]),
    ("d", &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]),
    ("e", &[1, 1, 1, 4, 4, 4, 4]),
    ("f", &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]),
    ("without entries", &[]),
    ("that shares nothing", &[2, 2, 3, 3]),
];

/// Followers with good hints and with poor ones.
pub fn followers_of_figure_7_catch_up() -> Check {
    for (name, log) in FIGURE_7_FOLLOWERS {
        for mate in [Mate::new(2, log), Mate::poor(2, log)] {
            let mut peer = Setup::bare(1, 3).log(FIGURE_7_LEADER).hard(7, 0, 0).start()?;
            peer.wins()?;
            let mut mates = [mate];
            peer.serves(&mut mates)?;
            let (ours, theirs) = (describe_log(&peer.log()), describe_log(&mates[0].log()));
            let same = mates[0].entries() == peer.disk_entries();
            ensure!(FIGURE_7, same, "follower {name}, without any tick; leader {ours}, follower {theirs}");
            ensure!(FIGURE_7, peer.commit() == 11, "follower {name} holds all of it; {}", peer.describe());
        }
    }
    Ok(())
}

const RETRIES: Promise = Promise::new(
    "§5.3",
    "after a refusal the leader goes back, and tries again at once",
    "catching up would take one heartbeat interval for each step back, or never end",
);

/// One refusal, then another.
pub fn refused_append_is_tried_again_at_once() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1, 1, 1, 1, 1]).start()?;
    peer.wins()?;
    let mut last = Index::MAX;
    for round in 1..=3 {
        let sent = peer.sends_kind(MsgAppend);
        let retry = sent.iter().rfind(|append| append.to == 2).map(|append| append.index);
        let all = msg::describe_all(&sent);
        ensure!(
            RETRIES,
            retry.is_some_and(|index| index < last),
            "round {round}, to 2 after its refusal: {all}"
        );
        let Some(index) = retry.filter(|&index| index > 0) else { return Ok(()) };
        last = index;
        peer.hears(msg::append_reject(2, 1, 2, index, at(index - 1, 1)))?;
    }
    Ok(())
}

const HINT: Promise = Promise::new(
    "§5.3",
    "a leader goes back no further than a refusal demands: what the follower is likely to hold is not sent again",
    "a follower that misses two entries would be sent the whole log, or a snapshot",
);

/// A follower that misses the end of a long log, and says so.
pub fn leader_goes_back_no_further_than_needed() -> Check {
    let log = [1; 60];
    let mut peer = Setup::bare(1, 3).log(&log).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &log[..50])];
    peer.serves(&mut mates)?;
    ensure!(HINT, mates[0].last() == at(61, 2), "the follower's log ends at {}", mates[0].last().index);
    let appends = msg::of_kind(&mates[0].heard, MsgAppend);
    let lowest = appends.iter().map(|append| append.index).min().unwrap_or(0);
    ensure!(
        HINT,
        lowest >= 20,
        "the follower holds 50 of 61 entries, and hinted so; an append started behind {lowest}"
    );
    Ok(())
}

const LOSSES: Promise = Promise::new(
    "§5.3",
    "appends that are lost are sent again, after some heartbeats at the latest",
    "one lost message would leave a follower behind for ever",
);

/// The network eats everything for a while.
pub fn lost_appends_are_sent_again() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
    peer.serves(&mut mates)?;
    for data in ["a", "b", "c"] {
        peer.proposes(data)?;
        peer.sends();
    }
    peer.serves_for(4, &mut mates)?;
    for mate in &mates {
        let theirs = describe_log(&mate.log());
        let same = mate.entries() == peer.disk_entries();
        ensure!(
            LOSSES,
            same,
            "the appends of 3 proposals were lost; 4 heartbeat intervals later {} holds {theirs}",
            mate.id
        );
    }
    ensure!(LOSSES, peer.commit() == 4, "everybody holds 4 entries; {}", peer.describe());
    Ok(())
}

/// The followers get everything, but their answers are lost.
pub fn lost_answers_are_made_up_for() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
    for data in ["a", "b", "c"] {
        peer.proposes(data)?;
        for message in peer.sends() {
            if let Some(mate) = mates.iter_mut().find(|mate| mate.id == message.to) {
                mate.answer(&message)?;
            }
        }
    }
    peer.serves_for(4, &mut mates)?;
    let all = mates.iter().all(|mate| mate.entries() == peer.disk_entries());
    ensure!(
        LOSSES,
        all && peer.commit() == 4,
        "answers were lost; 4 heartbeat intervals later {}",
        peer.describe()
    );
    Ok(())
}

const REJOINS: Promise = Promise::new(
    "§5.3",
    "a follower that was away catches up after its return, from heartbeats alone",
    "it would stay behind until a client writes, and count for nothing until then",
);

/// One follower misses everything, its return shows in its answer to a heartbeat.
pub fn returning_follower_catches_up() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1, 1]).start()?;
    peer.wins()?;
    let mut present = [Mate::new(2, &[1, 1])];
    for number in 0..20 {
        peer.proposes(&format!("p{number}"))?;
        peer.serves(&mut present)?;
    }
    let mut all = [present[0].clone(), Mate::new(3, &[1])];
    peer.serves_for(4, &mut all)?;
    let theirs = describe_log(&all[1].log());
    ensure!(
        REJOINS,
        all[1].entries() == peer.disk_entries(),
        "23 entries; 4 heartbeat intervals later 3 holds {theirs}"
    );
    ensure!(REJOINS, all[1].commit == 23, "all are committed; 3 knows of {}", all[1].commit);
    ensure!(REJOINS, ids(&[1, 1]).iter().all(|id| peer.log().contains(id)), "the leader's log changed");
    Ok(())
}
