//! A whole collector on a port of its own, and clients with every kind of certificate.

use std::{collections::BTreeMap, io::Read as _, net::SocketAddr, time::Duration};

use evidence::statement::signed_text;
use prost::Message as _;
use rcgen::{CertificateParams, KeyPair};
use remit_collector::{
    admin,
    config::{Config, Limits},
    ingest::Again,
    revoke::Outcome,
    serve::{ServeError, serve},
};
use remit_proto::v1::{
    self, EnrolRequest, EnrolResponse, Role, SubmitRequest, SubmitResponse,
    evidence_service_client::EvidenceServiceClient, ingest_service_client::IngestServiceClient,
    submit_request, submit_response::Message,
};
use tlog::note::{KeyName, SigningKey};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_types::StatusExt;

pub(crate) struct Collector {
    pub(crate) config: Config,
    pub(crate) dir: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

/// A client certificate with its key, PEM.
#[derive(Clone)]
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The key that signs a tree or statements.
pub(crate) fn signing_key(name: &str, secret: u8) -> SigningKey {
    SigningKey::new(KeyName::new(name).unwrap(), [secret; 32])
}

/// `ErrorInfo.reason`.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = Config {
            second_person_for: Default::default(),
            operator: "example.net".parse().unwrap(),
            dir: dir.path().to_owned(),
            listen: port,
            tiles_listen: None,
            metrics_listen: None,
            publish_interval: Duration::from_millis(100),
            limits,
            archive: None,
        };
        admin::init(&config, &["localhost".to_owned()]).unwrap();
        Self::serve(config, dir).await
    }

    async fn serve(config: Config, dir: tempfile::TempDir) -> Self {
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(config.clone(), async {
            drop(stopped.await);
        }));
        let collector = Self { config, dir, stop, served };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(collector.address()).await.is_ok() {
                return collector;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the collector does not listen");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// Stops it as SIGTERM does, and says how it ended.
    pub(crate) async fn stop(self) -> Result<(), ServeError> {
        drop(self.stop);
        tokio::time::timeout(Duration::from_secs(20), self.served).await.expect("it ends").unwrap()
    }

    /// Stops it and starts it again over the same directory.
    pub(crate) async fn restart(self) -> Self {
        let Self { config, dir, stop, served } = self;
        drop(stop);
        served.await.unwrap().unwrap();
        Self::serve(config, dir).await
    }

    pub(crate) async fn revoke(&self, kind: &'static str, id: &str) -> Outcome {
        let (config, id) = (self.config.clone(), id.to_owned());
        let revoke = move || admin::revoke(&config, kind, &id);
        tokio::task::spawn_blocking(revoke).await.unwrap().unwrap()
    }

    /// How it ends by itself.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        tokio::time::timeout(Duration::from_secs(20), self.served).await.expect("it ends").unwrap()
    }

    fn endpoint(&self, identity: Option<&Certified>) -> Endpoint {
        let ca = std::fs::read(self.dir.path().join("keys/ca.pem")).unwrap();
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(ca))
            .domain_name("localhost");
        if let Some(Certified { certificate, key }) = identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let url = format!("https://{}", self.address());
        Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap()
    }

    pub(crate) async fn connect(&self, identity: Option<&Certified>) -> Channel {
        self.endpoint(identity).connect().await.unwrap()
    }

    /// For clients whom TLS itself may refuse.
    pub(crate) fn connect_lazy(&self, identity: Option<&Certified>) -> Channel {
        self.endpoint(identity).connect_lazy()
    }

    pub(crate) fn token(&self, id: &str, role: Role, ttl_s: i64) -> String {
        self.try_token(id, role, ttl_s, false).unwrap()
    }

    pub(crate) fn try_token(
        &self,
        id: &str,
        role: Role,
        ttl_s: i64,
        replace: bool,
    ) -> Result<String, String> {
        let again = if replace { Again::Replace } else { Again::No };
        let token = admin::token(&self.config, id, role, ttl_s, again);
        token.map_err(|error| error.to_string())
    }

    pub(crate) async fn try_enrol(
        &self,
        token: &str,
        secret: u8,
    ) -> Result<(EnrolResponse, KeyPair), Status> {
        let key = signing_key("enrolment", secret);
        let tls_key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&tls_key).unwrap();
        let text = evidence::statement::enrolment_text(token);
        let request = EnrolRequest {
            token: token.to_owned(),
            certificate_request: request.der().to_vec(),
            public_key: key.verifier().public_bytes().to_vec(),
            proof: key.sign_raw(text.as_bytes()).to_vec(),
        };
        let mut client = IngestServiceClient::new(self.connect(None).await);
        Ok((client.enrol(request).await?.into_inner(), tls_key))
    }

    pub(crate) async fn enrol(&self, id: &str, role: Role, secret: u8) -> Certified {
        let token = self.token(id, role, 60);
        self.enrol_with(&token, secret).await
    }

    pub(crate) async fn enrol_with(&self, token: &str, secret: u8) -> Certified {
        let (response, key) = self.try_enrol(token, secret).await.unwrap();
        certified(&response.certificates, &key)
    }

    pub(crate) async fn submit(&self, identity: &Certified) -> Submit {
        let channel = self.connect(Some(identity)).await;
        Submit::open(channel).await.unwrap()
    }
}

pub(crate) fn certified(certificates: &[Vec<u8>], key: &KeyPair) -> Certified {
    let leaf = certificates.first().unwrap();
    Certified { certificate: pem(leaf), key: key.serialize_pem() }
}

pub(crate) fn pem(der: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// One Submit stream.
pub(crate) struct Submit {
    pub(crate) requests: mpsc::Sender<SubmitRequest>,
    responses: Streaming<SubmitResponse>,
}

impl Submit {
    pub(crate) async fn open(channel: Channel) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(8);
        let mut client =
            IngestServiceClient::new(channel).max_encoding_message_size(4 * 1024 * 1024);
        let responses = client.submit(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { requests, responses })
    }

    pub(crate) async fn send(&self, message: submit_request::Message) {
        self.requests.send(SubmitRequest { message: Some(message) }).await.unwrap();
    }

    /// The next answer that is not a receipt.
    pub(crate) async fn answer(&mut self) -> Result<Message, Status> {
        loop {
            match self.next().await?.expect("an answer") {
                Message::Logged(_) => {}
                answer => return Ok(answer),
            }
        }
    }

    /// The next answer; `None`: the collector has closed the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>, Status> {
        let wait = tokio::time::timeout(Duration::from_secs(10), self.responses.message());
        Ok(wait.await.expect("an answer in time")?.map(|response| response.message.unwrap()))
    }

    pub(crate) async fn ask(&mut self, message: submit_request::Message) -> Message {
        self.send(message).await;
        self.answer().await.unwrap()
    }
}

pub(crate) fn hello(origin: &str, key: &SigningKey) -> submit_request::Message {
    submit_request::Message::Hello(v1::Hello {
        origin: origin.to_owned(),
        size: 0,
        checkpoint_size: 0,
        public_key: key.verifier().public_bytes().to_vec(),
    })
}

/// Everything in a bundle, by name.
pub(crate) async fn exported(
    evidence: &mut EvidenceServiceClient<Channel>,
    request: v1::ExportRequest,
) -> BTreeMap<String, Vec<u8>> {
    let mut stream = evidence.export(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(v1::ExportResponse { part }) = stream.message().await.unwrap() {
        bytes.extend(part);
    }
    let mut archive = tar::Archive::new(bytes.as_slice());
    let files = archive.entries().unwrap().map(|file| {
        let mut file = file.unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        (file.path().unwrap().to_string_lossy().into_owned(), content)
    });
    files.collect()
}

/// Signed by the operator p-1, whose key is 1.
pub(crate) fn signed_statement(statement: &v1::Statement) -> Vec<u8> {
    let statement = statement.encode_to_vec();
    let text = signed_text("example.net/register", &statement);
    let person = Some(v1::PersonRef { person: "p-1".into(), role: Role::Operator.into() });
    let signature = signing_key("p-1", 1).sign_raw(text.as_bytes()).to_vec();
    let signatures = vec![v1::PersonSignature { person, signature }];
    v1::SignedStatement { statement, signatures, attestation: Vec::new() }.encode_to_vec()
}

/// The first batch of a tree, encoded: Genesis and Seal.
pub(crate) fn first_batch(origin: &str, key: &SigningKey) -> prost::bytes::Bytes {
    first_batch_with(origin, key, Vec::new(), Vec::new())
}

/// The same with leaves in between.
pub(crate) fn first_batch_with(
    origin: &str,
    key: &SigningKey,
    between: Vec<v1::leaf::Body>,
    openings: Vec<v1::LeafOpening>,
) -> prost::bytes::Bytes {
    use evidence::{AgentOrigin, batch, leaf};
    let origin: AgentOrigin = origin.parse().unwrap();
    let at_s = 1_790_000_000;
    let genesis = v1::Genesis {
        format: 1,
        operator: origin.operator.to_string(),
        node: origin.node.to_string(),
        generation: origin.generation.0,
        durability: v1::Durability::Disk.into(),
        window_s: 900,
        reason: v1::GenerationReason::Enrolled.into(),
        at_s,
        lines_served: 1000,
        k: 10,
        ..Default::default()
    };
    let seal = v1::Seal {
        at_s,
        clock: v1::ClockState::Synced.into(),
        seal_interval_s: 30,
        ..Default::default()
    };
    let (genesis, seal) = (v1::leaf::Body::Genesis(genesis), v1::leaf::Body::Seal(seal));
    let bodies = std::iter::once(genesis).chain(between).chain([seal]);
    let leaves = bodies.map(leaf::encode).collect();
    let batch = batch::close(&mut tlog::Edge::new(), key, &origin, leaves, openings).unwrap();
    batch.encode_to_vec().into()
}
