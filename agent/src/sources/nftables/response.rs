//! What a client sees of a drop.

use crate::{
    observation::Response,
    rules::nftables::{Action, RejectWith},
};

/// As `leaf.proto` has it: "icmp/<type>/<code>", "icmpv6/<type>/<code>", "tcp-reset".
/// Sources: RFC 792, RFC 4443; `nft_reject_inet_code` for codes that fit both.
pub(super) fn response(action: Action, version: Option<u8>) -> Response {
    let (with, code) = match action {
        // What becomes of a diverted packet is not known, and it is no hit.
        Action::Drop | Action::Divert => return Response::Silent,
        Action::Reject { with, code } => (with, code),
    };
    Response::Reject(match (with, version, code) {
        (RejectWith::TcpReset, ..) => "tcp-reset",
        (RejectWith::Xt(_), ..) => "reject",
        (RejectWith::Icmp, Some(6), 0) | (RejectWith::Icmpx, Some(6), 0) => "icmpv6/1/0",
        (RejectWith::Icmp, Some(6), 1) | (RejectWith::Icmpx, Some(6), 3) => "icmpv6/1/1",
        (RejectWith::Icmp, Some(6), 3) | (RejectWith::Icmpx, Some(6), 2) => "icmpv6/1/3",
        (RejectWith::Icmp, Some(6), 4) | (RejectWith::Icmpx, Some(6), 1) => "icmpv6/1/4",
        (RejectWith::Icmp, Some(6), 5) => "icmpv6/1/5",
        (RejectWith::Icmp, Some(6), 6) => "icmpv6/1/6",
        (RejectWith::Icmp, Some(4), 0) | (RejectWith::Icmpx, Some(4), 0) => "icmp/3/0",
        (RejectWith::Icmp, Some(4), 1) | (RejectWith::Icmpx, Some(4), 2) => "icmp/3/1",
        (RejectWith::Icmp, Some(4), 2) => "icmp/3/2",
        (RejectWith::Icmp, Some(4), 3) | (RejectWith::Icmpx, Some(4), 1) => "icmp/3/3",
        (RejectWith::Icmp, Some(4), 9) => "icmp/3/9",
        (RejectWith::Icmp, Some(4), 10) => "icmp/3/10",
        (RejectWith::Icmp, Some(4), 13) | (RejectWith::Icmpx, Some(4), 3) => "icmp/3/13",
        (RejectWith::Icmp | RejectWith::Icmpx, ..) => "icmp",
    })
}
