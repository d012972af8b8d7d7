//! A source whose deeds stand in a log file: reads the log, keeps its rules in view and its separate
//! counters beside it.
//!
//! In: a [`Lines`], which knows the technology: what a line means, which rules there are, what is
//! counted. Out: [`Report`]s in order, over one thread that sleeps between polls and is slowed by the
//! recorder alone.
//!
//! Promised here, for every technology that is read this way:
//! - Every complete line exactly once over rotation, truncation and restart (`follow`); where lines
//!   may have been missed, that is said. A log that is not there or cannot be read is no silence: it
//!   is said at once, each minute, and when it is back.
//! - Rules go before the hits that name them; hits, what was not understood and the position are one
//!   report.
//! - A counter is read between two readings of the log, so that what it counted is in the log by then.
//!   On a busy machine the lines of those milliseconds are ahead of the counter; only a difference
//!   that stays is one.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use remit_proto::v1::{LossCause, RawLogMedium, SelfProtection, SourceKind};

use super::{
    RecorderGone, SourceContext,
    follow::{Follow, IsOurs, Piece, Step},
    raw_log::{self, OLD_AFTER_S, Shown},
};
use crate::{
    doctor::Finding,
    observation::{CounterKey, CounterReading, Hit, NotParsed, Report, RuleState},
};

/// How often rules are looked at: a rule must be visible within 3 s.
pub(super) const RULES_INTERVAL: Duration = Duration::from_secs(1);
/// A hit is seen within a batch interval; an idle log costs one stat call.
pub const POLL_MS: u64 = 200;
/// A position without hits is worth a report only now and then.
const QUIET_BYTES: u64 = 256 * 1024;
/// What is left in the log when the agent stops is read on; a backlog waits for the next start.
const LAST_READ: Duration = Duration::from_secs(2);
/// A program that pauses at all has paused once in so many tries.
const BASELINE_TRIES: usize = 8;
/// A log that is not to be seen is said again so often.
pub(super) const BLIND_INTERVAL: Duration = Duration::from_secs(60);
/// Between two looks at the stop flag.
const NAP: Duration = Duration::from_millis(50);

/// What one technology says by its log, its rules and its counters.
pub trait Lines {
    /// Reads one complete line, with or without meaning for this source.
    fn line(&mut self, line: &[u8], context: &SourceContext, gathered: &mut Gathered);
    /// A line of ours came and cannot be read.
    fn broken(&mut self) {}
    /// Once in every round: what is to be done and said beside the lines.
    fn step(&mut self, _: &SourceContext) -> Vec<Report> {
        Vec::new()
    }
    /// Looks at the rules again. `thorough`: also what costs a question to the program. True if they,
    /// or their stability, are not what they were.
    fn refresh(&mut self, context: &SourceContext, thorough: bool) -> bool;
    fn rules(&self, at_s: i64) -> RuleState;
    /// The separate counters as they stand now; `None`: nobody counts, or nobody answers.
    fn counters(&mut self) -> Option<Vec<(CounterKey, u64)>>;
    /// What the program refuses for its own sake, by lines of this run.
    fn self_protection(&self) -> Vec<SelfProtection> {
        Vec::new()
    }
}

/// What the lines of one step came to.
#[derive(Default)]
pub struct Gathered {
    pub hits: Vec<Hit>,
    /// Ours, and not understood.
    pub not_parsed: u64,
    /// Lines that the program is known not to have written.
    pub lost: Vec<(LossCause, u64)>,
    /// The lines made rules known, which must be told before the hits.
    pub new_rules: bool,
    /// The rules were looked at for the sake of a line; once is enough.
    pub refreshed: bool,
    /// Lines that were about canaries, by the counter that counts them too.
    pub canaries: Option<(CounterKey, u64)>,
}

impl Gathered {
    /// Equal neighbours are one hit with their count.
    pub fn add(&mut self, hit: Hit) {
        add_hit(&mut self.hits, hit);
    }

    /// A line was about a canary, which this counter counts.
    pub fn canary(&mut self, counter: Option<CounterKey>) {
        let Some(counter) = counter else { return };
        self.canaries.get_or_insert((counter, 0)).1 += 1;
    }

    /// So many lines are not there.
    pub fn lose(&mut self, cause: LossCause, count: u64) {
        match self.lost.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, known)) => *known += count,
            None if count > 0 => self.lost.push((cause, count)),
            None => {}
        }
    }
}

/// Equal neighbours are one hit with their count.
pub fn add_hit(hits: &mut Vec<Hit>, hit: Hit) {
    match hits.last_mut() {
        Some(last) if (Hit { count: last.count, ..hit.clone() }) == *last => {
            last.count += hit.count
        }
        Some(_) | None => hits.push(hit),
    }
}

/// What a log source needs to be told.
#[derive(Debug, Clone)]
pub struct Settings {
    pub source: SourceKind,
    pub log: PathBuf,
    pub is_ours: IsOurs,
    pub poll_ms: u64,
    pub counters_interval_s: u64,
}

/// The source at work, on its own thread.
pub struct Tail<L> {
    pub(super) lines: L,
    pub(super) context: SourceContext,
    settings: Settings,
    /// `None` until the log file could be looked at.
    follow: Option<Follow>,
    /// Until when nothing was lost.
    sure_until_s: i64,
    /// Position of the last report.
    reported_offset: u64,
    /// The log is not to be seen, and that was reported then.
    pub(super) blind: Option<Instant>,
    /// A reading of this run was sent.
    counted: bool,
    /// That the log cannot be read was logged.
    told_unreadable: bool,
}

impl<L: Lines> Tail<L> {
    pub fn new(lines: L, settings: Settings, context: SourceContext) -> Self {
        let sure_until_s = context.resume.as_ref().map_or_else(context.now_s, |r| r.at_s);
        Self {
            lines,
            context,
            settings,
            follow: None,
            sure_until_s,
            reported_offset: 0,
            blind: None,
            counted: false,
            told_unreadable: false,
        }
    }

    /// Until the stop flag is set or the recorder is gone.
    pub fn run(&mut self) -> Result<(), RecorderGone> {
        let mut rules_due = Instant::now();
        let mut counters_due = Instant::now();
        let counters_interval = Duration::from_secs(self.settings.counters_interval_s.max(1));
        self.lines.refresh(&self.context, true);
        self.send_rules()?;
        while !self.context.stopping() {
            let now = Instant::now();
            let count = now >= counters_due;
            if now >= rules_due {
                rules_due = now + RULES_INTERVAL;
                if self.lines.refresh(&self.context, count) {
                    self.send_rules()?;
                }
            }
            self.read_log()?;
            for report in self.lines.step(&self.context) {
                self.send(report)?;
            }
            if count {
                counters_due = now + counters_interval;
                self.read_counters()?;
            }
            nap(&self.context, Duration::from_millis(self.settings.poll_ms.max(1)));
        }
        // What was written until now is recorded now and not after the next start.
        self.read_log()
    }

    fn send(&self, report: Report) -> Result<(), RecorderGone> {
        (self.context.send)(report)
    }

    pub(super) fn send_rules(&self) -> Result<(), RecorderGone> {
        self.send(Report::Rules(self.lines.rules((self.context.now_s)())))
    }

    /// Reads the log to its end; when stopping, no longer than [`LAST_READ`].
    pub(super) fn read_log(&mut self) -> Result<(), RecorderGone> {
        let mut follow = match self.follow.take() {
            Some(follow) => follow,
            None => match self.open_log()? {
                Some(follow) => follow,
                None => return self.is_blind(),
            },
        };
        let began = Instant::now();
        let mut seen;
        loop {
            let mut gathered = Gathered::default();
            let step = follow.step(&mut |piece| match piece {
                Piece::Line(line) => self.lines.line(line, &self.context, &mut gathered),
                Piece::Broken { ours: true } => {
                    gathered.not_parsed += 1;
                    self.lines.broken();
                }
                Piece::Broken { ours: false } => {}
            });
            let missing = (!follow.is_open()).then(|| io::Error::from(io::ErrorKind::NotFound));
            self.log_readable(step.as_ref().err().or(missing.as_ref()));
            seen = step.is_ok() && missing.is_none();
            // An error of the disk is tried again at the next poll: nothing has moved since.
            let step = step.unwrap_or_default();
            self.report(gathered, &follow, step)?;
            if seen {
                self.sees()?;
            }
            if seen && !step.more {
                self.sure_until_s = (self.context.now_s)();
            }
            if !step.more || (self.context.stopping() && began.elapsed() > LAST_READ) {
                break;
            }
        }
        self.follow = Some(follow);
        if seen { Ok(()) } else { self.is_blind() }
    }

    /// Hits are not recorded now, and nobody knows how many: that must be seen in the evidence too.
    fn is_blind(&mut self) -> Result<(), RecorderGone> {
        if self.blind.is_some_and(|said| said.elapsed() < BLIND_INTERVAL) {
            return Ok(());
        }
        self.blind = Some(Instant::now());
        self.send_unsure()
    }

    fn sees(&mut self) -> Result<(), RecorderGone> {
        match self.blind.take() {
            Some(_) => self.send_unsure(),
            None => Ok(()),
        }
    }

    /// Continues where the last run stood, or begins with the next line that is written.
    fn open_log(&mut self) -> Result<Option<Follow>, RecorderGone> {
        let resume = self.context.resume.clone();
        let started = match &resume {
            Some(resume) => self.start(Some(resume)),
            None => self.first_start(),
        };
        let (follow, lost) = match started {
            Ok(started) => started,
            Err(error) => {
                self.log_readable(Some(&error));
                return Ok(None);
            }
        };
        if lost {
            self.send_unsure()?;
        }
        self.reported_offset = follow.cursor().offset;
        if resume.is_none() {
            // The baseline of the account, and a position that makes the next start a continuation.
            if let Some(counters) = self.lines.counters() {
                self.send_counters(counters)?;
            }
            self.send_hits(Vec::new(), 0, None, &follow)?;
        }
        Ok(Some(follow))
    }

    fn start(&self, resume: Option<&super::Resume>) -> io::Result<(Follow, bool)> {
        Follow::start(&self.settings.log, self.settings.is_ours, resume.map(|r| &r.cursor))
    }

    /// Finds an instant at which the end of the log and the counters speak of the same deeds. On a
    /// machine that never pauses, a few of that instant stay unexplained.
    fn first_start(&mut self) -> io::Result<(Follow, bool)> {
        for _ in 0..BASELINE_TRIES {
            let before = self.lines.counters();
            let started = self.start(None)?;
            if before == self.lines.counters() {
                return Ok(started);
            }
        }
        self.start(None)
    }

    fn report(
        &mut self,
        gathered: Gathered,
        follow: &Follow,
        step: Step,
    ) -> Result<(), RecorderGone> {
        let Gathered { hits, not_parsed, lost, new_rules, refreshed: _, canaries } = gathered;
        if new_rules {
            self.send_rules()?;
        }
        if step.lost {
            self.send_unsure()?;
        }
        for (cause, count) in &lost {
            let (source, at_s) = (self.settings.source, (self.context.now_s)());
            self.send(Report::Lost { source, cause: *cause, count: *count, at_s })?;
        }
        let moved = follow.offset().abs_diff(self.reported_offset) >= QUIET_BYTES;
        let told = !hits.is_empty() || not_parsed > 0 || !lost.is_empty() || canaries.is_some();
        if told || step.switched || moved {
            self.reported_offset = follow.offset();
            self.send_hits(hits, not_parsed, canaries, follow)?;
        }
        Ok(())
    }

    fn send_hits(
        &self,
        hits: Vec<Hit>,
        not_parsed: u64,
        canaries: Option<(CounterKey, u64)>,
        follow: &Follow,
    ) -> Result<(), RecorderGone> {
        let (source, cursor) = (self.settings.source, Some(follow.cursor()));
        let not_parsed = NotParsed { count: not_parsed, at_s: (self.context.now_s)() };
        self.send(Report::Hits { source, hits, not_parsed, canaries, cursor, import: None })
    }

    fn send_unsure(&mut self) -> Result<(), RecorderGone> {
        let until_s = (self.context.now_s)();
        let from_s = self.sure_until_s.min(until_s);
        self.sure_until_s = until_s;
        let (source, cause) = (self.settings.source, LossCause::FileLost);
        self.send(Report::Unsure { source, cause, from_s, until_s })
    }

    fn read_counters(&mut self) -> Result<(), RecorderGone> {
        let Some(mut counters) = self.lines.counters() else {
            return match self.lines.self_protection().is_empty() {
                true => Ok(()),
                false => self.send_counters(Vec::new()),
            };
        };
        // The line is written before it is counted: every deed counted is in the log by now.
        self.read_log()?;
        // An account may begin with the first reading of a run, after damage: then lines and counters
        // must speak of the same deeds, as at the first start.
        for _ in 0..if self.counted { 0 } else { BASELINE_TRIES } {
            let Some(again) = self.lines.counters().filter(|again| *again != counters) else {
                break;
            };
            counters = again;
            self.read_log()?;
        }
        self.counted = true;
        self.send_counters(counters)
    }

    fn send_counters(&self, counters: Vec<(CounterKey, u64)>) -> Result<(), RecorderGone> {
        self.send(Report::Counters(CounterReading {
            source: self.settings.source,
            at_s: (self.context.now_s)(),
            counters,
            self_protection: self.lines.self_protection(),
        }))
    }

    /// Says once that the log cannot be read, and once that it can again.
    fn log_readable(&mut self, error: Option<&io::Error>) {
        let log = self.settings.log.display();
        let source = super::word(self.settings.source);
        match error {
            Some(error) if !self.told_unreadable => {
                tracing::error!(source, %log, %error, "a log cannot be read: hits are not recorded");
            }
            None if self.told_unreadable => tracing::info!(source, %log, "a log is read again"),
            Some(_) | None => {}
        }
        self.told_unreadable = error.is_some();
    }
}

/// What `remit-agent doctor` says of a log that names clients: whether it can be read, and where it lies.
/// `remedy`: how it comes to be written.
pub fn examine_log(part: &'static str, log: &Path, remedy: &str) -> Finding {
    if let Err(error) = File::open(log) {
        return Finding::wrong(part, format!("the log {}: {error}", log.display()), remedy);
    }
    let kept = raw_log::file(log, true, SystemTime::now());
    let (name, shown) = (log.display(), Shown(&kept));
    match kept.medium() {
        RawLogMedium::Stream => Finding::fine(part, format!("the log {name} is read {shown}")),
        RawLogMedium::Memory if kept.oldest_age_s < OLD_AFTER_S => {
            Finding::fine(part, format!("the log {name} can be read, {shown}"))
        }
        RawLogMedium::Memory => Finding::incomplete(
            part,
            format!("the log {name} can be read, and names clients for long: {shown}"),
            "rotate it often, and keep no more than one old file",
        ),
        RawLogMedium::Disk | RawLogMedium::Unspecified => Finding::incomplete(
            part,
            format!("the log {name} can be read, and names clients on a disk: {shown}"),
            "let it be written to a tmpfs of bounded size, and rotated often",
        ),
    }
}

/// By which a file is known to be the same: its size, and when anything of it changed, also who may read it.
/// `None`: it is not to be seen.
pub type Stamp = Option<(u64, i64, i64)>;

pub fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.size(), found.ctime(), found.ctime_nsec()))
}

/// Sleeps, but not past the stop flag.
pub fn nap(context: &SourceContext, long: Duration) {
    let until = Instant::now() + long;
    while !context.stopping() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(NAP));
    }
}
