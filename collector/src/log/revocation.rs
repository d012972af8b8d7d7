//! Keys that no longer count, at once and for good.
//!
//! Keys that the log knows are revoked in the log. Of those that were enrolled and have not been used
//! yet, [`enrolled`] knows; they have no tree that an entry could name, and nothing by them will ever
//! be in the log. Unused tokens become void.
//!
//! What is revoked is a node or a person, so every key goes that a certificate may still be bound
//! to: of former generations and former enrolments too. Otherwise an old certificate, valid for the
//! rest of its 90 days, would open the next generation, or act in the former role.

use std::collections::BTreeSet;

use evidence::{AgentOrigin, NodeId, PersonId};
use remit_proto::v1::{self, log_entry::Entry};

use super::{
    command::{Refusal, Subject},
    state::Agent,
    writer::{Fatal, Writer},
};
use crate::enrolled;

impl Writer {
    /// Returns how many keys were revoked now; 0 if all were before.
    /// `keep`: the key that replaces the others.
    pub(super) fn revoke(
        &mut self,
        subject: &Subject,
        keep: Option<&[u8; 32]>,
    ) -> Result<Result<u64, Refusal>, Fatal> {
        // Tokens before keys: see the front page of `enrolled`.
        let tokens = if keep.is_none() { enrolled::void_tokens(&self.dir, subject)? } else { 0 };
        let logged = match subject {
            Subject::Node(node) => self.keys_of_node(node, keep),
            Subject::Person(id) => self.keys_of_person(id, keep),
        };
        let before = self.state.revoked_keys.count();
        let enrolled = enrolled::revoke(&self.dir, subject, keep)?;
        if logged.is_none() && enrolled.is_empty() && tokens == 0 {
            let detail = "no such node or person was enrolled here, and there is no token for one";
            return Ok(Err(Refusal::because("UNKNOWN_SUBJECT", detail)));
        }
        let now_s = self.now();
        for entry in logged.unwrap_or_default() {
            self.append_entry(now_s, entry)?;
        }
        for key in enrolled {
            self.state.revoked_keys.insert(key);
        }
        Ok(Ok(self.state.revoked_keys.count().saturating_sub(before)))
    }

    pub(super) fn is_revoked(&self, public_key: &[u8]) -> bool {
        public_key.try_into().is_ok_and(|key| self.state.revoked_keys.contains(key))
    }

    /// One entry for the active generation, and one for each former one that has a key of its own.
    fn keys_of_node(&self, node: &NodeId, keep: Option<&[u8; 32]>) -> Option<Vec<Entry>> {
        let active = self.state.active.get(node)?;
        let mut former: Vec<&AgentOrigin> =
            self.state.agents.keys().filter(|o| o.node == *node && *o != active).collect();
        former.sort();
        let mut seen = BTreeSet::new();
        let agents = std::iter::once(active).chain(former);
        let agents = agents.filter_map(|origin| self.state.agents.get(origin)).filter(|agent| {
            let gone = agent.revoked
                || self.state.revoked_keys.contains(&agent.enrolled_key)
                || keep == Some(&agent.enrolled_key);
            seen.insert(agent.enrolled_key) && !gone
        });
        Some(agents.map(|agent| Entry::NodeKey(revoked(agent))).collect())
    }

    fn keys_of_person(&self, id: &PersonId, keep: Option<&[u8; 32]>) -> Option<Vec<Entry>> {
        let person = self.state.persons.get(id)?;
        let current = (!person.revoked).then(|| (person.role, person.key.clone()));
        let keys = person.former.iter().cloned().chain(current);
        let keys = keys.filter(|(_, key)| keep != Some(&key.public_bytes()));
        let entry = |(role, key): (v1::Role, tlog::note::VerifierKey)| {
            Entry::PersonKey(v1::PersonKey {
                person: Some(v1::PersonRef { person: id.to_string(), role: role.into() }),
                public_key: key.public_bytes().to_vec(),
                revoked: true,
                approver: None,
            })
        };
        Some(keys.map(entry).collect())
    }
}

fn revoked(agent: &Agent) -> v1::NodeKey {
    v1::NodeKey {
        origin: agent.tree.origin.to_string(),
        public_key: agent.key.public_bytes().to_vec(),
        revoked: true,
        revoked_from_size: agent.tree.edge.size(),
        approver: None,
    }
}
