//! End-to-end: the real binaries, the real kernel, a real Unbound, in namespaces of their own.

mod abuse;
mod adopt;
mod ansible;
mod cases;
mod deeds;
mod durability;
mod fleet;
mod import;
mod kill;
mod line;
mod lists;
mod openwrt;
mod probes;
mod raw_logs;
mod reconcile;
mod refusals;
mod requests;
mod selftest;
mod silences;
mod sources;
mod summary;
mod templates;
mod units;
