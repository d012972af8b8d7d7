//! The nodes of the tree in one array of words, each with its label behind it: whoever finds a node has its
//! label in the same line of the cache, or in the next.
//!
//! A node's id is the place of its first word. Its words: [`Node`], the label's length in bytes, the label, four
//! bytes to a word (little-endian), the last filled up with zeros. There are 2^32 words at most, which is some
//! five hundred million names.

use smallvec::SmallVec;

use super::posted::Posted;

pub(super) type NodeId = u32;

/// No node.
pub(super) const NONE: NodeId = u32::MAX;

/// Words of a node without its label.
const HEAD: usize = 5;

/// Most labels take no more.
const USUAL_LABEL: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Nodes(Vec<u32>);

#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub parent: NodeId,
    pub last_child: NodeId,
    /// The youngest child's next is the oldest.
    pub next_sibling: NodeId,
    pub posted: Posted,
}

/// Positions in [`Node::words`].
impl Node {
    const LAST_CHILD: usize = 1;
    const NEXT_SIBLING: usize = 2;
    const POSTED: usize = 3;

    fn words(self, length: u32) -> [u32; HEAD] {
        let Self { parent, last_child, next_sibling, posted: Posted(posted) } = self;
        [parent, last_child, next_sibling, posted, length]
    }
}

/// One of those that are there from the beginning; they have no label.
pub(super) const fn root(number: u32) -> NodeId {
    number * HEAD as u32
}

impl Nodes {
    pub(super) fn with_roots(count: u16) -> Self {
        let node =
            Node { parent: NONE, last_child: NONE, next_sibling: NONE, posted: Posted::NOTHING };
        let roots = std::iter::repeat_n(node.words(0), usize::from(count));
        Self(roots.flatten().collect())
    }

    /// The id of the next node.
    pub(super) fn end(&self) -> NodeId {
        NodeId::try_from(self.0.len()).unwrap_or(NONE)
    }

    pub(super) fn get(&self, node: NodeId) -> Option<Node> {
        let [parent, last_child, next_sibling, posted, _] = *self.head(node)?;
        Some(Node { parent, last_child, next_sibling, posted: Posted(posted) })
    }

    /// Something of it, and of where the label of most ends.
    pub(super) fn load(&self, node: NodeId) -> u32 {
        let word = |at: usize| self.0.get(index(node).saturating_add(at)).copied().unwrap_or(0);
        word(0) ^ word(HEAD + USUAL_LABEL)
    }

    /// `None`: there is no room for more.
    pub(super) fn push(&mut self, node: Node, label: &[u8]) -> Option<NodeId> {
        let id = NodeId::try_from(self.0.len()).ok()?;
        let length = u32::try_from(label.len()).ok()?;
        let more = HEAD.saturating_add(label.len().div_ceil(4));
        // No word stands where `NONE` would be a node.
        NodeId::try_from(self.0.len().checked_add(more)?).ok()?;
        if self.0.capacity().saturating_sub(self.0.len()) < more {
            // Of an array that is most of a large register, half may not stand empty.
            self.0.reserve_exact(more.max(self.0.len() / 8));
        }
        self.0.extend(node.words(length));
        let (words, last) = in_words(label);
        self.0.extend(words.chain(last));
        Some(id)
    }

    /// What was there.
    pub(super) fn set_last_child(&mut self, node: NodeId, child: NodeId) -> Option<NodeId> {
        Some(std::mem::replace(self.word(node, Node::LAST_CHILD)?, child))
    }

    /// What was there.
    pub(super) fn set_next_sibling(&mut self, node: NodeId, sibling: NodeId) -> Option<NodeId> {
        Some(std::mem::replace(self.word(node, Node::NEXT_SIBLING)?, sibling))
    }

    pub(super) fn set_posted(&mut self, node: NodeId, Posted(posted): Posted) {
        if let Some(word) = self.word(node, Node::POSTED) {
            *word = posted;
        }
    }

    /// Whether this is the child of `parent` with this label.
    pub(super) fn is(&self, node: NodeId, parent: NodeId, label: &[u8]) -> bool {
        let Some([above, _, _, _, length]) = self.head(node) else { return false };
        if *above != parent || usize::try_from(*length) != Ok(label.len()) {
            return false;
        }
        let (words, last) = in_words(label);
        match (self.label(node), last) {
            (held, None) => held.iter().copied().eq(words),
            ([held @ .., held_last], Some(last)) => {
                *held_last == last && held.iter().copied().eq(words)
            }
            ([], Some(_)) => false,
        }
    }

    /// Every node that has a parent, in the order in which they came, with it and the label.
    pub(super) fn each(&self, mut tell: impl FnMut(NodeId, NodeId, &[u8])) {
        let mut at = root(super::place::ROOTS.into());
        while self.with_label(at, |parent, label| tell(at, parent, label)).is_some() {
            let next = index(at).saturating_add(HEAD).saturating_add(self.label(at).len());
            at = NodeId::try_from(next).unwrap_or(NONE);
        }
    }

    /// A node's parent and label.
    pub(super) fn with_label<T>(
        &self,
        node: NodeId,
        tell: impl FnOnce(NodeId, &[u8]) -> T,
    ) -> Option<T> {
        let [parent, _, _, _, length] = *self.head(node)?;
        let bytes: SmallVec<[u8; 64]> =
            self.label(node).iter().flat_map(|word| word.to_le_bytes()).collect();
        Some(tell(parent, bytes.get(..index(length))?))
    }

    fn head(&self, node: NodeId) -> Option<&[u32; HEAD]> {
        self.0.get(index(node)..)?.first_chunk()
    }

    fn label(&self, node: NodeId) -> &[u32] {
        let label = self.head(node).and_then(|[_, _, _, _, length]| {
            let from = index(node).checked_add(HEAD)?;
            self.0.get(from..from.checked_add(index(*length).div_ceil(4))?)
        });
        label.unwrap_or_default()
    }

    fn word(&mut self, node: NodeId, word: usize) -> Option<&mut u32> {
        self.0.get_mut(index(node).checked_add(word)?)
    }
}

fn in_words(label: &[u8]) -> (impl Iterator<Item = u32>, Option<u32>) {
    let (words, rest) = label.as_chunks::<4>();
    let at = |at: usize| rest.get(at).copied().unwrap_or(0);
    let last = (!rest.is_empty()).then(|| u32::from_le_bytes([at(0), at(1), at(2), 0]));
    (words.iter().map(|word| u32::from_le_bytes(*word)), last)
}

pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
