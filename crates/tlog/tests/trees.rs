//! Roots and proofs against three other implementations, at every size up to `COUNT`, and at sizes
//! nobody can hold in memory.

mod common;

use common::{entry, flip_bit, leaves, recursive_root, tree};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use tlog::{
    Edge, Hash, InvalidEdge, InvalidProof, MemoryTree, NodeReader, ProofError, SIZE_MAX,
    consistency_proof, consistency_roots, empty_root, inclusion_proof, leaf_hash, node_hash,
    root_at, root_of, verify_consistency, verify_inclusion,
};

/// Past two powers of two, so that every shape of right edge up to seven peaks occurs.
const COUNT: u64 = 132;

/// The same tree for `tlog_tiles`, which numbers its stored hashes its own way.
struct Theirs<R>(R);

impl<R: NodeReader> tlog_tiles::HashReader for Theirs<R> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let read = |index: &u64| {
            let (level, index) = tlog_tiles::split_stored_hash_index(*index);
            let hash = self.0.node(level, index).ok().expect("asked for a node of the tree");
            tlog_tiles::Hash(hash.0)
        };
        Ok(indexes.iter().map(read).collect())
    }
}

fn theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect()
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn ct_tree(count: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..count).for_each(|index| tree.push(entry(index)));
    tree
}

/// A tree of any size whose leaves are all alike, so that a node depends on its level alone.
struct Uniform;

impl NodeReader for Uniform {
    type Error = ();

    fn node(&self, level: u8, _index: u64) -> Result<Hash, ()> {
        Ok((0..level).fold(leaf_hash(b"same"), |hash, _| node_hash(&hash, &hash)))
    }
}

#[test]
fn known_roots() {
    // RFC 6962 leaves the empty tree's hash to SHA-256 of nothing.
    assert_eq!(empty_root().to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(Edge::new().root(), empty_root());
    assert_eq!(MemoryTree::new().root(), empty_root());
    assert_eq!(root_of(&[]), empty_root());
    // The hash of an empty leaf, from the tests of Certificate Transparency.
    assert_eq!(
        format!("{:?}", leaf_hash(b"")),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}

#[test]
fn every_way_to_a_root_agrees() {
    let all = leaves(COUNT);
    let tree = tree(COUNT);
    let mut edge = Edge::new();
    for size in 0..=COUNT {
        let leaves = &all[..size as usize];
        let expected = recursive_root(leaves);
        assert_eq!(root_of(leaves), expected, "root_of {size}");
        assert_eq!(edge.root(), expected, "edge {size}");
        assert_eq!(edge.size(), size);
        assert_eq!(tree.root_at(size), Ok(expected), "tree {size}");
        assert_eq!(common::tree(size).root(), expected, "tree of {size}");
        assert_eq!(Edge::at(&tree, size), Ok(edge.clone()), "edge read {size}");
        assert_eq!(Edge::from_parts(size, edge.peaks().to_vec()), Ok(edge.clone()));
        assert_eq!(tlog_tiles::tree_hash(size, &Theirs(&tree)).unwrap().0, expected.0);
        assert_eq!(ct_tree(size).root().as_bytes().as_slice(), expected.0);
        if let Some(leaf) = all.get(size as usize) {
            edge.append(*leaf);
        }
    }
    assert!(tree.root_at(COUNT + 1).is_err());
}

#[test]
fn every_inclusion_proof() {
    let tree = tree(COUNT);
    for size in 1..=COUNT {
        let root = tree.root_at(size).unwrap();
        let ct = ct_tree(size);
        for index in 0..size {
            let leaf = leaf_hash(&entry(index));
            let proof = inclusion_proof(&tree, index, size).unwrap();
            verify_inclusion(index, size, &leaf, &proof, &root).unwrap();

            let their_proof = tlog_tiles::prove_record(size, index, &Theirs(&tree)).unwrap();
            assert_eq!(theirs(&proof), their_proof, "{index} in {size}");
            let (their_root, their_leaf) = (tlog_tiles::Hash(root.0), tlog_tiles::Hash(leaf.0));
            tlog_tiles::check_record(&theirs(&proof), size, their_root, index, their_leaf).unwrap();

            assert_eq!(ct.prove_inclusion(index as usize).as_bytes(), bytes(&proof));
            let ct_proof = ct_merkle::InclusionProof::try_from_bytes(bytes(&proof)).unwrap();
            ct.root().verify_inclusion(&entry(index), index, &ct_proof).unwrap();
        }
    }
}

#[test]
fn every_consistency_proof() {
    let all = leaves(COUNT);
    let tree = tree(COUNT);
    for new in 1..=COUNT {
        let new_root = tree.root_at(new).unwrap();
        let ct = ct_tree(new);
        for old in 1..=new {
            let old_root = tree.root_at(old).unwrap();
            let proof = consistency_proof(&tree, old, new).unwrap();
            verify_consistency(old, new, &proof, &old_root, &new_root).unwrap();

            let mut edge = Edge::at(&tree, old).unwrap();
            let from_edge = edge.append_and_prove(&all[old as usize..new as usize]);
            assert_eq!(from_edge, proof, "edge {old} to {new}");
            assert_eq!(edge, Edge::at(&tree, new).unwrap(), "edge {old} to {new}");

            let their_proof = tlog_tiles::prove_tree(new, old, &Theirs(&tree)).unwrap();
            assert_eq!(theirs(&proof), their_proof, "{old} to {new}");
            let (h, th) = (tlog_tiles::Hash(old_root.0), tlog_tiles::Hash(new_root.0));
            tlog_tiles::check_tree(&theirs(&proof), new, th, old, h).unwrap();

            let ct_proof = ct.prove_consistency((new - old) as usize);
            assert_eq!(ct_proof.as_bytes(), bytes(&proof), "{old} to {new}");
            let ct_old = ct_tree(old).root();
            let ours = ct_merkle::ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap();
            ct.root().verify_consistency(&ct_old, &ours).unwrap();
        }
    }
}

#[test]
fn an_empty_tree_is_continued_by_every_tree() {
    let root = tree(5).root();
    assert_eq!(consistency_proof(&tree(5), 0, 5), Ok(vec![]));
    assert_eq!(Edge::new().append_and_prove(&leaves(5)), vec![]);
    assert_eq!(verify_consistency(0, 5, &[], &empty_root(), &root), Ok(()));
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &empty_root()), Ok(()));

    let refused = |old, new, proof: &[Hash], old_root, new_root| {
        verify_consistency(old, new, proof, &old_root, &new_root).unwrap_err()
    };
    assert_eq!(refused(0, 5, &[root], empty_root(), root), InvalidProof::WrongLength);
    assert_eq!(refused(0, 5, &[], root, root), InvalidProof::WrongOldRoot);
    assert_eq!(refused(0, 0, &[], empty_root(), root), InvalidProof::WrongRoot);
}

#[test]
fn an_altered_inclusion_proof_is_refused() {
    let tree = tree(COUNT);
    for size in (1..=20).chain([64, 65, 100, COUNT]) {
        let root = tree.root_at(size).unwrap();
        for index in (0..size).step_by(if size > 20 { 7 } else { 1 }) {
            let leaf = leaf_hash(&entry(index));
            let proof = inclusion_proof(&tree, index, size).unwrap();
            let refused = |leaf: &Hash, proof: &[Hash], root: &Hash| {
                assert!(verify_inclusion(index, size, leaf, proof, root).is_err());
            };
            for bit in 0..256 {
                for position in 0..proof.len() {
                    let mut altered = proof.clone();
                    flip_bit(&mut altered[position].0, bit);
                    refused(&leaf, &altered, &root);
                }
                let mut altered = leaf;
                flip_bit(&mut altered.0, bit);
                refused(&altered, &proof, &root);
                let mut altered = root;
                flip_bit(&mut altered.0, bit);
                refused(&leaf, &proof, &altered);
            }
            refused(&leaf, &[&proof[..], &[root]].concat(), &root);
            refused(&leaf, &[&[leaf], &proof[..]].concat(), &root);
            if let Some((_, shorter)) = proof.split_last() {
                refused(&leaf, shorter, &root);
            }
            // The leaf is there, but not where it is claimed to be.
            for other in (0..size + 3).filter(|other| *other != index) {
                assert!(verify_inclusion(other, size, &leaf, &proof, &root).is_err());
            }
        }
    }
}

#[test]
fn an_altered_consistency_proof_is_refused() {
    let tree = tree(COUNT);
    for new in (1..=20).chain([64, 65, 100, COUNT]) {
        let new_root = tree.root_at(new).unwrap();
        for old in (1..=new).step_by(if new > 20 { 7 } else { 1 }) {
            let old_root = tree.root_at(old).unwrap();
            let proof = consistency_proof(&tree, old, new).unwrap();
            let refused = |proof: &[Hash], old_root: &Hash, new_root: &Hash| {
                assert!(verify_consistency(old, new, proof, old_root, new_root).is_err());
            };
            for bit in 0..256 {
                for position in 0..proof.len() {
                    let mut altered = proof.clone();
                    flip_bit(&mut altered[position].0, bit);
                    refused(&altered, &old_root, &new_root);
                }
                let mut altered = old_root;
                flip_bit(&mut altered.0, bit);
                refused(&proof, &altered, &new_root);
                let mut altered = new_root;
                flip_bit(&mut altered.0, bit);
                refused(&proof, &old_root, &altered);
            }
            refused(&[&proof[..], &[new_root]].concat(), &old_root, &new_root);
            refused(&[&[old_root], &proof[..]].concat(), &old_root, &new_root);
            if let Some((_, shorter)) = proof.split_last() {
                refused(shorter, &old_root, &new_root);
            }
        }
    }
}

#[test]
fn a_forked_tree_is_not_a_continuation() {
    // The same log, except that leaf 3 of the old head was exchanged afterwards.
    let honest = tree(50);
    let mut rewritten = leaves(80);
    rewritten[3] = leaf_hash(b"something else");
    let rewritten: MemoryTree = rewritten.into_iter().collect();
    for old in 4..=50 {
        let proof = consistency_proof(&rewritten, old, 80).unwrap();
        let old_root = honest.root_at(old).unwrap();
        assert!(verify_consistency(old, 80, &proof, &old_root, &rewritten.root()).is_err());
    }
}

#[test]
fn a_proof_yields_the_roots_of_the_tree_that_it_was_made_of() {
    let honest = tree(50);
    let mut rewritten = leaves(80);
    rewritten[3] = leaf_hash(b"something else");
    let rewritten: MemoryTree = rewritten.into_iter().collect();
    for old in 4..=50 {
        let proof = consistency_proof(&rewritten, old, 80).unwrap();
        let (ours, theirs) = (honest.root_at(old).unwrap(), rewritten.root_at(old).unwrap());
        let yields = consistency_roots(old, 80, &proof, &ours).unwrap();
        if old.is_power_of_two() {
            // The old root is not in the proof, so the path that begins at ours leads elsewhere.
            assert_eq!(yields.0, ours);
            assert_ne!(yields.1, rewritten.root());
        } else {
            assert_eq!(yields, (theirs, rewritten.root()), "from {old}");
        }
        assert_eq!(consistency_roots(old, 80, &proof, &theirs), Ok((theirs, rewritten.root())));
    }
    for (old, new) in [(0, 5), (5, 5), (6, 5)] {
        let nowhere = Err(InvalidProof::NoPath { old, new });
        assert_eq!(consistency_roots(old, new, &[], &empty_root()), nowhere);
    }
}

#[test]
fn a_proof_for_a_larger_tree_is_refused_although_it_hashes_up() {
    // The root is of two leaves, the size says one: with a hash too many it would fit.
    let [left, right] = leaves(2)[..] else { unreachable!() };
    let root = node_hash(&left, &right);
    let refused = verify_inclusion(0, 1, &right, &[left], &root);
    assert_eq!(refused, Err(InvalidProof::WrongLength));

    let tree = tree(4);
    let mut proof = consistency_proof(&tree, 3, 4).unwrap();
    proof.push(left);
    let above = |size| node_hash(&left, &tree.root_at(size).unwrap());
    let refused = verify_consistency(3, 4, &proof, &above(3), &above(4));
    assert_eq!(refused, Err(InvalidProof::WrongLength));
}

#[test]
fn sizes_out_of_bounds_are_refused_before_use() {
    let root = empty_root();
    for size in [SIZE_MAX + 1, u64::MAX] {
        let too_large = InvalidProof::SizeTooLarge(size);
        assert_eq!(verify_inclusion(0, size, &root, &[], &root), Err(too_large));
        assert_eq!(verify_consistency(1, size, &[], &root, &root), Err(too_large));
        assert_eq!(inclusion_proof(&Uniform, 0, size), Err(ProofError::SizeTooLarge(size)));
        assert_eq!(consistency_proof(&Uniform, 1, size), Err(ProofError::SizeTooLarge(size)));
        assert_eq!(Edge::at(&Uniform, size), Err(ProofError::SizeTooLarge(size)));
        assert_eq!(Edge::from_parts(size, vec![]), Err(InvalidEdge::SizeTooLarge(size)));
        assert!(root_at(&Uniform, size).is_ok());
    }
    let out_of_range = ProofError::IndexOutOfRange { index: 5, size: 5 };
    assert_eq!(inclusion_proof(&Uniform, 5, 5), Err(out_of_range));
    assert!(inclusion_proof(&Uniform, 0, 0).is_err());
    let backwards = ProofError::OldLargerThanNew { old: 6, new: 5 };
    assert_eq!(consistency_proof(&Uniform, 6, 5), Err(backwards));
    let count = InvalidEdge::PeakCount { size: 3, expected: 2, found: 1 };
    assert_eq!(Edge::from_parts(3, vec![root]), Err(count));
}

#[test]
fn a_missing_node_is_reported() {
    let missing = consistency_proof(&tree(5), 3, 8).unwrap_err();
    assert!(matches!(missing, ProofError::Read(_)), "{missing:?}");
}

/// Sizes of every magnitude, and often next to a power of two.
fn any_size() -> impl Strategy<Value = u64> {
    let near_power = (0_u32..63, 0_u64..3)
        .prop_map(|(power, above)| ((1_u64 << power) + above).saturating_sub(1).min(SIZE_MAX));
    prop_oneof![
        near_power,
        (any::<u64>(), 1_u32..63).prop_map(|(n, shift)| n >> shift),
        Just(SIZE_MAX)
    ]
}

fn any_hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

proptest! {
    #[test]
    fn huge_trees(a in any_size(), b in any_size()) {
        let (old, new) = (a.min(b), a.max(b));
        prop_assert!(new <= SIZE_MAX);
        let (old_root, new_root) =
            (root_at(&Uniform, old).unwrap(), root_at(&Uniform, new).unwrap());
        let proof = consistency_proof(&Uniform, old, new).unwrap();
        // One for each level and one for where the path begins. A witness takes 63
        // (c2sp.org/tlog-witness), enough for every tree of at most 2^62 leaves.
        let count_max = if new <= 1 << 62 { 63 } else { 64 };
        prop_assert!(proof.len() <= count_max);
        prop_assert_eq!(verify_consistency(old, new, &proof, &old_root, &new_root), Ok(()));
        if old > 0 {
            let (h, th) = (tlog_tiles::Hash(old_root.0), tlog_tiles::Hash(new_root.0));
            prop_assert!(tlog_tiles::check_tree(&theirs(&proof), new, th, old, h).is_ok());
        }
        if old < new {
            let leaf = leaf_hash(b"same");
            let proof = inclusion_proof(&Uniform, old, new).unwrap();
            prop_assert_eq!(verify_inclusion(old, new, &leaf, &proof, &new_root), Ok(()));
            let ct_root = ct_merkle::RootHash::<Sha256>::new(new_root.0.into(), new);
            let ct_proof = ct_merkle::InclusionProof::try_from_bytes(bytes(&proof)).unwrap();
            // Their inclusion check panics from 2^63 on, which no size here reaches.
            prop_assert!(ct_root.verify_inclusion(&b"same", old, &ct_proof).is_ok());
            let (h, th) = (tlog_tiles::Hash(leaf.0), tlog_tiles::Hash(new_root.0));
            prop_assert!(tlog_tiles::check_record(&theirs(&proof), new, th, old, h).is_ok());
        }
    }

    #[test]
    fn an_edge_continues_from_anywhere(start in any_size(), count in 0_usize..70) {
        let start = start.min(SIZE_MAX - 70);
        let mut edge = Edge::at(&Uniform, start).unwrap();
        let old_root = edge.root();
        let new = vec![leaf_hash(b"same"); count];
        let proof = edge.append_and_prove(&new);
        prop_assert_eq!(edge.size(), start + count as u64);
        prop_assert_eq!(edge.root(), root_at(&Uniform, edge.size()).unwrap());
        let verified = verify_consistency(start, edge.size(), &proof, &old_root, &edge.root());
        prop_assert_eq!(verified, Ok(()));
    }

    #[test]
    fn verifiers_never_panic(
        a in any::<u64>(), b in any::<u64>(), shift in 0_u32..64,
        proof in proptest::collection::vec(any_hash(), 0..70), x in any_hash(), y in any_hash(),
    ) {
        let (a, b) = (a >> shift, b >> shift);
        prop_assert!(verify_inclusion(a, b, &x, &proof, &y).is_err());
        let _ = verify_consistency(a, b, &proof, &x, &y);
    }

    #[test]
    fn hash_text(hash in any_hash(), text in "\\PC{0,50}") {
        prop_assert_eq!(Hash::from_base64(&hash.to_string()), Some(hash));
        prop_assert_eq!(Hash::from_slice(hash.as_bytes()), Some(hash));
        if let Some(hash) = Hash::from_base64(&text) {
            prop_assert_eq!(hash.to_string(), text);
        }
    }
}
