//! A token is good for one certificate, once, for a while.

use remit_proto::v1::{
    EnrolRequest, ListNodesRequest, Role, ingest_service_client::IngestServiceClient,
    query_service_client::QueryServiceClient,
};

use remit_collector::revoke::Outcome;
use tonic::transport::Channel;

use crate::rig::{Collector, Submit, reason, signing_key};

#[tokio::test]
async fn a_token_that_is_unknown_used_or_expired_is_refused() {
    let collector = Collector::start().await;
    let used = collector.token("edge-1", Role::Agent, 60);
    let expired = collector.token("edge-1", Role::Agent, -1);
    collector.try_enrol(&used, 1).await.unwrap();
    for token in ["AAAA", "", "../keys/ca", &used, &expired] {
        let refused = collector.try_enrol(token, 1).await.err().unwrap();
        assert_eq!(reason(&refused), "TOKEN_REFUSED", "{token:?}");
    }
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn two_at_once_with_one_token_get_one_certificate() {
    let collector = Collector::start().await;
    let token = collector.token("edge-1", Role::Agent, 60);
    let both = tokio::join!(collector.try_enrol(&token, 1), collector.try_enrol(&token, 2));
    assert_ne!(both.0.is_ok(), both.1.is_ok());
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_wrong_does_not_use_up_the_token() {
    let collector = Collector::start().await;
    let token = collector.token("edge-1", Role::Agent, 60);
    let key = signing_key("enrolment", 1);
    let text = evidence::statement::enrolment_text(&token);
    let good = EnrolRequest {
        token: token.clone(),
        certificate_request: Vec::new(),
        public_key: key.verifier().public_bytes().to_vec(),
        proof: key.sign_raw(text.as_bytes()).to_vec(),
    };
    let mut client = IngestServiceClient::new(collector.connect(None).await);
    for wrong in [
        EnrolRequest { public_key: vec![1; 31], ..good.clone() },
        EnrolRequest { public_key: vec![0; 32], ..good.clone() },
        EnrolRequest { proof: vec![0; 64], ..good.clone() },
        EnrolRequest { certificate_request: vec![0x30; 100], ..good.clone() },
        good,
    ] {
        let refused = client.enrol(wrong).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID", "{}", refused.message());
    }
    assert!(collector.try_enrol(&token, 1).await.is_ok());
    collector.stop().await.unwrap();
}

/// The reason for which a node or a person is refused; empty if it is not.
async fn refused_as(channel: Channel, role: Role) -> String {
    let refused = match role {
        Role::Agent => Submit::open(channel).await.err(),
        _ => {
            let mut query = QueryServiceClient::new(channel);
            query.list_nodes(ListNodesRequest::default()).await.err()
        }
    };
    refused.map(|status| reason(&status)).unwrap_or_default()
}

#[tokio::test]
async fn a_node_that_never_sent_is_revoked_for_good() {
    let collector = Collector::start().await;
    let unused = [1, 2].map(|_| collector.token("edge-1", Role::Agent, 60));
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let other = collector.enrol("edge-2", Role::Agent, 2).await;
    assert_eq!(collector.revoke("node", "edge-1").await, Outcome::Revoked);
    for token in &unused {
        let refused = collector.try_enrol(token, 3).await.err().unwrap();
        assert_eq!(reason(&refused), "TOKEN_REFUSED", "its tokens are void");
    }
    assert_eq!(refused_as(collector.connect(Some(&agent)).await, Role::Agent).await, "REVOKED");
    let collector = collector.restart().await;
    assert_eq!(refused_as(collector.connect(Some(&agent)).await, Role::Agent).await, "REVOKED");
    assert_eq!(refused_as(collector.connect(Some(&other)).await, Role::Agent).await, "");
    // It may be enrolled again, with another key.
    let token = collector.token("edge-1", Role::Agent, 60);
    let same = collector.try_enrol(&token, 1).await.err().unwrap();
    assert_eq!(reason(&same), "REVOKED");
    let agent = collector.enrol_with(&token, 3).await;
    assert_eq!(refused_as(collector.connect(Some(&agent)).await, Role::Agent).await, "");
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_that_nobody_used_is_void_after_a_revocation() {
    let collector = Collector::start().await;
    let token = collector.token("edge-1", Role::Agent, 60);
    assert_eq!(collector.revoke("node", "edge-1").await, Outcome::Revoked);
    let refused = collector.try_enrol(&token, 1).await.err().unwrap();
    assert_eq!(reason(&refused), "TOKEN_REFUSED");
    let unknown = collector.revoke("node", "edge-1").await;
    assert!(matches!(unknown, Outcome::Refused { .. }), "{unknown:?}");
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_takes_the_place_of_another_unasked() {
    let collector = Collector::start().await;
    for (id, role, new_role, secret) in
        [("person-1", Role::Operator, Role::Officer, 1), ("edge-1", Role::Agent, Role::Agent, 4)]
    {
        let early = collector.token(id, role, 60);
        let before = collector.enrol(id, role, secret).await;
        let refused = collector.try_token(id, new_role, 60, false).unwrap_err();
        assert!(refused.contains("--replace"), "{refused}");
        // A token from before is no way around it; the same key may have another certificate.
        let refused = collector.try_enrol(&early, secret + 1).await.err().unwrap();
        assert_eq!(reason(&refused), "ALREADY_ENROLLED");
        let again = collector.enrol_with(&early, secret).await;
        assert_eq!(refused_as(collector.connect(Some(&before)).await, role).await, "");
        let token = collector.try_token(id, new_role, 60, true).unwrap();
        let after = collector.enrol_with(&token, secret + 2).await;
        for former in [&before, &again] {
            let channel = collector.connect(Some(former)).await;
            assert_eq!(refused_as(channel, role).await, "REVOKED");
        }
        assert_eq!(refused_as(collector.connect(Some(&after)).await, new_role).await, "");
    }
    collector.stop().await.unwrap();
}
