//! `remit lists approve`: a second person lets a feed, or a version above its thresholds, take effect.

use remit_proto::v1;

use super::{Named, get};
use crate::{cli::ListsApprove, client, config::Config, exit::CliError};

pub(crate) async fn approve(config: &Config, args: &ListsApprove) -> Result<(), CliError> {
    let Named { list, version } = args.list.parse()?;
    let mut client = client::register(config).await?;
    let v1::GetListResponse { list: row, versions, .. } = get(&mut client, &list).await?;
    let (number, digest, what) = match &version {
        Some(version) => {
            let held = versions.iter().rev().find(|row| row.version == version.as_str());
            if held.is_none() {
                let problem =
                    format!("the register holds no {list}@{version}; see remit lists show {list}");
                return Err(CliError::Usage(problem));
            }
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
    let ListsApprove { list: _, approval } = args;
    let see = format!("remit lists show {list}");
    approval.give(config, &mut client, number, digest, &what, &see).await
}
