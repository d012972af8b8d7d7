//! Two versions of a list → what was added and removed, in items that a statement can hold.

use std::collections::BTreeSet;

use evidence::RequestId;
use prost::Message;
use remit_proto::v1::{self, register_item::Item};

use crate::{import::ITEM_SIZE_MAX, request::InvalidRequest, target::Target};

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListEntry {
    pub target: Target,
    /// `None`: the feed's.
    pub request: Option<RequestId>,
    /// It must stay open.
    pub exception: bool,
    /// As received, where it differs from the canonical value.
    pub raw: String,
}

/// What a new version changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    pub added: Vec<ListEntry>,
    pub removed: Vec<ListEntry>,
    /// Entries of the new version.
    pub entries: u64,
}

impl Delta {
    /// Both in canonical order, so that the same two versions give the same statement. Entries are the
    /// same if target, request and exception are; each counts once.
    pub fn between(before: &[ListEntry], after: &[ListEntry]) -> Self {
        let key = |entry: &ListEntry| ListEntry { raw: String::new(), ..entry.clone() };
        let old: BTreeSet<ListEntry> = before.iter().map(key).collect();
        let new: BTreeSet<ListEntry> = after.iter().map(key).collect();
        let mut seen = BTreeSet::new();
        let mut added: Vec<ListEntry> = after
            .iter()
            .filter(|entry| !old.contains(&key(entry)) && seen.insert(key(entry)))
            .cloned()
            .collect();
        added.sort();
        let removed = old.difference(&new).cloned().collect();
        Self { added, removed, entries: new.len() as u64 }
    }
}

/// The items of a version's statement, none longer than a chunk can hold.
pub fn to_changes(delta: &Delta) -> Vec<v1::RegisterItem> {
    let mut items = Vec::new();
    let mut open = v1::ListChanges::default();
    let mut size = 0;
    let added = delta.added.iter().map(|entry| (true, entry));
    for (is_added, entry) in added.chain(delta.removed.iter().map(|entry| (false, entry))) {
        let mut wire = v1::ListEntry::from(entry);
        if !is_added {
            wire.raw.clear();
        }
        let entry_size = wire.encoded_len() + FIELD_OVERHEAD;
        if size > 0 && size + entry_size > ITEM_SIZE_MAX {
            items.push(item(std::mem::take(&mut open)));
            size = 0;
        }
        size += entry_size;
        if is_added { open.added.push(wire) } else { open.removed.push(wire) }
    }
    if size > 0 {
        items.push(item(open));
    }
    items
}

/// What a field of a message costs beside its contents: key and length.
const FIELD_OVERHEAD: usize = 8;

fn item(changes: v1::ListChanges) -> v1::RegisterItem {
    v1::RegisterItem { item: Some(Item::ListChanges(changes)) }
}

impl From<&ListEntry> for v1::ListEntry {
    fn from(entry: &ListEntry) -> Self {
        let ListEntry { target, request, exception, raw } = entry;
        Self {
            target: Some(target.to_wire()),
            request_id: request.as_ref().map(ToString::to_string).unwrap_or_default(),
            exception: *exception,
            raw: raw.clone(),
        }
    }
}

impl TryFrom<v1::ListEntry> for ListEntry {
    type Error = InvalidRequest;
    fn try_from(wire: v1::ListEntry) -> Result<Self, InvalidRequest> {
        let v1::ListEntry { target, request_id, exception, raw } = wire;
        let wrong = |field, problem: String| InvalidRequest { field, problem };
        let target = target.ok_or_else(|| wrong("list_entry.target", "missing".to_owned()))?;
        let target = Target::from_wire(&target)
            .map_err(|error| wrong("list_entry.target", format!("{error}: {:?}", target.value)))?;
        let request = match request_id.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|e| wrong("list_entry.request_id", format!("{e}")))?),
        };
        Ok(Self { target, request, exception, raw })
    }
}
