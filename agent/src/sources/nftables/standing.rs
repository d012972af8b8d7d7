//! Whose counter counts what: decided when all rules are known.
//!
//! In: rules, each with the counter behind its conditions. Out: the rules with the counters that can
//! be held against them, and those that a counter alone counts. Of a counter that counts other things
//! too the rule's text says so.

use std::{collections::HashMap, sync::Arc};

use super::account::{CANDIDATES_MAX, Counters, Standing, Unlogged};
use crate::observation::{CounterKey, KnownRule, Response};

/// A rule before it is known who else uses its counter.
pub(super) struct Draft {
    pub(super) rule: KnownRule,
    pub(super) key: Option<CounterKey>,
    pub(super) logged: bool,
    pub(super) response: Response,
}

pub(super) fn decide(
    mut drafts: Vec<Draft>,
    counters: &Counters,
) -> (Vec<Arc<KnownRule>>, Vec<Unlogged>) {
    let mut by_key: HashMap<CounterKey, Vec<usize>> = HashMap::new();
    for (at, Draft { key, .. }) in drafts.iter().enumerate() {
        if let Some(key) = key {
            by_key.entry(key.clone()).or_default().push(at);
        }
    }
    let mut unlogged = Vec::new();
    for (key, rules) in by_key {
        let standing = counters.standing(&key);
        if standing == Standing::Source {
            unlogged.extend(counted(&key, &rules, &drafts));
        }
        for at in rules {
            let Some(Draft { rule, .. }) = drafts.get_mut(at) else { continue };
            match standing {
                Standing::Checked | Standing::Source => rule.counter = Some(key.clone()),
                Standing::Mixed => {
                    rule.native.push_str(" [not counted: its counter counts other things too]");
                }
            }
        }
    }
    (drafts.into_iter().map(|draft| Arc::new(draft.rule)).collect(), unlogged)
}

fn counted(key: &CounterKey, rules: &[usize], drafts: &[Draft]) -> Option<Unlogged> {
    let mut drafts = rules.iter().filter_map(|at| drafts.get(*at));
    let first = drafts.next()?;
    Some(Unlogged {
        key: key.clone(),
        rule: first.rule.number,
        others: drafts.map(|draft| draft.rule.number).take(CANDIDATES_MAX).collect(),
        response: first.response.clone(),
    })
}
