//! The officer's page about the demo's network: every planted case is on it, counted once.

use std::{fs, path::Path};

use anyhow::Result;
use remit_tests::demo::{Demo, PLANTED};
use serde_json::Value;

/// Screen word, and how many of the planted rules have it. `IN_FORCE_NOWHERE` is apart.
const WORDS: [(&str, u64); 5] = [
    ("no covering request", 2),
    ("beyond its request", 3),
    ("out of time", 1),
    ("covered", 5),
    ("own measure", 1),
];
const IN_FORCE_NOWHERE: &str = "court/2026-010";

/// After the late request was entered.
pub(crate) fn check(demo: &Demo, dir: &Path) -> Result<()> {
    let file = dir.join("summary.html");
    let path = file.to_string_lossy();
    let text = demo.assessor.remit(&["--output", "json", "summary", "--html", &path])?;
    let answer: Value = serde_json::from_str(&text)?;

    assert_eq!(WORDS.iter().map(|(_, rules)| rules).sum::<u64>(), PLANTED.len() as u64);
    for (word, rules) in WORDS {
        let total = row(&answer["totals"], "verdict_word", word);
        assert_eq!(total["rules"], rules, "{word}: {text}");
    }
    for (target, verdict, case) in PLANTED {
        let causes: Vec<&Value> = rows(&answer["causes"])
            .filter(|cause| rows(&cause["targets"]).any(|shown| shown == target))
            .collect();
        let [cause] = causes.as_slice() else { panic!("{case}: {target} in {causes:?}") };
        assert_eq!(cause["verdict"], verdict, "{case}");
        assert_eq!(cause["actor"], "operator_staff", "{case}");
        assert_ne!(cause["hits"], 0, "{case}");
    }
    let late = row(&answer["causes"], "request", "police/2026-090");
    assert_eq!((&late["authority"], &late["registered_after_act"]), (&"police".into(), &1.into()));
    let duties: Vec<&Value> = rows(&answer["not_enforced"]).map(|row| &row["request"]).collect();
    assert_eq!(duties, [IN_FORCE_NOWHERE]);
    let unobserved = row(&answer["not_seen"], "what", "points that nobody observes");
    assert_eq!(unobserved["which"], serde_json::json!(["dpi-1/box (vendor-dpi, DE-BE)"]));
    assert_eq!((&unobserved["count"], &unobserved["of"]), (&1.into(), &3.into()));

    let page = fs::read_to_string(&file)?;
    for (target, verdict, case) in PLANTED {
        assert!(page.contains(target) && page.contains(verdict), "{case}: not in the page");
    }
    let again = demo.assessor.output(&["summary", "--html", &path])?;
    assert_eq!(again.status.code(), Some(2), "an existing file is never overwritten");
    let text = demo.assessor.remit(&["summary"])?;
    assert!(text.contains("12 rules are installed now on 2 nodes"), "{text}");
    Ok(())
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn row<'a>(list: &'a Value, member: &str, value: &str) -> &'a Value {
    rows(list).find(|row| row[member] == value).unwrap_or_else(|| panic!("no {value} in {list}"))
}
