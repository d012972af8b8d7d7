//! The log by its promises: the witness rule, refusals, recovery, and what is kept as evidence.

mod recovery;
mod rig;
mod statements;
mod witness_rule;
