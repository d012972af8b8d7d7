//! Judging old events again: the jobs, in their order, step by step.
//!
//! A job is one entry's; its selectors and the times of the last seals are those of that entry. Both
//! follow from the stream, so a job that a stop interrupted is made again by the replay, and goes on
//! where its partitions say.

use std::collections::HashMap;

use evidence::NodeId;

use super::{AssessError, Assessor};
use crate::store::{Finished, Job, Op};

/// Events that are judged again before a run of the journal counts as applied: what most entries reach
/// is done with them.
pub(crate) const AT_ONCE: u64 = 2_000;
/// Events of one step while the stream waits: some tenths of a second.
pub const EVENTS_PER_STEP: u64 = 20_000;

pub(super) struct Pending {
    job: Job,
    /// Time of the newest seal of each node at the entry.
    seals: HashMap<NodeId, i64>,
}

impl Assessor {
    pub(super) fn take_jobs(&mut self, ops: &[Op], replayed: bool) {
        for op in ops {
            let Op::Reassess(job) = op else { continue };
            if replayed && !self.resumed.remove(&job.log_size) {
                continue;
            }
            let mut seals: HashMap<NodeId, i64> = HashMap::new();
            for (origin, seal) in &self.state.seals.newest {
                let newest = seals.entry(origin.node.clone()).or_insert(seal.at_s);
                *newest = (*newest).max(seal.at_s);
            }
            self.jobs.push_back(Pending { job: job.clone(), seals });
        }
    }

    /// Old events are still to be judged again.
    pub fn has_work(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Judges about so many old events again. How many verdicts changed in the jobs that came to their
    /// end.
    pub fn work(&mut self, events_max: u64) -> Result<u64, AssessError> {
        let mut revised: u64 = 0;
        let Self { jobs, store, state, .. } = self;
        while let Some(Pending { job, seals }) = jobs.front() {
            let grounds = state.assessment.grounds();
            let judge = |facts: &register::assessment::Facts| {
                let seal_s = seals.get(&facts.origin.node).copied().unwrap_or_default();
                grounds.now(facts, job.log_size, seal_s).to_wire()
            };
            let Some(finished) = store.reassess(job, &judge, events_max)? else { break };
            let Finished { log_size, from_register, to_register, examined, .. } = finished;
            revised = revised.saturating_add(finished.revised);
            if finished.revised > 0 {
                tracing::info!(
                    revised = finished.revised,
                    examined,
                    log_size,
                    from_register,
                    to_register,
                    "verdicts changed with the register or the inventory"
                );
            }
            jobs.pop_front();
        }
        Ok(revised)
    }

    /// Everything that is to be judged again.
    pub fn finish_work(&mut self) -> Result<u64, AssessError> {
        let mut revised: u64 = 0;
        while self.has_work() {
            revised = revised.saturating_add(self.work(EVENTS_PER_STEP)?);
        }
        Ok(revised)
    }

    /// Ends of jobs that changed something and were not handed out since the start: the log wants an
    /// entry of each ([`v1::Reassessment`](remit_proto::v1::Reassessment)). One that could not be
    /// logged is handed out again after the next start.
    pub fn take_finished(&mut self) -> Result<Vec<Finished>, AssessError> {
        let mut found = self.store.to_log()?;
        found.retain(|finished| self.told.insert(finished.log_size));
        Ok(found)
    }
}
