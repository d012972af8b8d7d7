//! The node's TLS certificate, and the next one, which the agent fetches itself.
//!
//! In: the files of the enrolment, and an open connection. Out: `tls.crt` replaced at once, and endpoints
//! that use it. The key stays (`enrolment::renewal`).
//!
//! - When: between half and two thirds of the life, each node at a time of its own. What fails is tried
//!   again after [`RETRY`]; a third of the life is left for that.
//! - The new certificate is tried against the key before it takes the place of the old one, and by the
//!   connection that follows while the old one would still do.
//! - When it is over, the collector still decides: a router without a clock of its own may be wrong about
//!   the time. Its file is then read again for each attempt, so that `remit-agent renew --token` beside
//!   the running agent is enough.

use std::{path::PathBuf, time::Duration};

use enrolment::{TlsKey, Validity, validity};
use remit_proto::v1::{self, ingest_service_client::IngestServiceClient};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;

use super::{ANSWER_TIMEOUT, Endpoint, UplinkError};
use crate::{
    clock::Clock, config::CollectorEndpoint, keys, logging::chain, metrics::Metric, spool,
};

#[derive(Debug)]
pub struct Certificate {
    dir: PathBuf,
    collectors: Vec<CollectorEndpoint>,
    validity: Validity,
    /// When between half and two thirds of the life.
    share: u16,
    tried: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    #[error("the node's TLS key cannot be used")]
    Key(#[source] enrolment::TlsKeyError),
    #[error("reading the node's TLS files")]
    Files(#[from] keys::KeyError),
    #[error("the collector refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    #[error("the collector does not answer")]
    Silence,
    #[error("what the collector sent is no certificate for this node's key")]
    Answer,
    #[error("writing tls.crt")]
    Write(#[source] std::io::Error),
}

impl Certificate {
    /// Of the node's files, and the endpoints that use it.
    pub fn load(
        dir: PathBuf,
        collectors: Vec<CollectorEndpoint>,
    ) -> Result<(Self, Vec<Endpoint>), UplinkError> {
        let mut certificate = Self::new(dir, collectors, Validity { from_s: 0, until_s: 0 });
        let endpoints = certificate.read()?;
        Ok((certificate, endpoints))
    }

    /// With a validity that was read already.
    pub fn new(dir: PathBuf, collectors: Vec<CollectorEndpoint>, validity: Validity) -> Self {
        let mut share = [0; 2];
        // Without random bytes all come at half of the life: early, and not late.
        let _ = getrandom::fill(&mut share);
        Self { dir, collectors, validity, share: u16::from_be_bytes(share), tried: None }
    }

    /// Reads the files again.
    pub(super) fn read(&mut self) -> Result<Vec<Endpoint>, UplinkError> {
        let endpoints = super::endpoints(&self.collectors, &self.dir)?;
        let path = self.dir.join(keys::TLS_CERTIFICATE);
        let malformed = || UplinkError::Files(keys::KeyError::Malformed { path: path.clone() });
        self.validity = validity(&keys::read(&path)?).ok_or_else(malformed)?;
        Metric::CertificateUntil.set(self.validity.until_s.try_into().unwrap_or(0));
        Ok(endpoints)
    }

    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// For how many days it is over.
    pub(super) fn days_over(&self, now_s: i64) -> Option<i64> {
        let over_s = now_s.saturating_sub(self.validity.until_s);
        self.validity.is_over(now_s).then_some(over_s / 86_400)
    }

    /// Endpoints with the next certificate, once it is there. Until then it waits; dropped, it loses
    /// nothing but an attempt.
    pub(super) async fn renewed(&mut self, channel: Channel) -> Vec<Endpoint> {
        let clock = Clock::system();
        loop {
            let is_due = clock.now_s() >= self.validity.renewal_s(self.share);
            // Not sooner after a success either: a clock that is far ahead finds each new one due.
            if is_due && self.tried.is_none_or(|at| at.elapsed() >= RETRY) {
                self.tried = Some(Instant::now());
                match self.renew(channel.clone()).await {
                    Ok(endpoints) => {
                        let until_s = self.validity.until_s;
                        tracing::info!(until_s, "the certificate was renewed");
                        return endpoints;
                    }
                    Err(error) if clock.now_s() >= self.validity.late_s() => {
                        let days_left = (self.validity.until_s - clock.now_s()) / 86_400;
                        let (error, what) = (chain(&error), "the certificate cannot be renewed");
                        tracing::error!(error, days_left, "{what}; trying again");
                    }
                    Err(error) => {
                        let error = chain(&error);
                        tracing::warn!(error, "the certificate was not renewed; trying again");
                    }
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Fetches the next certificate now.
    pub async fn renew(&mut self, channel: Channel) -> Result<Vec<Endpoint>, RenewalError> {
        let key = keys::read(&self.dir.join(keys::TLS_KEY))?;
        let key = TlsKey::from_pem(&key).map_err(RenewalError::Key)?;
        let request = enrolment::renewal(&key).map_err(RenewalError::Key)?;
        let mut client = IngestServiceClient::new(channel);
        let answer = timeout(ANSWER_TIMEOUT, client.renew(request)).await;
        let answer = answer.map_err(|_| RenewalError::Silence)?;
        let answer = answer.map_err(|status| RenewalError::Refused(Box::new(status)))?;
        let v1::RenewResponse { certificates } = answer.into_inner();
        self.put(&certificates)
    }

    /// Takes certificates that came for the key that is there.
    pub fn put(&mut self, certificates: &[Vec<u8>]) -> Result<Vec<Endpoint>, RenewalError> {
        let chain = enrolment::chain_pem(certificates);
        let until = validity(&chain).ok_or(RenewalError::Answer)?;
        let files = super::Files { certificate: chain, ..super::Files::read(&self.dir)? };
        let endpoints =
            super::with_files(&self.collectors, &files).map_err(|_| RenewalError::Answer)?;
        let path = self.dir.join(keys::TLS_CERTIFICATE);
        spool::files::replace(&path, files.certificate.as_bytes()).map_err(RenewalError::Write)?;
        self.validity = until;
        Metric::CertificateUntil.set(until.until_s.try_into().unwrap_or(0));
        Ok(endpoints)
    }
}

/// Of a life of 90 days there are 30 left when the latest node comes first.
const RETRY: Duration = Duration::from_secs(6 * 3600);
/// How often it is looked whether it is time: clocks may be set.
const LOOK: Duration = Duration::from_secs(600);
