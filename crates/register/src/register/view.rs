//! What the register said at one size.

use std::hint::black_box;

use evidence::{Claim, RequestId};
use smallvec::SmallVec;

use super::{LateRegister, Posting, Register, place};
use crate::{
    adoption::Adoption,
    entry::{Entry, History, Version},
    index::{Extent, Found, Search, TargetNumber, Trails},
    judge::CONSIDERED_MAX,
    list::{Listed, Lists},
    request::{ListVersion, RequestTarget},
    state::{self, Bounds},
    target::{Relation, Target, relation},
};

/// A claimed request is looked through one target after the other, if it has no more than these; of a
/// larger one the index is asked.
const LOOKED_THROUGH_MAX: usize = 512;

/// What the register said at one size.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub(super) register: &'a Register,
    pub(super) size: u64,
    /// What the index held at this size.
    pub(super) extent: Extent,
}

/// A target of a request that is not disjoint from the one asked for.
#[derive(Debug, Clone, Copy)]
pub struct Touch<'a> {
    pub entry: Entry<'a>,
    pub version: &'a Version,
    pub target: &'a RequestTarget,
    /// Seen from the target that was asked for.
    pub relation: Relation,
    /// It stands in a list that the request covers, and not in its text.
    pub listed: Option<Listed<'a>>,
}

/// Mostly one.
pub(crate) type Touches<'a> = SmallVec<[Touch<'a>; 1]>;

impl Touch<'_> {
    /// From when to when the target is to be blocked by this text: by its own times, and until a newer one
    /// takes its place; `None`: without end.
    pub fn span_s(&self) -> (i64, Option<i64>) {
        let Bounds { from_s, until_s, .. } = self.bounds();
        let ends = [until_s, self.entry.amended_at_s(self.version)];
        (from_s, ends.into_iter().flatten().min())
    }

    /// The text that holds then is this one, and in force with this target.
    pub(crate) fn is_in_force_at(&self, at_s: i64) -> bool {
        let known = self.entry.transitions();
        let standing = self.entry.standing_of(self.version, self.bounds(), &known, at_s);
        standing.is_some_and(state::Standing::is_in_force)
    }

    /// From when to when the target is to be blocked. What a list no longer holds may stand for the
    /// list's grace, if the request itself grants less.
    pub(crate) fn bounds(&self) -> Bounds {
        let bounds = self.entry.bounds(self.version, Some(self.target));
        match self.listed {
            Some(listed) if bounds.until_s == self.target.removed_at_s() => {
                Bounds { list_grace_s: listed.list().grace_s(), ..bounds }
            }
            Some(_) | None => bounds,
        }
    }
}

impl<'a> View<'a> {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// For so long after an act at this time a reference that the register does not hold may come late: the newest
    /// that was said before it speaks.
    pub(crate) fn late_register_grace_s(&self, acted_at_s: i64) -> u32 {
        let mut said = self.late_registers();
        said.rfind(|late| late.since_s <= acted_at_s).map_or(0, |late| late.grace_s)
    }

    /// The longest of these times.
    pub(crate) fn late_register_max_s(&self) -> u32 {
        self.late_registers().map(|late| late.grace_s).max().unwrap_or(0)
    }

    fn late_registers(&self) -> impl DoubleEndedIterator<Item = &'a LateRegister> {
        let size = self.size;
        self.register.late_register.iter().filter(move |late| late.statement < size)
    }

    pub fn request(&self, id: &RequestId) -> Option<Entry<'a>> {
        let Register { by_id, histories, .. } = self.register;
        self.entry(by_id.get(histories, id)?)
    }

    /// All requests, by id.
    pub fn requests(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let view = *self;
        self.register.by_id.positions().filter_map(move |position| view.entry(position))
    }

    pub fn in_force_at(&self, at_s: i64) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.requests()
            .filter(move |e| e.standing_at(at_s).is_some_and(state::Standing::is_in_force))
    }

    /// Asks for most of what verdicts on these targets and claims will need, one step further on all ways of all
    /// of them at once: two million targets are in no cache, and waiting for many lines of memory takes hardly
    /// longer than waiting for one. What it reads is used for nothing else, so a verdict is the same without it.
    pub fn load<'q>(&self, asked: impl Iterator<Item = (&'q Target, &'q [Claim])>) {
        let Register { by_id, histories, index, stands, .. } = self.register;
        let (count, _) = asked.size_hint();
        let (mut trails, mut ids) = (Trails::of(count), Vec::with_capacity(count));
        for (target, claims) in asked {
            index.add_trails(target, &mut trails);
            ids.extend(claims.iter().filter_map(|claim| match claim {
                Claim::Request(id) => Some(id),
                Claim::List { .. } | Claim::Class(_) => None,
            }));
        }
        let claimed = by_id.likely(ids.into_iter());
        let numbers = index.load(&trails);
        let stands = numbers.iter().filter_map(|number| stands.get(place(*number)));
        black_box(stands.fold(0, |read, stand| read ^ stand.0));
        let claimed: Vec<&History> =
            claimed.into_iter().filter_map(|at| histories.get(at)).collect();
        let found =
            numbers.into_iter().filter_map(|number| match self.register.posting(number)? {
                Posting::Own { history } => Some((number, histories.get(history)?)),
                Posting::Listed { .. } => None,
            });
        let found: Vec<(TargetNumber, &History)> = found.collect();
        claimed.iter().for_each(|history| history.load());
        found.iter().for_each(|(_, history)| history.load());
        let texts: Vec<(TargetNumber, &Version)> = found
            .into_iter()
            .filter_map(|(number, history)| Some((number, history.version_of(number)?)))
            .collect();
        let claimed = claimed.iter().filter_map(|history| history.versions.first());
        claimed.for_each(|version| version.request.load());
        texts.iter().for_each(|(_, version)| version.request.load());
        let held = texts.into_iter().filter_map(|(number, version)| version.target(number));
        held.for_each(RequestTarget::load);
    }

    /// Every target of every version that equals, holds, lies in or overlaps this one, exceptions
    /// included, in the order of the register.
    pub fn touching(&self, target: &Target) -> Vec<Touch<'a>> {
        let mut search = self.search(0..TargetNumber::MAX, usize::MAX);
        search.touching(target);
        self.touches(search.into_found().0, target).into_vec()
    }

    /// Of these, those that hold the target or equal it, and perhaps others.
    fn holding(&self, target: &Target) -> Touches<'a> {
        let mut search = self.search(0..TargetNumber::MAX, usize::MAX);
        search.holding(target);
        self.touches(search.into_found().0, target)
    }

    /// As [`touching`](Self::touching), but at most `max` of all requests, those first that hold the
    /// target, and at most `max` of each of these. True: there may be more.
    pub(crate) fn touching_some(
        &self,
        target: &Target,
        of: &[&RequestId],
        max: usize,
    ) -> (Touches<'a>, bool) {
        let mut search = self.search(0..TargetNumber::MAX, max);
        search.touching(target);
        let (mut numbers, mut is_cut) = search.into_found();
        if is_cut {
            // What is claimed must not be lost among what is not.
            for entry in of.iter().filter_map(|id| self.request(id)) {
                is_cut |= self.numbers_of(&entry, target, max, &mut numbers);
            }
            numbers.sort_unstable();
            numbers.dedup();
        }
        (self.touches(numbers, target), is_cut)
    }

    /// The targets in a version's own text that equal a target or hold it.
    pub(crate) fn held_in(
        &self,
        version: &'a Version,
        target: &Target,
    ) -> impl Iterator<Item = &'a RequestTarget> {
        let numbers = version.numbers();
        let mut search = self.search(numbers.clone(), usize::MAX);
        search.holding(target);
        let (found, _) = search.into_found();
        let held = found.into_iter().filter_map(move |number| {
            let at = number.checked_sub(numbers.start)?;
            version.request.targets.get(usize::try_from(at).ok()?)
        });
        held.filter(|held| {
            matches!(relation(target, &held.target), Relation::Equal | Relation::Inside)
        })
    }

    fn numbers_of(
        &self,
        entry: &Entry<'a>,
        target: &Target,
        max: usize,
        numbers: &mut Found,
    ) -> bool {
        let mut is_cut = false;
        for version in entry.versions() {
            if version.request.targets.len() <= LOOKED_THROUGH_MAX {
                let touching = version
                    .numbers()
                    .zip(&version.request.targets)
                    .filter(|(_, held)| relation(target, &held.target) != Relation::Disjoint);
                numbers.extend(touching.map(|(number, _)| number));
            } else {
                let mut search = self.search(version.numbers(), max);
                search.touching(target);
                let (found, more) = search.into_found();
                numbers.extend(found);
                is_cut |= more;
            }
        }
        is_cut
    }

    fn search(&self, within: std::ops::Range<TargetNumber>, max: usize) -> Search<'a> {
        self.register.index.search(self.extent, within, max)
    }

    fn touches(&self, numbers: Found, target: &Target) -> Touches<'a> {
        let mut touches = Touches::with_capacity(numbers.len());
        for number in numbers {
            match self.register.posting(number) {
                Some(Posting::Own { history }) => {
                    touches.extend(self.own_touch(history, number, target));
                }
                Some(Posting::Listed { list, member }) => {
                    touches.extend(self.listed_touches(list, member, target).into_iter().flatten());
                }
                None => {}
            }
        }
        touches
    }

    fn own_touch(
        &self,
        history: usize,
        number: TargetNumber,
        target: &Target,
    ) -> Option<Touch<'a>> {
        let history = self.register.histories.get(history)?;
        // Of a wide target many are looked at, of which none was asked for before.
        history.load();
        let version = history.version_of(number)?;
        version.request.load();
        let held = version.target(number)?;
        let relation = relation(target, &held.target);
        let proceedings = &self.register.proceedings;
        let entry = Entry::known(history, proceedings, self.size)
            .filter(|entry| relation != Relation::Disjoint && entry.shows(version))?;
        Some(Touch { entry, version, target: held, relation, listed: None })
    }

    /// An entry of a list stands under every text of its request; each is judged for its own time.
    fn listed_touches(
        &self,
        list: usize,
        member: usize,
        target: &Target,
    ) -> Option<Vec<Touch<'a>>> {
        let listed = self.register.lists.listed(list, member, self.size)?;
        let held = listed.target();
        let relation = relation(target, &held.target);
        if relation == Relation::Disjoint {
            return None;
        }
        let entry = self.entry(listed.history())?;
        let touch =
            |version| Touch { entry, version, target: held, relation, listed: Some(listed) };
        let covers = |version: &&Version| version.request.covers_lists.contains(listed.list().id());
        Some(entry.versions().filter(covers).map(touch).collect())
    }

    /// Whether any text may hold an exception.
    pub(crate) fn keeps_open(&self) -> bool {
        self.register.first_exception.is_some_and(|statement| statement < self.size)
    }

    /// The request says, at an instant, that this target is not to be blocked, in its text or in a list.
    pub fn must_stay_open(&self, id: &RequestId, target: &Target, at_s: i64) -> bool {
        if !self.keeps_open() {
            return false;
        }
        let Some(version) = self.request(id).and_then(|entry| entry.version_at(at_s)) else {
            return false;
        };
        let is_open = |held: &RequestTarget| held.exception && held.is_live(at_s, at_s);
        if self.held_in(version, target).any(is_open) {
            return true;
        }
        if version.request.covers_lists.is_empty() {
            return false;
        }
        let (touches, _) = self.touching_some(target, &[id], CONSIDERED_MAX);
        touches.iter().any(|touch| {
            touch.listed.is_some()
                && touch.entry.id() == id
                && matches!(touch.relation, Relation::Equal | Relation::Inside)
                && is_open(touch.target)
        })
    }

    /// Targets of a request that others in force name or cover, at most so many: what it lets go stays
    /// blocked as long as one of them holds.
    pub fn held_by(&self, entry: &Entry<'_>, at_s: i64, max: usize) -> Vec<(Target, RequestId)> {
        let mut held = Vec::new();
        for own in entry.request().targets.iter().filter(|t| !t.exception) {
            let mut others: Vec<&RequestId> = Vec::new();
            for touch in self.holding(&own.target) {
                let covers = matches!(touch.relation, Relation::Equal | Relation::Inside);
                let other = touch.entry.id();
                if covers
                    && !touch.target.exception
                    && other != entry.id()
                    && !others.contains(&other)
                    && touch.is_in_force_at(at_s)
                {
                    others.push(other);
                    held.push((own.target.clone(), other.clone()));
                    if held.len() >= max {
                        return held;
                    }
                }
            }
        }
        held
    }

    /// The members of a list version.
    pub fn list(&self, list: &ListVersion) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let view = *self;
        let list = list.clone();
        let members = self.register.by_list.get(&list);
        members.into_iter().flatten().filter_map(move |position| {
            let entry = view.entry(*position)?;
            entry.versions().any(|v| v.request.lists.contains(&list)).then_some(entry)
        })
    }

    /// Statements whose requests are not visible because their items are withheld or erased.
    pub fn withheld_count(&self) -> usize {
        self.register.withheld.iter().filter(|index| **index < self.size).count()
    }

    /// Of the statements that are not visible, those whose existence is restricted or secret.
    pub fn secret_count(&self) -> usize {
        self.register.secret.iter().filter(|index| **index < self.size).count()
    }

    /// Requests of which a part is committed, opened or not, or whose existence is not public.
    pub fn partly_closed(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let view = *self;
        self.register.closed.iter().filter_map(move |position| view.entry(*position))
    }

    /// Statements of a newer format than this program knows.
    pub fn not_understood_count(&self) -> usize {
        self.register.not_understood.iter().filter(|index| **index < self.size).count()
    }

    pub(crate) fn register_lists(&self) -> &'a Lists {
        &self.register.lists
    }

    pub(crate) fn adoption(&self) -> &'a Adoption {
        &self.register.adoption
    }

    pub(crate) fn entry(&self, position: usize) -> Option<Entry<'a>> {
        let register = self.register;
        Entry::known(register.histories.get(position)?, &register.proceedings, self.size)
    }
}
