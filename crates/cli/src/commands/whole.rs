//! Whether a file is the one that was sent. Where it was cut between two lines nothing in it shows that; whoever made it
//! knows its digest, and whoever published it how many rows it has.

use std::{borrow::Cow, path::Path};

use register::import::{Mapping, line_ended};
use sha2::{Digest, Sha256};

use crate::{cli::Sent, exit::CliError, words};

impl Sent {
    /// Before anything of the file is read.
    pub(super) fn check_digest(&self, file: &Path, bytes: &[u8]) -> Result<(), CliError> {
        check_digest(file, bytes, self.sha256.as_deref(), "--sha256")
    }

    /// What is to be read of a file that [`check_digest`](Self::check_digest) has passed: where its digest was stated,
    /// nothing of it is missing, however it ends.
    pub(super) fn ended<'f>(&self, file: &'f [u8], mapping: Option<&Mapping>) -> Cow<'f, [u8]> {
        if self.sha256.is_some() { line_ended(file, mapping) } else { Cow::Borrowed(file) }
    }

    /// `read`: as many rows as the file has, with those that are refused.
    pub(super) fn check_rows(&self, file: &Path, read: usize) -> Result<(), CliError> {
        match self.rows {
            Some(stated) if stated != read as u64 => {
                let read = words::count(read as u64, "row", "rows");
                Err(other(file, &format!("it has {read}, and --rows states {stated}")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// `flag`: by which the digest is stated.
pub(super) fn check_digest(
    file: &Path,
    bytes: &[u8],
    stated: Option<&str>,
    flag: &str,
) -> Result<(), CliError> {
    let Some(stated) = stated else { return Ok(()) };
    if stated.len() != 64 || !stated.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(CliError::Usage(format!("{flag}: it is not 64 hex digits")));
    }
    let found = words::hex(&Sha256::digest(bytes));
    if found.eq_ignore_ascii_case(stated) {
        return Ok(());
    }
    let problem = format!("its SHA-256 is {found}, and not the one that {flag} states");
    Err(other(file, &problem))
}

fn other(file: &Path, problem: &str) -> CliError {
    let remedy = "nothing of it is taken; fetch it again";
    CliError::Malformed(format!("{}: {problem}: {remedy}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_one_that_was_sent() {
        let file = Path::new("list.txt");
        let digest = words::hex(&Sha256::digest(b"a\nb\n"));
        let sent = |rows, sha256: &str| Sent { rows, sha256: Some(sha256.to_owned()) };
        let whole = sent(Some(2), &digest.to_uppercase());
        // A digest proves that nothing is missing, and a number of rows does not.
        assert_eq!(&*whole.ended(b"a\nb", None), b"a\nb\n");
        assert_eq!(&*Sent { rows: Some(2), sha256: None }.ended(b"a\nb", None), b"a\nb");
        assert!(whole.check_digest(file, b"a\nb\n").is_ok() && whole.check_rows(file, 2).is_ok());
        let cut = whole.check_digest(file, b"a\n").unwrap_err().to_string();
        assert!(cut.starts_with("list.txt: its SHA-256 is 87428fc5"), "{cut}");
        let cut = whole.check_rows(file, 1).unwrap_err().to_string();
        assert_eq!(
            cut,
            "list.txt: it has 1 row, and --rows states 2: nothing of it is taken; fetch it again"
        );
        let mistyped = sent(None, &digest[1..]).check_digest(file, b"").unwrap_err();
        assert!(matches!(mistyped, CliError::Usage(_)), "{mistyped}");
        let silent = Sent::default();
        assert!(silent.check_digest(file, b"a").is_ok() && silent.check_rows(file, 0).is_ok());
    }
}
