//! One bundle in, one report out: the assessor's check, offline and without trust in the operator.
//!
//! In: the files of a bundle ([`Files`]), what the assessor brings ([`Trust`]: keys, witness policy,
//! checkpoints saved earlier), [`Options`]. Out: a [`Report`]: one line per claim (proven,
//! CONTRADICTED, could not check, incomplete), the result, how much the evidence covers, and what
//! it cannot show.
//!
//! Promised: no file, socket, clock or random number is used, so the same bundle gives the same
//! report in ten years; nothing in a bundle can make this panic, and work and memory are bounded by
//! its size; every bit of every file but the two convenience files (`manifest.json`, `LIMITS.txt`)
//! counts. Findings about conduct change nothing here: a bundle full of unlawful blocks is proven,
//! if it is true.
//!
//! | Module | Idea |
//! |---|---|
//! | [`files`] | the archive |
//! | [`trust`] | what the assessor brings |
//! | `tree` | entries that must make up a signed root |
//! | `checkpoints` | other heads of the log: saved, named by seals, cosigned |
//! | `history`, `keys` | entries of the log; whose signature counts where |
//! | `agents`, `openings` | leaves, commitments, snapshots |
//! | `statement_log` | what register and case log have in common |
//! | `statements` | the register |
//! | `cases` | what people did about findings |
//! | `replay` | verdicts, recomputed and compared |
//! | [`coverage`] | what may be missing |
//!
//! Nothing of the collector is linked, and nothing that a collector says is taken over: its verdicts
//! are compared with our own.
//!
//! Not done here: judging conduct, asking witnesses, which findings there are.

mod agents;
mod cases;
mod checkpoints;
pub mod coverage;
pub mod files;
mod history;
mod keys;
mod manifest;
mod openings;
mod reassessments;
mod replay;
pub mod report;
mod statement_log;
mod statements;
mod tree;
pub mod trust;

use evidence::bundle::LOG;

pub use coverage::Coverage;
pub use files::{BUNDLE_SIZE_MAX, Files, NotABundle, read_tar};
pub use report::{Line, Outcome, Report, Step};
pub use trust::{Options, Trust, WitnessPolicy};

use files::Bundle;
use report::Findings;

pub fn verify(files: &Files, trust: &Trust, options: &Options) -> Report {
    let mut findings = Findings::default();
    let coverage = check(files, trust, options, &mut findings);
    findings.finish(coverage, evidence::limits::LIMITS.to_vec())
}

/// The steps, each resting on those before it.
fn check(
    files: &Files,
    trust: &Trust,
    options: &Options,
    findings: &mut Findings,
) -> Option<Coverage> {
    let mut bundle = Bundle::new(files);
    let manifest = manifest::read(&mut bundle, findings);

    let head = tree::signed_head(&mut bundle, LOG, &trust.log, Step::LogSignature, findings);
    let (note, head) = head?;
    let log = match tree::read(&mut bundle, LOG, &head) {
        Ok(log) => Some(log),
        Err(error) => {
            findings.add(Step::LogEntries, error.outcome(), format!("the log: {error}"));
            None
        }
    };
    checkpoints::old(trust, &head, log.as_ref(), findings);
    let witnesses = checkpoints::witnesses(&note, trust, options, findings);
    let log = log?;
    let named = checkpoints::named(&mut bundle, trust, &note.encode(), &head, &log, findings);

    let entries = history::decode(&log, findings);
    let persons = history::persons(&entries, findings);
    let facts = history::inventory(&entries, &trust.log, &persons, findings);

    let mut agents = agents::read(&mut bundle, &entries, findings);
    let operator = operator_of(trust);
    agents::heads(&entries, operator, &mut agents, findings);
    let not_opened = openings::read(&mut bundle, &entries, &mut agents, findings);
    openings::snapshots(&mut bundle, &agents, findings);
    checkpoints::seals(&agents, &named, findings);

    let register = statements::read(&mut bundle, trust, &entries, &persons, findings);

    let mut coverage = coverage::measure(&entries, &agents, &facts, not_opened);
    coverage.log_size = head.size;
    coverage.register_size = register.statements.len() as u64;
    coverage.witnesses = witnesses;
    coverage.persons = persons.count() as u64;
    coverage.statements_shown_late = register.late;
    let past = replay::Past {
        entries: &entries,
        agents: &agents,
        register: &register,
        named: &named,
        log_size: head.size,
    };
    replay::verdicts(&mut bundle, trust, &manifest, &past, &mut coverage, findings);
    coverage.decisions = cases::read(&mut bundle, operator, trust, &entries, &persons, findings);

    manifest::files(&bundle, findings);
    Some(coverage)
}

/// The operator whose evidence this is, as the pinned key names it.
fn operator_of(trust: &Trust) -> &str {
    let origin = trust.log.name().as_str();
    origin.split_once('/').map_or(origin, |(operator, _)| operator)
}
