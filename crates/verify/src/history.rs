//! The entries of the log, in order: which keys, heads and facts it made known at which position.

use evidence::log_entry::{self, LogEntry};
use remit_proto::v1::{self, log_entry::Entry};
use tlog::note::VerifierKey;

use crate::{
    keys::{Persons, SignatureError},
    report::{Findings, Step, chain},
    tree::Tree,
};

/// One entry that this version understands.
pub(crate) struct Known {
    pub(crate) index: u64,
    pub(crate) logged_at_s: i64,
    pub(crate) entry: Entry,
}

/// Decodes every entry by both checks. Entries of newer formats are counted and left out.
pub(crate) fn decode(log: &Tree<'_>, findings: &mut Findings) -> Vec<Known> {
    let mut known = Vec::with_capacity(log.entries.len());
    let mut newer = 0_u64;
    for (index, bytes) in (0_u64..).zip(&log.entries) {
        match LogEntry::decode(bytes) {
            Ok(LogEntry::Known { logged_at_s, entry }) => {
                known.push(Known { index, logged_at_s, entry });
            }
            Ok(LogEntry::NotUnderstood { format: _ }) => newer += 1,
            Err(error) => findings.could_not_check(
                Step::LogEntries,
                format!("entry {index} of the log is malformed: {}", chain(&error)),
            ),
        }
    }
    if newer > 0 {
        findings.incomplete(
            Step::LogEntries,
            format!("{newer} entries are of a newer format and not understood by this version"),
        );
    }
    if findings.sound(Step::LogEntries) {
        findings.proven(
            Step::LogEntries,
            format!("{} entries make up the signed root, each well formed", log.size()),
        );
    }
    known
}

/// Persons' keys, in the order of the log.
pub(crate) fn persons(entries: &[Known], findings: &mut Findings) -> Persons {
    let mut persons = Persons::default();
    for Known { index, entry, .. } in entries {
        if let Entry::PersonKey(key) = entry
            && let Err(error) = persons.learn(*index, key)
        {
            findings.could_not_check(Step::Keys, format!("entry {index}: {}", chain(&error)));
        }
    }
    persons
}

/// Who declares nodes.
const OPERATOR: [v1::Role; 1] = [v1::Role::Operator];

/// Checks the rows of the inventory: signed by a person whose role may declare nodes. Returns how
/// many nodes and points are declared.
pub(crate) fn inventory(
    entries: &[Known],
    log_key: &VerifierKey,
    persons: &Persons,
    findings: &mut Findings,
) -> Vec<v1::NodeFacts> {
    let mut declared: Vec<v1::NodeFacts> = Vec::new();
    let mut rows = 0_u64;
    for Known { index, entry, .. } in entries {
        let Entry::NodeFacts(v1::SignedNodeFacts { facts: bytes, signatures }) = entry else {
            continue;
        };
        let origin = log_key.name().as_str();
        let Ok(facts) = log_entry::decode_facts(bytes) else {
            // `LogEntry::decode` has looked already.
            findings.could_not_check(Step::Inventory, format!("entry {index}: malformed facts"));
            continue;
        };
        let author = facts.author.clone().unwrap_or_default();
        if let Err(error) =
            persons.check(origin, bytes, (&author, None), signatures, (*index, *index), &OPERATOR)
        {
            report_signature(
                &error,
                format!("facts of {} (entry {index})", facts.node),
                Step::Inventory,
                findings,
            );
        }
        if !origin.starts_with(&format!("{}/", facts.operator)) {
            findings.contradicted(
                Step::Inventory,
                format!("entry {index} declares a node of another operator, {}", facts.operator),
            );
        }
        rows += 1;
        declared.retain(|f| f.node != facts.node);
        declared.push(facts);
    }
    if findings.sound(Step::Inventory) {
        findings.proven(
            Step::Inventory,
            format!("{rows} declarations of {} nodes are signed by operator staff", declared.len()),
        );
    }
    declared
}

pub(crate) fn report_signature(
    error: &SignatureError,
    what: String,
    step: Step,
    findings: &mut Findings,
) {
    findings.contradicted(step, format!("{what}: {}", chain(error)));
}
