//! All that is wrong with a row, told at once.

use register::import::refused_rows;

use super::*;

/// The fields that are told of the one row, in order.
fn mistakes(imported: &Imported) -> Vec<String> {
    let [row] = imported.report.as_slice() else { panic!("{:?}", imported.report) };
    assert!(imported.requests.is_empty() && matches!(row.action, Action::Refused(_)), "{row}");
    let field = |text: &String| text.split(": ").next().unwrap_or_default().to_owned();
    std::iter::once(row.field.clone()).chain(row.further.iter().map(field)).collect()
}

#[test]
fn all_that_is_wrong_with_a_row_is_told_at_once() {
    let check = |lines: &str, fields: &[&str]| {
        assert_eq!(mistakes(&from_toml(&one(lines)).unwrap()), fields, "{lines}");
    };
    check(
        "instrument = \"decree\"\nfrom = \"2026-02-30T00:00:00Z\"\nuntil = \"soon\"\n\
         targets = [\"192.0.2.7\", \"ip:192.0.2.7.8\", \"ip:192.0.2.7\"]\nterritories = [\"XX\"]",
        &["instrument", "from", "until", "targets", "targets", "territories"],
    );
    check(
        "redress = [{ for = \"users\", route = \"court\", deadline = \"soon\" }]\n\
         decision = { kind = \"maybe\", reason = \"why\" }\nimpact = { scale = \"big\", scope = \"all\" }",
        &["redress.deadline", "impact.scale", "impact.scope", "decision.kind", "decision.reason"],
    );
    // Of another form than asked for, and wrong by its value.
    check(
        "asns = [-1]\noutcome_only = \"yes\"\nform = \"pigeon\"",
        &["asns", "outcome_only", "form"],
    );
    // What only follows from a mistake is none.
    check("targets = [\"192.0.2.7\"]", &["targets"]);
    check("targets = \"ip:192.0.2.7\"\nform = \"pigeon\"", &["targets", "form"]);
    check("end_date = 7\nuntil = 2026-03-01", &["end_date"]);
    check(
        "time_zone = \"Europe/Nowhere\"\nfrom = 2026-01-01\nuntil = \"soon\"",
        &["time_zone", "until"],
    );
    let misspelt = one("colour = 1\nuntil = \"soon\"").replace("from =", "form_ =");
    assert_eq!(mistakes(&from_toml(&misspelt).unwrap()), ["colour", "form_", "until"]);
    // In the words of the register too, and in a bounded number.
    check("addressee = \"a\\u202eb\"\nshared_by = \"a\\u200bb\"", &["addressee", "shared_by"]);
    check("targets = [\"192.0.2.7\", \"192.0.2.7\"]", &["targets"]);
    let many: Vec<String> = (0..30).map(|at| format!("\"ip:192.0.2.x{at}\"")).collect();
    let imported = from_toml(&one(&format!("targets = [{}]", many.join(", ")))).unwrap();
    let told = mistakes(&imported);
    assert_eq!((told.len(), told.last().map(String::as_str)), (21, Some("10 more")));
}

#[test]
fn all_that_is_wrong_with_a_line_is_told_at_once() {
    let mapping = "[columns]\nid = \"No\"\nfrom = \"From\"\nuntil = \"End\"\n\
                   status = { column = \"State\", values = { \"in force\" = \"accepted\" } }\n\
                   [[targets]]\ncolumn = \"What\"\nkind_column = \"Kind\"\nkinds = { IP = \"ip\" }\n\
                   [constants]\ninstrument = \"court_order_final\"\nform = \"letter\"\nstatus = \"refused\"\n\
                   territories = [\"DE\"]\noutcome_only = true\n";
    let line = "No,From,End,State,Kind,What\nr 1,2026-02-30,soon,unclear,AS,AS64500\n";
    let imported = from_csv(line.as_bytes(), &Mapping::parse(mapping).unwrap()).unwrap();
    assert_eq!(mistakes(&imported), ["status", "targets", "from", "until"]);
    let row = imported.report[0].to_string();
    assert!(row.starts_with("line 2, r 1: refused: status: \"unclear\" in column"), "{row}");
    assert!(row.contains("; also until: \"soon\" is no"), "{row}");
    let refused = refused_rows(&imported.report, line.as_bytes());
    assert_eq!((refused.len(), refused[0].field.as_str()), (1, "status"), "one record of one row");
}
