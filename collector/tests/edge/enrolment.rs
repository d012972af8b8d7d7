//! A token is good for one certificate, once, for a while.

use remit_proto::v1::{EnrolRequest, Role, ingest_service_client::IngestServiceClient};

use crate::rig::{Collector, reason, signing_key};

#[tokio::test]
async fn a_token_that_is_unknown_used_or_expired_is_refused() {
    let collector = Collector::start().await;
    let used = collector.token("edge-1", Role::Agent, 60);
    collector.try_enrol(&used, 1).await.unwrap();
    let expired = collector.token("edge-1", Role::Agent, -1);
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
