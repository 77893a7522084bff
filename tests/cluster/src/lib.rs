//! Simulated clusters of whole stores: virtual time, simulated disks and network, clients, checks, and the graded suites of
//! the parts that build the store.
