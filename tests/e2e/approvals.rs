//! Requests that a second person lets in: held until then, by login or by key, and never by who entered
//! them.

#![allow(clippy::unwrap_used, reason = "a step that cannot be taken has failed")]

use std::{fs, io::Write};

use remit_tests::{collector::Collector, network::Network, person::Person, process::Programs};

fn does(person: &Person, arguments: &[&str]) -> String {
    let (code, text) = person.tried(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

fn state(person: &Person) -> (String, u64) {
    let rows = person.rows(&["requests", "list"]).unwrap();
    let row = rows.iter().find(|row| row["request"] == "call/1").unwrap();
    (row["state"].as_str().unwrap().to_owned(), row["version"].as_u64().unwrap())
}

#[test]
fn two_people_let_a_request_in() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let mut collector =
        Collector::start(&network, &programs, &dir.join("collector"), 8443).unwrap();
    collector.stop().unwrap();
    let mut config = fs::OpenOptions::new().append(true).open(&collector.config).unwrap();
    let policy = "[register]\nsecond_person_for = [\"police_request\"]\n\
                  second_person_for_transitions = [\"revoke\"]\n";
    config.write_all(policy.as_bytes()).unwrap();
    collector.serve(&network, &programs).unwrap();
    let enrol = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.join(id)).unwrap()
    };
    let (first, second) = (enrol("person-1", "operator"), enrol("person-2", "operator"));
    let assessor = enrol("assessor-1", "assessor");
    let call = [
        "requests",
        "quick",
        "--id",
        "call/1",
        "--authority",
        "Police",
        "--in",
        "DE",
        "--received",
        "0m",
        "--target",
        "192.0.2.7",
        "--instrument",
        "police_request",
    ];
    let said = does(&first, &call);
    assert!(said.contains("it waits for a second person"), "{said}");
    assert_eq!(state(&first), ("awaits_approval".to_owned(), 1));

    // Not by who entered it, with or without a key.
    for by in
        [&["requests", "approve", "call/1"][..], &["requests", "approve", "call/1", "--by-login"]]
    {
        let (code, text) = first.tried(by);
        assert_eq!((code, text.contains("somebody else must approve")), (Some(2), true), "{text}");
    }
    let (code, _) = assessor.tried(&["requests", "approve", "call/1"]);
    assert_eq!(code, Some(4));
    let said = does(&second, &["requests", "approve", "call/1", "--by-login", "--dry-run"]);
    assert!(said.contains("was not approved (--dry-run)"), "{said}");
    assert_eq!(state(&first), ("awaits_approval".to_owned(), 1));
    let own = ["requests", "approve", "call/1", "--dry-run"];
    let (code, text) = first.tried(&own);
    assert_eq!((code, text.contains("somebody else must approve")), (Some(2), true), "{text}");
    let said = does(&second, &["requests", "approve", "call/1", "--by-login"]);
    assert!(said.contains("attested by the collector as statement"), "{said}");
    assert_eq!(state(&first), ("provisional".to_owned(), 1));
    let page = first.remit(&["requests", "show", "call/1"]).unwrap();
    assert!(page.contains("attested by the collector for person-2"), "{page}");
    assert!(!page.contains("signed by person-2"), "{page}");

    // The next version waits, and the one before it goes on to count.
    does(&first, &["requests", "amend", "call/1", "--add-target", "192.0.2.8"]);
    assert_eq!(state(&first), ("provisional".to_owned(), 1));
    let page = first.remit(&["requests", "show", "call/1"]).unwrap();
    assert!(page.contains("waits for a second person, and counts for nothing"), "{page}");
    does(&second, &["requests", "approve", "call/1"]);
    assert_eq!(state(&first), ("provisional".to_owned(), 2));
    let page = first.remit(&["requests", "show", "call/1"]).unwrap();
    assert!(page.contains("signed by person-2"), "{page}");
    let (code, text) = second.tried(&["requests", "approve", "call/1"]);
    assert_eq!((code, text.contains("does not wait for an approval")), (Some(2), true), "{text}");

    // What the configuration wants so waits, and what somebody wants so.
    let stay = ["requests", "suspend", "call/1", "--awaits-approval", "--effective-at", "1m"];
    let said = does(&first, &stay);
    assert!(said.contains("has no effect until then: remit requests approve call/1"), "{said}");
    let said = does(&first, &["requests", "revoke", "call/1", "--reason", "by the court"]);
    assert!(said.contains("will, once it is approved, be: revoke"), "{said}");
    assert_eq!(state(&first), ("provisional".to_owned(), 2));
    let page = first.remit(&["requests", "show", "call/1"]).unwrap();
    assert!(page.contains("what would become of it"), "{page}");
    assert!(page.contains("waits for a second person, and has no effect until then"), "{page}");
    let page = first.remit(&["requests", "list"]).unwrap();
    assert!(page.contains("suspend") && page.contains("revoke"), "{page}");
    let (code, text) = second.tried(&["requests", "approve", "call/1"]);
    assert_eq!((code, text.contains("say which with --statement")), (Some(2), true), "{text}");
    let rows = first.rows(&["requests", "list"]).unwrap();
    assert_eq!(rows[0]["waits_for_approval"], serde_json::json!(["suspend", "revoke"]));
    let number = text.split(": revoke").next().and_then(|text| text.rsplit(' ').next()).unwrap();
    let approve = ["requests", "approve", "call/1", "--statement", number];
    let (code, text) = first.tried(&approve);
    assert_eq!((code, text.contains("somebody else must approve")), (Some(2), true), "{text}");
    does(&second, &[&approve[..], &["--by-login"]].concat());
    assert_eq!(state(&first), ("revoked".to_owned(), 2));
    // The stay began before that, and may still be approved; then nothing waits.
    does(&second, &["requests", "approve", "call/1"]);
    assert_eq!(state(&first), ("revoked".to_owned(), 2));
    let page = first.remit(&["requests", "show", "call/1"]).unwrap();
    assert!(!page.contains("what would become of it"), "{page}");
    assert!(page.contains("attested by the collector for person-2"), "{page}");

    let bundle = dir.join("bundle.tar").to_string_lossy().into_owned();
    assessor.remit(&["export", "-o", &bundle]).unwrap();
    let (code, report) = assessor.tried(&["verify", &bundle, "--quorum", "none"]);
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("2 approvals are the collector's word"), "{report}");
}
