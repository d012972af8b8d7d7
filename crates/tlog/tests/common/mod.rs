//! What the tests of trees share: leaves, and the definition of RFC 6962 written down as it stands.

#![allow(dead_code, reason = "each test file uses a part")]

use tlog::{Hash, MemoryTree, leaf_hash, node_hash};

/// The bytes of leaf number `index`; every one is different.
pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&entry(index))).collect()
}

pub(crate) fn tree(count: u64) -> MemoryTree {
    leaves(count).into_iter().collect()
}

/// MTH of RFC 6962 section 2.1, recursive and slow, not sharing a line with the crate.
pub(crate) fn recursive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::from_base64("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").expect("constant"),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while 2 * k < leaves.len() {
                k *= 2;
            }
            node_hash(&recursive_root(&leaves[..k]), &recursive_root(&leaves[k..]))
        }
    }
}

pub(crate) fn flip_bit(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// A file below `testdata`.
pub(crate) fn testdata(path: &str) -> Vec<u8> {
    let path = format!("{}/testdata/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
