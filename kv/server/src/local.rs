//! A cluster of processes on this machine, to be looked at and to be killed: for the demonstration, and for tests.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longest wait for a process to serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Wait between looks at a process that starts.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Longest wait for a page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `tinykv-server`.
    pub store: PathBuf,
    /// The scheduler.
    pub scheduler: Scheduler,
}

/// The scheduler of a cluster.
#[derive(Clone, Debug)]
pub enum Scheduler {
    /// To be started from this program: `tinyscheduler-server`.
    Program(PathBuf),
    /// It runs already, and waits for as many stores as will be started.
    At(SocketAddr),
}

impl Programs {
    /// Those that lie beside the running program.
    ///
    /// # Errors
    /// Programs that have not been built.
    pub fn beside() -> Result<Programs> {
        let own = std::env::current_exe()?;
        let dir = own.parent().context("a program lies in a directory")?;
        let (store, scheduler) = (dir.join("tinykv-server"), dir.join("tinyscheduler-server"));
        for program in [&store, &scheduler] {
            if !program.is_file() {
                bail!(
                    "{} is missing: cargo build -p tinykv-server -p tinyscheduler-server",
                    program.display()
                );
            }
        }
        Ok(Programs { store, scheduler: Scheduler::Program(scheduler) })
    }
}

/// A scheduler and stores. Dropping it kills all of them.
pub struct LocalCluster {
    programs: Programs,
    dir: PathBuf,
    /// Address of the scheduler.
    pub scheduler: SocketAddr,
    scheduler_process: Option<Process>,
    stores: Vec<LocalStore>,
    flags: Vec<String>,
}

/// A store of such a cluster.
pub struct LocalStore {
    /// Its number, from 1, which is also its id: stores of a new cluster are started one after the other.
    pub number: usize,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where its status page is.
    pub status_addr: SocketAddr,
    /// Its directory.
    pub path: PathBuf,
    process: Option<Process>,
}

/// A process that is killed when this is dropped.
struct Process(Child);

impl Process {
    /// SIGKILL, and waits until it is gone.
    fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it has ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl LocalCluster {
    /// Starts a scheduler and `count` stores in `dir`, on free ports, each store with `flags` besides. Returns when all serve.
    ///
    /// # Errors
    /// A program that cannot be started, or does not serve.
    pub fn start(programs: Programs, dir: &Path, count: usize, flags: &[&str]) -> Result<LocalCluster> {
        let ports = free_ports(1 + 2 * count)?;
        let stores = (0..count).map(|place| LocalStore {
            number: place + 1,
            addr: ports[1 + 2 * place],
            status_addr: ports[2 + 2 * place],
            path: dir.join(format!("store{}", place + 1)),
            process: None,
        });
        let scheduler = if let Scheduler::At(addr) = programs.scheduler { addr } else { ports[0] };
        let mut cluster = LocalCluster {
            programs,
            dir: dir.to_owned(),
            scheduler,
            scheduler_process: None,
            stores: stores.collect(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        };
        cluster.start_scheduler(count)?;
        for place in 0..count {
            cluster.spawn_store(place)?;
            // Registered, and waiting for the rest.
            let waiting = format!("{} of {count} stores", place + 1);
            cluster.wait_for_health(place, |health| health.contains(&waiting) || is_serving(health))?;
        }
        for place in 0..count {
            cluster.wait_for_health(place, is_serving)?;
        }
        Ok(cluster)
    }

    /// Its stores.
    pub fn stores(&self) -> &[LocalStore] {
        &self.stores
    }

    /// Place of the store that listens there.
    pub fn place_of(&self, addr: &str) -> Option<usize> {
        self.stores.iter().position(|store| store.addr.to_string() == addr)
    }

    fn start_scheduler(&mut self, replicas: usize) -> Result<()> {
        let Scheduler::Program(program) = &self.programs.scheduler else { return Ok(()) };
        let mut command = Command::new(program);
        command.arg("--addr").arg(self.scheduler.to_string());
        command.arg("--path").arg(self.dir.join("scheduler")).arg("--replicas").arg(replicas.to_string());
        let process = self.spawn(command, "scheduler")?;
        self.scheduler_process = Some(process);
        let started = Instant::now();
        while TcpStream::connect(self.scheduler).is_err() {
            if started.elapsed() > START_TIMEOUT {
                bail!("the scheduler does not listen; its log is {}", self.log("scheduler").display());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Starts the store at `place`, and returns how long it took until it served.
    ///
    /// # Errors
    /// A store that does not serve within half a minute.
    pub fn start_store(&mut self, place: usize) -> Result<Duration> {
        let started = Instant::now();
        self.spawn_store(place)?;
        self.wait_for_health(place, is_serving)?;
        Ok(started.elapsed())
    }

    /// Kills the store at `place` with SIGKILL.
    ///
    /// # Errors
    /// One that does not run.
    pub fn kill_store(&mut self, place: usize) -> Result<()> {
        let store = &mut self.stores[place];
        let process = store.process.take();
        process.with_context(|| format!("store {} does not run", store.number))?.kill()
    }

    fn spawn_store(&mut self, place: usize) -> Result<()> {
        let store = &self.stores[place];
        let mut command = Command::new(&self.programs.store);
        command.arg("--addr").arg(store.addr.to_string());
        command.arg("--status-addr").arg(store.status_addr.to_string());
        command.arg("--path").arg(&store.path);
        command.arg("--scheduler").arg(self.scheduler.to_string());
        command.args(&self.flags);
        let process = self.spawn(command, &format!("store{}", store.number))?;
        self.stores[place].process = Some(process);
        Ok(())
    }

    fn wait_for_health(&mut self, place: usize, is_enough: impl Fn(&str) -> bool) -> Result<()> {
        let started = Instant::now();
        let log = self.log(&format!("store{}", self.stores[place].number));
        let store = &mut self.stores[place];
        while !page(store.status_addr, "/healthz").is_ok_and(|health| is_enough(&health)) {
            let process = store.process.as_mut().context("it was started")?;
            if let Some(status) = process.0.try_wait()? {
                bail!(
                    "store {} ended with {status}:\n{}",
                    store.number,
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            if started.elapsed() > START_TIMEOUT {
                bail!("store {} does not serve; its log is {}", store.number, log.display());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn spawn(&self, mut command: Command, name: &str) -> Result<Process> {
        let log = File::options().create(true).append(true).open(self.log(name))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Process(child))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }
}

impl LocalStore {
    /// Entries that its regions have applied, all together.
    ///
    /// # Errors
    /// A store that does not answer, or has no region yet.
    pub fn applied(&self) -> Result<u64> {
        let text = page(self.status_addr, "/metrics")?;
        let lines = text.lines().filter(|line| line.starts_with("tinykv_raft_applied{"));
        let values: Vec<u64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        if values.is_empty() {
            bail!("store {} has no region", self.number);
        }
        Ok(values.iter().sum())
    }
}

fn is_serving(health: &str) -> bool {
    health.trim_end() == crate::status::SERVING
}

/// Ports that were free a moment ago, all different.
fn free_ports(count: usize) -> Result<Vec<SocketAddr>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    Ok(listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?)
}

/// A page of a status address.
fn page(addr: SocketAddr, path: &str) -> Result<String> {
    let mut socket = TcpStream::connect_timeout(&addr, PAGE_TIMEOUT)?;
    socket.set_read_timeout(Some(PAGE_TIMEOUT))?;
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("it speaks no HTTP")?;
    Ok(body.to_owned())
}
