//! Where a request stood at an instant, by the transitions known at a size of the register.
//!
//! Bitemporal: each transition has the instant from which it counts (`effective_at_s`) and the
//! statement that recorded it. A view that is too small does not know the statement; an instant
//! that is too early is not touched by it. Nothing is overwritten.
//!
//! Lifecycle of DOMAIN.md section 1. The end by time and the lapse of a provisional request are not
//! transitions: they follow from the request's own times.

use std::fmt;

use evidence::RequestId;
use remit_proto::v1::{RequestStatus, TransitionKind};

use crate::{request::Request, words};

/// A statement of the register that changes where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub kind: TransitionKind,
    pub effective_at_s: i64,
    pub recorded_at_s: i64,
    /// Index of the statement in the register.
    pub statement: u64,
    /// For SUPERSEDE.
    pub by: Option<RequestId>,
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
            | Self::TooEarly { .. }
            | Self::Expired { .. }
            | Self::Revoked { .. }
            | Self::Suspended { .. }
            | Self::Lapsed { .. }
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
            Self::TooEarly { .. } => "scheduled",
            Self::Expired { .. } => "expired",
            Self::Revoked { how: TransitionKind::Withdraw, .. } => "withdrawn",
            Self::Revoked { how: TransitionKind::Supersede, .. } => "superseded",
            Self::Revoked { how: TransitionKind::Annul, .. } => "annulled_ab_initio",
            Self::Revoked { .. } => "revoked",
            Self::Suspended { .. } => "suspended",
            Self::Lapsed { .. } => "lapsed",
            Self::Annulled { .. } => "annulled_ab_initio",
        }
    }
}

/// What transitions alone make of a request; its own times come on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open(RequestStatus),
    /// Withdrawn before anybody accepted it: it never was a basis, so it has no end and no grace.
    Dropped(RequestStatus),
    Active,
    Provisional,
    Suspended {
        since_s: i64,
        provisional: bool,
    },
    Ended {
        at_s: i64,
        how: TransitionKind,
    },
}

/// A transition does not lead anywhere from where the request stands then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchStep {
    /// The one that leads nowhere; with an earlier one put before it, it need not be the new one.
    pub kind: TransitionKind,
    stands: &'static str,
    can_follow: Vec<&'static str>,
}

impl fmt::Display for NoSuchStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, stands, can_follow } = self;
        let kind = words::transition(*kind);
        write!(f, "{kind} does not follow where it stands then ({stands})")?;
        if can_follow.is_empty() { Ok(()) } else { write!(f, "; there: {}", can_follow.join(", ")) }
    }
}

/// Transitions in the order in which they take effect; ties by the order in the register.
pub(crate) fn in_order_of_effect(transitions: &mut [Transition]) {
    transitions.sort_by_key(|t| (t.effective_at_s, t.statement));
}

/// Whether these transitions, in order of effect, are a way through the lifecycle.
/// Whatever has happened since, a court may say that a request never was; once.
pub(crate) fn check_path(first: RequestStatus, path: &[Transition]) -> Result<(), NoSuchStep> {
    let (annulments, rest): (Vec<_>, Vec<_>) =
        path.iter().partition(|t| t.kind == TransitionKind::Annul);
    if annulments.len() > 1 {
        let (kind, stands) = (TransitionKind::Annul, "annulled already");
        return Err(NoSuchStep { kind, stands, can_follow: Vec::new() });
    }
    let mut phase = Phase::entered(first);
    for transition in rest {
        phase = phase.step(transition).ok_or_else(|| phase.no_step(transition))?;
    }
    Ok(())
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
    let annulled = known.iter().find(|t| t.kind == TransitionKind::Annul);
    let mut phase = Phase::entered(request.status);
    for transition in known.iter().take_while(|t| t.effective_at_s <= at_s) {
        // An amendment may have entered the request anew in between; then an old step leads nowhere.
        if let Some(next) = phase.step(transition) {
            phase = next;
        }
    }
    let mut bounds = bounds;
    let provisional = request.status == RequestStatus::Provisional;
    if provisional {
        // A confirmation reaches back only to the recorded time of the oral request, and so does
        // the oral request itself (DOMAIN.md 3f "Oral then written").
        bounds.from_s = bounds.from_s.max(request.received_at_s.unwrap_or(entered_at_s));
    }
    let plain = by_time(request, bounds, phase, confirmed_in_time(request, known), at_s);
    match annulled {
        Some(annul) if plain.is_in_force() => {
            if at_s < annul.effective_at_s {
                Standing::Annulled { at_s: annul.effective_at_s }
            } else {
                // After the annulment everybody knew: what goes on is no longer excused by it.
                ended(
                    request,
                    annul.effective_at_s,
                    Standing::Revoked { at_s: annul.effective_at_s, how: TransitionKind::Annul },
                    at_s,
                )
            }
        }
        Some(_) | None => plain,
    }
}

/// From when to when a request, or one of its targets, can be in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub from_s: i64,
    pub until_s: Option<i64>,
    /// Time to remove after `until_s`; other ends leave what the request grants.
    pub grace_s: i64,
}

impl Bounds {
    pub(crate) fn of(request: &Request) -> Self {
        let (from_s, until_s) = (request.effective_from_s, request.effective_until_s);
        Self { from_s, until_s, grace_s: request.remove_within_s }
    }
}

/// Every instant at which [`standing_at`] may change its answer.
pub(crate) fn turning_points(
    request: &Request,
    bounds: Bounds,
    entered_at_s: i64,
    known: &[&Transition],
) -> Vec<i64> {
    let mut points = vec![bounds.from_s, bounds.from_s.max(entered_at_s)];
    points.extend(request.received_at_s);
    points.extend(bounds.until_s);
    points.extend(request.confirm_by_s);
    points.extend(known.iter().map(|t| t.effective_at_s));
    // Each may also end a grace.
    let with_grace: Vec<i64> =
        points.iter().map(|p| p.saturating_add(request.remove_within_s)).collect();
    points.extend(with_grace);
    points.extend(bounds.until_s.map(|until| until.saturating_add(bounds.grace_s)));
    points.sort_unstable();
    points.dedup();
    points
}

fn by_time(
    request: &Request,
    bounds: Bounds,
    phase: Phase,
    confirmed_in_time: bool,
    at_s: i64,
) -> Standing {
    if let Phase::Open(status) | Phase::Dropped(status) = phase {
        return Standing::NotAccepted(status);
    }
    if at_s < bounds.from_s {
        return Standing::TooEarly { from_s: bounds.from_s };
    }
    // The earliest end speaks.
    let expired = bounds.until_s.filter(|until| *until <= at_s);
    let revoked = match phase {
        Phase::Ended { at_s: ended, how } => Some((ended, how)),
        Phase::Open(_)
        | Phase::Dropped(_)
        | Phase::Active
        | Phase::Provisional
        | Phase::Suspended { .. } => None,
    };
    let lapsed = match phase {
        Phase::Provisional | Phase::Suspended { provisional: true, .. } if !confirmed_in_time => {
            request.confirm_by_s.filter(|by| *by <= at_s)
        }
        Phase::Open(_)
        | Phase::Dropped(_)
        | Phase::Active
        | Phase::Provisional
        | Phase::Suspended { .. }
        | Phase::Ended { .. } => None,
    };
    let first = |other: Option<i64>, at: i64| other.is_none_or(|o| at <= o);
    if let Some(until) = expired
        && first(revoked.map(|(at, _)| at), until)
        && first(lapsed, until)
    {
        let standing = Standing::Expired { at_s: until };
        return ended_within(request, bounds.grace_s, until, standing, at_s);
    }
    if let Some(at) = lapsed {
        return ended(request, at, Standing::Lapsed { at_s: at }, at_s);
    }
    match phase {
        Phase::Ended { at_s: end, how } => {
            ended(request, end, Standing::Revoked { at_s: end, how }, at_s)
        }
        Phase::Suspended { since_s, .. } => {
            ended(request, since_s, Standing::Suspended { since_s }, at_s)
        }
        Phase::Active => Standing::Active,
        Phase::Provisional if confirmed_in_time => Standing::Active,
        Phase::Provisional => {
            Standing::Provisional { confirm_by_s: request.confirm_by_s.unwrap_or(i64::MAX) }
        }
        Phase::Open(status) | Phase::Dropped(status) => Standing::NotAccepted(status),
    }
}

/// Time to remove follows every end and every stay, if the request grants one. Nobody grants it to
/// the operator for his own measures.
fn ended(request: &Request, end_s: i64, standing: Standing, at_s: i64) -> Standing {
    ended_within(request, request.remove_within_s, end_s, standing, at_s)
}

fn ended_within(
    request: &Request,
    grace_s: i64,
    end_s: i64,
    standing: Standing,
    at_s: i64,
) -> Standing {
    let until_s = end_s.saturating_add(grace_s);
    if at_s < until_s && !request.is_own_measure() {
        Standing::RemovalGrace { ended_at_s: end_s, until_s }
    } else {
        standing
    }
}

fn confirmed_in_time(request: &Request, known: &[&Transition]) -> bool {
    known.iter().any(|t| {
        t.kind == TransitionKind::Confirm
            && request.confirm_by_s.is_some_and(|by| t.effective_at_s <= by)
    })
}

impl Phase {
    fn entered(status: RequestStatus) -> Self {
        match status {
            RequestStatus::Accepted => Self::Active,
            RequestStatus::Provisional => Self::Provisional,
            RequestStatus::Unspecified
            | RequestStatus::Received
            | RequestStatus::UnderReview
            | RequestStatus::ClarificationSought
            | RequestStatus::Challenged
            | RequestStatus::Refused => Self::Open(status),
        }
    }

    /// `None`: it does not lead on from here.
    fn step(self, transition: &Transition) -> Option<Self> {
        use RequestStatus::{Challenged, ClarificationSought, Received, Refused, UnderReview};
        let at_s = transition.effective_at_s;
        let how = transition.kind;
        let undecided =
            matches!(self, Self::Open(Received | UnderReview | ClarificationSought | Challenged));
        let running = matches!(self, Self::Active | Self::Provisional | Self::Suspended { .. });
        match transition.kind {
            TransitionKind::Unspecified => None,
            TransitionKind::Accept if undecided => Some(Self::Active),
            TransitionKind::Refuse if undecided => Some(Self::Open(Refused)),
            TransitionKind::Challenge if undecided => Some(Self::Open(Challenged)),
            TransitionKind::Confirm => match self {
                Self::Provisional => Some(Self::Active),
                Self::Suspended { since_s, provisional: true } => {
                    Some(Self::Suspended { since_s, provisional: false })
                }
                Self::Open(_)
                | Self::Dropped(_)
                | Self::Active
                | Self::Suspended { .. }
                | Self::Ended { .. } => None,
            },
            TransitionKind::Suspend => match self {
                Self::Active => Some(Self::Suspended { since_s: at_s, provisional: false }),
                Self::Provisional => Some(Self::Suspended { since_s: at_s, provisional: true }),
                Self::Open(_) | Self::Dropped(_) | Self::Suspended { .. } | Self::Ended { .. } => {
                    None
                }
            },
            TransitionKind::Resume => match self {
                Self::Suspended { provisional: false, .. } => Some(Self::Active),
                Self::Suspended { provisional: true, .. } => Some(Self::Provisional),
                Self::Open(_)
                | Self::Dropped(_)
                | Self::Active
                | Self::Provisional
                | Self::Ended { .. } => None,
            },
            TransitionKind::Withdraw | TransitionKind::Revoke if running => {
                Some(Self::Ended { at_s, how })
            }
            TransitionKind::Withdraw | TransitionKind::Revoke => match self {
                Self::Open(status) if undecided => Some(Self::Dropped(status)),
                Self::Open(_)
                | Self::Dropped(_)
                | Self::Active
                | Self::Provisional
                | Self::Suspended { .. }
                | Self::Ended { .. } => None,
            },
            TransitionKind::Supersede if running => Some(Self::Ended { at_s, how }),
            // Laid over the rest: it is not a step but says that there was nothing to step on.
            TransitionKind::Annul => Some(self),
            TransitionKind::Accept
            | TransitionKind::Refuse
            | TransitionKind::Challenge
            | TransitionKind::Supersede => None,
        }
    }

    fn no_step(self, transition: &Transition) -> NoSuchStep {
        let leads_on = |kind: &TransitionKind| {
            self.step(&Transition { kind: *kind, ..transition.clone() }).is_some()
        };
        let can_follow = words::transitions().filter(leads_on).map(words::transition).collect();
        NoSuchStep { kind: transition.kind, stands: self.word(), can_follow }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Open(status) => words::status(status),
            Self::Dropped(_) => "withdrawn before it was accepted",
            Self::Active => "active",
            Self::Provisional => "provisional",
            Self::Suspended { .. } => "suspended",
            Self::Ended { how: TransitionKind::Withdraw, .. } => "withdrawn",
            Self::Ended { how: TransitionKind::Supersede, .. } => "superseded",
            Self::Ended { .. } => "revoked",
        }
    }
}
