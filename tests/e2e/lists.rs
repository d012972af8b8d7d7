//! A list from a regulator's file to verdicts: feed, versions, a second person, zone and ruleset in the real
//! programs, and hits that are covered by the list in its version.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Process, Programs, run, wait_for},
    traffic::{datagrams, dig},
    unbound::{Unbound, Zone},
};
use serde_json::Value;

const POINTS: &str = r#"
[[node]]
node = "edge-1"
role = "router"
country = "DE"
network_type = "fixed"
lines_served = 1000
[[node.point]]
id = "filter"
technology = "nftables"
observation = "observed"
[[node]]
node = "dns-1"
role = "resolver"
country = "DE"
network_type = "fixed"
lines_served = 1000
[[node.point]]
id = "rpz"
technology = "unbound_rpz"
observation = "observed"
"#;

const REQUESTS: &str = r#"
time_zone = "Europe/Berlin"
end_date = "last_day"
[[request]]
id = "reg/2026-001"
instrument = "regulator_order"
form = "portal_list"
authority = { id = "regulator", name = "Regulator", branch = "regulator", country = "DE" }
from = 2026-01-01
territories = ["DE"]
techniques = ["ip_acl_drop", "dns_nxdomain"]
covers_lists = ["national"]
[[request]]
id = "court/2026-009"
instrument = "court_order_final"
form = "letter"
authority = { id = "court", name = "Regional Court", branch = "judicial", country = "DE" }
from = 2026-01-01
territories = ["DE"]
techniques = ["ip_acl_drop", "dns_nxdomain"]
covers_lists = ["national"]
"#;

/// Names, addresses, something that must stay open, and what neither a zone nor a set can say.
const FIRST: &str = "# as published
198.51.100.10
198.51.100.64/28
198.51.100.70
!198.51.100.65
2001:db8:100::10
203.0.113.7 court/2026-009
gambling.example
domain_subtree:blocked.example
!open.blocked.example
https://news.example/page
";

/// A feed with a threshold above which a person must look.
const FEED: [&str; 13] = [
    "lists",
    "feed",
    "national",
    "--request",
    "reg/2026-001",
    "--every",
    "1h",
    "--fetch",
    "10m",
    "--max-changes",
    "3",
    "--max-share",
    "50%",
];

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_string_lossy().into_owned()
}

fn hit(person: &Person, target: &str) -> Result<Value> {
    let events = person.rows(&["events", "list", "--target", target])?;
    let hit = events.into_iter().find(|e| e["hits"] != 0 && e["target"] == target);
    hit.ok_or_else(|| anyhow::anyhow!("no hit on {target}"))
}

#[test]
fn a_list_is_taken_in_approved_compiled_loaded_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let collector = Collector::start(&network, &programs, &dir.join("collector"), 8443).unwrap();
    let person = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.join(id)).unwrap()
    };
    let (first, second) = (person("person-1", "operator"), person("person-2", "operator"));
    let assessor = person("person-3", "assessor");
    for (name, text) in [("points.toml", POINTS), ("requests.toml", REQUESTS), ("list.txt", FIRST)]
    {
        fs::write(dir.join(name), text).unwrap();
    }
    first.remit(&["points", "declare", "--file", &path(dir, "points.toml")]).unwrap();
    first.remit(&["requests", "import", &path(dir, "requests.toml")]).unwrap();

    // A feed counts once somebody else has approved it; here by being logged in.
    let list = path(dir, "list.txt");
    first.remit(&[&FEED[..], &["--dry-run"]].concat()).unwrap();
    assert!(first.rows(&["lists", "list"]).unwrap().is_empty(), "a dry run enters nothing");
    first.remit(&FEED).unwrap();
    let (code, said) = first.tried(&["lists", "import", "national@1", &list]);
    assert!(code == Some(2) && said.contains("no approved feed"), "{code:?} {said}");
    let (code, said) = first.tried(&["lists", "approve", "national"]);
    assert!(code == Some(2) && said.contains("somebody else must approve"), "{code:?} {said}");
    let (code, said) = assessor.tried(&["lists", "approve", "national", "--by-login"]);
    assert_eq!(code, Some(4), "{said}");
    second.remit(&["lists", "approve", "national", "--by-login"]).unwrap();
    let shown = first.rows(&["lists", "list"]).unwrap();
    assert_eq!(shown[0]["request"], "reg/2026-001", "{shown:?}");

    // A first version always waits for a person, and is no basis until then.
    // Its own time, and that of the approval, lie before the hits by more than a clock may be wrong.
    let import = ["lists", "import", "national@1", &list, "--effective-at", "1h"];
    let (code, said) = first.tried(&import);
    assert!(code == Some(3) && said.contains("not in force"), "{code:?} {said}");
    let compile = |format: &str, out: &str| {
        first.tried(&["lists", "compile", "national@1", "--format", format, "-o", out])
    };
    let (code, said) = compile("nft", &path(dir, "early.nft"));
    assert!(code == Some(2) && said.contains("waits for a second person"), "{code:?} {said}");
    second.remit(&["lists", "approve", "national@1", "--effective-at", "1h"]).unwrap();
    let shown = first.remit(&["lists", "show", "national"]).unwrap();
    assert!(shown.contains("attested by the collector for person-2"), "{shown}");
    let versions = first.rows(&["lists", "show", "national"]).unwrap();
    assert_eq!(versions[0]["state"], "in_force", "{versions:?}");
    assert!(versions[0]["accepted_by"].as_str().unwrap().starts_with("signed by person-2"));

    // What cannot be said is named, and the exit code is 3; the same input gives the same bytes.
    let (ruleset, again, zone) = (path(dir, "1.nft"), path(dir, "again.nft"), path(dir, "1.zone"));
    let (code, said) = compile("nft", &ruleset);
    assert!(
        code == Some(3) && said.contains("5 blocked, 1 kept open, 4 left out"),
        "{code:?} {said}"
    );
    compile("nft", &again);
    let text = fs::read_to_string(&ruleset).unwrap();
    assert_eq!(text, fs::read_to_string(&again).unwrap());
    assert!(
        text.contains("203.0.113.7 comment \"remit=list:national@1,court/2026-009\""),
        "{text}"
    );
    let (code, said) = compile("rpz", &zone);
    assert!(code == Some(3) && said.contains("2 blocked, 1 kept open"), "{code:?} {said}");
    assert!(said.contains("a zone knows names"), "{said}");
    run("named-checkzone", &["national.rpz", &zone]).unwrap();

    // Into the real programs.
    let zones = [Zone { name: "national.rpz", log_name: "national", records: "" }];
    let unbound = Unbound::start(&network, &dir.join("unbound"), &zones).unwrap();
    network.run_in(Host::Router, "nft", &["--check", "--file", &ruleset]).unwrap();
    network.run_in(Host::Router, "nft", &["--file", &ruleset]).unwrap();
    fs::copy(&zone, &unbound.zones[0].1).unwrap();
    unbound.control(&network, &["auth_zone_reload", "national.rpz"]).unwrap();
    let settings = "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\n\
                    seal_interval_s = 2\ndefault_actor = \"operator_staff\"\n";
    let node = |host: Host, name: &str, source: &str| {
        let folder = dir.join(name);
        let mut node =
            Node::enrol(&network, &programs, &collector, host, name, &folder, settings).unwrap();
        node.configure(source).unwrap();
        node.start(&network, &programs).unwrap();
        node
    };
    let _router = node(
        Host::Router,
        "edge-1",
        "\n[sources.nftables]\ngroups = [42]\ncounters_interval_s = 1\n",
    );
    let source = format!(
        "\n[[sources.unbound_rpz]]\nlog = \"{}\"\ncontrol = \"{}\"\n[[sources.unbound_rpz.zones]]\nname = \
         \"national.rpz\"\nfile = \"{}\"\nlog_name = \"national\"\n",
        unbound.log.display(),
        unbound.control.display(),
        unbound.zones[0].1.display()
    );
    let _resolver = node(Host::Resolver, "dns-1", &source);
    wait_for("the rules of both", Duration::from_secs(60), || {
        let rules = first.rows(&["rules", "list"])?;
        for target in ["198.51.100.10", "203.0.113.7", "gambling.example", "*.blocked.example"] {
            ensure!(rules.iter().any(|rule| rule["target"] == target), "{target}: {rules:#?}");
        }
        let covered = |rule: &Value| rule["verdict"] == "AUTHORISED";
        ensure!(rules.iter().all(covered), "{rules:#?}");
        Ok(())
    })
    .unwrap();

    for address in
        ["198.51.100.10", "198.51.100.65", "198.51.100.70", "203.0.113.7", "2001:db8:100::10"]
    {
        datagrams(&network, Host::Subscriber, address, 443, 2).unwrap();
    }
    let asked = |name: &str| {
        let answer = dig(&network, Host::Subscriber, Host::Resolver, name).unwrap();
        answer.status
    };
    assert_eq!(asked("gambling.example"), "NXDOMAIN");
    // The resolver asks nobody, so what is let through gets no answer; but it is let through.
    let open = dig(&network, Host::Subscriber, Host::Resolver, "open.blocked.example");
    assert!(!open.is_ok_and(|answer| answer.status == "NXDOMAIN"));
    assert_eq!(asked("below.open.blocked.example"), "NXDOMAIN");
    for (target, request) in [
        ("198.51.100.10", "reg/2026-001"),
        ("198.51.100.64/28", "reg/2026-001"),
        ("203.0.113.7", "court/2026-009"),
        ("2001:db8:100::10", "reg/2026-001"),
        ("gambling.example", "reg/2026-001"),
        ("*.open.blocked.example", "reg/2026-001"),
    ] {
        wait_for(target, Duration::from_secs(60), || {
            let hit = hit(&first, target)?;
            ensure!(hit["verdict"] == "AUTHORISED", "{hit:#}");
            let reason = hit["reason"].as_str().unwrap_or_default();
            ensure!(reason.contains(request) && reason.contains("in list:national@1"), "{reason}");
            Ok(())
        })
        .unwrap();
    }
    // The open one inside the prefix was let through: the prefix has the two hits of 198.51.100.70.
    assert_eq!(hit(&first, "198.51.100.64/28").unwrap()["hits"], 2);

    // A small change enters under the standing approval, and says so.
    fs::write(&list, FIRST.replace("gambling.example\n", "") + "late.example\n").unwrap();
    let import = ["lists", "import", "national@2", &list, "--effective-at", "20m"];
    // A dry run names the rules whose verdict would be another one, whoever may enter it.
    let (code, said) = first.tried(&[&import[..], &["--dry-run"]].concat());
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let would = "gambling.example: AUTHORISED (reg/2026-001) would become IN_REMOVAL_GRACE";
    assert!(code == Some(0) && said.contains(would), "{code:?} {said}");
    let (code, said) = first.tried(&["requests", "withdraw", "court/2026-009", "--dry-run"]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        code == Some(0) && said.contains("ip:203.0.113.7: AUTHORISED (court/2026-009)"),
        "{said}"
    );
    assert!(!said.contains("gambling.example"), "{said}");
    let (code, said) = first.tried(&import);
    assert!(code == Some(0) && said.contains("under the standing approval"), "{code:?} {said}");
    let changes = first.rows(&["lists", "diff", "national@2"]).unwrap();
    let words: Vec<_> = changes.iter().map(|row| row["change"].as_str().unwrap()).collect();
    assert_eq!(words, ["removed", "added"], "{changes:?}");
    wait_for("the grace of what was removed", Duration::from_secs(60), || {
        let rules = first.rows(&["rules", "list", "--target", "gambling.example"])?;
        ensure!(rules.iter().any(|rule| rule["verdict"] == "IN_REMOVAL_GRACE"), "{rules:#?}");
        Ok(())
    })
    .unwrap();
    let (_, shown) = first.tried(&["target", "gambling.example"]);
    assert!(shown.contains("removed by list:national@2"), "{shown}");
    let (_, shown) = first.tried(&["requests", "show", "reg/2026-001"]);
    assert!(shown.contains("lists that it covers") && shown.contains("national"), "{shown}");

    // All of it can be proved to somebody else.
    let bundle = path(dir, "bundle.tar");
    assessor.remit(&["export", "-o", &bundle]).unwrap();
    let (code, report) = assessor.tried(&["verify", &bundle, "--quorum", "none"]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("1 approvals are the collector's word"), "{report}");
}

/// Subtrees, which a local zone can say, and names, which it cannot.
const SUBTREES: &str = "domain_subtree:blocked.example
domain_subtree:casino.example court/2026-009
!domain_subtree:open.blocked.example
gambling.example
";

#[test]
fn a_list_as_local_zones_is_loaded_into_unbound_and_judged_by_its_basis_map() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let collector = Collector::start(&network, &programs, &dir.join("collector"), 8443).unwrap();
    let person = |id: &str| {
        Person::enrol(&network, &programs, &collector, id, "operator", &dir.join(id)).unwrap()
    };
    let (first, second) = (person("person-1"), person("person-2"));
    for (name, text) in
        [("points.toml", POINTS), ("requests.toml", REQUESTS), ("list.txt", SUBTREES)]
    {
        fs::write(dir.join(name), text).unwrap();
    }
    first.remit(&["points", "declare", "--file", &path(dir, "points.toml")]).unwrap();
    first.remit(&["requests", "import", &path(dir, "requests.toml")]).unwrap();
    first.remit(&FEED).unwrap();
    second.remit(&["lists", "approve", "national"]).unwrap();
    let list = path(dir, "list.txt");
    let import = ["lists", "import", "national@1", &list, "--effective-at", "1h"];
    let (code, said) = first.tried(&import);
    assert_eq!(code, Some(3), "{said}");
    second.remit(&["lists", "approve", "national@1", "--effective-at", "1h"]).unwrap();

    let zones = path(dir, "zones.conf");
    let compile = ["lists", "compile", "national@1", "--format", "unbound-local", "-o", &zones];
    let (code, said) = first.tried(&compile);
    assert!(code == Some(3) && said.contains("2 blocked, 1 kept open, 1 left out"), "{said}");
    let text = fs::read_to_string(&zones).unwrap();
    // What the header asks people to do.
    let claims: String = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix('#').filter(|line| line.starts_with("\"zone:")))
        .map(|line| format!("{line}\n"))
        .collect();
    let map = path(dir, "basis.toml");
    fs::write(&map, format!("[claims]\n{claims}")).unwrap();
    let own = |name: &str| path(dir, name);
    let config = format!(
        "server:\n  interface: 0.0.0.0\n  access-control: 0.0.0.0/0 allow\n  chroot: \"\"\n  username: \
         \"\"\n  pidfile: \"{}\"\n  use-syslog: no\n  logfile: \"{}\"\n  log-local-actions: yes\n  \
         module-config: \"iterator\"\n  include: \"{zones}\"\nremote-control:\n  control-enable: yes\n  \
         control-interface: \"{}\"\n  control-use-cert: no\n",
        own("unbound.pid"),
        own("unbound.log"),
        own("control.sock"),
    );
    let config_file = own("unbound.conf");
    fs::write(&config_file, config).unwrap();
    run("unbound-checkconf", &[&config_file]).unwrap();
    let mut command = network.command(Host::Resolver, Path::new("/usr/sbin/unbound"));
    command.args(["-d", "-c", &config_file]);
    let unbound = Process::start("unbound", &mut command, &dir.join("unbound.out")).unwrap();
    wait_for("unbound's control socket", Duration::from_secs(60), || {
        ensure!(dir.join("control.sock").exists(), "{}", unbound.printed());
        Ok(())
    })
    .unwrap();

    let settings = format!(
        "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\nseal_interval_s = 2\n\
         default_actor = \"operator_staff\"\nbasis_map = \"{map}\"\n"
    );
    let folder = dir.join("dns-1");
    let host = Host::Resolver;
    let mut node =
        Node::enrol(&network, &programs, &collector, host, "dns-1", &folder, &settings).unwrap();
    let source = format!(
        "\n[[sources.unbound_rpz]]\nlog = \"{}\"\ncontrol = \"{}\"\nlocal_zones = true\n",
        own("unbound.log"),
        own("control.sock"),
    );
    node.configure(&source).unwrap();
    node.start(&network, &programs).unwrap();
    wait_for("the zones as rules", Duration::from_secs(60), || {
        let rules = first.rows(&["rules", "list"])?;
        let names = ["blocked.example", "casino.example"];
        let stands = |name: &str| rules.iter().any(|rule| told(rule).contains(name));
        ensure!(rules.len() == 2 && names.iter().all(|name| stands(name)), "{rules:#?}");
        ensure!(rules.iter().all(|rule| rule["verdict"] == "AUTHORISED"), "{rules:#?}");
        Ok(())
    })
    .unwrap();

    let asked = |name: &str| {
        dig(&network, Host::Subscriber, Host::Resolver, name).map(|answer| answer.status)
    };
    assert_eq!(asked("www.casino.example").unwrap(), "NXDOMAIN");
    assert_eq!(asked("blocked.example").unwrap(), "NXDOMAIN");
    // The resolver asks nobody, so what is let through gets no answer; but it is let through.
    assert!(!asked("www.open.blocked.example").is_ok_and(|status| status == "NXDOMAIN"));
    for (name, request) in
        [("casino.example", "court/2026-009"), ("blocked.example", "reg/2026-001")]
    {
        wait_for(name, Duration::from_secs(60), || {
            let events = first.rows(&["events", "list"])?;
            let hit = events.iter().find(|e| e["hits"] != 0 && told(e).contains(name));
            let Some(hit) = hit else { anyhow::bail!("no hit on {name}: {events:#?}") };
            ensure!(hit["verdict"] == "AUTHORISED" && hit["hits"] == 1, "{hit:#}");
            let reason = hit["reason"].as_str().unwrap_or_default();
            ensure!(reason.contains(request) && reason.contains("in list:national@1"), "{reason}");
            Ok(())
        })
        .unwrap();
    }
}

fn told(row: &Value) -> &str {
    row["target"].as_str().unwrap_or_default()
}
