//! What is wrong with a request itself, in words, with what to do about it (DOMAIN.md 3c).

use remit_proto::v1::{self, EntryCode};

use crate::{time, words};

/// `None`: the row is about something else.
fn code(row: &v1::FindingRow) -> Option<EntryCode> {
    if row.kind() != v1::FindingKind::Entry {
        return None;
    }
    EntryCode::from_str_name(&format!("ENTRY_CODE_{}", row.code))
}

/// "element missing (MISSING_ELEMENT(redress))": as `--verdict` takes it.
pub(super) fn cell(row: &v1::FindingRow) -> Option<String> {
    let word = match code(row)? {
        EntryCode::Unspecified => return None,
        EntryCode::MissingElement => "element missing",
        EntryCode::IssuerNotCompetent => "issuer not competent",
        EntryCode::Unnumbered => "no number",
        EntryCode::ConfirmationOverdue => "confirmation overdue",
        EntryCode::ReviewOverdue => "review overdue",
        EntryCode::OpenEnded => "open-ended",
        EntryCode::StaleTarget => "stale target",
        EntryCode::ParentCaseClosed => "case has ended",
        EntryCode::Conflict => "conflict",
        EntryCode::Duplicate => "duplicate",
        EntryCode::BlanketRequest => "blanket request",
        EntryCode::EffectNotReported => "effect not reported",
        EntryCode::SecrecyExpired => "secrecy expired",
        EntryCode::TargetOverbroadOnFace => "target overbroad on its face",
    };
    let detail = if row.detail.is_empty() { String::new() } else { format!("({})", row.detail) };
    Some(format!("{word} ({}{detail})", row.code))
}

/// What it is, and the remedy.
pub(super) fn sentence(row: &v1::FindingRow) -> Option<String> {
    let id = &row.request_id;
    let since = time::utc(row.first_seen_s);
    let (is, remedy) = match code(row)? {
        EntryCode::Unspecified => return None,
        EntryCode::MissingElement if row.detail.contains(':') => {
            let (relation, to) = row.detail.split_once(':').unwrap_or_default();
            (
                format!("says {relation} of request {to}, which the register does not hold"),
                "Correct the id in its relations, or enter the other request.".to_owned(),
            )
        }
        EntryCode::MissingElement => (
            format!("holds nothing of an element that an order must have: {}", element(&row.detail)),
            "Ask the issuer for it, and amend the entry; or state on the checklist why it is not \
             required."
                .to_owned(),
        ),
        EntryCode::IssuerNotCompetent => (
            "was checked, and its issuer has no power to ask for this".to_owned(),
            "Challenge or refuse it, or record what the check overlooked.".to_owned(),
        ),
        EntryCode::Unnumbered => (
            "names neither the authority's own number nor a docket nor an ECLI".to_owned(),
            "Ask the authority for its number, and amend the entry.".to_owned(),
        ),
        EntryCode::ConfirmationOverdue => (
            format!("was oral or urgent and is not confirmed; that was due at {since}"),
            "Stop blocking under it until the confirmation is there, or close it.".to_owned(),
        ),
        EntryCode::ReviewOverdue => (
            format!("was to be looked at again by {since}, and was not"),
            "Review it, and amend it with a new date of review or an end.".to_owned(),
        ),
        EntryCode::OpenEnded => (
            "ends by no time, no event and no proceeding".to_owned(),
            "Ask the issuer for an end, and set a date of review.".to_owned(),
        ),
        EntryCode::StaleTarget => (
            format!(
                "names {} that probes find {} since {since}",
                some(row, "target", "targets"),
                match row.detail.as_str() {
                    "parked" => "parked, by the page's own word,",
                    "seized" => "seized, by the page's own word,",
                    _ => "gone, as their controls do,",
                }
            ),
            "Ask the issuer to withdraw it, and amend the entry.".to_owned(),
        ),
        EntryCode::ParentCaseClosed => (
            format!("depends on a proceeding that ended at {since}"),
            "Stop blocking under it, and close the file; or amend it, if its text holds on.".to_owned(),
        ),
        // Of no target: what its relations say.
        EntryCode::Conflict if row.target.is_none() => (
            format!(
                "says in its relations that request {} holds no more, or not now, and both are in force",
                row.detail
            ),
            "A relation changes nothing: state it of the other one (supersede, suspend, revoke, annul), or \
             correct the relation."
                .to_owned(),
        ),
        EntryCode::Conflict => (
            format!("blocks {} that request {} keeps open", some(row, "target", "targets"), row.detail),
            "A person must decide, with both issuers, which holds; until then the exception stands."
                .to_owned(),
        ),
        EntryCode::Duplicate => (
            format!("asks what request {} asks already, by the same authority", row.detail),
            "State how they are related (confirms, amends, extends), or withdraw one.".to_owned(),
        ),
        EntryCode::BlanketRequest => (
            "is wide and has no end, on no more than the operator's own word".to_owned(),
            "Narrow it, set its end, and hold the document; what it covers is covered by nobody else's \
             word."
                .to_owned(),
        ),
        EntryCode::EffectNotReported => (
            format!("asks to be told what was done, by {since}, and no report is recorded"),
            "Report to the authority, and record when.".to_owned(),
        ),
        EntryCode::SecrecyExpired => (
            format!("is held back by a clause that ran out at {since}"),
            "Disclose it, or record the clause that holds now.".to_owned(),
        ),
        EntryCode::TargetOverbroadOnFace => (
            format!("names {} {}", some(row, "target", "targets"), shared(&row.detail)),
            "Ask the issuer for the page or the name that is meant, before blocking it.".to_owned(),
        ),
    };
    Some(format!("Request {id} {is}. {remedy}"))
}

/// "2 targets, the first is example.org,".
fn some(row: &v1::FindingRow, one: &str, many: &str) -> String {
    let target = words::target(row.target.as_ref());
    match row.target_count {
        0 | 1 => format!("the {one} {target}"),
        count => format!("{count} {many} (the first: {target})"),
    }
}

fn element(word: &str) -> &str {
    match word {
        "legal_basis" => "the legal basis (DSA Art. 9(2)(a)(i))",
        "reasons" => "the statement of reasons (DSA Art. 9(2)(a)(ii))",
        "issuer" => "who issues it (DSA Art. 9(2)(a)(iii))",
        "location" => "where the content is (DSA Art. 9(2)(a)(iv))",
        "redress" => "the ways of redress (DSA Art. 9(2)(a)(v))",
        "effect_report" => "which authority is to be told the effect (DSA Art. 9(2)(a)(vi))",
        "territory" => "a territory, limited to what is strictly necessary (DSA Art. 9(2)(b))",
        "language" => "its language (DSA Art. 9(2)(c))",
        other => other,
    }
}

fn shared(word: &str) -> &str {
    match word {
        "public_suffix" => "at or above a public suffix: everybody's names lie below it",
        "shared_suffix" => "at a suffix whose owner gives the names below it to strangers",
        "shared_host" => "behind which files of many parties lie",
        "shared_address" => "from which a content delivery network serves all its customers",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(code: EntryCode, detail: &str) -> v1::FindingRow {
        let name = code.as_str_name().strip_prefix("ENTRY_CODE_").unwrap();
        v1::FindingRow {
            code: name.into(),
            kind: v1::FindingKind::Entry.into(),
            request_id: "court/1".into(),
            detail: detail.into(),
            target: Some(v1::Target { value: "co.uk".into(), ..v1::Target::default() }),
            target_count: 1,
            ..v1::FindingRow::default()
        }
    }

    #[test]
    fn every_code_has_a_word_a_sentence_and_a_remedy() {
        for code in (1..=64).filter_map(|number| EntryCode::try_from(number).ok()) {
            let row = row(code, "");
            let cell = cell(&row).unwrap();
            assert!(cell.ends_with(&format!("({})", row.code)), "{cell}");
            let sentence = sentence(&row).unwrap();
            assert!(
                sentence.starts_with("Request court/1 ") && sentence.ends_with('.'),
                "{sentence}"
            );
            assert!(sentence.matches(". ").count() >= 1, "no remedy: {sentence}");
        }
    }

    #[test]
    fn what_it_is_about_is_named() {
        let missing = row(EntryCode::MissingElement, "redress");
        assert_eq!(cell(&missing).unwrap(), "element missing (MISSING_ELEMENT(redress))");
        assert!(sentence(&missing).unwrap().contains("Art. 9(2)(a)(v)"));
        let wide = row(EntryCode::TargetOverbroadOnFace, "public_suffix");
        assert!(sentence(&wide).unwrap().contains("the target co.uk at or above a public suffix"));
        let many = v1::FindingRow { target_count: 3, ..row(EntryCode::Conflict, "open/2") };
        let said = "blocks 3 targets (the first: co.uk) that request open/2 keeps open";
        assert!(sentence(&many).unwrap().contains(said));
    }

    #[test]
    fn what_a_relation_says_and_is_not_so_is_told() {
        let nowhere = row(EntryCode::MissingElement, "confirms:court/9");
        assert_eq!(cell(&nowhere).unwrap(), "element missing (MISSING_ELEMENT(confirms:court/9))");
        let said = "says confirms of request court/9, which the register does not hold";
        assert!(sentence(&nowhere).unwrap().contains(said));
        let goes_on = v1::FindingRow { target: None, ..row(EntryCode::Conflict, "court/2") };
        let said = "says in its relations that request court/2 holds no more";
        assert!(sentence(&goes_on).unwrap().contains(said));
    }

    #[test]
    fn a_row_of_another_kind_is_left_to_others() {
        let rule =
            v1::FindingRow { kind: v1::FindingKind::Rule.into(), ..row(EntryCode::Conflict, "") };
        assert_eq!((cell(&rule), sentence(&rule)), (None, None));
    }
}
