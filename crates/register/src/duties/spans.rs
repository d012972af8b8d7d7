//! When rules carried a target at one node: one after the other, with pauses of no more than a reload.

use super::{Begun, RELOAD_S, Rules, Stood};

/// A rule, for as long as it carries a target out: while it stands; of an address of a name, while an answer gave
/// it too.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) stood: &'a Stood,
    pub(super) from_s: i64,
    begun: Begun,
    /// Since when an agent may have missed that it began.
    missed_s: Option<i64>,
    pub(super) until_s: Option<i64>,
    /// The answer ended, and the rule did not go before.
    is_lapsed: bool,
    /// When the rule went; of an answer before the last, its end.
    pub(super) gone_s: Option<i64>,
    /// Until when it was seen not to have gone; `None`: it stands, and is seen.
    seen_s: Option<i64>,
}

impl<'a> Piece<'a> {
    pub(super) fn whole(stood: &'a Stood, rules: &Rules) -> Self {
        let Stood { rule: _, from_s, begun, until_s } = *stood;
        Self {
            stood,
            from_s,
            begun,
            missed_s: rules.missed_since_s(stood),
            until_s,
            is_lapsed: false,
            gone_s: until_s,
            seen_s: rules.unseen_since_s(stood).or(until_s),
        }
    }

    /// What a rule on an address carries of the name, by the times for which answers held: in order, and apart.
    pub(super) fn by_answers(stood: &'a Stood, answers: &[(i64, i64)], rules: &Rules) -> Vec<Self> {
        let rule_until_s = stood.until_s.unwrap_or(i64::MAX);
        let pieces = answers.iter().map(|(from_s, until_s)| {
            let end_s = Some(rule_until_s.min(*until_s));
            Self {
                stood,
                from_s: stood.from_s.max(*from_s),
                // That no answer is kept from before does not tell that the name had another address.
                begun: if stood.from_s < *from_s { Begun::Before } else { stood.begun },
                missed_s: rules.missed_since_s(stood),
                until_s: end_s,
                is_lapsed: *until_s <= rule_until_s,
                gone_s: end_s,
                seen_s: end_s,
            }
        });
        let is_some_time = |piece: &Self| piece.until_s.is_none_or(|end_s| piece.from_s < end_s);
        let mut pieces: Vec<Self> = pieces.filter(is_some_time).collect();
        if let Some(last) = pieces.last_mut() {
            let whole = Self::whole(stood, rules);
            (last.gone_s, last.seen_s) = (whole.gone_s, whole.seen_s);
        }
        pieces
    }
}

/// What the rules of one node did for a target.
pub(super) struct Course<'a> {
    /// By all of them.
    pub(super) at_most: Vec<Span<'a>>,
    /// By those without further conditions: of the others nobody knows what they let through.
    pub(super) at_least: Vec<Span<'a>>,
}

impl<'a> Course<'a> {
    pub(super) fn of(pieces: Vec<Piece<'a>>, at_s: i64) -> Self {
        let sure = pieces.iter().filter(|piece| !piece.stood.rule.narrowed).copied().collect();
        Self { at_least: spans(sure, at_s), at_most: spans(pieces, at_s) }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) from_s: i64,
    pub(super) begun: Begun,
    /// Since when an agent that had not listed all rules may have missed that it began.
    pub(super) missed_s: Option<i64>,
    /// `None`: it stands, or ended so short a while ago that it may be a reload.
    pub(super) until_s: Option<i64>,
    /// It ended because answers did, and no rule was taken away.
    pub(super) is_lapsed: bool,
    /// When the rules went, however short ago.
    pub(super) gone_s: Option<i64>,
    /// Until when they were seen not to have gone, if the node was not silent; `None`: they stand, and are seen.
    pub(super) seen_s: Option<i64>,
    pub(super) first: &'a Stood,
}

impl Span<'_> {
    pub(super) fn holds(&self, at_s: i64) -> bool {
        self.from_s <= at_s && self.until_s.is_none_or(|until_s| at_s < until_s)
    }
}

/// It ended, and so long ago that it is no reload.
pub(super) fn is_over(until_s: Option<i64>, at_s: i64) -> bool {
    until_s.is_some_and(|until_s| until_s.saturating_add(RELOAD_S) < at_s)
}

/// In order, with pauses of a reload closed; what ended a moment ago may be a reload still.
fn spans<'a>(mut pieces: Vec<Piece<'a>>, at_s: i64) -> Vec<Span<'a>> {
    pieces.sort_by_key(|piece| (piece.from_s, piece.until_s.unwrap_or(i64::MAX)));
    let mut spans: Vec<Span<'_>> = Vec::new();
    for piece in pieces {
        let Piece { stood, from_s, begun, missed_s, until_s, is_lapsed, gone_s, seen_s } = piece;
        let until_s = until_s.filter(|_| is_over(until_s, at_s));
        let later = |one: Option<i64>, other: Option<i64>| Some(one?.max(other?));
        match spans.last_mut() {
            Some(last)
                if last.until_s.is_none_or(|end_s| from_s <= end_s.saturating_add(RELOAD_S)) =>
            {
                let joined_s = later(last.until_s, until_s);
                if joined_s != last.until_s {
                    last.is_lapsed = is_lapsed;
                }
                last.until_s = joined_s;
                last.gone_s = later(last.gone_s, gone_s);
                last.seen_s = later(last.seen_s, seen_s);
            }
            Some(_) | None => {
                spans.push(Span {
                    from_s,
                    begun,
                    missed_s,
                    until_s,
                    is_lapsed,
                    gone_s,
                    seen_s,
                    first: stood,
                });
            }
        }
    }
    spans
}
