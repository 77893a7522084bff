//! What the disk can do, and what it did.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long the disk is tried.
const TRIAL: Duration = Duration::from_millis(500);
/// Length of a write: about that of a log entry with a value of 128 bytes.
const WRITE: [u8; 256] = [0x5a; 256];

/// How many small appends to a file can be made durable in a second, one after the other.
pub fn raw_syncs_per_second(directory: &Path) -> Result<f64> {
    let path = directory.join("trial");
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let (begun, mut syncs) = (Instant::now(), 0_u32);
    while begun.elapsed() < TRIAL {
        file.write_all(&WRITE)?;
        file.sync_data()?;
        syncs += 1;
    }
    let rate = f64::from(syncs) / begun.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(rate)
}

/// Flushes that the disk under `directory` has done so far, if it counts them.
///
/// In `/proc/diskstats`, the 16th figure behind the name counts flushes, for whole disks only: partitions are looked up by
/// their disk.
pub fn flushes(directory: &Path) -> Option<u64> {
    let device = fs::metadata(directory).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let node = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let disk = if node.join("partition").exists() { node.parent()? } else { &node };
    let name = disk.file_name()?.to_str()?;
    let table = fs::read_to_string("/proc/diskstats").ok()?;
    let line = table.lines().find(|line| line.split_whitespace().nth(2) == Some(name))?;
    let flushes = line.split_whitespace().nth(3 + 15)?.parse().ok()?;
    (flushes > 0).then_some(flushes)
}
