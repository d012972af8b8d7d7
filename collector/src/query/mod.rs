//! Answers: one typed filter for every edge, and under every answer what it rests on.
//!
//! In: the request messages of `QueryService` and the reads of `RegisterService`. Out: their
//! responses, each with its `Completeness`, or a refusal that names the field.
//!
//! Promised:
//! - An answer is of one state: one transaction of the index, the register at the size that the index
//!   knows. Pages of one list carry a token that fits no other question. While it is made, nothing that
//!   the collector does has to wait for it.
//! - Verdicts of events are those that `assess` kept. Rules that stand are judged here, at the time of
//!   their node's last `Seal`: a rule changes its verdict when a request ends, and no leaf says so.
//! - Nothing is left out silently: what is not observed, silent, lost or not yet assessed is counted
//!   in the same answer.
//!
//! Not done here: who may ask (`access`), sentences (the edges make them). Questions block; an async
//! caller runs them where blocking is allowed ([`service`] does).

mod canaries;
mod cases;
pub mod clock;
mod completeness;
mod defects;
#[cfg(test)]
mod defects_tests;
mod duties;
#[cfg(test)]
mod duties_tests;
mod error;
mod events;
mod filter;
mod findings;
mod integrity;
mod lists;
mod nodes;
mod page;
mod past;
#[cfg(test)]
mod past_tests;
mod preview;
mod probes;
mod requests;
mod rules;
pub mod service;
mod target;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use evidence::NodeId;
use register::{Cases, View, assessment::Grounds, silence::Heard};
use remit_proto::v1;

pub use clock::Clock;
pub use error::QueryError;
pub use service::QueryEdge;

use filter::Filter;

use crate::{
    assess::memory::{Memory, Shared},
    store::{GenerationRow, Index, Position, Reading},
};

/// Answers questions; cheap to clone.
#[derive(Clone)]
pub struct QueryHandle {
    index: Arc<dyn Index>,
    shared: Shared,
    clock: Clock,
    /// What is wrong with requests, as of the last question; a question after it looks at what changed.
    defects: Arc<Mutex<register::defects::Watch>>,
    /// The same of what requests demand.
    duties: Arc<Mutex<duties::Memo>>,
}

impl QueryHandle {
    pub(crate) fn new(index: Arc<dyn Index>, shared: Shared, clock: Clock) -> Self {
        Self { index, shared, clock, defects: Arc::default(), duties: Arc::default() }
    }

    #[cfg(test)]
    pub(crate) fn index(&self) -> &Arc<dyn Index> {
        &self.index
    }

    /// One consistent state to answer from.
    fn scene(&self) -> Result<Scene, QueryError> {
        // The index first: memory is fed before the index is written, so it is never behind.
        let reading = self.index.read()?;
        let position = reading.position()?;
        let memory = self.shared.newest().ok_or(QueryError::Starting)?;
        if memory.fed < position.watermark {
            return Err(QueryError::Starting);
        }
        let generations = reading.generations()?;
        let heard = reading.heard()?.into_iter().collect();
        let inventory = memory.grounds.inventory(position.log_size);
        let now_s = (self.clock)();
        let (defects, duties) = (Arc::clone(&self.defects), Arc::clone(&self.duties));
        Ok(Scene {
            reading,
            memory,
            position,
            generations,
            heard,
            inventory,
            now_s,
            defects,
            duties,
        })
    }

    /// The state to answer a filtered question from, and the filter, which names what exists.
    fn scene_for(&self, filter: Option<v1::Filter>) -> Result<(Filter, Scene), QueryError> {
        let filter = Filter::parse(filter)?;
        let scene = self.scene()?;
        filter.check_names(&scene)?;
        Ok((filter, scene))
    }
}

/// What one answer is made from.
struct Scene {
    reading: Box<dyn Reading>,
    memory: Arc<Memory>,
    position: Position,
    /// By node, oldest first.
    generations: Vec<GenerationRow>,
    /// What the newest seal of each node said of the next one.
    heard: BTreeMap<NodeId, Heard>,
    /// By node.
    inventory: Vec<v1::NodeFacts>,
    now_s: i64,
    defects: Arc<Mutex<register::defects::Watch>>,
    duties: Arc<Mutex<duties::Memo>>,
}

impl Scene {
    fn grounds(&self) -> &Grounds {
        &self.memory.grounds
    }

    fn cases(&self) -> &Cases {
        &self.memory.cases
    }

    fn register(&self) -> View<'_> {
        self.grounds().register().at(self.position.register_size)
    }

    /// The id of the authority behind a request; empty where nobody speaks.
    fn authority(&self, verdict: &v1::Verdict) -> String {
        let id = verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str());
        let request = id.parse().ok().and_then(|id| self.register().request(&id));
        let authority = request.and_then(|entry| entry.request().authority.clone());
        authority.map(|authority| authority.id).unwrap_or_default()
    }

    /// Time of the newest seal of each node: its "now".
    fn seal_times(&self) -> BTreeMap<&str, i64> {
        let mut times = BTreeMap::new();
        for generation in &self.generations {
            let Some(seal) = &generation.seal else { continue };
            let newest = times.entry(generation.node.as_str()).or_insert(seal.at_s);
            *newest = (*newest).max(seal.at_s);
        }
        times
    }

    /// "Now" of the evidence as a whole.
    fn evidence_now_s(&self) -> i64 {
        self.seal_times().into_values().max().unwrap_or(self.position.at_s)
    }
}
