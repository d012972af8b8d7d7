//! What nodes and people sign: leaves, entries, statements, batches, chunks, frames on disk, claims.

use std::sync::LazyLock;

use ::evidence::{
    AgentOrigin, Claim, Leaf,
    batch::{self, Tree},
    canonical, chunk, claim as claims, commitment,
    frame::{self as frames, Next},
    leaf as leaves,
    log_entry::{self, LogEntry},
    statement as statements,
};
use ::tlog::{
    Edge,
    note::{KeyName, SigningKey, VerifierKey},
};
use remit_proto::v1;

/// The origin and key of `corpus/batch`: the same as those of the tests of `verify`.
const ORIGIN: &str = "example.net/agent/edge-1/00000000000000aa";

static KEY: LazyLock<VerifierKey> =
    LazyLock::new(|| SigningKey::new(KeyName::new(ORIGIN).expect("a name"), [3; 32]).verifier());

/// A leaf that is taken is printed again as the same bytes, and its parts can be asked for.
pub fn leaf(data: &[u8]) {
    if let Ok(Leaf::Known(body)) = Leaf::decode(data) {
        assert_eq!(canonical::encode(&v1::Leaf { body: Some(body.clone()) }), data);
        assert!(leaves::commitments(&body).all(|(field, hash)| field > 0 && !hash.is_empty()));
    }
}

pub fn log_entry(data: &[u8]) {
    if let Ok(LogEntry::Known { logged_at_s, entry }) = LogEntry::decode(data) {
        let wire = v1::LogEntry { format: 1, logged_at_s, entry: Some(entry) };
        assert_eq!(canonical::encode(&wire), data);
    }
    let _ = log_entry::decode_facts(data);
}

pub fn statement(data: &[u8]) {
    let _ = statements::decode_signed(data);
    if let Ok(statement) = statements::decode(data) {
        assert_eq!(canonical::encode(&statement), data);
    }
}

/// A batch as it comes over the wire, against an empty tree and against its own parts.
pub fn batch(data: &[u8]) {
    let Ok(received) = batch::Received::read(data) else { return };
    assert!(received.evidence_size() <= data.len());
    let Ok(origin) = ORIGIN.parse::<AgentOrigin>() else { return };
    let tree = Tree { origin, edge: Edge::new(), not_understood: false };
    if let Ok(checked) = batch::check(&received, &tree, &KEY) {
        assert_eq!(checked.head.size, received.leaves.len() as u64);
    }
    for leaf in &received.leaves {
        self::leaf(leaf);
    }
    for opening in &received.openings {
        let _ = commitment::opened_parts(opening.field, opening.salt, opening.value);
    }
}

pub fn chunk(data: &[u8]) {
    let Ok(chunk) = chunk::decode_chunk(data) else { return };
    assert_eq!(canonical::encode(&chunk), data);
    let set = v1::ItemSet {
        count: chunk.items.len() as u64,
        root: vec![0; 32],
        chunks: vec![chunk::chunk_id(data).0.to_vec()],
    };
    assert!(chunk::open_set(&set, &[data]).is_err(), "nobody finds what hashes to zero");
}

/// A file of frames: each frame moves on, and behind the last there is nothing to read.
pub fn frame(data: &[u8]) {
    let mut at = 0;
    loop {
        match frames::next(data, at) {
            Next::Frame { payload, end } => {
                assert!(end > at && end <= data.len());
                frames::records(payload).for_each(drop);
                at = end;
            }
            Next::End => {
                assert_eq!(at, data.len());
                return;
            }
            Next::Torn | Next::Damaged => return,
        }
    }
}

/// `remit=`, wherever somebody has written it.
pub fn claim(data: &[u8]) {
    let carried = claims::carried(data);
    assert!(carried.claims.len() <= claims::CLAIMS_MAX);
    for claim in &carried.claims {
        assert_eq!(claim.to_string().parse::<Claim>().as_ref(), Ok(claim));
        let again = claims::carried(format!("remit={claim};").as_bytes());
        assert_eq!(again.claims.as_slice(), std::slice::from_ref(claim));
    }
}
