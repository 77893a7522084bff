//! The store as a process: gRPC services, streams between stores, status page, configuration.
