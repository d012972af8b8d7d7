//! A batch: leaves, the signed head of the tree after them, and the openings that travel beside.
//!
//! The collector takes a batch by the rule of C2SP `tlog-witness` `add-checkpoint`: from the size
//! it last accepted, with a proof, in one step. What to do about the size is the collector's; here
//! is what can be decided from the bytes and the edge alone.

mod received;

pub use received::{Received, ReceivedOpening};

use remit_proto::v1;
use tlog::{
    Edge, Hash,
    checkpoint::{Checkpoint, CheckpointError},
    leaf_hash,
    note::{Note, SigningKey, VerifierKey},
};

use crate::{
    ENTRY_SIZE_MAX, NOTE_SIZE_MAX,
    canonical::Malformed,
    commitment,
    id::AgentOrigin,
    leaf::{self, Checked, Leaf},
};

/// At most this many leaves, and this many bytes of leaves, in one batch (DESIGN.md section 3).
pub const LEAVES_MAX: usize = 1024;
pub const LEAVES_SIZE_MAX: usize = 512 * 1024;

/// What closing a batch adds to its leaves.
pub(crate) struct Head {
    pub(crate) note: Vec<u8>,
    pub(crate) old_size: u64,
    pub(crate) consistency: Vec<Hash>,
}

/// Appends leaves to the edge and signs the new head. If it cannot be signed the edge is as before.
pub(crate) fn sign_head(
    edge: &mut Edge,
    key: &SigningKey,
    origin: &AgentOrigin,
    leaves: &[Hash],
) -> Result<Head, CheckpointError> {
    let old_size = edge.size();
    let mut next = edge.clone();
    let consistency = next.append_and_prove(leaves);
    let head = Checkpoint::new(origin.to_string(), next.size(), next.root());
    let note = head.sign(key)?.encode();
    *edge = next;
    Ok(Head { note, old_size, consistency })
}

/// Closes a batch of leaves and openings that exist already. Who makes them as they come takes a
/// [`Builder`](crate::builder::Builder).
pub fn close(
    edge: &mut Edge,
    key: &SigningKey,
    origin: &AgentOrigin,
    leaves: Vec<Vec<u8>>,
    openings: Vec<v1::LeafOpening>,
) -> Result<v1::Batch, CheckpointError> {
    let hashes: Vec<Hash> = leaves.iter().map(|bytes| leaf_hash(bytes)).collect();
    let Head { note, old_size, consistency } = sign_head(edge, key, origin, &hashes)?;
    let consistency = consistency.iter().map(|hash| hash.0.to_vec()).collect();
    Ok(v1::Batch { note, old_size, consistency, leaves, openings })
}

/// An agent's tree as accepted so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    pub origin: AgentOrigin,
    pub edge: Edge,
    /// The `Genesis` is of a newer format: the leaves are kept and proven, and not decoded.
    pub not_understood: bool,
}

impl Tree {
    pub fn new(origin: AgentOrigin) -> Self {
        Self { origin, edge: Edge::new(), not_understood: false }
    }
}

/// A batch that belongs to the tree that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedBatch {
    pub head: Checkpoint,
    /// The tree after the batch.
    pub tree: Tree,
    /// Those of its leaves that are neither `Activity` nor `RuleChange`, in their order. Empty where the
    /// tree is not understood.
    pub other_leaves: Vec<Leaf>,
}

/// Which rule a batch breaks: the field of `Batch`, what is wrong with it, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("batch: not a Batch in canonical form; encode it as ingest.proto says")]
    Malformed(#[source] Malformed),
    #[error(
        "note: not a checkpoint of this tree signed by the node's key; if the node has another key, enrol it \
         again"
    )]
    Signature(#[source] CheckpointError),
    #[error("note: holds more than a head; leave out extension lines and signatures of others")]
    MoreThanAHead,
    #[error(
        "old_size: the batch begins at {offered} and the tree ends at {size}; go on from there"
    )]
    WrongSize { offered: u64, size: u64 },
    #[error(
        "note: the signed head continues another tree than the accepted one, so this node's key signed two \
         histories; find the copy of its spool or key, and begin a new generation"
    )]
    Fork,
    #[error("leaves: they do not make up the signed head; send all that it was signed over")]
    RootMismatch,
    #[error(
        "consistency: the proof does not lead to the signed head; prove it from the size where the tree ends"
    )]
    UnprovenHead,
    #[error("leaves: leaf {index} is malformed; agent and collector must be of one version")]
    MalformedLeaf {
        index: u64,
        #[source]
        source: Malformed,
    },
    #[error(
        "leaves: leaf {index}: a Genesis naming this origin stands at index 0 and nowhere else"
    )]
    MisplacedGenesis { index: u64 },
    #[error("leaves: the last one of a batch is a Seal; end it with one")]
    NoSeal,
    #[error(
        "leaves: leaf {index} is a Seal, and leaves of the same batch follow it; begin another batch after it"
    )]
    MisplacedSeal { index: u64 },
    #[error(
        "leaves: they change the node's key more than once; end the batch after the first KeyChange"
    )]
    SecondKeyChange,
    #[error(
        "openings: that of leaf {index}, field {field}, opens nothing that the leaf commits to; send the one \
         that was made with it, or none"
    )]
    WrongOpening { index: u64, field: u32 },
    #[error("{what} exceeds the limit of a batch; send several")]
    TooLarge { what: &'static str },
}

/// Reads a batch, and checks it against the tree as accepted so far.
pub fn check_bytes(
    bytes: &[u8],
    tree: &Tree,
    key: &VerifierKey,
) -> Result<CheckedBatch, BatchError> {
    check(&Received::read(bytes).map_err(BatchError::Malformed)?, tree, key)
}

/// Checks a batch against the tree as accepted so far.
pub fn check(
    batch: &Received<'_>,
    tree: &Tree,
    key: &VerifierKey,
) -> Result<CheckedBatch, BatchError> {
    let Received { note, old_size, consistency, leaves, openings, .. } = batch;
    if leaves.len() > LEAVES_MAX {
        return Err(BatchError::TooLarge { what: "leaves: their number" });
    }
    if leaves.iter().map(|bytes| bytes.len()).sum::<usize>() > LEAVES_SIZE_MAX {
        return Err(BatchError::TooLarge { what: "leaves: their size" });
    }
    // Said once for all leaves: those of a tree that is not understood are not decoded.
    for (index, bytes) in (*old_size..).zip(leaves) {
        if bytes.len() > ENTRY_SIZE_MAX {
            let source = Malformed::TooLarge { size: bytes.len(), size_max: ENTRY_SIZE_MAX };
            return Err(BatchError::MalformedLeaf { index, source });
        }
    }
    let head = open_head(note, &tree.origin, key)?;
    if *old_size != tree.edge.size() {
        return Err(BatchError::WrongSize { offered: *old_size, size: tree.edge.size() });
    }
    let edge = recombine(&tree.edge, &head, consistency, leaves)?;
    let not_understood = tree.not_understood
        || (*old_size == 0
            && matches!(
                leaves.first().map(|bytes| Leaf::decode(bytes)),
                Some(Ok(Leaf::NotUnderstood { .. }))
            ));
    if leaves.is_empty() {
        return Err(BatchError::NoSeal);
    }
    let mut other_leaves = Vec::new();
    if !not_understood {
        let checked = check_leaves(*old_size, &tree.origin, leaves)?;
        check_openings(*old_size, &checked, openings)?;
        other_leaves.extend(checked.into_iter().filter_map(Checked::into_other));
        changed_key(&other_leaves).map_err(|_| BatchError::SecondKeyChange)?;
    }
    let tree = Tree { origin: tree.origin.clone(), edge, not_understood };
    Ok(CheckedBatch { head, tree, other_leaves })
}

/// A batch may change the node's key once, or nobody could say which of two signs the next head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch changes the node's key more than once")]
pub struct SecondKeyChange;

/// The key that signs from the next head on, if the leaves of this batch change it. For the collector,
/// which has batches, and for verifiers, who see by the seals where one ended.
pub fn changed_key(leaves: &[Leaf]) -> Result<Option<[u8; 32]>, SecondKeyChange> {
    let mut changed = leaves.iter().filter_map(|leaf| match leaf.body() {
        Some(v1::leaf::Body::KeyChange(change)) => {
            // The value check has looked at its length.
            change.new_public_key.as_slice().try_into().ok()
        }
        _ => None,
    });
    let key = changed.next();
    if changed.next().is_some() { Err(SecondKeyChange) } else { Ok(key) }
}

/// Opens a head: signature first, then origin.
///
/// The note goes into a log that anyone may mirror and that must not name a target, so it may hold
/// the head, the node's signature and nothing else.
pub fn open_head(
    note: &[u8],
    origin: &AgentOrigin,
    key: &VerifierKey,
) -> Result<Checkpoint, BatchError> {
    // A key's name is the origin that it signs for, and `open` insists on that name.
    debug_assert_eq!(key.name().as_str(), origin.to_string());
    if note.len() > NOTE_SIZE_MAX {
        return Err(BatchError::TooLarge { what: "note: its size" });
    }
    let note = Note::parse(note).map_err(|error| BatchError::Signature(error.into()))?;
    let head = Checkpoint::from_note(&note, key, key.name().as_str());
    let head = head.map_err(BatchError::Signature)?;
    if !head.extensions.is_empty() || note.signatures.len() != 1 {
        return Err(BatchError::MoreThanAHead);
    }
    Ok(head)
}

fn recombine(
    edge: &Edge,
    head: &Checkpoint,
    consistency: &[&[u8]],
    leaves: &[&[u8]],
) -> Result<Edge, BatchError> {
    let mut next = edge.clone();
    leaves.iter().for_each(|bytes| next.append(leaf_hash(bytes)));
    if next.size() == head.size && next.root() == head.root {
        return Ok(next);
    }
    Err(whose_fault(edge, head, consistency))
}

/// Why a signed head is not what our tree and the leaves make up. The signature is good, so a head
/// that shows another history is evidence; but only a head of our own size, or a proof that does lead
/// to it, shows one. A proof that leads nowhere shows nothing: C2SP `tlog-witness` answers it with
/// 422, and not with 409.
fn whose_fault(edge: &Edge, head: &Checkpoint, consistency: &[&[u8]]) -> BatchError {
    let old_size = edge.size();
    if old_size == 0 {
        // Every tree continues the empty one.
        return BatchError::RootMismatch;
    }
    if head.size == old_size {
        // Our own head, with leaves that it does not count; or another one of the same size.
        let ours = head.root == edge.root();
        return if ours { BatchError::RootMismatch } else { BatchError::Fork };
    }
    let proof: Option<Vec<Hash>> = consistency.iter().map(|h| Hash::from_slice(h)).collect();
    let root = edge.root();
    let yields = proof.and_then(|p| tlog::consistency_roots(old_size, head.size, &p, &root).ok());
    match yields {
        Some((old, new)) if new == head.root && old == root => BatchError::RootMismatch,
        Some((_, new)) if new == head.root => BatchError::Fork,
        _ => BatchError::UnprovenHead,
    }
}

fn check_leaves<'a>(
    old_size: u64,
    origin: &AgentOrigin,
    leaves: &[&'a [u8]],
) -> Result<Vec<Checked<'a>>, BatchError> {
    let mut checked = Vec::with_capacity(leaves.len());
    for (index, bytes) in (old_size..).zip(leaves) {
        let leaf =
            Checked::read(bytes).map_err(|source| BatchError::MalformedLeaf { index, source })?;
        let opens = leaf.body().is_some_and(|body| leaf::opens(body, origin));
        // `NotUnderstood` is a Genesis of a newer format, and belongs to the start just as well.
        let genesis = matches!(
            leaf.other(),
            Some(Leaf::Known(v1::leaf::Body::Genesis(_)) | Leaf::NotUnderstood { format: _ })
        );
        if genesis != (index == 0) || genesis != opens {
            return Err(BatchError::MisplacedGenesis { index });
        }
        // Whoever has the leaves alone tells by the seals where a batch ended.
        if checked.last().is_some_and(is_seal) {
            return Err(BatchError::MisplacedSeal { index: index.saturating_sub(1) });
        }
        checked.push(leaf);
    }
    if checked.last().is_some_and(is_seal) { Ok(checked) } else { Err(BatchError::NoSeal) }
}

fn is_seal(leaf: &Checked<'_>) -> bool {
    matches!(leaf.body(), Some(v1::leaf::Body::Seal(_)))
}

/// Refuses an opening that opens nothing. An absent opening is legal; the collector records it.
fn check_openings(
    old_size: u64,
    leaves: &[Checked<'_>],
    openings: &[ReceivedOpening<'_>],
) -> Result<(), BatchError> {
    for ReceivedOpening { index, field, salt, value } in openings {
        let wrong = || BatchError::WrongOpening { index: *index, field: *field };
        let hash = commitment::opened_parts(*field, salt, value).map_err(|_| wrong())?;
        let leaf = index
            .checked_sub(old_size)
            .and_then(|at| leaves.get(usize::try_from(at).ok()?))
            .ok_or_else(wrong)?;
        if !leaf.commits_to(*field, &hash) {
            return Err(wrong());
        }
    }
    Ok(())
}
