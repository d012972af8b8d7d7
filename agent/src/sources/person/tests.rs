//! Orders and their answers, without a socket and with one.

use std::{os::unix::fs::MetadataExt as _, sync::Arc, thread};

use prost::Message as _;
use remit_proto::v1::{ServiceActionKind, TargetKind};

use super::{
    Login, Person,
    listen::{answer, run},
    wire::{self, AskError, Order, Record, Word},
};
use crate::{
    keys::NodeKey,
    observation::{PersonSaid, PersonWord, Report, SaidRefused},
    privacy::Privacy,
    sources::{SourceContext, testing},
};

const ALICE: u32 = 4001;
const BOB: u32 = 4002;

fn persons() -> Person {
    let id = |id: &str| id.parse().unwrap();
    Person {
        socket: "/nowhere".into(),
        persons: vec![(id("person-1"), Login::Uid(ALICE)), (id("person-2"), Login::Uid(BOB))],
    }
}

/// Answers every word with nothing, and keeps it.
fn context() -> (SourceContext, std::sync::mpsc::Receiver<(String, PersonWord)>) {
    let (said, kept) = std::sync::mpsc::channel();
    let (mut context, _) = testing::context(true);
    context.privacy = Arc::new(Privacy::new(
        vec!["198.51.100.0/24".parse().unwrap()],
        &NodeKey::from_secret([7; 32]),
        true,
    ));
    context.send = Arc::new(move |report| {
        let Report::Said(PersonSaid { by, word, answer }) = report else { panic!("{report:?}") };
        said.send((by.to_string(), word)).unwrap();
        answer.send(Ok(Vec::new())).unwrap();
        Ok(())
    });
    (context, kept)
}

fn shutdown(target: &str) -> Record {
    Record {
        kind: ServiceActionKind::Shutdown.into(),
        target: target.into(),
        claims: vec!["de/1".into()],
        ..Record::default()
    }
}

/// What the recorder is told, and by whom.
fn told(uid: u32, word: Word) -> Result<(String, PersonWord), String> {
    let (context, kept) = context();
    let bytes = Order { word: Some(word) }.encode_to_vec();
    answer(&bytes, uid, &persons(), &context)?;
    Ok(kept.recv().unwrap())
}

#[track_caller]
fn refused(uid: u32, word: Word, says: &str) {
    let refused = told(uid, word).expect_err(says);
    assert!(refused.contains(says), "{refused}");
}

#[test]
fn who_speaks_is_whose_login_it_is() {
    assert_eq!(
        told(BOB, Word::Confirm(7)),
        Ok(("person-2".into(), PersonWord::Confirmed { number: 7 }))
    );
    refused(0, Word::Confirm(7), "root is nobody in particular");
    refused(4003, Word::Confirm(7), "number 4003 belongs to nobody");
    // Two persons with one login are none.
    let mut one = persons();
    one.persons[1].1 = Login::Uid(ALICE);
    assert_eq!(one.of_uid(ALICE), None);
}

#[test]
fn a_target_is_canonical_and_a_line_a_token() {
    let target = |word| match told(ALICE, Word::Record(word)) {
        Ok((_, PersonWord::Recorded(new))) => Ok(new.target),
        Ok(other) => panic!("{other:?}"),
        Err(refused) => Err(refused),
    };
    for good in
        ["cell_area:berlin mitte", "whole_service:*", "asn_route:AS64500", "protocol_app:quic"]
    {
        let (_, value) = good.split_once(':').unwrap();
        assert_eq!(target(shutdown(good)).unwrap().value, value);
    }
    for bad in [
        "",
        "cell_area",
        "cell_area: mitte",
        "cell_area:",
        "asn_route:64500",
        "asn_route:AS064500",
        "whole_service:all",
        "domain_exact:Example.org",
        "line_account:4711",
        "customer_token:0123456789abcdef0123456789abcdef",
        "not_understood:",
    ] {
        assert!(target(shutdown(bad)).unwrap_err().contains("target"), "{bad}");
    }
    let customer = target(shutdown("ip:198.51.100.7")).unwrap();
    assert_eq!(customer.kind(), TargetKind::CustomerToken);

    let kind = ServiceActionKind::LineSuspension.into();
    let line =
        |line: &str| Record { kind, line: line.into(), target: String::new(), ..shutdown("") };
    let token = target(line("+49 30 1234567\n")).unwrap();
    assert_eq!((token.kind(), token.value.len()), (TargetKind::LineAccount, 32));
    assert!(!token.value.contains("1234567"));
    assert_eq!(target(line("+49 30 1234567")).unwrap(), token, "the same line, the same token");
    assert_ne!(target(line("+49 30 1234568")).unwrap(), token);
    assert!(target(line(" ")).unwrap_err().contains("which line"));
    // For a request, before anything is done.
    let (context, _kept) = context();
    let order = Order { word: Some(Word::Token("+49 30 1234567".into())) };
    let answered = answer(&order.encode_to_vec(), ALICE, &persons(), &context).unwrap();
    assert_eq!(answered.token, Some(token));
}

#[test]
fn what_is_not_an_order_says_what_is_wanted() {
    let (context, _kept) = context();
    let garbage = answer(b"\xff\xff", ALICE, &persons(), &context).unwrap_err();
    assert!(garbage.contains("not an order"), "{garbage}");
    let empty = answer(b"", ALICE, &persons(), &context).unwrap_err();
    assert!(empty.contains("another version"), "{empty}");
    let mut claims = shutdown("cell_area:mitte");
    claims.claims = vec!["no claim".into()];
    refused(ALICE, Word::Record(claims), "not a claim");
    let rate = Record { rate_bits_per_s: 5, ..shutdown("cell_area:mitte") };
    refused(ALICE, Word::Record(rate), "a rate is what a throttle leaves");
    let kind = Record { kind: 0, ..shutdown("cell_area:mitte") };
    refused(ALICE, Word::Record(kind), "want shutdown, throttle or line-suspension");
}

#[test]
fn the_socket_asks_the_kernel_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let uid = dir.path().metadata().unwrap().uid();
    let socket = dir.path().join("record.sock");
    let no_agent = wire::ask(&socket, &Order { word: Some(Word::List(true)) }).unwrap_err();
    assert!(matches!(no_agent, AskError::NoAgent { .. }));

    let (mut context, kept) = context();
    let accepting = context.send.clone();
    context.send = Arc::new(move |report| match report {
        Report::Said(PersonSaid { word: PersonWord::Confirmed { .. }, answer, .. }) => {
            answer.send(Err(SaidRefused::SamePerson)).unwrap();
            Ok(())
        }
        other => accepting(other),
    });
    let mut persons = persons();
    persons.socket = socket.clone();
    persons.persons[0].1 = Login::Uid(uid);
    let stop = context.stop.clone();
    let serving = thread::spawn(move || run(&persons, &context));
    let ask = |word: Word| loop {
        match wire::ask(&socket, &Order { word: Some(word.clone()) }) {
            // It is still being made.
            Err(AskError::NoAgent { .. }) => thread::yield_now(),
            answered => return answered,
        }
    };
    let listed = ask(Word::List(true));
    let confirmed = ask(Word::Confirm(1));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    serving.join().unwrap().unwrap();
    if uid == 0 {
        // Tests that run as root are nobody in particular.
        for refused in [listed, confirmed] {
            assert!(refused.unwrap_err().to_string().contains("root is nobody"));
        }
    } else {
        listed.unwrap();
        assert_eq!(kept.recv().unwrap().0, "person-1");
        assert!(confirmed.unwrap_err().to_string().contains("another person has to"));
    }
    assert!(!socket.exists(), "nobody reads it any more");
}
