//! `remit checkpoint` and `remit export`: what to keep, and what to take home.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
};

use remit_proto::v1::{DisclosureTier, ExportRequest, GetCheckpointRequest};

use crate::{
    cli::{Checkpoint, Export},
    client,
    config::Config,
    exit::CliError,
    home, output,
};

/// A checkpoint that nobody saved proves nothing: this is the assessor's side of the log.
pub(crate) async fn checkpoint(config: &Config, args: &Checkpoint) -> Result<(), CliError> {
    let key = config.log_vkey()?;
    let mut client = client::evidence(config).await?;
    let response = client.get_checkpoint(GetCheckpointRequest {}).await?.into_inner();
    let note = response.log_checkpoint;
    let head = tlog::checkpoint::Checkpoint::open(&note, &key).map_err(|error| {
        CliError::Malformed(format!(
            "the collector's checkpoint is not signed by the log key of your enrolment: {error}"
        ))
    })?;
    match &args.out {
        Some(path) => home::write_new(path, &note, 0o644)?,
        None => output::write(&note)?,
    }
    eprintln!(
        "checkpoint of {} at size {}; keep it away from the operator, and give it to `remit verify \
         --old-checkpoint` later",
        head.origin, head.size
    );
    Ok(())
}

pub(crate) async fn export(config: &Config, args: &Export) -> Result<(), CliError> {
    let clearance = match args.clearance.as_deref() {
        None => DisclosureTier::Unspecified,
        Some(word) => register::words::tier_from(word).ok_or_else(|| {
            CliError::Usage(format!("--clearance: {word:?} is neither restricted nor secret"))
        })?,
    };
    let mut client = client::evidence(config).await?;
    let request = ExportRequest {
        nodes: args.node.clone(),
        withhold_openings: args.withhold_openings,
        clearance: clearance.into(),
    };
    let mut stream = client.export(request).await?.into_inner();
    let file = |doing, source| CliError::File { path: args.out.clone(), doing, source };
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.out)
        .map_err(|error| file("create it (an existing file is never overwritten)", error))?;
    let mut out = BufWriter::new(created);
    let mut size = 0_u64;
    loop {
        match stream.message().await {
            Ok(Some(part)) => {
                size = size.saturating_add(part.part.len() as u64);
                out.write_all(&part.part).map_err(|error| file("write", error))?;
            }
            Ok(None) => break,
            Err(status) => {
                // Half a bundle must not be taken for one.
                let _ = std::fs::remove_file(&args.out);
                return Err(status.into());
            }
        }
    }
    let created = out.into_inner().map_err(|error| file("write", error.into_error()))?;
    created.sync_all().map_err(|error| file("write", error))?;
    eprintln!("{}: {size} bytes; check it with `remit verify`", args.out.display());
    Ok(())
}
