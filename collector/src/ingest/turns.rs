//! Whose turn it is: a node that opens many streams gets no more of the writer than one that opens one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use evidence::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Batches of one node that may be in the writer's queue, over all its streams: as many as an agent
/// may have unacknowledged (`ingest.proto`).
pub(super) const BATCHES: usize = 8;

/// Streams of one node at the same time. An agent has one; those of broken connections last until
/// their keep-alive fails.
const STREAMS: usize = 16;

/// By node. Only enrolled nodes get here, so there are only so many.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<NodeId, NodeTurns>>>);

#[derive(Debug, Clone)]
struct NodeTurns {
    streams: Arc<Semaphore>,
    batches: Arc<Semaphore>,
}

/// One stream's share.
#[derive(Debug)]
pub(super) struct StreamTurn {
    #[expect(dead_code, reason = "held as long as the stream")]
    stream: OwnedSemaphorePermit,
    batches: Arc<Semaphore>,
}

impl Turns {
    /// `None`: the node has too many streams open.
    pub(super) fn stream(&self, node: &NodeId) -> Option<StreamTurn> {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = nodes.entry(node.clone()).or_insert_with(|| NodeTurns {
            streams: Arc::new(Semaphore::new(STREAMS)),
            batches: Arc::new(Semaphore::new(BATCHES)),
        });
        let NodeTurns { streams, batches } = turns.clone();
        Some(StreamTurn { stream: streams.try_acquire_owned().ok()?, batches })
    }
}

impl StreamTurn {
    /// Waits until a batch of this node has room in the queue. Held until the writer has answered.
    pub(super) async fn batch(&self) -> Option<OwnedSemaphorePermit> {
        // An error means that the semaphore was closed, which nobody does.
        Arc::clone(&self.batches).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_streams_of_a_node_share_its_batches_and_no_other_nodes() {
        let turns = Turns::default();
        let (one, two): (NodeId, NodeId) = ("edge-1".parse().unwrap(), "edge-2".parse().unwrap());
        let streams: Vec<_> = (0..STREAMS).map(|_| turns.stream(&one).unwrap()).collect();
        assert!(turns.stream(&one).is_none(), "one stream too many");
        let mut held = Vec::new();
        for stream in streams.iter().cycle().take(BATCHES) {
            held.push(stream.batch().await.unwrap());
        }
        assert_eq!(streams[0].batches.available_permits(), 0);
        assert!(turns.stream(&two).unwrap().batch().await.is_some(), "the other has its own");
        held.pop();
        assert!(streams[3].batch().await.is_some());
        drop(streams);
        assert!(turns.stream(&one).is_some());
    }
}
