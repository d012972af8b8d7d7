//! `remit points`: the inventory, declared by people and signed. The denominator of every answer.

use std::path::Path;

use evidence::Operator;
use register::words::network_type_from;
use remit_proto::v1;
use serde::Deserialize;

use super::{list, row::or_dash};
use crate::{
    cli::{Format, Page},
    client,
    config::Config,
    exit::CliError,
    home,
    output::{Cell, Layout, fields},
    statement, time, words,
};

/// What an operator writes. Unknown keys are mistakes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inventory {
    #[serde(default)]
    node: Vec<Node>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    node: String,
    role: String,
    #[serde(default)]
    groups: Vec<String>,
    country: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    asn: u32,
    network_type: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    cells: Vec<String>,
    /// Compared with k: there is no default.
    lines_served: u64,
    #[serde(default)]
    point: Vec<Point>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    id: String,
    technology: String,
    observation: String,
}

pub(crate) async fn declare(config: &Config, file: &Path) -> Result<(), CliError> {
    let operator: Operator = config.file.operator.parse().map_err(|_| {
        CliError::Usage("config.toml holds no valid operator: run `remit enrol`".into())
    })?;
    let author = config.person()?;
    let text = home::read_text(file)?;
    let name = file.display();
    let rows = read(&text, &operator, &author, time::now_s())
        .map_err(|problem| CliError::Malformed(format!("{name}: {problem}")))?;
    // All are checked and signed before the first is sent.
    let signed = rows
        .iter()
        .map(|facts| statement::sign_facts(config, facts))
        .collect::<Result<Vec<_>, _>>()?;
    let mut client = client::register(config).await?;
    for (facts, signed_facts) in rows.iter().zip(signed) {
        let request = v1::DeclareNodeRequest { signed_facts };
        let response = client
            .declare_node(request)
            .await
            .map_err(|status| CliError::of_entry(status, "remit points list"))?
            .into_inner();
        eprintln!(
            "{}: {} points declared, log entry {}",
            facts.node,
            facts.points.len(),
            response.log_index
        );
    }
    Ok(())
}

fn read(
    text: &str,
    operator: &Operator,
    author: &v1::PersonRef,
    now_s: i64,
) -> Result<Vec<v1::NodeFacts>, String> {
    let Inventory { node: nodes } = toml::from_str(text).map_err(|error| match error.span() {
        Some(span) => format!("line {}: {}", line_at(text, span.start), error.message()),
        None => error.message().to_owned(),
    })?;
    if nodes.is_empty() {
        return Err("it declares no node; write [[node]] sections".to_owned());
    }
    // Every mistake at once.
    let mut mistakes = Vec::new();
    let mut rows = Vec::new();
    for node in nodes {
        let id = node.node.clone();
        match facts(node, operator, author, now_s) {
            Ok(facts) => rows.push(facts),
            Err(mistake) => mistakes.push(format!("node {id:?}: {mistake}")),
        }
    }
    if mistakes.is_empty() { Ok(rows) } else { Err(mistakes.join("; ")) }
}

fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

fn facts(
    node: Node,
    operator: &Operator,
    author: &v1::PersonRef,
    now_s: i64,
) -> Result<v1::NodeFacts, String> {
    let Node {
        node,
        role,
        groups,
        country,
        region,
        asn,
        network_type,
        audiences,
        cells,
        lines_served,
        point,
    } = node;
    let wrong =
        |field: &str, word: &str, want: &str| format!("{field}: {word:?} is unknown; want {want}");
    let role = v1::NodeRole::from_str_name(&format!("NODE_ROLE_{}", role.to_uppercase()))
        .filter(|role| *role != v1::NodeRole::Unspecified)
        .ok_or_else(|| {
            wrong("role", &role, "resolver, router, proxy, dpi, cpe, mobile_core or mail")
        })?;
    let network_type = network_type_from(&network_type).ok_or_else(|| {
        wrong("network_type", &network_type, "fixed, mobile, wholesale, enterprise or roaming")
    })?;
    let points = point
        .into_iter()
        .map(|Point { id, technology, observation }| {
            let observation = v1::Observation::from_str_name(&format!(
                "OBSERVATION_{}",
                observation.to_uppercase()
            ))
            .filter(|o| *o != v1::Observation::Unspecified)
            .ok_or_else(|| wrong("observation", &observation, "observed, relayed or unobserved"))?;
            Ok(v1::EnforcementPoint { id, technology, observation: observation.into() })
        })
        .collect::<Result<_, String>>()?;
    Ok(v1::NodeFacts {
        format: evidence::FORMAT,
        operator: operator.to_string(),
        node,
        role: role.into(),
        groups,
        country,
        region,
        asn,
        network_type: network_type.into(),
        audiences,
        lines_served,
        points,
        recorded_at_s: now_s,
        author: Some(author.clone()),
        cells,
    })
}

pub(crate) async fn list(config: &Config, page: &Page, out: Format) -> Result<(), CliError> {
    let mut client = client::query(config).await?;
    let (rows, completeness) = list::all(page.limit, async |page_size, page_token| {
        let request = v1::ListPointsRequest { page_size, page_token };
        let v1::ListPointsResponse { points, next_page_token, completeness } =
            client.list_points(request).await?.into_inner();
        Ok((points, next_page_token, completeness))
    })
    .await?;
    layout().listing(&rows, completeness).print(out)
}

fn layout() -> Layout<v1::PointRow> {
    let fields = fields![row: v1::PointRow;
        "node" => row.node,
        "point" => point(row).id,
        "technology" => point(row).technology,
        "observation" => observation(&point(row)),
        "reporting" => row.reporting,
        "country" => row.country,
        "region" => row.region,
    ];
    let cells: Vec<Cell<v1::PointRow>> = vec![
        Cell::new("NODE", |row| row.node.clone()),
        Cell::new("POINT", |row| point(row).id),
        Cell::new("TECHNOLOGY", |row| point(row).technology),
        Cell::new("OBSERVATION", |row| observation(&point(row))),
        Cell::new("REPORTING", |row| if row.reporting { "yes" } else { "no" }.to_owned()),
        Cell::new("PLACE", |row| {
            or_dash(if row.region.is_empty() { &row.country } else { &row.region })
        }),
    ];
    Layout { noun: "points", fields, cells, below: |_| Vec::new() }
}

fn point(row: &v1::PointRow) -> v1::EnforcementPoint {
    row.point.clone().unwrap_or_default()
}

fn observation(point: &v1::EnforcementPoint) -> String {
    words::word(point.observation().as_str_name(), "OBSERVATION_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [[node]]
        node = "resolver-1"
        role = "resolver"
        country = "DE"
        region = "DE-BE"
        network_type = "fixed"
        lines_served = 1000
        [[node.point]]
        id = "rpz"
        technology = "unbound_rpz"
        observation = "observed"
    "#;

    fn read_one(text: &str) -> Result<Vec<v1::NodeFacts>, String> {
        let author = v1::PersonRef { person: "p-1".into(), role: v1::Role::Operator.into() };
        read(text, &"example.net".parse().unwrap(), &author, 1_700_000_000)
    }

    #[test]
    fn an_inventory_becomes_well_formed_facts() {
        let rows = read_one(GOOD).unwrap();
        let bytes = evidence::canonical::encode(rows.first().unwrap());
        assert!(evidence::log_entry::decode_facts(&bytes).is_ok());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let bad = format!(
            "{}\n{}",
            GOOD.replace("\"resolver\"", "\"toaster\""),
            GOOD.replace("resolver-1", "resolver-2").replace("\"observed\"", "\"seen\"")
        );
        let text = read_one(&bad).unwrap_err();
        assert!(
            text.contains("toaster") && text.contains("seen") && text.contains("resolver-2"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_key_or_a_missing_count_is_a_mistake() {
        assert!(read_one(&GOOD.replace("country", "land")).is_err());
        assert!(
            read_one(&GOOD.replace("lines_served = 1000", ""))
                .unwrap_err()
                .contains("lines_served")
        );
        assert!(read_one("").is_err());
        let text = read_one("[[node]]\nnode = \"a\"\nrol = \"router\"\n").unwrap_err();
        assert!(text.starts_with("line 3: unknown field `rol`"), "{text}");
    }
}
