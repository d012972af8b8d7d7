//! Defects kept up to date: looked at again is what a change of the register or a clock can reach.
//!
//! Reached are the requests that statements and erasures since the last look are about, those that touch their
//! targets or name them in relations, and those whose own times have passed a bound ([`Found::holds_until_s`]). What cannot be told so takes
//! everything: another version of a list, the end of a proceeding, another result of probes, an older register,
//! an earlier time. A property test compares each step with looking at all.

use std::collections::{BTreeMap, BTreeSet};

use evidence::RequestId;

use super::{Found, Gone, of_request};
use crate::{
    change::Told,
    register::{Register, View},
};

/// What was found at the last look.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    looked: Option<Looked>,
    found: BTreeMap<RequestId, Found>,
    /// When each may change, those without defects too.
    next: BTreeMap<RequestId, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Looked {
    told: Told,
    at_s: i64,
    gone: Gone,
}

impl Watch {
    /// What stands at a size of the register and an instant. Returns how many requests were looked at.
    pub fn look(&mut self, register: &Register, size: u64, at_s: i64, gone: &Gone) -> usize {
        let view = register.at(size);
        let reached = match &self.looked {
            Some(before)
                if before.told.size <= view.size()
                    && before.at_s <= at_s
                    && before.gone == *gone =>
            {
                self.reached(register, &view, before, at_s)
            }
            Some(_) | None => None,
        };
        let ids = reached.unwrap_or_else(|| {
            self.found.clear();
            self.next.clear();
            view.requests().map(|entry| entry.id().clone()).collect()
        });
        // Lists are asked for once, and not at all where there are none.
        let by_list = if ids.is_empty() { BTreeMap::new() } else { view.listed_at(at_s) };
        for id in &ids {
            let Some(entry) = view.request(id) else { continue };
            let mut found = of_request(&view, &entry, at_s, gone, &by_list);
            found.defects.shrink_to_fit();
            match found.holds_until_s {
                Some(next_s) => drop(self.next.insert(id.clone(), next_s)),
                None => drop(self.next.remove(id)),
            }
            if found.defects.is_empty() {
                self.found.remove(id);
            } else {
                self.found.insert(id.clone(), found);
            }
        }
        self.looked = Some(Looked { told: register.told(view.size()), at_s, gone: gone.clone() });
        ids.len()
    }

    /// By request; those without a defect are left out.
    pub fn found(&self) -> &BTreeMap<RequestId, Found> {
        &self.found
    }

    /// `None`: everything.
    fn reached(
        &self,
        register: &Register,
        view: &View<'_>,
        before: &Looked,
        at_s: i64,
    ) -> Option<BTreeSet<RequestId>> {
        if view.lists_turn(before.at_s, at_s) {
            return None;
        }
        let mut reached: BTreeSet<RequestId> = self
            .next
            .iter()
            .filter(|(_, next_s)| **next_s <= at_s)
            .map(|(id, _)| id.clone())
            .collect();
        reached.extend(register.told_of(before.told, register.told(view.size()))?);
        Some(reached)
    }
}
