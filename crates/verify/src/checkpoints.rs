//! Checkpoints of the log other than the one in the bundle: those that the assessor saved, those
//! that agents' seals name, and who cosigned the newest.
//!
//! A log that signed two heads which no single history contains has contradicted itself, whoever
//! holds its keys now. This is the step that a dishonest operator cannot pass by signing anew.

use std::collections::BTreeMap;

use evidence::bundle::{CHECKPOINTS, LOG};
use remit_proto::v1::leaf::Body;
use sha2::{Digest, Sha256};
use tlog::{
    Hash,
    checkpoint::Checkpoint,
    note::{Note, NoteError},
};

use crate::{
    agents::Agents,
    files::Bundle,
    report::{Findings, Step, chain},
    tree::{self, Tree},
    trust::{Options, Trust},
};

/// Compares the history with what the assessor saved. Returns whether there was anything to say.
pub(crate) fn old(
    trust: &Trust,
    head: &Checkpoint,
    log: Option<&Tree<'_>>,
    findings: &mut Findings,
) {
    let mut saved = Vec::new();
    for (name, bytes) in &trust.old_checkpoints {
        match tree::open(bytes, &trust.log) {
            Ok((_, checkpoint)) => saved.push((name, checkpoint)),
            // The assessor's own file: no evidence against anybody.
            Err(error) => findings.could_not_check(
                Step::OldCheckpoint,
                format!(
                    "{name} is no checkpoint under the log key that you gave: {}",
                    chain(&error)
                ),
            ),
        }
    }
    saved.sort_by_key(|(_, checkpoint)| checkpoint.size);
    let mut agreed_size = 0;
    for (name, checkpoint) in saved {
        let size = checkpoint.size;
        if size > head.size {
            findings.contradicted(
                Step::OldCheckpoint,
                format!(
                    "{name}: history was cut: the log had signed size {size} and is now said to \
                     have size {}",
                    head.size
                ),
            );
            continue;
        }
        let Some(log) = log else {
            findings.incomplete(
                Step::OldCheckpoint,
                format!(
                    "{name}: not compared, because the entries below size {size} could not be read"
                ),
            );
            continue;
        };
        if log.continues(&checkpoint) {
            agreed_size = size;
            findings.proven(
                Step::OldCheckpoint,
                format!("{name}: the history below size {size} is the one that you saw then"),
            );
        } else {
            let agreed = match agreed_size {
                0 => String::new(),
                agreed => format!(" (below size {agreed} it is as you saved it then)"),
            };
            findings.contradicted(
                Step::OldCheckpoint,
                format!(
                    "{name}: history below size {size} differs from the checkpoint you saved\
                     {agreed}; the same key signed both; keep both"
                ),
            );
        }
    }
}

/// Checkpoints that seals name: note hash → size. Each must be signed, and of this history.
pub(crate) fn named(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    newest: &[u8],
    head: &Checkpoint,
    log: &Tree<'_>,
    findings: &mut Findings,
) -> BTreeMap<Hash, u64> {
    let mut known = BTreeMap::from([(note_hash(newest), head.size)]);
    let Some(mut rest) = bundle.get(&format!("{LOG}/{CHECKPOINTS}")) else { return known };
    let mut count = 0_u64;
    while !rest.is_empty() {
        let Some((note, after)) = rest.split_first_chunk::<4>().and_then(|(size, rest)| {
            rest.split_at_checked(usize::try_from(u32::from_be_bytes(*size)).ok()?)
        }) else {
            findings.could_not_check(
                Step::NamedCheckpoints,
                format!("{LOG}/{CHECKPOINTS} ends inside a note"),
            );
            return known;
        };
        rest = after;
        match tree::open(note, &trust.log) {
            Ok((_, checkpoint)) if log.continues(&checkpoint) => {
                known.insert(note_hash(note), checkpoint.size);
                count += 1;
            }
            Ok((_, checkpoint)) => findings.contradicted(
                Step::NamedCheckpoints,
                format!(
                    "an earlier checkpoint of size {} in the bundle is of another history",
                    checkpoint.size
                ),
            ),
            Err(error) => findings.add(
                Step::NamedCheckpoints,
                tree::outcome_of(&error),
                format!("an earlier checkpoint in the bundle: {}", chain(&error)),
            ),
        }
    }
    if findings.sound(Step::NamedCheckpoints) && count > 0 {
        findings.proven(
            Step::NamedCheckpoints,
            format!("{count} earlier checkpoints are signed and of this history"),
        );
    }
    known
}

/// Each seal names the newest checkpoint that its node had verified. It must be of this history, and
/// older than the log entry that first covers the seal: nobody has seen what did not exist yet.
pub(crate) fn seals(agents: &Agents<'_>, named: &BTreeMap<Hash, u64>, findings: &mut Findings) {
    let (mut seen, mut unknown) = (0_u64, 0_u64);
    for (name, agent) in &agents.by_origin {
        let mut heads = agents.heads.get(name).into_iter().flatten().peekable();
        for (index, leaf) in (0_u64..).zip(&agent.leaves) {
            let Some(Body::Seal(seal)) = leaf.body() else { continue };
            while heads.next_if(|(_, size)| *size <= index).is_some() {}
            let Some(hash) = Hash::from_slice(&seal.collector_checkpoint) else { continue };
            let covered_by = heads.peek().map(|(entry, _)| *entry);
            match (named.get(&hash), covered_by) {
                (Some(size), Some(entry)) if *size > entry => findings.contradicted(
                    Step::NamedCheckpoints,
                    format!(
                        "the seal at leaf {index} of {name} names a checkpoint of size {size}, and \
                         entry {entry} of the log covers the seal already"
                    ),
                ),
                (Some(_), _) => seen += 1,
                (None, _) => unknown += 1,
            }
        }
    }
    if unknown > 0 {
        findings.incomplete(
            Step::NamedCheckpoints,
            format!("{unknown} seals name checkpoints that are not in this bundle"),
        );
    }
    if findings.sound(Step::NamedCheckpoints) && seen > 0 {
        findings.proven(
            Step::NamedCheckpoints,
            format!("{seen} seals name checkpoints of this history, none from their future"),
        );
    }
}

/// SHA-256 of a note's bytes, as seals name a checkpoint.
fn note_hash(note: &[u8]) -> Hash {
    Hash(Sha256::digest(note).into())
}

/// Returns how many of the assessor's witnesses cosigned.
pub(crate) fn witnesses(
    note: &Note,
    trust: &Trust,
    options: &Options,
    findings: &mut Findings,
) -> u32 {
    let Some(policy) = &trust.witnesses else {
        let text =
            "0 independent witnesses: history could have been rewritten before this checkpoint";
        if options.quorum_none {
            findings.proven(Step::Witnesses, format!("{text} (none demanded: --quorum none)"));
        } else {
            findings.incomplete(Step::Witnesses, text);
        }
        return 0;
    };
    let mut count = 0;
    for key in &policy.keys {
        match key.verify(note) {
            Ok(_) => count += 1,
            Err(NoteError::NotSignedBy { .. }) => {}
            Err(error) => findings.contradicted(
                Step::Witnesses,
                format!("the cosignature of {}: {}", key.name(), chain(&error)),
            ),
        }
    }
    let (keys, quorum) = (policy.keys.len(), policy.quorum);
    let text = format!("{count} of {keys} witnesses cosigned this checkpoint; {quorum} demanded");
    if count >= quorum {
        findings.proven(Step::Witnesses, text);
    } else {
        findings.incomplete(Step::Witnesses, text);
    }
    u32::try_from(count).unwrap_or(u32::MAX)
}
