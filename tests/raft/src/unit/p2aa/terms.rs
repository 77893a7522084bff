//! Terms: a higher one is adopted, an older one is not listened to.

use proto::eraftpb::Message;
use raft::{NONE, Role};

use crate::unit::fixture::{Peer, Setup};
use crate::unit::{Check, Promise, ensure, msg};

/// Peer 1 of three in the given role, in term 1.
fn peer_as(role: Role) -> Check<Peer> {
    let mut peer = Setup::bare(1, 3).hard(1, NONE, 0).start()?;
    match role {
        Role::Candidate => {
            peer = Setup::bare(1, 3).start()?;
            peer.campaigns()?;
        }
        Role::Leader => {
            peer = Setup::bare(1, 3).start()?;
            peer.wins()?;
        }
        _ => peer.hears(msg::heartbeat(3, 1, 1, 0))?,
    }
    peer.sends();
    Ok(peer)
}

const ROLES: [Role; 3] = [Role::Follower, Role::Candidate, Role::Leader];

const HIGHER: Promise = Promise::new(
    "§5.1",
    "a message of a higher term, of whatever kind, makes any peer a follower of that term, with no vote given in it yet",
    "a deposed leader would go on leading; terms would never meet",
);

/// Every role, every kind of message that an election needs.
pub fn higher_term_makes_a_follower() -> Check {
    for role in ROLES {
        let heard: [Message; 4] = [
            msg::heartbeat(2, 1, 4, 0),
            msg::heartbeat_ok(2, 1, 4),
            msg::grant(2, 1, 4),
            msg::refuse(2, 1, 4),
        ];
        for message in heard {
            let mut peer = peer_as(role)?;
            peer.hears(message.clone())?;
            let status = peer.status();
            let follows = status.role == Role::Follower && (status.term, status.vote) == (4, NONE);
            let heard = msg::describe(&message);
            ensure!(HIGHER, follows, "{role:?} of term 1 heard {heard}; now {}", peer.describe());
            let stored = peer.disk_state();
            ensure!(HIGHER, (stored.term, stored.vote) == (4, NONE), "it heard {heard}; on disk: {stored:?}");
        }
    }
    Ok(())
}

const WHO_LEADS: Promise = Promise::new(
    "§5.2",
    "the leader of a term is whoever sends heartbeats in it: nobody is known to lead a new term before that, and the leader \
     of the old one leads no more",
    "clients would be sent to a leader that is deposed",
);

/// Leader ids across term changes.
pub fn leader_is_known_only_from_its_own_messages() -> Check {
    for role in ROLES {
        let mut peer = peer_as(role)?;
        peer.hears(msg::refuse(2, 1, 4))?;
        let unknown = peer.status().leader_id == NONE;
        ensure!(WHO_LEADS, unknown, "{role:?} heard of term 4 from a voter; {}", peer.describe());
        peer.hears(msg::heartbeat(2, 1, 4, 0))?;
        ensure!(
            WHO_LEADS,
            peer.status().leader_id == 2,
            "a heartbeat of 2 came in term 4; {}",
            peer.describe()
        );
        peer.hears(msg::heartbeat(3, 1, 5, 0))?;
        ensure!(
            WHO_LEADS,
            peer.status().leader_id == 3,
            "a heartbeat of 3 came in term 5; {}",
            peer.describe()
        );
        peer.campaigns()?;
        ensure!(WHO_LEADS, peer.status().leader_id == NONE, "it campaigns in term 6; {}", peer.describe());
        peer.wins()?;
        ensure!(WHO_LEADS, peer.status().leader_id == 1, "it won term 7; {}", peer.describe());
    }
    Ok(())
}

const STALE: Promise = Promise::new(
    "§5.1",
    "a message of an older term changes nothing: the world that it speaks of is gone",
    "a deposed leader or a late answer would undo what the new term has decided",
);

/// Every role hears messages of an older term.
pub fn older_terms_change_nothing() -> Check {
    for role in ROLES {
        let heard: [Message; 5] = [
            msg::heartbeat(2, 1, 2, 0),
            msg::heartbeat_ok(2, 1, 2),
            msg::grant(2, 1, 2),
            msg::refuse(2, 1, 2),
            msg::vote(2, 1, 2, msg::at(9, 2)),
        ];
        for message in heard {
            let mut peer = Setup::bare(1, 3).hard(2, NONE, 0).start()?;
            match role {
                Role::Candidate => peer.campaigns()?,
                Role::Leader => peer.wins()?,
                _ => peer.hears(msg::heartbeat(3, 1, 3, 0))?,
            }
            let before = peer.status();
            peer.hears(message.clone())?;
            let now = peer.status();
            let same = (now.role, now.term, now.vote, now.leader_id)
                == (before.role, before.term, before.vote, before.leader_id);
            let heard = msg::describe(&message);
            ensure!(STALE, same, "{role:?} of term 3 heard {heard}; now {}", peer.describe());
        }
    }
    Ok(())
}

const LATE_LEADER: Promise = Promise::new(
    "§5.1, figure 2",
    "a leader of an older term is answered with the current one (reply false if term < currentTerm)",
    "a deposed leader that hears nothing else would believe for ever that it leads, and keep its clients waiting",
);

/// A deposed leader sends a heartbeat.
pub fn deposed_leader_learns_of_its_end() -> Check {
    for role in [Role::Follower, Role::Leader] {
        let mut peer = Setup::bare(1, 3).hard(2, NONE, 0).start()?;
        match role {
            Role::Leader => peer.wins()?,
            _ => peer.hears(msg::heartbeat(3, 1, 3, 0))?,
        }
        peer.sends();
        peer.hears(msg::heartbeat(2, 1, 2, 0))?;
        let sent = peer.sends();
        let told = sent.iter().any(|message| message.to == 2 && message.term == 3);
        let all = msg::describe_all(&sent);
        ensure!(LATE_LEADER, told, "{role:?} of term 3 heard a heartbeat of term 2 from 2; it sent {all}");
    }
    Ok(())
}

const OWN_TERM: Promise = Promise::new(
    "§5.1",
    "every message to another peer carries the term of its sender",
    "its receiver could not tell a current message from one that the network kept for an hour",
);

/// Whatever it does, it says its term.
pub fn messages_carry_the_term() -> Check {
    let mut peer = Setup::bare(1, 3).hard(7, NONE, 0).start()?;
    peer.hears(msg::heartbeat(2, 1, 8, 0))?;
    peer.hears(msg::vote(3, 1, 9, msg::at(0, 0)))?;
    let sent = peer.sends();
    let right = sent.iter().all(|message| message.from == 1 && matches!(message.term, 8 | 9));
    ensure!(OWN_TERM, right, "in terms 8 and 9 peer 1 sent {}", msg::describe_all(&sent));
    peer.wins()?;
    peer.tick(9)?;
    let sent = peer.sends();
    let right = sent.iter().all(|message| message.from == 1 && message.term == 10);
    ensure!(OWN_TERM, right, "as candidate and leader of term 10 peer 1 sent {}", msg::describe_all(&sent));
    Ok(())
}
