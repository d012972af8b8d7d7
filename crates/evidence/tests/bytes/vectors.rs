//! Vectors of the byte check and the value check, for anybody who writes another reader.
//!
//! `testdata/vectors.json` is the published form. This file makes the cases and compares; after a
//! wanted change, `UPDATE_VECTORS=1 cargo test -p evidence` writes it anew.

use evidence::{Leaf, Malformed};
use prost::Message;
use remit_proto::v1::{self, leaf::Body, statement::Body as Statement};
use serde::{Deserialize, Serialize};

use crate::sample;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vector {
    name: String,
    /// What the bytes are meant to be: a `remit.v1.Leaf` or a `remit.v1.Statement`.
    message: String,
    hex: String,
    /// "ok", "not protobuf", "not canonical", "too large", "not understood", or "value: <field>".
    result: String,
}

fn result(bytes: &[u8]) -> String {
    match Leaf::decode(bytes) {
        Ok(Leaf::Known(_)) => "ok".to_owned(),
        Ok(Leaf::NotUnderstood { .. }) => "not understood".to_owned(),
        Err(why) => refused(why),
    }
}

fn result_of_statement(bytes: &[u8]) -> String {
    evidence::statement::decode(bytes).map_or_else(refused, |_| "ok".to_owned())
}

fn refused(why: Malformed) -> String {
    match why {
        Malformed::NotProtobuf => "not protobuf".to_owned(),
        Malformed::NotCanonical => "not canonical".to_owned(),
        Malformed::TooLarge { .. } => "too large".to_owned(),
        Malformed::Missing { field } | Malformed::Range { field, .. } => {
            format!("value: {field}")
        }
    }
}

/// A leaf around the bytes of a body, with a length that fits.
fn wrap(field: u32, body: &[u8]) -> Vec<u8> {
    let mut leaf = Vec::new();
    prost::encoding::encode_key(field, prost::encoding::WireType::LengthDelimited, &mut leaf);
    prost::encoding::encode_varint(body.len() as u64, &mut leaf);
    leaf.extend_from_slice(body);
    leaf
}

fn activity(change: impl FnOnce(&mut v1::Activity)) -> Vec<u8> {
    let mut activity = sample::activity();
    change(&mut activity);
    sample::encode(Body::Activity(activity))
}

fn genesis(change: impl FnOnce(&mut v1::Genesis)) -> Vec<u8> {
    let mut genesis = sample::genesis();
    change(&mut genesis);
    sample::encode(Body::Genesis(genesis))
}

fn seal(change: impl FnOnce(&mut v1::Seal)) -> Vec<u8> {
    let mut seal = sample::seal();
    change(&mut seal);
    sample::encode(Body::Seal(seal))
}

fn deed(change: impl FnOnce(&mut v1::ServiceAction)) -> Vec<u8> {
    let mut action = sample::service_action();
    change(&mut action);
    sample::encode(Body::ServiceAction(action))
}

fn probe(change: impl FnOnce(&mut v1::Probe)) -> Vec<u8> {
    let mut probe = sample::probe();
    change(&mut probe);
    sample::encode(Body::Probe(probe))
}

fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let plain = sample::activity().encode_to_vec();
    let with = |extra: &[u8]| wrap(4, &[plain.as_slice(), extra].concat());
    vec![
        ("a genesis", genesis(|_| {}), "ok"),
        ("an activity", activity(|_| {}), "ok"),
        ("a seal", seal(|_| {}), "ok"),
        // The byte check.
        ("nothing at all", Vec::new(), "value: body"),
        ("half a message", activity(|_| {})[..20].to_vec(), "not protobuf"),
        ("an unknown field at the end", with(&[0x98, 0x06, 0x01]), "not canonical"),
        // hits (5) again, after the fields that follow it.
        ("a field out of order", with(&[0x28, 0x03]), "not canonical"),
        // detail_reduced (10) = false, written out.
        ("an explicit default", with(&[0x50, 0x00]), "not canonical"),
        (
            "a varint longer than needed",
            {
                let mut bytes = plain.clone();
                let at = bytes.windows(2).position(|w| w == [0x28, 0x03]).unwrap();
                bytes.splice(at + 1..at + 2, [0x83, 0x00]);
                wrap(4, &bytes)
            },
            "not canonical",
        ),
        (
            "a repeated scalar that is not packed",
            {
                let mut activity = sample::activity();
                activity.other_candidates.clear();
                let bytes = activity.encode_to_vec();
                wrap(4, &[bytes.as_slice(), &[0x58, 0x08, 0x58, 0x09]].concat())
            },
            "not canonical",
        ),
        ("two bodies", [activity(|_| {}), seal(|_| {})].concat(), "not canonical"),
        // The value check.
        ("no rule", activity(|a| a.rule = None), "value: rule"),
        (
            "an enum at 0",
            activity(|a| a.rule.as_mut().unwrap().technique = 0),
            "value: rule.technique",
        ),
        (
            "an enum that nobody knows",
            activity(|a| a.rule.as_mut().unwrap().source = 99),
            "value: rule.source",
        ),
        (
            "a claim without an origin",
            activity(|a| a.rule.as_mut().unwrap().claim_origin = v1::ClaimOrigin::None.into()),
            "value: rule.claim_origin",
        ),
        (
            "a claim of 49 characters",
            activity(|a| {
                let id = "a".repeat(49);
                a.rule.as_mut().unwrap().claims[0].claim = Some(v1::claim::Claim::RequestId(id));
            }),
            "value: claim.request_id",
        ),
        (
            "a commitment of 31 bytes",
            activity(|a| {
                a.rule_target.pop();
            }),
            "value: rule_target",
        ),
        ("no hits", activity(|a| a.hits = 0), "value: hits"),
        (
            "a window that is not aligned",
            activity(|a| {
                a.window_s = 900;
                a.window_start_s += 1;
                a.first_s += 1;
                a.last_s += 1;
            }),
            "value: window_start_s",
        ),
        ("a hit outside its window", activity(|a| a.last_s += 1), "value: first_s"),
        (
            "short windows without individual_actions",
            genesis(|g| g.window_s = 30),
            "value: window_s",
        ),
        (
            "an operator that is no DNS name",
            genesis(|g| g.operator = "Example".to_owned()),
            "value: operator",
        ),
        (
            "raw lines of a stream that are kept",
            seal(|s| {
                s.raw_logs = vec![v1::RawLog {
                    source: v1::SourceKind::Knot.into(),
                    medium: v1::RawLogMedium::Stream.into(),
                    names_clients: true,
                    bytes: 1,
                    oldest_age_s: 0,
                }];
            }),
            "value: raw_logs.bytes",
        ),
        (
            "memory that may lose two minutes",
            genesis(|g| {
                g.durability = v1::Durability::Memory.into();
                g.loss_bound_s = 120;
            }),
            "value: loss_bound_s",
        ),
        ("a disk that may lose a second", genesis(|g| g.loss_bound_s = 1), "value: loss_bound_s"),
        (
            "an account that does not add up",
            seal(|s| s.sources[0].recorded = 8),
            "value: sources.offered",
        ),
        (
            "a loss of nothing",
            seal(|s| s.sources[0].lost[0].count = 0),
            "value: sources.lost.count",
        ),
        (
            "control characters in a chain's name",
            seal(|s| {
                s.self_protection
                    .push(v1::SelfProtection { chain: "a\nb".to_owned(), ..Default::default() })
            }),
            "value: self_protection.chain",
        ),
        (
            "a rate of a rule that slows down",
            activity(|a| {
                let rule = a.rule.as_mut().unwrap();
                rule.technique = v1::Technique::Throttle.into();
                rule.rate_bits_per_s = 64_000;
            }),
            "ok",
        ),
        (
            "a rate of a rule that drops",
            activity(|a| a.rule.as_mut().unwrap().rate_bits_per_s = 64_000),
            "value: rule.rate_bits_per_s",
        ),
        ("a deed that a second person confirmed", deed(|_| {}), "ok"),
        ("a deed without an act", deed(|d| d.act = 0), "value: act"),
        ("a deed without a number", deed(|d| d.number = 0), "value: number"),
        ("a deed that ended before it began", deed(|d| d.until_s = d.from_s), "value: until_s"),
        (
            "an end without a time",
            deed(|d| {
                d.act = v1::ServiceAct::Ended.into();
                d.confirmed_by = None;
                d.until_s = 0;
            }),
            "value: until_s",
        ),
        (
            "a rate of what is shut down",
            deed(|d| d.kind = v1::ServiceActionKind::Shutdown.into()),
            "value: rate_bits_per_s",
        ),
        ("a deed that nobody recorded", deed(|d| d.recorded_by = None), "value: recorded_by"),
        (
            "a deed confirmed by whoever recorded it",
            deed(|d| d.confirmed_by = d.recorded_by.clone()),
            "value: confirmed_by",
        ),
        ("a confirmation by nobody", deed(|d| d.confirmed_by = None), "value: confirmed_by"),
        ("persons known nobody says how", deed(|d| d.attestation = 0), "value: attestation"),
        ("more canaries seen than sent", seal(|s| s.canaries[0].seen = 10), "value: canaries.seen"),
        (
            "a canary that is seen and unanswered",
            seal(|s| s.canaries[0].unanswered = 3),
            "value: canaries.unanswered",
        ),
        (
            "a count by a counter that is not there",
            seal(|s| s.canaries[0].counted_known = false),
            "value: canaries.counted",
        ),
        (
            "a path without canaries, and the time of one",
            seal(|s| {
                let path = s.canaries[0].path.clone();
                s.canaries[0] =
                    v1::CanaryAccount { source: 1, path, sent_at_s: 1, ..Default::default() };
            }),
            "value: canaries.sent_at_s",
        ),
        (
            "a path of canaries told twice",
            seal(|s| s.canaries.push(s.canaries[0].clone())),
            "value: canaries",
        ),
        ("a probe that found a block", probe(|_| {}), "ok"),
        ("a block without a technique", probe(|p| p.technique = 0), "value: technique"),
        (
            "a technique of what was reached",
            probe(|p| p.result = v1::ProbeResult::Reached.into()),
            "value: technique",
        ),
        ("a probe in a city", probe(|p| p.country = "Berlin".to_owned()), "value: country"),
        // Kept and proven, never refused as forged.
        ("a genesis of a newer format", genesis(|g| g.format = 2), "not understood"),
    ]
}

/// Statements about lists.
fn statements() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        ("a feed", feed(|_| {}), "ok"),
        (
            "a feed that comes yearly",
            feed(|f| f.publication_interval_s = 31_536_000),
            "value: list_feed.publication_interval_s",
        ),
        (
            "a threshold above all there is",
            feed(|f| f.change_permille_max = 1001),
            "value: list_feed.change_permille_max",
        ),
        ("a feed of a list without an id", feed(|f| f.list_id.clear()), "value: list_feed.list_id"),
        ("a version", version(|_| {}), "ok"),
        (
            "a version that follows itself",
            version(|v| v.previous = "2".to_owned()),
            "value: list_version.previous",
        ),
        (
            "a version without its changes",
            version(|v| v.changes = None),
            "value: list_version.changes",
        ),
        (
            "a version of no file",
            version(|v| v.file_digest.clear()),
            "value: list_version.file_digest",
        ),
        ("more added than there is", version(|v| v.added = 8), "value: list_version.entries"),
        (
            "more refused than was read",
            version(|v| v.rows_refused = 8),
            "value: list_version.rows_read",
        ),
        ("a version with a refused row", version(|v| refuse(v, 1)), "ok"),
        ("a refused row that is not named", version(|v| v.rows_refused = 1), "value: refused"),
        (
            "a row named that was not refused",
            version(|v| {
                refuse(v, 1);
                v.rows_refused = 0;
            }),
            "value: refused",
        ),
        (
            "more refused rows than a statement names",
            version(|v| {
                v.rows_read = 2_000_000;
                refuse(v, 100);
                v.rows_refused = 1_500_000;
            }),
            "ok",
        ),
        (
            "a refused row beyond those that were read",
            version(|v| {
                refuse(v, 1);
                v.refused[0].row = 8;
            }),
            "value: refused.row",
        ),
        (
            "a refused row named twice",
            version(|v| {
                refuse(v, 2);
                v.refused[1].row = 1;
            }),
            "value: refused.row",
        ),
        (
            "a refused row with words of its own",
            version(|v| {
                refuse(v, 1);
                v.refused[0].field = "Erika Mustermann".to_owned();
            }),
            "value: refused.field",
        ),
        (
            "a refused row without a digest",
            version(|v| {
                refuse(v, 1);
                v.refused[0].digest.clear();
            }),
            "value: refused.digest",
        ),
        (
            "a first version that removes",
            version(|v| v.previous.clear()),
            "value: list_version.removed",
        ),
        ("a transition whose words are committed", transition(|_| {}), "ok"),
        (
            "a transition with words beside those that are committed",
            transition(|t| t.reason = "stay granted".to_owned()),
            "value: transition.reason",
        ),
        (
            "a transition with a decision's words beside those that are committed",
            transition(|t| t.decision.as_mut().unwrap().text = "as ordered".to_owned()),
            "value: transition.reason",
        ),
        (
            "a transition with words in two items",
            transition(|t| t.said.as_mut().unwrap().count = 2),
            "value: transition.said",
        ),
        ("a transition that waits", transition(|t| t.awaits_approval = true), "ok"),
        ("an approval", approval(|_| {}), "ok"),
        ("an approval by no means", approval(|a| a.means = 0), "value: approval.means"),
        ("an approval of whatever it is", approval(|a| a.digest.clear()), "value: approval.digest"),
    ]
}

fn feed(change: impl FnOnce(&mut v1::ListFeed)) -> Vec<u8> {
    let mut feed = v1::ListFeed {
        list_id: "rkn".to_owned(),
        request_id: "reg/2026-001".to_owned(),
        publication_interval_s: 3_600,
        fetch_time_s: 600,
        change_entries_max: 500,
        change_permille_max: 50,
    };
    change(&mut feed);
    sample::statement(Statement::ListFeed(feed))
}

fn version(change: impl FnOnce(&mut v1::ListVersion)) -> Vec<u8> {
    let mut version = v1::ListVersion {
        list_id: "rkn".to_owned(),
        version: "2".to_owned(),
        previous: "1".to_owned(),
        changes: Some(v1::ItemSet { count: 1, root: vec![1; 32], chunks: vec![vec![2; 32]] }),
        file_digest: vec![3; 32],
        mapping_digest: Vec::new(),
        rows_read: 7,
        rows_repaired: 1,
        rows_refused: 0,
        entries: 7,
        added: 2,
        removed: 1,
        refused: Vec::new(),
    };
    change(&mut version);
    sample::statement(Statement::ListVersion(version))
}

fn refuse(version: &mut v1::ListVersion, count: u64) {
    let row = |row| v1::RefusedRow {
        row,
        line: row + 1,
        field: "targets".to_owned(),
        fault: v1::RowFault::Value.into(),
        digest: vec![5; 32],
    };
    version.rows_refused = count;
    version.refused = (1..=count).map(row).collect();
}

fn transition(change: impl FnOnce(&mut v1::Transition)) -> Vec<u8> {
    let mut transition = v1::Transition {
        request_id: "reg/2026-001".to_owned(),
        kind: v1::TransitionKind::Accept.into(),
        decision: Some(v1::OperatorDecision {
            kind: v1::DecisionKind::Accept.into(),
            ..v1::OperatorDecision::default()
        }),
        said: Some(v1::ItemSet { count: 1, root: vec![1; 32], chunks: vec![vec![2; 32]] }),
        ..v1::Transition::default()
    };
    change(&mut transition);
    sample::statement(Statement::Transition(transition))
}

fn approval(change: impl FnOnce(&mut v1::Approval)) -> Vec<u8> {
    let mut approval = v1::Approval {
        statement: 5,
        digest: vec![4; 32],
        means: v1::ApprovalMeans::SignedByPerson.into(),
    };
    change(&mut approval);
    sample::statement(Statement::Approval(approval))
}

#[test]
fn every_case_has_its_result_and_the_published_file_says_the_same() {
    let vector = |message: &str, found: String, name: &str, bytes: Vec<u8>, want: &str| {
        assert_eq!(found, want, "{name}");
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (message, result) = (message.to_owned(), want.to_owned());
        Vector { name: name.to_owned(), message, hex, result }
    };
    let leaves = cases()
        .into_iter()
        .map(|(name, bytes, want)| vector("remit.v1.Leaf", result(&bytes), name, bytes, want));
    let statements = statements().into_iter().map(|(name, bytes, want)| {
        vector("remit.v1.Statement", result_of_statement(&bytes), name, bytes, want)
    });
    let vectors: Vec<Vector> = leaves.chain(statements).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    let published: Vec<Vector> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(published, vectors);
}
