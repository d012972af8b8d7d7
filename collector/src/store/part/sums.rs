//! Sums over the events of a partition, kept in memory beside it and written with it.
//!
//! By rule and answer, for findings; by hour, technique, code and reason, for reports. Each is written as it
//! stands after a run of events, once, however many of them it counts.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::dictionary::{AnswerOf, RowId, each};
use crate::store::StoreError;

#[derive(Default)]
pub(super) struct Sums {
    /// By rule and answer.
    rules: HashMap<(RowId, RowId), RuleSum>,
    changed_rules: Vec<(RowId, RowId)>,
    hours: HashMap<Hour, HourSum>,
    changed_hours: Vec<Hour>,
}

struct RuleSum {
    events: i64,
    hits: i64,
    first_s: i64,
    last_s: i64,
    newest: RowId,
    is_changed: bool,
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
        let mut loaded = Self::default();
        let sql =
            "SELECT rule, answer, events, hits, last_s - span_s, last_s, newest FROM rule_sum";
        each(connection, sql, |row| {
            let sum = RuleSum {
                events: row.get(2)?,
                hits: row.get(3)?,
                first_s: row.get(4)?,
                last_s: row.get(5)?,
                newest: row.get(6)?,
                is_changed: false,
            };
            loaded.rules.insert((row.get(0)?, row.get(1)?), sum);
            Ok(())
        })?;
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
        let new = RuleSum { events: 0, hits: 0, first_s, last_s, newest: event, is_changed: false };
        let sum = self.rules.entry((rule, answer)).or_insert(new);
        sum.events = sum.events.saturating_add(1);
        sum.hits = sum.hits.saturating_add(hits);
        sum.first_s = sum.first_s.min(first_s);
        sum.last_s = sum.last_s.max(last_s);
        sum.newest = event;
        if !std::mem::replace(&mut sum.is_changed, true) {
            self.changed_rules.push((rule, answer));
        }
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
        let mut write = connection.prepare_cached(
            "INSERT OR REPLACE INTO rule_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        // In the order of the rows: neighbours are on one page.
        self.changed_rules.sort_unstable();
        for key in self.changed_rules.drain(..) {
            let Some(sum) = self.rules.get_mut(&key) else { continue };
            sum.is_changed = false;
            let RuleSum { events, hits, first_s, last_s, newest, is_changed: _ } = &*sum;
            let span_s = last_s.saturating_sub(*first_s);
            write.execute(params![key.0, key.1, events, hits, span_s, last_s, newest])?;
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
}
