//! The Debian packages that demo and tests need, and why.

use anyhow::{Context, Result, bail};

use crate::process::run;

/// Package, a file that it brings, and what it is for.
pub const PACKAGES: &[(&str, &str, &str)] = &[
    ("nftables", "/usr/sbin/nft", "loads the rules whose drops are recorded"),
    (
        "iptables",
        "/usr/sbin/iptables-nft",
        "rules of iptables-nft and iptables-legacy, in the tests",
    ),
    ("unbound", "/usr/sbin/unbound", "the resolver with response policy zones"),
    ("bind9", "/usr/sbin/named", "a resolver with response policy zones, in the tests"),
    ("dnsmasq-base", "/usr/sbin/dnsmasq", "a resolver that answers by itself, in the tests"),
    (
        "pdns-recursor",
        "/usr/sbin/pdns_recursor",
        "a resolver that sends what it blocks, in the tests",
    ),
    (
        "knot-resolver",
        "/usr/sbin/kresd",
        "a resolver that tells by dnstap what it blocks, in the tests",
    ),
    ("iproute2", "/usr/sbin/ip", "network namespaces and links between them"),
    ("procps", "/usr/sbin/sysctl", "lets the router's namespace forward packets"),
    ("bind9-dnsutils", "/usr/bin/dig", "asks the resolver as a subscriber would"),
    ("squid", "/usr/sbin/squid", "the proxy that refuses what its lists name, in the tests"),
    ("nginx-light", "/usr/sbin/nginx", "the web server that answers 451, in the tests"),
    ("curl", "/usr/bin/curl", "asks proxy and web server as a subscriber would, in the tests"),
    ("systemd", "/usr/bin/systemd-analyze", "says how exposed the units leave the programs"),
    ("strace", "/usr/bin/strace", "shows which system calls the programs make, in the tests"),
    ("g++", "/usr/bin/g++", "compiles libFuzzer, for the fuzz targets"),
    ("ansible-core", "/usr/bin/ansible-playbook", "plays the role for the agent, in the tests"),
    ("busybox", "/usr/bin/busybox", "the shell of OpenWrt, in the tests"),
    ("shellcheck", "/usr/bin/shellcheck", "reads the scripts for OpenWrt, in the tests"),
    ("faketime", "/usr/bin/faketime", "lets certificates grow old in the tests"),
    ("util-linux", "/usr/bin/setpriv", "starts the agent as its unit would, in the tests"),
];

/// What the benchmarks need beside them.
pub const OF_BENCH: &[(&str, &str, &str)] = &[
    ("ulogd2", "/usr/sbin/ulogd", "writes NFLOG down as operators do today, to compare with"),
    ("ulogd2-json", "/usr/share/doc/ulogd2-json/copyright", "the same, as JSON"),
];

/// Installs what demo and tests lack, saying which and why.
pub fn install() -> Result<()> {
    install_of(PACKAGES)
}

/// As [`install`], with what the benchmarks need.
pub fn install_for_bench() -> Result<()> {
    install()?;
    install_of(OF_BENCH)
}

fn install_of(packages: &[(&str, &str, &str)]) -> Result<()> {
    let exists = |path: &str| {
        std::path::Path::new(path).exists()
            || path.strip_prefix("/usr").is_some_and(|p| std::path::Path::new(p).exists())
    };
    let missing: Vec<_> = packages.iter().filter(|(_, file, _)| !exists(file)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (package, _, why) in &missing {
        eprintln!("installing Debian package {package}: {why}");
    }
    if !nix::unistd::geteuid().is_root() {
        let names: Vec<_> = missing.iter().map(|(package, ..)| *package).collect();
        bail!("not root: install them yourself with: apt-get install {}", names.join(" "));
    }
    // A package must not start its service here: the demo starts its own, in its own namespace.
    let policy = std::path::Path::new("/usr/sbin/policy-rc.d");
    let own_policy = !policy.exists();
    if own_policy {
        std::fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        std::fs::set_permissions(policy, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    let installed = apt(&missing.iter().map(|(package, ..)| *package).collect::<Vec<_>>());
    if own_policy {
        std::fs::remove_file(policy)?;
    }
    installed
}

fn apt(packages: &[&str]) -> Result<()> {
    let update = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "update", "-qq"];
    run("env", &update).context("the package lists cannot be updated")?;
    let mut install = vec![
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
    ];
    install.extend(packages);
    run("env", &install).map(drop)
}
