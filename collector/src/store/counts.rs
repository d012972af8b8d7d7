//! How often rules were hit, in the form in which they stand.
//!
//! Hits come to rules at random, and every row lies on a page of its own: written one by one they would be
//! most of what the catalog writes. So what changed in a transaction is appended as one run, and runs are
//! merged into the rows of `rule_hits` when they tell of many rules. What is said of a rule is its whole
//! count, so the newest run holds, and merging changes nothing that is read.

use std::collections::{BTreeMap, HashMap};

use prost::encoding::{decode_varint, encode_varint};
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

/// Of so many rules at the most runs are kept; a reader reads them all.
const RULES_MAX: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) hits: i64,
    /// Hits that this rule or another one did.
    pub(super) shared_hits: i64,
    pub(super) first_hit_s: i64,
    pub(super) last_hit_s: i64,
}

/// What no row has yet, by the row of the rule.
#[derive(Default)]
pub(super) struct Runs {
    newest: HashMap<i64, Counts>,
    /// Of the transaction that is open.
    unwritten: BTreeMap<i64, Counts>,
}

impl Runs {
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut loaded = Self::default();
        let mut statement = connection.prepare_cached("SELECT counts FROM hit_run ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let run = decode(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
            loaded.newest.extend(run.ok_or(StoreError::Damaged { what: "hit_run.counts" })?);
        }
        Ok(loaded)
    }

    pub(super) fn counts(&self, connection: &Connection, rule: i64) -> Result<Counts, StoreError> {
        if let Some(counts) = self.of(rule) {
            return Ok(counts);
        }
        let mut statement = connection.prepare_cached(
            "SELECT hits, shared_hits, first_hit_s, last_hit_s FROM rule_hits WHERE rule = ?1",
        )?;
        let found = statement.query_row([rule], |row| {
            Ok(Counts {
                hits: row.get(0)?,
                shared_hits: row.get(1)?,
                first_hit_s: row.get(2)?,
                last_hit_s: row.get(3)?,
            })
        });
        Ok(found.optional()?.unwrap_or_default())
    }

    /// `None`: its row has them.
    pub(super) fn of(&self, rule: i64) -> Option<Counts> {
        self.newest.get(&rule).copied()
    }

    pub(super) fn set(&mut self, rule: i64, counts: Counts) {
        self.newest.insert(rule, counts);
        self.unwritten.insert(rule, counts);
    }

    /// Before the transaction ends.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.newest.len() > RULES_MAX {
            return self.merge(connection);
        }
        if !self.unwritten.is_empty() {
            let run = encode(&std::mem::take(&mut self.unwritten));
            connection
                .prepare_cached("INSERT INTO hit_run (counts) VALUES (?1)")?
                .execute([run])?;
        }
        Ok(())
    }

    fn merge(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Self { newest, unwritten } = self;
        unwritten.clear();
        // In the order of the rows: neighbours are on one page.
        let mut all: Vec<(i64, Counts)> = newest.drain().collect();
        all.sort_unstable_by_key(|(rule, _)| *rule);
        let mut write = connection
            .prepare_cached("INSERT OR REPLACE INTO rule_hits VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (rule, Counts { hits, shared_hits, first_hit_s, last_hit_s }) in all {
            write.execute(params![rule, hits, shared_hits, first_hit_s, last_hit_s])?;
        }
        connection.execute("DELETE FROM hit_run", [])?;
        Ok(())
    }
}

/// Ascending rows, each as what it is more than the one before, with its counts: base-128 varints of protobuf.
fn encode(run: &BTreeMap<i64, Counts>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut before = 0;
    for (rule, Counts { hits, shared_hits, first_hit_s, last_hit_s }) in run {
        let lasted_s = last_hit_s.wrapping_sub(*first_hit_s);
        for value in [rule.wrapping_sub(before), *hits, *shared_hits, *first_hit_s, lasted_s] {
            encode_varint(value.cast_unsigned(), &mut bytes);
        }
        before = *rule;
    }
    bytes
}

/// `None`: it is cut off.
fn decode(mut bytes: &[u8]) -> Option<Vec<(i64, Counts)>> {
    let mut run = Vec::new();
    let mut before: i64 = 0;
    while !bytes.is_empty() {
        let mut value = || decode_varint(&mut bytes).ok().map(u64::cast_signed);
        before = before.wrapping_add(value()?);
        let (hits, shared_hits, first_hit_s) = (value()?, value()?, value()?);
        let last_hit_s = first_hit_s.wrapping_add(value()?);
        run.push((before, Counts { hits, shared_hits, first_hit_s, last_hit_s }));
    }
    Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(hits: i64) -> Counts {
        Counts { hits, shared_hits: hits - 9, first_hit_s: 1_700_000_000, last_hit_s: -hits }
    }

    #[test]
    fn a_run_reads_back_and_a_cut_one_does_not() {
        let run = BTreeMap::from([(-3, counts(7)), (1, Counts::default()), (i64::MAX, counts(1))]);
        let bytes = encode(&run);
        assert_eq!(decode(&bytes), Some(run.into_iter().collect()));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn the_newest_holds_before_and_after_runs_are_merged() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(super::super::schema::TABLES).unwrap();
        let mut runs = Runs::default();
        runs.set(1, counts(1));
        runs.set(2, counts(2));
        runs.write(&connection).unwrap();
        runs.set(1, counts(3));
        runs.write(&connection).unwrap();
        let read = |rule| Runs::load(&connection).unwrap().of(rule);
        assert_eq!([read(1), read(2), read(3)], [Some(counts(3)), Some(counts(2)), None]);
        runs.set(2, Counts::default());
        runs.merge(&connection).unwrap();
        assert_eq!([read(1), read(2)], [None, None]);
        let row = |rule: i64| {
            let sql = "SELECT hits FROM rule_hits WHERE rule = ?1";
            connection.query_row(sql, [rule], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!([row(1), row(2)], [3, 0]);
    }
}
