//! What shows that a file was cut off: it ends inside a line, or inside a quotation.

use remit_proto::v1::RowFault;

use super::{ImportError, RowError, RowReport};

/// Refuses a file that ends inside a line. Where many lines make one thing, it cannot be seen in any of them that the
/// rest is missing, and a name that is cut off is another name.
pub(crate) fn ended(bytes: &[u8]) -> Result<(), ImportError> {
    match bytes.last() {
        None | Some(b'\n' | b'\r') => Ok(()),
        Some(_) => {
            let before = bytes.iter().filter(|byte| **byte == b'\n').count();
            Err(ImportError::Unended { line: 1 + before as u64 })
        }
    }
}

/// How the last row of a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowEnd {
    Whole,
    /// Without a line end: what its last cell says may be cut off.
    Unended,
    /// Inside a quotation that begins at this byte: whatever stands behind it was read as its text.
    OpenQuote {
        at: usize,
    },
}

impl RowEnd {
    /// Of the row that begins at this byte and goes to the end. Quotation marks mean what they mean to the reader: one
    /// opens a cell at its beginning, and two stand for one inside it.
    pub(super) fn of(body: &[u8], start: u64, delimiter: u8) -> Self {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let mut open = None;
        let mut is_first = true;
        let mut row = (start..).zip(body.get(start..).unwrap_or_default()).peekable();
        while let Some((at, byte)) = row.next() {
            match (open, *byte) {
                (Some(_), b'"') if row.next_if(|(_, next)| **next == b'"').is_some() => {}
                (Some(_), b'"') => open = None,
                (Some(_), _) => {}
                (None, b'"') if is_first => open = Some(at),
                (None, byte) => {
                    is_first = byte == delimiter || matches!(byte, b'\r' | b'\n');
                    continue;
                }
            }
            is_first = false;
        }
        match (open, body.last()) {
            (Some(at), _) => Self::OpenQuote { at },
            (None, None | Some(b'\n' | b'\r')) => Self::Whole,
            (None, Some(_)) => Self::Unended,
        }
    }
}

pub(super) fn open_quote(line: u64) -> String {
    format!(
        "a quotation mark opened on line {line} is not closed: the rest of the file is its text"
    )
}

pub(super) const OPEN_QUOTE_REMEDY: &str = "close it, or, if the file is cut off, fetch it again";

/// The lines behind an open quotation: each was to be a row, and is refused and counted.
pub(super) fn behind(body: &[u8], at: usize, opened: u64) -> Vec<RowReport> {
    let rest = body.get(at..).unwrap_or_default().split(|byte| *byte == b'\n');
    let lines = (opened..).zip(rest).skip(1);
    let refused = |line| {
        let mut row = RowReport::accepted(line);
        let problem = format!("it was read as text of the quotation that line {opened} opens");
        row.refuse(RowError::new("", problem, "close that one").of_fault(RowFault::Form));
        row
    };
    lines.filter(|(_, text)| !text.trim_ascii().is_empty()).map(|(line, _)| refused(line)).collect()
}
