//! What people do about findings: the entries of the case log, and where each finding stands by them.
//!
//! In: the statements of the case log in order. Out: for each finding its acts and its state, or a
//! refusal. The state is derived from the acts alone; that a finding was seen again after it was called
//! remedied is said by whoever knows when it was seen.
//!
//! Who may do what, and from where (UN Guiding Principles 22, 29 and 31: the operator provides remedy,
//! and whether it did is not for the operator alone to say):
//!
//! | act | by | from | to |
//! |---|---|---|---|
//! | acknowledge | operator, officer | open | acknowledged |
//! | explain | operator | open, acknowledged, disputed | explained |
//! | remedy | operator | open, acknowledged, explained, disputed | remedied |
//! | dispute | officer, assessor | acknowledged, explained, remedied | disputed |
//! | reopen | assessor | all but open | open |

use std::collections::BTreeMap;

use evidence::{PersonId, canonical};
use remit_proto::v1::{
    self, DecisionAct as Act, DecisionReason as Reason, FindingState as State, Role,
    statement::Body,
};
use sha2::{Digest, Sha256};

use crate::words;

/// 16 hex digits: `FindingRow.id`.
pub type FindingId = String;

/// The id of the finding about this subject: 8 bytes of
/// SHA-256("remit/finding/v1\n" ‖ canonical subject).
pub fn finding_id(subject: &v1::FindingSubject) -> FindingId {
    let mut hash = Sha256::new();
    hash.update(b"remit/finding/v1\n");
    hash.update(canonical::encode(subject));
    let digest: [u8; 32] = hash.finalize().into();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What a row of an answer is about: a rule, whatever request its verdict speaks of; or else a request,
/// a node, or an area.
pub fn subject_of(row: &v1::FindingRow) -> v1::FindingSubject {
    let request_id = if row.rule == 0 { row.request_id.clone() } else { String::new() };
    let canary = row.canary.as_ref().map(|c| format!("{} {}", c.source().as_str_name(), c.path));
    // Each silence is a cause of its own.
    let silent = row.code == "SILENT_AGENT";
    let silence = silent.then(|| row.first_seen_s.to_string());
    let area = row.area.as_ref().map(|area| format!("{} {}", area.area, row.first_seen_s));
    v1::FindingSubject {
        code: row.code.clone(),
        node: row.node.clone(),
        generation: row.generation.clone(),
        rule: row.rule,
        request_id,
        detail: canary.or(silence).or(area).unwrap_or_else(|| row.detail.clone()),
    }
}

/// One act of the case log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// In the case log.
    pub index: u64,
    pub act: Act,
    pub reason: Reason,
    pub by: PersonId,
    pub role: Role,
    pub recorded_at_s: i64,
    pub note: Note,
    pub after: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    None,
    Text(String),
    /// It was there, and its chunk is withheld or erased.
    Erased,
}

/// The statement is refused as a whole; the case log is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDecision {
    #[error("statement is for {found:?}, this case log is {wanted:?}")]
    Origin { found: String, wanted: String },
    #[error("only a decision belongs to the case log")]
    NotADecision,
    #[error("{field} is missing or not valid")]
    Field { field: &'static str },
    #[error(
        "act: the role {} may not {} a finding; {} may",
        words::role(*role), words::act(*act), who(*act)
    )]
    Role { act: Act, role: Role },
    #[error(
        "act: a finding that is {} cannot be made {}",
        words::finding_state(*from), words::finding_state(*to)
    )]
    NoSuchStep { from: State, to: State },
    #[error(
        "reason: {} does not go with {act}; {act} takes: {}",
        words::reason(*reason), takes(*act), act = words::act(*act)
    )]
    Reason { act: Act, reason: Reason },
    #[error("note: the reason other needs a note")]
    NoteMissing,
}

/// The case log as a growing sequence of acts.
#[derive(Debug, Clone)]
pub struct Cases {
    origin: String,
    size: u64,
    by_finding: BTreeMap<FindingId, Vec<Decided>>,
    /// What each of them is about, as its acts say.
    subjects: BTreeMap<FindingId, v1::FindingSubject>,
    not_understood: u64,
}

impl Cases {
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            size: 0,
            by_finding: BTreeMap::new(),
            subjects: BTreeMap::new(),
            not_understood: 0,
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Entries of a newer format.
    pub fn not_understood(&self) -> u64 {
        self.not_understood
    }

    /// Findings about which somebody said something.
    pub fn count(&self) -> usize {
        self.by_finding.len()
    }

    /// What was said of a finding, oldest first.
    pub fn of(&self, finding: &str) -> &[Decided] {
        self.by_finding.get(finding).map_or(&[], Vec::as_slice)
    }

    /// What a finding is about of which somebody said something.
    pub fn subject(&self, finding: &str) -> Option<&v1::FindingSubject> {
        self.subjects.get(finding)
    }

    pub fn state(&self, finding: &str) -> State {
        self.of(finding).last().map_or(State::Open, |decided| decided.after)
    }

    /// The next statement of the log. `note`: what its chunk holds.
    pub fn apply(&mut self, statement: &v1::Statement, note: Note) -> Result<(), InvalidDecision> {
        let (finding, decided) = self.read(statement, note)?;
        if let Some(Body::Decision(v1::Decision { subject: Some(subject), .. })) = &statement.body {
            self.subjects.entry(finding.clone()).or_insert_with(|| subject.clone());
        }
        self.by_finding.entry(finding).or_default().push(decided);
        self.size = self.size.saturating_add(1);
        Ok(())
    }

    /// The log holds an entry that this program cannot read: it counts, and says nothing.
    pub fn apply_not_understood(&mut self) {
        self.not_understood = self.not_understood.saturating_add(1);
        self.size = self.size.saturating_add(1);
    }

    /// Whether [`apply`](Self::apply) would take it.
    pub fn check(&self, statement: &v1::Statement) -> Result<(), InvalidDecision> {
        self.read(statement, Note::None).map(drop)
    }

    fn read(
        &self,
        statement: &v1::Statement,
        note: Note,
    ) -> Result<(FindingId, Decided), InvalidDecision> {
        let v1::Statement {
            format: _,
            origin,
            recorded_at_s,
            effective_at_s: _,
            author,
            approver: _,
            body,
        } = statement;
        if *origin != self.origin {
            let (found, wanted) = (origin.clone(), self.origin.clone());
            return Err(InvalidDecision::Origin { found, wanted });
        }
        let Some(Body::Decision(decision)) = body else {
            return Err(InvalidDecision::NotADecision);
        };
        let v1::Decision { subject, act, reason, log_size: _, note: set } = decision;
        let field = |field| InvalidDecision::Field { field };
        let subject = subject.as_ref().ok_or_else(|| field("subject"))?;
        let act = Act::try_from(*act).map_err(|_| field("act"))?;
        let reason = Reason::try_from(*reason).map_err(|_| field("reason"))?;
        let author = author.as_ref().ok_or_else(|| field("author"))?;
        let by: PersonId = author.person.parse().map_err(|_| field("author"))?;
        let role = author.role();
        if !may(role, act) {
            return Err(InvalidDecision::Role { act, role });
        }
        let finding = finding_id(subject);
        let from = self.state(&finding);
        let after = step(from, act).ok_or(InvalidDecision::NoSuchStep { from, to: to(act) })?;
        if !reasons(act).contains(&reason) {
            return Err(InvalidDecision::Reason { act, reason });
        }
        if reason == Reason::Other && set.is_none() {
            return Err(InvalidDecision::NoteMissing);
        }
        let index = self.size;
        let recorded_at_s = *recorded_at_s;
        Ok((finding, Decided { index, act, reason, by, role, recorded_at_s, note, after }))
    }
}

/// The table of the front page, by role.
pub fn may(role: Role, act: Act) -> bool {
    match act {
        Act::Acknowledge => matches!(role, Role::Operator | Role::Officer),
        Act::Explain | Act::Remedy => role == Role::Operator,
        Act::Dispute => matches!(role, Role::Officer | Role::Assessor),
        Act::Reopen => role == Role::Assessor,
        Act::Unspecified => false,
    }
}

/// The table of the front page, by state.
fn step(from: State, act: Act) -> Option<State> {
    use State::{Acknowledged, Disputed, Explained, Open, Remedied};
    let legal = match act {
        Act::Acknowledge => from == Open,
        Act::Explain => matches!(from, Open | Acknowledged | Disputed),
        Act::Remedy => matches!(from, Open | Acknowledged | Explained | Disputed),
        Act::Dispute => matches!(from, Acknowledged | Explained | Remedied),
        Act::Reopen => matches!(from, Acknowledged | Explained | Remedied | Disputed),
        Act::Unspecified => false,
    };
    legal.then_some(to(act))
}

fn to(act: Act) -> State {
    match act {
        Act::Acknowledge => State::Acknowledged,
        Act::Explain => State::Explained,
        Act::Remedy => State::Remedied,
        Act::Dispute => State::Disputed,
        Act::Reopen => State::Open,
        Act::Unspecified => State::Unspecified,
    }
}

/// The reasons that go with an act.
pub fn reasons(act: Act) -> &'static [Reason] {
    match act {
        Act::Acknowledge => &[Reason::UnderInvestigation, Reason::Other],
        Act::Explain => &[
            Reason::RegisterIncomplete,
            Reason::ClaimWrong,
            Reason::MeasurementError,
            Reason::TechnicalLimit,
            Reason::ThirdParty,
            Reason::InformalInstruction,
            Reason::Secrecy,
            Reason::Other,
        ],
        Act::Remedy => &[
            Reason::RuleRemoved,
            Reason::RuleNarrowed,
            Reason::RuleInstalled,
            Reason::RequestRegistered,
            Reason::AffectedNotified,
            Reason::Other,
        ],
        Act::Dispute | Act::Reopen => &[
            Reason::ExplanationInsufficient,
            Reason::RemedyNotEffective,
            Reason::NewEvidence,
            Reason::Other,
        ],
        Act::Unspecified => &[],
    }
}

fn takes(act: Act) -> String {
    reasons(act).iter().map(|r| words::reason(*r)).collect::<Vec<_>>().join(", ")
}

fn who(act: Act) -> String {
    let roles = [Role::Operator, Role::Officer, Role::Assessor];
    let may = roles.into_iter().filter(|role| may(*role, act)).map(words::role);
    may.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests;
