//! Lines of a file of which each says that one thing is to be blocked, or must stay open: said twice it counts once, and
//! said both ways it counts neither way.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use super::{RowError, RowReport};

/// What was taken of a file so far. `K`: what a line is about.
pub(crate) struct Lines<K> {
    /// By what it is about, and whether that must stay open, the entry that said so first.
    first: HashMap<(K, bool), usize>,
    /// The row of each entry.
    rows: Vec<usize>,
    /// Rows that say again what an entry says.
    again: Vec<(usize, usize)>,
    /// Entries that another one contradicts.
    against: BTreeMap<usize, usize>,
}

impl<K: Hash + Eq> Lines<K> {
    pub(crate) fn new() -> Self {
        let (first, rows, again, against) = Default::default();
        Self { first, rows, again, against }
    }

    /// `Some`: the row that said the same, and the entry is not to be taken.
    pub(crate) fn take(&mut self, row: usize, about: K, exception: bool) -> Option<usize> {
        let Self { first, rows, again, against } = self;
        let mut key = (about, exception);
        if let Some(entry) = first.get(&key) {
            again.push((row, *entry));
            return rows.get(*entry).copied();
        }
        let entry = rows.len();
        key.1 = !exception;
        if let Some(other) = first.get(&key) {
            against.extend([(entry, *other), (*other, entry)]);
        }
        key.1 = exception;
        first.insert(key, entry);
        rows.push(row);
        None
    }

    /// Refuses the rows that contradict each other: which of them is meant, whoever made the file knows. Returns the
    /// entries that are left.
    pub(crate) fn settle<E>(self, entries: Vec<E>, report: &mut [RowReport]) -> Vec<E> {
        let Self { first: _, rows, again, against } = self;
        if against.is_empty() {
            return entries;
        }
        let entry_rows = rows.iter().copied().enumerate().map(|(entry, row)| (row, entry));
        let all: Vec<(usize, usize)> = entry_rows.chain(again).collect();
        for (row, entry) in all {
            let Some(other) = against.get(&entry).and_then(|other| rows.get(*other)) else {
                continue;
            };
            let line = report.get(*other).map_or(0, |row| row.line);
            let problem =
                format!("must stay open and is to be blocked, by this line and by line {line}");
            if let Some(row) = report.get_mut(row) {
                row.refuse(RowError::new("", problem, "take one of them out; neither is entered"));
            }
        }
        let numbered = entries.into_iter().enumerate();
        numbered.filter(|(entry, _)| !against.contains_key(entry)).map(|(_, entry)| entry).collect()
    }
}

/// What is said of a row that says what an earlier one says.
pub(crate) fn stands_already(report: &[RowReport], earlier: usize) -> String {
    let line = report.get(earlier).map_or(0, |row| row.line);
    format!("stands already on line {line} and counts once")
}
