//! The other direction: what a request demands, and where and when it was not done (DOMAIN.md 3b).
//!
//! Kept apart from verdicts on purpose: one score over both would reward blocking too much.
//!
//! In: a view of the register, an instant, when rules stood ([`Rules`]), the nodes as they are declared, and
//! when nodes were silent. Out: what is owed of each request and was not done.
//!
//! *Owed* is a target of an accepted request at an instant if the request is in force then, the target is
//! listed then, it was received, and `implement_by` has passed; what joins later has as long as the first targets had, and what
//! joins a list at least the list's own time. *Carried* it is at a node while a rule stands there that is
//! not disjoint from it, or, where the operator chooses the means or may block addresses for a name, a rule that
//! names the request and none of its targets, or one on an address that the name resolved to, for as long as the
//! answer held; since when the name had the address before the first answer that is kept, nobody knows. *Observed*
//! are the nodes in scope with at least one point that is looked at. *Peers* are observed nodes of the same
//! role with a technology in common: if one of them carries a request, the others are expected to.
//!
//! | code | it stands when |
//! |---|---|
//! | `NOT_ENFORCED` | no target is carried anywhere in scope |
//! | `PARTLY_ENFORCED(targets)` | some targets are carried, others nowhere in scope |
//! | `PARTLY_ENFORCED(narrower)` | some targets are carried, and everywhere by rules that leave some of them open ([`extent`]) |
//! | `PARTLY_ENFORCED(nodes)` | of peers, some carry it and some carry nothing of it |
//! | `INCONSISTENT` | peers carry it, and not the same targets, or not as much of them |
//! | `LATE_START` | a stated `implement_by` had passed, and a node carried a target later than it was owed since |
//! | `INTERRUPTED` | a node carried a target, then did not, then did, and it was owed when that began |
//! | `PREMATURE_REMOVAL` | a node carried a target that was owed, and does no more |
//! | `LATE_REMOVAL` | a rule stood, or stands, after the time to remove it had passed; with the tail of each node |
//! | `INEFFECTIVE` | a probe reached what is installed: [`outside`](crate::outside) |
//! | undetermined | nobody looks where it would be |
//! | undetermined(silent) | all who look are silent now or have told nothing yet, or all that carried it, or more of it, when they were heard last |
//! | undetermined(start) | a target may have been carried in time, or too late: when it was owed its node was silent, or its agent had begun anew and not listed all rules, until a rule was there |
//! | undetermined(removal) | from when a rule was to be removed until it was gone, or until now, its node was silent, or its agent had begun anew and not listed all rules |
//! | undetermined(conditions) | rules with further conditions may carry a target out, or more of it, and others do not |
//!
//! Exempt: requests that are refused, challenged, suspended or never accepted; agreed narrowing; nodes outside
//! the scope, or for other lines; exceptions; the operator's and users' own measures, which nobody is owed; orders against the
//! publisher; a request whose measure is withheld; a request whose territory is not stated binds no particular
//! point. The time to remove counts from the end, or from a stay that the end found, or, if that was stated
//! later, from the statement; of what an amendment took away ([`amended`]), a target, a list or a node, from its receipt. What another request wants blocked
//! at the node, or its time to remove lets stand, is no late removal. A rule that is put back within [`RELOAD_S`] was reloaded.
//!
//! A rule with further conditions, of which the evidence does not tell which, may carry out what it is on, and may
//! not: where and when it stands nothing is told as not carried out, late or interrupted for want of a rule. That
//! it still stands when it was to be removed is told, for it was to be removed too.
//!
//! A node that is silent is not held to have or to lack anything: it is left out and said to be. A start or an
//! end that fell into a silence is timed by what was seen before and after it: if the bound lies in between, nobody knows. So is
//! what an agent that began anew lists first, of a source that was looked at before. Before somebody looked first at a node
//! ([`Rules::look`]) it is not held to have or to lack anything either: that a target is not carried is told from
//! when it was due or from that look, whichever was later, and a start is late only where a look at the node found
//! the target not carried before. At what persons tell of somebody looks from their first word on. A node of which
//! nothing was told yet is as one that is silent.
//!
//! One request and cause is one [`Duty`], with the nodes that it is about; a removal that explains why a
//! target is not carried is told as that, and not a second time as `NOT_ENFORCED`. Each request says until
//! when its duties hold, so that [`Watch`] looks again at those alone that a change or a clock can reach.

mod amended;
mod clocks;
mod extent;
mod owed;
mod reach;
mod rules;
mod spans;
mod state;
mod timeline;
mod watch;

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use evidence::RequestId;
use remit_proto::v1::{DutyCode, NodeFacts};

use crate::{register::View, silence::Silence, target::Target};

use amended::Text;
use owed::Owed;
use reach::{Reach, Where};

pub use reach::lines_in_scope;
pub use rules::{Begun, Installed, Rules, SpanId, Stood};
pub use timeline::Timeline;
pub use watch::Watch;

/// A pause of at most so long is a reload of the ruleset.
pub const RELOAD_S: i64 = 60;
/// Targets and nodes that are named; all are counted.
pub const NAMED_MAX: usize = 1_000;

/// What is owed of one request, and was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    pub request: RequestId,
    pub finding: DutyFinding,
    /// "targets", "narrower" or "nodes" of PARTLY_ENFORCED; "silent" where all are who look or who carried it, "start" where
    /// the node was when a rule may have begun, "removal" where it was when one was to be removed, "conditions" where it
    /// depends on what rules do not tell; else empty.
    pub detail: &'static str,
    pub since_s: i64,
    /// When it ended; `None`: it stands.
    pub until_s: Option<i64>,
    /// The bound that had passed: since when it is owed, or when it was to be removed; `None`: it is not about one.
    pub due_s: Option<i64>,
    /// At most [`NAMED_MAX`].
    pub targets: Vec<Target>,
    pub target_count: u64,
    /// Nodes that it is about, by name; at most [`NAMED_MAX`].
    pub nodes: Vec<DutyNode>,
    pub node_count: u64,
    /// Nodes in scope with at least one point that is looked at.
    pub observed_nodes: Vec<String>,
    /// Of these, those that are silent now: nobody knows what they carry.
    pub silent_nodes: Vec<String>,
    /// Points in scope at which the block may be and nobody looks.
    pub unobserved: Vec<UnobservedPoint>,
}

/// The part of one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DutyNode {
    pub node: String,
    /// From when to when it was so there; `until_s` is `None` while it is.
    pub from_s: i64,
    pub until_s: Option<i64>,
    /// Targets there.
    pub targets: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DutyFinding {
    Is(DutyCode),
    /// Whether it is carried out is not known.
    Undetermined,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnobservedPoint {
    pub node: String,
    pub point: String,
}

/// What the duties of all requests are computed from.
pub struct Ground<'a> {
    pub view: &'a View<'a>,
    pub at_s: i64,
    pub nodes: &'a [NodeFacts],
    /// All that are known, those that have not ended too.
    pub silences: &'a [Silence],
}

/// Of every request, in their order.
pub fn duties(ground: &Ground<'_>, rules: &Rules) -> Vec<Duty> {
    let mut asked = Asked::new(ground);
    let by_list = ground.view.listed_until(ground.at_s);
    let ids: Vec<&RequestId> = ground.view.requests().map(|entry| entry.id()).collect();
    ids.into_iter().flat_map(|id| asked.of(id, rules, &by_list).0).collect()
}

/// What requests share while they are asked about one by one.
struct Asked<'a> {
    ground: &'a Ground<'a>,
    /// Many requests share few scopes.
    reaches: HashMap<Where, Rc<Reach>>,
    /// Silences by node.
    silences: BTreeMap<&'a str, Vec<&'a Silence>>,
}

impl<'a> Asked<'a> {
    fn new(ground: &'a Ground<'a>) -> Self {
        let mut silences: BTreeMap<&str, Vec<&Silence>> = BTreeMap::new();
        for silence in ground.silences {
            silences.entry(silence.node.as_str()).or_default().push(silence);
        }
        Self { ground, reaches: HashMap::new(), silences }
    }

    /// Its duties, and until when they hold if neither register nor rules change.
    fn of(
        &mut self,
        id: &RequestId,
        rules: &Rules,
        by_list: &crate::defects::ByList<'_>,
    ) -> (Vec<Duty>, Option<i64>) {
        let Ground { view, at_s, .. } = *self.ground;
        let Some(entry) = view.request(id) else { return (Vec::new(), None) };
        let mut owed = Owed::new(view, &entry, at_s, by_list.get(id).map_or(&[], Vec::as_slice));
        if owed.is_exempt() {
            return (Vec::new(), owed.next_s());
        }
        let reach = self.reach(owed.at(), rules);
        let texts = owed.texts().into_iter().map(|(version, at)| {
            let asked = Where { accepted: None, ..at.clone() };
            Text { version, held: self.reach(at, rules), asked: self.reach(asked, rules) }
        });
        let texts: Vec<Text<'_>> = texts.collect();
        // Where it is asked for nowhere now, a former text may have been carried out.
        if reach.is_empty() && texts.iter().all(|text| text.held.observed.is_empty()) {
            return (Vec::new(), owed.next_s());
        }
        owed.find(rules, &reach, &texts);
        let mut duties = Vec::new();
        let premature = clocks::removed_early(&owed, &reach);
        if !reach.is_empty() {
            state::check(&owed, &reach, &premature, &mut duties);
        }
        clocks::check(self.ground, &owed, &reach, &self.silences, premature, &mut duties);
        (duties, owed.next_s())
    }

    fn reach(&mut self, at: Where, rules: &Rules) -> Rc<Reach> {
        let Ground { nodes, .. } = *self.ground;
        let silences = &self.silences;
        let is_silent =
            |node: &str| silences.get(node).is_some_and(|of| of.iter().any(|silence| silence.open));
        let reach = self.reaches.entry(at.clone());
        Rc::clone(reach.or_insert_with(|| Rc::new(Reach::of(&at, nodes, rules, &is_silent))))
    }
}
