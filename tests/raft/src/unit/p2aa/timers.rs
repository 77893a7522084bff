//! Time: when a peer campaigns, when it waits, when it sends heartbeats.

use std::collections::BTreeSet;

use proto::eraftpb::MessageType::MsgHeartbeat;
use raft::Role;

use crate::unit::fixture::{ELECTION, HEARTBEAT, Peer, Setup};
use crate::unit::{Check, Promise, ensure, msg};

/// Peers with so many different timeouts are tried, so that chance decides nothing.
const SEEDS: u64 = 40;

/// A follower of term 2 that has not voted; its timeout is one of many.
fn follower(seed: u64) -> Check<Peer> {
    Setup::bare(1, 3).hard(2, 0, 0).seed(seed).start()
}

const RANGE: Promise = Promise::new(
    "§5.2",
    "a peer that hears nothing campaigns after election_ticks to 2 * election_ticks ticks, never earlier, never later",
    "earlier, it deposes a leader that is alive; later, the group stays without one",
);

/// The first timeout, and those of a candidate that nobody answers.
pub fn timeout_is_in_range() -> Check {
    for seed in 0..SEEDS {
        let mut peer = follower(seed)?;
        for campaign in 1..=5 {
            let ticks = peer.until_campaign()?;
            let name = format!("campaign {campaign} of seed {seed} came after {ticks} ticks of silence");
            ensure!(
                RANGE,
                (ELECTION..=2 * ELECTION).contains(&ticks),
                "{name}; election_ticks is {ELECTION}"
            );
        }
    }
    Ok(())
}

const RANDOM: Promise = Promise::new(
    "§5.2",
    "election timeouts are chosen at random, anew for each election, and differently by each peer",
    "peers that time out together split the vote, again and again",
);

/// Many timeouts of one peer, and the same election at several peers with the same seed.
pub fn timeout_is_random() -> Check {
    let mut peer = follower(1)?;
    let mut own = BTreeSet::new();
    for _ in 0..50 {
        own.insert(peer.until_campaign()?);
    }
    ensure!(RANDOM, own.len() >= 4, "50 elections in a row, timeouts in ticks: {own:?}");
    let mut differing = 0;
    for seed in 0..SEEDS {
        let timeouts: Check<BTreeSet<u32>> =
            (1..=5).map(|id| Setup::bare(id, 5).seed(seed).start()?.until_campaign()).collect();
        differing += usize::from(timeouts?.len() > 1);
    }
    let enough = differing * 2 > SEEDS as usize;
    ensure!(
        RANDOM,
        enough,
        "five peers with equal seeds, {SEEDS} seeds: they differed for {differing} of them only"
    );
    let first: Check<BTreeSet<u32>> = (0..SEEDS).map(|seed| follower(seed)?.until_campaign()).collect();
    let first = first?;
    ensure!(RANDOM, first.len() >= 4, "peer 1 with {SEEDS} seeds, first timeouts in ticks: {first:?}");
    Ok(())
}

const HEARS_LEADER: Promise = Promise::new(
    "§5.2",
    "a follower remains a follower as long as it hears from its leader: each heartbeat starts the wait anew",
    "followers would depose a leader that is alive and well",
);

/// Heartbeats, each just before the shortest timeout.
pub fn heartbeat_restarts_the_wait() -> Check {
    for seed in 0..SEEDS {
        let mut peer = follower(seed)?;
        for _ in 0..6 {
            peer.hears(msg::heartbeat(2, 1, 2, 0))?;
            peer.tick(ELECTION - 1)?;
            let waits = peer.role() == Role::Follower && peer.term() == 2;
            ensure!(HEARS_LEADER, waits, "a heartbeat came {} ticks ago; {}", ELECTION - 1, peer.describe());
        }
        peer.hears(msg::heartbeat(2, 1, 2, 0))?;
        let ticks = peer.until_campaign()?;
        ensure!(HEARS_LEADER, ticks >= ELECTION, "it campaigned {ticks} ticks after a heartbeat");
    }
    Ok(())
}

const NEW_LEADER: Promise = Promise::new(
    "§5.2",
    "whoever meets the leader of a new term waits a whole election timeout for its next sign",
    "a leader that was just elected would be deposed by a peer that had grown impatient with its predecessor",
);

/// A follower, and a candidate, meet a new leader just before they would campaign.
pub fn new_leader_restarts_the_wait() -> Check {
    for seed in 0..SEEDS {
        for campaigned in [false, true] {
            let mut peer = follower(seed)?;
            if campaigned {
                peer.campaigns()?;
            }
            peer.tick(ELECTION - 1)?;
            peer.hears(msg::heartbeat(3, 1, 3, 0))?;
            peer.tick(ELECTION - 1)?;
            let waits = peer.role() == Role::Follower && peer.term() == 3;
            let ticks = ELECTION - 1;
            ensure!(
                NEW_LEADER,
                waits,
                "a heartbeat of leader 3, term 3, came {ticks} ticks ago; {}",
                peer.describe()
            );
        }
    }
    Ok(())
}

const VOTED: Promise = Promise::new(
    "§5.2, figure 2",
    "a peer that gives its vote waits a whole election timeout for the outcome before it campaigns itself",
    "voters would start rival elections before the winner can send its first heartbeat",
);

/// A vote, just before the timeout.
pub fn given_vote_restarts_the_wait() -> Check {
    for seed in 0..SEEDS {
        let mut peer = follower(seed)?;
        peer.tick(ELECTION - 1)?;
        peer.hears(msg::vote(2, 1, 2, msg::at(0, 0)))?;
        ensure!(
            VOTED,
            peer.status().vote == 2,
            "2 asked for term 2, and the vote was free; {}",
            peer.describe()
        );
        peer.tick(ELECTION - 1)?;
        let waits = peer.role() == Role::Follower && peer.term() == 2;
        ensure!(VOTED, waits, "it gave its vote {} ticks ago; {}", ELECTION - 1, peer.describe());
    }
    Ok(())
}

const NOT_VOTED: Promise = Promise::new(
    "§5.2, figure 2",
    "a vote request that is refused does not keep a peer from campaigning: only a given vote and a leader are worth \
     waiting for",
    "a candidate that cannot win, but keeps asking, would silence everybody who could",
);

/// A refused candidate of the same term keeps asking.
pub fn refused_vote_does_not_restart_the_wait() -> Check {
    for seed in 0..SEEDS {
        let mut peer = Setup::bare(1, 3).hard(2, 3, 0).seed(seed).start()?;
        let mut ticks = 0;
        while peer.term() == 2 && ticks <= 2 * ELECTION {
            peer.hears(msg::vote(2, 1, 2, msg::at(0, 0)))?;
            peer.tick(1)?;
            ticks += 1;
        }
        let stands = peer.term() == 3 && peer.status().vote == 1;
        ensure!(
            NOT_VOTED,
            stands,
            "2 asked {ticks} times in term 2, in vain, the vote is 3's; {}",
            peer.describe()
        );
    }
    Ok(())
}

const OLD_LEADER: Promise = Promise::new(
    "§5.1, §5.2",
    "what a deposed leader or an old candidate sends does not keep a peer from campaigning",
    "a deposed leader that cannot hear the others would keep its old followers quiet, and the group without a leader",
);

/// Heartbeats and vote requests of an older term, at each tick.
pub fn old_messages_do_not_restart_the_wait() -> Check {
    for seed in 0..SEEDS {
        for message in [msg::heartbeat(2, 1, 1, 0), msg::vote(2, 1, 1, msg::at(0, 0)), msg::grant(2, 1, 1)] {
            let mut peer = follower(seed)?;
            let mut ticks = 0;
            while peer.term() == 2 && ticks <= 2 * ELECTION {
                peer.hears(message.clone())?;
                peer.tick(1)?;
                ticks += 1;
            }
            let heard = msg::describe(&message);
            ensure!(OLD_LEADER, peer.term() == 3, "{ticks} times it heard {heard}; {}", peer.describe());
        }
    }
    Ok(())
}

const BEATS: Promise = Promise::new(
    "§5.2",
    "a leader sends a heartbeat to every other member, once in heartbeat_ticks ticks",
    "more seldom, its followers campaign; more often, heartbeats fill the network",
);

/// A leader's heartbeats over a long time, and nobody else's.
pub fn leader_sends_heartbeats() -> Check {
    for interval in [1, HEARTBEAT, 7] {
        let mut setup = Setup::bare(1, 5);
        setup.config.heartbeat_ticks = interval;
        let mut peer = setup.start()?;
        peer.wins()?;
        peer.sends();
        let rounds = 20;
        let mut silence = [0_u32; 6];
        let mut count = [0_u32; 6];
        for tick in 1..=rounds * interval {
            peer.tick(1)?;
            let sent = peer.sends_kind(MsgHeartbeat);
            for to in 2..=5 {
                let beats = sent.iter().filter(|beat| beat.to == to as u64).count() as u32;
                count[to] += beats;
                silence[to] = if beats > 0 { 0 } else { silence[to] + 1 };
                let name = format!("tick {tick} of the leader, heartbeat_ticks {interval}");
                ensure!(BEATS, silence[to] < interval, "{name}: none to peer {to} for {} ticks", silence[to]);
            }
        }
        let most = rounds + rounds / 4;
        let frugal = count.iter().all(|&beats| beats <= most);
        let ticks = rounds * interval;
        ensure!(
            BEATS,
            frugal,
            "{ticks} ticks, heartbeat_ticks {interval}, heartbeats to 2..=5: {:?}",
            &count[2..]
        );
    }
    Ok(())
}

const ONLY_LEADERS: Promise =
    Promise::new("§5.2", "only leaders send heartbeats", "others would follow a peer that nobody elected");

/// A follower and a candidate, for a long time.
pub fn only_leaders_send_heartbeats() -> Check {
    let mut peer = follower(3)?;
    peer.hears(msg::heartbeat(2, 1, 2, 0))?;
    peer.tick(10 * ELECTION)?;
    ensure!(
        ONLY_LEADERS,
        peer.role() == Role::Candidate,
        "after {} ticks of silence {}",
        10 * ELECTION,
        peer.describe()
    );
    let sent = peer.sends_kind(MsgHeartbeat);
    ensure!(ONLY_LEADERS, sent.is_empty(), "as follower and candidate it sent {}", msg::describe_all(&sent));
    Ok(())
}
