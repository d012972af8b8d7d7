//! Nodes that hang together by labels, in one table: a node is found by its parent and its label.
//!
//! One array of nodes, one of labels, one hash table of node numbers; numbers of 32 bits everywhere.
//! Nodes and posted numbers are only ever added, and in ascending order: what was there at a size is
//! what lies below a number. Children hang in a ring, oldest first, so that what lies below a node is
//! walked without a stack and without a list for each node.

use hashbrown::HashTable;

use super::{TargetNumber, place::Class};

pub(super) type NodeId = u32;

#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Each with its length in front.
    labels: Vec<u8>,
    table: HashTable<NodeId>,
    /// Of nodes at which several targets of one class are posted; ascending.
    many: Vec<Vec<TargetNumber>>,
}

#[derive(Debug, Clone)]
struct Node {
    parent: NodeId,
    /// Where its label begins.
    label: u32,
    last_child: NodeId,
    /// The youngest child's next is the oldest.
    next_sibling: NodeId,
    wide: Posted,
    here: Posted,
}

/// None, one number, or a position in [`Tree::many`].
type Posted = u32;

const NONE: u32 = u32::MAX;
/// The rest of the bits is a position in `many`. So there are 2^31 targets at most, which no memory of
/// a machine of today holds.
const MANY: u32 = 1 << 31;
/// A length byte of this value is followed by two more.
const LONG: u8 = u8::MAX;

impl Default for Tree {
    fn default() -> Self {
        let root = Node {
            parent: NONE,
            label: 0,
            last_child: NONE,
            next_sibling: NONE,
            wide: NONE,
            here: NONE,
        };
        Self {
            nodes: vec![root; usize::from(super::place::ROOTS)],
            labels: vec![0],
            table: HashTable::new(),
            many: Vec::new(),
        }
    }
}

/// By an eighth: of arrays that are most of a large register, half may not stand empty.
fn make_room<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity().saturating_sub(items.len()) < more {
        items.reserve_exact(more.max(items.len() / 8));
    }
}

impl Tree {
    pub(super) fn count(&self) -> NodeId {
        NodeId::try_from(self.nodes.len()).unwrap_or(NONE)
    }

    pub(super) fn child(&self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        let label = kept(label);
        let is_it = |node: &NodeId| self.is(*node, parent, label);
        self.table.find(hash(parent, label), is_it).copied()
    }

    /// `None`: there is no room for more nodes or labels.
    pub(super) fn child_or_new(&mut self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        if let Some(found) = self.child(parent, label) {
            return Some(found);
        }
        let label = kept(label);
        let node = NodeId::try_from(self.nodes.len()).ok().filter(|node| *node < NONE)?;
        let at = u32::try_from(self.labels.len()).ok()?;
        make_room(&mut self.labels, label.len().saturating_add(3));
        make_room(&mut self.nodes, 1);
        match u8::try_from(label.len()) {
            Ok(length) if length < LONG => self.labels.push(length),
            Ok(_) | Err(_) => {
                self.labels.push(LONG);
                let length = u16::try_from(label.len()).unwrap_or(u16::MAX);
                self.labels.extend(length.to_be_bytes());
            }
        }
        self.labels.extend_from_slice(label);
        let next_sibling = self.append_child(parent, node);
        let (wide, here, last_child) = (NONE, NONE, NONE);
        self.nodes.push(Node { parent, label: at, last_child, next_sibling, wide, here });
        let Self { nodes, labels, table, .. } = self;
        table.insert_unique(hash(parent, label), node, |node| {
            nodes
                .get(index(*node))
                .map_or(0, |node| hash(node.parent, label_at(labels, node.label)))
        });
        Some(node)
    }

    /// What follows the new child in the ring: the oldest one.
    fn append_child(&mut self, parent: NodeId, child: NodeId) -> NodeId {
        let Some(above) = self.nodes.get_mut(index(parent)) else { return child };
        let youngest = std::mem::replace(&mut above.last_child, child);
        match self.nodes.get_mut(index(youngest)) {
            Some(youngest) => std::mem::replace(&mut youngest.next_sibling, child),
            None => child,
        }
    }

    /// Numbers come in ascending order.
    pub(super) fn post(&mut self, node: NodeId, class: Class, number: TargetNumber) {
        let Self { nodes, many, .. } = self;
        let Some(node) = nodes.get_mut(index(node)) else { return };
        let posted = match class {
            Class::Wide => &mut node.wide,
            Class::Here => &mut node.here,
        };
        match *posted {
            NONE => *posted = number,
            several if several & MANY != 0 => {
                if let Some(numbers) = many.get_mut(index(several & !MANY)) {
                    numbers.push(number);
                }
            }
            one => {
                *posted = MANY | u32::try_from(many.len()).unwrap_or(MANY);
                many.push(vec![one, number]);
            }
        }
    }

    pub(super) fn posted(&self, node: NodeId, class: Class) -> &[TargetNumber] {
        let Some(node) = self.nodes.get(index(node)) else { return &[] };
        let posted = match class {
            Class::Wide => &node.wide,
            Class::Here => &node.here,
        };
        match *posted {
            NONE => &[],
            several if several & MANY != 0 => {
                self.many.get(index(several & !MANY)).map_or(&[], Vec::as_slice)
            }
            _ => std::slice::from_ref(posted),
        }
    }

    /// The next node on a walk through all that is below `top`, itself not included, as far as nodes
    /// below `limit` go; from `top` the first one.
    pub(super) fn next_below(&self, top: NodeId, at: NodeId, limit: NodeId) -> Option<NodeId> {
        if let Some(child) = self.oldest_child(at).filter(|child| *child < limit) {
            return Some(child);
        }
        let mut at = at;
        while at != top {
            let node = self.nodes.get(index(at))?;
            let above = self.nodes.get(index(node.parent))?;
            if above.last_child != at && node.next_sibling < limit {
                return Some(node.next_sibling);
            }
            at = node.parent;
        }
        None
    }

    fn oldest_child(&self, node: NodeId) -> Option<NodeId> {
        let youngest = self.nodes.get(index(node))?.last_child;
        Some(self.nodes.get(index(youngest))?.next_sibling)
    }

    fn is(&self, node: NodeId, parent: NodeId, label: &[u8]) -> bool {
        self.nodes.get(index(node)).is_some_and(|node| {
            node.parent == parent && label_at(&self.labels, node.label) == label
        })
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// No target is so long. If one were, it would share a node with others, and be looked at with them.
fn kept(label: &[u8]) -> &[u8] {
    label.get(..label.len().min(usize::from(u16::MAX))).unwrap_or(label)
}

fn label_at(labels: &[u8], at: u32) -> &[u8] {
    let text = labels.get(index(at)..).unwrap_or_default();
    let found = match text {
        [LONG, high, low, rest @ ..] => rest.get(..usize::from(u16::from_be_bytes([*high, *low]))),
        [length, rest @ ..] => rest.get(..usize::from(*length)),
        [] => None,
    };
    found.unwrap_or_default()
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
