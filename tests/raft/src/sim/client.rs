//! What clients asked for, and what became of it.

use proto::eraftpb::{Entry, EntryType};
use raft::LogId;

use super::laws;
use super::node;
use crate::check::Violation;

/// All commands of a run, and the order in which they were applied.
#[derive(Default)]
pub struct Clients {
    /// By number, from 1.
    commands: Vec<Command>,
    /// What was applied at each index, from 1, by whoever applied it first.
    history: Vec<Applied>,
    /// Membership changes that a leader took.
    pub changes: u64,
}

#[derive(Clone, Copy, Default)]
struct Command {
    /// Where the leader that took it put it; none if it was refused.
    accepted: Option<Accepted>,
    applied_at: Option<u64>,
}

#[derive(Clone, Copy)]
struct Accepted {
    node: u64,
    id: LogId,
}

#[derive(Clone, Copy)]
struct Applied {
    term: u64,
    /// Number of the command; 0 for what leaders and membership changes add.
    number: u64,
}

impl Clients {
    /// Number that the next command will get.
    pub fn next_number(&self) -> u64 {
        self.commands.len() as u64 + 1
    }

    /// Makes the next command, and says its number.
    pub fn next(&mut self) -> u64 {
        self.commands.push(Command::default());
        self.commands.len() as u64
    }

    /// A leader took the command and put it at `id`.
    pub fn accepted(&mut self, number: u64, node: u64, id: LogId) {
        self.commands[number as usize - 1].accepted = Some(Accepted { node, id });
    }

    /// How many commands were taken so far.
    pub fn taken(&self) -> u64 {
        self.commands.iter().filter(|command| command.accepted.is_some()).count() as u64
    }

    /// Whether the command was applied by anybody.
    pub fn is_applied(&self, number: u64) -> bool {
        self.commands[number as usize - 1].applied_at.is_some()
    }

    /// How many entries were applied by anybody.
    pub fn committed(&self) -> u64 {
        self.history.len() as u64
    }

    /// A peer applied an entry.
    pub fn applied(&mut self, node: u64, entry: &Entry) -> Result<(), Violation> {
        let broken = |seen| Err(Violation { rule: &laws::ONCE, node, seen });
        let commanded = entry.entry_type() == EntryType::EntryNormal && !entry.data.is_empty();
        let number = match node::number_of(&entry.data) {
            Some(number) if commanded && (1..=self.commands.len() as u64).contains(&number) => number,
            _ if commanded => {
                return broken(format!(
                    "n{node} applied at index {} a command that no client ever sent",
                    entry.index
                ));
            }
            _ => 0,
        };
        let next = self.history.len() as u64 + 1;
        if entry.index < next {
            return Ok(()); // Whether it is the same entry is what the invariants compare.
        }
        self.history.resize(entry.index as usize, Applied { term: 0, number: 0 });
        self.history[entry.index as usize - 1] = Applied { term: entry.term, number };
        if number == 0 {
            return Ok(());
        }
        let command = &mut self.commands[number as usize - 1];
        if command.accepted.is_none() {
            return broken(format!(
                "command {number} is applied at index {}, though every peer that was asked refused it",
                entry.index
            ));
        }
        if let Some(before) = command.applied_at.replace(entry.index) {
            return broken(format!(
                "command {number} is applied twice: at index {before} and at {}",
                entry.index
            ));
        }
        Ok(())
    }

    /// The run is over and everybody agrees: has every command that a leader took a fate that can be?
    pub fn check_fates(&self) -> Result<(), Violation> {
        let newest = self.history.last().map_or(0, |applied| applied.term);
        for (nth, command) in self.commands.iter().enumerate() {
            let Some(Accepted { node, id }) = command.accepted else { continue };
            let number = nth as u64 + 1;
            let at_its_place = self.history.get(id.index as usize - 1);
            let seen = match at_its_place {
                Some(applied) if applied.term == id.term && applied.number != number => format!(
                    "n{node} took command {number} as entry {} of term {}, but another command was applied there",
                    id.index, id.term
                ),
                None if newest <= id.term => format!(
                    "n{node} took command {number} as entry {} of term {}; no later leader replaced it, and yet it is not committed",
                    id.index, id.term
                ),
                _ => continue,
            };
            return Err(Violation { rule: &laws::L4, node, seen });
        }
        Ok(())
    }
}
