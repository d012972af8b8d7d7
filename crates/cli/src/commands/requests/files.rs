//! Files that were read into the register, and the rows of them that were refused.

use register::words as field;
use remit_proto::v1::{self, file_row::Holds};
use serde_json::{Value, json};

use crate::{
    cli::{Format, RequestFiles},
    client::{self, RegisterClient},
    commands::list,
    config::Config,
    exit::CliError,
    output::{Cell, Layout, fields},
    time,
    words::{self, hex},
};

pub(crate) async fn files(
    config: &Config,
    args: &RequestFiles,
    out: Format,
) -> Result<(), CliError> {
    let RequestFiles { statement, limit } = args;
    let mut client = client::register(config).await?;
    // One among them is looked for among all.
    let limit = if statement.is_some() { None } else { *limit };
    let (mut found, completeness) = rows(&mut client, limit).await?;
    found.retain(|row| statement.is_none_or(|wanted| row.statement == wanted));
    layout().listing(&found, completeness).print(out)
}

/// Whether a file with this digest was read before.
pub(super) async fn is_known(client: &mut RegisterClient, digest: &[u8]) -> Result<bool, CliError> {
    let (files, _) = rows(client, None).await?;
    Ok(files.iter().any(|file| file.file_digest == digest))
}

async fn rows(
    client: &mut RegisterClient,
    limit: Option<usize>,
) -> Result<(Vec<v1::FileRow>, Option<v1::Completeness>), CliError> {
    list::all(limit, async |page_size, page_token| {
        let request = v1::ListFilesRequest { page_size, page_token };
        let v1::ListFilesResponse { files, next_page_token, completeness } =
            client.list_files(request).await?.into_inner();
        Ok((files, next_page_token, completeness))
    })
    .await
}

fn layout() -> Layout<v1::FileRow> {
    let fields = fields![row: v1::FileRow;
        "statement" => row.statement,
        "recorded_at" => time::utc(row.recorded_at_s),
        "author" => row.author,
        "holds" => holds(row),
        "rows_read" => row.rows_read,
        "rows_repaired" => row.rows_repaired,
        "rows_refused" => row.rows_refused,
        "refused" => row.refused.iter().map(refused_json).collect::<Vec<_>>(),
        "file_digest" => hex(&row.file_digest),
    ];
    type Of = Cell<v1::FileRow>;
    let cells = vec![
        Of::new("STATEMENT", |row| row.statement.to_string()),
        Of::new("RECORDED", |row| time::utc_cell(row.recorded_at_s)),
        Of::new("BY", |row| row.author.clone()),
        Of::new("HOLDS", holds),
        Of::new("ROWS", |row| row.rows_read.to_string()),
        Of::new("REPAIRED", |row| row.rows_repaired.to_string()),
        Of::new("REFUSED", |row| row.rows_refused.to_string()),
    ];
    Layout { noun: "files", fields, cells, below: refused }
}

fn holds(row: &v1::FileRow) -> String {
    match &row.holds {
        Some(Holds::Requests(count)) => words::count(*count, "request", "requests"),
        Some(Holds::ListVersion(version)) => format!("list:{version}"),
        None => "withheld".to_owned(),
    }
}

fn refused_json(row: &v1::RefusedRow) -> Value {
    let v1::RefusedRow { row: number, line, field, fault: _, digest } = row;
    let fault = field::row_fault(row.fault());
    json!({ "row": number, "line": line, "field": field, "fault": fault, "digest": hex(digest) })
}

/// One sentence for each refused row, and how many more there are.
fn refused(file: &v1::FileRow) -> Vec<String> {
    let mut told: Vec<String> = file.refused.iter().map(refused_text).collect();
    let more = file.rows_refused.saturating_sub(told.len() as u64);
    if more > 0 {
        told.push(format!("and {more} more refused rows, which the statement only counts"));
    }
    told
}

/// "row 3, line 17, refused: from: the field takes no such value"
fn refused_text(row: &v1::RefusedRow) -> String {
    let problem = match row.fault() {
        v1::RowFault::Missing => "it is missing",
        v1::RowFault::Value => "the field takes no such value",
        v1::RowFault::UnknownKey => "it has a key that no row has",
        v1::RowFault::Form => "it is not of its file's form",
        v1::RowFault::TooLong => "it is too long",
        v1::RowFault::Duplicate => "a row before has entered the same request",
        v1::RowFault::Register => "it does not follow on what the register held",
        v1::RowFault::Unspecified => "no fault is stated",
    };
    let v1::RefusedRow { row, line, field, fault: _, digest: _ } = row;
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("row {row}, line {line}, refused: {field}{problem}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_rows_are_told_and_those_that_are_only_counted_are_counted() {
        let row = |row, field: &str, fault: v1::RowFault| v1::RefusedRow {
            row,
            line: row + 1,
            field: field.to_owned(),
            fault: fault.into(),
            digest: vec![7; 32],
        };
        let refused =
            vec![row(3, "from", v1::RowFault::Value), row(9, "", v1::RowFault::UnknownKey)];
        let file = v1::FileRow { rows_refused: 2, refused, ..v1::FileRow::default() };
        assert_eq!(
            super::refused(&file),
            [
                "row 3, line 4, refused: from: the field takes no such value",
                "row 9, line 10, refused: it has a key that no row has",
            ]
        );
        let more = v1::FileRow { rows_refused: 1_000_000, ..file };
        assert_eq!(
            super::refused(&more).last().map(String::as_str),
            Some("and 999998 more refused rows, which the statement only counts")
        );
    }
}
