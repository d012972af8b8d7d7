//! Tiles and bundles: the examples of c2sp.org/tlog-tiles, `tlog_tiles` as a second opinion, and
//! what is not a tile.

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use common::{entry, leaves, tree};
use proptest::prelude::*;
use tlog::tile::{
    HashTileError, InvalidBundle, TileKind, TileNodes, TileNodesError, TilePath, decode_entries,
    decode_hashes, encode_entries, hash_tile, new_tiles,
};
use tlog::{
    Hash, NodeReader, SIZE_MAX, consistency_proof, inclusion_proof, leaf_hash, root_at, root_of,
};

fn hashes(level: u8, index: u64, width: u16) -> TilePath {
    TilePath { kind: TileKind::Hashes { level }, index, width }
}

fn entries(index: u64, width: u16) -> TilePath {
    TilePath { kind: TileKind::Entries, index, width }
}

/// `tlog_tiles` writes Go's paths: the height is in them, and bundles are called data.
fn go_path(tile: &TilePath) -> String {
    let path = tile.to_string();
    match tile.kind {
        TileKind::Hashes { .. } => path.replacen("tile/", "tile/8/", 1),
        TileKind::Entries => path.replacen("tile/entries/", "tile/8/data/", 1),
    }
}

#[test]
fn paths() {
    let check = |path: &str, tile: TilePath| {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    };
    check("tile/0/000", hashes(0, 0, 256));
    check("tile/0/000.p/1", hashes(0, 0, 1));
    check("tile/63/999.p/255", hashes(63, 999, 255));
    check("tile/4/x001/000", hashes(4, 1000, 256));
    // The example of the page.
    check("tile/4/x001/x234/067", hashes(4, 1_234_067, 256));
    check("tile/4/x001/x234/067.p/8", hashes(4, 1_234_067, 8));
    check("tile/entries/000", entries(0, 256));
    check("tile/entries/x001/x234/067.p/44", entries(1_234_067, 44));
    check("tile/0/x009/x223/x372/x036/x854/x775/807.p/255", hashes(0, SIZE_MAX, 255));
}

#[test]
fn what_is_no_path() {
    for path in [
        "",
        "tile",
        "tile/",
        "/tile/0/000",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/000/",
        "tile/0/x000/000",
        "tile/0/x000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/x01/000",
        "tile/0/xx01/000",
        "tile/0/+01",
        "tile/0/-01",
        "tile/0/٠٠١",
        "tile/00/000",
        "tile/+0/000",
        "tile/64/000",
        "tile/255/000",
        "tile/256/000",
        "tile/-1/000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/256",
        "tile/0/000.p/65537",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/x001.p/1/000",
        "tile/8/0/000",
        "tile/data/000",
        "tile/entries",
        "tile/entries/",
        "tile/Entries/000",
        "tile/entries/000 ",
        "tile/entries/000\n",
        "tile//000",
        "tile/0//000",
        "tile/0/../000",
        // 2^63 and far beyond.
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(path.parse::<TilePath>().is_err(), "{path:?}");
    }
}

#[test]
fn the_tree_of_70000_leaves() {
    // The example of the page: 273 full tiles at level 0, and so on.
    let tiles: Vec<TilePath> = new_tiles(0, 70_000).collect();
    let count = |kind, full| {
        tiles.iter().filter(|tile| tile.kind == kind && tile.is_full() == full).count()
    };
    assert_eq!(count(TileKind::Hashes { level: 0 }, true), 273);
    assert_eq!(count(TileKind::Entries, true), 273);
    assert_eq!(count(TileKind::Hashes { level: 1 }, true), 1);
    assert_eq!(count(TileKind::Hashes { level: 2 }, true), 0);
    let partial: Vec<_> =
        tiles.iter().filter(|tile| !tile.is_full()).map(TilePath::to_string).collect();
    let expected =
        ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"];
    assert_eq!(partial, expected);
}

#[test]
fn the_tree_of_256_leaves() {
    let tiles: Vec<_> = new_tiles(0, 256).map(|tile| tile.to_string()).collect();
    assert_eq!(tiles, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
}

#[test]
fn nothing_new_without_growth() {
    assert_eq!(new_tiles(0, 0).count(), 0);
    assert_eq!(new_tiles(300, 300).count(), 0);
    assert_eq!(new_tiles(300, 299).count(), 0);
    assert_eq!(new_tiles(300, SIZE_MAX + 1).count(), 0);
    assert_eq!(new_tiles(u64::MAX, u64::MAX).count(), 0);
    // Lazy: the first of 2^55 comes at once.
    assert_eq!(new_tiles(0, SIZE_MAX).next(), Some(entries(0, 256)));
    assert_eq!(new_tiles(SIZE_MAX - 1, SIZE_MAX).count(), 2);
}

/// Every tile of a tree of this size, by path.
fn files(size: u64) -> BTreeMap<String, Vec<u8>> {
    let tree = tree(size);
    new_tiles(0, size)
        .map(|tile| {
            let bytes = match tile.kind {
                TileKind::Hashes { level } => {
                    hash_tile(&tree, level, tile.index, tile.width).expect("tile of this tree")
                }
                TileKind::Entries => {
                    let first = tile.index * 256;
                    encode_entries((first..first + u64::from(tile.width)).map(entry))
                        .expect("small entries")
                }
            };
            (tile.to_string(), bytes)
        })
        .collect()
}

struct Theirs<'a>(&'a tlog::MemoryTree);

impl tlog_tiles::HashReader for Theirs<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let read = |index: &u64| {
            let (level, index) = tlog_tiles::split_stored_hash_index(*index);
            tlog_tiles::Hash(self.0.node(level, index).expect("asked for a node of the tree").0)
        };
        Ok(indexes.iter().map(read).collect())
    }
}

#[test]
fn contents_agree_with_tlog_tiles() {
    for size in [1, 2, 255, 256, 257, 511, 512, 700] {
        let tree = tree(size);
        for (path, bytes) in files(size) {
            let tile: TilePath = path.parse().unwrap();
            let theirs = tlog_tiles::Tile::from_path(&go_path(&tile)).unwrap();
            if let TileKind::Hashes { .. } = tile.kind {
                assert_eq!(theirs.read_data(&Theirs(&tree)).unwrap(), bytes, "{path} of {size}");
            }
        }
    }
}

#[test]
fn a_bundle_hashes_to_its_tile() {
    let files = files(700);
    for (path, bundle) in files.iter().filter(|(path, _)| path.starts_with("tile/entries/")) {
        let tile = &files[&path.replace("tile/entries/", "tile/0/")];
        let hashes: Vec<Hash> =
            decode_entries(bundle).unwrap().into_iter().map(leaf_hash).collect();
        assert_eq!(decode_hashes(tile), Some(hashes), "{path}");
    }
}

#[test]
fn proofs_come_out_of_tiles() {
    let size = 66_000;
    let (tree, files) = (tree(size), files(size));
    let fetched = RefCell::new(BTreeSet::new());
    let nodes = TileNodes::new(size, |path: &TilePath| {
        fetched.borrow_mut().insert(*path);
        files.get(&path.to_string()).ok_or(())
    });
    assert_eq!(root_at(&nodes, size), Ok(tree.root()));
    for at in [0, 1, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 65_999] {
        let proof = inclusion_proof(&tree, at, size).unwrap();
        assert_eq!(inclusion_proof(&nodes, at, size), Ok(proof), "{at}");
        let proof = consistency_proof(&tree, at, size).unwrap();
        assert_eq!(consistency_proof(&nodes, at, size), Ok(proof), "{at}");
    }
    for (level, index) in (0..17).flat_map(|level| [(level, 0), (level, (size >> level) - 1)]) {
        let node = tree.node(level, index).map_err(|_| ());
        assert_eq!(nodes.node(level, index).map_err(|_| ()), node, "{level} {index}");
    }
    // Never one that does not exist: partial ones are asked for at the width they have.
    assert!(fetched.borrow().iter().all(|path| files.contains_key(&path.to_string())));
}

#[test]
fn a_wider_tile_will_do() {
    let (tree, files) = (tree(700), files(512));
    // At size 300, tile/0/001.p/44 existed; it was deleted when tile/0/001 was full.
    let nodes = TileNodes::new(300, |path: &TilePath| {
        files.get(&path.full().to_string()).or_else(|| files.get("tile/1/000.p/2")).ok_or(())
    });
    assert_eq!(root_at(&nodes, 300), Ok(tree.root_at(300).unwrap()));
}

#[test]
fn a_tile_of_the_wrong_size_is_refused() {
    let node = |bytes: Vec<u8>| {
        let nodes = TileNodes::new(300, move |_: &TilePath| Ok::<_, Infallible>(bytes.clone()));
        nodes.node(0, 299)
    };
    assert!(node(vec![7; 44 * 32]).is_ok());
    for size in [0, 1, 43 * 32, 44 * 32 - 1, 44 * 32 + 1, 257 * 32] {
        let path = hashes(0, 1, 44);
        assert_eq!(node(vec![7; size]), Err(TileNodesError::WrongSize { path, found: size }));
    }
}

#[test]
fn a_node_outside_the_tree_is_refused() {
    let nodes = TileNodes::new(300, |_: &TilePath| Ok::<_, Infallible>(vec![0; 8192]));
    for (level, index) in [(0, 300), (1, 150), (8, 1), (9, 0), (62, 0), (63, 0), (255, 0)] {
        let missing = TileNodesError::MissingNode { level, index, size: 300 };
        assert_eq!(nodes.node(level, index), Err(missing));
    }
    let nodes = TileNodes::new(u64::MAX, |_: &TilePath| Ok::<_, Infallible>(vec![0; 8192]));
    assert!(nodes.node(0, 0).is_err());
    let nodes = TileNodes::new(SIZE_MAX, |_: &TilePath| Ok::<_, Infallible>(vec![0; 8192]));
    assert!(nodes.node(0, SIZE_MAX - 1).is_ok());
    assert!(nodes.node(62, 0).is_ok());
}

#[test]
fn a_tile_that_cannot_be_is_not_written() {
    let tree = tree(300);
    for (level, index, width) in
        [(0, 0, 0), (0, 0, 257), (8, 0, 1), (255, 0, 1), (7, 1, 1), (0, u64::MAX, 1)]
    {
        let refused = HashTileError::NoSuchTile { level, index, width };
        assert_eq!(hash_tile(&tree, level, index, width), Err(refused));
    }
    assert!(matches!(hash_tile(&tree, 0, 1, 45), Err(HashTileError::Read(_))));
}

#[test]
fn bundles() {
    let encoded = encode_entries(["one", "", "three"]).unwrap();
    assert_eq!(encoded, b"\0\x03one\0\0\0\x05three");
    assert_eq!(decode_entries(&encoded), Ok(vec![&b"one"[..], b"", b"three"]));
    assert_eq!(decode_entries(b""), Ok(vec![]));
    assert_eq!(decode_entries(b"\0"), Err(InvalidBundle::Truncated(0)));
    assert_eq!(decode_entries(b"\0\x01a\0\x02b"), Err(InvalidBundle::Truncated(1)));

    let largest = vec![0; 65_535];
    assert_eq!(decode_entries(&encode_entries([&largest]).unwrap()), Ok(vec![&largest[..]]));
    let refused = encode_entries([vec![0; 65_536]]);
    assert_eq!(refused, Err(InvalidBundle::EntryTooLarge(65_536)));
    assert!(encode_entries([[1]; 256]).is_ok());
    assert_eq!(encode_entries([[1]; 257]), Err(InvalidBundle::TooManyEntries));
    assert_eq!(decode_entries(&[0; 514]), Err(InvalidBundle::TooManyEntries));
}

#[test]
fn hash_tiles_read_back() {
    let bytes: Vec<u8> = leaves(256).iter().flat_map(|hash| hash.0).collect();
    assert_eq!(decode_hashes(&bytes).map(|hashes| root_of(&hashes)), Some(tree(256).root()));
    assert_eq!(decode_hashes(&[]), None);
    assert_eq!(decode_hashes(&bytes[1..]), None);
    assert_eq!(decode_hashes(&[0; 257 * 32]), None);
}

fn any_tile() -> impl Strategy<Value = TilePath> {
    let kind = prop_oneof![
        Just(TileKind::Entries),
        (0_u8..64).prop_map(|level| TileKind::Hashes { level })
    ];
    (kind, 1_u64..64, any::<u64>(), 1_u16..=256).prop_map(|(kind, shift, index, width)| TilePath {
        kind,
        index: index >> shift,
        width,
    })
}

proptest! {
    #[test]
    fn path_round_trip(tile in any_tile()) {
        let path = tile.to_string();
        prop_assert_eq!(path.parse(), Ok(tile));
        prop_assert_eq!(tlog_tiles::Tile::from_path(&go_path(&tile)).unwrap().path(), go_path(&tile));
    }

    #[test]
    fn any_text_is_a_path_only_if_it_prints_the_same(
        text in "tile/([0-9]{1,3}|entries)/(x?[0-9]{1,4}/){0,3}x?[0-9]{1,4}(\\.p/[0-9]{0,4})?|\\PC{0,70}",
    ) {
        let ours = text.parse::<TilePath>();
        if let Ok(tile) = ours {
            prop_assert_eq!(tile.to_string(), &text[..]);
        }
        // Theirs takes what ours takes, and ours takes what theirs takes of height 8 and our bounds.
        let go = match text.strip_prefix("tile/entries/") {
            Some(rest) => format!("tile/8/data/{rest}"),
            None => text.replacen("tile/", "tile/8/", 1),
        };
        let level_ok = !text.starts_with("tile/") || go.split('/').nth(2).is_some_and(
            |level| level == "data" || level.parse::<u8>().is_ok_and(|level| level < 64));
        if level_ok && !go.contains(".p/0") && go.len() < 50 {
            prop_assert_eq!(tlog_tiles::Tile::from_path(&go).is_ok(), ours.is_ok(), "{}", text);
        }
    }

    #[test]
    fn new_tiles_agree_with_tlog_tiles(old in 0_u64..200_000, more in 0_u64..70_000) {
        let new = old + more;
        let ours: Vec<_> = new_tiles(old, new)
            .filter(|tile| tile.kind != TileKind::Entries).map(|tile| go_path(&tile)).collect();
        let theirs: Vec<_> =
            tlog_tiles::Tile::new_tiles(8, old, new).iter().map(tlog_tiles::Tile::path).collect();
        prop_assert_eq!(&ours, &theirs);
        // Bundles are those of level 0.
        let bundles: Vec<_> = new_tiles(old, new)
            .filter(|tile| tile.kind == TileKind::Entries)
            .map(|tile| go_path(&tile).replacen("/data/", "/0/", 1)).collect();
        prop_assert_eq!(&bundles[..], &theirs[..bundles.len()]);
    }

    #[test]
    fn bundle_round_trip(entries in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..50), 0..=256,
    )) {
        let bundle = encode_entries(&entries).unwrap();
        prop_assert_eq!(decode_entries(&bundle).unwrap(), entries);
    }

    #[test]
    fn any_bytes_are_a_bundle_only_if_they_encode_the_same(
        bytes in proptest::collection::vec(prop_oneof![3 => 0_u8..3, 1 => any::<u8>()], 0..600),
    ) {
        if let Ok(entries) = decode_entries(&bytes) {
            prop_assert_eq!(encode_entries(entries).unwrap(), bytes);
        }
    }

    #[test]
    fn tile_functions_never_panic(
        level in any::<u8>(), index in any::<u64>(), shift in 0_u32..64, width in any::<u16>(),
        size in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let (index, size) = (index >> shift, size >> shift);
        let _ = hash_tile(&tree(3), level, index, width);
        let _ = hash_tile(&tree(3), level % 8, index, width % 257);
        let nodes = TileNodes::new(size, |_: &TilePath| Ok::<_, Infallible>(&bytes));
        let _ = nodes.node(level, index);
        let _ = nodes.node(level % 64, index);
        let _ = new_tiles(index, size).next();
        let _ = TilePath { kind: TileKind::Hashes { level }, index, width }.to_string();
    }
}
