//! End-to-end: the real binaries, the real kernel, a real Unbound, in namespaces of their own.

mod adopt;
mod deeds;
mod import;
mod kill;
mod line;
mod probes;
mod refusals;
mod silences;
mod sources;
mod summary;
mod templates;
mod units;
