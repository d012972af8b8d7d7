//! What the words on the page mean, for a reader who has never seen one of them (DOMAIN.md section 3,
//! docs/glossary.md). Every value of an enum has its sentence: a new one is a compile error here.

use remit_proto::v1::{AddedFinding, UndeterminedReason, VerdictCode};

use super::cause::Part;

/// Said below the heading of each part, never without the register's size where it rests on it.
pub(super) fn part(part: Part, register_size: u64) -> String {
    let qualification = part.screen_word().and_then(|word| word.qualification(register_size));
    let qualification = qualification.unwrap_or_default();
    match part {
        Part::NoCoveringRequest => {
            format!("No accepted request {qualification} covers these rules.")
        }
        Part::BeyondItsRequest => "There is a request, and the block goes beyond it: another or a \
            larger target, another place, audience or method."
            .to_owned(),
        Part::OutOfTime => "There is a request, and it was not in force at the time.".to_owned(),
        Part::Undetermined => {
            "What is recorded does not settle it; the reason stands with each. It \
            is neither covered nor not covered."
                .to_owned()
        }
        Part::NotYetAssessed => "Recorded, and not judged yet. Ask again in a moment.".to_owned(),
        Part::Covered => format!("Covered {qualification}."),
        Part::OwnMeasure => "The operator's own: terms of service, security, or what a customer \
            chose; entered in the register as such. No authority's order, and not counted as one."
            .to_owned(),
    }
}

pub(super) fn verdict(code: VerdictCode) -> &'static str {
    match code {
        VerdictCode::Unspecified => "No verdict.",
        VerdictCode::Unverifiable => "Signature, chain or clock fails; nothing else is said of it.",
        VerdictCode::Authorised => {
            "A request in force covers target, time, place, method and audience, and the rule names it."
        }
        VerdictCode::AuthorisedMisreferenced => {
            "Covered, but the rule names another request, or none."
        }
        VerdictCode::AuthorisedProvisional => {
            "Covered only by an oral or emergency request that still has to be confirmed."
        }
        VerdictCode::Undetermined => "What is recorded does not settle it.",
        VerdictCode::NoBasis => {
            "The rule names no request, and no request in the register touches its target."
        }
        VerdictCode::UnknownBasis => "The request that the rule names is not in the register.",
        VerdictCode::BasisNotAccepted => {
            "The request is under review, challenged or refused, and carried out all the same."
        }
        VerdictCode::TooEarly => "Blocked before the request took effect.",
        VerdictCode::Expired => "Blocked after the request had ended.",
        VerdictCode::Revoked => "Blocked after the request was withdrawn or revoked.",
        VerdictCode::Suspended => "Blocked while the request was suspended.",
        VerdictCode::Lapsed => "Blocked although the request was not confirmed in time.",
        VerdictCode::InRemovalGrace => "The request has ended; the time for removal still runs.",
        VerdictCode::AnnulledRetroactively => {
            "Covered as was known then; the request has been annulled from the start."
        }
        VerdictCode::OutOfScopeTarget => "What is blocked is not what the request names.",
        VerdictCode::Overbroad => "The rule blocks more than the request names.",
        VerdictCode::WrongPlace => "Blocked where the request does not hold.",
        VerdictCode::WrongAudience => "Blocked for customers whom the request does not concern.",
        VerdictCode::WrongMethod => "Blocked in a way that the request does not permit.",
        VerdictCode::TosMeasure => "The operator's own, under its terms of service.",
        VerdictCode::SecurityMeasure => "The operator's own, for security.",
        VerdictCode::UserChoice => "Chosen by the customer.",
        VerdictCode::BaselineUnattributed => {
            "It stood before the node was enrolled, and nobody has explained it yet."
        }
    }
}

pub(super) fn undetermined(reason: UndeterminedReason) -> &'static str {
    match reason {
        UndeterminedReason::Unspecified => "No reason is stated.",
        UndeterminedReason::Boundary => "A request's bound lies inside the window of the record.",
        UndeterminedReason::Erased => "What would tell the target has been erased or withheld.",
        UndeterminedReason::Imported => "Read from an old log, not recorded as it happened.",
        UndeterminedReason::LateRegister => {
            "The block names a request that is not in the register, and the time to enter it is not over yet."
        }
        UndeterminedReason::Gap => "A gap in the records hides what would settle it.",
        UndeterminedReason::Secret => "A request that may cover it is not visible here.",
        UndeterminedReason::Scope => "A request does not say where it holds.",
        UndeterminedReason::NotUnderstood => "The rule, or the request, is not fully understood.",
        UndeterminedReason::AmbiguousRule => {
            "Several rules could have caused the hits, and they may rest on different things."
        }
        UndeterminedReason::TooMany => {
            "More entries of the register touch it than one verdict looks at, and none that was looked at covers it."
        }
    }
}

pub(super) fn added(finding: AddedFinding) -> &'static str {
    match finding {
        AddedFinding::Unspecified => "Nothing.",
        AddedFinding::Collateral => "Others were hit beside the target.",
        AddedFinding::MisleadingResponse => "The answer hides or misstates that it is a block.",
        AddedFinding::TosLabelDoubtful => {
            "Labelled as the operator's own, and there are signs of a government's request."
        }
        AddedFinding::ThirdPartyAction => "Done by somebody else than the operator.",
        AddedFinding::Unattributed => "Who did it is not known.",
        AddedFinding::Unconfirmed => {
            "One person recorded it, and no second person whom the log knows has confirmed it."
        }
    }
}

/// Words that stand on every page.
pub(super) const ALWAYS: [(&str, &str); 9] = [
    (
        "rule",
        "One thing that blocks: a filter rule, one element of its set, one name of a resolver's policy \
         zone.",
    ),
    (
        "cause",
        "Rules with the same verdict, request or claim, authority, and who set them, are one line.",
    ),
    (
        "claims",
        "What a rule itself names as its basis. It is recorded and compared with the register, and \
         never taken for proof.",
    ),
    (
        "hits",
        "Packets or queries on which the rules acted, since the rules stand in this form. \"At most n \
         more\": other rules could be the cause of these. Whom they hit is recorded nowhere.",
    ),
    (
        "since",
        "When the first of these rules was seen to be installed in this form. \"Before the agent\": it \
         stood there when the agent first looked.",
    ),
    ("set by", "Who put the rule there, as far as the node knows."),
    (
        "installed nowhere",
        "A request is in force, and no observed rule carries it out. A question of compliance, kept \
         apart from what is blocked without cover.",
    ),
    (
        "gap, silence",
        "A gap is time that a node says it did not record. In a silence a node said nothing for more \
         than three of its intervals; what it did meanwhile is not known.",
    ),
    (
        "register, log, witness",
        "The register holds the requests as people entered and signed them; the log, what the nodes \
         signed. A witness is an independent party that confirms that neither is rewritten.",
    ),
];
