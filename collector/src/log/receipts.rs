//! What goes back to an agent: proof that its head is in the log, or why a batch was refused.

use evidence::{AgentOrigin, batch::BatchError};
use remit_proto::v1::RefusalCode;
use tlog::{consistency_proof, inclusion_proof};

use super::{command::Refusal, state::State};

/// The head of this size is in the log under this checkpoint.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub size: u64,
    pub log_index: u64,
    pub inclusion: Vec<Vec<u8>>,
    pub entry: Vec<u8>,
    pub checkpoint: Vec<u8>,
    pub checkpoint_size: u64,
    /// From the checkpoint that the agent holds.
    pub consistency: Vec<Vec<u8>>,
}

/// The receipt for the newest logged head of an agent, against the newest published checkpoint.
pub fn receipt(state: &State, origin: &AgentOrigin, from_checkpoint: u64) -> Option<Receipt> {
    let published = state.published.as_ref()?;
    let logged = state.agents.get(origin)?.logged.as_ref()?;
    let tree = &state.log.tree;
    let bytes = |hashes: Vec<tlog::Hash>| hashes.iter().map(|h| h.0.to_vec()).collect();
    let inclusion = inclusion_proof(tree, logged.log_index, published.size).ok()?;
    // An agent that claims a checkpoint larger than ours gets no proof; it will say so.
    let consistency = if (1..=published.size).contains(&from_checkpoint) {
        consistency_proof(tree, from_checkpoint, published.size).ok()?
    } else {
        Vec::new()
    };
    Some(Receipt {
        size: logged.size,
        log_index: logged.log_index,
        inclusion: bytes(inclusion),
        entry: logged.entry.clone(),
        checkpoint: published.note.clone(),
        checkpoint_size: published.size,
        consistency: bytes(consistency),
    })
}

/// Each rule of a batch has its own code. `size` is where the collector stands.
pub fn batch_refusal(error: &BatchError, fork: bool, size: u64) -> Refusal {
    let code = match error {
        BatchError::Malformed(_) => RefusalCode::MalformedBatch,
        BatchError::WrongSize { .. } | BatchError::UnprovenHead if fork => RefusalCode::Fork,
        BatchError::Signature(_) | BatchError::MoreThanAHead => RefusalCode::BadSignature,
        BatchError::WrongSize { .. } => RefusalCode::WrongSize,
        BatchError::Fork => RefusalCode::Fork,
        BatchError::RootMismatch => RefusalCode::RootMismatch,
        BatchError::UnprovenHead => RefusalCode::BadProof,
        BatchError::MalformedLeaf { .. }
        | BatchError::MisplacedGenesis { .. }
        | BatchError::MisplacedSeal { .. }
        | BatchError::SecondKeyChange
        | BatchError::NoSeal => RefusalCode::MalformedLeaf,
        BatchError::WrongOpening { .. } => RefusalCode::WrongOpening,
        BatchError::TooLarge { .. } => RefusalCode::TooLarge,
    };
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        detail.push_str(": ");
        detail.push_str(&cause.to_string());
        source = cause.source();
    }
    Refusal::coded(code, size, detail)
}
