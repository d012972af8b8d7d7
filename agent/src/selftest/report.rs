//! What a self-test found, as text for people and as JSON.

use std::{
    fmt::{self, Write as _},
    io::Read as _,
    time::{Duration, Instant},
};

use super::{Agent, rule::TABLE};
use crate::keys::Identity;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Failed,
    /// A stage before it failed.
    NotTried,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub name: &'static str,
    pub outcome: Outcome,
    pub took: Duration,
    pub says: String,
    /// What to do; empty where there is nothing.
    pub remedy: String,
}

/// Where our block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The node's tree, the leaf in it, and the size of the tree that is logged.
    pub origin: String,
    pub leaf_index: u64,
    pub tree_size: u64,
    /// The collector's log, the entry in it, and the size of the checkpoint.
    pub log_origin: String,
    pub log_index: u64,
    pub log_size: u64,
    /// From the datagram to the proof.
    pub took: Duration,
}

/// The test's own rule, when it had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// None was put in.
    NoRule,
    /// It was looked for, and is not there.
    Gone,
    StillThere,
    /// Nobody could look.
    NotKnown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// "edge-1 of example.net"; empty if that is not known.
    pub node: String,
    pub stages: Vec<Stage>,
    /// `None`: a stage failed.
    pub proof: Option<Proof>,
    pub left: Left,
}

/// In their order.
const NAMES: [&str; 6] = ["agent", "rule", "kernel", "leaf", "collector", "proof"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    says: String,
    remedy: String,
}

impl Failure {
    pub(super) fn new(says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { says: says.into(), remedy: remedy.into() }
    }

    /// If the agent that was started for the test has ended, that is why, and it has said more.
    pub(super) fn of_agent(self, agent: Option<&mut Agent>) -> Self {
        let Some(Agent(child)) = agent else { return self };
        let Ok(Some(status)) = child.try_wait() else { return self };
        let mut said = String::new();
        if let Some(stderr) = &mut child.stderr {
            // What it said in UTF-8.
            let _ = stderr.take(SAID_SIZE_MAX).read_to_string(&mut said);
        }
        let last = said.lines().last().unwrap_or_default();
        Self::new(
            format!("the agent that was started ended ({status}): {last}"),
            "run `remit-agent run` by hand to see all that it says, and remit-agent doctor",
        )
    }
}

pub(super) struct Stages {
    node: String,
    done: Vec<Stage>,
    since: Instant,
    left: Left,
}

impl Stages {
    pub(super) fn new() -> Self {
        Self { node: String::new(), done: Vec::new(), since: Instant::now(), left: Left::NoRule }
    }

    /// What became of the rule that was put in.
    pub(super) fn rule_left(&mut self, left: Left) {
        self.left = left;
    }

    pub(super) fn node(&mut self, identity: &Identity) {
        self.node = format!("{} of {}", identity.node, identity.operator);
    }

    /// What this stage, which has just ended, gives to the next one.
    pub(super) fn did<T>(
        &mut self,
        name: &'static str,
        ended: Result<(T, String), Failure>,
    ) -> Option<T> {
        let took = self.since.elapsed();
        self.since = Instant::now();
        let (outcome, says, remedy, given) = match ended {
            Ok((given, says)) => (Outcome::Ok, says, String::new(), Some(given)),
            Err(Failure { says, remedy }) => (Outcome::Failed, says, remedy, None),
        };
        self.done.push(Stage { name, outcome, took, says, remedy });
        given
    }

    pub(super) fn report(self, proof: Option<Proof>) -> Report {
        let Self { node, done: mut stages, since: _, left } = self;
        let not_tried = NAMES.iter().skip(stages.len());
        stages.extend(not_tried.map(|name| Stage {
            name,
            outcome: Outcome::NotTried,
            took: Duration::ZERO,
            says: String::new(),
            remedy: String::new(),
        }));
        Report { node, stages, proof, left }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, stages, proof, left } = self;
        if !node.is_empty() {
            writeln!(f, "{node}")?;
        }
        for Stage { name, outcome, took, says, remedy } in stages {
            let word = match outcome {
                Outcome::Ok => "ok",
                Outcome::Failed => "FAILED",
                Outcome::NotTried => {
                    writeln!(f, "{name:<9}  not tried")?;
                    continue;
                }
            };
            writeln!(f, "{name:<9}  {word:<6}  {:>6.2} s  {says}", took.as_secs_f64())?;
            if !remedy.is_empty() {
                writeln!(f, "{:<9}  {:<6}  {:>8}  → {remedy}", "", "", "")?;
            }
        }
        match proof {
            Some(Proof { took, .. }) => {
                let took = took.as_secs_f64();
                write!(f, "from the block to its proof: {took:.2} s. It is in no figure; ")?;
            }
            None => write!(f, "the block was not seen to come all the way; ")?,
        }
        writeln!(f, "{left}")
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule was put in"),
            Self::Gone => f.write_str("its rule is gone again"),
            Self::StillThere => write!(f, "its rule is STILL THERE: nft delete table inet {TABLE}"),
            Self::NotKnown => {
                write!(f, "whether its rule is gone could not be read: nft list table inet {TABLE}")
            }
        }
    }
}

impl Report {
    /// The block came all the way, and the test's own rule drops nothing any more. One that is there, or that nobody could
    /// look for, needs a person.
    pub fn is_ok(&self) -> bool {
        let left_nothing = match self.left {
            Left::NoRule | Left::Gone => true,
            Left::StillThere | Left::NotKnown => false,
        };
        self.proof.is_some() && left_nothing
    }

    /// One object on one line; times in milliseconds.
    pub fn json(&self) -> String {
        let Self { node, stages, proof, left } = self;
        let rule = match left {
            Left::NoRule => "none",
            Left::Gone => "gone",
            Left::StillThere => "still_there",
            Left::NotKnown => "not_known",
        };
        let stage = |Stage { name, outcome, took, says, remedy }: &Stage| {
            let outcome = match outcome {
                Outcome::Ok => "ok",
                Outcome::Failed => "failed",
                Outcome::NotTried => "not_tried",
            };
            format!(
                "{{\"stage\":\"{name}\",\"outcome\":\"{outcome}\",\"took_ms\":{},\"says\":{},\"remedy\":{}}}",
                took.as_millis(),
                quoted(says),
                quoted(remedy)
            )
        };
        let stages: Vec<_> = stages.iter().map(stage).collect();
        let proof = proof.as_ref().map_or_else(
            || "null".to_owned(),
            |Proof { origin, leaf_index, tree_size, log_origin, log_index, log_size, took }| {
                format!(
                    "{{\"origin\":{},\"leaf_index\":{leaf_index},\"tree_size\":{tree_size},\"log_origin\":{},\
                     \"log_index\":{log_index},\"log_size\":{log_size},\"took_ms\":{}}}",
                    quoted(origin),
                    quoted(log_origin),
                    took.as_millis()
                )
            },
        );
        format!(
            "{{\"node\":{},\"ok\":{},\"stages\":[{}],\"proof\":{proof},\"rule\":\"{rule}\"}}\n",
            quoted(node),
            self.is_ok(),
            stages.join(",")
        )
    }
}

/// RFC 8259 section 7.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Writing to a String cannot fail.
            c if c.is_control() => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

const SAID_SIZE_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_at_the_kernel() -> Report {
        let mut stages = Stages::new();
        assert_eq!(stages.did("agent", Ok((7, "it runs".to_owned()))), Some(7));
        stages.did("rule", Ok(((), "in force".to_owned())));
        let failure = Failure::new("a \"rule\" is in the way", "look\nfor it");
        assert_eq!(stages.did::<()>("kernel", Err(failure)), None);
        stages.rule_left(Left::Gone);
        stages.report(None)
    }

    #[test]
    fn a_stage_that_failed_says_what_to_do_and_later_ones_are_not_tried() {
        let text = failed_at_the_kernel().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("agent      ok "), "{text}");
        assert!(lines[2].contains("FAILED") && lines[2].contains("is in the way"), "{text}");
        assert!(lines[3].contains("→ look"), "{text}");
        assert_eq!(text.matches("not tried").count(), 3, "{text}");
        assert!(text.ends_with("seen to come all the way; its rule is gone again\n"), "{text}");
    }

    #[test]
    fn what_is_left_is_said_as_far_as_it_was_looked_at() {
        for (left, says, word) in [
            (Left::NoRule, "no rule was put in", "none"),
            (Left::Gone, "is gone again", "gone"),
            (Left::StillThere, "nft delete table inet remit_selftest", "still_there"),
            (Left::NotKnown, "nft list table inet remit_selftest", "not_known"),
        ] {
            let report = Report { left, ..failed_at_the_kernel() };
            assert!(report.to_string().contains(says), "{report}");
            let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
            assert_eq!(json["rule"], word);
        }
        assert_eq!(Stages::new().report(None).left, Left::NoRule, "nothing was put in yet");
    }

    #[test]
    fn the_report_is_json_whatever_it_says() {
        let json: serde_json::Value = serde_json::from_str(&failed_at_the_kernel().json()).unwrap();
        assert_eq!((&json["ok"], &json["proof"]), (&false.into(), &serde_json::Value::Null));
        assert_eq!(json["stages"][2]["says"], "a \"rule\" is in the way");
        assert_eq!(json["stages"][2]["remedy"], "look\nfor it");
        assert_eq!(json["stages"][5]["outcome"], "not_tried");
        let proof = Proof {
            origin: "example.net/agent/edge-1/0000000000000001".to_owned(),
            leaf_index: 7,
            tree_size: 8,
            log_origin: "example.net/log/1".to_owned(),
            log_index: 3,
            log_size: 4,
            took: Duration::from_millis(1250),
        };
        let report = Report { proof: Some(proof), ..failed_at_the_kernel() };
        assert!(report.is_ok());
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!((&json["ok"], &json["proof"]["took_ms"]), (&true.into(), &1250.into()));
        assert!(report.to_string().contains("from the block to its proof: 1.25 s"));
        // A rule that may still drop is no success, whatever was proven.
        for (left, is_ok) in [
            (Left::NoRule, true),
            (Left::Gone, true),
            (Left::StillThere, false),
            (Left::NotKnown, false),
        ] {
            let report = Report { left, ..report.clone() };
            let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
            assert_eq!((report.is_ok(), &json["ok"]), (is_ok, &is_ok.into()), "{left:?}");
            assert_ne!(json["proof"], serde_json::Value::Null);
        }
    }
}
