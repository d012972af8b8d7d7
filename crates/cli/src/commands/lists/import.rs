//! `remit lists import`: a file of a feed as the next version of its list.

use std::{collections::BTreeSet, path::Path};

use evidence::statement::refused_rows_max;
use register::import::{Action, list_from_rpz, refused_rows};
use register::list::{Delta, ListEntry, ListFile, from_lines, to_changes};
use remit_proto::v1::{self, statement::Body};
use sha2::{Digest, Sha256};

use super::{Named, entries, get, read};
use crate::{
    cli::{ListForm, ListsImport},
    client::{self, RegisterClient},
    commands::{
        preview,
        requests::{hand_in, item_set},
    },
    config::Config,
    exit::{CliError, Code, chain},
    home,
    output::escape,
    statement, time, words,
};

pub(crate) async fn import(config: &Config, args: &ListsImport) -> Result<Code, CliError> {
    let (list, version) = Named::whole(&args.list)?;
    let bytes = home::read_at_most(&args.file, home::LIST_SIZE_MAX)?;
    args.sent.check_digest(&args.file, &bytes)?;
    let ended = args.sent.ended(&bytes, None);
    let file = match args.format {
        ListForm::Lines => from_lines(&ended),
        ListForm::Rpz => list_from_rpz(&ended),
    }
    .map_err(|error| CliError::Malformed(format!("{}: {}", args.file.display(), chain(&error))))?;
    args.sent.check_rows(&args.file, file.report.len())?;
    tell(&args.file, &file);
    if file.entries.is_empty() {
        return Err(CliError::Malformed(format!("{}: no entry to enter", args.file.display())));
    }
    let mut client = client::register(config).await?;
    let v1::GetListResponse { list: row, versions, .. } = get(&mut client, &list).await?;
    if versions.iter().any(|known| known.version == version.as_str()) {
        let problem = format!(
            "{list}@{version} is in the register already; a changed list is a version of its own: give it another name"
        );
        return Err(CliError::Usage(problem));
    }
    let newest = versions.iter().rev().find(|version| version.acceptance.is_some());
    let before = match newest {
        Some(newest) => read(entries(&mut client, &list, &newest.version).await?.0)?,
        None => Vec::new(),
    };
    let delta = Delta::between(&before, &file.entries);
    check_requests(&mut client, &args.file, &bytes, &delta.added).await?;
    let changed = (delta.added.len() + delta.removed.len()) as u64;
    eprintln!(
        "{list}@{version}: {}, {} added, {} removed against {}",
        words::count(delta.entries, "entry", "entries"),
        delta.added.len(),
        delta.removed.len(),
        newest.map_or("no version before", |newest| newest.version.as_str())
    );
    let now_s = time::now_s();
    let effective_at_s = match &args.effective_at {
        Some(text) => time::parse(text, "--effective-at", now_s)?,
        None => now_s,
    };
    let items = to_changes(&delta);
    let (changes, chunks) = item_set(&items)?;
    let mut refused = refused_rows(&file.report, &bytes);
    refused.truncate(refused_rows_max(changes.chunks.len()));
    let body = Body::ListVersion(v1::ListVersion {
        list_id: list.to_string(),
        version: version.to_string(),
        previous: newest.map(|newest| newest.version.clone()).unwrap_or_default(),
        changes: Some(changes),
        file_digest: Sha256::digest(&bytes).to_vec(),
        mapping_digest: Vec::new(),
        rows_read: file.report.len() as u64,
        rows_repaired: file.repaired_count() as u64,
        rows_refused: file.refused_count() as u64,
        entries: delta.entries,
        added: delta.added.len() as u64,
        removed: delta.removed.len() as u64,
        refused,
    });
    if args.dry_run {
        preview::tell(config, &mut client, body, items, effective_at_s, true).await?;
        eprintln!("nothing was entered (--dry-run)");
        return Ok(code(&file, false));
    }
    let signed_statement = statement::sign(config, body, now_s, effective_at_s)?;
    hand_in(&mut client, signed_statement, chunks, &format!("remit lists show {list}")).await?;
    let entered = get(&mut client, &list).await?.versions;
    let entered = entered.iter().rev().find(|row| row.version == version.as_str());
    let feed = row.and_then(|row| row.feed).and_then(|row| row.feed).unwrap_or_default();
    let accepted = entered.is_some_and(|row| row.acceptance.is_some());
    if accepted {
        eprintln!(
            "accepted under the standing approval of the feed ({} of at most {} changes, at most {} of the \
             version before); in force from {}",
            changed,
            feed.change_entries_max,
            share(feed.change_permille_max),
            time::utc(entered.map_or(0, |row| row.from_s))
        );
    } else {
        eprintln!(
            "not in force: it has {}, and the feed's standing approval lets in {} changes, {} of the version before, \
             and no first version; a second person must look at it: remit lists diff {list}@{version}, then \
             remit lists approve {list}@{version}",
            words::count(changed, "change", "changes"),
            feed.change_entries_max,
            share(feed.change_permille_max),
        );
    }
    Ok(code(&file, !accepted))
}

/// The collector refuses a version as a whole for a request that it does not hold, and knows of no lines.
async fn check_requests(
    client: &mut RegisterClient,
    file: &Path,
    bytes: &[u8],
    added: &[ListEntry],
) -> Result<(), CliError> {
    let named: BTreeSet<&str> =
        added.iter().filter_map(|entry| Some(entry.request.as_ref()?.as_str())).collect();
    for id in named {
        let question = v1::GetRequestRequest { id: id.to_owned() };
        match client.get_request(question).await {
            Err(status) if status.code() == tonic::Code::NotFound => {}
            Err(status) => return Err(status.into()),
            Ok(_) => continue,
        }
        let text = String::from_utf8_lossy(bytes);
        let lines =
            (1..).zip(text.lines()).filter(|(_, line)| line.split_whitespace().nth(1) == Some(id));
        let lines: Vec<String> =
            lines.take(LINES_SHOWN).map(|(at, _): (u64, _)| at.to_string()).collect();
        return Err(CliError::Usage(format!(
            "{}: line {}: the register holds no request {id}; enter it first, or leave its lines out",
            file.display(),
            lines.join(", ")
        )));
    }
    Ok(())
}

/// Lines that are named.
const LINES_SHOWN: usize = 10;

/// Rows that were refused are missing from the register; so is a version that waits for a person.
fn code(file: &ListFile, held: bool) -> Code {
    if held || file.refused_count() > 0 { Code::Incomplete } else { Code::Ok }
}

pub(super) fn share(permille: u32) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}

fn tell(path: &Path, file: &ListFile) {
    for row in &file.report {
        match row.action {
            Action::Accepted if row.notes.is_empty() => {}
            Action::Accepted | Action::Repaired(_) | Action::Refused(_) => {
                eprintln!("{}: {}", path.display(), escape(&row.to_string()));
            }
        }
    }
    eprintln!(
        "{}: {} repaired, {} refused",
        words::count(file.report.len() as u64, "row", "rows"),
        file.repaired_count(),
        file.refused_count()
    );
}
