//! The register: its statements, and who signed each of them.

use std::collections::BTreeSet;

use evidence::{
    bundle::REGISTER,
    statement::{SignedStatement, attested_text, decode_signed, item_set},
};
use register::request::moves_verdicts;
use remit_proto::v1::{self, log_entry::Entry};

use crate::{
    files::Bundle,
    history::{Known, report_signature},
    keys::Persons,
    openings::{Items, items},
    report::{Findings, Step, chain},
    statement_log::{self, Heads, Kind, StatementLog},
    tree::Tree,
    trust::Trust,
};

/// One statement, with the items of its set; `None` where they are withheld or erased, or where
/// it has none.
pub(crate) struct Stated {
    pub(crate) statement: v1::Statement,
    pub(crate) items: Option<Vec<v1::RegisterItem>>,
}

#[derive(Default)]
pub(crate) struct Register {
    /// By index; `None`: of a newer format, or malformed.
    pub(crate) statements: Vec<Option<Stated>>,
    /// Statements whose own time lies before that of the log entry that first shows them.
    pub(crate) late: u64,
    /// Approvals that the collector attests and no person has signed.
    attested: u64,
    /// Some of it could not be read, so that verdicts cannot be recomputed.
    pub(crate) partial: bool,
    /// Of the whole tree that was delivered; `None`: there is none.
    root: Option<tlog::Hash>,
}

/// The register of a bundle, for who compares it with something else.
#[derive(Debug, Clone)]
pub struct RegisterState {
    pub register: register::Register,
    pub root: Option<tlog::Hash>,
    /// Parts of it are withheld, erased, or not understood: what it holds is not wholly known.
    pub partial: bool,
}

impl Register {
    /// Its statements in order, as everybody applies them.
    pub(crate) fn state(&self, origin: &str) -> RegisterState {
        let mut register = register::Register::new(origin);
        let mut partial = self.partial;
        for stated in &self.statements {
            let applied = stated.as_ref().is_some_and(|Stated { statement, items }| {
                register.apply(statement, items.clone()).is_ok()
            });
            if !applied {
                register.apply_not_understood();
                partial = true;
            }
        }
        RegisterState { register, root: self.root, partial }
    }
}

const KIND: Kind = Kind {
    folder: REGISTER,
    name: "register",
    head: |entry| if let Entry::RegisterHead(head) = entry { Some(head) } else { None },
    signature: Step::RegisterSignature,
    entries: Step::RegisterEntries,
};

pub(crate) fn read(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    entries: &[Known],
    persons: &Persons,
    findings: &mut Findings,
) -> Register {
    let mut register = Register::default();
    match statement_log::read(bundle, &KIND, &trust.register, entries, findings) {
        StatementLog::Empty => {}
        StatementLog::Unreadable => register.partial = true,
        StatementLog::Read(tree, heads) => {
            register.root = tree.root_at(tree.size());
            let log = Log { tree: &tree, heads: &heads, entries };
            statements(&mut register, bundle, &log, trust, persons, findings);
        }
    }
    register
}

/// The register's own log, and the collector's log that shows it.
struct Log<'a> {
    tree: &'a Tree<'a>,
    heads: &'a Heads,
    entries: &'a [Known],
}

fn statements(
    register: &mut Register,
    bundle: &mut Bundle<'_>,
    log: &Log<'_>,
    trust: &Trust,
    persons: &Persons,
    findings: &mut Findings,
) {
    let Log { tree, heads, entries } = log;
    let origin = trust.register.name().as_str();
    let (mut newer, mut withheld, mut secret) = (0_u64, 0_u64, 0_u64);
    let mut closed = Closed { erased: erased_chunks(entries), ..Closed::default() };
    for (index, bytes) in (0_u64..).zip(&tree.entries) {
        let (statement, signed, signatures, attestation) = match decode_signed(bytes) {
            Ok(SignedStatement::Known { statement, bytes, signatures, attestation }) => {
                (statement, bytes, signatures, attestation)
            }
            Ok(SignedStatement::NotUnderstood { format: _ }) => {
                newer += 1;
                register.statements.push(None);
                continue;
            }
            Err(error) => {
                findings.could_not_check(
                    Step::Statements,
                    format!("statement {index} is malformed: {}", chain(&error)),
                );
                register.statements.push(None);
                register.partial = true;
                continue;
            }
        };
        if statement.origin != origin {
            findings.contradicted(
                Step::Statements,
                format!("statement {index} was made for another log, {}", statement.origin),
            );
        }
        let (span, first_shown_s) = heads.shown(index);
        if first_shown_s.is_some_and(|at_s| at_s - statement.recorded_at_s > LATE_S) {
            register.late += 1;
        }
        let author = statement.author.clone().unwrap_or_default();
        let people = (&author, statement.approver.as_ref());
        let roles = &[v1::Role::Operator];
        let checked = if attestation.is_empty() {
            persons.check(origin, &signed, people, &signatures, span, roles)
        } else {
            let text = attested_text(origin, &signed);
            if !trust.register.verify_raw(text.as_bytes(), &attestation) {
                findings.contradicted(
                    Step::Statements,
                    format!("statement {index}: the attestation is not of the register's key"),
                );
            }
            register.attested += 1;
            persons.may_write(&author, span)
        };
        if let Err(error) = checked {
            report_signature(&error, format!("statement {index}"), Step::Statements, findings);
        }
        let set = item_set(statement.body.as_ref());
        let items = set.and_then(|set| match items::<v1::RegisterItem>(bundle, set) {
            Items::All(mut items) => {
                match opened(bundle, &items, &mut closed) {
                    Ok(opened) => items.extend(opened),
                    Err(text) => findings
                        .contradicted(Step::Statements, format!("statement {index}: {text}")),
                }
                Some(items)
            }
            // The words of a transition: no verdict rests on them.
            Items::Withheld if is_transition(&statement) => {
                match set.chunks.iter().any(|id| closed.erased.contains(id)) {
                    true => closed.erased_parts += 1,
                    false => closed.withheld += 1,
                }
                None
            }
            Items::Withheld => {
                match hides_existence(&statement) {
                    true => secret += 1,
                    false => withheld += 1,
                }
                register.partial = true;
                None
            }
            Items::Wrong(text) => {
                findings.contradicted(Step::Statements, format!("statement {index}: {text}"));
                None
            }
        });
        register.statements.push(Some(Stated { statement, items }));
    }
    if newer > 0 {
        findings.incomplete(
            Step::Statements,
            format!("{newer} statements are of a newer format and not understood by this version"),
        );
    }
    if withheld > 0 {
        findings.incomplete(
            Step::Statements,
            format!("the requests of {withheld} imports are withheld or erased"),
        );
    }
    if secret > 0 {
        findings.incomplete(
            Step::Statements,
            format!(
                "{secret} imports of requests whose existence is restricted or secret are not in the \
                 bundle; claims that no other request answers for are undetermined (secret)"
            ),
        );
    }
    let Closed { withheld, needed, erased_parts, erased: _ } = closed;
    register.partial |= needed > 0;
    if withheld > 0 {
        findings.incomplete(
            Step::Statements,
            format!(
                "{withheld} parts of requests are committed and not in the bundle; {needed} of them are \
                 such that verdicts rest on: those that need one are undetermined (secret)"
            ),
        );
    }
    if findings.sound(Step::Statements) {
        findings.proven(
            Step::Statements,
            format!(
                "{} statements are signed by operator staff whose keys are logged{}{}",
                tree.size() - register.attested,
                match register.attested {
                    0 => String::new(),
                    count => format!(
                        "; {count} approvals are the collector's word for who was logged in"
                    ),
                },
                match erased_parts {
                    0 => String::new(),
                    count => format!("; {count} parts of requests are erased, as logged"),
                }
            ),
        );
    }
}

/// Closed parts that do not open, by reason.
#[derive(Default)]
struct Closed {
    /// Chunks that were removed with an `Erasure` entry.
    erased: BTreeSet<Vec<u8>>,
    erased_parts: u64,
    withheld: u64,
    /// Of the withheld ones: verdicts may rest on them.
    needed: u64,
}

fn erased_chunks(entries: &[Known]) -> BTreeSet<Vec<u8>> {
    let erased = entries.iter().filter_map(|known| match &known.entry {
        Entry::Erasure(v1::Erasure { chunks, .. }) => Some(chunks),
        _ => None,
    });
    erased.flatten().cloned().collect()
}

fn is_transition(statement: &v1::Statement) -> bool {
    matches!(statement.body, Some(v1::statement::Body::Transition(_)))
}

fn hides_existence(statement: &v1::Statement) -> bool {
    match &statement.body {
        Some(v1::statement::Body::Import(import)) => {
            import.existence() != v1::DisclosureTier::Unspecified
        }
        _ => false,
    }
}

/// What the closed parts of an import's requests open to, as far as the bundle holds them; the others
/// are counted.
fn opened(
    bundle: &mut Bundle<'_>,
    held: &[v1::RegisterItem],
    closed: &mut Closed,
) -> Result<Vec<v1::RegisterItem>, String> {
    let mut wrong = None;
    let opened = evidence::closed::beside(held, |part| {
        let set = part.opening.as_ref()?;
        match items::<v1::Request>(bundle, set) {
            Items::All(parts) => {
                Some(parts.iter().map(evidence::canonical::encode).collect::<Vec<_>>())
            }
            Items::Withheld if set.chunks.iter().any(|id| closed.erased.contains(id)) => {
                closed.erased_parts += 1;
                None
            }
            Items::Withheld => {
                closed.withheld += 1;
                closed.needed += u64::from(moves_verdicts(part.part()));
                None
            }
            Items::Wrong(text) => {
                wrong = Some(text);
                None
            }
        }
    });
    match wrong {
        Some(text) => Err(text),
        None => opened.map_err(|error| chain(&error)),
    }
}

/// A statement is under the log within seconds; this much later, somebody may have back-dated it.
const LATE_S: i64 = 300;
