//! Files that were read into the register: what became of their rows.

use remit_proto::v1;

use super::{Items, View};
use crate::{adoption::Said, entry::Existence};

/// A file of requests, or of a version of a list, as the statement that entered it tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRead {
    /// Index of the statement.
    pub statement: u64,
    pub recorded_at_s: i64,
    pub holds: Held,
    /// SHA-256.
    pub file_digest: Vec<u8>,
    pub rows_read: u64,
    pub rows_repaired: u64,
    pub rows_refused: u64,
    /// The first ones (`evidence::statement::REFUSED_ROWS_MAX`).
    pub refused: Vec<v1::RefusedRow>,
    /// That the requests of the file exist is not for everybody.
    pub existence: Option<Existence>,
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// How many versions of requests were entered; `None`: they are withheld.
    Requests(Option<u64>),
    List {
        list: String,
        version: String,
    },
}

impl FileRead {
    /// `None`: it was typed by hand.
    pub(super) fn of_import(
        import: &v1::Import,
        items: Option<&Items>,
        said: &Said,
    ) -> Option<Self> {
        let v1::Import { file_digest, rows_read, rows_repaired, rows_refused, refused, .. } =
            import;
        (!file_digest.is_empty()).then(|| Self {
            statement: said.statement,
            recorded_at_s: said.recorded_at_s,
            holds: Held::Requests(items.map(|items| items.requests().count() as u64)),
            file_digest: file_digest.clone(),
            rows_read: *rows_read,
            rows_repaired: *rows_repaired,
            rows_refused: *rows_refused,
            refused: refused.clone(),
            existence: Existence::of(import),
        })
    }

    pub(super) fn of_version(version: &v1::ListVersion, said: &Said) -> Self {
        let v1::ListVersion {
            list_id: list,
            version,
            file_digest,
            rows_read,
            rows_repaired,
            rows_refused,
            refused,
            ..
        } = version;
        Self {
            statement: said.statement,
            recorded_at_s: said.recorded_at_s,
            holds: Held::List { list: list.clone(), version: version.clone() },
            file_digest: file_digest.clone(),
            rows_read: *rows_read,
            rows_repaired: *rows_repaired,
            rows_refused: *rows_refused,
            refused: refused.clone(),
            existence: None,
        }
    }
}

impl<'a> View<'a> {
    /// Files that were read, in the order of the register.
    pub fn files(&self) -> &'a [FileRead] {
        let files = &self.register.files;
        let known = files.partition_point(|file| file.statement < self.size);
        files.get(..known).unwrap_or_default()
    }
}
