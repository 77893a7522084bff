//! The scheduler as a process: gRPC around the pure core, and the files it keeps.
