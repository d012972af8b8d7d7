//! One request: what of it is owed when, and at which nodes it was carried when.

use std::{
    cell::{Cell, OnceCell},
    collections::{BTreeMap, HashMap, HashSet},
    ptr,
    sync::Arc,
};

use evidence::RequestId;
use remit_proto::v1::RequestPart;

use super::{
    RELOAD_S, Reach, Rules, Stood, Where,
    extent::{Extent, Extents, extent},
    spans::{Course, Piece, is_over},
};
use crate::{
    entry::{Entry, Version},
    list::Listed,
    register::View,
    request::{Request, RequestTarget},
    state::{self, Standing, Transition},
    target::{Relation, Target, relation},
};

pub(super) struct Owed<'a> {
    view: &'a View<'a>,
    entry: &'a Entry<'a>,
    version: Option<&'a Version>,
    at_s: i64,
    by_list: &'a [Listed<'a>],
    known: Vec<&'a Transition>,
    /// Targets that the first version did not name; filled by [`find`](Self::find), because it reads every
    /// target of every version. Of what is exempt no bound depends on them.
    joined: HashMap<&'a Target, Joined>,
    /// Each with the nodes at which it was carried; filled by [`find`](Self::find).
    pub(super) targets: Vec<Carried<'a>>,
    /// What former texts named and this one does not, if its time to be removed has passed.
    pub(super) left_out: Vec<LeftOut<'a>>,
    /// When something else than its own times makes another answer.
    again_s: Cell<Option<i64>>,
    /// Filled when somebody asks.
    turns: OnceCell<Vec<i64>>,
}

/// By name, the addresses that answers gave, and when each held.
type Answers<'a> = HashMap<&'a Target, BTreeMap<&'a Target, Vec<(i64, i64)>>>;

/// A target that a later version brought in.
struct Joined {
    since_s: i64,
    /// That version says anew by when, and it holds as it is.
    has_own_bound: bool,
}

/// One target, since when it is owed, and when it was carried where.
pub(super) struct Carried<'a> {
    pub(super) held: &'a RequestTarget,
    pub(super) due_s: i64,
    /// Of an entry of a list: by so much the list may reach a node later.
    list_grace_s: i64,
    pub(super) at: BTreeMap<&'a str, Course<'a>>,
    /// How much of it rules carry now, by node; a node that carries nothing now is not in it.
    pub(super) extent: BTreeMap<&'a str, Extents>,
}

/// What an amendment left out, since when it was to be gone, and the rules on it.
pub(super) struct LeftOut<'a> {
    pub(super) target: &'a Target,
    pub(super) due_s: i64,
    pub(super) at: BTreeMap<&'a str, Course<'a>>,
}

impl<'a> Owed<'a> {
    pub(super) fn new(
        view: &'a View<'a>,
        entry: &'a Entry<'a>,
        at_s: i64,
        by_list: &'a [Listed<'a>],
    ) -> Self {
        let known = entry.transitions();
        let version = entry.version_at(at_s);
        let (joined, targets, again_s) = (HashMap::new(), Vec::new(), Cell::new(None));
        let (left_out, turns) = (Vec::new(), OnceCell::new());
        Self {
            view,
            entry,
            version,
            at_s,
            by_list,
            known,
            joined,
            targets,
            left_out,
            again_s,
            turns,
        }
    }

    pub(super) fn id(&self) -> &'a RequestId {
        self.entry.id()
    }

    pub(super) fn at_s(&self) -> i64 {
        self.at_s
    }

    pub(super) fn request(&self) -> &'a Request {
        self.version.map_or_else(|| self.entry.request(), |version| &version.request)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.entry.is_closed_at(self.at_s)
    }

    /// Nobody is owed it, or it was not taken on.
    pub(super) fn is_exempt(&self) -> bool {
        let request = self.request();
        self.version.is_none()
            || request.is_own_measure()
            || request.to_publisher
            // By which means, and whether nodes may differ, is not known here.
            || request.withholds(RequestPart::Measure).is_some()
            || match self.entry.standing_at(self.at_s) {
                None
                | Some(
                    Standing::NotAccepted(_)
                    | Standing::Dropped { .. }
                    | Standing::TooEarly { .. }
                    | Standing::Unapproved,
                ) => true,
                Some(
                    Standing::Active
                    | Standing::Provisional { .. }
                    | Standing::RemovalGrace { .. }
                    | Standing::Expired { .. }
                    | Standing::Revoked { .. }
                    | Standing::Suspended { .. }
                    | Standing::Lapsed { .. }
                    | Standing::Moot { .. }
                    | Standing::Annulled { .. },
                ) => false,
            }
    }

    /// Agreed narrowing is no failure to carry out.
    pub(super) fn at(&self) -> Where {
        let decision = self.entry.decision_at(self.at_s);
        let accepted = decision.and_then(|decision| decision.accepted_scope.clone());
        Where { asked: Arc::clone(&self.request().scope), accepted }
    }

    /// What is to be blocked, and the grace of the list that names it.
    fn named(&self) -> impl Iterator<Item = (&'a RequestTarget, i64)> {
        let own = self.request().targets.iter().map(|held| (held, 0));
        own.chain(self.by_list.iter().map(|listed| (listed.target(), listed.list().grace_s())))
    }

    /// Looks up the rules that carried each target at nodes where it may be owed.
    pub(super) fn find(&mut self, rules: &'a Rules, reach: &Reach) {
        self.joined = joined_since(&self.versions().collect::<Vec<_>>());
        let decision = self.entry.decision_at(self.at_s);
        let request = self.request();
        let other_means = request.measure.permits_derived();
        let answers = if other_means { self.answers() } else { Answers::new() };
        let left_out = self.amended_away();
        let mut by_name: Vec<&Stood> =
            if other_means { rules.naming(self.id()).collect() } else { Vec::new() };
        if !by_name.is_empty() {
            // By other means than a target itself: which of them it is for, the rule does not say.
            let own = self.named().filter(|(held, _)| !held.exception);
            let own = own.map(|(held, _)| &held.target);
            let resolved = answers.values().flat_map(BTreeMap::keys).copied();
            let former = left_out.iter().map(|(target, _)| *target);
            let own = own.chain(resolved).chain(former).flat_map(|target| rules.touching(target));
            let own: HashSet<*const Stood> = own.map(ptr::from_ref).collect();
            by_name.retain(|stood| !own.contains(&ptr::from_ref(*stood)));
        }
        let spared = self.spared();
        let targets = self.named().filter(|(held, _)| {
            // What it resolves to is blocked instead of a name, not beside it.
            !held.exception
                && held.derived().is_none()
                && !decision.is_some_and(|decision| decision.leaves_out(&held.target))
        });
        let found = targets
            .map(|(held, list_grace_s)| {
                let resolved = answers.get(&held.target).into_iter().flatten();
                let by_address = resolved.flat_map(|(address, times)| {
                    let rules = rules.touching(address);
                    rules.flat_map(|stood| Piece::by_answers(stood, times))
                });
                let whole = rules.touching(&held.target).chain(by_name.iter().copied());
                let at = self.by_node(whole.map(Piece::whole).chain(by_address), reach);
                let extent = at
                    .iter()
                    .filter_map(|(node, pieces)| {
                        Some((*node, self.extents_now(&held.target, pieces, &spared)?))
                    })
                    .collect();
                let due_s = self.due_s(held, list_grace_s);
                Carried { held, due_s, list_grace_s, at: self.courses(at), extent }
            })
            .collect();
        let left_out = left_out.into_iter().filter_map(|(target, due_s)| {
            // A removal is told from a reload only after so long.
            self.look_again(due_s.saturating_add(RELOAD_S).saturating_add(1));
            let at = self.by_node(rules.touching(target).map(Piece::whole), reach);
            (due_s < self.at_s).then(|| LeftOut { target, due_s, at: self.courses(at) })
        });
        let left_out = left_out.collect();
        (self.targets, self.left_out) = (found, left_out);
    }

    /// Where a request may hold, as far as they have begun.
    fn by_node<'r>(
        &self,
        pieces: impl Iterator<Item = Piece<'r>>,
        reach: &Reach,
    ) -> BTreeMap<&'r str, Vec<Piece<'r>>> {
        let mut at: BTreeMap<&str, Vec<Piece<'_>>> = BTreeMap::new();
        for piece in pieces {
            let node = piece.stood.rule.node.as_str();
            if !reach.may_include(node) {
                continue;
            }
            if self.at_s < piece.from_s {
                self.look_again(piece.from_s);
                continue;
            }
            for end_s in [piece.until_s, piece.gone_s].into_iter().flatten() {
                self.look_again(end_s.saturating_add(RELOAD_S).saturating_add(1));
            }
            at.entry(node).or_default().push(piece);
        }
        at
    }

    fn courses<'r>(&self, at: BTreeMap<&'r str, Vec<Piece<'r>>>) -> BTreeMap<&'r str, Course<'r>> {
        at.into_iter().map(|(node, pieces)| (node, Course::of(pieces, self.at_s))).collect()
    }

    /// What a former text named last and this one does not, and when its time to be removed was over (DOMAIN.md 3f,
    /// "Amendment narrows"). Addresses that a name resolved to come and go with the answers.
    fn amended_away(&self) -> Vec<(&'a Target, i64)> {
        let versions: Vec<&Version> = self.versions().collect();
        if versions.len() < 2 {
            return Vec::new();
        }
        let blocked = self.named().filter(|(held, _)| !held.exception);
        let mut named: HashSet<&Target> = blocked.map(|(held, _)| &held.target).collect();
        let mut away = Vec::new();
        for pair in versions.windows(2).rev() {
            let [before, after] = pair else { continue };
            let request = &before.request;
            let blocked =
                request.targets.iter().filter(|held| !held.exception && held.derived().is_none());
            let gone = blocked.filter(|held| named.insert(&held.target));
            if request.is_own_measure() || request.to_publisher {
                gone.for_each(drop);
                continue;
            }
            away.extend(gone.filter_map(|held| {
                Some((&held.target, self.amended_away_due_s(before, after, held)?))
            }));
        }
        away
    }

    /// By the time to remove of the text that named it: from the receipt of the one that does not, or from when that
    /// was entered; or from an end that had come before.
    fn amended_away_due_s(
        &self,
        before: &Version,
        after: &Version,
        held: &RequestTarget,
    ) -> Option<i64> {
        let request = &before.request;
        let amended_s = after.applies_from_s;
        let decision = state::decision(before, &self.known, amended_s);
        if decision.is_some_and(|decision| decision.leaves_out(&held.target)) {
            return None;
        }
        let bounds = self.entry.bounds(before, Some(held));
        let entered_at_s = self.entry.entered_at_s();
        let standing = state::standing_at(request, bounds, entered_at_s, &self.known, amended_s);
        let ended_s = match standing {
            Standing::Active | Standing::Provisional { .. } => {
                let is_received = after.request.received_at_s == Some(amended_s);
                let entered_s = after.known_by().map_or(after.recorded_at_s, |(_, at_s)| at_s);
                let known_s = if is_received { amended_s } else { amended_s.max(entered_s) };
                return Some(request.removal_until_s(known_s));
            }
            Standing::RemovalGrace { ended_at_s, .. } => ended_at_s,
            other => ended_s(other)?,
        };
        let stay_since_s = state::stay_since_s(request, &self.known, amended_s);
        Some(request.removal_until_s(self.known_since_s(ended_s, stay_since_s)))
    }

    /// The times for which kept answers gave the addresses of names, in order and apart: by all texts up to this
    /// one, because a later answer comes with an amendment. What an amendment left out holds no longer.
    fn answers(&self) -> Answers<'a> {
        let mut answers = Answers::new();
        for version in self.versions().filter(|one| one.request.measure.permits_derived()) {
            let amended_at_s = self.entry.amended_at_s(version);
            for held in version.request.targets.iter().filter(|held| !held.exception) {
                let Some(derived) = held.derived() else { continue };
                let (from_s, until_s) = held.bounds(&version.request);
                let until_s = until_s.into_iter().chain(amended_at_s).min();
                if let Some(until_s) = until_s.filter(|until_s| from_s < *until_s) {
                    let of_name = answers.entry(&derived.from).or_default();
                    of_name.entry(&held.target).or_default().push((from_s, until_s));
                }
            }
        }
        for times in answers.values_mut().flat_map(BTreeMap::values_mut) {
            times.sort_unstable();
            times.dedup_by(|later, before| {
                let meets = later.0 <= before.1;
                if meets {
                    before.1 = before.1.max(later.1);
                }
                meets
            });
        }
        answers
    }

    /// Up to the one that is judged.
    fn versions(&self) -> impl Iterator<Item = &'a Version> {
        let last = self.version.map(|version| version.request.version);
        self.entry.versions().take_while(move |one| Some(one.request.version) <= last)
    }

    /// How much of a target the rules of one node carry now; `None`: they are gone.
    fn extents_now(
        &self,
        target: &Target,
        pieces: &[Piece<'_>],
        spared: &[&Target],
    ) -> Option<Extents> {
        let standing = || {
            let standing = pieces.iter().filter(|piece| !is_over(piece.until_s, self.at_s));
            standing.map(|piece| &piece.stood.rule)
        };
        let sure = standing().filter(|rule| !rule.narrowed);
        let at_least = by_rules(target, sure.map(|rule| &rule.target).collect(), spared);
        let at_most = by_rules(target, standing().map(|rule| &rule.target).collect(), spared)?;
        Some(Extents { at_least, at_most })
    }

    /// What must stay open, by the text or by a list, and what was agreed not to be carried out.
    fn spared(&self) -> Vec<&'a Target> {
        let exceptions = self.named().filter_map(|(held, _)| {
            let is_open = held.exception && held.is_live(self.at_s, self.at_s);
            is_open.then_some(&held.target)
        });
        let decision = self.entry.decision_at(self.at_s);
        let not_accepted = decision.into_iter().flat_map(|decision| &decision.not_accepted);
        exceptions.chain(not_accepted).collect()
    }

    /// What is found may be another from this instant on.
    pub(super) fn look_again(&self, at_s: i64) {
        if self.at_s < at_s {
            let sooner = self.again_s.get().map_or(at_s, |known| known.min(at_s));
            self.again_s.set(Some(sooner));
        }
    }

    /// In force at an instant, with this target, and due; and it is not to stay open.
    pub(super) fn is_owed(&self, carried: &Carried<'_>, at_s: i64) -> bool {
        let (_, until_s) = carried.held.bounds(self.request());
        carried.due_s <= at_s
            && until_s.is_none_or(|until_s| at_s < until_s)
            && self.entry.standing_at(at_s).is_some_and(Standing::is_in_force)
            && !self.view.must_stay_open(self.id(), carried.target(), at_s)
    }

    /// The first instant of a span, its end excluded, at which it is owed.
    pub(super) fn owed_since_s(
        &self,
        carried: &Carried<'_>,
        from_s: i64,
        until_s: i64,
    ) -> Option<i64> {
        let turns = self.turns().iter().copied().filter(|turn_s| from_s < *turn_s);
        let mut points = std::iter::once(from_s).chain(turns);
        points
            .find(|at_s| until_s <= *at_s || self.is_owed(carried, *at_s))
            .filter(|at_s| *at_s < until_s)
    }

    /// When it may begin or cease to be in force by any of its texts, in order.
    fn turns(&self) -> &[i64] {
        self.turns.get_or_init(|| {
            let mut turns = Vec::new();
            for version in self.entry.versions() {
                let bounds = self.entry.bounds(version, None);
                let tell = &mut |turn_s| turns.push(turn_s);
                self.entry.turning_points(version, bounds, &self.known, tell);
            }
            turns.sort_unstable();
            turns.dedup();
            turns
        })
    }

    /// Since when it is owed, at the earliest: nobody owes what he has not received. What joins a request later has as long as the first targets had from
    /// when it was received, and what joins a list as long as the list needs to reach a node (DOMAIN.md 3f, "List
    /// feeds"): the delay is not the operator's.
    fn due_s(&self, held: &RequestTarget, list_grace_s: i64) -> i64 {
        let request = self.request();
        let (from_s, _) = held.bounds(request);
        let joined = self.joined.get(&held.target);
        let first = self.entry.versions().next().map_or(request, |first| &first.request);
        let received_s = first.received_at_s.unwrap_or(i64::MIN);
        let begun_s = first.effective_from_s.max(received_s);
        let since_s = joined.map_or(from_s, |joined| from_s.max(joined.since_s)).max(received_s);
        let granted_s = match first.implement_by_s {
            Some(by_s)
                if begun_s.max(request.effective_from_s) < since_s
                    && !joined.is_some_and(|one| one.has_own_bound) =>
            {
                by_s.saturating_sub(begun_s).max(0)
            }
            Some(_) | None => 0,
        };
        let by_s = request.implement_by_s.unwrap_or(i64::MIN);
        since_s.saturating_add(granted_s.max(list_grace_s)).max(by_s)
    }

    /// When a target's time to be removed had passed, and the end that it followed; `None`: it may stand.
    /// The time counts from a stay that the end found, and from when either was stated, if that was later.
    pub(super) fn removal_due_s(&self, carried: &Carried<'_>) -> Option<i64> {
        let version = self.version?;
        let held = carried.held;
        let bounds = self.entry.bounds(version, Some(held));
        let standing = self.entry.standing_of(version, bounds, &self.known, self.at_s)?;
        let ended_s = ended_s(standing)?;
        let stay_since_s = state::stay_since_s(&version.request, &self.known, self.at_s);
        let known_s = self.known_since_s(ended_s, stay_since_s);
        // It follows on what the list itself took out, and on no other end (as `Touch::bounds` has it).
        let by_list =
            matches!(standing, Standing::Expired { at_s } if held.removed_at_s() == Some(at_s));
        let list_grace_s = if by_list { carried.list_grace_s } else { 0 };
        Some(self.removal_until_s(known_s, list_grace_s))
    }

    /// An end, or the stay that it found, and if either was stated later, the statement.
    fn known_since_s(&self, ended_s: i64, stay_since_s: Option<i64>) -> i64 {
        let ended_s = stay_since_s.map_or(ended_s, |since_s| since_s.min(ended_s));
        let stated = self.known.iter().filter(|step| step.effective_at_s == ended_s);
        stated.map(|step| step.recorded_at_s).fold(ended_s, i64::max)
    }

    fn removal_until_s(&self, end_s: i64, list_grace_s: i64) -> i64 {
        self.request().removal_until_s(end_s).max(end_s.saturating_add(list_grace_s))
    }

    /// The next instant at which its own times change something.
    pub(super) fn next_s(&self) -> Option<i64> {
        let version = self.version.unwrap_or_else(|| self.entry.newest());
        let request = &version.request;
        let mut points = Vec::new();
        let bounds = self.entry.bounds(version, None);
        self.entry.turning_points(version, bounds, &self.known, &mut |turn_s| points.push(turn_s));
        for step in &self.known {
            points.push(request.removal_until_s(step.recorded_at_s));
        }
        for (held, list_grace_s) in self.named() {
            let (from_s, until_s) = held.bounds(request);
            points.extend([from_s, self.due_s(held, list_grace_s)]);
            points.extend(until_s);
            points.extend(until_s.map(|until_s| self.removal_until_s(until_s, list_grace_s)));
        }
        // A pause is told from a reload only after so long; so is a removal that is too late.
        let with_reload: Vec<i64> =
            points.iter().map(|point| point.saturating_add(RELOAD_S).saturating_add(1)).collect();
        points.extend(with_reload);
        points.extend(self.again_s.get());
        points.into_iter().filter(|point| self.at_s < *point).min()
    }
}

impl Carried<'_> {
    pub(super) fn target(&self) -> &Target {
        &self.held.target
    }

    /// Nodes at which it is surely carried at an instant.
    pub(super) fn carrying(&self, at_s: i64) -> impl Iterator<Item = &str> {
        let holds = move |course: &Course<'_>| course.at_least.iter().any(|s| s.holds(at_s));
        self.at.iter().filter(move |(_, course)| holds(course)).map(|(node, _)| *node)
    }

    /// Nodes at which it may be carried at an instant.
    pub(super) fn may_carry(&self, at_s: i64) -> impl Iterator<Item = &str> {
        let holds = move |course: &Course<'_>| course.at_most.iter().any(|s| s.holds(at_s));
        self.at.iter().filter(move |(_, course)| holds(course)).map(|(node, _)| *node)
    }
}

/// When it ended; `None`: it has not, or its time to be removed runs.
fn ended_s(standing: Standing) -> Option<i64> {
    match standing {
        Standing::Expired { at_s }
        | Standing::Revoked { at_s, how: _ }
        | Standing::Lapsed { at_s }
        | Standing::Moot { at_s, case_closed: _ } => Some(at_s),
        Standing::Suspended { since_s } => Some(since_s),
        // It never was in force, as is known now; that people could know from then on.
        Standing::Annulled { at_s } => Some(at_s),
        Standing::Active
        | Standing::Provisional { .. }
        | Standing::RemovalGrace { .. }
        | Standing::TooEarly { .. }
        | Standing::Unapproved
        | Standing::NotAccepted(_)
        | Standing::Dropped { .. } => None,
    }
}

/// What the last of these versions names, and those before it since some version without a break; not what the
/// first of them named.
fn joined_since<'a>(versions: &[&'a Version]) -> HashMap<&'a Target, Joined> {
    let mut joined = HashMap::new();
    if versions.len() < 2 {
        return joined;
    }
    let names = |version: &'a Version| -> HashSet<&'a Target> {
        let blocked = version.request.targets.iter().filter(|held| !held.exception);
        blocked.map(|held| &held.target).collect()
    };
    let mut named = versions.first().map(|first| names(first)).unwrap_or_default();
    for pair in versions.windows(2) {
        let [before, after] = pair else { continue };
        let now = names(after);
        joined.retain(|target, _| now.contains(target));
        let has_own_bound = before.request.implement_by_s != after.request.implement_by_s;
        let since_s = after.applies_from_s;
        joined.extend(
            now.difference(&named).map(|target| (*target, Joined { since_s, has_own_bound })),
        );
        named = now;
    }
    joined
}

/// `None`: no rule.
fn by_rules(target: &Target, rules: Vec<&Target>, spared: &[&Target]) -> Option<Extent> {
    if rules.is_empty() {
        return None;
    }
    // By other means, which the operator chose: how far they reach, the target does not tell.
    let is_other_means = |rule: &&Target| relation(rule, target) == Relation::Disjoint;
    if rules.iter().any(is_other_means) {
        return Some(Extent::Whole);
    }
    match extent(target, &rules) {
        Extent::Whole => Some(Extent::Whole),
        Extent::Part => {
            let near = spared.iter().filter(|spared| !is_other_means(spared));
            let with_spared: Vec<&Target> = near.chain(&rules).copied().collect();
            Some(extent(target, &with_spared))
        }
    }
}
