//! Keys and identity of the node, as files below its directory.
//!
//! Only `remit-agent enrol` makes them; a missing file is an error and never a reason to make a new
//! key. What is there:
//!
//! | File | Content |
//! |---|---|
//! | `node.key` | a header line, then 64 hex digits: the Ed25519 secret that signs the tree's heads |
//! | `tls.key`, `tls.crt` | PEM: the key made here (ECDSA P-256) and the chain that the collector issued |
//! | `ca.pem` | PEM: whom the uplink trusts |
//! | `identity.toml` | operator, node, log_vkey, register_vkey |

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use evidence::{AgentOrigin, Generation, NodeId, Operator};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tlog::note::{InvalidKey, KeyName, SigningKey, VerifierKey};
use zeroize::Zeroizing;

/// The node's own Ed25519 secret.
#[derive(Clone)]
pub struct NodeKey(Zeroizing<[u8; 32]>);

impl NodeKey {
    pub fn from_secret(secret: [u8; 32]) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// Makes a new key and writes it, readable by its owner alone. Never replaces a file.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(|_| KeyError::Random)?;
        let mut text = Zeroizing::new(String::from(NODE_KEY_HEADER));
        secret.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
        text.push('\n');
        write_new(path, text.as_bytes(), 0o600).map_err(|source| io_error(path, source))?;
        Ok(Self(secret))
    }

    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = Zeroizing::new(read(path)?);
        let malformed = || KeyError::Malformed { path: path.to_owned() };
        let hex = text.strip_prefix(NODE_KEY_HEADER).ok_or_else(malformed)?.trim_end();
        let mut secret = Zeroizing::new([0; 32]);
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        for (byte, digits) in secret.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| malformed())?;
        }
        Ok(Self(secret))
    }

    /// The key as the signer of one tree. A note key's name is the origin that it signs for.
    pub fn signer(&self, origin: &AgentOrigin) -> Result<SigningKey, InvalidKey> {
        Ok(SigningKey::new(KeyName::new(origin.to_string())?, *self.0))
    }

    /// The key without a tree, to prove its possession when enrolling.
    pub fn enrolling(&self) -> Result<SigningKey, InvalidKey> {
        Ok(SigningKey::new(KeyName::new("remit-enrol")?, *self.0))
    }

    /// A secret of its own for another use, so that no two uses share one.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        // HMAC takes keys of any length, so this cannot fail.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Who this node is, and which log it hands in to: what enrolment brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub operator: Operator,
    pub node: NodeId,
    /// Pinned: receipts are checked against it.
    pub log_key: VerifierKey,
    pub register_key: Option<VerifierKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    operator: String,
    node: String,
    log_vkey: String,
    #[serde(default)]
    register_vkey: String,
}

impl Identity {
    pub fn load(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join(IDENTITY);
        let malformed = || KeyError::Malformed { path: path.clone() };
        let file: IdentityFile = toml::from_str(&read(&path)?).map_err(|_| malformed())?;
        let IdentityFile { operator, node, log_vkey, register_vkey } = file;
        Self::parse(&operator, &node, &log_vkey, &register_vkey).ok_or_else(malformed)
    }

    pub fn parse(operator: &str, node: &str, log: &str, register: &str) -> Option<Self> {
        Some(Self {
            operator: operator.parse().ok()?,
            node: node.parse().ok()?,
            log_key: log.parse().ok()?,
            register_key: if register.is_empty() { None } else { Some(register.parse().ok()?) },
        })
    }

    pub fn store(&self, dir: &Path) -> Result<(), KeyError> {
        let path = dir.join(IDENTITY);
        let file = IdentityFile {
            operator: self.operator.to_string(),
            node: self.node.to_string(),
            log_vkey: self.log_key.to_string(),
            register_vkey: self.register_key.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let text =
            toml::to_string(&file).map_err(|_| KeyError::Malformed { path: path.clone() })?;
        write_new(&path, text.as_bytes(), 0o644).map_err(|source| io_error(&path, source))
    }

    pub fn origin(&self, generation: Generation) -> AgentOrigin {
        AgentOrigin { operator: self.operator.clone(), node: self.node.clone(), generation }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{} is missing: run `remit-agent enrol` first", path.display())]
    Missing { path: PathBuf },
    #[error("{} is not in the form that `remit-agent enrol` writes", path.display())]
    Malformed { path: PathBuf },
    #[error("{} exists already; a key is never replaced", path.display())]
    Exists { path: PathBuf },
    #[error("the system gave no random bytes")]
    Random,
    #[error("using {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

pub const NODE_KEY: &str = "node.key";
pub const TLS_KEY: &str = "tls.key";
pub const TLS_CERTIFICATE: &str = "tls.crt";
pub const CA: &str = "ca.pem";
pub const IDENTITY: &str = "identity.toml";

const NODE_KEY_HEADER: &str = "remit node key v1, Ed25519 secret in hex\n";

pub(crate) fn read(path: &Path) -> Result<String, KeyError> {
    fs::read_to_string(path).map_err(|source| io_error(path, source))
}

/// Writes a file that must not exist yet, and syncs it and its directory.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent() {
        Some(dir) => fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn io_error(path: &Path, source: io::Error) -> KeyError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing { path },
        io::ErrorKind::AlreadyExists => KeyError::Exists { path },
        _ => KeyError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NODE_KEY);
        let made = NodeKey::create(&path).unwrap();
        assert_eq!(*NodeKey::load(&path).unwrap().0, *made.0);
        assert!(matches!(NodeKey::create(&path), Err(KeyError::Exists { .. })));
    }

    #[test]
    fn a_missing_or_malformed_key_is_said_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NODE_KEY);
        assert!(matches!(NodeKey::load(&path), Err(KeyError::Missing { .. })));
        for text in ["", "zz", "remit node key v1, Ed25519 secret in hex\n+0"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(NodeKey::load(&path), Err(KeyError::Malformed { .. })), "{text}");
        }
    }
}
