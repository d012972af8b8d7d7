//! Who looked at a request: by an id, and never by a name.

use super::*;

#[test]
fn who_looked_goes_by_an_id_and_never_by_a_name() {
    let name = "\"Erika Mustermann\"";
    for wrong in [name, "\"Person-7\"", "\"\"", "\"p_7\""] {
        refused(
            &format!("competence = {{ result = \"competent\", verified_by = {wrong} }}"),
            "competence.verified_by",
            "is no id of a person",
        );
        refused(
            &format!("validity = {{ redress = {{ state = \"absent\", by = {wrong} }} }}"),
            "validity.redress.by",
            "is no id of a person",
        );
    }
    let lines = format!("competence = {{ result = \"unclear\", verified_by = {name} }}");
    let row = report(&from_toml(&one(&lines)).unwrap()).remove(0);
    assert!(row.ends_with("1 to 63 of a-z, 0-9 and '-'; never a name"), "{row}");
    assert!(!row.contains("Mustermann"), "{row}");
    // Nor does the register take one from another program.
    let mut imported = from_toml(&one("validity = { redress = \"absent\" }")).unwrap();
    let mut request = imported.requests.remove(0);
    request.version = 1;
    let taken = |request: &v1::Request| {
        register::request::Request::try_from(request.clone()).map(drop).map_err(|e| e.to_string())
    };
    request.validity[0].by = person("person-7");
    assert_eq!(taken(&request), Ok(()));
    request.validity[0].by = person("Erika Mustermann");
    assert!(taken(&request).unwrap_err().starts_with("validity.by: not an id of a person"));
    request.validity[0].by = None;
    let check = v1::CompetenceCheck {
        verified_by: person("Erika Mustermann"),
        result: v1::CompetenceResult::Competent.into(),
        ..v1::CompetenceCheck::default()
    };
    request.authorisation.as_mut().unwrap().competence_check = Some(check);
    let refused = taken(&request).unwrap_err();
    assert!(refused.starts_with("competence_check.verified_by: not an id"), "{refused}");
}

#[test]
fn what_was_found_of_an_element_is_a_word_or_a_table() {
    refused("validity = { redress = 1 }", "validity.redress", "it is a whole number");
    refused("validity = { redress = \"maybe\" }", "validity.redress", "not one of its words");
    refused("validity = { redress = { by = \"p-7\" } }", "validity.redress", "state is missing");
    let unknown = "validity = { redress = { state = \"absent\", who = \"p-7\" } }";
    refused(unknown, "validity.redress", "unknown field `who`");
    let at = |at: &str| format!("validity = {{ redress = {{ state = \"absent\", at = {at} }} }}");
    refused(&at("\"yesterday\""), "validity.redress.at", "is no date");
    refused(&at("2026-01-02"), "validity.redress.at", "has no time zone");
    refused("competence = { power_claimed = \"x\" }", "competence.result", "missing");
    // The same list again is no new version.
    let lines =
        "validity = { redress = { state = \"absent\", by = \"p-7\", at = 2026-01-02T10:00:00Z } }";
    let register = enter(from_toml(&one(lines)).unwrap());
    let held = held(&register, self::at("2026-01-03T00:00:00Z"));
    assert_eq!(from_toml(&one(lines)).unwrap().merge(&held).unchanged_count, 1);
    assert_eq!(merged(&one(&lines.replace("p-7", "p-8")), &held).0, ["req-7 2"]);
}

#[test]
fn columns_of_a_table_say_who_looked_and_when() {
    let mapping = |columns: &str| {
        Mapping::parse(&format!(
            "date_format = \"%d.%m.%Y\"\ntime_zone = \"Europe/Berlin\"\n\
             columns = {{ id = \"No\", from = \"From\", {columns} }}\n\
             [constants]\ninstrument = \"police_request\"\nform = \"email\"\noutcome_only = true\n\
             competence = {{ result = \"competent\" }}\n\
             [[targets]]\ncolumn = \"name\"\nkind = \"domain_exact\"\n"
        ))
    };
    let columns = "\"competence.verified_by\" = \"Who\", \"validity.redress.state\" = \"Redress\", \
                   \"validity.redress.by\" = \"Who\", \"validity.redress.at\" = \"When\"";
    let csv = "No,From,name,Who,Redress,When\n\
               a,01.03.2026,x.example,person-7,absent,04.03.2026\n\
               b,01.03.2026,y.example,,present,\n\
               c,01.03.2026,z.example,Erika Mustermann,absent,\n\
               d,01.03.2026,z.example,person-7,,\n";
    let imported = from_csv(csv.as_bytes(), &mapping(columns).unwrap()).unwrap();
    let rows = report(&imported);
    assert_eq!(imported.requests.len(), 2, "{rows:#?}");
    let deed = imported.requests[0].authorisation.as_ref().unwrap();
    assert_eq!(deed.competence_check.as_ref().unwrap().verified_by, person("person-7"));
    let item = &imported.requests[0].validity[0];
    assert_eq!((item.by.clone(), item.at_s), (person("person-7"), at("2026-03-03T23:00:00Z")));
    let item = &imported.requests[1].validity[0];
    assert_eq!((item.by.clone(), item.at_s), (None, 0));
    assert!(rows[2].contains("refused: validity.redress.by: it is no id"), "{rows:#?}");
    assert!(rows[3].contains("validity.redress: state is missing"), "{rows:#?}");
    let both = "\"validity.redress\" = \"Redress\", \"validity.redress.by\" = \"Who\"";
    let Err(error) = mapping(both) else { panic!("one text and a table") };
    assert!(error.to_string().contains("validity.redress"), "{error}");
}

/// A name in a signed statement stays for good; a closed one can be erased.
#[test]
fn parties_and_officers_are_closed_unless_the_file_says_how() {
    let party = "parties = [{ role = \"defendant\", name = \"Erika Mustermann\" }]";
    let officer = "authority = { id = \"court\", officer = { name = \"N. N.\" } }";
    let tiers = |lines: &str| {
        let request = from_toml(&one(lines)).unwrap().requests.remove(0);
        let row = |c: &v1::ClosedPart| (c.part(), c.tier());
        let mut tiers: Vec<_> = request.closed.iter().map(row).collect();
        tiers.retain(|(part, _)| *part != v1::RequestPart::Remarks);
        tiers
    };
    let (parties, restricted) = (v1::RequestPart::Parties, v1::DisclosureTier::Restricted);
    assert_eq!(tiers(party), [(parties, restricted)]);
    let both = tiers(&format!("{party}\n{officer}"));
    assert_eq!(both, [(v1::RequestPart::Officer, restricted), (parties, restricted)]);
    let open = "closed = [{ part = \"parties\", tier = \"public\" }]";
    let stated = tiers(&format!("{party}\n{open}"));
    assert_eq!(stated, [(parties, v1::DisclosureTier::Public)], "seen by all, and erasable");
    assert_eq!(tiers("validity = { redress = \"absent\" }"), []);
}

/// Whoever asks is an office, and its words stay for good.
#[test]
fn an_authority_is_no_address_of_a_person() {
    let name = |name: &str| format!("authority = {{ name = \"{name}\" }}");
    let written = from_toml(&one(&name("Police Berlin"))).unwrap();
    assert_eq!(written.requests.len(), 1);
    for (typed, what) in [
        ("N. N., +49 170 1234567", "a telephone number"),
        ("n.n@police.example", "an e-mail address"),
    ] {
        refused(&name(typed), "authority.name", what);
    }
    refused("shared_by = \"n.n@police.example\"", "shared_by", "an e-mail address");
    // A person's stands where it is closed.
    let officer = "authority = { name = \"Police\", officer = { name = \"N. N.\", contact = \"+49 170 1234567\" } }";
    assert_eq!(from_toml(&one(officer)).unwrap().requests.len(), 1);
}

#[test]
fn what_leads_to_a_person_stands_in_no_open_field() {
    for (lines, field, problem) in [
        ("audiences = [\"491701234567\"]", "audiences", "is a subscriber's number"),
        ("audiences = [\"10.1.2.3\"]", "audiences", "is an address"),
        ("except_audiences = [\"2001:db8::/56\"]", "except_audiences", "is an address"),
        ("audiences = [\"max@example.org\"]", "audiences", "holds an e-mail address"),
        ("nodes = [\"+49 170 1234567\"]", "nodes", "holds a telephone number"),
        ("docket = \"max@example.org\"", "docket", "holds an e-mail address"),
        ("external_ref = \"call +49 170 1234567\"", "external_ref", "holds a telephone number"),
        ("keywords = [\"max@example.org\"]", "keywords", "holds an e-mail address"),
        ("targets = [\"keyword:max@example.org\"]", "targets", "holds an e-mail address"),
        ("addressee = \"Hans <hans@isp.example>\"", "addressee", "holds an e-mail address"),
    ] {
        refused(lines, field, problem);
    }
    let fine = "audiences = [\"residential\", \"line-7f3a\", \"2026\"]\ndocket = \"12 O 345/26\"";
    assert!(report(&from_toml(&one(fine)).unwrap())[0].contains("accepted"));
}

/// Before the host of a URL one is refused; behind it a court's URL may hold one.
#[test]
fn an_address_in_a_url_is_noted_and_one_before_its_host_is_refused() {
    let url = |url: &str| format!("targets = [\"url:{url}\"]\ntechniques = [\"http_451\"]");
    for typed in ["https://max@example.org/", "https://max:secret@example.org/"] {
        refused(&url(typed), "targets", "it holds a user name");
    }
    refused(&url("mailto:max@example.org"), "targets", "neither http:// nor https://");
    let rows = |typed: &str| {
        let imported = from_toml(&one(&url(typed))).unwrap();
        assert_eq!(imported.requests.len(), 1, "{typed}");
        report(&imported).remove(0)
    };
    for typed in
        ["https://example.org/u/max@mail.example", "https://example.org/?mail=max%40mail.example"]
    {
        let row = rows(typed);
        let note =
            "note: targets: a URL at example.org holds an e-mail address: if it is a person's";
        assert!(row.contains(note), "{row}");
        assert!(!row.contains("mail.example"), "it would go on into a log: {row}");
    }
    let row = rows("https://example.org/@page");
    assert!(!row.contains("e-mail"), "{row}");
}

/// Lists are read by other words and hold the same.
#[test]
fn a_list_holds_no_target_that_leads_to_a_person() {
    let file = register::list::from_lines(
        b"a.example\nkeyword:max@example.org\nhttps://example.org/u/max@mail.example\n",
    )
    .unwrap();
    let rows: Vec<String> = file.report.iter().map(ToString::to_string).collect();
    assert!(rows[1].starts_with("line 2: refused: holds an e-mail address"), "{rows:#?}");
    assert!(rows[1].contains("line_account") && !rows[1].contains("max"), "{rows:#?}");
    assert!(rows[2].contains("note: it holds an e-mail address: if it is a person's"), "{rows:#?}");
    assert_eq!(file.entries.len(), 2);
    // Nor is a version taken that another program made.
    let target = |text: &str| text.parse::<register::Target>().unwrap().to_wire();
    let said = |text: &str| {
        let entry = v1::ListEntry { target: Some(target(text)), ..v1::ListEntry::default() };
        let added = v1::ListChanges { added: vec![entry], ..v1::ListChanges::default() };
        let items = vec![v1::RegisterItem { item: Some(Item::ListChanges(added)) }];
        let changes = Some(v1::ItemSet { count: 1, ..v1::ItemSet::default() });
        let body = Body::ListVersion(v1::ListVersion { changes, ..v1::ListVersion::default() });
        let statement = v1::Statement { body: Some(body), ..v1::Statement::default() };
        let items = register::Items::read(items).unwrap();
        register::register::refused(&statement, Some(&items), |_| None)
    };
    let why = said("keyword:+49 170 1234567").unwrap();
    assert!(why.starts_with("list_entry.target: holds a telephone number"), "{why}");
    assert_eq!(said("keyword:casino"), None);
}
