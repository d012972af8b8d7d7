//! A set of 100,000 elements: what it costs the agent to have one, and to follow its reload.
//!
//! The agent of the size profile with its collector, so that it can be asked what it knows. Each reload
//! replaces table, set and rule in one commit, as list compilers do it, with another claim: the reload is
//! followed when the collector's answer names that claim and no other.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Row, Settings, cpu, median};
use crate::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Process, Programs, wait_for},
};

pub fn measure(programs: &Programs, dir: &Path, settings: &Settings) -> Result<Vec<Row>> {
    let network = Network::new()?;
    let collector = Collector::start(&network, programs, &dir.join("collector"), super::PORT)?;
    let operator =
        Person::enrol(&network, programs, &collector, "person-1", "operator", &dir.join("person"))?;
    let node = Node::enrol(
        &network,
        programs,
        &collector,
        Host::Router,
        "bench-set",
        &dir.join("node"),
        "lines_served = 1000\ncustomer_prefixes = [\"10.99.1.0/24\"]\n",
    )?;
    node.configure("\n[sources.nftables]\ngroups = [7]\n")?;
    let release = programs.path("remit-agent");
    let profiles = release.ancestors().nth(2).context("target/<profile>/remit-agent")?;
    let mut command = network.command(Host::Router, &profiles.join("size/remit-agent"));
    command.arg("run").arg("--config").arg(&node.config);
    let agent = Process::start("remit-agent", &mut command, &node.dir.join("agent.log"))?;
    std::thread::sleep(SETTLE);
    let empty = cpu::memory(agent.id())?;

    reload(&network, 0)?;
    followed(&operator, 0)?;
    std::thread::sleep(SETTLE);
    let idle = {
        let before = cpu::of_process(agent.id())?;
        std::thread::sleep(SETTLE);
        cpu::of_process(agent.id())?.saturating_sub(before).as_secs_f64() / SETTLE.as_secs_f64()
    };
    let (mut used, mut waited) = (Vec::new(), Vec::new());
    for round in 1..=settings.rounds {
        let (begin, before) = (Instant::now(), cpu::of_process(agent.id())?);
        reload(&network, round)?;
        let loaded = Instant::now();
        followed(&operator, round)?;
        waited.push(loaded.elapsed().as_secs_f64());
        std::thread::sleep(SETTLE);
        let cpu = cpu::of_process(agent.id())?.saturating_sub(before).as_secs_f64();
        used.push(cpu - idle * begin.elapsed().as_secs_f64());
    }
    let memory = cpu::memory(agent.id())?;
    let mb = |kib: u64| cpu::megabytes(kib * 1024);
    let rows = vec![
        Row {
            what: "agent memory, highest, a set of 100,000 elements reloaded",
            unit: "MB",
            values: vec![mb(memory.peak_kib)],
            target: Some(16.0),
            detail: format!(
                "resident: without it {:.2} MB, with it {:.2} MB",
                mb(empty.resident_kib),
                mb(memory.resident_kib)
            ),
        },
        Row {
            what: "agent CPU per atomic reload of that set",
            unit: "s",
            detail: format!(
                "all that the agent does of it; each reload was in the collector's answer {:.2} s after nft \
                 had ended",
                median(&waited)
            ),
            values: used,
            target: Some(1.0),
        },
    ];
    ensure!(agent.stop(Duration::from_secs(15))?.success(), "the agent ended badly");
    Ok(rows)
}

fn claim(round: usize) -> String {
    format!("court/2026-{round:03}")
}

/// Replaces everything in one commit.
fn reload(network: &Network, round: usize) -> Result<()> {
    let mut elements = String::new();
    for number in 0..ELEMENTS {
        // Another hundred of them each time.
        let at = number + 100 * (round as u32 % 10);
        let [_, b, c, d] = at.to_be_bytes();
        write!(elements, "198.{}.{c}.{d}, ", 18 + b)?;
    }
    network.nft(
        Host::Router,
        &format!(
            "table inet bench {{ }}\ndelete table inet bench\ntable inet bench {{\n set blocked {{\n  \
             type ipv4_addr\n  elements = {{ {elements} }}\n }}\n chain forward {{\n  \
             type filter hook forward priority filter; policy accept;\n  \
             ip daddr @blocked counter log prefix \"remit={claim}\" group 7 drop\n }}\n}}\n",
            claim = claim(round)
        ),
    )
}

/// The one rule is installed under this round's claim and under no other.
fn followed(operator: &Person, round: usize) -> Result<()> {
    wait_for("the reloaded rule", Duration::from_secs(60), || {
        let rules = operator.rows(&["rules", "list"])?;
        let wanted = claim(round);
        ensure!(
            rules.len() == 1 && rules.iter().all(|rule| rule.to_string().contains(&wanted)),
            "{} rules, and not the one of {wanted}",
            rules.len()
        );
        Ok(())
    })
}

const ELEMENTS: u32 = 100_000;
const SETTLE: Duration = Duration::from_secs(3);
