//! A writer on a directory of its own, and agents that sign by hand.

use std::{path::Path, sync::mpsc, thread::JoinHandle, time::Duration};

use evidence::{AgentOrigin, Operator, batch, leaf};
use prost::Message as _;
use remit_collector::{
    access::RevokedKeys,
    committed::{Committed, What},
    config::NodeLimits,
    keys,
    log::{
        chunks::ChunkFiles,
        command::{Command, Refusal, Reply},
        publish::Exposed,
        writer::{Fatal, Parts, Writer},
    },
};
use remit_proto::v1::{self, leaf::Body};
use tlog::{
    Edge,
    note::{KeyName, SigningKey},
};
use tokio::sync::{oneshot, watch};

pub(crate) const NOW_S: i64 = 1_790_000_000;

pub(crate) fn clock() -> i64 {
    NOW_S
}

pub(crate) fn operator() -> Operator {
    "example.net".parse().unwrap()
}

/// A running writer.
pub(crate) struct Rig {
    commands: mpsc::SyncSender<Command>,
    writer: JoinHandle<Result<(), Fatal>>,
    committed: JoinHandle<Vec<Committed>>,
    /// What the edges would see.
    pub(crate) revoked_keys: RevokedKeys,
}

impl Rig {
    pub(crate) fn new(dir: &Path) -> Self {
        keys::create(dir, &operator(), &["localhost".to_owned()], NOW_S).unwrap();
        Self::open(dir).unwrap()
    }

    pub(crate) fn open(dir: &Path) -> Result<Self, Fatal> {
        Self::open_at(dir, clock)
    }

    pub(crate) fn open_at(dir: &Path, clock: fn() -> i64) -> Result<Self, Fatal> {
        Self::open_with(dir, clock, NodeLimits::default())
    }

    pub(crate) fn open_with(
        dir: &Path,
        clock: fn() -> i64,
        node_limits: NodeLimits,
    ) -> Result<Self, Fatal> {
        Self::open_publishing(dir, clock, node_limits, Duration::from_millis(20))
    }

    pub(crate) fn open_publishing(
        dir: &Path,
        clock: fn() -> i64,
        node_limits: NodeLimits,
        publish_interval: Duration,
    ) -> Result<Self, Fatal> {
        let keys = keys::Keys::load(dir, &operator()).unwrap();
        let (to_assess, groups) = mpsc::sync_channel(64);
        let committed = std::thread::spawn(move || groups.into_iter().flatten().collect());
        let revoked_keys = RevokedKeys::default();
        let parts = Parts {
            operator: operator(),
            log_key: keys.log.clone(),
            register_key: keys.register.clone(),
            case_key: keys.cases.clone(),
            chunks: ChunkFiles::new(dir.join("chunks")),
            clock,
            to_assess,
            published: watch::channel(Exposed::default()).0,
            revoked_keys: revoked_keys.clone(),
            node_limits,
            second_person_for: Default::default(),
        };
        let writer = Writer::open(dir, parts)?;
        let (commands, queue) = mpsc::sync_channel(64);
        let writer = std::thread::spawn(move || writer.run(&queue, publish_interval));
        Ok(Self { commands, writer, committed, revoked_keys })
    }

    /// Hands in without waiting for the answer.
    pub(crate) fn hand_in(
        &self,
        agent: &Agent,
        batch: v1::Batch,
    ) -> oneshot::Receiver<Result<u64, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let origin = agent.origin.clone();
        let public_key = agent.key.verifier().public_bytes();
        let batch = batch.encode_to_vec().into();
        self.commands
            .send(Command::Batch { origin, public_key, batch, reply, turn: None })
            .unwrap();
        answer
    }

    pub(crate) fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).unwrap();
        answer.blocking_recv().unwrap()
    }

    pub(crate) fn submit(&self, agent: &Agent, batch: v1::Batch) -> Result<u64, Refusal> {
        let origin = agent.origin.clone();
        let public_key = agent.key.verifier().public_bytes();
        let batch = batch.encode_to_vec().into();
        self.ask(|reply| Command::Batch { origin, public_key, batch, reply, turn: None })
    }

    /// Waits until the newest head of an agent is in a published checkpoint.
    pub(crate) fn wait_until_logged(
        &self,
        agent: &Agent,
    ) -> remit_collector::log::receipts::Receipt {
        for _ in 0..500 {
            let origin = agent.origin.clone();
            let receipt = self
                .ask(|reply| Command::Receipt { origin, checkpoint_size: 0, reply })
                .unwrap()
                .filter(|receipt| receipt.size == agent.edge.size());
            if let Some(receipt) = receipt {
                return receipt;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never logged");
    }

    /// Stops and returns everything that was handed to assess.
    pub(crate) fn stop(self) -> Vec<What> {
        drop(self.commands);
        self.writer.join().unwrap().unwrap();
        self.committed.join().unwrap().into_iter().map(|c| c.what).collect()
    }
}

/// An agent that signs by hand.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) origin: AgentOrigin,
    pub(crate) key: SigningKey,
    pub(crate) edge: Edge,
}

impl Agent {
    pub(crate) fn new(node: &str, generation: u64, secret: u8) -> Self {
        let origin: AgentOrigin =
            format!("example.net/agent/{node}/{generation:016x}").parse().unwrap();
        let key = SigningKey::new(KeyName::new(origin.to_string()).unwrap(), [secret; 32]);
        Self { origin, key, edge: Edge::new() }
    }

    /// The first batch: Genesis and Seal.
    pub(crate) fn first(&mut self) -> v1::Batch {
        let genesis = v1::Genesis {
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
        };
        self.batch(vec![Body::Genesis(genesis)])
    }

    pub(crate) fn seal(at_s: i64) -> Body {
        let clock = v1::ClockState::Synced.into();
        Body::Seal(v1::Seal { at_s, clock, seal_interval_s: 30, ..Default::default() })
    }

    /// These leaves and a Seal.
    pub(crate) fn batch(&mut self, leaves: Vec<Body>) -> v1::Batch {
        let sealed = leaves.into_iter().chain([Self::seal(NOW_S)]);
        self.close(sealed.map(leaf::encode).collect())
    }

    /// These bytes, whatever they are.
    pub(crate) fn close(&mut self, bytes: Vec<Vec<u8>>) -> v1::Batch {
        batch::close(&mut self.edge, &self.key, &self.origin, bytes, Vec::new()).unwrap()
    }
}
