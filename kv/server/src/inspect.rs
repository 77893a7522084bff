//! A stopped store's directory, in words: identity, regions, Raft logs, data, snapshot files.

use std::fmt::{self, Write};
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use kv::engine::{Cf, Engine, FjallEngine, Read};
use kv::raftstore::meta::{keys, states};
use prost::Message;
use proto::eraftpb::{ConfChange, Entry, EntryType};
use proto::metapb::Region;
use proto::raft_cmdpb::{AdminCmdType, CmdType, RaftCmdRequest, Request};
use proto::raft_serverpb::RegionLocalState;

use crate::backend::KV_DIR;
use crate::node::{RAFT_DIR, SNAP_DIR};

/// Describes the store in `path`. Of each log, the last `entries` are listed. Changes nothing.
///
/// # Errors
/// A directory that is no store's, is in use, or is corrupt: the message says where.
pub fn inspect(path: &Path, entries: u64) -> Result<String> {
    let (raft_path, kv_path) = (path.join(RAFT_DIR), path.join(KV_DIR));
    if !kv_path.is_dir() {
        bail!("{} holds no store: there is no {KV_DIR} in it", path.display());
    }
    let kv = open(&kv_path, &Cf::ALL)?;
    let mut text = String::new();
    if !raft_path.is_dir() {
        writeln!(text, "standalone store, without Raft")?;
        write_data(&mut text, &*kv, &Region::default())?;
        return Ok(text);
    }
    let raft = open(&raft_path, &[Cf::Raft])?;
    write_identity(&mut text, &*raft, &*kv)?;
    let regions = states::load_region_states(&*kv)?;
    if regions.is_empty() {
        writeln!(text, "\nno regions")?;
    }
    let own = states::load_store_ident(&*raft)?.map_or(0, |ident| ident.store_id);
    for state in &regions {
        write_region(&mut text, &*raft, &*kv, state, own, entries)?;
    }
    write_snapshots(&mut text, &path.join(SNAP_DIR))?;
    Ok(text)
}

fn open(path: &Path, cfs: &[Cf]) -> Result<Arc<dyn Engine>> {
    let engine = FjallEngine::open(path, cfs).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Arc::new(engine))
}

fn write_identity(text: &mut String, raft: &dyn Read, kv: &dyn Read) -> Result<()> {
    for (name, db) in [("raftdb", raft), ("kvdb", kv)] {
        let format =
            states::load_format_version(db)?.map_or("none".to_owned(), |version| version.to_string());
        match states::load_store_ident(db)? {
            Some(ident) => writeln!(
                text,
                "{name:<10} store {} of cluster {}, format {format}",
                ident.store_id, ident.cluster_id
            )?,
            None => writeln!(text, "{name:<10} no identity: the store has never been started to its end")?,
        }
    }
    if let Some(region) = states::load_prepare_bootstrap(kv)? {
        writeln!(text, "bootstrap  stopped halfway: region {} is written, but not confirmed", region.id)?;
    }
    Ok(())
}

fn write_region(
    text: &mut String,
    raft: &dyn Read,
    kv: &dyn Read,
    state: &RegionLocalState,
    own: u64,
    entries: u64,
) -> Result<()> {
    let region = state.region.clone().unwrap_or_default();
    let epoch = region.region_epoch.unwrap_or_default();
    writeln!(
        text,
        "\nregion {}   {}   epoch {}.{}",
        region.id,
        range(&region),
        epoch.version,
        epoch.conf_ver
    )?;
    let peers = region.peers.iter().map(|peer| {
        format!("{} on store {}{}", peer.id, peer.store_id, if peer.store_id == own { " (here)" } else { "" })
    });
    writeln!(text, "  peers      {}", peers.collect::<Vec<_>>().join(", "))?;
    writeln!(text, "  state      {:?}", state.state())?;
    if let Some(waiting) = states::load_snapshot_raft_state(kv, region.id)? {
        writeln!(text, "  snapshot   being installed, up to entry {}", waiting.last_index)?;
    }
    let raft_state = states::load_raft_state(raft, region.id)?.unwrap_or_default();
    let hard = raft_state.hard_state.unwrap_or_default();
    writeln!(text, "  raft       term {}, voted for {}, committed {}", hard.term, hard.vote, hard.commit)?;
    let apply_state = states::load_apply_state(kv, region.id)?.unwrap_or_default();
    let truncated = apply_state.truncated_state.unwrap_or_default();
    writeln!(
        text,
        "  applied    {}, log truncated up to {} (of term {})",
        apply_state.applied_index, truncated.index, truncated.term
    )?;
    write_log(text, raft, region.id, truncated.index + 1, raft_state.last_index, entries)?;
    write_data(text, kv, &region)
}

/// The log from `first` to `last`: its size, whether it is whole, and its end in words.
fn write_log(
    text: &mut String,
    raft: &dyn Read,
    region_id: u64,
    first: u64,
    last: u64,
    entries: u64,
) -> Result<()> {
    if last < first {
        writeln!(text, "  log        empty, next entry {first}")?;
        return Ok(());
    }
    let mut bytes = 0;
    let mut shown = String::new();
    for index in first..=last {
        let key = keys::raft_log_key(region_id, index);
        let Some(value) = raft.get(Cf::Raft, &key)? else {
            writeln!(text, "  log        BROKEN: entry {index} of {first}..={last} is missing")?;
            return Ok(());
        };
        bytes += value.len() as u64;
        let entry = match states::decode_entry(region_id, index, value) {
            Ok(entry) => entry,
            Err(error) => {
                writeln!(text, "  log        BROKEN: {error}")?;
                return Ok(());
            }
        };
        if index + entries > last {
            writeln!(shown, "    {index:>8}  term {:<4} {}", entry.term, describe(&entry))?;
        }
    }
    writeln!(text, "  log        {first}..={last}: {} entries, {}", last + 1 - first, size(bytes))?;
    text.push_str(&shown);
    Ok(())
}

/// An entry in words.
fn describe(entry: &Entry) -> String {
    if entry.entry_type() != EntryType::EntryNormal {
        return match ConfChange::decode(&entry.data[..]) {
            Ok(change) => format!("{:?} node {}", change.change_type(), change.node_id),
            Err(_) => "a membership change that cannot be read".to_owned(),
        };
    }
    if entry.data.is_empty() {
        return "empty: a leader began its term".to_owned();
    }
    let Ok(command) = RaftCmdRequest::decode(&entry.data[..]) else {
        return format!("{} that are no command", size(entry.data.len() as u64));
    };
    if let Some(admin) = &command.admin_request {
        return match &admin.compact_log {
            Some(compact) if admin.cmd_type() == AdminCmdType::CompactLog => {
                format!("compact the log up to {}", compact.compact_index)
            }
            _ => format!("{:?}", admin.cmd_type()),
        };
    }
    command.requests.iter().map(describe_request).collect::<Vec<_>>().join("; ")
}

fn describe_request(request: &Request) -> String {
    match request.cmd_type() {
        CmdType::Put => request.put.as_ref().map_or_else(String::new, |put| {
            format!("put {} {} = {}", family(&put.cf), key(&put.key), key(&put.value))
        }),
        CmdType::Delete => request
            .delete
            .as_ref()
            .map_or_else(String::new, |delete| format!("delete {} {}", family(&delete.cf), key(&delete.key))),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn family(cf: &str) -> &str {
    if cf.is_empty() { "default" } else { cf }
}

fn write_data(text: &mut String, kv: &dyn Read, region: &Region) -> Result<()> {
    let upper =
        if region.end_key.is_empty() { Bound::Unbounded } else { Bound::Excluded(&region.end_key[..]) };
    let mut parts = Vec::new();
    for cf in Cf::DATA {
        let (mut count, mut bytes) = (0u64, 0u64);
        for pair in kv.range(cf, Bound::Included(&region.start_key[..]), upper)? {
            let (key, value) = pair?;
            count += 1;
            bytes += (key.len() + value.len()) as u64;
        }
        parts.push(format!("{} {count} keys ({})", cf.name(), size(bytes)));
    }
    writeln!(text, "  data       {}", parts.join(", "))?;
    Ok(())
}

fn write_snapshots(text: &mut String, path: &Path) -> Result<()> {
    writeln!(text)?;
    let files =
        fs::read_dir(path).map(|files| files.filter_map(Result::ok).collect::<Vec<_>>()).unwrap_or_default();
    if files.is_empty() {
        writeln!(text, "snapshots  none")?;
    }
    for file in files {
        let bytes = file.metadata().map_or(0, |meta| meta.len());
        writeln!(text, "snapshots  {} ({})", file.file_name().to_string_lossy(), size(bytes))?;
    }
    Ok(())
}

fn range(region: &Region) -> String {
    let end = if region.end_key.is_empty() { "end".to_owned() } else { key(&region.end_key).to_string() };
    let start =
        if region.start_key.is_empty() { "start".to_owned() } else { key(&region.start_key).to_string() };
    format!("{start} .. {end}")
}

/// Bytes as a person can read them; long ones are cut.
pub(crate) fn key(bytes: &[u8]) -> impl fmt::Display {
    const SHOWN: usize = 48;
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    if bytes.len() > SHOWN { format!("\"{text}…\" ({} bytes)", bytes.len()) } else { format!("\"{text}\"") }
}

/// A number of bytes as a person can read it.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}
