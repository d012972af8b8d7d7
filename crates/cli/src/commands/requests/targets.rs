//! Targets of large requests come in pages of their own.

use remit_proto::v1;

use crate::{client::RegisterClient, exit::CliError};

/// Fetches what an answer had no room for.
pub(in crate::commands) async fn complete(
    client: &mut RegisterClient,
    row: &mut v1::RequestRow,
) -> Result<(), CliError> {
    if beyond(row) == 0 {
        return Ok(());
    }
    let Some(request) = &mut row.request else { return Ok(()) };
    let (mut targets, mut page_token) = (Vec::new(), String::new());
    loop {
        let question = v1::ListTargetsRequest {
            request_id: request.id.clone(),
            version: request.version,
            page_size: 0,
            page_token,
        };
        let answer = client.list_targets(question).await?.into_inner();
        let is_last = answer.next_page_token.is_empty() || answer.targets.is_empty();
        targets.extend(answer.targets);
        page_token = answer.next_page_token;
        if is_last {
            break;
        }
    }
    if targets.len() as u64 != row.target_count {
        return Err(CliError::Malformed(format!(
            "{}: {} targets came of {}: what you may see of it changed meanwhile; ask again",
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
