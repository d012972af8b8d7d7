//! `remit requests`: entering, changing and reading the register of authorised requests.

use std::path::Path;

use evidence::{RequestId, canonical, chunk::SetBuilder, commitment::Salt};
use register::{
    import::{Action, Imported, Mapping, from_csv, from_toml, to_items},
    words as field,
};
use remit_proto::v1::{self, statement::Body};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{findings::finding_listing, list::Pages, row::or_dash, rules::rule_listing};
use crate::{
    cli::{Format, Import, ListRequests, Transition, TransitionWord},
    client,
    config::Config,
    exit::{CliError, chain},
    home,
    output::{self, Listing, Table, escape},
    statement, time, words,
};

pub(crate) async fn import(config: &Config, args: &Import) -> Result<(), CliError> {
    let bytes = home::read(&args.file)?;
    let mapping = args.mapping.as_deref().map(home::read_text).transpose()?;
    let imported = match (&args.mapping, &mapping) {
        (Some(path), Some(mapping)) => read_csv(&args.file, &bytes, path, mapping)?,
        _ => read_toml(&args.file, &bytes)?,
    };
    for row in &imported.report {
        match &row.action {
            Action::Accepted if row.notes.is_empty() => {}
            Action::Accepted | Action::Repaired(_) | Action::Refused(_) => {
                eprintln!("{}: {}", args.file.display(), escape(&row.to_string()));
            }
        }
    }
    let rows_read = imported.report.len() as u64;
    let (repaired, refused) = (imported.repaired_count() as u64, imported.refused_count() as u64);
    let summary = format!(
        "{rows_read} rows read: {} requests accepted, {repaired} of the rows repaired, {refused} refused",
        imported.accepted_count()
    );
    if imported.requests.is_empty() {
        return Err(CliError::Malformed(format!(
            "{}: {summary}; nothing to enter",
            args.file.display()
        )));
    }
    if args.dry_run {
        eprintln!("{summary}; nothing was entered (--dry-run)");
        return Ok(());
    }
    let (set, chunks) = item_set(imported.requests)?;
    let body = Body::Import(v1::Import {
        items: Some(set),
        file_digest: digest(&bytes),
        mapping_digest: mapping.map(|text| digest(text.as_bytes())).unwrap_or_default(),
        rows_read,
        rows_repaired: repaired,
        rows_refused: refused,
    });
    let now_s = time::now_s();
    let signed_statement = statement::sign(config, body, now_s, now_s)?;
    let mut client = client::register(config).await?;
    for chunk in chunks {
        client.put_chunk(v1::PutChunkRequest { chunk }).await?;
    }
    let request = v1::AppendStatementRequest { signed_statement };
    let response = client.append_statement(request).await?.into_inner();
    eprintln!(
        "{summary}; entered as statement {}, register size {}",
        response.index, response.register_size
    );
    Ok(())
}

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
fn item_set(requests: Vec<v1::Request>) -> Result<(v1::ItemSet, Vec<Vec<u8>>), CliError> {
    let mut builder = SetBuilder::new();
    let mut chunks = Vec::new();
    for item in to_items(requests) {
        let mut salt = [0_u8; 16];
        getrandom::fill(&mut salt).map_err(|_| CliError::Random)?;
        chunks.extend(builder.push(Salt(salt), canonical::encode(&item)));
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
    Ok(())
}

pub(crate) async fn list(
    config: &Config,
    args: &ListRequests,
    out: Format,
) -> Result<(), CliError> {
    let in_force_at_s = match &args.in_force_at {
        Some(text) => time::parse(text, "--in-force-at", time::now_s())?,
        None => 0,
    };
    let mut client = client::register(config).await?;
    let mut pages = Pages::new(args.limit);
    loop {
        let (page_size, page_token) = pages.next();
        let request = v1::ListRequestsRequest {
            in_force_at_s,
            target: args.target.clone().unwrap_or_default(),
            authority: args.authority.clone().unwrap_or_default(),
            page_size,
            page_token,
        };
        let page = client.list_requests(request).await?.into_inner();
        if !pages.take(page.requests, page.next_page_token, page.completeness)? {
            break;
        }
    }
    listing(&pages.rows, pages.completeness).print(out)
}

const COLUMNS: &[&str] = &[
    "request",
    "version",
    "state",
    "instrument",
    "authority",
    "external_ref",
    "targets",
    "techniques",
    "outcome_only",
    "territories",
    "nodes",
    "effective_from",
    "effective_until",
    "basis_proof",
    "recorded_at",
    "author",
    "statement",
    "time_assumption",
    "authority_name",
    "authority_branch",
    "authority_country",
];

/// The first targets tell what a request is about; machine formats have all of them.
const TARGETS_SHOWN: usize = 2;

fn listing(rows: &[v1::RequestRow], completeness: Option<v1::Completeness>) -> Listing {
    let header = ["REQUEST", "V", "STATE", "INSTRUMENT", "AUTHORITY", "TARGETS", "FROM", "UNTIL"];
    let mut table = Table::new(&header, "no requests");
    for row in rows {
        let request = row.request.clone().unwrap_or_default();
        let all = targets(&request);
        let mut shown = all.iter().take(TARGETS_SHOWN).cloned().collect::<Vec<_>>().join(" ");
        if all.len() > TARGETS_SHOWN {
            shown.push_str(&format!(" and {} more", all.len() - TARGETS_SHOWN));
        }
        let until = match request.effective_until_s {
            0 => "open-ended".to_owned(),
            until_s => time::local(until_s),
        };
        table.row(vec![
            request.id.clone(),
            request.version.to_string(),
            row.state.clone(),
            field::instrument(request.instrument()).to_owned(),
            or_dash(&authority(&request)),
            shown,
            time::local(request.effective_from_s),
            until,
        ]);
    }
    Listing {
        noun: "requests",
        columns: COLUMNS,
        rows: rows.iter().map(values).collect(),
        table,
        completeness,
    }
}

fn values(row: &v1::RequestRow) -> Vec<Value> {
    let request = row.request.clone().unwrap_or_default();
    let measure = request.measure.clone().unwrap_or_default();
    let scope = request.scope.clone().unwrap_or_default();
    let issuer = request.authority.clone().unwrap_or_default();
    let techniques: Vec<&str> = measure.techniques().map(field::technique).collect();
    vec![
        json!(request.id),
        json!(request.version),
        json!(row.state),
        json!(field::instrument(request.instrument())),
        json!(authority(&request)),
        json!(request.external_ref),
        json!(targets(&request)),
        json!(techniques),
        json!(measure.outcome_only),
        json!(scope.territories),
        json!(scope.nodes),
        json!(time::utc(request.effective_from_s)),
        json!(time::utc(request.effective_until_s)),
        json!(field::basis_proof(request.basis_proof())),
        json!(time::utc(row.recorded_at_s)),
        json!(row.author),
        json!(row.statement_index),
        json!(request.time_assumption),
        json!(issuer.name),
        json!(issuer.branch),
        json!(issuer.country),
    ]
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
    let v1::GetRequestResponse { versions, rules, findings, completeness } = response;
    match out {
        Format::Json => {
            let answer = json!({
                "versions": listing(&versions, None).objects(),
                "rules": rule_listing(&rules, None).objects(),
                "findings": finding_listing(&findings, None).objects(),
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only.
        Format::Jsonl | Format::Csv => listing(&versions, completeness).print(out),
        Format::Table => {
            output::write(output::escape_lines(&details(&versions)).as_bytes())?;
            output::write(b"rules installed now that claim it or fall under it\n")?;
            rule_listing(&rules, None).print(out)?;
            output::write(b"\nfindings\n")?;
            finding_listing(&findings, completeness).print(out)
        }
    }
}

/// Every field of every version, newest last.
fn details(versions: &[v1::RequestRow]) -> String {
    let mut text = String::new();
    for row in versions {
        for (name, value) in COLUMNS.iter().zip(values(row)) {
            let value = match value {
                Value::String(text) => text,
                Value::Array(items) => {
                    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
                }
                other => other.to_string(),
            };
            text.push_str(&format!("{name:<18}{}\n", or_dash(&value)));
        }
        text.push('\n');
    }
    text
}
