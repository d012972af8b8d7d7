//! The agent: CPU per leaf from NFLOG message to durable leaf, size of its binary, memory.
//!
//! The real program, in the router's namespace, with one leaf for each event (`individual_actions`,
//! window 0) and the metrics endpoint on. Its collector is stopped after the enrolment, so that no
//! uplink work is in the account. What is durable is read from the spool's newest signed head.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Row, Settings, cpu, flood, floor, median};
use crate::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    process::{Process, Programs, wait_for},
    traffic::on,
};

/// Nodes that are enrolled and not running.
pub struct AgentBench<'a> {
    network: &'a Network,
    release: PathBuf,
    size: PathBuf,
    nodes: [Node; 3],
}

/// An agent at work.
pub(super) struct Running {
    pub(super) process: Process,
    name: String,
    spool: PathBuf,
}

/// Since it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) offered: u64,
    pub(super) hits: u64,
    pub(super) lost: u64,
}

/// What one flood has cost.
struct Cost {
    leaves: u64,
    offered: u64,
    /// Without the idle program's share.
    cpu: Duration,
}

impl<'a> AgentBench<'a> {
    pub fn enrol(
        network: &'a Network,
        programs: &Programs,
        collector: &Collector,
        dir: &Path,
    ) -> Result<Self> {
        let enrol = |name: &str, spool_bytes_max: u64| {
            let settings = format!("{EACH}\nspool_bytes_max = {spool_bytes_max}");
            node(network, programs, collector, dir, name, &settings)
        };
        let nodes = [
            enrol("bench-release", SPOOL_LARGE)?,
            enrol("bench-size", SPOOL_LARGE)?,
            enrol("bench-full", SPOOL_SMALL)?,
        ];
        let release = programs.path("remit-agent");
        Ok(Self { network, release, size: of_size_profile(programs)?, nodes })
    }

    /// The ratio that has a target, and the same for the profile that goes onto routers.
    pub fn cpu(&self, settings: &Settings) -> Result<Vec<Row>> {
        let [release, size, _] = &self.nodes;
        let mut rows = self.cpu_rows(
            [
                "agent CPU per leaf, over its floor",
                "the same: events neither leaf nor counted loss",
            ],
            (release, &self.release),
            settings,
        )?;
        rows.extend(self.cpu_rows(
            [
                "agent CPU per leaf, size profile, over the same floor",
                "the same: events neither leaf nor counted loss",
            ],
            (size, &self.size),
            settings,
        )?);
        Ok(rows)
    }

    fn cpu_rows(
        &self,
        [what, unaccounted]: [&'static str; 2],
        (node, program): (&Node, &Path),
        settings: &Settings,
    ) -> Result<Vec<Row>> {
        let agent = Running::start(self.network, node, program)?;
        let idle = agent.idle_share()?;
        let (mut values, mut floors, mut costs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut leaves, mut offered, mut missing) = (0, 0, Vec::new());
        for _ in 0..settings.rounds {
            let floor = floor::agent(settings.events)?.as_nanos() as f64;
            let before = agent.account(self.network)?;
            let cost = agent.flood(self.network, settings, idle)?;
            missing.push(agent.missing_since(self.network, before)?);
            ensure!(cost.leaves > 0, "no leaf in {offered} events:\n{}", agent.process.printed());
            let each = cost.cpu.as_nanos() as f64 / cost.leaves as f64;
            values.push(each / floor);
            floors.push(floor);
            costs.push(each);
            leaves += cost.leaves;
            offered += cost.offered;
        }
        let memory = cpu::memory(agent.process.id())?;
        let lost = agent.account(self.network)?.lost;
        let detail = format!(
            "{:.0} ns over {:.0} ns; {leaves} leaves and {lost} counted as lost of {offered} events; \
             idle {:.2} ms/s; highest resident memory {:.1} MB with {:.0} MB of backlog",
            median(&costs),
            median(&floors),
            idle * 1000.0,
            cpu::megabytes(memory.peak_kib * 1024),
            cpu::megabytes(agent.spool_bytes()?),
        );
        agent.stop()?;
        let account = format!("of {offered}: hits recorded, and losses with their causes");
        Ok(vec![
            Row { what, unit: "×", values, target: Some(3.0), detail },
            Row {
                what: unaccounted,
                unit: "events",
                values: missing,
                target: Some(0.0),
                detail: account,
            },
        ])
    }

    /// The size of the binary for routers, and its memory: idle, while its spool fills, and with a
    /// full spool while the flood goes on.
    pub fn size_and_memory(&self, settings: &Settings) -> Result<Vec<Row>> {
        let bytes = fs::metadata(&self.size).context("the agent of the size profile")?.len();
        let [.., full] = &self.nodes;
        let agent = Running::start(self.network, full, &self.size)?;
        let id = agent.process.id();
        std::thread::sleep(IDLE);
        let idle = cpu::memory(id)?;
        let deadline = Instant::now() + Duration::from_secs(120);
        while !agent.process.printed().contains("the spool has no room") {
            ensure!(Instant::now() < deadline, "the spool of {} does not fill up", agent.name);
            flood::send(self.network, settings.rate, settings.rate)?;
        }
        let filled = cpu::memory(id)?;
        flood::send(self.network, settings.events, settings.rate)?;
        agent.wait_until_quiet()?;
        let after = cpu::memory(id)?;
        let mb = |kib: u64| cpu::megabytes(kib * 1024);
        let rows = vec![
            Row {
                what: "agent binary, size profile, stripped",
                unit: "MB",
                values: vec![cpu::megabytes(bytes)],
                target: Some(3.5),
                detail: format!("{bytes} bytes"),
            },
            Row {
                what: "agent memory, highest, flood into a full spool",
                unit: "MB",
                values: vec![mb(after.peak_kib)],
                target: Some(8.0),
                detail: format!(
                    "resident: idle {:.2} MB, spool just full {:.2} MB, after further {} events \
                     {:.2} MB",
                    mb(idle.resident_kib),
                    mb(filled.resident_kib),
                    settings.events,
                    mb(after.resident_kib)
                ),
            },
            Row {
                what: "agent memory, growth with a full spool",
                unit: "MB",
                values: vec![mb(after.peak_kib) - mb(filled.peak_kib)],
                target: Some(GROWTH_MAX_MB),
                detail: format!("highest {:.2} MB when it was just full", mb(filled.peak_kib)),
            },
        ];
        agent.stop()?;
        Ok(rows)
    }
}

/// A node whose one source is nftables.
pub(super) fn node(
    network: &Network,
    programs: &Programs,
    collector: &Collector,
    dir: &Path,
    name: &str,
    settings: &str,
) -> Result<Node> {
    let settings = format!(
        "lines_served = 1000\nbatch_interval_s = 1\nseal_interval_s = 3600\n\
         customer_prefixes = [\"10.99.1.0/24\"]\nmetrics_listen = \"{METRICS}\"\n{settings}\n"
    );
    let dir = dir.join(name);
    let node = Node::enrol(network, programs, collector, Host::Router, name, &dir, &settings)?;
    node.configure("\n[sources.nftables]\ngroups = [7]\n")?;
    Ok(node)
}

/// The agent as it goes onto routers.
pub(super) fn of_size_profile(programs: &Programs) -> Result<PathBuf> {
    let release = programs.path("remit-agent");
    let profiles = release.ancestors().nth(2).context("target/<profile>/remit-agent")?;
    Ok(profiles.join("size/remit-agent"))
}

impl Running {
    pub(super) fn start(network: &Network, node: &Node, program: &Path) -> Result<Self> {
        let mut command = network.command(Host::Router, program);
        command.arg("run").arg("--config").arg(&node.config);
        let process = Process::start("remit-agent", &mut command, &node.dir.join("agent.log"))?;
        let spool = node.dir.join("state/spool");
        let running = Self { process, name: node.name.clone(), spool };
        // Genesis, start, and the rules that it found.
        wait_for("the agent's first leaves", Duration::from_secs(20), || {
            let size = running.durable()?;
            ensure!(size > 2, "{size} leaves; the agent says:\n{}", running.process.printed());
            Ok(())
        })?;
        running.wait_until_quiet()?;
        Ok(running)
    }

    /// CPU seconds in a second without events.
    pub(super) fn idle_share(&self) -> Result<f64> {
        let (begin, before) = (Instant::now(), cpu::of_process(self.process.id())?);
        std::thread::sleep(IDLE);
        let used = cpu::of_process(self.process.id())?.saturating_sub(before);
        Ok(used.as_secs_f64() / begin.elapsed().as_secs_f64())
    }

    fn flood(&self, network: &Network, settings: &Settings, idle: f64) -> Result<Cost> {
        let offered = flood::offered(network)?;
        let (begin, size) = (Instant::now(), self.durable()?);
        let before = cpu::of_process(self.process.id())?;
        flood::send(network, settings.events, settings.rate)?;
        self.wait_until_quiet()?;
        let used = cpu::of_process(self.process.id())?.saturating_sub(before);
        let idle = begin.elapsed().mul_f64(idle);
        Ok(Cost {
            leaves: self.durable()? - size,
            offered: flood::offered(network)? - offered,
            cpu: used.saturating_sub(idle),
        })
    }

    /// Until no leaf has come for longer than a batch stays open.
    fn wait_until_quiet(&self) -> Result<()> {
        let mut size = self.durable()?;
        let mut since = Instant::now();
        while since.elapsed() < QUIET {
            std::thread::sleep(Duration::from_millis(250));
            let now = self.durable()?;
            if now != size {
                (size, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Leaves in the newest head of the spool. It is durable once it is there: the file is written
    /// and synced by one thread, before anybody hears of it.
    fn durable(&self) -> Result<u64> {
        let mut segments: Vec<PathBuf> = fs::read_dir(&self.spool)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
            .collect();
        segments.sort();
        for segment in segments.iter().rev() {
            if let Some(size) = newest_size(&fs::read(segment)?, &self.name) {
                return Ok(size);
            }
        }
        Ok(0)
    }

    /// What the agent says of hits, and what the rule's counter does. Asked before and after
    /// measuring: the answer costs CPU as well.
    pub(super) fn account(&self, network: &Network) -> Result<Account> {
        let offered = flood::offered(network)?;
        let text = on(network, Host::Router, || cpu::metrics(METRICS))?;
        let value = |name| cpu::metric(&text, name);
        let (hits, lost) = (value("remit_agent_hits_total")?, value("remit_agent_lost_total")?);
        Ok(Account { offered, hits, lost })
    }

    /// Packets since then of which it says nothing, and hits that were no packets, when its next look
    /// at the counters is over too.
    pub(super) fn missing_since(&self, network: &Network, before: Account) -> Result<f64> {
        let deadline = Instant::now() + COUNTED;
        loop {
            let after = self.account(network)?;
            let offered = after.offered - before.offered;
            let told = (after.hits - before.hits) + (after.lost - before.lost);
            if told == offered || Instant::now() > deadline {
                return Ok(told.abs_diff(offered) as f64);
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn spool_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.spool)? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    pub(super) fn stop(self) -> Result<()> {
        let printed = self.process.printed();
        let status = self.process.stop(Duration::from_secs(15))?;
        ensure!(status.success(), "agent {} ended with {status}:\n{printed}", self.name);
        Ok(())
    }
}

/// Heads are in the segments as they were signed: origin and size, one a line (C2SP checkpoint).
fn newest_size(segment: &[u8], node: &str) -> Option<u64> {
    let words = format!("/agent/{node}/");
    let mut end = segment.len();
    loop {
        let at = segment.get(..end)?.windows(words.len()).rposition(|w| w == words.as_bytes())?;
        let generation = at + words.len();
        let after = segment.get(generation + 16..)?;
        let mut lines = after.split(|byte| *byte == b'\n');
        let size = match (lines.next(), lines.next()) {
            (Some([]), Some(size)) => std::str::from_utf8(size).ok()?.parse().ok(),
            _ => None,
        };
        if size.is_some() {
            return size;
        }
        end = at;
    }
}

/// One leaf for each event.
const EACH: &str = "individual_actions = true\nwindow_s = 0";
/// Larger than all rounds together.
const SPOOL_LARGE: u64 = 16 << 30;
/// The smallest that a configuration may name.
const SPOOL_SMALL: u64 = 16 << 20;
const METRICS: &str = "127.0.0.1:9469";
const IDLE: Duration = Duration::from_secs(5);
/// Longer than counters may be unread (5 s).
const COUNTED: Duration = Duration::from_secs(12);
/// Longer than a batch stays open (1 s).
const QUIET: Duration = Duration::from_millis(2500);
/// Flat: what an allocator may still round up once.
const GROWTH_MAX_MB: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_head_of_a_segment() {
        let head = |size: &str| format!("example.net/agent/n1/00000000000000ff\n{size}\nroot\n");
        let name = "example.net/agent/n1/00000000000000ff\u{1}";
        let segment = format!("{name}..{}..{}..{name}", head("959"), head("1918"));
        assert_eq!(newest_size(segment.as_bytes(), "n1"), Some(1918));
        assert_eq!(newest_size(name.as_bytes(), "n1"), None);
        assert_eq!(newest_size(segment.as_bytes(), "n2"), None);
    }
}
