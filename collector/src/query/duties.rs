//! What requests demand and where it was not done (`register::duties`), as findings.
//!
//! When rules stood is read from the index as far as it is new since the last question, and what was found
//! then is looked at again as far as a change or a clock can reach it.

use std::{collections::BTreeMap, sync::PoisonError};

use evidence::{Claim, NodeId};
use register::{
    Duty, DutyFinding, Installed, Known, Target,
    duties::{DutyNode, Stood, Watch, lines_in_scope},
    is_deed,
    request::Scope,
    severity,
    silence::Silence,
    widest,
};
use remit_proto::v1::{self, DutyCode};

use super::{
    Scene,
    error::QueryError,
    filter::{Filter, touches},
    findings::Tell,
    probes,
};
use crate::store::{Look, StoredStood, Unread};

/// What was found at the last question, and what of the index it has been told.
#[derive(Default)]
pub(super) struct Memo {
    watch: Watch,
    /// Sizes of the log and of the register.
    told: Option<(u64, u64)>,
    silences: Ended,
}

/// Every silence that has ended, in order: an answer lists the longest, and a duty is excused by each.
#[derive(Default)]
struct Ended {
    silences: Vec<Silence>,
    /// How much of each tree was covered when its silences were read: what ended since stands above it.
    read_to: BTreeMap<(String, String), u64>,
}

impl Ended {
    fn read(&mut self, scene: &Scene) -> Result<(), QueryError> {
        let before = self.silences.len();
        for row in &scene.generations {
            let tree = (row.node.clone(), row.generation.clone());
            let from_leaf = self.read_to.get(&tree).copied().unwrap_or(0);
            if from_leaf < row.covered_size {
                let ended = scene.reading.silences_from(&tree.0, &tree.1, from_leaf)?;
                self.silences.extend(ended);
                self.read_to.insert(tree, row.covered_size);
            }
        }
        if before < self.silences.len() {
            self.silences.sort();
        }
        Ok(())
    }
}

impl Memo {
    fn look(&mut self, scene: &Scene) -> Result<(), QueryError> {
        let register = scene.grounds().register();
        let view = scene.whole();
        let (log_size, size) = (scene.position.log_size, view.size());
        // Who claims what may be told by the register of rules that stood long before.
        let since = self.told.filter(|(log, known)| {
            *log <= log_size && *known <= size && !view.attributes_since(*known)
        });
        if since.is_none() {
            self.watch.forget();
            self.silences = Ended::default();
        }
        self.told = None;
        for stored in scene.reading.stood(since.map_or(0, |(log, _)| log), scene.known_at())? {
            let StoredStood { id, node, number, rule, target, from_s, begun, until_s, .. } = stored;
            if is_deed(&rule) {
                // A person lists nothing; from the first word on somebody looks.
                self.watch.tell_look(&node, rule.source, from_s);
            }
            let Known::Known(target) = Known::<Target>::from_wire(target.as_ref()) else {
                continue;
            };
            let Ok(node) = node.parse::<NodeId>() else { continue };
            let own = rule.claims.iter().filter_map(|claim| Claim::try_from(claim).ok());
            let claims = view.claims_of(&node, number, own.collect()).claims;
            let (technique, narrowed) = (rule.technique(), rule.narrowed);
            let (by_person, source) = (is_deed(&rule), rule.source);
            let rule = Installed { node, source, target, technique, narrowed, claims, by_person };
            self.watch.tell(id, Stood { rule, from_s, begun, until_s });
        }
        let known_s = scene.past.map_or(i64::MAX, |past| past.as_known_at_s);
        for Look { node, source, at_s } in scene.reading.looks()? {
            if at_s <= known_s {
                self.watch.tell_look(&node, source, at_s);
            }
        }
        for Unread { node, source, from_s, until_s } in scene.reading.unread()? {
            if from_s <= known_s {
                let until_s = until_s.filter(|until_s| *until_s <= known_s);
                self.watch.tell_unread(&node, source, from_s, until_s);
            }
        }
        self.silences.read(scene)?;
        let at_s = scene.evidence_now_s();
        // What is open is of this question alone.
        let silences = &mut self.silences.silences;
        let ended = silences.len();
        if scene.past.is_some() {
            // This memo is not kept either.
            silences.retain(|silence| silence.until_s <= at_s);
            silences.extend(scene.silent_then.iter().cloned());
        } else {
            // By the time of the evidence: a collector that nobody has told anything knows of nobody's silence.
            silences.extend(scene.heard.iter().filter_map(|(node, heard)| heard.open(node, at_s)));
        }
        self.watch.look(register, size, at_s, &scene.inventory, silences);
        silences.truncate(ended);
        self.told = Some((log_size, size));
        Ok(())
    }
}

pub(super) fn findings(
    scene: &Scene,
    filter: &Filter,
    tell: &mut Tell<'_>,
) -> Result<(), QueryError> {
    let at_s = scene.evidence_now_s();
    let register = scene.register();
    {
        // What is in it is told anew if a look did not come to its end. A question about the past has its
        // own, so that the next one about now need not begin anew.
        let mut kept = scene.duties.lock().unwrap_or_else(PoisonError::into_inner);
        let mut once = Memo::default();
        let memo = if scene.past.is_some() { &mut once } else { &mut *kept };
        memo.look(scene)?;
        for duty in memo.watch.found() {
            let Some(entry) = register.request(&duty.request) else { continue };
            let request = entry.request();
            let authority = register.authority(&entry);
            if takes(scene, filter, duty, authority, at_s) {
                let lines_served = lines_of(scene, duty, &request.scope);
                let (key, row) = row(duty, authority, lines_served, at_s);
                tell(key, row);
            }
        }
    }
    let rows = probes::findings(scene, filter)?;
    rows.into_iter().for_each(|(key, row)| tell(key, row));
    Ok(())
}

/// Served by the nodes that it is about; where these are not all told, by all in scope.
fn lines_of(scene: &Scene, duty: &Duty, scope: &Scope) -> u64 {
    if duty.nodes.is_empty() || duty.node_count != duty.nodes.len() as u64 {
        return lines_in_scope(scope, &scene.inventory);
    }
    let is_one = |facts: &&v1::NodeFacts| duty.nodes.iter().any(|part| part.node == facts.node);
    let lines = scene.inventory.iter().filter(is_one).map(|facts| facts.lines_served);
    lines.fold(0, u64::saturating_add)
}

fn takes(scene: &Scene, filter: &Filter, duty: &Duty, authority: &str, at_s: i64) -> bool {
    // By what is hidden nothing is found.
    let id = duty.request.as_str();
    if (filter.target.is_some() && scene.veil.hides_targets(id))
        || (!filter.nodes.is_empty() && scene.veil.hides_part(id, v1::RequestPart::Scope))
    {
        return false;
    }
    let in_scope = |node: &str| filter.takes_node(node);
    let about_nodes = filter.nodes.is_empty()
        || if duty.nodes.is_empty() {
            duty.observed_nodes.iter().any(|node| in_scope(node))
                || duty.unobserved.iter().any(|point| in_scope(&point.node))
        } else {
            duty.nodes.iter().any(|part| in_scope(&part.node))
        };
    about_nodes
        && filter.takes_time(duty.until_s.map_or(at_s, |s| scene.veil.done_at_s(id, s)))
        && filter.techniques.is_empty()
        && filter.takes_duty(duty.finding)
        && filter.takes_request(id, authority)
        && filter.target.as_ref().is_none_or(|wanted| {
            duty.targets.iter().any(|target| touches(wanted, &target.to_wire()))
        })
}

/// Not veiled.
fn row(duty: &Duty, authority: &str, lines_served: u64, at_s: i64) -> (String, v1::FindingRow) {
    let Duty {
        request,
        finding,
        detail,
        since_s,
        until_s,
        due_s,
        targets,
        target_count,
        nodes,
        node_count,
        observed_nodes: _,
        silent_nodes,
        unobserved,
    } = duty;
    let code = match finding {
        DutyFinding::Is(code) => {
            let name = code.as_str_name();
            name.strip_prefix("DUTY_CODE_").unwrap_or(name)
        }
        // Nobody looks where it would be; whether it is carried out is not known.
        DutyFinding::Undetermined => "UNDETERMINED",
    };
    let since_s = *since_s;
    let last_s = until_s.unwrap_or(at_s);
    // Where nothing is blocked, nothing is taken away.
    let severity = (*finding == DutyFinding::Is(DutyCode::LateRemoval)).then(|| {
        let duration_s = u64::try_from(last_s.saturating_sub(since_s)).unwrap_or(0);
        severity(widest(targets), lines_served, duration_s)
    });
    let node = |part: &DutyNode| v1::DutyNodeRow {
        node: part.node.clone(),
        from_s: part.from_s,
        until_s: part.until_s.unwrap_or(0),
        targets: part.targets,
    };
    let row = v1::FindingRow {
        code: code.to_owned(),
        request_id: request.to_string(),
        detail: (*detail).to_owned(),
        // The first of them; GetRequest has the request with all.
        target: targets.first().map(Target::to_wire),
        target_count: *target_count,
        authority: authority.to_owned(),
        first_seen_s: since_s,
        last_seen_s: last_s,
        due_s: due_s.unwrap_or(0),
        duty_nodes: nodes.iter().map(node).collect(),
        node_count: *node_count,
        silent_nodes: silent_nodes.clone(),
        unobserved_points: unobserved.iter().map(|p| format!("{}/{}", p.node, p.point)).collect(),
        severity,
        ..v1::FindingRow::default()
    };
    // '~' sorts after every node.
    (format!("~{request}/{code}/{detail}"), row)
}
