//! A set of 100,000 elements: what it costs the agent to have one, and to follow its reload.
//!
//! The agent of the size profile with its collector, so that it can be asked what it knows. Each reload
//! replaces table, set and rule in one commit, as list compilers do it: the same rule and claim, as many
//! elements, a hundred of them others. Only the digest of the elements tells one load from the next; it is
//! made again here from the list. A reload is followed when the collector's answer has that digest, and
//! nothing else.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha256};

use super::{Row, Settings, agent, cpu, median};
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
    let mut command = network.command(Host::Router, &agent::of_size_profile(programs)?);
    command.arg("run").arg("--config").arg(&node.config);
    let process = Process::start("remit-agent", &mut command, &node.dir.join("agent.log"))?;
    std::thread::sleep(SETTLE);
    let empty = cpu::memory(process.id())?;

    reload(&network, 0)?;
    followed(&operator, 0)?;
    std::thread::sleep(SETTLE);
    let idle = {
        let before = cpu::of_process(process.id())?;
        std::thread::sleep(SETTLE);
        cpu::of_process(process.id())?.saturating_sub(before).as_secs_f64() / SETTLE.as_secs_f64()
    };
    let (mut used, mut waited, mut right) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=settings.rounds {
        let (begin, before) = (Instant::now(), cpu::of_process(process.id())?);
        reload(&network, round)?;
        let loaded = Instant::now();
        right.push(f64::from(followed(&operator, round)?));
        waited.push(loaded.elapsed().as_secs_f64());
        std::thread::sleep(SETTLE);
        let cpu = cpu::of_process(process.id())?.saturating_sub(before).as_secs_f64();
        used.push(cpu - idle * begin.elapsed().as_secs_f64());
        // So soon after a reload the agent puts off reading such a set again.
        std::thread::sleep(SETTLE);
    }
    let memory = cpu::memory(process.id())?;
    let mb = |kib: u64| cpu::megabytes(kib * 1024);
    let rows = vec![
        Row {
            what: "a set of 100,000 elements: agent memory, highest, over its reloads",
            unit: "MB",
            values: vec![mb(memory.peak_kib)],
            target: Some(16.0),
            detail: format!(
                "resident: without the set {:.2} MB, after all reloads {:.2} MB",
                mb(empty.resident_kib),
                mb(memory.resident_kib)
            ),
        },
        Row {
            what: "the same: agent CPU for each reload",
            unit: "s",
            values: used,
            target: Some(1.0),
            detail: format!(
                "reading it all once, user and system, idle share ({:.1} ms/s) taken off; in the collector's \
                 answer {:.1} s after nft had ended",
                idle * 1000.0,
                median(&waited)
            ),
        },
        Row {
            what: "the same: reloads after which another set was on record",
            unit: "reloads",
            values: right.iter().map(|right| 1.0 - right).collect(),
            target: Some(0.0),
            detail: format!(
                "of {}: digest of the elements as recorded, and as made from the list that was loaded",
                settings.rounds
            ),
        },
    ];
    ensure!(process.stop(Duration::from_secs(15))?.success(), "the agent ended badly");
    Ok(rows)
}

/// The elements of one load: another hundred of them each time.
fn elements(round: usize) -> impl Iterator<Item = String> {
    let first = 100 * (round as u32 % 10);
    (first..first + ELEMENTS).map(|number| {
        let [_, b, c, d] = number.to_be_bytes();
        format!("198.{}.{c}.{d}", 18 + b)
    })
}

/// Replaces everything in one commit.
fn reload(network: &Network, round: usize) -> Result<()> {
    let mut list = String::new();
    for element in elements(round) {
        write!(list, "{element}, ")?;
    }
    network.nft(
        Host::Router,
        &format!(
            "table inet bench {{ }}\ndelete table inet bench\ntable inet bench {{\n set blocked {{\n  \
             type ipv4_addr\n  elements = {{ {list} }}\n }}\n chain forward {{\n  \
             type filter hook forward priority filter; policy accept;\n  \
             ip daddr @blocked counter log prefix \"remit=list:bench@1\" group 7 drop\n }}\n}}\n"
        ),
    )
}

/// As `agent/src/sources/nftables/digest.rs` says it.
fn digest(round: usize) -> String {
    let mut hashes: Vec<[u8; 32]> = elements(round).map(|e| Sha256::digest(e).into()).collect();
    hashes.sort_unstable();
    let digest: [u8; 32] = Sha256::digest(hashes.concat()).into();
    digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whether the one rule comes to have the digest of this load. False if it comes to have another one.
fn followed(operator: &Person, round: usize) -> Result<bool> {
    let (now, before) = (digest(round), round.checked_sub(1).map(digest));
    let mut right = false;
    wait_for("the reloaded set", Duration::from_secs(60), || {
        let rules = operator.rows(&["rules", "list"])?;
        let [rule] = rules.as_slice() else { anyhow::bail!("{} rules, and not one", rules.len()) };
        let native = rule["native"].as_str().unwrap_or_default();
        let said = native.split("SHA-256 of them ").nth(1);
        right = said == Some(&now) && native.contains("set blocked has 100000 elements");
        // What was there before, or nothing while it is being read.
        ensure!(said.is_some() && said != before.as_deref(), "the rule is: {native}");
        Ok(())
    })?;
    Ok(right)
}

const ELEMENTS: u32 = 100_000;
const SETTLE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_exchanges_a_hundred_elements() {
        let [before, after] = [1, 2].map(|round| elements(round).collect::<Vec<_>>());
        assert_eq!((before.len(), before[0].as_str()), (100_000, "198.18.0.100"));
        assert_eq!(before[100..], after[..after.len() - 100]);
        assert_ne!(digest(1), digest(2));
    }
}
