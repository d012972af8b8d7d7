//! The log by its promises: the witness rule, refusals, recovery, and what is kept as evidence.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod approvals;
mod decisions;
mod full_disk;
mod hostile;
mod recovery;
mod rig;
mod statements;
mod witness_rule;
