//! RFC 6962 trees and the C2SP text formats around them: the mathematics of a transparency log.
//!
//! In: leaf bytes or leaf hashes, sizes, proofs, notes, tiles, keys. Out: roots, proofs, verdicts on
//! proofs and signatures, canonical bytes. Nothing here reads a file, a clock, a socket or a random
//! number, and nothing here knows what the leaves mean; the same input gives the same answer on any
//! machine at any time.
//!
//! | Module | Idea | Specification |
//! |---|---|---|
//! | [`Hash`](struct@Hash), [`leaf_hash`], [`node_hash`], [`root_of`] | hashing | RFC 6962 section 2.1 |
//! | [`Edge`] | the right edge of a tree: enough to append and to prove consistency onwards | RFC 6962 section 2.1 |
//! | [`NodeReader`], [`MemoryTree`], [`root_at`] | where perfect subtrees come from | RFC 6962 section 2.1 |
//! | [`inclusion_proof`], [`consistency_proof`] | making proofs | RFC 6962 sections 2.1.1, 2.1.2 |
//! | [`verify_inclusion`], [`verify_consistency`], [`consistency_roots`] | checking proofs | RFC 9162 sections 2.1.3.2, 2.1.4.2 |
//! | [`tile`] | a tree as static files | <https://c2sp.org/tlog-tiles> |
//! | [`note`] | signed text, Ed25519 | <https://c2sp.org/signed-note> |
//! | [`checkpoint`] | the signed head of a log | <https://c2sp.org/tlog-checkpoint> |
//! | [`cosignature`] | a witness's dated signature below a checkpoint | <https://c2sp.org/tlog-cosignature> |
//!
//! Promised: no input makes these functions panic, and no size is used in arithmetic before it is
//! known to be at most [`SIZE_MAX`]. Every parser accepts exactly one spelling of a value, so that
//! what was parsed prints as the bytes that were read. Signatures are checked with
//! `verify_strict`: two verifiers never disagree about one.
//!
//! Not done here: storing anything, deciding which keys are trusted, witness policies, and the
//! ML-DSA signature type 0x06, whose lines are carried like those of any unknown key.

mod edge;
mod hash;
mod nodes;
mod prove;
mod verify;

pub mod checkpoint;
pub mod cosignature;
pub mod note;
pub mod tile;

pub use edge::{Edge, InvalidEdge};
pub use hash::{HASH_SIZE, Hash, empty_root, leaf_hash, node_hash, root_of};
pub use nodes::{MemoryTree, MissingNode, NodeReader, root_at};
pub use prove::{ProofError, consistency_proof, inclusion_proof};
pub use verify::{InvalidProof, consistency_roots, verify_consistency, verify_inclusion};

/// The largest tree size that is accepted anywhere, 2^63 - 1.
///
/// It is what fits a signed 64-bit column and a POSIX timestamp alike; above it, implementations
/// that other people use begin to overflow, and nobody has that many leaves.
pub const SIZE_MAX: u64 = (1 << 63) - 1;
