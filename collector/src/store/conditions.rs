//! Filters as SQL conditions: constants of this file with a parameter for every value. Lists go as one
//! JSON text through `json_each`.

use rusqlite::types::Value;

use super::{EventQuery, dictionary::json};

/// Conditions with their values.
#[derive(Default)]
pub(super) struct Where {
    conditions: Vec<&'static str>,
    pub(super) values: Vec<Value>,
}

impl Where {
    pub(super) fn and<const N: usize>(&mut self, condition: &'static str, values: [Value; N]) {
        self.conditions.push(condition);
        self.values.extend(values);
    }

    pub(super) fn sql(&self) -> String {
        if self.conditions.is_empty() {
            return String::new();
        }
        format!("WHERE ({})", self.conditions.join(") AND ("))
    }
}

pub(super) fn event_filter(query: &EventQuery) -> Where {
    let EventQuery {
        since_s,
        until_s,
        nodes,
        targets,
        techniques,
        requests,
        speaking,
        codes,
        with_changes,
    } = query;
    let mut filter = Where::default();
    if !with_changes {
        filter.and("event.kind IN (1, 4)", []);
    } else {
        filter.and("event.kind IN (1, 2, 4)", []);
    }
    if *since_s != 0 {
        filter.and("last_s >= ?", [(*since_s).into()]);
    }
    if *until_s != 0 {
        filter.and("last_s < ?", [(*until_s).into()]);
    }
    if !nodes.is_empty() {
        filter.and("event.node IN (SELECT value FROM json_each(?))", [json(nodes).into()]);
    }
    if let Some(targets) = targets {
        let list = json(targets);
        filter.and(
            "event.target IN (SELECT value FROM json_each(?))
             OR event.hit_target IN (SELECT value FROM json_each(?))",
            [list.clone().into(), list.into()],
        );
    }
    if !techniques.is_empty() {
        filter.and(
            "rule_fact.technique IN (SELECT value FROM json_each(?))",
            [json(techniques).into()],
        );
    }
    if !requests.is_empty() {
        let list = json(requests);
        filter.and(
            "event.request IN (SELECT value FROM json_each(?)) OR event.fact IN
             (SELECT fact FROM rule_claim WHERE claim IN (SELECT value FROM json_each(?)))",
            [list.clone().into(), list.into()],
        );
    }
    if let Some(speaking) = speaking {
        filter.and("event.request IN (SELECT value FROM json_each(?))", [json(speaking).into()]);
    }
    if !codes.is_empty() {
        filter.and("event.code IN (SELECT value FROM json_each(?))", [json(codes).into()]);
    }
    filter
}

/// A span that touches `[since_s, until_s)`; its ends are seconds, both inside.
pub(super) fn overlap(filter: &mut Where, since_s: i64, until_s: i64) {
    if since_s != 0 {
        filter.and("until_s >= ?", [since_s.into()]);
    }
    if until_s != 0 {
        filter.and("from_s < ?", [until_s.into()]);
    }
}
