//! Unbound's response policy zones, and its local zones: which names and addresses the resolver blocks,
//! and how often.
//!
//! In: the zone files, the log file that `rpz-log: yes` fills, and, if the operator gives it, the
//! control socket. Out: reports, by [`Tail`], which promises that each line counts once.
//!
//! Promised here:
//! - The rule named is the rule's own owner name. What was asked for is beside it only where the owner
//!   does not name it singly, the node may name it, and the rule does not stand for one customer.
//! - The client's address is stepped over while a line is read (`line`), and is in no type after it.
//!
//! Counted as hits are NXDOMAIN, no data, drop, local data and CNAME overrides. Not counted, neither
//! in lines nor in counters: `rpz-passthru` and `rpz-disabled`, which block nothing, and
//! `rpz-tcp-only`, of which Unbound logs and counts the truncated answer and the TCP retry that it
//! lets through in the same words. Such rules are in the rule state all the same.
//!
//! Names that zones block for the agent's own sake are canaries (`rpz::canary`) and no hits.
//!
//! Local zones are read if `local_zones` is set: see [`local`].
//!
//! Not seen here, because Unbound neither logs nor counts it: a name blocked as the target of an
//! upstream CNAME (1.17.1 answers NXDOMAIN in silence; NLnetLabs/unbound#954).
//!
//! Sources: draft-vixie-dnsop-dns-rpz; Unbound's services/rpz.c, respip/respip.c, util/log.c,
//! daemon/remote.c; measured with 1.17.1.

pub mod control;
mod examine;
pub mod line;
pub mod local;
mod settings;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use remit_proto::v1::SourceKind;

pub use self::settings::TECHNOLOGY;
use self::{line::Line, local::LocalZones};
use super::{
    FileUse, Source, SourceContext, SourceError,
    raw_log::RawLog,
    rpz::{
        self, RpzZone,
        canary::ZoneCanaries,
        rules::{Resolver, Rules},
    },
    tail::{self, Gathered, Lines, Tail},
};
use crate::{
    doctor::Finding,
    observation::{CounterKey, Report, RuleState},
};

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
    /// Also `local-zone:`, with `log-local-actions: yes`. Needs `control`.
    pub local_zones: bool,
    /// Where the resolver is asked for the canaries of its zones; `None`: there are none.
    pub canaries: Option<SocketAddr>,
    pub poll_ms: u64,
    pub counters_interval_s: u64,
    /// Of the resolver's local time, for `log-time-ascii`; the default prefix needs none.
    pub utc_offset_s: i64,
}

impl Source for UnboundRpz {
    fn kind(&self) -> SourceKind {
        SourceKind::UnboundRpz
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn file(&self) -> Option<&std::path::Path> {
        Some(&self.log)
    }

    fn files(&self) -> Vec<FileUse> {
        let zones = self.zones.iter().map(|zone| zone.file.clone());
        zones.chain([self.log.clone()]).chain(self.control.clone()).map(FileUse::Read).collect()
    }

    fn canary_paths(&self) -> Vec<Arc<str>> {
        self.canaries.map(|_| rpz::canary::paths(&self.zones)).unwrap_or_default()
    }

    fn raw_log(&self) -> RawLog {
        RawLog::File { path: self.log.clone(), names_clients: true }
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        // The recorder is gone: the agent is stopping.
        let _stopped = self.tail(context).run();
        Ok(())
    }

    fn examine(&self, _: &SourceContext) -> Vec<Finding> {
        examine::examine(self)
    }
}

impl UnboundRpz {
    fn tail(&self, context: SourceContext) -> Tail<Unbound> {
        let settings = tail::Settings {
            source: SourceKind::UnboundRpz,
            log: self.log.clone(),
            is_ours: if self.local_zones { is_any_of_ours } else { line::is_ours },
            poll_ms: self.poll_ms,
            counters_interval_s: self.counters_interval_s,
        };
        Tail::new(Unbound::new(self), settings, context)
    }

    /// Prefix of the key texts of rules.
    fn instance(&self) -> String {
        format!("unbound_rpz/{}", self.log.display())
    }

    /// The one separate counter of a resolver: Unbound counts per action, not per rule.
    fn counter_key(&self) -> CounterKey {
        format!("rpz {}", self.log.display()).into()
    }

    fn resolver(&self) -> Resolver {
        Resolver {
            source: SourceKind::UnboundRpz,
            instance: self.instance(),
            lines_name_zones: false,
            lines_name_what_was_found: false,
            counter: self.control.as_ref().map(|_| self.counter_key()),
            // Unbound logs the truncated answer and the TCP retry in the same words.
            counts_tcp_only: false,
            loaded: self.control.clone().map(|socket| -> rpz::rules::AskSerials {
                Box::new(move |zones| {
                    let answer = control::ask(&socket, "list_auth_zones").unwrap_or_default();
                    zones.iter().map(|zone| control::loaded_serial(&answer, zone)).collect()
                })
            }),
        }
    }
}

fn is_any_of_ours(line: &[u8]) -> bool {
    line::is_ours(line) || local::is_ours(line)
}

/// What Unbound says.
struct Unbound {
    config: UnboundRpz,
    rules: Rules,
    /// `None`: local zones are not read.
    local: Option<LocalZones>,
    labels: Vec<String>,
    /// That nothing is counted was logged.
    told_uncounted: bool,
    canaries: ZoneCanaries,
}

impl Unbound {
    fn new(config: &UnboundRpz) -> Self {
        Self {
            config: config.clone(),
            rules: Rules::new(config.zones.clone(), config.resolver()),
            local: config.local_zones.then(LocalZones::default),
            labels: config.zones.iter().filter_map(|zone| zone.log_name.clone()).collect(),
            told_uncounted: false,
            canaries: ZoneCanaries::new(SourceKind::UnboundRpz, config.canaries, &config.zones),
        }
    }
}

impl Unbound {
    /// Asks for the local zones. True if something is to be told.
    fn ask_local_zones(&mut self, context: &SourceContext) -> bool {
        let (Some(zones), Some(socket)) = (&mut self.local, &self.config.control) else {
            return false;
        };
        let answers = control::ask(socket, "list_local_zones").and_then(|names| {
            let needed = local::let_data_through(&names);
            let data =
                if needed { control::ask(socket, "list_local_data")? } else { String::new() };
            Ok((names, data))
        });
        let answers = answers.as_ref().ok().map(|(names, data)| (names.as_str(), data.as_str()));
        zones.take(answers, &self.config.instance(), context)
    }

    /// A line of `log-local-actions`.
    fn local_line(&mut self, line: &[u8], context: &SourceContext, gathered: &mut Gathered) {
        let acted = match local::parse(line) {
            local::Line::NotOurs => return,
            local::Line::NotUnderstood => {
                gathered.not_parsed += 1;
                return;
            }
            local::Line::Acted(acted) => acted,
        };
        if self.local.as_ref().is_some_and(|zones| !zones.knows(&acted)) && !gathered.refreshed {
            gathered.refreshed = true;
            gathered.new_rules |= self.ask_local_zones(context);
        }
        let Some(zones) = &mut self.local else { return };
        let clock = ((context.now_s)(), self.config.utc_offset_s);
        match zones.hit(&acted, clock, &self.config.instance(), context) {
            Ok(Some((hit, new))) => {
                gathered.new_rules |= new;
                gathered.add(hit);
            }
            Ok(None) => {}
            Err(local::NoDate) => gathered.not_parsed += 1,
        }
    }
}

impl Lines for Unbound {
    fn line(&mut self, line: &[u8], context: &SourceContext, gathered: &mut Gathered) {
        let applied = match line::parse(line, &self.labels) {
            Line::NotOurs if self.local.is_some() => {
                return self.local_line(line, context, gathered);
            }
            Line::NotOurs => return,
            Line::NotUnderstood => None,
            Line::Applied(applied) if !line::is_hit(applied.done) => return,
            Line::Applied(applied) => Some(applied),
        };
        let now_s = (context.now_s)();
        let dated = applied.and_then(|applied| {
            let at_s = applied.stamp.at(now_s, self.config.utc_offset_s)?;
            Some((applied, at_s))
        });
        let Some((applied, at_s)) = dated else {
            gathered.not_parsed += 1;
            return;
        };
        if let Some(name) = self.rules.canary_of(&applied) {
            self.canaries.seen(name);
            return gathered
                .canary(self.config.control.as_ref().map(|_| self.config.counter_key()));
        }
        let cause = self.rules.cause_or_new(&applied, context, gathered);
        gathered.add(rpz::hit(&applied, cause, at_s, context));
    }

    fn step(&mut self, context: &SourceContext) -> Vec<Report> {
        self.canaries.aim(self.rules.canaries());
        self.canaries.step(context)
    }

    fn refresh(&mut self, context: &SourceContext, thorough: bool) -> bool {
        let due = thorough && self.local.as_ref().is_some_and(LocalZones::is_due);
        let local_changed = due && self.ask_local_zones(context);
        self.rules.refresh(context, thorough) || local_changed
    }

    fn rules(&self, at_s: i64) -> RuleState {
        let mut state = self.rules.state(at_s);
        if let Some(local) = &self.local {
            state.rules.extend(local.rules());
            state.unstable |= local.unstable;
        }
        state
    }

    /// `None`: there is no control socket, Unbound does not answer, or it does not count actions.
    /// There is no reading then, and the account says so.
    fn counters(&mut self) -> Option<Vec<(CounterKey, u64)>> {
        let socket = self.config.control.as_ref()?;
        let answer = control::ask(socket, "stats_noreset");
        let blocks = answer.as_ref().ok().and_then(|answer| control::blocks(answer));
        if blocks.is_none() && !self.told_uncounted {
            match &answer {
                Ok(_) => tracing::warn!("unbound counts no actions: set extended-statistics: yes"),
                Err(error) => tracing::warn!(
                    control = %socket.display(), %error,
                    "unbound does not answer on its control socket: no counters to check against"
                ),
            }
        }
        self.told_uncounted = blocks.is_none();
        Some(vec![(self.config.counter_key(), blocks?)])
    }
}

#[cfg(test)]
mod tests;
