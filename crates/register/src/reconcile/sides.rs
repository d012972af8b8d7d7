//! What either side names: from the requests of a file, from the lines of a list, from a register.

use std::collections::HashSet;

use remit_proto::v1;
use serde::Deserialize;

use super::{Counts, Item, Row};
use crate::{
    list::{ListEntry, ListFile},
    register::View,
    request::{Decision, Details, Request, RequestTarget},
    state,
    target::Target,
};

/// The names by which a request says whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a>(&'a str);

impl<'a> Names<'a> {
    pub fn new(authority: &'a str) -> Self {
        Self(authority)
    }

    /// By the authority's id or name, or by who passed the request on; exactly.
    pub fn is_of(self, request: &Request) -> bool {
        let named = request.authority.as_ref().is_some_and(|authority| {
            let v1::Authority { id, name, branch: _, country: _, level: _, officer: _ } =
                &**authority;
            id == self.0 || name == self.0
        });
        named || request.particulars.shared_by == self.0
    }
}

/// Requests of which closed parts hide what a comparison asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Veiled {
    /// It cannot be told whose they are.
    pub authority: u64,
    /// They are of the authority, and have a number that is not known here.
    pub reference: u64,
}

impl std::ops::AddAssign for Veiled {
    fn add_assign(&mut self, other: Self) {
        self.authority = self.authority.saturating_add(other.authority);
        self.reference = self.reference.saturating_add(other.reference);
    }
}

fn requests(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{number} requests") }
}

impl Veiled {
    /// Among these requests, whatever their state.
    pub fn among<'r>(requests: impl IntoIterator<Item = &'r Request>, names: Names<'_>) -> Self {
        let mut veiled = Self::default();
        for request in requests {
            let has_number = !request.particulars.external_ref.is_empty();
            if names.is_of(request) {
                let is_veiled = !has_number && request.closes(v1::RequestPart::Reference);
                veiled.reference += u64::from(is_veiled);
            } else {
                veiled.authority += u64::from(has_closed_authority(request));
            }
        }
        veiled
    }

    /// A sentence for each that is not none.
    pub fn says(self) -> Vec<String> {
        let Self { authority, reference } = self;
        let mut said = Vec::new();
        if authority > 0 {
            said.push(format!(
                "Whose it is is withheld or erased of {} of the register: compared with nothing, and \
                 perhaps this authority's.",
                requests(authority)
            ));
        }
        if reference > 0 {
            said.push(format!(
                "The reference is withheld or erased of {} of this authority, and is not compared.",
                requests(reference)
            ));
        }
        said
    }
}

/// Requests in force that are the authority's, or may be, and of which it is not shown what they name or whose they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withheld {
    /// How many may name anything.
    pub whole: u64,
    /// What the others name, of each: whose they are is not shown.
    pub named: Vec<Vec<Target>>,
}

impl Withheld {
    /// Takes in a request that is shown in part; whether it is in force at the instant is known.
    pub fn saw(&mut self, request: &Request, in_force: bool, names: Names<'_>) {
        let is_ours = names.is_of(request);
        let may_be_ours = !is_ours && has_closed_authority(request);
        if !in_force || !(is_ours || may_be_ours) {
            return;
        }
        // An answer of the collector names a closed part whether or not it shows it.
        if request.targets.is_empty() && request.closes(v1::RequestPart::Targets) {
            self.whole = self.whole.saturating_add(1);
        } else if may_be_ours {
            self.named.push(request.targets.iter().map(|held| held.target.clone()).collect());
        }
    }

    /// Takes in so many of which nothing is shown.
    pub fn saw_none_of(&mut self, requests: u64) {
        self.whole = self.whole.saturating_add(requests);
    }
}

/// It cannot be told whose it is.
fn has_closed_authority(request: &Request) -> bool {
    let authority = request.authority.as_ref();
    let is_named = authority.is_some_and(|a| !(a.id.is_empty() && a.name.is_empty()));
    !is_named && request.closes(v1::RequestPart::Authority)
}

/// Entries of a file of requests. Their rows have been read; what was refused is not among them.
pub fn listed(requests: &[v1::Request], at_s: i64) -> Vec<Item> {
    let read = requests.iter().filter_map(|wire| {
        // The import checked it, but for the number of its version.
        let numbered = v1::Request { version: wire.version.max(1), ..wire.clone() };
        Request::try_from(numbered).ok()
    });
    read.flat_map(|request| {
        let accepted =
            matches!(request.status, v1::RequestStatus::Accepted | v1::RequestStatus::Provisional);
        let within = state::in_a_window(&request, at_s);
        let state = match accepted {
            true if within => "listed",
            true => "outside its windows",
            false => crate::words::status(request.status),
        };
        let in_force = accepted && within;
        let recorded = Recorded::default();
        let items: Vec<Item> =
            of_request(&request, state, in_force, None, at_s, &recorded).collect();
        items
    })
    .collect()
}

/// Entries of a list with one entry on a line: no numbers, no dates.
pub fn of_list(file: &ListFile) -> Vec<Item> {
    let item = |entry: &ListEntry| Item {
        target: entry.target.clone(),
        exception: entry.exception,
        reference: String::new(),
        id: entry.request.as_ref().map(ToString::to_string).unwrap_or_default(),
        from_s: None,
        until_s: None,
        in_force: true,
        state: "listed".to_owned(),
        place: String::new(),
        recorded_s: None,
    };
    file.entries.iter().map(item).collect()
}

/// The targets of a request of the register, whose state at the instant is known; what the operator did not accept of it
/// is not in force.
pub fn of_request<'a>(
    request: &'a Request,
    state: &'a str,
    in_force: bool,
    decision: Option<&'a Decision>,
    at_s: i64,
    recorded: &'a Recorded<'a>,
) -> impl Iterator<Item = Item> + use<'a> {
    request.targets.iter().map(move |target| {
        let recorded_s = recorded.of(target);
        let refused = decision.is_some_and(|decision| decision.leaves_out(&target.target));
        let state = if refused && in_force { "not accepted" } else { state };
        Item { recorded_s, ..item(request, target, state, in_force && !refused, at_s, "") }
    })
}

/// When a register took in what a request names: by the first of its texts that names it, up to the newest without a
/// break.
#[derive(Debug, Default)]
pub struct Recorded<'a> {
    /// Of its text.
    newest_s: Option<i64>,
    /// Of the texts before it, the newest first.
    before: Vec<Before<'a>>,
    /// There are older ones, which are not known.
    unseen: bool,
}

#[derive(Debug)]
struct Before<'a> {
    named: HashSet<(&'a Target, bool)>,
    recorded_s: i64,
}

impl<'a> Recorded<'a> {
    pub fn at(recorded_s: i64) -> Self {
        Self { newest_s: Some(recorded_s), before: Vec::new(), unseen: false }
    }

    /// The text before all that were named.
    pub fn after(mut self, request: &'a Request, recorded_s: i64) -> Self {
        let named = request.targets.iter().map(|target| (&target.target, target.exception));
        self.before.push(Before { named: named.collect(), recorded_s });
        self
    }

    /// Before all that were named there are others, of which it is not known what they name.
    pub fn after_others(mut self) -> Self {
        self.unseen = true;
        self
    }

    fn of(&self, target: &RequestTarget) -> Option<i64> {
        let named = (&target.target, target.exception);
        let names = |before: &&Before<'_>| before.named.contains(&named);
        let texts = self.before.iter().take_while(names).count();
        match texts.checked_sub(1).and_then(|oldest| self.before.get(oldest)) {
            _ if self.unseen && texts == self.before.len() => None,
            Some(oldest) => Some(oldest.recorded_s),
            None => self.newest_s,
        }
    }
}

/// An entry of a list that stands under a request, since the version that brought it.
pub fn of_entry(
    request: &Request,
    entry: &ListEntry,
    since_s: i64,
    state: &str,
    in_force: bool,
    at_s: i64,
    place: &str,
) -> Item {
    let details =
        Details { raw: entry.raw.clone(), added_at_s: Some(since_s), ..Details::default() };
    let target = RequestTarget::new(entry.target.clone(), entry.exception, details);
    item(request, &target, state, in_force, at_s, place)
}

/// What a register holds of an authority at an instant: the targets of its requests, and the entries of the lists that
/// they cover.
pub fn registered(view: &View<'_>, names: Names<'_>, at_s: i64) -> Vec<Item> {
    let mut items = Vec::new();
    for entry in view.requests().filter(|entry| names.is_of(entry.request())) {
        let in_force = entry.standing_at(at_s).is_some_and(crate::Standing::is_in_force);
        let state = entry.state_at(at_s);
        // By the text of then: what an amendment changed later is no difference yet.
        let text = entry.version_at(at_s).unwrap_or(entry.newest());
        let before =
            entry.versions().rev().skip_while(|v| v.request.version >= text.request.version);
        let recorded = before.fold(Recorded::at(text.recorded_at_s), |recorded, text| {
            recorded.after(&text.request, text.recorded_at_s)
        });
        let decision = entry.decision_at(at_s);
        items.extend(of_request(&text.request, &state, in_force, decision, at_s, &recorded));
    }
    for (id, listed) in view.listed_at(at_s) {
        let Some(entry) = view.request(id).filter(|entry| names.is_of(entry.request())) else {
            continue;
        };
        let in_force = entry.standing_at(at_s).is_some_and(crate::Standing::is_in_force);
        let state = entry.state_at(at_s);
        items.extend(listed.iter().map(|member| {
            let place = member.in_force_at(at_s).map(|v| v.version.to_string());
            let place = format!("{}@{}", member.list().id(), place.unwrap_or_default());
            let recorded_s = member.added().map(|version| version.proposed.recorded_at_s);
            let item = item(entry.request(), member.target(), &state, in_force, at_s, &place);
            Item { recorded_s, ..item }
        }));
    }
    items
}

fn item(
    request: &Request,
    target: &RequestTarget,
    state: &str,
    in_force: bool,
    at_s: i64,
    place: &str,
) -> Item {
    let (from_s, until_s) = target.bounds(request);
    Item {
        target: target.target.clone(),
        exception: target.exception,
        reference: request.particulars.external_ref.clone(),
        id: request.id.to_string(),
        from_s: Some(from_s),
        until_s,
        in_force: in_force && from_s <= at_s && until_s.is_none_or(|until| at_s < until),
        state: state.to_owned(),
        place: place.to_owned(),
        recorded_s: None,
    }
}

/// What an authority says that gives no list: `{"requests": 94, "targets": 3725}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    #[serde(default)]
    pub requests: Option<u64>,
    #[serde(default)]
    pub targets: Option<u64>,
}

impl Totals {
    pub(super) fn rows(self, operator: &[Item]) -> Vec<Row> {
        let in_force = || operator.iter().filter(|item| item.in_force && !item.exception);
        let requests: std::collections::BTreeSet<&str> =
            in_force().map(|item| item.id.as_str()).collect();
        let targets: std::collections::BTreeSet<String> = in_force().map(Item::says).collect();
        [("requests", self.requests, requests.len()), ("targets", self.targets, targets.len())]
            .into_iter()
            .filter_map(|(what, authority, operator)| {
                let (authority, operator) = (authority?, operator as u64);
                Some(Row::of_counts(Counts { what, authority, operator }))
            })
            .collect()
    }
}
