//! Files and answers of the programs beside the agent: zones, lists, statistics; and its own settings.

use std::path::PathBuf;

use remit_agent::{
    config::Config,
    sources::{
        bind_rpz::statistics,
        dnsmasq::{Dnsmasq, conf as dnsmasq},
        iptables_legacy::save,
        nginx::conf as nginx,
        pdns::metrics,
        rpz::{owner::Owner, zone},
        squid::conf as squid,
        unbound_rpz::{control, local},
    },
};

use crate::text;

/// A response policy zone. A name that is a rule's owner is printed without what breaks a line.
pub fn rpz_zone(data: &[u8]) {
    let Ok(zone) = zone::read(data, "rpz.example.org") else { return };
    for (owner, entry) in &zone.entries {
        let _: (&Owner, &str) = (owner, &entry.data);
        assert!(!format!("{owner:?}").contains('\n'));
    }
    let records = data.split(|byte| *byte == b'\n').count() as u64;
    assert!(zone.entries.len() as u64 + zone.not_understood <= records, "one line, two rules");
}

/// The input as dnsmasq's configuration, which may name itself, and as a hosts file.
pub fn dnsmasq_conf(data: &[u8]) {
    // Without the hosts file of this machine.
    let conf = crate::file("dnsmasq.conf", &[b"no-hosts\n", data].concat());
    let found = dnsmasq::read(&Dnsmasq { conf, conf_dirs: Vec::new(), loopback_blocks: true });
    assert!(found.blocks.len() <= data.len());
    let hosts = crate::file("hosts", data);
    let around = format!("no-hosts\naddn-hosts={}\n", hosts.display());
    let conf = crate::file("dnsmasq-hosts.conf", around.as_bytes());
    dnsmasq::read(&Dnsmasq { conf, conf_dirs: Vec::new(), loopback_blocks: false });
}

pub fn squid_conf(data: &[u8]) {
    let conf = squid::read(&crate::file("squid.conf", data));
    assert!(!conf.files.is_empty());
}

pub fn nginx_conf(data: &[u8]) {
    let (listed, _) = nginx::read(&crate::file("blocked.map", data), 451);
    assert!(listed.len() <= data.len());
}

/// A dump of iptables-legacy: a chain or a rule for each line at most.
pub fn iptables_save(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(chains) = save::parse(text) else { return };
    let rules: usize = chains.iter().map(|chain| chain.rules.len()).sum();
    assert!(chains.len() + rules <= text.lines().count());
}

/// What a resolver answers when it is asked how much it has done: Unbound's control socket, BIND's
/// statistics channel, PowerDNS's metrics.
pub fn answers(data: &[u8]) {
    if let Some(text) = text(data) {
        let _ = (control::blocks(text), control::loaded_serial(text, "rpz.example.org"));
        let _ = (local::let_data_through(text), local::public_static(text));
    }
    let _ = statistics::read_rewrites(data);
    if let Ok(serials) = statistics::read_serials(data, &["rpz.example.org", "other.test"]) {
        assert_eq!(serials.len(), 2);
    }
    let _ = metrics::read(data, ([127, 0, 0, 1], 4242).into());
}

/// The agent's settings and its basis map, with a NUL between them. What is in force is printed as
/// settings that read back to the same.
pub fn agent_config(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (Some(settings), map) = (parts.next().and_then(text), parts.next().and_then(text)) else {
        return;
    };
    let read = |_: &std::path::Path| map.map(str::to_owned).ok_or_else(|| "none".to_owned());
    let Ok(config) = Config::parse(settings, &read) else { return };
    let printed = config.to_string();
    let again = Config::parse(&printed, &read).map(|config| config.to_string());
    assert_eq!(again.as_ref(), Ok(&printed));
    let _: PathBuf = config.dir;
}
