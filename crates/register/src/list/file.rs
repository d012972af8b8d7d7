//! A list as people and feeds write it: one entry on a line.
//!
//! ```text
//! # comment
//! example.org                  a name: exactly this one
//! *.example.net                what is below it
//! domain_subtree:example.com   it and what is below it
//! 192.0.2.7 court/2026-001     an entry under a request of its own
//! !www.example.com             must stay open
//! ```
//!
//! A line is taken whole or refused whole, in a file whose last line ends; one without that line end may be cut off, and
//! is refused as a whole. An entry that stands twice counts once, and that is said. One that is to be blocked and must stay
//! open, both under one request, is refused with all lines that say either.
//!
//! Bounds are those of files of requests: a line of more than [`ROW_SIZE_MAX`] bytes is refused by itself, a file of
//! more than [`ROWS_MAX`](crate::import::ROWS_MAX) lines as a whole.

use remit_proto::v1::RowFault;

use super::ListEntry;
use crate::{
    import::{
        Action, ImportError, Lines, ROW_SIZE_MAX, RowError, RowReport, bounded, ended,
        stands_already, typed_kind,
    },
    request::{IN_URL, NO_PERSON, address_in_url, leads_to_person},
    target::Target,
};

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    pub entries: Vec<ListEntry>,
    /// One per line that holds something, in the order of the file.
    pub report: Vec<RowReport>,
}

impl ListFile {
    pub fn repaired_count(&self) -> usize {
        self.report.iter().filter(|r| matches!(r.action, Action::Repaired(_))).count()
    }

    pub fn refused_count(&self) -> usize {
        self.report.iter().filter(|r| matches!(r.action, Action::Refused(_))).count()
    }
}

/// Reads the bytes of a list. Bytes that are not UTF-8 make their own line wrong and no other.
pub fn from_lines(bytes: &[u8]) -> Result<ListFile, ImportError> {
    bounded(bytes, b"\n")?;
    // A version is all of its lines: what is cut off of it would count as removed.
    ended(bytes)?;
    let mut file = ListFile { entries: Vec::new(), report: Vec::new() };
    let mut lines = Lines::new();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1_u64..) {
        let read = match std::str::from_utf8(line) {
            _ if line.len() > ROW_SIZE_MAX => Some(Err(too_long())),
            Ok(text) => read(text.trim()),
            Err(_) => Some(Err(wrong("not UTF-8 text", "write it as UTF-8", RowFault::Form))),
        };
        let Some(read) = read else { continue };
        let mut row = RowReport::accepted(number);
        match read {
            Ok((entry, mut repairs)) => {
                row.id = entry.target.to_string();
                row.notes
                    .extend(address_in_url(&entry.target).map(|_| format!("it holds {IN_URL}")));
                // Of two requests, each may say another thing.
                let about = (entry.target.clone(), entry.request.clone());
                match lines.take(file.report.len(), about, entry.exception) {
                    Some(earlier) => repairs.push(stands_already(&file.report, earlier)),
                    None => file.entries.push(entry),
                }
                if !repairs.is_empty() {
                    row.action = Action::Repaired(repairs);
                }
            }
            Err(error) => row.refuse(error),
        }
        file.report.push(row);
    }
    file.entries = lines.settle(file.entries, &mut file.report);
    Ok(file)
}

fn wrong(problem: impl Into<String>, remedy: &str, fault: RowFault) -> RowError {
    RowError::new("", problem, remedy).of_fault(fault)
}

fn too_long() -> RowError {
    let problem = format!("the line is longer than {} MiB", ROW_SIZE_MAX >> 20);
    wrong(problem, "write one entry on a line", RowFault::TooLong)
}

/// `None`: the line holds nothing.
fn read(line: &str) -> Option<Result<(ListEntry, Vec<String>), RowError>> {
    let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
    let word = words.next()?;
    let (exception, text) = match word.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, word),
    };
    let request = match words.next().map(str::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => {
            let remedy = "after the target comes the id of a request, or a # and a comment";
            let problem = "what follows the target is no request id";
            return Some(Err(wrong(problem, remedy, RowFault::Value)));
        }
    };
    if words.next().is_some() {
        let problem = "more than a target and a request";
        return Some(Err(wrong(problem, "begin a comment with #", RowFault::Form)));
    }
    let target = typed_kind(text).and_then(|(kind, value)| {
        let (target, repairs) = Target::parse(kind, value)?;
        let raw = if value == target.to_string() { "" } else { text };
        Ok((target, repairs, raw))
    });
    if let Ok((target, ..)) = &target
        && let Some(problem) = leads_to_person(target)
    {
        return Some(Err(wrong(problem, NO_PERSON, RowFault::Value)));
    }
    let remedy = "write a name, *.name, an address, a prefix or a URL, or <kind>:<value>";
    Some(match target {
        Err(error) => Err(wrong(error.to_string(), remedy, RowFault::Value)),
        Ok((target, repairs, raw)) => {
            let repairs = repairs.iter().map(ToString::to_string).collect();
            Ok((ListEntry { target, request, exception, raw: raw.to_owned() }, repairs))
        }
    })
}
