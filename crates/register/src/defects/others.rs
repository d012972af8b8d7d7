//! What one request is to another: it blocks what that one keeps open, says that it ends and does not, names one that
//! is not there, or asks the same again.

use std::collections::{BTreeMap, BTreeSet};

use evidence::RequestId;
use remit_proto::v1::{self, EntryCode, RelationKind, RequestPart};

use super::{Case, Defect, Found};
use crate::{
    entry::Entry,
    judge::CONSIDERED_MAX,
    register::{Touch, View},
    relations::is_directed,
    request::{Request, RequestTarget, hides},
    state::Standing,
    target::{Relation, Target},
    words,
};

pub(super) fn check(view: &View<'_>, case: &Case<'_>, found: &mut Found) {
    let mut next_s = found.holds_until_s;
    if found.in_force && view.keeps_open() {
        conflicts(view, case, &mut next_s, &mut found.defects);
    }
    relations(view, case, found.in_force, &mut next_s, &mut found.defects);
    duplicates(view, case, &mut next_s, &mut found.defects);
    found.holds_until_s = next_s;
}

/// What another one's own times change is looked at again when they do.
fn look_again(touch: &Touch<'_>, at_s: i64, next_s: &mut Option<i64>) {
    let bounds = touch.bounds();
    let known = touch.entry.transitions();
    touch.entry.turning_points(touch.version, bounds, &known, &mut |turn_s| {
        if at_s < turn_s {
            *next_s = Some(next_s.map_or(turn_s, |next_s| next_s.min(turn_s)));
        }
    });
}

/// As [`look_again`], of all that another one says.
fn look_again_at(other: &Entry<'_>, at_s: i64, next_s: &mut Option<i64>) {
    let known = other.transitions();
    for version in other.versions() {
        let bounds = other.bounds(version, None);
        other.turning_points(version, bounds, &known, &mut |turn_s| {
            if at_s < turn_s {
                *next_s = Some(next_s.map_or(turn_s, |next_s| next_s.min(turn_s)));
            }
        });
    }
}

/// A relation is words of a text, and does nothing: what it says happens by a step that is stated of the other one.
fn relations(
    view: &View<'_>,
    case: &Case<'_>,
    in_force: bool,
    next_s: &mut Option<i64>,
    found: &mut Vec<Defect>,
) {
    // What cannot be read may hold the request that is named.
    let all_is_read = view.withheld_count() == 0 && view.not_understood_count() == 0;
    let mut seen = BTreeSet::new();
    for relation in &case.request.relations {
        let kind = relation.kind();
        if !names_request(kind) || !seen.insert((kind, &relation.to)) {
            continue;
        }
        let v1::Relation { kind: _, to, outlives: _ } = relation;
        let Some(other) = to.parse().ok().and_then(|to| view.request(&to)) else {
            found.extend(all_is_read.then(|| Defect {
                detail: format!("{}:{to}", words::relation(kind)),
                ..Defect::of(EntryCode::MissingElement, case.entry.entered_at_s())
            }));
            continue;
        };
        if !in_force || !ends_or_stays(kind) {
            continue;
        }
        look_again_at(&other, case.at_s, next_s);
        // One conflict of two requests is one, whatever they disagree about.
        let is_known = |defect: &Defect| defect.code == EntryCode::Conflict && defect.detail == *to;
        let goes_on = other.standing_at(case.at_s).is_some_and(Standing::is_in_force);
        if goes_on && !found.iter().any(is_known) {
            found.push(Defect {
                detail: to.clone(),
                ..Defect::of(EntryCode::Conflict, since_s(view, case, other.id()))
            });
        }
    }
}

/// And no list, and no proceeding.
fn names_request(kind: RelationKind) -> bool {
    is_directed(kind) || kind == RelationKind::SameMeasureAs
}

/// If it is so, the other one is not in force. That one is not confirmed is a defect of that one.
fn ends_or_stays(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Supersedes
        | RelationKind::Suspends
        | RelationKind::Revokes
        | RelationKind::Annuls => true,
        RelationKind::Unspecified
        | RelationKind::Confirms
        | RelationKind::Amends
        | RelationKind::Extends
        | RelationKind::Appeals
        | RelationKind::ImplementsListOf
        | RelationKind::SameMeasureAs
        | RelationKind::DependsOnProceeding => false,
    }
}

fn conflicts(view: &View<'_>, case: &Case<'_>, next_s: &mut Option<i64>, found: &mut Vec<Defect>) {
    let mut with: BTreeMap<&RequestId, (Target, u64)> = BTreeMap::new();
    for held in case.targets() {
        // Each with what it keeps open of it.
        let mut by: BTreeMap<&RequestId, Target> = BTreeMap::new();
        for touch in view.touching(&held.target) {
            let other = touch.entry.id();
            if !touch.target.exception || other == case.id() {
                continue;
            }
            look_again(&touch, case.at_s, next_s);
            let open = &touch.target.target;
            if touch.is_in_force_at(case.at_s)
                && case.request.scope.may_meet(&touch.version.request.scope)
                && !view.must_stay_open(case.id(), open, case.at_s)
            {
                let blocked = match touch.relation {
                    Relation::Contains => open,
                    Relation::Equal | Relation::Inside | Relation::Partial | Relation::Disjoint => {
                        &held.target
                    }
                };
                by.entry(other).or_insert_with(|| blocked.clone());
            }
        }
        for (other, blocked) in by {
            let (_, count) = with.entry(other).or_insert((blocked, 0));
            *count = count.saturating_add(1);
        }
    }
    found.extend(with.into_iter().map(|(other, (target, target_count))| Defect {
        code: EntryCode::Conflict,
        detail: other.to_string(),
        since_s: since_s(view, case, other),
        target: Some(target),
        target_count,
    }));
}

/// Since both are in the register.
fn since_s(view: &View<'_>, case: &Case<'_>, other: &RequestId) -> i64 {
    let other_s = view.request(other).map_or(i64::MIN, |entry| entry.entered_at_s());
    case.entry.entered_at_s().max(other_s)
}

/// So many targets of a request with a number are asked for in others of that number.
const SHARED_ASKED_MAX: usize = 1_000;

fn duplicates(view: &View<'_>, case: &Case<'_>, next_s: &mut Option<i64>, found: &mut Vec<Defect>) {
    let authority = case.request.authority_word();
    if authority.is_empty() || !is_comparable(case.request) {
        return;
    }
    let own = case.request.targets.iter().filter(|held| !held.exception);
    // Under one number they may share any of them; else all, the first too. Of a target that very many name, not all of
    // these are looked at: else all would be held against all.
    let asked = if has_number(case.request) { SHARED_ASKED_MAX } else { 1 };
    let mut seen: BTreeSet<&RequestId> = BTreeSet::new();
    let touches = own.take(asked).flat_map(|own| {
        let (touches, _) = view.touching_some(&own.target, &[], CONSIDERED_MAX);
        touches.into_iter().map(move |touch| (own, touch))
    });
    for (own, touch) in touches {
        let other = touch.entry;
        let same_target = touch.relation == Relation::Equal
            && !touch.target.exception
            && touch.version.request.version == other.request().version
            && is_comparable(other.request());
        if !same_target || other.id() == case.id() || !seen.insert(other.id()) {
            continue;
        }
        look_again(&touch, case.at_s, next_s);
        let text = other.request();
        let by_the_same = text.authority_word() == authority;
        let earlier =
            (other.first_statement(), other.id()) < (case.entry.first_statement(), case.id());
        let related = names(case.request, other.id()) || names(text, case.id());
        let same = same_number(case.request, text) || same_targets(case.request, text);
        if by_the_same && earlier && !related && same && is_alive(&other, case.at_s) {
            found.push(Defect {
                code: EntryCode::Duplicate,
                detail: other.id().to_string(),
                since_s: since_s(view, case, other.id()),
                target: Some(own.target.clone()),
                target_count: 0,
            });
        }
    }
}

fn is_alive(entry: &Entry<'_>, at_s: i64) -> bool {
    let none = BTreeMap::new();
    !entry.is_closed_at(at_s) && Case::new(entry, at_s, &none).is_alive()
}

/// That another request says the same would tell what a hidden part says to whoever does not see it, and to whoever
/// sees it nothing else is found.
fn is_comparable(request: &Request) -> bool {
    shows(request, &[RequestPart::Authority, RequestPart::Reference, RequestPart::Targets])
}

/// None of these parts is closed but for everybody, so that it can be erased.
fn shows(request: &Request, parts: &[RequestPart]) -> bool {
    !request
        .closed
        .iter()
        .any(|closed| parts.contains(&closed.part) && (hides(closed.tier) || !closed.is_open))
}

fn names(request: &Request, other: &RequestId) -> bool {
    request.relations.iter().any(|relation| relation.to == other.as_str())
}

fn has_number(request: &Request) -> bool {
    let file = &request.particulars;
    [&file.external_ref, &file.docket, &file.ecli].iter().any(|number| !number.is_empty())
}

fn same_number(one: &Request, other: &Request) -> bool {
    let numbers = |request: &Request| {
        let file = &request.particulars;
        [file.external_ref.clone(), file.docket.clone(), file.ecli.clone()]
    };
    numbers(one).iter().zip(numbers(other)).any(|(one, other)| !one.is_empty() && *one == other)
}

fn same_targets(one: &Request, other: &Request) -> bool {
    let alike = |one: &RequestTarget, other: &RequestTarget| {
        one.target == other.target && one.exception == other.exception
    };
    let holds = |held: &RequestTarget| other.targets.iter().any(|there| alike(held, there));
    fn of(request: &Request) -> BTreeSet<(&Target, bool)> {
        request.targets.iter().map(|held| (&held.target, held.exception)).collect()
    }
    let seen = |request| shows(request, &[RequestPart::Scope, RequestPart::Measure]);
    seen(one)
        && seen(other)
        && one.targets.len() == other.targets.len()
        && one.scope == other.scope
        && one.measure == other.measure
        // Most that share one share no second one.
        && one.targets.iter().take(2).all(holds)
        && of(one) == of(other)
}
