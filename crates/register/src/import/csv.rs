//! A published CSV, read by a mapping that says what its columns mean.
//!
//! ```toml
//! delimiter = ";"
//! encoding = "windows-1251"
//! date_format = "%d.%m.%Y"
//! time_zone = "Europe/Moscow"
//! end_date = "removal_day"
//!
//! [columns]                          # key of a requests file = column of the CSV
//! id = { column = "Номер", prefix = "rsn/", replace = { " " = "-" } }
//! from = "Дата включения"
//! status = { column = "Статус", values = { "действует" = "accepted" } }
//!
//! [[targets]]
//! column = "Ресурс"
//! separator = "|"
//! kind_column = "Тип"
//! kinds = { "домен" = "domain_exact", "адрес" = "ip" }
//!
//! [constants]                        # keys of a requests file that no column holds
//! instrument = "regulator_order"
//! ```
//!
//! A last line without a line end is refused: it may be cut off. A quotation that is not closed, or whose closing mark
//! is followed by text, or that goes on over lines where its column takes one or where a line of it reads as a row, is
//! refused, and so is each line that it swallowed.
//!
//! An empty cell says nothing: the constant holds, if there is one. Rows are accepted requests
//! unless a status column says otherwise.

use std::{borrow::Cow, collections::BTreeMap};

use remit_proto::v1::RowFault;
use serde::Deserialize;

use super::{
    Action, Gathered, ImportError, Imported, Mistakes, ROW_SIZE_MAX, RowError, bounded, line_at,
    row::{Defaults, Purpose, Row},
    times::{self, EndDate},
    toml::{setting_error, syntax_error},
    whole::{
        Continued, Lines, OPEN_QUOTE_REMEDY, RowEnd, STRAY_QUOTE_REMEDY, SWALLOWED_REMEDY, Spaces,
        UNENDED_REMEDY, added_ended, behind, one_line, open_quote, place, stray_quote,
        swallowed_row,
    },
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(default = "comma")]
    delimiter: String,
    #[serde(default = "utf_8")]
    encoding: String,
    /// Lines above the header.
    #[serde(default)]
    skip_lines: usize,
    date_format: Option<String>,
    time_zone: Option<String>,
    end_date: Option<EndDate>,
    columns: BTreeMap<String, Column>,
    targets: Vec<TargetColumn>,
    #[serde(default)]
    constants: ::toml::Table,
}

/// Which column a key comes from, and what is done to the cell.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Column {
    Name(String),
    Detailed(DetailedColumn),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailedColumn {
    column: String,
    /// Text in the cell → what is written for it, where an id may not hold it. Only what is named is
    /// replaced, so that two numbers do not become one unnoticed; the report says what was.
    #[serde(default)]
    replace: BTreeMap<String, String>,
    /// Put before the cell.
    #[serde(default)]
    prefix: String,
    /// For keys that hold several values.
    separator: Option<String>,
    /// Cell → word; a cell that is not listed refuses the row.
    values: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetColumn {
    column: String,
    /// Kind of every target in the column, or else the column that says it.
    kind: Option<String>,
    kind_column: Option<String>,
    /// Cell of `kind_column` → kind; without it the cell is the kind.
    kinds: Option<BTreeMap<String, String>>,
    /// Several targets in one cell.
    separator: Option<String>,
    /// They must stay open.
    #[serde(default)]
    exception: bool,
}

impl Mapping {
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let mapping: Self = ::toml::from_str(text).map_err(|e| syntax_error(text, &e))?;
        added_ended(text)?;
        mapping.delimiter_byte()?;
        mapping.encoding()?;
        if let Some(name) = &mapping.time_zone {
            times::zone(name).map_err(setting_error)?;
        }
        if let Some(format) = &mapping.date_format {
            times::example(format).map_err(|error| {
                let problem = format!("no date can be read as {format:?}: {error}");
                let remedy = "write it as strptime has it, with a day, a month and a year, such as \"%d.%m.%Y\" for \
                              31.01.2026, or \"%Y-%m-%d %H:%M\" for 2026-01-31 14:05";
                setting("date_format", problem, remedy)
            })?;
        }
        if mapping.targets.is_empty() {
            return Err(setting("targets", "there is none", "say which column holds the targets"));
        }
        for target in &mapping.targets {
            if target.kind.is_some() == target.kind_column.is_some() {
                let problem = format!("column {:?} needs kind or kind_column", target.column);
                return Err(setting("targets.kind", problem, "give exactly one of the two"));
            }
        }
        // What is wrong in the constants is wrong in every row: say it once, before any.
        let probe = mapping.constants.clone();
        Row::read(probe).map_err(|e| {
            let field = format!("constants.{}", e.field);
            ImportError::Setting { field, problem: e.problem, remedy: e.remedy }
        })?;
        for (key, column) in &mapping.columns {
            let Column::Detailed(DetailedColumn { replace, .. }) = column else { continue };
            if replace.keys().any(String::is_empty) {
                let field = format!("columns.{key}.replace");
                return Err(setting(&field, "there is no text to replace", "write a character"));
            }
        }
        for key in mapping.columns.keys() {
            let inside = format!("{key}.");
            if let Some(other) = mapping.columns.keys().find(|k| k.starts_with(&inside)) {
                let problem = format!("it is one text here, and a table in columns.{other}");
                let remedy = format!("write columns.{key}.state, if it is the state");
                return Err(setting(&format!("columns.{key}"), problem, &remedy));
            }
            let mut probe = ::toml::Table::new();
            put(&mut probe, key, String::new(), None);
            Row::read(probe).map_err(|e| {
                setting(&format!("columns.{key}"), e.problem, "use a key of a requests file")
            })?;
        }
        Ok(mapping)
    }

    /// Whether a column holds this key of a requests file.
    pub fn has_column(&self, key: &str) -> bool {
        self.columns.contains_key(key)
    }

    /// A list is compared by the numbers that its rows have, and a constant is none of theirs.
    fn for_purpose(&self, purpose: Purpose) -> Cow<'_, Self> {
        match purpose {
            Purpose::Compare if self.constants.contains_key("external_ref") => {
                let mut mapping = self.clone();
                mapping.constants.remove("external_ref");
                Cow::Owned(mapping)
            }
            Purpose::Compare | Purpose::Enter => Cow::Borrowed(self),
        }
    }

    fn delimiter_byte(&self) -> Result<u8, ImportError> {
        match self.delimiter.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
            _ => {
                Err(setting("delimiter", "it is not one ASCII character", "write \";\" or \"\\t\""))
            }
        }
    }

    fn encoding(&self) -> Result<&'static encoding_rs::Encoding, ImportError> {
        encoding_rs::Encoding::for_label(self.encoding.as_bytes()).ok_or_else(|| {
            let problem = format!("{:?} is unknown", self.encoding);
            setting("encoding", problem, "write a name such as \"utf-8\" or \"windows-1251\"")
        })
    }
}

impl Mapping {
    /// As the file's encoding writes it; that of a mapping that was read is known.
    pub(super) fn line_end(&self) -> &'static [u8] {
        match encoding_rs::Encoding::for_label(self.encoding.as_bytes()) {
            Some(encoding) if encoding == encoding_rs::UTF_16LE => b"\n\0",
            Some(encoding) if encoding == encoding_rs::UTF_16BE => b"\0\n",
            Some(_) | None => b"\n",
        }
    }
}

/// Reads a CSV by its mapping. Each row is taken or refused by itself.
pub fn from_csv(bytes: &[u8], mapping: &Mapping) -> Result<Imported, ImportError> {
    csv_for(bytes, mapping, Purpose::Enter)
}

pub fn csv_for(bytes: &[u8], mapping: &Mapping, purpose: Purpose) -> Result<Imported, ImportError> {
    let mapping = &mapping.for_purpose(purpose);
    bounded(bytes, b"\n")?;
    let (text, _) = mapping.encoding()?.decode_with_bom_removal(bytes);
    let body = after_lines(&text, mapping.skip_lines);
    let delimiter = mapping.delimiter_byte()?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(true)
        .flexible(true)
        .from_reader(body.as_bytes());
    let header = reader.headers().map_err(|e| unreadable(&e))?.clone();
    let mut lines =
        Lines::new(body.as_bytes(), line_at(&text, text.len().saturating_sub(body.len())));
    let header_size = place(reader.position());
    let in_header = lines.at(0);
    match RowEnd::of(body.as_bytes(), 0, header_size, delimiter) {
        RowEnd::Whole | RowEnd::Unended => {}
        RowEnd::OpenQuote { at } => {
            let message = format!("{}; {OPEN_QUOTE_REMEDY}", open_quote(lines.peek(at)));
            return Err(ImportError::Syntax { line: in_header, message });
        }
        RowEnd::StrayQuote { at, closed } => {
            let problem = stray_quote(lines.peek(at), lines.peek(closed));
            let message = format!("{problem}; {STRAY_QUOTE_REMEDY}");
            return Err(ImportError::Syntax { line: in_header, message });
        }
    }
    let columns = Positions::find(mapping, &header)?;
    let defaults = Defaults {
        time_zone: mapping.time_zone.clone(),
        end_date: mapping.end_date,
        date_format: mapping.date_format.clone(),
        assumptions: Vec::new(),
        commits_text: false,
        purpose,
    };
    let mut gathered = Gathered::default();
    let mut records = reader.records();
    while let Some(record) = records.next() {
        let record = record.map_err(|e| unreadable(&e))?;
        let start = record.position().map_or(0, place);
        let end = place(records.reader().position());
        let line = lines.at(start);
        let (mut wrong, mut repairs) = (Mistakes::default(), Vec::new());
        let mut swallowed = Vec::new();
        let mut quote = |at: usize, problem: String, remedy: &str| {
            let row = body.as_bytes().get(..end).unwrap_or_default();
            swallowed = behind(row, at, lines.peek(at));
            Err(RowError::new("", problem, remedy).of_fault(RowFault::Form))
        };
        let (ends, quotes) =
            RowEnd::with_quotes(body.as_bytes(), start, end, delimiter, Spaces::MayFollow);
        if quotes.spaced {
            repairs.push("spaces between a quotation mark and the delimiter removed".to_owned());
        }
        let is_row = |line: &Continued| {
            let line = line.text(body.as_bytes());
            columns.is_row(line, delimiter, header.len(), mapping, &defaults)
        };
        let swallowed_line = quotes.lines.iter().find(|line| !line.is_last && is_row(line));
        let long_cell = columns.long_cell(&record).zip(quotes.lines.last());
        // What is quoted may be just so: whoever wrote it knows.
        let doubtful = quotes.lines.last().filter(|line| line.is_last && is_row(line));
        let doubt = doubtful.map(|line| {
            let said = swallowed_row(lines.peek(line.start), lines.peek(line.opened));
            format!("{said}: if it is one, a quotation mark is stray")
        });
        let table = match ends {
            RowEnd::Whole => match (swallowed_line, long_cell) {
                (Some(line), _) => {
                    let (at, start) = (line.opened, line.start);
                    quote(at, swallowed_row(lines.peek(start), lines.peek(at)), SWALLOWED_REMEDY)
                }
                (None, Some((column, line))) => {
                    let (at, last) = (line.opened, lines.peek(line.start));
                    quote(at, one_line(column, lines.peek(at), last), SWALLOWED_REMEDY)
                }
                (None, None) => {
                    columns.read(&record, header.len(), mapping, (&mut wrong, &mut repairs))
                }
            },
            RowEnd::Unended => {
                let problem = "its line does not end, as one that was cut off";
                Err(RowError::new("", problem, UNENDED_REMEDY).of_fault(RowFault::Form))
            }
            RowEnd::OpenQuote { at } => quote(at, open_quote(lines.peek(at)), OPEN_QUOTE_REMEDY),
            RowEnd::StrayQuote { at, closed } => {
                quote(at, stray_quote(lines.peek(at), lines.peek(closed)), STRAY_QUOTE_REMEDY)
            }
        };
        let named = |t: &::toml::Table| t.get("id").and_then(|i| i.as_str()).map(str::to_owned);
        let id = table.as_ref().ok().and_then(named);
        let id = id.or_else(|| columns.cell_of("id", &record)).unwrap_or_default();
        gathered.take_in(line, &id, table, wrong, repairs, &defaults);
        if let Some(row) = gathered.report.last_mut()
            && !matches!(row.action, Action::Refused(_))
        {
            row.notes.extend(doubt);
        }
        gathered.report.extend(swallowed);
    }
    Ok(gathered.finish())
}

/// Where the columns of the mapping stand in the file.
struct Positions {
    columns: Vec<(String, usize, DetailedColumn)>,
    targets: Vec<(usize, Option<usize>, TargetColumn)>,
}

impl Positions {
    fn find(mapping: &Mapping, header: &csv::StringRecord) -> Result<Self, ImportError> {
        if header.iter().all(|name| name.trim().is_empty()) {
            return Err(ImportError::NoHeader);
        }
        let position = |column: &str| {
            let mut found = header.iter().enumerate().filter(|(_, name)| name.trim() == column);
            match (found.next(), found.next()) {
                (Some((position, _)), None) => Ok(position),
                (Some(_), Some(_)) => {
                    Err(ImportError::DuplicateColumn { column: column.to_owned() })
                }
                (None, _) => Err(ImportError::MissingColumn {
                    column: column.to_owned(),
                    present: header.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", "),
                }),
            }
        };
        let mut columns = Vec::new();
        for (key, column) in &mapping.columns {
            let column = match column {
                Column::Detailed(column) => column.clone(),
                Column::Name(name) => DetailedColumn {
                    column: name.clone(),
                    replace: BTreeMap::new(),
                    prefix: String::new(),
                    separator: None,
                    values: None,
                },
            };
            columns.push((key.clone(), position(&column.column)?, column));
        }
        let mut targets = Vec::new();
        for target in &mapping.targets {
            let kind = target.kind_column.as_deref().map(position).transpose()?;
            targets.push((position(&target.column)?, kind, target.clone()));
        }
        Ok(Self { columns, targets })
    }

    fn cell_of(&self, key: &str, record: &csv::StringRecord) -> Option<String> {
        let (_, position, _) = self.columns.iter().find(|(k, _, _)| k == key)?;
        record.get(*position).map(|cell| cell.trim().to_owned())
    }

    /// The column of a cell of several lines that takes one.
    fn long_cell(&self, record: &csv::StringRecord) -> Option<&str> {
        let breaks = |position: &usize, separator: Option<&str>| {
            let cell = record.get(*position).unwrap_or_default().trim();
            cell.contains('\n') && !separator.is_some_and(|separator| separator.contains('\n'))
        };
        let of_columns = self
            .columns
            .iter()
            .filter(|(key, _, _)| !PROSE.contains(&key.as_str()))
            .find(|(_, position, column)| breaks(position, column.separator.as_deref()))
            .map(|(_, _, column)| column.column.as_str());
        let of_targets = || {
            let found = self.targets.iter().find(|(position, kind_position, column)| {
                breaks(position, column.separator.as_deref())
                    || kind_position.is_some_and(|position| breaks(&position, None))
            });
            found.map(|(_, _, column)| column.column.as_str())
        };
        of_columns.or_else(of_targets)
    }

    /// Whether a line that is text of a cell would be accepted as a row by itself.
    fn is_row(
        &self,
        line: &[u8],
        delimiter: u8,
        width: usize,
        mapping: &Mapping,
        defaults: &Defaults,
    ) -> bool {
        let delimiters = line.iter().filter(|byte| **byte == delimiter).count();
        if delimiters + 1 < width {
            return false;
        }
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(line);
        let Some(Ok(record)) = reader.records().next() else { return false };
        let mut wrong = Mistakes::default();
        let table = self.read(&record, width, mapping, (&mut wrong, &mut Vec::new()));
        table.is_ok_and(|table| wrong.is_none() && Row::built(table, wrong, defaults).is_ok())
    }

    fn read(
        &self,
        record: &csv::StringRecord,
        width: usize,
        mapping: &Mapping,
        (wrong, repairs): (&mut Mistakes, &mut Vec<String>),
    ) -> Result<::toml::Table, RowError> {
        if record.len() != width {
            return Err(RowError::new(
                "",
                format!("it has {} fields, the header has {width}", record.len()),
                "check quotation marks and delimiters in the row",
            )
            .of_fault(RowFault::Form));
        }
        if record.as_slice().len() > ROW_SIZE_MAX {
            return Err(RowError::too_long());
        }
        if record.iter().any(|cell| cell.contains('\u{fffd}')) {
            let problem = format!("it holds bytes that are no {}", mapping.encoding);
            return Err(RowError::new("encoding", problem, "name the file's encoding")
                .of_fault(RowFault::Form));
        }
        let mut table = mapping.constants.clone();
        let mut numbered_as = None;
        for (key, position, column) in &self.columns {
            let cell = record.get(*position).unwrap_or_default().trim();
            if cell.is_empty() {
                continue;
            }
            let unix = cell.replace("\r\n", "\n");
            if unix != cell {
                repairs.push(format!("{key}: line ends CR LF in the cell written as LF"));
            }
            let cell = unix.as_str();
            let cell = match column.values.as_ref().map(|values| values.get(cell)) {
                None => cell.to_owned(),
                Some(Some(word)) => word.clone(),
                Some(None) => {
                    let problem = format!("{cell:?} in column {:?} has no meaning", column.column);
                    wrong.add(RowError::new(key, problem, "list it under values of the mapping"));
                    // The constant is not what the row says.
                    remove(&mut table, key);
                    continue;
                }
            };
            let written = column.replaced(&cell);
            if written != cell {
                repairs.push(format!("{key}: {cell:?} written as {written:?}"));
            }
            if written != cell && key == "id" {
                numbered_as = Some(cell.clone());
            }
            let written = format!("{}{written}", column.prefix);
            put(&mut table, key, written, column.separator.as_deref());
        }
        if let Some(number) = numbered_as {
            // The authority's own number is not lost with what an id may not hold.
            table.entry("external_ref").or_insert_with(|| number.into());
        }
        let targets = self.targets_of(record, wrong);
        if !targets.is_empty() {
            table.insert("targets".to_owned(), ::toml::Value::Array(targets));
        }
        Ok(table)
    }

    fn targets_of(&self, record: &csv::StringRecord, wrong: &mut Mistakes) -> Vec<::toml::Value> {
        let mut targets = Vec::new();
        for (position, kind_position, column) in &self.targets {
            let cell = record.get(*position).unwrap_or_default();
            if cell.trim().is_empty() {
                continue;
            }
            let kind = match (kind_position, &column.kind) {
                (Some(position), _) => {
                    let cell = record.get(*position).unwrap_or_default();
                    let Some(kind) = wrong.some(kind_of(cell, column)) else { continue };
                    kind
                }
                (None, Some(kind)) => kind.clone(),
                (None, None) => String::new(),
            };
            let values: Vec<&str> = match column.separator.as_deref() {
                Some(separator) if !separator.is_empty() => cell.split(separator).collect(),
                Some(_) | None => vec![cell],
            };
            for value in values.into_iter().filter(|v| !v.trim().is_empty()) {
                let mut target = ::toml::Table::new();
                target.insert("kind".to_owned(), kind.clone().into());
                // The space around a separator is the file's, the rest is the target's.
                let value = if column.separator.is_some() { value.trim() } else { value };
                target.insert("value".to_owned(), value.into());
                target.insert("exception".to_owned(), column.exception.into());
                targets.push(target.into());
            }
        }
        targets
    }
}

impl DetailedColumn {
    /// In one pass from left to right, the longest text that fits first: what was written is not
    /// replaced again.
    fn replaced(&self, cell: &str) -> String {
        let mut written = String::with_capacity(cell.len());
        let mut rest = cell;
        while let Some(first) = rest.chars().next() {
            let fits = self.replace.iter().filter(|(text, _)| rest.starts_with(text.as_str()));
            let (text_size, with) = match fits.max_by_key(|(text, _)| text.len()) {
                Some((text, with)) => (text.len(), with.as_str()),
                None => (first.len_utf8(), rest.get(..first.len_utf8()).unwrap_or_default()),
            };
            written.push_str(with);
            rest = rest.get(text_size..).unwrap_or_default();
        }
        written
    }
}

fn kind_of(cell: &str, column: &TargetColumn) -> Result<String, RowError> {
    let cell = cell.trim();
    match &column.kinds {
        None => Ok(cell.to_owned()),
        Some(kinds) => kinds.get(cell).cloned().ok_or_else(|| {
            let named = column.kind_column.as_deref().unwrap_or_default();
            let problem = format!("{cell:?} in column {named:?} is no kind");
            RowError::new("targets", problem, "list it under kinds of the mapping")
        }),
    }
}

/// Keys of a requests file whose text may have several lines.
const PROSE: [&str; 5] =
    ["statement_of_reasons", "notice", "decision.text", "decision.escalation", "impact.collateral"];

/// Keys of a requests file that hold several texts.
const LISTS: [&str; 14] = [
    "legal_provisions",
    "keywords",
    "relations",
    "except_nodes",
    "cells",
    "except_audiences",
    "techniques",
    "territories",
    "nodes",
    "network_types",
    "audiences",
    "lists",
    "covers_lists",
    "exceptions",
];

/// "authority.name" is the key `name` of the table `authority`; "validity.redress.by", `by` of a table in a table.
fn put(table: &mut ::toml::Table, key: &str, cell: String, separator: Option<&str>) {
    if let Some((outer, inner)) = key.split_once('.') {
        let nested =
            table.entry(outer).or_insert_with(|| ::toml::Value::Table(::toml::Table::new()));
        // A constant that is no table says less than the columns inside it.
        if !nested.is_table() {
            *nested = ::toml::Value::Table(::toml::Table::new());
        }
        if let Some(nested) = nested.as_table_mut() {
            put(nested, inner, cell, None);
        }
        return;
    }
    let value = match separator {
        Some(separator) if !separator.is_empty() => cell
            .split(separator)
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(::toml::Value::from)
            .collect::<Vec<_>>()
            .into(),
        Some(_) | None if LISTS.contains(&key) => vec![::toml::Value::from(cell)].into(),
        Some(_) | None => ::toml::Value::from(cell),
    };
    table.insert(key.to_owned(), value);
}

fn remove(table: &mut ::toml::Table, key: &str) {
    match key.split_once('.') {
        None => drop(table.remove(key)),
        Some((outer, inner)) => {
            if let Some(nested) = table.get_mut(outer).and_then(::toml::Value::as_table_mut) {
                remove(nested, inner);
            }
        }
    }
}

fn after_lines(text: &str, count: usize) -> &str {
    let mut rest = text;
    for _ in 0..count {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}

fn setting(field: &str, problem: impl Into<String>, remedy: &str) -> ImportError {
    let (field, remedy) = (field.to_owned(), remedy.to_owned());
    ImportError::Setting { field, problem: problem.into(), remedy }
}

fn unreadable(error: &csv::Error) -> ImportError {
    let line = error.position().map_or(0, csv::Position::line);
    ImportError::Syntax { line, message: error.to_string() }
}

fn comma() -> String {
    ",".to_owned()
}

fn utf_8() -> String {
    "utf-8".to_owned()
}
