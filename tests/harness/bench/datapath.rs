//! What it costs a packet that somebody watches: CPU of the sender's thread for each packet, in which the
//! kernel does all of its path up to the drop.
//!
//! The rate of packets would say the same on an idle machine, and nothing on one that is shared. Each
//! round measures every way of watching, one after the other, over the same number of packets.

use std::time::Duration;

use anyhow::Result;

use super::{Row, Settings, agent::AgentBench, flood, median};
use crate::network::{Host, Network};

/// The rules as operators have them; how the agent learns of hits is all that differs.
const WAYS: [(&str, &str, bool); 4] = [
    ("plain", "counter name offered drop", false),
    ("counters", "counter name offered drop", true),
    ("sampled", "limit rate 10/second log prefix \"remit=court/2026-004\" group 7", true),
    ("logged", "counter name offered log prefix \"remit=court/2026-004\" group 7 drop", true),
];

pub fn measure(network: &Network, bench: &AgentBench<'_>, settings: &Settings) -> Result<Vec<Row>> {
    let mut costs: [Vec<f64>; 4] = Default::default();
    for _ in 0..settings.rounds {
        for ((name, rule, observed), costs) in WAYS.iter().zip(&mut costs) {
            load(network, name, rule)?;
            let agent = if *observed { Some(bench.windowed()?) } else { None };
            // Caches and the agent's first reading of the rules.
            flood::send_to(network, 1..=1, settings.events / 10, u32::MAX)?;
            costs.push(sender_ns(network, settings)?);
            if let Some(agent) = agent {
                agent.stop()?;
            }
        }
    }
    network.nft(Host::Router, &format!("flush ruleset\n{}", flood::TEN_RULES))?;
    let [plain, watched @ ..] = &costs;
    let names = [
        "packet path with nft_counters, over a plain counter drop",
        "the same, names sampled (10/s) before counter and drop",
        "the same, each packet logged",
    ];
    let rows = watched.iter().zip(names).enumerate().map(|(at, (costs, what))| Row {
        what,
        unit: "%",
        values: costs.iter().zip(plain).map(|(cost, plain)| (cost / plain - 1.0) * 100.0).collect(),
        target: (at == 0).then_some(3.0),
        detail: format!(
            "{:.0} ns over {:.0} ns a packet: {:.0} and {:.0} thousand packets a second and core",
            median(costs),
            median(plain),
            1e6 / median(costs),
            1e6 / median(plain)
        ),
    });
    Ok(rows.collect())
}

fn load(network: &Network, name: &str, rule: &str) -> Result<()> {
    // A sampling rule is one of two: an exceeded limit ends its rule.
    let second =
        if name == "sampled" { "ip daddr 203.0.113.1 counter name offered drop" } else { "" };
    network.nft(
        Host::Router,
        &format!(
            "flush ruleset\ntable inet bench {{\n counter offered {{ }}\n chain forward {{\n  \
             type filter hook forward priority filter; policy accept;\n  \
             ip daddr 203.0.113.1 {rule}\n  {second}\n }}\n}}\n"
        ),
    )
}

fn sender_ns(network: &Network, settings: &Settings) -> Result<f64> {
    let used: Duration = flood::sender_cpu(network, 1..=1, settings.events)?;
    Ok(used.as_nanos() as f64 / f64::from(settings.events))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_is_the_one_that_nobody_watches() {
        assert_eq!(WAYS.iter().filter(|(_, _, observed)| !observed).count(), 1);
        assert!(!WAYS[0].2);
    }
}
