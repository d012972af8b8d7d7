//! `[sources.jsonl]`: one box that tells of itself.

use std::sync::Arc;

use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::{FieldMap, Format, Input, Jsonl, record, syslog::Place, target};
use crate::{
    config::Check,
    observation::Response,
    sources::{Technology, tail::POLL_MS},
};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Jsonl,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    by: Option<String>,
    log: Option<String>,
    socket: Option<String>,
    rules: Option<String>,
    hits_from: Option<String>,
    counters_interval_s: Option<u32>,
    syslog: Option<SyslogSection>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SyslogSection {
    app: Option<String>,
    msgid: Option<String>,
    rule: Option<String>,
    target: Option<String>,
    target_kind: Option<String>,
    count: Option<String>,
    response: Option<String>,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<Jsonl> {
    let Section { by, log, socket, rules, hits_from, counters_interval_s, syslog } = section;
    let by = check.given(by, "by", "name the box that tells, as its enforcement point is called");
    let good = |by: &String| {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&by.len()) && by.bytes().all(word)
    };
    check.that(by.as_ref().is_none_or(good), "by", "must be 1 to 63 of a-z, 0-9 and '-'");
    let input = match (log, socket) {
        (Some(_), Some(_)) => {
            check.wrong("socket", "is one way, and log is another: name one of them");
            None
        }
        (None, Some(socket)) => {
            let socket = check.absolute(Some(socket), "socket", "");
            socket.map(|socket| Input::Socket(socket.into()))
        }
        (log, None) => {
            let remedy = "name the file that the box's lines are in, or a socket for them";
            check.absolute(log, "log", remedy).map(|log| Input::Log(log.into()))
        }
    };
    let rules = rules.and_then(|rules| check.absolute(Some(rules), "rules", ""));
    let counters_alone = match hits_from.as_deref() {
        None | Some("hits") => false,
        Some("counters") => true,
        Some(_) => {
            check.wrong("hits_from", "must be hits or counters");
            false
        }
    };
    let counters_interval_s = check.counters_interval(counters_interval_s);
    let format = match syslog {
        None => Format::Remit,
        Some(section) => Format::Syslog(Box::new(field_map(section, check)?)),
    };
    Some(Jsonl {
        by: by?,
        input: input?,
        rules: rules.map(Into::into),
        format,
        counters_alone,
        counters_interval_s,
        poll_ms: POLL_MS,
    })
}

fn field_map(section: SyslogSection, check: &mut Check<'_>) -> Option<FieldMap> {
    const PLACE: &str = "must be sd:<SD-ID>/<name> or msg:<name>";
    let SyslogSection { app, msgid, rule, target, target_kind, count, response } = section;
    let app = check.given(app, "syslog.app", "name the program (APP-NAME) whose lines are meant");
    let rule = check.given(rule, "syslog.rule", "say where the rule's name stands");
    let mut place = |key: &str, text: Option<String>| {
        let text = text?;
        check.given(Place::parse(&text), key, PLACE)
    };
    let rule = place("syslog.rule", rule);
    let target = place("syslog.target", target);
    let count = place("syslog.count", count);
    let kind = target_kind.unwrap_or_default();
    // A kind is known by whether any text of it is; numbers and names cover all that can be mapped.
    let known = ["192.0.2.1", "192.0.2.0/24", "a.example", "443/tcp", "192.0.2.1:443/tcp"];
    let known = known.iter().any(|value| target::parse(&format!("{kind}:{value}")).is_ok());
    check.that(
        target.is_none() || known,
        "syslog.target_kind",
        "must say what the target is: ip, cidr, ip_port, domain_exact, sni, http_host, url, …",
    );
    let response = response.map_or(Ok(Response::Silent), |text| record::response_of(&text));
    let response = match response {
        Ok(response) => response,
        Err(wrong) => {
            check.wrong("syslog.response", &wrong.wanted);
            Response::Silent
        }
    };
    Some(FieldMap { app: app?, msgid, rule: rule?, target, target_kind: kind, count, response })
}

pub(super) fn print(settings: &Jsonl) -> toml::Table {
    let Jsonl { by, input, rules, format, counters_alone, counters_interval_s, poll_ms: _ } =
        settings;
    let (log, socket) = match input {
        Input::Log(log) => (Some(log.display().to_string()), None),
        Input::Socket(socket) => (None, Some(socket.display().to_string())),
    };
    let syslog = match format {
        Format::Remit => None,
        Format::Syslog(map) => {
            let FieldMap { app, msgid, rule, target, target_kind, count, response } = &**map;
            let response = match response {
                Response::Silent => "silent".to_owned(),
                Response::Reject(how) => (*how).to_owned(),
                Response::Http { status, blocked_by: _ } => format!("http/{status}"),
                Response::Dns { rcode, extended_errors: _ } => format!("dns/{rcode}"),
            };
            Some(SyslogSection {
                app: Some(app.clone()),
                msgid: msgid.clone(),
                rule: Some(rule.text()),
                target: target.as_ref().map(Place::text),
                target_kind: (!target_kind.is_empty()).then(|| target_kind.clone()),
                count: count.as_ref().map(Place::text),
                response: Some(response),
            })
        }
    };
    crate::config::table(&Section {
        by: Some(by.clone()),
        log,
        socket,
        rules: rules.as_ref().map(|rules| rules.display().to_string()),
        hits_from: Some(if *counters_alone { "counters" } else { "hits" }.to_owned()),
        counters_interval_s: (*counters_interval_s).try_into().ok(),
        syslog,
    })
}
