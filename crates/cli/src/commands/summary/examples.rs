//! A few of many: enough to know what a line is about.

use std::{collections::BTreeSet, fmt};

use crate::output;

const SHOWN: usize = 3;

/// Shows the first three, in order, and how many others there are.
#[derive(Debug, Default)]
pub(super) struct Examples {
    all: BTreeSet<String>,
}

impl Examples {
    pub(super) fn add(&mut self, text: String) {
        self.all.insert(text);
    }

    pub(super) fn shown(&self) -> Vec<&str> {
        self.all.iter().take(SHOWN).map(String::as_str).collect()
    }
}

impl fmt::Display for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&some(self.all.iter()))
    }
}

/// "a, b, c and 4 more"
pub(super) fn some<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let texts: Vec<String> = texts.cloned().collect();
    if texts.is_empty() { "-".to_owned() } else { output::some(&texts, SHOWN, ", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_are_shown_and_the_others_counted() {
        let mut examples = Examples::default();
        assert_eq!(examples.to_string(), "-");
        for text in ["c", "a", "b", "a"] {
            examples.add(text.to_owned());
        }
        assert_eq!(examples.to_string(), "a, b, c");
        examples.add("d".to_owned());
        assert_eq!(examples.to_string(), "a, b, c and 1 more");
        assert_eq!(examples.shown(), ["a", "b", "c"]);
    }
}
