//! What became of a request, and of the proceeding that it depends on.

use std::collections::BTreeMap;

use evidence::RequestId;
use register::{Target, territory, words as field};
use remit_proto::v1::{self, statement::Body};

use super::{Entered, NEEDS_APPROVAL, enter, item_set, send, waits};
use crate::{
    cli::{Decide, Proceeding, Step},
    client::{self, RegisterClient},
    config::Config,
    exit::CliError,
    time,
};

/// What is stated beside the request and the time.
#[derive(Default)]
pub(crate) struct Stated {
    pub(crate) by: Option<String>,
    pub(crate) back_covers: bool,
    pub(crate) decision: Option<v1::OperatorDecision>,
}

pub(crate) async fn change(
    config: &Config,
    kind: v1::TransitionKind,
    args: &Step,
    stated: Stated,
) -> Result<(), CliError> {
    let Step { id, effective_at, reason, awaits_approval, dry_run } = args;
    let id: RequestId = id.parse().map_err(|error| CliError::Usage(format!("{error}")))?;
    let effective_at_s = effective(effective_at.as_deref(), "--effective-at")?;
    let Stated { by, back_covers, decision } = stated;
    let transition = v1::Transition {
        request_id: id.to_string(),
        kind: kind.into(),
        by_request_id: by.unwrap_or_default(),
        decision,
        reason: reason.clone().unwrap_or_default(),
        back_covers,
        awaits_approval: *awaits_approval,
        said: None,
    };
    let mut client = client::register(config).await?;
    let before = steps_waiting(&mut client, &id).await?;
    let entered = state(config, &mut client, transition, effective_at_s, *dry_run).await?;
    let word = match entered {
        Entered::Waits if *dry_run => "would, once somebody else had approved it, be: ",
        Entered::Waits => {
            eprintln!(
                "it waits for a second person, and has no effect until then: remit requests approve {id}"
            );
            "will, once it is approved, be: "
        }
        Entered::Counts if *dry_run => "would be: ",
        Entered::Counts => "",
    };
    eprintln!("{id}: {word}{} from {}", field::transition(kind), time::utc(effective_at_s));
    if *dry_run {
        for step in before.steps.values() {
            eprintln!("{step} waits for a second person, and may not follow any more after this");
        }
    } else {
        let after = steps_waiting(&mut client, &id).await?;
        for (statement, step) in &before.steps {
            if !after.steps.contains_key(statement) {
                eprintln!(
                    "{step} waits no more: it does not follow where the request stands now; state it anew"
                );
            }
        }
    }
    if before.entry_waits {
        eprintln!("{id} itself waits for a second person, and counts for nothing until then");
    }
    still_held(&mut client, &id).await
}

/// What waits of a request for a second person.
struct Waiting {
    /// By the statements that stated them.
    steps: BTreeMap<u64, String>,
    /// No version of it counts yet.
    entry_waits: bool,
}

async fn steps_waiting(client: &mut RegisterClient, id: &RequestId) -> Result<Waiting, CliError> {
    let question = v1::GetRequestRequest { id: id.to_string() };
    let answer = client.get_request(question).await?.into_inner();
    let entry_waits =
        answer.version_count == answer.versions.len() as u64 && answer.versions.iter().all(waits);
    let steps = answer.waiting_transitions.iter().map(|step| {
        let (statement, kind) = (step.statement_index, field::transition(step.kind()));
        let from = time::utc(step.effective_at_s);
        (statement, format!("statement {statement} ({kind} from {from})"))
    });
    Ok(Waiting { steps: steps.collect(), entry_waits })
}

/// Enters it; so that it waits, where the collector wants that.
async fn state(
    config: &Config,
    client: &mut RegisterClient,
    transition: v1::Transition,
    effective_at_s: i64,
    dry_run: bool,
) -> Result<Entered, CliError> {
    let Committed { transition, items, chunks } = commit_texts(transition)?;
    let body = Body::Transition(transition.clone());
    let entered =
        enter(config, client, body, items.clone(), chunks.clone(), effective_at_s, dry_run).await;
    match entered {
        Err(CliError::Refused(refused))
            if refused.is("NEEDS_APPROVAL") && !transition.awaits_approval =>
        {
            eprintln!("{NEEDS_APPROVAL}");
            let body = Body::Transition(v1::Transition { awaits_approval: true, ..transition });
            send(config, client, body, &items, chunks, effective_at_s).await?;
            Ok(Entered::Waits)
        }
        Ok(()) if transition.awaits_approval => Ok(Entered::Waits),
        Ok(()) => Ok(Entered::Counts),
        Err(error) => Err(error),
    }
}

/// A transition with what opens its words: the item of their set, and its chunk.
struct Committed {
    transition: v1::Transition,
    items: Vec<v1::RegisterItem>,
    chunks: Vec<Vec<u8>>,
}

/// What is said of it in words is committed, so that it can be erased.
fn commit_texts(mut transition: v1::Transition) -> Result<Committed, CliError> {
    let reason = std::mem::take(&mut transition.reason);
    let decision = transition.decision.as_mut();
    let (text, escalation) = decision.map_or_else(Default::default, |decision| {
        (std::mem::take(&mut decision.text), std::mem::take(&mut decision.escalation))
    });
    let texts = v1::StatedTexts { reason, text, escalation };
    if texts == v1::StatedTexts::default() {
        return Ok(Committed { transition, items: Vec::new(), chunks: Vec::new() });
    }
    let said = Some(v1::register_item::Item::Said(texts));
    let items = vec![v1::RegisterItem { item: said }];
    let (set, chunks) = item_set(&items)?;
    let transition = v1::Transition { said: Some(set), ..transition };
    Ok(Committed { transition, items, chunks })
}

/// Removal of one order does not free what another holds (DOMAIN.md 3f, "Overlapping orders").
async fn still_held(client: &mut RegisterClient, id: &RequestId) -> Result<(), CliError> {
    let request = v1::GetRequestRequest { id: id.to_string() };
    let versions = client.get_request(request).await?.into_inner().versions;
    let held = versions.into_iter().next_back().map(|row| row.held_by).unwrap_or_default();
    let mut others: Vec<&str> = held.iter().map(|held| held.request_id.as_str()).collect();
    others.sort_unstable();
    others.dedup();
    if !others.is_empty() {
        eprintln!("targets of it are also held by: {}", others.join(", "));
    }
    Ok(())
}

impl Decide {
    pub(crate) fn stated(&self, plain: v1::DecisionKind) -> Result<Stated, CliError> {
        Ok(Stated { decision: self.decision(plain)?, ..Stated::default() })
    }

    pub(crate) fn decision(
        &self,
        plain: v1::DecisionKind,
    ) -> Result<Option<v1::OperatorDecision>, CliError> {
        let Self { step: _, code, text, escalation, not_accepted, only_in } = self;
        let wrong = |flag: &str, problem: String| CliError::Usage(format!("{flag}: {problem}"));
        let kind = match (not_accepted.is_empty(), only_in.is_empty()) {
            (true, true) => plain,
            (false, true) if plain == v1::DecisionKind::Accept => v1::DecisionKind::Partial,
            (true, false) if plain == v1::DecisionKind::Accept => v1::DecisionKind::AcceptNarrowed,
            (false, false) => return Err(wrong("--only-in", "stands beside --not".to_owned())),
            (true, false) => {
                return Err(wrong("--only-in", "narrows an acceptance only".to_owned()));
            }
            (false, true) => return Err(wrong("--not", "narrows an acceptance only".to_owned())),
        };
        let reason = match code {
            None if kind == v1::DecisionKind::Accept => v1::OperatorReason::Unspecified,
            None => {
                let known: Vec<_> = field::operator_reasons().map(field::operator_reason).collect();
                return Err(wrong("--code", format!("say why: one of {}", known.join(", "))));
            }
            Some(word) => field::operator_reason_from(word).ok_or_else(|| {
                let known: Vec<_> = field::operator_reasons().map(field::operator_reason).collect();
                wrong("--code", format!("{word:?} is not one of: {}", known.join(", ")))
            })?,
        };
        let targets = not_accepted.iter().map(|text| {
            let target: Target =
                text.parse().map_err(|error| wrong("--not", format!("{text:?}: {error}")))?;
            Ok(target.to_wire())
        });
        if let Some((problem, remedy)) = only_in.iter().find_map(|text| territory::problem(text)) {
            return Err(wrong("--only-in", format!("{problem}: {remedy}")));
        }
        let says_nothing = code.is_none() && text.is_none() && escalation.is_none();
        if kind == v1::DecisionKind::Accept && says_nothing {
            return Ok(None);
        }
        Ok(Some(v1::OperatorDecision {
            kind: kind.into(),
            reason: reason.into(),
            text: text.clone().unwrap_or_default(),
            escalation: escalation.clone().unwrap_or_default(),
            not_accepted: targets.collect::<Result<_, CliError>>()?,
            accepted_scope: (!only_in.is_empty())
                .then(|| v1::Scope { territories: only_in.clone(), ..v1::Scope::default() }),
        }))
    }
}

/// A proceeding has ended: what depends on it lapses.
pub(crate) async fn proceeding(config: &Config, args: &Proceeding) -> Result<(), CliError> {
    let Proceeding { id, ended_at, outcome, awaits_approval, dry_run } = args;
    let effective_at_s = effective(ended_at.as_deref(), "--ended-at")?;
    let ended = v1::Proceeding {
        id: id.clone(),
        outcome: outcome.clone().unwrap_or_default(),
        awaits_approval: *awaits_approval,
    };
    let mut client = client::register(config).await?;
    let body = Body::Proceeding(ended.clone());
    let none = Vec::new;
    let waits = match enter(config, &mut client, body, none(), Vec::new(), effective_at_s, *dry_run)
        .await
    {
        Err(CliError::Refused(refused))
            if refused.is("NEEDS_APPROVAL") && !ended.awaits_approval =>
        {
            eprintln!("{NEEDS_APPROVAL}");
            let body = Body::Proceeding(v1::Proceeding { awaits_approval: true, ..ended });
            send(config, &mut client, body, &[], Vec::new(), effective_at_s).await?;
            true
        }
        other => other.map(|()| ended.awaits_approval)?,
    };
    if waits && !dry_run {
        eprintln!(
            "it waits for a second person: remit requests approve ID, of any request that depends on it"
        );
    }
    Ok(())
}

fn effective(text: Option<&str>, flag: &'static str) -> Result<i64, CliError> {
    let now_s = time::now_s();
    text.map_or(Ok(now_s), |text| time::parse(text, flag, now_s))
}
