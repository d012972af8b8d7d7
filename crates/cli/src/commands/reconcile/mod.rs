//! `remit reconcile`: an authority's own list against the register, as a statement that can be made
//! again.
//!
//! In: the authority's file (`given`), the register from the collector or from a bundle (`held`), what the
//! sides say about differences. Out: the statement as text, JSON, CSV and HTML (`statement`, `page`), each
//! from the same rows. Promised: it says from which file (SHA-256) and which register (size, root) it was
//! made and by which rules; nothing that was refused or not known is left out in silence. Not done
//! here: comparing, which is `register::reconcile`.

mod given;
mod held;
mod page;
mod statement;
#[cfg(test)]
mod tests;

use register::reconcile::{
    Explanation, Materiality, Question, Reconciliation, explanations, reconcile as compared,
};
use sha2::{Digest, Sha256};

use self::{given::Given, held::Held, statement::Statement};
use super::summary::{html, text};
use crate::{
    cli::{Format, Reconcile},
    config::Config,
    exit::{CliError, Code, chain},
    home, output, time,
};

/// The statement names targets: whoever made it decides who else reads it.
const MODE: u32 = 0o600;

pub(crate) async fn reconcile(
    config: &Config,
    args: &Reconcile,
    out: Format,
) -> Result<Code, CliError> {
    // They would check nothing, and whoever gave them would believe that they did.
    if args.bundle.is_none()
        && let Some(flag) = args.trust.typed()
    {
        return Err(CliError::Usage(format!(
            "{flag}: it is for a bundle; give --bundle FILE, or leave it out: without a bundle the collector is \
             taken at its word"
        )));
    }
    let made_at_s = time::now_s();
    let at_s = match &args.at {
        Some(text) => time::parse(text, "--at", made_at_s)?,
        None => made_at_s,
    };
    let timing_s = super::lists::seconds(&args.timing, "--timing")?;
    let question = Question {
        authority: args.authority.clone(),
        at_s,
        timing_s: i64::try_from(timing_s).unwrap_or(i64::MAX),
        materiality: materiality(&args.materiality)?,
    };
    let (said, carried) = said(args)?;
    let given = given::read(args, at_s)?;
    let held = match &args.bundle {
        Some(bundle) => held::of_bundle(config, bundle, args, at_s)?,
        None => held::of_collector(config, &question).await?,
    };
    if let Some(problem) = held.authorities.unknown(&args.authority).filter(|_| !args.nothing_held)
    {
        return Err(CliError::Usage(problem));
    }
    let statement =
        make(question, given, held, carried.into_iter().chain(said).collect(), made_at_s);
    write(args, &statement)?;
    print(&statement, out)?;
    let Statement { given, held, .. } = &statement;
    let whole = given.refused.is_empty() && held.gaps.is_empty();
    Ok(match held.code {
        Code::Ok if !whole => Code::Incomplete,
        code => code,
    })
}

fn make(
    question: Question,
    mut given: Given,
    held: Held,
    said: Vec<Explanation>,
    made_at_s: i64,
) -> Statement {
    let authority = given.take();
    let holds_nothing = !held.authorities.holds_asked;
    let asked = question.authority.clone();
    let mut found: Reconciliation = compared(question, authority, held.operator.clone(), said);
    if !given.refused.is_empty() {
        found.limits.push(match given.refused.len() {
            1 => "1 row of the authority's list was refused and is not compared; this statement names it."
                .to_owned(),
            rows => format!(
                "{rows} rows of the authority's list were refused and are not compared; this statement names them."
            ),
        });
    }
    if holds_nothing {
        found.limits.push(format!(
            "The register holds no request of {asked:?} that is known here, and the list was compared with nothing."
        ));
    }
    found.limits.extend(held.gaps.iter().cloned());
    Statement { made_at_s, given, held, found }
}

fn write(args: &Reconcile, statement: &Statement) -> Result<(), CliError> {
    let files = [
        (&args.json, format!("{:#}\n", statement.json()).into_bytes()),
        (&args.csv, statement.csv()?),
        (&args.html, html::html(&page::page(statement)).into_bytes()),
    ];
    for (file, bytes) in files {
        if let Some(file) = file {
            home::write_new(file, &bytes, MODE)?;
            eprintln!("{}: written", file.display());
        }
    }
    Ok(())
}

fn print(statement: &Statement, out: Format) -> Result<(), CliError> {
    match out {
        Format::Table => {
            output::write(text::text(&page::page(statement), output::width()).as_bytes())
        }
        Format::Json => output::write(format!("{:#}\n", statement.json()).as_bytes()),
        Format::Jsonl | Format::Csv => {
            statement::layout().listing(&statement.found.rows, None).print(out)
        }
    }
}

/// What is said now, and what was said in an earlier statement.
fn said(args: &Reconcile) -> Result<(Vec<Explanation>, Vec<Explanation>), CliError> {
    let said = match &args.explanations {
        None => Vec::new(),
        Some(path) => explanations(&home::read_text(path)?).map_err(|error| {
            CliError::Malformed(format!("{}: {}", path.display(), chain(&error)))
        })?,
    };
    let carried = match &args.previous {
        None => Vec::new(),
        Some(path) => {
            let bytes = home::read_at_most(path, home::LIST_SIZE_MAX)?;
            statement::explained(&bytes, &args.authority)
                .map_err(|why| CliError::Malformed(format!("{}: {why}", path.display())))?
        }
    };
    Ok((said, carried))
}

/// "1%" or "5".
fn materiality(text: &str) -> Result<Materiality, CliError> {
    if text.ends_with('%') {
        return super::lists::permille(text, "--materiality").map(Materiality::Permille);
    }
    text.parse().map(Materiality::Count).map_err(|_| {
        CliError::Usage(format!(
            "--materiality: {text:?} is neither a share such as 1% nor a number"
        ))
    })
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
