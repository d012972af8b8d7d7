//! Wycheproof's Ed25519 vectors through [`VerifierKey`]: one answer for each, the published one.
//!
//! `verify_strict` refuses more than RFC 8032 section 5.1.7 allows an implementation to take: R and
//! public keys of small order. No vector marked valid has either, so strictness changes no
//! published answer; the second test says so for each key. What strictness does change is shown on
//! the identity as public key, under which every message would have the same valid signature.

mod common;

use serde::Deserialize;
use tlog::note::{InvalidKey, KeyName, VerifierKey};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    public_key: PublicKey,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct PublicKey {
    pk: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    tc_id: u32,
    comment: String,
    msg: String,
    sig: String,
    result: String,
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hex") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn key(public: &[u8]) -> Result<VerifierKey, InvalidKey> {
    let public = public.try_into().map_err(|_| InvalidKey::PublicKey)?;
    VerifierKey::new(KeyName::new("wycheproof")?, public)
}

fn vectors() -> Vectors {
    serde_json::from_slice(&common::testdata("ed25519_test.json")).expect("vectors are JSON")
}

#[test]
fn wycheproof() {
    let vectors = vectors();
    let mut count = 0;
    for group in vectors.test_groups {
        let key = key(&unhex(&group.public_key.pk));
        for test in group.tests {
            let valid =
                key.as_ref().is_ok_and(|key| key.verify_raw(&unhex(&test.msg), &unhex(&test.sig)));
            assert_eq!(valid, test.result == "valid", "{}: {}", test.tc_id, test.comment);
            count += 1;
        }
    }
    assert_eq!(count, vectors.number_of_tests);
}

#[test]
fn no_published_key_is_refused_as_a_key() {
    // So that a refusal above is a refusal of the signature.
    for group in vectors().test_groups {
        assert!(key(&unhex(&group.public_key.pk)).is_ok(), "{}", group.public_key.pk);
    }
}

#[test]
fn a_key_that_fits_every_message_is_no_key() {
    // The neutral element, y = 1: with S = 0 and R = 1 the cofactored equation holds for any text.
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(key(&identity), Err(InvalidKey::PublicKey));
    // y = -1 and y = 0 have order 2 and 4.
    let mut order_two = [0xff; 32];
    (order_two[0], order_two[31]) = (0xec, 0x7f);
    assert_eq!(key(&order_two), Err(InvalidKey::PublicKey));
    assert_eq!(key(&[0; 32]), Err(InvalidKey::PublicKey));
}

#[test]
fn a_key_has_one_encoding() {
    // y = p + k for k in 0..19 is k written a second way; some of these are points of full order.
    for k in 0..19_u8 {
        let mut unreduced = [0xff; 32];
        (unreduced[0], unreduced[31]) = (0xed + k, 0x7f);
        assert_eq!(key(&unreduced), Err(InvalidKey::PublicKey), "p + {k}");
        unreduced[31] = 0xff;
        assert_eq!(key(&unreduced), Err(InvalidKey::PublicKey), "p + {k}, sign set");
    }
    // y = 2 is not on the curve, y = 3 is, and of full order.
    let mut three = [0; 32];
    three[0] = 3;
    assert!(key(&three).is_ok());
}
