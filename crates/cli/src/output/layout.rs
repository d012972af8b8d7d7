//! What a row of an answer looks like: its members in machine formats, its cells in a table. One
//! mechanism for every list.

use remit_proto::v1;
use serde_json::Value;

use super::{
    Listing,
    table::{Heading, Table},
};

/// A member of a row in JSON and CSV. Names are stable: they are added, never renamed or moved.
pub(crate) struct Field<R> {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&R) -> Value,
}

/// A cell of a row in a table.
pub(crate) struct Cell<R> {
    heading: Heading,
    text: fn(&R) -> String,
}

impl<R> Cell<R> {
    pub(crate) fn new(heading: &'static str, text: fn(&R) -> String) -> Self {
        Self { heading: Heading { text: heading, dispensable: None }, text }
    }

    /// Where the table is too wide, the lowest number is told below the row first.
    pub(crate) fn dispensable(mut self, order: u8) -> Self {
        self.heading.dispensable = Some(order);
        self
    }
}

/// One kind of rows.
pub(crate) struct Layout<R> {
    /// Name of the list in JSON, and of what there is none of.
    pub(crate) noun: &'static str,
    pub(crate) fields: Vec<Field<R>>,
    pub(crate) cells: Vec<Cell<R>>,
    /// Sentences below a row.
    pub(crate) below: fn(&R) -> Vec<String>,
}

impl<R> Layout<R> {
    pub(crate) fn listing(&self, rows: &[R], completeness: Option<v1::Completeness>) -> Listing {
        Listing {
            noun: self.noun,
            columns: self.fields.iter().map(|field| field.name).collect(),
            rows: rows.iter().map(|row| self.values(row)).collect(),
            table: self.table(rows),
            completeness,
        }
    }

    /// For people.
    pub(crate) fn table<'a>(&self, rows: impl IntoIterator<Item = &'a R>) -> Table
    where
        R: 'a,
    {
        let headings = self.cells.iter().map(|cell| cell.heading).collect();
        let mut table = Table::new(headings, self.noun);
        for row in rows {
            let cells: Vec<String> = self.cells.iter().map(|cell| (cell.text)(row)).collect();
            table.row(&cells, &(self.below)(row));
        }
        table
    }

    /// One for each field.
    pub(crate) fn values(&self, row: &R) -> Vec<Value> {
        self.fields.iter().map(|field| (field.value)(row)).collect()
    }
}

/// `fields![row: RowType; "name" => value, ...]`
macro_rules! fields {
    ($row:ident: $type:ty; $($name:literal => $value:expr,)+) => {
        vec![$($crate::output::Field {
            name: $name,
            value: |$row: &$type| ::serde_json::json!($value),
        },)+]
    };
}
pub(crate) use fields;
