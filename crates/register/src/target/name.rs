//! Names as they are compared: A-labels, lower case, no trailing dot.

use std::{borrow::Cow, fmt};

use compact_str::CompactString;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::{Repair, TargetError};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(CompactString);

impl Name {
    /// UTS 46, non-transitional; refuses rather than guesses. Underscores and hyphens anywhere are
    /// names that resolvers answer, so they are names here.
    pub(super) fn parse(text: &str, repairs: &mut Vec<Repair>) -> Result<Self, TargetError> {
        let text = without_scheme(text, repairs)?;
        Self::canonical(text)
    }

    pub(crate) fn canonical(text: &str) -> Result<Self, TargetError> {
        if text.starts_with("*.") {
            return Err(TargetError::Name("a wildcard is a target of kind domain_subtree"));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        let ascii = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Verify)
            .map_err(|_| TargetError::Name("IDNA (UTS 46) does not accept it"))?;
        let usual =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if !ascii.bytes().all(usual) {
            return Err(TargetError::Name("it holds a character that no name has"));
        }
        if ascii.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit())) {
            return Err(TargetError::Name("it ends in a number, as an address does"));
        }
        Ok(Self(ascii.as_ref().into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With its letters, where it stands for some: "xn--bcher-kva.example" is "bücher.example".
    pub(crate) fn as_seen(&self) -> Cow<'_, str> {
        if !self.0.contains("xn--") {
            return Cow::Borrowed(&self.0);
        }
        // What is no label of IDNA in it stays as it is; nothing is decided by this text.
        Uts46::new().to_unicode(self.0.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow).0
    }

    /// Strictly below `other`: "www.example.org" is below "example.org".
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_suffix(other.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }

    /// The public suffix that it is or is below (publicsuffix.org). The list is eleven thousand functions, which
    /// are compiled wherever it is asked: it is asked here alone.
    #[inline(never)]
    fn suffix(&self) -> Option<psl::Suffix<'_>> {
        psl::suffix(self.0.as_bytes())
    }

    /// The public suffix and the label before it: what somebody registered. `None`: it is a public suffix, or
    /// above one. Of a suffix that no rule of the list knows, the last label counts as one.
    pub(crate) fn registrable(&self) -> Option<&str> {
        let suffix_len = self.suffix()?.as_bytes().len();
        let before = self.0.len().checked_sub(suffix_len.checked_add(1)?)?;
        let start = self.0.get(..before)?.rfind('.').map_or(0, |dot| dot.saturating_add(1));
        self.0.get(start..)
    }

    /// A rule of the list knows its suffix.
    pub(crate) fn has_known_suffix(&self) -> bool {
        self.suffix().is_some_and(|suffix| suffix.is_known())
    }

    /// `None`: it is no public suffix; else whether it stands in the private section of the list, whose
    /// names a private party gives to others. A name that no rule of the list knows is none.
    pub(crate) fn suffix_is_private(&self) -> Option<bool> {
        let suffix = self.suffix()?;
        let kind = suffix.typ()?;
        (suffix.as_bytes() == self.0.as_bytes()).then_some(kind == psl::Type::Private)
    }

    pub(super) fn is_public_suffix(&self) -> bool {
        self.suffix().is_some_and(|suffix| suffix.as_bytes() == self.0.as_bytes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

/// "http://example.org/" where a name was wanted says nothing but the name. With a path it says
/// more, and dropping that would widen the target.
fn without_scheme<'a>(text: &'a str, repairs: &mut Vec<Repair>) -> Result<&'a str, TargetError> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let rest = if lower.starts_with("https://") {
        text.get(8..)
    } else if lower.starts_with("http://") {
        text.get(7..)
    } else {
        None
    };
    let Some(rest) = rest else { return Ok(text) };
    let name = rest.strip_suffix('/').unwrap_or(rest);
    if name.contains(['/', '?', '#', ':', '@']) {
        return Err(TargetError::Name("it is a URL; use kind url"));
    }
    repairs.push(Repair::SchemeRemoved);
    Ok(name)
}
