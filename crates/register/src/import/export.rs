//! A request of the register → a requests file that says the same ([`from_toml`](super::from_toml)).
//!
//! Promised: who reads the file again, and merges it with the register that it came from, is told that nothing
//! changes. Times are written as instants in UTC, whatever the source wrote; what the source left to assume is
//! said as it was assumed (`time_assumption`). Of a signature under a document the file names the document, and
//! the register goes on to hold the rest.
//!
//! What the reader does not see is marked (`withheld`), and such a file is not read: what is not in it is not
//! known to be absent.

use std::fmt::Write as _;

use remit_proto::v1;
use toml::{Table, Value};

use crate::{
    compile::hex,
    words::{self, time},
};

/// A request as a reader sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// With all its targets.
    pub request: v1::Request,
    /// Closed parts whose opening was removed.
    pub erased: Vec<v1::RequestPart>,
    /// There are requests of which the reader does not see all: names of them are left out of this one.
    pub is_veiled: bool,
}

/// "[[request]]" for each.
pub fn to_toml(requests: &[Seen]) -> String {
    let mut text = String::new();
    for seen in requests {
        let gap = if text.is_empty() { "" } else { "\n" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{gap}[[request]]");
        for (key, value) in row(seen) {
            let _ = match value {
                Value::Array(values) if values.len() > 1 => {
                    let lines: String = values.iter().map(|v| format!("    {v},\n")).collect();
                    writeln!(text, "{key} = [\n{lines}]")
                }
                value => writeln!(text, "{key} = {value}"),
            };
        }
    }
    text
}

/// The same as one object.
pub fn to_json(requests: &[Seen]) -> Result<String, serde_json::Error> {
    let rows: Vec<Table> = requests.iter().map(|seen| row(seen).into_iter().collect()).collect();
    let file = std::collections::BTreeMap::from([("requests", rows)]);
    serde_json::to_string_pretty(&file)
}

/// Keys and values of a row, in the order in which a lawyer asks for them.
type Keys = Vec<(String, Value)>;

/// What is empty, zero or unspecified is left out.
trait Keyed {
    fn say(&mut self, key: &str, value: impl Into<Value>);

    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.say(key, text);
        }
    }

    fn texts(&mut self, key: &str, texts: &[String]) {
        self.list(key, texts.iter().map(|text| text.as_str().into()).collect());
    }

    fn list(&mut self, key: &str, values: Vec<Value>) {
        if !values.is_empty() {
            self.say(key, values);
        }
    }

    fn word(&mut self, key: &str, value: i32, word: &str) {
        if value != 0 {
            self.say(key, word);
        }
    }

    fn at(&mut self, key: &str, at_s: i64) {
        if at_s != 0 {
            self.say(key, time(at_s));
        }
    }

    fn seconds(&mut self, key: &str, seconds: u64) {
        if seconds != 0 {
            self.say(key, format!("{seconds}s"));
        }
    }

    fn flag(&mut self, key: &str, is_so: bool) {
        if is_so {
            self.say(key, true);
        }
    }

    fn digest(&mut self, key: &str, digest: &[u8]) {
        if !digest.is_empty() {
            self.say(key, hex(digest));
        }
    }
}

impl Keyed for Keys {
    fn say(&mut self, key: &str, value: impl Into<Value>) {
        self.push((key.to_owned(), value.into()));
    }
}

impl Keyed for Table {
    fn say(&mut self, key: &str, value: impl Into<Value>) {
        self.insert(key.to_owned(), value.into());
    }
}

fn row(seen: &Seen) -> Keys {
    let v1::Request {
        id,
        version: _,
        prev_hash: _,
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
        time_notes: _,
        closed: _,
    } = &seen.request;
    let mut keys = Keys::new();
    keys.text("id", id);
    keys.list("withheld", withheld(seen));
    of_authorisation(&mut keys, &authorisation.clone().unwrap_or_default());
    of_notification(&mut keys, &notification.clone().unwrap_or_default());
    of_task(&mut keys, &task.clone().unwrap_or_default());
    keys.word("status", *status, words::status(seen.request.status()));
    // A file cannot carry the signature; the register that holds it goes on to say what it proves.
    let proof = match seen.request.basis_proof() {
        v1::BasisProof::AuthoritySigned => v1::BasisProof::DocumentHeld,
        proof => proof,
    };
    keys.word("basis_proof", *basis_proof, words::basis_proof(proof));
    keys.extend(decision.as_ref().map(|made| ("decision".to_owned(), of_decision(made))));
    let validity: Table = validity.iter().map(of_validity).collect();
    if !validity.is_empty() {
        keys.say("validity", validity);
    }
    keys.extend(impact.as_ref().map(|made| ("impact".to_owned(), of_impact(made))));
    keys.list("relations", relations.iter().map(of_relation).collect());
    keys.list("documents", documents.iter().map(of_document).collect());
    keys.list("closed", seen.request.closed.iter().map(of_closed).collect());
    keys.text("time_zone", time_zone);
    keys.text("time_assumption", time_assumption);
    keys
}

/// The parts that the reader does not see, and "other requests" where names of such may be missing.
fn withheld(seen: &Seen) -> Vec<Value> {
    let Seen { request, erased, is_veiled } = seen;
    let is_withheld = |part: &v1::RequestPart| {
        let holds = evidence::closed::take(&mut request.clone(), *part).is_some();
        !holds && !erased.contains(part)
    };
    let parts = request.closed.iter().map(v1::ClosedPart::part).filter(is_withheld);
    let parts = parts.map(words::part).chain(is_veiled.then_some("other requests"));
    parts.map(Into::into).collect()
}

fn of_authorisation(keys: &mut Keys, deed: &v1::Authorisation) {
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
    } = deed;
    keys.text("external_ref", external_ref);
    keys.text("court", court);
    keys.text("docket", docket);
    keys.text("ecli", ecli);
    keys.at("decided", *decided_at_s);
    keys.word("instrument", *instrument, words::instrument(deed.instrument()));
    keys.word("basis_class", *basis_class, words::basis_class(deed.basis_class()));
    let provision = |provision: &v1::LegalProvision| {
        let v1::LegalProvision { jurisdiction, instrument, article, url } = provision;
        let mut table = Table::new();
        table.text("jurisdiction", jurisdiction);
        table.text("instrument", instrument);
        table.text("article", article);
        table.text("url", url);
        Value::from(table)
    };
    keys.list("legal_provisions", legal_provisions.iter().map(provision).collect());
    keys.text("statement_of_reasons", statement_of_reasons);
    keys.text("category", category);
    keys.texts("keywords", keywords);
    if let Some(authority) = authority {
        keys.say("authority", of_authority(authority));
    }
    let party = |party: &v1::Party| {
        let mut table = Table::new();
        table.text("role", words::party(party.role()));
        table.say("name", party.name.as_str());
        Value::from(table)
    };
    keys.list("parties", parties.iter().map(party).collect());
    if let Some(check) = competence_check {
        let v1::CompetenceCheck { power_claimed, delegated_by, verified_by, result } = check;
        let mut table = Table::new();
        table.text("power_claimed", power_claimed);
        table.text("delegated_by", delegated_by);
        table.text("verified_by", verified_by.as_ref().map_or("", |by| &by.person));
        table.word("result", *result, words::competence(check.result()));
        keys.say("competence", table);
    }
    if let Some(secrecy) = confidentiality {
        let v1::Confidentiality { tier, scopes: _, legal_ground, expires_at_s, reviewed_at_s } =
            secrecy;
        let mut table = Table::new();
        table.word("tier", *tier, words::tier(secrecy.tier()));
        table.list("scopes", secrecy.scopes().map(words::confidential).map(Into::into).collect());
        table.text("ground", legal_ground);
        table.at("expires", *expires_at_s);
        table.at("reviewed", *reviewed_at_s);
        keys.say("confidentiality", table);
    }
    keys.at("issued", *issued_at_s);
}

fn of_authority(authority: &v1::Authority) -> Table {
    let v1::Authority { id, name, branch, country, level, officer } = authority;
    let mut table = Table::new();
    table.text("id", id);
    table.text("name", name);
    table.text("branch", branch);
    table.text("country", country);
    table.text("level", level);
    if let Some(v1::Officer { name, role, contact }) = officer {
        let mut person = Table::new();
        person.text("name", name);
        person.text("role", role);
        person.text("contact", contact);
        table.say("officer", person);
    }
    table
}

fn of_notification(keys: &mut Keys, came: &v1::Notification) {
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
    } = came;
    keys.text("addressee", addressee);
    keys.word("addressee_role", *addressee_role, words::addressee(came.addressee_role()));
    keys.text("shared_by", shared_by);
    keys.word("form", *form, words::form(came.form()));
    let status = words::signature_status(came.signature_status());
    keys.word("signature_status", *signature_status, status);
    keys.text("language", language);
    keys.at("served", *served_at_s);
    keys.at("received", *received_at_s);
    keys.at("acknowledged", *acknowledged_at_s);
    let way = |way: &v1::Redress| {
        let v1::Redress { for_whom, route, deadline_s } = way;
        let mut table = Table::new();
        table.say("for", for_whom.as_str());
        table.say("route", route.as_str());
        table.at("deadline", *deadline_s);
        Value::from(table)
    };
    keys.list("redress", redress.iter().map(way).collect());
    if let Some(v1::EffectReport { authority, due_s, sent_at_s }) = report_effect_to {
        let mut table = Table::new();
        table.say("authority", authority.as_str());
        table.at("due", *due_s);
        table.at("sent", *sent_at_s);
        keys.say("report_effect_to", table);
    }
}

fn of_task(keys: &mut Keys, task: &v1::Task) {
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
    } = task;
    keys.at("from", *effective_from_s);
    keys.at("until", *effective_until_s);
    keys.text("until_event", until_event);
    let window = |window: &v1::Window| {
        let v1::Window { from_s, until_s } = window;
        let mut table = Table::new();
        table.at("from", *from_s);
        table.at("until", *until_s);
        Value::from(table)
    };
    keys.list("windows", windows.iter().map(window).collect());
    keys.seconds("max_duration", *max_duration_s);
    keys.at("confirm_by", *confirm_by_s);
    keys.at("implement_by", *implement_by_s);
    keys.seconds("remove_within", *remove_within_s);
    keys.at("remove_by", *remove_by_s);
    keys.at("review_due", *review_due_s);
    if let Some(measure) = measure {
        of_measure(keys, measure);
    }
    if let Some(scope) = scope {
        for (key, value) in of_scope(scope) {
            keys.say(&key, value);
        }
    }
    keys.list("targets", targets.iter().map(of_target).collect());
    let list = |v1::ListClaim { list_id, version }: &v1::ListClaim| format!("{list_id}@{version}");
    keys.texts("lists", &lists.iter().map(list).collect::<Vec<_>>());
    keys.texts("covers_lists", covers_lists);
}

fn of_measure(keys: &mut Keys, measure: &v1::Measure) {
    let v1::Measure {
        techniques: _,
        outcome_only,
        coarsest,
        derived_targets,
        notice_required,
        notice,
        throttle_to_bits_per_s,
    } = measure;
    keys.list("techniques", measure.techniques().map(words::technique).map(Into::into).collect());
    keys.flag("outcome_only", *outcome_only);
    keys.word("coarsest", *coarsest, crate::target::kind_word(measure.coarsest()));
    keys.flag("derived_targets", *derived_targets);
    if *throttle_to_bits_per_s != 0 {
        // As text: a number of this size may be none of TOML's.
        keys.say("throttle_to_bits_per_s", throttle_to_bits_per_s.to_string());
    }
    match (notice_required, notice.as_str()) {
        (false, _) => {}
        (true, "") => keys.say("notice", "yes"),
        (true, notice) => keys.say("notice", notice),
    }
}

fn of_scope(scope: &v1::Scope) -> Keys {
    let v1::Scope {
        territories,
        nodes,
        network_types: _,
        asns,
        audiences,
        except_nodes,
        except_audiences,
        cells,
    } = scope;
    let mut keys = Keys::new();
    keys.texts("territories", territories);
    keys.texts("nodes", nodes);
    keys.texts("except_nodes", except_nodes);
    keys.texts("cells", cells);
    let networks = scope.network_types().map(words::network_type);
    keys.list("network_types", networks.map(Into::into).collect());
    keys.list("asns", asns.iter().map(|asn| i64::from(*asn).into()).collect());
    keys.texts("audiences", audiences);
    keys.texts("except_audiences", except_audiences);
    keys
}

/// "domain_exact:example.org" where that says it all.
fn of_target(held: &v1::RequestTarget) -> Value {
    let v1::RequestTarget { target, raw, repair, added_at_s, removed_at_s, exception, derived } =
        held;
    let value = target.as_ref().map_or("", |target| &target.value);
    let kind = target.as_ref().map_or(v1::TargetKind::Unspecified, v1::Target::kind);
    let kind = crate::target::kind_word(kind);
    let plain = raw.is_empty()
        && repair.is_empty()
        && (*added_at_s, *removed_at_s, *exception) == (0, 0, false)
        && derived.is_none();
    if plain {
        return format!("{kind}:{value}").into();
    }
    let mut table = Table::new();
    table.say("kind", kind);
    table.say("value", value);
    table.text("raw", raw);
    if !repair.is_empty() {
        table.say("repaired", vec![Value::from(repair.as_str())]);
    }
    table.at("added", *added_at_s);
    table.at("removed", *removed_at_s);
    table.flag("exception", *exception);
    if let Some(v1::Derived { from, resolved_at_s, ttl_s, evidence }) = derived {
        let mut resolved = Table::new();
        resolved.text("from", &from.as_ref().map_or_else(String::new, target_text));
        resolved.at("resolved", *resolved_at_s);
        resolved.seconds("ttl", u64::from(*ttl_s));
        resolved.digest("evidence", evidence);
        table.say("derived", resolved);
    }
    table.into()
}

fn target_text(target: &v1::Target) -> String {
    format!("{}:{}", crate::target::kind_word(target.kind()), target.value)
}

fn of_decision(made: &v1::OperatorDecision) -> Value {
    let v1::OperatorDecision { kind, reason, text, escalation, not_accepted, accepted_scope } =
        made;
    let mut table = Table::new();
    table.word("kind", *kind, words::decision(made.kind()));
    table.word("reason", *reason, words::operator_reason(made.reason()));
    table.text("text", text);
    table.text("escalation", escalation);
    table.texts("not_accepted", &not_accepted.iter().map(target_text).collect::<Vec<_>>());
    table.extend(accepted_scope.iter().flat_map(of_scope));
    table.into()
}

fn of_validity(item: &v1::ValidityItem) -> (String, Value) {
    let v1::ValidityItem { element: _, state, by, at_s } = item;
    let mut table = Table::new();
    table.word("state", *state, words::validity_state(item.state()));
    table.text("by", by.as_ref().map_or("", |by| &by.person));
    table.at("at", *at_s);
    (words::validity_element(item.element()).to_owned(), table.into())
}

fn of_impact(made: &v1::ImpactAssessment) -> Value {
    let v1::ImpactAssessment {
        rights_affected,
        scale,
        scope,
        irremediability,
        collateral_estimate,
        made_at_s,
        unconventional,
    } = made;
    let mut table = Table::new();
    table.texts("rights", rights_affected);
    table.word("scale", *scale, words::grade(made.scale()));
    table.word("scope", *scope, words::grade(made.scope()));
    table.word("irremediability", *irremediability, words::grade(made.irremediability()));
    table.text("collateral", collateral_estimate);
    table.at("made", *made_at_s);
    table.flag("unconventional", *unconventional);
    table.into()
}

fn of_relation(relation: &v1::Relation) -> Value {
    let v1::Relation { kind: _, to, outlives } = relation;
    let mut table = Table::new();
    table.say("kind", words::relation(relation.kind()));
    table.say("to", to.as_str());
    table.flag("outlives", *outlives);
    table.into()
}

fn of_document(document: &v1::Document) -> Value {
    let v1::Document {
        digest,
        media_type,
        kind,
        language,
        translation_of,
        signature_status,
        signature_digest,
        anchor_digest,
        custody,
        signature,
        signature_note: _,
    } = document;
    let mut table = Table::new();
    table.digest("digest", digest);
    table.text("media_type", media_type);
    table.text("kind", kind);
    table.text("language", language);
    table.digest("translation_of", translation_of);
    // What is kept of a signature, and what was found of it, stays where it is kept.
    if signature.is_none() {
        let status = words::signature_status(document.signature_status());
        table.word("signature_status", *signature_status, status);
        table.digest("signature", signature_digest);
        table.digest("anchor", anchor_digest);
    }
    table.text("custody", custody);
    table.into()
}

fn of_closed(closed: &v1::ClosedPart) -> Value {
    let v1::ClosedPart { part: _, tier: _, until_s, ground, opening: _ } = closed;
    let mut table = Table::new();
    table.say("part", words::part(closed.part()));
    table.say("tier", words::tier(closed.tier()));
    table.at("until", *until_s);
    table.text("ground", ground);
    table.into()
}
