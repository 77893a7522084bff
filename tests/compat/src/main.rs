//! Drives a cluster with the published `tikv-client`: raw put, get, batches, scan, delete and compare-and-swap.
//!
//! The address of the scheduler is in TINYKV_SCHEDULER. Exit status 0 only if every answer was right.

use std::error::Error;

use tikv_client::{ColumnFamily, RawClient};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let scheduler = std::env::var("TINYKV_SCHEDULER").map_err(|_| "TINYKV_SCHEDULER is not set")?;
    let client = RawClient::new(vec![scheduler]).await?;
    single_keys(&client).await?;
    batches(&client).await?;
    scans(&client).await?;
    families(&client).await?;
    swaps(&client).await?;
    println!("tikv-client 0.4 (Rust): all answers right");
    Ok(())
}

/// Fails with what was found, unless it is what was wanted.
fn check<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<()> {
    if found == wanted {
        println!("  {what}");
        return Ok(());
    }
    Err(format!("{what}: {found:?}, and should be {wanted:?}").into())
}

async fn single_keys(client: &RawClient) -> Result<()> {
    client.put("rust-one".to_owned(), "1").await?;
    check("put, get", client.get("rust-one".to_owned()).await?, Some(b"1".to_vec()))?;
    client.put("rust-one".to_owned(), "2").await?;
    check("overwrite", client.get("rust-one".to_owned()).await?, Some(b"2".to_vec()))?;
    client.delete("rust-one".to_owned()).await?;
    check("delete", client.get("rust-one".to_owned()).await?, None)
}

async fn batches(client: &RawClient) -> Result<()> {
    let pairs: Vec<_> = (0..50).map(|n| (format!("rust-batch-{n:02}"), format!("v{n}"))).collect();
    client.batch_put(pairs.clone()).await?;
    let keys: Vec<String> = pairs.iter().map(|(key, _)| key.clone()).collect();
    check("batch_put, batch_get", client.batch_get(keys.clone()).await?.len(), 50)?;
    client.batch_delete(keys[..10].to_vec()).await?;
    check("batch_delete", client.batch_get(keys.clone()).await?.len(), 40)?;
    client.delete_range("rust-batch-10".to_owned().."rust-batch-20".to_owned()).await?;
    check("delete_range", client.batch_get(keys).await?.len(), 30)
}

/// The limit equals the number of keys: tikv-client 0.4 runs around the key space otherwise when it meets the last region.
async fn scans(client: &RawClient) -> Result<()> {
    let range = "rust-batch-20".to_owned().."rust-batch-30".to_owned();
    let found = client.scan(range.clone(), 10).await?;
    let keys: Vec<String> = found
        .into_iter()
        .map(|pair| String::from_utf8_lossy(&Vec::from(pair.into_key())).into_owned())
        .collect();
    let wanted: Vec<String> = (20..30).map(|n| format!("rust-batch-{n}")).collect();
    check("scan", keys, wanted.clone())?;
    let found = client.scan_keys(range.clone(), 10).await?;
    check("scan_keys", found.len(), 10)?;
    let found = client.scan_reverse(range, 10).await?;
    let keys: Vec<String> = found
        .into_iter()
        .map(|pair| String::from_utf8_lossy(&Vec::from(pair.into_key())).into_owned())
        .collect();
    check("scan_reverse", keys, wanted.into_iter().rev().collect())
}

async fn families(client: &RawClient) -> Result<()> {
    for family in [ColumnFamily::Default, ColumnFamily::Lock, ColumnFamily::Write] {
        client.with_cf(family.clone()).put("rust-cf".to_owned(), format!("{family:?}")).await?;
    }
    for family in [ColumnFamily::Default, ColumnFamily::Lock, ColumnFamily::Write] {
        let found = client.with_cf(family.clone()).get("rust-cf".to_owned()).await?;
        check(&format!("column family {family:?}"), found, Some(format!("{family:?}").into_bytes()))?;
    }
    Ok(())
}

async fn swaps(client: &RawClient) -> Result<()> {
    let client = client.with_atomic_for_cas();
    let key = || "rust-cas".to_owned();
    let swap = client.compare_and_swap(key(), None, b"1".to_vec()).await?;
    check("compare_and_swap of nothing", swap, (None, true))?;
    let swap = client.compare_and_swap(key(), None, b"2".to_vec()).await?;
    check("compare_and_swap that fails", swap, (Some(b"1".to_vec()), false))?;
    let swap = client.compare_and_swap(key(), Some(b"1".to_vec()), b"2".to_vec()).await?;
    check("compare_and_swap of a value", swap, (Some(b"1".to_vec()), true))?;
    check("its result", client.get(key()).await?, Some(b"2".to_vec()))
}
