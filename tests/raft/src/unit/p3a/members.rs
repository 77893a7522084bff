//! What a membership change changes, and when.

use prost::Message as _;
use proto::eraftpb::{ConfChange, EntryType, MessageType::MsgRequestVote};
use raft::{PeerId, ProgressStatus, Role};

use super::leader;
use crate::unit::fixture::{ELECTION, Peer, Setup};
use crate::unit::mate::Mate;
use crate::unit::{Check, Promise, ensure, msg};

/// Whether `peer` sends anything to `other` within two heartbeat intervals.
fn talks_to(peer: &mut Peer, other: PeerId) -> Check<bool> {
    peer.sends();
    peer.tick(6)?;
    Ok(peer.sends().iter().any(|message| message.to == other))
}

const AN_ENTRY: Promise = Promise::new(
    "thesis §4.1",
    "a membership change is an entry of its own type: it is replicated, committed and handed out like any other, with its \
     content",
    "the change would never be applied, or be given to the state machine as a command",
);

/// Proposed, stored, committed, handed out.
pub fn change_travels_as_an_entry_of_its_type() -> Check {
    let mut peer = leader(3)?;
    let change = ConfChange { context: "address of 4".into(), ..msg::add(4) };
    peer.proposes_change(&change)?;
    ensure!(AN_ENTRY, peer.answer.is_ok(), "the leader refused the change: {:?}", peer.answer);
    let entry = peer.disk_entries().pop().unwrap_or_default();
    let decoded = ConfChange::decode(entry.data.clone()).unwrap_or_default();
    let right = entry.entry_type() == EntryType::EntryConfChange && decoded == change && entry.index == 2;
    ensure!(
        AN_ENTRY,
        right,
        "AddNode 4 was proposed; last entry {} of type {:?}",
        entry.index,
        entry.entry_type()
    );
    // A leader that waits for the answer to an earlier append sends on when it hears from the follower.
    for follower in [2, 3] {
        peer.hears(msg::heartbeat_ok(follower, 1, 1))?;
    }
    let sent = peer.sends();
    for to in [2, 3] {
        let carried = sent.iter().any(|message| message.to == to && message.entries.contains(&entry));
        ensure!(AN_ENTRY, carried, "AddNode 4 was proposed; sent to {to}: {}", msg::describe_all(&sent));
    }
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    let given = peer.applied.last() == Some(&entry);
    ensure!(AN_ENTRY, given, "the entry is committed; handed out: {}", msg::describe_entries(&peer.applied));
    Ok(())
}

const WHEN_APPLIED: Promise = Promise::new(
    "handout, thesis §4.1",
    "a change takes effect when it is applied, on every peer at the same index: before that the old members count",
    "two peers would count different majorities at the same point of the log",
);

/// Adding and removing, before and after the entry is applied.
pub fn change_takes_effect_when_applied() -> Check {
    let mut peer = leader(3)?;
    peer.proposes_change(&msg::add(4))?;
    let members = peer.core.conf_state().voters;
    let early = members != [1, 2, 3] || talks_to(&mut peer, 4)?;
    ensure!(
        WHEN_APPLIED,
        !early,
        "AddNode 4 is not committed; members {members:?}, and 4 may have been sent to"
    );
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    ensure!(WHEN_APPLIED, peer.commit() == 2, "two of 1, 2, 3 hold AddNode 4 at 2; {}", peer.describe());
    let members = peer.core.conf_state().voters;
    ensure!(WHEN_APPLIED, members == [1, 2, 3, 4], "AddNode 4 was applied; members {members:?}");
    let mut peer = leader(4)?;
    peer.proposes_change(&msg::remove(4))?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    ensure!(
        WHEN_APPLIED,
        peer.commit() == 1,
        "two of 1, 2, 3, 4 hold RemoveNode 4 at 2; {}",
        peer.describe()
    );
    peer.hears(msg::append_ok(3, 1, 1, 2))?;
    let members = peer.core.conf_state().voters;
    let done = peer.commit() == 2 && members == [1, 2, 3];
    ensure!(WHEN_APPLIED, done, "three of four hold RemoveNode 4; members {members:?}, {}", peer.describe());
    let mut follower = Setup::raw(1, 3).start()?;
    let entry = proto::eraftpb::Entry {
        entry_type: EntryType::EntryConfChange as i32,
        term: 1,
        index: 1,
        data: msg::add(4).encode_to_vec().into(),
    };
    let append = msg::append(2, 1, 1, msg::at(0, 0), &[], 0);
    follower.hears(proto::eraftpb::Message { entries: vec![entry], ..append })?;
    let before = follower.core.conf_state().voters;
    follower.hears(msg::heartbeat(2, 1, 1, 1))?;
    let after = follower.core.conf_state().voters;
    let right = before == [1, 2, 3] && after == [1, 2, 3, 4];
    ensure!(WHEN_APPLIED, right, "a follower got AddNode 4: members {before:?}; it was committed: {after:?}");
    Ok(())
}

const JOINS: Promise = Promise::new(
    "thesis §4.1, §4.2.1",
    "a new member is sent the log, and counts in every majority from then on",
    "it would stay empty, or entries be committed without the majority that the new group demands",
);

/// Peer 4 joins a group of three.
pub fn new_member_gets_the_log_and_counts() -> Check {
    let mut peer = leader(3)?;
    peer.proposes_change(&msg::add(4))?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    let Some(ProgressStatus { matched, next, .. }) = peer.progress(4) else {
        return Err(JOINS.broken("AddNode 4 was applied, and the leader does not track 4".to_owned()));
    };
    ensure!(
        JOINS,
        matched == 0 && (1..=3).contains(&next),
        "4 joined, the log ends at 2; match {matched}, next {next}"
    );
    ensure!(JOINS, talks_to(&mut peer, 4)?, "4 joined, and is sent nothing for 2 heartbeat intervals");
    let mut mates = [Mate::new(4, &[])];
    peer.serves_for(3, &mut mates)?;
    let log = msg::describe_log(&mates[0].log());
    ensure!(
        JOINS,
        mates[0].entries() == peer.disk_entries(),
        "4 joined 3 heartbeat intervals ago, and holds {log}"
    );
    peer.proposes("a")?;
    peer.hears(msg::append_ok(2, 1, 1, 3))?;
    ensure!(JOINS, peer.commit() == 2, "two of four hold 3; {}", peer.describe());
    peer.hears(msg::append_ok(4, 1, 1, 3))?;
    ensure!(JOINS, peer.commit() == 3, "three of four hold 3; {}", peer.describe());
    Ok(())
}

const AGAIN: Promise = Promise::new(
    "handout",
    "adding a member that is there already changes nothing: what is known of its log stays known",
    "match would fall to 0, and commits stall",
);

/// Added twice.
pub fn adding_a_member_again_changes_nothing() -> Check {
    let mut peer = leader(3)?;
    let before = peer.progress(2);
    peer.proposes_change(&msg::add(2))?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    let (now, members) = (peer.progress(2), peer.core.conf_state().voters);
    ensure!(AGAIN, members == [1, 2, 3], "2 was added to 1, 2, 3; members {members:?}");
    let matched = now.map(|progress| progress.matched);
    ensure!(
        AGAIN,
        matched == Some(2),
        "2 held the log up to 2, and was added again; {before:?}, then {now:?}"
    );
    peer.proposes("a")?;
    peer.hears(msg::append_ok(3, 1, 1, 3))?;
    ensure!(AGAIN, peer.commit() == 3, "two of 1, 2, 3 hold 3; {}", peer.describe());
    Ok(())
}

const LEAVES: Promise = Promise::new(
    "thesis §4.1, §4.2",
    "a removed member is sent nothing more, and counts for nothing: neither its log nor its votes",
    "removed peers could commit entries, and elect leaders",
);

/// Peer 3 leaves; its late answers are of no use.
pub fn removed_member_counts_for_nothing() -> Check {
    let mut peer = leader(3)?;
    peer.proposes_change(&msg::remove(3))?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    let members = peer.core.conf_state().voters;
    ensure!(
        LEAVES,
        members == [1, 2] && peer.progress(3).is_none(),
        "RemoveNode 3 was applied; members {members:?}"
    );
    ensure!(LEAVES, !talks_to(&mut peer, 3)?, "3 left, and is still sent to");
    peer.proposes("a")?;
    peer.hears(msg::append_ok(3, 1, 1, 3))?;
    ensure!(LEAVES, peer.commit() == 2, "1 and the removed 3 hold entry 3; {}", peer.describe());
    peer.hears(msg::append_ok(2, 1, 1, 3))?;
    ensure!(LEAVES, peer.commit() == 3, "1 and 2, all members, hold entry 3; {}", peer.describe());
    peer.hears(msg::heartbeat(2, 1, 2, 3))?;
    peer.campaigns()?;
    let asked = peer.sends_kind(MsgRequestVote);
    let only_members = asked.iter().all(|request| request.to == 2);
    ensure!(
        LEAVES,
        only_members && !asked.is_empty(),
        "members 1 and 2; it asked {}",
        msg::describe_all(&asked)
    );
    peer.hears(msg::grant(3, 1, 3))?;
    ensure!(LEAVES, peer.role() == Role::Candidate, "the removed 3 granted its vote; {}", peer.describe());
    peer.hears(msg::grant(2, 1, 3))?;
    ensure!(LEAVES, peer.role() == Role::Leader, "2 granted its vote; {}", peer.describe());
    Ok(())
}

const SMALLER: Promise = Promise::new(
    "thesis §4.2",
    "when a member leaves, entries that a majority of the smaller group holds already are committed at once",
    "they would hang until the next write",
);

/// Groups of two and of four shrink.
pub fn removal_commits_what_the_smaller_group_holds() -> Check {
    let mut peer = leader(2)?;
    peer.proposes_change(&msg::remove(2))?;
    peer.proposes("a")?;
    ensure!(SMALLER, peer.commit() == 1, "1 alone holds 2 and 3; {}", peer.describe());
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    let commit = peer.commit();
    ensure!(SMALLER, commit == 3, "RemoveNode 2 at 2 was applied, 1 is alone, and holds 3; commit {commit}");
    let given = peer.applied.last().is_some_and(|entry| entry.data == "a");
    ensure!(SMALLER, given, "3 is committed; applied: {}", msg::describe_entries(&peer.applied));
    let mut peer = leader(4)?;
    peer.proposes_change(&msg::remove(4))?;
    peer.proposes("a")?;
    peer.hears(msg::append_ok(2, 1, 1, 3))?;
    peer.hears(msg::append_ok(3, 1, 1, 2))?;
    let commit = peer.commit();
    ensure!(SMALLER, commit == 3, "RemoveNode 4 was applied, 1 and 2 of 1, 2, 3 hold 3; commit {commit}");
    Ok(())
}

const SELF: Promise = Promise::new(
    "thesis §4.2.2",
    "a leader that removes itself, alone or not, stops leading when the change is applied, and never campaigns again",
    "a peer outside of the group would disturb it, or lead it",
);

/// The leader leaves, from a group of one and from a group of three.
pub fn leader_can_remove_itself() -> Check {
    for voters in [1, 3] {
        let mut peer = leader(voters)?;
        peer.proposes_change(&msg::remove(1))?;
        for follower in 2..=voters {
            peer.hears(msg::append_ok(follower, 1, 1, 2))?;
        }
        let members = peer.core.conf_state().voters;
        let expected: Vec<PeerId> = (2..=voters).collect();
        ensure!(SELF, members == expected, "1 of {voters} removed itself; members {members:?}");
        ensure!(SELF, peer.role() != Role::Leader, "1 of {voters} removed itself; {}", peer.describe());
        peer.sends();
        peer.tick(5 * ELECTION)?;
        let asked = peer.sends_kind(MsgRequestVote);
        let quiet = asked.is_empty() && peer.term() == 1;
        let all = msg::describe_all(&asked);
        ensure!(SELF, quiet, "removed {} ticks ago; {}; it sent {all}", 5 * ELECTION, peer.describe());
    }
    Ok(())
}
