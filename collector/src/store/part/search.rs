//! Questions to one partition: which of its events are wanted, and in what order.
//!
//! The words of a question become numbers first: of rules, targets and verdicts in this partition.
//! Then there are three ways through the events. If a target is named, by the rules that have it; if
//! only events are wanted that are not plainly authorised ([`is_notable`]), by those; else run by run, from the one
//! with the newest hit down, until no run can add to the page. An open partition has only the last.
//!
//! What was known at a size of the log ([`EventQuery::known_at`]) is a beginning of the rows, because they
//! are in the order of the log, with other verdicts where one changed since.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use register::{
    Relation, Target, relation,
    target::{Near, near},
};
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    columns::{self, Read},
    dictionary::{RowId, each, is_notable, target_from},
    event_number,
    words::Words,
};
use crate::store::{
    Added, EventKey, EventKind, EventQuery, RuleId, StoreError,
    archive::{ArchiveFile, joined, whole},
    columns::decode,
    dictionary::{json, number},
};

/// Where an event stands in a list: newest hit first.
pub(in crate::store) type Place = (i64, RowId);

/// One partition that a question is put to.
#[derive(Clone, Copy)]
pub(in crate::store) struct In<'c> {
    pub(in crate::store) connection: &'c Connection,
    pub(in crate::store) part: i64,
    pub(in crate::store) is_sealed: bool,
    /// Its events are there, and the connection is that of what is left beside them.
    pub(in crate::store) archive: Option<&'c ArchiveFile>,
}

/// Sums of one rule's events with one code.
pub(in crate::store) struct PartGroup {
    pub(in crate::store) rule: RuleId,
    pub(in crate::store) code: i32,
    /// Why it is UNDETERMINED: what is asked for by a reason must not be hidden by a newer one.
    pub(in crate::store) reason: i32,
    pub(in crate::store) added: Added,
    pub(in crate::store) hits: u64,
    pub(in crate::store) first_s: i64,
    pub(in crate::store) last_s: i64,
    pub(in crate::store) newest: RowId,
}

/// A question in the numbers of a partition. `None`: any.
struct Wanted {
    since_s: i64,
    until_s: i64,
    shapes: HashSet<RowId>,
    /// Of the nodes, with the techniques.
    rules: Option<HashSet<RowId>>,
    target: Option<OfTarget>,
    verdicts: Option<HashSet<RowId>>,
    answers: Option<HashSet<RowId>>,
    /// Some verdicts of these answers are wanted and others are not, by what else fails: no sum tells them apart.
    is_by_verdict: bool,
    request: Option<OfRequest>,
    /// The question is about what was known once: events up to this one.
    last_id: Option<RowId>,
    /// Verdicts of events that have others where they are read.
    verdicts_of: HashMap<RowId, RowId>,
    way: Way,
}

struct OfTarget {
    near: Near,
    targets: HashSet<RowId>,
    rules: HashSet<RowId>,
}

/// Claimed, or speaking.
struct OfRequest {
    rules: HashSet<RowId>,
    verdicts: HashSet<RowId>,
    answers: HashSet<RowId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ByTarget,
    Notable,
    Through,
}

/// What is looked at of an event before it is wanted.
struct Glance {
    id: RowId,
    rule: RowId,
    hit: Option<RowId>,
    shape: RowId,
    last_s: i64,
    verdict: RowId,
}

const GLANCE: &str = "id, rule, hit, shape, last_s, coalesce(now_verdict, then_verdict)";

impl Glance {
    fn from(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get(0)?,
            rule: row.get(1)?,
            hit: row.get(2)?,
            shape: row.get(3)?,
            last_s: row.get(4)?,
            verdict: row.get(5)?,
        })
    }
}

impl In<'_> {
    /// The next events of a list, at most `count_max`, newest hit first; `floor`: as many newer ones
    /// are known already.
    pub(in crate::store) fn page(
        self,
        query: &EventQuery,
        after: Option<&EventKey>,
        count_max: usize,
        floor: Option<i64>,
    ) -> Result<Vec<Place>, StoreError> {
        let Some(mut wanted) = self.wanted(query)? else { return Ok(Vec::new()) };
        if let Some(after) = after {
            wanted.until_s = wanted.until_s.min(after.last_s.saturating_add(1));
        }
        wanted.since_s = wanted.since_s.max(floor.unwrap_or(i64::MIN));
        let comes_after = |glance: &Glance| {
            after.is_none_or(|EventKey { last_s, number }| {
                (glance.last_s, event_number(self.part, glance.id)) < (*last_s, *number)
            })
        };
        let mut newest: BinaryHeap<Reverse<Place>> = BinaryHeap::new();
        let mut seen = HashSet::new();
        let mut take = |glance: &Glance| {
            if !wanted.takes(glance) || !comes_after(glance) {
                return Took::Nothing;
            }
            // By its rule and by its hit.
            if wanted.way == Way::ByTarget && !seen.insert(glance.id) {
                return Took::Nothing;
            }
            newest.push(Reverse((glance.last_s, glance.id)));
            if newest.len() > count_max {
                newest.pop();
            }
            let full = newest.len() >= count_max;
            Took::One { oldest_s: newest.peek().filter(|_| full).map(|Reverse((s, _))| *s) }
        };
        self.walk(&wanted, &mut take)?;
        let mut found: Vec<Place> = newest.into_iter().map(|Reverse(place)| place).collect();
        found.sort_unstable_by_key(|place| Reverse(*place));
        Ok(found)
    }

    /// Wanted events that are notable, by rule, code and what is added. `whole`: the question is about all of the partition's time.
    pub(in crate::store) fn groups(
        self,
        query: &EventQuery,
        whole: bool,
    ) -> Result<Vec<PartGroup>, StoreError> {
        let Some(mut wanted) = self.wanted(query)? else { return Ok(Vec::new()) };
        if self.is_sealed && wanted.way == Way::Through && wanted.last_id.is_none() {
            wanted.way = Way::Notable;
        }
        let mut sums = Sums::new();
        let by_sums = wanted.target.is_none() && !wanted.is_by_verdict && wanted.last_id.is_none();
        if whole && by_sums {
            self.sums(&wanted, &mut sums)?;
        } else {
            self.counted(&wanted, &mut sums)?;
        }
        let mut named = self.connection.prepare_cached(
            "SELECT node, generation.generation, number FROM rule
             JOIN generation ON generation.id = rule.generation WHERE rule.id = ?1",
        )?;
        let mut groups = Vec::with_capacity(sums.len());
        for ((rule, code, reason, added), Sum { hits, first_s, last_s, newest }) in sums {
            let rule = named.query_row([rule], |row| {
                let number: i64 = row.get(2)?;
                let (node, generation) = (row.get(0)?, row.get(1)?);
                Ok(RuleId { node, generation, number: number.cast_unsigned() })
            })?;
            groups.push(PartGroup { rule, code, reason, added, hits, first_s, last_s, newest });
        }
        Ok(groups)
    }

    fn sums(self, wanted: &Wanted, sums: &mut Sums) -> Result<(), StoreError> {
        let sql = "SELECT rule, answer, code, reason, added, hits, last_s - span_s, last_s, newest
                   FROM (SELECT * FROM rule_sum UNION ALL SELECT * FROM sum_run) AS told
                   CROSS JOIN answer ON answer.id = told.answer WHERE events > 0";
        each(self.connection, sql, |row| {
            let (rule, answer): (RowId, RowId) = (row.get(0)?, row.get(1)?);
            if wanted.takes_sum(rule, answer) {
                let key = (rule, row.get(2)?, row.get(3)?, Added(row.get(4)?));
                let hits = row.get::<_, i64>(5)?.cast_unsigned();
                let more =
                    Sum { hits, first_s: row.get(6)?, last_s: row.get(7)?, newest: row.get(8)? };
                sums.entry(key).and_modify(|sum| sum.add(more)).or_insert(more);
            }
            Ok(())
        })
    }

    fn counted(self, wanted: &Wanted, sums: &mut Sums) -> Result<(), StoreError> {
        let mut answers: HashMap<RowId, (i32, i32, Added)> = HashMap::new();
        let sql =
            "SELECT verdict.id, code, reason, added FROM verdict JOIN answer ON answer.id = answer
                   WHERE notable = 1";
        each(self.connection, sql, |row| {
            answers.insert(row.get(0)?, (row.get(1)?, row.get(2)?, Added(row.get(3)?)));
            Ok(())
        })?;
        let mut taken = Vec::new();
        let mut seen = HashSet::new();
        let mut take = |glance: &Glance| {
            if let Some((code, reason, added)) = answers.get(&glance.verdict)
                && wanted.takes(glance)
                && (wanted.way != Way::ByTarget || seen.insert(glance.id))
            {
                taken.push((glance.id, (glance.rule, *code, *reason, *added)));
            }
            Took::Nothing
        };
        self.walk(wanted, &mut take)?;
        if let Some(archive) = self.archive {
            let ids: Vec<RowId> = taken.iter().map(|(id, _)| *id).collect();
            let of: HashMap<RowId, SumOf> = taken.into_iter().collect();
            let glances = archive.glances_of(&ids)?;
            for row in 0..glances.count {
                let newest = glances.event(row)?;
                let Some(key) = of.get(&newest) else { continue };
                let hits = glances.hits(row)?.cast_unsigned();
                let more = Sum {
                    hits,
                    first_s: glances.first_s(row)?,
                    last_s: glances.last_s(row)?,
                    newest,
                };
                sums.entry(*key).and_modify(|sum| sum.add(more)).or_insert(more);
            }
            return Ok(());
        }
        let mut rest = self
            .connection
            .prepare_cached("SELECT hits, last_s - span_s, last_s FROM ev WHERE id = ?1")?;
        for (id, key) in taken {
            let more = rest.query_row([id], |row| {
                let hits = row.get::<_, i64>(0)?.cast_unsigned();
                Ok(Sum { hits, first_s: row.get(1)?, last_s: row.get(2)?, newest: id })
            })?;
            sums.entry(key).and_modify(|sum| sum.add(more)).or_insert(more);
        }
        Ok(())
    }

    /// Shows events, in no order that matters, until the page is full and nothing newer can come.
    fn walk(
        self,
        wanted: &Wanted,
        take: &mut dyn FnMut(&Glance) -> Took,
    ) -> Result<(), StoreError> {
        if let Some(archive) = self.archive {
            return walk_archive(archive, wanted, take);
        }
        let (since_s, until_s) = (wanted.since_s, wanted.until_s);
        match (wanted.way, &wanted.target) {
            (Way::ByTarget, Some(OfTarget { near: _, targets, rules })) => {
                for (column, numbers) in [("rule", rules), ("hit", targets)] {
                    let sql = format!(
                        "SELECT {GLANCE} FROM ev WHERE {column} = ?1 AND last_s >= ?2 AND last_s < ?3"
                    );
                    let mut statement = self.connection.prepare_cached(&sql)?;
                    for of in numbers {
                        let mut rows = statement.query(params![of, since_s, until_s])?;
                        while let Some(row) = rows.next()? {
                            take(&wanted.glance(row)?);
                        }
                    }
                }
            }
            (Way::Notable, _) => {
                let sql = format!(
                    "SELECT {GLANCE} FROM ev WHERE notable = 1 AND last_s >= ?1 AND last_s < ?2
                     ORDER BY last_s DESC, id DESC"
                );
                let mut statement = self.connection.prepare_cached(&sql)?;
                let mut rows = statement.query(params![since_s, until_s])?;
                while let Some(row) = rows.next()? {
                    // In order: what fills the page ends it.
                    if let Took::One { oldest_s: Some(_) } = take(&wanted.glance(row)?) {
                        break;
                    }
                }
            }
            (Way::Through | Way::ByTarget, _) => {
                let mut runs = self.connection.prepare_cached(
                    "SELECT first_id, last_id, last_s FROM run WHERE last_s >= ?1 AND first_s < ?2
                     ORDER BY last_s DESC",
                )?;
                let sql = format!("SELECT {GLANCE} FROM ev WHERE id BETWEEN ?1 AND ?2");
                let mut events = self.connection.prepare_cached(&sql)?;
                let mut runs = runs.query(params![since_s, until_s])?;
                let mut oldest_s = None;
                while let Some(run) = runs.next()? {
                    if oldest_s.is_some_and(|oldest_s| {
                        run.get_ref(2).is_ok_and(|newest| {
                            newest.as_i64().is_ok_and(|newest_s| newest_s < oldest_s)
                        })
                    }) {
                        break;
                    }
                    let (first, last): (RowId, RowId) = (run.get(0)?, run.get(1)?);
                    let mut rows = events.query([first, last])?;
                    while let Some(row) = rows.next()? {
                        if let Took::One { oldest_s: Some(known) } = take(&wanted.glance(row)?) {
                            oldest_s = Some(known);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// `None`: there is nothing in here that could be wanted.
    fn wanted(self, query: &EventQuery) -> Result<Option<Wanted>, StoreError> {
        let EventQuery {
            known_at,
            since_s,
            until_s,
            nodes,
            target,
            techniques,
            requests,
            speaking,
            codes,
            with_changes,
        } = query;
        let mut wanted = Wanted {
            since_s: if *since_s == 0 { i64::MIN } else { *since_s },
            until_s: if *until_s == 0 { i64::MAX } else { *until_s },
            shapes: HashSet::new(),
            rules: None,
            target: None,
            verdicts: None,
            answers: None,
            is_by_verdict: false,
            request: None,
            last_id: known_at.map(|log_size| self.last_id(log_size)).transpose()?,
            verdicts_of: self.verdicts_of(*known_at)?,
            way: Way::Through,
        };
        if wanted.last_id == Some(0) {
            return Ok(None);
        }
        let kinds: &[EventKind] = match with_changes {
            true => &[EventKind::Activity, EventKind::Installed, EventKind::Deed],
            false => &[EventKind::Activity, EventKind::Deed],
        };
        let kinds: Vec<i64> = kinds.iter().map(|kind| *kind as i64).collect();
        wanted.shapes = self.numbers(
            "SELECT id FROM shape WHERE kind IN (SELECT value FROM json_each(?1))",
            &json(&kinds),
        )?;
        if !codes.is_empty() || speaking.is_some() {
            let (mut answers, mut verdicts) = (HashSet::new(), HashSet::new());
            let mut others: HashSet<RowId> = HashSet::new();
            let sql = "SELECT verdict.id, answer.id, code, request, verdict.verdict FROM verdict
                       JOIN answer ON answer.id = answer";
            each(self.connection, sql, |row| {
                let (code, request): (i32, String) = (row.get(2)?, row.get(3)?);
                let speaks = speaking.as_ref().is_none_or(|ids| ids.contains(&request));
                let is_code = codes.is_empty() || codes.contains(&code);
                // Of dictionaries every verdict is read once, of events none.
                let fails = || match request.is_empty() || !is_notable(code, false) {
                    true => Ok(false),
                    false => fails_besides(&row.get::<_, Vec<u8>>(4)?, codes),
                };
                if speaks && (is_code || fails()?) {
                    verdicts.insert(row.get(0)?);
                    answers.insert(row.get(1)?);
                } else {
                    others.insert(row.get(1)?);
                }
                Ok(())
            })?;
            wanted.is_by_verdict = !answers.is_disjoint(&others);
            if verdicts.is_empty() {
                return Ok(None);
            }
            (wanted.answers, wanted.verdicts) = (Some(answers), Some(verdicts));
        }
        if !nodes.is_empty() || !techniques.is_empty() {
            let of_node =
                "SELECT rule.id FROM rule JOIN generation ON generation.id = rule.generation
                           WHERE node IN (SELECT value FROM json_each(?1))";
            let of_technique = "SELECT rule.id FROM rule JOIN form ON form.id = form
                                WHERE technique IN (SELECT value FROM json_each(?1))";
            let rules = match (nodes.is_empty(), techniques.is_empty()) {
                (false, true) => self.numbers(of_node, &json(nodes))?,
                (true, _) => self.numbers(of_technique, &json(techniques))?,
                (false, false) => {
                    let with = self.numbers(of_technique, &json(techniques))?;
                    let mut rules = self.numbers(of_node, &json(nodes))?;
                    rules.retain(|rule| with.contains(rule));
                    rules
                }
            };
            if rules.is_empty() {
                return Ok(None);
            }
            wanted.rules = Some(rules);
        }
        if !requests.is_empty() {
            let list = json(requests);
            wanted.request = Some(OfRequest {
                rules: self.numbers(
                    "SELECT rule.id FROM rule JOIN form_claim ON form_claim.form = rule.form
                     WHERE claim IN (SELECT value FROM json_each(?1))",
                    &list,
                )?,
                verdicts: self.numbers(
                    "SELECT verdict.id FROM verdict JOIN answer ON answer.id = answer
                     WHERE request IN (SELECT value FROM json_each(?1))",
                    &list,
                )?,
                answers: self.numbers(
                    "SELECT id FROM answer WHERE request IN (SELECT value FROM json_each(?1))",
                    &list,
                )?,
            });
        }
        if let Some(target) = target {
            let targets = touching(self.connection, target, self.is_sealed)?;
            if targets.is_empty() {
                return Ok(None);
            }
            let rules = self.numbers(
                "SELECT id FROM rule WHERE target IN (SELECT value FROM json_each(?1))",
                &json(&targets.iter().collect::<Vec<_>>()),
            )?;
            wanted.target = Some(OfTarget { near: near(target), targets, rules });
        }
        let notable = !codes.is_empty() && codes.iter().all(|code| is_notable(*code, false));
        wanted.way = match self.is_sealed {
            true if wanted.target.is_some() => Way::ByTarget,
            true if notable && wanted.last_id.is_none() => Way::Notable,
            _ => Way::Through,
        };
        Ok(Some(wanted))
    }

    /// The last event that a head below a size of the log covers; 0: none.
    fn last_id(self, log_size: u64) -> Result<RowId, StoreError> {
        let sql = "SELECT coalesce(max(last_id), 0) FROM run WHERE covered_by < ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([number(log_size)], |row| row.get(0))?)
    }

    /// Verdicts as they were known, where events are not read with them: in an archive all that ever
    /// changed, else what changed since.
    fn verdicts_of(self, known_at: Option<u64>) -> Result<HashMap<RowId, RowId>, StoreError> {
        let mut found = HashMap::new();
        let sql = match (self.archive, known_at) {
            (None, None) => return Ok(found),
            (None, Some(_)) => "WHERE log_size > ?1",
            (Some(_), None | Some(_)) => "WHERE ?1 = ?1",
        };
        let known_at = number(known_at.unwrap_or(u64::MAX));
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT event, log_size, before, after FROM revision {sql} ORDER BY event, log_size DESC"
        ))?;
        let mut rows = statement.query([known_at])?;
        while let Some(row) = rows.next()? {
            let (event, log_size): (RowId, i64) = (row.get(0)?, row.get(1)?);
            // From the newest down: what was before the first that was not known yet.
            if log_size > known_at {
                found.insert(event, row.get(2)?);
            } else {
                found.entry(event).or_insert(row.get(3)?);
            }
        }
        Ok(found)
    }

    /// One event by its row.
    pub(in crate::store) fn event(self, row: RowId) -> Result<Option<Read>, StoreError> {
        let mut found = None;
        self.events(&[row], &mut |read| {
            found = Some(read);
            Ok(())
        })?;
        Ok(found)
    }

    /// Events by their rows, in no order that matters.
    pub(in crate::store) fn events(
        self,
        rows: &[RowId],
        tell: &mut dyn FnMut(Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(archive) = self.archive else {
            for row in rows {
                if let Some(read) = columns::by_row(self.connection, self.part, *row)? {
                    tell(read)?;
                }
            }
            return Ok(());
        };
        let mut newest = self.connection.prepare_cached(
            "SELECT after, verdict FROM revision JOIN verdict ON verdict.id = after
             WHERE event = ?1 ORDER BY log_size DESC LIMIT 1",
        )?;
        archive.events(self.part, rows, &mut |mut read: Read| {
            let (_, row) = super::part_of(read.event.key.number);
            let changed = newest
                .query_row([row], |row| Ok((row.get::<_, RowId>(0)?, row.get::<_, Vec<u8>>(1)?)))
                .optional()?;
            if let Some((now, bytes)) = changed {
                let facts = &read.event.facts;
                let words = Words::of(facts.target.as_ref(), facts.span);
                let shared = decode(&bytes, "verdict.verdict")?;
                read.event.now = words.put_back(shared, read.register_size);
                read.now = now;
            }
            tell(read)
        })
    }

    /// All events, in the order in which they came.
    pub(in crate::store) fn all(
        self,
        tell: &mut dyn FnMut(Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(archive) = self.archive else {
            return columns::read(self.connection, self.part, "ORDER BY ev.id", [], tell);
        };
        // The file has another order: as many at a time as may lie in memory.
        let count = RowId::try_from(archive.row_count()).unwrap_or(RowId::MAX);
        let mut from = 1;
        while from <= count {
            let until = count.min(from.saturating_add(AT_ONCE - 1));
            let mut found = Vec::new();
            self.events(&(from..=until).collect::<Vec<_>>(), &mut |read| {
                found.push(read);
                Ok(())
            })?;
            found.sort_by_key(|read| read.event.key.number);
            found.into_iter().try_for_each(&mut *tell)?;
            from = until.saturating_add(1);
        }
        Ok(())
    }

    fn numbers(self, sql: &str, list: &str) -> Result<HashSet<RowId>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_map([list], |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

/// Events of an archive that are put into their order at once.
const AT_ONCE: RowId = 50_000;

/// By the pages in which a target may lie and by the hits, or through all.
fn walk_archive(
    archive: &ArchiveFile,
    wanted: &Wanted,
    take: &mut dyn FnMut(&Glance) -> Took,
) -> Result<(), StoreError> {
    let ranges = match (wanted.way, &wanted.target) {
        (Way::ByTarget, Some(OfTarget { near, targets, rules: _ })) => {
            let mut ranges = archive.rows_near(near)?;
            ranges.extend(archive.rows_hitting(&|hit| targets.contains(&hit))?);
            joined(ranges)
        }
        (Way::ByTarget | Way::Notable | Way::Through, _) => whole(archive.row_count()),
    };
    let glances = archive.glances(&ranges)?;
    for row in 0..glances.count {
        let glance = Glance {
            id: glances.event(row)?,
            rule: glances.rule(row)?,
            hit: glances.hit(row)?,
            shape: glances.shape(row)?,
            last_s: glances.last_s(row)?,
            verdict: glances.verdict(row)?,
        };
        take(&wanted.known(glance));
    }
    Ok(())
}

/// Numbers of the targets that are not disjoint from one; of a partition, or of the catalog. Without an
/// index on the keys they are read through, once.
pub(in crate::store) fn touching(
    connection: &Connection,
    wanted: &Target,
    is_indexed: bool,
) -> Result<HashSet<RowId>, StoreError> {
    let near = near(wanted);
    let mut found = HashSet::new();
    let mut look = |rows: &mut rusqlite::Rows<'_>| -> Result<(), StoreError> {
        while let Some(row) = rows.next()? {
            let key: String = row.get(2)?;
            if let Near::In(ranges) = &near
                && !ranges.iter().any(|range| range.from <= key && key <= range.to)
            {
                continue;
            }
            let held = Target::from_wire(&target_from(row.get(1)?, key, row.get(3)?));
            if held.is_ok_and(|held| relation(wanted, &held) != Relation::Disjoint) {
                found.insert(row.get(0)?);
            }
        }
        Ok(())
    };
    let all = "SELECT id, kind, key, value FROM target";
    match &near {
        Near::In(ranges) if is_indexed => {
            let sql = format!("{all} WHERE key BETWEEN ?1 AND ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            for range in ranges {
                look(&mut statement.query([&range.from, &range.to])?)?;
            }
        }
        Near::In(_) | Near::Everywhere => {
            look(&mut connection.prepare_cached(all)?.query([])?)?;
        }
    }
    Ok(found)
}

/// Whether an event came onto the page; and once that is full, its oldest hit.
enum Took {
    Nothing,
    One { oldest_s: Option<i64> },
}

#[derive(Clone, Copy)]
struct Sum {
    hits: u64,
    first_s: i64,
    last_s: i64,
    newest: RowId,
}

/// Rule, code, reason of an open one, and what is added.
type SumOf = (RowId, i32, i32, Added);
type Sums = HashMap<SumOf, Sum>;

/// In what else the request that speaks fails is one of these.
fn fails_besides(verdict: &[u8], codes: &[i32]) -> Result<bool, StoreError> {
    let verdict: v1::Verdict = decode(verdict, "verdict.verdict")?;
    Ok(verdict.besides.iter().any(|failure| codes.contains(&failure.code)))
}

impl Sum {
    fn add(&mut self, more: Self) {
        self.hits = self.hits.saturating_add(more.hits);
        self.first_s = self.first_s.min(more.first_s);
        self.last_s = self.last_s.max(more.last_s);
        self.newest = self.newest.max(more.newest);
    }
}

impl Wanted {
    fn glance(&self, row: &Row<'_>) -> Result<Glance, StoreError> {
        Ok(self.known(Glance::from(row)?))
    }

    fn known(&self, glance: Glance) -> Glance {
        let verdict = self.verdicts_of.get(&glance.id).copied().unwrap_or(glance.verdict);
        Glance { verdict, ..glance }
    }

    fn takes(&self, event: &Glance) -> bool {
        let Self {
            since_s,
            until_s,
            shapes,
            rules,
            target,
            verdicts,
            answers: _,
            is_by_verdict: _,
            request,
            last_id,
            verdicts_of: _,
            way: _,
        } = self;
        (*since_s..*until_s).contains(&event.last_s)
            && last_id.is_none_or(|last_id| event.id <= last_id)
            && shapes.contains(&event.shape)
            && rules.as_ref().is_none_or(|rules| rules.contains(&event.rule))
            && verdicts.as_ref().is_none_or(|verdicts| verdicts.contains(&event.verdict))
            && target.as_ref().is_none_or(|OfTarget { near: _, targets, rules }| {
                rules.contains(&event.rule) || event.hit.is_some_and(|hit| targets.contains(&hit))
            })
            && request.as_ref().is_none_or(|OfRequest { rules, verdicts, answers: _ }| {
                rules.contains(&event.rule) || verdicts.contains(&event.verdict)
            })
    }

    fn takes_sum(&self, rule: RowId, answer: RowId) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.contains(&rule))
            && self.answers.as_ref().is_none_or(|answers| answers.contains(&answer))
            && self.request.as_ref().is_none_or(|OfRequest { rules, answers, verdicts: _ }| {
                rules.contains(&rule) || answers.contains(&answer)
            })
    }
}
