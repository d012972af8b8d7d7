//! A context without recorder, key or clock, for the tests of sources and imports.

pub mod real;

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use evidence::Claim;
use remit_proto::v1::Actor;
use sha2::{Digest, Sha256};

use crate::{
    keys::NodeKey,
    observation::{Report, RuleNumber},
    privacy::Privacy,
    sources::SourceContext,
};

/// What the source sent.
pub type Sent = Arc<Mutex<Vec<Report>>>;

pub fn privacy(names: bool) -> Privacy {
    let prefixes = vec!["100.64.0.0/10".parse().expect("a prefix")];
    Privacy::new(prefixes, &NodeKey::from_secret([7; 32]), names)
}

pub fn rule_number(key: &str) -> RuleNumber {
    let digest: [u8; 32] = Sha256::digest(key).into();
    RuleNumber(digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b)))
}

pub fn now_s() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_secs() as i64
}

/// The basis map knows one zone: "mapped.test" rests on request "map/1".
pub fn context(names: bool) -> (SourceContext, Sent) {
    let sent = Sent::default();
    let to = Arc::clone(&sent);
    let mapped = |selector: &str| -> Vec<Claim> {
        let known = selector == "zone:mapped.test";
        known.then(|| "map/1".parse().expect("a claim")).into_iter().collect()
    };
    let context = SourceContext {
        send: Arc::new(move |report| {
            to.lock().expect("not poisoned").push(report);
            Ok(())
        }),
        now_s,
        rule_number: Arc::new(rule_number),
        mapped: Arc::new(mapped),
        privacy: Arc::new(privacy(names)),
        default_actor: Actor::Unknown,
        stop: Arc::new(AtomicBool::new(false)),
        resume: None,
    };
    (context, sent)
}
