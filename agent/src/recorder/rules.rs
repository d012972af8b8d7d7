//! What is known of one source's rules, and how a new state differs from it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use evidence::claim::CLAIMS_MAX;
use remit_proto::v1::{self, SourceKind};

use super::{
    TICK_MS,
    leaves::{self, EncodedRule},
};
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
    /// When all rules were last listed, by the monotonic clock.
    pub(super) listed_ms: i64,
    /// It found no room: when it is tried again, and how long that was put off.
    pub(super) put_off: Option<(i64, i64)>,
    /// Part of the rules cannot be read; until when that was said, and when, by the monotonic clock.
    unread: Option<(i64, i64)>,
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
            partial: false,
        };
        Self {
            source,
            now: HashMap::new(),
            retired: HashMap::new(),
            newest,
            needs_snapshot: true,
            listed_ms: 0,
            put_off: None,
            unread: None,
            deeds_alone: false,
        }
    }

    /// A span in which rules may have stood or gone that nobody read, and which was not said yet: at once,
    /// every [`UNREAD_INTERVAL_MS`], and when they are read whole again.
    pub(super) fn unread_span(&mut self, now_s: i64, now_ms: i64) -> Option<(i64, i64)> {
        let partial = self.newest.partial;
        let from_s = match self.unread {
            None if partial => now_s,
            Some((said_s, said_ms)) if !partial || now_ms - said_ms >= UNREAD_INTERVAL_MS => said_s,
            None | Some(_) => return None,
        };
        self.unread = partial.then_some((now_s, now_ms));
        Some((from_s.min(now_s), now_s))
    }

    /// Takes in rules of which nothing but hits is known.
    pub(super) fn learn(&mut self, rules: &[Arc<KnownRule>], ledger: &mut Ledger) {
        (self.deeds_alone, self.needs_snapshot) = (true, false);
        for rule in rules {
            let entry = self.entry(rule, ledger);
            if let Some(slot) = entry.slot {
                ledger.mark_used(slot);
            }
            self.now.insert(rule.number, entry);
        }
    }

    pub(super) fn snapshot_due(&self, now_ms: i64) -> bool {
        let told = self.newest.at_s > 0;
        self.needs_snapshot && told && self.put_off.is_none_or(|(until_ms, _)| now_ms >= until_ms)
    }

    /// All changes since the last snapshot are told, and that is `interval_ms` ago.
    pub(super) fn control_due(&self, now_ms: i64, interval_ms: i64) -> bool {
        let told = self.newest.at_s > 0 && !self.newest.unstable;
        let waits = self.needs_snapshot || self.deeds_alone;
        told && !waits && now_ms - self.listed_ms >= interval_ms
    }

    /// Tries again in a tick, then ever more seldom: each try may write many chunks in vain.
    pub(super) fn put_off(&mut self, now_ms: i64) {
        if self.put_off.is_none() {
            tracing::warn!("there is no room for a snapshot of the rules: it is written later");
        }
        let wait_ms = self.put_off.map_or(TICK_MS, |(_, wait_ms)| wait_ms * 2);
        let wait_ms = wait_ms.min(PUT_OFF_MAX_MS);
        self.put_off = Some((now_ms + wait_ms, wait_ms));
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
        crate::order::sort_by_key(&mut rules, |rule| rule.number);
        rules
    }

    pub(super) fn update(
        &mut self,
        state: &RuleState,
        ledger: &mut Ledger,
        now_ms: i64,
    ) -> Changes {
        let mut list = Vec::new();
        let mut successors = Successors::default();
        let mut before = std::mem::take(&mut self.now);
        self.now.reserve(state.rules.len());
        for rule in &state.rules {
            let entry = match before.remove(&rule.number) {
                Some(entry) if entry.rule == *rule => entry,
                Some(known) => {
                    list.push(Change { kind: v1::RuleChangeKind::Modified, rule: rule.clone() });
                    let entry = self.entry(rule, ledger);
                    successors.add(known.slot, entry.slot);
                    entry
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
            if state.partial {
                // It may be what could not be read.
                self.now.insert(number, entry);
                continue;
            }
            let rule = entry.rule.clone();
            list.push(Change { kind: v1::RuleChangeKind::Removed, rule });
            if self.retired.len() < RETIRED_MAX {
                self.retired.insert(number, (entry, now_ms));
            }
        }
        let late: HashSet<Slot> =
            self.retired.values().filter_map(|(entry, _)| entry.slot).collect();
        let used: HashSet<Slot> = self.now.values().filter_map(|entry| entry.slot).collect();
        for (old, new) in successors.whole(&used) {
            ledger.succeed(old, new);
        }
        ledger.refer(self.source, &used, &late);
        let unstable = state.unstable || state.partial;
        let turned = self.newest.unstable != unstable;
        self.newest = RuleState {
            source: self.source,
            at_s: state.at_s,
            generation: state.generation,
            changed_by: state.changed_by.clone(),
            rules: Vec::new(),
            unstable,
            partial: state.partial,
        };
        Changes { list, turned }
    }

    fn entry(&self, rule: &Arc<KnownRule>, ledger: &mut Ledger) -> RuleEntry {
        let slot = rule.counter.as_ref().map(|counter| ledger.slot(self.source, counter));
        RuleEntry { rule: rule.clone(), source: self.source, slot, encoded: None }
    }

    pub(super) fn without_claim(&self) -> u64 {
        self.now.values().filter(|entry| leaves::is_without_claim(&entry.rule)).count() as u64
    }
}

/// Which counters take the places of which.
#[derive(Debug, Default)]
struct Successors(HashMap<Slot, Option<Slot>>);

impl Successors {
    /// A rule that had the one has the other now.
    fn add(&mut self, old: Option<Slot>, new: Option<Slot>) {
        let Some(old) = old.filter(|old| Some(*old) != new) else { return };
        let known = self.0.entry(old).or_insert(new);
        // Rules that shared a counter and do not any more: whose hits it counted is not known.
        *known = known.filter(|known| Some(*known) == new);
    }

    /// Those whose old counter no rule has any more.
    fn whole(self, used: &HashSet<Slot>) -> impl Iterator<Item = (Slot, Slot)> {
        let gone = self.0.into_iter().filter(|(old, _)| !used.contains(old));
        gone.filter_map(|(old, new)| Some((old, new?)))
    }
}

const PUT_OFF_MAX_MS: i64 = 60_000;
/// As a log that is not to be seen.
const UNREAD_INTERVAL_MS: i64 = 60_000;
/// Packets wait at most a tenth of a second in the kernel's queue, lines somewhat longer in a file.
const RETIRED_MS: i64 = 60_000;
/// Above it, late hits of removed rules are counted as not parsed.
const RETIRED_MAX: usize = 4096;
