//! Open windows: exact counts, durable with each batch, that become leaves when the window ends.

use std::collections::{BTreeMap, HashMap, HashSet};

use remit_proto::v1;

use super::{leaves, rules::RuleEntry};
use crate::{
    clock::in_range,
    observation::{Hit, HitTarget, Import, Response, RuleNumber},
    spool::state::WindowState,
};

/// Owned by the recorder.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// By id, therefore in the order of opening.
    open: BTreeMap<u64, Window>,
    by_key: HashMap<Key, u64>,
    next_id: u64,
    dirty: HashSet<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Window {
    key: Key,
    /// As its leaf will say it.
    pub(super) state: WindowState,
}

/// Hits with the same key are told apart by nothing but their time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    rule: u64,
    start_s: i64,
    hit_target: Option<(i32, String)>,
    /// `None` for windows that were taken up at start, or whose rule has changed: they are not
    /// counted into any more.
    response: Option<Response>,
    other_candidates: Vec<RuleNumber>,
    imported: Option<[u8; 32]>,
}

impl Windows {
    /// Takes up what was open. The windows are closed when they end; hits of this run are counted
    /// in windows of their own, which have the same bounds.
    pub(super) fn restore(states: Vec<WindowState>) -> Self {
        let mut windows = Self::default();
        for state in states {
            windows.next_id = windows.next_id.max(state.id + 1);
            let key = Key {
                rule: 0,
                start_s: state.start_s,
                hit_target: None,
                response: None,
                other_candidates: Vec::new(),
                imported: None,
            };
            windows.open.insert(state.id, Window { key, state });
        }
        windows
    }

    pub(super) fn count(
        &mut self,
        rule: &mut RuleEntry,
        hit: &Hit,
        import: Option<&Import>,
        window_s: u32,
        below_k: bool,
    ) {
        let length = i64::from(window_s.max(1));
        // The window that begins in 1970 itself would begin at 0, which no leaf may say: a clock that
        // was never set is wrong by a window more.
        let at_s = in_range(hit.at_s).max(length);
        let pressed = self.open.len() >= DETAIL_MAX;
        let detail = !below_k && !pressed;
        let target = hit.hit_target.as_ref().filter(|_| detail).map(HitTarget::wire);
        let key = Key {
            rule: hit.rule.0,
            start_s: at_s - at_s % length,
            hit_target: target.map(|target| (target.kind, target.value)),
            response: Some(hit.response.clone()),
            other_candidates: if pressed { Vec::new() } else { hit.other_candidates.clone() },
            imported: import.map(|import| import.file_digest),
        };
        let reduced = pressed && (hit.hit_target.is_some() || !hit.other_candidates.is_empty());
        let id = match self.by_key.get(&key) {
            Some(id) => *id,
            None => self.open_window(&key, rule, hit, import, window_s, at_s),
        };
        self.dirty.insert(id);
        let Some(window) = self.open.get_mut(&id) else { return };
        let state = &mut window.state;
        state.hits = state.hits.saturating_add(hit.count);
        state.first_s = state.first_s.min(at_s);
        state.last_s = state.last_s.max(at_s);
        state.detail_reduced |= reduced;
    }

    fn open_window(
        &mut self,
        key: &Key,
        rule: &mut RuleEntry,
        hit: &Hit,
        import: Option<&Import>,
        window_s: u32,
        at_s: i64,
    ) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let hit_target = key.hit_target.as_ref();
        let encoded = rule.encoded();
        let state = WindowState {
            id,
            rule: encoded.rule.clone(),
            response: Some(leaves::response(&hit.response)),
            rule_target: Some(encoded.wire_target.clone()),
            hit_target: hit_target
                .map(|(kind, value)| v1::Target { kind: *kind, value: value.clone() }),
            hits: 0,
            start_s: key.start_s,
            length_s: window_s,
            first_s: at_s,
            last_s: at_s,
            detail_reduced: false,
            other_candidates: leaves::candidates(&key.other_candidates),
            imported: leaves::provenance(import),
        };
        self.by_key.insert(key.clone(), id);
        self.open.insert(id, Window { key: key.clone(), state });
        id
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }

    /// Windows that have ended by now, or that lie in a future which a clock once believed in.
    pub(super) fn ended(&self, now_s: i64) -> Vec<u64> {
        self.ids(|window| {
            let state = &window.state;
            let length = i64::from(state.length_s.max(1));
            let ended = now_s >= state.start_s + length + GRACE_S;
            ended || now_s < state.start_s - length
        })
    }

    /// Windows of rules that are not what they were. Nothing more is counted into them, whenever
    /// there is room for their leaves.
    pub(super) fn end(&mut self, rules: &[RuleNumber]) -> Vec<u64> {
        if rules.is_empty() || self.open.is_empty() {
            return Vec::new();
        }
        let rules: HashSet<u64> = rules.iter().map(|number| number.0).collect();
        let ids = self.ids(|window| rules.contains(&window.key.rule));
        for id in &ids {
            if let Some(window) = self.open.get_mut(id) {
                self.by_key.remove(&window.key);
                window.key.response = None;
            }
        }
        ids
    }

    pub(super) fn all(&self) -> Vec<u64> {
        self.ids(|_| true)
    }

    /// A quarter of them, the oldest first. Counts stay exact: a later hit opens a window anew.
    pub(super) fn oldest(&self) -> Vec<u64> {
        self.open.keys().take(OPEN_MAX / 4).copied().collect()
    }

    fn ids(&self, which: impl Fn(&Window) -> bool) -> Vec<u64> {
        self.open.iter().filter(|(_, window)| which(window)).map(|(id, _)| *id).collect()
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Window> {
        let window = self.open.remove(&id)?;
        self.by_key.remove(&window.key);
        self.dirty.insert(id);
        Some(window)
    }

    pub(super) fn state(&self) -> Vec<WindowState> {
        self.open.values().map(|window| window.state.clone()).collect()
    }

    /// What changed since this was last asked; a closed window has 0 hits.
    pub(super) fn take_changes(&mut self) -> Vec<WindowState> {
        std::mem::take(&mut self.dirty)
            .into_iter()
            .map(|id| match self.open.get(&id) {
                Some(window) => window.state.clone(),
                None => WindowState { id, ..WindowState::default() },
            })
            .collect()
    }
}

/// Above so many open windows, new ones are by rule alone: detail gives way, counts do not.
const DETAIL_MAX: usize = 2048;
/// Above so many, the oldest become leaves early.
const OPEN_MAX: usize = 4096;
/// What is still on its way when a window ends.
const GRACE_S: i64 = 2;
