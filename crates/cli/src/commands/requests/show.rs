//! One request: everything that the register holds of it, and what stands on it.

use register::words as field;
use remit_proto::v1;
use serde_json::{Value, json};

use super::{
    approve::approved,
    list::{layout, local, targets},
    targets::{beyond, complete},
};
use crate::{
    cli::Format,
    client,
    commands::{findings, lists, rules},
    config::Config,
    exit::CliError,
    output, time,
    words::{self, hex},
};

pub(crate) async fn show(config: &Config, id: &str, out: Format) -> Result<(), CliError> {
    let mut client = client::register(config).await?;
    let request = v1::GetRequestRequest { id: id.to_owned() };
    let response = client.get_request(request).await?.into_inner();
    let v1::GetRequestResponse {
        mut versions,
        rules: installed,
        findings: found,
        completeness,
        lists: covered,
        transitions,
        rule_count,
        finding_count,
    } = response;
    if out != Format::Table {
        for row in &mut versions {
            complete(&mut client, row).await?;
        }
    }
    match out {
        Format::Json => {
            let details: Vec<Value> =
                versions.iter().map(|row| pairs_json(&details(row))).collect();
            let answer = json!({
                "versions": layout().listing(&versions, None).objects(),
                "details": details,
                "transitions": transitions.iter().map(step).collect::<Vec<_>>(),
                "lists": lists::versions_layout().listing(&covered, None).objects(),
                "rules": rules::layout().listing(&installed, None).objects(),
                "findings": findings::layout().listing(&found, None).objects(),
                "rule_count": rule_count,
                "finding_count": finding_count,
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only.
        Format::Jsonl | Format::Csv => layout().listing(&versions, completeness).print(out),
        Format::Table => {
            let mut text = String::new();
            for row in &versions {
                for (name, value) in details(row) {
                    text.push_str(&format!("{name:<20}{value}\n"));
                }
                text.push('\n');
            }
            if !transitions.is_empty() {
                text.push_str("what became of it\n");
                let steps = transitions.iter().map(|t| format!("  {}\n", step(t)));
                text.push_str(&steps.collect::<String>());
                text.push('\n');
            }
            output::write(output::escape_lines(&text).as_bytes())?;
            if !covered.is_empty() {
                output::write(b"lists that it covers\n")?;
                lists::versions_layout().listing(&covered, None).print(out)?;
                output::write(b"\n")?;
            }
            output::write(b"rules installed now that claim it or fall under it\n")?;
            rules::layout().listing(&installed, None).print(out)?;
            output::write(beyond_rows(rule_count, installed.len(), "rules").as_bytes())?;
            output::write(b"\nfindings\n")?;
            output::write(beyond_rows(finding_count, found.len(), "findings").as_bytes())?;
            findings::layout().listing(&found, completeness).print(out)
        }
    }
}

/// An answer has room for so many; the lists have all.
fn beyond_rows(count: u64, shown: usize, list: &str) -> String {
    match count.saturating_sub(shown as u64) {
        0 => String::new(),
        more => format!("the first {shown}; {more} more: remit {list} list\n"),
    }
}

type Pairs = Vec<(&'static str, String)>;

/// A name may stand several times: then its values are a list.
fn pairs_json(pairs: &Pairs) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in pairs {
        let values = object.entry(*name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(json!(value));
        }
    }
    Value::Object(object)
}

/// "2026-01-10T00:00:00Z suspend (recorded …, statement 4 by p-1): stay granted"
fn step(row: &v1::TransitionRow) -> String {
    let v1::TransitionRow {
        kind: _,
        effective_at_s,
        recorded_at_s,
        statement_index,
        author,
        by_request_id,
        reason,
        decision,
    } = row;
    let mut text = format!("{} {}", time::utc(*effective_at_s), field::transition(row.kind()));
    if !by_request_id.is_empty() {
        text.push_str(&format!(" by {by_request_id}"));
    }
    text.push_str(&format!(
        " (recorded {}, statement {statement_index} by {author})",
        time::utc(*recorded_at_s)
    ));
    if let Some(decision) = decision {
        text.push_str(&format!("; {}", decided(decision)));
    }
    if !reason.is_empty() {
        text.push_str(&format!(": {reason}"));
    }
    text
}

fn decided(decision: &v1::OperatorDecision) -> String {
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
        said.push_str(&format!("; only in {}", scope.territories.join(", ")));
    }
    for more in [text, escalation].into_iter().filter(|t| !t.is_empty()) {
        said.push_str(&format!("; {more}"));
    }
    said
}

/// Every field that says something, in the order in which a lawyer asks for it.
fn details(row: &v1::RequestRow) -> Pairs {
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
    } = row;
    let request = request.clone().unwrap_or_default();
    let mut pairs: Pairs = vec![
        ("request", request.id.clone()),
        ("version", request.version.to_string()),
        ("state", state.clone()),
    ];
    if let Some(second) = second_person {
        let text = second.approval.as_ref().map_or_else(
            || "waits for a second person, and counts for nothing until then".to_owned(),
            approved,
        );
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
        let (element, state) = (item.element(), item.state());
        let text =
            format!("{}: {}", field::validity_element(element), field::validity_state(state));
        pairs.push(("dsa_9_2", text));
    }
    if let Some(impact) = &request.impact {
        pairs.push(("impact", impact_line(impact)));
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
    pairs.push(("digest", hex(digest)));
    pairs.push(("replaces", hex(&request.prev_hash)));
    pairs.retain(|(_, value)| !value.is_empty());
    pairs
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
        pairs.push(("competence", join([result, claimed, from])));
    }
    if let Some(secrecy) = &deed.confidentiality {
        let scopes: Vec<_> = secrecy.scopes().map(field::confidential).collect();
        let until = match secrecy.expires_at_s {
            0 => "without end".to_owned(),
            at_s => format!("until {}", at(at_s)),
        };
        let tier = field::tier(secrecy.tier()).to_owned();
        let ground = secrecy.legal_ground.clone();
        pairs.push(("confidentiality", join([tier, scopes.join(" "), until, ground])));
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
    if measure.notice_required {
        pairs.push(("notice", join(["users are to be told".to_owned(), measure.notice])));
    }
    let scope = task.scope.unwrap_or_default();
    let networks: Vec<_> = scope.network_types().map(field::network_type).collect();
    let asns: Vec<_> = scope.asns.iter().map(|asn| format!("AS{asn}")).collect();
    pairs.push(("territories", scope.territories.join(", ")));
    pairs.push(("nodes", scope.nodes.join(", ")));
    pairs.push(("except_nodes", scope.except_nodes.join(", ")));
    pairs.push(("networks", networks.join(", ")));
    pairs.push(("asns", asns.join(", ")));
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
    let v1::Document { digest, media_type, kind, language, translation_of, custody, .. } = document;
    let of = match translation_of.as_slice() {
        [] => String::new(),
        of => format!("translates {}", hex(of)),
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
    let parts = [hex(digest), kind.clone(), media_type.clone(), language.clone(), of, status];
    join([join(parts), custody.clone()])
}

fn impact_line(impact: &v1::ImpactAssessment) -> String {
    let v1::ImpactAssessment { rights_affected, collateral_estimate, unconventional, .. } = impact;
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
    ])
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
