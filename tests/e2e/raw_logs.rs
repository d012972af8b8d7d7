//! Where the lines of other programs lie, who is named in them, and how long: from the node to an officer.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
};

#[test]
fn a_log_that_names_clients_is_told_with_its_place_and_its_age_and_without_its_path() {
    told().unwrap();
}

fn told() -> Result<()> {
    let (programs, network) = (Programs::built()?, Network::new()?);
    let dir = tempfile::tempdir()?;
    let memory = tempfile::tempdir_in("/dev/shm")?;
    let collector = Collector::start(&network, &programs, &dir.path().join("collector"), 8443)?;
    let officer = dir.path().join("officer");
    let officer = Person::enrol(&network, &programs, &collector, "person-1", "officer", &officer)?;
    let zone = dir.path().join("blocked.zone");
    fs::write(&zone, "$ORIGIN blocked.example.\nbad.example CNAME .\n")?;
    let mut nodes = Vec::new();
    for (name, host, folder) in
        [("edge-1", Host::Router, dir.path()), ("edge-2", Host::Resolver, memory.path())]
    {
        let logs = folder.join("of-jane-doe");
        fs::create_dir(&logs)?;
        fs::write(logs.join("rpz.log"), "")?;
        fs::write(logs.join("rpz.log.1"), "x".repeat(1000))?;
        let node = start(&network, &programs, &collector, host, name, dir.path(), &logs, &zone)?;
        nodes.push((node, logs));
    }
    let rows = wait_for("both nodes", Duration::from_secs(60), || {
        let rows = officer.rows(&["nodes", "list"])?;
        let told =
            rows.iter().filter(|row| row["raw_logs"].as_array().is_some_and(|l| l.len() == 1));
        ensure!(told.count() == 2, "{rows:?}");
        Ok(rows)
    })?;
    let all = format!("{rows:?}");
    for words in ["unbound_rpz, on disk, up to ", "unbound_rpz, in memory, up to ", " 1000 bytes"] {
        ensure!(all.contains(words), "{words} is missing: {all}");
    }
    let table = officer.remit(&["nodes", "list"])?;
    ensure!(table.contains("raw lines that name clients: unbound_rpz, on disk"), "{table}");
    let summary = officer.remit(&["summary"])?;
    ensure!(summary.contains("logs on disk that name clients"), "{summary}");
    ensure!(summary.contains("edge-1: unbound_rpz, on disk"), "{summary}");
    ensure!(!summary.contains("edge-2: unbound_rpz"), "{summary}");
    // A path may name a person; it leaves no node.
    for text in [&all, &table, &summary] {
        ensure!(!text.contains("jane"), "{text}");
    }
    // On the node itself it is named, since somebody has to put it right there.
    let (node, logs) = &nodes[0];
    let mut doctor = network.command(node.host, &programs.path("remit-agent"));
    let said = doctor.arg("doctor").arg("--config").arg(&node.config).output()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let wanted = format!(
        "the log {} can be read, and names clients on a disk",
        logs.join("rpz.log").display()
    );
    ensure!(said.contains(&wanted) && said.contains("tmpfs of bounded size"), "{said}");
    for (mut node, _) in nodes {
        node.stop()?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "a test says what its node is made of")]
fn start(
    network: &Network,
    programs: &Programs,
    collector: &Collector,
    host: Host,
    name: &str,
    dir: &Path,
    logs: &Path,
    zone: &Path,
) -> Result<Node> {
    let settings = format!(
        "lines_served = 1000\nseal_interval_s = 1\n[sources.unbound_rpz]\nlog = {:?}\n\
         zones = [{{ name = \"blocked.example\", file = {zone:?} }}]\n",
        logs.join("rpz.log")
    );
    let mut node =
        Node::enrol(network, programs, collector, host, name, &dir.join(name), &settings)?;
    node.start(network, programs)?;
    Ok(node)
}
