//! The rules of the policy zones, as the resolver has loaded them, and which of them a log line means.
//!
//! In: zone files, re-read when they change; the serials that the resolver says it has loaded, if it
//! can be asked. Out: [`RuleState`], and for each line the rule and its other candidates.
//!
//! A new file of which the resolver has not loaded the serial is not yet in force: the rules stay as
//! they were, and the state is said to be unstable until file and resolver agree. Unstable are also: a
//! file that cannot be read or holds what is not understood, and a resolver that does not answer.
//!
//! A line may name a rule that no file holds (a zone that is not configured here, or a version that
//! was never on this disk). Then the line itself makes the rule: the target is in it, and the claim
//! if its words for the zone carry one.
//!
//! Some lines name what somebody asked for and not the rule that covers it. Below k lines that is not said:
//! the rules of a zone that are known from such lines alone are one, without a name.
//!
//! A zone's claim is, in this order: what its record's own comment says, its log name, the first label
//! of its name (`remit=de/2026-42.rpz.example.net`), the basis map (`zone:<name>`).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
};

use evidence::{Claim, claim::carried};
use remit_proto::v1::{self, ClaimOrigin, Technique};

use super::{
    Applied, RpzZone,
    action::Action,
    canary::is_canary,
    is_same_name,
    owner::Owner,
    zone::{self, Entry},
};
use crate::{
    observation::{CounterKey, KnownRule, RuleNumber, RuleState},
    sources::{SourceContext, actor, tail::Gathered},
};

/// Rules known from lines alone; a wrongly configured zone list must not eat the memory. Further
/// ones are counted, exactly, on one rule whose target is not understood.
const FROM_LINES_MAX: usize = 16 * 1024;

pub struct Rules {
    zones: Vec<LoadedZone>,
    from_lines: BTreeMap<LineKey, Arc<KnownRule>>,
    /// Stands for all that did not fit into `from_lines`.
    further: Option<Arc<KnownRule>>,
    resolver: Resolver,
    unstable: bool,
    /// A file could not be read, or not to its end.
    partial: bool,
}

/// The program that loads the zones.
pub struct Resolver {
    pub source: v1::SourceKind,
    /// Prefix of the key texts: another log is another resolver, whatever its zones are called.
    pub instance: String,
    /// Lines name the zone by its name, and not by a log name.
    pub lines_name_zones: bool,
    /// Lines name the name that was looked up, also where a wildcard of the zone covers it.
    pub lines_name_what_was_found: bool,
    /// The separate counter of all hits.
    pub counter: Option<CounterKey>,
    /// The counter counts what `rpz-tcp-only` truncates, and its lines are hits.
    pub counts_tcp_only: bool,
    /// `None`: it cannot be asked, and the files are taken to be loaded as they stand.
    pub loaded: Option<AskSerials>,
}

/// Asks the resolver for the serials that it has loaded for these zones; `None` for a zone that is not
/// loaded, and for all of them if it does not answer.
pub type AskSerials = Box<dyn Fn(&[&str]) -> Vec<Option<u32>> + Send>;

impl Resolver {
    fn label<'a>(&self, zone: &'a RpzZone) -> Option<&'a str> {
        if self.lines_name_zones { Some(&zone.name) } else { zone.log_name.as_deref() }
    }

    fn is_of(&self, zone: &RpzZone, label: Option<&str>) -> bool {
        match (self.label(zone), label) {
            (Some(own), Some(label)) if self.lines_name_zones => is_same_name(own, label),
            (own, label) => own == label,
        }
    }

    /// Hits that are not counted, and counts that are no hits, are not compared.
    fn counter(&self, technique: Technique) -> Option<CounterKey> {
        let compared = self.counts_tcp_only || technique != Technique::DnsTcpOnly;
        self.counter.clone().filter(|_| compared)
    }
}

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    pub rule: RuleNumber,
    pub other_candidates: Vec<RuleNumber>,
    /// The rule does not say which name it was, and that name may be said.
    pub leaves_name_open: bool,
}

impl Cause {
    /// A rule that was made of the line itself.
    pub fn of(rule: RuleNumber, line: &Applied<'_>) -> Self {
        let leaves_name_open = line.owner.hit_is_worth_naming();
        Self { rule, other_candidates: Vec::new(), leaves_name_open }
    }
}

struct LoadedZone {
    config: RpzZone,
    /// What the file was when it was last read.
    identity: Option<Identity>,
    unreadable: bool,
    current: Option<Built>,
    /// In the file, not yet loaded by the resolver.
    pending: Option<Built>,
    /// The resolver has loaded another serial than `current`, or does not say.
    disagrees: bool,
}

/// The rules of one version of one zone, sorted by owner.
struct Built {
    serial: Option<u32>,
    incomplete: bool,
    /// Written while it was read.
    torn: bool,
    rules: Vec<BuiltRule>,
    /// Blocked for the agent's own sake: no rule.
    canary: Option<Box<str>>,
}

struct BuiltRule {
    owner: Owner,
    action: Action,
    rule: Arc<KnownRule>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Rules {
    pub fn new(zones: Vec<RpzZone>, resolver: Resolver) -> Self {
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
        let (from_lines, further) = (BTreeMap::new(), None);
        Self { zones, from_lines, further, resolver, unstable: false, partial: false }
    }

    /// Looks at the files and asks the resolver where they changed or did not agree, or `ask_anyway`.
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
        let answer = match &self.resolver.loaded {
            // One that does not answer has no serial: unstable below.
            Some(loaded) if ask => {
                let names: Vec<_> = self.zones.iter().map(|z| z.config.name.as_str()).collect();
                Some(loaded(&names))
            }
            Some(_) | None => None,
        };
        for (at, (zone, read)) in self.zones.iter_mut().zip(read).enumerate() {
            let loaded = answer.as_ref().map(|serials| serials.get(at).copied().flatten());
            changed |= zone.settle(read, loaded);
        }
        if changed {
            let (zones, resolver) = (&self.zones, &self.resolver);
            self.from_lines.retain(|(label, owner), _| {
                !zones
                    .iter()
                    .any(|z| resolver.is_of(&z.config, label.as_deref()) && z.rule(owner).is_some())
            });
        }
        let unstable = self.zones.iter().any(LoadedZone::is_unstable);
        // What is not understood in a file that was read whole no resolver takes for a rule either.
        let partial = self.zones.iter().any(LoadedZone::is_unread);
        changed |= unstable != self.unstable || partial != self.partial;
        (self.unstable, self.partial) = (unstable, partial);
        changed
    }

    pub fn state(&self, at_s: i64) -> RuleState {
        let current = || self.zones.iter().filter_map(|z| z.current.as_ref());
        let rules = current()
            .flat_map(|built| built.rules.iter().map(|built| Arc::clone(&built.rule)))
            .chain(self.from_lines.values().chain(&self.further).cloned())
            .collect();
        RuleState {
            source: self.resolver.source,
            at_s,
            // One zone: its serial. Several: their sum, which moves when one of them does.
            generation: current().filter_map(|b| b.serial).map(u64::from).sum(),
            changed_by: String::new(),
            rules,
            unstable: self.unstable,
            partial: self.partial,
        }
    }

    /// The canary of each zone, in their order.
    pub fn canaries(&self) -> impl Iterator<Item = Option<&str>> {
        self.zones.iter().map(|zone| zone.current.as_ref()?.canary.as_deref())
    }

    /// The name of the canary that a line is about.
    pub fn canary_of<'a>(&self, line: &'a Applied<'_>) -> Option<&'a str> {
        let Owner::QueryName(name) = &line.owner else { return None };
        let is_of = |canary: Option<&str>| canary.is_some_and(|c| c.eq_ignore_ascii_case(name));
        // Where a line names the owner itself, no zone has to be known to hold it.
        let names_owner = !self.resolver.lines_name_what_was_found && is_canary(&line.owner);
        (names_owner || self.canaries().any(is_of)).then_some(name)
    }

    /// The rule that a line means; `None`: no zone holds it.
    fn cause(&self, line: &Applied<'_>) -> Option<Cause> {
        let zones = self.zones.iter().filter(|z| self.resolver.is_of(&z.config, line.label));
        // The same owner may stand in several zones of one log name; the action tells some apart.
        let mut found: Vec<_> = zones.filter_map(|z| z.rule(&line.owner)).collect();
        if found.is_empty() && self.resolver.lines_name_what_was_found {
            let zones = self.zones.iter().filter(|z| self.resolver.is_of(&z.config, line.label));
            found = zones.filter_map(|z| z.wildcard(&line.owner)).collect();
        }
        if found.iter().any(|rule| rule.action.matches(line.done)) {
            found.retain(|rule| rule.action.matches(line.done));
        }
        let leaves_name_open = found.iter().any(|rule| rule.owner.hit_is_worth_naming());
        let mut numbers = found.into_iter().map(|rule| rule.rule.number);
        if let Some(rule) = numbers.next() {
            return Some(Cause { rule, other_candidates: numbers.collect(), leaves_name_open });
        }
        None
    }

    /// A line by which a rule may be known: where it names what somebody asked for, and the node may
    /// not say that, all such rules of a zone are one, without a name.
    fn speaks_for_itself<'a>(
        &self,
        line: &Applied<'a>,
        context: &SourceContext,
    ) -> Option<Applied<'a>> {
        let asked = match line.owner {
            Owner::QueryName(_) | Owner::ServerName(_) => self.resolver.lines_name_what_was_found,
            Owner::ResponseIp(_) | Owner::ServerIp(_) | Owner::ClientIp(_) => false,
        };
        let Applied { stamp, label, done, asked: name, .. } = *line;
        let owner = Owner::QueryName("".into());
        (asked && !context.privacy.hit_targets()).then_some(Applied {
            stamp,
            label,
            owner,
            done,
            asked: name,
        })
    }

    fn known_from_line(&self, line: &Applied<'_>) -> Option<Cause> {
        let made = self.from_lines.get(&line_key(line))?;
        Some(Cause::of(made.number, line))
    }

    /// The rule of a line; if no zone holds it, the files are looked at once more before the line has
    /// to speak for itself.
    pub fn cause_or_new(
        &mut self,
        line: &Applied<'_>,
        context: &SourceContext,
        gathered: &mut Gathered,
    ) -> Cause {
        let unnamed = self.speaks_for_itself(line, context);
        let said = unnamed.as_ref().unwrap_or(line);
        if let Some(cause) = self.cause(line).or_else(|| self.known_from_line(said)) {
            return cause;
        }
        if !gathered.refreshed {
            gathered.refreshed = true;
            gathered.new_rules |= self.refresh(context, false);
            if let Some(cause) = self.cause(line) {
                return cause;
            }
        }
        let (cause, new) = self.add_from_line(said, context);
        gathered.new_rules |= new;
        cause
    }

    /// Makes a rule of what the line says; true if it is new.
    fn add_from_line(&mut self, line: &Applied<'_>, context: &SourceContext) -> (Cause, bool) {
        let alone = |rule: &KnownRule| Cause::of(rule.number, line);
        if self.from_lines.len() >= FROM_LINES_MAX {
            let new = self.further.is_none();
            let rule = self.further.get_or_insert_with(|| {
                Arc::new(KnownRule {
                    number: (context.rule_number)(&format!("{}/further", self.resolver.instance)),
                    technique: Technique::Other,
                    trigger: v1::Trigger::Other,
                    direction: v1::Direction::ToTarget,
                    // Of several makers, perhaps.
                    actor: v1::Actor::Unknown,
                    claims: Vec::new(),
                    claim_origin: ClaimOrigin::None,
                    narrowed: false,
                    names_sampled: false,
                    rate_bits_per_s: None,
                    counter: self.resolver.counter.clone(),
                    target: v1::Target {
                        kind: v1::TargetKind::NotUnderstood.into(),
                        value: String::new(),
                    },
                    native: "further rules known from log lines alone".to_owned(),
                })
            });
            return (alone(rule), new);
        }
        let mut rule = rule_of_line(line, &self.resolver.instance, context);
        rule.counter = self.resolver.counter(rule.technique);
        let zone = self.zones.iter().find(|z| self.resolver.is_of(&z.config, line.label));
        if let Some(zone) = zone {
            (rule.claims, rule.claim_origin) = zone_claims(&zone.config, context);
        } else if self.resolver.lines_name_zones {
            let name = line.label.unwrap_or_default().to_owned();
            let zone = RpzZone { name, ..RpzZone::default() };
            (rule.claims, rule.claim_origin) = zone_claims(&zone, context);
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
        let parsed = File::open(path).and_then(|f| read(f, &zone.config.name));
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
        let mut canary = None;
        let rules = parsed
            .entries
            .into_iter()
            .filter_map(|(owner, entry)| {
                let entry = overridden(entry, zone.config.action_override);
                let technique = entry.action.technique()?;
                if let (true, Owner::QueryName(name)) = (is_canary(&owner), &owner) {
                    canary.get_or_insert_with(|| name.clone());
                    return None;
                }
                let rule = known_rule(Known {
                    key: format!("{}/zone/{}/{owner:?}", self.resolver.instance, zone.config.name),
                    owner: &owner,
                    technique,
                    actor: entry.actor.or(zone_actor),
                    claims: match &entry.claims {
                        Some(own) if own.is_empty() => (Vec::new(), ClaimOrigin::None),
                        Some(own) => (own.clone(), ClaimOrigin::Carried),
                        None => (claims.clone(), origin),
                    },
                    native: native(&owner, &entry, context),
                    counter: self.resolver.counter(technique),
                    context,
                });
                Some(BuiltRule { owner, action: entry.action, rule: Arc::new(rule) })
            })
            .collect();
        let incomplete = torn || parsed.not_understood > 0;
        Some(Built { serial: parsed.serial, incomplete, torn, rules, canary })
    }
}

impl LoadedZone {
    /// Takes what was read and what the resolver says (`None`: it was not asked). True if the rules in
    /// force changed.
    fn settle(&mut self, read: Option<Built>, loaded: Option<Option<u32>>) -> bool {
        let newest = read.or_else(|| self.pending.take());
        let Some(loaded) = loaded else {
            // Where nobody can be asked the file is all there is.
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

    fn is_unread(&self) -> bool {
        self.unreadable || self.current.as_ref().is_none_or(|c| c.torn)
    }

    fn is_unstable(&self) -> bool {
        self.unreadable
            || self.disagrees
            || self.pending.is_some()
            || self.current.as_ref().is_none_or(|c| c.incomplete)
    }

    fn rule(&self, owner: &Owner) -> Option<&BuiltRule> {
        let rules = &self.current.as_ref()?.rules;
        let at = rules.binary_search_by(|known| known.owner.cmp(owner)).ok()?;
        rules.get(at)
    }

    /// The closest wildcard that covers the name.
    fn wildcard(&self, owner: &Owner) -> Option<&BuiltRule> {
        let (name, with): (_, fn(Box<str>) -> Owner) = match owner {
            Owner::QueryName(name) => (name, Owner::QueryName),
            Owner::ServerName(name) => (name, Owner::ServerName),
            Owner::ResponseIp(_) | Owner::ServerIp(_) | Owner::ClientIp(_) => return None,
        };
        let mut below = &**name;
        while let Some((_, parent)) = below.split_once('.') {
            if let Some(rule) = self.rule(&with(format!("*.{parent}").into())) {
                return Some(rule);
            }
            below = parent;
        }
        self.rule(&with("*".into()))
    }
}

/// A rule that is known from a line alone: for imports, and for zones that are not configured.
pub fn rule_of_line(line: &Applied<'_>, instance: &str, context: &SourceContext) -> KnownRule {
    let label = line.label.unwrap_or_default();
    known_rule(Known {
        key: format!("{instance}/line/{:?}/{:?}", line.label, line.owner),
        owner: &line.owner,
        technique: line.done.technique().unwrap_or(Technique::Other),
        actor: actor::carried(label.as_bytes()),
        claims: claims(label, || (context.mapped)(&format!("zone:{label}"))),
        native: format!("{} {}", line.owner.redacted(&context.privacy), line.done.word()),
        counter: None,
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
        names_sampled: false,
        rate_bits_per_s: None,
        counter,
        target: owner.target(&context.privacy),
        native,
    }
}

fn zone_claims(zone: &RpzZone, context: &SourceContext) -> (Vec<Claim>, ClaimOrigin) {
    let name = zone.name.trim_end_matches('.');
    let log_name = zone.log_name.as_deref().filter(|label| says_something(label));
    let carrier = log_name.map_or_else(|| first_label(name), str::to_owned);
    claims(&carrier, || (context.mapped)(&format!("zone:{name}")))
}

/// Whether the zone's name says what its records rest on.
pub fn name_carries_claim(name: &str) -> bool {
    says_something(&first_label(name))
}

/// The first label of a zone's name, without its escapes: `list:x\@2026` is one label that carries
/// an `@`.
fn first_label(name: &str) -> String {
    let mut label = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next().filter(|c| *c != '.') {
        label.push(if c == '\\' { chars.next().unwrap_or_default() } else { c });
    }
    label
}

/// A zone file does not say who wrote it; its log name may.
fn zone_actor(zone: &RpzZone) -> Option<v1::Actor> {
    zone.log_name.as_deref().and_then(|label| actor::carried(label.as_bytes()))
}

/// Whether a text carries a claim, or something that was meant as one.
pub fn says_something(text: &str) -> bool {
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

/// Reads a zone file; one in BIND's raw format is not read, and an error says so.
fn read(file: File, name: &str) -> io::Result<zone::Zone> {
    let mut input = BufReader::new(file);
    if is_raw(input.fill_buf()?) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "is in raw format, not text"));
    }
    zone::read(input, name)
}

/// `dns_masterrawheader_t` in lib/dns/include/dns/masterdump.h: the format's number, big-endian; 2 is
/// raw, 3 was map.
pub(in crate::sources) fn is_raw(beginning: &[u8]) -> bool {
    matches!(beginning, [0, 0, 0, 2 | 3, ..])
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
