//! All that is wrong with one row.
//!
//! In: what is wrong, field by field, in the order in which it is looked at. Out: one [`RowError`], which names the
//! first and tells of the others. What only follows from another mistake is not told: that a key is missing, where its
//! value could not be read or some key is misspelt.

use remit_proto::v1::RowFault;

use super::RowError;

#[derive(Debug, Default)]
pub(super) struct Mistakes {
    told: Vec<RowError>,
    /// So many more than are told.
    more: usize,
}

/// A row may have a million targets, each of them wrong.
const TOLD_MAX: usize = 20;

impl Mistakes {
    pub(super) fn add(&mut self, error: RowError) {
        let follows = error.fault == RowFault::Missing
            && self.told.iter().any(|told| {
                told.fault == RowFault::UnknownKey || is_within(&told.field, &error.field)
            });
        if follows || self.told.contains(&error) {
            return;
        }
        if self.told.len() < TOLD_MAX {
            self.told.push(error);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The value, or nothing in its place.
    pub(super) fn take<T: Default>(&mut self, read: Result<T, RowError>) -> T {
        self.some(read).unwrap_or_default()
    }

    pub(super) fn some<T>(&mut self, read: Result<T, RowError>) -> Option<T> {
        read.map_err(|error| self.add(error)).ok()
    }

    /// Those that could be read.
    pub(super) fn all<T>(&mut self, read: impl IntoIterator<Item = Result<T, RowError>>) -> Vec<T> {
        read.into_iter().filter_map(|one| self.some(one)).collect()
    }

    pub(super) fn is_none(&self) -> bool {
        self.told.is_empty()
    }

    /// Something is wrong with one of these fields.
    pub(super) fn name_any(&self, fields: &[&str]) -> bool {
        self.told.iter().any(|told| fields.contains(&told.field.as_str()))
    }

    pub(super) fn finish(self) -> Result<(), RowError> {
        let mut told = self.told.into_iter();
        let Some(mut first) = told.next() else { return Ok(()) };
        first.further = told.map(|error| error.says()).collect();
        if self.more > 0 {
            first.further.push(format!("{} more", self.more));
        }
        Err(first)
    }
}

/// "targets.added" is within "targets".
fn is_within(field: &str, outer: &str) -> bool {
    field.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl RowError {
    /// "until: \"soon\" is no date; write ..."
    fn says(self) -> String {
        let Self { field, problem, remedy, fault: _, further: _ } = self;
        let field = if field.is_empty() { field } else { format!("{field}: ") };
        format!("{field}{problem}; {remedy}")
    }
}
