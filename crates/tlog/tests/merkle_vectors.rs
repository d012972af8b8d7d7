//! The proof vectors of transparency-dev/merkle: right ones are taken, wrong ones are refused.

mod common;

use serde::Deserialize;
use tlog::{Hash, leaf_hash, verify_consistency, verify_inclusion};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    file: String,
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    file: String,
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// The vectors also hold roots like "don't care 2", which are no hashes and which our type cannot
/// hold. Each such text becomes a hash of its own, so that equal stays equal and the verifier is
/// asked about every vector.
fn hash(text: &str) -> Hash {
    Hash::from_base64(text).unwrap_or_else(|| leaf_hash(text.as_bytes()))
}

fn hashes(texts: Option<Vec<String>>) -> Vec<Hash> {
    texts.unwrap_or_default().iter().map(|text| hash(text)).collect()
}

#[test]
fn inclusion() {
    let vectors: Vec<Inclusion> =
        serde_json::from_slice(&common::testdata("merkle_inclusion.json")).unwrap();
    assert_eq!(vectors.len(), 98);
    for vector in vectors {
        let proof = hashes(vector.proof);
        let root = hash(&vector.root);
        let Some(leaf) = Hash::from_base64(&vector.leaf_hash) else {
            assert!(vector.want_err, "no leaf hash: {}", vector.file);
            continue;
        };
        let verified = verify_inclusion(vector.leaf_idx, vector.tree_size, &leaf, &proof, &root);
        assert_eq!(verified.is_err(), vector.want_err, "{}: {verified:?}", vector.file);
    }
}

#[test]
fn consistency() {
    let vectors: Vec<Consistency> =
        serde_json::from_slice(&common::testdata("merkle_consistency.json")).unwrap();
    assert_eq!(vectors.len(), 98);
    for vector in vectors {
        let proof = hashes(vector.proof);
        let (old_root, new_root) = (hash(&vector.root1), hash(&vector.root2));
        let verified = verify_consistency(vector.size1, vector.size2, &proof, &old_root, &new_root);
        // Their verifier calls a proof from the empty tree useless and refuses it. Ours takes it, as
        // a witness does that sees a log for the first time (c2sp.org/tlog-witness: "The proof MUST
        // be empty if the old size is zero"), and holds the old root to be that of the empty tree.
        let from_nothing = "consistency/additional/size1-is-zero-and-size2-is-not-zero.json";
        let refused = vector.want_err && vector.file != from_nothing;
        assert_eq!(verified.is_err(), refused, "{}: {verified:?}", vector.file);
    }
}
