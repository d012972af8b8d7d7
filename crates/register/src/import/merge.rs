//! A file against what the register holds: what is new, what is changed, what is neither.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use remit_proto::v1;

use super::{Action, Imported, RowError, RowReport, VERSION_NOT_STATED};
use crate::request::Request;

/// An import that fits the register that it was merged with.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// New requests, and the next versions of changed ones.
    pub requests: Vec<v1::Request>,
    pub report: Vec<RowReport>,
    pub new_count: usize,
    pub changed_count: usize,
    /// In the register with exactly this text; not entered again.
    pub unchanged_count: usize,
    /// Requests of the file's authorities that the register holds and the file does not name, by id.
    pub absent: Vec<String>,
}

impl Merged {
    pub fn accepted_count(&self) -> usize {
        self.new_count + self.changed_count + self.unchanged_count
    }

    pub fn repaired_count(&self) -> usize {
        self.report.iter().filter(|r| matches!(r.action, Action::Repaired(_))).count()
    }

    pub fn refused_count(&self) -> usize {
        self.report.iter().filter(|r| matches!(r.action, Action::Refused(_))).count()
    }
}

impl Imported {
    /// `held`: the newest version of every request in the register.
    pub fn merge(self, held: &[v1::Request]) -> Merged {
        let Self { requests, mut report } = self;
        let held_by_id: BTreeMap<&str, &v1::Request> =
            held.iter().map(|request| (request.id.as_str(), request)).collect();
        let absent = absent(&requests, &report, held);
        let mut merged = Merged {
            requests: Vec::new(),
            report: Vec::new(),
            new_count: 0,
            changed_count: 0,
            unchanged_count: 0,
            absent,
        };
        let accepted = |(at, row): (usize, &RowReport)| {
            (!matches!(row.action, Action::Refused(_))).then(|| (row.id.clone(), at))
        };
        let row_of: HashMap<String, usize> =
            report.iter().enumerate().filter_map(accepted).collect();
        for request in requests {
            let row = row_of.get(&request.id).and_then(|at| report.get_mut(*at));
            match numbered(request, &held_by_id) {
                Ok(Numbered::New(request)) => {
                    merged.new_count += 1;
                    merged.requests.push(request);
                }
                Ok(Numbered::Changed(request, fields)) => {
                    if let Some(row) = row {
                        let number = request.version;
                        row.notes.push(format!(
                            "version {number}: {fields} differ",
                            fields = fields.join(", ")
                        ));
                    }
                    merged.changed_count += 1;
                    merged.requests.push(request);
                }
                Ok(Numbered::Unchanged) => merged.unchanged_count += 1,
                Err(RowError { field, problem, remedy }) => {
                    if let Some(row) = row {
                        row.action = Action::Refused(problem);
                        (row.field, row.remedy) = (field, remedy);
                    }
                }
            }
        }
        merged.report = report;
        merged
    }
}

enum Numbered {
    New(v1::Request),
    /// With the fields that differ.
    Changed(v1::Request, Vec<&'static str>),
    Unchanged,
}

fn numbered(
    request: v1::Request,
    held: &BTreeMap<&str, &v1::Request>,
) -> Result<Numbered, RowError> {
    let stated = request.version;
    let Some(held) = held.get(request.id.as_str()) else {
        let version = if stated == VERSION_NOT_STATED { 1 } else { stated };
        return Ok(Numbered::New(v1::Request { version, ..request }));
    };
    let same_number = v1::Request { version: held.version, ..request.clone() };
    let fields = differences(&same_number, held);
    let next = held.version.saturating_add(1);
    match stated {
        VERSION_NOT_STATED if fields.is_empty() => Ok(Numbered::Unchanged),
        VERSION_NOT_STATED => {
            Ok(Numbered::Changed(v1::Request { version: next, ..request }, fields))
        }
        stated if stated == held.version && fields.is_empty() => Ok(Numbered::Unchanged),
        stated if stated == next => Ok(Numbered::Changed(request, fields)),
        stated => Err(RowError::new(
            "version",
            format!("{stated} is stated, and the register holds version {} of it", held.version),
            format!("leave the key out, or write {next}"),
        )),
    }
}

/// What the file names, accepted or refused, is not absent from it.
fn absent(requests: &[v1::Request], report: &[RowReport], held: &[v1::Request]) -> Vec<String> {
    let named: BTreeSet<&str> = report.iter().map(|row| row.id.as_str()).collect();
    let authorities: BTreeSet<(&str, &str)> = requests.iter().map(authority).collect();
    held.iter()
        .filter(|request| authorities.contains(&authority(request)))
        .filter(|request| !named.contains(request.id.as_str()))
        .map(|request| request.id.clone())
        .collect()
}

fn authority(request: &v1::Request) -> (&str, &str) {
    request.authority.as_ref().map_or(("", ""), |a| (a.id.as_str(), a.name.as_str()))
}

/// The fields, in the words of a requests file, in which two requests of one id differ.
fn differences(new: &v1::Request, held: &v1::Request) -> Vec<&'static str> {
    // As the register keeps them: a field that was left out and its default are one.
    let kept = |request: &v1::Request| {
        Request::try_from(request.clone()).map_or_else(|_| request.clone(), |kept| (&kept).into())
    };
    let (new, held) = (kept(new), kept(held));
    let v1::Request {
        id: _,
        version: _,
        external_ref,
        instrument,
        basis_class,
        legal_provisions,
        statement_of_reasons,
        category,
        authority,
        form,
        targets,
        measure,
        scope,
        issued_at_s,
        received_at_s,
        effective_from_s,
        effective_until_s,
        confirm_by_s,
        implement_by_s,
        remove_within_s,
        status,
        basis_proof,
        documents,
        lists,
        time_assumption,
        review_due_s,
        time_zone,
        covers_lists,
    } = &new;
    [
        ("external_ref", *external_ref == held.external_ref),
        ("instrument", *instrument == held.instrument),
        ("basis_class", *basis_class == held.basis_class),
        ("legal_provisions", *legal_provisions == held.legal_provisions),
        ("statement_of_reasons", *statement_of_reasons == held.statement_of_reasons),
        ("category", *category == held.category),
        ("authority", *authority == held.authority),
        ("form", *form == held.form),
        ("targets", *targets == held.targets),
        ("techniques", *measure == held.measure),
        ("scope", *scope == held.scope),
        ("issued", *issued_at_s == held.issued_at_s),
        ("received", *received_at_s == held.received_at_s),
        ("from", *effective_from_s == held.effective_from_s),
        ("until", *effective_until_s == held.effective_until_s),
        ("confirm_by", *confirm_by_s == held.confirm_by_s),
        ("implement_by", *implement_by_s == held.implement_by_s),
        ("remove_within", *remove_within_s == held.remove_within_s),
        ("status", *status == held.status),
        ("basis_proof", *basis_proof == held.basis_proof),
        ("documents", *documents == held.documents),
        ("lists", *lists == held.lists),
        ("time_assumption", *time_assumption == held.time_assumption),
        ("review_due", *review_due_s == held.review_due_s),
        ("time_zone", *time_zone == held.time_zone),
        ("covers_lists", *covers_lists == held.covers_lists),
    ]
    .into_iter()
    .filter_map(|(field, same)| (!same).then_some(field))
    .collect()
}
