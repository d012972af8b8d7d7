//! What the assessor brings. Nothing of it may come out of the bundle: whoever made the bundle
//! could otherwise choose the keys that it is checked with.

use tlog::{cosignature, note::VerifierKey};

#[derive(Debug, Clone)]
pub struct Trust {
    /// The log's vkey; its name is the log's origin, `<operator>/log/<shard>`.
    pub log: VerifierKey,
    /// The register's vkey; its name is the register's origin, `<operator>/register`.
    pub register: VerifierKey,
    pub witnesses: Option<WitnessPolicy>,
    /// Signed notes that the assessor saved earlier, each with the name it is reported by.
    pub old_checkpoints: Vec<(String, Vec<u8>)>,
    /// Certificates, in DER, under which signatures of authorities are checked. None: they are not.
    pub anchors: Vec<Vec<u8>>,
}

/// At least `quorum` of these witnesses must have cosigned the log's checkpoint.
#[derive(Debug, Clone)]
pub struct WitnessPolicy {
    pub keys: Vec<cosignature::VerifierKey>,
    pub quorum: usize,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--quorum none`: the absence of witnesses does not make the result incomplete.
    pub quorum_none: bool,
}
