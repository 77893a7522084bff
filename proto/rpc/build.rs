//! Compiles the services of `../proto/*.proto`. Their messages are those of the package `tinykv-proto`: none is generated twice.

use std::error::Error;

/// Packages whose messages `tinykv-proto` has.
const PACKAGES: [&str; 7] =
    ["eraftpb", "metapb", "errorpb", "kvrpcpb", "raft_cmdpb", "raft_serverpb", "pdpb"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../proto");
    let descriptors = protox::compile(["tikvpb.proto", "pdpb.proto"], ["../proto"])?;
    let config = tonic_prost_build::configure().emit_rerun_if_changed(false);
    let config = PACKAGES.iter().fold(config, |config, package| {
        config.extern_path(format!(".{package}"), format!("::proto::{package}"))
    });
    config.compile_fds(descriptors)?;
    Ok(())
}
