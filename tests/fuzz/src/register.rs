//! What authorities write: targets, requests in every form, lists, and what is said about differences; and
//! what probes measured.

use ::register::{
    Target,
    import::{
        Imported, Mapping, Settings, from_csv, from_json, from_rkn_csv, from_rkn_xml, from_rpz,
        from_toml, list_from_rpz, to_items,
    },
    list::{ListFile, from_lines},
    ooni,
    reconcile::{self, Authority, Materiality, Question},
};
use remit_proto::v1::TargetKind;

use crate::text;

/// The first byte is the kind. What is taken has one canonical form, which reads back as itself.
pub fn target(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let Some(text) = text(rest) else { return };
    let kind = TargetKind::try_from(i32::from(*kind)).unwrap_or_default();
    for read in [Target::parse(kind, text), Target::guess(text)] {
        let Ok((target, _)) = read else { continue };
        let again = Target::from_wire(&target.to_wire());
        assert_eq!(again.as_ref(), Ok(&target), "the canonical form reads back");
        let _ = (target.is_public_suffix(), ::register::relation(&target, &target));
    }
}

pub fn requests_toml(data: &[u8]) {
    if let Some(text) = text(data) {
        let _ = from_toml(text).map(taken);
    }
}

/// A mapping and a table, with a NUL between them.
pub fn requests_csv(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (Some(mapping), Some(table)) = (parts.next().and_then(text), parts.next()) else { return };
    if let Ok(mapping) = Mapping::parse(mapping) {
        let _ = from_csv(table, &mapping).map(taken);
    }
}

pub fn requests_json(data: &[u8]) {
    if let Some(text) = text(data) {
        let _ = from_json(text).map(taken);
    }
}

/// The register of Roskomnadzor; the same bytes give the same requests.
pub fn rkn_xml(data: &[u8]) {
    let Ok(imported) = from_rkn_xml(data, &settings("")) else { return };
    assert_eq!(from_rkn_xml(data, &settings("")).as_ref(), Ok(&imported));
    taken(imported);
}

/// Many lines make one request, so that there are at most as many requests as lines.
pub fn rkn_csv(data: &[u8]) {
    let Ok(imported) = from_rkn_csv(data, &settings("")) else { return };
    assert!(imported.requests.len() <= imported.report.len());
    said(&imported);
    drop(to_items(imported.merge(&[]).requests));
}

/// A zone, as a list and as a request: both hold the same.
pub fn zone_list(data: &[u8]) {
    let constants = "id = \"z/1\"\nform = \"email\"\nfrom = \"2026-01-01T00:00:00Z\"\n";
    let list = list_from_rpz(data);
    let request = from_rpz(data, &settings(constants));
    assert_eq!(list.is_err(), request.is_err());
    let (Ok(list), Ok(request)) = (list, request) else { return };
    of_list(&list);
    let targets = request.requests.iter().filter_map(|r| r.task.as_ref()).map(|t| t.targets.len());
    let targets: usize = targets.sum();
    assert!(targets == 0 || targets == list.entries.len());
    said(&request);
}

/// A list with one entry on a line, compared with itself: everything matches.
pub fn list_lines(data: &[u8]) {
    let Ok(list) = from_lines(data) else { return };
    of_list(&list);
    assert!(list.report.len() <= data.split(|byte| *byte == b'\n').count());
    let items = reconcile::of_list(&list);
    let question = Question {
        authority: String::new(),
        at_s: 0,
        timing_s: 0,
        materiality: Materiality::Count(0),
    };
    let authority = Authority::from(items.clone());
    let found = reconcile::reconcile(question, authority, items, Vec::new());
    assert_eq!(found.figures.matched, found.figures.entries);
}

pub fn explanations(data: &[u8]) {
    let Some(read) = text(data).map(reconcile::explanations) else { return };
    for explanation in read.unwrap_or_default() {
        assert!(!explanation.text.chars().any(char::is_control));
    }
}

/// Lines of OONI measurements. Of what is kept, the URL has no query, which might be somebody's.
pub fn ooni(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(ooni::Read::Measured(measured)) = ooni::read(line) {
            assert!(measured.at_s > 0);
            assert!(!measured.target.to_string().contains('?'));
        }
    }
}

fn settings(more: &str) -> Settings {
    let text = format!("[constants]\ninstrument = \"administrative_order\"\n{more}\n");
    Settings::parse(&text).expect("written here")
}

/// An entry is a row that was taken, or more of one.
fn of_list(list: &ListFile) {
    assert!(list.entries.len() + list.refused_count() <= list.report.len());
    for row in &list.report {
        assert!(!row.to_string().contains('\n'), "one row, one line");
    }
}

fn said(imported: &Imported) {
    for row in &imported.report {
        assert!(!row.to_string().contains('\n'), "one row, one line");
    }
}

/// Every row is either taken or on record as refused, and what is taken can be entered.
fn taken(imported: Imported) {
    let rows = imported.accepted_count() + imported.refused_count();
    assert_eq!(imported.report.len(), rows);
    assert!(imported.repaired_count() <= imported.accepted_count());
    said(&imported);
    drop(to_items(imported.merge(&[]).requests));
}
