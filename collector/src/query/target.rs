//! One target: installed where, hit where, since when, under what; and what was seen from outside.

use register::Target;
use remit_proto::v1;
use tonic::Status;

use super::{
    QueryHandle,
    completeness::completeness,
    error::{QueryError, invalid},
    events::event_row,
    filter::Filter,
    lists::listed_row,
    probes, rules,
};
use crate::store::{EventQuery, RuleQuery};

const EVENTS_MAX: usize = 100;

impl QueryHandle {
    pub fn get_target(
        &self,
        request: v1::GetTargetRequest,
    ) -> Result<v1::GetTargetResponse, Status> {
        Ok(self.target(request)?)
    }

    fn target(&self, request: v1::GetTargetRequest) -> Result<v1::GetTargetResponse, QueryError> {
        let v1::GetTargetRequest { target, as_known_at_s } = request;
        let (target, _) = Target::guess(&target).map_err(|e| invalid("target", e.to_string()))?;
        let scene = self.scene_at("as_known_at_s", as_known_at_s)?;
        let known_at = scene.known_at();
        let query = RuleQuery { known_at, target: Some(target.clone()), ..RuleQuery::default() };
        let seals = scene.seal_times();
        let rules = scene.reading.rules(&query)?.into_iter().map(|rule| {
            let at_s = seals.get(rule.id.node.as_str()).copied().unwrap_or(rule.shown_at_s);
            rules::rule_row(&scene, rules::judge(&scene, rule, at_s))
        });
        let probes = probes::of_target(&scene, &target)?;
        let query = EventQuery { known_at, target: Some(target.clone()), ..EventQuery::default() };
        let events = scene.events(&query, None, EVENTS_MAX)?;
        let touching = scene.register().touching(&target);
        let mut requests: Vec<String> =
            touching.iter().map(|touch| touch.entry.id().to_string()).collect();
        requests.sort();
        requests.dedup();
        // Under each text of its request an entry touches once more.
        let mut listed: Vec<v1::ListedRow> = Vec::new();
        for row in touching.iter().filter_map(|touch| touch.listed.as_ref()) {
            let row = listed_row(&scene, row);
            if !listed.contains(&row) {
                listed.push(row);
            }
        }
        Ok(v1::GetTargetResponse {
            targets: vec![target.to_wire()],
            rules: rules.collect(),
            events: events.into_iter().map(|event| event_row(&scene, event)).collect(),
            requests,
            listed,
            completeness: Some(completeness(&scene, &Filter::default())?),
            probes,
        })
    }
}
