//! Lines of logs, as resolvers, proxies and boxes write them, with what their clients put into them.

use std::net::IpAddr;

use remit_agent::{
    observation::Response,
    sources::{
        bind_rpz::line as bind,
        http::fields,
        import::{self, ImportOptions, ImportSummary},
        jsonl::{
            json, record,
            syslog::{self, FieldMap},
        },
        nginx::line as nginx,
        squid::line as squid,
        stamp,
        unbound_rpz::{line as unbound, local},
    },
};
use remit_proto::v1::SourceKind;

use crate::text;

/// A line of Unbound and of BIND, of known zones and of others. What is read names nobody who asked:
/// no type has room for it, and the name asked for is a part of the line.
pub fn rpz_log(data: &[u8]) {
    let labels = ["remit=de/2026-42".to_owned(), "a] b".to_owned()];
    for line in data.split(|byte| *byte == b'\n') {
        if let unbound::Line::Applied(applied) = unbound::parse(line, &labels) {
            assert!(unbound::is_ours(line));
            assert!(!applied.asked.contains(char::is_control));
        }
        let _ = local::parse(line);
        let zones: Vec<bind::Apex> =
            ["rpz.example.org", "remit=x.rpz"].into_iter().filter_map(bind::Apex::new).collect();
        if let bind::Line::Applied(applied) = bind::parse(line, &zones) {
            assert!(bind::is_ours(line));
            assert!(!applied.asked.contains(char::is_control));
        }
    }
}

/// A line of Squid and of nginx, and their words.
pub fn proxy_log(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Some(line) = squid::parse(line) {
            assert!(line.at_s > 0);
        }
        let _ = nginx::parse(line);
        if let Some(word) = text(line) {
            let _ = fields::plain(word);
            if let Some(fields::Host::Address(address)) = fields::Host::parse(word) {
                assert_eq!(address.to_string().parse::<IpAddr>(), Ok(address));
            }
        }
    }
}

/// A record of a box. Whatever is taken is an object to every other reader of JSON as well.
pub fn jsonl(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n').filter_map(text) {
        let read = json::object(line);
        if let Err(json::NotJson(at)) = &read {
            assert!(*at <= line.len());
        }
        if record::parse(line).is_ok() {
            assert!(read.is_ok(), "a record is an object");
        }
    }
}

/// RFC 5424 through a field map that asks for every kind of place.
pub fn syslog(data: &[u8]) {
    let place = |text| syslog::Place::parse(text).expect("a place");
    let map = FieldMap {
        app: "dpid".to_owned(),
        msgid: None,
        rule: place("sd:fw@32473/policy"),
        target: Some(place("msg:dst")),
        target_kind: "ip".to_owned(),
        count: Some(place("sd:fw@32473/n")),
        response: Response::Silent,
    };
    for line in data.split(|byte| *byte == b'\n').filter_map(text) {
        if let Some(Ok(hit)) = syslog::parse(line, &map) {
            assert!(hit.count > 0, "a hit that did not happen");
        }
    }
}

/// The beginning of a line; a time that is read has a place in each year.
pub fn stamp(data: &[u8]) {
    let Some(stamp) = text(data).and_then(stamp::parse) else { return };
    let _ = stamp.at(1_790_000_000, 7200);
    let _ = stamp.at(0, -86_400);
    let _ = stamp.at(253_402_300_799, 86_400);
}

/// An old log, whole, as `remit-agent import` surveys it.
pub fn import(data: &[u8]) {
    let path = crate::file("import", data);
    let options =
        ImportOptions { source: SourceKind::UnboundRpz, year: Some(2026), utc_offset_s: 3600 };
    let Ok(file) = import::open(&path) else { return };
    if let Ok(survey) = import::survey(&file, &options) {
        let ImportSummary { parsed, not_understood, no_block, skipped, .. } = survey.summary;
        let lines = data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        assert!(parsed + not_understood + no_block + skipped >= lines as u64, "a line is missing");
    }
}
