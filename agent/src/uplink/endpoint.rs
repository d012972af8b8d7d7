//! The way to a collector: TCP, TLS 1.3 with the node's certificate, HTTP/2.
//!
//! The connection is made here, with rustls, and not by `tonic`, which would bring TLS 1.2 and connectors of
//! other kinds into the program: no collector speaks that, and no router should have to hold it (ADR 13).

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{
        CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName,
        pem::{Error as PemError, PemObject as _},
    },
    version::TLS13,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    codegen::{Service, http::Uri},
    transport::{Channel, Endpoint as Http2, Error as TransportError},
};
use zeroize::Zeroizing;

/// A collector, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: String,
    http2: Http2,
    connector: Connector,
}

#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("{0:?} is not an address such as https://host:port")]
    Address(String),
    #[error("{name:?} is no name that a certificate can have")]
    Name {
        name: String,
        #[source]
        source: InvalidDnsNameError,
    },
    #[error("a certificate or a key is not PEM that can be read")]
    Pem(#[source] PemError),
    #[error("there is no certificate in the file of the collector's authority")]
    NoAuthority,
    #[error("certificates and key do not go together")]
    Tls(#[source] rustls::Error),
}

/// Whom both sides are known by, PEM. Without a certificate of one's own there is only the collector's.
#[derive(Clone, Copy)]
pub struct Pem<'a> {
    pub authority: &'a str,
    pub own: Option<(&'a str, &'a Zeroizing<String>)>,
}

/// For any number of endpoints.
pub fn tls(pem: Pem<'_>) -> Result<Arc<ClientConfig>, EndpointError> {
    let Pem { authority, own } = pem;
    let certificates = |pem: &str| -> Result<Vec<CertificateDer<'static>>, EndpointError> {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(EndpointError::Pem)
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(certificate).map_err(EndpointError::Tls)?;
    }
    if roots.is_empty() {
        return Err(EndpointError::NoAuthority);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(EndpointError::Tls)?
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(EndpointError::Pem)?;
            builder.with_client_auth_cert(certificates(chain)?, key).map_err(EndpointError::Tls)?
        }
    };
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

impl Endpoint {
    /// `tls_name`: the name in the collector's certificate, where it is not the host of the address.
    pub fn new(
        url: &str,
        tls_name: Option<&str>,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, EndpointError> {
        let address = || EndpointError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| address())?;
        let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(address());
        };
        // Brackets of an IPv6 address are not part of it.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(443);
        let name = tls_name.unwrap_or(&host).to_owned();
        let name = ServerName::try_from(name.clone())
            .map_err(|source| EndpointError::Name { name, source })?;
        // To tonic this is a connection like any other; what it says of itself is the true address.
        let plain = format!("http://{authority}");
        let http2 = Http2::from_shared(plain)
            .map_err(|_| address())?
            .origin(uri)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let connector = Connector { tls: TlsConnector::from(Arc::clone(tls)), name, host, port };
        Ok(Self { url: url.to_owned(), http2, connector })
    }

    /// As it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn connect(&self) -> Result<Channel, TransportError> {
        self.http2.connect_with_connector(self.connector.clone()).await
    }
}

#[derive(Clone)]
struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
    host: String,
    port: u16,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} as {:?}", self.host, self.port, self.name)
    }
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let Self { tls, name, host, port } = self;
        let tcp = tcp(&host, port).await?;
        tcp.set_nodelay(true)?;
        let stream = tls.connect(name, tcp).await?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP2) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the other side speaks no HTTP/2",
            ));
        }
        Ok(TokioIo::new(stream))
    }
}

/// One address after the other: of a host with two families one may lead nowhere.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in lookup_host((host, port)).await? {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connect = timeout(CONNECT_TIMEOUT, self.clone().connect());
        Box::pin(async { connect.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) })
    }
}

const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);
/// TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// RFC 9113 section 3.2.
const HTTP2: &[u8] = b"h2";

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a key as the enrolment makes it, signed by itself; and that key.
    fn certificate() -> (String, Zeroizing<String>) {
        let key = enrolment::TlsKey::generate().expect("a key").to_pem();
        let pair = rcgen::KeyPair::from_pem(&key).expect("the same key");
        let params = rcgen::CertificateParams::new(["node-1".to_owned()]).expect("a name");
        let certificate = params.self_signed(&pair).expect("a certificate");
        (certificate.pem(), Zeroizing::new(key))
    }

    #[test]
    fn a_certificate_and_the_key_of_another_do_not_go_together() {
        let ((authority, _), (chain, key), (_, other)) =
            (certificate(), certificate(), certificate());
        let with = |chain, key| tls(Pem { authority: &authority, own: Some((chain, key)) });
        assert!(with(&chain, &key).is_ok());
        let said = with(&chain, &other).unwrap_err();
        assert!(matches!(said, EndpointError::Tls(rustls::Error::InconsistentKeys(_))), "{said:?}");
        // Of a chain the first is the node's own.
        let (longer, reversed) = (format!("{chain}{authority}"), format!("{authority}{chain}"));
        assert!(with(&longer, &key).is_ok() && with(&reversed, &key).is_err());
        assert!(with("", &key).is_err());
        let none = Zeroizing::new(chain.clone());
        assert!(matches!(with(&chain, &none), Err(EndpointError::Pem(_))));
    }

    #[test]
    fn an_authority_is_needed() {
        let said = |authority| tls(Pem { authority, own: None }).unwrap_err().to_string();
        assert!(said("").contains("no certificate in the file"), "{}", said(""));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(tls(Pem { authority: broken, own: None }).is_err());
        let (chain, key) = certificate();
        assert!(tls(Pem { authority: "", own: Some((&chain, &key)) }).is_err());
    }

    #[test]
    fn addresses() {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let config = Arc::new(config);
        let said =
            |url, name| Endpoint::new(url, name, &config).map(|e| format!("{:?}", e.connector));
        let of = |url, name| said(url, name).expect("an address");
        assert!(
            of("https://collector.example:8443", None).starts_with("collector.example:8443 as")
        );
        assert!(of("https://collector.example", None).starts_with("collector.example:443"));
        assert!(of("https://[2001:db8::1]:8443", None).starts_with("2001:db8::1:8443"));
        assert!(of("https://192.0.2.1:1", Some("collector.example")).contains("collector.example"));
        for url in ["http://collector.example", "collector.example:8443", "", "https://"] {
            assert!(matches!(said(url, None), Err(EndpointError::Address(_))), "{url}");
        }
        assert!(matches!(
            said("https://192.0.2.1", Some("no name")),
            Err(EndpointError::Name { .. })
        ));
    }
}
