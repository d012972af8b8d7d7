//! dnsmasq: which names it answers by itself instead of asking, as its configuration says.
//!
//! In: the configuration file, what it includes (`conf-file`, `conf-dir`, `servers-file`), and hosts
//! files (`addn-hosts`, `hostsdir`, `/etc/hosts` unless `no-hosts`). Out: the rules, whenever a file has
//! changed. No hits: dnsmasq has no counter of what it blocks, and its one log of it, `log-queries`, is
//! a log of what every client asks for, which Remit neither reads nor asks for. What was offered to the
//! rules is therefore unknown, and the evidence says so.
//!
//! Read as rules, as dnsmasq 2.90 acts on them (measured; option.c, domain-match.c):
//! - `address=/NAME/`, `local=/NAME/`, `server=/NAME/`: NXDOMAIN for the name and all below it;
//! - `address=/NAME/ADDRESS` (or `#`, which is 0.0.0.0 and ::): a forged address, for the name and all
//!   below it; other types of query go upstream;
//! - `*.NAME` covers what is below the name alone; `*NAME` more than a target can say; `#` as the name is
//!   every name;
//! - hosts files: `0.0.0.0 NAME` and `:: NAME`, exactly that name. A name at a loopback address may be a
//!   block or this host's own; it is a rule only with `loopback_blocks`.
//!
//! Not rules: names without a dot (`//`), names that are never public ([`is_private`](super::names::is_private)), the node's
//! own `domain=`, and a name for which `server=` names an upstream.
//!
//! dnsmasq reads its configuration when it starts, and hosts files at SIGHUP; it cannot be asked what is
//! in force. The rules are what the files say.
//!
//! The claim is in the comment of the rule's own line (`# remit=de/2026-42`), else in the comment lines
//! before the first rule of its file, else in the basis map (`file:/etc/dnsmasq.d/national.conf`).

pub mod conf;
mod settings;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use evidence::{Claim, claim::carried};
use remit_proto::v1::{self, ClaimOrigin, SourceKind, Technique};

use self::conf::{Answer, Found};
pub use self::settings::TECHNOLOGY;
use super::{
    FileUse, RecorderGone, Source, SourceContext, SourceError, actor,
    raw_log::RawLog,
    rpz::owner::{Owner, name_target},
    tail::nap,
};
use crate::{
    doctor::Finding,
    observation::{KnownRule, Report, RuleState},
};

/// How often files are looked at: a rule must be visible within 3 s.
const LOOK: Duration = Duration::from_secs(1);

/// One dnsmasq on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dnsmasq {
    /// `--conf-file`
    pub conf: PathBuf,
    /// `--conf-dir`, as dnsmasq takes it: "/etc/dnsmasq.d,.dpkg-dist,.dpkg-old".
    pub conf_dirs: Vec<String>,
    /// Names at 127.0.0.0/8 and ::1 in hosts files are blocks.
    pub loopback_blocks: bool,
}

impl Source for Dnsmasq {
    fn kind(&self) -> SourceKind {
        SourceKind::Dnsmasq
    }

    fn section(&self) -> toml::Table {
        settings::print(self)
    }

    fn files(&self) -> Vec<FileUse> {
        conf::read(self).files.into_keys().map(FileUse::Read).collect()
    }

    fn raw_log(&self) -> RawLog {
        RawLog::None
    }

    fn run(self: Arc<Self>, context: SourceContext) -> Result<(), SourceError> {
        let mut state = State::new(self.as_ref().clone());
        while !context.stopping() {
            if state.look(&context) && send(&state, &context).is_err() {
                // The recorder is gone: the agent is stopping.
                return Ok(());
            }
            nap(&context, LOOK);
        }
        Ok(())
    }

    fn examine(&self, context: &SourceContext) -> Vec<Finding> {
        let found = conf::read(self);
        let mut findings: Vec<Finding> = found
            .unreadable
            .iter()
            .map(|(path, error)| {
                let remedy = "the agent's user must be able to read what dnsmasq reads";
                Finding::wrong(PART, format!("{}: {error}", path.display()), remedy)
            })
            .collect();
        let rules = rules(&found, self, context);
        let without = rules.values().filter(|rule| rule.claims.is_empty()).count();
        let says = format!("{} rules in {} files", rules.len(), found.files.len());
        findings.push(match without {
            0 => Finding::fine(PART, says),
            _ => Finding::incomplete(
                PART,
                format!("{says}, of which {without} claim nothing"),
                "write # remit=<claim> behind the line or above the first rule of the file, or map \
                 file:<path> in the basis_map",
            ),
        });
        if found.loopback > 0 && !self.loopback_blocks {
            findings.push(Finding::incomplete(
                PART,
                format!("{} names at loopback addresses are not taken for blocks", found.loopback),
                "if they are, set loopback_blocks = true",
            ));
        }
        findings.push(match found.logs_queries {
            true => Finding::incomplete(
                PART,
                "log-queries is on: dnsmasq writes down what every client asks for",
                "take it out; Remit does not read it",
            ),
            false => Finding::incomplete(
                PART,
                "hits are not counted: dnsmasq counts no blocks, and logs them only with every query",
                "where hits must be known, block in Unbound, BIND, PowerDNS or Knot Resolver",
            ),
        });
        findings
    }
}

fn send(state: &State, context: &SourceContext) -> Result<(), RecorderGone> {
    (context.send)(Report::Rules(RuleState {
        source: SourceKind::Dnsmasq,
        at_s: (context.now_s)(),
        generation: 0,
        changed_by: String::new(),
        rules: state.rules.values().cloned().collect(),
        unstable: state.unstable,
        partial: state.partial,
    }))
}

/// What was known when the files were last looked at.
struct State {
    config: Dnsmasq,
    /// What each file and folder was.
    seen: BTreeMap<PathBuf, Option<Identity>>,
    rules: Rules,
    unstable: bool,
    partial: bool,
}

type Identity = (u64, u64, u64, (i64, i64));
type Rules = BTreeMap<String, Arc<KnownRule>>;

impl State {
    fn new(config: Dnsmasq) -> Self {
        Self { config, seen: BTreeMap::new(), rules: Rules::new(), unstable: false, partial: false }
    }

    /// True if something is to be told.
    fn look(&mut self, context: &SourceContext) -> bool {
        let first = self.seen.is_empty();
        if !first && self.seen.iter().all(|(path, known)| identity(path) == *known) {
            return false;
        }
        // Before they are read: what changes while they are is read again.
        let found = conf::read(&self.config);
        self.seen.clone_from(&found.files);
        let torn = self.seen.iter().any(|(path, known)| identity(path) != *known);
        let partial = torn || !found.unreadable.is_empty();
        let unstable = partial || found.too_many;
        if unstable && !self.unstable {
            for (path, error) in &found.unreadable {
                tracing::warn!(file = %path.display(), %error, "a file of dnsmasq cannot be read");
            }
        }
        let mut rules = rules(&found, &self.config, context);
        if partial {
            // What cannot be read now was not taken away.
            for (key, rule) in std::mem::take(&mut self.rules) {
                rules.entry(key).or_insert(rule);
            }
        }
        let states = (unstable, partial) != (self.unstable, self.partial);
        let changed = first || states || rules != self.rules;
        (self.rules, self.unstable, self.partial) = (rules, unstable, partial);
        changed
    }
}

fn rules(found: &Found, config: &Dnsmasq, context: &SourceContext) -> Rules {
    let mut rules = Rules::new();
    for block in &found.blocks {
        let conf::Block { name, answer, comment, file } = block;
        // A reverse name may be a customer's.
        let said = Owner::QueryName(name.as_str().into()).redacted(&context.privacy);
        let (technique, shown) = match answer {
            Answer::Nxdomain => (Technique::DnsNxdomain, format!("address=/{said}/")),
            Answer::Forged(address) => {
                (Technique::DnsForgedA, format!("address=/{said}/{address}"))
            }
            Answer::Hosts(address) => (Technique::DnsForgedA, format!("{address} {said}")),
        };
        let exact = matches!(answer, Answer::Hosts(_));
        let key = format!("dnsmasq/{}/{technique:?}/{exact}/{name}", config.conf.display());
        let file_comment = found.comments.get(file).map(String::as_str).unwrap_or_default();
        let (claims, claim_origin) = claims(comment, file_comment, file, context);
        if rules
            .get(&key)
            .is_some_and(|known: &Arc<KnownRule>| !known.claims.is_empty() || claims.is_empty())
        {
            continue;
        }
        let actor = actor::carried(comment.as_bytes());
        let actor = actor.or_else(|| actor::carried(file_comment.as_bytes()));
        let rule = KnownRule {
            number: (context.rule_number)(&key),
            technique,
            trigger: v1::Trigger::Qname,
            direction: v1::Direction::ToTarget,
            actor: actor.unwrap_or(context.default_actor),
            claims,
            claim_origin,
            narrowed: false,
            names_sampled: false,
            rate_bits_per_s: None,
            counter: None,
            target: target(name, exact, context),
            native: context.privacy.redact(&shown),
        };
        rules.insert(key, Arc::new(rule));
    }
    rules
}

fn claims(
    line: &str,
    file_comment: &str,
    file: &Path,
    context: &SourceContext,
) -> (Vec<Claim>, ClaimOrigin) {
    for text in [line, file_comment] {
        let found = carried(text.as_bytes());
        if found.not_understood || !found.claims.is_empty() {
            let origin = ClaimOrigin::Carried;
            let origin = if found.claims.is_empty() { ClaimOrigin::None } else { origin };
            return (found.claims, origin);
        }
    }
    let mapped = (context.mapped)(&format!("file:{}", file.display()));
    let origin = if mapped.is_empty() { ClaimOrigin::None } else { ClaimOrigin::Mapped };
    (mapped, origin)
}

/// A name of the configuration as a target: everything below it is meant too, unless it is a host's.
fn target(name: &str, exact: bool, context: &SourceContext) -> v1::Target {
    use v1::TargetKind as Kind;
    let not_understood = || v1::Target { kind: Kind::NotUnderstood.into(), value: String::new() };
    match name {
        "#" => v1::Target { kind: Kind::WholeService.into(), value: "*".to_owned() },
        _ if name.starts_with('*') && !name.starts_with("*.") => not_understood(),
        _ => {
            let target = name_target(name, &context.privacy);
            match target.kind() {
                Kind::DomainExact if !exact => {
                    v1::Target { kind: Kind::DomainSubtree.into(), ..target }
                }
                _ => target,
            }
        }
    }
}

/// `None`: it is not there.
fn identity(path: &Path) -> Option<Identity> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), (found.ctime(), found.ctime_nsec())))
}

const PART: &str = "dnsmasq";

#[cfg(test)]
mod tests;
