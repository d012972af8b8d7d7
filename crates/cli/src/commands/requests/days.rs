//! Times of an amendment as they are typed: a date is a day of the authority (DOMAIN.md 3f).

use std::collections::HashSet;

use register::import::{EndDate, TypedDay, typed_day};
use remit_proto::v1;

use crate::{exit::CliError, time};

/// Times as they are typed: a date is one in the zone of the request.
pub(super) struct Days {
    zone: String,
    now_s: i64,
    typed: Vec<TypedDay>,
}

impl Days {
    pub(super) fn new(zone: &str, now_s: i64) -> Self {
        Self { zone: zone.to_owned(), now_s, typed: Vec::new() }
    }

    pub(super) fn start(&mut self, text: &str, field: &str, flag: &str) -> Result<i64, CliError> {
        self.day(text, field, flag, None)
    }

    /// A published end is the last day in force, or the day of removal: there is no default.
    pub(super) fn end(&mut self, text: &str, end_date: Option<&str>) -> Result<i64, CliError> {
        let (field, flag) = ("until", "--until");
        let meant = match end_date {
            Some("last_day") => EndDate::LastDay,
            Some(_) => EndDate::RemovalDay,
            None if typed_day(field, text, "UTC", None).is_some() => {
                return Err(CliError::Usage(format!(
                    "{flag}: {text} does not say whether the day is still included: give --end-date last_day or \
                     --end-date removal_day, or write a time"
                )));
            }
            None => return time::parse(text, flag, self.now_s),
        };
        self.day(text, field, flag, Some(meant))
    }

    fn day(
        &mut self,
        text: &str,
        field: &str,
        flag: &str,
        end: Option<EndDate>,
    ) -> Result<i64, CliError> {
        match typed_day(field, text, &self.zone, end) {
            None if end.is_some() => Err(CliError::Usage(format!(
                "--end-date: {text:?} of {flag} is no date without a time"
            ))),
            None => time::parse(text, flag, self.now_s),
            Some(Err(_)) if self.zone.is_empty() => Err(CliError::Usage(format!(
                "{flag}: {text} has no time zone, and the request states none: write a time with its offset, \
                 such as {text}T00:00:00+01:00"
            ))),
            Some(Err(why)) => Err(CliError::Usage(why)),
            Some(Ok(day)) => {
                let at_s = day.at_s;
                self.typed.push(day);
                Ok(at_s)
            }
        }
    }

    /// How they were written goes with the request, and what was assumed for it.
    pub(super) fn note(self, request: &mut v1::Request) {
        for day in self.typed {
            let assumed = request.time_assumption.split("; ").filter(|part| !part.is_empty());
            // Of another end.
            let is_of_end = |part: &&str| day.note.field == "until" && part.contains("end date");
            let mut assumed: Vec<&str> = assumed.filter(|part| !is_of_end(part)).collect();
            assumed.extend(day.assumptions.iter().map(String::as_str));
            let mut seen = HashSet::new();
            assumed.retain(|part| seen.insert(*part));
            request.time_assumption = assumed.join("; ");
            request.time_notes.push(day.note);
        }
    }
}
