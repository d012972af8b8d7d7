//! What a rule says it rests on, and how a carrier says it (DESIGN.md section 3, "Claim").
//!
//! A carrier (NFLOG prefix, comment, zone or log name) holds `remit=<claim>[,<claim>]`, ended by
//! space, `;`, `]` or the end of the text. A claim is `<request id>`, `list:<id>@<version>` or
//! `class:<basis_class>`.

use std::fmt;

use remit_proto::v1;

use crate::{
    canonical::{Malformed, known, require},
    id::{RequestId, is_request_id, is_request_id_byte},
};

/// More than this on one rule is not a claim but a mistake.
pub const CLAIMS_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    Request(RequestId),
    List { id: RequestId, version: RequestId },
    Class(v1::BasisClass),
}

/// What was found in a carrier's text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carried {
    pub claims: Vec<Claim>,
    /// `remit=` was there, but part of what followed is not a claim: nothing is guessed from it.
    pub not_understood: bool,
}

/// Reads the claims that a carrier's text holds. Never fails: a carrier may be truncated or written
/// by anyone; what is not a claim is said to be not understood.
pub fn carried(text: &[u8]) -> Carried {
    const KEY: &[u8] = b"remit=";
    let mut found = Carried::default();
    let mut rest = text;
    while let Some(at) = rest.windows(KEY.len()).position(|w| w == KEY) {
        // "xremit=" is another word.
        let word_start = at == 0 || !rest.get(at - 1).copied().is_some_and(is_request_id_byte);
        let value = rest.get(at + KEY.len()..).unwrap_or_default();
        let end = value
            .iter()
            .position(|b| matches!(b, b' ' | b';' | b']' | 0 | b'"' | b'\n'))
            .unwrap_or(value.len());
        let (value, after) = value.split_at(end);
        if word_start {
            for part in value.split(|b| *b == b',') {
                match std::str::from_utf8(part).ok().and_then(|t| t.parse().ok()) {
                    Some(claim) if found.claims.len() < CLAIMS_MAX => {
                        if !found.claims.contains(&claim) {
                            found.claims.push(claim);
                        }
                    }
                    _ => found.not_understood = true,
                }
            }
        }
        rest = after;
    }
    found
}

/// A text is none of the three forms of a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a claim: want <request id>, list:<id>@<version> or class:<basis class>")]
pub struct InvalidClaim;

impl std::str::FromStr for Claim {
    type Err = InvalidClaim;
    fn from_str(text: &str) -> Result<Self, InvalidClaim> {
        if let Some(list) = text.strip_prefix("list:") {
            let (id, version) = list.split_once('@').ok_or(InvalidClaim)?;
            return Ok(Self::List {
                id: id.parse().map_err(|_| InvalidClaim)?,
                version: version.parse().map_err(|_| InvalidClaim)?,
            });
        }
        if let Some(class) = text.strip_prefix("class:") {
            let all = [
                v1::BasisClass::Law,
                v1::BasisClass::Security,
                v1::BasisClass::Congestion,
                v1::BasisClass::UserChoice,
                v1::BasisClass::ContractTos,
                v1::BasisClass::VoluntaryList,
                v1::BasisClass::NoneStated,
            ];
            return all
                .into_iter()
                .find(|c| class_word(*c) == class)
                .map(Self::Class)
                .ok_or(InvalidClaim);
        }
        text.parse().map(Self::Request).map_err(|_| InvalidClaim)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(id) => write!(f, "{id}"),
            Self::List { id, version } => write!(f, "list:{id}@{version}"),
            Self::Class(class) => write!(f, "class:{}", class_word(*class)),
        }
    }
}

/// DOMAIN.md section 1, "basis_class".
pub fn class_word(class: v1::BasisClass) -> &'static str {
    match class {
        v1::BasisClass::Unspecified => "unspecified",
        v1::BasisClass::Law => "law",
        v1::BasisClass::Security => "security",
        v1::BasisClass::Congestion => "congestion",
        v1::BasisClass::UserChoice => "user_choice",
        v1::BasisClass::ContractTos => "contract_tos",
        v1::BasisClass::VoluntaryList => "voluntary_list",
        v1::BasisClass::NoneStated => "none_stated",
    }
}

impl From<&Claim> for v1::Claim {
    fn from(claim: &Claim) -> Self {
        let claim = match claim {
            Claim::Request(id) => v1::claim::Claim::RequestId(id.to_string()),
            Claim::List { id, version } => v1::claim::Claim::List(v1::ListClaim {
                list_id: id.to_string(),
                version: version.to_string(),
            }),
            Claim::Class(class) => v1::claim::Claim::BasisClass((*class).into()),
        };
        Self { claim: Some(claim) }
    }
}

impl TryFrom<&v1::Claim> for Claim {
    type Error = Malformed;
    fn try_from(wire: &v1::Claim) -> Result<Self, Malformed> {
        let v1::Claim { claim } = wire;
        let bad = |_| Malformed::Range { field: "claim", rule: "1 to 48 of A-Za-z0-9._/-" };
        match claim.as_ref().ok_or(Malformed::Missing { field: "claim" })? {
            v1::claim::Claim::RequestId(id) => Ok(Self::Request(id.parse().map_err(bad)?)),
            v1::claim::Claim::List(v1::ListClaim { list_id, version }) => Ok(Self::List {
                id: list_id.parse().map_err(bad)?,
                version: version.parse().map_err(bad)?,
            }),
            v1::claim::Claim::BasisClass(class) => Ok(Self::Class(known(*class, "basis_class")?)),
        }
    }
}

pub(crate) fn check_all(claims: &[v1::Claim]) -> Result<(), Malformed> {
    check_count(claims.len())?;
    claims.iter().try_for_each(|claim| Claim::try_from(claim).map(drop))
}

pub(crate) fn check_count(count: usize) -> Result<(), Malformed> {
    require(count <= CLAIMS_MAX, "claims", "at most 16")
}

pub(crate) fn check_id(id: &str, field: &'static str) -> Result<(), Malformed> {
    require(is_request_id(id), field, "1 to 48 of A-Za-z0-9._/-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, claims: &str, not_understood: bool) {
        let found = carried(text.as_bytes());
        let shown: Vec<_> = found.claims.iter().map(ToString::to_string).collect();
        assert_eq!(shown.join(" "), claims, "{text}");
        assert_eq!(found.not_understood, not_understood, "{text}");
    }

    #[test]
    fn claims_end_at_space_semicolon_bracket_or_the_end() {
        check("remit=de/2026-42", "de/2026-42", false);
        check("remit=a,b other", "a b", false);
        check("drop; remit=a;x", "a", false);
        check("[remit=a] applied", "a", false);
        check("remit=list:rkn@2026-11-01", "list:rkn@2026-11-01", false);
        check("remit=class:security", "class:security", false);
    }

    #[test]
    fn no_claim_is_no_claim() {
        check("", "", false);
        check("blocked by order 17", "", false);
        check("xremit=a", "", false);
    }

    #[test]
    fn nothing_is_guessed_from_a_broken_claim() {
        check("remit=", "", true);
        check("remit=a,,b", "a b", true);
        check("remit=class:whim", "", true);
        check("remit=list:a", "", true);
        check(&format!("remit={}", "a".repeat(49)), "", true);
    }
}
