//! R41: a confirmed read sees everything that was committed before it was asked for (thesis §6.4).

use raft::Ready;

use super::super::rules::READ_FRESH;
use super::{Judge, Verdict, View};

/// Peer `id` hands out confirmed reads.
pub fn on_ready(judge: &Judge, view: &mut View, id: u64, ready: &Ready) -> Verdict {
    for state in &ready.read_states {
        let asked = view.reads.iter().position(|(context, _)| context.as_slice() == state.context.as_ref());
        let Some(asked) = asked else { continue };
        let (_, committed) = view.reads.remove(asked);
        judge.ensure(state.index >= committed, &READ_FRESH, id, || {
            format!(
                "Peer {id} confirms a read at index {}; when it was asked for, {committed} was committed",
                state.index
            )
        })?;
    }
    Ok(())
}
