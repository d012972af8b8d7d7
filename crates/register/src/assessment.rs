//! How leaves with their openings and history become verdicts: shared by the collector, which keeps
//! the answers, and by the verifier, which computes its own and compares.
//!
//! In, in the order of the collector's log: statements of the register, entries of the log, published
//! checkpoints, leaves of agents. Out: every leaf that a logged head covers, with the [`Facts`] that a
//! verdict on it needs; and the verdicts themselves, for any size of the log.
//!
//! - *As known then*: the newest register head, and the newest facts of the node, logged before the
//!   `AgentHead` entry that covers the leaf.
//! - *As known now*: the newest register head below the given log size. The facts of the node are
//!   those of the time, or, where none were declared then, the first that were declared later: what
//!   is declared of a node today does not move what it did last year.
//! - *Registered before the act* (DOMAIN.md section 3, "Two qualities"): the register head in the
//!   checkpoint that the last `Seal` before the first hit names. A seal in the second of the hit is
//!   not before it.
//!
//! Promised: an answer depends on what stands below the log size that is asked for and on nothing
//! that came later, so it does not matter in what portions the input arrived.
//!
//! - *Confirmed* is a deed once a leaf of the same tree says so that a logged head covers, and the log knew
//!   a key of both persons there (`deed`).
//! - *Nobody looked* where a gap or a silence of the tree says so ([`unseen`](crate::unseen)). What is told of it by a later head
//!   changes verdicts as known now, and is told of as [`reached`](Assessment::take_reached).
//! - *Unverifiable* is a leaf above a head that a revocation leaves valid, and one whose time lies after the seal of its
//!   own batch by more than that clock may be wrong (ADR 39): the node contradicts itself in what it signed as one.
//! - *Before the node was enrolled* stood what the first snapshots of its first generation list. Numbers
//!   of a later generation are others, and nothing says what stood before.
//!
//! Not done here: signatures and proofs are the caller's; so is reading chunks ([`open_snapshot`]), which
//! hands the rules of a snapshot to [`Assessment::snapshot`].

mod tree;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroU64,
    ops::Deref,
    sync::Arc,
};

use evidence::{AgentOrigin, Claim, Leaf, NodeId, chunk::open_set};
use prost::Message;
use remit_proto::v1::{self, leaf::Body, log_entry::Entry};
use tlog::{Hash, checkpoint::Checkpoint, note::Note};

pub use self::tree::CLOCK_ERROR_UNSYNCED_S;
use self::tree::{Seen, Told, Tree};
use crate::{
    adoption::Claimed,
    change::{Selected, Selector},
    deed::{Confirmed, is_deed},
    judge::{AsKnown, Event, KnownSizes, Parameters, Span, TURNS_MAX, judge},
    register::{InvalidStatement, Items, Register, View},
    target::{Known, Target},
    unseen::{Shown, Unseen},
    verdict::{Clause, ScreenWord, Verdict},
    words,
};

/// What is known, and what is on its way to be.
#[derive(Debug, Clone)]
pub struct Assessment {
    grounds: Grounds,
    /// Log size of each published checkpoint, by the hash of its note.
    published: HashMap<Hash, u64>,
    trees: BTreeMap<AgentOrigin, Tree>,
    /// The generation with which each node was enrolled.
    enrolled: BTreeMap<NodeId, AgentOrigin>,
    /// What gaps that came late may say of events that were judged before, since the last call.
    reached: Vec<Selector>,
    /// Keys of each person and role that are not revoked, as far as entries were read.
    persons: BTreeMap<(String, i32), BTreeSet<Vec<u8>>>,
    assessed: Vec<Assessed>,
}

/// What verdicts are judged by. A clone is a few counters and keeps its state: who judges by it holds
/// up nobody, and a change meanwhile copies what it changes.
#[derive(Debug, Clone)]
pub struct Grounds {
    register: Arc<Register>,
    parameters: Parameters,
    /// Log index, size and root, in the order of the log.
    register_heads: Arc<Vec<(u64, u64, Hash)>>,
    facts: Arc<BTreeMap<NodeId, Vec<(u64, v1::NodeFacts)>>>,
    trees: Arc<BTreeMap<AgentOrigin, Arc<Seen>>>,
}

impl Deref for Assessment {
    type Target = Grounds;
    fn deref(&self) -> &Grounds {
        &self.grounds
    }
}

/// By what an event is judged, beside its facts.
struct Asked<'a> {
    view: &'a View<'a>,
    place: Option<&'a v1::NodeFacts>,
    as_known: AsKnown,
    /// `None`: no reference comes late.
    judged_at_s: Option<i64>,
    /// Of a rule that stands.
    acted_at_s: Option<i64>,
    /// What is known of confirmations and gaps below it.
    log_size: u64,
    /// A rule at an instant.
    stands: bool,
}

/// A leaf that a logged head covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessed {
    pub origin: AgentOrigin,
    pub index: u64,
    /// Log index of the first head that covers it.
    pub covered_by: u64,
    pub item: Item,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// What a rule did.
    Activity {
        facts: Box<Facts>,
        leaf: Box<v1::Activity>,
    },
    /// A rule was installed, modified or removed. `native` is the opened text.
    RuleChange {
        facts: Box<Facts>,
        leaf: Box<v1::RuleChange>,
        native: Option<String>,
    },
    /// What a person said of a deed. One that only confirms is no event.
    Deed {
        facts: Box<Facts>,
        leaf: Box<v1::ServiceAction>,
    },
    /// What somebody saw from outside; `target` is opened. No verdict is asked for.
    Probe {
        target: Option<v1::Target>,
        leaf: Box<v1::Probe>,
    },
    /// All rules of one source; [`open_snapshot`] reads them.
    Snapshot {
        leaf: Box<v1::RuleSnapshot>,
        before_act: Option<u64>,
    },
    /// Everything that no verdict is asked for.
    Other(Box<Body>),
    NotUnderstood {
        format: u32,
    },
}

/// What a verdict needs to know of one event; small enough to keep, so that it can be judged again.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub origin: AgentOrigin,
    pub index: u64,
    pub rule: v1::Rule,
    /// `None`: the opening is withheld or erased.
    pub target: Option<v1::Target>,
    pub hit_target: Option<v1::Target>,
    pub response: Option<v1::Response>,
    pub span: Span,
    pub imported: bool,
    /// Numbers of other rules of the node that could have caused it.
    pub other_candidates: Vec<u64>,
    /// Register size in the checkpoint that the last `Seal` before the first hit names.
    pub before_act: Option<u64>,
    pub covered_by: u64,
}

/// An entry of the log is not what its kind says; it is counted as present and otherwise ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntry {
    #[error("the note of log entry {log_index} is not a checkpoint")]
    Note { log_index: u64 },
    #[error(
        "log entry {log_index} names {found:?}, which is not the origin of an agent or of this register"
    )]
    Origin { log_index: u64, found: String },
    #[error("the node facts of log entry {log_index} are malformed")]
    Facts { log_index: u64 },
}

impl Assessment {
    pub fn new(register_origin: impl Into<String>, parameters: Parameters) -> Self {
        Self {
            grounds: Grounds::new(register_origin, parameters),
            published: HashMap::new(),
            trees: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            reached: Vec::new(),
            persons: BTreeMap::new(),
            assessed: Vec::new(),
        }
    }

    /// As things stand.
    pub fn grounds(&self) -> &Grounds {
        &self.grounds
    }

    /// The next statement of the register log. One that is refused still takes its place in the
    /// register, as something that this program cannot read: sizes must not shift.
    pub fn statement(
        &mut self,
        statement: &v1::Statement,
        items: Option<&Items>,
    ) -> Result<(), InvalidStatement> {
        let register = Arc::make_mut(&mut self.grounds.register);
        let result = register.take_in(statement, items);
        if result.is_err() {
            register.apply_not_understood();
        }
        result
    }

    /// The next entry of the register log is of a newer format, or its items do not read.
    pub fn statement_not_understood(&mut self) {
        Arc::make_mut(&mut self.grounds.register).apply_not_understood();
    }

    /// A checkpoint that seals may name. `checkpoint` is the SHA-256 of the signed note's bytes.
    pub fn published(&mut self, log_size: u64, checkpoint: Hash) {
        self.published.insert(checkpoint, log_size);
    }

    /// Accepted leaves `old_size ..` of an agent; they wait until a logged head covers them.
    pub fn leaves(
        &mut self,
        origin: &AgentOrigin,
        old_size: u64,
        leaves: impl IntoIterator<Item = Leaf>,
        openings: &[v1::LeafOpening],
    ) {
        self.trees.entry(origin.clone()).or_default().receive(old_size, leaves, openings);
    }

    /// The next entry of the collector's log.
    pub fn entry(&mut self, log_index: u64, entry: &Entry) -> Result<(), InvalidEntry> {
        match entry {
            Entry::AgentHead(v1::AgentHead { note }) => {
                let head = read_head(log_index, note)?;
                let origin = head.origin.parse().map_err(|_| InvalidEntry::Origin {
                    log_index,
                    found: head.origin.chars().take(80).collect(),
                })?;
                self.cover(&origin, head.size, log_index);
            }
            Entry::RegisterHead(v1::StatementHead { note }) => {
                let head = read_head(log_index, note)?;
                if self.newest_register_size() < head.size {
                    let heads = Arc::make_mut(&mut self.grounds.register_heads);
                    heads.push((log_index, head.size, head.root));
                }
            }
            Entry::NodeFacts(v1::SignedNodeFacts { facts, signatures: _ }) => {
                let facts = evidence::log_entry::decode_facts(facts)
                    .map_err(|_| InvalidEntry::Facts { log_index })?;
                let node: NodeId =
                    facts.node.parse().map_err(|_| InvalidEntry::Facts { log_index })?;
                let all = Arc::make_mut(&mut self.grounds.facts);
                all.entry(node).or_default().push((log_index, facts));
            }
            Entry::NodeKey(v1::NodeKey { origin, revoked, revoked_from_size, .. }) => {
                let origin: AgentOrigin = origin.parse().map_err(|_| InvalidEntry::Origin {
                    log_index,
                    found: origin.chars().take(80).collect(),
                })?;
                if !revoked {
                    self.enrolled.entry(origin.node.clone()).or_insert_with(|| origin.clone());
                }
                if *revoked {
                    let revocation = (log_index, *revoked_from_size);
                    self.grounds.seen_mut(origin).revocations.push(revocation);
                }
            }
            Entry::PersonKey(v1::PersonKey { person, public_key, revoked, approver: _ }) => {
                let v1::PersonRef { person, role } = person.clone().unwrap_or_default();
                let keys = self.persons.entry((person, role)).or_default();
                match revoked {
                    true => drop(keys.remove(public_key)),
                    false => drop(keys.insert(public_key.clone())),
                }
            }
            Entry::Erasure(v1::Erasure { chunks, .. }) => {
                if !chunks.is_empty() {
                    Arc::make_mut(&mut self.grounds.register).erase(chunks);
                }
            }
            Entry::CaseHead(_)
            | Entry::Export(_)
            | Entry::Fork(_)
            | Entry::Shard(_)
            | Entry::Archive(_)
            // What a collector found when it judged again; a verifier judges itself.
            | Entry::Reassessment(_) => {}
        }
        Ok(())
    }

    /// Whether this snapshot belongs to those that say what stood before the node was enrolled: of the
    /// node's first generation, for each source, up to the first for which the ruleset held still.
    pub fn wants_snapshot(&self, origin: &AgentOrigin, snapshot: &v1::RuleSnapshot) -> bool {
        self.enrolled.get(&origin.node) == Some(origin)
            && self.grounds.seen(origin).is_none_or(|seen| seen.wants(snapshot.source))
    }

    /// The rules of a covered snapshot, in the order of leaves and before anything is judged that comes
    /// after it.
    pub fn snapshot(
        &mut self,
        origin: &AgentOrigin,
        index: u64,
        snapshot: &v1::RuleSnapshot,
        rules: &[v1::SnapshotRule],
    ) {
        if self.wants_snapshot(origin, snapshot) {
            self.grounds.seen_mut(origin.clone()).stood(index, snapshot, rules);
        }
    }

    /// The leaves that heads have covered since the last call, in order.
    pub fn take_assessed(&mut self) -> Vec<Assessed> {
        std::mem::take(&mut self.assessed)
    }

    /// What must be judged again because of gaps that were told of after the events that they touch.
    pub fn take_reached(&mut self) -> Vec<Selector> {
        std::mem::take(&mut self.reached)
    }

    fn cover(&mut self, origin: &AgentOrigin, size: u64, log_index: u64) {
        // Taken out, so that the tree can be changed while the heads are read.
        let mut tree = self.trees.remove(origin).unwrap_or_default();
        let known = |person: &Option<v1::PersonRef>| {
            let v1::PersonRef { person, role } = person.clone().unwrap_or_default();
            self.persons.get(&(person, role)).is_some_and(|keys| !keys.is_empty())
        };
        let register_size = |checkpoint: &Hash| {
            self.published.get(checkpoint).map(|log_size| self.register_size_at(*log_size))
        };
        let judged_until_s = tree.judged_until_s;
        let mut told = Vec::new();
        let assessed =
            tree.cover(origin, size, log_index, register_size, known, |one| told.push(one));
        for one in told {
            if let Told::Unseen(Shown { unseen, rule, .. }) = &one
                && unseen.from_s <= judged_until_s
            {
                let node = origin.node.clone();
                let selected = match rule {
                    Some(number) => Selected::Rule { node, number: *number },
                    None => Selected::Node(node),
                };
                self.reached.push(Selector { selected, since_s: unseen.from_s });
            }
            self.grounds.seen_mut(origin.clone()).told(log_index, one);
        }
        self.assessed.extend(assessed);
        self.trees.insert(origin.clone(), tree);
    }
}

impl Grounds {
    fn new(register_origin: impl Into<String>, parameters: Parameters) -> Self {
        Self {
            register: Arc::new(Register::new(register_origin)),
            parameters,
            register_heads: Arc::default(),
            facts: Arc::default(),
            trees: Arc::default(),
        }
    }

    fn seen(&self, origin: &AgentOrigin) -> Option<&Seen> {
        self.trees.get(origin).map(AsRef::as_ref)
    }

    fn seen_mut(&mut self, origin: AgentOrigin) -> &mut Seen {
        Arc::make_mut(Arc::make_mut(&mut self.trees).entry(origin).or_default())
    }

    pub fn register(&self) -> &Register {
        &self.register
    }

    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Size of the newest register head below a size of the log.
    pub fn register_size_at(&self, log_size: u64) -> u64 {
        self.register_head_at(log_size).map_or(0, |(_, size, _)| *size)
    }

    /// Root of the register at that size; `None`: the log shows no head of it yet.
    pub fn register_root_at(&self, log_size: u64) -> Option<Hash> {
        self.register_head_at(log_size).map(|(_, _, root)| *root)
    }

    fn register_head_at(&self, log_size: u64) -> Option<&(u64, u64, Hash)> {
        let below = self.register_heads.partition_point(|(index, _, _)| *index < log_size);
        self.register_heads.get(..below).and_then(<[_]>::last)
    }

    /// How long a reference may come late at the most, as known at a size of the log.
    pub fn late_register_max_s(&self, log_size: u64) -> u32 {
        self.register.at(self.register_size_at(log_size)).late_register_max_s()
    }

    /// The newest facts of a node below a size of the log.
    pub fn facts_at(&self, node: &NodeId, log_size: u64) -> Option<&v1::NodeFacts> {
        let all = self.facts.get(node)?;
        all.iter().rfind(|(index, _)| *index < log_size).map(|(_, facts)| facts)
    }

    /// The newest facts of every node below a size of the log, by node.
    pub fn inventory(&self, log_size: u64) -> Vec<v1::NodeFacts> {
        self.facts.keys().filter_map(|node| self.facts_at(node, log_size).cloned()).collect()
    }

    /// Asks for what verdicts on these events will need, for all of them together ([`View::load`]). Worth it for
    /// a few dozen: what is asked for thousands is not in the caches any more when the last one's turn comes.
    pub fn expect<'f>(&self, events: impl Iterator<Item = &'f Facts>) {
        let asked = events.filter_map(|Facts { rule, target, .. }| {
            let claims = rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok());
            Some((Target::from_wire(target.as_ref()?).ok()?, claims.collect()))
        });
        let asked: Vec<(Target, Vec<Claim>)> = asked.collect();
        self.register.view().load(asked.iter().map(|(target, claims)| (target, claims.as_slice())));
    }

    /// As known then.
    pub fn then(&self, facts: &Facts) -> Verdict {
        if let Some(why) = self.clock_fails(facts) {
            return self.unverifiable(facts.covered_by, why);
        }
        let asked = Asked {
            view: &self.register.at(self.register_size_at(facts.covered_by)),
            place: self.facts_at(&facts.origin.node, facts.covered_by),
            as_known: AsKnown::Then,
            judged_at_s: Some(facts.span.last_s),
            acted_at_s: None,
            log_size: facts.covered_by.saturating_add(1),
            stands: false,
        };
        self.judge(facts, &asked)
    }

    /// As known at a size of the log; `judged_at_s` is the time of the node's last `Seal`.
    pub fn now(&self, facts: &Facts, log_size: u64, judged_at_s: i64) -> Verdict {
        let log_size = log_size.max(facts.covered_by);
        if let Some(why) = self.fails(facts, log_size) {
            return self.unverifiable(log_size, why);
        }
        let asked = Asked {
            view: &self.register.at(self.register_size_at(log_size)),
            place: self.facts_of_the_time(facts, log_size),
            as_known: AsKnown::Now,
            judged_at_s: Some(judged_at_s),
            acted_at_s: None,
            log_size,
            stands: false,
        };
        self.judge(facts, &asked)
    }

    /// A standing rule at an instant, by its facts as a leaf or a snapshot showed them; `since_s`: when it was seen to
    /// be installed. The node is where it is now.
    pub fn standing(
        &self,
        facts: &Facts,
        since_s: Option<i64>,
        at_s: i64,
        log_size: u64,
    ) -> Verdict {
        let log_size = log_size.max(facts.covered_by);
        let view = self.register.at(self.register_size_at(log_size));
        self.standing_under(&view, facts, since_s, at_s, log_size)
    }

    /// Since when the verdict on a rule that stands has been what `holds` says, as it is at `to_s`: the last bound
    /// before which it was not, or `from_s`. Of very many bounds the latest are looked at, and it is the first of these.
    pub fn held_since_s(
        &self,
        facts: &Facts,
        since_s: Option<i64>,
        (from_s, to_s): (i64, i64),
        log_size: u64,
        holds: impl Fn(&Verdict) -> bool,
    ) -> i64 {
        let view = self.register.at(self.register_size_at(log_size.max(facts.covered_by)));
        let Known::Known(target) = Known::<Target>::from_wire(facts.target.as_ref()) else {
            return from_s;
        };
        let own = facts.rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok());
        let claims = view.claims_of(&facts.origin.node, facts.rule.number, own.collect()).claims;
        let turns = view.turns(&target, &claims, from_s, to_s);
        let turned = turns.iter().find(|turn_s| {
            let before_s = turn_s.saturating_sub(1);
            !holds(&self.standing_under(&view, facts, since_s, before_s, log_size))
        });
        let oldest = turns.last().filter(|_| turns.len() == TURNS_MAX);
        turned.or(oldest).copied().unwrap_or(from_s)
    }

    /// The same under another register: what a statement would change.
    pub fn standing_under(
        &self,
        view: &View<'_>,
        facts: &Facts,
        since_s: Option<i64>,
        at_s: i64,
        log_size: u64,
    ) -> Verdict {
        if let Some(why) = self.fails(facts, log_size) {
            return self.unverifiable(log_size, why);
        }
        let mut facts = facts.clone();
        facts.span.first_s = at_s;
        facts.span.last_s = at_s;
        let asked = Asked {
            view,
            place: self.facts_at(&facts.origin.node, log_size),
            as_known: AsKnown::Now,
            judged_at_s: since_s.map(|_| at_s),
            acted_at_s: since_s,
            log_size,
            stands: true,
        };
        self.judge(&facts, &asked)
    }

    fn judge(&self, facts: &Facts, asked: &Asked<'_>) -> Verdict {
        let Facts {
            origin,
            index,
            rule,
            target,
            hit_target,
            response,
            span,
            imported,
            other_candidates,
            before_act,
            covered_by,
        } = facts;
        let Asked { view, place, as_known, judged_at_s, acted_at_s, log_size, stands } = *asked;
        let own = rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok()).collect();
        let Claimed { claims, attributed } = view.claims_of(&origin.node, rule.number, own);
        let stood = self.stood_before(origin, rule.number, *index);
        let baseline_until_s = view.baseline_until_s(&origin.node).filter(|_| stood);
        let target: Known<Target> = Known::from_wire(target.as_ref());
        let observed = observed(&target, hit_target.as_ref());
        let event = Event {
            target,
            narrowed: rule.narrowed,
            technique: v1::Technique::try_from(rule.technique).unwrap_or_default(),
            rate_bits_per_s: NonZeroU64::new(rule.rate_bits_per_s),
            trigger: v1::Trigger::try_from(rule.trigger).unwrap_or_default(),
            actor: v1::Actor::try_from(rule.actor).unwrap_or_default(),
            claims: &claims,
            attributed,
            baseline_until_s,
            response: response.as_ref(),
            span: *span,
            imported: *imported,
            place,
            observed: observed.as_slice(),
            ambiguous: other_candidates.len(),
            unseen: &[],
            stands,
            deed: is_deed(rule).then(|| self.confirmed(facts, log_size)),
        };
        let sizes =
            KnownSizes { before_act: *before_act, when_logged: self.register_size_at(*covered_by) };
        let parameters =
            Parameters { as_known, judged_at_s, acted_at_s, ..self.parameters.clone() };
        let verdict = judge(&event, view, &sizes, &parameters);
        // Gaps are looked for only where one would change something.
        let unseen = match verdict.undetermined {
            Some(v1::UndeterminedReason::Boundary) if !stands => self.unseen(facts, log_size),
            _ if stands && verdict.screen_word() != ScreenWord::Covered => {
                self.hiding(facts, log_size).into_iter().collect()
            }
            _ => Vec::new(),
        };
        if unseen.is_empty() {
            return verdict;
        }
        judge(&Event { unseen: &unseen, ..event }, view, &sizes, &parameters)
    }

    /// Times in the span of an event in which nobody looked at its source, as known below a size of the log.
    fn unseen(&self, facts: &Facts, log_size: u64) -> Vec<Unseen> {
        let Some(seen) = self.seen(&facts.origin) else { return Vec::new() };
        seen.gaps.within(&facts.rule, facts.span.with_error(), |shown| seen.knows(shown, log_size))
    }

    /// The time in which nobody could have seen that the rule went.
    fn hiding(&self, facts: &Facts, log_size: u64) -> Option<Unseen> {
        let seen = self.seen(&facts.origin)?;
        let known = |shown: &Shown| seen.knows(shown, log_size);
        seen.gaps.hiding(&facts.rule, facts.span.last_s, known)
    }

    fn facts_of_the_time(&self, facts: &Facts, log_size: u64) -> Option<&v1::NodeFacts> {
        self.facts_at(&facts.origin.node, facts.covered_by).or_else(|| {
            let all = self.facts.get(&facts.origin.node)?;
            all.iter().find(|(index, _)| *index < log_size).map(|(_, declared)| declared)
        })
    }

    fn stood_before(&self, origin: &AgentOrigin, rule: u64, index: u64) -> bool {
        self.seen(origin).is_some_and(|seen| seen.stood_before(rule, index))
    }

    /// What of the evidence does not hold, in words.
    fn fails(&self, facts: &Facts, log_size: u64) -> Option<String> {
        let revoked = |seen: &Seen| seen.is_revoked(facts.index, log_size);
        if self.seen(&facts.origin).is_some_and(revoked) {
            return Some("key revoked".to_owned());
        }
        self.clock_fails(facts)
    }

    /// It lies after the seal of its own batch, by more than the clock may be wrong.
    fn clock_fails(&self, facts: &Facts) -> Option<String> {
        if is_deed(&facts.rule) {
            return None;
        }
        let sealed_s = self.seen(&facts.origin)?.sealed_before(facts.index, facts.span.last_s)?;
        let (at, sealed) = (words::time(facts.span.last_s), words::time(sealed_s));
        Some(format!("clock: at {at}, in a batch that was sealed at {sealed}"))
    }

    fn unverifiable(&self, log_size: u64, why: String) -> Verdict {
        Verdict {
            code: v1::VerdictCode::Unverifiable,
            undetermined: None,
            clause: Clause {
                dimension: v1::Dimension::Unspecified,
                request: None,
                request_says: String::new(),
                event_shows: why,
                time_zone: String::new(),
            },
            added: Vec::new(),
            basis_proof: v1::BasisProof::Unspecified,
            registered_before_act: v1::Ternary::Unspecified,
            register_size: self.register_size_at(log_size),
            attributed: None,
            baseline_until_s: None,
            confirmed: None,
            considered: None,
            besides: Vec::new(),
        }
    }

    /// Who stood by a deed as this leaf states it, as known below a size of the log.
    fn confirmed(&self, facts: &Facts, log_size: u64) -> Option<&Confirmed> {
        let seen = self.seen(&facts.origin)?;
        let confirmed = seen.confirmed(facts.rule.number, facts.index, log_size)?;
        (!seen.is_revoked(confirmed.leaf, log_size)).then_some(confirmed)
    }

    fn newest_register_size(&self) -> u64 {
        self.register_heads.last().map_or(0, |(_, size, _)| *size)
    }
}

/// The rules of a snapshot from its chunks. `None`: a chunk is withheld, erased or not the one that
/// was named, or an item is no rule.
pub fn open_snapshot(
    set: &v1::ItemSet,
    chunk: impl Fn(&Hash) -> Option<Vec<u8>>,
) -> Option<Vec<v1::SnapshotRule>> {
    let chunks: Vec<Vec<u8>> =
        set.chunks.iter().map(|id| chunk(&Hash::from_slice(id)?)).collect::<Option<_>>()?;
    let items = open_set(set, &chunks).ok()?;
    items.iter().map(|item| v1::SnapshotRule::decode(item.as_slice()).ok()).collect()
}

fn read_head(log_index: u64, note: &[u8]) -> Result<Checkpoint, InvalidEntry> {
    Note::parse(note)
        .ok()
        .and_then(|note| Checkpoint::parse_text(&note.text).ok())
        .ok_or(InvalidEntry::Note { log_index })
}

/// What hit a rule that holds more than one thing: a name, or an address within its prefix. Somebody else's service may
/// have been hit, or one that must stay open.
fn observed(target: &Known<Target>, hit: Option<&v1::Target>) -> Option<Target> {
    let Known::Known(target) = target else { return None };
    match (Known::from_wire(hit), target) {
        (
            Known::Known(Target::DomainExact(name) | Target::Sni(name) | Target::HttpHost(name)),
            _,
        ) => Some(Target::DomainExact(name)),
        (Known::Known(hit @ Target::Ip(_)), Target::Cidr(_)) => Some(hit),
        (Known::Known(_) | Known::Erased | Known::NotUnderstood, _) => None,
    }
}
