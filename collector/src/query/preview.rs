//! What a statement would change, before anybody signs it: the rules that stand now, judged by the
//! register as it is and as it would be. Nothing is entered, and nothing is kept.

use std::collections::BTreeMap;

use evidence::statement::item_set;
use register::{InvalidStatement, Register};
use remit_proto::v1::{self, VerdictCode};
use tonic::Status;

use super::{
    QueryHandle,
    completeness::completeness,
    error::{QueryError, invalid},
    filter::Filter,
};
use crate::store::{RuleQuery, StoredRule};

/// Rules by the verdict that they have and the one that they would have.
#[derive(Default)]
struct Changed {
    rules: u64,
    named: u64,
    example: Option<StoredRule>,
}

impl QueryHandle {
    pub fn preview_statement(
        &self,
        request: v1::PreviewStatementRequest,
    ) -> Result<v1::PreviewStatementResponse, Status> {
        Ok(self.preview(request)?)
    }

    fn preview(
        &self,
        request: v1::PreviewStatementRequest,
    ) -> Result<v1::PreviewStatementResponse, QueryError> {
        let v1::PreviewStatementRequest { statement, items } = request;
        let statement = evidence::statement::decode(&statement)
            .map_err(|error| invalid("statement", error.to_string()))?;
        let items = item_set(statement.body.as_ref()).map(|_| items);
        let scene = self.scene()?;
        let before = scene.grounds().register();
        let after = applied(before, &statement, items)?;
        let log_size = scene.position.log_size;
        let seals = scene.seal_times();
        let query = RuleQuery { installed_only: true, ..RuleQuery::default() };
        let mut found: BTreeMap<(i32, i32), Changed> = BTreeMap::new();
        for rule in scene.reading.rules(&query)? {
            let at_s = seals.get(rule.id.node.as_str()).copied().unwrap_or(rule.shown_at_s);
            let judge = |register: &Register| {
                scene.grounds().standing_under(&register.view(), &rule.facts, at_s, log_size)
            };
            let (was, would) = (judge(before), judge(&after));
            let named = would.attributed.is_some_and(|said| said.statement >= before.size());
            let changed = found.entry((was.code.into(), would.code.into())).or_default();
            changed.rules = changed.rules.saturating_add(1);
            changed.named = changed.named.saturating_add(u64::from(named));
            changed.example.get_or_insert(rule);
        }
        Ok(v1::PreviewStatementResponse {
            rows: found.into_iter().map(row).collect(),
            completeness: Some(completeness(&scene, &Filter::default())?),
        })
    }
}

fn applied(
    register: &Register,
    statement: &v1::Statement,
    items: Option<Vec<v1::RegisterItem>>,
) -> Result<Register, QueryError> {
    let mut after = register.clone();
    let refused = |error: InvalidStatement| invalid("statement", error.to_string());
    after.apply(statement, items).map_err(refused)?;
    Ok(after)
}

fn row(((before, after), changed): ((i32, i32), Changed)) -> v1::PreviewRow {
    let Changed { rules, named, example } = changed;
    let (node, target) = example.map(|rule| (rule.id.node, rule.facts.target)).unwrap_or_default();
    let code = |code| VerdictCode::try_from(code).unwrap_or_default().into();
    v1::PreviewRow { before: code(before), after: code(after), rules, named, node, target }
}
