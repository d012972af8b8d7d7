//! Nodes that hang together by labels, in one table: a node is found by its parent and its label.
//!
//! One array of nodes, one hash table of their ids; numbers of 32 bits everywhere. Nodes and posted numbers
//! are only ever added, and in ascending order: what was there at a size is what lies below a number.
//! Children hang in a ring, oldest first, so that what lies below a node is walked without a stack and
//! without a list for each node.

use hashbrown::HashTable;

use super::{
    TargetNumber,
    nodes::{NONE, Node, NodeId, Nodes},
    place::Class,
    posted::{Lists, Numbers, Posted},
};

#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Nodes,
    table: HashTable<NodeId>,
    lists: Lists,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: Nodes::with_roots(super::place::ROOTS),
            table: HashTable::new(),
            lists: Lists::default(),
        }
    }
}

impl Tree {
    /// The id of the next node.
    pub(super) fn end(&self) -> NodeId {
        self.nodes.end()
    }

    pub(super) fn child(&self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        // Most ways end at a name with nothing below it.
        if self.nodes.get(parent)?.last_child == NONE {
            return None;
        }
        let is_it = |node: &NodeId| self.nodes.is(*node, parent, label);
        self.table.find(hash(parent, label), is_it).copied()
    }

    /// `None`: there is no room for more nodes.
    pub(super) fn child_or_new(&mut self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        if let Some(found) = self.child(parent, label) {
            return Some(found);
        }
        let posted = Posted::NOTHING;
        let new = Node { parent, last_child: NONE, next_sibling: NONE, posted };
        let node = self.nodes.push(new, label)?;
        self.append_child(parent, node);
        let Self { nodes, table, .. } = self;
        table.insert_unique(hash(parent, label), node, |node| {
            nodes.with_label(*node, hash).unwrap_or(0)
        });
        Some(node)
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

/// Eight bytes at a time, each step a multiplication to twice the width, folded.
pub(super) fn hash(parent: NodeId, label: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let seed = (u64::from(parent) << 32) ^ label.len() as u64;
    let mut state = fold(seed ^ K, 0xd6e8_feb8_6659_fd93);
    let (words, rest) = label.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), K);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    fold(state ^ u64::from_le_bytes(last), 0xa076_1d64_78bd_642f)
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
        let made: Vec<NodeId> =
            labels.iter().map(|label| tree.child_or_new(parent, label).unwrap()).collect();
        for (label, node) in labels.iter().zip(&made) {
            assert_eq!(tree.child(parent, label), Some(*node));
            assert_eq!(tree.child_or_new(parent, label), Some(*node));
            assert_eq!(tree.child(*node, label), None);
        }
        let mut walked = Vec::new();
        let mut at = parent;
        while let Some(node) = tree.next_below(parent, at, tree.end()) {
            walked.push(node);
            at = node;
        }
        assert_eq!(walked, made);
    }
}
