//! Giving votes.

use proto::eraftpb::MessageType::MsgRequestVoteResponse;
use raft::{NONE, PeerId, Role, Term};

use crate::unit::fixture::{Peer, Setup};
use crate::unit::{Check, Promise, ensure, msg};

/// A candidate with an empty log asks `peer` for its vote; returns the answers to it: is each a grant?
fn asks(peer: &mut Peer, candidate: PeerId, term: Term) -> Check<Vec<bool>> {
    peer.sends();
    peer.hears(msg::vote(candidate, peer.id(), term, msg::at(0, 0)))?;
    let answers = peer.sends_kind(MsgRequestVoteResponse);
    Ok(answers.iter().filter(|answer| answer.to == candidate).map(|answer| !answer.reject).collect())
}

const FREE_VOTE: Promise = Promise::new(
    "§5.2",
    "a peer that has not voted in the candidate's term gives its vote, stores it, and answers with the candidate's term",
    "candidates would never reach a majority",
);

/// A free vote.
pub fn free_vote_is_given() -> Check {
    for (term, candidate) in [(1, 2), (1, 3), (7, 2)] {
        let mut peer = Setup::bare(1, 3).hard(1, NONE, 0).start()?;
        peer.hears(msg::vote(candidate, 1, term, msg::at(0, 0)))?;
        let sent = peer.sends_kind(MsgRequestVoteResponse);
        let granted =
            sent.iter().any(|answer| !answer.reject && answer.to == candidate && answer.term == term);
        ensure!(
            FREE_VOTE,
            granted,
            "{candidate} asked for term {term}; it sent {}",
            msg::describe_all(&sent)
        );
        let (status, stored) = (peer.status(), peer.disk_state());
        let noted = (status.term, status.vote) == (term, candidate) && stored.vote == candidate;
        ensure!(
            FREE_VOTE,
            noted,
            "{candidate} asked for term {term}; {}; on disk: {stored:?}",
            peer.describe()
        );
    }
    Ok(())
}

const ONE_VOTE: Promise = Promise::new(
    "§5.2",
    "each peer votes for at most one candidate in a term, first come, first served",
    "two candidates could both reach a majority, and lead in the same term",
);

/// Two candidates of one term.
pub fn one_vote_per_term() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    asks(&mut peer, 2, 3)?;
    let second = asks(&mut peer, 3, 3)?;
    ensure!(
        ONE_VOTE,
        !second.contains(&true),
        "it voted for 2 in term 3, and for 3 as well; {}",
        peer.describe()
    );
    ensure!(ONE_VOTE, peer.status().vote == 2, "it voted for 2 in term 3, then 3 asked; {}", peer.describe());
    Ok(())
}

const REFUSAL_TOLD: Promise = Promise::new(
    "§5.2, figure 2",
    "a vote that cannot be given is refused in words: RequestVote is answered, by a grant or by a refusal",
    "a candidate that cannot win would wait for its whole timeout",
);

/// The second candidate learns that it was refused.
pub fn refused_candidate_is_told() -> Check {
    let mut peer = Setup::bare(1, 3).hard(3, 2, 0).start()?;
    let answers = asks(&mut peer, 3, 3)?;
    ensure!(
        REFUSAL_TOLD,
        answers.contains(&false),
        "3 asked for term 3, the vote was 2's; answers: {answers:?}"
    );
    Ok(())
}

const SAME_AGAIN: Promise = Promise::new(
    "§5.2, figure 2",
    "a candidate that asks again in the same term gets the vote that it already has (votedFor is null or candidateId)",
    "if the first answer was lost, the vote would be lost with it",
);

/// The answer got lost, the candidate asks again.
pub fn same_candidate_is_granted_again() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    for round in 1..=3 {
        let answers = asks(&mut peer, 2, 3)?;
        let granted = answers.contains(&true) && !answers.contains(&false);
        ensure!(SAME_AGAIN, granted, "2 asked for term 3, time {round}; granted: {answers:?}");
    }
    Ok(())
}

const NEW_TERM: Promise = Promise::new(
    "§5.2",
    "a new term brings a new vote, whoever had the last one",
    "after a few elections everybody would have voted, and no leader could be elected any more",
);

/// Term after term, another candidate each time.
pub fn new_term_frees_the_vote() -> Check {
    let mut peer = Setup::bare(1, 3).hard(1, 1, 0).start()?;
    for (term, candidate) in [(2, 2), (3, 3), (5, 2), (9, 3)] {
        let answers = asks(&mut peer, candidate, term)?;
        ensure!(
            NEW_TERM,
            answers.contains(&true),
            "{candidate} asked for term {term}, higher than before; it refused"
        );
        ensure!(NEW_TERM, peer.status().vote == candidate, "{candidate} has its vote; {}", peer.describe());
    }
    Ok(())
}

const ANY_STATE: Promise = Promise::new(
    "§5.1, §5.2",
    "whatever a peer is, a candidate of a higher term makes it a follower of that term that can vote for it, and that \
     knows no leader yet",
    "a leader or candidate of an old term could not be replaced; a candidate taken for a leader would be sent proposals",
);

/// A follower, a candidate, and a leader are asked.
pub fn votes_from_any_role() -> Check {
    for role in [Role::Follower, Role::Candidate, Role::Leader] {
        let mut peer = Setup::bare(1, 3).start()?;
        match role {
            Role::Candidate => peer.campaigns()?,
            Role::Leader => peer.wins()?,
            _ => peer.hears(msg::heartbeat(3, 1, 1, 0))?,
        }
        // The candidate's log is longer than anything that a leader of term 1 may have appended.
        peer.sends();
        peer.hears(msg::vote(2, 1, 2, msg::at(9, 1)))?;
        let sent = peer.sends_kind(MsgRequestVoteResponse);
        let granted = sent.iter().any(|answer| answer.to == 2 && answer.term == 2 && !answer.reject);
        ensure!(
            ANY_STATE,
            granted,
            "as {role:?} of term 1 it was asked for term 2; it sent {}",
            msg::describe_all(&sent)
        );
        let status = peer.status();
        let follows =
            status.role == Role::Follower && (status.term, status.vote, status.leader_id) == (2, 2, NONE);
        ensure!(
            ANY_STATE,
            follows,
            "it was {role:?} of term 1, and voted for 2 in term 2; {}",
            peer.describe()
        );
    }
    Ok(())
}

const OWN_VOTE: Promise = Promise::new(
    "§5.2",
    "candidates and leaders have voted for themselves: they refuse every other candidate of their term, and stay what \
     they are",
    "a candidate that gives its vote away counts it twice, and two leaders are elected",
);

/// Another candidate of the same term asks a candidate, and a leader.
pub fn candidate_keeps_its_own_vote() -> Check {
    for role in [Role::Candidate, Role::Leader] {
        let mut peer = Setup::bare(1, 3).start()?;
        match role {
            Role::Leader => peer.wins()?,
            _ => peer.campaigns()?,
        }
        peer.sends();
        peer.hears(msg::vote(2, 1, 1, msg::at(9, 1)))?;
        let sent = peer.sends_kind(MsgRequestVoteResponse);
        let granted = sent.iter().any(|answer| !answer.reject);
        ensure!(
            OWN_VOTE,
            !granted,
            "{role:?} of term 1 was asked by 2 for term 1; it sent {}",
            msg::describe_all(&sent)
        );
        let same = peer.role() == role && peer.status().vote == 1 && peer.term() == 1;
        ensure!(OWN_VOTE, same, "{role:?} of term 1 was asked by 2 for term 1; now {}", peer.describe());
    }
    Ok(())
}

const STALE_CANDIDATE: Promise = Promise::new(
    "§5.1",
    "a candidate of an older term gets no vote, and changes nothing",
    "the vote of the current term would be spent on an election that is over",
);

/// A candidate of an older term.
pub fn stale_candidate_gets_nothing() -> Check {
    let mut peer = Setup::bare(1, 3).hard(5, NONE, 0).start()?;
    peer.hears(msg::vote(2, 1, 4, msg::at(9, 4)))?;
    let sent = peer.sends_kind(MsgRequestVoteResponse);
    let granted = sent.iter().any(|answer| !answer.reject);
    ensure!(STALE_CANDIDATE, !granted, "2 asked for term 4 in term 5; it sent {}", msg::describe_all(&sent));
    let old = sent.iter().any(|answer| answer.term < 5);
    ensure!(STALE_CANDIDATE, !old, "it is in term 5, and sent {}", msg::describe_all(&sent));
    let status = peer.status();
    ensure!(
        STALE_CANDIDATE,
        (status.term, status.vote) == (5, NONE),
        "2 asked for term 4; {}",
        peer.describe()
    );
    let answers = asks(&mut peer, 3, 5)?;
    ensure!(
        STALE_CANDIDATE,
        answers.contains(&true),
        "its vote of term 5 was still free, but 3 did not get it"
    );
    Ok(())
}

const KEPT_VOTE: Promise = Promise::new(
    "§5.2",
    "the vote stays given for the whole term, also when a candidate gives up because another peer leads",
    "a second vote in the same term elects a second leader",
);

/// A candidate hears of the leader of its term, and is then asked for a vote in that term.
pub fn vote_is_kept_when_a_candidate_gives_up() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.campaigns()?;
    peer.hears(msg::heartbeat(2, 1, 1, 0))?;
    ensure!(KEPT_VOTE, peer.status().vote == 1, "it voted for itself in term 1; {}", peer.describe());
    let answers = asks(&mut peer, 3, 1)?;
    ensure!(KEPT_VOTE, !answers.contains(&true), "it voted for itself in term 1, and now for 3 as well");
    let mut peer = Setup::bare(1, 3).hard(4, 3, 0).start()?;
    peer.hears(msg::heartbeat(2, 1, 4, 0))?;
    let answers = asks(&mut peer, 2, 4)?;
    ensure!(KEPT_VOTE, !answers.contains(&true), "it voted for 3 in term 4, and now for 2 as well");
    Ok(())
}
