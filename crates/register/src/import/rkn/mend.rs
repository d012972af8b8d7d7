//! Damage that these registers are known for, and what is done about it (DOMAIN.md 3f "IDN"; the patterns
//! are those of github.com/usher2/u2ckdump, `normalizers.go`). Whatever could mean two things is left
//! as it is, and then refused where targets are read.

use crate::target::Target;
use remit_proto::v1::TargetKind;

/// A value as it is read, beside what stood in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mended {
    pub value: String,
    /// Empty if nothing was repaired.
    pub raw: String,
    pub repairs: Vec<&'static str>,
}

/// The values that a text of the file holds: one, or several where a list was written into it.
pub(super) fn mended(kind: &str, text: &str) -> Vec<Mended> {
    let raw = text.trim();
    let one = |value: String, repairs: Vec<&'static str>| {
        let raw = if repairs.is_empty() { String::new() } else { raw.to_owned() };
        vec![Mended { value, raw, repairs }]
    };
    if kind == "url" {
        let (value, repairs) = url(raw);
        return one(value, repairs);
    }
    if let Some(several) = several(kind, raw) {
        return several;
    }
    if kind != "domain_exact" {
        return one(raw.to_owned(), Vec::new());
    }
    let (mut value, mut repairs) = (raw.to_owned(), Vec::new());
    // "example.org/" is the name; with a path it says more, and is refused.
    if let Some(bare) = value.strip_suffix(['/', '\\'])
        && !bare.contains(['/', '\\'])
    {
        value = bare.to_owned();
        repairs.push("slash at the end removed");
    }
    let dotted = value.replace(',', ".");
    if dotted != value && is_name(&dotted) && !value.ends_with(',') {
        value = dotted;
        repairs.push("comma inside a name read as a dot");
    }
    one(value, repairs)
}

/// "a.example, b.example": each part stands for itself.
fn several(kind: &str, text: &str) -> Option<Vec<Mended>> {
    let separators = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    let parts: Vec<&str> = text.split(separators).filter(|part| !part.is_empty()).collect();
    let whole = |part: &&str| match kind {
        "domain_exact" => part.trim_end_matches('.').contains('.') && is_name(part),
        _ => Target::guess(part)
            .is_ok_and(|(target, _)| matches!(target.kind(), TargetKind::Ip | TargetKind::Cidr)),
    };
    if parts.len() < 2 || !parts.iter().all(whole) {
        return None;
    }
    let mended = |part: &&str| Mended {
        value: (*part).to_owned(),
        raw: text.to_owned(),
        repairs: vec!["several values in one field, read one by one"],
    };
    Some(parts.iter().map(mended).collect())
}

/// A name as it could be registered: its suffix is one that is known.
fn is_name(text: &str) -> bool {
    let (kind, bare) = match text.strip_prefix("*.") {
        Some(bare) => (TargetKind::DomainSubtree, bare),
        None => (TargetKind::DomainExact, text),
    };
    match Target::parse(kind, bare) {
        Ok((Target::DomainExact(name) | Target::DomainSubtree { name, .. }, _)) => {
            name.has_known_suffix()
        }
        Ok(_) | Err(_) => false,
    }
}

/// "http:/x", "http//x", "https:x", "http:\\x" → "http://x".
fn url(text: &str) -> (String, Vec<&'static str>) {
    let unchanged = || (text.to_owned(), Vec::new());
    let lower = text.get(..5).unwrap_or(text).to_ascii_lowercase();
    let size = if lower == "https" {
        5
    } else if lower.starts_with("http") {
        4
    } else {
        return unchanged();
    };
    let (Some(scheme), Some(rest)) = (text.get(..size), text.get(size..)) else {
        return unchanged();
    };
    let bare = rest.trim_start_matches([':', '/', '\\']);
    let written = rest.get(..rest.len() - bare.len()).unwrap_or_default();
    // "httpd.example.org" is a name; "://" and ":\\" are dealt with where every target is.
    if written.is_empty() || matches!(written, "://" | ":\\\\") {
        return unchanged();
    }
    (format!("{scheme}://{bare}"), vec!["scheme written with other signs than ://"])
}
