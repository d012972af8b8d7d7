//! How often rules were hit, in the form in which they stand.
//!
//! Hits come to rules at random, and every row lies on a page of its own: written one by one they would be
//! most of what the catalog writes. So what changed in a transaction is appended as one run, and runs are
//! merged into the rows of `rule_hits` when they hold many counts. What is said of a rule is its whole
//! count, so the newest run holds, and merging changes nothing that is read.

use std::collections::{BTreeMap, HashMap};

use prost::encoding::{decode_varint, encode_varint};
use rusqlite::{Connection, OptionalExtension, params};

use super::{StoreError, StoredRule, columns::unsigned};

/// So much is told by runs before they are merged; a reader reads all of it.
pub(super) const TOLD_MAX: usize = 200_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) hits: i64,
    /// Hits that this rule or another one did.
    pub(super) shared_hits: i64,
    pub(super) first_hit_s: i64,
    pub(super) last_hit_s: i64,
}

impl Counts {
    pub(super) fn put_into(self, rule: &mut StoredRule) {
        let Self { hits, shared_hits, first_hit_s, last_hit_s } = self;
        (rule.hits, rule.shared_hits) = (unsigned(hits), unsigned(shared_hits));
        (rule.first_hit_s, rule.last_hit_s) = (first_hit_s, last_hit_s);
    }
}

/// What no row has yet, by the row of the rule.
pub(super) struct Runs {
    newest: HashMap<i64, Counts>,
    /// Counts in all runs: of a few rules that are hit every second too.
    told: usize,
    told_max: usize,
    /// Of the transaction that is open.
    unwritten: BTreeMap<i64, Counts>,
}

impl Runs {
    pub(super) fn load(connection: &Connection, told_max: usize) -> Result<Self, StoreError> {
        let (mut newest, mut told) = (HashMap::new(), 0);
        each(connection, |rule, counts| {
            newest.insert(rule, counts);
            told += 1;
        })?;
        Ok(Self { newest, told, told_max, unwritten: BTreeMap::new() })
    }

    pub(super) fn counts(&self, connection: &Connection, rule: i64) -> Result<Counts, StoreError> {
        if let Some(counts) = self.newest.get(&rule) {
            return Ok(*counts);
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

    pub(super) fn set(&mut self, rule: i64, counts: Counts) {
        self.newest.insert(rule, counts);
        self.unwritten.insert(rule, counts);
    }

    /// Before the transaction ends.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.told = self.told.saturating_add(self.unwritten.len());
        if self.told > self.told_max {
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
        self.unwritten.clear();
        self.told = 0;
        // In the order of the rows: neighbours are on one page.
        let mut all: Vec<(i64, Counts)> = std::mem::take(&mut self.newest).into_iter().collect();
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

/// What runs tell, the oldest first: of a rule the last holds.
pub(super) fn each(
    connection: &Connection,
    mut tell: impl FnMut(i64, Counts),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("SELECT counts FROM hit_run ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let run = decode(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
        let run = run.ok_or(StoreError::Damaged { what: "hit_run.counts" })?;
        run.into_iter().for_each(|(rule, counts)| tell(rule, counts));
    }
    Ok(())
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
        let load = || Runs::load(&connection, 4).unwrap();
        let mut runs = load();
        runs.set(1, counts(1));
        runs.set(2, counts(2));
        runs.write(&connection).unwrap();
        runs.set(1, counts(3));
        runs.write(&connection).unwrap();
        let rows = || {
            let sql = "SELECT count(*) FROM rule_hits UNION ALL SELECT count(*) FROM hit_run";
            let mut statement = connection.prepare(sql).unwrap();
            let counts = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
            counts.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let read = |rule| load().counts(&connection, rule).unwrap();
        assert_eq!(rows(), [0, 2]);
        assert_eq!([read(1), read(2), read(3)], [counts(3), counts(2), Counts::default()]);
        runs = load();
        runs.set(1, counts(4));
        runs.set(2, Counts::default());
        runs.write(&connection).unwrap();
        assert_eq!(rows(), [2, 0], "five are told of, by what was read again too");
        assert_eq!([read(1), read(2), read(3)], [counts(4), Counts::default(), Counts::default()]);
        runs.set(2, counts(5));
        runs.write(&connection).unwrap();
        assert_eq!((rows(), read(1), read(2)), (vec![2, 1], counts(4), counts(5)));
    }
}
