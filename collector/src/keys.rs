//! Keys that `init` makes and `serve` reads: the log's, the register's, the CA's and the server's.
//!
//! Files in `keys/`, readable by the owner alone: `log` and `register` hold 64 hex digits of an
//! Ed25519 secret; `ca.pem`, `ca-key.pem`, `server.pem`, `server-key.pem` are PEM. Keys are made by
//! `init` and never because a file was missing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use evidence::Operator;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use tlog::note::{KeyName, SigningKey};
use zeroize::Zeroizing;

use crate::files;

/// Shard name of the first log.
pub const FIRST_SHARD: &str = "1";
const CA_DAYS: i64 = 3650;
const SERVER_DAYS: i64 = 825;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path} exists already; keys are never overwritten: choose an empty dir")]
    Exists { path: PathBuf },
    #[error("{path} cannot be read or written; was remit-collector init run for this dir?")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path}: want 64 hex digits")]
    NotAKey { path: PathBuf },
    #[error("no random number could be had")]
    Random,
    #[error("the certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

pub struct Keys {
    pub log: SigningKey,
    pub register: SigningKey,
    /// The secret of the register under the name of the case log: whoever may sign the one may sign the
    /// other, and its verifier key follows from the register's (docs/adr/0029).
    pub cases: SigningKey,
    pub ca_certificate: String,
    pub ca_key: Zeroizing<String>,
    pub server_certificate: String,
    pub server_key: Zeroizing<String>,
}

/// Makes all keys in an empty folder. `names` are the DNS names and addresses of the server.
pub fn create(
    dir: &Path,
    operator: &Operator,
    names: &[String],
    now_s: i64,
) -> Result<(), KeyError> {
    let dir = dir.join("keys");
    if dir.exists() {
        return Err(KeyError::Exists { path: dir });
    }
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        files::replace_secret(&path, bytes).map_err(|source| KeyError::Io { path, source })
    };
    for name in ["log", "register"] {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).map_err(|_| KeyError::Random)?;
        let hex: Zeroizing<String> =
            Zeroizing::new(secret.iter().map(|byte| format!("{byte:02x}")).collect());
        write(name, hex.as_bytes())?;
    }
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name = DistinguishedName::new();
    ca.distinguished_name.push(DnType::CommonName, format!("Remit CA of {operator}"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca.not_before, ca.not_after) = validity(now_s, CA_DAYS);
    let ca_certificate = ca.self_signed(&ca_key)?;
    let server_key = KeyPair::generate()?;
    let mut server = CertificateParams::new(names.to_vec())?;
    server.distinguished_name = DistinguishedName::new();
    server.distinguished_name.push(DnType::CommonName, format!("Remit collector of {operator}"));
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (server.not_before, server.not_after) = validity(now_s, SERVER_DAYS);
    let issuer = Issuer::new(ca, &ca_key);
    let server_certificate = server.signed_by(&server_key, &issuer)?;
    write("ca-key.pem", ca_key.serialize_pem().as_bytes())?;
    write("ca.pem", ca_certificate.pem().as_bytes())?;
    write("server-key.pem", server_key.serialize_pem().as_bytes())?;
    write("server.pem", server_certificate.pem().as_bytes())
}

/// Not before an hour ago, since the other side's clock may be behind.
pub fn validity(now_s: i64, days: i64) -> (time::OffsetDateTime, time::OffsetDateTime) {
    let at = |s| {
        time::OffsetDateTime::from_unix_timestamp(s).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
    };
    (at(now_s - 3600), at(now_s + days * 86_400))
}

impl Keys {
    pub fn load(dir: &Path, operator: &Operator) -> Result<Self, KeyError> {
        let dir = dir.join("keys");
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|source| KeyError::Io { path, source })
        };
        let signing = |file: &str, name: String| {
            let path = dir.join(file);
            let text = Zeroizing::new(read(file)?);
            let secret = secret_of(text.trim()).ok_or(KeyError::NotAKey { path: path.clone() })?;
            let name = KeyName::new(name).map_err(|_| KeyError::NotAKey { path })?;
            Ok::<_, KeyError>(SigningKey::new(name, *secret))
        };
        Ok(Self {
            log: signing("log", operator.log_origin(FIRST_SHARD))?,
            register: signing("register", operator.register_origin())?,
            cases: signing("register", operator.case_origin())?,
            ca_certificate: read("ca.pem")?,
            ca_key: Zeroizing::new(read("ca-key.pem")?),
            server_certificate: read("server.pem")?,
            server_key: Zeroizing::new(read("server-key.pem")?),
        })
    }
}

fn secret_of(hex: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in secret.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(secret)
}
