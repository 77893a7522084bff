//! The table of the apply FSM: who handles which message.

use crate::batch::Fsm;
use crate::raftstore::apply::{Apply, ApplyContext};
use crate::raftstore::msg::{ApplyMsg, Registration};

/// The apply side of one region's replica, as its poller sees it.
pub struct ApplyFsm {
    /// State and behaviour.
    pub apply: Apply,
}

impl Fsm for ApplyFsm {
    type Message = ApplyMsg;

    fn is_stopped(&self) -> bool {
        self.apply.is_stopped
    }
}

impl ApplyFsm {
    /// An FSM that starts there.
    pub fn new(registration: Registration) -> ApplyFsm {
        ApplyFsm { apply: Apply::new(registration) }
    }

    /// Handles one message.
    pub fn on_msg(&mut self, ctx: &mut ApplyContext, message: ApplyMsg) {
        let apply = &mut self.apply;
        match message {
            ApplyMsg::Registration(registration) => apply.handle_registration(*registration),
            ApplyMsg::Proposals(proposals) => apply.handle_proposals(proposals),
            ApplyMsg::Apply { term, entries } => apply.handle_committed_entries(ctx, term, entries),
            ApplyMsg::Snapshot(task) => apply.handle_snapshot(ctx, task),
            ApplyMsg::Destroy => apply.handle_destroy(ctx),
            ApplyMsg::Noop => {}
        }
    }
}

/// The apply side has no control FSM; the batch system wants one.
pub struct ApplyControl;

/// Nobody has anything to tell it.
pub enum Never {}

impl Fsm for ApplyControl {
    type Message = Never;

    fn is_stopped(&self) -> bool {
        false
    }
}
