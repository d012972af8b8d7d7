//! The XML register:
//!
//! ```xml
//! <?xml version="1.0" encoding="windows-1251"?>
//! <reg:register xmlns:reg="http://rsoc.ru" updateTime="2018-04-26T12:00:00+03:00" formatVersion="2.4">
//! <content id="111" includeTime="2018-04-20T10:00:00" entryType="1" blockType="default" hash="...">
//!   <decision date="2018-04-01" number="2-1234/2018" org="Мосгорсуд"/>
//!   <url><![CDATA[https://example.org/page]]></url>
//!   <domain><![CDATA[example.org]]></domain>
//!   <ip>192.0.2.1</ip>
//! </content>
//! </reg:register>
//! ```
//!
//! A `content` is a request, `rkn/<its id>`, in force from its `includeTime`; a target with a `ts` was added
//! then. `entryType` (which article of the law) and `urgencyType` become keywords: what they mean is not
//! in the form.
//!
//! Read event by event, without a tree. Entities other than the five of XML, and every document type, are
//! refused with the file: nothing is expanded and nothing is fetched. A file whose root is not closed
//! is cut off and imports nothing.

use std::borrow::Cow;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use remit_proto::v1::RowFault;

use super::{Decision, ZONE, form, instrument_stated, targets};
use crate::import::{
    Gathered, ImportError, Imported, ROW_SIZE_MAX, RowError, bounded, line_at, settings::Settings,
};

/// Reads the register. Each `content` is taken or refused by itself.
pub fn from_rkn_xml(bytes: &[u8], settings: &Settings) -> Result<Imported, ImportError> {
    bounded(bytes, b"<content")?;
    let text = decoded(bytes)?;
    let mut file = File { reader: Reader::from_str(&text), text: &text, seen: 0, line: 1 };
    let defaults = settings.defaults(Some(ZONE));
    let mut gathered = Gathered::default();
    file.root()?;
    loop {
        match file.next()? {
            Event::Start(start) if start.local_name().as_ref() == "content" => {
                let line = file.line();
                let content = file.content(&start)?;
                let id = content.id();
                let row = content.row(settings);
                gathered.take(line, &id, row, Vec::new(), &defaults);
            }
            Event::Empty(_) | Event::Start(_) => {
                return Err(file.syntax("an element that is no <content>"));
            }
            Event::End(_) => break,
            Event::Eof => return Err(file.cut_off("register")),
            Event::Text(text) if text.trim().is_empty() => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                return Err(file.syntax("text between the entries"));
            }
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
        }
    }
    Ok(gathered.finish())
}

/// In the encoding that its declaration names; UTF-8 if it names none.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, ImportError> {
    let head = bytes.get(..bytes.len().min(200)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let label = head
        .split_once("?>")
        .and_then(|(declaration, _)| declaration.split_once("encoding="))
        .and_then(|(_, rest)| rest.get(1..)?.split(['"', '\'']).next().map(str::to_owned));
    let label = label.as_deref().unwrap_or("utf-8");
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        let message = format!("its encoding {label:?} is unknown");
        ImportError::Syntax { line: 1, message }
    })?;
    Ok(encoding.decode(bytes).0)
}

struct File<'t> {
    reader: Reader<&'t [u8]>,
    text: &'t str,
    seen: usize,
    line: u64,
}

impl<'t> File<'t> {
    fn next(&mut self) -> Result<Event<'t>, ImportError> {
        match self.reader.read_event() {
            Ok(Event::DocType(_)) => Err(self
                .syntax("a document type: it could define entities, and none are expanded here")),
            Ok(event) => Ok(event),
            Err(error) => Err(self.syntax(&error.to_string())),
        }
    }

    /// Past the root's start.
    fn root(&mut self) -> Result<(), ImportError> {
        loop {
            match self.next()? {
                Event::Start(start) if start.local_name().as_ref() == "register" => return Ok(()),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Eof => return Err(self.cut_off("register")),
                _ => return Err(self.syntax("its root is no <register>")),
            }
        }
    }

    fn content(&mut self, start: &BytesStart<'t>) -> Result<Content, ImportError> {
        let mut content = Content::default();
        for (name, value) in self.attributes(start)? {
            match name.as_str() {
                "id" => content.number = value,
                "includeTime" => content.include_time = value,
                "entryType" => content.entry_type = value,
                "urgencyType" => content.urgency_type = value,
                "blockType" => content.block_type = value,
                // What the register's own programs compare entries by.
                "hash" | "ts" => {}
                other => content.unknown(&format!("the attribute {other}")),
            }
        }
        let begin = self.position();
        loop {
            match self.next()? {
                Event::Empty(start) => self.part(&start, String::new(), &mut content)?,
                Event::Start(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    let value = self.value(&name)?;
                    self.part(&start, value, &mut content)?;
                }
                Event::End(_) => break,
                Event::Eof => return Err(self.cut_off("content")),
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    content.unknown("text that stands in no element");
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
            }
        }
        content.too_long = self.position().saturating_sub(begin) > ROW_SIZE_MAX;
        Ok(content)
    }

    fn part(
        &mut self,
        start: &BytesStart<'t>,
        value: String,
        content: &mut Content,
    ) -> Result<(), ImportError> {
        let mut attributes = self.attributes(start)?;
        let mut take = |name: &str| {
            let at = attributes.iter().position(|(key, _)| key == name);
            at.map(|at| attributes.swap_remove(at).1).unwrap_or_default()
        };
        let name = start.local_name().as_ref().to_owned();
        match name.as_str() {
            "decision" => {
                let (org, number, date) = (take("org"), take("number"), take("date"));
                content.decision = Decision { org, number, date };
            }
            "url" | "domain" | "ip" | "ipv6" | "ipSubnet" | "ipv6Subnet" => {
                content.values.push(Value { element: name, text: value, added: take("ts") });
            }
            other => content.unknown(&format!("the element <{other}>")),
        }
        Ok(())
    }

    /// The text of an element that holds nothing else.
    fn value(&mut self, element: &str) -> Result<String, ImportError> {
        let mut value = String::new();
        loop {
            match self.next()? {
                Event::Text(text) => value.push_str(&text),
                Event::CData(text) => value.push_str(&text),
                Event::GeneralRef(name) => match self.reference(&name)? {
                    Some(letter) => value.push(letter),
                    None => return Err(self.syntax("an entity that XML does not define")),
                },
                Event::End(_) => return Ok(value),
                Event::Eof => return Err(self.cut_off(element)),
                Event::Start(_) | Event::Empty(_) => {
                    return Err(self.syntax("an element where a value is to stand"));
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
            }
        }
    }

    /// The five of XML 1.0 section 4.6, and numbers of letters.
    fn reference(
        &self,
        name: &quick_xml::events::BytesRef<'t>,
    ) -> Result<Option<char>, ImportError> {
        let letter = name.resolve_char_ref().map_err(|error| self.syntax(&error.to_string()))?;
        let named: &str = name;
        Ok(letter.or(match named {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => None,
        }))
    }

    fn attributes(&self, start: &BytesStart<'t>) -> Result<Vec<(String, String)>, ImportError> {
        let mut found = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.syntax(&error.to_string()))?;
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|error| self.syntax(&error.to_string()))?;
            found.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
        }
        Ok(found)
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The line on which the reader stands; it only goes on.
    fn line(&mut self) -> u64 {
        let at = self.position().min(self.text.len());
        let passed = self.text.as_bytes().get(self.seen..at).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.seen = at;
        self.line
    }

    fn syntax(&self, message: &str) -> ImportError {
        let line = line_at(self.text, self.position());
        ImportError::Syntax { line, message: message.to_owned() }
    }

    fn cut_off(&self, element: &str) -> ImportError {
        let line = line_at(self.text, self.text.len());
        ImportError::CutOff { line, element: element.to_owned() }
    }
}

/// One entry, as the file has it.
#[derive(Default)]
struct Content {
    number: String,
    include_time: String,
    entry_type: String,
    urgency_type: String,
    block_type: String,
    decision: Decision,
    values: Vec<Value>,
    /// What this version of the form does not know; it may be a target.
    unknown: Option<String>,
    too_long: bool,
}

struct Value {
    element: String,
    text: String,
    added: String,
}

impl Content {
    fn id(&self) -> String {
        format!("rkn/{}", self.number)
    }

    fn unknown(&mut self, what: &str) {
        self.unknown.get_or_insert_with(|| what.to_owned());
    }

    fn row(self, settings: &Settings) -> Result<::toml::Table, RowError> {
        if self.too_long {
            return Err(RowError::too_long());
        }
        if let Some(what) = &self.unknown {
            let problem = format!("{what} is not known in format 2.4; it may widen the entry");
            return Err(RowError::new(
                "content",
                problem,
                "ask for a newer version of this program",
            )
            .of_fault(RowFault::Form));
        }
        if self.number.is_empty() {
            return Err(
                RowError::new("id", "missing", "fetch the file again").of_fault(RowFault::Missing)
            );
        }
        let (targets, coarsest) = self.targets()?;
        let mut table = form(settings);
        table.insert("id".to_owned(), self.id().into());
        table.insert("from".to_owned(), self.include_time.clone().into());
        table.entry("coarsest").or_insert_with(|| coarsest.into());
        table.insert("targets".to_owned(), targets.into());
        let types = [("entryType", &self.entry_type), ("urgencyType", &self.urgency_type)];
        let keywords: Vec<::toml::Value> = types
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}").into())
            .collect();
        table.insert("keywords".to_owned(), keywords.into());
        self.decision.write(&mut table, settings);
        instrument_stated(&table)?;
        Ok(table)
    }

    /// What is asked for, and how coarsely it may be blocked at most.
    fn targets(&self) -> Result<(Vec<::toml::Value>, &'static str), RowError> {
        let of = |elements: &[&str], kind: &str| -> Vec<::toml::Value> {
            let named = self.values.iter().filter(|v| elements.contains(&v.element.as_str()));
            named.flat_map(|v| targets(kind, &v.text, &v.added)).collect()
        };
        let urls = || of(&["url"], "url");
        let names = || of(&["domain"], "domain_exact");
        let addresses = || of(&["ip", "ipv6", "ipSubnet", "ipv6Subnet"], "cidr");
        let subnets = self.values.iter().any(|v| v.element.ends_with("Subnet"));
        let address = if subnets { "cidr" } else { "ip" };
        Ok(match self.block_type.as_str() {
            "" | "default" | "https" => {
                let page = if self.block_type == "https" { "host" } else { "url" };
                match (urls(), names()) {
                    (urls, _) if !urls.is_empty() => (urls, page),
                    (_, names) if !names.is_empty() => (names, "host"),
                    _ => (addresses(), address),
                }
            }
            "domain" => (names(), "host"),
            "domain-mask" => (names(), "subtree"),
            "ip" => (addresses(), address),
            other => {
                let problem = format!("{other:?} is not one of its words");
                let remedy = "default, https, domain, domain-mask and ip are known";
                return Err(RowError::new("blockType", problem, remedy));
            }
        })
    }
}
