//! What nobody enters: times that cannot all be right, and texts that hide what they say.

use register::Request;

use super::*;

/// What is said of a request with these lines: the refusal, or the notes.
fn said(lines: &str) -> Vec<String> {
    let imported = from_toml(&one(lines)).unwrap();
    let row = &imported.report[0];
    match &row.action {
        Action::Refused(problem) => {
            vec![format!("refused: {}: {problem}; {}", row.field, row.remedy)]
        }
        Action::Accepted | Action::Repaired(_) => row.notes.clone(),
    }
}

/// Nothing is said of it.
fn plain(lines: &str) {
    assert_eq!(said(lines), Vec::<String>::new(), "{lines}");
}

fn noted(lines: &str, words: &str) {
    let said = said(lines);
    assert!(said.len() == 1 && said[0].contains(words), "{lines}: {said:?}");
    assert!(!said[0].starts_with("refused"), "{lines}: {said:?}");
}

const ZONE: &str = "time_zone = \"Europe/Berlin\"\nend_date = \"last_day\"";

#[test]
fn a_time_that_lies_before_what_comes_first_is_refused_with_its_field() {
    // `one` holds from 2026-01-01T00:00:00Z on.
    let on = |day: u32| format!("\"2026-03-{day:02}T12:00:00Z\"");
    for (first, second) in [
        ("issued", "served"),
        ("issued", "received"),
        ("issued", "acknowledged"),
        ("issued", "review_due"),
        ("decided", "served"),
        ("decided", "received"),
        ("received", "acknowledged"),
    ] {
        let lines =
            |one: u32, other: u32| format!("{first} = {}\n{second} = {}", on(one), on(other));
        let words = format!("2026-03-01T12:00:00Z is before {first}, 2026-03-02T12:00:00Z");
        refused(&lines(2, 1), second, &words);
        let right = said(&lines(1, 2));
        assert!(
            !right.iter().any(|said| said.starts_with("refused")),
            "{first} {second}: {right:?}"
        );
        let same = said(&lines(1, 1));
        assert!(!same.iter().any(|said| said.starts_with("refused")), "{first} {second}: {same:?}");
    }
    refused("remove_by = \"2025-12-30T12:00:00Z\"", "remove_by", "is before from");
    let redress =
        "redress = [{ for = \"user\", route = \"court\", deadline = \"2026-03-01T12:00:00Z\" }]";
    refused(&format!("issued = {}\n{redress}", on(2)), "redress.deadline", "is before issued");
}

#[test]
fn what_real_orders_do_is_taken_and_noted() {
    let at = "\"2026-03-02T12:00:00Z\"";
    noted(&format!("issued = {at}"), "it is to hold from before it was issued");
    let late = "until = \"2026-02-01T12:00:00Z\"";
    noted(&format!("received = {at}\n{late}"), "it was over before it was received");
    noted(
        &format!("received = {at}\nimplement_by = \"2026-02-01T12:00:00Z\""),
        "carried out before",
    );
    // An amendment came when both were over, and names them still.
    let confirmed = format!("received = {at}\nconfirm_by = \"2026-01-03T12:00:00Z\"");
    noted(&confirmed, "the time to confirm it was over before it was received");
    let report = "report_effect_to = { authority = \"a\", sent = \"2026-03-01T12:00:00Z\" }";
    noted(&format!("received = {at}\n{report}"), "its effect was reported before it was received");
    noted(&format!("decided = {at}\nissued = \"2025-12-30T12:00:00Z\""), "before it was decided");
    let end = "remove_by = \"2026-01-20T12:00:00Z\"";
    noted(&format!("{late}\n{end}"), "it grants no time to remove what stands until then");
    // The call came first, and the writing brings the number.
    let call =
        "status = \"provisional\"\nconfirm_by = \"48h\"\nreceived = \"2026-01-01T02:00:00Z\"";
    let written = said(&format!("{call}\nissued = {at}"));
    assert!(written.iter().any(|said| said.contains("written down later")), "{written:?}");
    assert!(!written.iter().any(|said| said.starts_with("refused")), "{written:?}");
    // Owed when it holds; so long after the receipt is often before that.
    noted(
        "implement_by = \"2025-12-30T12:00:00Z\"",
        "is before from, 2026-01-01T00:00:00Z: it is owed",
    );
    plain("received = \"2025-11-01T00:00:01Z\"\nimplement_by = \"30min\"");
}

#[test]
fn a_date_is_a_day_and_an_assumed_zone_may_be_another() {
    // At some hour of that day, the one before the other.
    plain(&format!(
        "{ZONE}\nissued = \"2025-12-30T11:00:00+01:00\"\nreceived = 2025-12-30\nserved = 2025-12-30"
    ));
    plain(&format!("{ZONE}\nreceived = \"2026-01-01T11:00:00+01:00\"\nacknowledged = 2026-01-01"));
    // The day after is not that day, in no zone of the two.
    refused(
        &format!("{ZONE}\nissued = 2026-01-02\nreceived = 2026-01-01"),
        "received",
        "before issued",
    );
    // Read in Berlin, because nothing was written: in Kamchatka it was earlier.
    let (written, assumed) = ("\"2026-03-01T12:00:00+01:00\"", "\"2026-03-01T11:00:00\"");
    noted(&format!("{ZONE}\nreceived = {written}\nacknowledged = {assumed}"), "is another one");
    refused(
        &format!("{ZONE}\nreceived = {written}\nacknowledged = \"2026-02-27T11:00:00\""),
        "acknowledged",
        "before received",
    );
    // Both in the same zone, whichever it is.
    refused(
        &format!("{ZONE}\nreceived = \"2026-03-01T12:00:00\"\nacknowledged = {assumed}"),
        "acknowledged",
        "before received",
    );
}

#[test]
fn what_the_register_holds_already_is_no_reason_against_its_next_version() {
    let mut imported = from_toml(&one("received = \"2026-03-02T12:00:00Z\"")).unwrap();
    let mut wire = imported.requests.remove(0);
    wire.version = 1;
    wire.time_notes.clear();
    let issued = |at_s: i64| {
        let mut wire = wire.clone();
        wire.authorisation.as_mut().unwrap().issued_at_s = at_s;
        // As the register reads it, whatever stands in it.
        Request::try_from(wire).unwrap()
    };
    let (before, after) = (at("2026-03-01T12:00:00Z"), at("2026-03-04T12:00:00Z"));
    assert_eq!(issued(before).refused_after(None), None);
    let refused = issued(after).refused_after(None).unwrap();
    assert!(refused.to_string().starts_with("received: 2026-03-02T12:00:00Z is before issued"));
    assert_eq!(issued(after).refused_after(Some(&issued(after))), None);
    let worse = issued(after + 86_400);
    assert!(worse.refused_after(Some(&issued(after))).is_some());
    assert!(issued(after).refused_after(Some(&issued(before))).is_some());
}

/// Lines of a file that put a text into each field that takes one.
fn fields(text: &str) -> Vec<(&'static str, String)> {
    let key = |key: &'static str| (key, format!("{key} = \"{text}\""));
    let list = |key: &'static str| (key, format!("{key} = [\"{text}\"]"));
    let mut fields = vec![
        key("external_ref"),
        key("court"),
        key("docket"),
        key("ecli"),
        key("category"),
        key("addressee"),
        key("shared_by"),
        key("language"),
        key("until_event"),
        key("notice"),
        key("statement_of_reasons"),
        list("keywords"),
        list("nodes"),
        list("except_nodes"),
        list("cells"),
        list("audiences"),
        list("except_audiences"),
    ];
    let table = |name: &'static str, lines: &str| (name, lines.replace('%', text));
    fields.extend([
        table("authority.id", "authority = { id = \"%\" }"),
        table("authority.name", "authority = { name = \"%\" }"),
        table("authority.country", "authority = { country = \"%\" }"),
        table("authority.officer.name", "authority = { officer = { name = \"%\" } }"),
        table("authority.officer.role", "authority = { officer = { role = \"%\" } }"),
        table("authority.officer.contact", "authority = { officer = { contact = \"%\" } }"),
        table("legal_provisions.instrument", "legal_provisions = [\"%\"]"),
        table(
            "legal_provisions.article",
            "legal_provisions = [{ instrument = \"a\", article = \"%\" }]",
        ),
        table("legal_provisions.url", "legal_provisions = [{ instrument = \"a\", url = \"%\" }]"),
        table("parties.name", "parties = [{ role = \"applicant\", name = \"%\" }]"),
        table(
            "competence.power_claimed",
            "competence = { result = \"competent\", power_claimed = \"%\" }",
        ),
        table(
            "competence.delegated_by",
            "competence = { result = \"competent\", delegated_by = \"%\" }",
        ),
        table("confidentiality.ground", "confidentiality = { tier = \"secret\", ground = \"%\" }"),
        table(
            "closed.ground",
            "closed = [{ part = \"targets\", tier = \"secret\", ground = \"%\" }]",
        ),
        table("redress.for", "redress = [{ for = \"%\", route = \"court\" }]"),
        table("redress.route", "redress = [{ for = \"user\", route = \"%\" }]"),
        table("report_effect_to.authority", "report_effect_to = { authority = \"%\" }"),
        table("impact.rights", "impact = { rights = [\"%\"] }"),
        table("impact.collateral", "impact = { collateral = \"%\" }"),
        table("relations.to", "relations = [\"depends_on_proceeding:%\"]"),
        table("decision.text", "decision = { kind = \"accept\", text = \"%\" }"),
        table("decision.escalation", "decision = { kind = \"accept\", escalation = \"%\" }"),
        table(
            "targets.raw",
            "targets = [{ kind = \"domain_exact\", value = \"a.example\", raw = \"%\" }]",
        ),
    ]);
    let digest = "b".repeat(64);
    for key in ["media_type", "kind", "language", "custody"] {
        let name = match key {
            "media_type" => "documents.media_type",
            "kind" => "documents.kind",
            "language" => "documents.language",
            _ => "documents.custody",
        };
        fields
            .push((name, format!("documents = [{{ digest = \"{digest}\", {key} = \"{text}\" }}]")));
    }
    fields
}

#[test]
fn no_text_of_a_request_hides_what_it_says() {
    for (written, problem) in [
        ("a\\u001b[2Jb", "a control character (U+001B)"),
        ("a\\u009bb", "a control character (U+009B)"),
        ("a\\u007fb", "a control character (U+007F)"),
        ("a\\u202eb", "a character that turns the direction of text (U+202E)"),
        ("a\\u2066b", "a character that turns the direction of text (U+2066)"),
        ("a\\u2028b", "a line break (U+2028)"),
        ("a\\u00adb", "a character that nobody sees (U+00AD)"),
        ("a\\u200bb", "a character that nobody sees (U+200B)"),
        ("a\\u2060b", "a character that nobody sees (U+2060)"),
        ("a\\ufeffb", "a character that nobody sees (U+FEFF)"),
        ("a\\U000e0041b", "a character that nobody sees (U+E0041)"),
    ] {
        for (field, lines) in fields(written) {
            // The oldest rule, which holds for whatever is read.
            let words =
                if problem.starts_with("a control") { "a control character" } else { problem };
            // As its source wrote it, with a byte order mark before it.
            let is_around = problem.starts_with("a line") || problem.ends_with("(U+FEFF)");
            if field != "targets.raw" || !is_around {
                refused(&lines, field, words);
            }
        }
    }
}

#[test]
fn a_name_stands_on_one_line_and_sentences_on_many() {
    const PROSE: [&str; 7] = [
        "statement_of_reasons",
        "notice",
        "redress.route",
        "impact.collateral",
        "decision.text",
        "decision.escalation",
        "targets.raw",
    ];
    for (field, lines) in fields("one\\ntwo") {
        match PROSE.contains(&field) {
            true => plain(&lines),
            false => refused(&lines, field, "holds a line break (U+000A)"),
        }
    }
    // Letters of living scripts: a non-joiner, a joiner, and a mark of direction.
    for (_, lines) in fields("نمی\u{200c}خواهم क्\u{200d}ष \u{200f}") {
        let said = said(&lines);
        // Words of lists, which these are not.
        let is_code = |said: &String| {
            ["category", "language", "authority.country"].iter().any(|code| said.starts_with(code))
        };
        assert!(said.iter().all(is_code), "{lines}: {said:?}");
    }
}

#[test]
fn codes_that_nobody_counts_by_are_noted() {
    noted("language = \"german\"", "no language tag (RFC 5646)");
    noted("authority = { name = \"c\", country = \"DEU\" }", "no country of ISO 3166-1");
    plain("language = \"de-AT\"");
    plain("authority = { name = \"c\", country = \"EU\" }");
}

fn stated(body: Body, effective_at: &str) -> v1::Statement {
    v1::Statement {
        format: 1,
        origin: "example.net/register".into(),
        recorded_at_s: at("2026-04-01T00:00:00Z"),
        effective_at_s: at(effective_at),
        body: Some(body),
        ..v1::Statement::default()
    }
}

#[test]
fn nobody_decides_of_a_request_that_had_not_been_received() {
    let lines = "status = \"received\"\nreceived = \"2026-03-02T12:00:00Z\"\n\
                 issued = \"2026-02-20T12:00:00Z\"";
    let register = enter(from_toml(&one(lines)).unwrap());
    let view = register.view();
    let said = |kind: v1::TransitionKind, effective_at: &str| {
        let step = v1::Transition {
            request_id: "req-7".into(),
            kind: kind.into(),
            ..v1::Transition::default()
        };
        let statement = stated(Body::Transition(step), effective_at);
        register::register::refused(&statement, None, |id| view.request(id))
    };
    use v1::TransitionKind::{Accept, Annul, Refuse, Withdraw};
    let early = said(Accept, "2026-03-02T11:00:00Z").unwrap();
    assert!(
        early
            .starts_with("effective_at: 2026-03-02T11:00:00Z is before request req-7 was received")
    );
    assert!(said(Refuse, "2026-03-01T11:00:00Z").is_some());
    assert_eq!(said(Accept, "2026-03-02T13:00:00Z"), None);
    // Typed as a date, on the day on which it came.
    assert_eq!(said(Accept, "2026-03-02T00:00:00Z"), None);
    // It may be withdrawn before it came, and not before it was issued.
    assert_eq!(said(Withdraw, "2026-02-25T12:00:00Z"), None);
    let unissued = said(Withdraw, "2026-02-18T12:00:00Z").unwrap();
    assert!(unissued.contains("is before request req-7 was issued, 2026-02-20T12:00:00Z"));
    // A court may say that it never held.
    assert_eq!(said(Annul, "2026-01-01T12:00:00Z"), None);
}

#[test]
fn what_is_accepted_of_a_request_is_something() {
    let lines = "status = \"received\"\nterritories = [\"DE\", \"FR\"]\nnodes = [\"a\", \"b\"]\n\
                 targets = [\"domain_exact:a.example\", \"domain_subtree:b.example\"]\n\
                 exceptions = [\"domain_exact:x.b.example\"]\ntechniques = [\"dns_nxdomain\"]";
    let register = enter(from_toml(&one(lines)).unwrap());
    let view = register.view();
    let said = |decision: v1::OperatorDecision| {
        let step = v1::Transition {
            request_id: "req-7".into(),
            kind: v1::TransitionKind::Accept.into(),
            decision: Some(decision),
            ..v1::Transition::default()
        };
        let statement = stated(Body::Transition(step), "2026-03-02T13:00:00Z");
        register::register::refused(&statement, None, |id| view.request(id))
    };
    let reason = v1::OperatorReason::ServiceNotCovered.into();
    let not = |targets: &[&str]| {
        let target = |text: &&str| text.parse::<register::Target>().unwrap().to_wire();
        let kind = v1::DecisionKind::Partial.into();
        let not_accepted = targets.iter().map(target).collect();
        said(v1::OperatorDecision { kind, reason, not_accepted, ..Default::default() })
    };
    assert_eq!(not(&["domain_subtree:b.example"]), None);
    assert_eq!(
        not(&["domain_subtree:b.example", "domain_exact:a.example"]).unwrap(),
        "transition.decision.not_accepted: holds all targets of the request; state what is accepted of request \
         req-7, or `refuse` it"
    );
    let only = |scope: v1::Scope| {
        let kind = v1::DecisionKind::AcceptNarrowed.into();
        let accepted_scope = Some(scope);
        said(v1::OperatorDecision { kind, reason, accepted_scope, ..Default::default() })
    };
    let within = |territory: &str, nodes: &[&str], except_nodes: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let territories = vec![territory.to_owned()];
        let (nodes, except_nodes) = (words(nodes), words(except_nodes));
        only(v1::Scope { territories, nodes, except_nodes, ..v1::Scope::default() })
    };
    for (territory, nodes, except_nodes) in [
        ("DE-BE", [].as_slice(), [].as_slice()),
        ("EU", &[], &[]),
        ("*", &["b"], &[]),
        ("FR", &["group:edge"], &["a"]),
    ] {
        assert_eq!(within(territory, nodes, except_nodes), None, "{territory} {nodes:?}");
    }
    for (territory, nodes, except_nodes) in [
        ("NL", [].as_slice(), [].as_slice()),
        ("*", &["c"], &[]),
        ("*", &[], &["a", "b"]),
        ("DE", &["a"], &["a"]),
    ] {
        let why = within(territory, nodes, except_nodes).unwrap_or_default();
        let words = "transition.decision.accepted_scope: lies outside the scope of the request";
        assert!(why.starts_with(words), "{territory} {nodes:?}: {why}");
    }
    // A file says both at once.
    let partial = |targets: &str| {
        format!(
            "decision = {{ kind = \"partial\", reason = \"service_not_covered\", not_accepted = [{targets}] }}\n\
             targets = [\"ip:192.0.2.7\", \"ip:192.0.2.8\"]"
        )
    };
    plain(&partial("\"ip:192.0.2.7\""));
    let all = partial("\"ip:192.0.2.7\", \"ip:192.0.2.8\"");
    refused(&all, "decision.not_accepted", "holds all targets of the request");
    let narrowed = "decision = { kind = \"accept_narrowed\", reason = \"service_not_covered\", territories = [\"NL\"] }";
    refused(narrowed, "decision.territories", "outside the scope of the request");
}

#[test]
fn nothing_is_received_before_it_came() {
    let now = "2026-03-02T12:00:00Z";
    let came = |lines: &str| from_toml(&one(lines)).unwrap().received_by(at(now));
    let taken = |lines: &str| came(lines).accepted_count() == 1;
    let at_once = |time: &str| format!("received = \"{time}\"");
    assert!(taken("") && taken(&at_once("2026-03-02T12:05:00Z")), "clocks differ by so much");
    let late = came(&at_once("2026-03-02T12:05:01Z"));
    assert_eq!(
        report(&late),
        [
            "line 1, req-7: refused: received: 2026-03-02T12:05:01Z is still to come; write when it came; when it \
          is to hold is from"
        ]
    );
    assert!(late.requests.is_empty());
    assert_eq!(late.merge(&[]).refused_count(), 1, "it is on record with the file");
    // A day of the authority, and of a zone that was assumed.
    assert!(taken(&format!("{ZONE}\nreceived = 2026-03-02")));
    assert!(taken(&format!("{ZONE}\nreceived = \"2026-03-03T10:00:00\"")));
    assert!(!taken(&format!("{ZONE}\nreceived = 2026-03-04")));
    assert!(!taken(&format!("{ZONE}\nreceived = \"2026-03-03T10:00:00+01:00\"")));
}

/// And a log that holds one is read.
#[test]
fn a_statement_of_what_is_still_to_come_is_refused_and_was_not() {
    let read = |lines: &str| from_toml(&one(lines)).unwrap();
    let statement = |imported: Imported, recorded_at: &str| {
        let mut requests = imported.requests;
        requests.iter_mut().for_each(|request| request.version = request.version.max(1));
        let items = to_items(requests);
        let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
        let body = Body::Import(v1::Import { items: Some(set), ..v1::Import::default() });
        let recorded_at_s = at(recorded_at);
        let stated = v1::Statement { recorded_at_s, ..stated(body, recorded_at) };
        (stated, register::Items::read(items).unwrap())
    };
    let lines = "received = \"2026-03-02T12:00:00Z\"";
    let (early, items) = statement(read(lines), "2026-03-02T11:00:00Z");
    let why = register::register::refused(&early, Some(&items), |_| None).unwrap();
    assert!(
        why.starts_with("request req-7: received: 2026-03-02T12:00:00Z is still to come"),
        "{why}"
    );
    let (later, items) = statement(read(lines), "2026-03-02T12:00:00Z");
    assert_eq!(register::register::refused(&later, Some(&items), |_| None), None);
    // It was entered before this was looked at: a log is read, and the next version may say so again.
    let mut register = Register::new("example.net/register");
    let (_, items) = statement(read(lines), "2026-03-02T11:00:00Z");
    register.take_in(&early, Some(&items)).unwrap();
    let view = register.view();
    let (_, items) = statement(read(&format!("{lines}\ncategory = \"x\"")), "2026-03-02T11:00:00Z");
    let again = register::register::refused(&early, Some(&items), |id| view.request(id));
    assert_eq!(again, None);
    let moved = "received = \"2026-03-03T12:00:00Z\"";
    let (_, items) = statement(read(moved), "2026-03-02T11:00:00Z");
    let again = register::register::refused(&early, Some(&items), |id| view.request(id));
    assert!(again.is_some(), "another time of what is still to come");
}

#[test]
fn no_word_of_a_statement_hides_what_it_says() {
    no_word_of_a_statement_holds("\u{202e}", "turns the direction of text (U+202E)");
    no_word_of_a_statement_holds("\u{e0041}", "nobody sees (U+E0041)");
}

fn no_word_of_a_statement_holds(hidden: &str, problem: &str) {
    let words = || format!("as {hidden}agreed");
    for body in [
        Body::Import(v1::Import { reason: words(), ..v1::Import::default() }),
        Body::Transition(v1::Transition { reason: words(), ..v1::Transition::default() }),
        Body::Transition(v1::Transition {
            decision: Some(v1::OperatorDecision {
                text: words(),
                ..v1::OperatorDecision::default()
            }),
            ..v1::Transition::default()
        }),
        Body::Attribution(v1::Attribution { group: words(), ..v1::Attribution::default() }),
        Body::Proceeding(v1::Proceeding {
            id: "12 O 345/26".into(),
            outcome: words(),
            awaits_approval: false,
        }),
    ] {
        let statement = stated(body, "2026-03-01T12:00:00Z");
        let said = register::register::refused(&statement, None, |_| None).unwrap();
        assert!(said.ends_with(&format!("{problem}; write it without it")), "{said}");
    }
}

#[test]
fn what_must_stay_open_is_not_to_be_blocked_too() {
    let both = |targets: &str, exceptions: &str| {
        format!(
            "targets = [{targets}]\nexceptions = [{exceptions}]\ntechniques = [\"dns_nxdomain\"]"
        )
    };
    let words = "www.example.org must stay open and is to be blocked";
    let (name, other) = ("\"domain_exact:www.example.org\"", "\"domain_exact:example.org\"");
    refused(&both(&format!("{other}, {name}"), name), "exceptions", words);
    // As its source wrote it.
    refused(&both(name, "\"domain_exact:WWW.example.org.\""), "exceptions", words);
    // What lies within a wider block, or beside it, may stay open.
    plain(&both("\"domain_subtree:example.org\"", name));
    plain(&both(other, name));
    // One after the other.
    let timed =
        |span: &str| format!("{{ kind = \"domain_exact\", value = \"www.example.org\", {span} }}");
    let (until, from) = ("removed = \"2026-02-01T00:00:00Z\"", "added = \"2026-02-01T00:00:00Z\"");
    plain(&both(&timed(until), &timed(from)));
    refused(&both(&timed(until), name), "exceptions", words);
    let earlier = "added = \"2026-01-31T00:00:00Z\"";
    refused(&both(&timed(until), &timed(earlier)), "exceptions", words);
}
