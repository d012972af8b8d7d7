//! Parts of a request that are committed and not shown (DESIGN.md section 3, "Commitment").
//!
//! A part is a set of salted items of its own ([`crate::chunk`]): its commitment is the set's root in the
//! request, its opening the chunks beside the register. Whoever holds them merges the part back; whoever
//! does not sees that it is there, how secret, until when and why. Each can be erased alone, also one that
//! everybody may see: free text is closed for that.

use prost::Message;
use remit_proto::v1::{self, RequestPart, register_item::Item};

use crate::{
    canonical::{self, Malformed, known, require, short_text},
    chunk::{SetBuilder, check_set},
    commitment::Salt,
};

/// Targets of one item of a part; an item must fit a chunk.
const TARGETS_PER_ITEM: usize = 500;

/// Moves the fields of a part out of a request; `None` if there are none.
pub fn take(request: &mut v1::Request, part: RequestPart) -> Option<v1::Request> {
    let mut out = v1::Request::default();
    match part {
        RequestPart::Unspecified => {}
        RequestPart::Targets => {
            let targets = request.task.as_mut().map(|task| std::mem::take(&mut task.targets));
            if let Some(targets) = targets.filter(|targets| !targets.is_empty()) {
                out.task = Some(v1::Task { targets, ..v1::Task::default() });
            }
        }
        RequestPart::Scope => {
            if let Some(scope) = request.task.as_mut().and_then(|task| task.scope.take()) {
                out.task = Some(v1::Task { scope: Some(scope), ..v1::Task::default() });
            }
        }
        RequestPart::Measure => {
            if let Some(measure) = request.task.as_mut().and_then(|task| task.measure.take()) {
                out.task = Some(v1::Task { measure: Some(measure), ..v1::Task::default() });
            }
        }
        RequestPart::Documents => out.documents = std::mem::take(&mut request.documents),
        RequestPart::Remarks => {
            let decision = request.decision.as_mut().map(|decision| v1::OperatorDecision {
                text: std::mem::take(&mut decision.text),
                escalation: std::mem::take(&mut decision.escalation),
                ..v1::OperatorDecision::default()
            });
            let impact = request.impact.as_mut().map(|impact| v1::ImpactAssessment {
                collateral_estimate: std::mem::take(&mut impact.collateral_estimate),
                ..v1::ImpactAssessment::default()
            });
            out.decision = decision.filter(|taken| *taken != v1::OperatorDecision::default());
            out.impact = impact.filter(|taken| *taken != v1::ImpactAssessment::default());
        }
        RequestPart::Reasons
        | RequestPart::Reference
        | RequestPart::Authority
        | RequestPart::Officer
        | RequestPart::Parties => {
            let taken = request.authorisation.as_mut().map(|deed| take_of_deed(deed, part));
            out.authorisation = taken.filter(|taken| *taken != v1::Authorisation::default());
        }
    }
    (out != v1::Request::default()).then_some(out)
}

fn take_of_deed(deed: &mut v1::Authorisation, part: RequestPart) -> v1::Authorisation {
    let mut out = v1::Authorisation::default();
    match part {
        RequestPart::Reasons => {
            out.statement_of_reasons = std::mem::take(&mut deed.statement_of_reasons);
            out.keywords = std::mem::take(&mut deed.keywords);
        }
        RequestPart::Reference => {
            out.external_ref = std::mem::take(&mut deed.external_ref);
            out.court = std::mem::take(&mut deed.court);
            out.docket = std::mem::take(&mut deed.docket);
            out.ecli = std::mem::take(&mut deed.ecli);
        }
        RequestPart::Authority => {
            if let Some(authority) = &mut deed.authority {
                let officer = authority.officer.take();
                let mut taken = std::mem::take(authority);
                authority.officer = officer;
                taken.officer = None;
                out.authority = Some(taken).filter(|a| *a != v1::Authority::default());
            }
        }
        RequestPart::Officer => {
            let officer = deed.authority.as_mut().and_then(|authority| authority.officer.take());
            out.authority = officer.map(|officer| v1::Authority {
                officer: Some(officer),
                ..v1::Authority::default()
            });
        }
        RequestPart::Parties => out.parties = std::mem::take(&mut deed.parties),
        RequestPart::Unspecified
        | RequestPart::Targets
        | RequestPart::Scope
        | RequestPart::Measure
        | RequestPart::Remarks
        | RequestPart::Documents => {}
    }
    out
}

/// Puts a part back. Repeated fields are appended, others set: prost's own merge.
pub fn put_back(request: &mut v1::Request, part: &v1::Request) -> Result<(), Malformed> {
    request.merge(part.encode_to_vec().as_slice()).map_err(|_| Malformed::NotProtobuf)
}

/// Closes a part: its fields leave the request, and what opens it is returned as chunks; `None`: there was
/// nothing to close.
pub fn close<E>(
    request: &mut v1::Request,
    closed: v1::ClosedPart,
    mut salt: impl FnMut() -> Result<Salt, E>,
) -> Result<Option<Vec<Vec<u8>>>, E> {
    let Some(fields) = take(request, closed.part()) else { return Ok(None) };
    let (mut builder, mut chunks) = (SetBuilder::new(), Vec::new());
    for item in pieces(fields) {
        chunks.extend(builder.push(salt()?, canonical::encode(&item)));
    }
    let (set, last) = builder.finish();
    chunks.extend(last);
    request.closed.push(v1::ClosedPart { opening: Some(set), ..closed });
    Ok(Some(chunks))
}

/// The fields of a part in pieces that a chunk has room for; merged in their order they are the part.
pub fn pieces(mut fields: v1::Request) -> Vec<v1::Request> {
    let targets = fields.task.as_mut().map(|task| std::mem::take(&mut task.targets));
    let targets = targets.unwrap_or_default();
    if targets.is_empty() {
        return vec![fields];
    }
    let item = |targets: &[v1::RequestTarget]| v1::Request {
        task: Some(v1::Task { targets: targets.to_vec(), ..v1::Task::default() }),
        ..v1::Request::default()
    };
    targets.chunks(TARGETS_PER_ITEM).map(item).collect()
}

/// The value check of what stands in a request about its closed parts; and that their fields are not
/// in the clear beside them. The name of an officer never is.
pub fn check(request: &v1::Request) -> Result<(), Malformed> {
    let mut rest = request.clone();
    for (at, v1::ClosedPart { part, tier, until_s, ground, opening }) in
        request.closed.iter().enumerate()
    {
        let kind = known::<RequestPart>(*part, "closed.part")?;
        let tier = known::<v1::DisclosureTier>(*tier, "closed.tier")?;
        let hides = tier != v1::DisclosureTier::Public;
        require(hides || *until_s == 0, "closed.until_s", "0 for what is public already")?;
        require(
            hides || kind != RequestPart::Officer,
            "closed.tier",
            "a person's name is not public",
        )?;
        short_text(ground, 1000, "closed.ground")?;
        let set = opening.as_ref().ok_or(Malformed::Missing { field: "closed.opening" })?;
        check_set(set)?;
        require(set.count > 0, "closed.opening", "at least one item")?;
        let first = request.closed.iter().position(|other| other.part == *part);
        require(first == Some(at), "closed.part", "each once")?;
        require(take(&mut rest, kind).is_none(), "closed.part", "not in the clear beside it")?;
    }
    let named = take(&mut rest, RequestPart::Officer).is_some();
    require(!named, "authority.officer", "in a closed part: a person's name can be erased")
}

/// What the items of an opening say, merged; each of them may hold fields of this part alone.
pub fn opened(part: &v1::ClosedPart, items: &[Vec<u8>]) -> Result<v1::Request, Malformed> {
    let mut fields = v1::Request::default();
    for item in items {
        let read: v1::Request = canonical::decode(item, crate::CHUNK_SIZE_MAX)?;
        let mut rest = read.clone();
        let held = take(&mut rest, part.part()).is_some();
        require(held && is_empty(rest), "closed.opening", "fields of its part, and nothing else")?;
        put_back(&mut fields, &read)?;
    }
    Ok(fields)
}

/// Nothing but the shells of messages.
fn is_empty(mut request: v1::Request) -> bool {
    if let Some(deed) = &mut request.authorisation {
        deed.authority = deed.authority.take().filter(|a| *a != v1::Authority::default());
    }
    request.authorisation =
        request.authorisation.filter(|deed| *deed != v1::Authorisation::default());
    request.task = request.task.filter(|task| *task != v1::Task::default());
    request.decision = request.decision.filter(|made| *made != v1::OperatorDecision::default());
    request.impact = request.impact.filter(|made| *made != v1::ImpactAssessment::default());
    request == v1::Request::default()
}

/// What the closed parts of a request say, of every part whose opening is held. `open` finds the items of a
/// part, checked against the root of its set. A part that opens to something else is an error.
pub fn opened_parts(
    request: &v1::Request,
    mut open: impl FnMut(&v1::ClosedPart) -> Option<Vec<Vec<u8>>>,
) -> Result<Vec<v1::OpenedPart>, Malformed> {
    let parts = request.closed.iter().filter_map(|part| {
        let fields = opened(part, &open(part)?).map(Some);
        let request_id = request.id.clone();
        Some(fields.map(|fields| v1::OpenedPart { request_id, part: part.part, fields }))
    });
    parts.collect()
}

/// The same of all requests of an import, as items beside its own.
pub fn beside(
    items: &[v1::RegisterItem],
    mut open: impl FnMut(&v1::ClosedPart) -> Option<Vec<Vec<u8>>>,
) -> Result<Vec<v1::RegisterItem>, Malformed> {
    let mut found = Vec::new();
    for item in items {
        let Some(Item::Request(request)) = &item.item else { continue };
        let parts = opened_parts(request, &mut open)?.into_iter();
        found.extend(parts.map(|part| v1::RegisterItem { item: Some(Item::Opened(part)) }));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::open_set;

    fn request() -> v1::Request {
        let target =
            |name: &str| v1::RequestTarget { raw: name.to_owned(), ..v1::RequestTarget::default() };
        v1::Request {
            id: "req-7".into(),
            version: 1,
            authorisation: Some(v1::Authorisation {
                statement_of_reasons: "because".into(),
                authority: Some(v1::Authority {
                    name: "Court".into(),
                    officer: Some(v1::Officer { name: "N. N.".into(), ..v1::Officer::default() }),
                    ..v1::Authority::default()
                }),
                ..v1::Authorisation::default()
            }),
            task: Some(v1::Task {
                targets: (0..1200).map(|n| target(&n.to_string())).collect(),
                scope: Some(v1::Scope { territories: vec!["DE".into()], ..v1::Scope::default() }),
                measure: Some(v1::Measure { outcome_only: true, ..v1::Measure::default() }),
                effective_from_s: 7,
                ..v1::Task::default()
            }),
            decision: Some(v1::OperatorDecision {
                kind: v1::DecisionKind::Challenge.into(),
                text: "too wide".into(),
                ..v1::OperatorDecision::default()
            }),
            ..v1::Request::default()
        }
    }

    fn secret(part: RequestPart) -> v1::ClosedPart {
        v1::ClosedPart {
            part: part.into(),
            tier: v1::DisclosureTier::Secret.into(),
            ..v1::ClosedPart::default()
        }
    }

    fn closed(request: &mut v1::Request, part: RequestPart) -> Option<Vec<Vec<u8>>> {
        let mut number = 0;
        let salt = || -> Result<Salt, ()> {
            number += 1;
            Ok(Salt([number; 16]))
        };
        close(request, secret(part), salt).unwrap()
    }

    #[test]
    fn a_part_is_put_back_as_it_was() {
        for part in [
            RequestPart::Targets,
            RequestPart::Scope,
            RequestPart::Measure,
            RequestPart::Reasons,
            RequestPart::Authority,
            RequestPart::Officer,
            RequestPart::Remarks,
        ] {
            let mut left = request();
            if part != RequestPart::Officer {
                take(&mut left, RequestPart::Officer);
            }
            let whole = left.clone();
            let chunks = closed(&mut left, part).unwrap();
            assert_eq!(check(&left), Ok(()), "{part:?}");
            assert_ne!(left.encode_to_vec(), whole.encode_to_vec());
            let set = left.closed[0].opening.clone().unwrap();
            let items = open_set(&set, &chunks).unwrap();
            let fields = opened(&left.closed[0], &items).unwrap();
            left.closed.clear();
            put_back(&mut left, &fields).unwrap();
            assert_eq!(left, whole, "{part:?}");
        }
    }

    #[test]
    fn what_is_closed_does_not_stand_in_the_clear() {
        let refused = |request: &v1::Request| check(request).unwrap_err().to_string();
        assert!(refused(&request()).contains("authority.officer"));
        let mut left = request();
        closed(&mut left, RequestPart::Officer);
        closed(&mut left, RequestPart::Scope);
        let mut beside = left.clone();
        beside.task.as_mut().unwrap().scope = Some(v1::Scope::default());
        assert!(refused(&beside).contains("closed.part"));
        let mut twice = left.clone();
        twice.closed.push(left.closed[1].clone());
        assert!(refused(&twice).contains("closed.part"));
        let mut public = left;
        public.closed[0].tier = v1::DisclosureTier::Public.into();
        assert!(refused(&public).contains("closed.tier"));
    }

    #[test]
    fn an_opening_holds_its_part_and_nothing_else() {
        let mut left = request();
        closed(&mut left, RequestPart::Officer);
        let part = secret(RequestPart::Scope);
        let items = [canonical::encode(&request())];
        assert!(opened(&part, &items).is_err(), "it smuggles targets in");
        assert!(opened(&part, &[canonical::encode(&v1::Request::default())]).is_err());
    }

    #[test]
    fn nothing_cannot_be_closed() {
        assert_eq!(closed(&mut request(), RequestPart::Documents), None);
    }
}
