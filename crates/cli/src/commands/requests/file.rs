//! A file of requests, in one of its forms.

use std::path::Path;

use register::import::{
    ImportError, Imported, Mapping, Purpose, Settings, csv_for, from_rkn_csv, from_rkn_xml,
    from_rpz, json_for, toml_for,
};

use crate::{
    cli::{Import, RequestsForm, Sent},
    commands::whole::check_digest,
    exit::{CliError, chain},
    home,
};

pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) imported: Imported,
    /// Empty if there is no mapping.
    pub(super) mapping_digest: Vec<u8>,
}

pub(super) fn read(args: &Import) -> Result<File, CliError> {
    let bytes = home::read_at_most(&args.file, home::LIST_SIZE_MAX)?;
    args.sent.check_digest(&args.file, &bytes)?;
    let mapping = args.mapping.as_deref().map(home::read_text).transpose()?;
    if let (Some(path), Some(text)) = (&args.mapping, &mapping) {
        check_digest(path, text.as_bytes(), args.mapping_sha256.as_deref(), "--mapping-sha256")?;
    }
    let mapping_digest = mapping.as_deref().map(|text| super::digest(text.as_bytes()));
    let mapping = args.mapping.as_deref().zip(mapping.as_deref());
    let imported = read_form(&args.file, &bytes, args.format, mapping, &args.sent, Purpose::Enter)?;
    args.sent.check_rows(&args.file, imported.report.len())?;
    Ok(File { bytes, imported, mapping_digest: mapping_digest.unwrap_or_default() })
}

/// Reads a file in the form that is named, or else in the one that its name ends in. `sent`: what was stated of the
/// file, and has been compared with it.
pub(in crate::commands) fn read_form(
    file: &Path,
    bytes: &[u8],
    form: Option<RequestsForm>,
    mapping: Option<(&Path, &str)>,
    sent: &Sent,
    purpose: Purpose,
) -> Result<Imported, CliError> {
    let wrong = |file: &Path, error: ImportError| {
        CliError::Malformed(format!("{}: {}", file.display(), chain(&error)))
    };
    let form = match form {
        Some(form) => form,
        None => form_by_name(file, mapping.is_some())?,
    };
    let no_mapping = || match mapping {
        None => Ok(()),
        Some(_) => Err(CliError::Usage(format!(
            "--mapping: {} says itself what its keys mean; leave it out",
            file.display()
        ))),
    };
    let settings = || match mapping {
        None => Ok(Settings::default()),
        Some((path, text)) => Settings::parse(text)
            .map(|settings| settings.for_purpose(purpose))
            .map_err(|error| wrong(path, error)),
    };
    let mut columns = None;
    if let (RequestsForm::Csv, Some((path, text))) = (form, mapping) {
        columns = Some(Mapping::parse(text).map_err(|error| wrong(path, error))?);
    }
    let ended = sent.ended(bytes, columns.as_ref());
    let bytes = &*ended;
    let imported = match form {
        RequestsForm::Toml => {
            no_mapping().and(text(file, bytes)).map(|text| toml_for(text, purpose))?
        }
        RequestsForm::Json => {
            no_mapping().and(text(file, bytes)).map(|text| json_for(text, purpose))?
        }
        RequestsForm::Csv => {
            let Some(mapping) = &columns else { return Err(no_form(file)) };
            csv_for(bytes, mapping, purpose)
        }
        RequestsForm::Rpz => from_rpz(bytes, &settings()?),
        RequestsForm::RknCsv => from_rkn_csv(bytes, &settings()?),
        RequestsForm::RknXml => from_rkn_xml(bytes, &settings()?),
    };
    imported.map_err(|error| wrong(file, error))
}

pub(in crate::commands) fn form_by_name(
    file: &Path,
    has_mapping: bool,
) -> Result<RequestsForm, CliError> {
    let is = |end: &str| file.extension().is_some_and(|e| e.eq_ignore_ascii_case(end));
    if is("toml") {
        Ok(RequestsForm::Toml)
    } else if is("json") {
        Ok(RequestsForm::Json)
    } else if has_mapping {
        Ok(RequestsForm::Csv)
    } else {
        Err(no_form(file))
    }
}

fn no_form(file: &Path) -> CliError {
    CliError::Usage(format!(
        "{}: what its columns mean is not known; give --mapping, or a .toml file, or say its --format",
        file.display()
    ))
}

fn text<'b>(file: &Path, bytes: &'b [u8]) -> Result<&'b str, CliError> {
    std::str::from_utf8(bytes)
        .map_err(|_| CliError::Malformed(format!("{}: not UTF-8 text", file.display())))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// What the help prints between two of its lines, as a file.
    fn example(from: &str, to: &str) -> String {
        let mut cli = crate::cli::Cli::command();
        let requests = cli.find_subcommand_mut("requests").unwrap();
        let help = requests.find_subcommand_mut("import").unwrap().get_after_help().unwrap();
        let help = help.to_string();
        let lines = help.lines().skip_while(|line| !line.starts_with(from)).skip(1);
        let lines = lines.take_while(|line| !line.starts_with(to));
        lines.map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned() + "\n").collect()
    }

    #[test]
    fn the_examples_of_the_help_are_read_as_they_are_printed() {
        let mapping = example("A .csv file needs a --mapping", "A .json file");
        assert!(mapping.contains("[constants]"), "{mapping}");
        let table = "No;Blocked from;State;Resource;Kind\n\
                     27 31;31.01.2026;in force;a.example|b.example;Domain\n\
                     27 32;01.02.2026;pending;https://c.example/page;Page\n\
                     27 33;01.02.2026;;192.0.2.7;Address\n";
        let requests = example("A .toml file holds requests", "A .csv file");
        let path = Path::new("mapping.toml");
        let sent = Sent { rows: None, sha256: None };
        for (form, bytes, mapping, rows) in [
            (RequestsForm::Csv, table, Some((path, mapping.as_str())), 3),
            (RequestsForm::Toml, requests.as_str(), None, 1),
        ] {
            let file = Path::new("file");
            let read =
                read_form(file, bytes.as_bytes(), Some(form), mapping, &sent, Purpose::Enter);
            let read = read.unwrap_or_else(|error| panic!("{form:?}: {error}"));
            let refused: Vec<String> = read.report.iter().map(ToString::to_string).collect();
            assert_eq!((read.accepted_count(), read.refused_count()), (rows, 0), "{refused:?}");
        }
    }

    #[test]
    fn a_file_that_is_proven_whole_needs_no_line_end() {
        let requests = "[[request]]\nid = \"a\"";
        let zone = "[constants]\nid = \"a\"\n";
        let csv =
            "[columns]\nid = \"id\"\n[[targets]]\ncolumn = \"name\"\nkind = \"domain_exact\"\n";
        let utf_16 = format!("encoding = \"utf-16le\"\n{csv}");
        let table = "id,name\na,a.example";
        let wide: Vec<u8> = table.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mapping = Path::new("mapping.toml");
        let cases = [
            (RequestsForm::Toml, requests.as_bytes(), None),
            (RequestsForm::Rpz, b"a.example CNAME .".as_slice(), Some(zone)),
            (RequestsForm::Csv, table.as_bytes(), Some(csv)),
            (RequestsForm::Csv, wide.as_slice(), Some(utf_16.as_str())),
        ];
        for (form, bytes, text) in cases {
            let read = |sha256: Option<String>| {
                let sent = Sent { rows: None, sha256 };
                let mapping = text.map(|text| (mapping, text));
                let read =
                    read_form(Path::new("f"), bytes, Some(form), mapping, &sent, Purpose::Enter);
                match read {
                    Err(error) => error.to_string(),
                    Ok(imported) => imported.report.iter().map(ToString::to_string).collect(),
                }
            };
            // Of the row something else is missing: that is told then, and it was read to its end.
            let (before, now) = (read(None), read(Some(String::new())));
            assert!(before.contains("--sha256"), "{form:?}: {before}");
            assert!(now.contains("instrument") && !now.contains("line end"), "{form:?}: {now}");
        }
    }
}
