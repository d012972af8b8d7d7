//! What was stated of what blocks may rest on beside requests, and by whom.

use remit_proto::v1::{self, adopted_row::What};

use crate::{
    cli::{Format, Page},
    client,
    commands::list,
    config::{Config, role_word},
    exit::CliError,
    output::{Cell, Layout, fields},
    time,
    words::hex,
};

pub(crate) async fn show(config: &Config, page: &Page, out: Format) -> Result<(), CliError> {
    let (found, completeness) = adopted(config, page.limit).await?;
    layout().listing(&found, completeness).print(out)
}

/// In the order of the register.
pub(crate) async fn adopted(
    config: &Config,
    limit: Option<usize>,
) -> Result<(Vec<v1::AdoptedRow>, Option<v1::Completeness>), CliError> {
    let mut client = client::register(config).await?;
    list::all(limit, async |page_size, page_token| {
        let request = v1::ListAdoptedRequest { page_size, page_token };
        let v1::ListAdoptedResponse { adopted, next_page_token, completeness } =
            client.list_adopted(request).await?.into_inner();
        Ok((adopted, next_page_token, completeness))
    })
    .await
}

fn layout() -> Layout<v1::AdoptedRow> {
    let fields = fields![row: v1::AdoptedRow;
        "statement" => row.statement,
        "kind" => kind(row),
        "recorded_at" => time::utc(row.recorded_at_s),
        "since" => time::utc(row.since_s),
        "author" => row.author.as_ref().map(|by| &by.person),
        "author_role" => row.author.as_ref().map(|by| role_word(by.role())),
        "attestation" => row.author.as_ref().map(|_| SIGNED),
        "in_force" => row.in_force,
        "grace_s" => match &row.what {
            Some(What::LateRegister(late)) => Some(late.grace_s),
            Some(What::Baseline(_) | What::BasisMap(_)) | None => None,
        },
        "nodes" => nodes(row),
        "until" => match &row.what {
            Some(What::Baseline(baseline)) => time::utc(baseline.until_s),
            Some(What::LateRegister(_) | What::BasisMap(_)) | None => time::utc(0),
        },
        "digest" => match &row.what {
            Some(What::BasisMap(map)) => Some(hex(&map.digest)),
            Some(What::LateRegister(_) | What::Baseline(_)) | None => None,
        },
    ];
    type Of = Cell<v1::AdoptedRow>;
    let cells = vec![
        Of::new("STATEMENT", |row| row.statement.to_string()),
        Of::new("IN FORCE", |row| if row.in_force { "yes" } else { "no" }.to_owned()),
        Of::new("SINCE (UTC)", |row| time::utc_cell(row.since_s)),
        Of::new("BY", by),
        Of::new("SAYS", says),
    ];
    Layout { noun: "adopted statements", fields, cells, below: |_| Vec::new() }
}

/// A statement of these kinds is signed by the key of the person whose it is; no collector attests one.
const SIGNED: &str = "signed";

pub(crate) fn by(row: &v1::AdoptedRow) -> String {
    row.author.as_ref().map_or_else(String::new, |by| by.person.clone())
}

fn kind(row: &v1::AdoptedRow) -> Option<&'static str> {
    row.what.as_ref().map(|what| match what {
        What::LateRegister(_) => "late_register",
        What::Baseline(_) => "baseline",
        What::BasisMap(_) => "basis_map",
    })
}

fn nodes(row: &v1::AdoptedRow) -> &[String] {
    match &row.what {
        Some(What::Baseline(baseline)) => &baseline.nodes,
        Some(What::BasisMap(map)) => &map.nodes,
        Some(What::LateRegister(_)) | None => &[],
    }
}

fn says(row: &v1::AdoptedRow) -> String {
    let at = || nodes(row).join(", ");
    match &row.what {
        Some(What::LateRegister(late)) if late.grace_s == 0 => {
            "late register: not waited for".to_owned()
        }
        Some(What::LateRegister(late)) => {
            format!("late register: waited for {} s after a block", late.grace_s)
        }
        Some(What::Baseline(baseline)) => {
            format!("baseline until {}: {}", time::utc_cell(baseline.until_s), at())
        }
        Some(What::BasisMap(map)) => format!("basis map {}: {}", hex(&map.digest), at()),
        None => "(not understood)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_what_it_is_and_who_stated_it() {
        let nodes = vec!["edge-1".to_owned(), "edge-2".to_owned()];
        let whats = [
            (
                What::LateRegister(v1::LateRegister { grace_s: 3600 }),
                "late register: waited for 3600 s after a block",
            ),
            (What::LateRegister(v1::LateRegister { grace_s: 0 }), "late register: not waited for"),
            (What::Baseline(v1::Baseline { nodes: nodes.clone(), until_s: 60 }), "edge-1, edge-2"),
            (What::BasisMap(v1::BasisMap { nodes, digest: vec![7; 32] }), "basis map 0707"),
        ];
        for (what, wanted) in whats {
            let author = Some(v1::PersonRef { person: "p-1".into(), ..Default::default() });
            let row = v1::AdoptedRow { what: Some(what), author, ..Default::default() };
            assert!(says(&row).contains(wanted), "{}", says(&row));
            assert_eq!((by(&row).as_str(), kind(&row).is_some()), ("p-1", true));
        }
    }
}
