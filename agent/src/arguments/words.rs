//! Words of a command line, taken one after the other; what nobody took is a mistake.

use std::{ffi::OsString, str::FromStr};

use super::{Instead, missing, mistake, text};

pub(super) struct Words {
    /// In their order.
    left: Vec<OsString>,
    /// After `--`: no options, whatever they look like.
    free: Vec<OsString>,
}

impl Words {
    pub(super) fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        let mut left: Vec<OsString> = words.into_iter().collect();
        let mut free = Vec::new();
        if let Some(end) = left.iter().position(|word| word == "--") {
            free = left.split_off(end).split_off(1);
        }
        Self { left, free }
    }

    /// The first word, unless it is an option.
    pub(super) fn command(&mut self) -> Result<Option<String>, Instead> {
        match self.left.first() {
            Some(word) if !is_option(word) => text("the command", self.left.remove(0)).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// Whether one of these stands there.
    pub(super) fn flag(&mut self, names: &[&str]) -> bool {
        let at = self.left.iter().position(|word| names.iter().any(|name| word == name));
        at.map(|at| self.left.remove(at)).is_some()
    }

    /// What follows an option, as its own word or after `=`.
    pub(super) fn value(&mut self, name: &str) -> Result<Option<OsString>, Instead> {
        let joined = |word: &OsString| {
            let value = word.to_str()?.strip_prefix(name)?.strip_prefix('=')?;
            Some(OsString::from(value))
        };
        for at in 0..self.left.len() {
            let Some(word) = self.left.get(at) else { break };
            if let Some(value) = joined(word) {
                self.left.remove(at);
                return Ok(Some(value));
            }
            if word == name {
                self.left.remove(at);
                let has_value = self.left.len() > at;
                let value = has_value.then(|| self.left.remove(at));
                return value.map(Some).ok_or_else(|| mistake(format!("{name} wants a value")));
            }
        }
        Ok(None)
    }

    pub(super) fn required(&mut self, name: &str) -> Result<OsString, Instead> {
        self.value(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, Instead> {
        text(name, self.required(name)?)
    }

    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Instead> {
        let Some(word) = self.value(name)? else { return Ok(None) };
        let number = word.to_str().and_then(|word| word.parse().ok());
        number.map(Some).ok_or_else(|| mistake(format!("{name} wants a whole number")))
    }

    /// A word that belongs to no option. Asked for when all options were taken.
    pub(super) fn free(&mut self, what: &str) -> Result<OsString, Instead> {
        if let Some(at) = self.left.iter().position(|word| !is_option(word)) {
            return Ok(self.left.remove(at));
        }
        if self.free.is_empty() { Err(missing(what)) } else { Ok(self.free.remove(0)) }
    }

    /// That nothing is left.
    pub(super) fn end(self) -> Result<(), Instead> {
        match self.left.first().or(self.free.first()) {
            Some(word) => Err(mistake(format!("unexpected: {}", word.display()))),
            None => Ok(()),
        }
    }
}

fn is_option(word: &OsString) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}
