//! Every text of a request, by the name of its field in a requests file.

use remit_proto::v1;

use super::{
    Closed, Decision, Measure, Particulars, Request, RequestTarget, Scope,
    intake::TextForm::{self, Line, Prose, Raw},
};

/// What is done with each text.
type See<'s> = dyn FnMut(&'static str, &str, TextForm) + 's;

impl Request {
    /// Ids, codes and what has a form of its own are none. Each message is taken apart whole, so that a new text has
    /// to be put here.
    pub(super) fn each_text(&self, see: &mut See<'_>) {
        let Self {
            id: _,
            version: _,
            prev_hash: _,
            instrument: _,
            basis_class: _,
            basis_proof: _,
            status: _,
            authority,
            form: _,
            to_publisher: _,
            targets,
            measure,
            scope,
            received_at_s: _,
            effective_from_s: _,
            effective_until_s: _,
            max_duration_s: _,
            windows: _,
            confirm_by_s: _,
            implement_by_s: _,
            removal: _,
            lists: _,
            covers_lists: _,
            closed,
            decision,
            relations,
            time_zone,
            particulars,
        } = self;
        see("time_zone", time_zone, Line);
        if let Some(authority) = authority {
            let v1::Authority { id, name, branch, country, level, officer } = &**authority;
            see("authority.id", id, Line);
            see("authority.name", name, Line);
            see("authority.branch", branch, Line);
            see("authority.country", country, Line);
            see("authority.level", level, Line);
            if let Some(v1::Officer { name, role, contact }) = officer {
                see("authority.officer.name", name, Line);
                see("authority.officer.role", role, Line);
                see("authority.officer.contact", contact, Line);
            }
        }
        let Measure {
            techniques: _,
            outcome_only: _,
            coarsest: _,
            derived_targets: _,
            notice_required: _,
            notice,
            throttle_to_bits_per_s: _,
        } = &**measure;
        see("notice", notice, Prose);
        scope_texts(scope, see);
        for Closed { part: _, tier: _, until_s: _, ground, opening: _, is_open: _, is_erased: _ } in
            closed
        {
            see("closed.ground", ground, Line);
        }
        if let Some(decision) = decision {
            let Decision { kind: _, reason: _, text, escalation, not_accepted: _, accepted_scope } =
                &**decision;
            see("decision.text", text, Prose);
            see("decision.escalation", escalation, Prose);
            if let Some(scope) = accepted_scope {
                scope_texts(scope, see);
            }
        }
        for v1::Relation { kind: _, to, outlives: _ } in relations {
            see("relations.to", to, Line);
        }
        for RequestTarget { target: _, exception: _, is_raw: _, added_at_s: _, rest } in targets {
            if let Some(rest) = rest {
                see("targets.raw", &rest.raw, Raw);
                see("targets.repaired", &rest.repair, Raw);
            }
        }
        particulars.each_text(see);
    }
}

fn scope_texts(scope: &Scope, see: &mut See<'_>) {
    let Scope {
        territories: _,
        nodes,
        except_nodes,
        network_types: _,
        asns: _,
        audiences,
        except_audiences,
    } = scope;
    for (field, texts) in [
        ("nodes", nodes),
        ("except_nodes", except_nodes),
        ("audiences", audiences),
        ("except_audiences", except_audiences),
    ] {
        texts.iter().for_each(|text| see(field, text, Line));
    }
}

impl Particulars {
    fn each_text(&self, see: &mut See<'_>) {
        let Self {
            external_ref,
            court,
            docket,
            ecli,
            decided_at_s: _,
            issued_at_s: _,
            legal_provisions,
            statement_of_reasons,
            category,
            keywords,
            parties,
            competence_check,
            confidentiality,
            addressee,
            addressee_role: _,
            shared_by,
            signature_status: _,
            language,
            served_at_s: _,
            acknowledged_at_s: _,
            redress,
            report_effect_to,
            until_event,
            review_due_s: _,
            documents,
            validity,
            impact,
            time_assumption,
            time_notes,
        } = self;
        for (field, text) in [
            ("external_ref", external_ref),
            ("court", court),
            ("docket", docket),
            ("ecli", ecli),
            ("category", category),
            ("addressee", addressee),
            ("shared_by", shared_by),
            ("language", language),
            ("until_event", until_event),
            ("time_assumption", time_assumption),
        ] {
            see(field, text, Line);
        }
        see("statement_of_reasons", statement_of_reasons, Prose);
        keywords.iter().for_each(|text| see("keywords", text, Line));
        for v1::LegalProvision { jurisdiction, instrument, article, url } in legal_provisions {
            see("legal_provisions.jurisdiction", jurisdiction, Line);
            see("legal_provisions.instrument", instrument, Line);
            see("legal_provisions.article", article, Line);
            see("legal_provisions.url", url, Line);
        }
        for v1::Party { role: _, name } in parties {
            see("parties.name", name, Line);
        }
        if let Some(check) = competence_check {
            let v1::CompetenceCheck { power_claimed, delegated_by, verified_by: _, result: _ } =
                &**check;
            see("competence.power_claimed", power_claimed, Line);
            see("competence.delegated_by", delegated_by, Line);
        }
        if let Some(secrecy) = confidentiality {
            let v1::Confidentiality {
                tier: _,
                scopes: _,
                legal_ground,
                expires_at_s: _,
                reviewed_at_s: _,
            } = secrecy;
            see("confidentiality.ground", legal_ground, Line);
        }
        for v1::Redress { for_whom, route, deadline_s: _ } in redress {
            see("redress.for", for_whom, Line);
            see("redress.route", route, Prose);
        }
        if let Some(v1::EffectReport { authority, due_s: _, sent_at_s: _ }) = report_effect_to {
            see("report_effect_to.authority", authority, Line);
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
            } = &**impact;
            rights_affected.iter().for_each(|text| see("impact.rights", text, Line));
            see("impact.collateral", collateral_estimate, Prose);
        }
        for document in documents {
            let v1::Document {
                digest: _,
                media_type,
                kind,
                language,
                translation_of: _,
                signature_status: _,
                signature_digest: _,
                anchor_digest: _,
                custody,
                signature: _,
                signature_note,
            } = document;
            see("documents.media_type", media_type, Line);
            see("documents.kind", kind, Line);
            see("documents.language", language, Line);
            see("documents.custody", custody, Line);
            see("documents.signature_note", signature_note, Prose);
        }
        for v1::TimeNote { field, written, precision: _, zone_assumed: _ } in time_notes {
            see("time_notes", field, Line);
            see("time_notes", written, Line);
        }
    }
}
