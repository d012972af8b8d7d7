//! Nodes that hang together by labels, in one table: a node is found by its parent and its label.
//!
//! One array of nodes, one hash table of their ids; numbers of 32 bits everywhere. Nodes and posted numbers
//! are only ever added, and in ascending order: what was there at a size is what lies below a number.
//! Children hang in a ring, oldest first, so that what lies below a node is walked without a stack and
//! without a list for each node.

use hashbrown::HashTable;

use super::{
    TargetNumber,
    nodes::{NONE, Node, NodeId, Nodes, index},
    place::Class,
};

#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: Nodes,
    table: HashTable<NodeId>,
    /// Of nodes at which one target of each class is posted, as of a name that a request names with all
    /// below it and another one without.
    pairs: Vec<Pair>,
    /// Of nodes at which more are posted.
    many: Vec<Several>,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    wide: TargetNumber,
    here: TargetNumber,
}

/// Ascending.
#[derive(Debug, Clone)]
struct Several {
    wide: Vec<TargetNumber>,
    here: Vec<TargetNumber>,
}

/// What is posted at a node in one class.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numbers<'t> {
    One(Option<TargetNumber>),
    /// Ascending.
    Many(&'t [TargetNumber]),
}

/// [`Stands`] in four bytes: which of them in the two highest bits, its number in the others. So there are less
/// than 2^30 targets, which no memory of a machine of today holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Posted(pub u32);

/// What is posted at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Nothing,
    Wide(TargetNumber),
    Here(TargetNumber),
    /// A position in [`Tree::pairs`].
    Pair(u32),
    /// A position in [`Tree::many`].
    Several(u32),
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: Nodes::with_roots(super::place::ROOTS),
            table: HashTable::new(),
            pairs: Vec::new(),
            many: Vec::new(),
        }
    }
}

impl Tree {
    /// The id of the next node.
    pub(super) fn end(&self) -> NodeId {
        self.nodes.end()
    }

    pub(super) fn child(&self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        let has_children = self.nodes.get(parent)?.last_child != NONE;
        let label = kept(label);
        let is_it = |node: &NodeId| self.nodes.is(*node, parent, label);
        if !has_children {
            return None;
        }
        self.table.find(hash(parent, label), is_it).copied()
    }

    /// `None`: there is no room for more nodes.
    pub(super) fn child_or_new(&mut self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        if let Some(found) = self.child(parent, label) {
            return Some(found);
        }
        let label = kept(label);
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
        let Self { nodes, pairs, many, .. } = self;
        let Some(Node { posted, .. }) = nodes.get(node) else { return };
        let stands = match (posted.stands(), class) {
            (Stands::Nothing, Class::Wide) => Stands::Wide(number),
            (Stands::Nothing, Class::Here) => Stands::Here(number),
            (Stands::Wide(wide), Class::Here) => {
                pairs.push(Pair { wide, here: number });
                Stands::Pair(last(pairs))
            }
            (Stands::Here(here), Class::Wide) => {
                pairs.push(Pair { wide: number, here });
                Stands::Pair(last(pairs))
            }
            (Stands::Wide(wide), Class::Wide) => {
                many.push(Several { wide: vec![wide, number], here: Vec::new() });
                Stands::Several(last(many))
            }
            (Stands::Here(here), Class::Here) => {
                many.push(Several { wide: Vec::new(), here: vec![here, number] });
                Stands::Several(last(many))
            }
            (Stands::Pair(at), class) => {
                let Some(Pair { wide, here }) = pairs.get(index(at)) else { return };
                let (mut wide, mut here) = (vec![*wide], vec![*here]);
                class.of(&mut wide, &mut here).push(number);
                many.push(Several { wide, here });
                Stands::Several(last(many))
            }
            (Stands::Several(at), class) => {
                if let Some(Several { wide, here }) = many.get_mut(index(at)) {
                    class.of(wide, here).push(number);
                }
                return;
            }
        };
        nodes.set_posted(node, Posted::new(stands));
    }

    pub(super) fn posted(&self, node: NodeId, class: Class) -> Numbers<'_> {
        let Some(Node { posted, .. }) = self.nodes.get(node) else {
            return Numbers::One(None);
        };
        match (posted.stands(), class) {
            (Stands::Wide(number), Class::Wide) | (Stands::Here(number), Class::Here) => {
                Numbers::One(Some(number))
            }
            (Stands::Nothing | Stands::Wide(_) | Stands::Here(_), _) => Numbers::One(None),
            (Stands::Pair(at), class) => {
                let pair = self.pairs.get(index(at));
                Numbers::One(pair.map(|Pair { wide, here }| *class.of(wide, here)))
            }
            (Stands::Several(at), class) => {
                let several = self.many.get(index(at));
                let numbers = several.map(|Several { wide, here }| class.of(wide, here));
                Numbers::Many(numbers.map_or(&[], Vec::as_slice))
            }
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

impl Posted {
    pub(super) const NOTHING: Self = Self(u32::MAX);
    const KIND: u32 = 0b11 << 30;
    const HERE: u32 = 0b01 << 30;
    const PAIR: u32 = 0b10 << 30;
    const SEVERAL: u32 = 0b11 << 30;

    fn new(stands: Stands) -> Self {
        let (kind, number) = match stands {
            Stands::Nothing => return Self::NOTHING,
            Stands::Wide(number) => (0, number),
            Stands::Here(number) => (Self::HERE, number),
            Stands::Pair(at) => (Self::PAIR, at),
            Stands::Several(at) => (Self::SEVERAL, at),
        };
        Self(kind | (number & !Self::KIND))
    }

    fn stands(self) -> Stands {
        let number = self.0 & !Self::KIND;
        match self.0 & Self::KIND {
            _ if self == Self::NOTHING => Stands::Nothing,
            Self::HERE => Stands::Here(number),
            Self::PAIR => Stands::Pair(number),
            Self::SEVERAL => Stands::Several(number),
            _ => Stands::Wide(number),
        }
    }
}

/// The position of what was pushed last.
fn last<T>(items: &[T]) -> u32 {
    u32::try_from(items.len().saturating_sub(1)).unwrap_or(u32::MAX)
}

/// No target is so long. If one were, it would share a node with others, and be looked at with them.
fn kept(label: &[u8]) -> &[u8] {
    label.get(..label.len().min(usize::from(u16::MAX))).unwrap_or(label)
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
