//! `tinykv-ctl`: use a cluster by hand, and look into the directory of a stopped store.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, Subcommand};
use server::client::{Client, Options};
use server::inspect::inspect;

/// Uses a cluster by hand, and looks into stopped stores. Keys and values are text; `\xff` stands for a byte.
#[derive(Parser)]
#[command(name = "tinykv-ctl", version)]
struct Flags {
    /// Address of the scheduler
    #[arg(long, env = "TINYKV_SCHEDULER", default_value = "127.0.0.1:2379", global = true)]
    scheduler: String,
    /// Column family: default, lock or write
    #[arg(long, default_value = "default", global = true)]
    cf: String,
    /// Longest time for one operation, in seconds
    #[arg(long, default_value_t = 15, global = true)]
    timeout: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the value of a key; exit status 1 if there is none
    Get {
        /// Its name
        key: String,
    },
    /// Set a key
    Put {
        /// Its name
        key: String,
        /// Its value
        value: String,
    },
    /// Remove a key, if it is there
    Delete {
        /// Its name
        key: String,
    },
    /// Set a key if it has the value that is expected; exit status 1 if not
    Cas {
        /// Its name
        key: String,
        /// Its new value
        value: String,
        /// The value that is expected; without this: none
        #[arg(long)]
        expect: Option<String>,
    },
    /// Print the pairs of a range in order, a line each
    Scan {
        /// First key
        #[arg(default_value = "")]
        start: String,
        /// Key behind the last; empty: to the end
        #[arg(default_value = "")]
        end: String,
        /// Most pairs
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_240))]
        limit: u32,
    },
    /// Print the stores of the cluster
    Stores,
    /// Print the region that holds a key, and its leader
    Region {
        /// The key
        #[arg(default_value = "")]
        key: String,
    },
    /// Describe the directory of a stopped store: regions, Raft logs, data, snapshots
    Inspect {
        /// The directory
        path: PathBuf,
        /// Entries to list of each Raft log, from its end
        #[arg(long, default_value_t = 10)]
        entries: u64,
    },
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(flags)));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tinykv-ctl: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(flags: Flags) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if let Command::Inspect { path, entries } = &flags.command {
        out.write_all(inspect(path, *entries)?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options { timeout: Duration::from_secs(flags.timeout), ..Options::default() };
    let mut client = Client::connect(&flags.scheduler, options).await?;
    let cf = flags.cf.as_str();
    match flags.command {
        Command::Get { key } => match client.get(cf, &bytes(&key)?).await? {
            Some(value) => writeln!(out, "{}", value.escape_ascii())?,
            None => {
                eprintln!("there is no key {key:?}");
                return Ok(ExitCode::FAILURE);
            }
        },
        Command::Put { key, value } => client.put(cf, &bytes(&key)?, &bytes(&value)?).await?,
        Command::Delete { key } => client.delete(cf, &bytes(&key)?).await?,
        Command::Cas { key, value, expect } => {
            let expected = expect.as_deref().map(bytes).transpose()?;
            let (done, found) =
                client.compare_and_swap(cf, &bytes(&key)?, expected.as_deref(), &bytes(&value)?).await?;
            if !done {
                let found = found.map_or("no value".to_owned(), |value| value.escape_ascii().to_string());
                eprintln!("not changed: it has {found}");
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Scan { start, end, limit } => {
            for (key, value) in client.scan(cf, &bytes(&start)?, &bytes(&end)?, limit).await? {
                writeln!(out, "{}\t{}", key.escape_ascii(), value.escape_ascii())?;
            }
        }
        Command::Stores => print_stores(&mut client, &mut out).await?,
        Command::Region { key } => print_region(&mut client, &mut out, &bytes(&key)?).await?,
        Command::Inspect { .. } => bail!("inspect needs no cluster"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn print_stores(client: &mut Client, out: &mut impl Write) -> Result<()> {
    for store in client.pd().stores().await? {
        let page = if store.status_address.is_empty() { "none" } else { &store.status_address };
        writeln!(out, "store {}   {}   status page {page}   {:?}", store.id, store.address, store.state())?;
    }
    Ok(())
}

async fn print_region(client: &mut Client, out: &mut impl Write, key: &[u8]) -> Result<()> {
    let info = client.pd().region_at(key).await?;
    let (region, epoch) = (&info.region, info.region.region_epoch.unwrap_or_default());
    writeln!(
        out,
        "region {}   \"{}\" .. \"{}\"   epoch {}.{}",
        region.id,
        region.start_key.escape_ascii(),
        region.end_key.escape_ascii(),
        epoch.version,
        epoch.conf_ver
    )?;
    for peer in &region.peers {
        let role = if info.leader.as_ref() == Some(peer) { "   leader" } else { "" };
        writeln!(out, "  peer {} on store {}{role}", peer.id, peer.store_id)?;
    }
    Ok(())
}

/// The bytes that `text` means: `\xff`, `\n`, `\\` and the like stand for one byte each.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some(c @ ('\\' | '\'' | '"')) => c as u8,
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2).with_context(|| {
                    format!("\\x{digits} in {text:?} is no byte: write two hexadecimal digits")
                })?
            }
            other => return Err(anyhow!("\\{} in {text:?} means nothing", other.unwrap_or(' '))),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn escapes_are_bytes_and_back() {
        assert_eq!(bytes("a\\xff\\n\\\\é").unwrap(), b"a\xff\n\\\xc3\xa9");
        for every in 0..=255u8 {
            assert_eq!(bytes(&[every].escape_ascii().to_string()).unwrap(), [every]);
        }
        for wrong in ["\\x1", "\\xzz", "\\q", "\\"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
