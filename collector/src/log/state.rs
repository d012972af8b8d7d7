//! What the journal adds up to: trees, keys, the agents' sizes. In memory, owned by the writer.
//!
//! Every change goes through [`State::apply`], on recovery as in operation, so that a restart cannot
//! come to another state than the one that was answered from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evidence::{
    AgentOrigin, NodeId, Operator, PersonId,
    batch::{self, BatchError, CheckedBatch, Received, Tree},
    log_entry::LogEntry,
    statement::{SignedStatement, decode_signed},
};
use remit_proto::v1::{self, log_entry::Entry};
use tlog::{
    Hash, MemoryTree,
    checkpoint::Checkpoint,
    leaf_hash,
    note::{KeyName, Note, VerifierKey},
};

use prost::bytes::Bytes;
use register::{Cases, InvalidStatement, Ledger};

use super::journal::{BatchRecord, EntryRecord, PublishedRecord, Record};
use crate::{
    access::RevokedKeys,
    cases,
    committed::{Accepted, Chunks, What},
    registers,
};

/// One tree of an agent, as accepted.
#[derive(Debug, Clone)]
pub struct Agent {
    pub tree: Tree,
    /// Signs the next head.
    pub key: VerifierKey,
    /// The key of the `NodeKey` entry: the one that the node's certificate binds.
    pub enrolled_key: [u8; 32],
    /// The newest accepted head, byte for byte.
    pub note: Vec<u8>,
    pub logged: Option<LoggedHead>,
    pub revoked: bool,
    pub last_received_s: i64,
}

/// The newest head of an agent that is in the log.
#[derive(Debug, Clone)]
pub struct LoggedHead {
    pub size: u64,
    pub log_index: u64,
    pub entry: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Person {
    pub role: v1::Role,
    pub key: VerifierKey,
    pub revoked: bool,
    /// Of earlier enrolments, not revoked: certificates bound to them may still be valid.
    pub former: Vec<(v1::Role, VerifierKey)>,
}

/// One of the three logs that the collector writes itself.
#[derive(Debug, Default)]
pub struct OwnLog {
    pub tree: MemoryTree,
    /// Entries from `tail_from` on: those of the bundle that is not full at the last publish.
    pub tail: Vec<Vec<u8>>,
    pub tail_from: u64,
}

impl OwnLog {
    fn append(&mut self, entry: Vec<u8>) -> u64 {
        let index = self.tree.size();
        self.tree.append(leaf_hash(&entry));
        self.tail.push(entry);
        index
    }

    /// Forgets entries of bundles that are full and published.
    pub fn trim(&mut self, published_size: u64) {
        let keep_from = published_size / 256 * 256;
        let count = usize::try_from(keep_from.saturating_sub(self.tail_from)).unwrap_or(0);
        self.tail.drain(..count.min(self.tail.len()));
        self.tail_from = keep_from.max(self.tail_from);
    }
}

#[derive(Debug)]
pub struct State {
    pub operator: Operator,
    pub log: OwnLog,
    pub register_log: OwnLog,
    pub register: Ledger,
    /// Register size that the newest `RegisterHead` entry states.
    pub register_logged: u64,
    /// The note of that entry; empty while there is none.
    pub register_head: Vec<u8>,
    pub case_log: OwnLog,
    pub cases: Cases,
    /// Size of the case log that the newest `CaseHead` entry states.
    pub case_logged: u64,
    pub agents: HashMap<AgentOrigin, Agent>,
    /// The active generation of each node.
    pub active: HashMap<NodeId, AgentOrigin>,
    pub persons: BTreeMap<PersonId, Person>,
    /// Sizes of the log whose re-assessment is logged.
    pub reassessed: BTreeSet<u64>,
    /// Hashes of the manifests of archived days that are logged.
    pub archived: BTreeSet<Vec<u8>>,
    pub published: Option<Published>,
    pub newest_at_s: i64,
    pub revoked_keys: RevokedKeys,
}

/// The newest checkpoint that was published.
#[derive(Debug, Clone)]
pub struct Published {
    pub note: Vec<u8>,
    pub size: u64,
    pub root: Hash,
    pub register_size: u64,
    /// The newest register head below it; empty while there is none.
    pub register_head: Vec<u8>,
}

/// The journal says something that no correct writer can have written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("batch of {origin} does not continue its tree")]
    Batch {
        origin: String,
        #[source]
        source: BatchError,
    },
    #[error("batch of {origin}, whose key no NodeKey entry names")]
    UnknownOrigin { origin: String },
    #[error("{what} is malformed")]
    Malformed {
        what: &'static str,
        #[source]
        source: evidence::Malformed,
    },
    #[error("{what} cannot be read")]
    Unreadable { what: &'static str },
    #[error("the register refuses statement {index}: {reason}")]
    Register { index: u64, reason: String },
    #[error("the case log refuses statement {index}: {reason}")]
    Cases { index: u64, reason: String },
    #[error(
        "checkpoint of size {size} was signed, but the log at that size has another root; this \
         directory does not hold the history that was published"
    )]
    Published { size: u64 },
}

impl State {
    pub fn new(operator: Operator, revoked_keys: RevokedKeys) -> Self {
        let cases = Cases::new(operator.case_origin());
        Self {
            register: Ledger::new(operator.register_origin()),
            operator,
            log: OwnLog::default(),
            register_log: OwnLog::default(),
            register_logged: 0,
            register_head: Vec::new(),
            case_log: OwnLog::default(),
            cases,
            case_logged: 0,
            agents: HashMap::new(),
            active: HashMap::new(),
            persons: BTreeMap::new(),
            reassessed: BTreeSet::new(),
            archived: BTreeSet::new(),
            published: None,
            newest_at_s: 0,
            revoked_keys,
        }
    }

    /// Takes in one record, with the chunks that a statement names, as far as they are held.
    pub fn apply(&mut self, record: Record, chunks: &dyn Chunks) -> Result<What, StateError> {
        match record {
            Record::Batch(record) => {
                let BatchRecord { origin, received_at_s, batch } = record;
                let parsed: AgentOrigin = origin
                    .parse()
                    .map_err(|_| StateError::UnknownOrigin { origin: origin.clone() })?;
                let agent = self
                    .agents
                    .get(&parsed)
                    .ok_or_else(|| StateError::UnknownOrigin { origin: origin.clone() })?;
                let refused = |source| StateError::Batch { origin: origin.clone(), source };
                let bytes = Bytes::from(batch);
                let batch =
                    Received::read(&bytes).map_err(BatchError::Malformed).map_err(refused)?;
                let checked = batch::check(&batch, &agent.tree, &agent.key).map_err(refused)?;
                self.apply_batch(batch.note, checked, received_at_s, bytes.clone())
            }
            Record::LogEntry(EntryRecord { at_s, entry }) => self.apply_entry(at_s, entry),
            Record::Statement(EntryRecord { at_s, entry }) => {
                self.newest_at_s = self.newest_at_s.max(at_s);
                self.apply_statement(entry, chunks)
            }
            Record::Decision(EntryRecord { at_s, entry }) => {
                self.newest_at_s = self.newest_at_s.max(at_s);
                self.apply_decision(entry, chunks)
            }
            Record::Published(record) => self.apply_published(record),
        }
    }

    /// The same for a batch that was just checked, and its note. Its bytes are passed on.
    pub fn apply_batch(
        &mut self,
        note: &[u8],
        checked: CheckedBatch,
        received_at_s: i64,
        bytes: Bytes,
    ) -> Result<What, StateError> {
        let CheckedBatch { head: _, tree, other_leaves } = checked;
        let origin = tree.origin.clone();
        self.newest_at_s = self.newest_at_s.max(received_at_s);
        let agent = self
            .agents
            .get_mut(&origin)
            .ok_or_else(|| StateError::UnknownOrigin { origin: origin.to_string() })?;
        agent.tree = tree;
        agent.note = note.to_vec();
        agent.last_received_s = received_at_s;
        let changed = batch::changed_key(&other_leaves)
            .map_err(|_| StateError::Unreadable { what: "a batch with two new keys" })?;
        if let Some(key) = changed {
            // The old key signed this batch; the new one signs from the next head.
            agent.key = verifier(&origin.to_string(), &key)?;
        }
        let not_understood = agent.tree.not_understood;
        Ok(What::Batch { origin, batch: Accepted { bytes, not_understood } })
    }

    fn apply_entry(&mut self, at_s: i64, bytes: Vec<u8>) -> Result<What, StateError> {
        let decoded = LogEntry::decode(&bytes)
            .map_err(|source| StateError::Malformed { what: "a log entry", source })?;
        let LogEntry::Known { logged_at_s: _, entry } = decoded else {
            return Err(StateError::Unreadable { what: "a log entry of a newer format" });
        };
        self.newest_at_s = self.newest_at_s.max(at_s);
        let index = self.log.tree.size();
        match &entry {
            Entry::AgentHead(v1::AgentHead { note }) => {
                let head = head_of(note).ok_or(StateError::Unreadable { what: "an agent head" })?;
                let origin = head.origin.parse().ok();
                if let Some(agent) = origin.and_then(|o: AgentOrigin| self.agents.get_mut(&o)) {
                    agent.logged = Some(LoggedHead {
                        size: head.size,
                        log_index: index,
                        entry: bytes.clone(),
                    });
                }
            }
            Entry::NodeKey(key) => self.apply_node_key(key)?,
            Entry::PersonKey(v1::PersonKey { person, public_key, revoked, approver: _ }) => {
                let person = person.as_ref().ok_or(StateError::Unreadable { what: "a person" })?;
                let id: PersonId = person
                    .person
                    .parse()
                    .map_err(|_| StateError::Unreadable { what: "a person" })?;
                let key = verifier(id.as_str(), public_key)?;
                self.apply_person_key(id, person.role(), key, *revoked);
            }
            Entry::RegisterHead(v1::StatementHead { note }) => {
                let head =
                    head_of(note).ok_or(StateError::Unreadable { what: "a register head" })?;
                self.register_logged = head.size;
                self.register_head.clone_from(note);
            }
            Entry::CaseHead(v1::StatementHead { note }) => {
                let head = head_of(note)
                    .ok_or(StateError::Unreadable { what: "a head of the case log" })?;
                self.case_logged = head.size;
            }
            Entry::Erasure(v1::Erasure { chunks, .. }) => self.register.erase(chunks),
            Entry::NodeFacts(_) | Entry::Export(_) | Entry::Fork(_) | Entry::Shard(_) => {}
            Entry::Reassessment(v1::Reassessment { log_size, .. }) => {
                self.reassessed.insert(*log_size);
            }
            Entry::Archive(v1::Archive { partition: _, events: _, manifest }) => {
                self.archived.insert(manifest.clone());
            }
        }
        self.log.append(bytes);
        Ok(What::Entry { index, entry })
    }

    fn apply_node_key(&mut self, key: &v1::NodeKey) -> Result<(), StateError> {
        let v1::NodeKey { origin, public_key, revoked, revoked_from_size: _, approver: _ } = key;
        let parsed: AgentOrigin =
            origin.parse().map_err(|_| StateError::UnknownOrigin { origin: origin.clone() })?;
        if *revoked {
            if let Some(agent) = self.agents.get_mut(&parsed) {
                agent.revoked = true;
                // The certificate stays bound to the first key, whatever the tree changed to.
                self.revoked_keys.insert(agent.enrolled_key);
            }
            if let Ok(key) = public_key.as_slice().try_into() {
                self.revoked_keys.insert(key);
            }
            return Ok(());
        }
        let key = verifier(origin, public_key)?;
        let enrolled_key = key.public_bytes();
        self.active.insert(parsed.node.clone(), parsed.clone());
        self.agents.entry(parsed.clone()).or_insert_with(|| Agent {
            tree: Tree::new(parsed),
            key,
            enrolled_key,
            note: Vec::new(),
            logged: None,
            revoked: false,
            last_received_s: 0,
        });
        Ok(())
    }

    fn apply_person_key(&mut self, id: PersonId, role: v1::Role, key: VerifierKey, revoked: bool) {
        if revoked {
            self.revoked_keys.insert(key.public_bytes());
        }
        match self.persons.get_mut(&id) {
            Some(person) if revoked => {
                person.revoked |= person.key == key;
                person.former.retain(|(_, former)| *former != key);
            }
            Some(person) => {
                let before = std::mem::replace(&mut person.key, key);
                if !person.revoked && before != person.key {
                    person.former.push((person.role, before));
                }
                person.role = role;
                person.revoked = false;
            }
            None => {
                let former = Vec::new();
                self.persons.insert(id, Person { role, key, revoked, former });
            }
        }
    }

    fn apply_statement(&mut self, bytes: Vec<u8>, chunks: &dyn Chunks) -> Result<What, StateError> {
        let statement = known_statement(&bytes)?;
        let index = self.register_log.tree.size();
        let refused = |error: InvalidStatement| {
            let reason = error.to_string();
            StateError::Register { index, reason }
        };
        let items = registers::held_items(chunks, &statement).map_err(refused)?;
        self.register.take_in(&statement, items.as_ref()).map_err(refused)?;
        self.register_log.append(bytes);
        Ok(What::Statement { index, statement: Box::new(statement), items })
    }

    fn apply_decision(&mut self, bytes: Vec<u8>, chunks: &dyn Chunks) -> Result<What, StateError> {
        let statement = known_statement(&bytes)?;
        let note = cases::note_of(chunks, &statement);
        let index = self.case_log.tree.size();
        self.cases
            .apply(&statement, note.clone())
            .map_err(|error| StateError::Cases { index, reason: error.to_string() })?;
        self.case_log.append(bytes);
        Ok(What::Decision { index, statement: Box::new(statement), note })
    }

    fn apply_published(&mut self, record: PublishedRecord) -> Result<What, StateError> {
        let PublishedRecord { at_s, checkpoint, register_size, case_size } = record;
        self.newest_at_s = self.newest_at_s.max(at_s);
        let head = head_of(&checkpoint).ok_or(StateError::Unreadable { what: "a checkpoint" })?;
        if self.log.tree.root_at(head.size).ok() != Some(head.root) {
            return Err(StateError::Published { size: head.size });
        }
        let id = evidence::chunk::chunk_id(&checkpoint);
        self.log.trim(head.size);
        self.register_log.trim(register_size);
        self.case_log.trim(case_size);
        self.published = Some(Published {
            note: checkpoint,
            size: head.size,
            root: head.root,
            register_size,
            register_head: self.register_head.clone(),
        });
        Ok(What::Published { log_size: head.size, register_size, checkpoint: id })
    }
}

fn known_statement(bytes: &[u8]) -> Result<v1::Statement, StateError> {
    let decoded = decode_signed(bytes)
        .map_err(|source| StateError::Malformed { what: "a statement", source })?;
    match decoded {
        SignedStatement::Known { statement, .. } => Ok(statement),
        SignedStatement::NotUnderstood { .. } => {
            Err(StateError::Unreadable { what: "a statement of a newer format" })
        }
    }
}

/// The text of a note whose signature was checked when it came.
pub fn head_of(note: &[u8]) -> Option<Checkpoint> {
    Checkpoint::parse_text(&Note::parse(note).ok()?.text).ok()
}

pub fn verifier(name: &str, public_key: &[u8]) -> Result<VerifierKey, StateError> {
    let bad = StateError::Unreadable { what: "a public key" };
    let (Ok(name), Ok(key)) = (KeyName::new(name), public_key.try_into()) else { return Err(bad) };
    VerifierKey::new(name, key).map_err(|_| bad)
}
