//! What `remit-agent template` prints, loaded into the program that it is for, and seen by an agent.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Process, Programs, run, wait_for},
    traffic::{datagrams, dig},
};
use serde_json::Value;

fn template(programs: &Programs, name: &str) -> String {
    let program = programs.path("remit-agent");
    run(&program.to_string_lossy(), &["template", name]).expect("remit-agent prints templates")
}

/// Hits by target and claims.
fn hits(events: &[Value]) -> BTreeMap<String, u64> {
    let mut hits = BTreeMap::new();
    for event in events {
        let key = format!("{} {}", event["target"].as_str().unwrap_or_default(), event["claims"]);
        *hits.entry(key).or_default() += event["hits"].as_u64().unwrap_or_default();
    }
    hits
}

struct Line {
    dir: tempfile::TempDir,
    programs: Programs,
    network: Network,
    collector: Collector,
    officer: Person,
}

impl Line {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (programs, network) = (Programs::built()?, Network::new()?);
        let collector = Collector::start(&network, &programs, &dir.path().join("collector"), 8443)?;
        let officer = dir.path().join("officer");
        let officer =
            Person::enrol(&network, &programs, &collector, "person-1", "officer", &officer)?;
        Ok(Self { dir, programs, network, collector, officer })
    }

    fn node(&self, host: Host, sources: &str) -> Result<Node> {
        let settings = "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\n";
        let (network, dir) = (&self.network, self.dir.path().join("node"));
        let settings = format!("{settings}{sources}");
        let mut node =
            Node::enrol(network, &self.programs, &self.collector, host, "node-1", &dir, &settings)?;
        node.start(network, &self.programs)?;
        Ok(node)
    }

    /// The agent runs and tests itself: what it says, as JSON.
    fn selftest(&self, node: &Node) -> Result<Value> {
        let mut command = self.network.command(node.host, &self.programs.path("remit-agent"));
        let output = command.args(["selftest", "--json", "--config"]).arg(&node.config).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn doctor(&self, node: &Node) -> Result<(Option<i32>, String)> {
        let mut command = self.network.command(node.host, &self.programs.path("remit-agent"));
        let output = command.arg("doctor").arg("--config").arg(&node.config).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
    }
}

#[test]
fn every_rule_of_the_nftables_template_is_seen_with_its_claim_and_its_hits() {
    let line = Line::new().unwrap();
    line.network.nft(Host::Router, &template(&line.programs, "nftables")).unwrap();
    let sources = "[sources.nftables]\ngroups = [42, 44]\ncounters_interval_s = 1\n";
    let node = line.node(Host::Router, sources).unwrap();
    let rules = wait_for("the rules", Duration::from_secs(60), || {
        let rules = line.officer.rows(&["rules", "list"])?;
        ensure!(!rules.is_empty(), "none");
        Ok(rules)
    })
    .unwrap();
    let claimed: BTreeMap<String, String> =
        rules.iter().map(|rule| (rule["target"].to_string(), rule["claims"].to_string())).collect();
    assert_eq!(claimed.len(), 8, "{claimed:#?}");
    assert!(
        claimed.values().all(|claims| claims.len() > 4),
        "a rule without a claim: {claimed:#?}"
    );

    let (code, said) = line.doctor(&node).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("8 rules and elements block") && said.contains("one is running"),
        "{said}"
    );
    assert!(!said.contains("claim nothing"), "{said}");
    assert!(said.contains("canaries watch over 2 of 2 groups"), "{said}");

    for (address, count) in
        [("198.51.100.10", 2), ("198.51.100.20", 3), ("198.51.100.70", 4), ("203.0.113.9", 5)]
    {
        datagrams(&line.network, Host::Subscriber, address, 443, count).unwrap();
    }
    let seen = wait_for("the hits", Duration::from_secs(60), || {
        let seen = hits(&line.officer.rows(&["events", "list"])?);
        ensure!(seen.values().sum::<u64>() == 14, "{seen:?}");
        Ok(seen)
    })
    .unwrap();
    println!("{seen:#?}");
    let events = line.officer.rows(&["events", "list"]).unwrap();
    let shared: Vec<_> = events
        .iter()
        .filter(|event| !event["other_candidates"].as_array().unwrap().is_empty())
        .map(|event| (event["hits"].as_u64(), event["verdict"].as_str()))
        .collect();
    // Four hits of a list under one counter: which address it was is not known, and said not to be.
    assert_eq!(shared, [(Some(4), Some("UNDETERMINED(ambiguous_rule)"))]);
    let rules = line.officer.rows(&["rules", "list"]).unwrap();
    let shared = rules.iter().filter(|rule| rule["shared_hits"] == 4 && rule["hits"] == 0).count();
    assert_eq!(shared, 3, "{rules:#?}");
    let of = |word: &str| {
        seen.iter().filter(|(key, _)| key.contains(word)).map(|(_, hits)| hits).sum::<u64>()
    };
    let sampled = rules.iter().filter(|rule| rule["names_sampled"] == true);
    let sampled: Vec<_> = sampled.map(|rule| rule["target"].to_string()).collect();
    assert_eq!(sampled, ["\"198.51.100.128/25\""], "{rules:#?}");
    assert_eq!(
        [of("court/2026-001"), of("court/2026-002"), of("class:security")],
        [2, 3, 5],
        "{seen:#?}"
    );
    let nodes = line.officer.output(&["nodes", "list"]).unwrap();
    let said = String::from_utf8_lossy(&nodes.stdout).into_owned();
    assert!(said.contains("canaries came back on 2 of 2 paths, alive as of 20"), "{said}");
    let nodes = line.officer.rows(&["nodes", "list"]).unwrap();
    let canaries = nodes[0]["canaries"][0].as_str().unwrap_or_default();
    assert!(canaries.starts_with("nflog/42 alive: "), "{nodes:?}");
    assert_eq!(nodes[0]["recorded"], 14, "canaries are in no figure: {nodes:?}");
    assert_eq!(nodes[0]["self_protection"], serde_json::json!([]), "{nodes:?}");
}

/// What the unit in the documentation executes: the one place where a timer's command is written down.
fn dump_command() -> &'static str {
    let manual = include_str!("../../docs/sources/iptables-legacy.md");
    let line = manual.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '"));
    line.and_then(|line| line.strip_suffix('\'')).expect("the manual has the unit")
}

#[test]
fn the_iptables_legacy_template_is_taken_whole_and_its_counters_are_the_hits() {
    let line = Line::new().unwrap();
    let dir = line.dir.path().join("dumps");
    fs::create_dir_all(&dir).unwrap();
    let text = template(&line.programs, "iptables-legacy");
    let rules = dir.join("rules.v4");
    fs::write(&rules, &text).unwrap();
    let rules = rules.to_string_lossy().into_owned();
    line.network.run_in(Host::Router, "iptables-legacy-restore", &["--test", &rules]).unwrap();
    line.network.run_in(Host::Router, "iptables-legacy-restore", &[&rules]).unwrap();
    // As after an `ip6tables-restore` of the operator's: a table that nobody has touched is not dumped.
    line.network.run_in(Host::Router, "ip6tables-legacy", &["-L", "-n"]).unwrap();
    let dump = || {
        let at = dir.to_string_lossy().into_owned();
        let command = format!("cd {at} && {}", dump_command());
        line.network.run_in(Host::Router, "/bin/sh", &["-c", &command])
    };
    dump().unwrap();
    let sources: String = text
        .lines()
        .skip_while(|line| !line.contains("[[sources.iptables_legacy]]"))
        .take_while(|line| line.trim_start_matches('#').starts_with("   "))
        .map(|line| format!("{}\n", line.trim_start_matches('#').trim()))
        .collect();
    let sources = sources.replace("/run/remit-iptables", &dir.to_string_lossy());
    let node = line.node(Host::Router, &sources).unwrap();
    wait_for("the rules", Duration::from_secs(60), || {
        let rules = line.officer.rows(&["rules", "list"])?;
        ensure!(rules.len() == 5, "{rules:#?}");
        ensure!(rules.iter().all(|rule| rule["claims"].to_string().len() > 4), "{rules:#?}");
        Ok(())
    })
    .unwrap();
    let (code, said) = line.doctor(&node).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("5 rules block what passes through"), "{said}");
    for (address, port, count) in [
        ("198.51.100.10", 443, 2),
        ("198.51.100.70", 443, 4),
        ("203.0.113.9", 53, 5),
        // Not what the rule of this address is about.
        ("198.51.100.20", 443, 3),
        (Host::Router.address().as_str(), 9999, 6),
    ] {
        datagrams(&line.network, Host::Subscriber, address, port, count).unwrap();
    }
    let seen = wait_for("the hits", Duration::from_secs(60), || {
        dump()?;
        let seen = hits(&line.officer.rows(&["events", "list"])?);
        ensure!(seen.values().sum::<u64>() == 11, "{seen:?}");
        Ok(seen)
    })
    .unwrap();
    let of = |word: &str| {
        seen.iter().filter(|(key, _)| key.contains(word)).map(|(_, hits)| hits).sum::<u64>()
    };
    let all = [of("court/2026-001"), of("list:national@2026-11"), of("class:security")];
    assert_eq!(all, [2, 4, 5], "{seen:#?}");
    let node = wait_for("the seal", Duration::from_secs(60), || {
        let node = line.officer.rows(&["nodes", "list"])?.swap_remove(0);
        ensure!(node["recorded"] == 11 && node["unexplained"] == 0, "{node:#}");
        Ok(node)
    })
    .unwrap();
    assert!(node["self_protection"].to_string().contains("iptables/filter/INPUT"), "{node:#}");
}

#[test]
fn the_doctor_names_what_is_wrong_and_the_remedy() {
    let mut line = Line::new().unwrap();
    line.network
        .nft(
            Host::Router,
            "table inet b {
            chain f { type filter hook forward priority filter;
            ip daddr 198.51.100.10 log prefix \"x\" group 42 queue-threshold 1 drop
            }
            }",
        )
        .unwrap();
    let sources = "[sources.nftables]\ngroups = [42, 43]\n[[sources.unbound_rpz]]\n\
                   log = \"/nowhere/rpz.log\"\nzones = [{ name = \"z\", file = \"/nowhere/z\" }]\n";
    let mut node = line.node(Host::Router, sources).unwrap();
    node.stop().unwrap();
    line.collector.stop().unwrap();
    let (code, said) = line.doctor(&node).unwrap();
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "none is running",
        "1 of 1 rules claim nothing, such as: ",
        "leave queue-threshold out",
        "no blocking rule logs to group 43",
        "give each a named counter",
        "the log /nowhere/rpz.log: No such file",
        "no control socket",
        "until then leaves wait in the spool",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
}

#[test]
fn the_unbound_template_blocks_what_it_says_and_is_seen_doing_so() {
    let line = Line::new().unwrap();
    let dir = line.dir.path().join("unbound");
    fs::create_dir_all(&dir).unwrap();
    let place = |text: String| {
        let own = |name: &str| dir.join(name).to_string_lossy().into_owned();
        text.replace("/run/unbound-log/rpz.log", &own("rpz.log"))
            .replace("/run/unbound.ctl", &own("unbound.ctl"))
            .replace("/etc/unbound/national.zone", &own("national.zone"))
    };
    fs::write(dir.join("national.zone"), template(&line.programs, "rpz-zone")).unwrap();
    let text = place(template(&line.programs, "unbound"));
    fs::write(dir.join("remit.conf"), &text).unwrap();
    // The rest of a resolver, in which nothing of the fragment is said again.
    let main = format!(
        "server:\n  interface: 0.0.0.0\n  access-control: 0.0.0.0/0 allow\n  chroot: \"\"\n  \
         username: \"\"\n  directory: \"{0}\"\n  pidfile: \"{0}/unbound.pid\"\n  do-daemonize: no\n\
         include: \"{0}/remit.conf\"\n",
        dir.display()
    );
    let config = dir.join("unbound.conf");
    fs::write(&config, main).unwrap();
    let config = config.to_string_lossy();
    run("/usr/sbin/unbound-checkconf", &[config.as_ref()]).unwrap();
    let mut command = line.network.command(Host::Resolver, Path::new("/usr/sbin/unbound"));
    command.args(["-d", "-c", config.as_ref()]);
    let unbound = Process::start("unbound", &mut command, &dir.join("unbound.out")).unwrap();
    wait_for("unbound", Duration::from_secs(60), || {
        ensure!(dir.join("unbound.ctl").exists(), "{}", unbound.printed());
        Ok(())
    })
    .unwrap();

    // The agent's part is in the fragment's own comment.
    let sources: String = text
        .lines()
        .skip_while(|line| !line.contains("[[sources.unbound_rpz]]"))
        .take_while(|line| line.starts_with('#'))
        .map(|line| format!("{}\n", line.trim_start_matches('#').trim()))
        .collect();
    let node = line.node(Host::Resolver, &sources).unwrap();
    wait_for("the rules", Duration::from_secs(60), || {
        let rules = line.officer.rows(&["rules", "list"])?;
        ensure!(rules.len() == 5, "{rules:?}");
        Ok(())
    })
    .unwrap();
    for (name, status, data) in [
        ("blocked.example", "NXDOMAIN", ""),
        ("www.blocked.example", "NXDOMAIN", ""),
        ("notice.example", "NOERROR", "192.0.2.80"),
        ("empty.example", "NOERROR", ""),
    ] {
        let answer = dig(&line.network, Host::Subscriber, Host::Resolver, name).unwrap();
        assert_eq!((answer.status.as_str(), answer.data.as_str()), (status, data), "{name}");
    }
    let (code, said) = line.doctor(&node).unwrap();
    assert_eq!(code, Some(0), "{said}");
    // Canaries are counted by Unbound too, and in no figure of ours.
    assert!(said.contains("Unbound has counted") && said.contains("is loaded"), "{said}");
    wait_for("the hits", Duration::from_secs(60), || {
        let seen = hits(&line.officer.rows(&["events", "list"])?);
        ensure!(seen.len() == 4 && seen.values().all(|hits| *hits == 1), "{seen:?}");
        ensure!(seen.keys().all(|key| key.contains("list:national@2026-11")), "{seen:?}");
        let node = &line.officer.rows(&["nodes", "list"])?[0];
        let canaries = node["canaries"][0].as_str().unwrap_or_default();
        let is_alive = canaries.starts_with("rpz/national.rpz.example.net alive: ");
        ensure!(is_alive && node["recorded"] == 4 && node["unexplained"] == 0, "{node}");
        Ok(())
    })
    .unwrap();
    // No rule to put in: the zone's own canary, seen once more, is shown to be in the log.
    let test = line.selftest(&node).unwrap();
    let leaf = test["stages"][3]["says"].as_str().unwrap_or_default();
    assert!(leaf.starts_with("the canaries of 1 of 1 policy zones came back"), "{test:#}");
    assert!(test["ok"] == true && test["proof"]["log_index"].is_u64(), "{test:#}");
}
