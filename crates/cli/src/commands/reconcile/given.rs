//! The authority's own file, whatever its form.

use std::path::Path;

use register::{
    import::{Action, Imported, RowReport, list_from_rpz},
    list::{ListFile, from_lines},
    reconcile::{Authority, Totals, listed, of_list},
};

use super::digest;
use crate::{
    cli::{Reconcile, ReconcileForm, RequestsForm, Sent},
    commands::requests::read_form,
    exit::{CliError, chain},
    home,
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
            rows: 1,
            repaired: 0,
            refused,
        }
    }

    /// Its entries, which move into the comparison.
    pub(super) fn take(&mut self) -> Authority {
        std::mem::replace(&mut self.authority, Authority::Items(Vec::new()))
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
        Some(ReconcileForm::Toml) => requests(args, &bytes, Some(RequestsForm::Toml), named, at_s)?,
        Some(ReconcileForm::Json) => requests(args, &bytes, Some(RequestsForm::Json), named, at_s)?,
        Some(ReconcileForm::Csv) => requests(args, &bytes, Some(RequestsForm::Csv), named, at_s)?,
        Some(ReconcileForm::RknCsv) => {
            requests(args, &bytes, Some(RequestsForm::RknCsv), named, at_s)?
        }
        Some(ReconcileForm::RknXml) => {
            requests(args, &bytes, Some(RequestsForm::RknXml), named, at_s)?
        }
        None => requests(args, &bytes, None, named, at_s)?,
    };
    let is_repaired = |row: &&RowReport| matches!(row.action, Action::Repaired(_));
    let is_refused = |row: &&RowReport| matches!(row.action, Action::Refused(_));
    Ok(Given {
        authority,
        file: args.list.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        form,
        digest: digest(&bytes),
        mapping_digest: mapping.as_deref().map(|text| digest(text.as_bytes())),
        rows: report.len() as u64,
        repaired: report.iter().filter(is_repaired).count() as u64,
        refused: report.iter().filter(is_refused).map(ToString::to_string).collect(),
    })
}

type Read = (&'static str, Authority, Vec<RowReport>);

fn of_file(form: &'static str, file: ListFile) -> Read {
    (form, Authority::Items(of_list(&file)), file.report)
}

fn requests(
    args: &Reconcile,
    bytes: &[u8],
    form: Option<RequestsForm>,
    mapping: Option<(&Path, &str)>,
    at_s: i64,
) -> Result<Read, CliError> {
    let sent = Sent { rows: None, sha256: args.sha256.clone() };
    let Imported { requests, report, .. } = read_form(&args.list, bytes, form, mapping, &sent)?;
    let word = match form {
        Some(RequestsForm::Toml) => "toml",
        Some(RequestsForm::Json) => "json",
        Some(RequestsForm::Csv) => "csv",
        Some(RequestsForm::Rpz) => "rpz",
        Some(RequestsForm::RknCsv) => "rkn-csv",
        Some(RequestsForm::RknXml) => "rkn-xml",
        None => "by name",
    };
    Ok((word, Authority::Items(listed(&requests, at_s)), report))
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
