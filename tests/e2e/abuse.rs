//! What an operator's day does to an agent, each twenty times in the middle of traffic: paused, killed,
//! starved of buffer, its rules loaded again, its counters reset. What was recorded and what is said to
//! be lost is all that was sent, to the unit, and nothing is left unexplained.
//!
//! Each is done once more when the traffic has ended: what is lost then, at the end, is known by
//! canaries (ADR 20), because nothing else comes after it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
    traffic::datagrams,
};

const TIMES: u32 = 20;
const BLOCKED: [&str; 2] = ["198.51.100.10", "198.51.100.20"];
/// The smallest buffer there is. It holds a few hundred messages, and a burst is some thousand.
const STARVED: &str = "receive_buffer_kib = 4\n";
const BURST: u32 = 4000;

/// Loads them whatever was there before, as `nft --file` of the template does.
const RULES: &str = "table inet blocks
delete table inet blocks
table inet blocks {
    counter c_one { }
    counter c_two { }
    counter canary { }
    chain forward {
        type filter hook forward priority filter; policy accept;
        ip daddr 198.51.100.10 counter name c_one log prefix \"remit=court/1\" group 7 drop
        ip daddr 198.51.100.20 counter name c_two log prefix \"remit=court/2\" group 7 drop
    }
    chain canary {
        type filter hook input priority filter - 5; policy accept;
        ip daddr 127.0.0.1 udp dport 4242 counter name canary log prefix \"remit=canary\" group 7 drop
    }
}";

/// All but the agent that suffers it.
struct Field {
    dir: tempfile::TempDir,
    programs: Programs,
    network: Network,
    collector: Collector,
    assessor: Person,
    /// Packets so far that a rule has dropped.
    sent: AtomicU64,
}

impl Field {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (programs, network) = (Programs::built()?, Network::new()?);
        let collector = Collector::start(&network, &programs, &dir.path().join("collector"), 8443)?;
        let assessor = dir.path().join("assessor");
        let assessor =
            Person::enrol(&network, &programs, &collector, "person-2", "assessor", &assessor)?;
        network.nft(Host::Router, RULES)?;
        Ok(Self { dir, programs, network, collector, assessor, sent: AtomicU64::new(0) })
    }

    /// An agent whose account has begun. `nftables`: more of its section.
    fn agent(&self, nftables: &str) -> Result<Node> {
        let settings = format!(
            "lines_served = 1000\nseal_interval_s = 1\n[sources.nftables]\ngroups = [7]\n\
             counters_interval_s = 1\n{nftables}"
        );
        let (dir, router) = (self.dir.path().join("edge-1"), Host::Router);
        let (network, programs) = (&self.network, &self.programs);
        let mut node =
            Node::enrol(network, programs, &self.collector, router, "edge-1", &dir, &settings)?;
        node.start(network, programs)?;
        wait_for("the first account and canary", Duration::from_secs(60), || {
            let node = self.row()?;
            let canaries = node["canaries"][0].as_str().unwrap_or_default();
            ensure!(node["offered"] == 0 && canaries.contains("alive"), "{node}");
            Ok(())
        })?;
        Ok(node)
    }

    fn row(&self) -> Result<serde_json::Value> {
        self.assessor.rows(&["nodes", "list"])?.into_iter().next().context("no node")
    }

    fn send(&self, address: &str, count: u32) -> Result<()> {
        datagrams(&self.network, Host::Subscriber, address, 443, count)?;
        self.sent.fetch_add(count.into(), Ordering::Relaxed);
        Ok(())
    }

    /// A trickle to every rule, until told to end.
    fn traffic(&self, ended: &AtomicBool) -> Result<()> {
        while !ended.load(Ordering::Relaxed) {
            BLOCKED.iter().try_for_each(|address| self.send(address, 5))?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// All that was sent is recorded or lost, and nothing was ever unexplained. Returns both numbers.
    fn settled(&self) -> Result<(u64, u64)> {
        let sent = self.sent.load(Ordering::Relaxed);
        let settled = wait_for("the account to settle", Duration::from_secs(60), || {
            let node = self.row()?;
            let number = |key: &str| node[key].as_u64().with_context(|| format!("{key}: {node}"));
            let (recorded, lost) = (number("recorded")?, number("lost")?);
            ensure!(number("unexplained")? == 0, "unexplained: {node}");
            ensure!(recorded + lost == sent, "recorded + lost is not {sent}: {node}");
            ensure!(number("offered")? == sent, "offered is not {sent}: {node}");
            Ok((recorded, lost))
        })?;
        let answer = self.assessor.remit(&["--output", "json", "nodes", "list"])?;
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let ever = &answer["completeness"]["unexplained"];
        ensure!(*ever == 0, "at some time {ever} hits were unexplained");
        Ok(settled)
    }
}

/// Does it [`TIMES`] times while traffic flows, and once more in silence.
fn check(nftables: &str, abuse: fn(&Field, &mut Node) -> Result<()>) -> (u64, u64) {
    let play = || -> Result<(u64, u64)> {
        let field = Field::new()?;
        let mut node = field.agent(nftables)?;
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let traffic = scope.spawn(|| field.traffic(&ended));
            let done = (0..TIMES)
                .try_for_each(|time| abuse(&field, &mut node).context(format!("time {time}")));
            ended.store(true, Ordering::Relaxed);
            traffic.join().map_err(|_| anyhow::anyhow!("the traffic thread panicked"))??;
            done
        })?;
        abuse(&field, &mut node)?;
        field.settled()
    };
    let (recorded, lost) = play().unwrap_or_else(|error| panic!("{error:#}"));
    println!("{} packets: {recorded} recorded, {lost} lost and counted", recorded + lost);
    (recorded, lost)
}

fn paused(field: &Field, node: &mut Node) -> Result<()> {
    let agent = node.process().context("no agent runs")?;
    agent.signal(Signal::SIGSTOP)?;
    // More than its buffer holds, and then some time in which nothing is read.
    field.send(BLOCKED[0], BURST)?;
    thread::sleep(Duration::from_millis(100));
    agent.signal(Signal::SIGCONT)?;
    thread::sleep(Duration::from_millis(200));
    Ok(())
}

#[test]
fn paused_by_sigstop() {
    let (_, lost) = check(STARVED, paused);
    assert!(lost > 0, "the buffer held it all");
}

#[test]
fn killed() {
    let (recorded, lost) = check("", |field, node| {
        node.kill()?;
        field.send(BLOCKED[1], 10)?;
        node.start(&field.network, &field.programs)?;
        // Most of the time until after a batch, so that some of what it saw outlasts the kill.
        thread::sleep(Duration::from_millis(1300));
        Ok(())
    });
    assert!(lost >= 10 * u64::from(TIMES), "{lost} were lost while it was down");
    assert!(recorded > 0, "it never lived to see a batch");
}

#[test]
fn starved_of_buffer() {
    let (_, lost) = check(STARVED, |field, _| {
        field.send(BLOCKED[0], BURST)?;
        thread::sleep(Duration::from_millis(100));
        field.send(BLOCKED[1], BURST)
    });
    assert!(lost > 0, "the buffer held it all");
}

#[test]
fn rules_loaded_again() {
    let (_, lost) = check("", |field, _| {
        field.network.nft(Host::Router, RULES)?;
        thread::sleep(Duration::from_millis(400));
        Ok(())
    });
    assert_eq!(lost, 0, "a reload loses nothing");
}

#[test]
fn counters_reset() {
    let (_, lost) = check("", |field, _| {
        field.network.run_in(Host::Router, "nft", &["reset", "counters"])?;
        // Until what a counter has shown since is more than what comes between two readings: a counter
        // that has passed its old value again was not reset, as far as anybody can see.
        thread::sleep(Duration::from_millis(2500));
        Ok(())
    });
    assert_eq!(lost, 0, "a reset loses nothing");
}
