//! The tables of a row: what belongs together is written together, and read here.

use std::collections::BTreeMap;

use evidence::PersonId;
use remit_proto::v1;
use serde::Deserialize;

use super::{
    RowError,
    mistakes::Mistakes,
    row::{hex_digest, word},
    shape, target,
    times::{Clock, Side, duration_s},
};
use crate::{territory, words};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuthorityRow {
    id: String,
    name: String,
    branch: String,
    country: String,
    level: String,
    officer: Option<OfficerRow>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OfficerRow {
    name: String,
    role: String,
    contact: String,
}

impl From<AuthorityRow> for v1::Authority {
    fn from(row: AuthorityRow) -> Self {
        let AuthorityRow { id, name, branch, country, level, officer } = row;
        let officer = officer.map(|row| {
            let OfficerRow { name, role, contact } = row;
            v1::Officer { name, role, contact }
        });
        Self { id, name, branch, country, level, officer }
    }
}

/// A part that is committed and not shown to everybody.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClosedRow {
    part: String,
    tier: String,
    until: Option<String>,
    #[serde(default)]
    ground: String,
}

impl ClosedRow {
    fn build(self, clock: &mut Clock<'_>, wrong: &mut Mistakes) -> v1::ClosedPart {
        let Self { part, tier, until, ground } = self;
        let part = wrong.take(word("closed.part", &part, words::parts, words::part));
        let tier = wrong.take(word("closed.tier", &tier, words::tiers, words::tier));
        v1::ClosedPart {
            part: part.into(),
            tier: tier.into(),
            until_s: wrong.take(at(clock, "closed.until", until, Side::End)),
            ground,
            opening: None,
        }
    }
}

/// What the row closes, and what is closed whether it says so or not: the name of an officer, the parties, of which
/// some are people, and free text, which everybody sees and which can be erased.
pub(super) fn closed(
    rows: Vec<ClosedRow>,
    request: &v1::Request,
    commits_text: bool,
    clock: &mut Clock<'_>,
    wrong: &mut Mistakes,
) -> Vec<v1::ClosedPart> {
    use v1::{DisclosureTier as Tier, RequestPart as Part};
    let mut closed: Vec<_> = rows.into_iter().map(|row| row.build(clock, wrong)).collect();
    let deed = request.authorisation.as_ref();
    let gives_reasons = deed.is_some_and(|deed| !deed.statement_of_reasons.is_empty());
    for (part, tier, always) in [
        (Part::Officer, Tier::Restricted, true),
        (Part::Parties, Tier::Restricted, true),
        (Part::Reasons, Tier::Public, commits_text && gives_reasons),
        (Part::Remarks, Tier::Public, commits_text),
    ] {
        let stated = closed.iter().any(|row| row.part() == part);
        let holds = evidence::closed::take(&mut request.clone(), part).is_some();
        if always && holds && !stated {
            let (part, tier) = (part.into(), tier.into());
            closed.push(v1::ClosedPart { part, tier, ..v1::ClosedPart::default() });
        }
    }
    closed
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
    pub(super) fn build(self, wrong: &mut Mistakes) -> v1::Party {
        let Self { role, name } = self;
        let role = wrong.take(word("parties.role", &role, words::parties, words::party));
        v1::Party { role: role.into(), name }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompetenceRow {
    #[serde(default)]
    power_claimed: String,
    #[serde(default)]
    delegated_by: String,
    /// The id of a person.
    verified_by: Option<String>,
    /// Given; a column of a table may hold any other key.
    result: Option<String>,
}

impl CompetenceRow {
    pub(super) fn build(self, wrong: &mut Mistakes) -> v1::CompetenceCheck {
        let Self { power_claimed, delegated_by, verified_by, result } = self;
        let result = wrong.take(match result {
            Some(text) => word("competence.result", &text, words::competences, words::competence),
            None => {
                let remedy = "say what was found, for example result = \"competent\"";
                Err(RowError::new("competence.result", "missing", remedy))
            }
        });
        v1::CompetenceCheck {
            power_claimed,
            delegated_by,
            verified_by: wrong.take(person("competence.verified_by", verified_by)),
            result: result.into(),
        }
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
    pub(super) fn build(self, clock: &mut Clock<'_>, wrong: &mut Mistakes) -> v1::Confidentiality {
        let Self { tier, scopes, ground, expires, reviewed } = self;
        let scope = |text: &String| {
            word("confidentiality.scopes", text, words::confidentials, words::confidential)
                .map(i32::from)
        };
        let tier = wrong.take(word("confidentiality.tier", &tier, words::tiers, words::tier));
        v1::Confidentiality {
            tier: tier.into(),
            scopes: wrong.all(scopes.iter().map(scope)),
            legal_ground: ground,
            expires_at_s: wrong.take(at(clock, "confidentiality.expires", expires, Side::End)),
            reviewed_at_s: wrong.take(at(clock, "confidentiality.reviewed", reviewed, Side::Start)),
        }
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
    pub(super) fn build(self, clock: &mut Clock<'_>, wrong: &mut Mistakes) -> v1::Redress {
        let Self { for_whom, route, deadline } = self;
        let deadline_s = wrong.take(at(clock, "redress.deadline", deadline, Side::End));
        v1::Redress { for_whom, route, deadline_s }
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
    pub(super) fn build(self, clock: &mut Clock<'_>, wrong: &mut Mistakes) -> v1::EffectReport {
        let Self { authority, due, sent } = self;
        v1::EffectReport {
            authority,
            due_s: wrong.take(at(clock, "report_effect_to.due", due, Side::End)),
            sent_at_s: wrong.take(at(clock, "report_effect_to.sent", sent, Side::Start)),
        }
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
    #[serde(default)]
    except_nodes: Vec<String>,
    #[serde(default)]
    network_types: Vec<String>,
    #[serde(default)]
    asns: Vec<u32>,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    except_audiences: Vec<String>,
    #[serde(default)]
    cells: Vec<String>,
}

impl DecisionRow {
    pub(super) fn build(self, wrong: &mut Mistakes) -> v1::OperatorDecision {
        let Self {
            kind,
            reason,
            text,
            escalation,
            not_accepted,
            territories,
            nodes,
            except_nodes,
            network_types,
            asns,
            audiences,
            except_audiences,
            cells,
        } = self;
        let kind = wrong.take(word("decision.kind", &kind, words::decisions, words::decision));
        let reason = reason.and_then(|text| {
            let field = "decision.reason";
            wrong.some(word(field, &text, words::operator_reasons, words::operator_reason))
        });
        for (problem, remedy) in territories.iter().filter_map(|t| territory::problem(t)) {
            wrong.add(RowError::new("decision.territories", problem, remedy));
        }
        let network = |text: &String| {
            let field = "decision.network_types";
            word(field, text, words::network_types, words::network_type).map(i32::from)
        };
        let scope = v1::Scope {
            territories,
            nodes,
            network_types: wrong.all(network_types.iter().map(network)),
            asns,
            audiences,
            except_nodes,
            except_audiences,
            cells,
        };
        let narrowed = scope != v1::Scope::default();
        let not_accepted = not_accepted
            .iter()
            .map(|text| Ok(target::of_text("decision.not_accepted", text)?.to_wire()));
        v1::OperatorDecision {
            kind: kind.into(),
            reason: reason.unwrap_or_default().into(),
            text,
            escalation,
            not_accepted: wrong.all(not_accepted),
            accepted_scope: narrowed.then(|| v1::Scope {
                territories: if scope.territories.is_empty() {
                    vec!["*".to_owned()]
                } else {
                    scope.territories
                },
                ..scope
            }),
        }
    }
}

/// What somebody found of one element of DSA Art. 9(2).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ValidityRow {
    state: Option<String>,
    /// The id of a person.
    by: Option<String>,
    at: Option<String>,
}

/// Element → state, or a table with the state, who found it and when.
pub(super) fn validity(
    stated: BTreeMap<String, ::toml::Value>,
    clock: &mut Clock<'_>,
    wrong: &mut Mistakes,
) -> Vec<v1::ValidityItem> {
    const REMEDY: &str =
        "write \"present\", or { state = \"present\", by = \"<person id>\", at = <time> }";
    let mut items = Vec::with_capacity(stated.len());
    for (name, value) in stated {
        let element = word("validity", &name, words::validity_elements, words::validity_element);
        let Some(element) = wrong.some(element) else { continue };
        let field = format!("validity.{}", words::validity_element(element));
        let row = match value {
            ::toml::Value::String(state) => {
                ValidityRow { state: Some(state), ..ValidityRow::default() }
            }
            other => {
                let row = other
                    .try_into::<ValidityRow>()
                    .map_err(|e| RowError::new(&field, shape::told(e.message()), REMEDY));
                let Some(row) = wrong.some(row) else { continue };
                row
            }
        };
        let ValidityRow { state, by, at: found } = row;
        let state = wrong.take(match state {
            Some(text) => word(&field, &text, words::validity_states, words::validity_state),
            None => {
                let missing = RowError::new(&field, "state is missing", REMEDY);
                Err(missing.of_fault(v1::RowFault::Missing))
            }
        });
        items.push(v1::ValidityItem {
            element: element.into(),
            state: state.into(),
            by: wrong.take(person(&format!("{field}.by"), by)),
            at_s: wrong.take(at(clock, &format!("{field}.at"), found, Side::Start)),
        });
    }
    items
}

/// Whom the file names by an id. Which role somebody has is known where people are enrolled; no file states it. What
/// is no id is not shown: it may be a name, and what an import says is kept by whoever runs it from a timer.
fn person(field: &str, text: Option<String>) -> Result<Option<v1::PersonRef>, RowError> {
    let Some(text) = text else { return Ok(None) };
    let id: PersonId = text.trim().parse().map_err(|_| {
        let remedy = "write the person's opaque id, 1 to 63 of a-z, 0-9 and '-'; never a name";
        RowError::new(field, "it is no id of a person", remedy)
    })?;
    Ok(Some(v1::PersonRef { person: id.to_string(), role: v1::Role::Unspecified.into() }))
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
    pub(super) fn build(self, clock: &mut Clock<'_>, wrong: &mut Mistakes) -> v1::ImpactAssessment {
        let Self { rights, scale, scope, irremediability, collateral, made, unconventional } = self;
        let mut severity = |field: &str, text: Option<String>| {
            let read = text.map(|text| word(field, &text, words::grades, words::grade));
            read.map_or(0, |grade| wrong.take(grade).into())
        };
        let scale = severity("impact.scale", scale);
        let scope = severity("impact.scope", scope);
        let irremediability = severity("impact.irremediability", irremediability);
        v1::ImpactAssessment {
            rights_affected: rights,
            scale,
            scope,
            irremediability,
            collateral_estimate: collateral,
            made_at_s: wrong.take(at(clock, "impact.made", made, Side::Start)),
            unconventional,
        }
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
    pub(super) fn build(self, wrong: &mut Mistakes) -> Option<v1::Relation> {
        let RelationParts { kind, to, outlives } = match self {
            Self::Parts(parts) => parts,
            Self::Text(text) => {
                let (kind, to) = wrong.some(text.split_once(':').ok_or_else(|| {
                    let problem = format!("{text:?} names no kind");
                    RowError::new("relations", problem, "write \"confirms:<request id>\"")
                }))?;
                RelationParts { kind: kind.to_owned(), to: to.to_owned(), outlives: false }
            }
        };
        let kind = wrong.some(word("relations.kind", &kind, words::relations, words::relation))?;
        Some(v1::Relation { kind: kind.into(), to, outlives })
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
    pub(super) fn build(self, wrong: &mut Mistakes) -> v1::Document {
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
        v1::Document {
            digest: wrong.take(hex_digest("documents.digest", &digest)),
            media_type,
            kind,
            language,
            translation_of: wrong.take(optional("documents.translation_of", translation_of)),
            signature_status: wrong.take(status.transpose()).unwrap_or_default().into(),
            signature_digest: wrong.take(optional("documents.signature", signature)),
            anchor_digest: wrong.take(optional("documents.anchor", anchor)),
            custody,
            signature: None,
            signature_note: String::new(),
        }
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
    pub(super) fn build(self, clock: &mut Clock<'_>, wrong: &mut Mistakes) -> v1::Derived {
        let Self { from, resolved, ttl, evidence } = self;
        let ttl_s = ttl.map_or(Some(0), |text| u32::try_from(duration_s(&text)?).ok());
        let from = wrong.some(target::of_text("targets.derived.from", &from));
        let resolved = clock.instant("targets.derived.resolved", &resolved, Side::Start);
        let evidence =
            evidence.map_or(Ok(Vec::new()), |text| hex_digest("targets.derived.evidence", &text));
        v1::Derived {
            from: from.map(|target| target.to_wire()),
            resolved_at_s: wrong.take(resolved),
            ttl_s: wrong.take(ttl_s.ok_or_else(|| {
                RowError::new("targets.derived.ttl", "it is no duration", "write 300s or 1h")
            })),
            evidence: wrong.take(evidence),
        }
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
