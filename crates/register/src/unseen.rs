//! Times of which a node's tree says itself that nobody looked, and what of that a verdict rests on.
//!
//! In: `Gap` leaves, and silences between the seals of one tree. Out: of a rule's source, the times in a span
//! that were not seen.
//!
//! - A loss counts if it is a time: the agent was down, its spool or a file was gone, canaries did not come back, a
//!   counter was reset. What a queue dropped, or what was not parsed, was lost while somebody looked: that is a
//!   number, and moves no bound.
//! - A gap of one rule says nothing of the others; one of a source nothing of other sources. A silence is the node's.
//! - What a head covers that is logged later is not known before.

use remit_proto::v1::{self, LossCause};

use crate::{silence::Silence, words};

/// So many of a span are told of.
const TOLD_MAX: usize = 64;

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    pub from_s: i64,
    pub until_s: i64,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Lost(LossCause),
    /// No seal came.
    Silent,
    /// No seal came, as the node had said.
    Stopped,
}

impl Unseen {
    pub(crate) fn holds(&self, at_s: i64) -> bool {
        (self.from_s..=self.until_s).contains(&at_s)
    }

    /// "nothing was recorded from 2026-01-15T12:00:00Z to 2026-01-15T12:04:00Z (agent_down)".
    pub(crate) fn says(&self) -> String {
        let why = match self.why {
            Why::Lost(cause) => words::loss(cause),
            Why::Silent => "silent",
            Why::Stopped => "stopped",
        };
        let (from, until) = (words::time(self.from_s), words::time(self.until_s));
        format!("nothing was recorded from {from} to {until} ({why})")
    }

    /// Nobody could have seen that a rule went.
    fn hides_rules(&self) -> bool {
        match self.why {
            Why::Silent | Why::Stopped => true,
            Why::Lost(cause) => match cause {
                LossCause::AgentDown | LossCause::SpoolDamaged | LossCause::CanaryLost => true,
                LossCause::FileLost
                | LossCause::CounterReset
                | LossCause::KernelQueue
                | LossCause::AgentQueue
                | LossCause::NotParsed
                | LossCause::SpoolFull
                | LossCause::Unspecified => false,
            },
        }
    }
}

/// One of them, as a leaf of the tree shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) unseen: Unseen,
    /// `None`: all of the node.
    source: Option<i32>,
    /// `None`: all of the source.
    pub(crate) rule: Option<u64>,
    pub(crate) leaf: u64,
    pub(crate) covered_by: u64,
}

impl Shown {
    /// `None`: it is no time.
    pub(crate) fn of_leaf(leaf: u64, covered_by: u64, gap: &v1::Gap) -> Option<Self> {
        let cause = gap.cause();
        match cause {
            LossCause::AgentDown
            | LossCause::SpoolDamaged
            | LossCause::FileLost
            | LossCause::CanaryLost
            | LossCause::CounterReset => {}
            LossCause::KernelQueue
            | LossCause::AgentQueue
            | LossCause::NotParsed
            | LossCause::SpoolFull
            | LossCause::Unspecified => return None,
        }
        let v1::Gap { source, rule, from_s, until_s, .. } = *gap;
        let unseen = Unseen { from_s, until_s, why: Why::Lost(cause) };
        let rule = (rule != 0).then_some(rule);
        Some(Self { unseen, source: Some(source), rule, leaf, covered_by })
    }

    pub(crate) fn of_silence(leaf: u64, covered_by: u64, silence: &Silence) -> Self {
        let Silence { from_s, until_s, announced, .. } = *silence;
        let why = if announced { Why::Stopped } else { Why::Silent };
        Self { unseen: Unseen { from_s, until_s, why }, source: None, rule: None, leaf, covered_by }
    }

    fn is_of(&self, rule: &v1::Rule) -> bool {
        self.source.is_none_or(|source| source == rule.source)
            && self.rule.is_none_or(|number| number == rule.number)
    }
}

/// Of one tree, in the order of their ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gaps(Vec<Shown>);

impl Gaps {
    pub(crate) fn add(&mut self, shown: Shown) {
        let at = self.0.partition_point(|known| known.unseen.until_s <= shown.unseen.until_s);
        self.0.insert(at, shown);
    }

    /// Those that touch the span, of what is known.
    pub(crate) fn within(
        &self,
        rule: &v1::Rule,
        (first_s, last_s): (i64, i64),
        is_known: impl Fn(&Shown) -> bool,
    ) -> Vec<Unseen> {
        self.ending_from(first_s)
            .filter(|shown| shown.unseen.from_s <= last_s && shown.is_of(rule) && is_known(shown))
            .map(|shown| shown.unseen)
            .take(TOLD_MAX)
            .collect()
    }

    /// The first in which the instant lies, if nobody could have seen there that the rule went. At its ends the
    /// node was heard.
    pub(crate) fn hiding(
        &self,
        rule: &v1::Rule,
        at_s: i64,
        is_known: impl Fn(&Shown) -> bool,
    ) -> Option<Unseen> {
        self.ending_from(at_s)
            .filter(|shown| shown.unseen.from_s < at_s && at_s < shown.unseen.until_s)
            .filter(|shown| shown.unseen.hides_rules() && shown.is_of(rule) && is_known(shown))
            .map(|shown| shown.unseen)
            .next()
    }

    fn ending_from(&self, at_s: i64) -> impl Iterator<Item = &Shown> {
        let begin = self.0.partition_point(|known| known.unseen.until_s < at_s);
        self.0.get(begin..).unwrap_or_default().iter()
    }
}
