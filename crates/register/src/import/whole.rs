//! What shows that a file was cut off: it ends inside a line, or inside a quotation.

use std::borrow::Cow;

use remit_proto::v1::RowFault;

use super::{ImportError, Mapping, RowError, RowReport};

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

/// The same of what a person adds to a file: half a word is another word, and what the rest would have said holds for
/// every row.
pub(super) fn added_ended(text: &str) -> Result<(), ImportError> {
    ended(text.as_bytes()).map_err(|error| match error {
        ImportError::Unended { line } => {
            let message = "it ends inside a line, as one does that was cut off; fetch it again, or, if it is whole, \
                           add a line end";
            ImportError::Syntax { line, message: message.to_owned() }
        }
        error => error,
    })
}

pub(super) const UNENDED_REMEDY: &str =
    "fetch the file again, or, if it is whole, read it with --sha256, or add a line end";

/// Of a file that is proven whole, by its digest: with the line end that it may lack. What is read of it is what it
/// says, and its digest stays that of the file.
pub fn line_ended<'f>(file: &'f [u8], mapping: Option<&Mapping>) -> Cow<'f, [u8]> {
    let line_end = mapping.map_or(&b"\n"[..], Mapping::line_end);
    if file.is_empty() || file.ends_with(line_end) || file.ends_with(b"\r") {
        return Cow::Borrowed(file);
    }
    Cow::Owned([file, line_end].concat())
}

/// How a row of a file ends, and whether what it quotes ends where it seems to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowEnd {
    Whole,
    /// Without a line end, as the last one: what its last cell says may be cut off.
    Unended,
    /// Inside a quotation that begins at this byte: whatever stands behind it was read as its text.
    OpenQuote {
        at: usize,
    },
    /// Text follows the quotation mark that closes a cell: it was to open another one, and the mark that began the
    /// quotation at this byte was none. Rows between the two are text of one cell.
    StrayQuote {
        at: usize,
        closed: usize,
    },
}

impl RowEnd {
    /// Of the row between these bytes. Quotation marks mean what they mean to the reader: one opens a cell at its
    /// beginning, two stand for one inside it, and whatever follows a closing one is read on.
    pub(super) fn of(body: &[u8], start: usize, end: usize, delimiter: u8) -> Self {
        Self::with_quotes(body, start, end, delimiter, Spaces::AreText).0
    }

    /// The same, and what is quoted in the row.
    pub(super) fn with_quotes(
        body: &[u8],
        start: usize,
        end: usize,
        delimiter: u8,
        spaces: Spaces,
    ) -> (Self, Quotes) {
        let mut quotes = Quotes::default();
        let mut open = None;
        let mut is_first = true;
        let mut row = (start..).zip(body.get(start..end).unwrap_or_default()).peekable();
        while let Some((at, byte)) = row.next() {
            match (open, *byte) {
                (Some(_), b'"') if row.next_if(|(_, next)| **next == b'"').is_some() => {}
                (Some(opened), b'"') => {
                    let ends = |next: u8| next == delimiter || matches!(next, b'\r' | b'\n');
                    let is_space =
                        |next: u8| spaces == Spaces::MayFollow && next == b' ' && next != delimiter;
                    while row.next_if(|(_, next)| is_space(**next)).is_some() {
                        quotes.spaced = true;
                    }
                    if row.peek().is_some_and(|(_, next)| !ends(**next)) {
                        return (Self::StrayQuote { at: opened, closed: at }, quotes);
                    }
                    if let Some(line) = quotes.lines.last_mut() {
                        line.is_last |= line.opened == opened;
                    }
                    open = None;
                }
                (Some(opened), b'\n') => {
                    quotes.lines.push(Continued { opened, start: at + 1, is_last: false });
                }
                (Some(_), _) => {}
                (None, b'"') if is_first => open = Some(at),
                (None, byte) => {
                    is_first = byte == delimiter || matches!(byte, b'\r' | b'\n');
                    continue;
                }
            }
            is_first = false;
        }
        let ends = match (open, body.get(start..end).unwrap_or_default().last()) {
            (Some(at), _) => Self::OpenQuote { at },
            (None, None | Some(b'\n' | b'\r')) => Self::Whole,
            (None, Some(_)) if end < body.len() => Self::Whole,
            (None, Some(_)) => Self::Unended,
        };
        (ends, quotes)
    }
}

/// Spaces between the mark that closes a cell and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spaces {
    AreText,
    /// Whoever reads the cell takes them away, and says so.
    MayFollow,
}

/// What is quoted in a row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Quotes {
    /// Spaces followed a mark that closes a cell.
    pub spaced: bool,
    /// Lines of the file that begin inside a quotation.
    pub lines: Vec<Continued>,
}

/// A line of the file that is text of a cell, or ends one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Continued {
    /// Where the quotation begins, and where the line does, in bytes.
    pub opened: usize,
    pub start: usize,
    /// The quotation ends on it.
    pub is_last: bool,
}

impl Continued {
    /// All of the line, with what stands behind the quotation.
    pub(super) fn text<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        let rest = body.get(self.start..).unwrap_or_default();
        rest.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end()
    }
}

pub(super) fn swallowed_row(line: u64, opened: u64) -> String {
    format!("line {line} reads as a row, inside the quotation that line {opened} opens")
}

pub(super) fn one_line(column: &str, opened: u64, last: u64) -> String {
    format!(
        "its cell in column {column:?} goes on from line {opened} to line {last}, and takes one line"
    )
}

pub(super) const SWALLOWED_REMEDY: &str = "close the quotation where its cell ends; a mark inside a cell is written twice, \
                                           and a cell of several lines has no line that reads as a row";

pub(super) fn open_quote(line: u64) -> String {
    format!(
        "a quotation mark opened on line {line} is not closed: the rest of the file is its text"
    )
}

pub(super) const OPEN_QUOTE_REMEDY: &str = "close it, or, if the file is cut off, fetch it again";

pub(super) fn stray_quote(opened: u64, closed: u64) -> String {
    format!(
        "text follows the quotation mark on line {closed} that closes the one on line {opened}: one of the two is stray"
    )
}

pub(super) const STRAY_QUOTE_REMEDY: &str =
    "quote the whole cell, and write each quotation mark inside it twice";

/// The lines behind a quotation mark that is not closed, or not where it seems to be: each was to be a row, and is
/// refused and counted. `row`: up to the end of the row that swallowed them.
pub(super) fn behind(row: &[u8], at: usize, opened: u64) -> Vec<RowReport> {
    let rest = row.get(at..).unwrap_or_default().split(|byte| *byte == b'\n');
    let lines = (opened..).zip(rest).skip(1);
    let refused = |line| {
        let mut row = RowReport { text_of: Some(opened), ..RowReport::accepted(line) };
        let problem = format!("it was read as text of the quotation that line {opened} opens");
        row.refuse(RowError::new("", problem, "close that one").of_fault(RowFault::Form));
        row
    };
    lines.filter(|(_, text)| !text.trim_ascii().is_empty()).map(|(line, _)| refused(line)).collect()
}

/// Counts lines as a reader goes on. Its own count is one too low where lines end in CR LF, and behind empty ones.
pub(super) struct Lines<'t> {
    rest: &'t [u8],
    seen: usize,
    line: u64,
}

impl<'t> Lines<'t> {
    /// `line`: on which the body begins.
    pub(super) fn new(body: &'t [u8], line: u64) -> Self {
        Self { rest: body, seen: 0, line }
    }

    /// The line on which the record at this byte of the body begins; records come in order.
    pub(super) fn at(&mut self, byte: usize) -> u64 {
        let ahead = byte.saturating_sub(self.seen);
        let (passed, rest) = self.rest.split_at(ahead.min(self.rest.len()));
        // What ends the line before may still stand in front of the record.
        let gap = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let (end, rest) = rest.split_at(gap);
        self.line += passed.iter().chain(end).filter(|b| **b == b'\n').count() as u64;
        self.seen += passed.len() + end.len();
        self.rest = rest;
        self.line
    }

    /// The line of a byte of the record that begins here.
    pub(super) fn peek(&self, byte: usize) -> u64 {
        let passed = self.rest.get(..byte.saturating_sub(self.seen)).unwrap_or_default();
        self.line + passed.iter().filter(|b| **b == b'\n').count() as u64
    }
}

/// Where a reader stands.
pub(super) fn place(at: &::csv::Position) -> usize {
    usize::try_from(at.byte()).unwrap_or(usize::MAX)
}
