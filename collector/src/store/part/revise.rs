//! Judging the events of a partition again, as far as a change can reach them.
//!
//! What a change can reach is a set of rules (a verdict depends on the rule, its target, its claims, its
//! node, and the time), each with a time before which nothing changed. A step takes rules in the order
//! of their rows until it has judged enough events, and writes what changed, the sums, and how far it
//! came, in one transaction of the partition; cut off anywhere, the next step goes on from there.
//! Nothing is taken back: an event keeps its first verdict through the first revision's `before`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use prost::Message;
use register::{
    Claim, NodeId, Selected, Selector, Target, assessment::CLOCK_ERROR_UNSYNCED_S,
    change::TargetSet,
};
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, params};
use tlog::{Hash, leaf_hash};

use super::{
    columns::{self, Read},
    dictionary::{AnswerOf, RowId, Verdicts, each, target_from},
    search::{In, touching},
    sums::Hour,
    words::Words,
};
use crate::store::{
    EventId, EventKind, Job, JudgeNow, StoreError, StoredEvent,
    archive::ArchiveFile,
    columns::unsigned,
    dictionary::number,
    settings::{self, Durability},
};

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Step {
    /// Of all steps of the job in here.
    pub(in crate::store) examined: u64,
    pub(in crate::store) revised: u64,
    /// Of this step alone.
    pub(in crate::store) judged: u64,
    pub(in crate::store) is_done: bool,
}

/// A sealed partition that is written to once more; of an archived one, what is left beside its events.
pub(in crate::store) struct File {
    connection: Connection,
    verdicts: Verdicts,
    archive: Option<Arc<ArchiveFile>>,
}

impl File {
    pub(in crate::store) fn open(
        path: &Path,
        archive: Option<Arc<ArchiveFile>>,
    ) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        settings::for_writing(&connection, Durability::Full)?;
        let verdicts = Verdicts::load(&connection)?;
        Ok(Self { connection, verdicts, archive })
    }

    pub(in crate::store) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(in crate::store) fn step(
        &mut self,
        part: i64,
        job: (&Job, &Reach),
        judge: &JudgeNow<'_>,
        events_max: u64,
    ) -> Result<Step, StoreError> {
        let archive = self.archive.as_deref();
        let here = In { connection: &self.connection, part, is_sealed: true, archive };
        step(here, &mut self.verdicts, job, judge, events_max)
    }

    /// Leaves one file without a log.
    pub(in crate::store) fn close(self) -> Result<(), StoreError> {
        settings::fold(&self.connection)
    }
}

/// The rules that a job can reach, by row, each with the time before which it changes nothing.
pub(in crate::store) type Reach = BTreeMap<RowId, i64>;

pub(in crate::store) fn reach(
    connection: &Connection,
    job: &Job,
    is_sealed: bool,
) -> Result<Reach, StoreError> {
    let mut reach = Reach::new();
    let mut add = |rules: HashSet<RowId>, since_s: i64| {
        for rule in rules {
            let known = reach.entry(rule).or_insert(since_s);
            *known = (*known).min(since_s);
        }
    };
    let rules =
        |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<HashSet<RowId>, StoreError> {
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement.query_map(values, |row| row.get(0))?;
            Ok(found.collect::<Result<_, _>>()?)
        };
    const OF_NODE: &str = "SELECT rule.id FROM rule
        JOIN generation ON generation.id = rule.generation WHERE node = ?1";
    let node = |node: &NodeId| node.as_str().to_owned();
    let claim = |claim: &Claim| claim.to_string();
    let named = |selector: &&Selector| matches!(selector.selected, Selected::Target(_));
    let look_up = is_sealed && job.selectors.iter().filter(named).count() <= LOOK_UPS_MAX;
    let mut targets = TargetSet::default();
    for Selector { selected, since_s } in &job.selectors {
        let found = match selected {
            Selected::Everything => rules("SELECT id FROM rule", &[])?,
            Selected::Target(target) if look_up => {
                let mut found = HashSet::new();
                for target in touching(connection, target, true)? {
                    found.extend(rules("SELECT id FROM rule WHERE target = ?1", &[&target])?);
                }
                found
            }
            Selected::Target(target) => {
                targets.insert(target, *since_s);
                continue;
            }
            Selected::Claim(of) => rules(
                "SELECT rule.id FROM rule JOIN form_claim ON form_claim.form = rule.form
                 WHERE claim = ?1",
                &[&claim(of)],
            )?,
            // '@' ends the list's id, and 'A' comes next after it.
            Selected::List(id) => rules(
                "SELECT rule.id FROM rule JOIN form_claim ON form_claim.form = rule.form
                 WHERE claim >= 'list:' || ?1 || '@' AND claim < 'list:' || ?1 || 'A'",
                &[&id.as_str()],
            )?,
            Selected::Rule { node: of, number } => {
                rules(&format!("{OF_NODE} AND number = ?2"), &[&node(of), &number.cast_signed()])?
            }
            Selected::RulesClaiming { node: of, claim: by } => rules(
                &format!("{OF_NODE} AND form IN (SELECT form FROM form_claim WHERE claim = ?2)"),
                &[&node(of), &claim(by)],
            )?,
            Selected::Node(of) => rules(OF_NODE, &[&node(of)])?,
        };
        add(found, *since_s);
    }
    if targets.count() > 0 {
        let mut since = HashMap::new();
        each(connection, "SELECT id, kind, key, value FROM target", |row| {
            let held = target_from(row.get(1)?, row.get(2)?, row.get(3)?);
            let held = Target::from_wire(&held).ok();
            if let Some(since_s) = held.and_then(|held| targets.since(&held)) {
                since.insert(row.get::<_, RowId>(0)?, since_s);
            }
            Ok(())
        })?;
        each(connection, "SELECT id, target FROM rule", |row| {
            if let Some(since_s) = since.get(&row.get(1)?) {
                add(HashSet::from([row.get(0)?]), *since_s);
            }
            Ok(())
        })?;
    }
    Ok(reach)
}

/// More targets are compared with each of the partition, in one pass.
const LOOK_UPS_MAX: usize = 64;

/// Judges again, from where the last step ended, about `events_max` events.
pub(super) fn step(
    here: In<'_>,
    verdicts: &mut Verdicts,
    (job, reach): (&Job, &Reach),
    judge: &JudgeNow<'_>,
    events_max: u64,
) -> Result<Step, StoreError> {
    let connection = here.connection;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let (mut cursor, mut step) = standing(connection, job.log_size)?;
    if step.is_done {
        connection.execute_batch("ROLLBACK")?;
        return Ok(step);
    }
    let mut work = Work { here, verdicts, job, judge, hours: HashMap::new() };
    let rest = reach.range(cursor.saturating_add(1)..);
    let has_index = here.is_sealed && here.archive.is_none();
    let by_rule = if has_index { None } else { Some(work.rows_by_rule(rest.clone(), events_max)?) };
    let mut examined = 0;
    step.is_done = true;
    for (rule, since_s) in rest {
        if examined >= events_max {
            step.is_done = false;
            break;
        }
        let rows = match &by_rule {
            None => None,
            Some(by_rule) => match by_rule.get(rule) {
                Some(rows) => Some(rows.as_slice()),
                None => {
                    step.is_done = false;
                    break;
                }
            },
        };
        let (judged, revised) = work.rule(*rule, *since_s, rows)?;
        examined += judged;
        step.revised += revised;
        cursor = *rule;
    }
    step.judged = examined;
    step.examined += examined;
    work.write_hours()?;
    connection.prepare_cached("INSERT OR REPLACE INTO job VALUES (?1, ?2, ?3, ?4)")?.execute(
        params![
            number(job.log_size),
            (!step.is_done).then_some(cursor),
            number(step.examined),
            number(step.revised)
        ],
    )?;
    // Commit point of the step.
    connection.execute_batch("COMMIT")?;
    Ok(step)
}

/// How far a job has come in a partition, and what it did there.
fn standing(connection: &Connection, log_size: u64) -> Result<(RowId, Step), StoreError> {
    let found = connection
        .prepare_cached("SELECT cursor, examined, revised FROM job WHERE log_size = ?1")?
        .query_row([number(log_size)], |row| {
            let cursor: Option<RowId> = row.get(0)?;
            let step = Step {
                examined: unsigned(row.get(1)?),
                revised: unsigned(row.get(2)?),
                judged: 0,
                is_done: cursor.is_none(),
            };
            Ok((cursor.unwrap_or(0), step))
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

struct Work<'w> {
    here: In<'w>,
    verdicts: &'w mut Verdicts,
    job: &'w Job,
    judge: &'w JudgeNow<'w>,
    /// What is added to events and hits.
    hours: HashMap<Hour, (i64, i64)>,
}

impl Work<'_> {
    /// Where no index tells, read through: the rows of these rules, until there are enough.
    fn rows_by_rule<'r>(
        &self,
        rules: impl Iterator<Item = (&'r RowId, &'r i64)>,
        events_max: u64,
    ) -> Result<HashMap<RowId, Vec<RowId>>, StoreError> {
        let mut events: Vec<(RowId, RowId)> = Vec::new();
        match self.here.archive {
            Some(archive) => events = archive.rules()?,
            None => each(self.here.connection, "SELECT id, rule FROM ev", |row| {
                events.push((row.get(0)?, row.get(1)?));
                Ok(())
            })?,
        }
        let mut counts: HashMap<RowId, u64> = HashMap::new();
        for (_, rule) in &events {
            let count = counts.entry(*rule).or_default();
            *count = count.saturating_add(1);
        }
        // It ends at a rule's end.
        let mut by_rule = HashMap::new();
        let mut sum: u64 = 0;
        for (rule, _) in rules {
            if sum >= events_max {
                break;
            }
            sum = sum.saturating_add(counts.get(rule).copied().unwrap_or(0));
            by_rule.insert(*rule, Vec::new());
        }
        for (event, rule) in events {
            if let Some(rows) = by_rule.get_mut(&rule) {
                rows.push(event);
            }
        }
        Ok(by_rule)
    }

    /// Judges the events of one rule again. How many were judged, how many came out otherwise.
    fn rule(
        &mut self,
        rule: RowId,
        since_s: i64,
        rows: Option<&[RowId]>,
    ) -> Result<(u64, u64), StoreError> {
        let mut changed: Vec<(RowId, RowId, RowId)> = Vec::new();
        let mut judged: u64 = 0;
        let since_s = since_s.saturating_sub(i64::from(CLOCK_ERROR_UNSYNCED_S));
        let Self { here, verdicts, job, judge, hours } = self;
        let In { connection, part, .. } = *here;
        let mut look = |read: Read| -> Result<(), StoreError> {
            let Read { event, kind, now: before, register_size: _ } = read;
            // What came later was judged by it at once.
            if event.facts.covered_by >= job.log_size || event.facts.span.last_s < since_s {
                return Ok(());
            }
            judged = judged.saturating_add(1);
            let verdict = judge(&event.facts);
            let facts = &event.facts;
            let after = verdicts.row(connection, &verdict, facts.target.as_ref(), facts.span)?;
            if after == before {
                return Ok(());
            }
            let (_, id) = super::part_of(event.key.number);
            changed.push((id, before, after));
            if kind == EventKind::Activity {
                let hits = number(event.hits);
                for (verdict, sign) in [(before, -1), (after, 1)] {
                    let answer = verdicts.answer_of(verdict)?;
                    let hour = Hour::of(facts.span.last_s, facts.rule.technique, answer);
                    let (events, sum) = hours.entry(hour).or_default();
                    *events += sign;
                    *sum = sum.saturating_add(hits * sign);
                }
            }
            Ok(())
        };
        match rows {
            None => {
                let condition = "WHERE ev.rule = ?1 AND ev.last_s >= ?2 ORDER BY ev.id";
                columns::read(connection, part, condition, params![rule, since_s], &mut look)?;
            }
            Some(rows) => here.events(rows, &mut look)?,
        }
        if changed.is_empty() {
            return Ok((judged, 0));
        }
        let mut write = connection
            .prepare_cached("UPDATE ev SET now_verdict = ?2, notable = ?3 WHERE id = ?1")?;
        let mut keep = connection
            .prepare_cached("INSERT OR REPLACE INTO revision VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (id, before, after) in &changed {
            // What an archive holds stays as it was written; the revision below is put over it.
            if here.archive.is_none() {
                write.execute(params![id, after, verdicts.answer_of(*after)?.is_notable])?;
            }
            let (log_size, register_size) = (number(job.log_size), number(job.to_register));
            keep.execute(params![id, log_size, register_size, before, after])?;
        }
        self.write_sums(rule, rows)?;
        Ok((judged, changed.len() as u64))
    }

    /// The sums of a rule, counted anew.
    fn write_sums(&self, rule: RowId, rows: Option<&[RowId]>) -> Result<(), StoreError> {
        struct Sum {
            events: i64,
            hits: i64,
            first_s: i64,
            last_s: i64,
            newest: RowId,
        }
        let mut sums: BTreeMap<RowId, Sum> = BTreeMap::new();
        let connection = self.here.connection;
        let verdicts = &self.verdicts;
        let mut add =
            |id: RowId, kind: i64, hits: i64, first_s: i64, last_s: i64, verdict: RowId| {
                let AnswerOf { answer, is_notable, .. } = verdicts.answer_of(verdict)?;
                if EventKind::from_number(kind) == Some(EventKind::Removed) || !is_notable {
                    return Ok::<_, StoreError>(());
                }
                let none = Sum { events: 0, hits: 0, first_s, last_s, newest: id };
                let sum = sums.entry(answer).or_insert(none);
                sum.events += 1;
                sum.hits = sum.hits.saturating_add(hits);
                sum.first_s = sum.first_s.min(first_s);
                sum.last_s = sum.last_s.max(last_s);
                sum.newest = sum.newest.max(id);
                Ok(())
            };
        let mut add_row = |row: &rusqlite::Row<'_>| -> Result<(), StoreError> {
            let last_s: i64 = row.get(3)?;
            let first_s = last_s.saturating_sub(row.get(2)?);
            add(row.get(0)?, row.get(5)?, row.get(1)?, first_s, last_s, row.get(4)?)
        };
        const SELECT: &str = "SELECT ev.id, hits, span_s, last_s,
                coalesce(now_verdict, then_verdict), kind
            FROM ev CROSS JOIN shape ON shape.id = ev.shape";
        match (rows, self.here.archive) {
            (None, _) => {
                let mut statement =
                    connection.prepare_cached(&format!("{SELECT} WHERE ev.rule = ?1"))?;
                let mut rows = statement.query([rule])?;
                while let Some(row) = rows.next()? {
                    add_row(row)?;
                }
            }
            (Some(rows), None) => {
                let mut statement =
                    connection.prepare_cached(&format!("{SELECT} WHERE ev.id = ?1"))?;
                for row in rows {
                    let mut found = statement.query([row])?;
                    found.next()?.map_or(Ok(()), &mut add_row)?;
                }
            }
            (Some(rows), Some(archive)) => {
                let glances = archive.glances_of(rows)?;
                let mut newest = connection.prepare_cached(
                    "SELECT after FROM revision WHERE event = ?1 ORDER BY log_size DESC LIMIT 1",
                )?;
                for row in 0..glances.count {
                    let id = glances.event(row)?;
                    let changed = newest.query_row([id], |row| row.get(0)).optional()?;
                    let verdict = changed.map_or_else(|| glances.verdict(row), Ok)?;
                    let (first_s, last_s) = (glances.first_s(row)?, glances.last_s(row)?);
                    add(id, glances.kind(row)?, glances.hits(row)?, first_s, last_s, verdict)?;
                }
            }
        }
        connection.prepare_cached("DELETE FROM rule_sum WHERE rule = ?1")?.execute([rule])?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO rule_sum (rule, answer, events, hits, span_s, last_s, newest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for (answer, Sum { events, hits, first_s, last_s, newest }) in sums {
            let span_s = last_s.saturating_sub(first_s);
            insert.execute(params![rule, answer, events, hits, span_s, last_s, newest])?;
        }
        Ok(())
    }

    fn write_hours(&mut self) -> Result<(), StoreError> {
        let mut write = self.here.connection.prepare_cached(
            "INSERT INTO hour_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (hour, technique, code, reason) DO UPDATE SET
                 events = events + excluded.events, hits = max(0, hits + excluded.hits)",
        )?;
        for (Hour { hour, technique, code, reason }, (events, hits)) in self.hours.drain() {
            write.execute(params![hour, technique, code, reason, events, hits])?;
        }
        Ok(())
    }
}

/// The leaves of a job's tree of changed verdicts (`v1::Revision`), in the order of the events.
pub(in crate::store) fn leaves(
    here: In<'_>,
    job: (u64, u64, u64),
    tell: &mut dyn FnMut(Hash),
) -> Result<(), StoreError> {
    let connection = here.connection;
    let (log_size, from_register, to_register) = job;
    let mut stored = connection.prepare_cached("SELECT verdict FROM verdict WHERE id = ?1")?;
    let mut verdict = |row: RowId| -> Result<v1::Verdict, StoreError> {
        let bytes: Vec<u8> = stored.query_row([row], |row| row.get(0))?;
        crate::store::columns::decode(&bytes, "verdict.verdict")
    };
    let mut changed = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT event, before, after FROM revision WHERE log_size = ?1 ORDER BY event",
    )?;
    let mut rows = statement.query([number(log_size)])?;
    while let Some(row) = rows.next()? {
        changed.push((row.get(0)?, row.get(1)?, row.get(2)?));
    }
    for (event, before, after) in changed {
        let Some(Read { event, .. }) = here.event(event)? else {
            return Err(StoreError::Damaged { what: "revision.event" });
        };
        let words = Words::of(event.facts.target.as_ref(), event.facts.span);
        let revision = v1::Revision {
            event: EventId::new(&event.facts.origin, event.facts.index).to_string(),
            before: Some(words.put_back(verdict(before)?, from_register)),
            after: Some(words.put_back(verdict(after)?, to_register)),
        };
        tell(leaf_hash(&revision.encode_to_vec()));
    }
    Ok(())
}

/// The verdict on an event as it was known at a size of the log; `None`: none came since, and it is the one
/// that the event has now.
pub(in crate::store) fn known_at(
    connection: &Connection,
    row: RowId,
    event: &StoredEvent,
    log_size: u64,
) -> Result<Option<v1::Verdict>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT verdict FROM revision JOIN verdict ON verdict.id = before
         WHERE event = ?1 AND log_size > ?2 ORDER BY log_size LIMIT 1",
    )?;
    let found: Option<Vec<u8>> =
        statement.query_row([row, number(log_size)], |row| row.get(0)).optional()?;
    let Some(bytes) = found else { return Ok(None) };
    let shared = crate::store::columns::decode(&bytes, "verdict.verdict")?;
    let words = Words::of(event.facts.target.as_ref(), event.facts.span);
    Ok(Some(words.put_back(shared, event.now.register_size)))
}

/// All verdicts of one event: as known then, as known now when it came, and each change since.
pub(in crate::store) fn history(
    here: In<'_>,
    event: &EventId,
) -> Result<Option<Vec<(bool, v1::Verdict)>>, StoreError> {
    let connection = here.connection;
    let row: Option<RowId> = connection
        .prepare_cached(
            "SELECT first_id + ?3 - first_leaf FROM generation
             JOIN run ON run.generation = generation.id
             WHERE node = ?1 AND generation.generation = ?2
                 AND ?3 BETWEEN first_leaf AND first_leaf + last_id - first_id",
        )?
        .query_row(params![event.node, event.generation, number(event.index)], |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let Some(Read { event, now, register_size, .. }) = here.event(row)? else {
        return Ok(None);
    };
    let mut revisions = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT before, after, register_size FROM revision WHERE event = ?1 ORDER BY log_size",
    )?;
    let mut rows = statement.query([row])?;
    while let Some(row) = rows.next()? {
        let revision: (RowId, RowId, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        revisions.push(revision);
    }
    let first = revisions.first().map_or(now, |(before, _, _)| *before);
    let words = Words::of(event.facts.target.as_ref(), event.facts.span);
    let mut stored = connection.prepare_cached("SELECT verdict FROM verdict WHERE id = ?1")?;
    let mut verdict = |row: RowId, register_size: u64| -> Result<v1::Verdict, StoreError> {
        let bytes: Vec<u8> = stored.query_row([row], |row| row.get(0))?;
        let shared = crate::store::columns::decode(&bytes, "verdict.verdict")?;
        Ok(words.put_back(shared, register_size))
    };
    let mut history = vec![(true, event.then.clone()), (false, verdict(first, register_size)?)];
    for (_, after, register_size) in revisions {
        history.push((false, verdict(after, unsigned(register_size))?));
    }
    Ok(Some(history))
}
