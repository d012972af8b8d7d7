//! One reading of a log, line by line, with the calendar that its lines do not carry.

use std::io::{self, BufRead, Read};

use super::{ImportError, ImportOptions};
use crate::sources::{
    follow::LINE_SIZE_MAX,
    rpz::{Applied, canary::is_canary},
    stamp::Stamp,
    unbound_rpz::line::{self, Line},
};

/// One reading of the file.
pub(super) struct Pass<'a> {
    options: &'a ImportOptions,
    /// Of the last line that carried none.
    year: Option<i64>,
    month: u8,
    pub(super) year_assumed: u32,
    pub(super) last_s: i64,
    pub(super) parsed: u64,
    pub(super) not_understood: u64,
    pub(super) no_block: u64,
    pub(super) skipped: u64,
}

/// What a line came to.
pub(super) enum Found<'l, 'f> {
    /// A block, with its time.
    Block(&'l Applied<'f>, i64),
    NotUnderstood,
    /// The line ends here, whatever it was.
    End {
        offset: u64,
    },
}

pub(super) type Take<'t> = &'t mut dyn FnMut(Found<'_, '_>) -> Result<(), ImportError>;

impl<'a> Pass<'a> {
    pub(super) fn new(options: &'a ImportOptions) -> Self {
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

    /// Reads to the end; everything that is of use goes to `take`.
    pub(super) fn read(
        &mut self,
        lines: &mut impl BufRead,
        take: Take<'_>,
    ) -> Result<(), ImportError> {
        let mut line = Vec::new();
        let (mut number, mut offset) = (0, 0);
        loop {
            let size = read_line(lines, &mut line).map_err(ImportError::Read)?;
            if size == 0 {
                return Ok(());
            }
            number += 1;
            offset += size;
            self.line(number, line.strip_suffix(b"\n").unwrap_or(&line), take)?;
            take(Found::End { offset })?;
        }
    }

    fn line(&mut self, number: u64, line: &[u8], take: Take<'_>) -> Result<(), ImportError> {
        let applied = match line::parse(line, &[]) {
            Line::NotOurs => {
                self.skipped += 1;
                return Ok(());
            }
            Line::NotUnderstood => None,
            Line::Applied(applied) => Some(applied),
        };
        if let Some(applied) = applied {
            // Every line of ours moves the calendar, whether it is a block or not.
            let at_s = self.at(applied.stamp, number)?;
            if !line::is_hit(applied.done) {
                self.no_block += 1;
                return Ok(());
            }
            if let Some(at_s) = at_s {
                self.parsed += 1;
                self.last_s = self.last_s.max(at_s);
                if is_canary(&applied.owner) {
                    return Ok(());
                }
                return take(Found::Block(&applied, at_s));
            }
        }
        self.not_understood += 1;
        take(Found::NotUnderstood)
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

/// The next line with its end, cut where it is too long. Returns its whole size, 0 at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let limit = LINE_SIZE_MAX as u64 + 2;
    let mut size = input.take(limit).read_until(b'\n', line)?;
    if line.len() > LINE_SIZE_MAX && !line.ends_with(b"\n") {
        let mut rest = Vec::new();
        loop {
            rest.clear();
            let more = input.take(limit).read_until(b'\n', &mut rest)?;
            size += more;
            if more == 0 || rest.ends_with(b"\n") {
                break;
            }
        }
    }
    Ok(size as u64)
}
