//! PowerDNS Recursor's response policies: which names and addresses it blocks, and how often.
//!
//! In: what it sends to `protobufServer(…, {taggedOnly=true})`, over TCP connections that it opens, one for
//! each of its threads; the files of `rpzFile`; its webserver's `/metrics`, if the operator gives it. Out:
//! reports, on one thread.
//!
//! Promised here:
//! - Connections are read as fast as they bring something: what PowerDNS cannot get out it throws away, and
//!   counts (`pipeFull`); that is reported as lost. While no connection is open, it is reported that
//!   something may be missing: at once, each minute, and when one is back.
//! - A message is read into types that hold no client's address (`message`).
//!
//! Counted as hits are NXDOMAIN, no data, custom answers, and answers over UDP that are truncated. No hits:
//! `NoAction` (passthru, which PowerDNS marks with an extended error as if it were a block), and the retry
//! over TCP of what was truncated, which is let through.
//!
//! The separate counter is made of what PowerDNS says it queued for this address: a message that has not
//! arrived a whole interval after it was counted is missing, and counts as a hit, because nobody knows what it
//! was. So it proves that nothing was lost between the two. It is no second count of blocks: `policy-hits`
//! leaves out answers from the packet cache, which are told here; it is shown by the doctor and not compared.
//! The counter begins anew with each start of the agent; what PowerDNS did while no agent listened is not
//! known, and that is said.
//!
//! Not seen: `rpz-drop`, of which PowerDNS sends nothing (its `policy-result-drop` is shown by the doctor);
//! whether a file that was changed has been loaded.
//!
//! The claim is in the comment of the record's own line, else in the policy's name (`policyName =
//! "remit=de/2026-42"`), else in the basis map (`zone:<policyName>`). A policy that is not configured here is
//! known from its messages, and its tags may carry the claim.
//!
//! Sources: pdns/dnsmessage.proto and pdns/recursordist of the PowerDNS project; measured with 4.8.8.

mod examine;
pub mod message;
pub mod metrics;
mod settings;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use remit_proto::v1::{LossCause, SourceKind};

pub use self::settings::TECHNOLOGY;
use self::{
    message::{Frames, Read, Told},
    metrics::Handed,
};
use super::{
    FileUse, RecorderGone, Source, SourceContext, SourceError,
    raw_log::RawLog,
    rpz::{
        self, RpzZone,
        canary::ZoneCanaries,
        rules::{Resolver, Rules, says_something},
    },
    stream::{Connected, Listener, Streams},
    tail::{Gathered, RULES_INTERVAL},
};
use crate::{
    doctor::Finding,
    observation::{CounterKey, CounterReading, Cursor, NotParsed, Report, Response},
};

/// One resolver on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdns {
    /// Where the agent listens: a loopback address.
    pub listen: SocketAddr,
    pub webserver: Option<SocketAddr>,
    pub policies: Vec<Policy>,
    /// Where the resolver is asked for the canaries of its policies; `None`: there are none.
    pub canaries: Option<SocketAddr>,
    pub counters_interval_s: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `policyName`
    pub name: String,
    /// Of `rpzFile`.
    pub file: PathBuf,
    /// The zone's own name, where names in the file are not relative to it.
    pub origin: Option<String>,
}

impl Policy {
    /// Names in the file are relative to it.
    fn zone_name(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.name)
    }
}

impl Source for Pdns {
    fn kind(&self) -> SourceKind {
        SourceKind::Pdns
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    /// No file: the mark by which a start knows that there was one before.
    fn file(&self) -> Option<&Path> {
        Some(Path::new(MARK))
    }

    fn files(&self) -> Vec<FileUse> {
        self.policies.iter().map(|policy| FileUse::Read(policy.file.clone())).collect()
    }

    fn canary_paths(&self) -> Vec<Arc<str>> {
        self.canaries.map(|_| rpz::canary::paths(&self.zones())).unwrap_or_default()
    }

    fn raw_log(&self) -> RawLog {
        RawLog::Stream { names_clients: true }
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        let failed = |error: io::Error| {
            let text = format!("{} cannot be listened on: {error}", self.listen);
            SourceError::Failed("pdns".to_owned(), io::Error::new(error.kind(), text).into())
        };
        let listener = TcpListener::bind(self.listen).map(Listener::Tcp).map_err(failed)?;
        let streams = Streams::new(listener).map_err(failed)?;
        // The recorder is gone: the agent is stopping.
        let _stopped = Receiver::new(&self, streams, context).run();
        Ok(())
    }

    fn examine(&self, context: &SourceContext) -> Vec<Finding> {
        examine::examine(self, context)
    }
}

impl Pdns {
    fn resolver(&self, counter: &CounterKey) -> Resolver {
        Resolver {
            source: SourceKind::Pdns,
            instance: format!("pdns/{}", self.listen),
            lines_name_zones: false,
            lines_name_what_was_found: false,
            counter: self.webserver.map(|_| counter.clone()),
            counts_tcp_only: true,
            loaded: None,
        }
    }

    fn zones(&self) -> Vec<RpzZone> {
        let zone = |policy: &Policy| RpzZone {
            name: policy.zone_name().to_owned(),
            file: policy.file.clone(),
            log_name: Some(policy.name.clone()),
            action_override: None,
        };
        self.policies.iter().map(zone).collect()
    }
}

struct Receiver<'a> {
    config: &'a Pdns,
    context: SourceContext,
    streams: Streams<Frames>,
    connected: Connected,
    rules: Rules,
    counter: CounterKey,
    delivery: Delivery,
    hits: u64,
    told_uncounted: bool,
    canaries: ZoneCanaries,
}

/// Which messages that PowerDNS counted have arrived.
#[derive(Debug, Default)]
struct Delivery {
    received: u64,
    /// What PowerDNS had counted, and what had arrived, when it was first asked or began anew.
    baseline: Option<(Handed, u64)>,
    last: Handed,
    /// Missing since the baseline, and before it.
    missing: u64,
    missing_before: u64,
}

impl Delivery {
    /// Takes a reading, after what had arrived by then. How many more were thrown away; `None`: PowerDNS
    /// began anew, and what it had not sent is gone.
    fn reading(&mut self, handed: Handed) -> Option<u64> {
        let Some((first, received)) = self.baseline.filter(|_| handed.queued >= self.last.queued)
        else {
            let is_first = self.baseline.is_none();
            self.missing_before += std::mem::take(&mut self.missing);
            self.baseline = Some((handed, self.received));
            self.last = handed;
            return is_first.then_some(0);
        };
        // What was counted at the last reading had an interval to arrive.
        let due = self.last.queued - first.queued;
        self.missing = self.missing.max(due.saturating_sub(self.received - received));
        let thrown_away = handed.thrown_away.saturating_sub(self.last.thrown_away);
        self.last = handed;
        Some(thrown_away)
    }

    fn all_missing(&self) -> u64 {
        self.missing_before + self.missing
    }
}

impl<'a> Receiver<'a> {
    fn new(config: &'a Pdns, streams: Streams<Frames>, context: SourceContext) -> Self {
        let now_s = (context.now_s)();
        let counter: CounterKey = format!("protobuf {} since {now_s}", config.listen).into();
        let zones = config.zones();
        let canaries = ZoneCanaries::new(SourceKind::Pdns, config.canaries, &zones);
        let rules = Rules::new(zones, config.resolver(&counter));
        let connected = Connected::new(SourceKind::Pdns, &context);
        Self {
            config,
            context,
            streams,
            connected,
            rules,
            counter,
            delivery: Delivery::default(),
            hits: 0,
            told_uncounted: false,
            canaries,
        }
    }

    fn run(&mut self) -> Result<(), RecorderGone> {
        let interval = Duration::from_secs(self.config.counters_interval_s.max(1));
        let (mut rules_due, mut counters_due) = (Instant::now(), Instant::now() + interval);
        self.rules.refresh(&self.context, true);
        self.send_rules()?;
        // Before a connection is taken: what is queued from now on is for this run.
        self.read_counters()?;
        if self.context.resume.is_some() {
            // While no agent listened.
            self.connected.unsure(&self.context)?;
        }
        self.report(Gathered::default(), true)?;
        while !self.context.stopping() {
            let now = Instant::now();
            if now >= rules_due {
                rules_due = now + RULES_INTERVAL;
                if self.rules.refresh(&self.context, false) {
                    self.send_rules()?;
                }
            }
            if now >= counters_due {
                counters_due = now + interval;
                self.read_counters()?;
            }
            self.streams.wait();
            self.receive()?;
            self.connected.look(self.streams.is_connected(), &self.context)?;
            self.send_canaries()?;
        }
        // What was sent until now is recorded now.
        self.receive()
    }

    /// Reads every connection until nothing is left.
    fn receive(&mut self) -> Result<(), RecorderGone> {
        loop {
            let mut gathered = Gathered::default();
            let mut messages = Vec::new();
            let received =
                self.streams.receive(&mut |message| messages.push(message::read(message)));
            for message in messages {
                self.take(message, &mut gathered);
            }
            gathered.not_parsed += received.broken;
            self.report(gathered, false)?;
            if !received.more {
                return Ok(());
            }
        }
    }

    fn take(&mut self, message: Read, gathered: &mut Gathered) {
        self.delivery.received += 1;
        let told = match message {
            Read::NotUnderstood => {
                gathered.not_parsed += 1;
                return;
            }
            Read::Told(told) if told.is_hit() => told,
            Read::NotOurs | Read::Told(_) => return,
        };
        let applied = told.applied(Some(self.label(&told)));
        // Its message has arrived, and is no hit: in what is counted here it is on neither side.
        if let Some(name) = self.rules.canary_of(&applied) {
            return self.canaries.seen(name);
        }
        self.hits += 1;
        let cause = self.rules.cause_or_new(&applied, &self.context, gathered);
        let hit = rpz::hit(&applied, cause, told.at_s, &self.context);
        // A custom answer has the status of what it leads to; of extended errors nothing is told.
        let response = Response::Dns { rcode: told.rcode, extended_errors: Vec::new() };
        gathered.add(crate::observation::Hit { response, ..hit });
    }

    /// The policy's name; of a policy that is not configured here, and whose name carries no claim, the tag
    /// that does.
    fn label<'t>(&self, told: &'t Told) -> &'t str {
        let known = self.config.policies.iter().any(|policy| policy.name == told.policy);
        let tag = told.tags.iter().find(|tag| says_something(tag));
        match tag {
            Some(tag) if !known && !says_something(&told.policy) => tag,
            _ => &told.policy,
        }
    }

    fn report(&mut self, gathered: Gathered, always: bool) -> Result<(), RecorderGone> {
        let Gathered { hits, not_parsed, lost: _, new_rules, refreshed: _, canaries: _ } = gathered;
        if new_rules {
            self.send_rules()?;
        }
        if hits.is_empty() && not_parsed == 0 && !always {
            return Ok(());
        }
        self.send(Report::Hits {
            source: SourceKind::Pdns,
            hits,
            not_parsed: NotParsed { count: not_parsed, at_s: (self.context.now_s)() },
            canaries: None,
            cursor: Some(mark()),
            import: None,
        })
    }

    fn read_counters(&mut self) -> Result<(), RecorderGone> {
        let Some(webserver) = self.config.webserver else { return Ok(()) };
        let counted = metrics::ask(webserver, self.config.listen);
        let handed = counted.as_ref().ok().and_then(|counted| counted.handed);
        let Some(handed) = handed else {
            if !self.told_uncounted {
                tracing::warn!(%webserver, "powerdns does not say what it sends: no counter to check against");
            }
            self.told_uncounted = true;
            return Ok(());
        };
        self.told_uncounted = false;
        self.receive()?;
        let at_s = (self.context.now_s)();
        match self.delivery.reading(handed) {
            None => self.connected.unsure(&self.context)?,
            Some(0) => {}
            Some(count) => {
                let (source, cause) = (SourceKind::Pdns, LossCause::AgentQueue);
                self.send(Report::Lost { source, cause, count, at_s })?;
            }
        }
        self.send(Report::Counters(CounterReading {
            source: SourceKind::Pdns,
            at_s,
            counters: vec![(self.counter.clone(), self.hits + self.delivery.all_missing())],
            self_protection: Vec::new(),
        }))
    }

    fn send(&self, report: Report) -> Result<(), RecorderGone> {
        (self.context.send)(report)
    }

    fn send_canaries(&mut self) -> Result<(), RecorderGone> {
        self.canaries.aim(self.rules.canaries());
        let news = self.canaries.step(&self.context);
        news.into_iter().try_for_each(|report| (self.context.send)(report))
    }

    fn send_rules(&self) -> Result<(), RecorderGone> {
        self.send(Report::Rules(self.rules.state((self.context.now_s)())))
    }
}

/// No file has such a path: those of the settings are absolute.
const MARK: &str = "pdns";

fn mark() -> Cursor {
    Cursor { path: MARK.into(), inode: 0, offset: 0, head_size: 0, head_digest: [0; 32] }
}

#[cfg(test)]
mod tests;
