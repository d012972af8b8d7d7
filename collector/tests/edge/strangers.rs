//! Whoever has no certificate, the wrong one, or one of another role.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use remit_collector::access;
use remit_proto::v1::{
    ExportRequest, GetCheckpointRequest, ListNodesRequest, ListRequestsRequest, PutChunkRequest,
    Role, evidence_service_client::EvidenceServiceClient, query_service_client::QueryServiceClient,
    register_service_client::RegisterServiceClient,
};
use rustls::pki_types::pem::PemObject;
use tonic::{Status, transport::Channel};

use crate::rig::{Certified, Collector, Submit, pem, reason, signing_key};

/// The reason for which each call is refused; empty where it is not.
async fn reasons(channel: &Channel) -> Vec<String> {
    fn of<T>(answer: Result<T, Status>) -> String {
        answer.err().map(|status| reason(&status)).unwrap_or_default()
    }
    let mut register = RegisterServiceClient::new(channel.clone());
    let mut query = QueryServiceClient::new(channel.clone());
    let mut evidence = EvidenceServiceClient::new(channel.clone());
    vec![
        of(Submit::open(channel.clone()).await),
        of(register.put_chunk(PutChunkRequest { chunk: vec![0xff] }).await),
        of(register.list_requests(ListRequestsRequest::default()).await),
        of(query.list_nodes(ListNodesRequest::default()).await),
        of(evidence.export(ExportRequest::default()).await),
        of(evidence.get_checkpoint(GetCheckpointRequest::default()).await),
    ]
}

#[tokio::test]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    let collector = Collector::start().await;
    // Something is published, so that whoever may ask gets an answer.
    let operator = collector.enrol("p-1", Role::Operator, 1).await;
    let officer = collector.enrol("p-2", Role::Officer, 2).await;
    let assessor = collector.enrol("p-3", Role::Assessor, 3).await;
    let agent = collector.enrol("edge-1", Role::Agent, 4).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let no = "NOT_AUTHORISED";
    let nobody = ["NO_CERTIFICATE"; 6];
    for (who, want) in [
        (None, nobody),
        (Some(&operator), [no, "MALFORMED_CHUNK", "", "", "", ""]),
        (Some(&officer), [no, no, "", "", no, ""]),
        (Some(&assessor), [no, no, "", "", "", ""]),
        (Some(&agent), ["", no, no, no, no, ""]),
    ] {
        let channel = collector.connect(who).await;
        assert_eq!(reasons(&channel).await, want);
    }
    collector.stop().await.unwrap();
}

/// The certificate of an operator person, by a CA that says it is this collector's.
fn forged(collector: &Collector) -> Certified {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.distinguished_name.push(rcgen::DnType::CommonName, "Remit CA of example.net");
    let issuer = Issuer::new(ca, &ca_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let public_key = signing_key("p-1", 1).verifier().public_bytes();
    let uris = access::uris(&collector.config.operator, "p-1", Role::Operator, &public_key);
    params.subject_alt_names =
        uris.into_iter().map(|uri| SanType::URI(uri.try_into().unwrap())).collect();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Certified { certificate: pem(certificate.der()), key: key.serialize_pem() }
}

#[tokio::test]
async fn a_certificate_of_another_ca_or_for_another_purpose_is_nobodys() {
    let collector = Collector::start().await;
    let real = collector.enrol("p-1", Role::Operator, 1).await;
    let keys = collector.dir.path().join("keys");
    let read = |name: &str| std::fs::read_to_string(keys.join(name)).unwrap();
    let server = Certified { certificate: read("server.pem"), key: read("server-key.pem") };
    let ca = Certified { certificate: read("ca.pem"), key: read("ca-key.pem") };
    for (what, identity) in [("forged", forged(&collector)), ("server", server), ("ca", ca)] {
        let mut query = QueryServiceClient::new(collector.connect_lazy(Some(&identity)));
        let refused = query.list_nodes(ListNodesRequest::default()).await;
        assert!(refused.is_err(), "{what}");
    }
    // A person may have it all the same, with the right one.
    let mut query = QueryServiceClient::new(collector.connect(Some(&real)).await);
    assert!(query.list_nodes(ListNodesRequest::default()).await.is_ok());
    collector.stop().await.unwrap();
}

/// What a client that speaks this version alone gets, once a TLS handshake is done or refused.
fn handshake(
    collector: &Collector,
    version: &'static rustls::SupportedProtocolVersion,
) -> Result<(), String> {
    let mut roots = rustls::RootCertStore::empty();
    let ca = std::fs::read(collector.dir.path().join("keys/ca.pem")).unwrap();
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(&ca) {
        roots.add(certificate.unwrap()).unwrap();
    }
    // Not the process's own provider, which the collector has chosen.
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols.push(b"h2".to_vec());
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut stream = std::net::TcpStream::connect(collector.address()).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_before_1_3_is_refused() {
    let collector = Collector::start().await;
    let (one_two, one_three) = tokio::task::block_in_place(|| {
        (
            handshake(&collector, &rustls::version::TLS12),
            handshake(&collector, &rustls::version::TLS13),
        )
    });
    assert_eq!(one_three, Ok(()));
    let refused = one_two.unwrap_err();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    collector.stop().await.unwrap();
}
