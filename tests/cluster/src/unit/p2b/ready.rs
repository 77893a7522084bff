//! The two halves of a round: what is saved, and what may leave the store after that.

use kv::engine::Cf;
use proto::eraftpb::{Message, MessageType};
use raft_tests::unit::msg;

use crate::unit::fixture::halves::Halves;
use crate::unit::fixture::power::{Db, Deed, Tail};
use crate::unit::fixture::store::{Setup, Store};
use crate::unit::fixture::words::{
    INIT, ME, THREE, TWO, apply_state, command, data, entries, hard_state, pairs, put, put_entry, raft_state,
};
use crate::unit::{Check, Promise, ensure, story};

const DURABLE: Promise = Promise::new(
    "2b-store.md#ready",
    "nothing leaves a store before what it claims is durable",
    "a power cut takes back what others rely on",
);

/// An election, a vote, and entries that come in, with somebody who reads the disk at each message.
pub fn nothing_is_sent_before_it_is_durable() -> Check {
    let mut leader = Setup::new(3).leader()?;
    leader.is_asked(command(&[put("a", "1")]));
    leader.replicates()?;
    leader.has_not_lied()?;
    let mut follower = Setup::new(3).follower()?;
    follower.is_sent(6, (INIT, 5), &entries(6, &[6, 6]), 6);
    follower.runs()?;
    follower.is_sent(7, (6, 6), &entries(7, &[7, 7]), 7);
    follower.runs()?;
    follower.has_not_lied()?;
    let mut voter = Setup::new(3).start()?;
    voter.hears(msg::vote(THREE, ME, 9, msg::at(5, 5)));
    voter.runs()?;
    let granted = voter.sends().iter().any(|sent| sent.to == THREE && sent.term == 9 && !sent.reject);
    ensure!(
        DURABLE,
        granted,
        "{THREE} asked for a vote in term 9, with a log as good as its own; it got none"
    );
    voter.has_not_lied()
}

/// A follower that gets a vote request, entries, and their commit, in three rounds.
fn follow(store: &mut Store) -> Check {
    store.hears(msg::vote(TWO, ME, 6, msg::at(5, 5)));
    store.runs()?;
    store.is_sent(6, (INIT, 5), &entries(6, &[6, 6, 6]), INIT);
    store.runs()?;
    store.is_sent(6, (8, 6), &entries(9, &[6]), 8);
    store.runs()
}

const KEPT: Promise = Promise::new(
    "2b-store.md#ready",
    "whatever is promised in a message survives a power cut at any later moment",
    "two leaders in one term, or a committed entry lost",
);

/// The power goes after every single write and sync, with every combination of what the two databases keep.
pub fn promises_survive_a_power_cut_anywhere() -> Check {
    let mut whole = Setup::new(3).start()?;
    whole.disks.power.forget();
    follow(&mut whole)?;
    let calls = whole.disks.power.calls();
    ensure!(KEPT, calls > 0, "it voted and took entries, and has written nothing");
    for cut in 0..=calls {
        let mut store = Setup::new(3).start()?;
        store.disks.power.cut_after(cut);
        story::note(format!("the power goes after {cut} writes and syncs"));
        follow(&mut store)?;
        let sent = store.sends();
        for raft in Tail::ALL {
            for kv in Tail::ALL {
                let reborn = store.reborn(raft, kv)?;
                kept(&sent, &reborn)?;
                let image = reborn.data();
                let (applied, last) =
                    (apply_state(&image).applied_index, raft_state(&reborn.disks.raft.image()).last_index);
                ensure!(KEPT, applied <= last, "{applied} is applied, but the log ends at {last}");
            }
        }
    }
    Ok(())
}

/// Whether a store that starts again keeps what it said before.
fn kept(sent: &[Message], reborn: &Store) -> Check {
    let image = reborn.disks.raft.image();
    let (state, last) = (hard_state(&image), raft_state(&image).last_index);
    for message in sent.iter().filter(|message| !message.reject) {
        let told = msg::describe(message);
        let term = state.term >= message.term;
        ensure!(KEPT, term, "it sent {told}; after the power cut it is in term {}", state.term);
        match message.msg_type() {
            MessageType::MsgRequestVoteResponse => {
                let voted = state.term > message.term || state.vote == message.to;
                ensure!(KEPT, voted, "it sent {told}; after the power cut its vote is {}", state.vote);
            }
            MessageType::MsgAppendResponse => {
                ensure!(
                    KEPT,
                    message.index <= last,
                    "it sent {told}; after the power cut its log ends at {last}"
                );
            }
            _ => {}
        }
    }
    Ok(())
}

const LOG_FIRST: Promise = Promise::new(
    "2b-store.md#ready",
    "entries are applied only once they, and the term that they came with, are durable in the peer's own log",
    "after a power cut the data is ahead of the log: nobody can say what it is made of, and the store cannot start",
);

/// A whole store, and entries that are committed when they arrive, so that they are to be saved and applied in one `Ready`.
pub fn nothing_is_applied_before_it_is_durable() -> Check {
    let mut store = Setup::new(3).follower()?;
    store.disks.power.forget();
    store.is_sent(6, (INIT, 5), &entries(6, &[6, 6, 6]), 8);
    store.runs()?;
    let (mut written, mut synced) = (INIT, INIT);
    for deed in store.disks.power.deeds() {
        match deed {
            Deed::Wrote(Db::Raft, batch) => {
                let mut image = crate::disk::Image::default();
                image.write(&batch);
                written = written.max(raft_state(&image).last_index);
            }
            Deed::Synced(Db::Raft) => synced = written,
            Deed::Wrote(Db::Kv, batch) => {
                let mut image = crate::disk::Image::default();
                image.write(&batch);
                let applied = apply_state(&image).applied_index;
                ensure!(
                    LOG_FIRST,
                    applied <= synced,
                    "kvdb got applied index {applied} while the log was durable up to {synced}"
                );
            }
            Deed::Synced(Db::Kv) => {}
        }
    }
    ensure!(LOG_FIRST, synced == 8, "three entries came, up to 8; the log is durable up to {synced}");
    Ok(())
}

/// The peer itself, between the two halves of a round, when nothing is written yet.
pub fn nothing_leaves_between_the_halves() -> Check {
    let mut peer = Halves::new()?;
    let mut append = msg::append(TWO, ME, 6, msg::at(INIT, 5), &[], 8);
    append.entries = entries(6, &[6, 6, 6]);
    peer.hears(append);
    let writes = peer.collects();
    let left = peer.left();
    ensure!(
        DURABLE,
        left.is_empty(),
        "an append came; before anything was written the peer {}",
        left.join("; ")
    );
    // What this round has saved may be committed in it, or in the next one.
    peer.finishes(writes);
    for _ in 0..3 {
        let writes = peer.collects();
        peer.finishes(writes);
    }
    let left = peer.left();
    let (sent, handed): (Vec<&String>, Vec<&String>) = left.iter().partition(|what| what.starts_with("sent"));
    ensure!(BOTH, !sent.is_empty(), "an append came, and was written; the peer answered nothing");
    ensure!(BOTH, !handed.is_empty(), "entries 6 to 8 are written and committed; the peer handed on nothing");
    Ok(())
}

const BOTH: Promise = Promise::new(
    "2b-store.md#ready",
    "a Ready with messages and committed entries has its messages sent, and its entries applied",
    "the leader would wait for an answer that was made, and never sent",
);

/// An append that brings new entries and commits older ones, so that answer and committed entries come together.
pub fn messages_and_committed_entries_go_together() -> Check {
    let mut store = Setup::new(3).follower()?;
    store.is_sent(6, (INIT, 5), &[put_entry(6, 6, "a", "1")], INIT);
    store.runs()?;
    store.sends();
    store.is_sent(6, (6, 6), &[put_entry(7, 6, "b", "2")], 6);
    store.runs()?;
    let sent = store.sends();
    let answered = sent.iter().any(|message| {
        message.msg_type() == MessageType::MsgAppendResponse && !message.reject && message.index == 7
    });
    ensure!(
        BOTH,
        answered,
        "an append brought entry 7 and committed entry 6; it sent {}",
        msg::describe_all(&sent)
    );
    let found = data(&store.data(), Cf::Default);
    ensure!(BOTH, found == pairs(&[("a", "1")]), "entry 6 was committed; the data is {found:?}");
    Ok(())
}

const ONCE: Promise = Promise::new(
    "2b-store.md#ready",
    "committed entries reach the apply side each once, in order, and without anything left out",
    "replicas would differ for ever",
);

/// Commits of several entries, of one, and of none.
pub fn committed_entries_are_handed_on_in_order() -> Check {
    let mut store = Setup::new(3).follower()?;
    let puts: Vec<_> = (6..=13).map(|index| put_entry(index, 6, "k", &format!("{index}"))).collect();
    store.is_sent(6, (INIT, 5), &puts, INIT);
    store.runs()?;
    for commit in [8, 9, 9, 13] {
        store.hears(msg::heartbeat(TWO, ME, 6, commit));
        store.runs()?;
        let value = commit.to_string();
        let (found, applied) = (data(&store.data(), Cf::Default), apply_state(&store.data()).applied_index);
        ensure!(
            ONCE,
            found == pairs(&[("k", &value)]) && applied == commit,
            "entries up to {commit} are committed, each puts its index; applied index {applied}, data {found:?}"
        );
        let known = store.applied();
        ensure!(ONCE, known == commit, "{commit} is applied; its peer knows of {known}");
    }
    Ok(())
}

const GOES_ON: Promise = Promise::new(
    "2b-store.md#ready",
    "a peer that has more to do after a round is polled again, without waiting for a message or a tick",
    "a region with a single peer gets no messages: its clients would wait for the next tick, or for ever",
);

/// A region of one peer, and no tick.
pub fn lone_peer_goes_on_by_itself() -> Check {
    let mut store = Setup::new(1).serving()?;
    for n in 1..=3 {
        let ask = store.is_asked(command(&[put("a", &n.to_string())]));
        store.runs()?;
        ensure!(
            GOES_ON,
            ask.succeeded(),
            "a lone leader was asked for a put, and no tick passed; the client heard {}",
            ask.describe()
        );
    }
    Ok(())
}

const EVERYBODY: Promise = Promise::new(
    "2b-store.md#ready",
    "what one round brings is sent, committed and applied, whatever comes together in it",
    "a follower would lag until something else happens",
);

/// An answer that commits one entry, and a command that brings another, in one round of the leader.
pub fn a_round_may_commit_and_propose() -> Check {
    let mut store = Setup::new(3).serving()?;
    let first = store.is_asked(command(&[put("a", "1")]));
    store.runs()?;
    let answers: Vec<Message> =
        store.sends().iter().filter_map(crate::unit::fixture::store::answer_of).collect();
    answers.into_iter().for_each(|answer| store.hears(answer));
    let second = store.is_asked(command(&[put("b", "2")]));
    store.replicates()?;
    for _ in 0..10 {
        // A leader that sends one message at a time may need its next heartbeat to go on.
        store.ticks(1)?;
        store.replicates()?;
    }
    ensure!(EVERYBODY, first.succeeded(), "the first put heard {}", first.describe());
    ensure!(EVERYBODY, second.succeeded(), "the second put heard {}", second.describe());
    let found = data(&store.data(), Cf::Default);
    ensure!(EVERYBODY, found == pairs(&[("a", "1"), ("b", "2")]), "the data is {found:?}");
    Ok(())
}
