//! How a person can be reached: an e-mail address, a telephone number.
//!
//! Words that are signed in the clear, or that nobody erases, stay for good, and everybody reads them. A name cannot be
//! told from other words; how somebody is reached can, and whoever writes it mostly names somebody. It belongs into a part
//! of the request that is closed and can be erased (`officer.contact`), or nowhere.

/// What of this kind a text holds. The text itself is not told: it would go on into a log.
pub fn contact(text: &str) -> Option<&'static str> {
    if text.split(|c: char| c.is_whitespace() || "<>()[],;\"'".contains(c)).any(is_address) {
        return Some("an e-mail address");
    }
    is_number_in(text).then_some("a telephone number")
}

/// An e-mail address in what stands behind the host of a URL, one escaped too: "?mail=a%40b.example".
pub(crate) fn is_address_in_path(path: &str) -> bool {
    path.replace("%40", "@").split(|c: char| "/?&=:;,#+|".contains(c)).any(is_address)
}

/// "local@domain.tld" (RFC 5321 section 4.1.2); "list:hotline@6" is none.
fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', '!', '?']);
    let Some((local, domain)) = word.rsplit_once('@') else { return false };
    let Some((host, top)) = domain.rsplit_once('.') else { return false };
    !local.is_empty()
        && !host.is_empty()
        && top.chars().count() >= 2
        && top.chars().all(char::is_alphabetic)
}

/// In the international form (ITU-T E.123): "+" and at least seven digits, spaces and marks between them.
fn is_number_in(text: &str) -> bool {
    text.match_indices('+').any(|(at, _)| {
        let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
        let number = rest.chars().take_while(|c| c.is_ascii_digit() || " -/().".contains(*c));
        number.filter(char::is_ascii_digit).count() >= DIGITS_MIN
    })
}

/// A country's digits and the shortest numbers behind them.
const DIGITS_MIN: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_path_is_seen_and_a_handle_is_none() {
        for path in ["/u/max@mail.example/posts", "/?mail=max%40mail.example&x=1", "/a@b.example"] {
            assert!(is_address_in_path(path), "{path}");
        }
        for path in ["/@page", "/@page/a.html", "/npm/x@1.2.3", "/a@b/c.d", "/?q=a+b.example", "/"]
        {
            assert!(!is_address_in_path(path), "{path}");
        }
    }

    #[test]
    fn how_somebody_is_reached_is_seen_and_nothing_else_is() {
        for text in [
            "Herr Schmidt (schmidt@isp.example) set it",
            "to <a.b@c.example>, soon",
            "at x@y.example.",
        ] {
            assert_eq!(contact(text), Some("an e-mail address"), "{text}");
        }
        for text in ["Tel. +49 170 1234567", "+49-30/555-0", "call (+1 202 555 0100)"] {
            assert_eq!(contact(text), Some("a telephone number"), "{text}");
        }
        for text in [
            "",
            "list:hotline@6 holds it",
            "12 O 345/26, section 10 + 11",
            "from 2026-01-31T00:00:00+01:00 on",
            "+1 of 20 rules",
            "https://example.org/@page",
            "the court at 170 1234567",
        ] {
            assert_eq!(contact(text), None, "{text}");
        }
    }
}
