//! A log of people's statements in a bundle: the register, or the case log. Its entries, its heads in
//! the collector's log, and between which positions of that log a statement came in.

use remit_proto::v1::{StatementHead, log_entry::Entry};
use tlog::note::VerifierKey;

use crate::{
    files::Bundle,
    history::Known,
    report::{Findings, Step, chain},
    tree::{self, Tree},
};

/// What tells one such log from the other.
pub(crate) struct Kind {
    /// Folder in the bundle.
    pub(crate) folder: &'static str,
    /// As reports call it.
    pub(crate) name: &'static str,
    pub(crate) head: fn(&Entry) -> Option<&StatementHead>,
    pub(crate) signature: Step,
    pub(crate) entries: Step,
}

pub(crate) enum StatementLog<'a> {
    /// The log knows of none, and the bundle holds none.
    Empty,
    /// What is wrong with it is reported.
    Unreadable,
    Read(Tree<'a>, Heads),
}

/// What the log shows of it, in order.
pub(crate) struct Heads(Vec<Head>);

struct Head {
    size: u64,
    log_index: u64,
    logged_at_s: i64,
}

pub(crate) fn read<'a>(
    bundle: &mut Bundle<'a>,
    kind: &Kind,
    key: &VerifierKey,
    entries: &[Known],
    findings: &mut Findings,
) -> StatementLog<'a> {
    let any_head = entries.iter().any(|k| (kind.head)(&k.entry).is_some());
    if !any_head && bundle.below(kind.folder).next().is_none() {
        let text = format!("the {} is empty, and the log knows of none", kind.name);
        findings.proven(kind.signature, text);
        return StatementLog::Empty;
    }
    let head = tree::signed_head(bundle, kind.folder, key, kind.signature, findings);
    let Some((_, head)) = head else { return StatementLog::Unreadable };
    match tree::read(bundle, kind.folder, &head) {
        Ok(tree) => {
            let heads = heads(&tree, kind, key, entries, findings);
            StatementLog::Read(tree, heads)
        }
        Err(error) => {
            findings.add(kind.entries, error.outcome(), format!("the {}: {error}", kind.name));
            StatementLog::Unreadable
        }
    }
}

/// Every head that the log shows must be a prefix of what was delivered.
fn heads(
    tree: &Tree<'_>,
    kind: &Kind,
    key: &VerifierKey,
    entries: &[Known],
    findings: &mut Findings,
) -> Heads {
    let name = kind.name;
    let mut heads = Vec::new();
    let mut size = 0;
    for Known { index, logged_at_s, entry } in entries {
        let Some(StatementHead { note }) = (kind.head)(entry) else { continue };
        match tree::open(note, key) {
            Ok((_, head)) if head.size < size => findings.contradicted(
                kind.entries,
                format!("entry {index} of the log: the {name} shrank from {size} to {}", head.size),
            ),
            Ok((_, head)) if head.size > tree.size() => findings.contradicted(
                kind.entries,
                format!(
                    "entry {index} of the log shows a {name} of size {}; the one delivered was cut to {}",
                    head.size,
                    tree.size()
                ),
            ),
            Ok((_, head)) if !tree.continues(&head) => findings.contradicted(
                kind.entries,
                format!("entry {index} of the log shows another {name} below size {}", head.size),
            ),
            Ok((_, head)) => {
                size = head.size;
                heads.push(Head { size, log_index: *index, logged_at_s: *logged_at_s });
            }
            Err(error) => findings.add(
                kind.entries,
                tree::outcome_of(&error),
                format!("{name} head in entry {index} of the log: {}", chain(&error)),
            ),
        }
    }
    if tree.size() > size {
        let rest = tree.size() - size;
        findings.incomplete(
            kind.entries,
            format!("{rest} statements at the end of the {name} are not yet under the log"),
        );
    }
    if findings.sound(kind.entries) {
        findings.proven(
            kind.entries,
            format!(
                "{} statements make up the signed root; {} heads in the log are prefixes of it",
                tree.size(),
                heads.len()
            ),
        );
    }
    Heads(heads)
}

impl Heads {
    /// The positions of the log between which a statement came in, and the time of the entry that first
    /// shows it.
    pub(crate) fn shown(&self, statement: u64) -> ((u64, u64), Option<i64>) {
        // Sizes never shrink: a head that did was refused above.
        let first = self.0.partition_point(|head| head.size <= statement);
        let before = first.checked_sub(1).and_then(|at| self.0.get(at)).map_or(0, |h| h.log_index);
        match self.0.get(first) {
            Some(head) => ((before, head.log_index), Some(head.logged_at_s)),
            None => ((before, u64::MAX), None),
        }
    }
}
