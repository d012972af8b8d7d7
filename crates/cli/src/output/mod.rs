//! Answers: rows of named values, printed as a table, JSON, JSON lines or CSV.
//!
//! In: a [`Listing`]. Out: data on stdout; the completeness line after it (on stderr where stdout is
//! for machines, and as an object member in JSON). Column names are stable: they are added, never
//! renamed or moved.

mod completeness;
mod csv;
mod table;

use std::io::{self, Write};

use remit_proto::v1;
use serde_json::{Map, Value, json};

pub(crate) use table::{Table, escape};

use crate::{cli::Format, exit::CliError};

/// An answer of many rows.
pub(crate) struct Listing {
    /// Name of the list in JSON.
    pub(crate) noun: &'static str,
    pub(crate) columns: &'static [&'static str],
    /// One value for each column.
    pub(crate) rows: Vec<Vec<Value>>,
    /// The same for people.
    pub(crate) table: Table,
    pub(crate) completeness: Option<v1::Completeness>,
}

impl Listing {
    pub(crate) fn print(&self, format: Format) -> Result<(), CliError> {
        let mut out = Vec::new();
        match format {
            Format::Table => out.extend_from_slice(self.table.render().as_bytes()),
            Format::Json => {
                let mut answer = Map::new();
                answer.insert(self.noun.to_owned(), self.objects());
                if let Some(completeness) = &self.completeness {
                    answer.insert("completeness".to_owned(), completeness::json(completeness));
                }
                out.extend_from_slice(format!("{:#}\n", Value::Object(answer)).as_bytes());
            }
            Format::Jsonl => {
                for row in &self.rows {
                    out.extend_from_slice(format!("{}\n", self.object(row)).as_bytes());
                }
            }
            Format::Csv => out = csv::write(self.columns, &self.rows).map_err(CliError::Output)?,
        }
        write(&out)?;
        let Some(completeness) = &self.completeness else { return Ok(()) };
        let line = escape(&completeness::line(completeness));
        match format {
            Format::Table => write(format!("\n{line}\n").as_bytes()),
            Format::Json | Format::Jsonl | Format::Csv => {
                eprintln!("{line}");
                Ok(())
            }
        }
    }

    /// The rows as objects, for answers that hold several lists.
    pub(crate) fn objects(&self) -> Value {
        Value::Array(self.rows.iter().map(|row| self.object(row)).collect())
    }

    fn object(&self, row: &[Value]) -> Value {
        let members = self.columns.iter().zip(row);
        Value::Object(members.map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }
}

/// The completeness of an answer that is not a list.
pub(crate) fn completeness_json(completeness: Option<&v1::Completeness>) -> Value {
    completeness.map_or_else(|| json!(null), completeness::json)
}

/// CSV of rows that are no listing.
pub(crate) fn csv(columns: &[&str], rows: &[Vec<Value>]) -> Result<Vec<u8>, CliError> {
    csv::write(columns, rows).map_err(CliError::Output)
}

/// As [`escape`], for a text of lines.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Writes to stdout. `print!` would panic when the reader has gone.
pub(crate) fn write(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(CliError::Output)
}
