//! What is known about a ruleset, in plain values. No netlink in here.

use std::net::IpAddr;
use std::sync::Arc;

/// All that drops, rejects or diverts packets in one network namespace, at one generation.
#[derive(Debug, Clone, Default)]
pub struct Ruleset {
    pub generation: u32,
    /// In the order in which packets meet them: base chains by hook and priority, then rules.
    pub drops: Vec<DropPath>,
    /// Base chains that drop what no rule accepted.
    pub policies: Vec<PolicyDrop>,
    pub counters: Vec<NamedCounter>,
    pub sets: Vec<SetInfo>,
    /// Each table's handle, which no later table of that name gets again. Rules of a dormant table
    /// are in none of the lists above.
    pub tables: Vec<(Family, String, u64)>,
    /// The ruleset has more ways to a drop than we follow: `drops` is not complete.
    pub paths_omitted: bool,
}

/// One rule that drops, rejects or diverts, reached from one base chain by one way of jumps. A rule in a
/// chain that two rules jump to is two paths; its counter then counts both.
#[derive(Debug, Clone)]
pub struct DropPath {
    pub rule: RuleId,
    pub base: Arc<BaseChain>,
    pub action: Action,
    /// All of the way's conditions; each must hold.
    pub matches: Vec<Match>,
    /// `meta mark == x` among the conditions: who set the mark chose the packets.
    pub mark_required: Option<u32>,
    /// Conditions that we cannot read, with their raw bytes. If any, the rule drops at most what
    /// `matches` says.
    pub not_understood: Vec<String>,
    /// A rate limit is among the conditions: only some of the matching packets are dropped.
    pub limit: bool,
    /// One of them says "over": what exceeds the rate is dropped, and the rest goes through.
    pub throttle: Option<Throttle>,
    pub comment: Option<String>,
    /// Comments of the jump and goto rules on the way, outermost first.
    pub callers_said: Vec<String>,
    /// What logs these packets, in order of evaluation.
    pub logs: Vec<Log>,
    pub counter: Option<CounterUse>,
    /// The counter stands behind all conditions of its rule, so that it counts this rule's drops
    /// and nothing else (of all ways to the rule).
    pub counter_exact: bool,
    /// The rule's own text, much as `nft list` shows it.
    pub native: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// What goes through; `None`: the limit counts packets, or there are several.
    pub bits_per_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId {
    pub family: Family,
    pub table: String,
    pub chain: String,
    pub handle: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    pub family: Family,
    pub table: String,
    pub chain: String,
    pub hook: Hook,
    pub priority: i32,
    /// Of netdev and inet ingress chains.
    pub devices: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDrop {
    pub base: Arc<BaseChain>,
    /// Packets and bytes, where iptables-nft keeps them. Chains made by nft have none: what the
    /// policy dropped is then known to nobody.
    pub counter: Option<Count>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCounter {
    pub family: Family,
    pub table: String,
    pub name: String,
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    Inet,
    Ip,
    Arp,
    Netdev,
    Bridge,
    Ip6,
    /// One that did not exist when this was written.
    Other(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Egress,
    Other(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Drop,
    Reject {
        with: RejectWith,
        code: u8,
    },
    /// Hands packets to something whose outcome the ruleset does not say: a queue, another address
    /// or port, a target that we do not know.
    Divert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectWith {
    /// ICMP or ICMPv6 unreachable, by the family of the rule; the code is that protocol's.
    Icmp,
    /// `icmpx`: a code of its own that fits both (`nft_reject_inet_code`).
    Icmpx,
    TcpReset,
    /// iptables-nft's REJECT with a way of answering that this version does not know.
    Xt(u32),
}

/// A message to an NFLOG group. Logs to the system log are not evidence that we read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub group: u16,
    pub prefix: Vec<u8>,
    /// The rule that logs: the dropping one, or one before it with the same conditions.
    pub handle: u64,
    /// Logs the packets of this path, no more and no fewer: same conditions and no limit.
    pub exact: bool,
    /// A rate limit stands before the log: messages are missing by design.
    pub limited: bool,
    /// Logs some of the packets of this path and no others: exact, but for the limit.
    pub sample: bool,
    /// Messages until the kernel sends its batch; 0 is what the reader of the group asked for.
    pub threshold: u16,
    /// Bytes of each packet that are copied at most; 0 is what the reader asked for.
    pub snaplen: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CounterUse {
    /// A counter object of the rule's table.
    Named(String),
    Inline(Count),
    /// Of the element of a verdict map that says the drop.
    Element {
        map: String,
        /// The element's own bytes, as text.
        key: String,
        count: Count,
    },
    /// One counter object per element of this map.
    ByMap(String),
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    Address {
        side: Side,
        set: AddrSet,
        inverted: bool,
    },
    /// `protocol` is known if an earlier condition asks for exactly one.
    Port {
        side: Side,
        protocol: Option<u8>,
        set: PortSet,
        inverted: bool,
    },
    Protocol {
        protocol: u8,
        inverted: bool,
    },
    /// IP version 4 or 6.
    Version {
        version: u8,
        inverted: bool,
    },
    /// A trailing `*` means any name that begins so; `#n` is an interface index.
    Interface {
        way: Way,
        name: String,
        inverted: bool,
    },
    /// Bits of `enum ip_conntrack_info` as in `NF_CT_STATE_BIT`: any of them.
    ConnectionState {
        any_of: u32,
        inverted: bool,
    },
    Mark {
        value: u32,
        mask: u32,
        inverted: bool,
    },
    /// One or several fields together are an element of a set.
    Member {
        fields: Vec<Field>,
        set: SetRef,
        inverted: bool,
    },
    /// The destination is an address of this node (`fib daddr type local`).
    ToThisNode {
        inverted: bool,
    },
    /// Read completely, but of a kind that names no target.
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Source,
    Destination,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    In,
    Out,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddrSet {
    Prefix(IpAddr, u8),
    /// Both inclusive.
    Range(IpAddr, IpAddr),
    Named(SetRef),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortSet {
    /// Both inclusive.
    Range(u16, u16),
    Named(SetRef),
}

/// A set or map of the rule's own table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRef {
    pub name: String,
    /// `__set3`: written in the rule; the number says nothing.
    pub anonymous: bool,
    /// Elements come and go without a commit (timeouts, packets that add): say "as of".
    pub dynamic: bool,
}

/// What a set's key is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Address {
        side: Side,
        version: u8,
    },
    Port {
        side: Side,
        protocol: Option<u8>,
    },
    Protocol,
    /// `meta nfproto`.
    Version,
    Ethertype,
    Interface(Way),
    InterfaceIndex(Way),
    Mark,
    ConnectionState,
    /// Any other, by nft's name for it or as `@base,offset,length` in bits.
    Named(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetInfo {
    pub family: Family,
    pub table: String,
    pub name: String,
    pub handle: u64,
    pub flags: u32,
    pub key_type: u32,
    pub key_size: usize,
    /// Sizes of the fields, where the kernel keeps them (concatenations with intervals).
    pub field_sizes: Vec<usize>,
    /// Data of a map is a verdict.
    pub verdicts: bool,
    /// Elements as the user wrote them, without the ends of intervals and the catch-all.
    pub count: u32,
    /// Older kernels do not say; `count` is then 0.
    pub count_known: bool,
    pub comment: Option<String>,
}

/// One element of a set or map; an interval is one element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// One field, or several for a concatenation. Empty for the catch-all element.
    pub low: Vec<KeyField>,
    /// Inclusive; equal to `low` for a single value.
    pub high: Vec<KeyField>,
    pub comment: Option<String>,
    pub counter: Option<Count>,
    pub verdict: Option<Verdict>,
    /// The object (counter, …) that an object map chooses.
    pub object: Option<String>,
    /// Milliseconds until it goes, as of the reading.
    pub expires_ms: Option<u64>,
    /// `*`: matches what no other element does.
    pub catch_all: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyField {
    Address(IpAddr),
    Protocol(u8),
    Port(u16),
    Mark(u32),
    Interface(String),
    Other(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    Drop,
    Accept,
    Queue(u16),
    Continue,
    Break,
    Jump(String),
    Goto(String),
    Return,
    Other(i32),
}

/// A commit, as the kernel announces it. Pid and name are those of the process that sent the
/// batch; the name is chosen by that process: a hint, not proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    pub id: u32,
    pub pid: u32,
    pub process_name: String,
}

impl Family {
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Inet,
            2 => Self::Ip,
            3 => Self::Arp,
            5 => Self::Netdev,
            7 => Self::Bridge,
            10 => Self::Ip6,
            other => Self::Other(other),
        }
    }

    pub const fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Arp => 3,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ip6 => 10,
            Self::Other(number) => number,
        }
    }
}

impl Hook {
    /// The kernel's hook numbers mean different things in different families.
    pub const fn from_number(family: Family, number: u32) -> Self {
        match (family, number) {
            (Family::Netdev, 0) | (Family::Inet, 5) => Self::Ingress,
            (Family::Netdev, 1) => Self::Egress,
            (Family::Arp, 0) => Self::Input,
            (Family::Arp, 1) => Self::Output,
            (Family::Arp, 2) => Self::Forward,
            (Family::Inet | Family::Ip | Family::Ip6 | Family::Bridge, 0) => Self::Prerouting,
            (Family::Inet | Family::Ip | Family::Ip6 | Family::Bridge, 1) => Self::Input,
            (Family::Inet | Family::Ip | Family::Ip6 | Family::Bridge, 2) => Self::Forward,
            (Family::Inet | Family::Ip | Family::Ip6 | Family::Bridge, 3) => Self::Output,
            (Family::Inet | Family::Ip | Family::Ip6 | Family::Bridge, 4) => Self::Postrouting,
            (_, other) => Self::Other(other),
        }
    }
}

impl SetInfo {
    pub const ANONYMOUS: u32 = 0x1;
    pub const INTERVAL: u32 = 0x4;
    pub const MAP: u32 = 0x8;
    pub const TIMEOUT: u32 = 0x10;
    pub const EVAL: u32 = 0x20;
    pub const CONCAT: u32 = 0x80;

    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub fn reference(&self) -> SetRef {
        SetRef {
            name: self.name.clone(),
            anonymous: self.has(Self::ANONYMOUS),
            dynamic: self.has(Self::TIMEOUT) || self.has(Self::EVAL),
        }
    }
}
