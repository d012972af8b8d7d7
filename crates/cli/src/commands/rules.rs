//! `remit rules list`: blocking rules that are installed now.

use remit_proto::v1;
use serde_json::Value;

use super::{
    list,
    row::{
        Judged, attribution_fields, filter, node_cell, rule_cells, sentences, target_cell,
        target_fields, verdict_cell_of, verdict_fields,
    },
};
use crate::{
    cli::{Filtered, Format},
    client,
    config::Config,
    exit::CliError,
    output::{Cell, Layout, fields},
    time, words,
};

pub(crate) async fn rules(config: &Config, args: &Filtered, out: Format) -> Result<(), CliError> {
    let filter = filter(args)?;
    let mut client = client::query(config).await?;
    let (rows, completeness) = list::all(args.page.limit, async |page_size, page_token| {
        let request = v1::ListRulesRequest { filter: Some(filter.clone()), page_size, page_token };
        let v1::ListRulesResponse { rules, next_page_token, completeness } =
            client.list_rules(request).await?.into_inner();
        Ok((rules, next_page_token, completeness))
    })
    .await?;
    layout(args.as_known_at.is_some()).listing(&rows, completeness).print(out)
}

impl Judged for v1::RuleRow {
    fn node(&self) -> &str {
        &self.node
    }

    fn rule(&self) -> Option<u64> {
        Some(self.rule.as_ref()?.number)
    }

    fn technique(&self) -> v1::Technique {
        self.rule.as_ref().map(v1::Rule::technique).unwrap_or_default()
    }

    fn target(&self) -> Option<&v1::Target> {
        self.target.as_ref()
    }

    fn claims(&self) -> &[v1::Claim] {
        self.rule.as_ref().map_or(&[], |rule| &rule.claims)
    }

    fn claims_are_withheld(&self) -> bool {
        self.rule.as_ref().is_some_and(words::claims_are_withheld)
    }

    fn verdict(&self) -> Option<&v1::Verdict> {
        self.verdict.as_ref()
    }

    fn authority(&self) -> &str {
        &self.authority
    }
}

/// `past`: as known at a time of which hits are not kept.
pub(super) fn layout(past: bool) -> Layout<v1::RuleRow> {
    let mut fields = fields![row: v1::RuleRow;
        "event" => row.event_id,
        "node" => row.node,
        "rule" => row.rule().map(words::rule),
        "source" => row.rule.as_ref().map(words::source),
        "technique" => words::technique(row.technique()),
    ];
    fields.extend(target_fields());
    fields.extend(fields![row: v1::RuleRow;
        "native" => row.native,
        "claims" => words::claims(row.claims()),
        "claim_origin" => row.rule.as_ref().map(words::claim_origin),
        "rate_bits_per_s" => row.rule.as_ref().map(|rule| rule.rate_bits_per_s).filter(|rate| *rate > 0),
        "names_sampled" => row.rule.as_ref().is_some_and(|rule| rule.names_sampled),
        "installed_at" => time::utc(row.installed_at_s),
        "installed_now" => row.installed_now,
        "hits" => row.hits,
        "shared_hits" => row.shared_hits,
        "last_hit" => time::utc(row.last_hit_s),
    ]);
    fields.extend(verdict_fields());
    fields.extend(attribution_fields());
    if past {
        for field in fields.iter_mut().filter(|field| OF_NOW.contains(&field.name)) {
            field.value = |_| Value::Null;
        }
    }
    let hits: fn(&v1::RuleRow) -> String = match past {
        true => |_| "-".to_owned(),
        false => |row| words::hits(row.hits, row.shared_hits),
    };
    // Since when it stands as it is; the hits are those since then.
    let since = |row: &v1::RuleRow| match (row.installed_now, row.installed_at_s) {
        (false, _) => "(removed)".to_owned(),
        (true, 0) => "before the agent".to_owned(),
        (true, at_s) => time::utc_cell(at_s),
    };
    let [rule, technique, claims, authority] = rule_cells();
    let cells = vec![
        node_cell(),
        rule,
        technique,
        target_cell(),
        Cell::new("SINCE (UTC)", since),
        Cell::new("HITS SINCE", hits),
        claims,
        authority,
        verdict_cell_of(),
    ];
    let below = |row: &v1::RuleRow| {
        let mut below = sentences(row.verdict.as_ref(), None);
        if row.rule.as_ref().is_some_and(|rule| rule.names_sampled) {
            below.push(words::NAMES_SAMPLED.to_owned());
        }
        below
    };
    Layout { noun: "rules", fields, cells, below }
}

/// What is not kept of the past.
const OF_NOW: [&str; 3] = ["hits", "shared_hits", "last_hit"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_that_are_not_known_are_no_number() {
        let rows = [v1::RuleRow::default()];
        let hits = |past: bool| {
            let objects = serde_json::json!(layout(past).listing(&rows, None).objects());
            let row = &objects[0];
            (row["hits"].clone(), row["shared_hits"].clone())
        };
        let (sure, shared) = hits(false);
        assert_eq!((sure, shared), (0.into(), 0.into()));
        let (sure, shared) = hits(true);
        assert_eq!((sure, shared), (Value::Null, Value::Null));
    }

    #[test]
    fn a_name_and_all_below_it_are_told_apart() {
        let row = |kind: v1::TargetKind| v1::RuleRow {
            rule: Some(v1::Rule::default()),
            target: Some(v1::Target { kind: kind.into(), value: "example.org".to_owned() }),
            ..v1::RuleRow::default()
        };
        let rows = [row(v1::TargetKind::DomainExact), row(v1::TargetKind::DomainSubtree)];
        let withheld = v1::RuleRow { target: None, ..rows[0].clone() };
        let cell = |row: &v1::RuleRow| {
            let table = layout(false).listing(std::slice::from_ref(row), None).text(200);
            ["domain_exact:example.org", "domain_subtree:example.org", "(withheld)"]
                .into_iter()
                .filter(|cell| table.split_whitespace().any(|word| word == *cell))
                .collect::<Vec<_>>()
        };
        assert_eq!(cell(&rows[0]), ["domain_exact:example.org"]);
        assert_eq!(cell(&rows[1]), ["domain_subtree:example.org"]);
        assert_eq!(cell(&withheld), ["(withheld)"]);
        let objects = serde_json::json!(layout(false).listing(&rows, None).objects());
        assert_eq!(objects[1]["target"], "example.org", "programs read the kind beside it");
    }
}
