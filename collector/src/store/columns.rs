//! How rows of the catalog, and values that every file has, read back.

use prost::Message;
use register::{
    Span,
    assessment::Facts,
    duties::{Begun, SpanId},
    integrity::Contradiction,
};
use remit_proto::v1;
use rusqlite::Row;

use super::{
    Contradicted, RuleId, StoreError, StoredRule, StoredStood,
    part::{columns::origin, target_from},
    write_rules::begun_from,
};

pub(super) fn rule_from(row: &Row<'_>) -> Result<StoredRule, StoreError> {
    let (node, generation): (String, String) = (row.get(0)?, row.get(1)?);
    let rule: Vec<u8> = row.get(4)?;
    let shown_at_s: i64 = row.get(10)?;
    let target = match row.get::<_, Option<i32>>(5)? {
        None => None,
        Some(kind) => Some(target_from(kind, row.get(6)?, row.get(21)?)),
    };
    Ok(StoredRule {
        facts: Facts {
            origin: origin(row.get(2)?, node.clone(), generation.clone())?,
            index: unsigned(row.get(9)?),
            rule: v1::Rule {
                number: row.get::<_, i64>(3)?.cast_unsigned(),
                ..decode(&rule, "rule_fact.rule")?
            },
            target,
            hit_target: None,
            response: None,
            span: Span { first_s: shown_at_s, last_s: shown_at_s, clock_error_s: row.get(11)? },
            imported: false,
            other_candidates: Vec::new(),
            before_act: row.get::<_, Option<i64>>(12)?.map(unsigned),
            covered_by: unsigned(row.get(13)?),
        },
        id: RuleId { node, generation, number: row.get::<_, i64>(3)?.cast_unsigned() },
        native: row.get(7)?,
        shown: row.get(8)?,
        shown_at_s,
        installed_at_s: row.get(14)?,
        installed_now: row.get(15)?,
        hits: unsigned(row.get(16)?),
        shared_hits: unsigned(row.get(20)?),
        first_hit_s: row.get(17)?,
        last_hit_s: row.get(18)?,
        first_shown_s: row.get(19)?,
    })
}

pub(super) fn stood_from(row: &Row<'_>, known_at: Option<u64>) -> Result<StoredStood, StoreError> {
    let rule: Vec<u8> = row.get(5)?;
    let number = row.get::<_, i64>(4)?.cast_unsigned();
    let target = match row.get::<_, Option<i32>>(6)? {
        None => None,
        Some(kind) => Some(target_from(kind, row.get(7)?, row.get(8)?)),
    };
    let told = |ended_by: &i64| known_at.is_none_or(|size| unsigned(*ended_by) < size);
    let ended = row.get::<_, Option<i64>>(11)?.filter(told).is_some();
    Ok(StoredStood {
        id: SpanId([unsigned(row.get(0)?), unsigned(row.get(1)?), unsigned(row.get(2)?)]),
        node: row.get(3)?,
        number,
        rule: v1::Rule { number, ..decode(&rule, "rule_fact.rule")? },
        target,
        from_s: row.get(9)?,
        begun: begun_from(row.get(10)?).ok_or(StoreError::Damaged { what: "standing.begun" })?,
        until_s: if ended { row.get(12)? } else { None },
    })
}

/// One span may have begun and ended so.
pub(super) fn contradicted_from(row: &Row<'_>) -> Result<Vec<Contradicted>, StoreError> {
    let rule: Vec<u8> = row.get(3)?;
    let number = row.get::<_, i64>(2)?.cast_unsigned();
    let target = match row.get::<_, Option<i32>>(4)? {
        None => None,
        Some(kind) => Some(target_from(kind, row.get(5)?, row.get(6)?)),
    };
    let begun = begun_from(row.get(7)?).ok_or(StoreError::Damaged { what: "standing.begun" })?;
    let (phantom, ended_at_s): (bool, Option<i64>) = (row.get(8)?, row.get(10)?);
    let told = Contradicted {
        rule: RuleId { node: row.get(0)?, generation: row.get(1)?, number },
        found: Contradiction::Unreported,
        at_s: row.get(9)?,
        form: v1::Rule { number, ..decode(&rule, "rule_fact.rule")? },
        target,
        stands: row.get(11)?,
    };
    let ended_at_s = ended_at_s.unwrap_or(told.at_s);
    let ended = Contradicted { found: Contradiction::Phantom, at_s: ended_at_s, ..told.clone() };
    let untold = (begun == Begun::Untold).then_some(told);
    Ok(untold.into_iter().chain(phantom.then_some(ended)).collect())
}

/// Reads [`blob`] back.
pub(super) fn numbers(blob: Option<Vec<u8>>) -> Vec<u64> {
    let blob = blob.unwrap_or_default();
    blob.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()
}

/// Rule numbers as a column; `None` where there are none.
pub(super) fn blob(numbers: &[u64]) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    (!bytes.is_empty()).then_some(bytes)
}

pub(super) fn decode<M: Message + Default>(
    bytes: &[u8],
    what: &'static str,
) -> Result<M, StoreError> {
    M::decode(bytes).map_err(|_| StoreError::Damaged { what })
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
