//! The collector: CPU per leaf to `Accepted`, over loopback gRPC with TLS.
//!
//! The real program on the management host, and a node that is enrolled like any other. Instead of
//! its agent, this process hands in batches that were made beforehand, eight unacknowledged at most,
//! as the agent does. The thread that judges (`assess`) works behind the answers and is accounted by
//! itself; everything else that the collector does in that time is in the ratio: TLS, HTTP/2,
//! decoding, both checks of each leaf, openings, journal and syncs, publishing.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use evidence::{AgentOrigin, Generation, batch};
use prost::Message as _;
use remit_proto::v1::{
    self, ingest_service_client::IngestServiceClient, submit_request, submit_response,
};
use tlog::{
    Edge,
    note::{KeyName, SigningKey},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    Row, Settings, cpu, floor,
    leaves::{self, Activities},
    median, now_s,
};
use crate::{
    collector::{Collector, OPERATOR},
    network::{Host, Network},
    node::Node,
    process::Programs,
    traffic::on,
};

/// Ratio to `Accepted`; and what the judging costs beside.
pub fn measure(
    network: &Network,
    programs: &Programs,
    dir: &Path,
    settings: &Settings,
) -> Result<Vec<Row>> {
    fs::create_dir_all(dir)?;
    let mut collector = Collector::start(network, programs, &dir.join("collector"), PORT)?;
    let pid = collector.process().context("the collector runs")?.id();
    let host = Host::Management;
    let node = Node::enrol(network, programs, &collector, host, NODE, &dir.join(NODE), "")?;
    let state = node.dir.join("state");
    let mut author = Author::new(&fs::read_to_string(state.join("node.key"))?)?;
    let (mut ratios, mut floors, mut costs, mut judging) = (vec![], vec![], vec![], vec![]);
    on(network, host, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut stream = runtime.block_on(Stream::open(&collector.url, &state, &author))?;
        runtime.block_on(stream.hand_in(vec![author.first_batch()?]))?;
        let idle = idle_share(pid)?;
        for _ in 0..settings.rounds {
            let before = author.edge.clone();
            let batches = author.batches(settings.batches)?;
            let floor = floor::collector(&batches, &before, &author.key.verifier())?;
            let count = (author.edge.size() - before.size()) as f64;
            let (begin, start) = (Instant::now(), Used::of(pid)?);
            runtime.block_on(stream.hand_in(batches))?;
            let accepted = Used::of(pid)?.since(&start);
            let idle = begin.elapsed().mul_f64(idle);
            wait_for_assess(pid)?;
            let judged = Used::of(pid)?.since(&start);
            let each = accepted.others.saturating_sub(idle).as_nanos() as f64 / count;
            let floor = floor.as_nanos() as f64;
            ratios.push(each / floor);
            floors.push(floor);
            costs.push(each);
            judging.push(judged.assess.as_nanos() as f64 / count / floor);
        }
        Ok(())
    })?;
    let memory = cpu::memory(pid)?;
    collector.stop()?;
    let (each, floor) = (median(&costs), median(&floors));
    let accepted = Row {
        what: "collector CPU per leaf to Accepted, over its floor",
        unit: "×",
        values: ratios,
        target: Some(6.0),
        detail: format!(
            "{each:.0} ns over {floor:.0} ns; thread assess not included; highest resident memory \
             {:.0} MB",
            cpu::megabytes(memory.peak_kib * 1024)
        ),
    };
    let assess = Row {
        what: "thread assess (verdicts, index), over the same floor",
        unit: "×",
        detail: format!("{:.0} ns a leaf, behind the answer", median(&judging) * floor),
        values: judging,
        target: None,
    };
    Ok(vec![accepted, assess])
}

/// CPU of the collector, in two parts.
struct Used {
    others: Duration,
    assess: Duration,
}

impl Used {
    fn of(pid: i32) -> Result<Self> {
        let assess = cpu::of_threads(pid, "assess")?;
        Ok(Self { others: cpu::of_process(pid)?.saturating_sub(assess), assess })
    }

    fn since(&self, start: &Self) -> Self {
        Self {
            others: self.others.saturating_sub(start.others),
            assess: self.assess.saturating_sub(start.assess),
        }
    }
}

fn idle_share(pid: i32) -> Result<f64> {
    wait_for_assess(pid)?;
    let (begin, before) = (Instant::now(), Used::of(pid)?);
    std::thread::sleep(Duration::from_secs(5));
    let used = Used::of(pid)?.since(&before).others;
    Ok(used.as_secs_f64() / begin.elapsed().as_secs_f64())
}

/// Until the thread that judges has caught up.
fn wait_for_assess(pid: i32) -> Result<()> {
    let mut used = cpu::of_threads(pid, "assess")?;
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let now = cpu::of_threads(pid, "assess")?;
        // Every head that is published wakes it for a moment.
        if now.saturating_sub(used) < Duration::from_millis(40) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the collector still judges ten minutes after the last batch");
        }
        used = now;
    }
}

/// The node's tree, written by the bench.
struct Author {
    origin: AgentOrigin,
    key: SigningKey,
    edge: Edge,
    activities: Activities,
    recorded: u64,
}

impl Author {
    /// `node_key` is the file that `remit-agent enrol` wrote: a header, then 64 hex digits.
    fn new(node_key: &str) -> Result<Self> {
        let hex = node_key.split_whitespace().last().context("node.key is empty")?;
        let mut secret = [0; 32];
        for (byte, at) in secret.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(hex.get(at..at + 2).context("64 hex digits")?, 16)?;
        }
        let origin = AgentOrigin {
            operator: OPERATOR.parse()?,
            node: NODE.parse()?,
            generation: Generation(1),
        };
        let key = SigningKey::new(KeyName::new(origin.to_string())?, secret);
        let activities = Activities::new(now_s());
        Ok(Self { origin, key, edge: Edge::new(), activities, recorded: 0 })
    }

    fn first_batch(&mut self) -> Result<v1::Batch> {
        let now = now_s();
        let (installed, opening) = leaves::installed(1, now);
        let leaves = vec![leaves::genesis(&self.origin, now), installed, leaves::seal(0, now)];
        self.close(leaves, vec![opening])
    }

    /// Full ones: 1,023 hits and a seal.
    fn batches(&mut self, count: usize) -> Result<Vec<v1::Batch>> {
        (0..count).map(|_| self.full_batch()).collect()
    }

    fn full_batch(&mut self) -> Result<v1::Batch> {
        let mut leaves = Vec::with_capacity(batch::LEAVES_MAX);
        let mut openings = Vec::with_capacity(2 * batch::LEAVES_MAX);
        for index in (self.edge.size()..).take(batch::LEAVES_MAX - 1) {
            let made = self.activities.with_openings();
            openings.extend(made.openings(index));
            leaves.push(made.bytes);
            self.recorded += 1;
        }
        leaves.push(leaves::seal(self.recorded, now_s()));
        self.close(leaves, openings)
    }

    fn close(&mut self, leaves: Vec<Vec<u8>>, openings: Vec<v1::LeafOpening>) -> Result<v1::Batch> {
        Ok(batch::close(&mut self.edge, &self.key, &self.origin, leaves, openings)?)
    }
}

/// One `Submit` stream, after `Hello`.
struct Stream {
    outbound: mpsc::Sender<v1::SubmitRequest>,
    inbound: Streaming<v1::SubmitResponse>,
}

impl Stream {
    /// With the TLS files that the enrolment left in `state`.
    async fn open(url: &str, state: &Path, author: &Author) -> Result<Self> {
        let pem = |name: &str| fs::read_to_string(state.join(name));
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(pem("ca.pem")?))
            .identity(Identity::from_pem(pem("tls.crt")?, pem("tls.key")?));
        let channel = Endpoint::from_shared(url.to_owned())?.tls_config(tls)?.connect().await?;
        let mut client =
            IngestServiceClient::new(channel).max_encoding_message_size(MESSAGE_SIZE_MAX);
        let (outbound, requests) = mpsc::channel(UNACKNOWLEDGED_MAX);
        let hello = v1::Hello {
            origin: author.origin.to_string(),
            size: 0,
            checkpoint_size: 0,
            public_key: author.key.verifier().public_bytes().to_vec(),
        };
        send(&outbound, submit_request::Message::Hello(hello)).await?;
        let inbound = client.submit(ReceiverStream::new(requests)).await?.into_inner();
        let mut stream = Self { outbound, inbound };
        match stream.answer().await? {
            submit_response::Message::Resume(v1::Resume { size: 0 }) => Ok(stream),
            other => bail!("the collector answers Hello with {other:?}"),
        }
    }

    /// Returns when the last one is accepted.
    async fn hand_in(&mut self, batches: Vec<v1::Batch>) -> Result<()> {
        let mut unacknowledged = 0;
        let mut batches = batches.into_iter().peekable();
        while unacknowledged > 0 || batches.peek().is_some() {
            while unacknowledged < UNACKNOWLEDGED_MAX
                && let Some(batch) = batches.next()
            {
                let batch = batch.encode_to_vec().into();
                send(&self.outbound, submit_request::Message::Batch(batch)).await?;
                unacknowledged += 1;
            }
            match self.answer().await? {
                submit_response::Message::Accepted(_) => unacknowledged -= 1,
                // Receipts come when a head is published.
                submit_response::Message::Logged(_) => {}
                other => bail!("the collector answers a batch with {other:?}"),
            }
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<submit_response::Message> {
        let response = self.inbound.message().await?.context("the collector ended the stream")?;
        response.message.context("an empty answer")
    }
}

async fn send(
    outbound: &mpsc::Sender<v1::SubmitRequest>,
    message: submit_request::Message,
) -> Result<()> {
    Ok(outbound.send(v1::SubmitRequest { message: Some(message) }).await?)
}

const NODE: &str = "bench-ingest";
const PORT: u16 = 8543;
/// As the agent: more the protocol does not allow.
const UNACKNOWLEDGED_MAX: usize = 8;
const MESSAGE_SIZE_MAX: usize = 1024 * 1024 + 4096;
