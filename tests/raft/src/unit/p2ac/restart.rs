//! Starting again from the disk.

use proto::eraftpb::MessageType::MsgRequestVote;
use raft::{Index, PeerId, Role};

use crate::core::{Core, Face};
use crate::disk::Disk;
use crate::unit::fixture::Setup;
use crate::unit::msg::{describe_entries, describe_log, ids};
use crate::unit::{Check, Promise, ensure, msg};

const RESUMES: Promise = Promise::new(
    "handout",
    "after a restart the first Readys hand out what is committed and not applied yet, and ask for no write: everything is \
     on disk already",
    "writes would be applied twice, or not at all",
);

/// A disk with four entries, three of them committed, and a state machine that has applied some.
pub fn restart_resumes_after_applied() -> Check {
    for applied in 0..=3 {
        let mut disk = Disk::new(&[1, 2, 3]);
        disk.append(&msg::entries(1, &[1, 1, 2, 2]));
        disk.set_hard_state(proto::eraftpb::HardState { term: 3, vote: 2, commit: 3 });
        disk.sync();
        let config = raft::Config { applied, ..raft::Config::new(1) };
        let mut core = Core::start(Face::Raw, &config, disk)
            .map_err(|e| RESUMES.broken(format!("start failed: {e}")))?;
        let status = core.status();
        ensure!(
            RESUMES,
            (status.term, status.vote, status.commit) == (3, 2, 3),
            "on disk: term 3, vote 2, commit 3; {status:?}"
        );
        ensure!(RESUMES, status.applied == applied, "applied was {applied}; status says {}", status.applied);
        ensure!(
            RESUMES,
            core.has_ready() == (applied < 3),
            "commit 3, applied {applied}; has_ready() {}",
            core.has_ready()
        );
        if applied == 3 {
            continue;
        }
        let mut given: Vec<Index> = Vec::new();
        // A Ready may hold fewer committed entries than there are; each holds one, while there is one.
        for _ in applied..3 {
            let ready = core.ready();
            given.extend(ready.committed_entries.iter().map(|entry| entry.index));
            let (entries, hard_state) = (describe_entries(&ready.entries), ready.hard_state);
            let no_writes = ready.entries.is_empty() && hard_state.is_none() && ready.snapshot.is_none();
            ensure!(
                RESUMES,
                no_writes,
                "everything is on disk; the first Ready: entries {entries}, hard state {hard_state:?}"
            );
            core.advance(ready);
            core.advance_apply(given.last().copied().unwrap_or(applied));
        }
        ensure!(
            RESUMES,
            given.iter().copied().eq(applied + 1..=3),
            "commit 3, applied {applied}; handed out {given:?}"
        );
        ensure!(RESUMES, !core.has_ready(), "everything is handed out, and has_ready() is true");
    }
    Ok(())
}

const MEMBERS: Promise = Promise::new(
    "handout",
    "the members of the group are those that the storage's ConfState names",
    "a peer would count with the wrong majority",
);

/// A group with five unusual ids.
pub fn restart_takes_members_from_storage() -> Check {
    let voters: [PeerId; 5] = [1, 4, 7, 8, 9];
    let mut peer = Setup::raw(1, 5).voters(&voters).start()?;
    let known = peer.core.conf_state().voters;
    ensure!(MEMBERS, known == voters, "on disk: {voters:?}; conf_state() says {known:?}");
    peer.campaigns()?;
    let mut asked: Vec<PeerId> = peer.sends_kind(MsgRequestVote).iter().map(|request| request.to).collect();
    asked.sort_unstable();
    asked.dedup();
    ensure!(MEMBERS, asked == voters[1..], "members {voters:?}; 1 asked {asked:?} for their votes");
    for voter in [2, 4] {
        peer.hears(msg::grant(voter, 1, 1))?;
    }
    ensure!(
        MEMBERS,
        peer.role() == Role::Candidate,
        "4 granted, and 2, who is no member; {}",
        peer.describe()
    );
    peer.hears(msg::grant(9, 1, 1))?;
    ensure!(MEMBERS, peer.role() == Role::Leader, "4 and 9 granted; {}", peer.describe());
    Ok(())
}

const DURABLE: Promise = Promise::new(
    "handout, figure 2",
    "everything that a message promises was in a Ready before that message, or in the same one: entries before their \
     acknowledgement, term and vote before the vote",
    "a crash takes back what others rely on",
);

/// Crashes right after a message went out.
pub fn promises_survive_a_crash() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    peer.hears(msg::append(2, 1, 3, msg::at(0, 0), &[1, 3, 3], 1))?;
    peer.hears(msg::vote(3, 1, 4, msg::at(5, 3)))?;
    let sent = peer.sends();
    let answered = sent.iter().any(|message| !message.reject && message.index == 3);
    ensure!(DURABLE, answered, "an append of 3 entries came; it sent {}", msg::describe_all(&sent));
    let mut peer = peer.restarts()?;
    let log = describe_log(&peer.log());
    ensure!(
        DURABLE,
        peer.log() == ids(&[1, 3, 3]),
        "3 entries were acknowledged, then it crashed; log {log}"
    );
    let status = peer.status();
    ensure!(
        DURABLE,
        (status.term, status.vote) == (4, 3),
        "it voted for 3 in term 4, then it crashed; {}",
        peer.describe()
    );
    peer.hears(msg::vote(2, 1, 4, msg::at(9, 3)))?;
    let twice = peer.sends().iter().any(|message| message.to == 2 && !message.reject && message.term == 4);
    ensure!(DURABLE, !twice, "it voted for 3 in term 4, crashed, and voted for 2 in term 4");
    Ok(())
}
