//! `remit-agent record`: what a person says of a deed that no packet shows, given to the running agent of
//! this node, and its answer as text. Who says it, the agent learns from the kernel (`sources::person`).

use std::{
    fmt::Write as _,
    io::Read as _,
    path::{Path, PathBuf},
};

use evidence::Claim;
use remit_proto::v1::{self, ServiceActionKind};

use crate::{
    health::Stop,
    sources::{
        person::wire::{self, Answer, Order, Word},
        stamp,
    },
    spool::state::DeedState,
};

/// What was typed.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordOrder {
    pub socket: PathBuf,
    pub word: Word,
    /// The line stands on standard input, where no list of processes shows it.
    pub reads_line: bool,
}

/// Gives the order; returns what to print.
pub fn record(order: RecordOrder) -> Result<String, Stop> {
    let RecordOrder { socket, mut word, reads_line } = order;
    if reads_line {
        let line = read_line()?;
        match &mut word {
            Word::Record(record) => record.line = line,
            Word::Token(token) => *token = line,
            Word::Confirm(_) | Word::End(_) | Word::List(_) => {}
        }
    }
    let listing = matches!(word, Word::List(_));
    let answer = ask(&socket, word)?;
    Ok(text(&answer, listing))
}

fn ask(socket: &Path, word: Word) -> Result<Answer, Stop> {
    Ok(wire::ask(socket, &Order { word: Some(word) })?)
}

fn read_line() -> Result<String, Stop> {
    let mut line = String::new();
    let input = std::io::stdin().take(LINE_SIZE_MAX);
    let read = { input }.read_to_string(&mut line);
    read.map_err(|source| Stop::System { what: "reading the line from standard input", source })?;
    Ok(line.trim().to_owned())
}

fn text(answer: &Answer, listing: bool) -> String {
    let Answer { refused: _, deeds, token } = answer;
    if let Some(token) = token {
        return format!("line_account:{}\n", token.value);
    }
    if deeds.is_empty() && listing {
        return "nothing stands, and nothing waits for a second person\n".to_owned();
    }
    deeds.iter().map(one).collect()
}

/// A deed on four lines.
fn one(deed: &DeedState) -> String {
    let DeedState { said, target } = deed;
    let kind = match (said.kind(), said.rate_bits_per_s) {
        (ServiceActionKind::Shutdown, _) => "shutdown".to_owned(),
        (ServiceActionKind::Throttle, 0) => "throttle".to_owned(),
        (ServiceActionKind::Throttle, rate) => format!("throttle to {rate} bit/s"),
        (ServiceActionKind::LineSuspension, _) => "line suspension".to_owned(),
        (ServiceActionKind::Unspecified, _) => "?".to_owned(),
    };
    let target_kind = target.kind().as_str_name().trim_start_matches("TARGET_KIND_");
    let target_kind = target_kind.to_ascii_lowercase();
    let until = match said.until_s {
        0 => "not ended".to_owned(),
        until_s => format!("until {}", stamp::utc(until_s)),
    };
    let claims: Vec<String> =
        said.claims.iter().filter_map(|c| Some(Claim::try_from(c).ok()?.to_string())).collect();
    let claims = if claims.is_empty() { "none".to_owned() } else { claims.join(",") };
    let id = |person: &Option<v1::PersonRef>| {
        person.as_ref().map_or_else(|| "?".to_owned(), |person| person.person.clone())
    };
    let mut text = format!("{:016x}  {kind} of {target_kind}:{}\n", said.number, target.value);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{GAP}from {}, {until}; claims {claims}", stamp::utc(said.from_s));
    let _ = writeln!(text, "{GAP}recorded by {}", id(&said.recorded_by));
    let _ = match &said.confirmed_by {
        Some(_) => writeln!(text, "{GAP}confirmed by {}", id(&said.confirmed_by)),
        None => writeln!(
            text,
            "{GAP}UNCONFIRMED: another person confirms it by `remit-agent record confirm {:016x}`",
            said.number
        ),
    };
    text
}

/// Below the number.
const GAP: &str = "                  ";
/// A line's identifier is short.
const LINE_SIZE_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_shown_with_what_it_waits_for() {
        let person =
            |id: &str| Some(v1::PersonRef { person: id.into(), role: v1::Role::Operator.into() });
        let mut deed = DeedState {
            said: v1::ServiceAction {
                kind: ServiceActionKind::Throttle.into(),
                number: 0x1f,
                from_s: 1_768_478_400,
                rate_bits_per_s: 64_000,
                recorded_by: person("person-1"),
                ..Default::default()
            },
            target: v1::Target { kind: v1::TargetKind::AsnRoute.into(), value: "AS64500".into() },
        };
        let shown = one(&deed);
        assert!(
            shown.starts_with("000000000000001f  throttle to 64000 bit/s of asn_route:AS64500")
        );
        assert!(shown.contains("from 2026-01-15T12:00:00Z, not ended; claims none"), "{shown}");
        assert!(shown.contains("UNCONFIRMED: another person confirms it by"), "{shown}");
        deed.said.until_s = deed.said.from_s + 60;
        deed.said.confirmed_by = person("person-2");
        let shown = one(&deed);
        assert!(shown.contains("until 2026-01-15T12:01:00Z"), "{shown}");
        assert!(shown.contains("confirmed by person-2") && !shown.contains("UNCONF"), "{shown}");
    }
}
