//! What `remit-agent doctor` says of a box that tells of itself.

use super::{Format, Input, Jsonl, record, relay, syslog};
use crate::{doctor::Finding, sources::http::fields};

/// Opens the log and reads the rules; changes nothing.
pub(super) fn examine(jsonl: &Jsonl) -> Vec<Finding> {
    let mut findings = match &jsonl.input {
        Input::Log(log) => fields::examine_log(PART, log, &|tail| {
            let read = |line: &&[u8]| is_read(line, &jsonl.format);
            tail.is_empty() || tail.iter().any(read)
        }),
        Input::Socket(path) => vec![match path.parent().is_some_and(|dir| dir.is_dir()) {
            true => Finding::fine(PART, format!("lines of {} come by a socket", jsonl.by)),
            false => Finding::wrong(
                PART,
                format!("there is no directory for the socket {}", path.display()),
                "make it, writable for the agent, open to those who may send",
            ),
        }],
    };
    let Some(path) = &jsonl.rules else {
        findings.push(Finding::incomplete(
            PART,
            format!("no rules: what {} blocks is known only when it is hit", jsonl.by),
            "have the box write all its rules to a file, one record of type rule per line, and name it \
             in rules",
        ));
        return findings;
    };
    let (rules, wrong) = relay::read_rules(path);
    findings.push(match wrong.first() {
        None => Finding::fine(PART, format!("{} rules are told of by {}", rules.len(), jsonl.by)),
        Some((line, error)) => Finding::wrong(
            PART,
            format!(
                "{} lines of {} are not understood, such as line {line}: {error}",
                wrong.len(),
                path.display()
            ),
            "docs/sources/jsonl.md says what a record is",
        ),
    });
    let without = rules.values().filter(|rule| rule.claims.is_empty()).count();
    if without > 0 {
        findings.push(Finding::incomplete(
            PART,
            format!("{without} of {} rules carry no claim", rules.len()),
            format!("give them claims, or map rule:{}/<name> in the basis_map", jsonl.by),
        ));
    }
    findings
}

fn is_read(line: &[u8], format: &Format) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    match format {
        Format::Remit => record::parse(text).is_ok(),
        Format::Syslog(map) => matches!(syslog::parse(text, map), Some(Ok(_))),
    }
}

const PART: &str = "jsonl";
