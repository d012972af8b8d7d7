//! Assembly: threads, channels, edges.
//!
//! One thread owns the log, one owns the index, one runtime serves. The writer's queue and the one
//! to assess are bounded; a full one makes whoever fills it wait, back to the agents' spools.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, TryRecvError},
    },
    thread,
};

use remit_proto::v1::{
    self, evidence_service_server::EvidenceServiceServer,
    ingest_service_server::IngestServiceServer, query_service_server::QueryServiceServer,
    register_service_server::RegisterServiceServer,
};
use rustls::{SupportedCipherSuite, crypto};
use tokio::sync::{Semaphore, watch};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::{
    access::{Access, RevokedKeys},
    assess::{AssessError, Assessor, EVENTS_PER_STEP},
    committed::Committed,
    config::Config,
    enrolled,
    export::EvidenceEdge,
    files::{DirectoryLock, LockError},
    http,
    ingest::{Enrolment, EnrolmentError, IngestEdge, MESSAGE_SIZE_MAX, Turns, tell},
    keys::{self, KeyError, Keys, ServerCertificate},
    listen::{Listener, Patience},
    log::{
        chunks::ChunkFiles,
        command::Command,
        publish::Exposed,
        writer::{Fatal, Parts, QUEUE_LENGTH, Writer},
    },
    query::{QueryEdge, QueryHandle},
    registers::RegisterEdge,
    revoke,
    store::{Archive, Exported, Finished, archive},
};

/// Groups of commits that may wait for the index; each is bounded in bytes by the writer, so that a
/// slow index costs memory for a few batches and not for all that the agents have: a group takes in
/// several batches, which wait here as they came. When the queue is full, the writer waits, and the agents
/// with it.
const ASSESS_QUEUE: usize = 3;
/// A client that keeps its connection open when the collector stops is waited for this long.
const SHUTDOWN_GRACE: std::time::Duration = std::time::Duration::from_secs(5);
/// A client that does not finish its handshake is cut off.
const HANDSHAKE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Half of its life, more than a year, is left when the server's certificate is due.
const CERTIFICATE_LOOK: std::time::Duration = std::time::Duration::from_secs(86_400);

/// How often it is asked whether a day is due for the archive, or to be answered from it.
const ARCHIVE_LOOK: std::time::Duration = std::time::Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    #[error("the log cannot be opened or continued")]
    Log(#[from] Fatal),
    #[error("the thread of the log panicked; what is on disk is decided at the next start")]
    Panicked,
    #[error("the index cannot be opened or continued: {0}; remit-collector rebuild makes it anew")]
    Index(String),
    #[error("cannot listen on {address}")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("TLS would be spoken in versions before 1.3: another part of this process chose so")]
    OldTls,
    #[error("TLS or gRPC cannot be set up")]
    Transport(#[from] tonic::transport::Error),
    #[error("gRPC reflection cannot be set up: {0}")]
    Reflection(String),
    #[error("the runtime failed")]
    Runtime(#[from] std::io::Error),
}

/// Seconds since 1970: the one place where this program reads the clock.
pub fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// TLS 1.3 and nothing older. In 1.2 the client's certificate, which says who asks, travels in clear
/// (RFC 8446 appendix E.1.2). tonic has no setting for the version: it takes the cipher suites of the
/// process's provider, and without one of a version there is no such version.
fn only_tls_1_3() -> Result<(), ServeError> {
    let is_1_3 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    let mut provider = crypto::ring::default_provider();
    provider.cipher_suites.retain(is_1_3);
    // An error: there is one already, of a collector before in this process, or somebody else's.
    let _ = provider.install_default();
    let ours = crypto::CryptoProvider::get_default();
    let ours = ours.is_some_and(|provider| provider.cipher_suites.iter().all(is_1_3));
    if ours { Ok(()) } else { Err(ServeError::OldTls) }
}

/// Runs the collector until `stop` resolves or its own state is in doubt.
pub async fn serve(
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    only_tls_1_3()?;
    let _lock = DirectoryLock::take(&config.dir)?;
    if keys::renew_server(&config.dir, &config.operator, now_s())? == ServerCertificate::Renewed {
        tracing::info!("the server's certificate was made anew");
    }
    let keys = Keys::load(&config.dir, &config.operator)?;
    let vkeys = (keys.log.verifier().to_string(), keys.register.verifier().to_string());
    let chunks = ChunkFiles::new(config.dir.join("chunks"));
    let revoked = RevokedKeys::default();
    enrolled::revoked(&config.dir)?.into_iter().for_each(|key| revoked.insert(key));
    let (published_tx, published) = watch::channel(Exposed::default());

    let (commands, queue) = mpsc::sync_channel::<Command>(QUEUE_LENGTH);
    let (query, to_assess, assess) =
        start_assess(&config.dir, &config, chunks.clone(), commands.clone())?;
    let parts = Parts {
        operator: config.operator.clone(),
        log_key: keys.log.clone(),
        register_key: keys.register.clone(),
        case_key: keys.cases.clone(),
        chunks: chunks.clone(),
        clock: now_s,
        to_assess,
        published: published_tx,
        revoked_keys: revoked.clone(),
        node_limits: config.limits.node,
        second_person_for: config.second_person_for.clone(),
    };
    let dir = config.dir.clone();
    let opened = tokio::task::spawn_blocking(move || Writer::open(&dir, parts))
        .await
        .map_err(std::io::Error::other)?;
    let writer = match opened {
        Ok(writer) => writer,
        Err(fatal) => return how_ended(Ok(Err(fatal)), assess.join()),
    };
    let interval = config.publish_interval;
    let (ended_tx, ended) = tokio::sync::oneshot::channel::<()>();
    let writer = thread::Builder::new().name("log".to_owned()).spawn(move || {
        let result = writer.run(&queue, interval);
        // However it ends, in a panic too, the server is told.
        drop(ended_tx);
        result
    })?;

    let access = Access::new(config.operator.clone(), revoked);
    let enrolment = Enrolment::new(
        &config.dir,
        config.operator.clone(),
        &keys.ca_key,
        &keys.ca_certificate,
        vkeys.clone(),
        now_s,
    )?;
    let revoker = tokio::spawn(revoke::watch(config.dir.clone(), commands.clone()));
    let certificate = tokio::spawn(watch_certificate(config.dir.clone(), config.operator.clone()));
    let limits = config.limits;
    let tiles = match config.tiles_listen {
        Some(address) => {
            let listener =
                listen("tiles", address, limits.tiles_connections, limits.patience).await?;
            Some(tokio::spawn(http::serve(listener, config.dir.join("public"))))
        }
        None => None,
    };
    let stopping = commands.clone();
    let router =
        router(&config, &keys, access, enrolment, commands, published, query, chunks, vkeys)
            .await?;
    let incoming = listen("grpc", config.listen, limits.connections, limits.patience).await?;
    tracing::info!(address = %config.listen, operator = %config.operator, "collector is serving");
    let (grace_tx, grace) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        tokio::select! {
            () = stop => {}
            // The writer has ended by itself: what is left is to say why.
            _ = ended => {}
        }
        // Streams of agents are open as long as the agents like, and hold the writer's queue: so it
        // is told, and with it they end. `false` is no matter: it has ended.
        tell(&stopping, Command::Stop).await;
        drop(grace_tx);
    };
    let served = tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, shutdown) => served,
        () = async {
            drop(grace.await);
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        } => {
            tracing::warn!("cut off connections that would not end");
            Ok(())
        }
    };
    revoker.abort();
    certificate.abort();
    if let Some(tiles) = tiles {
        tiles.abort();
    }
    // The writer publishes once more and ends, and the index after it.
    let joined = tokio::task::spawn_blocking(move || how_ended(writer.join(), assess.join()));
    joined.await.map_err(std::io::Error::other)??;
    Ok(served?)
}

/// A collector that runs for years is told to begin anew: what it shows is read at its start. Runs until
/// it is aborted.
async fn watch_certificate(dir: PathBuf, operator: evidence::Operator) {
    let mut renewed = false;
    loop {
        tokio::time::sleep(CERTIFICATE_LOOK).await;
        match keys::renew_server(&dir, &operator, now_s()) {
            Ok(ServerCertificate::Good { .. }) => {}
            Ok(ServerCertificate::Renewed) => renewed = true,
            Err(error) => {
                tracing::error!(error = chain(&error), "the server's certificate is not renewed");
            }
        }
        if renewed {
            tracing::warn!(
                "the server's certificate was made anew; restart the collector within a year, so that \
                 it is shown"
            );
        }
    }
}

/// How the two threads ended. If the index failed, the writer only knows that it did.
fn how_ended(
    log: thread::Result<Result<(), Fatal>>,
    index: thread::Result<Result<(), String>>,
) -> Result<(), ServeError> {
    let index = match index {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ServeError::Index(error)),
        Err(_) => Err(ServeError::Index("its thread panicked".to_owned())),
    };
    match log {
        Ok(Ok(())) => index,
        Ok(Err(Fatal::AssessEnded)) => index.and(Err(Fatal::AssessEnded.into())),
        Ok(Err(fatal)) => Err(fatal.into()),
        Err(_) => Err(ServeError::Panicked),
    }
}

type AssessThread = thread::JoinHandle<Result<(), String>>;

fn start_assess(
    dir: &Path,
    config: &Config,
    chunks: ChunkFiles,
    to_log: mpsc::SyncSender<Command>,
) -> Result<(QueryHandle, mpsc::SyncSender<Vec<Committed>>, AssessThread), ServeError> {
    let (mut assessor, query) = Assessor::open(dir, config.operator.clone(), Arc::new(chunks))
        .map_err(|error| ServeError::Index(chain(&error)))?;
    let (sender, groups) = mpsc::sync_channel::<Vec<Committed>>(ASSESS_QUEUE);
    let archive = config.archive.as_ref().map(|after| Archive::new(dir, after.holds.clone()));
    if let (Some(archive), Some(after)) = (archive.clone(), &config.archive) {
        let (dir, days, to_log) = (dir.to_owned(), i64::from(after.days), to_log.clone());
        // It only reads the index, and a day takes it some seconds; it ends with the process.
        thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || archive_days(&dir, &archive, days, &to_log))?;
    }
    let thread = thread::Builder::new().name("assess".to_owned()).spawn(move || {
        assess_all(&mut assessor, &groups, &to_log, archive.as_ref()).map_err(|error| chain(&error))
    })?;
    Ok((query, sender, thread))
}

/// The stream first; old events are judged again a step at a time, between its groups. What is left
/// when the stream ends is done after the next start.
fn assess_all(
    assessor: &mut Assessor,
    groups: &mpsc::Receiver<Vec<Committed>>,
    to_log: &mpsc::SyncSender<Command>,
    archive: Option<&Archive>,
) -> Result<(), AssessError> {
    let mut ends = VecDeque::new();
    let mut look = std::time::Instant::now();
    loop {
        let group = match assessor.has_work() {
            false => groups.recv().map(Some),
            true => match groups.try_recv() {
                Ok(group) => Ok(Some(group)),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => Err(mpsc::RecvError),
            },
        };
        let Ok(group) = group else { return Ok(()) };
        if let Some(group) = group {
            assessor.apply(group)?;
        }
        if assessor.has_work() {
            assessor.work(EVENTS_PER_STEP)?;
        }
        // An archived day stays answered from its partition until somebody looks.
        if let Some(archive) = archive
            && look.elapsed() >= ARCHIVE_LOOK
        {
            look = std::time::Instant::now();
            match assessor.retire(archive) {
                Ok(None) => {}
                Ok(Some(partition)) => {
                    tracing::info!(partition, "a day is answered from its archive");
                }
                // Nothing was dropped; a full disk, most likely.
                Err(error) => {
                    tracing::error!(error = chain(&error), "a day stays in the index");
                }
            }
        }
        ends.extend(assessor.take_finished()?);
        // Never waits: the writer may be waiting for this thread. Tried again with the next group,
        // which comes with the next publish at the latest.
        while let Some(end) = ends.pop_front() {
            let Finished { log_size, from_register, to_register, examined, revised, root } = &end;
            let command = Command::Reassessed(v1::Reassessment {
                log_size: *log_size,
                from_register_size: *from_register,
                to_register_size: *to_register,
                examined: *examined,
                changed: *revised,
                root: root.0.to_vec(),
                matcher_version: register::MATCHER_NUMBER,
            });
            if to_log.try_send(command).is_err() {
                ends.push_front(end);
                break;
            }
        }
    }
}

/// Archives what is due, a partition at a time, and has it logged.
fn archive_days(dir: &Path, archive: &Archive, days: i64, to_log: &mpsc::SyncSender<Command>) {
    loop {
        thread::sleep(ARCHIVE_LOOK);
        let before_day = now_s().div_euclid(86_400).saturating_sub(days);
        match archive::export(dir, archive, before_day, &|_| Ok(())) {
            Ok(None) => {}
            Ok(Some(Exported { partition, manifest, events })) => {
                tracing::info!(partition, events, "a day was archived");
                let manifest = manifest.0.to_vec();
                let entry = v1::Archive { partition, events, manifest };
                match to_log.try_send(Command::Archived(entry)) {
                    // Found again, and told again, at the next look.
                    Ok(()) | Err(mpsc::TrySendError::Full(_)) => {}
                    Err(mpsc::TrySendError::Disconnected(_)) => return,
                }
            }
            // The weather: a full disk, most likely. Nothing was dropped.
            Err(error) => {
                tracing::error!(error = chain(&error), "a day could not be archived");
            }
        }
    }
}

/// An error with all its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn listen(
    name: &'static str,
    address: std::net::SocketAddr,
    connections_max: u32,
    patience: Patience,
) -> Result<Listener, ServeError> {
    let bound = Listener::bind(name, address, connections_max, patience).await;
    bound.map_err(|source| ServeError::Listen { address, source })
}

#[expect(clippy::too_many_arguments, reason = "assembly: each edge takes what it needs, once")]
async fn router(
    config: &Config,
    keys: &Keys,
    access: Access,
    enrolment: Enrolment,
    writer: mpsc::SyncSender<Command>,
    published: watch::Receiver<Exposed>,
    query: QueryHandle,
    chunks: ChunkFiles,
    vkeys: (String, String),
) -> Result<tonic::transport::server::Router, ServeError> {
    let identity = Identity::from_pem(&keys.server_certificate, keys.server_key.as_bytes());
    let tls = ServerTlsConfig::new()
        .identity(identity)
        .client_ca_root(Certificate::from_pem(&keys.ca_certificate))
        // Enrolment, health and reflection come without one; `access` refuses everything else that
        // does.
        .client_auth_optional(true)
        .timeout(HANDSHAKE_TIMEOUT);
    let ingest = IngestEdge {
        access: access.clone(),
        writer: writer.clone(),
        published: published.clone(),
        enrolment: Arc::new(enrolment),
        turns: Turns::default(),
    };
    let questions = QueryEdge { access: access.clone(), query: query.clone() };
    let register = RegisterEdge {
        writer: writer.clone(),
        questions: questions.clone(),
        second_person_for: config.second_person_for.clone(),
        previewing: Arc::new(Semaphore::new(1)),
    };
    let evidence =
        EvidenceEdge { access, writer, dir: config.dir.clone(), chunks, query, published, vkeys };
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<IngestServiceServer<IngestEdge>>().await;
    health_reporter.set_serving::<RegisterServiceServer<RegisterEdge>>().await;
    health_reporter.set_serving::<QueryServiceServer<QueryEdge>>().await;
    health_reporter.set_serving::<EvidenceServiceServer<EvidenceEdge>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(remit_proto::FILE_DESCRIPTOR_SET)
    };
    let failed = |error: tonic_reflection::server::Error| ServeError::Reflection(chain(&error));
    Ok(Server::builder()
        .tls_config(tls)?
        // RFC 9113 section 10.5: what one connection may cost.
        .max_concurrent_streams(32)
        .http2_max_header_list_size(8 * 1024)
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(20)))
        .add_service(health)
        .add_service(reflection().build_v1().map_err(failed)?)
        .add_service(reflection().build_v1alpha().map_err(failed)?)
        .add_service(IngestServiceServer::new(ingest).max_decoding_message_size(MESSAGE_SIZE_MAX))
        .add_service(
            RegisterServiceServer::new(register).max_decoding_message_size(MESSAGE_SIZE_MAX),
        )
        .add_service(QueryServiceServer::new(questions))
        .add_service(EvidenceServiceServer::new(evidence)))
}
