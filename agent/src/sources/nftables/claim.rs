//! What a rule claims, and who made it as far as it says.
//!
//! The nearest carrier speaks: an element's comment, the rule's comment, the prefix of its log, the
//! comments of the rules that jump to it; then what the basis map says about its mark, its comment, its set, its chain. A carrier that
//! says `remit=` and then something that is no claim claims nothing, and nobody further away
//! speaks for it.
//!
//! The kernel does not say who made a rule. A carrier may (`actor=vendor`); else it is the actor
//! that the node's settings give (`sources::actor`).

use evidence::{Claim, claim::carried};
use remit_proto::v1::{Actor, ClaimOrigin};

use super::text::family_word;
use crate::{
    rules::nftables::DropPath,
    sources::{SourceContext, actor},
};

/// Where a rule of nftables says what it rests on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carriers<'a> {
    pub(super) path: &'a DropPath,
    /// Name of the set that names the target, unless it is written in the rule.
    pub(super) set: Option<&'a str>,
    /// Comment of the element.
    pub(super) element: Option<&'a str>,
}

impl Carriers<'_> {
    pub(super) fn claims(&self, context: &SourceContext) -> (Vec<Claim>, ClaimOrigin) {
        let spoken = self.texts().map(carried).find(|f| f.not_understood || !f.claims.is_empty());
        let (claims, origin) = match spoken {
            Some(found) => (found.claims, ClaimOrigin::Carried),
            None => (self.mapped(context), ClaimOrigin::Mapped),
        };
        if claims.is_empty() { (claims, ClaimOrigin::None) } else { (claims, origin) }
    }

    pub(super) fn actor(&self, default: Actor) -> Actor {
        self.texts().find_map(actor::carried).unwrap_or(default)
    }

    /// From the nearest to the furthest. A log that is not about these packets alone says nothing
    /// about them.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let rule = self.path.rule.handle;
        let logs = self.path.logs.iter();
        let own = logs.filter(move |log| log.exact || log.limited || log.handle == rule);
        let comments = [self.element, self.path.comment.as_deref()].into_iter().flatten();
        let callers = self.path.callers_said.iter().rev();
        let own = own.map(|log| log.prefix.as_slice());
        comments.map(str::as_bytes).chain(own).chain(callers.map(String::as_bytes))
    }

    fn mapped(&self, context: &SourceContext) -> Vec<Claim> {
        let rule = &self.path.rule;
        let place = format!("{}/{}", family_word(rule.family), rule.table);
        let selectors = [
            self.path.mark_required.map(|mark| format!("mark:{mark:#x}")),
            self.element.map(|comment| format!("comment:{comment}")),
            self.path.comment.as_ref().map(|comment| format!("comment:{comment}")),
            self.set.map(|set| format!("set:{place}/{set}")),
            Some(format!("chain:{place}/{}", rule.chain)),
        ];
        let mut found = selectors.into_iter().flatten().map(|selector| (context.mapped)(&selector));
        found.find(|claims| !claims.is_empty()).unwrap_or_default()
    }
}
