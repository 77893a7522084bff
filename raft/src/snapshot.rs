//! Snapshots: what a follower gets whose next entry is compacted (paper §7).

use proto::eraftpb::{Message, MessageType, Snapshot};

use crate::membership::Membership;
use crate::raft::{Raft, message_to};
use crate::status::ProgressState;
use crate::storage::Storage;
use crate::types::{LogId, PeerId};

impl<S: Storage> Raft<S> {
    /// Sends `to` a snapshot, and no appends until it has arrived or failed. Nothing happens if the storage has none ready:
    /// the next heartbeat's answer asks again. Peers that are not alive get none either, as making one is dear.
    pub(crate) fn send_snapshot(&mut self, to: PeerId) {
        let Some(progress) = self.role.leader_mut().and_then(|leader| leader.progress.get_mut(&to)) else {
            return;
        };
        if !progress.recent_active {
            return;
        }
        let snapshot = match self.log.storage().snapshot() {
            Ok(snapshot) => snapshot,
            Err(why) => {
                log::debug!("no snapshot for peer {to} now: {why}");
                return;
            }
        };
        let index = position(&snapshot).index;
        progress.become_snapshot(index);
        let mut message = message_to(to, MessageType::MsgSnapshot);
        message.snapshot = Some(snapshot);
        self.send(message);
    }

    /// Handles a snapshot from the leader, and answers with the last index that is now known to match its log: the
    /// snapshot's if it is taken, else our commit index.
    pub(crate) fn handle_snapshot(&mut self, message: Message) {
        let mut answer = message_to(message.from, MessageType::MsgAppendResponse);
        let restored = message.snapshot.is_some_and(|snapshot| self.restore(snapshot));
        answer.index = if restored { self.log.last_index() } else { self.log.committed };
        self.send(answer);
    }

    /// Replaces log and membership by `snapshot`, and returns true; the next `Ready` hands it out for installing.
    ///
    /// Returns false, and keeps what we have, if the snapshot is not ahead of our commit index, if we are not among its
    /// members, or if our log holds its last entry: then only the commit index moves up, and the entries behind it stay
    /// (paper §7).
    fn restore(&mut self, snapshot: Snapshot) -> bool {
        let id = position(&snapshot);
        let conf_state =
            snapshot.metadata.as_ref().and_then(|meta| meta.conf_state.clone()).unwrap_or_default();
        let membership = Membership::from_conf_state(&conf_state);
        if id.index <= self.log.committed || !membership.contains(self.config.id) {
            return false;
        }
        if self.log.matches(id) {
            // Throwing away the entries behind it could lose some that we have acknowledged.
            self.log.commit_to(id.index);
            return false;
        }
        self.log.restore(snapshot);
        self.membership = membership;
        true
    }

    /// Handles the caller's report on the snapshot that was sent to `peer`: in either case, a probe finds out where its log
    /// stands now. After a failure, not before its next sign of life.
    pub(crate) fn on_snapshot_status(&mut self, peer: PeerId, failed: bool) {
        let Some(progress) = self.role.leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        if progress.state != ProgressState::Snapshot {
            return;
        }
        if failed {
            progress.pending_snapshot = 0;
        }
        progress.become_probe();
        progress.probe_sent = failed;
        if !failed {
            self.send_append(peer);
        }
    }
}

/// Where a snapshot stands in the log.
pub(crate) fn position(snapshot: &Snapshot) -> LogId {
    snapshot.metadata.as_ref().map_or(LogId::default(), |meta| LogId { term: meta.term, index: meta.index })
}
