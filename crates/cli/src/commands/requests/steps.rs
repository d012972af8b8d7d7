//! What became of a request, step by step, and what the operator decided.

use register::words as field;
use remit_proto::v1;

use super::approve::approved;
use crate::{time, words};

/// "2026-01-10T00:00:00Z suspend (recorded …, statement 4 by p-1): stay granted"
pub(super) fn step(row: &v1::TransitionRow) -> String {
    let v1::TransitionRow {
        kind: _,
        effective_at_s,
        recorded_at_s,
        statement_index,
        author,
        by_request_id,
        reason,
        decision,
        back_covers,
        second_person,
        erased,
        proceeding,
        corrected,
    } = row;
    let mut text = format!("{} {}", time::utc(*effective_at_s), field::transition(row.kind()));
    if !by_request_id.is_empty() {
        text.push_str(&format!(" by {by_request_id}"));
    }
    if !proceeding.is_empty() {
        text.push_str(&format!(" with the end of proceeding {proceeding}"));
    }
    if *back_covers {
        text.push_str(", covering the time since it was asked");
    }
    text.push_str(&format!(
        " (recorded {}, statement {statement_index} by {author})",
        time::utc(*recorded_at_s)
    ));
    if let Some(second) = second_person {
        let by = match &second.approval {
            Some(approval) => approved(approval),
            None => "waits for a second person, and has no effect until then".to_owned(),
        };
        text.push_str(&format!("; {by}"));
    }
    if *corrected {
        text.push_str("; a later statement about this proceeding counts in its place");
    }
    if let Some(decision) = decision {
        text.push_str(&format!("; {}", decided(decision)));
    }
    if !reason.is_empty() {
        text.push_str(&format!(": {reason}"));
    }
    if *erased {
        text.push_str("; what was said of it is erased");
    }
    text
}

pub(super) fn decided(decision: &v1::OperatorDecision) -> String {
    let v1::OperatorDecision { text, escalation, not_accepted, accepted_scope, .. } = decision;
    let mut said = field::decision(decision.kind()).to_owned();
    if decision.reason() != v1::OperatorReason::Unspecified {
        said.push_str(&format!(" ({})", field::operator_reason(decision.reason())));
    }
    for target in not_accepted {
        let target = Some(target);
        let text = format!("; not {}:{}", words::target_kind(target), words::target(target));
        said.push_str(&text);
    }
    if let Some(scope) = accepted_scope {
        said.push_str(&format!("; {}", narrowed(scope)));
    }
    for more in [text, escalation].into_iter().filter(|t| !t.is_empty()) {
        said.push_str(&format!("; {more}"));
    }
    said
}

/// "only in DE; only at nodes group:fixed; not for audiences emergency": everything within which it is accepted.
fn narrowed(scope: &v1::Scope) -> String {
    let v1::Scope {
        territories,
        nodes,
        network_types: _,
        asns: _,
        audiences,
        except_nodes,
        except_audiences,
        cells,
    } = scope;
    let parts = [
        ("only at nodes", nodes.join(", ")),
        ("only in cells", cells.join(", ")),
        ("only in networks", networks(scope)),
        ("only in", asns(scope)),
        ("only for audiences", audiences.join(", ")),
        ("not at nodes", except_nodes.join(", ")),
        ("not for audiences", except_audiences.join(", ")),
    ];
    let mut said: Vec<String> = parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(word, value)| format!("{word} {value}"))
        .collect();
    if territories.is_empty() {
        said.insert(0, "in territories that are not stated".to_owned());
        return said.join("; ");
    }
    // "Everywhere" narrows nothing, and is said where nothing else is.
    if said.is_empty() || *territories != ["*"] {
        said.insert(0, format!("only in {}", territories.join(", ")));
    }
    said.join("; ")
}

pub(super) fn networks(scope: &v1::Scope) -> String {
    let networks: Vec<_> = scope.network_types().map(field::network_type).collect();
    networks.join(", ")
}

pub(super) fn asns(scope: &v1::Scope) -> String {
    let asns: Vec<_> = scope.asns.iter().map(|asn| format!("AS{asn}")).collect();
    asns.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_S: i64 = 1_772_618_400;

    #[test]
    fn a_late_confirmation_says_that_it_covers_the_time_before() {
        let told = |back_covers| {
            step(&v1::TransitionRow {
                kind: v1::TransitionKind::Confirm.into(),
                effective_at_s: AT_S,
                recorded_at_s: AT_S + 60,
                statement_index: 4,
                author: "person-1".to_owned(),
                reason: "order received".to_owned(),
                back_covers,
                ..v1::TransitionRow::default()
            })
        };
        let recorded = "(recorded 2026-03-04T10:01:00Z, statement 4 by person-1): order received";
        let covering = "2026-03-04T10:00:00Z confirm, covering the time since it was asked";
        assert_eq!(told(true), format!("{covering} {recorded}"));
        assert_eq!(told(false), format!("2026-03-04T10:00:00Z confirm {recorded}"));
    }

    #[test]
    fn the_end_of_a_proceeding_is_told_as_a_step_with_its_outcome() {
        let told = |corrected| {
            step(&v1::TransitionRow {
                kind: v1::TransitionKind::Moot.into(),
                effective_at_s: AT_S,
                recorded_at_s: AT_S + 60,
                statement_index: 4,
                author: "person-1".to_owned(),
                reason: "dismissed".to_owned(),
                proceeding: "12 O 345/26".to_owned(),
                corrected,
                ..v1::TransitionRow::default()
            })
        };
        let moot = "2026-03-04T10:00:00Z moot with the end of proceeding 12 O 345/26 \
                    (recorded 2026-03-04T10:01:00Z, statement 4 by person-1)";
        assert_eq!(told(false), format!("{moot}: dismissed"));
        let corrected = "; a later statement about this proceeding counts in its place: dismissed";
        assert_eq!(told(true), format!("{moot}{corrected}"));
    }

    #[test]
    fn who_approved_a_step_is_told_and_that_nobody_has() {
        let told = |approval| {
            step(&v1::TransitionRow {
                kind: v1::TransitionKind::Revoke.into(),
                effective_at_s: AT_S,
                recorded_at_s: AT_S,
                statement_index: 4,
                author: "person-1".to_owned(),
                second_person: Some(v1::SecondPerson { digest: vec![1; 32], approval }),
                ..v1::TransitionRow::default()
            })
        };
        let waits = told(None);
        assert!(
            waits.ends_with("; waits for a second person, and has no effect until then"),
            "{waits}"
        );
        let by = Some(v1::PersonRef { person: "person-2".to_owned(), ..v1::PersonRef::default() });
        let means = v1::ApprovalMeans::AttestedByCollector.into();
        let approval = v1::PersonApproval { by, means, statement: 5, recorded_at_s: AT_S };
        let approved = told(Some(approval));
        assert!(
            approved.ends_with("; attested by the collector for person-2 (statement 5)"),
            "{approved}"
        );
    }

    #[test]
    fn an_acceptance_is_told_with_all_that_narrows_it() {
        let told = |scope: v1::Scope| {
            decided(&v1::OperatorDecision {
                kind: v1::DecisionKind::AcceptNarrowed.into(),
                accepted_scope: Some(scope),
                ..v1::OperatorDecision::default()
            })
        };
        let everywhere = || v1::Scope { territories: vec!["*".to_owned()], ..v1::Scope::default() };
        let whole = v1::Scope {
            territories: vec!["DE-BE".to_owned(), "DE-BB".to_owned()],
            nodes: vec!["group:fixed".to_owned()],
            network_types: vec![v1::NetworkType::Fixed.into(), v1::NetworkType::Mobile.into()],
            asns: vec![64_500, 64_501],
            audiences: vec!["residential".to_owned()],
            except_nodes: vec!["hospital".to_owned()],
            except_audiences: vec!["emergency".to_owned()],
            cells: vec!["mitte".to_owned()],
        };
        assert_eq!(
            told(whole),
            "accept_narrowed; only in DE-BE, DE-BB; only at nodes group:fixed; only in cells mitte; only in \
             networks fixed, mobile; only in AS64500, AS64501; only for audiences residential; not at nodes hospital; \
             not for audiences emergency"
        );
        let nodes = v1::Scope { nodes: vec!["dns-1".to_owned()], ..everywhere() };
        assert_eq!(told(nodes), "accept_narrowed; only at nodes dns-1");
        assert_eq!(told(everywhere()), "accept_narrowed; only in *");
    }
}
