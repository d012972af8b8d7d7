//! Local zones of Unbound (unbound.conf(5), `local-zone`): `always_nxdomain` for a name and everything
//! below it, `always_transparent` for what must stay open. The closest zone speaks.
//!
//! A local zone carries no text, so its claim stands in the basis map of the node; the lines for it are
//! comments of the file. A name without what is below it cannot be a local zone, nor what is below it
//! without the name.

use std::collections::BTreeSet;

use super::{Input, claims};
use crate::{list::ListEntry, target::Target};

pub(super) const RELOAD: &str = "\
reload at once, or not at all: include it below `server:`, then
  unbound-checkconf && unbound-control reload_keep_cache
for the agent: local_zones = true, and in its basis map, below [claims], the lines that begin with #\"";

pub(super) fn unfit(entry: &ListEntry) -> Option<&'static str> {
    match &entry.target {
        Target::DomainSubtree { name: _, apex: true } => None,
        Target::DomainExact(_) if entry.exception => {
            Some("a local zone would open everything below the name too")
        }
        Target::DomainExact(_) => Some("a local zone would block everything below the name too"),
        Target::DomainSubtree { name: _, apex: false } => {
            Some("a local zone would block the name too, and not only what is below it")
        }
        target => super::rpz::unfit(target),
    }
}

/// What the basis map wants: one claim as a string, several as an array.
fn mapped(input: &Input, entry: &ListEntry) -> String {
    let claims = claims(input, Some(entry));
    let quoted: Vec<String> = claims.iter().map(|claim| format!("\"{claim}\"")).collect();
    match quoted.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

pub(super) fn body(input: &Input, entries: &[&ListEntry]) -> String {
    let mut text = "server:\n".to_owned();
    let names = |exception: bool| {
        let fitting = entries.iter().filter(move |entry| entry.exception == exception);
        fitting.filter_map(|entry| match &entry.target {
            Target::DomainSubtree { name, .. } => Some((name, *entry)),
            _ => None,
        })
    };
    let open: BTreeSet<&str> = names(true).map(|(name, _)| name.as_str()).collect();
    for name in &open {
        text.push_str(&format!("  local-zone: \"{name}.\" always_transparent\n"));
    }
    let is_open = |name: &str| {
        let own = std::iter::once(name);
        let above =
            std::iter::successors(crate::target::parent(name), |n| crate::target::parent(n));
        own.chain(above).any(|name| open.contains(name))
    };
    let mut last = None;
    for (name, entry) in names(false) {
        // What must stay open goes before; and a name stands once.
        if is_open(name.as_str()) || last == Some(name) {
            continue;
        }
        last = Some(name);
        text.push_str(&format!("  local-zone: \"{name}.\" always_nxdomain\n"));
        text.push_str(&format!("  #\"zone:{name}\" = {}\n", mapped(input, entry)));
    }
    text
}
