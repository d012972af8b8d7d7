//! `remit probe import FILE.jsonl`: what somebody outside saw, as leaves of a node of its own.
//!
//! In: OONI measurements as published, one JSON object per line ([`register::ooni`]). Out: a `Probe` leaf for each,
//! in a tree that lies as one file in the directory of keys ([`tree`]), and that is handed in as an agent
//! hands in its own ([`submit`]). The directory is enrolled with a node's token: an import is a node of its
//! own, and what it says is its word about a published file, whose digest stands in the leaf.
//!
//! Order: the whole file is read and checked; batches are appended to the tree's file and synced; only then
//! they are sent. However it ends, the same command again sends what is left, and records nothing twice.
//!
//! Not kept: the probe's address, its resolver, its software, the bodies that it saw; of the network, its
//! number and country alone.

mod submit;
mod tree;

use std::path::Path;

use evidence::NodeId;
use register::ooni::{self, Measured, Read};

use self::tree::ProbeTree;
use crate::{
    config::Config,
    exit::{CliError, Code},
    home,
};

pub(crate) async fn import(config: &Config, file: &Path) -> Result<Code, CliError> {
    let node = node(config)?;
    let Found { measured, other_tests, refused } = read(&home::read(file)?);
    for (line, why) in &refused {
        eprintln!("{}:{line}: {why}", file.display());
    }
    let mut tree = ProbeTree::open(config, &node)?;
    let read = measured.len();
    let recorded = tree.record(measured)?;
    let logged = submit::hand_in(config, &tree).await?;
    eprintln!(
        "{read} measurements read: {recorded} recorded, {} known before; {other_tests} of tests that say \
         nothing of one target left out; {} lines refused",
        read - recorded,
        refused.len()
    );
    match logged {
        true => eprintln!("all of it is in the collector's log, as node {node}"),
        false => eprintln!(
            "all of it was accepted, as node {node}; the log takes it in with its next head"
        ),
    }
    Ok(if refused.is_empty() { Code::Ok } else { Code::Incomplete })
}

/// Whose keys these are. A person's sign statements, and no tree.
fn node(config: &Config) -> Result<NodeId, CliError> {
    let wrong = || {
        CliError::Usage(format!(
            "{} does not hold a node's keys: an import of probes is a node of its own. Have the operator \
             make a token (`remit-collector enrol node probe-1`), and enrol another directory with it: \
             `remit --dir DIR enrol`",
            config.home.path("").display()
        ))
    };
    if config.file.role != "agent" {
        return Err(wrong());
    }
    config.file.person.parse().map_err(|_| wrong())
}

#[derive(Debug, Default)]
struct Found {
    measured: Vec<Measured>,
    other_tests: usize,
    /// Line, and what is wrong with it.
    refused: Vec<(usize, String)>,
}

fn read(file: &[u8]) -> Found {
    let mut found = Found::default();
    for (number, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match ooni::read(line) {
            Ok(Read::Measured(measured)) => found.measured.push(*measured),
            Ok(Read::OtherTest) => found.other_tests += 1,
            Err(why) => found.refused.push((number, why)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(blocking: &str, accessible: &str) -> String {
        format!(
            r#"{{"input":"https://a.example/","measurement_start_time":"2021-03-22 15:01:01",
            "test_name":"web_connectivity","test_keys":{{"blocking":{blocking},"accessible":{accessible}}}}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn lines_are_refused_one_by_one() {
        let text = format!(
            "{}\n\nnonsense\n{}\r\n{}",
            line("\"dns\"", "false"),
            line("false", "true"),
            r#"{"test_name":"ndt"}"#
        );
        let Found { measured, other_tests, refused } = read(text.as_bytes());
        assert_eq!((measured.len(), other_tests), (2, 1));
        assert_eq!(refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3]);
    }
}
