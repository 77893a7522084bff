//! Compiles `proto/*.proto` with protox, so that no system `protoc` is needed.

use std::error::Error;

const FILES: [&str; 8] =
    ["eraftpb", "metapb", "errorpb", "kvrpcpb", "raft_cmdpb", "raft_serverpb", "pdpb", "tikvpb"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES.map(|name| format!("proto/{name}.proto")), ["proto"])?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    // Repeated messages keep prost from deriving these, and the model checker hashes whole Raft messages.
    config.type_attribute("eraftpb.Message", "#[derive(Eq, Hash)]");
    config.compile_fds(descriptors)?;
    Ok(())
}
