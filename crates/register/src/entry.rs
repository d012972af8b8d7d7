//! One request through time: its versions, and what was stated about it since.

use std::{collections::BTreeMap, hint::black_box, ops::Range, sync::Arc};

use evidence::RequestId;
use remit_proto::v1::{self, DisclosureTier};
use smallvec::SmallVec;

use crate::{
    index::TargetNumber,
    list::Approved,
    proceedings::{ProceedingEnd, Proceedings},
    request::{Decision, Request, RequestTarget, hides},
    state::{self, Bounds, NoSuchStep, Standing, Transition},
};

/// Everything the register knows about one request id; views show the part below their size.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub id: RequestId,
    /// Most requests have one: beside the id, it is found with it.
    pub versions: SmallVec<[Version; 1]>,
    /// In order of effect.
    pub transitions: Vec<Transition>,
    /// Those that a second person must approve or has approved, in the order in which they were stated.
    pub proposed: Vec<Transition>,
}

impl History {
    /// The transitions that are known and one more, in order of effect, if that is a way through the lifecycle.
    pub(crate) fn way_with(
        &self,
        stated: Transition,
        known: impl Iterator<Item = Transition>,
        proceedings: &Proceedings,
    ) -> Result<Vec<Transition>, NoSuchStep> {
        let new = (stated.statement, stated.kind);
        let mut way: Vec<Transition> = known.chain([stated]).collect();
        state::in_order_of_effect(&mut way);
        // An amendment enters the request anew, and the way goes on from there.
        let legal = self.versions.iter().map(|version| {
            let closed_s = proceedings.closed_at_s(&version.request, u64::MAX);
            state::check_path(&version.request, closed_s, &way, new)
        });
        legal.reduce(Result::or).unwrap_or(Ok(()))?;
        Ok(way)
    }

    /// In whose text a target of it stands: numbers are given to one version after the other.
    pub(crate) fn version_of(&self, number: TargetNumber) -> Option<&Version> {
        self.versions.iter().rfind(|version| version.first_number <= number)
    }

    /// Asks for all lines of memory in which it lies, so that they are waited for together: a verdict needs them
    /// one after the other, and they are mostly in no cache.
    pub(crate) fn load(&self) {
        let Self { id, versions, transitions, proposed: _ } = self;
        let first = versions.first();
        let first = first.map(|v| (v.statement, v.recorded_at_s, v.second.is_some(), v.has_names));
        black_box((id.as_str().len(), first, transitions.len()));
    }
}

/// The text of a request from one statement on.
#[derive(Debug, Clone)]
pub struct Version {
    /// Shared by all registers that took in the same items.
    pub request: Arc<Request>,
    /// SHA-256 of its canonical bytes, targets of blocks included: what the next version names.
    pub digest: [u8; 32],
    /// Index of the statement that entered it.
    pub statement: u64,
    pub recorded_at_s: i64,
    /// Why it was made; may be empty. All versions of one import share it.
    pub reason: Arc<str>,
    /// That the request exists is not for everybody.
    pub existence: Option<Existence>,
    /// `None`: it needs no second person.
    pub second: Option<Box<Second>>,
    /// An amendment is judged from its receipt on; the first version has always applied.
    pub applies_from_s: i64,
    /// Number of its first target in the index; the others follow.
    pub(crate) first_number: TargetNumber,
    /// Its targets without exceptions. A request may have hundreds of thousands: verdicts do not count
    /// them.
    pub(crate) blocked_count: usize,
    /// One of these is a name, or a URL of one.
    pub(crate) has_names: bool,
}

impl Version {
    /// When the first secrecy of it ended that has (SECRECY_EXPIRED, DOMAIN.md 3c): somebody should say
    /// that it is over, or why it goes on.
    pub fn secrecy_expired_at_s(&self, at_s: i64) -> Option<i64> {
        self.secrecy_ends().filter(|until_s| *until_s <= at_s).min()
    }

    /// When what is restricted or secret of it ends: that it exists, and what its text says.
    pub(crate) fn secrecy_ends(&self) -> impl Iterator<Item = i64> {
        let existence = self.existence.filter(|existence| hides(existence.tier));
        self.request.secrecy_ends().chain(existence.and_then(|existence| existence.until_s))
    }

    pub(crate) fn numbers(&self) -> Range<TargetNumber> {
        let count = TargetNumber::try_from(self.request.targets.len()).unwrap_or(TargetNumber::MAX);
        self.first_number..self.first_number.saturating_add(count)
    }

    /// Its target with this number.
    pub(crate) fn target(&self, number: TargetNumber) -> Option<&RequestTarget> {
        let at = usize::try_from(number.checked_sub(self.first_number)?).ok()?;
        self.request.targets.get(at)
    }
}

/// A text that counts from a second person's approval on.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    /// Who entered it, and so may not approve it.
    pub entered_by: String,
    /// SHA-256 of the statement's bytes: what an approval must name.
    pub digest: [u8; 32],
    pub approved: Option<Approved>,
}

impl Version {
    /// The statement since which it counts, and when that was recorded; `None`: it waits.
    pub(crate) fn known_by(&self) -> Option<(u64, i64)> {
        match &self.second {
            None => Some((self.statement, self.recorded_at_s)),
            Some(second) => second.approved.as_ref().map(|by| (by.statement, by.recorded_at_s)),
        }
    }

    /// Whether it counted at a size of the register.
    fn counts(&self, size: u64) -> bool {
        self.known_by().is_some_and(|(statement, _)| statement < size)
    }
}

/// How secret it is that there is such a request at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Existence {
    pub tier: DisclosureTier,
    /// `None`: without end.
    pub until_s: Option<i64>,
}

impl Existence {
    pub(crate) fn of(import: &v1::Import) -> Option<Self> {
        let until_s = Some(import.existence_until_s).filter(|until_s| *until_s != 0);
        match import.existence() {
            DisclosureTier::Unspecified | DisclosureTier::Public => None,
            tier @ (DisclosureTier::Restricted | DisclosureTier::Secret) => {
                Some(Self { tier, until_s })
            }
        }
    }
}

/// A request as a view knows it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    history: &'a History,
    proceedings: &'a Proceedings,
    newest: &'a Version,
    size: u64,
}

impl<'a> Entry<'a> {
    /// `None` if the register did not hold the request at this size.
    pub(crate) fn known(
        history: &'a History,
        proceedings: &'a Proceedings,
        size: u64,
    ) -> Option<Self> {
        let counts = history.versions.iter().rfind(|v| v.counts(size));
        let newest = counts.or_else(|| history.versions.iter().rfind(|v| v.statement < size))?;
        Some(Self { history, proceedings, newest, size })
    }

    pub fn id(&self) -> &'a RequestId {
        &self.history.id
    }

    /// Those that count, oldest first. While none does, the newest one that waits for a second person
    /// stands for the request; at least one.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &'a Version> + use<'a> {
        let (size, newest) = (self.size, self.newest);
        let shown =
            move |v: &&Version| v.counts(size) || v.request.version == newest.request.version;
        self.history.versions.iter().filter(shown)
    }

    /// All that were entered, those that wait for a second person too.
    pub fn all_versions(&self) -> impl DoubleEndedIterator<Item = &'a Version> + use<'a> {
        let size = self.size;
        self.history.versions.iter().filter(move |v| v.statement < size)
    }

    /// No text of it counts: a second person must approve it first.
    pub fn awaits_approval(&self) -> bool {
        !self.newest.counts(self.size)
    }

    /// Whether a version is one of [`Self::versions`].
    pub(crate) fn shows(&self, version: &Version) -> bool {
        version.counts(self.size)
            || (self.awaits_approval() && version.request.version == self.newest.request.version)
    }

    pub(crate) fn newest(&self) -> &'a Version {
        self.newest
    }

    /// The newest text.
    pub fn request(&self) -> &'a Request {
        &self.newest.request
    }

    /// The newest version speaks: an amendment may make it public.
    pub fn existence(&self) -> Option<Existence> {
        self.newest.existence
    }

    /// In order of effect.
    pub fn transitions(&self) -> Vec<&'a Transition> {
        self.history.transitions.iter().filter(|t| t.statement < self.size).collect()
    }

    /// Everything that was stated of it, what waits or waited for a second person too, in the order of the
    /// register.
    pub fn stated(&self) -> Vec<&'a Transition> {
        let History { transitions, proposed, .. } = self.history;
        let all = transitions.iter().chain(proposed).map(|stated| (stated.stated_by(), stated));
        let all: BTreeMap<u64, &Transition> = all.collect();
        all.into_values().filter(|stated| stated.stated_by() < self.size).collect()
    }

    /// Transitions that wait for a second person, in the order in which they were stated. One that does not
    /// follow any more where the request stands waits for nothing.
    pub fn waiting(&self) -> Vec<&'a Transition> {
        let waits = |stated: &&Transition| stated.waits_at(self.size) && self.leads_on(stated);
        self.history.proposed.iter().filter(waits).collect()
    }

    /// Ends of proceedings on which it depends, where they wait for a second person.
    pub fn ends_waiting(&self) -> Vec<ProceedingEnd> {
        self.proceedings.waiting(self.request(), self.size)
    }

    /// Ends of proceedings on which it depends that count, in order of effect.
    pub fn ends(&self) -> Vec<ProceedingEnd> {
        self.proceedings.ended(self.request(), self.size)
    }

    fn leads_on(&self, stated: &Transition) -> bool {
        let known = self.transitions().into_iter().cloned();
        self.history.way_with(stated.clone(), known, self.proceedings).is_ok()
    }

    /// The text that is judged at an instant.
    pub fn version_at(&self, at_s: i64) -> Option<&'a Version> {
        self.versions().rfind(|v| v.applies_from_s <= at_s)
    }

    /// Where the request stands at an instant, whatever its targets.
    pub fn standing_at(&self, at_s: i64) -> Option<Standing> {
        let version = self.version_at(at_s)?;
        if self.awaits_approval() {
            return Some(Standing::Unapproved);
        }
        let request = &version.request;
        let bounds = self.bounds(version, None);
        let known = self.transitions();
        Some(state::standing_at(request, bounds, self.entered_at_s(), &known, at_s))
    }

    /// The first instant after this one at which it ceases to be in force, by all that is known of it.
    pub fn ends_after(&self, at_s: i64) -> Option<i64> {
        let in_force = |at_s: i64| self.standing_at(at_s).is_some_and(Standing::is_in_force);
        let known = self.transitions();
        let mut turns = Vec::new();
        for version in self.versions() {
            let bounds = self.bounds(version, None);
            self.turning_points(version, bounds, &known, &mut |turn_s| turns.push(turn_s));
        }
        turns.retain(|turn_s| *turn_s > at_s);
        turns.sort_unstable();
        let mut was_in_force = in_force(at_s);
        turns.into_iter().find(|turn_s| {
            let is_in_force = in_force(*turn_s);
            std::mem::replace(&mut was_in_force, is_in_force) && !is_in_force
        })
    }

    /// In one word, as lists of requests show it.
    pub fn state_at(&self, at_s: i64) -> String {
        let standing = self.standing_at(at_s).map_or("", Standing::word);
        if state::closed(&self.transitions(), at_s) {
            return format!("closed ({standing})");
        }
        standing.to_owned()
    }

    /// As what it stands from an end on: what ended it, and not that the time to remove runs.
    pub fn ends_as(&self, end_s: i64) -> String {
        let standing = match self.standing_at(end_s) {
            Some(Standing::RemovalGrace { until_s, .. }) => self.standing_at(until_s),
            standing => standing,
        };
        standing.map_or("", Standing::word).to_owned()
    }

    /// It stands still, and has not ended: it may go on.
    pub(crate) fn is_stayed_at(&self, at_s: i64) -> bool {
        let Some(version) = self.version_at(at_s) else { return false };
        let case_closed_s = self.proceedings.closed_at_s(&version.request, self.size);
        state::is_stayed(&version.request, case_closed_s, &self.transitions(), at_s)
    }

    /// Nothing more is to come.
    pub fn is_closed_at(&self, at_s: i64) -> bool {
        state::closed(&self.transitions(), at_s)
    }

    /// The statement that entered it.
    pub(crate) fn first_statement(&self) -> u64 {
        self.versions().next().map_or(u64::MAX, |version| version.statement)
    }

    /// The word of an end after which no version follows; what has only run out may be extended.
    pub(crate) fn over_at(&self, at_s: i64) -> Option<&'static str> {
        if state::closed(&self.transitions(), at_s) {
            return Some("closed");
        }
        match self.standing_at(at_s)? {
            standing @ (Standing::Revoked { .. }
            | Standing::Dropped { .. }
            | Standing::Moot { .. }
            | Standing::Annulled { .. }) => Some(standing.word()),
            Standing::RemovalGrace { .. } => {
                // The grace hides how it ended: by its annulment, whatever came after it, else by the last step.
                let mut steps = self.transitions();
                steps.retain(|step| step.effective_at_s <= at_s);
                let annulled = steps.iter().find(|step| step.kind == v1::TransitionKind::Annul);
                state::word_of_end(annulled.or(steps.last())?.kind)
            }
            Standing::Active
            | Standing::Provisional { .. }
            | Standing::NotAccepted(_)
            | Standing::Unapproved
            | Standing::TooEarly { .. }
            | Standing::Expired { .. }
            | Standing::Suspended { .. }
            | Standing::Lapsed { .. } => None,
        }
    }

    /// What the operator decided last, as it stood at an instant.
    pub fn decision_at(&self, at_s: i64) -> Option<&'a Decision> {
        let version = self.version_at(at_s)?;
        state::decision(version, &self.transitions(), at_s)
    }

    /// The span of a version, or of one of its targets; with the end of the proceeding that it
    /// depends on.
    pub(crate) fn bounds(&self, version: &Version, target: Option<&RequestTarget>) -> Bounds {
        let request = &version.request;
        let case_closed_s = self.proceedings.closed_at_s(request, self.size);
        let (from_s, until_s) = match target {
            Some(target) => target.bounds(request),
            None => (request.effective_from_s, request.ends_at_s()),
        };
        Bounds { from_s, until_s, case_closed_s, list_grace_s: 0 }
    }

    /// Since when a later version is the one to be judged: not always the next, which may apply later than the one
    /// after it.
    pub(crate) fn amended_at_s(&self, version: &Version) -> Option<i64> {
        let later = self.versions().filter(|v| v.request.version > version.request.version);
        later.map(|later| later.applies_from_s).min()
    }

    /// Where one target of one version stands at an instant; `None` while another version is the
    /// one to be judged.
    pub(crate) fn standing_of(
        &self,
        version: &'a Version,
        bounds: Bounds,
        known: &[&Transition],
        at_s: i64,
    ) -> Option<Standing> {
        let amended_at_s = self.amended_at_s(version).unwrap_or(i64::MAX);
        if at_s < version.applies_from_s || amended_at_s <= version.applies_from_s {
            return None;
        }
        if self.awaits_approval() {
            return Some(Standing::Unapproved);
        }
        let request = &version.request;
        let standing_at =
            |at_s| state::standing_at(request, bounds, self.entered_at_s(), known, at_s);
        if at_s < amended_at_s {
            return Some(standing_at(at_s));
        }
        // What an amendment took away may be removed within the grace (DOMAIN.md 3f), whatever becomes of the request
        // meanwhile; where the time to remove ran already, it goes on.
        let grace = match standing_at(amended_at_s.saturating_sub(1)) {
            standing if standing.is_in_force() => {
                (amended_at_s, request.removal_until_s(amended_at_s))
            }
            Standing::RemovalGrace { ended_at_s, until_s } => (ended_at_s, until_s),
            _ => return None,
        };
        let (ended_at_s, until_s) = grace;
        (at_s < until_s && !request.is_own_measure())
            .then_some(Standing::RemovalGrace { ended_at_s, until_s })
    }

    /// Tells every instant at which a standing of this version may change, in no order.
    pub(crate) fn turning_points(
        &self,
        version: &Version,
        bounds: Bounds,
        known: &[&Transition],
        tell: &mut impl FnMut(i64),
    ) {
        let request = &version.request;
        state::turning_points(request, bounds, self.entered_at_s(), known, tell);
        for amended in self.versions() {
            tell(amended.applies_from_s);
            tell(request.removal_until_s(amended.applies_from_s));
        }
    }

    /// When the register first heard of the request.
    pub(crate) fn entered_at_s(&self) -> i64 {
        self.versions().next().map_or(i64::MIN, |v| v.recorded_at_s)
    }
}

impl RequestTarget {
    /// The target's own span within the request's. An address that was resolved from a name holds for
    /// as long as the answer said; without the answer or its time to live it never holds.
    pub(crate) fn bounds(&self, request: &Request) -> (i64, Option<i64>) {
        let mut from_s = request.effective_from_s.max(self.added_at_s().unwrap_or(i64::MIN));
        let ends = [request.ends_at_s(), self.removed_at_s(), self.resolution_until_s()];
        if let Some(derived) = self.derived() {
            from_s = from_s.max(derived.resolved_at_s);
        }
        (from_s, ends.into_iter().flatten().min())
    }

    /// Its own span meets this one, both ends included.
    pub(crate) fn is_live(&self, first_s: i64, last_s: i64) -> bool {
        self.added_at_s().is_none_or(|added_s| added_s <= last_s)
            && self.removed_at_s().is_none_or(|removed_s| first_s < removed_s)
    }

    fn resolution_until_s(&self) -> Option<i64> {
        let derived = self.derived()?;
        let ttl_s = if derived.evidence.is_empty() { 0 } else { derived.ttl_s };
        Some(derived.resolved_at_s.saturating_add(i64::from(ttl_s)))
    }
}
