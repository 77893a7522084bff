//! What a peer may say: the messages of a `Ready`, against what the peer knows.

use harness::rule::Rule;
use proto::eraftpb::{Message, MessageType};
use raft::{Index, LogId, Ready};

use super::super::{Violation, advise, describe_message, describe_status, rules};
use super::{Judge, Verdict};
use crate::check::ghost::Ghost;
use crate::check::observe::{fingerprint, is_repeatable};
use crate::check::view::View;
use crate::disk::{chain, snapshot_digest, snapshot_id};

/// Judges the messages of one Ready.
pub fn judge(
    judge: &Judge,
    view: &View,
    ghost: &mut Ghost,
    id: u64,
    ready: &Ready,
    findings: &mut Vec<Violation>,
) -> Verdict {
    for message in &ready.messages {
        let mut says = Says { judge, view, id, message };
        says.form()?;
        match message.msg_type() {
            MessageType::MsgAppend => {
                says.leads()?;
                says.append(ghost)?;
            }
            MessageType::MsgHeartbeat => {
                says.leads()?;
                says.heartbeat()?;
            }
            MessageType::MsgSnapshot => {
                says.leads()?;
                says.snapshot(ghost)?;
            }
            MessageType::MsgTimeoutNow => {
                says.leads()?;
                says.timeout_now()?;
            }
            MessageType::MsgRequestVote => {
                says.vote_request()?;
                if !view.group.voters.has(id) {
                    advise(findings, &rules::VOTERS_CAMPAIGN, id, || {
                        says.tell("A peer that is no voter campaigned")
                    });
                }
            }
            MessageType::MsgRequestVoteResponse => says.vote()?,
            MessageType::MsgAppendResponse => says.acknowledgement()?,
            MessageType::MsgTransferLeader => says.transfer()?,
            _ => {}
        }
    }
    Ok(())
}

/// One message of one peer.
struct Says<'a> {
    judge: &'a Judge,
    view: &'a View,
    id: u64,
    message: &'a Message,
}

impl Says<'_> {
    fn ensure(&self, holds: bool, rule: &'static Rule, seen: impl FnOnce() -> String) -> Verdict {
        self.judge.ensure(holds, rule, self.id, || self.tell(&seen()))
    }

    fn tell(&self, what: &str) -> String {
        let Says { view, message, .. } = self;
        format!("{what}. Message: {}. Sender: {}", describe_message(message), describe_status(&view.now))
    }

    /// Whether the message is of the sender's present term, and not a leftover of an earlier one.
    fn is_current(&self) -> bool {
        self.message.term == self.view.now.term
    }

    fn form(&mut self) -> Verdict {
        use MessageType::*;
        let Says { message, id, view, .. } = *self;
        let kind = message.msg_type();
        let local =
            matches!(kind, MsgHup | MsgBeat | MsgPropose | MsgUnreachable | MsgSnapStatus | MsgCheckQuorum);
        self.ensure(!local, &rules::MESSAGE_FORM, || {
            "A message of a kind that never leaves the peer".to_owned()
        })?;
        let passed_on = matches!(kind, MsgTransferLeader | MsgReadIndex);
        let addressed = message.to != 0 && message.to != id && (message.from == id || passed_on);
        self.ensure(addressed, &rules::MESSAGE_FORM, || {
            "Sender or receiver of the message is wrong".to_owned()
        })?;
        // Pre-votes are asked, and granted, for the next term; what is passed on may carry no term.
        let other_term = passed_on || matches!(kind, MsgRequestPreVote | MsgRequestPreVoteResponse);
        let was_in = message.term != 0 && (self.is_current() || view.note(message.term).is_some());
        self.ensure(other_term || was_in, &rules::MESSAGE_FORM, || {
            format!(
                "The message names term {}, in which the sender is not, and was not since it started",
                message.term
            )
        })?;
        let repeated = is_repeatable(kind) && view.handed.repeatable.contains(&fingerprint(message));
        self.ensure(!repeated, &rules::READY, || {
            "The message was in the Ready before this one already, and nothing has come in since".to_owned()
        })
    }

    fn leads(&self) -> Verdict {
        let Message { term, .. } = *self.message;
        let leads = self.view.lead.term == term && term != 0;
        // A leader of several terms within one Ready: its notes tell.
        let led = || {
            self.view.note(term).is_some_and(|note| note.campaigned.is_some()) && self.view.now.term > term
        };
        self.ensure(leads || led(), &rules::LEADER_ONLY, || format!("The sender does not lead term {term}"))
    }

    fn append(&self, ghost: &mut Ghost) -> Verdict {
        let Says { view, message, .. } = *self;
        let rule = &rules::APPEND_HONEST;
        let own = message.commit <= view.now.commit;
        self.ensure(own, rule, || "The commit index is beyond the sender's own".to_owned())?;
        let in_order = |(entry, index): (&proto::eraftpb::Entry, Index)| {
            entry.index == index && entry.term <= message.term
        };
        let contiguous = message.entries.iter().zip(message.index + 1..).all(in_order);
        self.ensure(contiguous, rule, || "The entries do not follow `index` without a gap".to_owned())?;
        let prev = LogId { term: message.log_term, index: message.index };
        if self.is_current() {
            let known = view.log.term(prev.index);
            let below = prev.index < view.log.base();
            self.ensure(below || known == Some(prev.term), rule, || match known {
                Some(term) => format!("The sender's entry {} has term {term}", prev.index),
                None => format!("The sender has no entry {}", prev.index),
            })?;
        }
        let Some(mut digest) = ghost.prefix(prev.index, prev.term) else { return Ok(()) };
        for entry in &message.entries {
            digest = chain(digest, entry);
            let known = ghost.note_prefix(entry.index, entry.term, digest);
            self.ensure(known, rule, || {
                format!("Entry {} of the message is not that of the sender's log", entry.index)
            })?;
        }
        Ok(())
    }

    fn heartbeat(&self) -> Verdict {
        let Says { view, message, .. } = *self;
        let own = message.commit <= view.now.commit;
        self.ensure(own, &rules::APPEND_HONEST, || "The commit index is beyond the sender's own".to_owned())?;
        if view.lead.term != message.term {
            return Ok(());
        }
        let acked = view.lead.acked.get(message.to);
        self.ensure(message.commit <= acked, &rules::HEARTBEAT_COMMIT, || {
            format!("Peer {} has acknowledged {acked} in this term", message.to)
        })
    }

    fn snapshot(&self, ghost: &Ghost) -> Verdict {
        let Says { view, message, .. } = *self;
        let Some(snapshot) = &message.snapshot else {
            return self
                .ensure(false, &rules::SNAPSHOT_SOUND, || "The message carries no snapshot".to_owned());
        };
        let id = snapshot_id(snapshot);
        let committed = ghost.committed(id.index);
        let sound = committed
            .is_none_or(|entry| entry.term == id.term && snapshot_digest(snapshot) == Some(entry.chain));
        self.ensure(id.index > 0 && id.index <= view.now.commit && sound, &rules::SNAPSHOT_SOUND, || {
            "The snapshot does not stand for what the group has committed up to its index".to_owned()
        })
    }

    fn timeout_now(&self) -> Verdict {
        let Says { view, message, .. } = *self;
        if view.lead.term != message.term {
            return Ok(());
        }
        self.ensure(view.lead.caught_up.has(message.to), &rules::TRANSFER, || {
            let acked = view.lead.acked.get(message.to);
            format!(
                "Peer {} is not the one that leadership is handed to, or does not hold the whole log: it has acknowledged {acked}",
                message.to
            )
        })
    }

    fn vote_request(&self) -> Verdict {
        let Says { view, message, .. } = *self;
        let note = view.note(message.term);
        let Some(last) = note.and_then(|note| note.campaigned) else {
            return self.ensure(false, &rules::REQUEST_HONEST, || {
                format!("The sender is no candidate of term {}", message.term)
            });
        };
        let honest = (message.index, message.log_term) == (last.index, last.term);
        self.ensure(honest, &rules::REQUEST_HONEST, || {
            format!("The log ended with {}@{} (index@term) when the sender campaigned", last.index, last.term)
        })
    }

    fn vote(&self) -> Verdict {
        let Says { view, message, .. } = *self;
        if message.reject {
            return Ok(());
        }
        let vote = view.note(message.term).map_or(0, |note| note.vote);
        self.ensure(vote == message.to, &rules::ONE_VOTE, || {
            format!("The vote of term {} is granted to {}, and was given to {vote}", message.term, message.to)
        })
    }

    fn acknowledgement(&self) -> Verdict {
        let Says { view, message, .. } = *self;
        if message.reject {
            return Ok(());
        }
        let proved = view.note(message.term).map_or(0, |note| note.proved).max(view.now.commit);
        self.ensure(message.index <= proved, &rules::ACK_PROVED, || {
            format!(
                "The log (last entry {}) is known to match that of the leader of term {} up to {proved} only",
                view.now.last.index, message.term
            )
        })
    }

    fn transfer(&self) -> Verdict {
        let Says { view, message, .. } = *self;
        self.ensure(view.wanted.has(message.from), &rules::TRANSFER, || {
            format!("Passed on as a wish for {}; the wishes were for {}", message.from, view.wanted)
        })
    }
}
