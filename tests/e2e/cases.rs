//! What people do about the demo's findings, with the real programs: from the operator's explanation to
//! the assessor who does not believe a remedy.

use std::path::Path;

use anyhow::Result;
use remit_tests::{demo::Demo, person::Person};
use serde_json::Value;

pub(crate) fn check(demo: &Demo, dir: &Path) -> Result<()> {
    let officer = Person::enrol(
        &demo.network,
        &demo.programs,
        &demo.collector,
        "officer-1",
        "officer",
        &dir.join("officer-1"),
    )?;
    let finding = finding(&demo.operator, "NO_BASIS")?;
    let id = finding["finding"].as_str().unwrap_or_default();
    assert_eq!((&finding["state"], &finding["decided"]), (&"open".into(), &Value::Null));
    assert_eq!((&finding["scale"], &finding["scope"]), (&"medium".into(), &"medium".into()));

    let refused = demo.operator.output(&["findings", "explain", id, "--reason", "rule_removed"])?;
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("does not go with explain; it takes: register_incomplete"), "{text}");
    let refused = officer.output(&["findings", "explain", id, "--reason", "claim_wrong"])?;
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("the role officer may not explain a finding; operator may"), "{text}");
    let missing = "00000000000000aa";
    let refused =
        officer.output(&["findings", "acknowledge", missing, "--reason", "under_investigation"])?;
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("no finding of this id"), "{text}");

    let said = "a technician's test rule that was forgotten";
    officer.remit(&["findings", "acknowledge", id, "--reason", "under_investigation"])?;
    demo.operator.remit(&["findings", "explain", id, "--reason", "other", "--note", said])?;
    officer.remit(&["findings", "dispute", id, "--reason", "explanation_insufficient"])?;
    // The rule still stands.
    demo.operator.remit(&["findings", "remedy", id, "--reason", "rule_removed"])?;
    let again = self::finding(&demo.assessor, "NO_BASIS")?;
    assert_eq!(again["state"], "remedied");
    let again = wait_until_seen_again(demo)?;
    assert_eq!(again["decided"]["by"], demo.operator.id.as_str());
    demo.assessor.remit(&["findings", "reopen", id, "--reason", "remedy_not_effective"])?;

    let open = officer.rows(&["findings", "list", "--state", "open"])?;
    assert!(open.iter().any(|row| row["finding"] == id), "it is open again");
    let remedied = officer.rows(&["findings", "list", "--state", "remedied"])?;
    assert!(remedied.is_empty(), "{remedied:?}");
    let acts = officer.rows(&["findings", "show", id])?;
    let acts: Vec<_> = acts.iter().map(|row| row["act"].as_str().unwrap_or_default()).collect();
    assert_eq!(acts, ["acknowledge", "explain", "dispute", "remedy", "reopen"]);
    let text = officer.remit(&["findings", "show", id])?;
    assert!(text.contains(said) && text.contains("operator"), "{text}");
    let report = wait_until_exported(demo, dir)?;
    assert!(report.contains("result: proven"), "{report}");
    Ok(())
}

/// What people did is in the bundle from the next publish on, signed, and read by a verifier.
fn wait_until_exported(demo: &Demo, dir: &Path) -> Result<String> {
    let mut report = String::new();
    for attempt in 0..50 {
        let bundle = dir.join(format!("cases-{attempt}.tar"));
        demo.export(&demo.assessor, &demo.collector.url, &bundle)?;
        report = demo.verify(&bundle, None)?.1;
        if report.contains("5 acts on 1 findings are signed by people who might") {
            return Ok(report);
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("the last act is not in the bundle:\n{report}")
}

fn finding(person: &Person, code: &str) -> Result<Value> {
    let rows = person.rows(&["findings", "list"])?;
    let found = rows.into_iter().find(|row| row["code"] == code);
    Ok(found.unwrap_or_else(|| panic!("no finding {code}")))
}

/// A node's next seal shows that the rule stands.
fn wait_until_seen_again(demo: &Demo) -> Result<Value> {
    for _ in 0..100 {
        let finding = finding(&demo.assessor, "NO_BASIS")?;
        if finding["seen_since"] == true {
            return Ok(finding);
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("the rule stands, and the remedy is believed")
}
