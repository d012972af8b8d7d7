//! Which of many things have a hash, in lines of the cache: whoever asks for one waits for one line, and not
//! first for a byte and then for the number beside which it stands elsewhere; and whoever asks for several can
//! ask for all of their lines at once.
//!
//! A hash has a line, and what finds it full goes to the next. Nothing is ever taken out, so a line that is
//! not full ends the search.

use std::hint::black_box;

/// What is found: a position in an array.
type Item = u32;

/// Items of a line.
const WIDTH: usize = 12;
/// Behind them eight bits of each one's hash, 0 where none stands; the rest are always 0.
const TAGS: usize = 16;

#[derive(Debug, Clone)]
#[repr(align(64))]
struct Line {
    items: [Item; WIDTH],
    tags: [u8; TAGS],
}

const _: () = assert!(size_of::<Line>() == 64);

#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    count: usize,
}

impl Line {
    const EMPTY: Self = Self { items: [Item::MAX; WIDTH], tags: [0; TAGS] };

    /// Those with this tag, and perhaps others.
    fn tagged(&self, tag: u8) -> impl Iterator<Item = Item> {
        // A byte that is zero lends from the one above it, so that one may be taken for zero too.
        let differs = u128::from_le_bytes(self.tags) ^ (EACH * u128::from(tag));
        let mut equal = differs.wrapping_sub(EACH) & !differs & (EACH << 7);
        let items = &self.items;
        std::iter::from_fn(move || {
            let at = usize::try_from(equal.trailing_zeros() / 8).ok()?;
            equal &= equal.wrapping_sub(1);
            items.get(at).copied()
        })
    }

    fn is_full(&self) -> bool {
        self.tags.get(WIDTH - 1).is_some_and(|last| *last != 0)
    }

    /// False: it is full.
    fn add(&mut self, tag: u8, item: Item) -> bool {
        let Self { items, tags } = self;
        let free = items.iter_mut().zip(tags).find(|(_, tag)| **tag == 0);
        free.map(|(at, free)| (*at, *free) = (item, tag)).is_some()
    }
}

/// 1 in each byte.
const EACH: u128 = u128::from_le_bytes([1; TAGS]);

impl Table {
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(Item) -> bool) -> Option<Item> {
        let tag = tag(hash);
        let mut at = line_of(hash, self.lines.len());
        loop {
            let line = self.lines.get(at)?;
            if let Some(found) = line.tagged(tag).find(|item| is_it(*item)) {
                return Some(found);
            }
            if !line.is_full() {
                return None;
            }
            at = next(at, self.lines.len());
        }
    }

    /// Asks for the lines of these, so that they are waited for together.
    pub(crate) fn load(&self, hashes: impl Iterator<Item = u64>) {
        let lines = hashes.filter_map(|hash| self.lines.get(line_of(hash, self.lines.len())));
        black_box(lines.fold(0, |read, line| read ^ u128::from_le_bytes(line.tags)));
    }

    /// What may have this hash, and stands in its line.
    pub(crate) fn likely(&self, hash: u64) -> impl Iterator<Item = Item> {
        let line = self.lines.get(line_of(hash, self.lines.len()));
        line.into_iter().flat_map(move |line| line.tagged(tag(hash)))
    }

    /// Whether another item would fill it more than it should be.
    pub(crate) fn is_crowded(&self) -> bool {
        // Four fifths.
        self.count.saturating_mul(5) >= self.lines.len().saturating_mul(WIDTH * 4)
    }

    /// An empty one with room for those of this one and a quarter more.
    pub(crate) fn larger(&self) -> Self {
        let more = (self.lines.len() / 4).max(4);
        Self { lines: vec![Line::EMPTY; self.lines.len().saturating_add(more)], count: 0 }
    }

    /// It is not there yet, and the table is not crowded.
    pub(crate) fn add(&mut self, hash: u64, item: Item) {
        let count = self.lines.len();
        let mut at = line_of(hash, count);
        while let Some(line) = self.lines.get_mut(at) {
            if line.add(tag(hash), item) {
                self.count = self.count.saturating_add(1);
                return;
            }
            at = next(at, count);
        }
    }
}

/// By the upper bits.
fn line_of(hash: u64, count: usize) -> usize {
    usize::try_from((u128::from(hash) * count as u128) >> 64).unwrap_or(0)
}

/// By the lower bits.
fn tag(hash: u64) -> u8 {
    let [tag, ..] = hash.to_le_bytes();
    tag.max(1)
}

fn next(at: usize, count: usize) -> usize {
    let next = at.saturating_add(1);
    if next < count { next } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All under a few hashes, so that lines are full and what comes after stands in the next ones, also
    /// from the last line on in the first.
    #[test]
    fn each_node_is_found_where_hashes_are_equal_and_lines_full() {
        for hash in [0, 1, 0xff, u64::MAX, u64::MAX - 0xff, 1 << 63] {
            let mut table = Table::default().larger();
            let mut added = 0..;
            while !table.is_crowded() {
                let node = added.next().unwrap();
                assert_eq!(table.find(hash, |found| found == node), None);
                table.add(hash, node);
            }
            assert_eq!(added.start as usize, 4 * WIDTH * 4 / 5 + 1);
            for node in 0..added.start {
                assert_eq!(table.find(hash, |found| found == node), Some(node));
                assert_eq!(table.find(hash ^ 2, |found| found == node), None, "{hash:x}");
            }
        }
    }

    #[test]
    fn a_tag_is_found_wherever_it_stands_and_no_other_instead() {
        let mut line = Line::EMPTY;
        for node in 0..WIDTH as u32 {
            assert!(!line.is_full());
            assert!(line.add(tag(u64::from(node) * 21), node));
        }
        assert!(line.is_full() && !line.add(7, 7));
        for node in 0..WIDTH as u32 {
            assert!(line.tagged(tag(u64::from(node) * 21)).any(|found| found == node));
        }
        assert_eq!(line.tagged(200).count(), 0);
        assert_eq!(Line::EMPTY.tagged(1).count(), 0);
    }
}
