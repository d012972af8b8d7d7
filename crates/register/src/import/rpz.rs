//! A response policy zone → what it blocks and what it keeps open, as targets of a request.
//!
//! Sources: draft-vixie-dnsop-dns-rpz sections 3 and 4 (actions, triggers), RFC 1035 section 5.1
//! (master files). Of a zone are taken the names that are asked for and the addresses that answers hold;
//! `rpz-passthru` is what must stay open. Owners that name a server (`rpz-nsdname`, `rpz-nsip`) have no kind
//! of target and are refused row by row; so are those that name a client (`rpz-client-ip`): who asks is no
//! target, and no address of a subscriber enters the register. The text of an owner is not shown for them.
//!
//! A record is taken whole or refused whole. `$INCLUDE` and `$GENERATE`, and a zone that ends inside a
//! quotation, a parenthesis or a line, import nothing: what is missing cannot be known.

use super::{
    Action, Gathered, ImportError, Imported, ROW_SIZE_MAX, RowError, RowReport, bounded,
    lines::{Lines, stands_already},
    settings::Settings,
    zone::{Record, records},
};
use crate::{
    list::{ListEntry, ListFile},
    target::{Repair, Target},
};
use remit_proto::v1::{RowFault, TargetKind};

/// One rule of a zone.
struct Rule {
    target: Target,
    repairs: Vec<Repair>,
    /// The owner below the zone, as written; empty where that is the target's canonical value.
    raw: String,
    /// The word for what a resolver does; `None`: it lets the name through.
    technique: Option<&'static str>,
}

/// The zone as one request: the settings say everything but its targets, and, unless they say them
/// too, its techniques.
pub fn from_rpz(bytes: &[u8], settings: &Settings) -> Result<Imported, ImportError> {
    let Some(id) = settings.constant("id") else {
        return Err(ImportError::Setting {
            field: "constants.id".to_owned(),
            problem: "missing: a zone names no request".to_owned(),
            remedy: "write id, instrument, form, from and territories under [constants]".to_owned(),
        });
    };
    let (rules, report) = read(bytes)?;
    let mut techniques: Vec<&str> = rules.iter().filter_map(|rule| rule.technique).collect();
    techniques.sort_unstable();
    techniques.dedup();
    let target = |rule: &Rule| {
        let mut table = ::toml::Table::new();
        let kind = crate::target::kind_word(rule.target.kind());
        table.insert("kind".to_owned(), kind.into());
        table.insert("value".to_owned(), rule.target.to_string().into());
        table.insert("exception".to_owned(), rule.technique.is_none().into());
        let repairs = rule.repairs.iter().map(|repair| repair.to_string().into());
        table.insert("raw".to_owned(), rule.raw.clone().into());
        table.insert("repaired".to_owned(), ::toml::Value::Array(repairs.collect()));
        ::toml::Value::from(table)
    };
    let mut form = ::toml::Table::new();
    let techniques: Vec<::toml::Value> = techniques.into_iter().map(Into::into).collect();
    form.insert("techniques".to_owned(), techniques.into());
    let mut table = settings.over(form);
    let targets: Vec<::toml::Value> = rules.iter().map(target).collect();
    table.insert("targets".to_owned(), targets.into());
    let mut gathered = Gathered::default();
    gathered.take(1, id, Ok(table), Vec::new(), &settings.defaults(None));
    let Imported { requests, report: whole, of_one: _ } = gathered.finish();
    let mut imported = Imported { requests, report, of_one: true };
    // What is repaired in it stands with its records already.
    for whole in whole {
        if let Action::Refused(_) = whole.action {
            refuse(&mut imported.report, whole);
        } else if !whole.notes.is_empty() {
            note(&mut imported.report, whole);
        }
    }
    Ok(imported)
}

/// A request that is not taken is none of its records.
fn refuse(report: &mut Vec<RowReport>, whole: RowReport) {
    let is_taken = |row: &&mut RowReport| !matches!(row.action, Action::Refused(_));
    let mut taken = report.iter_mut().filter(is_taken).peekable();
    if taken.peek().is_none() {
        report.push(whole);
        return;
    }
    for row in taken {
        let (id, line) = (std::mem::take(&mut row.id), row.line);
        *row = RowReport { id, line, ..whole.clone() };
    }
}

/// What is to be said of the request stands with its first record.
fn note(report: &mut Vec<RowReport>, whole: RowReport) {
    let first = report.iter_mut().find(|row| !matches!(row.action, Action::Refused(_)));
    let Some(first) = first else { return report.push(whole) };
    first.notes.extend(whole.notes.iter().map(|note| format!("{}: {note}", whole.id)));
}

/// The zone as a version of a list.
pub fn list_from_rpz(bytes: &[u8]) -> Result<ListFile, ImportError> {
    let (rules, report) = read(bytes)?;
    let entry = |rule: Rule| ListEntry {
        exception: rule.technique.is_none(),
        target: rule.target,
        request: None,
        raw: rule.raw,
    };
    Ok(ListFile { entries: rules.into_iter().map(entry).collect(), report })
}

fn read(bytes: &[u8]) -> Result<(Vec<Rule>, Vec<RowReport>), ImportError> {
    bounded(bytes, b"\n")?;
    let zone = records(bytes)?;
    let mut rules: Vec<Rule> = Vec::new();
    let mut report = Vec::new();
    let mut lines: Lines<Target> = Lines::new();
    for record in &zone {
        let Some(read) = rule(record) else { continue };
        let mut row = RowReport::accepted(record.line);
        match read {
            Ok(rule) => {
                row.id = rule.target.to_string();
                let mut repairs: Vec<String> = rule.repairs.iter().map(Repair::to_string).collect();
                let stays_open = rule.technique.is_none();
                match lines.take(report.len(), rule.target.clone(), stays_open) {
                    Some(earlier) => repairs.push(stands_already(&report, earlier)),
                    None => rules.push(rule),
                }
                if !repairs.is_empty() {
                    row.action = Action::Repaired(repairs);
                }
            }
            Err(error) => row.refuse(error),
        }
        report.push(row);
    }
    let rules = lines.settle(rules, &mut report);
    Ok((rules, report))
}

/// `None`: the record is no rule.
fn rule(record: &Record) -> Option<Result<Rule, RowError>> {
    let Record { line: _, owner, written, kind, data, size } = record;
    let said = data.as_deref().unwrap_or_default();
    let technique = match kind.as_str() {
        "SOA" | "NS" | "DNAME" | "ZONEMD" | "DNSKEY" | "DS" | "RRSIG" | "NSEC" | "NSEC3"
        | "NSEC3PARAM" => return None,
        "CNAME" => match said.to_ascii_lowercase().as_str() {
            "." => Some("dns_nxdomain"),
            "*." => Some("dns_nodata"),
            "rpz-passthru." => None,
            "rpz-drop." => Some("dns_drop"),
            "rpz-tcp-only." => Some("dns_tcp_only"),
            other if is_reserved(other) => {
                let remedy = "write an action of draft-vixie-dnsop-dns-rpz section 3";
                return Some(Err(RowError::new("CNAME", "the action is unknown", remedy)));
            }
            _ => Some("dns_cname_redirect"),
        },
        _ => Some("dns_forged_a"),
    };
    if *size > ROW_SIZE_MAX {
        return Some(Err(RowError::too_long()));
    }
    let Some(owner) = owner.as_deref() else {
        return Some(Err(no_target("it lies outside the zone", "correct the owner or the origin")));
    };
    if owner.is_empty() {
        return None;
    }
    // "x CNAME" is what is left of "x CNAME rpz-passthru.", which keeps open what a redirection would block.
    if data.is_none() {
        let remedy =
            "write what it answers, or take it out; if the file is cut off, fetch it again";
        return Some(Err(RowError::new(kind.as_str(), "the record has no data", remedy)
            .of_fault(RowFault::Missing)));
    }
    let (labels, by) = match owner.rsplit_once('.') {
        Some((labels, last)) => (labels, last),
        None => ("", owner),
    };
    let read = match by {
        "rpz-client-ip" => Err(no_target(
            "it blocks by who asks, and no subscriber's address enters the register",
            "take the record out of what is imported",
        )),
        "rpz-nsdname" | "rpz-nsip" => Err(no_target(
            "it names a server of names, which is no kind of target",
            "enter by hand what the order names",
        )),
        "rpz-ip" => match address(labels) {
            Some(text) => Target::parse(TargetKind::Cidr, &text).map_err(target_error),
            None => Err(no_target("it encodes no address", "correct the owner")),
        },
        _ if owner == "*" => Ok((Target::WholeService, Vec::new())),
        _ => match owner.strip_prefix("*.") {
            Some(_) => Target::parse(TargetKind::DomainSubtree, owner),
            None => Target::parse(TargetKind::DomainExact, owner),
        }
        .map_err(target_error),
    };
    Some(read.map(|(target, repairs)| {
        // Every address is written as a prefix here; one of full length is no repair.
        let repairs = repairs.into_iter().filter(|r| *r != Repair::SingleAddress).collect();
        let raw = written.as_deref().unwrap_or(owner);
        let raw = if raw == target.to_string() { String::new() } else { raw.to_owned() };
        Rule { target, repairs, raw, technique }
    }))
}

fn no_target(problem: &str, remedy: &str) -> RowError {
    RowError::new("owner", problem, remedy)
}

fn target_error(error: crate::target::TargetError) -> RowError {
    RowError::new("owner", error.to_string(), "correct the owner")
}

fn is_reserved(target: &str) -> bool {
    let last = target.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.starts_with("rpz-")
}

/// "24.0.2.0.192" → "192.0.2.0/24"; "48.zz.aa.db8.2001" → "2001:db8:aa::/48" (section 4.3).
fn address(labels: &str) -> Option<String> {
    let mut labels: Vec<&str> = labels.split('.').collect();
    let length = labels.first()?.parse::<u8>().ok()?;
    labels.remove(0);
    labels.reverse();
    let is_v4 = labels.len() == 4 && labels.iter().all(|l| l.parse::<u8>().is_ok());
    if is_v4 && length <= 32 {
        return Some(format!("{}/{length}", labels.join(".")));
    }
    let text = labels.join(":");
    let text = match (text.starts_with("zz"), text.ends_with("zz")) {
        (true, true) => return (text == "zz").then(|| format!("::/{length}")),
        (true, false) => text.replacen("zz", ":", 1),
        (false, true) => format!("{}:", text.strip_suffix("zz")?),
        (false, false) => text.replacen(":zz:", "::", 1),
    };
    Some(format!("{text}/{length}"))
}
