//! What a region's committed log makes of its data: the key-value store as everybody would write it if there were only one
//! copy and no crash.

use std::collections::BTreeMap;

use bytes::Bytes;
use harness::rng::fold_bytes;
use kv::engine::Cf;
use proto::metapb::Region;
use proto::raft_cmdpb::{AdminCmdType, CmdType, RaftCmdRequest, Request};
use raft::Index;

use super::history::DataKey;

/// Sum of the digests of all pairs: equal sums mean equal data, in whatever order it was written.
pub type Digest = u128;

/// Digest of one pair.
pub fn pair_digest(key: &DataKey, value: &[u8]) -> Digest {
    let half = |seed: u64| {
        let digest = fold_bytes(seed ^ key.cf as u64, &key.key);
        harness::rng::mix(fold_bytes(digest, value))
    };
    u128::from(half(0x6a09_e667_f3bc_c908)) << 64 | u128::from(half(0xbb67_ae85_84ca_a73b))
}

/// The data of one region, with all its past.
#[derive(Debug, Default)]
pub struct Model {
    /// Each value that a key ever had, and since which index.
    versions: BTreeMap<DataKey, Vec<(Index, Option<Bytes>)>>,
    digest: Digest,
}

impl Model {
    /// Digest of the data as of now.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The value of `key` as of `index`.
    pub fn at(&self, key: &DataKey, index: Index) -> Option<&Bytes> {
        let versions = self.versions.get(key)?;
        let count = versions.partition_point(|&(since, _)| since <= index);
        versions[..count].last()?.1.as_ref()
    }

    /// Does what the entry at `index` says. Returns whether the command has a right to take effect, which is so if the region is
    /// still the one that its sender meant, and holds all its keys.
    pub fn apply(&mut self, index: Index, request: &RaftCmdRequest, region: &Region) -> bool {
        if !is_current(request, region) || !request.requests.iter().all(|request| is_within(request, region))
        {
            return false;
        }
        for request in &request.requests {
            self.execute(index, request, region);
        }
        true
    }

    fn execute(&mut self, index: Index, request: &Request, region: &Region) {
        if let Some(put) = &request.put
            && let Some(key) = data_key(&put.cf, &put.key)
        {
            self.set(index, key, Some(put.value.clone()));
        } else if let Some(delete) = &request.delete
            && let Some(key) = data_key(&delete.cf, &delete.key)
        {
            self.set(index, key, None);
        } else if let Some(range) = &request.delete_range
            && let Some(first) = data_key(&range.cf, &range.start_key)
        {
            let end = if range.end_key.is_empty() { &region.end_key } else { &range.end_key };
            let is_before_end = |key: &DataKey| key.cf == first.cf && (end.is_empty() || key.key < *end);
            let keys: Vec<DataKey> = self
                .versions
                .range(first.clone()..)
                .map(|(key, _)| key.clone())
                .take_while(is_before_end)
                .collect();
            keys.into_iter().for_each(|key| self.set(index, key, None));
        }
    }

    fn set(&mut self, index: Index, key: DataKey, value: Option<Bytes>) {
        let old = self.versions.get(&key).and_then(|versions| versions.last()?.1.clone());
        if let Some(old) = old {
            self.digest = self.digest.wrapping_sub(pair_digest(&key, &old));
        } else if value.is_none() {
            return;
        }
        if let Some(value) = &value {
            self.digest = self.digest.wrapping_add(pair_digest(&key, value));
        }
        self.versions.entry(key).or_default().push((index, value));
    }
}

/// Key of the data that a request means; `None` for a family that clients may not name.
pub fn data_key(cf: &str, key: &Bytes) -> Option<DataKey> {
    Some(DataKey { cf: Cf::of_client(cf)?, key: key.clone() })
}

/// Whether `request` was meant for the region as it is; see the table of epochs in the handout.
fn is_current(request: &RaftCmdRequest, region: &Region) -> bool {
    let (version, conf_ver) = match request.admin_request.as_ref().map(|admin| admin.cmd_type()) {
        None => (true, false),
        Some(AdminCmdType::InvalidAdmin | AdminCmdType::CompactLog) => (false, false),
        Some(AdminCmdType::ChangePeer) => (false, true),
        Some(AdminCmdType::Split | AdminCmdType::TransferLeader) => (true, true),
    };
    let meant = request.header.as_ref().and_then(|header| header.region_epoch).unwrap_or_default();
    let now = region.region_epoch.unwrap_or_default();
    (!version || meant.version == now.version) && (!conf_ver || meant.conf_ver == now.conf_ver)
}

fn is_within(request: &Request, region: &Region) -> bool {
    let is_before_end = |key: &Bytes| region.end_key.is_empty() || *key < region.end_key;
    let holds = |key: &Bytes| *key >= region.start_key && is_before_end(key);
    match request.cmd_type() {
        CmdType::Put => request.put.as_ref().is_none_or(|put| holds(&put.key)),
        CmdType::Delete => request.delete.as_ref().is_none_or(|delete| holds(&delete.key)),
        CmdType::Get => request.get.as_ref().is_none_or(|get| holds(&get.key)),
        CmdType::DeleteRange => request.delete_range.as_ref().is_none_or(|range| {
            let end = &range.end_key;
            let ends_within = is_before_end(end) || *end == region.end_key;
            holds(&range.start_key) && (end.is_empty() || (*end >= region.start_key && ends_within))
        }),
        CmdType::Snap | CmdType::Invalid => true,
    }
}
