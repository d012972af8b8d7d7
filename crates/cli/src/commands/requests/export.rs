//! Requests of the register as a file that enters them: to be changed and read again.

use register::import::{Seen, to_json, to_toml};
use remit_proto::v1;

use super::complete;
use crate::{
    cli::{ExportRequests, RequestsText},
    client,
    config::Config,
    exit::CliError,
    home, output,
};

/// For people, who may read it.
const FILE_MODE: u32 = 0o640;

pub(crate) async fn export(config: &Config, args: &ExportRequests) -> Result<(), CliError> {
    let ExportRequests { ids, format, out } = args;
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
    let text = match format {
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
