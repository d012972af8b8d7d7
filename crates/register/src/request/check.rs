//! What no field can show alone, and what the words of a request may be.

use evidence::PersonId;
use remit_proto::v1::{self, RelationKind, RequestStatus};

use super::{Derived, Particulars, Removal, Request, RequestTarget, Window};
use crate::target::{Relation, Target, name_of, relation};

/// One field of one request is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidRequest {
    pub field: &'static str,
    pub problem: String,
}

impl InvalidRequest {
    /// As people write it: in the words of a requests file, which the commands use too. Fields of messages say besides
    /// in which part they stand and in what unit.
    pub fn in_words_of_a_file(self) -> Self {
        let Self { field, problem } = self;
        let word = FILE_WORDS.iter().find(|(wire, _)| *wire == field);
        // What it is compared with, too.
        let times = FILE_WORDS.iter().filter(|(wire, _)| wire.ends_with("_s"));
        let problem = times.fold(problem, |problem, (wire, file)| problem.replace(wire, file));
        Self { field: word.map_or(field, |(_, file)| file), problem }
    }
}

/// What a field is called in a file, where that is another word.
const FILE_WORDS: [(&str, &str); 30] = [
    ("issued_at_s", "issued"),
    ("decided_at_s", "decided"),
    ("served_at_s", "served"),
    ("received_at_s", "received"),
    ("acknowledged_at_s", "acknowledged"),
    ("effective_from_s", "from"),
    ("effective_until_s", "until"),
    ("confirm_by_s", "confirm_by"),
    ("implement_by_s", "implement_by"),
    ("remove_by_s", "remove_by"),
    ("remove_within_s", "remove_within"),
    ("review_due_s", "review_due"),
    ("max_duration_s", "max_duration"),
    ("targets.added_at_s", "targets.added"),
    ("targets.removed_at_s", "targets.removed"),
    ("targets.derived.resolved_at_s", "targets.derived.resolved"),
    ("notification.addressee_role", "addressee_role"),
    ("notification.signature_status", "signature_status"),
    ("measure", "techniques"),
    ("measure.techniques", "techniques"),
    ("measure.coarsest", "coarsest"),
    ("measure.throttle_to_bits_per_s", "throttle_to_bits_per_s"),
    ("scope.territories", "territories"),
    ("scope.network_types", "network_types"),
    ("competence_check.result", "competence.result"),
    ("competence_check.verified_by", "competence.verified_by"),
    ("decision.accepted_scope", "decision.territories"),
    ("documents.anchor_digest", "documents.anchor"),
    ("documents.signature_digest", "documents.signature"),
    ("validity.element", "validity"),
];

/// A grace is hours or days; the bound keeps sums of times far from overflow.
const DURATION_MAX_S: i64 = 100 * 366 * 86_400;
/// Year 9999; the same bound as for the times of leaves.
pub(super) const TIME_MAX_S: i64 = 253_402_300_799;
const WINDOWS_MAX: usize = 1_000;
/// A text longer than this belongs into a document.
const TEXT_SIZE_MAX: usize = 16 * 1024;

impl Request {
    pub(super) fn check(self) -> Result<Self, InvalidRequest> {
        if self.version == 0 {
            return Err(invalid("version", "begins at 1"));
        }
        if !matches!(self.prev_hash.len(), 0 | 32) {
            return Err(invalid("prev_hash", "not 32 bytes"));
        }
        self.check_times()?;
        check_status(self.status, self.confirm_by_s, self.effective_from_s)?;
        if let Some(v1::Authority { branch, level, .. }) = self.authority.as_deref() {
            one_of(branch, &BRANCHES, "authority.branch")?;
            one_of(level, &LEVELS, "authority.level")?;
        }
        for relation in &self.relations {
            self.check_relation(relation)?;
        }
        for target in &self.targets {
            self.check_target(target)?;
        }
        let sees_targets = self.withholds(v1::RequestPart::Targets).is_none();
        if let Some(decision) = self.decision.as_deref().filter(|_| sees_targets) {
            let strange = decision
                .not_accepted
                .iter()
                .find(|t| !self.targets.iter().any(|h| h.target == **t));
            if let Some(strange) = strange {
                let problem = format!("{strange} is no target of the request");
                return Err(invalid("decision.not_accepted", problem));
            }
        }
        self.particulars.check()?;
        let proved = self
            .particulars
            .documents
            .iter()
            .any(|document| document.signature_status() == v1::SignatureStatus::Valid);
        let withheld = self.closes(v1::RequestPart::Documents);
        if self.basis_proof == v1::BasisProof::AuthoritySigned && !proved && !withheld {
            let problem = "authority_signed needs a document whose signature was checked and holds: remit \
                           requests document add";
            return Err(invalid("basis_proof", problem));
        }
        Ok(self)
    }

    fn check_times(&self) -> Result<(), InvalidRequest> {
        let removal_by_s = match self.removal {
            Removal::ByS(by_s) => Some(by_s),
            Removal::WithinS(_) => None,
        };
        for (field, time) in [
            ("issued_at_s", self.particulars.issued_at_s),
            ("decided_at_s", self.particulars.decided_at_s),
            ("served_at_s", self.particulars.served_at_s),
            ("received_at_s", self.received_at_s),
            ("acknowledged_at_s", self.particulars.acknowledged_at_s),
            ("effective_from_s", Some(self.effective_from_s)),
            ("effective_until_s", self.effective_until_s),
            ("confirm_by_s", self.confirm_by_s),
            ("implement_by_s", self.implement_by_s),
            ("remove_by_s", removal_by_s),
            ("review_due_s", self.particulars.review_due_s),
        ] {
            if time.is_some_and(|t| !(0..=TIME_MAX_S).contains(&t)) {
                return Err(invalid(field, "outside the years 1970 to 9999"));
            }
        }
        if self.effective_until_s.is_some_and(|until| until <= self.effective_from_s) {
            let until_s = self.effective_until_s.unwrap_or_default();
            return Err(not_after(
                ("effective_until_s", until_s),
                ("effective_from_s", self.effective_from_s),
            ));
        }
        if self.windows.len() > WINDOWS_MAX {
            return Err(invalid(
                "windows",
                "more than 1,000; enter the request for a shorter time",
            ));
        }
        let mut open_from_s = self.effective_from_s;
        for Window { from_s, until_s } in &self.windows {
            if *from_s < open_from_s || until_s <= from_s {
                let problem = "they must ascend, lie apart and within the span (from, until), and none may be empty";
                return Err(invalid("windows", problem));
            }
            open_from_s = *until_s;
        }
        if self.effective_until_s.is_some_and(|until| open_from_s > until) {
            return Err(invalid("windows", "the last one ends after effective_until_s"));
        }
        Ok(())
    }

    fn check_relation(&self, relation: &v1::Relation) -> Result<(), InvalidRequest> {
        let v1::Relation { kind, to, outlives } = relation;
        let kind: RelationKind = known(*kind, "relations.kind")?;
        match kind {
            RelationKind::DependsOnProceeding if (1..=200).contains(&to.len()) => Ok(()),
            RelationKind::DependsOnProceeding => {
                Err(invalid("relations.to", "a proceeding is named by 1 to 200 bytes"))
            }
            _ if *outlives => Err(invalid("relations.outlives", "is of depends_on_proceeding")),
            _ if to.parse::<evidence::RequestId>().is_err() => {
                Err(invalid("relations.to", format!("{to:?} is no id")))
            }
            RelationKind::ImplementsListOf => Ok(()),
            _ if *to == self.id.as_str() => {
                Err(invalid("relations.to", "a request does not relate to itself"))
            }
            _ => Ok(()),
        }
    }

    fn check_target(&self, held: &RequestTarget) -> Result<(), InvalidRequest> {
        let times = [held.added_at_s(), held.removed_at_s()];
        if times.into_iter().flatten().any(|t| !(0..=TIME_MAX_S).contains(&t)) {
            return Err(invalid("targets", "a time outside the years 1970 to 9999"));
        }
        if let [Some(added), Some(removed)] = times
            && removed <= added
        {
            return Err(not_after(
                ("targets.removed_at_s", removed),
                ("targets.added_at_s", added),
            ));
        }
        let Some(derived) = held.derived() else { return Ok(()) };
        let Derived { from, resolved_at_s, ttl_s: _, evidence } = derived;
        let address =
            matches!(held.target, Target::Ip(_) | Target::IpPort { .. } | Target::Cidr(_));
        if !address || name_of(from).is_none() {
            return Err(invalid("targets.derived", "an address is derived from a name"));
        }
        let named = self.targets.iter().filter(|t| t.derived().is_none() && !t.exception);
        let inside = |t: &RequestTarget| {
            matches!(relation(from, &t.target), Relation::Equal | Relation::Inside)
        };
        if !named.into_iter().any(inside) {
            let problem = format!("{from} is not among the names of the request");
            return Err(invalid("targets.derived.from", problem));
        }
        if !(1..=TIME_MAX_S).contains(resolved_at_s) {
            return Err(invalid("targets.derived.resolved_at_s", "missing"));
        }
        if !matches!(evidence.len(), 0 | 32) {
            return Err(invalid("targets.derived.evidence", "not 32 bytes"));
        }
        Ok(())
    }
}

fn check_status(
    status: RequestStatus,
    confirm_by_s: Option<i64>,
    effective_from_s: i64,
) -> Result<(), InvalidRequest> {
    match (status, confirm_by_s) {
        (RequestStatus::Provisional, None) => {
            Err(invalid("confirm_by_s", "a provisional request must say when it lapses"))
        }
        (RequestStatus::Provisional, Some(by)) if by <= effective_from_s => {
            Err(not_after(("confirm_by_s", by), ("effective_from_s", effective_from_s)))
        }
        (RequestStatus::Unspecified, _) => Err(invalid("status", "missing")),
        (
            RequestStatus::Provisional
            | RequestStatus::Received
            | RequestStatus::UnderReview
            | RequestStatus::ClarificationSought
            | RequestStatus::Challenged
            | RequestStatus::Refused
            | RequestStatus::Accepted,
            _,
        ) => Ok(()),
    }
}

impl Particulars {
    fn check(&self) -> Result<(), InvalidRequest> {
        for (field, text) in [
            ("external_ref", &self.external_ref),
            ("court", &self.court),
            ("docket", &self.docket),
            ("ecli", &self.ecli),
            ("statement_of_reasons", &self.statement_of_reasons),
            ("category", &self.category),
            ("addressee", &self.addressee),
            ("shared_by", &self.shared_by),
            ("until_event", &self.until_event),
        ] {
            if text.len() > TEXT_SIZE_MAX {
                let problem = "longer than 16 KiB; keep the full text as a document";
                return Err(invalid(field, problem));
            }
            if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
                return Err(invalid(field, "holds a control character"));
            }
        }
        for provision in &self.legal_provisions {
            let v1::LegalProvision { jurisdiction, instrument, article: _, url: _ } = provision;
            if instrument.is_empty() {
                return Err(invalid("legal_provisions.instrument", "missing"));
            }
            if !jurisdiction.is_empty() && jurisdiction != "EU" && !is_territory(jurisdiction) {
                let problem = format!("{jurisdiction:?} is no code of ISO 3166, nor \"EU\"");
                return Err(invalid("legal_provisions.jurisdiction", problem));
            }
        }
        for v1::Party { role, name } in &self.parties {
            known::<v1::PartyRole>(*role, "parties.role")?;
            if name.is_empty() {
                return Err(invalid("parties.name", "missing"));
            }
        }
        if let Some(check) = &self.competence_check {
            known::<v1::CompetenceResult>(check.result, "competence_check.result")?;
            check_person(check.verified_by.as_ref(), "competence_check.verified_by")?;
        }
        if let Some(secrecy) = &self.confidentiality {
            known::<v1::DisclosureTier>(secrecy.tier, "confidentiality.tier")?;
            for scope in &secrecy.scopes {
                known::<v1::ConfidentialScope>(*scope, "confidentiality.scopes")?;
            }
        }
        for document in &self.documents {
            check_document(document)?;
        }
        let mut seen = Vec::new();
        for v1::ValidityItem { element, state, by, at_s: _ } in &self.validity {
            let element: v1::ValidityElement = known(*element, "validity.element")?;
            known::<v1::ValidityState>(*state, "validity.state")?;
            check_person(by.as_ref(), "validity.by")?;
            if seen.contains(&element) {
                return Err(invalid("validity.element", "stands twice"));
            }
            seen.push(element);
        }
        Ok(())
    }
}

/// Whoever looked at it goes by an id: a name would stand in the register for ever.
fn check_person(person: Option<&v1::PersonRef>, field: &'static str) -> Result<(), InvalidRequest> {
    let Some(v1::PersonRef { person, role }) = person else { return Ok(()) };
    if person.parse::<PersonId>().is_err() {
        return Err(invalid(field, "not an id of a person: 1 to 63 of a-z, 0-9 and '-'"));
    }
    v1::Role::try_from(*role).map_err(|_| invalid(field, "the role has no meaning here"))?;
    Ok(())
}

fn check_document(document: &v1::Document) -> Result<(), InvalidRequest> {
    let v1::Document {
        digest,
        media_type: _,
        kind: _,
        language: _,
        translation_of,
        signature_status,
        signature_digest,
        anchor_digest,
        custody: _,
        signature,
        signature_note,
    } = document;
    if digest.len() != 32 {
        return Err(invalid("documents.digest", "not 32 bytes"));
    }
    for (field, bytes) in [
        ("documents.translation_of", translation_of),
        ("documents.signature_digest", signature_digest),
        ("documents.anchor_digest", anchor_digest),
    ] {
        if !matches!(bytes.len(), 0 | 32) {
            return Err(invalid(field, "not 32 bytes"));
        }
    }
    let status = v1::SignatureStatus::try_from(*signature_status)
        .map_err(|_| invalid("documents.signature_status", "has no meaning here"))?;
    if let Some(set) = signature {
        let one = set.count == 1 && set.chunks.len() == 1;
        if evidence::chunk::check_set(set).is_err() || !one {
            return Err(invalid("documents.signature", "not one item in one chunk"));
        }
    }
    if signature_note.len() > 1000 {
        return Err(invalid("documents.signature_note", "longer than 1,000 bytes"));
    }
    if status == v1::SignatureStatus::Valid && (anchor_digest.is_empty() || signature.is_none()) {
        let problem = "is valid of a signature that is kept, under a trust anchor that is named: add the \
                       document with remit requests document add";
        return Err(invalid("documents.signature_status", problem));
    }
    Ok(())
}

const BRANCHES: [&str; 5] = ["judicial", "executive", "regulator", "police", "private"];
const LEVELS: [&str; 3] = ["national", "state", "local"];

fn one_of(text: &str, words: &[&str], field: &'static str) -> Result<(), InvalidRequest> {
    if text.is_empty() || words.contains(&text) {
        return Ok(());
    }
    Err(invalid(field, format!("{text:?} is not one of: {}", words.join(", "))))
}

/// ISO 3166-1 alpha-2, or 3166-2.
pub(super) fn is_territory(text: &str) -> bool {
    let (country, region) = text.split_once('-').unwrap_or((text, "A"));
    country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && (1..=3).contains(&region.len())
        && region.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

pub(super) fn stated(time_s: i64) -> Option<i64> {
    (time_s != 0).then_some(time_s)
}

pub(super) fn seconds(duration_s: u64, field: &'static str) -> Result<i64, InvalidRequest> {
    let duration_s = i64::try_from(duration_s).ok().filter(|s| *s <= DURATION_MAX_S);
    duration_s.ok_or_else(|| invalid(field, "more than 100 years"))
}

pub(super) fn invalid(field: &'static str, problem: impl Into<String>) -> InvalidRequest {
    InvalidRequest { field, problem: problem.into() }
}

/// With both times: the one that is wrong may be either.
fn not_after(later: (&'static str, i64), earlier: (&str, i64)) -> InvalidRequest {
    let at = crate::words::time;
    let (field, at_s) = later;
    invalid(field, format!("{} is not after {}, {}", at(at_s), earlier.0, at(earlier.1)))
}

/// An enum of the wire whose value 0 is not valid here.
pub(super) fn known<E: TryFrom<i32> + Default + PartialEq>(
    value: i32,
    field: &'static str,
) -> Result<E, InvalidRequest> {
    match E::try_from(value) {
        Ok(value) if value == E::default() => Err(invalid(field, "missing")),
        Ok(value) => Ok(value),
        Err(_) => Err(invalid(field, format!("{value} has no meaning in this version"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that names a field of the wire tells a person nothing.
    #[test]
    fn every_field_in_seconds_has_a_word_in_files() {
        for source in [include_str!("check.rs"), include_str!("read.rs")] {
            let source = source.split("#[cfg(test)]").next().unwrap();
            for text in source.split('"').skip(1).step_by(2) {
                let is_field = text.ends_with("_s")
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b"_.".contains(&b));
                // In files too it says how much in a second.
                if is_field && !matches!(text, "_s" | "throttle_to_bits_per_s") {
                    assert!(FILE_WORDS.iter().any(|(wire, _)| *wire == text), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_mistake_is_told_in_the_words_of_a_file() {
        let told = |field, problem: &str| invalid(field, problem).in_words_of_a_file().to_string();
        assert_eq!(told("effective_until_s", "before effective_from_s"), "until: before from");
        assert_eq!(told("windows", "after effective_until_s"), "windows: after until");
        assert_eq!(told("measure.throttle_to_bits_per_s", "x"), "throttle_to_bits_per_s: x");
        assert_eq!(told("keywords", "x"), "keywords: x");
        let late = not_after(("confirm_by_s", 1_769_904_000), ("effective_from_s", 1_772_323_200));
        assert_eq!(
            late.in_words_of_a_file().to_string(),
            "confirm_by: 2026-02-01T00:00:00Z is not after from, 2026-03-01T00:00:00Z"
        );
    }
}
