//! The gRPC services of the store and of the scheduler, apart from their messages so that the Raft part of the course never
//! compiles a gRPC stack.
