//! The scheduler's state on disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use scheduler::cluster::{Cluster, ClusterConfig};
use scheduler::{Change, Error};

/// Where the state lies in the database.
const KEYSPACE: &str = "scheduler";

/// An open directory. The database lives as long as its keyspace is used.
pub struct Disk {
    database: Database,
    state: Keyspace,
    path: PathBuf,
}

impl Disk {
    /// Opens `path`, creating it if need be.
    ///
    /// # Errors
    /// A directory that another process has open, or that holds no database of ours.
    pub fn open(path: &Path) -> Result<Disk> {
        let database = match Database::builder(path).worker_threads(1).open() {
            Ok(database) => database,
            Err(fjall::Error::Locked) => {
                bail!("{} is in use: stop the other scheduler first, or use another --path", path.display())
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
        };
        let state = database.keyspace(KEYSPACE, KeyspaceCreateOptions::default)?;
        Ok(Disk { database, state, path: path.to_owned() })
    }

    /// The cluster that was saved here; a new one with `config` in a new directory.
    ///
    /// # Errors
    /// State that is not a scheduler's, or a cluster with another number of replicas.
    pub fn load(&self, config: ClusterConfig) -> Result<Cluster> {
        let pairs = self
            .state
            .iter()
            .map(|pair| pair.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())));
        let pairs: Vec<_> = pairs.collect::<Result<_, _>>()?;
        let saved = Cluster::load(pairs)
            .map_err(|error: Error| anyhow::anyhow!("{}: {error}", self.path.display()))?;
        let Some(cluster) = saved else {
            let mut cluster = Cluster::new(config);
            self.write(cluster.take_changes())?;
            return Ok(cluster);
        };
        let replicas = cluster.config().replicas;
        if replicas != config.replicas {
            bail!(
                "{} holds a cluster with {replicas} replicas: start it with --replicas {replicas}, or use a new --path",
                self.path.display()
            );
        }
        Ok(cluster)
    }

    /// Makes changes safe: all of them or none, on disk when this returns.
    ///
    /// # Errors
    /// The disk's. Nobody knows then what is on it: the caller must stop without answering.
    pub fn write(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for change in changes {
            match change.value {
                Some(value) => batch.insert(&self.state, change.key, value),
                None => batch.remove(&self.state, change.key),
            }
        }
        batch.commit().with_context(|| format!("cannot write to {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: ClusterConfig = ClusterConfig { cluster_id: 7, replicas: 1 };

    #[test]
    fn a_restart_finds_identity_ids_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let (id, before) = {
            let disk = Disk::open(dir.path()).unwrap();
            let mut cluster = disk.load(CONFIG).unwrap();
            let given = (cluster.alloc_id(), cluster.timestamp(3, 9_000).unwrap());
            disk.write(cluster.take_changes()).unwrap();
            given
        };
        let disk = Disk::open(dir.path()).unwrap();
        let mut cluster = disk.load(ClusterConfig { cluster_id: 8, ..CONFIG }).unwrap();
        assert_eq!(cluster.config(), CONFIG, "the identity of a directory does not change");
        assert!(cluster.alloc_id() > id);
        let after = cluster.timestamp(1, 1).unwrap();
        assert!((after.physical, after.logical) > (before.physical, before.logical));
    }

    #[test]
    fn another_number_of_replicas_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path()).unwrap();
        disk.load(CONFIG).unwrap();
        let refused = disk.load(ClusterConfig { replicas: 3, ..CONFIG }).err().unwrap();
        assert!(refused.to_string().contains("--replicas 1"), "{refused}");
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Disk::open(dir.path()).unwrap();
        let refused = Disk::open(dir.path()).err().unwrap();
        assert!(refused.to_string().contains("in use"), "{refused}");
    }
}
