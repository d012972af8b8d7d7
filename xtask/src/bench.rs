//! `cargo xtask bench`: builds what operators run, measures it with `remit_tests::bench`, and prints
//! the table. A target that is missed is said, and is no error: the exit code tells whether the
//! measuring worked.

use anyhow::{Result, ensure};
use remit_tests::{
    bench::{Part, Row, Settings, TABLE_HEAD},
    packages,
};

use crate::shell;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Alternating rounds of program and floor; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Datagrams into the blocking rule, for each round.
    #[arg(long, default_value_t = 200_000)]
    events: u32,
    /// Datagrams in a second.
    #[arg(long, default_value_t = 25_000)]
    rate: u32,
    /// Batches of 1,024 leaves that the collector takes, for each round.
    #[arg(long, default_value_t = 150)]
    batches: usize,
    /// Events of the index's history.
    #[arg(long, default_value_t = 1_000_000)]
    store_events: u64,
    /// Also ask DuckDB, which is installed from PyPI into a virtual environment of the bench's.
    #[arg(long)]
    duckdb: bool,
    /// Measure one part alone: agent, collector, finding, store or reassess.
    #[arg(long, value_name = "PART")]
    only: Option<Part>,
    /// Measure the release programs as they lie there.
    #[arg(long)]
    no_build: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { rounds, events, rate, batches, store_events, duckdb, only, no_build } =
        *arguments;
    ensure!(rounds > 0 && events > 0 && rate > 0 && batches > 0, "every number must be above 0");
    packages::install()?;
    let cargo = env!("CARGO");
    let settings = Settings { rounds, events, rate, batches, store_events, duckdb, only };
    if cfg!(debug_assertions) {
        // The floors are measured in this process: it must be built as the programs are.
        let built = if no_build { " --no-build" } else { "" };
        let words = words(&settings);
        let line = format!("run --quiet --release --locked --package xtask -- {words}{built}");
        return shell(cargo, &line.split(' ').collect::<Vec<_>>());
    }
    if !no_build {
        build(cargo, only)?;
    }
    let dir = tempfile::Builder::new().prefix("remit-bench-").tempdir()?;
    let rows = remit_tests::bench::run(&settings, dir.path(), &mut |what| eprintln!("{what} …"))?;
    print(&settings, &rows);
    Ok(())
}

fn build(cargo: &str, only: Option<Part>) -> Result<()> {
    if matches!(only, Some(Part::Store | Part::Reassess)) {
        return Ok(());
    }
    let release = "build --quiet --release --locked --package remit-agent \
                   --package remit-collector --package remit-cli";
    shell(cargo, &release.split(' ').collect::<Vec<_>>())?;
    if only.is_none_or(|only| only == Part::Agent) {
        let size = "build --quiet --profile size --locked --package remit-agent";
        shell(cargo, &size.split(' ').collect::<Vec<_>>())?;
    }
    Ok(())
}

/// How to ask for the same again.
fn words(settings: &Settings) -> String {
    let Settings { rounds, events, rate, batches, store_events, duckdb, only } = settings;
    let mut line = format!(
        "bench --rounds {rounds} --events {events} --rate {rate} --batches {batches} \
             --store-events {store_events}"
    );
    if *duckdb {
        line.push_str(" --duckdb");
    }
    if let Some(part) = only {
        line.push_str(" --only ");
        line.push_str(part.word());
    }
    line
}

fn print(settings: &Settings, rows: &[Row]) {
    println!("cargo xtask {}\n", words(settings));
    println!("{TABLE_HEAD}");
    rows.iter().for_each(|row| println!("{}", row.markdown()));
    let missed: Vec<&str> =
        rows.iter().filter(|row| row.is_met() == Some(false)).map(|row| row.what).collect();
    if missed.is_empty() {
        println!("\nEvery target is met.");
    } else {
        println!("\nNOT MET: {}.", missed.join("; "));
    }
}
