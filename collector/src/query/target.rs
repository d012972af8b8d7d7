//! One target: installed where, hit where, since when, under what; and what was seen from outside.

use std::collections::BTreeMap;

use evidence::RequestId;
use register::{Relation, Target, Touch};
use remit_proto::v1;
use tonic::Status;

use super::{
    QueryHandle, Scene,
    completeness::completeness,
    error::{QueryError, invalid},
    events::event_row,
    filter::Filter,
    lists::listed_row,
    probes, rules,
};
use crate::store::{EventQuery, RuleQuery};

const EVENTS_MAX: usize = 100;
const TOUCHING_MAX: usize = 1_000;

impl QueryHandle {
    pub fn get_target(
        &self,
        request: v1::GetTargetRequest,
    ) -> Result<v1::GetTargetResponse, Status> {
        Ok(self.target(request)?)
    }

    fn target(&self, request: v1::GetTargetRequest) -> Result<v1::GetTargetResponse, QueryError> {
        let v1::GetTargetRequest { target, as_known_at_s } = request;
        // As tables print it, "domain_subtree:example.org", or as somebody types it.
        let target = match target.parse::<Target>() {
            Ok(target) => target,
            Err(_) => Target::guess(&target).map_err(|e| invalid("target", e.to_string()))?.0,
        };
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
        let (touching_rows, touching_count) = touching_rows(&scene, &touching);
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
            touching: touching_rows,
            touching_count,
        })
    }
}

/// Each target of a request once, by the newest version that holds it.
fn touching_rows(scene: &Scene, touching: &[Touch<'_>]) -> (Vec<v1::TouchingRow>, u64) {
    let mut newest: BTreeMap<(&RequestId, &Target, bool), &Touch<'_>> = BTreeMap::new();
    for touch in touching {
        let key = (touch.entry.id(), &touch.target.target, touch.target.exception);
        let known = newest.entry(key).or_insert(touch);
        if known.version.request.version < touch.version.request.version {
            *known = touch;
        }
    }
    let at_s = scene.past.map_or(scene.now_s, |past| past.as_known_at_s);
    let rows = newest.values().take(TOUCHING_MAX).map(|touch| {
        let (from_s, until_s) = touch.span_s();
        let version = touch.version.request.version;
        v1::TouchingRow {
            request_id: touch.entry.id().to_string(),
            version,
            target: Some(touch.target.target.to_wire()),
            exception: touch.target.exception,
            covers: matches!(touch.relation, Relation::Equal | Relation::Inside),
            state: touch.entry.state_at(at_s),
            amended_away: version < touch.entry.request().version,
            from_s,
            until_s: until_s.unwrap_or(0),
            authority: scene.register().authority(&touch.entry).to_owned(),
            list_id: touch.listed.map(|listed| listed.list().id().to_string()).unwrap_or_default(),
        }
    });
    (rows.collect(), newest.len() as u64)
}
