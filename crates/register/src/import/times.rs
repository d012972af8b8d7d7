//! Dates and times of files → instants (DOMAIN.md 3f "Time zones", "Date-only end").

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    fmt::strtime,
    tz::{TimeZone, TimeZoneDatabase},
};
use remit_proto::v1::{self, TimePrecision};
use serde::Deserialize;

use super::RowError;

/// What a published end date means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndDate {
    /// The last day in force: the end is 00:00 of the next day.
    LastDay,
    /// The day of removal: the end is 00:00 of that day.
    RemovalDay,
}

/// A bound that opens or closes something: decides about the hour that a clock change repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Start,
    End,
}

/// How the times of one row are read, and what had to be assumed for it.
pub(super) struct Clock<'a> {
    pub zone: Option<&'a str>,
    pub end_date: Option<EndDate>,
    /// strptime; without it RFC 3339 and ISO 8601.
    pub format: Option<&'a str>,
    pub assumptions: Vec<String>,
    /// How each time stood in the file.
    pub notes: Vec<v1::TimeNote>,
}

/// A day that somebody typed, as an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedDay {
    pub at_s: i64,
    /// How it was written.
    pub note: v1::TimeNote,
    /// In which zone it was read, and what an end date was taken to mean.
    pub assumptions: Vec<String>,
}

/// A day in the zone of the authority, as a file would have it (DOMAIN.md 3f "Time zones", "Date-only end").
/// `None`: it is no date without a time. `Err`: what is wrong, or not said, and the remedy.
pub fn typed_day(
    field: &str,
    text: &str,
    time_zone: &str,
    end: Option<EndDate>,
) -> Option<Result<TypedDay, String>> {
    text.trim().parse::<Date>().ok().filter(|_| !text.contains([':', 'T', 't']))?;
    let mut clock = Clock {
        zone: Some(time_zone).filter(|zone| !zone.is_empty()),
        end_date: end,
        format: None,
        assumptions: Vec::new(),
        notes: Vec::new(),
    };
    let side = if end.is_some() { Side::End } else { Side::Start };
    let at_s = match clock.instant(field, text, side) {
        Ok(at_s) => at_s,
        Err(RowError { field, problem, remedy, fault: _, further: _ }) => {
            return Some(Err(format!("{field}: {problem}: {remedy}")));
        }
    };
    let note = clock.notes.pop().unwrap_or_default();
    Some(Ok(TypedDay { at_s, note, assumptions: clock.assumptions }))
}

enum Read {
    Instant(Timestamp),
    Local(DateTime),
    Day(Date),
}

impl Clock<'_> {
    pub(super) fn instant(&mut self, field: &str, text: &str, side: Side) -> Result<i64, RowError> {
        let text = text.trim();
        let read = self.read(field, text)?;
        self.notes.push(v1::TimeNote {
            field: field.to_owned(),
            written: text.to_owned(),
            precision: precision(&read, text).into(),
            zone_assumed: !matches!(read, Read::Instant(_)),
        });
        let local = match read {
            Read::Instant(at) => return in_range(field, at),
            Read::Local(local) => local,
            Read::Day(day) => self.midnight(field, day, side)?,
        };
        let name = self.zone.ok_or_else(|| {
            RowError::new(
                field,
                format!("{text:?} has no time zone"),
                "set time_zone, for example \"Europe/Berlin\", or write the offset",
            )
        })?;
        self.assume(format!("times read in {name}"));
        self.at_local(field, &zone(name)?, local, side)
    }

    /// The earlier instant of a doubled or skipped hour opens, the later one closes (DOMAIN.md 3f "Time zones").
    pub(super) fn at_local(
        &mut self,
        field: &str,
        zone: &TimeZone,
        local: DateTime,
        side: Side,
    ) -> Result<i64, RowError> {
        let instants = zone.to_ambiguous_timestamp(local);
        let ambiguous = instants.is_ambiguous();
        let (at, taken) = match side {
            Side::Start => (instants.earlier(), "earlier"),
            Side::End => (instants.later(), "later"),
        };
        let at = at.map_err(|_| out_of_range(field))?;
        if ambiguous {
            let name = zone.iana_name().unwrap_or("its zone");
            self.assume(format!(
                "{field}: {local} is doubled or skipped by a clock change in {name}, {taken} \
                 instant taken"
            ));
        }
        in_range(field, at)
    }

    fn read(&self, field: &str, text: &str) -> Result<Read, RowError> {
        let no_date = |error: jiff::Error| {
            let wanted = match self.format {
                Some(format) => match example(format) {
                    Ok(example) => {
                        format!("write it as date_format {format:?} says, such as {example}")
                    }
                    Err(_) => format!("write it as date_format {format:?} says"),
                },
                None => "write 2026-01-31, 2026-01-31T12:00:00 or 2026-01-31T12:00:00Z".to_owned(),
            };
            RowError::new(field, format!("{text:?} is no date: {error}"), wanted)
        };
        if let Some(format) = self.format {
            return read_as(format, text).map_err(no_date);
        }
        if !text.contains([':', 'T', 't']) {
            return text.parse().map(Read::Day).map_err(no_date);
        }
        match text.parse::<Timestamp>() {
            Ok(at) => Ok(Read::Instant(at)),
            Err(_) => text.parse().map(Read::Local).map_err(no_date),
        }
    }

    fn midnight(&mut self, field: &str, day: Date, side: Side) -> Result<DateTime, RowError> {
        let day = match (side, self.end_date) {
            (Side::Start, _) => day,
            (Side::End, Some(EndDate::RemovalDay)) => {
                self.assume("an end date is the day of removal".to_owned());
                day
            }
            (Side::End, Some(EndDate::LastDay)) => {
                self.assume("an end date is the last day in force".to_owned());
                day.tomorrow().map_err(|_| out_of_range(field))?
            }
            (Side::End, None) => {
                return Err(RowError::new(
                    field,
                    format!("{day} does not say whether the day is still included"),
                    "set end_date = \"last_day\" or \"removal_day\", or write a time",
                ));
            }
        };
        Ok(day.at(0, 0, 0, 0))
    }

    fn assume(&mut self, what: String) {
        if !self.assumptions.contains(&what) {
            self.assumptions.push(what);
        }
    }
}

fn read_as(format: &str, text: &str) -> Result<Read, jiff::Error> {
    let parts = strtime::parse(format, text)?;
    if parts.offset().is_some() {
        parts.to_timestamp().map(Read::Instant)
    } else if parts.hour().is_some() {
        parts.to_datetime().map(Read::Local)
    } else {
        parts.to_date().map(Read::Day)
    }
}

/// A time as a format has it. `Err`: no time at all could be read by it.
pub(super) fn example(format: &str) -> Result<String, jiff::Error> {
    let time: Timestamp = "2026-01-31T14:05:09Z".parse()?;
    let example = strtime::format(format, &time.to_zoned_datetime(TimeZone::UTC))?;
    read_as(format, &example)?;
    Ok(example)
}

/// What the source says, not what the instant could hold.
fn precision(read: &Read, text: &str) -> TimePrecision {
    match read {
        Read::Day(_) => TimePrecision::Date,
        Read::Instant(_) | Read::Local(_) => {
            // The offset has a colon of its own.
            let clock = text.split(['T', 't', ' ']).nth(1).unwrap_or(text);
            let hours = clock.split(['+', '-', 'Z', 'z']).next().unwrap_or(clock);
            let parts = hours.split(':').count();
            if parts > 2 { TimePrecision::Second } else { TimePrecision::Minute }
        }
    }
}

pub(super) fn zone(name: &str) -> Result<TimeZone, RowError> {
    // Only the database that is compiled in: the machine's own may be another one.
    let known = TimeZoneDatabase::bundled().get(name);
    known.map_err(|_| {
        RowError::new(
            "time_zone",
            format!("{name:?} is not in the IANA database"),
            "write a name such as \"Europe/Berlin\"",
        )
    })
}

/// "90s", "30min", "48h", "3d", "2w" in seconds; `None` if it is no duration at all.
pub(super) fn duration_s(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_s: u64 = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_s)
}

fn in_range(field: &str, at: Timestamp) -> Result<i64, RowError> {
    // 0 means "not stated" on the wire, and no order is older than the epoch.
    let at_s = at.as_second();
    if at_s > 0 { Ok(at_s) } else { Err(out_of_range(field)) }
}

fn out_of_range(field: &str) -> RowError {
    RowError::new(field, "the date is out of range", "write a date between 1970 and 9999")
}
