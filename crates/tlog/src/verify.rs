//! Checking proofs, RFC 9162 sections 2.1.3.2 (inclusion) and 2.1.4.2 (consistency); the trees and
//! the proofs are those of RFC 6962, which gives no procedure for the verifier.
//!
//! In: numbers, hashes and a proof, none of them trusted. Out: proven, or what does not fit. A proof
//! is accepted only at its exact length: a hash too many is as wrong as one too few.

use crate::{Hash, SIZE_MAX, empty_root, node_hash};

/// What a proof was found to be wrong about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    #[error("tree size {0} is above 2^63 - 1")]
    SizeTooLarge(u64),
    #[error("leaf {index} is not in a tree of size {size}")]
    IndexOutOfRange { index: u64, size: u64 },
    #[error("a tree of size {new} cannot continue one of size {old}")]
    OldLargerThanNew { old: u64, new: u64 },
    #[error(
        "a proof from size {old} to size {new} leads nowhere: it begins in a tree and ends in a larger one"
    )]
    NoPath { old: u64, new: u64 },
    #[error("proof has the wrong number of hashes")]
    WrongLength,
    #[error("proof does not lead to the root hash")]
    WrongRoot,
    #[error("proof does not lead to the old root hash")]
    WrongOldRoot,
}

/// Checks that the leaf with hash `leaf` is at `index` in the tree of `size` leaves with `root`.
///
/// `size` and `root` have to come from one checkpoint. A proof does not show the size: the same path
/// leads to the same root under neighbouring sizes of the same shape.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), InvalidProof> {
    if size > SIZE_MAX {
        return Err(InvalidProof::SizeTooLarge(size));
    }
    if index >= size {
        return Err(InvalidProof::IndexOutOfRange { index, size });
    }
    // `node` and `last` are the positions, on the level reached, of the subtree proven so far and of
    // the last subtree: fn and sn of the RFC.
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(InvalidProof::WrongLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            skip_levels_without_sibling(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(InvalidProof::WrongLength);
    }
    if hash != *root {
        return Err(InvalidProof::WrongRoot);
    }
    Ok(())
}

/// Checks that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves.
///
/// An empty old tree is continued by every tree; it still has to be given with its own root, so
/// that a caller who mixed up two heads learns of it.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), InvalidProof> {
    if new > SIZE_MAX {
        return Err(InvalidProof::SizeTooLarge(new));
    }
    if old > new {
        return Err(InvalidProof::OldLargerThanNew { old, new });
    }
    if old == 0 && *old_root != empty_root() {
        return Err(InvalidProof::WrongOldRoot);
    }
    if old == 0 || old == new {
        if !proof.is_empty() {
            return Err(InvalidProof::WrongLength);
        }
        if old == new && old_root != new_root {
            return Err(InvalidProof::WrongRoot);
        }
        return Ok(());
    }

    let (old_hash, new_hash) = consistency_roots(old, new, proof, old_root)?;
    if old_hash != *old_root {
        return Err(InvalidProof::WrongOldRoot);
    }
    if new_hash != *new_root {
        return Err(InvalidProof::WrongRoot);
    }
    Ok(())
}

/// The old and the new root that a consistency proof yields, whatever they ought to be.
///
/// If the new one is the root of a signed head, then the old one is what the tree of that head was at
/// `old`, however little it is the root that one knows: together they tell another history from a
/// proof that proves nothing. Where the old tree is perfect, `old` a power of two, its root is not in
/// the proof: the path begins with `old_root`, which is then the old root that comes back.
pub fn consistency_roots(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
) -> Result<(Hash, Hash), InvalidProof> {
    if new > SIZE_MAX {
        return Err(InvalidProof::SizeTooLarge(new));
    }
    if old == 0 || old >= new {
        return Err(InvalidProof::NoPath { old, new });
    }
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(InvalidProof::WrongLength)?
    };
    let (mut node, mut last) = (old - 1, new - 1);
    // The path begins at the largest perfect subtree that ends the old tree.
    let levels = node.trailing_ones();
    (node, last) = (node >> levels, last >> levels);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(InvalidProof::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            skip_levels_without_sibling(&mut node, &mut last);
        } else {
            // Right of the old tree: only the new one grows by it.
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(InvalidProof::WrongLength);
    }
    Ok((old_hash, new_hash))
}

/// On the right edge a subtree may have no sibling for some levels; the path skips them.
fn skip_levels_without_sibling(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        (*node, *last) = (*node >> 1, *last >> 1);
    }
}
