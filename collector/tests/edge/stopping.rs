//! The collector ends when it is told to, whatever its clients do, and says why if it was not told.

use std::collections::BTreeMap;

use evidence::{chunk::chunk_id, log_entry::LogEntry};
use remit_collector::serve::ServeError;
use remit_proto::v1::{
    self, GetCheckpointRequest, Role, evidence_service_client::EvidenceServiceClient,
    log_entry::Entry, register_service_client::RegisterServiceClient, statement::Body,
    submit_request, submit_response::Message,
};

use crate::rig::{Collector, exported, first_batch, hello, reason, signed_statement, signing_key};

const ORIGIN: &str = "example.net/agent/edge-1/0000000000000001";

#[tokio::test]
async fn open_streams_do_not_keep_it_from_stopping() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    let mut greeted = collector.submit(&agent).await;
    greeted.ask(hello(ORIGIN, &key)).await;
    let batch = submit_request::Message::Batch(first_batch(ORIGIN, &key));
    assert_eq!(greeted.ask(batch).await, Message::Accepted(v1::Accepted { size: 2 }));
    let silent = collector.submit(&agent).await;
    // Somebody without a certificate who connects and says nothing.
    let _stranger = tokio::net::TcpStream::connect(collector.address()).await.unwrap();
    collector.stop().await.unwrap();
    assert_eq!(reason(&greeted.answer().await.unwrap_err()), "STOPPING");
    drop(silent);
}

#[tokio::test]
async fn an_index_that_fails_is_named_and_not_only_missed() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    // Somebody changes the index under the collector.
    let index = rusqlite::Connection::open(collector.dir.path().join("index/catalog.db")).unwrap();
    // The collector writes to it a few times a second.
    index.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    let names: Vec<String> = index
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for name in names {
        // Those of SQLite itself cannot be dropped.
        let dropped = index.execute(&format!("DROP TABLE \"{name}\""), []);
        assert!(dropped.is_ok() || name.starts_with("sqlite_"), "{name}: {dropped:?}");
    }
    let mut stream = collector.submit(&agent).await;
    stream.ask(hello(ORIGIN, &key)).await;
    stream.send(submit_request::Message::Batch(first_batch(ORIGIN, &key))).await;
    let error = collector.ended().await.unwrap_err();
    assert!(matches!(error, ServeError::Index(_)), "{error}");
}

#[tokio::test]
async fn an_export_of_a_node_that_nobody_knows_is_no_export() {
    let collector = Collector::start().await;
    let operator = collector.enrol("p-1", Role::Operator, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let mut evidence = EvidenceServiceClient::new(collector.connect(Some(&operator)).await);
    let request = v1::ExportRequest {
        nodes: vec!["edge-9".into()],
        withhold_openings: false,
        ..Default::default()
    };
    assert_eq!(reason(&evidence.export(request).await.err().unwrap()), "FIELD_INVALID");
    assert!(evidence.export(v1::ExportRequest::default()).await.is_ok());
    collector.stop().await.unwrap();
}

fn exports(files: &BTreeMap<String, Vec<u8>>) -> Vec<v1::Export> {
    let bundles = files.iter().filter(|(name, _)| name.starts_with("log/tile/entries/"));
    let entries = bundles.flat_map(|(_, bytes)| tlog::tile::decode_entries(bytes).unwrap());
    entries
        .filter_map(|entry| match LogEntry::decode(entry).unwrap() {
            LogEntry::Known { entry: Entry::Export(export), .. } => Some(export),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn whoever_exports_leaves_an_entry_that_later_bundles_hold() {
    let collector = Collector::start().await;
    let assessor = collector.enrol("p-7", Role::Assessor, 1).await;
    let mut evidence = EvidenceServiceClient::new(collector.connect(Some(&assessor)).await);
    let first = exported(&mut evidence, v1::ExportRequest::default()).await;
    assert_eq!(exports(&first), []);
    let manifest = chunk_id(&first["manifest.json"]).0.to_vec();
    let by = v1::PersonRef { person: "p-7".into(), role: Role::Assessor.into() };
    // In the first bundle of a later checkpoint; until there is one, each of these leaves an entry too.
    let mut held = Vec::new();
    for _ in 0..1000 {
        held = exports(&exported(&mut evidence, v1::ExportRequest::default()).await);
        if !held.is_empty() {
            break;
        }
    }
    assert_eq!(held.first(), Some(&v1::Export { manifest, by: Some(by) }));
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_checkpoint_comes_with_the_register_head_below_it() {
    let collector = Collector::start().await;
    let operator = collector.enrol("p-1", Role::Operator, 1).await;
    let channel = collector.connect(Some(&operator)).await;
    let person = Some(v1::PersonRef { person: "p-1".into(), role: Role::Operator.into() });
    let now_s = remit_collector::serve::now_s();
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: now_s,
        effective_at_s: now_s,
        author: person.clone(),
        approver: None,
        body: Some(Body::Attribution(v1::Attribution {
            node: "edge-1".into(),
            rules: vec![1],
            claims: vec![v1::Claim {
                claim: Some(v1::claim::Claim::BasisClass(v1::BasisClass::Security.into())),
            }],
            ..v1::Attribution::default()
        })),
    };
    let signed_statement = signed_statement(&statement);
    RegisterServiceClient::new(channel.clone())
        .append_statement(v1::AppendStatementRequest { signed_statement })
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let answer = EvidenceServiceClient::new(channel)
        .get_checkpoint(GetCheckpointRequest {})
        .await
        .unwrap()
        .into_inner();
    let register_key = answer.register_vkey.parse().unwrap();
    let head = tlog::checkpoint::Checkpoint::open(&answer.register_head, &register_key).unwrap();
    assert_eq!(head.size, 1);
    collector.stop().await.unwrap();
}
