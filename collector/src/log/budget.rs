//! How much one node may add: a key in the wrong hands fills no disk and no log.
//!
//! In memory, owned by the writer, which alone knows what was accepted: what is refused costs the node
//! nothing, so that a node that is turned away does not lock itself out. A restart begins anew.
//!
//! Bytes and generations flow off evenly: a node that has used up a day's bytes gets back 1/86,400 of
//! them each second. So a backlog of a full allowance goes in at once, and no day sees more than two.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use evidence::NodeId;
use remit_proto::v1::RefusalCode;
use tlog::Hash;

use super::command::Refusal;
use crate::{config::NodeLimits, metrics};

const DAY_S: f64 = 86_400.0;
const HOUR_S: f64 = 3_600.0;
/// A chunk is unnamed until a batch names it, and no time ends that: look again after a while.
const CHUNKS_RETRY_S: u64 = 60;
/// A node that is at its limit is named in the log once in this time.
const TOLD_PAUSE: std::time::Duration = std::time::Duration::from_secs(3_600);

/// What each node has used. Nodes are enrolled ones, so there are only so many.
pub(super) struct Budgets {
    limits: NodeLimits,
    nodes: HashMap<NodeId, Used>,
}

struct Used {
    bytes: Bucket,
    generations: Bucket,
    /// Chunks that were stored and that no accepted batch has named.
    unnamed: HashSet<Hash>,
    told: Option<Instant>,
}

impl Budgets {
    pub(super) fn new(limits: NodeLimits) -> Self {
        Self { limits, nodes: HashMap::new() }
    }

    /// Whether a batch of so many bytes may be taken; `begins`: the first of a generation. `size` is
    /// where the collector stands.
    pub(super) fn batch(
        &mut self,
        node: &NodeId,
        bytes: usize,
        begins: bool,
        size: u64,
        now: Instant,
    ) -> Result<(), Refusal> {
        let limits = self.limits;
        let used = self.of(node, now);
        let refused = match used.bytes.room(bytes as f64, now) {
            Err(wait_s) => Some((Limit::BytesPerDay, wait_s)),
            Ok(()) if begins => {
                used.generations.room(1.0, now).err().map(|wait_s| (Limit::Generations, wait_s))
            }
            Ok(()) => None,
        };
        refused.map_or(Ok(()), |(limit, wait_s)| {
            Err(used.refusal(node, limit, &limits, wait_s, now).at(size))
        })
    }

    pub(super) fn batch_accepted(
        &mut self,
        node: &NodeId,
        bytes: usize,
        begins: bool,
        named: impl Iterator<Item = Hash>,
        now: Instant,
    ) {
        let used = self.of(node, now);
        used.bytes.take(bytes as f64);
        if begins {
            used.generations.take(1.0);
        }
        for chunk in named {
            used.unnamed.remove(&chunk);
        }
    }

    /// Whether this chunk may be stored. One that waits to be named already may come again.
    pub(super) fn chunk(
        &mut self,
        node: &NodeId,
        id: &Hash,
        bytes: usize,
        now: Instant,
    ) -> Result<(), Refusal> {
        let limits = self.limits;
        let used = self.of(node, now);
        let full =
            used.unnamed.len() >= usize::try_from(limits.unnamed_chunks).unwrap_or(usize::MAX);
        let refused = if full && !used.unnamed.contains(id) {
            Some((Limit::UnnamedChunks, CHUNKS_RETRY_S))
        } else {
            used.bytes.room(bytes as f64, now).err().map(|wait_s| (Limit::BytesPerDay, wait_s))
        };
        refused
            .map_or(Ok(()), |(limit, wait_s)| Err(used.refusal(node, limit, &limits, wait_s, now)))
    }

    pub(super) fn chunk_stored(&mut self, node: &NodeId, id: Hash, bytes: usize, now: Instant) {
        let used = self.of(node, now);
        if used.unnamed.insert(id) {
            used.bytes.take(bytes as f64);
        }
    }

    fn of(&mut self, node: &NodeId, now: Instant) -> &mut Used {
        let NodeLimits { bytes_per_day, generations_per_hour, unnamed_chunks: _ } = self.limits;
        self.nodes.entry(node.clone()).or_insert_with(|| Used {
            bytes: Bucket::new(bytes_per_day as f64, DAY_S, now),
            generations: Bucket::new(f64::from(generations_per_hour), HOUR_S, now),
            unnamed: HashSet::new(),
            told: None,
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Limit {
    BytesPerDay,
    Generations,
    UnnamedChunks,
}

impl Used {
    fn refusal(
        &mut self,
        node: &NodeId,
        limit: Limit,
        limits: &NodeLimits,
        wait_s: u64,
        now: Instant,
    ) -> Refusal {
        let NodeLimits { bytes_per_day, generations_per_hour, unnamed_chunks } = limits;
        let (key, what) = match limit {
            Limit::BytesPerDay => ("bytes_per_day", format!("{bytes_per_day} bytes a day")),
            Limit::Generations => {
                ("generations_per_hour", format!("{generations_per_hour} generations an hour"))
            }
            Limit::UnnamedChunks => {
                ("unnamed_chunks", format!("{unnamed_chunks} chunks that no batch names"))
            }
        };
        metrics::limited(key);
        if self.told.is_none_or(|at| now.duration_since(at) >= TOLD_PAUSE) {
            self.told = Some(now);
            tracing::warn!(%node, limit = key, "a node is at its limit and is refused for a while");
        }
        let detail = format!(
            "node {node} is at its limit of {what}; the collector takes more in {wait_s} s. If the \
             node is right to send so much, raise {key} below [limits.node] of the collector"
        );
        let retry_after_s = u32::try_from(wait_s).unwrap_or(u32::MAX);
        Refusal { retry_after_s, ..Refusal::coded(RefusalCode::Limit, 0, detail) }
    }
}

/// What was used flows off evenly, all of it within `period_s`.
struct Bucket {
    size: f64,
    per_s: f64,
    used: f64,
    at: Instant,
}

impl Bucket {
    fn new(size: f64, period_s: f64, at: Instant) -> Self {
        Self { size, per_s: size / period_s, used: 0.0, at }
    }

    /// Whether there is room; else the seconds until there is.
    fn room(&mut self, amount: f64, now: Instant) -> Result<(), u64> {
        let gone = now.saturating_duration_since(self.at).as_secs_f64() * self.per_s;
        self.used = (self.used - gone).max(0.0);
        self.at = now;
        let over = self.used + amount - self.size;
        if over <= 0.0 {
            return Ok(());
        }
        // Far below 2^53; what does not fit at all never fits, and the configuration rules that out.
        Err(((over / self.per_s).ceil() as u64).max(1))
    }

    fn take(&mut self, amount: f64) {
        self.used += amount;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: NodeLimits =
        NodeLimits { bytes_per_day: 86_400, generations_per_hour: 2, unnamed_chunks: 2 };

    fn node(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    fn accept(
        budgets: &mut Budgets,
        name: &str,
        bytes: usize,
        begins: bool,
        now: Instant,
    ) -> Result<(), u32> {
        let refused = budgets.batch(&node(name), bytes, begins, 7, now);
        refused.map_err(|refusal| {
            assert_eq!((refusal.code, refusal.size), (RefusalCode::Limit, 7));
            refusal.retry_after_s
        })?;
        budgets.batch_accepted(&node(name), bytes, begins, std::iter::empty(), now);
        Ok(())
    }

    #[test]
    fn a_day_of_bytes_goes_in_at_once_and_comes_back_evenly() {
        let (mut budgets, now) = (Budgets::new(LIMITS), Instant::now());
        assert_eq!(accept(&mut budgets, "edge-1", 86_400, false, now), Ok(()));
        assert_eq!(accept(&mut budgets, "edge-1", 100, false, now), Err(100));
        assert_eq!(accept(&mut budgets, "edge-2", 86_400, false, now), Ok(()), "of another node");
        let later = now + Duration::from_secs(60);
        assert_eq!(accept(&mut budgets, "edge-1", 100, false, later), Err(40));
        let later = now + Duration::from_secs(100);
        assert_eq!(accept(&mut budgets, "edge-1", 100, false, later), Ok(()));
        assert_eq!(accept(&mut budgets, "edge-1", 1, false, later), Err(1));
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let (mut budgets, now) = (Budgets::new(LIMITS), Instant::now());
        for _ in 0..10 {
            assert!(budgets.batch(&node("edge-1"), 86_400, true, 0, now).is_ok());
        }
        assert_eq!(accept(&mut budgets, "edge-1", 86_400, true, now), Ok(()));
    }

    #[test]
    fn generations_are_counted_by_the_hour() {
        let (mut budgets, now) = (Budgets::new(LIMITS), Instant::now());
        assert_eq!(accept(&mut budgets, "edge-1", 1, true, now), Ok(()));
        assert_eq!(accept(&mut budgets, "edge-1", 1, true, now), Ok(()));
        assert_eq!(accept(&mut budgets, "edge-1", 1, true, now), Err(1800));
        assert_eq!(accept(&mut budgets, "edge-1", 1, false, now), Ok(()), "the last one goes on");
        let later = now + Duration::from_secs(1800);
        assert_eq!(accept(&mut budgets, "edge-1", 1, true, later), Ok(()));
    }

    #[test]
    fn a_chunk_is_unnamed_until_an_accepted_batch_names_it() {
        let (mut budgets, now) = (Budgets::new(LIMITS), Instant::now());
        let (edge, ids) = (node("edge-1"), [Hash([1; 32]), Hash([2; 32]), Hash([3; 32])]);
        let put = |budgets: &mut Budgets, id: Hash| {
            budgets.chunk(&edge, &id, 10, now).map_err(|refusal| refusal.retry_after_s)?;
            budgets.chunk_stored(&edge, id, 10, now);
            Ok::<_, u32>(())
        };
        assert_eq!(put(&mut budgets, ids[0]), Ok(()));
        assert_eq!(put(&mut budgets, ids[1]), Ok(()));
        assert_eq!(put(&mut budgets, ids[1]), Ok(()), "the same again");
        assert_eq!(put(&mut budgets, ids[2]), Err(60));
        budgets.batch_accepted(&edge, 1, false, [ids[0]].into_iter(), now);
        assert_eq!(put(&mut budgets, ids[2]), Ok(()));
    }
}
