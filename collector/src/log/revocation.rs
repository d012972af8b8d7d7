//! Keys that no longer count, at once and for good.
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

impl Writer {
    /// Returns how many keys were revoked now; 0 if all were before.
    pub(super) fn revoke(&mut self, subject: &Subject) -> Result<Result<u64, Refusal>, Fatal> {
        let entries = match subject {
            Subject::Node(node) => self.keys_of_node(node),
            Subject::Person(id) => self.keys_of_person(id),
        };
        let Some(entries) = entries else {
            let detail = "no such node or person is in the log: one that was enrolled and has never \
                          sent is not known yet";
            return Ok(Err(Refusal::because("UNKNOWN_SUBJECT", detail)));
        };
        let now_s = self.now();
        let mut count = 0;
        for entry in entries {
            self.append_entry(now_s, entry)?;
            count += 1;
        }
        Ok(Ok(count))
    }

    /// One entry for the active generation, and one for each former one that has a key of its own.
    fn keys_of_node(&self, node: &NodeId) -> Option<Vec<Entry>> {
        let active = self.state.active.get(node)?;
        let mut former: Vec<&AgentOrigin> =
            self.state.agents.keys().filter(|o| o.node == *node && *o != active).collect();
        former.sort();
        let mut seen = BTreeSet::new();
        let agents = std::iter::once(active).chain(former);
        let agents = agents.filter_map(|origin| self.state.agents.get(origin)).filter(|agent| {
            let gone = agent.revoked || self.state.revoked_keys.contains(&agent.enrolled_key);
            seen.insert(agent.enrolled_key) && !gone
        });
        Some(agents.map(|agent| Entry::NodeKey(revoked(agent))).collect())
    }

    fn keys_of_person(&self, id: &PersonId) -> Option<Vec<Entry>> {
        let person = self.state.persons.get(id)?;
        let current = (!person.revoked).then(|| (person.role, person.key.clone()));
        let keys = person.former.iter().cloned().chain(current);
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
