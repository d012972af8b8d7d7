//! A paced flood of datagrams into one rule, such that each becomes a leaf of its own.
//!
//! The agent makes one leaf of equal hits that arrive in one netlink datagram (140 messages at most).
//! Here neighbouring datagrams go to different addresses of the rule's /24, over all 254 in turn, so
//! that no two within a netlink datagram are equal.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    network::{Host, Network},
    traffic::on,
};

/// What the router of the bench drops.
pub const RULES: &str = "
table inet bench {
	counter offered { }
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip daddr 203.0.113.0/24 counter name offered log prefix \"remit=court/2026-004\" group 7 drop
	}
}
";

/// Packets that the rule has dropped so far.
pub fn offered(network: &Network) -> Result<u64> {
    network.counter(Host::Router, "inet", "bench", "offered")
}

/// Sends datagrams from the subscriber, some each [`STEP`].
pub fn send(network: &Network, count: u32, rate: u32) -> Result<()> {
    on(network, Host::Subscriber, || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let begin = Instant::now();
        let mut hosts = (1..=254_u8).cycle();
        let mut sent: u32 = 0;
        while sent < count {
            let elapsed = begin.elapsed().as_millis();
            let due = (elapsed * u128::from(rate) / 1000).min(u128::from(count));
            // Never in bursts that the kernel's queue would not hold, even after a pause of ours.
            let due = u32::try_from(due)?.min(sent.saturating_add(BURST_MAX));
            while sent < due {
                let host = hosts.next().unwrap_or(1);
                let to = SocketAddr::from((Ipv4Addr::new(203, 0, 113, host), 443));
                socket.send_to(b"remit", to)?;
                sent += 1;
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    })
}

const STEP: Duration = Duration::from_millis(2);
const BURST_MAX: u32 = 500;
