//! One piece of a rule, with one target, as it is told.

use remit_proto::v1::Technique;

use super::{
    build::{Settings, sampling_log},
    claim::Carriers,
    reach::{Of, Piece},
    target::Aim,
    text::{element_text, native},
};
use crate::{
    observation::{KnownRule, RuleNumber},
    rules::nftables::{Action, DropPath},
};

/// `text`: the rule's own, as it may be written down.
pub(super) fn rule(
    path: &DropPath,
    piece: &Piece<'_>,
    aim: &Aim,
    number: RuleNumber,
    text: &str,
    settings: &Settings<'_>,
) -> KnownRule {
    let (set, element, addition) = match piece.of {
        Of::Rule => (None, None, String::new()),
        Of::Element(known, element) => {
            let comment = element.comment.as_ref().map(|c| format!(" comment {c:?}"));
            let element_text = element_text(element) + comment.as_deref().unwrap_or_default();
            (Some(&known.info), element.comment.as_deref(), format!("; element {element_text}"))
        }
        Of::Rest(known) => {
            let info = &known.info;
            let why = match known.beyond {
                Some(contents) => format!("more than are kept one by one, {contents}"),
                None if known.is_dynamic() => "they change without a commit".to_owned(),
                None => "and this is what none of them matches".to_owned(),
            };
            let addition = format!("; set {} has {} elements, {why}", info.name, info.count);
            (Some(info), None, addition)
        }
    };
    let named = set.filter(|info| !info.reference().anonymous).map(|info| info.name.as_str());
    let carriers = Carriers { path, set: named, element };
    let (claims, claim_origin) = carriers.claims(settings.context);
    let privacy = &settings.context.privacy;
    KnownRule {
        number,
        technique: match path.action {
            // What exceeds a rate is dropped, and the rest goes through.
            Action::Drop if path.throttle.is_some() => Technique::Throttle,
            Action::Drop => Technique::IpAclDrop,
            Action::Reject { .. } => Technique::IpAclReject,
            Action::Divert => Technique::Other,
        },
        trigger: aim.trigger,
        direction: aim.direction,
        actor: carriers.actor(settings.context.default_actor),
        claims,
        claim_origin,
        narrowed: aim.narrowed,
        names_sampled: sampling_log(path, settings.groups).is_some(),
        rate_bits_per_s: path.throttle.and_then(|throttle| throttle.bits_per_s),
        counter: None,
        target: aim.target.clone(),
        native: format!("{text}{}", native(&addition, privacy)),
    }
}
