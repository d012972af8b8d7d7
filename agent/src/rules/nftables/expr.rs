//! One rule's expressions, read as a list of steps: conditions, statements, an end.
//!
//! nf_tables programs are straight lines over registers: load a field, compare, go on or leave
//! the rule. We keep for each register *what was loaded*, and turn each comparison into a
//! condition on a named field. What cannot be named completely becomes
//! [`Step::NotUnderstood`] with its raw bytes; the rule is never dropped from the reading.
//!
//! What a payload offset means depends on what is already known: network offset 16 is `ip daddr`
//! only for IPv4. [`Context`] carries what equality conditions have settled; a `!=` or a set
//! settles nothing.
//!
//! Registers hold network order for what comes out of packets, host order for marks, interface
//! indexes and connection state.
//!
//! Sources: `NFTA_<EXPRESSION>_*` in `linux/netfilter/nf_tables.h`; kernel
//! `net/netfilter/nft_*.c`.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::fields::{self, Load, Piece};
use super::model::{
    Action, CounterUse, Family, Field, Log, Match, RejectWith, SetInfo, SetRef, Throttle, Verdict,
};
use super::snapshot::{self, Name};
use super::wire::{self, Data, be_u16, be_u32, be_u64, data, data_value, ne_u32, text};
use super::xt;
use crate::kernel::{Attributes, Malformed};

/// What earlier conditions of the same way have settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) family: Family,
    /// IP version 4 or 6.
    pub(super) version: Option<u8>,
    pub(super) protocol: Option<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Match(Match),
    NotUnderstood(String),
    Limit {
        text: String,
        /// It holds for what exceeds the rate.
        over: Option<Throttle>,
    },
    Log(Log),
    Counter(CounterUse),
    Comment(String),
    /// Does something else, or nothing; lets the packet go on.
    Statement(String),
    Verdict(Verdict),
    Reject {
        action: Action,
        text: String,
    },
    /// The packet goes to something that decides elsewhere.
    Divert(String),
    VerdictMap {
        pieces: Vec<Piece>,
        set: SetRef,
    },
}

impl Context {
    pub(super) fn new(family: Family) -> Self {
        let version = match family {
            Family::Ip => Some(4),
            Family::Ip6 => Some(6),
            Family::Inet | Family::Arp | Family::Netdev | Family::Bridge | Family::Other(_) => None,
        };
        Self { family, version, protocol: None }
    }

    pub(super) fn learn(&mut self, condition: &Match) {
        match condition {
            Match::Version { version, inverted: false } => self.version = Some(*version),
            Match::Protocol { protocol, inverted: false } => self.protocol = Some(*protocol),
            _ => {}
        }
    }
}

/// Reads a rule's `NFTA_RULE_EXPRESSIONS`. A malformed part ends the reading as one more thing
/// not understood.
pub(super) fn read(
    expressions: &[u8],
    table: &str,
    handle: u64,
    sets: &HashMap<Name, SetInfo>,
    context: &mut Context,
) -> Vec<Step> {
    let mut reader = Reader {
        table,
        handle,
        sets,
        context,
        slots: std::array::from_fn(|_| None),
        steps: Vec::new(),
        limited: false,
    };
    for expression in wire::list(expressions) {
        let result = expression
            .and_then(wire::named)
            .and_then(|(name, attributes)| reader.expression(name, attributes));
        if result.is_err() {
            // It may have been a load: nothing is known about registers any more.
            reader.slots = std::array::from_fn(|_| None);
            reader.steps.push(Step::NotUnderstood("malformed expression".into()));
        }
    }
    reader.steps
}

struct Reader<'a> {
    table: &'a str,
    handle: u64,
    sets: &'a HashMap<Name, SetInfo>,
    context: &'a mut Context,
    /// 16 slots of four bytes; what was loaded is noted at the slot where it begins.
    slots: [Option<Load>; 16],
    steps: Vec<Step>,
    limited: bool,
}

type Done = Result<(), Malformed>;

impl Reader<'_> {
    fn expression(&mut self, name: &[u8], bytes: &[u8]) -> Done {
        let a = Values::new(bytes)?;
        match name {
            b"immediate" => self.immediate(&a),
            b"payload" => self.payload(&a),
            b"meta" => self.meta(&a),
            b"ct" => self.ct(&a),
            b"cmp" => self.cmp(&a),
            b"range" => self.range(&a),
            b"bitwise" => self.bitwise(&a),
            b"byteorder" => self.byteorder(&a),
            b"lookup" => self.lookup(&a),
            b"log" => self.log(&a),
            b"counter" => {
                let count = snapshot::count(bytes)?;
                self.push(Step::Counter(CounterUse::Inline(count)))
            }
            b"objref" => self.object(&a),
            b"limit" => self.limit(&a),
            b"reject" => self.reject(&a),
            b"match" => self.xt_match(&a),
            b"target" => self.xt_target(&a),
            b"queue" => self.divert("queue", bytes),
            b"nat" if a.u32(1)? == Some(1) => self.divert("dnat", bytes),
            b"fib" => self.fib(name, &a, bytes),
            b"tproxy" | b"redir" | b"synproxy" | b"fwd" => {
                self.divert(&String::from_utf8_lossy(name), bytes)
            }
            b"nat" | b"masq" | b"dup" | b"notrack" | b"flow_offload" | b"last" => {
                self.push(Step::Statement(String::from_utf8_lossy(name).into_owned()))
            }
            // socket, rt, exthdr, numgen, hash, osf, xfrm, tunnel, inner load a register or
            // match by themselves; dynset, connlimit and quota may stop the rule.
            _ => self.unknown(name, &a, bytes),
        }
    }

    fn immediate(&mut self, a: &Values) -> Done {
        match (self.register(a, 1)?, data(a.need(2)?)?) {
            (None, Data::Verdict(verdict)) => self.push(Step::Verdict(verdict)),
            (Some(slot), Data::Value(bytes)) => self.load(slot, Load::Constant(bytes.to_vec())),
            _ => Err(Malformed),
        }
    }

    fn payload(&mut self, a: &Values) -> Done {
        let (base, offset, size) = (a.need_u32(2)?, a.need_u32(3)?, a.need_u32(4)?);
        if a.get(5).is_some() {
            let text = format!("@{base},{offset},{size} set");
            return self.push(Step::Statement(text));
        }
        match self.register(a, 1)? {
            // All registers together hold 64 bytes.
            Some(slot) if size <= 64 => {
                self.load(slot, Load::Payload { base, offset, size, mask: None })
            }
            _ => Err(Malformed),
        }
    }

    fn meta(&mut self, a: &Values) -> Done {
        let key = a.need_u32(2)?;
        if let Some(source) = self.register(a, 3)? {
            let name = fields::meta_name(key);
            let value = match &self.slots[source] {
                Some(Load::Constant(bytes)) => hex_host(bytes),
                _ => "by packet".into(),
            };
            return self.push(Step::Statement(format!("{name} set {value}")));
        }
        match self.register(a, 1)? {
            Some(slot) => self.load(slot, Load::Meta { key, mask: None }),
            None => Err(Malformed),
        }
    }

    fn ct(&mut self, a: &Values) -> Done {
        let key = a.need_u32(2)?;
        if a.get(4).is_some() {
            return self.push(Step::Statement(format!("ct {key} set")));
        }
        match self.register(a, 1)? {
            Some(slot) => self.load(slot, Load::Ct { key, mask: None }),
            None => Err(Malformed),
        }
    }

    fn cmp(&mut self, a: &Values) -> Done {
        let (op, bytes) = (a.need_u32(2)?, data_value(a.need(3)?)?);
        let Some(source) = self.register(a, 1)? else { return Err(Malformed) };
        let steps = match &self.slots[source] {
            Some(load) => fields::compare(load, op, bytes, self.context),
            None => {
                vec![Step::NotUnderstood(format!("cmp with an empty register, {}", hex(bytes)))]
            }
        };
        for step in steps {
            self.condition(step);
        }
        Ok(())
    }

    /// Of routing nothing is named but whether a packet is for this node (`nft_fib_attributes` and
    /// `nft_fib_flags` in `linux/netfilter/nf_tables.h`).
    fn fib(&mut self, name: &[u8], a: &Values, bytes: &[u8]) -> Done {
        const ADDRESS_TYPE: u32 = 3;
        const DESTINATION: u32 = 2;
        match (self.register(a, 1)?, a.u32(2)?, a.u32(3)?) {
            (Some(slot), Some(ADDRESS_TYPE), Some(DESTINATION)) => {
                self.load(slot, Load::AddressType)
            }
            _ => self.unknown(name, a, bytes),
        }
    }

    fn range(&mut self, a: &Values) -> Done {
        let inverted = a.need_u32(2)? == 1;
        let (low, high) = (data_value(a.need(3)?)?, data_value(a.need(4)?)?);
        let Some(source) = self.register(a, 1)? else { return Err(Malformed) };
        let step = self.slots[source]
            .as_ref()
            .and_then(|load| fields::single(load, self.context))
            .and_then(|field| fields::between(&field, low, high, inverted))
            .map_or_else(
                || Step::NotUnderstood(format!("range {}-{}", hex(low), hex(high))),
                Step::Match,
            );
        self.condition(step);
        Ok(())
    }

    /// Only a plain mask can be named: `(value & mask) ^ 0`, once.
    fn bitwise(&mut self, a: &Values) -> Done {
        let (Some(from), Some(to)) = (self.register(a, 1)?, self.register(a, 2)?) else {
            return Err(Malformed);
        };
        let size = a.need_u32(3)? as usize;
        let plain = match (a.u32(6)?.unwrap_or(0), a.get(4), a.get(5)) {
            (0, Some(mask), Some(xor)) if data_value(xor)?.iter().all(|&b| b == 0) => {
                Some(data_value(mask)?)
            }
            _ => None,
        };
        let masked = plain
            .filter(|mask| mask.len() == size)
            .and_then(|mask| self.slots[from].as_ref()?.masked(mask))
            .unwrap_or_else(|| Load::Unknown("bitwise".into(), size));
        self.load(to, masked)
    }

    /// nft converts one-byte fields of concatenations too, which changes nothing.
    fn byteorder(&mut self, a: &Values) -> Done {
        let (Some(from), Some(to)) = (self.register(a, 1)?, self.register(a, 2)?) else {
            return Err(Malformed);
        };
        let converted = match &self.slots[from] {
            Some(load) if load.size() == Some(1) => load.clone(),
            _ => Load::Unknown("byteorder".into(), a.need_u32(4)? as usize),
        };
        self.load(to, converted)
    }

    fn lookup(&mut self, a: &Values) -> Done {
        let name = text(a.need(1)?);
        let inverted = a.u32(5)?.unwrap_or(0) & 1 != 0;
        let Some(source) = self.register(a, 2)? else { return Err(Malformed) };
        let (info, set) = self.set(&name);
        let destination = match a.get(3) {
            Some(_) => Some(self.register(a, 3)?),
            None => None,
        };
        let pieces = info.and_then(|info| self.pieces(source, info));
        match (destination, pieces) {
            (Some(None), Some(pieces)) => self.push(Step::VerdictMap { pieces, set }),
            (Some(None), None) => {
                self.push(Step::NotUnderstood(format!("key of verdict map @{name}")))?;
                self.push(Step::VerdictMap { pieces: Vec::new(), set })
            }
            // A map without an element for the key ends the rule like a set does.
            (Some(Some(_)) | None, pieces) => {
                self.in_set(pieces, set, inverted);
                match destination {
                    // Only the first slot of the data is named: its size is not known here.
                    Some(Some(slot)) => self.load(slot, Load::Unknown(format!("map @{name}"), 4)),
                    _ => Ok(()),
                }
            }
        }
    }

    fn in_set(&mut self, pieces: Option<Vec<Piece>>, set: SetRef, inverted: bool) {
        self.condition(match pieces {
            Some(pieces) => {
                let fields = pieces.into_iter().map(|piece| piece.field).collect();
                Step::Match(fields::member(fields, set, inverted))
            }
            None => {
                let not = if inverted { "not " } else { "" };
                Step::NotUnderstood(format!("key {not}in @{}", set.name))
            }
        });
    }

    /// The fields that fill a key, from the loads that feed it.
    fn pieces(&self, source: usize, set: &SetInfo) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let (mut slot, mut offset) = (source, 0);
        while offset < set.key_size {
            let load = self.slots.get(slot)?.as_ref()?;
            let size = load.size()?;
            let field = fields::single(load, self.context)?;
            pieces.push(Piece { field, offset, size });
            offset += size.next_multiple_of(4);
            slot += size.div_ceil(4).max(1);
        }
        (!pieces.is_empty()).then_some(pieces)
    }

    fn log(&mut self, a: &Values) -> Done {
        let prefix = a.get(2).unwrap_or_default();
        let prefix = prefix.strip_suffix(&[0]).unwrap_or(prefix);
        let Some(group) = a.get(1) else {
            return self.push(Step::Statement("log to syslog".into()));
        };
        let log = Log {
            group: be_u16(group)?,
            prefix: prefix.to_vec(),
            handle: self.handle,
            exact: true,
            limited: self.limited,
            sample: false,
            threshold: a.get(4).map(be_u16).transpose()?.unwrap_or(0),
            snaplen: a.u32(3)?.unwrap_or(0),
        };
        self.push(Step::Log(log))
    }

    fn object(&mut self, a: &Values) -> Done {
        if let Some(source) = self.register(a, 3)? {
            let name = text(a.need(4)?);
            let (info, set) = self.set(&name);
            let pieces = info.and_then(|info| self.pieces(source, info));
            self.in_set(pieces, set, false);
            return self.push(Step::Counter(CounterUse::ByMap(name)));
        }
        let name = text(a.need(2)?);
        match a.need_u32(1)? {
            1 => self.push(Step::Counter(CounterUse::Named(name))),
            2 => self.push(Step::NotUnderstood(format!("quota \"{name}\""))),
            4 => {
                self.limited = true;
                // What it says may change without a change of the rules: it is not read.
                let text = format!("limit name \"{name}\"");
                self.push(Step::Limit { text, over: None })
            }
            5 => self.push(Step::NotUnderstood(format!("ct count \"{name}\""))),
            10 => self.push(Step::Divert(format!("synproxy \"{name}\""))),
            other => self.push(Step::Statement(format!("object {other} \"{name}\""))),
        }
    }

    fn limit(&mut self, a: &Values) -> Done {
        self.limited = true;
        let rate = be_u64(a.need(1)?)?;
        let unit_s = be_u64(a.need(2)?)?;
        let unit = match unit_s {
            1 => "second".into(),
            60 => "minute".into(),
            3600 => "hour".into(),
            86400 => "day".into(),
            seconds => format!("{seconds}s"),
        };
        let is_over = a.u32(5)?.unwrap_or(0) & 1 != 0;
        let bytes = a.u32(4)?.unwrap_or(0) == 1;
        let over = if is_over { "over " } else { "" };
        let what = if bytes { " bytes" } else { "" };
        let text = format!("limit rate {over}{rate}{what}/{unit}");
        let bits_per_s = rate.saturating_mul(8).checked_div(unit_s).filter(|_| bytes);
        // Less than a bit a second is next to nothing, and not unknown.
        let throttle = Throttle { bits_per_s: bits_per_s.map(|bits| bits.max(1)) };
        self.push(Step::Limit { text, over: is_over.then_some(throttle) })
    }

    fn reject(&mut self, a: &Values) -> Done {
        let code = a.get(2).and_then(|v| v.first()).copied().unwrap_or(0);
        let (with, text) = match a.need_u32(1)? {
            0 => (RejectWith::Icmp, format!("reject with icmp {code}")),
            1 => (RejectWith::TcpReset, "reject with tcp reset".into()),
            2 => (RejectWith::Icmpx, format!("reject with icmpx {code}")),
            _ => return Err(Malformed),
        };
        self.push(Step::Reject { action: Action::Reject { with, code }, text })
    }

    fn xt_match(&mut self, a: &Values) -> Done {
        let name = text(a.need(1)?);
        // What is logged behind it is limited like behind a `limit` of nft's own.
        self.limited |= name == "limit" || name == "hashlimit";
        self.push(xt::condition(&name, a.u32(2)?, a.get(3).unwrap_or_default()))
    }

    fn xt_target(&mut self, a: &Values) -> Done {
        let (name, info) = (text(a.need(1)?), a.get(3).unwrap_or_default());
        let step = xt::target(&name, info, self.context.family, self.handle, self.limited);
        self.push(step?)
    }

    fn divert(&mut self, name: &str, bytes: &[u8]) -> Done {
        let number = match name {
            "queue" => Attributes::new(bytes)
                .filter_map(Result::ok)
                .find(|(kind, _)| *kind == 1)
                .map(|(_, value)| be_u16(value))
                .transpose()?,
            _ => None,
        };
        self.push(Step::Divert(match number {
            Some(number) => format!("{name} num {number}"),
            None => name.into(),
        }))
    }

    fn unknown(&mut self, name: &[u8], a: &Values, bytes: &[u8]) -> Done {
        let name = String::from_utf8_lossy(name);
        self.push(Step::NotUnderstood(format!("{name} {}", hex(bytes))))?;
        // Most of these load what attribute 1 says; it is a register where it reads as one. What
        // was there must not be taken for what is there now.
        if let Ok(Some(slot)) = self.register(a, 1) {
            self.load(slot, Load::Unknown(name.into_owned(), 4))?;
        }
        Ok(())
    }

    fn set(&self, name: &str) -> (Option<&SetInfo>, SetRef) {
        let key = (self.context.family, self.table.to_owned(), name.to_owned());
        match self.sets.get(&key) {
            Some(info) => (Some(info), info.reference()),
            None => (None, SetRef { name: name.to_owned(), anonymous: false, dynamic: false }),
        }
    }

    fn condition(&mut self, step: Step) {
        if let Step::Match(condition) = &step {
            self.context.learn(condition);
            if let (Some(Step::Match(last)), Match::Address { .. } | Match::Port { .. }) =
                (self.steps.last_mut(), condition)
                && fields::narrow(last, condition)
            {
                return;
            }
        }
        self.steps.push(step);
    }

    fn push(&mut self, step: Step) -> Done {
        self.steps.push(step);
        Ok(())
    }

    /// A load overwrites its slots.
    fn load(&mut self, slot: usize, load: Load) -> Done {
        let size = load.size().unwrap_or(4).div_ceil(4).max(1);
        for slot in self.slots.iter_mut().skip(slot).take(size) {
            *slot = None;
        }
        *self.slots.get_mut(slot).ok_or(Malformed)? = Some(load);
        Ok(())
    }

    /// The slot of a register; `None` if there is none or it is the verdict register.
    fn register(&self, a: &Values, kind: u16) -> Result<Option<usize>, Malformed> {
        Ok(match a.u32(kind)? {
            None | Some(0) => None,
            Some(wide @ 1..=4) => Some((wide as usize - 1) * 4),
            Some(narrow @ 8..=23) => Some(narrow as usize - 8),
            Some(_) => return Err(Malformed),
        })
    }
}

/// Attributes 1 to 11 of one expression.
struct Values<'a>([Option<&'a [u8]>; 12]);

impl<'a> Values<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut values = [None; 12];
        for attribute in Attributes::new(bytes) {
            let (kind, value) = attribute?;
            if let Some(place) = values.get_mut(usize::from(kind)) {
                *place = Some(value);
            }
        }
        Ok(Self(values))
    }

    fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.0[usize::from(kind)]
    }

    fn need(&self, kind: u16) -> Result<&'a [u8], Malformed> {
        self.get(kind).ok_or(Malformed)
    }

    fn u32(&self, kind: u16) -> Result<Option<u32>, Malformed> {
        self.get(kind).map(be_u32).transpose()
    }

    fn need_u32(&self, kind: u16) -> Result<u32, Malformed> {
        be_u32(self.need(kind)?)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 256;
    let mut text = String::from("0x");
    for byte in bytes.iter().take(SHOWN_MAX) {
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > SHOWN_MAX {
        let _ = write!(text, "… ({} bytes)", bytes.len());
    }
    text
}

fn hex_host(bytes: &[u8]) -> String {
    ne_u32(bytes).map_or_else(|| hex(bytes), |value| format!("{value:#x}"))
}

/// The conditions that one verdict-map element stands for, field by field.
pub(super) fn element_matches(pieces: &[Piece], low: &[u8], high: &[u8]) -> Option<Vec<Match>> {
    pieces
        .iter()
        .map(|Piece { field, offset, size }| {
            let (low, high) = (low.get(*offset..offset + size)?, high.get(*offset..offset + size)?);
            match field {
                Field::Named(name) if low == high => {
                    Some(Match::Other(format!("{name} {}", hex(low))))
                }
                _ => fields::between(field, low, high, false),
            }
        })
        .collect()
}
