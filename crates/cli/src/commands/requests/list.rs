//! All requests, one row each.

use register::words as field;
use remit_proto::v1;

use super::targets::{beyond, complete};
use crate::{
    cli::{Format, ListRequests},
    client::{self, RegisterClient},
    commands::{list, row::or_dash},
    config::Config,
    exit::CliError,
    output::{Cell, Layout, fields},
    time, words,
};

pub(crate) async fn list(
    config: &Config,
    args: &ListRequests,
    out: Format,
) -> Result<(), CliError> {
    let in_force_at_s = match &args.in_force_at {
        Some(text) => time::parse(text, "--in-force-at", time::now_s())?,
        None => 0,
    };
    let question = v1::ListRequestsRequest {
        in_force_at_s,
        target: args.target.clone().unwrap_or_default(),
        authority: args.authority.clone().unwrap_or_default(),
        ..v1::ListRequestsRequest::default()
    };
    let mut client = client::register(config).await?;
    let (mut rows, completeness) = rows(&mut client, question, args.limit).await?;
    if out != Format::Table {
        for row in &mut rows {
            complete(&mut client, row).await?;
        }
    }
    layout().listing(&rows, completeness).print(out)
}

/// Each with as many of its targets as the answer had room for.
pub(in crate::commands) async fn rows(
    client: &mut RegisterClient,
    question: v1::ListRequestsRequest,
    limit: Option<usize>,
) -> Result<(Vec<v1::RequestRow>, Option<v1::Completeness>), CliError> {
    list::all(limit, async |page_size, page_token| {
        let request = v1::ListRequestsRequest { page_size, page_token, ..question.clone() };
        let v1::ListRequestsResponse { requests, next_page_token, completeness, register_root: _ } =
            client.list_requests(request).await?.into_inner();
        Ok((requests, next_page_token, completeness))
    })
    .await
}

/// The first targets tell what a request is about; machine formats have all of them.
const TARGETS_SHOWN: usize = 2;

pub(super) fn layout() -> Layout<v1::RequestRow> {
    let fields = fields![row: v1::RequestRow;
        "request" => request(row).id,
        "version" => request(row).version,
        "state" => row.state,
        "instrument" => field::instrument(deed(row).instrument()),
        "authority" => authority(&request(row)),
        "external_ref" => deed(row).external_ref,
        "targets" => targets(&request(row)),
        "target_count" => row.target_count,
        "techniques" => techniques(&task(row)),
        "outcome_only" => task(row).measure.unwrap_or_default().outcome_only,
        "territories" => task(row).scope.unwrap_or_default().territories,
        "nodes" => task(row).scope.unwrap_or_default().nodes,
        "effective_from" => time::utc(task(row).effective_from_s),
        "effective_until" => time::utc(task(row).effective_until_s),
        "basis_proof" => field::basis_proof(request(row).basis_proof()),
        "recorded_at" => time::utc(row.recorded_at_s),
        "author" => row.author,
        "statement" => row.statement_index,
        "time_assumption" => request(row).time_assumption,
        "authority_name" => issuer(row).name,
        "authority_branch" => issuer(row).branch,
        "authority_country" => issuer(row).country,
        "time_zone" => request(row).time_zone,
        "effective_from_local" => local(task(row).effective_from_s, &request(row)),
        "effective_until_local" => local(task(row).effective_until_s, &request(row)),
        "waits_for_approval" => waits(row),
        "ends_at" => time::utc(row.ends_at_s),
        "ends_as" => row.ends_as,
        "applies_from" => time::utc(row.applies_from_s),
    ];
    type RequestCell = Cell<v1::RequestRow>;
    let cells = vec![
        RequestCell::new("REQUEST", |row| request(row).id),
        RequestCell::new("V", |row| request(row).version.to_string()),
        RequestCell::new("STATE", |row| match waits(row).as_slice() {
            [] => row.state.clone(),
            waits => format!("{}; waits: {}", row.state, waits.join(", ")),
        }),
        RequestCell::new("INSTRUMENT", |row| field::instrument(deed(row).instrument()).to_owned())
            .dispensable(1),
        RequestCell::new("AUTHORITY", |row| or_dash(&authority(&request(row)))).dispensable(2),
        RequestCell::new("TARGETS", some_targets).dispensable(3),
        // With its offset: in the zone of the authority, in which it meant the bound.
        RequestCell::new("FROM", |row| {
            time::zoned_cell(task(row).effective_from_s, &request(row).time_zone)
        }),
        RequestCell::new("UNTIL", until),
    ];
    Layout { noun: "requests", fields, cells, below: |_| Vec::new() }
}

/// What of it waits for a second person beside what counts: a newer version, what was stated of it.
fn waits(row: &v1::RequestRow) -> Vec<&'static str> {
    let newer = row.newer_waits.then_some("a newer version");
    newer.into_iter().chain(row.waiting_transitions().map(field::transition)).collect()
}

/// Its own end; or what ends it before that, with the state then.
fn until(row: &v1::RequestRow) -> String {
    let at = |at_s: i64| time::zoned_cell(at_s, &request(row).time_zone);
    match (row.ends_at_s, own_end_s(&task(row))) {
        (0, _) if is_over(&row.state) => "over".to_owned(),
        (0, None) if !task(row).until_event.is_empty() => "an event".to_owned(),
        (0, None) => "open-ended".to_owned(),
        (0, Some(until_s)) => at(until_s),
        // Between its windows it is not in force, and goes on.
        (_, Some(until_s)) if row.ends_as == "expired" => at(until_s),
        (ends_at_s, _) => format!("{} ({})", at(ends_at_s), row.ends_as),
    }
}

/// The earliest of its end, the end of its longest time, and that of its last window.
fn own_end_s(task: &v1::Task) -> Option<i64> {
    let until_s = Some(task.effective_until_s).filter(|until_s| *until_s != 0);
    let lasts_s = i64::try_from(task.max_duration_s).ok().filter(|lasts_s| *lasts_s != 0);
    let lasts_until_s = lasts_s.map(|lasts_s| task.effective_from_s.saturating_add(lasts_s));
    let last_window_s = task.windows.iter().map(|window| window.until_s).max();
    [until_s, lasts_until_s, last_window_s].into_iter().flatten().min()
}

/// It ended before its own end, or never began.
fn is_over(state: &str) -> bool {
    let state = state.strip_prefix("closed (").map_or(state, |state| state.trim_end_matches(')'));
    register::words::is_ended(state) || matches!(state, "lapsed" | "refused")
}

fn request(row: &v1::RequestRow) -> v1::Request {
    row.request.clone().unwrap_or_default()
}

fn task(row: &v1::RequestRow) -> v1::Task {
    request(row).task.unwrap_or_default()
}

/// The legal instrument.
fn deed(row: &v1::RequestRow) -> v1::Authorisation {
    request(row).authorisation.unwrap_or_default()
}

fn issuer(row: &v1::RequestRow) -> v1::Authority {
    deed(row).authority.unwrap_or_default()
}

fn techniques(task: &v1::Task) -> Vec<&'static str> {
    let measure = task.measure.clone().unwrap_or_default();
    measure.techniques().map(field::technique).collect()
}

/// As the authority's clocks showed it; empty where its zone is not stated.
pub(super) fn local(at_s: i64, request: &v1::Request) -> String {
    match at_s {
        0 => String::new(),
        _ => field::time_in(at_s, &request.time_zone).unwrap_or_default(),
    }
}

fn some_targets(row: &v1::RequestRow) -> String {
    let all = targets(&request(row));
    let closed = request(row).closed;
    if all.is_empty() && closed.iter().any(|part| part.part() == v1::RequestPart::Targets) {
        return "withheld".to_owned();
    }
    let mut shown = all.iter().take(TARGETS_SHOWN).cloned().collect::<Vec<_>>().join(" ");
    let more = all.len().saturating_sub(TARGETS_SHOWN) as u64 + beyond(row);
    if more > 0 {
        shown.push_str(&format!(" and {more} more"));
    }
    shown
}

/// "domain_exact:example.org"; "!" before one that must stay open.
pub(super) fn targets(request: &v1::Request) -> Vec<String> {
    let text = |t: &v1::RequestTarget| {
        let target = t.target.as_ref();
        let open = if t.exception { "!" } else { "" };
        format!("{open}{}:{}", words::target_kind(target), words::target(target))
    };
    request.task.iter().flat_map(|task| &task.targets).map(text).collect()
}

fn authority(request: &v1::Request) -> String {
    let issuer = request.authorisation.as_ref().and_then(|deed| deed.authority.as_ref());
    issuer.map_or_else(String::new, |a| if a.id.is_empty() { a.name.clone() } else { a.id.clone() })
}
