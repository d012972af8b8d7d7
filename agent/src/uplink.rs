//! The uplink: hands in the spool's batches, and takes back what releases them.
//!
//! In: what is durable ([`View`], [`Reader`]). Out: [`Receipts`] for the recorder. One task of the
//! runtime; it never waits for the recorder, and memory holds at most [`UNACKNOWLEDGED_MAX`]
//! batches.
//!
//! - Order: the oldest generation with segments first, until its last head is logged or it can never
//!   be; then the next. Within one: from the size that the collector says it holds.
//! - Each session: `Hello`, `Resume`, then batches, each with its chunks ahead.
//! - A refusal, a broken stream or silence ends the session; the next one comes after a jittered,
//!   growing pause. Nothing is ever given up: the spool keeps what is not proven to be logged.
//! - Before the first batch of a run: see `spool::contact`.
//! - A receipt releases only what it proves (`receipts`).
//! - The node's certificate is renewed over the same connection (`certificate`).

pub mod certificate;
pub mod endpoint;
pub mod receipts;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use certificate::Certificate;
use endpoint::{Endpoint, EndpointError, Pem};
use evidence::AgentOrigin;
use receipts::{Proven, ReceiptError};
use remit_proto::v1::{
    self, RefusalCode, ingest_service_client::IngestServiceClient, submit_request, submit_response,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use zeroize::Zeroizing;

use crate::{
    clock::Clock,
    config::CollectorEndpoint,
    keys::{self, Identity, NodeKey},
    logging::chain,
    metrics::Metric,
    recorder::{Receipt, Receipts},
    spool::{ReadError, Reader, View, contact::Contact},
};

/// Everything that the uplink is made of.
pub struct Uplink {
    pub endpoints: Vec<Endpoint>,
    pub certificate: Certificate,
    pub identity: Identity,
    pub key: NodeKey,
    pub spool: PathBuf,
    pub view: watch::Receiver<View>,
    pub receipts: watch::Sender<Receipts>,
    pub contact: Contact,
}

#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    #[error("TLS cannot be set up from the node's tls.crt, tls.key and ca.pem")]
    Tls(#[source] EndpointError),
    #[error("reading the node's TLS files")]
    Files(#[from] keys::KeyError),
    #[error("the collector cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    #[error("the collector ended the stream: {}", .0.message())]
    Stream(Box<tonic::Status>),
    #[error("the collector closed the stream")]
    Closed,
    #[error("the collector does not answer")]
    Silence,
    #[error("the collector sent something out of order")]
    OutOfOrder,
    #[error("the collector refused at size {size}: {code} {detail}")]
    Refused {
        code: &'static str,
        kind: RefusalCode,
        size: u64,
        detail: String,
        retry_after: Duration,
    },
    #[error("a receipt does not hold")]
    Receipt(#[from] ReceiptError),
    #[error("the spool cannot be read")]
    Spool(#[from] ReadError),
    #[error("the note of where the spool ends could not be deleted")]
    Contact(#[source] std::io::Error),
    #[error(
        "the node's certificate ended {days} day(s) ago; ask the operator for a token \
         (remit-collector enrol node … --renew) and give it to remit-agent renew --token"
    )]
    Expired {
        days: i64,
        #[source]
        source: Box<UplinkError>,
    },
    #[error("the collector holds {held} leaves, and the spool ended at {ended} when we started")]
    RolledBack { held: u64, ended: u64 },
}

/// The node's TLS files, PEM.
struct Files {
    ca: String,
    certificate: String,
    key: Zeroizing<String>,
}

impl Files {
    fn read(dir: &Path) -> Result<Self, keys::KeyError> {
        Ok(Self {
            ca: keys::read(&dir.join(keys::CA))?,
            certificate: keys::read(&dir.join(keys::TLS_CERTIFICATE))?,
            key: Zeroizing::new(keys::read(&dir.join(keys::TLS_KEY))?),
        })
    }
}

/// The endpoints of the configuration, with the node's own TLS files.
pub fn endpoints(
    collectors: &[CollectorEndpoint],
    dir: &Path,
) -> Result<Vec<Endpoint>, UplinkError> {
    with_files(collectors, &Files::read(dir)?)
}

fn with_files(
    collectors: &[CollectorEndpoint],
    files: &Files,
) -> Result<Vec<Endpoint>, UplinkError> {
    let own = Some((files.certificate.as_str(), &files.key));
    let tls = endpoint::tls(Pem { authority: &files.ca, own }).map_err(UplinkError::Tls)?;
    collectors
        .iter()
        .map(|CollectorEndpoint { url, tls_name }| {
            Endpoint::new(url, tls_name.as_deref(), &tls).map_err(UplinkError::Tls)
        })
        .collect()
}

impl Uplink {
    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        let mut attempt = 0;
        let mut progress = Progress::new(&self);
        loop {
            let before = progress.accepted;
            let error = match self.session(&mut progress, attempt).await {
                Ok(()) => {
                    pause = PAUSE_MIN;
                    continue;
                }
                Err(error) => self.unless_over(error),
            };
            Metric::Connected.set(0);
            Metric::Reconnects.add(1);
            self.report(&error, &mut progress);
            let asked_for = error.retry_after();
            attempt += 1;
            if progress.accepted > before {
                pause = PAUSE_MIN;
            }
            sleep(asked_for + jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// What fails before anything was said, with a certificate that is over, fails because of it.
    fn unless_over(&mut self, error: UplinkError) -> UplinkError {
        let by_tls = matches!(
            error,
            UplinkError::Connect(_)
                | UplinkError::Stream(_)
                | UplinkError::Closed
                | UplinkError::Silence
        );
        let Some(days) = self.certificate.days_over(Clock::system().now_s()) else { return error };
        // Somebody may have put another one there; what is wrong with it is said as well.
        match self.certificate.read() {
            Ok(endpoints) => self.endpoints = endpoints,
            Err(error) => return error,
        }
        if by_tls { UplinkError::Expired { days, source: Box::new(error) } } else { error }
    }

    fn report(&self, error: &UplinkError, progress: &mut Progress) {
        let text = chain(error);
        match error {
            UplinkError::RolledBack { .. } => {
                tracing::error!(error = text, "the spool is behind the collector");
                let ordinal = progress.ordinal;
                if progress.is_newest(&self.view.borrow()) {
                    self.receipts.send_modify(|receipts| receipts.rolled_back = Some(ordinal));
                }
                self.give_up(progress);
            }
            UplinkError::Refused { kind: RefusalCode::Limit, .. } => {
                Metric::Refused.add(1);
                if progress.limit_is_news(Instant::now()) {
                    let what =
                        "the collector takes no more for now; the spool is kept, and goes on later";
                    tracing::error!(error = text, "{what}");
                }
            }
            UplinkError::Refused { kind, .. } => {
                Metric::Refused.add(1);
                tracing::error!(error = text, "the collector refuses; the spool is kept");
                // A superseded generation will never be taken; the newest one may be.
                if *kind == RefusalCode::SupersededGeneration
                    && !progress.is_newest(&self.view.borrow())
                {
                    self.give_up(progress);
                }
            }
            UplinkError::Receipt(_) => {
                Metric::CheckpointRejected.add(1);
                tracing::error!(error = text, "the collector's log contradicts itself or its key");
            }
            UplinkError::Spool(_) if !progress.is_newest(&self.view.borrow()) => {
                tracing::error!(error = text, "what is left of an old generation cannot be sent");
                self.give_up(progress);
            }
            UplinkError::Spool(_) => tracing::error!(error = text, "the spool cannot be read"),
            UplinkError::Expired { .. } => {
                tracing::error!(error = text, "the spool is kept until there is a certificate");
            }
            _ => tracing::warn!(error = text, "the collector cannot be reached; trying again"),
        }
    }

    fn give_up(&self, progress: &mut Progress) {
        progress.give_up();
        let ordinal = progress.ordinal;
        self.receipts.send_modify(|receipts| {
            receipts.given_up.insert(ordinal);
        });
    }

    /// One stream. Ends well when a generation is done.
    async fn session(
        &mut self,
        progress: &mut Progress,
        attempt: usize,
    ) -> Result<(), UplinkError> {
        let Some(origin) = self.next_generation(progress).await else {
            // The recorder is gone; so are we, soon.
            sleep(PAUSE_MAX).await;
            return Ok(());
        };
        let at = attempt.checked_rem(self.endpoints.len()).unwrap_or(0);
        let endpoint = self.endpoints.get(at).ok_or(UplinkError::Closed)?;
        let channel = endpoint.connect().await.map_err(UplinkError::Connect)?;
        let mut client = IngestServiceClient::new(channel.clone())
            .max_decoding_message_size(MESSAGE_SIZE_MAX)
            .max_encoding_message_size(MESSAGE_SIZE_MAX);
        let (outbound, requests) = mpsc::channel(QUEUE_SIZE);
        let signer = self.key.signer(&origin).map_err(|_| UplinkError::OutOfOrder)?;
        let hello = v1::Hello {
            origin: origin.to_string(),
            size: end_of(&self.view.borrow(), progress.ordinal),
            checkpoint_size: progress.receipts.checkpoint_size(),
            public_key: signer.verifier().public_bytes().to_vec(),
        };
        send(&outbound, submit_request::Message::Hello(hello)).await?;
        let inbound = timeout(ANSWER_TIMEOUT, client.submit(ReceiverStream::new(requests)))
            .await
            .map_err(|_| UplinkError::Silence)?
            .map_err(|status| UplinkError::Stream(Box::new(status)))?;
        let mut session = Session {
            reader: Reader::new(self.spool.clone()),
            view: self.view.clone(),
            inbound: inbound.into_inner(),
            outbound,
            verifier: signer.verifier(),
            origin,
            next: 0,
            unacknowledged: 0,
            last_answer: Instant::now(),
            recorder_ended: false,
        };
        session.resume(&mut self.contact, progress).await?;
        Metric::Connected.set(1);
        tracing::info!(size = session.next, "connected to the collector");
        tokio::select! {
            ended = session.run(progress, &self.receipts) => ended,
            // What was sent and not answered is sent again, by the size that the collector states.
            endpoints = self.certificate.renewed(channel) => {
                self.endpoints = endpoints;
                Ok(())
            }
        }
    }

    /// The oldest generation with something left to do.
    async fn next_generation(&mut self, progress: &mut Progress) -> Option<AgentOrigin> {
        loop {
            let found = {
                let view = self.view.borrow_and_update();
                let newest = view.segments.last().map(|segment| segment.ordinal);
                view.segments
                    .iter()
                    .find(|segment| {
                        segment.ordinal > progress.done || Some(segment.ordinal) == newest
                    })
                    .map(|segment| (segment.ordinal, segment.generation))
            };
            match found {
                Some((ordinal, generation)) if ordinal > progress.done => {
                    if ordinal != progress.ordinal {
                        progress.begin(ordinal);
                    }
                    return Some(self.identity.origin(generation));
                }
                // Given up, and no other one yet.
                _ => self.view.changed().await.ok()?,
            }
        }
    }
}

/// What outlasts a session.
struct Progress {
    /// The generation in hand.
    ordinal: u32,
    /// Generations up to this one are done, or will never be.
    done: u32,
    accepted: u64,
    receipts: Proven,
    /// When the collector last refused because of a limit.
    limited: Option<Instant>,
}

impl Progress {
    fn new(uplink: &Uplink) -> Self {
        let receipts = Proven::load(&uplink.spool, uplink.identity.log_key.clone());
        if let Some(digest) = receipts.checkpoint_digest() {
            uplink.receipts.send_modify(|receipts| receipts.checkpoint = Some(digest));
        }
        Self { ordinal: 0, done: 0, accepted: 0, receipts, limited: None }
    }

    fn begin(&mut self, ordinal: u32) {
        self.ordinal = ordinal;
        self.accepted = 0;
        self.receipts.begin_generation();
    }

    fn is_newest(&self, view: &View) -> bool {
        view.segments.last().is_none_or(|segment| segment.ordinal == self.ordinal)
    }

    fn give_up(&mut self) {
        self.done = self.ordinal;
    }

    /// It comes again each time, until the limit is raised or no longer reached: said once.
    fn limit_is_news(&mut self, now: Instant) -> bool {
        let before = self.limited.replace(now);
        before.is_none_or(|at| now.duration_since(at) >= LIMIT_QUIET)
    }
}

struct Session {
    reader: Reader,
    view: watch::Receiver<View>,
    inbound: Streaming<v1::SubmitResponse>,
    outbound: mpsc::Sender<v1::SubmitRequest>,
    verifier: tlog::note::VerifierKey,
    origin: AgentOrigin,
    /// Tree size from which on nothing was sent yet.
    next: u64,
    unacknowledged: usize,
    last_answer: Instant,
    recorder_ended: bool,
}

impl Session {
    /// Waits for the collector's size and makes sure that we may continue from there.
    async fn resume(
        &mut self,
        contact: &mut Contact,
        progress: &mut Progress,
    ) -> Result<(), UplinkError> {
        let held = match self.answer(ANSWER_TIMEOUT).await? {
            submit_response::Message::Resume(v1::Resume { size }) => size,
            submit_response::Message::Refused(refused) => return Err(refusal(refused)),
            _ => return Err(UplinkError::OutOfOrder),
        };
        let ours = end_of(&self.view.borrow(), progress.ordinal);
        if held > ours {
            return Err(UplinkError::RolledBack { held, ended: ours });
        }
        match contact.confirm(&self.origin, held) {
            Ok(done) => done.map_err(UplinkError::Contact)?,
            Err(ended) => return Err(UplinkError::RolledBack { held, ended }),
        }
        self.next = held;
        progress.accepted = held;
        Ok(())
    }

    async fn run(
        &mut self,
        progress: &mut Progress,
        receipts: &watch::Sender<Receipts>,
    ) -> Result<(), UplinkError> {
        loop {
            while self.unacknowledged < UNACKNOWLEDGED_MAX && self.send_next(progress).await? {}
            if self.is_done(progress) {
                progress.give_up();
                return Ok(());
            }
            let deadline = if self.unacknowledged > 0 {
                self.last_answer + ANSWER_TIMEOUT
            } else {
                Instant::now() + IDLE_WAKE
            };
            tokio::select! {
                message = self.inbound.message() => {
                    let message = message
                        .map_err(|status| UplinkError::Stream(Box::new(status)))?
                        .ok_or(UplinkError::Closed)?;
                    self.last_answer = Instant::now();
                    self.take(message, progress, receipts)?;
                }
                // The recorder has ended: what is durable is still to be handed in.
                changed = self.view.changed(), if !self.recorder_ended => {
                    self.recorder_ended = changed.is_err();
                }
                () = tokio::time::sleep_until(deadline) => {
                    if self.unacknowledged > 0 {
                        return Err(UplinkError::Silence);
                    }
                }
            }
        }
    }

    /// An old generation is done when all of it is logged.
    fn is_done(&self, progress: &Progress) -> bool {
        let view = self.view.borrow();
        let end = end_of(&view, progress.ordinal);
        !progress.is_newest(&view) && progress.receipts.logged() >= end
    }

    /// Sends the next batch with its chunks ahead, if there is one.
    async fn send_next(&mut self, progress: &Progress) -> Result<bool, UplinkError> {
        let view = self.view.borrow().clone();
        let Some(spooled) = self.reader.batch(&view, progress.ordinal, self.next)? else {
            return Ok(false);
        };
        for id in &spooled.chunks {
            match self.reader.chunk(id)? {
                Some(bytes) => {
                    send(&self.outbound, submit_request::Message::Chunk(bytes.into())).await?;
                }
                // The collector may hold it; if not, it says so.
                None => tracing::warn!("a chunk of a snapshot is not in the spool any more"),
            }
        }
        if self.unacknowledged == 0 {
            self.last_answer = Instant::now();
        }
        send(&self.outbound, submit_request::Message::Batch(spooled.encoded.into())).await?;
        self.next = spooled.size;
        self.unacknowledged += 1;
        Ok(true)
    }

    fn take(
        &mut self,
        message: v1::SubmitResponse,
        progress: &mut Progress,
        receipts: &watch::Sender<Receipts>,
    ) -> Result<(), UplinkError> {
        match message.message.ok_or(UplinkError::OutOfOrder)? {
            submit_response::Message::Accepted(v1::Accepted { size }) => {
                if size > self.next || size < progress.accepted {
                    return Err(UplinkError::OutOfOrder);
                }
                self.unacknowledged = self.unacknowledged.saturating_sub(1);
                progress.accepted = size;
                Metric::SizeAccepted.set(size);
                Ok(())
            }
            submit_response::Message::Logged(logged) => {
                let size = logged.size;
                progress.receipts.take(&logged, &self.origin, &self.verifier)?;
                Metric::SizeLogged.set(size);
                let receipt =
                    Receipt { safe: progress.receipts.safe(), logged: progress.receipts.logged() };
                let checkpoint = progress.receipts.checkpoint_digest();
                let ordinal = progress.ordinal;
                receipts.send_modify(|receipts| {
                    receipts.generations.insert(ordinal, receipt);
                    receipts.checkpoint = checkpoint;
                });
                Ok(())
            }
            submit_response::Message::ChunkStored(v1::ChunkStored { digest: _ }) => Ok(()),
            submit_response::Message::Refused(refused) => Err(refusal(refused)),
            submit_response::Message::Resume(_) => Err(UplinkError::OutOfOrder),
        }
    }

    async fn answer(&mut self, within: Duration) -> Result<submit_response::Message, UplinkError> {
        let message = timeout(within, self.inbound.message())
            .await
            .map_err(|_| UplinkError::Silence)?
            .map_err(|status| UplinkError::Stream(Box::new(status)))?
            .ok_or(UplinkError::Closed)?;
        message.message.ok_or(UplinkError::OutOfOrder)
    }
}

async fn send(
    outbound: &mpsc::Sender<v1::SubmitRequest>,
    message: submit_request::Message,
) -> Result<(), UplinkError> {
    let request = v1::SubmitRequest { message: Some(message) };
    match timeout(ANSWER_TIMEOUT, outbound.send(request)).await {
        Ok(sent) => sent.map_err(|_| UplinkError::Closed),
        Err(_) => Err(UplinkError::Silence),
    }
}

fn refusal(refused: v1::Refused) -> UplinkError {
    let v1::Refused { code, size, detail, retry_after_s } = refused;
    let kind = RefusalCode::try_from(code).unwrap_or(RefusalCode::Unspecified);
    let retry_after = Duration::from_secs(retry_after_s.into()).min(RETRY_AFTER_MAX);
    UplinkError::Refused { code: kind.as_str_name(), kind, size, detail, retry_after }
}

impl UplinkError {
    /// What the collector asks us to wait, beside our own pause.
    fn retry_after(&self) -> Duration {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => Duration::ZERO,
        }
    }
}

/// Where a generation ends in the spool.
fn end_of(view: &View, ordinal: u32) -> u64 {
    let of_it = view.segments.iter().filter(|segment| segment.ordinal == ordinal);
    of_it.map(|segment| segment.end).max().unwrap_or(0)
}

/// Half of the pause, and up to half of it more, so that agents do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let mut bytes = [0; 2];
    // Without random bytes there is no jitter.
    let _ = getrandom::fill(&mut bytes);
    pause / 2 + pause.mul_f64(f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX) / 2.0)
}

/// DESIGN.md section 3, "Submit".
pub const UNACKNOWLEDGED_MAX: usize = 8;
/// No message exceeds 1 MiB; gRPC's own framing is not counted.
const MESSAGE_SIZE_MAX: usize = 1024 * 1024;
/// Messages between us and the stream: flow control does the rest.
const QUEUE_SIZE: usize = 2;
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A collector that asks for longer is asked again all the same: its limit may have been raised.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// A limit that was not reached for so long is news again.
const LIMIT_QUIET: Duration = Duration::from_secs(3600);
/// A collector that is alive answers a batch in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_WAKE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_asks_to_wait_is_asked_again_within_ten_minutes() {
        let wait = |retry_after_s| {
            let code = RefusalCode::Limit.into();
            let refused = v1::Refused { code, size: 0, detail: String::new(), retry_after_s };
            refusal(refused).retry_after().as_secs()
        };
        assert_eq!([wait(0), wait(5), wait(u32::MAX)], [0, 5, 600]);
        assert_eq!(UplinkError::Closed.retry_after(), Duration::ZERO);
    }

    #[test]
    fn a_limit_is_said_once_and_again_after_an_hour_without() {
        let receipts = Proven::load(std::path::Path::new("/nowhere"), log_key());
        let mut progress = Progress { ordinal: 0, done: 0, accepted: 0, receipts, limited: None };
        let start = Instant::now();
        let mut news = |s| progress.limit_is_news(start + Duration::from_secs(s));
        assert_eq!([0, 600, 1200, 4799, 8399].map(&mut news), [true, false, false, false, true]);
    }

    fn log_key() -> tlog::note::VerifierKey {
        let name = tlog::note::KeyName::new("example.net/log/1").unwrap();
        tlog::note::SigningKey::new(name, [1; 32]).verifier()
    }
}
