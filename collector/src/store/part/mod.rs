//! One partition: the events that the collector took in on one day, or a part of them, in a file of its
//! own.
//!
//! In: events in the order of the journal, by position; later, verdicts that changed. Out: events and
//! their sums, to any number of readers.
//!
//! Promised:
//! - Rows, dictionaries, sums and the watermark change in one transaction. What stands at or below the
//!   watermark is not written again, so the same steps may be told twice.
//! - While it is open there are no indexes on events: each costs a random page for every event. They
//!   are made once, when the partition is sealed; until then questions read it through, run by run.
//! - A day is the collector's own, when it took the events in. Event times are claims of nodes: by
//!   them, one wrong clock could open a file for every day of a century. Each run says between which
//!   times its events lie, and questions skip those that lie elsewhere.
//! - A sealed partition takes in no event. Its verdicts as known now may change, and each change stays
//!   in `revision`.
//!
//! On disk: `parts/<day>[-<n>].db`, SQLite, WAL, `synchronous=FULL`: a partition is never behind the
//! catalog, which names it (`store`). A sealed one has no log beside it, except while it is revised.

pub(super) mod columns;
mod dictionary;
pub(super) mod revise;
pub(super) mod schema;
pub(super) mod search;
mod sums;
pub(super) mod words;

use std::path::{Path, PathBuf};

use register::assessment::Facts;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

pub(super) use dictionary::{each, key_of, target_from};

use self::{
    dictionary::{Dictionaries, RowId},
    search::In,
    sums::{Hour, Sums},
};
use super::{
    EventKind, Job, JudgeNow, NewEvent, StoreError,
    dictionary::number,
    schema::SCHEMA,
    settings::{self, Durability},
};

/// After so many events a new partition begins with the next step. Sealing takes about a second then,
/// and a look through an open one a tenth.
pub(super) const EVENTS_MAX: i64 = 1_000_000;
/// A number of an event is that of its partition, and its row there below.
const ROW_BITS: u32 = 32;

/// The number of an event among all.
pub(super) fn event_number(part: i64, row: RowId) -> i64 {
    (part << ROW_BITS) | row
}

pub(super) fn part_of(event: i64) -> (i64, RowId) {
    (event >> ROW_BITS, event & ((1 << ROW_BITS) - 1))
}

/// "2026-01-15", "2026-01-15-2".
pub(super) fn name(day: i64, nth: i64) -> String {
    let date = jiff::civil::Date::constant(1970, 1, 1);
    let date = date.checked_add(jiff::Span::new().days(day.clamp(0, 2_000_000)));
    let date = date.map_or_else(|_| day.to_string(), |date| date.to_string());
    if nth > 1 { format!("{date}-{nth}") } else { date }
}

/// `parts/2026-01-15.db`, `parts/2026-01-15-2.db`.
pub(super) fn path(folder: &Path, day: i64, nth: i64) -> PathBuf {
    folder.join(super::PARTS).join(format!("{}.db", name(day, nth)))
}

/// What is left of it when its events are archived: `parts/2026-01-15.side.db`.
pub(super) fn sidecar(folder: &Path, day: i64, nth: i64) -> PathBuf {
    folder.join(super::PARTS).join(format!("{}.side.db", name(day, nth)))
}

/// A partition with its writer.
pub(super) struct Part {
    pub(super) number: i64,
    pub(super) day: i64,
    connection: Connection,
    watermark: Option<u64>,
    is_sealed: bool,
    dictionaries: Dictionaries,
    sums: Sums,
    event_count: RowId,
    /// Not written yet.
    run: Option<Run>,
    extent: Extent,
}

/// Neighbours that have all but their own row in common, and whose leaves follow each other.
struct Run {
    first_id: RowId,
    last_id: RowId,
    generation: RowId,
    first_leaf: u64,
    covered_by: u64,
    register_size: u64,
    before_act: Option<u64>,
    clock_error_s: u32,
    first_s: i64,
    last_s: i64,
}

/// What the catalog keeps of a partition, so that questions need not open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) events: i64,
    /// Of last hits.
    pub(super) first_s: i64,
    pub(super) last_s: i64,
}

impl Part {
    /// Opens the partition, or makes it.
    pub(super) fn open(path: &Path, number_: i64, day: i64) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        settings::for_writing(&connection, Durability::Full)?;
        let transaction = connection.transaction()?;
        let made = transaction
            .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'part'", [], |_| Ok(()))
            .optional()?;
        if made.is_none() {
            transaction.execute_batch(schema::TABLES)?;
            transaction.execute(
                "INSERT INTO part (id, schema, number, day) VALUES (0, ?1, ?2, ?3)",
                params![SCHEMA, number_, day],
            )?;
        }
        let row = "SELECT schema, number, watermark, sealed FROM part";
        let (schema, found, watermark, is_sealed): (i64, i64, Option<i64>, bool) = transaction
            .query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        if schema != SCHEMA {
            return Err(StoreError::Schema { found: schema });
        }
        if found != number_ {
            return Err(StoreError::Damaged { what: "part.number" });
        }
        let event_count =
            transaction.query_row("SELECT coalesce(max(id), 0) FROM ev", [], |row| row.get(0))?;
        let extent = extent(&transaction)?;
        transaction.commit()?;
        let dictionaries = Dictionaries::load(&connection)?;
        let sums = Sums::load(&connection)?;
        Ok(Self {
            number: number_,
            day,
            connection,
            watermark: watermark.map(i64::cast_unsigned),
            is_sealed,
            dictionaries,
            sums,
            event_count,
            run: None,
            extent,
        })
    }

    /// For another event, beside so many that are not written yet.
    pub(super) fn has_room(&self, waiting: i64, events_max: i64) -> bool {
        !self.is_sealed && self.event_count.saturating_add(waiting) < events_max
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Events of this position are in here already.
    pub(super) fn holds(&self, position: u64) -> bool {
        self.watermark.is_some_and(|watermark| position <= watermark)
    }

    fn begin(&self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Begins a transaction and writes events in it, with all that goes with them; they end at this position.
    pub(super) fn add(&mut self, events: &[&NewEvent], to: u64) -> Result<(), StoreError> {
        self.begin()?;
        let Self { connection, dictionaries, sums, event_count, run, extent, number: part, .. } =
            self;
        let mut insert = connection
            .prepare_cached("INSERT INTO ev VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
        for event in events {
            *event_count = event_count.saturating_add(1);
            if *event_count >= 1 << ROW_BITS {
                return Err(StoreError::Full { part: *part });
            }
            let into = Into {
                connection,
                dictionaries: &mut *dictionaries,
                sums: &mut *sums,
                extent: &mut *extent,
                run: &mut *run,
            };
            insert_event(into, &mut insert, event, *event_count)?;
        }
        if let Some(run) = run.take() {
            run.insert(connection)?;
        }
        sums.write(connection)?;
        connection.prepare_cached("UPDATE part SET watermark = ?1")?.execute([to.cast_signed()])?;
        Ok(())
    }

    /// Ends the transaction: the commit point of the partition.
    pub(super) fn commit(&mut self, to: u64) -> Result<(), StoreError> {
        self.connection.execute_batch("COMMIT")?;
        self.watermark = Some(to);
        self.extent.events = self.event_count;
        Ok(())
    }

    /// Of what is committed.
    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    /// One step of judging again what is in here.
    pub(super) fn revise(
        &mut self,
        job: (&Job, &revise::Reach),
        judge: &JudgeNow<'_>,
        events_max: u64,
    ) -> Result<revise::Step, StoreError> {
        if self.sums.has_runs() {
            // Of what changes they are counted anew, in the rows.
            self.begin()?;
            self.sums.add_up(&self.connection)?;
            self.connection.execute_batch("COMMIT")?;
        }
        let here =
            In { connection: &self.connection, part: self.number, is_sealed: false, archive: None };
        let verdicts = &mut self.dictionaries.verdicts;
        let step = revise::step(here, verdicts, job, judge, events_max)?;
        // The sums were counted anew in the file.
        self.sums = Sums::load(&self.connection)?;
        Ok(step)
    }

    /// Makes the indexes, and leaves one file without a log.
    pub(super) fn seal(self) -> Result<(), StoreError> {
        let Self { connection, mut sums, .. } = self;
        // Sorting a million entries in memory instead of in files.
        connection.pragma_update(None, "cache_size", -settings::SEALING_CACHE_KIB)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        // First: the indexes take the pages that this gives back.
        sums.add_up(&connection)?;
        connection.execute_batch(schema::INDEXES)?;
        connection.execute("UPDATE part SET sealed = 1", [])?;
        connection.execute_batch("COMMIT")?;
        settings::fold(&connection)
    }
}

fn extent(connection: &Connection) -> Result<Extent, StoreError> {
    let sql =
        "SELECT coalesce(max(last_id), 0), coalesce(min(first_s), 0), coalesce(max(last_s), 0)
               FROM run";
    Ok(connection.query_row(sql, [], |row| {
        Ok(Extent { events: row.get(0)?, first_s: row.get(1)?, last_s: row.get(2)? })
    })?)
}

struct Into<'p> {
    connection: &'p Connection,
    dictionaries: &'p mut Dictionaries,
    sums: &'p mut Sums,
    extent: &'p mut Extent,
    run: &'p mut Option<Run>,
}

fn insert_event(
    into: Into<'_>,
    insert: &mut CachedStatement<'_>,
    event: &NewEvent,
    id: RowId,
) -> Result<(), StoreError> {
    let NewEvent { kind, facts, hits, detail_reduced: _, deed: _, then, now } = event;
    let Facts {
        origin,
        index,
        rule: _,
        target,
        hit_target,
        response: _,
        span,
        imported: _,
        other_candidates: _,
        before_act,
        covered_by,
    } = facts;
    let Into { connection, dictionaries, sums, extent, run: open } = into;
    let generation = dictionaries.generation(connection, origin)?;
    let rule = dictionaries.rule(connection, generation, facts)?;
    let hit = dictionaries.target(connection, hit_target.as_ref())?;
    let shape = dictionaries.shape(connection, event)?;
    let then_verdict = dictionaries.verdicts.row(connection, then, target.as_ref(), *span)?;
    // Both are mostly one answer, at one size of the register.
    let now_verdict = match now == then {
        true => then_verdict,
        false => dictionaries.verdicts.row(connection, now, target.as_ref(), *span)?,
    };
    let run = match open {
        Some(run) if run.takes(facts, generation, then.register_size, id) => run,
        _ => {
            if let Some(ended) = open.take() {
                ended.insert(connection)?;
            }
            open.insert(Run {
                first_id: id,
                last_id: id,
                generation,
                first_leaf: *index,
                covered_by: *covered_by,
                register_size: then.register_size,
                before_act: *before_act,
                clock_error_s: span.clock_error_s,
                first_s: span.last_s,
                last_s: span.last_s,
            })
        }
    };
    run.last_id = id;
    run.first_s = run.first_s.min(span.last_s);
    run.last_s = run.last_s.max(span.last_s);
    extent.first_s = if id == 1 { span.last_s } else { extent.first_s.min(span.last_s) };
    extent.last_s = if id == 1 { span.last_s } else { extent.last_s.max(span.last_s) };
    let answer = dictionaries.verdicts.answer_of(now_verdict)?;
    let is_notable = answer.is_notable;
    insert.execute(params![
        id,
        rule.id,
        hit,
        shape,
        number(*hits),
        span.last_s.saturating_sub(span.first_s),
        span.last_s,
        is_notable,
        then_verdict,
        (now_verdict != then_verdict).then_some(now_verdict),
    ])?;
    match kind {
        EventKind::Activity | EventKind::Installed | EventKind::Deed if is_notable => {
            sums.add_to_rule(rule.id, answer.answer, number(*hits), span.first_s, span.last_s, id);
        }
        EventKind::Activity | EventKind::Installed | EventKind::Removed | EventKind::Deed => {}
    }
    if *kind == EventKind::Activity {
        sums.add_to_hour(Hour::of(span.last_s, rule.technique, answer), number(*hits));
    }
    Ok(())
}

impl Run {
    fn takes(&self, facts: &Facts, generation: RowId, register_size: u64, id: RowId) -> bool {
        let before = id.saturating_sub(self.first_id).unsigned_abs();
        self.generation == generation
            && self.covered_by == facts.covered_by
            && self.register_size == register_size
            && self.before_act == facts.before_act
            && self.clock_error_s == facts.span.clock_error_s
            && self.first_leaf.checked_add(before) == Some(facts.index)
    }

    fn insert(&self, connection: &Connection) -> Result<(), StoreError> {
        let Self {
            first_id,
            last_id,
            generation,
            first_leaf,
            covered_by,
            register_size,
            before_act,
            clock_error_s,
            first_s,
            last_s,
        } = self;
        connection
            .prepare_cached("INSERT INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                first_id,
                last_id,
                generation,
                number(*first_leaf),
                number(*covered_by),
                number(*register_size),
                before_act.map(number),
                clock_error_s,
                first_s,
                last_s
            ])?;
        Ok(())
    }
}
