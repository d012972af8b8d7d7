//! Bad input to the real programs: one clear sentence, a distinct code, and nothing is lost.

use std::{fs, process::Command};

use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::Programs,
};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn agent_and_collector_report_every_mistake_in_their_configuration_at_once() {
    let programs = Programs::built().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    fs::write(&file, "colour = 1\nwindow_s = 5\n[collector]\nurl = \"http://x\"\n").unwrap();
    let output = Command::new(programs.path("remit-agent"))
        .args(["run", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    for key in ["colour", "window_s", "lines_served", "dir", "collector.url"] {
        assert!(stderr(&output).contains(key), "{key}: {}", stderr(&output));
    }
    fs::write(&file, "operator = \"x\"\nlisten = \"nowhere\"\n").unwrap();
    let output = Command::new(programs.path("remit-collector"))
        .arg("--config")
        .arg(&file)
        .arg("check-config")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    for key in ["operator", "listen", "dir"] {
        assert!(stderr(&output).contains(key), "{key}: {}", stderr(&output));
    }
}

#[test]
fn tokens_certificates_and_directories_are_refused_by_name() {
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut collector =
        Collector::start(&network, &programs, &dir.path().join("collector"), 8443).unwrap();

    // A second collector on the same directory.
    let config = collector.config.to_string_lossy().into_owned();
    let program = programs.path("remit-collector").to_string_lossy().into_owned();
    let second = network
        .command(Host::Management, program.as_ref())
        .args(["--config", &config, "serve"])
        .output()
        .unwrap();
    assert!(stderr(&second).contains("another collector is running"), "{}", stderr(&second));

    // A token works once.
    let token = collector.token(&programs, &["person", "person-1", "--role", "officer"]).unwrap();
    let enrol = |home: &str| {
        let home = dir.path().join(home).to_string_lossy().into_owned();
        network
            .command(Host::Management, &programs.path("remit"))
            .args(["--dir", &home, "enrol", "--collector", &collector.url, "--ca"])
            .arg(collector.ca())
            .args(["--token", &token])
            .output()
            .unwrap()
    };
    assert!(enrol("home-1").status.success());
    let again = enrol("home-2");
    assert_eq!(again.status.code(), Some(4), "{}", stderr(&again));
    assert!(stderr(&again).contains("TOKEN_REFUSED"), "{}", stderr(&again));

    // An officer asks, and writes nothing.
    let officer = Person::enrol(
        &network,
        &programs,
        &collector,
        "person-3",
        "officer",
        &dir.path().join("person-3"),
    )
    .unwrap();
    officer.remit(&["events", "list"]).unwrap();
    let requests = remit_tests::demo::deploy("requests.toml");
    let refused = officer.output(&["requests", "import", &requests]).unwrap();
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));

    // An impossible date in a row names the row, the field and the remedy; the rest is taken.
    let operator = Person::enrol(
        &network,
        &programs,
        &collector,
        "person-4",
        "operator",
        &dir.path().join("person-4"),
    )
    .unwrap();
    let rows = dir.path().join("rows.toml");
    let text = fs::read_to_string(&requests).unwrap().replacen(
        "from = 2026-01-01",
        "from = \"2026-02-30\"",
        1,
    );
    fs::write(&rows, text).unwrap();
    let imported = operator.output(&["requests", "import", &rows.to_string_lossy()]).unwrap();
    assert!(imported.status.success(), "{}", stderr(&imported));
    assert!(stderr(&imported).contains("from"), "{}", stderr(&imported));
    assert!(stderr(&imported).contains("2026-02-30"), "{}", stderr(&imported));

    // A revoked agent is refused without a restart of the collector.
    let mut node = Node::enrol(
        &network,
        &programs,
        &collector,
        Host::Router,
        "edge-1",
        &dir.path().join("edge-1"),
        "lines_served = 1000\nseal_interval_s = 1\n[sources.nftables]\ngroups = [7]\n",
    )
    .unwrap();
    node.start(&network, &programs).unwrap();
    let seen = || {
        let nodes = officer.rows(&["nodes", "list"])?;
        anyhow::ensure!(!nodes.is_empty(), "no node yet");
        Ok(())
    };
    let within = std::time::Duration::from_secs(20);
    remit_tests::process::wait_for("the node", within, seen).unwrap();
    collector.admin(&programs, &["revoke", "node", "edge-1"]).unwrap();
    node.wait_for_log("revoked", within).unwrap();
    collector.stop().unwrap();
}
