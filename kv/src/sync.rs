//! The locks and threads of the two thread drivers: those of `std`, or in proofs (feature `shuttle`, tests only) those of
//! the model checker, which runs the same code under every order of steps that it can think of.

#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, RwLock},
    thread,
};

#[cfg(all(test, feature = "shuttle"))]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, RwLock},
    thread,
};

/// Locks. Our locks guard a few lines that call nobody else's code, so none of them is ever left poisoned.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds this lock")
}
