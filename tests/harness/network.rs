//! A small operator network: subscriber, router, resolver, a server that stands for the internet,
//! and a management host. Each is a network namespace; links are veth pairs through the router.
//!
//! ```text
//!   sub 10.99.1.2 ──┐                      ┌── srv  198.51.100.0/24, 203.0.113.0/24,
//!                   ├── rtr 10.99.x.1 ─────┤        2001:db8:100::/64 (all on its loopback)
//!   res 10.99.2.2 ──┘          │           └── 10.99.3.2
//!                         mgm 10.99.9.2 (collector, people)
//! ```

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Result;

use crate::process::run;

/// Hosts of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Subscriber,
    Router,
    Resolver,
    Server,
    Management,
}

impl Host {
    const ALL: [Self; 5] =
        [Self::Subscriber, Self::Router, Self::Resolver, Self::Server, Self::Management];

    fn word(self) -> &'static str {
        match self {
            Self::Subscriber => "sub",
            Self::Router => "rtr",
            Self::Resolver => "res",
            Self::Server => "srv",
            Self::Management => "mgm",
        }
    }

    /// Third octet of its link to the router.
    fn link(self) -> Option<u8> {
        match self {
            Self::Subscriber => Some(1),
            Self::Resolver => Some(2),
            Self::Server => Some(3),
            Self::Management => Some(9),
            Self::Router => None,
        }
    }

    pub fn address(self) -> String {
        match self.link() {
            Some(link) => format!("10.99.{link}.2"),
            None => "10.99.9.1".to_owned(),
        }
    }
}

/// The namespaces; removed when dropped.
#[derive(Debug)]
pub struct Network {
    prefix: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Network {
    /// Makes the network. Names carry the process id, so that several can stand side by side.
    pub fn new() -> Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let network = Self { prefix: format!("rm{}-{number}", std::process::id()) };
        network.build()?;
        Ok(network)
    }

    fn build(&self) -> Result<()> {
        for host in Host::ALL {
            ip(&["netns", "add", &self.name(host)])?;
            self.ip_in(host, &["link", "set", "lo", "up"])?;
        }
        for host in Host::ALL {
            let Some(link) = host.link() else { continue };
            let (end, router_end) = ("eth0", format!("r-{}", host.word()));
            let (inside, router) = (self.name(host), self.name(Host::Router));
            ip(&[
                "link",
                "add",
                end,
                "netns",
                &inside,
                "type",
                "veth",
                "peer",
                "name",
                &router_end,
                "netns",
                &router,
            ])?;
            let own = host.address();
            self.ip_in(host, &["addr", "add", &format!("{own}/24"), "dev", end])?;
            let own6 = format!("fd99:{link}::2/64");
            self.ip_in(host, &["addr", "add", &own6, "dev", end, "nodad"])?;
            self.ip_in(host, &["link", "set", end, "up"])?;
            let gateway = format!("10.99.{link}.1");
            let address = format!("{gateway}/24");
            self.ip_in(Host::Router, &["addr", "add", &address, "dev", &router_end])?;
            let gateway6 = format!("fd99:{link}::1");
            let address6 = format!("{gateway6}/64");
            self.ip_in(Host::Router, &["addr", "add", &address6, "dev", &router_end, "nodad"])?;
            self.ip_in(Host::Router, &["link", "set", &router_end, "up"])?;
            self.ip_in(host, &["route", "add", "default", "via", &gateway])?;
            self.ip_in(host, &["-6", "route", "add", "default", "via", &gateway6])?;
        }
        for forward in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
            self.run_in(Host::Router, "sysctl", &["-q", "-w", forward])?;
        }
        for prefix in ["198.51.100.0/24", "203.0.113.0/24"] {
            self.ip_in(Host::Router, &["route", "add", prefix, "via", &Host::Server.address()])?;
            self.ip_in(Host::Server, &["route", "add", "local", prefix, "dev", "lo"])?;
        }
        let prefix6 = "2001:db8:100::/64";
        self.ip_in(Host::Router, &["-6", "route", "add", prefix6, "via", "fd99:3::2"])?;
        self.ip_in(Host::Server, &["-6", "route", "add", "local", prefix6, "dev", "lo"])
    }

    pub fn name(&self, host: Host) -> String {
        format!("{}-{}", self.prefix, host.word())
    }

    /// A command that will run on this host.
    pub fn command(&self, host: Host, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]).arg(program);
        command
    }

    pub fn run_in(&self, host: Host, program: &str, arguments: &[&str]) -> Result<String> {
        let name = self.name(host);
        let mut all = vec!["netns", "exec", &name, program];
        all.extend(arguments);
        run("ip", &all)
    }

    fn ip_in(&self, host: Host, arguments: &[&str]) -> Result<()> {
        let name = self.name(host);
        let mut all = vec!["-n", &name];
        all.extend(arguments);
        ip(&all)
    }

    /// Loads an nftables script on a host.
    pub fn nft(&self, host: Host, script: &str) -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), script)?;
        let path = file.path().to_string_lossy().into_owned();
        self.run_in(host, "nft", &["-f", &path]).map(drop)
    }

    /// Packets that a named counter has counted.
    pub fn counter(&self, host: Host, family: &str, table: &str, name: &str) -> Result<u64> {
        let json = self.run_in(host, "nft", &["-j", "list", "counter", family, table, name])?;
        let value: serde_json::Value = serde_json::from_str(&json)?;
        value["nftables"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|object| object["counter"]["packets"].as_u64())
            .ok_or_else(|| anyhow::anyhow!("no counter {family} {table} {name}"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in Host::ALL {
            // Whatever was made is removed; what was not, is not there.
            drop(ip(&["netns", "delete", &self.name(host)]));
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments).map(drop)
}
