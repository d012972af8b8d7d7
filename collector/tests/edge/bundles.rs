//! What a bundle holds for whom, where targets are closed.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use evidence::{
    chunk::{SetBuilder, chunk_id},
    closed,
    commitment::{self, Salt},
    leaf::RULE_CHANGE_TARGET,
};
use prost::Message as _;
use remit_proto::v1::{
    self, DisclosureTier, Role, evidence_service_client::EvidenceServiceClient, leaf,
    register_item, register_service_client::RegisterServiceClient, statement::Body, submit_request,
    submit_response::Message,
};
use tonic::transport::Channel;

use crate::rig::{Collector, exported, first_batch_with, hello, signed_statement, signing_key};

const ORIGIN: &str = "example.net/agent/edge-1/0000000000000001";
/// 192.0.2.4 is the target of "req-4".
const HIDDEN: &str = "192.0.2.4";

fn target() -> v1::Target {
    v1::Target { kind: v1::TargetKind::Ip.into(), value: HIDDEN.into() }
}

/// "req-4", with its targets in the clear.
fn request() -> v1::Request {
    v1::Request {
        id: "req-4".into(),
        version: 1,
        authorisation: Some(v1::Authorisation {
            instrument: v1::Instrument::CourtOrderFinal.into(),
            basis_class: v1::BasisClass::Law.into(),
            authority: Some(v1::Authority { id: "court".into(), ..v1::Authority::default() }),
            ..v1::Authorisation::default()
        }),
        notification: Some(v1::Notification {
            form: v1::RequestForm::Letter.into(),
            ..v1::Notification::default()
        }),
        task: Some(v1::Task {
            targets: vec![v1::RequestTarget {
                target: Some(target()),
                ..v1::RequestTarget::default()
            }],
            measure: Some(v1::Measure { outcome_only: true, ..v1::Measure::default() }),
            scope: Some(v1::Scope { territories: vec!["DE".into()], ..v1::Scope::default() }),
            effective_from_s: 1_780_000_000,
            ..v1::Task::default()
        }),
        status: v1::RequestStatus::Accepted.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        ..v1::Request::default()
    }
}

fn put(chunks: &mut Vec<Vec<u8>>, items: Vec<Vec<u8>>) -> v1::ItemSet {
    let mut set = SetBuilder::new();
    for item in items {
        chunks.extend(set.push(Salt([3; 16]), item));
    }
    let (set, last) = set.finish();
    chunks.extend(last);
    set
}

fn chunk_name(chunk: &[u8]) -> String {
    evidence::bundle::chunk_name(&chunk_id(chunk))
}

/// Enters a version of the request; where a bundle has it.
async fn enter(channel: Channel, request: v1::Request, mut chunks: Vec<Vec<u8>>) -> String {
    let item = v1::RegisterItem { item: Some(register_item::Item::Request(request)) };
    let items = put(&mut chunks, vec![item.encode_to_vec()]);
    let body = Body::Import(v1::Import { items: Some(items), ..v1::Import::default() });
    append(channel, body, chunks).await
}

/// States it; where a bundle has the last of these chunks.
async fn append(channel: Channel, body: Body, chunks: Vec<Vec<u8>>) -> String {
    let name = chunk_name(chunks.last().unwrap());
    let mut register = RegisterServiceClient::new(channel);
    for chunk in chunks {
        register.put_chunk(v1::PutChunkRequest { chunk }).await.unwrap();
    }
    let now_s = remit_collector::serve::now_s();
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: now_s,
        effective_at_s: now_s,
        author: Some(v1::PersonRef { person: "p-1".into(), role: Role::Operator.into() }),
        approver: None,
        body: Some(body),
    };
    let signed_statement = signed_statement(&statement);
    register.append_statement(v1::AppendStatementRequest { signed_statement }).await.unwrap();
    name
}

/// A request with a target of its own.
fn other(id: &str, target: &str) -> v1::Request {
    let mut other = v1::Request { id: id.into(), ..request() };
    let target = v1::Target { kind: v1::TargetKind::Ip.into(), value: target.into() };
    other.task.as_mut().unwrap().targets[0].target = Some(target);
    other
}

/// Stays a request, with words.
async fn stay(channel: Channel, id: &str, reason: &str) -> String {
    let said = v1::StatedTexts { reason: reason.into(), ..v1::StatedTexts::default() };
    let item = v1::RegisterItem { item: Some(register_item::Item::Said(said)) };
    let mut chunks = Vec::new();
    let said = Some(put(&mut chunks, vec![item.encode_to_vec()]));
    let step = v1::Transition {
        request_id: id.into(),
        kind: v1::TransitionKind::Suspend.into(),
        said,
        ..v1::Transition::default()
    };
    append(channel, Body::Transition(step), chunks).await
}

/// A rule for the target that claims "req-4", and a snapshot of it; where a bundle has what the snapshot shows.
async fn install(collector: &Collector) -> String {
    let agent = collector.enrol("edge-1", Role::Agent, 3).await;
    let key = signing_key(ORIGIN, 3);
    let claim = v1::claim::Claim::RequestId("req-4".into());
    let rule = v1::Rule {
        number: 1,
        source: v1::SourceKind::Nftables.into(),
        technique: v1::Technique::IpAclDrop.into(),
        trigger: v1::Trigger::Destination.into(),
        direction: v1::Direction::ToTarget.into(),
        actor: v1::Actor::OperatorStaff.into(),
        claims: vec![v1::Claim { claim: Some(claim) }],
        claim_origin: v1::ClaimOrigin::Carried.into(),
        ..v1::Rule::default()
    };
    let value = target().encode_to_vec();
    let (rule_target, opening) = commitment::make(RULE_CHANGE_TARGET, Salt([5; 16]), value);
    let change = v1::RuleChange {
        kind: v1::RuleChangeKind::Installed.into(),
        at_s: 1_790_000_000,
        rule: Some(rule.clone()),
        rule_target,
        ..v1::RuleChange::default()
    };
    let openings = vec![v1::LeafOpening { index: 1, opening: Some(opening) }];
    let shown =
        v1::SnapshotRule { rule: Some(rule), target: Some(target()), native: String::new() };
    let mut chunks = Vec::new();
    let rules = Some(put(&mut chunks, vec![shown.encode_to_vec()]));
    let snapshot = v1::RuleSnapshot {
        source: v1::SourceKind::Nftables.into(),
        at_s: 1_790_000_000,
        rules,
        ..v1::RuleSnapshot::default()
    };
    let between = vec![leaf::Body::RuleChange(change), leaf::Body::RuleSnapshot(snapshot)];
    let batch = first_batch_with(ORIGIN, &key, between, openings);
    let chunk = chunks.pop().unwrap();
    let name = chunk_name(&chunk);
    let mut stream = collector.submit(&agent).await;
    stream.ask(hello(ORIGIN, &key)).await;
    stream.ask(submit_request::Message::Chunk(chunk.into())).await;
    let accepted = stream.ask(submit_request::Message::Batch(batch)).await;
    assert_eq!(accepted, Message::Accepted(v1::Accepted { size: 4 }));
    name
}

/// The first bundle that holds all of these files: what was entered is in none before the next checkpoint.
async fn bundle(
    evidence: &mut EvidenceServiceClient<Channel>,
    clearance: DisclosureTier,
    holding: &[&str],
) -> BTreeMap<String, Vec<u8>> {
    let clearance = clearance.into();
    let request = v1::ExportRequest { clearance, ..v1::ExportRequest::default() };
    let first = async {
        loop {
            let files = exported(evidence, request.clone()).await;
            if holding.iter().all(|name| files.contains_key(*name)) {
                return files;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), first).await.expect("it is published")
}

/// Openings of leaves, and where in the bundle the target stands.
fn told(files: &BTreeMap<String, Vec<u8>>) -> (bool, Vec<&str>) {
    let has = |bytes: &[u8]| bytes.windows(HIDDEN.len()).any(|part| part == HIDDEN.as_bytes());
    let names = files.iter().filter(|(_, bytes)| has(bytes)).map(|(name, _)| name.as_str());
    (files.keys().any(|name| name.ends_with("/openings")), names.collect())
}

fn manifest(files: &BTreeMap<String, Vec<u8>>) -> serde_json::Value {
    serde_json::from_slice(&files["manifest.json"]).unwrap()
}

#[tokio::test]
async fn a_bundle_puts_no_target_beside_a_request_whose_targets_are_hidden() {
    let collector = Collector::start().await;
    let operator = collector.enrol("p-1", Role::Operator, 1).await;
    let assessor = collector.enrol("p-2", Role::Assessor, 2).await;
    let operator = collector.connect(Some(&operator)).await;
    let mut to_operator = EvidenceServiceClient::new(operator.clone());
    let mut to_assessor = EvidenceServiceClient::new(collector.connect(Some(&assessor)).await);
    let snapshot = install(&collector).await;

    // Nothing is closed: who may export gets all of it.
    let open = enter(operator.clone(), request(), Vec::new()).await;
    let openings = "agents/edge-1/0000000000000001/openings";
    let mut all = vec![openings, open.as_str(), snapshot.as_str()];
    all.sort_unstable();
    let files = bundle(&mut to_assessor, DisclosureTier::Unspecified, &all).await;
    assert_eq!(told(&files), (true, all.clone()));
    assert!(files.contains_key("verdicts.jsonl"));
    assert_eq!(manifest(&files)["openings_withheld"], false);

    // The next version closes them.
    let mut next = v1::Request { version: 2, ..request() };
    next.prev_hash = register::version_digest(&request()).to_vec();
    let part = v1::ClosedPart {
        part: v1::RequestPart::Targets.into(),
        tier: DisclosureTier::Secret.into(),
        ..v1::ClosedPart::default()
    };
    let chunks = closed::close(&mut next, part, || Ok::<_, Infallible>(Salt([4; 16])));
    let closing = enter(operator.clone(), next, chunks.unwrap().unwrap()).await;
    // What is said of others must not name it either.
    enter(operator.clone(), other("req-5", "192.0.2.5"), Vec::new()).await;
    enter(operator.clone(), other("req-6", "192.0.2.6"), Vec::new()).await;
    let named = stay(operator.clone(), "req-5", "Replaced by REQ-4.").await;
    let plain = stay(operator.clone(), "req-6", "The court says so.").await;
    // Where this one is, those are too.
    let closing = [closing, enter(operator, other("req-7", "192.0.2.8"), Vec::new()).await];
    let closing: Vec<&str> = closing.iter().map(String::as_str).collect();
    for clearance in [DisclosureTier::Unspecified, DisclosureTier::Restricted] {
        // That there is such a request is shown.
        let files = bundle(&mut to_assessor, clearance, &closing).await;
        assert_eq!(told(&files), (false, vec![]), "{clearance:?}");
        assert!(files.contains_key(&plain) && !files.contains_key(&named), "{clearance:?}");
        assert!(!files.contains_key("verdicts.jsonl"));
        let manifest = manifest(&files);
        assert_eq!(manifest["openings_withheld"], true);
        assert_eq!(manifest["requests_with_hidden_targets"], 1);
        assert_eq!(
            (&manifest["imports_withheld"], &manifest["closed_parts_withheld"]),
            (&1.into(), &2.into())
        );
    }
    // Who sees them has them.
    let files = bundle(&mut to_operator, DisclosureTier::Secret, &all).await;
    let (has_openings, names) = told(&files);
    assert!(has_openings && all.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(files.contains_key(&named));
    // Nor does the operator give them away by chance.
    let files = bundle(&mut to_operator, DisclosureTier::Unspecified, &closing).await;
    assert_eq!(told(&files), (false, vec![]));
    collector.stop().await.unwrap();
}
