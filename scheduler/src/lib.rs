//! The scheduler's core: who is in the cluster, which region is where, ids and timestamps. Pure: values in, values out; the
//! shell around it is the package `tinyscheduler-server`.
