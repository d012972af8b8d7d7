//! Whether a text names what is hidden.

use std::collections::{BTreeSet, HashSet};

/// Names that a text must not have in it, in capitals or not.
#[derive(Debug, Default)]
pub(super) struct Names {
    held: HashSet<Vec<u8>>,
    sizes: BTreeSet<usize>,
}

impl Names {
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n String>) -> Self {
        let mut found = Self::default();
        for name in names.filter(|name| !name.is_empty()) {
            found.sizes.insert(name.len());
            found.held.insert(name.to_ascii_lowercase().into_bytes());
        }
        found
    }

    /// Wherever it stands, also within another word: a text that is withheld for nothing costs less than one
    /// in which a full stop or a bracket made another word of the name.
    pub(super) fn are_in(&self, text: &str) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let text = text.to_ascii_lowercase();
        let mut windows = self.sizes.iter().flat_map(|size| text.as_bytes().windows(*size));
        windows.any(|part| self.held.contains(part))
    }

    /// Takes away a text that has one of them.
    pub(super) fn withhold_from(&self, text: &mut String) {
        if self.are_in(text) {
            WITHHELD.clone_into(text);
        }
    }
}

/// What stands in the place of a text that is taken away.
pub(super) const WITHHELD: &str = "withheld";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        let names = ["court/17".to_owned(), "Order-9".to_owned(), String::new()];
        let names = Names::of(names.iter());
        for text in [
            "court/17",
            "Replaced by court/17.",
            "see court/17/2",
            "(COURT/17)",
            "order-9_a",
            "päder-order-9",
        ] {
            assert!(names.are_in(text), "{text}");
        }
        for text in ["", "court/1", "replaced", "order 9", "court/18."] {
            assert!(!names.are_in(text), "{text}");
        }
        assert!(!Names::default().are_in("court/17"), "nothing is hidden");
    }
}
