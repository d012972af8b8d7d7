//! One OONI measurement, as published: a line of JSON.
//!
//! Formats: OONI df-000-base (`test_name`, `input`, `measurement_start_time` in UTC, `probe_asn`,
//! `probe_cc`) and ts-017-web-connectivity (`test_keys.blocking`: "dns", "tcp_ip", "http-failure",
//! "http-diff", false or null; `test_keys.accessible`); failures are those of df-007-errors.
//!
//! - *Reached*: `blocking` is false and `accessible` is true. *Gone*: both are false, as where the test
//!   helper did not reach it either. *Blocked*: `blocking` names a layer. Everything else is inconclusive. It is the probe's own judgement against its test helper, taken over
//!   as it stands.
//! - What a page that was reached says of itself is told by a word ([`page`]); nothing else of it is kept.
//! - The technique is what it looks like from outside; which rule did it, a probe cannot know.
//! - The target is the URL that was tested, without its query, which might be somebody's.
//! - Only `web_connectivity` says something of one target; `dnscheck` and the others measure resolvers,
//!   applications and lines.

use remit_proto::v1::{ProbePage, ProbeResult, TargetKind, Technique};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::target::Target;

#[derive(Debug)]
pub enum Read {
    Measured(Box<Measured>),
    OtherTest,
}

/// All that is kept of a measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub at_s: i64,
    pub result: ProbeResult,
    /// Unspecified unless it was blocked.
    pub technique: Technique,
    /// Unspecified unless it was reached, and the page says that it is for sale or seized.
    pub page: ProbePage,
    /// 0: the probe did not say.
    pub asn: u32,
    /// ISO 3166-1 alpha-2; empty: the probe did not say.
    pub country: String,
    pub target: Target,
    /// SHA-256 of the line, without its end.
    pub digest: [u8; 32],
}

/// What is read of a line; all else is passed over.
#[derive(Debug, Deserialize)]
struct Line {
    test_name: String,
    #[serde(default)]
    input: Option<String>,
    #[serde(default)]
    measurement_start_time: String,
    #[serde(default)]
    probe_asn: Option<String>,
    #[serde(default)]
    probe_cc: Option<String>,
    #[serde(default)]
    test_keys: Keys,
}

#[derive(Debug, Default, Deserialize)]
struct Keys {
    #[serde(default)]
    blocking: Value,
    #[serde(default)]
    accessible: Option<bool>,
    #[serde(default)]
    dns_experiment_failure: Option<String>,
    #[serde(default)]
    http_experiment_failure: Option<String>,
    #[serde(default)]
    tcp_connect: Option<Vec<TcpConnect>>,
    /// Newest first, so that the page that was shown comes before what led to it.
    #[serde(default)]
    requests: Option<Vec<Request>>,
}

#[derive(Debug, Default, Deserialize)]
struct Request {
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Debug, Default, Deserialize)]
struct Response {
    /// Text; bytes that are none are an object (df-001-httpt), and say nothing here.
    #[serde(default)]
    body: Value,
}

#[derive(Debug, Deserialize)]
struct TcpConnect {
    #[serde(default)]
    status: TcpStatus,
}

#[derive(Debug, Default, Deserialize)]
struct TcpStatus {
    #[serde(default)]
    blocked: Option<bool>,
    #[serde(default)]
    failure: Option<String>,
}

/// `Err`: what is wrong with the line.
pub fn read(line: &[u8]) -> Result<Read, String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let wire: Line = serde_json::from_slice(line)
        .map_err(|error| format!("not an OONI measurement: {error}"))?;
    let Line { test_name, input, measurement_start_time, probe_asn, probe_cc, test_keys } = wire;
    if test_name != "web_connectivity" {
        return Ok(Read::OtherTest);
    }
    let (result, technique) = judged(&test_keys)?;
    let page = match result {
        ProbeResult::Reached => page(&test_keys),
        ProbeResult::Blocked
        | ProbeResult::Gone
        | ProbeResult::Inconclusive
        | ProbeResult::Unspecified => ProbePage::Unspecified,
    };
    Ok(Read::Measured(Box::new(Measured {
        at_s: at(&measurement_start_time)?,
        result,
        technique,
        page,
        asn: asn(probe_asn.as_deref())?,
        country: country(probe_cc.as_deref())?,
        target: target(input.as_deref())?,
        digest: Sha256::digest(line).into(),
    })))
}

fn judged(keys: &Keys) -> Result<(ProbeResult, Technique), String> {
    let Keys {
        blocking,
        accessible,
        dns_experiment_failure,
        http_experiment_failure,
        tcp_connect,
        requests: _,
    } = keys;
    let blocked = |technique| Ok((ProbeResult::Blocked, technique));
    match blocking {
        Value::Bool(false) if *accessible == Some(true) => {
            Ok((ProbeResult::Reached, Technique::Unspecified))
        }
        // Neither the probe nor the test helper: ts-017 says that the site is down.
        Value::Bool(false) if *accessible == Some(false) => {
            Ok((ProbeResult::Gone, Technique::Unspecified))
        }
        Value::Bool(false) | Value::Null => Ok((ProbeResult::Inconclusive, Technique::Unspecified)),
        Value::String(layer) => match layer.as_str() {
            "dns" => blocked(match dns_experiment_failure.as_deref() {
                Some("dns_nxdomain_error") => Technique::DnsNxdomain,
                Some("dns_no_answer") => Technique::DnsNodata,
                Some("dns_refused_error") => Technique::DnsRefused,
                Some("dns_server_misbehaving" | "dns_servfail_error") => Technique::DnsServfail,
                Some("generic_timeout_error") => Technique::DnsDrop,
                // It got addresses, and others than the test helper.
                None => Technique::DnsForgedA,
                Some(_) => Technique::Other,
            }),
            "tcp_ip" => {
                let refused = tcp_connect.iter().flatten().any(|connect| {
                    connect.status.blocked == Some(true)
                        && connect.status.failure.as_deref() == Some("connection_refused")
                });
                blocked(if refused { Technique::IpAclReject } else { Technique::IpAclDrop })
            }
            "http-failure" => blocked(match http_experiment_failure.as_deref() {
                Some("connection_reset") => Technique::TcpRstInjection,
                _ => Technique::Other,
            }),
            // Another page came than the test helper got.
            "http-diff" => blocked(Technique::HttpModify),
            other => Err(format!(
                "test_keys.blocking is {other:?}; ts-017 has dns, tcp_ip, http-failure and http-diff"
            )),
        },
        Value::Bool(true) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err("test_keys.blocking is neither a layer nor false nor null".to_owned())
        }
    }
}

/// Pieces of pages that sellers of names and hosts show instead of what stood there. They are those of the table
/// of false positives of Censored Planet's analysis (censoredplanet/censoredplanet-analyzer, Apache-2.0) that name
/// a parked or expired name and nothing else.
const PARKED: [&str; 6] = [
    "src=\"//sedoparking.com/frmpark/",
    "1und1parking",
    "a really cool domain parked on Park.io</title>",
    "rg-erdr.php?",
    "<title>Squarespace - Website Expired</title>",
    "<title>Home - domain expired</title>",
];

/// What titles of seizure notices end in: "This website has been seized", "This domain name has been seized".
const SEIZED: &str = "has been seized";

/// By the page's own word: anybody can put up a notice of a seizure.
fn page(keys: &Keys) -> ProbePage {
    let shown = keys.requests.iter().flatten().next().and_then(|request| request.response.as_ref());
    let Some(Value::String(body)) = shown.map(|response| &response.body) else {
        return ProbePage::Unspecified;
    };
    if PARKED.iter().any(|piece| body.contains(piece)) {
        return ProbePage::Parked;
    }
    let seized = title(body).is_some_and(|title| title.trim().to_lowercase().ends_with(SEIZED));
    if seized { ProbePage::Seized } else { ProbePage::Unspecified }
}

/// What stands between the first `<title>` and its end.
fn title(body: &str) -> Option<&str> {
    let tag = |text: &str, tag: &str| text.to_ascii_lowercase().find(tag);
    let after = body.get(tag(body, "<title")?..)?;
    let text = after.get(after.find('>')?.checked_add(1)?..)?;
    text.get(..tag(text, "</title")?)
}

/// "2021-03-22 15:01:01", UTC by df-000-base.
fn at(text: &str) -> Result<i64, String> {
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text);
    let at = civil.and_then(|civil| jiff::tz::TimeZone::UTC.to_timestamp(civil));
    at.map(|at| at.as_second()).ok().filter(|at_s| *at_s > 0).ok_or_else(|| {
        format!("measurement_start_time is {text:?}, want such as 2021-03-22 15:01:01")
    })
}

fn asn(text: Option<&str>) -> Result<u32, String> {
    let Some(text) = text else { return Ok(0) };
    let number = text.strip_prefix("AS").and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| format!("probe_asn is {text:?}, want such as AS64500"))
}

/// "ZZ" is OONI's word for a country that is not known.
fn country(text: Option<&str>) -> Result<String, String> {
    match text {
        None | Some("ZZ" | "") => Ok(String::new()),
        Some(code) if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Ok(code.to_owned())
        }
        Some(other) => Err(format!("probe_cc is {other:?}, want two capital letters")),
    }
}

fn target(input: Option<&str>) -> Result<Target, String> {
    let input = input.ok_or("input is missing: which URL was tested?")?;
    let without_query = input.split(['?', '#']).next().unwrap_or(input);
    let (target, _) = Target::parse(TargetKind::Url, without_query)
        .map_err(|error| format!("input {input:?}: {error}"))?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ts-017 shows one, with what must not be kept.
    fn line(blocking: &str, accessible: &str) -> String {
        format!(
            r#"{{"input":"https://a.example/page?user=7","measurement_start_time":"2021-03-22 15:01:01",
            "probe_asn":"AS64500","probe_cc":"DE","probe_ip":"203.0.113.9","resolver_ip":"203.0.113.53",
            "test_name":"web_connectivity","test_keys":{{"blocking":{blocking},"accessible":{accessible},
            "client_resolver":"203.0.113.53"}}}}"#
        )
        .replace('\n', "")
    }

    fn measured(line: &str) -> Measured {
        match read(line.as_bytes()) {
            Ok(Read::Measured(measured)) => *measured,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_is_kept_is_the_result_the_network_and_the_url_without_its_query() {
        let line = line("\"dns\"", "false");
        let Measured { at_s, result, technique, page, asn, country, target, digest } =
            measured(&line);
        assert_eq!(page, ProbePage::Unspecified);
        assert_eq!((at_s, asn, country.as_str()), (1_616_425_261, 64_500, "DE"));
        assert_eq!((result, technique), (ProbeResult::Blocked, Technique::DnsForgedA));
        assert_eq!(target.to_string(), "https://a.example/page");
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(&line)));
        // The digest is of the line, however it ends.
        assert_eq!(measured(&format!("{line}\r")).digest, digest);
    }

    #[test]
    fn a_probes_judgement_is_taken_over_as_it_stands() {
        use ProbeResult::{Blocked, Gone, Inconclusive, Reached};
        for (blocking, accessible, want) in [
            ("false", "true", Reached),
            ("false", "false", Gone),
            ("false", "null", Inconclusive),
            ("null", "null", Inconclusive),
            ("\"tcp_ip\"", "false", Blocked),
            ("\"http-failure\"", "false", Blocked),
            ("\"http-diff\"", "false", Blocked),
        ] {
            let Measured { result, technique, .. } = measured(&line(blocking, accessible));
            assert_eq!(result, want, "{blocking} {accessible}");
            assert_eq!(technique == Technique::Unspecified, want != Blocked, "{blocking}");
        }
    }

    #[test]
    fn a_page_that_was_reached_says_of_itself_what_it_is() {
        let page = |blocking: &str, bodies: &str| {
            let text = line(blocking, "true")
                .replace("\"accessible\"", &format!("\"requests\":[{bodies}],\"accessible\""));
            measured(&text).page
        };
        let body = |text: &str| {
            serde_json::json!({ "response": { "body": text }, "request": {} }).to_string()
        };
        let parked = body("<html><script src=\"//sedoparking.com/frmpark/x.js\"></script>");
        let seized = body("<HTML><Title lang=en> This Website Has Been Seized\n</TITLE>");
        assert_eq!(page("false", &parked), ProbePage::Parked);
        assert_eq!(page("false", &seized), ProbePage::Seized);
        // The newest is the page; what led to it is not.
        let other = body("<title>example</title>");
        assert_eq!(page("false", &format!("{other},{seized}")), ProbePage::Unspecified);
        // Somebody writes about one.
        for text in ["<title>How a domain has been seized, and why</title>", "it has been seized"] {
            assert_eq!(page("false", &body(text)), ProbePage::Unspecified, "{text}");
        }
        for text in ["<title>cut off", "<title", "", "<title></title>"] {
            assert_eq!(page("false", &body(text)), ProbePage::Unspecified, "{text}");
        }
        // Bytes, or nothing.
        for response in ["{\"body\":{\"format\":\"base64\",\"data\":\"AA==\"}}", "null", "{}"] {
            let bodies = format!("{{\"response\":{response}}}");
            assert_eq!(page("false", &bodies), ProbePage::Unspecified, "{response}");
        }
        assert_eq!(page("\"http-diff\"", &seized), ProbePage::Unspecified, "it was not reached");
    }

    #[test]
    fn the_technique_is_what_it_looks_like() {
        let technique = |blocking: &str, more: &str| {
            let text = line(blocking, "false")
                .replace("\"accessible\"", &format!("{more},\"accessible\""));
            measured(&text).technique
        };
        let dns = |failure: &str| {
            technique("\"dns\"", &format!("\"dns_experiment_failure\":\"{failure}\""))
        };
        assert_eq!(dns("dns_nxdomain_error"), Technique::DnsNxdomain);
        assert_eq!(dns("dns_refused_error"), Technique::DnsRefused);
        assert_eq!(dns("generic_timeout_error"), Technique::DnsDrop);
        assert_eq!(dns("something_new"), Technique::Other);
        let tcp = |failure: &str| {
            let status = format!("{{\"blocked\":true,\"failure\":\"{failure}\"}}");
            technique("\"tcp_ip\"", &format!("\"tcp_connect\":[{{\"status\":{status}}}]"))
        };
        assert_eq!(tcp("connection_refused"), Technique::IpAclReject);
        assert_eq!(tcp("generic_timeout_error"), Technique::IpAclDrop);
        let http =
            technique("\"http-failure\"", "\"http_experiment_failure\":\"connection_reset\"");
        assert_eq!(http, Technique::TcpRstInjection);
    }

    #[test]
    fn what_is_not_one_names_its_field() {
        let good = line("\"dns\"", "false");
        let no_input = good.replace("\"https://a.example/page?user=7\"", "null");
        for (text, says) in [
            ("{", "not an OONI measurement"),
            ("{\"input\":\"x\"}", "test_name"),
            (no_input.as_str(), "input is missing"),
            (&good.replace("https://a.example/page", "a.example"), "input"),
            (
                &good.replace("2021-03-22 15:01:01", "2021-03-22T15:01:01Z"),
                "measurement_start_time",
            ),
            (&good.replace("2021-03-22", "2021-02-30"), "measurement_start_time"),
            (&good.replace("AS64500", "64500"), "probe_asn"),
            (&good.replace("\"DE\"", "\"Germany\""), "probe_cc"),
            (&good.replace("\"dns\"", "\"magic\""), "test_keys.blocking"),
            (&good.replace("\"blocking\":\"dns\"", "\"blocking\":true"), "test_keys.blocking"),
        ] {
            let refused = read(text.as_bytes()).expect_err(text);
            assert!(refused.contains(says), "{says}: {refused}");
        }
        assert!(matches!(read(b"{\"test_name\":\"dnscheck\"}"), Ok(Read::OtherTest)));
    }
}
