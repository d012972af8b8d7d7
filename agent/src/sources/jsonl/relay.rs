//! What the lines of one box come to: its rules, its counters, its hits.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use remit_proto::v1::{
    ClaimOrigin, Direction, LossCause, SourceKind, Target, TargetKind, Technique, Trigger,
};

use super::{
    Format,
    record::{self, HitRecord, Record, RuleRecord, Wrong},
    syslog, target,
};
use crate::{
    observation::{CounterKey, Hit, KnownRule, Report, RuleNumber, RuleState},
    sources::{
        SourceContext,
        tail::{self, Gathered, Lines, Stamp},
    },
};

/// Rules that lines alone have made known: a box that invents names does not fill the node's memory.
pub(super) const LINE_RULES_MAX: usize = 4096;
/// Readings in which a counter was seen before hits are held against it: then the ledger knows from
/// where it counts.
const READINGS_FIRST: u32 = 4;
const SAY_INTERVAL: Duration = Duration::from_secs(60);
const FILE_SIZE_MAX: u64 = 64 << 20;
/// Rules that stay because the file cannot be read whole; what one file holds fits twice.
const LISTED_MAX: usize = 1 << 20;

pub(super) struct Relay {
    by: String,
    format: Format,
    rules_file: Option<PathBuf>,
    counters_alone: bool,
    /// Of the file, and of lines.
    listed: BTreeMap<String, RuleRecord>,
    told: BTreeMap<String, RuleRecord>,
    known: HashMap<String, Arc<KnownRule>>,
    counters: BTreeMap<String, (u64, u32)>,
    read: Option<Stamp>,
    /// The file could not be read, or not whole: what it held before stands.
    unread: bool,
    /// Lines of it that are not understood, and not told of yet.
    lines_lost: u64,
    states: u64,
    lines: u64,
    said: Option<Instant>,
}

impl Relay {
    pub(super) fn new(
        by: String,
        format: Format,
        rules_file: Option<PathBuf>,
        counters_alone: bool,
    ) -> Self {
        Self {
            by,
            format,
            rules_file,
            counters_alone,
            listed: BTreeMap::new(),
            told: BTreeMap::new(),
            known: HashMap::new(),
            counters: BTreeMap::new(),
            read: None,
            unread: false,
            lines_lost: 0,
            states: 0,
            lines: 0,
            said: None,
        }
    }

    fn record(&self, line: &[u8]) -> Result<Option<Record>, Wrong> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).ok().filter(|text| !text.contains(char::is_control));
        let text =
            text.ok_or_else(|| Wrong::new("(line)", "must be UTF-8 without control bytes"))?;
        match &self.format {
            Format::Remit if text.trim().is_empty() => Ok(None),
            Format::Remit => record::parse(text).map(Some),
            Format::Syslog(map) => {
                syslog::parse(text, map).transpose().map(|hit| hit.map(Record::Hit))
            }
        }
    }

    fn may_say(&mut self) -> bool {
        let may = self.said.is_none_or(|said| said.elapsed() >= SAY_INTERVAL);
        if may {
            self.said = Some(Instant::now());
        }
        may
    }

    /// Nothing of the line itself is logged: it may hold anything.
    fn say(&mut self, wrong: &Wrong) {
        if self.may_say() {
            let line = self.lines;
            tracing::warn!(line, %wrong, "a relayed line is not understood; so may be others");
        }
    }

    /// As `doctor` says it, by the number of the line in the file.
    fn say_of_file(&mut self, (line, wrong): &(usize, Wrong)) {
        if self.may_say() {
            tracing::warn!(
                line, %wrong,
                "the file of rules cannot be read whole: the rules that it held before stand"
            );
        }
    }

    fn take(&mut self, record: Record, context: &SourceContext, gathered: &mut Gathered) {
        match record {
            Record::Rule(rule) => {
                if self.told.len() < LINE_RULES_MAX || self.told.contains_key(&rule.rule) {
                    self.told.insert(rule.rule.clone(), *rule);
                    gathered.new_rules |= self.rebuild(context);
                } else {
                    gathered.not_parsed += 1;
                }
            }
            Record::Removed { rule } => {
                if self.told.remove(&rule).is_some() || self.listed.remove(&rule).is_some() {
                    self.known.remove(&rule);
                    gathered.new_rules |= self.rebuild(context);
                }
            }
            Record::Hit(hit) => self.hit(hit, context, gathered),
            Record::Counter { rule, value } => self.counter(&rule, value, context, gathered),
            Record::Lost { count } => gathered.lose(LossCause::FileLost, count),
        }
    }

    fn hit(&mut self, record: HitRecord, context: &SourceContext, gathered: &mut Gathered) {
        if self.counters_alone {
            // Its counter tells of it.
            return;
        }
        let HitRecord { rule, at_s, count, target: named, response } = record;
        let Some((number, singly)) = self.number(&rule, context, gathered) else {
            gathered.lose(LossCause::NotParsed, count);
            return;
        };
        let hit_target = match singly {
            true => None,
            false => named.and_then(|named| target::hit(&named, &context.privacy)),
        };
        let other_candidates = Vec::new();
        gathered.add(Hit { rule: number, at_s, count, hit_target, response, other_candidates });
    }

    fn counter(
        &mut self,
        rule: &str,
        value: u64,
        context: &SourceContext,
        gathered: &mut Gathered,
    ) {
        let Some((number, _)) = self.number(rule, context, gathered) else {
            gathered.not_parsed += 1;
            return;
        };
        let before = self.counters.get(rule).copied();
        self.counters.insert(rule.to_owned(), (value, before.map_or(0, |(_, seen)| seen)));
        let Some((before, _)) = before.filter(|_| self.counters_alone) else { return };
        // One that shows less began anew.
        let count = value.checked_sub(before).unwrap_or(value);
        if count > 0 {
            gathered.add(Hit {
                rule: number,
                at_s: (context.now_s)(),
                count,
                hit_target: None,
                response: crate::observation::Response::Silent,
                other_candidates: Vec::new(),
            });
        }
    }

    /// The number of a rule by its name, and whether it names singly what it hits. One that nobody told
    /// of is made known by this.
    fn number(
        &mut self,
        rule: &str,
        context: &SourceContext,
        gathered: &mut Gathered,
    ) -> Option<(RuleNumber, bool)> {
        if !self.known.contains_key(rule) {
            if self.known.len() >= self.listed.len() + 2 * LINE_RULES_MAX {
                return None;
            }
            let kind = TargetKind::NotUnderstood.into();
            let unknown = RuleRecord {
                rule: rule.to_owned(),
                target: Target { kind, value: String::new() },
                technique: Technique::Other,
                trigger: Trigger::Other,
                direction: Direction::Both,
                actor: None,
                claims: Vec::new(),
                narrowed: false,
                text: String::new(),
            };
            let mut known = self.known_rule(&unknown, context);
            if self.unread {
                // It may be one that stood before this agent began, whose line cannot be read now.
                known.number = (context.rule_number)(&format!("{} {rule} unread", self.by));
            }
            self.known.insert(rule.to_owned(), known.into());
            self.states += 1;
            gathered.new_rules = true;
        }
        let known = self.known.get(rule)?;
        Some((known.number, target::is_single(&known.target)))
    }

    /// Makes the rules anew; those that hits alone made known stay. True if they changed.
    fn rebuild(&mut self, context: &SourceContext) -> bool {
        let records = self.listed.values().chain(self.told.values());
        let rules: Vec<_> =
            records.map(|rule| (rule.rule.clone(), self.known_rule(rule, context))).collect();
        let mut changed = false;
        for (name, rule) in rules {
            if self.known.get(&name).is_none_or(|known| **known != rule) {
                self.known.insert(name, rule.into());
                changed = true;
            }
        }
        self.states += u64::from(changed);
        changed
    }

    fn known_rule(&self, record: &RuleRecord, context: &SourceContext) -> KnownRule {
        let (target, of_a_customer) = target::without_customers(&record.target, &context.privacy);
        let (claims, claim_origin) = match record.claims.is_empty() {
            false => (record.claims.clone(), ClaimOrigin::Carried),
            true => {
                let claims = syslog::mapped(&self.by, &record.rule, &*context.mapped);
                let origin =
                    if claims.is_empty() { ClaimOrigin::None } else { ClaimOrigin::Mapped };
                (claims, origin)
            }
        };
        let counted =
            self.counters.get(&record.rule).is_some_and(|(_, seen)| *seen >= READINGS_FIRST);
        let native = format!("relayed by {}: {} {}", self.by, record.rule, record.text);
        KnownRule {
            number: (context.rule_number)(&format!("{} {}", self.by, record.rule)),
            technique: record.technique,
            trigger: target::trigger(record.trigger, of_a_customer),
            direction: record.direction,
            actor: record.actor.unwrap_or(context.default_actor),
            claims,
            claim_origin,
            narrowed: record.narrowed,
            names_sampled: false,
            rate_bits_per_s: None,
            counter: counted.then(|| self.key(&record.rule)),
            target,
            native: context.privacy.redact(native.trim_end()),
        }
    }

    fn key(&self, rule: &str) -> CounterKey {
        format!("{}/{rule}", self.by).into()
    }

    /// The file of rules, if it is not what it was. It is all of them: what is not in it is gone, unless
    /// some of it could not be read. True if there is something to tell.
    fn read_rules(&mut self) -> bool {
        let Some(path) = &self.rules_file else { return false };
        let stamp = tail::stamp(path);
        if self.read == Some(stamp) {
            return false;
        }
        let (rules, wrong) = read_rules(path);
        // Written while it was read, or not to be read for a reason that it does not show itself.
        let again = tail::stamp(path) != stamp || wrong.iter().any(|(line, _)| *line == 0);
        self.read = (!again).then_some(stamp);
        if let Some(first) = wrong.first() {
            self.say_of_file(first);
        }
        let lines = wrong.iter().filter(|(line, _)| *line > 0).count() as u64;
        self.lines_lost = self.lines_lost.saturating_add(lines);
        let unread = again || !wrong.is_empty();
        let turned = std::mem::replace(&mut self.unread, unread) != unread;
        if unread && self.listed.len() < LISTED_MAX {
            self.listed.extend(rules);
            return turned;
        }
        let gone: Vec<String> =
            self.listed.keys().filter(|rule| !rules.contains_key(*rule)).cloned().collect();
        for rule in &gone {
            self.known.remove(rule);
        }
        self.listed = rules;
        turned || !gone.is_empty()
    }
}

/// The rules of a file, and what is wrong with which of its lines (from 1; 0: the file itself).
pub(super) fn read_rules(path: &PathBuf) -> (BTreeMap<String, RuleRecord>, Vec<(usize, Wrong)>) {
    let good = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= FILE_SIZE_MAX);
    let Some(bytes) = good.then(|| fs::read(path).ok()).flatten() else {
        return (
            BTreeMap::new(),
            vec![(0, Wrong::new("(file)", "must be readable, at most 64 MiB"))],
        );
    };
    let (mut rules, mut wrong) = (BTreeMap::new(), Vec::new());
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let text = std::str::from_utf8(line).map_err(|_| Wrong::new("(line)", "must be UTF-8"));
        match text.and_then(record::parse) {
            Ok(Record::Rule(rule)) => drop(rules.insert(rule.rule.clone(), *rule)),
            Ok(_) => wrong.push((at + 1, Wrong::new("type", "must be rule in a file of rules"))),
            Err(error) => wrong.push((at + 1, error)),
        }
    }
    (rules, wrong)
}

impl Lines for Relay {
    fn line(&mut self, line: &[u8], context: &SourceContext, gathered: &mut Gathered) {
        self.lines += 1;
        match self.record(line) {
            Ok(Some(record)) => self.take(record, context, gathered),
            Ok(None) => {}
            Err(wrong) => {
                gathered.not_parsed += 1;
                self.say(&wrong);
            }
        }
    }

    fn broken(&mut self) {
        self.lines += 1;
    }

    fn step(&mut self, context: &SourceContext) -> Vec<Report> {
        let count = std::mem::take(&mut self.lines_lost);
        let (source, at_s) = (SourceKind::Jsonl, (context.now_s)());
        let lost = Report::Lost { source, cause: LossCause::NotParsed, count, at_s };
        (count > 0).then_some(lost).into_iter().collect()
    }

    fn refresh(&mut self, context: &SourceContext, _thorough: bool) -> bool {
        let read = self.read_rules();
        self.rebuild(context) || read
    }

    fn rules(&self, at_s: i64) -> RuleState {
        let mut rules: Vec<_> = self.known.values().cloned().collect();
        crate::order::sort_by_key(&mut rules, |rule| rule.number);
        RuleState {
            source: SourceKind::Jsonl,
            at_s,
            generation: self.states,
            changed_by: self.by.clone(),
            rules,
            // Of what lines alone told, nobody knows whether it is all.
            unstable: self.rules_file.is_none() || self.unread,
            partial: self.unread,
        }
    }

    fn counters(&mut self) -> Option<Vec<(CounterKey, u64)>> {
        let by = &self.by;
        let counters = self.counters.iter_mut().map(|(rule, (value, seen))| {
            *seen = seen.saturating_add(1);
            (CounterKey::from(format!("{by}/{rule}")), *value)
        });
        let counters: Vec<_> = counters.collect();
        (!counters.is_empty()).then_some(counters)
    }
}
