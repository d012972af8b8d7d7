//! The objects of a ruleset as they come off the wire, before anything is concluded from them.
//!
//! Source: attribute lists `NFTA_TABLE_*`, `NFTA_CHAIN_*`, `NFTA_RULE_*`, `NFTA_SET_*`,
//! `NFTA_OBJ_*` in `linux/netfilter/nf_tables.h`. Attributes that say nothing about dropping are
//! passed over, `NFTA_SET` 19 with reason: on some kernels it is a bare pointer.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::elements::RawElement;
use super::model::{BaseChain, Count, Family, Hook, NamedCounter, SetInfo};
use super::wire::{
    self, OBJECT_COUNTER, SET_COMMENT, be_u32, be_u64, comment, data_value, list, text,
};
use crate::kernel::{Attributes, Malformed};

/// Table-scoped names.
pub(super) type Name = (Family, String, String);

#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) tables: Vec<Table>,
    pub(super) chains: Vec<Chain>,
    /// In order of evaluation within each chain.
    pub(super) rules: Vec<Rule>,
    pub(super) sets: HashMap<Name, SetInfo>,
    pub(super) counters: Vec<NamedCounter>,
    pub(super) verdict_maps: HashMap<Name, VerdictMap>,
    /// A set came twice in one dump.
    pub(super) repeated_set: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) family: Family,
    pub(super) name: String,
    /// Unlike others, not used again when a table of this name is made anew.
    pub(super) handle: u64,
    pub(super) dormant: bool,
}

#[derive(Debug)]
pub(super) struct Chain {
    pub(super) family: Family,
    pub(super) table: String,
    pub(super) name: String,
    pub(super) handle: u64,
    pub(super) base: Option<BaseChain>,
    pub(super) policy_drop: bool,
    pub(super) counter: Option<Count>,
    pub(super) offloaded: bool,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) family: Family,
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) handle: u64,
    pub(super) expressions: Box<[u8]>,
    pub(super) comment: Option<String>,
}

/// Elements of a verdict map, up to a bound; beyond it `elements` has one for each verdict.
#[derive(Debug, Default)]
pub(super) struct VerdictMap {
    pub(super) elements: Vec<RawElement>,
    pub(super) abridged: bool,
}

impl Snapshot {
    /// One answer. Elements are not objects of their own: see [`elements`].
    pub(super) fn take(
        &mut self,
        message: u8,
        family: u8,
        attributes: Attributes<'_>,
    ) -> Result<(), Malformed> {
        match message {
            wire::NEW_TABLE => self.tables.push(table(family, attributes)?),
            wire::NEW_CHAIN => self.chains.push(chain(family, attributes)?),
            wire::NEW_RULE => self.rules.push(rule(family, attributes)?),
            wire::NEW_SET => {
                let set = set(family, attributes)?;
                let name = (set.family, set.table.clone(), set.name.clone());
                self.repeated_set |= self.sets.insert(name, set).is_some();
            }
            wire::NEW_OBJECT => self.counters.extend(counter(family, attributes)?),
            _ => {}
        }
        Ok(())
    }

    /// Whether nothing came twice.
    pub(super) fn is_distinct(&self) -> bool {
        !self.repeated_set
            && distinct(self.tables.iter().map(|t| (t.family, &t.name)))
            && distinct(self.chains.iter().map(|c| (c.family, &c.table, &c.name)))
            && distinct(self.rules.iter().map(|r| (r.family, &r.table, r.handle)))
            && distinct(self.counters.iter().map(|c| (c.family, &c.table, &c.name)))
    }

    /// A hash of which objects there are. What an object says never changes under its handle (a
    /// replaced rule gets a new one) while its table lives, so that the same shape means the same
    /// ruleset; counts of packets are left out.
    pub(super) fn shape(&self, state: &RandomState) -> u64 {
        let mut hasher = state.build_hasher();
        for table in &self.tables {
            (table.family, &table.name, table.handle, table.dormant).hash(&mut hasher);
        }
        for chain in &self.chains {
            let id = (chain.family, &chain.table, &chain.name, chain.handle);
            (id, chain.policy_drop, chain.base.is_some()).hash(&mut hasher);
        }
        for rule in &self.rules {
            (rule.family, &rule.table, &rule.chain, rule.handle).hash(&mut hasher);
        }
        let mut sets: Vec<_> = self.sets.iter().map(|(name, set)| (name, set.handle)).collect();
        crate::order::sort(&mut sets);
        sets.hash(&mut hasher);
        for counter in &self.counters {
            (counter.family, &counter.table, &counter.name).hash(&mut hasher);
        }
        for (name, _) in sets {
            let Some(map) = self.verdict_maps.get(name).filter(|map| !map.abridged) else {
                continue;
            };
            for element in &map.elements {
                (&element.low, &element.key_end, &element.verdict).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

fn distinct<K: Eq + Hash>(mut keys: impl Iterator<Item = K>) -> bool {
    let mut seen = HashSet::new();
    keys.all(|key| seen.insert(key))
}

fn table(family: u8, attributes: Attributes<'_>) -> Result<Table, Malformed> {
    let family = Family::from_number(family);
    let mut table = Table { family, name: String::new(), handle: 0, dormant: false };
    for attribute in attributes {
        match attribute? {
            (1, value) => table.name = text(value),
            (2, value) => table.dormant = be_u32(value)? & 1 != 0,
            (4, value) => table.handle = be_u64(value)?,
            _ => {}
        }
    }
    Ok(table)
}

fn chain(family: u8, attributes: Attributes<'_>) -> Result<Chain, Malformed> {
    let family = Family::from_number(family);
    let mut chain = Chain {
        family,
        table: String::new(),
        name: String::new(),
        handle: 0,
        base: None,
        policy_drop: false,
        counter: None,
        offloaded: false,
    };
    let mut hook = None;
    for attribute in attributes {
        match attribute? {
            (1, value) => chain.table = text(value),
            (2, value) => chain.handle = be_u64(value)?,
            (3, value) => chain.name = text(value),
            (4, value) => hook = Some(value),
            (5, value) => chain.policy_drop = be_u32(value)? == 0,
            (8, value) => chain.counter = Some(count(value)?),
            (10, value) => chain.offloaded = be_u32(value)? & 2 != 0,
            _ => {}
        }
    }
    if let Some(hook) = hook {
        let mut base = BaseChain {
            family,
            table: chain.table.clone(),
            chain: chain.name.clone(),
            hook: Hook::Other(u32::MAX),
            priority: 0,
            devices: Vec::new(),
        };
        for attribute in Attributes::new(hook) {
            match attribute? {
                (1, value) => base.hook = Hook::from_number(family, be_u32(value)?),
                (2, value) => base.priority = be_u32(value)? as i32,
                // With one device both 3 and 4 arrive.
                (3, value) => base.devices = vec![text(value)],
                (4, value) => {
                    base.devices = list(value).map(|d| d.map(text)).collect::<Result<_, _>>()?;
                }
                _ => {}
            }
        }
        chain.base = Some(base);
    }
    Ok(chain)
}

pub(super) fn rule(family: u8, attributes: Attributes<'_>) -> Result<Rule, Malformed> {
    let mut rule = Rule {
        family: Family::from_number(family),
        table: String::new(),
        chain: String::new(),
        handle: 0,
        expressions: Box::default(),
        comment: None,
    };
    for attribute in attributes {
        match attribute? {
            (1, value) => rule.table = text(value),
            (2, value) => rule.chain = text(value),
            (3, value) => rule.handle = be_u64(value)?,
            (4, value) => rule.expressions = value.into(),
            (7, value) => rule.comment = comment(value, wire::COMMENT),
            _ => {}
        }
    }
    Ok(rule)
}

pub(super) fn set(family: u8, attributes: Attributes<'_>) -> Result<SetInfo, Malformed> {
    const VERDICT: u32 = 0xffff_ff00;
    let mut set = SetInfo {
        family: Family::from_number(family),
        table: String::new(),
        name: String::new(),
        handle: 0,
        flags: 0,
        key_type: 0,
        key_size: 0,
        field_sizes: Vec::new(),
        verdicts: false,
        count: 0,
        count_known: false,
        comment: None,
    };
    for attribute in attributes {
        match attribute? {
            (1, value) => set.table = text(value),
            (2, value) => set.name = text(value),
            (3, value) => set.flags = be_u32(value)?,
            (4, value) => set.key_type = be_u32(value)?,
            (5, value) => set.key_size = be_u32(value)? as usize,
            (6, value) => set.verdicts = be_u32(value)? == VERDICT,
            (9, value) => set.field_sizes = field_sizes(value)?,
            (13, value) => set.comment = comment(value, SET_COMMENT),
            (16, value) => set.handle = be_u64(value)?,
            (20, value) => {
                set.count = be_u32(value)?;
                set.count_known = true;
            }
            _ => {}
        }
    }
    Ok(set)
}

fn field_sizes(description: &[u8]) -> Result<Vec<usize>, Malformed> {
    let mut sizes = Vec::new();
    for attribute in Attributes::new(description) {
        let (2, fields) = attribute? else { continue };
        for field in list(fields) {
            for attribute in Attributes::new(field?) {
                if let (1, size) = attribute? {
                    sizes.push(be_u32(size)? as usize);
                }
            }
        }
    }
    Ok(sizes)
}

/// `None` for objects of another type than counter.
pub(super) fn counter(
    family: u8,
    attributes: Attributes<'_>,
) -> Result<Option<NamedCounter>, Malformed> {
    let (mut table, mut name, mut kind, mut data) = (String::new(), String::new(), 0, None);
    for attribute in attributes {
        match attribute? {
            (1, value) => table = text(value),
            (2, value) => name = text(value),
            (3, value) => kind = be_u32(value)?,
            (4, value) => data = Some(value),
            _ => {}
        }
    }
    if kind != OBJECT_COUNTER {
        return Ok(None);
    }
    let Count { packets, bytes } = count(data.ok_or(Malformed)?)?;
    Ok(Some(NamedCounter { family: Family::from_number(family), table, name, packets, bytes }))
}

/// Counters of chains, objects, rules and elements are laid out alike.
pub(super) fn count(value: &[u8]) -> Result<Count, Malformed> {
    let mut count = Count::default();
    for attribute in Attributes::new(value) {
        match attribute? {
            (1, value) => count.bytes = be_u64(value)?,
            (2, value) => count.packets = be_u64(value)?,
            _ => {}
        }
    }
    Ok(count)
}

/// Table and set that a message with elements is about.
pub(super) fn set_of_elements(attributes: Attributes<'_>) -> Result<(String, String), Malformed> {
    let (mut table, mut set) = (String::new(), String::new());
    for attribute in attributes {
        match attribute? {
            (1, value) => table = text(value),
            (2, value) => set = text(value),
            _ => {}
        }
    }
    Ok((table, set))
}

/// `NFTA_SET_ELEM_LIST_ELEMENTS` of one message, each to `each`.
pub(super) fn elements(
    attributes: Attributes<'_>,
    mut each: impl FnMut(RawElement),
) -> Result<(), Malformed> {
    for attribute in attributes {
        let (3, elements) = attribute? else { continue };
        for element in list(elements) {
            each(self::element(element?)?);
        }
    }
    Ok(())
}

fn element(value: &[u8]) -> Result<RawElement, Malformed> {
    let mut element = RawElement::default();
    for attribute in Attributes::new(value) {
        match attribute? {
            (1, value) => element.low = data_value(value)?.to_vec(),
            (2, value) => {
                if let wire::Data::Verdict(verdict) = wire::data(value)? {
                    element.verdict = Some(verdict);
                }
            }
            (3, value) => {
                let flags = be_u32(value)?;
                element.interval_end = flags & wire::ELEMENT_INTERVAL_END != 0;
                element.catch_all = flags & wire::ELEMENT_CATCH_ALL != 0;
            }
            (5, value) => element.expires_ms = Some(be_u64(value)?),
            (6, value) => element.comment = comment(value, wire::COMMENT),
            (7, value) => element.add_expression(value)?,
            (9, value) => element.object = Some(text(value)),
            (10, value) => element.key_end = Some(data_value(value)?.to_vec()),
            (11, value) => {
                for expression in list(value) {
                    element.add_expression(expression?)?;
                }
            }
            _ => {}
        }
    }
    Ok(element)
}

impl RawElement {
    fn add_expression(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if let (b"counter", data) = wire::named(value)? {
            self.counter = Some(count(data)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = table(1, Attributes::new(&bytes));
            let _ = chain(1, Attributes::new(&bytes));
            let _ = rule(1, Attributes::new(&bytes));
            let _ = set(1, Attributes::new(&bytes));
            let _ = counter(1, Attributes::new(&bytes));
            let _ = element(&bytes);
            let _ = elements(Attributes::new(&bytes), |_| ());
        }
    }
}
