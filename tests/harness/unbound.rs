//! The resolver: Unbound with response policy zones, one file and one log name each.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;

use crate::{
    network::{Host, Network},
    process::{Process, wait_for},
};

/// One response policy zone.
#[derive(Debug, Clone)]
pub struct Zone {
    pub name: &'static str,
    /// What `rpz-log-name` says: the carrier of the claim.
    pub log_name: &'static str,
    /// Records without SOA and NS, relative to the zone.
    pub records: &'static str,
}

#[derive(Debug)]
pub struct Unbound {
    process: Process,
    pub log: PathBuf,
    pub control: PathBuf,
    pub zones: Vec<(Zone, PathBuf)>,
    dir: PathBuf,
}

impl Unbound {
    /// Starts a resolver that knows a few names of its own and asks nobody.
    pub fn start(network: &Network, dir: &Path, zones: &[Zone]) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let (log, control) = (dir.join("unbound.log"), dir.join("control.sock"));
        let mut files = Vec::new();
        let mut stanzas = String::new();
        for zone in zones {
            let file = dir.join(format!("{}.zone", zone.name));
            write_zone(zone, &file, 1)?;
            stanzas.push_str(&format!(
                "rpz:\n  name: {}\n  zonefile: \"{}\"\n  rpz-log: yes\n  rpz-log-name: \"{}\"\n",
                zone.name,
                file.display(),
                zone.log_name
            ));
            files.push((zone.clone(), file));
        }
        let config = format!(
            "server:\n  interface: 0.0.0.0\n  access-control: 0.0.0.0/0 allow\n  chroot: \"\"\n  \
             username: \"\"\n  directory: \"{dir}\"\n  pidfile: \"{dir}/unbound.pid\"\n  \
             use-syslog: no\n  logfile: \"{log}\"\n  do-daemonize: no\n  num-threads: 1\n  \
             extended-statistics: yes\n  module-config: \"respip iterator\"\n  \
             local-zone: \"test.\" static\n  local-data: \"open.test. A 203.0.113.80\"\n\
             remote-control:\n  control-enable: yes\n  control-interface: \"{control}\"\n  \
             control-use-cert: no\n{stanzas}",
            dir = dir.display(),
            log = log.display(),
            control = control.display(),
        );
        let path = dir.join("unbound.conf");
        fs::write(&path, config)?;
        let mut command = network.command(Host::Resolver, Path::new("/usr/sbin/unbound"));
        command.args(["-d", "-c"]).arg(&path);
        let process = Process::start("unbound", &mut command, &dir.join("unbound.out"))?;
        let unbound = Self { process, log, control, zones: files, dir: dir.to_owned() };
        wait_for("unbound's control socket", Duration::from_secs(60), || {
            anyhow::ensure!(unbound.control.exists(), "{}", unbound.process.printed());
            Ok(())
        })?;
        Ok(unbound)
    }

    pub fn control(&self, network: &Network, arguments: &[&str]) -> Result<String> {
        let config = self.dir.join("unbound.conf").to_string_lossy().into_owned();
        let mut all = vec!["-c", &config];
        all.extend(arguments);
        network.run_in(Host::Resolver, "unbound-control", &all)
    }

    /// Σ of `num.rpz.action.*` that stand for a block.
    pub fn counted(&self, network: &Network) -> Result<u64> {
        let text = self.control(network, &["stats_noreset"])?;
        Ok(text
            .lines()
            .filter_map(|line| line.strip_prefix("num.rpz.action."))
            .filter_map(|line| line.split_once('='))
            .filter(|(action, _)| !action.contains("passthru") && !action.contains("tcp-only"))
            .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
            .sum())
    }
}

fn write_zone(zone: &Zone, file: &Path, serial: u32) -> Result<()> {
    let text = format!(
        "$ORIGIN {name}.\n$TTL 300\n@ SOA localhost. root.localhost. {serial} 3600 600 86400 300\n\
         @ NS localhost.\n{records}",
        name = zone.name,
        records = zone.records
    );
    Ok(fs::write(file, text)?)
}
