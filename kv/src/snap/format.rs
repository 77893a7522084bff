//! The format of a snapshot file.
//!
//! ```text
//! header   "TinyKVs1", region, term, index (u64 each), CRC32 of these
//! block    kind (u8), length (u32), CRC32 of kind, length and contents (u32), contents
//! block    …
//! end      a block of kind 255; contents: `SnapshotMeta`
//! ```
//!
//! A block of kind *i* holds pairs of the *i*-th data column family, each as key length, value length (u32 each), key, value. The
//! families follow each other in order, and so do the keys of each. Numbers are big-endian. A block is as long as a chunk that can
//! be handled in memory, and has a checksum of its own: nothing of it is used before all of it is known to be right.
//! `SnapshotMeta` has for each family the length and the CRC32 of the contents of all its blocks. Nothing follows the end.

use std::io::{self, Read};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use proto::raft_serverpb::{SnapshotCfFile, SnapshotMeta};

use super::files::SnapFile;
use super::{Error, Result, SnapKey};
use crate::engine::Cf;

const MAGIC: &[u8; 8] = b"TinyKVs1";
const HEADER_BYTES: usize = 8 + 3 * 8 + 4;
const BLOCK_HEADER_BYTES: usize = 1 + 4 + 4;
const END: u8 = u8::MAX;

/// A block is closed once it is so long; the last pair may make it longer.
const BLOCK_BYTES: usize = 64 << 10;

/// Writes a file, block by block.
pub(super) struct FileWriter {
    file: Box<dyn SnapFile>,
    name: String,
    totals: Totals,
    block: BytesMut,
    cf: usize,
    bytes: u64,
}

impl FileWriter {
    /// Begins a file.
    pub(super) fn new(file: Box<dyn SnapFile>, name: &str, key: &SnapKey) -> Result<FileWriter> {
        let mut writer = FileWriter {
            file,
            name: name.to_owned(),
            totals: Totals::default(),
            block: BytesMut::new(),
            cf: 0,
            bytes: 0,
        };
        let header = encode_header(key);
        writer.append(&header)?;
        Ok(writer)
    }

    /// Adds a pair. Families come in the order of [`Cf::DATA`].
    pub(super) fn put(&mut self, cf: Cf, key: &[u8], value: &[u8]) -> Result<()> {
        let cf = Cf::DATA.iter().position(|data| *data == cf).expect("a snapshot holds data families only");
        assert!(cf >= self.cf, "families in order");
        if cf != self.cf {
            self.flush()?;
            self.cf = cf;
        }
        self.block.put_u32(length(key));
        self.block.put_u32(length(value));
        self.block.put_slice(key);
        self.block.put_slice(value);
        if self.block.len() >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the file, and makes it safe. Returns what is in it, and its length.
    pub(super) fn finish(mut self) -> Result<(SnapshotMeta, u64)> {
        self.flush()?;
        let meta = self.totals.meta();
        self.write_block(END, &meta.encode_to_vec())?;
        self.file.sync().map_err(Error::io(&self.name))?;
        Ok((meta, self.bytes))
    }

    fn flush(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let contents = self.block.split();
        self.totals.add(self.cf, &contents);
        self.write_block(self.cf as u8, &contents)
    }

    fn write_block(&mut self, kind: u8, contents: &[u8]) -> Result<()> {
        let mut header = BytesMut::with_capacity(BLOCK_HEADER_BYTES);
        header.put_u8(kind);
        header.put_u32(length(contents));
        header.put_u32(block_crc(kind, contents));
        self.append(&header)?;
        self.append(contents)
    }

    fn append(&mut self, data: &[u8]) -> Result<()> {
        self.bytes += data.len() as u64;
        self.file.append(data).map_err(Error::io(&self.name))
    }
}

/// Pairs of one column family.
#[derive(Debug)]
pub struct Block {
    /// Which family.
    pub cf: Cf,
    /// Its pairs, in the order of their keys.
    pub pairs: Vec<(Bytes, Bytes)>,
}

/// Reads a file, block by block, and finds out if it is not exactly what was written.
pub struct SnapReader {
    file: Box<dyn Read + Send>,
    name: String,
    totals: Totals,
    cf: usize,
    meta: Option<SnapshotMeta>,
}

impl SnapReader {
    /// Reads the header, which must be that of `key`.
    pub(super) fn new(file: Box<dyn Read + Send>, name: &str, key: &SnapKey) -> Result<SnapReader> {
        let mut reader =
            SnapReader { file, name: name.to_owned(), totals: Totals::default(), cf: 0, meta: None };
        let header = reader.take(HEADER_BYTES)?;
        if header != encode_header(key) {
            return Err(reader.corrupt(format!("it does not begin as a snapshot of {key} does")));
        }
        Ok(reader)
    }

    /// The next block; `None` at the end, and only if the file was whole.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        if self.meta.is_some() {
            return Ok(None);
        }
        let (kind, contents) = self.read_block()?;
        if kind == END {
            self.meta = Some(self.check_end(contents)?);
            return Ok(None);
        }
        let cf = usize::from(kind);
        if cf < self.cf || cf >= Cf::DATA.len() {
            return Err(self.corrupt(format!("a block of kind {kind} stands where none may")));
        }
        self.cf = cf;
        self.totals.add(cf, &contents);
        let pairs = decode_pairs(contents).ok_or_else(|| self.corrupt("a pair is cut"))?;
        Ok(Some(Block { cf: Cf::DATA[cf], pairs }))
    }

    /// Reads the file to its end, and returns what is in it.
    pub(super) fn verify(mut self) -> Result<SnapshotMeta> {
        while self.next_block()?.is_some() {}
        Ok(self.meta.expect("the end was reached"))
    }

    fn read_block(&mut self) -> Result<(u8, Bytes)> {
        let mut header = self.take(BLOCK_HEADER_BYTES)?;
        let (kind, bytes, crc) = (header.get_u8(), header.get_u32(), header.get_u32());
        let contents = self.take(bytes as usize)?;
        if block_crc(kind, &contents) != crc {
            return Err(self.corrupt("the checksum of a block does not match"));
        }
        Ok((kind, contents))
    }

    fn check_end(&mut self, contents: Bytes) -> Result<SnapshotMeta> {
        let meta = SnapshotMeta::decode(contents).map_err(|error| self.corrupt(error.to_string()))?;
        if meta != self.totals.meta() {
            return Err(self.corrupt("the end does not describe what stands before it"));
        }
        let read = self.file.read(&mut [0]).map_err(Error::io(&self.name))?;
        if read > 0 {
            return Err(self.corrupt("something follows its end"));
        }
        Ok(meta)
    }

    /// Exactly `bytes` bytes. Takes memory only for those that are there, as a length may be wrong.
    fn take(&mut self, bytes: usize) -> Result<Bytes> {
        let mut taken = Vec::new();
        let read = (&mut self.file).take(bytes as u64).read_to_end(&mut taken);
        match read {
            Ok(read) if read == bytes => Ok(taken.into()),
            Ok(_) => Err(self.corrupt("it ends too early")),
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.corrupt("it ends too early"))
            }
            Err(source) => Err(Error::io(&self.name)(source)),
        }
    }

    fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(&self.name, what)
    }
}

/// Length and checksum of what each family holds.
#[derive(Default)]
struct Totals([(u64, crc32fast::Hasher); Cf::DATA.len()]);

impl Totals {
    fn add(&mut self, cf: usize, contents: &[u8]) {
        let (bytes, hasher) = &mut self.0[cf];
        *bytes += contents.len() as u64;
        hasher.update(contents);
    }

    fn meta(&self) -> SnapshotMeta {
        let file = |(cf, (size, hasher)): (&Cf, &(u64, crc32fast::Hasher))| SnapshotCfFile {
            cf: cf.name().to_owned(),
            size: *size,
            checksum: hasher.clone().finalize(),
        };
        SnapshotMeta { cf_files: Cf::DATA.iter().zip(&self.0).map(file).collect() }
    }
}

fn encode_header(key: &SnapKey) -> Bytes {
    let mut header = BytesMut::with_capacity(HEADER_BYTES);
    header.put_slice(MAGIC);
    header.put_u64(key.region_id);
    header.put_u64(key.term);
    header.put_u64(key.index);
    header.put_u32(crc32fast::hash(&header));
    header.freeze()
}

fn block_crc(kind: u8, contents: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&length(contents).to_be_bytes());
    hasher.update(contents);
    hasher.finalize()
}

fn decode_pairs(mut contents: Bytes) -> Option<Vec<(Bytes, Bytes)>> {
    let mut pairs = Vec::new();
    while contents.has_remaining() {
        let (key, value) = (contents.try_get_u32().ok()?, contents.try_get_u32().ok()?);
        let mut take = |bytes: u32| {
            let bytes = bytes as usize;
            (bytes <= contents.len()).then(|| contents.split_to(bytes))
        };
        pairs.push((take(key)?, take(value)?));
    }
    Some(pairs)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("keys, values and blocks are shorter than 4 GiB")
}
