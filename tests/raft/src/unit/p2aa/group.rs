//! Several peers elect a leader.

use proto::eraftpb::MessageType::MsgRequestVoteResponse;
use raft::{PeerId, Role};

use crate::unit::fixture::ELECTION;
use crate::unit::net::Net;
use crate::unit::{Check, Promise, ensure};

/// Everybody follows `leader`, in the same term.
fn all_follow(net: &Net, leader: PeerId) -> bool {
    let term = net.peers[&leader].term();
    net.peers.values().all(|peer| {
        let status = peer.status();
        let role = if peer.id() == leader { Role::Leader } else { Role::Follower };
        (status.role, status.term, status.leader_id) == (role, term, leader)
    })
}

const ELECTS: Promise = Promise::new(
    "§5.2",
    "a campaign that nothing disturbs makes one leader, and after its first heartbeats all others follow it",
    "the group could not serve anybody",
);

/// One campaign in groups of one to seven.
pub fn undisturbed_campaign_wins() -> Check {
    for n in 1..=7 {
        let mut net = Net::bare(n)?;
        net.campaign(1)?;
        net.beats(1, 2)?;
        ensure!(
            ELECTS,
            net.leaders() == [1] && all_follow(&net, 1),
            "peer 1 of {n} campaigned; {}",
            net.describe()
        );
    }
    Ok(())
}

const CHANGES: Promise = Promise::new(
    "§5.2",
    "whoever campaigns with the next term is elected, and the leader before it steps down",
    "a group whose leader is gone could not replace it",
);

/// Each peer in turn, twice around.
pub fn leadership_changes_hands() -> Check {
    let mut net = Net::bare(3)?;
    for (campaign, id) in [1, 2, 3, 1, 2, 3].into_iter().enumerate() {
        net.campaign(id)?;
        net.beats(id, 2)?;
        let right = all_follow(&net, id) && net.peers[&id].term() == campaign as u64 + 1;
        ensure!(CHANGES, right, "campaign {} was peer {id}'s; {}", campaign + 1, net.describe());
    }
    Ok(())
}

const QUORUM: Promise = Promise::new(
    "§5.2",
    "a leader is elected if, and only if, the candidate reaches a majority",
    "both halves of a divided network would have a leader",
);

/// Groups of which some peers are cut off.
pub fn majority_must_be_reachable() -> Check {
    for (n, isolated, wins) in
        [(3, 1, true), (3, 2, false), (4, 1, true), (4, 2, false), (5, 2, true), (5, 3, false)]
    {
        let mut net = Net::bare(n)?;
        for id in n + 1 - isolated..=n {
            net.isolate(id);
        }
        net.campaign(1)?;
        let leads = net.leaders() == [1];
        ensure!(
            QUORUM,
            leads == wins,
            "peer 1 of {n} campaigned, {isolated} were cut off; {}",
            net.describe()
        );
    }
    Ok(())
}

const SPLIT: Promise = Promise::new(
    "§5.2",
    "when the vote is split nobody leads that term, and a later term elects a leader",
    "the group would have two leaders, or none for ever",
);

/// Two candidates of one term take half of the votes each; then one of them tries again.
pub fn split_vote_elects_nobody() -> Check {
    let mut net = Net::bare(4)?;
    net.cut(1, 4);
    net.cut(2, 3);
    net.peer(1).campaigns()?;
    net.peer(2).campaigns()?;
    // 1 has its own vote and that of 3, 2 that of 4: each is refused by the other.
    net.settle()?;
    ensure!(SPLIT, net.leaders().is_empty(), "in term 1, 3 voted for 1 and 4 for 2; {}", net.describe());
    net.heal();
    net.elect(1)?;
    net.beats(1, 2)?;
    ensure!(SPLIT, all_follow(&net, 1), "then 1 campaigned again; {}", net.describe());
    Ok(())
}

const RIVALS: Promise = Promise::new(
    "§5.2",
    "two candidates of one term: at most one of them wins, and the other follows it",
    "there would be two leaders in one term",
);

/// Two candidates; the answers to one of them are lost first.
pub fn rivals_settle_on_one() -> Check {
    let mut net = Net::bare(3)?;
    net.cut(1, 3);
    net.peer(1).campaigns()?;
    net.peer(3).campaigns()?;
    net.settle()?;
    ensure!(
        RIVALS,
        net.leaders().len() == 1,
        "1 and 3 campaigned, 2 had one vote to give; {}",
        net.describe()
    );
    let leader = net.leaders()[0];
    net.heal();
    net.beats(leader, 2)?;
    ensure!(
        RIVALS,
        all_follow(&net, leader),
        "the network healed, {leader} sent heartbeats; {}",
        net.describe()
    );
    Ok(())
}

const LOST_ANSWERS: Promise = Promise::new(
    "§5.2",
    "votes that are lost on their way elect nobody, and are no obstacle to the next election",
    "one lost message would cost the group its leader for ever",
);

/// All votes of the first election are lost.
pub fn lost_votes_are_made_up_for() -> Check {
    let mut net = Net::bare(3)?;
    net.drop_kind(MsgRequestVoteResponse);
    net.campaign(1)?;
    ensure!(
        LOST_ANSWERS,
        net.leaders().is_empty(),
        "all answers to 1's campaign were lost; {}",
        net.describe()
    );
    net.heal();
    net.elect(1)?;
    ensure!(LOST_ANSWERS, net.leaders() == [1], "1 campaigned again; {}", net.describe());
    Ok(())
}

const ALIVE: Promise = Promise::new(
    "§5.2, §5.6",
    "a group whose peers hear each other elects a leader by itself within a few election timeouts, and keeps it",
    "the group would serve nobody, or only now and then",
);

/// All clocks tick together; only the random timeouts tell the peers apart.
pub fn group_elects_and_keeps_a_leader() -> Check {
    for n in [2, 3, 5] {
        let mut net = Net::bare(n)?;
        let mut ticks = 0;
        while net.leaders().is_empty() && ticks < 30 * ELECTION {
            net.tick()?;
            ticks += 1;
        }
        ensure!(ALIVE, net.leaders().len() == 1, "{n} peers, {ticks} ticks; {}", net.describe());
        let leader = net.leaders()[0];
        let term = net.peers[&leader].term();
        for _ in 0..10 * ELECTION {
            net.tick()?;
        }
        let kept = all_follow(&net, leader) && net.peers[&leader].term() == term;
        ensure!(
            ALIVE,
            kept,
            "{leader} led term {term}; {} healthy ticks later: {}",
            10 * ELECTION,
            net.describe()
        );
    }
    Ok(())
}
