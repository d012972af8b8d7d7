//! `SignedData` of RFC 5652, section 5: detached, with signed attributes.

use cms::{
    cert::CertificateChoices,
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use der::{
    Decode, Encode, Tag,
    asn1::{ObjectIdentifier, OctetStringRef},
};
use x509_cert::{Certificate, ext::pkix::SubjectKeyIdentifier};

use crate::{
    Invalid, Kept, Status, Unreadable,
    algorithm::{self, Digest},
    chain::{self, Budget, Failure},
};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
// RFC 5652, section 11.
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

fn read(bytes: &[u8]) -> der::Result<SignedData> {
    let info = ContentInfo::from_der(bytes)?;
    if info.content_type != SIGNED_DATA {
        return Err(Tag::Sequence.value_error());
    }
    info.content.decode_as()
}

/// By which the content is digested, of the first signer; `None`: by none that counts.
pub(crate) fn digest_algorithm(bytes: &[u8]) -> Result<Option<Digest>, Unreadable> {
    let signed = read(bytes).map_err(|error| Unreadable::Cms(error.to_string()))?;
    let signer = signed.signer_infos.0.iter().next();
    let signer = signer.ok_or_else(|| Unreadable::Cms("it has no signer".to_owned()))?;
    Ok(Digest::read(signer.digest_alg.oid).ok())
}

/// One signer that holds is enough; else the first speaks.
pub(crate) fn check(kept: &Kept, anchors: &[Vec<u8>], at_s: i64) -> Result<Status, Status> {
    let signed = read(&kept.cms).map_err(|_| Status::Unsupported("not CMS in DER".to_owned()))?;
    if signed.encap_content_info.econtent.is_some() {
        return Err(Status::Unsupported("a signature that holds its own content".to_owned()));
    }
    if signed.encap_content_info.econtent_type != DATA {
        let what = format!("content of the type {}", signed.encap_content_info.econtent_type);
        return Err(Status::Unsupported(what));
    }
    let mut embedded = Vec::new();
    for choice in signed.certificates.iter().flat_map(|set| set.0.iter()) {
        if let CertificateChoices::Certificate(certificate) = choice {
            embedded.push(certificate.clone());
        }
    }
    let (mut first, mut budget) = (None, Budget::default());
    for signer in signed.signer_infos.0.iter() {
        match check_signer(signer, &embedded, kept, (anchors, at_s), &mut budget) {
            Ok(status) => return Ok(status),
            Err(status) => drop(first.get_or_insert(status)),
        }
    }
    Err(first.unwrap_or(Status::Invalid(Invalid::Structure("it has no signer"))))
}

fn check_signer(
    signer: &SignerInfo,
    embedded: &[Certificate],
    kept: &Kept,
    (anchors, at_s): (&[Vec<u8>], i64),
    budget: &mut Budget,
) -> Result<Status, Status> {
    let digest = Digest::read(signer.digest_alg.oid)?;
    let attributes = signer
        .signed_attrs
        .as_ref()
        .ok_or_else(|| Status::Unsupported("a signature without signed attributes".to_owned()))?;
    let structure = |what| Status::Invalid(Invalid::Structure(what));
    let single = |wanted: ObjectIdentifier, what: &'static str| {
        let mut found = attributes.iter().filter(|attribute| attribute.oid == wanted);
        let (one, more) = (found.next(), found.next());
        let one = one.filter(|one| more.is_none() && one.values.len() == 1);
        one.and_then(|one| one.values.get(0)).ok_or(structure(what))
    };
    let content_type = single(CONTENT_TYPE, "content-type attribute")?;
    let content_type: ObjectIdentifier =
        content_type.decode_as().map_err(|_| structure("content-type attribute"))?;
    if content_type != DATA {
        return Err(structure("content-type attribute"));
    }
    let stated = single(MESSAGE_DIGEST, "message-digest attribute")?;
    let stated: OctetStringRef<'_> =
        stated.decode_as().map_err(|_| structure("message-digest attribute"))?;
    if stated.as_bytes() != kept.content_digest {
        return Err(Status::Invalid(Invalid::OtherDocument));
    }
    let anchored: Vec<Certificate> =
        anchors.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let mut named = embedded
        .iter()
        .chain(&anchored)
        .filter(|one| is_of(&signer.sid, one))
        .take(NAMED_MAX)
        .peekable();
    if named.peek().is_some() && !kept.whole {
        return Err(Status::Invalid(Invalid::NotWhole));
    }
    // RFC 5652, section 5.4: the DER of a SET OF, whatever tag it has inside the structure.
    let message = attributes.to_der().map_err(|_| structure("signed attributes"))?;
    let mut failed: Option<Failure> = None;
    for certificate in named {
        budget.spend()?;
        let stands = algorithm::verify(
            &certificate.tbs_certificate.subject_public_key_info,
            &signer.signature_algorithm,
            Some(digest),
            &message,
            signer.signature.as_bytes(),
        )
        .and_then(|()| chain::signs(certificate))
        .map_err(Failure::from)
        .and_then(|()| chain::path(certificate, embedded, anchors, at_s, budget));
        match stands {
            Ok(anchor) => {
                return Ok(Status::Valid { signer: chain::subject(certificate), anchor });
            }
            Err(failure) => failure.joins(&mut failed),
        }
    }
    Err(failed.map_or(Status::Unchecked, |failure| failure.status))
}

/// A key identifier names every certificate that was issued for the key: the renewed one, and the former one.
const NAMED_MAX: usize = 16;

fn is_of(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    let tbs = &certificate.tbs_certificate;
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            id.issuer == tbs.issuer && id.serial_number == tbs.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            let held = tbs.get::<SubjectKeyIdentifier>();
            held.is_ok_and(|held| held.is_some_and(|(_, held)| held == *id))
        }
    }
}
