//! What is wrong with entries of the register themselves (DOMAIN.md 3c), whatever rules stand.
//!
//! In: a view of the register, an instant, and which targets probes found gone. Out: the defects of each
//! request. Nothing here says that a block is unlawful: a request without defects may be, and a
//! defective one covers what it covers.
//!
//! | code | it stands when | exempt |
//! |---|---|---|
//! | `MISSING_ELEMENT(x)` | the checklist of DSA Art. 9(2) says of element x that it is absent | own measures, private lists, requests refused or over |
//! | `ISSUER_NOT_COMPETENT` | a competence check came to "not competent" | own measures, requests refused or over |
//! | `MISSING_ELEMENT(relation:id)` | its relations name a request that the register does not hold | requests refused or over; where something of the register cannot be read |
//! | `UNNUMBERED` | neither the authority's number nor a docket nor an ECLI is held | own measures, requests refused or over, provisional ones before `confirm_by`, a reference that is closed and not seen here |
//! | `CONFIRMATION_OVERDUE` | provisional, and not confirmed by `confirm_by` | |
//! | `REVIEW_OVERDUE` | the date of review has passed | requests refused or over |
//! | `OPEN_ENDED` | no end by time, duration, event, recurrence or proceeding | own measures, requests refused or over |
//! | `STALE_TARGET` | probes found a target gone, parked or seized: see [`Gone`] | requests refused or over; a target that nobody probed is not known to be stale |
//! | `PARENT_CASE_CLOSED` | a proceeding that it depends on has ended | texts that say that they hold on |
//! | `CONFLICT(other)` | a target of it that is to be blocked is not disjoint from an exception of another, both in force, in places that may be the same | the request's own exceptions |
//! | `CONFLICT(other)`, of no target | its relations say that it supersedes, suspends, revokes or annuls another, both in force | |
//! | `DUPLICATE(other)` | an earlier entry of the same authority, also in force or to be, names one of its targets, under the same number or with the same targets | requests that name each other in their relations, or close what is compared, whoever sees it |
//! | `BLANKET_REQUEST` | in force, open-ended, wide ([`faces::is_wide`]) and proved by no more than the operator's word or an oral order | own measures |
//! | `EFFECT_NOT_REPORTED` | the report of what was done was due and is not sent | |
//! | `SECRECY_EXPIRED` | restricted or secret, and the clause or the time of a closed part has run out | |
//! | `TARGET_OVERBROAD_ON_FACE(by)` | targets that stand for many parties on their face ([`faces::overbroad_by`]) | requests refused or over; targets that the operator did not take on |
//!
//! *Over* is what has ended in any way; what is suspended or not yet decided on is not over. Nothing is
//! said of a file that was closed. The newest text is judged: an amendment is the remedy.
//!
//! One defect is one cause: all targets of a request that are overbroad for one reason are one, with their
//! number. Each [`Found`] says until when it holds if the register stays as it is, so that [`Watch`] looks
//! again at those alone that a change or a clock can reach.

pub mod faces;
mod gone;
mod others;
mod papers;
mod watch;

use std::collections::BTreeMap;

use evidence::RequestId;
use remit_proto::v1::EntryCode;

use crate::{
    entry::Entry,
    list::Listed,
    register::View,
    request::{Request, RequestTarget},
    severity,
    state::Standing,
    target::Target,
};

pub use gone::{GONE_FOR_S, Gone, gone};
pub use watch::Watch;

/// One thing that is wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    pub code: EntryCode,
    /// The element, the relation that leads nowhere, the other request, by what a target is overbroad, or
    /// what became of it; else empty.
    pub detail: String,
    pub since_s: i64,
    /// The first target that it is about.
    pub target: Option<Target>,
    /// How many it is about.
    pub target_count: u64,
}

impl Defect {
    fn of(code: EntryCode, since_s: i64) -> Self {
        Self { code, detail: String::new(), since_s, target: None, target_count: 0 }
    }
}

/// What was found of one request at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub defects: Vec<Defect>,
    /// It is blocked by, now: only then is there an interference to be graded.
    pub in_force: bool,
    /// Of its targets, one that takes away most.
    pub widest: Option<Target>,
    /// The next instant at which something else may be found; `None`: none, as the register stands.
    pub holds_until_s: Option<i64>,
}

/// What lists bring to requests at an instant.
pub(crate) type ByList<'a> = BTreeMap<&'a RequestId, Vec<Listed<'a>>>;

/// Of every request, in their order; those without a defect are left out.
pub fn defects(view: &View<'_>, at_s: i64, gone: &Gone) -> BTreeMap<RequestId, Found> {
    let by_list = view.listed_at(at_s);
    let found = view.requests().map(|entry| {
        let found = of_request(view, &entry, at_s, gone, &by_list);
        (entry.id().clone(), found)
    });
    found.filter(|(_, found)| !found.defects.is_empty()).collect()
}

/// Of one request; `None`: the register does not hold it.
pub fn of(view: &View<'_>, id: &RequestId, at_s: i64, gone: &Gone) -> Option<Found> {
    let entry = view.request(id)?;
    Some(of_request(view, &entry, at_s, gone, &view.listed_at(at_s)))
}

pub(crate) fn of_request(
    view: &View<'_>,
    entry: &Entry<'_>,
    at_s: i64,
    gone: &Gone,
    by_list: &ByList<'_>,
) -> Found {
    let case = Case::new(entry, at_s, by_list);
    let mut found = Found {
        defects: Vec::new(),
        in_force: case.standing.is_some_and(Standing::is_in_force),
        widest: None,
        holds_until_s: case.next_s(),
    };
    if entry.is_closed_at(at_s) {
        return found;
    }
    papers::check(&case, &mut found.defects);
    if case.is_alive() {
        faces::check(&case, &mut found.defects);
        gone::check(&case, gone, &mut found.defects);
        others::check(view, &case, &mut found);
    }
    if !found.defects.is_empty() {
        found.widest = case.targets().map(|held| &held.target).max_by_key(severity::reach).cloned();
    }
    found
}

/// One request, as all rules look at it.
struct Case<'a> {
    entry: &'a Entry<'a>,
    request: &'a Request,
    at_s: i64,
    standing: Option<Standing>,
    by_list: &'a [Listed<'a>],
}

impl<'a> Case<'a> {
    fn new(entry: &'a Entry<'a>, at_s: i64, by_list: &'a ByList<'a>) -> Self {
        Self {
            entry,
            request: entry.request(),
            at_s,
            standing: entry.standing_at(at_s),
            by_list: by_list.get(entry.id()).map_or(&[], Vec::as_slice),
        }
    }

    fn id(&self) -> &'a RequestId {
        self.entry.id()
    }

    /// Not over, and not refused.
    fn is_alive(&self) -> bool {
        match self.standing {
            Some(Standing::NotAccepted(status)) => {
                status != remit_proto::v1::RequestStatus::Refused
            }
            Some(
                Standing::Active
                | Standing::Provisional { .. }
                | Standing::Unapproved
                | Standing::TooEarly { .. }
                | Standing::Suspended { .. },
            )
            | None => true,
            // Between two windows a request has not ended, nor has it while it is stayed.
            Some(Standing::Expired { .. } | Standing::RemovalGrace { .. }) => {
                let goes_on = self.request.windows.iter().any(|window| self.at_s < window.from_s);
                (goes_on || self.entry.is_stayed_at(self.at_s))
                    && self.entry.over_at(self.at_s).is_none()
            }
            Some(
                Standing::Revoked { .. }
                | Standing::Dropped { .. }
                | Standing::Lapsed { .. }
                | Standing::Moot { .. }
                | Standing::Annulled { .. },
            ) => false,
        }
    }

    fn is_own_measure(&self) -> bool {
        self.request.is_own_measure()
    }

    /// In its text and by lists, as they hold at the instant or will; what is to stay open is none of them,
    /// nor what the operator did not take on, nor what was resolved from a name.
    fn targets(&self) -> impl Iterator<Item = &'a RequestTarget> + use<'a> {
        let at_s = self.at_s;
        let not_taken_on = self.entry.decision_at(at_s);
        let by_list = self.by_list.iter().map(Listed::target);
        self.request
            .targets
            .iter()
            .chain(by_list)
            .filter(|held| !held.exception && held.derived().is_none())
            .filter(move |held| held.removed_at_s().is_none_or(|removed| at_s < removed))
            .filter(move |held| {
                !not_taken_on.is_some_and(|decision| decision.leaves_out(&held.target))
            })
    }

    /// Neither time, duration, event nor proceeding ends it, nor that nobody confirms it.
    fn is_open_ended(&self) -> bool {
        let Request { windows, particulars, .. } = self.request;
        !matches!(self.standing, Some(Standing::Provisional { .. }))
            && self.request.ends_at_s().is_none()
            && windows.is_empty()
            && particulars.until_event.is_empty()
            && self.request.proceedings().next().is_none()
    }

    /// The next instant at which its own times change something.
    fn next_s(&self) -> Option<i64> {
        let request = self.request;
        let bounds = self.entry.bounds(self.entry.newest(), None);
        let known = self.entry.transitions();
        let mut points = Vec::new();
        let newest = self.entry.newest();
        self.entry.turning_points(newest, bounds, &known, &mut |turn_s| points.push(turn_s));
        let file = &request.particulars;
        points.extend(file.review_due_s);
        points.extend(file.report_effect_to.as_ref().map(|report| report.due_s));
        points.extend(file.report_effect_to.as_ref().map(|report| report.sent_at_s));
        points.extend(self.entry.newest().secrecy_ends());
        points.extend(bounds.case_closed_s);
        for held in request.targets.iter().chain(self.by_list.iter().map(Listed::target)) {
            points.extend(held.added_at_s());
            points.extend(held.removed_at_s());
        }
        points.into_iter().filter(|point| self.at_s < *point).min()
    }
}
