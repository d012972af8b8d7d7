//! The rules of the policy zones, as Unbound has loaded them, and which of them a log line means.
//!
//! In: zone files, re-read when they change; the serials that Unbound says it has loaded, if there
//! is a control socket. Out: [`RuleState`], and for each line the rule and its other candidates.
//!
//! A new file of which Unbound has not loaded the serial is not yet in force: the rules stay as they
//! were, and the state is said to be unstable until file and Unbound agree. Unstable are also: a file
//! that cannot be read or holds what is not understood, and an Unbound that does not answer.
//!
//! A line may name a rule that no file holds (a zone that is not configured here, or a version that
//! was never on this disk). Then the line itself makes the rule: the target is in it, the claim in
//! its brackets.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use evidence::{Claim, claim::carried};
use remit_proto::v1::{self, ClaimOrigin, Technique};

use super::{
    RpzZone,
    action::Action,
    control,
    line::Applied,
    owner::Owner,
    zone::{self, Entry},
};
use crate::{
    observation::{CounterKey, KnownRule, RuleNumber, RuleState},
    sources::{SourceContext, actor},
};

/// Rules known from lines alone; a wrongly configured zone list must not eat the memory. Further
/// ones are counted, exactly, on one rule whose target is not understood.
const FROM_LINES_MAX: usize = 16 * 1024;

pub struct Rules {
    zones: Vec<LoadedZone>,
    from_lines: BTreeMap<LineKey, Arc<KnownRule>>,
    /// Stands for all that did not fit into `from_lines`.
    further: Option<Arc<KnownRule>>,
    control: Option<PathBuf>,
    /// Prefix of the key texts: another log is another resolver, whatever its zones are called.
    instance: String,
    counter: Option<CounterKey>,
    unstable: bool,
}

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    pub rule: RuleNumber,
    pub other_candidates: Vec<RuleNumber>,
}

struct LoadedZone {
    config: RpzZone,
    /// What the file was when it was last read.
    identity: Option<Identity>,
    unreadable: bool,
    current: Option<Built>,
    /// In the file, not yet loaded by Unbound.
    pending: Option<Built>,
    /// Unbound has loaded another serial than `current`, or does not say.
    disagrees: bool,
}

/// The rules of one version of one zone, sorted by owner.
struct Built {
    serial: Option<u32>,
    incomplete: bool,
    rules: Vec<(Owner, Action, Arc<KnownRule>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Rules {
    pub fn new(zones: Vec<RpzZone>, log: &Path, control: Option<PathBuf>) -> Self {
        let zones = zones
            .into_iter()
            .map(|config| LoadedZone {
                config,
                identity: None,
                unreadable: false,
                current: None,
                pending: None,
                disagrees: false,
            })
            .collect();
        let counter = control.as_ref().map(|_| super::counter_key(log));
        let instance = format!("unbound_rpz/{}", log.display());
        Self {
            zones,
            from_lines: BTreeMap::new(),
            further: None,
            control,
            instance,
            counter,
            unstable: false,
        }
    }

    pub fn labels(&self) -> Vec<String> {
        self.zones.iter().filter_map(|z| z.config.log_name.clone()).collect()
    }

    /// Looks at the files and asks Unbound where they changed or did not agree, or `ask_anyway`.
    /// True if rules or stability are not what they were.
    pub fn refresh(&mut self, context: &SourceContext, ask_anyway: bool) -> bool {
        let mut changed = false;
        let mut read = Vec::new();
        for index in 0..self.zones.len() {
            read.push(self.read_if_changed(index, context));
        }
        let ask = ask_anyway
            || read.iter().any(Option::is_some)
            || self.zones.iter().any(|z| z.disagrees || z.pending.is_some());
        let answer = match &self.control {
            // An Unbound that does not answer has no serial: unstable below.
            Some(socket) if ask => {
                Some(control::ask(socket, "list_auth_zones").unwrap_or_default())
            }
            Some(_) | None => None,
        };
        for (zone, read) in self.zones.iter_mut().zip(read) {
            let loaded =
                answer.as_deref().map(|answer| control::loaded_serial(answer, &zone.config.name));
            changed |= zone.settle(read, loaded);
        }
        if changed {
            let zones = &self.zones;
            self.from_lines.retain(|(label, owner), _| {
                !zones.iter().any(|z| {
                    z.config.log_name.as_deref() == label.as_deref() && z.rule(owner).is_some()
                })
            });
        }
        let unstable = self.zones.iter().any(LoadedZone::is_unstable);
        changed |= unstable != self.unstable;
        self.unstable = unstable;
        changed
    }

    pub fn state(&self, at_s: i64) -> RuleState {
        let current = || self.zones.iter().filter_map(|z| z.current.as_ref());
        let rules = current()
            .flat_map(|built| built.rules.iter().map(|(_, _, rule)| Arc::clone(rule)))
            .chain(self.from_lines.values().chain(&self.further).cloned())
            .collect();
        RuleState {
            source: v1::SourceKind::UnboundRpz,
            at_s,
            // One zone: its serial. Several: their sum, which moves when one of them does.
            generation: current().filter_map(|b| b.serial).map(u64::from).sum(),
            changed_by: String::new(),
            rules,
            unstable: self.unstable,
        }
    }

    /// The rule that a line means; `None`: no zone holds it.
    pub fn cause(&self, line: &Applied<'_>) -> Option<Cause> {
        let zones = || self.zones.iter().filter(|z| z.config.log_name.as_deref() == line.label);
        // The same owner may stand in several zones of one log name; the action tells some apart.
        let mut found: Vec<_> = zones().filter_map(|z| z.rule(&line.owner)).collect();
        if found.iter().any(|(action, _)| action.matches(line.done)) {
            found.retain(|(action, _)| action.matches(line.done));
        }
        let mut numbers = found.into_iter().map(|(_, number)| number);
        if let Some(rule) = numbers.next() {
            return Some(Cause { rule, other_candidates: numbers.collect() });
        }
        let made = self.from_lines.get(&line_key(line))?;
        Some(Cause { rule: made.number, other_candidates: Vec::new() })
    }

    /// Makes a rule of what the line says; true if it is new.
    pub fn add_from_line(&mut self, line: &Applied<'_>, context: &SourceContext) -> (Cause, bool) {
        let alone = |rule: &KnownRule| Cause { rule: rule.number, other_candidates: Vec::new() };
        if self.from_lines.len() >= FROM_LINES_MAX {
            let new = self.further.is_none();
            let rule = self.further.get_or_insert_with(|| {
                Arc::new(KnownRule {
                    number: (context.rule_number)(&format!("{}/further", self.instance)),
                    technique: Technique::Other,
                    trigger: v1::Trigger::Other,
                    direction: v1::Direction::ToTarget,
                    // Of several makers, perhaps.
                    actor: v1::Actor::Unknown,
                    claims: Vec::new(),
                    claim_origin: ClaimOrigin::None,
                    narrowed: false,
                    counter: self.counter.clone(),
                    target: v1::Target {
                        kind: v1::TargetKind::NotUnderstood.into(),
                        value: String::new(),
                    },
                    native: "further rules known from log lines alone".to_owned(),
                })
            });
            return (alone(rule), new);
        }
        let mut rule = rule_of_line(line, &self.instance, self.counter.clone(), context);
        let zone = self.zones.iter().find(|z| z.config.log_name.as_deref() == line.label);
        if let Some(zone) = zone {
            (rule.claims, rule.claim_origin) = zone_claims(&zone.config, context);
        }
        let cause = alone(&rule);
        self.from_lines.insert(line_key(line), Arc::new(rule));
        (cause, true)
    }

    /// The zone's new rules, if the file is not what it was.
    fn read_if_changed(&mut self, index: usize, context: &SourceContext) -> Option<Built> {
        let zone = self.zones.get_mut(index)?;
        let path = zone.config.file.as_path();
        let identity = identity(path).ok();
        if identity.is_some() && identity == zone.identity {
            zone.unreadable = false;
            return None;
        }
        let parsed =
            File::open(path).and_then(|f| zone::read(BufReader::new(f), &zone.config.name));
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                if !zone.unreadable {
                    tracing::warn!(zone = zone.config.name, %error, "a zone file cannot be read; its rules stay as they were known");
                }
                zone.unreadable = true;
                return None;
            }
        };
        zone.unreadable = false;
        // Written while it was read: read again next time.
        let torn = self::identity(path).ok() != identity;
        zone.identity = if torn { None } else { identity };
        let (claims, origin) = zone_claims(&zone.config, context);
        let zone_actor = zone_actor(&zone.config);
        let rules = parsed
            .entries
            .into_iter()
            .filter_map(|(owner, entry)| {
                let entry = overridden(entry, zone.config.action_override);
                let technique = entry.action.technique()?;
                let rule = known_rule(Known {
                    key: format!("{}/zone/{}/{owner:?}", self.instance, zone.config.name),
                    owner: &owner,
                    technique,
                    actor: entry.actor.or(zone_actor),
                    claims: match &entry.claims {
                        Some(own) if own.is_empty() => (Vec::new(), ClaimOrigin::None),
                        Some(own) => (own.clone(), ClaimOrigin::Carried),
                        None => (claims.clone(), origin),
                    },
                    native: native(&owner, &entry, context),
                    counter: self.counter.clone(),
                    context,
                });
                Some((owner, entry.action, Arc::new(rule)))
            })
            .collect();
        let incomplete = torn || parsed.not_understood > 0;
        Some(Built { serial: parsed.serial, incomplete, rules })
    }
}

impl LoadedZone {
    /// Takes what was read and what Unbound says (`None`: it was not asked). True if the rules in
    /// force changed.
    fn settle(&mut self, read: Option<Built>, loaded: Option<Option<u32>>) -> bool {
        let newest = read.or_else(|| self.pending.take());
        let Some(loaded) = loaded else {
            // Without a control socket the file is all there is.
            return match newest {
                Some(newest) => {
                    self.current = Some(newest);
                    true
                }
                None => false,
            };
        };
        let serial_in_force = self.current.as_ref().map(|c| c.serial);
        let changed = match newest {
            Some(newest) if loaded.is_none() || newest.serial == loaded => {
                self.current = Some(newest);
                true
            }
            Some(newest) if serial_in_force == Some(loaded) => {
                self.pending = Some(newest);
                false
            }
            Some(newest) => {
                self.current = Some(newest);
                true
            }
            None => false,
        };
        self.disagrees =
            loaded.is_none() || self.current.as_ref().is_some_and(|c| c.serial != loaded);
        changed
    }

    fn is_unstable(&self) -> bool {
        self.unreadable
            || self.disagrees
            || self.pending.is_some()
            || self.current.as_ref().is_none_or(|c| c.incomplete)
    }

    fn rule(&self, owner: &Owner) -> Option<(Action, RuleNumber)> {
        let rules = &self.current.as_ref()?.rules;
        let at = rules.binary_search_by(|(known, _, _)| known.cmp(owner)).ok()?;
        rules.get(at).map(|(_, action, rule)| (*action, rule.number))
    }
}

/// A rule that is known from a line alone: for imports, and for zones that are not configured.
pub fn rule_of_line(
    line: &Applied<'_>,
    instance: &str,
    counter: Option<CounterKey>,
    context: &SourceContext,
) -> KnownRule {
    let label = line.label.unwrap_or_default();
    known_rule(Known {
        key: format!("{instance}/line/{:?}/{:?}", line.label, line.owner),
        owner: &line.owner,
        technique: line.done.technique().unwrap_or(Technique::Other),
        actor: actor::carried(label.as_bytes()),
        claims: claims(label, || (context.mapped)(&format!("zone:{label}"))),
        native: format!("{} {}", line.owner.redacted(&context.privacy), line.done.word()),
        counter,
        context,
    })
}

/// Identifies a rule by what its lines say: log name and owner.
pub type LineKey = (Option<Box<str>>, Owner);

pub fn line_key(line: &Applied<'_>) -> LineKey {
    (line.label.map(Box::from), line.owner.clone())
}

struct Known<'a> {
    key: String,
    owner: &'a Owner,
    technique: Technique,
    /// What the carriers say.
    actor: Option<v1::Actor>,
    claims: (Vec<Claim>, ClaimOrigin),
    native: String,
    counter: Option<CounterKey>,
    context: &'a SourceContext,
}

fn known_rule(known: Known<'_>) -> KnownRule {
    let Known { key, owner, technique, actor, claims, native, counter, context } = known;
    let (claims, claim_origin) = claims;
    KnownRule {
        number: (context.rule_number)(&key),
        technique,
        trigger: owner.trigger(),
        direction: v1::Direction::ToTarget,
        actor: actor.unwrap_or(context.default_actor),
        claims,
        claim_origin,
        narrowed: false,
        // Lines of tcp-only rules are no hits, so that the counter is not compared with them.
        counter: counter.filter(|_| technique != Technique::DnsTcpOnly),
        target: owner.target(&context.privacy),
        native,
    }
}

fn zone_claims(zone: &RpzZone, context: &SourceContext) -> (Vec<Claim>, ClaimOrigin) {
    let name = zone.name.trim_end_matches('.');
    let label = zone.log_name.as_deref().filter(|label| says_something(label));
    claims(label.unwrap_or(name), || (context.mapped)(&format!("zone:{name}")))
}

/// A zone file does not say who wrote it; its log name may.
fn zone_actor(zone: &RpzZone) -> Option<v1::Actor> {
    zone.log_name.as_deref().and_then(|label| actor::carried(label.as_bytes()))
}

fn says_something(text: &str) -> bool {
    let found = carried(text.as_bytes());
    found.not_understood || !found.claims.is_empty()
}

/// What the text carries; the basis map only where it carries nothing at all. A carrier that was not
/// understood claims nothing: the map must not speak for it.
fn claims(text: &str, mapped: impl FnOnce() -> Vec<Claim>) -> (Vec<Claim>, ClaimOrigin) {
    let found = carried(text.as_bytes());
    let (claims, origin) = if found.not_understood || !found.claims.is_empty() {
        (found.claims, ClaimOrigin::Carried)
    } else {
        (mapped(), ClaimOrigin::Mapped)
    };
    if claims.is_empty() { (claims, ClaimOrigin::None) } else { (claims, origin) }
}

fn overridden(entry: Entry, action: Option<Action>) -> Entry {
    match action {
        // It replaces every action of the zone, exemptions too.
        Some(action) => Entry { action, ..entry },
        None => entry,
    }
}

/// "*.wild.example CNAME .", without a customer's address on either side.
fn native(owner: &Owner, entry: &Entry, context: &SourceContext) -> String {
    let data = context.privacy.redact(&entry.data);
    format!("{} {data}", owner.redacted(&context.privacy))
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = std::fs::metadata(path)?;
    Ok(Identity {
        device: found.dev(),
        inode: found.ino(),
        size: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
    })
}
