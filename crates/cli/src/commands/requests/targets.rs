//! Targets of large requests come in pages of their own.

use remit_proto::v1;

use crate::{client::RegisterClient, commands::list, exit::CliError};

/// Fetches what an answer had no room for.
pub(in crate::commands) async fn complete(
    client: &mut RegisterClient,
    row: &mut v1::RequestRow,
) -> Result<(), CliError> {
    if beyond(row) == 0 {
        return Ok(());
    }
    let Some(request) = &mut row.request else { return Ok(()) };
    let (targets, _) = list::all(None, async |page_size, page_token| {
        let question = v1::ListTargetsRequest {
            request_id: request.id.clone(),
            version: request.version,
            page_size,
            page_token,
        };
        let v1::ListTargetsResponse { targets, next_page_token, target_count: _, completeness } =
            client.list_targets(question).await?.into_inner();
        Ok((targets, next_page_token, completeness))
    })
    .await?;
    if targets.len() as u64 != row.target_count {
        return Err(CliError::Malformed(format!(
            "{}: {} targets came of {}",
            request.id,
            targets.len(),
            row.target_count
        )));
    }
    request.task.get_or_insert_default().targets = targets;
    Ok(())
}

/// How many targets the row does not hold.
pub(super) fn beyond(row: &v1::RequestRow) -> u64 {
    let task = row.request.as_ref().and_then(|request| request.task.as_ref());
    row.target_count.saturating_sub(task.map_or(0, |task| task.targets.len()) as u64)
}
