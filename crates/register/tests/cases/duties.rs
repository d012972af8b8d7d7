//! `duties.txt`: what requests demand and was not done (DOMAIN.md 3b), case by case.

use register::{
    Duty, DutyFinding, Register, Target,
    duties::{Begun, Ground, Installed, Rules, SpanId, Stood, Timeline, Watch, duties},
    integrity::Contradiction,
    silence::Silence,
};
use remit_proto::v1::{self, DutyCode, EnforcementPoint, NodeFacts, Observation};

use crate::language::{ORIGIN, at, register_of, replaces, statement_of};

const TABLE: &str = include_str!("duties.txt");

#[derive(Clone, Default)]
struct Case {
    register: String,
    nodes: String,
    rules: String,
    silent: String,
    at: String,
    want: String,
}

/// Title, rule, cases.
type Section = (String, String, Vec<Case>);

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut case = Case::default();
    for line in TABLE.lines() {
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            // Why, for whoever reads it.
        } else if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.to_owned(), String::new(), Vec::new()));
        } else if let Some(rule) = line.strip_prefix("rule: ") {
            sections.last_mut().unwrap().1 = rule.to_owned();
        } else if let Some(text) = line.strip_prefix("nodes: ") {
            case.nodes = text.to_owned();
        } else if let Some(text) = line.strip_prefix("register: ") {
            case = Case { nodes: case.nodes, register: text.to_owned(), ..Case::default() };
        } else if let Some(text) = line.strip_prefix("rules: ") {
            case.rules = if text == "none" { String::new() } else { text.to_owned() };
        } else if let Some(text) = line.strip_prefix("silent: ") {
            case.silent = text.to_owned();
        } else if let Some((at, want)) =
            line.trim().strip_prefix("at ").and_then(|l| l.split_once(" => "))
        {
            let case = Case { at: at.to_owned(), want: want.to_owned(), ..case.clone() };
            sections.last_mut().unwrap().2.push(case);
        } else {
            panic!("{line:?} is no line of a table");
        }
    }
    sections
}

fn lines(text: &str) -> Vec<Vec<&str>> {
    let lines = text.split(';').map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|words| !words.is_empty()).collect()
}

/// "<node> <country> [as <role number>] [serving <class>,…] [looked T] [unread T..[T]] <technology>[=unobserved|relayed]…; …";
/// looked at since 2025-01-01 where nothing is said.
fn nodes(text: &str) -> Vec<NodeFacts> {
    let node = |words: Vec<&str>| {
        let mut facts = NodeFacts {
            node: words[0].to_owned(),
            country: words[1].to_owned(),
            ..NodeFacts::default()
        };
        let mut rest = words[2..].iter();
        while let Some(word) = rest.next() {
            if *word == "serving" {
                let classes = rest.next().unwrap().split(',');
                facts.audiences = classes.map(str::to_owned).collect();
                continue;
            }
            if *word == "looked" || *word == "unread" {
                rest.next().unwrap();
                continue;
            }
            if *word == "as" {
                facts.role = rest.next().unwrap().parse().unwrap();
                continue;
            }
            let (technology, how) = word.split_once('=').unwrap_or((word, "observed"));
            facts.points.push(EnforcementPoint {
                id: format!("p{}", facts.points.len() + 1),
                technology: technology.to_owned(),
                observation: match how {
                    "observed" => Observation::Observed,
                    "relayed" => Observation::Relayed,
                    "unobserved" => Observation::Unobserved,
                    other => panic!("{other}?"),
                }
                .into(),
            });
        }
        facts
    };
    lines(text).into_iter().map(node).collect()
}

/// What the rules of these nodes come to.
fn rules_at(spans: Vec<(SpanId, Stood)>, text: &str) -> Rules {
    let mut rules = Rules::new(spans);
    looks(text).into_iter().for_each(|(node, at_s)| {
        rules.look(&node, 1, at_s);
    });
    for (node, from_s, until_s) in unread(text) {
        rules.unread(&node, 1, from_s, until_s);
    }
    rules
}

/// From when to when an agent that began anew had not listed all rules.
fn unread(text: &str) -> Vec<(String, i64, Option<i64>)> {
    let unread = |words: Vec<&str>| {
        let span = words.windows(2).find(|pair| pair[0] == "unread").map(|pair| pair[1])?;
        let (from, until) = span.split_once("..").unwrap();
        Some((words[0].to_owned(), at(from), (!until.is_empty()).then(|| at(until))))
    };
    lines(text).into_iter().filter_map(unread).collect()
}

/// Since when each node is looked at; "looked never" is a node that told nothing.
fn looks(text: &str) -> Vec<(String, i64)> {
    let look = |words: Vec<&str>| {
        let since = words.windows(2).find(|pair| pair[0] == "looked").map(|pair| pair[1]);
        let since = since.unwrap_or("2025-01-01");
        (since != "never").then(|| (words[0].to_owned(), at(since)))
    };
    lines(text).into_iter().filter_map(look).collect()
}

/// "<node> <kind>:<value> [for <claim>] [narrowed yes] [deed yes] [since T|found T|before T] [until T]; …"; since 2026-01-01 where
/// nothing is said.
fn rules(text: &str) -> Vec<(SpanId, Stood)> {
    let stood = |words: Vec<&str>| {
        let mut stood = Stood {
            rule: Installed {
                node: words[0].parse().unwrap(),
                source: 1,
                target: words[1].parse::<Target>().unwrap(),
                technique: v1::Technique::IpAclDrop,
                narrowed: false,
                claims: Vec::new(),
                by_person: false,
            },
            from_s: at("2026-01-01"),
            begun: Begun::Seen,
            until_s: None,
        };
        for pair in words[2..].chunks(2) {
            let [word, value] = pair else { panic!("{words:?}") };
            let begun = match *word {
                "deed" => {
                    stood.rule.by_person = *value == "yes";
                    continue;
                }
                "for" => {
                    stood.rule.claims.push(value.parse().unwrap());
                    continue;
                }
                "until" => {
                    stood.until_s = Some(at(value));
                    continue;
                }
                "narrowed" => {
                    stood.rule.narrowed = *value == "yes";
                    continue;
                }
                "since" => Begun::Seen,
                "found" => Begun::Found,
                "before" => Begun::Before,
                other => panic!("{other}?"),
            };
            (stood.begun, stood.from_s) = (begun, at(value));
        }
        stood
    };
    (0..).map(|id| SpanId([id, 0, 0])).zip(lines(text).into_iter().map(stood)).collect()
}

/// "<node> T..[T]; …"; without an end it has none.
fn silences(text: &str, at_s: i64) -> Vec<Silence> {
    let silence = |words: Vec<&str>| {
        let (from, until) = words[1].split_once("..").unwrap();
        Silence {
            node: words[0].parse().unwrap(),
            from_s: at(from),
            until_s: if until.is_empty() { at_s } else { at(until) },
            announced: false,
            open: until.is_empty(),
        }
    };
    lines(text).into_iter().map(silence).collect()
}

/// "req-7 CODE(detail) <targets> at <nodes>; …", or "nothing".
fn shown(duties: &[Duty]) -> String {
    let one = |duty: &Duty| {
        let code = match duty.finding {
            DutyFinding::Is(code) => name(code),
            DutyFinding::Undetermined => "UNDETERMINED",
        };
        let detail = match duty.detail {
            "" => String::new(),
            detail => format!("({detail})"),
        };
        let targets: Vec<String> = duty.targets.iter().map(ToString::to_string).collect();
        let mut text = format!("{} {code}{detail} {}", duty.request, targets.join(","));
        if !duty.nodes.is_empty() {
            let nodes: Vec<&str> = duty.nodes.iter().map(|part| part.node.as_str()).collect();
            text.push_str(&format!(" at {}", nodes.join(",")));
        }
        text
    };
    let shown: Vec<String> = duties.iter().map(one).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join("; ") }
}

fn name(code: DutyCode) -> &'static str {
    code.as_str_name().strip_prefix("DUTY_CODE_").unwrap()
}

#[test]
fn every_case_of_the_table() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (title, rule, cases) in sections() {
        assert!(!rule.is_empty() && !cases.is_empty(), "{title} names no rule, or has no case");
        for case in &cases {
            let register = register_of(&case.register);
            let (view, at_s) = (register.view(), at(&case.at));
            let (nodes, silences) = (nodes(&case.nodes), silences(&case.silent, at_s));
            let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &silences };
            let rules = rules_at(rules(&case.rules), &case.nodes);
            let shown = shown(&duties(&ground, &rules));
            if shown != case.want {
                wrong.push(format!(
                    "{title}\n  {}\n  {}\n  at {} => {shown}\n  not {}",
                    case.register, case.rules, case.at, case.want
                ));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "{count}");
}

#[test]
fn every_code_has_a_case() {
    let all = (1..=64).filter_map(|number| DutyCode::try_from(number).ok());
    // Probes are another file's.
    for code in all.filter(|code| *code != DutyCode::Ineffective) {
        let wants = sections().into_iter().flat_map(|(_, _, cases)| cases).map(|case| case.want);
        let stands = |want: &String| want.split(' ').any(|word| word.starts_with(name(code)));
        assert!(wants.into_iter().any(|want| stands(&want)), "{code:?} never stands");
    }
}

const TIMES: [&str; 6] =
    ["2026-01-02", "2026-01-05", "2026-01-10", "2026-01-15", "2026-02-10", "2026-04-01"];

/// Rule by rule, statement by statement and clock by clock.
#[test]
fn a_watch_finds_what_looking_at_everything_finds() {
    for (title, _, cases) in sections() {
        for case in cases {
            let nodes = nodes(&case.nodes);
            let mut register = Register::new(ORIGIN);
            let mut watch = Watch::default();
            let mut told: Vec<(SpanId, Stood)> = Vec::new();
            looks(&case.nodes).iter().for_each(|(node, at_s)| watch.tell_look(node, 1, *at_s));
            for (node, from_s, until_s) in unread(&case.nodes) {
                watch.tell_unread(&node, 1, from_s, until_s);
            }
            let check = |register: &Register, watch: &mut Watch, told: &[(SpanId, Stood)], time| {
                let at_s = at(time);
                let silences = silences(&case.silent, at_s);
                watch.look(register, register.size(), at_s, &nodes, &silences);
                let view = register.view();
                let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &silences };
                let want = duties(&ground, &rules_at(told.to_vec(), &case.nodes));
                let found: Vec<Duty> = watch.found().cloned().collect();
                assert_eq!(found, want, "{title}: {} at {time}", case.register);
            };
            for line in case.register.split(';').map(str::trim).filter(|line| !line.is_empty()) {
                let (statement, mut items) = statement_of(line);
                replaces(&register, &mut items);
                register.apply(&statement, items).unwrap();
                check(&register, &mut watch, &told, "2026-01-02");
            }
            for (id, stood) in rules(&case.rules) {
                // First that it stands, then how it ended.
                for until_s in [None, stood.until_s] {
                    let stood = Stood { until_s, ..stood.clone() };
                    told.retain(|(known, _)| *known != id);
                    told.push((id, stood.clone()));
                    watch.tell(id, stood);
                    check(&register, &mut watch, &told, "2026-01-02");
                }
            }
            for time in TIMES {
                check(&register, &mut watch, &told, time);
            }
        }
    }
}

/// The register tells of `change` when the rules stand already.
#[track_caller]
fn check_told(register: &str, rules_text: &str, change: &str, want: &str) {
    let (mut register, nodes) = (register_of(register), nodes("r1 DE nftables"));
    let mut watch = Watch::default();
    watch.tell_look("r1", 1, at("2025-01-01"));
    for (id, stood) in rules(rules_text) {
        watch.tell(id, stood);
    }
    watch.look(&register, register.size(), at("2026-01-20"), &nodes, &[]);
    assert_eq!(watch.found().count(), 0, "before {change}");
    let (statement, mut items) = statement_of(change);
    replaces(&register, &mut items);
    register.apply(&statement, items).unwrap();
    let at_s = at("2026-01-21");
    watch.look(&register, register.size(), at_s, &nodes, &[]);
    let found: Vec<Duty> = watch.found().cloned().collect();
    let view = register.view();
    let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &[] };
    assert_eq!(shown(&found), want, "{change}");
    assert_eq!(found, duties(&ground, &rules_at(rules(rules_text), "r1 DE nftables")));
}

#[test]
fn a_change_of_one_request_reaches_those_that_rules_on_its_targets_are_for() {
    let register = "req-7 domain_exact:example.org by any until 2026-01-10; other ip:192.0.2.7";
    let rule = "r1 ip:192.0.2.7 for req-7";
    let late = "req-7 LATE_REMOVAL example.org at r1";
    let both = format!("other LATE_REMOVAL 192.0.2.7 at r1; {late}");
    check_told(register, rule, "other revokes effective 2026-01-20 recorded 2026-01-20", &both);
    // It asks the publisher now, and excuses nothing.
    let amended =
        "other version 2 ip:192.0.2.7 publisher yes effective 2026-01-20 recorded 2026-01-20";
    check_told(register, rule, amended, late);
}

#[test]
fn a_watch_looks_at_what_a_rule_can_reach() {
    let many: Vec<String> =
        (0..200).map(|n| format!("req-{n} domain_exact:host-{n}.example")).collect();
    let register = register_of(&many.join("; "));
    let nodes = nodes("r1 DE nftables");
    let (mut watch, at_s) = (Watch::default(), at("2026-01-15"));
    watch.tell_look("r1", 1, at("2026-01-01"));
    let look = |watch: &mut Watch, at_s| watch.look(&register, register.size(), at_s, &nodes, &[]);
    assert_eq!(look(&mut watch, at_s), 200, "all at first");
    assert_eq!(look(&mut watch, at_s + 1), 0, "nothing moved");
    for (id, stood) in rules("r1 domain_exact:host-7.example since 2026-01-15") {
        watch.tell(id, stood);
    }
    assert_eq!(look(&mut watch, at_s + 2), 1);
    assert_eq!(watch.found().count(), 199);
    watch.tell_look("r1", 1, at("2026-01-02"));
    assert_eq!(look(&mut watch, at_s + 3), 0, "it was looked at before");
    watch.tell_look("r1", 2, at("2026-01-15"));
    assert_eq!(look(&mut watch, at_s + 4), 200, "a source is looked at for the first time");
}

#[test]
fn what_is_not_carried_says_since_when_it_was_due_and_since_when_that_is_seen() {
    let register = register_of("req-7 ip:192.0.2.7");
    let (view, at_s) = (register.view(), at("2026-01-15"));
    let check = |text: &str, spans: &str, wanted: Option<(DutyCode, &str, &str)>| {
        let nodes = nodes(text);
        let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &[] };
        let found = duties(&ground, &rules_at(rules(spans), text));
        let [duty] = found.as_slice() else { panic!("{text}: {found:?}") };
        let shown = match duty.finding {
            DutyFinding::Is(code) => Some((code, duty.due_s.unwrap(), duty.since_s)),
            DutyFinding::Undetermined => None,
        };
        let wanted = wanted.map(|(code, due, since)| (code, at(due), at(since)));
        assert_eq!(shown, wanted, "{text}");
    };
    use DutyCode::{NotEnforced, PartlyEnforced};
    let due = "2026-01-01";
    check("r1 DE nftables", "", Some((NotEnforced, due, due)));
    check("r1 DE looked 2026-01-12 nftables", "", Some((NotEnforced, due, "2026-01-12")));
    let two = "r1 DE looked 2026-01-12 nftables; r2 DE looked 2026-01-13 nftables";
    check(two, "", Some((NotEnforced, due, "2026-01-12")));
    check(two, "r1 ip:192.0.2.7 before 2026-01-12", Some((PartlyEnforced, due, "2026-01-13")));
    check("r1 DE looked never nftables", "", None);
}

#[test]
fn what_came_in_the_afternoon_is_due_since_then() {
    let register = register_of("req-7 ip:192.0.2.7 from 2026-01-15 received 2026-01-15T14:00:00Z");
    let (view, at_s, nodes) = (register.view(), at("2026-01-16"), nodes("r1 DE nftables"));
    let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &[] };
    let found = duties(&ground, &rules_at(Vec::new(), "r1 DE nftables"));
    let [duty] = found.as_slice() else { panic!("{found:?}") };
    let received_s = at("2026-01-15T14:00:00Z");
    assert_eq!((duty.due_s, duty.since_s), (Some(received_s), received_s));
}

#[test]
fn what_was_late_says_how_late_at_each_node() {
    let register = register_of("req-7 ip:192.0.2.7 until 2026-01-10 grace 24");
    let (view, at_s) = (register.view(), at("2026-01-15"));
    let nodes = nodes("r1 DE nftables; r2 DE nftables");
    let rules = rules("r1 ip:192.0.2.7 until 2026-01-12; r2 ip:192.0.2.7");
    let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &[] };
    let found = duties(&ground, &Rules::new(rules));
    let [duty] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((duty.due_s, duty.until_s), (Some(at("2026-01-11")), None));
    let tail: Vec<(&str, Option<i64>)> =
        duty.nodes.iter().map(|part| (part.node.as_str(), part.until_s)).collect();
    assert_eq!(tail, [("r1", Some(at("2026-01-12"))), ("r2", None)]);
}

/// Leaves in their order become spans.
#[test]
fn a_timeline_follows_changes_snapshots_and_generations() {
    let origin = |generation: &str| -> evidence::AgentOrigin {
        format!("example.net/agent/r1/{generation}").parse().unwrap()
    };
    let (one, two) = (origin("00000000000000aa"), origin("00000000000000bb"));
    let target = "ip:192.0.2.7".parse::<Target>().unwrap().to_wire();
    let rule = |number| v1::Rule { number, source: 1, ..v1::Rule::default() };
    let listed = |number| v1::SnapshotRule {
        rule: Some(rule(number)),
        target: Some(target.clone()),
        ..v1::SnapshotRule::default()
    };
    let snapshot = |at_s| v1::RuleSnapshot { source: 1, at_s, ..v1::RuleSnapshot::default() };
    let mut timeline = Timeline::default();
    timeline.snapshot(&one, &snapshot(100), &[listed(1)]);
    timeline.change(&one, &rule(2), Some(&target), 200, true);
    timeline.change(&one, &rule(2), Some(&target), 250, true);
    timeline.change(&one, &rule(2), Some(&target), 300, false);
    timeline.snapshot(&one, &snapshot(400), &[listed(3)]);
    let unstable = v1::RuleSnapshot { unstable: true, ..snapshot(450) };
    timeline.snapshot(&one, &unstable, &[]);
    timeline.snapshot(&two, &snapshot(500), &[listed(9)]);
    let register = register_of("req-7 ip:192.0.2.7");
    // Told of before all rules were listed once: it may have stood long before.
    let three = origin("00000000000000cc");
    timeline.change(&three, &rule(7), Some(&target), 600, true);
    timeline.snapshot(&three, &snapshot(600), &[listed(7)]);
    let shown: Vec<(i64, Begun, Option<i64>)> = timeline
        .rules(&register.view())
        .spans()
        .map(|stood| (stood.from_s, stood.begun, stood.until_s))
        .collect();
    let want = [
        (100, Begun::Before, Some(400)),
        (200, Begun::Seen, Some(300)),
        (400, Begun::Found, Some(500)),
        (500, Begun::Before, Some(600)),
        (600, Begun::Before, None),
    ];
    assert_eq!(shown, want);
}

#[test]
fn what_a_new_generation_could_not_read_stands_until_it_reads_all() {
    let origin = |generation: &str| -> evidence::AgentOrigin {
        format!("example.net/agent/r1/{generation}").parse().unwrap()
    };
    let (one, two) = (origin("00000000000000aa"), origin("00000000000000bb"));
    let target = "ip:192.0.2.7".parse::<Target>().unwrap().to_wire();
    let listed = |number| v1::SnapshotRule {
        rule: Some(v1::Rule { number, source: 1, ..v1::Rule::default() }),
        target: Some(target.clone()),
        ..v1::SnapshotRule::default()
    };
    let whole = |at_s| v1::RuleSnapshot { source: 1, at_s, ..v1::RuleSnapshot::default() };
    let partly = |at_s| v1::RuleSnapshot { unstable: true, ..whole(at_s) };
    let other = |number| {
        let technique = v1::Technique::IpAclReject.into();
        let rule = v1::Rule { number, source: 1, technique, ..v1::Rule::default() };
        v1::SnapshotRule { rule: Some(rule), ..listed(number) }
    };
    let register = register_of("req-7 ip:192.0.2.7");
    let spans = |timeline: &Timeline| -> Vec<(i64, Begun, Option<i64>)> {
        let rules = timeline.rules(&register.view());
        rules.spans().map(|stood| (stood.from_s, stood.begun, stood.until_s)).collect()
    };
    let mut timeline = Timeline::default();
    timeline.snapshot(&one, &whole(100), &[listed(1), listed(2), listed(3), other(4)]);
    timeline.snapshot(&two, &partly(200), &[listed(8)]);
    timeline.snapshot(&two, &partly(300), &[listed(8), listed(9)]);
    // What it lists is one of the former each time, and none stands twice.
    let taken = |at_s| (100, Begun::Before, Some(at_s));
    let stands = (100, Begun::Before, None);
    let of_two = [(200, Begun::Before, None), (300, Begun::Before, None)];
    let want = [taken(200), taken(300), stands, stands, of_two[0], of_two[1]];
    assert_eq!(spans(&timeline), want, "none ever comes");
    timeline.snapshot(&two, &whole(400), &[listed(9)]);
    let of_two = [(200, Begun::Before, Some(400)), (300, Begun::Before, None)];
    let want = [taken(200), taken(300), taken(400), taken(400), of_two[0], of_two[1]];
    assert_eq!(spans(&timeline), want);
}

#[test]
fn whether_a_rule_still_stands_that_an_agent_has_not_read_anew_is_not_known() {
    let origin = |generation: &str| -> evidence::AgentOrigin {
        format!("example.net/agent/r1/{generation}").parse().unwrap()
    };
    let (one, two) = (origin("00000000000000aa"), origin("00000000000000bb"));
    let target = "ip:192.0.2.7".parse::<Target>().unwrap().to_wire();
    let listed = |number| v1::SnapshotRule {
        rule: Some(v1::Rule { number, source: 1, ..v1::Rule::default() }),
        target: Some(target.clone()),
        ..v1::SnapshotRule::default()
    };
    let whole =
        |time| v1::RuleSnapshot { source: 1, at_s: at(time), ..v1::RuleSnapshot::default() };
    let partly = |time| v1::RuleSnapshot { unstable: true, ..whole(time) };
    let register = register_of("req-7 ip:192.0.2.7 until 2026-01-10");
    let (view, nodes) = (register.view(), nodes("r1 DE nftables"));
    let told = |timeline: &Timeline| {
        let at_s = at("2026-01-20");
        let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &[] };
        shown(&duties(&ground, &timeline.rules(&view)))
    };
    let (late, perhaps) =
        ("req-7 LATE_REMOVAL 192.0.2.7 at r1", "req-7 UNDETERMINED(removal) 192.0.2.7 at r1");
    let mut timeline = Timeline::default();
    timeline.start(&one, at("2026-01-01"));
    timeline.snapshot(&one, &whole("2026-01-01"), &[listed(1)]);
    assert_eq!(told(&timeline), late);
    timeline.start(&two, at("2026-01-08"));
    assert_eq!(told(&timeline), perhaps, "it has not looked yet");
    timeline.snapshot(&two, &partly("2026-01-08"), &[]);
    timeline.start(&two, at("2026-01-09"));
    assert_eq!(told(&timeline), perhaps, "it has not read all");
    let mut gone = timeline.clone();
    gone.snapshot(&two, &whole("2026-01-15"), &[]);
    assert_eq!(told(&gone), perhaps, "it may have gone in time");
    timeline.snapshot(&two, &partly("2026-01-12"), &[listed(7)]);
    assert_eq!(told(&timeline), late, "it is there");
    timeline.snapshot(&two, &whole("2026-01-15"), &[listed(7)]);
    assert_eq!(told(&timeline), late);
}

#[test]
fn a_control_snapshot_contradicts_what_was_told_and_no_other_snapshot_does() {
    let origin: evidence::AgentOrigin = "example.net/agent/r1/00000000000000aa".parse().unwrap();
    let target = "ip:192.0.2.7".parse::<Target>().unwrap().to_wire();
    let rule = |number| v1::Rule { number, source: 1, ..v1::Rule::default() };
    let listed = |number| v1::SnapshotRule {
        rule: Some(rule(number)),
        target: Some(target.clone()),
        ..v1::SnapshotRule::default()
    };
    let told = |control: bool, first_control: bool, target: Option<&v1::Target>| {
        let mut timeline = Timeline::default();
        let snapshot = |at_s, control| v1::RuleSnapshot {
            source: 1,
            at_s,
            control,
            ..v1::RuleSnapshot::default()
        };
        timeline.snapshot(&origin, &snapshot(100, first_control), &[listed(1)]);
        timeline.change(&origin, &rule(2), target, 200, true);
        timeline.change(&origin, &rule(3), target, 250, true);
        timeline.change(&origin, &rule(3), target, 260, false);
        // Rule 1 is gone without a word, rule 4 has come without one.
        timeline.snapshot(&origin, &snapshot(300, control), &[listed(2), listed(4)]);
        let found = timeline.contradictions().map(|(_, number, found)| (number, found));
        let mut found: Vec<(u64, Contradiction)> = found.collect();
        found.sort_unstable();
        found
    };
    let both = [(1, Contradiction::Phantom), (4, Contradiction::Unreported)];
    assert_eq!(told(true, false, Some(&target)), both);
    assert_eq!(told(false, false, Some(&target)), [], "it stands for changes");
    assert_eq!(told(true, true, Some(&target)), both, "the first has nothing before it");
    // Told of before the first snapshot, or before one that nobody can read.
    let after_install = |read_before: bool| {
        let mut timeline = Timeline::default();
        let control =
            v1::RuleSnapshot { source: 1, at_s: 300, control: true, ..Default::default() };
        if read_before {
            timeline.snapshot(&origin, &v1::RuleSnapshot { at_s: 100, ..control.clone() }, &[]);
        }
        timeline.change(&origin, &rule(2), Some(&target), 200, true);
        if read_before {
            timeline.missed(&origin, &v1::RuleSnapshot { at_s: 250, ..control.clone() });
        }
        timeline.snapshot(&origin, &control, &[listed(4)]);
        timeline.contradictions().count()
    };
    assert_eq!((after_install(false), after_install(true)), (0, 0));
    assert_eq!(told(true, false, None), both, "a target that was withheld is no other form");
}

/// A person lists no rules: from the first word on somebody looks.
#[test]
fn a_deed_that_a_person_ended_too_early_is_told() {
    let origin: evidence::AgentOrigin = "example.net/agent/r1/00000000000000aa".parse().unwrap();
    let target = "ip:192.0.2.7".parse::<Target>().unwrap().to_wire();
    let source = v1::SourceKind::Person.into();
    let rule = v1::Rule { number: 1, source, ..v1::Rule::default() };
    let register = register_of("req-7 ip:192.0.2.7");
    let (view, at_s, nodes) = (register.view(), at("2026-01-15"), nodes("r1 DE person"));
    let ground = Ground { view: &view, at_s, nodes: &nodes, silences: &[] };
    let mut timeline = Timeline::default();
    let told = |timeline: &Timeline| shown(&duties(&ground, &timeline.rules(&view)));
    assert_eq!(told(&timeline), "req-7 UNDETERMINED(silent) 192.0.2.7");
    let mut deed = v1::ServiceAction { from_s: at("2026-01-05"), ..Default::default() };
    deed.set_act(v1::ServiceAct::Recorded);
    timeline.deed(&origin, &rule, Some(&target), &deed);
    assert_eq!(told(&timeline), "nothing");
    deed.until_s = at("2026-01-10");
    deed.set_act(v1::ServiceAct::Ended);
    timeline.deed(&origin, &rule, Some(&target), &deed);
    assert_eq!(told(&timeline), "req-7 PREMATURE_REMOVAL 192.0.2.7 at r1");
}
