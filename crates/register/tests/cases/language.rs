//! The language of the cases: one line per statement of the register, one line per event.
//!
//! Register, statements separated by ";" or line feeds:
//! `<id> <kind>:<value>… [except <kind>:<value>] [from T] [until T] [in DE,FR|*|unstated]
//! [by <technique>,…|any] [throttle-to <bit/s>] [coarsest <kind>] [nodes a,group:b] [networks mobile] [asns 64500]
//! [audience a,b] [grace 48h] [as <instrument>] [class <basis class>] [status <status>]
//! [confirm-by T] [received T] [implement-by T] [proof <basis proof>] [list id@v] [branch <branch>]
//! [version 2] [covers <list>,…] [effective T] [recorded T] [remove-by T] [within <from>..<until>]
//! [lasting 48h] [derived <name> resolved T ttl 300 [unproved yes]] [notice yes] [permits derived]
//! [depends <proceeding>] [outlives <proceeding>] [publisher yes] [decided accept] [except-nodes a] [cells a] [except-audience a]
//! [relation kind=id] [closing <part>=<tier>: committed and not seen here] [opening <part>=<tier>:
//! committed and seen] [awaits approval] [with <person>: both signed]`, and what papers_language.rs says of papers · `<id> <transition>s [by <id>] [effective T] [recorded T] [back-covers yes]
//! [partly-not <kind>:<value>] [only-in DE]` · `proceeding <id> ends [effective T] [recorded T]` ·
//! `attribute <rule>,…|claiming:<claim>[,…] [on node] [to <claim>,…|nothing]
//! [by <person>] [recorded T]` · `baseline <node>,… until T [recorded T]` · `late-register <s>` ·
//! `withheld [secret]` ·
//! `unreadable` ·
//! `feed <list> under <id> [every s] [fetch s] [changes n] [permille n] [by <person>] [with <person>]
//! [recorded T]` · `list <list>@<v> [after <v>] [holds n] [+<kind>:<value>[=<id>]] [+!<kind>:<value>]
//! [-<kind>:<value>] [by <person>] [with <person>] [effective T] [recorded T]` · `approve <index>
//! [by <person>] [attested] [effective T] [recorded T]`; `with`: both have signed it.
//!
//! Event: `block <target>|erased|gibberish [at T [to T]] [give-or-take 5] [on node [(DE-BE)]]
//! [network mobile] [asn 64500] [serving a,b] [serving-cells a,b] [by <technique>] [for <claim>,…] [trigger …]
//! [actor …] [answering 15,…] [answering-http 451] [leaving <bit/s>] [seeing a.org,b.org] [others n] [imported] [narrowed] [then] [size n] [before n]
//! [logged n] [now T] [acted T] [rule n] [old] [standing] [unseen <from>..<until>] [deed|confirmed-deed]`;
//! `standing`: a rule at an instant; `unseen`: the agent was down; `old`: the rule stood before the
//! node was enrolled; `deed`: a person recorded it, and, where it says so, a second one confirmed it.
//!
//! What is not said: from 2026-01-01, everywhere, by the plain techniques (a coarser one is not
//! licensed), accepted, recorded 2025-12-01; at 2026-01-15T12:00:00Z, node router-1 in DE, fixed
//! network, by the operator's automation, by the technique that suits the target, claiming nothing.

#[path = "lists_language.rs"]
mod lists;
#[path = "papers_language.rs"]
mod papers;

use std::{collections::VecDeque, num::NonZeroU64};

use register::{
    AsKnown, Claim, Claimed, Confirmed, Event, Known, KnownSizes, NodeId, Parameters, Register,
    Span, Target, Unseen, Verdict, Why, judge, words,
};
use remit_proto::v1::{
    self, AddedFinding, Dimension, TargetKind, UndeterminedReason, VerdictCode,
    register_item::Item, statement::Body,
};
use sha2::{Digest, Sha256};

pub(crate) const ORIGIN: &str = "example.net/register";

/// `want` is "CODE", "UNDETERMINED(reason)", with " by <request>" where it matters, " besides CODE…" (in what
/// else that request fails) and " + FINDING…"; what is not named of the latter two must not be there.
pub(crate) fn check(event: &str, register: &str, want: &str) {
    let (shown, clause) = shown(event, register, want);
    assert_eq!(shown, want, "\n  event: {event}\n  register: {register}\n  {clause}");
}

/// The verdict as `want` writes it, and its clause.
pub(crate) fn shown(event: &str, register: &str, want: &str) -> (String, String) {
    let verdict = verdict(event, register);
    let mut shown = code_word(&verdict);
    if want.contains(" by ") {
        shown = format!("{shown} by {}", verdict.request().map_or("nobody", |id| id.as_str()));
    }
    if !verdict.besides.is_empty() {
        let codes: Vec<&str> = verdict
            .besides
            .iter()
            .map(|b| b.code.as_str_name().trim_start_matches("VERDICT_CODE_"))
            .collect();
        shown = format!("{shown} besides {}", codes.join(" "));
    }
    for finding in &verdict.added {
        shown = format!("{shown} + {}", finding_word(*finding));
    }
    let sentence = register::explain(&verdict.to_wire());
    assert!(sentence.ends_with('.') && !sentence.contains("()"), "{sentence}");
    (shown, format!("{:?}", verdict.clause))
}

/// The clause as "<dimension>: <request says> / <event shows>".
pub(crate) fn check_clause(event: &str, register: &str, want: &str) {
    let clause = verdict(event, register).clause;
    let dimension = match clause.dimension {
        Dimension::Unspecified => "unspecified",
        Dimension::Target => "target",
        Dimension::Time => "time",
        Dimension::Place => "place",
        Dimension::Method => "method",
        Dimension::Audience => "audience",
        Dimension::Status => "status",
        Dimension::Reference => "reference",
    };
    assert_eq!(
        format!("{dimension}: {} / {}", clause.request_says, clause.event_shows),
        want,
        "\n  event: {event}\n  register: {register}"
    );
}

/// `registered_before_act` and `basis_proof` as "yes, document_held".
pub(crate) fn check_qualities(event: &str, register: &str, want: &str) {
    let verdict = verdict(event, register);
    let before = match verdict.registered_before_act {
        v1::Ternary::Unspecified => "unspecified",
        v1::Ternary::Yes => "yes",
        v1::Ternary::No => "no",
        v1::Ternary::Unknown => "unknown",
    };
    let shown = format!("{before}, {}", words::basis_proof(verdict.basis_proof));
    assert_eq!(shown, want, "\n  event: {event}\n  register: {register}");
}

pub(crate) fn verdict(event: &str, register: &str) -> Verdict {
    verdict_in(event, &register_of(register))
}

pub(crate) fn verdict_in(event: &str, register: &Register) -> Verdict {
    let parts = EventText::read(event, register.size());
    let view = register.at(parts.size);
    let node: NodeId =
        parts.place.as_ref().map_or("router-1", |facts| facts.node.as_str()).parse().unwrap();
    let Claimed { claims, attributed } = view.claims_of(&node, parts.rule, parts.claims.clone());
    let event = Event {
        target: parts.target.clone(),
        narrowed: parts.narrowed,
        technique: parts.technique,
        rate_bits_per_s: parts.rate_bits_per_s,
        trigger: parts.trigger,
        actor: parts.actor,
        claims: &claims,
        attributed,
        baseline_until_s: view.baseline_until_s(&node).filter(|_| parts.old),
        response: parts.response.as_ref(),
        span: parts.span,
        imported: parts.imported,
        place: parts.place.as_ref(),
        observed: &parts.seen,
        ambiguous: parts.others,
        unseen: &parts.unseen,
        stands: parts.stands,
        deed: parts.deed.as_ref().map(Option::as_ref),
    };
    judge(&event, &view, &parts.sizes, &parts.parameters)
}

/// "<claims> by <person> at <time>" of the later attribution that the verdict tells of, or "nobody".
pub(crate) fn check_attributed(event: &str, register: &str, want: &str) {
    let verdict = verdict(event, register);
    let shown = verdict.attributed.as_ref().map_or_else(
        || "nobody".to_owned(),
        |said| {
            let claims: Vec<String> = said.claims.iter().map(ToString::to_string).collect();
            let at = words::time(said.recorded_at_s);
            format!("{} by {} at {at}", claims.join(","), said.by.person)
        },
    );
    assert_eq!(shown, want, "\n  event: {event}\n  register: {register}");
    let sentence = register::explain(&verdict.to_wire());
    assert_eq!(sentence.contains("Attributed later"), verdict.attributed.is_some(), "{sentence}");
}

pub(crate) fn register_of(text: &str) -> Register {
    written(text).0
}

/// With the digests of its statements.
pub(crate) fn written(text: &str) -> (Register, Vec<Vec<u8>>) {
    let mut register = Register::new(ORIGIN);
    let mut digests = Vec::new();
    for line in text.split([';', '\n']).map(str::trim).filter(|l| !l.is_empty()) {
        let (statement, items) = match line {
            "unreadable" => {
                digests.push(Vec::new());
                register.apply_not_understood();
                continue;
            }
            "withheld" | "withheld secret" => {
                let existence = match line {
                    "withheld secret" => v1::DisclosureTier::Secret,
                    _ => v1::DisclosureTier::Unspecified,
                };
                let import = v1::Import { existence: existence.into(), ..v1::Import::default() };
                (statement(Body::Import(import), at("2025-12-01"), None), None)
            }
            line => statement_after(line, &digests),
        };
        let mut items = items;
        replaces(&register, &mut items);
        digests.push(Sha256::digest(evidence::canonical::encode(&statement)).to_vec());
        register.apply(&statement, items).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    (register, digests)
}

/// As [`statement_of`], with what an approval must name.
pub(crate) fn statement_after(
    line: &str,
    digests: &[Vec<u8>],
) -> (v1::Statement, Option<Vec<v1::RegisterItem>>) {
    match line.strip_prefix("approve ") {
        Some(approval) => (lists::approval(approval, digests), None),
        None => statement_of(line),
    }
}

/// A version names the one that it replaces.
pub(crate) fn replaces(register: &Register, items: &mut Option<Vec<v1::RegisterItem>>) {
    for item in items.iter_mut().flatten() {
        let Some(Item::Request(request)) = &mut item.item else { continue };
        let held = request.id.parse().ok().and_then(|id| register.view().request(&id));
        if let Some(newest) = held.and_then(|entry| entry.all_versions().next_back()) {
            request.prev_hash = newest.digest.to_vec();
        }
    }
}

pub(crate) fn statement_of(line: &str) -> (v1::Statement, Option<Vec<v1::RegisterItem>>) {
    let mut words: VecDeque<&str> = line.split_whitespace().collect();
    let id = words.pop_front().unwrap();
    match id {
        "attribute" => return (attribution(words), None),
        "baseline" => return (baseline(words), None),
        "late-register" => {
            let grace_s = words[0].parse().unwrap();
            let body = Body::LateRegister(v1::LateRegister { grace_s });
            return (statement(body, at("2026-01-02"), None), None);
        }
        "feed" => return (lists::feed(words), None),
        "list" => return lists::version(words),
        "proceeding" => return (proceeding(words), None),
        _ => {}
    }
    let verb = words.front().map(|word| match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').unwrap_or_default().to_owned(),
    });
    match verb.and_then(|verb| words::transition_from(&verb)) {
        Some(kind) => {
            words.pop_front();
            (transition(id, kind, words), None)
        }
        None => request(id, words),
    }
}

fn attribution(mut words: VecDeque<&str>) -> v1::Statement {
    let claim = |text: &str| v1::Claim::from(&text.parse::<Claim>().unwrap());
    let mut said = v1::Attribution { node: "router-1".into(), ..v1::Attribution::default() };
    let which = words.pop_front().unwrap();
    match which.strip_prefix("claiming:") {
        Some(own) => said.claiming = Some(claim(own)),
        None => said.rules = which.split(',').map(|n| n.parse().unwrap()).collect(),
    }
    let mut recorded_at_s = at("2026-01-20");
    let mut person = "p-1".to_owned();
    while let Some(word) = words.pop_front() {
        let value = words.pop_front().unwrap();
        match word {
            "on" => said.node = value.to_owned(),
            "to" if value == "nothing" => said.withdrawn = true,
            "to" => said.claims = value.split(',').map(claim).collect(),
            "by" => person = value.to_owned(),
            "recorded" => recorded_at_s = at(value),
            other => panic!("{other}?"),
        }
    }
    let mut statement = statement(Body::Attribution(said), recorded_at_s, None);
    statement.author.as_mut().unwrap().person = person;
    statement
}

fn baseline(mut words: VecDeque<&str>) -> v1::Statement {
    let nodes = words.pop_front().unwrap().split(',').map(str::to_owned).collect();
    let mut said = v1::Baseline { nodes, until_s: 0 };
    let mut recorded_at_s = at("2026-01-02");
    while let Some(word) = words.pop_front() {
        let value = words.pop_front().unwrap();
        match word {
            "until" => said.until_s = at(value),
            "recorded" => recorded_at_s = at(value),
            other => panic!("{other}?"),
        }
    }
    statement(Body::Baseline(said), recorded_at_s, None)
}

fn proceeding(mut words: VecDeque<&str>) -> v1::Statement {
    let id = words.pop_front().unwrap().to_owned();
    assert_eq!(words.pop_front(), Some("ends"));
    let mut recorded_at_s = at("2025-12-15");
    let (mut effective_at_s, mut awaits_approval, mut approver) = (None, false, None);
    while let Some(word) = words.pop_front() {
        let value = words.pop_front().unwrap();
        match word {
            "effective" => effective_at_s = Some(at(value)),
            "recorded" => recorded_at_s = at(value),
            "awaits" => awaits_approval = true,
            "approver" => approver = Some(person(value)),
            other => panic!("{other}?"),
        }
    }
    let body = v1::Proceeding { id, outcome: String::new(), awaits_approval };
    let made = statement(Body::Proceeding(body), recorded_at_s, effective_at_s);
    v1::Statement { approver, ..made }
}

fn transition(id: &str, kind: v1::TransitionKind, mut words: VecDeque<&str>) -> v1::Statement {
    let mut recorded_at_s = at("2025-12-15");
    let (mut effective_at_s, mut approver) = (None, None);
    let mut stated = v1::Transition {
        request_id: id.to_owned(),
        kind: kind.into(),
        ..v1::Transition::default()
    };
    while let Some(word) = words.pop_front() {
        let value = words.pop_front().unwrap();
        match word {
            "effective" => effective_at_s = Some(at(value)),
            "recorded" => recorded_at_s = at(value),
            "by" => stated.by_request_id = value.to_owned(),
            "back-covers" => stated.back_covers = true,
            "awaits" => stated.awaits_approval = true,
            "approver" => approver = Some(person(value)),
            "partly-not" => {
                let target: Target = value.parse().unwrap();
                stated.decision = Some(v1::OperatorDecision {
                    kind: v1::DecisionKind::Partial.into(),
                    reason: v1::OperatorReason::ManifestErrors.into(),
                    not_accepted: vec![target.to_wire()],
                    ..v1::OperatorDecision::default()
                });
            }
            "only-in" => {
                let territories = value.split(',').map(str::to_owned).collect();
                stated.decision = Some(v1::OperatorDecision {
                    kind: v1::DecisionKind::AcceptNarrowed.into(),
                    reason: v1::OperatorReason::ServiceNotCovered.into(),
                    accepted_scope: Some(v1::Scope { territories, ..v1::Scope::default() }),
                    ..v1::OperatorDecision::default()
                });
            }
            other => panic!("{other}?"),
        }
    }
    let mut made = statement(Body::Transition(stated), recorded_at_s, effective_at_s);
    made.approver = approver;
    made
}

fn person(id: &str) -> v1::PersonRef {
    v1::PersonRef { person: id.to_owned(), role: v1::Role::Operator.into() }
}

fn request(id: &str, mut words: VecDeque<&str>) -> (v1::Statement, Option<Vec<v1::RegisterItem>>) {
    let mut recorded_at_s = at("2025-12-01");
    let mut effective_at_s = None;
    let (mut awaits_approval, mut approver) = (false, None);
    let mut closing: Vec<(v1::ClosedPart, bool)> = Vec::new();
    let mut measure = v1::Measure {
        techniques: PLAIN.iter().map(|t| i32::from(*t)).collect(),
        ..v1::Measure::default()
    };
    let mut scope = v1::Scope { territories: vec!["*".to_owned()], ..v1::Scope::default() };
    let mut authorisation = v1::Authorisation {
        instrument: v1::Instrument::CourtOrderFinal.into(),
        basis_class: v1::BasisClass::Law.into(),
        ..v1::Authorisation::default()
    };
    let mut notification =
        v1::Notification { form: v1::RequestForm::Letter.into(), ..v1::Notification::default() };
    let mut task = v1::Task { effective_from_s: at("2026-01-01"), ..v1::Task::default() };
    let mut request = v1::Request {
        id: id.to_owned(),
        version: 1,
        status: v1::RequestStatus::Accepted.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        ..v1::Request::default()
    };
    while let Some(word) = words.pop_front() {
        if word.contains(':') {
            task.targets.push(held(word, false));
            continue;
        }
        let value = words.pop_front().unwrap_or_else(|| panic!("{word} needs a value"));
        let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match word {
            "except" => task.targets.push(held(value, true)),
            "from" => task.effective_from_s = at(value),
            "until" => task.effective_until_s = at(value),
            "in" if value == "unstated" => scope.territories = Vec::new(),
            "in" => scope.territories = list(),
            "nodes" => scope.nodes = list(),
            "networks" => {
                scope.network_types =
                    list().iter().map(|n| words::network_type_from(n).unwrap().into()).collect();
            }
            "asns" => scope.asns = list().iter().map(|n| n.parse().unwrap()).collect(),
            "audience" => scope.audiences = list(),
            "by" if value == "any" => {
                measure = v1::Measure { outcome_only: true, ..v1::Measure::default() };
            }
            "by" => {
                measure.techniques =
                    list().iter().map(|t| words::technique_from(t).unwrap().into()).collect();
            }
            "coarsest" => {
                measure.coarsest = register::target::kind_from_word(value).unwrap().into();
            }
            "grace" => task.remove_within_s = value.parse::<u64>().unwrap() * 3_600,
            "throttle-to" => measure.throttle_to_bits_per_s = value.parse().unwrap(),
            "as" => {
                let instrument = words::instrument_from(value).unwrap();
                authorisation.instrument = instrument.into();
                authorisation.basis_class = match instrument {
                    v1::Instrument::TosMeasure => v1::BasisClass::ContractTos,
                    v1::Instrument::SecurityMeasure => v1::BasisClass::Security,
                    v1::Instrument::UserChoice => v1::BasisClass::UserChoice,
                    v1::Instrument::PrivateList => v1::BasisClass::VoluntaryList,
                    _ => v1::BasisClass::Law,
                }
                .into();
            }
            "class" => authorisation.basis_class = words::basis_class_from(value).unwrap().into(),
            "status" => request.status = words::status_from(value).unwrap().into(),
            "confirm-by" => task.confirm_by_s = at(value),
            "received" => notification.received_at_s = at(value),
            "implement-by" => task.implement_by_s = at(value),
            "added" => task.targets.last_mut().unwrap().added_at_s = at(value),
            "removed" => task.targets.last_mut().unwrap().removed_at_s = at(value),
            "proof" => request.basis_proof = words::basis_proof_from(value).unwrap().into(),
            "list" => {
                let (id, version) = value.split_once('@').unwrap();
                let (list_id, version) = (id.to_owned(), version.to_owned());
                task.lists.push(v1::ListClaim { list_id, version });
            }
            "branch" => {
                authorisation.authority.get_or_insert_default().branch = value.to_owned();
            }
            "remove-by" => task.remove_by_s = at(value),
            "within" => {
                let (from, until) = value.split_once("..").unwrap();
                task.windows.push(v1::Window { from_s: at(from), until_s: at(until) });
            }
            "lasting" => {
                let hours: u64 = value.trim_end_matches('h').parse().unwrap();
                task.max_duration_s = hours * 3_600;
            }
            "derived" => {
                let from: Target = value.parse().unwrap();
                let derived = v1::Derived {
                    from: Some(from.to_wire()),
                    resolved_at_s: at("2026-01-01"),
                    ttl_s: 0,
                    evidence: vec![7; 32],
                };
                task.targets.last_mut().unwrap().derived = Some(derived);
            }
            "resolved" | "ttl" | "unproved" => {
                let derived = task.targets.last_mut().unwrap().derived.as_mut().unwrap();
                match word {
                    "resolved" => derived.resolved_at_s = at(value),
                    "ttl" => derived.ttl_s = value.parse().unwrap(),
                    _ => derived.evidence.clear(),
                }
            }
            "notice" => measure.notice_required = true,
            "permits" => measure.derived_targets = true,
            "depends" | "outlives" => request.relations.push(v1::Relation {
                kind: v1::RelationKind::DependsOnProceeding.into(),
                to: value.to_owned(),
                outlives: word == "outlives",
            }),
            "relation" => {
                let (kind, to) = value.split_once('=').unwrap();
                request.relations.push(v1::Relation {
                    kind: words::relation_from(kind).unwrap().into(),
                    to: to.to_owned(),
                    outlives: false,
                });
            }
            "awaits" => awaits_approval = true,
            "with" => {
                approver = Some(v1::PersonRef {
                    person: value.to_owned(),
                    role: v1::Role::Operator.into(),
                })
            }
            "decided" => {
                assert_eq!(value, "accept");
                let kind = v1::DecisionKind::Accept.into();
                request.decision = Some(v1::OperatorDecision { kind, ..Default::default() });
            }
            "publisher" => notification.addressee_role = v1::AddresseeRole::Publisher.into(),
            "closing" | "opening" => {
                let (part, tier) = value.split_once('=').unwrap();
                let tier = words::tier_from(tier).unwrap();
                let until_s = match tier {
                    v1::DisclosureTier::Public => 0,
                    _ => at("2026-12-01"),
                };
                closing.push((
                    v1::ClosedPart {
                        part: words::part_from(part).unwrap().into(),
                        tier: tier.into(),
                        until_s,
                        ..v1::ClosedPart::default()
                    },
                    word == "opening",
                ));
            }
            "except-nodes" => scope.except_nodes = list(),
            "cells" => scope.cells = list(),
            "except-audience" => scope.except_audiences = list(),
            "version" => request.version = value.parse().unwrap(),
            "covers" => task.covers_lists = list(),
            "effective" => effective_at_s = Some(at(value)),
            "recorded" => recorded_at_s = at(value),
            other => {
                let validity = &mut request.validity;
                let (authorisation, notification, task) =
                    (&mut authorisation, &mut notification, &mut task);
                let mut parts = papers::Parts { authorisation, notification, task, validity };
                assert!(papers::paper(other, value, &mut parts), "{other}?");
            }
        }
    }
    task.measure = Some(measure);
    task.scope = Some(scope);
    if request.basis_proof() == v1::BasisProof::AuthoritySigned {
        let set = v1::ItemSet { count: 1, root: vec![1; 32], chunks: vec![vec![2; 32]] };
        request.documents.push(v1::Document {
            digest: vec![3; 32],
            signature_status: v1::SignatureStatus::Valid.into(),
            anchor_digest: vec![4; 32],
            signature: Some(set),
            ..v1::Document::default()
        });
    }
    request.authorisation = Some(authorisation);
    request.notification = Some(notification);
    request.task = Some(task);
    let mut opened = Vec::new();
    for (part, seen) in closing {
        let fields = evidence::closed::take(&mut request.clone(), part.part());
        let salt = || -> Result<evidence::commitment::Salt, ()> {
            Ok(evidence::commitment::Salt([7; 16]))
        };
        evidence::closed::close(&mut request, part.clone(), salt).unwrap().unwrap();
        if seen {
            let (request_id, part) = (request.id.clone(), part.part);
            opened.push(Item::Opened(v1::OpenedPart { request_id, part, fields }));
        }
    }
    let items = [Item::Request(request)].into_iter().chain(opened);
    let items = items.map(|item| v1::RegisterItem { item: Some(item) }).collect();
    let set = v1::ItemSet { count: 1, ..v1::ItemSet::default() };
    let import = v1::Import { items: Some(set), awaits_approval, ..v1::Import::default() };
    let mut made = statement(Body::Import(import), recorded_at_s, effective_at_s);
    made.approver = approver;
    (made, Some(items))
}

const PLAIN: [v1::Technique; 5] = [
    v1::Technique::DnsNxdomain,
    v1::Technique::IpAclDrop,
    v1::Technique::Http451,
    v1::Technique::TlsSniDrop,
    v1::Technique::Disconnection,
];

fn held(text: &str, exception: bool) -> v1::RequestTarget {
    let target: Target = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    v1::RequestTarget { target: Some(target.to_wire()), exception, ..v1::RequestTarget::default() }
}

pub(crate) fn statement(
    body: Body,
    recorded_at_s: i64,
    effective_at_s: Option<i64>,
) -> v1::Statement {
    v1::Statement {
        format: 1,
        origin: ORIGIN.to_owned(),
        recorded_at_s,
        effective_at_s: effective_at_s.unwrap_or(recorded_at_s),
        author: Some(v1::PersonRef { person: "p-1".into(), role: v1::Role::Operator.into() }),
        approver: None,
        body: Some(body),
    }
}

struct EventText {
    target: Known<Target>,
    technique: v1::Technique,
    rate_bits_per_s: Option<NonZeroU64>,
    trigger: v1::Trigger,
    actor: v1::Actor,
    claims: Vec<Claim>,
    response: Option<v1::Response>,
    span: Span,
    imported: bool,
    narrowed: bool,
    place: Option<v1::NodeFacts>,
    seen: Vec<Target>,
    others: usize,
    rule: u64,
    old: bool,
    unseen: Vec<Unseen>,
    stands: bool,
    deed: Option<Option<Confirmed>>,
    size: u64,
    sizes: KnownSizes,
    parameters: Parameters,
}

impl EventText {
    fn read(text: &str, size: u64) -> Self {
        let mut words: VecDeque<&str> = text.split_whitespace().collect();
        assert_eq!(words.pop_front(), Some("block"), "{text}");
        let target = match words.pop_front().unwrap() {
            "erased" => Known::Erased,
            "gibberish" => Known::NotUnderstood,
            word => Known::Known(
                word.parse()
                    .or_else(|_| Target::guess(word).map(|(t, _)| t))
                    .unwrap_or_else(|e| panic!("{word}: {e}")),
            ),
        };
        let (technique, trigger) = usual(&target);
        let noon = at("2026-01-15T12:00:00Z");
        let mut event = Self {
            target,
            technique,
            rate_bits_per_s: None,
            trigger,
            actor: v1::Actor::OperatorAutomation,
            claims: Vec::new(),
            response: None,
            span: Span { first_s: noon, last_s: noon, clock_error_s: 0 },
            imported: false,
            narrowed: false,
            place: Some(v1::NodeFacts {
                node: "router-1".into(),
                country: "DE".into(),
                network_type: v1::NetworkType::Fixed.into(),
                ..v1::NodeFacts::default()
            }),
            seen: Vec::new(),
            others: 0,
            rule: 1,
            old: false,
            unseen: Vec::new(),
            stands: false,
            deed: None,
            size,
            sizes: KnownSizes { before_act: None, when_logged: size },
            parameters: Parameters::default(),
        };
        while let Some(word) = words.pop_front() {
            event.word(word, &mut words);
        }
        event
    }

    fn word(&mut self, word: &str, words: &mut VecDeque<&str>) {
        match word {
            "imported" => return self.imported = true,
            "narrowed" => return self.narrowed = true,
            "old" => return self.old = true,
            "standing" => return self.stands = true,
            "deed" => return self.deed = Some(None),
            "confirmed-deed" => {
                let by = v1::PersonRef { person: "p-2".into(), role: v1::Role::Operator.into() };
                let attestation = v1::Attestation::ByNode;
                let confirmed = Confirmed { leaf: 1, at_s: self.span.last_s, by, attestation };
                return self.deed = Some(Some(confirmed));
            }
            "then" => return self.parameters.as_known = AsKnown::Then,
            _ => {}
        }
        let value = words.pop_front().unwrap_or_else(|| panic!("{word} needs a value"));
        let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match word {
            "at" => {
                self.span.first_s = at(value);
                self.span.last_s = self.span.first_s;
            }
            "to" => self.span.last_s = at(value),
            "give-or-take" => self.span.clock_error_s = value.parse().unwrap(),
            "on" if value == "undeclared" => self.place = None,
            "on" => {
                let country = words.front().and_then(|w| w.strip_prefix('('));
                let facts = self.place.as_mut().unwrap();
                facts.node = value.to_owned();
                if let Some(country) = country.and_then(|w| w.strip_suffix(')')) {
                    words.pop_front();
                    let (country, region) = match country.split_once('-') {
                        Some((of, _)) => (of, country),
                        None => (country.trim_matches('?'), ""),
                    };
                    (facts.country, facts.region) = (country.to_owned(), region.to_owned());
                }
            }
            "network" => {
                let network = words::network_type_from(value).unwrap_or_default();
                self.place.as_mut().unwrap().network_type = network.into();
            }
            "asn" => self.place.as_mut().unwrap().asn = value.parse().unwrap(),
            "group" => self.place.as_mut().unwrap().groups = list(),
            "serving" => self.place.as_mut().unwrap().audiences = list(),
            "serving-cells" => self.place.as_mut().unwrap().cells = list(),
            "by" => self.technique = words::technique_from(value).unwrap_or_default(),
            "for" => self.claims = list().iter().map(|c| c.parse().unwrap()).collect(),
            "trigger" => self.trigger = trigger(value),
            "actor" => self.actor = actor(value),
            "answering" => {
                let extended_errors = list().iter().map(|c| c.parse().unwrap()).collect();
                let dns = v1::DnsResponse { rcode: 3, extended_errors };
                let response = Some(v1::response::Response::Dns(dns));
                self.response = Some(v1::Response { response });
            }
            "answering-http" => {
                let http = v1::HttpResponse { status: value.parse().unwrap(), blocked_by: false };
                let response = Some(v1::response::Response::Http(http));
                self.response = Some(v1::Response { response });
            }
            "leaving" => self.rate_bits_per_s = value.parse().ok(),
            "seeing" => {
                self.seen = list().iter().map(|hit| Target::guess(hit).unwrap().0).collect();
            }
            "unseen" => {
                let (from_s, until_s) = value.split_once("..").unwrap();
                let (from_s, until_s) = (at(from_s), at(until_s));
                let why = Why::Lost(v1::LossCause::AgentDown);
                self.unseen.push(Unseen { from_s, until_s, why });
            }
            "others" => self.others = value.parse().unwrap(),
            "rule" => self.rule = value.parse().unwrap(),
            "size" => self.size = value.parse().unwrap(),
            "before" => self.sizes.before_act = Some(value.parse().unwrap()),
            "logged" => self.sizes.when_logged = value.parse().unwrap(),
            "now" => self.parameters.judged_at_s = Some(at(value)),
            "acted" => self.parameters.acted_at_s = Some(at(value)),
            other => panic!("{other}?"),
        }
    }
}

fn usual(target: &Known<Target>) -> (v1::Technique, v1::Trigger) {
    let Known::Known(target) = target else {
        return (v1::Technique::DnsNxdomain, v1::Trigger::Qname);
    };
    match target.kind() {
        TargetKind::Ip | TargetKind::Cidr | TargetKind::IpPort | TargetKind::Port => {
            (v1::Technique::IpAclDrop, v1::Trigger::Destination)
        }
        TargetKind::Url | TargetKind::UrlPrefix | TargetKind::HttpHost => {
            (v1::Technique::Http451, v1::Trigger::Url)
        }
        TargetKind::Sni => (v1::Technique::TlsSniDrop, v1::Trigger::ServerName),
        TargetKind::WholeService
        | TargetKind::CellArea
        | TargetKind::AsnRoute
        | TargetKind::ProtocolApp => (v1::Technique::Disconnection, v1::Trigger::Other),
        TargetKind::LineAccount => (v1::Technique::LineSuspend, v1::Trigger::Other),
        _ => (v1::Technique::DnsNxdomain, v1::Trigger::Qname),
    }
}

fn trigger(word: &str) -> v1::Trigger {
    match word {
        "response_ip" => v1::Trigger::ResponseIp,
        "nsdname" => v1::Trigger::Nsdname,
        other => panic!("{other}?"),
    }
}

fn actor(word: &str) -> v1::Actor {
    match word {
        "staff" => v1::Actor::OperatorStaff,
        "vendor" => v1::Actor::Vendor,
        "government_box" => v1::Actor::GovernmentBox,
        "unknown" => v1::Actor::Unknown,
        other => panic!("{other}?"),
    }
}

pub(crate) fn at(text: &str) -> i64 {
    let text = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        17 => text.replace('Z', ":00Z"),
        _ => text.to_owned(),
    };
    text.parse::<jiff::Timestamp>().unwrap_or_else(|e| panic!("{text}: {e}")).as_second()
}

fn code_word(verdict: &Verdict) -> String {
    let screaming = |text: String| {
        let mut out = String::new();
        for c in text.chars() {
            if c.is_uppercase() && !out.is_empty() {
                out.push('_');
            }
            out.push(c.to_ascii_uppercase());
        }
        out
    };
    match verdict.undetermined {
        None => {
            assert_ne!(verdict.code, VerdictCode::Undetermined);
            screaming(format!("{:?}", verdict.code))
        }
        Some(reason) => {
            assert_eq!(verdict.code, VerdictCode::Undetermined);
            let reason = match reason {
                UndeterminedReason::Unspecified => "unspecified",
                UndeterminedReason::Boundary => "boundary",
                UndeterminedReason::Erased => "erased",
                UndeterminedReason::Imported => "imported",
                UndeterminedReason::LateRegister => "late_register",
                UndeterminedReason::Gap => "gap",
                UndeterminedReason::Secret => "secret",
                UndeterminedReason::Scope => "scope",
                UndeterminedReason::NotUnderstood => "not_understood",
                UndeterminedReason::AmbiguousRule => "ambiguous_rule",
                UndeterminedReason::TooMany => "too_many",
            };
            format!("UNDETERMINED({reason})")
        }
    }
}

fn finding_word(finding: AddedFinding) -> &'static str {
    match finding {
        AddedFinding::Unspecified => "UNSPECIFIED",
        AddedFinding::Collateral => "COLLATERAL",
        AddedFinding::MisleadingResponse => "MISLEADING_RESPONSE",
        AddedFinding::TosLabelDoubtful => "TOS_LABEL_DOUBTFUL",
        AddedFinding::ThirdPartyAction => "THIRD_PARTY_ACTION",
        AddedFinding::Unattributed => "UNATTRIBUTED",
        AddedFinding::Unconfirmed => "UNCONFIRMED",
    }
}
