//! `remit-agent`: the command line, and nothing else.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use remit_agent::{
    config::Config,
    enrol::{self, Enrolment},
    health::Stop,
    logging, run,
};
use tracing::level_filters::LevelFilter;

#[derive(Parser)]
#[command(
    args_conflicts_with_subcommands = true,
    version,
    about = "Records every blocking rule and hit with its claimed legal basis"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
    /// off, error, warn, info, debug
    #[arg(long, global = true, env = "REMIT_LOG", default_value = "info")]
    log: LevelFilter,
}

#[derive(Subcommand)]
enum Command {
    /// Run (the default)
    Run(RunArguments),
    /// Make this node's keys, and have the collector know them
    Enrol(EnrolArguments),
}

#[derive(Args)]
struct RunArguments {
    #[arg(long, default_value = "/etc/remit/agent.toml")]
    config: PathBuf,
    /// Report every mistake in the configuration, and end
    #[arg(long)]
    check_config: bool,
    /// Print what would be in force, defaults included, and end
    #[arg(long)]
    print_config: bool,
}

#[derive(Args)]
struct EnrolArguments {
    /// https://host:port
    #[arg(long)]
    collector: String,
    /// Name in the collector's certificate, where it is not the host of the address
    #[arg(long)]
    tls_name: Option<String>,
    /// Certificate of the operator's authority, PEM
    #[arg(long)]
    ca: PathBuf,
    /// One-time token from `remit-collector`
    #[arg(long, env = "REMIT_TOKEN", hide_env_values = true)]
    token: String,
    /// Where keys, identity and spool are to be
    #[arg(long)]
    dir: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::init(arguments.log);
    let result = match arguments.command {
        None => start(&arguments.run),
        Some(Command::Run(run)) => start(&run),
        Some(Command::Enrol(enrol)) => enrol_node(enrol),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            // The message tells people; the code tells the supervisor.
            eprintln!("remit-agent: {}", logging::chain(&stop));
            ExitCode::from(stop.exit_code())
        }
    }
}

fn start(arguments: &RunArguments) -> Result<(), Stop> {
    let config = Config::load(&arguments.config)?;
    if arguments.print_config {
        print!("{config}");
        return Ok(());
    }
    if arguments.check_config {
        println!("{}: no mistakes", arguments.config.display());
        return Ok(());
    }
    run::run(config)
}

fn enrol_node(arguments: EnrolArguments) -> Result<(), Stop> {
    let EnrolArguments { collector, tls_name, ca, token, dir } = arguments;
    let enrolment = Enrolment { collector, tls_name, ca, token, dir };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Stop::System { what: "starting the runtime", source })?;
    let identity = runtime.block_on(enrol::enrol(&enrolment))?;
    println!("enrolled as {} at {}", identity.node, identity.operator);
    Ok(())
}
