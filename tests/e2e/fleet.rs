//! Many nodes: one token for all of them, certificates that grow old, keys that are taken away.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
};

const WITHIN: Duration = Duration::from_secs(60);
const SETTINGS: &str =
    "lines_served = 1000\nseal_interval_s = 1\n[sources.nftables]\ngroups = [7]\n";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `remit-agent enrol` on the router, as a machine would type it.
fn enrolling(
    network: &Network,
    programs: &Programs,
    collector: &Collector,
    token: &str,
    node: Option<&str>,
    dir: &Path,
) -> Command {
    let mut command = network.command(Host::Router, &programs.path("remit-agent"));
    command.args(["enrol", "--collector", &collector.url, "--ca"]).arg(collector.ca());
    command.arg("--dir").arg(dir).env("REMIT_TOKEN", token);
    if let Some(node) = node {
        command.args(["--node", node]);
    }
    command
}

#[test]
fn forty_machines_enrol_at_once_with_one_token_and_each_is_another_node() {
    let (programs, network) = (Programs::built().unwrap(), Network::new().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let collector =
        Collector::start(&network, &programs, &dir.path().join("collector"), 8443).unwrap();
    let arguments = ["nodes", "--count", "40", "--prefix", "edge-"];
    let token = collector.token(&programs, &arguments).unwrap();
    let homes: Vec<PathBuf> = (0..41).map(|n| dir.path().join(format!("node-{n}"))).collect();
    let started: Vec<_> = homes
        .iter()
        .map(|home| {
            // One says who it is, the others take what is free; one is too many.
            let node = home.ends_with("node-0").then_some("edge-17");
            enrolling(&network, &programs, &collector, &token, node, home)
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let ended: Vec<Output> =
        started.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let refused: Vec<_> = ended.iter().filter(|output| !output.status.success()).collect();
    assert_eq!(refused.len(), 1, "{:?}", refused.iter().map(|o| stderr(o)).collect::<Vec<_>>());
    let said = stderr(refused[0]);
    assert!(said.contains("all 40 nodes of this token") || said.contains("edge-17"), "{said}");
    let mut names: Vec<String> = homes
        .iter()
        .filter_map(|home| fs::read_to_string(home.join("identity.toml")).ok())
        .filter_map(|text| Some(text.split_once("node = \"")?.1.split_once('"')?.0.to_owned()))
        .collect();
    names.sort();
    let wanted: Vec<String> = (1..=40).map(|n| format!("edge-{n:02}")).collect();
    assert_eq!(names, wanted);

    // A second token is listed without being shown, and void when it is taken back.
    let second = collector.token(&programs, &["nodes", "core-1", "core-2"]).unwrap();
    let listed = collector.admin(&programs, &["tokens"]).unwrap();
    assert!(listed.contains("core-1") && !listed.contains(&second), "{listed}");
    let series = listed.split_whitespace().next().unwrap();
    collector.admin(&programs, &["revoke", "series", series]).unwrap();
    assert_eq!(collector.admin(&programs, &["tokens"]).unwrap(), "");
    let home = dir.path().join("core-1");
    let refused = enrolling(&network, &programs, &collector, &second, Some("core-1"), &home)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("unknown, used, void or expired"), "{}", stderr(&refused));
}

/// A collector, a node and an officer, enrolled by a clock that was so many days behind.
struct Aged {
    programs: Programs,
    network: Network,
    collector: Collector,
    node: Node,
    officer: Person,
    _dir: tempfile::TempDir,
}

fn aged(days: u32) -> Result<Aged> {
    let (programs, network) = (Programs::built()?, Network::new()?);
    let dir = tempfile::tempdir()?;
    let home = |name: &str| dir.path().join(name);
    let mut collector = Collector::start(&network, &programs, &home("collector"), 8443)?;
    collector.stop()?;
    collector.serve_days_ago(&network, &programs, days)?;
    let officer =
        Person::enrol(&network, &programs, &collector, "person-1", "officer", &home("officer"))?;
    let host = Host::Router;
    let node =
        Node::enrol(&network, &programs, &collector, host, "edge-1", &home("edge-1"), SETTINGS)?;
    collector.stop()?;
    collector.serve(&network, &programs)?;
    Ok(Aged { programs, network, collector, node, officer, _dir: dir })
}

#[test]
fn certificates_are_renewed_before_two_thirds_of_their_life_by_whoever_has_them() {
    let Aged { programs, network, collector: _collector, mut node, officer, _dir } =
        aged(61).unwrap();
    let (of_node, of_officer) = (node.dir.join("state/tls.crt"), officer.dir.join("tls.pem"));
    let before = [&of_node, &of_officer].map(|path| fs::read_to_string(path).unwrap());
    let key = fs::read_to_string(node.dir.join("state/tls.key")).unwrap();
    let doctor = doctor(&network, &programs, &node);
    assert!(doctor.contains("should have been renewed"), "{doctor}");

    node.start(&network, &programs).unwrap();
    node.wait_for_log("the certificate was renewed", WITHIN).unwrap();
    assert_ne!(fs::read_to_string(&of_node).unwrap(), before[0]);
    assert_eq!(fs::read_to_string(node.dir.join("state/tls.key")).unwrap(), key);
    // It comes back with the new one at once, and what it records arrives.
    wait_for("the second connection", WITHIN, || {
        let printed = node.process().map(|process| process.printed()).unwrap_or_default();
        let count = printed.matches("connected to the collector").count();
        ensure!(count >= 2, "{printed}");
        Ok(())
    })
    .unwrap();
    let asked = officer.output(&["nodes", "list"]).unwrap();
    assert!(stderr(&asked).contains("your certificate was renewed"), "{}", stderr(&asked));
    assert_ne!(fs::read_to_string(&of_officer).unwrap(), before[1]);
    let again = officer.output(&["nodes", "list"]).unwrap();
    assert!(again.status.success() && !stderr(&again).contains("renewed"), "{}", stderr(&again));
    assert!(String::from_utf8_lossy(&again.stdout).contains("edge-1"));
    node.stop().unwrap();
}

fn doctor(network: &Network, programs: &Programs, node: &Node) -> String {
    let mut command = network.command(node.host, &programs.path("remit-agent"));
    let output = command.arg("doctor").arg("--config").arg(&node.config).output();
    let output = output.expect("remit-agent can be run");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn who_was_offline_until_the_certificate_ended_is_told_so_and_helped_by_a_token() {
    let Aged { programs, network, collector, mut node, officer, _dir } = aged(100).unwrap();
    node.start(&network, &programs).unwrap();
    node.wait_for_log("the node's certificate ended 10 day(s) ago", WITHIN).unwrap();
    assert!(doctor(&network, &programs, &node).contains("ended 10 day(s) ago"));
    let refused = officer.output(&["nodes", "list"]).unwrap();
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("--role officer --renew"), "{}", stderr(&refused));

    // A token for another certificate is no token for another key.
    let token = collector.token(&programs, &["node", "edge-1", "--renew"]).unwrap();
    let thief = node.dir.join("thief");
    let refused =
        enrolling(&network, &programs, &collector, &token, None, &thief).output().unwrap();
    assert!(stderr(&refused).contains("enrolled with another key"), "{}", stderr(&refused));
    // The agent goes on running, and takes up what was put beside it.
    let renewed = network
        .command(Host::Router, &programs.path("remit-agent"))
        .args(["renew", "--token", &token, "--config"])
        .arg(&node.config)
        .output()
        .unwrap();
    assert!(renewed.status.success(), "{}", stderr(&renewed));
    node.wait_for_log("connected to the collector", WITHIN).unwrap();

    let arguments = ["person", "person-1", "--role", "officer", "--renew"];
    let token = collector.token(&programs, &arguments).unwrap();
    officer.remit(&["renew", "--token", &token]).unwrap();
    wait_for("the node", WITHIN, || {
        let nodes = officer.rows(&["nodes", "list"])?;
        ensure!(!nodes.is_empty(), "no node yet");
        Ok(())
    })
    .unwrap();
    officer.remit(&["renew"]).unwrap();
    node.stop().unwrap();
}
