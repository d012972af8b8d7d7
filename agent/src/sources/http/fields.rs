//! Fields of a log line that a `remit` format writes: words between single spaces, in which the
//! program has written what is not plain as `%20` (Squid) or `\x20` (nginx).

use std::{fs::File, io, net::IpAddr, os::unix::fs::FileExt, path::Path, time::SystemTime};

use remit_proto::v1::{RawLogMedium, Target, TargetKind};

use crate::{
    doctor::Finding,
    observation::HitTarget,
    privacy::Privacy,
    sources::{
        raw_log::{self, OLD_AFTER_S, Shown},
        rpz::owner::name_target,
    },
};

/// The words of a line that begins with `marker`; `None` if it is not text, or not so many.
pub fn words<'a, const COUNT: usize>(line: &'a [u8], marker: &str) -> Option<[&'a str; COUNT]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).ok()?.strip_prefix(marker)?.strip_prefix(' ')?;
    if text.contains(char::is_control) {
        return None;
    }
    let words: Vec<&str> = text.split(' ').collect();
    <[&str; COUNT]>::try_from(words).ok()
}

/// A word with its escapes undone; "-" and "" stand for nothing.
pub fn plain(word: &str) -> Option<String> {
    if matches!(word, "" | "-") {
        return None;
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', after) => after.split_first_chunk::<2>(),
            (b'\\', [b'x', after @ ..]) => after.split_first_chunk::<2>(),
            _ => None,
        };
        let value = escaped.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = value.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))
}

/// The host of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower case, without the last dot.
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// As a URL or a Host header has it, with or without brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let good = (1..=253).contains(&name.len()) && name.bytes().all(of_a_name);
        good.then_some(Self::Name(name))
    }

    /// What was asked for, as a target; `None`: it must not be named.
    pub fn target(&self, privacy: &Privacy) -> Option<Target> {
        match self {
            Self::Address(address) if privacy.is_customer(*address) => {
                Some(privacy.token(*address))
            }
            Self::Address(address) => {
                privacy.may_name(*address).then(|| HitTarget::Address(*address).wire())
            }
            Self::Name(name) => {
                let target = name_target(name, privacy);
                Some(match target.kind() {
                    TargetKind::DomainExact => {
                        Target { kind: TargetKind::HttpHost.into(), value: target.value }
                    }
                    _ => target,
                })
            }
        }
    }
}

/// What `doctor` says of a log: that it can be read, holds what is expected, and where it lies.
/// `good`: whether its last lines are in the format.
pub fn examine_log(
    part: &'static str,
    log: &Path,
    good: &dyn Fn(&[&[u8]]) -> bool,
) -> Vec<Finding> {
    let tail = match last_bytes(log) {
        Ok(tail) => tail,
        Err(error) => {
            return vec![Finding::wrong(
                part,
                format!("the log {}: {error}", log.display()),
                "have the program write it (remit-agent template), readable for the agent's user",
            )];
        }
    };
    let lines: Vec<&[u8]> = tail.split(|byte| *byte == b'\n').collect();
    // The first may begin in its middle, the last may not be whole.
    let whole = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
    let mut findings = vec![match good(whole) {
        true => Finding::fine(part, format!("the log {} can be read", log.display())),
        false => Finding::wrong(
            part,
            format!("no line at the end of {} is in the format that is read", log.display()),
            "use the log format of `remit-agent template`, for this log alone",
        ),
    }];
    let kept = raw_log::file(log, false, SystemTime::now());
    let shown = Shown(&kept);
    findings.push(match kept.medium() {
        RawLogMedium::Memory | RawLogMedium::Stream if kept.oldest_age_s < OLD_AFTER_S => {
            Finding::fine(part, format!("raw lines are kept {shown}"))
        }
        _ => Finding::incomplete(
            part,
            format!("raw lines may outlive their purpose: they are kept {shown}"),
            "write it to a tmpfs of limited size and rotate it often, as the template says",
        ),
    });
    findings
}

fn last_bytes(log: &Path) -> io::Result<Vec<u8>> {
    const SIZE: u64 = 16 * 1024;
    let file = File::open(log)?;
    let start = file.metadata()?.len().saturating_sub(SIZE);
    let mut tail = vec![0; SIZE as usize];
    let read = file.read_at(&mut tail, start)?;
    tail.truncate(read);
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_counted() {
        assert_eq!(words::<2>(b"remit1 a b", "remit1"), Some(["a", "b"]));
        assert_eq!(words::<2>(b"remit1 a b\r", "remit1"), Some(["a", "b"]));
        for wrong in
            [&b"remit1 a"[..], b"remit1 a b c", b"remit2 a b", b"remit1 a \0", b"remit1 \xff b"]
        {
            assert_eq!(words::<2>(wrong, "remit1"), None);
        }
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(plain("a%20b").as_deref(), Some("a b"));
        assert_eq!(plain(r"a\x22b").as_deref(), Some("a\"b"));
        assert_eq!(plain("100%").as_deref(), Some("100%"));
        for nothing in ["-", "", "%00", "%ff"] {
            assert_eq!(plain(nothing), None);
        }
    }

    #[test]
    fn hosts() {
        let shown = |text| Host::parse(text).map(|host| format!("{host:?}"));
        assert_eq!(shown("WWW.Example."), Some("Name(\"www.example\")".into()));
        assert_eq!(shown("[::ffff:192.0.2.1]"), Some("Address(192.0.2.1)".into()));
        for wrong in ["", ".", "a b", "a/b", "exa\u{308}mple", "[x]"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>, word: String) {
            let _ = words::<7>(&line, "remit1");
            let _ = words::<3>(&[b"remit1 ", line.as_slice()].concat(), "remit1");
            let _ = plain(&word);
            let _ = Host::parse(&word);
        }
    }
}
