//! Lists that requests cover: their feeds, their versions, what a version holds.

use evidence::RequestId;
use register::list::{Acceptance, Accepted, Approved, Feed, Held, ListEntry, ListView, Listed};
use remit_proto::v1::{self, ListVersionState, list_version_row::Acceptance as By};
use tonic::Status;

use super::{
    QueryHandle, Scene,
    completeness::completeness,
    error::{QueryError, invalid},
    filter::Filter,
    page::Page,
};

impl QueryHandle {
    pub fn list_lists(
        &self,
        request: v1::ListListsRequest,
    ) -> Result<v1::ListListsResponse, Status> {
        Ok(self.lists(request)?)
    }

    fn lists(&self, request: v1::ListListsRequest) -> Result<v1::ListListsResponse, QueryError> {
        let v1::ListListsRequest { page_size, page_token } = request;
        let question = v1::ListListsRequest::default();
        let page = Page::open("lists", &question, page_size, &page_token)?;
        let scene = self.scene()?;
        let found = scene.register().lists();
        let (found, next_page_token) = page.cut(found, |list| list.id().to_string());
        Ok(v1::ListListsResponse {
            lists: found.iter().map(|list| list_row(&scene, list)).collect(),
            next_page_token,
            completeness: Some(completeness(&scene, &Filter::default())?),
        })
    }

    pub fn get_list(&self, request: v1::GetListRequest) -> Result<v1::GetListResponse, Status> {
        Ok(self.list(request)?)
    }

    fn list(&self, request: v1::GetListRequest) -> Result<v1::GetListResponse, QueryError> {
        let v1::GetListRequest { list_id } = request;
        let scene = self.scene()?;
        let list = find(&scene, &list_id)?;
        let accepted = list.versions().iter().map(|v| version_row(&scene, &list, v));
        let root = scene.grounds().register_root_at(scene.position.log_size);
        Ok(v1::GetListResponse {
            list: Some(list_row(&scene, &list)),
            versions: accepted
                .chain(list.held().map(|held| held_row(&scene, &list, held)))
                .collect(),
            register_root: root.map(|root| root.0.to_vec()).unwrap_or_default(),
            completeness: Some(completeness(&scene, &Filter::default())?),
        })
    }

    pub fn list_entries(
        &self,
        request: v1::ListEntriesRequest,
    ) -> Result<v1::ListEntriesResponse, Status> {
        Ok(self.entries(request)?)
    }

    fn entries(
        &self,
        request: v1::ListEntriesRequest,
    ) -> Result<v1::ListEntriesResponse, QueryError> {
        let v1::ListEntriesRequest { list_id, version, page_size, page_token } = request;
        let question = v1::ListEntriesRequest {
            list_id: list_id.clone(),
            version: version.clone(),
            ..v1::ListEntriesRequest::default()
        };
        let page = Page::open("list_entries", &question, page_size, &page_token)?;
        let scene = self.scene()?;
        let list = find(&scene, &list_id)?;
        let version: RequestId = version.parse().map_err(|e| invalid("version", format!("{e}")))?;
        let mut rows = entry_rows(&scene, &list, &version)?;
        // They are targets of the request under which they stand.
        rows.retain(|row| !scene.veil.hides_targets(&row.request_id));
        rows.iter_mut()
            .filter_map(|row| row.entry.as_mut())
            .for_each(|entry| scene.veil.list_entry(entry));
        // In the order in which they came in, which a newer version does not change.
        let numbered: Vec<(usize, v1::ListEntryRow)> = rows.into_iter().enumerate().collect();
        let (found, next_page_token) = page.cut(numbered, |(at, _)| format!("{at:012}"));
        Ok(v1::ListEntriesResponse {
            entries: found.into_iter().map(|(_, row)| row).collect(),
            next_page_token,
            completeness: Some(completeness(&scene, &Filter::default())?),
        })
    }
}

fn find<'s>(scene: &'s Scene, id: &str) -> Result<ListView<'s>, QueryError> {
    let id: RequestId = id.parse().map_err(|e| invalid("list_id", format!("{e}")))?;
    scene.register().list_of(&id).ok_or(QueryError::NoSuchList)
}

fn entry_rows(
    scene: &Scene,
    list: &ListView<'_>,
    version: &RequestId,
) -> Result<Vec<v1::ListEntryRow>, QueryError> {
    if let Some(entries) = list.entries(version) {
        return Ok(entries.iter().map(|listed| entry_row(scene, listed)).collect());
    }
    let held = list.held().rfind(|held| held.version == *version);
    let held = held.ok_or(QueryError::NoSuchListVersion)?;
    let entries = list
        .entries_of_held(held)
        .ok_or_else(|| invalid("version", "what it changes is withheld or erased"))?;
    let of_feed = list.feed().map(|feed| feed.request.to_string()).unwrap_or_default();
    let row = |entry: &ListEntry| v1::ListEntryRow {
        entry: Some(entry.into()),
        request_id: entry.request.as_ref().map_or_else(|| of_feed.clone(), ToString::to_string),
        ..v1::ListEntryRow::default()
    };
    Ok(entries.iter().map(row).collect())
}

fn entry_row(scene: &Scene, listed: &Listed<'_>) -> v1::ListEntryRow {
    let added = listed.added();
    v1::ListEntryRow {
        entry: Some((&listed.entry()).into()),
        request_id: request_of(scene, listed),
        added_by: added.map(|version| version.version.to_string()).unwrap_or_default(),
        since_s: added.map_or(0, |version| version.from_s),
    }
}

fn request_of(scene: &Scene, listed: &Listed<'_>) -> String {
    let request = scene.whole().request_of(listed);
    request.map(|entry| entry.id().to_string()).unwrap_or_default()
}

/// Of each list that a request covers: the version in force, or else the newest.
pub(super) fn covered_by(scene: &Scene, request: &register::Request) -> Vec<v1::ListVersionRow> {
    let lists = request.covers_lists.iter().filter_map(|id| scene.register().list_of(id));
    let shown = lists.filter_map(|list| {
        let version = list.in_force_at(scene.now_s).or(list.newest())?;
        Some(version_row(scene, &list, version))
    });
    shown.collect()
}

/// One entry that touches a target.
pub(super) fn listed_row(scene: &Scene, listed: &Listed<'_>) -> v1::ListedRow {
    let (list, held) = (listed.list(), listed.target());
    let word = |version: Option<&Accepted>| version.map(|v| v.version.to_string());
    v1::ListedRow {
        list_id: list.id().to_string(),
        target: Some(held.target.to_wire()),
        exception: held.exception,
        request_id: request_of(scene, listed),
        added_by: word(listed.added()).unwrap_or_default(),
        since_s: held.added_at_s().unwrap_or(0),
        removed_by: word(listed.removed()).unwrap_or_default(),
        until_s: held.removed_at_s().unwrap_or(0),
        in_force: word(listed.in_force_at(scene.now_s)).unwrap_or_default(),
    }
}

fn list_row(scene: &Scene, list: &ListView<'_>) -> v1::ListRow {
    let now_s = scene.now_s;
    let shown = |feed: &&Feed| !scene.veil.hides(feed.request.as_str());
    v1::ListRow {
        list_id: list.id().to_string(),
        feed: list.feed().map(|feed| feed_row(list, feed)),
        proposed_feed: list.proposed_feed().filter(shown).map(|feed| feed_row(list, feed)),
        in_force: list.in_force_at(now_s).map(|version| version_row(scene, list, version)),
        held: list.held().next_back().map(|held| held_row(scene, list, held)),
        versions: list.versions().len() as u64,
        partial: list.is_partial(),
    }
}

fn feed_row(list: &ListView<'_>, feed: &Feed) -> v1::FeedRow {
    let Feed {
        request,
        publication_interval_s,
        fetch_time_s,
        change_entries_max,
        change_permille_max,
        proposed,
        approved,
    } = feed;
    v1::FeedRow {
        feed: Some(v1::ListFeed {
            list_id: list.id().to_string(),
            request_id: request.to_string(),
            publication_interval_s: publication_interval_s.unsigned_abs(),
            fetch_time_s: fetch_time_s.unsigned_abs(),
            change_entries_max: *change_entries_max,
            change_permille_max: *change_permille_max,
        }),
        statement: proposed.statement,
        digest: proposed.digest.to_vec(),
        author: Some(proposed.by.clone()),
        recorded_at_s: proposed.recorded_at_s,
        approval: approved.as_ref().filter(|_| list.knows(approved.as_ref())).map(approval),
    }
}

pub(super) fn approval(approved: &Approved) -> v1::PersonApproval {
    let Approved { by, means, statement, recorded_at_s } = approved;
    v1::PersonApproval {
        by: Some(by.clone()),
        means: (*means).into(),
        statement: *statement,
        recorded_at_s: *recorded_at_s,
    }
}

fn version_row(scene: &Scene, list: &ListView<'_>, version: &Accepted) -> v1::ListVersionRow {
    let now_s = scene.now_s;
    let Accepted { version: word, proposed, acceptance, from_s, counts, file_digest } = version;
    let until_s = list.until_s(version);
    let state = match until_s {
        _ if now_s < *from_s => ListVersionState::Scheduled,
        Some(until_s) if until_s <= now_s => ListVersionState::Former,
        Some(_) | None => ListVersionState::InForce,
    };
    let row = v1::ListVersionRow {
        list_id: list.id().to_string(),
        version: word.to_string(),
        state: state.into(),
        from_s: *from_s,
        until_s: until_s.unwrap_or(0),
        entries: counts.entries,
        added: counts.added,
        removed: counts.removed,
        rows_refused: counts.rows_refused,
        file_digest: file_digest.clone(),
        statement: proposed.statement,
        digest: proposed.digest.to_vec(),
        author: Some(proposed.by.clone()),
        recorded_at_s: proposed.recorded_at_s,
        previous: list.before(word).map(|before| before.version.to_string()).unwrap_or_default(),
        acceptance: Some(match acceptance {
            Acceptance::Standing { feed } => By::StandingFeed(*feed),
            Acceptance::Person(approved) => By::Person(approval(approved)),
        }),
        counts_withheld: false,
    };
    countless(scene, row)
}

fn held_row(scene: &Scene, list: &ListView<'_>, held: &Held) -> v1::ListVersionRow {
    let Held { version, previous, proposed, counts, file_digest, changes: _, .. } = held;
    let row = v1::ListVersionRow {
        list_id: list.id().to_string(),
        version: version.to_string(),
        state: ListVersionState::Held.into(),
        from_s: proposed.effective_at_s,
        until_s: 0,
        entries: counts.entries,
        added: counts.added,
        removed: counts.removed,
        rows_refused: counts.rows_refused,
        file_digest: file_digest.clone(),
        statement: proposed.statement,
        digest: proposed.digest.to_vec(),
        author: Some(proposed.by.clone()),
        recorded_at_s: proposed.recorded_at_s,
        previous: previous.as_ref().map(ToString::to_string).unwrap_or_default(),
        acceptance: None,
        counts_withheld: false,
    };
    countless(scene, row)
}

/// Of a list whose targets are not shown, how many are not shown either.
fn countless(scene: &Scene, row: v1::ListVersionRow) -> v1::ListVersionRow {
    if !scene.veil.hides_targets_of_list(&row.list_id) {
        return row;
    }
    v1::ListVersionRow {
        counts_withheld: true,
        entries: 0,
        added: 0,
        removed: 0,
        rows_refused: 0,
        file_digest: Vec::new(),
        ..row
    }
}
