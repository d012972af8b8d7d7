//! The demo: from a dropped packet to a verdict, and what a dishonest operator can and cannot do.
//!
//! Everything in it is real: kernel, nftables, Unbound, the programs of this workspace. What is
//! declared differently from a production network is printed: `individual_actions`, window 0,
//! `lines_served = 1000`, `customer_prefixes`, `default_actor = "operator_staff"`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    collector::Collector,
    forge::{AllKeys, Forged, Lies, forge},
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
    traffic::{datagrams, dig, syn},
    unbound::{Unbound, Zone},
};

const PORT: u16 = 8443;
const RULES: &str = include_str!("../../deploy/demo/rules.nft");

/// The response policy zones of the demo's resolver.
const ZONES: [Zone; 3] = [
    Zone {
        name: "court-005.rpz",
        log_name: "remit=court/2026-005",
        records: "forum.example CNAME .\n*.forum.example CNAME .\n",
    },
    Zone {
        name: "court-006.rpz",
        log_name: "remit=court/2026-006",
        records: "news.example CNAME .\n",
    },
    Zone {
        name: "own.rpz",
        log_name: "remit=class:contract_tos",
        records: "phish.example CNAME .\n",
    },
];

/// What the demo plants: the target as the rule names it, and the verdict that it must get.
pub const PLANTED: [(&str, &str, &str); 12] = [
    ("198.51.100.10", "AUTHORISED", "an address drop covered by its request"),
    ("198.51.100.20", "EXPIRED", "a drop whose request has expired"),
    ("198.51.100.30", "NO_BASIS", "a drop with no request"),
    ("203.0.113.0/24", "OVERBROAD", "a /24 drop under a request for one address"),
    ("*.forum.example", "OUT_OF_SCOPE_TARGET", "a subtree rule under a request for the exact name"),
    ("forum.example", "AUTHORISED", "the exact name itself"),
    ("news.example", "AUTHORISED", "a covered RPZ rule"),
    ("198.51.100.70", "UNKNOWN_BASIS", "a rule that names a request nobody knows"),
    ("198.51.100.80", "WRONG_PLACE", "a block where the request does not apply"),
    ("198.51.100.90", "AUTHORISED", "registered only after the act"),
    ("phish.example", "TOS_MEASURE", "a terms-of-service measure"),
    ("2001:db8:100::11", "AUTHORISED", "an element of a set that carries its own claim"),
];

/// Running parts of the demo; dropping it stops and removes everything.
pub struct Demo {
    pub network: Network,
    pub programs: Programs,
    pub collector: Collector,
    pub operator: Person,
    pub assessor: Person,
    pub router: Node,
    pub resolver: Node,
    pub unbound: Unbound,
    pub dir: PathBuf,
}

impl Demo {
    /// Builds the network, loads rules and register, starts collector and agents.
    pub fn start(dir: &Path) -> Result<Self> {
        let programs = Programs::built()?;
        let network = Network::new()?;
        let collector = Collector::start(&network, &programs, &dir.join("collector"), PORT)?;
        let person = |id: &str, role: &str| {
            Person::enrol(&network, &programs, &collector, id, role, &dir.join(id))
        };
        let operator = person("person-1", "operator")?;
        let assessor = person("person-2", "assessor")?;
        let declared = deploy("points.toml");
        operator.remit(&["points", "declare", "--file", &declared])?;
        operator.remit(&["requests", "import", &deploy("requests.toml")])?;

        network.nft(Host::Router, RULES)?;
        let unbound = Unbound::start(&network, &dir.join("unbound"), &ZONES)?;
        let settings = "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\n\
                        seal_interval_s = 5\ndefault_actor = \"operator_staff\"\n\
                        customer_prefixes = [\"10.99.1.0/24\"]\n";
        let mut router = Node::enrol(
            &network,
            &programs,
            &collector,
            Host::Router,
            "edge-1",
            &dir.join("edge-1"),
            settings,
        )?;
        router.configure("\n[sources.nftables]\ngroups = [7]\ncounters_interval_s = 1\n")?;
        let mut resolver = Node::enrol(
            &network,
            &programs,
            &collector,
            Host::Resolver,
            "dns-1",
            &dir.join("dns-1"),
            settings,
        )?;
        resolver.configure(&unbound_source(&unbound))?;
        router.start(&network, &programs)?;
        resolver.start(&network, &programs)?;
        let demo = Self {
            network,
            programs,
            collector,
            operator,
            assessor,
            router,
            resolver,
            unbound,
            dir: dir.to_owned(),
        };
        demo.wait_for_rules()?;
        Ok(demo)
    }

    fn wait_for_rules(&self) -> Result<()> {
        wait_for("both nodes' rules", Duration::from_secs(60), || {
            let rules = self.operator.rows(&["rules", "list"])?;
            for (target, ..) in PLANTED {
                ensure!(
                    rules.iter().any(|rule| rule["target"] == target),
                    "no rule for {target} among {}; agents say:\n{}\n{}",
                    rules.len(),
                    self.router.process().map(|p| p.printed()).unwrap_or_default(),
                    self.resolver.process().map(|p| p.printed()).unwrap_or_default()
                );
            }
            Ok(())
        })
    }

    /// The subscriber tries to reach things. Returns what it saw, one line each.
    pub fn subscriber_acts(&self) -> Result<Vec<String>> {
        let network = &self.network;
        let mut seen = Vec::new();
        for (address, count) in [
            ("198.51.100.10", 3),
            ("198.51.100.20", 2),
            ("198.51.100.30", 4),
            ("203.0.113.9", 2),
            ("198.51.100.70", 1),
            ("198.51.100.80", 1),
            ("198.51.100.90", 2),
            ("2001:db8:100::11", 2),
        ] {
            datagrams(network, Host::Subscriber, address, 443, count)?;
            let datagrams = if count == 1 { "datagram" } else { "datagrams" };
            seen.push(format!("sends {count} {datagrams} to {address}: no answer"));
        }
        // For the router itself: dropped in its input hook, for its own sake.
        for _ in 0..3 {
            syn(network, Host::Subscriber, std::net::Ipv4Addr::new(10, 99, 1, 1), 23)?;
        }
        seen.push("sends 3 packets to the router's own port 23: no answer".to_owned());
        for name in
            ["news.example", "forum.example", "www.forum.example", "phish.example", "open.test"]
        {
            let answer = dig(network, Host::Subscriber, Host::Resolver, name)?;
            let said = format!("asks for {name}: {} {}", answer.status, answer.data);
            seen.push(said.trim_end().to_owned());
        }
        Ok(seen)
    }

    /// Waits until everything that was hit is judged.
    pub fn wait_for_hits(&self) -> Result<Vec<Value>> {
        wait_for("every hit to be judged", Duration::from_secs(60), || {
            let events = self.operator.rows(&["events", "list"])?;
            for (target, ..) in PLANTED {
                let judged = events
                    .iter()
                    .any(|e| e["target"] == target && e["hits"] != 0 && !e["verdict"].is_null());
                ensure!(judged, "no judged hit on {target} among {} events", events.len());
            }
            Ok(events)
        })
    }

    /// The request that comes after the act.
    pub fn register_late(&self) -> Result<()> {
        self.operator.remit(&["requests", "import", &deploy("late.toml")])?;
        wait_for("the late request to change the verdict", Duration::from_secs(60), || {
            let events = self.operator.rows(&["events", "list", "--target", "198.51.100.90"])?;
            ensure!(
                events.iter().any(|e| e["hits"] != 0 && e["verdict"] == "AUTHORISED"),
                "not yet"
            );
            Ok(())
        })
    }

    /// Every planted case must have got its verdict.
    pub fn check_verdicts(&self, events: &[Value]) -> Result<()> {
        for (target, verdict, case) in PLANTED {
            let found = events.iter().find(|e| e["target"] == target && e["hits"] != 0);
            let found = found.with_context(|| format!("{case}: no event for {target}"))?;
            ensure!(
                found["verdict"] == verdict,
                "{case}: {target} got {}, want {verdict} ({})",
                found["verdict"],
                found["reason"]
            );
        }
        Ok(())
    }

    pub fn save_checkpoint(&self, file: &Path) -> Result<()> {
        self.assessor.remit(&["checkpoint", "-o", &file.to_string_lossy()]).map(drop)
    }

    pub fn export(&self, person: &Person, url: &str, file: &Path) -> Result<()> {
        person.remit(&["--collector", url, "export", "-o", &file.to_string_lossy()]).map(drop)
    }

    /// `remit verify`: exit code and what it printed.
    pub fn verify(&self, bundle: &Path, old: Option<&Path>) -> Result<(i32, String)> {
        let bundle = bundle.to_string_lossy();
        let mut arguments = vec!["verify", &bundle, "--quorum", "none"];
        let old = old.map(|path| path.to_string_lossy().into_owned());
        if let Some(old) = &old {
            arguments.extend(["--old-checkpoint", old]);
        }
        let output = self.assessor.output(&arguments)?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code().unwrap_or(-1), text))
    }

    /// Somebody who holds every key writes another history and runs the real collector on it.
    pub fn forge_history(&self) -> Result<(Forged, PathBuf)> {
        let keys = AllKeys {
            nodes: [&self.router, &self.resolver]
                .into_iter()
                .map(|node| (node.name.clone(), node.dir.join("state")))
                .collect(),
            persons: [&self.operator, &self.assessor]
                .into_iter()
                .map(|person| (person.id.clone(), person.dir.clone()))
                .collect(),
        };
        let dir = self.dir.join("forged");
        let lies = Lies {
            back_date: "police/2026-090",
            drop_from: "edge-1",
            drop_claiming: "ministry/2026-999",
        };
        let forged = forge(&self.collector.dir, &dir, &keys, &lies)?;
        let mut collector = Collector::over(&self.collector, &dir, PORT + 10)?;
        collector.admin(&self.programs, &["rebuild"])?;
        collector.serve(&self.network, &self.programs)?;
        let bundle = self.dir.join("forged.tar");
        wait_for("the forged bundle", Duration::from_secs(60), || {
            if bundle.exists() {
                fs::remove_file(&bundle)?;
            }
            self.export(&self.assessor, &collector.url, &bundle)
        })?;
        collector.stop()?;
        Ok((forged, bundle))
    }
}

pub(crate) fn unbound_source(unbound: &Unbound) -> String {
    let mut text = format!(
        "\n[[sources.unbound_rpz]]\nlog = \"{}\"\ncontrol = \"{}\"\n",
        unbound.log.display(),
        unbound.control.display()
    );
    for (zone, file) in &unbound.zones {
        text.push_str(&format!(
            "[[sources.unbound_rpz.zones]]\nname = \"{}\"\nfile = \"{}\"\nlog_name = \"{}\"\n",
            zone.name,
            file.display(),
            zone.log_name
        ));
    }
    text
}

/// A file of `deploy/demo`.
pub fn deploy(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/demo").join(name);
    path.to_string_lossy().into_owned()
}
