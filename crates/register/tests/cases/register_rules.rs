//! Statements that the register refuses, and that it is then as it was.

use register::{InvalidStatement, Items, Ledger, Register, Target};
use remit_proto::v1::{self, register_item::Item, statement::Body};

use crate::language::{
    ORIGIN, at, register_of, replaces, statement, statement_after, statement_of, written,
};

/// The last line is refused with this message; what stood before stays.
fn refused(lines: &str, last: &str, want: &str) {
    let mut register = register_of(lines);
    let before = register.size();
    let (statement, mut items) = statement_of(last);
    replaces(&register, &mut items);
    let error = register.apply(&statement, items).expect_err(last);
    assert!(chain(&error).contains(want), "{last}: {}", chain(&error));
    assert_eq!(register.size(), before);
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

#[test]
fn transitions_that_lead_nowhere() {
    let one = "req-7 ip:192.0.2.7";
    refused(one, "req-7 accepts", "does not follow where it stands then");
    refused(one, "req-7 confirms", "does not follow where it stands then");
    refused(one, "req-7 resumes", "does not follow where it stands then");
    refused(one, "req-7 refuses", "does not follow where it stands then");
    refused(one, "req-8 revokes", "the register holds no request");
    refused(one, "req-7 supersedes by req-8", "the register holds no request");
    refused(one, "req-7 supersedes by req-7", "request req-7 cannot take its own place");
    refused(one, "req-7 supersedes", "by_request_id");
    refused(
        "req-7 ip:192.0.2.7; req-7 revokes",
        "req-7 suspends recorded 2026-01-01",
        "does not follow where it stands then",
    );
    refused(
        "req-7 ip:192.0.2.7 status provisional confirm-by 2026-01-25; req-7 confirms effective 2026-01-20",
        "req-7 withdraws effective 2026-01-10",
        "effective_at: withdraw would count before what is stated already; confirm at 2026-01-20T00:00:00Z does not \
         follow where it would stand then (withdrawn)",
    );
    refused(
        "req-7 ip:192.0.2.7; req-7 annuls",
        "req-7 annuls",
        "does not follow where it stands then",
    );
    refused(
        "req-7 ip:192.0.2.7 status refused",
        "req-7 accepts",
        "does not follow where it stands then",
    );
}

#[test]
fn a_request_does_not_come_back_to_itself_by_what_supersedes_it() {
    let three = "a ip:192.0.2.7; b ip:192.0.2.7; c ip:192.0.2.7";
    let names_both = "request b cannot be superseded by a, which was itself superseded, in the end by b; name the \
                      request that stands now";
    refused(&format!("{three}; a supersedes by b"), "b supersedes by a", names_both);
    // By way of another, and whatever the times say.
    let by_way = format!("{three}; a supersedes by b; b supersedes by c");
    refused(&by_way, "c supersedes by a", "request c cannot be superseded by a");
    refused(&by_way, "c supersedes by b", "request c cannot be superseded by b");
    let later = "a supersedes by b effective 2026-02-01";
    let earlier = "b supersedes by a effective 2026-01-15";
    refused(&format!("{three}; {later}"), earlier, "request b cannot be superseded by a");
    // Two that one takes the place of are no circle, nor is one after the other.
    register_of(&format!("{three}; a supersedes by c; b supersedes by c"));
    register_of(&format!("{three}; b supersedes by c; a supersedes by b"));
}

#[test]
fn a_ledger_refuses_the_circle_too() {
    let (mut register, mut ledger) = (Register::new(ORIGIN), Ledger::new(ORIGIN));
    for line in ["a ip:192.0.2.7", "b ip:192.0.2.7", "a supersedes by b", "b supersedes by a"] {
        let (statement, items) = statement_of(line);
        let items = items.map(|items| Items::read(items).unwrap());
        let taken = register.take_in(&statement, items.as_ref());
        assert_eq!(ledger.take_in(&statement, items.as_ref()), taken);
        let is_circle = matches!(taken, Err(InvalidStatement::SupersededInCircle { .. }));
        assert_eq!(is_circle, line == "b supersedes by a", "{taken:?}");
    }
}

#[test]
fn requests_that_make_no_sense() {
    refused("", "req-7 ip:192.0.2.7 from 2026-02-01 until 2026-02-01", "effective_until_s");
    refused("", "req-7 from 2026-02-01", "no target");
    refused("", "req/with/a/name/that/is/far/too/long/to/be/an/identifier ip:192.0.2.7", "48");
    refused("", "req-7 ip:192.0.2.7 status provisional", "confirm_by_s");
    refused("", "req-7 ip:192.0.2.7 in Germany", "ISO 3166");
    refused("req-7 ip:192.0.2.7", "req-7 ip:192.0.2.7", "the next one is 2");
    refused("req-7 ip:192.0.2.7", "req-7 version 3 ip:192.0.2.7", "the next one is 2");
}

#[test]
fn statements_for_another_register_or_of_another_kind() {
    let (mut stray, items) = statement_of("req-7 ip:192.0.2.7");
    stray.origin = "example.net/cases".into();
    let mut register = Register::new(ORIGIN);
    assert!(matches!(register.apply(&stray, items), Err(InvalidStatement::Origin { .. })));
    let decision = statement(Body::Decision(v1::Decision::default()), at("2026-01-01"), None);
    assert_eq!(register.apply(&decision, None), Err(InvalidStatement::NotOfTheRegister));
    let mut empty = decision;
    empty.body = None;
    assert_eq!(register.apply(&empty, None), Err(InvalidStatement::NoBody));
    let mut newer = empty;
    newer.format = 2;
    assert_eq!(register.apply(&newer, None), Ok(()), "kept, counted, not understood");
    assert_eq!((register.size(), register.view().not_understood_count()), (1, 1));
}

#[test]
fn an_import_is_taken_whole_or_not_at_all() {
    let (mut import, items) = statement_of("req-7 ip:192.0.2.7");
    let mut items = items.unwrap();
    let mut register = Register::new(ORIGIN);
    if let Some(Body::Import(import)) = &mut import.body {
        import.items.as_mut().unwrap().count = 2;
    }
    let miscounted = register.apply(&import, Some(items.clone()));
    assert_eq!(miscounted, Err(InvalidStatement::ItemCount { announced: 2, found: 1 }));
    let stray = v1::TargetBlock { request_id: "req-8".into(), targets: Vec::new() };
    items.push(v1::RegisterItem { item: Some(Item::Targets(stray)) });
    let strayed = register.apply(&import, Some(items.clone()));
    assert!(matches!(strayed, Err(InvalidStatement::StrayTargets { item: 1, .. })));
    items[1] = items[0].clone();
    let twice = register.apply(&import, Some(items));
    assert!(matches!(twice, Err(InvalidStatement::Duplicate { .. })));
    assert_eq!(register.size(), 0);
    assert_eq!(register.view().requests().count(), 0);
}

#[test]
fn more_targets_follow_their_request() {
    let wire = |line: &str| statement_of(line).1.unwrap().remove(0);
    let block = |target: &str| {
        let target = Some(target.parse::<Target>().unwrap().to_wire());
        let targets = vec![v1::RequestTarget { target, ..v1::RequestTarget::default() }];
        let block = v1::TargetBlock { request_id: "req-7".into(), targets };
        v1::RegisterItem { item: Some(Item::Targets(block)) }
    };
    let (first, other) = (wire("req-7 ip:192.0.2.7"), wire("req-8 ip:192.0.2.8"));
    let (more, still_more) = (block("ip:192.0.2.9"), block("ip:192.0.2.10"));
    let items = [&first, &more, &still_more, &other].map(Clone::clone);
    let read = Items::read(items.into()).unwrap();
    let counts: Vec<_> = read.requests().map(|request| request.targets.len()).collect();
    assert_eq!(counts, [3, 1]);
    let stray = Items::read(vec![first, other, more]).unwrap_err();
    assert!(matches!(stray, InvalidStatement::StrayTargets { item: 2, .. }), "{stray}");
}

#[test]
fn no_time_of_a_target_is_taken_for_none() {
    let (_, items) = statement_of("req-7 ip:192.0.2.7");
    let mut item = items.unwrap().remove(0);
    let Some(Item::Request(request)) = &mut item.item else { panic!("a request") };
    for bad in [i64::MIN, -1, i64::MAX] {
        request.task.as_mut().unwrap().targets[0].added_at_s = bad;
        let item = v1::RegisterItem { item: Some(Item::Request(request.clone())) };
        let refused = Items::read(vec![item]).unwrap_err().to_string();
        assert!(refused.contains("1970 to 9999"), "{refused}");
    }
}

#[test]
fn registers_of_one_log_share_what_was_read() {
    let (statement, items) = statement_of("req-7 ip:192.0.2.7");
    let items = Items::read(items.unwrap()).unwrap();
    let (mut register, mut ledger) = (Register::new(ORIGIN), Ledger::new(ORIGIN));
    register.take_in(&statement, Some(&items)).unwrap();
    ledger.take_in(&statement, Some(&items)).unwrap();
    let id = "req-7".parse().unwrap();
    let (one, other) = (register.view().request(&id).unwrap(), ledger.request(&id).unwrap());
    assert!(std::ptr::eq(one.request(), other.request()));
    // And a ledger refuses what a register does.
    let refused =
        [register.take_in(&statement, Some(&items)), ledger.take_in(&statement, Some(&items))];
    assert!(matches!(
        refused,
        [Err(InvalidStatement::Version { .. }), Err(InvalidStatement::Version { .. })]
    ));
}

#[test]
fn a_request_goes_through_the_register_unchanged() {
    let (statement, mut items) = statement_of(
        "req-7 ip:192.0.2.7 ip:192.0.2.8 except domain_exact:a.example in DE audience x nodes n \
         networks mobile asns 1 grace 2 list l@1 received 2026-01-01 confirm-by 2026-02-01 \
         status provisional",
    );
    let Some(Item::Request(request)) = &mut items.as_mut().unwrap()[0].item else {
        panic!("a request")
    };
    let targets = &mut request.task.as_mut().unwrap().targets;
    // As it is kept, in another form, and not given.
    for (target, raw) in targets.iter_mut().zip(["192.0.2.7", "192.000.002.008", ""]) {
        target.raw = raw.into();
    }
    targets[1].removed_at_s = 1_800_000_000;
    targets[2].added_at_s = 1_790_000_000;
    let mut register = Register::new(ORIGIN);
    register.apply(&statement, items.clone()).unwrap();
    let Some(Item::Request(wire)) = items.unwrap().remove(0).item else { panic!("a request") };
    let entry = register.view().request(&"req-7".parse().unwrap()).unwrap();
    assert_eq!(v1::Request::from(entry.request()), wire);
}

#[test]
fn a_version_names_the_one_that_it_replaces() {
    let register = register_of("req-7 ip:192.0.2.7");
    let (next, items) = statement_of("req-7 version 2 ip:192.0.2.8");
    let refused = register.clone().apply(&next, items.clone()).unwrap_err();
    assert!(refused.to_string().contains("prev_hash"), "{refused}");
    let mut items = items;
    replaces(&register, &mut items);
    assert_eq!(register.clone().apply(&next, items), Ok(()));
}

#[test]
fn relations_lead_forward() {
    refused("", "a ip:192.0.2.7 relation confirms=a", "does not relate to itself");
    refused(
        "a ip:192.0.2.7 relation confirms=b",
        "b ip:192.0.2.8 relation extends=a",
        "come back to itself through a",
    );
    refused(
        "a ip:192.0.2.7 relation confirms=b; b ip:192.0.2.8 relation amends=c",
        "c ip:192.0.2.9 relation appeals=a",
        "come back to itself through b",
    );
    // Two that are the same measure say so of each other.
    let register =
        "a ip:192.0.2.7 relation same_measure_as=b; b ip:192.0.2.7 relation same_measure_as=a";
    assert_eq!(register_of(register).size(), 2);
    refused("", "a ip:192.0.2.7 relation confirms=two*words", "is no id");
}

#[test]
fn intervals_that_contradict_each_other() {
    let one = "req-7 ip:192.0.2.7 until 2026-02-01";
    refused("", &format!("{one} within 2026-01-10..2026-01-10"), "windows");
    refused(
        "",
        &format!("{one} within 2026-01-10..2026-01-12 within 2026-01-11..2026-01-13"),
        "windows",
    );
    refused("", &format!("{one} within 2025-12-30..2026-01-02"), "windows");
    refused("", &format!("{one} within 2026-01-30..2026-02-02"), "windows");
    refused("", &format!("{one} grace 1 remove-by 2026-02-03"), "remove_by_s");
    refused("", "req-7 ip:192.0.2.7 added 2026-01-10 removed 2026-01-09", "removed_at_s");
}

#[test]
fn addresses_are_derived_from_names_of_the_request() {
    refused(
        "",
        "req-7 domain_exact:example.org ip:192.0.2.7 derived domain_exact:other.example",
        "is not among the names",
    );
    refused(
        "",
        "req-7 domain_exact:a.example domain_exact:b.example derived domain_exact:a.example",
        "an address is derived from a name",
    );
}

#[test]
fn a_decision_says_what_its_transition_says() {
    let received = "req-7 ip:192.0.2.7 status received";
    refused(received, "req-7 refuses only-in DE", "transition.decision.kind");
    refused(received, "req-7 accepts partly-not ip:192.0.2.9", "request req-7 names no 192.0.2.9");
}

#[test]
fn orders_that_hold_the_same_target_are_named() {
    let register = register_of(
        "a ip:192.0.2.7 ip:192.0.2.8; b ip:192.0.2.7; net cidr:192.0.2.0/29; gone ip:192.0.2.7 until 2026-01-05",
    );
    let view = register.view();
    let held = |at_s| {
        let a = view.request(&"a".parse().unwrap()).unwrap();
        let held = view.held_by(&a, at_s, 10);
        held.iter().map(|(target, id)| format!("{target} {id}")).collect::<Vec<_>>()
    };
    let all = ["192.0.2.7 b", "192.0.2.7 net"];
    assert_eq!(held(at("2026-01-15")), all, "192.0.2.8 lies outside the /29, and gone has ended");
    assert_eq!(held(at("2026-01-02")).len(), 3);
}

/// As [`refused`], with an approval as the last line.
fn approval_refused(lines: &str, last: &str, want: &str) {
    let (mut register, digests) = written(lines);
    let before = register.size();
    let (statement, items) = statement_after(last, &digests);
    let error = register.apply(&statement, items).expect_err(last);
    assert!(chain(&error).contains(want), "{last}: {}", chain(&error));
    assert_eq!(register.size(), before);
}

#[test]
fn a_request_is_approved_once_by_somebody_else_and_as_it_was_seen() {
    let waits = "req-7 ip:192.0.2.7 awaits approval";
    approval_refused(waits, "approve 0 by p-1", "somebody else must approve");
    approval_refused(waits, "approve 0 another", "statement 0 is another one");
    approval_refused("req-7 ip:192.0.2.7", "approve 0", "awaits no second person's approval");
    approval_refused(&format!("{waits}; approve 0"), "approve 0", "awaits no second person's");
    let overtaken = format!("{waits}; req-7 ip:192.0.2.8 version 2 awaits approval");
    approval_refused(&overtaken, "approve 0", "newer versions were entered");
    let (register, _) = written(&format!("{overtaken}; approve 1"));
    let (before, after) = (register.at(2), register.at(3));
    let state = |view: register::View<'_>| {
        view.request(&"req-7".parse().unwrap()).unwrap().state_at(at("2026-01-15"))
    };
    assert_eq!((state(before), state(after)), ("awaits_approval".to_owned(), "active".to_owned()));
}

fn states(register: &register::Register, sizes: &[u64]) -> Vec<(String, usize)> {
    let id = "req-7".parse().unwrap();
    let told = |size: &u64| {
        let view = register.at(*size);
        let entry = view.request(&id).unwrap();
        (entry.state_at(at("2026-01-15")), entry.waiting().len())
    };
    sizes.iter().map(told).collect()
}

/// What is shown at each size of the register: the state, and how many steps wait.
fn shown(want: &[(&str, usize)]) -> Vec<(String, usize)> {
    want.iter().map(|(state, waiting)| ((*state).to_owned(), *waiting)).collect()
}

#[test]
fn a_step_that_waits_has_no_effect_before_somebody_else_approves_it() {
    let waits = "req-7 ip:192.0.2.7; req-7 revokes effective 2026-01-10 awaits approval";
    let (register, _) = written(&format!("{waits}; approve 1"));
    assert_eq!(
        states(&register, &[1, 2, 3]),
        shown(&[("active", 0), ("active", 1), ("revoked", 0)]),
        "and a register of then goes on to say what it said then"
    );
    approval_refused(waits, "approve 1 by p-1", "somebody else must approve");
    approval_refused(waits, "approve 1 another", "statement 1 is another one");
    approval_refused(&format!("{waits}; approve 1"), "approve 1", "awaits no second person's");
    let plain = "req-7 ip:192.0.2.7; req-7 revokes effective 2026-01-10";
    approval_refused(plain, "approve 1", "awaits no second person's approval");
    let both = "req-7 ip:192.0.2.7; req-7 revokes effective 2026-01-10 approver p-2";
    let (register, _) = written(both);
    assert_eq!(states(&register, &[1, 2]), shown(&[("active", 0), ("revoked", 0)]));
}

#[test]
fn the_end_of_a_proceeding_that_waits_has_no_effect_before_somebody_else_approves_it() {
    let waits = "req-7 ip:192.0.2.7 depends case-1; \
                 proceeding case-1 ends effective 2026-01-10 awaits approval";
    let (register, _) = written(&format!("{waits}; approve 1"));
    let ends: Vec<usize> = [1, 2, 3]
        .map(|size| {
            register.at(size).request(&"req-7".parse().unwrap()).unwrap().ends_waiting().len()
        })
        .to_vec();
    assert_eq!(ends, [0, 1, 0]);
    assert_eq!(
        states(&register, &[1, 2, 3]),
        shown(&[("active", 0), ("active", 0), ("moot", 0)]),
        "and a register of then goes on to say what it said then"
    );
    let reached = |from_size| !register.reach(from_size, from_size + 1).is_empty();
    assert!(!reached(1) && reached(2), "the approval reaches what the end does");
    approval_refused(waits, "approve 1 by p-1", "somebody else must approve");
    approval_refused(waits, "approve 1 another", "statement 1 is another one");
    approval_refused(&format!("{waits}; approve 1"), "approve 1", "awaits no second person's");
    let plain = "req-7 ip:192.0.2.7 depends case-1; proceeding case-1 ends effective 2026-01-10";
    approval_refused(plain, "approve 1", "awaits no second person's approval");
    let (register, _) = written(&format!("{plain} approver p-2"));
    assert_eq!(states(&register, &[1, 2]), shown(&[("active", 0), ("moot", 0)]));
    // What a later word that counts has corrected is not approved any more, and waits for nothing.
    let corrected = format!("{waits}; proceeding case-1 ends effective 2026-02-10");
    approval_refused(&corrected, "approve 1", "a later end of the proceeding counts");
    let (register, _) = written(&corrected);
    let ends = register.at(3).request(&"req-7".parse().unwrap()).unwrap().ends_waiting().len();
    assert_eq!(ends, 0);
    let (register, _) =
        written(&format!("{corrected}; proceeding case-1 ends awaits approval; approve 3"));
    assert_eq!(register.size(), 5, "and a still later one is");
}

#[test]
fn a_step_that_waits_is_one_of_the_table_when_it_is_stated_and_when_it_is_approved() {
    refused("req-7 ip:192.0.2.7", "req-7 resumes awaits approval", "does not follow");
    let overtaken = "req-7 ip:192.0.2.7; req-7 suspends effective 2026-01-10 awaits approval; \
                     req-7 revokes effective 2026-01-05";
    approval_refused(overtaken, "approve 1", "does not follow");
    let (register, _) = written(overtaken);
    assert_eq!(
        states(&register, &[2, 3]),
        shown(&[("active", 1), ("revoked", 0)]),
        "what cannot be approved any more waits for nothing"
    );
    // Nobody closes a circle by approving.
    let circle = "a ip:192.0.2.7; b ip:192.0.2.8; a supersedes by b awaits approval; \
                  b supersedes by a";
    approval_refused(circle, "approve 2", "superseded");
}

/// A stay of which the words are committed in the chunk of this name.
fn stay_with_words(chunk: u8, words: &v1::StatedTexts) -> (v1::Statement, v1::RegisterItem) {
    let said = v1::ItemSet { count: 1, root: vec![0; 32], chunks: vec![vec![chunk; 32]] };
    let stated = v1::Transition {
        request_id: "req-7".to_owned(),
        kind: v1::TransitionKind::Suspend.into(),
        said: Some(said),
        ..v1::Transition::default()
    };
    let day = at("2026-01-10");
    let statement = statement(v1::statement::Body::Transition(stated), day, None);
    let item = Some(v1::register_item::Item::Said(words.clone()));
    (statement, v1::RegisterItem { item })
}

#[test]
fn the_words_of_a_step_can_go_and_the_step_stays() {
    let words = v1::StatedTexts { reason: "stay granted".to_owned(), ..Default::default() };
    let (stated, item) = stay_with_words(7, &words);
    let (mut register, _) = written("req-7 ip:192.0.2.7");
    let mut without = register.clone();
    register.apply(&stated, Some(vec![item])).unwrap();
    // Who does not hold them takes the same step.
    without.apply(&stated, None).unwrap();
    let told = |register: &register::Register| {
        let id = "req-7".parse().unwrap();
        let view = register.view();
        let entry = view.request(&id).unwrap();
        let step = entry.transitions()[0];
        let committed = step.committed.as_ref().unwrap();
        let state = entry.state_at(at("2026-01-15"));
        (state, step.reason.clone(), committed.is_open, committed.is_erased)
    };
    assert_eq!(told(&register), ("suspended".to_owned(), "stay granted".to_owned(), true, false));
    assert_eq!(told(&without), ("suspended".to_owned(), String::new(), false, false));
    for register in [&mut register, &mut without] {
        register.erase(&[vec![8; 32]]);
        assert!(!told(register).3, "another chunk");
        register.erase(&[vec![7; 32]]);
        assert_eq!(told(register), ("suspended".to_owned(), String::new(), false, true));
    }
}

#[test]
fn the_words_of_a_step_are_what_its_set_holds_and_nothing_else() {
    let refused = |items: Option<Vec<v1::RegisterItem>>, stated: &v1::Statement, want: &str| {
        let (mut register, _) = written("req-7 ip:192.0.2.7");
        let error = register.apply(stated, items).unwrap_err();
        assert!(chain(&error).contains(want), "{}", chain(&error));
        assert_eq!(register.size(), 1);
    };
    let said = |words: &v1::StatedTexts| stay_with_words(7, words);
    let decided = v1::StatedTexts { text: "of a decision".to_owned(), ..Default::default() };
    let (stated, item) = said(&decided);
    refused(Some(vec![item.clone()]), &stated, "transition.decision");
    refused(Some(vec![item.clone(), item.clone()]), &stated, "announces 1 items and 2 came");
    let long = v1::StatedTexts { reason: "x".repeat(1001), ..Default::default() };
    let (stated, long) = said(&long);
    refused(Some(vec![long]), &stated, "said.reason");
    let attribution = v1::register_item::Item::ListChanges(v1::ListChanges::default());
    let other = v1::RegisterItem { item: Some(attribution) };
    refused(Some(vec![other]), &stated, "is not of the kind that this statement holds");
    // Words are items of a transition alone.
    let set = v1::ItemSet { count: 1, root: vec![0; 32], chunks: vec![vec![0; 32]] };
    let import = v1::Import { items: Some(set), ..v1::Import::default() };
    let import = statement(v1::statement::Body::Import(import), at("2026-01-10"), None);
    refused(Some(vec![item]), &import, "is not of the kind that this statement holds");
}
