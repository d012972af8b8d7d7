//! When a log line was written: Unbound's own prefixes (`log_vmsg` in util/log.c), ISO 8601 as BIND and
//! others write it, and syslog's.
//!
//! `[1795459103] unbound` (the default), `Nov 23 18:39:59 unbound` (`log-time-ascii`, syslog),
//! `2026-11-23T18:39:59.476+01:00 unbound` (`log-time-iso`). The second carries neither year nor
//! zone; who reads it must say both.

/// Months of a log prefix.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// Seconds since 1970.
    Absolute(i64),
    /// Local time with its date.
    Local { year: i64, time: LocalTime },
    /// Local time without a year.
    Yearless(LocalTime),
}

impl Stamp {
    /// Seconds since 1970, of a line that was written lately on a clock this far east of UTC.
    pub fn at(self, now_s: i64, utc_offset_s: i64) -> Option<i64> {
        match self {
            Self::Absolute(at_s) => Some(at_s),
            Self::Local { year, time } => time.at(year, utc_offset_s),
            Self::Yearless(time) => time.nearest(now_s, utc_offset_s),
        }
    }
}

/// A date without its year, and the second of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub month: u8,
    pub day: u8,
    pub second: i64,
}

impl LocalTime {
    /// `None` where the date does not exist (29 February).
    pub fn at(self, year: i64, utc_offset_s: i64) -> Option<i64> {
        let days = days_from_civil(year, self.month, self.day)?;
        Some(days * 86_400 + self.second - utc_offset_s)
    }

    /// In the year that brings it nearest to `now_s`.
    pub fn nearest(self, now_s: i64, utc_offset_s: i64) -> Option<i64> {
        let year = 1970 + now_s.div_euclid(31_556_952);
        (year - 1..=year + 1)
            .filter_map(|year| self.at(year, utc_offset_s))
            .min_by_key(|at| (at - now_s).abs())
    }
}

/// Reads the prefix of a line.
pub fn parse(line: &str) -> Option<Stamp> {
    let line = without_priority(line);
    if let Some(rest) = line.strip_prefix('[') {
        let (digits, _) = rest.split_once(']')?;
        return Some(Stamp::Absolute(number(digits, 1, 11)?));
    }
    if line.starts_with(|c: char| c.is_ascii_digit()) {
        let mut words = line.split(' ');
        let first = words.next()?;
        return iso(first).or_else(|| dated(first, words.next()?));
    }
    let mut words = line.split(' ').filter(|w| !w.is_empty());
    let month = words.next()?;
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let day = number(words.next()?, 1, 2)?;
    let second = clock(words.next()?)?;
    Some(Stamp::Yearless(LocalTime { month: month.try_into().ok()?, day: date_day(day)?, second }))
}

/// "<30>" and "<30>1 " of syslog files that keep it.
fn without_priority(line: &str) -> &str {
    let Some((priority, rest)) = line.strip_prefix('<').and_then(|l| l.split_once('>')) else {
        return line;
    };
    if number(priority, 1, 3).is_none() {
        return line;
    }
    rest.strip_prefix("1 ").unwrap_or(rest)
}

fn iso(text: &str) -> Option<Stamp> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (year, month, day) = (number(year, 4, 4)?, number(month, 2, 2)?, number(day, 2, 2)?);
    let (clock_text, rest) = time.split_at_checked(8)?;
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let time = LocalTime {
        month: month.try_into().ok()?,
        day: date_day(day)?,
        second: clock(clock_text)?,
    };
    // The date must exist whatever the zone.
    time.at(year, 0)?;
    if zone.is_empty() {
        return Some(Stamp::Local { year, time });
    }
    time.at(year, offset(zone)?).map(Stamp::Absolute)
}

/// "24-Nov-2026" and "03:28:44.271": BIND's `print-time local`.
fn dated(date: &str, time: &str) -> Option<Stamp> {
    let mut date = date.split('-');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let (time, fraction) = time.split_at_checked(8)?;
    let time = LocalTime {
        month: month.try_into().ok()?,
        day: date_day(number(day, 2, 2)?)?,
        second: clock(time)?,
    };
    let year = number(year, 4, 4)?;
    time.at(year, 0)?;
    let is_fraction = fraction.chars().all(|c| c == '.' || c.is_ascii_digit());
    (is_fraction && date.next().is_none()).then_some(Stamp::Local { year, time })
}

/// "Z", "+01:00", "-0330".
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        (None, None) => return None,
    };
    let (hours, minutes) = rest.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let (hours, minutes) = (number(hours, 2, 2)?, number(minutes, 2, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (hour, minute, second) =
        (number(hour, 2, 2)?, number(minute, 2, 2)?, number(second, 2, 2)?);
    let exists = parts.next().is_none() && hour < 24 && minute < 60 && second <= 60;
    // A leap second is the second before it: time_t has no place for it.
    exists.then_some(hour * 3600 + minute * 60 + second.min(59))
}

fn date_day(day: i64) -> Option<u8> {
    u8::try_from(day).ok().filter(|day| (1..=31).contains(day))
}

fn number(text: &str, at_least: usize, at_most: usize) -> Option<i64> {
    let right =
        (at_least..=at_most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

/// RFC 3339, UTC, to the second: of times from 1970 to 9999.
pub fn utc(at_s: i64) -> String {
    let (days, second) = (at_s.div_euclid(86_400), at_s.rem_euclid(86_400));
    // Years that begin on 1 March, as below; 400 years have 146097 days.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: u8, day: u8) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    // Years that begin on 1 March, so that the leap day is the last of its year.
    let (month, day) = (i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, want: Option<i64>) {
        // 2026-11-23T17:39:59Z, read one hour east of Greenwich.
        let now_s = 1_795_455_599;
        let at = match parse(line) {
            Some(Stamp::Absolute(at)) => Some(at),
            Some(Stamp::Local { year, time }) => time.at(year, 3600),
            Some(Stamp::Yearless(time)) => time.nearest(now_s, 3600),
            None => None,
        };
        assert_eq!(at, want, "{line}");
    }

    #[test]
    fn every_prefix_that_a_resolver_writes() {
        let at = Some(1_795_455_599);
        check("[1795455599] unbound[1:0] info:", at);
        check("Nov 23 18:39:59 unbound[1:0] info:", at);
        check("Nov 23 18:39:59 resolver1 unbound[77]: [77:0] info:", at);
        check("<30>Nov 23 18:39:59 resolver1 unbound[77]: [77:0] info:", at);
        check("2026-11-23T18:39:59.476+01:00 unbound[1:0] info:", at);
        check("2026-11-23T17:39:59Z unbound", at);
        check("2026-11-23T18:39:59 unbound", at);
        check("2026-11-23T14:09:59-0330 unbound", at);
        check("23-Nov-2026 18:39:59.476 rpz: info:", at);
    }

    #[test]
    fn the_year_is_the_nearest_one() {
        check("Jan  1 01:00:00 unbound", Some(1_798_761_600));
        check("Dec  1 01:00:00 unbound", Some(1_796_083_200));
        check("Jul  1 01:00:00 unbound", Some(1_782_864_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for line in [
            "",
            "[]",
            "[12a]",
            "[123456789012]",
            "Foo 1 01:00:00",
            "Nov 31 01:00:00 x",
            "Nov 23 25:00:00",
            "2026-02-29T00:00:00Z",
            "2026-11-23 18:39:59",
            "2026-11-23T18:39",
            "2026-11-23T18:39:59+1",
            "<9999>[1]",
            "31-Nov-2026 18:39:59.476 x",
            "23-Nov-2026 18:39:59z x",
        ] {
            check(line, None);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line: String, now_s in -1_000_000_000_000i64..1_000_000_000_000) {
            if let Some(Stamp::Yearless(time)) = parse(&line) {
                let _ = time.nearest(now_s, 0);
            }
        }

        #[test]
        fn what_is_written_reads_back(at_s in 0i64..253_402_300_800) {
            prop_assert_eq!(parse(&utc(at_s)), Some(Stamp::Absolute(at_s)));
        }

        #[test]
        fn days_follow_each_other(year in 1970i64..9999, month in 1u8..=12, day in 1u8..=28) {
            let one = days_from_civil(year, month, day).expect("a date");
            let next = days_from_civil(year, month, day + 1)
                .or_else(|| days_from_civil(year, month + 1, 1));
            prop_assert_eq!(next, Some(one + 1));
        }
    }
}
