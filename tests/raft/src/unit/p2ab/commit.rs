//! When a leader commits.

use proto::eraftpb::MessageType::MsgHeartbeat;
use raft::{Index, PeerId};

use crate::unit::fixture::{Peer, Setup};
use crate::unit::mate::Mate;
use crate::unit::msg::at;
use crate::unit::{Check, Promise, ensure, msg};

/// The leader of term 1 in a group of `voters`, with its empty entry and `proposals` more: the last index is one more.
fn leader(voters: u64, proposals: u64) -> Check<Peer> {
    let mut peer = Setup::bare(1, voters).leader()?;
    for number in 1..=proposals {
        peer.proposes(&format!("p{number}"))?;
    }
    peer.sends();
    Ok(peer)
}

const MAJORITY: Promise = Promise::new(
    "§5.3",
    "an entry of the leader's term is committed once a majority, the leader included, has stored it, and not before",
    "with less, a committed entry can be lost; with more, a dead member stops the group",
);

/// Every group size, every number of answers.
pub fn majority_commits() -> Check {
    for voters in 2..=7 {
        let mut peer = leader(voters, 1)?;
        for follower in 2..=voters {
            peer.hears(msg::append_ok(follower, 1, 1, 2))?;
            let committed = follower > voters / 2;
            let commit = peer.commit();
            let right = if committed { commit == 2 } else { commit == 0 };
            ensure!(
                MAJORITY,
                right,
                "{follower} of {voters}, leader included, hold the log up to 2; commit {commit}"
            );
        }
    }
    Ok(())
}

const ORDER: Promise = Promise::new(
    "§5.3, §5.4",
    "the commit index is the highest index that a majority has stored",
    "one index higher, and entries are committed that a crash can lose; one lower, and they wait for nothing",
);

/// Followers that are differently far.
pub fn commit_is_what_a_majority_holds() -> Check {
    let cases: [(&[Index], Index); 8] = [
        (&[5, 0], 5),
        (&[3, 5], 5),
        (&[2, 0, 0], 0),
        (&[2, 4, 0], 2),
        (&[1, 3, 4, 5], 4),
        (&[5, 2, 0, 0], 2),
        (&[4, 4, 1, 1], 4),
        (&[1, 2, 3, 4, 5, 0], 3),
    ];
    for (held, expected) in cases {
        for backwards in [false, true] {
            let voters = held.len() as u64 + 1;
            let mut peer = leader(voters, 5)?;
            let mut answers: Vec<(PeerId, Index)> = (2..).zip(held.iter().copied()).collect();
            if backwards {
                answers.reverse();
            }
            for (follower, index) in answers {
                if index > 0 {
                    peer.hears(msg::append_ok(follower, 1, 1, index))?;
                }
            }
            let commit = peer.commit();
            ensure!(
                ORDER,
                commit == expected,
                "the leader holds 6 entries, its followers {held:?}; commit {commit}, not {expected}"
            );
        }
    }
    Ok(())
}

const ALONE: Promise = Promise::new(
    "§5.3",
    "a leader that is alone in its group is a majority: what it appends is committed at once",
    "a group of one would never answer a client",
);

/// A group of one.
pub fn single_peer_commits_at_once() -> Check {
    let mut peer = Setup::bare(1, 1).leader()?;
    ensure!(ALONE, peer.commit() == 1, "its empty entry is at 1; {}", peer.describe());
    for index in 2..5 {
        peer.proposes("a")?;
        ensure!(ALONE, peer.commit() == index, "the proposal is at {index}; {}", peer.describe());
    }
    Ok(())
}

const OWN_TERM: Promise = Promise::new(
    "§5.4.2, figure 8",
    "a leader commits by counting only entries of its own term; those of earlier terms are committed with them",
    "an entry that a majority holds can still be replaced if its term is old: it would be lost after it was committed",
);

/// A majority holds the entries of earlier terms; then also the leader's own.
pub fn old_terms_are_not_counted() -> Check {
    let mut peer = Setup::bare(1, 5).log(&[1, 2, 2]).leader()?;
    for index in [1, 2, 3] {
        for follower in [2, 3, 4, 5] {
            peer.hears(msg::append_ok(follower, 1, 3, index))?;
            let commit = peer.commit();
            ensure!(
                OWN_TERM,
                commit == 0,
                "leader of term 3, log 1@1 2@2 3@2 4@3, {follower} holds it up to {index}; commit {commit}"
            );
        }
    }
    peer.hears(msg::append_ok(2, 1, 3, 4))?;
    ensure!(OWN_TERM, peer.commit() == 0, "two of five hold 4@3; {}", peer.describe());
    peer.hears(msg::append_ok(3, 1, 3, 4))?;
    ensure!(OWN_TERM, peer.commit() == 4, "three of five hold 4@3, and with it 1 to 3; {}", peer.describe());
    Ok(())
}

const ONCE_EACH: Promise = Promise::new(
    "§5.3",
    "a majority is counted in members: a repeated answer counts once, a stranger's not at all",
    "an entry would be committed that a majority does not hold",
);

/// Repeated answers, and answers from peers that are no members.
pub fn answers_count_once_and_from_members_only() -> Check {
    let mut peer = leader(5, 1)?;
    for _ in 0..4 {
        peer.hears(msg::append_ok(2, 1, 1, 2))?;
    }
    ensure!(ONCE_EACH, peer.commit() == 0, "2 of five answered, four times over; {}", peer.describe());
    let mut peer = leader(5, 1)?;
    for stranger in [7, 8, 9] {
        peer.hears(msg::append_ok(stranger, 1, 1, 2))?;
    }
    ensure!(ONCE_EACH, peer.commit() == 0, "7, 8 and 9 are no members of 1..=5; {}", peer.describe());
    Ok(())
}

const TOLD: Promise = Promise::new(
    "§5.3",
    "followers learn that an entry is committed at the latest with the next heartbeats, without a new proposal",
    "followers would apply the last write only when a client writes again",
);

/// One proposal, then silence.
pub fn followers_learn_of_the_commit() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
    peer.serves(&mut mates)?;
    peer.proposes("a")?;
    peer.serves_for(2, &mut mates)?;
    ensure!(TOLD, peer.commit() == 2, "everybody holds the entry at 2; {}", peer.describe());
    for mate in &mates {
        let commit = mate.commit;
        ensure!(
            TOLD,
            commit == 2,
            "2 is committed, two heartbeat intervals passed; {} knows of {commit}",
            mate.id
        );
    }
    Ok(())
}

const NEWS_LOST: Promise = Promise::new(
    "§5.3",
    "a follower that missed the news of a commit gets it with the next heartbeats: from the heartbeats themselves, or from \
     appends that their answers bring",
    "one lost message, and a follower applies the last write only when a client writes again",
);

/// Every message that tells of the commit is lost, until all is quiet; then heartbeats pass.
pub fn lost_commit_news_is_made_up_for() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
    peer.serves(&mut mates)?;
    peer.proposes("a")?;
    loop {
        let sent = peer.sends();
        if sent.is_empty() {
            break;
        }
        for message in sent.into_iter().filter(|message| message.commit < 2) {
            let mate = mates.iter_mut().find(|mate| mate.id == message.to);
            if let Some(answer) = mate.map_or(Ok(None), |mate| mate.answer(&message))? {
                peer.hears(answer)?;
            }
        }
    }
    ensure!(NEWS_LOST, peer.commit() == 2, "everybody holds the entry at 2; {}", peer.describe());
    peer.serves_for(3, &mut mates)?;
    for mate in &mates {
        let commit = mate.commit;
        ensure!(
            NEWS_LOST,
            commit == 2,
            "2 is committed, the news got lost, three heartbeat intervals passed; {} knows of {commit}",
            mate.id
        );
    }
    Ok(())
}

const WITHIN_MATCH: Promise = Promise::new(
    "§5.3",
    "a heartbeat carries no commit index beyond what its receiver is known to hold",
    "the receiver may hold other entries there, and would take them for committed",
);

/// One follower is up to date, the other has not answered at all.
pub fn heartbeat_commit_stays_within_match() -> Check {
    let mut peer = leader(3, 4)?;
    peer.hears(msg::append_ok(2, 1, 1, 5))?;
    for known in [0, 2, 4] {
        if known > 0 {
            peer.hears(msg::append_ok(3, 1, 1, known))?;
        }
        peer.sends();
        peer.tick(6)?;
        let beats = peer.sends_kind(MsgHeartbeat);
        for beat in beats.iter().filter(|beat| beat.to == 3) {
            let right = beat.commit <= known;
            ensure!(
                WITHIN_MATCH,
                right,
                "5 is committed, 3 is known to hold {known} entries; {}",
                msg::describe(beat)
            );
        }
    }
    Ok(())
}

const GIVEN: Promise = Promise::new(
    "§5.3",
    "committed entries are given to the state machine, each once, in the order of the log, those of earlier terms too",
    "state machines would differ",
);

/// Entries of an earlier term, the empty one, and proposals.
pub fn leader_applies_in_order() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1, 1]).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[1, 1]), Mate::new(3, &[])];
    peer.serves(&mut mates)?;
    for data in ["a", "b", "c"] {
        peer.proposes(data)?;
        peer.serves(&mut mates)?;
    }
    let (given, log) = (peer.applied.clone(), peer.disk_entries());
    let seen = msg::describe_entries(&given);
    ensure!(GIVEN, given == log, "1 to 6 are committed; the state machine was given {seen}");
    Ok(())
}

const NOT_BEFORE: Promise = Promise::new(
    "§5.3",
    "nothing is given to the state machine before it is committed",
    "a write could take effect, and be lost",
);

/// Proposals that nobody acknowledges.
pub fn nothing_is_applied_before_it_is_committed() -> Check {
    let mut peer = leader(3, 3)?;
    peer.tick(20)?;
    let seen = msg::describe_entries(&peer.applied);
    ensure!(
        NOT_BEFORE,
        peer.applied.is_empty(),
        "nobody answered, commit {}; it was given {seen}",
        peer.commit()
    );
    peer.hears(msg::append_ok(3, 1, 1, 2))?;
    let given: Vec<Index> = peer.applied.iter().map(|entry| entry.index).collect();
    ensure!(NOT_BEFORE, given == [1, 2], "3 holds the log up to 2; the state machine was given {given:?}");
    let terms = [1, 2].map(|index| peer.core.log_term(index));
    ensure!(
        NOT_BEFORE,
        terms == [Some(1); 2] && peer.status().last == at(4, 1),
        "the log changed: {terms:?}"
    );
    Ok(())
}
