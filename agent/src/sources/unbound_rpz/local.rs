//! Unbound's local zones that block: which there are, and what their log lines mean
//! (services/localzone.c, measured with 1.17.1).
//!
//! In: the answers to `list_local_zones` and `list_local_data`, and the lines of `log-local-actions: yes`:
//!
//! ```text
//! [1795492577] unbound[13179:0] info: nx.example. always_nxdomain 127.0.0.1@48026 www.nx.example. A IN
//! ```
//!
//! The line names the zone, its type and what was asked; the client's address is stepped over.
//!
//! Blocks are `always_nxdomain`, `always_nodata`, `always_refuse`, `always_deny`, `always_null`, `refuse`,
//! `deny`, `inform_deny`, and `redirect` and `inform_redirect`, which forge an answer. Unbound logs every
//! query that falls into a local zone, so three kinds of line are no block:
//! - those of other types: `transparent` passes on, `inform` only logs, and `static` is how a resolver
//!   keeps names to itself (Unbound's own default zones are `static`); whoever blocks by it should use
//!   `always_nxdomain`;
//! - names that nobody outside can own ([`is_private`]): `localhost.` is a `redirect` by default;
//! - in `refuse`, `deny` and `inform_deny`, what the zone's own data answers.
//!
//! Unbound counts none of this, so what was offered to these rules is unknown. A zone carries no text of
//! its own: its claim is in the basis map (`zone:<name>`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use evidence::Claim;
use remit_proto::v1::{self, ClaimOrigin, Technique};

use crate::{
    observation::{Hit, HitTarget, KnownRule, Response},
    sources::{
        SourceContext,
        names::is_private,
        rpz::owner::name_target,
        stamp::{self, Stamp},
    },
};

/// Lists up to this long are asked for with every reading of the counters.
const SMALL: usize = 10_000;
/// Longer ones so often: Unbound holds its zones while it lists them.
const LONG_LIST_INTERVAL: Duration = Duration::from_secs(60);

/// Types that block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Nxdomain,
    Nodata,
    Refuse,
    RefuseAll,
    Deny,
    DenyAll,
    Null,
    Redirect,
}

impl Kind {
    /// `local_zone_type2str`; `None`: it blocks nothing.
    fn parse(word: &str) -> Option<Self> {
        match word {
            "always_nxdomain" => Some(Self::Nxdomain),
            "always_nodata" => Some(Self::Nodata),
            "always_refuse" => Some(Self::RefuseAll),
            "refuse" => Some(Self::Refuse),
            "always_deny" => Some(Self::DenyAll),
            "deny" | "inform_deny" => Some(Self::Deny),
            "always_null" => Some(Self::Null),
            "redirect" | "inform_redirect" => Some(Self::Redirect),
            _ => None,
        }
    }

    fn technique(self) -> Technique {
        match self {
            Self::Nxdomain => Technique::DnsNxdomain,
            Self::Nodata => Technique::DnsNodata,
            Self::Refuse | Self::RefuseAll => Technique::DnsRefused,
            Self::Deny | Self::DenyAll => Technique::DnsDrop,
            Self::Null | Self::Redirect => Technique::DnsForgedA,
        }
    }

    /// No extended error is sent, whatever `ede` says (measured).
    fn response(self) -> Response {
        let dns = |rcode| Response::Dns { rcode, extended_errors: Vec::new() };
        match self {
            Self::Nxdomain => dns(3),
            Self::Refuse | Self::RefuseAll => dns(5),
            Self::Deny | Self::DenyAll => Response::Silent,
            Self::Nodata | Self::Null | Self::Redirect => dns(0),
        }
    }

    /// The zone's own data is answered all the same.
    fn lets_data_through(self) -> bool {
        match self {
            Self::Refuse | Self::Deny => true,
            Self::Nxdomain
            | Self::Nodata
            | Self::RefuseAll
            | Self::DenyAll
            | Self::Null
            | Self::Redirect => false,
        }
    }
}

/// What a line of `log-local-actions` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Acted<'a> {
    stamp: Stamp,
    /// Lower case, without its last dot.
    zone: String,
    kind: Kind,
    asked: &'a str,
    qtype: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Of something else, or of a zone that blocks nothing.
    NotOurs,
    NotUnderstood,
    Acted(Acted<'a>),
}

pub fn is_ours(line: &[u8]) -> bool {
    let is_kind = |word: &[u8]| std::str::from_utf8(word).is_ok_and(|w| Kind::parse(w).is_some());
    line.split(|b| *b == b' ').any(is_kind)
}

pub fn parse(line: &[u8]) -> Line<'_> {
    if !is_ours(line) {
        return Line::NotOurs;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = match std::str::from_utf8(line) {
        Ok(text) if !text.contains(char::is_control) => text,
        Ok(_) | Err(_) => return Line::NotUnderstood,
    };
    let Some((head, rest)) = text.split_once("info: ") else { return Line::NotOurs };
    let words: Vec<&str> = rest.split(' ').collect();
    let (zone, kind, asked, qtype) = match words.as_slice() {
        [zone, kind, client, asked, qtype, _class] if client.contains('@') => {
            (*zone, *kind, *asked, *qtype)
        }
        _ => return Line::NotOurs,
    };
    let Some(kind) = Kind::parse(kind) else { return Line::NotOurs };
    let acted = || {
        let zone = zone.strip_suffix('.')?.to_ascii_lowercase();
        Some(Acted {
            stamp: stamp::parse(head)?,
            zone,
            kind,
            asked: asked.strip_suffix('.')?,
            qtype,
        })
    };
    acted().map_or(Line::NotUnderstood, Line::Acted)
}

/// The local zones that are loaded.
#[derive(Debug, Default)]
pub struct LocalZones {
    rules: BTreeMap<(String, Kind), Arc<KnownRule>>,
    /// Name and type of the data of zones that let it through.
    data: BTreeSet<(String, String)>,
    asked: Option<Instant>,
    /// Unbound did not answer: what is known is what was known.
    pub unstable: bool,
}

impl LocalZones {
    /// Whether it is time to ask again.
    pub fn is_due(&self) -> bool {
        self.asked.is_none_or(|at| self.rules.len() <= SMALL || at.elapsed() >= LONG_LIST_INTERVAL)
    }

    /// Takes what Unbound answered to `list_local_zones` and, if zones let it through, to
    /// `list_local_data`; `None`: it did not. True if something is to be told.
    pub fn take(
        &mut self,
        answers: Option<(&str, &str)>,
        instance: &str,
        context: &SourceContext,
    ) -> bool {
        self.asked = Some(Instant::now());
        let Some((zones, data)) = answers else {
            return !std::mem::replace(&mut self.unstable, true);
        };
        let mut changed = std::mem::replace(&mut self.unstable, false);
        let mut rules = BTreeMap::new();
        let mut lets_through = false;
        for line in zones.lines() {
            let Some((name, word)) = line.split_once(' ') else { continue };
            let Some(kind) = Kind::parse(word.trim()) else { continue };
            let name = plain(name);
            if is_private(&name) {
                continue;
            }
            lets_through |= kind.lets_data_through();
            let rule = match self.rules.get(&(name.clone(), kind)) {
                Some(known) => Arc::clone(known),
                None => Arc::new(rule(&name, kind, instance, context)),
            };
            rules.insert((name, kind), rule);
        }
        changed |= !rules.keys().eq(self.rules.keys());
        self.rules = rules;
        self.data.clear();
        if lets_through {
            // "name. 3600 IN A 192.0.2.3"
            self.data.extend(data.lines().filter_map(|line| {
                let mut words = line.split_whitespace();
                let (name, qtype) = (words.next()?, words.nth(2)?);
                Some((plain(name), qtype.to_owned()))
            }));
        }
        changed
    }

    pub fn rules(&self) -> impl Iterator<Item = Arc<KnownRule>> + '_ {
        self.rules.values().cloned()
    }

    pub fn knows(&self, line: &Acted<'_>) -> bool {
        self.rules.contains_key(&(line.zone.clone(), line.kind))
    }

    /// The hit of a line, and whether its rule is a new one. `Ok(None)`: no block. `Err`: it has no date.
    pub fn hit(
        &mut self,
        line: &Acted<'_>,
        (now_s, utc_offset_s): (i64, i64),
        instance: &str,
        context: &SourceContext,
    ) -> Result<Option<(Hit, bool)>, NoDate> {
        let Acted { stamp, zone, kind, asked, qtype } = line;
        let asked = asked.to_ascii_lowercase();
        let let_through =
            kind.lets_data_through() && self.data.contains(&(asked.clone(), (*qtype).to_owned()));
        if is_private(zone) || let_through {
            return Ok(None);
        }
        let at_s = stamp.at(now_s, utc_offset_s).ok_or(NoDate)?;
        let new = !self.knows(line);
        let rule = self
            .rules
            .entry((zone.clone(), *kind))
            .or_insert_with(|| Arc::new(rule(zone, *kind, instance, context)));
        let named = context.privacy.hit_targets() && asked != *zone;
        let hit = Hit {
            rule: rule.number,
            at_s,
            count: 1,
            hit_target: named.then(|| HitTarget::Target(name_target(&asked, &context.privacy))),
            response: kind.response(),
            other_candidates: Vec::new(),
        };
        Ok(Some((hit, new)))
    }
}

#[derive(Debug)]
pub struct NoDate;

/// Whether there are zones of which the data must be known.
pub fn let_data_through(zones: &str) -> bool {
    let kinds = zones.lines().filter_map(|line| Kind::parse(line.rsplit(' ').next()?));
    kinds.into_iter().any(Kind::lets_data_through)
}

/// Zones of public names that are kept by `static`, which may be blocks or not. Reverse names are not
/// among them: most of Unbound's own default zones are such.
pub fn public_static(zones: &str) -> usize {
    let names = zones.lines().filter_map(|line| line.strip_suffix(" static"));
    names.map(plain).filter(|name| !is_private(name) && !name.ends_with(".arpa")).count()
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn rule(zone: &str, kind: Kind, instance: &str, context: &SourceContext) -> KnownRule {
    let claims: Vec<Claim> = (context.mapped)(&format!("zone:{zone}"));
    let claim_origin = if claims.is_empty() { ClaimOrigin::None } else { ClaimOrigin::Mapped };
    // A local zone is the name and everything below it.
    let mut target = match zone {
        "" => v1::Target { kind: v1::TargetKind::WholeService.into(), value: "*".to_owned() },
        zone => name_target(zone, &context.privacy),
    };
    if target.kind() == v1::TargetKind::DomainExact {
        target.kind = v1::TargetKind::DomainSubtree.into();
    }
    let shown = match target.kind() {
        v1::TargetKind::CustomerToken => format!("customer:{}", target.value),
        _ => zone.to_owned(),
    };
    KnownRule {
        number: (context.rule_number)(&format!("{instance}/local/{kind:?}/{zone}")),
        technique: kind.technique(),
        trigger: v1::Trigger::Qname,
        direction: v1::Direction::ToTarget,
        actor: context.default_actor,
        claims,
        claim_origin,
        narrowed: false,
        names_sampled: false,
        rate_bits_per_s: None,
        counter: None,
        target,
        native: format!("local-zone: \"{shown}.\" {kind:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::testing::context;

    const ZONES: &str = "nx.example. always_nxdomain\ntest. static\nlocalhost. redirect\n\
        refuse.example. refuse\nkeep.example. static\nMAPPED.test. always_null\npass.example. inform\n\
        5.0.64.100.in-addr.arpa. always_refuse\n";
    const DATA: &str =
        "ok.refuse.example.\t3600\tIN\tA\t192.0.2.3\nlocalhost. 10800 IN A 127.0.0.1\n";

    fn check(text: &str, want: &str) {
        let (context, _) = context(true);
        let mut zones = LocalZones::default();
        assert!(zones.take(Some((ZONES, DATA)), "u", &context));
        let line = format!("[1795492577] unbound[13179:0] info: {text}");
        let shown = match parse(line.as_bytes()) {
            Line::NotOurs => "not ours".to_owned(),
            Line::NotUnderstood => "not understood".to_owned(),
            Line::Acted(acted) => match zones.hit(&acted, (1_795_492_577, 0), "u", &context) {
                Ok(Some((hit, new))) => {
                    let rule = zones.rules().find(|rule| rule.number == hit.rule).expect("a rule");
                    let named = hit.hit_target.map(|target| target.wire().value);
                    format!(
                        "{} {:?} {} new={new}",
                        rule.target.value,
                        rule.technique,
                        named.unwrap_or_default()
                    )
                }
                Ok(None) => "no block".to_owned(),
                Err(NoDate) => "no date".to_owned(),
            },
        };
        assert_eq!(shown, want, "{text}");
    }

    #[test]
    fn lines_that_unbound_wrote() {
        let c = "127.0.0.1@48026";
        check(
            &format!("nx.example. always_nxdomain {c} www.NX.example. A IN"),
            "nx.example DnsNxdomain www.nx.example new=false",
        );
        check(
            &format!("nx.example. always_nxdomain {c} nx.example. A IN"),
            "nx.example DnsNxdomain  new=false",
        );
        check(&format!("refuse.example. refuse {c} ok.refuse.example. A IN"), "no block");
        check(
            &format!("refuse.example. refuse {c} ok.refuse.example. TXT IN"),
            "refuse.example DnsRefused ok.refuse.example new=false",
        );
        check(&format!("localhost. redirect {c} localhost. A IN"), "no block");
        check(
            &format!("late.example. inform_deny {c} late.example. A IN"),
            "late.example DnsDrop  new=true",
        );
        check(&format!("keep.example. static {c} keep.example. A IN"), "not ours");
        check(&format!("pass.example. inform {c} x.pass.example. A IN"), "not ours");
        check("start of service (unbound 1.17.1).", "not ours");
        check("resolving deny. A IN", "not ours");
        check(&format!("nx.example deny {c} nx.example. A IN"), "not understood");
        check(&format!("nx.example. deny {c} nx\u{1}.example. A IN"), "not understood");
    }

    #[test]
    fn zones_that_block_are_rules_and_others_are_not() {
        let (context, _) = context(true);
        let mut zones = LocalZones::default();
        zones.take(Some((ZONES, DATA)), "u", &context);
        let rules: Vec<_> = zones.rules().collect();
        let mut shown = crate::sources::testing::real::shown(&rules);
        shown.sort();
        // "mapped.test" is below "test", which nobody outside can own.
        assert_eq!(
            shown,
            ["nx.example DnsNxdomain", "refuse.example DnsRefused", "token DnsRefused"]
        );
        assert!(rules.iter().all(|rule| !rule.native.contains("64.100")), "{rules:?}");
        assert!(!zones.take(Some((ZONES, DATA)), "u", &context), "nothing new, nothing said");
        assert!(zones.take(None, "u", &context) && zones.unstable);
        assert_eq!(zones.rules().count(), 3, "what was known stays");
        assert!(zones.take(Some(("", "")), "u", &context) && !zones.unstable);
        assert_eq!(zones.rules().count(), 0);
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>, text: String) {
            let _ = parse(&line);
            let _ = parse(format!("[1] u info: {text}").as_bytes());
            let _ = parse(format!("[1] u info: {text} deny {text}@1 {text} A IN").as_bytes());
            let (context, _) = context(true);
            LocalZones::default().take(Some((&format!("{text}. deny\n{text}"), &text)), "u", &context);
        }

        #[test]
        fn the_client_is_not_kept(a: [u8; 4], port: u16) {
            let client = std::net::Ipv4Addr::from(a).to_string();
            let line = format!("[17] u[1:0] info: b.example. deny {client}@{port} b.example. A IN");
            let shown = format!("{:?}", parse(line.as_bytes()));
            prop_assert!(shown.starts_with("Acted") && !shown.contains(&client));
        }
    }
}
