//! Well-formed messages that the tests change one thing of.

use remit_proto::v1::{self, leaf::Body};

pub(crate) const AT_S: i64 = 1_790_000_000;

pub(crate) fn rule() -> v1::Rule {
    v1::Rule {
        number: 7,
        source: v1::SourceKind::Nftables.into(),
        technique: v1::Technique::IpAclDrop.into(),
        trigger: v1::Trigger::Destination.into(),
        direction: v1::Direction::ToTarget.into(),
        actor: v1::Actor::OperatorStaff.into(),
        claims: vec![v1::Claim {
            claim: Some(v1::claim::Claim::RequestId("court/2026-001".to_owned())),
        }],
        claim_origin: v1::ClaimOrigin::Carried.into(),
        narrowed: false,
        counted: true,
        names_sampled: false,
        rate_bits_per_s: 0,
    }
}

pub(crate) fn activity() -> v1::Activity {
    v1::Activity {
        rule: Some(rule()),
        response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
        rule_target: vec![1; 32],
        hit_target: Vec::new(),
        hits: 3,
        window_start_s: AT_S,
        window_s: 0,
        first_s: AT_S,
        last_s: AT_S,
        detail_reduced: false,
        other_candidates: vec![8, 9],
        imported: None,
    }
}

pub(crate) fn genesis() -> v1::Genesis {
    v1::Genesis {
        format: 1,
        operator: "example.net".to_owned(),
        node: "edge-1".to_owned(),
        generation: 0x1122_3344_5566_7788,
        durability: v1::Durability::Disk.into(),
        loss_bound_s: 0,
        window_s: 900,
        individual_actions: false,
        reason: v1::GenerationReason::Enrolled.into(),
        previous: None,
        at_s: AT_S,
        lines_served: 1000,
        k: 10,
    }
}

pub(crate) fn seal() -> v1::Seal {
    v1::Seal {
        at_s: AT_S,
        clock: v1::ClockState::Synced.into(),
        sources: vec![v1::SourceAccount {
            source: v1::SourceKind::Nftables.into(),
            offered_known: true,
            offered: 10,
            recorded: 7,
            lost: vec![v1::Loss { cause: v1::LossCause::AgentDown.into(), count: 3 }],
            unexplained_missing: 0,
            unexplained_surplus: 0,
        }],
        seal_interval_s: 30,
        canaries: vec![v1::CanaryAccount {
            source: v1::SourceKind::Nftables.into(),
            path: "nflog/42".to_owned(),
            sent: 9,
            seen: 7,
            unanswered: 1,
            counted_known: true,
            counted: 9,
            sent_at_s: AT_S,
            seen_at_s: AT_S - 1,
        }],
        ..v1::Seal::default()
    }
}

pub(crate) fn service_action() -> v1::ServiceAction {
    let person =
        |id: &str| v1::PersonRef { person: id.to_owned(), role: v1::Role::Operator.into() };
    v1::ServiceAction {
        kind: v1::ServiceActionKind::Throttle.into(),
        act: v1::ServiceAct::Confirmed.into(),
        number: 9,
        at_s: AT_S,
        from_s: AT_S - 600,
        until_s: AT_S - 60,
        rate_bits_per_s: 64_000,
        claims: rule().claims,
        recorded_by: Some(person("person-1")),
        confirmed_by: Some(person("person-2")),
        attestation: v1::Attestation::ByNode.into(),
        target: vec![1; 32],
    }
}

pub(crate) fn probe() -> v1::Probe {
    v1::Probe {
        at_s: AT_S,
        result: v1::ProbeResult::Blocked.into(),
        technique: v1::Technique::DnsNxdomain.into(),
        measurement_digest: vec![2; 32],
        asn: 64_500,
        country: "DE".to_owned(),
        target: vec![1; 32],
        page: 0,
    }
}

pub(crate) fn encode(body: Body) -> Vec<u8> {
    prost::Message::encode_to_vec(&v1::Leaf { body: Some(body) })
}

pub(crate) fn statement(body: v1::statement::Body) -> Vec<u8> {
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".to_owned(),
        recorded_at_s: AT_S,
        effective_at_s: AT_S,
        author: Some(v1::PersonRef {
            person: "person-1".to_owned(),
            role: v1::Role::Operator.into(),
        }),
        approver: None,
        body: Some(body),
    };
    evidence::canonical::encode(&statement)
}
