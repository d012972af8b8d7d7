//! Hits: one leaf each, or counted in open windows; and windows that end.

use prost::Message as _;
use remit_proto::v1::{self, LossCause, SourceKind};

use super::{Recorder, RecorderError, gaps};
use crate::{
    clock::in_range,
    metrics::Metric,
    observation::{Hit, Import},
    spool::state::WindowState,
};

impl Recorder {
    pub(super) fn hits(
        &mut self,
        source: SourceKind,
        hits: &[Hit],
        import: Option<&Import>,
    ) -> Result<(), RecorderError> {
        let window_s = self.config.window();
        let mut recorded = 0;
        for hit in hits.iter().filter(|hit| hit.count > 0) {
            let stuck = self.stuck.is_some();
            if window_s == 0 {
                self.make_room_for_activity()?;
            }
            let index = self.next_index();
            let known = self.rules.get_mut(&source.into()).and_then(|rules| rules.of_hit(hit.rule));
            let Some(rule) = known else {
                self.lose_unknown(source, hit);
                continue;
            };
            if stuck {
                let slot = rule.slot;
                let claims = rule.wire_claims();
                let at_s = in_range(hit.at_s);
                let key = gaps::Key::of_rule(source, LossCause::SpoolFull, hit.rule.0);
                self.gaps.add(key, claims, Some(hit.count), (at_s, at_s));
                self.ledger.lose(source, slot, LossCause::SpoolFull, hit.count);
                Metric::Lost.add(hit.count);
                continue;
            }
            self.ledger.record(source, rule.slot, hit.count);
            recorded += hit.count;
            if window_s == 0 {
                let batch = &mut self.batch.builder;
                self.maker.individual(rule.encoded(), hit, import, index, batch)?;
            } else {
                let reduced = self.config.reduced();
                self.windows.count(rule, hit, import, window_s, reduced);
            }
            self.open_batch();
        }
        // Once for all of them: each time costs a look into the registry.
        Metric::Hits.add(recorded);
        Ok(())
    }

    /// Against the contract (rules arrive first): no leaf can be made of it.
    fn lose_unknown(&mut self, source: SourceKind, hit: &Hit) {
        self.ledger.lose(source, None, LossCause::NotParsed, hit.count);
        let at_s = in_range(hit.at_s);
        let key = gaps::Key::of(source, LossCause::NotParsed);
        self.gaps.add(key, Vec::new(), Some(hit.count), (at_s, at_s));
        self.open_batch_for_gaps();
    }

    /// Closes the windows that have ended, or, under pressure, the oldest ones.
    pub(super) fn close_windows(&mut self, pressure: bool) -> Result<(), RecorderError> {
        let due =
            if pressure { self.windows.oldest() } else { self.windows.ended(self.clock.now_s()) };
        self.write_windows(due)
    }

    /// Makes leaves of windows. Each stays open until there is room for its leaf in the batch, so
    /// that window and leaf change places in one record.
    pub(super) fn write_windows(&mut self, due: Vec<u64>) -> Result<(), RecorderError> {
        for id in due {
            self.make_room_for_activity()?;
            if self.stuck.is_some() {
                break;
            }
            let Some(window) = self.windows.remove(id) else { continue };
            let made = self.maker.window(&window)?;
            if !self.push(made)? {
                self.lose_window(&window.state, LossCause::NotParsed);
            }
        }
        Ok(())
    }

    /// Says of a window that no leaf will be made of it.
    pub(super) fn lose_window(&mut self, state: &WindowState, cause: LossCause) {
        let rule = v1::Rule::decode(state.rule.as_slice()).unwrap_or_default();
        let from_s = in_range(state.first_s);
        let span = (from_s, in_range(state.last_s).max(from_s));
        let key = gaps::Key::of_rule(rule.source(), cause, rule.number);
        self.gaps.add(key, rule.claims, Some(state.hits), span);
        self.open_batch_for_gaps();
        Metric::Lost.add(state.hits);
    }
}
