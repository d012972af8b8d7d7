//! The real programs, for the tests of sources: started, asked with `dig`, and ended by their number.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    observation::{Cursor, Hit, KnownRule, Report, RuleNumber},
    sources::{Source, SourceContext},
};

/// A process that is ended, by its own number, whatever the test does.
pub struct Running(Child);

impl Running {
    /// `package`: the Debian package that brings it.
    pub fn start(program: &str, package: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}: apt-get install {package}"));
        Self(child)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `dig` saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: String,
    /// Data of the answer section.
    pub data: Vec<String>,
    pub text: String,
}

/// `None`: no answer.
pub fn dig(port: u16, arguments: &[&str]) -> Option<Answer> {
    let output = Command::new("dig")
        .args(["@127.0.0.1", "-p", &port.to_string(), "+tries=1", "+time=1"])
        .args(arguments)
        .output()
        .expect("dig is not installed: apt-get install bind9-dnsutils");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = text.split_once("status: ")?;
    let status = rest.split(',').next()?.to_owned();
    let data = text
        .split_once(";; ANSWER SECTION:\n")
        .map(|(_, rest)| rest.lines().take_while(|line| !line.is_empty()))
        .into_iter()
        .flatten()
        .filter_map(|line| line.split_whitespace().last().map(str::to_owned))
        .collect();
    Some(Answer { status, data, text })
}

/// The status alone.
pub fn status(port: u16, arguments: &[&str]) -> Option<String> {
    dig(port, arguments).map(|answer| answer.status)
}

pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a source as the agent does, on a thread of its own.
pub fn spawn(source: Arc<dyn Source>, context: SourceContext) -> thread::JoinHandle<()> {
    thread::spawn(move || source.run(context).expect("no error"))
}

pub fn rules(reports: &[Report]) -> Vec<Arc<KnownRule>> {
    let state = reports.iter().rev().find_map(|report| match report {
        Report::Rules(state) => Some(state.rules.clone()),
        _ => None,
    });
    state.unwrap_or_default()
}

pub fn unstable(reports: &[Report]) -> Option<bool> {
    reports.iter().rev().find_map(|report| match report {
        Report::Rules(state) => Some(state.unstable),
        _ => None,
    })
}

pub fn hits(reports: &[Report]) -> Vec<Hit> {
    let of = |report: &Report| match report {
        Report::Hits { hits, .. } => hits.clone(),
        _ => Vec::new(),
    };
    reports.iter().flat_map(of).collect()
}

pub fn hit_count(reports: &[Report]) -> u64 {
    hits(reports).iter().map(|hit| hit.count).sum()
}

/// Hits of the rule with this target.
pub fn hits_of(reports: &[Report], target: &str) -> u64 {
    let rule = number(&rules(reports), target);
    hits(reports).iter().filter(|hit| hit.rule == rule).map(|hit| hit.count).sum()
}

pub fn number(rules: &[Arc<KnownRule>], target: &str) -> RuleNumber {
    rules
        .iter()
        .find(|rule| rule.target.value == target)
        .unwrap_or_else(|| panic!("no rule on {target}: {rules:#?}"))
        .number
}

/// How many canaries came back on a path.
pub fn canaries_seen(reports: &[Report], path: &str) -> u64 {
    let seen = reports.iter().filter_map(|report| match report {
        Report::Canaries(news) if news.path.as_ref() == path => Some(news.seen),
        _ => None,
    });
    seen.sum()
}

/// The first counter of the newest reading.
pub fn counted(reports: &[Report]) -> Option<u64> {
    reports.iter().rev().find_map(|report| match report {
        Report::Counters(reading) => reading.counters.first().map(|(_, count)| *count),
        _ => None,
    })
}

pub fn not_parsed(reports: &[Report]) -> u64 {
    let of = |report: &Report| match report {
        Report::Hits { not_parsed, .. } => not_parsed.count,
        _ => 0,
    };
    reports.iter().map(of).sum()
}

pub fn cursor(reports: &[Report]) -> Option<Cursor> {
    reports.iter().rev().find_map(|report| match report {
        Report::Hits { cursor, .. } => cursor.clone(),
        _ => None,
    })
}

/// What `remit-agent template` prints.
pub fn template(name: &str) -> &'static str {
    let found = crate::template::ALL.iter().find(|template| template.name == name);
    found.expect("a template").text
}

/// The source that a template's own comment configures, from `[[sources.<word>]]` to the end of the
/// comment, with its files in a folder of the test.
pub fn source_of(text: &str, word: &str) -> Arc<dyn Source> {
    let section: String = text
        .lines()
        .skip_while(|line| !line.contains(&format!("[[sources.{word}]]")))
        .map(|line| line.trim_start_matches(['/', '#', '-']))
        .take_while(|line| !line.trim().is_empty())
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    let config =
        format!("dir = \"/d\"\nlines_served = 1000\n[collector]\nurl = \"https://c\"\n{section}");
    let parsed = crate::config::Config::parse(&config, &|_| Err("no file".to_owned()));
    let config = parsed.unwrap_or_else(|error| panic!("{error}\n{config}"));
    config.sources.first().expect("one source").clone()
}

/// "target technique claims", sorted; a customer's token is "token".
pub fn shown(rules: &[Arc<KnownRule>]) -> Vec<String> {
    let mut shown: Vec<String> = rules
        .iter()
        .map(|rule| {
            let claims: Vec<_> = rule.claims.iter().map(ToString::to_string).collect();
            let target = match rule.target.kind() {
                remit_proto::v1::TargetKind::CustomerToken => "token",
                _ => rule.target.value.as_str(),
            };
            format!("{target} {:?} {}", rule.technique, claims.join(",")).trim_end().to_owned()
        })
        .collect();
    shown.sort();
    shown
}
