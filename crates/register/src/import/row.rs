//! One request in the words of a file, and the way from there to the wire.

use std::collections::BTreeMap;

use remit_proto::v1::{self, BasisClass, BasisProof, Instrument, RequestForm, RequestStatus};
use serde::Deserialize;

use super::{
    RowError, VERSION_NOT_STATED,
    mistakes::Mistakes,
    particulars::{
        AuthorityRow, ClosedRow, CompetenceRow, ConfidentialityRow, DecisionRow, DocumentRow,
        EffectRow, ImpactRow, PartyRow, ProvisionRow, RedressRow, RelationRow, at, closed,
        validity,
    },
    recurrence::{RecurrenceRow, WindowRow},
    target,
    times::{self, Clock, EndDate, Side, duration_s},
};
use crate::{
    request::{Intake, InvalidRequest, Refused, Request, granularity_from_word},
    target::kind_words,
    territory, words,
};

/// Keys as people write them; every one of them may come from a column, a constant or the default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Row {
    pub id: Option<String>,
    version: Option<u32>,
    external_ref: String,
    court: String,
    docket: String,
    ecli: String,
    decided: Option<String>,
    instrument: Option<String>,
    basis_class: Option<String>,
    legal_provisions: Vec<ProvisionRow>,
    statement_of_reasons: String,
    category: String,
    keywords: Vec<String>,
    authority: Option<AuthorityRow>,
    parties: Vec<PartyRow>,
    competence: Option<CompetenceRow>,
    confidentiality: Option<ConfidentialityRow>,
    addressee: String,
    addressee_role: Option<String>,
    shared_by: String,
    form: Option<String>,
    signature_status: Option<String>,
    language: String,
    targets: Vec<::toml::Value>,
    /// Targets that must stay open.
    exceptions: Vec<::toml::Value>,
    techniques: Vec<String>,
    outcome_only: bool,
    coarsest: Option<String>,
    /// Addresses that the names resolve to may be blocked.
    derived_targets: bool,
    /// What users are to be told; with "yes" it is not said what.
    notice: Option<String>,
    /// What may be slowed down is left at least so much.
    throttle_to_bits_per_s: Option<Rate>,
    territories: Vec<String>,
    nodes: Vec<String>,
    except_nodes: Vec<String>,
    /// Radio cells, or areas of them, by the operator's own names.
    cells: Vec<String>,
    network_types: Vec<String>,
    asns: Vec<u32>,
    audiences: Vec<String>,
    except_audiences: Vec<String>,
    issued: Option<String>,
    served: Option<String>,
    received: Option<String>,
    acknowledged: Option<String>,
    from: Option<String>,
    until: Option<String>,
    /// An end that is an event, in words.
    until_event: String,
    windows: Vec<WindowRow>,
    recurrence: Option<RecurrenceRow>,
    max_duration: Option<String>,
    /// A time, or a duration after receipt (or, if that is not stated, after `from`).
    confirm_by: Option<String>,
    implement_by: Option<String>,
    remove_within: Option<String>,
    remove_by: Option<String>,
    review_due: Option<String>,
    redress: Vec<RedressRow>,
    report_effect_to: Option<EffectRow>,
    status: Option<String>,
    basis_proof: Option<String>,
    decision: Option<DecisionRow>,
    validity: BTreeMap<String, ::toml::Value>,
    impact: Option<ImpactRow>,
    relations: Vec<RelationRow>,
    documents: Vec<DocumentRow>,
    lists: Vec<String>,
    covers_lists: Vec<String>,
    /// Parts that are committed.
    closed: Vec<ClosedRow>,
    time_zone: Option<String>,
    end_date: Option<EndDate>,
    /// What was assumed of the times when they were read the first time, of a request that was written out.
    time_assumption: String,
    /// What whoever wrote the file out did not see of the request.
    withheld: Vec<String>,
}

/// A number of bits in a second; a cell of a CSV is text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Rate {
    Number(u64),
    Text(String),
}

impl Rate {
    fn read(self) -> Result<u64, RowError> {
        let (number, written) = match self {
            Self::Number(number) => (Some(number), number.to_string()),
            Self::Text(text) => (text.parse().ok(), text),
        };
        number.filter(|number| *number > 0).ok_or_else(|| {
            let problem = format!("{written:?} is no number of bits in a second");
            RowError::new("throttle_to_bits_per_s", problem, "write it as 64000, for 64 kbit/s")
        })
    }
}

/// What holds for a row that does not say it itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub time_zone: Option<String>,
    pub end_date: Option<EndDate>,
    pub date_format: Option<String>,
    /// What the form itself makes one assume.
    pub assumptions: Vec<String>,
    /// Free text is committed, so that it can be erased: in files that people write. The text of a
    /// published list is its authority's.
    pub commits_text: bool,
    pub purpose: Purpose,
}

/// What becomes of the requests that are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    #[default]
    Enter,
    /// They are laid beside a register and never enter one: how something is blocked is not compared, and a row that
    /// does not say it is read as one that leaves it to the operator.
    Compare,
}

pub(super) struct Built {
    pub request: v1::Request,
    pub repairs: Vec<String>,
    pub notes: Vec<String>,
}

impl Row {
    /// Dates may be written as TOML dates or as strings; from here on they are text.
    pub(super) fn read(mut value: ::toml::Table) -> Result<Self, RowError> {
        for (_, value) in &mut value {
            dates_to_text(value);
        }
        value.try_into().map_err(|e: ::toml::de::Error| super::shape_error(e.message()))
    }

    /// `wrong`: what could not be read into the table.
    pub(super) fn built(
        table: ::toml::Table,
        mut wrong: Mistakes,
        defaults: &Defaults,
    ) -> Result<Built, RowError> {
        let row = Self::read_all(table, &mut wrong);
        // Without these, no time could be told to be right or wrong.
        if wrong.name_any(&["time_zone", "end_date"]) {
            return Err(wrong.finish().err().unwrap_or_else(|| missing("time_zone", "set it")));
        }
        row.build(wrong, defaults)
    }

    /// What of the table is of the form that its keys ask for.
    fn read_all(mut table: ::toml::Table, wrong: &mut Mistakes) -> Self {
        // What there may be a million of is not copied.
        let mut taken = |key: &str| match table.get_mut(key) {
            Some(::toml::Value::Array(values)) => std::mem::take(values),
            Some(_) | None => Vec::new(),
        };
        let (mut targets, mut exceptions) = (taken("targets"), taken("exceptions"));
        targets.iter_mut().chain(&mut exceptions).for_each(dates_to_text);
        let row = Self::read(table.clone()).unwrap_or_else(|_| {
            let mut whole = ::toml::Table::new();
            for (key, value) in table {
                let alone = ::toml::Table::from_iter([(key.clone(), value.clone())]);
                match Self::read(alone) {
                    Ok(_) => drop(whole.insert(key, value)),
                    Err(error) if error.field.is_empty() => {
                        wrong.add(RowError { field: key, ..error });
                    }
                    Err(error) => wrong.add(error),
                }
            }
            wrong.take(Self::read(whole))
        });
        Self { targets, exceptions, ..row }
    }

    fn build(self, mut wrong: Mistakes, defaults: &Defaults) -> Result<Built, RowError> {
        let Self {
            id,
            version,
            external_ref,
            court,
            docket,
            ecli,
            decided,
            instrument,
            basis_class,
            legal_provisions,
            statement_of_reasons,
            category,
            keywords,
            authority,
            parties,
            competence,
            confidentiality,
            addressee,
            addressee_role,
            shared_by,
            form,
            signature_status,
            language,
            targets,
            exceptions,
            techniques,
            outcome_only,
            coarsest,
            derived_targets,
            notice,
            throttle_to_bits_per_s,
            territories,
            nodes,
            except_nodes,
            cells,
            network_types,
            asns,
            audiences,
            except_audiences,
            issued,
            served,
            received,
            acknowledged,
            from,
            until,
            until_event,
            windows,
            recurrence,
            max_duration,
            confirm_by,
            implement_by,
            remove_within,
            remove_by,
            review_due,
            redress,
            report_effect_to,
            status,
            basis_proof,
            decision,
            validity: stated_validity,
            impact,
            relations,
            documents,
            lists,
            covers_lists,
            closed: closed_rows,
            time_zone,
            end_date,
            time_assumption,
            withheld,
        } = self;
        if !withheld.is_empty() {
            let problem =
                format!("whoever wrote this out did not see all of it: {}", withheld.join(", "));
            let remedy =
                "have it written out by an operator; what is not in the file would be taken back";
            return Err(RowError::new("withheld", problem, remedy));
        }
        let mut assumptions = defaults.assumptions.clone();
        let said = time_assumption.split("; ").filter(|said| !said.is_empty());
        assumptions.extend(said.map(str::to_owned));
        let mut clock = Clock {
            zone: time_zone.as_deref().or(defaults.time_zone.as_deref()),
            end_date: end_date.or(defaults.end_date),
            format: defaults.date_format.as_deref(),
            assumptions,
            notes: Vec::new(),
        };
        if let Some(Err(error)) = clock.zone.map(times::zone) {
            wrong.add(error);
            // What is no time is none in any zone.
            clock.zone = Some("UTC");
        }
        let mut notes = Vec::new();
        let mut repairs = Vec::new();

        let instrument = match instrument {
            Some(text) => word("instrument", &text, words::instruments, words::instrument),
            None => Err(missing("instrument", "say which, for example \"court_order_final\"")),
        };
        let instrument = wrong.take(instrument);
        let form = wrong.take(match form {
            Some(text) => word("form", &text, words::forms, words::form),
            None => Err(missing("form", "say how it came, for example \"letter\"")),
        });
        let status = match status {
            Some(text) => wrong.take(word("status", &text, words::statuses, words::status)),
            None => RequestStatus::Accepted,
        };
        let basis_class = match basis_class {
            Some(text) => {
                wrong.take(word("basis_class", &text, words::basis_classes, words::basis_class))
            }
            None => usual_class(instrument),
        };
        let basis_proof = match basis_proof {
            Some(text) => {
                wrong.take(word("basis_proof", &text, words::basis_proofs, words::basis_proof))
            }
            None => usual_proof(form, !documents.is_empty()),
        };
        let outcome_only =
            outcome_only || (defaults.purpose == Purpose::Compare && techniques.is_empty());
        let technique = |text: &String| {
            word("techniques", text, words::techniques, words::technique).map(i32::from)
        };
        let techniques = wrong.all(techniques.iter().map(technique));
        let network_type = |text: &String| {
            word("network_types", text, words::network_types, words::network_type).map(i32::from)
        };
        let network_types = wrong.all(network_types.iter().map(network_type));
        if version == Some(0) {
            wrong.add(RowError::new("version", "begins at 1", "leave it out: it is counted"));
        }

        let issued_at_s = wrong.take(at(&mut clock, "issued", issued, Side::Start));
        let decided_at_s = wrong.take(at(&mut clock, "decided", decided, Side::Start));
        let served_at_s = wrong.take(at(&mut clock, "served", served, Side::Start));
        let received_at_s = wrong.take(at(&mut clock, "received", received, Side::Start));
        let acknowledged_at_s =
            wrong.take(at(&mut clock, "acknowledged", acknowledged, Side::Start));
        let effective_from_s = wrong.take(match from {
            Some(text) => clock.instant("from", &text, Side::Start),
            None => Err(missing("from", "say from when it is in force")),
        });
        let effective_until_s = wrong.take(at(&mut clock, "until", until, Side::End));
        let review_due_s = wrong.take(at(&mut clock, "review_due", review_due, Side::End));
        let remove_by_s = wrong.take(at(&mut clock, "remove_by", remove_by, Side::End));
        let duration = |field: &str, text: Option<String>| {
            text.map_or(Ok(0), |text| {
                duration_s(&text).ok_or_else(|| {
                    let problem = format!("{text:?} is no duration");
                    RowError::new(field, problem, "write 30min, 48h or 3d")
                })
            })
        };
        let max_duration_s = wrong.take(duration("max_duration", max_duration));
        let remove_within_s = wrong.take(duration("remove_within", remove_within));
        let mut windows: Vec<_> =
            windows.into_iter().map(|w| w.build(&mut clock, &mut wrong)).collect();
        // Of a span that is not known no window lies anywhere.
        let span_is_known = !wrong.name_any(&["time_zone", "from", "until"]);
        if let Some(recurrence) = recurrence.filter(|_| span_is_known) {
            let until_s = (effective_until_s != 0).then_some(effective_until_s);
            windows.extend(wrong.take(recurrence.windows(&mut clock, effective_from_s, until_s)));
            windows.sort_by_key(|window| window.from_s);
        }
        let confidentiality = confidentiality.map(|row| row.build(&mut clock, &mut wrong));
        let redress = redress.into_iter().map(|row| row.build(&mut clock, &mut wrong)).collect();
        let report_effect_to = report_effect_to.map(|row| row.build(&mut clock, &mut wrong));
        let impact = impact.map(|row| row.build(&mut clock, &mut wrong));
        let validity = validity(stated_validity, &mut clock, &mut wrong);
        let zero_s = if received_at_s == 0 { effective_from_s } else { received_at_s };
        let deadline = |clock: &mut Clock<'_>, field: &str, text: Option<String>| {
            text.map(|text| match duration_s(&text) {
                Some(after) => Ok(zero_s.saturating_add_unsigned(after)),
                None => clock.instant(field, &text, Side::End).map_err(|error| {
                    let is_meant_as_time = text.contains(['-', ':', '.', '/']);
                    if is_meant_as_time { error } else { neither(field, &text) }
                }),
            })
            .transpose()
        };
        let confirm_by_s = wrong.take(deadline(&mut clock, "confirm_by", confirm_by));
        let implement_by_s = wrong.take(deadline(&mut clock, "implement_by", implement_by));
        let addressee_role = addressee_role.and_then(|text| {
            wrong.some(word("addressee_role", &text, words::addressees, words::addressee))
        });
        let signature_status = signature_status.and_then(|text| {
            let field = "signature_status";
            wrong.some(word(field, &text, words::signature_statuses, words::signature_status))
        });

        let mut wire_targets = Vec::new();
        for (values, exception) in [(targets, false), (exceptions, true)] {
            let field = if exception { "exceptions" } else { "targets" };
            for value in values {
                let read = target::read(field, value, exception, &mut clock, &mut wrong);
                let Some(read) = read else { continue };
                repairs.extend(read.said);
                notes.extend(read.notes);
                wire_targets.push(read.wire);
            }
        }
        let names_lists = !covers_lists.is_empty() || wrong.name_any(&["covers_lists"]);
        if !wire_targets.iter().any(|t| !t.exception) && !names_lists {
            let remedy = "name at least one target to block, or the list in covers_lists";
            wrong.add(missing("targets", remedy));
        }
        if !category.is_empty() && !words::CATEGORIES.contains(&category.as_str()) {
            notes.push(format!("category {category:?} is not one of the DSA's; kept as it is"));
        }
        for (problem, remedy) in territories.iter().filter_map(|t| territory::problem(t)) {
            wrong.add(RowError::new("territories", problem, remedy));
        }
        if territories.is_empty() {
            notes.push(
                "territories are not stated: verdicts on place will be undetermined".to_owned(),
            );
        }
        let coarsest = match coarsest {
            None => v1::TargetKind::Unspecified,
            Some(word) => wrong.take(granularity_from_word(&word).ok_or_else(|| {
                let known = kind_words().chain(["host", "subtree"]);
                unknown_word("coarsest", &word, known)
            })),
        };
        let notice_required = notice.is_some();
        let measure = v1::Measure {
            techniques,
            outcome_only,
            coarsest: coarsest.into(),
            derived_targets,
            notice_required,
            notice: notice.filter(|text| text != "yes").unwrap_or_default(),
            throttle_to_bits_per_s: wrong.take(throttle_to_bits_per_s.map_or(Ok(0), Rate::read)),
        };
        let scope = v1::Scope {
            territories,
            nodes,
            network_types,
            asns,
            audiences,
            except_nodes,
            except_audiences,
            cells,
        };
        let authorisation = v1::Authorisation {
            external_ref,
            court,
            docket,
            ecli,
            decided_at_s,
            issued_at_s,
            instrument: instrument.into(),
            basis_class: basis_class.into(),
            legal_provisions: legal_provisions.into_iter().map(Into::into).collect(),
            statement_of_reasons,
            category,
            keywords,
            authority: authority.map(Into::into),
            parties: parties.into_iter().map(|row| row.build(&mut wrong)).collect(),
            competence_check: competence.map(|row| row.build(&mut wrong)),
            confidentiality,
        };
        let notification = v1::Notification {
            addressee,
            addressee_role: addressee_role.unwrap_or_default().into(),
            shared_by,
            form: form.into(),
            signature_status: signature_status.unwrap_or_default().into(),
            language,
            served_at_s,
            received_at_s,
            acknowledged_at_s,
            redress,
            report_effect_to,
        };
        let task = v1::Task {
            targets: wire_targets,
            measure: Some(measure),
            scope: Some(scope),
            effective_from_s,
            effective_until_s,
            until_event,
            windows,
            max_duration_s,
            confirm_by_s: confirm_by_s.unwrap_or(0),
            implement_by_s: implement_by_s.unwrap_or(0),
            remove_within_s,
            remove_by_s,
            review_due_s,
            lists: wrong.all(lists.iter().map(|l| list(l))),
            covers_lists,
        };
        let relations: Vec<_> =
            relations.into_iter().filter_map(|row| row.build(&mut wrong)).collect();
        let request = v1::Request {
            id: wrong.take(id.ok_or_else(|| missing("id", "give the request an id"))),
            version: version.unwrap_or(VERSION_NOT_STATED),
            prev_hash: Vec::new(),
            authorisation: Some(authorisation),
            notification: Some(notification),
            task: Some(task),
            documents: documents.into_iter().map(|row| row.build(&mut wrong)).collect(),
            status: status.into(),
            basis_proof: basis_proof.into(),
            decision: decision.map(|row| row.build(&mut wrong)),
            validity,
            impact,
            relations,
            time_assumption: String::new(),
            time_zone: clock.zone.unwrap_or_default().to_owned(),
            time_notes: Vec::new(),
            closed: Vec::new(),
        };
        let commits_text = defaults.commits_text;
        let closed = closed(closed_rows, &request, commits_text, &mut clock, &mut wrong);
        wrong.finish()?;
        let request = v1::Request {
            time_assumption: clock.assumptions.join("; "),
            time_notes: clock.notes,
            closed,
            ..request
        };
        // One rule book: what the register refuses is refused here, in the words of the file.
        let numbered = v1::Request { version: request.version.max(1), ..request.clone() };
        let Intake { refused, noted } =
            Request::try_from(numbered).map_err(in_words_of_the_file)?.intake();
        let mut wrong = Mistakes::default();
        for Refused { field, problem, remedy } in refused {
            wrong.add(RowError::new(field, problem, remedy));
        }
        wrong.finish()?;
        notes.extend(noted);
        Ok(Built { request, repairs, notes })
    }
}

pub(super) fn hex_digest(field: &str, text: &str) -> Result<Vec<u8>, RowError> {
    let pairs: Option<Vec<u8>> = (0..64)
        .step_by(2)
        .map(|at| text.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
        .collect();
    match pairs {
        Some(digest) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(digest)
        }
        Some(_) | None => {
            Err(RowError::new(field, format!("{text:?} is no SHA-256"), "write its 64 hex digits"))
        }
    }
}

fn list(text: &str) -> Result<v1::ListClaim, RowError> {
    let (list_id, version) = text.split_once('@').ok_or_else(|| {
        RowError::new("lists", format!("{text:?} has no version"), "write \"<list id>@<version>\"")
    })?;
    Ok(v1::ListClaim { list_id: list_id.to_owned(), version: version.to_owned() })
}

/// The class of OIR Art. 3(3) that an instrument usually has; a row may say another one.
fn usual_class(instrument: Instrument) -> BasisClass {
    match instrument {
        Instrument::CourtOrderFinal
        | Instrument::CourtOrderInterim
        | Instrument::AdministrativeOrder
        | Instrument::RegulatorOrder
        | Instrument::PoliceRequest
        | Instrument::ProsecutorRequest
        | Instrument::MinistryDirection
        | Instrument::LicenceDirection => BasisClass::Law,
        Instrument::InformalGovernmentRequest | Instrument::Unspecified => BasisClass::NoneStated,
        Instrument::PrivateList => BasisClass::VoluntaryList,
        Instrument::TosMeasure => BasisClass::ContractTos,
        Instrument::SecurityMeasure => BasisClass::Security,
        Instrument::UserChoice => BasisClass::UserChoice,
    }
}

/// The weakest that fits; a stronger proof has to be stated.
fn usual_proof(form: RequestForm, has_documents: bool) -> BasisProof {
    match (form, has_documents) {
        (RequestForm::Oral | RequestForm::Telephone, _) => BasisProof::Oral,
        (_, true) => BasisProof::DocumentHeld,
        (
            RequestForm::Unspecified
            | RequestForm::Email
            | RequestForm::Letter
            | RequestForm::PortalApi
            | RequestForm::PortalList
            | RequestForm::Gazette,
            false,
        ) => BasisProof::OperatorsWord,
    }
}

/// The value that a word of the file names; `known` and `word` make the list for who mistyped it.
pub(super) fn word<T: Copy, K: Iterator<Item = T>>(
    field: &str,
    text: &str,
    known: fn() -> K,
    word: fn(T) -> &'static str,
) -> Result<T, RowError> {
    let found = known().find(|value| word(*value) == text.trim());
    found.ok_or_else(|| unknown_word(field, text, known().map(word)))
}

fn unknown_word<'w>(field: &str, text: &str, known: impl Iterator<Item = &'w str>) -> RowError {
    let known: Vec<&str> = known.collect();
    let remedy = format!("write one of: {}", known.join(", "));
    RowError::new(field, format!("{text:?} is not one of its words"), remedy)
}

/// Of a deadline.
fn neither(field: &str, text: &str) -> RowError {
    let remedy = "write a time, or how long after receipt, such as 48h or 3d: a number and s, min, h, d or w";
    RowError::new(field, format!("{text:?} is neither a time nor a duration"), remedy)
}

fn missing(field: &str, remedy: &str) -> RowError {
    RowError::new(field, "missing", remedy).of_fault(v1::RowFault::Missing)
}

fn in_words_of_the_file(error: InvalidRequest) -> RowError {
    let InvalidRequest { field, problem } = error.in_words_of_a_file();
    let remedy = match field {
        "id" => {
            "correct it; for a CSV file the mapping can: id = { column = \"...\", replace = { \" \" = \
             \"-\" } }"
        }
        _ => "correct the value",
    };
    RowError::new(field, problem, remedy)
}

fn dates_to_text(value: &mut ::toml::Value) {
    match value {
        ::toml::Value::Datetime(date) => *value = ::toml::Value::String(date.to_string()),
        ::toml::Value::Array(values) => values.iter_mut().for_each(dates_to_text),
        ::toml::Value::Table(table) => {
            for (_, value) in table {
                dates_to_text(value);
            }
        }
        ::toml::Value::String(_)
        | ::toml::Value::Integer(_)
        | ::toml::Value::Float(_)
        | ::toml::Value::Boolean(_) => {}
    }
}
