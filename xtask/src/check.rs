//! What the merge gate runs.

use std::process::Command;

use anyhow::{Result, ensure};
use remit_tests::packages;

use crate::{fuzz, shell};

const CARGO: &str = env!("CARGO");

/// Formatting, lints, licences and the direction of dependencies.
pub(crate) fn check() -> Result<()> {
    shell(CARGO, &["fmt", "--all", "--check"])?;
    shell(CARGO, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    if !has_deny() {
        eprintln!(
            "NOT CHECKED: licences, sources, and which crate may depend on which (deny.toml), because \
             cargo-deny is not installed; CONTRIBUTING.md, \"Set-up\", says how to install it"
        );
        return Ok(());
    }
    // What needs no network; advisories do, and change without a change of ours.
    shell(CARGO, &["deny", "--locked", "check", "licenses", "bans", "sources"])
}

fn has_deny() -> bool {
    let asked = Command::new(CARGO).args(["deny", "--version"]).output();
    asked.is_ok_and(|output| output.status.success())
}

/// Everything that CI runs.
pub(crate) fn test() -> Result<()> {
    packages::install()?;
    check()?;
    // The end-to-end tests run the programs as built: build them first, once.
    shell(CARGO, &["build", "--workspace", "--bins", "--locked"])?;
    // Several network namespaces at once are too much for two cores: one test of them at a time.
    // Random cases are the same in every run, so that a run says something of the change that it is
    // about; `cargo test` by itself draws others each time (docs/adr/0026).
    let tests = Command::new(CARGO)
        .args(["test", "--workspace", "--locked"])
        .env("PROPTEST_RNG_SEED", "1")
        .status()?;
    ensure!(tests.success(), "cargo test failed: {tests}");
    // The corpus was read by a test of its own; here from it on, for a while.
    fuzz::smoke()
}
