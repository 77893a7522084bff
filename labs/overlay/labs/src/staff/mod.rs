//! Commands of the reference tree. A student tree has none of them.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Subcommand;

/// Nothing here.
#[derive(Subcommand)]
pub enum Staff {}

/// Never called.
pub fn run(_: &Path, _: Staff) -> Result<u8> {
    bail!("this is a student tree")
}
