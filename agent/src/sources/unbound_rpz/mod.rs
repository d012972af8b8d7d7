//! Unbound's response policy zones: which names and addresses the resolver blocks, and how often.
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
//! Not seen here, because Unbound neither logs nor counts it: a name blocked as the target of an
//! upstream CNAME (1.17.1 answers NXDOMAIN in silence; NLnetLabs/unbound#954).
//!
//! Sources: draft-vixie-dnsop-dns-rpz; Unbound's services/rpz.c, respip/respip.c, util/log.c,
//! daemon/remote.c; measured with 1.17.1.

mod control;
mod examine;
pub mod line;
mod settings;

use std::{path::PathBuf, sync::Arc};

use remit_proto::v1::SourceKind;

use self::line::Line;
pub use self::settings::TECHNOLOGY;
use super::{
    Source, SourceContext, SourceError,
    rpz::{
        self, RpzZone,
        rules::{Resolver, Rules},
    },
    tail::{self, Gathered, Lines, Tail},
};
use crate::{
    doctor::Finding,
    observation::{CounterKey, RuleState},
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
            is_ours: line::is_ours,
            poll_ms: self.poll_ms,
            counters_interval_s: self.counters_interval_s,
        };
        Tail::new(Unbound::new(self), settings, context)
    }

    /// The one separate counter of a resolver: Unbound counts per action, not per rule.
    fn counter_key(&self) -> CounterKey {
        format!("rpz {}", self.log.display()).into()
    }

    fn resolver(&self) -> Resolver {
        Resolver {
            source: SourceKind::UnboundRpz,
            instance: format!("unbound_rpz/{}", self.log.display()),
            lines_name_zones: false,
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

/// What Unbound says.
struct Unbound {
    config: UnboundRpz,
    rules: Rules,
    labels: Vec<String>,
    /// That nothing is counted was logged.
    told_uncounted: bool,
}

impl Unbound {
    fn new(config: &UnboundRpz) -> Self {
        Self {
            config: config.clone(),
            rules: Rules::new(config.zones.clone(), config.resolver()),
            labels: config.zones.iter().filter_map(|zone| zone.log_name.clone()).collect(),
            told_uncounted: false,
        }
    }
}

impl Lines for Unbound {
    fn line(&mut self, line: &[u8], context: &SourceContext, gathered: &mut Gathered) {
        let applied = match line::parse(line, &self.labels) {
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
        let cause = self.rules.cause_or_new(&applied, context, gathered);
        gathered.add(rpz::hit(&applied, cause, at_s, context));
    }

    fn refresh(&mut self, context: &SourceContext, thorough: bool) -> bool {
        self.rules.refresh(context, thorough)
    }

    fn rules(&self, at_s: i64) -> RuleState {
        self.rules.state(at_s)
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
