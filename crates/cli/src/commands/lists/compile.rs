//! `remit lists compile`: a version as a zone or a ruleset.

use evidence::RequestId;
use register::compile::{self, Compiled, Head, Input};
use remit_proto::v1;
use tlog::Hash;

use super::{Named, entries, get, read, show::requests_of};
use crate::{
    cli::{CompileFormat, ListsCompile},
    client::{self, RegisterClient},
    config::Config,
    exit::{CliError, Code},
    home,
    output::{self, escape},
    time, words,
};

/// So many entries that were left out are named; the header and the counts tell of all.
const LEFT_OUT_SHOWN: usize = 20;

pub(crate) async fn compile(config: &Config, args: &ListsCompile) -> Result<Code, CliError> {
    let Named { list, version } = args.list.parse()?;
    let mut client = client::register(config).await?;
    let answer = get(&mut client, &list).await?;
    let v1::GetListResponse { list: row, versions, register_root, completeness } = answer;
    let row = row.unwrap_or_default();
    if row.partial {
        return Err(CliError::Malformed(format!(
            "{list}: what some versions changed is withheld or erased; its entries are not known"
        )));
    }
    let version = chosen(&list, version.as_ref(), &row, &versions)?;
    let (rows, _) = entries(&mut client, &list, &version.version).await?;
    let (rows, idle) = in_force(&mut client, rows).await?;
    let word = version.version.parse::<RequestId>();
    let input = Input {
        list: list.clone(),
        version: word.map_err(|error| CliError::Malformed(format!("version: {error}")))?,
        from_s: version.from_s,
        file_digest: version.file_digest.clone(),
        entries: read(rows)?,
        register: Head {
            origin: config.register_vkey()?.name().to_string(),
            size: completeness.map_or(0, |answer| answer.register_size),
            root: Hash::from_slice(&register_root),
        },
    };
    let format = match args.format {
        CompileFormat::Rpz => compile::Format::Rpz,
        CompileFormat::Nft => compile::Format::Nft { group: args.group },
        CompileFormat::UnboundLocal => compile::Format::UnboundLocal,
    };
    let Compiled { text, blocked, open, left_out } = compile::compile(&input, format);
    match &args.out {
        Some(path) => home::write_new(path, text.as_bytes(), 0o644)?,
        None => output::write(text.as_bytes())?,
    }
    let without = left_out.len() + idle.len();
    eprintln!("{list}@{}: {blocked} blocked, {open} kept open, {without} left out", input.version);
    let idle = idle
        .into_iter()
        .map(|(target, request)| format!("{target}: its request {request} is not in force"));
    let lines: Vec<String> = left_out.iter().map(ToString::to_string).chain(idle).collect();
    for line in lines.iter().take(LEFT_OUT_SHOWN) {
        eprintln!("left out: {}", escape(line));
    }
    if lines.len() > LEFT_OUT_SHOWN {
        let more = (lines.len() - LEFT_OUT_SHOWN) as u64;
        eprintln!("left out: {}", words::count(more, "more entry", "more entries"));
    }
    Ok(if without == 0 { Code::Ok } else { Code::Incomplete })
}

/// The one that is named, or the one in force. What waits for a person is not compiled.
fn chosen(
    list: &RequestId,
    named: Option<&RequestId>,
    row: &v1::ListRow,
    versions: &[v1::ListVersionRow],
) -> Result<v1::ListVersionRow, CliError> {
    let Some(named) = named else {
        return row
            .in_force
            .clone()
            .ok_or_else(|| CliError::Usage(format!("{list}: no version is in force")));
    };
    let found = versions.iter().rev().find(|version| version.version == named.as_str());
    let found = found.ok_or_else(|| {
        CliError::Usage(format!(
            "{list} has no version {named}; `remit lists show {list}` names them"
        ))
    })?;
    if found.acceptance.is_none() {
        return Err(CliError::Usage(format!(
            "{list}@{named} waits for a second person's approval and is no basis yet"
        )));
    }
    Ok(found.clone())
}

/// Entries under requests that are in force now, and the others.
async fn in_force(
    client: &mut RegisterClient,
    rows: Vec<v1::ListEntryRow>,
) -> Result<(Vec<v1::ListEntryRow>, Vec<(String, String)>), CliError> {
    let question = v1::ListRequestsRequest {
        in_force_at_s: time::now_s(),
        ..v1::ListRequestsRequest::default()
    };
    let (requests, _) = crate::commands::requests::rows(client, question, None).await?;
    let running: std::collections::BTreeSet<String> =
        requests.into_iter().filter_map(|row| row.request).map(|request| request.id).collect();
    if requests_of(&rows).is_subset(&running) {
        return Ok((rows, Vec::new()));
    }
    // What must stay open stays open, whatever became of the request that said so.
    let runs = |row: &v1::ListEntryRow| {
        let exception = row.entry.as_ref().is_some_and(|entry| entry.exception);
        exception || running.contains(&row.request_id)
    };
    let (kept, idle): (Vec<_>, Vec<_>) = rows.into_iter().partition(runs);
    let told = |row: v1::ListEntryRow| {
        let entry = row.entry.unwrap_or_default();
        (words::target(entry.target.as_ref()), row.request_id)
    };
    Ok((kept, idle.into_iter().map(told).collect()))
}
