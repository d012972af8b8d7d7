//! One thread for each NFLOG group: messages become hits.
//!
//! The thread waits for its socket and for the recorder's channel, and for nothing else but one
//! look of the state thread at the ruleset when a message fits no rule that is known. While it
//! waits the kernel queues; what the queue does not hold is seen in the sequence numbers.
//!
//! A packet's addresses are read within the callback that borrows it. What leaves it is a rule's
//! number and, where it may be named, the address of the blocked side.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use remit_proto::v1::{LossCause, SourceKind};

use super::{
    NftablesError,
    attribution::{Attribution, Names},
    canary::{CanaryRules, path_name},
    deeds::{Deeds, SAMPLES_MAX},
    self_test::{Mark, SelfTests},
};
use crate::{
    observation::{Canaries, Hit, NotParsed, Report},
    sources::{
        RecorderGone, SourceContext,
        nflog::{Canary, News, NflogReader, Packet, ReadStats},
    },
};

/// Between two looks at the stop flag.
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// The kernel sends what it has after a tenth of a second; then nothing more is on its way.
const LAST_TIMEOUT: Duration = Duration::from_millis(250);
/// For the state thread to look at the ruleset once.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// A message that fits no rule is worth a look this often: a flood of them must not stop the rest.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// After something came. What comes meanwhile costs one waking of this thread and of the recorder's,
/// and not one for each datagram. The kernel itself may hold a message for a tenth of a second; and
/// its queue of 2 MiB, at 140 messages in 33 KiB, holds what 800,000 packets a second make of this.
const REST: Duration = Duration::from_millis(10);
/// In one report, which the recorder takes in as a whole.
const DATAGRAMS_AT_ONCE: usize = 4;
/// Between two statements that canaries do not come back.
const DEAF_INTERVAL: Duration = Duration::from_secs(60);
/// How long rules that are gone may still have messages in the queue.
const BEFORE_VALID: Duration = Duration::from_secs(5);

/// What the threads of this source tell each other. Written by the state thread; hit threads only
/// ask for a look, and say how they failed.
#[derive(Default)]
pub(super) struct Shared {
    views: Mutex<Views>,
    changed: Condvar,
}

#[derive(Default)]
struct Views {
    now: Option<Arc<Attribution>>,
    before: Option<(Arc<Attribution>, Instant)>,
    canaries: Arc<CanaryRules>,
    /// Names of hits that counters count, since they were read.
    samples: Vec<Hit>,
    /// Looks at the ruleset that were asked for and have been taken.
    asked: u64,
    looked: u64,
    ended: bool,
    failed: Option<NftablesError>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Views> {
        // Every change is one assignment: what a panicked thread leaves is whole.
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, attribution: Arc<Attribution>, canaries: Arc<CanaryRules>) {
        let mut views = self.lock();
        views.canaries = canaries;
        if let Some(before) = views.now.replace(attribution) {
            views.before = Some((before, Instant::now()));
        }
        self.changed.notify_all();
    }

    pub(super) fn add_samples(&self, samples: Vec<Hit>) {
        let mut views = self.lock();
        let room = SAMPLES_MAX.saturating_sub(views.samples.len());
        views.samples.extend(samples.into_iter().take(room));
    }

    pub(super) fn take_samples(&self) -> Vec<Hit> {
        std::mem::take(&mut self.lock().samples)
    }

    pub(super) fn is_asked(&self) -> bool {
        let views = self.lock();
        views.asked > views.looked
    }

    pub(super) fn answer(&self) {
        let mut views = self.lock();
        views.looked = views.asked;
        self.changed.notify_all();
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    pub(super) fn fail(&self, error: NftablesError) {
        self.lock().failed = Some(error);
    }

    pub(super) fn failure(&self) -> Option<NftablesError> {
        self.lock().failed.take()
    }
}

pub(super) struct Hits<'a> {
    group: u16,
    context: &'a SourceContext,
    shared: &'a Shared,
    names: Option<Names<'a>>,
    now: Arc<Attribution>,
    before: Option<Arc<Attribution>>,
    deeds: Deeds,
    canary: Canary,
    self_tests: SelfTests,
    /// When it was last said that canaries do not come back, and since when they do not.
    deaf: Option<Instant>,
    back_until_s: i64,
    not_parsed: u64,
    looked_at: Option<Instant>,
    /// When the last read ended: what is lost was lost after it.
    sure_until_s: i64,
}

/// The thread's work, until the agent stops, the recorder is gone or the socket fails.
pub(super) fn run(mut reader: NflogReader, group: u16, context: &SourceContext, shared: &Shared) {
    let Some(mut hits) = Hits::new(group, context, shared) else { return };
    if let Err(Ended::Socket(error)) = hits.follow(&mut reader) {
        shared.fail(error);
    }
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// Nothing came in time.
    Silent,
    Drained,
    HasMore,
}

enum Ended {
    Recorder,
    Socket(NftablesError),
}

impl From<RecorderGone> for Ended {
    fn from(RecorderGone: RecorderGone) -> Self {
        Self::Recorder
    }
}

impl<'a> Hits<'a> {
    /// Waits for the first rules.
    fn new(group: u16, context: &'a SourceContext, shared: &'a Shared) -> Option<Self> {
        let mut views = shared.lock();
        let now = loop {
            if views.ended {
                return None;
            }
            if let Some(now) = &views.now {
                break Arc::clone(now);
            }
            views = shared.changed.wait(views).unwrap_or_else(PoisonError::into_inner);
        };
        Some(Self {
            group,
            context,
            shared,
            names: Names::new(&context.privacy),
            now,
            before: None,
            deeds: Deeds::default(),
            canary: Canary::default(),
            self_tests: SelfTests::default(),
            deaf: None,
            back_until_s: (context.now_s)(),
            not_parsed: 0,
            looked_at: None,
            sure_until_s: (context.now_s)(),
        })
    }

    fn follow(&mut self, reader: &mut NflogReader) -> Result<(), Ended> {
        self.say_path()?;
        while !self.ending() {
            self.canary.send_if_due();
            let queue = self.read(reader, READ_TIMEOUT)?;
            if queue != Queue::HasMore {
                self.listen_for_canaries()?;
            }
            if queue == Queue::Drained {
                thread::sleep(REST);
            }
        }
        // What the kernel has of it is recorded now and not lost to the downtime. What it has lost at
        // the end, the last canary shows.
        self.canary.send();
        let until = Instant::now() + LOOK_WITHIN;
        while self.read(reader, LAST_TIMEOUT)? != Queue::Silent && Instant::now() < until {}
        Ok(())
    }

    fn ending(&self) -> bool {
        self.context.stopping() || self.shared.lock().ended
    }

    /// What has come, or comes in time, in one report.
    fn read(&mut self, reader: &mut NflogReader, timeout: Duration) -> Result<Queue, Ended> {
        self.update();
        let mut all = ReadStats::default();
        let mut queue = Queue::HasMore;
        for at in 0..DATAGRAMS_AT_ONCE {
            self.deeds.begin_datagram();
            let timeout = if at == 0 { timeout } else { Duration::ZERO };
            let read = reader.read(timeout, &mut |packet| self.take(packet));
            let stats =
                read.map_err(|error| Ended::Socket(NftablesError::nflog(self.group, error)))?;
            if stats == ReadStats::default() {
                queue = if at == 0 { Queue::Silent } else { Queue::Drained };
                break;
            }
            all.add(stats);
        }
        self.report(all)?;
        Ok(queue)
    }

    fn update(&mut self) {
        let views = self.shared.lock();
        if let Some(now) = &views.now
            && !Arc::ptr_eq(now, &self.now)
        {
            self.now = Arc::clone(now);
        }
        let before = views.before.as_ref().filter(|(_, since)| since.elapsed() < BEFORE_VALID);
        self.before = before.map(|(before, _)| Arc::clone(before));
        let canary = views.canaries.get(&self.group).map(|rule| rule.to);
        drop(views);
        self.canary.aim(canary);
    }

    fn take(&mut self, packet: &Packet<'_>) {
        self.canary.lose(packet.lost_before);
        if self.canary.takes(packet) {
            return;
        }
        // Before the rule is known: whoever tests need not wait for the ruleset to be read.
        if let Some(mark) = Mark::of_packet(packet) {
            return self.self_tests.add(mark);
        }
        let (group, names) = (self.group, self.names.as_ref());
        if self.deeds.attribute(&self.now, group, names, packet) {
            return;
        }
        if let Some(before) = &self.before
            && self.deeds.attribute(before, group, names, packet)
        {
            return;
        }
        if self.look() && self.deeds.attribute(&self.now, group, self.names.as_ref(), packet) {
            return;
        }
        self.not_parsed += 1;
    }

    /// Asks the state thread to look at the ruleset once more. True if there are other rules now.
    fn look(&mut self) -> bool {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_INTERVAL) {
            return false;
        }
        let mut views = self.shared.lock();
        views.asked += 1;
        let ticket = views.asked;
        let until = Instant::now() + LOOK_WITHIN;
        while views.looked < ticket && !views.ended && !self.context.stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let left = left.min(READ_TIMEOUT);
            views = match self.shared.changed.wait_timeout(views, left) {
                Ok((views, _)) => views,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        self.looked_at = Some(Instant::now());
        match views.now.as_ref().filter(|now| !Arc::ptr_eq(now, &self.now)) {
            Some(now) => {
                self.now = Arc::clone(now);
                true
            }
            None => false,
        }
    }

    fn report(&mut self, stats: ReadStats) -> Result<(), RecorderGone> {
        // Which of the messages that were lost were canaries, the canary knows.
        let ReadStats { messages: _, lost_by_sequence: _, enobufs, malformed, truncated: _ } =
            stats;
        let lost = self.canary.take_lost();
        let samples = self.deeds.take_samples();
        if !samples.is_empty() {
            self.shared.add_samples(samples);
        }
        // What a sample lacks is no hit that is missing.
        let (lost_by_sequence, enobufs) =
            if self.now.samples_only(self.group) { (0, 0) } else { (lost, enobufs) };
        let at_s = (self.context.now_s)();
        if !self.deeds.is_empty() {
            let hits = self.deeds.take(at_s);
            let source = SourceKind::Nftables;
            (self.context.send)(Report::Hits {
                source,
                hits,
                not_parsed: NotParsed::default(),
                canaries: None,
                cursor: None,
                import: None,
            })?;
        }
        let not_parsed = malformed + std::mem::take(&mut self.not_parsed);
        let losses =
            [(LossCause::KernelQueue, lost_by_sequence), (LossCause::NotParsed, not_parsed)];
        for (cause, count) in losses.into_iter().filter(|(_, count)| *count > 0) {
            let source = SourceKind::Nftables;
            (self.context.send)(Report::Lost { source, cause, count, at_s })?;
        }
        if enobufs > 0 {
            (self.context.send)(Report::Unsure {
                source: SourceKind::Nftables,
                cause: LossCause::KernelQueue,
                from_s: self.sure_until_s.min(at_s),
                until_s: at_s,
            })?;
        }
        self.sure_until_s = at_s;
        self.report_canaries(at_s)
    }

    /// Whether there are canaries or none: the group is a path for them.
    fn say_path(&self) -> Result<(), RecorderGone> {
        let path = path_name(self.group);
        let canaries = Canaries::on(SourceKind::Nftables, path, (self.context.now_s)());
        (self.context.send)(Report::Canaries(canaries))
    }

    fn report_canaries(&mut self, at_s: i64) -> Result<(), RecorderGone> {
        for (mark, seen) in self.self_tests.take() {
            let path = mark.path(self.group).into();
            let on = Canaries::on(SourceKind::Nftables, path, at_s);
            let news = Canaries { sent: seen, seen, unanswered: Some(0), ..on };
            (self.context.send)(Report::Canaries(news))?;
        }
        let Some(News { sent, seen }) = self.canary.take_news() else { return Ok(()) };
        if seen > 0 {
            if self.deaf.take().is_some() {
                self.say_deaf(at_s)?;
            }
            self.back_until_s = at_s;
        }
        let path = path_name(self.group);
        (self.context.send)(Report::Canaries(Canaries {
            sent,
            seen,
            unanswered: Some(self.canary.unanswered()),
            ..Canaries::on(SourceKind::Nftables, path, at_s)
        }))
    }

    /// The queue is empty: what was sent before has come, or will not.
    fn listen_for_canaries(&mut self) -> Result<(), RecorderGone> {
        if !self.canary.is_late() || self.deaf.is_some_and(|said| said.elapsed() < DEAF_INTERVAL) {
            return Ok(());
        }
        if self.deaf.replace(Instant::now()).is_none() {
            tracing::warn!(group = self.group, "canaries do not come back: hits may be missing");
        }
        self.say_deaf((self.context.now_s)())
    }

    /// Hits may not come back either: that must be seen in the evidence too.
    fn say_deaf(&mut self, until_s: i64) -> Result<(), RecorderGone> {
        let from_s = std::mem::replace(&mut self.back_until_s, until_s).min(until_s);
        let (source, cause) = (SourceKind::Nftables, LossCause::CanaryLost);
        (self.context.send)(Report::Unsure { source, cause, from_s, until_s })
    }
}
