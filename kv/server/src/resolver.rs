//! Where the other stores are: answers of the scheduler, kept until they turn out to be wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::metapb::StoreState;

use crate::pd::{self, Pd};

/// Finds the address of a store.
pub struct Resolver {
    pd: Pd,
    cache: Mutex<BTreeMap<u64, Arc<str>>>,
}

/// Why a store has no address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Ask again later.
    #[error(transparent)]
    Pd(#[from] pd::Error),
    /// It left the cluster for good: do not ask again.
    #[error("store {0} has left the cluster")]
    Tombstone(u64),
}

impl Resolver {
    /// One that asks this scheduler.
    pub fn new(pd: Pd) -> Resolver {
        Resolver { pd, cache: Mutex::default() }
    }

    /// The address of `store_id`, from memory if it was asked for before.
    ///
    /// # Errors
    /// A scheduler that does not answer, or a store that it does not know any more.
    pub async fn resolve(&self, store_id: u64) -> Result<Arc<str>, Error> {
        if let Some(known) = self.cache().get(&store_id) {
            return Ok(known.clone());
        }
        let store = self.pd.clone().store(store_id).await?;
        if store.state() == StoreState::Tombstone {
            return Err(Error::Tombstone(store_id));
        }
        let address: Arc<str> = store.address.into();
        self.cache().insert(store_id, address.clone());
        Ok(address)
    }

    /// The store did not answer at its address: it may have moved, so ask the scheduler the next time.
    pub fn forget(&self, store_id: u64) {
        self.cache().remove(&store_id);
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<str>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
