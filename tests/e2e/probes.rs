//! OONI measurements, imported as a node of its own: what somebody outside saw, beside what is installed.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
};

const RULES: &str = r#"
table inet filter {
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip daddr 198.51.100.10 counter drop comment "remit=court/2026-1"
	}
}
"#;

const REQUESTS: &str = r#"
time_zone = "Europe/Berlin"
end_date = "last_day"
[[request]]
id = "court/2026-1"
instrument = "court_order_final"
form = "letter"
authority = { id = "court", name = "Regional Court", branch = "judicial", country = "DE" }
from = 2020-01-01
territories = ["DE"]
techniques = ["ip_acl_drop"]
targets = ["ip:198.51.100.10"]
"#;

const POINTS: &str = r#"
[[node]]
node = "edge-1"
role = "router"
country = "DE"
asn = 64500
network_type = "fixed"
lines_served = 1000
[[node.point]]
id = "filter"
technology = "nftables"
observation = "observed"
"#;

fn measurement(url: &str, asn: u32, blocking: &str, accessible: bool, at: &str) -> String {
    format!(
        r#"{{"test_name":"web_connectivity","input":"{url}","measurement_start_time":"{at}","probe_asn":"AS{asn}","probe_cc":"DE","probe_ip":"203.0.113.77","resolver_ip":"203.0.113.53","test_keys":{{"client_resolver":"203.0.113.53","blocking":{blocking},"accessible":{accessible}}}}}"#
    )
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_string_lossy().into_owned()
}

fn now() -> Result<String> {
    let output = std::process::Command::new("date").args(["-u", "+%F %T"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[test]
fn what_probes_saw_is_held_against_what_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let collector = Collector::start(&network, &programs, &dir.join("collector"), 8443).unwrap();
    let person = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.join(id)).unwrap()
    };
    let (operator, assessor) = (person("person-1", "operator"), person("person-2", "assessor"));
    network.nft(Host::Router, RULES).unwrap();
    let settings = "lines_served = 1000\nseal_interval_s = 2\n[sources.nftables]\ngroups = [7]\n";
    let mut router = Node::enrol(
        &network,
        &programs,
        &collector,
        Host::Router,
        "edge-1",
        &dir.join("edge-1"),
        settings,
    )
    .unwrap();
    for (name, text) in [("points.toml", POINTS), ("requests.toml", REQUESTS)] {
        fs::write(dir.join(name), text).unwrap();
    }
    operator.remit(&["points", "declare", "--file", &path(dir, "points.toml")]).unwrap();
    operator.remit(&["requests", "import", &path(dir, "requests.toml")]).unwrap();
    router.start(&network, &programs).unwrap();
    wait_for("the rule", Duration::from_secs(60), || {
        let rules = operator.rows(&["rules", "list"])?;
        ensure!(rules.len() == 1 && rules[0]["verdict"] == "AUTHORISED", "{rules:?}");
        Ok(())
    })
    .unwrap();

    let at = now().unwrap();
    let lines = [
        measurement("http://198.51.100.10/", 64_500, "false", true, &at),
        measurement("https://b.example/?line=4711", 64_500, "\"dns\"", false, &at),
        r#"{"test_name":"ndt","input":null}"#.to_owned(),
        "not a measurement".to_owned(),
    ];
    let file = path(dir, "measurements.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();

    // A person's keys sign statements, and no tree.
    let refused = operator.output(&["probe", "import", &file]).unwrap();
    let says = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && says.contains("a node of its own"), "{says}");

    let token = collector.token(&programs, &["node", "probe-1"]).unwrap();
    let importer = Person::with_token(
        &network,
        &programs,
        &collector,
        "probe-1",
        &token,
        &dir.join("probe-1"),
    )
    .unwrap();
    for recorded in
        ["2 measurements read: 2 recorded, 0 known", "2 measurements read: 0 recorded, 2 known"]
    {
        let imported = importer.output(&["probe", "import", &file]).unwrap();
        let says = String::from_utf8_lossy(&imported.stderr).into_owned();
        assert_eq!(imported.status.code(), Some(3), "one line is refused: {says}");
        assert!(
            says.contains(recorded) && says.contains("measurements.jsonl:4: not an OONI"),
            "{says}"
        );
    }

    wait_for("the probes", Duration::from_secs(60), || {
        let found = operator.rows(&["findings", "list", "--verdict", "INEFFECTIVE"])?;
        ensure!(found.len() == 1 && found[0]["request"] == "court/2026-1", "{found:?}");
        Ok(())
    })
    .unwrap();
    let shown = operator.remit(&["findings", "list"]).unwrap();
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("a probe there reached http://198.51.100.10/ at"), "{shown}");
    let target = operator.remit(&["target", "b.example"]).unwrap();
    let target = target.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        target.contains("blocked dns_forged_a AS64500 DE (own) https://b.example/"),
        "{target}"
    );
    assert!(target.contains("no rule that any node has told of"), "{target}");
    let page = operator.remit(&["summary"]).unwrap();
    assert!(page.contains("Installed, and reached by a probe all the same: 1"), "{page}");

    // Nothing of the probe or of its user went further than the file.
    for private in ["203.0.113.77", "203.0.113.53", "line=4711"] {
        for folder in ["collector", "probe-1"] {
            let found = std::process::Command::new("grep")
                .args(["-rlF", private, &path(dir, folder)])
                .output()
                .unwrap();
            assert!(
                found.stdout.is_empty(),
                "{private}: {}",
                String::from_utf8_lossy(&found.stdout)
            );
        }
    }
    let bundle = path(dir, "bundle.tar");
    assessor.remit(&["export", "-o", &bundle]).unwrap();
    let verified = assessor.output(&["verify", &bundle, "--quorum", "none"]).unwrap();
    let report = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(0), "{report}");
    assert!(report.contains("2 probes"), "{report}");
}
