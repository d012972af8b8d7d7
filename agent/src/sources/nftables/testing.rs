//! A context without recorder, key or clock, and a router between two hosts, for tests.

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::SystemTime,
};

use evidence::Claim;
use sha2::{Digest as _, Sha256};

use crate::{
    keys::NodeKey,
    observation::{Report, RuleNumber},
    privacy::Privacy,
    sources::SourceContext,
};

/// What the source sent.
pub(super) type Sent = Arc<Mutex<Vec<Report>>>;

/// Customers are in 100.64.0.0/10 and 2001:db8:c::/48.
pub(super) fn privacy(names: bool) -> Privacy {
    let prefixes = ["100.64.0.0/10", "2001:db8:c::/48"];
    let prefixes = prefixes.iter().map(|prefix| prefix.parse().expect("a prefix")).collect();
    Privacy::new(prefixes, &NodeKey::from_secret([7; 32]), names)
}

/// The basis map: what it says about "mark:0x2a", "comment:mapped", "set:inet/t/mapped" and
/// "chain:inet/t/mapped" is request "map/1".
pub(super) fn context(names: bool) -> (SourceContext, Sent) {
    let sent = Sent::default();
    let to = Arc::clone(&sent);
    let context = SourceContext {
        send: Arc::new(move |report| {
            to.lock().expect("not poisoned").push(report);
            Ok(())
        }),
        now_s: || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.expect("after 1970").as_secs() as i64
        },
        rule_number: Arc::new(|key| {
            let digest: [u8; 32] = Sha256::digest(key).into();
            RuleNumber(digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b)))
        }),
        mapped: Arc::new(|selector| -> Vec<Claim> {
            let known = ["mark:0x2a", "comment:mapped", "set:inet/t/mapped", "chain:inet/t/mapped"];
            let claim = known.contains(&selector).then(|| "map/1".parse().expect("a claim"));
            claim.into_iter().collect()
        }),
        privacy: Arc::new(privacy(names)),
        stop: Arc::new(AtomicBool::new(false)),
        resume: None,
    };
    (context, sent)
}
