//! Which names of a list are blocked and which stay open, as records that a zone's wildcards obey.
//!
//! In a zone, a name that has records, or that others lie below, hides the wildcard above it from
//! everything below itself (RFC 4592 section 2.2.1: the closest encloser). So every name at or below a
//! blocked or open subtree that the zone comes to hold gets a wildcard of its own that says the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    list::ListEntry,
    target::{Target, parent},
};

/// What is done with a name, by which entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Policy<'e> {
    Open,
    Block(&'e ListEntry),
}

/// Name and what is done: with the name itself, and with what is below it.
pub(super) struct Record<'e> {
    pub name: &'e str,
    pub itself: Option<Policy<'e>>,
    pub below: Option<Policy<'e>>,
}

#[derive(Default)]
struct Said<'e> {
    itself: Option<Policy<'e>>,
    below: Option<Policy<'e>>,
}

/// In order of the names read from the right, so that a subtree stands together. What must stay open
/// goes before what is blocked, wherever it was said.
pub(super) fn records<'e>(entries: &[&'e ListEntry]) -> Vec<Record<'e>> {
    let mut said: BTreeMap<&str, Said<'e>> = BTreeMap::new();
    // First what is blocked; what is open is written over it.
    let (open, blocked): (Vec<&ListEntry>, Vec<&ListEntry>) =
        entries.iter().copied().partition(|entry| entry.exception);
    for entry in blocked.into_iter().chain(open) {
        let policy = if entry.exception { Policy::Open } else { Policy::Block(entry) };
        let (name, itself, below) = match &entry.target {
            Target::DomainExact(name) => (name, true, false),
            Target::DomainSubtree { name, apex } => (name, *apex, true),
            _ => continue,
        };
        let said = said.entry(name.as_str()).or_default();
        if itself {
            said.itself = Some(policy);
        }
        if below {
            said.below = Some(policy);
        }
    }
    let mut names: BTreeSet<&str> = said.keys().copied().collect();
    for name in said.keys() {
        // The names between it and the highest subtree above it come to be in the zone with it.
        let above: Vec<&str> = std::iter::successors(parent(name), |name| parent(name)).collect();
        let highest = above.iter().rposition(|n| said.get(n).is_some_and(|s| s.below.is_some()));
        names.extend(above.iter().take(highest.map_or(0, |at| at.saturating_add(1))));
    }
    let inherited = |name: &str| {
        let mut above = std::iter::successors(parent(name), |name| parent(name));
        let policies = above.by_ref().filter_map(|name| said.get(name)?.below);
        strongest(policies)
    };
    let mut records: Vec<Record<'e>> = names
        .into_iter()
        .map(|name| {
            let own = said.get(name);
            let above = inherited(name);
            let itself = strongest(own.and_then(|s| s.itself).into_iter().chain(above));
            let below = strongest(own.and_then(|s| s.below).into_iter().chain(above));
            Record { name, itself, below }
        })
        .collect();
    records.sort_by_cached_key(|record| {
        record.name.rsplit('.').map(str::to_owned).collect::<Vec<_>>()
    });
    records
}

/// The first that says open, else the first.
fn strongest<'e>(policies: impl Iterator<Item = Policy<'e>>) -> Option<Policy<'e>> {
    let mut found = None;
    for policy in policies {
        match policy {
            Policy::Open => return Some(policy),
            Policy::Block(_) => found = found.or(Some(policy)),
        }
    }
    found
}
