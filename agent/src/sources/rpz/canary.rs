//! Canaries of policy zones: a name that a zone blocks for the agent's own sake, asked of the resolver,
//! so that the line comes back by which hits are known.
//!
//! In: what zones hold such a name, where the resolver listens, and which lines were about one. Out:
//! [`Report`]s of what became of them.
//!
//! ```text
//! remit-canary.national.example  CNAME .      ; in the zone, with a name of its own for each zone
//! canaries = "127.0.0.1:53"                   # in the source's section of agent.toml
//! ```
//!
//! A canary is an owner of a zone whose first label is `remit-canary`, without a wildcard: no rule, and
//! its lines are no hits, whoever asked. The name should end in `.example`, which nobody can register
//! (RFC 2606); Unbound answers `.invalid` and `.test` itself, before any policy zone.
//!
//! The resolver's counter counts canaries too. They are held against it and stand in no figure
//! (`ledger`), so that account stays exact.
//!
//! The question is sent and its answer is not waited for: the line is what has to come back (or the message,
//! where a resolver sends those). Other askers' lines of the same name are taken for ours as long as one is
//! awaited: that shows as much. It carries EDNS (RFC 6891), without which Knot Resolver does not say why.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use remit_proto::v1::{LossCause, SourceKind};

use super::{RpzZone, owner::Owner};
use crate::{
    observation::{Canaries, Report},
    sources::SourceContext,
};

/// Between two canaries of a zone: each is a line in the resolver's log.
const INTERVAL: Duration = Duration::from_secs(10);
/// So many in a row without a line are more than a log that is read late.
const LATE: u64 = 5;
/// Between two statements that they do not come back.
const DEAF_INTERVAL: Duration = Duration::from_secs(60);
const LABEL: &str = "remit-canary";

/// Whether a zone blocks this for the agent's own sake.
pub fn is_canary(owner: &Owner) -> bool {
    match owner {
        Owner::QueryName(name) => {
            name.split_once('.').is_some_and(|(first, _)| first.eq_ignore_ascii_case(LABEL))
        }
        Owner::ResponseIp(_) | Owner::ServerIp(_) | Owner::ServerName(_) | Owner::ClientIp(_) => {
            false
        }
    }
}

/// How the paths of these zones' canaries are called in evidence. Policies may be of one name: the second is "#1".
pub fn paths(zones: &[RpzZone]) -> Vec<Arc<str>> {
    let named = |zone: &RpzZone| format!("rpz/{}", zone.name.trim_end_matches('.'));
    let names: Vec<String> = zones.iter().map(named).collect();
    let path = |(at, name): (usize, &String)| match names
        .iter()
        .take(at)
        .filter(|before| *before == name)
        .count()
    {
        0 => name.as_str().into(),
        copies => format!("{name}#{copies}").into(),
    };
    names.iter().enumerate().map(path).collect()
}

/// Those of one resolver.
#[derive(Debug)]
pub struct ZoneCanaries {
    source: SourceKind,
    resolver: Option<SocketAddr>,
    zones: Vec<OfZone>,
    due: Option<Instant>,
    /// They cannot be sent, and that was logged.
    told: bool,
}

#[derive(Debug)]
struct OfZone {
    path: Arc<str>,
    /// `None`: the zone holds none.
    name: Option<Box<str>>,
    /// The path was reported.
    said: bool,
    sent: u64,
    seen: u64,
    /// Asked, and not seen yet; what is lost stays in it.
    awaited: u64,
    /// Asked since one was last seen.
    unanswered: u64,
    deaf: Option<Instant>,
    back_until_s: i64,
}

impl ZoneCanaries {
    pub fn new(source: SourceKind, resolver: Option<SocketAddr>, zones: &[RpzZone]) -> Self {
        let of_path = |path| OfZone {
            path,
            name: None,
            said: false,
            sent: 0,
            seen: 0,
            awaited: 0,
            unanswered: 0,
            deaf: None,
            back_until_s: 0,
        };
        let zones = paths(zones).into_iter().map(of_path).collect();
        Self { source, resolver, zones, due: None, told: false }
    }

    /// What the zones hold now, in their order.
    pub fn aim<'a>(&mut self, names: impl Iterator<Item = Option<&'a str>>) {
        for (zone, name) in self.zones.iter_mut().zip(names) {
            if zone.name.as_deref() != name {
                zone.name = name.map(Into::into);
                (zone.awaited, zone.unanswered) = (0, 0);
            }
        }
    }

    /// A line was about the canary of this name.
    pub fn seen(&mut self, name: &str) {
        let of_name =
            |zone: &&mut OfZone| zone.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name));
        if let Some(zone) = self.zones.iter_mut().find(of_name)
            && zone.awaited > 0
        {
            zone.awaited -= 1;
            zone.seen += 1;
            zone.unanswered = 0;
        }
    }

    /// Asks if it is time, and says what is new.
    pub fn step(&mut self, context: &SourceContext) -> Vec<Report> {
        if self.due.is_none_or(|due| Instant::now() >= due) {
            self.due = Some(Instant::now() + INTERVAL);
            self.ask();
        }
        let now_s = (context.now_s)();
        let mut reports = Vec::new();
        for zone in &mut self.zones {
            zone.report(self.source, now_s, &mut reports);
        }
        reports
    }

    fn ask(&mut self) {
        let Some(resolver) = self.resolver else { return };
        if self.zones.iter().all(|zone| zone.name.is_none()) {
            return;
        }
        let own: SocketAddr = match resolver {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // A port of its own for each round: nobody waits for the answers.
        let mut sent = UdpSocket::bind(own).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        for zone in &mut self.zones {
            let (Ok(socket), Some(name)) = (&sent, &zone.name) else { continue };
            let Some(question) = question(name) else { continue };
            match socket.send_to(&question, resolver) {
                Ok(_) => {
                    zone.sent += 1;
                    zone.awaited += 1;
                    zone.unanswered += 1;
                }
                Err(error) => sent = Err(error),
            }
        }
        if let (Err(error), false) = (&sent, self.told) {
            tracing::warn!(%error, %resolver, "canaries cannot be asked of the resolver");
        }
        self.told = sent.is_err();
    }
}

impl OfZone {
    fn report(&mut self, source: SourceKind, now_s: i64, reports: &mut Vec<Report>) {
        let (sent, seen) = (std::mem::take(&mut self.sent), std::mem::take(&mut self.seen));
        if !self.said || sent > 0 || seen > 0 {
            self.said = true;
            reports.push(Report::Canaries(Canaries {
                sent,
                seen,
                unanswered: Some(self.unanswered),
                ..Canaries::on(source, Arc::clone(&self.path), now_s)
            }));
        }
        if seen > 0 || self.back_until_s == 0 {
            if self.deaf.take().is_some() {
                reports.push(self.unsure(source, now_s));
            }
            self.back_until_s = now_s;
        }
        let said = self.deaf.is_some_and(|said| said.elapsed() < DEAF_INTERVAL);
        if self.unanswered > LATE && !said {
            self.deaf = Some(Instant::now());
            reports.push(self.unsure(source, now_s));
        }
    }

    /// Hits may not come back either: that must be seen in the evidence too.
    fn unsure(&mut self, source: SourceKind, until_s: i64) -> Report {
        let from_s = std::mem::replace(&mut self.back_until_s, until_s).min(until_s);
        Report::Unsure { source, cause: LossCause::CanaryLost, from_s, until_s }
    }
}

/// A question for the address of a name, recursion desired (RFC 1035 section 4.1): BIND applies policy
/// zones to no other. `None`: no such name fits into one.
fn question(name: &str) -> Option<Vec<u8>> {
    let mut id = [0; 2];
    // A question that everybody can guess serves as well.
    let _unguessable = getrandom::fill(&mut id);
    let mut message = id.to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.trim_end_matches('.').split('.') {
        let size = u8::try_from(label.len()).ok().filter(|size| (1..64).contains(size))?;
        message.push(size);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    // OPT: the root's name, type 41, 1232 bytes of answer, nothing else.
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(name: &str) -> bool {
        is_canary(&Owner::QueryName(name.into()))
    }

    #[test]
    fn a_canary_is_named_so_and_is_no_wildcard() {
        assert!(is("remit-canary.national.example") && is("Remit-Canary.x.example"));
        assert!(
            !is("remit-canary") && !is("*.remit-canary.example") && !is("remit-canary2.example")
        );
        assert!(!is("www.remit-canary.example"));
        assert!(!is_canary(&Owner::ServerName("remit-canary.x.example".into())));
    }

    #[test]
    fn a_question_is_one_name_of_type_a() {
        let asked = question("remit-canary.x.example.").unwrap();
        assert_eq!(asked[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        let (name, opt) = asked[12..].split_at(asked.len() - 12 - 11);
        assert_eq!(name, b"\x0cremit-canary\x01x\x07example\0\0\x01\0\x01");
        assert_eq!(opt, b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
        assert_eq!(question(&"a".repeat(64)), None);
        assert_eq!(question("a..b"), None);
    }

    #[test]
    fn lines_answer_what_was_asked_and_no_more() {
        let zone = RpzZone { name: "national.".into(), ..RpzZone::default() };
        let mut canaries = ZoneCanaries::new(SourceKind::UnboundRpz, None, &[zone]);
        canaries.aim([Some("remit-canary.x.example")].into_iter());
        (canaries.zones[0].awaited, canaries.zones[0].unanswered) = (1, 1);
        canaries.seen("REMIT-canary.x.example");
        canaries.seen("remit-canary.x.example");
        canaries.seen("remit-canary.y.example");
        assert_eq!((canaries.zones[0].seen, canaries.zones[0].unanswered), (1, 0));
        assert_eq!(canaries.zones[0].path.as_ref(), "rpz/national");
        canaries.zones[0].awaited = LATE + 1;
        canaries.zones[0].unanswered = LATE + 1;
        let mut reports = Vec::new();
        canaries.zones[0].report(SourceKind::UnboundRpz, 50, &mut reports);
        canaries.zones[0].report(SourceKind::UnboundRpz, 51, &mut reports);
        let [Report::Canaries(said), Report::Unsure { cause: LossCause::CanaryLost, .. }] =
            reports.as_slice()
        else {
            panic!("{reports:?}")
        };
        assert_eq!((said.sent, said.seen, said.unanswered), (0, 1, Some(LATE + 1)));
    }

    #[test]
    fn what_is_lost_now_and_then_is_no_path_that_is_missing() {
        let zone = RpzZone { name: "national.".into(), ..RpzZone::default() };
        let mut canaries = ZoneCanaries::new(SourceKind::BindRpz, None, &[zone]);
        canaries.aim([Some("remit-canary.x.example")].into_iter());
        for _ in 0..2 * LATE {
            // One is lost, the next one is seen.
            canaries.zones[0].awaited += 2;
            canaries.zones[0].unanswered += 2;
            canaries.seen("remit-canary.x.example");
        }
        let of = &canaries.zones[0];
        assert_eq!((of.seen, of.awaited, of.unanswered), (2 * LATE, 2 * LATE, 0));
    }

    #[test]
    fn two_policies_of_one_name_are_two_paths() {
        let zone = |name: &str| RpzZone { name: name.into(), ..RpzZone::default() };
        let zones = ["a", "b", "a", "a"].map(zone);
        let paths = paths(&zones);
        let paths: Vec<_> = paths.iter().map(AsRef::as_ref).collect();
        assert_eq!(paths, ["rpz/a", "rpz/b", "rpz/a#1", "rpz/a#2"]);
    }
}
