//! What nobody enters of a request, though one that the register holds already is read as it is.
//!
//! In: a request. Out: [`Intake`], with what is refused wherever it would be entered (files, commands, the collector),
//! and what real orders do and people should know. Rules of [`check`](super::check) hold for whatever is read, for
//! ever: one more there, and a log that was written before could not be read any more. So rules that are only about
//! what comes in stand here.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use remit_proto::v1::{self, DecisionKind};

use super::{
    Decision, InvalidRequest, Particulars, Removal, Request, RequestTarget, Scope, Territories,
    check::invalid,
    texts::{TARGET_RAW, TARGET_REPAIRED, Text, texts},
};
use crate::{
    contact::{contact, is_address_in_path},
    hidden,
    target::{Target, WebHost},
    territory,
};

/// What there is to say of a request that is to be entered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intake {
    pub refused: Vec<Refused>,
    /// It is taken all the same.
    pub noted: Vec<String>,
}

/// A field and what is wrong with it, in the words of a requests file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}; {remedy}")]
pub struct Refused {
    pub field: &'static str,
    pub problem: String,
    pub remedy: &'static str,
}

impl Request {
    pub fn intake(&self) -> Intake {
        let mut found = Intake::default();
        let mut see = |field, text: &str, form: TextForm| {
            let refused = form.refused(text);
            let remedy = form.remedy();
            found.refused.extend(refused.map(|problem| Refused { field, problem, remedy }));
        };
        // There may be a million targets, and they are looked at where they are.
        for Text { field, text, form, place: _ } in texts(&mut self.to_wire_with(&[])) {
            see(field, text, form);
        }
        for rest in self.targets.iter().filter_map(|target| target.rest.as_ref()) {
            see(TARGET_RAW, &rest.raw, TextForm::Raw);
            see(TARGET_REPAIRED, &rest.repair, TextForm::Raw);
        }
        let mut persons = self.targets.iter().filter_map(|held| leads_to_person(&held.target));
        found.refused.extend(persons.next().map(|problem| Refused {
            field: "targets",
            problem,
            remedy: NO_PERSON,
        }));
        found.noted.extend(self.addresses_in_urls());
        found.refused.extend(self.both_ways());
        let decided = self.decision.as_ref().and_then(|decision| self.accepts_nothing(decision));
        found.refused.extend(decided.map(|why| {
            let InvalidRequest { field, problem } = why.in_words_of_a_file();
            let remedy = "write what is accepted of it, or refuse it: status = \"refused\", and decision.kind = \"refuse\"";
            Refused { field, problem, remedy }
        }));
        found.noted.extend(self.unknown_codes());
        self.check_order(&mut found);
        found
    }

    /// The first that this one says and the version that it replaces does not: what is in the register is no reason
    /// to keep its next version out.
    pub fn refused_after(&self, before: Option<&Self>) -> Option<Refused> {
        let refused = self.intake().refused;
        if refused.is_empty() {
            return None;
        }
        let known = before.map(Self::intake).unwrap_or_default().refused;
        refused.into_iter().find(|refused| !known.contains(refused))
    }
}

/// What may stand in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextForm {
    /// A name, a number, a word: on one line.
    Line,
    /// As [`Self::Line`], and not how somebody is reached.
    Open,
    /// A class of lines, and not one line (DOMAIN.md section 1 "audience_scope", section 5).
    Lines,
    /// Who asks: an office, and not how somebody in it is reached.
    Office,
    /// What somebody wrote in sentences.
    Prose,
    /// A target as its source wrote it, with the space around it.
    Raw,
}

impl TextForm {
    fn refused(self, text: &str) -> Option<String> {
        let strange = text.chars().find_map(|letter| {
            let fits = match self {
                Self::Line | Self::Open | Self::Lines | Self::Office => letter == '\t',
                Self::Prose => matches!(letter, '\n' | '\t'),
                // U+FEFF is what a byte order mark becomes.
                Self::Raw => letter.is_whitespace() || letter == '\u{feff}',
            };
            strange(letter).filter(|_| !fits)
        });
        strange.or_else(|| match self {
            Self::Line | Self::Prose | Self::Raw => None,
            Self::Open | Self::Office => reached(text),
            Self::Lines => reached(text).or_else(|| line(text)),
        })
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Line | Self::Open => "write it on one line, without it",
            Self::Lines => {
                "name a class of lines; one line by a token of its own, which no number or address can be read from"
            }
            Self::Office => {
                "write the office on one line, without it; a person's belongs into authority.officer, which is closed"
            }
            Self::Prose | Self::Raw => "write it without it",
        }
    }
}

impl Request {
    /// A target that is to be blocked and must stay open at one time: nobody can do both, and which is meant is for the
    /// order to say. What lies within a wider block may stay open.
    fn both_ways(&self) -> Option<Refused> {
        let mut open: HashMap<&Target, Vec<&RequestTarget>> = HashMap::new();
        for held in self.targets.iter().filter(|held| held.exception) {
            open.entry(&held.target).or_default().push(held);
        }
        if open.is_empty() {
            return None;
        }
        // An address that was resolved from a name was not asked for.
        let mut blocked =
            self.targets.iter().filter(|held| !held.exception && held.derived().is_none());
        let both = blocked.find(|held| {
            let mut open = open.get(&held.target).into_iter().flatten();
            open.any(|open| meet(held, open))
        })?;
        Some(Refused {
            field: "exceptions",
            problem: format!("{} must stay open and is to be blocked", both.target),
            remedy: "take it out of the exceptions or out of the targets",
        })
    }

    /// Why a decision that is to accept the request leaves nothing of it that would be carried out anywhere.
    pub(crate) fn accepts_nothing(&self, decision: &Decision) -> Option<InvalidRequest> {
        let Decision { kind, not_accepted, accepted_scope, .. } = decision;
        match kind {
            DecisionKind::Accept | DecisionKind::AcceptNarrowed | DecisionKind::Partial => {}
            DecisionKind::Unspecified
            | DecisionKind::Clarify
            | DecisionKind::Challenge
            | DecisionKind::Refuse => return None,
        }
        let sees = |part| self.withholds(part).is_none();
        // An address goes with the name that it was resolved from, and lists bring what is not here.
        let mut blocked = self
            .targets
            .iter()
            .filter(|held| !held.exception && held.derived().is_none())
            .peekable();
        let all_left_out = !not_accepted.is_empty()
            && sees(v1::RequestPart::Targets)
            && self.covers_lists.is_empty()
            && blocked.peek().is_some()
            && blocked.all(|held| decision.leaves_out(&held.target));
        if all_left_out {
            return Some(invalid("decision.not_accepted", "holds all targets of the request"));
        }
        let accepted = accepted_scope.as_ref().filter(|_| sees(v1::RequestPart::Scope))?;
        let nowhere = !self.scope.may_meet(accepted)
            || accepted.keeps_out(accepted)
            || accepted.keeps_out(&self.scope)
            || self.scope.keeps_out(accepted);
        nowhere.then(|| {
            let problem = "lies outside the scope of the request: nothing of it would be carried out anywhere";
            invalid("decision.accepted_scope", problem)
        })
    }

    /// Why it cannot have been received by this time.
    pub fn received_ahead_of(&self, now_s: i64) -> Option<Refused> {
        let received_s = self.received_at_s?;
        if received_s <= now_s.saturating_add(RECEIVED_AHEAD_MAX_S) {
            return None;
        }
        let Told { zone, .. } = Told::of("received", received_s, self);
        let zones_s = match zone {
            Zone::Assumed => ZONES_S,
            Zone::Unknown if !self.particulars.time_assumption.is_empty() => ZONES_S,
            Zone::Written | Zone::Unknown => 0,
        };
        let ahead = received_s > now_s.saturating_add(RECEIVED_AHEAD_MAX_S + zones_s);
        ahead.then(|| Refused {
            field: "received",
            problem: format!("{} is still to come", crate::words::time(received_s)),
            remedy: "write when it came; when it is to hold is from",
        })
    }

    /// What a court wants blocked may hold one, and is blocked as it is; that it stands in the register for good, and who
    /// reads it there, is for the operator to know. It is not told here: it would go on into a log.
    fn addresses_in_urls(&self) -> Option<String> {
        let mut hosts = self.targets.iter().filter_map(|held| address_in_url(&held.target));
        let first = hosts.next()?;
        let urls = match hosts.count() {
            0 => format!("a URL at {first} holds"),
            more => format!("{} URLs, the first at {first}, hold", more.saturating_add(1)),
        };
        Some(format!("targets: {urls} {IN_URL}"))
    }

    /// What is taken as it is, and whoever counts by country or language will not find.
    fn unknown_codes(&self) -> Vec<String> {
        let mut noted = Vec::new();
        let country = self.authority.as_ref().map_or("", |authority| authority.country.as_str());
        if !country.is_empty() && country != territory::EU && !territory::is_country(country) {
            noted.push(format!(
                "authority.country: {country:?} is no country of ISO 3166-1; write two capital letters, such as DE"
            ));
        }
        let language = self.particulars.language.as_str();
        if !language.is_empty() && !is_language(language) {
            noted.push(format!(
                "language: {language:?} is no language tag (RFC 5646); write de, en or ru-RU"
            ));
        }
        noted
    }
}

/// Clocks of those who write and those who sign.
pub const RECEIVED_AHEAD_MAX_S: i64 = 300;

impl Scope {
    /// Whether there may be a place in which both hold, and a line.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        let Self { territories, nodes, network_types, asns, audiences, cells, .. } = self;
        let places = match (territories, &other.territories) {
            (Territories::Listed(some), Territories::Listed(others)) => {
                let meet = |a: &str, b: &str| territory::holds(a, b) || territory::holds(b, a);
                some.iter().any(|a| others.iter().any(|b| meet(a, b)))
            }
            (_, _) => true,
        };
        let nodes = has_group(nodes) || has_group(&other.nodes) || share(nodes, &other.nodes);
        places
            && nodes
            && share(network_types, &other.network_types)
            && share(asns, &other.asns)
            && share(cells, &other.cells)
            && share(audiences, &other.audiences)
    }

    /// All nodes or all classes of line that the other one names are excepted here.
    fn keeps_out(&self, other: &Self) -> bool {
        let all = |named: &[String], excepted: &[String]| {
            !named.is_empty() && named.iter().all(|one| excepted.contains(one))
        };
        all(&other.nodes, &self.except_nodes) || all(&other.audiences, &self.except_audiences)
    }
}

/// A group may hold any node.
fn has_group(nodes: &[String]) -> bool {
    nodes.iter().any(|node| node.starts_with("group:"))
}

/// Empty means all.
fn share<T: PartialEq>(some: &[T], others: &[T]) -> bool {
    some.is_empty() || others.is_empty() || some.iter().any(|one| others.contains(one))
}

/// There is a time at which both stand in the request.
fn meet(one: &RequestTarget, other: &RequestTarget) -> bool {
    let ends_first =
        |one: &RequestTarget, other: &RequestTarget| match (one.removed_at_s(), other.added_at_s())
        {
            (Some(removed_s), Some(added_s)) => removed_s <= added_s,
            (None, _) | (_, None) => false,
        };
    !ends_first(one, other) && !ends_first(other, one)
}

/// Two or three letters, and what tells more of it: RFC 5646 section 2.1. Longer ones are reserved.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// Why a target that is words is refused: it tells how somebody is reached.
pub(crate) fn leads_to_person(target: &Target) -> Option<String> {
    words_of(target).and_then(reached)
}

/// What to do instead.
pub(crate) const NO_PERSON: &str =
    "block an account by a token of its own (line_account), which no address can be read from";

/// The host of a URL that holds an e-mail address. Before the host none is read: which host is meant would not be clear.
pub(crate) fn address_in_url(target: &Target) -> Option<&WebHost> {
    let (Target::Url(url) | Target::UrlPrefix(url)) = target else { return None };
    let behind = [Some(url.path()), url.query()];
    behind.into_iter().flatten().any(is_address_in_path).then(|| url.host())
}

pub(crate) const IN_URL: &str = "an e-mail address: if it is a person's, ask for a target without it, or close the \
                                 targets to those who need not read it";

/// Of a target that is words, and no place in the network.
fn words_of(target: &Target) -> Option<&str> {
    match target {
        Target::Keyword(words)
        | Target::Category(words)
        | Target::ProtocolApp(words)
        | Target::CellArea(words) => Some(words),
        Target::Url(_)
        | Target::UrlPrefix(_)
        | Target::DomainExact(_)
        | Target::DomainSubtree { .. }
        | Target::Ip(_)
        | Target::Cidr(_)
        | Target::IpPort { .. }
        | Target::Sni(_)
        | Target::HttpHost(_)
        | Target::Port(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CustomerToken(_)
        | Target::WholeService => None,
    }
}

/// Why a statement's text in people's words is refused, if it is.
pub fn strange_text(text: &str) -> Option<String> {
    TextForm::Prose.refused(text).or_else(|| reached(text))
}

/// It tells how a person is reached.
fn reached(text: &str) -> Option<String> {
    let what = contact(text)?;
    Some(format!("holds {what}, and is not the place for what leads to a person"))
}

/// It names one line by its address or its number: there is no class of lines with seven digits and nothing else.
fn line(text: &str) -> Option<String> {
    let what = if text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() {
        "an address"
    } else if text.len() >= NUMBER_MIN && text.bytes().all(|byte| byte.is_ascii_digit()) {
        "a subscriber's number"
    } else {
        return None;
    };
    Some(format!("is {what}, and not a class of lines"))
}

/// Digits of the shortest numbers of subscribers.
const NUMBER_MIN: usize = 7;

/// What is the matter with a letter, whatever the text.
fn strange(letter: char) -> Option<String> {
    let what = hidden::strange(letter)?.told();
    Some(format!("holds {what} (U+{:04X})", u32::from(letter)))
}

/// A time, and how well it is known.
#[derive(Debug, Clone, Copy)]
struct Told {
    at_s: i64,
    /// It lies in this many seconds from `at_s` on: a date is a day.
    width_s: i64,
    zone: Zone,
    /// As a time, and not as so long after another one.
    as_written: bool,
}

/// Where the clock stood that a time was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Written,
    /// One for all times of a file.
    Assumed,
    Unknown,
}

/// What it means that a time lies before another one that is to come first.
#[derive(Debug, Clone, Copy)]
enum Weight {
    Refused(&'static str),
    /// What was said on the telephone is written down afterwards.
    RefusedInWriting(&'static str),
    /// Real orders do it.
    Noted(&'static str),
    /// As those that are written as times; what is granted from the receipt on is often over before it is to hold.
    NotedAsWritten(&'static str),
}

use Weight::{Noted, NotedAsWritten, Refused as Bad, RefusedInWriting};

const CORRECT: &str = "correct the one that is wrong";
const CORRECT_AMENDED: &str = "correct the one that is wrong; of an amended order, received is when the amendment came; \
                               of one that came by word of mouth first, form is telephone or oral";
const CORRECT_BOUNDS: &str =
    "correct the one that is wrong: who obeyed both would block out of time";

/// What comes first, what comes later, and what it means that it does not. `docs/requests.md` has the same table.
const ORDER: [(&str, &str, Weight); 20] = [
    ("issued", "served", Bad(CORRECT)),
    ("issued", "received", RefusedInWriting(CORRECT_AMENDED)),
    ("issued", "acknowledged", RefusedInWriting(CORRECT_AMENDED)),
    ("issued", "review_due", Bad(CORRECT)),
    ("issued", "redress.deadline", Bad(CORRECT)),
    ("issued", "implement_by", Noted("it was to be carried out before it was issued")),
    ("issued", "from", Noted("it is to hold from before it was issued")),
    ("issued", "until", Noted("it was over before it was issued")),
    ("decided", "served", Bad(CORRECT)),
    ("decided", "received", RefusedInWriting(CORRECT_AMENDED)),
    ("decided", "issued", Noted("it was issued before it was decided")),
    ("received", "acknowledged", Bad(CORRECT)),
    // An amended order keeps both, and is received when the amendment comes.
    ("received", "confirm_by", Noted("the time to confirm it was over before it was received")),
    ("received", "report_effect_to.sent", Noted("its effect was reported before it was received")),
    ("received", "implement_by", Noted("it was to be carried out before it was received")),
    ("received", "redress.deadline", Noted("the time to object was over before it was received")),
    ("received", "until", Noted("it was over before it was received")),
    ("from", "implement_by", NotedAsWritten("it is owed when it holds")),
    ("from", "remove_by", Bad(CORRECT_BOUNDS)),
    // Of an order that ends earlier than it says, as by a withdrawal.
    ("until", "remove_by", Noted("it grants no time to remove what stands until then")),
];

/// Clocks of two zones differ by at most so much (UTC-12 and UTC+14).
const ZONES_S: i64 = 26 * 3600;
/// The longest day, on which the clock is put back.
const DATE_S: i64 = 25 * 3600;

impl Request {
    fn check_order(&self, found: &mut Intake) {
        let by_word = self.came_by_word();
        let times = self.times();
        let each = |wanted| times.iter().filter(move |(field, _)| *field == wanted);
        for (first, second, weight) in ORDER {
            let pairs =
                each(first).flat_map(|first| each(second).map(move |second| (*first, *second)));
            // How well they are known is looked up for the few that are out of order at all.
            for (earlier, later) in pairs.filter(|(earlier, later)| later.1 < earlier.1) {
                let (earlier, later) =
                    (Told::of(earlier.0, earlier.1, self), Told::of(later.0, later.1, self));
                if !later.is_before(&earlier) {
                    continue;
                }
                let at = crate::words::time;
                let (then, before) = (at(later.at_s), at(earlier.at_s));
                let problem = format!("{then} is before {first}, {before}");
                let note = |why: &str| format!("{second}: {problem}: {why}");
                let sure = later.is_surely_before(&earlier);
                match weight {
                    Noted(why) if sure => found.noted.push(note(why)),
                    NotedAsWritten(why) if sure && later.as_written => found.noted.push(note(why)),
                    Noted(_) | NotedAsWritten(_) => {}
                    RefusedInWriting(_) if by_word => {
                        found.noted.push(note("what was said first was written down later"));
                    }
                    Bad(_) | RefusedInWriting(_) if !sure => {
                        found.noted.push(note("unless the zone that was assumed is another one"));
                    }
                    Bad(remedy) | RefusedInWriting(remedy) => {
                        found.refused.push(Refused { field: second, problem, remedy });
                    }
                }
            }
        }
    }

    /// What was said on the telephone may have been received, and decided of, before what is written of it.
    fn came_by_word(&self) -> bool {
        use v1::{
            RequestForm::{Oral, Telephone},
            RequestStatus::Provisional,
        };
        matches!(self.form, Oral | Telephone) || self.status == Provisional
    }

    /// Why the operator cannot have decided of it at this time: it had not been received.
    pub(crate) fn decided_too_early(&self, at_s: i64) -> Option<String> {
        self.happened_too_early(at_s, "received", self.received_at_s?)
    }

    /// Why nothing can have happened to it at this time: it had not been issued.
    pub(crate) fn stepped_too_early(&self, at_s: i64) -> Option<String> {
        self.happened_too_early(at_s, "issued", self.particulars.issued_at_s.filter(|s| *s != 0)?)
    }

    fn happened_too_early(&self, at_s: i64, field: &'static str, first_s: i64) -> Option<String> {
        if self.came_by_word() {
            return None;
        }
        let first = Told::of(field, first_s, self);
        // A date is typed without a zone, and is 00:00 in UTC.
        let (width_s, zone) = match at_s.rem_euclid(86_400) {
            0 => (DATE_S, Zone::Unknown),
            _ => (1, Zone::Written),
        };
        let happened = Told { at_s, width_s, zone, as_written: true };
        let at = crate::words::time;
        happened.is_surely_before(&first).then(|| {
            format!(
                "effective_at: {} is before request {} was {field}, {}; correct the one that is wrong",
                at(at_s),
                self.id,
                at(first.at_s)
            )
        })
    }

    /// Each that is stated, by its name in a file.
    fn times(&self) -> Vec<(&'static str, i64)> {
        let file = &*self.particulars;
        let report = file.report_effect_to.as_ref().map(|report| report.sent_at_s);
        let removed_by = match self.removal {
            Removal::ByS(by_s) => Some(by_s),
            Removal::WithinS(_) => None,
        };
        let deadlines = file.redress.iter().map(|way| ("redress.deadline", Some(way.deadline_s)));
        let times = [
            ("issued", file.issued_at_s),
            ("decided", file.decided_at_s),
            ("served", file.served_at_s),
            ("received", self.received_at_s),
            ("acknowledged", file.acknowledged_at_s),
            ("from", Some(self.effective_from_s)),
            ("until", self.effective_until_s),
            ("confirm_by", self.confirm_by_s),
            ("implement_by", self.implement_by_s),
            ("remove_by", removed_by),
            ("review_due", file.review_due_s),
            ("report_effect_to.sent", report),
        ];
        let stated = times.into_iter().chain(deadlines);
        stated.filter_map(|(field, at_s)| Some((field, at_s.filter(|at_s| *at_s != 0)?))).collect()
    }
}

impl Told {
    fn of(field: &'static str, at_s: i64, request: &Request) -> Self {
        let Particulars { time_notes, time_assumption, .. } = &*request.particulars;
        let own = || time_notes.iter().filter(|note| note.field == field);
        let is_date = own().any(|note| note.precision() == v1::TimePrecision::Date);
        // What was typed, or written out of the register, is an instant, and what it was before is not on record.
        let width_s = match is_date || is_midnight(at_s, &request.time_zone) {
            true => DATE_S,
            false if at_s.rem_euclid(60) == 0 => 60,
            false => 1,
        };
        let zone = match own().any(|note| note.zone_assumed) {
            true => Zone::Assumed,
            false if time_notes.iter().any(|note| note.zone_assumed) => Zone::Written,
            false if time_assumption.is_empty() && own().next().is_some() => Zone::Written,
            false => Zone::Unknown,
        };
        Self { at_s, width_s, zone, as_written: own().next().is_some() }
    }

    /// Its last instant lies before the other one's first.
    fn is_before(&self, other: &Self) -> bool {
        // Of two days, the one that begins earlier.
        let width_s =
            if self.width_s == DATE_S && other.width_s == DATE_S { 1 } else { self.width_s };
        self.at_s.saturating_add(width_s - 1) < other.at_s
    }

    /// Also if the zone in which one of them was read is another one. Two that were read in the same zone keep their
    /// order in any other.
    fn is_surely_before(&self, other: &Self) -> bool {
        let zones_s = match (self.zone, other.zone) {
            (Zone::Written, Zone::Written) | (Zone::Assumed, Zone::Assumed) => 0,
            (Zone::Written | Zone::Assumed | Zone::Unknown, _) => ZONES_S,
        };
        Self { at_s: self.at_s.saturating_add(zones_s), ..*self }.is_before(other)
    }
}

/// In the zone of the authority, or in UTC.
fn is_midnight(at_s: i64, zone: &str) -> bool {
    let local = crate::words::time_in(at_s, zone);
    at_s.rem_euclid(86_400) == 0 || local.is_some_and(|local| local.contains("T00:00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operators read there what is refused.
    #[test]
    fn the_manual_lists_every_pair_of_times() {
        let manual = include_str!("../../../../docs/requests.md");
        for (first, second, weight) in ORDER {
            let becomes = match weight {
                Bad(_) => "refused",
                RefusedInWriting(_) => "refused; taken with a note of what came by word of mouth",
                Noted(_) | NotedAsWritten(_) => "taken, with a note",
            };
            let row = format!("| `{second}` | `{first}` | {becomes} |");
            assert!(manual.contains(&row), "docs/requests.md lacks: {row}");
        }
    }
}
