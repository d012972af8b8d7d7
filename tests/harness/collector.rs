//! The collector as an operator runs it: init, serve, tokens.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{
    network::{Host, Network},
    process::{Process, Programs, run, wait_for},
};

/// The operator of the demo and the tests.
pub const OPERATOR: &str = "example.net";

#[derive(Debug)]
pub struct Collector {
    pub dir: PathBuf,
    pub config: PathBuf,
    pub log_key: String,
    pub register_key: String,
    pub url: String,
    port: u16,
    process: Option<Process>,
}

impl Collector {
    /// Makes keys and starts to serve on the management host.
    pub fn start(network: &Network, programs: &Programs, dir: &Path, port: u16) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let mut collector = Self::configured(dir, port)?;
        let address = Host::Management.address();
        let program = programs.path("remit-collector");
        let program = program.to_string_lossy();
        let config = collector.config.to_string_lossy().into_owned();
        let arguments = ["--config", &config, "init", "--name", &address, "--name", "localhost"];
        let printed = run(&program, &arguments)?;
        let key = |name: &str| {
            let line = printed.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().last().unwrap_or_default().to_owned()
        };
        collector.log_key = key("log key");
        collector.register_key = key("register key");
        collector.serve(network, programs)?;
        Ok(collector)
    }

    /// A collector over a directory that exists already.
    pub fn over(other: &Self, dir: &Path, port: u16) -> Result<Self> {
        let mut collector = Self::configured(dir, port)?;
        collector.log_key.clone_from(&other.log_key);
        collector.register_key.clone_from(&other.register_key);
        Ok(collector)
    }

    fn configured(dir: &Path, port: u16) -> Result<Self> {
        let address = Host::Management.address();
        let config = dir.with_extension("toml");
        let tiles = port + 1;
        fs::write(
            &config,
            format!(
                "operator = \"{OPERATOR}\"\ndir = \"{}\"\nlisten = \"{address}:{port}\"\n\
                 tiles_listen = \"{address}:{tiles}\"\npublish_interval_ms = 500\n",
                dir.display()
            ),
        )?;
        Ok(Self {
            dir: dir.to_owned(),
            config,
            log_key: String::new(),
            register_key: String::new(),
            url: format!("https://{address}:{port}"),
            port,
            process: None,
        })
    }

    pub fn serve(&mut self, network: &Network, programs: &Programs) -> Result<()> {
        let command = network.command(Host::Management, &programs.path("remit-collector"));
        self.serve_by(network, command)
    }

    /// With a clock that is set back, so that what it issues is so many days old.
    pub fn serve_days_ago(
        &mut self,
        network: &Network,
        programs: &Programs,
        days: u32,
    ) -> Result<()> {
        let mut command = network.command(Host::Management, &programs.path("remit-collector"));
        // The program `faketime` would stand between the signals and the collector. ld.so(8) expands $LIB.
        command.env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketime.so.1");
        command.env("FAKETIME", format!("-{days}d")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        self.serve_by(network, command)
    }

    fn serve_by(&mut self, network: &Network, mut command: Command) -> Result<()> {
        command.arg("--config").arg(&self.config).arg("serve");
        let mut process =
            Process::start("remit-collector", &mut command, &self.dir.with_extension("log"))?;
        let port = format!(":{}", self.port);
        wait_for("the collector to listen", Duration::from_secs(30), || {
            if let Some(status) = process.has_ended()? {
                anyhow::bail!("ended with {status}:\n{}", process.printed());
            }
            let listening = network.run_in(Host::Management, "ss", &["-Htln"])?;
            ensure!(listening.contains(&port), "not yet:\n{}", process.printed());
            Ok(())
        })?;
        self.process = Some(process);
        Ok(())
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.join("keys/ca.pem")
    }

    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    pub fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            let status = process.stop(Duration::from_secs(20))?;
            ensure!(status.success(), "the collector ended with {status}");
        }
        Ok(())
    }

    /// A one-time token for a node or a person.
    pub fn token(&self, programs: &Programs, arguments: &[&str]) -> Result<String> {
        let program = programs.path("remit-collector");
        let config = self.config.to_string_lossy().into_owned();
        let mut all = vec!["--config", &config, "enrol"];
        all.extend(arguments);
        Ok(run(&program.to_string_lossy(), &all)?.trim().to_owned())
    }

    /// Runs an administrative command on the stopped or running collector.
    pub fn admin(&self, programs: &Programs, arguments: &[&str]) -> Result<String> {
        let program = programs.path("remit-collector");
        let config = self.config.to_string_lossy().into_owned();
        let mut all = vec!["--config", &config];
        all.extend(arguments);
        run(&program.to_string_lossy(), &all)
    }
}
