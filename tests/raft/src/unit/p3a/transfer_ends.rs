//! How a hand-over ends: with a new leader, after a while, or because the target is gone.

use raft::{NONE, Role};

use super::leader;
use crate::unit::fixture::ELECTION;
use crate::unit::net::Net;
use crate::unit::{Check, Promise, ensure, msg};

const GIVES_UP: Promise = Promise::new(
    "thesis §3.10",
    "if the hand-over is not done after an election timeout, the leader gives it up, and takes proposals again",
    "a dead target would block all writes for ever",
);

/// Targets that never answer: one that lags, one that was told to campaign.
pub fn transfer_is_given_up_after_a_while() -> Check {
    for caught_up in [false, true] {
        let mut peer = leader(3)?;
        peer.proposes("a")?;
        if caught_up {
            peer.hears(msg::append_ok(3, 1, 1, 2))?;
        }
        peer.hears(msg::append_ok(2, 1, 1, 2))?;
        peer.core.transfer_leader(3);
        peer.round()?;
        peer.tick(2 * ELECTION)?;
        ensure!(
            GIVES_UP,
            peer.role() == Role::Leader && peer.term() == 1,
            "nobody campaigned; {}",
            peer.describe()
        );
        let transferee = peer.status().transferee;
        let ticks = 2 * ELECTION;
        ensure!(
            GIVES_UP,
            transferee == NONE,
            "3 was to lead {ticks} ticks ago, and is silent; transferee {transferee}"
        );
        peer.proposes("b")?;
        ensure!(
            GIVES_UP,
            peer.answer.is_ok(),
            "3 was to lead {ticks} ticks ago, and is silent; a proposal: {:?}",
            peer.answer
        );
    }
    Ok(())
}

const FULL_TIME: Promise = Promise::new(
    "thesis §3.10",
    "a hand-over has an election timeout from the moment it begins, whatever the leader's clock shows then",
    "a hand-over that begins at the wrong moment would be given up before the target could answer",
);

/// The hand-over begins at every possible state of the leader's clock.
pub fn hand_over_has_its_full_time() -> Check {
    for late in 0..2 * ELECTION {
        let mut peer = leader(3)?;
        peer.proposes("a")?;
        peer.hears(msg::append_ok(2, 1, 1, 2))?;
        peer.tick(late)?;
        peer.core.transfer_leader(3);
        peer.round()?;
        peer.tick(ELECTION / 2)?;
        let transferee = peer.status().transferee;
        let name = format!("{late} ticks into its term 3 was to lead; {} ticks later", ELECTION / 2);
        ensure!(FULL_TIME, transferee == 3, "{name} transferee {transferee}");
        peer.proposes("b")?;
        ensure!(FULL_TIME, peer.answer.is_err(), "{name} a proposal: {:?}", peer.answer);
    }
    Ok(())
}

const NO_LONGER: Promise = Promise::new(
    "thesis §3.10",
    "asking again for the same target changes nothing: the hand-over is given up at its time all the same",
    "whoever asks again and again, because nothing happens, would keep the group from ever taking a write",
);

/// The same wish every few ticks, for a target that is silent.
pub fn repeated_request_prolongs_nothing() -> Check {
    for interval in [1, 3] {
        let mut peer = leader(3)?;
        peer.proposes("a")?;
        peer.hears(msg::append_ok(2, 1, 1, 2))?;
        let mut given_up = false;
        for tick in 0..2 * ELECTION {
            if tick % interval == 0 {
                peer.core.transfer_leader(3);
                peer.round()?;
            }
            peer.tick(1)?;
            given_up |= peer.status().transferee == NONE;
        }
        let ticks = 2 * ELECTION;
        let name = format!("3 is silent, and for {ticks} ticks was to lead again every {interval} ticks");
        ensure!(NO_LONGER, given_up, "{name}; the hand-over never ended");
    }
    Ok(())
}

const TARGET_GONE: Promise = Promise::new(
    "thesis §3.10, §4.2",
    "if the target is removed from the group the hand-over is given up",
    "the leader would refuse writes for the sake of a peer that does not exist any more",
);

/// The removal was on its way when the hand-over began.
pub fn transfer_ends_when_the_target_is_removed() -> Check {
    let mut peer = leader(3)?;
    peer.proposes_change(&msg::remove(3))?;
    peer.core.transfer_leader(3);
    peer.round()?;
    let transferee = peer.status().transferee;
    ensure!(TARGET_GONE, transferee == 3, "3 is still a member, and is to lead; transferee {transferee}");
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    let (transferee, members) = (peer.status().transferee, peer.core.conf_state().voters);
    ensure!(
        TARGET_GONE,
        members == [1, 2] && transferee == NONE,
        "3 is removed; members {members:?}, transferee {transferee}"
    );
    peer.proposes("a")?;
    ensure!(TARGET_GONE, peer.answer.is_ok(), "3 is removed; a proposal: {:?}", peer.answer);
    Ok(())
}

const FRESH_START: Promise = Promise::new(
    "thesis §3.10",
    "a leader that is elected again knows nothing of a hand-over from before",
    "it would refuse writes from its first moment on",
);

/// Deposed during a hand-over, and elected again.
pub fn next_leadership_starts_without_a_transfer() -> Check {
    let mut peer = leader(3)?;
    peer.core.transfer_leader(3);
    peer.round()?;
    peer.hears(msg::heartbeat(2, 1, 2, 1))?;
    peer.wins()?;
    let transferee = peer.status().transferee;
    ensure!(FRESH_START, transferee == NONE, "elected again in term 3; transferee {transferee}");
    peer.proposes("a")?;
    ensure!(FRESH_START, peer.answer.is_ok(), "elected again in term 3; a proposal: {:?}", peer.answer);
    Ok(())
}

const WORKS: Promise = Promise::new(
    "thesis §3.10",
    "in a healthy group the target leads the next term without any timeout, and nothing is lost",
    "moving a leader would cost an outage",
);

/// There and back again; then to a peer that missed entries.
pub fn leadership_moves_to_the_target() -> Check {
    let mut net = Net::raw(3)?;
    net.elect(1)?;
    net.propose(1, "a")?;
    net.beats(1, 1)?;
    for (from, to) in [(1, 3), (3, 1), (1, 2)] {
        let term = net.peer(from).term();
        net.peer(from).core.transfer_leader(to);
        net.peer(from).round()?;
        net.settle()?;
        let moved = net.leaders() == [to] && net.peer(to).term() == term + 1;
        ensure!(WORKS, moved, "{from} led term {term}, {to} was to lead; {}", net.describe());
        net.propose(to, "b")?;
        net.beats(to, 1)?;
        let transferee = net.peer(to).status().transferee;
        ensure!(WORKS, transferee == NONE, "{to} leads, and hands over to {transferee}");
    }
    net.isolate(3);
    net.propose(2, "c")?;
    net.heal();
    net.peer(1).core.transfer_leader(3);
    net.peer(1).round()?;
    net.settle()?;
    net.beats(2, 2)?;
    ensure!(
        WORKS,
        net.leaders() == [3],
        "2 led, 1 was asked to make 3 leader, which missed an entry; {}",
        net.describe()
    );
    net.beats(3, 2)?;
    for id in 1..=3 {
        let given = net.given(id);
        ensure!(WORKS, given == ["a", "b", "b", "b", "c"], "peer {id} applied {given:?}");
    }
    Ok(())
}
