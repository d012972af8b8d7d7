//! BIND's response policy zones: which names and addresses the resolver blocks, and how often.
//!
//! In: the zone files, the log file of the category `rpz`, and, if the operator gives it, the
//! statistics channel. Out: reports, by [`Tail`], which promises that each line counts once.
//!
//! Promised here:
//! - The rule named is the policy zone's own record: BIND's lines name what was looked up, and where no
//!   record has that name, the closest wildcard of the zone is the rule (RFC 4592).
//! - What was asked for is beside the rule only where the rule does not name it singly, the node may
//!   name it, and the rule does not stand for one customer. It is the name that was rewritten: after an
//!   alias, the alias's target.
//! - The client's address is stepped over while a line is read (`line`), and is in no type after it.
//!
//! Counted as hits are NXDOMAIN, no data, drop, local data, CNAME and `tcp-only`, of which BIND logs and
//! counts the truncated answer and not the TCP retry. Not counted: `passthru`, and what `policy
//! disabled` would have done. The separate counter is the server's `RPZRewrites`, which leaves out the
//! same two; each zone's counter of that name does not, so it is not compared.
//!
//! A rule of local data logs `NODATA` for the types that it does not hold; that is a hit of the rule.
//!
//! Not read: files in raw format (`masterfile-format raw`, BIND's default for secondary zones: set
//! `text`), journals (`.jnl`). Where BIND has loaded another serial than the file holds, the state is
//! said to be unstable. Not seen, because BIND does not log it: zones with `log no` in
//! `response-policy`; they are counted, and so stand as missing.
//!
//! The claim of a zone is carried by the first label of its name, `remit=de/2026-42.rpz.example.net`, or
//! else said by the basis map (`zone:<name>`).
//!
//! Sources: BIND's lib/ns/query.c (`rpz_log_rewrite`), lib/dns/rpz.c, bin/named/statschannel.c; measured
//! with 9.18.49.

mod examine;
pub mod line;
mod settings;
pub mod statistics;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use remit_proto::v1::SourceKind;

use self::line::{Apex, Line};
pub use self::settings::TECHNOLOGY;
use super::{
    FileUse, Source, SourceContext, SourceError,
    raw_log::RawLog,
    rpz::{
        self, RpzZone,
        canary::ZoneCanaries,
        rules::{AskSerials, Resolver, Rules},
    },
    tail::{self, Gathered, Lines, Tail},
};
use crate::{
    doctor::Finding,
    observation::{CounterKey, Report, RuleState},
};

/// One resolver on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindRpz {
    /// `file` of the logging channel.
    pub log: PathBuf,
    /// `statistics-channels`. Without it there is no counter, and zone files are taken to be loaded as
    /// they stand.
    pub statistics: Option<SocketAddr>,
    /// In the order of `response-policy`, which is the order of precedence.
    pub zones: Vec<RpzZone>,
    /// Where the resolver is asked for the canaries of its zones; `None`: there are none.
    pub canaries: Option<SocketAddr>,
    pub poll_ms: u64,
    pub counters_interval_s: u64,
    /// Of the resolver's local time, for `print-time local` and `iso8601`; `iso8601-utc` needs none.
    pub utc_offset_s: i64,
}

impl Source for BindRpz {
    fn kind(&self) -> SourceKind {
        SourceKind::BindRpz
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.log)
    }

    fn files(&self) -> Vec<FileUse> {
        let zones = self.zones.iter().map(|zone| zone.file.clone());
        zones.chain([self.log.clone()]).map(FileUse::Read).collect()
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

    fn examine(&self, context: &SourceContext) -> Vec<Finding> {
        examine::examine(self, context)
    }
}

impl BindRpz {
    fn tail(&self, context: SourceContext) -> Tail<Bind> {
        let settings = tail::Settings {
            source: SourceKind::BindRpz,
            log: self.log.clone(),
            is_ours: line::is_ours,
            poll_ms: self.poll_ms,
            counters_interval_s: self.counters_interval_s,
        };
        let bind = Bind {
            config: self.clone(),
            rules: Rules::new(self.zones.clone(), self.resolver()),
            zones: self.zones.iter().filter_map(|zone| Apex::new(&zone.name)).collect(),
            told_uncounted: false,
            canaries: ZoneCanaries::new(SourceKind::BindRpz, self.canaries, &self.zones),
        };
        Tail::new(bind, settings, context)
    }

    /// The one separate counter of a resolver.
    fn counter_key(&self) -> CounterKey {
        format!("rpz {}", self.log.display()).into()
    }

    fn resolver(&self) -> Resolver {
        Resolver {
            source: SourceKind::BindRpz,
            instance: format!("bind_rpz/{}", self.log.display()),
            lines_name_zones: true,
            lines_name_what_was_found: true,
            counter: self.statistics.map(|_| self.counter_key()),
            counts_tcp_only: true,
            loaded: self.statistics.map(|address| -> AskSerials {
                Box::new(move |zones| statistics::serials(address, zones).unwrap_or_default())
            }),
        }
    }
}

/// What BIND says.
struct Bind {
    config: BindRpz,
    rules: Rules,
    zones: Vec<Apex>,
    /// That nothing is counted was logged.
    told_uncounted: bool,
    canaries: ZoneCanaries,
}

impl Lines for Bind {
    fn line(&mut self, line: &[u8], context: &SourceContext, gathered: &mut Gathered) {
        let applied = match line::parse(line, &self.zones) {
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
            return gathered.canary(self.config.statistics.map(|_| self.config.counter_key()));
        }
        let cause = self.rules.cause_or_new(&applied, context, gathered);
        gathered.add(rpz::hit(&applied, cause, at_s, context));
    }

    fn step(&mut self, context: &SourceContext) -> Vec<Report> {
        self.canaries.aim(self.rules.canaries());
        self.canaries.step(context)
    }

    fn refresh(&mut self, context: &SourceContext, thorough: bool) -> bool {
        self.rules.refresh(context, thorough)
    }

    fn rules(&self, at_s: i64) -> RuleState {
        self.rules.state(at_s)
    }

    /// `None`: there is no statistics channel, BIND does not answer, or it does not say. There is no
    /// reading then, and the account says so.
    fn counters(&mut self) -> Option<Vec<(CounterKey, u64)>> {
        let address = self.config.statistics?;
        let answer = statistics::rewrites(address);
        let rewrites = answer.as_ref().ok().copied().flatten();
        if rewrites.is_none() && !self.told_uncounted {
            match &answer {
                Ok(_) => {
                    tracing::warn!("bind does not say RPZRewrites: was it built without libxml2?")
                }
                Err(error) => tracing::warn!(
                    statistics = %address, %error,
                    "bind does not answer on its statistics channel: no counter to check against"
                ),
            }
        }
        self.told_uncounted = rewrites.is_none();
        Some(vec![(self.config.counter_key(), rewrites?)])
    }
}

#[cfg(test)]
mod tests;
