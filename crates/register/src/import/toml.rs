//! The requests file that people write by hand.
//!
//! ```toml
//! time_zone = "Europe/Berlin"   # for times without an offset
//! end_date = "last_day"         # or "removal_day"; for ends that are only a date
//!
//! [[request]]
//! id = "vg-berlin/2026-17"
//! instrument = "court_order_final"
//! form = "letter"
//! authority = { name = "Verwaltungsgericht Berlin", branch = "judicial", country = "DE" }
//! from = 2026-02-01
//! until = 2026-07-31
//! territories = ["DE"]
//! techniques = ["dns_nxdomain"]
//! targets = ["domain_exact:example.org", "domain_subtree:example.net"]
//! ```
//!
//! The form has no end of its own: a file that ends inside a line imports nothing, and one that was cut between two
//! lines is a whole file with less in it. Who must know it states the digest of the file beside it.

use serde::Deserialize;
use toml::Spanned;

use super::{
    Gathered, ImportError, Imported, LinesAhead, ROW_SIZE_MAX, ROWS_MAX, RowError, bounded, ended,
    line_at,
    row::{Defaults, Purpose},
    times::{self, EndDate},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    time_zone: Option<String>,
    end_date: Option<EndDate>,
    #[serde(default)]
    request: Vec<Spanned<::toml::Table>>,
}

/// Reads a requests file. Each request is taken or refused by itself.
pub fn from_toml(text: &str) -> Result<Imported, ImportError> {
    toml_for(text, Purpose::Enter)
}

pub fn toml_for(text: &str, purpose: Purpose) -> Result<Imported, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Before anything is parsed, for what people write; "request = [{ ... }]" is counted behind it.
    bounded(text.as_bytes(), b"[[request]]")?;
    let file: File = ::toml::from_str(text).map_err(|e| cut_error(text, &e))?;
    let File { time_zone, end_date, request } = file;
    if request.len() > ROWS_MAX {
        return Err(ImportError::TooManyRows);
    }
    if let Some(name) = &time_zone {
        times::zone(name).map_err(setting_error)?;
    }
    ended(text.as_bytes())?;
    let defaults =
        Defaults { time_zone, end_date, commits_text: true, purpose, ..Defaults::default() };
    let mut gathered = Gathered::default();
    // What a span names is the header; a request goes on to the next one.
    let starts: Vec<usize> = request.iter().map(|spanned| spanned.span().start).collect();
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    let mut lines = LinesAhead::of(text);
    for ((spanned, start), end) in request.into_iter().zip(&starts).zip(ends) {
        let line = lines.at(*start);
        let size = end.saturating_sub(*start);
        let table = spanned.into_inner();
        let id = table.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
        let row = if size > ROW_SIZE_MAX { Err(RowError::too_long()) } else { Ok(table) };
        gathered.take(line, &id, row, Vec::new(), &defaults);
    }
    Ok(gathered.finish())
}

/// Where it breaks off at its end, it may be cut off; a cut may also make a key of a half one.
fn cut_error(text: &str, error: &::toml::de::Error) -> ImportError {
    let at_end = error.span().is_some_and(|span| span.end >= text.trim_end().len());
    match syntax_error(text, error) {
        ImportError::Syntax { line, message } if at_end || ended(text.as_bytes()).is_err() => {
            let message = format!("{message}; if the file is cut off, fetch it again");
            ImportError::Syntax { line, message }
        }
        error => error,
    }
}

pub(super) fn syntax_error(text: &str, error: &::toml::de::Error) -> ImportError {
    let line = line_at(text, error.span().map_or(0, |s| s.start));
    ImportError::Syntax { line, message: error.message().to_owned() }
}

pub(super) fn setting_error(error: super::RowError) -> ImportError {
    let super::RowError { field, problem, remedy, fault: _, further: _ } = error;
    ImportError::Setting { field, problem, remedy }
}
