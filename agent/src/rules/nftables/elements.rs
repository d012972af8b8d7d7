//! Set elements: ends of intervals become inclusive ranges, key bytes become typed fields.
//!
//! The kernel keeps an interval of one field as two entries, its start and its *exclusive* end;
//! nft adds an end at all-zeroes. Entries come in descending key order (older kernels may do
//! otherwise), and where intervals touch, an end and a start have the same key. [`Pairing`] holds
//! only what it must to join them as they stream past, in either order, so that a set of a
//! hundred thousand elements costs no memory. Concatenations carry both inclusive ends in one
//! entry instead, each field padded to four bytes.
//!
//! Source: kernel `net/netfilter/nft_set_rbtree.c`, `nft_set_pipapo.c`; nft `src/segtree.c`; key
//! types are numbers of user space, libnftables `enum datatypes`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::model::{Count, Element, KeyField, SetInfo, Verdict};
use super::wire;
use crate::order;

/// One entry as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawElement {
    pub(super) low: Vec<u8>,
    pub(super) key_end: Option<Vec<u8>>,
    pub(super) interval_end: bool,
    pub(super) catch_all: bool,
    pub(super) comment: Option<String>,
    pub(super) counter: Option<Count>,
    pub(super) verdict: Option<Verdict>,
    pub(super) object: Option<String>,
    pub(super) expires_ms: Option<u64>,
}

impl RawElement {
    /// Inclusive.
    pub(super) fn high(&self) -> &[u8] {
        self.key_end.as_deref().unwrap_or(&self.low)
    }

    pub(super) fn typed(self, set: &SetInfo) -> Element {
        Element {
            low: key_fields(set, &self.low),
            high: key_fields(set, self.high()),
            comment: self.comment,
            counter: self.counter,
            verdict: self.verdict,
            object: self.object,
            expires_ms: self.expires_ms,
            catch_all: self.catch_all,
        }
    }
}

/// Entries were neither ascending nor descending, or starts and ends did not alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disordered;

/// Joins starts and ends. For sets without one-field intervals it passes entries through.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    descending: Option<bool>,
    /// Entries with the key that came last: an end, a start, or both.
    group: Vec<RawElement>,
    /// Descending: an end that waits for its start. Ascending: the other way round.
    held: Option<RawElement>,
    any: bool,
}

impl Pairing {
    /// Entries of other sets come in any order and are whole.
    pub(super) fn of(set: &SetInfo) -> Option<Self> {
        (set.has(SetInfo::INTERVAL) && !set.has(SetInfo::CONCAT)).then(Self::default)
    }

    pub(super) fn push(
        &mut self,
        entry: RawElement,
        mut emit: impl FnMut(RawElement),
    ) -> Result<(), Disordered> {
        if entry.catch_all || entry.key_end.is_some() {
            emit(entry);
            return Ok(());
        }
        if let Some(last) = self.group.first() {
            let order = last.low.cmp(&entry.low);
            if order.is_ne() {
                let descending = order.is_gt();
                if *self.descending.get_or_insert(descending) != descending {
                    return Err(Disordered);
                }
                self.flush(&mut emit)?;
            } else if self.group.iter().any(|e| e.interval_end == entry.interval_end) {
                return Err(Disordered);
            }
        }
        self.group.push(entry);
        Ok(())
    }

    pub(super) fn finish(mut self, mut emit: impl FnMut(RawElement)) -> Result<(), Disordered> {
        self.flush(&mut emit)?;
        match self.held {
            Some(start) if !start.interval_end => emit(open(start)),
            _ => {} // the end at all-zeroes
        }
        Ok(())
    }

    fn flush(&mut self, emit: &mut impl FnMut(RawElement)) -> Result<(), Disordered> {
        let descending = self.descending.unwrap_or(true);
        // What closes the interval before comes first.
        if self.group.len() > 1 {
            order::sort_by_key(&mut self.group, |entry| entry.interval_end == descending);
        }
        for entry in std::mem::take(&mut self.group) {
            let first = !std::mem::replace(&mut self.any, true);
            match (descending, entry.interval_end, self.held.take()) {
                (true, true, _) => self.held = Some(entry),
                (true, false, Some(end)) => emit(closed(entry, &end.low)?),
                // Without an end it is open, and then nothing lies above it.
                (true, false, None) if first => emit(open(entry)),
                (true, false, None) => return Err(Disordered),
                (false, false, None) => self.held = Some(entry),
                (false, false, Some(_)) => return Err(Disordered),
                (false, true, Some(start)) => emit(closed(start, &entry.low)?),
                (false, true, None) => {}
            }
        }
        Ok(())
    }
}

fn open(mut start: RawElement) -> RawElement {
    start.key_end = Some(vec![0xff; start.low.len()]);
    start
}

fn closed(mut start: RawElement, exclusive_end: &[u8]) -> Result<RawElement, Disordered> {
    let mut end = exclusive_end.to_vec();
    for byte in end.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            break;
        }
    }
    if end.len() != start.low.len() || exclusive_end <= start.low.as_slice() {
        return Err(Disordered);
    }
    start.key_end = Some(end);
    Ok(start)
}

/// Start or exclusive end of an interval.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub key: Vec<u8>,
    pub is_end: bool,
}

/// Inclusive ranges from endpoints in any order, ascending. Ranges that touch stay separate.
/// `None` if starts and ends do not alternate.
pub fn intervals(mut endpoints: Vec<Endpoint>) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    order::sort_by(&mut endpoints, |a, b| a.key.cmp(&b.key).then(b.is_end.cmp(&a.is_end)));
    let mut ranges = Vec::new();
    let mut pairing = Pairing { descending: Some(false), ..Pairing::default() };
    let mut emit = |e: RawElement| ranges.push((e.low.clone(), e.high().to_vec()));
    for Endpoint { key, is_end } in endpoints {
        let entry = RawElement { low: key, interval_end: is_end, ..RawElement::default() };
        pairing.push(entry, &mut emit).ok()?;
    }
    pairing.finish(emit).ok()?;
    Some(ranges)
}

/// The fewest prefixes that cover exactly `low` to `high`. Empty if they are of two families or
/// in the wrong order.
pub fn cidrs(low: IpAddr, high: IpAddr) -> Vec<(IpAddr, u8)> {
    let (mut low, high, bits) = match (low, high) {
        (IpAddr::V4(low), IpAddr::V4(high)) => (low.to_bits().into(), high.to_bits().into(), 32),
        (IpAddr::V6(low), IpAddr::V6(high)) => (low.to_bits(), high.to_bits(), 128),
        _ => return Vec::new(),
    };
    let mut prefixes = Vec::new();
    while low <= high {
        let mut free = low.trailing_zeros().min(bits);
        let last = |free: u32| low | 1u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        while last(free) > high {
            free -= 1;
        }
        let address = match bits {
            32 => IpAddr::V4(Ipv4Addr::from_bits(low as u32)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(low)),
        };
        prefixes.push((address, (bits - free) as u8));
        match last(free).checked_add(1) {
            Some(next) => low = next,
            None => break,
        }
    }
    prefixes
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn key_fields(set: &SetInfo, key: &[u8]) -> Vec<KeyField> {
    if key.is_empty() {
        return Vec::new();
    }
    split(set, key).unwrap_or_else(|| vec![KeyField::Other(key.to_vec())])
}

/// By the set's key type: a number of user space, six bits for each field, the first field
/// highest. The kernel does not check it; if the sizes do not add up, it is not believed.
fn split(set: &SetInfo, key: &[u8]) -> Option<Vec<KeyField>> {
    let types = key_types(set.key_type);
    if let [one] = types[..] {
        return (type_size(one)? == key.len()).then(|| vec![field(set, one, key)]);
    }
    let mut rest = key;
    let mut fields = Vec::with_capacity(types.len());
    for (i, kind) in types.iter().enumerate() {
        let size = set.field_sizes.get(i).copied().or_else(|| type_size(*kind))?;
        fields.push(field(set, *kind, rest.get(..size)?));
        rest = rest.get(size.next_multiple_of(4)..)?;
    }
    rest.is_empty().then_some(fields)
}

fn key_types(key_type: u32) -> Vec<u8> {
    let fields = (0..5).rev().map(|i| (key_type >> (6 * i) & 0x3f) as u8);
    fields.skip_while(|&t| t == 0).collect()
}

fn type_size(kind: u8) -> Option<usize> {
    match kind {
        IPV4 | MARK | 20 | 26 => Some(4), // ifindex, ct_state
        IPV6 | IFNAME => Some(16),
        9 => Some(6),                      // ether_addr
        PORT | 10 => Some(2),              // ethertype
        PROTOCOL | 2 | 14 | 29 => Some(1), // nfproto, icmp_type, icmpv6_type
        _ => None,
    }
}

fn field(set: &SetInfo, kind: u8, bytes: &[u8]) -> KeyField {
    match (kind, bytes) {
        (IPV4, &[a, b, c, d]) => KeyField::Address(Ipv4Addr::new(a, b, c, d).into()),
        (IPV6, _) if bytes.len() == 16 => match address(bytes) {
            Some(address) => KeyField::Address(address),
            None => KeyField::Other(bytes.to_vec()),
        },
        (PROTOCOL, &[protocol]) => KeyField::Protocol(protocol),
        (PORT, &[a, b]) => KeyField::Port(u16::from_be_bytes([a, b])),
        // Intervals are compared byte by byte and so are big-endian, marks else are not.
        (MARK, &[a, b, c, d]) if set.has(SetInfo::INTERVAL) => {
            KeyField::Mark(u32::from_be_bytes([a, b, c, d]))
        }
        (MARK, &[a, b, c, d]) => KeyField::Mark(u32::from_ne_bytes([a, b, c, d])),
        (IFNAME, _) => KeyField::Interface(wire::text(bytes)),
        _ => KeyField::Other(bytes.to_vec()),
    }
}

const IPV4: u8 = 7;
const IPV6: u8 = 8;
const PROTOCOL: u8 = 12;
const PORT: u8 = 13;
const MARK: u8 = 19;
const IFNAME: u8 = 41;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(entries: &[(u8, bool)], expected: &[(u8, u8)]) {
        let stream = |entries: &mut dyn Iterator<Item = &(u8, bool)>| {
            let mut out = Vec::new();
            let mut pairing = Pairing::default();
            for &(key, is_end) in entries {
                let entry =
                    RawElement { low: vec![key], interval_end: is_end, ..RawElement::default() };
                pairing.push(entry, |e| out.push((e.low[0], e.high()[0]))).unwrap();
            }
            pairing.finish(|e| out.push((e.low[0], e.high()[0]))).unwrap();
            out.sort_unstable();
            out
        };
        assert_eq!(stream(&mut entries.iter()), expected, "as given: {entries:?}");
        assert_eq!(stream(&mut entries.iter().rev()), expected, "reversed: {entries:?}");
        let endpoints =
            entries.iter().map(|&(key, is_end)| Endpoint { key: vec![key], is_end }).collect();
        let sorted: Vec<_> =
            intervals(endpoints).unwrap().iter().map(|(l, h)| (l[0], h[0])).collect();
        assert_eq!(sorted, expected, "sorted: {entries:?}");
    }

    #[test]
    fn ends_find_their_starts() {
        check(&[], &[]);
        check(&[(0, true)], &[]);
        check(&[(6, true), (5, false), (0, true)], &[(5, 5)]);
        check(&[(200, false), (6, true), (5, false), (0, true)], &[(5, 5), (200, 255)]);
        check(&[(0, false)], &[(0, 255)]);
        check(&[(9, true), (6, false), (6, true), (0, false)], &[(0, 5), (6, 8)]);
        check(&[(9, true), (6, true), (6, false), (0, false)], &[(0, 5), (6, 8)]);
    }

    #[test]
    fn nonsense_is_refused() {
        let entry = |key, is_end| RawElement {
            low: vec![key],
            interval_end: is_end,
            ..RawElement::default()
        };
        let run = |entries: &[(u8, bool)]| {
            let mut pairing = Pairing::default();
            entries.iter().try_for_each(|&(k, e)| pairing.push(entry(k, e), |_| ()))?;
            pairing.finish(|_| ())
        };
        assert_eq!(run(&[(9, true), (3, false), (5, false)]), Err(Disordered));
        assert_eq!(run(&[(9, false), (5, false)]), Err(Disordered));
        assert_eq!(run(&[(9, false), (9, false)]), Err(Disordered));
    }

    #[test]
    fn prefixes_are_as_few_as_can_be() {
        let check = |low: &str, high: &str, expected: &[&str]| {
            let found = cidrs(low.parse().unwrap(), high.parse().unwrap());
            let found: Vec<_> = found.iter().map(|(a, n)| format!("{a}/{n}")).collect();
            assert_eq!(found, expected);
        };
        check("10.0.0.0", "10.255.255.255", &["10.0.0.0/8"]);
        check("0.0.0.0", "255.255.255.255", &["0.0.0.0/0"]);
        check("192.0.2.5", "192.0.2.5", &["192.0.2.5/32"]);
        check("192.0.2.5", "192.0.2.8", &["192.0.2.5/32", "192.0.2.6/31", "192.0.2.8/32"]);
        check("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["::/0"]);
        check("2001:db8::", "2001:db8::ffff", &["2001:db8::/112"]);
        check("192.0.2.9", "192.0.2.8", &[]);
        check("192.0.2.9", "::1", &[]);
    }

    proptest! {
        #[test]
        fn a_bit_set_agrees(bits in proptest::collection::vec(any::<(bool, bool)>(), 256)) {
            // (member, an interval begins here even if the one before is a member too)
            let mut expected: Vec<(u8, u8)> = Vec::new();
            for (i, &(member, begins)) in bits.iter().enumerate() {
                let i = i as u8;
                match expected.last_mut() {
                    Some((_, high)) if member && !begins && u16::from(*high) + 1 == u16::from(i) => {
                        *high = i;
                    }
                    _ if member => expected.push((i, i)),
                    _ => {}
                }
            }
            let mut entries = Vec::new();
            for &(low, high) in expected.iter().rev() {
                if high < 255 {
                    entries.push((high + 1, true));
                }
                entries.push((low, false));
            }
            if expected.first().is_none_or(|&(low, _)| low > 0) {
                entries.push((0, true));
            }
            check(&entries, &expected);
        }

        #[test]
        fn prefixes_cover_exactly(a in any::<u8>(), b in any::<u8>()) {
            let (low, high) = (a.min(b), a.max(b));
            let ip = |last| IpAddr::from([255, 255, 255, last]);
            let mut members = Vec::new();
            for (address, size) in cidrs(ip(low), ip(high)) {
                let IpAddr::V4(address) = address else { panic!("v6") };
                let first = u32::from(address.octets()[3]);
                members.extend(first..first + (1 << (32 - size)));
            }
            prop_assert_eq!(members, (u32::from(low)..=u32::from(high)).collect::<Vec<_>>());
        }

        #[test]
        fn any_entries_are_safe(
            entries in proptest::collection::vec((any::<Vec<u8>>(), any::<bool>()), 0..8),
            key_type in any::<u32>(), key in any::<Vec<u8>>(),
        ) {
            let endpoints = entries.into_iter().map(|(key, is_end)| Endpoint { key, is_end });
            let _ = intervals(endpoints.collect());
            let set = SetInfo {
                family: super::super::model::Family::Inet, table: String::new(),
                name: String::new(), flags: 0, handle: 0, key_type, key_size: key.len(),
                field_sizes: vec![], verdicts: false, count: 0, count_known: false, comment: None,
            };
            let _ = key_fields(&set, &key);
        }
    }
}
