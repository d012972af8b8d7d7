//! From the wire: each message taken apart by field.

use std::{num::NonZeroU64, sync::Arc};

use remit_proto::v1;

use super::{
    Closed, Decision, Derived, Details, ListVersion, Measure, Particulars, Removal, Request,
    RequestTarget, Scope, Territories, Window,
    check::{InvalidRequest, TIME_MAX_S, invalid, is_territory, known, seconds, stated},
};
use crate::target::{Target, TargetError};

impl TryFrom<v1::Request> for Request {
    type Error = InvalidRequest;

    fn try_from(wire: v1::Request) -> Result<Self, InvalidRequest> {
        let v1::Request {
            id,
            version,
            prev_hash,
            authorisation,
            notification,
            task,
            documents,
            status,
            basis_proof,
            decision,
            validity,
            impact,
            relations,
            time_assumption,
            time_zone,
            time_notes,
            closed,
        } = wire;
        let closed = closed.into_iter().map(Closed::try_from).collect::<Result<Vec<_>, _>>()?;
        let closes = |part: v1::RequestPart| closed.iter().any(|closed| closed.part == part);
        let v1::Authorisation {
            external_ref,
            court,
            docket,
            ecli,
            decided_at_s,
            issued_at_s,
            instrument,
            basis_class,
            legal_provisions,
            statement_of_reasons,
            category,
            keywords,
            authority,
            parties,
            competence_check,
            confidentiality,
        } = authorisation.ok_or_else(|| invalid("authorisation", "missing"))?;
        let v1::Notification {
            addressee,
            addressee_role,
            shared_by,
            form,
            signature_status,
            language,
            served_at_s,
            received_at_s,
            acknowledged_at_s,
            redress,
            report_effect_to,
        } = notification.ok_or_else(|| invalid("notification", "missing"))?;
        let v1::Task {
            targets,
            measure,
            scope,
            effective_from_s,
            effective_until_s,
            until_event,
            windows,
            max_duration_s,
            confirm_by_s,
            implement_by_s,
            remove_within_s,
            remove_by_s,
            review_due_s,
            lists,
            covers_lists,
        } = task.ok_or_else(|| invalid("task", "missing"))?;
        let addressee_role = v1::AddresseeRole::try_from(addressee_role)
            .map_err(|_| invalid("notification.addressee_role", "has no meaning here"))?;
        let removal = match (remove_within_s, remove_by_s) {
            (within_s, 0) => Removal::WithinS(seconds(within_s, "remove_within_s")?),
            (0, by_s) => Removal::ByS(by_s),
            (_, _) => return Err(invalid("remove_by_s", "stands beside remove_within_s")),
        };
        let max_duration_s = match max_duration_s {
            0 => None,
            longest => Some(seconds(longest, "max_duration_s")?),
        };
        let request = Self {
            id: id.parse().map_err(|e| invalid("id", format!("{e}")))?,
            version,
            prev_hash,
            instrument: known(instrument, "instrument")?,
            basis_class: known(basis_class, "basis_class")?,
            basis_proof: known(basis_proof, "basis_proof")?,
            status: known(status, "status")?,
            authority: authority.map(Arc::new),
            form: known(form, "form")?,
            to_publisher: addressee_role == v1::AddresseeRole::Publisher,
            targets: read_targets(targets)?,
            measure: match measure {
                None if closes(v1::RequestPart::Measure) => Arc::new(Measure::withheld()),
                None => return Err(invalid("measure", "missing: say techniques or outcome_only")),
                Some(measure) => Arc::new(measure.try_into()?),
            },
            scope: Arc::new(scope.unwrap_or_default().try_into()?),
            received_at_s: stated(received_at_s),
            effective_from_s,
            effective_until_s: stated(effective_until_s),
            max_duration_s,
            windows: windows.into_iter().map(Window::from).collect(),
            confirm_by_s: stated(confirm_by_s),
            implement_by_s: stated(implement_by_s),
            removal,
            lists: lists.into_iter().map(ListVersion::try_from).collect::<Result<_, _>>()?,
            covers_lists: covers_lists
                .iter()
                .map(|id| id.parse().map_err(|e| invalid("covers_lists", format!("{e}"))))
                .collect::<Result<_, _>>()?,
            closed,
            decision: decision.map(Decision::try_from).transpose()?.map(Box::new),
            relations,
            time_zone,
            particulars: Box::new(Particulars {
                external_ref,
                court,
                docket,
                ecli,
                decided_at_s: stated(decided_at_s),
                issued_at_s: stated(issued_at_s),
                legal_provisions,
                statement_of_reasons,
                category,
                keywords,
                parties,
                competence_check: competence_check.map(Box::new),
                confidentiality,
                addressee,
                addressee_role,
                shared_by,
                signature_status: v1::SignatureStatus::try_from(signature_status)
                    .map_err(|_| invalid("notification.signature_status", "has no meaning here"))?,
                language,
                served_at_s: stated(served_at_s),
                acknowledged_at_s: stated(acknowledged_at_s),
                redress,
                report_effect_to,
                until_event,
                review_due_s: stated(review_due_s),
                documents,
                validity,
                impact: impact.map(Box::new),
                time_assumption,
                time_notes,
            }),
        };
        request.check()
    }
}

fn read_targets(wire: Vec<v1::RequestTarget>) -> Result<Vec<RequestTarget>, InvalidRequest> {
    // Not in the place of the wire's, which are several times as large and would leave a hole behind each.
    let mut targets = Vec::with_capacity(wire.len());
    for target in wire {
        targets.push(target.try_into()?);
    }
    Ok(targets)
}

impl TryFrom<v1::RequestTarget> for RequestTarget {
    type Error = InvalidRequest;
    fn try_from(wire: v1::RequestTarget) -> Result<Self, InvalidRequest> {
        let v1::RequestTarget { target, raw, repair, added_at_s, removed_at_s, exception, derived } =
            wire;
        // Before there is a target: one of these values says there that there is none.
        if !(0..=TIME_MAX_S).contains(&added_at_s) {
            return Err(invalid("targets.added_at_s", "a time outside the years 1970 to 9999"));
        }
        let details = Details {
            raw,
            repair,
            added_at_s: stated(added_at_s),
            removed_at_s: stated(removed_at_s),
            derived: derived.map(Derived::try_from).transpose()?,
        };
        Ok(Self::new(canonical(target, "targets.target")?, exception, details))
    }
}

impl TryFrom<v1::Derived> for Derived {
    type Error = InvalidRequest;
    fn try_from(wire: v1::Derived) -> Result<Self, InvalidRequest> {
        let v1::Derived { from, resolved_at_s, ttl_s, evidence } = wire;
        let from = canonical(from, "targets.derived.from")?;
        Ok(Self { from, resolved_at_s, ttl_s, evidence })
    }
}

fn canonical(wire: Option<v1::Target>, field: &'static str) -> Result<Target, InvalidRequest> {
    let wire = wire.ok_or_else(|| invalid(field, "missing"))?;
    Target::from_wire(&wire)
        .map_err(|e: TargetError| invalid(field, format!("{e}: {:?}", wire.value)))
}

impl TryFrom<v1::Measure> for Measure {
    type Error = InvalidRequest;
    fn try_from(wire: v1::Measure) -> Result<Self, InvalidRequest> {
        let v1::Measure {
            techniques,
            outcome_only,
            coarsest,
            derived_targets,
            notice_required,
            notice,
            throttle_to_bits_per_s,
        } = wire;
        let techniques: Vec<v1::Technique> = techniques
            .into_iter()
            .map(|t| known(t, "measure.techniques"))
            .collect::<Result<_, _>>()?;
        if techniques.is_empty() && !outcome_only {
            return Err(invalid(
                "measure",
                "permits nothing: list techniques, or say outcome_only if the operator chooses",
            ));
        }
        let coarsest = match coarsest {
            0 => None,
            kind => Some(known(kind, "measure.coarsest")?),
        };
        let throttle_to_bits_per_s = NonZeroU64::new(throttle_to_bits_per_s);
        let may_throttle = techniques.contains(&v1::Technique::Throttle)
            || (outcome_only && techniques.is_empty());
        if throttle_to_bits_per_s.is_some() && !may_throttle {
            return Err(invalid(
                "measure.throttle_to_bits_per_s",
                "throttling is not permitted: name the technique throttle, or leave the rate out",
            ));
        }
        Ok(Self {
            techniques,
            outcome_only,
            coarsest,
            derived_targets,
            notice_required,
            notice,
            throttle_to_bits_per_s,
        })
    }
}

impl TryFrom<v1::Scope> for Scope {
    type Error = InvalidRequest;
    fn try_from(wire: v1::Scope) -> Result<Self, InvalidRequest> {
        let v1::Scope {
            territories,
            nodes,
            network_types,
            asns,
            audiences,
            except_nodes,
            except_audiences,
            cells,
        } = wire;
        if let Some(bad) = territories.iter().find(|t| *t != "*" && !is_territory(t)) {
            return Err(invalid(
                "scope.territories",
                format!("{bad:?} is no code of ISO 3166 such as DE or DE-BE, nor \"*\""),
            ));
        }
        let territories = if territories.iter().any(|t| t == "*") {
            Territories::Everywhere
        } else if territories.is_empty() {
            Territories::NotStated
        } else {
            Territories::Listed(territories)
        };
        let network_types = network_types
            .into_iter()
            .map(|n| known(n, "scope.network_types"))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            territories,
            nodes,
            except_nodes,
            network_types,
            asns,
            audiences,
            except_audiences,
            cells,
        })
    }
}

impl TryFrom<v1::ClosedPart> for Closed {
    type Error = InvalidRequest;
    fn try_from(wire: v1::ClosedPart) -> Result<Self, InvalidRequest> {
        let v1::ClosedPart { part, tier, until_s, ground, opening } = wire;
        Ok(Self {
            part: known(part, "closed.part")?,
            tier: known(tier, "closed.tier")?,
            until_s: stated(until_s),
            ground,
            opening,
            is_open: false,
            is_erased: false,
        })
    }
}

impl Measure {
    /// Nothing is known of it.
    fn withheld() -> Self {
        Self {
            techniques: Vec::new(),
            outcome_only: false,
            coarsest: None,
            derived_targets: false,
            notice_required: false,
            notice: String::new(),
            throttle_to_bits_per_s: None,
        }
    }
}

impl From<v1::Window> for Window {
    fn from(v1::Window { from_s, until_s }: v1::Window) -> Self {
        Self { from_s, until_s }
    }
}

impl TryFrom<v1::ListClaim> for ListVersion {
    type Error = InvalidRequest;
    fn try_from(wire: v1::ListClaim) -> Result<Self, InvalidRequest> {
        let v1::ListClaim { list_id, version } = wire;
        Ok(Self {
            id: list_id.parse().map_err(|e| invalid("lists", format!("{e}")))?,
            version: version.parse().map_err(|e| invalid("lists", format!("{e}")))?,
        })
    }
}

impl TryFrom<v1::OperatorDecision> for Decision {
    type Error = InvalidRequest;
    fn try_from(wire: v1::OperatorDecision) -> Result<Self, InvalidRequest> {
        use v1::DecisionKind::{Accept, AcceptNarrowed, Partial};
        let v1::OperatorDecision { kind, reason, text, escalation, not_accepted, accepted_scope } =
            wire;
        let kind = known(kind, "decision.kind")?;
        let reason = match (kind, reason) {
            (Accept, 0) => v1::OperatorReason::Unspecified,
            (_, reason) => known(reason, "decision.reason")?,
        };
        if (kind == Partial) == not_accepted.is_empty() {
            return Err(invalid("decision.not_accepted", "given exactly for a partial acceptance"));
        }
        if (kind == AcceptNarrowed) != accepted_scope.is_some() {
            return Err(invalid(
                "decision.accepted_scope",
                "given exactly for a narrowed acceptance",
            ));
        }
        Ok(Self {
            kind,
            reason,
            text,
            escalation,
            not_accepted: not_accepted
                .into_iter()
                .map(|target| canonical(Some(target), "decision.not_accepted"))
                .collect::<Result<_, _>>()?,
            accepted_scope: accepted_scope.map(Scope::try_from).transpose()?,
        })
    }
}
