//! What the collector makes of a stream: an index in a folder, and the answers that it gives.

use std::{collections::BTreeMap, sync::Arc};

use remit_proto::v1;

use super::{MemoryChunks, Stream, operator};
use crate::{
    assess::Assessor,
    query::QueryHandle,
    store::{EventQuery, Limits, SqliteStore},
};

/// An index in a folder of its own, fed with a stream.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) assessor: Assessor,
    pub(crate) query: QueryHandle,
}

impl World {
    /// `now_s` is the collector's clock; runs of `run` committed things are applied at once.
    pub(crate) fn at(stream: &Stream, now_s: i64, run: usize) -> Self {
        Self::cut(stream, now_s, run, Limits::default())
    }

    /// In partitions of about so many events.
    pub(crate) fn in_parts(stream: &Stream, events_max: i64) -> Self {
        Self::cut(stream, stream.now_s, 5, Limits { events_max, ..Limits::default() })
    }

    pub(crate) fn cut(stream: &Stream, now_s: i64, run: usize, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (assessor, query) = Assessor::open_store(
            SqliteStore::open_with(folder.path(), limits).unwrap(),
            operator(),
            Arc::<MemoryChunks>::clone(&stream.chunks),
            Arc::new(move || now_s),
        )
        .unwrap();
        // Who has made it sees all of it.
        let query = query.seen_by(v1::DisclosureTier::Secret);
        let mut world = Self { folder, assessor, query };
        for run in stream.committed.chunks(run) {
            world.assessor.apply(run.to_vec()).unwrap();
        }
        world.assessor.finish_work().unwrap();
        world
    }

    pub(crate) fn of(stream: &Stream) -> Self {
        Self::at(stream, stream.now_s, usize::MAX)
    }

    /// Every verdict as known now is the one that judging everything anew gives, and every sum is what
    /// counting gives. How many events there are.
    pub(crate) fn check(&self) -> usize {
        let index = self.query.index().read().unwrap();
        let log_size = index.position().unwrap().log_size;
        assert_eq!(index.position().unwrap().unfinished, 0);
        let grounds = self.assessor.state.assessment.grounds();
        let mut count = 0;
        let mut days = BTreeMap::new();
        index
            .for_each_event(&mut |event| {
                count += 1;
                let trees = self.assessor.state.seals.newest.iter();
                let of_node = trees.filter(|(origin, _)| origin.node == event.facts.origin.node);
                let seal_s = of_node.map(|(_, seal)| seal.at_s).max().unwrap_or_default();
                let wanted = grounds.now(&event.facts, log_size, seal_s).to_wire();
                let wanted = v1::Verdict { register_size: event.now.register_size, ..wanted };
                assert_eq!(event.now, wanted, "{} at log size {log_size}", event.id());
                let history = index.verdicts(&event.id()).unwrap();
                let last = history.last().unwrap().1.clone();
                assert_eq!(v1::Verdict { register_size: wanted.register_size, ..last }, wanted);
                assert_eq!(history[0], (true, event.then.clone()));
                let day = (event.key.last_s / 86_400, event.now.code, event.now.undetermined);
                let (events, hits): &mut (u64, u64) = days.entry(day).or_default();
                if event.hits > 0 {
                    (*events, *hits) = (*events + 1, *hits + event.hits);
                }
            })
            .unwrap();
        days.retain(|_, (events, _)| *events > 0);
        let mut summed = BTreeMap::new();
        for sum in index.days(0, 1_000_000).unwrap() {
            let (events, hits): &mut (u64, u64) =
                summed.entry((sum.day, sum.code, sum.reason)).or_default();
            (*events, *hits) = (*events + sum.events, *hits + sum.hits);
        }
        assert_eq!(summed, days);
        // Bounded in time, groups are counted event by event; unbounded, read from sums.
        let all = EventQuery { with_changes: true, ..EventQuery::default() };
        let newest_s = index.events(&all, None, 1).unwrap().first().map_or(0, |e| e.key.last_s);
        let bounded = EventQuery { until_s: newest_s.max(1), ..all.clone() };
        let later = EventQuery { since_s: newest_s.max(1), ..all.clone() };
        let mut counted: BTreeMap<_, (u64, i64, i64, i64)> = BTreeMap::new();
        for query in [bounded, later] {
            for group in index.groups(&query).unwrap() {
                let (newest, reason) = (group.newest.key.number, group.newest.now.undetermined);
                let of = (group.rule, group.code, reason, group.added);
                let sum = counted.entry(of).or_insert((0, group.first_s, group.last_s, newest));
                *sum = (
                    sum.0 + group.hits,
                    sum.1.min(group.first_s),
                    sum.2.max(group.last_s),
                    sum.3.max(newest),
                );
            }
        }
        let summed: BTreeMap<_, _> = index
            .groups(&all)
            .unwrap()
            .into_iter()
            .map(|g| {
                let sum = (g.hits, g.first_s, g.last_s, g.newest.key.number);
                ((g.rule, g.code, g.newest.now.undetermined, g.added), sum)
            })
            .collect();
        assert_eq!(summed, counted);
        count
    }

    /// "<hits> <then> <now> <request>" of each event, oldest first.
    pub(crate) fn events(&self) -> Vec<String> {
        let answer = self.query.list_events(v1::ListEventsRequest::default()).unwrap();
        let mut lines: Vec<String> = answer
            .events
            .iter()
            .map(|event| {
                let then = code(event.as_known_then.as_ref());
                let now = event.as_known_now.as_ref();
                let by = now.and_then(|v| v.clause.as_ref()).map_or("", |c| &c.request_id);
                format!("{} {then} {} {by}", event.hits, code(now)).trim_end().to_owned()
            })
            .collect();
        lines.reverse();
        lines
    }

    /// "<node> <rule> <code> <request> <hits> <standing|gone|now ...>", "<request> NOT_ENFORCED <points>".
    pub(crate) fn findings(&self) -> Vec<String> {
        self.findings_of(v1::Filter::default())
    }

    pub(crate) fn findings_of(&self, filter: v1::Filter) -> Vec<String> {
        // What is wrong with requests themselves is asked for by `defects`.
        let kinds = [v1::FindingKind::Rule, v1::FindingKind::Duty, v1::FindingKind::Integrity];
        let request = v1::ListFindingsRequest {
            filter: Some(filter),
            kinds: kinds.map(i32::from).to_vec(),
            ..v1::ListFindingsRequest::default()
        };
        let answer = self.query.list_findings(request).unwrap();
        let line = |finding: &v1::FindingRow| {
            if finding.rule == 0 {
                let points = finding.unobserved_points.join(",");
                return format!("{} {} {points}", finding.request_id, finding.code)
                    .trim_end()
                    .to_owned();
            }
            let v1::FindingRow { node, rule, code: cause, request_id, hits, installed_now, .. } =
                finding;
            let by = if request_id.is_empty() { "-" } else { request_id };
            let stands = match (*installed_now, &finding.verdict_now) {
                (false, _) => "gone".to_owned(),
                (true, None) => "standing".to_owned(),
                (true, Some(now)) => format!("now {}", code(Some(now))),
            };
            format!("{node} {rule} {cause} {by} {hits} {stands}")
        };
        answer.findings.iter().map(line).collect()
    }

    /// "<node> <rule> <code> <hits>" of each rule that stands.
    pub(crate) fn rules(&self) -> Vec<String> {
        let answer = self.query.list_rules(v1::ListRulesRequest::default()).unwrap();
        answer
            .rules
            .iter()
            .map(|row| {
                let number = row.rule.as_ref().map_or(0, |rule| rule.number);
                format!("{} {number} {} {}", row.node, code(row.verdict.as_ref()), row.hits)
            })
            .collect()
    }

    pub(crate) fn completeness(&self, filter: v1::Filter) -> v1::Completeness {
        let request =
            v1::ListEventsRequest { filter: Some(filter), ..v1::ListEventsRequest::default() };
        self.query.list_events(request).unwrap().completeness.unwrap()
    }
}

pub(crate) fn code(verdict: Option<&v1::Verdict>) -> String {
    let verdict = verdict.cloned().unwrap_or_default();
    let code = verdict.code().as_str_name().replace("VERDICT_CODE_", "");
    match verdict.undetermined() {
        v1::UndeterminedReason::Unspecified => code,
        reason => {
            let reason = reason.as_str_name().replace("UNDETERMINED_REASON_", "").to_lowercase();
            format!("{code}({reason})")
        }
    }
}
