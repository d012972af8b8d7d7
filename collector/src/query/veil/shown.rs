//! The register through the veil.

use evidence::RequestId;
use register::{Entry, Target, Touch, View, list::ListView};
use remit_proto::v1::RequestPart;

use super::Veil;

/// The register as far as the reader sees it.
#[derive(Clone, Copy)]
pub(in crate::query) struct Shown<'s> {
    whole: View<'s>,
    veil: &'s Veil,
}

impl<'s> Shown<'s> {
    pub(in crate::query) fn new(whole: View<'s>, veil: &'s Veil) -> Self {
        Self { whole, veil }
    }

    pub(in crate::query) fn requests(self) -> impl Iterator<Item = Entry<'s>> {
        self.whole.requests().filter(move |entry| !self.veil.hides(entry.id().as_str()))
    }

    pub(in crate::query) fn request(self, id: &RequestId) -> Option<Entry<'s>> {
        self.whole.request(id).filter(|_| !self.veil.hides(id.as_str()))
    }

    /// Its id, or the name of one that has none; empty where nothing is stated, or where it is hidden.
    pub(in crate::query) fn authority(self, entry: &Entry<'s>) -> &'s str {
        if self.veil.hides_part(entry.id().as_str(), RequestPart::Authority) {
            return "";
        }
        entry.request().authority_word()
    }

    /// Without requests whose targets are hidden: else whoever asks for enough targets reads a closed list.
    pub(in crate::query) fn touching(self, target: &Target) -> Vec<Touch<'s>> {
        let mut touching = self.whole.touching(target);
        touching.retain(|touch| !self.veil.hides_targets(touch.entry.id().as_str()));
        touching
    }

    pub(in crate::query) fn held_by(
        self,
        entry: &Entry<'_>,
        at_s: i64,
        max: usize,
    ) -> Vec<(Target, RequestId)> {
        if self.veil.hides_targets(entry.id().as_str()) {
            return Vec::new();
        }
        let mut held = self.whole.held_by(entry, at_s, max);
        // Another one that holds the same target shows it.
        held.retain(|(_, other)| !self.veil.hides_targets(other.as_str()));
        held
    }

    pub(in crate::query) fn lists(self) -> Vec<ListView<'s>> {
        let mut lists = self.whole.lists();
        lists.retain(|list| !self.veil.hides_list(list.id().as_str()));
        lists
    }

    pub(in crate::query) fn list_of(self, id: &RequestId) -> Option<ListView<'s>> {
        self.whole.list_of(id).filter(|_| !self.veil.hides_list(id.as_str()))
    }
}
