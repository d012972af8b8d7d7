//! Keys that no longer count, at once and for good.

use remit_proto::v1::{self, log_entry::Entry};

use super::{
    command::{Refusal, Subject},
    writer::{Fatal, Writer},
};

impl Writer {
    pub(super) fn revoke(&mut self, subject: Subject) -> Result<Result<u64, Refusal>, Fatal> {
        let now_s = self.now();
        let entry = match subject {
            Subject::Node(node) => {
                let agent = self.state.active.get(&node).and_then(|o| self.state.agents.get(o));
                agent.map(|agent| {
                    Entry::NodeKey(v1::NodeKey {
                        origin: agent.tree.origin.to_string(),
                        public_key: agent.key.public_bytes().to_vec(),
                        revoked: true,
                        revoked_from_size: agent.tree.edge.size(),
                        approver: None,
                    })
                })
            }
            Subject::Person(id) => self.state.persons.get(&id).map(|person| {
                Entry::PersonKey(v1::PersonKey {
                    person: Some(v1::PersonRef {
                        person: id.to_string(),
                        role: person.role.into(),
                    }),
                    public_key: person.key.public_bytes().to_vec(),
                    revoked: true,
                    approver: None,
                })
            }),
        };
        match entry {
            Some(entry) => self.append_entry(now_s, entry).map(Ok),
            None => Ok(Err(Refusal::because("UNKNOWN_SUBJECT", "no such node or person is known"))),
        }
    }
}
