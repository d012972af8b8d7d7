//! A source at work over a log, and what it told, for tests.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    observation::{Hit, Report, Response},
    sources::{Source, SourceContext, SourceError, testing::Sent},
};

pub struct Running {
    pub sent: Sent,
    pub stop: Arc<AtomicBool>,
    pub thread: thread::JoinHandle<Result<(), SourceError>>,
}

impl Running {
    /// Starts a source whose log is read within milliseconds, and waits until it is.
    pub fn start(source: Arc<dyn Source>, (context, sent): (SourceContext, Sent)) -> Self {
        let stop = Arc::clone(&context.stop);
        let thread = thread::spawn(move || source.run(context));
        let running = Self { sent, stop, thread };
        running.wait("a position", |reports| {
            reports.iter().any(|report| matches!(report, Report::Hits { cursor: Some(_), .. }))
        });
        running
    }

    pub fn wait(&self, what: &str, good: impl Fn(&[Report]) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !good(&self.sent.lock().expect("not poisoned")) {
            assert!(Instant::now() < until, "no {what}: {:#?}", self.sent.lock());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn stop(self) -> Vec<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic").expect("no error");
        std::mem::take(&mut *self.sent.lock().expect("not poisoned"))
    }
}

pub fn hits(reports: &[Report]) -> Vec<Hit> {
    let hits = reports.iter().filter_map(|report| match report {
        Report::Hits { hits, .. } => Some(hits.clone()),
        _ => None,
    });
    hits.flatten().collect()
}

pub fn count(reports: &[Report]) -> u64 {
    hits(reports).iter().map(|hit| hit.count).sum()
}

pub fn not_parsed(reports: &[Report]) -> u64 {
    let counts = reports.iter().filter_map(|report| match report {
        Report::Hits { not_parsed, .. } => Some(not_parsed.count),
        _ => None,
    });
    counts.sum()
}

pub fn lost(reports: &[Report]) -> u64 {
    let counts = reports.iter().filter_map(|report| match report {
        Report::Lost { count, .. } => Some(*count),
        _ => None,
    });
    counts.sum()
}

/// Hits by rule, "->" what was hit, claims and status.
pub fn tally(reports: &[Report]) -> BTreeMap<String, u64> {
    let mut rules = BTreeMap::new();
    for report in reports {
        if let Report::Rules(state) = report {
            rules.extend(state.rules.iter().map(|rule| (rule.number, rule.clone())));
        }
    }
    let mut tally = BTreeMap::new();
    for hit in hits(reports) {
        let rule = rules.get(&hit.rule).expect("rules come before their hits");
        let claims: Vec<String> = rule.claims.iter().map(ToString::to_string).collect();
        let named = hit.hit_target.map(|target| format!(" -> {}", target.wire().value));
        let target = match rule.target.value.as_str() {
            "" => "?",
            value => value,
        };
        let status = match hit.response {
            Response::Http { status, .. } => status,
            _ => 0,
        };
        let name = format!(
            "{target}{} {} {status}",
            named.unwrap_or_default(),
            if claims.is_empty() { "-".into() } else { claims.join(",") },
        );
        *tally.entry(name).or_default() += hit.count;
    }
    tally
}

pub fn check(reports: &[Report], wanted: &[(&str, u64)]) {
    let wanted: BTreeMap<_, _> = wanted.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
    assert_eq!(tally(reports), wanted);
}

pub fn append(log: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(log).expect("a log");
    file.write_all(bytes).expect("written");
}
