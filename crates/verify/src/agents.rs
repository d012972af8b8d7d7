//! The trees of the agents: which heads count, and whether the leaves in the bundle are theirs.
//!
//! In: the log's entries in order. Out: one [`Agent`] per tree that the log knows, its leaves
//! decoded, and for each `AgentHead` entry the size up to which it covers that tree, for the replay.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{
    AgentOrigin, Leaf,
    bundle::{CHECKPOINT, agent_folder},
    leaf::opens,
};
use remit_proto::v1::{self, leaf::Body, log_entry::Entry};
use tlog::{
    Hash,
    checkpoint::Checkpoint,
    leaf_hash,
    note::{KeyName, Note, VerifierKey},
};

use crate::{
    files::Bundle,
    history::Known,
    keys::KeyChain,
    openings::Openings,
    report::{Findings, Step, chain},
    tree::{self, Tree},
};

/// One tree of one node.
pub(crate) struct Agent<'a> {
    pub(crate) origin: AgentOrigin,
    /// `None`: not in this bundle, or not readable.
    pub(crate) tree: Option<Tree<'a>>,
    /// Empty where the tree is absent or not understood.
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) hashes: Vec<Hash>,
    pub(crate) openings: Openings,
    /// Size up to which a head counts that was signed by a key revoked later.
    pub(crate) revoked_from_size: Option<u64>,
}

/// All trees, and what each `AgentHead` entry covers.
#[derive(Default)]
pub(crate) struct Agents<'a> {
    pub(crate) by_origin: BTreeMap<String, Agent<'a>>,
    /// Tree → index of each `AgentHead` entry and size there, in order; only heads that count.
    pub(crate) heads: BTreeMap<String, Vec<(u64, u64)>>,
}

/// Reads each tree at the newest head that the log holds of it.
pub(crate) fn read<'a>(
    bundle: &mut Bundle<'a>,
    entries: &[Known],
    findings: &mut Findings,
) -> Agents<'a> {
    let mut newest: BTreeMap<String, (&[u8], Checkpoint)> = BTreeMap::new();
    for Known { index, entry, .. } in entries {
        let Entry::AgentHead(v1::AgentHead { note }) = entry else { continue };
        match parse_unchecked(note) {
            Some((_, head)) => drop(newest.insert(head.origin.clone(), (note.as_slice(), head))),
            None => findings.could_not_check(
                Step::AgentHeads,
                format!("entry {index} holds something that is no checkpoint"),
            ),
        }
    }
    let mut agents = Agents::default();
    let (mut absent, mut leaves) = (0_u64, 0_u64);
    for (name, (note, head)) in newest {
        let Ok(origin) = name.parse::<AgentOrigin>() else {
            findings.could_not_check(Step::AgentHeads, format!("{name:?} is no agent's origin"));
            continue;
        };
        let agent = read_one(bundle, origin, note, &head, findings);
        match &agent.tree {
            Some(tree) => leaves += tree.size(),
            None => absent += 1,
        }
        agents.by_origin.insert(name, agent);
    }
    if absent > 0 {
        findings.incomplete(
            Step::AgentLeaves,
            format!("{absent} of {} agent trees are not in this bundle", agents.by_origin.len()),
        );
    }
    if findings.sound(Step::AgentLeaves) {
        findings.proven(
            Step::AgentLeaves,
            format!(
                "{leaves} leaves of {} trees make up their newest logged heads, each well formed",
                agents.by_origin.len()
            ),
        );
    }
    agents
}

fn read_one<'a>(
    bundle: &mut Bundle<'a>,
    origin: AgentOrigin,
    note: &[u8],
    head: &Checkpoint,
    findings: &mut Findings,
) -> Agent<'a> {
    let folder = agent_folder(&origin);
    let mut agent = Agent {
        origin,
        tree: None,
        leaves: Vec::new(),
        hashes: Vec::new(),
        openings: Openings::default(),
        revoked_from_size: None,
    };
    if bundle.below(&folder).next().is_none() {
        return agent;
    }
    let checkpoint = format!("{folder}/{CHECKPOINT}");
    match bundle.get(&checkpoint) {
        Some(bytes) if bytes == note => {}
        Some(_) => findings.contradicted(
            Step::AgentLeaves,
            format!("{checkpoint} is not the newest head of this tree in the log"),
        ),
        None => findings.incomplete(Step::AgentLeaves, format!("{checkpoint} is missing")),
    }
    match tree::read(bundle, &folder, head) {
        Ok(tree) => {
            decode(&mut agent, &tree, findings);
            agent.tree = Some(tree);
        }
        Err(error) => {
            findings.add(Step::AgentLeaves, error.outcome(), format!("{}: {error}", agent.origin));
        }
    }
    agent
}

fn decode(agent: &mut Agent<'_>, tree: &Tree<'_>, findings: &mut Findings) {
    let origin = &agent.origin;
    for (index, bytes) in (0_u64..).zip(&tree.entries) {
        let leaf = match Leaf::decode(bytes) {
            Ok(Leaf::NotUnderstood { format }) if index == 0 => {
                findings.incomplete(
                    Step::AgentLeaves,
                    format!("{origin} is of format {format} and not understood by this version"),
                );
                agent.leaves.clear();
                return;
            }
            Ok(leaf) => leaf,
            Err(error) => {
                findings.could_not_check(
                    Step::AgentLeaves,
                    format!("leaf {index} of {origin} is malformed: {}", chain(&error)),
                );
                agent.leaves.clear();
                return;
            }
        };
        let is_genesis = matches!(leaf.body(), Some(Body::Genesis(_)));
        let is_first = leaf.body().is_some_and(|body| opens(body, origin));
        if is_genesis != (index == 0) || is_genesis != is_first {
            findings.contradicted(
                Step::AgentLeaves,
                format!("leaf {index} of {origin}: a Genesis naming the tree stands first and nowhere else"),
            );
        }
        agent.leaves.push(leaf);
        agent.hashes.push(leaf_hash(bytes));
    }
    if !matches!(agent.leaves.last().and_then(Leaf::body), Some(Body::Seal(_))) {
        findings.contradicted(
            Step::AgentLeaves,
            format!("{origin}: the newest logged head is not that of a sealed batch"),
        );
    }
}

/// What the log has said so far.
#[derive(Default)]
struct Keys {
    trees: BTreeMap<String, State>,
    /// Node → the tree that is active.
    active: BTreeMap<String, String>,
    /// Keys of nodes that were revoked: none of them opens a tree again.
    revoked: BTreeSet<[u8; 32]>,
}

/// What the log has said so far of one tree.
struct State {
    chain: KeyChain,
    revoked_from_size: Option<u64>,
    size: u64,
}

/// Walks the log: every head must be signed by the key that is valid there, of the active
/// generation, and continue the heads before it.
pub(crate) fn heads(
    entries: &[Known],
    operator: &str,
    agents: &mut Agents<'_>,
    findings: &mut Findings,
) {
    let mut known = Keys::default();
    let (mut keys, mut heads, mut unread) = (0_u64, 0_u64, 0_u64);
    for Known { index, entry, .. } in entries {
        match entry {
            Entry::NodeKey(key) => {
                keys += 1;
                node_key(*index, key, operator, agents, &mut known, findings);
            }
            Entry::AgentHead(v1::AgentHead { note }) => {
                let Some((note, head)) = parse_unchecked(note) else { continue };
                heads += 1;
                match agent_head(&note, &head, &mut known, agents) {
                    Ok(read) => {
                        unread += u64::from(!read);
                        agents.heads.entry(head.origin).or_default().push((*index, head.size));
                    }
                    Err(text) => findings.contradicted(
                        Step::AgentHeads,
                        format!(
                            "entry {index}, head of {} at size {}: {text}",
                            head.origin, head.size
                        ),
                    ),
                }
            }
            Entry::PersonKey(_)
            | Entry::NodeFacts(_)
            | Entry::RegisterHead(_)
            | Entry::CaseHead(_)
            | Entry::Export(_)
            | Entry::Erasure(_)
            | Entry::Fork(_)
            | Entry::Shard(_)
            | Entry::Reassessment(_)
            | Entry::Archive(_) => {}
        }
    }
    for (origin, state) in known.trees {
        if let Some(agent) = agents.by_origin.get_mut(&origin) {
            agent.revoked_from_size = state.revoked_from_size;
        }
    }
    if unread > 0 {
        findings.incomplete(
            Step::AgentHeads,
            format!("{unread} heads are of trees whose leaves are not here"),
        );
    }
    if findings.sound(Step::Keys) {
        findings.proven(Step::Keys, format!("{keys} node keys, each in its place"));
    }
    if findings.sound(Step::AgentHeads) {
        findings.proven(
            Step::AgentHeads,
            format!("{heads} heads are signed by the key valid there and continue each other"),
        );
    }
}

fn node_key(
    index: u64,
    key: &v1::NodeKey,
    operator: &str,
    agents: &Agents<'_>,
    known: &mut Keys,
    findings: &mut Findings,
) {
    let v1::NodeKey { origin, public_key, revoked, revoked_from_size, approver: _ } = key;
    // `LogEntry::decode` has looked at both already.
    let (Ok(parsed), Ok(public)) =
        (origin.parse::<AgentOrigin>(), <[u8; 32]>::try_from(public_key.as_slice()))
    else {
        return;
    };
    if parsed.operator.as_str() != operator {
        findings.contradicted(
            Step::Keys,
            format!("entry {index} enrols a node of another operator, {}", parsed.operator),
        );
        return;
    }
    if *revoked {
        match known.trees.get_mut(origin) {
            // The smallest size counts, as in `register::assessment`.
            Some(state) => {
                let from = state.revoked_from_size.unwrap_or(u64::MAX).min(*revoked_from_size);
                state.revoked_from_size = Some(from);
                known.revoked.extend(state.chain.enrolled());
                known.revoked.insert(public);
            }
            None => findings.contradicted(
                Step::Keys,
                format!("entry {index} revokes a key of {origin} that was never enrolled"),
            ),
        }
        return;
    }
    // A second entry of the same tree changes neither its key nor a revocation: the collector's own
    // state does not, and whoever could append one could otherwise undo a revocation.
    if !known.trees.contains_key(origin) {
        if known.revoked.contains(&public) {
            findings.contradicted(
                Step::Keys,
                format!("entry {index} enrols {origin} under a key that was revoked before"),
            );
        }
        let leaves = agents.by_origin.get(origin).map_or(&[][..], |agent| agent.leaves.as_slice());
        match KeyChain::of(public, leaves) {
            Ok(chain) => {
                let state = State { chain, revoked_from_size: None, size: 0 };
                known.trees.insert(origin.clone(), state);
            }
            Err(error) => {
                findings.contradicted(Step::Keys, format!("{origin}: {}", chain(&error)));
            }
        }
    }
    known.active.insert(parsed.node.to_string(), origin.clone());
}

/// Whether the head counts. `Ok(false)`: as far as the log alone shows; its leaves are not here.
fn agent_head(
    note: &Note,
    head: &Checkpoint,
    known: &mut Keys,
    agents: &Agents<'_>,
) -> Result<bool, String> {
    let Keys { trees, active, revoked: _ } = known;
    let state = trees.get_mut(&head.origin).ok_or("the log had enrolled no key for this tree")?;
    let agent = agents.by_origin.get(&head.origin).ok_or("not an agent's tree")?;
    if active.get(agent.origin.node.as_str()) != Some(&head.origin) {
        return Err("this generation had been superseded".to_owned());
    }
    if head.size < state.size {
        return Err(format!("the tree had {} leaves before", state.size));
    }
    if state.revoked_from_size.is_some_and(|size| head.size > size) {
        return Err("its key had been revoked below this size".to_owned());
    }
    let key_bytes = state.chain.at(head.size).ok_or("no key for this size")?;
    let key = KeyName::new(head.origin.as_str())
        .and_then(|name| VerifierKey::new(name, key_bytes))
        .map_err(|error| chain(&error))?;
    let signature = note.verify(&key);
    let Some(tree) = &agent.tree else {
        // The tree may have changed its key in leaves that are not here.
        state.size = head.size;
        return Ok(false);
    };
    signature.map_err(|error| chain(&error))?;
    if !tree.continues(head) {
        return Err("it is of another history than the newest head of this tree".to_owned());
    }
    state.size = head.size;
    Ok(true)
}

/// The meaning of a note whose signature is checked later, once its key is known.
fn parse_unchecked(bytes: &[u8]) -> Option<(Note, Checkpoint)> {
    let note = Note::parse(bytes).ok()?;
    let head = Checkpoint::parse_text(&note.text).ok()?;
    Some((note, head))
}
