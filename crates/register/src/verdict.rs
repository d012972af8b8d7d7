//! The answer about one event, and the one mapping from its code to the word on a screen.

use evidence::RequestId;
use remit_proto::v1::{
    self, AddedFinding, BasisProof, Dimension, Ternary, UndeterminedReason, VerdictCode,
};

use crate::{adoption::Attributed, deed::Confirmed};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub code: VerdictCode,
    /// With UNDETERMINED, and only then.
    pub undetermined: Option<UndeterminedReason>,
    pub clause: Clause,
    /// In order of their numbers, each once.
    pub added: Vec<AddedFinding>,
    /// Of the request that speaks.
    pub basis_proof: BasisProof,
    pub registered_before_act: Ternary,
    pub register_size: u64,
    /// A person said later what the rule rests on; whatever the verdict.
    pub attributed: Option<Attributed>,
    /// With BASELINE_UNATTRIBUTED, and only then.
    pub baseline_until_s: Option<i64>,
    /// Of a deed that a person recorded: a second one stood by it.
    pub confirmed: Option<Confirmed>,
    /// Only so many of the register's targets that touch the event's were looked at; `None`: all.
    pub considered: Option<u32>,
    /// In what else the request that speaks does not cover it, each dimension once, in order of the codes.
    pub besides: Vec<Failure>,
}

/// One dimension in which a request does not cover a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: VerdictCode,
    pub clause: Clause,
}

/// Which dimension of which request decided, and the two values compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    pub dimension: Dimension,
    /// `None`: no request speaks.
    pub request: Option<RequestId>,
    pub request_says: String,
    pub event_shows: String,
    /// Of the request that speaks; empty: not stated.
    pub time_zone: String,
}

impl Verdict {
    /// The request that speaks.
    pub fn request(&self) -> Option<&RequestId> {
        self.clause.request.as_ref()
    }

    pub fn screen_word(&self) -> ScreenWord {
        screen_word(self.code)
    }

    pub fn to_wire(&self) -> v1::Verdict {
        let Self {
            code,
            undetermined,
            clause,
            added,
            basis_proof,
            registered_before_act,
            register_size,
            attributed,
            baseline_until_s,
            confirmed,
            considered,
            besides,
        } = self;
        v1::Verdict {
            code: (*code).into(),
            undetermined: undetermined.unwrap_or_default().into(),
            clause: Some(clause.to_wire()),
            added: added.iter().map(|finding| (*finding).into()).collect(),
            basis_proof: (*basis_proof).into(),
            registered_before_act: (*registered_before_act).into(),
            register_size: *register_size,
            attributed: attributed.as_ref().map(|said| v1::AttributedLater {
                statement: said.statement,
                recorded_at_s: said.recorded_at_s,
                by: Some(said.by.clone()),
                claims: said.claims.iter().map(Into::into).collect(),
            }),
            baseline_until_s: baseline_until_s.unwrap_or(0),
            confirmed: confirmed.as_ref().map(Confirmed::to_wire),
            considered: considered.unwrap_or(0),
            besides: besides.iter().map(Failure::to_wire).collect(),
        }
    }
}

impl Failure {
    fn to_wire(&self) -> v1::Failure {
        let Self { code, clause } = self;
        v1::Failure { code: (*code).into(), clause: Some(clause.to_wire()) }
    }
}

impl Clause {
    fn to_wire(&self) -> v1::Clause {
        let Self { dimension, request, request_says, event_shows, time_zone } = self;
        v1::Clause {
            dimension: (*dimension).into(),
            request_id: request.as_ref().map(ToString::to_string).unwrap_or_default(),
            request_says: request_says.clone(),
            event_shows: event_shows.clone(),
            time_zone: time_zone.clone(),
        }
    }
}

impl From<&Verdict> for v1::Verdict {
    fn from(verdict: &Verdict) -> Self {
        verdict.to_wire()
    }
}

/// DOMAIN.md section 3, "Screen words".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScreenWord {
    Covered,
    OwnMeasure,
    BeyondItsRequest,
    OutOfTime,
    NoCoveringRequest,
    Undetermined,
}

impl ScreenWord {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::OwnMeasure => "own measure",
            Self::BeyondItsRequest => "beyond its request",
            Self::OutOfTime => "out of time",
            Self::NoCoveringRequest => "no covering request",
            Self::Undetermined => "undetermined",
        }
    }

    /// What is always printed with the word.
    pub fn qualification(self, register_size: u64) -> Option<String> {
        match self {
            Self::Covered => Some(format!(
                "by an accepted request in the register at size {register_size}; says nothing \
                 about lawfulness or proportionality"
            )),
            Self::NoCoveringRequest => Some(format!("in the register at size {register_size}")),
            Self::OwnMeasure | Self::BeyondItsRequest | Self::OutOfTime | Self::Undetermined => {
                None
            }
        }
    }
}

impl std::fmt::Display for ScreenWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The one mapping, used by every edge.
pub fn screen_word(code: VerdictCode) -> ScreenWord {
    match code {
        VerdictCode::Authorised
        | VerdictCode::AuthorisedMisreferenced
        | VerdictCode::AuthorisedProvisional
        | VerdictCode::InRemovalGrace => ScreenWord::Covered,
        VerdictCode::TosMeasure | VerdictCode::SecurityMeasure | VerdictCode::UserChoice => {
            ScreenWord::OwnMeasure
        }
        VerdictCode::OutOfScopeTarget
        | VerdictCode::Overbroad
        | VerdictCode::WrongPlace
        | VerdictCode::WrongAudience
        | VerdictCode::WrongMethod => ScreenWord::BeyondItsRequest,
        VerdictCode::TooEarly
        | VerdictCode::Expired
        | VerdictCode::Revoked
        | VerdictCode::Suspended
        | VerdictCode::Lapsed
        | VerdictCode::AnnulledRetroactively => ScreenWord::OutOfTime,
        VerdictCode::NoBasis
        | VerdictCode::UnknownBasis
        | VerdictCode::BasisNotAccepted
        | VerdictCode::BaselineUnattributed => ScreenWord::NoCoveringRequest,
        VerdictCode::Unspecified | VerdictCode::Unverifiable | VerdictCode::Undetermined => {
            ScreenWord::Undetermined
        }
    }
}
