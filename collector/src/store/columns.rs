//! How rows read back as values.

use evidence::{AgentOrigin, Generation};
use prost::Message;
use register::{Span, assessment::Facts};
use remit_proto::v1;
use rusqlite::{Connection, Row};

use super::{EventKey, RuleId, StoreError, StoredEvent, StoredRule};

pub(super) const EVENT_COLUMNS: &str = "event.id, event.node, event.generation, event.operator,
    leaf, rule_fact.rule, own.kind, own.value, hit.kind, hit.value, response, hits, first_s, last_s,
    clock_error_s, imported, detail_reduced, before_act, covered_by, then_verdict, now_verdict,
    other_candidates, event.deed";

pub(super) const EVENT_TABLES: &str = "event JOIN rule_fact ON rule_fact.id = event.fact
    LEFT JOIN target AS own ON own.id = event.target
    LEFT JOIN target AS hit ON hit.id = event.hit_target";

/// Reads a row of [`EVENT_COLUMNS`].
pub(super) fn event_from(row: &Row<'_>) -> Result<StoredEvent, StoreError> {
    let response: Option<Vec<u8>> = row.get(10)?;
    let deed: Option<Vec<u8>> = row.get(22)?;
    let (rule, then, now): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.get(5)?, row.get(19)?, row.get(20)?);
    let facts = Facts {
        origin: origin(row.get(3)?, row.get(1)?, row.get(2)?)?,
        index: unsigned(row.get(4)?),
        rule: decode(&rule, "rule_fact.rule")?,
        target: target(row.get(6)?, row.get(7)?),
        hit_target: target(row.get(8)?, row.get(9)?),
        response: response.map(|bytes| decode(&bytes, "event.response")).transpose()?,
        span: Span { first_s: row.get(12)?, last_s: row.get(13)?, clock_error_s: row.get(14)? },
        imported: row.get(15)?,
        other_candidates: numbers(row.get(21)?),
        before_act: row.get::<_, Option<i64>>(17)?.map(unsigned),
        covered_by: unsigned(row.get(18)?),
    };
    Ok(StoredEvent {
        key: EventKey { last_s: facts.span.last_s, number: row.get(0)? },
        hits: unsigned(row.get(11)?),
        detail_reduced: row.get(16)?,
        deed: deed.map(|bytes| decode(&bytes, "event.deed")).transpose()?,
        then: decode(&then, "event.then_verdict")?,
        now: decode(&now, "event.now_verdict")?,
        facts,
    })
}

pub(super) fn event_by_number(
    connection: &Connection,
    number: i64,
) -> Result<Option<StoredEvent>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS} FROM {EVENT_TABLES} WHERE event.id = ?"
    ))?;
    let mut rows = statement.query([number])?;
    rows.next()?.map(event_from).transpose()
}

pub(super) fn rule_from(row: &Row<'_>) -> Result<StoredRule, StoreError> {
    let (node, generation): (String, String) = (row.get(0)?, row.get(1)?);
    let rule: Vec<u8> = row.get(4)?;
    let shown_at_s: i64 = row.get(10)?;
    Ok(StoredRule {
        facts: Facts {
            origin: origin(row.get(2)?, node.clone(), generation.clone())?,
            index: unsigned(row.get(9)?),
            rule: decode(&rule, "rule_fact.rule")?,
            target: target(row.get(5)?, row.get(6)?),
            hit_target: None,
            response: None,
            span: Span { first_s: shown_at_s, last_s: shown_at_s, clock_error_s: row.get(11)? },
            imported: false,
            other_candidates: Vec::new(),
            before_act: row.get::<_, Option<i64>>(12)?.map(unsigned),
            covered_by: unsigned(row.get(13)?),
        },
        id: RuleId { node, generation, number: row.get::<_, i64>(3)?.cast_unsigned() },
        native: row.get(7)?,
        shown: row.get(8)?,
        shown_at_s,
        installed_at_s: row.get(14)?,
        installed_now: row.get(15)?,
        hits: unsigned(row.get(16)?),
        shared_hits: unsigned(row.get(20)?),
        first_hit_s: row.get(17)?,
        last_hit_s: row.get(18)?,
        first_shown_s: row.get(19)?,
    })
}

fn origin(operator: String, node: String, generation: String) -> Result<AgentOrigin, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "origin" };
    Ok(AgentOrigin {
        operator: operator.parse().map_err(damaged)?,
        node: node.parse().map_err(damaged)?,
        generation: generation.parse::<Generation>().map_err(damaged)?,
    })
}

/// Reads [`blob`] back.
fn numbers(blob: Option<Vec<u8>>) -> Vec<u64> {
    let blob = blob.unwrap_or_default();
    blob.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()
}

/// Rule numbers as a column; `None` where there are none.
pub(super) fn blob(numbers: &[u64]) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    (!bytes.is_empty()).then_some(bytes)
}

pub(super) fn target(kind: Option<i32>, value: Option<String>) -> Option<v1::Target> {
    Some(v1::Target { kind: kind?, value: value? })
}

pub(super) fn decode<M: Message + Default>(
    bytes: &[u8],
    what: &'static str,
) -> Result<M, StoreError> {
    M::decode(bytes).map_err(|_| StoreError::Damaged { what })
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
