//! The other side of the wire: an honest follower of a page, so simple that it is obviously right (paper, figure 2).

use proto::eraftpb::{Entry, Message, MessageType};
use raft::{Index, LogId, PeerId, Term};

use super::msg::{self, at};
use super::{Check, Promise, ensure};

const CONTIGUOUS: Promise = Promise::new(
    "§5.3",
    "the entries of an append follow the position before them, index by index, with terms that never decrease and \
     never exceed the leader's",
    "a follower could not tell where the entries belong, and logs would diverge",
);
const SOUND_COMMIT: Promise = Promise::new(
    "§5.3",
    "two logs that hold an entry of the same index and term are equal up to it, and what is committed is never replaced",
    "a committed entry would be lost",
);

/// How a follower helps the leader to find the place where their logs agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// Names its last entry if the log is too short, else the entry before the refused one.
    Good,
    /// Always the entry before the refused one.
    Poor,
}

/// An honest follower.
#[derive(Clone, Debug)]
pub struct Mate {
    /// Its id.
    pub id: PeerId,
    /// Its term.
    pub term: Term,
    /// Its vote in that term.
    pub vote: PeerId,
    /// Its commit index.
    pub commit: Index,
    /// What it was sent, oldest first.
    pub heard: Vec<Message>,
    /// How it refuses.
    pub hints: Hints,
    base: LogId,
    log: Vec<Entry>,
}

impl Mate {
    /// A follower with entries of the given terms, the first at index 1.
    pub fn new(id: PeerId, terms: &[Term]) -> Mate {
        let term = terms.last().copied().unwrap_or(0);
        let log = msg::entries(1, terms);
        Mate { id, term, vote: 0, commit: 0, heard: Vec::new(), hints: Hints::Good, base: at(0, 0), log }
    }

    /// As [`Mate::new`], with poor hints.
    pub fn poor(id: PeerId, terms: &[Term]) -> Mate {
        Mate { hints: Hints::Poor, ..Mate::new(id, terms) }
    }

    /// Its log: index and term of each entry behind the snapshot.
    pub fn log(&self) -> Vec<LogId> {
        self.log.iter().map(|entry| at(entry.index, entry.term)).collect()
    }

    /// The entries behind the snapshot.
    pub fn entries(&self) -> &[Entry] {
        &self.log
    }

    /// Its last entry, or the snapshot.
    pub fn last(&self) -> LogId {
        self.log.last().map_or(self.base, |entry| at(entry.index, entry.term))
    }

    /// Where its snapshot stands; (0, 0) if it has none.
    pub fn base(&self) -> LogId {
        self.base
    }

    fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        let place = index.checked_sub(self.base.index + 1)?;
        self.log.get(place as usize).map(|entry| entry.term)
    }

    /// Takes a message, and says what it answers. Fails if no leader that keeps its promises could have sent it.
    pub fn answer(&mut self, message: &Message) -> Check<Option<Message>> {
        self.heard.push(message.clone());
        if message.term > self.term {
            self.term = message.term;
            self.vote = 0;
        }
        Ok(match message.msg_type() {
            MessageType::MsgRequestVote => Some(self.answer_vote(message)),
            MessageType::MsgHeartbeat if message.term == self.term => {
                self.commit = self.commit.max(message.commit.min(self.last().index));
                let context = message.context.clone();
                Some(Message { context, ..msg::heartbeat_ok(self.id, message.from, self.term) })
            }
            MessageType::MsgAppend if message.term == self.term => Some(self.answer_append(message)?),
            MessageType::MsgSnapshot if message.term == self.term => Some(self.answer_snapshot(message)),
            MessageType::MsgAppend | MessageType::MsgHeartbeat | MessageType::MsgSnapshot => {
                Some(msg::append_reject(self.id, message.from, self.term, message.index, self.last()))
            }
            _ => None,
        })
    }

    fn answer_vote(&mut self, message: &Message) -> Message {
        let free = self.vote == 0 || self.vote == message.from;
        let up_to_date = at(message.index, message.log_term) >= self.last();
        if message.term == self.term && free && up_to_date {
            self.vote = message.from;
            return msg::grant(self.id, message.from, self.term);
        }
        msg::refuse(self.id, message.from, self.term)
    }

    fn answer_append(&mut self, message: &Message) -> Check<Message> {
        let ids: Vec<LogId> = message.entries.iter().map(|entry| at(entry.index, entry.term)).collect();
        let indexes_follow = ids.iter().zip(message.index + 1..).all(|(id, index)| id.index == index);
        let terms_follow = ids.windows(2).all(|pair| pair[0].term <= pair[1].term)
            && ids.iter().all(|id| id.term >= message.log_term && id.term <= message.term);
        ensure!(CONTIGUOUS, indexes_follow && terms_follow, "{}", msg::describe(message));
        if message.index < self.base.index {
            return Ok(msg::append_ok(self.id, message.from, self.term, self.base.index));
        }
        if self.term_at(message.index) != Some(message.log_term) {
            return Ok(self.reject(message));
        }
        for entry in &message.entries {
            if self.term_at(entry.index) == Some(entry.term) {
                continue;
            }
            let safe = entry.index > self.commit;
            ensure!(
                SOUND_COMMIT,
                safe,
                "peer {}, commit {}, got {}",
                self.id,
                self.commit,
                msg::describe(message)
            );
            self.log.truncate((entry.index - self.base.index - 1) as usize);
            self.log.push(entry.clone());
        }
        self.commit = self.commit.max(message.commit.min(msg::end_of(message)));
        Ok(msg::append_ok(self.id, message.from, self.term, msg::end_of(message)))
    }

    fn reject(&self, message: &Message) -> Message {
        let before = message.index.saturating_sub(1).max(self.commit);
        let index = match self.hints {
            Hints::Good => before.min(self.last().index),
            Hints::Poor => before,
        };
        let hint = at(index, self.term_at(index).unwrap_or(0));
        msg::append_reject(self.id, message.from, self.term, message.index, hint)
    }

    fn answer_snapshot(&mut self, message: &Message) -> Message {
        let id = msg::snapshot_id(message);
        if id.index > self.commit {
            match self.term_at(id.index) == Some(id.term) {
                true => self.log.retain(|entry| entry.index > id.index),
                false => self.log.clear(),
            }
            self.base = id;
            self.commit = id.index;
        }
        msg::append_ok(self.id, message.from, self.term, self.commit)
    }
}
