//! What a statement would change, before anybody signs it: the rules that stand now, judged by the
//! register as it is and as it would be, at the newest seal of their node or when the statement takes effect,
//! whichever is later. Nothing is entered, and nothing is kept.
//!
//! A statement comes in parts, so that an import may be as long as one that is entered; items are read as they
//! come, as those of an import are. What would wait for a second person is judged as if one had approved it, and
//! that it waits is said.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evidence::{RequestId, statement::item_set};
use prost::Message;
use register::{InvalidStatement, ItemReader, Items, Register, alike::alike};
use remit_proto::v1::{self, VerdictCode, register_item::Item, statement::Body};
use tonic::Status;

use super::{
    QueryHandle, Scene,
    completeness::completeness,
    error::{QueryError, invalid},
    filter::Filter,
    requests::shown_versions,
    rules,
};
use crate::{
    registers::{Held, SecondPersonFor},
    store::{RuleQuery, StoredRule},
};

/// Bytes of items: as many as the chunks of a set may hold.
const ITEMS_SIZE_MAX: usize = evidence::chunk::CHUNKS_MAX * evidence::CHUNK_SIZE_MAX;
/// Rules that are named.
const CHANGED_SHOWN_MAX: usize = 200;
/// Requests that are named as depending on a proceeding, and proceedings that are written like it.
const NAMED_SHOWN_MAX: usize = 10;
const ALIKE_SHOWN_MAX: usize = 3;

/// Rules by the verdict that they have and the one that they would have.
#[derive(Default)]
struct Changed {
    rules: u64,
    named: u64,
    /// Its node and its target.
    example: Option<(String, Option<v1::Target>)>,
}

/// The rules whose verdict would be another one: the first of them by node, generation and number, and how many
/// there are.
#[derive(Default)]
struct Others {
    first: BTreeMap<(String, String, u64), v1::PreviewedRule>,
    count: u64,
}

impl Others {
    fn add(&mut self, rule: v1::PreviewedRule) {
        self.count = self.count.saturating_add(1);
        self.first.insert((rule.node.clone(), rule.generation.clone(), rule.rule), rule);
        if self.first.len() > CHANGED_SHOWN_MAX {
            self.first.pop_last();
        }
    }
}

impl QueryHandle {
    /// Holds a register of its own meanwhile, and the items: not for many at a time.
    pub fn preview_statement(
        &self,
        parts: impl Iterator<Item = Result<v1::PreviewStatementRequest, QueryError>>,
        second_person_for: &SecondPersonFor,
    ) -> Result<v1::PreviewStatementResponse, Status> {
        Ok(self.preview(parts, second_person_for)?)
    }

    fn preview(
        &self,
        parts: impl Iterator<Item = Result<v1::PreviewStatementRequest, QueryError>>,
        second_person_for: &SecondPersonFor,
    ) -> Result<v1::PreviewStatementResponse, QueryError> {
        let (statement, items) = read(parts)?;
        let scene = self.scene()?;
        let before = scene.grounds().register();
        let view = before.view();
        let held = |id: &RequestId| view.request(id).as_ref().map(Held::of);
        let must_wait = second_person_for.missing(&statement, items.as_ref(), held).is_some();
        if let Some(detail) =
            register::register::refused(&statement, items.as_ref(), |id| view.request(id))
        {
            return Err(invalid("statement", detail));
        }
        let (after, waits) =
            before.with(&statement, items.as_ref()).map_err(|error| refused(&error))?;
        let effective_at_s = before.effective_at_s(&statement);
        drop(items);
        let log_size = scene.position.log_size;
        let seals = scene.seal_times();
        let query = RuleQuery { installed_only: true, ..RuleQuery::default() };
        let mut found: BTreeMap<(i32, i32), Changed> = BTreeMap::new();
        let mut others = Others::default();
        for mut rule in scene.reading.rules(&query)? {
            // What takes effect after the newest seal would else change nothing.
            let at_s = seals.get(rule.id.node.as_str()).copied().unwrap_or(rule.shown_at_s);
            let at_s = at_s.max(effective_at_s);
            let judge = |register: &Register| {
                let since_s = rules::since_s(&rule);
                let (view, facts) = (register.view(), &rule.facts);
                scene.grounds().standing_under(&view, facts, since_s, at_s, log_size)
            };
            let (was, would) = (judge(before), judge(&after));
            let named =
                would.attributed.as_ref().is_some_and(|said| said.statement >= before.size());
            let changed = found.entry((was.code.into(), would.code.into())).or_default();
            changed.rules = changed.rules.saturating_add(1);
            changed.named = changed.named.saturating_add(u64::from(named));
            scene.veil.rule(&mut rule);
            changed
                .example
                .get_or_insert_with(|| (rule.id.node.clone(), rule.facts.target.clone()));
            if was.code != would.code {
                others.add(previewed(&scene, rule, was.to_wire(), would.to_wire()));
            }
        }
        Ok(v1::PreviewStatementResponse {
            rows: found.into_iter().map(row).collect(),
            completeness: Some(completeness(&scene, &Filter::default())?),
            changed: others.first.into_values().collect(),
            changed_count: others.count,
            waits: waits || must_wait,
            effective_at_s,
            proceeding: match &statement.body {
                Some(Body::Proceeding(ended)) => Some(named(&scene, &ended.id)),
                _ => None,
            },
        })
    }
}

/// The requests that name a proceeding: in the version that counts, or in a newer one that waits.
fn named(scene: &Scene, proceeding: &str) -> v1::NamedProceeding {
    let mut named = v1::NamedProceeding::default();
    let mut others: BTreeSet<String> = BTreeSet::new();
    for entry in scene.register().requests() {
        // One of which no version is there for the reader is not even counted.
        let Some(newest) = shown_versions(scene, &entry).next_back() else { continue };
        let (mut lapses, mut outlives) = (false, false);
        for relation in entry.request().relations.iter().chain(&newest.request.relations) {
            if relation.kind() != v1::RelationKind::DependsOnProceeding {
                continue;
            }
            if relation.to == proceeding {
                *if relation.outlives { &mut outlives } else { &mut lapses } = true;
            } else if !others.contains(&relation.to) {
                others.insert(relation.to.clone());
            }
        }
        if lapses {
            named.request_count = named.request_count.saturating_add(1);
            if named.request_ids.len() < NAMED_SHOWN_MAX {
                named.request_ids.push(entry.id().to_string());
            }
        } else if outlives {
            named.outliving_count = named.outliving_count.saturating_add(1);
        }
    }
    if named.request_count == 0 && named.outliving_count == 0 {
        let alike = alike(proceeding, others.iter().map(String::as_str), ALIKE_SHOWN_MAX);
        named.alike = alike.into_iter().map(ToOwned::to_owned).collect();
        for proceeding in &mut named.alike {
            scene.veil.proceeding(proceeding);
        }
    }
    named
}

fn previewed(
    scene: &Scene,
    rule: StoredRule,
    mut before: v1::Verdict,
    mut after: v1::Verdict,
) -> v1::PreviewedRule {
    scene.veil.verdict(&mut before);
    scene.veil.verdict(&mut after);
    let StoredRule { id, facts, .. } = rule;
    v1::PreviewedRule {
        node: id.node,
        generation: id.generation,
        rule: id.number,
        target: facts.target,
        before: Some(before),
        after: Some(after),
    }
}

/// The statement, and its items if it has a set of them.
fn read(
    mut parts: impl Iterator<Item = Result<v1::PreviewStatementRequest, QueryError>>,
) -> Result<(v1::Statement, Option<Items>), QueryError> {
    let first = parts.next().transpose()?.unwrap_or_default();
    let statement = evidence::statement::decode(&first.statement)
        .map_err(|error| invalid("statement", error.to_string()))?;
    let first = v1::PreviewStatementRequest { statement: Vec::new(), ..first };
    let (mut reader, mut opened) = (ItemReader::default(), HashMap::new());
    let mut size = 0_usize;
    for part in std::iter::once(Ok(first)).chain(parts) {
        let v1::PreviewStatementRequest { statement, items } = part?;
        if !statement.is_empty() {
            return Err(invalid("statement", "only in the first message"));
        }
        for item in items {
            size = size.saturating_add(item.encoded_len());
            if size > ITEMS_SIZE_MAX {
                return Err(invalid("items", "more than one import can hold; split the file"));
            }
            push(&mut reader, &mut opened, item)?;
        }
    }
    let items = reader.finish().map_err(|error| refused(&error))?;
    let items = item_set(statement.body.as_ref()).map(|_| items);
    Ok((statement, items))
}

/// Reads one item. What closed parts say is kept until their request comes.
fn push(
    reader: &mut ItemReader,
    opened: &mut HashMap<String, Vec<v1::OpenedPart>>,
    item: v1::RegisterItem,
) -> Result<(), QueryError> {
    let parts = match &item.item {
        Some(Item::Opened(part)) => {
            opened.entry(part.request_id.clone()).or_default().push(part.clone());
            return Ok(());
        }
        Some(Item::Request(request)) => opened.remove(&request.id).unwrap_or_default(),
        Some(Item::Targets(_) | Item::Attribution(_) | Item::ListChanges(_) | Item::Said(_))
        | None => Vec::new(),
    };
    reader.push(item, parts).map_err(|error| refused(&error))
}

fn refused(error: &InvalidStatement) -> QueryError {
    invalid("statement", error.to_string())
}

fn row(((before, after), changed): ((i32, i32), Changed)) -> v1::PreviewRow {
    let Changed { rules, named, example } = changed;
    let (node, target) = example.unwrap_or_default();
    let code = |code| VerdictCode::try_from(code).unwrap_or_default().into();
    v1::PreviewRow { before: code(before), after: code(after), rules, named, node, target }
}
