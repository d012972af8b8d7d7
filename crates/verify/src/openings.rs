//! What lies beside the trees: openings of commitments, and chunks of snapshots.
//!
//! A wrong opening is a lie about a leaf. An absent one is legal, and said with its reason: erased
//! (an `Erasure` entry covers it), withheld (the whole bundle comes without openings), or absent.

use std::collections::BTreeMap;

use evidence::{
    Leaf, bundle, canonical,
    chunk::{SetError, open_set},
    commitment,
    leaf::{commitments, commits_to},
};
use prost::Message;
use remit_proto::v1::{self, leaf::Body, log_entry::Entry};
use tlog::Hash;

use crate::{
    agents::Agents,
    files::Bundle,
    history::Known,
    report::{Findings, Step, chain},
};

/// An opening holds one target or one native text; nothing in a leaf is longer.
const OPENING_SIZE_MAX: usize = 64 * 1024;

/// Openings of one tree by leaf index.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    by_index: BTreeMap<u64, Vec<v1::Opening>>,
}

impl Openings {
    pub(crate) fn of(&self, index: u64) -> &[v1::Opening] {
        self.by_index.get(&index).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = v1::LeafOpening> {
        self.by_index.iter().flat_map(|(index, openings)| {
            openings
                .iter()
                .map(|opening| v1::LeafOpening { index: *index, opening: Some(opening.clone()) })
        })
    }

    fn has(&self, index: u64, field: u32) -> bool {
        self.of(index).iter().any(|o| o.field == field)
    }

    /// Whether every commitment of the leaf is opened.
    pub(crate) fn complete(&self, index: u64, body: &Body) -> bool {
        commitments(body).all(|(field, _)| self.has(index, field))
    }
}

/// How many commitments are not opened, by reason.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct NotOpened {
    pub(crate) erased: u64,
    pub(crate) withheld: u64,
    pub(crate) absent: u64,
}

/// Checks every opening in the bundle against the leaf that it opens.
pub(crate) fn read(
    bundle: &mut Bundle<'_>,
    entries: &[Known],
    agents: &mut Agents<'_>,
    findings: &mut Findings,
) -> NotOpened {
    let mut not_opened = NotOpened::default();
    let (mut opened, mut any_file) = (0_u64, false);
    for agent in agents.by_origin.values_mut().filter(|agent| agent.tree.is_some()) {
        let name = format!("{}/{}", bundle::agent_folder(&agent.origin), bundle::OPENINGS);
        let file = bundle.get(&name);
        any_file |= file.is_some();
        let mut rest = file.unwrap_or_default();
        while !rest.is_empty() {
            match next(&mut rest) {
                Ok(opening) => match check(&opening, &agent.leaves) {
                    Some((index, opening)) if !agent.openings.has(index, opening.field) => {
                        agent.openings.by_index.entry(index).or_default().push(opening);
                        opened += 1;
                    }
                    _ => findings.contradicted(
                        Step::Openings,
                        format!(
                            "{name}: what is said to be opened at leaf {} is not what was committed there",
                            opening.index
                        ),
                    ),
                },
                Err(text) => {
                    findings.could_not_check(Step::Openings, format!("{name}: {text}"));
                    break;
                }
            }
        }
    }
    let erased = erasures(entries);
    for (name, agent) in &agents.by_origin {
        for (index, leaf) in (0_u64..).zip(&agent.leaves) {
            let Some(body) = leaf.body() else { continue };
            for (field, _) in commitments(body) {
                if agent.openings.has(index, field) {
                } else if is_erased(&erased, name, index) {
                    not_opened.erased += 1;
                } else if any_file {
                    not_opened.absent += 1;
                } else {
                    not_opened.withheld += 1;
                }
            }
        }
    }
    let NotOpened { erased, withheld, absent } = not_opened;
    if withheld > 0 {
        findings.incomplete(
            Step::Openings,
            format!(
                "{withheld} targets and texts are withheld: this bundle comes without openings"
            ),
        );
    }
    if absent > 0 {
        findings.incomplete(
            Step::Openings,
            format!("{absent} targets or texts are absent, and no erasure is logged for them"),
        );
    }
    if findings.sound(Step::Openings) {
        findings.proven(
            Step::Openings,
            format!(
                "{opened} targets and texts are those committed to; {erased} erased, as logged"
            ),
        );
    }
    not_opened
}

fn next(rest: &mut &[u8]) -> Result<v1::LeafOpening, String> {
    let before = rest.len();
    let length = prost::decode_length_delimiter(&mut *rest).map_err(|_| "a length is malformed")?;
    if before - rest.len() != prost::length_delimiter_len(length) {
        return Err("a length is not in its shortest form".to_owned());
    }
    let (bytes, after) = rest.split_at_checked(length).ok_or("it ends inside an opening")?;
    *rest = after;
    canonical::decode(bytes, OPENING_SIZE_MAX).map_err(|error| chain(&error))
}

fn check(opening: &v1::LeafOpening, leaves: &[Leaf]) -> Option<(u64, v1::Opening)> {
    let v1::LeafOpening { index, opening } = opening;
    let opening = opening.as_ref()?;
    let (field, hash) = commitment::opened(opening).ok()?;
    let body = leaves.get(usize::try_from(*index).ok()?)?.body()?;
    commits_to(body, field, &hash).then(|| (*index, opening.clone()))
}

fn erasures(entries: &[Known]) -> Vec<&v1::Erasure> {
    entries
        .iter()
        .filter_map(|known| match &known.entry {
            Entry::Erasure(erasure) => Some(erasure),
            _ => None,
        })
        .collect()
}

fn is_erased(erasures: &[&v1::Erasure], tree: &str, at: u64) -> bool {
    erasures.iter().any(|e| e.origin == tree && (e.from_index..e.until_index).contains(&at))
}

/// Opens every rule snapshot from its chunks.
pub(crate) fn snapshots(bundle: &mut Bundle<'_>, agents: &Agents<'_>, findings: &mut Findings) {
    let (mut complete, mut rules, mut withheld) = (0_u64, 0_u64, 0_u64);
    for (name, agent) in &agents.by_origin {
        for (index, leaf) in (0_u64..).zip(&agent.leaves) {
            let Some(Body::RuleSnapshot(v1::RuleSnapshot { rules: Some(set), .. })) = leaf.body()
            else {
                continue;
            };
            match items::<v1::SnapshotRule>(bundle, set) {
                Items::All(items) => {
                    complete += 1;
                    rules += items.len() as u64;
                }
                Items::Withheld => withheld += 1,
                Items::Wrong(text) => findings.contradicted(
                    Step::Snapshots,
                    format!("snapshot at leaf {index} of {name}: {text}"),
                ),
            }
        }
    }
    if withheld > 0 {
        findings.incomplete(
            Step::Snapshots,
            format!("{withheld} rule snapshots are withheld: their chunks are not in the bundle"),
        );
    }
    if findings.sound(Step::Snapshots) {
        findings.proven(Step::Snapshots, format!("{complete} rule snapshots, {rules} rules"));
    }
}

/// The items of a set, if the bundle holds its chunks.
pub(crate) enum Items<M> {
    All(Vec<M>),
    Withheld,
    Wrong(String),
}

pub(crate) fn items<M: Message + Default>(bundle: &mut Bundle<'_>, set: &v1::ItemSet) -> Items<M> {
    let mut chunks = Vec::with_capacity(set.chunks.len());
    let mut all = true;
    for id in &set.chunks {
        match Hash::from_slice(id).and_then(|id| bundle.get(&bundle::chunk_name(&id))) {
            Some(bytes) => chunks.push(bytes),
            None => all = false,
        }
    }
    if !all {
        return Items::Withheld;
    }
    let decoded =
        open_set(set, &chunks).map_err(|error: SetError| chain(&error)).and_then(|items| {
            items
                .iter()
                .map(|bytes| canonical::decode(bytes, evidence::CHUNK_SIZE_MAX))
                .collect::<Result<_, _>>()
                .map_err(|error| format!("an item is malformed: {}", chain(&error)))
        });
    match decoded {
        Ok(items) => Items::All(items),
        Err(text) => Items::Wrong(text),
    }
}
