//! `remit verify`: a bundle, checked here, without a connection to anybody.

use std::{fs::File, io::BufReader, path::Path};

use tlog::{
    cosignature,
    note::{NOTE_BYTES_MAX, VerifierKey},
};
use verify::{Options, RegisterState, Report, Trust, WitnessPolicy};

use crate::{
    cli::{Format, TrustArgs, Verify},
    config::Config,
    exit::{CliError, Code, chain},
    home, output,
};

pub(crate) fn verify(config: &Config, args: &Verify, out: Format) -> Result<Code, CliError> {
    let report = check(config, &args.bundle, &args.trust)?.0;
    print(&report, out)?;
    Ok(report.result.into())
}

/// The report, and the register that it rests on.
pub(super) fn check(
    config: &Config,
    bundle: &Path,
    args: &TrustArgs,
) -> Result<(Report, Option<RegisterState>), CliError> {
    let quorum_none = args.quorum.as_deref() == Some("none");
    let trust = Trust {
        log: pinned(args.log_key.as_deref(), &config.file.log_vkey, "--log-key")?,
        register: pinned(
            args.register_key.as_deref(),
            &config.file.register_vkey,
            "--register-key",
        )?,
        witnesses: witnesses(args, quorum_none)?,
        old_checkpoints: args
            .old_checkpoint
            .iter()
            .map(|path| Ok((path.display().to_string(), home::read(path)?)))
            .collect::<Result<_, CliError>>()?,
    };
    let options = Options { quorum_none };
    let file = File::open(bundle).map_err(|source| CliError::File {
        path: bundle.to_owned(),
        doing: "read",
        source,
    })?;
    let files = verify::read_tar(BufReader::new(file), args.max_size)
        .map_err(|error| CliError::Malformed(format!("{}: {}", bundle.display(), chain(&error))))?;
    Ok(verify::verify_register(&files, &trust, &options))
}

fn print(report: &Report, out: Format) -> Result<(), CliError> {
    let json = |value: Result<String, serde_json::Error>| {
        value.map_err(|error| CliError::Malformed(format!("the report cannot be printed: {error}")))
    };
    let mut text = match out {
        Format::Table => output::report(&output::escape_lines(&report.to_string()), REPORT_TEXT),
        Format::Json => json(serde_json::to_string_pretty(report))?,
        Format::Jsonl => {
            let lines =
                report.lines.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
            json(lines.map(|lines| lines.join("\n")))?
        }
        Format::Csv => {
            let rows: Vec<Vec<serde_json::Value>> = report
                .lines
                .iter()
                .map(|line| {
                    let cells =
                        [line.step.to_string(), line.outcome.to_string(), line.text.clone()];
                    cells.into_iter().map(serde_json::Value::String).collect()
                })
                .collect();
            let bytes = output::csv(&["step", "outcome", "text"], &rows)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    output::write(text.as_bytes())?;
    if matches!(out, Format::Jsonl | Format::Csv) {
        eprintln!("result: {}", report.result);
    }
    Ok(())
}

/// Where the text of a line of the report begins.
const REPORT_TEXT: usize = 36;

/// The key as typed, from a file, or from the enrolment.
fn pinned(given: Option<&str>, enrolled: &str, flag: &str) -> Result<VerifierKey, CliError> {
    let Some(given) = given else {
        if enrolled.is_empty() {
            return Err(CliError::Usage(format!(
                "{flag}: give the key that you trust (name+id+base64, or a file that holds it); one \
                 from the bundle would prove nothing"
            )));
        }
        eprintln!("{flag} not given: using the key of your enrolment");
        return key(enrolled, flag);
    };
    key(&key_text(given)?, flag)
}

fn key(text: &str, flag: &str) -> Result<VerifierKey, CliError> {
    text.trim().parse().map_err(|error| CliError::Usage(format!("{flag}: {error}")))
}

/// A key holds two pluses and no file name here needs to; a file that exists is a file.
fn key_text(given: &str) -> Result<String, CliError> {
    let path = Path::new(given);
    if !path.exists() {
        return Ok(given.to_owned());
    }
    let text = home::read_text(path)?;
    if text.len() > NOTE_BYTES_MAX {
        return Err(CliError::Malformed(format!("{given}: too long for a key")));
    }
    Ok(text)
}

fn witnesses(args: &TrustArgs, quorum_none: bool) -> Result<Option<WitnessPolicy>, CliError> {
    let keys = args
        .witness_key
        .iter()
        .map(|given| {
            let text = key_text(given)?;
            text.trim()
                .parse::<cosignature::VerifierKey>()
                .map_err(|error| CliError::Usage(format!("--witness-key: {error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return match args.quorum.as_deref() {
            None | Some("none") => Ok(None),
            Some(_) => Err(CliError::Usage("--quorum: give --witness-key as well".into())),
        };
    }
    let quorum = match args.quorum.as_deref() {
        None => keys.len(),
        Some("none") if quorum_none => 0,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|quorum| (1..=keys.len()).contains(quorum))
            .ok_or_else(|| {
                CliError::Usage(format!(
                    "--quorum: want 1 to {}, or none; found {text:?}",
                    keys.len()
                ))
            })?,
    };
    Ok(Some(WitnessPolicy { keys, quorum }))
}
