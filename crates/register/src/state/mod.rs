//! Where a request stood at an instant, by the transitions known at a size of the register.
//!
//! Bitemporal: each transition has the instant from which it counts (`effective_at_s`) and the
//! statement that recorded it. A view that is too small does not know the statement; an instant
//! that is too early is not touched by it. Nothing is overwritten.
//!
//! [`lifecycle`] says which transitions lead where. The end by time, the lapse of a provisional request and that of one
//! whose proceeding has ended are not transitions: they follow from the request's own times and from the proceeding.

mod lifecycle;

use std::collections::BTreeSet;

use evidence::RequestId;
use remit_proto::v1::{RequestStatus, TransitionKind};
use smallvec::SmallVec;

pub use self::lifecycle::NoSuchStep;
use self::lifecycle::{Phase, Place, has_run_out};
pub(crate) use self::lifecycle::{check_path, word_of_end};
use crate::{
    entry::{Second, Version},
    request::{Decision, Request},
    words,
};

/// A statement of the register that changes where a request stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub kind: TransitionKind,
    pub effective_at_s: i64,
    pub recorded_at_s: i64,
    /// Index of the statement in the register.
    pub statement: u64,
    /// For SUPERSEDE.
    pub by: Option<RequestId>,
    /// Of the operator.
    pub decision: Option<Decision>,
    pub reason: String,
    /// Of a late CONFIRM: the text covers the time since the oral request.
    pub back_covers: bool,
    /// Of one that needs a second person: how it was stated. `statement` and `recorded_at_s` are those of the
    /// approval then, since which it counts.
    pub proposed: Option<Box<Proposed>>,
    /// Its words are committed, and may be erased; `None`: they stand in the clear.
    pub committed: Option<Committed>,
}

/// The words of a transition, where they are committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// What opens them.
    pub chunks: Vec<Vec<u8>>,
    /// They are held.
    pub is_open: bool,
    /// What opens them was removed, with an `Erasure` entry.
    pub is_erased: bool,
}

/// A transition as it was stated, for a second person to approve.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// Index of the statement in the register.
    pub statement: u64,
    pub recorded_at_s: i64,
    pub second: Second,
}

impl Proposed {
    /// Nobody had approved it at a size of the register that holds it.
    fn waits_at(&self, size: u64) -> bool {
        let approved = self.second.approved.as_ref();
        self.statement < size && approved.is_none_or(|approved| approved.statement >= size)
    }
}

/// Where a request stands at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// In force.
    Active,
    /// In force until `confirm_by_s`, on the word of an oral or emergency request.
    Provisional {
        confirm_by_s: i64,
    },
    /// The end has passed and the time to remove has not.
    RemovalGrace {
        ended_at_s: i64,
        until_s: i64,
    },
    NotAccepted(RequestStatus),
    /// Withdrawn or revoked before anybody accepted it: it never was a basis, so nothing ended and no time to
    /// remove runs.
    Dropped {
        at_s: i64,
        how: TransitionKind,
    },
    /// No second person has approved its entry.
    Unapproved,
    TooEarly {
        from_s: i64,
    },
    Expired {
        at_s: i64,
    },
    /// Revoked, withdrawn or superseded.
    Revoked {
        at_s: i64,
        how: TransitionKind,
    },
    Suspended {
        since_s: i64,
    },
    Lapsed {
        at_s: i64,
    },
    /// Its target or its parent case is gone.
    Moot {
        at_s: i64,
        case_closed: bool,
    },
    /// It would have been in force; by an annulment known in this view it never was.
    Annulled {
        at_s: i64,
    },
}

impl Standing {
    /// In force: active, or provisional before `confirm_by`.
    pub fn is_in_force(self) -> bool {
        match self {
            Self::Active | Self::Provisional { .. } => true,
            Self::RemovalGrace { .. }
            | Self::NotAccepted(_)
            | Self::Dropped { .. }
            | Self::Unapproved
            | Self::TooEarly { .. }
            | Self::Expired { .. }
            | Self::Revoked { .. }
            | Self::Suspended { .. }
            | Self::Lapsed { .. }
            | Self::Moot { .. }
            | Self::Annulled { .. } => false,
        }
    }
}

impl Standing {
    /// Its word in lists of requests (DOMAIN.md section 1, "Lifecycle").
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Provisional { .. } => "provisional",
            Self::RemovalGrace { .. } => "in_removal_grace",
            Self::NotAccepted(status) => words::status(status),
            Self::Unapproved => "awaits_approval",
            Self::TooEarly { .. } => "scheduled",
            Self::Expired { .. } => "expired",
            Self::Revoked { how: TransitionKind::Withdraw, .. }
            | Self::Dropped { how: TransitionKind::Withdraw, .. } => "withdrawn",
            Self::Revoked { how: TransitionKind::Supersede, .. } => "superseded",
            Self::Revoked { how: TransitionKind::Annul, .. } => "annulled_ab_initio",
            Self::Revoked { .. } | Self::Dropped { .. } => "revoked",
            Self::Suspended { .. } => "suspended",
            Self::Lapsed { .. } => "lapsed",
            Self::Moot { .. } => "moot",
            Self::Annulled { .. } => "annulled_ab_initio",
        }
    }
}

impl Transition {
    /// It has no effect in a register of this size, which knows of it.
    pub(crate) fn waits_at(&self, size: u64) -> bool {
        self.proposed.as_ref().is_some_and(|proposed| proposed.waits_at(size))
    }

    /// Since when the register has it and it is in effect.
    pub(crate) fn known_s(&self) -> i64 {
        self.effective_at_s.max(self.recorded_at_s)
    }

    /// Index of the statement that stated it, whoever approved it since.
    pub fn stated_by(&self) -> u64 {
        self.proposed.as_ref().map_or(self.statement, |proposed| proposed.statement)
    }

    /// Takes out its words if they are erased, and says whether that was anything.
    pub(crate) fn forget(&mut self, erased: &BTreeSet<Vec<u8>>) -> bool {
        let Some(committed) = self.committed.as_mut().filter(|committed| !committed.is_erased)
        else {
            return false;
        };
        if !committed.chunks.iter().any(|id| erased.contains(id)) {
            return false;
        }
        (committed.is_open, committed.is_erased) = (false, true);
        self.reason.clear();
        if let Some(decision) = &mut self.decision {
            decision.text.clear();
            decision.escalation.clear();
        }
        true
    }
}

/// Transitions in the order in which they take effect; ties by the order in the register.
pub(crate) fn in_order_of_effect(transitions: &mut [Transition]) {
    transitions.sort_by_key(|t| (t.effective_at_s, t.statement));
}

/// The transition that closed the file, if the view knows one.
pub(crate) fn closed(known: &[&Transition], at_s: i64) -> bool {
    known.iter().any(|t| t.kind == TransitionKind::Close && t.effective_at_s <= at_s)
}

/// What the operator decided last on a text, by the transitions that are in effect. A text that came with a decision of
/// its own is not under those that were stated before it.
pub(crate) fn decision<'a>(
    version: &'a Version,
    known: &[&'a Transition],
    at_s: i64,
) -> Option<&'a Decision> {
    let own = version.request.decision.as_deref();
    let decided = known.iter().filter(|t| t.effective_at_s <= at_s);
    let decided = decided.filter(|t| own.is_none() || version.statement < t.statement);
    decided.filter_map(|t| t.decision.as_ref()).next_back().or(own)
}

/// `known` are the transitions that the view knows, in order of effect; `entered_at_s` is when the
/// request was recorded; `bounds` are the times of the request, narrowed to one target's.
pub(crate) fn standing_at(
    request: &Request,
    bounds: Bounds,
    entered_at_s: i64,
    known: &[&Transition],
    at_s: i64,
) -> Standing {
    let mut bounds = bounds;
    let provisional = request.status == RequestStatus::Provisional;
    if provisional {
        // A confirmation reaches back only to the recorded time of the oral request, and so does
        // the oral request itself (DOMAIN.md 3f "Oral then written").
        bounds.from_s = bounds.from_s.max(request.received_at_s.unwrap_or(entered_at_s));
    }
    let by_steps = |steps: &[&Transition], at_s| {
        let (phase, confirmed) =
            (Phase::at(request, steps, at_s), confirmed_in_time(request, steps));
        by_time(request, bounds, phase, confirmed, at_s)
    };
    let Some(annul) = known.iter().find(|t| t.kind == TransitionKind::Annul) else {
        return by_steps(known, at_s);
    };
    // Whatever it was dated, until then the register had the request in force.
    let known_s = annul.known_s();
    let annulled_s = annul.effective_at_s;
    // What is stated of it afterwards, or for a time after it, changes nothing: no time to remove begins anew.
    let counts =
        |step: &&Transition| step.statement < annul.statement && step.effective_at_s <= known_s;
    let before: SmallVec<[&Transition; 8]> = known.iter().copied().filter(counts).collect();
    let plain = by_steps(&before, at_s);
    if at_s < known_s {
        return if plain.is_in_force() { Standing::Annulled { at_s: annulled_s } } else { plain };
    }
    // Since then everybody knew: what goes on is no longer excused by it.
    let revoked = Standing::Revoked { at_s: annulled_s, how: TransitionKind::Annul };
    if by_steps(&before, known_s).is_in_force() {
        return ended(request, known_s, revoked, at_s);
    }
    // And what would begin or end later does neither: no time to remove follows what never was.
    match plain {
        Standing::RemovalGrace { ended_at_s: end_s, .. }
        | Standing::Expired { at_s: end_s }
        | Standing::Lapsed { at_s: end_s }
        | Standing::Moot { at_s: end_s, .. }
            if known_s < end_s =>
        {
            revoked
        }
        // Of two words the one that says that it never was.
        Standing::Revoked { .. } => revoked,
        plain if plain.is_in_force() => revoked,
        plain => plain,
    }
}

/// Since when a request is stayed, or was when it ended: the time to remove it runs from then on.
pub(crate) fn stay_since_s(request: &Request, known: &[&Transition], at_s: i64) -> Option<i64> {
    Phase::at(request, known, at_s).stay_since_s
}

/// Whether it stands still then, and has not run out.
pub(crate) fn is_stayed(
    request: &Request,
    case_closed_s: Option<i64>,
    known: &[&Transition],
    at_s: i64,
) -> bool {
    let phase = Phase::at(request, known, at_s);
    matches!(phase.place, Place::Suspended | Place::SuspendedProvisional)
        && !has_run_out(request, case_closed_s, phase, at_s)
}

/// From when to when a request, or one of its targets, can be in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub from_s: i64,
    pub until_s: Option<i64>,
    /// When the proceeding ended with which it lapses.
    pub case_closed_s: Option<i64>,
    /// What a list no longer holds may stand so long after `until_s`, if the request grants less.
    pub list_grace_s: i64,
}

/// Tells every instant at which [`standing_at`] may change its answer, in no order. Every verdict asks for them: they
/// are told, and not given one after the other, which would take several times as long.
pub(crate) fn turning_points(
    request: &Request,
    bounds: Bounds,
    entered_at_s: i64,
    known: &[&Transition],
    tell: &mut impl FnMut(i64),
) {
    let Bounds { from_s, until_s, case_closed_s, list_grace_s } = bounds;
    // Each may also end a grace.
    let mut turns = |point_s: i64| {
        tell(point_s);
        tell(request.removal_until_s(point_s));
    };
    turns(from_s);
    turns(from_s.max(entered_at_s));
    let others = [request.received_at_s, until_s, case_closed_s, request.confirm_by_s];
    for point_s in others.into_iter().flatten() {
        turns(point_s);
    }
    for step in known {
        turns(step.effective_at_s);
        turns(step.known_s());
    }
    for window in &request.windows {
        turns(window.from_s);
        turns(window.until_s);
    }
    if let Some(until_s) = until_s {
        tell(until_s.saturating_add(list_grace_s));
    }
}

fn by_time(
    request: &Request,
    bounds: Bounds,
    phase: Phase,
    confirmed_in_time: bool,
    at_s: i64,
) -> Standing {
    if phase.place == Place::Dropped {
        return Standing::Dropped { at_s: phase.since_s, how: phase.how };
    }
    if let Some(status) = phase.not_accepted() {
        return Standing::NotAccepted(status);
    }
    if at_s < bounds.from_s {
        return Standing::TooEarly { from_s: bounds.from_s };
    }
    let passed = |end: Option<i64>| end.filter(|end| *end <= at_s);
    let unconfirmed = phase.unconfirmed && !confirmed_in_time;
    let lapse = passed(request.confirm_by_s.filter(|_| unconfirmed));
    let by_word = (phase.place == Place::Ended).then_some(phase.since_s);
    // The earliest end speaks; of several at once, the first of these.
    let ends = [
        passed(bounds.until_s).map(|at_s| (at_s, Standing::Expired { at_s })),
        lapse.map(|at_s| (at_s, Standing::Lapsed { at_s })),
        passed(bounds.case_closed_s).map(|at_s| (at_s, Standing::Moot { at_s, case_closed: true })),
        by_word.map(|at_s| (at_s, phase.ended_by_word())),
    ];
    if let Some((end_s, standing)) = ends.into_iter().flatten().min_by_key(|(end_s, _)| *end_s) {
        let list_grace_s = match standing {
            Standing::Expired { .. } => bounds.list_grace_s,
            _ => 0,
        };
        let counted_from_s = phase.stay_since_s.map_or(end_s, |since_s| since_s.min(end_s));
        return ended_within(request, list_grace_s, counted_from_s, standing, at_s);
    }
    if let Place::Suspended | Place::SuspendedProvisional = phase.place {
        let since_s = phase.since_s;
        return ended(request, since_s, Standing::Suspended { since_s }, at_s);
    }
    if let Some(outside) = outside_windows(request, at_s) {
        return outside;
    }
    if phase.place == Place::Provisional && !confirmed_in_time {
        let confirm_by_s = request.confirm_by_s.unwrap_or(i64::MAX);
        return Standing::Provisional { confirm_by_s };
    }
    Standing::Active
}

/// It has no windows, or one of them is open.
pub(crate) fn in_a_window(request: &Request, at_s: i64) -> bool {
    outside_windows(request, at_s).is_none()
}

/// Between its windows a request is not in force; after each there is the time to remove.
fn outside_windows(request: &Request, at_s: i64) -> Option<Standing> {
    let windows = &request.windows;
    let begun = windows.partition_point(|w| w.from_s <= at_s);
    let last = begun.checked_sub(1).and_then(|at| windows.get(at));
    match (last, windows.get(begun)) {
        (Some(open), _) if at_s < open.until_s => None,
        (Some(over), _) => {
            Some(ended(request, over.until_s, Standing::Expired { at_s: over.until_s }, at_s))
        }
        (None, Some(first)) => Some(Standing::TooEarly { from_s: first.from_s }),
        (None, None) => None,
    }
}

/// Time to remove follows every end and every stay, if the request grants one. Nobody grants it to
/// the operator for his own measures.
fn ended(request: &Request, end_s: i64, standing: Standing, at_s: i64) -> Standing {
    ended_within(request, 0, end_s, standing, at_s)
}

fn ended_within(
    request: &Request,
    list_grace_s: i64,
    end_s: i64,
    standing: Standing,
    at_s: i64,
) -> Standing {
    let until_s = request.removal_until_s(end_s).max(end_s.saturating_add(list_grace_s));
    if at_s < until_s && !request.is_own_measure() {
        Standing::RemovalGrace { ended_at_s: end_s, until_s }
    } else {
        standing
    }
}

/// Within `confirm_by`, or later by a text that says that it covers the time before.
fn confirmed_in_time(request: &Request, known: &[&Transition]) -> bool {
    known.iter().any(|t| {
        t.kind == TransitionKind::Confirm
            && (t.back_covers || request.confirm_by_s.is_some_and(|by| t.effective_at_s <= by))
    })
}
