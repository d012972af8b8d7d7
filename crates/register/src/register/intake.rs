//! What is not taken in of a statement, though a register that holds it is read.

use evidence::RequestId;
use remit_proto::v1::{self, TransitionKind, statement::Body};

use super::Items;
use crate::{
    entry::Entry,
    request::{Decision, InvalidRequest, NO_PERSON, leads_to_person, strange_text},
    target::Target,
    words,
};

/// Why a statement is not to be entered, with field and remedy; `None`: the register decides. `held`: what it has of a
/// request by now.
pub fn refused<'h>(
    statement: &v1::Statement,
    items: Option<&Items>,
    held: impl Fn(&RequestId) -> Option<Entry<'h>>,
) -> Option<String> {
    let body = statement.body.as_ref()?;
    let said = said_in(body, items);
    let strange = said.iter().find_map(|(field, text)| {
        Some(format!("{field}: {}; write it without it", strange_text(text)?))
    });
    let of_request = || {
        items.into_iter().flat_map(Items::requests).find_map(|request| {
            let before = held(&request.id);
            let before = before.as_ref().and_then(|entry| entry.all_versions().next_back());
            let before = before.map(|version| &*version.request);
            let is_new = before.is_none_or(|before| before.received_at_s != request.received_at_s);
            let ahead = || request.received_ahead_of(statement.recorded_at_s).filter(|_| is_new);
            let why = request.refused_after(before).or_else(ahead)?;
            Some(format!("request {}: {why}", request.id))
        })
    };
    let of_list = || match body {
        Body::ListVersion(version) => person_in(version, items?),
        _ => None,
    };
    strange.or_else(of_request).or_else(of_list).or_else(|| match body {
        Body::Transition(step) => {
            let entry = held(&step.request_id.parse().ok()?)?;
            let texts = || entry.all_versions().map(|version| &version.request);
            let at_s = statement.effective_at_s;
            match step.kind() {
                // What the operator makes of it. An amendment may have been received after what was decided of the
                // text before it.
                TransitionKind::Review
                | TransitionKind::Clarify
                | TransitionKind::Challenge
                | TransitionKind::Accept
                | TransitionKind::Refuse => {
                    let received = texts().filter(|text| text.received_at_s.is_some());
                    let received = received.min_by_key(|text| text.received_at_s);
                    let too_early = received.and_then(|text| text.decided_too_early(at_s));
                    too_early.or_else(|| accepts_nothing(&entry, step))
                }
                TransitionKind::Confirm
                | TransitionKind::Suspend
                | TransitionKind::Resume
                | TransitionKind::Withdraw
                | TransitionKind::Revoke
                | TransitionKind::Supersede
                | TransitionKind::Moot
                | TransitionKind::Close => texts().next()?.stepped_too_early(at_s),
                // It may be dated back as far as somebody likes. That a request never was is so as soon as it is known.
                TransitionKind::Annul if statement.recorded_at_s < at_s => Some(format!(
                    "effective_at: an annulment says that the request never was, and counts as soon as it is stated, \
                     and not from {} on; state it then, or `suspend`, `revoke` or `withdraw` from then on",
                    words::time(at_s)
                )),
                TransitionKind::Annul | TransitionKind::Unspecified => None,
            }
        }
        _ => None,
    })
}

/// Of entries that a version adds, a target that tells how somebody is reached.
fn person_in(version: &v1::ListVersion, items: &Items) -> Option<String> {
    let announced = version.changes.as_ref().map_or(0, |set| set.count);
    // What cannot be read the register refuses.
    let changes = items.changes(announced).ok()?;
    let mut targets = changes.iter().flat_map(|changes| &changes.added).filter_map(|entry| {
        let target = entry.target.as_ref()?;
        leads_to_person(&Target::from_wire(target).ok()?)
    });
    targets.next().map(|problem| format!("list_entry.target: {problem}; {NO_PERSON}"))
}

/// Whatever is left out, something is left: else it is not accepted.
fn accepts_nothing(entry: &Entry<'_>, step: &v1::Transition) -> Option<String> {
    // One that cannot be read the register refuses.
    let decision = Decision::try_from(step.decision.clone()?).ok()?;
    let InvalidRequest { field, problem } = entry.request().accepts_nothing(&decision)?;
    Some(format!(
        "transition.{field}: {problem}; state what is accepted of request {}, or `refuse` it",
        entry.id()
    ))
}

/// What people say in it in their own words, beside requests.
fn said_in<'s>(body: &'s Body, items: Option<&'s Items>) -> Vec<(&'static str, &'s str)> {
    match body {
        Body::Import(import) => vec![("import.reason", &import.reason)],
        Body::Transition(step) => {
            let said = step.said.as_ref().zip(items);
            let said = said.and_then(|(set, items)| items.said(set.count).ok().flatten());
            let decision = step.decision.iter();
            let mut words = vec![("transition.reason", step.reason.as_str())];
            words.extend(
                decision.clone().map(|said| ("transition.decision.text", said.text.as_str())),
            );
            words.extend(
                decision.map(|said| ("transition.decision.escalation", said.escalation.as_str())),
            );
            if let Some(v1::StatedTexts { reason, text, escalation }) = said {
                words.extend([
                    ("said.reason", reason.as_str()),
                    ("said.text", text),
                    ("said.escalation", escalation),
                ]);
            }
            words
        }
        Body::Attribution(attribution) => vec![("attribution.group", &attribution.group)],
        Body::Proceeding(v1::Proceeding { id, outcome, awaits_approval: _ }) => {
            vec![("proceeding.id", id), ("proceeding.outcome", outcome)]
        }
        Body::Decision(_)
        | Body::Baseline(_)
        | Body::LateRegister(_)
        | Body::BasisMap(_)
        | Body::ListFeed(_)
        | Body::ListVersion(_)
        | Body::Approval(_) => Vec::new(),
    }
}
