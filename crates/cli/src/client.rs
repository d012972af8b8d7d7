//! The connection to the collector: TLS with the person's certificate, and nothing kept open.

use remit_proto::v1::{
    evidence_service_client::EvidenceServiceClient, ingest_service_client::IngestServiceClient,
    query_service_client::QueryServiceClient, register_service_client::RegisterServiceClient,
};
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::{config::Config, exit::CliError, home};

/// Pages of 1,000 rows and parts of exports.
const MESSAGE_SIZE_MAX: usize = 16 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Who the caller says it is.
pub(crate) enum As {
    /// The enrolled person, by certificate.
    Person,
    /// Nobody yet: enrolment, by token alone.
    Nobody,
}

pub(crate) async fn connect(config: &Config, who: As) -> Result<Channel, CliError> {
    let url = config.collector()?.to_owned();
    let endpoint = Endpoint::from_shared(url.clone())
        .map_err(|_| {
            CliError::Usage(format!(
                "--collector: {url:?} is not an address such as https://host:8443"
            ))
        })?
        .connect_timeout(CONNECT_TIMEOUT);
    let endpoint = if url.starts_with("https://") {
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(home::read(&config.ca())?));
        if matches!(who, As::Person) {
            let certificate = config.home.path(home::TLS_CERTIFICATE);
            if !certificate.exists() {
                return Err(CliError::Usage(format!(
                    "{} does not exist: run `remit enrol`, or say with --dir where your keys are",
                    certificate.display()
                )));
            }
            let key = home::read(&config.home.path(home::TLS_KEY))?;
            tls = tls.identity(Identity::from_pem(home::read(&certificate)?, key));
        }
        endpoint.tls_config(tls).map_err(|source| CliError::Connect { url: url.clone(), source })?
    } else {
        return Err(CliError::Usage(format!(
            "--collector: {url} is not https; evidence and statements never travel in clear"
        )));
    };
    endpoint.connect().await.map_err(|source| CliError::Connect { url, source })
}

pub(crate) async fn query(config: &Config) -> Result<QueryServiceClient<Channel>, CliError> {
    let channel = connect(config, As::Person).await?;
    Ok(QueryServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}

pub(crate) type RegisterClient = RegisterServiceClient<Channel>;

pub(crate) async fn register(config: &Config) -> Result<RegisterClient, CliError> {
    let channel = connect(config, As::Person).await?;
    Ok(RegisterServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}

pub(crate) async fn evidence(config: &Config) -> Result<EvidenceServiceClient<Channel>, CliError> {
    let channel = connect(config, As::Person).await?;
    Ok(EvidenceServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}

pub(crate) async fn ingest(config: &Config) -> Result<IngestServiceClient<Channel>, CliError> {
    let channel = connect(config, As::Nobody).await?;
    Ok(IngestServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}
