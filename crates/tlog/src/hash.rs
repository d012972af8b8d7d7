//! Tree hashing, RFC 6962 section 2.1: leaf and node hashes with their domain separation.
//!
//! In: leaf bytes or child hashes. Out: a [`Hash`](struct@Hash). The prefix byte (0x00 for a leaf,
//! 0x01 for a node) keeps a node from being passed off as a leaf; every hash of a tree is made here.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use crate::Edge;

/// The number of bytes in a [`Hash`](struct@Hash).
pub const HASH_SIZE: usize = 32;

/// A SHA-256 hash of a leaf, of a perfect subtree, or of a whole tree.
///
/// Printed as standard base64, as checkpoints and proofs write it; shown as hex when debugging.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_SIZE]);

impl Hash {
    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads standard base64 with padding (RFC 4648 section 4); only the canonical spelling counts.
    pub fn from_base64(text: &str) -> Option<Self> {
        // The length comes first, so that a long line costs nothing.
        if text.len() != 44 {
            return None;
        }
        Self::from_slice(&BASE64_STANDARD.decode(text).ok()?)
    }

    pub fn as_bytes(&self) -> &[u8; HASH_SIZE] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; HASH_SIZE]> for Hash {
    fn from(bytes: [u8; HASH_SIZE]) -> Self {
        Self(bytes)
    }
}

/// The hash of a leaf: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut sha256 = Sha256::new();
    sha256.update([0x00]);
    sha256.update(entry);
    Hash(sha256.finalize().into())
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [0x01; 1 + 2 * HASH_SIZE];
    bytes[1..=HASH_SIZE].copy_from_slice(&left.0);
    bytes[1 + HASH_SIZE..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The Merkle Tree Hash over leaves that are already hashed.
pub fn root_of(leaf_hashes: &[Hash]) -> Hash {
    let mut edge = Edge::new();
    edge.extend(leaf_hashes.iter().copied());
    edge.root()
}
