//! A file that was cut off: nothing of it is taken that it did not say.

use register::{
    import::{Settings, from_rkn_csv, from_rpz, list_from_rpz},
    list::from_lines,
};

use sha2::{Digest, Sha256};

use super::*;

/// Each place at which a file may be cut, but those between two lines, where it cannot be seen.
fn inside_lines(text: &str) -> impl Iterator<Item = &str> {
    let cuts = (1..text.len()).filter_map(|size| text.get(..size));
    cuts.filter(|cut| !cut.ends_with('\n'))
}

const MAPPING: &str = "time_zone = \"UTC\"\n[columns]\nid = \"id\"\n[constants]\n\
    instrument = \"regulator_order\"\nform = \"portal_list\"\nfrom = \"2026-01-01\"\nterritories = [\"DE\"]\n\
    techniques = [\"dns_nxdomain\"]\n[[targets]]\ncolumn = \"name\"\nkind = \"domain_exact\"\n";

#[test]
fn of_a_requests_file_nothing() {
    let request = |id: &str| {
        one(&format!(
            "id = \"{id}\"\ntargets = [\"domain_exact:example.org\"]\nexceptions = [\"domain_exact:www.example.org\"]\n\
             until = \"2026-02-01T00:00:00Z\""
        ))
    };
    let text = request("a") + &request("b");
    assert_eq!(from_toml(&text).unwrap().requests.len(), 2);
    for cut in inside_lines(&text) {
        let error = from_toml(cut).unwrap_err().to_string();
        assert!(error.contains("fetch it again"), "{cut}: {error}");
    }
    let error = from_toml(text.trim_end()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 20: the file ends inside a line, as one does that was cut off; fetch it again, or, if it is whole, \
         read it with --sha256, or add a line end"
    );
}

#[test]
fn of_a_csv_the_rows_before() {
    let mapping = Mapping::parse(MAPPING).unwrap();
    let rows = [
        "id,why,name\n",
        "a,fraud,example.org\n",
        "b,\"several\nlines, and \"\"marks\"\"\",www.example.org\n",
        "c,,\"example.org.example\"\n",
        "d,\"\",shop.example.com\n",
    ];
    for line_end in ["\n", "\r\n"] {
        let rows = rows.map(|row| row.replace('\n', line_end));
        let text = rows.concat();
        let whole = from_csv(text.as_bytes(), &mapping).unwrap();
        assert_eq!(whole.requests.len(), 4, "{:?}", report(&whole));
        for size in 0..=text.len() {
            let Ok(cut) = from_csv(&text.as_bytes()[..size], &mapping) else {
                assert!(size < rows[0].len(), "{size}");
                continue;
            };
            let (mut end, mut before) = (0, 0_usize);
            for row in &rows {
                end += row.len();
                // A row is whole with the first byte of its line end.
                before += usize::from(end < size + line_end.len());
            }
            let before = before.saturating_sub(1);
            assert_eq!(cut.requests, whole.requests[..before], "{size}: {:?}", report(&cut));
        }
    }
    let unended = from_csv(rows.concat().trim_end().as_bytes(), &mapping).unwrap();
    assert_eq!(
        report(&unended)[3],
        "line 6, d: refused: its line does not end, as one that was cut off; fetch the file again, or, if it is \
         whole, read it with --sha256, or add a line end"
    );
}

#[test]
fn a_quotation_that_is_not_closed_is_refused_with_what_it_swallowed() {
    let mapping = Mapping::parse(MAPPING).unwrap();
    let text = "id,why,name\na,,a.example\nb,,\"b.example\nc,,c.example\n\nd,,d.example\n";
    let imported = from_csv(text.as_bytes(), &mapping).unwrap();
    assert_eq!((imported.requests.len(), imported.refused_count()), (1, 3));
    let refused = "it was read as text of the quotation that line 3 opens; close that one";
    assert_eq!(
        report(&imported)[1..],
        [
            "line 3, b: refused: a quotation mark opened on line 3 is not closed: the rest of the file is its text; \
             close it, or, if the file is cut off, fetch it again"
                .to_owned(),
            format!("line 4: refused: {refused}"),
            format!("line 6: refused: {refused}"),
        ]
    );
    let settings = Settings::parse(include_str!("../../testdata/rkn.toml")).unwrap();
    let text = "Updated: x\n;a.example;;o;1;2018-04-01\n;b.example;;o;1;\"2018-04-01\n;c.example;;o;1;2018-04-01\n";
    let error = from_rkn_csv(text.as_bytes(), &settings).unwrap_err().to_string();
    assert!(
        error.starts_with("line 3: a quotation mark opened on line 3 is not closed"),
        "{error}"
    );
}

/// The reader goes on behind a closing quotation mark that text follows: a stray mark, and whatever the next quoted cell
/// opens with, would make one cell of all rows between them.
#[test]
fn a_stray_quotation_mark_is_refused_with_what_it_swallowed() {
    let mapping = Mapping::parse(MAPPING).unwrap();
    let rows = "a,\"fraud,example.org\nb,,www.example.org\nc,\"phishing\",bad.example\n";
    for line_end in ["\n", "\r\n"] {
        let text =
            format!("id,why,name\n{rows}d,\"x \"\"y\"\"\nz\",d.example\ne,5\" x,e.example\n");
        let imported = from_csv(text.replace('\n', line_end).as_bytes(), &mapping).unwrap();
        assert_eq!((imported.requests.len(), imported.refused_count()), (2, 3));
        let refused = "it was read as text of the quotation that line 2 opens; close that one";
        assert_eq!(
            report(&imported),
            [
                "line 2, a: refused: text follows the quotation mark on line 4 that closes the one on line 2: one of \
                 the two is stray; quote the whole cell, and write each quotation mark inside it twice"
                    .to_owned(),
                format!("line 3: refused: {refused}"),
                format!("line 4: refused: {refused}"),
                "line 5, d: accepted".to_owned(),
                "line 7, e: accepted".to_owned(),
            ]
        );
    }
    let header = "id,name,\"why\na,a.example,x\nb,\"b.example\",y\nc,c.example,z\n";
    let error = from_csv(header.as_bytes(), &mapping).unwrap_err().to_string();
    assert!(error.starts_with("line 1: text follows the quotation mark on line 3"), "{error}");
    let settings = Settings::parse(include_str!("../../testdata/rkn.toml")).unwrap();
    let text = "Updated: x\n;a.example;;o;1;2018-04-01\n;b.example;;\"o;1;2018-04-01\n;c.example;;\"o\";1;2018-04-01\n";
    let error = from_rkn_csv(text.as_bytes(), &settings).unwrap_err().to_string();
    assert!(error.starts_with("line 3: text follows the quotation mark on line 4"), "{error}");
}

/// The digest of a refused row is found by its line.
#[test]
fn lines_are_counted_as_an_editor_does() {
    let settings = Settings::parse(include_str!("../../testdata/rkn.toml")).unwrap();
    let text = "Updated: x\n;a.example;;o;1;2018-04-01\n\n;b.example;;o;1;soon\n;c.example;;o;1;2018-04-01\n";
    let row = ";b.example;;o;1;soon\n";
    for line_end in ["\n", "\r\n"] {
        let [text, row] = [text, row].map(|text| text.replace('\n', line_end));
        let imported = from_rkn_csv(text.as_bytes(), &settings).unwrap();
        let lines: Vec<_> = imported.report.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 4, 5]);
        let refused = register::import::refused_rows(&imported.report, text.as_bytes());
        let key = Sha256::digest(format!("remit/file/v1\n{text}"));
        let whole = [b"remit/row/v1\n", key.as_slice(), row.as_bytes()].concat();
        assert_eq!((refused[0].line, &refused[0].digest), (4, &Sha256::digest(whole).to_vec()));
    }
}

#[test]
fn of_lines_that_make_one_request_nothing() {
    let settings = Settings::parse(include_str!("../../testdata/rkn.toml")).unwrap();
    let text = "Updated: x\n;a.example;;o;1;2018-04-01\n;b.example.org;;\"o; p\";2;2018-04-01\n";
    assert_eq!(from_rkn_csv(text.as_bytes(), &settings).unwrap().requests.len(), 2);
    for cut in inside_lines(text) {
        assert!(from_rkn_csv(cut.as_bytes(), &settings).is_err(), "{cut}");
    }
}

const ZONE: &str = "$ORIGIN rpz.example.\n@ SOA a b ( 1 2\n3 4 5 )\nshop.example CNAME .\n\
                    www.shop.example CNAME rpz-passthru.\n24.0.2.0.192.rpz-ip CNAME .\nx.example A 192.0.2.1\n";
const CONSTANTS: &str = "[constants]\nid = \"hotline/1\"\ninstrument = \"private_list\"\nform = \"portal_list\"\n\
                         from = \"2026-01-01T00:00:00Z\"\nterritories = [\"DE\"]\n";

#[test]
fn of_a_zone_nothing() {
    let settings = Settings::parse(CONSTANTS).unwrap();
    assert_eq!(task(&from_rpz(ZONE.as_bytes(), &settings).unwrap().requests[0]).targets.len(), 4);
    for cut in inside_lines(ZONE) {
        assert!(from_rpz(cut.as_bytes(), &settings).is_err(), "{cut}");
        assert!(list_from_rpz(cut.as_bytes()).is_err(), "{cut}");
    }
}

#[test]
fn of_a_record_without_data_nothing() {
    let kept = "www.shop.example CNAME rpz-passthru.\n";
    for (left, kind) in
        [("www.shop.example CNAME\n", "CNAME"), ("www.shop.example 60 IN A ; x\n", "A")]
    {
        let file = list_from_rpz(ZONE.replace(kept, left).as_bytes()).unwrap();
        assert_eq!(file.entries.len(), 3);
        let row = file.report[1].to_string();
        assert!(
            row.starts_with(&format!("line 5: refused: {kind}: the record has no data; ")),
            "{row}"
        );
    }
    let empty = list_from_rpz(b"a.example TXT \"\"\n").unwrap();
    assert_eq!(empty.entries.len(), 1, "an empty text is one");
}

#[test]
fn of_a_list_nothing() {
    let text = "# list\nexample.org\n!www.example.org court/7\n192.0.2.0/24\n";
    assert_eq!(from_lines(text.as_bytes()).unwrap().entries.len(), 3);
    for cut in inside_lines(text) {
        assert!(from_lines(cut.as_bytes()).is_err(), "{cut}");
    }
}

/// The partner of a stray mark stands before a delimiter: the two look like a cell.
#[test]
fn what_a_stray_mark_swallows_up_to_the_end_of_another_cell_is_seen() {
    let mapping = Mapping::parse(MAPPING).unwrap();
    let read = |rows: &str| {
        let text = format!("id,why,name\n{rows}z,,z.example\n");
        let imported = from_csv(text.as_bytes(), &mapping).unwrap();
        let rows = report(&imported);
        assert!(rows.last().unwrap().ends_with("z: accepted"), "{rows:?}");
        rows
    };
    // A row lies between the two, in a column that nobody reads.
    let rows = read("a,\"x,a.example\nb,y,b.example\nc,z\",c.example\n");
    assert_eq!(rows.len(), 4);
    assert!(
        rows[0].starts_with(
            "line 2, a: refused: line 3 reads as a row, inside the quotation that line 2 opens"
        ),
        "{rows:?}"
    );
    for line in [3, 4] {
        let said =
            format!("line {line}: refused: it was read as text of the quotation that line 2 opens");
        assert!(rows.iter().any(|row| row.starts_with(&said)), "{rows:?}");
    }
    // In one that takes a line.
    let rows = read("a,x,\"a.example\nb,\",b.example\n");
    assert!(
        rows[0].contains("refused: its cell in column \"name\" goes on from line 2 to line 3"),
        "{rows:?}"
    );
    let rows = read("\"a\nb\",x,a.example\n");
    assert!(
        rows[0].contains("refused: its cell in column \"id\" goes on from line 2 to line 3"),
        "{rows:?}"
    );
    // The last line of a quotation reads as a row wherever a sentence has as many commas.
    let rows = read("a,\"x\nb, and y\",b.example\n");
    assert!(rows[0].contains("line 2, a: accepted; note: line 3 reads as a row"), "{rows:?}");
    let rows = read("a,\"x\nand y, z\",a.example\n");
    assert_eq!(rows[0], "line 2, a: accepted");
}

#[test]
fn spaces_behind_a_closing_mark_are_taken_away_and_said() {
    let mapping = Mapping::parse(MAPPING).unwrap();
    let text = "id,why,name\na,\"x, y\"  ,\"a.example\" \nb,\"x\" y,b.example\n";
    let imported = from_csv(text.as_bytes(), &mapping).unwrap();
    let rows = report(&imported);
    assert!(
        rows[0].starts_with(
            "line 2, a: repaired: spaces between a quotation mark and the delimiter removed"
        ),
        "{rows:?}"
    );
    let targets = &task(&imported.requests[0]).targets;
    assert_eq!(targets[0].target.as_ref().unwrap().value, "a.example");
    assert!(rows[1].contains("b: refused: text follows the quotation mark on line 3"), "{rows:?}");
}

#[test]
fn of_a_mapping_nothing() {
    let constants = "[constants]\ninstrument = \"regulator_order\"\nterritories = [\"DE\"]\n";
    let files = [MAPPING.to_owned(), constants.to_owned()];
    for text in files {
        for cut in inside_lines(&text) {
            assert!(Mapping::parse(cut).is_err(), "{cut}");
            assert!(Settings::parse(cut).is_err(), "{cut}");
        }
    }
    let error =
        Settings::parse("[constants]\ninstrument = \"police_request\"").unwrap_err().to_string();
    assert_eq!(
        error,
        "line 2: it ends inside a line, as one does that was cut off; fetch it again, or, if it is whole, add a line end"
    );
}
