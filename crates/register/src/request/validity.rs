//! What an order must hold by DSA Art. 9(2), and which of it this one does.
//!
//! What a person stated of an element speaks. Otherwise the request's own fields do: an element is
//! present if the field that holds it is, or a closed part of that field. Elements that are not met stay
//! in the list.

use remit_proto::v1::{self, RequestPart, ValidityElement, ValidityState};

use super::{Request, Territories};

/// Every element, in the order of the article.
pub fn checklist(request: &Request) -> Vec<v1::ValidityItem> {
    ELEMENTS
        .into_iter()
        .map(|element| {
            let stated = request.particulars.validity.iter().find(|i| i.element() == element);
            stated.cloned().unwrap_or_else(|| v1::ValidityItem {
                element: element.into(),
                state: derived(request, element).into(),
                ..v1::ValidityItem::default()
            })
        })
        .collect()
}

const ELEMENTS: [ValidityElement; 8] = [
    ValidityElement::LegalBasis,
    ValidityElement::Reasons,
    ValidityElement::Issuer,
    ValidityElement::Location,
    ValidityElement::Redress,
    ValidityElement::EffectReport,
    ValidityElement::Territory,
    ValidityElement::Language,
];

fn derived(request: &Request, element: ValidityElement) -> ValidityState {
    if request.is_own_measure() {
        return ValidityState::NotRequired;
    }
    let file = &request.particulars;
    let present = match element {
        ValidityElement::Unspecified => false,
        ValidityElement::LegalBasis => !file.legal_provisions.is_empty(),
        ValidityElement::Reasons => {
            !file.statement_of_reasons.is_empty() || request.closes(RequestPart::Reasons)
        }
        ValidityElement::Issuer => {
            request.authority.as_ref().is_some_and(|a| !a.name.is_empty())
                || request.closes(RequestPart::Authority)
        }
        ValidityElement::Location => {
            request.targets.iter().any(|t| !t.exception) || request.closes(RequestPart::Targets)
        }
        ValidityElement::Redress => !file.redress.is_empty(),
        ValidityElement::EffectReport => file.report_effect_to.is_some(),
        ValidityElement::Territory => {
            matches!(request.scope.territories, Territories::Listed(_))
                || request.withholds(RequestPart::Scope).is_some()
        }
        ValidityElement::Language => !file.language.is_empty(),
    };
    if present { ValidityState::Present } else { ValidityState::Absent }
}
