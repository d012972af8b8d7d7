//! What rules did, newest first.

use remit_proto::v1;
use tonic::Status;

use super::{
    QueryHandle, Scene,
    completeness::completeness,
    error::QueryError,
    filter::Filter,
    page::{self, Page},
};
use crate::store::{EventKey, EventQuery, Position, StoredEvent};

impl QueryHandle {
    pub fn list_events(
        &self,
        request: v1::ListEventsRequest,
    ) -> Result<v1::ListEventsResponse, Status> {
        Ok(self.events(request)?)
    }

    fn events(&self, request: v1::ListEventsRequest) -> Result<v1::ListEventsResponse, QueryError> {
        let v1::ListEventsRequest { filter, page_size, page_token } = request;
        let question = v1::ListEventsRequest { filter: filter.clone(), ..Default::default() };
        let page = Page::open("events", &question, page_size, &page_token)?;
        let after = page.after.as_deref().map(key_from).transpose()?;
        let (filter, scene) = self.scene_for(filter)?;
        let query = filter.event_query(&scene);
        // One more than is shown tells whether there is a next page.
        let mut found = taken(&scene, &filter, &query, after, page.size.saturating_add(1))?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let next = found.last().filter(|_| more).map(|last| page.token(&key_bytes(&last.key)));
        Ok(v1::ListEventsResponse {
            events: found.into_iter().map(|event| event_row(&scene, event)).collect(),
            next_page_token: next.unwrap_or_default(),
            completeness: Some(completeness(&scene, &filter)?),
        })
    }

    /// Every event and rule change with both verdicts, a line of JSON each, for an export; and the
    /// size of the log at which they hold.
    pub fn verdict_lines(&self) -> Result<VerdictLines, Status> {
        let scene = self.scene()?;
        let mut lines = String::new();
        let told = scene.reading.for_each_event(&mut |mut event| {
            scene.veil.event(&mut event);
            let line = serde_json::json!({
                "event": event.id().to_string(),
                "then": said(&event.then),
                "now": said(&event.now),
            });
            lines.push_str(&line.to_string());
            lines.push('\n');
        });
        told.map_err(QueryError::from)?;
        let Position { log_size, unfinished, .. } = scene.position;
        Ok(VerdictLines { log_size, lines, now_s: scene.now_s, unfinished })
    }
}

/// What goes into a bundle as `verdicts.jsonl`.
pub struct VerdictLines {
    pub log_size: u64,
    pub lines: String,
    /// When they were told: what was secret until then is open.
    pub now_s: i64,
    /// Changes below that size after which old events are still judged again: what is known now is not yet in the lines.
    pub unfinished: u64,
}

/// The next events that the filter takes, at most `count_max`. What the index cannot decide is
/// decided here, batch by batch.
fn taken(
    scene: &Scene,
    filter: &Filter,
    query: &EventQuery,
    mut after: Option<EventKey>,
    count_max: usize,
) -> Result<Vec<StoredEvent>, QueryError> {
    if !filter.looks_into_verdicts() {
        return scene.events(query, after.as_ref(), count_max);
    }
    let mut found = Vec::new();
    loop {
        let batch = scene.events(query, after.as_ref(), page::SIZE_MAX)?;
        let last = batch.len() < page::SIZE_MAX;
        after = batch.last().map(|event| event.key.clone());
        found.extend(batch.into_iter().filter(|event| filter.takes_code(&event.now)));
        if last || found.len() >= count_max {
            found.truncate(count_max);
            return Ok(found);
        }
    }
}

pub(super) fn event_row(scene: &Scene, event: StoredEvent) -> v1::EventRow {
    let id = event.id().to_string();
    let StoredEvent { key: _, facts, hits, detail_reduced, deed, then, mut now } = event;
    // It was judged again at every register head since that reached it, and came out the same.
    now.register_size = scene.position.settled_register_size;
    v1::EventRow {
        id,
        node: facts.origin.node.to_string(),
        rule: Some(facts.rule),
        target: facts.target,
        hit_target: facts.hit_target,
        response: facts.response,
        hits,
        first_s: facts.span.first_s,
        last_s: facts.span.last_s,
        imported: facts.imported,
        as_known_then: Some(then),
        authority: scene.authority(&now),
        as_known_now: Some(now),
        detail_reduced,
        other_candidates: facts.other_candidates,
        deed,
    }
}

/// "EXPIRED", "UNDETERMINED(boundary)", the request that speaks, the statement by which the rule was
/// attributed later, and the leaf by which a second person confirmed a deed.
fn said(verdict: &v1::Verdict) -> serde_json::Value {
    let code = verdict.code().as_str_name();
    let code = code.strip_prefix("VERDICT_CODE_").unwrap_or(code);
    let reason = verdict.undetermined().as_str_name();
    let reason = reason.strip_prefix("UNDETERMINED_REASON_").unwrap_or(reason);
    let code = match verdict.undetermined() {
        v1::UndeterminedReason::Unspecified => code.to_owned(),
        _ => format!("{code}({})", reason.to_lowercase()),
    };
    let request = verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str());
    let mut said = serde_json::json!({ "code": code, "request": request });
    if let Some(attributed) = &verdict.attributed {
        said["attributed"] = attributed.statement.into();
    }
    if let Some(confirmed) = &verdict.confirmed {
        said["confirmed"] = confirmed.leaf.into();
    }
    said
}

fn key_bytes(key: &EventKey) -> Vec<u8> {
    [key.last_s.to_be_bytes(), key.number.to_be_bytes()].concat()
}

fn key_from(bytes: &[u8]) -> Result<EventKey, QueryError> {
    let number = |at: usize| -> Option<i64> {
        let bytes = bytes.get(at..at.checked_add(8)?)?;
        Some(i64::from_be_bytes(bytes.try_into().ok()?))
    };
    match (number(0), number(8), bytes.len()) {
        (Some(last_s), Some(number), 16) => Ok(EventKey { last_s, number }),
        _ => Err(QueryError::PageToken),
    }
}
