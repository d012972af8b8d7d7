//! `defects.txt`: what is wrong with requests themselves (DOMAIN.md 3c), case by case.

use std::collections::BTreeMap;

use register::{
    Register, Seen, Target,
    defects::{Found, Watch, defects, gone},
};
use remit_proto::v1::{EntryCode, ProbePage, ProbeResult};

use crate::language::{ORIGIN, at, register_of, replaces, statement_of};

const TABLE: &str = include_str!("defects.txt");

struct Case {
    register: String,
    seen: String,
    /// "req-7 at 2026-01-15"
    question: String,
    want: String,
}

/// Title, codes that the section is about, cases.
type Section = (String, Vec<EntryCode>, Vec<Case>);

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let (mut register, mut seen) = (String::new(), String::new());
    for line in TABLE.lines() {
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            // Why, for whoever reads it.
        } else if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.to_owned(), Vec::new(), Vec::new()));
            seen.clear();
        } else if let Some(rule) = line.strip_prefix("rule: 3c ") {
            let codes = all().filter(|code| rule.contains(name(*code)));
            sections.last_mut().unwrap().1 = codes.collect();
        } else if let Some(text) = line.strip_prefix("register: ") {
            register = text.to_owned();
        } else if let Some(text) = line.strip_prefix("seen: ") {
            seen = text.to_owned();
        } else if let Some((question, want)) = line.split_once(" => ") {
            let (question, want) = (question.trim().to_owned(), want.trim().to_owned());
            let (register, seen) = (register.clone(), seen.clone());
            sections.last_mut().unwrap().2.push(Case { register, seen, question, want });
        } else {
            panic!("{line:?} is no line of a table");
        }
    }
    sections
}

fn all() -> impl Iterator<Item = EntryCode> {
    (1..=64).filter_map(|number| EntryCode::try_from(number).ok())
}

fn name(code: EntryCode) -> &'static str {
    code.as_str_name().strip_prefix("ENTRY_CODE_").unwrap()
}

/// "<target> <reached|parked|seized|blocked|gone|inconclusive> <time>; …"
fn seen(text: &str) -> Vec<Seen> {
    let lines = text.split(';').map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            Seen {
                target: words[0].parse::<Target>().unwrap(),
                page: match words[1] {
                    "parked" => ProbePage::Parked,
                    "seized" => ProbePage::Seized,
                    _ => ProbePage::Unspecified,
                },
                result: match words[1] {
                    "reached" | "parked" | "seized" => ProbeResult::Reached,
                    "blocked" => ProbeResult::Blocked,
                    "gone" => ProbeResult::Gone,
                    "inconclusive" => ProbeResult::Inconclusive,
                    other => panic!("{other}?"),
                },
                at_s: at(words[2]),
                asn: 64_500,
            }
        })
        .collect()
}

/// "CODE(detail) ×3, …" of the codes that are asked for, or "nothing".
fn shown(found: Option<&Found>, codes: &[EntryCode]) -> String {
    let defects = found.into_iter().flat_map(|found| &found.defects);
    let mut shown: Vec<String> = defects
        .filter(|defect| codes.contains(&defect.code))
        .map(|defect| {
            let detail = match defect.detail.as_str() {
                "" => String::new(),
                detail => format!("({detail})"),
            };
            let count = match defect.target_count {
                0 | 1 => String::new(),
                count => format!(" ×{count}"),
            };
            format!("{}{detail}{count}", name(defect.code))
        })
        .collect();
    shown.sort();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

#[test]
fn every_case_of_the_table() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (title, codes, cases) in sections() {
        assert!(!codes.is_empty() && !cases.is_empty(), "{title} names no code, or has no case");
        for Case { register, seen: probes, question, want } in &cases {
            let (id, at_s) = question.split_once(" at ").unwrap();
            let register = register_of(register);
            let found = defects(&register.view(), at(at_s), &gone(&seen(probes)));
            let shown = shown(found.get(&id.parse().unwrap()), &codes);
            if shown != *want {
                wrong.push(format!("{title}\n  {question} => {shown}, not {want}"));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 80, "{count}");
}

#[test]
fn every_code_has_a_case_in_which_it_stands_and_one_in_which_it_does_not() {
    for code in all() {
        let of_code = || sections().into_iter().filter(move |(_, codes, _)| codes.contains(&code));
        let wants = || of_code().flat_map(|(_, _, cases)| cases).map(|case| case.want);
        assert!(wants().any(|want| want.contains(name(code))), "{code:?} never stands");
        assert!(wants().any(|want| !want.contains(name(code))), "{code:?} always stands");
    }
}

#[test]
fn a_defect_says_since_when() {
    let text = "req-7 ip:192.0.2.7 recorded 2026-01-03 review 2026-02-01";
    let register = register_of(text);
    let found = defects(&register.view(), at("2026-03-01"), &gone(&[]));
    let since: BTreeMap<EntryCode, i64> =
        found.values().flat_map(|f| &f.defects).map(|d| (d.code, d.since_s)).collect();
    assert_eq!(since[&EntryCode::ReviewOverdue], at("2026-02-01"));
    assert_eq!(since[&EntryCode::OpenEnded], at("2026-01-03"));
}

/// What is withheld may be the request that a relation names.
#[test]
fn nothing_is_missing_where_something_is_not_read() {
    let mut register = register_of("req-7 ip:192.0.2.7 relation confirms=court/9");
    let (mut watch, at_s, none) = (Watch::default(), at("2026-01-15"), gone(&[]));
    let id = "req-7".parse().unwrap();
    let mut leads_nowhere = |register: &Register| {
        watch.look(register, register.size(), at_s, &none);
        assert_eq!(watch.found(), &defects(&register.view(), at_s, &none));
        shown(watch.found().get(&id), &[EntryCode::MissingElement]).contains("confirms:court/9")
    };
    assert!(leads_nowhere(&register));
    let (statement, _) = statement_of("court/9 ip:192.0.2.8");
    register.apply(&statement, None).unwrap();
    assert!(!leads_nowhere(&register));
}

const TIMES: [&str; 6] =
    ["2025-12-31", "2026-01-15", "2026-01-15T12:00:00Z", "2026-02-10", "2026-04-01", "2027-01-01"];

/// Statement by statement and clock by clock, what a change can reach is all that is looked at again, and
/// what comes out is what looking at everything finds.
#[test]
fn a_watch_finds_what_looking_at_everything_finds() {
    for (title, _, cases) in sections() {
        for Case { register: text, seen: probes, .. } in cases {
            let gone = gone(&seen(&probes));
            let mut register = Register::new(ORIGIN);
            let mut watch = Watch::default();
            let lines: Vec<&str> =
                text.split(';').map(str::trim).filter(|line| !line.is_empty()).collect();
            if lines.iter().any(|line| line.starts_with("approve ")) {
                continue;
            }
            // Every instant after every statement; then back to the first, which takes a full look.
            for line in &lines {
                let (statement, mut items) = statement_of(line);
                replaces(&register, &mut items);
                register.apply(&statement, items).unwrap();
                for time in TIMES {
                    let at_s = at(time);
                    watch.look(&register, register.size(), at_s, &gone);
                    let want = defects(&register.view(), at_s, &gone);
                    assert_eq!(watch.found(), &want, "{title}: {line} at {time}");
                }
            }
            // And at one instant, statement by statement.
            let mut watch = Watch::default();
            for size in 0..=register.size() {
                let at_s = at("2026-01-15");
                watch.look(&register, size, at_s, &gone);
                let want = defects(&register.at(size), at_s, &gone);
                assert_eq!(watch.found(), &want, "{title}: size {size}");
            }
        }
    }
}

#[test]
fn a_watch_looks_at_what_a_change_can_reach() {
    let many: Vec<String> =
        (0..200).map(|n| format!("req-{n} domain_exact:host-{n}.example")).collect();
    let mut register = register_of(&many.join("; "));
    let mut watch = Watch::default();
    let (at_s, none) = (at("2026-01-15"), gone(&[]));
    assert_eq!(watch.look(&register, register.size(), at_s, &none), 200, "all at first");
    assert_eq!(watch.look(&register, register.size(), at_s, &none), 0, "nothing moved");
    let (statement, items) = statement_of("new domain_exact:host-7.example");
    register.apply(&statement, items).unwrap();
    let looked = watch.look(&register, register.size(), at_s, &none);
    assert_eq!(looked, 2, "the new one, and the one that has its target");
    let (statement, items) = statement_of("req-9 suspends effective 2026-02-01");
    register.apply(&statement, items).unwrap();
    assert_eq!(watch.look(&register, register.size(), at_s, &none), 1);
    assert_eq!(watch.look(&register, register.size(), at("2026-02-02"), &none), 1, "its bound");
}

/// An erasure has no size of the register, and what it takes away is gone at all of them.
#[test]
fn a_watch_sees_what_was_erased() {
    let text = "req-1 ip:192.0.2.7 ip:192.0.2.8 issuer court ref 12-345;
        req-2 ip:192.0.2.7 issuer court court LG_Hamburg opening reference=restricted;
        req-3 ip:198.51.100.1 issuer court";
    let mut register = register_of(&text.replace('\n', " "));
    let (mut watch, at_s, none) = (Watch::default(), at("2026-01-15"), gone(&[]));
    assert_eq!(watch.look(&register, register.size(), at_s, &none), 3);
    let second = "req-2".parse().unwrap();
    let is_unnumbered =
        |watch: &Watch| shown(watch.found().get(&second), &[EntryCode::Unnumbered]) != "nothing";
    assert!(is_unnumbered(&watch), "the part that is seen has none");
    let opening = register.view().request(&second).unwrap().request().closed[0].opening.clone();
    let chunks = opening.unwrap().chunks;
    register.erase(&chunks);
    assert_eq!(watch.look(&register, register.size(), at_s, &none), 2, "it, and what it touches");
    assert!(!is_unnumbered(&watch), "whether it had one is known no more");
    assert_eq!(watch.found(), &defects(&register.view(), at_s, &none));
    // Erased again, it is not gone once more.
    register.erase(&chunks);
    assert_eq!(watch.look(&register, register.size(), at_s, &none), 0);
}
