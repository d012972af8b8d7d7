//! A node for tests: a recorder on a temporary spool, and reading back what it recorded.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests: each file uses its part, and what fails should fail loudly"
)]

use std::{path::Path, sync::Arc};

use evidence::{Claim, Leaf, batch};
use remit_agent::{
    clock::Clock,
    config::Config,
    keys::{Identity, NodeKey},
    observation::{Hit, KnownRule, NotParsed, Report, Response, RuleNumber, RuleState},
    recorder::{Launch, Receipts, Recorder, RecorderError, StartFacts},
    spool::{OpenError, Reader, Spool, View, prepare_new},
};
use remit_proto::v1::{self, SourceKind, leaf::Body};
use tlog::note::{KeyName, SigningKey};
use tokio::sync::watch;

pub const NOW_S: i64 = 1_700_000_000;
pub const SOURCE: SourceKind = SourceKind::Nftables;

/// One node: what stays over restarts.
pub struct Node {
    pub dir: tempfile::TempDir,
    pub clock: Clock,
    pub config: Config,
    pub boot_id: [u8; 16],
    pub receipts: watch::Sender<Receipts>,
}

impl Node {
    pub fn new(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::at(dir, settings)
    }

    pub fn at(dir: tempfile::TempDir, settings: &str) -> Self {
        let text = format!(
            "dir = {:?}\n{settings}\n[collector]\nurl = \"https://collector.example.net\"\n",
            dir.path()
        );
        let config = Config::parse(&text, &|_| Err("none".into())).unwrap();
        prepare_new(&dir.path().join("spool")).unwrap();
        let clock = Clock::manual(NOW_S);
        Self { dir, clock, config, boot_id: [1; 16], receipts: watch::Sender::default() }
    }

    pub fn individual() -> Self {
        Self::new("lines_served = 1000\nwindow_s = 0\nindividual_actions = true")
    }

    pub fn spool_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("spool")
    }

    pub fn start(&self) -> Recorder {
        self.try_start().unwrap()
    }

    pub fn try_start(&self) -> Result<Recorder, RecorderError> {
        let (spool, recovery) = self.open().unwrap();
        Recorder::start(Launch {
            config: self.config.clone(),
            clock: self.clock.clone(),
            key: key(),
            identity: identity(),
            facts: StartFacts {
                boot_id: self.boot_id,
                kernel_version: "6.1".into(),
                sandbox: v1::Sandbox::default(),
                sources: vec![SOURCE],
            },
            spool,
            recovery,
            receipts: self.receipts.subscribe(),
        })
    }

    pub fn open(&self) -> Result<(Spool, remit_agent::spool::Recovery), OpenError> {
        Spool::open(&self.spool_dir(), self.config.spool_bytes_max)
    }

    /// Lets the batch interval pass and the recorder do what is due.
    pub fn pass(&self, recorder: &mut Recorder, ms: i64) {
        self.clock.advance_ms(ms);
        recorder.tick().unwrap();
    }
}

pub fn key() -> NodeKey {
    NodeKey::from_secret([9; 32])
}

pub fn log_key() -> SigningKey {
    SigningKey::new(KeyName::new("example.net/log/1").unwrap(), [5; 32])
}

pub fn identity() -> Identity {
    let log_key = log_key().verifier().to_string();
    Identity::parse("example.net", "edge-1", &log_key, "").unwrap()
}

pub fn rule(number: u64, claim: &str) -> KnownRule {
    KnownRule {
        number: RuleNumber(number),
        technique: v1::Technique::IpAclDrop,
        trigger: v1::Trigger::Destination,
        direction: v1::Direction::ToTarget,
        actor: v1::Actor::Unknown,
        claims: if claim.is_empty() { vec![] } else { vec![claim.parse::<Claim>().unwrap()] },
        claim_origin: if claim.is_empty() {
            v1::ClaimOrigin::None
        } else {
            v1::ClaimOrigin::Carried
        },
        narrowed: false,
        names_sampled: false,
        rate_bits_per_s: None,
        counter: Some("inet/t/c".into()),
        target: v1::Target {
            kind: v1::TargetKind::Ip.into(),
            value: format!("203.0.113.{number}"),
        },
        native: format!("ip daddr 203.0.113.{number} drop"),
    }
}

pub fn state(rules: Vec<KnownRule>) -> Report {
    Report::Rules(RuleState {
        source: SOURCE,
        at_s: NOW_S,
        generation: 7,
        changed_by: "nft".into(),
        rules: rules.into_iter().map(Arc::new).collect(),
        unstable: false,
        partial: false,
    })
}

pub fn hit(rule: u64, at_s: i64, count: u64) -> Hit {
    Hit {
        rule: RuleNumber(rule),
        at_s,
        count,
        hit_target: None,
        response: Response::Silent,
        other_candidates: Vec::new(),
    }
}

pub fn hits(list: Vec<Hit>) -> Report {
    Report::Hits {
        source: SOURCE,
        hits: list,
        not_parsed: NotParsed::default(),
        cursor: None,
        canaries: None,
        import: None,
    }
}

/// All leaves of a generation in the spool, checked as a collector checks them.
pub fn leaves(spool: &Path, view: &View, ordinal: u32) -> Vec<Body> {
    let (batches, _) = batches(spool, view, ordinal);
    let mut bodies = Vec::new();
    for batch in batches {
        for leaf in batch.leaves {
            match Leaf::decode(&leaf).unwrap() {
                Leaf::Known(body) => bodies.push(body),
                Leaf::NotUnderstood { .. } => panic!("not ours"),
            }
        }
    }
    bodies
}

/// All batches of a generation, each checked against the tree before it, and the tree after them.
pub fn batches(spool: &Path, view: &View, ordinal: u32) -> (Vec<v1::Batch>, batch::Tree) {
    let generation = view.segments.iter().find(|s| s.ordinal == ordinal).unwrap().generation;
    let origin = identity().origin(generation);
    let verifier = key().signer(&origin).unwrap().verifier();
    let mut tree = batch::Tree::new(origin);
    let mut reader = Reader::new(spool.to_owned());
    let mut size = 0;
    let mut batches = Vec::new();
    while let Some(spooled) = reader.batch(view, ordinal, size).unwrap() {
        let checked = batch::check_bytes(&spooled.encoded, &tree, &verifier).unwrap();
        tree = checked.tree;
        size = spooled.size;
        assert_eq!(tree.edge.size(), size);
        batches.push(spooled.batch);
    }
    (batches, tree)
}

pub fn last_seal(bodies: &[Body]) -> &v1::Seal {
    bodies.iter().rev().find_map(|b| if let Body::Seal(s) = b { Some(s) } else { None }).unwrap()
}

pub fn activities(bodies: &[Body]) -> Vec<&v1::Activity> {
    bodies.iter().filter_map(|b| if let Body::Activity(a) = b { Some(a) } else { None }).collect()
}

pub fn gaps(bodies: &[Body]) -> Vec<&v1::Gap> {
    bodies.iter().filter_map(|b| if let Body::Gap(g) = b { Some(g) } else { None }).collect()
}

/// The words for leaf kinds, for reading a tree at a glance.
pub fn kinds(bodies: &[Body]) -> String {
    let word = |body: &Body| match body {
        Body::Genesis(_) => "genesis",
        Body::Start(_) => "start",
        Body::ConfigChange(_) => "config",
        Body::Activity(_) => "activity",
        Body::RuleChange(_) => "change",
        Body::RuleSnapshot(_) => "snapshot",
        Body::Seal(_) => "seal",
        Body::Gap(_) => "gap",
        Body::KeyChange(_) => "key",
        Body::ServiceAction(_) => "service",
        Body::Probe(_) => "probe",
    };
    bodies.iter().map(word).collect::<Vec<_>>().join(" ")
}
