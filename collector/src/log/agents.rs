//! Trees of agents: the witness rule, and what is kept when a node breaks it.

use std::{
    io,
    time::{Duration, Instant},
};

use evidence::{
    AgentOrigin, Leaf, NodeId,
    batch::{self, BatchError, Received},
};
use prost::bytes::Bytes;
use remit_proto::v1::{self, RefusalCode, leaf::Body, log_entry::Entry};
use tlog::{Hash, checkpoint::Checkpoint};

use super::{
    chunks::PutError,
    command::Refusal,
    publish, receipts,
    state::{Agent, verifier},
    writer::{Fatal, Writer},
};
use crate::{committed::Committed, metrics::Metric};

/// Notes kept as forks per run and node; more is counted, not kept.
const FORKS_KEPT_MAX: usize = 64;
/// A node that sends old heads all day must not keep the writer reading all day.
const LOOK_PAUSE: Duration = Duration::from_secs(60);

impl Writer {
    pub(super) fn hello(
        &self,
        origin: &AgentOrigin,
        public_key: [u8; 32],
        bound_key: [u8; 32],
    ) -> Result<u64, Refusal> {
        if origin.operator != self.state.operator {
            return Err(Refusal::coded(
                RefusalCode::UnknownOrigin,
                0,
                format!("this collector belongs to {}", self.state.operator),
            ));
        }
        match self.state.agents.get(origin) {
            Some(agent) => {
                self.active_only(origin, agent)?;
                let known = agent.key.public_bytes() == public_key;
                if !known {
                    return Err(Refusal::coded(
                        RefusalCode::BadSignature,
                        agent.tree.edge.size(),
                        "public_key is not the key that signs this tree; enrol the node again",
                    ));
                }
                Ok(agent.tree.edge.size())
            }
            // A new generation begins under the key that was bound at enrolment.
            None if public_key == bound_key => Ok(0),
            None => Err(Refusal::coded(
                RefusalCode::UnknownOrigin,
                0,
                "public_key is not the one that was enrolled for this node; enrol it again",
            )),
        }
    }

    fn active_only(&self, origin: &AgentOrigin, agent: &Agent) -> Result<(), Refusal> {
        let size = agent.tree.edge.size();
        if agent.revoked {
            let detail = "the key of this node was revoked; enrol the node again";
            return Err(Refusal::coded(RefusalCode::RevokedKey, size, detail));
        }
        if self.state.active.get(&origin.node) != Some(origin) {
            let detail = "a later generation of this node is active";
            return Err(Refusal::coded(RefusalCode::SupersededGeneration, size, detail));
        }
        Ok(())
    }

    /// The witness rule: from the size last accepted, with a proof, in one step.
    pub(super) fn batch(
        &mut self,
        origin: AgentOrigin,
        public_key: [u8; 32],
        bytes: &Bytes,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        let batch = match Received::read(bytes) {
            Ok(batch) => batch,
            Err(malformed) => {
                let size = self.state.agents.get(&origin).map_or(0, |a| a.tree.edge.size());
                let error = BatchError::Malformed(malformed);
                return Ok(Err(receipts::batch_refusal(&error, false, size)));
            }
        };
        let new_tree = batch::Tree::new(origin.clone());
        let (tree, key) = match self.state.agents.get(&origin) {
            Some(agent) => {
                if let Err(refused) = self.active_only(&origin, agent) {
                    if refused.code == RefusalCode::SupersededGeneration {
                        self.superseded(&origin, batch.note)?;
                    }
                    return Ok(Err(refused));
                }
                (&agent.tree, agent.key.clone())
            }
            // The edge looked before it asked; the revocation may have come in between.
            None if self.state.revoked_keys.contains(&public_key) => {
                let detail = "the key of this node was revoked; enrol the node again";
                return Ok(Err(Refusal::coded(RefusalCode::RevokedKey, 0, detail)));
            }
            // Hello has compared this key with the one bound at enrolment.
            None => (&new_tree, verifier(&origin.to_string(), &public_key)?),
        };
        let size = tree.edge.size();
        let begins = !self.state.agents.contains_key(&origin);
        let now = Instant::now();
        if let Err(refused) = self.budgets.batch(&origin.node, bytes.len(), begins, size, now) {
            return Ok(Err(refused));
        }
        let checked = match batch::check(&batch, tree, &key) {
            Ok(checked) => checked,
            Err(error) => {
                let fork = match &error {
                    BatchError::Fork => true,
                    // A head of a size that was accepted before can still be compared.
                    BatchError::WrongSize { .. } | BatchError::UnprovenHead => {
                        match batch::open_head(batch.note, &origin, &key) {
                            Ok(head) => self.contradicts(&origin, &head, batch.note)?,
                            Err(_) => false,
                        }
                    }
                    _ => false,
                };
                if fork {
                    let accepted = self.state.agents.get(&origin).map(|a| a.note.clone());
                    if let Some(accepted) = accepted {
                        let kind = v1::ForkKind::ConflictingHead;
                        self.keep_fork(&origin, kind, accepted, batch.note.to_vec())?;
                    }
                }
                return Ok(Err(receipts::batch_refusal(&error, fork, size)));
            }
        };
        if let Some(missing) = self.missing_chunk(&checked.other_leaves) {
            return Ok(Err(Refusal::coded(RefusalCode::MissingChunk, size, missing)));
        }
        let received_at_s = self.now();
        if begins {
            // What the generation before has handed in is logged while it is active: no reader takes
            // a head of a superseded one.
            if self.state.active.contains_key(&origin.node) {
                for entry in publish::entries_due(&self.state, &self.register_key, &self.case_key)?
                {
                    self.append_entry(received_at_s, entry)?;
                }
            }
            let key = v1::NodeKey {
                origin: origin.to_string(),
                public_key: public_key.to_vec(),
                revoked: false,
                revoked_from_size: 0,
                approver: None,
            };
            self.append_entry(received_at_s, Entry::NodeKey(key))?;
        }
        let (evidence, openings) = bytes.split_at(batch.evidence_size());
        let new_size = checked.head.size;
        let named = named_chunks(&checked.other_leaves).filter_map(Hash::from_slice);
        self.budgets.batch_accepted(&origin.node, bytes.len(), begins, named, now);
        // What the state refuses is never written.
        let what = self.state.apply_batch(batch.note, checked, received_at_s, bytes.clone())?;
        let origin = origin.to_string();
        let position = self.journal.push_batch(&origin, received_at_s, evidence);
        self.openings.push(&origin, openings, received_at_s);
        self.group.push(Committed { position, at_s: received_at_s, what });
        self.unlogged_leaves += batch.leaves.len() as u64;
        Metric::BatchesAccepted.count();
        Ok(Ok(new_size))
    }

    /// A generation that is no longer active goes on, or says something else than it did.
    fn superseded(&mut self, origin: &AgentOrigin, note: &[u8]) -> Result<(), Fatal> {
        let Some(agent) = self.state.agents.get(origin) else { return Ok(()) };
        let Ok(head) = batch::open_head(note, origin, &agent.key) else { return Ok(()) };
        let accepted = agent.note.clone();
        let kind = if head.size > agent.tree.edge.size() {
            v1::ForkKind::SupersededGeneration
        } else if self.contradicts(origin, &head, note)? {
            v1::ForkKind::ConflictingHead
        } else {
            // Accepted before, and sent once more: no evidence of anything.
            return Ok(());
        };
        self.keep_fork(origin, kind, accepted, note.to_vec())
    }

    /// Whether a genuine head of a size that was accepted before names another root than it had.
    /// The whole journal is read for it, so a node is looked into once a minute at the most; in
    /// between, its old heads are refused as what they are anyhow, heads of a wrong size.
    fn contradicts(
        &mut self,
        origin: &AgentOrigin,
        head: &Checkpoint,
        note: &[u8],
    ) -> Result<bool, Fatal> {
        let Some(agent) = self.state.agents.get(origin) else { return Ok(false) };
        if head.size > agent.tree.edge.size() || agent.note == note {
            return Ok(false);
        }
        if self.looked_into.get(&origin.node).is_some_and(|at| at.elapsed() < LOOK_PAUSE) {
            return Ok(false);
        }
        // What this group has pushed must be readable first.
        self.commit()?;
        let ours = publish::agent_root_at(&self.dir, origin, head.size)?;
        self.looked_into.insert(origin.node.clone(), Instant::now());
        Ok(ours != Some(head.root))
    }

    fn keep_fork(
        &mut self,
        origin: &AgentOrigin,
        kind: v1::ForkKind,
        accepted_note: Vec<u8>,
        conflicting_note: Vec<u8>,
    ) -> Result<(), Fatal> {
        Metric::Forks.count();
        // The journal was cut between the key of this tree and its first batch: there is no head yet
        // that another one could conflict with.
        if accepted_note.is_empty() {
            return Ok(());
        }
        let id = evidence::chunk::chunk_id(&conflicting_note);
        let kept = self.forks_kept.entry(origin.node.clone()).or_default();
        if kept.len() >= FORKS_KEPT_MAX || !kept.insert(id) {
            return Ok(());
        }
        tracing::error!("a node signed two histories; both heads are kept as evidence");
        let now_s = self.now();
        let fork = v1::Fork { kind: kind.into(), accepted_note, conflicting_note };
        self.append_entry(now_s, Entry::Fork(fork)).map(drop)
    }

    fn missing_chunk(&self, leaves: &[Leaf]) -> Option<String> {
        leaves.iter().find_map(|leaf| match leaf.body() {
            Some(Body::RuleSnapshot(v1::RuleSnapshot { rules: Some(set), .. })) => {
                match self.chunks.all_of(&set.chunks) {
                    Err(id) => Some(format!("chunk {id} of a snapshot has not been sent")),
                    Ok(chunks) => {
                        evidence::chunk::open_set(set, &chunks).err().map(|error| error.to_string())
                    }
                }
            }
            _ => None,
        })
    }

    /// `node`: who hands it in; `None`: a person.
    pub(crate) fn chunk(
        &mut self,
        node: Option<&NodeId>,
        bytes: &[u8],
    ) -> Result<Result<Hash, Refusal>, Fatal> {
        let (id, now) = (evidence::chunk::chunk_id(bytes), Instant::now());
        if let Some(node) = node
            && let Err(refused) = self.budgets.chunk(node, &id, bytes.len(), now)
        {
            return Ok(Err(refused));
        }
        if self.state.register.erased().any(|erased| erased == id.0) {
            let detail = "the chunk was erased, and the log says so; it does not come back";
            return Ok(Err(Refusal::because("ERASED", detail)));
        }
        match self.chunks.put(bytes) {
            Ok(id) => {
                if let Some(node) = node {
                    self.budgets.chunk_stored(node, id, bytes.len(), now);
                }
                Ok(Ok(id))
            }
            Err(PutError::Malformed(error)) => {
                Ok(Err(Refusal::coded(RefusalCode::MalformedChunk, 0, error.to_string())))
            }
            // Nothing names it yet, and the file under its name was not touched.
            Err(PutError::Io(error)) if error.kind() == io::ErrorKind::StorageFull => {
                Ok(Err(Refusal::disk_full(0)))
            }
            Err(PutError::Io(error)) => Err(Fatal::Io(error)),
        }
    }
}

/// The chunks of all sets in these leaves.
fn named_chunks(leaves: &[Leaf]) -> impl Iterator<Item = &[u8]> {
    leaves
        .iter()
        .filter_map(|leaf| match leaf.body() {
            Some(Body::RuleSnapshot(v1::RuleSnapshot { rules: Some(set), .. })) => Some(set),
            _ => None,
        })
        .flat_map(|set| set.chunks.iter().map(Vec::as_slice))
}
