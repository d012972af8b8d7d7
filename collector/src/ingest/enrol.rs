//! Enrolment: a one-time token for a node or a person becomes a certificate and a logged key.
//!
//! A token is 20 random bytes in base32, written once on the operator's screen; on disk lies only
//! its SHA-256 (`enrolled`). It is used up before anything is given for it, so that it cannot be used
//! twice, whatever happens afterwards. Enrolments are done one after the other: of two tokens for one
//! subject the second meets the key that the first has enrolled.

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc::SyncSender,
};

use evidence::{Operator, statement::enrolment_text};
use rcgen::{
    CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use remit_proto::v1::{self, EnrolRequest, EnrolResponse, Role};
use tonic::{Code, Status};

use super::session::ask;
use crate::{
    access::{Access, role_of, role_word, uris},
    enrolled::{self, Token},
    log::{
        command::{Command, Refusal, Subject},
        state::verifier,
    },
    status::refuse,
};

/// Certificates of nodes and people live this long.
const CERTIFICATE_DAYS: i64 = 90;

#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    #[error("{subject:?} is not a {kind} id: 1 to 63 of a-z, 0-9 and '-'")]
    Subject { subject: String, kind: &'static str },
    #[error(
        "{subject} is enrolled already, and a new token would replace its key; revoke it first, or say \
         --replace"
    )]
    Enrolled { subject: Subject },
    #[error("no random number could be had")]
    Random,
    #[error("the token cannot be written")]
    Io(#[source] io::Error),
    #[error("the CA in {dir} cannot be used; run remit-collector init again in an empty dir")]
    Ca { dir: PathBuf },
}

/// Makes a one-time token and returns its text.
pub fn issue_token(
    dir: &Path,
    subject: &str,
    role: Role,
    expires_at_s: i64,
    replace: bool,
) -> Result<String, EnrolmentError> {
    let kind = if role == Role::Agent { "node" } else { "person" };
    let known = subject_of(subject, role)
        .ok_or_else(|| EnrolmentError::Subject { subject: subject.to_owned(), kind })?;
    if !replace && !enrolled::keys(dir, &known).map_err(EnrolmentError::Io)?.is_empty() {
        return Err(EnrolmentError::Enrolled { subject: known });
    }
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|_| EnrolmentError::Random)?;
    let token = base32(&random);
    let (subject, role) = (subject.to_owned(), role_word(role).to_owned());
    let file = Token { subject, role, expires_at_s, replace };
    enrolled::write_token(dir, &token, &file).map_err(EnrolmentError::Io)?;
    Ok(token)
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
        let der = certificate_request.as_slice().into();
        let request = CertificateSigningRequestParams::from_der(&der).map_err(|_| {
            let message = "certificate_request: not a PKCS#10 request with a good signature";
            invalid("certificate_request", message.to_owned())
        })?;
        // Whatever can be wrong with the request has been looked at: the token is good for once.
        let _turn = self.one_at_a_time.lock().await;
        let (subject, role) = self.use_token(&token, public_key, writer).await?;
        let certificate = self.sign(request, &subject, role, &public_key).ok_or_else(|| {
            let message = "the certificate could not be signed; ask for a new token".to_owned();
            refuse(Code::Internal, "CERTIFICATE_FAILED", message, &[])
        })?;
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

    /// Uses up the token for this key; returns who may have a certificate for it, and in which role.
    async fn use_token(
        &self,
        text: &str,
        key: [u8; 32],
        writer: &SyncSender<Command>,
    ) -> Result<(String, Role), Status> {
        let unknown = || {
            let message = "the token is unknown, used, void or expired; ask the operator for a new \
                           one (remit-collector enrol)";
            refuse(Code::PermissionDenied, "TOKEN_REFUSED", message.to_owned(), &[])
        };
        let token = enrolled::read_token(&self.dir, text).ok_or_else(unknown)?;
        let role = role_of(&token.role).ok_or_else(unknown)?;
        let subject = subject_of(&token.subject, role).ok_or_else(unknown)?;
        if token.expires_at_s <= (self.clock)() {
            return Err(unknown());
        }
        let before = enrolled::keys(&self.dir, &subject).map_err(storage_failed)?;
        let replaces = before.iter().any(|other| *other != key);
        if replaces && !token.replace {
            let message = format!(
                "{subject} was enrolled with another key meanwhile; ask the operator for a token that \
                 replaces it (remit-collector enrol … --replace)"
            );
            return Err(refuse(Code::AlreadyExists, "ALREADY_ENROLLED", message, &[]));
        }
        // In this order: see the front page of `enrolled`.
        enrolled::add(&self.dir, &subject, &key).map_err(storage_failed)?;
        match enrolled::use_up_token(&self.dir, text) {
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
