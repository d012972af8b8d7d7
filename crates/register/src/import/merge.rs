//! A file against what the register holds: what is new, what is changed, what is neither.
//!
//! Of some things the register knows more than a file can say, and a file that is silent of them takes nothing
//! back: documents that were added, with their signatures and what they prove; parts that were erased, which a
//! file does not bring back, and a note says what was left out of it for that; parts that everybody may see by now, which are not closed again while they say the
//! same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use evidence::closed;
use remit_proto::v1::{self, DisclosureTier as Tier, RequestPart};

use super::{Action, Imported, RowError, RowReport, VERSION_NOT_STATED};
use crate::{
    entry::Entry,
    request::{Refused, Request},
    words,
};

/// What the register holds of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its newest version.
    pub request: v1::Request,
    /// Of that version, as the register counts it.
    pub digest: Vec<u8>,
    /// Its state, in the word of lists.
    pub state: String,
    /// Closed parts whose opening was removed.
    pub erased: Vec<v1::RequestPart>,
    /// That this version exists is not for everybody, until a time; 0: without end.
    pub existence: v1::DisclosureTier,
    pub existence_until_s: i64,
}

impl Held {
    /// As a register holds it at an instant.
    pub fn of(entry: &Entry<'_>, at_s: i64) -> Self {
        // What waits for a second person is what the next version replaces.
        let newest = entry.all_versions().next_back().unwrap_or(entry.newest());
        Self {
            request: (&*newest.request).into(),
            digest: newest.digest.to_vec(),
            state: entry.state_at(at_s),
            erased: newest.request.closed.iter().filter(|p| p.is_erased).map(|p| p.part).collect(),
            existence: newest.existence.map_or(v1::DisclosureTier::Unspecified, |one| one.tier),
            existence_until_s: newest.existence.and_then(|one| one.until_s).unwrap_or_default(),
        }
    }
}

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
    /// Refuses the rows of what would have been received later than now: what is still to come nobody has received.
    pub fn received_by(self, now_s: i64) -> Self {
        let Self { requests, mut report, of_one } = self;
        let mut ahead: BTreeMap<String, RowError> = BTreeMap::new();
        let mut taken = Vec::with_capacity(requests.len());
        for request in requests {
            match received_ahead(&request, now_s) {
                None => taken.push(request),
                Some(Refused { field, problem, remedy }) => {
                    ahead.insert(request.id, RowError::new(field, problem, remedy));
                }
            }
        }
        let one = ahead.first_key_value().map(|(id, _)| id.clone()).filter(|_| of_one);
        let mut told = HashSet::new();
        for row in &mut report {
            let id = one.as_ref().unwrap_or(&row.id);
            let is_taken = !matches!(row.action, Action::Refused(_));
            if let Some((id, error)) = ahead.get_key_value(id).filter(|_| is_taken) {
                told.insert(id.clone());
                row.refuse(error.clone());
            }
        }
        for (id, error) in ahead.into_iter().filter(|(id, _)| !told.contains(id)) {
            let mut row = RowReport { id, ..RowReport::accepted(1) };
            row.refuse(error);
            report.push(row);
        }
        Self { requests: taken, report, of_one }
    }

    /// `held`: every request in the register.
    pub fn merge(self, held: &[Held]) -> Merged {
        let Self { requests, mut report, of_one } = self;
        let held_by_id: BTreeMap<&str, &Held> =
            held.iter().map(|held| (held.request.id.as_str(), held)).collect();
        let absent = absent(&requests, &report, held);
        let mut merged = Merged {
            requests: Vec::new(),
            report: Vec::new(),
            new_count: 0,
            changed_count: 0,
            unchanged_count: 0,
            absent,
        };
        let mut rows_of: HashMap<String, Vec<usize>> = HashMap::with_capacity(requests.len());
        for (at, row) in report.iter().enumerate() {
            if matches!(row.action, Action::Refused(_)) {
                continue;
            }
            let of = requests.first().filter(|_| of_one).map_or(&row.id, |request| &request.id);
            rows_of.entry(of.clone()).or_default().push(at);
        }
        for request in requests {
            let rows = rows_of.remove(&request.id).unwrap_or_default();
            let id = request.id.clone();
            let mut notes = Vec::new();
            match numbered(request, &held_by_id, &mut notes) {
                Ok(Numbered::New(request)) => {
                    merged.new_count += 1;
                    merged.requests.push(request);
                }
                Ok(Numbered::Changed(request, fields)) => {
                    let number = request.version;
                    let fields = fields.join(", ");
                    notes.push(format!("version {number}: {fields} differ"));
                    notes.extend(held_by_id.get(id.as_str()).and_then(|held| gone(&request, held)));
                    merged.changed_count += 1;
                    merged.requests.push(request);
                }
                Ok(Numbered::Unchanged) => merged.unchanged_count += 1,
                // All of its lines: none of them is in the register.
                Err(error) => {
                    for at in at_least_one(&mut report, rows, id) {
                        report[at].refuse(error.clone());
                    }
                    continue;
                }
            }
            if notes.is_empty() {
                continue;
            }
            if of_one {
                notes = notes.iter().map(|note| format!("{id}: {note}")).collect();
            }
            if let Some(at) = at_least_one(&mut report, rows, id).first() {
                report[*at].notes.extend(notes);
            }
        }
        merged.report = report;
        merged
    }
}

fn received_ahead(request: &v1::Request, now_s: i64) -> Option<Refused> {
    // Hardly any is, and all of its targets are read for it.
    let received_s = request.notification.as_ref()?.received_at_s;
    if received_s <= now_s {
        return None;
    }
    let numbered = v1::Request { version: request.version.max(1), ..request.clone() };
    Request::try_from(numbered).ok()?.received_ahead_of(now_s)
}

/// The rows of a request, or one of its own where it has none and there is something to say of it: as of a zone in which
/// every record is refused.
fn at_least_one(report: &mut Vec<RowReport>, rows: Vec<usize>, id: String) -> Vec<usize> {
    if !rows.is_empty() {
        return rows;
    }
    report.push(RowReport { id, ..RowReport::accepted(1) });
    vec![report.len() - 1]
}

/// How many targets the register holds and the file does not: nobody sees in a file that lines of it are missing.
fn gone(new: &v1::Request, held: &Held) -> Option<String> {
    let key = |target: &v1::RequestTarget| {
        let v1::Target { kind, value } = target.target.clone().unwrap_or_default();
        (kind, value, target.exception)
    };
    let targets = |request: &v1::Request| request.task.clone().unwrap_or_default().targets;
    let named: HashSet<_> = targets(new).iter().map(key).collect();
    let gone = targets(&held.request).iter().filter(|held| !named.contains(&key(held))).count();
    match gone {
        0 => None,
        1 => Some("1 target of it is no longer in the file".to_owned()),
        gone => Some(format!("{gone} targets of it are no longer in the file")),
    }
}

enum Numbered {
    New(v1::Request),
    /// With the fields that differ.
    Changed(v1::Request, Vec<&'static str>),
    Unchanged,
}

/// `notes`: what of the file is not entered.
fn numbered(
    request: v1::Request,
    held: &BTreeMap<&str, &Held>,
    notes: &mut Vec<String>,
) -> Result<Numbered, RowError> {
    let stated = request.version;
    let Some(known) = held.get(request.id.as_str()) else {
        let version = if stated == VERSION_NOT_STATED { 1 } else { stated };
        return Ok(Numbered::New(v1::Request { version, ..request }));
    };
    let mut request = with_what_is_known(request, known, notes);
    let Held { request: held, digest, state, .. } = known;
    let same_number =
        v1::Request { version: held.version, prev_hash: held.prev_hash.clone(), ..request.clone() };
    let fields = differences(&same_number, held);
    request.time_notes = time_notes(request.time_notes, &held.time_notes, &fields);
    let over = words::is_ended(state) || state.starts_with("closed");
    if over && !fields.is_empty() {
        return Err(RowError::new(
            "id",
            format!("the request is {state}, and its {} differ", fields.join(", ")),
            "enter what is asked anew under an id of its own",
        )
        .of_fault(v1::RowFault::Register));
    }
    let request = v1::Request { prev_hash: digest.clone(), ..request };
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
        )
        .of_fault(v1::RowFault::Register)),
    }
}

/// What was decided of a request is a step of its own, signed and dated: a file that names another status neither
/// takes it back nor stands for one. What is not decided yet, or was only provisional, may come in as it now is.
fn keep_status(request: &mut v1::Request, known: &Held) -> Option<String> {
    use v1::RequestStatus::{
        Accepted, Challenged, ClarificationSought, Provisional, Received, Refused, UnderReview,
        Unspecified,
    };
    let held = known.request.status();
    let undecided = match held {
        Unspecified | Received | UnderReview | ClarificationSought | Challenged => {
            words::status_from(&known.state).is_some_and(|state| !matches!(state, Refused))
        }
        Provisional => request.status() == Accepted,
        Accepted | Refused => false,
    };
    if request.status() == held || undecided {
        return None;
    }
    let note = format!(
        "status: {} is not taken over, the request is {}; use `remit requests accept`, `refuse`, `suspend`, `withdraw`",
        words::status(request.status()),
        known.state
    );
    request.status = held.into();
    Some(note)
}

/// What a file says of a request, with what the register knows of it besides.
fn with_what_is_known(
    mut request: v1::Request,
    known: &Held,
    notes: &mut Vec<String>,
) -> v1::Request {
    let Held { request: held, erased, .. } = known;
    let closed_there = |part| held.closed.iter().find(|closed| closed.part() == part);
    for part in erased {
        // What it was is gone, and with it whatever this could be compared with.
        if closed::take(&mut request, *part).is_some() {
            notes.push(left_out(*part));
        }
        request.closed.retain(|closed| closed.part() != *part);
        request.closed.extend(closed_there(*part).cloned());
    }
    if let Some(note) = keep_status(&mut request, known) {
        notes.push(note);
    }
    let documents = RequestPart::Documents;
    // Also those that are closed, and not seen by who imports.
    let unseen = held.documents.is_empty() && closed_there(documents).is_some();
    let is_named = |held: &&v1::Document| request.documents.iter().any(|d| d.digest == held.digest);
    let silent = unseen || held.documents.iter().any(|held| !is_named(&held));
    if silent && !request.closed.iter().any(|closed| closed.part() == documents) {
        request.closed.extend(closed_there(documents).cloned());
    }
    // A file can name a document, and not carry the signature under it.
    let holds = |held: &v1::Document| {
        held.signature.is_some() && held.signature_status() == v1::SignatureStatus::Valid
    };
    let signed = held.documents.iter().any(holds);
    if (silent || signed) && strength(request.basis_proof()) < strength(held.basis_proof()) {
        request.basis_proof = held.basis_proof;
    }
    request.documents = all_documents(request.documents, &held.documents);
    let fields = |request: &v1::Request, part| closed::take(&mut request.clone(), part);
    // What everybody has seen is no secret by being closed, and what is in the clear cannot be erased by that; what
    // is new in it is and can.
    let stays_open = |wanted: &v1::ClosedPart| {
        let (part, there) = (wanted.part(), closed_there(wanted.part()));
        let is_public = there.is_none_or(|closed| closed.tier() == Tier::Public);
        let same = fields(held, part).filter(|held| fields(&request, part).as_ref() == Some(held));
        let closes = wanted.tier() != Tier::Public || there.is_none();
        closes && is_public && same.is_some()
    };
    let closed = request.closed.iter().filter_map(|wanted| match stays_open(wanted) {
        true => closed_there(wanted.part()).cloned(),
        false => Some(wanted.clone()),
    });
    let closed = closed.collect();
    v1::Request { closed, ..request }
}

/// How times were written: where a time is what it was, as its source wrote it the first time.
fn time_notes(new: Vec<v1::TimeNote>, held: &[v1::TimeNote], differ: &[&str]) -> Vec<v1::TimeNote> {
    // What must stay open is among the targets.
    let key_of = |note: &v1::TimeNote| match note.field.split('.').next().unwrap_or_default() {
        "exceptions" => "targets".to_owned(),
        key => key.to_owned(),
    };
    let differs = |note: &v1::TimeNote| differ.contains(&key_of(note).as_str());
    let is_new = |note: &v1::TimeNote| {
        differs(note) || !held.iter().any(|held| key_of(held) == key_of(note))
    };
    let stays = |note: &&v1::TimeNote| !differs(note);
    let kept = held.iter().filter(stays).cloned();
    kept.chain(new.into_iter().filter(is_new)).collect()
}

/// Of a part that was erased, and of which the file says something.
fn left_out(part: RequestPart) -> String {
    let word = words::part(part);
    let anew = match part {
        RequestPart::Documents => "add it with `remit requests document add`",
        // A row is not read without it.
        RequestPart::Measure => {
            return format!(
                "{}: this part was erased, and what the file says of it is not entered; a file may go on saying it",
                words::part(part)
            );
        }
        RequestPart::Unspecified
        | RequestPart::Targets
        | RequestPart::Scope
        | RequestPart::Reasons
        | RequestPart::Reference
        | RequestPart::Authority
        | RequestPart::Officer
        | RequestPart::Parties
        | RequestPart::Remarks => "enter it in a request with an id of its own",
    };
    format!(
        "{word}: this part was erased, and what the file says of it is not entered, for nobody can tell whether it \
         is the same; if it is, take it out of the file; if it is new, {anew}"
    )
}

/// Those of the register in their order, as the file has them where it names them, then those that are new.
fn all_documents(mut new: Vec<v1::Document>, held: &[v1::Document]) -> Vec<v1::Document> {
    let mut all = Vec::with_capacity(new.len().max(held.len()));
    for held in held {
        let named = new.iter().position(|document| document.digest == held.digest);
        all.push(match named {
            Some(at) => with_its_signature(new.remove(at), held),
            None => held.clone(),
        });
    }
    all.extend(new);
    all
}

/// What was kept and checked of the signature under a document, which a file cannot carry.
fn with_its_signature(new: v1::Document, held: &v1::Document) -> v1::Document {
    // Nothing was kept and nothing was found: what the file says of it stands.
    let is_unknown = held.signature.is_none() && held.signature_note.is_empty();
    if new.signature.is_some() || is_unknown {
        return new;
    }
    let signed = held.clone();
    v1::Document {
        signature_status: signed.signature_status,
        signature_digest: signed.signature_digest,
        anchor_digest: signed.anchor_digest,
        signature: signed.signature,
        signature_note: signed.signature_note,
        ..new
    }
}

/// How well a basis is proved, the better the higher.
fn strength(proof: v1::BasisProof) -> u8 {
    match proof {
        v1::BasisProof::Unspecified => 0,
        v1::BasisProof::Oral => 1,
        v1::BasisProof::OperatorsWord => 2,
        v1::BasisProof::DocumentHeld => 3,
        v1::BasisProof::AuthoritySigned => 4,
    }
}

/// What the file names, accepted or refused, is not absent from it.
fn absent(requests: &[v1::Request], report: &[RowReport], held: &[Held]) -> Vec<String> {
    let named: BTreeSet<&str> = report.iter().map(|row| row.id.as_str()).collect();
    let authorities: BTreeSet<(&str, &str)> = requests.iter().map(authority).collect();
    held.iter()
        .map(|held| &held.request)
        .filter(|request| authorities.contains(&authority(request)))
        .filter(|request| !named.contains(request.id.as_str()))
        .map(|request| request.id.clone())
        .collect()
}

fn authority(request: &v1::Request) -> (&str, &str) {
    let authority = request.authorisation.as_ref().and_then(|a| a.authority.as_ref());
    authority.map_or(("", ""), |a| (a.id.as_str(), a.name.as_str()))
}

/// The fields, in the words of a requests file, in which two requests of one id differ.
fn differences(new: &v1::Request, held: &v1::Request) -> Vec<&'static str> {
    // As the register keeps them: a field that was left out and its default are one.
    let kept = |request: &v1::Request| {
        Request::try_from(request.clone()).map_or_else(|_| request.clone(), |kept| (&kept).into())
    };
    let (new, held) = (kept(new), kept(held));
    let mut found = Vec::new();
    let v1::Request {
        id: _,
        version: _,
        prev_hash: _,
        authorisation,
        notification,
        task,
        documents,
        status,
        basis_proof,
        decision,
        validity,
        impact,
        relations,
        time_assumption,
        time_zone,
        // How a time was written is no other time.
        time_notes: _,
        closed,
    } = &new;
    // What is closed, and not by which salts, nor in which order it stands.
    let plain = |closed: &[v1::ClosedPart]| -> Vec<v1::ClosedPart> {
        let mut closed: Vec<v1::ClosedPart> =
            closed.iter().map(|part| v1::ClosedPart { opening: None, ..part.clone() }).collect();
        closed.sort_by_key(|part| part.part);
        closed
    };
    let (old, new) = (held.authorisation.unwrap_or_default(), authorisation.clone());
    found.extend(of_authorisation(&new.unwrap_or_default(), &old));
    let (old, new) = (held.notification.unwrap_or_default(), notification.clone());
    found.extend(of_notification(&new.unwrap_or_default(), &old));
    let (old, new) = (held.task.unwrap_or_default(), task.clone());
    found.extend(of_task(&new.unwrap_or_default(), &old));
    found.extend(differing([
        ("documents", *documents == held.documents),
        ("status", *status == held.status),
        ("basis_proof", *basis_proof == held.basis_proof),
        ("decision", *decision == held.decision),
        ("validity", *validity == held.validity),
        ("impact", *impact == held.impact),
        ("relations", *relations == held.relations),
        ("closed", plain(closed) == plain(&held.closed)),
        ("time_assumption", *time_assumption == held.time_assumption),
        ("time_zone", *time_zone == held.time_zone),
    ]));
    found
}

fn differing<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter_map(|(field, same)| (!same).then_some(field)).collect()
}

fn of_authorisation(new: &v1::Authorisation, old: &v1::Authorisation) -> Vec<&'static str> {
    let v1::Authorisation {
        external_ref,
        court,
        docket,
        ecli,
        decided_at_s,
        issued_at_s,
        instrument,
        basis_class,
        legal_provisions,
        statement_of_reasons,
        category,
        keywords,
        authority,
        parties,
        competence_check,
        confidentiality,
    } = new;
    differing([
        ("external_ref", *external_ref == old.external_ref),
        ("court", *court == old.court),
        ("docket", *docket == old.docket),
        ("ecli", *ecli == old.ecli),
        ("decided", *decided_at_s == old.decided_at_s),
        ("issued", *issued_at_s == old.issued_at_s),
        ("instrument", *instrument == old.instrument),
        ("basis_class", *basis_class == old.basis_class),
        ("legal_provisions", *legal_provisions == old.legal_provisions),
        ("statement_of_reasons", *statement_of_reasons == old.statement_of_reasons),
        ("category", *category == old.category),
        ("keywords", *keywords == old.keywords),
        ("authority", *authority == old.authority),
        ("parties", *parties == old.parties),
        ("competence", *competence_check == old.competence_check),
        ("confidentiality", *confidentiality == old.confidentiality),
    ])
}

fn of_notification(new: &v1::Notification, old: &v1::Notification) -> Vec<&'static str> {
    let v1::Notification {
        addressee,
        addressee_role,
        shared_by,
        form,
        signature_status,
        language,
        served_at_s,
        received_at_s,
        acknowledged_at_s,
        redress,
        report_effect_to,
    } = new;
    differing([
        ("addressee", *addressee == old.addressee),
        ("addressee_role", *addressee_role == old.addressee_role),
        ("shared_by", *shared_by == old.shared_by),
        ("form", *form == old.form),
        ("signature_status", *signature_status == old.signature_status),
        ("language", *language == old.language),
        ("served", *served_at_s == old.served_at_s),
        ("received", *received_at_s == old.received_at_s),
        ("acknowledged", *acknowledged_at_s == old.acknowledged_at_s),
        ("redress", *redress == old.redress),
        ("report_effect_to", *report_effect_to == old.report_effect_to),
    ])
}

fn of_task(new: &v1::Task, old: &v1::Task) -> Vec<&'static str> {
    let v1::Task {
        targets,
        measure,
        scope,
        effective_from_s,
        effective_until_s,
        until_event,
        windows,
        max_duration_s,
        confirm_by_s,
        implement_by_s,
        remove_within_s,
        remove_by_s,
        review_due_s,
        lists,
        covers_lists,
    } = new;
    differing([
        ("targets", *targets == old.targets),
        ("techniques", *measure == old.measure),
        ("scope", *scope == old.scope),
        ("from", *effective_from_s == old.effective_from_s),
        ("until", *effective_until_s == old.effective_until_s),
        ("until_event", *until_event == old.until_event),
        ("windows", *windows == old.windows),
        ("max_duration", *max_duration_s == old.max_duration_s),
        ("confirm_by", *confirm_by_s == old.confirm_by_s),
        ("implement_by", *implement_by_s == old.implement_by_s),
        ("remove_within", *remove_within_s == old.remove_within_s),
        ("remove_by", *remove_by_s == old.remove_by_s),
        ("review_due", *review_due_s == old.review_due_s),
        ("lists", *lists == old.lists),
        ("covers_lists", *covers_lists == old.covers_lists),
    ])
}
