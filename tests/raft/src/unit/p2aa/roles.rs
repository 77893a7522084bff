//! Being leader, following one.

use proto::eraftpb::Message;
use proto::eraftpb::MessageType::{MsgBeat, MsgHeartbeat, MsgHeartbeatResponse, MsgRequestVote};
use raft::{PeerId, Role};

use crate::unit::fixture::{ELECTION, Setup};
use crate::unit::{Check, Promise, ensure, msg};

const YIELDS: Promise = Promise::new(
    "§5.2",
    "a candidate that hears from the leader of its own term recognises it, and follows",
    "it would go on campaigning, and depose a leader that was rightly elected",
);

/// A candidate hears a heartbeat of its term.
pub fn candidate_follows_the_winner() -> Check {
    let mut peer = Setup::bare(1, 3).hard(1, 0, 0).start()?;
    peer.campaigns()?;
    peer.hears(msg::heartbeat(3, 1, 2, 0))?;
    let status = peer.status();
    let follows = status.role == Role::Follower && (status.term, status.leader_id) == (2, 3);
    ensure!(
        YIELDS,
        follows,
        "candidate of term 2 heard a heartbeat of leader 3, term 2; {}",
        peer.describe()
    );
    peer.hears(msg::grant(2, 1, 2))?;
    let still = peer.role() == Role::Follower && peer.status().leader_id == 3;
    ensure!(YIELDS, still, "then a late grant for its own campaign came in; {}", peer.describe());
    Ok(())
}

const LATE_VOTES: Promise = Promise::new(
    "§5.2",
    "a leader is elected: votes that arrive later, granted or refused, change nothing",
    "after each contested election the leader would give up again",
);

/// Late answers to the campaign.
pub fn late_votes_do_not_depose() -> Check {
    let mut peer = Setup::bare(1, 5).start()?;
    peer.campaigns()?;
    for answer in [msg::grant(2, 1, 1), msg::grant(3, 1, 1), msg::refuse(4, 1, 1), msg::refuse(5, 1, 1)] {
        peer.hears(answer)?;
    }
    let leads = peer.role() == Role::Leader && peer.term() == 1 && peer.status().leader_id == 1;
    ensure!(LATE_VOTES, leads, "granted by 2 and 3 of 5, then refused by 4 and 5; {}", peer.describe());
    peer.hears(msg::grant(4, 1, 1))?;
    ensure!(LATE_VOTES, peer.role() == Role::Leader, "then another grant; {}", peer.describe());
    Ok(())
}

const NO_SELF_RIVAL: Promise = Promise::new(
    "§5.2",
    "a leader does not campaign: told to, it does nothing",
    "it would depose itself, for nothing",
);

/// A leader is told to campaign.
pub fn leader_does_not_campaign() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    peer.sends();
    peer.answer = peer.core.campaign();
    peer.round()?;
    let leads = peer.role() == Role::Leader && peer.term() == 1;
    ensure!(NO_SELF_RIVAL, leads, "leader of term 1 was told to campaign; {}", peer.describe());
    let asked = peer.sends_kind(MsgRequestVote);
    ensure!(NO_SELF_RIVAL, asked.is_empty(), "it sent {}", msg::describe_all(&asked));
    Ok(())
}

const PATIENT: Promise = Promise::new(
    "§5.2",
    "a leader leads until it hears of a higher term: it has no election timeout",
    "leadership would change in a healthy group",
);

/// A leader that nobody answers.
pub fn leader_stays_leader() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    peer.tick(8 * ELECTION)?;
    let leads = peer.role() == Role::Leader && peer.term() == 1;
    ensure!(PATIENT, leads, "leader of term 1, {} ticks later: {}", 8 * ELECTION, peer.describe());
    Ok(())
}

const ANSWERED: Promise = Promise::new(
    "§5.2",
    "a follower answers the heartbeat of its leader",
    "the leader could not tell which followers are alive, nor notice that one lacks entries",
);

/// A heartbeat is answered, to the leader alone, in its term.
pub fn heartbeat_is_answered() -> Check {
    let mut peer = Setup::bare(1, 3).hard(1, 0, 0).start()?;
    peer.hears(msg::heartbeat(2, 1, 3, 0))?;
    let sent = peer.sends_kind(MsgHeartbeatResponse);
    let answered =
        sent.len() == 1 && sent.iter().all(|answer| (answer.to, answer.term, answer.reject) == (2, 3, false));
    ensure!(
        ANSWERED,
        answered,
        "leader 2 of term 3 sent a heartbeat; the answer: {}",
        msg::describe_all(&sent)
    );
    Ok(())
}

const CONTEXT: Promise = Promise::new(
    "handout",
    "the answer to a heartbeat carries the heartbeat's context back, unchanged",
    "the leader would not know which of its heartbeats was answered, and so which reads it may serve",
);

/// Heartbeats with contexts, and one without.
pub fn heartbeat_context_comes_back() -> Check {
    let mut peer = Setup::bare(1, 3).hard(1, 0, 0).start()?;
    for context in ["round 7", "", "round 8"] {
        let beat = Message { context: context.into(), ..msg::heartbeat(2, 1, 1, 0) };
        peer.hears(beat)?;
        let sent = peer.sends_kind(MsgHeartbeatResponse);
        let returned = !sent.is_empty() && sent.iter().all(|answer| answer.context == context);
        let seen: Vec<_> = sent.iter().map(|answer| answer.context.escape_ascii().to_string()).collect();
        ensure!(
            CONTEXT,
            returned,
            "a heartbeat with context \"{context}\" came; contexts of the answers: {seen:?}"
        );
    }
    Ok(())
}

const ONE_LEADER: Promise = Promise::new(
    "§5.2",
    "there is one leader in a term: a leader never follows another one of its own term",
    "if it does, somebody has voted twice, and following hides it",
);

/// A leader hears a heartbeat of its own term from somebody else, which cannot be.
pub fn leader_follows_nobody_in_its_term() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    if peer.survives(msg::heartbeat(2, 1, 1, 0)) {
        peer.round()?;
        let leads = peer.role() == Role::Leader && peer.status().leader_id == 1;
        ensure!(ONE_LEADER, leads, "leader of term 1 heard a heartbeat of 2, term 1; {}", peer.describe());
    }
    Ok(())
}

const BEAT: Promise = Promise::new(
    "handout",
    "MsgBeat makes a leader send a heartbeat to every other member at once; to others it means nothing",
    "followers that hear nothing campaign",
);

/// The host asks for heartbeats.
pub fn beat_sends_heartbeats() -> Check {
    let mut peer = Setup::bare(1, 5).start()?;
    peer.wins()?;
    peer.sends();
    peer.hears(msg::local(MsgBeat, 1))?;
    let sent = peer.sends_kind(MsgHeartbeat);
    let mut to: Vec<PeerId> = sent.iter().map(|beat| beat.to).collect();
    to.sort_unstable();
    let own = sent.iter().all(|beat| beat.term == 1 && beat.from == 1);
    ensure!(BEAT, own && to == [2, 3, 4, 5], "leader of term 1 sent {}", msg::describe_all(&sent));
    let mut peer = Setup::bare(1, 3).start()?;
    for _ in 0..2 {
        peer.hears(msg::local(MsgBeat, 1))?;
        let sent = peer.sends_kind(MsgHeartbeat);
        ensure!(BEAT, sent.is_empty(), "{} sent {}", peer.describe(), msg::describe_all(&sent));
        peer.campaigns()?;
    }
    Ok(())
}
