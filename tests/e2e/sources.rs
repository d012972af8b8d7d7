//! Sources beside each other on one node, from the kernel and from another box to an officer's screen.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::ensure;
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, run, wait_for},
    traffic::datagrams,
};

const BASIS: &str = "[claims]\n\"route:metric/4242\" = \"court/2026-001\"\n\
                     \"rule:dpi-1/p2\" = \"class:security\"\n";

const RULES: &str = r#"{"type":"rule","rule":"p1","at":"2026-11-24T00:00:00Z","target":"sni:a.example","technique":"tls_sni_rst","trigger":"server_name","claims":["court/2026-002"]}
{"type":"rule","rule":"p2","at":"2026-11-24T00:00:00Z","target":"cidr:203.0.113.0/24","technique":"ip_acl_drop","trigger":"destination"}
"#;

/// Hits by target and claims.
fn hits(officer: &Person) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut hits = BTreeMap::new();
    for event in officer.rows(&["events", "list"])? {
        let key = format!("{} {}", event["target"].as_str().unwrap_or_default(), event["claims"]);
        *hits.entry(key).or_default() += event["hits"].as_u64().unwrap_or_default();
    }
    Ok(hits)
}

#[test]
fn null_routes_and_a_box_that_tells_of_itself_on_one_node() {
    let dir = tempfile::tempdir().unwrap();
    let (programs, network) = (Programs::built().unwrap(), Network::new().unwrap());
    let collector =
        Collector::start(&network, &programs, &dir.path().join("collector"), 8443).unwrap();
    let officer = dir.path().join("officer");
    let officer =
        Person::enrol(&network, &programs, &collector, "person-1", "officer", &officer).unwrap();
    let place = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (basis, rules, log) = (place("basis.toml", BASIS), place("rules", RULES), place("log", ""));
    let agent = programs.path("remit-agent");
    let template = run(&agent.to_string_lossy(), &["template", "routes"]).unwrap();
    network.nft(Host::Router, &template).unwrap();
    let route = "route add blackhole 198.51.100.77 metric 4242";
    network.run_in(Host::Router, "ip", &route.split(' ').collect::<Vec<_>>()).unwrap();

    let settings = format!(
        "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\nbasis_map = \"{basis}\"\n\
         [sources.routes]\nlog_group = 43\ncounter = \"inet/remit_routes/no_way\"\n\
         counters_interval_s = 1\n[sources.jsonl]\nby = \"dpi-1\"\nlog = \"{log}\"\nrules = \"{rules}\"\n"
    );
    let state = dir.path().join("node");
    let mut node =
        Node::enrol(&network, &programs, &collector, Host::Router, "edge-1", &state, &settings)
            .unwrap();
    node.start(&network, &programs).unwrap();
    wait_for("the rules", Duration::from_secs(60), || {
        let rules = officer.rows(&["rules", "list"])?;
        ensure!(rules.len() == 3, "{rules:?}");
        Ok(())
    })
    .unwrap();

    datagrams(&network, Host::Subscriber, "198.51.100.77", 443, 4).unwrap();
    let told = "{\"type\":\"hit\",\"rule\":\"p1\",\"at\":\"2026-11-24T00:00:01Z\",\"count\":3,\
                \"response\":\"tcp-reset\"}\n\
                {\"type\":\"hit\",\"rule\":\"p2\",\"at\":\"2026-11-24T00:00:01Z\"}\n";
    fs::write(Path::new(&log), told).unwrap();
    let wanted: BTreeMap<String, u64> = [
        ("198.51.100.77 [\"court/2026-001\"]", 4),
        ("a.example [\"court/2026-002\"]", 3),
        ("203.0.113.0/24 [\"class:security\"]", 1),
    ]
    .map(|(key, count)| (key.to_owned(), count))
    .into();
    wait_for("the hits", Duration::from_secs(60), || {
        let seen = hits(&officer)?;
        ensure!(seen == wanted, "{seen:?}");
        Ok(())
    })
    .unwrap();
    let counted = network.counter(Host::Router, "inet", "remit_routes", "no_way").unwrap();
    assert_eq!(counted, 4);

    let mut command = network.command(Host::Router, &agent);
    let output = command.arg("doctor").arg("--config").arg(&node.config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in [
        "1 null routes block",
        "4 packets without a way were counted",
        "2 rules are told of by dpi-1",
        "1 of 2 rules carry no claim",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
}
