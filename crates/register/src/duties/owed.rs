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
    amended::{Away, Text, away},
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
    /// What amendments took away, if its time to be removed has passed.
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

/// What an amendment took away, since when it was to be gone, and the rules on it where it was.
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

    /// Texts that applied, up to the one that is judged, oldest first, and where each was agreed to hold when it was
    /// amended; none where there is but one.
    pub(super) fn texts(&self) -> Vec<(&'a Version, Where)> {
        let amended_s = |version: &Version| self.entry.amended_at_s(version).unwrap_or(i64::MAX);
        let applied = self.versions().filter(|one| one.applies_from_s < amended_s(one));
        let texts: Vec<_> = applied
            .map(|version| {
                let decision =
                    state::decision(version, &self.known, amended_s(version).min(self.at_s));
                let accepted = decision.and_then(|decision| decision.accepted_scope.clone());
                (version, Where { asked: Arc::clone(&version.request.scope), accepted })
            })
            .collect();
        if texts.len() < 2 { Vec::new() } else { texts }
    }

    pub(super) fn view(&self) -> &'a View<'a> {
        self.view
    }

    pub(super) fn known(&self) -> &[&'a Transition] {
        &self.known
    }

    /// Where a target of a former text stood by it when it was amended.
    pub(super) fn standing_before(
        &self,
        before: &Version,
        held: &RequestTarget,
        amended_s: i64,
    ) -> Standing {
        let bounds = self.entry.bounds(before, Some(held));
        let entered_at_s = self.entry.entered_at_s();
        state::standing_at(&before.request, bounds, entered_at_s, &self.known, amended_s)
    }

    /// What is to be blocked, and the grace of the list that names it.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'a RequestTarget, i64)> {
        let own = self.request().targets.iter().map(|held| (held, 0));
        own.chain(self.by_list.iter().map(|listed| (listed.target(), listed.list().grace_s())))
    }

    /// Looks up the rules that carried each target at nodes where it may be owed.
    pub(super) fn find(&mut self, rules: &'a Rules, reach: &Reach, texts: &[Text<'a>]) {
        self.joined = joined_since(&self.versions().collect::<Vec<_>>());
        let all = self.answers();
        let away = away(self, texts);
        let former = away.iter().map(|away| away.target);
        let by_name = self.by_name(rules, &all, former);
        self.left_out = self.find_left_out(rules, reach, (&all, &by_name), &away);
        let other_means = self.request().measure.permits_derived();
        let (answers, by_name) =
            if other_means { (all, by_name) } else { (Answers::new(), Vec::new()) };
        self.targets = self.find_carried(rules, reach, (&answers, &by_name));
    }

    /// Rules by other means than a target itself, where a text permits them: which of them it is for, the rule does
    /// not say.
    fn by_name(
        &self,
        rules: &'a Rules,
        answers: &Answers<'a>,
        former: impl Iterator<Item = &'a Target>,
    ) -> Vec<&'a Stood> {
        if !self.versions().any(|version| version.request.measure.permits_derived()) {
            return Vec::new();
        }
        let mut by_name: Vec<&Stood> = rules.naming(self.id()).collect();
        if !by_name.is_empty() {
            let own = self.named().filter(|(held, _)| !held.exception);
            let own = own.map(|(held, _)| &held.target);
            let resolved = answers.values().flat_map(BTreeMap::keys).copied();
            let own = own.chain(resolved).chain(former).flat_map(|target| rules.touching(target));
            let own: HashSet<*const Stood> = own.map(ptr::from_ref).collect();
            by_name.retain(|stood| !own.contains(&ptr::from_ref(*stood)));
        }
        by_name
    }

    fn find_carried(
        &self,
        rules: &'a Rules,
        reach: &Reach,
        (answers, by_name): (&Answers<'a>, &[&'a Stood]),
    ) -> Vec<Carried<'a>> {
        let decision = self.entry.decision_at(self.at_s);
        let spared = self.spared();
        let is_there = |stood: &Stood| reach.may_include(stood.rule.node.as_str());
        let targets = self.named().filter(|(held, _)| {
            // What it resolves to is blocked instead of a name, not beside it.
            !held.exception
                && held.derived().is_none()
                && !decision.is_some_and(|decision| decision.leaves_out(&held.target))
        });
        let carried = targets.map(|(held, list_grace_s)| {
            let whole = rules.touching(&held.target).chain(by_name.iter().copied());
            let by_address = by_address(rules, answers, &held.target);
            let at =
                self.by_node(whole.map(|one| Piece::whole(one, rules)).chain(by_address), is_there);
            let extent = at
                .iter()
                .filter_map(|(node, pieces)| {
                    Some((*node, self.extents_now(&held.target, pieces, &spared)?))
                })
                .collect();
            let due_s = self.due_s(held, list_grace_s);
            Carried { held, due_s, list_grace_s, at: self.courses(at), extent }
        });
        carried.collect()
    }

    /// Rules on what amendments took away, where they did. At a node that is still asked for something a rule by other
    /// means may be for what is left.
    fn find_left_out(
        &self,
        rules: &'a Rules,
        reach: &Reach,
        (answers, by_name): (&Answers<'a>, &[&'a Stood]),
        away: &[Away<'a, '_>],
    ) -> Vec<LeftOut<'a>> {
        let is_asked = |stood: &Stood| reach.may_include(stood.rule.node.as_str());
        let mut left_out = Vec::new();
        for Away { target, due_s, nodes, before } in away {
            // A removal is told from a reload only after so long.
            self.look_again(due_s.saturating_add(RELOAD_S).saturating_add(1));
            if self.at_s <= *due_s {
                continue;
            }
            let other_means = before.request.measure.permits_derived();
            let by_name = by_name.iter().copied().filter(|one| other_means && !is_asked(one));
            let whole = rules.touching(target).chain(by_name).map(|one| Piece::whole(one, rules));
            let pieces = whole.chain(by_address(rules, answers, target));
            let at = self.by_node(pieces, |one| nodes.contains(one.rule.node.as_str()));
            left_out.push(LeftOut { target, due_s: *due_s, at: self.courses(at) });
        }
        left_out
    }

    /// Those that stand where they count, as far as they have begun.
    fn by_node<'r>(
        &self,
        pieces: impl Iterator<Item = Piece<'r>>,
        is_there: impl Fn(&Stood) -> bool,
    ) -> BTreeMap<&'r str, Vec<Piece<'r>>> {
        let mut at: BTreeMap<&str, Vec<Piece<'_>>> = BTreeMap::new();
        for piece in pieces.filter(|piece| is_there(piece.stood)) {
            let node = piece.stood.rule.node.as_str();
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
    pub(super) fn known_since_s(&self, ended_s: i64, stay_since_s: Option<i64>) -> i64 {
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
pub(super) fn ended_s(standing: Standing) -> Option<i64> {
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

/// Rules on the addresses that answers of a name gave, for as long as each held.
fn by_address<'a>(rules: &'a Rules, answers: &Answers<'a>, name: &Target) -> Vec<Piece<'a>> {
    let resolved = answers.get(name).into_iter().flatten();
    let pieces = resolved.flat_map(|(address, times)| {
        rules.touching(address).flat_map(|stood| Piece::by_answers(stood, times, rules))
    });
    pieces.collect()
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
