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
    commands::requests::read_form_of,
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
    let Imported { requests, report, .. } = read_form_of(&args.list, bytes, form, mapping, &sent)?;
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
