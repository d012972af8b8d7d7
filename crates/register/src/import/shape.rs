//! A value of another form than its key wants, in words: serde names types of this program, and repeats a value that may
//! be somebody's name.

use remit_proto::v1::RowFault;

use super::RowError;

/// Of "invalid type: string \"N. N.\", expected struct OfficerRow"; `None`: it is another message.
pub(super) fn other_form(message: &str) -> Option<RowError> {
    let (what, wanted) = message.strip_prefix("invalid type: ")?.split_once(", expected ")?;
    let wanted = wanted_form(wanted.trim());
    let problem = format!("it is {}, and {wanted} is wanted", form(what));
    Some(RowError::new("", problem, format!("write {wanted}")).of_fault(RowFault::Value))
}

/// What serde says of a value, in words where it says it in its own.
pub(super) fn told(message: &str) -> String {
    other_form(message).map_or_else(|| message.to_owned(), |error| error.problem)
}

/// The first word of serde's says it; what follows is the value.
fn form(what: &str) -> &'static str {
    match what.split([' ', '`']).next().unwrap_or_default() {
        "string" => "a text",
        "integer" => "a whole number",
        "floating" => "a number with a fraction",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a table",
        "null" => "null",
        _ => "something else",
    }
}

fn wanted_form(wanted: &str) -> &'static str {
    match wanted {
        "a string" => "a text in quotes",
        "a boolean" => "true or false, without quotes",
        "a sequence" => "a list: [\"...\", \"...\"]",
        "struct OfficerRow" => "officer = { name = \"...\", role = \"...\", contact = \"...\" }",
        "struct AuthorityRow" => "authority = { id = \"...\", name = \"...\", country = \"DE\" }",
        "struct PartyRow" => "{ role = \"defendant\", name = \"...\" }",
        "struct CompetenceRow" => "{ result = \"competent\", verified_by = \"person-7\" }",
        "struct DecisionRow" => "{ kind = \"refuse\", reason = \"incomplete\" }",
        "struct RecurrenceRow" => "{ days = [\"sat\"], from = \"15:00\", until = \"17:30\" }",
        "struct WindowRow" => "{ from = \"...\", until = \"...\" }",
        "struct ValidityRow" => "a word, or a table: { state = \"present\", by = \"person-7\" }",
        _ if wanted.starts_with("struct ") || wanted == "a map" => "a table: { key = \"...\" }",
        _ if wanted.starts_with(['u', 'i']) => "a whole number, without quotes",
        _ => "another form",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_form_is_told_in_words_and_not_repeated() {
        let told = |message: &str| {
            other_form(message).map(|error| format!("{}; {}", error.problem, error.remedy))
        };
        let name = told("invalid type: string \"N. N.\", expected struct OfficerRow").unwrap();
        assert!(name.contains("it is a text, and officer = { name"), "{name}");
        assert!(!name.contains("N. N."), "{name}");
        let flag = told("invalid type: string \"yes\", expected a boolean").unwrap();
        assert!(flag.contains("write true or false, without quotes"), "{flag}");
        let number = told("invalid type: floating point `1.5`, expected u32").unwrap();
        assert!(number.contains("it is a number with a fraction, and a whole number"), "{number}");
        assert_eq!(told("unknown field `who`"), None);
    }
}
