//! Benchmarks as ratios: what the real programs need for a leaf, over what nobody can do without.
//!
//! In: [`Settings`], and the programs as built beside the running executable. Out: [`Row`]s, one for
//! each promise of the performance targets.
//!
//! Milliseconds say as much of a machine as of a program; ratios of two things measured on the same
//! machine, in the same minute, in turns, say more of the program. So each ratio here is a median
//! over rounds, and each round measures the program and its floor one after the other. CPU time is
//! the kernel's account of all threads of the program's process, user and system, without what the
//! idle program needs in the same time. Wall-clock time is measured only where a person waits.
//!
//! Not done here: absolute promises, a comparison with an earlier run, a pass or a fail of CI.

pub mod agent;
pub mod collector;
pub mod cpu;
pub mod datapath;
pub mod finding;
pub mod flood;
pub mod floor;
pub mod history;
pub mod import;
pub mod large_set;
pub mod leaves;
pub mod matcher;
pub mod million;
pub mod peers;
pub mod reassess;
pub mod resolver;
pub mod store;

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};

use crate::{collector::Collector, network::Network, process::Programs};

/// What a run may be told.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Alternating rounds of program and floor; the median counts.
    pub rounds: usize,
    /// Datagrams into the blocking rule, for each round.
    pub events: u32,
    /// Datagrams in a second.
    pub rate: u32,
    /// Batches of 1,024 leaves that the collector takes, for each round.
    pub batches: usize,
    /// Events of the index's history; its tenth is the small history of `reassess`.
    pub store_events: u64,
    /// Install DuckDB from PyPI, into a virtual environment of the bench's, and ask it the same.
    pub duckdb: bool,
    /// This part alone; `None`: all of them.
    pub only: Option<Part>,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Agent,
    Collector,
    Finding,
    Matcher,
    /// Two million targets into a collector.
    Import,
    Store,
    Reassess,
    /// ulogd2 beside the agent.
    Peers,
    /// What it costs a packet to be watched.
    Datapath,
    /// A set of 100,000 elements.
    Set,
    /// Lines of a busy resolver.
    Resolver,
}

impl Part {
    pub const ALL: [Self; 11] = [
        Self::Agent,
        Self::Peers,
        Self::Datapath,
        Self::Set,
        Self::Resolver,
        Self::Collector,
        Self::Finding,
        Self::Matcher,
        Self::Import,
        Self::Store,
        Self::Reassess,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Collector => "collector",
            Self::Finding => "finding",
            Self::Matcher => "matcher",
            Self::Import => "import",
            Self::Store => "store",
            Self::Reassess => "reassess",
            Self::Peers => "peers",
            Self::Datapath => "datapath",
            Self::Set => "set",
            Self::Resolver => "resolver",
        }
    }
}

impl std::str::FromStr for Part {
    type Err = anyhow::Error;
    fn from_str(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|part| part.word() == word);
        found.with_context(|| {
            format!("not a part: want one of {}", Self::ALL.map(Self::word).join(", "))
        })
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub what: &'static str,
    pub unit: &'static str,
    /// One value for each round.
    pub values: Vec<f64>,
    /// At most this. `None`: for information.
    pub target: Option<f64>,
    /// What was measured, in absolute terms.
    pub detail: String,
}

impl Row {
    /// `None` where there is nothing to meet.
    pub fn is_met(&self) -> Option<bool> {
        self.target.map(|target| median(&self.values) <= target)
    }

    /// The line in Markdown: what, measured, spread, target, met or not.
    pub fn markdown(&self) -> String {
        let Self { what, unit, values, target, detail } = self;
        let (low, high) = spread(values);
        let spread =
            if values.len() > 1 { format!("{low:.2} to {high:.2}") } else { "-".to_owned() };
        let target = target.map_or("-".to_owned(), |target| format!("≤ {target} {unit}"));
        let met = match self.is_met() {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "for information",
        };
        let middle = median(values);
        format!("| {what} | {middle:.2} {unit} | {spread} | {target} | {met} | {detail} |")
    }
}

/// The head of the table that rows belong to.
pub const TABLE_HEAD: &str = "| what | median | spread | target | | in absolute terms |\n\
                              |---|---|---|---|---|---|";

/// Runs everything, or the one part. `say` hears what is being measured.
pub fn run(settings: &Settings, dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Vec<Row>> {
    // The index is measured in this process.
    let programs = Programs::built;
    let wanted = |part| settings.only.is_none_or(|only| only == part);
    let mut rows = Vec::new();
    if wanted(Part::Agent) {
        let programs = programs()?;
        let network = Network::new()?;
        network.nft(crate::network::Host::Router, flood::RULES)?;
        let mut collector = Collector::start(&network, &programs, &dir.join("first"), PORT)?;
        let bench = agent::AgentBench::enrol(&network, &programs, &collector, &dir.join("agents"))?;
        collector.stop()?;
        say("agent: CPU per leaf, in turns with its floor");
        rows.extend(bench.cpu(settings)?);
        say("agent: size, and memory with a full spool");
        rows.extend(bench.size_and_memory(settings)?);
    }
    if wanted(Part::Peers) {
        say("agent beside ulogd2: CPU per event, and loss, in turns");
        rows.extend(peers::measure(&programs()?, &dir.join("peers"), settings)?);
    }
    if wanted(Part::Datapath) {
        say("the way of a packet: a plain drop, and ways to watch it, in turns");
        rows.extend(datapath::measure(&programs()?, &dir.join("datapath"), settings)?);
    }
    if wanted(Part::Set) {
        say("a set of 100,000 elements");
        rows.extend(large_set::measure(&programs()?, &dir.join("set"), settings)?);
    }
    if wanted(Part::Resolver) {
        say("lines of a busy resolver");
        rows.extend(resolver::measure(&programs()?, &dir.join("resolver"), settings)?);
    }
    if wanted(Part::Collector) {
        let network = Network::new()?;
        say("collector: CPU per leaf to Accepted, in turns with its floor");
        rows.extend(collector::measure(&network, &programs()?, &dir.join("second"), settings)?);
    }
    if wanted(Part::Finding) {
        say("from a rule to its finding");
        rows.push(finding::measure(&dir.join("demo"), settings)?);
    }
    // Before what leaves memory behind that was used and given back.
    if wanted(Part::Matcher) {
        say("the matcher, over two million targets");
        rows.extend(matcher::measure(settings)?);
    }
    if wanted(Part::Import) {
        say("two million targets: import and start");
        rows.extend(import::measure(&dir.join("import"), &programs()?)?);
    }
    if wanted(Part::Store) {
        say("the index: taking in, size, questions");
        rows.extend(store::measure(&dir.join("store"), settings)?);
    }
    if wanted(Part::Reassess) {
        say("judging old events again");
        rows.extend(reassess::measure(&dir.join("reassess"), settings)?);
    }
    Ok(rows)
}

const PORT: u16 = 8443;

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.get(middle.wrapping_sub(1))) {
        (Some(upper), Some(lower)) if sorted.len().is_multiple_of(2) => (upper + lower) / 2.0,
        (Some(value), _) => *value,
        (None, _) => f64::NAN,
    }
}

fn spread(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_counts_and_not_the_best() {
        let row = |values: &[f64]| Row {
            what: "agent",
            unit: "×",
            values: values.to_vec(),
            target: Some(3.0),
            detail: String::new(),
        };
        assert_eq!(row(&[2.0, 9.0, 2.5]).is_met(), Some(true));
        assert_eq!(row(&[2.0, 3.5, 4.0]).is_met(), Some(false));
        assert_eq!(row(&[2.0, 4.0]).is_met(), Some(true));
        assert_eq!(row(&[]).is_met(), Some(false));
        assert!(row(&[3.5]).markdown().contains("**not met**"));
    }
}
