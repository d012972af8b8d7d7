//! The requests file as JSON, for programs that make one: the keys of the TOML file.
//!
//! ```json
//! {
//!   "time_zone": "Europe/Berlin",
//!   "end_date": "last_day",
//!   "requests": [
//!     { "id": "vg-berlin/2026-17", "instrument": "court_order_final", "form": "letter",
//!       "from": "2026-02-01", "territories": ["DE"], "techniques": ["dns_nxdomain"],
//!       "targets": ["domain_exact:example.org"] }
//!   ]
//! }
//! ```
//!
//! A file that is no JSON to its end imports nothing: what was cut off cannot be known. Within it, a
//! request is taken whole or refused whole. A key that stands twice refuses its request, since readers
//! differ in which of the two they take (RFC 8259 section 4); so do `null` and fractions.

use std::fmt;

use remit_proto::v1::RowFault;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Gathered, ImportError, Imported, LinesAhead, ROW_SIZE_MAX, ROWS_MAX, RowError,
    row::{Defaults, Purpose},
    times::{self, EndDate},
    toml::setting_error,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'t> {
    time_zone: Option<String>,
    end_date: Option<EndDate>,
    #[serde(borrow)]
    requests: Vec<&'t RawValue>,
}

/// Reads a requests file. Each request is taken or refused by itself.
pub fn from_json(text: &str) -> Result<Imported, ImportError> {
    json_for(text, Purpose::Enter)
}

pub fn json_for(text: &str, purpose: Purpose) -> Result<Imported, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('[') {
        let message = "a list where an object is to stand: { \"requests\": [ ... ] }".to_owned();
        return Err(ImportError::Syntax { line: 1, message });
    }
    let file: File<'_> = serde_json::from_str(text).map_err(|error| {
        let cut = if error.is_eof() { ": the file is cut off; fetch it again" } else { "" };
        let message = format!("{}{cut}", without_place(&error));
        ImportError::Syntax { line: error.line() as u64, message }
    })?;
    let File { time_zone, end_date, requests } = file;
    if requests.len() > ROWS_MAX {
        return Err(ImportError::TooManyRows);
    }
    if let Some(name) = &time_zone {
        times::zone(name).map_err(setting_error)?;
    }
    let defaults =
        Defaults { time_zone, end_date, commits_text: true, purpose, ..Defaults::default() };
    let mut gathered = Gathered::default();
    let mut lines = LinesAhead::of(text);
    for raw in requests {
        // Each is a part of the text.
        let start = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let line = lines.at(start);
        let table = table(raw.get());
        let id = table.as_ref().ok().and_then(|t| t.get("id")).and_then(|id| id.as_str());
        let id = id.unwrap_or_default().to_owned();
        gathered.take(line, &id, table, Vec::new(), &defaults);
    }
    Ok(gathered.finish())
}

fn table(text: &str) -> Result<::toml::Table, RowError> {
    if text.len() > ROW_SIZE_MAX {
        return Err(RowError::too_long());
    }
    let read = serde_json::from_str::<Strict>(text);
    match read {
        Ok(Strict(::toml::Value::Table(table))) => Ok(table),
        Ok(Strict(_)) => {
            Err(RowError::new("", "it is no object", "write { \"id\": ... }")
                .of_fault(RowFault::Form))
        }
        Err(error) => {
            Err(RowError::new("", without_place(&error), "correct the value")
                .of_fault(RowFault::Form))
        }
    }
}

/// Serde's message without its line and column: the row has its own.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// A JSON value as the rest of the import reads it; nothing of it is dropped or guessed.
struct Strict(::toml::Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = ::toml::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, true, false, a list or an object")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        i64::try_from(value).map(Into::into).map_err(|_| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = parts.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut table = ::toml::Table::new();
        while let Some(key) = parts.next_key::<String>()? {
            let Strict(value) = parts.next_value()?;
            if table.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            table.insert(key, value);
        }
        Ok(table.into())
    }
}
