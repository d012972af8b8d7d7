//! The register of who takes statements in and looks up no target.

use evidence::RequestId;
use remit_proto::v1;

use super::{InvalidStatement, Items, Register};
use crate::entry::Entry;

/// Takes in and refuses what a [`Register`] does, and has no index of targets: where it shares the
/// [`Items`] with a register, it takes little memory beside it.
#[derive(Debug, Clone)]
pub struct Ledger(Register);

impl Ledger {
    pub fn new(origin: impl Into<String>) -> Self {
        Self(Register { is_indexed: false, ..Register::new(origin) })
    }

    /// As [`Register::take_in`].
    pub fn take_in(
        &mut self,
        statement: &v1::Statement,
        items: Option<&Items>,
    ) -> Result<(), InvalidStatement> {
        self.0.take_in(statement, items)
    }

    /// As [`Register::erase`].
    pub fn erase(&mut self, chunks: &[Vec<u8>]) {
        self.0.erase(chunks);
    }

    /// As [`Register::erased`].
    pub fn erased(&self) -> impl Iterator<Item = &[u8]> {
        self.0.erased()
    }

    /// As it stands now.
    pub fn request(&self, id: &RequestId) -> Option<Entry<'_>> {
        self.0.view().request(id)
    }
}
