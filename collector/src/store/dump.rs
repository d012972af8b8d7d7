//! All content as text, in a stable order: what a rebuild is compared by.
//!
//! Numbers of dictionary rows are left out and what they stand for is put in: they depend on when a
//! word was first needed, and with two jobs at work that is nobody's business.

use std::sync::Arc;

use prost::Message;
use rusqlite::{Connection, types::ValueRef};

use super::{
    StoreError, StoredEvent,
    counts::Runs,
    part::{columns, search::In},
    readers::Readers,
    sqlite::parts,
};

/// What each line is, and the question that gives them, in order. All are constants.
const CATALOG: [(&str, &str); 16] = [
    ("projection", "SELECT * FROM projection"),
    ("generation", "SELECT * FROM generation ORDER BY node, generation"),
    ("fork", "SELECT * FROM fork ORDER BY node, generation, kind"),
    (
        "rule",
        "SELECT node, generation, number, operator, source, rule_fact.rule, target.kind, target.key,
             target.value, native, shown, shown_by, first_shown_s, shown_at_s, clock_error_s,
             before_act, covered_by, installed_at_s, removed_at_s, installed_now
         FROM rule JOIN origin ON origin.id = rule.origin JOIN rule_fact ON rule_fact.id = fact
         LEFT JOIN target ON target.id = target ORDER BY node, generation, number",
    ),
    (
        "standing",
        "SELECT node, generation, number, known_by, leaf, rule_fact.rule, target.kind, target.key,
             target.value, standing.native, at_s, standing.clock_error_s, standing.before_act,
             standing.installed_at_s, ended_by, begun, ended_at_s, phantom
         FROM standing JOIN rule ON rule.id = standing.rule JOIN origin ON origin.id = rule.origin
         JOIN rule_fact ON rule_fact.id = standing.fact
         LEFT JOIN target ON target.id = standing.target
         ORDER BY node, generation, number, known_by, leaf",
    ),
    ("log_time", "SELECT * FROM log_time ORDER BY at_s"),
    ("snapshot", "SELECT * FROM snapshot ORDER BY node, generation, source"),
 ("unread", "SELECT * FROM unread ORDER BY node, source, from_s"),
    ("snapshot_missed", "SELECT * FROM snapshot_missed ORDER BY node, generation, source"),
    (
        "part",
        "SELECT number, day, nth, sealed, events, first_s, last_s, manifest FROM part ORDER BY number",
    ),
    ("job", "SELECT log_size, from_register, to_register, state, examined, revised, root FROM job
             ORDER BY log_size"),
    ("gap", "SELECT * FROM gap ORDER BY node, generation, leaf"),
    ("heard", "SELECT * FROM heard ORDER BY node"),
    ("silence", "SELECT * FROM silence ORDER BY node, generation, leaf"),
    (
        "probe",
        "SELECT node, generation, leaf, at_s, target.kind, target.key, target.value, probe, known_by
         FROM probe LEFT JOIN target ON target.id = probe.target ORDER BY node, generation, leaf",
    ),
    ("loss", "SELECT * FROM loss ORDER BY node, generation, leaf, source"),
];

const PART: [(&str, &str); 4] = [
    ("part", "SELECT number, day, sealed FROM part"),
    (
        "revision",
        "SELECT event, log_size, register_size, told.verdict, known.verdict FROM revision
         JOIN verdict AS told ON told.id = before JOIN verdict AS known ON known.id = after
         ORDER BY event, log_size",
    ),
    (
        "rule_sum",
        "SELECT node, generation.generation, number, form.rule, target.kind, target.key, target.value,
             code, reason, request, added, events,
             -- Added up elsewhere, it ends at the largest number.
             iif(high + (low >> 32) > 2147483647, 9223372036854775807,
                 (high << 32) + low),
             first_s, told.last_s, newest
         FROM (SELECT rule, answer, sum(events) AS events, sum(hits >> 32) AS high,
                 sum(hits & 4294967295) AS low, min(last_s - span_s) AS first_s,
                 max(last_s) AS last_s, max(newest) AS newest
             FROM (SELECT * FROM rule_sum UNION ALL SELECT * FROM sum_run)
             GROUP BY rule, answer) AS told
         JOIN rule ON rule.id = told.rule JOIN form ON form.id = form
         JOIN generation ON generation.id = rule.generation JOIN answer ON answer.id = answer
         LEFT JOIN target ON target.id = rule.target
         WHERE events > 0
         ORDER BY node, generation.generation, number, form.rule, target.key, target.kind, target.value,
             code, reason, request, added",
    ),
    (
        "hour_sum",
        "SELECT hour, technique, code, reason, events, hits FROM hour_sum WHERE events > 0
         ORDER BY hour, technique, code, reason",
    ),
];

pub(super) fn dump(
    catalog: &Connection,
    readers: &Arc<Readers>,
) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    tables(catalog, &CATALOG, &mut lines)?;
    hits(catalog, &mut lines)?;
    for part in parts(catalog)? {
        let opened = readers.open(&part)?;
        tables(opened.get()?, &PART, &mut lines)?;
        events(opened.inside()?, &mut lines)?;
    }
    Ok(lines)
}

/// What rules did, whether merged or not.
fn hits(catalog: &Connection, lines: &mut Vec<String>) -> Result<(), StoreError> {
    let runs = Runs::load(catalog, usize::MAX)?;
    let mut statement = catalog.prepare(
        "SELECT rule.id, node, generation, number FROM rule JOIN origin ON origin.id = rule.origin
         ORDER BY node, generation, number",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (node, generation): (String, String) = (row.get(1)?, row.get(2)?);
        let (number, counts) = (row.get::<_, i64>(3)?, runs.counts(catalog, row.get(0)?)?);
        lines.push(format!("rule_hits|{node}|{generation}|{number}|{counts:?}"));
    }
    Ok(())
}

fn tables(
    connection: &Connection,
    tables: &[(&str, &str)],
    lines: &mut Vec<String>,
) -> Result<(), StoreError> {
    for (name, sql) in tables {
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut line = (*name).to_owned();
            for column in 0..columns {
                line.push('|');
                line.push_str(&text(row.get_ref(column)?));
            }
            lines.push(line);
        }
    }
    Ok(())
}

fn events(inside: In<'_>, lines: &mut Vec<String>) -> Result<(), StoreError> {
    inside.all(&mut |read| {
        let columns::Read { event, kind, now: _, register_size } = read;
        let StoredEvent { key, facts, hits, detail_reduced, deed, then, now } = event;
        let (then, now) = (hex(&then.encode_to_vec()), hex(&now.encode_to_vec()));
        let number = key.number;
        lines.push(format!(
            "event|{number}|{kind:?}|{facts:?}|{hits}|{detail_reduced}|{deed:?}|{register_size}|{then}|{now}"
        ));
        Ok(())
    })
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
