//! The request for a certificate: PKCS#10 (RFC 2986) for one kind of key, and one that says nothing.
//!
//! Everything in it but the public key and the signature is the same each time, so that it is written out
//! here; a library for the general case is larger on a router than all of this crate.

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use crate::TlsKeyError;

/// `SEQUENCE { OID ecdsa-with-SHA256 }` (RFC 5758 section 3.2).
const ALGORITHM: [u8; 12] =
    [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// Up to the public key: version 0, the subject, and `SubjectPublicKeyInfo` of P-256 (RFC 5480). Who this
/// is the collector knows and puts into the certificate; the subject is `CN=enrolment`.
const BEFORE_KEY: &[u8] = b"\x02\x01\x00\
    \x30\x14\x31\x12\x30\x10\x06\x03\x55\x04\x03\x0c\x09enrolment\
    \x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// No attributes.
const AFTER_KEY: &[u8] = b"\xa0\x00";

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// DER.
pub(crate) fn certificate_request(key: &EcdsaKeyPair) -> Result<Vec<u8>, TlsKeyError> {
    let info = tagged(SEQUENCE, &[BEFORE_KEY, key.public_key().as_ref(), AFTER_KEY].concat());
    let signature = key.sign(&SystemRandom::new(), &info).map_err(|_| TlsKeyError::Random)?;
    let signature = tagged(BIT_STRING, &[&[0], signature.as_ref()].concat());
    Ok(tagged(SEQUENCE, &[&info[..], &ALGORITHM, &signature].concat()))
}

/// Tag, length, content. Nothing here is longer than 255 bytes.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let mut der = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    der.extend(content);
    der
}

/// A new key, PKCS#8.
pub(crate) fn generate() -> Result<Vec<u8>, TlsKeyError> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    Ok(key.map_err(|_| TlsKeyError::Random)?.as_ref().to_vec())
}

pub(crate) fn key_pair(pkcs8: &[u8]) -> Result<EcdsaKeyPair, TlsKeyError> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new())
        .map_err(|_| TlsKeyError::Key)
}

#[cfg(test)]
mod tests {
    use rcgen::CertificateSigningRequestParams;

    use super::*;

    #[test]
    fn another_library_reads_it_and_finds_the_signature_right() {
        let key = key_pair(&generate().unwrap()).unwrap();
        let der = certificate_request(&key).unwrap();
        let read = CertificateSigningRequestParams::from_der(&der.as_slice().into()).unwrap();
        assert_eq!(rcgen::PublicKeyData::der_bytes(&read.public_key), key.public_key().as_ref());
        let mut altered = der.clone();
        // A byte of the subject: what was signed is another thing.
        altered[20] ^= 1;
        assert!(CertificateSigningRequestParams::from_der(&altered.as_slice().into()).is_err());
    }
}
