//! `cargo xtask bench`: builds what operators run, measures it with `remit_tests::bench`, and prints
//! the table. A target that is missed is said, and is no error: the exit code tells whether the
//! measuring worked.

use anyhow::{Result, ensure};
use remit_tests::{
    bench::{Row, Settings, TABLE_HEAD},
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
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { rounds, events, rate, batches } = *arguments;
    ensure!(rounds > 0 && events > 0 && rate > 0 && batches > 0, "every number must be above 0");
    packages::install()?;
    let cargo = env!("CARGO");
    if cfg!(debug_assertions) {
        // The floors are measured in this process: it must be built as the programs are.
        let words = [rounds.to_string(), events.to_string(), rate.to_string(), batches.to_string()];
        let [rounds, events, rate, batches] = words.each_ref().map(String::as_str);
        return shell(
            cargo,
            &[
                "run",
                "--quiet",
                "--release",
                "--locked",
                "--package",
                "xtask",
                "--",
                "bench",
                "--rounds",
                rounds,
                "--events",
                events,
                "--rate",
                rate,
                "--batches",
                batches,
            ],
        );
    }
    shell(
        cargo,
        &[
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "remit-agent",
            "--package",
            "remit-collector",
            "--package",
            "remit-cli",
        ],
    )?;
    shell(
        cargo,
        &["build", "--quiet", "--profile", "size", "--locked", "--package", "remit-agent"],
    )?;
    let dir = tempfile::Builder::new().prefix("remit-bench-").tempdir()?;
    let settings = Settings { rounds, events, rate, batches };
    let rows = remit_tests::bench::run(&settings, dir.path(), &mut |what| eprintln!("{what} …"))?;
    print(&settings, &rows);
    Ok(())
}

fn print(settings: &Settings, rows: &[Row]) {
    let Settings { rounds, events, rate, batches } = settings;
    println!(
        "cargo xtask bench --rounds {rounds} --events {events} --rate {rate} --batches {batches}\n"
    );
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
