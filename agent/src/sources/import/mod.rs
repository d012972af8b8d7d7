//! Old log files, read afterwards: `remit-agent import FILE --source unbound_rpz --node NODE
//! [--year N] [--utc-offset ±HH:MM]`.
//!
//! In: a file that a filter wrote, and what its lines do not say (year, zone of its clock). Out: one
//! [`Report::Rules`] with the rules that its lines speak of, then [`Report::Hits`] in the order of the
//! file, each with the file's digest. An import is a node of its own, so that it never mixes with
//! what an agent saw itself.
//!
//! The file is read twice: once for its digest and its rules, once for its hits. If the second
//! reading finds another file, the import has failed and nothing of it may be kept.
//!
//! Promised: timestamps are the file's own; nothing is guessed: a line without a year and no
//! `--year` is refused, and a year that is assumed is in the provenance of every hit. From December
//! to January the assumed year moves on. Client addresses are dropped as in the live source.
//!
//! What the rules are is known from hits alone: the state is marked as possibly incomplete.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use remit_proto::v1::{LossCause, SourceKind};
use sha2::{Digest, Sha256};

use super::{
    SourceContext,
    unbound_rpz::{
        add_hit, hit,
        line::{self, Applied, LINE_SIZE_MAX, Line},
        rules::{Cause, LineKey, line_key, rule_of_line},
        stamp::Stamp,
    },
};
use crate::observation::{Hit, Import, KnownRule, Report, RuleState};

/// Hits of one report.
const HITS_MAX: usize = 512;
/// An import is read on a server, but a file of another kind must not eat its memory.
const RULES_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub struct ImportOptions {
    pub source: SourceKind,
    /// `--year`: of the first line, where lines carry none.
    pub year: Option<u32>,
    /// `--utc-offset`: of the clock that wrote lines without a zone.
    pub utc_offset_s: i64,
}

/// What became of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSummary {
    pub file_digest: [u8; 32],
    /// The year given by hand was needed.
    pub year_assumed: u32,
    pub rules: usize,
    /// Recorded as hits.
    pub parsed: u64,
    /// Would have been hits, or may have been.
    pub not_understood: u64,
    /// Ours, but no block: passthru, disabled, tcp-only.
    pub no_block: u64,
    /// Something else in the log.
    pub skipped: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file could not be read")]
    Read(#[source] io::Error),
    #[error("line {line} carries no year: say the year of the first line with --year")]
    YearMissing { line: u64 },
    #[error("--year {0} is not a year between 1970 and 9999")]
    Year(u32),
    #[error("no old logs of --source {0} can be imported; unbound_rpz can")]
    Source(&'static str),
    #[error("more than {RULES_MAX} rules: is this the log of one resolver?")]
    TooManyRules,
    #[error("the file changed while it was read: import a copy")]
    Changed,
}

/// Reads a whole file. Uses of the context: rule numbers, basis map, privacy.
pub fn read(
    path: &Path,
    options: &ImportOptions,
    context: &SourceContext,
    out: &mut dyn FnMut(Report),
) -> Result<ImportSummary, ImportError> {
    if options.source != SourceKind::UnboundRpz {
        return Err(ImportError::Source(options.source.as_str_name()));
    }
    if let Some(year) = options.year.filter(|y| !(1970..=9999).contains(y)) {
        return Err(ImportError::Year(year));
    }

    let mut first = Pass::new(options);
    let mut rules: BTreeMap<LineKey, Arc<KnownRule>> = BTreeMap::new();
    let digest = first.read(path, &mut |applied, _| {
        let key = line_key(applied);
        if !rules.contains_key(&key) {
            if rules.len() >= RULES_MAX {
                return Err(ImportError::TooManyRules);
            }
            rules.insert(key, Arc::new(rule_of_line(applied, "import", None, context)));
        }
        Ok(())
    })?;
    let import = Import { file_digest: digest, year_assumed: first.year_assumed };
    out(Report::Rules(RuleState {
        source: options.source,
        at_s: first.last_s,
        generation: 0,
        changed_by: String::new(),
        rules: rules.values().cloned().collect(),
        unstable: true,
    }));

    let mut hits: Vec<Hit> = Vec::new();
    let mut second = Pass::new(options);
    let mut send = |hits: &mut Vec<Hit>| {
        if !hits.is_empty() {
            let (hits, import) = (std::mem::take(hits), Some(import.clone()));
            out(Report::Hits { source: options.source, hits, cursor: None, import });
        }
    };
    let again = second.read(path, &mut |applied, at_s| {
        let key = line_key(applied);
        let rule = rules.get(&key).ok_or(ImportError::Changed)?.number;
        let cause = Cause { rule, other_candidates: Vec::new() };
        add_hit(&mut hits, hit(applied, cause, at_s, context));
        if hits.len() >= HITS_MAX {
            send(&mut hits);
        }
        Ok(())
    })?;
    send(&mut hits);
    if again != digest {
        return Err(ImportError::Changed);
    }
    let Pass { parsed, not_understood, no_block, skipped, last_s, year_assumed, .. } = second;
    if not_understood > 0 {
        out(Report::Lost {
            source: options.source,
            cause: LossCause::NotParsed,
            count: not_understood,
            at_s: last_s,
        });
    }
    Ok(ImportSummary {
        file_digest: digest,
        year_assumed,
        rules: rules.len(),
        parsed,
        not_understood,
        no_block,
        skipped,
    })
}

/// One reading of the file.
struct Pass<'a> {
    options: &'a ImportOptions,
    /// Of the last line that carried none.
    year: Option<i64>,
    month: u8,
    year_assumed: u32,
    last_s: i64,
    parsed: u64,
    not_understood: u64,
    no_block: u64,
    skipped: u64,
}

type Take<'t> = &'t mut dyn FnMut(&Applied<'_>, i64) -> Result<(), ImportError>;

impl<'a> Pass<'a> {
    fn new(options: &'a ImportOptions) -> Self {
        Self {
            options,
            year: options.year.map(i64::from),
            month: 0,
            year_assumed: 0,
            last_s: 0,
            parsed: 0,
            not_understood: 0,
            no_block: 0,
            skipped: 0,
        }
    }

    /// The digest of the file; every block goes to `take` with its time.
    fn read(&mut self, path: &Path, take: Take<'_>) -> Result<[u8; 32], ImportError> {
        let file = File::open(path).map_err(ImportError::Read)?;
        let mut input = Hashing { input: file, digest: Sha256::new() };
        let mut lines = BufReader::with_capacity(64 * 1024, &mut input);
        let mut line = Vec::new();
        let mut number = 0;
        while read_line(&mut lines, &mut line).map_err(ImportError::Read)? {
            number += 1;
            self.line(number, line.strip_suffix(b"\n").unwrap_or(&line), take)?;
        }
        drop(lines);
        Ok(input.digest.finalize().into())
    }

    fn line(&mut self, number: u64, line: &[u8], take: Take<'_>) -> Result<(), ImportError> {
        match line::parse(line, &[]) {
            Line::NotOurs => self.skipped += 1,
            Line::NotUnderstood => self.not_understood += 1,
            Line::Applied(applied) => {
                // Every line of ours moves the calendar, whether it is a block or not.
                let at_s = self.at(applied.stamp, number)?;
                match at_s {
                    _ if !applied.done.is_hit() => self.no_block += 1,
                    Some(at_s) => {
                        self.parsed += 1;
                        self.last_s = self.last_s.max(at_s);
                        take(&applied, at_s)?;
                    }
                    None => self.not_understood += 1,
                }
            }
        }
        Ok(())
    }

    /// `Ok(None)`: there is no such date in that year.
    fn at(&mut self, stamp: Stamp, line: u64) -> Result<Option<i64>, ImportError> {
        let offset = self.options.utc_offset_s;
        match stamp {
            Stamp::Absolute(at_s) => Ok(Some(at_s)),
            Stamp::Local { year, time } => Ok(time.at(year, offset)),
            Stamp::Yearless(time) => {
                let mut year = self.year.ok_or(ImportError::YearMissing { line })?;
                self.year_assumed = self.options.year.unwrap_or_default();
                // Lines of several threads may be a little out of order; half a year is not little.
                if self.month >= 10 && time.month <= 3 {
                    year += 1;
                    self.year = Some(year);
                    self.month = time.month;
                } else if !(self.month <= 3 && time.month >= 10 && self.month > 0) {
                    self.month = time.month;
                } else {
                    // A straggler of December after the first line of January.
                    return Ok(time.at(year - 1, offset));
                }
                Ok(time.at(year, offset))
            }
        }
    }
}

/// The next line with its end, cut where it is too long; false at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let limit = LINE_SIZE_MAX as u64 + 2;
    if input.take(limit).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.len() > LINE_SIZE_MAX {
        while !line.ends_with(b"\n") {
            let mut rest = Vec::new();
            if input.take(limit).read_until(b'\n', &mut rest)? == 0 || rest.ends_with(b"\n") {
                break;
            }
        }
    }
    Ok(true)
}

struct Hashing<R> {
    input: R,
    digest: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.input.read(buffer)?;
        self.digest.update(buffer.get(..size).unwrap_or_default());
        Ok(size)
    }
}

#[cfg(test)]
mod tests;
