//! `remit-agent`: the command line, and nothing else.

mod arguments;

use std::{path::Path, process::ExitCode};

use arguments::{Arguments, Command, Instead, RunArguments};
use remit_agent::{
    clock::Clock,
    config::Config,
    doctor::{self, Finding, Grade},
    enrol::{self, Enrolment},
    health::{self, Stop},
    import::{self, ImportOrder, Imported},
    logging, privileges, record, run, selftest,
    sources::import::ImportSummary,
};

fn main() -> ExitCode {
    privileges::close_files_to_others();
    let words = std::env::args_os().skip(1);
    let Arguments { command, log } = match arguments::parse(words, |name| std::env::var_os(name)) {
        Ok(arguments) => arguments,
        Err(Instead::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Instead::Mistake(says)) => {
            eprintln!("remit-agent: {says}\nremit-agent --help lists commands and options");
            return ExitCode::from(health::USAGE);
        }
    };
    logging::init(log);
    let result = match command {
        Command::Run(arguments) => start(&arguments),
        Command::Enrol(enrolment) => enrol_node(&enrolment),
        Command::Renew { config, token } => renew(&config, token.as_deref()),
        Command::Import { config, order } => import_file(&config, &order),
        Command::Doctor { config, measure_cost } => match examine(&config, measure_cost) {
            Ok(all_well) => return ExitCode::from(u8::from(!all_well)),
            Err(stop) => Err(stop),
        },
        Command::Selftest { config, json } => match selftest(&config, json) {
            Ok(shown) => return ExitCode::from(u8::from(!shown)),
            Err(stop) => Err(stop),
        },
        Command::Record(order) => record::record(order).map(|text| print!("{text}")),
        Command::Template { text } => {
            print!("{text}");
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
    run::run(config, arguments.until_stdin_ends)
}

/// Whether nothing is wrong.
fn examine(config: &Path, measure_cost: bool) -> Result<bool, Stop> {
    let findings = doctor::examine(&Config::load(config)?, measure_cost);
    for Finding { part, grade, says, remedy } in &findings {
        println!("{grade:<10}  {part:<11}  {says}");
        if !remedy.is_empty() {
            println!("{:<10}  {:<11}  → {remedy}", "", "");
        }
    }
    Ok(findings.iter().all(|finding| finding.grade != Grade::Wrong))
}

/// Whether the block came through, and nothing of the test is left.
fn selftest(config: &Path, json: bool) -> Result<bool, Stop> {
    let report = selftest::test(&Config::load(config)?, config)?;
    match json {
        true => print!("{}", report.json()),
        false => print!("{report}"),
    }
    Ok(report.is_ok())
}

fn renew(config: &Path, token: Option<&str>) -> Result<(), Stop> {
    let config = Config::load(config)?;
    let until_s = run::runtime()?.block_on(enrol::renew(&config, token))?;
    let days = until_s.saturating_sub(Clock::system().now_s()) / 86_400;
    println!("renewed: the certificate holds for {days} days");
    Ok(())
}

fn enrol_node(enrolment: &Enrolment) -> Result<(), Stop> {
    let runtime = run::runtime()?;
    let identity = runtime.block_on(enrol::enrol(enrolment))?;
    println!("enrolled as {} at {}", identity.node, identity.operator);
    Ok(())
}

fn import_file(config: &Path, order: &ImportOrder) -> Result<(), Stop> {
    let config = Config::load(config)?;
    let Imported { summary, known, logged } = import::import(&config, order)?;
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
