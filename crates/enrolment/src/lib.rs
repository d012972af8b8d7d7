//! What a node and a person do alike to be enrolled, and to stay so.
//!
//! In: a one-time token, and the key that will sign (an agent's tree, a person's statements). Out: a
//! TLS key made here, the request that proves possession of both, and the certificates that come back
//! as PEM. Later: a request for the next certificate, and when it is time for it ([`validity`]).
//!
//! Not done here: files, which each program keeps in its own way (a node resumes a failed enrolment
//! with the keys that it has, a person begins anew); the connection; random numbers of the signing key.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use evidence::statement::enrolment_text;
use remit_proto::v1::{EnrolRequest, RenewRequest};
use ring::signature::EcdsaKeyPair;
use tlog::note::SigningKey;

mod certificate_request;
mod validity;

pub use validity::{Validity, validity};

/// The TLS key or the request for its certificate cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsKeyError {
    #[error("the system has no random numbers for a TLS key")]
    Random,
    #[error("this is no private key of ECDSA P-256 (PKCS#8, PEM)")]
    Key,
}

/// The key of a client certificate: ECDSA P-256, which every TLS library takes.
pub struct TlsKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl TlsKey {
    pub fn generate() -> Result<Self, TlsKeyError> {
        Self::from_pkcs8(certificate_request::generate()?)
    }

    pub fn from_pem(pem: &str) -> Result<Self, TlsKeyError> {
        Self::from_pkcs8(der_of(pem, PRIVATE_KEY).ok_or(TlsKeyError::Key)?)
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Self, TlsKeyError> {
        Ok(Self { pair: certificate_request::key_pair(&pkcs8)?, pkcs8 })
    }

    /// PKCS#8.
    pub fn to_pem(&self) -> String {
        pem(PRIVATE_KEY, &self.pkcs8)
    }
}

/// What is sent. `signer` may have any name: it is not known yet, and not part of what is signed.
pub fn request(
    token: &str,
    signer: &SigningKey,
    tls_key: &TlsKey,
) -> Result<EnrolRequest, TlsKeyError> {
    Ok(EnrolRequest {
        token: token.to_owned(),
        certificate_request: certificate_request::certificate_request(&tls_key.pair)?,
        public_key: signer.verifier().public_bytes().to_vec(),
        proof: signer.sign_raw(enrolment_text(token).as_bytes()).to_vec(),
    })
}

/// What is sent for the next certificate, over a connection with the one that is there. The key stays:
/// one file changes, at once, and not two; whoever has the key could ask for a certificate of another
/// one as well.
pub fn renewal(tls_key: &TlsKey) -> Result<RenewRequest, TlsKeyError> {
    Ok(RenewRequest {
        certificate_request: certificate_request::certificate_request(&tls_key.pair)?,
    })
}

/// The certificates that came back, as one PEM file (RFC 7468).
pub fn chain_pem(certificates: &[Vec<u8>]) -> String {
    certificates.iter().map(|der| pem(CERTIFICATE, der)).collect()
}

const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// The first of this kind in a PEM file (RFC 7468). `None`: there is none.
pub(crate) fn der_of(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (base64, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let base64: String = base64.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(base64).ok()
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so every position is a boundary.
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use tlog::note::KeyName;

    use super::*;

    #[test]
    fn the_request_proves_possession_of_the_signing_key_for_this_token_alone() {
        let signer = SigningKey::new(KeyName::new("any").unwrap(), [7; 32]);
        let request = request("token-1", &signer, &TlsKey::generate().unwrap()).unwrap();
        let proves =
            |token| signer.verifier().verify_raw(enrolment_text(token).as_bytes(), &request.proof);
        assert!(proves("token-1") && !proves("token-2"));
        assert_eq!(request.public_key, signer.verifier().public_bytes());
        assert!(!request.certificate_request.is_empty());
    }

    #[test]
    fn a_key_survives_its_file() {
        let key = TlsKey::generate().unwrap();
        assert_eq!(TlsKey::from_pem(&key.to_pem()).unwrap().to_pem(), key.to_pem());
        assert!(TlsKey::from_pem("no key").is_err());
    }

    #[test]
    fn certificates_become_lines_of_64_in_their_order() {
        let pem = chain_pem(&[vec![0; 60], vec![1; 3]]);
        let lines: Vec<&str> = pem.lines().collect();
        assert_eq!((lines[1].len(), lines[2].len()), (64, 16));
        assert_eq!(
            lines[4..],
            ["-----BEGIN CERTIFICATE-----", "AQEB", "-----END CERTIFICATE-----"]
        );
    }
}
