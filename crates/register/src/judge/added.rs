//! Findings that are added to a verdict and never are one (DOMAIN.md section 3, rule 5).

use std::collections::BTreeSet;

use evidence::RequestId;
use remit_proto::v1::{
    Actor, AddedFinding, Instrument, RequestPart, Response, Technique, Trigger, VerdictCode,
    response,
};

use super::{
    CONSIDERED_MAX, Event, Span, candidate::Candidate, claims::Claims, dimensions::Answer,
};
use crate::{
    entry::{Entry, Version},
    register::View,
    request::{Request, is_own_measure},
    state::Standing,
    target::{Known, Name, Relation, Target, name_of},
    verdict::{ScreenWord, screen_word},
};

/// RFC 8914 INFO-CODEs that say by whose will an answer was withheld.
const EDE_BLOCKED: u32 = 15;
const EDE_CENSORED: u32 = 16;
const EDE_FILTERED: u32 = 17;
const EDE_PROHIBITED: u32 = 18;
const HTTP_UNAVAILABLE_FOR_LEGAL_REASONS: u32 = 451;

pub(super) fn findings(
    event: &Event<'_>,
    speaks: Option<&Candidate<'_>>,
    code: VerdictCode,
    view: &View<'_>,
    claims: &Claims<'_>,
) -> Vec<AddedFinding> {
    let mut added = Vec::new();
    if speaks.is_some_and(|c| is_collateral(event, c, code, view)) {
        added.push(AddedFinding::Collateral);
    }
    let misleads = match speaks {
        Some(candidate) => {
            let request = candidate.request();
            is_misleading(event.response, Some(request.instrument))
                || hides_what_is_due(event, request)
        }
        None => is_unfounded(code) && is_misleading(event.response, None),
    };
    if misleads {
        added.push(AddedFinding::MisleadingResponse);
    }
    if speaks.is_some_and(|c| is_label_doubtful(event, c, code, view, claims)) {
        added.push(AddedFinding::TosLabelDoubtful);
    }
    match event.actor {
        Actor::OperatorStaff | Actor::OperatorAutomation => {}
        Actor::Vendor | Actor::UpstreamProvider | Actor::GovernmentBox | Actor::Customer => {
            added.push(AddedFinding::ThirdPartyAction);
        }
        Actor::Unknown | Actor::Unspecified => added.push(AddedFinding::Unattributed),
    }
    if event.deed == Some(None) {
        added.push(AddedFinding::Unconfirmed);
    }
    added
}

/// The rule does what the request asks, and others are hit: charged to the request or technique.
fn is_collateral(
    event: &Event<'_>,
    candidate: &Candidate<'_>,
    code: VerdictCode,
    view: &View<'_>,
) -> bool {
    let carried_out = match screen_word(code) {
        ScreenWord::Covered | ScreenWord::OwnMeasure => true,
        ScreenWord::BeyondItsRequest
        | ScreenWord::OutOfTime
        | ScreenWord::NoCoveringRequest
        | ScreenWord::Undetermined => false,
    };
    if !carried_out || candidate.breadth.target != Answer::Yes {
        return false;
    }
    let reaches_others = match event.trigger {
        // These answer for every name that happens to resolve through the target.
        Trigger::ResponseIp | Trigger::Nsdname | Trigger::Nsip => true,
        Trigger::Unspecified
        | Trigger::Qname
        | Trigger::ClientIp
        | Trigger::Destination
        | Trigger::Source
        | Trigger::Url
        | Trigger::ServerName
        | Trigger::Other => false,
    };
    candidate.breadth.licensed || reaches_others || saw_others(event, candidate, view)
}

/// What hit the rule is held by no target of the request.
fn saw_others(event: &Event<'_>, candidate: &Candidate<'_>, view: &View<'_>) -> bool {
    let Candidate { entry, version, .. } = candidate;
    event.observed.iter().any(|hit| is_beside(hit, *entry, version, Some(event.span), view))
}

/// The request does not name it, in this version; nor do its lists in the span.
fn is_beside(
    hit: &Target,
    entry: Entry<'_>,
    version: &Version,
    span: Option<Span>,
    view: &View<'_>,
) -> bool {
    let mut held = view.held_in(version, hit);
    !held.any(|held| !held.exception) && !may_be_listed(hit, entry, version, span, view)
}

impl View<'_> {
    /// How many different names of these the newest version of a request does not name: others that are hit by
    /// what is blocked for it.
    pub fn names_beside(&self, request: &RequestId, hit: &[Target]) -> usize {
        let Some(entry) = self.request(request) else { return 0 };
        let names: BTreeSet<&Name> = hit.iter().filter_map(name_of).collect();
        names
            .into_iter()
            .map(|name| Target::DomainExact(name.clone()))
            .filter(|name| is_beside(name, entry, entry.newest(), None, self))
            .count()
    }
}

/// By a list that the request covers. Where not all of them could be looked at, it is not held against
/// anybody that none was found.
fn may_be_listed(
    hit: &Target,
    entry: Entry<'_>,
    version: &Version,
    span: Option<Span>,
    view: &View<'_>,
) -> bool {
    if version.request.covers_lists.is_empty() {
        return false;
    }
    let (touches, is_cut) = view.touching_some(hit, &[], CONSIDERED_MAX);
    let held = touches
        .iter()
        .filter(|t| t.listed.is_some() && t.entry.id() == entry.id())
        .filter(|t| t.version.request.version == version.request.version)
        .filter(|t| !t.target.exception)
        .filter(|t| span.is_none_or(|span| t.target.is_live(span.first_s, span.last_s)))
        .any(|t| matches!(t.relation, Relation::Equal | Relation::Inside));
    held || is_cut
}

/// No request speaks: nobody is known to have required it.
fn is_unfounded(code: VerdictCode) -> bool {
    matches!(code, VerdictCode::NoBasis | VerdictCode::UnknownBasis)
}

/// The response names another will than the one behind the request, or one where there is none. An extended error
/// of 15: the operator's own policy; 16: an external requirement; 17: the client's choice; 18: an unauthorised
/// client. HTTP 451: legal demands (RFC 7725 section 3).
fn is_misleading(response: Option<&Response>, instrument: Option<Instrument>) -> bool {
    match response.and_then(|r| r.response.as_ref()) {
        Some(response::Response::Dns(dns)) => {
            let truthful = truthful(instrument);
            dns.extended_errors
                .iter()
                .filter(|code| (EDE_BLOCKED..=EDE_PROHIBITED).contains(code))
                .any(|code| !truthful.contains(code))
        }
        Some(response::Response::Http(http)) => {
            http.status == HTTP_UNAVAILABLE_FOR_LEGAL_REASONS
                && instrument.is_none_or(is_own_measure)
        }
        Some(_) | None => false,
    }
}

fn truthful(instrument: Option<Instrument>) -> &'static [u32] {
    let Some(instrument) = instrument else {
        // Whose will it was is not known; that it was required is not so.
        return &[EDE_BLOCKED, EDE_FILTERED, EDE_PROHIBITED];
    };
    match instrument {
        Instrument::CourtOrderFinal
        | Instrument::CourtOrderInterim
        | Instrument::AdministrativeOrder
        | Instrument::RegulatorOrder
        | Instrument::PoliceRequest
        | Instrument::ProsecutorRequest
        | Instrument::MinistryDirection
        | Instrument::LicenceDirection
        | Instrument::InformalGovernmentRequest => &[EDE_CENSORED],
        // Somebody else's list, taken up by the operator's own will.
        Instrument::PrivateList => &[EDE_BLOCKED, EDE_CENSORED],
        Instrument::TosMeasure | Instrument::SecurityMeasure => &[EDE_BLOCKED],
        Instrument::UserChoice => &[EDE_FILTERED],
        Instrument::Unspecified => &[],
    }
}

/// Users are to be told, and what they get looks like a fault of the network. What a response said is
/// held against it only where it was recorded.
fn hides_what_is_due(event: &Event<'_>, request: &Request) -> bool {
    if !request.measure.notice_required {
        return false;
    }
    match event.technique {
        Technique::DnsNxdomain
        | Technique::DnsNodata
        | Technique::DnsRefused
        | Technique::DnsServfail => {
            let answer = event.response.and_then(|r| r.response.as_ref());
            let Some(response::Response::Dns(dns)) = answer else { return false };
            !dns.extended_errors.iter().any(|c| (EDE_BLOCKED..=EDE_PROHIBITED).contains(c))
        }
        Technique::DnsDrop
        | Technique::IpNullRoute
        | Technique::IpAclDrop
        | Technique::IpFlowspec
        | Technique::IpRouteWithdraw
        | Technique::TcpRstInjection
        | Technique::TlsSniDrop
        | Technique::TlsSniRst
        | Technique::HttpModify
        | Technique::ProtocolBlock
        | Technique::Throttle
        | Technique::PortBlock
        | Technique::QuicBlock
        | Technique::Disconnection
        | Technique::LineSuspend => true,
        // These lead to a page, or say what they are.
        Technique::Unspecified
        | Technique::DnsForgedA
        | Technique::DnsTcpOnly
        | Technique::DnsCnameRedirect
        | Technique::IpAclReject
        | Technique::TlsCertMitm
        | Technique::Http451
        | Technique::Http403Page
        | Technique::HttpRedirect
        | Technique::Other => false,
    }
}

/// Called an own measure, and a government is behind it or has asked for it.
fn is_label_doubtful(
    event: &Event<'_>,
    candidate: &Candidate<'_>,
    code: VerdictCode,
    view: &View<'_>,
    claims: &Claims<'_>,
) -> bool {
    match code {
        VerdictCode::TosMeasure | VerdictCode::SecurityMeasure | VerdictCode::UserChoice => {}
        _ => return false,
    }
    let public = |branch: &str| !matches!(branch, "" | "private");
    let request = candidate.request();
    // Whoever sees a closed part and whoever does not come to the same verdict.
    let authority = request.authority.as_ref().filter(|_| !request.closes(RequestPart::Authority));
    if authority.is_some_and(|authority| public(&authority.branch)) {
        return true;
    }
    let claims_an_order = claims.requests.iter().any(|id| {
        view.request(id).is_some_and(|entry| is_governmental(entry.request().instrument))
    });
    if claims_an_order {
        return true;
    }
    // One goes with the other, by the words of either.
    let mut linked = view.linked(candidate.entry, candidate.version);
    if linked.any(|entry| is_governmental(entry.request().instrument)) {
        return true;
    }
    // A government has asked for this target, and the request is refused or not yet accepted.
    let Known::Known(target) = &event.target else { return false };
    let (touches, _) = view.touching_some(target, &[], CONSIDERED_MAX);
    touches.iter().any(|touch| {
        let standing = touch.entry.standing_at(event.span.last_s);
        is_governmental(touch.version.request.instrument)
            && !touch.target.exception
            && matches!(
                standing,
                Some(Standing::NotAccepted(_) | Standing::Dropped { .. } | Standing::Unapproved)
            )
    })
}

fn is_governmental(instrument: Instrument) -> bool {
    !is_own_measure(instrument) && instrument != Instrument::PrivateList
}
