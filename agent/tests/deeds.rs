//! Words of persons: one leaf each, durable before they are answered, and never forgotten.
#![allow(clippy::unwrap_used, reason = "tests: what fails should fail loudly")]

mod common;

use std::sync::mpsc::sync_channel;

use common::*;
use remit_agent::{
    observation::{Deed, NewDeed, PersonSaid, PersonWord, Report, SaidRefused},
    recorder::{Receipt, Receipts, Recorder},
};
use remit_proto::v1::{self, ServiceAct, ServiceActionKind, leaf::Body};

fn shutdown() -> PersonWord {
    let target = v1::Target { kind: v1::TargetKind::CellArea.into(), value: "mitte".into() };
    PersonWord::Recorded(NewDeed {
        kind: ServiceActionKind::Shutdown,
        target,
        from_s: NOW_S - 60,
        until_s: 0,
        rate_bits_per_s: 0,
        claims: vec!["de/1".parse().unwrap()],
    })
}

fn say(recorder: &mut Recorder, by: &str, word: PersonWord) -> Result<Vec<Deed>, SaidRefused> {
    let (answer, answered) = sync_channel(1);
    let said = PersonSaid { by: by.parse().unwrap(), word, answer };
    recorder.report(Report::Said(said)).unwrap();
    answered.try_recv().expect("answered at once")
}

fn number(said: Result<Vec<Deed>, SaidRefused>) -> u64 {
    said.unwrap()[0].said.number
}

/// "act by person [until]" of each leaf of the newest generation.
fn told(node: &Node, recorder: &Recorder) -> Vec<String> {
    let view = recorder.watch().borrow().clone();
    let bodies = leaves(&node.spool_dir(), &view, recorder.tree().ordinal);
    let line = |body: &Body| {
        let Body::ServiceAction(said) = body else { return None };
        let act = said.act().as_str_name().trim_start_matches("SERVICE_ACT_").to_lowercase();
        let by = said.confirmed_by.as_ref().or(said.recorded_by.as_ref()).unwrap();
        let until = if said.until_s == 0 { "" } else { " until" };
        Some(format!("{act} by {}{until}", by.person))
    };
    bodies.iter().filter_map(line).collect()
}

fn listed(recorder: &mut Recorder) -> usize {
    say(recorder, "p-1", PersonWord::List).unwrap().len()
}

#[test]
fn each_word_is_a_leaf_and_durable_when_it_is_answered() {
    let node = Node::individual();
    let mut recorder = node.start();
    let number = number(say(&mut recorder, "p-1", shutdown()));
    // Killed at once: the spool holds it.
    drop(recorder);
    let mut recorder = node.start();
    assert_eq!(told(&node, &recorder), ["recorded by p-1"]);
    assert_eq!(listed(&mut recorder), 1);
    say(&mut recorder, "p-2", PersonWord::Confirmed { number }).unwrap();
    say(&mut recorder, "p-2", PersonWord::Ended { number, until_s: NOW_S - 1 }).unwrap();
    drop(recorder);
    let mut recorder = node.start();
    // Ended by the second, so the first confirms.
    say(&mut recorder, "p-1", PersonWord::Confirmed { number }).unwrap();
    assert_eq!(
        told(&node, &recorder),
        ["recorded by p-1", "confirmed by p-2", "ended by p-2 until", "confirmed by p-1 until"]
    );
    assert_eq!(listed(&mut recorder), 0, "nothing more is to be said of it");
    drop(recorder);
    assert_eq!(listed(&mut node.start()), 0);
}

#[test]
fn a_word_that_cannot_be_is_refused_and_leaves_no_leaf() {
    let node = Node::individual();
    let mut recorder = node.start();
    let deed = number(say(&mut recorder, "p-1", shutdown()));
    let confirm = |number| PersonWord::Confirmed { number };
    let end = |until_s| PersonWord::Ended { number: deed, until_s };
    let of = |change: &dyn Fn(&mut NewDeed)| {
        let PersonWord::Recorded(mut new) = shutdown() else { panic!() };
        change(&mut new);
        PersonWord::Recorded(new)
    };
    for (by, word, refused) in [
        ("p-1", confirm(deed), SaidRefused::SamePerson),
        ("p-2", confirm(deed ^ 1), SaidRefused::Unknown(deed ^ 1)),
        ("p-2", end(NOW_S + 60), SaidRefused::NotYet),
        ("p-2", end(NOW_S - 60), SaidRefused::Backwards),
        ("p-1", of(&|new| new.from_s = NOW_S + 60), SaidRefused::NotYet),
        ("p-1", of(&|new| new.from_s = -5), SaidRefused::NotYet),
        ("p-1", of(&|new| new.until_s = new.from_s - 1), SaidRefused::Backwards),
    ] {
        assert_eq!(say(&mut recorder, by, word.clone()), Err(refused), "{word:?}");
    }
    say(&mut recorder, "p-2", confirm(deed)).unwrap();
    assert_eq!(say(&mut recorder, "p-2", confirm(deed)), Err(SaidRefused::Confirmed));
    say(&mut recorder, "p-1", end(NOW_S)).unwrap();
    assert_eq!(say(&mut recorder, "p-1", end(NOW_S)), Err(SaidRefused::Ended));
    let leaves = ["recorded by p-1", "confirmed by p-2", "ended by p-1 until"];
    assert_eq!(told(&node, &recorder), leaves);
}

#[test]
fn a_new_generation_tells_again_what_stands_under_the_same_number() {
    let node = Node::individual();
    let mut recorder = node.start();
    let first = number(say(&mut recorder, "p-1", shutdown()));
    say(&mut recorder, "p-2", PersonWord::Confirmed { number: first }).unwrap();
    number(say(&mut recorder, "p-2", shutdown()));
    let mut receipts = Receipts { rolled_back: Some(1), ..Receipts::default() };
    receipts.generations.insert(1, Receipt { safe: 0, logged: 0 });
    node.receipts.send_replace(receipts);
    node.pass(&mut recorder, 1000);
    assert_eq!(recorder.tree().ordinal, 2);
    let mut again = told(&node, &recorder);
    again.sort();
    assert_eq!(again, ["confirmed by p-2", "recorded by p-1", "recorded by p-2"]);
    say(&mut recorder, "p-1", PersonWord::Ended { number: first, until_s: NOW_S }).unwrap();
    assert_eq!(told(&node, &recorder).last().unwrap(), "ended by p-1 until");
    let view = recorder.watch().borrow().clone();
    let acts = leaves(&node.spool_dir(), &view, 2);
    let numbers: Vec<u64> = acts
        .iter()
        .filter_map(|body| if let Body::ServiceAction(said) = body { Some(said) } else { None })
        .filter(|said| said.act() != ServiceAct::Recorded)
        .map(|said| said.number)
        .collect();
    assert_eq!(numbers, [first, first]);
}
