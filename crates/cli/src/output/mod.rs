//! Answers: rows of named values, printed as a table, JSON, JSON lines or CSV.
//!
//! In: rows, and their [`Layout`]. Out: data on stdout; the completeness line after it (on stderr
//! where stdout is for machines, and as an object member in JSON). Tables, and the line below them,
//! fit the terminal.

mod canaries;
mod completeness;
mod csv;
mod layout;
mod table;
mod terminal;

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
};

use register::hidden::is_hidden;
use remit_proto::v1;
use serde_json::{Map, Value, json};

pub(crate) use canaries::{account_text, canary_json, canary_text};
pub(crate) use completeness::{gap_text, line as completeness_line, silence_text, some};
pub(crate) use layout::{Cell, Field, Layout, fields};
pub(crate) use table::{Table, escape, wrap};
pub(crate) use terminal::width;

use crate::{cli::Format, exit::CliError};

/// An answer of many rows.
pub(crate) struct Listing {
    /// Name of the list in JSON.
    noun: &'static str,
    columns: Vec<&'static str>,
    /// One value for each column.
    rows: Vec<Vec<Value>>,
    /// The same for people.
    table: Table,
    completeness: Option<v1::Completeness>,
}

impl Listing {
    pub(crate) fn print(&self, format: Format) -> Result<(), CliError> {
        let mut out = Vec::new();
        match format {
            Format::Table => out.extend_from_slice(self.text(terminal::width()).as_bytes()),
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
            Format::Csv => out = csv::write(&self.columns, &self.rows).map_err(CliError::Output)?,
        }
        write(&out)?;
        let Some(completeness) = &self.completeness else { return Ok(()) };
        let line = escape(&completeness::line(completeness));
        match format {
            Format::Table => write(format!("\n{}\n", fitted(&line)).as_bytes()),
            Format::Json | Format::Jsonl | Format::Csv => {
                eprintln!("{line}");
                Ok(())
            }
        }
    }

    /// The table, made to fit.
    pub(crate) fn text(&self, width: usize) -> String {
        self.table.render(width)
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

/// A sentence on as many lines as the terminal needs.
pub(crate) fn fitted(sentence: &str) -> String {
    wrap(sentence, terminal::width()).join("\n")
}

/// A report of lines, each with its text at column `hang`: on a terminal, long ones go on below
/// there. In a file a claim stays on one line.
pub(crate) fn report(text: &str, hang: usize) -> String {
    match terminal::size() {
        Some(width) if width > 2 * hang => hung(text, hang, width),
        _ => text.to_owned(),
    }
}

fn hung(text: &str, hang: usize, width: usize) -> String {
    let indent = " ".repeat(hang);
    let line = |line: &str| {
        if line.chars().count() <= width {
            return line.to_owned();
        }
        let split = line.char_indices().nth(hang).map_or(line.len(), |(at, _)| at);
        let (head, rest) = line.split_at(split);
        format!("{head}{}", wrap(rest, width - hang).join(&format!("\n{indent}")))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// As [`escape`], for a text of lines.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Writes to stdout. `print!` would panic when the reader has gone.
pub(crate) fn write(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    // A file gets what was written, to the byte; a person sees what the terminal makes of it.
    let shown = match (stdout.is_terminal(), std::str::from_utf8(bytes)) {
        (true, Ok(text)) => Cow::Owned(seen(text).into_bytes()),
        (_, _) => Cow::Borrowed(bytes),
    };
    stdout.write_all(&shown).and_then(|()| stdout.flush()).map_err(CliError::Output)
}

/// As [`escape`], of what is laid out already, and as JSON writes it inside its texts, and TOML too but above U+FFFF,
/// where it refuses the two halves and takes no other character for one.
fn seen(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_hidden(letter) && !matches!(letter, '\n' | '\t') {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_reaches_a_terminal_in_the_texts_of_any_form() {
        let name = "a\u{202e}b\u{9b}31m\u{7f}c\u{e0041}1";
        let json = format!("{:#}\n", json!({ "name": name }));
        let shown = seen(&json);
        assert_eq!(shown, "{\n  \"name\": \"a\\u202eb\\u009b31m\\u007fc\\udb40\\udc411\"\n}\n");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["name"], name);
        // A joiner is a letter of Persian; a soft hyphen is none of a name.
        let words = "plain: ü, نمی\u{200c}خواهم\n";
        assert_eq!((seen(words), escape_lines(words)), (words.to_owned(), words.to_owned()));
        assert_eq!(seen("exam\u{ad}ple.org\u{200b}"), "exam\\u00adple.org\\u200b");
        assert_eq!(escape("exam\u{ad}ple.org\u{2060}"), "exam\\u{ad}ple.org\\u{2060}");
    }

    #[test]
    fn a_long_line_of_a_report_goes_on_under_its_text() {
        let text = "proven  words that are many\nshort\n";
        assert_eq!(hung(text, 8, 20), "proven  words that\n        are many\nshort\n");
    }
}
