//! `cargo xtask demo | test | check | bench | fuzz`: everything a developer runs.

mod bench;
mod check;
mod demo;
mod fuzz;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Everything a developer runs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A small operator network, from a dropped packet to a verdict; stays up for exploring.
    Demo {
        /// Exit at the end instead of staying up.
        #[arg(long)]
        once: bool,
        /// Also write the verdict table to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Everything that CI runs, installing the Debian packages that it needs.
    Test,
    /// What the programs need, over what nobody can do without: a table of ratios, and the targets.
    Bench(bench::Arguments),
    /// For the bench: KiB that the names of a comparison need, in a process of their own.
    #[command(hide = true)]
    Held { what: String },
    /// Gives every parser inputs that nobody thought of (docs/adr/0026-fuzzing.md).
    Fuzz(fuzz::Arguments),
    /// Formatting, lints, licences: what needs no service and no root.
    Check,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo { once, json } => demo::run(once, json.as_deref()),
        Command::Test => check::test(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Held { what } => {
            remit_tests::bench::matcher::held(&what).map(|kib| println!("{kib}"))
        }
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Check => check::check(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a program with its output on this terminal.
fn shell(program: &str, arguments: &[&str]) -> Result<()> {
    eprintln!("$ {program} {}", arguments.join(" "));
    let status = std::process::Command::new(program).args(arguments).status()?;
    anyhow::ensure!(status.success(), "{program} {} failed: {status}", arguments.join(" "));
    Ok(())
}
