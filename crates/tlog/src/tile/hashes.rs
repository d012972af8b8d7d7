//! Hash tiles, <https://c2sp.org/tlog-tiles> ("Merkle Tree"): concatenated hashes of perfect subtrees.
//!
//! In: a [`NodeReader`] to write tiles from, or a way to fetch tiles. Out: the bytes of a tile, or a
//! [`NodeReader`] again, so that roots and proofs are made from tiles as from any other store.

use super::{LEVEL_MAX, TILE_HEIGHT, TILE_WIDTH, TileKind, TilePath};
use crate::{HASH_SIZE, Hash, NodeReader, SIZE_MAX, root_of};

/// Why a tile could not be written. `E` is the reader's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashTileError<E> {
    #[error("no tree has a tile at level {level}, index {index} of width {width}")]
    NoSuchTile { level: u8, index: u64, width: u16 },
    #[error("tree node could not be read")]
    Read(#[source] E),
}

/// The bytes of one tile: `width` hashes from number `index * 256` of its level on.
pub fn hash_tile<R: NodeReader>(
    reader: &R,
    level: u8,
    index: u64,
    width: u16,
) -> Result<Vec<u8>, HashTileError<R::Error>> {
    let no_such_tile = HashTileError::NoSuchTile { level, index, width };
    let fits = level <= LEVEL_MAX
        && (1..=TILE_WIDTH).contains(&width)
        && index <= SIZE_MAX >> ((level + 1) * TILE_HEIGHT).min(63);
    if !fits {
        return Err(no_such_tile);
    }
    let first = index << TILE_HEIGHT;
    let mut tile = Vec::with_capacity(usize::from(width) * HASH_SIZE);
    for index in first..first + u64::from(width) {
        let hash = reader.node(level * TILE_HEIGHT, index).map_err(HashTileError::Read)?;
        tile.extend_from_slice(hash.as_bytes());
    }
    Ok(tile)
}

/// Reads the bytes of a tile: 1 to 256 hashes, nothing left over.
pub fn decode_hashes(tile: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = tile.as_chunks::<HASH_SIZE>();
    let good = rest.is_empty() && (1..=usize::from(TILE_WIDTH)).contains(&hashes.len());
    good.then(|| hashes.iter().copied().map(Hash).collect())
}

/// A tree of a known size whose nodes come from tiles.
///
/// `fetch` is asked for a tile at the width that it has in a tree of this size; it may answer with a
/// wider one, since partial tiles are deleted once the full one exists. It is asked again for every
/// node, so it should remember.
pub struct TileNodes<F> {
    size: u64,
    fetch: F,
}

/// Why a node could not be had from tiles. `E` is the fetcher's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileNodesError<E> {
    #[error("no perfect subtree at level {level}, index {index} in a tree of size {size}")]
    MissingNode { level: u8, index: u64, size: u64 },
    #[error("{path} is {found} bytes, which is not that tile")]
    WrongSize { path: TilePath, found: usize },
    #[error("tile could not be fetched")]
    Fetch(#[source] E),
}

impl<F, T, E> TileNodes<F>
where
    F: Fn(&TilePath) -> Result<T, E>,
    T: AsRef<[u8]>,
{
    pub fn new(size: u64, fetch: F) -> Self {
        Self { size, fetch }
    }

    pub fn size(&self) -> u64 {
        self.size
    }
}

impl<F, T, E> NodeReader for TileNodes<F>
where
    F: Fn(&TilePath) -> Result<T, E>,
    T: AsRef<[u8]>,
{
    type Error = TileNodesError<E>;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let missing = || TileNodesError::MissingNode { level, index, size: self.size };
        // Nodes between the tiles' levels are made from a run of hashes within one tile. The first
        // check bounds the index, and with it every shift below.
        if level > 62 || self.size > SIZE_MAX || index >= self.size >> level {
            return Err(missing());
        }
        let below = level % TILE_HEIGHT;
        let kind = TileKind::Hashes { level: level / TILE_HEIGHT };
        let first = index << below;
        let path = TilePath::in_tree(kind, first >> TILE_HEIGHT, self.size).ok_or_else(missing)?;
        let tile = (self.fetch)(&path).map_err(TileNodesError::Fetch)?;
        let wrong_size = || TileNodesError::WrongSize { path, found: tile.as_ref().len() };
        let hashes = decode_hashes(tile.as_ref())
            .filter(|hashes| hashes.len() >= usize::from(path.width))
            .ok_or_else(wrong_size)?;
        let from = (first % u64::from(TILE_WIDTH)) as usize;
        // The run of perfect subtrees is perfect itself, and hashes up as leaves of a tree do.
        hashes.get(from..from + (1 << below)).map(root_of).ok_or_else(missing)
    }
}
