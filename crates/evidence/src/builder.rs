//! A batch in the making: every leaf and opening is encoded once, where it stays.
//!
//! In: leaves and openings, in the order of their indexes. Out: [`Closed`], the canonical encoding of
//! `remit.v1.Batch` in pieces that lie one behind the other, so that who stores it need not copy it.
//!
//! Messages are written by hand here, and nowhere else. Invariant: prost encodes the same bytes for
//! the same values; so fields stand in ascending order and a default value is left out. The tests
//! below hold it against prost for random messages.

use tlog::{Edge, Hash, checkpoint::CheckpointError, leaf_hash, note::SigningKey};

use crate::{
    Leaf,
    batch::{Head, sign_head},
    commitment::Salt,
    id::AgentOrigin,
};

/// Leaves and openings of a batch that is open.
#[derive(Debug, Default)]
pub struct Builder {
    /// `Batch.leaves` and `Batch.openings`, as encoded.
    leaves: Vec<u8>,
    openings: Vec<u8>,
    hashes: Vec<Hash>,
    /// Of the leaves alone, without what frames them.
    leaves_size: usize,
    /// Reused for each leaf.
    scratch: Vec<u8>,
}

/// What an `Activity` says. What many leaves repeat is handed in as encoded.
#[derive(Debug, Clone)]
pub struct Activity<'a> {
    /// `remit.v1.Rule`
    pub rule: &'a [u8],
    /// `remit.v1.Response`
    pub response: &'a [u8],
    pub rule_target: Hash,
    pub hit_target: Option<Hash>,
    pub hits: u64,
    pub window_start_s: i64,
    pub window_s: u32,
    pub first_s: i64,
    pub last_s: i64,
    pub detail_reduced: bool,
    pub other_candidates: &'a [u64],
    /// `remit.v1.ImportProvenance`
    pub imported: Option<&'a [u8]>,
}

/// A batch with its signed head.
#[derive(Debug)]
pub struct Closed {
    head: Vec<u8>,
    leaves: Vec<u8>,
    openings: Vec<u8>,
}

impl Builder {
    /// Leaves so far.
    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    pub fn leaves_size(&self) -> usize {
        self.leaves_size
    }

    pub fn openings_size(&self) -> usize {
        self.openings.len()
    }

    /// Adds an encoded leaf.
    pub fn push(&mut self, leaf: &[u8]) {
        put_bytes(&mut self.leaves, BATCH_LEAVES, leaf);
        self.pushed(leaf.len());
    }

    /// Adds a leaf of this activity. The caller has made it from valid parts; tests and debug builds
    /// check. (In release the check would cost as much as all else that is done for the leaf.)
    pub fn push_activity(&mut self, activity: &Activity<'_>) {
        let Self { leaves, scratch, .. } = self;
        scratch.clear();
        activity.encode(scratch);
        let size = 1 + varint_size(scratch.len() as u64) + scratch.len();
        put_key_and_size(leaves, BATCH_LEAVES, size);
        put_bytes(leaves, LEAF_ACTIVITY, scratch);
        debug_assert_eq!(
            Leaf::decode(leaves.get(leaves.len() - size..).unwrap_or_default()).err(),
            None,
            "the author made a malformed leaf"
        );
        self.pushed(size);
    }

    /// Opens a commitment of the leaf with this index.
    pub fn open(&mut self, index: u64, field: u32, salt: &Salt, value: &[u8]) {
        let opening = varint_field_size(field.into())
            + bytes_field_size(salt.0.len())
            + bytes_field_size(value.len());
        let size = varint_field_size(index) + 1 + varint_size(opening as u64) + opening;
        let out = &mut self.openings;
        put_key_and_size(out, BATCH_OPENINGS, size);
        put_varint_field(out, key(1, VARINT), index);
        put_key_and_size(out, key(2, BYTES), opening);
        put_varint_field(out, key(1, VARINT), field.into());
        put_bytes(out, key(2, BYTES), &salt.0);
        if !value.is_empty() {
            put_bytes(out, key(3, BYTES), value);
        }
    }

    /// Appends the leaves to the edge and signs the new head. The builder is empty afterwards, or,
    /// if the head could not be signed, as before.
    pub fn close(
        &mut self,
        edge: &mut Edge,
        key: &SigningKey,
        origin: &AgentOrigin,
    ) -> Result<Closed, CheckpointError> {
        let Head { note, old_size, consistency } = sign_head(edge, key, origin, &self.hashes)?;
        let mut head = Vec::new();
        put_bytes(&mut head, BATCH_NOTE, &note);
        put_varint_field(&mut head, BATCH_OLD_SIZE, old_size);
        for hash in &consistency {
            put_bytes(&mut head, BATCH_CONSISTENCY, &hash.0);
        }
        self.hashes.clear();
        self.leaves_size = 0;
        let (leaves, openings) =
            (std::mem::take(&mut self.leaves), std::mem::take(&mut self.openings));
        Ok(Closed { head, leaves, openings })
    }

    /// Takes the memory of a batch that is not needed any more, for the next ones.
    pub fn recycle(&mut self, closed: Closed) {
        let Closed { head: _, leaves, openings } = closed;
        for (ours, mut theirs) in [(&mut self.leaves, leaves), (&mut self.openings, openings)] {
            if ours.is_empty() {
                theirs.clear();
                *ours = theirs;
            }
        }
    }

    fn pushed(&mut self, size: usize) {
        let from = self.leaves.len().saturating_sub(size);
        let leaf = self.leaves.get(from..).unwrap_or_default();
        self.hashes.push(leaf_hash(leaf));
        self.leaves_size += size;
    }
}

impl Activity<'_> {
    /// The leaf alone, for who wants to check it before it goes anywhere.
    pub fn to_leaf(&self) -> Vec<u8> {
        let (mut activity, mut leaf) = (Vec::new(), Vec::new());
        self.encode(&mut activity);
        put_bytes(&mut leaf, LEAF_ACTIVITY, &activity);
        leaf
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Self {
            rule,
            response,
            rule_target,
            hit_target,
            hits,
            window_start_s,
            window_s,
            first_s,
            last_s,
            detail_reduced,
            other_candidates,
            imported,
        } = self;
        put_bytes(out, key(1, BYTES), rule);
        put_bytes(out, key(2, BYTES), response);
        put_bytes(out, key(3, BYTES), &rule_target.0);
        if let Some(hit_target) = hit_target {
            put_bytes(out, key(4, BYTES), &hit_target.0);
        }
        put_varint_field(out, key(5, VARINT), *hits);
        put_varint_field(out, key(6, VARINT), window_start_s.cast_unsigned());
        put_varint_field(out, key(7, VARINT), u64::from(*window_s));
        put_varint_field(out, key(8, VARINT), first_s.cast_unsigned());
        put_varint_field(out, key(9, VARINT), last_s.cast_unsigned());
        put_varint_field(out, key(10, VARINT), u64::from(*detail_reduced));
        if !other_candidates.is_empty() {
            let size = other_candidates.iter().map(|number| varint_size(*number)).sum();
            put_key_and_size(out, key(11, BYTES), size);
            other_candidates.iter().for_each(|number| put_varint(out, *number));
        }
        if let Some(imported) = imported {
            put_bytes(out, key(12, BYTES), imported);
        }
    }
}

impl Closed {
    /// The encoded `Batch`, in pieces.
    pub fn pieces(&self) -> [&[u8]; 3] {
        [&self.head, &self.leaves, &self.openings]
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().concat()
    }
}

fn put_bytes(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    put_key_and_size(out, key, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_key_and_size(out: &mut Vec<u8>, key: u8, size: usize) {
    out.push(key);
    put_varint(out, size as u64);
}

fn put_varint_field(out: &mut Vec<u8>, key: u8, value: u64) {
    if value != 0 {
        out.push(key);
        put_varint(out, value);
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn varint_field_size(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_size(value) }
}

fn bytes_field_size(size: usize) -> usize {
    if size == 0 { 0 } else { 1 + varint_size(size as u64) + size }
}

fn varint_size(value: u64) -> usize {
    ((value | 1).ilog2() as usize) / 7 + 1
}

/// Field number and wire type in one byte: numbers up to 15.
const fn key(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

const VARINT: u8 = 0;
const BYTES: u8 = 2;
/// Fields of `Batch`, and field 4 of `Leaf`.
const BATCH_NOTE: u8 = key(1, BYTES);
const BATCH_OLD_SIZE: u8 = key(2, VARINT);
const BATCH_CONSISTENCY: u8 = key(3, BYTES);
const BATCH_LEAVES: u8 = key(4, BYTES);
const BATCH_OPENINGS: u8 = key(5, BYTES);
const LEAF_ACTIVITY: u8 = key(4, BYTES);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;
    use remit_proto::v1;
    use tlog::note::KeyName;

    use super::*;

    fn key() -> (AgentOrigin, SigningKey) {
        let origin = "example.net/agent/edge-1/1122334455667788";
        let key = SigningKey::new(KeyName::new(origin.to_owned()).unwrap(), [5; 32]);
        (origin.parse().unwrap(), key)
    }

    /// Numbers of every length, and the default.
    fn numbers() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift)
    }

    prop_compose! {
        fn messages()(
            rule in proptest::collection::vec(any::<u8>(), 0..300),
            imported in proptest::option::of(any::<[u8; 32]>()),
            hit_target in proptest::option::of(any::<[u8; 32]>()),
            rule_target in any::<[u8; 32]>(),
            reject in "[a-z0-9/]{0,32}",
            other_candidates in proptest::collection::vec(numbers(), 0..40),
            (hits, start, first, last) in (numbers(), numbers(), numbers(), numbers()),
            window_s in any::<u32>(),
            detail_reduced in any::<bool>(),
        ) -> v1::Activity {
            let claim = String::from_utf8_lossy(&rule).into_owned();
            let claims = vec![v1::Claim { claim: Some(v1::claim::Claim::RequestId(claim)) }];
            let response = v1::response::Response::Reject(reject);
            v1::Activity {
                rule: Some(v1::Rule { claims, ..Default::default() }),
                response: Some(v1::Response { response: Some(response) }),
                rule_target: rule_target.to_vec(),
                hit_target: hit_target.map_or(Vec::new(), |hash| hash.to_vec()),
                hits,
                window_start_s: start.cast_signed(),
                window_s,
                first_s: first.cast_signed(),
                last_s: last.cast_signed(),
                detail_reduced,
                other_candidates,
                imported: imported.map(|digest| v1::ImportProvenance {
                    file_digest: digest.to_vec(),
                    year_assumed: window_s,
                }),
            }
        }
    }

    #[test]
    fn a_pushed_activity_is_the_leaf_that_prost_makes() {
        let message = v1::Activity {
            rule: Some(v1::Rule {
                number: 7,
                source: v1::SourceKind::Nftables.into(),
                technique: v1::Technique::IpAclDrop.into(),
                trigger: v1::Trigger::Destination.into(),
                direction: v1::Direction::ToTarget.into(),
                actor: v1::Actor::Unknown.into(),
                claim_origin: v1::ClaimOrigin::None.into(),
                ..Default::default()
            }),
            response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
            rule_target: vec![1; 32],
            hits: 1,
            window_start_s: 1_800_000_000,
            first_s: 1_800_000_000,
            last_s: 1_800_000_000,
            ..Default::default()
        };
        let mut builder = Builder::default();
        let activity = Activity {
            rule: &message.rule.as_ref().unwrap().encode_to_vec(),
            response: &message.response.as_ref().unwrap().encode_to_vec(),
            rule_target: Hash([1; 32]),
            hit_target: None,
            hits: 1,
            window_start_s: 1_800_000_000,
            window_s: 0,
            first_s: 1_800_000_000,
            last_s: 1_800_000_000,
            detail_reduced: false,
            other_candidates: &[],
            imported: None,
        };
        builder.push_activity(&activity);
        let leaf = v1::Leaf { body: Some(v1::leaf::Body::Activity(message)) }.encode_to_vec();
        assert_eq!(activity.to_leaf(), leaf);
        assert_eq!(builder.leaves_size(), leaf.len());
        let (origin, key) = key();
        let closed = builder.close(&mut Edge::new(), &key, &origin).unwrap();
        let batch = crate::batch::close(&mut Edge::new(), &key, &origin, vec![leaf], vec![]);
        assert_eq!(closed.to_vec(), batch.unwrap().encode_to_vec());
    }

    proptest! {
        #[test]
        fn an_activity_is_what_prost_makes_of_it(message in messages()) {
            let (rule, response) = (
                message.rule.as_ref().unwrap().encode_to_vec(),
                message.response.as_ref().unwrap().encode_to_vec(),
            );
            let imported = message.imported.as_ref().map(|imported| imported.encode_to_vec());
            let activity = Activity {
                rule: &rule,
                response: &response,
                rule_target: Hash::from_slice(&message.rule_target).unwrap(),
                hit_target: Hash::from_slice(&message.hit_target),
                hits: message.hits,
                window_start_s: message.window_start_s,
                window_s: message.window_s,
                first_s: message.first_s,
                last_s: message.last_s,
                detail_reduced: message.detail_reduced,
                other_candidates: &message.other_candidates,
                imported: imported.as_deref(),
            };
            let mut bytes = Vec::new();
            activity.encode(&mut bytes);
            prop_assert_eq!(bytes, message.encode_to_vec());
        }

        #[test]
        fn a_batch_is_what_prost_makes_of_it(
            before in 0..40usize,
            leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..40),
            openings in proptest::collection::vec(
                (numbers(), any::<u32>(), any::<[u8; 16]>(), any::<Vec<u8>>()), 0..20,
            ),
        ) {
            let (origin, key) = key();
            let mut edge = Edge::new();
            edge.extend(vec![leaf_hash(b"before"); before]);
            let mut other = edge.clone();
            let mut builder = Builder::default();
            leaves.iter().for_each(|leaf| builder.push(leaf));
            let mut messages = Vec::new();
            for (index, field, salt, value) in openings {
                builder.open(index, field, &Salt(salt), &value);
                let opening = v1::Opening { field, salt: salt.to_vec(), value };
                messages.push(v1::LeafOpening { index, opening: Some(opening) });
            }
            prop_assert_eq!(builder.count(), leaves.len());
            prop_assert_eq!(builder.leaves_size(), leaves.iter().map(Vec::len).sum::<usize>());
            let batch = crate::batch::close(&mut edge, &key, &origin, leaves, messages).unwrap();
            let closed = builder.close(&mut other, &key, &origin).unwrap();
            prop_assert_eq!(&edge, &other);
            prop_assert_eq!(closed.to_vec(), batch.encode_to_vec());
            // What is used again begins as if it were new.
            builder.recycle(closed);
            let fresh = Builder::default().close(&mut edge, &key, &origin).unwrap();
            let again = builder.close(&mut other, &key, &origin).unwrap();
            prop_assert_eq!(again.to_vec(), fresh.to_vec());
        }
    }
}
