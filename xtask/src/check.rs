//! What the merge gate runs.

use anyhow::Result;
use remit_tests::packages;

use crate::shell;

const CARGO: &str = env!("CARGO");

/// Formatting and lints.
pub(crate) fn check() -> Result<()> {
    shell(CARGO, &["fmt", "--all", "--check"])?;
    shell(CARGO, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

/// Everything that CI runs.
pub(crate) fn test() -> Result<()> {
    packages::install()?;
    check()?;
    // The end-to-end tests run the programs as built: build them first, once.
    shell(CARGO, &["build", "--workspace", "--bins", "--locked"])?;
    // Several network namespaces at once are too much for two cores: one test of them at a time.
    shell(CARGO, &["test", "--workspace", "--locked"])
}
