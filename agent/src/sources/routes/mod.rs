//! Null routes: which destinations the kernel sends nowhere, and how often it was asked to.
//!
//! In: the routing tables of the network namespace that the calling thread is in (rtnetlink: a dump,
//! and word of each change); and, if the operator has a rule of nftables for packets without a way
//! (`fib daddr . mark oif missing`, see `remit-agent template routes`), its named counter and the
//! NFLOG group that it logs to. Out: [`Report`]s. One thread.
//!
//! # What is a rule
//!
//! - `blackhole`, `unreachable` and `prohibit` routes of IPv4 and IPv6, in all tables. In a table other
//!   than main, default and local the rule is *narrowed*: a policy rule says who asks there.
//! - `throw` in the tables main and default, where by the policy rules that every host has nothing
//!   comes after it: the sender is told that there is no way (measured). Elsewhere it sends on to the
//!   next table and blocks nothing.
//! - Not a rule but counted for the node's own sake (DESIGN.md idea 9, `SelfProtection`
//!   "route/ipv4/last", "route/ipv6/last"): a null route for the default prefix behind all others
//!   (metric 4278198272 or more: the kernel's own IPv6 entry, the last resort of a VRF). It says that
//!   there is no way where there is none; without it the kernel would say the same. A null default
//!   before that is a rule: it can shut down everything.
//! - All else is judged, also what protects the node's network (bogons, the pull-up route of an
//!   announced prefix): it is told apart by what it claims, such as `class:security`, not by a guess.
//!
//! A route carries no text, so a claim is always mapped: `route:prefix/<prefix>`, `route:realm/<n>`,
//! `route:metric/<n>`, `route:proto/<n>`, `route:table/<n>`, the first of these that is in the map.
//!
//! # What is a hit
//!
//! - With a log group: each packet that the rule logs, given to the null route with the longest prefix
//!   that holds its destination. If several tables have one, the others are candidates too.
//! - With a counter alone: its growth, of which nobody knows the route unless there is only one.
//! - With neither: rules alone.
//!
//! A packet that was logged and for which no null route stands had no way at all. With a counter it is
//! a loss (`NOT_PARSED`), since the counter has it; without one it is counted for the node's own sake
//! ("route/none").
//!
//! Not seen: packets of the node itself (they pass no prerouting hook); policy rules that drop
//! (`ip rule … blackhole`); who set a route, beyond its `proto`; more specific routes inside a null
//! route, which make its reach smaller than its prefix.
//!
//! Sources: `rtnetlink(7)`, `ip-route(8)`, kernel `net/netfilter/nft_fib*.c`; measured on 6.18.

mod examine;
mod known;
mod settings;
mod tables;
pub mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use remit_proto::v1::{LossCause, SelfProtection, SourceKind};

use self::{
    known::{Known, Met, Ways},
    tables::{BUFFER_SIZE, Tables},
    wire::Kind,
};
pub use self::{settings::TECHNOLOGY, tables::DumpError};
use super::{
    FileUse, RecorderGone, SourceContext, SourceError,
    nflog::{self, NflogReader, ReadStats},
    nftables::NftablesError,
    raw_log::RawLog,
};
use crate::{
    doctor::Finding,
    kernel::{Malformed, Messages, NetlinkSocket, ReceiveError},
    observation::{
        CounterKey, CounterReading, Hit, HitTarget, NotParsed, Report, RuleNumber, RuleState,
    },
    rules::nftables::{Family, Reader},
};

/// Between two looks at the stop flag; the kernel hands on what it has logged each tenth of a second.
const TICK: Duration = Duration::from_millis(100);
/// Between two reports of changed routes: a daemon sets thousands of them at once.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Should a notification be lost without a word.
const DUMP_INTERVAL: Duration = Duration::from_secs(30);
/// A notification of a null route is some hundred bytes; this holds what a daemon sets at once.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Between two statements that hits may be missing.
const BLIND_INTERVAL: Duration = Duration::from_secs(60);
/// How long a route that is gone may still have packets in the queue.
const GONE_VALID: Duration = Duration::from_secs(5);

/// The routing tables of the agent's own network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// NFLOG group of the rule for packets without a way; none: no single hits.
    pub log_group: Option<u16>,
    /// Its counter object, as "inet/table/counter".
    pub counter: Option<String>,
    pub counters_interval: Duration,
}

/// Why the source cannot go on. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    #[error("routes cannot be followed: the kernel gives no rtnetlink socket")]
    Socket(#[source] io::Error),
    #[error("the routing tables cannot be read")]
    Dump(#[source] DumpError),
    #[error("packets without a way cannot be followed")]
    Nflog(#[source] NftablesError),
    #[error("the counter of packets without a way cannot be read")]
    Counter(#[source] NftablesError),
}

impl super::Source for Routes {
    fn kind(&self) -> SourceKind {
        SOURCE
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

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        observe(&self, &context).map_err(|error| SourceError::Failed("routes".into(), error.into()))
    }

    fn examine(&self, context: &SourceContext) -> Vec<Finding> {
        examine::examine(self, context)
    }
}

/// Runs in the network namespace of the caller until the stop flag is set or the recorder is gone, or
/// an operator must act on an error.
fn observe(config: &Routes, context: &SourceContext) -> Result<(), RoutesError> {
    let mut follower = Follower::open(config, context)?;
    match follower.run() {
        Ok(()) | Err(Ended::Recorder) => Ok(()),
        Err(Ended::Failed(error)) => Err(error),
    }
}

enum Ended {
    Recorder,
    Failed(RoutesError),
}

impl From<RecorderGone> for Ended {
    fn from(RecorderGone: RecorderGone) -> Self {
        Self::Recorder
    }
}

impl From<RoutesError> for Ended {
    fn from(error: RoutesError) -> Self {
        Self::Failed(error)
    }
}

struct Follower<'a> {
    config: &'a Routes,
    context: &'a SourceContext,
    tables: Tables,
    watch: NetlinkSocket,
    buffer: Vec<u8>,
    counter: Option<(CounterKey, Reader)>,
    /// It was there when it was last looked at.
    is_counted: bool,
    nflog: Option<NflogReader>,
    known: Known,
    /// As last reported, and when.
    ways: Ways,
    reported: Instant,
    states: u64,
    changed: bool,
    /// The ways before, while packets that took them may be in the queue.
    before: Option<(Ways, Instant)>,
    dump_due: Instant,
    counters_due: Instant,
    counted: Option<u64>,
    /// Packets without a way and without a null route.
    nowhere: u64,
    sure_until_s: i64,
    blind: Option<Instant>,
    in_trouble: bool,
}

impl<'a> Follower<'a> {
    fn open(config: &'a Routes, context: &'a SourceContext) -> Result<Self, RoutesError> {
        let watch = listen().map_err(RoutesError::Socket)?;
        let counter = config.counter.as_deref().map(|name| {
            let reader = Reader::open().map_err(NftablesError::read);
            reader.map(|reader| (CounterKey::from(name), reader)).map_err(RoutesError::Counter)
        });
        let now = Instant::now();
        Ok(Self {
            config,
            context,
            tables: Tables::open().map_err(RoutesError::Socket)?,
            watch,
            buffer: vec![0; BUFFER_SIZE],
            counter: counter.transpose()?,
            is_counted: false,
            nflog: None,
            known: Known::default(),
            ways: Ways::default(),
            reported: now,
            states: 0,
            changed: true,
            before: None,
            dump_due: now,
            counters_due: now + config.counters_interval,
            counted: None,
            nowhere: 0,
            sure_until_s: (context.now_s)(),
            blind: None,
            in_trouble: false,
        })
    }

    fn run(&mut self) -> Result<(), Ended> {
        // What the counter shows now and has not shown before happened while nobody looked.
        self.count()?;
        if let Some(group) = self.config.log_group {
            let reader = NflogReader::bind(group, &nflog::Settings::default())
                .map_err(|error| RoutesError::Nflog(NftablesError::nflog(group, error)))?;
            self.nflog = Some(reader);
        }
        self.known = self.tables.dump().map_err(RoutesError::Dump)?;
        self.dump_due = Instant::now() + DUMP_INTERVAL;
        self.report()?;
        while !self.context.stopping() {
            self.step(TICK)?;
        }
        // What the kernel still has is recorded now and not lost to the downtime.
        self.step(2 * TICK)?;
        self.count()
    }

    fn step(&mut self, wait: Duration) -> Result<(), Ended> {
        // What has changed is known before the packets that met it are read.
        self.listen(if self.nflog.is_some() { Duration::ZERO } else { wait })?;
        let now = Instant::now();
        if now >= self.dump_due {
            self.refresh()?;
        }
        if self.changed {
            thread::sleep((self.reported + DEBOUNCE).saturating_duration_since(now));
            self.report()?;
        }
        self.read_hits(wait)?;
        if now >= self.counters_due {
            self.counters_due = now + self.config.counters_interval;
            self.count()?;
        }
        Ok(())
    }

    /// Hears of changes: of the first for as long as `timeout`, then of what is there.
    fn listen(&mut self, timeout: Duration) -> Result<(), Ended> {
        let mut left = timeout;
        loop {
            let datagram = match self.watch.receive(&mut self.buffer, left) {
                Ok(Some(datagram)) if !datagram.truncated => datagram,
                Ok(None) => return Ok(()),
                // Some were lost: the tables are read again.
                Ok(Some(_)) | Err(ReceiveError::NoBufferSpace) => {
                    self.dump_due = Instant::now();
                    continue;
                }
                Err(ReceiveError::Io(error)) => return Err(RoutesError::Socket(error).into()),
            };
            left = Duration::ZERO;
            let bytes = self.buffer.get(..datagram.size).unwrap_or_default();
            for message in Messages::new(bytes) {
                match message.and_then(|message| wire::change(&message)) {
                    Ok(Some(change)) => {
                        self.known.apply(change);
                        self.changed = true;
                    }
                    Ok(None) => {}
                    Err(Malformed) => self.dump_due = Instant::now(),
                }
            }
        }
    }

    fn refresh(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        match self.tables.dump() {
            Ok(known) => {
                self.dump_due = now + DUMP_INTERVAL;
                self.changed |= known != self.known;
                self.known = known;
                self.in_trouble = false;
                if self.blind.take().is_some() {
                    self.say_blind()?;
                }
                self.sure_until_s = (self.context.now_s)();
            }
            Err(error) => {
                self.dump_due = now + Duration::from_secs(1);
                if !std::mem::replace(&mut self.in_trouble, true) {
                    let error = crate::logging::chain(&error);
                    tracing::warn!(error, "routes cannot be read; the last known rules stand");
                }
                if self.blind.is_none_or(|said| said.elapsed() >= BLIND_INTERVAL) {
                    self.blind = Some(now);
                    self.say_blind()?;
                }
            }
        }
        Ok(())
    }

    /// Routes that we do not know may be in force: that must be seen in the evidence too.
    fn say_blind(&mut self) -> Result<(), RecorderGone> {
        let until_s = (self.context.now_s)();
        let from_s = std::mem::replace(&mut self.sure_until_s, until_s).min(until_s);
        self.send(Report::Unsure { source: SOURCE, cause: LossCause::NotParsed, from_s, until_s })
    }

    fn report(&mut self) -> Result<(), RecorderGone> {
        self.changed = false;
        self.reported = Instant::now();
        self.states += 1;
        let counter = self.counter.as_ref().map(|(key, _)| key).filter(|_| self.is_counted);
        let rules = self.known.rules().map(|route| route.rule(self.context, counter).into());
        let state = RuleState {
            source: SOURCE,
            at_s: (self.context.now_s)(),
            generation: self.states,
            changed_by: String::new(),
            rules: rules.collect(),
            unstable: false,
            partial: false,
        };
        let ways = Ways::new(&self.known, self.context);
        self.before = Some((std::mem::replace(&mut self.ways, ways), self.reported));
        self.send(Report::Rules(state))
    }

    fn read_hits(&mut self, wait: Duration) -> Result<(), Ended> {
        let Some(reader) = &mut self.nflog else { return Ok(()) };
        let before = self.before.as_ref().filter(|(_, since)| since.elapsed() < GONE_VALID);
        let (ways, privacy) = (&self.ways, &self.context.privacy);
        let mut deeds = Deeds::default();
        let read = reader.read(wait, &mut |packet| {
            let met = packet.headers.as_ref().and_then(|headers| {
                let met = ways.met(headers.src, headers.dst);
                let met = met.or_else(|| before?.0.met(headers.src, headers.dst))?;
                let named = met.many && privacy.may_name(headers.dst);
                Some((met, named.then_some(headers.dst)))
            });
            match met {
                Some((met, named)) => deeds.add(met, named, 1),
                None => deeds.nowhere += 1,
            }
        });
        let group = self.config.log_group.unwrap_or_default();
        let stats = read.map_err(|error| RoutesError::Nflog(NftablesError::nflog(group, error)))?;
        self.send_hits(deeds, stats)
    }

    fn send_hits(&mut self, deeds: Deeds, stats: ReadStats) -> Result<(), Ended> {
        let ReadStats { messages: _, lost_by_sequence, enobufs, malformed, truncated: _ } = stats;
        let at_s = (self.context.now_s)();
        let Deeds { hits, nowhere } = deeds;
        let mut not_parsed = malformed;
        if self.is_counted {
            not_parsed += nowhere;
        } else {
            self.nowhere += nowhere;
        }
        if !hits.is_empty() {
            let hits = hits.into_values().map(|hit| Hit { at_s, ..hit }).collect();
            self.send_hit_report(hits)?;
        }
        let losses =
            [(LossCause::KernelQueue, lost_by_sequence), (LossCause::NotParsed, not_parsed)];
        for (cause, count) in losses.into_iter().filter(|(_, count)| *count > 0) {
            self.send(Report::Lost { source: SOURCE, cause, count, at_s })?;
        }
        if enobufs > 0 {
            let cause = LossCause::KernelQueue;
            self.send(Report::Unsure { source: SOURCE, cause, from_s: at_s, until_s: at_s })?;
        }
        Ok(())
    }

    /// A reading of the counter, and of what is for the node's own sake.
    fn count(&mut self) -> Result<(), Ended> {
        let at_s = (self.context.now_s)();
        let value = self.read_counter()?;
        self.changed |= std::mem::replace(&mut self.is_counted, value.is_some()) != value.is_some();
        if let Some(value) = value {
            let before = self.counted.replace(value);
            // Without a log the counter alone tells of hits.
            let growth = before.map_or(0, |b| value.checked_sub(b).unwrap_or(value));
            if self.nflog.is_none()
                && growth > 0
                && let Some(met) = self.ways.any()
            {
                let mut deeds = Deeds::default();
                deeds.add(met, None, growth);
                self.send_hits(deeds, ReadStats::default())?;
            }
        }
        let (v4, v6) = self.known.own();
        let own = [("route/ipv4/last", 0, v4), ("route/ipv6/last", 0, v6)];
        let own = own.into_iter().chain([("route/none", self.nowhere, 0)]);
        let own = own.filter(|(_, packets, rules)| packets + rules > 0);
        let self_protection = own
            .map(|(chain, packets, uncounted_rules)| SelfProtection {
                chain: chain.into(),
                packets,
                uncounted_rules,
            })
            .collect();
        let counters = self.counter.iter().zip(value).map(|((key, _), value)| (key.clone(), value));
        let counters = counters.collect();
        let reading = CounterReading { source: SOURCE, at_s, counters, self_protection };
        Ok(self.send(Report::Counters(reading))?)
    }

    fn read_counter(&mut self) -> Result<Option<u64>, Ended> {
        let Some((key, reader)) = &mut self.counter else { return Ok(None) };
        match read_counter(reader, key) {
            Ok(value) => Ok(value),
            Err(NftablesError::Read(_)) => Ok(None),
            Err(error) => Err(RoutesError::Counter(error).into()),
        }
    }

    fn send_hit_report(&self, hits: Vec<Hit>) -> Result<(), RecorderGone> {
        let not_parsed = NotParsed::default();
        self.send(Report::Hits {
            source: SOURCE,
            hits,
            not_parsed,
            canaries: None,
            cursor: None,
            import: None,
        })
    }

    fn send(&self, report: Report) -> Result<(), RecorderGone> {
        (self.context.send)(report)
    }
}

/// Packets of one counter object, as "inet/table/counter"; `None` if there is none of that name.
fn read_counter(reader: &mut Reader, name: &str) -> Result<Option<u64>, NftablesError> {
    let (_, counters) = reader.read_counters().map_err(NftablesError::read)?;
    let named = counters.into_iter().find(|counter| {
        let family = match counter.family {
            Family::Inet => "inet",
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
            Family::Netdev => "netdev",
            Family::Bridge | Family::Arp | Family::Other(_) => return false,
        };
        format!("{family}/{}/{}", counter.table, counter.name) == name
    });
    Ok(named.map(|counter| counter.packets))
}

/// Word of changes. The filter comes first, or what it keeps out may already be queued.
fn listen() -> io::Result<NetlinkSocket> {
    let watch = NetlinkSocket::route()?;
    watch.set_receive_buffer(RECEIVE_BUFFER)?;
    watch.keep_routes(Kind::Blackhole.number(), Kind::Throw.number())?;
    for group in [libc::RTNLGRP_IPV4_ROUTE, libc::RTNLGRP_IPV6_ROUTE] {
        watch.join_group(group as libc::c_int)?;
    }
    Ok(watch)
}

/// Equal hits of one read.
#[derive(Default)]
struct Deeds {
    hits: HashMap<(RuleNumber, Option<IpAddr>), Hit>,
    nowhere: u64,
}

impl Deeds {
    fn add(&mut self, met: Met, named: Option<IpAddr>, count: u64) {
        let Met { rule, others, response, many: _ } = met;
        let hit = self.hits.entry((rule, named)).or_insert_with(|| Hit {
            rule,
            at_s: 0,
            count: 0,
            hit_target: named.map(HitTarget::Address),
            response,
            other_candidates: others,
        });
        hit.count += count;
    }
}

const SOURCE: SourceKind = SourceKind::Routes;
