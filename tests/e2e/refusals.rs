//! Bad input to the real programs: one clear sentence, a distinct code, and nothing is lost.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use nix::sys::signal::Signal;
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

    // A second token for the same person, and the revocation of a node that has never sent.
    let of_person_1 = ["person", "person-1", "--role", "operator"];
    let second = collector.token(&programs, &of_person_1).unwrap_err().to_string();
    assert!(second.contains("--replace"), "{second}");
    let replacing = [&of_person_1[..], &["--replace"]].concat();
    collector.token(&programs, &replacing).unwrap();
    let silent = dir.path().join("edge-8");
    Node::enrol(&network, &programs, &collector, Host::Router, "edge-8", &silent, "").unwrap();
    collector.admin(&programs, &["revoke", "node", "edge-8"]).unwrap();
    let unknown = collector.admin(&programs, &["revoke", "node", "edge-9"]).unwrap_err();
    assert!(unknown.to_string().contains("no such node"), "{unknown}");

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
    assert_eq!(imported.status.code(), Some(3), "a row is missing: {}", stderr(&imported));
    assert!(stderr(&imported).contains("from: \"2026-02-30\""), "{}", stderr(&imported));
    let last = |output: &std::process::Output| {
        stderr(output).lines().last().unwrap_or_default().to_owned()
    };
    assert!(last(&imported).ends_with("0 repaired, 1 refused"), "{}", last(&imported));

    // The corrected list again: what is there is not entered again, what was refused is.
    let again = operator.output(&["requests", "import", &requests]).unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(last(&again).contains("(1 new, 0 changed, "), "{}", last(&again));
    let nothing = operator.output(&["requests", "import", &requests]).unwrap();
    assert!(nothing.status.success(), "{}", stderr(&nothing));
    assert!(stderr(&nothing).contains("nothing was entered"), "{}", stderr(&nothing));
    let before = operator.rows(&["requests", "list"]).unwrap().len();

    // A list with one request changed and the others gone withdraws nothing.
    let text = fs::read_to_string(&requests).unwrap();
    let (head, _) = text.split_at(text.match_indices("[[request]]").nth(1).unwrap().0);
    fs::write(&rows, head.replace("ip_acl_drop", "ip_acl_reject")).unwrap();
    let shorter = operator.output(&["requests", "import", &rows.to_string_lossy()]).unwrap();
    assert!(last(&shorter).contains("(0 new, 1 changed, 0 unchanged"), "{}", stderr(&shorter));
    assert!(stderr(&shorter).contains("version 2: techniques differ"), "{}", stderr(&shorter));
    let left = "that this file does not have: court/2026-004";
    assert!(stderr(&shorter).contains(left), "{}", stderr(&shorter));
    let listed = operator.rows(&["requests", "list"]).unwrap();
    assert_eq!(listed.len(), before);
    assert_eq!(listed[0]["version"], 2);
    assert_eq!(listed[0]["effective_from_local"], "2026-01-01T00:00:00+01:00");

    // A transition that leads nowhere says where the request stands, and what can be stated.
    let refused = operator.output(&["requests", "resume", "court/2026-001"]).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = "resume does not follow where it stands then (active); there: suspend, withdraw";
    assert!(stderr(&refused).contains(said), "{}", stderr(&refused));

    // What is mistyped is refused, and not answered with an empty list.
    for (arguments, said) in [
        (["events", "list", "--node", "edge-9"], "no node \"edge-9\" is known"),
        (["findings", "list", "--verdict", "fine"], "NOT_ENFORCED"),
    ] {
        let refused = officer.output(&arguments).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains(said), "{}", stderr(&refused));
        assert!(refused.stdout.is_empty());
    }

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
    // A certificate that was cut off: the agent says so and ends, instead of recording for nobody.
    let certificate = node.dir.join("state/tls.crt");
    let whole = fs::read(&certificate).unwrap();
    fs::write(&certificate, whole.get(..200).unwrap()).unwrap();
    let run = network
        .command(Host::Router, "timeout".as_ref())
        .arg("20")
        .arg(programs.path("remit-agent"))
        .args(["run", "--config"])
        .arg(&node.config)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
    assert!(stderr(&run).contains("tls.crt"), "{}", stderr(&run));
    fs::write(&certificate, whole).unwrap();

    node.start(&network, &programs).unwrap();
    // What log rotation sends is no reason to stop observing.
    let within = std::time::Duration::from_secs(60);
    node.process().unwrap().signal(Signal::SIGHUP).unwrap();
    node.wait_for_log("SIGHUP", within).unwrap();
    // What it holds is closed to others.
    for path in ["spool", "node.key", "tls.crt"] {
        let mode = fs::metadata(node.dir.join("state").join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
    }
    let seen = || {
        let nodes = officer.rows(&["nodes", "list"])?;
        anyhow::ensure!(!nodes.is_empty(), "no node yet");
        Ok(())
    };
    remit_tests::process::wait_for("the node", within, seen).unwrap();
    collector.admin(&programs, &["revoke", "node", "edge-1"]).unwrap();
    node.wait_for_log("revoked", within).unwrap();
    collector.stop().unwrap();
}

/// The archive without the first of its files whose name begins so.
fn without(archive: &[u8], prefix: &str) -> anyhow::Result<Vec<u8>> {
    let mut left = tar::Builder::new(Vec::new());
    let mut missing = false;
    for file in tar::Archive::new(archive).entries()? {
        let file = file?;
        let name = file.path()?.to_string_lossy().into_owned();
        if !missing && name.starts_with(prefix) {
            missing = true;
            continue;
        }
        let mut header = file.header().clone();
        left.append_data(&mut header, name, file)?;
    }
    anyhow::ensure!(missing, "no {prefix} to leave out");
    Ok(left.into_inner()?)
}

#[test]
fn a_bundle_that_misses_a_file_and_a_damaged_journal_are_refused_by_name() {
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("collector");
    let mut collector = Collector::start(&network, &programs, &home, 8443).unwrap();
    let assessor = Person::enrol(
        &network,
        &programs,
        &collector,
        "person-1",
        "assessor",
        &dir.path().join("person-1"),
    )
    .unwrap();
    let whole = dir.path().join("whole.tar");
    assessor.remit(&["export", "-o", &whole.to_string_lossy()]).unwrap();
    // Verified offline, with the keys alone.
    let verify = |file: &std::path::Path| {
        Command::new(programs.path("remit"))
            .args(["verify", "--quorum", "none", "--log-key", &collector.log_key])
            .args(["--register-key", &collector.register_key])
            .arg(file)
            .output()
            .unwrap()
    };
    let sound = verify(&whole);
    assert_eq!(sound.status.code(), Some(0), "{}", String::from_utf8_lossy(&sound.stdout));
    let part = dir.path().join("part.tar");
    fs::write(&part, without(&fs::read(&whole).unwrap(), "log/tile/entries/").unwrap()).unwrap();
    let missing = verify(&part);
    assert_eq!(missing.status.code(), Some(3), "{}", stderr(&missing));
    let said = String::from_utf8_lossy(&missing.stdout).into_owned() + &stderr(&missing);
    assert!(said.contains("log/tile/entries/000"), "{said}");

    // One byte of what was committed: it is no interrupted write, so nothing is cut off.
    collector.stop().unwrap();
    let journal = home.join("journal/00000000000000000001");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[30] ^= 1;
    fs::write(&journal, &bytes).unwrap();
    let damaged = network
        .command(Host::Management, &programs.path("remit-collector"))
        .arg("--config")
        .arg(&collector.config)
        .arg("serve")
        .output()
        .unwrap();
    assert_eq!(damaged.status.code(), Some(2), "{}", stderr(&damaged));
    let said = stderr(&damaged);
    assert!(said.contains("journal/00000000000000000001 is damaged at byte 0"), "{said}");
    assert!(said.contains("restore the file from a copy"), "{said}");
    assert_eq!(fs::read(&journal).unwrap(), bytes, "it was touched");
}
