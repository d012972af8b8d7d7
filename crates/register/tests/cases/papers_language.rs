//! What the language of the cases says of a request's papers: [`language`](crate::language).
//!
//! `issuer <authority id> · ref <number> · court <name> · docket <number> · competence <result> · review T ·
//! event <words, joined by _> · report T [sent T] · secrecy <tier> [secrecy-until T] · element <element>=<state>`

use register::words;
use remit_proto::v1;

use crate::language::at;

pub(super) fn paper(word: &str, value: &str, request: &mut Parts<'_>) -> bool {
    let Parts { authorisation, notification, task, validity } = request;
    match word {
        "issuer" => {
            authorisation.authority.get_or_insert_default().id = value.to_owned();
        }
        "ref" => authorisation.external_ref = value.to_owned(),
        "court" => authorisation.court = value.to_owned(),
        "docket" => authorisation.docket = value.to_owned(),
        "competence" => {
            let result = words::competence_from(value).unwrap().into();
            authorisation.competence_check =
                Some(v1::CompetenceCheck { result, ..v1::CompetenceCheck::default() });
        }
        "review" => task.review_due_s = at(value),
        "event" => task.until_event = value.replace('_', " "),
        "report" => {
            let due_s = at(value);
            notification.report_effect_to =
                Some(v1::EffectReport { due_s, ..v1::EffectReport::default() });
        }
        "sent" => {
            notification.report_effect_to.as_mut().unwrap().sent_at_s = at(value);
        }
        "secrecy" => {
            let tier = words::tier_from(value).unwrap().into();
            authorisation.confidentiality =
                Some(v1::Confidentiality { tier, ..v1::Confidentiality::default() });
        }
        "secrecy-until" => {
            authorisation.confidentiality.as_mut().unwrap().expires_at_s = at(value);
        }
        "element" => {
            let (element, state) = value.split_once('=').unwrap();
            validity.push(v1::ValidityItem {
                element: words::validity_element_from(element).unwrap().into(),
                state: words::validity_state_from(state).unwrap().into(),
                ..v1::ValidityItem::default()
            });
        }
        _ => return false,
    }
    true
}

pub(super) struct Parts<'r> {
    pub(super) authorisation: &'r mut v1::Authorisation,
    pub(super) notification: &'r mut v1::Notification,
    pub(super) task: &'r mut v1::Task,
    pub(super) validity: &'r mut Vec<v1::ValidityItem>,
}
