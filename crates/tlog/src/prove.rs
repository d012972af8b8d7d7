//! Making proofs, RFC 6962 sections 2.1.1 (audit paths) and 2.1.2 (consistency).
//!
//! In: a [`NodeReader`], positions and sizes. Out: the list of hashes that the verifier wants, in
//! its order. Which subtrees a proof holds depends on the numbers alone; that plan is made first
//! (`inclusion_ranges`, `consistency_ranges`) and then filled from whatever holds the hashes.

use crate::nodes::range_root;
use crate::{Hash, NodeReader, SIZE_MAX};

/// Why a proof could not be made. `E` is the reader's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    #[error("tree size {0} is above 2^63 - 1")]
    SizeTooLarge(u64),
    #[error("leaf {index} is not in a tree of size {size}")]
    IndexOutOfRange { index: u64, size: u64 },
    #[error("a tree of size {new} cannot continue one of size {old}")]
    OldLargerThanNew { old: u64, new: u64 },
    #[error("tree node could not be read")]
    Read(#[source] E),
}

/// Proves that the leaf at `index` is in the tree that holds `size` leaves.
pub fn inclusion_proof<R: NodeReader>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<R::Error>> {
    if size > SIZE_MAX {
        return Err(ProofError::SizeTooLarge(size));
    }
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    fill(reader, inclusion_ranges(index, size))
}

/// Proves that the tree of `new` leaves begins with the `old` leaves of the earlier tree.
///
/// Empty if `old` is 0 or equal to `new`: there is nothing to show.
pub fn consistency_proof<R: NodeReader>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProofError<R::Error>> {
    if new > SIZE_MAX {
        return Err(ProofError::SizeTooLarge(new));
    }
    if old > new {
        return Err(ProofError::OldLargerThanNew { old, new });
    }
    fill(reader, consistency_ranges(old, new))
}

fn fill<R: NodeReader>(
    reader: &R,
    ranges: Vec<(u64, u64)>,
) -> Result<Vec<Hash>, ProofError<R::Error>> {
    ranges
        .into_iter()
        .map(|(start, end)| range_root(reader, start, end).map_err(ProofError::Read))
        .collect()
}

/// The leaf ranges whose roots make up PATH(index, D[0:size]), deepest first; `index < size`.
fn inclusion_ranges(index: u64, size: u64) -> Vec<(u64, u64)> {
    let (mut start, mut end) = (0, size);
    let mut siblings = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            siblings.push((middle, end));
            end = middle;
        } else {
            siblings.push((start, middle));
            start = middle;
        }
    }
    siblings.reverse();
    siblings
}

/// The leaf ranges whose roots make up PROOF(old, D[0:new]), deepest first; `old <= new`.
///
/// A range that begins before `old` is a perfect subtree of the old tree, and one of its peaks.
pub(crate) fn consistency_ranges(old: u64, new: u64) -> Vec<(u64, u64)> {
    if old == 0 || old == new {
        return Vec::new();
    }
    let (mut start, mut end) = (0, new);
    let mut ranges = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    // SUBPROOF's flag b: if the old tree is this very subtree, the verifier has its root already.
    if start != 0 {
        ranges.push((start, end));
    }
    ranges.reverse();
    ranges
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}
