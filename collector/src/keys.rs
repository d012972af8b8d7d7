//! Keys that `init` makes and `serve` reads: the log's, the register's, the CA's and the server's.
//!
//! Files in `keys/`, readable by the owner alone: `log` and `register` hold 64 hex digits of an
//! Ed25519 secret; `ca.pem`, `ca-key.pem`, `server.pem`, `server-key.pem` are PEM. Keys are made by
//! `init` and never because a file was missing. The server's certificate is made anew by `serve` when half
//! of its life is over ([`renew_server`]): the same names, the same key.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use evidence::Operator;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use tlog::note::{KeyName, SigningKey};
use x509_parser::extensions::GeneralName;
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
    #[error("{path} is not the certificate that init made; restore it from a copy")]
    NotACertificate { path: PathBuf },
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
    let server = server_parameters(operator, names.to_vec(), now_s)?;
    let issuer = Issuer::new(ca, &ca_key);
    let server_certificate = server.signed_by(&server_key, &issuer)?;
    write("ca-key.pem", ca_key.serialize_pem().as_bytes())?;
    write("ca.pem", ca_certificate.pem().as_bytes())?;
    write("server-key.pem", server_key.serialize_pem().as_bytes())?;
    write("server.pem", server_certificate.pem().as_bytes())
}

fn server_parameters(
    operator: &Operator,
    names: Vec<String>,
    now_s: i64,
) -> Result<CertificateParams, KeyError> {
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name = DistinguishedName::new();
    server.distinguished_name.push(DnType::CommonName, format!("Remit collector of {operator}"));
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (server.not_before, server.not_after) = validity(now_s, SERVER_DAYS);
    Ok(server)
}

/// What became of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerCertificate {
    Good {
        days_left: i64,
    },
    /// It is in the file, and whoever serves already still shows the old one.
    Renewed,
}

/// Makes the server's certificate anew if half of its life is over. One file changes, at once.
pub fn renew_server(
    dir: &Path,
    operator: &Operator,
    now_s: i64,
) -> Result<ServerCertificate, KeyError> {
    let path = dir.join("keys/server.pem");
    let malformed = || KeyError::NotACertificate { path: path.clone() };
    let keys = Keys::load(dir, operator)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(keys.server_certificate.as_bytes())
        .map_err(|_| malformed())?;
    let old = pem.parse_x509().map_err(|_| malformed())?;
    let (from_s, until_s) =
        (old.validity().not_before.timestamp(), old.validity().not_after.timestamp());
    if now_s < from_s + (until_s - from_s) / 2 {
        return Ok(ServerCertificate::Good { days_left: (until_s - now_s) / 86_400 });
    }
    let names = old.subject_alternative_name().ok().flatten().ok_or_else(malformed)?;
    let names = names.value.general_names.iter().filter_map(name_of).collect();
    let parameters = server_parameters(operator, names, now_s)?;
    let issuer = Issuer::from_ca_cert_pem(&keys.ca_certificate, KeyPair::from_pem(&keys.ca_key)?)?;
    let renewed = parameters.signed_by(&KeyPair::from_pem(&keys.server_key)?, &issuer)?;
    files::replace_secret(&path, renewed.pem().as_bytes())
        .map_err(|source| KeyError::Io { path, source })?;
    Ok(ServerCertificate::Renewed)
}

/// As `init --name` takes it.
fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_certificate_is_made_anew_at_half_of_its_life_for_the_same_names() {
        const DAY: i64 = 86_400;
        let dir = tempfile::tempdir().unwrap();
        let operator: Operator = "example.net".parse().unwrap();
        let names = ["collector.example.net", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        create(dir.path(), &operator, &names, 1_700_000_000).unwrap();
        let at = |days| renew_server(dir.path(), &operator, 1_700_000_000 + days * DAY).unwrap();
        let before = Keys::load(dir.path(), &operator).unwrap();
        assert_eq!(at(10), ServerCertificate::Good { days_left: 815 });
        assert_eq!(at(413), ServerCertificate::Renewed);
        assert_eq!(at(413), ServerCertificate::Good { days_left: 825 }, "once");
        let after = Keys::load(dir.path(), &operator).unwrap();
        assert_eq!(*before.server_key, *after.server_key);
        let (_, pem) =
            x509_parser::pem::parse_x509_pem(after.server_certificate.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let found = certificate.subject_alternative_name().unwrap().unwrap();
        let found: Vec<_> = found.value.general_names.iter().filter_map(name_of).collect();
        assert_eq!(found, names);
        // Long over, it is still made anew: nobody but the CA vouches for it.
        assert_eq!(at(3000), ServerCertificate::Renewed);
        fs::write(dir.path().join("keys/server.pem"), "no certificate").unwrap();
        assert!(renew_server(dir.path(), &operator, 0).is_err());
    }
}
