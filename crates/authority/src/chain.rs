//! From a signer's certificate to an anchor (RFC 5280, as much of it as a path of names, keys, times and
//! purposes needs). What a certificate marks as critical and is not looked at here ends it.

use der::{Decode, Encode, asn1::ObjectIdentifier};
use x509_cert::{
    Certificate,
    ext::pkix::{BasicConstraints, KeyUsage},
};

use crate::{Invalid, Status, Unreadable, algorithm, digest};

/// Longer paths are not built by authorities, but by people who want us to look for long.
const PATH_MAX: usize = 6;
const ANCHORS_MAX: usize = 1_000;

/// How many signatures are still verified for one document. It has a handful; of certificates that issue each other the
/// ways grow faster than their number, and each step of each way is a signature.
pub(crate) struct Budget(usize);

const VERIFIED_MAX: usize = 256;

impl Default for Budget {
    fn default() -> Self {
        Self(VERIFIED_MAX)
    }
}

impl Budget {
    pub(crate) fn spend(&mut self) -> Result<(), Status> {
        let what = || format!("more than {VERIFIED_MAX} signatures of certificates");
        self.0 = self.0.checked_sub(1).ok_or_else(|| Status::Unsupported(what()))?;
        Ok(())
    }
}

/// The anchor under which the signer's certificate stands at an instant.
pub(crate) fn path(
    signer: &Certificate,
    embedded: &[Certificate],
    anchors: &[Vec<u8>],
    at_s: i64,
    budget: &mut Budget,
) -> Result<[u8; 32], Failure> {
    // One that cannot be read was refused where anchors are read.
    let anchors: Vec<(Certificate, [u8; 32])> = anchors
        .iter()
        .filter_map(|der| Some((Certificate::from_der(der).ok()?, digest(der))))
        .collect();
    Search { embedded, anchors: &anchors, at_s, budget }.upwards(signer, 0, &mut Vec::new())
}

/// Every way up is tried: an authority that renews its certificate keeps its name and its key, and the former
/// one, which has run out, says nothing against the other.
struct Search<'a> {
    embedded: &'a [Certificate],
    anchors: &'a [(Certificate, [u8; 32])],
    at_s: i64,
    budget: &'a mut Budget,
}

impl<'a> Search<'a> {
    /// `below`: certificates of issuers between the signer and the next one; what an issuer issues to himself, as
    /// for another key, is not counted (RFC 5280, section 4.2.1.9). `way`: the certificates so far.
    fn upwards(
        &mut self,
        current: &'a Certificate,
        below: u8,
        way: &mut Vec<&'a Certificate>,
    ) -> Result<[u8; 32], Failure> {
        if way.len() == PATH_MAX {
            let what = format!("a path of more than {PATH_MAX} certificates");
            return Err(Status::Unsupported(what).into());
        }
        holds(current, self.at_s)?;
        let (embedded, anchors) = (self.embedded, self.anchors);
        if let Some((_, id)) = anchors.iter().find(|(anchor, _)| anchor == current) {
            return Ok(*id);
        }
        let mut failed: Option<Failure> = None;
        for (anchor, id) in anchors.iter().filter(|(anchor, _)| issued(current, anchor)) {
            self.budget.spend()?;
            let stands = by(current, anchor).and_then(|()| issues(anchor, self.at_s, below));
            match stands {
                Ok(()) => return Ok(*id),
                // Another key under the same name, of a former year or of somebody else: not the anchor that
                // it stands under.
                Err(Status::Invalid(Invalid::BadSignature)) => {}
                Err(status) => Failure { status, of_anchor: true }.joins(&mut failed),
            }
        }
        way.push(current);
        for issuer in embedded.iter().filter(|issuer| issued(current, issuer)) {
            // A renewed one and the former one issue each other (RFC 4158, section 5.2).
            if way.iter().any(|before| is_same(before, issuer)) {
                continue;
            }
            self.budget.spend()?;
            if by(current, issuer).is_err() {
                continue;
            }
            let tbs = &issuer.tbs_certificate;
            let below_next = below + u8::from(tbs.issuer != tbs.subject);
            let further = issues(issuer, self.at_s, below).map_err(Failure::from);
            match further.and_then(|()| self.upwards(issuer, below_next, way)) {
                Ok(id) => return Ok(id),
                Err(failure) => failure.joins(&mut failed),
            }
        }
        way.pop();
        Err(failed.unwrap_or_else(|| Status::Unchecked.into()))
    }
}

/// One name and one key, in whatever certificate.
fn is_same(one: &Certificate, other: &Certificate) -> bool {
    let (one, other) = (&one.tbs_certificate, &other.tbs_certificate);
    one.subject == other.subject && one.subject_public_key_info == other.subject_public_key_info
}

/// Why a way does not lead to an anchor.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// It came to one that was given, and which does not carry it.
    of_anchor: bool,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { status, of_anchor: false }
    }
}

impl Failure {
    /// Of several, the one speaks that says most of what is known: a way that is not understood may lead on; an
    /// anchor that was given is known to be the wrong one; behind an embedded issuer that is no longer good there
    /// may be another under an anchor that nobody gave.
    pub(crate) fn joins(self, failed: &mut Option<Self>) {
        let weight = |failure: &Self| match (&failure.status, failure.of_anchor) {
            (Status::Unsupported(_), _) => 3,
            (_, true) => 2,
            (Status::Unchecked | Status::Valid { .. }, false) => 1,
            (Status::Invalid(_), false) => 0,
        };
        if failed.as_ref().is_none_or(|before| weight(before) < weight(&self)) {
            *failed = Some(self);
        }
    }
}

/// By its names, and by a key of the kind that its signature is of.
fn issued(certificate: &Certificate, issuer: &Certificate) -> bool {
    certificate.tbs_certificate.issuer == issuer.tbs_certificate.subject
        && algorithm::suits(
            &issuer.tbs_certificate.subject_public_key_info,
            &certificate.signature_algorithm,
        )
}

fn by(certificate: &Certificate, issuer: &Certificate) -> Result<(), Status> {
    // It was read as DER, of which there is one encoding: these are the bytes that were signed.
    let signed = certificate.tbs_certificate.to_der();
    let signed = signed.map_err(|_| Status::Invalid(Invalid::Structure("certificate")))?;
    let signature = certificate.signature.as_bytes();
    let signature = signature.ok_or(Status::Invalid(Invalid::Structure("certificate")))?;
    let key = &issuer.tbs_certificate.subject_public_key_info;
    algorithm::verify(key, &certificate.signature_algorithm, None, &signed, signature)
}

/// May issue certificates, then, with so many of other issuers below its own (RFC 5280, section 4.2.1.9).
fn issues(issuer: &Certificate, at_s: i64, below: u8) -> Result<(), Status> {
    holds(issuer, at_s)?;
    let tbs = &issuer.tbs_certificate;
    let malformed = |_| Status::Invalid(Invalid::Structure("extension"));
    let basic = tbs.get::<BasicConstraints>().map_err(malformed)?;
    let usage = tbs.get::<KeyUsage>().map_err(malformed)?;
    let is_ca = basic.is_some_and(|(_, basic)| {
        basic.ca && basic.path_len_constraint.is_none_or(|most| below <= most)
    });
    let signs = usage.is_none_or(|(_, usage)| usage.key_cert_sign());
    if is_ca && signs {
        return Ok(());
    }
    Err(Status::Invalid(Invalid::NotPermitted { subject: subject(issuer) }))
}

/// May sign documents.
pub(crate) fn signs(signer: &Certificate) -> Result<(), Status> {
    let usage = signer.tbs_certificate.get::<KeyUsage>();
    let usage = usage.map_err(|_| Status::Invalid(Invalid::Structure("extension")))?;
    if usage.is_none_or(|(_, usage)| usage.digital_signature() || usage.non_repudiation()) {
        return Ok(());
    }
    Err(Status::Invalid(Invalid::NotPermitted { subject: subject(signer) }))
}

/// Was valid then, and says nothing critical that is not understood.
fn holds(certificate: &Certificate, at_s: i64) -> Result<(), Status> {
    let tbs = &certificate.tbs_certificate;
    let from_s = tbs.validity.not_before.to_unix_duration().as_secs();
    let until_s = tbs.validity.not_after.to_unix_duration().as_secs();
    let then = u64::try_from(at_s).unwrap_or_default();
    if then < from_s || until_s < then {
        let subject = subject(certificate);
        return Err(Status::Invalid(Invalid::NotValidThen { subject, from_s, until_s }));
    }
    let strange = tbs
        .extensions
        .iter()
        .flatten()
        .find(|extension| extension.critical && !UNDERSTOOD.contains(&extension.extn_id));
    match strange {
        Some(extension) => {
            Err(Status::Unsupported(format!("the critical extension {}", extension.extn_id)))
        }
        None => Ok(()),
    }
}

/// Basic constraints and key usage are looked at; certificate policies and extended key usage narrow
/// nothing that is asked here.
const UNDERSTOOD: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// RFC 4514, as far as it is shown.
pub(crate) fn subject(certificate: &Certificate) -> String {
    shown(&certificate.tbs_certificate.subject.to_string())
}

/// At most 200 characters, and none that nobody sees, that steers a terminal or turns what is read.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| !hidden::is_hidden(*letter)).take(200).collect()
}

pub(crate) fn anchors(file: &[u8]) -> Result<Vec<Vec<u8>>, Unreadable> {
    let malformed = |error: der::Error| Unreadable::Cms(format!("anchor: {error}"));
    let certificates = match file.starts_with(b"-----") {
        true => Certificate::load_pem_chain(file).map_err(malformed)?,
        false => vec![Certificate::from_der(file).map_err(malformed)?],
    };
    if certificates.len() > ANCHORS_MAX {
        return Err(Unreadable::TooLarge { max: ANCHORS_MAX });
    }
    certificates.iter().map(|certificate| certificate.to_der().map_err(malformed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_nothing_is_shown_that_nobody_sees() {
        let hidden = "\u{1b}\u{ad}\u{200b}\u{200e}\u{202e}\u{2060}\u{2066}\u{feff}\u{e0041}";
        assert_eq!(shown(&format!("CN=Ag{hidden}ency")), "CN=Agency");
        assert_eq!(shown("CN=دادگاه نمی\u{200c}خواهم"), "CN=دادگاه نمی\u{200c}خواهم");
        assert_eq!(shown(&"x".repeat(300)).len(), 200);
    }
}
