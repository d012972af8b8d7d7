//! What the request says and what the event shows, for the dimension that decided. Canonical text;
//! sentences are made at the edge.

use evidence::Claim;
use remit_proto::v1::{
    Dimension, NetworkType, NodeFacts, RequestPart, Technique, TransitionKind, UndeterminedReason,
    VerdictCode,
};

use super::{Event, candidate::Candidate, claims::Claims, dimensions::Answer, licence};
use crate::{
    list::{Accepted, ListView},
    register::View,
    request::{Request, Scope, Territories},
    state::Standing,
    target::{Known, Target, kind_word},
    verdict::Clause,
    words,
};

pub(super) fn of(
    candidate: &Candidate<'_>,
    dimension: Dimension,
    event: &Event<'_>,
    claims: &Claims<'_>,
) -> Clause {
    let request = candidate.request();
    let (mut request_says, event_shows) = match dimension {
        Dimension::Target => {
            let says = target_says(candidate, event);
            (says + &licence_says(candidate), target_shows(event))
        }
        Dimension::Time => {
            let unseen = candidate.unseen.filter(|_| candidate.crosses_a_bound());
            let unseen = unseen.map_or_else(String::new, |unseen| format!("; {}", unseen.says()));
            (time_says(candidate, request), time_shows(event) + &unseen)
        }
        Dimension::Status => (status_says(candidate, request), time_shows(event)),
        Dimension::Place => (place_says(&request.scope), place_shows(event)),
        Dimension::Audience => (audience_says(&request.scope), audience_shows(event.place)),
        Dimension::Method => {
            let mut shows = words::technique(event.technique).to_owned();
            match event.rate_bits_per_s {
                Some(rate) => shows = format!("{shows} to {rate} bit/s"),
                None if candidate.technique
                    == Answer::Unknown(UndeterminedReason::NotUnderstood)
                    && event.technique == Technique::Throttle =>
                {
                    shows.push_str(" to a rate that is not known");
                }
                None => {}
            }
            if candidate.breadth.method != Answer::Yes
                && let Known::Known(target) = &event.target
            {
                shows = format!("{shows} on {}", target.named());
            }
            (request.measure.says(), shows)
        }
        Dimension::Reference | Dimension::Unspecified => {
            (reference_says(candidate, event), claims.shown())
        }
    };
    request_says.push_str(&open_says(candidate, dimension));
    if let Some(closed) = part_of(dimension).and_then(|part| request.withholds(part)) {
        request_says = closed.says();
    }
    let request = Some(candidate.entry.id().clone());
    let time_zone = candidate.request().time_zone.clone();
    Clause { dimension, request, request_says, event_shows, time_zone }
}

/// Where a clause on this dimension would quote from.
pub fn part_of(dimension: Dimension) -> Option<RequestPart> {
    match dimension {
        Dimension::Target => Some(RequestPart::Targets),
        Dimension::Place | Dimension::Audience => Some(RequestPart::Scope),
        Dimension::Method => Some(RequestPart::Measure),
        Dimension::Time | Dimension::Status | Dimension::Reference | Dimension::Unspecified => None,
    }
}

/// What the register says of a reference that it does not hold.
pub(super) fn not_in_the_register(claim: &Claim, view: &View<'_>) -> String {
    let newest = match claim {
        Claim::List { id, version: _ } => view.list_of(id).and_then(|list| list.newest()),
        Claim::Request(_) | Claim::Class(_) => None,
    };
    match newest {
        Some(newest) => {
            format!("not in the register; newest version of the list: {}", newest.version)
        }
        None => "not in the register".to_owned(),
    }
}

fn reference_says(candidate: &Candidate<'_>, event: &Event<'_>) -> String {
    let id = candidate.entry.id();
    let listed = candidate.listed;
    match listed.and_then(|listed| Some((listed, listed.version_at(event.span.last_s)?))) {
        Some((listed, version)) => format!(
            "{id} by list:{}@{}, in force from {}",
            listed.list().id(),
            version.version,
            words::time(version.from_s)
        ),
        None => id.to_string(),
    }
}

fn target_says(candidate: &Candidate<'_>, event: &Event<'_>) -> String {
    if let Some((list, version)) = candidate.list {
        return format!(
            "what {} holds ({} entries)",
            claim(&list, version),
            version.counts.entries
        );
    }
    let mut says = match candidate.target {
        Some(held) if held.exception => format!("not {}", held.target.named()),
        Some(held) => match held.derived() {
            Some(derived) => {
                return format!("{}, for {}", held.target.named(), derived.from.named());
            }
            None if candidate.breadth.united => {
                format!("{} and others that make it whole", held.target.named())
            }
            None => held.target.named(),
        },
        None => {
            let targets = &candidate.request().targets;
            let first = targets.iter().find(|t| !t.exception);
            let first = first.map_or_else(String::new, |t| t.target.named());
            return match candidate.version.blocked_count {
                0 | 1 => first,
                all => format!("{first} and {} more", all.saturating_sub(1)),
            };
        }
    };
    let listed = candidate.listed;
    if let Some((listed, version)) =
        listed.and_then(|listed| Some((listed, listed.version_at(event.span.last_s)?)))
    {
        says = format!("{says} in {}", claim(&listed.list(), version));
    }
    says
}

/// What is licensed beside what is named, where a block went beyond it. Whoever may not see the measure reads
/// nothing of it here either.
fn licence_says(candidate: &Candidate<'_>) -> String {
    let request = candidate.request();
    let measure = &request.measure;
    let overbroad = candidate.breadth.target == Answer::No(VerdictCode::Overbroad);
    let Some(held) = candidate.target.filter(|_| overbroad) else { return String::new() };
    if request.closes(RequestPart::Measure) {
        return String::new();
    }
    let limit = licence::limit(&held.target);
    match (measure.outcome_only, measure.coarsest) {
        (_, Some(kind)) => {
            format!("; no coarser than {}, and no wider than {limit}", kind_word(kind))
        }
        (true, None) => format!("; the operator chooses the means, no wider than {limit}"),
        (false, None) => String::new(),
    }
}

/// What of a wider block must stay open. Whoever may not see the targets reads nothing of it in other clauses.
fn open_says(candidate: &Candidate<'_>, dimension: Dimension) -> String {
    let is_seen =
        dimension == Dimension::Target || !candidate.request().closes(RequestPart::Targets);
    match candidate.open.filter(|_| is_seen && candidate.breadth.target == Answer::Yes) {
        Some(open) => {
            let name = open.target.named();
            format!("; but not {name}, and whether the block hits that was not seen")
        }
        None => String::new(),
    }
}

fn claim(list: &ListView<'_>, version: &Accepted) -> String {
    format!("list:{}@{}", list.id(), version.version)
}

/// Which version of a list set the bound that a clause on time shows.
fn by_version(candidate: &Candidate<'_>, at_s: i64, removed: bool) -> String {
    let Some(listed) = candidate.listed else { return String::new() };
    let (version, did) = match removed {
        true => (listed.removed(), "removed"),
        false => (listed.added(), "added"),
    };
    match version.filter(|version| version.from_s == at_s) {
        Some(version) => format!(", {did} by {}", claim(&listed.list(), version)),
        None => String::new(),
    }
}

pub(super) fn target_shows(event: &Event<'_>) -> String {
    match &event.target {
        Known::Known(target) => target.named(),
        Known::Erased => "erased".to_owned(),
        Known::NotUnderstood => "not understood".to_owned(),
    }
}

fn time_says(candidate: &Candidate<'_>, request: &Request) -> String {
    let time = words::time;
    match candidate.shown_standing() {
        Some(Standing::TooEarly { from_s }) => {
            format!("from {}{}", time(from_s), by_version(candidate, from_s, false))
        }
        Some(Standing::Expired { at_s }) => {
            format!("until {}{}", time(at_s), by_version(candidate, at_s, true))
        }
        Some(Standing::Revoked { at_s, how }) => {
            let word = match how {
                TransitionKind::Withdraw => "withdrawn",
                TransitionKind::Supersede => "superseded",
                TransitionKind::Annul => "annulled",
                TransitionKind::Revoke
                | TransitionKind::Unspecified
                | TransitionKind::Accept
                | TransitionKind::Confirm
                | TransitionKind::Suspend
                | TransitionKind::Resume
                | TransitionKind::Refuse
                | TransitionKind::Challenge
                | TransitionKind::Review
                | TransitionKind::Clarify
                | TransitionKind::Moot
                | TransitionKind::Close => "revoked",
            };
            format!("{word} at {}", time(at_s))
        }
        Some(Standing::Suspended { since_s }) => format!("suspended since {}", time(since_s)),
        Some(Standing::Lapsed { at_s }) => format!("not confirmed by {}", time(at_s)),
        Some(Standing::Moot { at_s, case_closed: true }) => {
            format!("lapsed with its proceeding at {}", time(at_s))
        }
        Some(Standing::Moot { at_s, case_closed: false }) => format!("moot since {}", time(at_s)),
        Some(Standing::Annulled { at_s }) => {
            format!("annulled from the start at {}", time(at_s))
        }
        Some(Standing::RemovalGrace { ended_at_s, until_s }) => {
            let by = by_version(candidate, ended_at_s, true);
            format!("ended {}{by}, to be removed by {}", time(ended_at_s), time(until_s))
        }
        // Where these are asked for, they held for a part of the time.
        Some(Standing::NotAccepted(status)) => {
            format!("for a part of it {}", words::status(status))
        }
        Some(Standing::Unapproved) => {
            "for a part of it waiting for a second person's approval".to_owned()
        }
        Some(standing @ Standing::Dropped { at_s, .. }) => {
            format!("{} at {} before it was accepted", standing.word(), time(at_s))
        }
        None if candidate.crosses_a_bound() => "for a part of it by another version".to_owned(),
        Some(Standing::Active | Standing::Provisional { .. }) | None => {
            let from = format!("from {}", time(request.effective_from_s));
            match request.ends_at_s() {
                Some(until) => format!("{from} until {}", time(until)),
                None => from,
            }
        }
    }
}

fn status_says(candidate: &Candidate<'_>, request: &Request) -> String {
    match candidate.accepted {
        Answer::No(VerdictCode::NoBasis) => {
            return "addressed to the publisher, not to the operator".to_owned();
        }
        Answer::No(_) => return "accepted in part, and not for this".to_owned(),
        Answer::Yes | Answer::Unknown(_) => {}
    }
    match candidate.shown_standing() {
        Some(Standing::NotAccepted(status)) => words::status(status).to_owned(),
        Some(standing @ Standing::Dropped { at_s, .. }) => {
            format!("{} at {} before it was accepted", standing.word(), words::time(at_s))
        }
        Some(Standing::Unapproved) => "waits for a second person's approval".to_owned(),
        Some(Standing::Provisional { confirm_by_s }) => {
            format!("provisional, to be confirmed by {}", words::time(confirm_by_s))
        }
        Some(_) | None => words::status(request.status).to_owned(),
    }
}

pub(super) fn time_shows(event: &Event<'_>) -> String {
    let span = event.span;
    let mut text = words::time(span.first_s);
    if span.last_s != span.first_s {
        text = format!("{text} to {}", words::time(span.last_s));
    }
    if span.clock_error_s > 0 {
        text = format!("{text}, give or take {} s", span.clock_error_s);
    }
    text
}

fn place_says(scope: &Scope) -> String {
    let mut parts = vec![match &scope.territories {
        Territories::NotStated => "territory not stated".to_owned(),
        Territories::Everywhere => "everywhere".to_owned(),
        Territories::Listed(codes) => codes.join(", "),
    }];
    if !scope.nodes.is_empty() {
        parts.push(format!("nodes {}", scope.nodes.join(", ")));
    }
    if !scope.except_nodes.is_empty() {
        parts.push(format!("not nodes {}", scope.except_nodes.join(", ")));
    }
    if !scope.cells.is_empty() {
        parts.push(format!("cells {}", some_of(&scope.cells)));
    }
    if !scope.network_types.is_empty() {
        let types: Vec<_> = scope.network_types.iter().map(|t| words::network_type(*t)).collect();
        parts.push(format!("networks {}", types.join(", ")));
    }
    if !scope.asns.is_empty() {
        let asns: Vec<_> = scope.asns.iter().map(|a| format!("AS{a}")).collect();
        parts.push(asns.join(", "));
    }
    parts.join("; ")
}

fn place_shows(event: &Event<'_>) -> String {
    let Some(facts) = event.place else { return "node facts not declared".to_owned() };
    let stated = |value: &str| if value.is_empty() { "?".to_owned() } else { value.to_owned() };
    let territory = if facts.region.is_empty() { &facts.country } else { &facts.region };
    let network = NetworkType::try_from(facts.network_type).unwrap_or_default();
    let mut text = format!("node {} in {}", stated(&facts.node), stated(territory));
    if network != NetworkType::Unspecified {
        text = format!("{text}, {}", words::network_type(network));
    }
    if facts.asn != 0 {
        text = format!("{text}, AS{}", facts.asn);
    }
    match &event.target {
        Known::Known(Target::CellArea(cell)) => text = format!("{text}, of cell {cell}"),
        _ if facts.cells.is_empty() => {}
        _ => text = format!("{text}, cells {}", some_of(&facts.cells)),
    }
    text
}

/// The first of them, and how many more: a site has hundreds.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn audience_says(scope: &Scope) -> String {
    let meant = match scope.audiences.join(", ") {
        all if all.is_empty() => "all lines".to_owned(),
        some => some,
    };
    match scope.except_audiences.join(", ") {
        none if none.is_empty() => meant,
        some => format!("{meant}, not {some}"),
    }
}

fn audience_shows(facts: Option<&NodeFacts>) -> String {
    match facts {
        None => "node facts not declared".to_owned(),
        Some(facts) if facts.audiences.is_empty() => "all lines".to_owned(),
        Some(facts) => facts.audiences.join(", "),
    }
}
