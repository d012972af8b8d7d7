//! The statement for machines: JSON (docs/reconciliation.schema.json) and CSV.

use register::reconcile::{
    Class, Counts, Explanation, Field, Figures, Item, Reconciliation, Row, Side, checked,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{given::Given, held::Held};
use crate::{
    exit::CliError,
    output::{self, Cell, Layout, fields},
    time,
    words::hex,
};

/// Another form gets another word.
const FORMAT: &str = "remit-reconciliation/1";

/// What was compared, from what, and what came out.
pub(super) struct Statement {
    pub(super) made_at_s: i64,
    pub(super) given: Given,
    pub(super) held: Held,
    pub(super) found: Reconciliation,
}

impl Statement {
    pub(super) fn json(&self) -> Value {
        let Self { made_at_s, given, held, found } = self;
        let Given { authority: _, file, form, digest, mapping_digest, rows, repaired, refused } =
            given;
        let Held { operator: _, origin, size, root, source, gaps: _, authorities: _, code: _ } =
            held;
        let Reconciliation { question, rows: found_rows, figures, unused, limits } = found;
        let row = |row: &&Row| {
            let layout = layout();
            let names = layout.fields.iter().map(|field| field.name.to_owned());
            Value::Object(names.zip(layout.values(row)).collect())
        };
        let (differences, matched): (Vec<&Row>, Vec<&Row>) =
            found_rows.iter().partition(|row| row.is_difference());
        json!({
            "format": FORMAT,
            "made_at": time::utc(*made_at_s),
            "made_by": format!("remit {}", env!("CARGO_PKG_VERSION")),
            "authority": question.authority,
            "at": time::utc(question.at_s),
            "timing_s": question.timing_s,
            "materiality": found.threshold(),
            "authority_list": {
                "file": file,
                "form": form,
                "sha256": hex(digest),
                "mapping_sha256": mapping_digest.as_ref().map(|digest| hex(digest)),
                "rows": rows,
                "rows_repaired": repaired,
                "rows_refused": refused,
            },
            "register": { "origin": origin, "size": size, "root": root, "source": source },
            "figures": figures_json(figures),
            "differences": differences.iter().map(row).collect::<Vec<_>>(),
            "matched": matched.iter().map(row).collect::<Vec<_>>(),
            "explanations_unused": unused.iter().map(unused_json).collect::<Vec<_>>(),
            "limits": limits,
        })
    }

    pub(super) fn csv(&self) -> Result<Vec<u8>, CliError> {
        let layout = layout();
        let columns: Vec<&str> = layout.fields.iter().map(|field| field.name).collect();
        let rows: Vec<Vec<Value>> = self
            .found
            .rows
            .iter()
            .map(|row| {
                let mut values = layout.values(row);
                for (value, column) in values.iter_mut().zip(&columns) {
                    if *column == "explanations" {
                        *value = explained_in_words(row).join(" / ").into();
                    }
                }
                values
            })
            .collect();
        output::csv(&columns, &rows)
    }
}

fn figures_json(figures: &Figures) -> Value {
    let Figures {
        authority,
        operator,
        authority_left_out,
        operator_left_out,
        entries,
        matched,
        differs,
        only_authority,
        only_operator,
        timing,
        count_only,
        counts_equal,
        explained_by_authority,
        explained_by_operator,
        unexplained,
        unread,
        material,
    } = figures;
    json!({
        "authority_entries": authority,
        "operator_entries": operator,
        "authority_left_out": authority_left_out,
        "operator_left_out": operator_left_out,
        "rows": entries,
        "MATCHED": matched,
        "DIFFERS": differs,
        "ONLY_AUTHORITY": only_authority,
        "ONLY_OPERATOR": only_operator,
        "TIMING": timing,
        "COUNT_ONLY": count_only,
        "counts_equal": counts_equal,
        "explained_by_authority": explained_by_authority,
        "explained_by_operator": explained_by_operator,
        "unexplained": unexplained,
        "unread": unread,
        "material": material,
    })
}

/// Members of a row; the last one is a list of objects in JSON and a text in CSV.
pub(super) fn layout() -> Layout<Row> {
    let fields = fields![row: Row;
        "difference" => row.id,
        "class" => row.class.word(),
        "fields" => differing(row),
        "target" => row.target(),
        "reference" => row.reference(),
        "authority_target" => row.authority.as_ref().map(Item::says),
        "authority_reference" => row.authority.as_ref().map(|item| item.reference.clone()),
        "authority_from" => time_of(row.authority.as_ref(), |item| item.from_s),
        "authority_until" => time_of(row.authority.as_ref(), |item| item.until_s),
        "authority_state" => row.authority.as_ref().map(|item| item.state.clone()),
        "authority_count" => row.counts.as_ref().map(|counts| counts.authority),
        "operator_request" => row.operator.as_ref().map(|item| item.id.clone()),
        "operator_target" => row.operator.as_ref().map(Item::says),
        "operator_reference" => row.operator.as_ref().map(|item| item.reference.clone()),
        "operator_from" => time_of(row.operator.as_ref(), |item| item.from_s),
        "operator_until" => time_of(row.operator.as_ref(), |item| item.until_s),
        "operator_state" => row.operator.as_ref().map(|item| item.state.clone()),
        "operator_list" => row.operator.as_ref().map(|item| item.place.clone()),
        "operator_count" => row.counts.as_ref().map(|counts| counts.operator),
        "explained_by" => explained_by(row),
        "explanations" => row.explanations.iter().map(explanation_json).collect::<Vec<_>>(),
        "surplus" => row.surplus.map(Side::word),
        "unread" => row.is_unknown(),
        "remark" => remarks(row).join(" "),
    ];
    type Of = Cell<Row>;
    let cells = vec![
        Of::new("TARGET", Row::target),
        Of::new("REFERENCE", |row| dash(row.reference().to_owned())),
        Of::new("AUTHORITY'S LIST (UTC)", |row| match (row.authority.as_ref(), row.unread) {
            (None, 1..) if row.counts.is_none() => "not read whole".to_owned(),
            (item, _) => side(item, counted(row, |c| c.authority)),
        })
        .dispensable(2),
        Of::new("REGISTER (UTC)", |row| match (row.operator.as_ref(), row.withheld) {
            (None, 1..) if row.counts.is_none() => "not shown whole".to_owned(),
            (item, _) => side(item, counted(row, |c| c.operator)),
        })
        .dispensable(3),
        Of::new("EXPLAINED BY", |row| match (row.is_difference(), explained_by(row).join(", ")) {
            (false, _) => "–".to_owned(),
            (true, by) if by.is_empty() && row.is_unknown() => "–".to_owned(),
            (true, by) if by.is_empty() => "nobody".to_owned(),
            (true, by) => by,
        }),
        Of::new("DIFFERENCE", |row| row.id.clone()).dispensable(1),
    ];
    Layout { noun: "rows", fields, cells, below: told }
}

/// What stands below a row.
fn told(row: &Row) -> Vec<String> {
    [remarks(row), explained_in_words(row)].concat()
}

/// What this program says of a row: what differs, as each side has it, and what it cannot tell.
fn remarks(row: &Row) -> Vec<String> {
    let mut said = Vec::new();
    if let (Some(authority), Some(operator)) = (&row.authority, &row.operator) {
        said.extend(row.class.fields().iter().map(|field| {
            let (listed, held) = (value(*field, authority), value(*field, operator));
            format!("Differs in {}: {listed} in the list, {held} in the register.", field.word())
        }));
    }
    if row.class == Class::Timing(Vec::new()) {
        said.extend(taken_in(row));
    }
    let is_pair = row.surplus.is_none() && row.authority.is_some() && row.operator.is_some();
    match row.unread {
        0 => {}
        rows if is_pair => said.push(format!("{} refused, and may fit better.", were(rows, "row"))),
        rows => said.push(format!(
            "It is not among the rows of the list that were read; {} refused.",
            were(rows, "row")
        )),
    }
    match row.withheld {
        0 => {}
        requests if is_pair => {
            said.push(format!("{} withheld, and may fit better.", are(requests, "request")));
        }
        requests => said.push(format!(
            "The register shows nothing of this authority for it; {} withheld, for which it may stand.",
            are(requests, "request")
        )),
    }
    said.extend(beside(row));
    said
}

/// Of what a side names once more.
fn beside(row: &Row) -> Option<String> {
    let (listed, held) = (number(row.authority.as_ref()), number(row.operator.as_ref()));
    let (own, whose, other, theirs) = match row.surplus? {
        Side::Authority => (listed, "list", "register", held),
        Side::Operator => (held, "register", "list", listed),
    };
    let under = if theirs.is_empty() { String::new() } else { format!(" under {theirs}") };
    let beside = format!("what the {other} has{under} is compared in another row, too.");
    let is_alone = !own.is_empty() && row.is_difference() && !row.is_unknown();
    Some(if is_alone {
        format!("{own} is the {whose}'s alone; {beside}")
    } else {
        beside.replacen('w', "W", 1)
    })
}

fn were(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what} was") } else { format!("{number} {what}s were") }
}

fn are(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what} is") } else { format!("{number} {what}s are") }
}

fn taken_in(row: &Row) -> Option<String> {
    let recorded_s = row.operator.as_ref()?.recorded_s?;
    Some(format!(
        "The register took it in at {}, shortly before the time of the list.",
        time::utc(recorded_s)
    ))
}

fn number(item: Option<&Item>) -> &str {
    item.map_or("", |item| &item.reference)
}

/// What a side says of a field.
fn value(field: Field, item: &Item) -> String {
    let bound = |bound_s: Option<i64>, none: &str| bound_s.map_or(none.to_owned(), time::utc);
    match field {
        Field::Kind => item.says(),
        Field::Exception if item.exception => "to be left open".to_owned(),
        Field::Exception => "to be blocked".to_owned(),
        Field::Reference => item.reference.clone(),
        Field::From => bound(item.from_s, "no beginning"),
        Field::Until => bound(item.until_s, "no end"),
        Field::State => {
            let force = if item.in_force { "in force" } else { "not in force" };
            let mut because: Vec<String> = Vec::new();
            if item.state != "listed" && !(item.in_force && item.state == "active") {
                because.push(item.state.clone());
            }
            if !item.in_force {
                because.extend(item.from_s.map(|from_s| format!("from {}", time::utc(from_s))));
                because.extend(item.until_s.map(|end_s| format!("until {}", time::utc(end_s))));
            }
            if because.is_empty() {
                force.to_owned()
            } else {
                format!("{force} ({})", because.join(", "))
            }
        }
    }
}

/// In the words of the sides, and no others.
fn explained_in_words(row: &Row) -> Vec<String> {
    let said = row.explanations.iter().map(|explanation| {
        let Explanation { side, text, by, at, .. } = explanation;
        let from: Vec<&str> =
            [by.as_str(), at.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
        let from = if from.is_empty() { String::new() } else { format!(" ({})", from.join(", ")) };
        format!("The {} says{from}: {text}", side.word())
    });
    said.collect()
}

fn counted(row: &Row, of: fn(&Counts) -> u64) -> Option<u64> {
    row.counts.as_ref().map(of)
}

/// "since 2026-01-01T00:00Z until …, request reg/1 (active)".
fn side(item: Option<&Item>, count: Option<u64>) -> String {
    if let Some(count) = count {
        return count.to_string();
    }
    let Some(item) = item else { return "not there".to_owned() };
    let mut parts = Vec::new();
    if !item.in_force {
        parts.push("not in force".to_owned());
    }
    if let Some(from_s) = item.from_s {
        parts.push(format!("from {}", time::utc_cell(from_s)));
    }
    if let Some(until_s) = item.until_s {
        parts.push(format!("until {}", time::utc_cell(until_s)));
    }
    if !item.id.is_empty() && item.state != "listed" {
        parts.push(format!("{} ({})", item.id, item.state));
    }
    if !item.place.is_empty() {
        parts.push(item.place.clone());
    }
    if parts.is_empty() { "named".to_owned() } else { parts.join(", ") }
}

fn dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}

fn differing(row: &Row) -> Vec<&'static str> {
    row.class.fields().iter().map(|field| field.word()).collect()
}

fn explained_by(row: &Row) -> Vec<&'static str> {
    let sides = [Side::Authority, Side::Operator].into_iter();
    sides.filter(|side| row.explained_by(*side)).map(Side::word).collect()
}

fn time_of(item: Option<&Item>, of: fn(&Item) -> Option<i64>) -> Option<String> {
    item.and_then(of).map(time::utc)
}

fn explanation_json(explanation: &Explanation) -> Value {
    let Explanation { difference: _, class: _, target: _, reference: _, side, text, by, at } =
        explanation;
    json!({ "side": side.word(), "text": text, "by": by, "at": at })
}

fn unused_json(explanation: &Explanation) -> Value {
    let Explanation { difference, class, target, reference, .. } = explanation;
    let mut value = explanation_json(explanation);
    for (key, selector) in
        [("difference", difference), ("class", class), ("target", target), ("reference", reference)]
    {
        if let Some(object) = value.as_object_mut() {
            object.insert(key.to_owned(), selector.as_str().into());
        }
    }
    value
}

/// What is read of an earlier statement.
#[derive(Deserialize)]
struct Earlier {
    format: String,
    authority: String,
    differences: Vec<EarlierRow>,
    explanations_unused: Vec<Explanation>,
}

#[derive(Deserialize)]
struct EarlierRow {
    difference: String,
    explanations: Vec<Said>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    side: Side,
    text: String,
    by: String,
    at: String,
}

/// The explanations of an earlier statement about the same authority, each for its row.
pub(super) fn explained(bytes: &[u8], authority: &str) -> Result<Vec<Explanation>, String> {
    let earlier: Earlier =
        serde_json::from_slice(bytes).map_err(|error| format!("no statement: {error}"))?;
    if earlier.format != FORMAT {
        return Err(format!("its format is {:?}, and {FORMAT} is read", earlier.format));
    }
    if earlier.authority != authority {
        return Err(format!("it is about {:?}", earlier.authority));
    }
    let of_row = |row: EarlierRow| {
        let EarlierRow { difference, explanations } = row;
        explanations.into_iter().map(move |said| {
            let Said { side, text, by, at } = said;
            let (class, target, reference) = Default::default();
            Explanation {
                difference: difference.clone(),
                class,
                target,
                reference,
                side,
                text,
                by,
                at,
            }
        })
    };
    let said = earlier.differences.into_iter().flat_map(of_row).chain(earlier.explanations_unused);
    checked(said.collect()).map_err(|error| error.to_string())
}
