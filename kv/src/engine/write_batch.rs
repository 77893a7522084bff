//! Changes that take effect together.

use bytes::Bytes;
use prost::Message;

use super::{Cf, Result, check_key};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets a key.
    Put {
        /// Where.
        cf: Cf,
        /// Key.
        key: Bytes,
        /// Value.
        value: Bytes,
    },
    /// Removes a key, if it is there.
    Delete {
        /// Where.
        cf: Cf,
        /// Key.
        key: Bytes,
    },
}

/// Changes that an engine makes all at once or not at all. The last change of a key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    ops: Vec<Op>,
    bytes: usize,
}

impl WriteBatch {
    /// An empty batch.
    pub fn new() -> WriteBatch {
        WriteBatch::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, cf: Cf, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += key.len() + value.len();
        self.ops.push(Op::Put { cf, key, value });
    }

    /// Sets `key` to an encoded message.
    pub fn put_msg(&mut self, cf: Cf, key: impl Into<Bytes>, message: &impl Message) {
        self.put(cf, key, message.encode_to_vec());
    }

    /// Removes `key`.
    pub fn delete(&mut self, cf: Cf, key: impl Into<Bytes>) {
        let key = key.into();
        self.bytes += key.len();
        self.ops.push(Op::Delete { cf, key });
    }

    /// Adds all changes of `other` behind its own.
    pub fn append(&mut self, other: WriteBatch) {
        self.bytes += other.bytes;
        self.ops.extend(other.ops);
    }

    /// The changes, in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The changes, in order.
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// Checks the keys of all changes: what every engine does before it writes anything.
    ///
    /// # Errors
    /// [`super::Error::InvalidKey`].
    pub fn check_keys(&self) -> Result<()> {
        self.ops.iter().try_for_each(|op| match op {
            Op::Put { key, .. } | Op::Delete { key, .. } => check_key(key),
        })
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Length of all keys and values, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets all changes, and keeps the memory.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.bytes = 0;
    }
}
