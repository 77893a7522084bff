//! An append is the word of a leader: what it means for role, term and timer.

use raft::{NONE, Role};

use crate::unit::fixture::{ELECTION, Setup};
use crate::unit::msg::{at, describe_log, ids};
use crate::unit::{Check, Promise, ensure, msg};

const YIELDS: Promise = Promise::new(
    "§5.2",
    "a candidate that gets an append of its own term follows the sender, which has won, and takes its entries",
    "it would go on campaigning, and depose a leader that was rightly elected",
);

/// A candidate hears an append.
pub fn candidate_follows_an_append() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1]).start()?;
    peer.campaigns()?;
    peer.hears(msg::append(2, 1, 2, at(1, 1), &[2], 0))?;
    let status = peer.status();
    let follows = status.role == Role::Follower && (status.term, status.leader_id, status.vote) == (2, 2, 1);
    ensure!(
        YIELDS,
        follows,
        "candidate of term 2, vote 1, got an append of term 2 from 2; {}",
        peer.describe()
    );
    ensure!(
        YIELDS,
        peer.log() == ids(&[1, 2]),
        "the append carried 2@2; its log: {}",
        describe_log(&peer.log())
    );
    Ok(())
}

const HIGHER: Promise = Promise::new(
    "§5.1, §5.3",
    "an append of a higher term makes anybody a follower of its sender; what a deposed leader appended alone is replaced",
    "two leaders would go on side by side",
);

/// A leader with entries that nobody else has hears from the leader of the next term.
pub fn higher_append_deposes_a_leader() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1]).leader()?;
    peer.proposes("a")?;
    peer.proposes("b")?;
    peer.hears(msg::append(3, 1, 4, at(1, 1), &[4], 2))?;
    let status = peer.status();
    let follows =
        status.role == Role::Follower && (status.term, status.leader_id, status.vote) == (4, 3, NONE);
    ensure!(HIGHER, follows, "leader of term 2 heard an append of term 4 from 3; {}", peer.describe());
    let seen = describe_log(&peer.log());
    ensure!(
        HIGHER,
        peer.log() == ids(&[1, 4]),
        "its log was 1@1 2@2 3@2 4@2, the append brought 2@4; now {seen}"
    );
    ensure!(HIGHER, peer.commit() == 2, "the append said commit 2; {}", peer.describe());
    Ok(())
}

const STALE: Promise = Promise::new(
    "§5.1",
    "an append of an older term changes nothing, and its sender is told the current term",
    "a deposed leader would overwrite committed entries, and never learn that it is deposed",
);

/// Old leaders try to extend, to overwrite and to commit.
pub fn old_append_changes_nothing() -> Check {
    for leads in [false, true] {
        let appends = [
            msg::append(2, 1, 3, at(3, 2), &[3], 0),
            msg::append(2, 1, 3, at(1, 1), &[3, 3], 0),
            msg::append(2, 1, 3, at(3, 2), &[], 3),
        ];
        for append in appends {
            let mut peer = Setup::bare(1, 3).log(&[1, 2, 2]).hard(4, NONE, 0).start()?;
            if leads {
                peer.wins()?;
            } else {
                peer.hears(msg::heartbeat(3, 1, 5, 0))?;
            }
            peer.sends();
            let before = (peer.log(), peer.status());
            let heard = msg::describe(&append);
            peer.hears(append)?;
            let same = (peer.log(), peer.status()) == before;
            let log = describe_log(&peer.log());
            ensure!(STALE, same, "in term 5 it heard {heard}; {}; log {log}", peer.describe());
            let sent = peer.sends();
            let told = sent.iter().any(|message| message.to == 2 && message.term == 5);
            ensure!(STALE, told, "in term 5 it heard {heard}; it sent {}", msg::describe_all(&sent));
        }
    }
    Ok(())
}

const OWN_TERM: Promise = Promise::new(
    "§5.2, §5.3",
    "there is one leader in a term, and a leader never overwrites its own log: it takes no append of its own term",
    "if one comes, somebody has voted twice, and following hides it",
);

/// A leader gets an append of its own term from somebody else, which cannot be.
pub fn leader_takes_no_append_of_its_term() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1, 1]).leader()?;
    let log = peer.log();
    if peer.survives(msg::append(2, 1, 2, at(1, 1), &[2, 2], 0)) {
        peer.round()?;
        let leads = peer.role() == Role::Leader && peer.status().leader_id == 1;
        ensure!(OWN_TERM, leads, "leader of term 2 got an append of term 2 from 2; {}", peer.describe());
        ensure!(
            OWN_TERM,
            peer.log() == log,
            "its log was {}, and is {}",
            describe_log(&log),
            describe_log(&peer.log())
        );
    }
    Ok(())
}

/// Peers with so many different timeouts are tried, so that chance decides nothing.
const SEEDS: u64 = 40;

const RESETS: Promise = Promise::new(
    "§5.2",
    "each append of the current leader, taken or refused, starts a follower's wait anew",
    "followers would depose a leader that is alive, just when it is busy",
);

/// Appends, each just before the shortest timeout.
pub fn append_restarts_the_wait() -> Check {
    for seed in 0..SEEDS {
        for prev in [at(1, 1), at(7, 2)] {
            let mut peer = Setup::bare(1, 3).log(&[1]).hard(2, NONE, 0).seed(seed).start()?;
            for _ in 0..4 {
                peer.hears(msg::append(2, 1, 2, prev, &[], 0))?;
                peer.tick(ELECTION - 1)?;
                let waits = peer.role() == Role::Follower && peer.term() == 2;
                ensure!(
                    RESETS,
                    waits,
                    "an append of its leader came {} ticks ago; {}",
                    ELECTION - 1,
                    peer.describe()
                );
            }
        }
    }
    Ok(())
}

const NO_RESET: Promise = Promise::new(
    "§5.1, §5.2",
    "an append of an older term does not keep a peer from campaigning",
    "a deposed leader that cannot hear the others would keep its old followers quiet, and the group without a leader",
);

/// A deposed leader sends an append at each tick.
pub fn old_append_does_not_restart_the_wait() -> Check {
    for seed in 0..SEEDS {
        let mut peer = Setup::bare(1, 3).log(&[1]).hard(2, NONE, 0).seed(seed).start()?;
        let mut ticks = 0;
        while peer.term() == 2 && ticks <= 2 * ELECTION {
            peer.hears(msg::append(2, 1, 1, at(1, 1), &[], 0))?;
            peer.tick(1)?;
            ticks += 1;
        }
        ensure!(
            NO_RESET,
            peer.term() == 3,
            "{ticks} ticks with nothing but appends of term 1; {}",
            peer.describe()
        );
    }
    Ok(())
}
