//! Applying a chunk, inside the transaction of the caller.

use evidence::{AgentOrigin, Claim};
use prost::Message;
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Applied, Chunk, EventKind, Judge, NewEvent, NewGap, NewLoss, Op, RuleId, ShownRule, StoreError,
    read::{EVENT_COLUMNS, EVENT_TABLES, event_from},
};
use register::assessment::Facts;

/// Whole numbers that SQLite can add a few thousand of without overflow.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn watermark(connection: &Connection) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> =
        connection.query_row("SELECT watermark FROM projection", [], |row| row.get(0))?;
    Ok(found.map(i64::cast_unsigned))
}

pub(super) fn apply(
    connection: &Connection,
    chunk: &Chunk,
    judge: &Judge<'_>,
) -> Result<Applied, StoreError> {
    let Chunk { after, to, at_s, ops } = chunk;
    let watermark = watermark(connection)?;
    if *after != watermark || after.is_some_and(|after| *to <= after) {
        return Err(StoreError::NotAtWatermark { after: *after, watermark });
    }
    let mut applied = Applied::default();
    for op in ops {
        apply_one(connection, op, judge, &mut applied)?;
    }
    connection
        .prepare_cached("UPDATE projection SET watermark = ?1, at_s = max(at_s, ?2)")?
        .execute(params![to.cast_signed(), at_s])?;
    Ok(applied)
}

fn apply_one(
    connection: &Connection,
    op: &Op,
    judge: &Judge<'_>,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    match op {
        Op::Enrolled { origin, log_index, at_s } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET enrolled_by = ?3, enrolled_at_s = ?4
                     WHERE node = ?1 AND generation = ?2 AND enrolled_by IS NULL",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    number(*log_index),
                    at_s
                ])?;
        }
        Op::Received { origin, size, at_s } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET received_size = max(received_size, ?3),
                         last_received_s = max(last_received_s, ?4)
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    number(*size),
                    at_s
                ])?;
        }
        Op::Covered { origin, size } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET covered_size = max(covered_size, ?3)
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    number(*size)
                ])?;
        }
        Op::Genesis { origin, window_s, individual_actions } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET window_s = ?3, individual_actions = ?4
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    window_s,
                    individual_actions
                ])?;
        }
        Op::Start { origin, start } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET start = ?3 WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    start.encode_to_vec()
                ])?;
        }
        Op::Seal { origin, seal } => {
            touch(connection, origin)?;
            connection
                .prepare_cached(
                    "UPDATE generation SET seal = ?3, last_seal_s = ?4
                     WHERE node = ?1 AND generation = ?2",
                )?
                .execute(params![
                    origin.node.as_str(),
                    origin.generation.to_string(),
                    seal.encode_to_vec(),
                    seal.at_s
                ])?;
        }
        Op::Loss(loss) => insert_loss(connection, loss)?,
        Op::Gap(gap) => insert_gap(connection, gap)?,
        Op::Fork { node } => {
            connection
                .prepare_cached(
                    "INSERT INTO fork VALUES (?1, 1)
                     ON CONFLICT (node) DO UPDATE SET count = count + 1",
                )?
                .execute([node])?;
        }
        Op::Event(event) => {
            insert_event(connection, event)?;
            applied.events = applied.events.saturating_add(1);
        }
        Op::RuleShown(rule) => show_rule(connection, rule)?,
        Op::RuleRemoved { rule, at_s } => remove_rule(connection, rule, *at_s)?,
        Op::Snapshot { origin, source, at_s, rules, unstable } => {
            apply_snapshot(connection, origin, *source, *at_s, rules, *unstable)?;
        }
        Op::LogSize(size) => {
            connection
                .prepare_cached("UPDATE projection SET log_size = max(log_size, ?1)")?
                .execute([number(*size)])?;
        }
        Op::RegisterSize(size) => {
            connection
                .prepare_cached("UPDATE projection SET register_size = max(register_size, ?1)")?
                .execute([number(*size)])?;
        }
        Op::Rejudge { log_size, node } => {
            let revised = rejudge(connection, *log_size, node.as_deref(), judge)?;
            applied.revised = applied.revised.saturating_add(revised);
        }
    }
    Ok(())
}

fn touch(connection: &Connection, origin: &AgentOrigin) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO generation (node, generation, operator) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            origin.operator.as_str()
        ])?;
    Ok(())
}

fn insert_loss(connection: &Connection, loss: &NewLoss) -> Result<(), StoreError> {
    let NewLoss { origin, index, source, from_s, until_s, lost, unexplained } = loss;
    connection
        .prepare_cached("INSERT OR IGNORE INTO loss VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            number(*index),
            source,
            from_s,
            until_s,
            number(*lost),
            number(*unexplained)
        ])?;
    Ok(())
}

fn insert_gap(connection: &Connection, new: &NewGap) -> Result<(), StoreError> {
    let NewGap { origin, index, gap } = new;
    connection
        .prepare_cached("INSERT OR IGNORE INTO gap VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            number(*index),
            gap.from_s,
            gap.until_s,
            gap.encode_to_vec()
        ])?;
    Ok(())
}

fn insert_event(connection: &Connection, event: &NewEvent) -> Result<(), StoreError> {
    let NewEvent { kind, facts, hits, detail_reduced, then, now } = event;
    let Facts {
        origin,
        index,
        rule,
        target,
        hit_target,
        response,
        span,
        imported,
        before_act,
        covered_by,
    } = facts;
    let fact = rule_fact(connection, rule)?;
    let target = target_number(connection, target.as_ref())?;
    let hit_target = target_number(connection, hit_target.as_ref())?;
    connection
        .prepare_cached(
            "INSERT INTO event (node, generation, leaf, operator, kind, number, fact, target,
                 hit_target, response, hits, first_s, last_s, clock_error_s, imported,
                 detail_reduced, before_act, covered_by, code, request, then_verdict, now_verdict)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                 ?18, ?19, ?20, ?21, ?22)",
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
            now.code,
            speaking(now),
            then.encode_to_vec(),
            now.encode_to_vec(),
        ])?;
    let id = connection.last_insert_rowid();
    let log_size = covered_by.saturating_add(1);
    add_verdict(connection, id, true, log_size, then)?;
    add_verdict(connection, id, false, log_size, now)?;
    match kind {
        EventKind::Activity => count_hits(connection, facts, *hits, fact, target),
        EventKind::Installed | EventKind::Removed => Ok(()),
    }
}

/// Hits of a rule that nothing has shown make a row that says so.
fn count_hits(
    connection: &Connection,
    facts: &Facts,
    hits: u64,
    fact: i64,
    target: Option<i64>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO rule (node, generation, number, operator, source, fact, target, shown,
                 shown_by, first_shown_s, shown_at_s, clock_error_s, before_act, covered_by,
                 installed_now, hits, first_hit_s, last_hit_s)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?9, ?10, ?11, ?12, 0, ?13, ?9, ?14)
             ON CONFLICT (node, generation, number) DO UPDATE SET
                 first_hit_s = CASE hits WHEN 0 THEN excluded.first_hit_s
                     ELSE min(first_hit_s, excluded.first_hit_s) END,
                 last_hit_s = max(last_hit_s, excluded.last_hit_s),
                 hits = hits + min(excluded.hits, 9223372036854775807 - hits)",
        )?
        .execute(params![
            facts.origin.node.as_str(),
            facts.origin.generation.to_string(),
            facts.rule.number.cast_signed(),
            facts.origin.operator.as_str(),
            facts.rule.source,
            fact,
            target,
            number(facts.index),
            facts.span.first_s,
            facts.span.clock_error_s,
            facts.before_act.map(number),
            number(facts.covered_by),
            number(hits),
            facts.span.last_s,
        ])?;
    Ok(())
}

fn show_rule(connection: &Connection, shown: &ShownRule) -> Result<(), StoreError> {
    let ShownRule { facts, native, installed_at_s, shown_at_s } = shown;
    let fact = rule_fact(connection, &facts.rule)?;
    let target = target_number(connection, facts.target.as_ref())?;
    // What was known of its installation stays known, unless the rule had gone and came back.
    connection
        .prepare_cached(
            "INSERT INTO rule (node, generation, number, operator, source, fact, target, native,
                 shown, shown_by, first_shown_s, shown_at_s, clock_error_s, before_act,
                 covered_by, installed_at_s, installed_now)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?10, ?10, ?11, ?12, ?13, ?14, 1)
             ON CONFLICT (node, generation, number) DO UPDATE SET
                 fact = excluded.fact,
                 target = excluded.target,
                 native = CASE excluded.native WHEN '' THEN native ELSE excluded.native END,
                 installed_at_s = CASE
                     WHEN shown = 1 AND installed_now = 1 THEN installed_at_s
                     ELSE excluded.installed_at_s END,
                 shown = 1,
                 shown_by = excluded.shown_by,
                 shown_at_s = excluded.shown_at_s,
                 clock_error_s = excluded.clock_error_s,
                 before_act = excluded.before_act,
                 covered_by = excluded.covered_by,
                 removed_at_s = NULL,
                 installed_now = 1",
        )?
        .execute(params![
            facts.origin.node.as_str(),
            facts.origin.generation.to_string(),
            facts.rule.number.cast_signed(),
            facts.origin.operator.as_str(),
            facts.rule.source,
            fact,
            target,
            native,
            number(facts.index),
            shown_at_s,
            facts.span.clock_error_s,
            facts.before_act.map(number),
            number(facts.covered_by),
            installed_at_s.unwrap_or(0),
        ])?;
    Ok(())
}

fn remove_rule(connection: &Connection, rule: &RuleId, at_s: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE rule SET installed_now = 0, removed_at_s = ?4
             WHERE node = ?1 AND generation = ?2 AND number = ?3",
        )?
        .execute(params![rule.node, rule.generation, rule.number.cast_signed(), at_s])?;
    Ok(())
}

/// A snapshot is the truth about one source: what it lists stands, the rest does not. A first
/// snapshot also ends what the generations before had shown of the source, under other numbers.
fn apply_snapshot(
    connection: &Connection,
    origin: &AgentOrigin,
    source: v1::SourceKind,
    at_s: i64,
    rules: &[ShownRule],
    unstable: bool,
) -> Result<(), StoreError> {
    let (node, generation) = (origin.node.as_str(), origin.generation.to_string());
    let source = i32::from(source);
    let first = connection
        .prepare_cached("INSERT OR IGNORE INTO snapshot VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![node, generation, source, at_s])?
        == 1;
    if first {
        connection
            .prepare_cached(
                "UPDATE rule SET installed_now = 0
                 WHERE node = ?1 AND source = ?2 AND generation <> ?3 AND installed_now = 1",
            )?
            .execute(params![node, source, generation])?;
    }
    if !unstable {
        let listed: Vec<i64> = rules.iter().map(|r| r.facts.rule.number.cast_signed()).collect();
        connection
            .prepare_cached(
                "UPDATE rule SET installed_now = 0, removed_at_s = ?4
                 WHERE node = ?1 AND source = ?2 AND generation = ?3 AND installed_now = 1
                   AND number NOT IN (SELECT value FROM json_each(?5))",
            )?
            .execute(params![node, source, generation, at_s, json(&listed)])?;
    }
    for rule in rules {
        let mut rule = rule.clone();
        if !first {
            // Its installation was not seen; it happened before this snapshot and after the last.
            rule.installed_at_s = Some(at_s);
        }
        show_rule(connection, &rule)?;
    }
    Ok(())
}

/// Judges events again. Simple and complete: every event, in order, by what stands below the log
/// size. The order and the size are all the state there is, so it can be cut into pieces later.
fn rejudge(
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
        add_verdict(connection, *id, false, log_size, now)?;
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
    } = one;
    *code == other.code
        && *undetermined == other.undetermined
        && *clause == other.clause
        && *added == other.added
        && *basis_proof == other.basis_proof
        && *registered_before_act == other.registered_before_act
}

fn add_verdict(
    connection: &Connection,
    event: i64,
    as_known_then: bool,
    log_size: u64,
    verdict: &v1::Verdict,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO verdict VALUES (?1,
                 (SELECT coalesce(max(revision) + 1, 0) FROM verdict WHERE event = ?1), ?2, ?3, ?4)",
        )?
        .execute(params![event, as_known_then, number(log_size), verdict.encode_to_vec()])?;
    Ok(())
}

fn speaking(verdict: &v1::Verdict) -> &str {
    verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str())
}

fn target_number(
    connection: &Connection,
    target: Option<&v1::Target>,
) -> Result<Option<i64>, StoreError> {
    let Some(v1::Target { kind, value }) = target else { return Ok(None) };
    let found = connection
        .prepare_cached("SELECT id FROM target WHERE kind = ?1 AND value = ?2")?
        .query_row(params![kind, value], |row| row.get(0))
        .optional()?;
    if found.is_some() {
        return Ok(found);
    }
    connection
        .prepare_cached("INSERT INTO target (kind, value) VALUES (?1, ?2)")?
        .execute(params![kind, value])?;
    Ok(Some(connection.last_insert_rowid()))
}

fn rule_fact(connection: &Connection, rule: &v1::Rule) -> Result<i64, StoreError> {
    let bytes = rule.encode_to_vec();
    let found = connection
        .prepare_cached("SELECT id FROM rule_fact WHERE rule = ?1")?
        .query_row([&bytes], |row| row.get(0))
        .optional()?;
    if let Some(found) = found {
        return Ok(found);
    }
    connection
        .prepare_cached("INSERT INTO rule_fact (rule, technique) VALUES (?1, ?2)")?
        .execute(params![bytes, rule.technique])?;
    let id = connection.last_insert_rowid();
    for claim in rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok()) {
        connection
            .prepare_cached("INSERT OR IGNORE INTO rule_claim (fact, claim) VALUES (?1, ?2)")?
            .execute(params![id, claim.to_string()])?;
    }
    Ok(id)
}

/// A list of numbers or words as one parameter, for `json_each`.
pub(super) fn json<T: serde::Serialize>(list: &[T]) -> String {
    // Numbers and strings always have a JSON text.
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}
