//! Judging old events again: what one event costs, in a small history and in one ten times as large, and
//! what many targets cost over judging everything.
//!
//! The store in this process. Its judge is the register's: a register of five thousand requests that
//! cover every target of `history`. Of what is judged, each tenth rule comes out otherwise, is written, and
//! is summed anew.

use std::{
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use register::{Register, Selected, Selector, Target};
use remit_collector::store::{Chunk, Finished, Job, Op, SqliteStore, Step, Store as _};
use remit_proto::v1;

use super::{
    Row, Settings,
    history::{self, BATCH, History},
};

const BATCHES_PER_CHUNK: usize = 4;
const EVENTS_PER_STEP: u64 = 20_000;
/// Targets of the change, as a court names them.
const TARGETS: u64 = 200;

pub fn measure(dir: &Path, settings: &Settings) -> Result<Vec<Row>> {
    let large = settings.store_events / BATCH * BATCH;
    let small = large / 10 / BATCH * BATCH;
    ensure!(small > 0, "at least {} events", BATCH * 10);
    let (few_small, _) = one(&dir.join("small"), small)?;
    let (few_large, all_large) = one(&dir.join("large"), large)?;
    let each = |run: &Run| run.time.as_secs_f64() * 1e6 / run.finished.examined.max(1) as f64;
    let told = |run: &Run| {
        format!(
            "{:.2} µs for each of {} events ({} changed) in {:.2} s",
            each(run),
            run.finished.examined,
            run.finished.revised,
            run.time.as_secs_f64()
        )
    };
    Ok(vec![
        Row {
            what: "judging an event again, in ten times the history",
            unit: "×",
            values: vec![each(&few_large) / each(&few_small)],
            target: Some(2.0),
            detail: format!(
                "{} of {large}; {} of {small}; {TARGETS} targets",
                told(&few_large),
                told(&few_small)
            ),
        },
        Row {
            what: "judging what 50,000 targets reach, over judging everything",
            unit: "×",
            values: vec![
                all_large.many.time.as_secs_f64() / all_large.everything.time.as_secs_f64(),
            ],
            target: Some(1.3),
            detail: format!("{}; {}", told(&all_large.many), told(&all_large.everything)),
        },
    ])
}

struct Run {
    finished: Finished,
    time: Duration,
}

struct All {
    many: Run,
    everything: Run,
}

fn one(dir: &Path, events: u64) -> Result<(Run, All)> {
    fs::create_dir_all(dir)?;
    let mut history = History::new()?;
    let mut store = SqliteStore::open(dir)?;
    let mut after = None;
    for step in history.snapshots() {
        let position = step.position;
        store.apply(&Chunk { after, steps: vec![step] })?;
        after = Some(position);
    }
    let mut done = 0;
    while done < events {
        let steps: Vec<Step> = (0..BATCHES_PER_CHUNK.min(((events - done) / BATCH) as usize))
            .map(|_| history.step())
            .collect();
        done += steps.len() as u64 * BATCH;
        let last = steps.last().map(|step| step.position);
        store.apply(&Chunk { after, steps })?;
        after = last;
    }
    let register = register()?;
    let mut runs = Vec::new();
    let targets = |count: u64| -> Result<Vec<Selector>> {
        (0..count)
            .map(|n| {
                let rank = 1_000 + n * 17;
                let target: Target = format!("domain_exact:{}", history::name(rank)).parse()?;
                Ok(Selector::always(Selected::Target(target)))
            })
            .collect()
    };
    let everything = vec![Selector::always(Selected::Everything)];
    for (nth, selectors) in
        [targets(TARGETS)?, targets(50_000)?, everything].into_iter().enumerate()
    {
        let position = after.map_or(0, |after| after + 1);
        let log_size = position + 1;
        let job =
            Job { log_size, from_register: nth as u64, to_register: nth as u64 + 1, selectors };
        let ops = vec![Op::LogSize(log_size), Op::Reassess(job.clone())];
        let step = Step { position, at_s: history::BEGIN_S + 86_400_000, ops };
        store.apply(&Chunk { after, steps: vec![step] })?;
        after = Some(position);
        let view = register.view();
        let judge = |facts: &register::assessment::Facts| judged(facts, &view, nth);
        let begin = Instant::now();
        let finished = loop {
            if let Some(finished) = store.reassess(&job, &judge, EVENTS_PER_STEP)? {
                break finished;
            }
        };
        runs.push(Run { finished, time: begin.elapsed() });
    }
    let mut runs = runs.into_iter();
    let mut next = || runs.next().context("three runs");
    let few = next()?;
    Ok((few, All { many: next()?, everything: next()? }))
}

/// The work of the register's verdict; what comes out is what the event has, changed for each tenth rule.
fn judged(
    facts: &register::assessment::Facts,
    view: &register::View<'_>,
    nth: usize,
) -> v1::Verdict {
    let claims: Vec<register::Claim> =
        facts.rule.claims.iter().filter_map(|claim| claim.try_into().ok()).collect();
    let event = register::Event {
        target: register::Known::from_wire(facts.target.as_ref()),
        narrowed: facts.rule.narrowed,
        technique: v1::Technique::try_from(facts.rule.technique).unwrap_or_default(),
        rate_bits_per_s: None,
        trigger: v1::Trigger::try_from(facts.rule.trigger).unwrap_or_default(),
        actor: v1::Actor::try_from(facts.rule.actor).unwrap_or_default(),
        claims: &claims,
        attributed: None,
        baseline_until_s: None,
        response: facts.response.as_ref(),
        span: facts.span,
        imported: false,
        place: None,
        observed: &[],
        ambiguous: 0,
        unseen: &[],
        stands: false,
        deed: None,
    };
    let sizes = register::KnownSizes { before_act: facts.before_act, when_logged: 1 };
    black_box(register::judge(&event, view, &sizes, &register::Parameters::default()).to_wire());
    let rank = facts.target.as_ref().and_then(|target| history::rank_of(&target.value));
    let mut verdict = history::verdict(rank.unwrap_or_default(), facts.span.last_s);
    if facts.rule.number.is_multiple_of(10) {
        verdict.baseline_until_s = nth as i64 + 1;
    }
    verdict
}

/// Each request names two hundred targets.
fn register() -> Result<Register> {
    let mut register = Register::new(format!("{}/register", crate::collector::OPERATOR));
    let request = |number: u64| {
        let targets = (0..200).map(|n| v1::RequestTarget {
            target: Some(history::target(number + n * 5_000)),
            ..v1::RequestTarget::default()
        });
        v1::Request {
            id: history::request(number),
            version: 1,
            authorisation: Some(v1::Authorisation {
                instrument: v1::Instrument::CourtOrderFinal.into(),
                basis_class: v1::BasisClass::Law.into(),
                ..v1::Authorisation::default()
            }),
            notification: Some(v1::Notification {
                form: v1::RequestForm::Letter.into(),
                ..v1::Notification::default()
            }),
            task: Some(v1::Task {
                targets: targets.collect(),
                measure: Some(v1::Measure { outcome_only: true, ..v1::Measure::default() }),
                scope: Some(v1::Scope { territories: vec!["*".into()], ..v1::Scope::default() }),
                effective_from_s: history::BEGIN_S - 1_000_000,
                ..v1::Task::default()
            }),
            status: v1::RequestStatus::Accepted.into(),
            basis_proof: v1::BasisProof::DocumentHeld.into(),
            ..v1::Request::default()
        }
    };
    let items: Vec<v1::RegisterItem> = (0..5_000)
        .map(|number| v1::RegisterItem {
            item: Some(v1::register_item::Item::Request(request(number))),
        })
        .collect();
    let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
    let import = v1::Import { items: Some(set), ..v1::Import::default() };
    let statement = v1::Statement {
        format: 1,
        origin: format!("{}/register", crate::collector::OPERATOR),
        recorded_at_s: history::BEGIN_S - 1_000_000,
        effective_at_s: history::BEGIN_S - 1_000_000,
        author: Some(v1::PersonRef { person: "p1".into(), role: v1::Role::Operator.into() }),
        approver: None,
        body: Some(v1::statement::Body::Import(import)),
    };
    register.apply(&statement, Some(items))?;
    Ok(register)
}
