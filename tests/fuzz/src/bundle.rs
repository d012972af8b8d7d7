//! What an assessor is handed: an archive that may be hostile.

use std::sync::LazyLock;

use ::tlog::note::{KeyName, SigningKey, VerifierKey};
use verify::{Options, Trust, read_tar, verify};

/// Above it, memory and not the parser is under test.
const SIZE_MAX: u64 = 1 << 20;

/// The keys of `corpus/bundle`: those of the operator in the tests of `verify`.
static TRUST: LazyLock<Trust> = LazyLock::new(|| Trust {
    log: key("example.net/log/1", 1),
    register: key("example.net/register", 2),
    witnesses: None,
    old_checkpoints: Vec::new(),
    anchors: Vec::new(),
});

fn key(name: &str, secret: u8) -> VerifierKey {
    SigningKey::new(KeyName::new(name).expect("a name"), [secret; 32]).verifier()
}

/// The archive and everything in it, as `remit verify` reads it.
pub fn bundle(data: &[u8]) {
    let Ok(files) = read_tar(data, SIZE_MAX) else { return };
    let report = verify(&files, &TRUST, &Options { quorum_none: true });
    assert!(!report.to_string().is_empty());
}
