//! The gRPC services of the store and of the scheduler, apart from their messages so that the Raft part of the course never
//! compiles a gRPC stack.
//!
//! | module | service | who serves it |
//! |---|---|---|
//! | [`tikvpb`] | `Tikv`: raw and transactional requests of clients, and the streams between stores | every store |
//! | [`pdpb`] | `PD`: members, timestamps, ids, stores and regions | the scheduler |
//!
//! Names are kvproto's, so that official clients find them; the handouts' words *tinykvpb* and *schedulerpb* are aliases.

/// The store's service: `Tikv`.
#[allow(missing_docs, clippy::all, clippy::too_many_lines, rust_2018_idioms)]
pub mod tikvpb {
    include!(concat!(env!("OUT_DIR"), "/tikvpb.rs"));
}

/// The scheduler's service: `PD`.
#[allow(missing_docs, clippy::all, clippy::too_many_lines, rust_2018_idioms)]
pub mod pdpb {
    include!(concat!(env!("OUT_DIR"), "/pdpb.rs"));
}

pub use pdpb as schedulerpb;
pub use tikvpb as tinykvpb;
