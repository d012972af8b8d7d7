//! What a verification found: one line per claim, the result, and how much the evidence covers.

use std::fmt;

use register::hidden::is_hidden;
use serde::Serialize;

use crate::coverage::Coverage;

/// What became of one claim, or of the whole bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Proven,
    /// Two things that were signed, or something signed and what was delivered with it, exclude
    /// each other.
    Contradicted,
    /// Not a bundle, or not one that this program can read.
    CouldNotCheck,
    /// What is there holds; something is missing.
    Incomplete,
}

impl Outcome {
    /// The worse of two, by the order in which exit codes speak: 1, 2, 3, 0.
    pub fn worse(self, other: Self) -> Self {
        if self.rank() >= other.rank() { self } else { other }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Proven => 0,
            Self::Incomplete => 1,
            Self::CouldNotCheck => 2,
            Self::Contradicted => 3,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Proven => "proven",
            Self::Contradicted => "CONTRADICTED",
            Self::CouldNotCheck => "could not check",
            Self::Incomplete => "incomplete",
        })
    }
}

/// The claims that are checked, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Files,
    LogSignature,
    LogEntries,
    OldCheckpoint,
    NamedCheckpoints,
    Witnesses,
    Keys,
    AgentHeads,
    AgentLeaves,
    Openings,
    Snapshots,
    RegisterSignature,
    RegisterEntries,
    Statements,
    Signatures,
    Inventory,
    Verdicts,
    Reassessments,
    CaseSignature,
    CaseEntries,
    Decisions,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Files => "files",
            Self::LogSignature => "log signature",
            Self::LogEntries => "log entries",
            Self::OldCheckpoint => "old checkpoint",
            Self::NamedCheckpoints => "named checkpoints",
            Self::Witnesses => "witnesses",
            Self::Keys => "keys",
            Self::AgentHeads => "agent heads",
            Self::AgentLeaves => "agent leaves",
            Self::Openings => "openings",
            Self::Snapshots => "snapshots",
            Self::RegisterSignature => "register signature",
            Self::RegisterEntries => "register entries",
            Self::Statements => "statements",
            Self::Signatures => "signatures",
            Self::Inventory => "inventory",
            Self::Verdicts => "verdicts",
            Self::Reassessments => "re-assessments",
            Self::CaseSignature => "case signature",
            Self::CaseEntries => "case entries",
            Self::Decisions => "decisions",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub step: Step,
    pub outcome: Outcome,
    pub text: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub result: Outcome,
    pub lines: Vec<Line>,
    /// `None`: the log could not be read, so that nothing is known of what it covers.
    pub coverage: Option<Coverage>,
    /// What this evidence cannot show, in plain words.
    pub limits: Vec<&'static str>,
}

/// At most this many lines of one step and outcome are listed; the rest is counted. A hostile
/// bundle could otherwise make a report of millions of lines.
const LINES_PER_STEP_MAX: usize = 20;

/// Collects lines while the steps run.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    lines: Vec<Line>,
    left_out: Vec<(Step, Outcome, u64)>,
}

impl Findings {
    pub(crate) fn add(&mut self, step: Step, outcome: Outcome, text: impl Into<String>) {
        let same = |l: &&Line| l.step == step && l.outcome == outcome;
        if self.lines.iter().filter(same).count() >= LINES_PER_STEP_MAX {
            match self.left_out.iter_mut().find(|(s, o, _)| (*s, *o) == (step, outcome)) {
                Some((_, _, count)) => *count += 1,
                None => self.left_out.push((step, outcome, 1)),
            }
            return;
        }
        self.lines.push(Line { step, outcome, text: printable(&text.into()) });
    }

    pub(crate) fn proven(&mut self, step: Step, text: impl Into<String>) {
        self.add(step, Outcome::Proven, text);
    }

    pub(crate) fn contradicted(&mut self, step: Step, text: impl Into<String>) {
        self.add(step, Outcome::Contradicted, text);
    }

    pub(crate) fn incomplete(&mut self, step: Step, text: impl Into<String>) {
        self.add(step, Outcome::Incomplete, text);
    }

    pub(crate) fn could_not_check(&mut self, step: Step, text: impl Into<String>) {
        self.add(step, Outcome::CouldNotCheck, text);
    }

    /// Whether nothing but "proven" has been said of this step.
    pub(crate) fn sound(&self, step: Step) -> bool {
        self.lines.iter().filter(|l| l.step == step).all(|l| l.outcome == Outcome::Proven)
    }

    pub(crate) fn finish(
        mut self,
        coverage: Option<Coverage>,
        limits: Vec<&'static str>,
    ) -> Report {
        for (step, outcome, count) in std::mem::take(&mut self.left_out) {
            self.lines.push(Line { step, outcome, text: format!("and {count} more of this kind") });
        }
        self.lines.sort_by_key(|line| line.step);
        let result = self.lines.iter().fold(Outcome::Proven, |all, line| all.worse(line.outcome));
        Report { result, lines: self.lines, coverage, limits }
    }
}

/// Texts quote file names and ids of a bundle that may be hostile.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { step, outcome, text } in &self.lines {
            writeln!(f, "{outcome:<16}{step:<20}{text}")?;
        }
        match &self.coverage {
            Some(coverage) => write!(f, "\ncoverage\n{coverage}")?,
            None => writeln!(f, "\ncoverage: not known, because the log could not be read")?,
        }
        writeln!(f, "\nwhat this evidence cannot show")?;
        for limit in &self.limits {
            writeln!(f, "  - {limit}")?;
        }
        writeln!(f, "\nresult: {}", self.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_of_a_hostile_bundle_is_shown_and_words_are_left_whole() {
        assert_eq!(
            printable("a\u{1b}b\u{202e}c\u{200b}d\u{ad}e\u{feff}f"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f"
        );
        assert_eq!(printable("نمی\u{200c}خواهم"), "نمی\u{200c}خواهم");
    }
}
