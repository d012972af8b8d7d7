//! Sets that are too long for a leaf or a statement: salted items in content-addressed chunks.
//!
//! The holder states count, root and the chunks' ids ([`v1::ItemSet`]). The root is over the items'
//! commitments, so that a single item may later be withheld and the rest still proven.

use prost::Message;
use remit_proto::v1;
use sha2::{Digest, Sha256};
use tlog::{Edge, Hash, leaf_hash};

use crate::{
    CHUNK_SIZE_MAX,
    canonical::{self, Malformed, digest, require},
    commitment::{Salt, commit},
};

/// Field number that stands for "item of a set" in its commitment.
const ITEM_FIELD: u32 = 0;
/// With room for one item of the largest size beside others.
const CHUNK_SIZE_AIM: usize = 128 * 1024;
/// A list of chunk ids must fit into the leaf that holds it.
pub const CHUNKS_MAX: usize = 900;

/// Id of a chunk: SHA-256 of its bytes.
pub fn chunk_id(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// Builds a set one item at a time, so that a long one never lies in memory as a whole.
#[derive(Default)]
pub struct SetBuilder {
    edge: Edge,
    chunks: Vec<Vec<u8>>,
    open: v1::Chunk,
    open_size: usize,
}

impl SetBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one item. Returns a chunk's bytes each time one is full.
    pub fn push(&mut self, salt: Salt, item: Vec<u8>) -> Option<Vec<u8>> {
        let full = if self.open_size + item.len() > CHUNK_SIZE_AIM { self.close() } else { None };
        self.edge.append(leaf_hash(&commit(ITEM_FIELD, &salt, &item).0));
        self.open_size += item.len() + 32;
        self.open.items.push(v1::SaltedItem { salt: salt.0.to_vec(), item });
        full
    }

    /// The set's description, and the last chunk if one is open.
    pub fn finish(mut self) -> (v1::ItemSet, Option<Vec<u8>>) {
        let last = self.close();
        let set = v1::ItemSet {
            count: self.edge.size(),
            root: self.edge.root().0.to_vec(),
            chunks: self.chunks,
        };
        (set, last)
    }

    fn close(&mut self) -> Option<Vec<u8>> {
        if self.open.items.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.open).encode_to_vec();
        self.open_size = 0;
        self.chunks.push(chunk_id(&bytes).0.to_vec());
        Some(bytes)
    }
}

/// Decodes a chunk by both checks.
pub fn decode_chunk(bytes: &[u8]) -> Result<v1::Chunk, Malformed> {
    let chunk: v1::Chunk = canonical::decode(bytes, CHUNK_SIZE_MAX)?;
    require(!chunk.items.is_empty(), "chunk.items", "at least one")?;
    for v1::SaltedItem { salt, item } in &chunk.items {
        require(salt.len() == 16, "chunk.items.salt", "16 bytes")?;
        require(!item.is_empty(), "chunk.items.item", "not empty")?;
    }
    Ok(chunk)
}

/// Why chunks do not make up the set that a leaf or statement describes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("chunk {index} of the set is not the one that was named")]
    WrongChunk { index: usize },
    #[error("chunk {index} of the set is malformed")]
    Malformed {
        index: usize,
        #[source]
        source: Malformed,
    },
    #[error("the items do not add up to the count and root that were stated")]
    WrongRoot,
}

/// Reads a set one chunk at a time, so that a long one never lies in memory as a whole. What was read is
/// the set's only once [`finish`](Self::finish) has said so.
pub struct SetReader<'s> {
    set: &'s v1::ItemSet,
    edge: Edge,
    chunks: usize,
}

impl<'s> SetReader<'s> {
    pub fn new(set: &'s v1::ItemSet) -> Self {
        Self { set, edge: Edge::new(), chunks: 0 }
    }

    /// The items of the next chunk.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, SetError> {
        let index = self.chunks;
        if self.set.chunks.get(index).is_none_or(|id| chunk_id(bytes).0.as_slice() != id.as_slice())
        {
            return Err(SetError::WrongChunk { index });
        }
        self.chunks = index.saturating_add(1);
        let chunk = decode_chunk(bytes).map_err(|source| SetError::Malformed { index, source })?;
        let items = chunk.items.into_iter().map(|v1::SaltedItem { salt, item }| {
            let salt = salt.try_into().map_err(|_| SetError::WrongRoot)?;
            self.edge.append(leaf_hash(&commit(ITEM_FIELD, &Salt(salt), &item).0));
            Ok(item)
        });
        items.collect()
    }

    /// Whether these were all of the set's items, and no others.
    pub fn finish(self) -> Result<(), SetError> {
        let Self { set, edge, chunks } = self;
        if chunks != set.chunks.len() {
            return Err(SetError::WrongChunk { index: chunks });
        }
        let v1::ItemSet { count, root, chunks: _ } = set;
        if edge.size() != *count || edge.root().0.as_slice() != root.as_slice() {
            return Err(SetError::WrongRoot);
        }
        Ok(())
    }
}

/// Checks chunks, in order, against the description and returns the items.
pub fn open_set<B: AsRef<[u8]>>(set: &v1::ItemSet, chunks: &[B]) -> Result<Vec<Vec<u8>>, SetError> {
    let mut reader = SetReader::new(set);
    let mut items = Vec::new();
    for bytes in chunks {
        items.append(&mut reader.chunk(bytes.as_ref())?);
    }
    reader.finish()?;
    Ok(items)
}

pub fn check_set(set: &v1::ItemSet) -> Result<(), Malformed> {
    let v1::ItemSet { count, root, chunks } = set;
    digest(root, "items.root")?;
    require(chunks.len() <= CHUNKS_MAX, "items.chunks", "at most 900")?;
    require((*count == 0) == chunks.is_empty(), "items.count", "0 exactly if there is no chunk")?;
    chunks.iter().try_for_each(|id| digest(id, "items.chunks"))?;
    // The salts of two chunks differ, so no set holds one twice; who names one 900 times makes others
    // read and hash it as often.
    let distinct = chunks.iter().collect::<std::collections::HashSet<_>>().len();
    require(distinct == chunks.len(), "items.chunks", "each chunk once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_names_each_chunk_once() {
        let mut builder = SetBuilder::new();
        assert_eq!(builder.push(Salt([1; 16]), vec![7]), None);
        let (mut set, _) = builder.finish();
        assert_eq!(check_set(&set), Ok(()));
        set.chunks.push(set.chunks[0].clone());
        let refused = check_set(&set).unwrap_err().to_string();
        assert!(refused.contains("items.chunks") && refused.contains("once"), "{refused}");
    }
}
