//! `remit-agent selftest`: a block of its own from the kernel to the collector's log, and each way in which it fails.

use std::{fs, path::Path, process::Output, time::Duration};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
};
use serde_json::Value;

/// A block of others' traffic, and a chain of the operator's that counts the node's own protection.
const RULES: &str = "table inet t {
 chain f { type filter hook forward priority 0; ip daddr 192.0.2.1 counter log prefix \"remit=de/1\" group 42 drop; }
 chain i { type filter hook input priority 0; udp dport 9999 counter drop; }
}";

struct Line {
    dir: tempfile::TempDir,
    programs: Programs,
    network: Network,
    collector: Collector,
    node: Node,
}

impl Line {
    fn new(sources: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (programs, network) = (Programs::built()?, Network::new()?);
        network.nft(Host::Router, RULES)?;
        let collector = Collector::start(&network, &programs, &dir.path().join("collector"), 8443)?;
        let settings = format!("lines_served = 1000\n{sources}");
        let (host, at) = (Host::Router, dir.path().join("node"));
        let node = Node::enrol(&network, &programs, &collector, host, "node-1", &at, &settings)?;
        Ok(Self { dir, programs, network, collector, node })
    }

    fn start(&mut self) -> Result<()> {
        self.node.start(&self.network, &self.programs)
    }

    /// Tests as JSON, as root; `by`: through another program.
    fn test_by(&self, by: &[&str]) -> Result<(Option<i32>, Value)> {
        let agent = self.programs.path("remit-agent");
        let agent = agent.to_string_lossy().into_owned();
        let config = self.node.config.to_string_lossy().into_owned();
        let words =
            [by, &[agent.as_str(), "selftest", "--json", "--config", config.as_str()]].concat();
        let (program, rest) = words.split_first().expect("not empty");
        let mut command = self.network.command(Host::Router, Path::new(program));
        let Output { status, stdout, stderr } = command.args(rest).output()?;
        let said = String::from_utf8_lossy(&stderr);
        let json = serde_json::from_slice(&stdout).map_err(|error| {
            anyhow::anyhow!("{error}: {}{said}", String::from_utf8_lossy(&stdout))
        })?;
        Ok((status.code(), json))
    }

    fn test(&self) -> Result<(Option<i32>, Value)> {
        self.test_by(&[])
    }

    /// The stages come as far as this one, which fails and says so.
    fn fails_at(&self, stage: &str, says: &str, remedy: &str, by: &[&str]) -> Result<()> {
        let (code, report) = self.test_by(by)?;
        ensure!(
            code == Some(1) && report["ok"] == false && report["proof"].is_null(),
            "{report:#}"
        );
        let stages = report["stages"].as_array().cloned().unwrap_or_default();
        let at = stages.iter().position(|s| s["stage"] == stage).unwrap_or_default();
        let (before, rest) = stages.split_at(at);
        ensure!(before.iter().all(|stage| stage["outcome"] == "ok"), "{report:#}");
        ensure!(rest[1..].iter().all(|stage| stage["outcome"] == "not_tried"), "{report:#}");
        let has = |key: &str, text: &str| rest[0][key].as_str().unwrap_or_default().contains(text);
        ensure!(rest[0]["outcome"] == "failed", "{report:#}");
        ensure!(has("says", says) && has("remedy", remedy), "{report:#}");
        self.nothing_is_left()
    }

    fn nothing_is_left(&self) -> Result<()> {
        let rules = self.network.run_in(Host::Router, "nft", &["list", "ruleset"])?;
        ensure!(!rules.contains("selftest"), "{rules}");
        Ok(())
    }

    fn person(&self, role: &str) -> Result<Person> {
        let (network, programs) = (&self.network, &self.programs);
        let dir = self.dir.path().join(role);
        Person::enrol(network, programs, &self.collector, &format!("person-{role}"), role, &dir)
    }
}

fn shown(report: &Value) -> Result<()> {
    let stages = report["stages"].as_array().cloned().unwrap_or_default();
    let all = stages.len() == 6 && stages.iter().all(|stage| stage["outcome"] == "ok");
    ensure!(all && report["ok"] == true, "{report:#}");
    let proof = |key: &str| report["proof"][key].as_u64().unwrap_or_default();
    ensure!(proof("leaf_index") < proof("tree_size"), "{report:#}");
    ensure!(proof("log_index") < proof("log_size"), "{report:#}");
    Ok(())
}

const GROUP: &str = "[sources.nftables]\ngroups = [42]\ncounters_interval_s = 1\n";

#[test]
fn a_block_of_its_own_is_in_the_log_and_in_no_figure() {
    let mut line =
        Line::new("[sources.nftables]\ngroups = [42, 43]\ncounters_interval_s = 1\n").unwrap();
    line.start().unwrap();
    let (officer, assessor) = (line.person("officer").unwrap(), line.person("assessor").unwrap());
    for _ in 0..2 {
        let (code, report) = line.test().unwrap();
        println!("{report:#}");
        assert_eq!(code, Some(0), "{report:#}");
        shown(&report).unwrap();
        assert_eq!(report["node"], "node-1 of example.net");
        let runs = report["stages"][0]["says"].as_str().unwrap();
        assert_eq!(runs, "it runs, and reads NFLOG group 42, 43");
        line.nothing_is_left().unwrap();
    }
    // What came with it into evidence: the rules of the operator's, and no others.
    line.node.stop().unwrap();
    let node = wait_for("the last seal", Duration::from_secs(60), || {
        let nodes = officer.rows(&["nodes", "list"])?;
        let node = nodes.first().cloned().unwrap_or_default();
        ensure!(node["stopped_cleanly"] == true, "{node:#}");
        Ok(node)
    })
    .unwrap();
    let told = node.to_string();
    assert!(!told.contains("selftest") && told.contains("nflog/42"), "{node:#}");
    assert_eq!((&node["recorded"], &node["unexplained"]), (&0.into(), &0.into()), "{node:#}");
    assert_eq!(officer.rows(&["rules", "list"]).unwrap().len(), 1);
    assert!(officer.rows(&["events", "list"]).unwrap().is_empty());
    let findings = officer.rows(&["findings", "list"]).unwrap();
    let about_it = findings.iter().filter(|finding| finding.to_string().contains("selftest"));
    assert_eq!(about_it.count(), 0, "{findings:#?}");
    let bundle = line.dir.path().join("bundle.tar");
    let path = bundle.to_string_lossy().into_owned();
    assessor.remit(&["--collector", &line.collector.url, "export", "-o", &path]).unwrap();
    let report = assessor.remit(&["verify", &path, "--quorum", "none"]).unwrap();
    assert!(report.contains("canaries") && !report.contains("selftest"), "{report}");
}

#[test]
fn without_an_agent_one_runs_for_the_test() {
    let line = Line::new(GROUP).unwrap();
    for _ in 0..2 {
        let (code, report) = line.test().unwrap();
        assert_eq!(code, Some(0), "{report:#}");
        shown(&report).unwrap();
        assert!(
            report["stages"][0]["says"].as_str().unwrap().starts_with("none ran"),
            "{report:#}"
        );
    }
    line.nothing_is_left().unwrap();
    let mut command = line.network.command(Host::Router, &line.programs.path("remit-agent"));
    let doctor = command.arg("doctor").arg("--config").arg(&line.node.config).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("none is running"), "it ended with the test: {said}");
}

#[test]
fn each_stage_that_fails_says_what_to_do() {
    let mut line = Line::new(GROUP).unwrap();
    // agent: a configuration that reads no group; a spool that is the service's.
    let text = fs::read_to_string(&line.node.config).unwrap();
    let other = "[[sources.dnsmasq]]\nconf = \"/nowhere\"\n";
    fs::write(&line.node.config, text.replace(GROUP, other)).unwrap();
    line.fails_at("agent", "reads an NFLOG group", "`canaries`", &[]).unwrap();
    fs::write(&line.node.config, &text).unwrap();
    let spool = line.node.dir.join("state/spool");
    std::os::unix::fs::chown(&spool, Some(4242), None).unwrap();
    line.fails_at("agent", "belongs to another user", "systemctl start remit-agent", &[]).unwrap();
    std::os::unix::fs::chown(&spool, Some(0), None).unwrap();
    line.start().unwrap();
    // rule: without the right to put one in.
    let unprivileged = ["setpriv", "--bounding-set", "-net_admin"];
    line.fails_at("rule", "nft does not take the rule", "as root", &unprivileged).unwrap();
    // kernel: a rule of the operator's stops what the node sends to itself.
    let deaf = "table inet deaf { chain o { type filter hook output priority 0; oif lo udp dport > 1023 drop; }; }";
    line.network.nft(Host::Router, deaf).unwrap();
    line.fails_at("kernel", "this node's own output", "oif lo accept", &[]).unwrap();
    line.network.run_in(Host::Router, "nft", &["delete", "table", "inet", "deaf"]).unwrap();
    let deaf = "table inet deaf { chain p { type filter hook prerouting priority -500; iif lo udp dport > 1023 drop; }; }";
    line.network.nft(Host::Router, deaf).unwrap();
    line.fails_at("kernel", "met no rule of the test", "prerouting", &[]).unwrap();
    line.network.run_in(Host::Router, "nft", &["delete", "table", "inet", "deaf"]).unwrap();
    // leaf: an agent that is paused. What it reads later is in no figure either.
    let agent = line.node.process().unwrap();
    agent.signal(Signal::SIGSTOP).unwrap();
    line.fails_at("leaf", "did not record", "journalctl", &[]).unwrap();
    agent.signal(Signal::SIGCONT).unwrap();
    let (code, report) = line.test().unwrap();
    assert_eq!(code, Some(0), "{report:#}");
    // collector: none is there.
    line.collector.stop().unwrap();
    line.fails_at("collector", "cannot be reached", "[collector]", &[]).unwrap();
    line.collector.serve(&line.network, &line.programs).unwrap();
    // proof: the key of another log is pinned.
    line.node.stop().unwrap();
    let identity = line.node.dir.join("state/identity.toml");
    let text = fs::read_to_string(&identity).unwrap();
    let forged = line.collector.register_key.clone();
    assert!(text.contains(&line.collector.log_key), "{text}");
    fs::write(&identity, text.replace(&line.collector.log_key, &forged)).unwrap();
    line.fails_at("proof", "not signed by the pinned log key", "log_vkey", &[]).unwrap();
    fs::write(&identity, text).unwrap();
    let (code, report) = line.test().unwrap();
    assert_eq!(code, Some(0), "{report:#}");
}
