//! Publishing: new heads into the log, tiles to disk, read back, sign, expose.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use evidence::{AgentOrigin, batch::Received, canonical};
use prost::Message;
use remit_proto::v1::{self, log_entry::Entry};
use tlog::{
    Edge, Hash, MemoryTree,
    checkpoint::Checkpoint,
    leaf_hash,
    note::{SigningKey, VerifierKey},
    tile::{self, TileKind, TilePath},
};

use super::{
    chunks::ChunkFiles,
    journal::{self, BatchRecord, JournalError, PublishedRecord, Record},
    openings,
    state::{OwnLog, State},
    writer::Fatal,
};
use crate::{
    committed::{Committed, What},
    files,
};

/// The items of a statement's set; `None` if a chunk is not held or not what it should be. A
/// statement without a set has no items.
pub fn items_of(chunks: &ChunkFiles, statement: &v1::Statement) -> Option<Vec<v1::RegisterItem>> {
    match evidence::statement::item_set(statement.body.as_ref()) {
        Some(set) => {
            let held = chunks.all_of(&set.chunks).ok()?;
            let items = evidence::chunk::open_set(set, &held).ok()?;
            items
                .iter()
                .map(|item| canonical::decode(item, evidence::CHUNK_SIZE_MAX).ok())
                .collect()
        }
        None => Some(Vec::new()),
    }
}

/// Turns journal records back into what was committed: on recovery, and for a rebuild.
pub struct Replay {
    openings: openings::Reader,
    chunks: ChunkFiles,
}

impl Replay {
    pub fn new(dir: &Path, chunks: ChunkFiles) -> Self {
        Self { openings: openings::Reader::new(dir.join("openings")), chunks }
    }

    pub fn committed(
        &mut self,
        state: &mut State,
        position: u64,
        record: Record,
    ) -> Result<Committed, Fatal> {
        let (at_s, held) = match &record {
            Record::Batch(BatchRecord { origin, received_at_s, batch }) => {
                // One that cannot be read is refused below.
                let (from, count) = Received::read(batch)
                    .map_or((0, 0), |batch| (batch.old_size, batch.leaves.len() as u64));
                (*received_at_s, self.openings.of(origin, from, count, *received_at_s)?)
            }
            Record::LogEntry(entry) | Record::Statement(entry) => (entry.at_s, Vec::new()),
            Record::Published(published) => (published.at_s, Vec::new()),
        };
        let mut what = state.apply(record, |statement| items_of(&self.chunks, statement))?;
        if let What::Batch { openings, .. } = &mut what {
            let held = v1::Batch { openings: held, ..v1::Batch::default() };
            *openings = held.encode_to_vec().into();
        }
        Ok(Committed { position, at_s, what })
    }
}

/// The guard against a journal that was restored from an old copy.
pub fn check_not_rolled_back(
    dir: &Path,
    state: &State,
    log_key: &VerifierKey,
) -> Result<(), Fatal> {
    let path = dir.join("signed");
    let signed = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // Under another key or another operator's name the same tree would get a second history.
    let head = Checkpoint::open(&signed, log_key).map_err(|error| {
        Fatal::Publish(format!(
            "{} is not a checkpoint of {} by the key in keys/log ({error}); restore that key, and \
             the operator in the configuration",
            path.display(),
            log_key.name().as_str()
        ))
    })?;
    if state.log.tree.root_at(head.size).ok() != Some(head.root) {
        return Err(Fatal::Publish(format!(
            "a checkpoint of size {} was signed here, and the journal does not hold that history \
             (it was rolled back or damaged); restore the newest journal, or begin a new shard",
            head.size
        )));
    }
    Ok(())
}

/// Entries that the next checkpoint must cover: the newest head of each agent, and the register's.
pub fn entries_due(state: &State, register_key: &SigningKey) -> Result<Vec<Entry>, Fatal> {
    let mut due: Vec<_> = state
        .agents
        .values()
        .filter(|agent| {
            agent.tree.edge.size() > agent.logged.as_ref().map_or(0, |logged| logged.size)
        })
        .map(|agent| (agent.tree.origin.clone(), agent.note.clone()))
        .collect();
    due.sort();
    let mut entries = Vec::new();
    // The register's head first: what an agent did is judged by the register as it was logged
    // before the agent's head.
    let tree = &state.register_log.tree;
    if tree.size() > state.register_logged {
        let origin = state.operator.register_origin();
        let note = sign(register_key, origin, tree)?;
        entries.push(Entry::RegisterHead(v1::StatementHead { note }));
    }
    entries.extend(due.into_iter().map(|(_, note)| Entry::AgentHead(v1::AgentHead { note })));
    Ok(entries)
}

fn sign(key: &SigningKey, origin: String, tree: &MemoryTree) -> Result<Vec<u8>, Fatal> {
    Checkpoint::new(origin, tree.size(), tree.root())
        .sign(key)
        .map(|note| note.encode())
        .map_err(|error| Fatal::Publish(error.to_string()))
}

/// Writes tiles, reads them back, signs. Returns what the journal must hold before anybody sees it;
/// `None` if there is nothing new.
pub fn publish(
    dir: &Path,
    state: &mut State,
    key: &SigningKey,
    at_s: i64,
) -> Result<Option<PublishedRecord>, Fatal> {
    let old_size = state.published.as_ref().map_or(0, |p| p.size);
    if state.log.tree.size() == old_size {
        return Ok(None);
    }
    let public = dir.join("public");
    write_tiles(&public, &state.log, old_size)?;
    let checkpoint = sign(key, key.name().as_str().to_owned(), &state.log.tree)?;
    // From here on this size counts as signed, whatever happens next.
    files::replace(&dir.join("signed"), &checkpoint)?;
    Ok(Some(PublishedRecord { at_s, checkpoint, register_size: state.register_logged }))
}

/// What readers are shown of the two logs: a register head stands below its checkpoint.
#[derive(Debug, Clone, Default)]
pub struct Exposed {
    /// Empty until the first publish.
    pub log_checkpoint: Vec<u8>,
    /// Empty while the register is empty.
    pub register_head: Vec<u8>,
}

impl Exposed {
    pub fn of(state: &State) -> Self {
        let Some(published) = &state.published else { return Self::default() };
        Self {
            log_checkpoint: published.note.clone(),
            register_head: published.register_head.clone(),
        }
    }
}

/// Puts the newest published checkpoint where readers look.
pub fn expose(dir: &Path, state: &State) -> Result<(), Fatal> {
    if let Some(published) = &state.published {
        files::replace(&dir.join("public").join("checkpoint"), &published.note)?;
    }
    Ok(())
}

/// Tiles that are new since `old_size`; synced, read back, and compared with what will be signed.
fn write_tiles(public: &Path, log: &OwnLog, old_size: u64) -> Result<(), Fatal> {
    let tiles: Vec<(TilePath, Vec<u8>)> = tile::new_tiles(old_size, log.tree.size())
        .map(|path| Ok((path, tile_bytes(log, &path)?)))
        .collect::<Result<_, Fatal>>()?;
    for (path, bytes) in &tiles {
        files::replace(&public.join(path.to_string()), bytes)?;
    }
    for (path, bytes) in &tiles {
        let file = public.join(path.to_string());
        let read = fs::read(&file)?;
        let sound = read == *bytes
            && (path.kind != TileKind::Entries || bundle_holds(&read, path.index, &log.tree));
        if !sound {
            return Err(Fatal::Publish(format!("{} does not read back", file.display())));
        }
        remove_narrower(public, path);
    }
    Ok(())
}

fn tile_bytes(log: &OwnLog, path: &TilePath) -> Result<Vec<u8>, Fatal> {
    let failed = |detail: String| Fatal::Publish(format!("{path}: {detail}"));
    match path.kind {
        TileKind::Hashes { level } => tile::hash_tile(&log.tree, level, path.index, path.width)
            .map_err(|error| failed(error.to_string())),
        TileKind::Entries => {
            let from = (path.index * 256).checked_sub(log.tail_from);
            let from = from.and_then(|f| usize::try_from(f).ok());
            let entries = from
                .and_then(|from| log.tail.get(from..from.checked_add(path.width.into())?))
                .ok_or_else(|| failed("its entries are no longer held".to_owned()))?;
            tile::encode_entries(entries).map_err(|error| failed(error.to_string()))
        }
    }
}

fn bundle_holds(bundle: &[u8], index: u64, tree: &MemoryTree) -> bool {
    let Ok(entries) = tile::decode_entries(bundle) else { return false };
    let first = usize::try_from(index * 256).unwrap_or(usize::MAX);
    entries
        .iter()
        .enumerate()
        .all(|(at, entry)| tree.leaves().get(first + at) == Some(&leaf_hash(entry)))
}

/// Partial tiles go once the full one is there. Failing to tidy up is not worth stopping for.
fn remove_narrower(public: &Path, path: &TilePath) {
    if path.is_full() {
        let folder = public.join(format!("{path}.p"));
        if folder.exists() && fs::remove_dir_all(&folder).is_err() {
            tracing::debug!("a folder of partial tiles could not be removed");
        }
    }
}

/// Derives all tiles again from the journal.
pub fn rewrite_tiles(dir: &Path, entries: Vec<Vec<u8>>) -> Result<(), Fatal> {
    let mut log = OwnLog::default();
    for entry in entries {
        log.tree.append(leaf_hash(&entry));
        log.tail.push(entry);
    }
    write_tiles(&dir.join("public"), &log, 0)
}

/// The root that an agent's tree had at a size, from its leaves in the journal. Slow, and rare: only
/// a head that does not continue the tree asks for it.
pub fn agent_root_at(
    dir: &Path,
    origin: &AgentOrigin,
    size: u64,
) -> Result<Option<Hash>, JournalError> {
    let origin = origin.to_string();
    let mut edge = Edge::new();
    journal::read::<JournalError>(&journal_dir(dir), |_, record| {
        if let Record::Batch(record) = record
            && record.origin == origin
        {
            let leaves = Received::read(&record.batch).map(|batch| batch.leaves);
            for leaf in leaves.unwrap_or_default() {
                if edge.size() < size {
                    edge.append(leaf_hash(leaf));
                }
            }
        }
        Ok(())
    })?;
    Ok((edge.size() == size).then(|| edge.root()))
}

pub fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}
