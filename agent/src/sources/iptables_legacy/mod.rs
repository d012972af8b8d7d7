//! iptables-legacy: rules of the old tables, by dumps that the operator lets write.
//!
//! In: files that `iptables-legacy-save -c` and `ip6tables-legacy-save -c` are written to, every few
//! seconds, by a timer of the operator's (`docs/sources/iptables-legacy.md`; why so: ADR 21). Out:
//! rules, their counters, and hits by counters alone.
//!
//! What iptables-nft loads is nftables and is read there; no packet meets both twice.
//!
//! # What is a rule
//!
//! What drops or rejects in FORWARD, PREROUTING or POSTROUTING, or in a chain that these lead to, and a
//! built-in chain of these whose policy is DROP. What only INPUT or OUTPUT leads to is the node's own
//! protection and is counted (DESIGN.md idea 9). What hands packets on (NFQUEUE, DNAT) is a rule of
//! technique `OTHER`, not counted. The table `nat` sees the first packet of a connection alone and drops nothing.
//!
//! The target is what `-d` names, else what `-s` names; with one port of tcp or udp, address and port.
//! All else narrows it. The claim stands in the rule's comment, else in the basis map
//! (`comment:<comment>`, `chain:iptables/<table>/<chain>`, `ip6tables/…`).
//!
//! # What is a hit
//!
//! Each rule has a counter of its own, which counts just what it drops: its growth from dump to dump is
//! its hits, exact in number, without what was hit. A counter that shows less began anew.
//!
//! Not seen: what a rule counted between the last dump and its removal; two changes of the rules
//! between two dumps; which packets were hit (a group of NFLOG has one owner, and where rules of
//! nftables log too, that is the source `nftables`).
//!
//! Where no dump is younger than `max_age_s`, that is said each minute: hits may be missing.

mod known;
pub mod save;
mod settings;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use remit_proto::v1::{LossCause, SourceKind};

pub use self::settings::TECHNOLOGY;
use self::{
    known::{Family, Known, known},
    save::SaveError,
};
use super::{
    FileUse, RecorderGone, Source, SourceContext, SourceError,
    raw_log::RawLog,
    tail::{BLIND_INTERVAL, nap},
};
use crate::{
    doctor::Finding,
    observation::{CounterKey, CounterReading, Hit, NotParsed, Report, RuleState},
};

const SOURCE: SourceKind = SourceKind::IptablesLegacy;
/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);
/// A hundred thousand rules; of what is longer nothing is believed.
const DUMP_SIZE_MAX: u64 = 32 * 1024 * 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IptablesLegacy {
    pub dump: PathBuf,
    pub dump6: Option<PathBuf>,
    pub max_age: Duration,
}

/// Why a dump says nothing.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("it is older than max_age_s")]
    Old,
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl Source for IptablesLegacy {
    fn kind(&self) -> SourceKind {
        SOURCE
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn files(&self) -> Vec<FileUse> {
        [Some(&self.dump), self.dump6.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .map(FileUse::Read)
            .collect()
    }

    fn raw_log(&self) -> RawLog {
        RawLog::None
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        // The recorder is gone: the agent is stopping.
        let _stopped = Follower::new(&self, &context).run();
        Ok(())
    }

    fn examine(&self, context: &SourceContext) -> Vec<Finding> {
        let files = [(Family::V4, Some(&self.dump)), (Family::V6, self.dump6.as_ref())];
        let mut findings = Vec::new();
        for (family, path) in files.into_iter().filter_map(|(f, path)| Some((f, path?))) {
            let name = path.display();
            let known = match self.read(family, path, context) {
                Ok(known) => known,
                Err(error) => {
                    let error = crate::logging::chain(&error);
                    let remedy = "let a timer write it (docs/sources/iptables-legacy.md): to a \
                                  second name, and then mv";
                    findings.push(Finding::wrong(
                        PART,
                        format!("the dump {name}: {error}"),
                        remedy,
                    ));
                    continue;
                }
            };
            let without = known.rules.iter().filter(|rule| rule.claims.is_empty()).count();
            let says = format!("{} rules block what passes through, by {name}", known.rules.len());
            findings.push(match without {
                0 => Finding::fine(PART, says),
                _ => Finding::incomplete(
                    PART,
                    format!("{says}, of which {without} claim nothing"),
                    "write --comment remit=<claim> into the rule, or map its comment or chain in the \
                     basis_map",
                ),
            });
        }
        findings
    }
}

impl IptablesLegacy {
    fn read(
        &self,
        family: Family,
        path: &Path,
        context: &SourceContext,
    ) -> Result<Known, DumpError> {
        let meta = fs::metadata(path).map_err(DumpError::Read)?;
        let written = meta.modified().map_err(DumpError::Read)?;
        if SystemTime::now().duration_since(written).is_ok_and(|age| age > self.max_age) {
            return Err(DumpError::Old);
        }
        if meta.len() > DUMP_SIZE_MAX {
            return Err(DumpError::Read(io::ErrorKind::FileTooLarge.into()));
        }
        let text = fs::read_to_string(path).map_err(DumpError::Read)?;
        Ok(known(&save::parse(&text)?, family, context))
    }
}

/// What was last known, and when anything was.
struct Follower<'a> {
    config: &'a IptablesLegacy,
    context: &'a SourceContext,
    known: Option<Known>,
    states: u64,
    unstable: bool,
    sure_until_s: i64,
    blind: Option<Instant>,
    told: bool,
}

impl<'a> Follower<'a> {
    fn new(config: &'a IptablesLegacy, context: &'a SourceContext) -> Self {
        Self {
            config,
            context,
            known: None,
            states: 0,
            unstable: false,
            sure_until_s: (context.now_s)(),
            blind: None,
            told: false,
        }
    }

    fn run(&mut self) -> Result<(), RecorderGone> {
        while !self.context.stopping() {
            match self.look() {
                Ok(known) => self.take(known)?,
                Err(error) => self.is_blind(&error)?,
            }
            nap(self.context, LOOK);
        }
        Ok(())
    }

    /// Both dumps as one; `Err`: one of them says nothing now.
    fn look(&self) -> Result<Known, DumpError> {
        let mut known = self.config.read(Family::V4, &self.config.dump, self.context)?;
        if let Some(path) = &self.config.dump6 {
            known.append(self.config.read(Family::V6, path, self.context)?);
        }
        Ok(known)
    }

    /// Hits of the rules as they were, then the rules as they are, then the counters. At first the
    /// counters: what they show above the last run's happened while the agent was down.
    fn take(&mut self, known: Known) -> Result<(), RecorderGone> {
        let at_s = (self.context.now_s)();
        if self.blind.take().is_some() {
            self.say_blind(at_s)?;
        }
        self.sure_until_s = at_s;
        self.told = false;
        let changed = match &self.known {
            None => {
                self.send_counters(&known, at_s)?;
                true
            }
            Some(before) if before.counters == known.counters && before.rules == known.rules => {
                // Read again before it was written again, or nothing happened.
                return if self.unstable { self.send_rules(&known, at_s) } else { Ok(()) };
            }
            Some(before) => before.rules != known.rules,
        };
        let (old, new): (Vec<Hit>, Vec<Hit>) = match &self.known {
            None => (Vec::new(), Vec::new()),
            Some(before) => growth(&before.counters, &known, at_s)
                .into_iter()
                .partition(|hit| before.rules.iter().any(|rule| rule.number == hit.rule)),
        };
        self.send_hits(old)?;
        if changed || self.unstable {
            self.send_rules(&known, at_s)?;
        }
        self.send_hits(new)?;
        if self.known.is_some() {
            self.send_counters(&known, at_s)?;
        }
        self.known = Some(known);
        Ok(())
    }

    fn send(&self, report: Report) -> Result<(), RecorderGone> {
        (self.context.send)(report)
    }

    fn send_rules(&mut self, known: &Known, at_s: i64) -> Result<(), RecorderGone> {
        self.states += 1;
        self.unstable = false;
        self.send(Report::Rules(RuleState {
            source: SOURCE,
            at_s,
            generation: self.states,
            changed_by: String::new(),
            rules: known.rules.clone(),
            unstable: false,
            partial: false,
        }))
    }

    fn send_hits(&self, hits: Vec<Hit>) -> Result<(), RecorderGone> {
        if hits.is_empty() {
            return Ok(());
        }
        self.send(Report::Hits {
            source: SOURCE,
            hits,
            not_parsed: NotParsed::default(),
            canaries: None,
            cursor: None,
            import: None,
        })
    }

    fn send_counters(&self, known: &Known, at_s: i64) -> Result<(), RecorderGone> {
        self.send(Report::Counters(CounterReading {
            source: SOURCE,
            at_s,
            counters: known.counters.iter().map(|(key, value)| (key.clone(), *value)).collect(),
            self_protection: known.own.clone(),
        }))
    }

    /// Rules that we do not know may be in force, and their hits are not seen.
    fn is_blind(&mut self, error: &DumpError) -> Result<(), RecorderGone> {
        if !std::mem::replace(&mut self.told, true) {
            let error = crate::logging::chain(error);
            tracing::warn!(
                error,
                "a dump of iptables-legacy says nothing; the last known rules stand"
            );
        }
        // One that is being written is whole in the next second.
        let now_s = (self.context.now_s)();
        let long = i64::try_from(self.config.max_age.as_secs()).unwrap_or(i64::MAX);
        let said = self.blind.is_some_and(|said| said.elapsed() < BLIND_INTERVAL);
        if said || now_s.saturating_sub(self.sure_until_s) <= long {
            return Ok(());
        }
        self.blind = Some(Instant::now());
        if let Some(known) = self.known.as_ref().filter(|_| !self.unstable) {
            let rules = known.rules.clone();
            self.states += 1;
            self.unstable = true;
            self.send(Report::Rules(RuleState {
                source: SOURCE,
                at_s: now_s,
                generation: self.states,
                changed_by: String::new(),
                rules,
                unstable: true,
                partial: false,
            }))?;
        }
        self.say_blind(now_s)
    }

    fn say_blind(&mut self, until_s: i64) -> Result<(), RecorderGone> {
        let from_s = std::mem::replace(&mut self.sure_until_s, until_s).min(until_s);
        self.send(Report::Unsure { source: SOURCE, cause: LossCause::FileLost, from_s, until_s })
    }
}

/// What each rule did since the dump before. One that is new has counted from zero.
fn growth(before: &BTreeMap<CounterKey, u64>, now: &Known, at_s: i64) -> Vec<Hit> {
    let of_rule = |(key, value): (&CounterKey, &u64)| {
        let (rule, response) = now.by_counter.get(key)?;
        let count = match before.get(key) {
            Some(before) if before <= value => value - before,
            Some(_) | None => *value,
        };
        (count > 0).then(|| Hit {
            rule: *rule,
            at_s,
            count,
            hit_target: None,
            response: response.clone(),
            other_candidates: Vec::new(),
        })
    };
    now.counters.iter().filter_map(of_rule).collect()
}

const PART: &str = "iptables_legacy";

#[cfg(test)]
mod tests;
