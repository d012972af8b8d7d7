//! What the sides say about differences.
//!
//! ```toml
//! [[explanation]]
//! difference = "3f0c2a1b9d8e7f60"     # every row of this id; or all that fit:
//! class = "ONLY_OPERATOR"
//! target = "domain_exact:example.org"
//! reference = "27-31"
//! side = "operator"                   # who explains: operator or authority
//! text = "withdrawn by telephone on 3 November; the letter is awaited"
//! by = "person-1"                     # a person's id, never a name; may be left out
//! at = "2026-11-03"                   # may be left out
//! ```
//!
//! An explanation is a side's word. It makes a difference explained, not right, and it stays with the row
//! when the statement is made again.

use std::collections::HashMap;

use evidence::PersonId;
use serde::Deserialize;

use super::Row;
use crate::request::strange_text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Authority,
    Operator,
}

impl Side {
    pub fn word(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Operator => "operator",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// Which rows: all of these that are not empty must fit, and one of them must not be.
    #[serde(default)]
    pub difference: String,
    #[serde(default)]
    pub class: String,
    #[serde(default)]
    pub target: String,
    #[serde(default)]
    pub reference: String,
    pub side: Side,
    pub text: String,
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub at: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExplanations {
    #[error("line {line}: {message}")]
    Syntax { line: u64, message: String },
    #[error("explanation {number}: {field}: {problem}; {remedy}")]
    Entry { number: usize, field: &'static str, problem: String, remedy: &'static str },
}

/// A longer one belongs into a document.
const TEXT_SIZE_MAX: usize = 2_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    explanation: Vec<Explanation>,
}

/// Reads a file of explanations; one that is wrong refuses the file.
pub fn explanations(text: &str) -> Result<Vec<Explanation>, InvalidExplanations> {
    let File { explanation } = ::toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() as u64;
        InvalidExplanations::Syntax { line, message: error.message().to_owned() }
    })?;
    checked(explanation)
}

/// By the same rules, what an earlier statement says.
pub fn checked(explanations: Vec<Explanation>) -> Result<Vec<Explanation>, InvalidExplanations> {
    for (number, explanation) in (1..).zip(&explanations) {
        explanation.check(number)?;
    }
    Ok(explanations)
}

impl Explanation {
    fn check(&self, number: usize) -> Result<(), InvalidExplanations> {
        let Self { difference, class, target, reference, side: _, text, by, at } = self;
        let wrong = |field, problem: String, remedy| {
            Err(InvalidExplanations::Entry { number, field, problem, remedy })
        };
        if [difference, class, target, reference].into_iter().all(String::is_empty) {
            let remedy = "say which rows: difference, or class, target, reference";
            return wrong("difference", "missing".to_owned(), remedy);
        }
        if !class.is_empty() && !CLASSES.contains(&class.as_str()) {
            let problem = format!("{class:?} is no class");
            return wrong("class", problem, "write it as the statement does, without its fields");
        }
        for (field, text, size_max) in [("text", text, TEXT_SIZE_MAX), ("at", at, 48)] {
            if text.len() > size_max {
                return wrong(field, format!("longer than {size_max} bytes"), "shorten it");
            }
            if text.chars().any(char::is_control) {
                return wrong(field, "holds a control character".to_owned(), "take it out");
            }
            if let Some(problem) = strange_text(text) {
                return wrong(field, problem, "take it out");
            }
        }
        // What is no id is not shown: it may be a name.
        if !by.is_empty() && by.parse::<PersonId>().is_err() {
            let remedy = "write the person's opaque id, 1 to 63 of a-z, 0-9 and '-', or leave it out; never a name";
            return wrong("by", "it is no id of a person".to_owned(), remedy);
        }
        if text.trim().is_empty() {
            return wrong("text", "missing".to_owned(), "say why the two sides differ");
        }
        Ok(())
    }

    fn fits(&self, row: &Row) -> bool {
        let Self { difference, class, target, reference, .. } = self;
        let is = |wanted: &String, found: &str| wanted.is_empty() || wanted == found;
        row.is_difference()
            && is(difference, &row.id)
            && is(class, row.class.word())
            && is(target, &row.target())
            && is(reference, row.reference())
    }
}

const CLASSES: [&str; 5] = ["DIFFERS", "ONLY_AUTHORITY", "ONLY_OPERATOR", "TIMING", "COUNT_ONLY"];

/// Gives each row its explanations, each once; returns those that fit none.
pub(super) fn attach(rows: &mut [Row], explanations: Vec<Explanation>) -> Vec<Explanation> {
    // Rows about the same thing under the same reference have one id.
    let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        by_id.entry(row.id.clone()).or_default().push(at);
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut unused = Vec::new();
    for explanation in explanations {
        let mut used = false;
        // Thousands may name one row each.
        let near = match by_id.get(&explanation.difference) {
            Some(near) => near,
            None if explanation.difference.is_empty() => &all,
            None => &Vec::new(),
        };
        for at in near {
            let Some(row) = rows.get_mut(*at).filter(|row| explanation.fits(row)) else { continue };
            used = true;
            let said = |held: &Explanation| {
                (held.side, &held.text, &held.by, &held.at)
                    == (explanation.side, &explanation.text, &explanation.by, &explanation.at)
            };
            if !row.explanations.iter().any(said) {
                row.explanations.push(explanation.clone());
            }
        }
        if !used {
            unused.push(explanation);
        }
    }
    unused
}
