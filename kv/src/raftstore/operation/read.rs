//! Get, and a snapshot of the data.
//!
//! Two ways, by configuration. Through the log a read is an entry like any other, and is as linearizable as a write. Without it,
//! the leader makes sure that it still leads at some moment after the read came in, and reads once everything that was
//! committed by then is applied (§6.4 of Ongaro's thesis).
//!
//! # Propose
//! Log: [`super::propose`]. Otherwise the reads of a round are gathered, and Raft is asked once for all of them.
//!
//! # Apply
//! Log: [`Apply::exec_read`] reads what all entries before it have written.
//!
//! # After apply
//! Otherwise: a read that is confirmed at an index is served here as soon as that is applied.

use std::collections::VecDeque;

use proto::metapb::Region;
use proto::raft_cmdpb::{CmdType, GetResponse, RaftCmdRequest, Request, Response, SnapResponse};
use raft::ReadState;

use super::check::{cf_of, check_request, missing};
use crate::clock::Micros;
use crate::config::RaftStoreConfig;
use crate::engine::{Read, Snapshot};
use crate::raftstore::apply::{Apply, ApplyContext};
use crate::raftstore::cmd_resp;
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::meta::region::check_region_epoch;
use crate::raftstore::msg::{Callback, CmdResult, RegionSnapshot};
use crate::raftstore::peer::Peer;

impl Apply {
    /// Carries out a command that only reads, at its place in the log: it sees all that the entries before it have written,
    /// and nothing of those behind it. Returns one response for each request, of the same kind, and the data for a `Snap`.
    ///
    /// # Errors
    /// As [`check_request`], against the region as it is now; `Engine` if the engine cannot be read.
    pub fn exec_read(
        &mut self,
        ctx: &mut ApplyContext,
        requests: &[Request],
        term: u64,
    ) -> Result<CmdResult> {
        requests.iter().try_for_each(|request| check_request(request, &self.region))?;
        // What earlier entries of this round have put is not in the engine yet.
        self.flush(ctx);
        let snapshot = RegionSnapshot {
            snapshot: ctx.store.engines.kv.snapshot(),
            region: self.region.clone(),
            term,
            applied_index: self.apply_state.applied_index,
        };
        serve(requests, snapshot)
    }
}

/// Answers reads from a snapshot.
fn serve(requests: &[Request], snapshot: RegionSnapshot) -> Result<CmdResult> {
    let data: &dyn Read = &*snapshot.snapshot;
    let responses = requests.iter().map(|request| serve_one(request, data, &snapshot.region));
    let responses = responses.collect::<Result<Vec<Response>>>()?;
    let response = cmd_resp::new_response(responses, snapshot.term);
    let wants_data = requests.iter().any(|request| request.cmd_type() == CmdType::Snap);
    Ok(CmdResult { response, snapshot: wants_data.then_some(snapshot) })
}

fn serve_one(request: &Request, data: &dyn Read, region: &Region) -> Result<Response> {
    let mut response = cmd_resp::empty(request.cmd_type());
    match request.cmd_type() {
        CmdType::Get => {
            let get = request.get.as_ref().ok_or_else(missing)?;
            let value = data.get(cf_of(&get.cf)?, &get.key)?.unwrap_or_default();
            response.get = Some(GetResponse { value });
        }
        CmdType::Snap => response.snap = Some(SnapResponse { region: Some(region.clone()) }),
        CmdType::Put | CmdType::Delete | CmdType::DeleteRange | CmdType::Invalid => {
            return Err(Error::Invalid("reads and writes cannot go together".to_owned()));
        }
    }
    Ok(response)
}

/// A read that does not go through the log.
#[derive(Debug)]
struct PendingRead {
    request: RaftCmdRequest,
    callback: Callback,
}

/// Reads that do not go through the log, on their way.
///
/// ```text
///   push ──▶ gathered ── one question to Raft a round ──▶ asked ── confirmed at an index ──▶ confirmed ──▶ served
///                │                                         │                                    │
///                └──────────── this peer leads no more: `NotLeader` ────────────────────────────┘
/// ```
#[derive(Debug, Default)]
pub struct PendingReads {
    gathered: Vec<PendingRead>,
    /// Named by numbers that rise.
    asked: VecDeque<(u64, Vec<PendingRead>)>,
    /// By the index that each waits for; it rises.
    confirmed: VecDeque<(u64, Vec<PendingRead>)>,
    last_number: u64,
}

impl PendingReads {
    /// Adds a read.
    pub fn push(&mut self, request: RaftCmdRequest, callback: Callback) {
        self.gathered.push(PendingRead { request, callback });
    }

    /// Gives the gathered reads a number; `None` if there are none.
    fn ask(&mut self) -> Option<u64> {
        if self.gathered.is_empty() {
            return None;
        }
        self.last_number += 1;
        self.asked.push_back((self.last_number, std::mem::take(&mut self.gathered)));
        Some(self.last_number)
    }

    /// Raft has confirmed the reads of this number, and with them all that were asked before.
    fn confirm(&mut self, number: u64, index: u64) {
        while let Some((_, reads)) = self.asked.pop_front_if(|(asked, _)| *asked <= number) {
            self.confirmed.push_back((index, reads));
        }
    }

    /// Takes out the reads that wait for nothing behind `applied`.
    fn take_ready(&mut self, applied: u64) -> Vec<PendingRead> {
        let mut ready = Vec::new();
        while let Some((_, reads)) = self.confirmed.pop_front_if(|(index, _)| *index <= applied) {
            ready.extend(reads);
        }
        ready
    }

    fn take_all(&mut self) -> Vec<PendingRead> {
        let asked = self.asked.drain(..).chain(self.confirmed.drain(..)).flat_map(|(_, reads)| reads);
        let mut all: Vec<PendingRead> = asked.collect();
        all.append(&mut self.gathered);
        all
    }
}

impl Peer {
    /// Asks Raft, once, for all reads that this round has brought.
    pub fn ask_read_index(&mut self) {
        let knows_all = self.get_store().applied_term() == self.term();
        if !self.is_leader() || !knows_all {
            // The round has cost us the leadership: Raft would not answer.
            self.fail_reads();
        } else if let Some(number) = self.pending_reads.ask() {
            self.raft_group.read_index(number.to_be_bytes().to_vec());
        }
    }

    /// Raft has confirmed reads.
    pub fn on_read_states(&mut self, ctx: &StoreContext, states: Vec<ReadState>) {
        for state in states {
            if let Ok(number) = <[u8; 8]>::try_from(state.context.as_ref()) {
                self.pending_reads.confirm(u64::from_be_bytes(number), state.index);
            }
        }
        self.serve_reads(ctx);
    }

    /// Serves the confirmed reads that wait for nothing any more, all from one snapshot.
    pub fn serve_reads(&mut self, ctx: &StoreContext) {
        let applied_index = self.get_store().applied_index();
        let ready = self.pending_reads.take_ready(applied_index);
        if ready.is_empty() {
            return;
        }
        let snapshot = ctx.engines.kv.snapshot();
        for PendingRead { request, callback } in ready {
            match self.serve_read(&request, snapshot.clone()) {
                Ok(result) => callback.invoke(result),
                Err(Error::Engine(error)) => {
                    ctx.fatal.stop(format!("{} cannot read: {error}", self.tag));
                    callback.outcome_unknown();
                }
                Err(refusal) => self.refuse(callback, &refusal),
            }
        }
    }

    fn serve_read(&self, request: &RaftCmdRequest, snapshot: Snapshot) -> Result<CmdResult> {
        let region = self.region();
        check_region_epoch(request, region, true)?;
        request.requests.iter().try_for_each(|one| check_request(one, region))?;
        let applied_index = self.get_store().applied_index();
        let snapshot = RegionSnapshot { snapshot, region: region.clone(), term: self.term(), applied_index };
        serve(&request.requests, snapshot)
    }

    /// This peer leads no more, or not in the same term: answers all reads that wait.
    pub fn fail_reads(&mut self) {
        let error = self.not_leader();
        for read in self.pending_reads.take_all() {
            self.refuse(read.callback, &error);
        }
    }
}

/// Guards the lease against a clock that stood still.
///
/// Raft's lease counts ticks, and the ticks of a process that was stopped come late: it would go on trusting its lease while
/// others, whose ticks went on, elect a new leader. So the lease is trusted only while the ticks that it spans took, by the
/// clock, less than the time in which nobody can be elected.
///
/// That time is an election timeout as the *others* count it. Their ticks may be up to a tenth faster than our clock; a driver
/// must not deliver ticks faster than that, and above all must not make up for ticks that it has missed.
#[derive(Debug)]
pub struct LeaseGuard {
    /// When the last ticks were.
    ticks: VecDeque<Micros>,
    ticks_max: usize,
    limit_micros: u64,
}

impl LeaseGuard {
    /// A guard that has seen no tick, and trusts nothing yet.
    pub fn new(config: &RaftStoreConfig) -> LeaseGuard {
        let election_ticks = config.raft_election_timeout_ticks;
        let election_micros = u64::from(election_ticks) * config.raft_base_tick_ms * 1000;
        LeaseGuard {
            ticks: VecDeque::new(),
            // As many as Raft's lease lasts: it leaves out the last quarter.
            ticks_max: (election_ticks - election_ticks.div_ceil(4)) as usize,
            limit_micros: election_micros / 10 * 9,
        }
    }

    /// A base tick.
    pub fn on_tick(&mut self, now: Micros) {
        if self.ticks.len() == self.ticks_max {
            self.ticks.pop_front();
        }
        self.ticks.push_back(now);
    }

    /// Whether a lease that Raft believes in may be believed.
    pub fn is_trusted(&self, now: Micros) -> bool {
        self.ticks.len() == self.ticks_max
            && self.ticks.front().is_some_and(|first| now.since(*first) <= self.limit_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> LeaseGuard {
        // Raft's lease is 7 ticks long, the limit 9 ticks.
        LeaseGuard::new(&RaftStoreConfig {
            raft_election_timeout_ticks: 10,
            raft_base_tick_ms: 100,
            ..RaftStoreConfig::default()
        })
    }

    fn at(millis: u64) -> Micros {
        Micros(0).plus_millis(millis)
    }

    #[test]
    fn a_lease_is_trusted_once_enough_ticks_were_seen_and_while_they_keep_coming() {
        let mut guard = guard();
        for tick in 0..6 {
            guard.on_tick(at(tick * 100));
        }
        assert!(!guard.is_trusted(at(510)));
        guard.on_tick(at(600));
        assert!(guard.is_trusted(at(610)));
        assert!(guard.is_trusted(at(900)));
        assert!(!guard.is_trusted(at(901)), "the process stood still");
    }

    #[test]
    fn late_ticks_do_not_bring_back_the_trust() {
        let mut guard = guard();
        for tick in 0..7 {
            guard.on_tick(at(tick * 100));
        }
        for _ in 0..6 {
            guard.on_tick(at(5000));
            assert!(!guard.is_trusted(at(5001)), "the lease may be from before the pause");
        }
        guard.on_tick(at(5000));
        assert!(guard.is_trusted(at(5001)), "all ticks of the lease are from after it");
    }
}
