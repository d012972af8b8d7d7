//! Writing events with their verdicts, and judging them again.

use prost::Message;
use remit_proto::v1;
use rusqlite::{Connection, params};

use super::{
    EventKind, Judge, NewEvent, StoreError,
    columns::{EVENT_COLUMNS, EVENT_TABLES, blob, event_from},
    dictionary::{Dictionary, number},
    write_rules::count_hits,
};
use register::assessment::Facts;

pub(super) fn insert_event(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let NewEvent { kind, facts, hits, detail_reduced, deed, then, now } = event;
    let Facts {
        origin,
        index,
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
    let fact = dictionary.rule(rule)?;
    let target = dictionary.target(target.as_ref())?;
    let hit_target = dictionary.target(hit_target.as_ref())?;
    let (speaking, code) = (speaking(now), now.code);
    let (then, now) = (then.encode_to_vec(), now.encode_to_vec());
    connection
        .prepare_cached(
            "INSERT INTO event (node, generation, leaf, operator, kind, number, fact, target,
                 hit_target, response, hits, first_s, last_s, clock_error_s, imported,
                 detail_reduced, before_act, covered_by, code, request, then_verdict, now_verdict,
                 other_candidates, deed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                 ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        )?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            number(*index),
            origin.operator.as_str(),
            *kind as i64,
            rule.number.cast_signed(),
            fact,
            target,
            hit_target,
            response.as_ref().map(Message::encode_to_vec),
            number(*hits),
            span.first_s,
            span.last_s,
            span.clock_error_s,
            imported,
            detail_reduced,
            before_act.map(number),
            number(*covered_by),
            code,
            speaking,
            then,
            now,
            blob(other_candidates),
            deed.as_ref().map(Message::encode_to_vec),
        ])?;
    let id = connection.last_insert_rowid();
    let log_size = number(covered_by.saturating_add(1));
    // Its history begins with two: as known then, and now. A failure undoes the whole chunk anyhow;
    // said so, SQLite need not be able to undo this statement alone.
    connection
        .prepare_cached(
            "INSERT OR ROLLBACK INTO verdict VALUES (?1, 0, 1, ?2, ?3), (?1, 1, 0, ?2, ?4)",
        )?
        .execute(params![id, log_size, then, now])?;
    match kind {
        EventKind::Activity => count_hits(connection, facts, *hits, fact, target),
        EventKind::Installed | EventKind::Removed | EventKind::Deed => Ok(()),
    }
}

/// Judges events again. Simple and complete: every event, in order, by what stands below the log
/// size. The order and the size are all the state there is, so it can be cut into pieces later.
pub(super) fn rejudge(
    connection: &Connection,
    log_size: u64,
    node: Option<&str>,
    judge: &Judge<'_>,
) -> Result<u64, StoreError> {
    let mut seals = std::collections::HashMap::new();
    let mut statement =
        connection.prepare_cached("SELECT node, max(last_seal_s) FROM generation GROUP BY node")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        seals.insert(row.get::<_, String>(0)?, row.get::<_, i64>(1)?);
    }
    let mut changed = Vec::new();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS} FROM {EVENT_TABLES} WHERE ?1 IS NULL OR event.node = ?1
         ORDER BY event.id"
    ))?;
    let mut rows = statement.query([node])?;
    while let Some(row) = rows.next()? {
        let event = event_from(row)?;
        let seal_s = seals.get(event.facts.origin.node.as_str()).copied().unwrap_or_default();
        let now = judge(&event.facts, log_size, seal_s);
        if !same(&now, &event.now) {
            changed.push((event.key.number, now));
        }
    }
    for (id, now) in &changed {
        revise(connection, *id, log_size, now)?;
        connection
            .prepare_cached(
                "UPDATE event SET code = ?2, request = ?3, now_verdict = ?4 WHERE id = ?1",
            )?
            .execute(params![id, now.code, speaking(now), now.encode_to_vec()])?;
    }
    Ok(changed.len() as u64)
}

/// The same answer, whatever the size of the register that was asked.
fn same(one: &v1::Verdict, other: &v1::Verdict) -> bool {
    let v1::Verdict {
        code,
        undetermined,
        clause,
        added,
        basis_proof,
        registered_before_act,
        register_size: _,
        attributed,
        baseline_until_s,
        confirmed,
    } = one;
    *code == other.code
        && *undetermined == other.undetermined
        && *clause == other.clause
        && *added == other.added
        && *basis_proof == other.basis_proof
        && *registered_before_act == other.registered_before_act
        && *attributed == other.attributed
        && *baseline_until_s == other.baseline_until_s
        && *confirmed == other.confirmed
}

/// Adds a verdict as known now to the history of an event.
fn revise(
    connection: &Connection,
    event: i64,
    log_size: u64,
    verdict: &v1::Verdict,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO verdict VALUES (?1,
                 (SELECT coalesce(max(revision) + 1, 0) FROM verdict WHERE event = ?1), 0, ?2, ?3)",
        )?
        .execute(params![event, number(log_size), verdict.encode_to_vec()])?;
    Ok(())
}

fn speaking(verdict: &v1::Verdict) -> &str {
    verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str())
}
