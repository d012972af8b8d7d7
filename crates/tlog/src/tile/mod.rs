//! A tree as static files, <https://c2sp.org/tlog-tiles>: names, contents, and which exist when.
//!
//! In: sizes, a [`NodeReader`](crate::NodeReader), entries, or paths and bytes from outside. Out:
//! paths `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`, the bytes at them, and back again.
//!
//! A tile holds up to 256 neighbouring hashes of every eighth level (0 are the leaves); an entry
//! bundle holds the entries below one tile of level 0. Full ones never change; the last of each
//! level may be partial, and its width is part of its name, so that no name ever changes meaning.
//!
//! What is read from tiles is as good as its source until a root made from it is the signed one.

mod bundle;
mod hashes;
mod path;

pub use bundle::{InvalidBundle, decode_entries, encode_entries};
pub use hashes::{HashTileError, TileNodes, TileNodesError, decode_hashes, hash_tile};
pub use path::{InvalidTilePath, TileKind, TilePath, new_tiles};

/// The number of tree levels in a tile.
pub const TILE_HEIGHT: u8 = 8;

/// The number of hashes or entries in a full tile or bundle.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// The highest tile level that a path may name.
const PATH_LEVEL_MAX: u8 = 63;

/// The highest tile level that a tree of at most 2^63 - 1 leaves has.
const LEVEL_MAX: u8 = 7;
