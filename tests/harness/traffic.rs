//! What the subscriber does: packets built with `pnet`, and names asked with `dig`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsFd,
};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use crate::network::{Host, Network};

/// Runs a closure in a thread that has entered the namespace of a host.
pub fn on<T: Send>(
    network: &Network,
    host: Host,
    body: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let path = format!("/run/netns/{}", network.name(host));
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let namespace = std::fs::File::open(&path).with_context(|| path.clone())?;
                setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
                body()
            })
            .join()
            .map_err(|_| anyhow::anyhow!("the thread in {path} panicked"))?
    })
}

/// Sends datagrams from a host; the reject of an earlier one does not stop the next.
pub fn datagrams(network: &Network, from: Host, to: &str, port: u16, count: u32) -> Result<()> {
    let address: IpAddr = to.parse()?;
    let to = SocketAddr::new(address, port);
    on(network, from, move || {
        let any: SocketAddr = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse()?;
        let socket = UdpSocket::bind(any)?;
        for _ in 0..count {
            // ICMP errors of earlier datagrams surface here; the packet itself is sent again.
            if socket.send_to(b"remit", to).is_err() {
                socket.send_to(b"remit", to)?;
            }
        }
        Ok(())
    })
}

/// A TCP SYN with chosen ports, built with `pnet`, as a raw IPv4 packet: nothing is retried, so that
/// one call is exactly one packet.
pub fn syn(network: &Network, from: Host, to: Ipv4Addr, port: u16) -> Result<()> {
    use pnet::packet::{
        Packet,
        ip::IpNextHeaderProtocols,
        tcp::{MutableTcpPacket, TcpFlags, ipv4_checksum},
    };
    use pnet::transport::{
        TransportChannelType::Layer4, TransportProtocol::Ipv4, transport_channel,
    };
    let source: Ipv4Addr = from.address().parse()?;
    on(network, from, move || {
        let channel = Layer4(Ipv4(IpNextHeaderProtocols::Tcp));
        let (mut sender, _receiver) = transport_channel(4096, channel)?;
        let mut bytes = [0; 20];
        let mut packet = MutableTcpPacket::new(&mut bytes).context("20 bytes hold a header")?;
        packet.set_source(40_000);
        packet.set_destination(port);
        packet.set_data_offset(5);
        packet.set_flags(TcpFlags::SYN);
        packet.set_window(64_240);
        packet.set_checksum(ipv4_checksum(&packet.to_immutable(), &source, &to));
        let packet = pnet::packet::tcp::TcpPacket::new(packet.packet()).context("a header")?;
        sender.send_to(packet, to.into())?;
        Ok(())
    })
}

/// What `dig` says to a question from a host: the status word (NOERROR, NXDOMAIN, …) and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: String,
    pub data: String,
}

pub fn dig(network: &Network, from: Host, resolver: Host, name: &str) -> Result<Answer> {
    let server = format!("@{}", resolver.address());
    let text = network.run_in(
        from,
        "dig",
        &[&server, "+tries=1", "+time=2", "+noall", "+comments", "+answer", name, "A"],
    )?;
    let status = text
        .split("status: ")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .unwrap_or("none")
        .to_owned();
    let data = text
        .lines()
        .filter(|line| !line.starts_with(';') && !line.trim().is_empty())
        .filter_map(|line| line.split_whitespace().last())
        .collect::<Vec<_>>()
        .join(" ");
    Ok(Answer { status, data })
}
