//! Answers to a leader come late, twice, in any order, and from other times.

use proto::eraftpb::MessageType::MsgAppend;
use raft::{Index, PeerId, ProgressStatus};

use crate::unit::fixture::{Peer, Setup};
use crate::unit::msg::at;
use crate::unit::{Check, Promise, ensure, msg};

/// The leader of term 2 in a group of `voters`: entry 1 of term 1, its empty entry at 2, proposals up to 6.
fn leader(voters: u64) -> Check<Peer> {
    let mut peer = Setup::bare(1, voters).log(&[1]).leader()?;
    for number in 3..=6 {
        peer.proposes(&format!("p{number}"))?;
    }
    peer.sends();
    Ok(peer)
}

fn known(promise: Promise, peer: &Peer, follower: PeerId) -> Check<ProgressStatus> {
    let progress = peer.progress(follower);
    ensure!(promise, progress.is_some(), "{} leads, and knows nothing of member {follower}", peer.id());
    Ok(progress.expect("just checked"))
}

const NEVER_BACK: Promise = Promise::new(
    "§5.3, figure 2",
    "matchIndex only grows while a peer leads: an older answer that was overtaken says nothing new",
    "the commit index would be computed from less than what is stored, or entries be sent again without need",
);

/// An old success comes late, and again.
pub fn late_success_does_not_lower_match() -> Check {
    let mut peer = leader(3)?;
    peer.hears(msg::append_ok(2, 1, 2, 6))?;
    for late in [4, 2, 6] {
        peer.hears(msg::append_ok(2, 1, 2, late))?;
        let ProgressStatus { matched, next, .. } = known(NEVER_BACK, &peer, 2)?;
        let right = matched == 6 && next == 7 && peer.commit() == 6;
        ensure!(
            NEVER_BACK,
            right,
            "2 holds 6 entries, an answer for {late} came late; match {matched}, next {next}, {}",
            peer.describe()
        );
    }
    Ok(())
}

const LATE_REFUSAL: Promise = Promise::new(
    "§5.3",
    "a refusal at or below what the follower is known to hold was overtaken, and changes nothing",
    "next would fall below match: entries, or a whole snapshot, are sent that the follower has",
);

/// A refusal comes after the success that answered the retry.
pub fn late_refusal_changes_nothing() -> Check {
    let mut peer = leader(3)?;
    peer.hears(msg::append_ok(2, 1, 2, 6))?;
    peer.sends();
    for (rejected, hint) in [(5, at(0, 0)), (3, at(1, 1)), (1, at(0, 0)), (6, at(0, 0))] {
        peer.hears(msg::append_reject(2, 1, 2, rejected, hint))?;
        let ProgressStatus { matched, next, .. } = known(LATE_REFUSAL, &peer, 2)?;
        let right = matched == 6 && next == 7;
        ensure!(
            LATE_REFUSAL,
            right,
            "2 holds 6 entries, a refusal of {rejected} came late; match {matched}, next {next}"
        );
        let sent = peer.sends_kind(MsgAppend);
        let again = sent.iter().any(|append| append.to == 2 && append.index < 6);
        ensure!(LATE_REFUSAL, !again, "2 holds 6 entries; it sent {}", msg::describe_all(&sent));
    }
    Ok(())
}

const OLD_TERM: Promise = Promise::new(
    "§5.1, §5.3",
    "an answer of an older term says nothing about the current one: the follower's log may have been replaced since",
    "an entry would be committed that a majority does not hold",
);

/// Answers from the leader's earlier leadership arrive late.
pub fn old_answers_are_not_counted() -> Check {
    let mut peer = leader(3)?;
    for follower in [2, 3] {
        peer.hears(msg::append_ok(follower, 1, 1, 6))?;
        let matched = known(OLD_TERM, &peer, follower)?.matched;
        let right = matched == 0 && peer.commit() == 0;
        ensure!(
            OLD_TERM,
            right,
            "{follower} answered for 6 in term 1, now is term 2; match {matched}, {}",
            peer.describe()
        );
    }
    peer.hears(msg::append_ok(2, 1, 2, 6))?;
    peer.hears(msg::append_reject(2, 1, 1, 6, at(0, 0)))?;
    let ProgressStatus { matched, next, .. } = known(OLD_TERM, &peer, 2)?;
    let right = matched == 6 && next == 7;
    ensure!(OLD_TERM, right, "2 holds 6 entries, and refused 6 in term 1; match {matched}, next {next}");
    Ok(())
}

const FORGOTTEN: Promise = Promise::new(
    "§5.3, figure 2",
    "matchIndex starts at 0 with each election: what a follower held under an earlier leadership may have been replaced",
    "an entry would be committed that a majority does not hold",
);

/// Elected, deposed, elected again.
pub fn match_is_forgotten_at_each_election() -> Check {
    let mut peer = leader(5)?;
    for follower in [2, 3, 4, 5] {
        peer.hears(msg::append_ok(follower, 1, 2, 5))?;
    }
    peer.hears(msg::heartbeat(3, 1, 3, 5))?;
    peer.wins()?;
    peer.sends();
    for follower in [2, 3, 4, 5] {
        let matched = known(FORGOTTEN, &peer, follower)?.matched;
        ensure!(
            FORGOTTEN,
            matched == 0,
            "elected again in term 4, and nobody has answered yet: match of {follower} is {matched}"
        );
    }
    peer.hears(msg::append_ok(2, 1, 4, 7))?;
    ensure!(FORGOTTEN, peer.commit() == 5, "two of five hold 7 in term 4; {}", peer.describe());
    peer.hears(msg::append_ok(3, 1, 4, 7))?;
    ensure!(FORGOTTEN, peer.commit() == 7, "three of five hold 7 in term 4; {}", peer.describe());
    Ok(())
}

const ONLY_LEADERS: Promise = Promise::new(
    "§5.3",
    "answers to appends mean something to leaders only",
    "a follower would commit what its leader has not committed",
);

/// A deposed leader gets answers to its old appends, and to nothing that it has sent.
pub fn followers_ignore_answers() -> Check {
    let mut peer = leader(3)?;
    peer.hears(msg::heartbeat(3, 1, 3, 0))?;
    for follower in [2, 3] {
        peer.hears(msg::append_ok(follower, 1, 3, 6))?;
        peer.hears(msg::append_reject(follower, 1, 3, 6, at(1, 1)))?;
        peer.hears(msg::heartbeat_ok(follower, 1, 3))?;
    }
    ensure!(ONLY_LEADERS, peer.commit() == 0, "follower of term 3 got answers for 6; {}", peer.describe());
    let appends = peer.sends_kind(MsgAppend);
    ensure!(ONLY_LEADERS, appends.is_empty(), "follower of term 3 sent {}", msg::describe_all(&appends));
    Ok(())
}

const HIGHER: Promise = Promise::new(
    "§5.1",
    "an answer of a higher term, of whatever kind, ends a leadership",
    "two leaders would go on side by side",
);

/// Followers that have seen a higher term answer.
pub fn higher_answer_deposes() -> Check {
    for answer in
        [msg::append_ok(2, 1, 7, 6), msg::append_reject(2, 1, 7, 6, at(1, 1)), msg::heartbeat_ok(2, 1, 7)]
    {
        let mut peer = leader(3)?;
        let heard = msg::describe(&answer);
        peer.hears(answer)?;
        let status = peer.status();
        let follows = status.role == raft::Role::Follower
            && (status.term, status.leader_id, status.commit) == (7, 0, 0);
        ensure!(HIGHER, follows, "leader of term 2 heard {heard}; {}", peer.describe());
    }
    Ok(())
}

const ANY_ORDER: Promise = Promise::new(
    "§5.3, figure 2",
    "whatever the order in which answers arrive: match and commit only grow, match stays below next, and next at most one \
     behind the last entry",
    "entries would be sent that do not exist, or be committed that are not stored",
);

/// Answers of one honest follower, shuffled and repeated: it holds more and more; refusals are of what it did not hold yet.
pub fn answers_in_any_order() -> Check {
    for seed in 1..=30_u64 {
        let mut peer = leader(3)?;
        let mut draw = seed;
        let mut below = |bound: u64| {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33) % bound
        };
        let (mut held, mut told, mut before): (Index, Index, ProgressStatus) =
            (1, 0, known(ANY_ORDER, &peer, 2)?);
        let mut commit = 0;
        for _ in 0..60 {
            held = (held + below(2)).min(6);
            let answer = if below(2) == 0 {
                let index = below(held + 1);
                told = told.max(index);
                msg::append_ok(2, 1, 2, index)
            } else {
                msg::append_reject(2, 1, 2, 1 + below(6), at(below(2), 1))
            };
            let heard = msg::describe(&answer);
            peer.hears(answer)?;
            let now = known(ANY_ORDER, &peer, 2)?;
            let ProgressStatus { matched, next, .. } = now;
            let name =
                format!("seed {seed}: it heard {heard}; match {matched}, next {next}, {}", peer.describe());
            ensure!(ANY_ORDER, matched >= before.matched && peer.commit() >= commit, "{name}");
            ensure!(
                ANY_ORDER,
                matched <= told && peer.commit() <= told,
                "2 has told of {told} entries at most; {name}"
            );
            ensure!(ANY_ORDER, matched < next && next <= 7, "the last entry is 6; {name}");
            (before, commit) = (now, peer.commit());
        }
    }
    Ok(())
}
