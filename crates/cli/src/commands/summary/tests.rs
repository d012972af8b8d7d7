//! The page as a whole, from answers to text.

use v1::VerdictCode::{Authorised, Expired, NoBasis, Overbroad, TosMeasure, Undetermined};

use super::{cause::tests::rule, deed::tests::finding, *};

/// Answers in which everything that a stranger could choose is `name`.
pub(super) fn hostile(name: &str) -> Summary {
    let codes = [NoBasis, Overbroad, Expired, Undetermined, Authorised, TosMeasure];
    let mut rules: Vec<v1::RuleRow> =
        codes.into_iter().map(|code| rule(name, name, code, name)).collect();
    for row in &mut rules {
        row.authority = name.into();
        if let Some(clause) = row.verdict.as_mut().and_then(|verdict| verdict.clause.as_mut()) {
            clause.request_says = name.into();
            clause.event_shows = name.into();
        }
    }
    let named = |row: v1::FindingRow| v1::FindingRow {
        node: name.into(),
        request_id: name.into(),
        authority: name.into(),
        target: Some(v1::Target { value: name.into(), ..Default::default() }),
        unobserved_points: vec![name.into()],
        ..row
    };
    let kind = v1::FindingKind::Duty.into();
    let duty = v1::FindingRow { code: "NOT_ENFORCED".into(), kind, ..Default::default() };
    let facts = v1::NodeFacts { region: name.into(), ..Default::default() };
    let point = v1::EnforcementPoint {
        id: name.into(),
        technology: name.into(),
        observation: v1::Observation::Unobserved.into(),
    };
    let completeness = v1::Completeness {
        points_declared: 1,
        unobserved_points: vec![name.into()],
        silent_nodes: vec![name.into()],
        undeclared_nodes: vec![name.into()],
        gaps: vec![v1::GapRow { node: name.into(), ..Default::default() }],
        gap_count: 1,
        silences: vec![v1::SilenceRow { node: name.into(), ..Default::default() }],
        silence_count: 12,
        canary_paths: 1,
        canaries_not_alive: vec![v1::CanaryRow {
            node: name.into(),
            path: name.into(),
            ..Default::default()
        }],
        register_size: 7,
        log_size: 9,
        ..v1::Completeness::default()
    };
    Summary::new(Answers {
        operator: name.into(),
        collector: name.into(),
        asked_at_s: 1_790_000_000,
        rules,
        findings: vec![named(finding(1, "EXPIRED", Expired)), named(duty)],
        nodes: vec![v1::NodeRow { node: name.into(), facts: Some(facts), ..Default::default() }],
        points: vec![v1::PointRow { node: name.into(), point: Some(point), ..Default::default() }],
        adopted: vec![late(7, 0, false, name), late(8, 3600, true, name)],
        completeness: [completeness.clone(), completeness],
    })
}

fn late(statement: u64, grace_s: u32, in_force: bool, person: &str) -> v1::AdoptedRow {
    let what = v1::adopted_row::What::LateRegister(v1::LateRegister { grace_s });
    let author = Some(v1::PersonRef { person: person.into(), ..Default::default() });
    let since_s = 1_780_000_000;
    v1::AdoptedRow { statement, since_s, author, in_force, what: Some(what), ..Default::default() }
}

#[test]
fn the_time_to_wait_for_late_requests_is_told_with_who_stated_it() {
    let mut summary = hostile("a");
    let page = page::page(&summary);
    let told = "may come into the register 3600 s later, for blocks since 2026-05-28 20:26:40 UTC: statement 8, \
                signed by a.";
    assert!(page.lead.iter().any(|line| line.contains(told)), "{:?}", page.lead);
    assert_eq!(summary.json()["late_register"]["grace_s"], 3600);
    assert_eq!(summary.json()["late_register"]["author"], "a");
    summary.late_register = None;
    let page = page::page(&summary);
    assert!(page.lead.iter().any(|line| line.contains("no time to enter it later is stated")));
    assert!(summary.json()["late_register"].is_null());
}

fn text(summary: &Summary) -> String {
    text::text(&page::page(summary), 100)
}

#[test]
fn every_number_comes_with_what_it_rests_on() {
    let text = text(&hostile("n"));
    assert!(text.contains("register of 7 statements, log of 9 entries"), "{text}");
    assert!(text.contains("Asked at 2026-09-21 14:13:20 UTC of the collector n"), "{text}");
    assert!(text.contains("in the register at size 7"), "{text}");
    assert!(
        text.contains("n from  to  and 11 more"),
        "silences are counted beyond those listed: {text}"
    );
    assert!(text.contains("How complete: observes 0 of 1 declared points"), "{text}");
}

#[test]
fn own_measures_are_counted_apart_and_undetermined_as_neither() {
    let text = text(&hostile("n")).replace('\n', " ");
    assert!(
        text.contains(
            "6 rules are installed now on 1 node: 3 not covered by an accepted request, 1 \
             undetermined or not yet assessed, 1 covered, 1 of the operator's own. 1 request is in \
             force"
        ),
        "{text}"
    );
}

#[test]
fn no_line_of_the_page_is_wider_than_the_terminal() {
    for width in [40, 80, 100] {
        let text = text::text(&page::page(&hostile(&"long-name.".repeat(20))), width);
        let long = text.lines().find(|line| line.chars().count() > width);
        assert_eq!(long, None, "at {width}");
    }
}

#[test]
fn a_register_that_grew_meanwhile_is_told() {
    let mut answers = hostile("n");
    assert_eq!(answers.moved, None);
    answers.moved = Summary::new(Answers {
        operator: String::new(),
        collector: String::new(),
        asked_at_s: 0,
        rules: Vec::new(),
        findings: Vec::new(),
        nodes: Vec::new(),
        points: Vec::new(),
        adopted: Vec::new(),
        completeness: [
            v1::Completeness { register_size: 2, ..Default::default() },
            v1::Completeness { register_size: 3, ..Default::default() },
        ],
    })
    .moved;
    assert!(text(&answers).contains("the register grew from size 2 to 3"), "{:?}", answers.moved);
}

#[test]
fn a_long_part_is_cut_and_the_rest_counted() {
    let rules = |count: usize| -> Vec<v1::RuleRow> {
        (0..count).map(|n| rule("edge-1", "a.example", Expired, &format!("req/{n:02}"))).collect()
    };
    let mut summary = hostile("n");
    summary.causes = causes(&rules(25), &Places::default());
    let told = text(&summary);
    assert!(told.contains("Installed now, out of time: 25 rules"), "{told}");
    assert!(told.contains("And 5 more causes"), "{told}");
    assert_eq!(summary.json()["causes"].as_array().map(Vec::len), Some(25));
    summary.causes = causes(&rules(20), &Places::default());
    assert!(!text(&summary).contains("more causes"));
}
