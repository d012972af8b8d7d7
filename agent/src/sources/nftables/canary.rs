//! The rule that canaries meet (`nflog::Canary`): how it is known, and what its counter says.
//!
//! It is a rule of the operator's like any other, so that what brings it back proves what brings hits
//! back: the ruleset, the kernel's NFLOG, the group's queue, the reader. For group 42:
//!
//! ```text
//! chain canary {
//!     type filter hook input priority filter;
//!     ip daddr 127.0.0.1 udp dport 4242 counter name canary log prefix "remit=canary" group 42 drop
//! }
//! ```
//!
//! Known by all of these together: it drops; its log goes to a group of ours, logs just these packets
//! and claims `canary` alone; it asks for one loopback address and one UDP port as destination; its
//! hook is input or output, where nothing is judged. So no block of others' traffic can call itself a
//! canary: elsewhere `remit=canary` names a request like any other, which the register does not know.
//!
//! Left out: it is no rule, its packets are no hits, and they are not among what the node drops for
//! its own sake. Its counter is stated beside what was sent and seen: if it shows more than was sent,
//! somebody else of this node met it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use evidence::{Claim, claim::carried};

use super::{account::Values, own::is_own_hook, self_test::Mark};
use crate::{
    observation::CounterKey,
    rules::nftables::{Action, AddrSet, DropPath, Log, Match, PortSet, Side},
};

/// One for each group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CanaryRule {
    pub(super) to: SocketAddr,
    pub(super) counter: Option<CounterKey>,
}

/// By group.
pub(super) type CanaryRules = BTreeMap<u16, CanaryRule>;

/// How the path of a group's canaries is called in evidence.
pub(super) fn path_name(group: u16) -> Arc<str> {
    format!("nflog/{group}").into()
}

/// The group whose canaries this way is for, and where they go.
pub(super) fn canary(path: &DropPath, groups: &[u16]) -> Option<(u16, SocketAddr)> {
    let (log, to) = aim(path, groups)?;
    Mark::of_prefix(&log.prefix).is_none().then_some((log.group, to))
}

/// Whether this way is for the blocks of a self-test: one for canaries in all, but that the agent sends none
/// there.
pub(super) fn is_of_self_test(path: &DropPath, groups: &[u16]) -> bool {
    aim(path, groups).is_some_and(|(log, _)| Mark::of_prefix(&log.prefix).is_some())
}

fn aim<'p>(path: &'p DropPath, groups: &[u16]) -> Option<(&'p Log, SocketAddr)> {
    const UDP: u8 = 17;
    let may_be = path.action == Action::Drop && is_own_hook(&path.base);
    if !may_be || !path.not_understood.is_empty() || path.limit {
        return None;
    }
    let log = path.logs.iter().find(|log| {
        let ours = log.exact && !log.limited && groups.contains(&log.group);
        ours && claims_canary(&log.prefix)
    })?;
    let address = path.matches.iter().find_map(|condition| match condition {
        Match::Address {
            side: Side::Destination,
            set: AddrSet::Prefix(address, size),
            inverted,
        } => {
            let one = *size == if address.is_ipv4() { 32 } else { 128 };
            (one && !inverted && address.is_loopback()).then_some(*address)
        }
        _ => None,
    });
    let port = path.matches.iter().find_map(|condition| match condition {
        Match::Port {
            side: Side::Destination,
            protocol: Some(UDP),
            set: PortSet::Range(low, high),
            inverted: false,
        } => (low == high).then_some(*low),
        _ => None,
    });
    let to = SocketAddr::new(address?, port?);
    (to.port() != 0).then_some((log, to))
}

fn claims_canary(prefix: &[u8]) -> bool {
    let found = carried(prefix);
    let canary = |claim: &Claim| matches!(claim, Claim::Request(id) if id.to_string() == "canary");
    !found.not_understood && found.claims.len() == 1 && found.claims.iter().all(canary)
}

/// What the counters of canary rules showed last.
#[derive(Debug, Default)]
pub(super) struct CanaryCounters(BTreeMap<u16, (CounterKey, u64)>);

impl CanaryCounters {
    /// How many packets met each rule since the last reading. The first reading of a counter begins.
    pub(super) fn read(&mut self, rules: &CanaryRules, values: &Values) -> Vec<(u16, u64)> {
        let mut grown = Vec::new();
        for (group, rule) in rules {
            let value = rule.counter.as_ref().and_then(|key| Some((key, *values.get(key)?)));
            let Some((key, value)) = value else { continue };
            let before = self.0.insert(*group, (key.clone(), value));
            // A counter that began anew counts from zero.
            grown.push((
                *group,
                match before {
                    Some((known, before)) if known == *key && before <= value => value - before,
                    Some((known, _)) if known == *key => value,
                    Some(_) | None => 0,
                },
            ));
        }
        grown
    }
}

/// What a rule of nftables may look like that is meant for canaries and is none, for `doctor`.
pub(super) fn is_meant(path: &DropPath) -> bool {
    path.logs.iter().any(|log| claims_canary(&log.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_counts_from_its_first_reading_and_from_zero_after_a_reset() {
        let rule = |key: &str| CanaryRule {
            to: "127.0.0.1:4242".parse().unwrap(),
            counter: Some(key.into()),
        };
        let mut counters = CanaryCounters::default();
        let mut read = |key: &str, value| {
            let values = Values::from([(CounterKey::from(key), value)]);
            counters.read(&CanaryRules::from([(42, rule(key))]), &values)
        };
        assert_eq!(read("t@1/c", 90), [(42, 0)]);
        assert_eq!(read("t@1/c", 92), [(42, 2)]);
        assert_eq!(read("t@1/c", 1), [(42, 1)]);
        assert_eq!(read("t@2/c", 7), [(42, 0)], "another counter");
    }

    #[test]
    fn a_canary_claims_to_be_one_and_nothing_else() {
        assert!(claims_canary(b"remit=canary") && claims_canary(b"x remit=canary "));
        for prefix in ["remit=canary,de/1", "remit=canary2", "canary", "remit=canary,,", ""] {
            assert!(!claims_canary(prefix.as_bytes()), "{prefix}");
        }
    }
}
