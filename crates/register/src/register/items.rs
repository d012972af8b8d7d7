//! What comes with a statement: its items, read one at a time into what the register keeps.
//!
//! An import may have a hundred thousand items; their wire form is dropped as each is read, but for the
//! request to which blocks of further targets may still follow. What was read is shared: whoever keeps
//! two registers of the same statements keeps the texts once.

use std::{collections::HashSet, sync::Arc};

use evidence::RequestId;
use prost::Message;
use remit_proto::v1::{self, register_item::Item};
use sha2::{Digest, Sha256};

use super::InvalidStatement;
use crate::{adoption::Attribution, request::Request};

/// A clone is one counter.
#[derive(Debug, Clone)]
pub struct Items(Arc<Read>);

#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) count: u64,
    /// With all their targets.
    pub(super) requests: Vec<Entered>,
    pub(super) attributions: Vec<Attribution>,
    pub(super) changes: Vec<v1::ListChanges>,
    /// The first item that is of no import.
    first_of_list: Option<usize>,
    /// The first item that is of no version of a list.
    first_of_import: Option<usize>,
}

/// A version, and the digest by which the next one names it.
#[derive(Debug, Clone)]
pub(super) struct Entered {
    pub(super) request: Arc<Request>,
    pub(super) digest: [u8; 32],
}

/// Reads items in their order.
#[derive(Debug, Default)]
pub struct ItemReader {
    read: Read,
    seen: HashSet<RequestId>,
    /// The newest request: blocks of its targets may follow.
    open: Option<v1::Request>,
}

impl ItemReader {
    pub fn push(&mut self, item: v1::RegisterItem) -> Result<(), InvalidStatement> {
        let at = usize::try_from(self.read.count).unwrap_or(usize::MAX);
        self.read.count = self.read.count.saturating_add(1);
        match item.item.ok_or(InvalidStatement::EmptyItem { item: at })? {
            Item::Request(request) => {
                self.close()?;
                self.open = Some(request);
                self.read.first_of_import.get_or_insert(at);
            }
            Item::Targets(v1::TargetBlock { request_id, targets }) => {
                self.read.first_of_import.get_or_insert(at);
                let open = self.open.as_mut().filter(|open| open.id == request_id);
                let open =
                    open.ok_or(InvalidStatement::StrayTargets { item: at, id: request_id })?;
                open.task.get_or_insert_default().targets.extend(targets);
            }
            Item::Attribution(wire) => {
                self.read.first_of_import.get_or_insert(at);
                self.read.attributions.push(Attribution::read(&wire)?);
            }
            Item::ListChanges(changes) => {
                self.read.first_of_list.get_or_insert(at);
                self.read.changes.push(changes);
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Items, InvalidStatement> {
        self.close()?;
        self.read.requests.shrink_to_fit();
        Ok(Items(Arc::new(self.read)))
    }

    fn close(&mut self) -> Result<(), InvalidStatement> {
        let Some(wire) = self.open.take() else { return Ok(()) };
        let id = wire.id.clone();
        let digest = version_digest(&wire);
        let request =
            Request::try_from(wire).map_err(|why| InvalidStatement::Request { id, why })?;
        if request.targets.is_empty() && request.covers_lists.is_empty() {
            return Err(InvalidStatement::NoTarget { id: request.id });
        }
        if !self.seen.insert(request.id.clone()) {
            return Err(InvalidStatement::Duplicate { id: request.id });
        }
        self.read.requests.push(Entered { request: Arc::new(request), digest });
        Ok(())
    }
}

impl Items {
    pub fn read(items: Vec<v1::RegisterItem>) -> Result<Self, InvalidStatement> {
        let mut reader = ItemReader::default();
        items.into_iter().try_for_each(|item| reader.push(item))?;
        reader.finish()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.count == 0
    }

    /// Of an import that announces so many.
    pub(super) fn of_import(&self, announced: u64) -> Result<&Read, InvalidStatement> {
        self.of(announced, self.0.first_of_list)
    }

    /// Of a version of a list.
    pub(super) fn of_list(&self, announced: u64) -> Result<&Read, InvalidStatement> {
        self.of(announced, self.0.first_of_import)
    }

    fn of(&self, announced: u64, stray: Option<usize>) -> Result<&Read, InvalidStatement> {
        let found = self.0.count;
        if announced != found {
            return Err(InvalidStatement::ItemCount { announced, found });
        }
        stray.map_or(Ok(&*self.0), |item| Err(InvalidStatement::StrayItem { item }))
    }
}

/// What [`v1::Request::prev_hash`] of the next version is.
pub fn version_digest(request: &v1::Request) -> [u8; 32] {
    Sha256::digest(request.encode_to_vec()).into()
}
