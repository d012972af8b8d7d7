//! `remit-agent enrol` and `remit-agent renew`: makes the keys here, proves their possession, and stores what comes back.
//!
//! In: the collector's address, whom to trust, a one-time token. Out: the files of `keys`, and a
//! spool marked as new. If the network fails half-way, the same command again uses the keys that
//! are already here; a node that is enrolled is never enrolled again over itself.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use enrolment::TlsKey;
use remit_proto::v1::{self, ingest_service_client::IngestServiceClient};

use crate::{
    config::{CollectorEndpoint, Config},
    keys::{self, Identity, KeyError, NodeKey},
    spool,
    uplink::{
        UplinkError,
        certificate::{Certificate, RenewalError},
        endpoint::{self, Endpoint, EndpointError, Pem},
    },
};

#[derive(Debug, Clone)]
pub struct Enrolment {
    /// "https://host:port"
    pub collector: String,
    /// Name in the collector's certificate, where it is not the host of the URL.
    pub tls_name: Option<String>,
    pub ca: PathBuf,
    pub token: String,
    /// Which node this is, where the token is for many.
    pub node: Option<String>,
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
    Tls(#[source] enrolment::TlsKeyError),
    #[error("the collector's address and the file of its authority")]
    Endpoint(#[source] EndpointError),
    #[error("the collector cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    #[error("the collector refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    #[error("the collector's answer is malformed: {0}")]
    Answer(&'static str),
    #[error("the token is of {of}, and this is {here}")]
    OtherNode { of: String, here: String },
    #[error("setting up the connection")]
    Uplink(#[source] UplinkError),
    #[error("the certificate was not renewed")]
    Renewal(#[from] RenewalError),
}

/// Enrols this node; returns who it is.
pub async fn enrol(enrolment: &Enrolment) -> Result<Identity, EnrolError> {
    let Enrolment { collector, tls_name, ca, token, node, dir } = enrolment;
    fs::create_dir_all(dir).map_err(io_error(dir))?;
    if dir.join(keys::IDENTITY).exists() {
        return Err(EnrolError::Enrolled { dir: dir.clone() });
    }
    let ca_pem = fs::read_to_string(ca).map_err(io_error(ca))?;
    let node_key = existing_or_new(&dir.join(keys::NODE_KEY))?;
    let tls_key = tls_key(&dir.join(keys::TLS_KEY))?;
    let signer = node_key.enrolling().map_err(|_| EnrolError::Answer("key name"))?;
    let token = node.as_ref().map_or_else(|| token.clone(), |node| format!("{token}/{node}"));
    let request = enrolment::request(&token, &signer, &tls_key).map_err(EnrolError::Tls)?;
    let response = ask(collector, tls_name.as_deref(), &ca_pem, request).await?;
    store(dir, &ca_pem, &response)
}

/// Another certificate for the keys that are here: by the certificate that is there, or, once that is
/// over, by a token. Returns until when it holds.
pub async fn renew(config: &Config, token: Option<&str>) -> Result<i64, EnrolError> {
    let (mut certificate, endpoints) =
        Certificate::load(config.dir.clone(), config.collectors.clone())
            .map_err(EnrolError::Uplink)?;
    let path = config.dir.join(keys::TLS_CERTIFICATE);
    let owner = fs::metadata(&path).map_err(io_error(&path))?;
    let Some(token) = token else {
        let endpoint = endpoints.first().ok_or(EnrolError::Answer("no collector"))?;
        let channel = endpoint.connect().await.map_err(EnrolError::Connect)?;
        certificate.renew(channel).await?;
        return finish(&path, &owner, &certificate);
    };
    let identity = Identity::load(&config.dir)?;
    let signer = NodeKey::load(&config.dir.join(keys::NODE_KEY))?;
    let signer = signer.enrolling().map_err(|_| EnrolError::Answer("key name"))?;
    let tls_key = keys::read(&config.dir.join(keys::TLS_KEY))?;
    let tls_key = TlsKey::from_pem(&tls_key).map_err(EnrolError::Tls)?;
    let request = enrolment::request(token, &signer, &tls_key).map_err(EnrolError::Tls)?;
    let ca = keys::read(&config.dir.join(keys::CA))?;
    let CollectorEndpoint { url, tls_name } =
        config.collectors.first().ok_or(EnrolError::Answer("no collector"))?;
    let response = ask(url, tls_name.as_deref(), &ca, request).await?;
    let v1::EnrolResponse { certificates, operator, subject, role: _, log_vkey, register_vkey: _ } =
        &response;
    let same = Identity::parse(operator, subject, log_vkey, "").is_some_and(|other| {
        (other.operator, &other.node, other.log_key)
            == (identity.operator.clone(), &identity.node, identity.log_key.clone())
    });
    if !same {
        let (of, here) = (format!("{subject} of {operator}"), identity.node.to_string());
        return Err(EnrolError::OtherNode { of, here });
    }
    certificate.put(certificates)?;
    finish(&path, &owner, &certificate)
}

/// Whoever types the command may be root, and the agent is not.
fn finish(path: &Path, owner: &fs::Metadata, certificate: &Certificate) -> Result<i64, EnrolError> {
    let now = fs::metadata(path).map_err(io_error(path))?;
    if (now.uid(), now.gid()) != (owner.uid(), owner.gid()) {
        chown(path, Some(owner.uid()), Some(owner.gid())).map_err(io_error(path))?;
    }
    Ok(certificate.validity().until_s)
}

/// Without a client certificate.
async fn ask(
    collector: &str,
    tls_name: Option<&str>,
    ca_pem: &str,
    request: v1::EnrolRequest,
) -> Result<v1::EnrolResponse, EnrolError> {
    let tls = endpoint::tls(Pem { authority: ca_pem, own: None }).map_err(EnrolError::Endpoint)?;
    let endpoint = Endpoint::new(collector, tls_name, &tls).map_err(EnrolError::Endpoint)?;
    let channel = endpoint.connect().await.map_err(EnrolError::Connect)?;
    let response = IngestServiceClient::new(channel).enrol(request).await;
    Ok(response.map_err(|status| EnrolError::Refused(Box::new(status)))?.into_inner())
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
    let chain = enrolment::chain_pem(certificates);
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

fn tls_key(path: &Path) -> Result<TlsKey, EnrolError> {
    if path.exists() {
        return TlsKey::from_pem(&keys::read(path)?).map_err(EnrolError::Tls);
    }
    let key = TlsKey::generate().map_err(EnrolError::Tls)?;
    keys::write_new(path, key.to_pem().as_bytes(), 0o600).map_err(io_error(path))?;
    Ok(key)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> EnrolError {
    let path = path.to_owned();
    move |source| EnrolError::Io { path, source }
}

/// The spool's folder below the node's directory.
pub const SPOOL: &str = "spool";
