//! The one task that owns the log: takes commands, commits them in groups, answers once durable.
//!
//! The queue holds [`QUEUE_LENGTH`] commands; when it is full, the gRPC streams wait, and the agents
//! behind them keep their spools.

use std::{
    collections::HashSet,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender},
    time::{Duration, Instant},
};

use evidence::{AgentOrigin, Operator, PersonId, batch};
use prost::Message;
use remit_proto::v1::{self, RefusalCode, leaf::Body, log_entry::Entry};
use tlog::{Hash, note::SigningKey};
use tokio::sync::{oneshot, watch};

use super::{
    chunks::ChunkFiles,
    journal::{BatchRecord, EntryRecord, Journal, JournalError, Record},
    openings::Openings,
    publish,
    receipts::{self, Receipt},
    state::{State, StateError, verifier},
};
use crate::{
    access::RevokedKeys,
    committed::{Committed, What},
    files,
};

/// Commands that may wait.
pub const QUEUE_LENGTH: usize = 256;
/// Commands that one commit takes in at the most, so that the first of them need not wait long.
const GROUP_MAX: usize = 64;
/// Below this the collector takes in nothing more: what is left is for what it must write itself.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// Notes kept as forks per run and origin; more of the same is counted, not kept.
const FORKS_KEPT_MAX: usize = 64;

/// What the gRPC edge asks for. Each is answered once its effect is durable.
#[derive(Debug)]
pub enum Command {
    Hello { origin: AgentOrigin, public_key: [u8; 32], bound_key: [u8; 32], reply: Reply<u64> },
    Batch { origin: AgentOrigin, public_key: [u8; 32], batch: v1::Batch, reply: Reply<u64> },
    Chunk { bytes: Vec<u8>, reply: Reply<Hash> },
    Receipt { origin: AgentOrigin, checkpoint_size: u64, reply: Reply<Option<Receipt>> },
    Statement { bytes: Vec<u8>, caller: PersonId, reply: Reply<u64> },
    NodeFacts { bytes: Vec<u8>, caller: PersonId, reply: Reply<u64> },
    PersonKey { key: v1::PersonKey, reply: Reply<u64> },
    Revoke { subject: Subject, reply: Reply<u64> },
}

pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

#[derive(Debug, Clone)]
pub enum Subject {
    Node(evidence::NodeId),
    Person(PersonId),
}

/// The sender was wrong, or the disk is full; counted, and nothing changed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    pub code: RefusalCode,
    /// UPPER_SNAKE, for `ErrorInfo.reason` where there is no batch to refuse.
    pub reason: &'static str,
    pub size: u64,
    pub detail: String,
}

/// The collector's own state is in doubt: stop. Recovery decides at the next start.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error("cannot write the log; what is on disk is decided at the next start")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the journal and this version disagree")]
    State(#[from] StateError),
    #[error("the log cannot be published: {0}")]
    Publish(String),
    #[error("the task that assesses has ended")]
    AssessEnded,
}

pub struct Writer {
    pub state: State,
    journal: Journal,
    openings: Openings,
    pub(crate) chunks: ChunkFiles,
    pub(crate) log_key: SigningKey,
    register_key: SigningKey,
    dir: std::path::PathBuf,
    clock: fn() -> i64,
    group: Vec<Committed>,
    forks_kept: HashSet<Hash>,
    to_assess: SyncSender<Vec<Committed>>,
    published: watch::Sender<u64>,
}

/// Everything the writer is made of beside its state.
pub struct Parts {
    pub operator: Operator,
    pub log_key: SigningKey,
    pub register_key: SigningKey,
    pub chunks: ChunkFiles,
    pub clock: fn() -> i64,
    pub to_assess: SyncSender<Vec<Committed>>,
    pub published: watch::Sender<u64>,
    pub revoked_keys: RevokedKeys,
}

impl Writer {
    /// Replays the journal, hands everything to assess, and checks that nothing was rolled back.
    pub fn open(dir: &Path, parts: Parts) -> Result<Self, Fatal> {
        let Parts {
            operator,
            log_key,
            register_key,
            chunks,
            clock,
            to_assess,
            published,
            revoked_keys,
        } = parts;
        let mut state = State::new(operator, revoked_keys);
        let mut replay = publish::Replay::new(dir, chunks.clone());
        let journal = Journal::open::<Fatal>(&dir.join("journal"), |position, record| {
            let committed = replay.committed(&mut state, position, record)?;
            to_assess.send(vec![committed]).map_err(|_| Fatal::AssessEnded)
        })?;
        publish::check_not_rolled_back(dir, &state)?;
        let openings = Openings::open(dir.join("openings"))?;
        std::fs::create_dir_all(chunks.dir())?;
        let writer = Self {
            state,
            journal,
            openings,
            chunks,
            log_key,
            register_key,
            dir: dir.to_owned(),
            clock,
            group: Vec::new(),
            forks_kept: HashSet::new(),
            to_assess,
            published,
        };
        // A crash may have come between the commit of a checkpoint and its exposure.
        publish::expose(&writer.dir, &writer.state)?;
        Ok(writer)
    }

    /// Runs until every sender is gone. An error means: stop the process.
    pub fn run(
        mut self,
        commands: &Receiver<Command>,
        publish_interval: Duration,
    ) -> Result<(), Fatal> {
        let mut next_publish = Instant::now() + publish_interval;
        loop {
            let wait = next_publish.saturating_duration_since(Instant::now());
            let first = match commands.recv_timeout(wait) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.publish(),
            };
            if let Some(first) = first {
                self.group(first, commands)?;
            }
            if Instant::now() >= next_publish {
                self.publish()?;
                next_publish = Instant::now() + publish_interval;
            }
        }
    }

    /// One group commit: handle, sync, answer.
    fn group(&mut self, first: Command, commands: &Receiver<Command>) -> Result<(), Fatal> {
        let full = files::free_bytes(&self.dir)? < RESERVE_BYTES;
        let mut answers: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            answers.push(self.handle(command, full)?);
            next = if answers.len() < GROUP_MAX { commands.try_recv().ok() } else { None };
        }
        self.commit()?;
        answers.into_iter().for_each(|answer| answer());
        Ok(())
    }

    /// Openings, then the journal: the commit point. Then assess.
    fn commit(&mut self) -> Result<(), Fatal> {
        self.openings.commit()?;
        self.journal.commit()?;
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return Ok(());
        }
        self.to_assess.send(group).map_err(|_| Fatal::AssessEnded)
    }

    fn publish(&mut self) -> Result<(), Fatal> {
        let now_s = self.now();
        let entries = publish::entries_due(&self.state, &self.register_key)?;
        for entry in entries {
            self.append_entry(now_s, entry)?;
        }
        self.commit()?;
        if let Some(record) = publish::publish(&self.dir, &mut self.state, &self.log_key, now_s)? {
            self.append(Record::Published(record), now_s)?;
            self.commit()?;
            publish::expose(&self.dir, &self.state)?;
            let size = self.state.published.as_ref().map_or(0, |p| p.size);
            self.published.send_replace(size);
        }
        Ok(())
    }

    /// Handles a command in memory; the returned closure answers it after the commit.
    fn handle(&mut self, command: Command, full: bool) -> Result<Box<dyn FnOnce() + Send>, Fatal> {
        fn answer<T: Send + 'static>(
            reply: Reply<T>,
            result: Result<T, Refusal>,
        ) -> Box<dyn FnOnce() + Send> {
            // Nobody waiting any more is no error: the effect stands.
            Box::new(move || drop(reply.send(result)))
        }
        let disk_full = || Refusal {
            code: RefusalCode::StorageFull,
            reason: "STORAGE_FULL",
            size: 0,
            detail: "the collector's disk is full; free space in its dir".to_owned(),
        };
        Ok(match command {
            Command::Hello { origin, public_key, bound_key, reply } => {
                answer(reply, self.hello(&origin, public_key, bound_key))
            }
            Command::Receipt { origin, checkpoint_size, reply } => {
                answer(reply, Ok(receipts::receipt(&self.state, &origin, checkpoint_size)))
            }
            Command::Batch { reply, .. } if full => answer(reply, Err(disk_full())),
            Command::Chunk { reply, .. } if full => answer(reply, Err(disk_full())),
            Command::Statement { reply, .. }
            | Command::NodeFacts { reply, .. }
            | Command::PersonKey { reply, .. }
                if full =>
            {
                answer(reply, Err(disk_full()))
            }
            Command::Batch { origin, public_key, batch, reply } => {
                let result = self.batch(origin, public_key, batch)?;
                answer(reply, result)
            }
            Command::Chunk { bytes, reply } => answer(reply, self.chunk(&bytes)?),
            Command::Statement { bytes, caller, reply } => {
                answer(reply, self.statement(bytes, &caller)?)
            }
            Command::NodeFacts { bytes, caller, reply } => {
                answer(reply, self.node_facts(&bytes, &caller)?)
            }
            Command::PersonKey { key, reply } => {
                let now_s = self.now();
                let index = self.append_entry(now_s, Entry::PersonKey(key))?;
                answer(reply, Ok(index))
            }
            Command::Revoke { subject, reply } => answer(reply, self.revoke(subject)?),
        })
    }

    /// Time never runs backwards in the log, whatever the clock does.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)().max(self.state.newest_at_s)
    }

    /// Applies, then adds to the next commit: what the state refuses is never written.
    pub(crate) fn append(&mut self, record: Record, at_s: i64) -> Result<What, Fatal> {
        let chunks = &self.chunks;
        let what =
            self.state.apply(record.clone(), |statement| publish::items_of(chunks, statement))?;
        let position = self.journal.push(&record);
        self.group.push(Committed { position, at_s, what: what.clone() });
        Ok(what)
    }

    pub(crate) fn append_entry(&mut self, logged_at_s: i64, entry: Entry) -> Result<u64, Fatal> {
        let format = evidence::FORMAT;
        let entry = v1::LogEntry { format, logged_at_s, entry: Some(entry) }.encode_to_vec();
        let index = self.state.log.tree.size();
        self.append(Record::LogEntry(EntryRecord { at_s: logged_at_s, entry }), logged_at_s)?;
        Ok(index)
    }

    fn hello(
        &self,
        origin: &AgentOrigin,
        public_key: [u8; 32],
        bound_key: [u8; 32],
    ) -> Result<u64, Refusal> {
        if origin.operator != self.state.operator {
            return Err(refusal(
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
                    return Err(refusal(
                        RefusalCode::BadSignature,
                        agent.tree.edge.size(),
                        "public_key is not the key that signs this tree; enrol the node again",
                    ));
                }
                Ok(agent.tree.edge.size())
            }
            // A new generation begins under the key that was bound at enrolment.
            None if public_key == bound_key => Ok(0),
            None => Err(refusal(
                RefusalCode::UnknownOrigin,
                0,
                "public_key is not the one that was enrolled for this node; enrol it again",
            )),
        }
    }

    fn active_only(
        &self,
        origin: &AgentOrigin,
        agent: &super::state::Agent,
    ) -> Result<(), Refusal> {
        let size = agent.tree.edge.size();
        if agent.revoked {
            let detail = "the key of this node was revoked; enrol the node again";
            return Err(refusal(RefusalCode::RevokedKey, size, detail));
        }
        if self.state.active.get(&origin.node) != Some(origin) {
            let detail = "a later generation of this node is active";
            return Err(refusal(RefusalCode::SupersededGeneration, size, detail));
        }
        Ok(())
    }

    /// The witness rule: from the size last accepted, with a proof, in one step.
    fn batch(
        &mut self,
        origin: AgentOrigin,
        public_key: [u8; 32],
        mut batch: v1::Batch,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        let new_tree = batch::Tree::new(origin.clone());
        let (tree, key) = match self.state.agents.get(&origin) {
            Some(agent) => {
                if let Err(refused) = self.active_only(&origin, agent) {
                    if refused.code == RefusalCode::SupersededGeneration {
                        let accepted = agent.note.clone();
                        let genuine = batch::open_head(&batch.note, &origin, &agent.key).is_ok();
                        if genuine && accepted != batch.note {
                            let kind = v1::ForkKind::SupersededGeneration;
                            self.keep_fork(kind, accepted, batch.note)?;
                        }
                    }
                    return Ok(Err(refused));
                }
                (&agent.tree, agent.key.clone())
            }
            // Hello has compared this key with the one bound at enrolment.
            None => (&new_tree, verifier(&origin.to_string(), &public_key)?),
        };
        let size = tree.edge.size();
        let checked = match batch::check(&batch, tree, &key) {
            Ok(checked) => checked,
            Err(error) => {
                let fork = match &error {
                    batch::BatchError::Fork => true,
                    batch::BatchError::WrongSize { .. } => {
                        self.contradicts(&origin, &key, &batch.note)?
                    }
                    _ => false,
                };
                if fork {
                    let accepted = self.state.agents.get(&origin).map(|a| a.note.clone());
                    if let Some(accepted) = accepted {
                        let kind = v1::ForkKind::ConflictingHead;
                        self.keep_fork(kind, accepted, batch.note)?;
                    }
                }
                return Ok(Err(receipts::batch_refusal(&error, fork, size)));
            }
        };
        if let Some(missing) = self.missing_chunk(&checked.leaves) {
            return Ok(Err(refusal(RefusalCode::MissingChunk, size, missing)));
        }
        let received_at_s = self.now();
        if !self.state.agents.contains_key(&origin) {
            let key = v1::NodeKey {
                origin: origin.to_string(),
                public_key: public_key.to_vec(),
                revoked: false,
                revoked_from_size: 0,
                approver: None,
            };
            self.append_entry(received_at_s, Entry::NodeKey(key))?;
        }
        let openings = std::mem::take(&mut batch.openings);
        let record =
            BatchRecord { origin: origin.to_string(), received_at_s, batch: Some(batch.clone()) };
        let position = self.journal.push(&Record::Batch(record));
        self.openings.push(&origin, openings.clone(), received_at_s);
        batch.openings = openings;
        let new_size = checked.head.size;
        let what = self.state.apply_batch(batch, checked, received_at_s)?;
        self.group.push(Committed { position, at_s: received_at_s, what });
        metrics::counter!("remit_batches_accepted_total").increment(1);
        Ok(Ok(new_size))
    }

    /// Whether a genuine head of a size that was accepted before names another root than it had.
    fn contradicts(
        &mut self,
        origin: &AgentOrigin,
        key: &tlog::note::VerifierKey,
        note: &[u8],
    ) -> Result<bool, Fatal> {
        let Ok(head) = batch::open_head(note, origin, key) else { return Ok(false) };
        let Some(agent) = self.state.agents.get(origin) else { return Ok(false) };
        if head.size > agent.tree.edge.size() {
            return Ok(false);
        }
        // What this group has pushed must be readable first.
        self.commit()?;
        let ours = publish::agent_root_at(&self.dir, origin, head.size)?;
        Ok(ours != Some(head.root))
    }

    fn keep_fork(
        &mut self,
        kind: v1::ForkKind,
        accepted_note: Vec<u8>,
        conflicting_note: Vec<u8>,
    ) -> Result<(), Fatal> {
        metrics::counter!("remit_forks_total").increment(1);
        let id = evidence::chunk::chunk_id(&conflicting_note);
        if self.forks_kept.len() >= FORKS_KEPT_MAX || !self.forks_kept.insert(id) {
            return Ok(());
        }
        tracing::error!("a node signed two histories; both heads are kept as evidence");
        let now_s = self.now();
        let fork = v1::Fork { kind: kind.into(), accepted_note, conflicting_note };
        self.append_entry(now_s, Entry::Fork(fork)).map(drop)
    }

    fn missing_chunk(&self, leaves: &[evidence::Leaf]) -> Option<String> {
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

    fn chunk(&mut self, bytes: &[u8]) -> Result<Result<Hash, Refusal>, Fatal> {
        match self.chunks.put(bytes) {
            Ok(id) => Ok(Ok(id)),
            Err(super::chunks::PutError::Malformed(error)) => {
                Ok(Err(refusal(RefusalCode::MalformedChunk, 0, error.to_string())))
            }
            Err(super::chunks::PutError::Io(error)) => Err(Fatal::Io(error)),
        }
    }

    fn revoke(&mut self, subject: Subject) -> Result<Result<u64, Refusal>, Fatal> {
        let now_s = self.now();
        let entry = match subject {
            Subject::Node(node) => {
                let agent = self.state.active.get(&node).and_then(|o| self.state.agents.get(o));
                agent.map(|agent| {
                    Entry::NodeKey(v1::NodeKey {
                        origin: agent.tree.origin.to_string(),
                        public_key: agent.key.public_bytes().to_vec(),
                        revoked: true,
                        revoked_from_size: agent.tree.edge.size(),
                        approver: None,
                    })
                })
            }
            Subject::Person(id) => self.state.persons.get(&id).map(|person| {
                Entry::PersonKey(v1::PersonKey {
                    person: Some(v1::PersonRef {
                        person: id.to_string(),
                        role: person.role.into(),
                    }),
                    public_key: person.key.public_bytes().to_vec(),
                    revoked: true,
                    approver: None,
                })
            }),
        };
        match entry {
            Some(entry) => self.append_entry(now_s, entry).map(Ok),
            None => Ok(Err(bad("UNKNOWN_SUBJECT", "no such node or person is known"))),
        }
    }
}

fn refusal(code: RefusalCode, size: u64, detail: impl Into<String>) -> Refusal {
    Refusal { code, reason: code.as_str_name(), size, detail: detail.into() }
}

pub(crate) fn bad(reason: &'static str, detail: impl Into<String>) -> Refusal {
    Refusal { code: RefusalCode::Unspecified, reason, size: 0, detail: detail.into() }
}
