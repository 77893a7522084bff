//! Whole groups that change; learners.

use proto::eraftpb::{ConfChange, ConfChangeType, MessageType};
use raft::PeerId;

use super::leader;
use crate::unit::fixture::Setup;
use crate::unit::mate::Mate;
use crate::unit::net::Net;
use crate::unit::{Check, Promise, ensure, msg};

const GROWS: Promise = Promise::new(
    "thesis §4.1",
    "a group grows and shrinks peer by peer without an outage, and all members agree on who belongs to it",
    "moving data to another machine would stop the group, or split it",
);

/// The leader carries out one change; messages are delivered, heartbeats too.
fn change(net: &mut Net, leader: PeerId, change: &proto::eraftpb::ConfChange) -> Check {
    net.peer(leader).proposes_change(change)?;
    let answer = net.peer(leader).answer.clone();
    ensure!(
        GROWS,
        answer.is_ok(),
        "{leader} leads, and refused {:?} {}: {answer:?}",
        change.change_type(),
        change.node_id
    );
    net.settle()?;
    net.beats(leader, 4)
}

fn members(net: &mut Net, id: PeerId) -> Vec<PeerId> {
    net.peer(id).core.conf_state().voters
}

/// Peer 4 joins by the log or, after compaction, by a snapshot; then peer 1, the leader, hands over and leaves.
pub fn group_changes_peer_by_peer() -> Check {
    for compacted in [false, true] {
        let joining = if compacted { Setup::raw(4, 3).voters(&[]) } else { Setup::raw(4, 3) };
        let old = (1..=3).map(|id| Setup::raw(id, 3).seed(id));
        let mut net = Net::start(old.chain([joining]))?;
        net.elect(1)?;
        for data in ["a", "b"] {
            net.propose(1, data)?;
        }
        net.beats(1, 1)?;
        if compacted {
            let applied = net.peer(1).status().applied;
            net.peer(1).compacts(applied);
        }
        change(&mut net, 1, &msg::add(4))?;
        for id in 1..=4 {
            let known = members(&mut net, id);
            ensure!(GROWS, known == [1, 2, 3, 4], "4 joined; to {id} the members are {known:?}");
        }
        net.propose(1, "c")?;
        net.peer(1).core.transfer_leader(4);
        net.peer(1).round()?;
        net.settle()?;
        ensure!(GROWS, net.leaders() == [4], "4 joined, and was to lead; {}", net.describe());
        change(&mut net, 4, &msg::remove(1))?;
        net.propose(4, "d")?;
        net.beats(4, 2)?;
        for id in 2..=4 {
            let known = members(&mut net, id);
            ensure!(GROWS, known == [2, 3, 4], "1 left; to {id} the members are {known:?}");
            let digest = net.peer(id).core.storage().durable().digest;
            let same = digest == net.peer(4).core.storage().durable().digest;
            ensure!(GROWS, same, "a, b, c and d were proposed; {id} applied something else than 4 did");
        }
        // The removed peer may not know yet that it is, and campaign: that is known, and not this test's matter.
        net.isolate(1);
        for _ in 0..40 {
            net.tick()?;
        }
        let kept = net.leaders().contains(&4) && !net.leaders().contains(&2) && !net.leaders().contains(&3);
        ensure!(GROWS, kept, "4 leads, 1 left 40 ticks ago; {}", net.describe());
    }
    Ok(())
}

const PERSISTS: Promise = Promise::new(
    "thesis §4.1",
    "a peer that restarts belongs to the group of its last applied change",
    "it would count with majorities of the past",
);

/// A group of three becomes one of two; then everybody restarts.
pub fn membership_survives_a_restart() -> Check {
    let mut net = Net::raw(3)?;
    net.elect(1)?;
    change(&mut net, 1, &msg::remove(3))?;
    for id in [1, 2] {
        net.restart(id)?;
        let known = members(&mut net, id);
        ensure!(PERSISTS, known == [1, 2], "3 left, then {id} restarted; its members: {known:?}");
    }
    net.isolate(3);
    net.elect(2)?;
    net.propose(2, "a")?;
    net.beats(2, 1)?;
    let given = net.given(1);
    ensure!(PERSISTS, given == ["a"], "1 and 2 are the group; 1 applied {given:?}");
    Ok(())
}

const LEARNS: Promise = Promise::new(
    "thesis §4.2.1",
    "a learner gets the log, and counts for nothing else: not in a majority, and not as a target of a hand-over; added \
     as a voter it counts",
    "a peer without data would hold up every commit, which is what learners are for avoiding",
);

/// Peer 4 joins a group of three, as a learner first.
pub fn learner_gets_the_log_and_does_not_count() -> Check {
    let mut peer = leader(3)?;
    let learner = ConfChange { change_type: ConfChangeType::AddLearnerNode as i32, ..msg::add(4) };
    peer.proposes_change(&learner)?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    let known = peer.core.conf_state();
    let right = known.voters == [1, 2, 3] && known.learners == [4];
    ensure!(LEARNS, right, "4 was added as a learner; members {known:?}");
    let mut mates = [Mate::new(4, &[])];
    peer.serves_for(3, &mut mates)?;
    let seen = msg::describe_entries(mates[0].entries());
    ensure!(
        LEARNS,
        mates[0].entries() == peer.disk_entries(),
        "4 learns for 3 heartbeat intervals, and holds {seen}"
    );
    peer.core.transfer_leader(4);
    peer.round()?;
    let told = peer.sends_kind(MessageType::MsgTimeoutNow);
    ensure!(LEARNS, told.is_empty(), "the learner 4 is to lead; sent: {}", msg::describe_all(&told));
    peer.proposes("a")?;
    ensure!(LEARNS, peer.answer.is_ok(), "the learner 4 was to lead; then a proposal: {:?}", peer.answer);
    peer.hears(msg::append_ok(4, 1, 1, 3))?;
    ensure!(
        LEARNS,
        peer.commit() == 2,
        "one of the voters 1, 2, 3, and a learner, hold 3; {}",
        peer.describe()
    );
    peer.hears(msg::append_ok(3, 1, 1, 3))?;
    ensure!(LEARNS, peer.commit() == 3, "two of the voters 1, 2, 3 hold 3; {}", peer.describe());
    peer.proposes_change(&msg::add(4))?;
    peer.hears(msg::append_ok(3, 1, 1, 4))?;
    let known = peer.core.conf_state();
    let right = known.voters == [1, 2, 3, 4] && known.learners.is_empty();
    ensure!(LEARNS, right, "the learner 4 was added as a voter; members {known:?}");
    Ok(())
}
