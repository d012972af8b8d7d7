//! The basis map: a file on the node that says what rules claim which do not say it themselves.
//!
//! ```toml
//! [claims]
//! "comment:spamhaus drop" = "class:security"
//! "set:inet/filter/blocked_de" = ["de/2026-42", "list:bpjm@2026-11"]
//! ```
//!
//! A selector is `comment:`, `set:`, `chain:` or `zone:` and the exact text; nothing is guessed from
//! a part of it. A claim found here has the origin "mapped". The map's digest stands in `Start`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use evidence::{Claim, claim::CLAIMS_MAX};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::Mistake;

#[derive(Debug, Clone, Default)]
pub struct BasisMap {
    claims: BTreeMap<String, Vec<Claim>>,
    source: Option<(PathBuf, [u8; 32])>,
}

impl BasisMap {
    /// What the selector ("comment:…", "set:…", "chain:…", "zone:…") claims, if it is in the map.
    pub fn claims(&self, selector: &str) -> Option<&[Claim]> {
        self.claims.get(selector).map(Vec::as_slice)
    }

    pub fn digest(&self) -> Option<[u8; 32]> {
        self.source.as_ref().map(|(_, digest)| *digest)
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.source.as_ref().map(|(path, _)| path.as_path())
    }

    pub(super) fn parse(text: &str, path: PathBuf, mistakes: &mut Vec<Mistake>) -> Self {
        let file: BasisFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                mistakes.push(Mistake::new("basis_map", error.message().replace('\n', " ")));
                return Self::default();
            }
        };
        let mut claims = BTreeMap::new();
        for (selector, words) in file.claims {
            let mut wrong = |remedy: &str| {
                mistakes.push(Mistake::new(format!("basis_map: {selector}"), remedy));
            };
            let known = SELECTORS
                .iter()
                .any(|kind| selector.strip_prefix(kind).is_some_and(|text| !text.is_empty()));
            if !known {
                wrong("a selector begins with comment:, set:, chain: or zone: and names one");
                continue;
            }
            let words = match words {
                Words::One(word) => vec![word],
                Words::Many(words) => words,
            };
            let parsed: Result<Vec<Claim>, _> = words.iter().map(|word| word.parse()).collect();
            match parsed {
                Ok(parsed) if (1..=CLAIMS_MAX).contains(&parsed.len()) => {
                    claims.insert(selector, parsed);
                }
                Ok(_) => wrong("give 1 to 16 claims"),
                Err(_) => wrong("a claim is <request id>, list:<id>@<version> or class:<basis>"),
            }
        }
        Self { claims, source: Some((path, Sha256::digest(text).into())) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BasisFile {
    #[serde(default)]
    claims: BTreeMap<String, Words>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

const SELECTORS: [&str; 4] = ["comment:", "set:", "chain:", "zone:"];
