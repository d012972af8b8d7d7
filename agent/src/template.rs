//! `remit-agent template`: commented fragments of other programs' configuration, in which rules carry
//! their claim. The tests load each into the program that it is for.

/// A fragment, by its name on the command line.
#[derive(Debug)]
pub struct Template {
    pub name: &'static str,
    pub about: &'static str,
    pub text: &'static str,
}

pub const ALL: [&Template; 11] = [
    &Template {
        name: "nftables",
        about: "Rules, sets and counters, for `nft --file`",
        text: include_str!("../../deploy/templates/nftables.nft"),
    },
    &Template {
        name: "iptables-legacy",
        about: "Rules of the old tables, for `iptables-legacy-restore`",
        text: include_str!("../../deploy/templates/iptables-legacy.rules"),
    },
    &Template {
        name: "unbound",
        about: "Unbound: response policy zones, their log and their counters",
        text: include_str!("../../deploy/templates/unbound.conf"),
    },
    &Template {
        name: "bind",
        about: "BIND: response policy zones, their log and their counter",
        text: include_str!("../../deploy/templates/named.conf"),
    },
    &Template {
        name: "dnsmasq",
        about: "dnsmasq: names that it answers by itself",
        text: include_str!("../../deploy/templates/dnsmasq.conf"),
    },
    &Template {
        name: "pdns",
        about: "PowerDNS Recursor: response policies, and what it sends of them",
        text: include_str!("../../deploy/templates/recursor.lua"),
    },
    &Template {
        name: "knot",
        about: "Knot Resolver 5: policies, and dnstap of what they do",
        text: include_str!("../../deploy/templates/kresd.conf"),
    },
    &Template {
        name: "rpz-zone",
        about: "A response policy zone, for any resolver that loads them",
        text: include_str!("../../deploy/templates/rpz.zone"),
    },
    &Template {
        name: "routes",
        about: "Null routes: a rule for `nft --file` that counts and logs what they stop, and their basis map",
        text: include_str!("../../deploy/templates/routes.nft"),
    },
    &Template {
        name: "squid",
        about: "Squid: lists whose refusals say what they rest on, and their log",
        text: include_str!("../../deploy/templates/squid.conf"),
    },
    &Template {
        name: "nginx",
        about: "nginx: a map of hosts to claims, 451, and their log",
        text: include_str!("../../deploy/templates/nginx.conf"),
    },
];
