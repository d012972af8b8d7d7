//! `remit`: the command line of operators, officers and assessors.
//!
//! Reads arguments (`cli`), asks the collector (`client`) or checks a bundle without it
//! (`commands::verify`), prints answers (`output`). Data goes to stdout, prose to stderr; what went
//! wrong becomes one sentence and an exit code in `exit`, and nowhere else.

mod cli;
mod client;
mod commands;
mod config;
mod exit;
mod home;
mod output;
mod statement;
mod time;
mod words;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; anything else is a mistake in the arguments.
            let code = if error.use_stderr() { exit::Code::CouldNotCheck } else { exit::Code::Ok };
            // Printing the message is all that is left to do.
            let _ = error.print();
            return code.into();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started");
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("remit: {error:#}");
            return exit::Code::CouldNotCheck.into();
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code.into(),
        Err(error) => {
            exit::report(&error);
            error.code().into()
        }
    }
}
