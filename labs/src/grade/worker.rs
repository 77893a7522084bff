//! One worker process: started with a job, watched, and stopped when it breaks a limit.
//!
//! Verdicts are the records that come over the channel, nothing else: what student code prints is kept only to be shown,
//! and how the process ends is looked at only if it ends without [`Record::End`].

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use verdict::channel::{Channel, Error, Key};
use verdict::{Job, Record};

/// The program that runs tests.
#[derive(Clone, Debug)]
pub struct Program {
    /// Path of the executable.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, the whole of it.
    pub env: Vec<(String, String)>,
}

/// What a worker may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU time.
    pub cpu: Duration,
    /// Wall-clock time: a backstop for code that waits.
    pub wall: Duration,
    /// Address space, in bytes.
    pub memory: u64,
    /// Bytes printed.
    pub output: u64,
    /// Length of the longest file, in bytes. A database on disk gives its journal 64 MiB at once.
    pub file: u64,
}

impl Limits {
    /// The limits of a process that should be done after `time` on a machine of its own.
    pub fn lasting(time: Duration) -> Limits {
        let wall = time * 3 + Duration::from_secs(5);
        Limits { cpu: time, wall, memory: 4 << 30, output: 16 << 20, file: 128 << 20 }
    }
}

/// What became of a worker.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The seed that was running when it ended.
    pub in_flight: Option<u64>,
    /// The last lines that it printed.
    pub printed: String,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With [`Record::End`], as it should.
    Done,
    /// The process went away first: why, in words.
    Died(String),
    /// It was stopped because the result is no longer needed.
    Cancelled,
}

/// How long a worker may take to leave after [`Record::End`].
const GRACE: Duration = Duration::from_secs(1);
/// So much of what it printed is kept.
const TAIL: usize = 8 << 10;

enum News {
    Record(Box<Record>),
    Closed(Error),
}

/// Runs one job; `on_record` sees every record but the end. An error is the supervisor's own.
pub fn run(
    program: &Program,
    job: &Job,
    limits: Limits,
    cancel: &AtomicBool,
    mut on_record: impl FnMut(Record),
) -> Result<Outcome> {
    let (ours, theirs) = UnixStream::pair().context("cannot make a socketpair")?;
    let mut child = Command::new(&program.path)
        .args(&program.args)
        .env_clear()
        .envs(program.env.iter().cloned())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.path.display()))?;
    let guard = Guard(Pid::from_child(&child));
    confine(guard.0, limits);
    let printed = Arc::new(Printed::default());
    let readers = [
        printed.clone().follow(child.stdout.take().context("no stdout")?),
        printed.clone().follow(child.stderr.take().context("no stderr")?),
    ];
    let (sender, news) = channel();
    let reader = std::thread::spawn({
        let (job, key) = (job.clone(), random_key()?);
        move || listen(ours, key, &job, &sender)
    });
    let mut in_flight = None;
    let ending = watch(&news, limits, cancel, &printed, |record| {
        if let Record::Seed(seed) = record {
            in_flight = Some(seed);
        }
        on_record(record);
    });
    let ending = finish(&mut child, ending, &printed, limits);
    drop(guard);
    let _ = child.wait();
    for thread in readers {
        let _ = thread.join();
    }
    let _ = reader.join();
    let ending = match ending {
        Ending::Died(how) => Ending::Died(explain(&how, &printed.text())),
        other => other,
    };
    Ok(Outcome { ending, in_flight, printed: printed.text() })
}

/// Kills a worker's whole process group, however this supervisor leaves.
struct Guard(Pid);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// Limits of the operating system. The worker waits for its job meanwhile, so no student code has run yet.
#[cfg(target_os = "linux")]
fn confine(pid: Pid, limits: Limits) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let seconds = limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0);
    let set = |resource, soft, hard| {
        // A worker that cannot be confined is still watched by the clock.
        let _ = prlimit(Some(pid), resource, Rlimit { current: Some(soft), maximum: Some(hard) });
    };
    // The soft limit ends a process with a signal that says why, the hard one with an unspecific kill.
    set(Resource::Cpu, seconds, seconds + 1);
    set(Resource::As, limits.memory, limits.memory);
    set(Resource::Core, 0, 0);
    set(Resource::Fsize, limits.file, limits.file);
}

/// Other systems have no call that limits another process: there the clock alone watches.
#[cfg(not(target_os = "linux"))]
fn confine(_: Pid, _: Limits) {}

fn random_key() -> Result<Key> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .context("no random numbers")?;
    Ok(Key::new(bytes))
}

/// Sends the job and passes on what the worker answers.
fn listen(stream: UnixStream, key: Key, job: &Job, news: &Sender<News>) {
    let talk = || -> Result<(), Error> {
        let mut channel = Channel::open(stream, key)?;
        channel.send(job)?;
        loop {
            let record = channel.receive()?;
            if news.send(News::Record(Box::new(record))).is_err() {
                return Ok(());
            }
        }
    };
    if let Err(error) = talk() {
        let _ = news.send(News::Closed(error));
    }
}

/// Waits until the worker is done or breaks a limit. An empty reason means that it is gone and its status tells why.
fn watch(
    news: &Receiver<News>,
    limits: Limits,
    cancel: &AtomicBool,
    printed: &Printed,
    mut on_record: impl FnMut(Record),
) -> Ending {
    let started = Instant::now();
    loop {
        match news.recv_timeout(Duration::from_millis(50)) {
            Ok(News::Record(record)) => match *record {
                Record::End => return Ending::Done,
                record => on_record(record),
            },
            Ok(News::Closed(Error::Forged | Error::Body(_))) => {
                return Ending::Died("something other than the checks wrote to the result channel".into());
            }
            Ok(News::Closed(Error::Closed | Error::Io(_))) | Err(RecvTimeoutError::Disconnected) => {
                return Ending::Died(String::new());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if cancel.load(Ordering::Relaxed) {
            return Ending::Cancelled;
        }
        if printed.length() > limits.output {
            return Ending::Died(too_much(limits));
        }
        if started.elapsed() > limits.wall {
            return Ending::Died(format!(
                "did not finish within {} s: it waits for something",
                limits.wall.as_secs()
            ));
        }
    }
}

fn too_much(limits: Limits) -> String {
    format!("printed more than {} MiB", limits.output >> 20)
}

/// Gives a worker that is on its way out the time to leave, and finds out how it went.
fn finish(child: &mut Child, ending: Ending, printed: &Printed, limits: Limits) -> Ending {
    let gone = match &ending {
        Ending::Done => return ending,
        Ending::Died(why) => why.is_empty(),
        Ending::Cancelled => false,
    };
    if !gone {
        return ending;
    }
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < GRACE => std::thread::sleep(Duration::from_millis(5)),
            _ => return Ending::Died("closed the result channel".into()),
        }
    };
    if printed.length() > limits.output {
        return Ending::Died(too_much(limits));
    }
    Ending::Died(in_words(status, limits))
}

fn in_words(status: ExitStatus, limits: Limits) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited early with status {code}"),
        (_, Some(signal)) if signal == Signal::XCPU.as_raw() => {
            format!("did not finish within {} s of CPU time: an endless loop?", limits.cpu.as_secs().max(1))
        }
        (_, Some(6)) => "aborted (signal 6)".into(),
        (_, Some(11)) => "crashed (signal 11, SIGSEGV)".into(),
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        _ => "ended".into(),
    }
}

/// What the runtime printed tells an abort's cause. Only for the reader: the test has failed already.
fn explain(how: &str, printed: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| printed.contains(word));
    if says(&["has overflowed its stack"]) {
        format!("died of a stack overflow (endless recursion?): {how}")
    } else if says(&["memory allocation of"]) {
        format!("ran out of memory: {how}")
    } else if how.starts_with("aborted")
        && says(&["panicked at", "non-unwinding panic", "panic in a destructor"])
    {
        format!("panicked while it was already panicking (a panic in `Drop`?): {how}")
    } else {
        how.into()
    }
}

/// What a worker prints: counted, and the end of it kept.
#[derive(Default)]
struct Printed {
    length: AtomicU64,
    tail: Mutex<Vec<u8>>,
}

impl Printed {
    fn follow(self: Arc<Self>, mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                self.length.fetch_add(n as u64, Ordering::Relaxed);
                let mut tail = self.tail.lock().unwrap_or_else(|e| e.into_inner());
                tail.extend_from_slice(&buffer[n.saturating_sub(TAIL)..n]);
                let surplus = tail.len().saturating_sub(TAIL);
                tail.drain(..surplus);
            }
        })
    }

    fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }

    /// The end of what was printed, without control characters that could fool a terminal.
    fn text(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(|e| e.into_inner());
        String::from_utf8_lossy(&tail).chars().filter(|c| *c == '\n' || !c.is_control()).collect()
    }
}
