//! Which digest and which key go together, and what `ring` calls the pair.

use der::{
    AnyRef, Decode, Reader, SliceReader, Tag, Tagged,
    asn1::{ObjectIdentifier, UintRef},
};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::{Invalid, Status};

/// The digests that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    pub(crate) fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                parts.iter().fold(Sha256::new(), |d, p| d.chain_update(p)).finalize().to_vec()
            }
            Self::Sha384 => {
                parts.iter().fold(Sha384::new(), |d, p| d.chain_update(p)).finalize().to_vec()
            }
            Self::Sha512 => {
                parts.iter().fold(Sha512::new(), |d, p| d.chain_update(p)).finalize().to_vec()
            }
        }
    }

    fn size(self) -> u32 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub(crate) fn read(oid: ObjectIdentifier) -> Result<Self, Status> {
        match oid {
            SHA256 => Ok(Self::Sha256),
            SHA384 => Ok(Self::Sha384),
            SHA512 => Ok(Self::Sha512),
            SHA1 | SHA1_WITH_RSA | ECDSA_WITH_SHA1 => Err(weak("SHA-1")),
            MD5 | MD5_WITH_RSA => Err(weak("MD5")),
            other => Err(Status::Unsupported(format!("the digest {other}"))),
        }
    }
}

fn weak(name: &'static str) -> Status {
    Status::Invalid(Invalid::WeakDigest(name))
}

/// Checks a signature over a message by a certificate's key. `digest`: what a bare key algorithm
/// (`rsaEncryption` in CMS) is used with.
pub(crate) fn verify(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    digest: Option<Digest>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Status> {
    let by = pair(key, algorithm, digest)?;
    let bits = key.subject_public_key.as_bytes().ok_or(Status::Invalid(Invalid::BadSignature))?;
    if matches!(key.algorithm.oid, RSA | RSA_PSS) {
        let bits = modulus_bits(bits).ok_or(Status::Invalid(Invalid::Structure("RSA key")))?;
        if bits < 2048 {
            return Err(Status::Invalid(Invalid::WeakKey { bits }));
        }
        if bits > 8192 {
            return Err(Status::Unsupported(format!("an RSA key of {bits} bits")));
        }
    }
    UnparsedPublicKey::new(by, bits)
        .verify(message, signature)
        .map_err(|_| Status::Invalid(Invalid::BadSignature))
}

/// Whether a key is of the kind with which a signature by the algorithm is made.
pub(crate) fn suits(key: &SubjectPublicKeyInfoOwned, algorithm: &AlgorithmIdentifierOwned) -> bool {
    let key = key.algorithm.oid;
    match algorithm.oid {
        MD5_WITH_RSA | SHA1_WITH_RSA | SHA256_WITH_RSA | SHA384_WITH_RSA | SHA512_WITH_RSA => {
            key == RSA
        }
        RSA_PSS => matches!(key, RSA | RSA_PSS),
        ECDSA_WITH_SHA1 | ECDSA_WITH_SHA256 | ECDSA_WITH_SHA384 | ECDSA_WITH_SHA512 => key == EC,
        ED25519 => key == ED25519,
        // What is not known here may suit anything.
        _ => true,
    }
}

fn pair(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    digest: Option<Digest>,
) -> Result<&'static dyn VerificationAlgorithm, Status> {
    let unsupported = || Status::Unsupported(format!("the signature algorithm {}", algorithm.oid));
    let rsa = matches!(key.algorithm.oid, RSA);
    let curve = || -> Option<ObjectIdentifier> {
        let parameters = key.algorithm.parameters.as_ref()?;
        parameters.decode_as().ok().filter(|_| key.algorithm.oid == EC)
    };
    match algorithm.oid {
        SHA1_WITH_RSA | ECDSA_WITH_SHA1 => Err(weak("SHA-1")),
        MD5_WITH_RSA => Err(weak("MD5")),
        RSA if rsa => Ok(rsa_by(digest.ok_or_else(unsupported)?)),
        SHA256_WITH_RSA if rsa => Ok(rsa_by(Digest::Sha256)),
        SHA384_WITH_RSA if rsa => Ok(rsa_by(Digest::Sha384)),
        SHA512_WITH_RSA if rsa => Ok(rsa_by(Digest::Sha512)),
        RSA_PSS if matches!(key.algorithm.oid, RSA | RSA_PSS) => match pss_digest(algorithm)? {
            Digest::Sha256 => Ok(&signature::RSA_PSS_2048_8192_SHA256),
            Digest::Sha384 => Ok(&signature::RSA_PSS_2048_8192_SHA384),
            Digest::Sha512 => Ok(&signature::RSA_PSS_2048_8192_SHA512),
        },
        ECDSA_WITH_SHA256 | ECDSA_WITH_SHA384 | ECDSA_WITH_SHA512 => {
            match (curve(), algorithm.oid) {
                (Some(P256), ECDSA_WITH_SHA256) => Ok(&signature::ECDSA_P256_SHA256_ASN1),
                (Some(P256), ECDSA_WITH_SHA384) => Ok(&signature::ECDSA_P256_SHA384_ASN1),
                (Some(P384), ECDSA_WITH_SHA256) => Ok(&signature::ECDSA_P384_SHA256_ASN1),
                (Some(P384), ECDSA_WITH_SHA384) => Ok(&signature::ECDSA_P384_SHA384_ASN1),
                (Some(curve), _) => {
                    Err(Status::Unsupported(format!("the curve {curve} with {}", algorithm.oid)))
                }
                (None, _) => Err(unsupported()),
            }
        }
        ED25519 if key.algorithm.oid == ED25519 => Ok(&signature::ED25519),
        _ => Err(unsupported()),
    }
}

fn rsa_by(digest: Digest) -> &'static dyn VerificationAlgorithm {
    match digest {
        Digest::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Digest::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Digest::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

/// RFC 4055, section 3.1: `RSASSA-PSS-params`; a digest that is not stated is SHA-1. `ring` takes the mask
/// function over the same digest and a salt of its length, which is what authorities use; with others the
/// signature may be good, and is not looked at.
fn pss_digest(algorithm: &AlgorithmIdentifierOwned) -> Result<Digest, Status> {
    let Some(parameters) = &algorithm.parameters else { return Err(weak("SHA-1")) };
    let malformed = |_| Status::Invalid(Invalid::Structure("RSASSA-PSS parameters"));
    let mut fields = SliceReader::new(parameters.value()).map_err(malformed)?;
    let (mut digest, mut mask, mut salt) = (None, None, 20_u32);
    while !fields.is_finished() {
        let field = AnyRef::decode(&mut fields).map_err(malformed)?;
        let Tag::ContextSpecific { constructed: true, number } = field.tag() else {
            return Err(Status::Invalid(Invalid::Structure("RSASSA-PSS parameters")));
        };
        match number.value() {
            0 => {
                let stated =
                    AlgorithmIdentifierOwned::from_der(field.value()).map_err(malformed)?;
                digest = Some(Digest::read(stated.oid)?);
            }
            1 => {
                let stated =
                    AlgorithmIdentifierOwned::from_der(field.value()).map_err(malformed)?;
                let over: Option<AlgorithmIdentifierOwned> =
                    stated.parameters.and_then(|parameters| parameters.decode_as().ok());
                mask = over.and_then(|over| Digest::read(over.oid).ok());
            }
            2 => salt = u32::from_der(field.value()).map_err(malformed)?,
            _ => {}
        }
    }
    let Some(digest) = digest else { return Err(weak("SHA-1")) };
    if mask != Some(digest) || salt != digest.size() {
        return Err(Status::Unsupported(format!("RSASSA-PSS with a salt of {salt} bytes")));
    }
    Ok(digest)
}

/// RFC 8017, A.1.1: `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }`.
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(key).ok()?;
    let modulus = reader
        .sequence(|fields| {
            let modulus = UintRef::decode(fields)?.as_bytes().to_vec();
            UintRef::decode(fields)?;
            Ok(modulus)
        })
        .ok()?;
    let first = modulus.first()?;
    Some(modulus.len() * 8 - usize::try_from(first.leading_zeros()).ok()?)
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

// RFC 5754, RFC 8017, RFC 5480, RFC 8410.
const SHA1: ObjectIdentifier = oid("1.3.14.3.2.26");
const MD5: ObjectIdentifier = oid("1.2.840.113549.2.5");
const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
const MD5_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.4");
const SHA1_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.5");
const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const SHA256_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
const SHA384_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
const EC: ObjectIdentifier = oid("1.2.840.10045.2.1");
const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = oid("1.3.132.0.34");
const ECDSA_WITH_SHA1: ObjectIdentifier = oid("1.2.840.10045.4.1");
const ECDSA_WITH_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = oid("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = oid("1.3.101.112");
