//! Deeds that no packet shows, recorded by persons: how they are judged.
//!
//! A deed is a rule of the source PERSON: it stands from the leaf that records it to the one that ends it,
//! is judged while it stands whenever a request's bound or the register changes, and its leaves are events.
//! What differs from a rule that a filter shows:
//!
//! - It *lasts*: what began under a request and went on after its end was not covered at every instant, and
//!   the part that was not speaks. A window of hits only shows that some hit lay somewhere in it.
//! - Its times are what persons said, so the error of the node's clock does not widen them.
//! - A second person has to stand by it. Until a leaf of the same tree says so, the verdict stands with
//!   `UNCONFIRMED`; and that leaf counts only if the log knew a key of both persons when it was covered.

use remit_proto::v1::{self, ServiceActionKind, SourceKind, Technique};

use crate::judge::Span;

/// A second person stood by what the first recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// Index of the leaf that says so.
    pub leaf: u64,
    pub at_s: i64,
    pub by: v1::PersonRef,
    pub attestation: v1::Attestation,
}

impl Confirmed {
    pub(crate) fn to_wire(&self) -> v1::Confirmation {
        let Self { leaf, at_s, by, attestation } = self;
        v1::Confirmation {
            leaf: *leaf,
            at_s: *at_s,
            by: Some(by.clone()),
            attestation: (*attestation).into(),
        }
    }
}

/// Whether a rule is a deed that a person recorded.
pub fn is_deed(rule: &v1::Rule) -> bool {
    rule.source() == SourceKind::Person
}

/// The deed as the rule that it is judged as.
pub(crate) fn rule_of(action: &v1::ServiceAction) -> v1::Rule {
    let technique = match action.kind() {
        ServiceActionKind::Shutdown => Technique::Disconnection,
        ServiceActionKind::Throttle => Technique::Throttle,
        ServiceActionKind::LineSuspension => Technique::LineSuspend,
        // No leaf has it.
        ServiceActionKind::Unspecified => Technique::Other,
    };
    let claim_origin = match action.claims.is_empty() {
        true => v1::ClaimOrigin::None,
        false => v1::ClaimOrigin::Carried,
    };
    v1::Rule {
        number: action.number,
        source: SourceKind::Person.into(),
        technique: technique.into(),
        trigger: v1::Trigger::Other.into(),
        direction: v1::Direction::Both.into(),
        actor: v1::Actor::OperatorStaff.into(),
        claims: action.claims.clone(),
        claim_origin: claim_origin.into(),
        narrowed: false,
        counted: false,
        names_sampled: false,
        rate_bits_per_s: action.rate_bits_per_s,
    }
}

/// From its first to its last second; its first alone, if it has not ended.
pub(crate) fn span_of(action: &v1::ServiceAction) -> Span {
    let last_s = match action.until_s {
        0 => action.from_s,
        until_s => until_s.saturating_sub(1).max(action.from_s),
    };
    Span { first_s: action.from_s, last_s, clock_error_s: 0 }
}
