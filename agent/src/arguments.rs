//! The command line of `remit-agent`, as values.
//!
//! Own and small: a library for command lines costs 150 KB of a router's flash (ADR 13). A new command is a
//! variant of [`Command`], an arm in [`Command::take`] and its lines in `arguments/help.txt`.

mod record;
mod words;

use std::{ffi::OsString, path::PathBuf};

use remit_agent::{
    enrol::Enrolment, import::ImportOrder, record::RecordOrder, sources::import::ImportOptions,
    template,
};
use remit_proto::v1::SourceKind;
use tracing::level_filters::LevelFilter;
use words::Words;

#[derive(Debug)]
pub(crate) struct Arguments {
    pub command: Command,
    pub log: LevelFilter,
}

#[derive(Debug)]
pub(crate) enum Command {
    Run(RunArguments),
    Enrol(Enrolment),
    Import { config: PathBuf, order: ImportOrder },
    Record(RecordOrder),
    Renew { config: PathBuf, token: Option<String> },
    Doctor { config: PathBuf, measure_cost: bool },
    Selftest { config: PathBuf, json: bool },
    Template { text: &'static str },
}

#[derive(Debug)]
pub(crate) struct RunArguments {
    pub config: PathBuf,
    pub check_config: bool,
    pub print_config: bool,
    pub until_stdin_ends: bool,
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// It was asked for.
    Print(String),
    Mistake(String),
}

/// Reads the words after the program's name; `env` gives variables of the environment.
pub(crate) fn parse(
    words: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Arguments, Instead> {
    let mut words = Words::new(words);
    if words.flag(&["--help", "-h"]) {
        return Err(help());
    }
    if words.flag(&["--version", "-V"]) {
        return Err(Instead::Print(format!("remit-agent {}\n", env!("CARGO_PKG_VERSION"))));
    }
    let log = words.value("--log")?.or_else(|| env("REMIT_LOG"));
    let log = log.map_or(Ok(LevelFilter::INFO), |word| level(&word))?;
    let command = Command::take(&mut words, env)?;
    words.end()?;
    Ok(Arguments { command, log })
}

impl Command {
    fn take(words: &mut Words, env: impl Fn(&str) -> Option<OsString>) -> Result<Self, Instead> {
        // Options alone are those of `run`.
        let Some(command) = words.command()? else { return run(words) };
        match command.as_str() {
            "run" => run(words),
            "enrol" => Ok(Self::Enrol(Enrolment {
                collector: words.text("--collector")?,
                tls_name: words
                    .value("--tls-name")?
                    .map(|name| text("--tls-name", name))
                    .transpose()?,
                ca: words.required("--ca")?.into(),
                // Not only on the command line, where every user of the machine can read it.
                token: match words.value("--token")?.or_else(|| env("REMIT_TOKEN")) {
                    Some(token) => text("--token", token)?,
                    None => return Err(missing("--token")),
                },
                node: words.value("--node")?.map(|node| text("--node", node)).transpose()?,
                dir: words.required("--dir")?.into(),
            })),
            "renew" => Ok(Self::Renew {
                config: config(words)?,
                token: words
                    .value("--token")?
                    .or_else(|| env("REMIT_TOKEN"))
                    .map(|token| text("--token", token))
                    .transpose()?,
            }),
            "import" => Ok(Self::Import {
                config: words.required("--config")?.into(),
                order: ImportOrder {
                    options: ImportOptions {
                        source: source(&words.text("--source")?)?,
                        year: words.number("--year")?,
                        utc_offset_s: words.number("--utc-offset")?.unwrap_or(0),
                    },
                    offline: words.flag(&["--offline"]),
                    file: words.free("the file to import")?.into(),
                },
            }),
            "record" => record::take(words).map(Self::Record),
            "doctor" => Ok(Self::Doctor {
                config: config(words)?,
                measure_cost: words.flag(&["--measure-cost"]),
            }),
            "selftest" => {
                Ok(Self::Selftest { config: config(words)?, json: words.flag(&["--json"]) })
            }
            "template" => {
                let name = text("template", words.free("the name of a template")?)?;
                let found = template::ALL.iter().find(|template| template.name == name);
                let known = || template::ALL.map(|template| template.name).join(", ");
                let unknown = || mistake(format!("no template `{name}`: there are {}", known()));
                Ok(Self::Template { text: found.ok_or_else(unknown)?.text })
            }
            "help" => {
                let _ = words.free("");
                Err(help())
            }
            other => Err(mistake(format!("no command `{other}`"))),
        }
    }
}

fn help() -> Instead {
    let line =
        |template: &&template::Template| format!("    {:<17} {}\n", template.name, template.about);
    let templates: String = template::ALL.iter().map(line).collect();
    Instead::Print(HELP.replace("TEMPLATES\n", &(templates + "\n")))
}

fn run(words: &mut Words) -> Result<Command, Instead> {
    Ok(Command::Run(RunArguments {
        config: config(words)?,
        check_config: words.flag(&["--check-config"]),
        print_config: words.flag(&["--print-config"]),
        until_stdin_ends: words.flag(&["--until-stdin-ends"]),
    }))
}

fn config(words: &mut Words) -> Result<PathBuf, Instead> {
    Ok(words.value("--config")?.map_or_else(|| CONFIG.into(), PathBuf::from))
}

fn level(word: &OsString) -> Result<LevelFilter, Instead> {
    let level = word.to_str().and_then(|word| word.parse().ok());
    level.ok_or_else(|| mistake("--log wants off, error, warn, info or debug"))
}

fn source(word: &str) -> Result<SourceKind, Instead> {
    match word {
        "unbound_rpz" => Ok(SourceKind::UnboundRpz),
        _ => Err(mistake("--source: old logs of unbound_rpz alone can be imported")),
    }
}

fn text(option: &str, word: OsString) -> Result<String, Instead> {
    word.into_string().map_err(|_| mistake(format!("{option} wants UTF-8")))
}

fn missing(option: &str) -> Instead {
    mistake(format!("{option} is missing"))
}

fn mistake(says: impl Into<String>) -> Instead {
    Instead::Mistake(says.into())
}

/// Where the Debian package and the units of `deploy/systemd` have it.
const CONFIG: &str = "/etc/remit/agent.toml";
const HELP: &str = include_str!("arguments/help.txt");

#[cfg(test)]
mod tests;
