//! Requests of the register as a file that enters them: to be changed and read again.

use register::import::{Seen, to_json, to_toml};
use remit_proto::v1;

use super::complete;
use crate::{
    cli::{ExportRequests, Format, RequestsText},
    client,
    config::Config,
    exit::CliError,
    home, output,
};

/// For people, who may read it.
const FILE_MODE: u32 = 0o640;

pub(crate) async fn export(
    config: &Config,
    args: &ExportRequests,
    output: Format,
) -> Result<(), CliError> {
    let ExportRequests { ids, format, out } = args;
    let form = form(*format, output)?;
    let mut client = client::register(config).await?;
    let mut requests = Vec::with_capacity(ids.len());
    for id in ids {
        let question = v1::GetRequestRequest { id: id.clone() };
        let v1::GetRequestResponse { versions, completeness, .. } =
            client.get_request(question).await?.into_inner();
        let missing = || CliError::Malformed(format!("{id}: the answer holds no version"));
        let mut newest = versions.into_iter().next_back().ok_or_else(missing)?;
        complete(&mut client, &mut newest).await?;
        let erased = newest.erased().collect();
        let request = newest.request.ok_or_else(missing)?;
        let is_veiled = completeness.is_some_and(|answer| answer.veiled_requests > 0);
        requests.push(Seen { request, erased, is_veiled });
    }
    let text = match form {
        RequestsText::Toml => to_toml(&requests),
        RequestsText::Json => {
            let wrong = |error| CliError::Malformed(format!("no JSON can be made of it: {error}"));
            to_json(&requests).map_err(wrong)? + "\n"
        }
    };
    match out {
        Some(path) => home::write_new(path, text.as_bytes(), FILE_MODE),
        None => output::write(text.as_bytes()),
    }
}

/// The answer is the file itself. It comes whole: an object for each line, or a table for a spreadsheet, would enter
/// nothing.
fn form(format: Option<RequestsText>, output: Format) -> Result<RequestsText, CliError> {
    match (output, format) {
        (Format::Table, format) => Ok(format.unwrap_or(RequestsText::Toml)),
        (Format::Json, None | Some(RequestsText::Json)) => Ok(RequestsText::Json),
        (Format::Json, Some(RequestsText::Toml)) => Err(CliError::Usage(
            "--output json and --format toml are two forms of one file; leave one of them out"
                .to_owned(),
        )),
        (Format::Jsonl | Format::Csv, _) => Err(CliError::Usage(
            "--output: a file of requests is TOML or JSON; leave it out, or say --output json"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_form_that_either_flag_says() {
        use RequestsText::{Json, Toml};
        let told = |output, format| form(format, output).map_err(|error| error.to_string());
        assert_eq!(told(Format::Table, None), Ok(Toml));
        assert_eq!(told(Format::Table, Some(Json)), Ok(Json));
        assert_eq!(told(Format::Json, None), Ok(Json));
        assert_eq!(told(Format::Json, Some(Json)), Ok(Json));
        for (output, format) in
            [(Format::Json, Some(Toml)), (Format::Csv, None), (Format::Jsonl, Some(Json))]
        {
            assert!(
                told(output, format).unwrap_err().contains("--output"),
                "{output:?} {format:?}"
            );
        }
    }
}
