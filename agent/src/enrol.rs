//! `remit-agent enrol`: makes the keys here, proves their possession, and stores what comes back.
//!
//! In: the collector's address, whom to trust, a one-time token. Out: the files of `keys`, and a
//! spool marked as new. If the network fails half-way, the same command again uses the keys that
//! are already here; a node that is enrolled is never enrolled again over itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use evidence::statement::enrolment_text;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use remit_proto::v1::{self, ingest_service_client::IngestServiceClient};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::{
    keys::{self, Identity, KeyError, NodeKey},
    spool,
};

#[derive(Debug, Clone)]
pub struct Enrolment {
    /// "https://host:port"
    pub collector: String,
    /// Name in the collector's certificate, where it is not the host of the URL.
    pub tls_name: Option<String>,
    pub ca: PathBuf,
    pub token: String,
    pub dir: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error("{} is enrolled already; use another directory for another node", dir.display())]
    Enrolled { dir: PathBuf },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("using {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("making the TLS key")]
    Tls(#[source] rcgen::Error),
    #[error("{0:?} is not an address such as https://host:port")]
    Address(String),
    #[error("the collector cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    #[error("the collector refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    #[error("the collector's answer is malformed: {0}")]
    Answer(&'static str),
}

/// Enrols this node; returns who it is.
pub async fn enrol(enrolment: &Enrolment) -> Result<Identity, EnrolError> {
    let Enrolment { collector, tls_name, ca, token, dir } = enrolment;
    fs::create_dir_all(dir).map_err(io_error(dir))?;
    if dir.join(keys::IDENTITY).exists() {
        return Err(EnrolError::Enrolled { dir: dir.clone() });
    }
    let ca_pem = fs::read_to_string(ca).map_err(io_error(ca))?;
    let node_key = existing_or_new(&dir.join(keys::NODE_KEY))?;
    let tls_key = tls_key(&dir.join(keys::TLS_KEY))?;
    let request = enrol_request(token, &node_key, &tls_key)?;

    let endpoint = Endpoint::from_shared(collector.clone())
        .map_err(|_| EnrolError::Address(collector.clone()))?;
    let endpoint = if collector.starts_with("https://") {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&ca_pem));
        if let Some(name) = tls_name {
            tls = tls.domain_name(name);
        }
        endpoint.tls_config(tls).map_err(EnrolError::Connect)?
    } else {
        return Err(EnrolError::Address(collector.clone()));
    };
    let channel = endpoint.connect().await.map_err(EnrolError::Connect)?;
    let response = IngestServiceClient::new(channel).enrol(request).await;
    let response = response.map_err(|status| EnrolError::Refused(Box::new(status)))?;
    store(dir, &ca_pem, &response.into_inner())
}

fn enrol_request(
    token: &str,
    node_key: &NodeKey,
    tls_key: &KeyPair,
) -> Result<v1::EnrolRequest, EnrolError> {
    let signer = node_key.enrolling().map_err(|_| EnrolError::Answer("key name"))?;
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    // Who this is the token says; the collector puts the node's id into the certificate.
    name.push(DnType::CommonName, "node");
    params.distinguished_name = name;
    let request = params.serialize_request(tls_key).map_err(EnrolError::Tls)?;
    Ok(v1::EnrolRequest {
        token: token.to_owned(),
        certificate_request: request.der().to_vec(),
        public_key: signer.verifier().public_bytes().to_vec(),
        proof: signer.sign_raw(enrolment_text(token).as_bytes()).to_vec(),
    })
}

/// The identity last: it is what says that this node is enrolled.
fn store(dir: &Path, ca_pem: &str, response: &v1::EnrolResponse) -> Result<Identity, EnrolError> {
    let v1::EnrolResponse { certificates, operator, subject, role, log_vkey, register_vkey } =
        response;
    if *role != i32::from(v1::Role::Agent) {
        return Err(EnrolError::Answer("the token is not for a node"));
    }
    if certificates.is_empty() {
        return Err(EnrolError::Answer("no certificate"));
    }
    let identity = Identity::parse(operator, subject, log_vkey, register_vkey)
        .ok_or(EnrolError::Answer("operator, node id or log key"))?;
    let chain: String = certificates.iter().map(|der| certificate_pem(der)).collect();
    for (name, text) in [(keys::TLS_CERTIFICATE, chain.as_str()), (keys::CA, ca_pem)] {
        let path = dir.join(name);
        spool::files::replace(&path, text.as_bytes()).map_err(io_error(&path))?;
    }
    let spool_dir = dir.join(SPOOL);
    spool::prepare_new(&spool_dir).map_err(io_error(&spool_dir))?;
    identity.store(dir)?;
    Ok(identity)
}

fn existing_or_new(path: &Path) -> Result<NodeKey, KeyError> {
    match NodeKey::create(path) {
        Err(KeyError::Exists { .. }) => NodeKey::load(path),
        other => other,
    }
}

fn tls_key(path: &Path) -> Result<KeyPair, EnrolError> {
    if path.exists() {
        return KeyPair::from_pem(&keys::read(path)?).map_err(EnrolError::Tls);
    }
    // ECDSA P-256: what every TLS library takes.
    let key = KeyPair::generate().map_err(EnrolError::Tls)?;
    keys::write_new(path, key.serialize_pem().as_bytes(), 0o600).map_err(io_error(path))?;
    Ok(key)
}

/// RFC 7468.
fn certificate_pem(der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so every place is a boundary.
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> EnrolError {
    let path = path.to_owned();
    move |source| EnrolError::Io { path, source }
}

/// The spool's folder below the node's directory.
pub const SPOOL: &str = "spool";
