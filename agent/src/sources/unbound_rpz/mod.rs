//! Unbound's response policy zones: which names and addresses the resolver blocks, and how often.
//!
//! In: the zone files, the log file that `rpz-log: yes` fills, and, if the operator gives it, the
//! control socket. Out: [`Report`]s. One thread, which sleeps between polls and is slowed by the
//! recorder alone.
//!
//! Promised here:
//! - Every complete line exactly once over rotation, truncation and restart (`follow`); where lines
//!   may have been missed, that is said. A log that is not there or cannot be read is no silence: it
//!   is said at once, each minute, and when it is back.
//! - The rule named is the rule's own owner name. What was asked for is beside it only where the owner
//!   does not name it singly, the node may name it, and the rule does not stand for one customer.
//! - The client's address is stepped over while a line is read (`line`), and is in no type after it.
//!
//! Counted as hits are NXDOMAIN, no data, drop, local data and CNAME overrides. Not counted, neither
//! in lines nor in counters: `rpz-passthru` and `rpz-disabled`, which block nothing, and
//! `rpz-tcp-only`, of which Unbound logs and counts the truncated answer and the TCP retry that it
//! lets through in the same words. Such rules are in the rule state all the same.
//!
//! Not seen here, because Unbound neither logs nor counts it: a name blocked as the target of an
//! upstream CNAME (1.17.1 answers NXDOMAIN in silence; NLnetLabs/unbound#954).
//!
//! A counter is read between two readings of the log. On a busy resolver the lines of those
//! milliseconds are ahead of the counter; only a difference that stays is one.
//!
//! Sources: draft-vixie-dnsop-dns-rpz; Unbound's services/rpz.c, respip/respip.c, util/log.c,
//! daemon/remote.c; measured with 1.17.1.

pub mod action;
mod control;
mod examine;
mod follow;
pub mod line;
mod net;
pub mod owner;
pub mod rules;
pub mod stamp;
mod zone;

use std::{
    io,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use remit_proto::v1::{LossCause, SourceKind};

pub use self::examine::examine;
use self::{
    action::Action,
    follow::{Follow, Piece, Step},
    line::{Applied, Line},
    owner::name_target,
    rules::{Cause, Rules},
    stamp::Stamp,
};
use super::{RecorderGone, SourceContext};
use crate::observation::{CounterKey, CounterReading, Hit, HitTarget, NotParsed, Report};

/// How often zone files are looked at: a rule must be visible within 3 s.
const ZONES_INTERVAL: Duration = Duration::from_secs(1);
/// A position without hits is worth a report only now and then.
const QUIET_BYTES: u64 = 256 * 1024;
/// What is left in the log when the agent stops is read on; a backlog waits for the next start.
const LAST_READ: Duration = Duration::from_secs(2);
/// A resolver that pauses at all has paused once in so many tries.
const BASELINE_TRIES: usize = 8;
/// A log that is not to be seen is said again so often.
const BLIND_INTERVAL: Duration = Duration::from_secs(60);
/// Between two looks at the stop flag.
const NAP: Duration = Duration::from_millis(50);

/// One resolver on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnboundRpz {
    /// `logfile:` of the resolver.
    pub log: PathBuf,
    /// `control-interface:`, a Unix socket with `control-use-cert: no`. Without it there are no
    /// counters, and zone files are taken to be loaded as they stand.
    pub control: Option<PathBuf>,
    /// In the order of unbound.conf, which is the order of precedence.
    pub zones: Vec<RpzZone>,
    pub poll_ms: u64,
    pub counters_interval_s: u64,
    /// Of the resolver's local time, for `log-time-ascii`; the default prefix needs none.
    pub utc_offset_s: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RpzZone {
    pub name: String,
    pub file: PathBuf,
    /// `rpz-log-name:`
    pub log_name: Option<String>,
    /// `rpz-action-override:`
    pub action_override: Option<Action>,
}

/// Starts the source's thread. It ends when the stop flag is set or the recorder is gone.
pub fn spawn(config: UnboundRpz, context: SourceContext) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("unbound_rpz".into()).spawn(move || {
        let _stopped: Result<(), RecorderGone> = Source::new(config, context).run();
    })
}

/// The one separate counter of a resolver: Unbound counts per action, not per rule.
pub fn counter_key(log: &Path) -> CounterKey {
    format!("rpz {}", log.display()).into()
}

struct Source {
    config: UnboundRpz,
    context: SourceContext,
    rules: Rules,
    /// `None` until the log file could be looked at.
    follow: Option<Follow>,
    labels: Vec<String>,
    /// Until when nothing was lost.
    sure_until_s: i64,
    /// Position of the last report.
    reported_offset: u64,
    /// The log is not to be seen, and that was reported then.
    blind: Option<Instant>,
    /// A reading of this run was sent.
    counted: bool,
    told: Told,
}

/// What has been logged and need not be repeated each second.
#[derive(Default)]
struct Told {
    unreadable: bool,
    uncounted: bool,
}

/// What the lines of one step came to.
#[derive(Default)]
struct Gathered {
    hits: Vec<Hit>,
    not_parsed: u64,
    new_rules: bool,
    /// The zone files were looked at for the sake of a line; once is enough.
    refreshed: bool,
}

impl Source {
    fn new(config: UnboundRpz, context: SourceContext) -> Self {
        let rules = Rules::new(config.zones.clone(), &config.log, config.control.clone());
        let labels = rules.labels();
        let sure_until_s = context.resume.as_ref().map_or_else(context.now_s, |r| r.at_s);
        Self {
            config,
            context,
            rules,
            follow: None,
            labels,
            sure_until_s,
            reported_offset: 0,
            blind: None,
            counted: false,
            told: Told::default(),
        }
    }

    fn run(&mut self) -> Result<(), RecorderGone> {
        let mut zones_due = Instant::now();
        let mut counters_due = Instant::now();
        let counters_interval = Duration::from_secs(self.config.counters_interval_s.max(1));
        self.rules.refresh(&self.context, true);
        self.send_rules()?;
        while !self.context.stopping() {
            let now = Instant::now();
            let count = now >= counters_due;
            if now >= zones_due {
                zones_due = now + ZONES_INTERVAL;
                if self.rules.refresh(&self.context, count) {
                    self.send_rules()?;
                }
            }
            self.read_log()?;
            if count {
                counters_due = now + counters_interval;
                self.read_counters()?;
            }
            self.nap(Duration::from_millis(self.config.poll_ms.max(1)));
        }
        // What was written until now is recorded now and not after the next start.
        self.read_log()
    }

    fn send(&self, report: Report) -> Result<(), RecorderGone> {
        (self.context.send)(report)
    }

    fn send_rules(&self) -> Result<(), RecorderGone> {
        self.send(Report::Rules(self.rules.state((self.context.now_s)())))
    }

    /// Reads the log to its end; when stopping, no longer than [`LAST_READ`].
    fn read_log(&mut self) -> Result<(), RecorderGone> {
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
            let step = follow.step(&mut |piece| self.gather(piece, &mut gathered));
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
            Some(resume) => Follow::start(&self.config.log, Some(&resume.cursor)),
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
            if let Some(blocks) = self.ask_blocks() {
                self.send_counters(blocks)?;
            }
            self.send_hits(Vec::new(), 0, &follow)?;
        }
        Ok(Some(follow))
    }

    /// Finds an instant at which the end of the log and the counter speak of the same blocks. On a
    /// resolver that never pauses, a few of that instant stay unexplained.
    fn first_start(&mut self) -> io::Result<(Follow, bool)> {
        for _ in 0..BASELINE_TRIES {
            let before = self.ask_blocks();
            let started = Follow::start(&self.config.log, None)?;
            if before == self.ask_blocks() {
                return Ok(started);
            }
        }
        Follow::start(&self.config.log, None)
    }

    fn gather(&mut self, piece: Piece<'_>, gathered: &mut Gathered) {
        let line = match piece {
            Piece::Line(line) => line,
            Piece::Broken { ours } => {
                gathered.not_parsed += u64::from(ours);
                return;
            }
        };
        let applied = match line::parse(line, &self.labels) {
            Line::NotOurs => return,
            Line::NotUnderstood => None,
            Line::Applied(applied) if !applied.done.is_hit() => return,
            Line::Applied(applied) => Some(applied),
        };
        let now_s = (self.context.now_s)();
        let dated = applied.and_then(|applied| {
            let at_s = match applied.stamp {
                Stamp::Absolute(at_s) => Some(at_s),
                Stamp::Local { year, time } => time.at(year, self.config.utc_offset_s),
                Stamp::Yearless(time) => time.nearest(now_s, self.config.utc_offset_s),
            }?;
            Some((applied, at_s))
        });
        let Some((applied, at_s)) = dated else {
            gathered.not_parsed += 1;
            return;
        };
        let cause = self.cause(&applied, gathered);
        add_hit(&mut gathered.hits, hit(&applied, cause, at_s, &self.context));
    }

    /// The rule of a line; if no zone holds it, the files are looked at once more before the line
    /// has to speak for itself.
    fn cause(&mut self, applied: &Applied<'_>, gathered: &mut Gathered) -> Cause {
        if let Some(cause) = self.rules.cause(applied) {
            return cause;
        }
        if !gathered.refreshed {
            gathered.refreshed = true;
            gathered.new_rules |= self.rules.refresh(&self.context, false);
            if let Some(cause) = self.rules.cause(applied) {
                return cause;
            }
        }
        let (cause, new) = self.rules.add_from_line(applied, &self.context);
        gathered.new_rules |= new;
        cause
    }

    fn report(
        &mut self,
        gathered: Gathered,
        follow: &Follow,
        step: Step,
    ) -> Result<(), RecorderGone> {
        let Gathered { hits, not_parsed, new_rules, refreshed: _ } = gathered;
        if new_rules {
            self.send_rules()?;
        }
        if step.lost {
            self.send_unsure()?;
        }
        let moved = follow.offset().abs_diff(self.reported_offset) >= QUIET_BYTES;
        if !hits.is_empty() || not_parsed > 0 || step.switched || moved {
            self.reported_offset = follow.offset();
            self.send_hits(hits, not_parsed, follow)?;
        }
        Ok(())
    }

    fn send_hits(
        &self,
        hits: Vec<Hit>,
        not_parsed: u64,
        follow: &Follow,
    ) -> Result<(), RecorderGone> {
        let (source, cursor) = (SourceKind::UnboundRpz, Some(follow.cursor()));
        let not_parsed = NotParsed { count: not_parsed, at_s: (self.context.now_s)() };
        self.send(Report::Hits { source, hits, not_parsed, cursor, import: None })
    }

    fn send_unsure(&mut self) -> Result<(), RecorderGone> {
        let until_s = (self.context.now_s)();
        let from_s = self.sure_until_s.min(until_s);
        self.sure_until_s = until_s;
        self.send(Report::Unsure {
            source: SourceKind::UnboundRpz,
            cause: LossCause::FileLost,
            from_s,
            until_s,
        })
    }

    fn read_counters(&mut self) -> Result<(), RecorderGone> {
        let Some(mut blocks) = self.ask_blocks() else { return Ok(()) };
        // Unbound writes the line before it counts: every block counted is in the log by now.
        self.read_log()?;
        // An account may begin with the first reading of a run, after damage: then lines and counter
        // must speak of the same blocks, as at the first start.
        for _ in 0..if self.counted { 0 } else { BASELINE_TRIES } {
            let Some(again) = self.ask_blocks().filter(|again| *again != blocks) else { break };
            blocks = again;
            self.read_log()?;
        }
        self.counted = true;
        self.send_counters(blocks)
    }

    /// `None`: there is no control socket, Unbound does not answer, or it does not count actions.
    /// There is no reading then, and the account says so.
    fn ask_blocks(&mut self) -> Option<u64> {
        let socket = self.config.control.as_ref()?;
        let answer = control::ask(socket, "stats_noreset");
        let blocks = answer.as_ref().ok().and_then(|answer| control::blocks(answer));
        if blocks.is_none() && !self.told.uncounted {
            match &answer {
                Ok(_) => tracing::warn!("unbound counts no actions: set extended-statistics: yes"),
                Err(error) => tracing::warn!(
                    control = %socket.display(), %error,
                    "unbound does not answer on its control socket: no counters to check against"
                ),
            }
        }
        self.told.uncounted = blocks.is_none();
        blocks
    }

    fn send_counters(&self, blocks: u64) -> Result<(), RecorderGone> {
        self.send(Report::Counters(CounterReading {
            source: SourceKind::UnboundRpz,
            at_s: (self.context.now_s)(),
            counters: vec![(counter_key(&self.config.log), blocks)],
            self_protection: Vec::new(),
        }))
    }

    /// Says once that the log cannot be read, and once that it can again.
    fn log_readable(&mut self, error: Option<&io::Error>) {
        let log = self.config.log.display();
        match error {
            Some(error) if !self.told.unreadable => {
                tracing::error!(%log, %error, "the log of unbound cannot be read: hits are not recorded");
            }
            None if self.told.unreadable => {
                tracing::info!(%log, "the log of unbound is read again")
            }
            Some(_) | None => {}
        }
        self.told.unreadable = error.is_some();
    }

    fn nap(&self, long: Duration) {
        let until = Instant::now() + long;
        while !self.context.stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(NAP));
        }
    }
}

/// A line as a hit of its rule, without whoever asked.
pub fn hit(applied: &Applied<'_>, cause: Cause, at_s: i64, context: &SourceContext) -> Hit {
    let named = context.privacy.hit_targets() && applied.owner.hit_is_worth_naming();
    let asked = || name_target(&applied.asked.to_ascii_lowercase(), &context.privacy);
    Hit {
        rule: cause.rule,
        at_s,
        count: 1,
        hit_target: named.then(asked).map(HitTarget::Target),
        response: applied.done.response(),
        other_candidates: cause.other_candidates,
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

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
