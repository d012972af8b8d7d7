//! Who may do what: one table of role × operation, used by every edge.
//!
//! Identity is the URI in the client certificate that this collector's own CA issued:
//! `spiffe://<operator>/agent/<node>` or `spiffe://<operator>/person/<id>/<role>`. It also binds the
//! key that signs the agent's tree or the person's statements, as `urn:remit:key:<64 hex digits>`;
//! revoking that key revokes the certificate.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use evidence::{NodeId, Operator, PersonId};
use remit_proto::v1::{DisclosureTier, Role};
use tonic::{
    Code, Request, Status,
    transport::{CertificateDer, server::TlsConnectInfo},
};
use x509_parser::{extensions::GeneralName, prelude::FromDer};

use crate::{listen::Peer, status::refuse};

/// Whoever is on the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Agent {
        node: NodeId,
        key: [u8; 32],
    },
    Person {
        id: PersonId,
        role: Role,
        key: [u8; 32],
    },
    /// No certificate: may enrol, ask for health and reflection, and nothing else.
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Submit,
    /// Another certificate for the same key.
    Renew,
    /// Write the register or the inventory.
    WriteRegister,
    /// Say something of a finding; which act by which role: `register::cases`.
    WriteCases,
    Query,
    Export,
    ReadCheckpoint,
}

fn deed(operation: Operation) -> &'static str {
    match operation {
        Operation::Submit => "hand in what a node recorded",
        Operation::Renew => "renew a certificate",
        Operation::WriteRegister => "write the register or the inventory",
        Operation::WriteCases => "say what becomes of a finding",
        Operation::Query => "ask what is blocked",
        Operation::Export => "export evidence",
        Operation::ReadCheckpoint => "read the checkpoint",
    }
}

/// The table.
fn may(role: Role, operation: Operation) -> bool {
    match (role, operation) {
        (Role::Unspecified, _) => false,
        // Whoever is known may stay known, until the key is revoked.
        (_, Operation::Renew) => true,
        (Role::Agent, Operation::Submit) => true,
        (Role::Agent, Operation::ReadCheckpoint) => true,
        (Role::Agent, _) => false,
        (Role::Operator, Operation::Submit) => false,
        (Role::Operator, _) => true,
        (Role::Officer | Role::Assessor, Operation::Query | Operation::WriteCases) => true,
        (Role::Officer | Role::Assessor, Operation::ReadCheckpoint) => true,
        (Role::Assessor, Operation::Export) => true,
        (Role::Officer, Operation::Export) => false,
        (Role::Officer | Role::Assessor, Operation::Submit | Operation::WriteRegister) => false,
        (Role::Public, Operation::ReadCheckpoint) => true,
        (Role::Public, _) => false,
    }
}

/// The highest tier of a request's closed parts that a caller sees: the operator made them; officers and
/// assessors see what is restricted to those with clearance; nobody else sees either.
pub fn clearance(caller: &Caller) -> DisclosureTier {
    match caller {
        Caller::Person { role: Role::Operator, .. } => DisclosureTier::Secret,
        Caller::Person { role: Role::Officer | Role::Assessor, .. } => DisclosureTier::Restricted,
        Caller::Person { role: Role::Public | Role::Agent | Role::Unspecified, .. }
        | Caller::Agent { .. }
        | Caller::Nobody => DisclosureTier::Public,
    }
}

/// Whether something of this tier may be shown: what is restricted or secret until a time opens by itself.
pub fn sees(
    clearance: DisclosureTier,
    tier: DisclosureTier,
    until_s: Option<i64>,
    now_s: i64,
) -> bool {
    let is_over = until_s.is_some_and(|until_s| until_s <= now_s);
    is_over || tier as i32 <= (clearance as i32).max(DisclosureTier::Public as i32)
}

/// Keys that were revoked. Written by the log's writer, read for each message, so that a revocation
/// needs no restart.
#[derive(Debug, Clone, Default)]
pub struct RevokedKeys(Arc<RwLock<HashSet<[u8; 32]>>>);

impl RevokedKeys {
    pub fn insert(&self, key: [u8; 32]) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    pub fn count(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    pub fn contains(&self, key: &[u8; 32]) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

/// Resolves and checks callers for one operator.
#[derive(Clone)]
pub struct Access {
    operator: Operator,
    revoked: RevokedKeys,
}

impl Access {
    pub fn new(operator: Operator, revoked: RevokedKeys) -> Self {
        Self { operator, revoked }
    }

    /// The caller, if the table lets it do this.
    pub fn check<T>(&self, request: &Request<T>, operation: Operation) -> Result<Caller, Status> {
        let connection = request.extensions().get::<TlsConnectInfo<Peer>>();
        let certificates = connection.and_then(TlsConnectInfo::peer_certs);
        let caller = self.caller(certificates.as_deref().map(Vec::as_slice))?;
        let role = match &caller {
            Caller::Agent { .. } => Role::Agent,
            Caller::Person { role, .. } => *role,
            Caller::Nobody => {
                let message = "no client certificate: enrol first (remit enrol, remit-agent enrol)";
                return Err(refuse(Code::Unauthenticated, "NO_CERTIFICATE", message.into(), &[]));
            }
        };
        if self.is_revoked(&caller) {
            let message = "this certificate was revoked; ask the operator for a new token";
            return Err(refuse(Code::PermissionDenied, "REVOKED", message.into(), &[]));
        }
        if let Some(connection) = connection {
            connection.get_ref().is_known();
        }
        if !may(role, operation) {
            let message = format!("the role {} may not {}", role_word(role), deed(operation));
            return Err(refuse(Code::PermissionDenied, "NOT_AUTHORISED", message, &[]));
        }
        Ok(caller)
    }

    /// Asked again for each message of a long stream.
    pub fn is_revoked(&self, caller: &Caller) -> bool {
        match caller {
            Caller::Agent { node: _, key } | Caller::Person { id: _, role: _, key } => {
                self.revoked.contains(key)
            }
            Caller::Nobody => false,
        }
    }

    /// A revoked key never returns; its holder enrols with a new one.
    pub fn is_revoked_key(&self, key: &[u8; 32]) -> bool {
        self.revoked.contains(key)
    }

    fn caller(&self, certificates: Option<&[CertificateDer<'_>]>) -> Result<Caller, Status> {
        // The TLS layer has verified the chain; what is left is to read the name.
        let Some(certificate) = certificates.and_then(<[_]>::first) else {
            return Ok(Caller::Nobody);
        };
        let unknown = || {
            let message = "the client certificate names nobody of this operator; enrol again";
            refuse(Code::Unauthenticated, "UNKNOWN_CERTIFICATE", message.into(), &[])
        };
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate)
            .map_err(|_| unknown())?;
        let names = parsed.subject_alternative_name().ok().flatten().ok_or_else(unknown)?;
        let uris: Vec<&str> = names
            .value
            .general_names
            .iter()
            .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
            .collect();
        identity(&self.operator, &uris).ok_or_else(unknown)
    }
}

/// Reads the identity out of a certificate's URIs.
pub fn identity(operator: &Operator, uris: &[&str]) -> Option<Caller> {
    let prefix = format!("spiffe://{operator}/");
    let path = uris.iter().find_map(|uri| uri.strip_prefix(&prefix))?;
    let key = key_of(uris.iter().find_map(|uri| uri.strip_prefix("urn:remit:key:"))?)?;
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("agent"), Some(node), None, None) => {
            Some(Caller::Agent { node: node.parse().ok()?, key })
        }
        (Some("person"), Some(id), Some(role), None) => {
            Some(Caller::Person { id: id.parse().ok()?, role: role_of(role)?, key })
        }
        _ => None,
    }
}

/// The URIs that a certificate for this subject carries.
pub fn uris(operator: &Operator, subject: &str, role: Role, public_key: &[u8; 32]) -> Vec<String> {
    let hex: String = public_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = match role {
        Role::Agent => format!("spiffe://{operator}/agent/{subject}"),
        _ => format!("spiffe://{operator}/person/{subject}/{}", role_word(role)),
    };
    vec![name, format!("urn:remit:key:{hex}")]
}

pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "unspecified",
        Role::Operator => "operator",
        Role::Officer => "officer",
        Role::Assessor => "assessor",
        Role::Public => "public",
        Role::Agent => "agent",
    }
}

pub fn role_of(word: &str) -> Option<Role> {
    [Role::Operator, Role::Officer, Role::Assessor, Role::Public, Role::Agent]
        .into_iter()
        .find(|role| role_word(*role) == word)
}

pub(crate) fn key_of(hex: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_read_back_as_issued() {
        let operator: Operator = "example.net".parse().unwrap();
        for (subject, role) in
            [("edge-1", Role::Agent), ("p-1", Role::Operator), ("p-2", Role::Assessor)]
        {
            let uris = uris(&operator, subject, role, &[7; 32]);
            let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
            match identity(&operator, &uris).unwrap() {
                Caller::Agent { node, key } => {
                    assert_eq!((node.as_str(), key, role), (subject, [7; 32], Role::Agent));
                }
                Caller::Person { id, role: found, key } => {
                    assert_eq!((id.as_str(), found, key), (subject, role, [7; 32]));
                }
                Caller::Nobody => panic!("nobody"),
            }
            let other: Operator = "other.net".parse().unwrap();
            assert_eq!(identity(&other, &uris), None, "another operator's certificate");
        }
    }

    #[test]
    fn only_agents_submit_and_only_operators_write_the_register() {
        let roles = [Role::Operator, Role::Officer, Role::Assessor, Role::Public, Role::Agent];
        let who =
            |operation| roles.into_iter().filter(|role| may(*role, operation)).collect::<Vec<_>>();
        assert_eq!(who(Operation::Submit), [Role::Agent]);
        assert_eq!(who(Operation::WriteRegister), [Role::Operator]);
        let people = [Role::Operator, Role::Officer, Role::Assessor];
        assert_eq!(who(Operation::Query), people);
        assert_eq!(who(Operation::WriteCases), people);
        assert_eq!(who(Operation::Export), [Role::Operator, Role::Assessor]);
        assert_eq!(who(Operation::Renew), roles);
    }
}
