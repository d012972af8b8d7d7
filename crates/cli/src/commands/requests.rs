//! `remit requests`: entering, changing and reading the register of authorised requests.

use std::{path::Path, time::Duration};

use evidence::{RequestId, canonical, chunk::SetBuilder, commitment::Salt};
use register::{
    import::{Action, Imported, Mapping, Merged, from_csv, from_toml, to_items},
    words as field,
};
use remit_proto::v1::{self, statement::Body};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{findings, list, lists, row::or_dash, rules};
use crate::{
    cli::{Format, Import, ListRequests, Transition, TransitionWord},
    client::{self, RegisterClient},
    config::Config,
    exit::{CliError, Code, chain},
    home,
    output::{self, Cell, Layout, escape, fields},
    statement, time, words,
};

pub(crate) async fn import(config: &Config, args: &Import) -> Result<Code, CliError> {
    let bytes = home::read(&args.file)?;
    let mapping = args.mapping.as_deref().map(home::read_text).transpose()?;
    let imported = match (&args.mapping, &mapping) {
        (Some(path), Some(mapping)) => read_csv(&args.file, &bytes, path, mapping)?,
        _ => read_toml(&args.file, &bytes)?,
    };
    let mapping_digest = mapping.map(|text| digest(text.as_bytes())).unwrap_or_default();
    if args.dry_run && config.collector().is_err() {
        eprintln!("no collector is known: the file is not compared with a register");
        let merged = imported.merge(&[]);
        tell(&args.file, &merged);
        return finished(&args.file, &merged, "--dry-run");
    }
    let mut client = client::register(config).await?;
    let merged = imported.merge(&newest(&mut client).await?);
    tell(&args.file, &merged);
    if args.dry_run || merged.requests.is_empty() {
        let why = if args.dry_run { "--dry-run" } else { "the register holds it all" };
        return finished(&args.file, &merged, why);
    }
    let (set, chunks) = item_set(&to_items(merged.requests.clone()))?;
    let body = Body::Import(v1::Import {
        items: Some(set),
        file_digest: digest(&bytes),
        mapping_digest,
        rows_read: merged.report.len() as u64,
        rows_repaired: merged.repaired_count() as u64,
        rows_refused: merged.refused_count() as u64,
    });
    let now_s = time::now_s();
    let signed_statement = statement::sign(config, body, now_s, now_s)?;
    for chunk in chunks {
        client.put_chunk(v1::PutChunkRequest { chunk }).await?;
    }
    let request = v1::AppendStatementRequest { signed_statement };
    let response = client.append_statement(request).await?.into_inner();
    eprintln!("entered as statement {}; register size {}", response.index, response.register_size);
    wait_until_shown(&mut client, response.register_size).await?;
    eprintln!("{}", summary(&merged));
    Ok(code_of(&merged))
}

/// The end of an import that enters nothing.
fn finished(file: &Path, merged: &Merged, why: &str) -> Result<Code, CliError> {
    let summary = summary(merged);
    if merged.accepted_count() == 0 {
        return Err(CliError::Malformed(format!(
            "{}: nothing to enter; {summary}",
            file.display()
        )));
    }
    eprintln!("nothing was entered ({why})");
    eprintln!("{summary}");
    Ok(code_of(merged))
}

/// What was refused is missing from the register.
fn code_of(merged: &Merged) -> Code {
    if merged.refused_count() == 0 { Code::Ok } else { Code::Incomplete }
}

/// The newest version of every request in the register.
async fn newest(client: &mut RegisterClient) -> Result<Vec<v1::Request>, CliError> {
    let (rows, _) = rows(client, v1::ListRequestsRequest::default(), None).await?;
    Ok(rows.into_iter().filter_map(|row| row.request).collect())
}

/// Every row that a person should look at, and what the file no longer has.
fn tell(file: &Path, merged: &Merged) {
    for row in &merged.report {
        match &row.action {
            Action::Accepted if row.notes.is_empty() => {}
            Action::Accepted | Action::Repaired(_) | Action::Refused(_) => {
                eprintln!("{}: {}", file.display(), escape(&row.to_string()));
            }
        }
    }
    if !merged.absent.is_empty() {
        let (shown, rest) = merged.absent.split_at(merged.absent.len().min(ABSENT_SHOWN));
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        eprintln!(
            "not in this file, and left as they are in the register: {}{more}; if their authority \
             has ended one, say so with `remit requests transition`",
            escape(&shown.join(", "))
        );
    }
}

/// The last line of an import.
fn summary(merged: &Merged) -> String {
    let Merged { new_count, changed_count, unchanged_count, .. } = merged;
    format!(
        "{}: {} accepted ({new_count} new, {changed_count} changed, {unchanged_count} unchanged and \
         not entered again), {} repaired, {} refused",
        words::count(merged.report.len() as u64, "row", "rows"),
        merged.accepted_count(),
        merged.repaired_count(),
        merged.refused_count()
    )
}

/// So many ids are named; the list is for a glance.
const ABSENT_SHOWN: usize = 20;

fn is_toml(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

fn read_csv(file: &Path, bytes: &[u8], path: &Path, mapping: &str) -> Result<Imported, CliError> {
    if is_toml(file) {
        return Err(CliError::Usage(format!(
            "--mapping: says what the columns of a CSV file mean, and {} is TOML; leave it out",
            file.display()
        )));
    }
    let wrong = |file: &Path, error: &dyn std::error::Error| {
        CliError::Malformed(format!("{}: {}", file.display(), chain(error)))
    };
    let mapping = Mapping::parse(mapping).map_err(|error| wrong(path, &error))?;
    from_csv(bytes, &mapping).map_err(|error| wrong(file, &error))
}

fn read_toml(file: &Path, bytes: &[u8]) -> Result<Imported, CliError> {
    let name = file.display();
    if !is_toml(file) {
        return Err(CliError::Usage(format!(
            "{name}: what its columns mean is not known; give --mapping, or a .toml file"
        )));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| CliError::Malformed(format!("{name}: not UTF-8 text")))?;
    from_toml(text).map_err(|e| CliError::Malformed(format!("{name}: {}", chain(&e))))
}

/// The items of an import as a salted set, and its chunks.
pub(super) fn item_set(
    items: &[v1::RegisterItem],
) -> Result<(v1::ItemSet, Vec<Vec<u8>>), CliError> {
    let mut builder = SetBuilder::new();
    let mut chunks = Vec::new();
    for item in items {
        let mut salt = [0_u8; 16];
        getrandom::fill(&mut salt).map_err(|_| CliError::Random)?;
        chunks.extend(builder.push(Salt(salt), canonical::encode(item)));
    }
    let (set, last) = builder.finish();
    chunks.extend(last);
    Ok((set, chunks))
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

pub(crate) async fn transition(config: &Config, args: &Transition) -> Result<(), CliError> {
    let id: RequestId = args.id.parse().map_err(|error| CliError::Usage(format!("{error}")))?;
    let kind = match args.kind {
        TransitionWord::Accept => v1::TransitionKind::Accept,
        TransitionWord::Confirm => v1::TransitionKind::Confirm,
        TransitionWord::Suspend => v1::TransitionKind::Suspend,
        TransitionWord::Resume => v1::TransitionKind::Resume,
        TransitionWord::Withdraw => v1::TransitionKind::Withdraw,
        TransitionWord::Revoke => v1::TransitionKind::Revoke,
        TransitionWord::Annul => v1::TransitionKind::Annul,
        TransitionWord::Refuse => v1::TransitionKind::Refuse,
        TransitionWord::Challenge => v1::TransitionKind::Challenge,
        TransitionWord::Supersede => v1::TransitionKind::Supersede,
    };
    if (args.kind == TransitionWord::Supersede) != args.by.is_some() {
        return Err(CliError::Usage("--by goes with supersede, and only with it".into()));
    }
    let now_s = time::now_s();
    let effective_at_s = match &args.effective_at {
        Some(text) => time::parse(text, "--effective-at", now_s)?,
        None => now_s,
    };
    let body = Body::Transition(v1::Transition {
        request_id: id.to_string(),
        kind: kind.into(),
        by_request_id: args.by.clone().unwrap_or_default(),
    });
    let signed_statement = statement::sign(config, body, now_s, effective_at_s)?;
    let mut client = client::register(config).await?;
    let request = v1::AppendStatementRequest { signed_statement };
    let response = client.append_statement(request).await?.into_inner();
    eprintln!(
        "{id}: {} from {}; statement {}, register size {}",
        field::transition(kind),
        time::utc(effective_at_s),
        response.index,
        response.register_size
    );
    wait_until_shown(&mut client, response.register_size).await
}

/// Answers follow the register at the next publish. Whoever has entered something sees it in the next
/// answer, and a list that is imported twice in a row is compared with itself.
pub(super) async fn wait_until_shown(
    client: &mut RegisterClient,
    size: u64,
) -> Result<(), CliError> {
    for _ in 0..SHOWN_ATTEMPTS {
        let request =
            v1::ListRequestsRequest { page_size: 1, ..v1::ListRequestsRequest::default() };
        let answer = client.list_requests(request).await?.into_inner();
        if answer.completeness.is_some_and(|answer| answer.register_size >= size) {
            return Ok(());
        }
        tokio::time::sleep(SHOWN_EVERY).await;
    }
    eprintln!("it is in the register; answers do not show it yet");
    Ok(())
}

/// Ten publishes at the default interval.
const SHOWN_ATTEMPTS: u32 = 50;
const SHOWN_EVERY: Duration = Duration::from_millis(200);

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
    let (rows, completeness) = rows(&mut client, question, args.limit).await?;
    layout().listing(&rows, completeness).print(out)
}

pub(super) async fn rows(
    client: &mut RegisterClient,
    question: v1::ListRequestsRequest,
    limit: Option<usize>,
) -> Result<(Vec<v1::RequestRow>, Option<v1::Completeness>), CliError> {
    list::all(limit, async |page_size, page_token| {
        let request = v1::ListRequestsRequest { page_size, page_token, ..question.clone() };
        let v1::ListRequestsResponse { requests, next_page_token, completeness } =
            client.list_requests(request).await?.into_inner();
        Ok((requests, next_page_token, completeness))
    })
    .await
}

/// The first targets tell what a request is about; machine formats have all of them.
const TARGETS_SHOWN: usize = 2;

fn layout() -> Layout<v1::RequestRow> {
    let fields = fields![row: v1::RequestRow;
        "request" => request(row).id,
        "version" => request(row).version,
        "state" => row.state,
        "instrument" => field::instrument(request(row).instrument()),
        "authority" => authority(&request(row)),
        "external_ref" => request(row).external_ref,
        "targets" => targets(&request(row)),
        "techniques" => techniques(&request(row)),
        "outcome_only" => request(row).measure.unwrap_or_default().outcome_only,
        "territories" => request(row).scope.unwrap_or_default().territories,
        "nodes" => request(row).scope.unwrap_or_default().nodes,
        "effective_from" => time::utc(request(row).effective_from_s),
        "effective_until" => time::utc(request(row).effective_until_s),
        "basis_proof" => field::basis_proof(request(row).basis_proof()),
        "recorded_at" => time::utc(row.recorded_at_s),
        "author" => row.author,
        "statement" => row.statement_index,
        "time_assumption" => request(row).time_assumption,
        "authority_name" => issuer(row).name,
        "authority_branch" => issuer(row).branch,
        "authority_country" => issuer(row).country,
        "time_zone" => request(row).time_zone,
        "effective_from_local" => local(request(row).effective_from_s, &request(row)),
        "effective_until_local" => local(request(row).effective_until_s, &request(row)),
    ];
    type RequestCell = Cell<v1::RequestRow>;
    let cells = vec![
        RequestCell::new("REQUEST", |row| request(row).id),
        RequestCell::new("V", |row| request(row).version.to_string()),
        RequestCell::new("STATE", |row| row.state.clone()),
        RequestCell::new("INSTRUMENT", |row| {
            field::instrument(request(row).instrument()).to_owned()
        })
        .dispensable(1),
        RequestCell::new("AUTHORITY", |row| or_dash(&authority(&request(row)))).dispensable(2),
        RequestCell::new("TARGETS", some_targets).dispensable(3),
        // With its offset: in the zone of the authority, in which it meant the bound.
        RequestCell::new("FROM", |row| {
            time::zoned_cell(request(row).effective_from_s, &request(row).time_zone)
        }),
        RequestCell::new("UNTIL", |row| match request(row).effective_until_s {
            0 => "open-ended".to_owned(),
            until_s => time::zoned_cell(until_s, &request(row).time_zone),
        }),
    ];
    Layout { noun: "requests", fields, cells, below: |_| Vec::new() }
}

fn request(row: &v1::RequestRow) -> v1::Request {
    row.request.clone().unwrap_or_default()
}

fn issuer(row: &v1::RequestRow) -> v1::Authority {
    request(row).authority.unwrap_or_default()
}

fn techniques(request: &v1::Request) -> Vec<&'static str> {
    let measure = request.measure.clone().unwrap_or_default();
    measure.techniques().map(field::technique).collect()
}

/// As the authority's clocks showed it; empty where its zone is not stated.
fn local(at_s: i64, request: &v1::Request) -> String {
    match at_s {
        0 => String::new(),
        _ => field::time_in(at_s, &request.time_zone).unwrap_or_default(),
    }
}

fn some_targets(row: &v1::RequestRow) -> String {
    let all = targets(&request(row));
    let mut shown = all.iter().take(TARGETS_SHOWN).cloned().collect::<Vec<_>>().join(" ");
    if all.len() > TARGETS_SHOWN {
        shown.push_str(&format!(" and {} more", all.len() - TARGETS_SHOWN));
    }
    shown
}

/// "domain_exact:example.org"; "!" before one that must stay open.
fn targets(request: &v1::Request) -> Vec<String> {
    let text = |t: &v1::RequestTarget| {
        let target = t.target.as_ref();
        let open = if t.exception { "!" } else { "" };
        format!("{open}{}:{}", words::target_kind(target), words::target(target))
    };
    request.targets.iter().map(text).collect()
}

fn authority(request: &v1::Request) -> String {
    request
        .authority
        .as_ref()
        .map_or_else(String::new, |a| if a.id.is_empty() { a.name.clone() } else { a.id.clone() })
}

pub(crate) async fn show(config: &Config, id: &str, out: Format) -> Result<(), CliError> {
    let mut client = client::register(config).await?;
    let request = v1::GetRequestRequest { id: id.to_owned() };
    let response = client.get_request(request).await?.into_inner();
    let v1::GetRequestResponse {
        versions,
        rules: installed,
        findings: found,
        completeness,
        lists: covered,
    } = response;
    match out {
        Format::Json => {
            let answer = json!({
                "versions": layout().listing(&versions, None).objects(),
                "lists": lists::versions_layout().listing(&covered, None).objects(),
                "rules": rules::layout().listing(&installed, None).objects(),
                "findings": findings::layout().listing(&found, None).objects(),
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only.
        Format::Jsonl | Format::Csv => layout().listing(&versions, completeness).print(out),
        Format::Table => {
            output::write(output::escape_lines(&details(&versions)).as_bytes())?;
            if !covered.is_empty() {
                output::write(b"lists that it covers\n")?;
                lists::versions_layout().listing(&covered, None).print(out)?;
                output::write(b"\n")?;
            }
            output::write(b"rules installed now that claim it or fall under it\n")?;
            rules::layout().listing(&installed, None).print(out)?;
            output::write(b"\nfindings\n")?;
            findings::layout().listing(&found, completeness).print(out)
        }
    }
}

/// Every field of every version, newest last; a bound in the authority's time first, then in UTC.
fn details(versions: &[v1::RequestRow]) -> String {
    let layout = layout();
    let mut text = String::new();
    for row in versions {
        let local = |name: &str| match name {
            "effective_from" => local(request(row).effective_from_s, &request(row)),
            "effective_until" => local(request(row).effective_until_s, &request(row)),
            _ => String::new(),
        };
        for (field, value) in layout.fields.iter().zip(layout.values(row)) {
            let mut value = match value {
                Value::String(text) => text,
                Value::Array(items) => {
                    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
                }
                other => other.to_string(),
            };
            let local = local(field.name);
            if !local.is_empty() {
                value = format!("{local} ({value})");
            }
            // Said with the bounds already.
            if !field.name.ends_with("_local") {
                text.push_str(&format!("{:<18}{}\n", field.name, or_dash(&value)));
            }
        }
        text.push('\n');
    }
    text
}
