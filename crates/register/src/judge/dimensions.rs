//! Place, audience, method and breadth of one request against one event: yes, no or unknown.

use std::num::NonZeroU64;

use remit_proto::v1::{
    NetworkType, NodeFacts, TargetKind, Technique, UndeterminedReason, VerdictCode,
};

use super::{Event, licence};
use crate::{
    request::{Measure, Scope, Territories},
    target::{Known, Relation, Target},
    territory::{EU, is_country, is_in_eu},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No(VerdictCode),
    Unknown(UndeterminedReason),
}

impl Answer {
    /// One "no" decides; one "unknown" leaves it open.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No(code), _) | (_, Self::No(code)) => Self::No(code),
            (Self::Unknown(reason), _) | (_, Self::Unknown(reason)) => Self::Unknown(reason),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    fn place(fact: Option<bool>) -> Self {
        match fact {
            Some(true) => Self::Yes,
            Some(false) => Self::No(VerdictCode::WrongPlace),
            None => Self::Unknown(UndeterminedReason::Scope),
        }
    }
}

/// Territory, nodes, cells, network type and AS. What the operator has not declared is unknown.
pub(crate) fn place(scope: &Scope, facts: Option<&NodeFacts>) -> Answer {
    placed(scope, facts, cells(scope, facts))
}

/// The same of what may be in some of a node's cells only.
pub(crate) fn place_of_some(scope: &Scope, facts: Option<&NodeFacts>) -> Answer {
    placed(scope, facts, cells_of_some(scope, facts))
}

/// The same of an event: one that is about a cell says itself where it is.
pub(super) fn place_of(scope: &Scope, event: &Event<'_>) -> Answer {
    let cells = match &event.target {
        Known::Known(Target::CellArea(cell)) if !scope.cells.is_empty() => {
            Some(scope.cells.contains(cell))
        }
        Known::Known(_) | Known::Erased | Known::NotUnderstood if event.narrowed => {
            cells_of_some(scope, event.place)
        }
        Known::Known(_) | Known::Erased | Known::NotUnderstood => cells(scope, event.place),
    };
    placed(scope, event.place, cells)
}

/// A node serves cells; all of them must be meant.
fn cells(scope: &Scope, facts: Option<&NodeFacts>) -> Option<bool> {
    if scope.cells.is_empty() {
        return Some(true);
    }
    let served = facts.map(|facts| &facts.cells).filter(|cells| !cells.is_empty())?;
    Some(served.iter().all(|cell| scope.cells.contains(cell)))
}

/// Unknown, where some of them are.
fn cells_of_some(scope: &Scope, facts: Option<&NodeFacts>) -> Option<bool> {
    let some = |facts: &NodeFacts| facts.cells.iter().any(|cell| scope.cells.contains(cell));
    cells(scope, facts).filter(|all| *all || !facts.is_some_and(some))
}

fn placed(scope: &Scope, facts: Option<&NodeFacts>, in_cells: Option<bool>) -> Answer {
    let Scope {
        territories,
        nodes,
        except_nodes,
        network_types,
        asns,
        audiences: _,
        except_audiences: _,
        cells: _,
    } = scope;
    let everywhere = matches!(territories, Territories::Everywhere);
    let Some(facts) = facts else {
        let unbounded = everywhere
            && nodes.is_empty()
            && except_nodes.is_empty()
            && network_types.is_empty()
            && asns.is_empty();
        return Answer::place(unbounded.then_some(true)).and(Answer::place(in_cells));
    };
    let in_territory = match territories {
        Territories::Everywhere => Some(true),
        Territories::NotStated => None,
        Territories::Listed(codes) => any(codes.iter().map(|c| in_territory(c, facts))),
    };
    let is_it = |n: &String| match n.strip_prefix("group:") {
        Some(group) => facts.groups.iter().any(|g| g == group),
        None => *n == facts.node,
    };
    let at_node = (nodes.is_empty() || nodes.iter().any(is_it)) && !except_nodes.iter().any(is_it);
    let declared_type = NetworkType::try_from(facts.network_type).unwrap_or_default();
    let in_network = match declared_type {
        _ if network_types.is_empty() => Some(true),
        NetworkType::Unspecified => None,
        NetworkType::Fixed
        | NetworkType::Mobile
        | NetworkType::Wholesale
        | NetworkType::Enterprise
        | NetworkType::Roaming => Some(network_types.contains(&declared_type)),
    };
    let in_asn = match facts.asn {
        _ if asns.is_empty() => Some(true),
        0 => None,
        asn => Some(asns.contains(&asn)),
    };
    [Some(at_node), in_network, in_asn, in_cells]
        .into_iter()
        .map(Answer::place)
        .fold(Answer::place(in_territory), Answer::and)
}

/// "DE", "DE-BE" or "EU" against what the node has declared. Of what is no country nobody knows where it is.
fn in_territory(code: &str, facts: &NodeFacts) -> Option<bool> {
    fn declared(value: &str) -> Option<&str> {
        (!value.is_empty()).then_some(value)
    }
    let region = declared(&facts.region);
    let country = declared(&facts.country).or_else(|| region?.split('-').next());
    if country == Some(code) {
        return Some(true);
    }
    let country = country.filter(|country| is_country(country));
    match code.split_once('-') {
        None if code == EU => country.map(is_in_eu),
        None => country.filter(|_| is_country(code)).map(|country| country == code),
        Some((of, _)) if !is_country(of) => None,
        Some((of, _)) => match (country, region) {
            (_, Some(region)) => Some(region == code),
            (Some(country), None) if country != of => Some(false),
            (Some(_) | None, None) => None,
        },
    }
}

/// Yes if one is; unknown if none is and one might be.
fn any(facts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut answer = Some(false);
    for fact in facts {
        match fact {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

/// A node serves classes of line; all of them must be meant. A node that declares none serves all.
pub(super) fn audience(scope: &Scope, facts: Option<&NodeFacts>) -> Answer {
    let Scope { audiences, except_audiences, .. } = scope;
    if audiences.is_empty() && except_audiences.is_empty() {
        return Answer::Yes;
    }
    let Some(facts) = facts else { return Answer::Unknown(UndeterminedReason::Scope) };
    if !facts.audiences.is_empty() && facts.audiences.iter().all(|class| scope.means(class)) {
        Answer::Yes
    } else {
        Answer::No(VerdictCode::WrongAudience)
    }
}

/// The same of a rule: what its further conditions leave of the lines is not known.
pub(super) fn audience_of(scope: &Scope, event: &Event<'_>) -> Answer {
    if event.narrowed { audience_of_some(scope, event.place) } else { audience(scope, event.place) }
}

/// Of what may be for some of a node's lines only: unknown, where some of them are meant.
pub(crate) fn audience_of_some(scope: &Scope, facts: Option<&NodeFacts>) -> Answer {
    match audience(scope, facts) {
        Answer::No(_) if facts.is_none_or(|facts| serves_any(scope, facts)) => {
            Answer::Unknown(UndeterminedReason::Scope)
        }
        answer => answer,
    }
}

/// A node that declares no classes serves all.
fn serves_any(scope: &Scope, facts: &NodeFacts) -> bool {
    facts.audiences.is_empty() || facts.audiences.iter().any(|class| scope.means(class))
}

pub(crate) fn technique(
    measure: &Measure,
    technique: Technique,
    rate_bits_per_s: Option<NonZeroU64>,
) -> Answer {
    let rate = match measure.throttle_to_bits_per_s {
        Some(least) if technique == Technique::Throttle => match rate_bits_per_s {
            Some(rate) if rate < least => Answer::No(VerdictCode::WrongMethod),
            Some(_) => Answer::Yes,
            None => Answer::Unknown(UndeterminedReason::NotUnderstood),
        },
        Some(_) | None => Answer::Yes,
    };
    permitted(measure, technique).and(rate)
}

fn permitted(measure: &Measure, technique: Technique) -> Answer {
    if measure.techniques.is_empty() && measure.outcome_only {
        return Answer::Yes;
    }
    if technique == Technique::Unspecified {
        return Answer::Unknown(UndeterminedReason::NotUnderstood);
    }
    if measure.techniques.contains(&technique) {
        Answer::Yes
    } else {
        Answer::No(VerdictCode::WrongMethod)
    }
}

/// Whether the rule's match set fits the request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breadth {
    pub target: Answer,
    /// Coarser than the prescribed granularity, though a coarser means is licensed as such.
    pub method: Answer,
    /// The request permits the coarser block: what else it hits is charged to the request.
    pub licensed: bool,
    /// By the target and others of the request together.
    pub united: bool,
}

/// `named` is the request's target, to which `event` stands in this relation.
pub(crate) fn breadth(
    measure: &Measure,
    event: &Target,
    named: &Target,
    relation: Relation,
    exact_union: bool,
) -> Breadth {
    let united = relation == Relation::Contains && exact_union;
    let (target, method, licensed) = match relation {
        Relation::Equal | Relation::Inside => (Answer::Yes, Answer::Yes, false),
        Relation::Contains if exact_union => (Answer::Yes, Answer::Yes, false),
        Relation::Contains => match licence(measure, event, named) {
            Licence::Held => (Answer::Yes, Answer::Yes, true),
            Licence::Coarser if measure.outcome_only => {
                (Answer::Yes, Answer::No(VerdictCode::WrongMethod), true)
            }
            Licence::Coarser | Licence::Wider | Licence::None => {
                (Answer::No(VerdictCode::Overbroad), Answer::Yes, false)
            }
        },
        Relation::Partial | Relation::Disjoint => {
            (Answer::No(VerdictCode::OutOfScopeTarget), Answer::Yes, false)
        }
    };
    Breadth { target, method, licensed, united }
}

/// What the measure says of a block that contains what is named.
enum Licence {
    Held,
    /// Than the kind that it gives as the coarsest.
    Coarser,
    /// Of a kind that is licensed, and wider than the means can need.
    Wider,
    None,
}

fn licence(measure: &Measure, event: &Target, named: &Target) -> Licence {
    match measure.coarsest {
        Some(kind) if kind == event.kind() && rank(kind) == RANK_COARSEST => Licence::Held,
        Some(TargetKind::WholeService) => Licence::Held,
        Some(kind) if rank(event.kind()) > rank(kind) => Licence::Coarser,
        Some(_) if licence::reaches(event, named) => Licence::Held,
        None if measure.outcome_only && licence::reaches(event, named) => Licence::Held,
        None if !measure.outcome_only => Licence::None,
        Some(_) | None => Licence::Wider,
    }
}

/// Finest first: url, host, subtree, ip_port, ip, cidr, whole_service (DOMAIN.md 3a). Kinds that
/// are not in that order are as coarse as the whole service: only their own request permits them.
fn rank(kind: TargetKind) -> u8 {
    match kind {
        TargetKind::Url | TargetKind::UrlPrefix => 0,
        TargetKind::DomainExact | TargetKind::Sni | TargetKind::HttpHost => 1,
        TargetKind::DomainSubtree => 2,
        TargetKind::IpPort => 3,
        TargetKind::Ip => 4,
        TargetKind::Cidr => 5,
        TargetKind::WholeService
        | TargetKind::Unspecified
        | TargetKind::ProtocolApp
        | TargetKind::Port
        | TargetKind::Keyword
        | TargetKind::Category
        | TargetKind::AsnRoute
        | TargetKind::LineAccount
        | TargetKind::CellArea
        | TargetKind::CustomerToken
        | TargetKind::NotUnderstood => RANK_COARSEST,
    }
}

const RANK_COARSEST: u8 = 6;
