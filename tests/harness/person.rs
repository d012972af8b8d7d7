//! A person with the `remit` command line on the management host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    collector::Collector,
    network::{Host, Network},
    process::{Programs, output},
};

#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub dir: PathBuf,
    program: String,
    namespace: String,
}

impl Person {
    pub fn enrol(
        network: &Network,
        programs: &Programs,
        collector: &Collector,
        id: &str,
        role: &str,
        dir: &Path,
    ) -> Result<Self> {
        let token = collector.token(programs, &["person", id, "--role", role])?;
        Self::with_token(network, programs, collector, id, &token, dir)
    }

    /// A directory of keys that is enrolled with a token, of a person or of a node.
    pub fn with_token(
        network: &Network,
        programs: &Programs,
        collector: &Collector,
        id: &str,
        token: &str,
        dir: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let person = Self {
            id: id.to_owned(),
            dir: dir.to_owned(),
            program: programs.path("remit").to_string_lossy().into_owned(),
            namespace: network.name(Host::Management),
        };
        let ca = collector.ca();
        let url = &collector.url;
        person.remit(&[
            "enrol",
            "--collector",
            url,
            "--ca",
            &ca.to_string_lossy(),
            "--token",
            token,
        ])?;
        Ok(person)
    }

    /// Runs `remit`, whatever its exit code.
    pub fn output(&self, arguments: &[&str]) -> Result<Output> {
        let dir = self.dir.to_string_lossy();
        let mut all = vec!["netns", "exec", &self.namespace, &self.program, "--dir", &dir];
        all.extend(arguments);
        output("ip", &all)
    }

    /// Runs `remit` and returns its exit code and all that it said, on a line: text is wrapped to a width.
    /// `None`: it did not run.
    pub fn tried(&self, arguments: &[&str]) -> (Option<i32>, String) {
        match self.output(arguments) {
            Ok(Output { status, stdout, stderr }) => {
                let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
                (status.code(), said.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            Err(error) => (None, format!("{error:#}")),
        }
    }

    /// Runs `remit` and returns what it printed on stdout.
    pub fn remit(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            bail!(
                "remit {} failed ({}):\n{}{}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The rows of an answer.
    pub fn rows(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let mut all = vec!["--output", "jsonl"];
        all.extend(arguments);
        self.remit(&all)?
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect()
    }
}
