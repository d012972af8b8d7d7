//! Signatures of authorities in a bundle: under an anchor, under another one, and where they do not hold.

use authority::Kept;
use evidence::{bundle::chunk_name, chunk::chunk_id};
use remit_proto::v1::{RequestPart, SignatureStatus as Status};
use verify::{Files, Options, Outcome, Report};

use crate::operator::{Operator, authority_file, says, trust};

fn kept(name: &str) -> Kept {
    authority::detached(&authority_file("order.txt"), &authority_file(name)).unwrap()
}

fn checked(signed: &Kept, status: Status, anchors: &[&str]) -> Report {
    let mut operator = Operator::honest();
    operator.keeps_signature(signed, status);
    let mut trust = trust(&[]);
    for name in anchors {
        trust.anchors.extend(authority::anchors(&authority_file(name)).unwrap());
    }
    verify::verify(&operator.bundle(), &trust, &Options { quorum_none: true })
}

#[test]
fn one_that_holds_is_counted_and_needs_no_document() {
    let report = checked(&kept("court.p7s"), Status::Valid, &["root.pem"]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    let words = "1 signatures of authorities hold under the anchors given";
    assert!(says(&report, Outcome::Proven, words), "{report}");
}

#[test]
fn without_its_anchor_nothing_is_said_of_it() {
    for anchors in [&[][..], &["other.pem"]] {
        let report = checked(&kept("court.p7s"), Status::Valid, anchors);
        assert_eq!(report.result, Outcome::Proven, "{report}");
        let words = "of 1 that the register calls valid no anchor given leads to the signer";
        assert!(says(&report, Outcome::Proven, words), "{report}");
    }
}

#[test]
fn one_that_is_called_valid_and_is_not_contradicts_the_register() {
    let mut forged = kept("court.p7s");
    if let Some(last) = forged.cms.last_mut() {
        *last ^= 1;
    }
    let report = checked(&forged, Status::Valid, &["root.pem"]);
    assert!(says(&report, Outcome::Contradicted, "not of the signer's key"), "{report}");
    let report = checked(&kept("sha1.p7s"), Status::Valid, &["root.pem"]);
    assert!(says(&report, Outcome::Contradicted, "SHA-1"), "{report}");
    let mut other = kept("court.p7s");
    other.content_digest = vec![1; 32];
    let report = checked(&other, Status::Valid, &["root.pem"]);
    assert!(says(&report, Outcome::Contradicted, "over another document"), "{report}");
}

#[test]
fn one_that_nobody_calls_valid_is_kept_and_no_more() {
    let report = checked(&kept("sha1.p7s"), Status::Invalid, &["root.pem"]);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    assert!(
        says(&report, Outcome::Proven, "1 are kept, and nobody says that they hold"),
        "{report}"
    );
}

#[test]
fn one_in_a_form_that_is_not_looked_at_leaves_the_check_incomplete() {
    for (name, why) in [
        ("psslong.p7s", "a salt of 222 bytes"),
        ("plain.p7s", "without signed attributes"),
        ("brainpool.p7s", "the curve"),
    ] {
        let report = checked(&kept(name), Status::Valid, &["root.pem"]);
        assert_eq!(report.result, Outcome::Incomplete, "{name}: {report}");
        let words = "1 signatures that the register calls valid could not be checked";
        assert!(says(&report, Outcome::Incomplete, words), "{name}: {report}");
        assert!(says(&report, Outcome::Incomplete, why), "{name}: {report}");
        assert!(!says(&report, Outcome::Proven, "signatures of authorities hold"), "{name}");
    }
}

#[test]
fn a_document_is_judged_for_when_it_came_first() {
    let mut operator = Operator::honest();
    operator.keeps_signature(&kept("court.p7s"), Status::Valid);
    // Years before the certificate: a later version repeats the document, whatever it says of itself.
    operator.receives_again(1_577_836_800);
    let mut trust = trust(&[]);
    trust.anchors.extend(authority::anchors(&authority_file("root.pem")).unwrap());
    let options = Options { quorum_none: true };
    let report = verify::verify(&operator.bundle(), &trust, &options);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    assert!(says(&report, Outcome::Proven, "2 signatures of authorities hold"), "{report}");
}

/// After the certificate of the fixtures has run out.
const AFTERWARDS: i64 = 2_208_988_800;

/// A request whose first version closes its documents, and the next one, years later, has them in the clear.
fn disclosed_later(signed: &Kept) -> Operator {
    let mut operator = Operator::honest();
    operator.closes = Some(RequestPart::Documents);
    operator.keeps_signature(signed, Status::Valid);
    operator.closes = None;
    operator.discloses_documents(AFTERWARDS);
    operator
}

fn under_root(files: &Files) -> Report {
    let mut trust = trust(&[]);
    trust.anchors.extend(authority::anchors(&authority_file("root.pem")).unwrap());
    verify::verify(files, &trust, &Options { quorum_none: true })
}

#[test]
fn a_document_that_an_unseen_version_may_have_brought_is_held_against_nobody() {
    let operator = disclosed_later(&kept("court.p7s"));
    let mut files = operator.bundle();
    // Whoever sees the first version sees when it came.
    let report = under_root(&files);
    assert_eq!(report.result, Outcome::Proven, "{report}");
    assert!(says(&report, Outcome::Proven, "2 signatures of authorities hold"), "{report}");
    for chunk in &operator.closed {
        assert!(files.remove(&chunk_name(&chunk_id(chunk))).is_some());
    }
    let report = under_root(&files);
    assert_eq!(report.result, Outcome::Incomplete, "{report}");
    let words =
        "1 signatures that the register calls valid could not be checked: an earlier version";
    assert!(says(&report, Outcome::Incomplete, words), "{report}");
    // What never held is contradicted all the same.
    let mut forged = kept("court.p7s");
    if let Some(last) = forged.cms.last_mut() {
        *last ^= 1;
    }
    let operator = disclosed_later(&forged);
    let mut files = operator.bundle();
    for chunk in &operator.closed {
        files.remove(&chunk_name(&chunk_id(chunk)));
    }
    let report = under_root(&files);
    assert!(says(&report, Outcome::Contradicted, "not of the signer's key"), "{report}");
}
