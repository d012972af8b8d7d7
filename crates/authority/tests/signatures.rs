//! Signatures that OpenSSL made, and what becomes of them: `testdata/README.md`.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be read is a mistake in the test")]

use authority::{Form, Invalid, Kept, Status, anchors, check, detached, in_pdf};
use cms::{cert::CertificateChoices, content_info::ContentInfo, signed_data::SignedData};
use der::{Any, Decode, Encode};
use x509_cert::Certificate;

/// 1 January 2028.
const THEN: i64 = 1_830_297_600;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn under(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().flat_map(|name| anchors(&file(name)).unwrap()).collect()
}

fn kept(name: &str) -> Kept {
    detached(&file("order.txt"), &file(name)).unwrap()
}

fn status(name: &str, anchors: &[&str]) -> Status {
    check(&kept(name), &under(anchors), THEN)
}

#[track_caller]
fn valid(name: &str, anchor: &str) {
    match status(name, &["other.pem", anchor]) {
        Status::Valid { anchor: found, .. } => {
            assert_eq!(found, authority::digest(&under(&[anchor])[0]), "{name}");
        }
        other => panic!("{name}: {other}"),
    }
}

#[track_caller]
fn unsupported(name: &str, words: &str) {
    match status(name, &["root.pem"]) {
        Status::Unsupported(what) => assert!(what.contains(words), "{name}: {what}"),
        other => panic!("{name}: {other}"),
    }
}

#[test]
fn what_an_authority_signed_holds_under_its_anchor() {
    for name in ["court.p7s", "court512.p7s", "pss.p7s", "ski.p7s", "below.p7s"] {
        valid(name, "root.pem");
    }
    valid("ec.p7s", "ecroot.pem");
    let Status::Valid { signer, .. } = status("court.p7s", &["root.pem"]) else { panic!() };
    assert_eq!(signer, "CN=court,O=Court,C=DE");
}

#[test]
fn another_document_was_not_signed() {
    let mut document = file("order.txt");
    document[0] ^= 1;
    let kept = detached(&document, &file("court.p7s")).unwrap();
    assert_eq!(check(&kept, &under(&["root.pem"]), THEN), Status::Invalid(Invalid::OtherDocument));
}

#[test]
fn every_single_bit_of_a_signature_counts() {
    let whole = file("court.p7s");
    let (anchors, document) = (under(&["root.pem"]), file("order.txt"));
    // The last 256 bytes are the signature itself.
    for at in whole.len() - 256..whole.len() {
        let mut cms = whole.clone();
        cms[at] ^= 0x10;
        let kept = detached(&document, &cms).unwrap();
        assert_eq!(
            check(&kept, &anchors, THEN),
            Status::Invalid(Invalid::BadSignature),
            "byte {at}"
        );
    }
    // And no change of the rest makes another one that holds for another signer or anchor.
    let good = status("court.p7s", &["root.pem"]);
    for at in 0..whole.len() - 256 {
        let mut cms = whole.clone();
        cms[at] ^= 1;
        if let Ok(kept) = detached(&document, &cms) {
            let now = check(&kept, &anchors, THEN);
            assert!(now == good || !matches!(now, Status::Valid { .. }), "byte {at}: {now}");
        }
    }
}

#[test]
fn without_an_anchor_nothing_is_said() {
    assert_eq!(status("court.p7s", &[]), Status::Unchecked);
    assert_eq!(status("court.p7s", &["other.pem"]), Status::Unchecked);
}

#[test]
fn a_certificate_counts_while_it_is_valid() {
    let anchors = under(&["root.pem"]);
    for at_s in [1_577_836_800, 2_524_608_000] {
        let status = check(&kept("court.p7s"), &anchors, at_s);
        assert!(matches!(status, Status::Invalid(Invalid::NotValidThen { .. })), "{status}");
    }
}

#[test]
fn what_is_broken_or_too_short_proves_nothing() {
    assert_eq!(status("sha1.p7s", &["root.pem"]), Status::Invalid(Invalid::WeakDigest("SHA-1")));
    assert_eq!(
        status("small.p7s", &["root.pem"]),
        Status::Invalid(Invalid::WeakKey { bits: 1024 })
    );
}

#[test]
fn a_certificate_does_what_it_is_for() {
    for (name, subject) in [("cipher.p7s", "CN=cipher"), ("forged.p7s", "CN=court")] {
        let status = status(name, &["root.pem"]);
        let Status::Invalid(Invalid::NotPermitted { subject: found }) = status else {
            panic!("{name}: {status}");
        };
        assert!(found.starts_with(subject), "{name}: {found}");
    }
}

#[test]
fn a_name_is_not_a_key() {
    // It may stand under another anchor of that name, which nobody brought: an authority that renewed its key,
    // or somebody who took its name. Neither is known here.
    assert_eq!(status("faked.p7s", &["root.pem"]), Status::Unchecked);
    // Nor by a key of another kind.
    assert_eq!(status("faked.p7s", &["ecnamed.pem"]), Status::Unchecked);
    // One that fits is found beside it.
    valid("court.p7s", "root.pem");
    let both = ["ecnamed.pem", "root.pem"];
    assert!(matches!(status("court.p7s", &both), Status::Valid { .. }));
}

#[test]
fn the_former_certificate_of_an_authority_says_nothing_against_the_renewed_one() {
    let ran_out = |status: Status| match status {
        Status::Invalid(Invalid::NotValidThen { subject, .. }) => subject,
        other => panic!("{other}"),
    };
    // An anchor.
    for anchors in [["former.pem", "renewed.pem"], ["renewed.pem", "former.pem"]] {
        let Status::Valid { anchor, .. } = status("twin.p7s", &anchors) else { panic!() };
        assert_eq!(anchor, authority::digest(&under(&["renewed.pem"])[0]));
    }
    assert_eq!(ran_out(status("twin.p7s", &["former.pem"])), "CN=renewed,O=Test,C=DE");
    // An issuer beside the signature.
    for anchors in [&["renewed.pem"][..], &["former.pem", "renewed.pem"]] {
        let status = status("twins.p7s", anchors);
        assert!(matches!(status, Status::Valid { .. }), "{status}");
    }
    assert_eq!(ran_out(status("twins30.p7s", &["renewed.pem"])), "CN=issuer");
    // Where no anchor is given it is not known which of the two would have led to it.
    assert_eq!(status("twins.p7s", &["other.pem"]), Status::Unchecked);
    // While both were valid, either will do.
    let both = under(&["former.pem", "renewed.pem"]);
    let then = check(&kept("twins30.p7s"), &both, 1_796_600_000);
    assert!(matches!(then, Status::Valid { .. }), "{then}");
}

/// A signature with more certificates beside it.
fn beside(name: &str, more: &[&str]) -> Kept {
    let info = ContentInfo::from_der(&file(name)).unwrap();
    let mut signed: SignedData = info.content.decode_as().unwrap();
    let set = signed.certificates.as_mut().unwrap();
    for der in under(more) {
        let certificate = Certificate::from_der(&der).unwrap();
        set.0.insert(CertificateChoices::Certificate(certificate)).unwrap();
    }
    let content = Any::encode_from(&signed).unwrap();
    let cms = ContentInfo { content, ..info }.to_der().unwrap();
    detached(&file("order.txt"), &cms).unwrap()
}

#[test]
fn roots_that_issue_each_other_lead_nowhere_and_not_for_ever() {
    let kept = beside("twin.p7s", &["former.pem", "renewed.pem"]);
    // Both are valid.
    let then = 1_796_600_000;
    assert_eq!(check(&kept, &under(&["other.pem"]), then), Status::Unchecked);
    let status = check(&kept, &under(&["renewed.pem"]), then);
    assert!(matches!(status, Status::Valid { .. }), "{status}");
}

#[test]
fn an_issuer_may_say_how_many_may_stand_below_it() {
    valid("near.p7s", "short.pem");
    // One issuer between, where none may be.
    let refused = status("far.p7s", &["short.pem"]);
    let Status::Invalid(Invalid::NotPermitted { subject }) = refused else { panic!("{refused}") };
    assert_eq!(subject, "CN=short,O=Test,C=DE");
    // Under an anchor that states no limit nothing is in the way.
    valid("far.p7s", "between.pem");
    valid("below.p7s", "root.pem");
}

#[test]
fn what_is_not_looked_at_says_so() {
    unsupported("plain.p7s", "without signed attributes");
    unsupported("whole.p7s", "holds its own content");
    unsupported("psslong.p7s", "a salt of 222 bytes");
    unsupported("brainpool.p7s", "the curve 1.3.36.3.3.2.8.1.1.7");
    assert!(detached(b"", b"not DER").is_err());
}

#[test]
fn a_signature_in_a_pdf_file_holds_for_the_whole_of_it() {
    let pdf = file("order.pdf");
    let kept = in_pdf(&pdf).unwrap();
    assert_eq!((kept.form, kept.whole), (Form::Pdf, true));
    let root = under(&["root.pem"]);
    assert!(matches!(check(&kept, &root, THEN), Status::Valid { .. }));

    let changed: Vec<u8> = String::from_utf8_lossy(&pdf).replace("Catalog", "Katalog").into_bytes();
    let kept = in_pdf(&changed).unwrap();
    assert_eq!(check(&kept, &root, THEN), Status::Invalid(Invalid::OtherDocument));
}

#[test]
fn what_was_added_to_a_pdf_file_afterwards_is_not_signed() {
    let mut pdf = file("order.pdf");
    pdf.extend_from_slice(b"4 0 obj\n<</Type/Page>>\nendobj\n%%EOF\n");
    let kept = in_pdf(&pdf).unwrap();
    assert_eq!(check(&kept, &under(&["root.pem"]), THEN), Status::Invalid(Invalid::NotWhole));
}

#[test]
fn a_byte_range_that_leaves_something_out_is_refused() {
    let pdf = String::from_utf8(file("order.pdf")).unwrap();
    let range = pdf.split("/ByteRange [").nth(1).unwrap().split(']').next().unwrap().to_owned();
    let numbers: Vec<usize> = range.split(' ').map(|n| n.parse().unwrap()).collect();
    for (at, by) in [(0, 1), (1, 1), (2, 1), (3, 1_000_000), (1, 1_000_000)] {
        let mut numbers = numbers.clone();
        numbers[at] += by;
        let other: Vec<String> = numbers.iter().map(|n| format!("{n:010}")).collect();
        let changed = pdf.replace(&range, &other.join(" "));
        let read = in_pdf(changed.as_bytes());
        assert!(read.is_err(), "{other:?}: {read:?}");
    }
    for other in ["", "0 1", "a b c d", "0 1 2 3 4", "-1 2 3 4"] {
        let read = in_pdf(pdf.replace(&range, other).as_bytes());
        assert!(read.is_err(), "{other:?}: {read:?}");
    }
    assert!(in_pdf(b"%PDF-1.7\n%%EOF\n").is_err());
}
