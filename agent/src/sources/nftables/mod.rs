//! nftables: which rules drop or reject traffic of others, and how often they did.
//!
//! In: the ruleset of the network namespace that the calling thread is in, word of each commit,
//! counters, and the messages of the NFLOG groups that blocking rules log to (`log group 42 prefix
//! "remit=…"`; iptables-nft's `-j NFLOG` alike). Out: [`Report`]s.
//!
//! Threads: one for the state, which owns what is known of the ruleset and alone reads it; one for
//! each NFLOG group.
//!
//! # Order at start
//!
//! 1. A reading of all counters, before a group is bound: what they show above the last one
//!    happened while the agent was down.
//! 2. The groups are bound. From here on the kernel queues messages.
//! 3. The ruleset is read and reported, and with it the counters again: what they grew by since the
//!    first reading may have come before a queue was there. Then the queues are read.
//!
//! # Promised
//!
//! - A commit is reported within a second: [`DEBOUNCE`] after its notification, or after the poll
//!   of the generation each second. While the ruleset does not hold still, the last known rules
//!   stand; after [`UNSTABLE_AFTER`] that is said, and each minute that hits may be missing. So it is
//!   before the first rules are known.
//! - What diverts (a queue, `dnat`, `redirect`, a target of iptables that we do not know) is a rule
//!   and is not counted. A ruleset with more ways to a drop than we follow is said to be unstable.
//! - A rule that drops what exceeds a rate (`limit rate over … drop`) slows down: THROTTLE, with the rate if the
//!   limit counts bytes. Named limits and hashlimit of iptables are conditions that narrow, and no rates.
//! - What counters show at a commit belongs to the rules before it; what comes between a commit and
//!   its reading, too. A value that a counter brings with it is no hit (`account`).
//! - A hit belongs to a rule only if the rule's log is about just what it drops and is not rate
//!   limited. Rules of which we get no such messages are counted by their counters (`account`).
//! - Where a rate limit stands before a rule's log, the counter says how many hits there were, and
//!   the log names a sample of them; the rule is told so (`KnownRule::names_sampled`).
//! - A message that fits no rule that is or was just in force is a loss (`NOT_PARSED`). Give the
//!   groups to blocking rules alone.
//! - What the kernel's queue has lost is known within a second, where there is a rule for canaries.
//! - No client's address leaves the packet that it was in (`hits`, `attribution`), and none is in
//!   the text of a rule (`text`, `target`).
//!
//! | file | idea |
//! |---|---|
//! | `build` | one reading: ways, and which rules are the same |
//! | `draft`, `standing` | a rule as it is told, and which counter is held against it |
//! | `reach`, `target` | what a rule matches, and the target that is |
//! | `sets`, `digest` | elements, how many are kept, and what is known of the others |
//! | `claim`, `text` | what a rule says that it rests on; its text without customers |
//! | `interfaces` | the name that a rule has and the number that a message has |
//! | `own` | what the node drops for its own sake |
//! | `canary` | the rule that the agent's own packets meet, to see them come back |
//! | `self_test` | how the packets of `remit-agent selftest` are known |
//! | `account` | which counter counts what |
//! | `attribution`, `hits`, `deeds`, `response` | from a message to its rule |
//!
//! Not done here: windows, leaves, the comparison of two states, the comparison of counters and
//! hits (recorder and ledger). Not known: who made a rule, beyond the process name of the commit.

mod account;
mod attribution;
mod build;
mod canary;
mod claim;
mod deeds;
mod digest;
mod draft;
mod error;
mod examine;
mod hits;
mod interfaces;
mod own;
mod reach;
mod response;
pub(crate) mod self_test;
mod sets;
mod settings;
mod standing;
mod target;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
mod text;

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use remit_proto::v1::{LossCause, SourceKind};

use self::{
    account::{Counters, Growth, Unlogged, Watched},
    build::{Settings, State},
    canary::{CanaryCounters, path_name},
    deeds::named,
    digest::Digests,
    hits::Shared,
};
pub use self::{error::NftablesError, settings::TECHNOLOGY};
use super::{
    FileUse, RecorderGone, SourceContext, SourceError,
    nflog::{self, NflogReader},
    raw_log::RawLog,
};
use crate::{
    doctor::Finding,
    observation::{Canaries, CounterReading, Hit, NotParsed, Report, RuleState},
    rules::nftables::{ReadError, Reader, Watch, WatchError},
};

/// Several commits of one tool come within this time.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// A tool that never rests must not hide what it does.
const DEBOUNCE_MAX: Duration = Duration::from_secs(1);
/// Should a notification be lost.
const POLL: Duration = Duration::from_secs(1);
/// Between two looks at the stop flag and at what hit threads ask for.
const TICK: Duration = Duration::from_millis(50);
/// Until then the last known rules are as good as any.
const UNSTABLE_AFTER: Duration = Duration::from_secs(5);
/// Between two statements that the ruleset cannot be read.
const BLIND_INTERVAL: Duration = Duration::from_secs(60);
/// A `RuleChange` holds 64 bytes.
const CHANGED_BY_MAX: usize = 64;

/// What the source needs to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nftables {
    /// NFLOG groups to bind; none: rules and counters alone.
    pub groups: Vec<u16>,
    pub counters_interval: Duration,
    /// Send canaries where a rule is for them (`canary`).
    pub canaries: bool,
    /// How the groups are bound.
    pub nflog: nflog::Settings,
}

impl super::Source for Nftables {
    fn kind(&self) -> SourceKind {
        SourceKind::Nftables
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    /// It speaks with the kernel alone.
    fn files(&self) -> Vec<FileUse> {
        Vec::new()
    }

    fn raw_log(&self) -> RawLog {
        RawLog::None
    }

    fn nflog_groups(&self) -> &[u16] {
        &self.groups
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        observe(&self, &context)
            .map_err(|error| SourceError::Failed("nftables".into(), error.into()))
    }

    fn examine(&self, context: &SourceContext) -> Vec<Finding> {
        examine::examine(self, context)
    }
}

/// Runs in the network namespace of the caller, with threads for the groups, until the stop flag is
/// set or the recorder is gone, or an operator must act on an error.
fn observe(config: &Nftables, context: &SourceContext) -> Result<(), NftablesError> {
    let shared = Arc::new(Shared::default());
    let mut threads = Vec::new();
    let mut source = match Source::start(config, context, &shared) {
        Ok(source) => source,
        Err(ended) => return ended.result(),
    };
    let followed = source.bind(&mut threads).and_then(|()| source.follow());
    shared.end();
    for thread in threads {
        // A hit thread has no result; if it panicked, its messages show as missing.
        let _panicked = thread.join();
    }
    match followed.and_then(|()| source.count()) {
        Ok(()) => shared.failure().map_or(Ok(()), Err),
        Err(ended) => ended.result(),
    }
}

/// The state thread.
struct Source<'a> {
    config: &'a Nftables,
    context: &'a SourceContext,
    shared: &'a Arc<Shared>,
    reader: Reader,
    watch: Watch,
    /// As last reported.
    state: State,
    digests: Digests,
    reported: bool,
    watched: Watched,
    /// When that was.
    counted_s: i64,
    /// Who committed since then.
    changed_by: Vec<String>,
    /// A commit is known that was not read: since when, and when to read it.
    due: Option<(Instant, Instant)>,
    unstable_since: Option<Instant>,
    said_unstable: bool,
    /// When it was last said that hits may be missing, and since when they may.
    blind: Option<Instant>,
    seen_until_s: i64,
    /// The last reading failed, and that was logged.
    in_trouble: bool,
    canary_counters: CanaryCounters,
}

enum Ended {
    Recorder,
    /// The agent stops before the ruleset could be read.
    Stopped,
    Failed(NftablesError),
}

impl Ended {
    fn result(self) -> Result<(), NftablesError> {
        match self {
            Self::Recorder | Self::Stopped => Ok(()),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<RecorderGone> for Ended {
    fn from(RecorderGone: RecorderGone) -> Self {
        Self::Recorder
    }
}

impl From<NftablesError> for Ended {
    fn from(error: NftablesError) -> Self {
        Self::Failed(error)
    }
}

impl<'a> Source<'a> {
    /// Takes the first reading of the counters.
    fn start(
        config: &'a Nftables,
        context: &'a SourceContext,
        shared: &'a Arc<Shared>,
    ) -> Result<Self, Ended> {
        let watch = Watch::open().map_err(NftablesError::watch)?;
        let reader = Reader::open().map_err(NftablesError::read)?;
        let mut source = Self {
            config,
            context,
            shared,
            reader,
            watch,
            state: State::default(),
            digests: Digests::default(),
            reported: false,
            watched: Watched::default(),
            counted_s: (context.now_s)(),
            changed_by: Vec::new(),
            due: None,
            unstable_since: None,
            said_unstable: false,
            blind: None,
            seen_until_s: (context.now_s)(),
            in_trouble: false,
            canary_counters: CanaryCounters::default(),
        };
        source.state = source.read_until_stable()?;
        source.watched.begin(&source.state.counters.values);
        source.send_counters()?;
        Ok(source)
    }

    /// There is no honest first report without the rules.
    fn read_until_stable(&mut self) -> Result<State, Ended> {
        let mut said = false;
        while !self.context.stopping() {
            if let Some(state) = self.read()? {
                return Ok(state);
            }
            if !said && self.unstable_since.is_some_and(|since| since.elapsed() > UNSTABLE_AFTER) {
                tracing::warn!("the nftables ruleset does not hold still; nothing is reported yet");
                said = true;
            }
            thread::sleep(DEBOUNCE);
        }
        Err(Ended::Stopped)
    }

    fn bind(&mut self, threads: &mut Vec<JoinHandle<()>>) -> Result<(), Ended> {
        let bound: Result<Vec<_>, _> = self
            .config
            .groups
            .iter()
            .map(|group| match NflogReader::bind(*group, &self.config.nflog) {
                Ok(reader) => Ok((*group, reader)),
                Err(error) => Err(NftablesError::nflog(*group, error)),
            })
            .collect();
        for (group, reader) in bound? {
            let (context, shared) = (self.context.clone(), Arc::clone(self.shared));
            let thread = thread::Builder::new()
                .name(format!("nflog-{group}"))
                .spawn(move || hits::run(reader, group, &context, &shared))
                .map_err(NftablesError::Thread)?;
            threads.push(thread);
        }
        let state = self.read_until_stable()?;
        self.adopt(state)?;
        Ok(self.send_counters()?)
    }

    fn follow(&mut self) -> Result<(), Ended> {
        let mut counters_due = Instant::now() + self.config.counters_interval;
        let mut poll_due = Instant::now() + POLL;
        while !self.context.stopping() {
            self.listen(TICK)?;
            if let Some(error) = self.shared.failure() {
                return Err(error.into());
            }
            let asked = self.shared.is_asked();
            if asked || Instant::now() >= poll_due {
                poll_due = Instant::now() + POLL;
                self.poll(asked)?;
            }
            if self.due.is_some_and(|(_, when)| Instant::now() >= when) {
                self.refresh()?;
            }
            if asked {
                self.shared.answer();
            }
            if Instant::now() >= counters_due {
                counters_due = Instant::now() + self.config.counters_interval;
                self.count()?;
            }
        }
        Ok(())
    }

    /// Hears of commits for as long as `timeout`.
    fn listen(&mut self, timeout: Duration) -> Result<(), Ended> {
        let mut left = timeout;
        loop {
            match self.watch.next(left) {
                Ok(None) => return Ok(()),
                Ok(Some(commit)) => {
                    if !self.changed_by.contains(&commit.process_name) {
                        self.changed_by.push(commit.process_name);
                    }
                    self.due_in(DEBOUNCE);
                }
                Err(WatchError::Lost | WatchError::Malformed(_)) => self.due_in(Duration::ZERO),
                Err(error @ WatchError::Socket(_)) => {
                    return Err(NftablesError::watch(error).into());
                }
            }
            left = Duration::ZERO;
        }
    }

    fn due_in(&mut self, wait: Duration) {
        let now = Instant::now();
        let since = self.due.map_or(now, |(since, _)| since);
        self.due = Some((since, (now + wait).min(since + DEBOUNCE_MAX)));
    }

    fn poll(&mut self, at_once: bool) -> Result<(), Ended> {
        match self.reader.generation() {
            Ok(generation) if generation == self.state.generation => {
                if at_once && self.state.attribution.is_outdated() {
                    self.due_in(Duration::ZERO);
                }
            }
            Ok(_) | Err(ReadError::NotStable) if at_once || self.due.is_none() => {
                self.due_in(Duration::ZERO);
            }
            Ok(_) | Err(ReadError::NotStable) => {}
            Err(error) => {
                self.cannot_read(error)?;
                self.due_in(DEBOUNCE);
            }
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), Ended> {
        match self.read()? {
            Some(state) => self.adopt(state),
            None => {
                self.due = None;
                self.due_in(DEBOUNCE);
                self.say_unstable()
            }
        }
    }

    /// `None`: it did not hold still, or cannot be read now.
    fn read(&mut self) -> Result<Option<State>, Ended> {
        let Nftables { groups, canaries, .. } = self.config;
        let settings = Settings { groups, canaries: *canaries, context: self.context };
        match State::read(&mut self.reader, &settings, &mut self.digests) {
            Ok(state) => {
                self.sees()?;
                Ok(Some(state))
            }
            Err(error) => {
                self.cannot_read(error)?;
                self.is_blind()?;
                Ok(None)
            }
        }
    }

    fn sees(&mut self) -> Result<(), RecorderGone> {
        self.unstable_since = None;
        self.in_trouble = false;
        if self.blind.take().is_some() {
            self.send_blind()?;
        }
        self.seen_until_s = (self.context.now_s)();
        Ok(())
    }

    /// Rules that we do not know may be in force: that must be seen in the evidence too.
    fn is_blind(&mut self) -> Result<(), RecorderGone> {
        let since = *self.unstable_since.get_or_insert_with(Instant::now);
        let said = self.blind.is_some_and(|said| said.elapsed() < BLIND_INTERVAL);
        if said || since.elapsed() <= UNSTABLE_AFTER {
            return Ok(());
        }
        self.blind = Some(Instant::now());
        self.send_blind()
    }

    fn send_blind(&mut self) -> Result<(), RecorderGone> {
        let until_s = (self.context.now_s)();
        let from_s = std::mem::replace(&mut self.seen_until_s, until_s).min(until_s);
        let (source, cause) = (SourceKind::Nftables, LossCause::NotParsed);
        (self.context.send)(Report::Unsure { source, cause, from_s, until_s })
    }

    /// What the kernel will never show ends the source; all else is tried again.
    fn cannot_read(&mut self, error: ReadError) -> Result<(), Ended> {
        match NftablesError::read(error) {
            NftablesError::Read(ReadError::NotStable) => Ok(()),
            NftablesError::Read(error) => {
                if !std::mem::replace(&mut self.in_trouble, true) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the nftables ruleset could not be read"
                    );
                }
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    /// Settles the counters with the rules as they were, reports the new ones, and then lets the hit
    /// threads have them.
    fn adopt(&mut self, mut state: State) -> Result<(), Ended> {
        self.listen(Duration::ZERO)?;
        let same_generation = state.generation == self.state.generation;
        let same = state.keep_known(&self.state)
            && self.reported
            && !self.said_unstable
            && same_generation
            && state.attribution.same_interfaces(&self.state.attribution);
        let mut of_new = Vec::new();
        if self.reported {
            of_new = self.settle(&state.unlogged, &state.counters, !same_generation)?;
        } else {
            self.watched.begin(&state.counters.values);
        }
        if state.incomplete && !self.state.incomplete {
            tracing::warn!("the nftables ruleset has more ways to a drop than are followed");
        }
        let same = same && state.canaries == self.state.canaries;
        self.state = state;
        self.due = None;
        if !same {
            self.send_rules(false)?;
            let State { attribution, canaries, .. } = &self.state;
            self.shared.publish(Arc::clone(attribution), Arc::clone(canaries));
        }
        Ok(self.send_hits(of_new)?)
    }

    /// What counters alone show: hits of the rules that are known are sent, those of rules that are
    /// not yet are handed out.
    fn settle(
        &mut self,
        after: &[Unlogged],
        counters: &Counters,
        commit: bool,
    ) -> Result<Vec<Hit>, RecorderGone> {
        let until_s = (self.context.now_s)();
        let from_s = std::mem::replace(&mut self.counted_s, until_s).min(until_s);
        let before = &self.state.unlogged;
        let growth = self.watched.read(before, after, &counters.values, commit, until_s);
        let Growth { hits, of_new, unsure } = growth;
        self.send_hits(named(hits, self.shared.take_samples()))?;
        if unsure {
            let (source, cause) = (SourceKind::Nftables, LossCause::CounterReset);
            (self.context.send)(Report::Unsure { source, cause, from_s, until_s })?;
        }
        Ok(of_new)
    }

    fn send_hits(&self, hits: Vec<Hit>) -> Result<(), RecorderGone> {
        if hits.is_empty() {
            return Ok(());
        }
        let source = SourceKind::Nftables;
        (self.context.send)(Report::Hits {
            source,
            hits,
            not_parsed: NotParsed::default(),
            canaries: None,
            cursor: None,
            import: None,
        })
    }

    fn say_unstable(&mut self) -> Result<(), Ended> {
        let long = self.unstable_since.is_some_and(|since| since.elapsed() > UNSTABLE_AFTER);
        if long && !self.said_unstable {
            tracing::warn!("the nftables ruleset does not hold still; the last known rules stand");
            self.send_rules(true)?;
        }
        Ok(())
    }

    fn send_rules(&mut self, unstable: bool) -> Result<(), RecorderGone> {
        let mut changed_by = self.changed_by.join(",");
        let cut = (0..=CHANGED_BY_MAX).rev().find(|at| changed_by.is_char_boundary(*at));
        changed_by.truncate(cut.unwrap_or(0));
        if !unstable {
            self.changed_by.clear();
        }
        (self.said_unstable, self.reported) = (unstable, true);
        (self.context.send)(Report::Rules(RuleState {
            source: SourceKind::Nftables,
            at_s: (self.context.now_s)(),
            generation: self.state.generation.into(),
            changed_by,
            rules: self.state.rules.clone(),
            unstable: unstable || self.state.incomplete,
            partial: false,
        }))
    }

    /// Reads the counters. If the ruleset does not hold still, the next reading says it all.
    fn count(&mut self) -> Result<(), Ended> {
        let mut whole = self.state.moving
            || self.state.counters.need_ruleset
            || self.state.attribution.is_outdated();
        if !whole {
            match self.reader.read_counters() {
                Ok((generation, named)) if generation == self.state.generation => {
                    let mut counters = std::mem::take(&mut self.state.counters);
                    counters.take_named(&named);
                    // No commit, and no elements that are read: no rule is new.
                    self.settle(&[], &counters, false)?;
                    self.state.counters = counters;
                }
                // A counter of that name may be another one.
                Ok(_) => whole = true,
                Err(error) => {
                    self.due_in(DEBOUNCE);
                    return self.cannot_read(error);
                }
            }
        }
        if whole {
            let Some(state) = self.read()? else { return Ok(()) };
            self.adopt(state)?;
        }
        Ok(self.send_counters()?)
    }

    fn send_counters(&mut self) -> Result<(), RecorderGone> {
        let State { canaries, counters, .. } = &self.state;
        for (group, counted) in self.canary_counters.read(canaries, &counters.values) {
            let path = path_name(group);
            let canaries = Canaries::on(SourceKind::Nftables, path, (self.context.now_s)());
            let counted = Some(counted);
            (self.context.send)(Report::Canaries(Canaries { counted, ..canaries }))?;
        }
        let values = self.state.counters.values.iter();
        (self.context.send)(Report::Counters(CounterReading {
            source: SourceKind::Nftables,
            at_s: (self.context.now_s)(),
            counters: values.map(|(key, value)| (key.clone(), *value)).collect(),
            self_protection: self.state.counters.self_protection(),
        }))
    }
}
