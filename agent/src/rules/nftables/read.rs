//! The consistent read: one generation of the ruleset, whole, or an error.
//!
//! Dumps are many messages over many receives, and the ruleset may change between two of them.
//! Set-element dumps never say so themselves. A reading is therefore accepted only if the
//! generation was the same before and after, every message carries the low half of that
//! generation, no message is flagged NLM_F_DUMP_INTR, every dump ended with 0 and no datagram was
//! cut, and hash sets have as many different elements as the kernel says ([`Census`]). Otherwise
//! it is thrown away and tried again, [`RETRIES`] times, then it is [`ReadError::NotStable`].
//! There is no partial ruleset. All of this does not suffice in the moments in which a commit takes
//! effect, so a new generation must also read the same twice, [`SETTLE`] apart.
//!
//! Source: kernel `net/netfilter/nf_tables_api.c` (nf_tables_dump_*).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::elements::{Disordered, Pairing, RawElement};
use super::exchange::{Each, Exchange, Fault, ReadError};
use super::follow;
use super::model::{Element, Family, NamedCounter, Ruleset, SetInfo};
use super::snapshot::{self, Snapshot, VerdictMap};
use super::wire::{self, be_u32};
use crate::kernel::{Malformed, Messages};
use crate::order;

/// After the first attempt, 10, 20, 40, 80 and 160 ms apart. A reload of a large set takes
/// seconds in user space but commits at once, so that waiting longer gains little.
const RETRIES: u32 = 5;
const BACKOFF: Duration = Duration::from_millis(10);
/// Between two readings that must be alike. A commit of a large set takes longer to finish, but
/// then it is in the middle of unlinking, which no two readings see alike.
const SETTLE: Duration = Duration::from_millis(10);
/// Elements of one verdict map that are followed one by one.
const MAP_ELEMENTS_MAX: usize = 1024;

/// A socket for reading rules. Needs `CAP_NET_ADMIN` in the network namespace it was opened in.
#[derive(Debug)]
pub struct Reader {
    kernel: Exchange,
    /// The generation that was last read twice alike, and its shape.
    settled: Option<(u32, u64)>,
    shapes: RandomState,
}

/// What [`Reader::for_each_element`] has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementsRead {
    pub generation: u32,
    pub count: u64,
}

impl Reader {
    pub fn open() -> Result<Self, ReadError> {
        Ok(Self { kernel: Exchange::open()?, settled: None, shapes: RandomState::new() })
    }

    /// The number of the last commit.
    pub fn generation(&mut self) -> Result<u32, ReadError> {
        self.retry(Self::generation_now)
    }

    pub fn read_ruleset(&mut self) -> Result<Ruleset, ReadError> {
        self.retry(|reader| {
            let generation = reader.generation_now()?;
            let snapshot = reader.settled_snapshot(generation)?;
            Ok(ruleset(snapshot, generation))
        })
    }

    /// All counter objects, as of which generation. One counter is read whole; two are not read at
    /// one instant.
    pub fn read_counters(&mut self) -> Result<(u32, Vec<NamedCounter>), ReadError> {
        self.retry(|reader| {
            let generation = reader.generation_now()?;
            let counters = reader.counters(generation)?;
            if !reader.has_settled(generation) {
                std::thread::sleep(SETTLE);
                let again = reader.counters(generation)?;
                let same = |(a, b): (&NamedCounter, &NamedCounter)| {
                    (a.family, &a.table, &a.name) == (b.family, &b.table, &b.name)
                };
                if again.len() != counters.len() || !again.iter().zip(&counters).all(same) {
                    return Err(Fault::Unstable);
                }
            }
            Ok((generation, counters))
        })
    }

    /// Streams one set. `each` is called *before* it is known whether the set was stable: on an
    /// error the caller throws away what it collected. There is no retry in here for that reason.
    pub fn for_each_element(
        &mut self,
        family: Family,
        table: &str,
        set: &str,
        mut each: impl FnMut(Element),
    ) -> Result<ElementsRead, ReadError> {
        let mut once = || {
            let generation = self.generation_now()?;
            let info = self.set_info(family, table, set)?;
            if !self.has_settled(generation) {
                self.settled_snapshot(generation)?;
            }
            let mut count = 0;
            let result = self.elements(generation, &info, &mut |element| {
                count += 1;
                each(element.typed(&info));
            });
            self.still(generation)?;
            result?;
            Ok(ElementsRead { generation, count })
        };
        once().map_err(error)
    }

    fn retry<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        for retry in 0..RETRIES {
            match attempt(self) {
                Ok(value) => return Ok(value),
                Err(Fault::Fatal(error)) => return Err(error),
                Err(Fault::Unstable | Fault::Disordered) => {
                    std::thread::sleep(BACKOFF * 2u32.pow(retry));
                }
            }
        }
        attempt(self).map_err(error)
    }

    /// A snapshot that was read twice alike, unless its generation is known to have settled.
    ///
    /// The kernel raises the generation first, then makes new objects visible, then unlinks the
    /// old ones one by one; dumps count their way through these lists. A dump during that time can
    /// repeat objects and leave others out although all of it carries the new generation (seen on
    /// 6.18: one reading in a thousand while rulesets of 700 rules were replaced without pause).
    fn settled_snapshot(&mut self, generation: u32) -> Result<Snapshot, Fault> {
        let snapshot = self.distinct_snapshot(generation)?;
        let shape = snapshot.shape(&self.shapes);
        match self.settled {
            Some((settled, known)) if settled == generation => {
                if shape == known {
                    return Ok(snapshot);
                }
                // A commit that was taken back may disturb a dump too. Or we settled too early.
                self.settled = None;
                return Err(Fault::Unstable);
            }
            _ => drop(snapshot),
        }
        std::thread::sleep(SETTLE);
        let snapshot = self.distinct_snapshot(generation)?;
        if snapshot.shape(&self.shapes) != shape {
            return Err(Fault::Unstable);
        }
        self.settled = Some((generation, shape));
        Ok(snapshot)
    }

    fn distinct_snapshot(&mut self, generation: u32) -> Result<Snapshot, Fault> {
        let snapshot = self.snapshot(generation)?;
        self.still(generation)?;
        if snapshot.is_distinct() { Ok(snapshot) } else { Err(Fault::Unstable) }
    }

    fn has_settled(&self, generation: u32) -> bool {
        self.settled.is_some_and(|(settled, _)| settled == generation)
    }

    fn still(&mut self, generation: u32) -> Result<(), Fault> {
        if self.generation_now()? == generation { Ok(()) } else { Err(Fault::Unstable) }
    }

    fn generation_now(&mut self) -> Result<u32, Fault> {
        let request = self.kernel.request(wire::GET_GENERATION, wire::FLAG_ACK, 0);
        let mut generation = None;
        self.kernel.exchange(request, wire::NEW_GENERATION, None, &mut |_, attributes| {
            for attribute in attributes {
                if let (1, value) = attribute? {
                    generation = Some(be_u32(value)?);
                }
            }
            Ok(())
        })?;
        generation.ok_or(Fault::Fatal(ReadError::Malformed(Malformed)))
    }

    fn snapshot(&mut self, generation: u32) -> Result<Snapshot, Fault> {
        let mut snapshot = Snapshot::default();
        for (get, new) in [
            (wire::GET_TABLE, wire::NEW_TABLE),
            (wire::GET_CHAIN, wire::NEW_CHAIN),
            (wire::GET_SET, wire::NEW_SET),
            (wire::GET_RULE, wire::NEW_RULE),
        ] {
            self.dump(get, new, generation, &mut |family, attributes| {
                snapshot.take(new, family, attributes)
            })?;
        }
        snapshot.counters = self.counters(generation)?;
        for (name, set) in snapshot.sets.iter().filter(|(_, set)| set.verdicts) {
            let map = self.verdict_map(generation, set)?;
            snapshot.verdict_maps.insert(name.clone(), map);
        }
        Ok(snapshot)
    }

    fn counters(&mut self, generation: u32) -> Result<Vec<NamedCounter>, Fault> {
        let request =
            self.kernel.request(wire::GET_OBJECT, wire::FLAG_DUMP, 0).u32(3, wire::OBJECT_COUNTER);
        let mut counters = Vec::new();
        self.kernel.exchange(
            request,
            wire::NEW_OBJECT,
            Some(generation),
            &mut |family, attributes| {
                counters.extend(snapshot::counter(family, attributes)?);
                Ok(())
            },
        )?;
        Ok(counters)
    }

    fn verdict_map(&mut self, generation: u32, set: &SetInfo) -> Result<VerdictMap, Fault> {
        let mut map = VerdictMap::default();
        self.elements(generation, set, &mut |element| {
            map.abridged |= map.elements.len() >= MAP_ELEMENTS_MAX;
            if map.abridged {
                let known = |e: &RawElement| {
                    e.verdict == element.verdict && e.catch_all == element.catch_all
                };
                if map.elements.len() >= MAP_ELEMENTS_MAX {
                    let mut kept: Vec<RawElement> = Vec::new();
                    for e in map.elements.drain(..) {
                        let same =
                            |k: &RawElement| k.verdict == e.verdict && k.catch_all == e.catch_all;
                        if !kept.iter().any(same) {
                            kept.push(e);
                        }
                    }
                    map.elements = kept;
                }
                if map.elements.iter().any(known) {
                    return;
                }
            }
            map.elements.push(element);
        })?;
        // Hash sets come in an order that is different each time.
        order::sort_by(&mut map.elements, |a, b| (a.catch_all, &a.low).cmp(&(b.catch_all, &b.low)));
        Ok(map)
    }

    fn elements(
        &mut self,
        generation: u32,
        set: &SetInfo,
        each: &mut dyn FnMut(RawElement),
    ) -> Result<(), Fault> {
        let request = self
            .kernel
            .request(wire::GET_ELEMENT, wire::FLAG_DUMP, set.family.number())
            .string(1, &set.table)
            .string(2, &set.name);
        let mut pairing = Pairing::of(set);
        let mut ordered = Ok(());
        let mut census = Census::of(set);
        let generation = Some(generation);
        let result =
            self.kernel.exchange(request, wire::NEW_ELEMENT, generation, &mut |_, list| {
                snapshot::elements(list, |entry| match &mut pairing {
                    None => {
                        census.add(&entry);
                        each(entry);
                    }
                    Some(pairing) => {
                        ordered = ordered.and_then(|()| pairing.push(entry, &mut *each));
                    }
                })
            });
        match result {
            // It was there a moment ago.
            Err(Fault::Fatal(ReadError::NoSuchSet)) => return Err(Fault::Unstable),
            other => other?,
        }
        if !census.agrees() {
            return Err(Fault::Unstable);
        }
        if let Some(pairing) = pairing {
            ordered = ordered.and_then(|()| pairing.finish(each));
        }
        ordered.map_err(|Disordered| Fault::Disordered)
    }

    fn set_info(&mut self, family: Family, table: &str, name: &str) -> Result<SetInfo, Fault> {
        let request = self
            .kernel
            .request(wire::GET_SET, wire::FLAG_ACK, family.number())
            .string(1, table)
            .string(2, name);
        let mut found = None;
        self.kernel.exchange(request, wire::NEW_SET, None, &mut |family, attributes| {
            found = Some(snapshot::set(family, attributes)?);
            Ok(())
        })?;
        found.ok_or(Fault::Fatal(ReadError::NoSuchSet))
    }

    fn dump(&mut self, get: u8, new: u8, generation: u32, each: Each<'_>) -> Result<(), Fault> {
        let request = self.kernel.request(get, wire::FLAG_DUMP, 0);
        match self.kernel.exchange(request, new, Some(generation), each) {
            // Whole kinds of objects are always there; a part of them went away.
            Err(Fault::Fatal(ReadError::NoSuchSet)) => Err(Fault::Unstable),
            other => other,
        }
    }
}

/// Whether a set came whole, each element once.
///
/// The kernel's hash tables are rebuilt in the background while they grow, also by elements of a
/// commit that is still being prepared. A dump meanwhile repeats elements and leaves others out, in
/// one unchanged generation. So elements are counted, by hashes of their keys: 8 bytes each.
struct Census {
    /// `None` where elements come and go without a commit, so that no count can agree, and for
    /// interval trees, which are walked in order under a lock.
    seen: Option<Vec<u64>>,
    expected: Option<u32>,
    keys: RandomState,
}

impl Census {
    fn of(set: &SetInfo) -> Self {
        let tree = set.has(SetInfo::INTERVAL) && !set.has(SetInfo::CONCAT);
        let dynamic = set.has(SetInfo::TIMEOUT) || set.has(SetInfo::EVAL);
        let seen = (!tree && !dynamic).then(Vec::new);
        Self { seen, expected: set.count_known.then_some(set.count), keys: RandomState::new() }
    }

    fn add(&mut self, entry: &RawElement) {
        if let Some(seen) = self.seen.as_mut().filter(|_| !entry.catch_all) {
            seen.push(self.keys.hash_one((&entry.low, &entry.key_end)));
        }
    }

    fn agrees(self) -> bool {
        let Some(mut seen) = self.seen else { return true };
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == all && self.expected.is_none_or(|expected| expected as usize == all)
    }
}

/// What a reading says.
fn ruleset(snapshot: Snapshot, generation: u32) -> Ruleset {
    let mut ruleset = Ruleset { generation, ..Ruleset::default() };
    follow::follow(&snapshot, &mut ruleset);
    ruleset.counters = snapshot.counters;
    ruleset.sets = snapshot.sets.into_values().collect();
    order::sort_by(&mut ruleset.sets, |a, b| {
        (a.family, &a.table, &a.name).cmp(&(b.family, &b.table, &b.name))
    });
    ruleset
}

/// The ruleset and the set elements in answers that a kernel sent at another time, or that nobody did:
/// tables, chains, sets, rules, counters, elements, in any order. Nothing is known of the moment, so
/// that a state of the kernel is never read by this; `tests/fuzz` does, with the same functions.
pub fn ruleset_of(answers: &[u8]) -> Result<(Ruleset, Vec<Element>), Malformed> {
    let (mut snapshot, mut lists) = (Snapshot::default(), Vec::new());
    for message in Messages::new(answers) {
        let message = message?;
        let Some(number) = wire::message_number(message.kind) else { continue };
        let (family, _, attributes) = wire::header(message.payload)?;
        if number == wire::NEW_ELEMENT {
            lists.push((family, message.payload));
        } else {
            snapshot.take(number, family, attributes)?;
        }
    }
    let mut elements = Vec::new();
    for (family, payload) in lists {
        let (_, _, attributes) = wire::header(payload)?;
        let (table, name) = snapshot::set_of_elements(attributes)?;
        let name = (Family::from_number(family), table, name);
        let Some(set) = snapshot.sets.get(&name) else { continue };
        let (mut raw, mut pairing) = (Vec::new(), Pairing::of(set));
        let mut ordered = Ok(());
        snapshot::elements(wire::header(payload)?.2, |entry| match &mut pairing {
            None => raw.push(entry),
            Some(pairing) => {
                ordered = ordered.and_then(|()| pairing.push(entry, |entry| raw.push(entry)));
            }
        })?;
        if let Some(pairing) = pairing {
            ordered = ordered.and_then(|()| pairing.finish(|entry| raw.push(entry)));
        }
        ordered.map_err(|Disordered| Malformed)?;
        elements.extend(raw.iter().cloned().map(|entry| entry.typed(set)));
        if set.verdicts {
            raw.truncate(MAP_ELEMENTS_MAX);
            snapshot.verdict_maps.insert(name, VerdictMap { elements: raw, abridged: false });
        }
    }
    Ok((ruleset(snapshot, 0), elements))
}

fn error(fault: Fault) -> ReadError {
    match fault {
        Fault::Unstable => ReadError::NotStable,
        Fault::Disordered => ReadError::Disordered,
        Fault::Fatal(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys as dumped, what the kernel says it has, and whether that is believed.
    fn check(flags: u32, keys: &[u8], count: Option<u32>, expected: bool) {
        let set = SetInfo {
            family: Family::Inet,
            table: String::new(),
            name: String::new(),
            handle: 1,
            flags,
            key_type: 0,
            key_size: 1,
            field_sizes: Vec::new(),
            verdicts: false,
            count: count.unwrap_or(0),
            count_known: count.is_some(),
            comment: None,
        };
        let mut census = Census::of(&set);
        for &key in keys {
            census.add(&RawElement { low: vec![key], ..RawElement::default() });
        }
        census.add(&RawElement { catch_all: true, ..RawElement::default() });
        assert_eq!(census.agrees(), expected, "{flags:#x} {keys:?} {count:?}");
    }

    #[test]
    fn a_hash_set_must_come_whole_and_once() {
        check(0, &[1, 2, 3], Some(3), true);
        check(0, &[1, 2, 3], Some(4), false);
        check(0, &[1, 2, 2], Some(3), false);
        check(0, &[1, 2, 2], None, false);
        check(0, &[1, 2, 3], None, true);
        check(SetInfo::INTERVAL | SetInfo::CONCAT, &[1, 2, 2], Some(3), false);
        // Counted otherwise, or not to be counted at all.
        check(SetInfo::INTERVAL, &[1, 2, 3], Some(1), true);
        check(SetInfo::TIMEOUT, &[1, 2, 2], Some(9), true);
        check(SetInfo::EVAL, &[1], Some(9), true);
    }
}
