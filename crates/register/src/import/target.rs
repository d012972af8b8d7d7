//! A target as a requests file writes it: "domain_exact:example.org", or a table with kind and value.

use remit_proto::v1::{self, TargetKind};
use serde::Deserialize;

use super::{
    RowError,
    mistakes::Mistakes,
    particulars::DerivedRow,
    shape,
    times::{Clock, Side},
};
use crate::target::{Target, TargetError, kind_from_word, name_of};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetRow {
    kind: String,
    value: String,
    #[serde(default)]
    exception: bool,
    added: Option<String>,
    removed: Option<String>,
    derived: Option<DerivedRow>,
    /// What the authority wrote, if it was mended on its way into the file, and how it was.
    #[serde(default)]
    raw: String,
    #[serde(default)]
    repaired: Vec<String>,
}

pub(super) struct ReadTarget {
    pub(super) wire: v1::RequestTarget,
    pub(super) said: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// A target as somebody typed it, on record as one of a file is.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedTarget {
    pub target: v1::RequestTarget,
    /// What was repaired in it.
    pub repairs: Vec<String>,
    /// What a person should know about it.
    pub notes: Vec<String>,
}

/// Reads what somebody typed: "<kind>:<value>", or what [`Target::guess`] makes of it.
pub fn typed(text: &str) -> Result<TypedTarget, TargetError> {
    let (kind, value) = typed_kind(text)?;
    let (target, repairs) = Target::parse(kind, value)?;
    let repairs: Vec<String> = repairs.iter().map(ToString::to_string).collect();
    let notes = notes_of(&target, false);
    Ok(TypedTarget { target: recorded(&target, value.to_owned(), &repairs), repairs, notes })
}

/// The kind of what somebody typed, and its value as it was typed.
pub fn typed_kind(text: &str) -> Result<(TargetKind, &str), TargetError> {
    match text.split_once(':').and_then(|(kind, value)| Some((kind_from_word(kind)?, value))) {
        Some(stated) => Ok(stated),
        None => Target::guess(text).map(|(target, _)| (target.kind(), text)),
    }
}

/// With what was written, where that is something else, and what was done about it.
fn recorded(target: &Target, raw: String, repairs: &[String]) -> v1::RequestTarget {
    let raw = if raw == target.to_string() { String::new() } else { raw };
    let (target, repair) = (Some(target.to_wire()), repairs.join("; "));
    v1::RequestTarget { target, raw, repair, ..v1::RequestTarget::default() }
}

fn notes_of(target: &Target, exception: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(scripts) = mixed_scripts(target) {
        notes.push(format!("{target} mixes {scripts} in one label"));
    }
    if target.is_public_suffix() && !exception {
        notes.push(format!(
            "{target} is a public suffix: others than the one meant are hit (TARGET_OVERBROAD_ON_FACE)"
        ));
    }
    notes
}

/// "domain_subtree:example.org", or a table with kind and value.
pub(super) fn read(
    field: &str,
    value: ::toml::Value,
    exception: bool,
    clock: &mut Clock<'_>,
    wrong: &mut Mistakes,
) -> Option<ReadTarget> {
    const REMEDY: &str = "write \"<kind>:<value>\", for example \"domain_exact:example.org\", \
                          \"ip:192.0.2.7\" or \"url:http://example.org/page\"";
    let row = match value {
        ::toml::Value::String(text) => {
            let (kind, value) = text.split_once(':').unwrap_or(("", &text));
            let (kind, value) = (kind.to_owned(), value.to_owned());
            let (added, removed, derived, raw, repaired) = Default::default();
            TargetRow { kind, value, exception, added, removed, derived, raw, repaired }
        }
        other => wrong.some(
            other
                .try_into::<TargetRow>()
                .map_err(|e| RowError::new(field, shape::told(e.message()), REMEDY)),
        )?,
    };
    let TargetRow { kind, value, exception: own, added, removed, derived, raw, repaired } = row;
    let read = kind_from_word(kind.trim())
        .ok_or_else(|| RowError::new(field, format!("{kind:?} is no kind of target"), REMEDY))
        .and_then(|kind| {
            Target::parse(kind, &value).map_err(|e| {
                RowError::new(field, format!("{value:?}: {e}"), "correct the value or its kind")
            })
        });
    let read = wrong.some(read);
    let mut time = |name: &str, text: Option<String>, side| match text {
        None => 0,
        Some(text) => wrong.take(clock.instant(&format!("{field}.{name}"), &text, side)),
    };
    let added_at_s = time("added", added, Side::Start);
    let removed_at_s = time("removed", removed, Side::End);
    let derived = derived.map(|row| row.build(clock, wrong));
    let (target, repairs) = read?;
    let read = repairs.iter().map(ToString::to_string);
    let words: Vec<String> = repaired.into_iter().chain(read).collect();
    let raw = if raw.is_empty() { value } else { raw };
    let said = words.iter().map(|w| format!("{field}: {raw:?}: {w}")).collect();
    let wire = v1::RequestTarget {
        added_at_s,
        removed_at_s,
        exception: exception || own,
        derived,
        ..recorded(&target, raw, &words)
    };
    let notes = notes_of(&target, wire.exception);
    Some(ReadTarget { wire, said, notes })
}

/// What is repaired in a target, or why it is none; for forms that put several rows into one request.
pub(super) fn repairs_of(field: &str, value: &::toml::Value) -> Result<Vec<String>, RowError> {
    let mut clock = Clock {
        zone: None,
        end_date: None,
        format: None,
        assumptions: Vec::new(),
        notes: Vec::new(),
    };
    let mut wrong = Mistakes::default();
    let read = read(field, value.clone(), false, &mut clock, &mut wrong);
    wrong.finish()?;
    Ok(read.map(|read| read.said).unwrap_or_default())
}

/// "<kind>:<value>"
pub(super) fn of_text(field: &str, text: &str) -> Result<Target, RowError> {
    text.parse().map_err(|e| {
        RowError::new(field, format!("{text:?}: {e}"), "write it as it stands in targets")
    })
}

/// Letters of two scripts in one label, as names have that are made to look like others (UTS 39). It may
/// be just what is to be blocked, so it is said and not refused. Looked at is the name as people see it, whether
/// the file writes it so or as "xn--".
fn mixed_scripts(target: &Target) -> Option<String> {
    let script = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => Some("Latin"),
        '\u{370}'..='\u{3ff}' => Some("Greek"),
        '\u{400}'..='\u{52f}' => Some("Cyrillic"),
        '\u{530}'..='\u{58f}' => Some("Armenian"),
        _ => None,
    };
    name_of(target)?.as_seen().split('.').find_map(|label| {
        let mut scripts: Vec<&str> = label.chars().filter_map(script).collect();
        scripts.sort_unstable();
        scripts.dedup();
        (scripts.len() > 1).then(|| scripts.join(" and "))
    })
}
