//! A request as the register holds it: every field looked at, only valid values left.
//!
//! In: [`v1::Request`] with the target blocks of its import. Out: [`Request`], or the field that is
//! wrong and what would be right. On the wire the instrument (`Authorisation`), how it came
//! (`Notification`) and what it asks (`Task`) stand apart, as in ETSI TS 103 120; here stands apart
//! what a verdict depends on, and the [`Particulars`] that people read. Times are seconds since
//! 1970-01-01T00:00:00Z; bounds are half-open, so a request is in force at `from` and no more at
//! `until`.

mod check;
mod intake;
mod read;
mod texts;
mod validity;
mod write;

use std::{hint::black_box, num::NonZeroU64, sync::Arc};

use evidence::RequestId;
use remit_proto::v1::{self, BasisClass, BasisProof, Instrument, RequestForm, RequestStatus};

use crate::target::{Relation, Target, kind_from_word, kind_word, relation};

pub use check::InvalidRequest;
pub(crate) use intake::{IN_URL, NO_PERSON, address_in_url, leads_to_person};
pub use intake::{Intake, RECEIVED_AHEAD_MAX_S, Refused, strange_text};
pub use texts::{Place, Text, scope_texts, texts};
pub use validity::checklist;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    pub version: u32,
    /// Digest of the version that this one replaces; empty for one that replaces none.
    pub prev_hash: Vec<u8>,
    pub instrument: Instrument,
    pub basis_class: BasisClass,
    pub basis_proof: BasisProof,
    pub status: RequestStatus,
    /// As measure and scope: equal ones of an import are one, for many requests have few different ones.
    pub authority: Option<Arc<v1::Authority>>,
    pub form: RequestForm,
    /// An order against the publisher is no basis for blocking in the network (DOMAIN.md 3f).
    pub to_publisher: bool,
    pub targets: Vec<RequestTarget>,
    pub measure: Arc<Measure>,
    pub scope: Arc<Scope>,
    pub received_at_s: Option<i64>,
    pub effective_from_s: i64,
    /// `None`: open-ended, or ended by an event.
    pub effective_until_s: Option<i64>,
    pub max_duration_s: Option<i64>,
    /// In force only within one of them; empty: always within the span.
    pub windows: Vec<Window>,
    pub confirm_by_s: Option<i64>,
    pub implement_by_s: Option<i64>,
    pub removal: Removal,
    pub lists: Vec<ListVersion>,
    /// Lists whose entries it covers, besides its own targets.
    pub covers_lists: Vec<RequestId>,
    /// Parts that are committed.
    pub closed: Vec<Closed>,
    pub decision: Option<Box<Decision>>,
    pub relations: Vec<v1::Relation>,
    /// In which times are shown; empty: not stated. Its name is not looked up here: databases of
    /// zones differ from machine to machine.
    pub time_zone: String,
    pub particulars: Box<Particulars>,
}

/// What people read and no verdict depends on. Messages of the wire whose values were checked; those that few
/// requests have are boxed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Particulars {
    pub external_ref: String,
    pub court: String,
    pub docket: String,
    pub ecli: String,
    pub decided_at_s: Option<i64>,
    pub issued_at_s: Option<i64>,
    pub legal_provisions: Vec<v1::LegalProvision>,
    pub statement_of_reasons: String,
    pub category: String,
    pub keywords: Vec<String>,
    pub parties: Vec<v1::Party>,
    pub competence_check: Option<Box<v1::CompetenceCheck>>,
    pub confidentiality: Option<v1::Confidentiality>,
    pub addressee: String,
    pub addressee_role: v1::AddresseeRole,
    pub shared_by: String,
    pub signature_status: v1::SignatureStatus,
    pub language: String,
    pub served_at_s: Option<i64>,
    pub acknowledged_at_s: Option<i64>,
    pub redress: Vec<v1::Redress>,
    pub report_effect_to: Option<v1::EffectReport>,
    pub until_event: String,
    pub review_due_s: Option<i64>,
    pub documents: Vec<v1::Document>,
    pub validity: Vec<v1::ValidityItem>,
    pub impact: Option<Box<v1::ImpactAssessment>>,
    pub time_assumption: String,
    pub time_notes: Vec<v1::TimeNote>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget {
    pub target: Target,
    /// It must stay open.
    pub exception: bool,
    /// It came as its canonical text.
    is_raw: bool,
    /// [`NOT_STATED`]: since the request.
    added_at_s: i64,
    /// Of most of two million targets there is none.
    rest: Option<Box<Rest>>,
}

/// What is known of a target beside what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    pub raw: String,
    pub repair: String,
    pub added_at_s: Option<i64>,
    pub removed_at_s: Option<i64>,
    /// An address that one of the request's names resolved to.
    pub derived: Option<Derived>,
}

/// What few targets have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rest {
    raw: String,
    repair: String,
    removed_at_s: Option<i64>,
    derived: Option<Derived>,
}

const NOT_STATED: i64 = i64::MIN;

impl RequestTarget {
    pub fn new(target: Target, exception: bool, details: Details) -> Self {
        let Details { mut raw, repair, added_at_s, removed_at_s, derived } = details;
        let is_raw = !raw.is_empty() && raw == target.to_string();
        if is_raw {
            raw = String::new();
        }
        let rest = Rest { raw, repair, removed_at_s, derived };
        Self {
            target,
            exception,
            is_raw,
            added_at_s: added_at_s.unwrap_or(NOT_STATED),
            rest: (rest != Rest::default()).then(|| Box::new(rest)),
        }
    }

    pub fn details(&self) -> Details {
        let Rest { raw: _, repair, removed_at_s, derived } =
            self.rest.as_deref().cloned().unwrap_or_default();
        Details { raw: self.raw(), repair, added_at_s: self.added_at_s(), removed_at_s, derived }
    }

    /// As it was received; empty: not kept.
    pub fn raw(&self) -> String {
        match &self.rest {
            _ if self.is_raw => self.target.to_string(),
            Some(rest) => rest.raw.clone(),
            None => String::new(),
        }
    }

    pub fn added_at_s(&self) -> Option<i64> {
        (self.added_at_s != NOT_STATED).then_some(self.added_at_s)
    }

    pub fn removed_at_s(&self) -> Option<i64> {
        self.rest.as_ref()?.removed_at_s
    }

    /// An address that one of the request's names resolved to.
    pub fn derived(&self) -> Option<&Derived> {
        self.rest.as_ref()?.derived.as_ref()
    }

    /// Asks for all lines of memory in which it lies, as [`Request::load`] does, and for the text of its target.
    pub(crate) fn load(&self) {
        let Self { target, exception, is_raw: _, added_at_s, rest } = self;
        black_box((target.load(), exception, added_at_s, rest.is_some()));
    }
}

/// A register of two million targets is to fit into some hundred megabytes.
const _: () = assert!(size_of::<RequestTarget>() <= 56);

impl Scope {
    /// A class of lines.
    pub(crate) fn means(&self, class: &String) -> bool {
        let Self { audiences, except_audiences, .. } = self;
        (audiences.is_empty() || audiences.contains(class)) && !except_audiences.contains(class)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    pub from: Target,
    pub resolved_at_s: i64,
    pub ttl_s: u32,
    /// Digest of the answer; empty: not kept.
    pub evidence: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Measure {
    /// Empty: any, if `outcome_only`; else none.
    pub techniques: Vec<v1::Technique>,
    pub outcome_only: bool,
    pub coarsest: Option<v1::TargetKind>,
    pub derived_targets: bool,
    pub notice_required: bool,
    pub notice: String,
    /// What is slowed down is left at least so much.
    pub throttle_to_bits_per_s: Option<NonZeroU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    pub territories: Territories,
    pub nodes: Vec<String>,
    pub except_nodes: Vec<String>,
    pub network_types: Vec<v1::NetworkType>,
    pub asns: Vec<u32>,
    pub audiences: Vec<String>,
    pub except_audiences: Vec<String>,
    pub cells: Vec<String>,
}

/// Empty is not everywhere (DOMAIN.md 3f "Global vs node scope").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Territories {
    NotStated,
    Everywhere,
    /// ISO 3166-1 alpha-2 or 3166-2 codes.
    Listed(Vec<String>),
}

/// Half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from_s: i64,
    pub until_s: i64,
}

/// How long after its end a block may still stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// 0: not at all.
    WithinS(i64),
    /// The same instant for every end.
    ByS(i64),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListVersion {
    pub id: RequestId,
    pub version: RequestId,
}

/// A part that is committed; its fields are here only if it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub part: v1::RequestPart,
    pub tier: v1::DisclosureTier,
    /// `None`: without end.
    pub until_s: Option<i64>,
    pub ground: String,
    pub opening: Option<v1::ItemSet>,
    pub is_open: bool,
    /// Its opening was removed, and the log says so.
    pub is_erased: bool,
}

/// What the operator made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub kind: v1::DecisionKind,
    pub reason: v1::OperatorReason,
    pub text: String,
    pub escalation: String,
    /// Not to be blocked under the request.
    pub not_accepted: Vec<Target>,
    /// Accepted only within.
    pub accepted_scope: Option<Scope>,
}

impl Decision {
    /// A target lies in what was not accepted, whatever wider target of the request holds it too.
    pub fn leaves_out(&self, target: &Target) -> bool {
        self.not_accepted
            .iter()
            .any(|refused| matches!(relation(target, refused), Relation::Equal | Relation::Inside))
    }
}

impl Request {
    /// Asks for all lines of memory in which it lies, so that they are waited for together: a verdict needs them
    /// one after the other, and they are mostly in no cache.
    pub(crate) fn load(&self) {
        let lists = (self.targets.len(), self.windows.len(), self.lists.len());
        let more = (self.covers_lists.len(), self.closed.len(), self.relations.len());
        let times = (self.received_at_s, self.effective_until_s, self.confirm_by_s);
        let rest = (self.version, self.time_zone.len(), self.decision.is_some(), self.to_publisher);
        black_box((lists, more, times, rest, self.max_duration_s, self.removal));
    }

    /// By what its authority is known: its id, or the name of one that has none; empty: nothing is stated.
    pub fn authority_word(&self) -> &str {
        let Some(authority) = &self.authority else { return "" };
        let v1::Authority { id, name, branch: _, country: _, level: _, officer: _ } = &**authority;
        if id.is_empty() { name } else { id }
    }

    /// One of the three instruments that are the operator's or the user's own.
    pub fn is_own_measure(&self) -> bool {
        is_own_measure(self.instrument)
    }

    /// A part that is there and cannot be seen.
    pub fn withholds(&self, part: v1::RequestPart) -> Option<&Closed> {
        self.closed.iter().find(|closed| closed.part == part && !closed.is_open)
    }

    /// A part that was closed, seen or not.
    pub fn closes(&self, part: v1::RequestPart) -> bool {
        self.closed.iter().any(|closed| closed.part == part)
    }

    /// When what is restricted or secret of it ends: by the clause, and by each closed part.
    pub(crate) fn secrecy_ends(&self) -> impl Iterator<Item = i64> {
        let clause = self.particulars.confidentiality.as_ref();
        let clause = clause.filter(|clause| clause.expires_at_s != 0 && hides(clause.tier()));
        let parts = self.closed.iter().filter(|closed| hides(closed.tier));
        parts.filter_map(|closed| closed.until_s).chain(clause.map(|clause| clause.expires_at_s))
    }

    /// When it ends by its own times.
    pub fn ends_at_s(&self) -> Option<i64> {
        let longest = self.max_duration_s.map(|s| self.effective_from_s.saturating_add(s));
        match (self.effective_until_s, longest) {
            (Some(until), Some(longest)) => Some(until.min(longest)),
            (until, longest) => until.or(longest),
        }
    }

    /// Until when what has ended may still stand.
    pub fn removal_until_s(&self, end_s: i64) -> i64 {
        match self.removal {
            Removal::WithinS(within_s) => end_s.saturating_add(within_s),
            Removal::ByS(by_s) => by_s.max(end_s),
        }
    }

    /// Proceedings with which it lapses.
    pub fn proceedings(&self) -> impl Iterator<Item = &str> {
        self.relations
            .iter()
            .filter(|r| r.kind() == v1::RelationKind::DependsOnProceeding && !r.outlives)
            .map(|r| r.to.as_str())
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
    /// Addresses may be blocked that its names resolve to.
    pub fn permits_derived(&self) -> bool {
        self.derived_targets || self.outcome_only
    }

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
        if let Some(rate) = self.throttle_to_bits_per_s {
            text.push_str(&format!(", leaving at least {rate} bit/s where it slows down"));
        }
        text
    }
}

impl Closed {
    /// "withheld: secret until 2026-06-30T22:00:00Z", as clauses and screens say it.
    pub fn says(&self) -> String {
        let tier = crate::words::tier(self.tier);
        match self.until_s {
            Some(until_s) => format!("withheld: {tier} until {}", crate::words::time(until_s)),
            None => format!("withheld: {tier}"),
        }
    }
}

pub(crate) fn hides(tier: v1::DisclosureTier) -> bool {
    match tier {
        v1::DisclosureTier::Restricted | v1::DisclosureTier::Secret => true,
        v1::DisclosureTier::Public | v1::DisclosureTier::Unspecified => false,
    }
}

/// Whether verdicts rest on a part: such a part may be withheld, and is never erased.
pub fn moves_verdicts(part: v1::RequestPart) -> bool {
    match part {
        v1::RequestPart::Targets | v1::RequestPart::Scope | v1::RequestPart::Measure => true,
        v1::RequestPart::Unspecified
        | v1::RequestPart::Reasons
        | v1::RequestPart::Reference
        | v1::RequestPart::Authority
        | v1::RequestPart::Officer
        | v1::RequestPart::Parties
        | v1::RequestPart::Documents
        | v1::RequestPart::Remarks => false,
    }
}
