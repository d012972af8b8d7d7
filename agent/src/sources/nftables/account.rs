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
//! What a counter shows is hits only if it grew while we watched. One that comes with a commit may
//! bring a value with it (`counter packets 123`, as `nft list ruleset` writes it): it counts from
//! there, and that hits may be missing is said. The same is said of a counter that goes with a
//! commit, for what it counted after its last reading. A counter that is not on a way for a while
//! (its jump removed, its table dormant) goes on where it was.
//!
//! Not seen: a counter that a rule which accepts shares with one that drops; what an element counts
//! between its last reading and its expiry.
//!
//! Keys: `inet/table@5/name` for counter objects, `inet/table@5/chain/handle/7` for counters written
//! in a rule, `inet/table@5/set/element/<opaque>` for those of elements. 5 is the table's handle:
//! without it, what is loaded after `flush ruleset` would have the keys of what was there before.

use std::collections::{BTreeMap, HashMap};

use remit_proto::v1::SelfProtection;

use super::text::family_word;
use crate::{
    observation::{CounterKey, Hit, Response, RuleNumber},
    rules::nftables::{BaseChain, CounterUse, DropPath, Family, NamedCounter, RuleId, Ruleset},
    sources::SourceContext,
};

/// A leaf holds this many other candidates; so many stand for that many or more.
pub(super) const CANDIDATES_MAX: usize = 256;
/// A `Seal` holds this many chains.
const CHAINS_MAX: usize = 256;

/// Counters that are not there at present and may come back.
const GONE_MAX: usize = 4096;

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
    tables: HashMap<(Family, String), u64>,
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
        let tables = ruleset.tables.iter();
        let tables = tables.map(|(family, name, handle)| ((*family, name.clone()), *handle));
        let mut counters = Self { tables: tables.collect(), ..Self::default() };
        counters.take_named(&ruleset.counters);
        counters
    }

    /// Where a table's counters are, in keys.
    fn place(&self, family: Family, table: &str) -> String {
        let handle = self.tables.get(&(family, table.to_owned())).copied().unwrap_or_default();
        format!("{}/{table}@{handle}", family_word(family))
    }

    /// New values of the counter objects.
    pub(super) fn take_named(&mut self, named: &[NamedCounter]) {
        for NamedCounter { family, table, name, packets, bytes: _ } in named {
            let key = format!("{}/{name}", self.place(*family, table));
            self.values.insert(key.into(), *packets);
        }
    }

    /// The counter of one way to a drop; `None` if it has none that counts just these drops.
    pub(super) fn of_path(
        &mut self,
        path: &DropPath,
        context: &SourceContext,
    ) -> Option<CounterKey> {
        let (family, table) = (path.rule.family, path.rule.table.as_str());
        let (key, count) = match path.counter.as_ref()? {
            CounterUse::Named(name) => {
                (format!("{}/{name}", self.place(family, table)).into(), None)
            }
            CounterUse::Inline(count) => {
                let RuleId { chain, handle, .. } = &path.rule;
                let key = format!("{}/{chain}/handle/{handle}", self.place(family, table));
                (key.into(), Some(count))
            }
            CounterUse::Element { map, key, count } => {
                (self.element_key(&path.rule, map, key, context), Some(count))
            }
            CounterUse::ByMap(_) => return None,
        };
        if let (Some(count), true) = (count, path.counter_exact) {
            self.need_ruleset = true;
            self.values.insert(key.clone(), count.packets);
        }
        if !path.counter_exact {
            self.uses.entry(key).or_default().inexact = true;
            return None;
        }
        self.values.contains_key(&key).then_some(key)
    }

    /// The counter of an element that is one rule's own. `element`: what tells it from others.
    pub(super) fn of_element(
        &mut self,
        rule: &RuleId,
        set: &str,
        element: &str,
        packets: u64,
        context: &SourceContext,
    ) -> CounterKey {
        let key = self.element_key(rule, set, element, context);
        self.need_ruleset = true;
        self.values.insert(key.clone(), packets);
        key
    }

    /// An element may be a customer's address: its key says nothing.
    fn element_key(
        &self,
        rule: &RuleId,
        set: &str,
        element: &str,
        context: &SourceContext,
    ) -> CounterKey {
        let place = format!("{}/{}/{set}", family_word(rule.family), rule.table);
        let number = (context.rule_number)(&format!("nftables/element/{place}/{element}"));
        let place = self.place(rule.family, &rule.table);
        format!("{place}/{set}/element/{:016x}", number.0).into()
    }

    pub(super) fn used(&mut self, key: &CounterKey, logged: bool) {
        let user = self.uses.entry(key.clone()).or_default();
        user.logged |= logged;
        user.unlogged |= !logged;
    }

    /// Of a rule for canaries: who shares it counts them too.
    pub(super) fn canary(&mut self, key: &CounterKey) {
        self.uses.entry(key.clone()).or_default().own_protection = true;
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
        let place = self.place(base.family, &base.table);
        let key = CounterKey::from(format!("{place}/{}/policy", base.chain));
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

/// The last value of each counter that may be read again.
#[derive(Debug, Default)]
pub(super) struct Watched {
    known: Values,
    /// As of the last reading.
    current: Values,
}

/// What a reading shows of unlogged rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Growth {
    /// Of rules that were in force.
    pub(super) hits: Vec<Hit>,
    /// Of rules that a packet made.
    pub(super) of_new: Vec<Hit>,
    /// Counters went, or came with values that are not hits.
    pub(super) unsure: bool,
}

impl Watched {
    /// Before anything is known: what these counters show is no hit of ours.
    pub(super) fn begin(&mut self, values: &Values) {
        for (key, value) in values {
            self.known.entry(key.clone()).or_insert(*value);
        }
        self.current = values.clone();
    }

    /// What `before`, the rules that have been in force since the last reading, did until this one.
    /// `commit`: since then there was one, and `after` are in force from now on. A counter that went
    /// down began anew; one that is new without a commit was made by a packet and began at zero.
    pub(super) fn read(
        &mut self,
        before: &[Unlogged],
        after: &[Unlogged],
        values: &Values,
        commit: bool,
        at_s: i64,
    ) -> Growth {
        let mut growth = Growth::default();
        for unlogged in before {
            let now = values.get(&unlogged.key).copied();
            let old = self.known.get(&unlogged.key).copied();
            match (now, old) {
                (Some(now), Some(old)) if now > old => {
                    growth.hits.push(unlogged.hit(now - old, at_s));
                }
                (Some(now), Some(old)) if now < old => {
                    growth.hits.extend((now > 0).then(|| unlogged.hit(now, at_s)))
                }
                (Some(_), _) => {}
                (None, _) => growth.unsure |= commit,
            }
        }
        for unlogged in after.iter().filter(|unlogged| !self.known.contains_key(&unlogged.key)) {
            let value = values.get(&unlogged.key).copied().unwrap_or_default();
            match (value, commit) {
                (0, _) => {}
                (value, false) => growth.of_new.push(unlogged.hit(value, at_s)),
                (_, true) => growth.unsure = true,
            }
        }
        self.take(values, commit);
        growth
    }

    fn take(&mut self, values: &Values, commit: bool) {
        let before = std::mem::replace(&mut self.current, values.clone());
        if !commit {
            // Elements that have expired. If they come again, they begin at zero.
            self.known.retain(|key, _| values.contains_key(key) || !before.contains_key(key));
        }
        self.known.extend(values.iter().map(|(key, value)| (key.clone(), *value)));
        if self.known.len() > values.len() + GONE_MAX {
            self.known.clone_from(values);
        }
    }
}

impl Unlogged {
    fn hit(&self, count: u64, at_s: i64) -> Hit {
        let Self { key: _, rule, others, response } = self;
        Hit {
            rule: *rule,
            at_s,
            count,
            hit_target: None,
            response: response.clone(),
            other_candidates: others.clone(),
        }
    }
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
    fn growth_is_what_was_counted_while_we_watched() {
        const NOTHING: (Option<u64>, bool) = (None, false);
        let rule = |key: &str| {
            let response = Response::Silent;
            vec![Unlogged { key: key.into(), rule: RuleNumber(1), others: vec![], response }]
        };
        let values = |value: &[(&str, u64)]| -> Values {
            value.iter().map(|(key, value)| (CounterKey::from(*key), *value)).collect()
        };
        let (k, none) = (rule("k"), Vec::new());
        let mut watched = Watched::default();
        watched.begin(&values(&[("k", 3)]));
        let mut read = |before: &[Unlogged], after: &[Unlogged], now: &[(&str, u64)], commit| {
            let growth = watched.read(before, after, &values(now), commit, 0);
            let hits = growth.hits.iter().chain(&growth.of_new);
            (hits.map(|hit| hit.count).reduce(|a, b| a + b), growth.unsure)
        };
        assert_eq!(read(&k, &k, &[("k", 8)], false), (Some(5), false));
        assert_eq!(read(&k, &k, &[("k", 8)], false), NOTHING);
        assert_eq!(read(&k, &k, &[("k", 2)], false), (Some(2), false)); // began anew
        // A commit: what was counted until it is the old rule's, once.
        assert_eq!(read(&k, &none, &[("k", 4)], true), (Some(2), false));
        assert_eq!(read(&none, &k, &[("k", 9)], true), NOTHING);
        // Off for a while; on again.
        assert_eq!(read(&k, &none, &[], true), (None, true));
        assert_eq!(read(&none, &none, &[], false), NOTHING);
        assert_eq!(read(&none, &k, &[("k", 9)], true), NOTHING);
        assert_eq!(read(&k, &k, &[("k", 10)], false), (Some(1), false));
        // Came with a value; made by a packet; expired and made again.
        let element = rule("e");
        assert_eq!(read(&none, &element, &[("e", 123)], true), (None, true));
        assert_eq!(read(&element, &element, &[("e", 124)], false), (Some(1), false));
        assert_eq!(read(&element, &none, &[], false), NOTHING);
        assert_eq!(read(&none, &element, &[("e", 200)], false), (Some(200), false));
    }
}
