//! `remit lists list`, `show` and `diff`.

use std::collections::BTreeSet;

use register::list::{Delta, ListEntry};
use remit_proto::v1::{self, ListVersionState, list_version_row::Acceptance};
use serde_json::json;

use super::{Named, entries, get, import::share, pages, read};
use crate::{
    cli::{Format, ListsDiff, Page},
    client,
    commands::{requests::approved, row::or_dash},
    config::Config,
    exit::CliError,
    output::{self, Cell, Layout, fields},
    time,
    words::{self, hex},
};

pub(crate) async fn list(config: &Config, page: &Page, out: Format) -> Result<(), CliError> {
    let mut client = client::register(config).await?;
    let (rows, completeness) = pages::all(page.limit, async |page_size, page_token| {
        let request = v1::ListListsRequest { page_size, page_token };
        let v1::ListListsResponse { lists, next_page_token, completeness } =
            client.list_lists(request).await?.into_inner();
        Ok((lists, next_page_token, completeness))
    })
    .await?;
    lists_layout().listing(&rows, completeness).print(out)
}

pub(crate) async fn show(config: &Config, name: &str, out: Format) -> Result<(), CliError> {
    let Named { list, version } = name.parse()?;
    let mut client = client::register(config).await?;
    if let Some(version) = version {
        let (rows, completeness) = entries(&mut client, &list, version.as_str()).await?;
        return entries_layout().listing(&rows, completeness).print(out);
    }
    let v1::GetListResponse { list: row, versions, register_root: _, completeness } =
        get(&mut client, &list).await?;
    let row = row.unwrap_or_default();
    match out {
        Format::Json => {
            let answer = json!({
                "list": lists_layout().listing(std::slice::from_ref(&row), None).objects()[0],
                "versions": versions_layout().listing(&versions, None).objects(),
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only.
        Format::Jsonl | Format::Csv => {
            versions_layout().listing(&versions, completeness).print(out)
        }
        Format::Table => {
            output::write(output::escape_lines(&feeds(&row)).as_bytes())?;
            versions_layout().listing(&versions, completeness).print(out)
        }
    }
}

/// What a version changes: against the one before it, or against another one.
pub(crate) async fn diff(config: &Config, args: &ListsDiff, out: Format) -> Result<(), CliError> {
    let (list, new) = Named::whole(&args.new)?;
    let mut client = client::register(config).await?;
    let old = match &args.old {
        Some(old) => {
            let (other, old) = Named::whole(old)?;
            if other != list {
                return Err(CliError::Usage(format!("{other} and {list} are two lists")));
            }
            old.to_string()
        }
        None => {
            let versions = get(&mut client, &list).await?.versions;
            let row = versions.iter().rev().find(|row| row.version == new.as_str());
            row.map(|row| row.previous.clone()).unwrap_or_default()
        }
    };
    let before = match old.as_str() {
        "" => Vec::new(),
        old => read(entries(&mut client, &list, old).await?.0)?,
    };
    let (rows, completeness) = entries(&mut client, &list, new.as_str()).await?;
    let Delta { added, removed, entries: _ } = Delta::between(&before, &read(rows)?);
    let change = |word: &'static str| move |entry: ListEntry| Change { word, entry };
    let rows: Vec<Change> = removed
        .into_iter()
        .map(change("removed"))
        .chain(added.into_iter().map(change("added")))
        .collect();
    diff_layout().listing(&rows, completeness).print(out)
}

struct Change {
    word: &'static str,
    entry: ListEntry,
}

/// Both feeds, in sentences.
fn feeds(row: &v1::ListRow) -> String {
    let mut text = format!("list {}\n", row.list_id);
    for (feed, word) in [(&row.feed, "feed"), (&row.proposed_feed, "feed that waits for approval")]
    {
        let Some(v1::FeedRow { feed, statement, author, approval, .. }) = feed else { continue };
        let feed = feed.clone().unwrap_or_default();
        let by = author.clone().unwrap_or_default().person;
        text.push_str(&format!(
            "{word}: statement {statement} by {by}, under request {}; comes every {} s, fetched within {} s; \
             at most {} changes and {} of the version before enter without a person; {}\n",
            feed.request_id,
            feed.publication_interval_s,
            feed.fetch_time_s,
            feed.change_entries_max,
            share(feed.change_permille_max),
            approval.as_ref().map_or_else(|| "approved by nobody yet".to_owned(), approved),
        ));
    }
    if row.partial {
        text.push_str("what some versions changed is withheld or erased: what they hold is not wholly known\n");
    }
    text
}

fn acceptance(row: &v1::ListVersionRow) -> String {
    match &row.acceptance {
        Some(Acceptance::StandingFeed(feed)) => format!("standing approval of statement {feed}"),
        Some(Acceptance::Person(approval)) => approved(approval),
        None => "waits for a second person".to_owned(),
    }
}

fn state(row: &v1::ListVersionRow) -> String {
    words::word(ListVersionState::as_str_name(&row.state()), "LIST_VERSION_STATE_")
}

fn in_force(row: &v1::ListRow) -> v1::ListVersionRow {
    row.in_force.clone().unwrap_or_default()
}

fn request(row: &v1::ListRow) -> String {
    let feed = row.feed.as_ref().or(row.proposed_feed.as_ref());
    feed.and_then(|row| row.feed.as_ref()).map(|feed| feed.request_id.clone()).unwrap_or_default()
}

fn waits(row: &v1::ListRow) -> String {
    let feed = row.proposed_feed.as_ref().map(|_| "feed".to_owned());
    let version = row.held.as_ref().map(|held| held.version.clone());
    feed.into_iter().chain(version).collect::<Vec<_>>().join(", ")
}

fn count(row: &v1::ListVersionRow, of: impl Fn(&v1::ListVersionRow) -> u64) -> String {
    if row.counts_withheld { "withheld".to_owned() } else { of(row).to_string() }
}

fn lists_layout() -> Layout<v1::ListRow> {
    let fields = fields![row: v1::ListRow;
        "list" => row.list_id,
        "request" => request(row),
        "version" => in_force(row).version,
        "in_force_since" => time::utc(in_force(row).from_s),
        "entries" => in_force(row).entries,
        "counts_withheld" => in_force(row).counts_withheld,
        "accepted_by" => row.in_force.as_ref().map(acceptance).unwrap_or_default(),
        "versions" => row.versions,
        "waits_for_approval" => waits(row),
        "partial" => row.partial,
    ];
    type Of = Cell<v1::ListRow>;
    let cells = vec![
        Of::new("LIST", |row| row.list_id.clone()),
        Of::new("REQUEST", |row| or_dash(&request(row))),
        Of::new("VERSION", |row| or_dash(&in_force(row).version)),
        Of::new("IN FORCE SINCE", |row| time::utc_cell(in_force(row).from_s)),
        Of::new("ENTRIES", |row| count(&in_force(row), |row| row.entries)),
        Of::new("ACCEPTED BY", |row| {
            or_dash(&row.in_force.as_ref().map(acceptance).unwrap_or_default())
        })
        .dispensable(1),
        Of::new("WAITS FOR APPROVAL", |row| or_dash(&waits(row))),
    ];
    Layout { noun: "lists", fields, cells, below: |_| Vec::new() }
}

/// Also for `remit requests show`: the lists that a request covers.
pub(crate) fn versions_layout() -> Layout<v1::ListVersionRow> {
    let fields = fields![row: v1::ListVersionRow;
        "list" => row.list_id,
        "version" => row.version,
        "state" => state(row),
        "in_force_from" => time::utc(row.from_s),
        "in_force_until" => time::utc(row.until_s),
        "entries" => row.entries,
        "added" => row.added,
        "removed" => row.removed,
        "rows_refused" => row.rows_refused,
        "counts_withheld" => row.counts_withheld,
        "accepted_by" => acceptance(row),
        "author" => row.author.clone().unwrap_or_default().person,
        "recorded_at" => time::utc(row.recorded_at_s),
        "statement" => row.statement,
        "previous" => row.previous,
        "file_digest" => hex(&row.file_digest),
    ];
    type Of = Cell<v1::ListVersionRow>;
    let cells = vec![
        Of::new("LIST", |row| row.list_id.clone()),
        Of::new("VERSION", |row| row.version.clone()),
        Of::new("STATE", state),
        Of::new("FROM", |row| time::utc_cell(row.from_s)),
        Of::new("UNTIL", |row| time::utc_cell(row.until_s)).dispensable(2),
        Of::new("ENTRIES", |row| count(row, |row| row.entries)),
        Of::new("ADDED", |row| count(row, |row| row.added)),
        Of::new("REMOVED", |row| count(row, |row| row.removed)),
        Of::new("ACCEPTED BY", acceptance).dispensable(1),
    ];
    Layout { noun: "versions", fields, cells, below: |_| Vec::new() }
}

fn entry(row: &v1::ListEntryRow) -> v1::ListEntry {
    row.entry.clone().unwrap_or_default()
}

fn target(entry: &v1::ListEntry) -> String {
    let target = entry.target.as_ref();
    let open = if entry.exception { "!" } else { "" };
    format!("{open}{}:{}", words::target_kind(target), words::target(target))
}

fn entries_layout() -> Layout<v1::ListEntryRow> {
    let fields = fields![row: v1::ListEntryRow;
        "target" => target(&entry(row)),
        "exception" => entry(row).exception,
        "request" => row.request_id,
        "added_by" => row.added_by,
        "since" => time::utc(row.since_s),
        "raw" => entry(row).raw,
    ];
    type Of = Cell<v1::ListEntryRow>;
    let cells = vec![
        Of::new("TARGET", |row| target(&entry(row))),
        Of::new("REQUEST", |row| row.request_id.clone()),
        Of::new("ADDED BY", |row| or_dash(&row.added_by)),
        Of::new("SINCE", |row| time::utc_cell(row.since_s)),
    ];
    Layout { noun: "entries", fields, cells, below: |_| Vec::new() }
}

fn diff_layout() -> Layout<Change> {
    let fields = fields![row: Change;
        "change" => row.word,
        "target" => target(&v1::ListEntry::from(&row.entry)),
        "exception" => row.entry.exception,
        "request" => row.entry.request.as_ref().map(ToString::to_string).unwrap_or_default(),
    ];
    type Of = Cell<Change>;
    let cells = vec![
        Of::new("CHANGE", |row| row.word.to_owned()),
        Of::new("TARGET", |row| target(&v1::ListEntry::from(&row.entry))),
        Of::new("REQUEST", |row| {
            or_dash(&row.entry.request.as_ref().map(ToString::to_string).unwrap_or_default())
        }),
    ];
    Layout { noun: "changes", fields, cells, below: |_| Vec::new() }
}

/// For `remit target`: the entries of lists that touch it.
pub(crate) fn listed_layout() -> Layout<v1::ListedRow> {
    let text = |row: &v1::ListedRow| {
        let target = row.target.as_ref();
        let open = if row.exception { "!" } else { "" };
        format!("{open}{}:{}", words::target_kind(target), words::target(target))
    };
    let fields = fields![row: v1::ListedRow;
        "list" => row.list_id,
        "target" => words::target(row.target.as_ref()),
        "kind" => words::target_kind(row.target.as_ref()),
        "exception" => row.exception,
        "request" => row.request_id,
        "added_by" => row.added_by,
        "since" => time::utc(row.since_s),
        "removed_by" => row.removed_by,
        "until" => time::utc(row.until_s),
        "version_in_force" => row.in_force,
    ];
    type Of = Cell<v1::ListedRow>;
    let cells = vec![
        Of::new("LIST", |row| row.list_id.clone()),
        Of::new("ENTRY", text),
        Of::new("REQUEST", |row| row.request_id.clone()),
        Of::new("VERSION NOW", |row| or_dash(&row.in_force)),
        Of::new("ADDED BY", |row| row.added_by.clone()),
        Of::new("SINCE", |row| time::utc_cell(row.since_s)),
        Of::new("REMOVED BY", |row| or_dash(&row.removed_by)),
        Of::new("UNTIL", |row| time::utc_cell(row.until_s)),
    ];
    Layout { noun: "entries of lists", fields, cells, below: |_| Vec::new() }
}

/// The requests of entries that name their own.
pub(super) fn requests_of(rows: &[v1::ListEntryRow]) -> BTreeSet<String> {
    rows.iter().map(|row| row.request_id.clone()).collect()
}
