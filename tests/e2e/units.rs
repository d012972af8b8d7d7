//! The systemd units: how exposed they leave the programs, and whether the programs can live in them.
//!
//! There is no systemd to start them here. What the units forbid is therefore held against what the
//! programs do: their system calls in a whole run (strace), and the agent's capability and user.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Process, Programs, output, run, wait_for},
    traffic::datagrams,
};

const UNITS: [&str; 2] = ["remit-agent.service", "remit-collector.service"];
/// Tenths: an exposure of 2.0.
const EXPOSURE_MAX: &str = "--threshold=20";
/// No user of the system that the tests run on.
const NOBODY: u32 = 65534;

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd").join(name)
}

#[test]
fn the_units_are_well_formed_and_leave_the_programs_little_exposed() {
    let dir = tempfile::tempdir().unwrap();
    for name in UNITS {
        let path = unit(name);
        let path = path.to_string_lossy();
        let arguments = ["security", "--offline=true", EXPOSURE_MAX, "--no-pager", path.as_ref()];
        let exposed = output("systemd-analyze", &arguments).unwrap();
        assert!(exposed.status.success(), "{}", String::from_utf8_lossy(&exposed.stdout));

        // The programs are not installed here; all else must be known to systemd.
        let text = fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("/usr/bin/remit-", "/usr/bin/true remit-");
        let copy = dir.path().join(name);
        fs::write(&copy, text).unwrap();
        let checked = output("systemd-analyze", &["verify", &copy.to_string_lossy()]).unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && !said.contains(name), "{said}");
    }
}

#[test]
fn the_programs_make_no_system_call_that_their_units_forbid() {
    let dir = tempfile::tempdir().unwrap();
    let traces = whole_run(dir.path()).unwrap();
    for (name, trace) in UNITS.into_iter().zip(traces) {
        let allowed = allowed(name).unwrap();
        let made = made(&trace).unwrap();
        assert!(made.contains("fdatasync"), "{name}: not much of a run: {made:?}");
        let forbidden: Vec<_> = made.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{name} forbids {forbidden:?}");
    }
}

/// Agent and collector from start to end, with a rule, traffic and a question; returns the traces.
fn whole_run(dir: &Path) -> Result<[PathBuf; 2]> {
    let (programs, network) = (Programs::built()?, Network::new()?);
    let traces = ["remit-agent", "remit-collector"].map(|name| dir.join(format!("{name}.trace")));
    let mut collector = Collector::start(&network, &programs, &dir.join("collector"), 8443)?;
    let officer = dir.join("officer");
    let officer = Person::enrol(&network, &programs, &collector, "person-1", "officer", &officer)?;
    network.nft(
        Host::Router,
        "table inet blocks { counter c { }
         chain forward { type filter hook forward priority filter; policy accept;
         ip daddr 198.51.100.10 counter name c log prefix \"remit=court/1\" group 7 drop\n}\n}\n",
    )?;
    let node = Node::enrol(
        &network,
        &programs,
        &collector,
        Host::Router,
        "edge-1",
        &dir.join("edge-1"),
        "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\nseal_interval_s = 2\n\
         metrics_listen = \"127.0.0.1:9469\"\n[sources.nftables]\ngroups = [7]\n",
    )?;
    let agent = network.command(Host::Router, Path::new("setpriv"));
    own(&node.dir)?;
    let arguments = ["run", "--config", &node.config.to_string_lossy()];
    let agent = start_confined(agent, &programs, "remit-agent", "+net_admin", dir, &arguments)?;
    collector.stop()?;
    own(&collector.dir)?;
    let serving = network.command(Host::Management, Path::new("setpriv"));
    let arguments = ["--config", &collector.config.to_string_lossy(), "serve"];
    let serving = start_confined(serving, &programs, "remit-collector", "-all", dir, &arguments)?;
    wait_for("a hit", Duration::from_secs(60), || {
        datagrams(&network, Host::Subscriber, "198.51.100.10", 443, 3)?;
        let events = officer.rows(&["events", "list"]).context(agent.printed())?;
        ensure!(!events.is_empty(), "no event:\n{}\n{}", agent.printed(), serving.printed());
        Ok(())
    })?;
    for process in [agent, serving] {
        let printed = process.printed();
        end_traced(process, &printed)?;
    }
    Ok(traces)
}

/// As its unit starts it: another user, and at most one capability.
fn start_confined(
    mut setpriv: Command,
    programs: &Programs,
    name: &str,
    capability: &str,
    dir: &Path,
    arguments: &[&str],
) -> Result<Process> {
    // The directory in which the programs were built may be closed to that user.
    let (program, trace) = (dir.join(name), dir.join(format!("{name}.trace")));
    fs::copy(programs.path(name), &program)?;
    fs::File::create(&trace)?;
    own(&trace)?;
    run("chmod", &["755", &dir.to_string_lossy()])?;
    setpriv
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
        .args(
            ["inh-caps", "ambient-caps", "bounding-set"]
                .map(|set| format!("--{set}=-all,{capability}")),
        )
        .args(["--no-new-privs", "strace", "-f", "-qq", "-o"])
        .args([&trace, &program])
        .args(arguments);
    Process::start(name, &mut setpriv, &dir.join(format!("{name}.log")))
}

fn own(path: &Path) -> Result<()> {
    run("chown", &["-R", &NOBODY.to_string(), &path.to_string_lossy()]).map(drop)
}

/// SIGTERM to the program, not to strace around it, which then ends by itself.
fn end_traced(mut process: Process, printed: &str) -> Result<()> {
    let children = format!("/proc/{0}/task/{0}/children", process.id());
    let child = fs::read_to_string(&children)?;
    let child = child.split_whitespace().next().with_context(|| printed.to_owned())?;
    run("kill", &["-TERM", child])?;
    wait_for("the end", Duration::from_secs(60), || {
        let ended = process.has_ended()?.context("still running")?;
        ensure!(ended.success(), "ended with {ended}:\n{printed}");
        Ok(())
    })
}

/// Names of the system calls in a trace.
fn made(trace: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(trace)?;
    let name = |line: &str| {
        // "1234 openat(AT_FDCWD, …": what is resumed or a signal was named before or is no call.
        let (_, call) = line.split_once(char::is_whitespace)?;
        let (name, _) = call.trim_start().split_once('(')?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        plain.then(|| name.to_owned())
    };
    Ok(text.lines().filter_map(name).collect())
}

/// What the unit's `SystemCallFilter` lines allow: the first says which, `~` takes away, later ones
/// add (systemd.exec(5)).
fn allowed(name: &str) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(unit(name))?;
    let mut allowed = members("@default")?;
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (removes, sets) = match line.strip_prefix('~') {
            Some(sets) => (true, sets),
            None => (false, line),
        };
        for set in sets.split_whitespace() {
            let members = members(set)?;
            allowed = match removes {
                true => &allowed - &members,
                false => &allowed | &members,
            };
        }
    }
    Ok(allowed)
}

/// The calls of a set (`@file-system`), or the call itself.
fn members(set: &str) -> Result<BTreeSet<String>> {
    if !set.starts_with('@') {
        return Ok(BTreeSet::from([set.to_owned()]));
    }
    let listed = run("systemd-analyze", &["--no-pager", "syscall-filter", set])?;
    let names = listed.lines().skip(1).map(str::trim);
    let mut all = BTreeSet::new();
    for name in names.filter(|name| !name.is_empty() && !name.starts_with('#')) {
        all.append(&mut members(name)?);
    }
    ensure!(!all.is_empty(), "{set} is empty:\n{listed}");
    Ok(all)
}
