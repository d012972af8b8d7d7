//! `remit summary`: the first five minutes of a human-rights officer, on one page.
//!
//! In: what the collector answers to ListRules, ListFindings, ListNodes and ListPoints. Out: a page,
//! by cause and not by event, as text (`text`), as one HTML file (`html`), or for machines. Promised:
//! own measures stand apart from what authorities asked for; no number stands without what it rests
//! on (register, log, time, completeness); nothing is scored. Not done here: judging. Verdicts and
//! findings are the collector's, and `remit verify` computes them anew.

mod cause;
mod deed;
mod defect;
mod examples;
pub(super) mod html;
mod layouts;
mod meaning;
pub(super) mod page;
pub(super) mod text;
mod unseen;

use std::collections::{BTreeMap, BTreeSet};

use remit_proto::v1::{self, BasisProof};
use serde_json::{Value, json};

use self::{
    cause::{Cause, Part, Registered, causes},
    deed::{Deed, deeds, duties, not_done, reached, silent_areas, unstated},
    defect::{Defects, States, defects, states},
    layouts::{Proved, Total},
    unseen::{Unseen, unseen},
};
use super::{adopt, list, row::proof_word};
use crate::{
    cli::{Format, SummaryArgs},
    client,
    config::Config,
    exit::CliError,
    home, output, time,
};

/// The page names targets: whoever wrote it decides who else reads it.
const MODE: u32 = 0o600;

pub(crate) async fn summary(
    config: &Config,
    args: &SummaryArgs,
    out: Format,
) -> Result<(), CliError> {
    let summary = Summary::new(ask(config).await?);
    let page = page::page(&summary);
    if let Some(file) = &args.html {
        home::write_new(file, html::html(&page).as_bytes(), MODE)?;
        eprintln!("{}: written", file.display());
    }
    match out {
        Format::Table => output::write(text::text(&page, output::width()).as_bytes()),
        Format::Json => output::write(format!("{:#}\n", summary.json()).as_bytes()),
        // One kind of row only.
        Format::Jsonl | Format::Csv => {
            layouts::causes().listing(&summary.causes, Some(summary.completeness)).print(out)
        }
    }
}

/// What was asked, of whom, and what came back.
struct Answers {
    operator: String,
    collector: String,
    asked_at_s: i64,
    rules: Vec<v1::RuleRow>,
    findings: Vec<v1::FindingRow>,
    nodes: Vec<v1::NodeRow>,
    points: Vec<v1::PointRow>,
    adopted: Vec<v1::AdoptedRow>,
    /// Of rules and findings, in the order in which they were asked for.
    completeness: [v1::Completeness; 2],
}

async fn ask(config: &Config) -> Result<Answers, CliError> {
    let asked_at_s = time::now_s();
    let mut client = client::query(config).await?;
    let (nodes, _) = list::all(None, async |page_size, page_token| {
        let request = v1::ListNodesRequest { page_size, page_token };
        let answer = client.list_nodes(request).await?.into_inner();
        Ok((answer.nodes, answer.next_page_token, answer.completeness))
    })
    .await?;
    let (points, _) = list::all(None, async |page_size, page_token| {
        let request = v1::ListPointsRequest { page_size, page_token };
        let answer = client.list_points(request).await?.into_inner();
        Ok((answer.points, answer.next_page_token, answer.completeness))
    })
    .await?;
    let (rules, of_rules) = list::all(None, async |page_size, page_token| {
        let request = v1::ListRulesRequest { filter: None, page_size, page_token };
        let answer = client.list_rules(request).await?.into_inner();
        Ok((answer.rules, answer.next_page_token, answer.completeness))
    })
    .await?;
    let (findings, of_findings) = list::all(None, async |page_size, page_token| {
        let request =
            v1::ListFindingsRequest { page_size, page_token, ..v1::ListFindingsRequest::default() };
        let answer = client.list_findings(request).await?.into_inner();
        Ok((answer.findings, answer.next_page_token, answer.completeness))
    })
    .await?;
    let (adopted, _) = adopt::adopted(config, None).await?;
    let completeness = [of_rules.unwrap_or_default(), of_findings.unwrap_or_default()];
    Ok(Answers {
        operator: config.file.operator.clone(),
        collector: config.collector()?.to_owned(),
        asked_at_s,
        rules,
        findings,
        nodes,
        points,
        adopted,
        completeness,
    })
}

/// Everything on the page, grouped and counted.
struct Summary {
    operator: String,
    collector: String,
    asked_at_s: i64,
    completeness: v1::Completeness,
    /// A sentence, if the register grew between two answers.
    moved: Option<String>,
    /// For how long a request may come into the register later than its block, as is stated for what is blocked now.
    late_register: Option<v1::AdoptedRow>,
    causes: Vec<Cause>,
    deeds: Vec<Deed>,
    duties: Vec<v1::FindingRow>,
    reached: Vec<v1::FindingRow>,
    /// Carried out in part, late, with a pause, or not removed in time.
    not_done: Vec<v1::FindingRow>,
    defects: Vec<Defects>,
    states: Vec<States>,
    limits: Vec<Unseen>,
}

impl Summary {
    fn new(answers: Answers) -> Self {
        let Answers {
            operator,
            collector,
            asked_at_s,
            rules,
            findings,
            nodes,
            points,
            adopted,
            completeness,
        } = answers;
        let [first, completeness] = completeness;
        let places = Places::new(&nodes);
        let moved = (first.register_size != completeness.register_size).then(|| {
            format!(
                "While this was asked, the register grew from size {} to {}; run it again for one \
                 state.",
                first.register_size, completeness.register_size
            )
        });
        Self {
            operator,
            collector,
            asked_at_s,
            moved,
            late_register: adopted.into_iter().rfind(|row| {
                row.in_force && matches!(row.what, Some(v1::adopted_row::What::LateRegister(_)))
            }),
            causes: causes(&rules, &places),
            deeds: deeds(&findings, &places),
            duties: duties(&findings),
            reached: reached(&findings),
            not_done: not_done(&findings),
            defects: defects(&findings),
            states: states(&findings),
            limits: unseen(
                &completeness,
                &points,
                &nodes,
                unstated(&findings, &places),
                silent_areas(&findings),
                &places,
            ),
            completeness,
        }
    }

    /// One for each part, also where there is nothing.
    fn totals(&self) -> Vec<Total> {
        let total = |part: Part| {
            let of: Vec<&Cause> = self.causes.iter().filter(|c| c.key.part == part).collect();
            let nodes: BTreeSet<&String> = of.iter().flat_map(|cause| cause.nodes.keys()).collect();
            let sum = |number: fn(&Cause) -> u64| {
                of.iter().fold(0_u64, |sum, cause| sum.saturating_add(number(cause)))
            };
            Total {
                part,
                causes: of.len() as u64,
                rules: sum(|cause| cause.rules),
                nodes: nodes.len() as u64,
                hits: sum(|cause| cause.hits),
                shared_hits: sum(|cause| cause.shared_hits),
            }
        };
        Part::ALL.map(total).into()
    }

    /// What is covered, and the operator's own: by how well the requests are proved, and by when they were registered
    /// (DOMAIN.md 3a), so that one wide request of the operator's own makes not everything green.
    fn proved(&self) -> Vec<Proved> {
        let mut found: BTreeMap<(usize, BasisProof), Vec<Registered>> = BTreeMap::new();
        let parts = [Part::Covered, Part::OwnMeasure];
        for cause in &self.causes {
            let Some(at) = parts.iter().position(|part| *part == cause.key.part) else { continue };
            for (proof, registered) in &cause.registered {
                found.entry((at, *proof)).or_default().push(*registered);
            }
        }
        let rows = found.into_iter().filter_map(|((at, proof), registered)| {
            Some(Proved {
                part: *parts.get(at)?,
                proof: proof_word(proof).unwrap_or("not stated"),
                registered: registered.into_iter().sum(),
            })
        });
        rows.collect()
    }

    fn json(&self) -> Value {
        json!({
            "operator": self.operator,
            "collector": self.collector,
            "asked_at": time::utc(self.asked_at_s),
            "register_moved": self.moved.is_some(),
            "late_register": self.late_register.as_ref().map(|row| json!({
                "grace_s": grace_s(row),
                "since": time::utc(row.since_s),
                "statement": row.statement,
                "author": adopt::by(row),
                "attestation": "signed",
            })),
            "totals": layouts::totals().listing(&self.totals(), None).objects(),
            "proofs": layouts::proved().listing(&self.proved(), None).objects(),
            "causes": layouts::causes().listing(&self.causes, None).objects(),
            "not_enforced": layouts::duties().listing(&self.duties, None).objects(),
            "reached": layouts::reached().listing(&self.reached, None).objects(),
            "not_done": layouts::not_done().listing(&self.not_done, None).objects(),
            "defects": layouts::defects().listing(&self.defects, None).objects(),
            "findings": layouts::states().listing(&self.states, None).objects(),
            "also_recorded": layouts::deeds().listing(&self.deeds, None).objects(),
            "not_seen": layouts::limits().listing(&self.limits, None).objects(),
            "completeness": output::completeness_json(Some(&self.completeness)),
        })
    }
}

/// 0: nothing is waited for.
fn grace_s(row: &v1::AdoptedRow) -> u32 {
    match &row.what {
        Some(v1::adopted_row::What::LateRegister(late)) => late.grace_s,
        Some(_) | None => 0,
    }
}

/// Where each node stands.
#[derive(Debug, Default)]
struct Places(BTreeMap<String, String>);

impl Places {
    fn new(nodes: &[v1::NodeRow]) -> Self {
        let place = |row: &v1::NodeRow| {
            let facts = row.facts.as_ref()?;
            let place = if facts.region.is_empty() { &facts.country } else { &facts.region };
            Some((row.node.clone(), place.clone()))
        };
        Self(nodes.iter().filter_map(place).collect())
    }

    /// "edge-1 (DE-BE)".
    fn shown(&self, node: &str) -> String {
        self.0.get(node).map_or_else(|| node.to_owned(), |place| format!("{node} ({place})"))
    }
}

#[cfg(test)]
mod tests;
