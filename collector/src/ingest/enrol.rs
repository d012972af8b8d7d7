//! Enrolment: a one-time token for a node or a person becomes a certificate and a logged key; a
//! certificate that is still good becomes the next one.
//!
//! A token is 20 random bytes in base32, written once on the operator's screen; on disk lies only
//! its SHA-256 (`enrolled`). It is used up before anything is given for it, so that it cannot be used
//! twice, whatever happens afterwards. Enrolments are done one after the other: of two tokens for one
//! subject the second meets the key that the first has enrolled.
//!
//! One token may be good for many nodes (`enrolled::Series`). A node names the one that it is, as
//! `<token>/<node>`, or takes the next that is free. Whoever comes again with the key that was enrolled
//! gets another certificate for it: a fleet is enrolled by machines, and machines repeat themselves.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::mpsc::SyncSender,
};

use evidence::{Operator, statement::enrolment_text};
use rcgen::{
    CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use remit_proto::v1::{self, EnrolRequest, EnrolResponse, RenewRequest, RenewResponse, Role};
use tonic::{Code, Status};

use super::session::ask;
use crate::{
    access::{Access, Caller, role_of, role_word, uris},
    enrolled::{self, Series, Token},
    log::{
        command::{Command, Refusal, Subject},
        state::verifier,
    },
    status::refuse,
};

/// Certificates of nodes and people live this long.
const CERTIFICATE_DAYS: i64 = 90;
/// Of one token; each is a file.
const NODES_MAX: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    #[error("{subject:?} is not a {kind} id: 1 to 63 of a-z, 0-9 and '-'")]
    Subject { subject: String, kind: &'static str },
    #[error(
        "{subject} is enrolled already: say --renew for another certificate of the key that it has, or \
         --replace for another key, which revokes that one"
    )]
    Enrolled { subject: Subject },
    #[error("a token is good for 1 to {NODES_MAX} nodes, each named once; {0} were named")]
    Count(usize),
    #[error("{0:?} is named twice")]
    Twice(String),
    #[error("no random number could be had")]
    Random,
    #[error("the token cannot be written")]
    Io(#[source] io::Error),
    #[error("the CA in {dir} cannot be used; run remit-collector init again in an empty dir")]
    Ca { dir: PathBuf },
}

/// What a token means for somebody who is enrolled already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// There is none for them: a second token is a mistake.
    No,
    /// Another certificate for the keys that they have, and for no others.
    SameKey,
    /// The keys that they have are revoked when the new one is enrolled.
    Replace,
}

/// Makes a one-time token and returns its text.
pub fn issue_token(
    dir: &Path,
    subject: &str,
    role: Role,
    expires_at_s: i64,
    again: Again,
) -> Result<String, EnrolmentError> {
    check(dir, subject, role, again)?;
    let token = new_token()?;
    let (subject, role) = (subject.to_owned(), role_word(role).to_owned());
    let replace = again == Again::Replace;
    let file = Token { subject, role, expires_at_s, replace, series: String::new() };
    enrolled::write_token(dir, &token, &file).map_err(EnrolmentError::Io)?;
    Ok(token)
}

/// Makes one token for many nodes; returns its text and by what the series is called.
pub fn issue_series(
    dir: &Path,
    nodes: Vec<String>,
    expires_at_s: i64,
    again: Again,
) -> Result<(String, String), EnrolmentError> {
    if nodes.is_empty() || nodes.len() > NODES_MAX {
        return Err(EnrolmentError::Count(nodes.len()));
    }
    let mut seen = BTreeSet::new();
    for node in &nodes {
        check(dir, node, Role::Agent, again)?;
        if !seen.insert(node) {
            return Err(EnrolmentError::Twice(node.clone()));
        }
    }
    let token = new_token()?;
    let series = Series { expires_at_s, nodes };
    enrolled::write_series(dir, &token, &series, again == Again::Replace)
        .map_err(EnrolmentError::Io)?;
    let name = enrolled::series_name(&token);
    Ok((token, name))
}

/// Whether this is an id, and one that may have a token.
fn check(dir: &Path, id: &str, role: Role, again: Again) -> Result<(), EnrolmentError> {
    let kind = if role == Role::Agent { "node" } else { "person" };
    let subject = subject_of(id, role)
        .ok_or_else(|| EnrolmentError::Subject { subject: id.to_owned(), kind })?;
    if again == Again::No && !enrolled::keys(dir, &subject).map_err(EnrolmentError::Io)?.is_empty()
    {
        return Err(EnrolmentError::Enrolled { subject });
    }
    Ok(())
}

fn new_token() -> Result<String, EnrolmentError> {
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|_| EnrolmentError::Random)?;
    Ok(base32(&random))
}

fn subject_of(id: &str, role: Role) -> Option<Subject> {
    match role {
        Role::Agent => id.parse().ok().map(Subject::Node),
        _ => id.parse().ok().map(Subject::Person),
    }
}

/// RFC 4648 section 6 without padding; 20 bytes make 32 characters.
fn base32(bytes: &[u8; 20]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(32);
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for shift in (0..8).rev() {
            let index = (bits >> (shift * 5)) & 31;
            text.push(char::from(ALPHABET.get(index as usize).copied().unwrap_or(b'A')));
        }
    }
    text
}

/// Turns tokens into certificates.
pub struct Enrolment {
    dir: PathBuf,
    operator: Operator,
    issuer: Issuer<'static, KeyPair>,
    ca_der: Vec<u8>,
    log_vkey: String,
    register_vkey: String,
    clock: fn() -> i64,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Enrolment {
    /// `ca_key` and `ca_certificate` are PEM.
    pub fn new(
        dir: &Path,
        operator: Operator,
        ca_key: &str,
        ca_certificate: &str,
        vkeys: (String, String),
        clock: fn() -> i64,
    ) -> Result<Self, EnrolmentError> {
        let bad = || EnrolmentError::Ca { dir: dir.to_owned() };
        let key = KeyPair::from_pem(ca_key).map_err(|_| bad())?;
        let issuer = Issuer::from_ca_cert_pem(ca_certificate, key).map_err(|_| bad())?;
        let (_, pem) =
            x509_parser::pem::parse_x509_pem(ca_certificate.as_bytes()).map_err(|_| bad())?;
        let (log_vkey, register_vkey) = vkeys;
        Ok(Self {
            dir: dir.to_owned(),
            operator,
            issuer,
            ca_der: pem.contents,
            log_vkey,
            register_vkey,
            clock,
            one_at_a_time: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) async fn enrol(
        &self,
        request: EnrolRequest,
        access: &Access,
        writer: &SyncSender<Command>,
    ) -> Result<EnrolResponse, Status> {
        let EnrolRequest { token, certificate_request, public_key, proof } = request;
        let public_key: [u8; 32] = public_key.try_into().map_err(|_| {
            let message = "public_key: want the 32 bytes of an Ed25519 key".to_owned();
            invalid("public_key", message)
        })?;
        let key = verifier("enrolment", &public_key).map_err(|_| {
            invalid("public_key", "public_key: not a usable Ed25519 key".to_owned())
        })?;
        if !key.verify_raw(enrolment_text(&token).as_bytes(), &proof) {
            let message = "proof: not a signature by public_key over this token".to_owned();
            return Err(invalid("proof", message));
        }
        if access.is_revoked_key(&public_key) {
            let message = "public_key was revoked and never returns: make a new key, and enrol \
                           with that";
            return Err(refuse(Code::PermissionDenied, "REVOKED", message.to_owned(), &[]));
        }
        let request = parsed(&certificate_request)?;
        // Whatever can be wrong with the request has been looked at: the token is good for once.
        let _turn = self.one_at_a_time.lock().await;
        let (subject, role) = self.use_token(&token, public_key, writer).await?;
        let certificate = self.sign(request, &subject, role, &public_key).ok_or_else(not_signed)?;
        if role != Role::Agent {
            let person = Some(v1::PersonRef { person: subject.clone(), role: role.into() });
            let public_key = public_key.to_vec();
            let key = v1::PersonKey { person, public_key, revoked: false, approver: None };
            let logged = ask(writer, |reply| Command::PersonKey { key, reply }).await?;
            logged.map_err(refused)?;
        }
        tracing::info!(subject, role = role_word(role), "enrolled");
        Ok(EnrolResponse {
            certificates: vec![certificate, self.ca_der.clone()],
            operator: self.operator.to_string(),
            subject,
            role: role.into(),
            log_vkey: self.log_vkey.clone(),
            register_vkey: self.register_vkey.clone(),
        })
    }

    /// Another certificate for whoever has one: the same names, the same signing key.
    pub(super) fn renew(
        &self,
        caller: &Caller,
        request: RenewRequest,
    ) -> Result<RenewResponse, Status> {
        let RenewRequest { certificate_request } = request;
        let request = parsed(&certificate_request)?;
        let (subject, role, key) = match caller {
            Caller::Agent { node, key } => (node.as_str(), Role::Agent, key),
            Caller::Person { id, role, key } => (id.as_str(), *role, key),
            // `access` lets nobody through.
            Caller::Nobody => return Err(not_signed()),
        };
        let certificate = self.sign(request, subject, role, key).ok_or_else(not_signed)?;
        tracing::info!(subject, role = role_word(role), "renewed a certificate");
        Ok(RenewResponse { certificates: vec![certificate, self.ca_der.clone()] })
    }

    /// Uses up the token for this key; returns who may have a certificate for it, and in which role.
    async fn use_token(
        &self,
        text: &str,
        key: [u8; 32],
        writer: &SyncSender<Command>,
    ) -> Result<(String, Role), Status> {
        let (text, token) = match enrolled::read_token(&self.dir, text) {
            Some(token) => (text.to_owned(), token),
            None => match self.place(text, &key)? {
                Place::Free(text, token) => (text, token),
                Place::Held(node) => return Ok((node, Role::Agent)),
            },
        };
        let role = role_of(&token.role).ok_or_else(unknown)?;
        let subject = subject_of(&token.subject, role).ok_or_else(unknown)?;
        if token.expires_at_s <= (self.clock)() {
            return Err(unknown());
        }
        let before = enrolled::keys(&self.dir, &subject).map_err(storage_failed)?;
        let replaces = before.iter().any(|other| *other != key);
        if replaces && !token.replace {
            let message = format!(
                "{subject} is enrolled with another key; ask the operator for a token that replaces it \
                 (remit-collector enrol … --replace)"
            );
            return Err(already_enrolled(message));
        }
        // In this order: see the front page of `enrolled`.
        enrolled::add(&self.dir, &subject, &key).map_err(storage_failed)?;
        match enrolled::use_up_token(&self.dir, &text) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown()),
            Err(error) => return Err(storage_failed(error)),
            Ok(()) => {}
        }
        if replaces {
            let keep = Some(key);
            let done = ask(writer, |reply| Command::Revoke { subject, keep, reply }).await?;
            done.map_err(refused)?;
        }
        Ok((token.subject, role))
    }

    /// Of a token for many nodes: the place that this key has or may have.
    fn place(&self, text: &str, key: &[u8; 32]) -> Result<Place, Status> {
        let (text, wanted) = text.split_once('/').map_or((text, None), |(t, n)| (t, Some(n)));
        let series = enrolled::read_series(&self.dir, text).ok_or_else(unknown)?;
        let Series { expires_at_s, nodes } = series;
        if expires_at_s <= (self.clock)() {
            return Err(unknown());
        }
        let count = nodes.len();
        let mut nodes = nodes;
        nodes.retain(|node| wanted.is_none_or(|wanted| node == wanted));
        if nodes.is_empty() {
            let message = "the token is not for a node of this name; ask the operator for one that is \
                           (remit-collector enrol)";
            return Err(refuse(Code::PermissionDenied, "TOKEN_REFUSED", message.to_owned(), &[]));
        }
        for node in &nodes {
            let subject = subject_of(node, Role::Agent).ok_or_else(unknown)?;
            if enrolled::keys(&self.dir, &subject).map_err(storage_failed)?.contains(key) {
                return Ok(Place::Held(node.clone()));
            }
        }
        let free = nodes.into_iter().find_map(|node| {
            let text = enrolled::place_text(text, &node);
            Some(Place::Free(text.clone(), enrolled::read_token(&self.dir, &text)?))
        });
        free.ok_or_else(|| {
            already_enrolled(match wanted {
                Some(node) => format!(
                    "node-{node} was enrolled with this token already, by another key, or revoked; if \
                     that was not you, have it revoked, and ask the operator for another token"
                ),
                None => format!("all {count} nodes of this token are enrolled, or revoked"),
            })
        })
    }

    /// Takes the key from the request and nothing else: names and uses are ours to give.
    fn sign(
        &self,
        mut request: CertificateSigningRequestParams,
        subject: &str,
        role: Role,
        public_key: &[u8; 32],
    ) -> Option<Vec<u8>> {
        let params = &mut request.params;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.subject_alt_names = uris(&self.operator, subject, role, public_key)
            .into_iter()
            .map(|uri| uri.try_into().ok().map(SanType::URI))
            .collect::<Option<_>>()?;
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.custom_extensions.clear();
        let (from, until) = crate::keys::validity((self.clock)(), CERTIFICATE_DAYS);
        params.not_before = from;
        params.not_after = until;
        let mut serial = [0; 16];
        getrandom::fill(&mut serial).ok()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let certificate = request.signed_by(&self.issuer).ok()?;
        Some(certificate.der().to_vec())
    }
}

/// Of a token for many nodes.
enum Place {
    /// Its token, which is to be used up.
    Free(String, Token),
    /// The key has it already.
    Held(String),
}

fn parsed(certificate_request: &[u8]) -> Result<CertificateSigningRequestParams, Status> {
    CertificateSigningRequestParams::from_der(&certificate_request.into()).map_err(|_| {
        let message = "certificate_request: not a PKCS#10 request with a good signature";
        invalid("certificate_request", message.to_owned())
    })
}

fn not_signed() -> Status {
    let message = "the certificate could not be signed; ask the operator, who finds why in the \
                   collector's log";
    refuse(Code::Internal, "CERTIFICATE_FAILED", message.to_owned(), &[])
}

fn unknown() -> Status {
    let message = "the token is unknown, used, void or expired; ask the operator for a new one \
                   (remit-collector enrol)";
    refuse(Code::PermissionDenied, "TOKEN_REFUSED", message.to_owned(), &[])
}

fn already_enrolled(message: String) -> Status {
    refuse(Code::AlreadyExists, "ALREADY_ENROLLED", message, &[])
}

fn refused(refusal: Refusal) -> Status {
    refuse(Code::FailedPrecondition, refusal.reason, refusal.detail, &[])
}

fn storage_failed(error: io::Error) -> Status {
    tracing::error!(%error, "an enrolment could not be written");
    let message =
        "the collector cannot write; ask the operator to look at its disk, and for a new token";
    refuse(Code::Internal, "STORAGE_FAILED", message.to_owned(), &[])
}

fn invalid(field: &str, message: String) -> Status {
    refuse(Code::InvalidArgument, "FIELD_INVALID", message, &[("field", field)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_as_rfc_4648() {
        assert_eq!(base32(b"foobarfoobarfoobarfo"), "MZXW6YTBOJTG633CMFZGM33PMJQXEZTP");
    }
}
