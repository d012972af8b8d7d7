//! What authorities write: targets, and lists of requests as TOML and CSV.

use ::register::{
    Target,
    import::{Imported, Mapping, from_csv, from_toml, to_items},
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

/// Every row is either taken or on record as refused, and what is taken can be entered.
fn taken(imported: Imported) {
    let rows = imported.accepted_count() + imported.refused_count();
    assert_eq!(imported.report.len(), rows);
    assert!(imported.repaired_count() <= imported.accepted_count());
    for row in &imported.report {
        assert!(!row.to_string().contains('\n'), "one row, one line");
    }
    drop(to_items(imported.merge(&[]).requests));
}
