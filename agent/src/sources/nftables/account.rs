//! Which counter counts which rule, and what can be concluded from it.
//!
//! A rule has a separate counter if the counter stands behind all of its conditions and counts
//! nothing but judged drops of which we learn in the same way:
//! - a counter that a judged rule and a node's own protection share, or one that also stands
//!   where it counts more than drops, cannot be held against anything: such rules are not counted,
//!   and their native text says so;
//! - if some of its rules are logged to us and some are not, neither;
//! - if none is logged to us (no log, a rate-limited log, a log of another group), the counter is
//!   all there is: its growth is the rule's hits. That is exact in number and says nothing of what
//!   was hit. The account then balances by construction; what happened while the agent was down
//!   still shows.
//!
//! Not seen: a counter that a rule which accepts shares with one that drops.
//!
//! Keys: `inet/table/name` for counter objects, `inet/table/chain/handle/7` for counters written
//! in a rule (which begin anew when the rule is replaced), `inet/table/set/element/<opaque>` for
//! those of elements.

use std::collections::{BTreeMap, HashMap};

use remit_proto::v1::SelfProtection;

use super::text::family_word;
use crate::{
    observation::{CounterKey, Hit, Response, RuleNumber},
    rules::nftables::{BaseChain, CounterUse, DropPath, NamedCounter, Ruleset},
    sources::SourceContext,
};

/// A leaf holds this many other candidates; so many stand for that many or more.
pub(super) const CANDIDATES_MAX: usize = 256;
/// A `Seal` holds this many chains.
const CHAINS_MAX: usize = 256;

/// Readings by key.
pub(super) type Values = BTreeMap<CounterKey, u64>;

/// Who uses a counter.
#[derive(Debug, Default, Clone, Copy)]
struct Use {
    logged: bool,
    unlogged: bool,
    own_protection: bool,
    /// Counts something else as well.
    inexact: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) values: Values,
    uses: HashMap<CounterKey, Use>,
    own: BTreeMap<String, OwnChain>,
    /// Some values are known only by reading the whole ruleset.
    pub(super) need_ruleset: bool,
}

/// A chain in which the node protects itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct OwnChain {
    keys: Vec<CounterKey>,
    uncounted: u64,
}

/// What becomes of a counter's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Held against the hits that come as messages.
    Checked,
    /// Its growth is the hits.
    Source,
    /// It counts other things too.
    Mixed,
}

/// What a counter alone says about.
#[derive(Debug, Clone)]
pub(super) struct Unlogged {
    pub(super) key: CounterKey,
    pub(super) rule: RuleNumber,
    pub(super) others: Vec<RuleNumber>,
    pub(super) response: Response,
}

impl Counters {
    pub(super) fn new(ruleset: &Ruleset) -> Self {
        let mut counters = Self::default();
        counters.take_named(&ruleset.counters);
        counters
    }

    /// New values of the counter objects.
    pub(super) fn take_named(&mut self, named: &[NamedCounter]) {
        for NamedCounter { family, table, name, packets, bytes: _ } in named {
            let key = format!("{}/{table}/{name}", family_word(*family));
            self.values.insert(key.into(), *packets);
        }
    }

    /// The counter of one way to a drop; `None` if it has none that counts just these drops.
    pub(super) fn of_path(
        &mut self,
        path: &DropPath,
        context: &SourceContext,
    ) -> Option<CounterKey> {
        let place = format!("{}/{}", family_word(path.rule.family), path.rule.table);
        let key: CounterKey = match path.counter.as_ref()? {
            CounterUse::Named(name) => format!("{place}/{name}").into(),
            CounterUse::Inline(count) => {
                let mut key = format!("{place}/{}/handle/{}", path.rule.chain, path.rule.handle);
                if is_of_map(path) {
                    let number = (context.rule_number)(&format!("{key} {:?}", path.matches));
                    key.push_str(&format!("/element/{:016x}", number.0));
                }
                let key = CounterKey::from(key);
                if path.counter_exact {
                    self.need_ruleset = true;
                    self.values.insert(key.clone(), count.packets);
                }
                key
            }
            CounterUse::ByMap(_) => return None,
        };
        if !path.counter_exact {
            self.uses.entry(key).or_default().inexact = true;
            return None;
        }
        self.values.contains_key(&key).then_some(key)
    }

    pub(super) fn of_element(&mut self, key: CounterKey, packets: u64) -> CounterKey {
        self.need_ruleset = true;
        self.values.insert(key.clone(), packets);
        key
    }

    pub(super) fn used(&mut self, key: &CounterKey, logged: bool) {
        let user = self.uses.entry(key.clone()).or_default();
        user.logged |= logged;
        user.unlogged |= !logged;
    }

    /// The counter counts more than it seemed.
    pub(super) fn spoil(&mut self, key: &CounterKey) {
        self.uses.entry(key.clone()).or_default().inexact = true;
    }

    /// A rule that drops for the node's own sake. `rule` is new: the same rule on another way
    /// counts in the same counter.
    pub(super) fn own(&mut self, path: &DropPath, key: Option<CounterKey>, new: bool) {
        let chain =
            format!("{}/{}/{}", family_word(path.rule.family), path.rule.table, path.rule.chain);
        let chain = self.own.entry(chain).or_default();
        match key {
            Some(key) => {
                self.uses.entry(key.clone()).or_default().own_protection = true;
                if new {
                    chain.keys.push(key);
                }
            }
            None if new => chain.uncounted += 1,
            None => {}
        }
    }

    /// A chain of the node's own whose policy drops.
    pub(super) fn own_policy(&mut self, base: &BaseChain, packets: Option<u64>) {
        let name = format!("{}/{}/{}", family_word(base.family), base.table, base.chain);
        let key = CounterKey::from(format!("{name}/policy"));
        let chain = self.own.entry(name).or_default();
        match packets {
            Some(packets) => {
                self.need_ruleset = true;
                self.values.insert(key.clone(), packets);
                chain.keys.push(key);
            }
            None => chain.uncounted += 1,
        }
    }

    pub(super) fn standing(&self, key: &CounterKey) -> Standing {
        let Use { logged, unlogged, own_protection, inexact } =
            self.uses.get(key).copied().unwrap_or_default();
        match (inexact || own_protection, logged, unlogged) {
            (false, true, false) => Standing::Checked,
            (false, false, _) => Standing::Source,
            _ => Standing::Mixed,
        }
    }

    /// Drops for the node's own sake, per chain.
    pub(super) fn self_protection(&self) -> Vec<SelfProtection> {
        let mut counted_once = Vec::new();
        let mut chains = Vec::new();
        for (name, OwnChain { keys, uncounted }) in &self.own {
            let mut chain =
                SelfProtection { chain: name.clone(), packets: 0, uncounted_rules: *uncounted };
            for key in keys {
                let shared =
                    self.uses.get(key).is_some_and(|u| u.logged || u.unlogged || u.inexact);
                if shared {
                    chain.uncounted_rules += 1;
                } else if !counted_once.contains(&key) {
                    counted_once.push(key);
                    let packets = self.values.get(key).copied().unwrap_or_default();
                    chain.packets = chain.packets.saturating_add(packets);
                }
            }
            chains.push(chain);
        }
        if chains.len() > CHAINS_MAX {
            let rest = chains.split_off(CHAINS_MAX - 1);
            let mut sum = SelfProtection { chain: "*".into(), ..SelfProtection::default() };
            for chain in rest {
                sum.packets = sum.packets.saturating_add(chain.packets);
                sum.uncounted_rules = sum.uncounted_rules.saturating_add(chain.uncounted_rules);
            }
            chains.push(sum);
        }
        chains
    }
}

/// What unlogged rules did between two readings. A counter that went down began anew; one that is
/// new was made while we watched.
pub(super) fn grown(unlogged: &[Unlogged], before: &Values, now: &Values, at_s: i64) -> Vec<Hit> {
    let mut hits = Vec::new();
    for Unlogged { key, rule, others, response } in unlogged {
        let value = now.get(key).copied().unwrap_or_default();
        let old = before.get(key).copied().filter(|old| *old <= value).unwrap_or_default();
        if value > old {
            hits.push(Hit {
                rule: *rule,
                at_s,
                count: value - old,
                hit_target: None,
                response: response.clone(),
                other_candidates: others.clone(),
            });
        }
    }
    hits
}

/// A drop that an element of a verdict map says: the counter is the element's.
fn is_of_map(path: &DropPath) -> bool {
    path.native.contains(" vmap @")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_counts_two_things_is_held_against_nothing() {
        let mut counters = Counters::default();
        let key = |name: &str| CounterKey::from(name);
        counters.used(&key("logged"), true);
        counters.used(&key("plain"), false);
        counters.used(&key("both"), true);
        counters.used(&key("both"), false);
        counters.used(&key("spoilt"), true);
        counters.spoil(&key("spoilt"));
        assert_eq!(counters.standing(&key("logged")), Standing::Checked);
        assert_eq!(counters.standing(&key("plain")), Standing::Source);
        assert_eq!(counters.standing(&key("both")), Standing::Mixed);
        assert_eq!(counters.standing(&key("spoilt")), Standing::Mixed);
    }

    #[test]
    fn growth_is_counted_from_where_the_counter_began() {
        let unlogged = [Unlogged {
            key: "k".into(),
            rule: RuleNumber(1),
            others: vec![],
            response: Response::Silent,
        }];
        let values = |value| Values::from([(CounterKey::from("k"), value)]);
        let check = |before, now, expected: Option<u64>| {
            let hits = grown(&unlogged, &before, &now, 0);
            assert_eq!(hits.first().map(|hit| hit.count), expected);
        };
        check(values(3), values(8), Some(5));
        check(values(8), values(8), None);
        check(values(8), values(2), Some(2)); // began anew
        check(Values::new(), values(2), Some(2)); // made while we watched
        check(values(2), Values::new(), None);
    }
}
