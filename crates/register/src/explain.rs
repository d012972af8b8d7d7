//! One plain English sentence per verdict, made at the edge from its codes and clause.

use evidence::Claim;
use remit_proto::v1::{self, AddedFinding, Dimension, Ternary, UndeterminedReason, VerdictCode};

use crate::{verdict::screen_word, words};

pub fn explain(verdict: &v1::Verdict) -> String {
    let code = verdict.code();
    let clause = verdict.clause.clone().unwrap_or_default();
    let is_unspecified = clause.dimension() == Dimension::Unspecified;
    let size = verdict.register_size;
    let mut text = sentence(verdict, code, &clause);
    if is_unspecified && code == VerdictCode::Unspecified {
        return text;
    }
    if !text.contains("in the register at size") {
        let word = screen_word(code);
        if let Some(qualification) = word.qualification(size) {
            text.push_str(&format!(" {} {qualification}.", capitalised(word.as_str())));
        }
    }
    for v1::Failure { code, clause } in &verdict.besides {
        let code = VerdictCode::try_from(*code).unwrap_or_default();
        let clause = clause.clone().unwrap_or_default();
        text.push_str(&format!(" Besides: {}", sentence(verdict, code, &clause)));
    }
    if let Some(attributed) = &verdict.attributed {
        text.push_str(&format!(" {}.", attributed_later(attributed)));
    }
    if let Some(confirmed) = &verdict.confirmed {
        text.push_str(&format!(" {}.", confirmed_by(confirmed)));
    }
    if verdict.considered > 0 && code != VerdictCode::Undetermined {
        text.push_str(&format!(
            " More targets of the register touch this one; {} were looked at.",
            verdict.considered
        ));
    }
    for added in &verdict.added {
        if let Ok(finding) = AddedFinding::try_from(*added) {
            text.push_str(added_sentence(finding));
        }
    }
    text
}

/// What one code says by its clause.
fn sentence(verdict: &v1::Verdict, code: VerdictCode, clause: &v1::Clause) -> String {
    let v1::Clause { dimension, request_id: id, request_says, event_shows: shows, time_zone } =
        clause;
    let says = in_zone(request_says, time_zone);
    let size = verdict.register_size;
    let mut text = match code {
        VerdictCode::Unspecified => "There is no verdict.".to_owned(),
        VerdictCode::Unverifiable if shows.is_empty() => {
            "The evidence does not verify, so nothing is said about the block.".to_owned()
        }
        VerdictCode::Unverifiable => {
            format!("The evidence does not verify ({shows}), so nothing is said about the block.")
        }
        VerdictCode::Authorised => format!(
            "Covered by request {id} ({says}), which the block names; an accepted request in the \
             register at size {size}, which says nothing about lawfulness or proportionality."
        ),
        VerdictCode::AuthorisedMisreferenced => format!(
            "Covered by request {says}, an accepted request in the register at size {size}, but the \
             block names something else ({shows}); says nothing about lawfulness or \
             proportionality."
        ),
        VerdictCode::AuthorisedProvisional => {
            format!("Covered for now by request {id}: {says}.")
        }
        VerdictCode::InRemovalGrace => {
            format!(
                "Request {id} has ended and the time to remove is running: {says}; the block was at {shows}."
            )
        }
        VerdictCode::Undetermined => undetermined(verdict, id, &says, shows),
        VerdictCode::NoBasis if !id.is_empty() => {
            format!("Request {id} is {says}; it is no basis for blocking in the network.")
        }
        VerdictCode::NoBasis => format!(
            "No request in the register at size {size} touches this target, and the block names \
             none ({shows})."
        ),
        VerdictCode::UnknownBasis => {
            let more = says.strip_prefix("not in the register").unwrap_or_default();
            format!("The block names {shows}, which is not in the register at size {size}{more}.")
        }
        VerdictCode::BasisNotAccepted => {
            format!("Request {id} was not accepted ({says}) when the block was in place ({shows}).")
        }
        VerdictCode::TooEarly => {
            format!("Request {id} holds {says}; the block was earlier, at {shows}.")
        }
        VerdictCode::Expired if *dimension == i32::from(Dimension::Target) => format!(
            "Request {id} names {says} and permits to block by address, but no answer that still held \
             gave {shows}."
        ),
        VerdictCode::Expired | VerdictCode::Revoked | VerdictCode::Lapsed => {
            format!("Request {id} no longer held ({says}); the block was at {shows}.")
        }
        VerdictCode::Suspended => format!("Request {id} was {says}; the block was at {shows}."),
        VerdictCode::AnnulledRetroactively => format!(
            "Request {id} {} (at {shows}), and was later {says}.",
            if verdict.registered_before_act() == Ternary::No {
                "would have covered the block, though it was registered after it"
            } else {
                "covered the block when it was made"
            }
        ),
        VerdictCode::OutOfScopeTarget => match says.strip_prefix("not ") {
            Some(open) => {
                format!("Request {id} says that {open} must stay open; the block is on {shows}.")
            }
            None => format!("Request {id} names {says}; the block is on {shows}."),
        },
        VerdictCode::Overbroad => {
            format!("The block on {shows} hits more than request {id} names ({says}).")
        }
        VerdictCode::WrongPlace => {
            format!("Request {id} holds in {says}; the block is at {shows}.")
        }
        VerdictCode::WrongAudience => {
            format!("Request {id} is about {says}; the block is at a point that serves {shows}.")
        }
        VerdictCode::WrongMethod => {
            format!("Request {id} permits {says}; the block is done by {shows}.")
        }
        VerdictCode::TosMeasure => {
            format!("The operator's own measure under its terms of service, entry {id} ({says}).")
        }
        VerdictCode::SecurityMeasure => {
            format!("The operator's own security measure, entry {id} ({says}).")
        }
        VerdictCode::UserChoice => format!("Chosen by the user, entry {id} ({says})."),
        VerdictCode::BaselineUnattributed => format!(
            "The rule stood before the node was enrolled, and nobody has said yet on whose \
             authority; there is time until {}, then it counts as a rule without a basis.",
            words::time(verdict.baseline_until_s)
        ),
    };
    // Only a class claim ends here although an entry was asked for.
    if code == VerdictCode::NoBasis && shows.contains("class:") {
        text = format!(
            "The block claims {shows}, and no entry of that class in the register at size {size} \
             documents it."
        );
    }
    text
}

/// "Attributed later to court/2026-001 by person-1 (operator) at 2026-11-24T01:20:00Z".
pub fn attributed_later(attributed: &v1::AttributedLater) -> String {
    let v1::AttributedLater { statement, recorded_at_s, by, claims } = attributed;
    let claims: Vec<String> = claims
        .iter()
        .map(|claim| Claim::try_from(claim).map_or_else(|_| "?".to_owned(), |c| c.to_string()))
        .collect();
    let by = by.clone().unwrap_or_default();
    format!(
        "Attributed later to {} by {} {} at {} (statement {statement})",
        claims.join(", "),
        words::role(by.role()),
        by.person,
        words::time(*recorded_at_s)
    )
}

/// "Confirmed by operator person-2 at 2026-11-24T01:20:00Z; the node attests who it was, and nobody
/// signed".
fn confirmed_by(confirmed: &v1::Confirmation) -> String {
    let by = confirmed.by.clone().unwrap_or_default();
    let attested = match confirmed.attestation() {
        v1::Attestation::ByNode => "the node attests who they were, and neither signed it",
        v1::Attestation::Unspecified => "how the persons are known is not said",
    };
    format!(
        "Recorded by one person and confirmed by another, {} {} at {}; {attested}",
        words::role(by.role()),
        by.person,
        words::time(confirmed.at_s)
    )
}

/// A bound is meant in the zone of the authority: there it is midnight, and not 23:00 of another day.
fn in_zone(says: &str, zone: &str) -> String {
    let shown = |word: &str| {
        let (time, after) = word.split_at(word.trim_end_matches([',', ';']).len());
        let at: jiff::Timestamp = time.parse().ok()?;
        let local = words::time_in(at.as_second(), zone)?;
        Some(format!("{local} = {time}{after}"))
    };
    says.split(' ')
        .map(|word| shown(word).unwrap_or_else(|| word.to_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn undetermined(verdict: &v1::Verdict, id: &str, says: &str, shows: &str) -> String {
    let reason = UndeterminedReason::try_from(verdict.undetermined).unwrap_or_default();
    let names_request = !id.is_empty();
    let why = match reason {
        UndeterminedReason::Unspecified => "no reason was given".to_owned(),
        UndeterminedReason::Boundary => {
            format!("the window ({shows}) crosses a bound of request {id} ({says})")
        }
        UndeterminedReason::Erased if shows == "erased" => {
            "the block's target was erased or is withheld".to_owned()
        }
        UndeterminedReason::Erased if names_request => {
            format!("parts of the list that request {id} covers are withheld or erased ({says})")
        }
        UndeterminedReason::Erased => {
            format!("the block names {shows}, and parts of the register are withheld or erased")
        }
        UndeterminedReason::Imported => {
            "it comes from an old log file, and what the register held then is not proved"
                .to_owned()
        }
        UndeterminedReason::LateRegister => {
            format!("the block names {shows}, and the time to enter it is not over")
        }
        UndeterminedReason::Gap if says.is_empty() => {
            format!("whether the rule stood then is not known ({shows})")
        }
        UndeterminedReason::Gap => {
            format!("a bound of request {id} ({says}) lies where nobody looked ({shows})")
        }
        UndeterminedReason::Secret if id.is_empty() => {
            format!("the block names {shows}, and that some requests exist is secret")
        }
        UndeterminedReason::Secret => {
            format!("what request {id} says of it cannot be seen here ({says}; {shows})")
        }
        UndeterminedReason::Scope => {
            format!("whether request {id} holds there is not known ({says}; {shows})")
        }
        UndeterminedReason::NotUnderstood if !says.is_empty() && names_request => {
            format!("what the rule does is not known ({shows}); request {id} permits {says}")
        }
        UndeterminedReason::NotUnderstood => {
            format!("what the rule does was not understood ({shows})")
        }
        UndeterminedReason::AmbiguousRule => {
            format!(
                "this rule did it, or one of {} that share its counter or its log did it; each is judged where it stands",
                others(shows)
            )
        }
        UndeterminedReason::TooMany => {
            format!("{says}, and none of them covers the block on {shows}")
        }
    };
    format!("Undetermined: {why}.")
}

/// Of rules that are not told apart, as far as they are counted.
fn others(count: &str) -> String {
    match count {
        "1" => "1 other".to_owned(),
        "256" => "256 others or more".to_owned(),
        _ => format!("{count} others"),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn added_sentence(finding: AddedFinding) -> &'static str {
    match finding {
        AddedFinding::Unspecified => "",
        AddedFinding::Collateral => " Others are hit too.",
        AddedFinding::MisleadingResponse => {
            " What users get hides that it is blocked, or misstates on whose will."
        }
        AddedFinding::TosLabelDoubtful => {
            " It is called an own measure, and a government is linked to it."
        }
        AddedFinding::ThirdPartyAction => " It was not done by the operator.",
        AddedFinding::Unattributed => " Who put it there is not known.",
        AddedFinding::Unconfirmed => {
            " One person recorded it, and no second person has confirmed it."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::ScreenWord;

    fn sentence(says: &str, zone: &str) -> String {
        explain(&v1::Verdict {
            code: VerdictCode::Expired.into(),
            clause: Some(v1::Clause {
                dimension: Dimension::Time.into(),
                request_id: "req-7".into(),
                request_says: says.into(),
                event_shows: "2026-01-02T00:00:00Z".into(),
                time_zone: zone.into(),
            }),
            ..v1::Verdict::default()
        })
    }

    #[test]
    fn what_is_always_said_with_a_word_is_said_with_every_code_of_it() {
        for code in (0..).map_while(|code| VerdictCode::try_from(code).ok()) {
            let verdict =
                v1::Verdict { code: code.into(), register_size: 7, ..v1::Verdict::default() };
            let said = explain(&verdict);
            let (covered, none) = match screen_word(code) {
                ScreenWord::Covered => (true, false),
                ScreenWord::NoCoveringRequest => (false, true),
                _ => (false, false),
            };
            assert_eq!(
                said.contains("nothing about lawfulness or proportionality"),
                covered,
                "{said}"
            );
            assert!(!(covered || none) || said.contains("in the register at size 7"), "{said}");
        }
    }

    #[test]
    fn a_bound_is_told_in_the_zone_of_its_authority() {
        let says = "until 2025-12-31T23:00:00Z";
        assert_eq!(
            sentence(says, "Europe/Berlin"),
            "Request req-7 no longer held (until 2026-01-01T00:00:00+01:00 = 2025-12-31T23:00:00Z); \
             the block was at 2026-01-02T00:00:00Z."
        );
        for zone in ["", "UTC", "Mars/Olympus"] {
            assert!(sentence(says, zone).contains("(until 2025-12-31T23:00:00Z);"), "{zone}");
        }
        let two = sentence(
            "ended 2026-06-30T22:00:00Z, to be removed by 2026-07-02T22:00:00Z",
            "Europe/Berlin",
        );
        assert!(
            two.contains(
                "ended 2026-07-01T00:00:00+02:00 = 2026-06-30T22:00:00Z, to be removed by"
            )
        );
    }
}
