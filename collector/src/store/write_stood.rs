//! Writing when rules stood: one row for each span in which a rule stood in one form, never changed but to
//! say how it ended. The same steps as `register::duties::Timeline`; a test compares.
//!
//! `begun`: 1 seen to be installed, 2 found in a later snapshot, 3 in the first one. `changed`: the position
//! that told of it last, by which a reader asks for what is new.

use evidence::AgentOrigin;
use register::duties::Begun;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    RuleId, ShownRule, StoreError,
    dictionary::{Dictionary, json},
};

fn number_of(begun: Begun) -> i64 {
    match begun {
        Begun::Seen => 1,
        Begun::Found => 2,
        Begun::Before => 3,
    }
}

pub(super) fn begun_from(number: i64) -> Option<Begun> {
    let all = [Begun::Seen, Begun::Found, Begun::Before];
    all.into_iter().find(|begun| number_of(*begun) == number)
}

pub(super) fn show(
    connection: &Connection,
    dictionary: &mut Dictionary<'_>,
    shown: &ShownRule,
    begun: Begun,
    position: u64,
) -> Result<(), StoreError> {
    let ShownRule { facts, native: _, installed_at_s, shown_at_s } = shown;
    let fact = dictionary.form(&facts.rule)?;
    let target = dictionary.target(facts.target.as_ref())?;
    let from_s = installed_at_s.unwrap_or(*shown_at_s);
    let (node, generation) = (facts.origin.node.as_str(), facts.origin.generation.to_string());
    let number = facts.rule.number.cast_signed();
    let open: Option<(i64, i64, Option<i64>)> = connection
        .prepare_cached(
            "SELECT id, fact, target FROM stood
             WHERE node = ?1 AND generation = ?2 AND number = ?3 AND until_s IS NULL",
        )?
        .query_row(params![node, generation, number], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match open {
        Some((_, open_fact, open_target)) if open_fact == fact && open_target == target => {
            return Ok(());
        }
        Some((id, _, _)) => {
            connection
                .prepare_cached(
                    "UPDATE stood SET until_s = max(from_s, ?2), changed = ?3 WHERE id = ?1",
                )?
                .execute(params![id, from_s, position.cast_signed()])?;
        }
        None => {}
    }
    connection
        .prepare_cached(
            "INSERT INTO stood (node, generation, number, source, fact, target, from_s, begun, changed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            node,
            generation,
            number,
            facts.rule.source,
            fact,
            target,
            from_s,
            number_of(begun),
            position.cast_signed()
        ])?;
    Ok(())
}

pub(super) fn remove(
    connection: &Connection,
    rule: &RuleId,
    at_s: i64,
    position: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE stood SET until_s = max(from_s, ?4), changed = ?5
             WHERE node = ?1 AND generation = ?2 AND number = ?3 AND until_s IS NULL",
        )?
        .execute(params![
            rule.node,
            rule.generation,
            rule.number.cast_signed(),
            at_s,
            position.cast_signed()
        ])?;
    Ok(())
}

/// A deed has one number in all generations of its node.
pub(super) fn end_elsewhere(
    connection: &Connection,
    origin: &AgentOrigin,
    number: u64,
    at_s: i64,
    position: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE stood SET until_s = max(from_s, ?4), changed = ?5
             WHERE node = ?1 AND generation <> ?2 AND number = ?3 AND until_s IS NULL",
        )?
        .execute(params![
            origin.node.as_str(),
            origin.generation.to_string(),
            number.cast_signed(),
            at_s,
            position.cast_signed()
        ])?;
    Ok(())
}

/// What a snapshot ends. `first`: of its generation and source.
pub(super) fn end_missing(
    connection: &Connection,
    origin: &AgentOrigin,
    source: i32,
    at_s: i64,
    (listed, first, unstable): (&[i64], bool, bool),
    position: u64,
) -> Result<(), StoreError> {
    let (node, generation) = (origin.node.as_str(), origin.generation.to_string());
    if first {
        connection
            .prepare_cached(
                "UPDATE stood SET until_s = max(from_s, ?4), changed = ?5
                 WHERE node = ?1 AND generation <> ?2 AND source = ?3 AND until_s IS NULL",
            )?
            .execute(params![node, generation, source, at_s, position.cast_signed()])?;
    }
    if !unstable {
        connection
            .prepare_cached(
                "UPDATE stood SET until_s = max(from_s, ?4), changed = ?5
                 WHERE node = ?1 AND generation = ?2 AND source = ?3 AND until_s IS NULL
                   AND number NOT IN (SELECT value FROM json_each(?6))",
            )?
            .execute(params![
                node,
                generation,
                source,
                at_s,
                position.cast_signed(),
                json(listed)
            ])?;
    }
    Ok(())
}
