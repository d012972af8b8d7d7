//! What the kernel sends over netlink. It is trusted; what other programs have put into its rules, names
//! and packets is not.

use remit_agent::{
    kernel::Messages,
    rules::nftables::{generation, ruleset_of},
    sources::{
        nflog::message::{headers, parse},
        routes::wire::change,
    },
};

/// One NFLOG message behind its netlink header, and the input as a packet by itself.
pub fn nflog(data: &[u8]) {
    if let Ok(packet) = parse(data) {
        assert!(packet.prefix.len() <= data.len());
    }
    let _ = headers(data);
}

/// Answers to the dumps of a ruleset, and the message that ends a commit.
pub fn nftables(data: &[u8]) {
    if let Ok((ruleset, elements)) = ruleset_of(data) {
        // What goes into leaves.
        let _ = (format!("{ruleset:?}"), format!("{elements:?}"));
    }
    let _ = generation(data);
}

pub fn rtnetlink(data: &[u8]) {
    for message in Messages::new(data) {
        let Ok(message) = message else { return };
        let _ = change(&message);
    }
}
