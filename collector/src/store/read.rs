//! Reads of one consistent state: a connection of the pool inside one transaction.
//!
//! SQL text is put together from constants of this program only; every value is a parameter.

use std::sync::Arc;

use evidence::NodeId;
use register::silence::{Heard, LISTED_MAX, Silence};
use remit_proto::v1;
use rusqlite::{Connection, params_from_iter};

use super::{
    EventId, EventKey, EventQuery, GenerationRow, Group, LossSum, Position, Reading, RuleId,
    RuleQuery, StoreError, StoredEvent, StoredGap, StoredProbe, StoredRule, TargetNumber,
    columns::{
        EVENT_COLUMNS, EVENT_TABLES, decode, event_by_number, event_from, rule_from, target,
        unsigned,
    },
    conditions::{Where, event_filter, overlap},
    dictionary::{json, number},
    sqlite::Readers,
};

pub(super) struct SqliteReading {
    /// `None` only while it is being given back.
    connection: Option<Connection>,
    readers: Arc<Readers>,
}

impl SqliteReading {
    pub(super) fn begin(connection: Connection, readers: Arc<Readers>) -> Result<Self, StoreError> {
        connection.execute_batch("BEGIN DEFERRED")?;
        // The state is fixed by the first read, not by BEGIN.
        connection.query_row("SELECT id FROM projection", [], |_| Ok(()))?;
        Ok(Self { connection: Some(connection), readers })
    }

    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Damaged { what: "reader" })
    }
}

impl Drop for SqliteReading {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.execute_batch("ROLLBACK").is_ok()
        {
            self.readers.give_back(connection);
        }
    }
}

impl Reading for SqliteReading {
    fn position(&self) -> Result<Position, StoreError> {
        let connection = self.connection()?;
        Ok(connection.query_row(
            "SELECT watermark, at_s, log_size, register_size FROM projection",
            [],
            |row| {
                Ok(Position {
                    watermark: row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
                    at_s: row.get(1)?,
                    log_size: unsigned(row.get(2)?),
                    register_size: unsigned(row.get(3)?),
                })
            },
        )?)
    }

    fn generations(&self) -> Result<Vec<GenerationRow>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(
            "SELECT generation.node, generation, enrolled_by, enrolled_at_s, received_size,
                 covered_size, last_received_s, window_s, individual_actions, seal,
                 coalesce(fork.count, 0), start, loss_bound_s
             FROM generation LEFT JOIN fork ON fork.node = generation.node
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

    fn targets(
        &self,
        wanted: &dyn Fn(&v1::Target) -> bool,
    ) -> Result<Vec<TargetNumber>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached("SELECT id, kind, value FROM target")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if wanted(&v1::Target { kind: row.get(1)?, value: row.get(2)? }) {
                found.push(row.get(0)?);
            }
        }
        Ok(found)
    }

    fn rules(&self, query: &RuleQuery) -> Result<Vec<StoredRule>, StoreError> {
        let RuleQuery { installed_only, nodes, targets } = query;
        let mut filter = Where::default();
        if *installed_only {
            filter.and("rule.installed_now = 1", []);
        }
        if !nodes.is_empty() {
            filter.and("rule.node IN (SELECT value FROM json_each(?))", [json(nodes).into()]);
        }
        if let Some(targets) = targets {
            filter.and("rule.target IN (SELECT value FROM json_each(?))", [json(targets).into()]);
        }
        let sql = format!(
            "SELECT rule.node, generation, operator, number, rule_fact.rule, target.kind,
                 target.value, native, shown, shown_by, shown_at_s, clock_error_s, before_act,
                 covered_by, installed_at_s, installed_now, hits, first_hit_s, last_hit_s,
                 first_shown_s, shared_hits
             FROM rule JOIN rule_fact ON rule_fact.id = fact LEFT JOIN target ON target.id = rule.target
             {} ORDER BY rule.node, generation, number",
            filter.sql()
        );
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(rule_from(row)?);
        }
        Ok(found)
    }

    fn events(
        &self,
        query: &EventQuery,
        after: Option<&EventKey>,
        count_max: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut filter = event_filter(query);
        if let Some(EventKey { last_s, number }) = after {
            filter.and("(last_s, event.id) < (?, ?)", [(*last_s).into(), (*number).into()]);
        }
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM {EVENT_TABLES} {} ORDER BY last_s DESC, event.id DESC
             LIMIT ?",
            filter.sql()
        );
        filter.values.push(number(count_max as u64).into());
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(event_from(row)?);
        }
        Ok(found)
    }

    fn groups(&self, query: &EventQuery) -> Result<Vec<Group>, StoreError> {
        let filter = event_filter(query);
        // Summed in two halves, so that no claim of an agent makes SQLite's sum overflow.
        let sql = format!(
            "SELECT event.node, event.generation, event.number, event.code, sum(hits >> 31),
                 sum(hits & 2147483647), min(first_s), max(last_s), max(event.id)
             FROM {EVENT_TABLES} {} GROUP BY event.node, event.generation, event.number, event.code
             ORDER BY event.node, event.generation, event.number, event.code",
            filter.sql()
        );
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let high = u128::from(unsigned(row.get(4)?)) << 31;
            let hits = high.saturating_add(u128::from(unsigned(row.get(5)?)));
            let Some(newest) = event_by_number(connection, row.get(8)?)? else { continue };
            found.push(Group {
                rule: RuleId {
                    node: row.get(0)?,
                    generation: row.get(1)?,
                    number: row.get::<_, i64>(2)?.cast_unsigned(),
                },
                code: row.get(3)?,
                hits: u64::try_from(hits).unwrap_or(u64::MAX),
                first_s: row.get(6)?,
                last_s: row.get(7)?,
                newest,
            });
        }
        Ok(found)
    }

    fn for_each_event(&self, tell: &mut dyn FnMut(StoredEvent)) -> Result<(), StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {EVENT_COLUMNS} FROM {EVENT_TABLES} ORDER BY event.id"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            tell(event_from(row)?);
        }
        Ok(())
    }

    fn verdicts(&self, event: &EventId) -> Result<Vec<(bool, v1::Verdict)>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(
            "SELECT as_known_then, verdict FROM verdict
             WHERE event = (SELECT id FROM event WHERE node = ? AND generation = ? AND leaf = ?)
             ORDER BY revision",
        )?;
        let mut rows = statement.query((&event.node, &event.generation, number(event.index)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let bytes: Vec<u8> = row.get(1)?;
            found.push((row.get(0)?, decode(&bytes, "verdict.verdict")?));
        }
        Ok(found)
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
        let mut rows = statement.query(params_from_iter(&count.values))?;
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
        Ok((found, counted(connection, "silence", &count)?))
    }

    fn probes(
        &self,
        targets: Option<&[TargetNumber]>,
        count_max: usize,
    ) -> Result<Vec<StoredProbe>, StoreError> {
        let mut filter = Where::default();
        if let Some(targets) = targets {
            filter.and("probe.target IN (SELECT value FROM json_each(?))", [json(targets).into()]);
        }
        let sql = format!(
            "SELECT node, generation, leaf, target.kind, target.value, probe
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
                target: target(row.get(3)?, row.get(4)?),
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
        let sql =
            format!("SELECT node, lost, unexplained FROM loss {} ORDER BY node", filter.sql());
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
