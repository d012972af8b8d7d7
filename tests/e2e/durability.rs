//! A node whose spool lies in memory: kills, power cuts, and what is said of them.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
    traffic::datagrams,
};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(60);
const TARGET: &str = "198.51.100.10";

struct Rig {
    programs: Programs,
    network: Network,
    collector: Collector,
    officer: Person,
    node: Node,
    dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Result<Self> {
        let (programs, network) = (Programs::built()?, Network::new()?);
        let dir = tempfile::tempdir()?;
        let home = |name: &str| dir.path().join(name);
        let collector = Collector::start(&network, &programs, &home("collector"), 8443)?;
        let officer = Person::enrol(
            &network,
            &programs,
            &collector,
            "person-1",
            "officer",
            &home("officer"),
        )?;
        network.nft(
            Host::Router,
            "table inet blocks { counter c { }\n chain forward { type filter hook forward priority \
             filter; policy accept;\n ip daddr 198.51.100.10 counter name c log prefix \
             \"remit=court/1\" group 7 drop\n}\n}\n",
        )?;
        let settings = format!(
            "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\nseal_interval_s = 1\n\
             durability = \"memory\"\nloss_bound_s = 4\nmemory_dir = {:?}\n[sources.nftables]\n\
             groups = [7]\ncounters_interval_s = 1\n",
            home("memory")
        );
        let host = Host::Router;
        let mut node = Node::enrol(
            &network,
            &programs,
            &collector,
            host,
            "edge-1",
            &home("edge-1"),
            &settings,
        )?;
        node.start(&network, &programs)?;
        Ok(Self { programs, network, collector, officer, node, dir })
    }

    /// Sends packets until the collector knows of at least so many hits more than before.
    fn hit(&self) -> Result<()> {
        let before = self.hits()?;
        wait_for("a hit", WITHIN, || {
            datagrams(&self.network, Host::Subscriber, TARGET, 443, 3)?;
            ensure!(self.hits()? > before, "no more than {before}");
            Ok(())
        })
    }

    fn hits(&self) -> Result<u64> {
        let events = self.officer.rows(&["events", "list"])?;
        Ok(events.iter().filter_map(|event| event["hits"].as_u64()).sum())
    }

    fn node_row(&self) -> Result<Value> {
        self.officer.rows(&["nodes", "list"])?.into_iter().next().context("no node")
    }

    fn answer(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.officer.remit(&["--output", "json", "nodes", "list"])?)?)
    }

    /// The agent is gone, and what was in memory with it.
    fn power_cut(&mut self) -> Result<()> {
        self.node.kill()?;
        Ok(fs::remove_dir_all(self.dir.path().join("memory"))?)
    }

    fn on_flash(&self) -> u64 {
        bytes(&self.node.dir.join("state/spool"))
    }

    fn start(&mut self) -> Result<()> {
        self.node.start(&self.network, &self.programs)
    }
}

/// Of the segments in a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let segments = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "seg"));
    segments.filter_map(|segment| Some(segment.metadata().ok()?.len())).sum()
}

#[test]
fn a_node_in_memory_says_so_outlasts_kills_and_writes_little_to_flash() {
    let mut rig = Rig::new().unwrap();
    rig.hit().unwrap();
    let row = rig.node_row().unwrap();
    assert_eq!(row["loss_bound_s"], 4, "{row}");
    let answer = rig.answer().unwrap();
    let completeness = &answer["completeness"];
    assert_eq!(completeness["memory_nodes"][0], "edge-1", "{answer}");
    let table = rig.officer.output(&["nodes", "list"]).unwrap();
    let said = [table.stdout, table.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("a power cut may cost 4 s of records: edge-1"), "{said}");

    // While the collector takes everything, the copy of the start is all there is on flash.
    let before = rig.on_flash();
    for _ in 0..3 {
        rig.hit().unwrap();
    }
    let printed = rig.node.process().unwrap().printed();
    assert_eq!(rig.on_flash(), before, "{printed}");

    // A kill empties no memory: the same generation goes on.
    let generation = rig.node_row().unwrap()["generation"].clone();
    rig.node.kill().unwrap();
    rig.start().unwrap();
    rig.hit().unwrap();
    // Neither does a stop, after which the copy is whole: memory may be emptied, as by a reboot.
    rig.node.stop().unwrap();
    fs::remove_dir_all(rig.dir.path().join("memory")).unwrap();
    rig.start().unwrap();
    rig.hit().unwrap();
    let row = rig.node_row().unwrap();
    assert_eq!(row["generation"], generation, "{row}");
    assert_eq!(row["unexplained"], 0, "{row}");
    rig.node.stop().unwrap();
}

#[test]
fn a_power_cut_costs_a_generation_and_a_gap_and_nothing_that_was_logged() {
    let mut rig = Rig::new().unwrap();
    rig.hit().unwrap();
    let (generation, hits) = (rig.node_row().unwrap()["generation"].clone(), rig.hits().unwrap());
    rig.power_cut().unwrap();
    rig.start().unwrap();
    rig.node.wait_for_log("the memory that the spool lay in is empty", WITHIN).unwrap();
    rig.hit().unwrap();
    let row = rig.node_row().unwrap();
    assert_ne!(row["generation"], generation, "{row}");
    assert!(rig.hits().unwrap() > hits, "what was logged before is still there");
    let answer = rig.answer().unwrap();
    let gaps = answer["completeness"]["gaps"].as_array().unwrap().clone();
    let of_cut = gaps.iter().find(|gap| gap["cause"] == "spool_damaged").expect("a gap");
    assert!(of_cut["count"].is_null(), "nobody knows how much: {of_cut}");
    rig.node.stop().unwrap();
}

#[test]
fn what_the_collector_did_not_take_is_on_flash_within_the_bound_and_arrives_after_a_power_cut() {
    let mut rig = Rig::new().unwrap();
    rig.hit().unwrap();
    let hits = rig.hits().unwrap();
    rig.collector.stop().unwrap();
    let before = rig.on_flash();
    datagrams(&rig.network, Host::Subscriber, TARGET, 443, 5).unwrap();
    // Seals go on each second, so the copy grows as soon as the oldest of them has waited; and once
    // more, by when the packets were recorded.
    let grown = |than: u64| {
        wait_for("the copy", WITHIN, || {
            ensure!(rig.on_flash() > than, "still {than} bytes");
            Ok(rig.on_flash())
        })
    };
    let once = grown(before).unwrap();
    grown(once).unwrap();
    rig.power_cut().unwrap();
    rig.collector.serve(&rig.network, &rig.programs).unwrap();
    rig.start().unwrap();
    wait_for("the packets of the outage", WITHIN, || {
        let now = rig.hits()?;
        let printed = rig.node.process().map(|process| process.printed()).unwrap_or_default();
        ensure!(now >= hits + 5, "{now} of {}:\n{printed}", hits + 5);
        Ok(())
    })
    .unwrap();
    rig.node.stop().unwrap();
}
