//! An agent on a host of the network: enrolled, started, killed, started again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{
    collector::Collector,
    network::{Host, Network},
    process::{Process, Programs, wait_for},
};

#[derive(Debug)]
pub struct Node {
    pub name: String,
    pub dir: PathBuf,
    pub config: PathBuf,
    pub host: Host,
    process: Option<Process>,
}

impl Node {
    /// Enrols a node and writes its configuration. `sources` is the TOML below `[sources]`.
    pub fn enrol(
        network: &Network,
        programs: &Programs,
        collector: &Collector,
        host: Host,
        name: &str,
        dir: &Path,
        settings: &str,
    ) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let token = collector.token(programs, &["node", name])?;
        let agent = programs.path("remit-agent").to_string_lossy().into_owned();
        let (state, ca) = (dir.join("state"), collector.ca());
        network.run_in(
            host,
            &agent,
            &[
                "enrol",
                "--collector",
                &collector.url,
                "--ca",
                &ca.to_string_lossy(),
                "--token",
                &token,
                "--dir",
                &state.to_string_lossy(),
            ],
        )?;
        let config = dir.join("agent.toml");
        fs::write(
            &config,
            format!(
                "dir = \"{}\"\n{settings}\n[collector]\nurl = \"{}\"\n",
                state.display(),
                collector.url
            ),
        )?;
        Ok(Self { name: name.to_owned(), dir: dir.to_owned(), config, host, process: None })
    }

    /// Adds to the configuration file.
    pub fn configure(&self, more: &str) -> Result<()> {
        let text = fs::read_to_string(&self.config)?;
        Ok(fs::write(&self.config, text + more)?)
    }

    pub fn start(&mut self, network: &Network, programs: &Programs) -> Result<()> {
        let mut command = network.command(self.host, &programs.path("remit-agent"));
        command.arg("run").arg("--config").arg(&self.config);
        let mut process = Process::start("remit-agent", &mut command, &self.dir.join("agent.log"))?;
        // An agent that cannot run says so at once.
        std::thread::sleep(Duration::from_millis(200));
        if let Some(status) = process.has_ended()? {
            anyhow::bail!("agent {} ended with {status}:\n{}", self.name, process.printed());
        }
        self.process = Some(process);
        Ok(())
    }

    /// Runs `remit-agent import` to its end, whatever its exit code.
    pub fn import(
        &self,
        network: &Network,
        programs: &Programs,
        arguments: &[&str],
    ) -> Result<Output> {
        let mut command = network.command(self.host, &programs.path("remit-agent"));
        command.arg("import").arg("--config").arg(&self.config);
        command.args(["--source", "unbound_rpz"]).args(arguments);
        Ok(command.output()?)
    }

    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// SIGTERM: a last Seal, and the end.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            let printed = process.printed();
            let status = process.stop(Duration::from_secs(15))?;
            ensure!(status.success(), "agent {} ended with {status}:\n{printed}", self.name);
        }
        Ok(())
    }

    /// Waits until the agent's log says something.
    pub fn wait_for_log(&self, text: &str, within: Duration) -> Result<()> {
        wait_for(text, within, || {
            let printed = self.process.as_ref().map(Process::printed).unwrap_or_default();
            ensure!(printed.contains(text), "agent {} has said:\n{printed}", self.name);
            Ok(())
        })
    }
}
