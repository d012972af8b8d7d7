//! What the file of a request lacks, and what its clocks say.

use remit_proto::v1::{
    BasisProof, CompetenceResult, EffectReport, EntryCode, Instrument, RequestPart, RequestStatus,
    TransitionKind, ValidityState,
};

use super::{Case, Defect, faces};
use crate::{request::checklist, state::Standing, words};

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Defect>) {
    found.extend(confirmation(case));
    found.extend(parent_case(case));
    found.extend(effect_report(case));
    found.extend(secrecy(case));
    if !case.is_alive() {
        return;
    }
    found.extend(review(case));
    if case.is_own_measure() {
        return;
    }
    let entered_s = case.entry.entered_at_s();
    missing(case, entered_s, found);
    let file = &case.request.particulars;
    let checked = file.competence_check.as_ref().map(|check| check.result());
    if checked == Some(CompetenceResult::NotCompetent) {
        found.push(Defect::of(EntryCode::IssuerNotCompetent, entered_s));
    }
    let unnumbered = [&file.external_ref, &file.docket, &file.ecli].iter().all(|n| n.is_empty());
    // The confirmation in writing brings the number.
    let to_be_confirmed = matches!(case.standing, Some(Standing::Provisional { .. }));
    // What is not seen may hold one.
    let unseen = case.request.withholds(RequestPart::Reference).is_some();
    if unnumbered && !unseen && !to_be_confirmed {
        found.push(Defect::of(EntryCode::Unnumbered, entered_s));
    }
    if case.is_open_ended() {
        found.push(Defect::of(EntryCode::OpenEnded, entered_s));
        found.extend(blanket(case, entered_s));
    }
}

/// A list that a private body keeps is no order, and DSA Art. 9 says nothing of it.
fn missing(case: &Case<'_>, since_s: i64, found: &mut Vec<Defect>) {
    if case.request.instrument == Instrument::PrivateList {
        return;
    }
    let absent = checklist(case.request).into_iter().filter(|item| {
        // What lists bring says where the content is.
        let by_list = item.element() == remit_proto::v1::ValidityElement::Location
            && !case.request.covers_lists.is_empty();
        item.state() == ValidityState::Absent && !by_list
    });
    found.extend(absent.map(|item| Defect {
        detail: words::validity_element(item.element()).to_owned(),
        ..Defect::of(EntryCode::MissingElement, since_s)
    }));
}

/// Whatever became of it since: nobody wrote down in time what had been said.
fn confirmation(case: &Case<'_>) -> Option<Defect> {
    let request = case.request;
    let by_s = request.confirm_by_s.filter(|by_s| *by_s <= case.at_s)?;
    let known = case.entry.transitions();
    // A later one makes it good; that it was late is in the register.
    let done = known.iter().any(|step| match step.kind {
        TransitionKind::Confirm => step.effective_at_s <= case.at_s,
        // It had ended before it was due.
        TransitionKind::Withdraw
        | TransitionKind::Revoke
        | TransitionKind::Supersede
        | TransitionKind::Moot
        | TransitionKind::Annul => step.effective_at_s <= by_s,
        TransitionKind::Accept
        | TransitionKind::Suspend
        | TransitionKind::Resume
        | TransitionKind::Refuse
        | TransitionKind::Challenge
        | TransitionKind::Review
        | TransitionKind::Clarify
        | TransitionKind::Close
        | TransitionKind::Unspecified => false,
    });
    (request.status == RequestStatus::Provisional && !done)
        .then(|| Defect::of(EntryCode::ConfirmationOverdue, by_s))
}

fn review(case: &Case<'_>) -> Option<Defect> {
    let due_s = case.request.particulars.review_due_s?;
    (due_s <= case.at_s).then(|| Defect::of(EntryCode::ReviewOverdue, due_s))
}

fn parent_case(case: &Case<'_>) -> Option<Defect> {
    let closed_s = case.entry.bounds(case.entry.newest(), None).case_closed_s?;
    (closed_s <= case.at_s).then(|| Defect::of(EntryCode::ParentCaseClosed, closed_s))
}

/// DSA Art. 9(1): the authority is told what effect was given, of a refusal too.
fn effect_report(case: &Case<'_>) -> Option<Defect> {
    let report = case.request.particulars.report_effect_to.as_ref()?;
    let EffectReport { authority: _, due_s, sent_at_s } = report;
    let (due_s, sent_at_s) = (*due_s, *sent_at_s);
    let due = due_s != 0 && due_s <= case.at_s;
    let sent = sent_at_s != 0 && sent_at_s <= case.at_s;
    (due && !sent).then(|| Defect::of(EntryCode::EffectNotReported, due_s))
}

fn secrecy(case: &Case<'_>) -> Option<Defect> {
    let since_s = case.entry.newest().secrecy_expired_at_s(case.at_s)?;
    Some(Defect::of(EntryCode::SecrecyExpired, since_s))
}

fn blanket(case: &Case<'_>, since_s: i64) -> Option<Defect> {
    let in_force = case.standing.is_some_and(Standing::is_in_force);
    let own_word = match case.request.basis_proof {
        BasisProof::OperatorsWord | BasisProof::Oral => true,
        BasisProof::AuthoritySigned | BasisProof::DocumentHeld | BasisProof::Unspecified => false,
    };
    if !in_force || !own_word {
        return None;
    }
    let wide = case.targets().filter(|held| faces::is_wide(&held.target)).map(|h| &h.target);
    let (first, count) = faces::first_and_count(wide);
    let many = case.targets().take(faces::MANY).count() == faces::MANY;
    let by_list = !case.request.covers_lists.is_empty();
    (first.is_some() || many || by_list).then(|| Defect {
        target: first,
        target_count: count,
        ..Defect::of(EntryCode::BlanketRequest, since_s)
    })
}
