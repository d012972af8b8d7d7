//! The program `nft`: it loads rules as operators load theirs.
//!
//! For two commands that put in rules of their own, `selftest` and `doctor --measure-cost`. The running agent
//! loads no rule anywhere, and reads them from the kernel itself (`rules::nftables`).

use std::{
    io::{self, Write as _},
    process::{Command, Stdio},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum NftError {
    /// It is not installed, or this process may start nothing.
    #[error("nft cannot be run")]
    NotRun(#[source] io::Error),
    /// What it says of it: one line.
    #[error("nft does not take the rules: {0}")]
    Refused(String),
}

/// Loads a script; all of it is taken, or nothing.
pub(crate) fn load(script: &str) -> Result<(), NftError> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(NftError::NotRun)?;
    let written = nft.stdin.take().map_or(Ok(()), |mut input| input.write_all(script.as_bytes()));
    // Also of one that ended before it had read everything: it says why.
    let ended = nft.wait_with_output().map_err(NftError::NotRun)?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let first = said.lines().map(str::trim).find(|line| !line.is_empty());
        let says = first.map_or_else(|| format!("it ended ({})", ended.status), str::to_owned);
        return Err(NftError::Refused(says));
    }
    written.map_err(NftError::NotRun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::nftables::testing::{in_namespace, run};

    #[test]
    fn what_is_refused_is_said_in_one_line_and_nothing_of_it_is_in_force() {
        in_namespace(|| {
            load("add table inet a\n").unwrap();
            let error = load("add table inet b\nnonsense\n").unwrap_err();
            let NftError::Refused(says) = error else { panic!("{error:?}") };
            assert!(says.contains("Error: syntax error") && !says.contains('\n'), "{says}");
            assert_eq!(run("nft", &["list", "tables"]), "table inet a\n");
        });
    }
}
