//! Old log files, read afterwards: `remit-agent import FILE --source unbound_rpz --config FILE
//! [--year N] [--utc-offset SECONDS]`.
//!
//! In: a file that a filter wrote, and what its lines do not say (year, zone of its clock). Out:
//! groups of [`Report`]s, in the order of the file: rules that its lines speak of before the hits that
//! name them, each hit with the file's digest. An import is a node of its own, so that it never mixes
//! with what an agent saw itself.
//!
//! The file is read twice: [`survey`] finds its digest and whether every line can be dated, and
//! records nothing; [`read`] hands out the hits. Bytes that are not those of the first reading are
//! never used (`blocks`): if the file changes before the second reading has passed, that one stops
//! there, and what was recorded is of the file as it was first read.
//!
//! Promised:
//! - Timestamps are the file's own; nothing is guessed: a line without a year and no `--year` is
//!   refused, and a year that is assumed is in the provenance of every hit. From December to January
//!   the assumed year moves on. Client addresses are dropped as in the live source.
//! - Each line once: how far a file was read is durable with its hits, under its digest. An import
//!   that was interrupted continues at the next line, and a file that was read to its end is not
//!   read again.
//!
//! Nothing is said of which rules were installed: a log knows deeds alone.

mod blocks;
mod pass;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use remit_proto::v1::SourceKind;

use self::{
    blocks::{Blocks, Reading},
    pass::{Found, Pass},
};
use super::{
    SourceContext,
    rpz::{
        hit,
        rules::{Cause, LineKey, line_key, rule_of_line},
    },
    tail::add_hit,
};
use crate::observation::{Cursor, Hit, Import, KnownRule, NotParsed, Report};

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
    /// Time of the newest hit.
    pub last_s: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{} cannot be read", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not a file: it has to be read twice", path.display())]
    NotAFile { path: PathBuf },
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    #[error("line {line} carries no year: say the year of the first line with --year")]
    YearMissing { line: u64 },
    #[error("--year {0} is not a year between 1970 and 9999")]
    Year(u32),
    #[error("--utc-offset {0} is not within a day, in seconds east of UTC")]
    UtcOffset(i64),
    #[error("no old logs of --source {0} can be imported; unbound_rpz can")]
    Source(&'static str),
    #[error("more than {RULES_MAX} rules: is this the log of one resolver?")]
    TooManyRules,
    #[error("the file changed while it was read: import a copy")]
    Changed,
    #[error(
        "this file was imported before with other values of --year or --utc-offset, which cannot be \
         taken back: enrol another node to import it anew"
    )]
    OtherOptions,
    #[error("the import was interrupted: the same command continues it")]
    Interrupted,
    #[error(
        "the spool is full: let `remit-agent run` hand in what it holds, then the same command \
         continues the import"
    )]
    NoRoom,
}

/// Whoever takes the reports wants no more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMore;

/// Takes reports that must become durable together.
pub type TakeReports<'t> = &'t mut dyn FnMut(Vec<Report>) -> Result<(), NoMore>;

/// What the first reading found.
#[derive(Debug, Clone)]
pub struct Survey {
    pub summary: ImportSummary,
    blocks: Blocks,
}

/// Opens a file that can be read twice.
pub fn open(path: &Path) -> Result<File, ImportError> {
    let failed = |source| ImportError::Open { path: path.to_owned(), source };
    // Before it is opened: a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ImportError::NotAFile { path: path.to_owned() });
    }
    File::open(path).map_err(failed)
}

/// The first reading.
pub fn survey(file: &File, options: &ImportOptions) -> Result<Survey, ImportError> {
    if options.source != SourceKind::UnboundRpz {
        return Err(ImportError::Source(options.source.as_str_name()));
    }
    if let Some(year) = options.year.filter(|year| !(1970..=9999).contains(year)) {
        return Err(ImportError::Year(year));
    }
    if !(-86_400..=86_400).contains(&options.utc_offset_s) {
        return Err(ImportError::UtcOffset(options.utc_offset_s));
    }
    let before = blocks::Stamp::of(file).map_err(ImportError::Read)?;
    let mut pass = Pass::new(options);
    let mut rules: BTreeSet<LineKey> = BTreeSet::new();
    let mut reading = Reading::first(file);
    pass.read(&mut reading, &mut |found| {
        if let Found::Block(applied, _) = found {
            rules.insert(line_key(applied));
        }
        if rules.len() > RULES_MAX { Err(ImportError::TooManyRules) } else { Ok(()) }
    })?;
    let blocks = reading.finish();
    if before != blocks::Stamp::of(file).map_err(ImportError::Read)? {
        return Err(ImportError::Changed);
    }
    let Pass { parsed, not_understood, no_block, skipped, last_s, year_assumed, .. } = pass;
    let summary = ImportSummary {
        file_digest: blocks.digest,
        year_assumed,
        rules: rules.len(),
        parsed,
        not_understood,
        no_block,
        skipped,
        last_s,
    };
    Ok(Survey { summary, blocks })
}

impl Survey {
    /// Where the second reading begins, by what is durable of this file.
    pub fn position(
        &self,
        options: &ImportOptions,
        cursors: &[Cursor],
    ) -> Result<Position, ImportError> {
        let own = self.mark(options, 0);
        let digest = |cursor: &&Cursor| {
            cursor.head_digest == own.head_digest && cursor.path.starts_with(MARKS)
        };
        match cursors.iter().find(digest) {
            None => Ok(Position::Offset(0)),
            Some(cursor) if cursor.path != own.path => Err(ImportError::OtherOptions),
            Some(cursor) if cursor.offset >= self.blocks.size => Ok(Position::Done),
            Some(cursor) => Ok(Position::Offset(cursor.offset)),
        }
    }

    /// How far this file was read. It is known by its digest, wherever it lies.
    fn mark(&self, options: &ImportOptions, offset: u64) -> Cursor {
        let digest = self.blocks.digest;
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let ImportOptions { source, year, utc_offset_s } = options;
        let (source, year) = (source.as_str_name(), year.unwrap_or_default());
        let path = Path::new(MARKS).join(format!("{hex} {source} {year} {utc_offset_s}"));
        Cursor { path, inode: 0, offset, head_size: 0, head_digest: digest }
    }
}

/// Where a reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Offset(u64),
    /// All of it was recorded before.
    Done,
}

/// No log file has such a path: those of the settings are absolute.
const MARKS: &str = "import";

/// The second reading, from `begin_offset` on. Uses of the context: rule numbers, basis map, privacy.
pub fn read(
    file: &File,
    options: &ImportOptions,
    survey: &Survey,
    begin_offset: u64,
    context: &SourceContext,
    out: TakeReports<'_>,
) -> Result<(), ImportError> {
    let Survey { summary, blocks } = survey;
    let ImportSummary { file_digest, year_assumed, .. } = summary;
    let mut gathered = Gathered {
        options,
        survey,
        import: Import { file_digest: *file_digest, year_assumed: *year_assumed },
        rules: BTreeMap::new(),
        new_rules: Vec::new(),
        hits: Vec::new(),
        not_understood: 0,
        offset: begin_offset,
        at_s: summary.last_s,
        out,
    };
    let mut pass = Pass::new(options);
    let mut reading = Reading::again(file, blocks);
    let passed = pass.read(&mut reading, &mut |found| gathered.take(found, context));
    if reading.has_changed {
        return Err(ImportError::Changed);
    }
    passed?;
    // Also without hits: that all of it was read is to be known.
    gathered.offset = blocks.size;
    gathered.send()
}

/// What was read and not yet handed out.
struct Gathered<'a, 't> {
    options: &'a ImportOptions,
    survey: &'a Survey,
    import: Import,
    rules: BTreeMap<LineKey, Arc<KnownRule>>,
    new_rules: Vec<Arc<KnownRule>>,
    hits: Vec<Hit>,
    not_understood: u64,
    /// Behind the last line that is gathered, or was recorded before.
    offset: u64,
    at_s: i64,
    out: TakeReports<'t>,
}

impl Gathered<'_, '_> {
    fn take(&mut self, found: Found<'_, '_>, context: &SourceContext) -> Result<(), ImportError> {
        match found {
            Found::Block(applied, at_s) => {
                self.at_s = at_s;
                let rule = self.rules.entry(line_key(applied)).or_insert_with(|| {
                    let rule = Arc::new(rule_of_line(applied, "import", context));
                    self.new_rules.push(rule.clone());
                    rule
                });
                let cause = Cause::of(rule.number, applied);
                add_hit(&mut self.hits, hit(applied, cause, at_s, context));
            }
            Found::NotUnderstood => self.not_understood += 1,
            Found::End { offset } if offset <= self.offset => {
                // Recorded before this run: only the calendar and the rules are of use.
                self.hits.clear();
                self.not_understood = 0;
            }
            Found::End { offset } => {
                self.offset = offset;
                if self.hits.len() >= HITS_MAX {
                    return self.send();
                }
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), ImportError> {
        let source = self.options.source;
        let mut reports = Vec::new();
        if !self.new_rules.is_empty() {
            let rules = std::mem::take(&mut self.new_rules);
            reports.push(Report::RulesOfLines { source, rules });
        }
        let count = std::mem::take(&mut self.not_understood);
        let not_parsed = NotParsed { count, at_s: self.at_s };
        let hits = std::mem::take(&mut self.hits);
        let cursor = Some(self.survey.mark(self.options, self.offset));
        reports.push(Report::Hits {
            source,
            hits,
            not_parsed,
            canaries: None,
            cursor,
            import: Some(self.import.clone()),
        });
        (self.out)(reports).map_err(|NoMore| ImportError::Interrupted)
    }
}

#[cfg(test)]
mod tests;
