//! Names of tiles and entry bundles, <https://c2sp.org/tlog-tiles> ("Merkle Tree", "Log entries").
//!
//! In: a path from outside, or two tree sizes. Out: a [`TilePath`], or all those that growing from
//! one size to the other brings into being.

use std::fmt;
use std::str::FromStr;

use super::{LEVEL_MAX, PATH_LEVEL_MAX, TILE_HEIGHT, TILE_WIDTH};
use crate::SIZE_MAX;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of perfect subtrees of 256^level leaves; level 0 to 63 in a path, 0 to 7 in a tree.
    Hashes { level: u8 },
    /// The entries themselves.
    Entries,
}

/// Where a tile is. Printed and read relative to the log's prefix, without a leading slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    pub kind: TileKind,
    /// The number of the tile within its level.
    pub index: u64,
    /// 1 to 256; 256 is a full tile.
    pub width: u16,
}

/// A path that names no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile")]
pub struct InvalidTilePath;

impl TilePath {
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The tile that takes the place of this one once it is full.
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH, ..*self }
    }

    /// The tile of a tree with `size` leaves, at the width it has there, if it exists there.
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let nodes = nodes_at(kind, size)?;
        let width = nodes.checked_sub(index.checked_mul(TILE_WIDTH.into())?)?;
        let width = width.min(TILE_WIDTH.into()) as u16;
        (width > 0).then_some(Self { kind, index, width })
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}")?,
            TileKind::Entries => write!(f, "tile/entries")?,
        }
        // Three digits an element; all but the last are marked, so that no name is both a file and
        // a directory. u64::MAX has 20 digits.
        let mut divisor = 1000_u64.pow(6);
        while divisor > 1 {
            if self.index >= divisor {
                write!(f, "/x{:03}", self.index / divisor % 1000)?;
            }
            divisor /= 1000;
        }
        write!(f, "/{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = InvalidTilePath;

    fn from_str(path: &str) -> Result<Self, InvalidTilePath> {
        let tile = parse(path).ok_or(InvalidTilePath)?;
        // One name for one tile: no leading zeros, no signs, no empty groups.
        if tile.to_string() == path { Ok(tile) } else { Err(InvalidTilePath) }
    }
}

/// Reads a path leniently; the caller compares it with its canonical spelling.
fn parse(path: &str) -> Option<TilePath> {
    // The longest path of an index up to 2^63 - 1 is "tile/entries/" + 6 * "x123/" + "123.p/255".
    if path.len() > 64 {
        return None;
    }
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => {
            TileKind::Hashes { level: level.parse().ok().filter(|level| *level <= PATH_LEVEL_MAX)? }
        }
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok()?),
        None => (rest, TILE_WIDTH),
    };
    if !(1..=TILE_WIDTH).contains(&width) {
        return None;
    }
    let index = index.split('/').try_fold(0_u64, |index, element| {
        let group = element.strip_prefix('x').unwrap_or(element).parse::<u16>().ok()?;
        index.checked_mul(1000)?.checked_add(group.into()).filter(|index| *index <= SIZE_MAX)
    })?;
    Some(TilePath { kind, index, width })
}

/// The tiles that a tree of `new_size` leaves has and one of `old_size` had not, bundles first, then
/// the levels upwards: the order in which a log writes them. From 0, all tiles of the tree.
///
/// Nothing if `new_size` is not larger or above 2^63 - 1. Made one at a time, since the sizes may be
/// anybody's.
pub fn new_tiles(old_size: u64, new_size: u64) -> impl Iterator<Item = TilePath> {
    let levels = (0..=LEVEL_MAX).map(|level| TileKind::Hashes { level });
    std::iter::once(TileKind::Entries).chain(levels).flat_map(move |kind| {
        let old = nodes_at(kind, old_size).unwrap_or(0);
        let new = nodes_at(kind, new_size).unwrap_or(0);
        // The tile with the first new node, to the tile with the last.
        let tiles =
            if old < new { old >> TILE_HEIGHT..new.div_ceil(TILE_WIDTH.into()) } else { 0..0 };
        tiles.filter_map(move |index| TilePath::in_tree(kind, index, new_size))
    })
}

/// How many hashes, or entries, tiles of this kind hold for a tree of `size` leaves.
fn nodes_at(kind: TileKind, size: u64) -> Option<u64> {
    if size > SIZE_MAX {
        return None;
    }
    match kind {
        TileKind::Entries => Some(size),
        TileKind::Hashes { level } if level <= LEVEL_MAX => Some(size >> (level * TILE_HEIGHT)),
        TileKind::Hashes { .. } => None,
    }
}
