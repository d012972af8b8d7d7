//! The right edge of a tree: its size and the roots of the perfect subtrees it is made of.
//!
//! In: leaf hashes, one after the other. Out: the root at each size (RFC 6962 section 2.1), and
//! proofs that a later tree continues this one (section 2.1.2). An edge holds at most 63 hashes
//! whatever the tree holds, so it is what a writer keeps in memory and what a snapshot stores.

use crate::{Hash, NodeReader, ProofError, SIZE_MAX, empty_root, node_hash, prove};

/// The compact right edge of a tree. Two trees with the same edge have the same leaves.
///
/// Invariant: one peak for each one-bit of the size, the largest subtree first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    peaks: Vec<Hash>,
}

/// A size and peaks that cannot belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEdge {
    #[error("tree size {0} is above 2^63 - 1")]
    SizeTooLarge(u64),
    #[error("a tree of size {size} has {expected} peaks, not {found}")]
    PeakCount { size: u64, expected: u32, found: usize },
}

impl Edge {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up an edge that was stored as its size and peaks, largest subtree first.
    ///
    /// Only the shape can be checked here. Whether the hashes are the right ones shows when the
    /// root is compared with a signed one.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Result<Self, InvalidEdge> {
        if size > SIZE_MAX {
            return Err(InvalidEdge::SizeTooLarge(size));
        }
        let expected = size.count_ones();
        if peaks.len() != expected as usize {
            return Err(InvalidEdge::PeakCount { size, expected, found: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// Reads the edge that a tree had at `size`.
    pub fn at<R: NodeReader>(reader: &R, size: u64) -> Result<Self, ProofError<R::Error>> {
        if size > SIZE_MAX {
            return Err(ProofError::SizeTooLarge(size));
        }
        let peaks = perfect_subtrees(0, size)
            .map(|(level, index)| reader.node(level, index).map_err(ProofError::Read))
            .collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    pub fn append(&mut self, leaf: Hash) {
        self.append_and_tell(leaf, |_, _, _| {});
    }

    /// Appends, and tells of each join where its two subtrees begin, and the root of the right one.
    fn append_and_tell(&mut self, leaf: Hash, mut joins: impl FnMut(u64, u64, Hash)) {
        // Adding one carries through the trailing one-bits of the size; each carry joins the new
        // subtree with the peak of the same height. The size cannot overflow: it starts at most at
        // SIZE_MAX and counts single appends.
        let end = self.size + 1;
        let mut hash = leaf;
        for level in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                joins(end - (2 << level), end - (1 << level), hash);
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size = end;
    }

    pub fn root(&self) -> Hash {
        fold_peaks(&self.peaks).unwrap_or_else(empty_root)
    }

    /// Appends leaves and returns the RFC 6962 consistency proof from the tree before to the tree
    /// after them. Empty if the tree was empty, or `leaves` is.
    ///
    /// It needs nothing else, and no hash twice: a proof from size m holds peaks of the tree at m;
    /// subtrees that begin at or after leaf m, each at the moment it joins an older one; and one
    /// root over the peaks behind those, if there are any.
    pub fn append_and_prove(&mut self, leaves: &[Hash]) -> Vec<Hash> {
        let before = self.clone();
        let old_size = before.size;
        let mut joined = Vec::new();
        for leaf in leaves {
            self.append_and_tell(*leaf, |left, right, hash| {
                if left < old_size && old_size <= right {
                    joined.push((right, hash));
                }
            });
        }
        let root_from = |start| match joined.iter().find(|(at, _)| *at == start) {
            Some((_, root)) => Some(*root),
            None => self.root_of_peaks_from(start),
        };
        prove::consistency_ranges(old_size, self.size)
            .into_iter()
            .filter_map(|(start, _)| match start < old_size {
                true => before.peak_at(start),
                false => root_from(start),
            })
            .collect()
    }

    fn root_of_peaks_from(&self, start: u64) -> Option<Hash> {
        let before = perfect_subtrees(0, self.size)
            .take_while(|(level, index)| index << level < start)
            .count();
        fold_peaks(self.peaks.get(before..)?)
    }

    /// The peak whose first leaf is `start`. Always there for the ranges of a consistency proof.
    fn peak_at(&self, start: u64) -> Option<Hash> {
        let position =
            perfect_subtrees(0, self.size).position(|(level, index)| index << level == start);
        debug_assert!(position.is_some(), "leaf {start} begins a peak");
        position.and_then(|position| self.peaks.get(position).copied())
    }
}

impl Extend<Hash> for Edge {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.append(leaf));
    }
}

/// The root over adjacent perfect subtrees of falling height, or none if there are none.
pub(crate) fn fold_peaks(peaks: &[Hash]) -> Option<Hash> {
    peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

/// The perfect subtrees, as (level, index), that leaves `start..end` consist of, from the left.
///
/// `start` is 0 or a multiple of a power of two that is not smaller than `end - start`: what a
/// split of RFC 6962 section 2.1 leaves behind.
pub(crate) fn perfect_subtrees(mut start: u64, end: u64) -> impl Iterator<Item = (u8, u64)> {
    std::iter::from_fn(move || {
        // None when nothing is left, and never above 63.
        let level = end.saturating_sub(start).checked_ilog2()?;
        let subtree = (level as u8, start >> level);
        start += 1 << level;
        Some(subtree)
    })
}
