//! Starting a peer, campaigning, counting votes.

use proto::eraftpb::MessageType::{MsgHup, MsgRequestVote, MsgRequestVoteResponse};
use raft::{NONE, PeerId, Role};

use crate::unit::fixture::Setup;
use crate::unit::{Check, Promise, ensure, msg};

const FIRST_START: Promise = Promise::new(
    "§5.2",
    "at its first start a peer is a follower of nobody, in term 0, without a vote, and says nothing",
    "peers that start as anything else disturb the group, or elect two leaders",
);

/// A fresh peer.
pub fn starts_as_follower() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    let (status, sent) = (peer.status(), peer.sends());
    let fresh =
        status.role == Role::Follower && (status.term, status.vote, status.leader_id) == (0, NONE, NONE);
    ensure!(FIRST_START, fresh, "{}", peer.describe());
    ensure!(FIRST_START, sent.is_empty(), "it sent {}", msg::describe_all(&sent));
    Ok(())
}

const RESTORES: Promise = Promise::new(
    "§5.2, figure 2",
    "currentTerm and votedFor are persisted: a peer that starts again is in the term that its disk names, and has voted \
     as its disk says",
    "a peer that forgets its vote votes again in the same term, and two leaders are elected",
);

/// A restart from a disk with a term and a vote.
pub fn restart_keeps_term_and_vote() -> Check {
    let mut peer = Setup::bare(1, 3).hard(5, 2, 0).start()?;
    let status = peer.status();
    ensure!(RESTORES, status.role == Role::Follower, "after a restart {}", peer.describe());
    ensure!(
        RESTORES,
        (status.term, status.vote) == (5, 2),
        "the disk holds term 5, vote 2; {}",
        peer.describe()
    );
    peer.hears(msg::vote(3, 1, 5, msg::at(0, 0)))?;
    let sent = peer.sends_kind(MsgRequestVoteResponse);
    let granted = sent.iter().any(|answer| !answer.reject);
    ensure!(RESTORES, !granted, "it voted for 2 before the restart, then sent {}", msg::describe_all(&sent));
    Ok(())
}

const VOTE_STORED: Promise = Promise::new(
    "§5.2, figure 2",
    "a vote is part of the hard state that the host stores before the answer goes out",
    "after a crash the peer would vote again in the same term, and two leaders are elected",
);

/// A vote, a crash, another candidate of the same term.
pub fn vote_survives_a_crash() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.hears(msg::vote(2, 1, 4, msg::at(0, 0)))?;
    let stored = peer.disk_state();
    ensure!(
        VOTE_STORED,
        (stored.term, stored.vote) == (4, 2),
        "it voted for 2 in term 4; on disk: {stored:?}"
    );
    let mut peer = peer.restarts()?;
    peer.hears(msg::vote(3, 1, 4, msg::at(0, 0)))?;
    let sent = peer.sends_kind(MsgRequestVoteResponse);
    let granted = sent.iter().any(|answer| !answer.reject);
    ensure!(VOTE_STORED, !granted, "it voted for 2, crashed, and then sent {}", msg::describe_all(&sent));
    let mut peer = Setup::bare(1, 3).start()?;
    peer.campaigns()?;
    let stored = peer.disk_state();
    ensure!(
        VOTE_STORED,
        (stored.term, stored.vote) == (1, 1),
        "it campaigned in term 1; on disk: {stored:?}"
    );
    Ok(())
}

const CAMPAIGN: Promise = Promise::new(
    "§5.2",
    "to begin an election a peer raises its term by one, votes for itself, and asks every other member for its vote",
    "without a new term there are two leaders in one term; whoever is not asked cannot help to elect",
);

/// What a campaign does.
pub fn campaign_asks_everybody() -> Check {
    for voters in [2, 3, 5] {
        let mut peer = Setup::bare(1, voters).hard(6, 2, 0).start()?;
        peer.campaigns()?;
        let (status, sent) = (peer.status(), peer.sends_kind(MsgRequestVote));
        let stands =
            status.role == Role::Candidate && (status.term, status.vote, status.leader_id) == (7, 1, NONE);
        ensure!(CAMPAIGN, stands, "it campaigned in term 6; now {}", peer.describe());
        let mut asked: Vec<PeerId> = sent.iter().map(|request| request.to).collect();
        asked.sort_unstable();
        asked.dedup();
        let expected: Vec<PeerId> = (2..=voters).collect();
        ensure!(CAMPAIGN, asked == expected, "peer 1 of {voters} asked {asked:?}, not {expected:?}");
        let own_term = sent.iter().all(|request| request.term == 7 && request.from == 1);
        ensure!(CAMPAIGN, own_term, "candidate 1 of term 7 sent {}", msg::describe_all(&sent));
    }
    Ok(())
}

const MAJORITY: Promise = Promise::new(
    "§5.2",
    "a candidate wins if, and only if, it has the votes of a majority of all members, its own included",
    "with less, two candidates win the same term; with more, a group with a dead member has no leader",
);

/// So many of the others grant their vote to peer 1 of a group of `voters`.
fn role_with(voters: u64, granted: u64) -> Check<Role> {
    let mut peer = Setup::bare(1, voters).start()?;
    peer.campaigns()?;
    for voter in 2..2 + granted {
        peer.hears(msg::grant(voter, 1, 1))?;
    }
    ensure!(MAJORITY, peer.term() == 1, "votes for term 1 came in; {}", peer.describe());
    Ok(peer.role())
}

/// Every group size, every number of votes.
pub fn majority_wins() -> Check {
    for voters in 1..=7 {
        for granted in 0..voters {
            let wins = granted + 1 > voters / 2;
            let expected = if wins { Role::Leader } else { Role::Candidate };
            let role = role_with(voters, granted)?;
            let votes = granted + 1;
            ensure!(
                MAJORITY,
                role == expected,
                "with {votes} votes of {voters} it is {role:?}, not {expected:?}"
            );
        }
    }
    Ok(())
}

const ALONE: Promise = Promise::new(
    "§5.2",
    "a peer that is alone in its group is a majority: it becomes leader as soon as it campaigns",
    "a group of one would never serve",
);

/// A group of one.
pub fn single_peer_leads_at_once() -> Check {
    let mut peer = Setup::bare(1, 1).start()?;
    peer.until_campaign()?;
    let status = peer.status();
    let leads = status.role == Role::Leader && (status.term, status.leader_id) == (1, 1);
    ensure!(ALONE, leads, "after its election timeout {}", peer.describe());
    let sent = peer.sends();
    ensure!(ALONE, sent.is_empty(), "there is nobody to talk to, yet it sent {}", msg::describe_all(&sent));
    Ok(())
}

const REFUSED: Promise = Promise::new(
    "§5.2",
    "a refused vote does not count for the candidate, whatever the number of answers",
    "two leaders could be elected in one term",
);

/// Refusals, before and between grants.
pub fn refusals_do_not_count() -> Check {
    let mut peer = Setup::bare(1, 5).start()?;
    peer.campaigns()?;
    for voter in [2, 3, 4, 5] {
        peer.hears(msg::refuse(voter, 1, 1))?;
        let ok = peer.role() != Role::Leader && peer.term() == 1;
        ensure!(REFUSED, ok, "after a refusal by {voter} {}", peer.describe());
    }
    let mut peer = Setup::bare(1, 5).start()?;
    peer.campaigns()?;
    let answers = [msg::refuse(2, 1, 1), msg::grant(3, 1, 1), msg::refuse(4, 1, 1)];
    for answer in answers {
        peer.hears(answer)?;
    }
    ensure!(REFUSED, peer.role() != Role::Leader, "with 2 votes of 5 {}", peer.describe());
    Ok(())
}

const GOES_ON: Promise = Promise::new(
    "§5.2",
    "a refused vote is not a lost election: a candidate wins as soon as a majority has granted, whoever has refused",
    "one peer that voted for somebody else would keep a group from having a leader",
);

/// One refusal, before or between two grants.
pub fn refusal_is_no_defeat() -> Check {
    for order in [[false, true, true], [true, false, true]] {
        let mut peer = Setup::bare(1, 5).start()?;
        peer.campaigns()?;
        for (voter, granted) in (2..).zip(order) {
            let answer = if granted { msg::grant(voter, 1, 1) } else { msg::refuse(voter, 1, 1) };
            peer.hears(answer)?;
        }
        let leads = peer.role() == Role::Leader && peer.term() == 1;
        ensure!(GOES_ON, leads, "one of 2, 3 and 4 refused, the others granted, of 5; {}", peer.describe());
    }
    Ok(())
}

const ONE_EACH: Promise = Promise::new(
    "§5.2",
    "each member has one vote in a term: the same grant received twice counts once",
    "the network may deliver a message twice; a candidate would lead without a majority",
);

/// The network delivers a grant three times.
pub fn repeated_grant_counts_once() -> Check {
    let mut peer = Setup::bare(1, 5).start()?;
    peer.campaigns()?;
    for _ in 0..3 {
        peer.hears(msg::grant(2, 1, 1))?;
    }
    ensure!(
        ONE_EACH,
        peer.role() == Role::Candidate,
        "peer 2 of 5 granted, three times over; {}",
        peer.describe()
    );
    peer.hears(msg::grant(3, 1, 1))?;
    ensure!(ONE_EACH, peer.role() == Role::Leader, "peers 2 and 3 of 5 granted; {}", peer.describe());
    Ok(())
}

const STRANGERS: Promise = Promise::new(
    "§5.2",
    "only members of the group have a vote",
    "removed peers could elect a leader that the group's majority knows nothing of",
);

/// Votes from peers that are no members.
pub fn strangers_have_no_vote() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.campaigns()?;
    for stranger in [7, 8, 9] {
        peer.hears(msg::grant(stranger, 1, 1))?;
    }
    ensure!(
        STRANGERS,
        peer.role() == Role::Candidate,
        "7, 8 and 9 are no members of 1..=3; {}",
        peer.describe()
    );
    Ok(())
}

const NOT_A_MEMBER: Promise = Promise::new(
    "§5.2, thesis §4.2.2",
    "a peer that is not a member of its group never campaigns",
    "a removed peer would disturb the group with ever higher terms; one that was just created would elect itself",
);

/// A removed peer, and one that has just been created by a message and knows no group yet.
pub fn non_member_never_campaigns() -> Check {
    for voters in [&[1, 2, 3][..], &[]] {
        let mut peer = Setup::bare(4, 3).voters(voters).start()?;
        peer.tick(60)?;
        peer.answer = peer.core.campaign();
        peer.round()?;
        let status = peer.status();
        let quiet = status.role == Role::Follower && status.term == 0;
        ensure!(NOT_A_MEMBER, quiet, "members {voters:?}, 60 ticks and a {MsgHup:?}; {}", peer.describe());
        let sent = peer.sends();
        ensure!(NOT_A_MEMBER, sent.is_empty(), "members {voters:?}; it sent {}", msg::describe_all(&sent));
    }
    Ok(())
}

const AGAIN: Promise = Promise::new(
    "§5.2",
    "a candidate that neither wins nor hears of a winner times out, and starts a new election with the next term",
    "after a split vote the group would stay without a leader",
);

/// A candidate that nobody answers.
pub fn candidate_tries_again() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.campaigns()?;
    peer.sends();
    for term in 2..5 {
        peer.until_campaign()?;
        let status = peer.status();
        let stands = status.role == Role::Candidate && (status.term, status.vote) == (term, 1);
        ensure!(AGAIN, stands, "nobody answered the campaign of term {}; {}", term - 1, peer.describe());
        let asked = peer.sends_kind(MsgRequestVote);
        let all =
            [2, 3].iter().all(|to| asked.iter().any(|request| request.to == *to && request.term == term));
        ensure!(AGAIN, all, "in its campaign of term {term} it sent {}", msg::describe_all(&asked));
    }
    Ok(())
}

const FRESH_VOTES: Promise = Promise::new(
    "§5.2",
    "votes count for one election: those of an earlier term say nothing about the current one",
    "a candidate would lead without a majority in its term, perhaps beside another leader",
);

/// A grant for term 1 arrives when the candidate already stands in term 2.
pub fn late_grant_is_not_counted() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.campaigns()?;
    peer.campaigns()?;
    peer.hears(msg::grant(2, 1, 1))?;
    let ok = peer.role() == Role::Candidate && peer.term() == 2;
    ensure!(FRESH_VOTES, ok, "a grant of term 1 came late; {}", peer.describe());
    let mut peer = Setup::bare(1, 5).start()?;
    peer.campaigns()?;
    peer.hears(msg::grant(2, 1, 1))?;
    peer.campaigns()?;
    peer.hears(msg::grant(3, 1, 2))?;
    let ok = peer.role() == Role::Candidate;
    ensure!(FRESH_VOTES, ok, "2 granted in term 1, 3 in term 2, of 5 members; {}", peer.describe());
    Ok(())
}
