//! Rules that stand, each judged at the time of its node's last seal.

use remit_proto::v1;
use tonic::Status;

use super::{
    QueryHandle, Scene, completeness::completeness, error::QueryError, filter::Filter, page::Page,
};
use crate::store::{EventId, RuleQuery, StoredRule};

/// A rule with its verdict, as the reader sees both.
pub(super) struct JudgedRule {
    pub(super) rule: StoredRule,
    pub(super) verdict: v1::Verdict,
    pub(super) authority: String,
    /// The instant at which it was judged.
    pub(super) at_s: i64,
}

impl QueryHandle {
    pub fn list_rules(
        &self,
        request: v1::ListRulesRequest,
    ) -> Result<v1::ListRulesResponse, Status> {
        Ok(self.rules(request)?)
    }

    fn rules(&self, request: v1::ListRulesRequest) -> Result<v1::ListRulesResponse, QueryError> {
        let v1::ListRulesRequest { filter, page_size, page_token } = request;
        let question = v1::ListRulesRequest { filter: filter.clone(), ..Default::default() };
        let page = Page::open("rules", &question, page_size, &page_token)?;
        let (filter, scene) = self.scene_for(filter)?;
        let mut found = installed(&scene, &filter)?;
        // Of what was known once, hits of rules are not kept.
        found.retain(|judged| scene.past.is_some() || filter.takes_time(judged.rule.last_hit_s));
        found.sort_by_cached_key(key);
        let (found, next_page_token) = page.cut(found, key);
        Ok(v1::ListRulesResponse {
            rules: found.into_iter().map(|judged| rule_row(&scene, judged)).collect(),
            next_page_token,
            completeness: Some(completeness(&scene, &filter)?),
        })
    }
}

/// The rules that stand, or stood by what was known then, and that a filter takes, by everything but time.
pub(super) fn installed(scene: &Scene, filter: &Filter) -> Result<Vec<JudgedRule>, QueryError> {
    let known_at = scene.known_at();
    let query =
        RuleQuery { known_at, installed_only: true, nodes: filter.nodes.clone(), target: None };
    let rules = scene.reading.rules(&query)?;
    let seals = scene.seal_times();
    Ok(rules
        .into_iter()
        .filter(|rule| filter.takes_target(rule.facts.target.as_ref()))
        .filter(|rule| filter.takes_technique(rule.facts.rule.technique))
        .map(|rule| {
            let at_s = seals.get(rule.id.node.as_str()).copied().unwrap_or(rule.shown_at_s);
            judge(scene, rule, at_s)
        })
        .filter(|judged| {
            let claims = &judged.rule.facts.rule.claims;
            filter.takes_verdict(&judged.verdict, claims, &judged.authority)
        })
        .collect())
}

pub(super) fn judge(scene: &Scene, mut rule: StoredRule, at_s: i64) -> JudgedRule {
    // What stood once is judged when it last was seen to.
    let at_s = if rule.installed_now { at_s } else { rule.shown_at_s.max(rule.last_hit_s) };
    let log_size = scene.position.log_size;
    let mut verdict =
        scene.grounds().standing(&rule.facts, since_s(&rule), at_s, log_size).to_wire();
    scene.veil.verdict(&mut verdict);
    scene.veil.rule(&mut rule);
    let authority = scene.authority(&verdict);
    JudgedRule { rule, verdict, authority, at_s }
}

/// When it was seen to be installed.
pub(super) fn since_s(rule: &StoredRule) -> Option<i64> {
    Some(rule.installed_at_s).filter(|since_s| *since_s != 0)
}

pub(super) fn rule_row(scene: &Scene, judged: JudgedRule) -> v1::RuleRow {
    let JudgedRule { mut verdict, authority, rule, at_s: _ } = judged;
    verdict.register_size = scene.position.register_size;
    let StoredRule {
        id,
        facts,
        native,
        installed_at_s,
        first_shown_s: _,
        shown_at_s: _,
        installed_now,
        shown: _,
        hits,
        shared_hits,
        first_hit_s: _,
        last_hit_s,
    } = rule;
    v1::RuleRow {
        event_id: EventId::new(&facts.origin, facts.index).to_string(),
        node: id.node,
        rule: Some(facts.rule),
        target: facts.target,
        native,
        installed_at_s,
        installed_now,
        hits,
        shared_hits,
        last_hit_s,
        verdict: Some(verdict),
        authority,
    }
}

/// Unique, and in the order of node, generation, number.
fn key(judged: &JudgedRule) -> String {
    let id = &judged.rule.id;
    format!("{}/{}/{:020}", id.node, id.generation, id.number)
}
