//! Where no NFLOG group is read: the canaries of policy zones are the blocks.
//!
//! In: the seals that the agent records while the test goes on. Out: the seal that says that of each zone which
//! holds a canary one came back since the test began. The zone, the resolver, what it writes or sends, and the
//! reader are then at work, and what they saw is in a leaf.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prost::Message as _;
use remit_proto::v1::{self, leaf::Body};
use tokio::time::sleep;

use super::{LOOK_EACH, Leaf, report::Failure, spool_unread};
use crate::{
    config::Config,
    spool::look::{Look, Recorded},
};

/// A seal's word on the canaries of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The zone holds none.
    None,
    /// None came back since the test began.
    Awaited,
    Back,
}

/// `since_s`: when the test began.
pub(super) async fn came_back(
    config: &Config,
    paths: &[Arc<str>],
    since_s: i64,
    look: &mut Look,
) -> Result<(Leaf, String), Failure> {
    let deadline =
        Instant::now() + ASKED_TWICE + Duration::from_secs(config.seal_interval_s.into());
    let mut newest = None;
    loop {
        let batch = look.next_batch().map_err(|error| spool_unread(&error))?;
        let Some(batch) = batch else {
            if Instant::now() > deadline {
                return Err(missing(newest.as_deref()));
            }
            sleep(LOOK_EACH).await;
            continue;
        };
        let Some(seal) = seal(&batch) else { continue };
        let words = words(paths, &seal, since_s);
        let back = of(&words, Word::Back).len();
        if back == 0 || !of(&words, Word::Awaited).is_empty() {
            newest = Some(words);
            continue;
        }
        let index = batch.size.saturating_sub(1);
        let (all, origin) = (paths.len(), &batch.origin);
        let mut says = format!(
            "the canaries of {back} of {all} policy zones came back: leaf {index} of {origin}"
        );
        let without = of(&words, Word::None);
        if !without.is_empty() {
            says += &format!("; no canary is in {}", without.join(", "));
        }
        return Ok((Leaf { index, batch }, says));
    }
}

/// A batch ends with it.
fn seal(batch: &Recorded) -> Option<v1::Seal> {
    match v1::Leaf::decode(batch.leaves.last()?.as_slice()).ok()?.body? {
        Body::Seal(seal) => Some(seal),
        _ => None,
    }
}

fn words<'p>(paths: &'p [Arc<str>], seal: &v1::Seal, since_s: i64) -> Vec<(&'p str, Word)> {
    let word = |path: &'p Arc<str>| {
        let account = seal.canaries.iter().find(|account| account.path == **path);
        let word = match account {
            None => Word::None,
            Some(account) if account.sent == 0 => Word::None,
            // What came back within the second in which the test began may have come before it.
            Some(account) if account.seen_at_s <= since_s => Word::Awaited,
            Some(_) => Word::Back,
        };
        (path.as_ref(), word)
    };
    paths.iter().map(word).collect()
}

fn of<'p>(words: &[(&'p str, Word)], wanted: Word) -> Vec<&'p str> {
    words.iter().filter(|(_, word)| *word == wanted).map(|(path, _)| *path).collect()
}

/// `newest`: what the last seal said; `None`: there was none.
fn missing(newest: Option<&[(&str, Word)]>) -> Failure {
    let Some(words) = newest else {
        return Failure::new(
            "the agent recorded nothing, and not even that it is there",
            "see the agent's log (journalctl -u remit-agent), then remit-agent doctor",
        );
    };
    let awaited = of(words, Word::Awaited);
    if awaited.is_empty() {
        return Failure::new(
            format!("no canary is in {}", of(words, Word::None).join(", ")),
            "put one into each zone: `remit-canary.<name of your own>.example CNAME .`, as in remit-agent template \
             rpz-zone",
        );
    }
    Failure::new(
        format!("the canaries of {} were asked for and did not come back", awaited.join(", ")),
        "dig the name at the address in `canaries`: is the zone loaded? Then remit-agent doctor: is what the resolver \
         writes or sends read?",
    )
}

/// Between two questions for a canary are ten seconds; the first may have been too early.
const ASKED_TWICE: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_back_since_the_test_began_shows_anything() {
        let account = |path: &str, sent, seen_at_s| v1::CanaryAccount {
            path: path.to_owned(),
            sent,
            seen: u64::from(seen_at_s > 0),
            seen_at_s,
            ..v1::CanaryAccount::default()
        };
        let canaries = vec![
            account("rpz/a", 9, 101),
            account("rpz/b", 9, 100),
            account("rpz/c", 9, 0),
            account("rpz/d", 0, 0),
        ];
        let seal = v1::Seal { canaries, ..v1::Seal::default() };
        let paths = ["rpz/a", "rpz/b", "rpz/c", "rpz/d", "rpz/e"].map(Arc::from);
        let words = words(&paths, &seal, 100);
        assert_eq!(of(&words, Word::Back), ["rpz/a"]);
        assert_eq!(of(&words, Word::Awaited), ["rpz/b", "rpz/c"]);
        assert_eq!(of(&words, Word::None), ["rpz/d", "rpz/e"]);
    }

    #[test]
    fn each_way_to_fail_has_its_remedy() {
        let says = |newest: Option<&[(&str, Word)]>| format!("{:?}", missing(newest));
        assert!(says(None).contains("journalctl"));
        assert!(says(Some(&[("rpz/a", Word::None)])).contains("remit-canary.<name of your own>"));
        let late = says(Some(&[("rpz/a", Word::Awaited), ("rpz/b", Word::Back)]));
        assert!(late.contains("dig the name") && !late.contains("rpz/b"), "{late}");
    }
}
