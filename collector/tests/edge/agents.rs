//! What an enrolled agent may say, and how it is told no.

use std::time::Duration;

use remit_collector::revoke::Outcome;
use remit_proto::v1::{
    self, RefusalCode, Role, SubmitRequest, submit_request, submit_response::Message,
};
use tonic::Code;

use crate::rig::{Collector, first_batch, hello, reason, signing_key};

const ORIGIN: &str = "example.net/agent/edge-1/0000000000000001";

fn code(message: &Message) -> RefusalCode {
    match message {
        Message::Refused(refused) => refused.code(),
        other => panic!("not a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_accepted_and_logged() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    let mut stream = collector.submit(&agent).await;
    let resume = stream.ask(hello(ORIGIN, &key)).await;
    assert_eq!(resume, Message::Resume(v1::Resume { size: 0 }));
    let batch = submit_request::Message::Batch(first_batch(ORIGIN, &key));
    stream.send(batch).await;
    let accepted = stream.next().await.unwrap();
    assert_eq!(accepted, Some(Message::Accepted(v1::Accepted { size: 2 })));
    let Some(Message::Logged(logged)) = stream.next().await.unwrap() else { panic!("a receipt") };
    assert_eq!(logged.size, 2);
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn each_message_out_of_place_has_its_code_and_the_stream_goes_on() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    let batch = || submit_request::Message::Batch(first_batch(ORIGIN, &key));
    let mut stream = collector.submit(&agent).await;
    assert_eq!(code(&stream.ask(batch()).await), RefusalCode::NoHello, "a batch before Hello");
    for origin in [
        "example.net/agent/edge-2/0000000000000001",
        "other.net/agent/edge-1/0000000000000001",
        "example.net/log/1",
        "",
    ] {
        let refused = stream.ask(hello(origin, &key)).await;
        assert_eq!(code(&refused), RefusalCode::UnknownOrigin, "{origin}");
    }
    let other_key = stream.ask(hello(ORIGIN, &signing_key(ORIGIN, 2))).await;
    assert_eq!(code(&other_key), RefusalCode::UnknownOrigin, "a key that was not enrolled");
    assert_eq!(code(&stream.ask(batch()).await), RefusalCode::NoHello, "after a refused Hello");
    let garbage = stream.ask(submit_request::Message::Chunk(vec![0xff; 100].into())).await;
    assert_eq!(code(&garbage), RefusalCode::MalformedChunk);
    stream.ask(hello(ORIGIN, &key)).await;
    let forged = submit_request::Message::Batch(first_batch(ORIGIN, &signing_key(ORIGIN, 2)));
    assert_eq!(code(&stream.ask(forged).await), RefusalCode::BadSignature);
    let accepted = stream.ask(batch()).await;
    assert_eq!(accepted, Message::Accepted(v1::Accepted { size: 2 }), "nothing of it did harm");
    assert_eq!(code(&stream.ask(batch()).await), RefusalCode::WrongSize, "sent twice");
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn batches_ahead_of_their_answers_are_answered_in_order() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    let mut stream = collector.submit(&agent).await;
    stream.ask(hello(ORIGIN, &key)).await;
    // More than the collector takes ahead, and what is no batch in between and at the end.
    let first = submit_request::Message::Batch(first_batch(ORIGIN, &key));
    let garbage = || submit_request::Message::Chunk(vec![0xff].into());
    let requests: Vec<_> = [first.clone(), garbage()]
        .into_iter()
        .chain(std::iter::repeat_n(first, 20))
        .chain([garbage()])
        .collect();
    let outbound = stream.requests.clone();
    let sender = tokio::spawn(async move {
        for message in requests {
            outbound.send(SubmitRequest { message: Some(message) }).await.unwrap();
        }
    });
    let mut answers = Vec::new();
    while answers.len() < 23 {
        match stream.next().await.unwrap().unwrap() {
            Message::Logged(_) => {}
            answer => answers.push(answer),
        }
    }
    sender.await.unwrap();
    assert_eq!(answers[0], Message::Accepted(v1::Accepted { size: 2 }));
    assert_eq!(code(&answers[1]), RefusalCode::MalformedChunk);
    assert!(answers[2..22].iter().all(|answer| code(answer) == RefusalCode::WrongSize));
    assert_eq!(code(&answers[22]), RefusalCode::MalformedChunk);
    let malformed = submit_request::Message::Batch(vec![0x0a, 0xff].into());
    assert_eq!(code(&stream.ask(malformed).await), RefusalCode::MalformedBatch);
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_without_meaning_or_above_the_limit_ends_its_stream_and_no_other() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let mut bystander = collector.submit(&agent).await;
    let mut stream = collector.submit(&agent).await;
    stream.send(submit_request::Message::Chunk(vec![1; 1_200_000].into())).await;
    let refused = stream.answer().await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::OutOfRange, "TOO_LARGE"));
    assert!(refused.message().contains("message: above the limit of"), "{}", refused.message());
    let mut stream = collector.submit(&agent).await;
    stream.requests.send(SubmitRequest { message: None }).await.unwrap();
    assert_eq!(reason(&stream.answer().await.unwrap_err()), "FIELD_MISSING");
    let resume = bystander.ask(hello(ORIGIN, &signing_key(ORIGIN, 1))).await;
    assert_eq!(resume, Message::Resume(v1::Resume { size: 0 }));
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn receipts_come_while_requests_never_cease() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    let mut stream = collector.submit(&agent).await;
    stream.ask(hello(ORIGIN, &key)).await;
    stream.ask(submit_request::Message::Batch(first_batch(ORIGIN, &key))).await;
    let flood = stream.requests.clone();
    let flood = tokio::spawn(async move {
        let message = Some(submit_request::Message::Chunk(vec![0xff; 10].into()));
        while flood.send(SubmitRequest { message: message.clone() }).await.is_ok() {}
    });
    let receipt = async {
        loop {
            if let Some(Message::Logged(logged)) = stream.next().await.unwrap() {
                return logged.size;
            }
        }
    };
    let size = tokio::time::timeout(Duration::from_secs(5), receipt).await;
    assert_eq!(size.expect("a receipt among the answers"), 2);
    flood.abort();
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_hello_gets_the_receipt_of_its_own_tree() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let mut stream = collector.submit(&agent).await;
    for generation in 1..=2 {
        let origin = format!("example.net/agent/edge-1/{generation:016x}");
        let key = signing_key(&origin, 1);
        stream.ask(hello(&origin, &key)).await;
        stream.ask(submit_request::Message::Batch(first_batch(&origin, &key))).await;
        let Some(Message::Logged(logged)) = stream.next().await.unwrap() else {
            panic!("a receipt")
        };
        assert_eq!(logged.size, 2, "{origin}");
    }
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_only_listens_ends_with_the_revocation_too() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    let mut stream = collector.submit(&agent).await;
    stream.ask(hello(ORIGIN, &key)).await;
    stream.ask(submit_request::Message::Batch(first_batch(ORIGIN, &key))).await;
    assert_eq!(collector.revoke("node", "edge-1").await, Outcome::Revoked);
    // Nothing more is sent. A receipt may have been on its way.
    let mut last = stream.next().await.unwrap();
    while matches!(last, Some(Message::Logged(_))) {
        last = stream.next().await.unwrap();
    }
    assert_eq!(code(&last.expect("a reason")), RefusalCode::RevokedKey);
    assert_eq!(stream.next().await.unwrap(), None);
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn a_revocation_ends_open_streams_and_no_certificate_of_that_key_is_given_again() {
    let collector = Collector::start().await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let key = signing_key(ORIGIN, 1);
    let mut stream = collector.submit(&agent).await;
    stream.ask(hello(ORIGIN, &key)).await;
    stream.ask(submit_request::Message::Batch(first_batch(ORIGIN, &key))).await;
    assert_eq!(collector.revoke("node", "edge-1").await, Outcome::Revoked);
    // Whether it can be asked still or has ended the stream by then, it has said why.
    let message = Some(submit_request::Message::Chunk(vec![0xff; 10].into()));
    drop(stream.requests.send(SubmitRequest { message }).await);
    let refused = stream.answer().await.unwrap();
    assert_eq!(code(&refused), RefusalCode::RevokedKey);
    assert_eq!(stream.next().await.unwrap(), None, "and the stream ends");
    let again = crate::rig::Submit::open(collector.connect(Some(&agent)).await).await;
    assert_eq!(reason(&again.err().unwrap()), "REVOKED");
    let token = collector.token("edge-1", Role::Agent, 60);
    let same_key = collector.try_enrol(&token, 1).await.err().unwrap();
    assert_eq!(reason(&same_key), "REVOKED");
    assert!(collector.try_enrol(&token, 2).await.is_ok(), "the token is still good for a new key");
    collector.stop().await.unwrap();
}
