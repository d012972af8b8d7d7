//! Values of the wire as words, and words that people type as values.

use evidence::Claim;
use register::{screen_word, target::kind_word};
use remit_proto::v1::{self, VerdictCode};

use crate::exit::CliError;

/// "EXPIRED", "UNDETERMINED(boundary)".
pub(crate) fn verdict_code(verdict: &v1::Verdict) -> String {
    let code = short(verdict.code().as_str_name(), "VERDICT_CODE_");
    match verdict.undetermined() {
        v1::UndeterminedReason::Unspecified => code,
        reason => {
            let reason = short(reason.as_str_name(), "UNDETERMINED_REASON_").to_lowercase();
            format!("{code}({reason})")
        }
    }
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

/// "1 rule", "2 rules".
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A rule's number as 16 digits, base 16. It uses all 64 bits: as a JSON number, or in a spreadsheet,
/// it would be rounded to that of another rule.
pub(crate) fn rule(number: u64) -> String {
    format!("{number:016x}")
}

/// Every technique that can be asked for.
pub(crate) fn techniques() -> Vec<String> {
    (1..=64)
        .filter_map(|number| v1::Technique::try_from(number).ok())
        .map(|technique| word(technique.as_str_name(), "TECHNIQUE_"))
        .collect()
}

/// "domain_exact example.org"; a withheld target is said to be.
pub(crate) fn target(target: Option<&v1::Target>) -> String {
    match target {
        Some(target) => target.value.clone(),
        None => "(withheld)".to_owned(),
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

/// A code, in any case and with `-` for `_`, or a screen word: all its codes.
pub(crate) fn verdicts_from(text: &str) -> Result<Vec<VerdictCode>, CliError> {
    let all = || (1..=64).filter_map(|number| VerdictCode::try_from(number).ok());
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let wanted = plain(text);
    let by_code: Vec<_> =
        all().filter(|c| plain(&short(c.as_str_name(), "VERDICT_CODE_")) == wanted).collect();
    if !by_code.is_empty() {
        return Ok(by_code);
    }
    let by_word: Vec<_> = all().filter(|c| plain(screen_word(*c).as_str()) == wanted).collect();
    if by_word.is_empty() {
        return Err(CliError::Usage(format!(
            "--verdict: {text:?} is neither a code such as EXPIRED or no-basis nor a word such as \
             covered, \"out of time\", \"beyond its request\", \"no covering request\""
        )));
    }
    Ok(by_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_filter_is_a_code_or_a_word() {
        assert_eq!(verdicts_from("no-basis").unwrap(), [VerdictCode::NoBasis]);
        assert_eq!(verdicts_from("EXPIRED").unwrap(), [VerdictCode::Expired]);
        assert_eq!(verdicts_from("own measure").unwrap().len(), 3);
        assert!(verdicts_from("fine").is_err());
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
