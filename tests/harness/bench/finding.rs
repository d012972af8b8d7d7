//! How long a person waits: from the command that installs a rule to its finding in `remit`.
//!
//! The whole line as in the demo, with the settings of the demo. The clock runs from before `nft` is
//! started until `remit findings list`, asked again and again, has shown the rule; so both programs'
//! own starts are in it, and on average half a poll.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{Row, Settings, median};
use crate::{demo::Demo, network::Host, process::wait_for};

/// Installs rules that no request covers, one after the other.
pub fn measure(dir: &Path, settings: &Settings) -> Result<Row> {
    fs::create_dir_all(dir)?;
    let demo = Demo::start(dir)?;
    let mut values = Vec::new();
    let mut polls = Vec::new();
    for round in 0..settings.rounds {
        let target = format!("198.51.100.{}", FIRST_HOST + round % 50);
        // Not in step with anything that runs once a second.
        std::thread::sleep(Duration::from_millis(1000 + 370 * (round as u64 % 7)));
        let begin = Instant::now();
        let daddr = ["ip", "daddr", target.as_str()];
        let add = ["add", "rule", "inet", "blocks", "forward"];
        let act = ["log", "prefix", "blocked", "group", "7", "drop"];
        demo.network.run_in(Host::Router, "nft", &[&add[..], &daddr, &act].concat())?;
        let mut asked = 0;
        wait_for("the finding of a new rule", Duration::from_secs(30), || {
            asked += 1;
            let findings = demo.operator.rows(&["findings", "list"])?;
            ensure!(
                findings.iter().any(|finding| finding["target"] == target.as_str()),
                "no finding for {target} among {}",
                findings.len()
            );
            Ok(())
        })?;
        let waited = begin.elapsed().as_secs_f64();
        values.push(waited);
        polls.push(waited / f64::from(asked));
    }
    Ok(Row {
        what: "rule installed to finding visible",
        unit: "s",
        values,
        target: Some(3.0),
        detail: format!("asked every {:.2} s", median(&polls)),
    })
}

/// Addresses that the demo's rules and requests leave free.
const FIRST_HOST: usize = 200;
