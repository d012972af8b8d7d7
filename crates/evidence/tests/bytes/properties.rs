//! What is accepted re-encodes to itself, and every single-bit change is refused.

use evidence::{
    AgentOrigin, Leaf,
    batch::{self, Tree},
    chunk::{self, SetBuilder},
    commitment::{self, Salt},
    leaf,
};
use proptest::prelude::*;
use prost::Message;
use remit_proto::v1::{self, leaf::Body};
use tlog::{
    Edge,
    checkpoint::Checkpoint,
    note::{KeyName, SigningKey},
};

use crate::sample;

fn origin() -> AgentOrigin {
    "example.net/agent/edge-1/1122334455667788".parse().unwrap()
}

fn key() -> SigningKey {
    SigningKey::new(KeyName::new(origin().to_string()).unwrap(), [5; 32])
}

/// The first batch of a tree: a genesis, an activity with its opening, a seal.
fn batch() -> v1::Batch {
    let target = v1::Target { kind: v1::TargetKind::Ip.into(), value: "192.0.2.1".to_owned() };
    let (rule_target, opening) =
        commitment::make(leaf::ACTIVITY_RULE_TARGET, Salt([9; 16]), target.encode_to_vec());
    let activity = v1::Activity { rule_target, ..sample::activity() };
    let bodies =
        [Body::Genesis(sample::genesis()), Body::Activity(activity), Body::Seal(sample::seal())];
    let leaves = bodies.into_iter().map(leaf::encode).collect();
    let openings = vec![v1::LeafOpening { index: 1, opening: Some(opening) }];
    batch::close(&mut Edge::new(), &key(), &origin(), leaves, openings).unwrap()
}

/// The batch after it, with a consistency proof.
fn second_batch() -> (Tree, v1::Batch) {
    let first = check(&batch(), &Tree::new(origin())).unwrap();
    let leaves = vec![leaf::encode(Body::Seal(sample::seal()))];
    let mut edge = first.tree.edge.clone();
    let second = batch::close(&mut edge, &key(), &origin(), leaves, Vec::new()).unwrap();
    (first.tree, second)
}

fn check(batch: &v1::Batch, tree: &Tree) -> Result<batch::CheckedBatch, batch::BatchError> {
    batch::check_bytes(&batch.encode_to_vec(), tree, &key().verifier())
}

fn accepted(batch: &v1::Batch) -> bool {
    check(batch, &Tree::new(origin())).is_ok()
}

fn for_every_bit(bytes: &[u8], mut check: impl FnMut(Vec<u8>, usize)) {
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        check(changed, bit);
    }
}

#[test]
fn every_bit_of_leaves_note_and_openings_counts() {
    let good = batch();
    assert!(accepted(&good));
    for index in 0..good.leaves.len() {
        for_every_bit(&good.leaves[index], |changed, bit| {
            let mut bad = good.clone();
            bad.leaves[index] = changed;
            assert!(!accepted(&bad), "leaf {index}, bit {bit}");
        });
    }
    for_every_bit(&good.note, |changed, bit| {
        let bad = v1::Batch { note: changed, ..good.clone() };
        assert!(!accepted(&bad), "note, bit {bit}");
    });
    let opening = good.openings[0].opening.clone().unwrap();
    for_every_bit(&opening.salt, |salt, bit| {
        let mut bad = good.clone();
        bad.openings[0].opening = Some(v1::Opening { salt, ..opening.clone() });
        assert!(!accepted(&bad), "salt, bit {bit}");
    });
    for_every_bit(&opening.value, |value, bit| {
        let mut bad = good.clone();
        bad.openings[0].opening = Some(v1::Opening { value, ..opening.clone() });
        assert!(!accepted(&bad), "value, bit {bit}");
    });
    for field in (0..32).map(|bit| opening.field ^ (1 << bit)) {
        let mut bad = good.clone();
        bad.openings[0].opening = Some(v1::Opening { field, ..opening.clone() });
        assert!(!accepted(&bad), "field {field}");
    }
    for index in (0..64).map(|bit| 1 ^ (1_u64 << bit)) {
        let mut bad = good.clone();
        bad.openings[0].index = index;
        assert!(!accepted(&bad), "opening of leaf {index}");
    }
}

#[test]
fn every_bit_of_a_leaf_and_of_a_proof_counts() {
    let (tree, good) = second_batch();
    let check = |batch: &v1::Batch| check(batch, &tree);
    assert!(check(&good).is_ok());
    for_every_bit(&good.leaves[0], |changed, bit| {
        let bad = v1::Batch { leaves: vec![changed], ..good.clone() };
        assert!(check(&bad).is_err(), "leaf, bit {bit}");
    });
    // Without its leaves a head is no fork while its proof ties it to our root; a proof with a changed
    // bit ties it to nothing, and shows nothing of anybody's history.
    let no_leaves = v1::Batch { leaves: Vec::new(), ..good.clone() };
    assert!(matches!(check(&no_leaves), Err(batch::BatchError::RootMismatch)));
    for at in 0..good.consistency.len() {
        for_every_bit(&good.consistency[at], |changed, bit| {
            let mut bad = no_leaves.clone();
            bad.consistency[at] = changed;
            let unproven = matches!(check(&bad), Err(batch::BatchError::UnprovenHead));
            assert!(unproven, "proof {at}, bit {bit}");
        });
    }
}

/// Two trees of one node that differ in the seal of their first batch, `size` leaves long.
fn two_histories(size: u64) -> [Edge; 2] {
    [1, 2].map(|which| {
        let mut edge = Edge::new();
        edge.extend((0..size).map(|at| tlog::leaf_hash(&[which * u8::from(at == 1)])));
        edge
    })
}

/// What is said of the batch that continues `theirs` by one seal, where `ours` was accepted.
fn said_of(ours: &Edge, theirs: &Edge, change: impl FnOnce(&mut v1::Batch)) -> batch::BatchError {
    let seal = leaf::encode(Body::Seal(sample::seal()));
    let mut next = theirs.clone();
    let mut batch = batch::close(&mut next, &key(), &origin(), vec![seal], Vec::new()).unwrap();
    change(&mut batch);
    let tree = Tree { origin: origin(), edge: ours.clone(), not_understood: false };
    check(&batch, &tree).unwrap_err()
}

#[test]
fn a_fork_is_a_head_of_our_size_or_a_proof_of_another_history() {
    use batch::BatchError::{Fork, RootMismatch, UnprovenHead};
    for size in 3..40 {
        let [ours, theirs] = two_histories(size);
        let other_history = said_of(&ours, &theirs, |_| {});
        if size.is_power_of_two() {
            // The proof does not hold the root of a perfect tree, so it cannot show another one.
            assert!(matches!(other_history, UnprovenHead), "from {size}: {other_history}");
        } else {
            assert!(matches!(other_history, Fork), "from {size}: {other_history}");
        }
        // Garbage is no fork, whatever the leaves are.
        let said = said_of(&ours, &theirs, |batch| batch.consistency = vec![vec![7; 32]; 3]);
        assert!(matches!(said, UnprovenHead), "from {size}: {said}");
        for change in [
            |batch: &mut v1::Batch| batch.consistency[0].push(0),
            |batch: &mut v1::Batch| drop(batch.consistency.pop()),
            |batch: &mut v1::Batch| batch.consistency.push(vec![7; 32]),
        ] {
            let said = said_of(&ours, &ours, |batch| {
                change(batch);
                batch.leaves = vec![b"another leaf".to_vec()];
            });
            assert!(matches!(said, UnprovenHead), "from {size}: {said}");
        }
        // The right head and the right proof: only the leaves are wrong.
        let said = said_of(&ours, &ours, |batch| batch.leaves = vec![b"another leaf".to_vec()]);
        assert!(matches!(said, RootMismatch), "from {size}: {said}");
    }
}

#[test]
fn a_head_of_our_size_is_ours_or_a_fork_and_a_smaller_one_is_not_decided_here() {
    use batch::BatchError::{Fork, RootMismatch, UnprovenHead};
    for size in 3..40 {
        let [ours, theirs] = two_histories(size);
        let [shorter, _] = two_histories(size - 1);
        let head = |edge: &Edge| {
            let head = Checkpoint::new(origin().to_string(), edge.size(), edge.root());
            head.sign(&key()).unwrap().encode()
        };
        let said = |edge: &Edge| said_of(&ours, &ours, |batch| batch.note = head(edge));
        assert!(matches!(said(&theirs), Fork), "size {size}");
        assert!(matches!(said(&ours), RootMismatch), "size {size}");
        assert!(matches!(said(&shorter), UnprovenHead), "size {size}");
    }
}

#[test]
fn every_bit_of_a_chunk_counts() {
    let mut set = SetBuilder::new();
    for item in 0..5_u8 {
        assert!(set.push(Salt([item; 16]), vec![item + 1; 40]).is_none());
    }
    let (described, chunk) = set.finish();
    let chunk = chunk.unwrap();
    assert_eq!(chunk::open_set(&described, std::slice::from_ref(&chunk)).unwrap().len(), 5);
    for_every_bit(&chunk, |changed, bit| {
        assert!(chunk::open_set(&described, &[changed]).is_err(), "bit {bit}");
    });
    let missing: [Vec<u8>; 0] = [];
    assert!(chunk::open_set(&described, &missing).is_err());
}

#[test]
fn a_set_fills_chunks_and_none_is_too_large() {
    let mut set = SetBuilder::new();
    let mut chunks = Vec::new();
    for item in 0..4000_u32 {
        chunks.extend(set.push(Salt([1; 16]), item.to_be_bytes().repeat(30)));
    }
    let (described, last) = set.finish();
    chunks.extend(last);
    assert!(chunks.len() > 1);
    assert!(chunks.iter().all(|chunk| chunk.len() <= evidence::CHUNK_SIZE_MAX));
    assert_eq!(chunk::open_set(&described, &chunks).unwrap().len(), 4000);
}

fn claims() -> impl Strategy<Value = Vec<v1::Claim>> {
    prop::collection::vec("[A-Za-z0-9._/-]{1,48}", 0..4).prop_map(|ids| {
        ids.into_iter()
            .map(|id| v1::Claim { claim: Some(v1::claim::Claim::RequestId(id)) })
            .collect()
    })
}

prop_compose! {
    fn activities()(
        number in 1_u64..,
        technique in 1_i32..=28,
        claims in claims(),
        hits in 1_u64..,
        window in 0_i64..2_000_000,
        first in 0_i64..900,
        length in 0_i64..900,
        target in prop::array::uniform32(any::<u8>()),
        candidates in prop::collection::vec(any::<u64>(), 0..5),
    ) -> v1::Activity {
        let origin = if claims.is_empty() { v1::ClaimOrigin::None } else { v1::ClaimOrigin::Mapped };
        let window_start_s = (window + 1) * 900;
        v1::Activity {
            rule: Some(v1::Rule {
                number, technique, claims, claim_origin: origin.into(), ..sample::rule()
            }),
            rule_target: target.to_vec(),
            hits,
            window_start_s,
            window_s: 900,
            first_s: window_start_s + first,
            last_s: window_start_s + (first + length).min(899),
            other_candidates: candidates,
            ..sample::activity()
        }
    }
}

proptest! {
    #[test]
    fn what_is_accepted_encodes_to_itself(activity in activities()) {
        let bytes = sample::encode(Body::Activity(activity));
        let decoded = Leaf::decode(&bytes).unwrap();
        let body = decoded.body().cloned().unwrap();
        prop_assert_eq!(leaf::encode(body), bytes);
    }

    #[test]
    fn random_bytes_never_panic_and_are_never_taken_as_something_else(bytes: Vec<u8>) {
        if let Ok(Leaf::Known(body)) = Leaf::decode(&bytes) {
            prop_assert_eq!(leaf::encode(body), bytes);
        }
    }
}

#[test]
fn who_wrote_a_statement_does_not_approve_it() {
    let body = remit_proto::v1::statement::Body::Proceeding(remit_proto::v1::Proceeding {
        awaits_approval: false,
        id: "VG 12 K 345/26".to_owned(),
        outcome: String::new(),
    });
    let bytes = crate::sample::statement(body);
    let mut statement: remit_proto::v1::Statement =
        prost::Message::decode(bytes.as_slice()).unwrap();
    let mut by = |person: &str| {
        let role = remit_proto::v1::Role::Operator.into();
        statement.approver = Some(remit_proto::v1::PersonRef { person: person.to_owned(), role });
        evidence::statement::decode(&evidence::canonical::encode(&statement))
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(by("person-2"), Ok(()));
    let refused = by("person-1").unwrap_err();
    assert!(refused.contains("another person than the author"), "{refused}");
}
