//! What was done, and when: too late, too early, or with a pause.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use remit_proto::v1::{DutyCode, NodeFacts};

use super::{
    Begun, Duty, DutyFinding, DutyNode, Ground, NAMED_MAX, RELOAD_S, Reach, Where,
    owed::{Carried, Owed},
    rules::names,
    spans::{Course, Span},
    state::new,
};
use crate::{
    silence::Silence,
    state::{self, Standing},
    target::{Relation, Target, relation},
};

type Silences<'a> = BTreeMap<&'a str, Vec<&'a Silence>>;

/// Where and when something was so, by target.
#[derive(Default)]
struct Parts<'a> {
    nodes: BTreeMap<&'a str, DutyNode>,
    targets: BTreeSet<&'a Target>,
    due_s: Option<i64>,
}

impl<'a> Parts<'a> {
    fn add(&mut self, target: &'a Target, node: &'a str, from_s: i64, until_s: Option<i64>) {
        self.targets.insert(target);
        let part = self.nodes.entry(node).or_insert_with(|| DutyNode {
            node: node.to_owned(),
            from_s,
            until_s,
            targets: 0,
        });
        part.from_s = part.from_s.min(from_s);
        part.until_s = match (part.until_s, until_s) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (_, _) => None,
        };
        part.targets = part.targets.saturating_add(1);
    }

    /// A bound that had passed; the earliest is told.
    fn is_due(&mut self, due_s: i64) {
        self.due_s = Some(self.due_s.map_or(due_s, |earlier| earlier.min(due_s)));
    }

    fn tell(self, owed: &Owed<'_>, reach: &Reach, code: DutyCode, found: &mut Vec<Duty>) {
        self.tell_as(owed, reach, (DutyFinding::Is(code), ""), found);
    }

    fn tell_as(
        self,
        owed: &Owed<'_>,
        reach: &Reach,
        (finding, detail): (DutyFinding, &'static str),
        found: &mut Vec<Duty>,
    ) {
        let Some(since_s) = self.nodes.values().map(|part| part.from_s).min() else { return };
        let open = self.nodes.values().any(|part| part.until_s.is_none());
        let until_s = self.nodes.values().filter_map(|part| part.until_s).max();
        found.push(Duty {
            detail,
            until_s: until_s.filter(|_| !open),
            due_s: self.due_s,
            target_count: self.targets.len() as u64,
            targets: self.targets.into_iter().take(NAMED_MAX).cloned().collect(),
            node_count: self.nodes.len() as u64,
            nodes: self.nodes.into_values().take(NAMED_MAX).collect(),
            // What was seen does not depend on who looks now.
            silent_nodes: Vec::new(),
            unobserved: Vec::new(),
            ..new(owed, reach, finding, since_s)
        });
    }
}

/// What was carried while it was owed, and is not any more.
#[derive(Default)]
pub(super) struct Removed<'a> {
    parts: Parts<'a>,
    by_target: BTreeMap<&'a Target, BTreeSet<&'a str>>,
}

impl Removed<'_> {
    pub(super) fn names(&self, target: &Target) -> bool {
        self.by_target.contains_key(target)
    }

    pub(super) fn names_at(&self, target: &Target, node: &str) -> bool {
        self.by_target.get(target).is_some_and(|nodes| nodes.contains(node))
    }
}

pub(super) fn removed_early<'a>(owed: &'a Owed<'_>, reach: &Reach) -> Removed<'a> {
    let mut removed = Removed::default();
    if owed.is_closed() {
        return removed;
    }
    for carried in &owed.targets {
        for (node, course) in &carried.at {
            // Where the answer ended and the rule stands on nothing was removed: it is not carried out.
            let is_removal = course.at_least.last().is_some_and(|span| !span.is_lapsed);
            let last = course.at_most.last().filter(|span| is_removal && !span.is_lapsed);
            let ended_s = last.and_then(|span| span.until_s);
            let Some(ended_s) = ended_s.filter(|ended_s| owed.is_owed(carried, *ended_s)) else {
                continue;
            };
            // Silent nodes are not held to lack it, and who is not surely in scope owes nothing.
            let is_seen = reach.seen().any(|seen| seen == *node);
            if !is_seen || moved(carried, reach, node, ended_s.saturating_add(RELOAD_S)) {
                continue;
            }
            // Of a request that has ended since, until it might have been removed in any case.
            let until_s = owed.removal_due_s(carried);
            removed.parts.add(&carried.held.target, node, ended_s, until_s);
            removed.by_target.entry(&carried.held.target).or_default().insert(node);
        }
    }
    removed
}

/// Carried at nodes of another kind from then on, or perhaps, which is as good.
fn moved(carried: &Carried<'_>, reach: &Reach, from: &str, at_s: i64) -> bool {
    let is_elsewhere = carried.may_carry(at_s).any(|other| other != from);
    let mut others = carried.carrying(at_s).filter(|other| *other != from);
    is_elsewhere && !others.any(|other| reach.are_peers(from, other))
}

pub(super) fn check(
    ground: &Ground<'_>,
    owed: &Owed<'_>,
    reach: &Reach,
    silences: &Silences<'_>,
    removed: Removed<'_>,
    found: &mut Vec<Duty>,
) {
    let (mut late, mut stood) = (Told::default(), Told::default());
    let mut paused = Parts::default();
    for carried in &owed.targets {
        for (node, course) in &carried.at {
            if !reach.observed.iter().any(|observed| observed == node) {
                continue;
            }
            let of_node = silences.get(node).map_or(&[][..], Vec::as_slice);
            if !owed.is_closed() {
                late_start(owed, reach, of_node, carried, (node, course), &mut late);
                interrupted(owed, carried, node, course, &mut paused);
            }
            let Some(due_s) = owed.removal_due_s(carried) else { continue };
            let what = (&carried.held.target, due_s);
            late_removal(ground, owed, of_node, what, (node, &course.at_most), &mut stood);
        }
    }
    for left_out in &owed.left_out {
        let what = (left_out.target, left_out.due_s);
        for (node, course) in &left_out.at {
            let of_node = silences.get(node).map_or(&[][..], Vec::as_slice);
            late_removal(ground, owed, of_node, what, (node, &course.at_most), &mut stood);
        }
    }
    late.tell(owed, reach, (DutyCode::LateStart, "start"), found);
    paused.tell(owed, reach, DutyCode::Interrupted, found);
    removed.parts.tell(owed, reach, DutyCode::PrematureRemoval, found);
    stood.tell(owed, reach, (DutyCode::LateRemoval, "removal"), found);
}

/// Timed against a stated bound alone, and only from when somebody looked at the node first: before that it may have
/// been carried. A rule with further conditions may have begun in time. What was gone before the bound is no start of
/// what stands after it; and at the bound it may not have been owed yet, as of a request that was accepted later.
fn late_start<'a>(
    owed: &Owed<'_>,
    reach: &Reach,
    silences: &[&Silence],
    carried: &'a Carried<'_>,
    (node, course): (&'a str, &Course<'_>),
    late: &mut Told<'a>,
) {
    let due_s = carried.due_s;
    let reaches = |until_s: Option<i64>, at_s: i64| until_s.is_none_or(|until_s| at_s <= until_s);
    let first = course.at_most.iter().find(|span| reaches(span.until_s, due_s));
    let (Some(_), Some(first)) = (owed.request().implement_by_s, first) else { return };
    if !course.at_least.iter().any(|span| first.from_s <= span.from_s)
        || !is_timed(reach, node, first)
    {
        return;
    }
    let Some(looked_s) = reach.looked_before_s(node, first.from_s) else { return };
    let Some(lacked) = lacking(owed, silences, carried, first, due_s.max(looked_s)) else { return };
    let (part, lacked_s) = match lacked {
        Lacking::Seen { since_s } => (&mut late.surely, since_s),
        Lacking::Perhaps { since_s } => (&mut late.perhaps, since_s),
    };
    part.add(&carried.held.target, node, lacked_s, Some(first.from_s));
    part.is_due(due_s);
}

/// Whether a look before would have shown it.
fn is_timed(reach: &Reach, node: &str, first: &Span<'_>) -> bool {
    match first.begun {
        Begun::Seen | Begun::Found => true,
        // An agent that began anew lists it, and the one before had not. What a source shows that is looked at for the
        // first time, and an address before the first answer that is kept, may have been there long before.
        Begun::Before => {
            first.from_s == first.first.from_s && reach.looked_first_before(node, first.from_s)
        }
        Begun::Untold => false,
    }
}

/// That it was owed before it began, and was not carried.
enum Lacking {
    Seen {
        since_s: i64,
    },
    /// The node was silent then, or its agent had not read all rules: it may have begun at once.
    Perhaps {
        since_s: i64,
    },
}

fn lacking(
    owed: &Owed<'_>,
    silences: &[&Silence],
    carried: &Carried<'_>,
    first: &Span<'_>,
    from_s: i64,
) -> Option<Lacking> {
    let owed_s = owed.owed_since_s(carried, from_s, first.from_s)?;
    // When a person began a deed is what was said.
    let silences = if first.first.rule.by_person { &[] } else { silences };
    let silent_until_s = |at_s: i64| {
        let hides = silences.iter().filter(|one| one.from_s <= at_s && at_s < one.until_s);
        let unread_until_s = first.missed_s.filter(|from_s| *from_s <= at_s).map(|_| first.from_s);
        hides.map(|one| one.until_s).chain(unread_until_s).max()
    };
    let mut since_s = owed_s;
    while let Some(until_s) = silent_until_s(since_s) {
        // Of what a later list shows nobody knows that it did not come in the silence.
        let is_later =
            first.begun == Begun::Seen && until_s.saturating_add(RELOAD_S) < first.from_s;
        let seen_s = owed.owed_since_s(carried, until_s, first.from_s).filter(|_| is_later);
        let Some(seen_s) = seen_s else { return Some(Lacking::Perhaps { since_s: owed_s }) };
        since_s = seen_s;
    }
    Some(Lacking::Seen { since_s })
}

fn interrupted<'a>(
    owed: &Owed<'_>,
    carried: &'a Carried<'_>,
    node: &'a str,
    course: &Course<'_>,
    paused: &mut Parts<'a>,
) {
    let Course { at_most, at_least } = course;
    for (before, after) in at_most.iter().zip(at_most.iter().skip(1)) {
        let Some(ended_s) = before.until_s else { continue };
        // The rule stood on from one answer that is kept to the next.
        if before.is_lapsed && after.begun == Begun::Before {
            continue;
        }
        let surely_before = at_least.iter().any(|span| span.from_s < ended_s);
        let surely_after = at_least.iter().any(|span| after.from_s <= span.from_s);
        if surely_before && surely_after && owed.is_owed(carried, ended_s) {
            paused.add(&carried.held.target, node, ended_s, Some(after.from_s));
        }
    }
}

/// What was not in time.
#[derive(Default)]
struct Told<'a> {
    surely: Parts<'a>,
    /// Nobody saw when it began, or, from when it was to be removed until it was gone, whether it stood.
    perhaps: Parts<'a>,
}

impl Told<'_> {
    fn tell(
        self,
        owed: &Owed<'_>,
        reach: &Reach,
        (code, detail): (DutyCode, &'static str),
        found: &mut Vec<Duty>,
    ) {
        self.surely.tell(owed, reach, code, found);
        self.perhaps.tell_as(owed, reach, (DutyFinding::Undetermined, detail), found);
    }
}

/// Rules of this request, or of nobody else, that were there before the time was over, or before anybody looked.
fn late_removal<'a>(
    ground: &Ground<'_>,
    owed: &Owed<'_>,
    silences: &[&Silence],
    (target, due_s): (&'a Target, i64),
    (node, spans): (&'a str, &[Span<'_>]),
    stood: &mut Told<'a>,
) {
    if owed.at_s() <= due_s {
        return;
    }
    let facts = ground.nodes.iter().find(|facts| facts.node == node);
    for span in spans {
        let until_s = span.gone_s.unwrap_or_else(|| owed.at_s());
        let is_over = |end_s: i64| due_s.saturating_add(RELOAD_S) < end_s;
        let rule = &span.first.rule;
        let is_held = |at_s: i64| is_held(ground, owed, &rule.target, facts, at_s);
        let is_its_own = names(span.first, owed.id())
            || matches!(relation(&rule.target, target), Relation::Equal | Relation::Inside);
        if owed.is_closed() && span.gone_s.is_some() {
            continue;
        }
        // What stood when somebody looked first stands too long whenever it began; what came later is another block.
        let too_long_s = match span.begun {
            _ if span.from_s < due_s => due_s,
            Begun::Before => span.from_s,
            Begun::Seen | Begun::Found | Begun::Untold => continue,
        };
        if is_over(until_s) && is_its_own && !(is_held(too_long_s) && is_held(until_s)) {
            let is_told = rule.by_person && span.gone_s.is_some();
            let was_seen = is_told || is_over(seen_until_s(silences, span, until_s));
            let part = if was_seen { &mut stood.surely } else { &mut stood.perhaps };
            part.add(target, node, due_s, span.gone_s);
            part.is_due(due_s);
        }
    }
}

/// Until when a rule surely stood that was gone at an instant, or stands: an end that a silence hid, or an agent that
/// began anew and had not listed all rules, may have been at any time in it, and what a silent node carries nobody
/// knows.
fn seen_until_s(silences: &[&Silence], span: &Span<'_>, until_s: i64) -> i64 {
    let hides = |silence: &Silence, end_s: i64| {
        let is_end = span.seen_s.is_some() && end_s <= silence.until_s;
        silence.from_s < end_s && (silence.open || is_end)
    };
    let mut seen_s = span.seen_s.map_or(until_s, |seen_s| seen_s.min(until_s));
    // One silence may follow on another.
    while let Some(from_s) =
        silences.iter().filter(|silence| hides(silence, seen_s)).map(|silence| silence.from_s).min()
    {
        seen_s = from_s;
    }
    seen_s
}

/// Another request wants it blocked at this node, or lets it stand until its own time to remove is over (DOMAIN.md 3f,
/// "Overlapping orders"); or this request does, by another target. Where it is not known whether a request holds at
/// the node, the rule is not held to be late.
fn is_held(
    ground: &Ground<'_>,
    owed: &Owed<'_>,
    target: &Target,
    facts: Option<&NodeFacts>,
    at_s: i64,
) -> bool {
    let view = ground.view;
    view.touching(target).into_iter().any(|touch| {
        let request = &touch.version.request;
        let wants = !touch.target.exception
            && !request.to_publisher
            && matches!(touch.relation, Relation::Equal | Relation::Inside);
        if !wants {
            return false;
        }
        let (known, bounds) = (touch.entry.transitions(), touch.bounds());
        let look_again = &mut |turn_s| owed.look_again(turn_s);
        touch.entry.turning_points(touch.version, bounds, &known, look_again);
        if view.keeps_open() {
            // An exception may begin or cease to be one.
            let kept_open = view.held_in(touch.version, target).filter(|held| held.exception);
            let times = kept_open.flat_map(|held| [held.added_at_s(), held.removed_at_s()]);
            times.flatten().for_each(|turn_s| owed.look_again(turn_s));
        }
        let is_own = touch.entry.id() == owed.id();
        let standing = touch.entry.standing_of(touch.version, bounds, &known, at_s);
        let may_stand = standing.is_some_and(|standing| match standing {
            Standing::RemovalGrace { .. } => !is_own,
            standing => standing.is_in_force(),
        });
        if !may_stand {
            return false;
        }
        let decision = state::decision(touch.version, &known, at_s);
        let accepted = decision.and_then(|decision| decision.accepted_scope.clone());
        let at = Where { asked: Arc::clone(&request.scope), accepted };
        !decision.is_some_and(|decision| decision.leaves_out(target))
            && facts.is_none_or(|facts| at.may_hold(facts))
            && !view.must_stay_open(touch.entry.id(), target, at_s)
    })
}
