//! A fuzz target for every parser of what others have written.
//!
//! In: bytes. Out: nothing, or a panic that says which promise does not hold: that no input panics,
//! loops or eats memory, and what the target asserts beside it (what is taken is printed again as the
//! same bytes; a stream in pieces says the same as in one). A target is a plain function here, so that
//! it runs under libFuzzer (`fuzz_targets/`, layout of cargo-fuzz) and, over the committed corpus, in
//! an ordinary test (`tests/corpus.rs`).
//!
//! | Where | What |
//! |---|---|
//! | `src/` | the targets, by who wrote what they read |
//! | `fuzz_targets/<target>.rs` | the program around one |
//! | `corpus/<target>/` | inputs that each reach something that no other does |
//!
//! `cargo xtask fuzz` builds and runs them; `docs/adr/0026-fuzzing.md` says how and why so.
//!
//! To add a parser: a function in `src/`, its line in [`TARGETS`], its `[[bin]]` and file in
//! `fuzz_targets/`, and at least one input that it takes in `corpus/`. The test says what is missing.

pub mod authority;
pub mod bundle;
pub mod confs;
pub mod evidence;
pub mod kernel;
pub mod lines;
pub mod orders;
pub mod register;
pub mod spool;
pub mod streams;
pub mod tlog;

use std::{fs, path::PathBuf};

/// One parser under test.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($(Target { name: stringify!($name), run: $module::$name }),+),+]
    };
}

/// In the order of the line: from what a node reads to what an assessor reads.
pub const TARGETS: &[Target] = targets! {
    kernel: nflog, nftables, rtnetlink;
    lines: rpz_log, proxy_log, jsonl, syslog, stamp, import;
    confs: rpz_zone, dnsmasq_conf, squid_conf, nginx_conf, iptables_save, answers, agent_config;
    streams: pdns, dnstap;
    spool: spool;
    evidence: leaf, log_entry, statement, batch, chunk, frame, claim;
    tlog: note, tile, proof;
    register: target, requests_toml, requests_csv, requests_json, rkn_xml, rkn_csv, zone_list, list_lines,
        explanations, ooni;
    orders: record_order, collector_config;
    authority: cms, pdf;
    bundle: bundle;
};

/// The text of an input, for parsers that are given text; the rest of a line that is not UTF-8 is
/// dealt with before them.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// A file of this process, for parsers that read files, in memory where the system has such a folder.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("a file of our own can be written");
    path
}

fn folder() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let folder = base.join(format!("remit-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder of our own can be made");
    folder
}
