//! The collector: verifies, keeps the transparency log and the register, computes verdicts, answers.
//!
//! ingest → log → assess → store → query. `log` is the append-only heart with one writer; what it
//! has committed leaves it as [`committed::Committed`], in order, once, and again on a rebuild.

pub mod access;
pub mod admin;
pub mod assess;
pub mod cases;
pub mod committed;
pub mod config;
pub mod enrolled;
pub mod export;
pub mod files;
pub mod http;
pub mod ingest;
pub mod keys;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod query;
pub mod registers;
pub mod revoke;
pub mod serve;
pub mod status;
pub mod store;
