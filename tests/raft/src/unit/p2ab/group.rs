//! Several peers replicate a log.

use raft::Role;

use crate::unit::fixture::{ELECTION, Setup};
use crate::unit::msg::{describe_log, ids};
use crate::unit::net::Net;
use crate::unit::{Check, Promise, ensure};

/// Fails unless all peers hold the same log, all of it committed.
fn ensure_equal(promise: Promise, net: &Net, when: &str) -> Check {
    let first = net.peers.values().next().map(|peer| peer.disk_entries()).unwrap_or_default();
    for peer in net.peers.values() {
        let log = describe_log(&peer.log());
        let same = peer.disk_entries() == first;
        ensure!(promise, same, "{when}: peer {} holds {log}, unlike others", peer.id());
        let whole = peer.commit() == first.len() as u64;
        ensure!(promise, whole, "{when}: peer {} holds {log}, commit {}", peer.id(), peer.commit());
    }
    Ok(())
}

const REPLICATES: Promise = Promise::new(
    "§5.3",
    "what the leader takes reaches every peer's log and every state machine, in the same order",
    "replicas would differ",
);

/// Proposals under two leaders.
pub fn proposals_reach_everybody() -> Check {
    for n in [2, 3, 5] {
        let mut net = Net::bare(n)?;
        net.elect(1)?;
        for data in ["a", "b", "c"] {
            net.propose(1, data)?;
        }
        net.elect(2)?;
        net.propose(2, "d")?;
        net.beats(2, 2)?;
        ensure_equal(REPLICATES, &net, "4 proposals under two leaders")?;
        for id in 1..=n {
            let given = net.given(id);
            ensure!(REPLICATES, given == ["a", "b", "c", "d"], "peer {id} of {n} applied {given:?}");
        }
    }
    Ok(())
}

const MAJORITY_SIDE: Promise = Promise::new(
    "§5.3, §5.4",
    "a leader without a majority commits nothing; when the network heals, its entries give way to those of the new leader",
    "clients would be told of writes that are lost, or replicas differ for ever",
);

/// The leader is cut off with one follower, goes on taking proposals, and comes back.
pub fn minority_leader_gives_way() -> Check {
    let mut net = Net::bare(5)?;
    net.elect(1)?;
    net.propose(1, "a")?;
    net.beats(1, 1)?;
    for (a, b) in [(1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5)] {
        net.cut(a, b);
    }
    net.propose(1, "lost")?;
    net.propose(1, "too")?;
    ensure!(MAJORITY_SIDE, net.peer(1).commit() == 2, "1 reaches two of five; {}", net.describe());
    net.elect(4)?;
    net.propose(4, "b")?;
    ensure!(MAJORITY_SIDE, net.peer(4).commit() == 4, "4 reaches three of five; {}", net.describe());
    net.heal();
    net.beats(4, 4)?;
    ensure_equal(MAJORITY_SIDE, &net, "after the network healed")?;
    for id in 1..=5 {
        let given = net.given(id);
        ensure!(MAJORITY_SIDE, given == ["a", "b"], "peer {id} applied {given:?}");
    }
    Ok(())
}

const OVERWRITES: Promise = Promise::new(
    "§5.2, §5.3, §5.4.1",
    "a candidate that lost its first election wins with a later term, and replaces uncommitted entries, newer ones too, \
     that a majority does not hold",
    "a peer that once led would hold on to entries that nobody else has",
);

/// 1 and 2 hold an entry of term 1, 3 one of term 2; 4 and 5 voted in term 2, and hold nothing.
pub fn newer_uncommitted_entries_are_replaced() -> Check {
    let mut net = Net::start([
        Setup::bare(1, 5).log(&[1]),
        Setup::bare(2, 5).log(&[1]),
        Setup::bare(3, 5).log(&[2]).hard(2, 3, 0),
        Setup::bare(4, 5).hard(2, 3, 0),
        Setup::bare(5, 5).hard(2, 3, 0),
    ])?;
    net.campaign(1)?;
    let role = net.peer(1).role();
    ensure!(
        OVERWRITES,
        role != Role::Leader,
        "3, 4 and 5 voted for 3 in term 2, then 1 campaigned: {}",
        net.describe()
    );
    net.elect(1)?;
    net.beats(1, 3)?;
    ensure_equal(OVERWRITES, &net, "1 won the next term")?;
    let log = net.peer(3).log();
    ensure!(OVERWRITES, log == ids(&[1, 3]), "the leader's log is 1@1 2@3; 3 holds {}", describe_log(&log));
    Ok(())
}

const NEW_LEADER_COMMITS: Promise = Promise::new(
    "§5.4.2, §8",
    "a new leader commits what its predecessor left, by its own empty entry, without any client",
    "the last writes of a leader that crashed would hang until somebody writes again",
);

/// The old leader stores entries at a majority, and crashes before it commits them.
pub fn new_leader_commits_what_was_left() -> Check {
    let mut net = Net::bare(3)?;
    net.elect(1)?;
    net.propose(1, "a")?;
    net.cut(1, 3);
    net.peer(1).proposes("b")?;
    for message in net.collect() {
        // The append reaches 2; its answer, and 1 itself, are lost.
        net.peer(message.to).hears(message)?;
    }
    net.isolate(1);
    net.elect(2)?;
    net.beats(2, 2)?;
    let commit = net.peer(2).commit();
    ensure!(
        NEW_LEADER_COMMITS,
        commit == 4,
        "2 leads, with b at 3 and its own entry at 4, 3 follows; commit {commit}"
    );
    let given = net.given(3);
    ensure!(NEW_LEADER_COMMITS, given == ["a", "b"], "3 applied {given:?}");
    Ok(())
}

const STALE_CANDIDATE: Promise = Promise::new(
    "§5.4.1",
    "a peer that missed committed entries is not elected, however often it campaigns, but the group still gets a leader",
    "committed entries would be lost",
);

/// A peer was cut off while others committed.
pub fn peer_without_committed_entries_is_not_elected() -> Check {
    let mut net = Net::bare(3)?;
    net.elect(1)?;
    net.isolate(3);
    net.propose(1, "a")?;
    net.heal();
    for _ in 0..3 {
        net.campaign(3)?;
        ensure!(
            STALE_CANDIDATE,
            net.peer(3).role() != Role::Leader,
            "a is committed, and 3 lacks it; {}",
            net.describe()
        );
    }
    net.campaign(2)?;
    if net.leaders().is_empty() {
        net.campaign(2)?;
    }
    ensure!(STALE_CANDIDATE, net.leaders() == [2], "2 has the whole log, and campaigned; {}", net.describe());
    net.beats(2, 3)?;
    ensure_equal(STALE_CANDIDATE, &net, "2 leads")?;
    Ok(())
}

const REJOINS: Promise = Promise::new(
    "§5.1, §5.2",
    "a peer that comes back with a higher term costs the group an election at most: soon there is a leader again, all \
     committed entries are there, and new ones are committed",
    "one peer with a bad cable would stop the group",
);

/// A peer campaigns alone for a long time, then the network heals.
pub fn returning_peer_does_not_stop_the_group() -> Check {
    let mut net = Net::bare(3)?;
    net.elect(1)?;
    net.propose(1, "a")?;
    net.beats(1, 1)?;
    net.isolate(3);
    for _ in 0..8 * ELECTION {
        net.tick()?;
    }
    let (ours, theirs) = (net.peer(1).term(), net.peer(3).term());
    ensure!(REJOINS, theirs > ours, "3 heard nobody for {} ticks; {}", 8 * ELECTION, net.describe());
    net.heal();
    let settled = |net: &Net| match net.leaders()[..] {
        [leader] => net.peers.values().all(|peer| peer.status().leader_id == leader && peer.term() >= theirs),
        _ => false,
    };
    let mut ticks = 0;
    while !settled(&net) && ticks < 30 * ELECTION {
        net.tick()?;
        ticks += 1;
    }
    ensure!(REJOINS, settled(&net), "3 came back {ticks} ticks ago; {}", net.describe());
    let leader = net.leaders()[0];
    net.propose(leader, "b")?;
    net.beats(leader, 3)?;
    ensure_equal(REJOINS, &net, "after the return")?;
    for id in 1..=3 {
        let given = net.given(id);
        ensure!(REJOINS, given == ["a", "b"], "peer {id} applied {given:?}");
    }
    Ok(())
}

const CRASHES: Promise = Promise::new(
    "§5.3, §5.4",
    "committed entries survive the crash of every peer at once, as long as the disks do",
    "writes that clients were told of would be lost",
);

/// Everybody crashes, somebody else is elected.
pub fn committed_entries_survive_crashes() -> Check {
    let mut net = Net::bare(3)?;
    net.elect(1)?;
    net.isolate(3);
    for data in ["a", "b"] {
        net.propose(1, data)?;
    }
    let before = net.peer(1).log();
    for id in 1..=3 {
        net.restart(id)?;
    }
    net.heal();
    net.elect(2)?;
    net.beats(2, 3)?;
    ensure_equal(CRASHES, &net, "after the crash")?;
    let after = net.peer(3).log();
    let kept = after.starts_with(&before);
    ensure!(CRASHES, kept, "{} was committed; now {}", describe_log(&before), describe_log(&after));
    Ok(())
}

const LOSING_CANDIDATE: Promise = Promise::new(
    "§5.2, §5.3",
    "a candidate that was cut off follows the leader that the others elected, and takes its log",
    "it would campaign for ever",
);

/// Two candidates; the loser hears from the winner only later.
pub fn cut_off_candidate_follows() -> Check {
    let mut net = Net::bare(3)?;
    net.isolate(1);
    net.campaign(1)?;
    net.elect(3)?;
    net.propose(3, "a")?;
    net.heal();
    net.beats(3, 4)?;
    let status = net.peer(1).status();
    let follows = status.role == Role::Follower && (status.term, status.leader_id) == (1, 3);
    ensure!(LOSING_CANDIDATE, follows, "1 and 3 campaigned in term 1, 3 won; {}", net.describe());
    ensure_equal(LOSING_CANDIDATE, &net, "1 heard from 3")
}
