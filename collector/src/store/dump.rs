//! Every row of every table as text, in a stable order: what a rebuild is compared by.

use rusqlite::{Connection, types::ValueRef};

use super::{StoreError, schema::ORDER};

pub(super) fn dump(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    for (table, order) in ORDER {
        // Both are constants of this program.
        let mut statement =
            connection.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut line = String::from(table);
            for column in 0..columns {
                line.push('|');
                line.push_str(&text(row.get_ref(column)?));
            }
            lines.push(line);
        }
    }
    Ok(lines)
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
