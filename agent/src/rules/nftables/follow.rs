//! From chains and rules to the ways on which packets are dropped.
//!
//! Each base chain is walked as packets walk it: rules in order, jumps and gotos into their
//! targets with the conditions so far, verdict maps branch by branch. Registers start empty in
//! each rule; what is known about IP version and protocol goes along.
//!
//! A packet meets a rule only if no earlier one ended it. We list the positive conditions and claim
//! no difference of sets. Rules behind an unconditional end are not reached and not listed.
//!
//! A log in a rule of its own (iptables-nft writes `-j NFLOG` so) is a candidate until a drop
//! with the same conditions follows: then they are joined. If the drop has fewer conditions, the
//! log covers a part of what it drops, and is joined as not exact. So it is if a rule between the
//! two may have taken some of the packets, or if a condition need not hold twice (a random share).
//! Any other log says nothing about an outcome.
//!
//! Source: kernel `net/netfilter/nf_tables_core.c` (nft_do_chain).

use std::collections::HashMap;
use std::sync::Arc;

use super::expr::{self, Context, Step};
use super::fields;
use super::model::{
    Action, BaseChain, CounterUse, DropPath, Family, Log, Match, PolicyDrop, RuleId, Ruleset,
    SetRef, Throttle, Verdict,
};
use super::render;
use super::snapshot::{Rule, Snapshot};

/// The kernel's limit (NFT_JUMP_STACK_SIZE).
const JUMPS_MAX: usize = 16;
/// Ways to drops that are listed. Shared chains multiply; a real ruleset has at most thousands.
const PATHS_MAX: usize = 20_000;
/// Rules looked at, each as often as it is reached. Bounds time where nothing drops.
const VISITS_MAX: u32 = 400_000;

pub(super) fn follow(snapshot: &Snapshot, ruleset: &mut Ruleset) {
    let dormant: Vec<_> = snapshot.tables.iter().filter(|table| table.dormant).collect();
    let asleep = |family: Family, name: &str| {
        dormant.iter().any(|table| table.family == family && table.name == name)
    };
    let mut rules: HashMap<_, Vec<_>> = HashMap::new();
    for rule in &snapshot.rules {
        let chain = (rule.family, rule.table.as_str(), rule.chain.as_str());
        rules.entry(chain).or_default().push(rule);
    }
    let mut bases: Vec<_> = snapshot
        .chains
        .iter()
        .filter_map(|chain| Some((chain, chain.base.as_ref()?)))
        .filter(|(chain, _)| !asleep(chain.family, &chain.table))
        .collect();
    crate::order::sort_by_key(&mut bases, |(_, base)| (base.hook, base.priority));
    let mut visits_left = VISITS_MAX;
    for (chain, base) in bases {
        let base = Arc::new(base.clone());
        let mut path = Path {
            context: Context::new(chain.family),
            matches: Vec::new(),
            not_understood: Vec::new(),
            limit: false,
            throttle: None,
            depth: 0,
            said: Vec::new(),
        };
        if chain.offloaded {
            path.not_understood.push("chain is offloaded to hardware".into());
        }
        let mut walk = Walk {
            snapshot,
            rules: &rules,
            base: Arc::clone(&base),
            ruleset,
            visits_left: &mut visits_left,
            ends: 0,
            pending: Vec::new(),
        };
        walk.chain(&chain.name, &path);
        if chain.policy_drop {
            ruleset.policies.push(PolicyDrop { base, counter: chain.counter });
        }
    }
    let tables = snapshot.tables.iter().map(|t| (t.family, t.name.clone(), t.handle));
    ruleset.tables = tables.collect();
}

type Rules<'a> = HashMap<(Family, &'a str, &'a str), Vec<&'a Rule>>;

struct Walk<'a> {
    snapshot: &'a Snapshot,
    rules: &'a Rules<'a>,
    base: Arc<BaseChain>,
    ruleset: &'a mut Ruleset,
    visits_left: &'a mut u32,
    /// Rules so far that may have ended packets.
    ends: u32,
    /// Logs whose outcome is not yet known.
    pending: Vec<PendingLog>,
}

#[derive(Clone)]
struct Path {
    context: Context,
    matches: Vec<Match>,
    not_understood: Vec<String>,
    limit: bool,
    throttle: Option<Throttle>,
    depth: usize,
    /// Comments of the rules that jumped here, outermost first.
    said: Vec<String>,
}

struct PendingLog {
    log: Log,
    matches: Vec<Match>,
    not_understood: Vec<String>,
    /// [`Walk::ends`] when it was met.
    ends: u32,
}

/// What one rule has said so far, on one way to it.
struct Visit<'a> {
    rule: &'a Rule,
    path: Path,
    steps: &'a [Step],
    comment: Option<String>,
    logs: Vec<Log>,
    counter: Option<CounterUse>,
    counter_exact: bool,
    conditional: bool,
}

/// Whether the rest of the chain can still be reached.
#[derive(PartialEq)]
enum Then {
    GoOn,
    Ended,
}

impl Walk<'_> {
    fn chain(&mut self, name: &str, path: &Path) {
        let base = Arc::clone(&self.base);
        let all = self.rules;
        let Some(rules) = all.get(&(base.family, base.table.as_str(), name)) else { return };
        for rule in rules {
            let left = self.visits_left.checked_sub(1);
            let Some(left) = left.filter(|_| self.ruleset.drops.len() < PATHS_MAX) else {
                self.ruleset.paths_omitted = true;
                return;
            };
            *self.visits_left = left;
            if self.rule(rule, path.clone()) == Then::Ended {
                return;
            }
        }
    }

    fn rule(&mut self, rule: &Rule, mut path: Path) -> Then {
        let steps = expr::read(
            &rule.expressions,
            &rule.table,
            rule.handle,
            &self.snapshot.sets,
            &mut path.context,
        );
        let mut visit = Visit {
            rule,
            path,
            steps: &steps,
            comment: rule.comment.clone(),
            logs: Vec::new(),
            counter: None,
            counter_exact: false,
            conditional: false,
        };
        for step in &steps {
            match step {
                Step::Match(condition) => {
                    visit.condition();
                    visit.path.matches.push(condition.clone());
                }
                Step::NotUnderstood(what) => {
                    visit.condition();
                    visit.path.not_understood.push(what.clone());
                }
                Step::Limit { text: _, over } => {
                    visit.condition();
                    visit.path.limit = true;
                    visit.path.throttle = match (visit.path.throttle, *over) {
                        (Some(_), Some(_)) => Some(Throttle { bits_per_s: None }),
                        (before, over) => over.or(before),
                    };
                }
                Step::Log(log) => visit.logs.push(log.clone()),
                Step::Counter(counter) if !visit.counter_exact => {
                    visit.counter = Some(counter.clone());
                    visit.counter_exact = true;
                }
                Step::Comment(text) => visit.comment = Some(text.clone()),
                Step::Counter(_) | Step::Statement(_) => {}
                Step::Verdict(verdict) => return self.verdict(visit, verdict),
                Step::Reject { action, .. } => {
                    self.dropped(&visit, *action);
                    return visit.ended();
                }
                Step::Divert(_) => {
                    self.diverted(&visit);
                    return visit.ended();
                }
                Step::VerdictMap { pieces, set } => {
                    self.verdict_map(visit, pieces, set);
                    return Then::GoOn;
                }
            }
        }
        self.remember_logs(&visit);
        Then::GoOn
    }

    fn verdict(&mut self, visit: Visit<'_>, verdict: &Verdict) -> Then {
        match verdict {
            Verdict::Drop => self.dropped(&visit, Action::Drop),
            Verdict::Accept => {
                self.ends += 1;
                self.forget_logs(&visit.path);
            }
            Verdict::Return => self.ends += 1,
            Verdict::Continue | Verdict::Break => {
                self.remember_logs(&visit);
                return Then::GoOn;
            }
            Verdict::Queue(_) | Verdict::Other(_) => self.diverted(&visit),
            Verdict::Jump(chain) | Verdict::Goto(chain) => {
                self.remember_logs(&visit);
                let ended = visit.ended();
                let mut path = visit.path;
                path.said.extend(visit.comment);
                self.go(chain, path);
                if matches!(verdict, Verdict::Goto(_)) {
                    self.ends += 1;
                    return ended;
                }
                return Then::GoOn;
            }
        }
        visit.ended()
    }

    fn go(&mut self, chain: &str, mut path: Path) {
        if path.depth >= JUMPS_MAX {
            self.ruleset.paths_omitted = true;
            return;
        }
        path.depth += 1;
        self.chain(chain, &path);
    }

    /// Each element is its own drop, jump or goto; without one that fits the rule is left.
    fn verdict_map(&mut self, mut visit: Visit<'_>, pieces: &[fields::Piece], set: &SetRef) {
        let key = (visit.rule.family, visit.rule.table.clone(), set.name.clone());
        let Some(map) = self.snapshot.verdict_maps.get(&key) else {
            return self.diverted(&visit);
        };
        visit.condition();
        for element in &map.elements {
            let Some(verdict) = &element.verdict else { continue };
            let conditions = if element.catch_all {
                vec![Match::Other(format!("no other element of @{}", set.name))]
            } else if map.abridged || pieces.is_empty() {
                let fields = pieces.iter().map(|piece| piece.field.clone()).collect();
                let says = Match::Other(format!("element of @{} says {verdict}", set.name));
                vec![fields::member(fields, set.clone(), false), says]
            } else {
                expr::element_matches(pieces, &element.low, element.high()).unwrap_or_else(|| {
                    let (low, high) = (expr::hex(&element.low), expr::hex(element.high()));
                    vec![Match::Other(format!("element {low}-{high} of @{}", set.name))]
                })
            };
            let mut branch = visit.branch();
            for condition in conditions {
                branch.path.context.learn(&condition);
                branch.path.matches.push(condition);
            }
            if let (Some(comment), false) = (&element.comment, map.abridged) {
                branch.comment = Some(comment.clone());
            }
            if let (Some(count), false) = (element.counter, map.abridged) {
                let key = format!("{}-{}", expr::hex(&element.low), expr::hex(element.high()));
                branch.counter = Some(CounterUse::Element { map: set.name.clone(), key, count });
                branch.counter_exact = true;
            }
            self.verdict(branch, verdict);
        }
    }

    fn dropped(&mut self, visit: &Visit<'_>, action: Action) {
        let path = &visit.path;
        let mut logs = Vec::new();
        // A drop takes all packets that fulfil its conditions, so these logs are done with.
        self.pending.retain(|pending| {
            let part = contains(&pending.matches, &path.matches)
                && contains(&pending.not_understood, &path.not_understood);
            if part {
                let same = pending.matches.len() == path.matches.len()
                    && pending.not_understood.len() == path.not_understood.len();
                let whole = pending.ends == self.ends
                    && !pending.not_understood.iter().any(|what| holds_by_turns(what));
                let exact = pending.log.exact && same && whole;
                logs.push(Log { exact, ..pending.log.clone() });
            }
            !part
        });
        self.ends += 1;
        logs.extend(visit.logs.iter().cloned());
        for log in &mut logs {
            log.sample = log.exact && log.limited && !path.limit;
            log.exact &= !log.limited && !path.limit;
        }
        self.ended_by(visit, action, logs);
    }

    fn diverted(&mut self, visit: &Visit<'_>) {
        self.ends += 1;
        self.forget_logs(&visit.path);
        self.ended_by(visit, Action::Divert, visit.logs.clone());
    }

    fn ended_by(&mut self, visit: &Visit<'_>, action: Action, logs: Vec<Log>) {
        let path = &visit.path;
        let mark_required = path.matches.iter().find_map(|condition| match condition {
            Match::Mark { value, mask: u32::MAX, inverted: false } => Some(*value),
            _ => None,
        });
        self.ruleset.drops.push(DropPath {
            rule: visit.id(),
            base: Arc::clone(&self.base),
            action,
            matches: path.matches.clone(),
            mark_required,
            not_understood: path.not_understood.clone(),
            limit: path.limit,
            throttle: path.throttle,
            comment: visit.comment.clone(),
            callers_said: path.said.clone(),
            logs,
            counter: visit.counter.clone(),
            counter_exact: visit.counter_exact,
            native: visit.native(),
        });
    }

    fn remember_logs(&mut self, visit: &Visit<'_>) {
        for log in &visit.logs {
            self.pending.push(PendingLog {
                log: log.clone(),
                matches: visit.path.matches.clone(),
                not_understood: visit.path.not_understood.clone(),
                ends: self.ends,
            });
        }
    }

    /// Packets on this path are let go: what logged them before logged no drop.
    fn forget_logs(&mut self, path: &Path) {
        self.pending.retain(|pending| {
            path.limit
                || !contains(&pending.matches, &path.matches)
                || !contains(&pending.not_understood, &path.not_understood)
        });
    }
}

impl Visit<'_> {
    /// What was counted or logged before a condition is more than what comes after it.
    fn condition(&mut self) {
        self.conditional = true;
        self.counter_exact = false;
        for log in &mut self.logs {
            log.exact = false;
        }
    }

    fn ended(&self) -> Then {
        if self.conditional { Then::GoOn } else { Then::Ended }
    }

    fn branch(&self) -> Self {
        Self {
            path: self.path.clone(),
            comment: self.comment.clone(),
            logs: self.logs.clone(),
            counter: self.counter.clone(),
            ..*self
        }
    }

    fn id(&self) -> RuleId {
        RuleId {
            family: self.rule.family,
            table: self.rule.table.clone(),
            chain: self.rule.chain.clone(),
            handle: self.rule.handle,
        }
    }

    fn native(&self) -> String {
        render::rule(self.rule.family, self.steps, self.rule.comment.as_deref())
    }
}

fn contains<T: PartialEq>(more: &[T], fewer: &[T]) -> bool {
    fewer.iter().all(|condition| more.contains(condition))
}

/// Asked twice about one packet, such a condition may answer twice: what logs and what drops are
/// then not the same packets, though both lines read alike.
fn holds_by_turns(what: &str) -> bool {
    const WHAT: [&str; 7] = [
        "numgen",
        "quota",
        "connlimit",
        "xt match statistic",
        "xt match quota",
        "xt match recent",
        "xt match nth",
    ];
    WHAT.iter().any(|begin| what.starts_with(begin))
}
