//! Days that have aged out of the index's own files: their events in Parquet, and what still changes beside
//! them.
//!
//! In: sealed partitions that are older than the operator wants them at hand. Out: the same answers from
//! `archive/<day>[-<n>].parquet`, sorted by target and time, and a manifest that says what the file holds
//! and whose hash is in the log, so that the file can be proven years later without this program.
//!
//! Promised:
//! - Nothing is dropped before it was written, synced, read back whole and compared: every event by its
//!   canonical bytes ([`v1::ArchivedEvent`]), by count and by root. What is dropped is the partition's file,
//!   which is derived; journal, leaves and openings are evidence and stay (`log`).
//! - The manifest's hash is logged first, and the partition goes when that entry comes by in the stream. A
//!   crash at any step leaves the partition or the archive to answer from, and the step is done again.
//! - A hold pins leaves: a partition with one of them stays as it is.
//! - A Parquet file is never written again. Verdicts that change later stand in the sidecar, with all that
//!   changed before, and are put over what the file says whenever it is read.
//! - A rebuilt index has its partitions again; each goes when its archive is found to hold the same leaves in
//!   the same rows, and stays, with one warning for each start, if not. Verdicts that came in another order
//!   get the file's numbers in the sidecar ([`Numbers`]).
//!
//! On disk:
//!
//! | file | holds |
//! |---|---|
//! | `archive/<part>.parquet` | the events ([`columns`]) |
//! | `archive/<part>.json` | the manifest |
//! | `index/parts/<part>.side.db` | the partition without its events: dictionaries, sums, verdicts that changed |
//!
//! The order: [`export`] (file, sync, name; read back; manifest, sync, name) → log → [`Archive::check`] →
//! sidecar, sync → catalog, sync → the partition's file is unlinked.
//!
//! Not done here: when (`serve`), the log's entry (`log`).

mod columns;
mod file;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use evidence::AgentOrigin;
use prost::Message as _;
use remit_proto::v1;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog::{Hash, leaf_hash, root_of};

pub(in crate::store) use self::file::{ArchiveFile, Numbers, joined, whole};
use super::{
    EventId, StoreError, StoredEvent,
    columns::unsigned,
    part::{self, columns as rows, schema},
    settings::{self, Durability},
    sqlite::{CATALOG, PartRow, parts},
};

/// Within the collector's directory.
pub(crate) const FOLDER: &str = "archive";
const FORMAT: u32 = 1;
/// Remedies of a day that stays in the index.
const PUT_BACK: &str = "put the day's .json and .parquet back into archive/ as they were logged, and restart the \
                        collector; until then the day is answered from the index";
const KEEP: &str = "answers come from the index and need nothing; keep the day's files in archive/, and verify a \
                    bundle of that day to see which of the two the log proves";

/// Leaves of one tree that somebody wants untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub origin: AgentOrigin,
    pub from_leaf: u64,
    /// The last of them.
    pub until_leaf: u64,
}

/// Told the name of each step when it is done; an error is a crash there. Only tests give another one.
pub type Step<'s> = &'s dyn Fn(&'static str) -> Result<(), StoreError>;

/// Where archived days lie, and what keeps a partition from becoming one.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
    holds: Vec<Hold>,
    refused: Arc<Mutex<Refused>>,
}

/// Partitions whose archive was found wanting, with the manifest that the log names: somebody was told, and a
/// look costs reading all of the file, so there is none before the next start.
type Refused = BTreeSet<(String, Vec<u8>)>;

/// A day that was written and read back, to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// "2026-01-15", "2026-01-15-2".
    pub partition: String,
    /// SHA-256 of the manifest's bytes.
    pub manifest: Hash,
    pub events: u64,
}

/// What a Parquet file holds, as JSON beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    partition: String,
    /// SHA-256 and size of the Parquet file.
    sha256: String,
    bytes: u64,
    events: u64,
    /// RFC 6962 root over the `ArchivedEvent`s in the order in which they were assessed.
    root: String,
    /// Log entries that cover the leaves, the first and the last.
    covered_from: u64,
    covered_until: u64,
    /// Verdicts as known now are by what stood below this size of the log, or an earlier one.
    known_at_log_size: u64,
    leaves: Vec<Leaves>,
    /// As Parquet writes it.
    schema: String,
    sorted_by: Vec<String>,
}

/// Leaves of one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaves {
    origin: String,
    first: u64,
    last: u64,
    events: u64,
}

impl Archive {
    pub fn new(dir: &Path, holds: Vec<Hold>) -> Self {
        Self { folder: dir.join(FOLDER), holds, refused: Arc::default() }
    }

    fn parquet(&self, partition: &str) -> PathBuf {
        parquet(&self.folder, partition)
    }

    fn manifest(&self, partition: &str) -> PathBuf {
        self.folder.join(format!("{partition}.json"))
    }

    /// The manifest of a partition, if one is there and parses, with the hash of its bytes.
    fn read_manifest(&self, partition: &str) -> io::Result<Option<(Manifest, Hash)>> {
        let Some(bytes) = if_there(fs::read(self.manifest(partition)))? else { return Ok(None) };
        let hash = Hash(Sha256::digest(&bytes).into());
        Ok(serde_json::from_slice(&bytes).ok().map(|manifest| (manifest, hash)))
    }

    /// Whether the archive holds this partition whole, so that its file may go; and how its verdicts have to be
    /// numbered beside the archive. `None`: it stays. What cannot be read at this moment says nothing of the
    /// archive: that is an error, and the next look may find it well.
    pub(super) fn check(
        &self,
        partition: &str,
        logged: &[u8],
        file: &Path,
    ) -> Result<Option<Numbers>, StoreError> {
        if self.refused().contains(&(partition.to_owned(), logged.to_vec())) {
            return Ok(None);
        }
        let stays = |what: &'static str, remedy: &'static str| {
            tracing::warn!(partition, what, remedy, "an archived day stays in the index");
            self.refused().insert((partition.to_owned(), logged.to_vec()));
            Ok(None)
        };
        let Some((manifest, hash)) = self.read_manifest(partition)? else {
            return stays("manifest: it is missing or does not parse", PUT_BACK);
        };
        if hash.0.as_slice() != logged {
            return stays("manifest: it is not the one that the log names", PUT_BACK);
        }
        if self.is_held(&manifest.leaves) {
            return Ok(None);
        }
        let connection = settings::for_reading(file)?;
        if manifest.leaves != leaves(&connection)? {
            return stays("leaves: the index has others of that day than the manifest names", KEEP);
        }
        let path = self.parquet(partition);
        let as_written = if_there(digest(&path))?.is_some_and(|(sha256, bytes)| {
            (sha256.as_str(), bytes) == (manifest.sha256.as_str(), manifest.bytes)
        });
        if !as_written {
            let what = "sha256: the Parquet file is missing or not the one that the manifest names";
            return stays(what, PUT_BACK);
        }
        let archived = match ArchiveFile::open(&path) {
            Ok(archived) => archived,
            Err(error) if error.is_input_output() => return Err(error),
            Err(_) => return stays("schema: this program does not read the Parquet file", KEEP),
        };
        match archived.numbers_for(&connection)? {
            Some(numbers) => Ok(Some(numbers)),
            None => {
                let what = "rows: the Parquet file says something else of an event than the index";
                stays(what, KEEP)
            }
        }
    }

    /// Held for a look only.
    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_held(&self, leaves: &[Leaves]) -> bool {
        self.holds.iter().any(|Hold { origin, from_leaf, until_leaf }| {
            leaves.iter().any(|held| {
                held.origin == origin.to_string()
                    && *from_leaf <= held.last
                    && held.first <= *until_leaf
            })
        })
    }
}

pub(super) fn parquet(folder: &Path, partition: &str) -> PathBuf {
    folder.join(format!("{partition}.parquet"))
}

/// Writes the oldest sealed partition that is older than a day (days since 1970) and has no archive, reads it
/// back, and says what to log. `None`: there is none. Reads the index's files and changes none of them.
pub fn export(
    dir: &Path,
    archive: &Archive,
    before_day: i64,
    step: Step<'_>,
) -> Result<Option<Exported>, StoreError> {
    let index = dir.join(super::FOLDER);
    let catalog = settings::for_reading(&index.join(CATALOG))?;
    let log_size: i64 =
        catalog.query_row("SELECT log_size FROM projection", [], |row| row.get(0))?;
    let due = |part: &PartRow| {
        part.is_sealed && !part.is_archived && part.day < before_day && part.extent.events > 0
    };
    for part in parts(&catalog)?.into_iter().filter(due) {
        let has_entry: bool = catalog.query_row(
            "SELECT manifest IS NOT NULL FROM part WHERE number = ?1",
            [part.number],
            |row| row.get(0),
        )?;
        if has_entry {
            continue;
        }
        let name = part::name(part.day, part.nth);
        let connection = settings::for_reading(&part.path(&index))?;
        connection.execute_batch("BEGIN DEFERRED")?;
        let leaves = leaves(&connection)?;
        if archive.is_held(&leaves) {
            continue;
        }
        // Written before, and not logged since.
        if let Some((manifest, hash)) = archive.read_manifest(&name)?
            && manifest.leaves == leaves
            && if_there(digest(&archive.parquet(&name)))?
                .is_some_and(|(sha256, _)| sha256 == manifest.sha256)
        {
            let events = manifest.events;
            return Ok(Some(Exported { partition: name, manifest: hash, events }));
        }
        let known_at_log_size = unsigned(log_size);
        let manifest =
            write(archive, (&connection, part.number, &name), leaves, known_at_log_size, step)?;
        return Ok(Some(manifest));
    }
    Ok(None)
}

fn write(
    archive: &Archive,
    (connection, part, name): (&Connection, i64, &str),
    leaves: Vec<Leaves>,
    known_at_log_size: u64,
    step: Step<'_>,
) -> Result<Exported, StoreError> {
    fs::create_dir_all(&archive.folder)?;
    let (path, beside) = (archive.parquet(name), archive.folder.join("new.parquet"));
    let events = file::write(connection, &beside)?;
    step("file written")?;
    fs::rename(&beside, &path)?;
    sync(&archive.folder)?;
    step("file named")?;
    // Before anything says that it is there: what was written is what reads back.
    let (read_back, held) = (root_of_file(&path, part)?, root_of_partition(connection, part)?);
    if read_back != held || held.1 != events {
        return Err(StoreError::Damaged { what: "archive.root" });
    }
    step("file read back")?;
    let (sha256, bytes) = digest(&path)?;
    let (covered_from, covered_until) =
        connection.query_row("SELECT min(covered_by), max(covered_by) FROM run", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
    let manifest = Manifest {
        format: FORMAT,
        partition: name.to_owned(),
        sha256,
        bytes,
        events,
        root: hex(&held.0.0),
        covered_from: unsigned(covered_from),
        covered_until: unsigned(covered_until),
        known_at_log_size,
        leaves,
        schema: file::schema(),
        sorted_by: ["target_key", "last_s", "event"].map(str::to_owned).to_vec(),
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    bytes.push(b'\n');
    let beside = archive.folder.join("new.json");
    fs::write(&beside, &bytes)?;
    fs::File::open(&beside)?.sync_all()?;
    step("manifest written")?;
    fs::rename(&beside, archive.manifest(name))?;
    sync(&archive.folder)?;
    step("manifest named")?;
    let manifest = Hash(Sha256::digest(&bytes).into());
    Ok(Exported { partition: name.to_owned(), manifest, events })
}

/// Leaves of each tree that have an event in a partition.
fn leaves(connection: &Connection) -> Result<Vec<Leaves>, StoreError> {
    let mut found: BTreeMap<String, Leaves> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT operator, node, generation.generation, first_leaf, last_id - first_id
         FROM run JOIN generation ON generation.id = run.generation",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let origin = rows::origin(row.get(0)?, row.get(1)?, row.get(2)?)?.to_string();
        let (first, following) = (unsigned(row.get(3)?), unsigned(row.get(4)?));
        let last = first.saturating_add(following);
        let known = found.entry(origin.clone());
        let known = known.or_insert(Leaves { origin, first, last, events: 0 });
        known.first = known.first.min(first);
        known.last = known.last.max(last);
        known.events = known.events.saturating_add(following).saturating_add(1);
    }
    Ok(found.into_values().collect())
}

/// What of an event never changes, as canonical bytes.
fn archived(event: StoredEvent, register_size: u64) -> Vec<u8> {
    let id = EventId::new(&event.facts.origin, event.facts.index).to_string();
    let StoredEvent { key: _, facts, hits, detail_reduced, deed, then, now: _ } = event;
    let register::assessment::Facts {
        origin: _,
        index: _,
        rule,
        target,
        hit_target,
        response,
        span,
        imported,
        other_candidates,
        before_act,
        covered_by,
    } = facts;
    v1::ArchivedEvent {
        id,
        rule: Some(rule),
        target,
        hit_target,
        response,
        hits,
        first_s: span.first_s,
        last_s: span.last_s,
        clock_error_s: span.clock_error_s,
        imported,
        detail_reduced,
        other_candidates,
        deed,
        before_act_known: before_act.is_some(),
        before_act: before_act.unwrap_or(0),
        covered_by,
        register_size,
        as_known_then: Some(then),
    }
    .encode_to_vec()
}

fn root_of_partition(connection: &Connection, part: i64) -> Result<(Hash, u64), StoreError> {
    let mut hashes = Vec::new();
    rows::read(connection, part, "ORDER BY ev.id", [], &mut |read| {
        hashes.push(leaf_hash(&archived(read.event, read.register_size)));
        Ok(())
    })?;
    Ok((root_of(&hashes), hashes.len() as u64))
}

fn root_of_file(path: &Path, part: i64) -> Result<(Hash, u64), StoreError> {
    let file = ArchiveFile::open(path)?;
    let mut hashes = vec![None; file.row_count()];
    file.all(part, &mut |read| {
        let (_, event) = part::part_of(read.event.key.number);
        let at = usize::try_from(event.saturating_sub(1)).ok().and_then(|at| hashes.get_mut(at));
        let place = at.ok_or(StoreError::Damaged { what: "archive.event" })?;
        *place = Some(leaf_hash(&archived(read.event, read.register_size)));
        Ok(())
    })?;
    let hashes: Option<Vec<Hash>> = hashes.into_iter().collect();
    let hashes = hashes.ok_or(StoreError::Damaged { what: "archive.event" })?;
    Ok((root_of(&hashes), hashes.len() as u64))
}

const VERDICTS_NUMBERED: &str = "here, answer, notable, verdict FROM whole.verdict
    JOIN numbered ON there = verdict.id ORDER BY here";
const REVISIONS_NUMBERED: &str = "event, log_size, register_size, was.here, became.here
    FROM whole.revision
    JOIN numbered AS was ON was.there = revision.before
    JOIN numbered AS became ON became.there = revision.after";

/// The partition without its events, in a file of its own, synced; its verdicts numbered as the archive beside
/// it names them.
pub(super) fn make_sidecar(
    partition: &Path,
    sidecar: &Path,
    numbers: &Numbers,
) -> Result<(), StoreError> {
    let beside = sidecar.with_extension("new");
    for name in [beside.clone(), wal(&beside), shm(&beside)] {
        super::sqlite::absent(fs::remove_file(name))?;
    }
    let connection = Connection::open(&beside)?;
    settings::for_writing(&connection, Durability::Full)?;
    let path = partition.to_str().ok_or(StoreError::Damaged { what: "path" })?;
    connection.execute("ATTACH DATABASE ?1 AS whole", params![path])?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(schema::TABLES)?;
    connection.execute_batch(
        "CREATE TEMP TABLE numbered (there INTEGER PRIMARY KEY, here INTEGER NOT NULL)",
    )?;
    {
        let mut insert = connection.prepare("INSERT INTO numbered VALUES (?1, ?2)")?;
        for (there, here) in numbers {
            insert.execute([there, here])?;
        }
    }
    for table in schema::KEPT {
        let rows = match table {
            "verdict" => VERDICTS_NUMBERED.to_owned(),
            "revision" => REVISIONS_NUMBERED.to_owned(),
            _ => format!("* FROM whole.{table}"),
        };
        connection.execute_batch(&format!("INSERT INTO main.{table} SELECT {rows}"))?;
    }
    connection.execute_batch(schema::INDEXES)?;
    connection.execute_batch("COMMIT")?;
    connection.execute_batch("DETACH DATABASE whole")?;
    settings::fold(&connection)?;
    drop(connection);
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, sidecar)?;
    sync(sidecar.parent().unwrap_or(Path::new(".")))
}

/// Makes what was committed last durable: the catalog does without that elsewhere. A reader may hold the log
/// back from being moved, so that is synced too.
pub(super) fn sync_catalog(catalog: &Connection, path: &Path) -> Result<(), StoreError> {
    settings::fold(catalog)?;
    for name in [path.to_owned(), wal(path)] {
        match fs::File::open(name) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Removes the file of a partition that an archive holds.
pub(super) fn unlink(partition: &Path) -> Result<(), StoreError> {
    if !partition.exists() {
        return Ok(());
    }
    for name in [wal(partition), shm(partition), partition.to_owned()] {
        super::sqlite::absent(fs::remove_file(name))?;
    }
    sync(partition.parent().unwrap_or(Path::new(".")))
}

fn wal(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

fn shm(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-shm", path.display()))
}

fn sync(folder: &Path) -> Result<(), StoreError> {
    Ok(fs::File::open(folder)?.sync_all()?)
}

/// `None`: the file is not there.
fn if_there<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// SHA-256 in hex, and size.
fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path)?;
    let (mut bytes, mut size) = (vec![0; 1 << 20], 0_u64);
    loop {
        let count = io::Read::read(&mut file, &mut bytes)?;
        if count == 0 {
            return Ok((hex(&hash.finalize()), size));
        }
        hash.update(bytes.get(..count).unwrap_or_default());
        size = size.saturating_add(count as u64);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
