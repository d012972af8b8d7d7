//! The dishonest operator: somebody who holds every key writes another history and signs it anew.
//!
//! He back-dates a request (its statement moves to the front of the register, with an earlier time)
//! and drops one leaf from a node's tree, then makes everything fit again: later leaf indexes, seals
//! with their counts and the checkpoints they name, every head of every tree, the log without what it
//! says of verdicts that changed with the late request, its checkpoints. What comes out is a directory on which the real collector runs without complaint.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use evidence::{
    AgentOrigin, Leaf, Operator, batch,
    chunk::chunk_id,
    statement::{SignedStatement, decode_signed, signed_text},
};
use prost::Message;
use remit_collector::{
    access::RevokedKeys,
    keys::Keys,
    log::{
        chunks::ChunkFiles,
        journal::{self, BatchRecord, EntryRecord, Journal, JournalError, PublishedRecord, Record},
        openings::{self, Openings},
        state::{State, head_of},
    },
    registers::items_of,
};
use remit_proto::v1::{self, leaf::Body, log_entry::Entry};
use tlog::{
    Edge, MemoryTree,
    checkpoint::Checkpoint,
    leaf_hash,
    note::{KeyName, SigningKey},
};

/// Every key there is.
pub struct AllKeys {
    /// Directories of the nodes' state, by node id.
    pub nodes: HashMap<String, PathBuf>,
    /// Directories of the persons, by person id.
    pub persons: HashMap<String, PathBuf>,
}

/// What is to be lied about.
pub struct Lies<'a> {
    /// This request was entered late; make it look as if it had been entered first.
    pub back_date: &'a str,
    /// Drop the first activity of this node whose claim names this request (empty: any).
    pub drop_from: &'a str,
    pub drop_claiming: &'a str,
}

/// What was done.
#[derive(Debug)]
pub struct Forged {
    pub dropped: String,
    pub recorded_at_was_s: i64,
    pub recorded_at_is_s: i64,
    /// Log size below which the forged history differs from the honest one.
    pub differs_below: u64,
}

struct Forger<'a> {
    keys: &'a AllKeys,
    operator: Operator,
    own: Keys,
    state: State,
    chunks: ChunkFiles,
    journal: Journal,
    honest_openings: openings::Reader,
    openings: Openings,
    trees: HashMap<AgentOrigin, ForgedTree>,
    log: MemoryTree,
    honest_log: MemoryTree,
    differs_at: Option<u64>,
    register: MemoryTree,
    /// Honest checkpoint → forged one, as seals name them.
    checkpoints: HashMap<Vec<u8>, Vec<u8>>,
}

#[derive(Default)]
struct ForgedTree {
    edge: Edge,
    notes: HashMap<u64, Vec<u8>>,
    dropped: Option<(u64, v1::Activity)>,
}

/// Writes the forged history of `honest` into the new directory `forged`.
pub fn forge(honest: &Path, forged: &Path, keys: &AllKeys, lies: &Lies<'_>) -> Result<Forged> {
    copy_tree(&honest.join("keys"), &forged.join("keys"))?;
    copy_tree(&honest.join("chunks"), &forged.join("chunks"))?;
    for folder in ["openings", "tokens", "revocations", "public"] {
        fs::create_dir_all(forged.join(folder))?;
    }
    let operator: Operator = crate::collector::OPERATOR.parse()?;
    let mut records = Vec::new();
    journal::read::<JournalError>(&honest.join("journal"), |_, record| {
        records.push(record);
        Ok(())
    })?;
    let mut forger = Forger {
        keys,
        own: Keys::load(honest, &operator)?,
        state: State::new(operator.clone(), RevokedKeys::default()),
        operator,
        chunks: ChunkFiles::new(forged.join("chunks")),
        journal: Journal::replay::<JournalError>(&forged.join("journal"), |_, _| Ok(()))?.open()?,
        honest_openings: openings::Reader::new(honest.join("openings")),
        openings: Openings::open(forged.join("openings"))?,
        trees: HashMap::new(),
        log: MemoryTree::new(),
        honest_log: MemoryTree::new(),
        differs_at: None,
        register: MemoryTree::new(),
        checkpoints: HashMap::new(),
    };
    let (recorded_at_was_s, recorded_at_is_s) = forger.back_date(&mut records, lies.back_date)?;
    for record in records {
        forger.take(record, lies)?;
    }
    forger.journal.commit()?;
    let dropped = forger
        .trees
        .iter()
        .find_map(|(origin, tree)| {
            tree.dropped.as_ref().map(|(at, _)| format!("{origin} leaf {at}"))
        })
        .context("no leaf fits what was to be dropped")?;
    let differs_below = forger.differs_at.context("the forged log is the honest one")? + 1;
    Ok(Forged { dropped, recorded_at_was_s, recorded_at_is_s, differs_below })
}

impl Forger<'_> {
    /// Moves the statement that enters a request behind the first one, with that one's times.
    fn back_date(&self, records: &mut Vec<Record>, request: &str) -> Result<(i64, i64)> {
        let is_statement = |record: &Record| matches!(record, Record::Statement(_));
        let first = records.iter().position(is_statement).context("the register is empty")?;
        let late = records
            .iter()
            .position(|record| match record {
                Record::Statement(entry) => self.enters(&entry.entry, request),
                _ => false,
            })
            .with_context(|| format!("no statement enters {request}"))?;
        ensure!(late > first, "{request} was entered first already");
        let Record::Statement(first_entry) = records[first].clone() else { bail!("a statement") };
        let Record::Statement(late_entry) = records.remove(late) else { bail!("a statement") };
        let early = known(&first_entry.entry)?;
        let mut lie = known(&late_entry.entry)?;
        let was_s = lie.recorded_at_s;
        lie.recorded_at_s = early.recorded_at_s;
        lie.effective_at_s = early.effective_at_s;
        let entry = self.sign_statement(&lie)?;
        let record = Record::Statement(EntryRecord { at_s: first_entry.at_s, entry });
        records.insert(first + 1, record);
        Ok((was_s, early.recorded_at_s))
    }

    fn enters(&self, bytes: &[u8], request: &str) -> bool {
        let Ok(statement) = known(bytes) else { return false };
        let items = items_of(&self.chunks, &statement).unwrap_or_default();
        items.requests().any(|entered| entered.id.as_str() == request)
    }

    fn sign_statement(&self, statement: &v1::Statement) -> Result<Vec<u8>> {
        let person = statement.author.clone().context("a statement has an author")?;
        let dir = self.keys.persons.get(&person.person).context("no key of the author")?;
        let key = SigningKey::new(
            KeyName::new(person.person.clone())?,
            base64_secret(&fs::read(dir.join("statement.key"))?)?,
        );
        let bytes = statement.encode_to_vec();
        let text = signed_text(&self.operator.register_origin(), &bytes);
        let signature = key.sign_raw(text.as_bytes()).to_vec();
        let signatures = vec![v1::PersonSignature { person: Some(person), signature }];
        Ok(v1::SignedStatement { statement: bytes, signatures, attestation: Vec::new() }
            .encode_to_vec())
    }

    fn take(&mut self, record: Record, lies: &Lies<'_>) -> Result<()> {
        let forged = match record {
            Record::Batch(record) => self.batch(record, lies)?,
            Record::LogEntry(record) => match self.entry(record)? {
                Some(forged) => forged,
                None => return Ok(()),
            },
            Record::Statement(record) => {
                self.register.append(leaf_hash(&record.entry));
                Record::Statement(record)
            }
            // No finding of the history that is forged was decided on.
            Record::Decision(record) => Record::Decision(record),
            Record::Published(record) => self.published(&record)?,
        };
        // The collector's own state machine is the first to be deceived.
        let chunks = self.chunks.clone();
        self.state.apply(forged.clone(), &chunks)?;
        self.journal.push(&forged);
        Ok(())
    }

    fn batch(&mut self, record: BatchRecord, lies: &Lies<'_>) -> Result<Record> {
        let BatchRecord { origin, received_at_s, batch } = record;
        let batch = v1::Batch::decode(batch.as_slice())?;
        let parsed: AgentOrigin = origin.parse()?;
        let held = self.honest_openings.of(
            &origin,
            batch.old_size,
            batch.leaves.len() as u64,
            received_at_s,
        )?;
        let tree = self.trees.entry(parsed.clone()).or_default();
        let mut leaves = Vec::new();
        for (index, bytes) in (batch.old_size..).zip(&batch.leaves) {
            let Leaf::Known(body) = Leaf::decode(bytes)? else { bail!("a leaf of a newer format") };
            let unwanted = |activity: &v1::Activity| {
                parsed.node.as_str() == lies.drop_from
                    && activity.rule.iter().flat_map(|rule| &rule.claims).any(|claim| {
                        matches!(&claim.claim,
                            Some(v1::claim::Claim::RequestId(id)) if id == lies.drop_claiming)
                    })
            };
            match body {
                Body::Activity(activity) if tree.dropped.is_none() && unwanted(&activity) => {
                    tree.dropped = Some((index, activity));
                }
                Body::Seal(seal) => {
                    let seal = forge_seal(seal, &self.checkpoints, tree.dropped.as_ref());
                    leaves.push(evidence::leaf::encode(Body::Seal(seal)));
                }
                _ => leaves.push(bytes.clone()),
            }
        }
        let dropped = tree.dropped.as_ref().map(|(index, _)| *index);
        let openings: Vec<_> = held
            .into_iter()
            .filter(|opening| Some(opening.index) != dropped)
            .map(|mut opening| {
                opening.index -= u64::from(dropped.is_some_and(|at| opening.index > at));
                opening
            })
            .collect();
        let dir = self.keys.nodes.get(parsed.node.as_str()).context("no key of the node")?;
        let secret = hex_secret(&fs::read_to_string(dir.join("node.key"))?)?;
        let key = SigningKey::new(KeyName::new(origin.clone())?, secret);
        let old_size = batch.old_size + batch.leaves.len() as u64;
        let closed = batch::close(&mut tree.edge, &key, &parsed, leaves, Vec::new())?;
        tree.notes.insert(old_size, closed.note.clone());
        let openings = v1::Batch { openings, ..v1::Batch::default() }.encode_to_vec();
        self.openings.push(&origin, &openings, received_at_s);
        self.openings.commit()?;
        let batch = closed.encode_to_vec();
        Ok(Record::Batch(BatchRecord { origin, received_at_s, batch }))
    }

    /// `None`: in this history there is no such entry.
    fn entry(&mut self, record: EntryRecord) -> Result<Option<Record>> {
        let EntryRecord { at_s, entry } = record;
        self.honest_log.append(leaf_hash(&entry));
        let mut wire = v1::LogEntry::decode(entry.as_slice())?;
        match &mut wire.entry {
            Some(Entry::AgentHead(head)) => {
                let honest = head_of(&head.note).context("an agent head")?;
                let tree = self.trees.get(&honest.origin.parse()?).context("a known tree")?;
                head.note = tree.notes.get(&honest.size).context("a known head")?.clone();
            }
            Some(Entry::RegisterHead(head)) => {
                let origin = self.operator.register_origin();
                let tree = &self.register;
                let checkpoint = Checkpoint::new(origin, tree.size(), tree.root());
                head.note = checkpoint.sign(&self.own.register)?.encode();
            }
            // It tells of verdicts that changed when the late request came. Here it never was late.
            Some(Entry::Reassessment(_)) => {
                self.differs_at.get_or_insert(self.log.size());
                return Ok(None);
            }
            _ => {}
        }
        let forged = wire.encode_to_vec();
        self.log.append(leaf_hash(&forged));
        if forged != entry && self.differs_at.is_none() {
            self.differs_at = Some(self.log.size() - 1);
        }
        Ok(Some(Record::LogEntry(EntryRecord { at_s, entry: forged })))
    }

    fn published(&mut self, record: &PublishedRecord) -> Result<Record> {
        let honest = head_of(&record.checkpoint).context("a checkpoint")?;
        ensure!(honest.size == self.honest_log.size(), "a checkpoint covers what was committed");
        let origin = self.own.log.name().as_str();
        let checkpoint =
            Checkpoint::new(origin, self.log.size(), self.log.root()).sign(&self.own.log)?.encode();
        let name = |note: &[u8]| chunk_id(note).0.to_vec();
        self.checkpoints.insert(name(&record.checkpoint), name(&checkpoint));
        let register_size = self.register.size().min(record.register_size.max(1));
        let register_size = self.state.register_logged.max(register_size);
        let PublishedRecord { at_s, checkpoint: _, register_size: _, case_size } = *record;
        Ok(Record::Published(PublishedRecord { at_s, checkpoint, register_size, case_size }))
    }
}

/// A seal names the checkpoint that its agent has seen, and counts what was recorded.
fn forge_seal(
    mut seal: v1::Seal,
    checkpoints: &HashMap<Vec<u8>, Vec<u8>>,
    dropped: Option<&(u64, v1::Activity)>,
) -> v1::Seal {
    if let Some(forged) = checkpoints.get(&seal.collector_checkpoint) {
        seal.collector_checkpoint.clone_from(forged);
    }
    if let Some((_, activity)) = dropped {
        let source = activity.rule.as_ref().map_or(0, |rule| rule.source);
        for account in seal.sources.iter_mut().filter(|account| account.source == source) {
            account.recorded = account.recorded.saturating_sub(activity.hits);
            if account.offered_known {
                account.offered = account.offered.saturating_sub(activity.hits);
            }
        }
    }
    seal
}

fn known(bytes: &[u8]) -> Result<v1::Statement> {
    match decode_signed(bytes)? {
        SignedStatement::Known { statement, .. } => Ok(statement),
        SignedStatement::NotUnderstood { format } => bail!("a statement of format {format}"),
    }
}

fn hex_secret(text: &str) -> Result<[u8; 32]> {
    let hex = text.split_whitespace().last().context("a key file is not empty")?;
    let mut secret = [0; 32];
    for (byte, at) in secret.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2).context("64 hex digits")?, 16)?;
    }
    Ok(secret)
}

fn base64_secret(bytes: &[u8]) -> Result<[u8; 32]> {
    let text = std::str::from_utf8(bytes)?.trim();
    // tlog's hash is 32 bytes in the same base64.
    Ok(tlog::Hash::from_base64(text).context("32 bytes in base64")?.0)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
