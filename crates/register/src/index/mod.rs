//! Which of many targets may have to do with one target, without looking at all of them.
//!
//! In: targets, in the order of the register. Out: the numbers of those that may not be disjoint from
//! one: a superset, each once; [`relation`](crate::target::relation) decides. A property test compares
//! with looking at all of them.
//!
//! Everything lies in one tree ([`tree`]), and `place` says where in it a target stands:
//!
//! | root | its way from there |
//! |---|---|
//! | names | `org` → `example` → `www`; URLs of a name go on: `:` → scheme and port → `a` → `b` → `?query` |
//! | one for each family and prefix length | the network's bytes; of an address go on: its ports, and its URLs |
//! | ports; ports of addresses | the number |
//! | one for each other kind | the text |
//! | the whole service | |
//!
//! At a node targets are posted in two classes: *wide* ones, which also hold what is below the node
//! (subtrees, prefixes, addresses), and those that stand *here* alone (a name, a URL). So what holds a
//! target is the wide ones on its way and all at its end ([`search`]), and what it holds is below it.
//!
//! Promised:
//! - What is found by a view of an old size of the register does not depend on what came later, not
//!   even where a search is cut off: ids of nodes and numbers only grow, and an [`Extent`] says where
//!   they ended. (Under a prefix, the time does: later ones are passed over.)
//! - A search takes as many steps as the target has labels, segments or prefix lengths in use, and as it
//!   finds. It is cut off at the caller's maximum, and says so.
//! - A target takes 20 bytes and its own label behind them, filled up to four, and a place in a table; a
//!   second one of the other class at the same name 8 more, a third one two lists. Names above it are
//!   shared. No text is kept twice.
//!
//! The hash has no key: a register holds what its signers put there, and this crate draws no random
//! numbers. Whoever gets names into a list that were searched for collisions makes look-ups of these
//! names slower, and nothing wrong.

mod nodes;
mod place;
mod posted;
mod search;
mod table;
mod tree;

use std::{collections::BTreeMap, ops::Range};

use self::{
    nodes::NodeId,
    place::{Class, Place},
    tree::{At, Trail, Tree},
};
pub(crate) use self::{
    search::{Found, Search},
    table::Table,
};
use crate::target::Target;

/// Of a text, as of the labels.
pub(crate) fn hash(text: &[u8]) -> u64 {
    tree::hash(0, text)
}

/// Number of a target, in order of insertion.
pub type TargetNumber = u32;

#[derive(Debug, Default, Clone)]
pub struct TargetIndex {
    count: TargetNumber,
    tree: Tree,
    v4: Lengths<u32>,
    v6: Lengths<u128>,
}

/// Prefixes and addresses of one family.
#[derive(Debug, Default, Clone)]
struct Lengths<Bits> {
    /// Those in use, ascending: one look-up for each finds all that hold an address. The longest match
    /// alone would be wrong: a wider prefix may be authorised too.
    in_use: Vec<u8>,
    /// By first address and length: one range holds all that lie in a prefix.
    by_net: BTreeMap<(Bits, u8), NodeId>,
}

/// More than these, of a long way, are looked for one after the other.
const TRAILS_MAX: usize = 16;

/// By what searches for some targets go, as far as that can be said without looking.
#[derive(Debug)]
pub(crate) struct Trails {
    above: Vec<Trail>,
    /// Those at which the targets themselves stand.
    ends: Vec<Trail>,
}

/// What an index held at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    numbers: TargetNumber,
    nodes: NodeId,
}

impl Trails {
    /// With room for so many targets, most of which have ways of a few steps.
    pub(crate) fn of(targets: usize) -> Self {
        let steps = targets.saturating_mul(4);
        Self { above: Vec::with_capacity(steps), ends: Vec::with_capacity(targets) }
    }
}

impl TargetIndex {
    pub fn insert(&mut self, target: &Target) -> TargetNumber {
        let number = self.count;
        self.count = self.count.saturating_add(1);
        let Place { at, class } = self.make_place(target);
        self.tree.post(at.node, class, number);
        if let Target::IpPort { port, .. } = target {
            let label = place::number_label(port.number);
            match self.tree.child_or_new(place::PORTS_OF_ADDRESSES, &label) {
                Some(at) => self.tree.post(at.node, Class::Here, number),
                None => self.tree.post(place::WHOLE.node, Class::Wide, number),
            }
        }
        number
    }

    /// The number of the next target.
    pub(crate) fn count(&self) -> TargetNumber {
        self.count
    }

    pub(crate) fn extent(&self) -> Extent {
        Extent { numbers: self.count, nodes: self.tree.end() }
    }

    /// Every target that is not disjoint from this one, and perhaps some that are.
    pub fn near(&self, target: &Target) -> Vec<TargetNumber> {
        let mut search = self.search(self.extent(), 0..self.count, usize::MAX);
        search.touching(target);
        search.into_found().0.into_vec()
    }

    /// Of these, those that hold the target or equal it, and perhaps others.
    pub fn holding(&self, target: &Target) -> Vec<TargetNumber> {
        let mut search = self.search(self.extent(), 0..self.count, usize::MAX);
        search.holding(target);
        search.into_found().0.into_vec()
    }

    /// What a search for the target goes by comes to what others go by; but not what all names of a top-level domain
    /// share, which is in every cache.
    pub(crate) fn add_trails(&self, target: &Target, trails: &mut Trails) {
        let Trails { above, ends } = trails;
        let most = above.len().saturating_add(TRAILS_MAX);
        let names = Trail::from(place::NAMES);
        let mut last = None;
        let end = place::way_to(target, |at: Trail, label| {
            above.extend(last);
            let next = at.then(label);
            last = (at != names).then_some(next);
            (above.len() < most).then_some(next)
        });
        match end {
            Some(end) => ends.push(end.at),
            None => above.extend(last),
        }
        let Self { v4, v6, .. } = self;
        match place::network(target) {
            Some(place::Network::V4 { bits, length }) => {
                let wider = v4.in_use.iter().take_while(|wider| **wider < length);
                above.extend(wider.map(|wider| {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*wider)).unwrap_or(0);
                    Trail::from(place::v4(*wider)).then(&(bits & mask).to_be_bytes())
                }));
            }
            Some(place::Network::V6 { bits, length }) => {
                let wider = v6.in_use.iter().take_while(|wider| **wider < length);
                above.extend(wider.map(|wider| {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*wider)).unwrap_or(0);
                    Trail::from(place::v6(*wider)).then(&(bits & mask).to_be_bytes())
                }));
            }
            None => {}
        }
    }

    /// Asks for what searches by these trails need, so that it is waited for together. Out: targets that they are
    /// likely to find.
    pub(crate) fn load(&self, trails: &Trails) -> Vec<TargetNumber> {
        let Trails { above, ends } = trails;
        self.tree.load(above);
        let ends = self.tree.load(ends);
        self.tree.posted_alone(&ends)
    }

    /// Looks among the targets with numbers `within`, as far as they were there, for `max` of them.
    pub(crate) fn search(
        &self,
        extent: Extent,
        within: Range<TargetNumber>,
        max: usize,
    ) -> Search<'_> {
        Search::new(self, extent, within, max)
    }

    /// Where the tree is full, a target is looked at for every other: at the root of the whole service.
    fn make_place(&mut self, target: &Target) -> Place<At> {
        let Self { tree, v4, v6, count: _ } = self;
        let made = place::way_to(target, |node, label| tree.child_or_new(node, label));
        let Some(made) = made else { return Place { at: place::WHOLE, class: Class::Wide } };
        match place::network(target) {
            Some(place::Network::V4 { bits, length }) => {
                if let Some(at) = tree.child(place::v4(length), &bits.to_be_bytes()) {
                    v4.enter(bits, length, at.node);
                }
            }
            Some(place::Network::V6 { bits, length }) => {
                if let Some(at) = tree.child(place::v6(length), &bits.to_be_bytes()) {
                    v6.enter(bits, length, at.node);
                }
            }
            None => {}
        }
        made
    }
}

impl<Bits: Ord> Lengths<Bits> {
    fn enter(&mut self, bits: Bits, length: u8, node: NodeId) {
        if let Err(at) = self.in_use.binary_search(&length) {
            self.in_use.insert(at, length);
        }
        self.by_net.insert((bits, length), node);
    }
}
