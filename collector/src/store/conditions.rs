//! Filters as SQL conditions: constants of this file with a parameter for every value. Lists go as one
//! JSON text through `json_each`.

use rusqlite::types::Value;

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

/// A span that touches `[since_s, until_s)`; its ends are seconds, both inside.
pub(super) fn overlap(filter: &mut Where, since_s: i64, until_s: i64) {
    if since_s != 0 {
        filter.and("until_s >= ?", [since_s.into()]);
    }
    if until_s != 0 {
        filter.and("from_s < ?", [until_s.into()]);
    }
}
