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

/// Each rule of a batch has its own code. `fork`: whatever else is wrong, its head contradicts what
/// was accepted. `size` is where the collector stands.
pub fn batch_refusal(error: &BatchError, fork: bool, size: u64) -> Refusal {
    let error = if fork { &BatchError::Fork } else { error };
    let code = match error {
        BatchError::Malformed(_) => RefusalCode::MalformedBatch,
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

#[cfg(test)]
mod tests {
    use evidence::Malformed;
    use tlog::checkpoint::CheckpointError;

    use super::*;

    fn check(error: BatchError, code: RefusalCode, begins: &str, remedy: &str) {
        let refusal = batch_refusal(&error, false, 7);
        assert_eq!((refusal.code, refusal.size), (code, 7));
        let Refusal { detail, .. } = refusal;
        assert!(detail.starts_with(begins) && detail.contains(remedy), "{detail}");
    }

    #[test]
    fn each_rule_of_a_batch_names_its_field_and_the_remedy() {
        let malformed = || Malformed::Missing { field: "rule" };
        check(
            BatchError::Malformed(malformed()),
            RefusalCode::MalformedBatch,
            "batch: ",
            "ingest.proto",
        );
        let forged = BatchError::Signature(CheckpointError::Root);
        check(forged, RefusalCode::BadSignature, "note: ", "enrol it again");
        check(BatchError::MoreThanAHead, RefusalCode::BadSignature, "note: ", "leave out");
        let gap = BatchError::WrongSize { offered: 9, size: 7 };
        check(gap, RefusalCode::WrongSize, "old_size: ", "ends at 7; go on from there");
        check(BatchError::Fork, RefusalCode::Fork, "note: ", "begin a new generation");
        check(BatchError::RootMismatch, RefusalCode::RootMismatch, "leaves: ", "send all");
        check(BatchError::UnprovenHead, RefusalCode::BadProof, "consistency: ", "prove it from");
        let leaf = BatchError::MalformedLeaf { index: 8, source: malformed() };
        check(leaf, RefusalCode::MalformedLeaf, "leaves: leaf 8 ", "one version: rule is missing");
        let genesis = BatchError::MisplacedGenesis { index: 8 };
        check(genesis, RefusalCode::MalformedLeaf, "leaves: leaf 8: ", "at index 0");
        check(BatchError::NoSeal, RefusalCode::MalformedLeaf, "leaves: ", "end it with one");
        let seal = BatchError::MisplacedSeal { index: 8 };
        check(seal, RefusalCode::MalformedLeaf, "leaves: leaf 8 ", "begin another batch");
        check(BatchError::SecondKeyChange, RefusalCode::MalformedLeaf, "leaves: ", "end the batch");
        let opening = BatchError::WrongOpening { index: 8, field: 3 };
        check(opening, RefusalCode::WrongOpening, "openings: that of leaf 8, field 3", "or none");
        let large = BatchError::TooLarge { what: "leaves: their number" };
        check(large, RefusalCode::TooLarge, "leaves: ", "send several");
    }

    #[test]
    fn a_head_that_contradicts_is_a_fork_whatever_else_it_is() {
        let size = BatchError::WrongSize { offered: 9, size: 7 };
        let refusal = batch_refusal(&size, true, 7);
        assert_eq!(refusal.code, RefusalCode::Fork);
        assert!(refusal.detail.contains("two histories"), "{}", refusal.detail);
    }
}
