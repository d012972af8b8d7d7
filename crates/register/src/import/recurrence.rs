//! "Every Saturday from 15:00 until 17:30" → the instants of each time, in the zone of the authority.
//!
//! Resolved when the statement is made (DESIGN.md section 3): whoever judges later needs no calendar.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
};
use remit_proto::v1;
use serde::Deserialize;

use super::{
    RowError,
    mistakes::Mistakes,
    times::{Clock, Side, zone},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurrenceRow {
    /// "mon" to "sun"; none: every day.
    #[serde(default)]
    days: Vec<String>,
    /// "15:00"
    from: String,
    /// "17:30"; not later than `from`: on the next day.
    until: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowRow {
    from: String,
    until: String,
}

impl WindowRow {
    pub(super) fn build(self, clock: &mut Clock<'_>, wrong: &mut Mistakes) -> v1::Window {
        let from_s = wrong.take(clock.instant("windows.from", &self.from, Side::Start));
        let until_s = wrong.take(clock.instant("windows.until", &self.until, Side::End));
        v1::Window { from_s, until_s }
    }
}

/// A register entry is no calendar: more than these are asked for again in a later version.
const WINDOWS_MAX: usize = 1_000;

impl RecurrenceRow {
    /// The windows of the span, cut to it.
    pub(super) fn windows(
        &self,
        clock: &mut Clock<'_>,
        from_s: i64,
        until_s: Option<i64>,
    ) -> Result<Vec<v1::Window>, RowError> {
        let wrong = |problem: &str, remedy: &str| RowError::new("recurrence", problem, remedy);
        let until_s = until_s
            .ok_or_else(|| wrong("it has no end", "say until when, and renew it by a version"))?;
        let name = clock.zone.ok_or_else(|| {
            wrong("its hours have no time zone", "set time_zone, for example \"Europe/Berlin\"")
        })?;
        let zone = zone(name)?;
        let days = self.days.iter().map(|day| weekday(day)).collect::<Result<Vec<_>, _>>()?;
        let hour = |text: &str| {
            let problem = format!("{text:?} is no time of day");
            text.parse::<Time>()
                .map_err(|_| RowError::new("recurrence", problem, "write 15:00 or 15:00:00"))
        };
        let (opens, closes) = (hour(&self.from)?, hour(&self.until)?);
        let local = |at_s: i64| {
            Timestamp::from_second(at_s)
                .map(|at| zone.to_datetime(at).date())
                .map_err(|_| wrong("its span is out of range", "write dates before 9999"))
        };
        let last = local(until_s)?;
        // One that began on the day before may reach into the span.
        let mut day = local(from_s)?.saturating_sub(1.day());
        let mut windows = Vec::new();
        while day <= last {
            if days.is_empty() || days.contains(&day.weekday()) {
                let end = if closes > opens { day } else { day.saturating_add(1.day()) };
                let mut at = |day: Date, hour, side| {
                    clock.at_local("recurrence", &zone, day.to_datetime(hour), side)
                };
                let opened_s = at(day, opens, Side::Start)?.max(from_s);
                let closed_s = at(end, closes, Side::End)?.min(until_s);
                if opened_s < closed_s {
                    windows.push(v1::Window { from_s: opened_s, until_s: closed_s });
                }
            }
            if windows.len() > WINDOWS_MAX {
                return Err(wrong("it has more than 1,000 windows", "enter it for a shorter time"));
            }
            day = day.saturating_add(1.day());
        }
        if windows.is_empty() {
            return Err(wrong("no window lies in the span", "check days and hours"));
        }
        Ok(windows)
    }
}

fn weekday(word: &str) -> Result<Weekday, RowError> {
    Ok(match word {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => {
            let problem = format!("{word:?} is no day");
            return Err(RowError::new("recurrence", problem, "write mon tue wed thu fri sat sun"));
        }
    })
}
