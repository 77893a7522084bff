//! Wire and disk messages, one module for each protobuf package.
//!
//! | module | what travels in it |
//! |---|---|
//! | [`eraftpb`] | messages between Raft peers, log entries, hard state, snapshots |
//! | [`metapb`] | stores, regions, peers |
//! | [`raft_serverpb`] | what a store keeps on disk, and the envelope around a Raft message |
//! | [`raft_cmdpb`] | commands inside the Raft log |
//! | [`errorpb`] | region errors |
//! | [`kvrpcpb`] | the client's requests and answers |
//! | [`pdpb`] | requests to the scheduler |
//!
//! Every name and number is the one that kvproto and raft-rs use, so that the official clients understand us; what we
//! do not need is not declared. The handouts' word *schedulerpb* is an alias of [`pdpb`]. The gRPC services of `tikvpb.proto`
//! and `pdpb.proto` are checked at build time; code for them belongs to the server, so that the Raft part of the course
//! never compiles a gRPC stack.

/// Declares one module per protobuf package, filled with the code that `build.rs` generated.
macro_rules! packages {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[allow(missing_docs, clippy::all, clippy::too_many_lines)]
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    )*};
}

packages! {
    /// Messages between Raft peers, log entries, hard state, snapshots.
    eraftpb,
    /// Stores, regions, peers.
    metapb,
    /// Region errors.
    errorpb,
    /// The client's requests and answers.
    kvrpcpb,
    /// Commands inside the Raft log.
    raft_cmdpb,
    /// What a store keeps on disk, and the envelope around a Raft message.
    raft_serverpb,
    /// Requests to the scheduler.
    pdpb,
}

pub use pdpb as schedulerpb;
