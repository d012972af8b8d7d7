//! The agent: it learns of every blocking rule and of what the rules did, ties each to its claimed
//! legal basis, records it as leaves of its own tree, keeps them durably and hands them in.
//!
//! sources → recorder → spool → uplink. In: what the filter engines say ([`observation`]). Out:
//! signed batches. The agent observes; it is never in the path of a packet or a query.
//!
//! Threads: one per source, which may block on the recorder's channel (the kernel then drops, and
//! the source's own sequence checks count it); one recorder, the only giver of leaf indexes and the
//! only writer of the spool; one runtime on the main thread for uplink, metrics and signals, which
//! never waits for the recorder.

pub mod clock;
pub mod config;
pub mod confinement;
pub mod cost;
pub mod doctor;
pub mod enrol;
pub mod health;
pub mod import;
pub mod kernel;
pub mod keys;
pub mod ledger;
pub mod logging;
pub mod metrics;
mod nft;
pub mod observation;
mod order;
pub mod privacy;
pub mod privileges;
pub mod record;
pub mod recorder;
pub mod rules {
    pub mod nftables;
}
pub mod run;
pub mod selftest;
pub mod sources;
pub mod spool;
pub mod template;
pub mod uplink;
