//! Values of the wire as words, and words that people type as values.

use evidence::Claim;
use register::{screen_word, target::kind_word};
use remit_proto::v1::{
    self, AddedFinding, DutyCode, EntryCode, IntegrityCode, UndeterminedReason, VerdictCode,
};

use crate::exit::CliError;

/// "EXPIRED", "UNDETERMINED(boundary)".
pub(crate) fn verdict_code(verdict: &v1::Verdict) -> String {
    match verdict.undetermined() {
        UndeterminedReason::Unspecified => verdict_name(verdict.code()),
        reason => undetermined_name(reason),
    }
}

/// The codes of what else the request fails in.
pub(crate) fn besides(verdict: &v1::Verdict) -> Vec<String> {
    verdict.besides.iter().map(|failure| verdict_name(failure.code())).collect()
}

pub(crate) fn verdict_word(verdict: &v1::Verdict) -> &'static str {
    screen_word(verdict.code()).as_str()
}

/// "nftables", "counter_reset": a value of the wire without its prefix, in lower case.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    short(name, prefix).to_lowercase()
}

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

/// A digest, as it is shown everywhere.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn technique(technique: v1::Technique) -> String {
    word(technique.as_str_name(), "TECHNIQUE_")
}

pub(crate) fn source(rule: &v1::Rule) -> String {
    word(rule.source().as_str_name(), "SOURCE_KIND_")
}

/// A rule claims something, and none of it is shown.
pub(crate) fn claims_are_withheld(rule: &v1::Rule) -> bool {
    use v1::ClaimOrigin::{None, Unspecified};
    rule.claims.is_empty() && !matches!(rule.claim_origin(), None | Unspecified)
}

pub(crate) fn claim_origin(rule: &v1::Rule) -> String {
    word(rule.claim_origin().as_str_name(), "CLAIM_ORIGIN_")
}

/// Two lower-case digits for each byte.
pub(crate) fn base16(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// "1 rule", "2 rules".
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Of a rule that logs some of its hits.
pub(crate) const NAMES_SAMPLED: &str =
    "What this rule hits is named for a sample of its hits; their number is exact, by its counter.";

/// A rule's number as 16 digits, base 16. It uses all 64 bits: as a JSON number, or in a spreadsheet,
/// it would be rounded to that of another rule.
pub(crate) fn rule(number: u64) -> String {
    format!("{number:016x}")
}

/// "domain_exact:example.org": a name, and all below it, have one value. A withheld target is said to be.
pub(crate) fn typed_target(target: Option<&v1::Target>) -> String {
    match target {
        Some(_) => format!("{}:{}", target_kind(target), self::target(target)),
        None => self::target(None),
    }
}

/// "example.org", where the kind stands beside it; a withheld target is said to be.
pub(crate) fn target(target: Option<&v1::Target>) -> String {
    match target {
        Some(target) => target.value.clone(),
        None => "(withheld)".to_owned(),
    }
}

/// Hits of a rule, some of which another rule may have done.
pub(crate) fn hits(sure: u64, shared: u64) -> String {
    match shared {
        0 => sure.to_string(),
        shared => format!("{sure} to {}", sure.saturating_add(shared)),
    }
}

pub(crate) fn target_kind(target: Option<&v1::Target>) -> String {
    target.map_or_else(String::new, |t| kind_word(t.kind()).to_owned())
}

pub(crate) fn claims(claims: &[v1::Claim]) -> Vec<String> {
    claims
        .iter()
        .map(|claim| Claim::try_from(claim).map_or_else(|_| "?".to_owned(), |c| c.to_string()))
        .collect()
}

pub(crate) fn person(attributed: &v1::AttributedLater) -> String {
    person_ref(attributed.by.as_ref())
}

/// "operator person-1".
pub(crate) fn person_ref(person: Option<&v1::PersonRef>) -> String {
    let by = person.cloned().unwrap_or_default();
    format!("{} {}", register::words::role(by.role()), by.person)
}

pub(crate) fn deed_kind(deed: &v1::ServiceAction) -> String {
    word(deed.kind().as_str_name(), "SERVICE_ACTION_KIND_")
}

pub(crate) fn deed_act(deed: &v1::ServiceAction) -> String {
    word(deed.act().as_str_name(), "SERVICE_ACT_")
}

pub(crate) fn attestation(deed: &v1::ServiceAction) -> String {
    word(deed.attestation().as_str_name(), "ATTESTATION_")
}

/// The six fields of a filter that say which verdict a row must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Codes {
    pub(crate) verdicts: Vec<i32>,
    pub(crate) undetermined: Vec<i32>,
    pub(crate) added: Vec<i32>,
    pub(crate) duties: Vec<i32>,
    pub(crate) integrity: Vec<i32>,
    pub(crate) entries: Vec<i32>,
    /// "MISSING_ELEMENT(redress)": of a code that is taken, not all.
    in_full: Vec<String>,
    /// Codes that are taken whatever stands in brackets.
    whole: Vec<String>,
}

/// What is not known of a duty, as docs/findings.md lists it; of a verdict it is a reason.
const DUTY_DETAILS: [&str; 4] = ["silent", "start", "removal", "conditions"];

impl Codes {
    /// Everything that tables show beside a row: EXPIRED, UNDETERMINED(boundary), NOT_ENFORCED, a
    /// screen word, which means all its codes, or both as a cell has them, "out of time (EXPIRED)".
    /// In any case, and with `-` or a space for `_`. What a finding's code stands beside in brackets,
    /// MISSING_ELEMENT(redress), is asked for too.
    pub(crate) fn take(&mut self, text: &str) -> Result<(), CliError> {
        let shown =
            text.split_once(" (").map_or(text, |(_, code)| code.strip_suffix(')').unwrap_or(code));
        if self.take_code(shown) {
            self.whole.push(plain(shown));
            return Ok(());
        }
        let parts = |text: &'_ str| {
            let (code, detail) = text.strip_suffix(')')?.split_once('(')?;
            Some((code.to_owned(), detail.to_owned()))
        };
        // "FORKED (superseded)" too.
        let with_detail = parts(shown).or_else(|| parts(text));
        let with_detail = with_detail.filter(|(code, detail)| {
            plain(code) != "undetermined" || DUTY_DETAILS.contains(&plain(detail).as_str())
        });
        if let Some((code, detail)) = with_detail {
            let before = self.clone();
            if self.take_code(&code) {
                let Self { duties, integrity, entries, .. } = &before;
                let has_details = plain(&code) == "undetermined"
                    || *duties != self.duties
                    || *integrity != self.integrity
                    || *entries != self.entries;
                if has_details {
                    self.in_full.push(format!(
                        "{}({})",
                        plain(&code).to_uppercase(),
                        detail.trim()
                    ));
                } else {
                    self.whole.push(plain(&code));
                    eprintln!(
                        "note: --verdict {text}: taken are all with {code}, whatever stands in brackets"
                    );
                }
                return Ok(());
            }
        }
        Err(unknown(text))
    }

    /// Codes with their details, but for those that are wanted with any.
    pub(crate) fn in_full(&self) -> Vec<String> {
        let is_whole = |text: &&String| {
            let code = text.split('(').next().unwrap_or_default();
            self.whole.contains(&plain(code))
        };
        self.in_full.iter().filter(|text| !is_whole(text)).cloned().collect()
    }

    /// Whether it is one.
    fn take_code(&mut self, text: &str) -> bool {
        let wanted = plain(text);
        let before = self.clone();
        self.verdicts.extend(
            all::<VerdictCode>()
                .filter(|code| {
                    plain(&verdict_name(*code)) == wanted
                        || plain(screen_word(*code).as_str()) == wanted
                })
                .map(i32::from),
        );
        let reasons =
            all::<UndeterminedReason>().filter(|r| plain(&undetermined_name(*r)) == wanted);
        self.undetermined.extend(reasons.map(i32::from));
        let added = all::<AddedFinding>().filter(|added| plain(&added_name(*added)) == wanted);
        self.added.extend(added.map(i32::from));
        self.duties.extend(
            all::<DutyCode>().filter(|duty| plain(&duty_name(*duty)) == wanted).map(i32::from),
        );
        let integrity =
            all::<IntegrityCode>().filter(|code| plain(&integrity_name(*code)) == wanted);
        self.integrity.extend(integrity.map(i32::from));
        let entries = all::<EntryCode>().filter(|code| plain(&entry_name(*code)) == wanted);
        self.entries.extend(entries.map(i32::from));
        *self != before
    }
}

fn unknown(text: &str) -> CliError {
    CliError::Usage(format!(
        "--verdict: {text:?} is unknown; want a word ({}), a verdict ({}, or {}), what is added \
             to one ({}), or a finding about what a request demands ({}), about its entry in the register \
             ({}) or about a node ({})",
        screen_words().join(", "),
        list(all::<VerdictCode>().map(verdict_name)),
        list(all::<UndeterminedReason>().map(undetermined_name)),
        list(all::<AddedFinding>().map(added_name)),
        list(all::<DutyCode>().map(duty_name)),
        list(all::<EntryCode>().map(entry_name)),
        list(all::<IntegrityCode>().map(integrity_name)),
    ))
}

fn plain(text: &str) -> String {
    text.trim().to_lowercase().replace(['-', ' '], "_")
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Every value of an enum of the wire but the unspecified one.
fn all<E: TryFrom<i32>>() -> impl Iterator<Item = E> {
    (1..=64).filter_map(|number| E::try_from(number).ok())
}

fn verdict_name(code: VerdictCode) -> String {
    short(code.as_str_name(), "VERDICT_CODE_")
}

fn undetermined_name(reason: UndeterminedReason) -> String {
    let reason = short(reason.as_str_name(), "UNDETERMINED_REASON_").to_lowercase();
    format!("{}({reason})", verdict_name(VerdictCode::Undetermined))
}

fn added_name(added: AddedFinding) -> String {
    short(added.as_str_name(), "ADDED_FINDING_")
}

fn duty_name(duty: DutyCode) -> String {
    short(duty.as_str_name(), "DUTY_CODE_")
}

fn entry_name(code: EntryCode) -> String {
    short(code.as_str_name(), "ENTRY_CODE_")
}

fn integrity_name(code: IntegrityCode) -> String {
    short(code.as_str_name(), "INTEGRITY_CODE_")
}

fn screen_words() -> Vec<&'static str> {
    let mut words: Vec<&str> = Vec::new();
    for code in all::<VerdictCode>() {
        let word = screen_word(code).as_str();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Codes {
        let mut codes = Codes::default();
        codes.take(text).unwrap();
        codes.whole.clear();
        codes
    }

    #[test]
    fn a_verdict_filter_is_a_code_or_a_word() {
        let expired = Codes { verdicts: vec![VerdictCode::Expired.into()], ..Codes::default() };
        for text in ["EXPIRED", "expired", "out of time (EXPIRED)"] {
            assert_eq!(codes(text), expired, "{text}");
        }
        assert_eq!(codes("no-basis").verdicts, [i32::from(VerdictCode::NoBasis)]);
        assert_eq!(codes("own measure").verdicts.len(), 3);
    }

    #[test]
    fn whatever_is_shown_is_understood_in_the_same_spelling() {
        for code in all::<VerdictCode>() {
            let reasons: Vec<i32> = match code {
                VerdictCode::Undetermined => all::<UndeterminedReason>().map(i32::from).collect(),
                _ => vec![0],
            };
            for undetermined in reasons {
                let verdict =
                    v1::Verdict { code: code.into(), undetermined, ..v1::Verdict::default() };
                let shown = verdict_code(&verdict);
                let cell = format!("{} ({shown})", verdict_word(&verdict));
                for text in [shown.as_str(), &cell, verdict_word(&verdict)] {
                    assert!(codes(text) != Codes::default(), "{text}");
                }
                assert_eq!(codes(&shown), codes(&cell));
            }
        }
        assert_eq!(codes("UNDETERMINED(boundary)").undetermined, [1]);
        assert!(codes("UNDETERMINED(boundary)").verdicts.is_empty(), "this reason alone");
        let duty = Codes { duties: vec![DutyCode::NotEnforced.into()], ..Codes::default() };
        for text in ["NOT_ENFORCED", "not-enforced", "not enforced (NOT_ENFORCED)"] {
            assert_eq!(codes(text), duty, "{text}");
        }
        let entry = Codes { entries: vec![EntryCode::MissingElement.into()], ..Codes::default() };
        let cell = "element missing (MISSING_ELEMENT)";
        for text in ["MISSING_ELEMENT", "missing-element", cell] {
            assert_eq!(codes(text), entry, "{text}");
        }
        assert_eq!(codes("COLLATERAL").added, [i32::from(AddedFinding::Collateral)]);
    }

    #[test]
    fn what_stands_in_brackets_is_asked_for_too_unless_all_are_wanted() {
        let asked = |texts: &[&str]| {
            let mut codes = Codes::default();
            texts.iter().for_each(|text| codes.take(text).unwrap());
            codes.in_full()
        };
        let redress = "MISSING_ELEMENT(redress)";
        let cell = "element missing (MISSING_ELEMENT(redress))";
        for text in [redress, "missing-element(redress)", cell] {
            assert_eq!(asked(&[text]), [redress], "{text}");
            assert_eq!(codes(text).entries, [i32::from(EntryCode::MissingElement)]);
        }
        assert_eq!(asked(&[redress, "CONFLICT(court/2)"]), [redress, "CONFLICT(court/2)"]);
        assert_eq!(asked(&["FORKED (superseded)"]), ["FORKED(superseded)"]);
        assert_eq!(asked(&["UNDETERMINED(silent)"]), ["UNDETERMINED(silent)"]);
        assert_eq!(asked(&[redress, "MISSING_ELEMENT"]), [""; 0]);
        // A reason of a verdict has a field of its own, and other verdicts have no detail.
        assert_eq!(asked(&["UNDETERMINED(boundary)", "EXPIRED(x)"]), [""; 0]);
    }

    #[test]
    fn an_unknown_code_gets_the_list_of_known_ones() {
        let text = Codes::default().take("fine").unwrap_err().to_string();
        for known in ["out of time", "EXPIRED", "UNDETERMINED(gap)", "COLLATERAL", "NOT_ENFORCED"] {
            assert!(text.contains(known), "{known}: {text}");
        }
    }

    #[test]
    fn an_undetermined_verdict_carries_its_reason() {
        let verdict = v1::Verdict {
            code: VerdictCode::Undetermined.into(),
            undetermined: v1::UndeterminedReason::Boundary.into(),
            ..v1::Verdict::default()
        };
        assert_eq!(verdict_code(&verdict), "UNDETERMINED(boundary)");
    }
}
