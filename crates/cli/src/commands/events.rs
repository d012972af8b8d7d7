//! `remit events list`: what rules did, each with its verdict, as known now and then.

use remit_proto::v1;

use super::{
    list,
    row::{
        Judged, attribution_fields, filter, node_cell, rule_cells, sentences, target_fields,
        verdict_cell_of, verdict_fields,
    },
};
use crate::{
    cli::{Filtered, Format},
    client,
    config::Config,
    exit::CliError,
    output::{Cell, Field, Layout, fields},
    time, words,
};

pub(crate) async fn events(config: &Config, args: &Filtered, out: Format) -> Result<(), CliError> {
    let filter = filter(args)?;
    let mut client = client::query(config).await?;
    let (rows, completeness) = list::all(args.page.limit, async |page_size, page_token| {
        let request = v1::ListEventsRequest { filter: Some(filter.clone()), page_size, page_token };
        let v1::ListEventsResponse { events, next_page_token, completeness } =
            client.list_events(request).await?.into_inner();
        Ok((events, next_page_token, completeness))
    })
    .await?;
    layout().listing(&rows, completeness).print(out)
}

impl Judged for v1::EventRow {
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
        self.as_known_now.as_ref()
    }

    fn authority(&self) -> &str {
        &self.authority
    }
}

pub(super) fn layout() -> Layout<v1::EventRow> {
    let mut fields = fields![row: v1::EventRow;
        "event" => row.id,
        "node" => row.node,
        "rule" => row.rule().map(words::rule),
        "source" => row.rule.as_ref().map(words::source),
        "technique" => words::technique(row.technique()),
    ];
    fields.extend(target_fields());
    fields.extend(fields![row: v1::EventRow;
        "hit_target" => row.hit_target.as_ref().map(|target| &target.value),
        "hits" => row.hits,
        "first" => time::utc(row.first_s),
        "last" => time::utc(row.last_s),
        "claims" => words::claims(row.claims()),
        "claim_origin" => row.rule.as_ref().map(words::claim_origin),
        "names_sampled" => row.rule.as_ref().is_some_and(|rule| rule.names_sampled),
    ]);
    fields.extend(verdict_fields());
    fields.extend(fields![row: v1::EventRow;
        "verdict_then" => row.as_known_then.as_ref().map(words::verdict_code),
        "request_then" =>
            row.as_known_then.as_ref().and_then(|v| v.clause.as_ref()).map(|c| &c.request_id),
        "register_size" => row.as_known_now.as_ref().map(|verdict| verdict.register_size),
        "imported" => row.imported,
        "detail_reduced" => row.detail_reduced,
        "other_candidates" =>
            row.other_candidates.iter().map(|number| words::rule(*number)).collect::<Vec<_>>(),
    ]);
    fields.extend(attribution_fields());
    fields.extend(deed_fields());
    let [rule, technique, claims, authority] = rule_cells();
    let last = Cell::new("LAST (UTC)", |row: &v1::EventRow| time::utc_cell(row.last_s));
    // A deed lasts and is not counted.
    let hits = Cell::new("HITS", |row: &v1::EventRow| match &row.deed {
        Some(_) => "-".to_owned(),
        None => row.hits.to_string(),
    });
    let cells = vec![
        last,
        node_cell(),
        rule,
        technique,
        Cell::new("TARGET", target_or_others),
        hits,
        claims,
        authority,
        verdict_cell_of(),
    ];
    let below = |row: &v1::EventRow| {
        let mut below: Vec<String> = row.deed.as_ref().map(deed_sentence).into_iter().collect();
        below.extend(sentences(row.as_known_now.as_ref(), row.as_known_then.as_ref()));
        below
    };
    Layout { noun: "events", fields, cells, below }
}

/// Members of a deed that a person recorded; empty for what a filter did.
fn deed_fields() -> Vec<Field<v1::EventRow>> {
    fields![row: v1::EventRow;
        "deed" => row.deed.as_ref().map(words::deed_kind),
        "deed_act" => row.deed.as_ref().map(words::deed_act),
        "deed_from" => row.deed.as_ref().map(|deed| time::utc(deed.from_s)),
        "deed_until" => row.deed.as_ref().map(|deed| time::utc(deed.until_s)),
        "rate_bits_per_s" => rate(row),
        "recorded_by" => row.deed.as_ref().map(|deed| words::person_ref(deed.recorded_by.as_ref())),
        "recorded_at" => row.deed.as_ref().map(|deed| time::utc(deed.at_s)),
        "confirmed_by" => confirmed(row).map(|c| words::person_ref(c.by.as_ref())),
        "confirmed_at" => confirmed(row).map(|c| time::utc(c.at_s)),
        "attestation" => row.deed.as_ref().map(words::attestation),
    ]
}

/// Of a deed, what was left to its target; of a rule that slows down, what it leaves.
fn rate(row: &v1::EventRow) -> Option<u64> {
    let of_rule = || row.rule.as_ref().map(|rule| rule.rate_bits_per_s).filter(|rate| *rate > 0);
    row.deed.as_ref().map(|deed| deed.rate_bits_per_s).or_else(of_rule)
}

fn confirmed(row: &v1::EventRow) -> Option<&v1::Confirmation> {
    row.as_known_now.as_ref()?.confirmed.as_ref()
}

/// "Throttle to 64000 bit/s from 2026-01-15T10:00:00Z, not ended; recorded by operator person-1 at …".
fn deed_sentence(deed: &v1::ServiceAction) -> String {
    let mut what = words::deed_kind(deed).replace('_', " ");
    if let Some(first) = what.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if deed.rate_bits_per_s > 0 {
        what.push_str(&format!(" to {} bit/s", deed.rate_bits_per_s));
    }
    let until = match deed.until_s {
        0 => "not ended when this was recorded".to_owned(),
        until_s => format!("until {}", time::utc(until_s)),
    };
    format!(
        "{what} from {}, {until}: the word of {}, given at {} ({}).",
        time::utc(deed.from_s),
        words::person_ref(deed.recorded_by.as_ref()),
        time::utc(deed.at_s),
        match deed.attestation() {
            v1::Attestation::ByNode => "the node attests who it was; nobody signed",
            v1::Attestation::Unspecified => "how the person is known is not said",
        }
    )
}

/// Where several rules could have caused it, the one that is named is one of them.
fn target_or_others(row: &v1::EventRow) -> String {
    let target = words::typed_target(row.target.as_ref());
    match row.other_candidates.len() {
        0 => target,
        // The most that a leaf names.
        256 => format!("{target} (or 256 and more others)"),
        others => format!("{target} (or {others} other)"),
    }
}
