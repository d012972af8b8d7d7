//! What many rows repeat, kept once; and how values become parameters.

use evidence::Claim;
use prost::Message;
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

pub(super) fn target_number(
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

pub(super) fn rule_fact(connection: &Connection, rule: &v1::Rule) -> Result<i64, StoreError> {
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

/// Whole numbers that SQLite can add a few thousand of without overflow.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
