//! The embedded back end: a catalog and partitions, one writer, readers of their own.
//!
//! The writer is whoever owns the [`SqliteStore`]; its connections are the only ones that write.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    thread::{self, ScopedJoinHandle},
};

use rusqlite::{Connection, OptionalExtension, params};
use tlog::Edge;

use super::{
    Archive, Chunk, Finished, Index, Job, JudgeNow, NewEvent, Op, Reading, Step, Store, StoreError,
    archive, counts, dump,
    hits::Hits,
    jobs,
    part::{self, Extent, Part, revise},
    read::SqliteReading,
    readers::Readers,
    schema::{SCHEMA, TABLES},
    settings::{self, Durability},
    write,
};

/// Within the collector's directory.
pub(crate) const FOLDER: &str = "index";
pub(super) const CATALOG: &str = "catalog.db";
/// What builds with another layout left there.
const FORMER: &str = "index.db";

/// When partitions end, and when runs of hits are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub events_max: i64,
    /// Counts of rules in runs.
    pub told_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events_max: part::EVENTS_MAX, told_max: counts::TOLD_MAX }
    }
}

pub struct SqliteStore {
    catalog: Connection,
    folder: PathBuf,
    /// The one that takes in events; `None` before the first.
    open: Option<Part>,
    limits: Limits,
    hits: Hits,
    readers: Arc<Readers>,
    /// Held while open partition and catalog are committed: nobody begins to read between the two.
    gate: Arc<RwLock<()>>,
    revising: Option<Revising>,
}

/// A sealed partition that is judged again.
struct Revising {
    log_size: u64,
    part: i64,
    file: Option<revise::File>,
    reach: revise::Reach,
}

/// A row of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartRow {
    pub(super) number: i64,
    pub(super) day: i64,
    pub(super) nth: i64,
    pub(super) is_sealed: bool,
    /// Its events are in an archive.
    pub(super) is_archived: bool,
    pub(super) extent: Extent,
}

impl PartRow {
    pub(super) fn name(&self) -> String {
        part::name(self.day, self.nth)
    }

    /// Its file, or what is left beside its archive.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        match self.is_archived {
            true => part::sidecar(folder, self.day, self.nth),
            false => part::path(folder, self.day, self.nth),
        }
    }
}

impl SqliteStore {
    /// Opens the index below this folder, or makes an empty one.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, Limits::default())
    }

    pub fn open_with(dir: &Path, limits: Limits) -> Result<Self, StoreError> {
        if dir.join(FORMER).exists() {
            return Err(StoreError::Schema { found: SCHEMA_OF_FORMER });
        }
        let folder = dir.join(FOLDER);
        if !folder.join(CATALOG).exists() {
            // Partitions that no catalog names are of an index that was removed.
            absent(fs::remove_dir_all(&folder))?;
        }
        fs::create_dir_all(folder.join(super::PARTS))?;
        let mut catalog = Connection::open(folder.join(CATALOG))?;
        settings::for_writing(&catalog, Durability::Normal)?;
        let transaction = catalog.transaction()?;
        let made: Option<i64> = transaction
            .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'projection'", [], |row| {
                row.get(0)
            })
            .optional()?;
        if made.is_none() {
            transaction.execute_batch(TABLES)?;
            transaction.execute("INSERT INTO projection (id, schema) VALUES (0, ?1)", [SCHEMA])?;
        }
        let found: i64 =
            transaction.query_row("SELECT schema FROM projection", [], |row| row.get(0))?;
        if found != SCHEMA {
            return Err(StoreError::Schema { found });
        }
        transaction.commit()?;
        let open = match parts(&catalog)?.last() {
            Some(row) if !row.is_sealed => {
                Some(Part::open(&row.path(&folder), row.number, row.day)?)
            }
            _ => None,
        };
        for row in parts(&catalog)?.iter().filter(|row| row.is_sealed) {
            let path = part::path(&folder, row.day, row.nth);
            if row.is_archived {
                // Crash before it was unlinked: an archive holds its events.
                archive::unlink(&path)?;
            } else if !path.exists() && part::sidecar(&folder, row.day, row.nth).exists() {
                // It goes last, so its archive answers, whatever the catalog lost.
                catalog.execute("UPDATE part SET archived = 1 WHERE number = ?1", [row.number])?;
            }
        }
        let hits = Hits::load(&catalog, limits.told_max)?;
        let readers = Arc::new(Readers::new(folder.clone(), dir.join(archive::FOLDER)));
        let gate = Arc::new(RwLock::new(()));
        Ok(Self { catalog, folder, open, limits, hits, readers, gate, revising: None })
    }

    /// Removes the index below a folder. Nobody may have it open.
    pub fn remove(dir: &Path) -> io::Result<()> {
        absent(fs::remove_dir_all(dir.join(FOLDER)))?;
        Self::remove_former(dir)
    }

    /// Removes what builds with another layout left.
    pub(crate) fn remove_former(dir: &Path) -> io::Result<()> {
        for name in [FORMER.to_owned(), format!("{FORMER}-wal"), format!("{FORMER}-shm")] {
            absent(fs::remove_file(dir.join(name)))?;
        }
        Ok(())
    }

    /// The reading side, to be shared.
    pub fn index(&self) -> Arc<dyn Index> {
        Arc::new(SqliteIndex { readers: Arc::clone(&self.readers), gate: Arc::clone(&self.gate) })
    }

    /// Adds steps that go into one partition, which is written beside the catalog; then it is committed, then
    /// the catalog.
    fn apply_some(&mut self, steps: &[Step]) -> Result<u64, StoreError> {
        let Some(last) = steps.last() else { return Ok(0) };
        let Self { catalog, open, gate, hits, .. } = self;
        // What the partition has from before a crash is not written again.
        let held = |step: &Step| open.as_ref().is_none_or(|part| part.holds(step.position));
        let new = steps.iter().filter(|step| !held(step));
        let events: Vec<_> = new.flat_map(|step| &step.ops).filter_map(event_of).collect();
        let added = events.len() as u64;
        let transaction = catalog.transaction()?;
        thread::scope(|scope| {
            let partition = open
                .as_mut()
                .filter(|_| added > 0)
                .map(|part| scope.spawn(move || part.add(&events, last.position)));
            write::apply(&transaction, hits, steps)?;
            match partition.map(ScopedJoinHandle::join) {
                Some(Ok(written)) => written,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => Ok(()),
            }
        })?;
        let gate = gate.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = open {
            if added > 0 {
                part.commit(last.position)?;
            }
            let Extent { events, first_s, last_s } = part.extent();
            transaction
                .prepare_cached(
                    "UPDATE part SET events = ?2, first_s = ?3, last_s = ?4 WHERE number = ?1",
                )?
                .execute(params![part.number, events, first_s, last_s])?;
        }
        // Crash before this line: the partition is ahead, and skips these steps when they come again.
        transaction.commit()?;
        drop(gate);
        Ok(added)
    }

    /// Begins the partition of a day, and seals the one before.
    fn begin_part(&mut self, day: i64) -> Result<(), StoreError> {
        let former = self.open.take();
        let number = match former {
            Some(part) => {
                let number = part.number;
                // Durable before the catalog says so. Crash in between: it is sealed once more.
                part.seal()?;
                self.catalog.execute("UPDATE part SET sealed = 1 WHERE number = ?1", [number])?;
                number + 1
            }
            None => parts(&self.catalog)?.last().map_or(1, |last| last.number + 1),
        };
        let nth: i64 = self.catalog.query_row(
            "SELECT count(*) + 1 FROM part WHERE day = ?1",
            [day],
            |row| row.get(0),
        )?;
        // Crash before the catalog names it: it is there already when it is begun again.
        let part = Part::open(&part::path(&self.folder, day, nth), number, day)?;
        self.catalog.execute(
            "INSERT INTO part VALUES (?1, ?2, ?3, 0, 0, 0, 0, NULL, 0)",
            params![number, day, nth],
        )?;
        self.open = Some(part);
        Ok(())
    }

    /// Whether the events of a step belong into another partition than the open one, which holds
    /// `waiting` more than are written.
    fn begins_part(&self, step: &Step, waiting: i64) -> bool {
        let belongs = self.open.as_ref().is_some_and(|part| {
            part.holds(step.position)
                || (part.day == day_of(step) && part.has_room(waiting, self.limits.events_max))
        });
        !belongs && step.ops.iter().any(|op| event_of(op).is_some())
    }
}

impl Store for SqliteStore {
    fn watermark(&self) -> Result<Option<u64>, StoreError> {
        write::watermark(&self.catalog)
    }

    fn apply(&mut self, chunk: &Chunk) -> Result<u64, StoreError> {
        let Chunk { after, steps } = chunk;
        let watermark = self.watermark()?;
        let positions = after.iter().copied().chain(steps.iter().map(|step| step.position));
        if *after != watermark || !positions.is_sorted_by(|one, next| one < next) {
            return Err(StoreError::NotAtWatermark { after: *after, watermark });
        }
        let (mut added, mut from, mut waiting) = (0, 0, 0);
        for (at, step) in steps.iter().enumerate() {
            if self.begins_part(step, waiting) {
                added += self.apply_some(steps.get(from..at).unwrap_or_default())?;
                self.begin_part(day_of(step))?;
                (from, waiting) = (at, 0);
            }
            let events = step.ops.iter().filter_map(event_of).count();
            waiting = waiting.saturating_add(i64::try_from(events).unwrap_or(i64::MAX));
        }
        Ok(added + self.apply_some(steps.get(from..).unwrap_or_default())?)
    }

    fn to_do(&self) -> Result<Vec<u64>, StoreError> {
        jobs::to_do(&self.catalog)
    }

    fn reassess(
        &mut self,
        job: &Job,
        judge: &JudgeNow<'_>,
        events_max: u64,
    ) -> Result<Option<Finished>, StoreError> {
        let mut left = events_max;
        loop {
            let after = jobs::part_done(&self.catalog, job.log_size)?;
            let Some(row) = parts(&self.catalog)?.into_iter().find(|row| row.number > after) else {
                return Ok(Some(self.finish(job)?));
            };
            let step = self.revise(job, &row, judge, left)?;
            left = left.saturating_sub(step.judged);
            if step.is_done {
                jobs::part_is_done(&self.catalog, job.log_size, row.number, &step)?;
            }
            if left == 0 {
                return Ok(None);
            }
        }
    }

    fn to_log(&self) -> Result<Vec<Finished>, StoreError> {
        jobs::to_log(&self.catalog)
    }

    fn dump(&self) -> Result<Vec<String>, StoreError> {
        dump::dump(&self.catalog, &self.readers)
    }

    fn retire(
        &mut self,
        archive: &Archive,
        step: archive::Step<'_>,
    ) -> Result<Option<String>, StoreError> {
        let logged: Vec<(i64, Vec<u8>)> = {
            let mut statement = self.catalog.prepare_cached(
                "SELECT number, manifest FROM part
                 WHERE sealed = 1 AND archived = 0 AND manifest IS NOT NULL ORDER BY number",
            )?;
            let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect::<Result<_, _>>()?
        };
        for (number, manifest) in logged {
            let Some(row) = parts(&self.catalog)?.into_iter().find(|row| row.number == number)
            else {
                continue;
            };
            let path = row.path(&self.folder);
            let Some(numbers) = archive.check(&row.name(), &manifest, &path)? else { continue };
            // It may have been under revision.
            if let Some(Revising { file: Some(file), .. }) = self.revising.take() {
                file.close()?;
            }
            let sidecar = part::sidecar(&self.folder, row.day, row.nth);
            archive::make_sidecar(&path, &sidecar, &numbers)?;
            step("sidecar made")?;
            // From here on the archive answers.
            self.catalog.execute("UPDATE part SET archived = 1 WHERE number = ?1", [number])?;
            // Durable before the file goes: a catalog that a power cut sets back would look for it.
            archive::sync_catalog(&self.catalog, &self.folder.join(CATALOG))?;
            step("catalog says so")?;
            archive::unlink(&path)?;
            self.readers.forget(&path);
            step("partition unlinked")?;
            return Ok(Some(row.name()));
        }
        Ok(None)
    }
}

impl SqliteStore {
    /// One step of a job in one partition.
    fn revise(
        &mut self,
        job: &Job,
        row: &PartRow,
        judge: &JudgeNow<'_>,
        events_max: u64,
    ) -> Result<revise::Step, StoreError> {
        // Partitions that lie before everything that changed are not opened.
        let since_s = job.selectors.iter().map(|selector| selector.since_s).min();
        if since_s.is_none_or(|since_s| row.extent.last_s.saturating_add(CLOCK_ERROR_S) < since_s) {
            return Ok(revise::Step { is_done: true, ..revise::Step::default() });
        }
        let is_open = self.open.as_ref().is_some_and(|part| part.number == row.number);
        let known = self.revising.take().filter(|known| {
            known.part == row.number
                && known.log_size == job.log_size
                && known.file.is_some() != is_open
        });
        let mut revising = match known {
            Some(known) => known,
            None => {
                let file = match is_open {
                    true => None,
                    false => {
                        let archive =
                            row.is_archived.then(|| self.readers.archived(row)).transpose()?;
                        Some(revise::File::open(&row.path(&self.folder), archive)?)
                    }
                };
                let connection = match (&file, &self.open) {
                    (Some(file), _) => file.connection(),
                    (None, Some(part)) => part.connection(),
                    (None, None) => return Err(StoreError::Damaged { what: "part.number" }),
                };
                let reach = revise::reach(connection, job, row.is_sealed)?;
                Revising { log_size: job.log_size, part: row.number, file, reach }
            }
        };
        if revising.reach.is_empty() {
            return Ok(revise::Step { is_done: true, ..revise::Step::default() });
        }
        let step = match (&mut revising.file, &mut self.open) {
            (Some(file), _) => file.step(row.number, (job, &revising.reach), judge, events_max)?,
            (None, Some(part)) => part.revise((job, &revising.reach), judge, events_max)?,
            (None, None) => return Err(StoreError::Damaged { what: "part.number" }),
        };
        if !step.is_done {
            // Rules may come into an open partition before the next step; their events are later than
            // the job, which reaches none of them.
            self.revising = Some(revising);
        } else if let Some(file) = revising.file {
            file.close()?;
        }
        Ok(step)
    }

    /// All partitions are done: what became of the job.
    fn finish(&mut self, job: &Job) -> Result<Finished, StoreError> {
        let Job { log_size, from_register, to_register, selectors: _ } = job;
        let (examined, revised) = jobs::counts(&self.catalog, *log_size)?;
        let mut changed = Edge::new();
        if revised > 0 {
            for row in parts(&self.catalog)? {
                let opened = self.readers.open(&row)?;
                let sizes = (*log_size, *from_register, *to_register);
                revise::leaves(opened.inside()?, sizes, &mut |leaf| changed.append(leaf))?;
            }
        }
        let finished = Finished {
            log_size: *log_size,
            from_register: *from_register,
            to_register: *to_register,
            examined,
            revised,
            root: changed.root(),
        };
        jobs::finish(&self.catalog, &finished)?;
        Ok(finished)
    }
}

struct SqliteIndex {
    readers: Arc<Readers>,
    gate: Arc<RwLock<()>>,
}

impl Index for SqliteIndex {
    fn read(&self) -> Result<Box<dyn Reading>, StoreError> {
        // No lock is held while anything is read but where the index stands.
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let reading = SqliteReading::begin(Arc::clone(&self.readers))?;
        drop(gate);
        Ok(Box::new(reading))
    }
}

/// The partitions, oldest first.
pub(super) fn parts(catalog: &Connection) -> Result<Vec<PartRow>, StoreError> {
    let mut statement = catalog.prepare_cached(
        "SELECT number, day, nth, sealed, events, first_s, last_s, archived FROM part
         ORDER BY number",
    )?;
    let found = statement.query_map([], |row| {
        Ok(PartRow {
            number: row.get(0)?,
            day: row.get(1)?,
            nth: row.get(2)?,
            is_sealed: row.get(3)?,
            is_archived: row.get(7)?,
            extent: Extent { events: row.get(4)?, first_s: row.get(5)?, last_s: row.get(6)? },
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn event_of(op: &Op) -> Option<&NewEvent> {
    match op {
        Op::Event(event) => Some(event),
        _ => None,
    }
}

/// By the collector's clock.
fn day_of(step: &Step) -> i64 {
    step.at_s.div_euclid(86_400)
}

/// What is not there need not be removed.
pub(super) fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

const SCHEMA_OF_FORMER: i64 = 4;
const CLOCK_ERROR_S: i64 = register::assessment::CLOCK_ERROR_UNSYNCED_S as i64;
