//! `remit requests erase`: what opens closed parts of a request goes; the commitment stays, and the log
//! says who erased it and when.

use clap::Args;
use register::words as field;
use remit_proto::v1;

use crate::{client, config::Config, exit::CliError, words};

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Which request
    pub(crate) id: String,
    /// officer, reasons, remarks, parties, reference, authority or documents, of all versions; with remarks goes what
    /// was said of its steps
    #[arg(long = "part", required = true, value_delimiter = ',')]
    pub(crate) parts: Vec<String>,
    /// It cannot be undone; say that you know
    #[arg(long)]
    pub(crate) for_good: bool,
}

pub(crate) async fn erase(config: &Config, args: &Erase) -> Result<(), CliError> {
    let Erase { id, parts, for_good } = args;
    let known = |word: &String| {
        field::part_from(word).map(i32::from).ok_or_else(|| {
            let words: Vec<_> = field::parts().map(field::part).collect();
            CliError::Usage(format!("--part: {word:?} is none of {}", words.join(", ")))
        })
    };
    let request = v1::ErasePartsRequest {
        request_id: id.clone(),
        parts: parts.iter().map(known).collect::<Result<_, _>>()?,
    };
    if !for_good {
        let problem = "it cannot be undone; with --for-good it is done";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let mut client = client::register(config).await?;
    let v1::ErasePartsResponse { log_index, count } = client
        .erase_parts(request)
        .await
        .map_err(|status| CliError::of_entry(status, &format!("remit requests show {id}")))?
        .into_inner();
    eprintln!(
        "{id}: {} erased, as entry {log_index} of the log says; copies in bundles that were exported \
         before are not reached",
        words::count(count, "part", "parts")
    );
    Ok(())
}
