//! The blocks of `remit-agent selftest`: what marks its rules, and how its packets are known.
//!
//! A self-test puts a rule of its own beside the operator's, for as long as it takes, and sends itself a datagram
//! that this rule logs and drops:
//!
//! ```text
//! iif lo ip daddr 127.0.0.1 udp dport 40123 counter … log prefix "remit=canary selftest=<16 hex digits>" group 42 drop
//! ```
//!
//! Known by that prefix on a datagram to a loopback address, which only a rule on input or output can have logged
//! (RFC 1122 section 3.2.1.3: such an address never comes from outside): there nothing is judged, so no block of
//! others' traffic can pass for one. Whether it is the test's own datagram that met the rule does not matter: it
//! came through rule, kernel, group and reader.
//!
//! Left out of every figure like canaries. The rule is no rule of the operator's and not among what the node drops
//! for its own sake (`canary`); how often it was seen is one row of one `Seal`.

use std::collections::BTreeMap;

use evidence::leaf::SELF_TEST_PATH;

use crate::sources::nflog::Packet;

const PREFIX: &str = "remit=canary selftest=";

/// Of one run of the command: nobody else's block has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn new(random: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(random))
    }

    /// What the rule logs with.
    pub(crate) fn prefix(self) -> String {
        format!("{PREFIX}{:016x}", self.0)
    }

    /// The row of the `Seal` that says that it was seen in this group.
    pub(crate) fn path(self, group: u16) -> String {
        format!("{SELF_TEST_PATH}{:016x}/nflog/{group}", self.0)
    }

    pub(super) fn of_prefix(prefix: &[u8]) -> Option<Self> {
        let digits = std::str::from_utf8(prefix.strip_prefix(PREFIX.as_bytes())?).ok()?;
        let hex = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| u64::from_str_radix(digits, 16).ok().map(Self)).flatten()
    }

    pub(super) fn of_packet(packet: &Packet<'_>) -> Option<Self> {
        const UDP: u8 = 17;
        let headers = packet.headers?;
        let own = headers.dst.is_loopback() && headers.l4proto == UDP;
        own.then(|| Self::of_prefix(packet.prefix)).flatten()
    }
}

/// How many came since the last report. People test: there are few at a time.
#[derive(Debug, Default)]
pub(super) struct SelfTests(BTreeMap<Mark, u64>);

impl SelfTests {
    pub(super) fn add(&mut self, mark: Mark) {
        *self.0.entry(mark).or_default() += 1;
    }

    pub(super) fn take(&mut self) -> BTreeMap<Mark, u64> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_rule_says_which_test_it_is_of() {
        let mark = Mark::new([0, 0, 0, 0, 0, 0, 0x1f, 0xff]);
        assert_eq!(mark.prefix(), "remit=canary selftest=0000000000001fff");
        assert_eq!(Mark::of_prefix(mark.prefix().as_bytes()), Some(mark));
        assert_eq!(mark.path(42), "selftest/0000000000001fff/nflog/42");
        for prefix in [
            "remit=canary",
            "remit=canary selftest=",
            "remit=canary selftest=1fff",
            "remit=canary selftest=+000000000001fff",
            "remit=canary selftest=0000000000001fff ",
            "remit=de/1 selftest=0000000000001fff",
        ] {
            assert_eq!(Mark::of_prefix(prefix.as_bytes()), None, "{prefix}");
        }
    }
}
