//! The register: its entries, its heads in the log, and who signed each statement.

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
    tree::{self, Tree},
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
    /// `RegisterHead` entries of the log, in order.
    heads: Vec<Head>,
    /// Statements whose own time lies before that of the log entry that first shows them.
    pub(crate) late: u64,
    /// Approvals that the collector attests and no person has signed.
    attested: u64,
    /// Some of it could not be read, so that verdicts cannot be recomputed.
    pub(crate) partial: bool,
}

/// What one entry of the log shows of the register.
struct Head {
    size: u64,
    log_index: u64,
    logged_at_s: i64,
}

pub(crate) fn read(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    entries: &[Known],
    persons: &Persons,
    findings: &mut Findings,
) -> Register {
    let mut register = Register::default();
    let any_head = entries.iter().any(|k| matches!(k.entry, Entry::RegisterHead(_)));
    if !any_head && bundle.below(REGISTER).next().is_none() {
        findings
            .proven(Step::RegisterSignature, "the register is empty, and the log knows of none");
        return register;
    }
    let head =
        tree::signed_head(bundle, REGISTER, &trust.register, Step::RegisterSignature, findings);
    let Some((_, head)) = head else {
        register.partial = true;
        return register;
    };
    let tree = match tree::read(bundle, REGISTER, &head) {
        Ok(tree) => tree,
        Err(error) => {
            register.partial = true;
            findings.add(Step::RegisterEntries, error.outcome(), format!("the register: {error}"));
            return register;
        }
    };
    heads(&mut register, &tree, trust, entries, findings);
    statements(&mut register, bundle, &tree, trust, persons, findings);
    register
}

/// Every head of the register that the log shows must be a prefix of the register delivered.
fn heads(
    register: &mut Register,
    tree: &Tree<'_>,
    trust: &Trust,
    entries: &[Known],
    findings: &mut Findings,
) {
    let mut size = 0;
    for Known { index, logged_at_s, entry } in entries {
        let Entry::RegisterHead(v1::StatementHead { note }) = entry else { continue };
        match tree::open(note, &trust.register) {
            Ok((_, head)) if head.size < size => findings.contradicted(
                Step::RegisterEntries,
                format!("entry {index} of the log: the register shrank from {size} to {}", head.size),
            ),
            Ok((_, head)) if head.size > tree.size() => findings.contradicted(
                Step::RegisterEntries,
                format!(
                    "entry {index} of the log shows a register of size {}; the one delivered was cut to {}",
                    head.size,
                    tree.size()
                ),
            ),
            Ok((_, head)) if !tree.continues(&head) => findings.contradicted(
                Step::RegisterEntries,
                format!(
                    "entry {index} of the log shows another register below size {}",
                    head.size
                ),
            ),
            Ok((_, head)) => {
                size = head.size;
                register.heads.push(Head {
                    size,
                    log_index: *index,
                    logged_at_s: *logged_at_s,
                });
            }
            Err(error) => findings.add(
                Step::RegisterEntries,
                tree::outcome_of(&error),
                format!("register head in entry {index} of the log: {}", chain(&error)),
            ),
        }
    }
    if tree.size() > size {
        findings.incomplete(
            Step::RegisterEntries,
            format!(
                "{} statements at the end of the register are not yet under the log",
                tree.size() - size
            ),
        );
    }
    if findings.sound(Step::RegisterEntries) {
        findings.proven(
            Step::RegisterEntries,
            format!(
                "{} statements make up the signed root; {} heads in the log are prefixes of it",
                tree.size(),
                register.heads.len()
            ),
        );
    }
}

fn statements(
    register: &mut Register,
    bundle: &mut Bundle<'_>,
    tree: &Tree<'_>,
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
        let (span, first_shown_s) = shown(&register.heads, index);
        if first_shown_s.is_some_and(|at_s| at_s - statement.recorded_at_s > LATE_S) {
            register.late += 1;
        }
        let author = statement.author.clone().unwrap_or_default();
        let approver = statement.approver.as_ref();
        let checked = if attestation.is_empty() {
            persons.check(origin, &signed, &author, approver, &signatures, span)
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

/// The positions of the log between which a statement came into the register, and the time of the
/// entry that first shows it.
fn shown(heads: &[Head], statement: u64) -> ((u64, u64), Option<i64>) {
    // Sizes never shrink: a head that did was refused above.
    let first = heads.partition_point(|head| head.size <= statement);
    let before = first.checked_sub(1).and_then(|at| heads.get(at)).map_or(0, |h| h.log_index);
    match heads.get(first) {
        Some(head) => ((before, head.log_index), Some(head.logged_at_s)),
        None => ((before, u64::MAX), None),
    }
}
