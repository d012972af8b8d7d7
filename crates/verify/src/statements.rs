//! The register: its statements, and who signed each of them.

use evidence::{
    bundle::REGISTER,
    statement::{SignedStatement, attested_text, decode_signed, item_set},
};
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
            statements(&mut register, bundle, &tree, &heads, trust, persons, findings);
        }
    }
    register
}

fn statements(
    register: &mut Register,
    bundle: &mut Bundle<'_>,
    tree: &Tree<'_>,
    heads: &Heads,
    trust: &Trust,
    persons: &Persons,
    findings: &mut Findings,
) {
    let origin = trust.register.name().as_str();
    let (mut newer, mut withheld) = (0_u64, 0_u64);
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
            Items::All(items) => Some(items),
            Items::Withheld => {
                withheld += 1;
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
    if findings.sound(Step::Statements) {
        findings.proven(
            Step::Statements,
            format!(
                "{} statements are signed by operator staff whose keys are logged{}",
                tree.size() - register.attested,
                match register.attested {
                    0 => String::new(),
                    count => format!(
                        "; {count} approvals are the collector's word for who was logged in"
                    ),
                }
            ),
        );
    }
}

/// A statement is under the log within seconds; this much later, somebody may have back-dated it.
const LATE_S: i64 = 300;
