//! The manifest: a convenience that proves nothing. Read for the parameters by which the collector
//! judged; every other word of it is checked against the evidence or ignored.

use evidence::bundle::{LIMITS, MANIFEST};
use serde_json::Value;

use crate::{
    files::Bundle,
    report::{Findings, Step},
};

#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// By which rules the collector says that it judged.
    pub(crate) matcher_version: Option<String>,
}

pub(crate) fn read(bundle: &mut Bundle<'_>, findings: &mut Findings) -> Manifest {
    // Written for people; looked at so that it counts as known.
    if bundle.get(LIMITS).is_none() {
        findings.incomplete(
            Step::Files,
            format!("{LIMITS} is missing from the bundle; export it again"),
        );
    }
    let Some(bytes) = bundle.get(MANIFEST) else {
        findings.incomplete(
            Step::Files,
            format!("{MANIFEST} is missing from the bundle; export it again"),
        );
        return Manifest::default();
    };
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => {
            let matcher_version = value.get("matcher_version").map(|version| match version {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            Manifest { matcher_version }
        }
        Err(_) => {
            findings.could_not_check(Step::Files, format!("{MANIFEST} is not JSON"));
            Manifest::default()
        }
    }
}

/// Every file must have been of use: what nobody looked at, nobody checked.
pub(crate) fn files(bundle: &Bundle<'_>, findings: &mut Findings) {
    for name in bundle.unused() {
        findings.incomplete(
            Step::Files,
            format!(
                "{name} is not part of this evidence, or is not understood; it was not checked"
            ),
        );
    }
    if findings.sound(Step::Files) {
        findings.proven(Step::Files, "the manifest is present, and each file has its place");
    }
}
