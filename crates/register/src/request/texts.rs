//! Every text of a request: what people wrote in their own words, and what a program filled in for them.
//!
//! It is the one list of them. What is taken in is looked at by it ([`intake`](super::intake)), and what is shown to
//! somebody who may not know of another request is searched for that one's name.

use remit_proto::v1;

use super::intake::TextForm::{self, Line, Lines, Office, Open, Prose, Raw};

/// A text, by the name of its field in a requests file.
#[derive(Debug)]
pub struct Text<'r> {
    pub field: &'static str,
    pub text: &'r mut String,
    pub place: Place,
    pub(super) form: TextForm,
}

/// Where a text stands, and what it can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A code, or an id that has a form of its own: it names no other request in passing.
    Code,
    Words,
    /// Beside a target.
    Target,
}

use Place::{Code, Words};

/// Texts as they are found.
#[derive(Default)]
struct Found<'r>(Vec<Text<'r>>);

impl<'r> Found<'r> {
    fn add(&mut self, field: &'static str, text: &'r mut String, form: TextForm, place: Place) {
        self.0.push(Text { field, text, place, form });
    }

    fn words(&mut self, field: &'static str, text: &'r mut String) {
        self.add(field, text, Line, Words);
    }

    fn office(&mut self, field: &'static str, text: &'r mut String) {
        self.add(field, text, Office, Words);
    }

    /// In the clear for good, or read by everybody: a number, a word, and nothing that leads to a person.
    fn open(&mut self, field: &'static str, text: &'r mut String) {
        self.add(field, text, Open, Words);
    }

    fn prose(&mut self, field: &'static str, text: &'r mut String) {
        self.add(field, text, Prose, Words);
    }

    fn code(&mut self, field: &'static str, text: &'r mut String) {
        self.add(field, text, Line, Code);
    }
}

/// Each message is taken apart whole, so that a new text has to be put here.
pub fn texts(request: &mut v1::Request) -> Vec<Text<'_>> {
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
        decision,
        validity,
        impact,
        relations,
        time_assumption,
        time_zone,
        time_notes,
        closed,
    } = request;
    let mut found = Found::default();
    found.code("time_zone", time_zone);
    if let Some(deed) = authorisation {
        of_deed(deed, &mut found);
    }
    if let Some(notification) = notification {
        of_notification(notification, &mut found);
    }
    if let Some(task) = task {
        of_task(task, &mut found);
    }
    for document in documents {
        of_document(document, &mut found);
    }
    if let Some(decision) = decision {
        let v1::OperatorDecision {
            kind: _,
            reason: _,
            text,
            escalation,
            not_accepted: _,
            accepted_scope,
        } = decision;
        found.prose("decision.text", text);
        found.prose("decision.escalation", escalation);
        found.0.extend(accepted_scope.iter_mut().flat_map(scope_texts));
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
        rights_affected.iter_mut().for_each(|text| found.words("impact.rights", text));
        found.prose("impact.collateral", collateral_estimate);
    }
    for relation in relations {
        let is_proceeding = relation.kind() == v1::RelationKind::DependsOnProceeding;
        let v1::Relation { kind: _, to, outlives: _ } = relation;
        // Requests and lists go by their ids.
        found.add("relations.to", to, Line, if is_proceeding { Words } else { Code });
    }
    found.words("time_assumption", time_assumption);
    for v1::TimeNote { field, written, precision: _, zone_assumed: _ } in time_notes {
        found.code("time_notes", field);
        found.words("time_notes", written);
    }
    for v1::ClosedPart { part: _, tier: _, until_s: _, ground, opening: _ } in closed {
        found.words("closed.ground", ground);
    }
    found.0
}

fn of_deed<'r>(deed: &'r mut v1::Authorisation, found: &mut Found<'r>) {
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
    found.open("external_ref", external_ref);
    found.words("court", court);
    found.open("docket", docket);
    found.words("ecli", ecli);
    found.words("category", category);
    found.prose("statement_of_reasons", statement_of_reasons);
    keywords.iter_mut().for_each(|text| found.open("keywords", text));
    for v1::LegalProvision { jurisdiction, instrument, article, url } in legal_provisions {
        found.code("legal_provisions.jurisdiction", jurisdiction);
        found.words("legal_provisions.instrument", instrument);
        found.words("legal_provisions.article", article);
        found.words("legal_provisions.url", url);
    }
    if let Some(authority) = authority {
        let v1::Authority { id, name, branch, country, level, officer } = authority;
        found.code("authority.id", id);
        found.office("authority.name", name);
        found.words("authority.branch", branch);
        found.code("authority.country", country);
        found.words("authority.level", level);
        if let Some(v1::Officer { name, role, contact }) = officer {
            found.words("authority.officer.name", name);
            found.words("authority.officer.role", role);
            found.words("authority.officer.contact", contact);
        }
    }
    for v1::Party { role: _, name } in parties {
        found.words("parties.name", name);
    }
    if let Some(check) = competence_check {
        let v1::CompetenceCheck { power_claimed, delegated_by, verified_by: _, result: _ } = check;
        found.words("competence.power_claimed", power_claimed);
        found.words("competence.delegated_by", delegated_by);
    }
    if let Some(secrecy) = confidentiality {
        let v1::Confidentiality {
            tier: _,
            scopes: _,
            legal_ground,
            expires_at_s: _,
            reviewed_at_s: _,
        } = secrecy;
        found.words("confidentiality.ground", legal_ground);
    }
}

fn of_notification<'r>(notification: &'r mut v1::Notification, found: &mut Found<'r>) {
    let v1::Notification {
        addressee,
        addressee_role: _,
        shared_by,
        form: _,
        signature_status: _,
        language,
        served_at_s: _,
        received_at_s: _,
        acknowledged_at_s: _,
        redress,
        report_effect_to,
    } = notification;
    found.open("addressee", addressee);
    found.office("shared_by", shared_by);
    found.code("language", language);
    for v1::Redress { for_whom, route, deadline_s: _ } in redress {
        found.words("redress.for", for_whom);
        found.prose("redress.route", route);
    }
    if let Some(v1::EffectReport { authority, due_s: _, sent_at_s: _ }) = report_effect_to {
        found.words("report_effect_to.authority", authority);
    }
}

fn of_task<'r>(task: &'r mut v1::Task, found: &mut Found<'r>) {
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
        lists: _,
        covers_lists: _,
    } = task;
    found.open("until_event", until_event);
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
        found.prose("notice", notice);
    }
    found.0.extend(scope.iter_mut().flat_map(scope_texts));
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
        found.add(TARGET_RAW, raw, Raw, Place::Target);
        found.add(TARGET_REPAIRED, repair, Raw, Place::Target);
    }
}

pub(super) const TARGET_RAW: &str = "targets.raw";
pub(super) const TARGET_REPAIRED: &str = "targets.repaired";

fn of_document<'r>(document: &'r mut v1::Document, found: &mut Found<'r>) {
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
    found.words("documents.media_type", media_type);
    found.words("documents.kind", kind);
    found.code("documents.language", language);
    found.words("documents.custody", custody);
    found.prose("documents.signature_note", signature_note);
}

/// Groups of nodes and classes of line have names that people gave them.
pub fn scope_texts(scope: &mut v1::Scope) -> Vec<Text<'_>> {
    let v1::Scope {
        territories: _,
        nodes,
        network_types: _,
        asns: _,
        audiences,
        except_nodes,
        except_audiences,
        cells,
    } = scope;
    let mut found = Found::default();
    for (field, texts) in [("nodes", nodes), ("except_nodes", except_nodes), ("cells", cells)] {
        texts.iter_mut().for_each(|text| found.open(field, text));
    }
    for (field, texts) in [("audiences", audiences), ("except_audiences", except_audiences)] {
        texts.iter_mut().for_each(|text| found.add(field, text, Lines, Words));
    }
    found.0
}
