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
//! - What the reader has no clearance for is in no answer, and in no refusal: questions see the register
//!   through the scene's veil ([`veil`]), and a handle whose reader is not known sees what is public.
//! - Nothing is left out silently: what is not observed, silent, lost or not yet assessed is counted
//!   in the same answer.
//!
//! Not done here: who may ask, and with what clearance (`access`), sentences (the edges make them). Questions block; an async
//! caller runs them where blocking is allowed ([`service`] does).

mod adopted;
mod canaries;
mod cases;
pub mod clock;
mod collateral;
mod completeness;
#[cfg(test)]
mod deeds_tests;
mod defects;
#[cfg(test)]
mod defects_tests;
mod duties;
#[cfg(test)]
mod duties_tests;
mod error;
mod events;
mod files;
mod filter;
mod findings;
mod former;
#[cfg(test)]
mod former_tests;
mod integrity;
#[cfg(test)]
mod integrity_tests;
mod lists;
mod nodes;
mod page;
#[cfg(test)]
mod past_tests;
mod preview;
#[cfg(test)]
mod preview_tests;
mod probes;
#[cfg(test)]
mod probes_tests;
mod requests;
#[cfg(test)]
mod requests_tests;
mod rules;
pub mod service;
mod target;
#[cfg(test)]
mod target_tests;
#[cfg(test)]
mod tests;
mod veil;
#[cfg(test)]
mod veil_tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use evidence::NodeId;
use register::{
    Cases, View,
    assessment::Grounds,
    silence::{Heard, Silence},
    words::time,
};
use remit_proto::v1;

pub use clock::Clock;
pub use error::QueryError;
pub use service::QueryEdge;
pub(crate) use veil::Veil;

use error::invalid;
use filter::Filter;
use veil::Shown;

use crate::{
    assess::memory::{Memory, Shared},
    store::{EventKey, EventQuery, GenerationRow, Group, Index, Position, Reading, StoredEvent},
};

/// Answers questions; cheap to clone.
#[derive(Clone)]
pub struct QueryHandle {
    index: Arc<dyn Index>,
    shared: Shared,
    clock: Clock,
    /// The highest tier of closed parts that the reader sees.
    clearance: v1::DisclosureTier,
    /// What is wrong with requests, as of the last question; a question after it looks at what changed.
    defects: Arc<Mutex<register::defects::Watch>>,
    /// The same of what requests demand.
    duties: Arc<Mutex<duties::Memo>>,
}

impl QueryHandle {
    pub(crate) fn new(index: Arc<dyn Index>, shared: Shared, clock: Clock) -> Self {
        let (defects, duties) = (Arc::default(), Arc::default());
        let clearance = v1::DisclosureTier::Public;
        Self { index, shared, clock, clearance, defects, duties }
    }

    /// The same for a reader with this clearance.
    pub(crate) fn seen_by(&self, clearance: v1::DisclosureTier) -> Self {
        Self { clearance, ..self.clone() }
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
        let past = None;
        // Of now, also in an answer about the past: what was public once may be closed since.
        let register = memory.grounds.register().at(position.register_size);
        let veil = Veil::new(register, self.clearance, now_s);
        let (defects, duties) = (Arc::clone(&self.defects), Arc::clone(&self.duties));
        Ok(Scene {
            reading,
            memory,
            position,
            generations,
            heard,
            inventory,
            now_s,
            past,
            silent_then: Vec::new(),
            veil,
            defects,
            duties,
        })
    }

    /// The same as it was known at a time; 0: now.
    fn scene_at(&self, field: &'static str, as_known_at_s: i64) -> Result<Scene, QueryError> {
        let mut scene = self.scene()?;
        if as_known_at_s == 0 {
            return Ok(scene);
        }
        if as_known_at_s > scene.now_s {
            return Err(invalid(field, "a time to come; nobody knows what will be known"));
        }
        let Some(known) = scene.reading.known_at(as_known_at_s)? else {
            let first = match scene.reading.first_known_s()? {
                Some(first_s) => format!("the first entry of the log is of {}", time(first_s)),
                None => "the log has no entry".to_owned(),
            };
            return Err(invalid(field, format!("nothing was known then: {first}")));
        };
        let grounds = &scene.memory.grounds;
        let register_size = grounds.register_size_at(known.log_size);
        let (unfinished, settled) = scene.reading.unfinished_at(known.log_size)?;
        scene.inventory = grounds.inventory(known.log_size);
        scene.position = Position {
            watermark: scene.position.watermark,
            at_s: known.at_s,
            log_size: known.log_size,
            register_size,
            unfinished,
            settled_register_size: settled.unwrap_or(register_size),
        };
        scene.now_s = as_known_at_s;
        scene.past = Some(Past { as_known_at_s, log_size: known.log_size });
        scene.generations.retain(|row| row.enrolled_by.is_some_and(|by| by < known.log_size));
        // What has ended since, and what goes on until today.
        let ended = scene.reading.silences_at(as_known_at_s)?.into_iter();
        let ended = ended.map(|silence| Silence { until_s: as_known_at_s, open: true, ..silence });
        let heard = scene.heard.iter();
        let open = heard.filter_map(|(node, heard)| heard.open(node, as_known_at_s));
        scene.silent_then = ended.chain(open).collect();
        Ok(scene)
    }

    /// The state to answer a filtered question from, and the filter, which names what exists.
    fn scene_for(&self, filter: Option<v1::Filter>) -> Result<(Filter, Scene), QueryError> {
        let filter = Filter::parse(filter)?;
        let scene = self.scene_at("filter.as_known_at_s", filter.as_known_at_s)?;
        let filter = filter.seen_through(&scene.veil);
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
    /// The answer is of what was known once. Then position, inventory and "now" are of that time. Generations are
    /// those that were enrolled by then, with what came of them since; and what was heard last is of today.
    past: Option<Past>,
    /// Of an answer about the past: silences that went on at that time, as they are known now, cut there.
    silent_then: Vec<Silence>,
    veil: Veil,
}

#[derive(Debug, Clone, Copy)]
struct Past {
    as_known_at_s: i64,
    log_size: u64,
}

impl Scene {
    fn grounds(&self) -> &Grounds {
        &self.memory.grounds
    }

    fn cases(&self) -> &Cases {
        &self.memory.cases
    }

    /// As the reader sees it.
    fn register(&self) -> Shown<'_> {
        Shown::new(self.whole(), &self.veil)
    }

    /// With what the reader does not see: to judge by, not to tell of.
    fn whole(&self) -> View<'_> {
        self.grounds().register().at(self.position.register_size)
    }

    /// The id of the authority behind a request; empty where nobody speaks, or it is hidden.
    fn authority(&self, verdict: &v1::Verdict) -> String {
        let id = verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str());
        let register = self.register();
        let request = id.parse().ok().and_then(|id| register.request(&id));
        request.map_or("", |entry| register.authority(&entry)).to_owned()
    }

    /// Events as the reader sees them.
    fn events(
        &self,
        query: &EventQuery,
        after: Option<&EventKey>,
        count_max: usize,
    ) -> Result<Vec<StoredEvent>, QueryError> {
        let mut events = self.reading.events(query, after, count_max)?;
        events.iter_mut().for_each(|event| self.veil.event(event));
        Ok(events)
    }

    /// The same of events by rule and verdict.
    fn groups(&self, query: &EventQuery) -> Result<Vec<Group>, QueryError> {
        let mut groups = self.reading.groups(query)?;
        groups.iter_mut().for_each(|group| self.veil.event(&mut group.newest));
        Ok(groups)
    }

    /// Size of the log below which things must have been known; `None`: whatever is known now.
    fn known_at(&self) -> Option<u64> {
        self.past.map(|past| past.log_size)
    }

    /// Time of the newest seal of each node, by its newest generation that has one: its "now". Of what was known
    /// once: the time that was asked for, or where the node was silent then, when it had last been heard.
    fn seal_times(&self) -> BTreeMap<&str, i64> {
        let mut times = BTreeMap::new();
        for generation in &self.generations {
            let at_s = match (self.past, &generation.seal) {
                (Some(past), _) => past.as_known_at_s,
                (None, Some(seal)) => seal.at_s,
                (None, None) => continue,
            };
            // They come oldest first. A clock that was a year ahead under a former key says nothing any more.
            times.insert(generation.node.as_str(), at_s);
        }
        for Silence { from_s, node, .. } in &self.silent_then {
            if let Some(at_s) = times.get_mut(node.as_str()) {
                *at_s = (*at_s).min(*from_s);
            }
        }
        times
    }

    /// "Now" of the evidence as a whole: no later than anything of it came here. One node whose clock is ahead must
    /// not make all others silent.
    fn evidence_now_s(&self) -> i64 {
        let here_s = self.past.map_or(self.position.at_s, |past| past.as_known_at_s);
        self.seal_times().into_values().max().map_or(here_s, |newest_s| newest_s.min(here_s))
    }
}
