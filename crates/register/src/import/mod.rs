//! Files of people and authorities → requests, and a report per row.
//!
//! In: the bytes of a file in one of these forms, and what a person adds to it. Out: [`Imported`]:
//! requests ready for the register, and for every row what became of it. A row is taken whole or refused
//! whole, with each field that is wrong and the remedy, as far as one mistake does not hide another; what was repaired
//! in it is said, never silent.
//! An error of the file itself ([`ImportError`]) imports nothing.
//!
//! | Form | a row is | cut in the middle | a person adds |
//! |---|---|---|---|
//! | [`from_toml`] | a request | nothing is imported, unless the cut falls between two lines | – |
//! | [`from_json`] | a request | nothing is imported | – |
//! | [`from_csv`] | a line, which is a request | its last line is refused | [`Mapping`] of columns |
//! | [`from_rpz`] | a record of a zone, which is one request | nothing is imported, unless the cut falls between two records | [`Settings`] |
//! | [`from_rkn_csv`] | a line; lines of one decision are one request | nothing is imported, unless the cut falls between two lines | [`Settings`] |
//! | [`from_rkn_xml`] | a `content`, which is a request | nothing is imported | [`Settings`] |
//!
//! A cut between two lines leaves a file that is whole by its form: only its digest, or the number of its rows, tells it
//! from the one that was sent. Whoever has either of them compares it; here it is not known. A file whose digest agrees
//! is whole, whether or not its last line ends: [`line_ended`].
//!
//! Bounds: a row of more than [`ROW_SIZE_MAX`] bytes is refused by itself, a file of more than
//! [`ROWS_MAX`] rows as a whole; work and memory grow with the size of the file and no faster.
//!
//! Time: bounds with an offset are instants. Bounds without one need a time zone, and an end that
//! is only a date needs `end_date` (last day in force, or day of removal): neither has a default.
//! Zones come from the IANA database that is compiled in, so that an import gives the same instants
//! on every machine.
//!
//! A list is imported again and again. [`Imported::merge`] compares it with what the register holds:
//! what is the same is left out, what differs becomes the next version of its request, and what is
//! only in the register is named and left as it is: that a list no longer has it does not say that
//! its authority withdrew it. Of a request that has fewer targets than before, their number is said.
//!
//! Not done here: reading files, digests of them, signing.

mod csv;
mod export;
mod items;
mod json;
mod lines;
mod merge;
mod mistakes;
mod particulars;
mod recurrence;
mod refused;
mod rkn;
mod row;
mod rpz;
mod settings;
mod shape;
mod target;
mod times;
mod toml;
mod whole;
mod zone;

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
};

use remit_proto::v1::{self, RowFault};

pub use self::{
    csv::{Column, Mapping, TargetColumn, csv_for, from_csv},
    export::{Seen, to_json, to_toml},
    items::{ITEM_SIZE_MAX, to_items},
    json::{from_json, json_for},
    merge::{Held, Merged},
    refused::refused_rows,
    rkn::{from_rkn_csv, from_rkn_xml},
    row::Purpose,
    rpz::{from_rpz, list_from_rpz},
    settings::Settings,
    target::{TypedTarget, typed, typed_kind},
    times::{EndDate, TypedDay, typed_day},
    toml::{from_toml, toml_for},
    whole::line_ended,
};
pub(crate) use self::{
    lines::{Lines, stands_already},
    whole::ended,
};
use self::{
    mistakes::Mistakes,
    row::{Defaults, Row},
};

/// A row is a request, and the largest request that lists are known to hold has some ten thousand targets.
pub const ROW_SIZE_MAX: usize = 16 << 20;
/// Above the largest published list; a file with more is split.
pub const ROWS_MAX: usize = 2_000_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Without a number where the file states none; [`Imported::merge`] gives it.
    pub requests: Vec<v1::Request>,
    /// One per row, in the order of the file.
    pub report: Vec<RowReport>,
    /// All rows are lines of the one request, and are named by what they hold.
    pub(crate) of_one: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowReport {
    /// Where the row begins; the first line of the file is 1.
    pub line: u64,
    /// As written; empty if the row has none.
    pub id: String,
    pub action: Action,
    /// Of a refused row: the field that is wrong, in the words of the file.
    pub field: String,
    /// Of a refused row: what to do.
    pub remedy: String,
    /// Of a refused row: what is wrong with it, in a word.
    pub fault: RowFault,
    /// Of a refused row: what else is wrong with it, each with its field and what to do.
    pub further: Vec<String>,
    /// What a person should know about an accepted row.
    pub notes: Vec<String>,
    /// Of a line that was to be a row, and was read as text of a quotation: the line that opens it.
    pub text_of: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Accepted,
    Repaired(Vec<String>),
    Refused(String),
}

impl Imported {
    pub fn accepted_count(&self) -> usize {
        self.requests.len()
    }

    pub fn repaired_count(&self) -> usize {
        self.report.iter().filter(|r| matches!(r.action, Action::Repaired(_))).count()
    }

    pub fn refused_count(&self) -> usize {
        self.report.iter().filter(|r| matches!(r.action, Action::Refused(_))).count()
    }
}

impl fmt::Display for RowReport {
    /// One row, one line: what a file holds may break lines, in quoted cells and in names of fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.tell(&mut text)?;
        for letter in text.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

impl RowReport {
    pub(crate) fn accepted(line: u64) -> Self {
        let (id, field, remedy, fault, further, notes, text_of) = Default::default();
        Self { line, id, action: Action::Accepted, field, remedy, fault, further, notes, text_of }
    }

    pub(crate) fn refuse(&mut self, error: RowError) {
        let RowError { field, problem, remedy, fault, further } = error;
        self.action = Action::Refused(problem);
        (self.field, self.remedy, self.fault) = (field, remedy, fault);
        self.further = further;
    }

    fn tell(&self, f: &mut String) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.id.is_empty() {
            write!(f, ", {}", self.id)?;
        }
        match &self.action {
            Action::Accepted => f.write_str(": accepted")?,
            Action::Repaired(repairs) => write!(f, ": repaired: {}", repairs.join("; "))?,
            Action::Refused(reason) => {
                f.write_str(": refused: ")?;
                if !self.field.is_empty() {
                    write!(f, "{}: ", self.field)?;
                }
                write!(f, "{reason}; {}", self.remedy)?;
                for further in &self.further {
                    write!(f, "; also {further}")?;
                }
            }
        }
        for note in &self.notes {
            write!(f, "; note: {note}")?;
        }
        Ok(())
    }
}

/// Nothing was imported: the file as a whole is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("line {line}: {message}")]
    Syntax { line: u64, message: String },
    #[error("{field}: {problem}; {remedy}")]
    Setting { field: String, problem: String, remedy: String },
    #[error("the file has no column {column:?}; its columns are {present}")]
    MissingColumn { column: String, present: String },
    #[error("the file has two columns named {column:?}; rename one of them")]
    DuplicateColumn { column: String },
    #[error("the file has no header line")]
    NoHeader,
    #[error("the file has more than {ROWS_MAX} rows; split it")]
    TooManyRows,
    #[error("line {line}: the file is cut off inside <{element}>; fetch it again")]
    CutOff { line: u64, element: String },
    #[error(
        "line {line}: the file ends inside a line, as one does that was cut off; fetch it again, or, if it is \
         whole, read it with --sha256, or add a line end"
    )]
    Unended { line: u64 },
}

/// Of a request whose row states no version.
const VERSION_NOT_STATED: u32 = 0;

/// Why one row is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowError {
    pub field: String,
    pub problem: String,
    pub remedy: String,
    pub fault: RowFault,
    /// What else is wrong, as it is told.
    pub further: Vec<String>,
}

impl RowError {
    /// A value that its field does not take; else say so by [`of_fault`](Self::of_fault).
    pub(crate) fn new(
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (field, problem, remedy) = (field.into(), problem.into(), remedy.into());
        Self { field, problem, remedy, fault: RowFault::Value, further: Vec::new() }
    }

    pub(crate) fn of_fault(self, fault: RowFault) -> Self {
        Self { fault, ..self }
    }

    pub(crate) fn too_long() -> Self {
        let problem = format!("the row is longer than {} MiB", ROW_SIZE_MAX >> 20);
        Self::new("", problem, "split its targets into several requests")
            .of_fault(RowFault::TooLong)
    }
}

/// Gathers rows from either kind of file.
#[derive(Default)]
struct Gathered {
    requests: Vec<v1::Request>,
    report: Vec<RowReport>,
    line_of: HashMap<String, u64>,
}

impl Gathered {
    /// `repairs`: what was changed in the row before it was read.
    fn take(
        &mut self,
        line: u64,
        id: &str,
        table: Result<::toml::Table, RowError>,
        repairs: Vec<String>,
        defaults: &Defaults,
    ) {
        self.take_in(line, id, table, Mistakes::default(), repairs, defaults);
    }

    /// `wrong`: what could not be read into the row.
    fn take_in(
        &mut self,
        line: u64,
        id: &str,
        table: Result<::toml::Table, RowError>,
        wrong: Mistakes,
        mut repairs: Vec<String>,
        defaults: &Defaults,
    ) {
        let built =
            table.and_then(|table| Row::built(table, wrong, defaults)).and_then(|built| match self
                .line_of
                .get(&built.request.id)
            {
                None => Ok(built),
                Some(first) => Err(RowError::new(
                    "id",
                    format!("{:?} stands already on line {first}", built.request.id),
                    "give each request its own id, or put all its targets into one row",
                )
                .of_fault(RowFault::Duplicate)),
            });
        let report = match built {
            Ok(built) => {
                self.line_of.insert(built.request.id.clone(), line);
                repairs.extend(built.repairs);
                let action =
                    if repairs.is_empty() { Action::Accepted } else { Action::Repaired(repairs) };
                let id = built.request.id.clone();
                self.requests.push(built.request);
                RowReport { id, action, notes: built.notes, ..RowReport::accepted(line) }
            }
            Err(error) => {
                let mut row = RowReport { id: id.to_owned(), ..RowReport::accepted(line) };
                row.refuse(error);
                row
            }
        };
        self.report.push(report);
    }

    fn finish(self) -> Imported {
        Imported { requests: self.requests, report: self.report, of_one: false }
    }
}

/// Refuses a file with too many rows before any is read. `row`: what each row holds at least once.
pub(crate) fn bounded(bytes: &[u8], row: &[u8]) -> Result<(), ImportError> {
    let rows = bytes.windows(row.len()).filter(|part| *part == row).count();
    if rows > ROWS_MAX { Err(ImportError::TooManyRows) } else { Ok(()) }
}

/// Counts lines as the rows of a text go on, and passes over none of it twice.
struct LinesAhead<'t> {
    text: &'t str,
    seen: usize,
    line: u64,
}

impl<'t> LinesAhead<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, seen: 0, line: 1 }
    }

    /// The line of a position; positions come in order.
    fn at(&mut self, position: usize) -> u64 {
        let passed = self.text.get(self.seen..position).unwrap_or_default();
        self.line += line_at(passed, passed.len()) - 1;
        self.seen = self.seen.max(position);
        self.line
    }
}

/// 1 for a position in the first line.
fn line_at(text: &str, position: usize) -> u64 {
    let before = text.as_bytes().get(..position).unwrap_or_default();
    1 + before.iter().filter(|b| **b == b'\n').count() as u64
}

/// What serde says of an unknown key, with the key as the field.
fn shape_error(message: &str) -> RowError {
    let first_line = message.lines().next().unwrap_or_default();
    if let Some(error) = shape::other_form(first_line) {
        return error;
    }
    let field = first_line
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next())
        .unwrap_or_default();
    if field.is_empty() {
        // What serde says where a table of a row lacks a key.
        let lacks = first_line.starts_with("missing field");
        let fault = if lacks { RowFault::Missing } else { RowFault::Value };
        return RowError::new(field, first_line, "correct the value").of_fault(fault);
    }
    RowError::new(field, first_line, "correct or remove the key").of_fault(RowFault::UnknownKey)
}
