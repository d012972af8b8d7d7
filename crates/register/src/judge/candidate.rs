//! One request, in one version, by one of its targets, held against one event.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use ipnet::IpNet;
use remit_proto::v1::{
    BasisProof, Dimension, RequestPart, TransitionKind, UndeterminedReason, VerdictCode,
};
use smallvec::SmallVec;

use super::{
    CONSIDERED_MAX, Event,
    claims::Claims,
    dimensions::{self, Answer, Breadth},
};
use crate::{
    entry::{Entry, Version},
    list::{Accepted, ListView, Listed, Naming},
    register::{Touch, View},
    request::{Request, RequestTarget},
    state::{self, Bounds, Standing, Transition},
    target::{Known, Relation, Target, relation},
    unseen::Unseen,
};

pub(super) struct Candidate<'a> {
    pub entry: Entry<'a>,
    pub version: &'a Version,
    /// `None`: the request is claimed and touches the target nowhere.
    pub target: Option<&'a RequestTarget>,
    /// The target stands in a list that the request covers.
    pub listed: Option<Listed<'a>>,
    /// The version of a list that is claimed and does not hold the target.
    pub list: Option<(ListView<'a>, &'a Accepted)>,
    /// The event's claims name it.
    pub named: bool,
    /// Only through another version of its list than the one to go by.
    pub outdated: bool,
    pub breadth: Breadth,
    /// Must stay open, lies in what is blocked, and was not seen to be hit: another rule may let it through.
    pub open: Option<&'a RequestTarget>,
    pub place: Answer,
    pub audience: Answer,
    pub technique: Answer,
    /// By whom it was directed at, and by what the operator took on of it.
    pub accepted: Answer,
    /// At each instant of the span at which something may change; `None` while another version is
    /// the one to be judged.
    standings: SmallVec<[Option<Standing>; 2]>,
    /// Other versions or targets of the same request hold where this one does not.
    relieved: bool,
    /// What it turns on lies in a time that nobody saw.
    pub unseen: Option<Unseen>,
    /// The event went on from its first to its last second.
    lasting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Covers {
        provisional: bool,
    },
    /// Ended, and the time to remove is running.
    Grace,
    Might {
        reason: UndeterminedReason,
        dimension: Dimension,
    },
    Fails {
        code: VerdictCode,
        dimension: Dimension,
        count: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    InForce { provisional: bool },
    Grace,
    Outside(Standing),
    Boundary,
}

/// Mostly one.
pub(super) type Candidates<'a> = SmallVec<[Candidate<'a>; 1]>;

/// Finds every candidate: all that touch the target, up to [`CONSIDERED_MAX`], and all that are claimed. Out: how
/// many were looked at, if that is not all that touch the target. Candidates are large, and stay where they are made.
pub(super) fn find<'a>(
    event: &Event<'_>,
    target: &Target,
    view: &View<'a>,
    claims: &Claims<'_>,
    candidates: &mut Candidates<'a>,
) -> Option<u32> {
    let (mut touches, is_cut) = view.touching_some(target, &claims.requests, CONSIDERED_MAX);
    let cut_at = is_cut.then(|| u32::try_from(touches.len()).unwrap_or(u32::MAX));
    // Within a request, in the order of the register.
    touches.sort_by(|a, b| a.entry.id().cmp(b.entry.id()));
    candidates.reserve(touches.len());
    for touches in touches.chunk_by(|a, b| a.entry.id() == b.entry.id()) {
        of_entry(event, target, touches, is_cut.then_some(view), claims, candidates);
    }
    for id in &claims.requests {
        // Nor is one a candidate whose touching text was amended away.
        if !candidates.iter().any(|c| c.entry.id() == *id) {
            candidates.extend(view.request(id).map(|e| elsewhere(event, e, claims)));
        }
    }
    // A claimed list speaks through its first member, if none of its members touches the target.
    for list in &claims.lists {
        let touched = candidates.iter().any(|c| c.request().lists.contains(list));
        if !touched {
            candidates.extend(view.list(list).next().map(|e| elsewhere(event, e, claims)));
        }
    }
    // One with versions speaks through the request of its feed.
    for (id, at) in &claims.versions {
        let touched = candidates.iter().any(|c| c.listed.is_some_and(|l| l.list().id() == *id));
        let list = view.list_of(id).filter(|_| !touched);
        candidates.extend(list.and_then(|list| {
            let entry = view.request(&list.feed()?.request)?;
            let mut candidate = elsewhere(event, entry, claims);
            if list.is_partial() {
                // What is withheld may be this very target.
                candidate.breadth.target = Answer::Unknown(UndeterminedReason::Erased);
            }
            let list = Some((list, list.versions().get(*at)?));
            Some(Candidate { list, named: true, ..candidate })
        }));
    }
    cut_at
}

fn of_entry<'a>(
    event: &Event<'_>,
    target: &Target,
    touches: &[Touch<'a>],
    cut: Option<&View<'a>>,
    claims: &Claims<'_>,
    candidates: &mut Candidates<'a>,
) {
    let Some(first) = touches.first() else { return };
    let weighing =
        Weighing::new(event, first.entry, claims, touches.iter().map(|t| (t.version, t.bounds())));
    let unions = unions(target, touches);
    // Versions that say that this very target must stay open.
    let excepted: SmallVec<[u32; 2]> = touches
        .iter()
        .filter(|t| hits_exception(t, event))
        .map(|t| t.version.request.version)
        .collect();
    let open = touches.iter().find(|t| {
        t.target.exception
            && t.target.is_live(event.span.first_s, event.span.last_s)
            && !excepted.contains(&t.version.request.version)
    });
    let others = candidates.len();
    for touch in touches {
        let Touch { entry: _, version, target: held, relation, listed } = touch;
        // Beside an exception that is hit nothing else speaks; one that is not hit says nothing.
        let hit = excepted.contains(&version.request.version);
        let speaks = if held.exception { hit && hits_exception(touch, event) } else { !hit };
        if !speaks
            || !is_eligible(touch, claims)
            || cut.is_some_and(|view| may_be_excepted(event, target, version, view))
        {
            continue;
        }
        let measure = &version.request.measure;
        let unlicensed = held.derived().is_some() && !measure.permits_derived();
        let breadth = if held.exception || unlicensed {
            let target = Answer::No(VerdictCode::OutOfScopeTarget);
            Breadth { target, method: Answer::Yes, licensed: false, united: false }
        } else {
            let union = unions.contains(&part_of(touch));
            dimensions::breadth(measure, target, &held.target, *relation, union)
        };
        candidates.push(weighing.candidate(version, Some(held), breadth, touch.bounds()));
        let Some(made) = candidates.last_mut() else { continue };
        made.open = open
            .filter(|open| open.version.request.version == version.request.version)
            .map(|open| open.target);
        if made.standings.iter().all(Option::is_none) {
            candidates.pop();
        } else if let Some(listed) = listed {
            let naming = claims.naming(listed, event.span);
            made.listed = Some(*listed);
            made.outdated = !made.named && naming == Naming::ByAnotherVersion;
            made.named |= naming != Naming::No;
            if made.breadth.target == Answer::Yes && listed.may_be_gone(event.span) {
                made.breadth.target = Answer::Unknown(UndeterminedReason::Erased);
            }
        }
    }
    relieve(candidates.get_mut(others..).unwrap_or_default());
}

/// An own measure does not answer for a block that claims something else.
fn is_eligible(touch: &Touch<'_>, claims: &Claims<'_>) -> bool {
    let request = &touch.version.request;
    !request.is_own_measure()
        || claims.nothing_claimed()
        || claims.names(&touch.entry, request)
        || touch.listed.is_some_and(|listed| claims.names_list(&listed))
}

/// The rule stands on an exception, or contains it and was seen to hit it. That a subtree rule
/// contains an exception does not show whether another rule lets it through.
fn hits_exception(touch: &Touch<'_>, event: &Event<'_>) -> bool {
    touch.target.exception
        && touch.target.is_live(event.span.first_s, event.span.last_s)
        && match touch.relation {
            Relation::Equal | Relation::Inside => true,
            Relation::Contains | Relation::Partial => saw(event, &touch.target.target),
            Relation::Disjoint => false,
        }
}

/// As [`hits_exception`], where not all that touches was looked at: the version has an exception that is
/// hit, or one may stand in a list that it covers.
fn may_be_excepted<'a>(
    event: &Event<'_>,
    target: &Target,
    version: &'a Version,
    view: &View<'a>,
) -> bool {
    let request = &version.request;
    if request.targets.len() == version.blocked_count {
        return !request.covers_lists.is_empty();
    }
    let is_hit = |held: &RequestTarget| {
        held.exception && held.is_live(event.span.first_s, event.span.last_s)
    };
    view.held_in(version, target).any(is_hit)
        || event.observed.iter().any(|hit| {
            let mut held = view.held_in(version, hit);
            held.any(|held| is_hit(held) && relation(target, &held.target) != Relation::Disjoint)
        })
        || !request.covers_lists.is_empty()
}

/// A name that hit the rule lies in the target.
fn saw(event: &Event<'_>, target: &Target) -> bool {
    let mut observed = event.observed.iter();
    observed.any(|hit| matches!(relation(hit, target), Relation::Equal | Relation::Inside))
}

/// Parts that may make a whole: of one text, and with the same span; parts with spans of their own
/// do not make a whole at every instant.
type PartOf = (u32, Option<i64>, Option<i64>);

fn part_of(touch: &Touch<'_>) -> PartOf {
    (touch.version.request.version, touch.target.added_at_s(), touch.target.removed_at_s())
}

/// Where several targets of one request together are exactly the event's: adjacent prefixes, or a
/// name and everything below it (DOMAIN.md 3f "CIDR", "Domain vs subdomain").
fn unions(event: &Target, touches: &[Touch<'_>]) -> BTreeSet<PartOf> {
    if !matches!(event, Target::Cidr(_) | Target::DomainSubtree { apex: true, .. }) {
        return BTreeSet::new();
    }
    let mut parts: BTreeMap<PartOf, Vec<&Target>> = BTreeMap::new();
    for touch in touches.iter().filter(|t| !t.target.exception) {
        if touch.relation == Relation::Contains {
            parts.entry(part_of(touch)).or_default().push(&touch.target.target);
        }
    }
    parts.retain(|_, parts| match event {
        Target::Cidr(net) => {
            let nets: Vec<IpNet> = parts
                .iter()
                .filter_map(|part| match part {
                    Target::Cidr(part) => Some(*part),
                    Target::Ip(ip) => Some(IpNet::from(*ip)),
                    _ => None,
                })
                .collect();
            IpNet::aggregate(&nets).contains(net)
        }
        Target::DomainSubtree { name, apex: true } => {
            let below = Target::DomainSubtree { name: name.clone(), apex: false };
            parts.contains(&&Target::DomainExact(name.clone())) && parts.contains(&&below)
        }
        _ => false,
    });
    parts.into_keys().collect()
}

/// The claimed request, which does not touch the target.
fn elsewhere<'a>(event: &Event<'_>, entry: Entry<'a>, claims: &Claims<'_>) -> Candidate<'a> {
    let version = entry
        .version_at(event.span.first_s)
        .or_else(|| entry.versions().next())
        .unwrap_or(entry.newest());
    let bounds = entry.bounds(version, None);
    // An address may be blocked for a name, while the answer that gave it holds; here none is held.
    let code = if lacks_resolution(event, version) {
        VerdictCode::Expired
    } else {
        VerdictCode::OutOfScopeTarget
    };
    // What it names is there, and cannot be seen.
    let target = match version.request.withholds(RequestPart::Targets) {
        Some(_) => Answer::Unknown(UndeterminedReason::Secret),
        None => Answer::No(code),
    };
    let breadth = Breadth { target, method: Answer::Yes, licensed: false, united: false };
    let weighing = Weighing::new(event, entry, claims, [(version, bounds)]);
    weighing.candidate(version, None, breadth, bounds)
}

/// The block is by address, and the request names names and permits their addresses.
fn lacks_resolution(event: &Event<'_>, version: &Version) -> bool {
    let by_address = matches!(
        &event.target,
        Known::Known(Target::Ip(_) | Target::Cidr(_) | Target::IpPort { .. })
    );
    by_address && version.request.measure.permits_derived() && version.has_names
}

/// An order against the publisher binds no operator (DOMAIN.md 3f), and what the operator did not take
/// on is no basis for him.
fn accepted(
    event: &Event<'_>,
    version: &Version,
    target: Option<&RequestTarget>,
    known: &[&Transition],
) -> Answer {
    if version.request.to_publisher {
        return Answer::No(VerdictCode::NoBasis);
    }
    let Some(decision) = state::decision(version, known, event.span.last_s) else {
        return Answer::Yes;
    };
    let held = target.map(|target| &target.target);
    let blocked = match &event.target {
        Known::Known(blocked) => Some(blocked),
        Known::Erased | Known::NotUnderstood => None,
    };
    if [held, blocked].into_iter().flatten().any(|target| decision.leaves_out(target)) {
        return Answer::No(VerdictCode::BasisNotAccepted);
    }
    let Some(scope) = &decision.accepted_scope else { return Answer::Yes };
    let within = dimensions::place_of(scope, event).and(dimensions::audience_of(scope, event));
    match within {
        Answer::No(_) => Answer::No(VerdictCode::BasisNotAccepted),
        Answer::Yes | Answer::Unknown(_) => within,
    }
}

/// A request is weighed against an event.
struct Weighing<'h, 'c, 'a> {
    event: &'h Event<'h>,
    claims: &'h Claims<'c>,
    entry: Entry<'a>,
    transitions: Vec<&'a Transition>,
    /// The first instant of the span, clock error included, and each later one at which something may change.
    samples: SmallVec<[i64; 4]>,
}

impl<'h, 'c, 'a> Weighing<'h, 'c, 'a> {
    /// By which targets.
    fn new(
        event: &'h Event<'h>,
        entry: Entry<'a>,
        claims: &'h Claims<'c>,
        looked_at: impl IntoIterator<Item = (&'a Version, Bounds)>,
    ) -> Self {
        let transitions = entry.transitions();
        let (first_s, last_s) = event.span.with_error();
        let mut samples = SmallVec::from_iter([first_s]);
        for (version, bounds) in looked_at {
            entry.turning_points(version, bounds, &transitions, &mut |turn_s| {
                if first_s < turn_s && turn_s <= last_s {
                    samples.push(turn_s);
                }
            });
        }
        samples.sort_unstable();
        samples.dedup();
        Self { event, claims, entry, transitions, samples }
    }

    fn candidate(
        &self,
        version: &'a Version,
        target: Option<&'a RequestTarget>,
        breadth: Breadth,
        bounds: Bounds,
    ) -> Candidate<'a> {
        let Self { event, claims, entry, transitions, samples } = self;
        let request = &version.request;
        let secret = |part: RequestPart, answer: Answer| match request.withholds(part) {
            Some(_) => Answer::Unknown(UndeterminedReason::Secret),
            None => answer,
        };
        let mut breadth = breadth;
        // Whether a coarser means is licensed stands in the measure.
        if breadth.target == Answer::No(VerdictCode::Overbroad) {
            breadth.target = secret(RequestPart::Measure, breadth.target);
        }
        let standings: SmallVec<[Option<Standing>; 2]> = samples
            .iter()
            .map(|at_s| entry.standing_of(version, bounds, transitions, *at_s))
            .collect();
        Candidate {
            entry: *entry,
            version,
            target,
            listed: None,
            list: None,
            named: claims.names(entry, request),
            outdated: false,
            breadth,
            open: None,
            place: secret(RequestPart::Scope, dimensions::place_of(&request.scope, event)),
            audience: secret(RequestPart::Scope, dimensions::audience_of(&request.scope, event)),
            technique: secret(
                RequestPart::Measure,
                dimensions::technique(&request.measure, event.technique, event.rate_bits_per_s),
            ),
            accepted: accepted(event, version, target, transitions),
            unseen: turns_unseen(samples, &standings, event.unseen),
            standings,
            relieved: false,
            lasting: event.deed.is_some(),
        }
    }
}

/// Whether each instant at which it begins or ceases to hold lies where nobody looked: the first such time.
fn turns_unseen(
    samples: &[i64],
    standings: &[Option<Standing>],
    unseen: &[Unseen],
) -> Option<Unseen> {
    let covers = |standing: &Option<Standing>| match standing {
        Some(Standing::RemovalGrace { .. }) => Some(false),
        Some(standing) if standing.is_in_force() => Some(true),
        Some(_) | None => None,
    };
    let mut found = None;
    for (at_s, turn) in samples.iter().skip(1).zip(standings.windows(2)) {
        if let [before, after] = turn
            && covers(before) != covers(after)
        {
            let here = unseen.iter().find(|unseen| unseen.holds(*at_s))?;
            found = found.or(Some(*here));
        }
    }
    found
}

/// A window across an amendment is covered if one text covers it before and the other after: it is
/// one request.
fn relieve(candidates: &mut [Candidate<'_>]) {
    if candidates.len() < 2 {
        return;
    }
    let count = candidates.iter().map(|c| c.standings.len()).max().unwrap_or(0);
    let fits: Vec<bool> = candidates.iter().map(|c| c.fits_but_for_time()).collect();
    let always = count > 0
        && (0..count).all(|at| {
            candidates.iter().zip(&fits).any(|(c, fits)| {
                *fits && c.standings.get(at).copied().flatten().is_some_and(Standing::is_in_force)
            })
        });
    if always {
        for (candidate, fits) in candidates.iter_mut().zip(fits) {
            candidate.relieved = fits && candidate.time() == Time::Boundary;
        }
    }
}

impl<'a> Candidate<'a> {
    pub(super) fn request(&self) -> &'a Request {
        &self.version.request
    }

    pub(super) fn outcome(&self) -> Outcome {
        let (answers, time) = (self.answers(), self.time());
        if let [(code, dimension), rest @ ..] = failures(&answers, time).as_slice() {
            let count = rest.len().saturating_add(1);
            return Outcome::Fails { code: *code, dimension: *dimension, count };
        }
        let open = answers.into_iter().find_map(|(answer, dimension)| match answer {
            Answer::Unknown(reason) => Some((reason, dimension)),
            Answer::Yes | Answer::No(_) => None,
        });
        match (open, time) {
            (Some((reason, dimension)), _) => Outcome::Might { reason, dimension },
            (None, Time::Grace) => Outcome::Grace,
            (None, Time::InForce { provisional }) => Outcome::Covers { provisional },
            // That it lies outside is a failure.
            (None, Time::Boundary | Time::Outside(_)) => {
                Outcome::Might { reason: self.boundary(), dimension: Dimension::Time }
            }
        }
    }

    /// The dimensions in which it does not cover, in order of their codes.
    pub(super) fn failures(&self) -> Failures {
        failures(&self.answers(), self.time())
    }

    /// All but time, in the order in which an open question speaks.
    fn answers(&self) -> [(Answer, Dimension); 5] {
        [
            (self.breadth.target, Dimension::Target),
            (self.place, Dimension::Place),
            (self.audience, Dimension::Audience),
            (self.method(), Dimension::Method),
            (self.accepted, Dimension::Status),
        ]
    }

    pub(super) fn crosses_a_bound(&self) -> bool {
        self.time() == Time::Boundary
    }

    fn boundary(&self) -> UndeterminedReason {
        match self.unseen {
            Some(_) => UndeterminedReason::Gap,
            None => UndeterminedReason::Boundary,
        }
    }

    fn method(&self) -> Answer {
        match self.technique {
            Answer::Yes => self.breadth.method,
            Answer::No(_) | Answer::Unknown(_) => match self.breadth.method {
                Answer::No(code) => Answer::No(code),
                Answer::Yes | Answer::Unknown(_) => self.technique,
            },
        }
    }

    fn fits_but_for_time(&self) -> bool {
        [self.breadth.target, self.place, self.audience, self.method(), self.accepted]
            .iter()
            .all(|answer| *answer == Answer::Yes)
    }

    fn time(&self) -> Time {
        let in_force = |s: &Option<Standing>| s.is_some_and(Standing::is_in_force);
        let provisional =
            self.standings.iter().flatten().any(|s| matches!(s, Standing::Provisional { .. }));
        if self.relieved || self.standings.iter().all(in_force) {
            return Time::InForce { provisional };
        }
        let grace = |s: &Option<Standing>| matches!(s, Some(Standing::RemovalGrace { .. }));
        if self.standings.iter().all(grace) {
            return Time::Grace;
        }
        if self.standings.iter().any(|s| in_force(s) || grace(s)) {
            return if self.lasting { self.uncovered_part() } else { Time::Boundary };
        }
        let mut outside = self.standings.iter().flatten();
        let first = outside.clone().find(|s| !matches!(s, Standing::Annulled { .. }));
        first.or_else(|| outside.next()).map_or(Time::Boundary, |s| Time::Outside(*s))
    }

    /// Of what lasted, the first standing that did not cover it.
    fn uncovered_part(&self) -> Time {
        let grace = |s: &Standing| matches!(s, Standing::RemovalGrace { .. });
        let mut standings = self.standings.iter().flatten();
        match standings.find(|s| !s.is_in_force() && !grace(s)) {
            Some(standing) => Time::Outside(*standing),
            None if self.standings.iter().all(Option::is_some) => Time::Grace,
            None => Time::Boundary,
        }
    }

    /// The standing that a clause on time shows: the one that decided, else the last.
    pub(super) fn shown_standing(&self) -> Option<Standing> {
        match self.time() {
            Time::Outside(standing) => Some(standing),
            Time::Boundary => self.standings.iter().flatten().find(|s| !s.is_in_force()).copied(),
            Time::InForce { .. } | Time::Grace => {
                self.standings.iter().flatten().next_back().copied()
            }
        }
    }

    /// Who speaks first among equals: the claimed one, the better proved, the closer target, the
    /// one registered first.
    pub(super) fn preference(&self) -> impl Ord + use<'a> {
        let proof = match self.request().basis_proof {
            BasisProof::AuthoritySigned => 0,
            BasisProof::DocumentHeld => 1,
            BasisProof::OperatorsWord => 2,
            BasisProof::Oral => 3,
            BasisProof::Unspecified => 4,
        };
        (
            !self.named,
            self.outdated,
            proof,
            self.target.is_none(),
            self.breadth.licensed,
            self.entry.versions().next().map(|v| v.statement),
            self.entry.id(),
            Reverse(self.request().version),
        )
    }

    /// The last statement without which this request would not have been in force at `at_s`, and
    /// when it was recorded.
    pub(super) fn rests_on(&self, at_s: i64) -> (u64, i64) {
        let needed = self
            .entry
            .transitions()
            .into_iter()
            .filter(|t| t.effective_at_s <= at_s)
            .filter(|t| match t.kind {
                TransitionKind::Accept | TransitionKind::Resume => true,
                // Without it the request would have lapsed by then.
                TransitionKind::Confirm => self.request().confirm_by_s.is_some_and(|by| by <= at_s),
                TransitionKind::Unspecified
                | TransitionKind::Suspend
                | TransitionKind::Withdraw
                | TransitionKind::Revoke
                | TransitionKind::Annul
                | TransitionKind::Refuse
                | TransitionKind::Challenge
                | TransitionKind::Supersede
                | TransitionKind::Review
                | TransitionKind::Clarify
                | TransitionKind::Moot
                | TransitionKind::Close => false,
            })
            .map(|t| (t.statement, t.recorded_at_s));
        let listed = self.listed.and_then(|listed| listed.known_by());
        needed
            .chain(self.version.known_by())
            .chain(listed)
            .max()
            .unwrap_or((self.version.statement, self.version.recorded_at_s))
    }
}

type Failures = SmallVec<[(VerdictCode, Dimension); 6]>;

/// Of what the answers to all but time say, and of where the time lies.
fn failures(answers: &[(Answer, Dimension); 5], time: Time) -> Failures {
    let mut failures = Failures::new();
    for (answer, dimension) in answers {
        if let Answer::No(code) = answer {
            failures.push((*code, *dimension));
        }
    }
    match time {
        Time::Outside(
            Standing::NotAccepted(_) | Standing::Dropped { .. } | Standing::Unapproved,
        ) => {
            let is_told = failures.iter().any(|(_, d)| *d == Dimension::Status);
            if !is_told {
                failures.push((VerdictCode::BasisNotAccepted, Dimension::Status));
            }
        }
        // It excuses only what was otherwise covered.
        Time::Outside(Standing::Annulled { .. }) if !failures.is_empty() => {}
        Time::Outside(standing) => failures.push((code_of(standing), Dimension::Time)),
        Time::Boundary | Time::Grace | Time::InForce { .. } => {}
    }
    if failures.len() > 1 {
        failures.sort_by_key(|(code, _)| *code as i32);
    }
    failures
}

fn code_of(standing: Standing) -> VerdictCode {
    match standing {
        Standing::TooEarly { .. } => VerdictCode::TooEarly,
        Standing::Expired { .. } => VerdictCode::Expired,
        Standing::Revoked { .. } => VerdictCode::Revoked,
        Standing::Suspended { .. } => VerdictCode::Suspended,
        Standing::Lapsed { .. } | Standing::Moot { .. } => VerdictCode::Lapsed,
        Standing::Annulled { .. } => VerdictCode::AnnulledRetroactively,
        Standing::RemovalGrace { .. } => VerdictCode::InRemovalGrace,
        Standing::NotAccepted(_) | Standing::Dropped { .. } | Standing::Unapproved => {
            VerdictCode::BasisNotAccepted
        }
        Standing::Active => VerdictCode::Authorised,
        Standing::Provisional { .. } => VerdictCode::AuthorisedProvisional,
    }
}
