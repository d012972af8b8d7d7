//! A paced flood of datagrams into one rule, such that each becomes a leaf of its own.
//!
//! The agent makes one leaf of equal hits that arrive in one netlink datagram (140 messages at most).
//! Here neighbouring datagrams go to different addresses of the rule's /24, over all 254 in turn, so
//! that no two within a netlink datagram are equal.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::cpu;
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

/// Ten rules that each drop one address, as a window counts them.
pub const TEN: RangeInclusive<u8> = 1..=10;
pub const TEN_RULES: &str = "
table inet bench {
	counter offered { }
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip daddr 203.0.113.1 counter name offered log prefix \"remit=court/2026-001\" group 7 drop
		ip daddr 203.0.113.2 counter name offered log prefix \"remit=court/2026-002\" group 7 drop
		ip daddr 203.0.113.3 counter name offered log prefix \"remit=court/2026-003\" group 7 drop
		ip daddr 203.0.113.4 counter name offered log prefix \"remit=court/2026-004\" group 7 drop
		ip daddr 203.0.113.5 counter name offered log prefix \"remit=court/2026-005\" group 7 drop
		ip daddr 203.0.113.6 counter name offered log prefix \"remit=court/2026-006\" group 7 drop
		ip daddr 203.0.113.7 counter name offered log prefix \"remit=court/2026-007\" group 7 drop
		ip daddr 203.0.113.8 counter name offered log prefix \"remit=court/2026-008\" group 7 drop
		ip daddr 203.0.113.9 counter name offered log prefix \"remit=court/2026-009\" group 7 drop
		ip daddr 203.0.113.10 counter name offered log prefix \"remit=court/2026-010\" group 7 drop
	}
}
";

/// Packets that the rule has dropped so far.
pub fn offered(network: &Network) -> Result<u64> {
    network.counter(Host::Router, "inet", "bench", "offered")
}

/// Sends datagrams from the subscriber to all of the /24, some each [`STEP`].
pub fn send(network: &Network, count: u32, rate: u32) -> Result<()> {
    send_to(network, 1..=254, count, rate)
}

/// As [`send`], to these hosts of 203.0.113.0/24 in turn.
pub fn send_to(network: &Network, to: RangeInclusive<u8>, count: u32, rate: u32) -> Result<()> {
    on(network, Host::Subscriber, || pace(to, count, rate))
}

/// CPU of a thread that sends as fast as it can: the kernel takes a packet in it all the way.
pub fn sender_cpu(network: &Network, to: RangeInclusive<u8>, count: u32) -> Result<Duration> {
    on(network, Host::Subscriber, || {
        let before = cpu::of_this_thread()?;
        pace(to, count, u32::MAX)?;
        Ok(cpu::of_this_thread()?.saturating_sub(before))
    })
}

fn pace(to: RangeInclusive<u8>, count: u32, rate: u32) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let begin = Instant::now();
    let mut hosts = to.cycle();
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
        if rate < u32::MAX {
            std::thread::sleep(STEP);
        }
    }
    Ok(())
}

const STEP: Duration = Duration::from_millis(2);
const BURST_MAX: u32 = 500;
