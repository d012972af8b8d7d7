//! The lifecycle of DOMAIN.md section 1: where transitions lead.
//!
//! [`STEPS`] holds every transition, and there is no other. Its arrow from `received` through `under_review` to a
//! decision may be taken in one step; an answered question leads back to the review; a stay may fall on a provisional
//! request too, which is in force.

use std::fmt;

use remit_proto::v1::{RequestStatus, TransitionKind};

use super::{Standing, Transition};
use crate::{request::Request, words};

/// What transitions alone make of a request; its own times come on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) place: Place,
    /// When it came there by a transition.
    pub(super) since_s: i64,
    /// By which one.
    pub(super) how: TransitionKind,
    /// Since when it has stood still, also where it ended so: the time to remove runs from then, and an
    /// end does not begin it anew.
    pub(super) stay_since_s: Option<i64>,
    /// It was provisional, and nobody has confirmed it: what lapsed does not come back by being revoked.
    pub(super) unconfirmed: bool,
}

/// Where transitions can lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Received,
    UnderReview,
    ClarificationSought,
    Challenged,
    Refused,
    /// Withdrawn before anybody accepted it: it never was a basis, so it has no end and no grace.
    Dropped,
    Active,
    Provisional,
    Suspended,
    SuspendedProvisional,
    Ended,
}

/// Every transition of the lifecycle but ANNUL, which a court may lay over any of them once, and CLOSE,
/// which follows every end. What is not here leads nowhere.
#[rustfmt::skip]
const STEPS: [(&[Place], TransitionKind, Place); 17] = {
    use Place::*;
    use TransitionKind as To;
    [
        (&[Received, ClarificationSought, Challenged], To::Review, UnderReview),
        (&[Received, UnderReview, Challenged], To::Clarify, ClarificationSought),
        (&[Received, UnderReview, ClarificationSought], To::Challenge, Challenged),
        (&[Received, UnderReview, ClarificationSought, Challenged], To::Refuse, Refused),
        (&[Received, UnderReview, ClarificationSought, Challenged], To::Accept, Active),
        (&[Received, UnderReview, ClarificationSought, Challenged], To::Withdraw, Dropped),
        (&[Received, UnderReview, ClarificationSought, Challenged], To::Revoke, Dropped),
        (&[Provisional], To::Confirm, Active),
        (&[SuspendedProvisional], To::Confirm, Suspended),
        (&[Active], To::Suspend, Suspended),
        (&[Provisional], To::Suspend, SuspendedProvisional),
        (&[Suspended], To::Resume, Active),
        (&[SuspendedProvisional], To::Resume, Provisional),
        (&[Active, Provisional, Suspended, SuspendedProvisional], To::Withdraw, Ended),
        (&[Active, Provisional, Suspended, SuspendedProvisional], To::Revoke, Ended),
        (&[Active, Provisional, Suspended, SuspendedProvisional], To::Supersede, Ended),
        (&[Active, Provisional, Suspended, SuspendedProvisional], To::Moot, Ended),
    ]
};

/// A transition does not lead anywhere from where the request stands then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchStep {
    /// The one that leads nowhere; with an earlier one put before it, it need not be the new one.
    pub kind: TransitionKind,
    stands: &'static str,
    can_follow: Vec<&'static str>,
    /// Where it is not the new one: from when it counts, and which one was put before it.
    displaced: Option<(i64, TransitionKind)>,
}

impl fmt::Display for NoSuchStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, stands, can_follow, displaced } = self;
        let kind = words::transition(*kind);
        if let Some((at_s, before)) = displaced {
            let (at, before) = (words::time(*at_s), words::transition(*before));
            write!(
                f,
                "effective_at: {before} would count before what is stated already; {kind} at {at} "
            )?;
            return write!(f, "does not follow where it would stand then ({stands})");
        }
        write!(f, "{kind} does not follow where it stands then ({stands})")?;
        if can_follow.is_empty() { Ok(()) } else { write!(f, "; there: {}", can_follow.join(", ")) }
    }
}

/// Whether these transitions, in order of effect, are a way through the lifecycle; the new one, by its statement, is
/// among them.
/// Whatever has happened since, a court may say that a request never was; once. What has ended, by a
/// transition or by its own times, may be closed, and then nothing more is said of it.
pub(crate) fn check_path(
    request: &Request,
    case_closed_s: Option<i64>,
    path: &[Transition],
    stated: (u64, TransitionKind),
) -> Result<(), NoSuchStep> {
    let (annulments, rest): (Vec<_>, Vec<_>) =
        path.iter().partition(|t| t.kind == TransitionKind::Annul);
    let nowhere =
        |kind, stands| NoSuchStep { kind, stands, can_follow: Vec::new(), displaced: None };
    if annulments.len() > 1 {
        return Err(nowhere(TransitionKind::Annul, "annulled already"));
    }
    let annulled_at_s = annulments.first().map(|t| t.effective_at_s);
    let annulled = annulments.first().map(|t| (t.effective_at_s, t.statement));
    let mut phase = Phase::entered(request.status);
    let mut closed = None;
    for transition in rest {
        if closed.is_some() {
            return Err(nowhere(transition.kind, "closed"));
        }
        if transition.kind == TransitionKind::Close {
            let at_s = transition.effective_at_s;
            let over = phase.is_over()
                || annulled_at_s.is_some_and(|annulled| annulled <= at_s)
                || has_run_out(request, case_closed_s, phase, at_s);
            if !over {
                return Err(phase.no_step(transition));
            }
            closed = Some((at_s, transition.statement));
        } else {
            phase = phase.step(transition).ok_or_else(|| NoSuchStep {
                displaced: (transition.statement != stated.0)
                    .then_some((transition.effective_at_s, stated.1)),
                ..phase.no_step(transition)
            })?;
        }
    }
    match (closed, annulled) {
        (Some(closed), Some(annulled)) if closed < annulled => {
            Err(nowhere(TransitionKind::Annul, "closed"))
        }
        (_, _) => Ok(()),
    }
}

/// Ended by its own times at this instant.
pub(super) fn has_run_out(
    request: &Request,
    case_closed_s: Option<i64>,
    phase: Phase,
    at_s: i64,
) -> bool {
    let lapsed = request.confirm_by_s.filter(|_| phase.unconfirmed);
    let ends = [request.ends_at_s(), lapsed, case_closed_s];
    ends.into_iter().flatten().any(|end| end <= at_s)
}

/// The state that this transition ends a request in; `None` if it ends none.
pub(crate) fn word_of_end(kind: TransitionKind) -> Option<&'static str> {
    match kind {
        TransitionKind::Withdraw
        | TransitionKind::Revoke
        | TransitionKind::Supersede
        | TransitionKind::Annul => Some(Standing::Revoked { at_s: 0, how: kind }.word()),
        TransitionKind::Moot => Some("moot"),
        TransitionKind::Unspecified
        | TransitionKind::Accept
        | TransitionKind::Confirm
        | TransitionKind::Suspend
        | TransitionKind::Resume
        | TransitionKind::Refuse
        | TransitionKind::Challenge
        | TransitionKind::Review
        | TransitionKind::Clarify
        | TransitionKind::Close => None,
    }
}

impl Phase {
    fn entered(status: RequestStatus) -> Self {
        let place = match status {
            RequestStatus::Accepted => Place::Active,
            RequestStatus::Provisional => Place::Provisional,
            RequestStatus::UnderReview => Place::UnderReview,
            RequestStatus::ClarificationSought => Place::ClarificationSought,
            RequestStatus::Challenged => Place::Challenged,
            RequestStatus::Refused => Place::Refused,
            RequestStatus::Unspecified | RequestStatus::Received => Place::Received,
        };
        let how = TransitionKind::Unspecified;
        let unconfirmed = place == Place::Provisional;
        Self { place, since_s: i64::MIN, how, stay_since_s: None, unconfirmed }
    }

    /// Where transitions, in order of effect, have led by an instant.
    pub(super) fn at(request: &Request, known: &[&Transition], at_s: i64) -> Self {
        let mut phase = Self::entered(request.status);
        for transition in known.iter().take_while(|t| t.effective_at_s <= at_s) {
            // An amendment may have entered the request anew in between; then an old step leads nowhere.
            if let Some(next) = phase.step(transition) {
                phase = next;
            }
        }
        phase
    }

    /// `None`: it does not lead on from here.
    fn step(self, transition: &Transition) -> Option<Self> {
        let how = transition.kind;
        if matches!(how, TransitionKind::Annul | TransitionKind::Close) {
            // Laid over the rest: neither says where the request stands.
            return Some(self);
        }
        let (_, _, place) =
            STEPS.iter().find(|(from, kind, _)| *kind == how && from.contains(&self.place))?;
        // A confirmation does not begin a stay anew.
        let since_s = match (self.place, *place) {
            (Place::SuspendedProvisional, Place::Suspended) => self.since_s,
            (_, _) => transition.effective_at_s,
        };
        let stay_since_s = match place {
            Place::Suspended | Place::SuspendedProvisional => Some(since_s),
            Place::Ended => self.stay_since_s,
            Place::Received
            | Place::UnderReview
            | Place::ClarificationSought
            | Place::Challenged
            | Place::Refused
            | Place::Dropped
            | Place::Active
            | Place::Provisional => None,
        };
        let unconfirmed = self.unconfirmed && how != TransitionKind::Confirm;
        Some(Self { place: *place, since_s, how, stay_since_s, unconfirmed })
    }

    fn is_over(self) -> bool {
        matches!(self.place, Place::Ended | Place::Dropped | Place::Refused)
    }

    pub(super) fn not_accepted(self) -> Option<RequestStatus> {
        Some(match self.place {
            Place::Received => RequestStatus::Received,
            Place::UnderReview => RequestStatus::UnderReview,
            Place::ClarificationSought => RequestStatus::ClarificationSought,
            Place::Challenged => RequestStatus::Challenged,
            Place::Refused => RequestStatus::Refused,
            Place::Active
            | Place::Provisional
            | Place::Suspended
            | Place::SuspendedProvisional
            | Place::Dropped
            | Place::Ended => return None,
        })
    }

    pub(super) fn ended_by_word(self) -> Standing {
        let at_s = self.since_s;
        match self.how {
            TransitionKind::Moot => Standing::Moot { at_s, case_closed: false },
            how => Standing::Revoked { at_s, how },
        }
    }

    fn no_step(self, transition: &Transition) -> NoSuchStep {
        let leads_on = |kind: &TransitionKind| match kind {
            TransitionKind::Close => self.is_over(),
            _ => self.step(&Transition { kind: *kind, ..transition.clone() }).is_some(),
        };
        let can_follow = words::transitions().filter(leads_on).map(words::transition).collect();
        NoSuchStep { kind: transition.kind, stands: self.word(), can_follow, displaced: None }
    }

    fn word(self) -> &'static str {
        match self.place {
            Place::Dropped => "withdrawn before it was accepted",
            Place::Active => "active",
            Place::Provisional => "provisional",
            Place::Suspended | Place::SuspendedProvisional => "suspended",
            Place::Ended => self.ended_by_word().word(),
            Place::Received
            | Place::UnderReview
            | Place::ClarificationSought
            | Place::Challenged
            | Place::Refused => words::status(self.not_accepted().unwrap_or_default()),
        }
    }
}
