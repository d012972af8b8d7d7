//! Sums over the events of a partition, added up in memory over a run of events and written with it.
//!
//! By rule and answer, for findings; by hour, technique, code and reason, for reports. Rules come at random, and
//! their rows lie on pages of their own: what a run adds to them is appended (`sum_run`), and added to the rows
//! (`rule_sum`) when the partition is sealed, when its events are judged again, or when that has become much.
//! Whoever reads adds up both.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::dictionary::{AnswerOf, RowId, each};
use crate::store::StoreError;

/// Rows of `sum_run` before they are added up; a reader reads all of them.
const TOLD_MAX: i64 = 200_000;

#[derive(Default)]
pub(super) struct Sums {
    /// Of the transaction that is open, by rule and answer.
    rules: HashMap<(RowId, RowId), RuleSum>,
    /// Rows of `sum_run`.
    told: i64,
    hours: HashMap<Hour, HourSum>,
    changed_hours: Vec<Hour>,
}

struct RuleSum {
    events: i64,
    hits: i64,
    first_s: i64,
    last_s: i64,
    newest: RowId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hour {
    /// Hours since 1970.
    pub(super) hour: i64,
    pub(super) technique: i32,
    pub(super) code: i32,
    pub(super) reason: i32,
}

#[derive(Default)]
struct HourSum {
    events: i64,
    hits: i64,
    is_changed: bool,
}

impl Hour {
    pub(super) fn of(last_s: i64, technique: i32, answer: AnswerOf) -> Self {
        let AnswerOf { answer: _, code, reason, is_notable: _ } = answer;
        Self { hour: last_s.div_euclid(3600), technique, code, reason }
    }
}

impl Sums {
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let told = connection.query_row("SELECT count(*) FROM sum_run", [], |row| row.get(0))?;
        let mut loaded = Self { told, ..Self::default() };
        let sql = "SELECT hour, technique, code, reason, events, hits FROM hour_sum";
        each(connection, sql, |row| {
            let hour = Hour {
                hour: row.get(0)?,
                technique: row.get(1)?,
                code: row.get(2)?,
                reason: row.get(3)?,
            };
            let sum = HourSum { events: row.get(4)?, hits: row.get(5)?, is_changed: false };
            loaded.hours.insert(hour, sum);
            Ok(())
        })?;
        Ok(loaded)
    }

    pub(super) fn add_to_rule(
        &mut self,
        rule: RowId,
        answer: RowId,
        hits: i64,
        first_s: i64,
        last_s: i64,
        event: RowId,
    ) {
        let more = RuleSum { events: 1, hits, first_s, last_s, newest: event };
        self.rules.entry((rule, answer)).and_modify(|sum| sum.add(&more)).or_insert(more);
    }

    pub(super) fn add_to_hour(&mut self, hour: Hour, hits: i64) {
        let sum = self.hours.entry(hour).or_default();
        sum.events = sum.events.saturating_add(1);
        sum.hits = sum.hits.saturating_add(hits);
        if !std::mem::replace(&mut sum.is_changed, true) {
            self.changed_hours.push(hour);
        }
    }

    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut write =
            connection.prepare_cached("INSERT INTO sum_run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for ((rule, answer), sum) in self.rules.drain() {
            sum.write(rule, answer, &mut write)?;
            self.told = self.told.saturating_add(1);
        }
        if self.told > TOLD_MAX {
            self.add_up(connection)?;
        }
        let mut write = connection
            .prepare_cached("INSERT OR REPLACE INTO hour_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for key in self.changed_hours.drain(..) {
            let Some(sum) = self.hours.get_mut(&key) else { continue };
            sum.is_changed = false;
            let Hour { hour, technique, code, reason } = key;
            write.execute(params![hour, technique, code, reason, sum.events, sum.hits])?;
        }
        Ok(())
    }

    pub(super) fn has_runs(&self) -> bool {
        self.told > 0
    }

    /// Adds what runs tell to the rows, in their order: neighbours are on one page.
    pub(super) fn add_up(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut told: BTreeMap<(RowId, RowId), RuleSum> = BTreeMap::new();
        let columns = "events, hits, last_s - span_s, last_s, newest";
        each(connection, &format!("SELECT rule, answer, {columns} FROM sum_run"), |row| {
            let more = RuleSum::read(row, 2)?;
            let key = (row.get(0)?, row.get(1)?);
            told.entry(key).and_modify(|sum| sum.add(&more)).or_insert(more);
            Ok(())
        })?;
        let mut known = connection.prepare_cached(&format!(
            "SELECT {columns} FROM rule_sum WHERE rule = ?1 AND answer = ?2"
        ))?;
        let mut write = connection.prepare_cached(
            "INSERT OR REPLACE INTO rule_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for ((rule, answer), mut sum) in told {
            let before = known.query_row([rule, answer], |row| RuleSum::read(row, 0)).optional()?;
            before.iter().for_each(|before| sum.add(before));
            sum.write(rule, answer, &mut write)?;
        }
        connection.execute("DELETE FROM sum_run", [])?;
        self.told = 0;
        Ok(())
    }
}

impl RuleSum {
    fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            events: row.get(at)?,
            hits: row.get(at + 1)?,
            first_s: row.get(at + 2)?,
            last_s: row.get(at + 3)?,
            newest: row.get(at + 4)?,
        })
    }

    fn add(&mut self, more: &Self) {
        self.events = self.events.saturating_add(more.events);
        self.hits = self.hits.saturating_add(more.hits);
        self.first_s = self.first_s.min(more.first_s);
        self.last_s = self.last_s.max(more.last_s);
        self.newest = self.newest.max(more.newest);
    }

    fn write(
        &self,
        rule: RowId,
        answer: RowId,
        into: &mut CachedStatement<'_>,
    ) -> Result<(), StoreError> {
        let Self { events, hits, first_s, last_s, newest } = self;
        let span_s = last_s.saturating_sub(*first_s);
        into.execute(params![rule, answer, events, hits, span_s, last_s, newest])?;
        Ok(())
    }
}
