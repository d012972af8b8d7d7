//! Nodes that hang together by labels, in one table: a node is found by the labels that lead to it.
//!
//! One array of nodes, one hash table of their ids; numbers of 32 bits everywhere. Nodes and posted numbers
//! are only ever added, and in ascending order: what was there at a size is what lies below a number.
//! Children hang in a ring, oldest first, so that what lies below a node is walked without a stack and
//! without a list for each node.

use std::hint::black_box;

use super::{
    TargetNumber,
    nodes::{NONE, Node, NodeId, Nodes},
    place::Class,
    posted::{Lists, Numbers, Posted},
    table::Table,
};

#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Nodes,
    table: Table,
    lists: Lists,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: Nodes::with_roots(super::place::ROOTS),
            table: Table::default(),
            lists: Lists::default(),
        }
    }
}

impl Tree {
    /// The id of the next node.
    pub(super) fn end(&self) -> NodeId {
        self.nodes.end()
    }

    pub(super) fn child(&self, parent: At, label: &[u8]) -> Option<At> {
        // Most ways end at a name with nothing below it.
        if self.nodes.get(parent.node)?.last_child == NONE {
            return None;
        }
        let trail = parent.trail.then(label);
        let node = self.table.find(trail.0, |node| self.nodes.is(node, parent.node, label))?;
        Some(At { node, trail })
    }

    /// `None`: there is no room for more nodes.
    pub(super) fn child_or_new(&mut self, parent: At, label: &[u8]) -> Option<At> {
        if let Some(found) = self.child(parent, label) {
            return Some(found);
        }
        let At { node: parent, trail } = parent;
        let posted = Posted::NOTHING;
        let new = Node { parent, last_child: NONE, next_sibling: NONE, posted };
        let node = self.nodes.push(new, label)?;
        let trail = trail.then(label);
        self.append_child(parent, node);
        if self.table.is_crowded() {
            // The new node is one of these.
            let mut larger = self.table.larger();
            self.nodes.each(|node, parent, label| {
                larger.add(self.trail(parent).then(label).0, node);
            });
            self.table = larger;
        } else {
            self.table.add(trail.0, node);
        }
        Some(At { node, trail })
    }

    fn trail(&self, node: NodeId) -> Trail {
        let above = self.nodes.with_label(node, |parent, label| match parent {
            NONE => At::root(node).trail,
            parent => self.trail(parent).then(label),
        });
        above.unwrap_or(At::root(node).trail)
    }

    /// The nodes that are likely to stand at the ends of these trails. The lines of the table are asked for at once,
    /// and then the nodes, so that they are waited for together.
    pub(super) fn load(&self, trails: &[Trail]) -> Vec<NodeId> {
        self.table.load(trails.iter().map(|trail| trail.0));
        let mut nodes = Vec::with_capacity(trails.len());
        nodes.extend(trails.iter().flat_map(|trail| self.table.likely(trail.0)));
        black_box(nodes.iter().fold(0, |read, node| read ^ self.nodes.load(*node)));
        nodes
    }

    /// What is posted there, where that is one target of its class.
    pub(super) fn posted_alone(&self, nodes: &[NodeId]) -> Vec<TargetNumber> {
        let mut posted = Vec::with_capacity(nodes.len());
        for node in nodes {
            for class in [Class::Wide, Class::Here] {
                if let Numbers::One(Some(number)) = self.posted(*node, class) {
                    posted.push(number);
                }
            }
        }
        posted
    }

    /// Into the ring: behind the youngest, before the oldest.
    fn append_child(&mut self, parent: NodeId, child: NodeId) {
        let nodes = &mut self.nodes;
        let youngest = nodes.set_last_child(parent, child).filter(|youngest| *youngest != NONE);
        let oldest = youngest.and_then(|youngest| nodes.set_next_sibling(youngest, child));
        nodes.set_next_sibling(child, oldest.unwrap_or(child));
    }

    /// Numbers come in ascending order.
    pub(super) fn post(&mut self, node: NodeId, class: Class, number: TargetNumber) {
        let Self { nodes, lists, .. } = self;
        if let Some(Node { posted, .. }) = nodes.get(node) {
            nodes.set_posted(node, lists.post(posted, class, number));
        }
    }

    pub(super) fn posted(&self, node: NodeId, class: Class) -> Numbers<'_> {
        let posted = self.nodes.get(node).map_or(Posted::NOTHING, |node| node.posted);
        self.lists.posted(posted, class)
    }

    /// The next node on a walk through all that is below `top`, itself not included, as far as nodes
    /// below `limit` go; from `top` the first one.
    pub(super) fn next_below(&self, top: NodeId, at: NodeId, limit: NodeId) -> Option<NodeId> {
        if let Some(child) = self.oldest_child(at).filter(|child| *child < limit) {
            return Some(child);
        }
        let mut at = at;
        while at != top {
            let node = self.nodes.get(at)?;
            let above = self.nodes.get(node.parent)?;
            if above.last_child != at && node.next_sibling < limit {
                return Some(node.next_sibling);
            }
            at = node.parent;
        }
        None
    }

    fn oldest_child(&self, node: NodeId) -> Option<NodeId> {
        let youngest = self.nodes.get(node)?.last_child;
        Some(self.nodes.get(youngest)?.next_sibling)
    }
}

/// A node, and how one comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub node: NodeId,
    trail: Trail,
}

/// The hash of a root and of the labels on the way from there. It is known without a look at the nodes in
/// between, so that all that a way needs can be asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trail(u64);

impl At {
    pub(super) const fn root(node: NodeId) -> Self {
        Self { node, trail: Trail(node as u64) }
    }
}

impl From<At> for Trail {
    fn from(at: At) -> Self {
        at.trail
    }
}

impl Trail {
    pub(super) fn then(self, label: &[u8]) -> Self {
        Self(hash(self.0, label))
    }
}

/// Eight bytes at a time, each step a multiplication to twice the width, folded.
pub(super) fn hash(above: u64, label: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let seed = above.wrapping_add(label.len() as u64);
    let mut state = fold(seed ^ K, 0xd6e8_feb8_6659_fd93);
    let (words, rest) = label.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), K);
    }
    // The last eight bytes, of which some may be in twice: they are read at once, however many are new.
    let last = match label.last_chunk() {
        _ if rest.is_empty() => 0,
        Some(last) => u64::from_le_bytes(*last),
        None => short(rest),
    };
    fold(state ^ last, 0xa076_1d64_78bd_642f)
}

/// Of less than eight bytes; texts of one length differ in it.
fn short(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first))
            | (u64::from(u32::from_le_bytes(*last)) << 32);
    }
    let at = |at: usize| text.get(at).map_or(0, |byte| u64::from(*byte));
    at(0) | (at(1) << 8) | (at(2) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels of every length about a word and about what the hash takes at once, which differ in their last
    /// byte or in zeros at the end; so many that the table grows more than once.
    #[test]
    fn each_child_is_found_by_its_own_label() {
        let lengths = (0..=70).chain([255, 256, 8_192]);
        let mut labels: Vec<Vec<u8>> = lengths
            .flat_map(|length| {
                let one = vec![b'a'; length];
                let other = [&one[..], b"b"].concat();
                let zeros = [&one[..], &[0]].concat();
                [one, other, zeros, [vec![1], vec![0; length]].concat()]
            })
            .collect();
        labels.extend((0..10_000_u32).map(|n| n.to_string().into_bytes()));
        labels.sort();
        labels.dedup();
        let mut tree = Tree::default();
        let parent = tree.child_or_new(super::super::place::NAMES, b"org").unwrap();
        let made: Vec<At> =
            labels.iter().map(|label| tree.child_or_new(parent, label).unwrap()).collect();
        for (label, node) in labels.iter().zip(&made) {
            assert_eq!(tree.child(parent, label), Some(*node));
            assert_eq!(tree.child_or_new(parent, label), Some(*node));
            assert_eq!(tree.child(*node, label), None);
        }
        let mut walked = Vec::new();
        let mut at = parent.node;
        while let Some(node) = tree.next_below(parent.node, at, tree.end()) {
            walked.push(node);
            at = node;
        }
        assert_eq!(walked, made.iter().map(|at| at.node).collect::<Vec<_>>());
    }
}
