//! Votes go to candidates with up-to-date logs only.

use proto::eraftpb::MessageType::{MsgRequestVote, MsgRequestVoteResponse};
use raft::{LogId, NONE, Term};

use crate::unit::fixture::Setup;
use crate::unit::msg::{at, ids};
use crate::unit::{Check, Promise, ensure, msg};

const UP_TO_DATE: Promise = Promise::new(
    "§5.4.1",
    "a vote goes only to a candidate whose log is at least as up to date: its last term is higher, or equal with a last \
     index that is not lower",
    "a leader without all committed entries would be elected, and delete them everywhere; or none could be elected",
);

/// Voters and candidates with all kinds of logs. What is committed matters to nobody.
pub fn vote_needs_an_up_to_date_log() -> Check {
    let cases: [(&[Term], LogId, bool); 14] = [
        (&[], at(0, 0), true),
        (&[], at(3, 2), true),
        (&[1], at(0, 0), false),
        (&[1, 1, 2, 2], at(4, 2), true),
        (&[1, 1, 2, 2], at(5, 2), true),
        (&[1, 1, 2, 2], at(3, 2), false),
        (&[1, 1, 2, 2], at(1, 2), false),
        (&[1, 1, 2, 2], at(3, 3), true),
        (&[1, 1, 2, 2], at(1, 3), true),
        (&[1, 1, 2, 2], at(4, 1), false),
        (&[1, 1, 2, 2], at(5, 1), false),
        (&[1, 1, 2, 2], at(50, 1), false),
        (&[5], at(40, 4), false),
        (&[1, 1, 1, 1, 1], at(1, 2), true),
    ];
    for (log, last, expected) in cases {
        for commit in [0, log.len() as u64] {
            let mut peer = Setup::bare(1, 3).log(log).hard(6, NONE, commit).start()?;
            peer.hears(msg::vote(2, 1, 7, last))?;
            let granted = peer.sends_kind(MsgRequestVoteResponse).iter().any(|answer| !answer.reject);
            let (ours, what) = (msg::describe_log(&ids(log)), if granted { "granted" } else { "refused" });
            let name = format!(
                "voter with log {ours}, commit {commit}; candidate's log ends at {}@{}",
                last.index, last.term
            );
            ensure!(UP_TO_DATE, granted == expected, "{name}: {what}");
            let vote = peer.status().vote;
            ensure!(
                UP_TO_DATE,
                vote == if expected { 2 } else { NONE },
                "{name}: {what}, and its vote is {vote}"
            );
        }
    }
    Ok(())
}

const REQUEST: Promise = Promise::new(
    "§5.4.1",
    "a candidate's request names the index and term of the last entry of its log, committed or not",
    "voters would compare with something else, and elect the wrong candidate, or nobody",
);

/// Candidates with several logs.
pub fn request_names_the_last_entry() -> Check {
    let cases: [(&[Term], u64); 4] = [(&[], 0), (&[1, 1], 0), (&[1, 1, 2], 1), (&[1, 2, 4], 3)];
    for (log, commit) in cases {
        let mut peer = Setup::bare(1, 3).log(log).hard(4, NONE, commit).start()?;
        peer.campaigns()?;
        let last = ids(log).last().copied().unwrap_or_default();
        for request in peer.sends_kind(MsgRequestVote) {
            let right = (request.index, request.log_term) == (last.index, last.term);
            let ours = msg::describe_log(&ids(log));
            ensure!(REQUEST, right, "log {ours}, commit {commit}; it sent {}", msg::describe(&request));
        }
    }
    Ok(())
}

const REFUSED_TERM: Promise = Promise::new(
    "§5.1, §5.4.1",
    "a candidate of a higher term that is refused for its log still brings its term with it, and leaves the vote free",
    "terms would never meet: the one that could win would stay in an old term, and be refused by all others",
);

/// A candidate with a short log, then one with a good log, in the same term.
pub fn refusal_adopts_the_term_and_keeps_the_vote() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1, 2]).start()?;
    peer.hears(msg::vote(2, 1, 8, at(9, 1)))?;
    let sent = peer.sends_kind(MsgRequestVoteResponse);
    let refused = sent.iter().any(|answer| answer.reject && answer.term == 8);
    let all = msg::describe_all(&sent);
    ensure!(
        REFUSED_TERM,
        refused,
        "2 asked for term 8 with a log of term 1, ours ends in term 2; it sent {all}"
    );
    let status = peer.status();
    ensure!(
        REFUSED_TERM,
        (status.term, status.vote) == (8, NONE),
        "it refused 2 in term 8; {}",
        peer.describe()
    );
    peer.hears(msg::vote(3, 1, 8, at(2, 2)))?;
    let sent = peer.sends_kind(MsgRequestVoteResponse);
    let granted = sent.iter().any(|answer| answer.to == 3 && !answer.reject);
    let all = msg::describe_all(&sent);
    ensure!(
        REFUSED_TERM,
        granted,
        "it refused 2 in term 8; 3 has a good log, and asked for term 8; it sent {all}"
    );
    Ok(())
}

const LEADER_YIELDS: Promise = Promise::new(
    "§5.1",
    "a leader or candidate that hears of a higher term steps down, also if it refuses its vote",
    "two leaders would go on side by side",
);

/// A leader and a candidate are asked by a candidate with a bad log.
pub fn leader_steps_down_even_if_it_refuses() -> Check {
    for leads in [true, false] {
        let mut peer = Setup::bare(1, 3).log(&[1, 2]).start()?;
        if leads {
            peer.wins()?;
        } else {
            peer.campaigns()?;
        }
        peer.hears(msg::vote(2, 1, 9, at(1, 1)))?;
        let status = peer.status();
        let follows = status.role == raft::Role::Follower && status.term == 9 && status.leader_id == NONE;
        ensure!(LEADER_YIELDS, follows, "it heard of term 9; {}", peer.describe());
    }
    Ok(())
}
