//! Back to the wire: what was read is written as it was.

use std::num::NonZeroU64;

use remit_proto::v1;

use super::{
    Closed, Decision, Derived, Details, Measure, Particulars, Removal, Request, RequestTarget,
    Scope, Territories,
};

impl From<&Request> for v1::Request {
    fn from(request: &Request) -> Self {
        request.to_wire_with(&request.targets)
    }
}

impl Request {
    /// With these targets in the place of its own: of a request that has millions, an answer holds a part.
    pub fn to_wire_with(&self, targets: &[RequestTarget]) -> v1::Request {
        let Request {
            id,
            version,
            prev_hash,
            instrument,
            basis_class,
            basis_proof,
            status,
            authority,
            form,
            to_publisher: _,
            targets: _,
            measure,
            scope,
            received_at_s,
            effective_from_s,
            effective_until_s,
            max_duration_s,
            windows,
            confirm_by_s,
            implement_by_s,
            removal,
            lists,
            covers_lists,
            closed,
            decision,
            relations,
            time_zone,
            particulars,
        } = self;
        let Particulars {
            external_ref,
            court,
            docket,
            ecli,
            decided_at_s,
            issued_at_s,
            legal_provisions,
            statement_of_reasons,
            category,
            keywords,
            parties,
            competence_check,
            confidentiality,
            addressee,
            addressee_role,
            shared_by,
            signature_status,
            language,
            served_at_s,
            acknowledged_at_s,
            redress,
            report_effect_to,
            until_event,
            review_due_s,
            documents,
            validity,
            impact,
            time_assumption,
            time_notes,
        } = particulars.as_ref().clone();
        let withheld_measure = self.withholds(v1::RequestPart::Measure);
        let (remove_within_s, remove_by_s) = match removal {
            Removal::WithinS(within_s) => (within_s.unsigned_abs(), 0),
            Removal::ByS(by_s) => (0, *by_s),
        };
        let lists = lists.iter().map(|list| v1::ListClaim {
            list_id: list.id.to_string(),
            version: list.version.to_string(),
        });
        let windows = windows.iter().map(|w| v1::Window { from_s: w.from_s, until_s: w.until_s });
        v1::Request {
            id: id.to_string(),
            version: *version,
            prev_hash: prev_hash.clone(),
            authorisation: Some(v1::Authorisation {
                external_ref,
                court,
                docket,
                ecli,
                decided_at_s: decided_at_s.unwrap_or(0),
                issued_at_s: issued_at_s.unwrap_or(0),
                instrument: (*instrument).into(),
                basis_class: (*basis_class).into(),
                legal_provisions,
                statement_of_reasons,
                category,
                keywords,
                authority: authority.as_deref().cloned(),
                parties,
                competence_check: competence_check.map(|check| *check),
                confidentiality,
            }),
            notification: Some(v1::Notification {
                addressee,
                addressee_role: addressee_role.into(),
                shared_by,
                form: (*form).into(),
                signature_status: signature_status.into(),
                language,
                served_at_s: served_at_s.unwrap_or(0),
                received_at_s: received_at_s.unwrap_or(0),
                acknowledged_at_s: acknowledged_at_s.unwrap_or(0),
                redress,
                report_effect_to,
            }),
            task: Some(v1::Task {
                targets: targets.iter().map(Into::into).collect(),
                measure: withheld_measure
                    .map_or_else(|| Some(Measure::clone(measure).into()), |_| None),
                scope: Some(Scope::clone(scope).into()),
                effective_from_s: *effective_from_s,
                effective_until_s: effective_until_s.unwrap_or(0),
                until_event,
                windows: windows.collect(),
                max_duration_s: max_duration_s.unwrap_or(0).unsigned_abs(),
                confirm_by_s: confirm_by_s.unwrap_or(0),
                implement_by_s: implement_by_s.unwrap_or(0),
                remove_within_s,
                remove_by_s,
                review_due_s: review_due_s.unwrap_or(0),
                lists: lists.collect(),
                covers_lists: covers_lists.iter().map(ToString::to_string).collect(),
            }),
            documents,
            status: (*status).into(),
            basis_proof: (*basis_proof).into(),
            decision: decision.as_deref().cloned().map(Into::into),
            validity,
            impact: impact.map(|impact| *impact),
            relations: relations.clone(),
            time_assumption,
            time_zone: time_zone.clone(),
            time_notes,
            closed: closed
                .iter()
                .cloned()
                .map(|closed| {
                    let Closed { part, tier, until_s, ground, opening, is_open: _, is_erased: _ } =
                        closed;
                    v1::ClosedPart {
                        part: part.into(),
                        tier: tier.into(),
                        until_s: until_s.unwrap_or(0),
                        ground,
                        opening,
                    }
                })
                .collect(),
        }
    }
}

impl From<&RequestTarget> for v1::RequestTarget {
    fn from(held: &RequestTarget) -> Self {
        let Details { raw, repair, added_at_s, removed_at_s, derived } = held.details();
        let RequestTarget { target, exception, .. } = held;
        Self {
            target: Some(target.to_wire()),
            raw,
            repair,
            added_at_s: added_at_s.unwrap_or(0),
            removed_at_s: removed_at_s.unwrap_or(0),
            exception: *exception,
            derived: derived.map(|derived| {
                let Derived { from, resolved_at_s, ttl_s, evidence } = derived;
                v1::Derived { from: Some(from.to_wire()), resolved_at_s, ttl_s, evidence }
            }),
        }
    }
}

impl From<Measure> for v1::Measure {
    fn from(measure: Measure) -> Self {
        let Measure {
            techniques,
            outcome_only,
            coarsest,
            derived_targets,
            notice_required,
            notice,
            throttle_to_bits_per_s,
        } = measure;
        Self {
            techniques: techniques.into_iter().map(Into::into).collect(),
            outcome_only,
            coarsest: coarsest.unwrap_or_default().into(),
            derived_targets,
            notice_required,
            notice,
            throttle_to_bits_per_s: throttle_to_bits_per_s.map_or(0, NonZeroU64::get),
        }
    }
}

impl From<Scope> for v1::Scope {
    fn from(scope: Scope) -> Self {
        let Scope {
            territories,
            nodes,
            except_nodes,
            network_types,
            asns,
            audiences,
            except_audiences,
            cells,
        } = scope;
        Self {
            territories: match territories {
                Territories::NotStated => Vec::new(),
                Territories::Everywhere => vec!["*".to_owned()],
                Territories::Listed(codes) => codes,
            },
            nodes,
            network_types: network_types.into_iter().map(Into::into).collect(),
            asns,
            audiences,
            except_nodes,
            except_audiences,
            cells,
        }
    }
}

impl From<Decision> for v1::OperatorDecision {
    fn from(decision: Decision) -> Self {
        let Decision { kind, reason, text, escalation, not_accepted, accepted_scope } = decision;
        Self {
            kind: kind.into(),
            reason: reason.into(),
            text,
            escalation,
            not_accepted: not_accepted.iter().map(crate::target::Target::to_wire).collect(),
            accepted_scope: accepted_scope.map(Into::into),
        }
    }
}
