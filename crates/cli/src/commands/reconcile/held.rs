//! The operator's side: what its register holds of the authority, from the collector or from a bundle.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use evidence::RequestId;
use register::{
    Request,
    reconcile::{Item, Names, Veiled, of_entry, of_request, registered},
};
use remit_proto::v1;
use verify::{Outcome, RegisterState};

use crate::{
    cli::Reconcile,
    client::{self, RegisterClient},
    commands::{list as pages, lists, verify as bundle},
    config::Config,
    exit::{CliError, Code},
};

pub(super) struct Held {
    pub(super) items: Vec<Item>,
    pub(super) origin: String,
    pub(super) size: u64,
    /// Empty: nothing is published yet.
    pub(super) root: String,
    /// Who says so, in a sentence.
    pub(super) source: String,
    /// What of it is not known, in sentences.
    pub(super) gaps: Vec<String>,
    pub(super) code: Code,
}

pub(super) fn of_bundle(
    config: &Config,
    path: &Path,
    args: &Reconcile,
    at_s: i64,
) -> Result<Held, CliError> {
    let (report, state) = bundle::check(config, path, &args.trust)?;
    let result = report.result;
    let name = path.display();
    if result == Outcome::Contradicted {
        return Err(CliError::Contradicted(format!(
            "{name}: it is contradicted, and nothing is compared with it; `remit verify` says by what"
        )));
    }
    let Some(RegisterState { register, root, partial }) = state else {
        return Err(CliError::Malformed(format!(
            "{name}: its register could not be read; `remit verify` says why"
        )));
    };
    let view = register.view();
    let mut gaps = Vec::new();
    if partial {
        gaps.push(
            "Parts of the register are withheld, erased or not understood: what they hold counts as not \
             there."
                .to_owned(),
        );
    }
    let names = Names::new(&args.authority);
    gaps.extend(Veiled::among(view.requests().map(|entry| entry.request()), names).says());
    Ok(Held {
        items: registered(&view, names, at_s),
        origin: register.origin().to_owned(),
        size: register.size(),
        root: root.map(|root| hex(&root.0)).unwrap_or_default(),
        source: format!(
            "the bundle {}, checked offline: {result}",
            path.file_name().unwrap_or_default().to_string_lossy()
        ),
        gaps,
        code: result.into(),
    })
}

pub(super) async fn of_collector(
    config: &Config,
    authority: &str,
    at_s: i64,
) -> Result<Held, CliError> {
    let mut client = client::register(config).await?;
    let mut root = Vec::new();
    let (rows, completeness) = requests(&mut client, 0, &mut root).await?;
    let (running, again) = requests(&mut client, at_s, &mut root).await?;
    let size = completeness.unwrap_or_default().register_size;
    let mut gaps = Vec::new();
    if again.is_some_and(|answer| answer.register_size != size) {
        gaps.push(
            "While this was asked, the register grew; make the statement again for one state."
                .to_owned(),
        );
    }
    let running: BTreeSet<String> =
        running.into_iter().filter_map(|row| row.request).map(|request| request.id).collect();
    let names = Names::new(authority);
    let (mut not_understood, mut of) = (0_u64, BTreeMap::new());
    let mut veiled = Veiled::default();
    for v1::RequestRow { request, state, .. } in rows {
        let Ok(request) = Request::try_from(request.unwrap_or_default()) else {
            not_understood += 1;
            continue;
        };
        veiled += Veiled::among([&request], names);
        if names.is_of(&request) {
            of.insert(request.id.to_string(), (request, state));
        }
    }
    gaps.extend(veiled.says());
    if not_understood > 0 {
        gaps.push(format!(
            "{not_understood} requests of the register are not understood by this version."
        ));
    }
    let mut items = Vec::new();
    for (id, (request, state)) in &of {
        items.extend(of_request(request, state, running.contains(id), at_s));
    }
    let covered: BTreeSet<RequestId> =
        of.values().flat_map(|(request, _)| request.covers_lists.iter().cloned()).collect();
    for list in covered {
        let v1::GetListResponse { list: row, versions, .. } =
            lists::get(&mut client, &list).await?;
        if row.is_some_and(|row| row.partial) {
            gaps.push(format!("What some versions of {list} changed is withheld or erased."));
        }
        let in_force = versions
            .iter()
            .rev()
            .find(|version| version.acceptance.is_some() && version.from_s <= at_s);
        let Some(in_force) = in_force else { continue };
        let (rows, _) = lists::entries(&mut client, &list, &in_force.version).await?;
        let place = format!("{list}@{}", in_force.version);
        let under: Vec<(String, i64)> =
            rows.iter().map(|row| (row.request_id.clone(), row.since_s)).collect();
        for ((id, since_s), entry) in under.into_iter().zip(lists::read(rows)?) {
            let Some((request, state)) = of.get(&id) else { continue };
            let in_force = running.contains(&id);
            items.push(of_entry(request, &entry, since_s, state, in_force, at_s, &place));
        }
    }
    Ok(Held {
        items,
        origin: config.register_vkey()?.name().to_string(),
        size,
        root: hex(&root),
        source: format!("the collector {}, taken at its word", config.collector()?),
        gaps,
        code: Code::Ok,
    })
}

/// All requests, or those in force at an instant, with the root of the register.
async fn requests(
    client: &mut RegisterClient,
    in_force_at_s: i64,
    root: &mut Vec<u8>,
) -> Result<(Vec<v1::RequestRow>, Option<v1::Completeness>), CliError> {
    pages::all(None, async |page_size, page_token| {
        let question = v1::ListRequestsRequest {
            in_force_at_s,
            page_size,
            page_token,
            ..v1::ListRequestsRequest::default()
        };
        let v1::ListRequestsResponse { requests, next_page_token, completeness, register_root } =
            client.list_requests(question).await?.into_inner();
        *root = register_root;
        Ok((requests, next_page_token, completeness))
    })
    .await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
