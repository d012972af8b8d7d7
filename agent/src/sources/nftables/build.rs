//! One reading of the kernel becomes what the recorder and the hit threads need to know.
//!
//! In: a ruleset with the elements of its sets, of one generation. Out: a [`State`].
//!
//! **Identity.** A rule's number follows from its chain, its action, its conditions and its
//! target, not from its handle, comment, log or counter: what is loaded again is the same rule,
//! and a new comment is a modification. Of several alike in one chain the second is "#1".

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use remit_proto::v1::{ClaimOrigin, Direction, Target, TargetKind, Technique, Trigger};

use super::{
    account::{Counters, Unlogged},
    attribution::{Attribution, Duty, Way},
    canary::{CanaryRule, CanaryRules, canary, is_of_self_test},
    digest::Digests,
    draft,
    interfaces::Interfaces,
    own::{is_own, is_own_hook},
    reach::{Of, Piece, Primary, pieces},
    response::response,
    sets::Sets,
    standing::{self, Draft},
    target::{Aim, Naming, aims},
    text::{action_word, conditions_text, element_text, family_word, native},
};
use crate::{
    observation::{CounterKey, KnownRule, Response, RuleNumber},
    rules::nftables::{
        Action, AddrSet, BaseChain, DropPath, Family, Log, Match, PolicyDrop, ReadError, Reader,
        RuleId, Ruleset, Side,
    },
    sources::SourceContext,
};

/// All that is known at one generation.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) generation: u32,
    pub(super) rules: Vec<Arc<KnownRule>>,
    pub(super) attribution: Arc<Attribution>,
    pub(super) counters: Counters,
    pub(super) unlogged: Vec<Unlogged>,
    /// Elements change without a commit.
    pub(super) moving: bool,
    /// There are more ways to a drop than were followed.
    pub(super) incomplete: bool,
    pub(super) canaries: Arc<CanaryRules>,
}

/// What does not change from one reading to the next.
pub(super) struct Settings<'a> {
    pub(super) groups: &'a [u16],
    /// Rules may be for canaries.
    pub(super) canaries: bool,
    pub(super) context: &'a SourceContext,
}

impl State {
    /// `digests`: what earlier readings know of sets that are not kept.
    pub(super) fn read(
        reader: &mut Reader,
        settings: &Settings<'_>,
        digests: &mut Digests,
    ) -> Result<Self, ReadError> {
        /// A set that changes between the rules and its elements is read with them again.
        const ATTEMPTS: u32 = 3;
        let mut attempt = 1;
        loop {
            let ruleset = reader.read_ruleset()?;
            let judged = ruleset.drops.iter().filter(|path| !is_own(path));
            match Sets::read(reader, &ruleset, judged, digests, &settings.context.privacy) {
                Ok(sets) => return Ok(Builder::new(&ruleset, &sets, settings).build()),
                Err(ReadError::NotStable | ReadError::Disordered) if attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl State {
    /// Rules that are as they were become the same memory: the recorder holds them too. True if all
    /// are, in whatever order.
    pub(super) fn keep_known(&mut self, before: &Self) -> bool {
        let mut kept = 0;
        let known: HashMap<_, _> = before.rules.iter().map(|rule| (rule.number, rule)).collect();
        for rule in &mut self.rules {
            if let Some(known) = known.get(&rule.number)
                && **known == *rule
            {
                *rule = Arc::clone(known);
                kept += 1;
            }
        }
        kept == self.rules.len() && kept == before.rules.len()
    }
}

/// What the way to a rule says of its basis: the mark that it asks for, what its jumps say.
type Callers<'a> = (Option<u32>, &'a [String]);

struct Builder<'a> {
    ruleset: &'a Ruleset,
    sets: &'a Sets,
    settings: &'a Settings<'a>,
    drafts: Vec<Draft>,
    /// The same rule on several ways, by its target.
    by_target: HashMap<(&'a RuleId, String, Callers<'a>), usize>,
    /// Who has a number.
    taken: HashMap<RuleNumber, &'a RuleId>,
    own_seen: HashSet<&'a RuleId>,
    attribution: Attribution,
    counters: Counters,
    canaries: CanaryRules,
}

impl<'a> Builder<'a> {
    fn new(ruleset: &'a Ruleset, sets: &'a Sets, settings: &'a Settings<'a>) -> Self {
        Self {
            ruleset,
            sets,
            settings,
            drafts: Vec::new(),
            by_target: HashMap::new(),
            taken: HashMap::new(),
            own_seen: HashSet::new(),
            attribution: Attribution::new(Interfaces::read()),
            counters: Counters::new(ruleset),
            canaries: CanaryRules::new(),
        }
    }

    fn build(mut self) -> State {
        let sharing = self.rules_by_set();
        for path in &self.ruleset.drops {
            let key = self.counters.of_path(path, self.settings.context);
            if path.action == Action::Divert {
                self.diverted(path, key, &sharing);
            } else if let Some((group, to)) = self.canary(path) {
                if let Some(key) = &key {
                    self.counters.canary(key);
                }
                self.add_ways(path, None, |_| {});
                self.canaries.entry(group).or_insert(CanaryRule { to, counter: key });
            } else if is_of_self_test(path, self.settings.groups) {
                if let Some(key) = &key {
                    self.counters.canary(key);
                }
                self.add_ways(path, None, |_| {});
            } else if is_own(path) {
                let new = self.own_seen.insert(&path.rule);
                self.counters.own(path, key, new);
                self.add_ways(path, None, |_| {});
            } else {
                self.judged(path, key, &sharing);
            }
        }
        for policy in &self.ruleset.policies {
            self.policy(policy);
        }
        self.finish()
    }

    fn canary(&self, path: &DropPath) -> Option<(u16, SocketAddr)> {
        let Settings { groups, canaries, context: _ } = self.settings;
        canaries.then(|| canary(path, groups)).flatten()
    }

    /// How many rules ask for each set: an element's counter then counts for all of them.
    fn rules_by_set(&self) -> HashMap<(Family, &'a str, &'a str), HashSet<u64>> {
        let mut sharing: HashMap<_, HashSet<u64>> = HashMap::new();
        for path in &self.ruleset.drops {
            let table = path.rule.table.as_str();
            for condition in &path.matches {
                let set = match condition {
                    Match::Address { set: AddrSet::Named(set), .. } | Match::Member { set, .. } => {
                        set
                    }
                    _ => continue,
                };
                let name = (path.rule.family, table, set.name.as_str());
                sharing.entry(name).or_default().insert(path.rule.handle);
            }
        }
        sharing
    }

    /// A rule like others, but that is not counted: how many of the packets were stopped is known
    /// only to what they were handed to.
    fn diverted(
        &mut self,
        path: &'a DropPath,
        key: Option<CounterKey>,
        sharing: &HashMap<(Family, &'a str, &'a str), HashSet<u64>>,
    ) {
        if let Some(key) = key {
            self.counters.spoil(&key);
        }
        if is_own(path) {
            self.add_ways(path, None, |_| {});
        } else {
            self.judged(path, None, sharing);
        }
    }

    fn judged(
        &mut self,
        path: &'a DropPath,
        rule_key: Option<CounterKey>,
        sharing: &HashMap<(Family, &'a str, &'a str), HashSet<u64>>,
    ) {
        let settings = self.settings;
        let privacy = &settings.context.privacy;
        let logged = recording_log(path, settings.groups).is_some();
        let (primary, pieces) = pieces(path, self.sets, privacy);
        let own_counters = primary.as_ref().is_some_and(|primary| {
            let name =
                (path.rule.family, path.rule.table.as_str(), primary.membership.set.name.as_str());
            let is_counted = primary.last && path.action != Action::Divert;
            is_counted && sharing.get(&name).is_some_and(|rules| rules.len() == 1)
        });
        let conditions = conditions_text(path);
        let text = native(&path.native, privacy);
        let mut outcomes = Vec::new();
        for piece in &pieces {
            let key = match piece.of {
                Of::Element(known, element) if own_counters => element.counter.map(|count| {
                    let (rule, set) = (&path.rule, known.info.name.as_str());
                    let element = format!("{:?}-{:?}", element.low, element.high);
                    self.counters.of_element(rule, set, &element, count.packets, settings.context)
                }),
                Of::Element(..) | Of::Rule | Of::Rest(_) => None,
            };
            let key = key.or_else(|| rule_key.clone());
            for aim in self.aims_of(piece, primary.as_ref()) {
                let draft = |number| draft::rule(path, piece, &aim, number, &text, settings);
                let (number, at, new) = self.place(path, piece, &aim, &conditions);
                if new {
                    let rule = draft(number);
                    self.drafts.push(Draft {
                        rule,
                        key: key.clone(),
                        logged,
                        response: response(path.action, version(path)),
                    });
                } else {
                    self.merge(at, &aim, key.as_ref(), logged);
                }
                outcomes.push((number, aim, matches!(piece.of, Of::Rest(_))));
            }
            if let Some(key) = &key {
                self.counters.used(key, logged);
            }
        }
        if let (true, Some(key)) = (pieces.is_empty(), &rule_key) {
            // A rule over an empty set: its counter may have counted what it held before.
            self.counters.used(key, logged);
        }
        self.add_ways(path, Some(logged), |way| {
            for (number, aim, rest) in &outcomes {
                way.add(*number, aim, aim.naming, *rest);
            }
        });
    }

    /// The same rule on another way: it blocks what either of them blocks.
    fn merge(&mut self, at: usize, aim: &Aim, key: Option<&CounterKey>, logged: bool) {
        let Some(draft) = self.drafts.get_mut(at) else { return };
        draft.rule.narrowed &= aim.narrowed;
        draft.logged &= logged;
        if draft.key.as_ref() != key {
            for key in [draft.key.as_ref(), key].into_iter().flatten() {
                self.counters.spoil(key);
            }
        }
    }

    fn aims_of(&self, piece: &Piece<'a>, primary: Option<&Primary<'a>>) -> Vec<Aim> {
        let mut found = aims(&piece.reach, &self.settings.context.privacy);
        let (Of::Rest(known), Some(primary)) = (piece.of, primary) else { return found };
        let side = if primary.membership.has_address(Side::Destination) {
            Side::Destination
        } else {
            Side::Source
        };
        for aim in &mut found {
            (aim.trigger, aim.direction) = match side {
                Side::Destination => (Trigger::Destination, Direction::ToTarget),
                Side::Source => (Trigger::Source, Direction::FromTarget),
            };
            aim.naming = Naming::Within(side);
            aim.narrowed = true;
            if !known.is_complete() || known.is_dynamic() {
                aim.target =
                    Target { kind: TargetKind::NotUnderstood.into(), value: String::new() };
            }
        }
        found.truncate(1);
        found
    }

    /// The number of the rule with this target, its place among the drafts, and whether it is new.
    fn place(
        &mut self,
        path: &'a DropPath,
        piece: &Piece<'_>,
        aim: &Aim,
        conditions: &str,
    ) -> (RuleNumber, usize, bool) {
        let Target { kind, value } = &aim.target;
        let mut target = format!("{kind}:{value}/{}", i32::from(aim.direction));
        // Two elements with one address and two ports may have one target; they claim each its own.
        if let Of::Element(_, element) = piece.of
            && element.low.len() > 1
        {
            target = format!("{target}/{}", element_text(element));
        }
        let callers = (path.mark_required, path.callers_said.as_slice());
        let id = (&path.rule, target, callers);
        if let Some(at) = self.by_target.get(&id).copied()
            && let Some(draft) = self.drafts.get(at)
        {
            return (draft.rule.number, at, false);
        }
        let RuleId { family, table, chain, handle: _ } = &path.rule;
        let (family, action) = (family_word(*family), action_word(path.action));
        let key = format!("nftables/{family}/{table}/{chain}/{action}/{conditions}/{}", id.1);
        let mut number = (self.settings.context.rule_number)(&key);
        let mut copy = 0u32;
        while self.taken.contains_key(&number) {
            copy += 1;
            number = (self.settings.context.rule_number)(&format!("{key}#{copy}"));
        }
        self.taken.insert(number, &path.rule);
        let at = self.drafts.len();
        self.by_target.insert(id, at);
        (number, at, true)
    }

    /// Every log of the way to a group of ours. `logged`: `None` for the node's own protection.
    fn add_ways(&mut self, path: &DropPath, logged: Option<bool>, fill: impl FnOnce(&mut Way)) {
        let groups = self.settings.groups;
        let recording = || recording_log(path, groups).map(|at| (at, Duty::Record));
        let sampling = || sampling_log(path, groups).map(|at| (at, Duty::Sample));
        let recording = logged.and_then(|_| recording().or_else(sampling));
        let at = recording.map(|(at, _)| at);
        let ours = path.logs.iter().enumerate().filter(|(_, log)| groups.contains(&log.group));
        for (_, log) in ours.filter(|(other, _)| Some(*other) != at) {
            self.attribution.add(path, log, Duty::Ignore, |_| {});
        }
        if let Some((at, duty)) = recording
            && let Some(log) = path.logs.get(at)
        {
            self.attribution.add(path, log, duty, fill);
        }
    }

    /// A base chain that drops what no rule accepted.
    fn policy(&mut self, policy: &PolicyDrop) {
        let PolicyDrop { base, counter } = policy;
        if is_own_hook(base) {
            return self.counters.own_policy(base, counter.map(|count| count.packets));
        }
        let context = self.settings.context;
        let BaseChain { family, table, chain, hook: _, priority: _, devices: _ } = &**base;
        let place = format!("{}/{table}/{chain}", family_word(*family));
        let claims = (context.mapped)(&format!("chain:{place}"));
        let rule = KnownRule {
            number: (context.rule_number)(&format!("nftables/{place}/policy")),
            technique: Technique::IpAclDrop,
            trigger: Trigger::Other,
            direction: Direction::Both,
            actor: context.default_actor,
            claim_origin: if claims.is_empty() { ClaimOrigin::None } else { ClaimOrigin::Mapped },
            claims,
            narrowed: true,
            names_sampled: false,
            rate_bits_per_s: None,
            counter: None,
            target: Target { kind: TargetKind::WholeService.into(), value: "*".into() },
            native: native(&format!("chain {place}: policy drop"), &context.privacy),
        };
        self.drafts.push(Draft { rule, key: None, logged: false, response: Response::Silent });
    }

    fn finish(self) -> State {
        let Self { ruleset, sets, drafts, attribution, counters, canaries, .. } = self;
        let (rules, unlogged) = standing::decide(drafts, &counters);
        State {
            generation: ruleset.generation,
            rules,
            attribution: Arc::new(attribution),
            counters,
            unlogged,
            moving: sets.are_moving(),
            incomplete: ruleset.paths_omitted,
            canaries: Arc::new(canaries),
        }
    }
}

/// The log whose messages are this way's hits.
fn recording_log(path: &DropPath, groups: &[u16]) -> Option<usize> {
    let stops = path.action != Action::Divert;
    let ours = |log: &Log| stops && log.exact && !log.limited && groups.contains(&log.group);
    path.logs.iter().position(ours)
}

/// The log whose messages name some of this way's hits, where none names them all. The template's way of
/// doing it is two rules: `… limit rate … log …`, and behind it `… counter … drop`, because a limit that
/// is exceeded ends its rule.
pub(super) fn sampling_log(path: &DropPath, groups: &[u16]) -> Option<usize> {
    let stops = path.action != Action::Divert && recording_log(path, groups).is_none();
    let ours = |log: &Log| stops && log.sample && groups.contains(&log.group);
    path.logs.iter().position(ours)
}

fn version(path: &DropPath) -> Option<u8> {
    let of_family = match path.base.family {
        Family::Ip => Some(4),
        Family::Ip6 => Some(6),
        Family::Inet | Family::Arp | Family::Netdev | Family::Bridge | Family::Other(_) => None,
    };
    of_family.or_else(|| {
        path.matches.iter().find_map(|condition| match condition {
            Match::Version { version, inverted: false } => Some(*version),
            _ => None,
        })
    })
}
