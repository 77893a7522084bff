//! The follower's side of replication: appends and heartbeats (paper §5.3).

use proto::eraftpb::{Message, MessageType};

use crate::raft::{Raft, message_to};
use crate::role::RoleState;
use crate::storage::Storage;
use crate::types::{LogId, PeerId, Ticks};

impl<S: Storage> Raft<S> {
    /// A message that only the leader of our term sends has come from `leader`: follow it, whatever we were (a candidate has
    /// lost, paper §5.2), and wait a whole election timeout for its next sign. Returns false, and changes nothing, if we lead
    /// the term ourselves: two leaders of one term cannot be.
    pub(crate) fn follow(&mut self, leader: PeerId) -> bool {
        match &mut self.role {
            RoleState::Follower(follower) => {
                follower.leader_id = leader;
                self.election_elapsed = Ticks(0);
                true
            }
            RoleState::Candidate(_) => {
                self.become_follower(self.term, leader);
                true
            }
            RoleState::Leader(_) => {
                log::error!("peer {} leads term {}, and so does {leader}", self.config.id, self.term);
                false
            }
        }
    }

    /// Handles a heartbeat: takes over its commit index, and answers, so that the leader knows that we are alive. The
    /// answer carries the heartbeat's context back.
    pub(crate) fn handle_heartbeat(&mut self, heartbeat: &Message) {
        self.log.commit_to(heartbeat.commit);
        let mut answer = message_to(heartbeat.from, MessageType::MsgHeartbeatResponse);
        answer.context = heartbeat.context.clone();
        self.send(answer);
    }

    /// Handles an append: takes the entries if the logs agree just before them, and commits what the leader has committed,
    /// as far as our log is *known* to be the leader's: to the last entry of this message, and not to our last one
    /// (paper, figure 2).
    ///
    /// Answers with the last index that is known to match, or refuses with a hint: an index, and our term there, at or below
    /// which the logs may agree.
    pub(crate) fn handle_append(&mut self, append: Message) {
        let mut answer = message_to(append.from, MessageType::MsgAppendResponse);
        let prev = LogId { term: append.log_term, index: append.index };
        if prev.index < self.log.committed {
            // Old news: what is committed matches every leader's log. (It may even be compacted here.)
            answer.index = self.log.committed;
        } else if let Some(last_new) = self.log.try_append(prev, append.entries) {
            self.log.commit_to(append.commit.min(last_new));
            answer.index = last_new;
        } else {
            let hint = self.log.last_agreeable(prev.index, prev.term);
            answer.reject = true;
            answer.index = prev.index;
            answer.reject_hint = hint.index;
            answer.log_term = hint.term;
        }
        self.send(answer);
    }
}
