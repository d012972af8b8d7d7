//! A target as a requests file writes it: "domain_exact:example.org", or a table with kind and value.

use remit_proto::v1;
use serde::Deserialize;

use super::{
    RowError,
    particulars::DerivedRow,
    times::{Clock, Side},
};
use crate::target::{Target, kind_from_word, name_of};

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
    pub(super) text: String,
    pub(super) said: Vec<String>,
    pub(super) public_suffix: bool,
    pub(super) mixed_scripts: Option<String>,
}

/// "domain_subtree:example.org", or a table with kind and value.
pub(super) fn read(
    field: &str,
    value: ::toml::Value,
    exception: bool,
    clock: &mut Clock<'_>,
) -> Result<ReadTarget, RowError> {
    const REMEDY: &str = "write \"<kind>:<value>\", for example \"domain_exact:example.org\", \
                          \"ip:192.0.2.7\" or \"url:http://example.org/page\"";
    let row = match value {
        ::toml::Value::String(text) => {
            let (kind, value) = text.split_once(':').unwrap_or(("", &text));
            let (kind, value) = (kind.to_owned(), value.to_owned());
            let (added, removed, derived, raw, repaired) = Default::default();
            TargetRow { kind, value, exception, added, removed, derived, raw, repaired }
        }
        other => other
            .try_into::<TargetRow>()
            .map_err(|e| RowError::new(field, e.message().to_owned(), REMEDY))?,
    };
    let TargetRow { kind, value, exception: own, added, removed, derived, raw, repaired } = row;
    let kind = kind_from_word(kind.trim())
        .ok_or_else(|| RowError::new(field, format!("{kind:?} is no kind of target"), REMEDY))?;
    let (target, repairs) = Target::parse(kind, &value).map_err(|e| {
        RowError::new(field, format!("{value:?}: {e}"), "correct the value or its kind")
    })?;
    let canonical = target.to_string();
    let read = repairs.iter().map(ToString::to_string);
    let words: Vec<String> = repaired.into_iter().chain(read).collect();
    let raw = if raw.is_empty() { value } else { raw };
    let said = words.iter().map(|w| format!("{field}: {raw:?}: {w}")).collect();
    let mut time = |name: &str, text: Option<String>, side| match text {
        None => Ok(0),
        Some(text) => clock.instant(&format!("{field}.{name}"), &text, side),
    };
    let wire = v1::RequestTarget {
        target: Some(target.to_wire()),
        raw: if raw == canonical { String::new() } else { raw },
        repair: words.join("; "),
        added_at_s: time("added", added, Side::Start)?,
        removed_at_s: time("removed", removed, Side::End)?,
        exception: exception || own,
        derived: derived.map(|row| row.build(clock)).transpose()?,
    };
    let public_suffix = target.is_public_suffix();
    let mixed_scripts = mixed_scripts(&target);
    Ok(ReadTarget { wire, text: canonical, said, public_suffix, mixed_scripts })
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
    read(field, value.clone(), false, &mut clock).map(|read| read.said)
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
