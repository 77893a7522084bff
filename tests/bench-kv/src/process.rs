//! Server processes: started with their output in a file, killed when dropped.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a cluster may take to serve.
const START_ATTEMPTS: usize = 300;
const START_PAUSE: Duration = Duration::from_millis(100);
/// How long a process may take to end when asked.
const STOP_ATTEMPTS: usize = 50;

/// A process of a cluster.
pub struct Server {
    child: Child,
    directory: PathBuf,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, whose data is in `directory`; what it prints goes to a file there.
    pub fn start(mut command: Command, directory: &Path, name: &str) -> Result<Server> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Server { child, directory: directory.to_owned(), log })
    }

    /// Where the data of its cluster is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Bytes that it has written to the file system so far.
    pub fn written_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/io", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        line.and_then(|number| number.parse().ok()).with_context(|| format!("no write_bytes in {path}"))
    }

    /// An error with the end of its log if it has ended.
    fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(10).collect();
        let end: Vec<_> = lines.into_iter().rev().collect();
        bail!("a server ended with {status}:\n{}", end.join("\n"))
    }
}

/// Asked politely first: a server that is killed leaves its disk writes to whoever is measured next.
impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, Signal::TERM);
        }
        for _ in 0..STOP_ATTEMPTS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(START_PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Repeats `attempt` until it succeeds, while all servers live.
pub async fn until_ready<T>(
    what: &str,
    servers: &mut [Server],
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let mut last = None;
    for _ in 0..START_ATTEMPTS {
        servers.iter_mut().try_for_each(Server::check)?;
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(START_PAUSE).await;
    }
    let last = last.map(|error| format!("{error:#}")).unwrap_or_default();
    bail!("{what} does not serve after {:?}: {last}", START_PAUSE * START_ATTEMPTS as u32)
}

/// Addresses on loopback that nobody listens on at the moment.
pub fn free_addresses(count: usize) -> Result<Vec<String>> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    Ok(listeners
        .iter()
        .map(|listener| listener.local_addr().map(|a| a.to_string()))
        .collect::<Result<_, _>>()?)
}

/// Whether there is such a program; a bare name is looked for in PATH.
pub fn exists(program: &Path) -> bool {
    if program.components().count() > 1 {
        return program.is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
