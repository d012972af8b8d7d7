//! What it costs a packet that somebody watches: CPU of the sender's thread for each packet, in which the
//! kernel takes it all the way to the drop.
//!
//! A rate would say the same on an idle machine, and nothing on one that is shared. Two networks stand side
//! by side, the same but for one thing: beside the rule of the first an agent runs. Packets go to both in
//! turns of a few milliseconds, so that whatever else the machine does falls on both alike. Before the agent
//! is started the two are compared as they are: what then differs is the error of this measurement.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{
    Row, Settings,
    agent::{self, Running},
    cpu, flood, median,
};
use crate::{
    collector::Collector,
    network::{Host, Network},
    process::Programs,
};

/// A rule as operators have it, and how the agent learns of its hits.
struct Way {
    what: &'static str,
    rules: &'static str,
    target: Option<f64>,
}

const PLAIN: &str = "ip daddr 203.0.113.1 counter name offered drop";

const WAYS: [Way; 3] = [
    Way {
        what: "way of a packet with an agent that reads counters, over a plain counter drop",
        rules: PLAIN,
        target: Some(3.0),
    },
    // An exceeded limit ends its rule; so there are two.
    Way {
        what: "the same, names sampled: limit 10/second and log, then counter and drop",
        rules: "ip daddr 203.0.113.1 limit rate 10/second log prefix \"remit=court/2026-004\" group 7\n\
                ip daddr 203.0.113.1 counter name offered drop",
        target: None,
    },
    Way {
        what: "the same, each packet logged",
        rules: "ip daddr 203.0.113.1 counter name offered log prefix \"remit=court/2026-004\" group 7 drop",
        target: None,
    },
];

pub fn measure(programs: &Programs, dir: &Path, settings: &Settings) -> Result<Vec<Row>> {
    let (watched, plain) = (Network::new()?, Network::new()?);
    load(&watched, PLAIN)?;
    load(&plain, PLAIN)?;
    let mut collector = Collector::start(&watched, programs, &dir.join("collector"), super::PORT)?;
    let node = agent::node(&watched, programs, &collector, dir, "bench-datapath", "")?;
    collector.stop()?;

    let pair = Pair { watched: &watched, plain: &plain, events: settings.events };
    let (mut error, mut ways): (_, [Costs; WAYS.len()]) = (Costs::default(), Default::default());
    for _ in 0..settings.rounds {
        load(&watched, PLAIN)?;
        pair.measure(&mut error, None)?;
        let agent = Running::start(&watched, &node, &programs.path("remit-agent"))?;
        for (way, costs) in WAYS.iter().zip(&mut ways) {
            load(&watched, way.rules)?;
            // The agent reads the new rules.
            std::thread::sleep(Duration::from_secs(2));
            pair.measure(costs, Some(&agent))?;
        }
        agent.stop()?;
    }
    let mut rows: Vec<Row> =
        WAYS.iter().zip(&ways).map(|(way, costs)| costs.row(way.what, way.target)).collect();
    rows.push(error.row("the same with nobody watching: the error of these rows", None));
    Ok(rows)
}

fn load(network: &Network, rules: &str) -> Result<()> {
    network.nft(
        Host::Router,
        &format!(
            "table inet bench {{ }}\ndelete table inet bench\ntable inet bench {{\n \
             counter offered {{ }}\n chain forward {{\n  \
             type filter hook forward priority filter; policy accept;\n{rules}\n }}\n}}\n"
        ),
    )
}

/// One value for each round.
#[derive(Debug, Default)]
struct Costs {
    watched_ns: Vec<f64>,
    plain_ns: Vec<f64>,
    /// Of the agent, in each second.
    agent_ms: Vec<f64>,
}

struct Pair<'a> {
    watched: &'a Network,
    plain: &'a Network,
    events: u32,
}

impl Pair<'_> {
    fn measure(&self, costs: &mut Costs, agent: Option<&Running>) -> Result<()> {
        let burst = (self.events / 20).max(1);
        let send = |network| flood::sender_cpu(network, 1..=1, burst);
        // Caches, of both.
        send(self.watched)?;
        send(self.plain)?;
        let used = || agent.map_or(Ok(Duration::ZERO), |agent| cpu::of_process(agent.process.id()));
        let (begin, before) = (std::time::Instant::now(), used()?);
        let (mut watched, mut plain) = (Duration::ZERO, Duration::ZERO);
        for turn in 0..TURNS {
            // Who is first takes turns too.
            if turn % 2 == 0 {
                watched += send(self.watched)?;
                plain += send(self.plain)?;
            } else {
                plain += send(self.plain)?;
                watched += send(self.watched)?;
            }
        }
        let of_agent = used()?.saturating_sub(before).as_secs_f64() / begin.elapsed().as_secs_f64();
        let each = |all: Duration| all.as_nanos() as f64 / f64::from(TURNS * burst);
        costs.watched_ns.push(each(watched));
        costs.plain_ns.push(each(plain));
        costs.agent_ms.push(of_agent * 1000.0);
        Ok(())
    }
}

impl Costs {
    fn row(&self, what: &'static str, target: Option<f64>) -> Row {
        let Self { watched_ns, plain_ns, agent_ms } = self;
        let each = watched_ns.iter().zip(plain_ns);
        Row {
            what,
            unit: "%",
            values: each.map(|(watched, plain)| (watched / plain - 1.0) * 100.0).collect(),
            target,
            detail: format!(
                "{:.0} ns over {:.0} ns a packet: {:.0} and {:.0} thousand packets a second and core; the \
                 agent itself needs {:.1} ms/s",
                median(watched_ns),
                median(plain_ns),
                1e6 / median(watched_ns),
                1e6 / median(plain_ns),
                median(agent_ms),
            ),
        }
    }
}

/// Turns of a round; with the bursts, as many packets each way as ten floods have.
const TURNS: u32 = 200;
