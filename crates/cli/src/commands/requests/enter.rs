//! The one way in: what is entered is previewed, committed, signed, sent, and waited for until answers show it.

use std::time::Duration;

use evidence::{
    canonical, chunk::SetBuilder, closed, commitment::Salt, statement::refused_rows_max,
};
use register::import::to_items;
use remit_proto::v1::{self, statement::Body};

use crate::{
    client::RegisterClient, commands::preview, config::Config, exit::CliError, output::escape,
    statement, time,
};

/// Whether what was entered counts at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    Counts,
    /// For a second person's approval.
    Waits,
}

impl Entered {
    /// "is", "would be", or what it will be.
    pub(super) fn verb(self, dry_run: bool) -> &'static str {
        match self {
            _ if dry_run => "would be",
            Self::Counts => "is",
            Self::Waits => "will, once it is approved, be",
        }
    }
}

/// Says what the requests would change of today's verdicts, and enters them unless it is a dry run.
pub(super) async fn enter_requests(
    config: &Config,
    client: &mut RegisterClient,
    import: v1::Import,
    requests: Vec<v1::Request>,
    effective_at_s: i64,
    dry_run: bool,
) -> Result<Entered, CliError> {
    let beside = Vec::new();
    enter_requests_with(config, client, import, requests, beside, effective_at_s, dry_run).await
}

/// With chunks that documents of the requests name.
pub(super) async fn enter_requests_with(
    config: &Config,
    client: &mut RegisterClient,
    import: v1::Import,
    requests: Vec<v1::Request>,
    beside: Vec<Vec<u8>>,
    effective_at_s: i64,
    dry_run: bool,
) -> Result<Entered, CliError> {
    let Sealed { requests, mut chunks, opened } = seal(requests)?;
    chunks.extend(beside);
    let own = to_items(requests);
    let (set, of_items) = item_set(&own)?;
    chunks.extend(of_items);
    // The collector judges with what it can open, and reads it before the request.
    let items = opened.into_iter().chain(own).collect::<Vec<_>>();
    let mut import = v1::Import { items: None, ..import };
    import.refused.truncate(refused_rows_max(set.chunks.len()));
    import.items = Some(set);
    let body = Body::Import(import.clone());
    let entered =
        enter(config, client, body, items.clone(), chunks.clone(), effective_at_s, dry_run).await;
    match entered {
        Err(CliError::Refused(refused))
            if refused.is("NEEDS_APPROVAL") && !import.awaits_approval =>
        {
            eprintln!("{NEEDS_APPROVAL}");
            let body = Body::Import(v1::Import { awaits_approval: true, ..import });
            send(config, client, body, &items, chunks, effective_at_s).await?;
            eprintln!("{}", waits_as_a_whole(&items));
            Ok(Entered::Waits)
        }
        Ok(()) if import.awaits_approval => Ok(Entered::Waits),
        Ok(()) => Ok(Entered::Counts),
        Err(error) => Err(error),
    }
}

/// Requests with their closed parts committed, and what opens them.
struct Sealed {
    requests: Vec<v1::Request>,
    chunks: Vec<Vec<u8>>,
    opened: Vec<v1::RegisterItem>,
}

/// Each part anew, with salts of its own: also of a version whose predecessor had it closed. What was
/// erased there stays as it stands: committed, and gone.
fn seal(requests: Vec<v1::Request>) -> Result<Sealed, CliError> {
    let mut sealed = Sealed { requests: Vec::new(), chunks: Vec::new(), opened: Vec::new() };
    for mut request in requests {
        for part in std::mem::take(&mut request.closed) {
            let fields = closed::take(&mut request.clone(), part.part());
            if fields.is_none() && part.opening.is_some() {
                request.closed.push(part);
                continue;
            }
            let chunks = closed::close(&mut request, part.clone(), salt)?.ok_or_else(|| {
                CliError::Usage(format!(
                    "{}: closed: it holds nothing of {} that you can see",
                    request.id,
                    register::words::part(part.part())
                ))
            })?;
            sealed.chunks.extend(chunks);
            let opened = fields.into_iter().flat_map(closed::pieces).map(|fields| {
                let (request_id, part) = (request.id.clone(), part.part);
                let opened = v1::OpenedPart { request_id, part, fields: Some(fields) };
                let item = Some(v1::register_item::Item::Opened(opened));
                v1::RegisterItem { item }
            });
            sealed.opened.extend(opened);
        }
        sealed.requests.push(request);
    }
    Ok(sealed)
}

pub(super) fn salt() -> Result<Salt, CliError> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|_| CliError::Random)?;
    Ok(Salt(salt))
}

/// The one way in: preview, sign, chunks, statement, and answers that show it.
pub(super) async fn enter(
    config: &Config,
    client: &mut RegisterClient,
    body: Body,
    items: Vec<v1::RegisterItem>,
    chunks: Vec<Vec<u8>>,
    effective_at_s: i64,
    dry_run: bool,
) -> Result<(), CliError> {
    // A dry run is of any size. What is entered anyway is not sent twice where it is long.
    if dry_run || items.iter().map(prost::Message::encoded_len).sum::<usize>() <= TOLD_SIZE_MAX {
        let told = items.clone();
        match preview::tell(config, client, body.clone(), told, effective_at_s, dry_run).await {
            // It only tells what will change: nobody waits with an order for that.
            Err(CliError::Refused(busy)) if !dry_run && busy.is("BUSY") => {
                eprintln!("what it changes is not told: {}", escape(&busy.to_string()));
            }
            told => told?,
        }
    }
    if dry_run {
        eprintln!("nothing was entered (--dry-run)");
        return Ok(());
    }
    send(config, client, body, &items, chunks, effective_at_s).await
}

/// Signs it, and has it entered.
pub(super) async fn send(
    config: &Config,
    client: &mut RegisterClient,
    body: Body,
    items: &[v1::RegisterItem],
    chunks: Vec<Vec<u8>>,
    effective_at_s: i64,
) -> Result<(), CliError> {
    let see = shown_by(&body, items);
    let now_s = time::now_s();
    let signed_statement = statement::sign(config, body, now_s, effective_at_s)?;
    hand_in(client, signed_statement, chunks, &see).await
}

/// Hands in a statement with the chunks that it names, first, and waits until answers show it. `see`: where somebody looks
/// who does not know whether it came.
pub(crate) async fn hand_in(
    client: &mut RegisterClient,
    signed_statement: Vec<u8>,
    chunks: Vec<Vec<u8>>,
    see: &str,
) -> Result<(), CliError> {
    for chunk in chunks {
        client.put_chunk(v1::PutChunkRequest { chunk }).await?;
    }
    let request = v1::AppendStatementRequest { signed_statement };
    let response = client
        .append_statement(request)
        .await
        .map_err(|status| CliError::of_entry(status, see))?
        .into_inner();
    eprintln!("entered as statement {}; register size {}", response.index, response.register_size);
    wait_until_shown(client, response.register_size).await;
    Ok(())
}

/// What an import enters waits as a whole.
fn waits_as_a_whole(items: &[v1::RegisterItem]) -> String {
    let ids: Vec<&str> = items
        .iter()
        .filter_map(|item| match &item.item {
            Some(v1::register_item::Item::Request(request)) => Some(request.id.as_str()),
            _ => None,
        })
        .collect();
    let id = ids.first().copied().unwrap_or("ID");
    let all = match ids.len() {
        0 | 1 => "it waits".to_owned(),
        count => format!("all {count} requests of it wait"),
    };
    format!(
        "{all} for a second person, and count for nothing until then: remit requests approve {id}"
    )
}

/// The command that shows whether a statement was entered.
fn shown_by(body: &Body, items: &[v1::RegisterItem]) -> String {
    let mut ids = items.iter().filter_map(|item| match &item.item {
        Some(v1::register_item::Item::Request(request)) => Some(request.id.as_str()),
        _ => None,
    });
    match (body, ids.next(), ids.next()) {
        (Body::Transition(step), _, _) => format!("remit requests show {}", step.request_id),
        (Body::Import(_), Some(id), None) => format!("remit requests show {id}"),
        (Body::Import(import), _, _) if !import.file_digest.is_empty() => {
            "remit requests files".to_owned()
        }
        (_, _, _) => "remit requests list".to_owned(),
    }
}

/// Some thousand requests.
const TOLD_SIZE_MAX: usize = 1024 * 1024;

/// Where it was not said, and the collector asks for it: what was to be entered is entered all the same.
pub(super) const NEEDS_APPROVAL: &str =
    "your operator has a second person approve this: it is entered so that it waits for one";

/// The items of an import as a salted set, and its chunks.
pub(crate) fn item_set(
    items: &[v1::RegisterItem],
) -> Result<(v1::ItemSet, Vec<Vec<u8>>), CliError> {
    let mut builder = SetBuilder::new();
    let mut chunks = Vec::new();
    for item in items {
        chunks.extend(builder.push(salt()?, canonical::encode(item)));
    }
    let (set, last) = builder.finish();
    chunks.extend(last);
    Ok((set, chunks))
}

/// Answers follow the register at the next publish. Whoever has entered something sees it in the next
/// answer, and a list that is imported twice in a row is compared with itself. It is entered whatever becomes of that.
pub(super) async fn wait_until_shown(client: &mut RegisterClient, size: u64) {
    for _ in 0..SHOWN_ATTEMPTS {
        let request =
            v1::ListRequestsRequest { page_size: 1, ..v1::ListRequestsRequest::default() };
        let answer = match client.list_requests(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                let error = escape(&CliError::from(status).to_string());
                eprintln!(
                    "it is in the register; whether answers show it yet is not known: {error}"
                );
                return;
            }
        };
        if answer.completeness.is_some_and(|answer| answer.register_size >= size) {
            return;
        }
        tokio::time::sleep(SHOWN_EVERY).await;
    }
    eprintln!("it is in the register; answers do not show it yet");
}

/// Ten publishes at the default interval.
const SHOWN_ATTEMPTS: u32 = 50;
const SHOWN_EVERY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_is_looked_for_where_it_is_shown() {
        let request = |id: &str| {
            let request = v1::Request { id: id.to_owned(), ..v1::Request::default() };
            v1::RegisterItem { item: Some(v1::register_item::Item::Request(request)) }
        };
        let (one, two) = ([request("a/1")], [request("a/1"), request("a/2")]);
        let import = v1::Import { file_digest: vec![7; 32], ..v1::Import::default() };
        let step = v1::Transition { request_id: "b/2".to_owned(), ..v1::Transition::default() };
        for (body, items, see) in [
            (Body::Import(v1::Import::default()), one.as_slice(), "remit requests show a/1"),
            (Body::Import(import), two.as_slice(), "remit requests files"),
            (Body::Transition(step), &[], "remit requests show b/2"),
            (Body::Proceeding(v1::Proceeding::default()), &[], "remit requests list"),
        ] {
            assert_eq!(shown_by(&body, items), see);
        }
    }
}
