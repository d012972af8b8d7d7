//! Reads of one consistent state: a transaction in the catalog and one in each partition that is looked
//! into.
//!
//! Catalog and open partition are begun together; a sealed partition takes in nothing, so when it is
//! begun does not matter. SQL text is put together from constants of this program only; every value is
//! a parameter.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use evidence::NodeId;
use register::{
    Target,
    duties::Begun,
    silence::{Heard, LISTED_MAX, Silence},
};
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::{
    Added, Contradicted, DaySum, EventId, EventKey, EventQuery, GenerationRow, Group, KnownAt,
    Look, LossSum, Position, Reading, RuleId, RuleQuery, Spell, StoreError, StoredEvent,
    StoredFork, StoredGap, StoredProbe, StoredRule, StoredStood, Unread,
    columns::{contradicted_from, decode, rule_from, stood_from, unsigned},
    conditions::{Where, overlap},
    counts,
    dictionary::{json, number},
    jobs,
    part::{
        columns::Read,
        event_number, part_of, revise,
        search::{PartGroup, Place, touching},
        target_from,
    },
    readers::{Lent, Opened, Readers},
    sqlite::{CATALOG, PartRow, parts},
    write_rules::begun_from,
};

pub(super) struct SqliteReading {
    readers: Arc<Readers>,
    catalog: Lent,
    /// Oldest first.
    parts: Vec<PartRow>,
    begun: RefCell<BTreeMap<i64, Rc<Opened>>>,
}

impl SqliteReading {
    pub(super) fn begin(readers: Arc<Readers>) -> Result<Self, StoreError> {
        let catalog = readers.lend(readers.folder.join(CATALOG))?;
        let parts = parts(catalog.get()?)?;
        let reading = Self { readers, catalog, parts, begun: RefCell::default() };
        if let Some(open) = reading.parts.last().filter(|part| !part.is_sealed) {
            reading.part(open)?;
        }
        Ok(reading)
    }

    fn connection(&self) -> Result<&Connection, StoreError> {
        self.catalog.get()
    }

    fn part(&self, part: &PartRow) -> Result<Rc<Opened>, StoreError> {
        let mut begun = self.begun.borrow_mut();
        if let Some(known) = begun.get(&part.number) {
            return Ok(Rc::clone(known));
        }
        let opened = Rc::new(self.readers.open(part)?);
        begun.insert(part.number, Rc::clone(&opened));
        Ok(opened)
    }

    /// Partitions that may hold events of a time, the one with the newest hit first.
    fn parts_of(&self, query: &EventQuery) -> Vec<PartRow> {
        let mut parts = self.parts.clone();
        parts.retain(|part| {
            let extent = part.extent;
            extent.events > 0
                && (query.since_s == 0 || extent.last_s >= query.since_s)
                && (query.until_s == 0 || extent.first_s < query.until_s)
        });
        parts.sort_by_key(|part| std::cmp::Reverse(part.extent.last_s));
        parts
    }

    fn event(&self, number: i64, known_at: Option<u64>) -> Result<Option<StoredEvent>, StoreError> {
        let (part, row) = part_of(number);
        let Some(part) = self.parts.iter().find(|known| known.number == part) else {
            return Ok(None);
        };
        let lent = self.part(part)?;
        let Some(Read { mut event, .. }) = lent.inside()?.event(row)? else { return Ok(None) };
        if let Some(log_size) = known_at
            && let Some(past) = revise::known_at(lent.get()?, row, &event, log_size)?
        {
            event.now = past;
        }
        Ok(Some(event))
    }
}

/// Each rule as it stood last by what the log told below a size of it, in the columns of `rule`. A rule
/// that only its hits told of is not among them.
const TOLD_AT: &str = "SELECT NULL AS id, rule.origin, number, source, standing.fact, standing.target,
         standing.native, 1 AS shown, leaf AS shown_by, standing.at_s AS first_shown_s,
         standing.at_s AS shown_at_s, standing.clock_error_s, standing.before_act,
         known_by AS covered_by, standing.installed_at_s, ended_by IS NULL OR ended_by >= {size} AS installed
     FROM standing JOIN rule ON rule.id = standing.rule
     WHERE known_by < {size} AND NOT EXISTS (
         SELECT 1 FROM standing AS later WHERE later.rule = standing.rule AND later.known_by < {size}
             AND (later.known_by, later.leaf) > (standing.known_by, standing.leaf))";

impl Reading for SqliteReading {
    fn position(&self) -> Result<Position, StoreError> {
        let connection = self.connection()?;
        let (unfinished, settled) = jobs::unfinished(connection, u64::MAX)?;
        Ok(connection.query_row(
            "SELECT watermark, at_s, log_size, register_size FROM projection",
            [],
            |row| {
                Ok(Position {
                    unfinished,
                    settled_register_size: match settled {
                        Some(size) => size,
                        None => unsigned(row.get(3)?),
                    },
                    watermark: row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
                    at_s: row.get(1)?,
                    log_size: unsigned(row.get(2)?),
                    register_size: unsigned(row.get(3)?),
                })
            },
        )?)
    }

    fn known_at(&self, at_s: i64) -> Result<Option<KnownAt>, StoreError> {
        let mut statement = self.connection()?.prepare_cached(
            "SELECT at_s, log_size FROM log_time WHERE at_s <= ?1 ORDER BY at_s DESC LIMIT 1",
        )?;
        let found = statement.query_row([at_s], |row| {
            Ok(KnownAt { at_s: row.get(0)?, log_size: unsigned(row.get(1)?) })
        });
        Ok(found.optional()?)
    }

    fn first_known_s(&self) -> Result<Option<i64>, StoreError> {
        let mut statement = self.connection()?.prepare_cached("SELECT min(at_s) FROM log_time")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    fn unfinished_at(&self, log_size: u64) -> Result<(u64, Option<u64>), StoreError> {
        jobs::unfinished(self.connection()?, log_size)
    }

    fn generations(&self) -> Result<Vec<GenerationRow>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(
            "SELECT generation.node, generation, enrolled_by, enrolled_at_s, received_size,
                 covered_size, last_received_s, window_s, individual_actions, seal,
                 (SELECT coalesce(sum(count), 0) FROM fork WHERE fork.node = generation.node),
                 start, loss_bound_s
             FROM generation
             ORDER BY generation.node, coalesce(enrolled_by, -1), generation",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let seal: Option<Vec<u8>> = row.get(9)?;
            let start: Option<Vec<u8>> = row.get(11)?;
            found.push(GenerationRow {
                node: row.get(0)?,
                generation: row.get(1)?,
                enrolled_by: row.get::<_, Option<i64>>(2)?.map(unsigned),
                enrolled_at_s: row.get(3)?,
                received_size: unsigned(row.get(4)?),
                covered_size: unsigned(row.get(5)?),
                last_received_s: row.get(6)?,
                window_s: row.get(7)?,
                individual_actions: row.get(8)?,
                loss_bound_s: row.get(12)?,
                start: start.map(|bytes| decode(&bytes, "generation.start")).transpose()?,
                seal: seal.map(|bytes| decode(&bytes, "generation.seal")).transpose()?,
                forks: unsigned(row.get(10)?),
            });
        }
        Ok(found)
    }

    fn forks(&self) -> Result<Vec<StoredFork>, StoreError> {
        let mut statement = self.connection()?.prepare_cached(
            "SELECT node, generation, kind, count, first_s, last_s FROM fork
             ORDER BY node, generation, kind",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(StoredFork {
                node: row.get(0)?,
                generation: row.get(1)?,
                kind: row.get(2)?,
                count: unsigned(row.get(3)?),
                first_s: row.get(4)?,
                last_s: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn rules(&self, query: &RuleQuery) -> Result<Vec<StoredRule>, StoreError> {
        let RuleQuery { known_at, installed_only, nodes, target } = query;
        let mut filter = Where::default();
        if *installed_only {
            filter.and("installed", []);
        }
        if !nodes.is_empty() {
            filter.and("origin.node IN (SELECT value FROM json_each(?))", [json(nodes).into()]);
        }
        if let Some(target) = target {
            let touching = touching(self.connection()?, target, true)?;
            let list = json(&touching.into_iter().collect::<Vec<_>>());
            filter.and("told.target IN (SELECT value FROM json_each(?))", [list.into()]);
        }
        let known_at = known_at.map(number);
        // An integer, so that it can be written out.
        let told = match known_at {
            None => "SELECT *, installed_now AS installed FROM rule".to_owned(),
            Some(size) => TOLD_AT.replace("{size}", &size.to_string()),
        };
        let sql = format!(
            "SELECT origin.node, generation, operator, number, rule_fact.rule, target.kind,
                 target.key, native, shown, shown_by, shown_at_s, clock_error_s, before_act,
                 covered_by, installed_at_s, installed, coalesce(hits, 0), coalesce(first_hit_s, 0),
                 coalesce(last_hit_s, 0), first_shown_s, coalesce(shared_hits, 0), target.value, told.id
             FROM ({told}) AS told JOIN origin ON origin.id = told.origin JOIN rule_fact ON rule_fact.id = fact
             LEFT JOIN target ON target.id = told.target
             LEFT JOIN rule_hits ON rule_hits.rule = told.id
             {} ORDER BY origin.node, generation, number",
            filter.sql()
        );
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.values))?;
        let mut found = Vec::new();
        // Of the past no counts are kept, and nothing bears a row.
        let mut place_of: HashMap<i64, usize> = HashMap::new();
        while let Some(row) = rows.next()? {
            place_of.extend(row.get::<_, Option<i64>>(22)?.map(|id| (id, found.len())));
            found.push(rule_from(row)?);
        }
        if !place_of.is_empty() {
            counts::each(connection, |id, newer| {
                if let Some(rule) = place_of.get(&id).and_then(|place| found.get_mut(*place)) {
                    newer.put_into(rule);
                }
            })?;
        }
        Ok(found)
    }

    fn looks(&self) -> Result<Vec<Look>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection
            .prepare_cached("SELECT node, source, min(at_s) FROM snapshot GROUP BY node, source")?;
        let looks = statement.query_map([], |row| {
            Ok(Look { node: row.get(0)?, source: row.get(1)?, at_s: row.get(2)? })
        })?;
        Ok(looks.collect::<Result<_, _>>()?)
    }

    fn unread(&self) -> Result<Vec<Unread>, StoreError> {
        let mut statement = self.connection()?.prepare_cached(
            "SELECT node, source, from_s, until_s FROM unread ORDER BY node, source, from_s",
        )?;
        let unread = statement.query_map([], |row| {
            let (node, source) = (row.get(0)?, row.get(1)?);
            Ok(Unread { node, source, from_s: row.get(2)?, until_s: row.get(3)? })
        })?;
        Ok(unread.collect::<Result<_, _>>()?)
    }

    fn stood(&self, since: u64, known_at: Option<u64>) -> Result<Vec<StoredStood>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(
            "SELECT rule.id, known_by, leaf, node, number, rule_fact.rule, target.kind, target.key,
                 target.value,
                 CASE standing.installed_at_s WHEN 0 THEN at_s ELSE standing.installed_at_s END,
                 begun, ended_by, ended_at_s
             FROM standing JOIN rule ON rule.id = standing.rule JOIN origin ON origin.id = rule.origin
             JOIN rule_fact ON rule_fact.id = standing.fact
             LEFT JOIN target ON target.id = standing.target
             WHERE (known_by >= ?1 OR ended_by >= ?1) AND known_by < ?2
             ORDER BY known_by, rule.id, leaf",
        )?;
        let below = known_at.map_or(i64::MAX, number);
        let mut rows = statement.query([number(since), below])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(stood_from(row, known_at)?);
        }
        Ok(found)
    }

    fn contradicted(&self) -> Result<Vec<Contradicted>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(
            "SELECT node, generation, number, rule_fact.rule, target.kind, target.key, target.value,
                 begun, phantom, at_s, ended_at_s, installed_now
             FROM standing JOIN rule ON rule.id = standing.rule JOIN origin ON origin.id = rule.origin
             JOIN rule_fact ON rule_fact.id = standing.fact
             LEFT JOIN target ON target.id = standing.target
             WHERE begun = 4 OR phantom = 1
             ORDER BY node, generation, number, known_by, leaf",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.extend(contradicted_from(row)?);
        }
        Ok(found)
    }

    fn stood_of(&self, rule: &RuleId, known_at: Option<u64>) -> Result<Vec<Spell>, StoreError> {
        let RuleId { node, generation, number: rule } = rule;
        let mut statement = self.connection()?.prepare_cached(
            "SELECT CASE standing.installed_at_s WHEN 0 THEN at_s ELSE standing.installed_at_s END,
                 begun, CASE WHEN ended_by < ?4 THEN ended_at_s END
             FROM rule JOIN origin ON origin.id = rule.origin JOIN standing ON standing.rule = rule.id
             WHERE node = ?1 AND generation = ?2 AND number = ?3 AND known_by < ?4
             ORDER BY 1",
        )?;
        let below = known_at.map_or(i64::MAX, number);
        let mut rows = statement.query(params![node, generation, rule.cast_signed(), below])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let begun = begun_from(row.get(1)?);
            let begun = begun.ok_or(StoreError::Damaged { what: "standing.begun" })?;
            let (from_s, until_s) = (row.get(0)?, row.get(2)?);
            found.push(Spell { from_s: (begun == Begun::Seen).then_some(from_s), until_s });
        }
        Ok(found)
    }

    fn events(
        &self,
        query: &EventQuery,
        after: Option<&EventKey>,
        count_max: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut places: Vec<(Place, i64)> = Vec::new();
        for part in self.parts_of(query) {
            // As many newer ones are known: what is older cannot come onto the page.
            let full = places.len() >= count_max;
            let floor = places.last().filter(|_| full).map(|((last_s, _), _)| *last_s);
            if floor.is_some_and(|floor| part.extent.last_s < floor) {
                break;
            }
            let lent = self.part(&part)?;
            let found = lent.inside()?.page(query, after, count_max, floor)?;
            places.extend(
                found
                    .into_iter()
                    .map(|(last_s, row)| ((last_s, event_number(part.number, row)), part.number)),
            );
            places.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
            places.truncate(count_max);
        }
        let events = places
            .into_iter()
            .filter_map(|((_, number), _)| self.event(number, query.known_at).transpose());
        events.collect()
    }

    fn groups(&self, query: &EventQuery) -> Result<Vec<Group>, StoreError> {
        /// Rule, code, reason of an open one, and what is added.
        type Of = (RuleId, i32, i32, Added);
        let mut sums: HashMap<Of, (u64, i64, i64, i64)> = HashMap::new();
        for part in self.parts_of(query) {
            let lent = self.part(&part)?;
            let whole = (query.since_s == 0 || query.since_s <= part.extent.first_s)
                && (query.until_s == 0 || query.until_s > part.extent.last_s);
            for group in lent.inside()?.groups(query, whole)? {
                let PartGroup { rule, code, reason, added, hits, first_s, last_s, newest } = group;
                let newest = event_number(part.number, newest);
                let of = (rule, code, reason, added);
                let sum = sums.entry(of).or_insert((0, first_s, last_s, newest));
                sum.0 = sum.0.saturating_add(hits);
                sum.1 = sum.1.min(first_s);
                sum.2 = sum.2.max(last_s);
                sum.3 = sum.3.max(newest);
            }
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut found = Vec::with_capacity(sums.len());
        for ((rule, code, _, added), (hits, first_s, last_s, newest)) in sums {
            let Some(newest) = self.event(newest, query.known_at)? else { continue };
            found.push(Group { rule, code, added, hits, first_s, last_s, newest });
        }
        Ok(found)
    }

    fn hit_names(
        &self,
        rules: &[RuleId],
        count_max: usize,
    ) -> Result<HashMap<RuleId, Vec<v1::Target>>, StoreError> {
        let mut found: HashMap<RuleId, BTreeSet<(i32, String)>> = HashMap::new();
        let mut full = 0;
        for part in self.parts_of(&EventQuery::default()) {
            if full == rules.len() {
                break;
            }
            let opened = self.part(&part)?;
            if !opened.has_events() {
                continue;
            }
            let connection = opened.get()?;
            let mut of_rule: HashMap<i64, &RuleId> = HashMap::new();
            let mut row_of = connection.prepare_cached(
                "SELECT rule.id FROM generation JOIN rule ON rule.generation = generation.id
                 WHERE generation.node = ?1 AND generation.generation = ?2 AND rule.number = ?3",
            )?;
            for rule in rules {
                let key = params![rule.node, rule.generation, rule.number.cast_signed()];
                let rows = row_of.query_map(key, |row| row.get::<_, i64>(0))?;
                for row in rows {
                    of_rule.insert(row?, rule);
                }
            }
            let mut hits = connection.prepare_cached(
                "SELECT ev.rule, target.kind, target.key, target.value
                 FROM ev JOIN target ON target.id = ev.hit
                 WHERE ev.hit IS NOT NULL AND ev.rule IN (SELECT value FROM json_each(?1))",
            )?;
            let mut rows = hits.query([json(&of_rule.keys().collect::<Vec<_>>())])?;
            while let Some(row) = rows.next()? {
                let Some(rule) = of_rule.get(&row.get::<_, i64>(0)?) else { continue };
                let names = found.entry((*rule).clone()).or_default();
                if names.len() < count_max {
                    let target = target_from(row.get(1)?, row.get(2)?, row.get(3)?);
                    names.insert((target.kind, target.value));
                    full += usize::from(names.len() == count_max);
                    if full == rules.len() {
                        break;
                    }
                }
            }
        }
        let target = |(kind, value)| v1::Target { kind, value };
        Ok(found
            .into_iter()
            .map(|(rule, names)| (rule, names.into_iter().map(target).collect()))
            .collect())
    }

    fn days(&self, since: i64, until: i64) -> Result<Vec<DaySum>, StoreError> {
        let mut sums: BTreeMap<(i64, i32, i32, i32), (u64, u64)> = BTreeMap::new();
        let day_s = |day: i64| day.saturating_mul(86_400);
        let query =
            EventQuery { since_s: day_s(since), until_s: day_s(until), ..EventQuery::default() };
        for part in self.parts_of(&query) {
            let lent = self.part(&part)?;
            let mut statement = lent.get()?.prepare_cached(
                "SELECT hour / 24 AS day, technique, code, reason, sum(events), sum(hits >> 31),
                     sum(hits & 2147483647)
                 FROM hour_sum
                 WHERE hour >= ?1 AND hour < ?2 AND events > 0
                 GROUP BY day, technique, code, reason",
            )?;
            let mut rows = statement.query([since.saturating_mul(24), until.saturating_mul(24)])?;
            while let Some(row) = rows.next()? {
                let key = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                let (events, hits) = sums.entry(key).or_default();
                *events = events.saturating_add(unsigned(row.get(4)?));
                // In two halves, so that no claim of an agent makes SQLite's sum overflow.
                let sum = (u128::from(unsigned(row.get(5)?)) << 31)
                    .saturating_add(u128::from(unsigned(row.get(6)?)));
                *hits = hits.saturating_add(u64::try_from(sum).unwrap_or(u64::MAX));
            }
        }
        let day = |((day, technique, code, reason), (events, hits))| DaySum {
            day,
            technique,
            code,
            reason,
            events,
            hits,
        };
        Ok(sums.into_iter().map(day).collect())
    }

    fn for_each_event(&self, tell: &mut dyn FnMut(StoredEvent)) -> Result<(), StoreError> {
        for part in &self.parts {
            let lent = self.part(part)?;
            lent.inside()?.all(&mut |read| {
                tell(read.event);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn verdicts(&self, event: &EventId) -> Result<Vec<(bool, v1::Verdict)>, StoreError> {
        for part in self.parts.iter().rev() {
            let lent = self.part(part)?;
            if let Some(history) = revise::history(lent.inside()?, event)? {
                return Ok(history);
            }
        }
        Ok(Vec::new())
    }

    fn gaps(
        &self,
        since_s: i64,
        until_s: i64,
        nodes: &[String],
    ) -> Result<(Vec<StoredGap>, u64), StoreError> {
        let (list, count) = spans("gap", since_s, until_s, nodes);
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&list)?;
        let mut rows = statement.query(params_from_iter(&count.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let bytes: Vec<u8> = row.get("gap")?;
            found.push(StoredGap { node: row.get("node")?, gap: decode(&bytes, "gap.gap")? });
        }
        found.sort_by(|a, b| (a.gap.from_s, &a.node).cmp(&(b.gap.from_s, &b.node)));
        Ok((found, counted(connection, "gap", &count)?))
    }

    fn silences(
        &self,
        since_s: i64,
        until_s: i64,
        nodes: &[String],
    ) -> Result<(Vec<Silence>, u64), StoreError> {
        let (list, count) = spans("silence", since_s, until_s, nodes);
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&list)?;
        let found = silences(statement.query(params_from_iter(&count.values))?)?;
        Ok((found, counted(connection, "silence", &count)?))
    }

    fn silences_from(
        &self,
        node: &str,
        generation: &str,
        leaf: u64,
    ) -> Result<Vec<Silence>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(
            "SELECT * FROM silence WHERE node = ?1 AND generation = ?2 AND leaf >= ?3",
        )?;
        silences(statement.query(params![node, generation, number(leaf)])?)
    }

    fn silences_at(&self, at_s: i64) -> Result<Vec<Silence>, StoreError> {
        let mut statement = self
            .connection()?
            .prepare_cached("SELECT * FROM silence WHERE from_s <= ?1 AND until_s > ?1")?;
        silences(statement.query([at_s])?)
    }

    fn probes(
        &self,
        target: Option<&Target>,
        known_at: Option<u64>,
        count_max: usize,
    ) -> Result<Vec<StoredProbe>, StoreError> {
        let mut filter = Where::default();
        if let Some(log_size) = known_at {
            filter.and("known_by < ?", [number(log_size).into()]);
        }
        if let Some(target) = target {
            let touching = touching(self.connection()?, target, true)?;
            let list = json(&touching.into_iter().collect::<Vec<_>>());
            filter.and("probe.target IN (SELECT value FROM json_each(?))", [list.into()]);
        }
        let sql = format!(
            "SELECT node, generation, leaf, target.kind, target.key, probe, target.value
             FROM probe LEFT JOIN target ON target.id = probe.target
             {} ORDER BY at_s DESC, node, generation, leaf LIMIT ?",
            filter.sql()
        );
        filter.values.push(number(count_max as u64).into());
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (node, generation) = (row.get(0)?, row.get(1)?);
            let probe: Vec<u8> = row.get(5)?;
            found.push(StoredProbe {
                id: EventId { node, generation, index: unsigned(row.get(2)?) },
                target: match row.get::<_, Option<i32>>(3)? {
                    None => None,
                    Some(kind) => Some(target_from(kind, row.get(4)?, row.get(6)?)),
                },
                probe: decode(&probe, "probe.probe")?,
            });
        }
        Ok(found)
    }

    fn heard(&self) -> Result<Vec<(NodeId, Heard)>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(
            "SELECT node, at_s, seal_interval_s, stopping, clock_synced FROM heard ORDER BY node",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let heard = Heard {
                at_s: row.get(1)?,
                seal_interval_s: row.get(2)?,
                stopping: row.get(3)?,
                clock_synced: row.get(4)?,
            };
            found.push((node(row.get(0)?)?, heard));
        }
        Ok(found)
    }

    fn losses(&self, since_s: i64, until_s: i64) -> Result<Vec<LossSum>, StoreError> {
        let mut filter = Where::default();
        overlap(&mut filter, since_s, until_s);
        // What was explained in this span may have been missing before it: it makes up for nothing else.
        let sql = format!(
            "SELECT node, sum(lost), max(sum(unexplained), 0) FROM loss {}
             GROUP BY node, generation, source ORDER BY node",
            filter.sql()
        );
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.values))?;
        let mut found: Vec<LossSum> = Vec::new();
        while let Some(row) = rows.next()? {
            let node: String = row.get(0)?;
            let (lost, unexplained) = (unsigned(row.get(1)?), unsigned(row.get(2)?));
            match found.last_mut() {
                Some(sum) if sum.node == node => {
                    sum.lost = sum.lost.saturating_add(lost);
                    sum.unexplained = sum.unexplained.saturating_add(unexplained);
                }
                Some(_) | None => found.push(LossSum { node, lost, unexplained }),
            }
        }
        Ok(found)
    }
}

fn silences(mut rows: rusqlite::Rows<'_>) -> Result<Vec<Silence>, StoreError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Silence {
            from_s: row.get("from_s")?,
            until_s: row.get("until_s")?,
            node: node(row.get("node")?)?,
            announced: row.get("announced")?,
            open: false,
        });
    }
    Ok(found)
}

/// The longest rows of a table of spans, and the conditions that they meet.
fn spans(table: &'static str, since_s: i64, until_s: i64, nodes: &[String]) -> (String, Where) {
    let mut filter = Where::default();
    overlap(&mut filter, since_s, until_s);
    if !nodes.is_empty() {
        filter.and("node IN (SELECT value FROM json_each(?))", [json(nodes).into()]);
    }
    let sql = format!(
        "SELECT * FROM {table} {} ORDER BY until_s - from_s DESC, from_s, until_s, node, generation, leaf
         LIMIT {LISTED_MAX}",
        filter.sql()
    );
    (sql, filter)
}

fn counted(
    connection: &Connection,
    table: &'static str,
    filter: &Where,
) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM {table} {}", filter.sql());
    let mut statement = connection.prepare_cached(&sql)?;
    let count = statement.query_row(params_from_iter(&filter.values), |row| row.get(0))?;
    Ok(unsigned(count))
}

fn node(text: String) -> Result<NodeId, StoreError> {
    text.parse().map_err(|_| StoreError::Damaged { what: "node" })
}
