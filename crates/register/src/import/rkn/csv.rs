//! The CSV of zapret-info: a first line `Updated: <time>`, then six fields separated by `;`, without a
//! header, in windows-1251:
//!
//! ```text
//! Updated: 2018-04-26 12:00:00 +0000
//! 192.0.2.1 | 192.0.2.2;*.example.org;https://example.org/page;Мосгорсуд;2-1234/2018;2018-04-01
//! ```
//!
//! addresses and subnets, names, URLs, who decided, the decision's number, its date. Several values are
//! separated by `|`; URLs by ` | `, because a URL may hold a bar.
//!
//! A line has no number of its own, and a decision has many: the lines of one decision (body, number and
//! date) are one request. Its id is `rkn-csv/` and the first 16 hex digits of the SHA-256 of the three with
//! a line feed behind each, so that the same decision has the same id in the next file. The file has no
//! time of inclusion: a request is in force from the date of its decision, and says so.

use std::collections::HashMap;

use remit_proto::v1::RowFault;
use sha2::{Digest, Sha256};

use super::{
    Decision, ZONE, form, instrument_stated,
    mend::{Mended, mended},
    table,
};
use crate::import::{
    Gathered, ImportError, Imported, ROW_SIZE_MAX, RowError, RowReport, bounded, ended,
    settings::Settings,
    target,
    whole::{Lines, OPEN_QUOTE_REMEDY, RowEnd, STRAY_QUOTE_REMEDY, open_quote, place, stray_quote},
};

const FIELDS: usize = 6;

/// Reads the published CSV. Each line is taken or refused by itself, in a file that is whole.
pub fn from_rkn_csv(bytes: &[u8], settings: &Settings) -> Result<Imported, ImportError> {
    bounded(bytes, b"\n")?;
    let (first, body) = match bytes.iter().position(|b| *b == b'\n') {
        Some(at) => bytes.split_at(at + 1),
        None => (bytes, &[][..]),
    };
    if !first.starts_with(b"Updated:") {
        let message =
            "it does not begin with \"Updated:\"; the form is that of zapret-info's dump.csv";
        return Err(ImportError::Syntax { line: 1, message: message.to_owned() });
    }
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(b';')
        .has_headers(false)
        .flexible(true)
        .from_reader(body);
    let mut groups = Groups::default();
    // The first line is that of the time.
    let mut lines = Lines::new(body, 2);
    let mut record = ::csv::ByteRecord::new();
    loop {
        let start = place(reader.position());
        let more = reader.read_byte_record(&mut record).map_err(|error| ImportError::Syntax {
            line: lines.peek(start),
            message: error.to_string(),
        })?;
        if !more {
            break;
        }
        let line = lines.at(start);
        whole(body, (start, place(reader.position())), &lines)?;
        groups.take(line, &record);
    }
    ended(bytes)?;
    groups.finish(settings)
}

/// What a quotation swallowed are lines of decisions that then look smaller than they are.
fn whole(body: &[u8], (start, end): (usize, usize), lines: &Lines<'_>) -> Result<(), ImportError> {
    let (at, problem, remedy) = match RowEnd::of(body, start, end, b';') {
        RowEnd::Whole | RowEnd::Unended => return Ok(()),
        RowEnd::OpenQuote { at } => (at, open_quote(lines.peek(at)), OPEN_QUOTE_REMEDY),
        RowEnd::StrayQuote { at, closed } => {
            (at, stray_quote(lines.peek(at), lines.peek(closed)), STRAY_QUOTE_REMEDY)
        }
    };
    Err(ImportError::Syntax { line: lines.peek(at), message: format!("{problem}; {remedy}") })
}

#[derive(Default)]
struct Groups {
    at: HashMap<Decision, usize>,
    /// In the order of the file.
    decisions: Vec<Group>,
    report: Vec<RowReport>,
}

struct Group {
    decision: Decision,
    id: String,
    /// As `targets` writes them, and no tables: a register has millions.
    values: Vec<(&'static str, Mended)>,
    /// Positions in the report.
    rows: Vec<usize>,
}

impl Groups {
    fn take(&mut self, line: u64, record: &::csv::ByteRecord) {
        let mut row = RowReport::accepted(line);
        match read(record) {
            Ok((decision, values, repairs)) => {
                let known = self.at.get(&decision).copied();
                let at = known.unwrap_or_else(|| {
                    let (at, id) = (self.decisions.len(), id_of(&decision));
                    self.at.insert(decision.clone(), at);
                    let (values, rows) = Default::default();
                    self.decisions.push(Group { decision, id, values, rows });
                    at
                });
                if let Some(group) = self.decisions.get_mut(at) {
                    row.id = group.id.clone();
                    group.values.extend(values);
                    group.rows.push(self.report.len());
                }
                if !repairs.is_empty() {
                    row.action = crate::import::Action::Repaired(repairs);
                }
            }
            Err(error) => row.refuse(error),
        }
        self.report.push(row);
    }

    fn finish(mut self, settings: &Settings) -> Result<Imported, ImportError> {
        let mut defaults = settings.defaults(Some(ZONE));
        defaults.assumptions.push(
            "in force from the date of its decision: the file has no time of inclusion".to_owned(),
        );
        let mut gathered = Gathered::default();
        for Group { decision, id, mut values, rows } in self.decisions {
            let mut seen = std::collections::HashSet::new();
            values.retain(|(kind, mended)| seen.insert((*kind, mended.value.clone())));
            let targets: Vec<::toml::Value> =
                values.into_iter().map(|(kind, mended)| table(kind, mended, "")).collect();
            let mut row = form(settings);
            row.insert("id".to_owned(), id.clone().into());
            row.insert("from".to_owned(), decision.date.clone().into());
            decision.write(&mut row, settings);
            row.insert("targets".to_owned(), targets.into());
            let row = instrument_stated(&row).map(|()| row);
            let line = rows.first().and_then(|at| self.report.get(*at)).map_or(1, |row| row.line);
            let mut built = Gathered::default();
            built.take(line, &id, row, Vec::new(), &defaults);
            gathered.requests.extend(built.requests);
            let Some(whole) = built.report.pop() else { continue };
            for (place, at) in rows.into_iter().enumerate() {
                let Some(row) = self.report.get_mut(at) else { continue };
                if let crate::import::Action::Refused(_) = whole.action {
                    let (id, line) = (row.id.clone(), row.line);
                    *row = RowReport { id, line, ..whole.clone() };
                } else if place == 0 {
                    row.notes.clone_from(&whole.notes);
                }
            }
        }
        gathered.report = self.report;
        Ok(gathered.finish())
    }
}

/// Decision, values with their kinds, and what was repaired in them.
type Read = (Decision, Vec<(&'static str, Mended)>, Vec<String>);

fn read(record: &::csv::ByteRecord) -> Result<Read, RowError> {
    if record.as_slice().len() > ROW_SIZE_MAX {
        return Err(RowError::too_long());
    }
    if record.len() != FIELDS {
        let problem = format!("it has {} fields, the form has {FIELDS}", record.len());
        let remedy = "fetch the file again: the line may be cut off";
        return Err(RowError::new("", problem, remedy).of_fault(RowFault::Form));
    }
    let cell = |at: usize| {
        let bytes = record.get(at).unwrap_or_default();
        encoding_rs::WINDOWS_1251.decode_without_bom_handling(bytes).0.trim().to_owned()
    };
    let date = cell(5);
    if date.parse::<jiff::civil::Date>().is_err() {
        let problem = format!("{date:?} is no date");
        return Err(RowError::new("date", problem, "write it as 2026-01-31"));
    }
    let decision = Decision { org: cell(3), number: cell(4), date };
    let split = |at: usize, kind: &'static str, separator: &str| -> Vec<(&'static str, Mended)> {
        let cell = cell(at);
        let parts = cell.split(separator).map(str::trim).filter(|part| !part.is_empty());
        parts.flat_map(|part| mended(kind, part)).map(|mended| (kind, mended)).collect()
    };
    // As blockType has it in the XML, which this form does not carry on.
    let mut found = split(2, "url", " | ");
    if found.is_empty() {
        found = split(1, "domain_exact", "|");
    }
    if found.is_empty() {
        found = split(0, "cidr", "|");
    }
    if found.is_empty() {
        let remedy = "an entry names a URL, a name or an address";
        return Err(RowError::new("targets", "missing", remedy).of_fault(RowFault::Missing));
    }
    let mut repairs = Vec::new();
    for (kind, mended) in &found {
        let table = table(kind, mended.clone(), "");
        repairs.extend(target::repairs_of("targets", &table)?);
    }
    Ok((decision, found, repairs))
}

fn id_of(decision: &Decision) -> String {
    let Decision { org, number, date } = decision;
    let digest = Sha256::digest(format!("{org}\n{number}\n{date}\n"));
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("rkn-csv/{hex}")
}
