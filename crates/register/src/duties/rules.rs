//! When rules stood, by target and by claim.

use std::collections::{BTreeMap, HashMap};

use evidence::{Claim, NodeId, RequestId};
use remit_proto::v1::Technique;

use crate::{
    index::TargetIndex,
    target::{Relation, Target, relation},
};

/// A blocking rule at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub node: NodeId,
    /// What lists it at the node (`SourceKind`).
    pub source: i32,
    pub target: Target,
    pub technique: Technique,
    /// It has further conditions (`Rule.narrowed`), of which the evidence does not tell which: it may hit less than
    /// its target, or nothing.
    pub narrowed: bool,
    pub claims: Vec<Claim>,
    /// A deed that a person recorded: its end is what was said, and no silence of the node hides it.
    pub by_person: bool,
}

/// A rule, and one span of time in which it stood in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stood {
    pub rule: Installed,
    pub from_s: i64,
    pub begun: Begun,
    /// `None`: it stands.
    pub until_s: Option<i64>,
}

/// What is known of the beginning of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Begun {
    /// It was seen to be installed, or to take this form.
    Seen,
    /// A later snapshot showed it: it came since the one before, many at once, or while nobody looked.
    Found,
    /// It stood when somebody looked first; since when is not known.
    Before,
    /// A control snapshot showed it, and the node had not told of it: since when it stands is not known
    /// ([`integrity`](crate::integrity)).
    Untold,
}

/// Whatever tells spans apart for who keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u64; 3]);

/// When agents began anew, and when each had listed all rules of a source; `None`: not yet.
pub(super) type Unread = BTreeMap<i64, Option<i64>>;

/// All spans that were told of, and since when somebody looked.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    all: Vec<Stood>,
    /// By node and source, when all rules were listed first.
    looks: BTreeMap<String, BTreeMap<i32, i64>>,
    /// By node and source.
    unread: BTreeMap<String, BTreeMap<i32, Unread>>,
    known: HashMap<SpanId, usize>,
    index: TargetIndex,
    by_claim: HashMap<RequestId, Vec<usize>>,
}

impl Rules {
    pub fn new(spans: impl IntoIterator<Item = (SpanId, Stood)>) -> Self {
        let mut rules = Self::default();
        for (id, stood) in spans {
            rules.tell(id, stood);
        }
        rules
    }

    /// A span, or what is known of it since. A span keeps its node and target.
    pub fn tell(&mut self, id: SpanId, stood: Stood) {
        let at = match self.known.get(&id) {
            Some(at) => *at,
            None => {
                self.index.insert(&stood.rule.target);
                self.known.insert(id, self.all.len());
                self.all.push(stood.clone());
                self.all.len().saturating_sub(1)
            }
        };
        for claim in &stood.rule.claims {
            let Claim::Request(request) = claim else { continue };
            let claiming = self.by_claim.entry(request.clone()).or_default();
            if claiming.last() != Some(&at) && !claiming.contains(&at) {
                claiming.push(at);
            }
        }
        if let Some(known) = self.all.get_mut(at) {
            *known = stood;
        }
    }

    /// All rules of a source were listed at a node, by a snapshot that held still. What was there before the first such list, and what was
    /// not, nobody knows. True if that is new.
    pub fn look(&mut self, node: &str, source: i32, at_s: i64) -> bool {
        let of_node = match self.looks.get_mut(node) {
            Some(of_node) => of_node,
            None => self.looks.entry(node.to_owned()).or_default(),
        };
        let known = of_node.entry(source).or_insert(i64::MAX);
        let earlier = at_s < *known;
        *known = (*known).min(at_s);
        earlier
    }

    /// When each source of a node listed its rules first.
    pub(super) fn looks(&self, node: &str) -> impl Iterator<Item = i64> {
        self.looks.get(node).into_iter().flat_map(BTreeMap::values).copied()
    }

    /// An agent of a node began anew, and had not listed all rules of a source until another instant, or has not yet.
    /// True if that is new.
    pub fn unread(&mut self, node: &str, source: i32, from_s: i64, until_s: Option<i64>) -> bool {
        let of_node = match self.unread.get_mut(node) {
            Some(of_node) => of_node,
            None => self.unread.entry(node.to_owned()).or_default(),
        };
        of_node.entry(source).or_default().insert(from_s, until_s) != Some(until_s)
    }

    /// Since when a rule that stands, or the end of one that went, was not seen, because an agent that began anew had
    /// not listed all rules of its source; `None`: it was.
    pub(super) fn unseen_since_s(&self, stood: &Stood) -> Option<i64> {
        let Stood { rule, from_s, until_s, begun: _ } = stood;
        // A person lists nothing.
        if rule.by_person {
            return None;
        }
        let unread = self.unread.get(rule.node.as_str())?.get(&rule.source)?;
        let (began_s, read_s) = unread.range(..until_s.unwrap_or(i64::MAX)).next_back()?;
        let is_hidden = match (*until_s, *read_s) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(end_s), Some(read_s)) => end_s <= read_s,
        };
        // What the agent has shown that began anew is seen.
        (is_hidden && from_s < began_s).then_some(*began_s)
    }

    /// Since when the beginning of a rule may have been missed, because an agent that began anew had not listed all
    /// rules of its source; `None`: it was seen, or the agent had.
    pub(super) fn missed_since_s(&self, stood: &Stood) -> Option<i64> {
        let Stood { rule, from_s, begun, until_s: _ } = stood;
        let unread = self.unread.get(rule.node.as_str())?.get(&rule.source)?;
        let (began_s, read_s) = unread.range(..=from_s).next_back()?;
        let is_missed = *begun != Begun::Seen && read_s.is_none_or(|read_s| *from_s <= read_s);
        is_missed.then_some(*began_s)
    }

    pub(super) fn get(&self, id: &SpanId) -> Option<&Stood> {
        self.all.get(*self.known.get(id)?)
    }

    /// In the order in which they were told of.
    pub fn spans(&self) -> impl Iterator<Item = &Stood> {
        self.all.iter()
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Spans of rules that are not disjoint from a target.
    pub(super) fn touching<'r>(&'r self, target: &'r Target) -> impl Iterator<Item = &'r Stood> {
        let near = self.index.near(target).into_iter();
        let near = near.filter_map(|number| self.all.get(usize::try_from(number).ok()?));
        near.filter(|stood| relation(&stood.rule.target, target) != Relation::Disjoint)
    }

    /// Spans of rules that name a request.
    pub(super) fn naming(&self, request: &RequestId) -> impl Iterator<Item = &Stood> {
        let claiming = self.by_claim.get(request).into_iter().flatten();
        let claiming = claiming.filter_map(|at| self.all.get(*at));
        claiming.filter(move |stood| names(stood, request))
    }
}

/// Claims are those of now: an attribution may have been withdrawn.
pub(super) fn names(stood: &Stood, request: &RequestId) -> bool {
    stood.rule.claims.iter().any(|claim| matches!(claim, Claim::Request(id) if id == request))
}
