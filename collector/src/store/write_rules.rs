//! Writing which rules stand.

use evidence::AgentOrigin;
use register::{duties::Begun, is_deed};
use remit_proto::v1;
use rusqlite::{Connection, params};

use super::{
    RuleId, ShownRule, StoreError,
    dictionary::{Dictionary, json, number},
    write_stood,
};

pub(super) fn show_rule(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    shown: &ShownRule,
    begun: Begun,
    position: u64,
) -> Result<(), StoreError> {
    let ShownRule { facts, native, installed_at_s, shown_at_s } = shown;
    let fact = dictionary.form(&facts.rule)?;
    let target = dictionary.target(facts.target.as_ref())?;
    if is_deed(&facts.rule) {
        end_elsewhere(connection, &facts.origin, facts.rule.number)?;
        let (origin, number) = (&facts.origin, facts.rule.number);
        write_stood::end_elsewhere(connection, origin, number, *shown_at_s, position)?;
    }
    write_stood::show(connection, dictionary, shown, begun, position)?;
    // What was known of its installation stays known, unless the rule had gone and came back, or
    // stands in another form (other claims, another technique): then since when it stands, and what
    // it has done since, begin anew. Its hits before stay in `event`.
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
                     WHEN shown = 1 AND installed_now = 1 AND fact = excluded.fact
                     THEN installed_at_s ELSE excluded.installed_at_s END,
                 hits = CASE
                     WHEN shown = 0 OR (installed_now = 1 AND fact = excluded.fact)
                     THEN hits ELSE 0 END,
                 shared_hits = CASE
                     WHEN shown = 0 OR (installed_now = 1 AND fact = excluded.fact)
                     THEN shared_hits ELSE 0 END,
                 first_hit_s = CASE
                     WHEN shown = 0 OR (installed_now = 1 AND fact = excluded.fact)
                     THEN first_hit_s ELSE 0 END,
                 last_hit_s = CASE
                     WHEN shown = 0 OR (installed_now = 1 AND fact = excluded.fact)
                     THEN last_hit_s ELSE 0 END,
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

/// A deed has one number in all generations: the newest tells of it, and of its end.
fn end_elsewhere(
    connection: &Connection,
    origin: &AgentOrigin,
    number: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE rule SET installed_now = 0
             WHERE node = ?1 AND number = ?2 AND generation <> ?3 AND installed_now = 1",
        )?
        .execute(params![
            origin.node.as_str(),
            number.cast_signed(),
            origin.generation.to_string()
        ])?;
    Ok(())
}

pub(super) fn remove_rule(
    connection: &Connection,
    rule: &RuleId,
    at_s: i64,
    position: u64,
) -> Result<(), StoreError> {
    write_stood::remove(connection, rule, at_s, position)?;
    connection
        .prepare_cached(
            "UPDATE rule SET installed_now = 0, removed_at_s = ?4
             WHERE node = ?1 AND generation = ?2 AND number = ?3",
        )?
        .execute(params![rule.node, rule.generation, rule.number.cast_signed(), at_s])?;
    Ok(())
}

/// All rules of one source at one instant.
pub(super) struct Shown<'a> {
    pub(super) origin: &'a AgentOrigin,
    pub(super) source: v1::SourceKind,
    pub(super) at_s: i64,
    pub(super) rules: &'a [ShownRule],
    pub(super) unstable: bool,
}

/// A snapshot is the truth about one source: what it lists stands, the rest does not. A first
/// snapshot also ends what the generations before had shown of the source, under other numbers.
pub(super) fn apply_snapshot(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    shown: &Shown<'_>,
    position: u64,
) -> Result<(), StoreError> {
    let Shown { origin, source, at_s, rules, unstable } = *shown;
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
    let listed: Vec<i64> = rules.iter().map(|r| r.facts.rule.number.cast_signed()).collect();
    let ends = (listed.as_slice(), first, unstable);
    write_stood::end_missing(connection, origin, source, at_s, ends, position)?;
    if !unstable {
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
        let begun = if first { Begun::Before } else { Begun::Found };
        show_rule(connection, dictionary, &rule, begun, position)?;
    }
    Ok(())
}
