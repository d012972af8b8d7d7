//! Known damage in published registers, and what was done about it (DOMAIN.md 3f "IDN": registers
//! contain commas, spaces, backslashes, doubled schemes; record every repair).

use std::fmt;

use super::{TARGET_TEXT_MAX, TargetError};
use crate::hidden;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    OuterSpace,
    InnerSpace,
    Quotes,
    TrailingPunctuation,
    Backslash,
    DoubledScheme,
    /// A name was asked for and a URL without a path was given.
    SchemeRemoved,
    /// ".example.org"
    LeadingDot,
    Brackets,
    /// A prefix that holds one address, or an address where a prefix was asked for.
    SingleAddress,
    AnyTransport,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OuterSpace => "space around it removed",
            Self::InnerSpace => "space in the path written as %20",
            Self::Quotes => "quotation marks removed",
            Self::TrailingPunctuation => "comma or semicolon at the end removed",
            Self::Backslash => "backslashes read as slashes",
            Self::DoubledScheme => "doubled scheme removed",
            Self::SchemeRemoved => "scheme removed: a name was wanted",
            Self::LeadingDot => "leading dot read as \"the name and everything below it\"",
            Self::Brackets => "brackets removed",
            Self::SingleAddress => "read as a single address",
            Self::AnyTransport => "no transport given: read as any",
        })
    }
}

/// What is wrong around a value, whatever its kind.
pub(super) fn tidy(raw: &str) -> Result<(&str, Vec<Repair>), TargetError> {
    if raw.len() > TARGET_TEXT_MAX {
        return Err(TargetError::TooLong);
    }
    let mut repairs = Vec::new();
    let mut text = outer_space(raw, &mut repairs);
    for (open, close) in [('"', '"'), ('\'', '\''), ('«', '»'), ('“', '”')] {
        let inner = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        if let Some(inner) = inner {
            repairs.push(Repair::Quotes);
            text = outer_space(inner, &mut repairs);
            break;
        }
    }
    let bare = text.trim_end_matches([',', ';']);
    if bare.len() != text.len() {
        repairs.push(Repair::TrailingPunctuation);
        text = outer_space(bare, &mut repairs);
    }
    check(text)?;
    // One in a name would be left out of it in silence (UTS #46 section 4), in other kinds make two of one.
    if let Some((letter, hidden)) = text.chars().find_map(|c| Some((c, hidden::strange(c)?))) {
        return Err(TargetError::Hidden { what: hidden.told(), code: letter.into() });
    }
    repairs.dedup();
    Ok((text, repairs))
}

/// What no value may be, repaired or not. Agents' leaves and registers are read by it: what was once read is read for
/// ever, so it is no longer than it was, and what is typed or imported is looked at by [`tidy`] too.
pub(super) fn check(text: &str) -> Result<(), TargetError> {
    if text.is_empty() {
        return Err(TargetError::Empty);
    }
    if text.len() > TARGET_TEXT_MAX {
        return Err(TargetError::TooLong);
    }
    // Includes tab and line feed, which URL parsers drop in silence, and the direction marks that
    // make a name look like another one.
    if text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)) {
        return Err(TargetError::ControlCharacter);
    }
    Ok(())
}

fn outer_space<'a>(text: &'a str, repairs: &mut Vec<Repair>) -> &'a str {
    // U+FEFF is what a byte order mark becomes in the first cell of a file.
    let inner = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if inner.len() != text.len() {
        repairs.push(Repair::OuterSpace);
    }
    inner
}
