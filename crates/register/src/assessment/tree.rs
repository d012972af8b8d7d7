//! One agent's tree on its way from accepted to assessed.
//!
//! Leaves wait until a logged head covers them. Seals, in passing, prove what register the node's
//! agent knew of, and say how far its clock may be wrong.

use std::collections::{HashMap, VecDeque};

use evidence::{AgentOrigin, Leaf, leaf};
use prost::Message;
use remit_proto::v1::{self, leaf::Body};
use tlog::Hash;

use super::{Assessed, Facts, Item};
use crate::{
    deed::{self, Confirmed},
    integrity::AHEAD_MAX_S,
    judge::Span,
    silence::Watch,
    unseen::{Gaps, Shown},
};

/// By so much a clock may be wrong that its node calls unsynchronised. Belongs to the matcher version.
pub const CLOCK_ERROR_UNSYNCED_S: u32 = 300;

/// One agent's tree, as far as it is logged and beyond.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    /// Accepted and not yet covered by a logged head.
    waiting: VecDeque<Waiting>,
    logged_size: u64,
    /// What seals prove to have known: time of the seal and the register size in the checkpoint that
    /// it names; only where that size grew.
    knew: Vec<(i64, u64)>,
    /// The silences between its seals.
    watch: Watch,
    /// The last second of the events so far.
    pub(super) judged_until_s: i64,
}

/// What is known of a tree beside its leaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Log index of each revocation, and the size above which heads are not valid by it. All are kept: a
    /// later one that reaches further does not count at a size of the log before it.
    pub(super) revocations: Vec<(u64, u64)>,
    /// What the first snapshots of the node's first generation listed.
    stood: Vec<Stood>,
    /// Second persons, in the order of leaves.
    confirmed: Vec<OfDeed>,
    pub(super) gaps: Gaps,
    /// Batches that hold what lies after their own seal, in order.
    sealed_early: Vec<SealedEarly>,
}

/// What a tree tells of in passing.
pub(super) enum Told {
    /// A second person stood by a deed, by this leaf.
    Confirmed {
        leaf: u64,
        action: Box<v1::ServiceAction>,
    },
    Unseen(Shown),
    SealedEarly(SealedEarly),
}

/// The first and the last leaf of a batch, its seal's time, and how much later a leaf's may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct SealedEarly {
    first: u64,
    last: u64,
    sealed_s: i64,
    allowed_s: i64,
}

/// A leaf that confirms a deed.
#[derive(Debug, Clone)]
struct OfDeed {
    number: u64,
    covered_by: u64,
    confirmed: Confirmed,
}

/// Rules that claim nothing and stood when the node was enrolled.
#[derive(Debug, Clone)]
struct Stood {
    source: i32,
    /// Of the snapshot's leaf.
    index: u64,
    /// The ruleset held still: the next snapshot says nothing of what stood before.
    settled: bool,
    /// In order. A rule that claims something has no use for a baseline.
    numbers: Vec<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Waiting {
    index: u64,
    leaf: Leaf,
    openings: Vec<v1::Opening>,
}

impl Tree {
    pub(super) fn receive(
        &mut self,
        old_size: u64,
        leaves: impl IntoIterator<Item = Leaf>,
        openings: &[v1::LeafOpening],
    ) {
        let mut by_index: HashMap<u64, Vec<v1::Opening>> = HashMap::new();
        for v1::LeafOpening { index, opening } in openings {
            by_index.entry(*index).or_default().extend(opening.clone());
        }
        let next = self.waiting.back().map_or(self.logged_size, |w| w.index.saturating_add(1));
        for (index, leaf) in (old_size..).zip(leaves) {
            // Told twice: the first telling stands.
            if index >= next {
                let openings = by_index.remove(&index).unwrap_or_default();
                self.waiting.push_back(Waiting { index, leaf, openings });
            }
        }
    }

    /// The leaves that a head newly covers. A head ends a batch, and a batch ends with a seal, so
    /// each leaf has the seal that tells of its clock.
    pub(super) fn cover(
        &mut self,
        origin: &AgentOrigin,
        size: u64,
        log_index: u64,
        register_size_of: impl Fn(&Hash) -> Option<u64>,
        is_known: impl Fn(&Option<v1::PersonRef>) -> bool,
        mut tell: impl FnMut(Told),
    ) -> Vec<Assessed> {
        let mut assessed = Vec::new();
        let mut batch = Vec::new();
        while self.waiting.front().is_some_and(|w| w.index < size) {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let seal = match &waiting.leaf {
                Leaf::Known(Body::Seal(seal)) => Some(seal.clone()),
                Leaf::Known(_) | Leaf::NotUnderstood { .. } => None,
            };
            if let Leaf::Known(Body::ServiceAction(action)) = &waiting.leaf
                && action.confirmed_by.is_some()
                && is_known(&action.recorded_by)
                && is_known(&action.confirmed_by)
            {
                let (leaf, action) = (waiting.index, Box::new(action.clone()));
                tell(Told::Confirmed { leaf, action });
            }
            if let Leaf::Known(Body::Gap(gap)) = &waiting.leaf {
                let shown = Shown::of_leaf(waiting.index, log_index, gap);
                shown.into_iter().for_each(|shown| tell(Told::Unseen(shown)));
            }
            let index = waiting.index;
            batch.push(waiting);
            if let Some(seal) = seal {
                let error_s = clock_error(&seal);
                let begin = assessed.len();
                assessed
                    .extend(batch.drain(..).map(|w| self.assess(origin, w, log_index, error_s)));
                let of_batch = assessed.get(begin..).unwrap_or_default();
                sealed_early(of_batch, &seal).into_iter().for_each(|e| tell(Told::SealedEarly(e)));
                if let Some(silence) = self.watch.seal(&origin.node, &seal) {
                    tell(Told::Unseen(Shown::of_silence(index, log_index, &silence)));
                }
                self.learn(&seal, &register_size_of);
            }
        }
        let unsealed = batch.into_iter();
        assessed
            .extend(unsealed.map(|w| self.assess(origin, w, log_index, CLOCK_ERROR_UNSYNCED_S)));
        self.logged_size = self.logged_size.max(size);
        let last = assessed.iter().filter_map(last_second).max();
        self.judged_until_s = self.judged_until_s.max(last.unwrap_or(i64::MIN));
        assessed
    }

    fn assess(
        &self,
        origin: &AgentOrigin,
        waiting: Waiting,
        covered_by: u64,
        clock_error_s: u32,
    ) -> Assessed {
        let Waiting { index, leaf, openings } = waiting;
        let facts = |rule: &Option<v1::Rule>, first_s: i64, last_s: i64, target: u32| Facts {
            origin: origin.clone(),
            index,
            rule: rule.clone().unwrap_or_default(),
            target: opened_target(&openings, target),
            hit_target: None,
            response: None,
            span: Span { first_s, last_s, clock_error_s },
            imported: false,
            other_candidates: Vec::new(),
            before_act: self.knew_before(first_s),
            covered_by,
        };
        let item = match leaf {
            Leaf::NotUnderstood { format } => Item::NotUnderstood { format },
            Leaf::Known(Body::Activity(activity)) => {
                let mut facts = facts(
                    &activity.rule,
                    activity.first_s,
                    activity.last_s,
                    leaf::ACTIVITY_RULE_TARGET,
                );
                facts.hit_target = opened_target(&openings, leaf::ACTIVITY_HIT_TARGET);
                facts.response = activity.response.clone();
                facts.imported = activity.imported.is_some();
                facts.other_candidates.clone_from(&activity.other_candidates);
                Item::Activity { facts: Box::new(facts), leaf: Box::new(activity) }
            }
            Leaf::Known(Body::RuleChange(change)) => {
                let facts = facts(&change.rule, change.at_s, change.at_s, leaf::RULE_CHANGE_TARGET);
                let native = opened(&openings, leaf::RULE_CHANGE_NATIVE)
                    .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
                Item::RuleChange { facts: Box::new(facts), leaf: Box::new(change), native }
            }
            Leaf::Known(Body::ServiceAction(action)) => {
                let rule = Some(deed::rule_of(&action));
                let span = deed::span_of(&action);
                let mut facts =
                    facts(&rule, span.first_s, span.last_s, leaf::SERVICE_ACTION_TARGET);
                facts.span = span;
                Item::Deed { facts: Box::new(facts), leaf: Box::new(action) }
            }
            Leaf::Known(Body::Probe(probe)) => {
                let target = opened_target(&openings, leaf::PROBE_TARGET);
                Item::Probe { target, leaf: Box::new(probe) }
            }
            Leaf::Known(Body::RuleSnapshot(snapshot)) => {
                let before_act = self.knew_before(snapshot.at_s);
                Item::Snapshot { leaf: Box::new(snapshot), before_act }
            }
            Leaf::Known(
                body @ (Body::Genesis(_)
                | Body::Start(_)
                | Body::ConfigChange(_)
                | Body::Seal(_)
                | Body::Gap(_)
                | Body::KeyChange(_)),
            ) => Item::Other(Box::new(body)),
        };
        Assessed { origin: origin.clone(), index, covered_by, item }
    }

    fn learn(&mut self, seal: &v1::Seal, register_size_of: impl Fn(&Hash) -> Option<u64>) {
        let named = Hash::from_slice(&seal.collector_checkpoint);
        let Some(size) = named.and_then(|note| register_size_of(&note)) else { return };
        if self.knew.last().is_none_or(|(_, known)| *known < size) {
            self.knew.push((seal.at_s, size));
        }
    }

    /// What the last seal before this second proves to have known.
    fn knew_before(&self, first_s: i64) -> Option<u64> {
        self.knew.iter().rfind(|(at_s, _)| *at_s < first_s).map(|(_, size)| *size)
    }
}

impl Seen {
    /// The leaf is above a head that a revocation below this size of the log leaves valid.
    pub(super) fn is_revoked(&self, leaf: u64, log_size: u64) -> bool {
        let mut known = self.revocations.iter().filter(|(index, _)| *index < log_size);
        known.any(|(_, from_size)| *from_size <= leaf)
    }

    /// Takes in what the tree told of at this entry of the log.
    pub(super) fn told(&mut self, covered_by: u64, told: Told) {
        match told {
            Told::Confirmed { leaf, action } => self.confirm(leaf, covered_by, &action),
            Told::Unseen(shown) => self.gaps.add(shown),
            Told::SealedEarly(batch) => self.sealed_early.push(batch),
        }
    }

    /// Known below this size of the log, and not revoked.
    pub(super) fn knows(&self, shown: &Shown, log_size: u64) -> bool {
        shown.covered_by < log_size && !self.is_revoked(shown.leaf, log_size)
    }

    /// When the batch of a leaf was sealed, if what the leaf tells of came after that.
    pub(super) fn sealed_before(&self, leaf: u64, last_s: i64) -> Option<i64> {
        let at = self.sealed_early.partition_point(|batch| batch.last < leaf);
        let batch = self.sealed_early.get(at).filter(|batch| batch.first <= leaf)?;
        batch.contradicts(last_s).then_some(batch.sealed_s)
    }

    /// Two persons whom the log knew stood by a deed, by this leaf.
    fn confirm(&mut self, leaf: u64, covered_by: u64, action: &v1::ServiceAction) {
        let Some(by) = action.confirmed_by.clone() else { return };
        let confirmed =
            Confirmed { leaf, at_s: action.at_s, by, attestation: action.attestation() };
        self.confirmed.push(OfDeed { number: action.number, covered_by, confirmed });
    }

    /// The first that stood by the deed as the leaf at `index` states it, below a size of the log.
    pub(super) fn confirmed(&self, deed: u64, index: u64, log_size: u64) -> Option<&Confirmed> {
        let mut of_deed = self.confirmed.iter().filter(|of| of.number == deed);
        let first = of_deed.find(|of| of.confirmed.leaf > index)?;
        (first.covered_by < log_size).then_some(&first.confirmed)
    }

    pub(super) fn wants(&self, source: i32) -> bool {
        !self.stood.iter().any(|stood| stood.source == source && stood.settled)
    }

    pub(super) fn stood(
        &mut self,
        index: u64,
        snapshot: &v1::RuleSnapshot,
        rules: &[v1::SnapshotRule],
    ) {
        let rules = rules.iter().filter_map(|rule| rule.rule.as_ref());
        let mut numbers: Vec<u64> =
            rules.filter(|rule| rule.claims.is_empty()).map(|rule| rule.number).collect();
        numbers.sort_unstable();
        let (source, settled) = (snapshot.source, !snapshot.unstable);
        self.stood.push(Stood { source, index, settled, numbers });
    }

    /// As known to the leaf at `index`: what a later snapshot lists did not stand before.
    pub(super) fn stood_before(&self, rule: u64, index: u64) -> bool {
        let earlier = self.stood.iter().filter(|stood| stood.index <= index);
        earlier.into_iter().any(|stood| stood.numbers.binary_search(&rule).is_ok())
    }
}

impl SealedEarly {
    fn contradicts(&self, last_s: i64) -> bool {
        last_s > self.sealed_s.saturating_add(self.allowed_s)
    }
}

/// `None`: nothing in the batch lies after its seal by more than the clock may be wrong.
fn sealed_early(batch: &[Assessed], seal: &v1::Seal) -> Option<SealedEarly> {
    let (first, last) = (batch.first()?.index, batch.last()?.index);
    let allowed_s = i64::from(clock_error(seal)).saturating_add(AHEAD_MAX_S);
    let sealed = SealedEarly { first, last, sealed_s: seal.at_s, allowed_s };
    let mut times = batch.iter().filter_map(last_second);
    times.any(|last_s| sealed.contradicts(last_s)).then_some(sealed)
}

/// The last second of what a rule did, of a change of one, or of a list of all. A deed's times are a person's word.
fn last_second(assessed: &Assessed) -> Option<i64> {
    match &assessed.item {
        Item::Activity { facts, .. } | Item::RuleChange { facts, .. } => Some(facts.span.last_s),
        Item::Snapshot { leaf, .. } => Some(leaf.at_s),
        Item::Deed { .. } | Item::Probe { .. } | Item::Other(_) | Item::NotUnderstood { .. } => {
            None
        }
    }
}

fn clock_error(seal: &v1::Seal) -> u32 {
    match v1::ClockState::try_from(seal.clock).unwrap_or_default() {
        v1::ClockState::Synced => 0,
        v1::ClockState::Unsynced | v1::ClockState::Unspecified => CLOCK_ERROR_UNSYNCED_S,
    }
}

fn opened(openings: &[v1::Opening], field: u32) -> Option<&[u8]> {
    openings.iter().find(|o| o.field == field).map(|o| o.value.as_slice())
}

fn opened_target(openings: &[v1::Opening], field: u32) -> Option<v1::Target> {
    opened(openings, field).and_then(|bytes| v1::Target::decode(bytes).ok())
}
