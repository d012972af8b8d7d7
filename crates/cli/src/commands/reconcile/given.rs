//! The authority's own file, whatever its form.

use std::path::Path;

use register::{
    import::{Action, Imported, Mapping, Purpose, RowReport, list_from_rpz},
    list::{ListFile, from_lines},
    reconcile::{Authority, List, Says, Totals, listed, of_list},
};

use super::digest;
use crate::{
    cli::{Reconcile, ReconcileForm, RequestsForm, Sent},
    commands::requests::{form_by_name, read_form},
    exit::{CliError, chain},
    home,
    words::count,
};

/// What was read, and from what.
pub(super) struct Given {
    pub(super) authority: Authority,
    pub(super) file: String,
    pub(super) form: &'static str,
    pub(super) digest: [u8; 32],
    pub(super) mapping_digest: Option<[u8; 32]>,
    pub(super) rows: u64,
    pub(super) repaired: u64,
    pub(super) refused: Vec<String>,
}

impl Given {
    #[cfg(test)]
    pub(super) fn of(authority: Authority, refused: Vec<String>) -> Self {
        Self {
            authority,
            file: "list.csv".to_owned(),
            form: "csv",
            digest: digest(b""),
            mapping_digest: None,
            rows: refused.len() as u64 + 1,
            repaired: 0,
            refused,
        }
    }

    /// Its entries, which move into the comparison.
    pub(super) fn take(&mut self) -> Authority {
        let mut authority = std::mem::replace(&mut self.authority, Authority::from(Vec::new()));
        if let Authority::List(list) = &mut authority {
            list.refused = self.refused.len() as u64;
        }
        authority
    }
}

pub(super) fn read(args: &Reconcile, at_s: i64) -> Result<Given, CliError> {
    let bytes = home::read_at_most(&args.list, home::LIST_SIZE_MAX)?;
    let sent = Sent { rows: None, sha256: args.sha256.clone() };
    sent.check_digest(&args.list, &bytes)?;
    let ended = sent.ended(&bytes, None);
    let mapping = args.mapping.as_deref().map(home::read_text).transpose()?;
    let named = args.mapping.as_deref().zip(mapping.as_deref());
    let wrong = |why: String| CliError::Malformed(format!("{}: {why}", args.list.display()));
    let unmapped = |form: &str| match named {
        Some(_) => Err(CliError::Usage(format!("--mapping: {form} needs none; leave it out"))),
        None => Ok(()),
    };
    let (form, authority, report) = match args.format {
        Some(ReconcileForm::Totals) => {
            unmapped("totals")?;
            let totals: Totals = serde_json::from_slice(&bytes).map_err(|error| {
                wrong(format!("{error}; want {{\"requests\": 94, \"targets\": 3725}}"))
            })?;
            if totals.requests.is_none() && totals.targets.is_none() {
                return Err(wrong("it gives neither requests nor targets".to_owned()));
            }
            ("totals", Authority::Totals(totals), Vec::new())
        }
        Some(ReconcileForm::Lines) => {
            unmapped("lines")?;
            of_file("lines", from_lines(&ended).map_err(|error| wrong(chain(&error)))?)
        }
        // A zone is a list here: nobody has to say under which request.
        Some(ReconcileForm::Rpz) => {
            unmapped("rpz")?;
            of_file("rpz", list_from_rpz(&ended).map_err(|error| wrong(chain(&error)))?)
        }
        Some(ReconcileForm::Toml) => requests(args, &bytes, RequestsForm::Toml, named, at_s)?,
        Some(ReconcileForm::Json) => requests(args, &bytes, RequestsForm::Json, named, at_s)?,
        Some(ReconcileForm::Csv) => requests(args, &bytes, RequestsForm::Csv, named, at_s)?,
        Some(ReconcileForm::RknCsv) => requests(args, &bytes, RequestsForm::RknCsv, named, at_s)?,
        Some(ReconcileForm::RknXml) => requests(args, &bytes, RequestsForm::RknXml, named, at_s)?,
        None => {
            let form = form_by_name(&args.list, named.is_some())?;
            requests(args, &bytes, form, named, at_s)?
        }
    };
    let is_repaired = |row: &&RowReport| matches!(row.action, Action::Repaired(_));
    let is_refused = |row: &&RowReport| matches!(row.action, Action::Refused(_));
    let refused: Vec<String> = report.iter().filter(is_refused).map(ToString::to_string).collect();
    if !refused.is_empty() && refused.len() == report.len() {
        return Err(wrong(none_read(&refused)));
    }
    Ok(Given {
        authority,
        file: args.list.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        form,
        digest: digest(&bytes),
        mapping_digest: mapping.as_deref().map(|text| digest(text.as_bytes())),
        rows: report.len() as u64,
        repaired: report.iter().filter(is_repaired).count() as u64,
        refused,
    })
}

/// Why nothing is compared: it would say of everything in the register that the list does not name it.
fn none_read(refused: &[String]) -> String {
    let mut text = format!(
        "none of its {} could be read, and nothing is compared with them:",
        count(refused.len() as u64, "row", "rows")
    );
    for row in refused.iter().take(REFUSED_TOLD_MAX) {
        text.push_str("\n  ");
        text.push_str(row);
    }
    let more = refused.len().saturating_sub(REFUSED_TOLD_MAX);
    if more > 0 {
        text.push_str(&format!("\n  and {}", count(more as u64, "more row", "more rows")));
    }
    text
}

/// What is wrong with all rows is mostly one thing.
const REFUSED_TOLD_MAX: usize = 10;

type Read = (&'static str, Authority, Vec<RowReport>);

fn of_file(form: &'static str, file: ListFile) -> Read {
    (form, Authority::from(of_list(&file)), file.report)
}

fn requests(
    args: &Reconcile,
    bytes: &[u8],
    form: RequestsForm,
    mapping: Option<(&Path, &str)>,
    at_s: i64,
) -> Result<Read, CliError> {
    let sent = Sent { rows: None, sha256: args.sha256.clone() };
    let purpose = Purpose::Compare;
    let Imported { requests, report, .. } =
        read_form(&args.list, bytes, Some(form), mapping, &sent, purpose)?;
    let list = List::of(listed(&requests, at_s));
    let (word, says) = match form {
        RequestsForm::Toml => ("toml", list.says),
        RequestsForm::Json => ("json", list.says),
        RequestsForm::Rpz => ("rpz", list.says),
        // What the constants say of all rows is no word of the list.
        RequestsForm::Csv => {
            let mapping = mapping.and_then(|(_, text)| Mapping::parse(text).ok());
            let has = |key: &str| mapping.as_ref().is_some_and(|mapping| mapping.has_column(key));
            ("csv", Says { from: has("from"), until: has("until") || has("max_duration") })
        }
        // It has the dates of the decisions.
        RequestsForm::RknCsv => ("rkn-csv", Says { from: false, until: false }),
        RequestsForm::RknXml => ("rkn-xml", Says { from: true, until: false }),
    };
    Ok((word, Authority::List(List { says, ..list }), report))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::words;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        reconcile: Reconcile,
    }

    fn given(path: &Path, more: &[&str]) -> Result<Given, String> {
        let typed = ["remit", "--authority", "a", "--list", path.to_str().unwrap()];
        let Typed { reconcile } = Typed::parse_from(typed.into_iter().chain(more.iter().copied()));
        super::read(&reconcile, 0).map_err(|error| error.to_string())
    }

    const MAPPING: &str = "[columns]\nid = \"No\"\nuntil = \"End\"\n[[targets]]\ncolumn = \"Name\"\n\
                           kind = \"domain_exact\"\n[constants]\ninstrument = \"regulator_order\"\n\
                           form = \"portal_list\"\nfrom = \"2026-01-01T00:00:00Z\"\n";

    #[test]
    fn a_list_of_which_no_row_can_be_read_is_compared_with_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (list, mapping) = (dir.path().join("list.csv"), dir.path().join("mapping.toml"));
        std::fs::write(&mapping, MAPPING).unwrap();
        let read = |rows: &str| {
            std::fs::write(&list, format!("No,Name,End\n{rows}")).unwrap();
            given(&list, &["--mapping", mapping.to_str().unwrap()])
        };
        let bad: String = (1..=12).map(|row| format!("r/{row},m{row}..example,\n")).collect();
        let refused = read(&bad).err().unwrap();
        for said in
            ["none of its 12 rows could be read", "line 2, r/1: refused: ", "and 2 more rows"]
        {
            assert!(refused.contains(said), "{said}: {refused}");
        }
        let part = read("r/1,m1.example,\nr/2,m2..example,\n").ok().unwrap();
        assert_eq!((part.rows, part.refused.len()), (2, 1));
        let mut part = part;
        let Authority::List(list) = part.take() else { panic!("a list") };
        assert_eq!((list.items.len(), list.refused), (1, 1));
        assert!(read("").is_ok(), "a list may be empty");
    }

    #[test]
    fn the_form_is_named_and_says_which_bounds_the_list_has() {
        let dir = tempfile::tempdir().unwrap();
        let (list, mapping) = (dir.path().join("list.csv"), dir.path().join("mapping.toml"));
        std::fs::write(&mapping, MAPPING).unwrap();
        std::fs::write(&list, "No,Name,End\nr/1,m1.example,\n").unwrap();
        let mut read = given(&list, &["--mapping", mapping.to_str().unwrap()]).ok().unwrap();
        assert_eq!(read.form, "csv");
        let Authority::List(List { says, .. }) = read.take() else { panic!("a list") };
        // A constant is no column, and a column without a value is one.
        assert_eq!(says, Says { from: false, until: true });
    }

    #[test]
    fn a_list_is_the_one_that_was_sent_or_is_not_compared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.txt");
        std::fs::write(&path, "a.example\nb.example").unwrap();
        let read = |sha256: Option<&str>| {
            let path = path.to_str().unwrap();
            let typed = ["remit", "--authority", "a", "--format", "lines", "--list", path];
            let stated = sha256.map(|sha256| ["--sha256", sha256]);
            let Typed { reconcile } =
                Typed::parse_from(typed.into_iter().chain(stated.into_iter().flatten()));
            super::read(&reconcile, 0).map(|given| given.rows).map_err(|error| error.to_string())
        };
        let cut = read(None).unwrap_err();
        assert!(cut.contains("ends inside a line") && cut.contains("--sha256"), "{cut}");
        assert_eq!(read(Some(&words::hex(&digest(b"a.example\nb.example")))), Ok(2));
        let other = read(Some(&words::hex(&digest(b"a.example\nb.example.org\n")))).unwrap_err();
        assert!(other.contains("and not the one that --sha256 states"), "{other}");
        let mistyped = read(Some("ab")).unwrap_err();
        assert!(mistyped.contains("not 64 hex digits"), "{mistyped}");
    }
}
