//! One version of a request: every field that says something, as names and values.

use register::words as field;
use remit_proto::v1;
use serde_json::{Value, json};

use super::{
    approve::approved,
    list::{local, targets},
    steps::{asns, decided, networks},
    targets::beyond,
    waits,
};
use crate::{
    time,
    words::{self, hex},
};

pub(super) type Pairs = Vec<(&'static str, String)>;

/// A name may stand several times: then its values are a list.
pub(super) fn pairs_json(pairs: &Pairs) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in pairs {
        let values = object.entry(*name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(json!(value));
        }
    }
    Value::Object(object)
}

/// Of each version, in their order. One that waited for a second person when a newer one counted waits for nobody.
pub(super) fn of_versions(versions: &[v1::RequestRow]) -> Vec<Pairs> {
    let newest = versions.iter().rposition(|row| !waits(row));
    let pairs = |(at, row)| details(row, newest.is_some_and(|newest| at < newest));
    versions.iter().enumerate().map(pairs).collect()
}

/// Every field that says something, in the order in which a lawyer asks for it.
fn details(row: &v1::RequestRow, is_overtaken: bool) -> Pairs {
    let v1::RequestRow {
        request,
        state,
        statement_index,
        recorded_at_s,
        author,
        digest,
        validity,
        decision,
        held_by,
        reason,
        erased,
        secrecy_expired_at_s,
        second_person,
        target_count: _,
        newer_waits: _,
        // Told with what became of it.
        waiting_transitions: _,
        existence: _,
        existence_until_s,
        applies_from_s,
        ends_at_s,
        ends_as,
    } = row;
    let request = request.clone().unwrap_or_default();
    let mut pairs: Pairs = vec![
        ("request", request.id.clone()),
        ("version", request.version.to_string()),
        ("state", state.clone()),
    ];
    if *applies_from_s != 0 {
        let text = format!("blocks from {} on", instant(*applies_from_s, &request));
        pairs.push(("applies_to", text));
    }
    if *ends_at_s != 0 {
        pairs.push(("will_end", format!("{}: {ends_as}", instant(*ends_at_s, &request))));
    }
    if let Some(second) = second_person {
        let waits = if is_overtaken {
            "nobody approved it, and a newer version took its place"
        } else {
            "waits for a second person, and counts for nothing until then"
        };
        let text = second.approval.as_ref().map_or_else(|| waits.to_owned(), approved);
        pairs.push(("second_person", text));
    }
    authorisation(&mut pairs, &request);
    notification(&mut pairs, &request);
    task(&mut pairs, &request, beyond(row));
    for document in &request.documents {
        pairs.push(("document", document_line(document)));
    }
    pairs.push(("basis_proof", field::basis_proof(request.basis_proof()).to_owned()));
    if let Some(decision) = decision {
        pairs.push(("decision", decided(decision)));
    }
    for item in validity {
        pairs.push(("dsa_9_2", validity_line(item, &request)));
    }
    if let Some(impact) = &request.impact {
        pairs.push(("impact", impact_line(impact, &request)));
    }
    for closed in &request.closed {
        let until = match closed.until_s {
            0 if closed.tier() == v1::DisclosureTier::Public => String::new(),
            0 => "without end".to_owned(),
            until_s => format!("until {}", instant(until_s, &request)),
        };
        let part = field::part(closed.part());
        let mut copy = request.clone();
        let seen = match evidence::closed::take(&mut copy, closed.part()) {
            Some(_) => "shown to you",
            None if erased.contains(&closed.part) => "erased",
            None => "withheld",
        };
        let tier = field::tier(closed.tier()).to_owned();
        let text = join([format!("{part}: {seen}"), tier, until, closed.ground.clone()]);
        pairs.push(("closed", text));
    }
    if row.existence() != v1::DisclosureTier::Unspecified {
        let until = match *existence_until_s {
            0 => "without end".to_owned(),
            until_s => format!("until {}", instant(until_s, &request)),
        };
        pairs.push(("existence", join([field::tier(row.existence()).to_owned(), until])));
    }
    if *secrecy_expired_at_s != 0 {
        let text = format!("since {}", instant(*secrecy_expired_at_s, &request));
        pairs.push(("secrecy_expired", text));
    }
    for relation in &request.relations {
        let held_on = if relation.outlives { " (and holds on after it)" } else { "" };
        let kind = field::relation(relation.kind());
        pairs.push(("relation", format!("{kind} {}{held_on}", relation.to)));
    }
    for held in held_by {
        let target = held.target.as_ref();
        let (kind, target) = (words::target_kind(target), words::target(target));
        pairs.push(("also_held_by", format!("{} ({kind}:{target})", held.request_id)));
    }
    pairs.push(("recorded_at", time::utc(*recorded_at_s)));
    pairs.push(("author", author.clone()));
    pairs.push(("statement", statement_index.to_string()));
    pairs.push(("reason", reason.clone()));
    pairs.push(("time_zone", request.time_zone.clone()));
    pairs.push(("time_assumption", request.time_assumption.clone()));
    for note in &request.time_notes {
        let v1::TimeNote { field: name, written, precision: _, zone_assumed } = note;
        let assumed = if *zone_assumed { ", zone assumed" } else { "" };
        let precision = field::precision(note.precision());
        pairs
            .push(("time_as_written", format!("{name}: {written:?}, to the {precision}{assumed}")));
    }
    pairs.extend(doubts(&request).map(|doubt| ("doubt", doubt)));
    pairs.push(("digest", hex(digest)));
    pairs.push(("replaces", hex(&request.prev_hash)));
    pairs.retain(|(_, value)| !value.is_empty());
    pairs
}

/// Times of it that cannot all be right, and those that real orders have in that order. A register may hold what it would
/// not take in any more.
fn doubts(request: &v1::Request) -> impl Iterator<Item = String> + use<> {
    let mut times = request.clone();
    // They are many, and no times of the request.
    times.task.get_or_insert_default().targets.clear();
    times.decision = None;
    times.version = times.version.max(1);
    let found = register::Request::try_from(times).map(|times| times.intake()).unwrap_or_default();
    let refused = found.refused.into_iter().map(|one| format!("{}: {}", one.field, one.problem));
    refused.chain(found.noted)
}

fn authorisation(pairs: &mut Pairs, request: &v1::Request) {
    let deed = request.authorisation.clone().unwrap_or_default();
    let at = |at_s: i64| instant(at_s, request);
    pairs.push(("instrument", field::instrument(deed.instrument()).to_owned()));
    pairs.push(("basis_class", field::basis_class(deed.basis_class()).to_owned()));
    let issuer = deed.authority.clone().unwrap_or_default();
    let v1::Authority { id, name, branch, country, level, officer } = issuer;
    if let Some(v1::Officer { name, role, contact }) = officer {
        pairs.push(("officer", join([name, role, contact])));
    }
    pairs.push(("authority", join([id, name, branch, level, country])));
    pairs.push(("external_ref", deed.external_ref));
    pairs.push(("court", deed.court));
    pairs.push(("docket", deed.docket));
    pairs.push(("ecli", deed.ecli));
    pairs.push(("decided", at(deed.decided_at_s)));
    pairs.push(("issued", at(deed.issued_at_s)));
    for v1::LegalProvision { jurisdiction, instrument, article, url } in deed.legal_provisions {
        pairs.push(("legal_provision", join([jurisdiction, instrument, article, url])));
    }
    pairs.push(("reasons", deed.statement_of_reasons));
    pairs.push(("category", deed.category));
    pairs.push(("keywords", deed.keywords.join(", ")));
    for party in &deed.parties {
        pairs.push(("party", format!("{}: {}", field::party(party.role()), party.name)));
    }
    if let Some(check) = &deed.competence_check {
        let result = field::competence(check.result()).to_owned();
        let (claimed, from) = (check.power_claimed.clone(), check.delegated_by.clone());
        let verified = by("verified by", check.verified_by.as_ref());
        pairs.push(("competence", join([result, claimed, from, verified])));
    }
    if let Some(secrecy) = &deed.confidentiality {
        let scopes: Vec<_> = secrecy.scopes().map(field::confidential).collect();
        let until = match secrecy.expires_at_s {
            0 => "without end".to_owned(),
            at_s => format!("until {}", at(at_s)),
        };
        let tier = field::tier(secrecy.tier()).to_owned();
        let ground = secrecy.legal_ground.clone();
        let reviewed = word_at("reviewed", secrecy.reviewed_at_s, request);
        pairs.push(("confidentiality", join([tier, scopes.join(" "), until, ground, reviewed])));
    }
}

fn notification(pairs: &mut Pairs, request: &v1::Request) {
    let came = request.notification.clone().unwrap_or_default();
    let at = |at_s: i64| instant(at_s, request);
    let role = came.addressee_role();
    if role == v1::AddresseeRole::Publisher {
        pairs
            .push(("addressee_role", "publisher: no basis for blocking in the network".to_owned()));
    }
    pairs.push(("form", field::form(came.form()).to_owned()));
    if came.signature_status() != v1::SignatureStatus::Unspecified {
        let status = field::signature_status(came.signature_status());
        pairs.push(("signature_status", status.to_owned()));
    }
    pairs.push(("addressee", came.addressee));
    pairs.push(("shared_by", came.shared_by));
    pairs.push(("language", came.language));
    pairs.push(("served", at(came.served_at_s)));
    pairs.push(("received", at(came.received_at_s)));
    pairs.push(("acknowledged", at(came.acknowledged_at_s)));
    for v1::Redress { for_whom, route, deadline_s } in came.redress {
        pairs.push(("redress", join([for_whom, route, at(deadline_s)])));
    }
    if let Some(v1::EffectReport { authority, due_s, sent_at_s }) = came.report_effect_to {
        let due = if due_s == 0 { String::new() } else { format!("due {}", at(due_s)) };
        let sent = if sent_at_s == 0 { "not sent".to_owned() } else { at(sent_at_s) };
        pairs.push(("report_effect_to", join([authority, due, sent])));
    }
}

fn task(pairs: &mut Pairs, request: &v1::Request, targets_beyond: u64) {
    let task = request.task.clone().unwrap_or_default();
    let at = |at_s: i64| instant(at_s, request);
    for (target, text) in task.targets.iter().zip(targets(request)) {
        pairs.push(("target", target_line(target, text, request)));
    }
    if targets_beyond > 0 {
        let more = format!("and {targets_beyond} more; --output json has all of them");
        pairs.push(("target", more));
    }
    let measure = task.measure.unwrap_or_default();
    let techniques: Vec<_> = measure.techniques().map(field::technique).collect();
    let free = if measure.outcome_only { "operator chooses".to_owned() } else { String::new() };
    pairs.push(("techniques", join([techniques.join(" "), free])));
    if measure.coarsest() != v1::TargetKind::Unspecified {
        pairs.push(("coarsest", register::target::kind_word(measure.coarsest()).to_owned()));
    }
    if measure.derived_targets {
        pairs.push(("derived_targets", "addresses of the names may be blocked".to_owned()));
    }
    if measure.throttle_to_bits_per_s > 0 {
        let rate = format!("leave at least {} bit/s", measure.throttle_to_bits_per_s);
        pairs.push(("throttle_to", rate));
    }
    if measure.notice_required {
        pairs.push(("notice", join(["users are to be told".to_owned(), measure.notice])));
    }
    let scope = task.scope.unwrap_or_default();
    let (networks, asns) = (networks(&scope), asns(&scope));
    pairs.push(("territories", scope.territories.join(", ")));
    pairs.push(("nodes", scope.nodes.join(", ")));
    pairs.push(("except_nodes", scope.except_nodes.join(", ")));
    pairs.push(("cells", scope.cells.join(", ")));
    pairs.push(("networks", networks));
    pairs.push(("asns", asns));
    pairs.push(("audiences", scope.audiences.join(", ")));
    pairs.push(("except_audiences", scope.except_audiences.join(", ")));
    pairs.push(("from", at(task.effective_from_s)));
    let until = match task.effective_until_s {
        0 if task.until_event.is_empty() => "open-ended".to_owned(),
        0 => task.until_event.clone(),
        until_s => at(until_s),
    };
    pairs.push(("until", until));
    for v1::Window { from_s, until_s } in task.windows {
        pairs.push(("window", format!("{} until {}", at(from_s), at(until_s))));
    }
    pairs.push(("max_duration", duration(task.max_duration_s)));
    pairs.push(("confirm_by", at(task.confirm_by_s)));
    pairs.push(("implement_by", at(task.implement_by_s)));
    pairs.push(("remove_within", duration(task.remove_within_s)));
    pairs.push(("remove_by", at(task.remove_by_s)));
    pairs.push(("review_due", at(task.review_due_s)));
    for list in task.lists {
        pairs.push(("list", format!("{}@{}", list.list_id, list.version)));
    }
    pairs.push(("covers_lists", task.covers_lists.join(", ")));
}

fn target_line(target: &v1::RequestTarget, text: String, request: &v1::Request) -> String {
    let v1::RequestTarget { target: _, raw, repair, added_at_s, removed_at_s, exception, derived } =
        target;
    let mut parts = vec![text];
    if *exception {
        parts.push("must stay open".to_owned());
    }
    if let Some(derived) = derived {
        let from = derived.from.as_ref();
        parts.push(format!(
            "resolved from {} at {}, for {} s{}",
            words::target(from),
            instant(derived.resolved_at_s, request),
            derived.ttl_s,
            if derived.evidence.is_empty() { ", answer not kept" } else { "" }
        ));
    }
    for (word, at_s) in [("added", added_at_s), ("removed", removed_at_s)] {
        if *at_s != 0 {
            parts.push(format!("{word} {}", instant(*at_s, request)));
        }
    }
    if !raw.is_empty() {
        parts.push(format!("as received {raw:?}"));
    }
    if !repair.is_empty() {
        parts.push(repair.clone());
    }
    parts.join("; ")
}

fn document_line(document: &v1::Document) -> String {
    let v1::Document {
        digest,
        media_type,
        kind,
        language,
        translation_of,
        signature_status: _,
        signature_digest,
        anchor_digest,
        custody,
        signature: _,
        signature_note: _,
    } = document;
    let named = |word: &str, digest: &[u8]| match digest {
        [] => String::new(),
        digest => format!("{word} {}", hex(digest)),
    };
    let status = match document.signature_status() {
        v1::SignatureStatus::Unspecified => String::new(),
        status if document.signature_note.is_empty() => {
            format!("signature {}", field::signature_status(status))
        }
        status => {
            format!("signature {} ({})", field::signature_status(status), document.signature_note)
        }
    };
    join([
        hex(digest),
        kind.clone(),
        media_type.clone(),
        language.clone(),
        named("translates", translation_of),
        status,
        named("detached signature", signature_digest),
        named("under anchor", anchor_digest),
        custody.clone(),
    ])
}

/// "redress: disputed; by person-7; at 2026-03-04T10:00:00Z": without a person where the request's own fields
/// speak.
fn validity_line(item: &v1::ValidityItem, request: &v1::Request) -> String {
    let v1::ValidityItem { element: _, state: _, by: person, at_s } = item;
    let element = field::validity_element(item.element());
    let state = format!("{element}: {}", field::validity_state(item.state()));
    join([state, by("by", person.as_ref()), word_at("at", *at_s, request)])
}

fn impact_line(impact: &v1::ImpactAssessment, request: &v1::Request) -> String {
    let v1::ImpactAssessment {
        rights_affected,
        scale: _,
        scope: _,
        irremediability: _,
        collateral_estimate,
        made_at_s,
        unconventional,
    } = impact;
    let severity = |name: &str, value: v1::SeverityGrade| match value {
        v1::SeverityGrade::Unspecified => String::new(),
        value => format!("{name} {}", field::grade(value)),
    };
    join([
        rights_affected.join(" "),
        severity("scale", impact.scale()),
        severity("scope", impact.scope()),
        severity("irremediability", impact.irremediability()),
        collateral_estimate.clone(),
        if *unconventional { "unconventional".to_owned() } else { String::new() },
        word_at("made", *made_at_s, request),
    ])
}

/// "verified by person-7", "verified by officer person-7"; empty where nobody is stated. A file names a person and no
/// role.
fn by(word: &str, person: Option<&v1::PersonRef>) -> String {
    match person {
        None => String::new(),
        Some(stated) if stated.role() == v1::Role::Unspecified => {
            format!("{word} {}", stated.person)
        }
        person @ Some(_) => format!("{word} {}", words::person_ref(person)),
    }
}

/// "reviewed 2026-03-04T10:00:00Z"; empty where it is not stated.
fn word_at(word: &str, at_s: i64, request: &v1::Request) -> String {
    if at_s == 0 { String::new() } else { format!("{word} {}", instant(at_s, request)) }
}

/// In the zone of the authority first, then in UTC; empty where it is not stated.
fn instant(at_s: i64, request: &v1::Request) -> String {
    let (local, utc) = (local(at_s, request), time::utc(at_s));
    if local.is_empty() { utc } else { format!("{local} ({utc})") }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0 => String::new(),
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ => format!("{seconds} s"),
    }
}

fn join<const N: usize>(parts: [String; N]) -> String {
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_S: i64 = 1_772_618_400;

    fn person(id: &str, role: v1::Role) -> Option<v1::PersonRef> {
        Some(v1::PersonRef { person: id.to_owned(), role: role.into() })
    }

    fn shown(request: v1::Request, validity: Vec<v1::ValidityItem>) -> Value {
        let row = v1::RequestRow { request: Some(request), validity, ..v1::RequestRow::default() };
        pairs_json(&details(&row, false))
    }

    #[test]
    fn who_looked_and_when_is_shown() {
        let deed = v1::Authorisation {
            competence_check: Some(v1::CompetenceCheck {
                power_claimed: "UrhG section 104a".to_owned(),
                delegated_by: String::new(),
                verified_by: person("person-7", v1::Role::Unspecified),
                result: v1::CompetenceResult::Competent.into(),
            }),
            confidentiality: Some(v1::Confidentiality {
                tier: v1::DisclosureTier::Restricted.into(),
                reviewed_at_s: AT_S,
                ..v1::Confidentiality::default()
            }),
            ..v1::Authorisation::default()
        };
        let request = v1::Request {
            authorisation: Some(deed),
            impact: Some(v1::ImpactAssessment {
                scale: v1::SeverityGrade::Low.into(),
                made_at_s: AT_S,
                ..v1::ImpactAssessment::default()
            }),
            time_zone: "Europe/Berlin".to_owned(),
            ..v1::Request::default()
        };
        let item = |element: v1::ValidityElement, by, at_s| v1::ValidityItem {
            element: element.into(),
            state: v1::ValidityState::Disputed.into(),
            by,
            at_s,
        };
        let validity = vec![
            item(v1::ValidityElement::Redress, person("person-8", v1::Role::Operator), AT_S),
            item(v1::ValidityElement::Language, None, 0),
        ];
        let shown = shown(request, validity);
        let at = "2026-03-04T11:00:00+01:00 (2026-03-04T10:00:00Z)";
        for (name, want) in [
            ("competence", "competent; UrhG section 104a; verified by person-7".to_owned()),
            ("confidentiality", format!("restricted; without end; reviewed {at}")),
            ("impact", format!("scale low; made {at}")),
        ] {
            assert_eq!(shown[name], json!([want]), "{name}");
        }
        let stated = format!("redress: disputed; by operator person-8; at {at}");
        assert_eq!(shown["dsa_9_2"], json!([stated, "language: disputed"]));
    }

    #[test]
    fn times_that_cannot_all_be_right_are_shown_of_what_the_register_holds() {
        let request = v1::Request {
            id: "req-7".to_owned(),
            version: 1,
            status: v1::RequestStatus::Accepted.into(),
            basis_proof: v1::BasisProof::DocumentHeld.into(),
            authorisation: Some(v1::Authorisation {
                instrument: v1::Instrument::CourtOrderFinal.into(),
                basis_class: v1::BasisClass::Law.into(),
                issued_at_s: AT_S,
                ..v1::Authorisation::default()
            }),
            notification: Some(v1::Notification {
                form: v1::RequestForm::Letter.into(),
                received_at_s: AT_S - 200_000,
                ..v1::Notification::default()
            }),
            task: Some(v1::Task {
                measure: Some(v1::Measure { outcome_only: true, ..v1::Measure::default() }),
                effective_from_s: AT_S,
                ..v1::Task::default()
            }),
            ..v1::Request::default()
        };
        let doubt = "received: 2026-03-02T02:26:40Z is before issued, 2026-03-04T10:00:00Z";
        let doubts = shown(request, Vec::new())["doubt"].clone();
        let doubts: Vec<String> = serde_json::from_value(doubts).unwrap();
        assert!(doubts.len() == 1 && doubts[0].starts_with(doubt), "{doubts:?}");
    }

    #[test]
    fn a_document_says_under_which_anchor_it_was_checked() {
        let document = v1::Document {
            digest: vec![0xaa; 32],
            kind: "order".to_owned(),
            signature_status: v1::SignatureStatus::Valid.into(),
            signature_digest: vec![0xbb; 32],
            anchor_digest: vec![0xcc; 32],
            custody: "legal archive".to_owned(),
            ..v1::Document::default()
        };
        let line = format!(
            "{}; order; signature valid; detached signature {}; under anchor {}; legal archive",
            "aa".repeat(32),
            "bb".repeat(32),
            "cc".repeat(32)
        );
        assert_eq!(document_line(&document), line);
        let unsigned = v1::Document { digest: vec![0xaa; 32], ..v1::Document::default() };
        assert_eq!(document_line(&unsigned), "aa".repeat(32));
    }
}
