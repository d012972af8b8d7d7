//! The basis map: a file on the node that says what rules claim which do not say it themselves.
//!
//! ```toml
//! [claims]
//! "comment:spamhaus drop" = "class:security"
//! "set:inet/filter/blocked_de" = ["de/2026-42", "list:bpjm@2026-11"]
//! "mark:0x2a" = "de/2026-7"
//! ```
//!
//! A selector is `comment:`, `set:`, `chain:`, `zone:` or `file:` and the exact text; `mark:` and the packet
//! mark that a rule asks for, in hexadecimal; or `route:` and `prefix/`, `realm/`, `metric/`, `proto/`
//! or `table/` of a null route; `rule:`, the box that tells and its rule's name. Nothing is guessed from a part of it. A claim found here has the origin "mapped". The map's digest stands in `Start`.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use evidence::{Claim, claim::CLAIMS_MAX};
use ipnet::IpNet;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::Mistake;

#[derive(Debug, Clone, Default)]
pub struct BasisMap {
    claims: BTreeMap<String, Vec<Claim>>,
    source: Option<(PathBuf, [u8; 32])>,
}

impl BasisMap {
    /// What the selector ("comment:…", "zone:…", "mark:0x…", …) claims, if it is in the map.
    pub fn claims(&self, selector: &str) -> Option<&[Claim]> {
        self.claims.get(selector).map(Vec::as_slice)
    }

    pub fn digest(&self) -> Option<[u8; 32]> {
        self.source.as_ref().map(|(_, digest)| *digest)
    }

    pub fn path(&self) -> Option<&Path> {
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
            if let Err(remedy) = check_selector(&selector) {
                wrong(&remedy);
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

/// `Err`: what to do about it.
fn check_selector(selector: &str) -> Result<(), String> {
    match selector.split_once(':') {
        Some(("comment" | "set" | "chain" | "zone" | "file", text)) if !text.is_empty() => Ok(()),
        Some(("mark", mark)) => {
            let digits = mark.strip_prefix("0x");
            let value = digits.map_or_else(|| mark.parse(), |hex| u32::from_str_radix(hex, 16));
            match value {
                Ok(value) if mark == format!("{value:#x}") => Ok(()),
                // The sources ask for this spelling.
                Ok(value) => Err(format!("write the mark as mark:{value:#x}")),
                Err(_) => Err("a mark is a number of 32 bits, such as mark:0x2a".to_owned()),
            }
        }
        Some(("route", rest)) => check_route(rest),
        Some(("rule", rest)) => match rest.split_once('/') {
            Some((by, name)) if !by.is_empty() && !name.is_empty() => Ok(()),
            _ => Err("a relayed rule is rule:<box>/<name of the rule>".to_owned()),
        },
        _ => Err(
            "a selector begins with comment:, set:, chain:, zone:, file:, mark:, route: or rule: and names one"
                .to_owned(),
        ),
    }
}

/// As the source of routes asks: numbers in decimal, prefixes with zero host bits, and an address
/// without a length.
fn check_route(rest: &str) -> Result<(), String> {
    let spelled = |wanted: String, text: &str, what: &str| match wanted == text {
        true => Ok(()),
        false => Err(format!("write it as route:{what}/{wanted}")),
    };
    match rest.split_once('/') {
        Some(("prefix", text)) => {
            let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            let net = net.map_err(|_| "must name a prefix, such as route:prefix/192.0.2.0/24")?;
            let single = net.prefix_len() == net.max_prefix_len();
            let wanted = if single { net.addr().to_string() } else { net.trunc().to_string() };
            spelled(wanted, text, "prefix")
        }
        Some((what @ ("realm" | "metric" | "proto" | "table"), text)) => {
            let number: u32 = text
                .parse()
                .map_err(|_| format!("a {what} is a number here, such as route:{what}/42"))?;
            spelled(number.to_string(), text, what)
        }
        _ => Err("a route is named by prefix/, realm/, metric/, proto/ or table/".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, remedy: &str) {
        let text = format!("[claims]\n{selector:?} = \"de/1\"\n");
        let mut mistakes = Vec::new();
        let map = BasisMap::parse(&text, "/basis".into(), &mut mistakes);
        match mistakes.as_slice() {
            [] => assert!(remedy.is_empty() && map.claims(selector).is_some(), "{selector}"),
            [mistake] => {
                assert!(!remedy.is_empty() && mistake.remedy.contains(remedy), "{mistake:?}");
                assert_eq!(mistake.key, format!("basis_map: {selector}"));
                assert_eq!(map.claims(selector), None);
            }
            _ => panic!("{mistakes:?}"),
        }
    }

    #[test]
    fn selectors_name_something() {
        check("comment:spamhaus drop", "");
        check("set:inet/t/s", "");
        check("chain:inet/t/c", "");
        check("zone:rpz.example.org", "");
        check("file:/etc/dnsmasq.d/national.conf", "");
        for wrong in ["comment:", "x", "colour:blue", ""] {
            check(wrong, "begins with");
        }
    }

    #[test]
    fn a_route_has_one_spelling() {
        for good in [
            "prefix/192.0.2.0/24",
            "prefix/192.0.2.7",
            "prefix/2001:db8::/32",
            "prefix/::/0",
            "realm/42",
            "metric/4278198272",
            "proto/186",
            "table/100",
        ] {
            check(&format!("route:{good}"), "");
        }
        check("route:prefix/192.0.2.7/24", "route:prefix/192.0.2.0/24");
        check("route:prefix/192.0.2.7/32", "route:prefix/192.0.2.7");
        check("route:prefix/2001:DB8::/32", "route:prefix/2001:db8::/32");
        check("route:proto/bgp", "a proto is a number");
        check("route:metric/042", "route:metric/42");
        check("route:prefix/x", "must name a prefix");
        for wrong in ["route:", "route:colour/1", "route:realm"] {
            check(wrong, "a route is named by");
        }
    }

    #[test]
    fn a_mark_has_one_spelling() {
        check("mark:0x2a", "");
        check("mark:0x0", "");
        check("mark:0xffffffff", "");
        check("mark:42", "mark:0x2a");
        check("mark:0x2A", "mark:0x2a");
        check("mark:0x002a", "mark:0x2a");
        for wrong in ["mark:", "mark:0x", "mark:0x100000000", "mark:blue", "mark:-1"] {
            check(wrong, "32 bits");
        }
    }
}
