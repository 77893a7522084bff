//! One test for each sentence of the paper, or of the thesis, that promises something. The sentence stands above the test.
//!
//! "The paper" is *In Search of an Understandable Consensus Algorithm (Extended Version)*, Ongaro and Ousterhout; "the
//! thesis" is Ongaro's *Consensus: Bridging Theory and Practice*. Tests are in the order of the sections. What stands in
//! quotation marks names the sentence, sometimes shortened: look it up there for its exact words.

mod bench;
mod beyond;
mod election;
mod membership;
mod replication;
mod safety;
mod snapshot;
mod transfer;
