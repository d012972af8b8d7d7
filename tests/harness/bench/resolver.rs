//! A busy resolver: every line that Unbound writes of a block is a hit, while 50,000 queries arrive in a
//! second.
//!
//! Real Unbound with a policy zone and a real agent beside it. What Unbound counted is the judge: hits in
//! the agent's metrics against Σ `num.rpz.action`.

use std::{
    net::UdpSocket,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{Row, Settings, cpu, median};
use crate::{
    collector::Collector,
    demo::unbound_source,
    network::{Host, Network},
    node::Node,
    process::{Programs, wait_for},
    traffic::on,
    unbound::{Unbound, Zone},
};

const ZONE: Zone = Zone {
    name: "rpz.bench",
    log_name: "remit=court/2026-004",
    records: "*.blocked.example CNAME .\nblocked.example CNAME .\n",
};

pub fn measure(programs: &Programs, dir: &Path, settings: &Settings) -> Result<Vec<Row>> {
    let network = Network::new()?;
    let mut collector = Collector::start(&network, programs, &dir.join("collector"), super::PORT)?;
    let mut node = Node::enrol(
        &network,
        programs,
        &collector,
        Host::Resolver,
        "bench-dns",
        &dir.join("node"),
        &format!("lines_served = 1000\nmetrics_listen = \"{METRICS}\"\n"),
    )?;
    collector.stop()?;
    let unbound = Unbound::start(&network, &dir.join("unbound"), &[ZONE])?;
    node.configure(&unbound_source(&unbound))?;
    node.start(&network, programs)?;
    let process = node.process().context("the agent")?.id();
    wait_for("the agent's position in the log", Duration::from_secs(20), || {
        hits(&network).map(drop)
    })?;
    let (mut values, mut rates, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    let mut answered = 0;
    for _ in 0..settings.rounds {
        let (before, counted) = (hits(&network)?, unbound.counted(&network)?);
        let (cpu, begin) = (cpu::of_process(process)?, Instant::now());
        ask(&network, settings.events, RATE)?;
        let took = begin.elapsed();
        let of_unbound = unbound.counted(&network)? - counted;
        // What is in the log by now is read within a poll; the rest of the time is patience.
        let mut of_agent = 0;
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline && of_agent < of_unbound {
            std::thread::sleep(Duration::from_millis(250));
            of_agent = hits(&network)? - before;
        }
        let cpu = cpu::of_process(process)?.saturating_sub(cpu);
        values.push(of_unbound.abs_diff(of_agent) as f64);
        rates.push(of_unbound as f64 / took.as_secs_f64());
        cpus.push(cpu.as_nanos() as f64 / of_agent.max(1) as f64);
        answered += of_unbound;
    }
    node.stop()?;
    Ok(vec![Row {
        what: "Unbound at 50,000 queries/s: lines that are no hits, or hits without a line",
        unit: "lines",
        values,
        target: Some(0.0),
        detail: format!(
            "of {answered} blocks that Unbound counted; asked {RATE} a second, it answered {:.0} a second \
             here; {:.0} ns of the agent's CPU a line",
            median(&rates),
            median(&cpus)
        ),
    }])
}

/// Queries for names below the blocked one, paced; nobody waits for answers.
fn ask(network: &Network, count: u32, rate: u32) -> Result<()> {
    on(network, Host::Subscriber, || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect((Host::Resolver.address().as_str(), 53))?;
        let begin = Instant::now();
        let mut sent: u32 = 0;
        while sent < count {
            let due = begin.elapsed().as_millis() * u128::from(rate) / 1000;
            let due = u32::try_from(due.min(u128::from(count)))?.min(sent.saturating_add(500));
            while sent < due {
                // An answer that nobody reads may come back as an error of a later query.
                if socket.send(&query(sent)).is_err() {
                    socket.send(&query(sent))?;
                }
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    })
}

/// RFC 1035 section 4: one question of type A, recursion desired.
fn query(number: u32) -> Vec<u8> {
    let mut query = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.splice(0..2, number.to_be_bytes().into_iter().skip(2));
    let first = format!("h{}", number % 1000);
    for label in [first.as_str(), "blocked", "example", ""] {
        // Labels of a few bytes.
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.extend([0, 1, 0, 1]);
    query
}

fn hits(network: &Network) -> Result<u64> {
    let text = on(network, Host::Resolver, || cpu::metrics(METRICS))?;
    cpu::metric(&text, "remit_agent_hits_total")
}

const METRICS: &str = "127.0.0.1:9470";
const RATE: u32 = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_one_question() {
        assert_eq!(&query(258)[..4], [1, 2, 1, 0]);
        assert!(query(7).windows(9).any(|w| w == b"\x02h7\x07block"));
        assert_eq!(query(0).len(), 12 + 3 + 8 + 8 + 1 + 4);
    }
}
