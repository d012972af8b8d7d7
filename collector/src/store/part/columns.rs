//! How the rows of a partition read back as events.

use std::collections::HashMap;

use evidence::{AgentOrigin, Generation};
use register::{Span, assessment::Facts};
use remit_proto::v1;
use rusqlite::{Connection, Row};

use super::{
    dictionary::{RowId, target_from},
    event_number,
    words::Words,
};
use crate::store::{
    EventKey, EventKind, StoreError, StoredEvent,
    columns::{decode, numbers, unsigned},
};

/// The tables are taken in this order: an event, then what its numbers stand for.
const SELECT: &str = "SELECT ev.id, run.first_leaf + ev.id - run.first_id, ev.hits, span_s, ev.last_s, covered_by,
        register_size, before_act, clock_error_s, operator, node, generation.generation, rule.number,
        form.rule, own.kind, own.key, own.value, hit.kind, hit.key, hit.value, shape.kind, imported,
        detail_reduced, response, other_candidates, told.verdict, known.verdict,
        coalesce(ev.now_verdict, ev.then_verdict), deed
    FROM ev CROSS JOIN run ON run.first_id =
        (SELECT max(first_id) FROM run AS before WHERE before.first_id <= ev.id)
    CROSS JOIN rule ON rule.id = ev.rule
    CROSS JOIN generation ON generation.id = rule.generation
    CROSS JOIN form ON form.id = rule.form
    CROSS JOIN shape ON shape.id = ev.shape
    CROSS JOIN verdict AS told ON told.id = ev.then_verdict
    CROSS JOIN verdict AS known ON known.id = coalesce(ev.now_verdict, ev.then_verdict)
    LEFT JOIN target AS own ON own.id = rule.target
    LEFT JOIN target AS hit ON hit.id = ev.hit";

/// An event with what only its partition can say of it.
pub(in crate::store) struct Read {
    pub(in crate::store) event: StoredEvent,
    pub(in crate::store) kind: EventKind,
    /// Row of the verdict as known now.
    pub(in crate::store) now: RowId,
    /// Size of the register by which it was judged when it came.
    pub(in crate::store) register_size: u64,
}

/// The events that a condition on `ev` names, in an order.
pub(in crate::store) fn read(
    connection: &Connection,
    part: i64,
    condition: &str,
    values: impl rusqlite::Params,
    tell: &mut dyn FnMut(Read) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {condition}"))?;
    let mut rows = statement.query(values)?;
    // Neighbours mostly have the same rule.
    let mut known = Known::default();
    while let Some(row) = rows.next()? {
        tell(known.event(part, row)?)?;
    }
    Ok(())
}

pub(in crate::store) fn by_row(
    connection: &Connection,
    part: i64,
    row: RowId,
) -> Result<Option<Read>, StoreError> {
    let mut found = None;
    read(connection, part, "WHERE ev.id = ?1", [row], &mut |event| {
        found = Some(event);
        Ok(())
    })?;
    Ok(found)
}

/// What was decoded before.
#[derive(Default)]
struct Known {
    origin: Option<AgentOrigin>,
    verdicts: HashMap<Vec<u8>, v1::Verdict>,
}

/// Few answers are many events'.
const VERDICTS_MAX: usize = 256;

impl Known {
    fn verdict(&mut self, bytes: Vec<u8>) -> Result<v1::Verdict, StoreError> {
        if let Some(known) = self.verdicts.get(&bytes) {
            return Ok(known.clone());
        }
        let verdict: v1::Verdict = decode(&bytes, "verdict.verdict")?;
        if self.verdicts.len() < VERDICTS_MAX {
            self.verdicts.insert(bytes, verdict.clone());
        }
        Ok(verdict)
    }

    fn origin(&mut self, row: &Row<'_>) -> Result<AgentOrigin, StoreError> {
        let (node, generation) = (row.get_ref(10)?, row.get_ref(11)?);
        let same = self.origin.as_ref().is_some_and(|known| {
            node.as_str().is_ok_and(|node| node == known.node.as_str())
                && generation.as_str().is_ok_and(|text| text == known.generation.to_string())
        });
        if !same {
            self.origin = Some(origin(row.get(9)?, row.get(10)?, row.get(11)?)?);
        }
        self.origin.clone().ok_or(StoreError::Damaged { what: "origin" })
    }

    fn event(&mut self, part: i64, row: &Row<'_>) -> Result<Read, StoreError> {
        let last_s: i64 = row.get(4)?;
        let span = Span {
            first_s: last_s.saturating_sub(row.get(3)?),
            last_s,
            clock_error_s: row.get(8)?,
        };
        let form: Vec<u8> = row.get(13)?;
        let rule = v1::Rule {
            number: row.get::<_, i64>(12)?.cast_unsigned(),
            ..decode(&form, "form.rule")?
        };
        let response: Option<Vec<u8>> = row.get(23)?;
        let deed: Option<Vec<u8>> = row.get(28)?;
        let facts = Facts {
            origin: self.origin(row)?,
            index: unsigned(row.get(1)?),
            rule,
            target: target(row, 14)?,
            hit_target: target(row, 17)?,
            response: response.map(|bytes| decode(&bytes, "shape.response")).transpose()?,
            span,
            imported: row.get(21)?,
            other_candidates: numbers(row.get(24)?),
            before_act: row.get::<_, Option<i64>>(7)?.map(unsigned),
            covered_by: unsigned(row.get(5)?),
        };
        let register_size = unsigned(row.get(6)?);
        let (then, now) = (self.verdict(row.get(25)?)?, self.verdict(row.get(26)?)?);
        let words = Words::of(facts.target.as_ref(), span);
        let (then, now) = (words.put_back(then, register_size), words.put_back(now, register_size));
        let kind: i64 = row.get(20)?;
        Ok(Read {
            kind: EventKind::from_number(kind).ok_or(StoreError::Damaged { what: "shape.kind" })?,
            now: row.get(27)?,
            register_size,
            event: StoredEvent {
                key: EventKey { last_s, number: event_number(part, row.get(0)?) },
                hits: unsigned(row.get(2)?),
                detail_reduced: row.get(22)?,
                deed: deed.map(|bytes| decode(&bytes, "shape.deed")).transpose()?,
                then,
                now,
                facts,
            },
        })
    }
}

fn target(row: &Row<'_>, at: usize) -> Result<Option<v1::Target>, StoreError> {
    let Some(kind) = row.get(at)? else { return Ok(None) };
    Ok(Some(target_from(kind, row.get(at + 1)?, row.get(at + 2)?)))
}

pub(in crate::store) fn origin(
    operator: String,
    node: String,
    generation: String,
) -> Result<AgentOrigin, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "origin" };
    Ok(AgentOrigin {
        operator: operator.parse().map_err(damaged)?,
        node: node.parse().map_err(damaged)?,
        generation: generation.parse::<Generation>().map_err(damaged)?,
    })
}
