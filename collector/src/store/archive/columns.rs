//! The columns of an archived day: what an event is made of, in words and numbers that need no other file,
//! and the row numbers by which the sidecar knows them.

use std::collections::HashMap;

use evidence::{AgentOrigin, Claim};
use parquet::data_type::ByteArray;
use register::{Span, assessment::Facts, target::name_in_key};
use remit_proto::v1;
use rusqlite::{Connection, Row, types::ValueRef};

use super::super::{
    EventKey, EventKind, StoreError, StoredEvent,
    columns::{decode, numbers, unsigned},
    part::{
        columns::{Read, origin},
        event_number,
        words::Words,
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Bytes,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_optional: bool,
}

const fn always(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_optional: false }
}

const fn maybe(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_optional: true }
}

/// In the order of [`SELECT`]. Places of those that code asks for are the constants below it.
pub(super) const COLUMNS: [Column; 39] = [
    always("event", Kind::Int),
    maybe("target_key", Kind::Text),
    maybe("target_kind", Kind::Int),
    maybe("target", Kind::Text),
    always("first_s", Kind::Int),
    always("last_s", Kind::Int),
    always("operator", Kind::Text),
    always("node", Kind::Text),
    always("generation", Kind::Text),
    always("leaf", Kind::Int),
    always("kind", Kind::Int),
    always("technique", Kind::Int),
    always("rule_number", Kind::Int),
    maybe("claims", Kind::Text),
    always("rule", Kind::Bytes),
    maybe("hit_target_key", Kind::Text),
    maybe("hit_target_kind", Kind::Int),
    maybe("hit_target", Kind::Text),
    always("hits", Kind::Int),
    maybe("response", Kind::Bytes),
    always("imported", Kind::Int),
    always("detail_reduced", Kind::Int),
    maybe("other_candidates", Kind::Bytes),
    maybe("deed", Kind::Bytes),
    always("clock_error_s", Kind::Int),
    maybe("before_act", Kind::Int),
    always("covered_by", Kind::Int),
    always("register_size", Kind::Int),
    always("then_code", Kind::Int),
    always("then_verdict", Kind::Bytes),
    always("now_code", Kind::Int),
    always("now_reason", Kind::Int),
    always("now_request", Kind::Text),
    always("now_verdict", Kind::Bytes),
    always("rule_row", Kind::Int),
    maybe("hit_row", Kind::Int),
    always("shape_row", Kind::Int),
    always("then_row", Kind::Int),
    always("now_row", Kind::Int),
];

pub(super) mod at {
    pub(in super::super) const EVENT: usize = 0;
    pub(in super::super) const TARGET_KEY: usize = 1;
    pub(in super::super) const TARGET_KIND: usize = 2;
    pub(in super::super) const TARGET: usize = 3;
    pub(in super::super) const FIRST_S: usize = 4;
    pub(in super::super) const LAST_S: usize = 5;
    pub(in super::super) const OPERATOR: usize = 6;
    pub(in super::super) const NODE: usize = 7;
    pub(in super::super) const GENERATION: usize = 8;
    pub(in super::super) const LEAF: usize = 9;
    pub(in super::super) const KIND: usize = 10;
    pub(in super::super) const RULE_NUMBER: usize = 12;
    pub(in super::super) const CLAIMS: usize = 13;
    pub(in super::super) const RULE: usize = 14;
    pub(in super::super) const HIT_KEY: usize = 15;
    pub(in super::super) const HIT_KIND: usize = 16;
    pub(in super::super) const HIT: usize = 17;
    pub(in super::super) const HITS: usize = 18;
    pub(in super::super) const RESPONSE: usize = 19;
    pub(in super::super) const IMPORTED: usize = 20;
    pub(in super::super) const DETAIL_REDUCED: usize = 21;
    pub(in super::super) const OTHER_CANDIDATES: usize = 22;
    pub(in super::super) const DEED: usize = 23;
    pub(in super::super) const CLOCK_ERROR_S: usize = 24;
    pub(in super::super) const BEFORE_ACT: usize = 25;
    pub(in super::super) const COVERED_BY: usize = 26;
    pub(in super::super) const REGISTER_SIZE: usize = 27;
    pub(in super::super) const THEN_VERDICT: usize = 29;
    pub(in super::super) const NOW_VERDICT: usize = 33;
    pub(in super::super) const RULE_ROW: usize = 34;
    pub(in super::super) const HIT_ROW: usize = 35;
    pub(in super::super) const SHAPE_ROW: usize = 36;
    pub(in super::super) const THEN_ROW: usize = 37;
    pub(in super::super) const NOW_ROW: usize = 38;
}

/// One event of a partition, in the order of [`COLUMNS`]. Values of targets are NULL where they are the name
/// in the key, and claims are read from the rule.
const SELECT: &str = "SELECT ev.id, own.key, own.kind, own.value, ev.last_s - span_s, ev.last_s, operator,
        node, generation.generation, run.first_leaf + ev.id - run.first_id, shape.kind, form.technique, rule.number,
        NULL, form.rule,
        hit.key, hit.kind, hit.value, ev.hits, response, imported, detail_reduced, other_candidates, deed,
        clock_error_s, before_act, covered_by, register_size, told_as.code, told.verdict, known_as.code,
        known_as.reason, known_as.request, known.verdict, ev.rule, ev.hit, ev.shape, ev.then_verdict,
        coalesce(ev.now_verdict, ev.then_verdict)
    FROM ev CROSS JOIN run ON run.first_id =
        (SELECT max(first_id) FROM run AS before WHERE before.first_id <= ev.id)
    CROSS JOIN rule ON rule.id = ev.rule
    CROSS JOIN generation ON generation.id = rule.generation
    CROSS JOIN form ON form.id = rule.form
    CROSS JOIN shape ON shape.id = ev.shape
    CROSS JOIN verdict AS told ON told.id = ev.then_verdict
    CROSS JOIN answer AS told_as ON told_as.id = told.answer
    CROSS JOIN verdict AS known ON known.id = coalesce(ev.now_verdict, ev.then_verdict)
    CROSS JOIN answer AS known_as ON known_as.id = known.answer
    LEFT JOIN target AS own ON own.id = rule.target
    LEFT JOIN target AS hit ON hit.id = ev.hit
    WHERE ev.id = ?1";

/// Values of one column, one for each row.
#[derive(Debug)]
pub(super) enum Values {
    Ints(Vec<Option<i64>>),
    Bytes(Vec<Option<ByteArray>>),
}

impl Values {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Int => Self::Ints(Vec::new()),
            Kind::Text | Kind::Bytes => Self::Bytes(Vec::new()),
        }
    }
}

/// Some rows, by column.
#[derive(Debug, Default)]
pub(super) struct Rows(HashMap<usize, Values>);

impl Rows {
    /// Reads events of a partition by their rows.
    pub(super) fn of_partition(
        connection: &Connection,
        events: impl Iterator<Item = i64>,
    ) -> Result<Self, StoreError> {
        let mut columns: Vec<Values> = COLUMNS.iter().map(|c| Values::of(c.kind)).collect();
        let mut statement = connection.prepare_cached(SELECT)?;
        for event in events {
            let mut rows = statement.query([event])?;
            let row = rows.next()?.ok_or(StoreError::Damaged { what: "ev.id" })?;
            for (place, values) in columns.iter_mut().enumerate() {
                values.push(place, row)?;
            }
        }
        Ok(Self(columns.into_iter().enumerate().collect()))
    }

    pub(super) fn insert(&mut self, place: usize, values: Values) {
        self.0.insert(place, values);
    }

    pub(super) fn values(&self, place: usize) -> Result<&Values, StoreError> {
        self.0.get(&place).ok_or(StoreError::Damaged { what: "archive.column" })
    }

    pub(super) fn maybe_int(&self, place: usize, row: usize) -> Result<Option<i64>, StoreError> {
        match self.values(place)? {
            Values::Ints(values) => Ok(values.get(row).copied().flatten()),
            Values::Bytes(_) => Err(StoreError::Damaged { what: "archive.column" }),
        }
    }

    pub(super) fn int(&self, place: usize, row: usize) -> Result<i64, StoreError> {
        self.maybe_int(place, row)?.ok_or(StoreError::Damaged { what: "archive.value" })
    }

    fn maybe_bytes(&self, place: usize, row: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.values(place)? {
            Values::Bytes(values) => Ok(values.get(row).and_then(Option::as_ref).map(|v| v.data())),
            Values::Ints(_) => Err(StoreError::Damaged { what: "archive.column" }),
        }
    }

    pub(super) fn bytes(&self, place: usize, row: usize) -> Result<&[u8], StoreError> {
        self.maybe_bytes(place, row)?.ok_or(StoreError::Damaged { what: "archive.value" })
    }

    fn text(&self, place: usize, row: usize) -> Result<String, StoreError> {
        let bytes = self.bytes(place, row)?.to_vec();
        String::from_utf8(bytes).map_err(|_| StoreError::Damaged { what: "archive.text" })
    }

    fn target(
        &self,
        kind: usize,
        value: usize,
        row: usize,
    ) -> Result<Option<v1::Target>, StoreError> {
        let Some(kind) = self.maybe_int(kind, row)? else { return Ok(None) };
        let kind = i32::try_from(kind).unwrap_or_default();
        Ok(Some(v1::Target { kind, value: self.text(value, row)? }))
    }

    /// An event with the verdict as known now of when the day was archived.
    pub(super) fn event(&self, part: i64, row: usize) -> Result<Read, StoreError> {
        let form = self.bytes(at::RULE, row)?;
        let rule = v1::Rule {
            number: self.int(at::RULE_NUMBER, row)?.cast_unsigned(),
            ..decode(form, "archive.rule")?
        };
        let span = Span {
            first_s: self.int(at::FIRST_S, row)?,
            last_s: self.int(at::LAST_S, row)?,
            clock_error_s: u32::try_from(self.int(at::CLOCK_ERROR_S, row)?).unwrap_or_default(),
        };
        let origin: AgentOrigin = origin(
            self.text(at::OPERATOR, row)?,
            self.text(at::NODE, row)?,
            self.text(at::GENERATION, row)?,
        )?;
        let response = self.maybe_bytes(at::RESPONSE, row)?;
        let deed = self.maybe_bytes(at::DEED, row)?;
        let facts = Facts {
            origin,
            index: unsigned(self.int(at::LEAF, row)?),
            rule,
            target: self.target(at::TARGET_KIND, at::TARGET, row)?,
            hit_target: self.target(at::HIT_KIND, at::HIT, row)?,
            response: response.map(|bytes| decode(bytes, "archive.response")).transpose()?,
            span,
            imported: self.int(at::IMPORTED, row)? != 0,
            other_candidates: numbers(
                self.maybe_bytes(at::OTHER_CANDIDATES, row)?.map(<[u8]>::to_vec),
            ),
            before_act: self.maybe_int(at::BEFORE_ACT, row)?.map(unsigned),
            covered_by: unsigned(self.int(at::COVERED_BY, row)?),
        };
        let register_size = unsigned(self.int(at::REGISTER_SIZE, row)?);
        let words = Words::of(facts.target.as_ref(), span);
        let verdict = |place: usize| -> Result<v1::Verdict, StoreError> {
            Ok(words.put_back(decode(self.bytes(place, row)?, "archive.verdict")?, register_size))
        };
        let (then, now) = (verdict(at::THEN_VERDICT)?, verdict(at::NOW_VERDICT)?);
        let kind = EventKind::from_number(self.int(at::KIND, row)?);
        Ok(Read {
            kind: kind.ok_or(StoreError::Damaged { what: "archive.kind" })?,
            now: self.int(at::NOW_ROW, row)?,
            register_size,
            event: StoredEvent {
                key: EventKey {
                    last_s: span.last_s,
                    number: event_number(part, self.int(at::EVENT, row)?),
                },
                hits: unsigned(self.int(at::HITS, row)?),
                detail_reduced: self.int(at::DETAIL_REDUCED, row)? != 0,
                deed: deed.map(|bytes| decode(bytes, "archive.deed")).transpose()?,
                then,
                now,
                facts,
            },
        })
    }
}

impl Values {
    fn push(&mut self, place: usize, row: &Row<'_>) -> Result<(), StoreError> {
        let value = row.get_ref(place)?;
        match self {
            Self::Ints(values) => values.push(match value {
                ValueRef::Null => None,
                ValueRef::Integer(value) => Some(value),
                ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                    return Err(StoreError::Damaged { what: "ev" });
                }
            }),
            Self::Bytes(values) => {
                let found = match value {
                    ValueRef::Null => None,
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
                    ValueRef::Integer(_) | ValueRef::Real(_) => {
                        return Err(StoreError::Damaged { what: "ev" });
                    }
                };
                // Left out where it is the name in the key.
                let key = match place {
                    at::TARGET => Some(at::TARGET_KEY),
                    at::HIT => Some(at::HIT_KEY),
                    _ => None,
                };
                let found = match (found, key) {
                    (None, Some(key)) => {
                        let key: Option<String> = row.get(key)?;
                        key.map(|key| name_in_key(&key).unwrap_or_default().into_bytes())
                    }
                    (found, _) => found,
                };
                let found = match place {
                    at::CLAIMS => claims(&row.get::<_, Vec<u8>>(at::RULE)?)?,
                    _ => found,
                };
                values.push(found.map(ByteArray::from));
            }
        }
        Ok(())
    }
}

/// "req-7,list:feed@3", for whoever reads the file without this program.
fn claims(rule: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let rule: v1::Rule = decode(rule, "form.rule")?;
    let claims = rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok());
    let claims: Vec<String> = claims.map(|claim| claim.to_string()).collect();
    Ok((!claims.is_empty()).then(|| claims.join(",").into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_those_of_the_names() {
        for (place, name) in [
            (at::EVENT, "event"),
            (at::TARGET_KEY, "target_key"),
            (at::TARGET, "target"),
            (at::LAST_S, "last_s"),
            (at::GENERATION, "generation"),
            (at::LEAF, "leaf"),
            (at::KIND, "kind"),
            (at::RULE_NUMBER, "rule_number"),
            (at::CLAIMS, "claims"),
            (at::RULE, "rule"),
            (at::HIT, "hit_target"),
            (at::HITS, "hits"),
            (at::DEED, "deed"),
            (at::CLOCK_ERROR_S, "clock_error_s"),
            (at::REGISTER_SIZE, "register_size"),
            (at::THEN_VERDICT, "then_verdict"),
            (at::NOW_VERDICT, "now_verdict"),
            (at::RULE_ROW, "rule_row"),
            (at::HIT_ROW, "hit_row"),
            (at::SHAPE_ROW, "shape_row"),
            (at::THEN_ROW, "then_row"),
            (at::NOW_ROW, "now_row"),
        ] {
            assert_eq!(COLUMNS[place].name, name);
        }
    }
}
