//! `remit requests`: entering, changing and reading the register of authorised requests.
//!
//! | File | What |
//! |---|---|
//! | `file` | a file in one of its forms → requests |
//! | here | requests of a file → one import |
//! | `enter` | whatever is entered: previewed, signed, sent, waited for |
//! | `quick` | one provisional request, at two in the morning |
//! | `amend` | the next version of one request |
//! | `export` | requests as a file, for `amend` and for an import |
//! | `lifecycle` | what became of a request, and of a proceeding |
//! | `list`, `show`, `details`, `steps`, `targets` | reading |
//! | `files` | which files were read, and what became of their rows |
//!
//! Promised: whatever enters something can be asked first what it would change of today's verdicts
//! (`--dry-run`); the collector computes that from the same statement.

mod amend;
mod approve;
mod days;
mod details;
mod document;
mod enter;
mod erase;
mod export;
mod file;
mod files;
mod lifecycle;
mod list;
mod quick;
mod show;
mod steps;
mod targets;

use std::{collections::HashSet, path::Path};

use register::import::{Action, Held, Imported, Merged, RowReport, refused_rows};
use remit_proto::v1;
use sha2::{Digest, Sha256};

pub(crate) use self::{
    amend::amend,
    approve::{GiveApproval, RequestsApprove, approve, approved},
    document::{Document, anchors, document},
    erase::{Erase, erase},
    export::export,
    files::files,
    lifecycle::{Stated, change, proceeding},
    list::list,
    quick::quick,
    show::show,
};
pub(super) use self::{
    enter::{hand_in, item_set},
    file::{form_by_name, read_form},
    list::rows,
    targets::complete,
};

use self::{
    enter::{Entered, NEEDS_APPROVAL, enter, enter_requests, enter_requests_with, salt, send},
    file::File,
};
use crate::{
    cli::{Import, Secrecy},
    client::{self, RegisterClient},
    config::Config,
    exit::{CliError, Code},
    output::escape,
    time, words,
};

pub(crate) async fn import(config: &Config, args: &Import) -> Result<Code, CliError> {
    let File { bytes, imported, mapping_digest } = file::read(args)?;
    let imported = imported.received_by(time::now_s());
    if args.dry_run && config.collector().is_err() {
        eprintln!("no collector is known: the file is not compared with a register");
        let merged = imported.merge(&[]);
        tell(&args.file, &merged);
        eprintln!("{}", summary(&merged));
        return Ok(code_of(&merged));
    }
    let mut client = client::register(config).await?;
    let held = newest(&mut client, &imported).await?;
    let merged = imported.merge(&held);
    tell(&args.file, &merged);
    // What was refused of a file is on record, once, also where nothing else of it is new.
    let tells_nothing = merged.refused_count() == 0 || merged.accepted_count() == 0;
    if merged.requests.is_empty()
        && (tells_nothing || files::is_known(&mut client, &digest(&bytes)).await?)
    {
        return finished(&args.file, &merged);
    }
    let import = v1::Import {
        file_digest: digest(&bytes),
        mapping_digest,
        rows_read: merged.report.len() as u64,
        rows_repaired: merged.repaired_count() as u64,
        rows_refused: merged.refused_count() as u64,
        refused: refused_rows(&merged.report, &bytes),
        ..v1::Import::default()
    };
    let now_s = time::now_s();
    args.secrecy.check_all(&held, &merged.requests, now_s)?;
    let import = v1::Import { awaits_approval: args.awaits_approval, ..import };
    let import = args.secrecy.of(import, now_s)?;
    let requests = merged.requests.clone();
    enter_requests(config, &mut client, import, requests, now_s, args.dry_run).await?;
    if args.dry_run {
        eprintln!("{}", summary(&merged));
        return Ok(code_of(&merged));
    }
    eprintln!("{}", summary(&merged));
    Ok(code_of(&merged))
}

impl Secrecy {
    /// Says of an import whether it is a secret that its requests exist.
    fn of(&self, import: v1::Import, now_s: i64) -> Result<v1::Import, CliError> {
        use v1::DisclosureTier as Tier;
        let Self { existence, existence_until } = self;
        let tier = match existence.as_deref().map(|word| (word, register::words::tier_from(word))) {
            None => Tier::Unspecified,
            Some((_, Some(tier @ (Tier::Restricted | Tier::Secret)))) => tier,
            // Said on purpose, where it was secret before.
            Some((_, Some(Tier::Public))) => Tier::Unspecified,
            Some((word, Some(Tier::Unspecified) | None)) => {
                let problem =
                    format!("--existence: {word:?} is none of restricted, secret and public");
                return Err(CliError::Usage(problem));
            }
        };
        let until = existence_until.as_deref();
        let until_s =
            until.map(|text| time::parse(text, "--existence-until", now_s)).transpose()?;
        let existence_until_s = until_s.filter(|_| tier != Tier::Unspecified).unwrap_or_default();
        Ok(v1::Import { existence: tier.into(), existence_until_s, ..import })
    }

    /// The same of the next version of a request: where nothing is said, what was said of the one before goes on.
    fn of_next(&self, held: &Held, import: v1::Import, now_s: i64) -> Result<v1::Import, CliError> {
        if self.existence.is_some() || !is_hidden(held, now_s) {
            return self.of(import, now_s);
        }
        eprintln!(
            "{}: that it exists stays {}, as it was",
            held.request.id,
            register::words::tier(held.existence)
        );
        let (existence, existence_until_s) = (held.existence.into(), held.existence_until_s);
        Ok(v1::Import { existence, existence_until_s, ..import })
    }

    /// And of many: they have one word in common, which must be said.
    fn check_all(&self, held: &[Held], next: &[v1::Request], now_s: i64) -> Result<(), CliError> {
        let hidden = held.iter().find(|held| {
            is_hidden(held, now_s) && next.iter().any(|next| next.id == held.request.id)
        });
        let Some(hidden) = hidden.filter(|_| self.existence.is_none()) else { return Ok(()) };
        Err(CliError::Usage(format!(
            "--existence: that {} exists is {}, and its next version would make it public; say --existence again, or --existence public, or \
             enter it apart with remit requests amend {} --file FILE",
            hidden.request.id,
            register::words::tier(hidden.existence),
            hidden.request.id
        )))
    }
}

/// A version that waits for a second person, and is not less secret than the one that counts: it may never count.
fn as_secret_as(mut waiting: v1::RequestRow, counts: &v1::RequestRow) -> v1::RequestRow {
    let now_s = time::now_s();
    let lasts = |row: &v1::RequestRow| is_secret(row.existence(), row.existence_until_s, now_s);
    if lasts(counts) && !lasts(&waiting) {
        (waiting.existence, waiting.existence_until_s) =
            (counts.existence, counts.existence_until_s);
    }
    waiting
}

fn is_hidden(held: &Held, now_s: i64) -> bool {
    is_secret(held.existence, held.existence_until_s, now_s)
}

/// And not any more once its time is over; 0: without end.
fn is_secret(tier: v1::DisclosureTier, until_s: i64, now_s: i64) -> bool {
    tier != v1::DisclosureTier::Unspecified && (until_s == 0 || now_s < until_s)
}

/// Whether the register takes the next version of a request; what there is to say of it is said.
fn check_next(next: &v1::Request, before: &Held) -> Result<(), CliError> {
    let id = &next.id;
    let wrong = |error: &dyn std::fmt::Display| CliError::Usage(format!("{id}: {error}"));
    let next = register::Request::try_from(next.clone())
        .map_err(|error| wrong(&error.in_words_of_a_file()))?;
    let before = register::Request::try_from(before.request.clone()).ok();
    if let Some(refused) = next.refused_after(before.as_ref()) {
        return Err(wrong(&refused));
    }
    let received = |request: &register::Request| request.received_at_s;
    let is_new = before.as_ref().is_none_or(|before| received(before) != received(&next));
    if let Some(ahead) = next.received_ahead_of(time::now_s()).filter(|_| is_new) {
        return Err(wrong(&ahead));
    }
    let known = before.map(|before| before.intake().noted).unwrap_or_default();
    for note in next.intake().noted.iter().filter(|note| !known.contains(note)) {
        eprintln!("{id}: note: {}", escape(note));
    }
    Ok(())
}

/// The end of an import that enters nothing.
fn finished(file: &Path, merged: &Merged) -> Result<Code, CliError> {
    let summary = summary(merged);
    if merged.accepted_count() == 0 {
        return Err(CliError::Malformed(format!(
            "{}: nothing to enter; {summary}",
            file.display()
        )));
    }
    eprintln!("nothing was entered (the register holds all that was accepted)");
    eprintln!("{summary}");
    Ok(code_of(merged))
}

/// What was refused is missing from the register.
fn code_of(merged: &Merged) -> Code {
    if merged.refused_count() == 0 { Code::Ok } else { Code::Incomplete }
}

/// Every request in the register, in its newest version: one that waits for a second person, too, is what the
/// next one replaces. With all targets of those that are imported.
async fn newest(client: &mut RegisterClient, imported: &Imported) -> Result<Vec<Held>, CliError> {
    let ids: HashSet<&str> = imported.requests.iter().map(|r| r.id.as_str()).collect();
    let (rows, _) = rows(client, v1::ListRequestsRequest::default(), None).await?;
    let mut newest = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.request.as_ref().map(|request| request.id.clone()).unwrap_or_default();
        let row = if row.newer_waits {
            let question = v1::GetRequestRequest { id };
            let waiting = client.get_request(question).await?.into_inner().versions.pop();
            waiting.map(|waiting| as_secret_as(waiting, &row))
        } else {
            Some(row)
        };
        let Some(mut row) = row else { continue };
        if row.request.as_ref().is_some_and(|request| ids.contains(request.id.as_str())) {
            complete(client, &mut row).await?;
        }
        newest.extend(held(row));
    }
    Ok(newest)
}

fn held(row: v1::RequestRow) -> Option<Held> {
    let (erased, existence) = (row.erased().collect(), row.existence());
    let v1::RequestRow { request, state, digest, existence_until_s, .. } = row;
    Some(Held { request: request?, digest, state, erased, existence, existence_until_s })
}

/// Every row that a person should look at, and what the file no longer has.
fn tell(file: &Path, merged: &Merged) {
    tell_rows(&file.display().to_string(), &merged.report);
    if let Some(line) = absent(&merged.absent) {
        eprintln!("{}", escape(&line));
    }
}

/// That a file no longer has a request says nothing of whether it ended.
fn absent(ids: &[String]) -> Option<String> {
    let (shown, rest) = ids.split_at(ids.len().min(ABSENT_SHOWN));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    (!ids.is_empty()).then(|| {
        format!(
            "the register also holds {} of the same authorities that this file does not have: {}{more}. The import \
             changes nothing of them: what is in force stays in force. If the authority has ended one, say so with \
             `remit requests withdraw ID`",
            words::count(ids.len() as u64, "request", "requests"),
            shown.join(", ")
        )
    })
}

fn tell_rows(whose: &str, report: &[RowReport]) {
    for line in told(report) {
        eprintln!("{whose}: {}", escape(&line));
    }
}

/// Lines that one quotation mark swallowed are told as one, however many they are.
fn told(report: &[RowReport]) -> impl Iterator<Item = String> {
    let rows = report.chunk_by(|row, next| row.text_of.is_some() && row.text_of == next.text_of);
    rows.filter_map(|rows| match rows {
        [first, .., last] => {
            Some(format!("lines {}-{} were read as its text", first.line, last.line))
        }
        [row] if row.text_of.is_some() => Some(format!("line {} was read as its text", row.line)),
        [row] => match &row.action {
            Action::Accepted if row.notes.is_empty() => None,
            Action::Accepted | Action::Repaired(_) | Action::Refused(_) => Some(row.to_string()),
        },
        [] => None,
    })
}

/// The last line of an import.
fn summary(merged: &Merged) -> String {
    let Merged { new_count, changed_count, unchanged_count, .. } = merged;
    let rows = merged.report.len();
    // Where many rows make one request, or one row many.
    let of = match merged.accepted_count() {
        requests if requests + merged.refused_count() == rows => String::new(),
        requests => format!(" in {}", words::count(requests as u64, "request", "requests")),
    };
    format!(
        "{}{of}: {} accepted ({new_count} new, {changed_count} changed, {unchanged_count} unchanged and \
         not entered again), {} repaired, {} refused",
        words::count(rows as u64, "row", "rows"),
        merged.accepted_count(),
        merged.repaired_count(),
        merged.refused_count()
    )
}

/// So many ids are named; the list is for a glance.
const ABSENT_SHOWN: usize = 20;

/// A version that waits for a second person.
fn waits(row: &v1::RequestRow) -> bool {
    row.second_person.as_ref().is_some_and(|second| second.approval.is_none())
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

#[cfg(test)]
mod tests {
    use register::import::{Mapping, from_csv};

    use super::*;

    #[test]
    fn that_a_request_exists_is_said_of_its_next_version_as_of_its_first() {
        let secrecy = |tier: &str| Secrecy {
            existence: Some(tier.to_owned()),
            existence_until: Some("2026-02-01T00:00:00Z".to_owned()),
        };
        let import = secrecy("secret").of(v1::Import::default(), 0).unwrap();
        assert_eq!(
            (import.existence(), import.existence_until_s),
            (v1::DisclosureTier::Secret, 1_769_904_000)
        );
        let silent = Secrecy::default().of(v1::Import::default(), 0).unwrap();
        assert_eq!(silent, v1::Import::default());
        let public = secrecy("public").of(v1::Import::default(), 0).unwrap();
        assert_eq!(public.existence(), v1::DisclosureTier::Unspecified);
        assert!(secrecy("hidden").of(v1::Import::default(), 0).is_err());
        let held = |existence, existence_until_s| Held {
            request: v1::Request { id: "req-7".to_owned(), ..v1::Request::default() },
            digest: Vec::new(),
            state: String::new(),
            erased: Vec::new(),
            existence,
            existence_until_s,
        };
        let of_next = |said: &Secrecy, held: &Held| {
            let import = said.of_next(held, v1::Import::default(), 100).unwrap();
            (import.existence(), import.existence_until_s)
        };
        use v1::DisclosureTier::{Restricted, Secret, Unspecified};
        assert_eq!(of_next(&Secrecy::default(), &held(Secret, 200)), (Secret, 200));
        assert_eq!(of_next(&Secrecy::default(), &held(Secret, 50)), (Unspecified, 0), "over");
        assert_eq!(of_next(&Secrecy::default(), &held(Unspecified, 0)), (Unspecified, 0));
        assert_eq!(of_next(&secrecy("restricted"), &held(Secret, 0)).0, Restricted);
        let (one, next) = (held(Secret, 0), held(Secret, 0).request);
        let refused = Secrecy::default().check_all(&[one], &[next], 100).unwrap_err().to_string();
        assert!(refused.contains("req-7") && refused.contains("secret"), "{refused}");
    }

    #[test]
    fn a_next_version_is_refused_in_the_words_of_commands_and_files_with_both_times() {
        let mapping = "[columns]\nid = \"id\"\n[[targets]]\ncolumn = \"name\"\n\
                       kind = \"domain_exact\"\n[constants]\ninstrument = \"police_request\"\n\
                       form = \"email\"\nfrom = \"2026-03-01T00:00:00Z\"\noutcome_only = true\n\
                       territories = [\"DE\"]\n";
        let mapping = Mapping::parse(mapping).unwrap();
        let read = from_csv(b"id,name\nreq-7,a.example\n", &mapping).unwrap();
        let request = read.requests.into_iter().next().unwrap();
        let held = Held {
            request: request.clone(),
            digest: Vec::new(),
            state: String::new(),
            erased: Vec::new(),
            existence: v1::DisclosureTier::Unspecified,
            existence_until_s: 0,
        };
        let refused = |change: &dyn Fn(&mut v1::Request)| {
            let mut next = v1::Request { version: 2, ..request.clone() };
            change(&mut next);
            check_next(&next, &held).unwrap_err().to_string()
        };
        let early = refused(&|next| {
            next.task.as_mut().unwrap().effective_until_s = 1_769_904_000;
        });
        let both = "req-7: until: 2026-02-01T00:00:00Z is not after from, 2026-03-01T00:00:00Z";
        assert!(early.contains(both), "{early}");
        let far = refused(&|next| next.task.as_mut().unwrap().review_due_s = i64::MAX);
        assert!(far.contains("review_due: outside the years"), "{far}");
    }
    #[test]
    fn what_a_file_does_not_have_is_said_to_stay_in_force() {
        assert_eq!(absent(&[]), None);
        let ids = |count: usize| (0..count).map(|n| format!("r{n}")).collect::<Vec<_>>();
        let two = absent(&ids(2)).unwrap();
        assert!(two.starts_with("the register also holds 2 requests of the same"), "{two}");
        assert!(two.contains("does not have: r0, r1. The import changes nothing of them"), "{two}");
        let many = absent(&ids(ABSENT_SHOWN + 3)).unwrap();
        assert!(many.contains("r19 and 3 more."), "{many}");
    }

    #[test]
    fn what_a_quotation_mark_swallowed_is_told_in_one_line() {
        let mapping =
            "[columns]\nid = \"id\"\n[[targets]]\ncolumn = \"name\"\nkind = \"domain_exact\"\n";
        let rows: String = (0..1_000).map(|n| format!("r{n},x,{n}.example\n")).collect();
        let text = format!("id,why,name\na,\"x,a.example\n{rows}");
        let imported = from_csv(text.as_bytes(), &Mapping::parse(mapping).unwrap()).unwrap();
        assert_eq!(imported.refused_count(), 1_001, "each is counted");
        let told: Vec<String> = told(&imported.report).collect();
        assert_eq!(told[1..], ["lines 3-1002 were read as its text"]);
        assert!(
            told[0].starts_with("line 2, a: refused: a quotation mark opened on line 2"),
            "{told:?}"
        );
    }
}
