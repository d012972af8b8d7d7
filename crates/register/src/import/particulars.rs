//! The tables of a row: what belongs together is written together, and read here.

use std::collections::BTreeMap;

use remit_proto::v1;
use serde::Deserialize;

use super::{
    RowError,
    row::{hex_digest, word},
    target,
    times::{Clock, Side, duration_s},
};
use crate::words;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuthorityRow {
    id: String,
    name: String,
    branch: String,
    country: String,
    level: String,
}

impl From<AuthorityRow> for v1::Authority {
    fn from(row: AuthorityRow) -> Self {
        let AuthorityRow { id, name, branch, country, level } = row;
        Self { id, name, branch, country, level }
    }
}

/// "TMG, section 10", or its parts.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum ProvisionRow {
    Text(String),
    Parts(ProvisionParts),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProvisionParts {
    jurisdiction: String,
    instrument: String,
    article: String,
    url: String,
}

impl From<ProvisionRow> for v1::LegalProvision {
    fn from(row: ProvisionRow) -> Self {
        let ProvisionParts { jurisdiction, instrument, article, url } = match row {
            ProvisionRow::Text(instrument) => {
                ProvisionParts { instrument, ..ProvisionParts::default() }
            }
            ProvisionRow::Parts(parts) => parts,
        };
        Self { jurisdiction, instrument, article, url }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartyRow {
    role: String,
    name: String,
}

impl PartyRow {
    pub(super) fn build(self) -> Result<v1::Party, RowError> {
        let Self { role, name } = self;
        let role = word("parties.role", &role, words::parties, words::party)?;
        Ok(v1::Party { role: role.into(), name })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompetenceRow {
    #[serde(default)]
    power_claimed: String,
    #[serde(default)]
    delegated_by: String,
    result: String,
}

impl CompetenceRow {
    pub(super) fn build(self) -> Result<v1::CompetenceCheck, RowError> {
        let Self { power_claimed, delegated_by, result } = self;
        let result = word("competence.result", &result, words::competences, words::competence)?;
        Ok(v1::CompetenceCheck {
            power_claimed,
            delegated_by,
            verified_by: None,
            result: result.into(),
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfidentialityRow {
    tier: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    ground: String,
    expires: Option<String>,
    reviewed: Option<String>,
}

impl ConfidentialityRow {
    pub(super) fn build(self, clock: &mut Clock<'_>) -> Result<v1::Confidentiality, RowError> {
        let Self { tier, scopes, ground, expires, reviewed } = self;
        let scope = |text: &String| {
            word("confidentiality.scopes", text, words::confidentials, words::confidential)
        };
        let tier = word("confidentiality.tier", &tier, words::tiers, words::tier)?;
        Ok(v1::Confidentiality {
            tier: tier.into(),
            scopes: scopes.iter().map(|s| scope(s).map(i32::from)).collect::<Result<_, _>>()?,
            legal_ground: ground,
            expires_at_s: at(clock, "confidentiality.expires", expires, Side::End)?,
            reviewed_at_s: at(clock, "confidentiality.reviewed", reviewed, Side::Start)?,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedressRow {
    #[serde(rename = "for")]
    for_whom: String,
    route: String,
    deadline: Option<String>,
}

impl RedressRow {
    pub(super) fn build(self, clock: &mut Clock<'_>) -> Result<v1::Redress, RowError> {
        let Self { for_whom, route, deadline } = self;
        let deadline_s = at(clock, "redress.deadline", deadline, Side::End)?;
        Ok(v1::Redress { for_whom, route, deadline_s })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EffectRow {
    authority: String,
    due: Option<String>,
    sent: Option<String>,
}

impl EffectRow {
    pub(super) fn build(self, clock: &mut Clock<'_>) -> Result<v1::EffectReport, RowError> {
        let Self { authority, due, sent } = self;
        Ok(v1::EffectReport {
            authority,
            due_s: at(clock, "report_effect_to.due", due, Side::End)?,
            sent_at_s: at(clock, "report_effect_to.sent", sent, Side::Start)?,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionRow {
    kind: String,
    reason: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    escalation: String,
    /// "<kind>:<value>", as in targets.
    #[serde(default)]
    not_accepted: Vec<String>,
    /// Of accept_narrowed: accepted only there.
    #[serde(default)]
    territories: Vec<String>,
    #[serde(default)]
    nodes: Vec<String>,
}

impl DecisionRow {
    pub(super) fn build(self) -> Result<v1::OperatorDecision, RowError> {
        let Self { kind, reason, text, escalation, not_accepted, territories, nodes } = self;
        let kind = word("decision.kind", &kind, words::decisions, words::decision)?;
        let reason = reason
            .map(|text| {
                word("decision.reason", &text, words::operator_reasons, words::operator_reason)
            })
            .transpose()?;
        let narrowed = !(territories.is_empty() && nodes.is_empty());
        Ok(v1::OperatorDecision {
            kind: kind.into(),
            reason: reason.unwrap_or_default().into(),
            text,
            escalation,
            not_accepted: not_accepted
                .iter()
                .map(|text| Ok(target::of_text("decision.not_accepted", text)?.to_wire()))
                .collect::<Result<_, RowError>>()?,
            accepted_scope: narrowed.then(|| v1::Scope {
                territories: if territories.is_empty() {
                    vec!["*".to_owned()]
                } else {
                    territories
                },
                nodes,
                ..v1::Scope::default()
            }),
        })
    }
}

/// Element → state, in words.
pub(super) fn validity(
    stated: BTreeMap<String, String>,
) -> Result<Vec<v1::ValidityItem>, RowError> {
    let item = |(element, state): (String, String)| {
        let element =
            word("validity", &element, words::validity_elements, words::validity_element)?;
        let state = word("validity", &state, words::validity_states, words::validity_state)?;
        Ok(v1::ValidityItem {
            element: element.into(),
            state: state.into(),
            ..v1::ValidityItem::default()
        })
    };
    stated.into_iter().map(item).collect()
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ImpactRow {
    rights: Vec<String>,
    scale: Option<String>,
    scope: Option<String>,
    irremediability: Option<String>,
    collateral: String,
    made: Option<String>,
    unconventional: bool,
}

impl ImpactRow {
    pub(super) fn build(self, clock: &mut Clock<'_>) -> Result<v1::ImpactAssessment, RowError> {
        let Self { rights, scale, scope, irremediability, collateral, made, unconventional } = self;
        let severity = |field: &str, text: Option<String>| {
            text.map_or(Ok(0), |text| {
                word(field, &text, words::grades, words::grade).map(i32::from)
            })
        };
        Ok(v1::ImpactAssessment {
            rights_affected: rights,
            scale: severity("impact.scale", scale)?,
            scope: severity("impact.scope", scope)?,
            irremediability: severity("impact.irremediability", irremediability)?,
            collateral_estimate: collateral,
            made_at_s: at(clock, "impact.made", made, Side::Start)?,
            unconventional,
        })
    }
}

/// "confirms:court/2026-001", or its parts.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RelationRow {
    Text(String),
    Parts(RelationParts),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelationParts {
    kind: String,
    to: String,
    #[serde(default)]
    outlives: bool,
}

impl RelationRow {
    pub(super) fn build(self) -> Result<v1::Relation, RowError> {
        let RelationParts { kind, to, outlives } = match self {
            Self::Parts(parts) => parts,
            Self::Text(text) => {
                let (kind, to) = text.split_once(':').ok_or_else(|| {
                    let problem = format!("{text:?} names no kind");
                    RowError::new("relations", problem, "write \"confirms:<request id>\"")
                })?;
                RelationParts { kind: kind.to_owned(), to: to.to_owned(), outlives: false }
            }
        };
        let kind = word("relations.kind", &kind, words::relations, words::relation)?;
        Ok(v1::Relation { kind: kind.into(), to, outlives })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentRow {
    /// SHA-256 as 64 hex digits.
    digest: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    language: String,
    translation_of: Option<String>,
    signature_status: Option<String>,
    /// Digest of a detached signature.
    signature: Option<String>,
    /// Digest of the trust anchor under which it was checked.
    anchor: Option<String>,
    #[serde(default)]
    custody: String,
}

impl DocumentRow {
    pub(super) fn build(self) -> Result<v1::Document, RowError> {
        let Self {
            digest,
            media_type,
            kind,
            language,
            translation_of,
            signature_status,
            signature,
            anchor,
            custody,
        } = self;
        let optional = |field: &str, text: Option<String>| {
            text.map_or(Ok(Vec::new()), |text| hex_digest(field, &text))
        };
        let status = signature_status.map(|text| {
            let field = "documents.signature_status";
            word(field, &text, words::signature_statuses, words::signature_status)
        });
        Ok(v1::Document {
            digest: hex_digest("documents.digest", &digest)?,
            media_type,
            kind,
            language,
            translation_of: optional("documents.translation_of", translation_of)?,
            signature_status: status.transpose()?.unwrap_or_default().into(),
            signature_digest: optional("documents.signature", signature)?,
            anchor_digest: optional("documents.anchor", anchor)?,
            custody,
        })
    }
}

/// From which name an address was resolved.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DerivedRow {
    /// "<kind>:<value>", as in targets.
    from: String,
    resolved: String,
    ttl: Option<String>,
    /// Digest of the answer.
    evidence: Option<String>,
}

impl DerivedRow {
    pub(super) fn build(self, clock: &mut Clock<'_>) -> Result<v1::Derived, RowError> {
        let Self { from, resolved, ttl, evidence } = self;
        let ttl_s = ttl.map_or(Some(0), |text| u32::try_from(duration_s(&text)?).ok());
        Ok(v1::Derived {
            from: Some(target::of_text("targets.derived.from", &from)?.to_wire()),
            resolved_at_s: clock.instant("targets.derived.resolved", &resolved, Side::Start)?,
            ttl_s: ttl_s.ok_or_else(|| {
                RowError::new("targets.derived.ttl", "it is no duration", "write 300s or 1h")
            })?,
            evidence: evidence
                .map_or(Ok(Vec::new()), |text| hex_digest("targets.derived.evidence", &text))?,
        })
    }
}

/// 0 where nothing is written.
pub(super) fn at(
    clock: &mut Clock<'_>,
    field: &str,
    text: Option<String>,
    side: Side,
) -> Result<i64, RowError> {
    text.map_or(Ok(0), |text| clock.instant(field, &text, side))
}
