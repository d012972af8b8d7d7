//! The texts of a request, all of them, told apart by what stands beside them.

use remit_proto::v1;

/// What of a request people wrote in their own words, and where they may name another.
pub(super) struct Texts<'r> {
    pub(super) all: Vec<&'r mut String>,
    /// What stands beside a target: there, less is named.
    pub(super) beside_targets: Vec<&'r mut String>,
}

/// Ids, codes and what has a form of its own are none. Each message is taken apart whole, so that a new text has to
/// be put here or there.
pub(super) fn texts(request: &mut v1::Request) -> Texts<'_> {
    let v1::Request {
        id: _,
        version: _,
        prev_hash: _,
        authorisation,
        notification,
        task,
        documents,
        status: _,
        basis_proof: _,
        // Taken by `Veil::decision`.
        decision: _,
        validity,
        impact,
        relations,
        time_assumption,
        time_zone: _,
        time_notes,
        closed,
    } = request;
    let mut found = Texts { all: vec![time_assumption], beside_targets: Vec::new() };
    let all = &mut found.all;
    all.extend(authorisation.iter_mut().flat_map(deed_texts));
    if let Some(notification) = notification {
        let v1::Notification {
            addressee,
            addressee_role: _,
            shared_by,
            form: _,
            signature_status: _,
            language: _,
            served_at_s: _,
            received_at_s: _,
            acknowledged_at_s: _,
            redress,
            report_effect_to,
        } = notification;
        all.extend([addressee, shared_by]);
        for v1::Redress { for_whom, route, deadline_s: _ } in redress {
            all.extend([for_whom, route]);
        }
        if let Some(report) = report_effect_to {
            let v1::EffectReport { authority, due_s: _, sent_at_s: _ } = report;
            all.push(authority);
        }
    }
    for document in documents {
        let v1::Document {
            digest: _,
            media_type,
            kind,
            language: _,
            translation_of: _,
            signature_status: _,
            signature_digest: _,
            anchor_digest: _,
            custody,
            signature: _,
            signature_note,
        } = document;
        all.extend([media_type, kind, custody, signature_note]);
    }
    for v1::ValidityItem { element: _, state: _, by: _, at_s: _ } in validity {}
    if let Some(impact) = impact {
        let v1::ImpactAssessment {
            rights_affected,
            scale: _,
            scope: _,
            irremediability: _,
            collateral_estimate,
            made_at_s: _,
            unconventional: _,
        } = impact;
        all.extend(rights_affected);
        all.push(collateral_estimate);
    }
    for v1::Relation { kind, to, outlives: _ } in relations {
        // Requests and lists go by their ids, and those that are hidden are gone.
        if *kind == i32::from(v1::RelationKind::DependsOnProceeding) {
            all.push(to);
        }
    }
    for v1::TimeNote { field: _, written, precision: _, zone_assumed: _ } in time_notes {
        all.push(written);
    }
    for v1::ClosedPart { part: _, tier: _, until_s: _, ground, opening: _ } in closed {
        all.push(ground);
    }
    if let Some(task) = task {
        task_texts(task, &mut found);
    }
    found
}

fn deed_texts(deed: &mut v1::Authorisation) -> Vec<&mut String> {
    let v1::Authorisation {
        external_ref,
        court,
        docket,
        ecli,
        decided_at_s: _,
        issued_at_s: _,
        instrument: _,
        basis_class: _,
        legal_provisions,
        statement_of_reasons,
        category,
        keywords,
        authority,
        parties,
        competence_check,
        confidentiality,
    } = deed;
    let mut all = vec![external_ref, court, docket, ecli, statement_of_reasons, category];
    all.extend(keywords);
    for provision in legal_provisions {
        let v1::LegalProvision { jurisdiction: _, instrument, article, url } = provision;
        all.extend([instrument, article, url]);
    }
    if let Some(authority) = authority {
        let v1::Authority { id: _, name, branch, country: _, level, officer } = authority;
        all.extend([name, branch, level]);
        if let Some(v1::Officer { name, role, contact }) = officer {
            all.extend([name, role, contact]);
        }
    }
    for v1::Party { role: _, name } in parties {
        all.push(name);
    }
    if let Some(check) = competence_check {
        let v1::CompetenceCheck { power_claimed, delegated_by, verified_by: _, result: _ } = check;
        all.extend([power_claimed, delegated_by]);
    }
    if let Some(confidentiality) = confidentiality {
        let v1::Confidentiality {
            tier: _,
            scopes: _,
            legal_ground,
            expires_at_s: _,
            reviewed_at_s: _,
        } = confidentiality;
        all.push(legal_ground);
    }
    all
}

fn task_texts<'r>(task: &'r mut v1::Task, found: &mut Texts<'r>) {
    let v1::Task {
        targets,
        measure,
        scope,
        effective_from_s: _,
        effective_until_s: _,
        until_event,
        windows: _,
        max_duration_s: _,
        confirm_by_s: _,
        implement_by_s: _,
        remove_within_s: _,
        remove_by_s: _,
        review_due_s: _,
        // Lists that are hidden are taken out of both.
        lists: _,
        covers_lists: _,
    } = task;
    found.all.push(until_event);
    if let Some(measure) = measure {
        let v1::Measure {
            techniques: _,
            outcome_only: _,
            coarsest: _,
            derived_targets: _,
            notice_required: _,
            notice,
            throttle_to_bits_per_s: _,
        } = measure;
        found.all.push(notice);
    }
    found.all.extend(scope.iter_mut().flat_map(scope_texts));
    for target in targets {
        let v1::RequestTarget {
            target: _,
            raw,
            repair,
            added_at_s: _,
            removed_at_s: _,
            exception: _,
            derived: _,
        } = target;
        found.beside_targets.extend([raw, repair]);
    }
}

/// Groups of nodes and classes of line have names that people gave them.
pub(super) fn scope_texts(scope: &mut v1::Scope) -> Vec<&mut String> {
    let v1::Scope {
        territories: _,
        nodes,
        network_types: _,
        asns: _,
        audiences,
        except_nodes,
        except_audiences,
    } = scope;
    [nodes, audiences, except_nodes, except_audiences].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use remit_proto::v1;

    use super::super::{
        Veil,
        names::{Names, WITHHELD},
    };

    /// "unseen-9" is not there, and "req-4" stands beside no target.
    fn veil() -> Veil {
        let (unseen, targetless) = (["unseen-9".to_owned()], ["req-4".to_owned()]);
        let names = Names::of(unseen.iter());
        let targetless_names = Names::of(unseen.iter().chain(&targetless));
        Veil { names, targetless_names, ..Veil::default() }
    }

    #[test]
    fn no_text_of_a_request_names_what_is_hidden() {
        let text = || "goes back to unseen-9".to_owned();
        let deed = v1::Authorisation {
            external_ref: text(),
            court: text(),
            docket: text(),
            ecli: text(),
            legal_provisions: vec![v1::LegalProvision {
                jurisdiction: "DE".into(),
                instrument: text(),
                article: text(),
                url: text(),
            }],
            statement_of_reasons: text(),
            category: text(),
            keywords: vec![text()],
            authority: Some(v1::Authority {
                name: text(),
                branch: text(),
                level: text(),
                officer: Some(v1::Officer { name: text(), role: text(), contact: text() }),
                ..v1::Authority::default()
            }),
            parties: vec![v1::Party { name: text(), ..v1::Party::default() }],
            competence_check: Some(v1::CompetenceCheck {
                power_claimed: text(),
                delegated_by: text(),
                ..v1::CompetenceCheck::default()
            }),
            confidentiality: Some(v1::Confidentiality {
                legal_ground: text(),
                ..v1::Confidentiality::default()
            }),
            ..v1::Authorisation::default()
        };
        let scope = v1::Scope {
            nodes: vec![text()],
            audiences: vec![text()],
            except_nodes: vec![text()],
            except_audiences: vec![text()],
            ..v1::Scope::default()
        };
        let decision = v1::OperatorDecision {
            text: text(),
            escalation: text(),
            accepted_scope: Some(scope.clone()),
            ..v1::OperatorDecision::default()
        };
        let request = v1::Request {
            authorisation: Some(deed),
            notification: Some(v1::Notification {
                addressee: text(),
                shared_by: text(),
                redress: vec![v1::Redress { for_whom: text(), route: text(), deadline_s: 0 }],
                report_effect_to: Some(v1::EffectReport {
                    authority: text(),
                    ..v1::EffectReport::default()
                }),
                ..v1::Notification::default()
            }),
            task: Some(v1::Task {
                targets: vec![v1::RequestTarget {
                    raw: text(),
                    repair: text(),
                    ..v1::RequestTarget::default()
                }],
                measure: Some(v1::Measure { notice: text(), ..v1::Measure::default() }),
                scope: Some(scope),
                until_event: text(),
                ..v1::Task::default()
            }),
            documents: vec![v1::Document {
                media_type: text(),
                kind: text(),
                custody: text(),
                signature_note: text(),
                ..v1::Document::default()
            }],
            decision: Some(decision.clone()),
            impact: Some(v1::ImpactAssessment {
                rights_affected: vec![text()],
                collateral_estimate: text(),
                ..v1::ImpactAssessment::default()
            }),
            relations: vec![v1::Relation {
                kind: v1::RelationKind::DependsOnProceeding.into(),
                to: text(),
                outlives: false,
            }],
            time_assumption: text(),
            time_notes: vec![v1::TimeNote { written: text(), ..v1::TimeNote::default() }],
            closed: vec![v1::ClosedPart { ground: text(), ..v1::ClosedPart::default() }],
            ..v1::Request::default()
        };
        let mut row = v1::RequestRow {
            request: Some(request),
            decision: Some(decision),
            reason: text(),
            ..v1::RequestRow::default()
        };
        let before = format!("{row:?}").matches("unseen-9").count();
        veil().request(&mut row);
        let after = format!("{row:?}");
        assert!(!after.contains("unseen-9"), "{after}");
        assert_eq!(after.matches(WITHHELD).count(), before);
    }

    #[test]
    fn beside_a_target_less_is_named() {
        let text = || "as in req-4".to_owned();
        let target = v1::RequestTarget { raw: text(), repair: text(), ..Default::default() };
        let task = v1::Task { targets: vec![target], until_event: text(), ..Default::default() };
        let request = v1::Request { task: Some(task), ..v1::Request::default() };
        let mut row = v1::RequestRow { request: Some(request), ..v1::RequestRow::default() };
        veil().request(&mut row);
        let task = row.request.unwrap().task.unwrap();
        let v1::RequestTarget { raw, repair, .. } = &task.targets[0];
        assert_eq!((raw.as_str(), repair.as_str()), (WITHHELD, WITHHELD));
        assert_eq!(task.until_event, text());
        let mut entry = v1::ListEntry { raw: text(), ..v1::ListEntry::default() };
        veil().list_entry(&mut entry);
        assert_eq!(entry.raw, WITHHELD);
    }
}
