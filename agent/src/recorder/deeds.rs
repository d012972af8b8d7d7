//! Deeds that persons record: which stand or wait for a second person, and the leaves about them.
//!
//! Each word of a person becomes one leaf that states the whole deed, and is durable before it is
//! answered. What stands, and what ended and nobody confirmed, is part of the spool's state; a new
//! generation begins by telling it again, under the same numbers.

use std::collections::BTreeMap;

use evidence::PersonId;
use remit_proto::v1::{self, ServiceAct, SourceKind};

use super::{Recorder, RecorderError};
use crate::{
    clock::in_range,
    observation::{Deed, NewDeed, PersonSaid, PersonWord, SaidRefused},
    spool::state::DeedState,
};

/// Stand or wait for a second person. Each segment of the spool begins with all of them.
pub(super) const DEEDS_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// By number; and whether it is not durable yet.
    known: BTreeMap<u64, (Deed, bool)>,
}

impl Deeds {
    pub(super) fn restore(states: Vec<DeedState>) -> Self {
        let known = states.into_iter().map(|state| {
            let deed = state.deed();
            (deed.said.number, (deed, false))
        });
        Self { known: crate::order::map(known) }
    }

    pub(super) fn state(&self) -> Vec<DeedState> {
        self.known.values().map(|(deed, _)| DeedState::of(deed)).collect()
    }

    /// What changed, for the record of a batch. What ended and is confirmed is forgotten with it.
    pub(super) fn take_changes(&mut self) -> Vec<DeedState> {
        let mut changed = Vec::new();
        self.known.retain(|_, (deed, dirty)| {
            let state = DeedState::of(deed);
            let closed = state.is_closed();
            if std::mem::take(dirty) {
                changed.push(state);
            }
            !closed
        });
        changed
    }

    /// The deed as this word leaves it.
    fn after(
        &self,
        by: &PersonId,
        word: PersonWord,
        new_number: u64,
        now_s: i64,
    ) -> Result<Deed, SaidRefused> {
        let person =
            || Some(v1::PersonRef { person: by.to_string(), role: v1::Role::Operator.into() });
        let known = |number: u64| self.known.get(&number).map(|(deed, _)| deed.clone());
        let deed = match word {
            PersonWord::List => return Err(SaidRefused::Malformed),
            PersonWord::Recorded(new) => {
                if self.known.len() >= DEEDS_MAX {
                    return Err(SaidRefused::TooMany);
                }
                let NewDeed { kind, target, from_s, until_s, rate_bits_per_s, claims } = new;
                let said = v1::ServiceAction {
                    kind: kind.into(),
                    act: ServiceAct::Recorded.into(),
                    number: new_number,
                    at_s: now_s,
                    from_s,
                    until_s,
                    rate_bits_per_s,
                    claims: claims.iter().map(Into::into).collect(),
                    recorded_by: person(),
                    confirmed_by: None,
                    attestation: v1::Attestation::ByNode.into(),
                    target: Vec::new(),
                };
                Deed { said, target }
            }
            PersonWord::Ended { number, until_s } => {
                let mut deed = known(number).ok_or(SaidRefused::Unknown(number))?;
                if deed.said.until_s != 0 {
                    return Err(SaidRefused::Ended);
                }
                deed.said.act = ServiceAct::Ended.into();
                deed.said.at_s = now_s;
                deed.said.until_s = until_s;
                deed.said.recorded_by = person();
                deed.said.confirmed_by = None;
                deed
            }
            PersonWord::Confirmed { number } => {
                let mut deed = known(number).ok_or(SaidRefused::Unknown(number))?;
                if deed.said.confirmed_by.is_some() {
                    return Err(SaidRefused::Confirmed);
                }
                if deed.said.recorded_by.as_ref().is_some_and(|first| first.person == by.as_str()) {
                    return Err(SaidRefused::SamePerson);
                }
                deed.said.act = ServiceAct::Confirmed.into();
                deed.said.at_s = now_s;
                deed.said.confirmed_by = person();
                deed
            }
        };
        let v1::ServiceAction { from_s, until_s, .. } = deed.said;
        let times = [from_s, if until_s == 0 { from_s } else { until_s }];
        if times.iter().any(|at_s| *at_s != in_range(*at_s) || *at_s > now_s) {
            return Err(SaidRefused::NotYet);
        }
        if until_s != 0 && until_s <= from_s {
            return Err(SaidRefused::Backwards);
        }
        Ok(deed)
    }
}

impl Recorder {
    /// Takes a person's word, and answers it.
    pub(super) fn said(&mut self, said: PersonSaid) -> Result<(), RecorderError> {
        let PersonSaid { by, word, answer } = said;
        self.ledger.know_source(SourceKind::Person);
        let result = match word {
            PersonWord::List => {
                Ok(self.deeds.known.values().map(|(deed, _)| deed.clone()).collect())
            }
            word => self.take_word(&by, word)?.map(|deed| vec![deed]),
        };
        // Whoever asked may have gone.
        let _ = answer.try_send(result);
        Ok(())
    }

    fn take_word(
        &mut self,
        by: &PersonId,
        word: PersonWord,
    ) -> Result<Result<Deed, SaidRefused>, RecorderError> {
        if self.stuck.is_some() {
            return Ok(Err(SaidRefused::NoRoom));
        }
        let number = self.new_number()?;
        let deed = match self.deeds.after(by, word, number, self.clock.now_s()) {
            Ok(deed) => deed,
            Err(refused) => return Ok(Err(refused)),
        };
        if !self.push_deed(&deed)? {
            return Ok(Err(SaidRefused::Malformed));
        }
        self.ledger.record(SourceKind::Person, None, 1);
        self.deeds.known.insert(deed.said.number, (deed.clone(), true));
        // Leaf and state in one record; only then it is answered.
        self.close_now()?;
        Ok(if self.stuck.is_some() { Err(SaidRefused::Waits) } else { Ok(deed) })
    }

    /// A new generation does not forget what stands, nor what waits for a second person.
    pub(super) fn tell_deeds_again(&mut self) -> Result<(), RecorderError> {
        let deeds: Vec<Deed> = self.deeds.known.values().map(|(deed, _)| deed.clone()).collect();
        for deed in deeds {
            let act = if deed.said.until_s == 0 { ServiceAct::Recorded } else { ServiceAct::Ended };
            let mut first = deed.clone();
            first.said.act = act.into();
            first.said.confirmed_by = None;
            self.push_deed(&first)?;
            if deed.said.confirmed_by.is_some() {
                self.push_deed(&deed)?;
            }
        }
        Ok(())
    }

    fn push_deed(&mut self, deed: &Deed) -> Result<bool, RecorderError> {
        let made = self.maker.deed(deed)?;
        self.push(made)
    }

    /// One that no deed has.
    fn new_number(&self) -> Result<u64, RecorderError> {
        loop {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|_| RecorderError::Random)?;
            let number = u64::from_be_bytes(bytes);
            if number != 0 && !self.deeds.known.contains_key(&number) {
                return Ok(number);
            }
        }
    }
}
