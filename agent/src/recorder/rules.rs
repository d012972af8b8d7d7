//! What is known of one source's rules, and how a new state differs from it.

use std::{collections::HashMap, sync::Arc};

use evidence::claim::CLAIMS_MAX;
use remit_proto::v1::{self, SourceKind};

use super::leaves::{self, EncodedRule};
use crate::{
    ledger::{Ledger, Slot},
    observation::{KnownRule, RuleNumber, RuleState},
};

/// The rules of one source.
#[derive(Debug)]
pub(super) struct SourceRules {
    source: SourceKind,
    now: HashMap<RuleNumber, RuleEntry>,
    /// Removed a short while ago: hits of theirs may still be on their way.
    retired: HashMap<RuleNumber, (RuleEntry, i64)>,
    /// The newest state, without its rules.
    pub(super) newest: RuleState,
    /// The next thing to write is a snapshot.
    pub(super) needs_snapshot: bool,
    /// Known from an old log: what was installed is not known, and no snapshot says it.
    pub(super) deeds_alone: bool,
}

#[derive(Debug)]
pub(super) struct RuleEntry {
    pub(super) rule: Arc<KnownRule>,
    source: SourceKind,
    pub(super) slot: Option<Slot>,
    /// Made at the first hit: most rules of a long list never see one.
    encoded: Option<Box<EncodedRule>>,
}

impl RuleEntry {
    pub(super) fn encoded(&mut self) -> &EncodedRule {
        let (rule, source) = (&self.rule, self.source);
        self.encoded.get_or_insert_with(|| Box::new(EncodedRule::new(rule, source)))
    }

    pub(super) fn wire_claims(&self) -> Vec<v1::Claim> {
        self.rule.claims.iter().take(CLAIMS_MAX).map(Into::into).collect()
    }
}

/// What differs from the state before.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) list: Vec<Change>,
    /// The state before held still and this one does not, or the other way round.
    pub(super) turned: bool,
}

#[derive(Debug)]
pub(super) struct Change {
    pub(super) kind: v1::RuleChangeKind,
    pub(super) rule: Arc<KnownRule>,
}

impl Change {
    pub(super) fn number(&self) -> RuleNumber {
        self.rule.number
    }
}

impl SourceRules {
    pub(super) fn new(source: SourceKind) -> Self {
        let newest = RuleState {
            source,
            at_s: 0,
            generation: 0,
            changed_by: String::new(),
            rules: Vec::new(),
            unstable: false,
        };
        Self {
            source,
            now: HashMap::new(),
            retired: HashMap::new(),
            newest,
            needs_snapshot: true,
            deeds_alone: false,
        }
    }

    /// Takes in rules of which nothing but hits is known.
    pub(super) fn learn(&mut self, rules: &[Arc<KnownRule>], ledger: &mut Ledger) {
        (self.deeds_alone, self.needs_snapshot) = (true, false);
        for rule in rules {
            let entry = self.entry(rule, ledger);
            self.now.insert(rule.number, entry);
        }
    }

    /// The rule that a hit names; also one that was removed a moment ago.
    pub(super) fn of_hit(&mut self, number: RuleNumber) -> Option<&mut RuleEntry> {
        match self.now.get_mut(&number) {
            Some(entry) => Some(entry),
            None => self.retired.get_mut(&number).map(|(entry, _)| entry),
        }
    }

    /// The rule that a counter belongs to (0 if several share it), and what is claimed for it.
    pub(super) fn of_counter(&self, counter: &str) -> (u64, Vec<v1::Claim>) {
        let mut number = 0;
        let mut claims: Vec<v1::Claim> = Vec::new();
        let with = self.now.values().filter(|entry| entry.rule.counter.as_deref() == Some(counter));
        for (at, entry) in with.enumerate() {
            number = if at == 0 { entry.rule.number.0 } else { 0 };
            for claim in entry.wire_claims() {
                if claims.len() < CLAIMS_MAX && !claims.contains(&claim) {
                    claims.push(claim);
                }
            }
        }
        (number, claims)
    }

    /// The rules as they stand, for a snapshot, in the order of their numbers.
    pub(super) fn sorted(&self) -> Vec<Arc<KnownRule>> {
        let mut rules: Vec<_> = self.now.values().map(|entry| entry.rule.clone()).collect();
        rules.sort_by_key(|rule| rule.number);
        rules
    }

    pub(super) fn update(
        &mut self,
        state: &RuleState,
        ledger: &mut Ledger,
        now_ms: i64,
    ) -> Changes {
        let mut list = Vec::new();
        let mut before = std::mem::take(&mut self.now);
        self.now.reserve(state.rules.len());
        for rule in &state.rules {
            let entry = match before.remove(&rule.number) {
                Some(entry) if entry.rule == *rule => entry,
                Some(_) => {
                    list.push(Change { kind: v1::RuleChangeKind::Modified, rule: rule.clone() });
                    self.entry(rule, ledger)
                }
                None => {
                    list.push(Change { kind: v1::RuleChangeKind::Installed, rule: rule.clone() });
                    self.retired.remove(&rule.number);
                    self.entry(rule, ledger)
                }
            };
            self.now.insert(rule.number, entry);
        }
        self.retired.retain(|_, (_, at_ms)| now_ms - *at_ms < RETIRED_MS);
        for (number, entry) in before {
            let rule = entry.rule.clone();
            list.push(Change { kind: v1::RuleChangeKind::Removed, rule });
            if self.retired.len() < RETIRED_MAX {
                self.retired.insert(number, (entry, now_ms));
            }
        }
        let turned = self.newest.unstable != state.unstable;
        self.newest = RuleState {
            source: self.source,
            at_s: state.at_s,
            generation: state.generation,
            changed_by: state.changed_by.clone(),
            rules: Vec::new(),
            unstable: state.unstable,
        };
        Changes { list, turned }
    }

    fn entry(&self, rule: &Arc<KnownRule>, ledger: &mut Ledger) -> RuleEntry {
        let slot = rule.counter.as_ref().map(|counter| {
            let slot = ledger.slot(self.source, counter);
            ledger.mark_counted(slot);
            slot
        });
        RuleEntry { rule: rule.clone(), source: self.source, slot, encoded: None }
    }

    pub(super) fn without_claim(&self) -> u64 {
        self.now.values().filter(|entry| leaves::is_without_claim(&entry.rule)).count() as u64
    }
}

/// Packets wait at most a tenth of a second in the kernel's queue, lines somewhat longer in a file.
const RETIRED_MS: i64 = 60_000;
/// Above it, late hits of removed rules are counted as not parsed.
const RETIRED_MAX: usize = 4096;
