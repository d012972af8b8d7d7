//! Targets and native texts are not in a leaf; a commitment is (DESIGN.md section 3).
//!
//! `SHA-256("remit/commit/v1\n" ‖ field u32 big-endian ‖ salt[16] ‖ canonical bytes)`. The field is
//! the number of the committed field in its message; 0 is an item of a set (`chunk`).

use remit_proto::v1;
use sha2::{Digest, Sha256};
use tlog::Hash;

use crate::canonical::{Malformed, require};

const DOMAIN: &[u8] = b"remit/commit/v1\n";

/// 16 random bytes. Without them a committed address could be found by trying all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

pub fn commit(field: u32, salt: &Salt, value: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(field.to_be_bytes());
    hash.update(salt.0);
    hash.update(value);
    Hash(hash.finalize().into())
}

/// What an opening opens to, or why it is none.
pub fn opened(opening: &v1::Opening) -> Result<(u32, Hash), Malformed> {
    let v1::Opening { field, salt, value } = opening;
    Ok((*field, opened_parts(*field, salt, value)?))
}

/// As [`opened`], from the parts of an opening.
pub fn opened_parts(field: u32, salt: &[u8], value: &[u8]) -> Result<Hash, Malformed> {
    let salt: [u8; 16] = salt
        .try_into()
        .map_err(|_| Malformed::Range { field: "opening.salt", rule: "16 bytes" })?;
    require(field != 0, "opening.field", "the number of a committed field")?;
    Ok(commit(field, &Salt(salt), value))
}

/// A commitment together with its opening, for the author of the leaf.
pub fn make(field: u32, salt: Salt, value: Vec<u8>) -> (Vec<u8>, v1::Opening) {
    let hash = commit(field, &salt, &value);
    (hash.0.to_vec(), v1::Opening { field, salt: salt.0.to_vec(), value })
}
