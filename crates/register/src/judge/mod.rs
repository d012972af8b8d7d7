//! One event against the register: the verdict of DOMAIN.md section 3.
//!
//! In: what is known of one event, a [`View`] of the register, what the log proves about when the
//! register held what, parameters. Out: one [`Verdict`]. Pure: the same arguments give the same
//! answer anywhere, in ten years.
//!
//! How it is decided:
//! 1. Every request that touches the target, and every request that is claimed, is a *candidate*
//!    ([`candidate`]): five dimensions, each yes, no or unknown. One request must cover all of them
//!    together; two halves by two requests are no whole.
//! 2. Of targets that touch the event's, at most [`CONSIDERED_MAX`] are looked at, those that hold it
//!    first, and of each claimed request as many more. Where that is not all, the verdict says so
//!    ([`Verdict::considered`]); and it then says of what was not looked at neither that it covers nor that
//!    it does not: without a covering request it is UNDETERMINED(too_many).
//! 3. The first that applies speaks: covered · undetermined (one might cover) · own measure · in
//!    removal grace · a claim that the register does not know · the failing request that is
//!    claimed, else the one that fails fewest dimensions · no basis.
//! 4. A request that speaks because it fails says every dimension in which it does: the first code of the table
//!    is the verdict, the others stand beside it ([`Verdict::besides`]). Who mends one sees what is left.
//!
//! Where DOMAIN.md leaves a choice:
//! - An own measure (terms of service, security, user choice) answers only for a block that claims
//!   it, claims its class, or claims nothing. A block that claims an order is judged by the order:
//!   a wide terms-of-service entry must not turn expired orders into house rules.
//! - `class:contract_tos` and the like claim every own-measure entry of that class. Without such an
//!   entry that touches the target nothing is documented, and the verdict is NO_BASIS by clause
//!   *reference*, unless a near miss speaks. `class:law` and `class:voluntary_list` name no
//!   request: what an order covers is then AUTHORISED_MISREFERENCED. `class:none_stated` claims
//!   nothing.
//! - A removal grace and a retroactive annulment excuse only what the request covered otherwise in
//!   every dimension; if another one fails too, that one speaks.
//! - Withheld imports make unknown only a claim that would be UNKNOWN_BASIS. If they did so for
//!   blocks that claim nothing, withholding one statement would hide every block without a basis.
//! - What one of several rules did (elements of a set under one counter, say) is judged for none of
//!   them: they may rest on different things, and the leaf does not hold the others' claims. Each of
//!   the rules is judged as it stands.
//! - An attribution adds to what a rule claims, and is judged like a claim that the rule carries. Every
//!   verdict on such a rule says who attributed it, and when.
//! - A node that serves lines which a request does not mean is the wrong audience; but of a rule with further
//!   conditions nobody can say which lines it is for, and that is UNDETERMINED(scope).
//! - Of cells, as of classes of line, a node must serve none but those that are meant; of a rule with further conditions
//!   nobody can say in which it acts, if it serves some of them. A block of a cell says itself where it is.
//! - The European Union is its members. Of a territory that is no country nobody knows where it is: UNDETERMINED(scope).
//! - How long a reference may come late is a statement of the register, so that everybody judges by the same time. It is
//!   counted up to the node's newest seal: as known then it is never over; of a rule that stands it counts since the
//!   rule was installed, and where nobody saw that, there is none.
//! - A baseline stands only in the place of NO_BASIS, for a rule that claims nothing: what is expired or
//!   too wide is said at once. An event after the deadline is NO_BASIS, one before it stays as it was.
//! - A free choice of means, and a coarser kind that a request permits, go as far as a technique can need it
//!   ([`licence`], ADR 38): beyond it a block is OVERBROAD, and the clause names the limit.
//! - To throttle to less than a request leaves is WRONG_METHOD. Under a request that states a rate, throttling to
//!   nobody knows what is UNDETERMINED(not_understood); under one that states none the technique alone counts.
//! - A bound within a window leaves it undetermined. Where the bound lies in a time of which the node says that
//!   nobody looked, that is the reason: UNDETERMINED(gap), and the clause names the time. A rule that stands is not judged
//!   at an instant in such a time, unless it would be covered: that it stood then nobody saw.
//! - A deed that a person recorded lasted from its first to its last second: across a bound it is not
//!   undetermined, but judged by the part that was not covered.
//! - An entry of a list is judged like a target of its request, with the instants of the versions that
//!   added and removed it. A claim of the list names it; but only by a version that holds the entry and
//!   was in force in the event's span, or within the feed's grace after it, is the reference the right
//!   one: else what is covered is AUTHORISED_MISREFERENCED. After its removal it may stand for the longer
//!   of the feed's grace and the request's time to remove. A version that waits for a second person
//!   makes nothing covered, and a block that claims it is BASIS_NOT_ACCEPTED unless something covers it.
//! - An order against the publisher (`NO_BASIS`, clause *status*) and what the operator did not accept
//!   of a request (`BASIS_NOT_ACCEPTED`) speak like other failing requests.
//! - A block by address under a request that names names and permits their addresses is EXPIRED where
//!   the register holds no answer that gave the address then.
//! - Between the windows of a recurrence a request is EXPIRED since the last one, after its time to
//!   remove. With its proceeding, or with a target that is gone, it has LAPSED.
//! - A part of a request that is there and cannot be seen makes its dimension unknown
//!   (`UNDETERMINED(secret)`), its targets only for blocks that claim the request: otherwise one secret
//!   order would hide every block without a basis.
//! - A claimed request that is unknown speaks before a claimed one that fails: the order of the
//!   table in DOMAIN.md 3a.

mod added;
mod candidate;
mod claims;
mod clause;
mod dimensions;
mod licence;
mod turns;

pub use clause::part_of;
pub(crate) use dimensions::{Answer, audience_of_some, place, place_of_some};
pub(crate) use turns::TURNS_MAX;

use std::num::NonZeroU64;

use evidence::Claim;
use remit_proto::v1::{
    self, BasisProof, Dimension, Instrument, Ternary, UndeterminedReason, VerdictCode,
};

use smallvec::SmallVec;

use self::{
    candidate::{Candidate, Candidates, Outcome},
    claims::Claims,
};
use crate::{
    adoption::Attributed,
    deed::Confirmed,
    register::View,
    request::Request,
    target::{Known, Target},
    unseen::Unseen,
    verdict::{Clause, Failure, Verdict},
    words,
};

/// Changes whenever any verdict may change for the same arguments.
pub const MATCHER_VERSION: &str = "13";
/// The same, as entries of the log state it.
pub const MATCHER_NUMBER: u32 = match u32::from_str_radix(MATCHER_VERSION, 10) {
    Ok(number) => number,
    Err(_) => panic!("a matcher version is a number"),
};

/// So many targets of the register a verdict looks at, and so many more of each request that is claimed.
/// A wide rule touches hundreds of thousands, and a name may stand in thousands of requests: whoever
/// enters them must not be able to hold up the judging of everything else.
pub const CONSIDERED_MAX: usize = 64;

/// What is judged: a rule at an instant, or what it did in a window.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// The rule's own target.
    pub target: Known<Target>,
    /// The rule has further conditions (`Rule.narrowed`), of which the evidence does not tell which: it may hit less
    /// than its target, and fewer of the lines that its node serves.
    pub narrowed: bool,
    pub technique: v1::Technique,
    /// What throttling leaves; `None`: not known, or it does not slow down.
    pub rate_bits_per_s: Option<NonZeroU64>,
    pub trigger: v1::Trigger,
    pub actor: v1::Actor,
    /// Carried, mapped or attributed ([`View::claims_of`]).
    pub claims: &'a [Claim],
    /// Who attributed the rule later, and when.
    pub attributed: Option<&'a Attributed>,
    /// The rule stood before its node was enrolled, and this is the node's deadline for explaining it.
    pub baseline_until_s: Option<i64>,
    pub response: Option<&'a v1::Response>,
    pub span: Span,
    /// Read from an old log.
    pub imported: bool,
    /// The node's facts at the time; `None`: not declared.
    pub place: Option<&'a v1::NodeFacts>,
    /// What was seen to be hit, where it may be other than the target: names, addresses within a prefix.
    pub observed: &'a [Target],
    /// How many other rules could have caused it.
    pub ambiguous: usize,
    /// Times in its span of which the node says that nobody looked ([`unseen`](crate::unseen)).
    pub unseen: &'a [Unseen],
    /// It is a rule that stands, and not what one did: whether it stood where nobody looked is not known.
    pub stands: bool,
    /// A person recorded it (`deed`); with whoever confirmed it.
    pub deed: Option<Option<&'a Confirmed>>,
}

impl Event<'_> {
    fn confirmed(&self) -> Option<Confirmed> {
        self.deed.flatten().cloned()
    }
}

/// Inclusive, in whole seconds. Equal for a rule that is judged at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub first_s: i64,
    pub last_s: i64,
    /// By so much the node's clock may be wrong, either way.
    pub clock_error_s: u32,
}

impl Span {
    /// When it may have begun and ended.
    pub(crate) fn with_error(self) -> (i64, i64) {
        let error_s = i64::from(self.clock_error_s);
        (self.first_s.saturating_sub(error_s), self.last_s.saturating_add(error_s))
    }
}

/// Sizes of the register that the collector's log dates against the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownSizes {
    /// Size in the checkpoint that the last `Seal` before the first hit names.
    pub before_act: Option<u64>,
    /// Newest size logged before the agent head that covers the leaf.
    pub when_logged: u64,
}

/// By which register the verdict is asked; the view must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AsKnown {
    Then,
    #[default]
    Now,
}

/// Named inputs that belong to the verdict like the evidence does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    pub matcher_version: String,
    /// SHA-256 of the public-suffix list, as hex; empty where none was consulted.
    pub psl_digest: String,
    pub as_known: AsKnown,
    /// "Now" of the evidence, the node's last `Seal`; without it no reference comes late.
    pub judged_at_s: Option<i64>,
    /// Of a rule that stands: since when. `None`: the act was when the event ends.
    pub acted_at_s: Option<i64>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            matcher_version: MATCHER_VERSION.to_owned(),
            psl_digest: String::new(),
            as_known: AsKnown::Now,
            judged_at_s: None,
            acted_at_s: None,
        }
    }
}

/// The verdict on one event. The module's front page tells the order of the steps.
pub fn judge(
    event: &Event<'_>,
    view: &View<'_>,
    sizes: &KnownSizes,
    parameters: &Parameters,
) -> Verdict {
    let case = Case { event, view, sizes, parameters, claims: Claims::read(event.claims, view) };
    if event.imported && parameters.as_known == AsKnown::Then {
        return case.undetermined(UndeterminedReason::Imported, Dimension::Time, "", "imported");
    }
    if event.ambiguous > 0 {
        let shows = event.ambiguous.to_string();
        let reason = UndeterminedReason::AmbiguousRule;
        return case.undetermined(reason, Dimension::Target, "", &shows);
    }
    let target = match &event.target {
        Known::Known(target) => target,
        Known::Erased => return case.without_target(UndeterminedReason::Erased, "erased"),
        Known::NotUnderstood => {
            return case.without_target(UndeterminedReason::NotUnderstood, "not understood");
        }
    };
    let mut candidates = Candidates::new();
    let cut_at = candidate::find(event, target, view, &case.claims, &mut candidates);
    let judged: SmallVec<[Judged<'_, '_>; 1]> =
        candidates.iter().map(|candidate| (candidate.outcome(), candidate)).collect();
    let mut verdict = case.decide(&judged, cut_at);
    verdict.considered = cut_at;
    verdict
}

/// What a candidate comes to.
type Judged<'j, 'a> = (Outcome, &'j Candidate<'a>);

struct Case<'c, 'a> {
    event: &'c Event<'c>,
    view: &'c View<'a>,
    sizes: &'c KnownSizes,
    parameters: &'c Parameters,
    claims: Claims<'c>,
}

impl<'a> Case<'_, 'a> {
    /// The first of these that speaks. Most blocks are covered, and a verdict is large: it is not handed through the
    /// others.
    fn decide(&self, candidates: &[Judged<'_, 'a>], cut_at: Option<u32>) -> Verdict {
        if let Some(verdict) = self.covered(candidates) {
            return verdict;
        }
        let others = self
            .not_seen()
            .or_else(|| self.might_be_covered(candidates))
            .or_else(|| self.too_many(cut_at))
            .or_else(|| self.own_measure(candidates))
            .or_else(|| self.in_grace(candidates))
            .or_else(|| self.unknown_basis())
            .or_else(|| self.held_version())
            .or_else(|| self.near_miss(candidates));
        others.unwrap_or_else(|| self.no_basis())
    }

    fn covered(&self, candidates: &[Judged<'_, 'a>]) -> Option<Verdict> {
        let best = candidates
            .iter()
            .filter(|(_, c)| !c.request().is_own_measure())
            .filter_map(|(outcome, c)| match *outcome {
                Outcome::Covers { provisional } => Some((c, provisional)),
                Outcome::Might { .. } | Outcome::Grace | Outcome::Fails { .. } => None,
            })
            .min_by_key(|(c, provisional)| (*provisional, c.preference()))?;
        let (candidate, provisional) = best;
        Some(if provisional {
            self.speak(VerdictCode::AuthorisedProvisional, candidate, Dimension::Status)
        } else if candidate.named && !candidate.outdated {
            self.speak(VerdictCode::Authorised, candidate, Dimension::Target)
        } else {
            self.speak(VerdictCode::AuthorisedMisreferenced, candidate, Dimension::Reference)
        })
    }

    /// It stood before and after, and nobody can say that it stood then. What would have been covered is.
    fn not_seen(&self) -> Option<Verdict> {
        let unseen = self.event.unseen.first().filter(|_| self.event.stands)?;
        let shows = format!("{}; {}", clause::time_shows(self.event), unseen.says());
        let reason = UndeterminedReason::Gap;
        let mut verdict = self.undetermined(reason, Dimension::Time, "", &shows);
        verdict.clause.request = self.claims.first_known();
        Some(verdict)
    }

    fn own_measure(&self, candidates: &[Judged<'_, 'a>]) -> Option<Verdict> {
        let candidate = self.own_measure_of(candidates)?;
        Some(self.speak(own_code(candidate.request()), candidate, Dimension::Target))
    }

    fn own_measure_of<'j>(&self, candidates: &'j [Judged<'j, 'a>]) -> Option<&'j Candidate<'a>> {
        let (_, candidate) = candidates
            .iter()
            .filter(|(_, c)| c.request().is_own_measure())
            .filter(|(outcome, _)| match outcome {
                Outcome::Covers { .. } => true,
                Outcome::Might { .. } | Outcome::Grace | Outcome::Fails { .. } => false,
            })
            .min_by_key(|(_, c)| c.preference())?;
        Some(candidate)
    }

    /// An own measure that covers is not undetermined by another one.
    fn might_be_covered(&self, candidates: &[Judged<'_, 'a>]) -> Option<Verdict> {
        let is_own = self.own_measure_of(candidates).is_some();
        let best = candidates
            .iter()
            .filter(|(_, c)| !is_own || !c.request().is_own_measure())
            .filter_map(|(outcome, c)| match *outcome {
                Outcome::Might { reason, dimension } => Some((c, reason, dimension)),
                Outcome::Covers { .. } | Outcome::Grace | Outcome::Fails { .. } => None,
            })
            .min_by_key(|(c, reason, _)| (!c.named, *reason as i32, c.preference()));
        if let Some((candidate, reason, dimension)) = best {
            let mut verdict = self.speak(VerdictCode::Undetermined, candidate, dimension);
            verdict.undetermined = Some(reason);
            return Some(verdict);
        }
        let claim = self.claims.unknown.first()?.to_string();
        let says = "not visible in the register";
        if self.view.secret_count() > 0 {
            let reason = UndeterminedReason::Secret;
            return Some(self.undetermined(reason, Dimension::Reference, says, &claim));
        }
        if self.view.withheld_count() > 0 {
            let reason = UndeterminedReason::Erased;
            return Some(self.undetermined(reason, Dimension::Reference, says, &claim));
        }
        if self.view.not_understood_count() > 0 {
            let reason = UndeterminedReason::NotUnderstood;
            return Some(self.undetermined(reason, Dimension::Reference, says, &claim));
        }
        let acted_at_s = self.parameters.acted_at_s.unwrap_or(self.event.span.last_s);
        let since_s = self.parameters.judged_at_s?.saturating_sub(acted_at_s);
        let grace_s = i64::from(self.view.late_register_grace_s(acted_at_s));
        let in_time = grace_s > 0 && since_s < grace_s;
        let reason = UndeterminedReason::LateRegister;
        in_time.then(|| self.undetermined(reason, Dimension::Reference, says, &claim))
    }

    /// None of those that were looked at covers it, and another one might.
    fn too_many(&self, cut_at: Option<u32>) -> Option<Verdict> {
        let says = format!(
            "more targets of the register touch this one than a verdict looks at; {} were",
            cut_at?
        );
        let shows = clause::target_shows(self.event);
        let reason = UndeterminedReason::TooMany;
        Some(self.undetermined(reason, Dimension::Target, &says, &shows))
    }

    fn in_grace(&self, candidates: &[Judged<'_, 'a>]) -> Option<Verdict> {
        let (_, candidate) = candidates
            .iter()
            .filter(|(outcome, _)| match outcome {
                Outcome::Grace => true,
                Outcome::Covers { .. } | Outcome::Might { .. } | Outcome::Fails { .. } => false,
            })
            .min_by_key(|(_, c)| c.preference())?;
        Some(self.speak(VerdictCode::InRemovalGrace, candidate, Dimension::Time))
    }

    fn unknown_basis(&self) -> Option<Verdict> {
        let claim = *self.claims.unknown.first()?;
        let says = clause::not_in_the_register(claim, self.view);
        let shows = claim.to_string();
        Some(self.nobody(VerdictCode::UnknownBasis, Dimension::Reference, &says, &shows))
    }

    /// A version of a list that waits for a second person is no basis yet.
    fn held_version(&self) -> Option<Verdict> {
        let claim = *self.claims.held.first()?;
        let Claim::List { id, version: _ } = claim else { return None };
        let says = format!("{claim} waits for a second person's approval");
        let shows = clause::time_shows(self.event);
        let code = VerdictCode::BasisNotAccepted;
        let mut verdict = self.nobody(code, Dimension::Status, &says, &shows);
        let feed = self.view.list_of(id).and_then(|list| list.feed());
        verdict.clause.request = feed.map(|feed| feed.request.clone());
        Some(verdict)
    }

    fn near_miss(&self, candidates: &[Judged<'_, 'a>]) -> Option<Verdict> {
        let (candidate, code, dimension, _) = candidates
            .iter()
            .filter_map(|(outcome, c)| match *outcome {
                Outcome::Fails { code, dimension, count } => Some((c, code, dimension, count)),
                Outcome::Covers { .. } | Outcome::Might { .. } | Outcome::Grace => None,
            })
            .min_by_key(|(c, code, _, count)| (!c.named, *count, *code as i32, c.preference()))?;
        let besides = candidate.failures().into_iter().filter(|(_, also)| *also != dimension);
        let besides = besides.map(|(code, dimension)| {
            let clause = clause::of(candidate, dimension, self.event, &self.claims);
            Failure { code, clause }
        });
        let besides = besides.collect();
        Some(Verdict { besides, ..self.speak(code, candidate, dimension) })
    }

    fn no_basis(&self) -> Verdict {
        let shows = self.claims.shown();
        let before = |until_s: &i64| self.event.span.last_s < *until_s;
        if let Some(until_s) = self.event.baseline_until_s.filter(before)
            && self.claims.nothing_claimed()
            && self.event.attributed.is_none()
        {
            let says = format!("baseline until {}", words::time(until_s));
            let code = VerdictCode::BaselineUnattributed;
            let mut verdict = self.nobody(code, Dimension::Reference, &says, &shows);
            verdict.baseline_until_s = Some(until_s);
            return verdict;
        }
        self.nobody(VerdictCode::NoBasis, Dimension::Reference, "no entry for the target", &shows)
    }

    /// Any request might name the target; without requests none does.
    fn without_target(&self, reason: UndeterminedReason, shows: &str) -> Verdict {
        if self.view.requests().next().is_some() || self.view.withheld_count() > 0 {
            let mut verdict = self.undetermined(reason, Dimension::Target, "", shows);
            verdict.clause.request = self.claims.first_known();
            return verdict;
        }
        self.unknown_basis().unwrap_or_else(|| self.no_basis())
    }

    fn speak(&self, code: VerdictCode, candidate: &Candidate<'a>, dimension: Dimension) -> Verdict {
        Verdict {
            code,
            undetermined: None,
            clause: clause::of(candidate, dimension, self.event, &self.claims),
            added: added::findings(self.event, Some(candidate), code, self.view, &self.claims),
            basis_proof: candidate.request().basis_proof,
            registered_before_act: self.registered_before_act(candidate),
            register_size: self.view.size(),
            attributed: self.event.attributed.cloned(),
            baseline_until_s: None,
            confirmed: self.event.confirmed(),
            considered: None,
            besides: Vec::new(),
        }
    }

    /// No request speaks.
    fn nobody(&self, code: VerdictCode, dimension: Dimension, says: &str, shows: &str) -> Verdict {
        Verdict {
            code,
            undetermined: None,
            clause: Clause {
                dimension,
                request: None,
                request_says: says.to_owned(),
                event_shows: shows.to_owned(),
                time_zone: String::new(),
            },
            added: added::findings(self.event, None, code, self.view, &self.claims),
            basis_proof: BasisProof::Unspecified,
            registered_before_act: Ternary::Unspecified,
            register_size: self.view.size(),
            attributed: self.event.attributed.cloned(),
            baseline_until_s: None,
            confirmed: self.event.confirmed(),
            considered: None,
            besides: Vec::new(),
        }
    }

    fn undetermined(
        &self,
        reason: UndeterminedReason,
        dimension: Dimension,
        says: &str,
        shows: &str,
    ) -> Verdict {
        let mut verdict = self.nobody(VerdictCode::Undetermined, dimension, says, shows);
        verdict.undetermined = Some(reason);
        verdict
    }

    /// DOMAIN.md section 3, "Two qualities".
    fn registered_before_act(&self, candidate: &Candidate<'a>) -> Ternary {
        let last_s = self.event.span.last_s;
        let (statement, recorded_at_s) = candidate.rests_on(last_s);
        if self.sizes.before_act.is_some_and(|size| statement < size) {
            Ternary::Yes
        } else if statement >= self.sizes.when_logged || recorded_at_s > last_s {
            Ternary::No
        } else {
            Ternary::Unknown
        }
    }
}

fn own_code(request: &Request) -> VerdictCode {
    match request.instrument {
        Instrument::SecurityMeasure => VerdictCode::SecurityMeasure,
        Instrument::UserChoice => VerdictCode::UserChoice,
        Instrument::TosMeasure
        | Instrument::Unspecified
        | Instrument::CourtOrderFinal
        | Instrument::CourtOrderInterim
        | Instrument::AdministrativeOrder
        | Instrument::RegulatorOrder
        | Instrument::PoliceRequest
        | Instrument::ProsecutorRequest
        | Instrument::MinistryDirection
        | Instrument::LicenceDirection
        | Instrument::InformalGovernmentRequest
        | Instrument::PrivateList => VerdictCode::TosMeasure,
    }
}
