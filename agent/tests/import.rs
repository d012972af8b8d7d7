//! `remit-agent import` on a node's directory, without a collector: what is durable afterwards.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests: each file uses its part, and what fails should fail loudly"
)]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use common::{activities, gaps, kinds, last_seal};
use evidence::{Leaf, batch};
use remit_agent::{
    config::Config,
    health::Stop,
    import::{ImportOrder, Imported, import},
    keys::{self, Identity, NodeKey},
    sources::import::ImportOptions,
    spool::{Reader, Spool, prepare_new},
};
use remit_proto::v1::{self, LossCause, SourceKind, leaf::Body};

const SETTINGS: &str = "lines_served = 1000\nwindow_s = 0\nindividual_actions = true\n";
const HIT: &str = "info: rpz: applied [remit=de/7] a.example. rpz-nxdomain 100.64.0.5@36430";

/// An enrolled node that imports.
struct Node {
    dir: tempfile::TempDir,
    settings: &'static str,
}

impl Node {
    fn new(settings: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        NodeKey::create(&dir.path().join(keys::NODE_KEY)).unwrap();
        let log_key = common::log_key().verifier().to_string();
        let identity = Identity::parse("example.net", "old-1", &log_key, "").unwrap();
        identity.store(dir.path()).unwrap();
        prepare_new(&dir.path().join("spool")).unwrap();
        Self { dir, settings }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("old.log");
        fs::write(&path, text).unwrap();
        path
    }

    fn text(&self) -> String {
        // `settings` may end with a section.
        let (dir, settings) = (self.dir.path(), self.settings);
        format!("dir = {dir:?}\n{settings}[collector]\nurl = \"https://c\"\n")
    }

    fn import(&self, file: PathBuf, year: Option<u32>) -> Result<Imported, Stop> {
        let config = Config::parse(&self.text(), &|_| Err("none".into())).unwrap();
        let options = ImportOptions { source: SourceKind::UnboundRpz, year, utc_offset_s: 0 };
        import(&config, &ImportOrder { file, options, offline: true })
    }

    /// The exit code of a refusal and what it says.
    fn refused(&self, file: PathBuf, year: Option<u32>) -> (u8, String) {
        let stop = self.import(file, year).unwrap_err();
        (stop.exit_code(), remit_agent::logging::chain(&stop))
    }

    fn bodies(&self) -> Vec<Body> {
        let spool_dir = self.dir.path().join("spool");
        let (spool, recovery) = Spool::open(&spool_dir, u64::MAX).unwrap();
        let origin = recovery.tree.unwrap().origin;
        let key = NodeKey::load(&self.dir.path().join(keys::NODE_KEY)).unwrap();
        let verifier = key.signer(&origin).unwrap().verifier();
        let view = spool.watch().borrow().clone();
        let mut tree = batch::Tree::new(origin);
        let mut reader = Reader::new(spool_dir);
        let mut bodies = Vec::new();
        while let Some(spooled) = reader.batch(&view, 1, tree.edge.size()).unwrap() {
            tree = batch::check_bytes(&spooled.encoded, &tree, &verifier).unwrap().tree;
            bodies.extend(spooled.batch.leaves.iter().map(|leaf| match Leaf::decode(leaf) {
                Ok(Leaf::Known(body)) => body,
                other => panic!("{other:?}"),
            }));
        }
        bodies
    }
}

#[test]
fn a_file_becomes_leaves_between_start_and_a_stopping_seal() {
    let node = Node::new(SETTINGS);
    let text = format!(
        "Mar  1 10:00:00 ns1 unbound[7]: [7:0] {HIT} a.example. A IN\n\
         Mar  1 10:00:01 ns1 unbound[7]: [7:0] info: start of service\n\
         Mar  1 10:00:02 ns1 unbound[7]: [7:0] info: rpz: applied [x] cut\n\
         Mar  1 10:00:03 ns1 unbound[7]: [7:0] {HIT} a.example. AAAA IN\n"
    );
    let imported = node.import(node.file(&text), Some(2019)).unwrap();
    let Imported { summary, known, logged } = imported;
    assert_eq!((summary.parsed, summary.not_understood, summary.skipped), (2, 1, 1));
    assert_eq!((summary.year_assumed, known, logged), (2019, false, false));

    let bodies = node.bodies();
    // No snapshot and no change: a log does not say what was installed.
    assert_eq!(kinds(&bodies), "genesis start seal activity activity gap seal seal");
    let Some(Body::Genesis(genesis)) = bodies.first() else { panic!() };
    assert!(genesis.individual_actions);
    let activity = activities(&bodies)[0];
    assert_eq!((activity.hits, activity.first_s), (1, 1_551_434_400));
    let provenance = activity.imported.as_ref().unwrap();
    assert_eq!(provenance.file_digest, summary.file_digest);
    assert_eq!(provenance.year_assumed, 2019);
    assert_eq!((gaps(&bodies)[0].cause(), gaps(&bodies)[0].count), (LossCause::NotParsed, 1));
    let seal = last_seal(&bodies);
    assert!(seal.stopping);
    let [v1::SourceAccount { recorded: 2, offered_known: false, .. }] = seal.sources.as_slice()
    else {
        panic!("{:?}", seal.sources)
    };
}

#[test]
fn a_file_is_imported_once() {
    let node = Node::new(SETTINGS);
    let text: String =
        (1..=3000).map(|at| format!("[{at}] unbound[1:0] {HIT} a. A IN\n")).collect();
    let file = node.file(&text);
    assert!(!node.import(file.clone(), None).unwrap().known);
    assert_eq!(activities(&node.bodies()).len(), 3000);
    assert!(node.import(file.clone(), None).unwrap().known);
    assert_eq!(activities(&node.bodies()).len(), 3000);
    let (code, said) = node.refused(file, Some(2020));
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("another node"), "{said}");
    // Another file of the same resolver may follow.
    assert!(!node.import(node.file("[1] unbound[1:0] info: x\n"), None).unwrap().known);
    assert!(last_seal(&node.bodies()).stopping);
}

#[test]
fn killed_again_and_again_each_line_is_recorded_once() {
    let node = Node::new(SETTINGS);
    let count = 15_000;
    let text: String =
        (1..=count).map(|at| format!("[{at}] unbound[1:0] {HIT} a. A IN\n")).collect();
    let file = node.file(&text);
    let config = node.dir.path().join("agent.toml");
    fs::write(&config, node.text()).unwrap();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_remit-agent"));
        command.args(["import", "--offline", "--source", "unbound_rpz", "--log", "error"]);
        command.arg("--config").arg(&config).arg(&file).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let mut kills = 0;
    // A little longer each time, so that it ends on any machine.
    for wait_ms in (1..).map(|step| 80 * step) {
        let mut child = start();
        thread::sleep(Duration::from_millis(wait_ms));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    println!("{kills} kills");
    let bodies = node.bodies();
    let times: Vec<i64> = activities(&bodies).iter().map(|activity| activity.first_s).collect();
    assert_eq!(times.len() as i64, count);
    assert!(times.iter().copied().eq(1..=count), "each line once, in the order of the file");
}

#[test]
fn without_live_sources_and_with_individual_actions() {
    let node = Node::new("lines_served = 1000\n[sources.nftables]\ngroups = [1]\n");
    let (code, said) = node.refused(PathBuf::from("/nonexistent"), None);
    assert_eq!(code, 64);
    assert!(said.contains("individual_actions: must be true"), "{said}");
    assert!(said.contains("sources: must be left out"), "{said}");
}

#[test]
fn what_cannot_be_imported_is_refused_before_anything_is_written() {
    let node = Node::new(SETTINGS);
    let (code, said) = node.refused(PathBuf::from("/nonexistent"), None);
    assert_eq!(code, 66);
    assert!(said.contains("/nonexistent cannot be read"), "{said}");
    let (code, said) = node.refused(node.dir.path().to_owned(), None);
    assert_eq!(code, 66);
    assert!(said.contains("is not a file"), "{said}");
    let file = node.file(&format!("Mar  1 10:00:00 ns1 unbound[7]: [7:0] {HIT} a. A IN\n"));
    let (code, said) = node.refused(file.clone(), None);
    assert_eq!(code, 64);
    assert!(said.contains("line 1 carries no year"), "{said}");
    let segments = fs::read_dir(node.dir.path().join("spool")).unwrap().count();
    assert_eq!(segments, 1, "nothing but the mark of a new spool");
}

#[test]
fn another_agent_on_the_spool_is_named() {
    let node = Node::new(SETTINGS);
    let _held = Spool::open(&node.dir.path().join("spool"), u64::MAX).unwrap();
    let (code, said) = node.refused(node.file(""), None);
    assert_eq!(code, 3);
    assert!(said.contains("another agent runs on"), "{said}");
}
