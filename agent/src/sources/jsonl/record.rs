//! One record: a rule, a hit, a counter or a loss, as another box tells of it. `docs/sources/jsonl.md`
//! and `docs/sources/jsonl.schema.json` are the specification.
//!
//! A field that is unknown, missing or of the wrong kind makes the whole record wrong: there is no
//! place in it for what must not be kept, and nothing is guessed.

use evidence::Claim;
use remit_proto::v1::{Actor, Direction, Target, Technique, Trigger};

use super::{
    json::{self, Value},
    target,
};
use crate::{
    observation::Response,
    sources::stamp::{self, Stamp},
};

/// What is wrong with a record: which field, and what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {wanted}")]
pub struct Wrong {
    pub field: String,
    pub wanted: String,
}

impl Wrong {
    pub fn new(field: &str, wanted: impl Into<String>) -> Self {
        Self { field: field.to_owned(), wanted: wanted.into() }
    }

    /// A name that nobody knows may be anything, an address or a number too: only what looks like a name is shown.
    fn unknown(name: &str) -> Self {
        let is_name = name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        Self::new(if is_name { name } else { "(a name)" }, "is not known in a record of this type")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Rule(Box<RuleRecord>),
    Removed { rule: String },
    Hit(HitRecord),
    Counter { rule: String, value: u64 },
    Lost { count: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRecord {
    pub rule: String,
    pub target: Target,
    pub technique: Technique,
    pub trigger: Trigger,
    pub direction: Direction,
    pub actor: Option<Actor>,
    pub claims: Vec<Claim>,
    pub narrowed: bool,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HitRecord {
    pub rule: String,
    pub at_s: i64,
    pub count: u64,
    pub target: Option<Target>,
    pub response: Response,
}

pub fn parse(line: &str) -> Result<Record, Wrong> {
    let fields = json::object(line).map_err(|error| Wrong::new("(line)", error.to_string()))?;
    let mut fields = Fields(fields);
    let record = match fields.needed("type")?.as_str() {
        "rule" => fields.rule()?,
        "removed" => {
            fields.time()?;
            Record::Removed { rule: fields.id()? }
        }
        "hit" => fields.hit()?,
        "counter" => {
            fields.time()?;
            let value = fields.number("value")?;
            let value = value.ok_or_else(|| Wrong::new("value", "a whole number is needed"))?;
            Record::Counter { rule: fields.id()?, value }
        }
        "lost" => {
            fields.time()?;
            let count = fields.number("count")?;
            Record::Lost {
                count: count.ok_or_else(|| Wrong::new("count", "a whole number is needed"))?,
            }
        }
        _ => return Err(Wrong::new("type", "must be rule, removed, hit, counter or lost")),
    };
    match fields.0.first() {
        Some((name, _)) => Err(Wrong::unknown(name)),
        None => Ok(record),
    }
}

/// The fields that were not taken yet.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1).filter(|value| *value != Value::Null)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) if text.len() <= TEXT_SIZE_MAX => Ok(Some(text)),
            Some(_) => Err(Wrong::new(name, "must be a text of at most 4096 bytes")),
        }
    }

    fn needed(&mut self, name: &str) -> Result<String, Wrong> {
        self.text(name)?.ok_or_else(|| Wrong::new(name, "is needed"))
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, Wrong> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(Wrong::new(name, "must be a whole number")),
        }
    }

    /// The name of a rule at the box that tells of it.
    fn id(&mut self) -> Result<String, Wrong> {
        let id = self.needed("rule")?;
        let good = (1..=ID_SIZE_MAX).contains(&id.len()) && !id.contains(char::is_control);
        if good { Ok(id) } else { Err(Wrong::new("rule", "must be 1 to 128 bytes")) }
    }

    fn time(&mut self) -> Result<i64, Wrong> {
        let wrong = || Wrong::new("at", "must be RFC 3339 with its zone, or seconds since 1970");
        match self.take("at") {
            Some(Value::Number(at_s)) => i64::try_from(at_s).map_err(|_| wrong()),
            Some(Value::Text(text)) => match stamp::parse(&text) {
                Some(Stamp::Absolute(at_s)) => Ok(at_s),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }

    fn target(&mut self) -> Result<Option<Target>, Wrong> {
        let Some(text) = self.text("target")? else { return Ok(None) };
        let target = target::parse(&text).map_err(|wanted| Wrong::new("target", wanted))?;
        Ok(Some(target))
    }

    /// A value of an enum by its word, as `common.proto` has it.
    fn word<E>(
        &mut self,
        name: &str,
        prefix: &str,
        read: fn(&str) -> Option<E>,
    ) -> Result<Option<E>, Wrong> {
        let Some(word) = self.text(name)? else { return Ok(None) };
        let lower = !word.bytes().any(|byte| byte.is_ascii_uppercase()) && word != "unspecified";
        let value = read(&format!("{prefix}{}", word.to_ascii_uppercase())).filter(|_| lower);
        let wrong =
            || Wrong::new(name, format!("is no word of {prefix}* in common.proto, in lower case"));
        value.map(Some).ok_or_else(wrong)
    }

    fn rule(&mut self) -> Result<Record, Wrong> {
        self.time()?;
        let technique = self.word("technique", "TECHNIQUE_", Technique::from_str_name)?;
        let claims = match self.take("claims") {
            None => Vec::new(),
            Some(Value::List(words)) if words.len() <= evidence::claim::CLAIMS_MAX => {
                let claims: Result<Vec<Claim>, _> = words.iter().map(|word| word.parse()).collect();
                claims.map_err(|error: evidence::claim::InvalidClaim| {
                    Wrong::new("claims", error.to_string())
                })?
            }
            Some(_) => return Err(Wrong::new("claims", "must be a list of at most 16 claims")),
        };
        let narrowed = match self.take("narrowed") {
            None => false,
            Some(Value::Bool(narrowed)) => narrowed,
            Some(_) => return Err(Wrong::new("narrowed", "must be true or false")),
        };
        Ok(Record::Rule(Box::new(RuleRecord {
            rule: self.id()?,
            target: self.target()?.ok_or_else(|| Wrong::new("target", "is needed"))?,
            technique: technique.ok_or_else(|| Wrong::new("technique", "is needed"))?,
            trigger: self
                .word("trigger", "TRIGGER_", Trigger::from_str_name)?
                .unwrap_or(Trigger::Other),
            direction: self
                .word("direction", "DIRECTION_", Direction::from_str_name)?
                .unwrap_or(Direction::Both),
            actor: self.word("actor", "ACTOR_", Actor::from_str_name)?,
            claims,
            narrowed,
            text: self.text("text")?.unwrap_or_default(),
        })))
    }

    fn hit(&mut self) -> Result<Record, Wrong> {
        let count = self.number("count")?.unwrap_or(1);
        if count == 0 {
            return Err(Wrong::new("count", "must be at least 1"));
        }
        let response = self.text("response")?;
        let response = response.as_deref().map_or(Ok(Response::Silent), response_of)?;
        let at_s = self.time()?;
        Ok(Record::Hit(HitRecord {
            rule: self.id()?,
            at_s,
            count,
            target: self.target()?,
            response,
        }))
    }
}

/// "silent", "tcp-reset", "icmp", "http/451", "dns/3".
pub fn response_of(text: &str) -> Result<Response, Wrong> {
    let number = |text: &str| text.parse::<u16>().ok();
    let response = match text.split_once('/') {
        None if text == "silent" => Some(Response::Silent),
        None if text == "tcp-reset" => Some(Response::Reject("tcp-reset")),
        None if text == "icmp" => Some(Response::Reject("icmp")),
        Some(("http", status)) => number(status)
            .filter(|status| (100..=599).contains(status))
            .map(|status| Response::Http { status, blocked_by: false }),
        Some(("dns", rcode)) => number(rcode)
            .filter(|rcode| *rcode <= 4095)
            .map(|rcode| Response::Dns { rcode, extended_errors: Vec::new() }),
        _ => None,
    };
    let wanted = "must be silent, tcp-reset, icmp, http/<status> or dns/<rcode>";
    response.ok_or_else(|| Wrong::new("response", wanted))
}

const TEXT_SIZE_MAX: usize = 4096;
const ID_SIZE_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(line: &str, field: &str) {
        let error = parse(line).expect_err(line);
        assert_eq!(error.field, field, "{line}: {error}");
        assert!(!error.wanted.is_empty());
    }

    #[test]
    fn of_a_name_that_nobody_knows_no_address_or_number_is_shown() {
        let line = |name: &str| {
            format!(
                "{{\"type\": \"removed\", \"rule\": \"p1\", \"at\": 1767225600, \"{name}\": 1}}"
            )
        };
        wrong(&line("client_address"), "client_address");
        for name in ["192.0.2.7", "2001:db8::7", "491701234567", "n.n@isp.example"] {
            wrong(&line(name), "(a name)");
        }
    }

    #[test]
    fn records_of_every_type() {
        for (line, wanted) in [
            (
                r#"{"type":"rule","rule":"p7","at":"2026-11-24T04:00:00Z","target":"sni:a.example","technique":"tls_sni_rst","trigger":"server_name","claims":["court/1","list:x@2"],"actor":"vendor","text":"policy 7"}"#,
                "Rule",
            ),
            (r#"{"type":"removed","rule":"p7","at":1795492871}"#, "Removed"),
            (
                r#"{"type":"hit","rule":"p7","at":1795492871,"count":3,"response":"tcp-reset"}"#,
                "Hit",
            ),
            (r#"{"type":"hit","rule":"p7","at":1795492871,"target":null}"#, "Hit"),
            (r#"{"type":"counter","rule":"p7","at":1795492871,"value":12}"#, "Counter"),
            (r#"{"type":"lost","at":1795492871,"count":12}"#, "Lost"),
        ] {
            let shown = format!("{:?}", parse(line).expect(line));
            assert!(shown.starts_with(wanted), "{shown}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        wrong("", "(line)");
        wrong(r#"{"rule":"p"}"#, "type");
        wrong(r#"{"type":"block"}"#, "type");
        wrong(r#"{"type":"hit","rule":"p","at":1,"client":"100.64.0.7"}"#, "client");
        wrong(r#"{"type":"hit","rule":"p","at":"yesterday"}"#, "at");
        wrong(r#"{"type":"hit","rule":"p","at":"2026-11-24T04:00:00"}"#, "at");
        wrong(r#"{"type":"hit","at":1}"#, "rule");
        wrong(r#"{"type":"hit","rule":"","at":1}"#, "rule");
        wrong(r#"{"type":"hit","rule":"p","at":1,"count":0}"#, "count");
        wrong(r#"{"type":"hit","rule":"p","at":1,"count":"1"}"#, "count");
        wrong(r#"{"type":"hit","rule":"p","at":1,"response":"http/99"}"#, "response");
        wrong(r#"{"type":"counter","rule":"p","at":1}"#, "value");
        wrong(r#"{"type":"rule","rule":"p","at":1,"technique":"ip_acl_drop"}"#, "target");
        wrong(
            r#"{"type":"rule","rule":"p","at":1,"target":"ip:1.2.3.4","technique":"x"}"#,
            "technique",
        );
        wrong(
            r#"{"type":"rule","rule":"p","at":1,"target":"ip:1.2.3","technique":"ip_acl_drop"}"#,
            "target",
        );
        wrong(
            r#"{"type":"rule","rule":"p","at":1,"target":"ip:1.2.3.4","technique":"ip_acl_drop","claims":["a b"]}"#,
            "claims",
        );
    }

    /// The fields of each type stand in the schema and are taken here: no more, no less.
    #[test]
    fn the_schema_says_what_is_read() {
        let schema = include_str!("../../../../docs/sources/jsonl.schema.json");
        let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
        for branch in schema["oneOf"].as_array().unwrap() {
            let kind = branch["properties"]["type"]["const"].as_str().unwrap();
            let fields = branch["properties"].as_object().unwrap();
            let sample = |name: &str| match name {
                "type" => serde_json::json!(kind),
                "at" => serde_json::json!(1),
                "target" => serde_json::json!("ip:192.0.2.1"),
                "technique" => serde_json::json!("ip_acl_drop"),
                "trigger" => serde_json::json!("destination"),
                "direction" => serde_json::json!("both"),
                "actor" => serde_json::json!("vendor"),
                "claims" => serde_json::json!(["a"]),
                "narrowed" => serde_json::json!(true),
                "count" | "value" => serde_json::json!(3),
                "response" => serde_json::json!("silent"),
                _ => serde_json::json!("x"),
            };
            let record = |left_out: &str| {
                let fields = fields.keys().filter(|name| *name != left_out);
                let fields: serde_json::Map<_, _> =
                    fields.map(|name| (name.clone(), sample(name))).collect();
                parse(&serde_json::Value::Object(fields).to_string())
            };
            assert!(record("").is_ok(), "{kind}: {:?}", record(""));
            let required = branch["required"].as_array().unwrap();
            for name in fields.keys() {
                let is_required = required.iter().any(|required| required == name.as_str());
                assert_eq!(record(name).is_err(), is_required, "{kind}.{name}");
            }
        }
    }

    #[test]
    fn the_records_of_the_document_are_records() {
        let document = include_str!("../../../../docs/sources/jsonl.md");
        let records = document.lines().map(str::trim).filter(|line| line.starts_with("{\"type\""));
        assert_eq!(records.clone().count(), 3);
        for record in records {
            assert!(parse(record).is_ok(), "{record}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = parse(&text);
            let _ = response_of(&text);
        }
    }
}
