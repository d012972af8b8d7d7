//! What the merge gate runs.

use anyhow::Result;
use remit_tests::packages;

use crate::shell;

const CARGO: &str = env!("CARGO");

/// Formatting and lints.
pub fn check() -> Result<()> {
    shell(CARGO, &["fmt", "--all", "--check"])?;
    shell(CARGO, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

/// Everything that CI runs.
pub fn test() -> Result<()> {
    packages::install()?;
    check()?;
    // The end-to-end tests run the programs as built: build them first, once.
    shell(CARGO, &["build", "--workspace", "--bins", "--locked"])?;
    shell(CARGO, &["test", "--workspace", "--locked"])
}
