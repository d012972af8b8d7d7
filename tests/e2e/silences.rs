//! The collector's live answers and the verifier's report, on the same evidence.

use std::{path::Path, sync::Arc, sync::mpsc, time::Duration};

use anyhow::{Context as _, Result};
use evidence::{AgentOrigin, Operator, batch, leaf};
use prost::Message as _;
use remit_collector::{
    access::RevokedKeys,
    assess::Assessor,
    committed::Committed,
    config::NodeLimits,
    export, keys,
    log::{
        chunks::ChunkFiles,
        command::Command,
        publish::Exposed,
        writer::{Parts, Writer},
    },
};
use remit_proto::v1::{self, leaf::Body};
use tlog::{
    Edge,
    note::{KeyName, SigningKey},
};
use tokio::sync::{oneshot, watch};

const NOW_S: i64 = 1_790_000_000;

fn clock() -> i64 {
    NOW_S
}

struct Agent {
    origin: AgentOrigin,
    key: SigningKey,
    edge: Edge,
}

impl Agent {
    fn new(node: &str, generation: u64) -> Result<Self> {
        let origin: AgentOrigin = format!("example.net/agent/{node}/{generation:016x}").parse()?;
        let key = SigningKey::new(KeyName::new(origin.to_string())?, [generation as u8; 32]);
        Ok(Self { origin, key, edge: Edge::new() })
    }

    /// A batch for each seal: "<seconds before now> <interval>", "stop" and "unset" after it.
    fn batches(&mut self, seals: &[&str]) -> Result<Vec<v1::Batch>> {
        let mut genesis = Some(Body::Genesis(v1::Genesis {
            format: 1,
            operator: "example.net".to_owned(),
            node: self.origin.node.to_string(),
            generation: self.origin.generation.0,
            durability: v1::Durability::Disk.into(),
            window_s: 900,
            reason: v1::GenerationReason::Enrolled.into(),
            at_s: NOW_S,
            lines_served: 1000,
            k: 10,
            ..Default::default()
        }));
        let mut batches = Vec::new();
        for seal in seals {
            let words: Vec<&str> = seal.split(' ').collect();
            let clock = if words.contains(&"unset") {
                v1::ClockState::Unsynced
            } else {
                v1::ClockState::Synced
            };
            let seal = Body::Seal(v1::Seal {
                at_s: NOW_S - words.first().context("a time")?.parse::<i64>()?,
                seal_interval_s: words.get(1).context("an interval")?.parse()?,
                clock: clock.into(),
                stopping: words.contains(&"stop"),
                ..Default::default()
            });
            let leaves = genesis.take().into_iter().chain([seal]).map(leaf::encode).collect();
            batches.push(batch::close(&mut self.edge, &self.key, &self.origin, leaves, vec![])?);
        }
        Ok(batches)
    }
}

/// Takes the batches in, publishes after each of them, and returns what was committed.
fn collect(
    dir: &Path,
    handed_in: Vec<(AgentOrigin, [u8; 32], v1::Batch)>,
) -> Result<Vec<Committed>> {
    let operator: Operator = "example.net".parse()?;
    keys::create(dir, &operator, &["localhost".to_owned()], NOW_S)?;
    let keys = keys::Keys::load(dir, &operator)?;
    let (to_assess, groups) = mpsc::sync_channel(64);
    let committed = std::thread::spawn(move || groups.into_iter().flatten().collect());
    let parts = Parts {
        operator,
        log_key: keys.log.clone(),
        register_key: keys.register.clone(),
        case_key: keys.cases.clone(),
        chunks: ChunkFiles::new(dir.join("chunks")),
        clock,
        to_assess,
        published: watch::channel(Exposed::default()).0,
        revoked_keys: RevokedKeys::default(),
        node_limits: NodeLimits::default(),
        second_person_for: Default::default(),
    };
    let writer = Writer::open(dir, parts)?;
    let (commands, queue) = mpsc::sync_channel(64);
    let writer = std::thread::spawn(move || writer.run(&queue, Duration::from_millis(1)));
    for (origin, public_key, batch) in handed_in {
        let (reply, answer) = oneshot::channel();
        let batch = batch.encode_to_vec().into();
        commands.send(Command::Batch { origin, public_key, batch, reply, turn: None })?;
        answer.blocking_recv()??;
    }
    drop(commands);
    writer.join().ok().context("the writer panicked")??;
    committed.join().ok().context("the receiver panicked")
}

/// "<node> <from> <until>", in seconds before now, and what is said of it.
fn told(node: &str, from_s: i64, until_s: i64, announced: bool, open: bool) -> String {
    let announced = if announced { " announced" } else { "" };
    let open = if open { " open" } else { "" };
    format!("{node} {} {}{announced}{open}", NOW_S - from_s, NOW_S - until_s)
}

#[test]
fn live_answers_and_the_verifier_tell_the_same_silences() -> Result<()> {
    let mut handed_in = Vec::new();
    // Its second generation has the smaller number: order is that of the log.
    let nodes: [(&str, u64, &[&str]); 4] = [
        ("edge-1", 9, &["9000 30", "8940 30", "8000 30", "7970 30 stop"]),
        ("edge-1", 3, &["7960 600", "6160 600", "6150 5", "6130 5", "30 30"]),
        ("edge-2", 1, &["5000 30", "1789999990 30 unset", "4000 30", "100 60"]),
        ("edge-3", 1, &["5000 30", "4990 30 stop"]),
    ];
    for (node, generation, seals) in nodes {
        let mut agent = Agent::new(node, generation)?;
        let public_key = agent.key.verifier().public_bytes();
        for batch in agent.batches(seals)? {
            handed_in.push((agent.origin.clone(), public_key, batch));
        }
    }
    let dir = tempfile::tempdir()?;
    let committed = collect(dir.path(), handed_in)?;

    let index = tempfile::tempdir()?;
    let chunks = ChunkFiles::new(dir.path().join("chunks"));
    let (mut assessor, query) = Assessor::open_with_clock(
        index.path(),
        "example.net".parse()?,
        Arc::new(chunks.clone()),
        Arc::new(clock),
    )?;
    assessor.apply(committed)?;
    let answer = query.list_events(v1::ListEventsRequest::default())?;
    let completeness = answer.completeness.context("every answer has it")?;
    let live: Vec<String> = completeness
        .silences
        .iter()
        .map(|s| told(&s.node, s.from_s, s.until_s, s.announced, s.open))
        .collect();

    let keys = keys::Keys::load(dir.path(), &"example.net".parse()?)?;
    let vkeys = (keys.log.verifier().to_string(), keys.register.verifier().to_string());
    let bundle = export::make(
        dir.path(),
        &chunks,
        &vkeys,
        &v1::ExportRequest::default(),
        (completeness.log_size, "", 0),
    )?;
    let files = verify::read_tar(bundle.bytes.as_slice(), verify::BUNDLE_SIZE_MAX)?;
    let trust = verify::Trust {
        log: keys.log.verifier().clone(),
        register: keys.register.verifier().clone(),
        witnesses: None,
        old_checkpoints: Vec::new(),
        anchors: Vec::new(),
    };
    let report = verify::verify(&files, &trust, &verify::Options { quorum_none: true });
    assert!(report.result != verify::Outcome::Contradicted, "{report}");
    let coverage = report.coverage.context("the entries were read")?;
    let reported: Vec<String> = coverage
        .silences
        .iter()
        .map(|s| told(&s.node, s.from_s, s.until_s, s.announced, s.open))
        .collect();

    assert_eq!(live, reported);
    assert_eq!(completeness.silence_count, coverage.silence_count);
    assert_eq!(
        live,
        [
            "edge-1 8940 8000",
            "edge-1 7970 7960 announced",
            "edge-1 6150 6130",
            "edge-1 6130 30",
            "edge-2 5000 4000",
            "edge-3 4990 0 announced open",
            "edge-2 4000 100",
        ]
    );
    Ok(())
}
