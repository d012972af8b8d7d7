//! The next version of one request: the newest one, with what has changed in it.

use std::path::Path;

use evidence::PersonId;
use register::{
    import::{Held, Purpose, TypedTarget, typed},
    territory, words as field,
};
use remit_proto::v1;

use super::{
    as_secret_as, check_next, complete, days::Days, digest, enter_requests, held, read_form,
    tell_rows, waits,
};
use crate::{
    cli::{Amend, Sent},
    client::{self, RegisterClient},
    config::Config,
    exit::CliError,
    home,
    output::escape,
    time,
};

pub(crate) async fn amend(config: &Config, args: &Amend) -> Result<(), CliError> {
    // Beside a flag that excludes --file, what requires --file is not asked for it.
    if args.file.is_none() && (args.rows.is_some() || args.sha256.is_some()) {
        let problem =
            "--rows, --sha256: they tell of the file of --file; leave them out, or give it";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let mut client = client::register(config).await?;
    let newest = newest(&mut client, &args.id).await?;
    let now_s = time::now_s();
    let Next { request, import, said } = match &args.file {
        Some(file) => {
            let sent = Sent { rows: args.rows, sha256: args.sha256.clone() };
            in_file(file, &sent, newest.clone())?
        }
        None => args.changed(&newest, now_s)?,
    };
    let effective_at_s = match &args.effective_at {
        Some(text) => time::parse(text, "--effective-at", now_s)?,
        None => now_s,
    };
    for told in said {
        eprintln!("{}: {}", args.id, escape(&told));
    }
    let (id, version) = (request.id.clone(), request.version);
    check_next(&request, &newest)?;
    let import = v1::Import { reason: args.reason.clone().unwrap_or_default(), ..import };
    let import = args.secrecy.of_next(&newest, import, now_s)?;
    let (requests, dry_run) = (vec![request], args.dry_run);
    let entered =
        enter_requests(config, &mut client, import, requests, effective_at_s, dry_run).await?;
    let is = entered.verb(dry_run);
    eprintln!("{id}: version {version} {is} in effect from {}", time::utc(effective_at_s));
    Ok(())
}

/// The next version, and what its import says of where it comes from.
#[derive(Debug)]
struct Next {
    request: v1::Request,
    import: v1::Import,
    /// What was repaired in what was typed, and what a person should know about it.
    said: Vec<String>,
}

/// The request as a file has it that holds it alone.
fn in_file(file: &Path, sent: &Sent, newest: Held) -> Result<Next, CliError> {
    let bytes = home::read_at_most(file, home::LIST_SIZE_MAX)?;
    sent.check_digest(file, &bytes)?;
    let imported = read_form(file, &bytes, None, None, sent, Purpose::Enter)?;
    sent.check_rows(file, imported.report.len())?;
    let id = newest.request.id.clone();
    let wrong = |problem: String| CliError::Usage(format!("{}: {problem}", file.display()));
    let ids: Vec<String> = imported.requests.iter().map(|request| request.id.clone()).collect();
    let mut merged = imported.received_by(time::now_s()).merge(&[newest]);
    tell_rows(&file.display().to_string(), &merged.report);
    if merged.refused_count() > 0 {
        return Err(wrong("nothing was entered: correct what was refused".to_owned()));
    }
    let instead = "or enter it as a whole: remit requests import";
    match ids.as_slice() {
        [one] if *one == id => {}
        [] => return Err(wrong(format!("it holds no request; write {id} into it as it is to be"))),
        [other] => {
            let problem = format!("it holds {other}, and {id} is to be amended");
            return Err(wrong(format!("{problem}; give the id that it holds, {instead}")));
        }
        several => {
            let (shown, rest) = several.split_at(several.len().min(IDS_SHOWN));
            let more =
                if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            return Err(wrong(format!(
                "it holds {} requests ({}{more}), and one is amended at a time; leave all but {id} out of the \
                 file, {instead}",
                several.len(),
                shown.join(", ")
            )));
        }
    }
    if merged.new_count > 0 {
        return Err(wrong(format!("the register does not hold {id}; {instead}")));
    }
    let request =
        merged.requests.pop().ok_or_else(|| wrong(format!("nothing of {id} changes by it")))?;
    let import = v1::Import {
        file_digest: digest(&bytes),
        rows_read: merged.report.len() as u64,
        rows_repaired: merged.repaired_count() as u64,
        ..v1::Import::default()
    };
    Ok(Next { request, import, said: Vec::new() })
}

/// Ids of a file that are named.
const IDS_SHOWN: usize = 5;

/// The newest version of a request, one that waits for a second person too.
pub(super) async fn newest(client: &mut RegisterClient, id: &str) -> Result<Held, CliError> {
    let question = v1::GetRequestRequest { id: id.to_owned() };
    let versions = client.get_request(question).await?.into_inner().versions;
    let missing = || CliError::Malformed("the answer holds no version".to_owned());
    let counts = versions.iter().rfind(|row| !waits(row)).cloned();
    let mut newest = versions.into_iter().next_back().ok_or_else(missing)?;
    if let Some(counts) = counts {
        newest = as_secret_as(newest, &counts);
    }
    complete(client, &mut newest).await?;
    held(newest).ok_or_else(missing)
}

/// The version after it, as it is.
pub(super) fn follows(newest: &Held) -> v1::Request {
    let mut next = newest.request.clone();
    next.version = newest.request.version.saturating_add(1);
    next.prev_hash.clone_from(&newest.digest);
    next
}

impl Amend {
    fn changed(&self, newest: &Held, now_s: i64) -> Result<Next, CliError> {
        let mut request = follows(newest);
        let Told { repairs, notes } = self.change(&mut request, now_s)?;
        let unchanged = v1::Request {
            version: newest.request.version,
            prev_hash: newest.request.prev_hash.clone(),
            ..request.clone()
        };
        if unchanged == newest.request {
            let problem = "nothing changes: say what (--until, --add-target, ..., or --file)";
            return Err(CliError::Usage(problem.to_owned()));
        }
        let rows_repaired = u64::from(!repairs.is_empty());
        let import = v1::Import { rows_read: 1, rows_repaired, ..v1::Import::default() };
        let repairs = repairs.iter().map(|repair| format!("repaired: {repair}"));
        let notes = notes.iter().map(|note| format!("note: {note}"));
        Ok(Next { request, import, said: repairs.chain(notes).collect() })
    }

    fn change(&self, request: &mut v1::Request, now_s: i64) -> Result<Told, CliError> {
        let Self {
            id: _,
            file: _,
            rows: _,
            sha256: _,
            until,
            end_date,
            add_target,
            remove_target,
            territories,
            techniques,
            implement_by,
            review_due,
            number,
            reasons,
            language,
            redress,
            report_to,
            report_sent,
            received,
            authority,
            legal_basis,
            competence,
            validity,
            secrecy: _,
            effective_at: _,
            reason: _,
            dry_run: _,
        } = self;
        let at = |text: &Option<String>, flag: &str| {
            text.as_deref().map(|text| time::parse(text, flag, now_s)).transpose()
        };
        let mut told = Told::default();
        let mut days = Days::new(&request.time_zone, now_s);
        let task = request.task.get_or_insert_default();
        match (until.as_deref(), end_date.as_deref()) {
            (None, _) => {}
            (Some("never"), _) => task.effective_until_s = 0,
            (Some(text), end) => task.effective_until_s = days.end(text, end)?,
        }
        if until.is_some() {
            told.notes.extend(cut_windows(task)?);
        }
        for text in remove_target {
            let target = target(text, "--remove-target")?.target.target;
            let before = task.targets.len();
            task.targets.retain(|held| held.target != target);
            if task.targets.len() == before {
                let problem = format!("--remove-target: {text:?} is no target of the request");
                return Err(CliError::Usage(problem));
            }
        }
        for text in add_target {
            let TypedTarget { target, repairs, notes } = target(text, "--add-target")?;
            if !task.targets.iter().any(|held| held.target == target.target) {
                let repaired = |repair| format!("--add-target: {text:?}: {repair}");
                told.repairs.extend(repairs.into_iter().map(repaired));
                told.notes.extend(notes);
                task.targets.push(target);
            }
        }
        if let Some((problem, remedy)) =
            territories.iter().find_map(|text| territory::problem(text))
        {
            return Err(CliError::Usage(format!("--in: {problem}: {remedy}")));
        }
        if !territories.is_empty() {
            task.scope.get_or_insert_default().territories = territories.clone();
        }
        if !techniques.is_empty() {
            let known = |word: &String| {
                let known = field::technique_from(word);
                known.map(i32::from).ok_or_else(|| {
                    CliError::Usage(format!("--technique: {word:?} is no technique"))
                })
            };
            task.measure.get_or_insert_default().techniques =
                techniques.iter().map(known).collect::<Result<_, _>>()?;
        }
        if let Some(text) = implement_by {
            task.implement_by_s = days.start(text, "implement_by", "--implement-by")?;
        }
        if let Some(text) = review_due {
            task.review_due_s = days.start(text, "review_due", "--review-due")?;
        }
        let deed = request.authorisation.get_or_insert_default();
        if let Some(number) = number {
            deed.external_ref.clone_from(number);
        }
        if let Some(reasons) = reasons {
            deed.statement_of_reasons.clone_from(reasons);
        }
        for text in authority {
            say_of_issuer(deed.authority.get_or_insert_default(), text)?;
        }
        if !legal_basis.is_empty() {
            let law = |law: &String| v1::LegalProvision {
                instrument: law.clone(),
                ..v1::LegalProvision::default()
            };
            deed.legal_provisions = legal_basis.iter().map(law).collect();
        }
        if let Some(text) = competence {
            let (word, by) = found_by(text, "--competence")?;
            let result = known(
                word,
                "--competence",
                field::competence_from,
                field::competences().map(field::competence),
            )?;
            let check = deed.competence_check.get_or_insert_default();
            (check.result, check.verified_by) = (result.into(), by);
        }
        for text in validity {
            let item = finding(text, now_s)?;
            request.validity.retain(|held| held.element != item.element);
            request.validity.push(item);
        }
        let came = request.notification.get_or_insert_default();
        if let Some(language) = language {
            came.language.clone_from(language);
        }
        if !redress.is_empty() {
            let way = |route: &String| v1::Redress { route: route.clone(), ..Default::default() };
            came.redress = redress.iter().map(way).collect();
        }
        if let Some(authority) = report_to {
            came.report_effect_to.get_or_insert_default().authority.clone_from(authority);
        }
        if let Some(at_s) = at(report_sent, "--report-sent")? {
            let Some(report) = &mut came.report_effect_to else {
                let problem = "--report-sent: the request asks for no report; say --report-to";
                return Err(CliError::Usage(problem.to_owned()));
            };
            report.sent_at_s = at_s;
        }
        if let Some(at_s) = at(received, "--received")? {
            request.notification.get_or_insert_default().received_at_s = at_s;
        }
        // How a time was written that another one has replaced says nothing of that.
        request.time_notes.retain(|note| match note.field.as_str() {
            "until" => until.is_none(),
            "implement_by" => implement_by.is_none(),
            "review_due" => review_due.is_none(),
            "received" => received.is_none(),
            "report_effect_to.sent" => report_sent.is_none(),
            "redress.deadline" => redress.is_empty(),
            _ => true,
        });
        days.note(request);
        Ok(told)
    }
}

/// A request holds only in its windows, and none reaches beyond its end. What to say of those that stay.
fn cut_windows(task: &mut v1::Task) -> Result<Option<String>, CliError> {
    if task.windows.is_empty() {
        return Ok(None);
    }
    let end_s = if task.effective_until_s == 0 { i64::MAX } else { task.effective_until_s };
    task.windows.retain(|window| window.from_s < end_s);
    let Some(last) = task.windows.last_mut() else {
        let problem =
            "--until: none of its windows begins before that; give a later time, or withdraw it";
        return Err(CliError::Usage(problem.to_owned()));
    };
    last.until_s = last.until_s.min(end_s);
    let last = time::utc(last.until_s);
    Ok(Some(format!(
        "--until: the request holds only in its windows, and no window is added; the last one ends {last}. Others \
         come with --file"
    )))
}

/// What there is to say of what was typed.
#[derive(Debug, Default)]
struct Told {
    repairs: Vec<String>,
    notes: Vec<String>,
}

/// "country=DE"
fn say_of_issuer(authority: &mut v1::Authority, text: &str) -> Result<(), CliError> {
    let v1::Authority { id, name, branch, country, level, officer: _ } = authority;
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let field = match key {
        "id" => id,
        "name" => name,
        "branch" => branch,
        "country" => country,
        "level" => level,
        _ => {
            return Err(CliError::Usage(format!(
                "--authority: {text:?} is none of id=..., name=..., branch=..., level=..., country=..."
            )));
        }
    };
    value.clone_into(field);
    Ok(())
}

/// "redress=absent,by=person-7": found now.
fn finding(text: &str, now_s: i64) -> Result<v1::ValidityItem, CliError> {
    let (element, rest) = text.split_once('=').unwrap_or((text, ""));
    let elements = field::validity_elements().map(field::validity_element);
    let element = known(element, "--validity", field::validity_element_from, elements)?;
    let (state, by) = found_by(rest, "--validity")?;
    let states = field::validity_states().map(field::validity_state);
    let state = known(state, "--validity", field::validity_state_from, states)?;
    Ok(v1::ValidityItem { element: element.into(), state: state.into(), by, at_s: now_s })
}

/// "absent,by=person-7" in two.
fn found_by<'t>(text: &'t str, flag: &str) -> Result<(&'t str, Option<v1::PersonRef>), CliError> {
    let Some((word, by)) = text.split_once(",by=") else { return Ok((text, None)) };
    // What is no id is not shown: it may be a name.
    let id: PersonId = by.parse().map_err(|_| {
        let wanted = "1 to 63 of a-z, 0-9 and '-'; never a name";
        CliError::Usage(format!("{flag}: by= is the id of a person, {wanted}"))
    })?;
    Ok((word, Some(v1::PersonRef { person: id.to_string(), role: v1::Role::Unspecified.into() })))
}

fn known<T>(
    word: &str,
    flag: &str,
    from: fn(&str) -> Option<T>,
    all: impl Iterator<Item = &'static str>,
) -> Result<T, CliError> {
    from(word).ok_or_else(|| {
        let all: Vec<_> = all.collect();
        CliError::Usage(format!("{flag}: {word:?} is none of {}", all.join(", ")))
    })
}

/// As an import reads it, with what was typed and what was repaired in it.
fn target(text: &str, flag: &str) -> Result<TypedTarget, CliError> {
    typed(text).map_err(|error| CliError::Usage(format!("{flag}: {text:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;

    fn in_register() -> Held {
        Held {
            request: request(),
            digest: vec![7; 32],
            state: "active".to_owned(),
            erased: Vec::new(),
            existence: v1::DisclosureTier::Unspecified,
            existence_until_s: 0,
        }
    }

    fn request() -> v1::Request {
        let target = target("192.0.2.7", "").unwrap().target;
        v1::Request {
            id: "req-7".into(),
            version: 1,
            task: Some(v1::Task {
                targets: vec![target],
                effective_until_s: 100,
                ..v1::Task::default()
            }),
            ..v1::Request::default()
        }
    }

    fn amended(change: impl FnOnce(&mut Amend)) -> Result<v1::Task, String> {
        Ok(whole(change)?.task.unwrap_or_default())
    }

    fn whole(change: impl FnOnce(&mut Amend)) -> Result<v1::Request, String> {
        let mut args = Amend::default();
        change(&mut args);
        let mut request = request();
        args.change(&mut request, 1_768_478_400).map_err(|error| error.to_string())?;
        Ok(request)
    }

    #[test]
    fn a_file_is_the_one_that_was_sent_or_amends_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("req-7.toml");
        // Its last line does not end, as one that was cut off.
        let text = "[[request]]\nid = \"req-7\"\ninstrument = \"police_request\"\nform = \"email\"\n\
                    from = \"2026-01-01T00:00:00Z\"\noutcome_only = true\nterritories = [\"DE\"]\n\
                    targets = [\"ip:192.0.2.7\"]";
        std::fs::write(&path, text).unwrap();
        let read = |rows, sha256: Option<&str>| {
            let sent = Sent { rows, sha256: sha256.map(str::to_owned) };
            in_file(&path, &sent, in_register()).map(|_| ()).map_err(|error| error.to_string())
        };
        let whole = words::hex(&digest(text.as_bytes()));
        let other = "0".repeat(64);
        assert!(
            read(None, None).unwrap_err().contains("--sha256"),
            "the remedy is there to be used"
        );
        assert_eq!(read(None, Some(&whole)), Ok(()));
        assert_eq!(read(Some(1), Some(&whole)), Ok(()));
        assert!(read(Some(2), Some(&whole)).unwrap_err().contains("--rows states 2"));
        assert!(read(None, Some(&other)).unwrap_err().contains("not the one that --sha256 states"));
    }

    #[test]
    fn a_file_with_other_requests_says_which_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("req-7.toml");
        let newest = in_register();
        let refused = |ids: &[&str]| {
            let one = |id: &&str| {
                format!(
                    "[[request]]\nid = \"{id}\"\ninstrument = \"police_request\"\nform = \"email\"\n\
                     from = \"2026-01-01T00:00:00Z\"\noutcome_only = true\nterritories = [\"DE\"]\n\
                     targets = [\"ip:192.0.2.7\"]\n"
                )
            };
            std::fs::write(&path, ids.iter().map(one).collect::<String>()).unwrap();
            in_file(&path, &Sent::default(), newest.clone()).unwrap_err().to_string()
        };
        let two = refused(&["req-7", "req-8"]);
        let one_at_a_time = "it holds 2 requests (req-7, req-8), and one is amended at a time; leave all but \
                             req-7 out of the file, or enter it as a whole: remit requests import";
        assert!(two.ends_with(one_at_a_time), "{two}");
        let many = refused(&["a", "b", "c", "d", "e", "f", "g"]);
        assert!(many.contains("7 requests (a, b, c, d, e and 2 more)"), "{many}");
        let other = refused(&["req-8"]);
        assert!(other.contains("it holds req-8, and req-7 is to be amended"), "{other}");
    }

    #[test]
    fn how_a_time_was_written_goes_with_the_time() {
        let mut request = request();
        for field in ["from", "until"] {
            request
                .time_notes
                .push(v1::TimeNote { field: field.into(), ..v1::TimeNote::default() });
        }
        let args = Amend { until: Some("2026-12-31T00:00:00Z".into()), ..Amend::default() };
        args.change(&mut request, 1_768_478_400).unwrap();
        let left: Vec<&str> = request.time_notes.iter().map(|note| note.field.as_str()).collect();
        assert_eq!(left, ["from"]);
    }

    /// DOMAIN.md 3f, "Time zones" and "Date-only end".
    #[test]
    fn a_date_is_one_of_the_authority_and_an_end_says_which_day_it_means() {
        let amended = |zone: &str, change: &dyn Fn(&mut Amend)| {
            let mut request = v1::Request {
                time_zone: zone.into(),
                time_assumption:
                    "times read in Europe/Berlin; an end date is the last day in force".into(),
                ..request()
            };
            let mut args = Amend::default();
            change(&mut args);
            args.change(&mut request, 1_768_478_400).map(|_| request).map_err(|e| e.to_string())
        };
        let until = |zone, end: Option<&str>| {
            amended(zone, &|args| {
                args.until = Some("2026-06-30".into());
                args.end_date = end.map(str::to_owned);
            })
        };
        let end =
            |request: &v1::Request| time::utc(request.task.as_ref().unwrap().effective_until_s);
        let last = until("Europe/Berlin", Some("last_day")).unwrap();
        assert_eq!(end(&last), "2026-06-30T22:00:00Z");
        let removal = until("Europe/Berlin", Some("removal_day")).unwrap();
        assert_eq!(end(&removal), "2026-06-29T22:00:00Z");
        assert_eq!(
            removal.time_assumption,
            "times read in Europe/Berlin; an end date is the day of removal"
        );
        assert_eq!(removal.time_notes.last().unwrap().written, "2026-06-30");
        let unsaid = until("Europe/Berlin", None).unwrap_err();
        assert!(unsaid.contains("--end-date last_day or --end-date removal_day"), "{unsaid}");
        let nowhere = until("", Some("last_day")).unwrap_err();
        assert!(nowhere.contains("2026-06-30T00:00:00+01:00"), "{nowhere}");
        let begins =
            amended("Europe/Berlin", &|args| args.implement_by = Some("2026-06-30".into()));
        let by_s = begins.unwrap().task.unwrap().implement_by_s;
        assert_eq!(time::utc(by_s), "2026-06-29T22:00:00Z");
    }

    /// What findings about entries ask for.
    #[test]
    fn what_a_file_lacks_can_be_said_later() {
        let amended = whole(|a| {
            a.number = Some("4 K 17/26".into());
            a.reasons = Some("counterfeit goods".into());
            a.language = Some("de".into());
            a.redress = vec!["objection within a month".into()];
            a.report_to = Some("Media authority".into());
            a.report_sent = Some("2026-01-20T00:00:00Z".into());
        });
        let amended = amended.unwrap();
        let deed = amended.authorisation.unwrap();
        assert_eq!(
            (deed.external_ref.as_str(), deed.statement_of_reasons.as_str()),
            ("4 K 17/26", "counterfeit goods")
        );
        let came = amended.notification.unwrap();
        assert_eq!(
            (came.language.as_str(), came.redress[0].route.as_str()),
            ("de", "objection within a month")
        );
        let report = came.report_effect_to.unwrap();
        assert_eq!(
            (report.authority.as_str(), report.sent_at_s),
            ("Media authority", 1_768_867_200)
        );
        let refused = whole(|a| a.report_sent = Some("2026-01-20T00:00:00Z".into())).unwrap_err();
        assert!(refused.contains("asks for no report"), "{refused}");
    }

    #[test]
    fn issuer_law_competence_and_elements_are_said_one_by_one() {
        let amended = whole(|a| {
            a.authority = vec!["name=Landgericht".into(), "country=DE".into()];
            a.legal_basis = vec!["UrhG, section 97".into()];
            a.competence = Some("competent,by=person-7".into());
            a.validity = vec!["redress=absent,by=person-8".into(), "redress=present".into()];
        });
        let amended = amended.unwrap();
        let deed = amended.authorisation.unwrap();
        let issuer = deed.authority.unwrap();
        assert_eq!((issuer.name.as_str(), issuer.country.as_str()), ("Landgericht", "DE"));
        assert_eq!(deed.legal_provisions[0].instrument, "UrhG, section 97");
        let check = deed.competence_check.unwrap();
        assert_eq!(check.result(), v1::CompetenceResult::Competent);
        assert_eq!(check.verified_by.unwrap().person, "person-7");
        let [item] = amended.validity.as_slice() else { panic!("the newer finding of an element") };
        assert_eq!((item.state(), item.at_s), (v1::ValidityState::Present, 1_768_478_400));
        for (change, want) in [
            (Amend { authority: vec!["judge=X".into()], ..Amend::default() }, "is none of id="),
            (Amend { competence: Some("yes".into()), ..Amend::default() }, "is none of competent"),
            (Amend { validity: vec!["redress".into()], ..Amend::default() }, "is none of present"),
            (
                Amend { validity: vec!["redress=absent,by=Erika M.".into()], ..Amend::default() },
                "never a name",
            ),
        ] {
            let refused = change.change(&mut request(), 0).unwrap_err().to_string();
            assert!(refused.contains(want) && !refused.contains("Erika"), "{refused}");
        }
    }

    #[test]
    fn what_is_said_changes_and_nothing_else() {
        assert_eq!(amended(|_| {}).unwrap(), request().task.unwrap());
        let task = amended(|a| a.until = Some("never".into())).unwrap();
        assert_eq!(task.effective_until_s, 0);
        let task = amended(|a| a.add_target = vec!["example.org".into()]).unwrap();
        assert_eq!(task.targets.len(), 2);
        let task = amended(|a| {
            a.remove_target = vec!["ip:192.0.2.7".into()];
            a.add_target = vec!["192.0.2.8".into()];
        })
        .unwrap();
        let values: Vec<_> = task.targets.iter().map(|t| t.target.clone().unwrap().value).collect();
        assert_eq!(values, ["192.0.2.8"]);
    }

    #[test]
    fn what_was_typed_is_on_record_with_what_was_repaired_in_it() {
        let newest = in_register();
        let add_target = [".Example.ORG", "domain_exact:xn--pypal-4ve.example", "192.0.2.7/32"];
        let add_target = add_target.map(str::to_owned).to_vec();
        let amend = Amend { add_target, ..Amend::default() };
        let Next { request, import, said } = amend.changed(&newest, 0).unwrap();
        let targets = request.task.unwrap().targets;
        let told: Vec<_> = targets.iter().map(|t| (t.raw.as_str(), t.repair.as_str())).collect();
        let dot = "leading dot read as \"the name and everything below it\"";
        assert_eq!(
            told,
            [("", ""), (".Example.ORG", dot), ("", "")],
            "and 192.0.2.7 was there already"
        );
        assert_eq!((import.rows_read, import.rows_repaired), (1, 1));
        assert_eq!(
            said,
            [
                format!("repaired: --add-target: \".Example.ORG\": {dot}"),
                "note: xn--pypal-4ve.example mixes Cyrillic and Latin in one label".to_owned(),
            ]
        );
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        let refused = amended(|a| a.remove_target = vec!["192.0.2.9".into()]).unwrap_err();
        assert!(refused.contains("is no target of the request"), "{refused}");
        let refused = amended(|a| a.techniques = vec!["nxdomain".into()]).unwrap_err();
        assert!(refused.contains("is no technique"), "{refused}");
    }

    #[test]
    fn windows_end_with_their_request_and_none_is_left_out_silently() {
        let until = |text: &str| {
            let args = Amend { until: Some(text.to_owned()), ..Amend::default() };
            let windows =
                [(100, 200), (300, 400)].map(|(from_s, until_s)| v1::Window { from_s, until_s });
            let mut request = request();
            request.task.as_mut().unwrap().windows = windows.into();
            let told = args.change(&mut request, 1_000).map_err(|error| error.to_string())?;
            let windows = request.task.unwrap_or_default().windows;
            let bounds = windows.iter().map(|window| (window.from_s, window.until_s));
            Ok::<_, String>((bounds.collect::<Vec<_>>(), told.notes.join("; ")))
        };
        let (cut, note) = until("1970-01-01T00:05:50Z").unwrap();
        assert_eq!(cut, [(100, 200), (300, 350)]);
        assert!(note.contains("the last one ends 1970-01-01T00:05:50Z"), "{note}");
        assert_eq!(until("1970-01-01T00:04:00Z").unwrap().0, [(100, 200)]);
        assert_eq!(until("never").unwrap().0, [(100, 200), (300, 400)]);
        let refused = until("1970-01-01T00:01:00Z").unwrap_err();
        assert!(refused.contains("none of its windows"), "a request without windows always holds");
    }
}
