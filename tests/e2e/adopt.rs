//! A network that was there before: rules without request ids, a baseline, a plan, and verdicts that say
//! who attributed what later.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
    traffic::datagrams,
};
use serde_json::Value;

/// A set of twelve, of which the court's request names ten, and a rule with a note of its own.
const RULES: &str = r#"
table inet old {
	set court_004 {
		type ipv4_addr
		elements = { 198.51.100.1, 198.51.100.2, 198.51.100.3, 198.51.100.4, 198.51.100.5,
			198.51.100.6, 198.51.100.7, 198.51.100.8, 198.51.100.9, 198.51.100.10,
			198.51.100.11, 198.51.100.12 }
	}
	counter ticket { }
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip daddr @court_004 counter drop
		ip daddr 203.0.113.9 counter name ticket log prefix "ticket 17" group 7 drop
	}
}
"#;

const REQUESTS: &str = r#"
time_zone = "Europe/Berlin"
end_date = "last_day"
[[request]]
id = "court/2026-004"
instrument = "court_order_final"
form = "letter"
authority = { id = "court", name = "Regional Court", branch = "judicial", country = "DE" }
from = 2026-01-01
territories = ["DE"]
techniques = ["ip_acl_drop"]
targets = ["ip:198.51.100.1", "ip:198.51.100.2", "ip:198.51.100.3", "ip:198.51.100.4",
	"ip:198.51.100.5", "ip:198.51.100.6", "ip:198.51.100.7", "ip:198.51.100.8", "ip:198.51.100.9",
	"ip:198.51.100.10"]
"#;

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
"#;

struct World {
    network: Network,
    programs: Programs,
    operator: Person,
    assessor: Person,
    router: Node,
    _collector: Collector,
}

fn world(dir: &Path) -> Result<World> {
    let programs = Programs::built()?;
    let network = Network::new()?;
    let collector = Collector::start(&network, &programs, &dir.join("collector"), 8443)?;
    let person = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.join(id))
    };
    let (operator, assessor) = (person("person-1", "operator")?, person("person-2", "assessor")?);
    network.nft(Host::Router, RULES)?;
    let settings = "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\n\
                    seal_interval_s = 2\nbasis_map = \"basis.toml\"\n";
    let folder = dir.join("edge-1");
    let settings = settings.replace("basis.toml", &folder.join("basis.toml").to_string_lossy());
    let router =
        Node::enrol(&network, &programs, &collector, Host::Router, "edge-1", &folder, &settings)?;
    fs::write(folder.join("basis.toml"), "[claims]\n\"comment:unused\" = \"class:security\"\n")?;
    router.configure("\n[sources.nftables]\ngroups = [7]\ncounters_interval_s = 1\n")?;
    for (name, text) in [("points.toml", POINTS), ("requests.toml", REQUESTS)] {
        fs::write(dir.join(name), text)?;
    }
    operator.remit(&["points", "declare", "--file", &path(dir, "points.toml")])?;
    operator.remit(&["requests", "import", &path(dir, "requests.toml")])?;
    Ok(World { network, programs, operator, assessor, router, _collector: collector })
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_string_lossy().into_owned()
}

impl World {
    /// How many of the rules that stand have each verdict: "10 AUTHORISED, 3 NO_BASIS".
    fn verdicts(&self) -> Result<String> {
        let mut counts = std::collections::BTreeMap::<String, u64>::new();
        for rule in self.operator.rows(&["rules", "list"])? {
            *counts.entry(text(&rule["verdict"])).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(code, n)| format!("{n} {code}")).collect();
        Ok(counts.join(", "))
    }

    fn wait_for_verdicts(&self, want: &str) -> Result<()> {
        wait_for(want, Duration::from_secs(60), || {
            let found = self.verdicts()?;
            ensure!(found == want, "rules: {found}");
            Ok(())
        })
    }

    fn hit(&self) -> Result<Vec<Value>> {
        let events = self.operator.rows(&["events", "list", "--target", "203.0.113.9"])?;
        Ok(events.into_iter().filter(|event| event["hits"] != 0).collect())
    }
}

/// A table is made to fit; a sentence is one.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_network_with_old_rules_is_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).unwrap();
    world.router.start(&world.network, &world.programs).unwrap();
    world.wait_for_verdicts("10 AUTHORISED_MISREFERENCED, 3 NO_BASIS").unwrap();
    let operator = world.operator.clone();

    // Until they are explained, old rules have a deadline.
    let until = Command::new("date").args(["-u", "-d", "+30 days", "+%FT%TZ"]).output().unwrap();
    let until = String::from_utf8(until.stdout).unwrap().trim().to_owned();
    let baseline = ["adopt", "baseline", "--nodes", "edge-1", "--until", &until];
    let tried = operator.output(&[&baseline[..], &["--dry-run"]].concat()).unwrap();
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(said.contains("3 would leave NO_BASIS"), "{said}");
    assert_eq!(world.verdicts().unwrap(), "10 AUTHORISED_MISREFERENCED, 3 NO_BASIS");
    operator.remit(&baseline).unwrap();
    world.wait_for_verdicts("10 AUTHORISED_MISREFERENCED, 3 BASELINE_UNATTRIBUTED").unwrap();
    datagrams(&world.network, Host::Subscriber, "203.0.113.9", 443, 2).unwrap();
    wait_for("the hit to be judged", Duration::from_secs(60), || {
        let hit = world.hit()?;
        ensure!(hit.iter().any(|e| e["verdict"] == "BASELINE_UNATTRIBUTED"), "{hit:?}");
        ensure!(hit.iter().all(|e| text(&e["baseline_until"]) == until), "{hit:?}");
        Ok(())
    })
    .unwrap();

    // The plan: three groups, with proposals that a person takes up or not.
    let (plan, edited) = (path(dir.path(), "plan.toml"), path(dir.path(), "edited.toml"));
    operator.remit(&["adopt", "plan", "-o", &plan]).unwrap();
    let written = fs::read_to_string(&plan).unwrap();
    assert_eq!(written.matches("\n[[group]]").count(), 3, "{written}");
    assert!(
        written.contains("# to = \"court/2026-004\"   # touches 10 of these targets"),
        "{written}"
    );
    let nothing = operator.output(&["adopt", "apply", &plan]).unwrap();
    assert_eq!(nothing.status.code(), Some(2), "a plan that nobody edited attributes nothing");
    let taken = written
        .replace("# to = \"court/2026-004\"", "to = \"court/2026-004\"")
        .replace("log = \"ticket 17\"", "log = \"ticket 17\"\nto = \"court/2026-004\"");
    fs::write(&edited, taken).unwrap();
    let rows = operator.rows(&["adopt", "apply", "--dry-run", &edited]).unwrap();
    let counts: Vec<u64> = rows.iter().map(|row| row["rules"].as_u64().unwrap()).collect();
    assert_eq!((rows.len(), counts.iter().sum::<u64>()), (3, 13), "{rows:?}");
    assert_eq!(world.verdicts().unwrap(), "10 AUTHORISED_MISREFERENCED, 3 BASELINE_UNATTRIBUTED");
    let refused = world.assessor.output(&["adopt", "apply", &edited]).unwrap();
    assert_eq!(refused.status.code(), Some(4), "{}", String::from_utf8_lossy(&refused.stderr));

    operator.remit(&["adopt", "apply", &edited]).unwrap();
    // What was said of the wrong rules is judged like any wrong claim.
    world.wait_for_verdicts("10 AUTHORISED, 3 OUT_OF_SCOPE_TARGET").unwrap();
    let hit = world.hit().unwrap();
    assert!(
        hit.iter().any(|event| event["verdict"] == "OUT_OF_SCOPE_TARGET"
            && event["verdict_then"] == "BASELINE_UNATTRIBUTED"
            && event["attributed_by"] == "operator person-1"
            && event["attributed_to"] == serde_json::json!(["court/2026-004"])),
        "{hit:?}"
    );
    let shown = operator.remit(&["target", "198.51.100.1"]).unwrap();
    let shown = unwrapped(&shown);
    assert!(shown.contains("Attributed later to court/2026-004 by operator person-1"), "{shown}");
    let page = unwrapped(&operator.remit(&["summary"]).unwrap());
    assert!(page.contains("Of 10 rules 10 were attributed later"), "{page}");
    let again = path(dir.path(), "again.toml");
    operator.remit(&["adopt", "plan", "-o", &again]).unwrap();
    let left = fs::read_to_string(&again).unwrap();
    assert!(!left.contains("\n[[group]]"), "all are attributed: {left}");

    // The node reads a basis map that nobody stated, until somebody does.
    let maps = || operator.rows(&["findings", "list", "--verdict", "UNSTATED_BASIS_MAP"]).unwrap();
    assert_eq!(maps().len(), 1);
    let map = world.router.dir.join("basis.toml").to_string_lossy().into_owned();
    operator.remit(&["adopt", "basis-map", &map, "--nodes", "edge-1"]).unwrap();
    assert!(maps().is_empty());

    // What was stated, and by whom, is read by everybody, also by whoever has the bundle.
    operator.remit(&["adopt", "late-register", "60"]).unwrap();
    let stated = world.assessor.rows(&["adopt", "show"]).unwrap();
    let kinds: Vec<_> = stated.iter().map(|row| (&row["kind"], &row["in_force"])).collect();
    let wanted = ["baseline", "basis_map", "late_register"];
    assert!(kinds.iter().map(|(kind, _)| *kind).eq(wanted), "{kinds:?}");
    assert_eq!((kinds[1].1, kinds[2].1), (&true.into(), &true.into()), "{kinds:?}");
    assert_eq!((&stated[2]["grace_s"], &stated[2]["attestation"]), (&60.into(), &"signed".into()));
    let page = unwrapped(&operator.remit(&["summary"]).unwrap());
    assert!(page.contains("may come into the register 60 s later"), "{page}");

    let bundle = path(dir.path(), "bundle.tar");
    world.assessor.remit(&["export", "-o", &bundle]).unwrap();
    let verified = world.assessor.output(&["verify", &bundle, "--quorum", "none"]).unwrap();
    let report = unwrapped(&String::from_utf8_lossy(&verified.stdout));
    assert_eq!(verified.status.code(), Some(0), "{report}");
    assert!(report.contains("used and stated by nobody: none"), "{report}");
    assert!(report.contains("waited for 60 s after acts from"), "{report}");
}
