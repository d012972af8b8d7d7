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

/// Sends datagrams from the subscriber to all of the /24, at this rate.
pub fn send(network: &Network, count: u32, rate: u32) -> Result<()> {
    send_to(network, 1..=254, count, Pace::Rate(rate)).map(drop)
}

/// How fast datagrams are sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Datagrams in a second.
    Rate(u32),
    /// As fast as one thread can.
    Full,
}

/// As [`send`], to these hosts of 203.0.113.0/24 in turn. How long it took.
pub fn send_to(
    network: &Network,
    to: RangeInclusive<u8>,
    count: u32,
    pace: Pace,
) -> Result<Duration> {
    on(network, Host::Subscriber, || {
        let mut sender = Sender::new(to)?;
        let begin = Instant::now();
        match pace {
            Pace::Full => sender.send(count)?,
            Pace::Rate(rate) => paced(&mut sender, count, rate)?,
        }
        Ok(begin.elapsed())
    })
}

/// CPU of a thread that sends as fast as it can: the kernel takes a packet in it all the way.
pub fn sender_cpu(network: &Network, to: RangeInclusive<u8>, count: u32) -> Result<Duration> {
    on(network, Host::Subscriber, || {
        let mut sender = Sender::new(to)?;
        let before = cpu::of_this_thread()?;
        sender.send(count)?;
        Ok(cpu::of_this_thread()?.saturating_sub(before))
    })
}

fn paced(sender: &mut Sender, count: u32, rate: u32) -> Result<()> {
    let begin = Instant::now();
    let mut sent: u32 = 0;
    while sent < count {
        let due = begin.elapsed().as_micros() * u128::from(rate) / 1_000_000;
        // Never in bursts that the kernel's queue would not hold, even after a pause of ours.
        let due = u32::try_from(due.min(u128::from(count)))?.min(sent.saturating_add(BURST_MAX));
        sender.send(due - sent)?;
        sent = due;
        // Sleep would be too coarse for more.
        if rate <= SLEEPING_RATE_MAX {
            std::thread::sleep(STEP);
        }
    }
    Ok(())
}

struct Sender {
    socket: UdpSocket,
    hosts: std::iter::Cycle<RangeInclusive<u8>>,
}

impl Sender {
    fn new(to: RangeInclusive<u8>) -> Result<Self> {
        Ok(Self { socket: UdpSocket::bind("0.0.0.0:0")?, hosts: to.cycle() })
    }

    fn send(&mut self, count: u32) -> Result<()> {
        for host in self.hosts.by_ref().take(count as usize) {
            let to = SocketAddr::from((Ipv4Addr::new(203, 0, 113, host), 443));
            self.socket.send_to(b"remit", to)?;
        }
        Ok(())
    }
}

const STEP: Duration = Duration::from_millis(2);
const BURST_MAX: u32 = 500;
/// [`BURST_MAX`] in each [`STEP`] is 250,000 a second; half of it leaves room for catching up.
const SLEEPING_RATE_MAX: u32 = 125_000;
