//! Rows that were refused, as the statement of an import names them.

use evidence::statement::{REFUSED_ROWS_MAX, is_field};
use remit_proto::v1;
use sha2::{Digest, Sha256};

use super::{Action, RowReport};

/// The first rows that were refused, [`REFUSED_ROWS_MAX`] at most; `file`: the bytes that were read. What a row says
/// is not repeated, and its problem is told by a word: a statement stands in the log for good, and a row may
/// name somebody.
pub fn refused_rows(report: &[RowReport], file: &[u8]) -> Vec<v1::RefusedRow> {
    let is_refused = |(_, row): &(u64, &RowReport)| matches!(row.action, Action::Refused(_));
    let refused: Vec<(u64, &RowReport)> =
        (1_u64..).zip(report).filter(is_refused).take(REFUSED_ROWS_MAX).collect();
    if refused.is_empty() {
        return Vec::new();
    }
    let mut begins: Vec<u64> = report.iter().map(|row| row.line).collect();
    begins.sort_unstable();
    begins.dedup();
    let lines = Lines::of(file);
    let key = Sha256::new().chain_update("remit/file/v1\n").chain_update(file).finalize();
    let named = |(number, row): (u64, &RowReport)| {
        let next = begins.get(begins.partition_point(|line| *line <= row.line));
        let bytes = lines.between(row.line, next.copied());
        let digest = Sha256::new().chain_update("remit/row/v1\n").chain_update(key);
        // A key that no row has is a word of whoever wrote the file.
        let is_known = row.fault != v1::RowFault::UnknownKey && is_field(&row.field);
        let field = if is_known { row.field.clone() } else { String::new() };
        v1::RefusedRow {
            row: number,
            line: row.line,
            field,
            fault: row.fault.into(),
            digest: digest.chain_update(bytes).finalize().to_vec(),
        }
    };
    refused.into_iter().map(named).collect()
}

/// Where the lines of a file begin.
struct Lines<'f> {
    file: &'f [u8],
    /// Of each line but the first.
    begins: Vec<usize>,
}

impl<'f> Lines<'f> {
    fn of(file: &'f [u8]) -> Self {
        let ends = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Self { file, begins: ends.map(|(at, _)| at + 1).collect() }
    }

    /// From one line up to another, or to the end of the file.
    fn between(&self, line: u64, next: Option<u64>) -> &'f [u8] {
        let at = |line: u64| match usize::try_from(line).ok().and_then(|line| line.checked_sub(2)) {
            None => 0,
            Some(position) => self.begins.get(position).copied().unwrap_or(self.file.len()),
        };
        let end = next.map_or(self.file.len(), at);
        self.file.get(at(line)..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{RowError, from_toml};

    fn row(line: u64, refused: bool) -> RowReport {
        let mut row = RowReport::accepted(line);
        if refused {
            row.refuse(RowError::new("from", "\"yesterday\" is no date", "write a date"));
        }
        row
    }

    fn digest(file: &str, part: &str) -> Vec<u8> {
        let key = Sha256::digest(format!("remit/file/v1\n{file}"));
        let whole = [b"remit/row/v1\n", key.as_slice(), part.as_bytes()].concat();
        Sha256::digest(whole).to_vec()
    }

    #[test]
    fn a_row_is_named_by_its_lines_up_to_the_next_row() {
        let file = "header\na\nb1\nb2\nc\n";
        let report = [row(2, false), row(3, true), row(5, true)];
        let named = refused_rows(&report, file.as_bytes());
        let told: Vec<_> = named.iter().map(|r| (r.row, r.line, r.field.as_str())).collect();
        assert_eq!(told, [(2, 3, "from"), (3, 5, "from")]);
        assert_eq!(named[0].digest, digest(file, "b1\nb2\n"));
        assert_eq!(named[1].digest, digest(file, "c\n"));
        // Of a row that begins beyond the file, as of nothing.
        assert_eq!(refused_rows(&[row(9, true)], b"a")[0].digest, digest("a", ""));
    }

    #[test]
    fn nothing_of_the_row_is_repeated() {
        for key in ["\"Erika Mustermann\"", "erika"] {
            let file = format!("[[request]]\nid = \"a\"\n{key} = 1\n");
            let imported = from_toml(&file).unwrap();
            let named = refused_rows(&imported.report, file.as_bytes());
            assert_eq!((named[0].fault(), named[0].field.as_str()), (v1::RowFault::UnknownKey, ""));
        }
    }

    #[test]
    fn of_a_million_refused_rows_the_first_hundred_are_named() {
        let report: Vec<_> = (1..=1_000_000).map(|line| row(line, true)).collect();
        let named = refused_rows(&report, &b"x\n".repeat(1_000_000));
        assert_eq!(named.len(), REFUSED_ROWS_MAX);
        assert_eq!(named.last().map(|row| row.row), Some(100));
    }
}
