//! A token is good for one certificate, once, for a while.

use remit_proto::v1::{
    EnrolRequest, ListNodesRequest, RenewRequest, Role, ingest_service_client::IngestServiceClient,
    query_service_client::QueryServiceClient,
};

use rcgen::{CertificateParams, KeyPair};
use remit_collector::{admin, ingest::Again, revoke::Outcome};
use tonic::transport::Channel;

use crate::rig::{Collector, Submit, certified, reason, signing_key};

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

#[tokio::test]
async fn one_token_for_many_nodes_is_good_for_each_of_them_once() {
    let collector = Collector::start().await;
    let nodes = admin::numbered("edge-", 1, 3);
    let (token, series) = admin::series(&collector.config, nodes.clone(), 60, Again::No).unwrap();
    // Two of three want the same place: one of them gets it.
    let place = format!("{token}/edge-2");
    let both = tokio::join!(collector.try_enrol(&place, 1), collector.try_enrol(&place, 2));
    let (won, lost) = match both {
        (Ok((won, _)), Err(lost)) => ((won, 1), lost),
        (Err(lost), Ok((won, _))) => ((won, 2), lost),
        _ => panic!("one of the two"),
    };
    assert_eq!(won.0.subject, "edge-2");
    assert_eq!(reason(&lost), "ALREADY_ENROLLED");
    // The same key again: the answer was lost on its way, or a machine repeats itself.
    for token in [&place, &token] {
        let (again, _) = collector.try_enrol(token, won.1).await.unwrap();
        assert_eq!(again.subject, "edge-2");
    }
    // What was used stays used.
    let collector = collector.restart().await;
    let refused = collector.try_enrol(&format!("{token}/edge-4"), 3).await.err().unwrap();
    assert_eq!(reason(&refused), "TOKEN_REFUSED", "not one of them");
    let next = collector.try_enrol(&token, 3).await.unwrap().0;
    let last = collector.try_enrol(&token, 4).await.unwrap().0;
    assert_eq!([next.subject, last.subject], ["edge-1", "edge-3"]);
    let refused = collector.try_enrol(&token, 5).await.err().unwrap();
    assert_eq!(reason(&refused), "ALREADY_ENROLLED", "{}", refused.message());
    assert!(refused.message().contains("all 3"), "{}", refused.message());
    // A second token for the same nodes is a mistake, unless it is said.
    let second = admin::series(&collector.config, nodes, 60, Again::No).unwrap_err();
    assert!(second.to_string().contains("--replace"), "{second}");
    assert!(admin::void_series(&collector.config, "000000000000").is_err());
    assert_eq!(admin::void_series(&collector.config, &series).unwrap(), 0);
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_for_many_nodes_ends_with_its_time_or_when_it_is_void() {
    let collector = Collector::start().await;
    let issue = |prefix, ttl_s| {
        let nodes = admin::numbered(prefix, 1, 2);
        admin::series(&collector.config, nodes, ttl_s, Again::No).unwrap()
    };
    let (expired, _) = issue("a", -1);
    let (void, series) = issue("b", 60);
    assert_eq!(collector.try_enrol(&void, 1).await.unwrap().0.subject, "b1");
    assert_eq!(admin::open_tokens(&collector.config).unwrap().len(), 1);
    assert_eq!(admin::void_series(&collector.config, &series).unwrap(), 1);
    for token in [&expired, &format!("{expired}/a1"), &void, &format!("{void}/b2")] {
        let refused = collector.try_enrol(token, 2).await.err().unwrap();
        assert_eq!(reason(&refused), "TOKEN_REFUSED");
    }
    // A node of a series is revoked like any other, and its key does not come back.
    let (token, _) = issue("c", 60);
    let node = collector.enrol_with(&token, 7).await;
    assert_eq!(refused_as(collector.connect(Some(&node)).await, Role::Agent).await, "");
    assert_eq!(collector.revoke("node", "c1").await, Outcome::Revoked);
    assert_eq!(refused_as(collector.connect(Some(&node)).await, Role::Agent).await, "REVOKED");
    let refused = collector.try_enrol(&format!("{token}/c1"), 8).await.err().unwrap();
    assert_eq!(reason(&refused), "ALREADY_ENROLLED");
    for count in [0, 1001] {
        let nodes = admin::numbered("d", 1, count);
        assert!(admin::series(&collector.config, nodes, 60, Again::No).is_err(), "{count}");
    }
    let twice = vec!["d1".to_owned(), "d1".to_owned()];
    assert!(admin::series(&collector.config, twice, 60, Again::No).is_err());
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_renewed_for_whoever_has_one_and_no_other_name() {
    let collector = Collector::start().await;
    for (id, role, secret) in [("edge-1", Role::Agent, 1), ("person-1", Role::Officer, 2)] {
        let before = collector.enrol(id, role, secret).await;
        let tls_key = KeyPair::generate().unwrap();
        // What it asks for besides the key is not looked at.
        let wanted = CertificateParams::new(vec!["edge-9".to_owned()]).unwrap();
        let request = wanted.serialize_request(&tls_key).unwrap().der().to_vec();
        let request = RenewRequest { certificate_request: request };
        let mut client = IngestServiceClient::new(collector.connect(Some(&before)).await);
        let wrong = RenewRequest { certificate_request: vec![0x30; 100] };
        assert_eq!(reason(&client.renew(wrong).await.unwrap_err()), "FIELD_INVALID");
        let renewed = client.renew(request.clone()).await.unwrap().into_inner();
        let after = certified(&renewed.certificates, &tls_key);
        assert_eq!(refused_as(collector.connect(Some(&after)).await, role).await, "");
        let mut nobody = IngestServiceClient::new(collector.connect(None).await);
        let refused = nobody.renew(request.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), "NO_CERTIFICATE");
        // Both are bound to one signing key, and go with it; a connection that stands is no way around.
        let kind = if role == Role::Agent { "node" } else { "person" };
        let mut standing = IngestServiceClient::new(collector.connect(Some(&after)).await);
        standing.renew(request.clone()).await.unwrap();
        assert_eq!(collector.revoke(kind, id).await, Outcome::Revoked);
        assert_eq!(reason(&standing.renew(request).await.unwrap_err()), "REVOKED");
        for certified in [&before, &after] {
            let channel = collector.connect(Some(certified)).await;
            assert_eq!(refused_as(channel, role).await, "REVOKED");
        }
    }
    collector.stop().await.unwrap();
}
