//! An old log of a resolver, imported: its own times, marked as imported, judged by what is known now.

use std::{fs, path::Path, process::Output, time::Duration};

use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
};

const POINTS: &str = "[[node]]
node = \"old-dns\"
role = \"resolver\"
country = \"DE\"
region = \"DE-BE\"
asn = 64500
network_type = \"fixed\"
lines_served = 1000
[[node.point]]
id = \"rpz\"
technology = \"unbound_rpz\"
observation = \"observed\"
";

const REQUESTS: &str = "time_zone = \"UTC\"
end_date = \"last_day\"
[[request]]
id = \"court/2019-7\"
instrument = \"court_order_final\"
form = \"letter\"
authority = { id = \"court\", name = \"Regional Court\", branch = \"judicial\", country = \"DE\" }
from = 2019-03-01
until = 2019-03-31
territories = [\"DE\"]
techniques = [\"dns_nxdomain\"]
targets = [\"domain_exact:news.example\"]
";

/// As syslog writes it: no year, and the clock of Berlin. The last line is cut.
const LOG: &str = "\
Mar  1 00:30:00 ns1 unbound[7]: [7:0] info: rpz: applied [remit=court/2019-7] news.example. rpz-nxdomain 10.99.1.2@4711 news.example. A IN
Mar  1 12:00:00 ns1 unbound[7]: [7:0] info: service stopped (unbound 1.9.0).
Mar  2 12:00:00 ns1 unbound[7]: [7:0] info: rpz: applied [remit=court/2019-7] news.example. rpz-nxdomain 10.99.1.2@4712 news.example. A IN
Apr  2 12:00:00 ns1 unbound[7]: [7:0] info: rpz: applied [remit=court/2019-7] news.example. rpz-nxdomain 10.99.1.2@4713 news.example. A IN
Apr  2 12:00:01 ns1 unbound[7]: [7:0] info: rpz: applied [remit=court/2019-7] ne
";

const SETTINGS: &str = "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\n";

/// Exit code, and what was printed on either side.
fn ended(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn an_old_log_is_judged_by_its_own_times() {
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let collector =
        Collector::start(&network, &programs, &dir.path().join("collector"), 8443).unwrap();
    let person = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.path().join(id)).unwrap()
    };
    let (operator, assessor) = (person("person-1", "operator"), person("person-2", "assessor"));
    let written = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    operator.remit(&["points", "declare", "--file", &written("points.toml", POINTS)]).unwrap();
    operator.remit(&["requests", "import", &written("requests.toml", REQUESTS)]).unwrap();
    let mut node = Node::enrol(
        &network,
        &programs,
        &collector,
        Host::Resolver,
        "old-dns",
        &dir.path().join("old-dns"),
        SETTINGS,
    )
    .unwrap();
    let log = written("old.log", LOG);
    let import = |node: &Node, more: &[&str]| {
        let arguments = [&[log.as_str(), "--utc-offset", "3600"], more].concat();
        ended(&node.import(&network, &programs, &arguments).unwrap())
    };

    let (code, said) = import(&node, &[]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("line 1 carries no year"), "{said}");
    let missing = node.import(&network, &programs, &["/nonexistent.log"]).unwrap();
    let (code, said) = ended(&missing);
    assert_eq!(code, Some(66), "{said}");
    assert!(said.contains("/nonexistent.log cannot be read"), "{said}");

    // Recorded without the collector, handed in by the same command given again.
    let (code, said) = import(&node, &["--year", "2019", "--offline"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 lines parsed"), "{said}");
    assert!(said.contains("1 lines not understood"), "{said}");
    assert!(said.contains("1 lines skipped: no word"), "{said}");
    let (code, said) = import(&node, &["--year", "2019"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("imported before"), "{said}");
    assert!(said.contains("all of it is in the collector's log"), "{said}");

    let events = wait_for("the imported events", Duration::from_secs(60), || {
        let mut events = assessor.rows(&["events", "list"])?;
        anyhow::ensure!(
            events.iter().filter(|e| !e["verdict"].is_null()).count() == 3,
            "{events:?}"
        );
        events.sort_by_key(|event| event["first"].to_string());
        Ok(events)
    })
    .unwrap();
    let shown: Vec<String> = events
        .iter()
        .map(|event| {
            let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            assert_eq!(event["imported"], true, "{event}");
            assert_eq!(event["verdict_then"], "UNDETERMINED(imported)", "{event}");
            format!("{} {} {}", word("first"), word("target"), word("verdict"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            // An hour ahead of UTC this is still the day before the request begins.
            "2019-02-28T23:30:00Z news.example TOO_EARLY",
            "2019-03-02T11:00:00Z news.example AUTHORISED",
            "2019-04-02T11:00:00Z news.example EXPIRED",
        ]
    );
    // What was installed in 2019 is not known, and not said.
    assert_eq!(assessor.rows(&["rules", "list"]).unwrap().len(), 0);
    let nodes = assessor.rows(&["nodes", "list"]).unwrap();
    assert_eq!((&nodes[0]["recorded"], &nodes[0]["lost"]), (&3.into(), &1.into()), "{nodes:?}");

    no_client_is_stored(&[&node.dir.join("state"), &collector.dir]);
    // The same configuration also runs: a node without sources that hands in and seals.
    node.start(&network, &programs).unwrap();
    node.stop().unwrap();
}

/// The client's address is nowhere below these folders.
fn no_client_is_stored(folders: &[&Path]) {
    for folder in folders {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                no_client_is_stored(&[&path]);
                continue;
            }
            let bytes = fs::read(&path).unwrap_or_default();
            let found = bytes.windows(9).any(|window| window == b"10.99.1.2");
            assert!(!found, "a client's address is in {}", path.display());
        }
    }
}
