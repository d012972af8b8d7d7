//! The case log: who said what of which finding, and whether they might.
//!
//! Which findings there are is computed from the evidence by whoever answers questions; here is checked
//! that each act is a person's in a role that may do it, and a legal step from the act before.

use evidence::{
    bundle::CASES,
    statement::{SignedStatement, decode_signed},
};
use register::{Cases, cases::Note};
use remit_proto::v1::{self, Role, log_entry::Entry, statement::Body};
use tlog::note::{InvalidKey, KeyName, VerifierKey};

use crate::{
    files::Bundle,
    history::{Known, report_signature},
    keys::Persons,
    openings::{Items, items},
    report::{Findings, Step, chain},
    statement_log::{self, Kind, StatementLog},
    trust::Trust,
};

const KIND: Kind = Kind {
    folder: CASES,
    name: "case log",
    head: |entry| if let Entry::CaseHead(head) = entry { Some(head) } else { None },
    signature: Step::CaseSignature,
    entries: Step::CaseEntries,
};

const ROLES: [Role; 3] = [Role::Operator, Role::Officer, Role::Assessor];

/// Returns how many acts there are.
pub(crate) fn read(
    bundle: &mut Bundle<'_>,
    operator: &str,
    trust: &Trust,
    entries: &[Known],
    persons: &Persons,
    findings: &mut Findings,
) -> u64 {
    let origin = format!("{operator}/cases");
    let key = match key(&origin, trust) {
        Ok(key) => key,
        Err(error) => {
            findings.could_not_check(Step::CaseSignature, format!("{origin}: {}", chain(&error)));
            return 0;
        }
    };
    let StatementLog::Read(tree, heads) =
        statement_log::read(bundle, &KIND, &key, entries, findings)
    else {
        return 0;
    };
    let mut cases = Cases::new(origin.clone());
    let (mut newer, mut withheld) = (0_u64, 0_u64);
    for (index, bytes) in (0_u64..).zip(&tree.entries) {
        let (statement, signed, signatures) = match decode_signed(bytes) {
            // Only approvals are attested: the value check has looked.
            Ok(SignedStatement::Known { statement, bytes, signatures, attestation: _ }) => {
                (statement, bytes, signatures)
            }
            Ok(SignedStatement::NotUnderstood { format: _ }) => {
                newer += 1;
                cases.apply_not_understood();
                continue;
            }
            Err(error) => {
                let text = format!("decision {index} is malformed: {}", chain(&error));
                findings.could_not_check(Step::Decisions, text);
                cases.apply_not_understood();
                continue;
            }
        };
        let (span, _) = heads.shown(index);
        let author = statement.author.clone().unwrap_or_default();
        let people = (&author, statement.approver.as_ref());
        if let Err(error) = persons.check(&origin, &signed, people, &signatures, span, &ROLES) {
            report_signature(&error, format!("decision {index}"), Step::Decisions, findings);
        }
        let note = note(bundle, &statement);
        match &note {
            Ok(Note::Erased) => withheld += 1,
            Ok(Note::None | Note::Text(_)) => {}
            Err(text) => {
                findings.contradicted(Step::Decisions, format!("decision {index}: note: {text}"));
            }
        }
        if let Err(error) = cases.apply(&statement, note.unwrap_or(Note::Erased)) {
            findings.contradicted(Step::Decisions, format!("decision {index}: {}", chain(&error)));
            cases.apply_not_understood();
        }
    }
    if newer > 0 {
        let text =
            format!("{newer} decisions are of a newer format and not understood by this version");
        findings.incomplete(Step::Decisions, text);
    }
    if findings.sound(Step::Decisions) {
        let erased = if withheld == 0 {
            String::new()
        } else {
            format!("; what was said beside {withheld} of them is withheld or erased")
        };
        findings.proven(
            Step::Decisions,
            format!(
                "{} acts on {} findings are signed by people who might{erased}",
                cases.size(),
                cases.count()
            ),
        );
    }
    cases.size()
}

/// The case log is signed by the register's key, under its own name (docs/formats/cases.md).
fn key(origin: &str, trust: &Trust) -> Result<VerifierKey, InvalidKey> {
    VerifierKey::new(KeyName::new(origin)?, trust.register.public_bytes())
}

fn note(bundle: &mut Bundle<'_>, statement: &v1::Statement) -> Result<Note, String> {
    let Some(Body::Decision(v1::Decision { note: Some(set), .. })) = &statement.body else {
        return Ok(Note::None);
    };
    match items::<v1::CaseNote>(bundle, set) {
        Items::All(items) => {
            let text = items.into_iter().map(|note| note.text).collect();
            Ok(Note::Text(text))
        }
        Items::Withheld => Ok(Note::Erased),
        Items::Wrong(text) => Err(text),
    }
}
