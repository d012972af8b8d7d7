//! Verdicts, recomputed and compared.
use std::collections::BTreeMap;

use tlog::Hash;

use crate::{
    agents::Agents, coverage::Coverage, files::Bundle, history::Known, manifest::Manifest,
    report::Findings, statements::Register, trust::Trust,
};

pub(crate) struct Past<'a> {
    pub(crate) entries: &'a [Known],
    pub(crate) agents: &'a Agents<'a>,
    pub(crate) register: &'a Register,
    pub(crate) named: &'a BTreeMap<Hash, u64>,
}

pub(crate) fn verdicts(
    bundle: &mut Bundle<'_>,
    trust: &Trust,
    manifest: &Manifest,
    past: &Past<'_>,
    coverage: &mut Coverage,
    findings: &mut Findings,
) {
    let _ = (bundle, trust, manifest, past, coverage, findings);
}
