//! `remit lists approve`: a second person lets a feed, or a version above its thresholds, take effect.

use remit_proto::v1::{self, ApprovalMeans, statement::Body};

use super::{Named, get};
use crate::{
    cli::ListsApprove, client, commands::requests::wait_until_shown, config::Config,
    exit::CliError, statement, time,
};

pub(crate) async fn approve(config: &Config, args: &ListsApprove) -> Result<(), CliError> {
    let Named { list, version } = args.list.parse()?;
    let mut client = client::register(config).await?;
    let v1::GetListResponse { list: row, versions, .. } = get(&mut client, &list).await?;
    let (number, digest, what) = match &version {
        Some(version) => {
            let held = versions.iter().rev().find(|row| row.version == version.as_str());
            let held = held.filter(|row| row.acceptance.is_none()).ok_or_else(|| {
                CliError::Usage(format!("{list}@{version} does not wait for an approval"))
            })?;
            let what = format!(
                "{list}@{version}: {} entries, {} added, {} removed",
                held.entries, held.added, held.removed
            );
            (held.statement, held.digest.clone(), what)
        }
        None => {
            let proposed = row.and_then(|row| row.proposed_feed).ok_or_else(|| {
                CliError::Usage(format!(
                    "no feed of {list} waits for an approval; of a version, write {list}@<version>"
                ))
            })?;
            let feed = proposed.feed.unwrap_or_default();
            let what = format!("the feed of {list}, under request {}", feed.request_id);
            (proposed.statement, proposed.digest, what)
        }
    };
    eprintln!("approving statement {number}: {what}");
    if args.by_login {
        let request = v1::ApproveStatementRequest { statement: number, digest };
        let response = client.approve_statement(request).await?.into_inner();
        eprintln!(
            "attested by the collector as statement {}; register size {}",
            response.index, response.register_size
        );
        return wait_until_shown(&mut client, response.register_size).await;
    }
    let now_s = time::now_s();
    let effective_at_s = match &args.effective_at {
        Some(text) => time::parse(text, "--effective-at", now_s)?,
        None => now_s,
    };
    let means = ApprovalMeans::SignedByPerson.into();
    let body = Body::Approval(v1::Approval { statement: number, digest, means });
    let signed_statement = statement::sign(config, body, now_s, effective_at_s)?;
    let request = v1::AppendStatementRequest { signed_statement };
    let response = client.append_statement(request).await?.into_inner();
    eprintln!("signed as statement {}; register size {}", response.index, response.register_size);
    wait_until_shown(&mut client, response.register_size).await
}
