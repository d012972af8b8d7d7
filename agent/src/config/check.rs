//! What every section needs in order to be checked: mistakes by their name in the file.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{COUNTERS_INTERVAL_S_DEFAULT, Mistake};

/// Collects the mistakes of one section while its values are checked; keys are relative to it.
pub struct Check<'a> {
    mistakes: &'a mut Vec<Mistake>,
    /// "sources.nftables"; empty: the top of the file.
    name: String,
}

impl<'a> Check<'a> {
    pub(super) fn new(mistakes: &'a mut Vec<Mistake>) -> Self {
        Self { mistakes, name: String::new() }
    }

    /// A section below this one.
    pub(super) fn below(&mut self, name: &str) -> Check<'_> {
        Check { name: self.key(name), mistakes: self.mistakes }
    }

    pub(super) fn mistakes(&mut self) -> &mut Vec<Mistake> {
        self.mistakes
    }

    fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    pub fn that(&mut self, ok: bool, key: &str, remedy: &str) {
        if !ok {
            self.wrong(key, remedy);
        }
    }

    pub fn wrong(&mut self, key: &str, remedy: &str) {
        let key = self.key(key);
        // A key whose type was wrong is reported once.
        if !self.mistakes.iter().any(|mistake| mistake.key == key) {
            self.mistakes.push(Mistake::new(key, remedy));
        }
    }

    pub fn given<T>(&mut self, value: Option<T>, key: &str, remedy: &str) -> Option<T> {
        if value.is_none() {
            self.wrong(key, remedy);
        }
        value
    }

    pub fn absolute(&mut self, value: Option<String>, key: &str, remedy: &str) -> Option<String> {
        let value = self.given(value, key, remedy)?;
        self.that(Path::new(&value).is_absolute(), key, "must be an absolute path");
        Some(value)
    }

    /// Between two readings of a source's separate counters.
    pub fn counters_interval(&mut self, seconds: Option<u32>) -> u64 {
        let seconds = seconds.unwrap_or(COUNTERS_INTERVAL_S_DEFAULT);
        self.that((1..=300).contains(&seconds), "counters_interval_s", "must be 1 to 300");
        seconds.into()
    }

    /// Where a resolver is asked for canaries: its address, with the port if that is not 53.
    pub fn resolver(&mut self, address: Option<String>) -> Option<SocketAddr> {
        let address = address?;
        let parsed = address.parse().ok();
        let parsed = parsed.or_else(|| address.parse::<IpAddr>().ok().map(|ip| (ip, 53).into()));
        self.given(parsed, "canaries", "must be the resolver's address, such as 127.0.0.1:53")
    }

    /// Of the clock that writes a log whose lines carry no zone.
    pub fn utc_offset(&mut self, seconds: Option<i64>) -> i64 {
        let seconds = seconds.unwrap_or(0);
        self.that(
            (-86_400..=86_400).contains(&seconds),
            "utc_offset_s",
            "must be within a day, in seconds east of UTC",
        );
        seconds
    }

    /// Reads a section key by key: one that is unknown or of the wrong type is a mistake and is left
    /// out. `T` refuses unknown keys, and each of its fields may be absent.
    pub fn section<T: DeserializeOwned + Default>(&mut self, table: toml::Table) -> T {
        let mut good = toml::Table::new();
        for (key, value) in table {
            let mut alone = toml::Table::new();
            alone.insert(key.clone(), value.clone());
            match alone.try_into::<T>() {
                Ok(_) => drop(good.insert(key, value)),
                Err(error) => self.wrong(&key, &error.message().replace('\n', " ")),
            }
        }
        good.try_into().unwrap_or_default()
    }
}

/// A section to be printed.
pub fn table<T: Serialize>(section: &T) -> toml::Table {
    // Fails only for types that no section holds.
    toml::Table::try_from(section).unwrap_or_default()
}
