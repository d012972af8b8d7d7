//! Where each target of the index stands, by its number: in the text of a request, or in a list.

use super::Register;
use crate::{index::TargetNumber, list::Posted};

/// Where one target stands, in four bytes: the position of the history whose text it is in, or, where the
/// highest bit is set, that of a [`Run`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand(pub(super) u32);

/// Entries of a list, of which one stands behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    first: TargetNumber,
    list: usize,
    member: usize,
}

/// Where one target stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Posting {
    /// In the text of a request.
    Own { history: usize },
    /// In a list that a request covers.
    Listed { list: usize, member: usize },
}

impl Register {
    /// Members of one list, one after the other as the list counts them.
    pub(super) fn post(&mut self, posted: Vec<Posted>) {
        if !posted.is_empty() {
            self.first_exception.get_or_insert(self.size);
        }
        if !self.is_indexed {
            return;
        }
        let first = self.index.count();
        for Posted { list: _, member: _, target } in &posted {
            self.index.insert(target);
        }
        if let Some(Posted { list, member, .. }) = posted.first() {
            self.stand_at(Stand::listed(self.listed.len()));
            self.listed.push(Run { first, list: *list, member: *member });
        }
    }

    /// The targets that came into the index last.
    pub(super) fn stand_at(&mut self, stand: Stand) {
        self.stands.resize(place(self.index.count()), stand);
    }

    pub(super) fn posting(&self, number: TargetNumber) -> Option<Posting> {
        Some(match self.stands.get(place(number))?.read() {
            Ok(history) => Posting::Own { history },
            Err(run) => {
                let Run { first, list, member } = *self.listed.get(run)?;
                let member = member.saturating_add(place(number.checked_sub(first)?));
                Posting::Listed { list, member }
            }
        })
    }
}

impl Stand {
    const LISTED: u32 = 1 << 31;

    // A history takes more than a hundred bytes: of 2^31 there is no memory.
    pub(super) fn own(history: usize) -> Self {
        Self(u32::try_from(history).unwrap_or(u32::MAX) & !Self::LISTED)
    }

    fn listed(run: usize) -> Self {
        Self(u32::try_from(run).unwrap_or(u32::MAX) | Self::LISTED)
    }

    /// The position of a history, or that of a run.
    fn read(self) -> Result<usize, usize> {
        match place(self.0 & !Self::LISTED) {
            run if self.0 & Self::LISTED != 0 => Err(run),
            history => Ok(history),
        }
    }
}

pub(super) fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
