//! Which rule a line belongs to.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use evidence::claim::carried;
use ipnet::IpNet;
use remit_proto::v1::{ClaimOrigin, Direction, SourceKind, Target, TargetKind, Technique, Trigger};

use super::fields::Host;
use crate::{
    observation::{Hit, HitTarget, KnownRule, Response, RuleNumber, RuleState},
    sources::{SourceContext, actor, rpz::owner::name_target},
};

/// Rules that lines alone have made known.
pub const LINE_RULES_MAX: usize = 4096;
/// As many as a leaf holds.
const CANDIDATES_MAX: usize = 256;

/// One entry of a list, as the program's configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listed {
    /// By which lines name the list.
    pub label: String,
    /// What lines of it claim: the text behind `remit=`.
    pub says: String,
    pub pattern: Pattern,
    /// With which status it is refused.
    pub status: u16,
    /// Further conditions must hold.
    pub narrowed: bool,
    pub native: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// One name, lower case.
    Exact(String),
    /// The name and everything below it.
    Subtree(String),
    /// What is below the name.
    Below(String),
    Net(IpNet),
    Everything,
    /// Not a host: an expression, a path, a header.
    Other,
}

/// What a line says was done.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// Empty: it does not say which list.
    pub label: &'a str,
    pub says: &'a str,
    pub host: &'a Host,
    pub status: u16,
    pub blocked_by: bool,
    pub at_s: i64,
}

/// The rules of one program.
#[derive(Debug, Default)]
pub struct Book {
    listed: HashSet<Listed>,
    lists: HashMap<(String, String), List>,
    rules: Vec<Arc<KnownRule>>,
    /// By key, with whether the host that was hit says more than the rule.
    from_lines: HashMap<String, (Arc<KnownRule>, bool)>,
    states: u64,
    read: Read,
}

/// How much of its lists a program's rules were made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Read {
    #[default]
    Whole,
    /// Something in them, or all of them, is not known to us: what is not listed may stand too.
    Incomplete,
    /// Part of them could not be read: what was listed before may stand on.
    Partial,
}

impl Read {
    /// What two parts make together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Partial, _) | (_, Self::Partial) => Self::Partial,
            (Self::Incomplete, _) | (_, Self::Incomplete) => Self::Incomplete,
            (Self::Whole, Self::Whole) => Self::Whole,
        }
    }
}

#[derive(Debug, Default)]
struct List {
    exact: HashMap<String, RuleNumber>,
    subtree: HashMap<String, RuleNumber>,
    below: HashMap<String, RuleNumber>,
    nets: Vec<(IpNet, RuleNumber)>,
    other: Vec<RuleNumber>,
}

impl Book {
    /// Takes the lists as they stand now. True if they, or how much was read of them, are not what they
    /// were.
    pub fn replace(
        &mut self,
        listed: HashSet<Listed>,
        read: Read,
        context: &SourceContext,
    ) -> bool {
        let mut listed = listed;
        if read == Read::Partial {
            // What cannot be read now was not taken away.
            listed.extend(std::mem::take(&mut self.listed));
        }
        if self.states > 0 && listed == self.listed && read == self.read {
            return false;
        }
        self.states += 1;
        self.read = read;
        self.lists.clear();
        self.rules.clear();
        for entry in &listed {
            let rule = entry.rule(context);
            let list = self.lists.entry((entry.label.clone(), entry.says.clone())).or_default();
            list.add(&entry.pattern, rule.number);
            self.rules.push(rule.into());
        }
        self.listed = listed;
        true
    }

    pub fn state(&self, source: SourceKind, at_s: i64) -> RuleState {
        let mut rules = self.rules.clone();
        rules.extend(self.from_lines.values().map(|(rule, _)| rule.clone()));
        let (unstable, partial) = (self.read != Read::Whole, self.read == Read::Partial);
        let (generation, changed_by) = (self.states, String::new());
        RuleState { source, at_s, generation, changed_by, rules, unstable, partial }
    }

    /// Whether lists with this label are known.
    pub fn knows(&self, label: &str) -> bool {
        self.lists.keys().any(|(known, _)| known == label)
    }

    /// The hit that a line is. True if its rule is new.
    pub fn hit(&mut self, deed: &Deed<'_>, context: &SourceContext) -> (Hit, bool) {
        let Deed { label, says, host, status, blocked_by, at_s } = *deed;
        let key = (label.to_owned(), says.to_owned());
        let found = self.lists.get(&key).and_then(|list| list.find(host));
        let (rule, others, singly, new) = match found {
            Some((rule, others, singly)) => (rule, others, singly, false),
            None => {
                let (rule, singly, new) = self.rule_of_line(deed, context);
                (rule, Vec::new(), singly, new)
            }
        };
        let named = !singly && context.privacy.hit_targets();
        let hit_target = named.then(|| host.target(&context.privacy)).flatten();
        let hit = Hit {
            rule,
            at_s,
            count: 1,
            hit_target: hit_target.map(HitTarget::Target),
            response: Response::Http { status, blocked_by },
            other_candidates: others,
        };
        (hit, new)
    }

    /// A rule of which nothing is known but this line: its number, whether it names singly what it
    /// hit, and whether it is new.
    fn rule_of_line(
        &mut self,
        deed: &Deed<'_>,
        context: &SourceContext,
    ) -> (RuleNumber, bool, bool) {
        let Deed { label, says, host, status, .. } = *deed;
        let full = self.from_lines.len() >= LINE_RULES_MAX;
        // Without a list the host is all there is; it may not be said of few lines.
        let alone = label.is_empty() && says.is_empty();
        let target = if alone && context.privacy.hit_targets() {
            host.target(&context.privacy)
        } else {
            None
        };
        let key = match (&target, alone) {
            (_, false) => format!("line {status} {label} {says}"),
            (Some(target), true) => format!("host {status} {} {}", target.kind, target.value),
            (None, true) => format!("line {status}"),
        };
        if let Some((rule, singly)) = self.from_lines.get(&key) {
            return (rule.number, *singly, false);
        }
        let (key, target, label, says) = match full {
            true => (format!("more {status}"), None, "", ""),
            false => (key, target, label, says),
        };
        if let Some((rule, singly)) = self.from_lines.get(&key) {
            return (rule.number, *singly, false);
        }
        let singly = target.is_some();
        let native = match label.is_empty() {
            true => String::new(),
            false => context.privacy.redact(&format!("{label} remit={says}")),
        };
        let unknown = Target { kind: TargetKind::NotUnderstood.into(), value: String::new() };
        let target = target.unwrap_or(unknown);
        let rule: Arc<_> = known(&key, says, status, target, native, context).into();
        let number = rule.number;
        self.from_lines.insert(key, (rule, singly));
        self.states += 1;
        (number, singly, true)
    }
}

impl List {
    fn add(&mut self, pattern: &Pattern, rule: RuleNumber) {
        match pattern {
            Pattern::Exact(name) => drop(self.exact.insert(name.clone(), rule)),
            Pattern::Subtree(name) => drop(self.subtree.insert(name.clone(), rule)),
            Pattern::Below(name) => drop(self.below.insert(name.clone(), rule)),
            Pattern::Net(net) => self.nets.push((*net, rule)),
            Pattern::Everything | Pattern::Other => self.other.push(rule),
        }
    }

    /// The entry that is about this host, others that may be, and whether it names it singly.
    fn find(&self, host: &Host) -> Option<(RuleNumber, Vec<RuleNumber>, bool)> {
        let sure = |rule: &RuleNumber, singly| Some((*rule, Vec::new(), singly));
        match host {
            Host::Address(address) => {
                let nets = self.nets.iter().filter(|(net, _)| net.contains(address));
                if let Some((net, rule)) = nets.max_by_key(|(net, _)| net.prefix_len()) {
                    return sure(rule, net.prefix_len() == net.max_prefix_len());
                }
                if let Some(rule) = self.exact.get(&address.to_string()) {
                    return sure(rule, true);
                }
            }
            Host::Name(name) => {
                if let Some(rule) = self.exact.get(name) {
                    return sure(rule, true);
                }
                let mut suffix = name.as_str();
                let mut is_below = false;
                loop {
                    let below = self.below.get(suffix).filter(|_| is_below);
                    if let Some(rule) = self.subtree.get(suffix).or(below) {
                        return sure(rule, false);
                    }
                    let Some((_, parent)) = suffix.split_once('.') else { break };
                    (suffix, is_below) = (parent, true);
                }
            }
        }
        let (first, others) = self.other.split_first()?;
        Some((*first, others.iter().copied().take(CANDIDATES_MAX).collect(), false))
    }
}

impl Listed {
    fn rule(&self, context: &SourceContext) -> KnownRule {
        let Self { label, says, pattern, status, narrowed, native } = self;
        let privacy = &context.privacy;
        let (key, target) = match pattern {
            Pattern::Exact(name) => (name.clone(), name_target(name, privacy)),
            Pattern::Subtree(name) => {
                let mut target = name_target(name, privacy);
                if target.kind() == TargetKind::DomainExact {
                    target.kind = TargetKind::DomainSubtree.into();
                }
                (format!(".{name}"), target)
            }
            Pattern::Below(name) => {
                let name = format!("*.{name}");
                let target = name_target(&name, privacy);
                (name, target)
            }
            Pattern::Net(net) => (net.to_string(), net_target(*net, context)),
            Pattern::Everything => (
                "*".to_owned(),
                Target { kind: TargetKind::WholeService.into(), value: "*".into() },
            ),
            Pattern::Other => {
                let kind = TargetKind::NotUnderstood.into();
                (native.clone(), Target { kind, value: String::new() })
            }
        };
        let key = format!("list {label} {says} {key}");
        let native = privacy.redact(native);
        KnownRule { narrowed: *narrowed, ..known(&key, says, *status, target, native, context) }
    }
}

fn known(
    key: &str,
    says: &str,
    status: u16,
    target: Target,
    native: String,
    context: &SourceContext,
) -> KnownRule {
    let claims = carried(format!("remit={says}").as_bytes()).claims;
    let customers = target.kind() == TargetKind::CustomerToken;
    KnownRule {
        number: (context.rule_number)(key),
        technique: technique(status),
        trigger: if customers { Trigger::ClientIp } else { Trigger::Url },
        direction: Direction::ToTarget,
        actor: actor::carried(native.as_bytes()).unwrap_or(context.default_actor),
        claim_origin: if claims.is_empty() { ClaimOrigin::None } else { ClaimOrigin::Carried },
        claims,
        narrowed: false,
        names_sampled: false,
        rate_bits_per_s: None,
        counter: None,
        target,
        native,
    }
}

fn net_target(net: IpNet, context: &SourceContext) -> Target {
    let ends = [net.network(), net.broadcast()];
    if ends.iter().all(|address| context.privacy.is_customer(*address)) {
        return context.privacy.token_net(net);
    }
    match net.prefix_len() == net.max_prefix_len() {
        true => HitTarget::Address(net.addr()).wire(),
        false => Target { kind: TargetKind::Cidr.into(), value: net.trunc().to_string() },
    }
}

/// By the status that the client gets.
pub fn technique(status: u16) -> Technique {
    match status {
        451 => Technique::Http451,
        300..=399 => Technique::HttpRedirect,
        400..=599 => Technique::Http403Page,
        _ => Technique::Other,
    }
}
