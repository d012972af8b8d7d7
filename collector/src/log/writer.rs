//! The one task that owns the log: takes commands, commits them in groups, answers once durable.
//!
//! The queue holds [`QUEUE_LENGTH`] commands; when it is full, the gRPC streams wait, and the agents
//! behind them keep their spools.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender},
    time::{Duration, Instant},
};

use evidence::{NodeId, Operator};
use prost::Message;
use remit_proto::v1::{self, log_entry::Entry};
use tlog::{Hash, note::SigningKey};
use tokio::sync::watch;

use super::{
    budget::Budgets,
    chunks::ChunkFiles,
    command::{Command, Refusal, Reply},
    journal::{EntryRecord, Journal, JournalError, Record},
    openings::Openings,
    publish::{self, Exposed},
    receipts,
    state::{State, StateError},
};
use crate::{
    access::RevokedKeys,
    committed::{Committed, What},
    config::NodeLimits,
    files,
    registers::SecondPersonFor,
};

/// Commands that may wait.
pub const QUEUE_LENGTH: usize = 256;
/// Commands that one commit takes in at the most, so that the first of them need not wait long.
const GROUP_MAX: usize = 64;
/// Bytes after which a commit takes in nothing more: groups wait in memory for the index.
const GROUP_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Leaves after which heads go into the log before the next publish: until its head is there a leaf is
/// held in memory, and all below a head are judged at once.
const UNLOGGED_LEAVES_MAX: u64 = 32 * 1024;
/// Below this the collector takes in nothing more: what is left is for what it must write itself,
/// such as checkpoints, revocations, and the index of what was accepted last.
pub const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

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
    pub(super) journal: Journal,
    pub(super) openings: Openings,
    pub(crate) chunks: ChunkFiles,
    pub(crate) log_key: SigningKey,
    pub(crate) register_key: SigningKey,
    pub(super) case_key: SigningKey,
    pub(super) dir: std::path::PathBuf,
    pub(crate) clock: fn() -> i64,
    pub(super) group: Vec<Committed>,
    pub(super) forks_kept: HashMap<NodeId, HashSet<Hash>>,
    /// When an old head of a node was last compared with the journal.
    pub(super) looked_into: HashMap<NodeId, Instant>,
    pub(super) budgets: Budgets,
    /// Requests of these instruments need a second person's approval.
    pub(crate) second_person_for: SecondPersonFor,
    /// Leaves that came since heads were last logged.
    pub(super) unlogged_leaves: u64,
    to_assess: SyncSender<Vec<Committed>>,
    published: watch::Sender<Exposed>,
}

/// Everything the writer is made of beside its state.
pub struct Parts {
    pub operator: Operator,
    pub log_key: SigningKey,
    pub register_key: SigningKey,
    pub case_key: SigningKey,
    pub chunks: ChunkFiles,
    pub clock: fn() -> i64,
    pub to_assess: SyncSender<Vec<Committed>>,
    pub published: watch::Sender<Exposed>,
    pub revoked_keys: RevokedKeys,
    pub node_limits: NodeLimits,
    pub second_person_for: SecondPersonFor,
}

impl Writer {
    /// Replays the journal, hands everything to assess, and checks that nothing was rolled back.
    pub fn open(dir: &Path, parts: Parts) -> Result<Self, Fatal> {
        let Parts {
            operator,
            log_key,
            register_key,
            case_key,
            chunks,
            clock,
            to_assess,
            published,
            revoked_keys,
            node_limits,
            second_person_for,
        } = parts;
        let mut state = State::new(operator, revoked_keys);
        let mut replay = publish::Replay::new(dir, chunks.clone());
        let replayed = Journal::replay::<Fatal>(&dir.join("journal"), |position, record| {
            let committed = replay.committed(&mut state, position, record)?;
            to_assess.send(vec![committed]).map_err(|_| Fatal::AssessEnded)
        })?;
        // Before a torn tail is cut off: it may be all there is of a journal of another format.
        publish::check_not_rolled_back(dir, &state, &log_key.verifier())?;
        let journal = replayed.open()?;
        let openings = Openings::open(dir.join("openings"))?;
        std::fs::create_dir_all(chunks.dir())?;
        let writer = Self {
            state,
            journal,
            openings,
            chunks,
            log_key,
            register_key,
            case_key,
            dir: dir.to_owned(),
            clock,
            group: Vec::new(),
            forks_kept: HashMap::new(),
            looked_into: HashMap::new(),
            budgets: Budgets::new(node_limits),
            second_person_for,
            unlogged_leaves: 0,
            to_assess,
            published,
        };
        // A crash may have come between the entry that says what is erased and its removal.
        for id in writer.state.register.erased().filter_map(Hash::from_slice) {
            writer.chunks.remove(&id)?;
        }
        // A crash may have come between the commit of a checkpoint and its exposure.
        publish::expose(&writer.dir, &writer.state)?;
        writer.published.send_replace(Exposed::of(&writer.state));
        Ok(writer)
    }

    /// Runs until it is told to stop, or every sender is gone. An error means: stop the process.
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
            if let Some(first) = first
                && self.group(first, commands)?.is_break()
            {
                return self.publish();
            }
            if self.unlogged_leaves >= UNLOGGED_LEAVES_MAX {
                self.log_heads()?;
            }
            if Instant::now() >= next_publish {
                self.publish()?;
                next_publish = Instant::now() + publish_interval;
            }
        }
    }

    /// One group commit: handle, sync, answer.
    fn group(
        &mut self,
        first: Command,
        commands: &Receiver<Command>,
    ) -> Result<ControlFlow<()>, Fatal> {
        let mut room = files::free_bytes(&self.dir)?.saturating_sub(RESERVE_BYTES);
        let mut taken = 0;
        let mut answers: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        let mut next = Some(first);
        let mut flow = ControlFlow::Continue(());
        while let Some(command) = next {
            if matches!(command, Command::Stop) {
                flow = ControlFlow::Break(());
                break;
            }
            let size = command.size();
            // Twice: what is accepted is written once more, to the index.
            let full = size > 0 && size * 2 > room;
            if !full {
                room = room.saturating_sub(size * 2);
                taken += size;
            }
            answers.push(self.handle(command, full)?);
            let more = answers.len() < GROUP_MAX && taken < GROUP_BYTES_MAX;
            next = if more { commands.try_recv().ok() } else { None };
        }
        self.commit()?;
        answers.into_iter().for_each(|answer| answer());
        Ok(flow)
    }

    /// Openings, then the journal: the commit point. Then assess.
    pub(crate) fn commit(&mut self) -> Result<(), Fatal> {
        self.openings.commit()?;
        self.journal.commit()?;
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return Ok(());
        }
        self.to_assess.send(group).map_err(|_| Fatal::AssessEnded)
    }

    /// The newest head of everything that has grown, into the log.
    fn log_heads(&mut self) -> Result<(), Fatal> {
        self.unlogged_leaves = 0;
        let now_s = self.now();
        for entry in publish::entries_due(&self.state, &self.register_key, &self.case_key)? {
            self.append_entry(now_s, entry)?;
        }
        self.commit()
    }

    fn publish(&mut self) -> Result<(), Fatal> {
        self.log_heads()?;
        let now_s = self.now();
        if let Some(record) = publish::publish(&self.dir, &mut self.state, &self.log_key, now_s)? {
            self.append(Record::Published(record), now_s)?;
            self.commit()?;
            publish::expose(&self.dir, &self.state)?;
            self.published.send_replace(Exposed::of(&self.state));
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
        Ok(match command {
            Command::Hello { origin, public_key, bound_key, reply } => {
                answer(reply, self.hello(&origin, public_key, bound_key))
            }
            Command::Receipt { origin, checkpoint_size, reply } => {
                answer(reply, Ok(receipts::receipt(&self.state, &origin, checkpoint_size)))
            }
            Command::Batch { origin, reply, .. } if full => {
                let size = self.state.agents.get(&origin).map_or(0, |a| a.tree.edge.size());
                answer(reply, Err(Refusal::disk_full(size)))
            }
            Command::Chunk { reply, .. } if full => answer(reply, Err(Refusal::disk_full(0))),
            Command::Statement { reply, .. }
            | Command::Decision { reply, .. }
            | Command::Approve { reply, .. }
            | Command::NodeFacts { reply, .. }
            | Command::PersonKey { reply, .. }
                if full =>
            {
                answer(reply, Err(Refusal::disk_full(0)))
            }
            Command::Batch { origin, public_key, batch, reply, turn } => {
                let result = self.batch(origin, public_key, &batch)?;
                Box::new(move || {
                    drop(reply.send(result));
                    drop(turn);
                })
            }
            Command::Chunk { node, bytes, reply } => {
                answer(reply, self.chunk(node.as_ref(), &bytes)?)
            }
            Command::Statement { bytes, caller, reply } => {
                answer(reply, self.statement(bytes, &caller)?)
            }
            Command::Decision { bytes, note_chunk, caller, reply } => {
                answer(reply, self.decision(bytes, &note_chunk, &caller)?)
            }
            Command::Approve { statement, digest, caller, reply } => {
                answer(reply, self.attest(statement, digest, &caller)?)
            }
            Command::Erase { request_id, parts, caller, reply } => {
                answer(reply, self.erase(&request_id, &parts, &caller)?)
            }
            Command::NodeFacts { bytes, caller, reply } => {
                answer(reply, self.node_facts(&bytes, &caller)?)
            }
            Command::PersonKey { key, reply } if self.is_revoked(&key.public_key) => {
                let detail = "the key was revoked while it was enrolled; enrol with another one";
                answer(reply, Err(Refusal::because("REVOKED", detail)))
            }
            Command::PersonKey { key, reply } => {
                let now_s = self.now();
                let index = self.append_entry(now_s, Entry::PersonKey(key))?;
                answer(reply, Ok(index))
            }
            Command::Export { manifest, by, reply } => {
                let export = v1::Export { manifest: manifest.0.to_vec(), by: Some(by) };
                let now_s = self.now();
                answer(reply, Ok(self.append_entry(now_s, Entry::Export(export))?))
            }
            Command::Revoke { subject, keep, reply } => {
                answer(reply, self.revoke(&subject, keep.as_ref())?)
            }
            Command::Reassessed(reassessment) => {
                // Whoever judged was stopped before it saw its entry, and tells it again.
                if !self.state.reassessed.contains(&reassessment.log_size) {
                    let now_s = self.now();
                    self.append_entry(now_s, Entry::Reassessment(reassessment))?;
                }
                Box::new(|| {})
            }
            Command::Archived(archive) => {
                if !self.state.archived.contains(&archive.manifest) {
                    let now_s = self.now();
                    self.append_entry(now_s, Entry::Archive(archive))?;
                }
                Box::new(|| {})
            }
            Command::Stop => Box::new(|| {}),
        })
    }

    /// Time never runs backwards in the log, whatever the clock does.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)().max(self.state.newest_at_s)
    }

    /// Applies, then adds to the next commit: what the state refuses is never written.
    pub(crate) fn append(&mut self, record: Record, at_s: i64) -> Result<What, Fatal> {
        let chunks = &self.chunks;
        let what = self.state.apply(record.clone(), chunks)?;
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
}
