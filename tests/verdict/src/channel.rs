//! The channel between supervisor and worker: authenticated frames over a socketpair.
//!
//! A frame is its length (4 bytes, big-endian), a keyed BLAKE3 digest (32 bytes) of its direction, number and body, and
//! the body (JSON): a frame that is changed, repeated, left out or sent back to where it came from is noticed. The key is drawn for each worker and sent in the first frame, before any student code runs, so that code
//! which finds the descriptor still cannot speak for the worker; a socket, unlike a pipe, cannot be opened again
//! through `/proc/self/fd` either.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Length of a frame's digest, in bytes.
const DIGEST: usize = 32;
/// No honest frame is longer: a trace of a long run is about 20 MB.
const LONGEST: usize = 64 << 20;

/// Secret of one worker.
#[derive(Clone, Copy)]
pub struct Key([u8; 32]);

impl Key {
    /// A key from 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }
}

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side is gone.
    #[error("the channel is closed")]
    Closed,
    /// The frame is not from the worker: somebody else wrote to its descriptor.
    #[error("forged or damaged record")]
    Forged,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The body is not what was expected.
    #[error("unreadable record: {0}")]
    Body(#[from] serde_json::Error),
}

/// Which end of the channel a frame comes from: part of its digest.
#[derive(Clone, Copy)]
enum Side {
    Supervisor,
    Worker,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Supervisor => Side::Worker,
            Side::Worker => Side::Supervisor,
        }
    }
}

/// One end of a channel.
pub struct Channel<S> {
    stream: S,
    key: Key,
    side: Side,
    sent: u64,
    received: u64,
}

impl<S: Read + Write> Channel<S> {
    /// Opens the supervisor's end: sends the key.
    pub fn open(mut stream: S, key: Key) -> Result<Channel<S>, Error> {
        stream.write_all(&key.0)?;
        Ok(Channel { stream, key, side: Side::Supervisor, sent: 0, received: 0 })
    }

    /// Takes the worker's end: receives the key.
    pub fn accept(mut stream: S) -> Result<Channel<S>, Error> {
        let mut key = [0; 32];
        stream.read_exact(&mut key)?;
        Ok(Channel { stream, key: Key(key), side: Side::Worker, sent: 0, received: 0 })
    }

    /// Sends one message.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Error> {
        let body = serde_json::to_vec(message)?;
        let mut frame = Vec::with_capacity(4 + DIGEST + body.len());
        frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
        frame.extend_from_slice(&digest(&self.key, self.side, self.sent, &body));
        frame.extend_from_slice(&body);
        self.sent += 1;
        self.stream.write_all(&frame)?;
        Ok(())
    }

    /// Waits for one message.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(Error::Closed),
            other => other?,
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST {
            return Err(Error::Forged);
        }
        let mut rest = vec![0; DIGEST + length];
        match self.stream.read_exact(&mut rest) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(Error::Closed),
            other => other?,
        }
        let (seen, body) = rest.split_at(DIGEST);
        let expected = digest(&self.key, self.side.other(), self.received, body);
        if blake3::Hash::from(expected) != blake3::Hash::from_slice(seen).map_err(|_| Error::Forged)? {
            return Err(Error::Forged);
        }
        self.received += 1;
        Ok(serde_json::from_slice(body)?)
    }

    /// The stream below, for setting time-outs.
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

fn digest(key: &Key, from: Side, number: u64, body: &[u8]) -> [u8; DIGEST] {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(&[from as u8]);
    hasher.update(&number.to_be_bytes());
    hasher.update(body);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Channel<UnixStream>, Channel<UnixStream>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let supervisor = Channel::open(ours, Key::new([7; 32])).unwrap();
        (supervisor, Channel::accept(theirs).unwrap())
    }

    #[test]
    fn messages_arrive_both_ways_in_order() {
        let (mut supervisor, mut worker) = pair();
        supervisor.send(&"job").unwrap();
        assert_eq!(worker.receive::<String>().unwrap(), "job");
        worker.send(&1).unwrap();
        worker.send(&2).unwrap();
        assert_eq!(supervisor.receive::<u64>().unwrap(), 1);
        assert_eq!(supervisor.receive::<u64>().unwrap(), 2);
        drop(worker);
        assert!(matches!(supervisor.receive::<u64>(), Err(Error::Closed)));
    }

    #[test]
    fn bytes_written_without_the_key_are_forged() {
        let (mut supervisor, worker) = pair();
        let body = b"\"Passed\"";
        let mut stream = worker.stream();
        stream.write_all(&(body.len() as u32).to_be_bytes()).unwrap();
        stream.write_all(&[0; DIGEST]).unwrap();
        stream.write_all(body).unwrap();
        assert!(matches!(supervisor.receive::<String>(), Err(Error::Forged)));
    }

    /// A stream that keeps what is written, and is read from what is put in.
    #[derive(Default)]
    struct Tape {
        input: VecDeque<u8>,
        output: Vec<u8>,
    }

    impl Read for Tape {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.input.read(buffer)
        }
    }

    impl Write for Tape {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.output.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tapes() -> (Channel<Tape>, Channel<Tape>) {
        let supervisor = Channel::open(Tape::default(), Key::new([7; 32])).unwrap();
        let worker = Channel::accept(Tape { input: [7; 32].into(), output: Vec::new() }).unwrap();
        (supervisor, worker)
    }

    #[test]
    fn a_frame_sent_back_to_its_sender_is_forged() {
        let (mut supervisor, _) = tapes();
        supervisor.send(&"job").unwrap();
        supervisor.stream.input = supervisor.stream.output[32..].to_vec().into();
        assert!(matches!(supervisor.receive::<String>(), Err(Error::Forged)));
    }

    #[test]
    fn a_frame_sent_twice_or_changed_is_forged() {
        let (mut supervisor, mut worker) = tapes();
        worker.send(&"passed").unwrap();
        let frame = std::mem::take(&mut worker.stream.output);
        supervisor.stream.input = [frame.clone(), frame.clone()].concat().into();
        assert_eq!(supervisor.receive::<String>().unwrap(), "passed");
        assert!(matches!(supervisor.receive::<String>(), Err(Error::Forged)));

        let (mut supervisor, _) = tapes();
        let mut changed = frame;
        *changed.last_mut().unwrap() ^= 1;
        supervisor.stream.input = changed.into();
        assert!(matches!(supervisor.receive::<String>(), Err(Error::Forged)));
    }

    #[test]
    fn a_length_beyond_reason_is_forged_not_allocated() {
        let (mut supervisor, _) = tapes();
        supervisor.stream.input = [0xff; 64].into();
        assert!(matches!(supervisor.receive::<String>(), Err(Error::Forged)));
    }
}
