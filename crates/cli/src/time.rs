//! Times as people type and read them. The one file of this program that asks what time it is.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use crate::exit::CliError;

pub(crate) fn now_s() -> i64 {
    Timestamp::now().as_second()
}

/// RFC 3339 with its offset, a date alone (00:00 UTC), or `30m`, `24h`, `7d` before now.
pub(crate) fn parse(text: &str, flag: &str, now_s: i64) -> Result<i64, CliError> {
    ago(text, now_s)
        .or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second))
        .or_else(|| {
            // A date with a time and no offset is a date to the parser: nobody knows which instant was meant.
            let date: Date = text.parse().ok().filter(|date: &Date| date.to_string() == text)?;
            Some(TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_second())
        })
        .ok_or_else(|| {
            CliError::Usage(format!(
                "{flag}: {text:?} is no time; want 2026-01-31T12:00:00Z or with another offset \
                 (2026-01-31T12:00:00+01:00), 2026-01-31 (UTC), or 30m, 24h, 7d ago"
            ))
        })
}

fn ago(text: &str, now_s: i64) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|n| *n >= 0)?;
    let unit_s = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    now_s.checked_sub(number.checked_mul(unit_s)?)
}

/// RFC 3339 in UTC, for machines; empty for 0, which means "not stated" on the wire.
pub(crate) fn utc(at_s: i64) -> String {
    if at_s == 0 { String::new() } else { register::words::time(at_s) }
}

/// "2026-01-31 12:00:00", for a column whose heading says UTC. One zone for every reader: two people
/// who talk about a row must see the same time.
pub(crate) fn utc_cell(at_s: i64) -> String {
    match Timestamp::from_second(at_s) {
        Ok(_) if at_s == 0 => "-".to_owned(),
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{at_s} s"),
    }
}

/// "2026-02-01 00:00+01:00": in the zone of an authority, with its offset; in UTC ("Z") where no zone
/// is stated.
pub(crate) fn zoned_cell(at_s: i64, zone: &str) -> String {
    let text = register::words::time_in(at_s, zone).unwrap_or_else(|| register::words::time(at_s));
    let text = text.replacen('T', " ", 1);
    // A bound is rarely told to the second.
    match text.get(16..19) {
        Some(":00") => {
            format!("{}{}", text.get(..16).unwrap_or_default(), text.get(19..).unwrap_or_default())
        }
        _ => text,
    }
}

/// "3 m ago" is easier to judge than a time where freshness is what matters.
pub(crate) fn age(at_s: i64, now_s: i64) -> String {
    if at_s == 0 {
        return "never".to_owned();
    }
    let seconds = SignedDuration::from_secs(now_s.saturating_sub(at_s)).as_secs().max(0);
    format!("{} ago", span(seconds.unsigned_abs()))
}

/// "7 d": how long, in the unit in which people think of it.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let now_s = parse("2026-03-01T00:00:00Z", "", 0).unwrap();
        let found = parse(text, "--since", now_s).map_or_else(|e| e.to_string(), utc);
        assert!(found.starts_with(want), "{text}: {found}");
    }

    #[test]
    fn times_are_read_in_three_forms() {
        check("2026-01-31T12:00:00+01:00", "2026-01-31T11:00:00Z");
        check("2026-01-31", "2026-01-31T00:00:00Z");
        check("7d", "2026-02-22T00:00:00Z");
        check("90m", "2026-02-28T22:30:00Z");
    }

    #[test]
    fn a_bound_is_shown_as_the_authority_meant_it() {
        let at_s = parse("2025-12-31T23:00:00Z", "", 0).unwrap();
        assert_eq!(zoned_cell(at_s, "Europe/Berlin"), "2026-01-01 00:00+01:00");
        assert_eq!(zoned_cell(at_s, ""), "2025-12-31 23:00Z");
        assert_eq!(zoned_cell(at_s + 1, "Europe/Berlin"), "2026-01-01 00:00:01+01:00");
        assert_eq!(utc_cell(at_s), "2025-12-31 23:00:00");
        assert_eq!(utc_cell(0), "-");
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_flag_and_the_forms() {
        check("yesterday", "--since: \"yesterday\" is no time");
        check("2026-02-30", "--since");
        check("2026-01-31T12:00:00", "--since: \"2026-01-31T12:00:00\" is no time; want");
        check("2026-01-31 12:00", "--since");
        check("-3d", "--since");
        check("99999999999999999d", "--since");
        check("", "--since");
    }
}
