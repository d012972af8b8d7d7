//! `remit-agent`: the command line, and nothing else.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use remit_agent::{
    config::Config,
    doctor::{self, Finding, Grade},
    enrol::{self, Enrolment},
    health::{self, Stop},
    import::{self, ImportOrder, Imported},
    logging, privileges, run,
    sources::import::{ImportOptions, ImportSummary},
    template::Template,
};
use remit_proto::v1::SourceKind;
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
    /// Record an old log file, as a node of its own
    Import(ImportArguments),
    /// Look at everything that the agent needs, and say what is missing; exit code 1 if anything is
    /// wrong
    Doctor {
        #[arg(long, default_value = "/etc/remit/agent.toml")]
        config: PathBuf,
    },
    /// Print a commented fragment of another program's configuration whose rules carry their claim
    Template {
        #[arg(value_enum)]
        template: Template,
    },
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

#[derive(Args)]
struct ImportArguments {
    file: PathBuf,
    /// What wrote it: unbound_rpz
    #[arg(long, value_parser = source)]
    source: SourceKind,
    /// Of the import's own node: individual_actions = true, no sources
    #[arg(long)]
    config: PathBuf,
    /// Year of the first line, where lines carry none
    #[arg(long)]
    year: Option<u32>,
    /// Of the clock that wrote lines without a zone, in seconds east of UTC
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    utc_offset: i64,
    /// Record only; `remit-agent run` hands it in
    #[arg(long)]
    offline: bool,
}

fn source(word: &str) -> Result<SourceKind, String> {
    match word {
        "unbound_rpz" => Ok(SourceKind::UnboundRpz),
        _ => Err("old logs of unbound_rpz alone can be imported".to_owned()),
    }
}

fn main() -> ExitCode {
    privileges::close_files_to_others();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody can be told that the terminal is gone.
            let _ = error.print();
            // Help and version are no mistakes.
            return ExitCode::from(if error.use_stderr() { health::USAGE } else { 0 });
        }
    };
    logging::init(arguments.log);
    let result = match arguments.command {
        None => start(&arguments.run),
        Some(Command::Run(run)) => start(&run),
        Some(Command::Enrol(enrol)) => enrol_node(enrol),
        Some(Command::Import(import)) => import_file(import),
        Some(Command::Doctor { config }) => match examine(&config) {
            Ok(all_well) => return ExitCode::from(u8::from(!all_well)),
            Err(stop) => Err(stop),
        },
        Some(Command::Template { template }) => {
            print!("{}", template.text());
            Ok(())
        }
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

/// Whether nothing is wrong.
fn examine(config: &Path) -> Result<bool, Stop> {
    let findings = doctor::examine(&Config::load(config)?);
    for Finding { part, grade, says, remedy } in &findings {
        println!("{grade:<10}  {part:<11}  {says}");
        if !remedy.is_empty() {
            println!("{:<10}  {:<11}  → {remedy}", "", "");
        }
    }
    Ok(findings.iter().all(|finding| finding.grade != Grade::Wrong))
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

fn import_file(arguments: ImportArguments) -> Result<(), Stop> {
    let ImportArguments { file, source, config, year, utc_offset, offline } = arguments;
    let config = Config::load(&config)?;
    let options = ImportOptions { source, year, utc_offset_s: utc_offset };
    let order = ImportOrder { file, options, offline };
    let Imported { summary, known, logged } = import::import(&config, &order)?;
    let ImportSummary {
        file_digest,
        year_assumed,
        rules,
        parsed,
        not_understood,
        no_block,
        skipped,
        last_s: _,
    } = summary;
    let digest: String = file_digest.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{}: sha256 {digest}", order.file.display());
    println!("{parsed} lines parsed: blocks by {rules} rules");
    println!("{not_understood} lines not understood: counted as lost");
    println!("{skipped} lines skipped: no word of a policy zone");
    println!("{no_block} lines skipped: policy zones that blocked nothing");
    if year_assumed > 0 {
        println!("the first line is taken to be of {year_assumed}");
    }
    if known {
        println!("this file was imported before: nothing new was recorded");
    }
    match logged {
        true => println!("all of it is in the collector's log"),
        false => println!("recorded; `remit-agent run` hands in what is not in the log yet"),
    }
    Ok(())
}
