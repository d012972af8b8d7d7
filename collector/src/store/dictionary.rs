//! What many rows repeat, kept once; and how values become parameters.

use std::collections::HashMap;

use evidence::Claim;
use prost::Message;
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

/// The dictionaries, and what was looked up in them. It lives as long as one transaction, so that it
/// knows of no row that was rolled back.
pub(super) struct Dictionary<'a> {
    connection: &'a Connection,
    targets: HashMap<v1::Target, i64>,
    /// By the encoded rule.
    rules: HashMap<Vec<u8>, i64>,
    /// Where rules are encoded.
    encoded: Vec<u8>,
}

impl<'a> Dictionary<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, targets: HashMap::new(), rules: HashMap::new(), encoded: Vec::new() }
    }

    pub(super) fn target(
        &mut self,
        target: Option<&v1::Target>,
    ) -> Result<Option<i64>, StoreError> {
        let Some(target) = target else { return Ok(None) };
        if let Some(known) = self.targets.get(target) {
            return Ok(Some(*known));
        }
        let v1::Target { kind, value } = target;
        let found = self
            .connection
            .prepare_cached("SELECT id FROM target WHERE kind = ?1 AND value = ?2")?
            .query_row(params![kind, value], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                self.connection
                    .prepare_cached("INSERT INTO target (kind, value) VALUES (?1, ?2)")?
                    .execute(params![kind, value])?;
                self.connection.last_insert_rowid()
            }
        };
        self.targets.insert(target.clone(), id);
        Ok(Some(id))
    }

    pub(super) fn rule(&mut self, rule: &v1::Rule) -> Result<i64, StoreError> {
        self.encoded.clear();
        rule.encode_raw(&mut self.encoded);
        if let Some(known) = self.rules.get(&self.encoded) {
            return Ok(*known);
        }
        let found = self
            .connection
            .prepare_cached("SELECT id FROM rule_fact WHERE rule = ?1")?
            .query_row([&self.encoded], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => self.add_rule(rule)?,
        };
        self.rules.insert(self.encoded.clone(), id);
        Ok(id)
    }

    fn add_rule(&self, rule: &v1::Rule) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached("INSERT INTO rule_fact (rule, technique) VALUES (?1, ?2)")?
            .execute(params![self.encoded, rule.technique])?;
        let id = self.connection.last_insert_rowid();
        for claim in rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok()) {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO rule_claim (fact, claim) VALUES (?1, ?2)")?
                .execute(params![id, claim.to_string()])?;
        }
        Ok(id)
    }
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
