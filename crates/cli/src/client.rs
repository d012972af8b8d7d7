//! The connection to the collector: TLS with the person's certificate, and nothing kept open.

use remit_proto::v1::{
    RenewResponse, evidence_service_client::EvidenceServiceClient,
    ingest_service_client::IngestServiceClient, query_service_client::QueryServiceClient,
    register_service_client::RegisterServiceClient,
};
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::{
    config::Config,
    exit::{self, CliError},
    home, time,
};

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

/// As the enrolled person. A certificate that is due is renewed on the way, with one line on stderr:
/// people do not think of it, and whoever does nothing for a third of its life has to ask for a token.
async fn person(config: &Config) -> Result<Channel, CliError> {
    let channel = channel(config).await?;
    let validity = enrolment::validity(&home::read_text(&config.home.path(home::TLS_CERTIFICATE))?);
    // At half of the life: a person comes when they come, and not in one night with all the others.
    if validity.is_some_and(|validity| time::now_s() >= validity.renewal_s(0)) {
        match renew(config, channel.clone()).await {
            Ok(until_s) => {
                eprintln!("your certificate was renewed and holds until {}", time::utc(until_s));
            }
            // The answer matters more; the next command tries again.
            Err(error) => eprintln!("your certificate was not renewed: {}", exit::chain(&error)),
        }
    }
    Ok(channel)
}

/// As the enrolled person, with the certificate that is there.
pub(crate) async fn channel(config: &Config) -> Result<Channel, CliError> {
    let path = config.home.path(home::TLS_CERTIFICATE);
    let pem = if path.exists() { home::read_text(&path)? } else { String::new() };
    let now_s = time::now_s();
    match enrolment::validity(&pem) {
        Some(validity) if validity.is_over(now_s) => Err(CliError::Expired {
            days: now_s.saturating_sub(validity.until_s) / 86_400,
            person: config.file.person.clone(),
            role: config.file.role.clone(),
        }),
        _ => connect(config, As::Person).await,
    }
}

/// Fetches the next certificate over a connection with the one that is there; returns until when it
/// holds.
pub(crate) async fn renew(config: &Config, channel: Channel) -> Result<i64, CliError> {
    let failed = |error: enrolment::TlsKeyError| {
        CliError::Malformed(format!("the TLS key cannot be used: {error}"))
    };
    let key = home::read_text(&config.home.path(home::TLS_KEY))?;
    let key = enrolment::TlsKey::from_pem(&key).map_err(failed)?;
    let request = enrolment::renewal(&key).map_err(failed)?;
    let renewed = IngestServiceClient::new(channel).renew(request).await?.into_inner();
    let RenewResponse { certificates } = renewed;
    keep(config, &certificates)
}

/// Puts certificates in the place of those that are there; returns until when they hold.
pub(crate) fn keep(config: &Config, certificates: &[Vec<u8>]) -> Result<i64, CliError> {
    let chain = enrolment::chain_pem(certificates);
    let validity = enrolment::validity(&chain)
        .ok_or_else(|| CliError::Malformed("the collector sent no certificate".to_owned()))?;
    config.home.replace_public(home::TLS_CERTIFICATE, chain.as_bytes())?;
    Ok(validity.until_s)
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
    let channel = person(config).await?;
    Ok(QueryServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}

pub(crate) type RegisterClient = RegisterServiceClient<Channel>;

pub(crate) async fn register(config: &Config) -> Result<RegisterClient, CliError> {
    let channel = person(config).await?;
    Ok(RegisterServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}

pub(crate) async fn evidence(config: &Config) -> Result<EvidenceServiceClient<Channel>, CliError> {
    let channel = person(config).await?;
    Ok(EvidenceServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}

pub(crate) async fn ingest(config: &Config) -> Result<IngestServiceClient<Channel>, CliError> {
    let channel = connect(config, As::Nobody).await?;
    Ok(IngestServiceClient::new(channel).max_decoding_message_size(MESSAGE_SIZE_MAX))
}
