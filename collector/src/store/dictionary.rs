//! What many rows of the catalog repeat, kept once; and how values become parameters.

use std::collections::HashMap;

use evidence::{AgentOrigin, Claim};
use prost::Message;
use register::target::name_in_key;
use remit_proto::v1;
use rusqlite::{Connection, OptionalExtension, params};

use super::{StoreError, part::key_of};

/// The dictionaries, and what was looked up in them. It lives as long as one transaction, so that it
/// knows of no row that was rolled back.
pub(super) struct Dictionary<'a> {
    connection: &'a Connection,
    targets: HashMap<v1::Target, i64>,
    forms: HashMap<Vec<u8>, i64>,
    origins: HashMap<AgentOrigin, i64>,
}

impl<'a> Dictionary<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, targets: HashMap::new(), forms: HashMap::new(), origins: HashMap::new() }
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
        let key = key_of(target);
        let own = (name_in_key(&key).as_ref() != Some(value)).then_some(value);
        let found = self
            .connection
            .prepare_cached("SELECT id FROM target WHERE key = ?1 AND kind = ?2 AND value IS ?3")?
            .query_row(params![key, kind, own], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                self.connection
                    .prepare_cached("INSERT INTO target (kind, key, value) VALUES (?1, ?2, ?3)")?
                    .execute(params![kind, key, own])?;
                self.connection.last_insert_rowid()
            }
        };
        self.targets.insert(target.clone(), id);
        Ok(Some(id))
    }

    pub(super) fn origin(&mut self, origin: &AgentOrigin) -> Result<i64, StoreError> {
        if let Some(known) = self.origins.get(origin) {
            return Ok(*known);
        }
        let id = match origin_row(self.connection, origin)? {
            Some(id) => id,
            None => {
                let (node, generation) = (origin.node.as_str(), origin.generation.to_string());
                self.connection
                    .prepare_cached(
                        "INSERT INTO origin (node, generation, operator) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![node, generation, origin.operator.as_str()])?;
                self.connection.last_insert_rowid()
            }
        };
        self.origins.insert(origin.clone(), id);
        Ok(id)
    }

    /// Of a rule without its number, which its own row has.
    pub(super) fn form(&mut self, rule: &v1::Rule) -> Result<i64, StoreError> {
        let form = form_of(rule);
        if let Some(known) = self.forms.get(&form) {
            return Ok(*known);
        }
        let found = self
            .connection
            .prepare_cached("SELECT id FROM rule_fact WHERE rule = ?1")?
            .query_row([&form], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => self.add_form(rule, &form)?,
        };
        self.forms.insert(form, id);
        Ok(id)
    }

    fn add_form(&self, rule: &v1::Rule, form: &[u8]) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached("INSERT INTO rule_fact (rule, technique) VALUES (?1, ?2)")?
            .execute(params![form, rule.technique])?;
        let id = self.connection.last_insert_rowid();
        for claim in rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok()) {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO rule_claim (fact, claim) VALUES (?1, ?2)")?
                .execute(params![id, claim.to_string()])?;
        }
        Ok(id)
    }
}

pub(super) fn origin_row(
    connection: &Connection,
    origin: &AgentOrigin,
) -> Result<Option<i64>, StoreError> {
    let found = connection
        .prepare_cached("SELECT id FROM origin WHERE node = ?1 AND generation = ?2")?
        .query_row(params![origin.node.as_str(), origin.generation.to_string()], |row| row.get(0));
    Ok(found.optional()?)
}

/// A rule encoded without its number: what rules of one kind, under one claim, have in common.
pub(super) fn form_of(rule: &v1::Rule) -> Vec<u8> {
    v1::Rule { number: 0, ..rule.clone() }.encode_to_vec()
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
