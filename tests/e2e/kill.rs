//! kill -9 in the middle of traffic: nothing acknowledged is missing, nothing is doubled, and
//! recorded + lost equals the kernel's counters to the unit.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
    traffic::datagrams,
};

/// Kills of the agent and of the collector together.
const KILLS: u32 = 50;
const RULES: &str = "table inet blocks {
    counter c_one { }
    counter c_two { }
    chain forward {
        type filter hook forward priority filter; policy accept;
        ip daddr 198.51.100.10 counter name c_one log prefix \"remit=court/1\" group 7 drop
        ip daddr 198.51.100.20 counter name c_two log prefix \"remit=court/2\" group 7 drop
    }
}";

#[test]
fn after_fifty_kills_the_account_is_exact() {
    let seed = std::env::var("REMIT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |d| u64::from(d.subsec_nanos()) | 1)
    });
    println!("seed {seed} (REMIT_SEED repeats it)");
    play(seed).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
}

/// xorshift64: enough to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn play(seed: u64) -> Result<()> {
    let mut random = Random(seed);
    let dir = tempfile::tempdir()?;
    let programs = Programs::built()?;
    let network = Network::new()?;
    let mut collector = Collector::start(&network, &programs, &dir.path().join("collector"), 8443)?;
    let person = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.path().join(id))
    };
    let assessor = person("person-2", "assessor")?;
    network.nft(Host::Router, RULES)?;
    let mut node = Node::enrol(
        &network,
        &programs,
        &collector,
        Host::Router,
        "edge-1",
        &dir.path().join("edge-1"),
        "lines_served = 1000\nindividual_actions = true\nwindow_s = 0\nseal_interval_s = 2\n\
         [sources.nftables]\ngroups = [7]\ncounters_interval_s = 1\n",
    )?;
    node.start(&network, &programs)?;
    // The account begins with the first reading that is durable; what came before is nobody's.
    wait_for("the first account", Duration::from_secs(60), || {
        let nodes = assessor.rows(&["nodes", "list"])?;
        ensure!(nodes.iter().any(|node| node["offered"] == 0), "{nodes:?}");
        Ok(())
    })?;

    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| -> Result<()> {
        let traffic = scope.spawn(|| -> Result<()> {
            while !stop.load(Ordering::Relaxed) {
                for address in ["198.51.100.10", "198.51.100.20"] {
                    datagrams(&network, Host::Subscriber, address, 443, 5)?;
                    sent.fetch_add(5, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        });
        let killed =
            kill_again_and_again(&mut random, &network, &programs, &mut collector, &mut node);
        // Traffic that goes on hides what came before the last start had its queue open.
        thread::sleep(Duration::from_secs(5));
        stop.store(true, Ordering::Relaxed);
        traffic.join().map_err(|_| anyhow::anyhow!("the traffic thread panicked"))??;
        killed
    })?;

    let sent = sent.load(Ordering::Relaxed);
    let counted = network.counter(Host::Router, "inet", "blocks", "c_one")?
        + network.counter(Host::Router, "inet", "blocks", "c_two")?;
    ensure!(counted == sent, "the kernel counted {counted} of {sent}");
    let (recorded, lost) = settled(&assessor, counted)?;
    println!("{KILLS} kills: {counted} packets, {recorded} recorded, {lost} lost and counted");
    check_events(&assessor, recorded)?;

    // Nothing acknowledged is missing: the whole history still proves itself.
    let bundle = dir.path().join("bundle.tar");
    let file = bundle.to_string_lossy();
    assessor.remit(&["export", "-o", &file])?;
    let output = assessor.output(&["verify", &file, "--quorum", "none"])?;
    let report = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(0), "{report}");
    Ok(())
}

fn kill_again_and_again(
    random: &mut Random,
    network: &Network,
    programs: &Programs,
    collector: &mut Collector,
    node: &mut Node,
) -> Result<()> {
    for kill in 0..KILLS {
        thread::sleep(Duration::from_millis(50 + random.below(700)));
        match random.below(3) {
            0 => {
                collector.kill()?;
                thread::sleep(Duration::from_millis(random.below(300)));
                collector.serve(network, programs).with_context(|| format!("kill {kill}"))?;
            }
            _ => {
                node.kill()?;
                thread::sleep(Duration::from_millis(random.below(300)));
                node.start(network, programs).with_context(|| format!("kill {kill}"))?;
            }
        }
    }
    Ok(())
}

/// Waits until what the node has sealed accounts for every packet, and returns it.
fn settled(assessor: &Person, counted: u64) -> Result<(u64, u64)> {
    wait_for("the account to settle", Duration::from_secs(60), || {
        let nodes = assessor.rows(&["nodes", "list"])?;
        let node = nodes.first().context("no node")?;
        let number = |key: &str| node[key].as_u64().with_context(|| format!("{key}: {node}"));
        let (recorded, lost) = (number("recorded")?, number("lost")?);
        ensure!(number("unexplained")? == 0, "unexplained: {node}");
        ensure!(number("offered")? == counted, "offered is not {counted}: {node}");
        ensure!(recorded + lost == counted, "recorded + lost is not {counted}: {node}");
        ensure!(node["tree_size"] == node["logged_size"], "not all is logged: {node}");
        Ok((recorded, lost))
    })
}

/// Every event once, and together exactly what was recorded.
fn check_events(assessor: &Person, recorded: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let events = assessor.rows(&["events", "list"])?;
        let hits: u64 = events.iter().filter_map(|event| event["hits"].as_u64()).sum();
        let mut ids: Vec<_> = events.iter().map(|event| event["event"].to_string()).collect();
        ids.sort();
        ids.dedup();
        ensure!(ids.len() == events.len(), "an event stands twice");
        ensure!(hits <= recorded, "{hits} hits, but {recorded} recorded");
        if hits == recorded {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{hits} hits of {recorded} recorded are in the index");
        thread::sleep(Duration::from_millis(200));
    }
}
