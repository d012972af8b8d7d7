//! A response policy zone as its master file writes it.
//!
//! In: the bytes of the file and the zone's name. Out: the serial, and one [`Entry`] per owner that
//! Unbound would act on, by Unbound's own rules (`rpz_insert_rr`, `rpz_rr_to_action` and
//! `rpz_insert_local_zones_trigger` in services/rpz.c):
//!
//! - SOA, NS, DNAME, ZONEMD and DNSSEC types are not rules;
//! - `CNAME .` answers NXDOMAIN, `CNAME *.` no data, `CNAME rpz-passthru.`, `rpz-drop.` and
//!   `rpz-tcp-only.` are what they say; another target whose last label starts with `rpz-` is not a
//!   rule; everything else is local data (draft-vixie-dnsop-dns-rpz, section 3);
//! - of several records at one name the first decides; at one address, the last.
//!
//! A comment `; remit=... actor=...` on a record's line is the claim of that record, and who made it.
//!
//! Promised: no input panics or fails the whole; what is not understood is counted, and the state
//! is then said to be possibly incomplete. Not done here: `$INCLUDE` (counted as not understood).

mod lexer;

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

use evidence::{Claim, claim::carried};
use remit_proto::v1::Actor;

use self::lexer::{Lexed, Lexer, Record};
use super::{action::Action, name::Name, owner::Owner};
use crate::sources::actor;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Zone {
    pub serial: Option<u32>,
    pub entries: BTreeMap<Owner, Entry>,
    /// Records that may be rules and could not be read.
    pub not_understood: u64,
}

/// What happens at one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub action: Action,
    /// Of the first record: enough to recognise it, and nothing a comment could add.
    pub data: Box<str>,
    /// The record's own comment speaks of claims: these, and not the zone's. Empty if it was not
    /// understood; nothing is guessed.
    pub claims: Option<Vec<Claim>>,
    /// Whom the comment says to have made it.
    pub actor: Option<Actor>,
}

/// Reads a whole zone; fails only as the file does.
pub fn read(input: impl BufRead, zone: &str) -> io::Result<Zone> {
    let mut reader = Reader {
        // The zone's name comes from a checked configuration; the root would be no policy zone.
        apex: Name::parse(zone.as_bytes(), &Name::default()).unwrap_or_default(),
        origin: Name::default(),
        owner: None,
        zone: Zone::default(),
    };
    reader.origin = reader.apex.clone();
    let mut lexer = Lexer::new(input);
    loop {
        match lexer.next_record()? {
            Lexed::Record(record) => {
                if reader.take(&record).is_none() {
                    reader.zone.not_understood += 1;
                }
            }
            Lexed::NotUnderstood => reader.zone.not_understood += 1,
            Lexed::End => return Ok(reader.zone),
        }
    }
}

struct Reader {
    apex: Name,
    origin: Name,
    owner: Option<Name>,
    zone: Zone,
}

impl Reader {
    /// `None`: not understood.
    fn take(&mut self, record: &Record) -> Option<()> {
        let Record { owner_omitted, words, comment } = record;
        let mut words = words.iter().map(Vec::as_slice).peekable();
        if !owner_omitted {
            let first = words.next()?;
            if first.eq_ignore_ascii_case(b"$ORIGIN") {
                self.origin = Name::parse(words.next()?, &self.origin)?;
                return Some(());
            }
            if first.eq_ignore_ascii_case(b"$TTL") {
                return Some(());
            }
            if first.starts_with(b"$") {
                return None;
            }
            // An owner that cannot be read must not lend the next record the one before.
            self.owner = Name::parse(first, &self.origin);
        }
        while words.peek().is_some_and(|w| is_ttl(w) || is_class(w)) {
            words.next();
        }
        let kind = words.next()?.to_ascii_uppercase();
        let data: Vec<&[u8]> = words.collect();
        let owner = self.owner.as_ref()?;
        match kind.as_slice() {
            b"SOA" => {
                self.zone.serial = Some(std::str::from_utf8(data.get(2)?).ok()?.parse().ok()?);
                Some(())
            }
            b"NS" | b"DNAME" | b"ZONEMD" | b"DNSKEY" | b"DS" | b"RRSIG" | b"NSEC" | b"NSEC3"
            | b"NSEC3PARAM" => Some(()),
            kind => {
                // Unbound refuses names that do not lie in the zone.
                let labels = owner.below(&self.apex)?;
                let owner = Owner::from_labels(&labels)?;
                let action = match kind {
                    b"CNAME" => cname_action(&Name::parse(data.first()?, &self.origin)?),
                    b"A" | b"AAAA" => Some(Action::ForgedAddress),
                    _ => Some(Action::OtherData),
                };
                if let Some(action) = action {
                    self.add(owner, action, kind, &data, comment);
                }
                Some(())
            }
        }
    }

    fn add(&mut self, owner: Owner, action: Action, kind: &[u8], data: &[&[u8]], comment: &[u8]) {
        let by_address =
            matches!(owner, Owner::ResponseIp(_) | Owner::ServerIp(_) | Owner::ClientIp(_));
        let carried = carried(comment);
        let claims =
            (carried.not_understood || !carried.claims.is_empty()).then_some(carried.claims);
        let shown = match kind {
            b"CNAME" | b"A" | b"AAAA" => data.first().copied().unwrap_or_default(),
            // Anything may stand in there.
            _ => b"...",
        };
        let data =
            format!("{} {}", String::from_utf8_lossy(kind), String::from_utf8_lossy(shown)).into();
        let actor = actor::carried(comment);
        let entry = Entry { action, data, claims, actor };
        let Some(known) = self.zone.entries.get_mut(&owner) else {
            self.zone.entries.insert(owner, entry);
            return;
        };
        let more_data = known.action.is_local_data() && action.is_local_data();
        if more_data {
            // One rule with several answers; an address among them is what clients follow.
            if action == Action::ForgedAddress && known.action == Action::OtherData {
                known.action = action;
            }
            known.claims = known.claims.take().or(entry.claims);
            known.actor = known.actor.or(entry.actor);
        } else if by_address {
            *known = entry;
        }
    }
}

/// `None`: Unbound does not act on it.
fn cname_action(target: &Name) -> Option<Action> {
    let is = |word: &str| target.is_single(word.as_bytes());
    if target.is_root() {
        Some(Action::Nxdomain)
    } else if is("*") {
        Some(Action::Nodata)
    } else if is("rpz-passthru") {
        Some(Action::Passthru)
    } else if is("rpz-drop") {
        Some(Action::Drop)
    } else if is("rpz-tcp-only") {
        Some(Action::TcpOnly)
    } else if target.last_starts_with(b"rpz-") {
        None
    } else {
        Some(Action::Redirect)
    }
}

/// "3600" or "1h30m".
fn is_ttl(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_digit)
        && word.iter().all(|b| b.is_ascii_digit() || b"smhdwSMHDW".contains(b))
}

fn is_class(word: &[u8]) -> bool {
    [&b"IN"[..], b"CH", b"HS"].iter().any(|c| word.eq_ignore_ascii_case(c))
}

#[cfg(test)]
mod tests;
