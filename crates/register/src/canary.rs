//! Whether canaries come back: one rule for the collector's answers and for the verifier's report.
//!
//! In: what the newest seal of a node says of the canaries on one path. Out: whether that path was
//! shown to be alive, and as of when.
//!
//! A path of which many canaries in a row were not seen is *missing*, however long that took: a node
//! that was paused has sent none meanwhile. One on which none is sent any more, while the node goes on
//! sealing, is *stopped*: its rule was taken away, or the agent cannot send. One without canaries shows
//! nothing but its hits. That a node sends no seals is a silence (`silence`), and not said here.
//!
//! What a self-test sent (`remit-agent selftest`) stands in one seal, for whoever gave the command, and is no path:
//! nobody waits for another.

use evidence::leaf::SELF_TEST_PATH;
use remit_proto::v1;

/// So many canaries in a row without an answer are more than a full queue or one on its way.
pub const UNANSWERED_MAX: u64 = 5;
/// Sent once a second on NFLOG groups, every ten seconds through resolvers; with time to spare for a
/// node under load.
pub const SENT_WITHIN_S: i64 = 60;
/// A report or an answer lists at most so many paths.
pub const LISTED_MAX: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The path has no canaries.
    None,
    /// The first were sent a moment ago.
    Waiting,
    /// One came back then, and there is no sign against it.
    Alive { as_of_s: i64 },
    /// They do not come back since then; 0: none ever did in this generation.
    Missing { since_s: i64 },
    /// None is sent any more; one was sent then for the last time.
    Stopped { since_s: i64 },
}

/// The paths of a node, as its seal states them.
pub fn paths(seal: &v1::Seal) -> impl Iterator<Item = &v1::CanaryAccount> {
    seal.canaries.iter().filter(|account| !account.path.starts_with(SELF_TEST_PATH))
}

/// `sealed_s`: time of the seal that states the account.
pub fn health(account: &v1::CanaryAccount, sealed_s: i64) -> Health {
    let v1::CanaryAccount {
        source: _,
        path: _,
        sent,
        seen,
        unanswered,
        counted_known: _,
        counted: _,
        sent_at_s,
        seen_at_s,
    } = account;
    if *sent == 0 {
        return Health::None;
    }
    let never = *seen == 0 && *sent > UNANSWERED_MAX;
    if never || *unanswered > UNANSWERED_MAX {
        return Health::Missing { since_s: *seen_at_s };
    }
    if sealed_s.saturating_sub(*sent_at_s) > SENT_WITHIN_S {
        return Health::Stopped { since_s: *sent_at_s };
    }
    match seen {
        0 => Health::Waiting,
        _ => Health::Alive { as_of_s: *seen_at_s },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "<sent> <seen> <unanswered>, sent at, seen at" at a seal of time 1000.
    fn check([sent, seen, unanswered]: [u64; 3], [sent_at_s, seen_at_s]: [i64; 2], want: Health) {
        let account = v1::CanaryAccount {
            sent,
            seen,
            unanswered,
            sent_at_s,
            seen_at_s,
            ..v1::CanaryAccount::default()
        };
        assert_eq!(health(&account, 1000), want, "{account:?}");
    }

    #[test]
    fn a_path_is_alive_as_of_the_newest_that_came_back() {
        check([9, 9, 0], [999, 999], Health::Alive { as_of_s: 999 });
        check([99, 60, 5], [999, 990], Health::Alive { as_of_s: 990 });
        check([99, 60, 6], [999, 990], Health::Missing { since_s: 990 });
    }

    #[test]
    fn before_the_first_has_had_its_time_nothing_is_said() {
        check([0, 0, 0], [0, 0], Health::None);
        check([5, 0, 5], [999, 0], Health::Waiting);
        check([6, 0, 6], [999, 0], Health::Missing { since_s: 0 });
        // After a restart nobody waits for the old ones.
        check([6, 0, 1], [999, 0], Health::Missing { since_s: 0 });
    }

    #[test]
    fn a_self_test_is_no_path() {
        let account = |path: &str| v1::CanaryAccount { path: path.into(), ..Default::default() };
        let canaries = ["nflog/42", "selftest/0123456789abcdef/nflog/42", "rpz/selftest.example"];
        let seal = v1::Seal { canaries: canaries.map(account).into(), ..Default::default() };
        let told: Vec<_> = paths(&seal).map(|account| account.path.as_str()).collect();
        assert_eq!(told, ["nflog/42", "rpz/selftest.example"]);
    }

    #[test]
    fn a_pause_of_the_node_is_no_loss_and_a_rule_that_is_gone_is_one() {
        check([99, 98, 1], [999, 600], Health::Alive { as_of_s: 600 });
        check([99, 99, 0], [940, 940], Health::Alive { as_of_s: 940 });
        check([99, 99, 0], [939, 940], Health::Stopped { since_s: 939 });
    }
}
