//! Feeds, versions and approvals of lists, in the language of the cases.

use std::collections::VecDeque;

use remit_proto::v1::{self, register_item::Item, statement::Body};

use super::{at, held, statement};

/// What is not said: hourly, fetched in ten minutes, two changes or a half enter without a person,
/// proposed by p-1 and signed by p-2 too.
pub(super) fn feed(mut words: VecDeque<&str>) -> v1::Statement {
    let list_id = words.pop_front().unwrap().to_owned();
    let mut feed = v1::ListFeed {
        list_id,
        request_id: String::new(),
        publication_interval_s: 3_600,
        fetch_time_s: 600,
        change_entries_max: 2,
        change_permille_max: 500,
    };
    let mut people = People { by: "p-1", with: Some("p-2") };
    let mut recorded_at_s = at("2025-12-02");
    while let Some(word) = words.pop_front() {
        let value = words.pop_front().unwrap();
        match word {
            "under" => feed.request_id = value.to_owned(),
            "every" => feed.publication_interval_s = value.parse().unwrap(),
            "fetch" => feed.fetch_time_s = value.parse().unwrap(),
            "changes" => feed.change_entries_max = value.parse().unwrap(),
            "permille" => feed.change_permille_max = value.parse().unwrap(),
            "by" => people.by = value,
            "with" => people.with = (value != "nobody").then_some(value),
            "recorded" => recorded_at_s = at(value),
            other => panic!("{other}?"),
        }
    }
    people.of(statement(Body::ListFeed(feed), recorded_at_s, None))
}

/// What is not said: proposed by p-1 alone, recorded 2025-12-03; a first version holds what it adds.
pub(super) fn version(mut words: VecDeque<&str>) -> (v1::Statement, Option<Vec<v1::RegisterItem>>) {
    let (list_id, version) = words.pop_front().unwrap().split_once('@').unwrap();
    let mut said = v1::ListVersion {
        list_id: list_id.to_owned(),
        version: version.to_owned(),
        file_digest: vec![7; 32],
        ..v1::ListVersion::default()
    };
    let mut changes = v1::ListChanges::default();
    let mut people = People { by: "p-1", with: None };
    let (mut recorded_at_s, mut effective_at_s) = (at("2025-12-03"), None);
    while let Some(word) = words.pop_front() {
        if let Some(text) = word.strip_prefix("+!") {
            changes.added.push(entry(text, true));
        } else if let Some(text) = word.strip_prefix('+') {
            changes.added.push(entry(text, false));
        } else if let Some(text) = word.strip_prefix("-!") {
            changes.removed.push(entry(text, true));
        } else if let Some(text) = word.strip_prefix('-') {
            changes.removed.push(entry(text, false));
        } else {
            let value = words.pop_front().unwrap();
            match word {
                "after" => said.previous = value.to_owned(),
                "holds" => said.entries = value.parse().unwrap(),
                "by" => people.by = value,
                "with" => people.with = Some(value),
                "recorded" => recorded_at_s = at(value),
                "effective" => effective_at_s = Some(at(value)),
                other => panic!("{other}?"),
            }
        }
    }
    (said.added, said.removed) = (changes.added.len() as u64, changes.removed.len() as u64);
    if said.previous.is_empty() && said.entries == 0 {
        said.entries = said.added;
    }
    let nothing = changes == v1::ListChanges::default();
    let items = if nothing { Vec::new() } else { vec![item(changes)] };
    said.changes = Some(v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() });
    let said = statement(Body::ListVersion(said), recorded_at_s, effective_at_s);
    (people.of(said), Some(items))
}

/// What is not said: signed by p-2, recorded 2025-12-04.
pub(super) fn approval(text: &str, digests: &[Vec<u8>]) -> v1::Statement {
    let mut words: VecDeque<&str> = text.split_whitespace().collect();
    let index: u64 = words.pop_front().unwrap().parse().unwrap();
    let mut means = v1::ApprovalMeans::SignedByPerson;
    let mut people = People { by: "p-2", with: None };
    let (mut recorded_at_s, mut effective_at_s) = (at("2025-12-04"), None);
    let mut digest = digests.get(index as usize).cloned().unwrap_or_default();
    while let Some(word) = words.pop_front() {
        match word {
            "attested" => means = v1::ApprovalMeans::AttestedByCollector,
            "another" => digest = vec![0; 32],
            "by" => people.by = words.pop_front().unwrap(),
            "recorded" => recorded_at_s = at(words.pop_front().unwrap()),
            "effective" => effective_at_s = Some(at(words.pop_front().unwrap())),
            other => panic!("{other}?"),
        }
    }
    let said = v1::Approval { statement: index, digest, means: means.into() };
    people.of(statement(Body::Approval(said), recorded_at_s, effective_at_s))
}

fn entry(text: &str, exception: bool) -> v1::ListEntry {
    let (target, request_id) = text.split_once('=').unwrap_or((text, ""));
    let v1::RequestTarget { target, .. } = held(target, exception);
    v1::ListEntry { target, request_id: request_id.to_owned(), exception, raw: String::new() }
}

fn item(changes: v1::ListChanges) -> v1::RegisterItem {
    v1::RegisterItem { item: Some(Item::ListChanges(changes)) }
}

struct People<'t> {
    by: &'t str,
    with: Option<&'t str>,
}

impl People<'_> {
    fn of(&self, statement: v1::Statement) -> v1::Statement {
        let person =
            |id: &str| v1::PersonRef { person: id.to_owned(), role: v1::Role::Operator.into() };
        v1::Statement {
            author: Some(person(self.by)),
            approver: self.with.map(person),
            ..statement
        }
    }
}
