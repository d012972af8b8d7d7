//! Where perfect subtrees come from: the trait that stores implement, and a store in memory.
//!
//! In: level and index of a perfect subtree. Out: its hash. Everything that RFC 6962 asks of a tree
//! (section 2.1) is made of these, because a subtree that is perfect never changes again.

use crate::edge::{fold_peaks, perfect_subtrees};
use crate::{Hash, empty_root, node_hash};

/// Gives the hash of perfect subtrees: `node(level, index)` covers the leaves
/// `index << level .. (index + 1) << level`, so that level 0 holds the leaf hashes.
pub trait NodeReader {
    type Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

impl<R: NodeReader + ?Sized> NodeReader for &R {
    type Error = R::Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        (**self).node(level, index)
    }
}

/// The root that the tree had when it held `size` leaves.
pub fn root_at<R: NodeReader>(reader: &R, size: u64) -> Result<Hash, R::Error> {
    range_root(reader, 0, size)
}

/// The root over leaves `start..end`, a range as [`perfect_subtrees`] wants it.
pub(crate) fn range_root<R: NodeReader>(
    reader: &R,
    start: u64,
    end: u64,
) -> Result<Hash, R::Error> {
    let peaks = perfect_subtrees(start, end)
        .map(|(level, index)| reader.node(level, index))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(fold_peaks(&peaks).unwrap_or_else(empty_root))
}

/// A tree with all its perfect subtrees in memory: 64 bytes a leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTree {
    /// `levels[l][i]` is the perfect subtree (l, i).
    levels: Vec<Vec<Hash>>,
}

/// A perfect subtree was asked for that the tree does not have (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no perfect subtree at level {level}, index {index}")]
pub struct MissingNode {
    pub level: u8,
    pub index: u64,
}

impl MemoryTree {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn append(&mut self, leaf: Hash) {
        let mut carried = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(carried);
            // A left child waits for its sibling; a right child completes the level above.
            let &[.., left, right] = nodes.as_slice() else { return };
            if nodes.len() % 2 == 1 {
                return;
            }
            carried = node_hash(&left, &right);
        }
    }

    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    pub fn root(&self) -> Hash {
        let peaks = perfect_subtrees(0, self.size())
            .filter_map(|(level, index)| self.node(level, index).ok())
            .collect::<Vec<_>>();
        fold_peaks(&peaks).unwrap_or_else(empty_root)
    }

    /// The root that the tree had at `size`, if it has grown that far.
    pub fn root_at(&self, size: u64) -> Result<Hash, MissingNode> {
        root_at(self, size)
    }

    /// The leaf hashes, in order.
    pub fn leaves(&self) -> &[Hash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }
}

impl Extend<Hash> for MemoryTree {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.append(leaf));
    }
}

impl FromIterator<Hash> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::new();
        tree.extend(leaves);
        tree
    }
}

impl NodeReader for MemoryTree {
    type Error = MissingNode;

    fn node(&self, level: u8, index: u64) -> Result<Hash, MissingNode> {
        let nodes = self.levels.get(usize::from(level));
        usize::try_from(index)
            .ok()
            .and_then(|index| nodes?.get(index).copied())
            .ok_or(MissingNode { level, index })
    }
}
