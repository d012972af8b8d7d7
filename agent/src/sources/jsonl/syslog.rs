//! RFC 5424 lines through a field map: which structured-data parameter, or which `key=value` of the
//! message, holds the rule, the target and the count. What the map does not name is not looked at.

use evidence::Claim;

use super::{
    record::{HitRecord, Wrong},
    target,
};
use crate::{
    observation::Response,
    sources::stamp::{self, Stamp},
};

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// SD-ID of the element; none: `key=value` in the message.
    pub element: Option<String>,
    pub name: String,
}

/// How the lines of one program become hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMap {
    /// APP-NAME of the lines that are meant; others are passed over.
    pub app: String,
    /// MSGID of those; none: all.
    pub msgid: Option<String>,
    pub rule: Place,
    pub target: Option<Place>,
    /// What the target's value is, such as "domain_exact".
    pub target_kind: String,
    pub count: Option<Place>,
    pub response: Response,
}

impl Place {
    /// "sd:<SD-ID>/<name>" or "msg:<name>".
    pub fn parse(text: &str) -> Option<Self> {
        let good = |name: &str| !name.is_empty() && !name.contains(['"', ']', '=', ' ']);
        if let Some(name) = text.strip_prefix("msg:").filter(|name| good(name)) {
            return Some(Self { element: None, name: name.to_owned() });
        }
        let (element, name) = text.strip_prefix("sd:")?.rsplit_once('/')?;
        let good = good(element) && good(name);
        good.then(|| Self { element: Some(element.to_owned()), name: name.to_owned() })
    }

    pub fn text(&self) -> String {
        match &self.element {
            Some(element) => format!("sd:{element}/{}", self.name),
            None => format!("msg:{}", self.name),
        }
    }
}

/// `None`: a line of another program.
pub fn parse(line: &str, map: &FieldMap) -> Option<Result<HitRecord, Wrong>> {
    let header = Header::parse(line);
    match header {
        Some(header) if header.app != map.app => None,
        Some(header) if map.msgid.as_ref().is_some_and(|id| header.msgid != id) => None,
        Some(header) => Some(hit(&header, map)),
        None => Some(Err(Wrong::new("(header)", "must be <PRI>1 and five fields (RFC 5424)"))),
    }
}

fn hit(header: &Header<'_>, map: &FieldMap) -> Result<HitRecord, Wrong> {
    let Some(Stamp::Absolute(at_s)) = stamp::parse(header.time) else {
        return Err(Wrong::new("TIMESTAMP", "must be RFC 3339 with its zone"));
    };
    let (elements, message) = structured(header.rest)
        .ok_or_else(|| Wrong::new("STRUCTURED-DATA", "must be - or elements in brackets"))?;
    let find = |place: &Place| match &place.element {
        Some(element) => {
            let same =
                |(id, name, _): &&(String, String, String)| id == element && *name == place.name;
            elements.iter().find(same).map(|(.., value)| value.clone())
        }
        None => message.split(' ').find_map(|word| {
            let value = word.strip_prefix(place.name.as_str())?.strip_prefix('=')?;
            Some(value.trim_matches('"').to_owned())
        }),
    };
    let rule = find(&map.rule).filter(|rule| (1..=128).contains(&rule.len()));
    let target = match &map.target {
        None => None,
        Some(place) => {
            let value = find(place).ok_or_else(|| Wrong::new(&place.text(), "is not there"))?;
            let text = format!("{}:{value}", map.target_kind);
            Some(target::parse(&text).map_err(|wanted| Wrong::new(&place.text(), wanted))?)
        }
    };
    let count = match map.count.as_ref().map(|place| (place, find(place))) {
        None => 1,
        Some((place, value)) => value
            .and_then(|value| value.parse().ok())
            .filter(|count| *count > 0)
            .ok_or_else(|| Wrong::new(&place.text(), "must be a whole number above 0"))?,
    };
    Ok(HitRecord {
        rule: rule.ok_or_else(|| Wrong::new(&map.rule.text(), "is not there"))?,
        at_s,
        count,
        target,
        response: map.response.clone(),
    })
}

struct Header<'a> {
    time: &'a str,
    app: &'a str,
    msgid: &'a str,
    rest: &'a str,
}

impl<'a> Header<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (priority, rest) = line.strip_prefix('<')?.split_once('>')?;
        let number: u8 = priority.parse().ok()?;
        let rest = rest.strip_prefix("1 ").filter(|_| number <= 191)?;
        let mut parts = rest.splitn(6, ' ');
        let (time, _host, app) = (parts.next()?, parts.next()?, parts.next()?);
        let (_procid, msgid) = (parts.next()?, parts.next()?);
        Some(Self { time, app, msgid, rest: parts.next()? })
    }
}

type Parameters = Vec<(String, String, String)>;

/// Parameters as (SD-ID, name, value), and the message.
fn structured(text: &str) -> Option<(Parameters, &str)> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some((Vec::new(), rest.strip_prefix(' ').unwrap_or(rest)));
    }
    let (mut parameters, mut rest) = (Vec::new(), text);
    while let Some(inside) = rest.strip_prefix('[') {
        let end = inside.find([' ', ']'])?;
        let (id, mut after) = inside.split_at(end);
        while let Some(parameter) = after.strip_prefix(' ') {
            let (name, value) = parameter.split_once("=\"")?;
            let (value, left) = quoted(value)?;
            parameters.push((id.to_owned(), name.to_owned(), value));
            after = left;
        }
        rest = after.strip_prefix(']')?;
    }
    (!parameters.is_empty() || rest.len() < text.len())
        .then(|| (parameters, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// A value up to its closing quote; `\"`, `\\` and `\]` stand for the second character.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                c @ ('"' | '\\' | ']') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

/// What a rule claims of which a line tells nothing but its name.
pub fn selector(by: &str, rule: &str) -> String {
    format!("rule:{by}/{rule}")
}

/// The claims of the basis map for a rule that carries none.
pub fn mapped(
    by: &str,
    rule: &str,
    look_up: &(dyn Fn(&str) -> Vec<Claim> + Send + Sync),
) -> Vec<Claim> {
    look_up(&selector(by, rule))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map() -> FieldMap {
        let place = |text| Place::parse(text).expect("a place");
        FieldMap {
            app: "dpid".into(),
            msgid: Some("BLOCK".into()),
            rule: place("sd:fw@32473/policy"),
            target: Some(place("msg:dst")),
            target_kind: "ip".into(),
            count: Some(place("sd:fw@32473/n")),
            response: Response::Reject("tcp-reset"),
        }
    }

    fn check(line: &str, wanted: &str) {
        let shown = match parse(line, &map()) {
            None => "other".to_owned(),
            Some(Ok(hit)) => {
                let target = hit.target.map(|target| target.value).unwrap_or_default();
                format!("{} {} {} {target}", hit.rule, hit.at_s, hit.count)
            }
            Some(Err(wrong)) => wrong.field,
        };
        assert_eq!(shown, wanted, "{line}");
    }

    #[test]
    fn lines_through_the_map() {
        check(
            r#"<134>1 2026-11-24T05:01:11.5+01:00 dpi-1 dpid 77 BLOCK [x][fw@32473 policy="a\"b]" src="100.64.0.7" n="4"] src=100.64.0.7 dst=203.0.113.9 x"#,
            r#"a"b] 1795492871 4 203.0.113.9"#,
        );
        check(r#"<134>1 2026-11-24T04:01:11Z dpi-1 sshd - - - x"#, "other");
        check(r#"<134>1 2026-11-24T04:01:11Z dpi-1 dpid - PASS - x"#, "other");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let line =
            |sd: &str, msg: &str| format!("<134>1 2026-11-24T04:01:11Z h dpid - BLOCK {sd} {msg}");
        check("Nov 24 04:01:11 h dpid: x", "(header)");
        check("<192>1 2026-11-24T04:01:11Z h dpid - BLOCK - x", "(header)");
        check("<134>1 - h dpid - BLOCK - x", "TIMESTAMP");
        check(&line("[fw@32473 policy=\"a", "dst=203.0.113.9"), "STRUCTURED-DATA");
        check(&line("-", "dst=203.0.113.9"), "sd:fw@32473/n");
        check(&line("[fw@32473 policy=\"a\" n=\"1\"]", "x"), "msg:dst");
        check(&line("[fw@32473 policy=\"a\" n=\"1\"]", "dst=example"), "msg:dst");
        check(&line("[fw@32473 policy=\"\" n=\"1\"]", "dst=203.0.113.9"), "sd:fw@32473/policy");
        check(&line("[fw@32473 policy=\"a\" n=\"0\"]", "dst=203.0.113.9"), "sd:fw@32473/n");
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = parse(&text, &map());
            let _ = structured(&text);
            let _ = parse(&format!("<1>1 2026-11-24T04:01:11Z h dpid - BLOCK {text}"), &map());
            let _ = Place::parse(&text);
        }
    }
}
