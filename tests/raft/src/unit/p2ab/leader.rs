//! What a leader appends, and who gets it.

use proto::eraftpb::{Entry, EntryType, Message, MessageType::MsgPropose};
use raft::Term;

use crate::unit::fixture::Setup;
use crate::unit::mate::Mate;
use crate::unit::msg::{at, ids};
use crate::unit::{Check, Promise, ensure, msg};

const EMPTY_ENTRY: Promise = Promise::new(
    "§8",
    "a new leader appends an empty entry of its own term behind its log",
    "entries of earlier terms could not be committed before a client writes again, and reads would hang",
);
const SENT_AT_ONCE: Promise = Promise::new(
    "§5.3, §8",
    "a new leader sends its empty entry to all others at once",
    "nothing is committed, and nobody hears of the new leader, until the next heartbeat",
);

/// Elected with logs of several lengths.
pub fn new_leader_appends_an_empty_entry() -> Check {
    let logs: [&[Term]; 4] = [&[], &[1], &[1, 1, 2], &[3, 3, 3, 5]];
    for log in logs {
        let mut peer = Setup::bare(1, 3).log(log).start()?;
        peer.wins()?;
        let (term, mut expected) = (peer.term(), ids(log));
        expected.push(at(log.len() as u64 + 1, term));
        let (seen, before) = (msg::describe_log(&peer.log()), msg::describe_log(&ids(log)));
        ensure!(
            EMPTY_ENTRY,
            peer.log() == expected,
            "elected in term {term} with log {before}, now on disk: {seen}"
        );
        let entry = peer.disk_entries().pop().unwrap_or_default();
        let empty = entry.data.is_empty() && entry.entry_type() == EntryType::EntryNormal;
        ensure!(EMPTY_ENTRY, empty, "it appended {:?} with {} bytes", entry.entry_type(), entry.data.len());
        let mut mates = [Mate::new(2, log), Mate::new(3, log)];
        peer.serves(&mut mates)?;
        for mate in &mates {
            let seen = msg::describe_log(&mate.log());
            ensure!(
                SENT_AT_ONCE,
                mate.log() == expected,
                "leader of term {term}; without any tick, {} holds {seen}",
                mate.id
            );
        }
    }
    Ok(())
}

const PROPOSED: Promise = Promise::new(
    "§5.3",
    "the leader appends a proposal to its log as a new entry of its term, then sends it to all others",
    "writes would be lost, or stand in the log of some peers only",
);

/// Three proposals, one after another.
pub fn proposal_is_appended_and_sent() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1]).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[1]), Mate::new(3, &[1])];
    peer.serves(&mut mates)?;
    for (index, data) in [(3, "a"), (4, "b"), (5, "c")] {
        peer.proposes(data)?;
        ensure!(PROPOSED, peer.answer.is_ok(), "the leader refused \"{data}\": {:?}", peer.answer);
        let entry = peer.disk_entries().pop().unwrap_or_default();
        let right = (entry.index, entry.term, &entry.data[..]) == (index, 2, data.as_bytes());
        let seen = msg::describe_log(&peer.log());
        ensure!(PROPOSED, right, "leader of term 2, \"{data}\" proposed; its log: {seen}");
        peer.serves(&mut mates)?;
        for mate in &mates {
            let same = mate.entries().last() == Some(&entry);
            let seen = msg::describe_log(&mate.log());
            ensure!(
                PROPOSED,
                same,
                "\"{data}\" proposed at {index}; without any tick, {} holds {seen}",
                mate.id
            );
        }
    }
    Ok(())
}

const BATCH: Promise = Promise::new(
    "§5.3",
    "entries that are proposed together get consecutive indexes, in their order",
    "all but one of the proposals would be lost",
);

/// Four entries in one MsgPropose.
pub fn proposals_in_one_message_follow_each_other() -> Check {
    let mut peer = Setup::bare(1, 3).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
    peer.serves(&mut mates)?;
    let data = ["a", "b", "c", "d"];
    let entries =
        data.iter().map(|data| Entry { data: data.as_bytes().into(), ..Entry::default() }).collect();
    peer.hears(Message { entries, ..msg::local(MsgPropose, 1) })?;
    let seen = msg::describe_log(&peer.log());
    ensure!(BATCH, peer.log() == ids(&[1, 1, 1, 1, 1]), "the empty entry and 4 proposals; its log: {seen}");
    let kept = peer.disk_entries();
    let in_order = kept[1..].iter().zip(data).all(|(entry, data)| entry.data == data.as_bytes());
    ensure!(BATCH, in_order, "proposed {data:?} in one message; the log has them in another order");
    peer.serves(&mut mates)?;
    for mate in &mates {
        let seen = msg::describe_log(&mate.log());
        ensure!(BATCH, mate.entries() == kept, "leader holds 1 to 5; {} holds {seen}", mate.id);
    }
    Ok(())
}

const LEADERS_ONLY: Promise = Promise::new(
    "§5.3",
    "only a leader takes proposals; everybody else refuses them with an error, and appends nothing",
    "the entry would stand in one log only, and the client would believe that it is on its way",
);

/// A follower, a candidate and a deposed leader are asked.
pub fn only_a_leader_takes_proposals() -> Check {
    for role in ["follower", "follower of nobody", "candidate", "deposed leader"] {
        let mut peer = Setup::bare(1, 3).log(&[1]).start()?;
        match role {
            "follower" => peer.hears(msg::heartbeat(2, 1, 1, 0))?,
            "candidate" => peer.campaigns()?,
            "deposed leader" => {
                peer.wins()?;
                peer.hears(msg::heartbeat(3, 1, 5, 0))?;
            }
            _ => {}
        }
        let before = peer.log();
        peer.proposes("a")?;
        ensure!(LEADERS_ONLY, peer.answer.is_err(), "a {role} accepted a proposal; {}", peer.describe());
        let (was, is) = (msg::describe_log(&before), msg::describe_log(&peer.log()));
        ensure!(
            LEADERS_ONLY,
            peer.log() == before,
            "a {role} was asked to propose; its log was {was}, and is {is}"
        );
    }
    Ok(())
}

const STORED: Promise = Promise::new(
    "§5.3, figure 2",
    "what a peer finds on its disk at start is its log: entries, terms and commit index, no more and no less",
    "committed entries would be lost, or entries be taken for present that are not",
);

/// A restart with a log.
pub fn restart_keeps_the_log() -> Check {
    let log = [1, 1, 2, 4];
    let mut peer = Setup::bare(1, 3).log(&log).hard(5, 0, 2).start()?;
    let status = peer.status();
    let right = (status.last, status.commit, status.first_index, status.term) == (at(4, 4), 2, 1, 5);
    ensure!(STORED, right, "the disk holds {}, commit 2, term 5; {status:?}", msg::describe_log(&ids(&log)));
    for id in ids(&log) {
        let term = peer.core.log_term(id.index);
        ensure!(
            STORED,
            term == Some(id.term),
            "entry {} has term {}; the log says {term:?}",
            id.index,
            id.term
        );
    }
    ensure!(
        STORED,
        peer.log() == ids(&log),
        "nothing happened, yet the disk now holds {}",
        msg::describe_log(&peer.log())
    );
    peer.sends();
    Ok(())
}

const OUTSIDE: Promise = Promise::new(
    "§5.3",
    "the log has no entries, and no terms, behind its last index",
    "an append behind the end would seem to fit, and leave a gap",
);

/// Terms behind the end, before and after an append.
pub fn no_term_behind_the_end() -> Check {
    let mut peer = Setup::bare(1, 3).log(&[1, 1]).start()?;
    for index in [3, 4, 100] {
        let term = peer.core.log_term(index);
        ensure!(OUTSIDE, term.is_none(), "the log ends at 2, and says that entry {index} has term {term:?}");
    }
    peer.wins()?;
    let terms = [1, 2, 3, 4].map(|index| peer.core.log_term(index));
    ensure!(
        OUTSIDE,
        terms == [Some(1), Some(1), Some(2), None],
        "leader of term 2, log 1@1 2@1 3@2; terms: {terms:?}"
    );
    Ok(())
}
