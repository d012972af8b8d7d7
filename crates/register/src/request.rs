//! A request as the register holds it: every field looked at, only valid values left.
//!
//! In: [`v1::Request`] with the target blocks of its import. Out: [`Request`], or the field that is
//! wrong and what would be right. Times are seconds since 1970-01-01T00:00:00Z; bounds are
//! half-open, so a request is in force at `from` and no more at `until`.

use evidence::RequestId;
use remit_proto::v1::{self, BasisClass, BasisProof, Instrument, RequestForm, RequestStatus};

use crate::target::{Target, TargetError, kind_from_word, kind_word};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    pub version: u32,
    pub external_ref: String,
    pub instrument: Instrument,
    pub basis_class: BasisClass,
    pub legal_provisions: Vec<String>,
    pub statement_of_reasons: String,
    pub category: String,
    pub authority: Option<v1::Authority>,
    pub form: RequestForm,
    pub targets: Vec<RequestTarget>,
    pub measure: Measure,
    pub scope: Scope,
    pub issued_at_s: Option<i64>,
    pub received_at_s: Option<i64>,
    pub effective_from_s: i64,
    /// `None`: open-ended.
    pub effective_until_s: Option<i64>,
    pub confirm_by_s: Option<i64>,
    pub implement_by_s: Option<i64>,
    pub remove_within_s: i64,
    pub status: RequestStatus,
    pub basis_proof: BasisProof,
    pub documents: Vec<v1::Document>,
    pub lists: Vec<ListVersion>,
    pub time_assumption: String,
    pub review_due_s: Option<i64>,
    /// In which times are shown; empty: not stated. Its name is not looked up here: databases of
    /// zones differ from machine to machine.
    pub time_zone: String,
    /// Lists whose entries it covers, besides its own targets.
    pub covers_lists: Vec<RequestId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget {
    pub target: Target,
    pub raw: String,
    pub repair: String,
    pub added_at_s: Option<i64>,
    pub removed_at_s: Option<i64>,
    /// It must stay open.
    pub exception: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Empty: any, if `outcome_only`; else none.
    pub techniques: Vec<v1::Technique>,
    pub outcome_only: bool,
    pub coarsest: Option<v1::TargetKind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    pub territories: Territories,
    pub nodes: Vec<String>,
    pub network_types: Vec<v1::NetworkType>,
    pub asns: Vec<u32>,
    pub audiences: Vec<String>,
}

/// Empty is not everywhere (DOMAIN.md 3f "Global vs node scope").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Territories {
    NotStated,
    Everywhere,
    /// ISO 3166-1 alpha-2 or 3166-2 codes.
    Listed(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListVersion {
    pub id: RequestId,
    pub version: RequestId,
}

/// One field of one request is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidRequest {
    pub field: &'static str,
    pub problem: String,
}

impl Request {
    /// One of the three instruments that are the operator's or the user's own.
    pub fn is_own_measure(&self) -> bool {
        is_own_measure(self.instrument)
    }
}

pub(crate) fn is_own_measure(instrument: Instrument) -> bool {
    match instrument {
        Instrument::TosMeasure | Instrument::SecurityMeasure | Instrument::UserChoice => true,
        Instrument::Unspecified
        | Instrument::CourtOrderFinal
        | Instrument::CourtOrderInterim
        | Instrument::AdministrativeOrder
        | Instrument::RegulatorOrder
        | Instrument::PoliceRequest
        | Instrument::ProsecutorRequest
        | Instrument::MinistryDirection
        | Instrument::LicenceDirection
        | Instrument::InformalGovernmentRequest
        | Instrument::PrivateList => false,
    }
}

impl TryFrom<v1::Request> for Request {
    type Error = InvalidRequest;

    fn try_from(wire: v1::Request) -> Result<Self, InvalidRequest> {
        let v1::Request {
            id,
            version,
            external_ref,
            instrument,
            basis_class,
            legal_provisions,
            statement_of_reasons,
            category,
            authority,
            form,
            targets,
            measure,
            scope,
            issued_at_s,
            received_at_s,
            effective_from_s,
            effective_until_s,
            confirm_by_s,
            implement_by_s,
            remove_within_s,
            status,
            basis_proof,
            documents,
            lists,
            time_assumption,
            review_due_s,
            time_zone,
            covers_lists,
        } = wire;
        let instrument = known(instrument, "instrument")?;
        let request = Self {
            id: id.parse().map_err(|e| invalid("id", format!("{e}")))?,
            version,
            external_ref,
            instrument,
            basis_class: known(basis_class, "basis_class")?,
            legal_provisions,
            statement_of_reasons,
            category,
            authority,
            form: known(form, "form")?,
            targets: targets.into_iter().map(RequestTarget::try_from).collect::<Result<_, _>>()?,
            measure: measure
                .ok_or_else(|| invalid("measure", "missing: say techniques or outcome_only"))?
                .try_into()?,
            scope: scope.unwrap_or_default().try_into()?,
            issued_at_s: stated(issued_at_s),
            received_at_s: stated(received_at_s),
            effective_from_s,
            effective_until_s: stated(effective_until_s),
            confirm_by_s: stated(confirm_by_s),
            implement_by_s: stated(implement_by_s),
            remove_within_s: i64::try_from(remove_within_s)
                .ok()
                .filter(|s| *s <= REMOVE_WITHIN_MAX_S)
                .ok_or_else(|| invalid("remove_within_s", "more than 100 years"))?,
            status: known(status, "status")?,
            basis_proof: known(basis_proof, "basis_proof")?,
            documents,
            lists: lists.into_iter().map(ListVersion::try_from).collect::<Result<_, _>>()?,
            time_assumption,
            review_due_s: stated(review_due_s),
            time_zone,
            covers_lists: covers_lists
                .iter()
                .map(|id| id.parse().map_err(|e| invalid("covers_lists", format!("{e}"))))
                .collect::<Result<_, _>>()?,
        };
        request.check()
    }
}

/// A grace is hours or days; the bound keeps sums of times far from overflow.
const REMOVE_WITHIN_MAX_S: i64 = 100 * 366 * 86_400;
/// Year 9999; the same bound as for the times of leaves.
const TIME_MAX_S: i64 = 253_402_300_799;

impl Request {
    /// What no field can show alone.
    fn check(self) -> Result<Self, InvalidRequest> {
        if self.version == 0 {
            return Err(invalid("version", "begins at 1"));
        }
        for (field, time) in [
            ("issued_at_s", self.issued_at_s),
            ("received_at_s", self.received_at_s),
            ("effective_from_s", Some(self.effective_from_s)),
            ("effective_until_s", self.effective_until_s),
            ("confirm_by_s", self.confirm_by_s),
            ("implement_by_s", self.implement_by_s),
            ("review_due_s", self.review_due_s),
        ] {
            if time.is_some_and(|t| !(0..=TIME_MAX_S).contains(&t)) {
                return Err(invalid(field, "outside the years 1970 to 9999"));
            }
        }
        if self.effective_until_s.is_some_and(|until| until <= self.effective_from_s) {
            return Err(invalid("effective_until_s", "not after effective_from_s"));
        }
        match (self.status, self.confirm_by_s) {
            (RequestStatus::Provisional, None) => {
                return Err(invalid(
                    "confirm_by_s",
                    "a provisional request must say when it lapses",
                ));
            }
            (RequestStatus::Provisional, Some(by)) if by <= self.effective_from_s => {
                return Err(invalid("confirm_by_s", "not after effective_from_s"));
            }
            (RequestStatus::Unspecified, _) => return Err(invalid("status", "missing")),
            (
                RequestStatus::Provisional
                | RequestStatus::Received
                | RequestStatus::UnderReview
                | RequestStatus::ClarificationSought
                | RequestStatus::Challenged
                | RequestStatus::Refused
                | RequestStatus::Accepted,
                _,
            ) => {}
        }
        if self.documents.iter().any(|d| d.digest.len() != 32) {
            return Err(invalid("documents.digest", "not 32 bytes"));
        }
        for target in &self.targets {
            let times = [target.added_at_s, target.removed_at_s];
            if times.into_iter().flatten().any(|t| !(0..=TIME_MAX_S).contains(&t)) {
                return Err(invalid("targets", "a time outside the years 1970 to 9999"));
            }
            if let [Some(added), Some(removed)] = times
                && removed <= added
            {
                return Err(invalid("targets.removed_at_s", "not after added_at_s"));
            }
        }
        Ok(self)
    }
}

impl From<&Request> for v1::Request {
    fn from(request: &Request) -> Self {
        let request = request.clone();
        Self {
            id: request.id.to_string(),
            version: request.version,
            external_ref: request.external_ref,
            instrument: request.instrument.into(),
            basis_class: request.basis_class.into(),
            legal_provisions: request.legal_provisions,
            statement_of_reasons: request.statement_of_reasons,
            category: request.category,
            authority: request.authority,
            form: request.form.into(),
            targets: request
                .targets
                .into_iter()
                .map(|held| v1::RequestTarget {
                    target: Some(held.target.to_wire()),
                    raw: held.raw,
                    repair: held.repair,
                    added_at_s: held.added_at_s.unwrap_or(0),
                    removed_at_s: held.removed_at_s.unwrap_or(0),
                    exception: held.exception,
                })
                .collect(),
            measure: Some(v1::Measure {
                techniques: request.measure.techniques.into_iter().map(Into::into).collect(),
                outcome_only: request.measure.outcome_only,
                coarsest: request.measure.coarsest.unwrap_or_default().into(),
            }),
            scope: Some(v1::Scope {
                territories: match request.scope.territories {
                    Territories::NotStated => Vec::new(),
                    Territories::Everywhere => vec!["*".to_owned()],
                    Territories::Listed(codes) => codes,
                },
                nodes: request.scope.nodes,
                network_types: request.scope.network_types.into_iter().map(Into::into).collect(),
                asns: request.scope.asns,
                audiences: request.scope.audiences,
            }),
            issued_at_s: request.issued_at_s.unwrap_or(0),
            received_at_s: request.received_at_s.unwrap_or(0),
            effective_from_s: request.effective_from_s,
            effective_until_s: request.effective_until_s.unwrap_or(0),
            confirm_by_s: request.confirm_by_s.unwrap_or(0),
            implement_by_s: request.implement_by_s.unwrap_or(0),
            remove_within_s: request.remove_within_s.unsigned_abs(),
            status: request.status.into(),
            basis_proof: request.basis_proof.into(),
            documents: request.documents,
            lists: request
                .lists
                .into_iter()
                .map(|list| v1::ListClaim {
                    list_id: list.id.to_string(),
                    version: list.version.to_string(),
                })
                .collect(),
            time_assumption: request.time_assumption,
            review_due_s: request.review_due_s.unwrap_or(0),
            time_zone: request.time_zone,
            covers_lists: request.covers_lists.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<v1::RequestTarget> for RequestTarget {
    type Error = InvalidRequest;
    fn try_from(wire: v1::RequestTarget) -> Result<Self, InvalidRequest> {
        let v1::RequestTarget { target, raw, repair, added_at_s, removed_at_s, exception } = wire;
        let target = target.ok_or_else(|| invalid("targets.target", "missing"))?;
        let target = Target::from_wire(&target).map_err(|e: TargetError| {
            invalid("targets.target", format!("{e}: {:?}", target.value))
        })?;
        Ok(Self {
            target,
            raw,
            repair,
            added_at_s: stated(added_at_s),
            removed_at_s: stated(removed_at_s),
            exception,
        })
    }
}

impl TryFrom<v1::Measure> for Measure {
    type Error = InvalidRequest;
    fn try_from(wire: v1::Measure) -> Result<Self, InvalidRequest> {
        let v1::Measure { techniques, outcome_only, coarsest } = wire;
        let techniques: Vec<v1::Technique> = techniques
            .into_iter()
            .map(|t| known(t, "measure.techniques"))
            .collect::<Result<_, _>>()?;
        if techniques.is_empty() && !outcome_only {
            return Err(invalid(
                "measure",
                "permits nothing: list techniques, or say outcome_only if the operator chooses",
            ));
        }
        let coarsest = match coarsest {
            0 => None,
            kind => Some(known(kind, "measure.coarsest")?),
        };
        Ok(Self { techniques, outcome_only, coarsest })
    }
}

impl TryFrom<v1::Scope> for Scope {
    type Error = InvalidRequest;
    fn try_from(wire: v1::Scope) -> Result<Self, InvalidRequest> {
        let v1::Scope { territories, nodes, network_types, asns, audiences } = wire;
        if let Some(bad) = territories.iter().find(|t| *t != "*" && !is_territory(t)) {
            return Err(invalid(
                "scope.territories",
                format!("{bad:?} is no code of ISO 3166 such as DE or DE-BE, nor \"*\""),
            ));
        }
        let territories = if territories.iter().any(|t| t == "*") {
            Territories::Everywhere
        } else if territories.is_empty() {
            Territories::NotStated
        } else {
            Territories::Listed(territories)
        };
        let network_types = network_types
            .into_iter()
            .map(|n| known(n, "scope.network_types"))
            .collect::<Result<_, _>>()?;
        Ok(Self { territories, nodes, network_types, asns, audiences })
    }
}

impl TryFrom<v1::ListClaim> for ListVersion {
    type Error = InvalidRequest;
    fn try_from(wire: v1::ListClaim) -> Result<Self, InvalidRequest> {
        let v1::ListClaim { list_id, version } = wire;
        Ok(Self {
            id: list_id.parse().map_err(|e| invalid("lists", format!("{e}")))?,
            version: version.parse().map_err(|e| invalid("lists", format!("{e}")))?,
        })
    }
}

/// ISO 3166-1 alpha-2, or 3166-2.
fn is_territory(text: &str) -> bool {
    let (country, region) = text.split_once('-').unwrap_or((text, "A"));
    country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && (1..=3).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn stated(time_s: i64) -> Option<i64> {
    (time_s != 0).then_some(time_s)
}

fn invalid(field: &'static str, problem: impl Into<String>) -> InvalidRequest {
    InvalidRequest { field, problem: problem.into() }
}

/// An enum of the wire whose value 0 is not valid here.
fn known<E: TryFrom<i32> + Default + PartialEq>(
    value: i32,
    field: &'static str,
) -> Result<E, InvalidRequest> {
    match E::try_from(value) {
        Ok(value) if value == E::default() => Err(invalid(field, "missing")),
        Ok(value) => Ok(value),
        Err(_) => Err(invalid(field, format!("{value} has no meaning in this version"))),
    }
}

/// Kinds in the words of a file, such as "domain_subtree"; "host" and "subtree" are short forms for
/// `coarsest`, as DOMAIN.md 3a names the steps of granularity.
pub(crate) fn granularity_from_word(word: &str) -> Option<v1::TargetKind> {
    match word {
        "host" => Some(v1::TargetKind::DomainExact),
        "subtree" => Some(v1::TargetKind::DomainSubtree),
        other => kind_from_word(other),
    }
}

impl Measure {
    /// What the request permits, as clauses show it.
    pub(crate) fn says(&self) -> String {
        let words: Vec<_> = self.techniques.iter().map(|t| crate::words::technique(*t)).collect();
        let mut text = match (words.is_empty(), self.outcome_only) {
            (true, _) => "any technique".to_owned(),
            (false, false) => words.join(", "),
            (false, true) => format!("{} (operator chooses)", words.join(", ")),
        };
        if let Some(kind) = self.coarsest {
            text.push_str(&format!(", no coarser than {}", kind_word(kind)));
        }
        text
    }
}
