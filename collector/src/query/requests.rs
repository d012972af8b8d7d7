//! The register as a list: requests with where they stand now.

use std::collections::BTreeMap;

use evidence::RequestId;
use prost::Message;
use register::{
    Entry, ProceedingEnd, Relation, Target, Version, entry::Second, request::RequestTarget,
    state::Transition,
};
use remit_proto::v1;
use tonic::Status;

use super::{
    QueryHandle, Scene,
    completeness::completeness,
    error::{QueryError, invalid},
    filter::{Filter, check_authorities, claims_request},
    findings,
    lists::{approval, covered_by},
    page::Page,
    rules,
};

impl QueryHandle {
    pub fn list_requests(
        &self,
        request: v1::ListRequestsRequest,
    ) -> Result<v1::ListRequestsResponse, Status> {
        Ok(self.requests(request)?)
    }

    fn requests(
        &self,
        request: v1::ListRequestsRequest,
    ) -> Result<v1::ListRequestsResponse, QueryError> {
        let v1::ListRequestsRequest { in_force_at_s, target, authority, page_size, page_token } =
            request;
        let question = v1::ListRequestsRequest {
            in_force_at_s,
            target: target.clone(),
            authority: authority.clone(),
            ..Default::default()
        };
        let page = Page::open("requests", &question, page_size, &page_token)?;
        let target = match target.as_str() {
            "" => None,
            text => {
                let (target, _) =
                    Target::guess(text).map_err(|e| invalid("target", e.to_string()))?;
                Some(target)
            }
        };
        let scene = self.scene()?;
        if !authority.is_empty() {
            check_authorities("authority", std::slice::from_ref(&authority), &scene)?;
        }
        let register = scene.register();
        let in_force = |entry: &Entry<'_>| {
            in_force_at_s == 0
                || entry.standing_at(in_force_at_s).is_some_and(register::Standing::is_in_force)
        };
        let touching = target.as_ref().map(|wanted| register.touching(wanted));
        let names = |entry: &Entry<'_>| {
            touching.as_ref().is_none_or(|touching| {
                touching.iter().any(|touch| {
                    touch.entry.id() == entry.id()
                        && touch.version.request.version == entry.request().version
                        && matches!(touch.relation, Relation::Equal | Relation::Inside)
                })
            })
        };
        let of_authority =
            |entry: &Entry<'_>| authority.is_empty() || register.authority(entry) == authority;
        let found: Vec<Entry<'_>> =
            register.requests().filter(of_authority).filter(in_force).filter(names).collect();
        let (found, mut next_page_token) = page.cut(found, |entry| entry.id().to_string());
        let mut requests = Vec::with_capacity(found.len());
        let mut size = 0;
        for entry in &found {
            let Some(version) = entry.versions().next_back() else { continue };
            let row = row(&scene, entry, version, TARGETS_SIZE_MAX);
            size += row.encoded_len();
            if size > ANSWER_SIZE_MAX
                && let Some(last) =
                    requests.last().and_then(|row: &v1::RequestRow| row.request.as_ref())
            {
                next_page_token = page.token(last.id.as_bytes());
                break;
            }
            requests.push(row);
        }
        let root = scene.grounds().register_root_at(scene.position.log_size);
        Ok(v1::ListRequestsResponse {
            register_root: root.map(|root| root.0.to_vec()).unwrap_or_default(),
            requests,
            next_page_token,
            completeness: Some(completeness(&scene, &Filter::default())?),
        })
    }

    pub fn get_request(
        &self,
        request: v1::GetRequestRequest,
    ) -> Result<v1::GetRequestResponse, Status> {
        Ok(self.request(request)?)
    }

    fn request(
        &self,
        request: v1::GetRequestRequest,
    ) -> Result<v1::GetRequestResponse, QueryError> {
        let v1::GetRequestRequest { id } = request;
        let id: RequestId = id.parse().map_err(|e| invalid("id", format!("{e}")))?;
        let scene = self.scene()?;
        let register = scene.register();
        let entry = register.request(&id).ok_or(QueryError::NoSuchRequest)?;
        let mut versions = Vec::new();
        let version_count = shown_versions(&scene, &entry).count() as u64;
        let mut room = Room(VERSIONS_SIZE_MAX);
        for version in shown_versions(&scene, &entry).rev() {
            // Of those before the newest, a glimpse.
            let size_max =
                if versions.is_empty() { TARGETS_SIZE_MAX } else { TARGETS_SIZE_MAX / 32 };
            let row = row(&scene, &entry, version, size_max);
            if !room.has(&row) && !versions.is_empty() {
                break;
            }
            versions.push(row);
        }
        versions.reverse();
        if let Some(newest) = versions.last_mut() {
            newest.validity = register::checklist(entry.request());
            newest.held_by = held_by(&register.held_by(&entry, scene.now_s, HELD_BY_MAX));
        }
        let everything = Filter::default();
        let mut rules = rules::installed(&scene, &everything)?;
        rules.retain(|judged| {
            let later = judged.verdict.attributed.iter().flat_map(|said| &said.claims);
            let mut claims = judged.rule.facts.rule.claims.iter().chain(later);
            let speaks = judged.verdict.clause.as_ref().map(|clause| clause.request_id.as_str());
            speaks == Some(id.as_str()) || claims.any(|claim| claims_request(claim, id.as_str()))
        });
        let is_about = |finding: &v1::FindingRow| {
            let other = finding.kind() == v1::FindingKind::Entry && finding.detail == id.as_str();
            finding.request_id == id.as_str() || other
        };
        let mut findings = BTreeMap::new();
        let mut unreadable = None;
        findings::each(&scene, &everything, &findings::Kinds::all(), &mut |key, finding| {
            if !is_about(&finding) {
                return;
            }
            match findings::shown(&scene, finding) {
                // The veil may take the name away.
                Ok(shown) => findings.extend(shown.filter(is_about).map(|finding| (key, finding))),
                Err(error) => unreadable = Some(error),
            }
        })?;
        unreadable.map_or(Ok(()), Err)?;
        let (rule_count, finding_count) = (rules.len() as u64, findings.len() as u64);
        let mut room = Room(BESIDE_SIZE_MAX);
        let rules = rules.into_iter().map(|judged| rules::rule_row(&scene, judged));
        let rules = rules.take_while(|row| room.has(row)).collect();
        // Of a large request there may be one for each rule: what it owes and lacks comes first.
        let is_of_rule = |row: &v1::FindingRow| row.kind() == v1::FindingKind::Rule;
        let mut room = Room(BESIDE_SIZE_MAX);
        let (of_rules, others): (Vec<_>, Vec<_>) =
            findings.into_values().partition(|row| is_of_rule(row));
        let findings = others.into_iter().chain(of_rules).take_while(|row| room.has(row)).collect();
        let stated = entry.transitions().into_iter().map(|stated| transition(&scene, &id, stated));
        let ended = entry.ends().into_iter().map(|end| proceeding_end(&scene, &id, end));
        let mut transitions: Vec<_> = stated.chain(ended).collect();
        transitions.sort_by_key(|row| row.effective_at_s);
        let waiting = entry.waiting().into_iter().map(|stated| transition(&scene, &id, stated));
        let ends_waiting = entry.ends_waiting().into_iter();
        let ends_waiting = ends_waiting.map(|end| proceeding_end(&scene, &id, end));
        let waiting_transitions = waiting.chain(ends_waiting).collect();
        Ok(v1::GetRequestResponse {
            versions,
            transitions,
            waiting_transitions,
            rules,
            findings,
            lists: covered_by(&scene, entry.request()),
            completeness: Some(completeness(&scene, &everything)?),
            rule_count,
            finding_count,
            version_count,
        })
    }

    pub fn list_targets(
        &self,
        request: v1::ListTargetsRequest,
    ) -> Result<v1::ListTargetsResponse, Status> {
        Ok(self.targets(request)?)
    }

    fn targets(
        &self,
        request: v1::ListTargetsRequest,
    ) -> Result<v1::ListTargetsResponse, QueryError> {
        let v1::ListTargetsRequest { request_id, version, page_size, page_token } = request;
        let question = v1::ListTargetsRequest {
            request_id: request_id.clone(),
            version,
            ..v1::ListTargetsRequest::default()
        };
        let page = Page::open("targets", &question, 0, &page_token)?;
        let id: RequestId =
            request_id.parse().map_err(|e| invalid("request_id", format!("{e}")))?;
        let scene = self.scene()?;
        let entry = scene.register().request(&id).ok_or(QueryError::NoSuchRequest)?;
        let wanted = shown_versions(&scene, &entry).find(|held| held.request.version == version);
        let wanted = wanted.ok_or_else(|| invalid("version", "the request has no such version"))?;
        let is_first = page.after.is_none();
        let completeness =
            is_first.then(|| completeness(&scene, &Filter::default())).transpose()?;
        if scene.veil.hides_part(id.as_str(), v1::RequestPart::Targets) {
            // Whatever the token says: by positions that are there and that are not, they could be counted.
            return Ok(v1::ListTargetsResponse { completeness, ..Default::default() });
        }
        // A version does not change: positions in it are keys.
        let begins = page.after.as_deref().map_or(Some(0), next_position);
        let begins = begins.ok_or(QueryError::PageToken)?;
        let rest = wanted.request.targets.get(begins..).ok_or(QueryError::PageToken)?;
        let asked = usize::try_from(page_size).unwrap_or(0);
        let rest = if page_size == 0 { rest } else { rest.get(..asked).unwrap_or(rest) };
        let (shown, target_count) = targets_of(&scene, wanted, first_of(rest, ANSWER_SIZE_MAX));
        let ends = begins.saturating_add(shown.len());
        let is_last = shown.is_empty() || ends >= wanted.request.targets.len();
        let last = position_key(ends.saturating_sub(1));
        Ok(v1::ListTargetsResponse {
            targets: shown,
            next_page_token: if is_last { String::new() } else { page.token(last.as_bytes()) },
            target_count,
            completeness,
        })
    }
}

/// Most programs take answers of 4 MiB, unless they are told otherwise.
pub(super) const ANSWER_SIZE_MAX: usize = 3 * 1024 * 1024;
/// Of one row, the targets.
pub(super) const TARGETS_SIZE_MAX: usize = 128 * 1024;
/// In the answer about one request: the versions; and as much for the rules, and for the findings.
const VERSIONS_SIZE_MAX: usize = 1024 * 1024;
const BESIDE_SIZE_MAX: usize = 1024 * 1024;

/// Bytes that are left.
struct Room(usize);

impl Room {
    /// Whether there was room for one more.
    fn has(&mut self, row: &impl Message) -> bool {
        let left = self.0.checked_sub(row.encoded_len());
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// As many as fit, and at least one.
fn first_of(targets: &[RequestTarget], size_max: usize) -> &[RequestTarget] {
    let mut size = 0_usize;
    let fit = targets.iter().take_while(|held| {
        size = size.saturating_add(v1::RequestTarget::from(*held).encoded_len());
        size <= size_max
    });
    let count = fit.count().max(1);
    targets.get(..count).unwrap_or(targets)
}

/// These targets of a version as the reader sees them, and how many there are.
fn targets_of(
    scene: &Scene,
    version: &Version,
    targets: &[RequestTarget],
) -> (Vec<v1::RequestTarget>, u64) {
    let request = Some(version.request.to_wire_with(targets));
    let mut row = v1::RequestRow { request, ..v1::RequestRow::default() };
    scene.veil.request(&mut row);
    let shown = row.request.and_then(|request| request.task).unwrap_or_default().targets;
    let count = if shown.is_empty() { 0 } else { version.request.targets.len() };
    (shown, count as u64)
}

fn position_key(position: usize) -> String {
    format!("{position:012}")
}

/// Behind the position of a key.
fn next_position(key: &[u8]) -> Option<usize> {
    std::str::from_utf8(key).ok()?.parse::<usize>().ok()?.checked_add(1)
}

/// Those that are there for the reader.
pub(super) fn shown_versions<'a>(
    scene: &'a Scene,
    entry: &'a Entry<'_>,
) -> impl DoubleEndedIterator<Item = &'a Version> {
    let id = entry.id().as_str();
    entry.all_versions().filter(move |held| !scene.veil.hides_version(id, held.request.version))
}

/// With as many of its targets as have room.
fn row(
    scene: &Scene,
    entry: &Entry<'_>,
    version: &Version,
    targets_size_max: usize,
) -> v1::RequestRow {
    let targets = &version.request.targets;
    let ends_at_s = entry.ends_after(scene.now_s);
    let mut row = v1::RequestRow {
        request: Some(version.request.to_wire_with(first_of(targets, targets_size_max))),
        state: entry.state_at(scene.now_s),
        digest: version.digest.to_vec(),
        validity: Vec::new(),
        decision: entry.decision_at(scene.now_s).cloned().map(Into::into),
        held_by: Vec::new(),
        reason: version.reason.as_ref().to_owned(),
        newer_waits: shown_versions(scene, entry)
            .next_back()
            .is_some_and(|newest| newest.request.version > version.request.version)
            && version.request.version == entry.request().version,
        second_person: version.second.as_deref().map(second_person),
        erased: version
            .request
            .closed
            .iter()
            .filter(|part| part.is_erased)
            .map(|part| part.part.into())
            .collect(),
        secrecy_expired_at_s: version.secrecy_expired_at_s(scene.now_s).unwrap_or_default(),
        statement_index: version.statement,
        recorded_at_s: version.recorded_at_s,
        author: author(scene, version.statement),
        target_count: 0,
        waiting_transitions: (entry.waiting().into_iter().map(|stated| stated.kind.into()))
            .chain(entry.ends_waiting().iter().map(|_| v1::TransitionKind::Moot.into()))
            .collect(),
        existence: version.existence.map_or(0, |existence| existence.tier.into()),
        existence_until_s: version.existence.and_then(|one| one.until_s).unwrap_or_default(),
        applies_from_s: Some(version.applies_from_s)
            .filter(|from_s| *from_s != i64::MIN)
            .unwrap_or_default(),
        ends_at_s: ends_at_s.unwrap_or_default(),
        ends_as: ends_at_s.map(|end_s| entry.ends_as(end_s)).unwrap_or_default(),
    };
    scene.veil.request(&mut row);
    let shown = row.request.as_ref().and_then(|request| request.task.as_ref());
    if shown.is_some_and(|task| !task.targets.is_empty()) {
        row.target_count = targets.len() as u64;
    }
    row
}

/// A request with more than so many shared targets is one for a person to look at.
const HELD_BY_MAX: usize = 1_000;

fn held_by(held: &[(Target, RequestId)]) -> Vec<v1::HeldBy> {
    let row = |(target, id): &(Target, RequestId)| v1::HeldBy {
        target: Some(target.to_wire()),
        request_id: id.to_string(),
    };
    held.iter().map(row).collect()
}

fn second_person(second: &Second) -> v1::SecondPerson {
    v1::SecondPerson {
        digest: second.digest.to_vec(),
        approval: second.approved.as_ref().map(approval),
    }
}

fn transition(scene: &Scene, id: &RequestId, stated: &Transition) -> v1::TransitionRow {
    let Transition {
        kind,
        effective_at_s,
        recorded_at_s,
        statement,
        by,
        decision,
        reason,
        back_covers,
        proposed,
        committed,
    } = stated;
    // One that needs a second person counts since the approval, and is told as it was stated.
    let (statement, recorded_at_s) = match proposed {
        Some(proposed) => (&proposed.statement, &proposed.recorded_at_s),
        None => (statement, recorded_at_s),
    };
    let mut row = v1::TransitionRow {
        kind: (*kind).into(),
        effective_at_s: *effective_at_s,
        recorded_at_s: *recorded_at_s,
        statement_index: *statement,
        author: author(scene, *statement),
        by_request_id: by.as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: reason.clone(),
        decision: decision.clone().map(Into::into),
        back_covers: *back_covers,
        second_person: proposed.as_ref().map(|proposed| second_person(&proposed.second)),
        erased: committed.as_ref().is_some_and(|committed| committed.is_erased),
        proceeding: String::new(),
        corrected: false,
    };
    scene.veil.transition(id.as_str(), &mut row);
    row
}

/// What the end of a proceeding makes of a request that depends on it.
fn proceeding_end(scene: &Scene, id: &RequestId, end: ProceedingEnd) -> v1::TransitionRow {
    let ProceedingEnd {
        proceeding,
        outcome,
        effective_at_s,
        recorded_at_s,
        statement,
        second,
        is_corrected,
    } = end;
    let mut row = v1::TransitionRow {
        kind: v1::TransitionKind::Moot.into(),
        effective_at_s,
        recorded_at_s,
        statement_index: statement,
        author: author(scene, statement),
        reason: outcome,
        second_person: second.as_ref().map(second_person),
        proceeding,
        corrected: is_corrected,
        ..v1::TransitionRow::default()
    };
    scene.veil.transition(id.as_str(), &mut row);
    row
}

fn author(scene: &Scene, statement: u64) -> String {
    let author = usize::try_from(statement).ok().and_then(|at| scene.memory.authors.get(at));
    author.cloned().unwrap_or_default()
}
