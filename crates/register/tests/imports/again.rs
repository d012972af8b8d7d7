//! A file that is imported again: what it changes, and what it leaves as it is.

use register::import::{Settings, from_rkn_csv, from_rpz};

use super::*;

#[test]
fn a_list_that_is_imported_again_enters_what_changed_and_withdraws_nothing() {
    let first = format!("{}\n{}\n{}", one("id = \"a\""), one("id = \"b\""), one("id = \"c\""));
    let held = from_toml(&first).unwrap().merge(&[]);
    assert_eq!((held.new_count, held.changed_count, held.unchanged_count), (3, 0, 0));
    let held = self::held(&enter(from_toml(&first).unwrap()), at("2026-01-02T00:00:00Z"));

    let same = from_toml(&first).unwrap().merge(&held);
    assert!(same.requests.is_empty() && same.absent.is_empty(), "{same:?}");
    assert_eq!((same.unchanged_count, same.accepted_count()), (3, 3));

    let second = format!(
        "{}\n{}\n{}",
        one("id = \"a\""),
        one("id = \"b\"\nuntil = \"2026-06-01T00:00:00Z\"\ntechniques = [\"dns_nxdomain\"]"),
        one("id = \"d\""),
    );
    let (entered, rows, absent) = merged(&second, &held);
    assert_eq!(entered, ["b 2", "d 1"]);
    assert!(rows[1].ends_with("accepted; note: version 2: techniques, until differ"), "{rows:?}");
    assert_eq!(absent, ["c"]);

    let elsewhere = one("id = \"z\"\nauthority = { id = \"other\" }");
    assert!(
        merged(&elsewhere, &held).2.is_empty(),
        "another authority's file is silent about them"
    );
    let refused = one("id = \"c\"\nfrom = \"soon\"\n") + &one("id = \"d\"");
    assert_eq!(merged(&refused, &held).2, ["a", "b"], "c is named, though refused");
}

const KNOWN: &str = "court = \"Landgericht Hamburg\"\nstatement_of_reasons = \"because\"\n\
    external_ref = \"12-345\"\nbasis_proof = \"operators_word\"\n\
    closed = [{ part = \"reference\", tier = \"secret\" }, { part = \"reasons\", tier = \"public\" }]";

/// The register's request after the first import of [`KNOWN`], changed as somebody did since, and how many of
/// the same file are new, changed and unchanged then; with the next version, if there is one.
fn again(
    file: &str,
    change: impl FnOnce(&mut Held),
) -> ((usize, usize, usize), Option<v1::Request>) {
    let register = enter(from_toml(&one(KNOWN)).unwrap());
    let mut held = held(&register, at("2026-01-02T00:00:00Z"));
    change(&mut held[0]);
    let mut merged = from_toml(&one(file)).unwrap().merge(&held);
    let counts = (merged.new_count, merged.changed_count, merged.unchanged_count);
    (counts, merged.requests.pop())
}

#[test]
fn what_was_decided_of_a_request_is_not_decided_anew_by_a_file() {
    let received = format!("{KNOWN}\nstatus = \"received\"");
    let refused = |held: &mut Held| {
        held.request.set_status(v1::RequestStatus::Received);
        held.state = "refused".into();
    };
    assert_eq!(again(&received, refused), ((0, 0, 1), None));
    assert_eq!(again(KNOWN, refused), ((0, 0, 1), None), "accepted, says the file");
    assert_eq!(again(&received, |_| ()), ((0, 0, 1), None), "it was accepted");
    // Nothing is decided yet.
    let open = |held: &mut Held| {
        held.request.set_status(v1::RequestStatus::Received);
        held.state = "received".into();
    };
    let ((_, changed, _), next) = again(KNOWN, open);
    assert_eq!((changed, next.unwrap().status()), (1, v1::RequestStatus::Accepted));
}

#[test]
fn what_is_known_of_a_request_is_not_taken_back_by_a_file_that_is_silent_of_it() {
    assert_eq!(again(KNOWN, |_| ()), ((0, 0, 1), None));
    let document = v1::Document {
        digest: vec![3; 32],
        kind: "order".to_owned(),
        signature_status: v1::SignatureStatus::Valid.into(),
        anchor_digest: vec![4; 32],
        signature: Some(v1::ItemSet { count: 1, root: vec![1; 32], chunks: vec![vec![2; 32]] }),
        ..v1::Document::default()
    };
    let with_document = |held: &mut Held| {
        held.request.documents.push(document.clone());
        held.request.basis_proof = v1::BasisProof::AuthoritySigned.into();
        held.request.closed.push(v1::ClosedPart {
            part: v1::RequestPart::Documents.into(),
            tier: v1::DisclosureTier::Restricted.into(),
            opening: document.signature.clone(),
            ..v1::ClosedPart::default()
        });
    };
    assert_eq!(again(KNOWN, with_document), ((0, 0, 1), None), "a document was added");
    // It is closed, and whoever imports does not see it.
    let unseen = |held: &mut Held| {
        with_document(held);
        held.request.documents.clear();
    };
    assert_eq!(again(KNOWN, unseen), ((0, 0, 1), None), "a document that is not seen");
    // What has changed is a version, with the document in it.
    let other = KNOWN.replace("Landgericht Hamburg", "Landgericht Bremen");
    let (counts, next) = again(&other, with_document);
    let next = next.unwrap();
    assert_eq!((counts, next.version), ((0, 1, 0), 2));
    assert_eq!(next.documents, std::slice::from_ref(&document));
    assert_eq!(next.basis_proof(), v1::BasisProof::AuthoritySigned);
    assert!(next.closed.iter().any(|part| part.part() == v1::RequestPart::Documents));
    // The file names the document, and cannot carry its signature.
    let digest = "03".repeat(32);
    let named = format!("{KNOWN}\ndocuments = [{{ digest = \"{digest}\", kind = \"order\" }}]")
        .replace("operators_word", "document_held");
    let in_the_clear = |held: &mut Held| {
        with_document(held);
        held.request.closed.retain(|part| part.part() != v1::RequestPart::Documents);
    };
    assert_eq!(again(&named, in_the_clear), ((0, 0, 1), None), "a document that is named");
    let (_, next) = again(&named.replace("Hamburg", "Bremen"), in_the_clear);
    let next = next.unwrap();
    assert_eq!(next.documents, std::slice::from_ref(&document));
    assert_eq!(next.basis_proof(), v1::BasisProof::AuthoritySigned);
    // Without a signature it proves what the file says that it does.
    let unsigned = |held: &mut Held| {
        in_the_clear(held);
        held.request.documents[0] = v1::Document {
            digest: vec![3; 32],
            kind: "order".to_owned(),
            ..v1::Document::default()
        };
        held.request.basis_proof = v1::BasisProof::DocumentHeld.into();
    };
    let (_, next) = again(&named.replace("document_held", "operators_word"), unsigned);
    assert_eq!(next.unwrap().basis_proof(), v1::BasisProof::OperatorsWord);
}

#[test]
fn what_was_erased_stays_erased() {
    let erased = |held: &mut Held| {
        let part = v1::RequestPart::Reasons;
        assert!(closed::take(&mut held.request, part).is_some());
        held.erased.push(part);
    };
    assert_eq!(again(KNOWN, erased), ((0, 0, 1), None));
    let (_, next) = again(&KNOWN.replace("12-345", "12-346"), erased);
    let next = next.unwrap();
    assert_eq!(next.authorisation.unwrap().statement_of_reasons, "");
    let kept = next.closed.iter().find(|part| part.part() == v1::RequestPart::Reasons).unwrap();
    assert!(kept.opening.is_some(), "committed, and gone");
    // As a register tells it.
    let mut register = enter(from_toml(&one(KNOWN)).unwrap());
    let entry = register.view().requests().next().unwrap();
    let parts = entry.request().closed.iter();
    let reasons = parts.filter(|part| part.part == v1::RequestPart::Reasons);
    let chunks: Vec<Vec<u8>> = reasons.flat_map(|p| p.opening.clone().unwrap().chunks).collect();
    register.erase(&chunks);
    let held = held(&register, at("2026-01-02T00:00:00Z"));
    assert_eq!(held[0].erased, [v1::RequestPart::Reasons]);
    let merged = from_toml(&one(KNOWN)).unwrap().merge(&held);
    assert_eq!(merged.unchanged_count, 1);
    // What the file says of it is left out, and that is said: it may be new.
    let said = merged.report[0].to_string();
    assert!(
        said.starts_with("line 1, req-7: accepted; note: reasons: this part was erased"),
        "{said}"
    );
    assert!(said.ends_with("if it is new, enter it in a request with an id of its own"), "{said}");
    let without = KNOWN
        .replace("statement_of_reasons = \"because\"\n", "")
        .replace(", { part = \"reasons\", tier = \"public\" }", "");
    let silent = from_toml(&one(&without)).unwrap().merge(&held);
    assert_eq!(
        (silent.unchanged_count, &silent.report[0].notes[..]),
        (1, &[][..]),
        "nothing is lost"
    );
}

#[test]
fn what_everybody_has_seen_is_not_closed_again_while_it_says_the_same() {
    let reference = v1::RequestPart::Reference;
    let disclosed = |held: &mut Held| held.request.closed.retain(|p| p.part() != reference);
    assert_eq!(again(KNOWN, disclosed), ((0, 0, 1), None));
    let public = |held: &mut Held| {
        let closed = held.request.closed.iter_mut().find(|part| part.part() == reference);
        closed.unwrap().tier = v1::DisclosureTier::Public.into();
    };
    assert_eq!(again(KNOWN, public), ((0, 0, 1), None));
    // Another number is another secret.
    let (counts, next) = again(&KNOWN.replace("12-345", "12-346"), disclosed);
    assert_eq!(counts, (0, 1, 0));
    assert!(next.unwrap().closed.iter().any(|part| part.part() == reference));
    // From restricted to secret the file may go.
    let restricted = |held: &mut Held| {
        let closed = held.request.closed.iter_mut().find(|part| part.part() == reference);
        closed.unwrap().tier = v1::DisclosureTier::Restricted.into();
    };
    assert_eq!(again(KNOWN, restricted).0, (0, 1, 0));
}

#[test]
fn a_stated_version_must_be_the_next_one() {
    let held = enter(from_toml(&one("")).unwrap());
    let held = self::held(&held, at("2026-01-02T00:00:00Z"));
    let version =
        |number: u32, lines: &str| merged(&one(&format!("version = {number}\n{lines}")), &held);
    assert!(version(1, "").0.is_empty(), "it is there already");
    assert_eq!(version(2, "external_ref = \"x\"").0, ["req-7 2"]);
    for number in [1, 3] {
        let (entered, rows, _) = version(number, "external_ref = \"x\"");
        assert!(entered.is_empty());
        assert!(rows[0].contains("refused: version: "), "{rows:?}");
        assert!(
            rows[0].ends_with("the register holds version 1 of it; leave the key out, or write 2")
        );
    }
    refused("version = 0", "version", "begins at 1");
}

/// As an operator sees a request of the register, who sees all of it.
fn seen(held: &Held) -> register::import::Seen {
    let (request, erased) = (held.request.clone(), held.erased.clone());
    register::import::Seen { request, erased, is_veiled: false }
}

/// The request is written out, read again in either form, and is the same.
fn is_written_out_and_read_again(held: &[Held]) {
    for one in held {
        let seen = [seen(one)];
        let json = register::import::to_json(&seen).unwrap();
        let toml = register::import::to_toml(&seen);
        for (imported, text) in [
            (from_toml(&toml).unwrap(), &toml),
            (register::import::from_json(&json).unwrap(), &json),
        ] {
            let merged = imported.merge(held);
            assert_eq!(merged.unchanged_count, 1, "{:?}\n{text}", merged.report);
            assert!(merged.requests.is_empty(), "{text}");
        }
    }
}

#[test]
fn a_request_is_written_out_as_the_file_that_enters_it() {
    let everything = include_str!("../../testdata/everything.toml");
    let many = include_str!("../../testdata/requests.toml");
    let closed = format!(
        "{KNOWN}\nauthority = {{ id = \"c\", officer = {{ name = \"N. N.\" }} }}\n\
         until = \"2027-01-01T00:00:00Z\"\nremove_within = \"3d\"\nnotice = \"yes\"\noutcome_only = true"
    );
    let provisional = "form = \"telephone\"\nstatus = \"provisional\"\n\
        received = \"2026-01-01T10:00:00Z\"\nconfirm_by = \"48h\"\nbasis_proof = \"oral\"";
    let narrowed = "decision = { kind = \"accept_narrowed\", reason = \"service_not_covered\", \
        cells = [\"mitte\"], except_nodes = [\"hospital\"], network_types = [\"fixed\"], asns = [64500], audiences = [\"a\"] }";
    for text in [everything, many, &one(&closed), &one(provisional), &one(narrowed)] {
        let held = held(&enter(from_toml(text).unwrap()), at("2026-01-02T00:00:00Z"));
        assert!(!held.is_empty(), "{text}");
        is_written_out_and_read_again(&held);
    }
}

#[test]
fn a_request_of_an_authoritys_list_is_written_out_too() {
    let mapping = "[constants]\ninstrument = \"administrative_order\"\nform = \"portal_list\"\n\
        territories = [\"DE\"]\ntechniques = [\"dns_nxdomain\"]\n[columns]\nid = \"id\"\n\
        from = \"from\"\nstatement_of_reasons = \"why\"\n[[targets]]\ncolumn = \"name\"\n\
        kind = \"domain_exact\"\n";
    let mapping = Mapping::parse(mapping).unwrap();
    let file = "id,name,from,why\na,HTTP://Example.ORG.,2026-01-01T00:00:00Z,counterfeit\n";
    let imported = from_csv(file.as_bytes(), &mapping).unwrap();
    assert_eq!(imported.accepted_count(), 1, "{:?}", imported.report);
    let held = held(&enter(imported), at("2026-01-02T00:00:00Z"));
    // Its reasons are in the clear, and stay so.
    assert!(held[0].request.closed.is_empty());
    is_written_out_and_read_again(&held);
}

#[test]
fn a_document_with_its_signature_and_an_erased_part_come_through_a_file() {
    let mut held = held(&enter(from_toml(&one(KNOWN)).unwrap()), at("2026-01-02T00:00:00Z"));
    let request = &mut held[0].request;
    request.documents.push(v1::Document {
        digest: vec![3; 32],
        kind: "order".to_owned(),
        signature_status: v1::SignatureStatus::Valid.into(),
        anchor_digest: vec![4; 32],
        signature: Some(v1::ItemSet { count: 1, root: vec![1; 32], chunks: vec![vec![2; 32]] }),
        ..v1::Document::default()
    });
    request.basis_proof = v1::BasisProof::AuthoritySigned.into();
    request.authorisation.as_mut().unwrap().statement_of_reasons.clear();
    for part in &mut request.closed {
        part.opening = Some(v1::ItemSet { count: 1, root: vec![5; 32], chunks: vec![vec![6; 32]] });
    }
    held[0].erased.push(v1::RequestPart::Reasons);
    is_written_out_and_read_again(&held);
}

#[test]
fn what_was_not_seen_is_not_taken_back_by_a_file() {
    let closed = "closed = [{ part = \"targets\", tier = \"secret\" }]";
    let held = held(&enter(from_toml(&one(closed)).unwrap()), at("2026-01-02T00:00:00Z"));
    let mut blind = seen(&held[0]);
    blind.request.task.as_mut().unwrap().targets.clear();
    let refused = |seen: register::import::Seen, want: &str| {
        let imported = from_toml(&register::import::to_toml(&[seen])).unwrap();
        let told = imported.report[0].to_string();
        assert!(told.contains("refused: withheld: ") && told.contains(want), "{told}");
    };
    refused(blind, "did not see all of it: targets;");
    refused(register::import::Seen { is_veiled: true, ..seen(&held[0]) }, "other requests");
}

#[test]
fn a_time_that_is_what_it_was_stays_as_it_was_written() {
    let dates = "time_zone = \"Europe/Berlin\"\nend_date = \"last_day\"\nuntil = \"2026-05-31\"\n\
        review_due = \"2026-04-30\"";
    let held = held(&enter(from_toml(&one(dates)).unwrap()), at("2026-01-02T00:00:00Z"));
    let text = register::import::to_toml(&[seen(&held[0])]);
    let changed = text
        .replace("review_due = \"2026-04-30T22:00:00Z\"", "review_due = \"2026-06-01T00:00:00Z\"");
    assert_ne!(text, changed, "{text}");
    let merged = from_toml(&changed).unwrap().merge(&held);
    assert!(merged.report[0].to_string().contains("review_due differ"), "{:?}", merged.report);
    let written = |field: &str| {
        let notes = &merged.requests[0].time_notes;
        notes.iter().find(|note| note.field == field).map(|note| note.written.as_str())
    };
    assert_eq!(written("until"), Some("2026-05-31"));
    assert_eq!(written("review_due"), Some("2026-06-01T00:00:00Z"));
}

/// As the register holds what a file says, in a state.
fn held_as(imported: &Imported, state: &str) -> Vec<Held> {
    let of = |request: v1::Request| {
        let digest = register::version_digest(&request).to_vec();
        Held {
            request,
            digest,
            state: state.to_owned(),
            erased: Vec::new(),
            existence: v1::DisclosureTier::Unspecified,
            existence_until_s: 0,
        }
    };
    imported.clone().merge(&[]).requests.into_iter().map(of).collect()
}

const DECISIONS: &str = "Updated: x\n;a.example;;o;1;2018-04-01\n;b.example;;o;2;2018-04-01\n\
                         ;c.example;;o;1;2018-04-01\n;d.example;;o;1;2018-04-01\n";

fn decisions(text: &str) -> Imported {
    let settings = Settings::parse(include_str!("../../testdata/rkn.toml")).unwrap();
    from_rkn_csv(text.as_bytes(), &settings).unwrap()
}

fn zone(text: &str) -> Imported {
    let settings = "[constants]\nid = \"hotline/1\"\ninstrument = \"private_list\"\nform = \"portal_list\"\n\
                    from = \"2026-01-01T00:00:00Z\"\nterritories = [\"DE\"]\ntechniques = [\"dns_nxdomain\"]\n";
    from_rpz(text.as_bytes(), &Settings::parse(settings).unwrap()).unwrap()
}

#[test]
fn targets_that_are_no_longer_in_the_file_are_counted() {
    let held = held_as(&decisions(DECISIONS), "active");
    let shorter = "Updated: x\n;a.example;;o;1;2018-04-01\n;e.example;;o;1;2018-04-01\n;b.example;;o;2;2018-04-01\n";
    let merged = decisions(shorter).merge(&held);
    let rows: Vec<_> = merged.report.iter().map(ToString::to_string).collect();
    assert!(
        rows[0].ends_with(
            "; note: version 2: targets differ; note: 2 targets of it are no longer in the file"
        ),
        "{rows:#?}"
    );
    assert!(rows[1].ends_with(": accepted") && rows[2].ends_with(": accepted"), "{rows:#?}");

    let held = held_as(&zone("a.example CNAME .\nb.example CNAME .\n"), "active");
    let merged = zone("b.example CNAME .\nc.example CNAME .\n").merge(&held);
    let rows: Vec<_> = merged.report.iter().map(ToString::to_string).collect();
    assert_eq!(
        rows,
        [
            "line 1, b.example: accepted; note: hotline/1: version 2: targets differ; note: hotline/1: 1 target of \
             it is no longer in the file",
            "line 2, c.example: accepted",
        ]
    );
    let more = zone("a.example CNAME .\nb.example CNAME .\nc.example CNAME .\n").merge(&held);
    assert_eq!(more.report[0].notes, ["hotline/1: version 2: targets differ"]);
}

#[test]
fn a_request_of_several_lines_that_is_refused_is_refused_with_all_of_them() {
    let held = held_as(&decisions(DECISIONS), "withdrawn");
    let longer = format!("{DECISIONS};e.example;;o;1;2018-04-01\n");
    let merged = decisions(&longer).merge(&held);
    let lines: Vec<u64> = merged
        .report
        .iter()
        .filter(|row| matches!(row.action, Action::Refused(_)))
        .map(|row| row.line)
        .collect();
    assert_eq!((lines.as_slice(), merged.refused_count()), (&[2, 4, 5, 6][..], 4));
    assert_eq!((merged.unchanged_count, merged.requests.len()), (1, 0));

    let held = held_as(&zone("a.example CNAME .\n"), "withdrawn");
    let merged = zone("a.example CNAME .\nb.example CNAME .\nb.example NS\n").merge(&held);
    assert_eq!((merged.report.len(), merged.refused_count()), (2, 2), "{:?}", merged.report);
    // The form's own refusal is that of its records, too.
    let settings = Settings::parse("[constants]\nid = \"hotline/1\"\n").unwrap();
    let refused = from_rpz(b"a.example CNAME .\nb.example CNAME .\n", &settings).unwrap();
    assert_eq!((refused.report.len(), refused.refused_count()), (2, 2), "{:?}", refused.report);
    let refused = from_rpz(b"@ SOA a b 1 2 3 4 5\n", &settings).unwrap();
    assert_eq!((refused.report.len(), refused.refused_count()), (1, 1), "{:?}", refused.report);
}

#[test]
fn what_a_record_says_is_kept_beside_what_was_read() {
    let imported = zone("News.Example CNAME .\n24.0.2.0.192.rpz-ip CNAME .\nb.example CNAME .\n");
    let raw: Vec<_> =
        task(&imported.requests[0]).targets.iter().map(|target| target.raw.as_str()).collect();
    assert_eq!(raw, ["News.Example", "24.0.2.0.192.rpz-ip", ""]);
    let of_list = register::import::list_from_rpz(b"$ORIGIN X.\nNews.Example CNAME .\n").unwrap();
    assert_eq!(of_list.entries[0].raw, "News.Example");
}
