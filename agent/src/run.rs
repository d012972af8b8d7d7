//! Putting the line together, and taking it apart: sources → recorder → spool → uplink.
//!
//! Order at start: privileges first (before any thread), then spool and recovery, recorder, sources,
//! uplink. Order at the end: sources, recorder with its last seal, then the uplink has a few seconds
//! to hand in what is left; the rest waits in the spool.

use std::{
    fs,
    future::pending,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use remit_proto::v1::SourceKind;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    time::sleep,
};

use crate::{
    clock::Clock,
    config::{Config, Memory},
    confinement::{Confinement, confine},
    enrol::SPOOL,
    health::Stop,
    keys::{self, Identity, NodeKey},
    metrics,
    privacy::Privacy,
    privileges,
    recorder::{self, Launch, Receipts, Recorder, RecorderError, ReportSender, StartFacts},
    sources::{
        SourceError,
        registry::{self, SourceThread},
    },
    spool::{Spool, SpoolTree, View, contact::Contact},
    uplink::{self, Uplink, certificate::Certificate},
};

/// Runs until a signal ends it (`Ok`) or it must stop.
pub fn run(config: Config, until_stdin_ends: bool) -> Result<(), Stop> {
    match reduce_privileges(&config, None)? {
        Confinement::InForce { abi } => tracing::info!(abi, "confined to the files it needs"),
        Confinement::Unavailable { abi } => {
            tracing::warn!(abi, "this kernel cannot confine the agent to the files it needs");
        }
        Confinement::Off => tracing::info!("confine_files = false: not confined to files"),
    }
    let Opened { recorder, exit, privacy, resumed_at_s } =
        Opened::open(&config, registry::kinds(&config))?;
    let (view, receipts) = (exit.view.clone(), exit.receipts.clone());
    // Before any thread is started: what is wrong with its files ends the agent, and says so.
    let uplink = exit.uplink(&config)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, messages) = recorder::channel();
    let line = registry::Line {
        sender: sender.clone(),
        privacy: Arc::new(privacy),
        secret: recorder.secret(),
        cursors: recorder.cursors(),
        resumed_at_s,
        stop: stop.clone(),
    };
    let input_ended = until_stdin_ends.then(|| end_of(io::stdin())).transpose()?;
    let (ended, recorder_ended) = oneshot::channel();
    let recorder_thread = thread::Builder::new()
        .name("recorder".into())
        .spawn(move || {
            // If the other side is gone, the process is ending.
            let _ = ended.send(recorder.run(&messages));
        })
        .map_err(|source| Stop::System { what: "starting the recorder", source })?;
    let source_threads = registry::spawn_all(&config, &line)
        .map_err(|source| Stop::System { what: "starting a source", source })?;

    let result = runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let told = async move {
            tokio::select! {
                () = signals.wait() => {}
                () = reached(input_ended) => {}
            }
        };
        if let Some(listen) = config.metrics_listen
            && let Err(error) = metrics::serve(listen).await
        {
            // Nobody loses evidence for want of a graph.
            tracing::error!(%error, "the metrics endpoint cannot be served");
        }
        let uplink = tokio::spawn(uplink.run());
        let result = until_the_end(told, recorder_ended, &sender, &stop, source_threads).await;
        if matches!(result, Ok(()) | Err(Stop::Source(_))) {
            hand_in_the_rest(&view, &receipts).await;
        }
        uplink.abort();
        result
    });
    // However it came to this, nothing is to wait for what goes on.
    stop.store(true, Ordering::Relaxed);
    sender.stop();
    if recorder_thread.join().is_err() {
        return Err(Stop::Lost("the recorder"));
    }
    result
}

/// What the configuration says, before any thread is started. `more`: a file that a command reads.
pub(crate) fn reduce_privileges(config: &Config, more: Option<&Path>) -> Result<Confinement, Stop> {
    match &config.user {
        Some(user) => privileges::drop_to(user)?,
        None => privileges::reduce()?,
    }
    confine(config, more).map_err(|source| Stop::System { what: "confining to files", source })
}

/// Whoever has started it for a while holds the other end, which the kernel closes whatever becomes of them; SIGKILL
/// leaves nobody who could send a signal. `PR_SET_PDEATHSIG` would not outlast the change of user.
///
/// A signal to itself would be lost, or end it without a last seal, where the input has ended before handlers are there;
/// the first process of a container would not even get it.
fn end_of(mut input: impl Read + Send + 'static) -> Result<oneshot::Receiver<()>, Stop> {
    let (ended, end) = oneshot::channel();
    let wait = move || {
        // An input that cannot be read has ended as well.
        let _ = io::copy(&mut input, &mut io::sink());
        // If the other side is gone, the process is ending.
        let _ = ended.send(());
    };
    let thread = thread::Builder::new().name("stdin".into()).spawn(wait);
    let waits =
        thread.map_err(|source| Stop::System { what: "waiting for standard input", source });
    waits.map(|_| end)
}

/// Never, where there is no input to wait for.
async fn reached(end: Option<oneshot::Receiver<()>>) {
    match end {
        // Without a word its thread is gone, and nobody waits for the input any more.
        Some(end) => drop(end.await),
        None => pending().await,
    }
}

/// For uplink, metrics and signals.
pub fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Stop::System { what: "starting the runtime", source })
}

/// A node at work: its spool is open and its `Start` durable.
pub(crate) struct Opened {
    pub(crate) recorder: Recorder,
    pub(crate) exit: Exit,
    pub(crate) privacy: Privacy,
    /// Time of the last durable record before this start.
    pub(crate) resumed_at_s: Option<i64>,
}

/// The end of the line on this node.
pub(crate) struct Exit {
    identity: Identity,
    key: NodeKey,
    spool: PathBuf,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) receipts: watch::Sender<Receipts>,
    contact: Contact,
}

impl Opened {
    pub(crate) fn open(config: &Config, sources: Vec<SourceKind>) -> Result<Self, Stop> {
        let key = NodeKey::load(&config.dir.join(keys::NODE_KEY))?;
        let identity = Identity::load(&config.dir)?;
        let facts = start_facts(sources)?;
        let (spool_dir, bytes_max) = (config.spool_dir(), config.spool_bytes_max);
        let (spool, recovery) = match &config.memory {
            None => Spool::open(&spool_dir, bytes_max)?,
            Some(Memory { dir: _, loss_bound_s }) => {
                let flash = config.dir.join(SPOOL);
                Spool::open_in_memory(&spool_dir, bytes_max, &flash, *loss_bound_s)?
            }
        };
        let found = recovery.tree.clone();
        let resumed_at_s = recovery.state.as_ref().map(|state| state.small.at_s);
        let (sender, receipts) = watch::channel(Receipts::default());
        let recorder = Recorder::start(Launch {
            config: config.clone(),
            clock: Clock::system(),
            key: key.clone(),
            identity: identity.clone(),
            facts,
            spool,
            recovery,
            receipts,
        })?;
        let size = found_size(&found, &recorder);
        let contact = Contact::begin(&spool_dir, &recorder.tree().origin, size);
        let privacy = Privacy::new(config.customer_prefixes.clone(), &key, !config.reduced());
        let view = recorder.watch();
        let exit = Exit { identity, key, spool: spool_dir, view, receipts: sender, contact };
        Ok(Self { recorder, exit, privacy, resumed_at_s })
    }
}

impl Exit {
    pub(crate) fn uplink(self, config: &Config) -> Result<Uplink, Stop> {
        let Self { identity, key, spool, view, receipts, contact } = self;
        let (certificate, endpoints) =
            Certificate::load(config.dir.clone(), config.collectors.clone()).map_err(endpoints)?;
        Ok(Uplink { endpoints, certificate, identity, key, spool, view, receipts, contact })
    }
}

/// Waits until it is told to stop or the recorder ends, then empties the line from its source.
async fn until_the_end(
    told: impl Future<Output = ()>,
    mut recorder_ended: oneshot::Receiver<Result<(), RecorderError>>,
    sender: &ReportSender,
    stop: &AtomicBool,
    mut sources: Vec<SourceThread>,
) -> Result<(), Stop> {
    let mut failed = None;
    tokio::select! {
        () = told => {}
        error = a_source_fails(&mut sources) => failed = Some(error),
        ended = &mut recorder_ended => {
            stop.store(true, Ordering::Relaxed);
            return ended.map_err(|_| Stop::Lost("the recorder"))?.map_err(Stop::Recorder);
        }
    }
    tracing::info!("stopping");
    stop.store(true, Ordering::Relaxed);
    // Sources look at the flag at least once a second. They are waited for without the runtime,
    // which meanwhile keeps the uplink going.
    let sources = tokio::task::spawn_blocking(move || {
        sources.into_iter().filter_map(|thread| thread.join().err()).next()
    });
    match tokio::time::timeout(SOURCES_END, sources).await {
        Ok(Ok(error)) => failed = failed.or(error),
        Ok(Err(_)) => failed = failed.or(Some(SourceError::Defect("join".to_owned()))),
        Err(_) => tracing::warn!("a source does not end; stopping without it"),
    }
    let sender = sender.clone();
    // The channel may be full for a moment.
    tokio::task::spawn_blocking(move || sender.stop());
    recorder_ended.await.map_err(|_| Stop::Lost("the recorder"))?.map_err(Stop::Recorder)?;
    failed.map_or(Ok(()), |error| Err(Stop::Source(error)))
}

/// What tells the agent to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Stop> {
        let listen = |kind| {
            signal(kind).map_err(|source| Stop::System { what: "listening for signals", source })
        };
        let (terminate, interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hangup: listen(SignalKind::hangup())? })
    }

    pub(crate) async fn wait(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // Log rotation and closed terminals send it: no reason to stop observing.
                _ = self.hangup.recv() => tracing::info!(
                    "SIGHUP: nothing is read anew; restart the agent for another configuration"
                ),
            }
        }
    }
}

/// Waits until a source ends without having been told to.
async fn a_source_fails(sources: &mut Vec<SourceThread>) -> SourceError {
    loop {
        sleep(SOURCES_LOOK).await;
        if let Some(at) = sources.iter().position(SourceThread::is_finished) {
            let ended = sources.swap_remove(at).join();
            let without = || SourceError::Defect("(without an error)".to_owned());
            return ended.err().unwrap_or_else(without);
        }
    }
}

/// Gives the last seal a chance to arrive.
async fn hand_in_the_rest(view: &watch::Receiver<View>, receipts: &watch::Sender<Receipts>) {
    if tokio::time::timeout(LAST_WORDS, all_logged(view, receipts)).await.is_err() {
        tracing::info!("stopped before everything was logged; the spool keeps the rest");
    }
}

/// Waits until the collector's log holds all that is durable here.
pub(crate) async fn all_logged(view: &watch::Receiver<View>, receipts: &watch::Sender<Receipts>) {
    loop {
        let newest = view.borrow().segments.last().copied();
        let logged = newest.is_none_or(|segment| {
            let receipts = receipts.borrow();
            let receipt = receipts.generations.get(&segment.ordinal);
            receipt.is_some_and(|receipt| receipt.logged >= segment.end)
        });
        if logged {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn endpoints(error: uplink::UplinkError) -> Stop {
    match error {
        uplink::UplinkError::Files(error) => Stop::Keys(error),
        other => Stop::System {
            what: "setting up the uplink",
            source: io::Error::other(crate::logging::chain(&other)),
        },
    }
}

/// Where this start found the tree to end; a new generation begins at 0.
fn found_size(found: &Option<SpoolTree>, recorder: &Recorder) -> u64 {
    let same = found.as_ref().filter(|tree| tree.origin == recorder.tree().origin);
    same.map_or(0, |tree| tree.edge.size())
}

fn start_facts(sources: Vec<SourceKind>) -> Result<StartFacts, Stop> {
    let read = |path: &str| {
        fs::read_to_string(path).map_err(|source| Stop::System { what: "reading /proc", source })
    };
    let boot_id = read("/proc/sys/kernel/random/boot_id")?;
    let digits: String = boot_id.chars().filter(char::is_ascii_hexdigit).collect();
    let boot_id = u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes();
    let kernel_version = read("/proc/sys/kernel/osrelease")?.trim().to_owned();
    Ok(StartFacts { boot_id, kernel_version, sandbox: privileges::sandbox(), sources })
}

/// How soon a source that failed is noticed.
const SOURCES_LOOK: Duration = Duration::from_millis(500);
/// Sources look at the flag at least once a second.
const SOURCES_END: Duration = Duration::from_secs(5);
/// What a service manager grants before it kills is 90 s; a reboot should not wait for us.
const LAST_WORDS: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::time::timeout;

    use super::*;
    use crate::recorder::Message;

    #[test]
    fn an_input_that_had_ended_before_anybody_waited_ends_the_line_in_order() {
        let (sender, messages) = recorder::channel();
        let (ended, recorder_ended) = oneshot::channel();
        // A recorder that has its last seal to write and nothing else.
        let stop = Arc::new(AtomicBool::new(false));
        let sources = Arc::clone(&stop);
        let recorder = thread::spawn(move || {
            let told = messages.recv();
            let first = sources.load(Ordering::Relaxed);
            ended.send(Ok(())).unwrap();
            (first, matches!(told, Ok(Message::Stop)))
        });
        let input = end_of(io::empty()).unwrap();
        while input.is_empty() {
            thread::yield_now();
        }
        let line = until_the_end(reached(Some(input)), recorder_ended, &sender, &stop, Vec::new());
        runtime().unwrap().block_on(line).unwrap();
        let told = (true, true);
        assert_eq!(recorder.join().unwrap(), told, "the sources first, then the recorder to seal");
    }

    #[test]
    fn an_input_that_stays_open_or_is_not_waited_for_ends_nothing() {
        runtime().unwrap().block_on(async {
            let within = Duration::from_millis(30);
            assert!(timeout(within, reached(None)).await.is_err());
            let (held, input) = UnixStream::pair().unwrap();
            let mut end = std::pin::pin!(reached(Some(end_of(input).unwrap())));
            assert!(timeout(within, &mut end).await.is_err());
            drop(held);
            timeout(Duration::from_secs(30), end).await.unwrap();
        });
    }
}
