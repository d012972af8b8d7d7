//! End-to-end: the real binaries, the real kernel, a real Unbound, in namespaces of their own.

mod abuse;
mod adopt;
mod cases;
mod deeds;
mod import;
mod kill;
mod line;
mod lists;
mod probes;
mod refusals;
mod requests;
mod silences;
mod sources;
mod summary;
mod templates;
mod units;
