//! What many events repeat, kept once, in the order in which it first came.
//!
//! A row is found by the bytes that it stands for, in memory: an index on disk that is looked into for
//! each event is what makes the obvious schema slow. The memory is as large as one partition's
//! dictionaries, and is read from the file when a partition is opened again. Keys come from traffic, so
//! the hash is a keyed one (the standard library's).

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use evidence::{AgentOrigin, Claim};
use prost::Message;
use register::{
    Span, Target,
    assessment::Facts,
    target::{name_in_key, sort_key},
};
use remit_proto::v1;
use rusqlite::{Connection, params};

use super::words::{Words, key_of_shared};
use crate::store::{
    Added, EventKind, NewEvent, StoreError,
    columns::{blob, decode},
    dictionary::{form_of, number},
};

/// Row numbers are dense and begin at 1.
pub(super) type RowId = i64;

#[derive(Default)]
pub(super) struct Dictionaries {
    generations: HashMap<AgentOrigin, RowId>,
    targets: HashMap<v1::Target, RowId>,
    forms: HashMap<Vec<u8>, RowId>,
    /// By generation, encoded rule and target: hundreds of thousands, of which each event asks for one.
    rules: HashMap<Fingerprint, Rule>,
    keyed: RandomState,
    shapes: HashMap<Shape, RowId>,
    pub(super) verdicts: Verdicts,
    rule_count: RowId,
    /// Where keys are put together.
    key: Vec<u8>,
    /// Of the event before, which is mostly alike.
    last: Option<(AgentOrigin, RowId)>,
    last_shape: Option<LastShape>,
}

/// The dictionary that grows after a partition is sealed, too.
#[derive(Default)]
pub(super) struct Verdicts {
    /// By `Words::key`.
    verdicts: HashMap<Vec<u8>, RowId>,
    answers: HashMap<(i32, i32, String, i64), RowId>,
    /// By number of the verdict, from 1.
    answer_of: Vec<AnswerOf>,
    /// Where keys are put together.
    key: Vec<u8>,
}

/// Stands for bytes that would lie elsewhere in memory, and be waited for and compared for each event: two hashes of
/// 64 bits, of the bytes behind two different ones, under a key that nobody knows (SipHash-1-3, the standard
/// library's). That two of a million rules agree in both has a probability of 2^-89.
type Fingerprint = (u64, u64);

fn fingerprint(keyed: &RandomState, bytes: &[u8]) -> Fingerprint {
    (keyed.hash_one((0_u8, bytes)), keyed.hash_one((1_u8, bytes)))
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) id: RowId,
    pub(super) technique: i32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerOf {
    pub(super) answer: RowId,
    pub(super) code: i32,
    pub(super) reason: i32,
    pub(super) is_notable: bool,
}

struct LastShape {
    kind: EventKind,
    imported: bool,
    detail_reduced: bool,
    response: Option<v1::Response>,
    id: RowId,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    kind: i64,
    imported: bool,
    detail_reduced: bool,
    response: Option<Vec<u8>>,
    other_candidates: Option<Vec<u8>>,
    deed: Option<Vec<u8>>,
}

impl Dictionaries {
    /// As they stand in the file.
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut loaded = Self::default();
        let mut origins = HashMap::new();
        each(connection, "SELECT id, operator, node, generation FROM generation", |row| {
            let origin = super::columns::origin(row.get(1)?, row.get(2)?, row.get(3)?)?;
            origins.insert(row.get::<_, RowId>(0)?, origin.clone());
            loaded.generations.insert(origin, row.get(0)?);
            Ok(())
        })?;
        let mut targets = HashMap::new();
        each(connection, "SELECT id, kind, key, value FROM target", |row| {
            let target = target_from(row.get(1)?, row.get(2)?, row.get(3)?);
            targets.insert(row.get::<_, RowId>(0)?, target.clone());
            loaded.targets.insert(target, row.get(0)?);
            Ok(())
        })?;
        let mut forms = HashMap::new();
        each(connection, "SELECT id, rule FROM form", |row| {
            let bytes: Vec<u8> = row.get(1)?;
            forms.insert(row.get::<_, RowId>(0)?, decode::<v1::Rule>(&bytes, "form.rule")?);
            loaded.forms.insert(bytes, row.get(0)?);
            Ok(())
        })?;
        each(connection, "SELECT id, generation, number, form, target FROM rule", |row| {
            let id: RowId = row.get(0)?;
            let form = forms.get(&row.get(3)?).ok_or(StoreError::Damaged { what: "rule.form" })?;
            let rule = v1::Rule { number: row.get::<_, i64>(2)?.cast_unsigned(), ..form.clone() };
            let key = loaded.rule_key(row.get(1)?, &rule, targets.get(&row.get(4)?));
            let known = Rule { id, technique: rule.technique };
            loaded.rules.insert(key, known);
            loaded.rule_count = loaded.rule_count.max(id);
            Ok(())
        })?;
        let shapes = "SELECT id, kind, imported, detail_reduced, response, other_candidates, deed
                      FROM shape";
        each(connection, shapes, |row| {
            let shape = Shape {
                kind: row.get(1)?,
                imported: row.get(2)?,
                detail_reduced: row.get(3)?,
                response: row.get(4)?,
                other_candidates: row.get(5)?,
                deed: row.get(6)?,
            };
            loaded.shapes.insert(shape, row.get(0)?);
            Ok(())
        })?;
        loaded.verdicts = Verdicts::load(connection)?;
        Ok(loaded)
    }

    pub(super) fn generation(
        &mut self,
        connection: &Connection,
        origin: &AgentOrigin,
    ) -> Result<RowId, StoreError> {
        if let Some((last, id)) = &self.last
            && last == origin
        {
            return Ok(*id);
        }
        let id = match self.generations.get(origin) {
            Some(id) => *id,
            None => {
                connection
                    .prepare_cached(
                        "INSERT INTO generation (operator, node, generation) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![
                        origin.operator.as_str(),
                        origin.node.as_str(),
                        origin.generation.to_string()
                    ])?;
                let id = connection.last_insert_rowid();
                self.generations.insert(origin.clone(), id);
                id
            }
        };
        self.last = Some((origin.clone(), id));
        Ok(id)
    }

    pub(super) fn target(
        &mut self,
        connection: &Connection,
        target: Option<&v1::Target>,
    ) -> Result<Option<RowId>, StoreError> {
        let Some(target) = target else { return Ok(None) };
        if let Some(known) = self.targets.get(target) {
            return Ok(Some(*known));
        }
        let v1::Target { kind, value } = target;
        let key = key_of(target);
        let own = (name_in_key(&key).as_ref() != Some(value)).then_some(value);
        connection
            .prepare_cached("INSERT INTO target (kind, key, value) VALUES (?1, ?2, ?3)")?
            .execute(params![kind, key, own])?;
        let id = connection.last_insert_rowid();
        self.targets.insert(target.clone(), id);
        Ok(Some(id))
    }

    /// The rule of an event, in the form and with the target that it has there.
    pub(super) fn rule(
        &mut self,
        connection: &Connection,
        generation: RowId,
        facts: &Facts,
    ) -> Result<Rule, StoreError> {
        let key = self.rule_key(generation, &facts.rule, facts.target.as_ref());
        if let Some(known) = self.rules.get(&key) {
            return Ok(*known);
        }
        let form = self.form(connection, &facts.rule)?;
        let target = self.target(connection, facts.target.as_ref())?;
        self.rule_count = self.rule_count.saturating_add(1);
        let rule = Rule { id: self.rule_count, technique: facts.rule.technique };
        connection.prepare_cached("INSERT INTO rule VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
            params![
                rule.id,
                generation,
                facts.rule.number.cast_signed(),
                form,
                target.unwrap_or(0)
            ],
        )?;
        self.rules.insert(key, rule);
        Ok(rule)
    }

    fn rule_key(
        &mut self,
        generation: RowId,
        rule: &v1::Rule,
        target: Option<&v1::Target>,
    ) -> Fingerprint {
        self.key.clear();
        self.key.extend(generation.to_be_bytes());
        // Ends by its own length, so that the target's bytes cannot run into it.
        self.key.extend((rule.encoded_len() as u64).to_be_bytes());
        rule.encode_raw(&mut self.key);
        if let Some(v1::Target { kind, value }) = target {
            self.key.extend(kind.to_be_bytes());
            self.key.extend(value.as_bytes());
        }
        fingerprint(&self.keyed, &self.key)
    }

    fn form(&mut self, connection: &Connection, rule: &v1::Rule) -> Result<RowId, StoreError> {
        let bytes = form_of(rule);
        if let Some(known) = self.forms.get(&bytes) {
            return Ok(*known);
        }
        connection
            .prepare_cached("INSERT INTO form (technique, rule) VALUES (?1, ?2)")?
            .execute(params![rule.technique, bytes])?;
        let id = connection.last_insert_rowid();
        for claim in rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok()) {
            connection
                .prepare_cached("INSERT OR IGNORE INTO form_claim (form, claim) VALUES (?1, ?2)")?
                .execute(params![id, claim.to_string()])?;
        }
        self.forms.insert(bytes, id);
        Ok(id)
    }

    pub(super) fn shape(
        &mut self,
        connection: &Connection,
        event: &NewEvent,
    ) -> Result<RowId, StoreError> {
        let NewEvent { kind, facts, hits: _, detail_reduced, deed, then: _, now: _ } = event;
        let plain = facts.other_candidates.is_empty() && deed.is_none();
        if let Some(last) = &self.last_shape
            && plain
            && last.kind == *kind
            && last.imported == facts.imported
            && last.detail_reduced == *detail_reduced
            && last.response == facts.response
        {
            return Ok(last.id);
        }
        let shape = Shape {
            kind: *kind as i64,
            imported: facts.imported,
            detail_reduced: *detail_reduced,
            response: facts.response.as_ref().map(Message::encode_to_vec),
            other_candidates: blob(&facts.other_candidates),
            deed: deed.as_ref().map(Message::encode_to_vec),
        };
        let id = match self.shapes.get(&shape) {
            Some(known) => *known,
            None => {
                connection
                    .prepare_cached(
                        "INSERT INTO shape (kind, imported, detail_reduced, response,
                             other_candidates, deed)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![
                        shape.kind,
                        shape.imported,
                        shape.detail_reduced,
                        shape.response,
                        shape.other_candidates,
                        shape.deed
                    ])?;
                let id = connection.last_insert_rowid();
                self.shapes.insert(shape, id);
                id
            }
        };
        if plain {
            self.last_shape = Some(LastShape {
                kind: *kind,
                imported: facts.imported,
                detail_reduced: *detail_reduced,
                response: facts.response.clone(),
                id,
            });
        }
        Ok(id)
    }
}

impl Verdicts {
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut loaded = Self::default();
        each(connection, "SELECT id, code, reason, request, added FROM answer", |row| {
            let answer = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            loaded.answers.insert(answer, row.get(0)?);
            Ok(())
        })?;
        each(connection, "SELECT id, answer, verdict, notable FROM verdict ORDER BY id", |row| {
            let answer: RowId = row.get(1)?;
            let is_notable = row.get(3)?;
            let stored: Vec<u8> = row.get(2)?;
            let shared: v1::Verdict = decode(&stored, "verdict.verdict")?;
            let (code, reason) = (shared.code, shared.undetermined);
            loaded.answer_of.push(AnswerOf { answer, code, reason, is_notable });
            let mut key = Vec::new();
            key_of_shared(&shared, &mut key);
            loaded.verdicts.insert(key, row.get(0)?);
            Ok(())
        })?;
        Ok(loaded)
    }

    pub(super) fn answer_of(&self, verdict: RowId) -> Result<AnswerOf, StoreError> {
        let at = usize::try_from(verdict).ok().and_then(|number| number.checked_sub(1));
        let found = at.and_then(|at| self.answer_of.get(at)).copied();
        found.ok_or(StoreError::Damaged { what: "verdict.id" })
    }

    /// The verdict of an event with this target and span.
    pub(super) fn row(
        &mut self,
        connection: &Connection,
        verdict: &v1::Verdict,
        target: Option<&v1::Target>,
        span: Span,
    ) -> Result<RowId, StoreError> {
        let words = Words::of(target, span);
        self.key.clear();
        words.key(verdict, &mut self.key);
        if let Some(known) = self.verdicts.get(&self.key) {
            return Ok(*known);
        }
        let shared = words.take_out(verdict);
        let bytes = shared.encode_to_vec();
        let is_notable = is_notable(shared.code, !shared.added.is_empty());
        let (code, reason) = (shared.code, shared.undetermined);
        let request = shared.clause.map(|clause| clause.request_id).unwrap_or_default();
        let answer = (code, reason, request, Added::of(&shared.added).0);
        let answer = match self.answers.get(&answer) {
            Some(known) => *known,
            None => {
                let (code, reason, request, added) = &answer;
                connection
                    .prepare_cached(
                        "INSERT INTO answer (code, reason, request, added) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![code, reason, request, added])?;
                let id = connection.last_insert_rowid();
                self.answers.insert(answer, id);
                id
            }
        };
        self.answer_of.push(AnswerOf { answer, code, reason, is_notable });
        let id = number(self.answer_of.len() as u64);
        connection
            .prepare_cached("INSERT INTO verdict VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, answer, is_notable, bytes])?;
        self.verdicts.insert(self.key.clone(), id);
        Ok(id)
    }
}

/// AUTHORISED, with nothing added, is the rest; whoever asks for it asks for nearly everything.
pub(super) fn is_notable(code: i32, something_added: bool) -> bool {
    code != i32::from(v1::VerdictCode::Authorised) || something_added
}

/// What is not understood is found by no question, and stands at the end.
pub(in crate::store) fn key_of(target: &v1::Target) -> String {
    Target::from_wire(target).map_or_else(|_| "~".to_owned(), |target| sort_key(&target))
}

pub(in crate::store) fn target_from(kind: i32, key: String, value: Option<String>) -> v1::Target {
    v1::Target { kind, value: value.or_else(|| name_in_key(&key)).unwrap_or_default() }
}

pub(in crate::store) fn each(
    connection: &Connection,
    sql: &str,
    mut tell: impl FnMut(&rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        tell(row)?;
    }
    Ok(())
}
