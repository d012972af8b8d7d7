//! What is written down of a set whose elements are too many to keep: a digest of all of them.
//!
//! With it, a reload that exchanges some elements for as many others is a change of the rule, and whoever
//! has the list that should be in force can tell whether it was. It is the SHA-256 of the SHA-256 of each
//! element, these sorted as bytes and joined. An element is its key as [`element_text`] writes it
//! (`192.0.2.1`; `192.0.2.0-192.0.2.255` for an interval; fields of a concatenation joined by ` . `; `*` for
//! what matches the rest), ` : ` and the verdict if it has one, ` comment "…"` with the comment's own
//! bytes if it has one. Counters and timeouts are not in it. So it can be made again from a list, in any
//! order, and needs 32 bytes of memory for each element, whatever their keys.
//!
//! No digest is made:
//! - of a set in which an address of a customer stands, as either end of a field, as bytes that were not
//!   understood or in a word (comment, interface, verdict): who knows the others could try out which it is;
//! - of more than [`DIGESTED_MAX`] elements;
//! - where the last ones took so long that it is not yet time for others ([`REST`]): a router whose
//!   ruleset is committed to again and again must not spend itself on reading it. That is decided once for
//!   each reading of the ruleset, for all of its sets; they are then said not to be read, and are read later;
//! - where one reading has spent [`READING_MAX`] on them: packets and commits wait meanwhile. The others are read later,
//!   and those first that were read longest ago, so that each has its turn also where every commit begins anew;
//! - of a set of which elements come and go without a commit.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use super::{
    sets::SetName,
    text::{element_text, says_customer},
};
use crate::{
    privacy::Privacy,
    rules::nftables::{Element, KeyField, ReadError, Reader, SetInfo},
};

/// 16 MB of memory while a set is read, and none after.
const DIGESTED_MAX: u32 = 500_000;
/// Times as long as the last sets took to read, before the next are: a tenth of one core at the most.
const REST: u32 = 10;

/// After so much of one reading no further set is begun; the one in hand is read to its end, which is at most as long
/// as [`DIGESTED_MAX`] elements take.
const READING_MAX: Duration = Duration::from_secs(2);

/// A set that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    Digest([u8; 32]),
    /// Not now: it did not hold still, or the time has not come.
    NotRead,
    /// It names customers.
    Withheld,
    TooMany,
    /// Elements change without a commit.
    Moving,
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => {
                f.write_str("SHA-256 of them ")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::NotRead => f.write_str("not read yet"),
            Self::Withheld => f.write_str("some of customers"),
            Self::TooMany => f.write_str("and more than are read"),
            Self::Moving => f.write_str("and they change without a commit"),
        }
    }
}

/// What is known of such sets, as of one generation; from one reading of the ruleset to the next.
#[derive(Debug, Default)]
pub(super) struct Digests {
    generation: u32,
    known: HashMap<SetName, Contents>,
    not_before: Option<Instant>,
    /// Of the reading in hand: it began before that time, and what its sets have taken.
    resting: bool,
    spent: Duration,
    /// Which reading it is, and in which each set was read last; of sets that are there.
    reading: u64,
    read_in: HashMap<SetName, u64>,
}

impl Digests {
    /// A reading of this generation begins.
    pub(super) fn begin(&mut self, generation: u32) {
        if self.generation != generation {
            self.known.clear();
        }
        self.generation = generation;
        self.resting = self.not_before.is_some_and(|time| Instant::now() < time);
        self.spent = Duration::ZERO;
        self.reading += 1;
    }

    /// These, those first that were never read or longest ago; all that there are.
    pub(super) fn in_turn(&mut self, mut names: Vec<SetName>) -> Vec<SetName> {
        let before = std::mem::take(&mut self.read_in);
        let known = names.iter().filter_map(|name| before.get_key_value(name));
        self.read_in = known.map(|(name, reading)| (name.clone(), *reading)).collect();
        names.sort_by_key(|name| self.read_in.get(name).copied());
        names
    }

    /// It is not yet time for another.
    #[cfg(test)]
    pub(super) fn rest(&mut self) {
        self.not_before = Some(Instant::now() + Duration::from_secs(3600));
    }

    pub(super) fn read(
        &mut self,
        reader: &mut Reader,
        name: &SetName,
        info: &SetInfo,
        privacy: &Privacy,
    ) -> Result<Contents, ReadError> {
        let generation = self.generation;
        self.read_with(name, info.count, || {
            let begin = Instant::now();
            (digest(reader, generation, info, privacy), begin.elapsed())
        })
    }

    /// `digest`: what it comes to, and how long that took.
    fn read_with(
        &mut self,
        name: &SetName,
        count: u32,
        digest: impl FnOnce() -> (Result<Contents, ReadError>, Duration),
    ) -> Result<Contents, ReadError> {
        match self.known.get(name) {
            None | Some(Contents::NotRead) => {}
            Some(known) => return Ok(*known),
        }
        let contents = if count > DIGESTED_MAX {
            Contents::TooMany
        } else if self.resting || self.spent >= READING_MAX {
            Contents::NotRead
        } else {
            let (contents, took) = digest();
            self.spent += took;
            self.not_before = Some(Instant::now() + self.spent * REST);
            self.read_in.insert(name.clone(), self.reading);
            contents?
        };
        self.known.insert(name.clone(), contents);
        Ok(contents)
    }
}

fn digest(
    reader: &mut Reader,
    generation: u32,
    info: &SetInfo,
    privacy: &Privacy,
) -> Result<Contents, ReadError> {
    let mut sum = Sum::of_about(info.count);
    let read = reader.for_each_element(info.family, &info.table, &info.name, |element| {
        sum.add(&element, privacy);
    });
    match read {
        Ok(read) if read.generation == generation => Ok(sum.contents()),
        // The rules themselves are as they were read.
        Ok(_) | Err(ReadError::NotStable | ReadError::Disordered | ReadError::NoSuchSet) => {
            Ok(Contents::NotRead)
        }
        Err(error) => Err(error),
    }
}

/// A digest in the making.
#[derive(Debug, Default)]
struct Sum {
    elements: Vec<[u8; 32]>,
    customers: bool,
    too_many: bool,
}

impl Sum {
    fn of_about(count: u32) -> Self {
        Self { elements: Vec::with_capacity(count.min(DIGESTED_MAX) as usize), ..Self::default() }
    }

    fn add(&mut self, element: &Element, privacy: &Privacy) {
        // Kernels that do not say how many there are.
        self.too_many |= self.elements.len() >= DIGESTED_MAX as usize;
        self.customers |= names_customer(element, privacy);
        if self.too_many || self.customers {
            self.elements = Vec::new();
            return;
        }
        let mut text = if element.catch_all { "*".to_owned() } else { element_text(element) };
        if let Some(verdict) = &element.verdict {
            text = format!("{text} : {verdict}");
        }
        if let Some(comment) = &element.comment {
            text = format!("{text} comment \"{comment}\"");
        }
        self.elements.push(Sha256::digest(text).into());
    }

    fn contents(mut self) -> Contents {
        if self.customers {
            return Contents::Withheld;
        }
        if self.too_many {
            return Contents::TooMany;
        }
        self.elements.sort_unstable();
        let mut digest = Sha256::new();
        self.elements.iter().for_each(|element| digest.update(element));
        Contents::Digest(digest.finalize().into())
    }
}

/// Whether a customer's address stands anywhere in what the digest is made of. One end of an interval is enough,
/// though the interval is then of others as well.
fn names_customer(element: &Element, privacy: &Privacy) -> bool {
    let Element { low, high, comment, verdict, counter: _, object: _, expires_ms: _, catch_all: _ } =
        element;
    let field = |field: &KeyField| match field {
        KeyField::Address(address) => privacy.is_customer(*address),
        KeyField::Mark(mark) => privacy.in_bytes(&mark.to_be_bytes()),
        KeyField::Interface(name) => says_customer(name, privacy),
        KeyField::Other(bytes) => privacy.in_bytes(bytes),
        KeyField::Protocol(_) | KeyField::Port(_) => false,
    };
    low.iter().chain(high).any(field)
        || comment.as_ref().is_some_and(|comment| says_customer(comment, privacy))
        || verdict.as_ref().is_some_and(|verdict| says_customer(&verdict.to_string(), privacy))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::*;
    use crate::{rules::nftables::Verdict, sources::nftables::testing::privacy};

    fn element(low: &str, high: &str, comment: Option<&str>) -> Element {
        let field =
            |address: &str| vec![KeyField::Address(address.parse::<IpAddr>().expect("an address"))];
        let comment = comment.map(str::to_owned);
        Element { low: field(low), high: field(high), comment, ..Element::default() }
    }

    fn contents(elements: &[Element]) -> Contents {
        let mut sum = Sum::of_about(0);
        elements.iter().for_each(|element| sum.add(element, &privacy(true)));
        sum.contents()
    }

    #[test]
    fn the_same_elements_in_any_order_are_the_same() {
        let one = element("192.0.2.1", "192.0.2.1", None);
        let net = element("2001:db8::", "2001:db8::ff", Some("remit=court/1"));
        let both = contents(&[one.clone(), net.clone()]);
        assert_eq!(both, contents(&[net.clone(), one.clone()]));
        // printf '192.0.2.1' | sha256sum, and so on; sorted; as bytes; sha256sum again.
        let lines = ["192.0.2.1", "2001:db8::-2001:db8::ff comment \"remit=court/1\""];
        let mut hashes = lines.map(|line| <[u8; 32]>::from(Sha256::digest(line)));
        hashes.sort();
        assert_eq!(both, Contents::Digest(Sha256::digest(hashes.concat()).into()));
    }

    #[test]
    fn another_element_or_claim_is_another_digest() {
        let set = |second: &str, comment| {
            contents(&[element("192.0.2.1", "192.0.2.1", None), element(second, second, comment)])
        };
        let before = set("192.0.2.2", Some("remit=court/1"));
        assert_ne!(before, set("192.0.2.3", Some("remit=court/1")));
        assert_ne!(before, set("192.0.2.2", Some("remit=court/2")));
        assert_ne!(before, set("192.0.2.2", None));
    }

    fn of_fields(low: Vec<KeyField>, high: Vec<KeyField>) -> Element {
        Element { low, high, ..Element::default() }
    }

    #[test]
    fn a_set_with_a_customer_has_none() {
        let other = element("192.0.2.1", "192.0.2.1", None);
        let address = |text: &str| KeyField::Address(text.parse().expect("an address"));
        let one = |field: KeyField| of_fields(vec![field.clone()], vec![field]);
        let comment = |text| element("192.0.2.2", "192.0.2.2", Some(text));
        let verdict = Some(Verdict::Jump("line-100.64.0.7".to_owned()));
        for customer in [
            element("100.64.0.7", "100.64.0.7", None),
            // A prefix; intervals that only begin or only end with one.
            element("100.64.0.0", "100.64.0.15", None),
            element("100.127.255.255", "100.128.0.9", None),
            element("100.63.255.9", "100.64.0.7", None),
            element("2001:db8:b::", "2001:db8:c::7", None),
            element("::ffff:100.64.0.7", "::ffff:100.64.0.7", None),
            // The second field of a concatenation, and its upper end alone.
            of_fields(
                vec![address("192.0.2.1"), address("100.64.0.7")],
                vec![address("192.0.2.1"), address("100.64.0.7")],
            ),
            of_fields(
                vec![KeyField::Port(53), address("100.63.0.1")],
                vec![KeyField::Port(53), address("100.64.0.7")],
            ),
            // Ends that were not understood alike.
            of_fields(
                vec![KeyField::Other(vec![0, 0, 0, 1])],
                vec![KeyField::Protocol(6), address("100.64.0.7")],
            ),
            // As bytes.
            one(KeyField::Other(vec![6, 0, 0, 0, 100, 64, 0, 7, 0, 53])),
            one(KeyField::Other("2001:db8:c::7".parse::<Ipv6Addr>().unwrap().octets().to_vec())),
            one(KeyField::Mark(0x6440_0007)),
            // In words.
            comment("line of 100.64.0.7"),
            comment("remit=de/1 2001:DB8:C::7"),
            comment("0x64400007"),
            one(KeyField::Interface("ppp-100.64.0.7".to_owned())),
            Element { verdict, ..other.clone() },
        ] {
            let digest = contents(&[other.clone(), customer.clone(), other.clone()]);
            assert_eq!(digest, Contents::Withheld, "{customer:?}");
        }
        for fine in [
            of_fields(
                vec![address("192.0.2.1"), KeyField::Port(53)],
                vec![address("192.0.2.255"), KeyField::Port(53)],
            ),
            comment("remit=court/1 for 192.0.2.2, 0x2a"),
            one(KeyField::Mark(0x2a)),
            one(KeyField::Other(vec![6, 0, 0, 0, 192, 0, 2, 7])),
            one(KeyField::Interface("ppp0".to_owned())),
            Element { verdict: Some(Verdict::Drop), ..other.clone() },
        ] {
            assert!(
                matches!(contents(std::slice::from_ref(&fine)), Contents::Digest(_)),
                "{fine:?}"
            );
        }
    }

    #[test]
    fn what_was_read_of_a_generation_is_not_read_again() {
        let name: SetName = (crate::rules::nftables::Family::Ip, "t".into(), "s".into());
        let known = [(name.clone(), Contents::Digest([1; 32]))].into();
        let mut digests = Digests { generation: 5, known, ..Digests::default() };
        digests.begin(5);
        assert_eq!(digests.known.get(&name), Some(&Contents::Digest([1; 32])));
        digests.begin(6);
        assert_eq!(digests.known.get(&name), None);
    }

    fn named(name: &str) -> SetName {
        (crate::rules::nftables::Family::Ip, "t".to_owned(), name.to_owned())
    }

    /// The sets that one reading of this generation begins to read, each of which takes so long. It has rested.
    fn begun(digests: &mut Digests, generation: u32, names: &str, each: Duration) -> String {
        digests.not_before = None;
        digests.begin(generation);
        let mut begun = String::new();
        for name in digests.in_turn(names.split(' ').map(named).collect()) {
            let contents = digests
                .read_with(&name, 1000, || {
                    begun.push_str(&name.2);
                    (Ok(Contents::Digest([1; 32])), each)
                })
                .unwrap();
            let is_read = contents == Contents::Digest([1; 32]);
            assert!(is_read || contents == Contents::NotRead, "{contents:?}");
        }
        begun
    }

    #[test]
    fn one_reading_is_bounded_and_later_ones_reach_the_rest() {
        let two_thirds = READING_MAX * 2 / 3;
        // Of one generation.
        let mut digests = Digests::default();
        for want in ["ab", "cd", "e", ""] {
            assert_eq!(begun(&mut digests, 1, "a b c d e", two_thirds), want);
        }
        // Each is of another one.
        let mut digests = Digests::default();
        for (generation, want) in (1..).zip(["ab", "cd", "ea", "bc", "da"]) {
            assert_eq!(begun(&mut digests, generation, "a b c d e", two_thirds), want);
        }
        // One that is new comes first, and of one that is gone nothing is kept.
        assert_eq!(begun(&mut digests, 9, "a b c x", two_thirds), "xb");
        assert_eq!(digests.read_in.len(), 4);
        assert!(!digests.read_in.contains_key(&named("e")));
    }

    #[test]
    fn sets_that_are_soon_read_are_all_read() {
        let mut digests = Digests::default();
        assert_eq!(begun(&mut digests, 1, "a b c d e", READING_MAX / 100), "abcde");
    }

    #[test]
    fn a_long_reading_is_followed_by_a_rest() {
        let mut digests = Digests::default();
        begun(&mut digests, 1, "a b c", READING_MAX);
        assert_eq!(digests.spent, READING_MAX);
        let rest = digests.not_before.unwrap().saturating_duration_since(Instant::now());
        assert!(rest > READING_MAX * (REST - 1), "{rest:?}");
        digests.begin(2);
        assert!(digests.resting);
    }
}
