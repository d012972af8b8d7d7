//! `remit lists`: lists that requests cover, from the file of a feed to the file of a filter engine.

mod approve;
mod compile;
mod feed;
mod import;
mod show;

use evidence::RequestId;
use remit_proto::v1;

pub(super) use self::feed::{permille, seconds};
pub(crate) use self::{
    approve::approve,
    compile::compile,
    feed::feed,
    import::import,
    show::{diff, list, show},
};
pub(super) use show::{listed_layout, versions_layout};

use super::list as pages;
use crate::{client::RegisterClient, exit::CliError};

/// "rkn" or "rkn@2026-11-03".
struct Named {
    list: RequestId,
    version: Option<RequestId>,
}

impl std::str::FromStr for Named {
    type Err = CliError;
    fn from_str(text: &str) -> Result<Self, CliError> {
        let (list, version) = match text.split_once('@') {
            Some((list, version)) => (list, Some(version)),
            None => (text, None),
        };
        let id = |part: &str| {
            let wrong = |_| CliError::Usage(format!("{text:?}: {part:?} is not {ID}"));
            part.parse::<RequestId>().map_err(wrong)
        };
        Ok(Self { list: id(list)?, version: version.map(id).transpose()? })
    }
}

const ID: &str = "1 to 48 of A-Z, a-z, 0-9, '.', '_', '/' and '-'";

impl Named {
    /// With its version, which must be there.
    fn whole(text: &str) -> Result<(RequestId, RequestId), CliError> {
        let Self { list, version } = text.parse()?;
        let version = version.ok_or_else(|| {
            CliError::Usage(format!("{text:?}: which version? Write <list>@<version>"))
        })?;
        Ok((list, version))
    }
}

pub(super) async fn get(
    client: &mut RegisterClient,
    list: &RequestId,
) -> Result<v1::GetListResponse, CliError> {
    let request = v1::GetListRequest { list_id: list.to_string() };
    Ok(client.get_list(request).await?.into_inner())
}

/// All entries of a version, and what the answer rests on.
pub(super) async fn entries(
    client: &mut RegisterClient,
    list: &RequestId,
    version: &str,
) -> Result<(Vec<v1::ListEntryRow>, Option<v1::Completeness>), CliError> {
    pages::all(None, async |page_size, page_token| {
        let request = v1::ListEntriesRequest {
            list_id: list.to_string(),
            version: version.to_owned(),
            page_size,
            page_token,
        };
        let v1::ListEntriesResponse { entries, next_page_token, completeness } =
            client.list_entries(request).await?.into_inner();
        Ok((entries, next_page_token, completeness))
    })
    .await
}

/// The entries themselves, in canonical form.
pub(super) fn read(
    rows: Vec<v1::ListEntryRow>,
) -> Result<Vec<register::list::ListEntry>, CliError> {
    let entry = |row: v1::ListEntryRow| {
        let wire = row.entry.unwrap_or_default();
        wire.try_into().map_err(|error| {
            CliError::Malformed(format!("an entry that the collector sent: {error}"))
        })
    };
    rows.into_iter().map(entry).collect()
}
