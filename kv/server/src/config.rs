//! What an operator can set: a file in TOML, flags that win over it, and checks that say what to do.
//!
//! ```toml
//! [server]
//! addr = "127.0.0.1:20160"          # where to listen
//! status_addr = "127.0.0.1:20180"   # metrics and the status page
//! path = "data/store1"
//! scheduler = "127.0.0.1:2379"
//! loglevel = "info"
//!
//! [raftstore]
//! raft_base_tick_ms = 100
//! raft_election_timeout_ticks = 10
//! read_mode = "lease"
//! ```
//!
//! Every option has a default, but for `path`, and for `scheduler` unless `standalone` is set. A name that is not known is
//! an error, so that a slip of the pen is not taken for the default.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use kv::config::RaftStoreConfig;
use serde::{Deserialize, Serialize};

/// All options of a store's process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The process and its connections.
    pub server: ServerConfig,
    /// The raftstore.
    pub raftstore: RaftStoreConfig,
}

/// The process and its connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Where to listen for clients and other stores; port 0 lets the system choose.
    pub addr: String,
    /// Address that the scheduler, clients and other stores are told, if it differs from `addr`.
    pub advertise_addr: Option<String>,
    /// Where to listen for metrics and the status page; empty: nowhere.
    pub status_addr: String,
    /// Directory of this store; no other process may use it.
    pub path: PathBuf,
    /// Address of the scheduler.
    pub scheduler: String,
    /// Without Raft, scheduler and replicas: one engine behind the raw requests. What part 1 of the course builds.
    pub standalone: bool,
    /// What to log: error, warn, info, debug or trace. The variable LOG_LEVEL wins over it.
    pub loglevel: String,
    /// Longest request or message between stores, in bytes.
    pub request_bytes_max: usize,
    /// A request that has no answer after so many milliseconds is given up, whatever its own deadline says.
    pub request_timeout_ms: u64,
    /// Requests of one connection that may be under way.
    pub requests_per_connection_max: u32,
    /// Raft messages that may wait for one other store; further ones are dropped, which Raft repairs.
    pub raft_queue_capacity: usize,
    /// Waits between attempts to reach a store that does not answer grow up to this, in milliseconds.
    pub reconnect_ms_max: u64,
    /// Length of a piece of a snapshot on the wire, in bytes.
    pub snapshot_chunk_bytes: usize,
    /// Writes are refused while the disk has less room than this, in bytes: a full disk stops a store for good.
    pub reserve_bytes: u64,
    /// Open requests may finish for so long when the store is told to stop, in milliseconds.
    pub shutdown_grace_ms: u64,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            addr: "127.0.0.1:20160".to_owned(),
            advertise_addr: None,
            status_addr: "127.0.0.1:20180".to_owned(),
            path: PathBuf::new(),
            scheduler: String::new(),
            standalone: false,
            loglevel: "info".to_owned(),
            request_bytes_max: 32 << 20,
            request_timeout_ms: 10_000,
            requests_per_connection_max: 1024,
            raft_queue_capacity: 8192,
            reconnect_ms_max: 1000,
            snapshot_chunk_bytes: 1 << 20,
            reserve_bytes: 256 << 20,
            shutdown_grace_ms: 2000,
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// A file that cannot be read, or names what is not known: with line and column.
    pub fn read(path: &Path) -> Result<Config> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Config::parse(&text).with_context(|| format!("in the configuration {}", path.display()))
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Config> {
        Ok(toml::from_str(text)?)
    }

    /// Checks that all options make sense, each alone and together.
    ///
    /// # Errors
    /// Names every option that does not, and says what to do.
    pub fn validate(&self) -> Result<()> {
        let mut problems = self.server.problems();
        if let Err(kv::config::InvalidConfig(more)) = self.raftstore.validate() {
            problems.extend(more);
        }
        let longest =
            self.raftstore.raft_entry_bytes_max.saturating_add(self.raftstore.raft_message_bytes_max);
        // A message holds at least one entry, however long, and the words around it.
        if (self.server.request_bytes_max as u64) < longest.saturating_add(1 << 16) {
            problems.push(format!(
                "request_bytes_max is {}, too little for a message of raft_entry_bytes_max + raft_message_bytes_max \
                 ({longest} bytes): raise the one, or lower the others",
                self.server.request_bytes_max
            ));
        }
        if problems.is_empty() {
            return Ok(());
        }
        bail!("the configuration cannot work:\n  {}", problems.join("\n  "))
    }
}

impl ServerConfig {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() {
            problems.push("path is not set: give the store a directory by --path".to_owned());
        }
        if !self.standalone && self.scheduler.is_empty() {
            problems.push(
                "scheduler is not set: give its address by --scheduler, or run without replicas by --standalone".to_owned(),
            );
        }
        let addresses = [("addr", Some(&self.addr)), ("advertise_addr", self.advertise_addr.as_ref())];
        let optional = [("status_addr", &self.status_addr), ("scheduler", &self.scheduler)];
        let optional =
            optional.into_iter().filter(|(_, addr)| !addr.is_empty()).map(|(name, addr)| (name, Some(addr)));
        for (name, addr) in addresses.into_iter().chain(optional) {
            if let Some(addr) = addr.filter(|addr| !is_address(addr)) {
                problems.push(format!("{name} is {addr:?}: write it as host:port, such as 127.0.0.1:20160"));
            }
        }
        if self.loglevel.parse::<log::LevelFilter>().is_err() {
            problems.push(format!("loglevel is {:?}: use error, warn, info, debug or trace", self.loglevel));
        }
        let positive = [
            ("request_timeout_ms", self.request_timeout_ms, "every request would fail"),
            (
                "requests_per_connection_max",
                self.requests_per_connection_max.into(),
                "every request would wait for ever",
            ),
            ("raft_queue_capacity", self.raft_queue_capacity as u64, "no message would reach another store"),
            ("reconnect_ms_max", self.reconnect_ms_max, "a store that is down would be called all the time"),
            ("snapshot_chunk_bytes", self.snapshot_chunk_bytes as u64, "a snapshot would never end"),
        ];
        let zeros = positive.iter().filter(|(_, value, _)| *value == 0);
        problems.extend(zeros.map(|(name, _, why)| format!("{name} is 0, and {why}: make it at least 1")));
        if self.snapshot_chunk_bytes.saturating_add(1 << 16) > self.request_bytes_max {
            problems.push(format!(
                "snapshot_chunk_bytes is {}: it must fit into request_bytes_max ({})",
                self.snapshot_chunk_bytes, self.request_bytes_max
            ));
        }
        problems
    }
}

/// Whether `text` looks like `host:port`.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Config {
        let mut config = Config::default();
        config.server.path = "data".into();
        config.server.scheduler = "127.0.0.1:2379".to_owned();
        config
    }

    fn complaint(change: impl FnOnce(&mut Config)) -> String {
        let mut config = complete();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_need_a_path_and_a_scheduler() {
        let told = Config::default().validate().unwrap_err().to_string();
        assert!(told.contains("--path") && told.contains("--scheduler"), "{told}");
        complete().validate().unwrap();
    }

    #[test]
    fn standalone_needs_no_scheduler() {
        let mut config = complete();
        config.server = ServerConfig { scheduler: String::new(), standalone: true, ..config.server };
        config.validate().unwrap();
    }

    #[test]
    fn files_set_what_they_name_and_leave_the_rest() {
        let text = "[server]\npath = \"x\"\n[raftstore]\nread_mode = \"lease\"\nraft_heartbeat_ticks = 3\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.server.path, Path::new("x"));
        assert_eq!(config.raftstore.raft_heartbeat_ticks, 3);
        assert_eq!(config.raftstore.read_mode, kv::config::ReadMode::Lease);
        assert_eq!(config.server.addr, ServerConfig::default().addr);
    }

    #[test]
    fn names_that_are_not_known_are_errors() {
        let told = format!("{:#}", Config::parse("[raftstore]\nraft_heartbeat_tics = 3\n").unwrap_err());
        assert!(told.contains("raft_heartbeat_tics"), "{told}");
        let told = format!("{:#}", Config::parse("[server]\naddr = 5\n").unwrap_err());
        assert!(told.contains("line 2"), "{told}");
    }

    #[test]
    fn impossible_options_are_refused_with_what_to_do() {
        let told = complaint(|config| config.raftstore.raft_election_timeout_ticks = 1);
        assert!(told.contains("more than raft_heartbeat_ticks"), "{told}");
        let told = complaint(|config| config.server.addr = "20160".to_owned());
        assert!(told.contains("host:port"), "{told}");
        let told = complaint(|config| config.server.request_bytes_max = 1 << 20);
        assert!(told.contains("raft_entry_bytes_max"), "{told}");
        let told = complaint(|config| config.server.loglevel = "loud".to_owned());
        assert!(told.contains("use error, warn, info, debug or trace"), "{told}");
        let told = complaint(|config| config.server.snapshot_chunk_bytes = 0);
        assert!(told.contains("a snapshot would never end"), "{told}");
    }
}
