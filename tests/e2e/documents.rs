//! Signatures of authorities, made here by OpenSSL: added to a request, checked again from a bundle, and what
//! becomes of those that do not hold.

#![allow(clippy::unwrap_used, reason = "a step that cannot be taken has failed")]

use std::{fs, path::Path};

use remit_tests::{
    collector::Collector,
    network::Network,
    person::Person,
    process::{Programs, run},
};

const REQUEST: &str = r#"
[[request]]
id = "court/1"
instrument = "court_order_final"
form = "letter"
from = 2026-01-01T00:00:00Z
authority = { name = "Regional Court" }
territories = ["DE"]
techniques = ["ip_acl_drop"]
targets = ["ip:192.0.2.7"]
"#;

struct World {
    _network: Network,
    _collector: Collector,
    operator: Person,
    assessor: Person,
}

impl World {
    fn new(dir: &Path) -> Self {
        let programs = Programs::built().unwrap();
        let network = Network::new().unwrap();
        let collector =
            Collector::start(&network, &programs, &dir.join("collector"), 8443).unwrap();
        let enrol = |id: &str, role: &str| {
            Person::enrol(&network, &programs, &collector, id, role, &dir.join(id)).unwrap()
        };
        let operator = enrol("person-1", "operator");
        let assessor = enrol("assessor-1", "assessor");
        Self { _network: network, _collector: collector, operator, assessor }
    }
}

/// A folder in which an authority signs.
struct Court<'a>(&'a Path);

impl Court<'_> {
    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn anchor(&self, name: &str) {
        let (key, pem) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.pem")));
        let subject = format!("/CN={name}");
        run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                &key,
                "-out",
                &pem,
                "-subj",
                &subject,
                "-days",
                "30",
                "-addext",
                "keyUsage=critical,keyCertSign",
            ],
        )
        .unwrap();
    }

    fn clerk(&self, anchor: &str) {
        let file = |name: &str| self.path(name);
        let (csr, ext) = (file("clerk.csr"), file("clerk.ext"));
        fs::write(&ext, "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n").unwrap();
        run(
            "openssl",
            &[
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                &file("clerk.key"),
                "-out",
                &csr,
                "-subj",
                "/O=Regional Court/CN=Clerk",
            ],
        )
        .unwrap();
        run(
            "openssl",
            &[
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &file(&format!("{anchor}.pem")),
                "-CAkey",
                &file(&format!("{anchor}.key")),
                "-CAcreateserial",
                "-out",
                &file("clerk.pem"),
                "-extfile",
                &ext,
                "-days",
                "30",
            ],
        )
        .unwrap();
    }

    fn signs(&self, document: &str, signature: &str, digest: &str) {
        run(
            "openssl",
            &[
                "cms",
                "-sign",
                "-binary",
                "-in",
                &self.path(document),
                "-outform",
                "DER",
                "-signer",
                &self.path("clerk.pem"),
                "-inkey",
                &self.path("clerk.key"),
                "-out",
                &self.path(signature),
                "-md",
                digest,
            ],
        )
        .unwrap();
    }
}

#[test]
fn an_authority_signs_and_everybody_with_the_anchor_can_see_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path());
    let court = Court(dir.path());
    court.anchor("state");
    court.anchor("other");
    court.clerk("state");
    fs::write(dir.path().join("order.txt"), "The pages are to be blocked.\n").unwrap();
    fs::write(dir.path().join("tampered.txt"), "All pages are to be blocked.\n").unwrap();
    fs::write(dir.path().join("second.txt"), "And those that copy them.\n").unwrap();
    court.signs("order.txt", "order.p7s", "sha256");
    court.signs("second.txt", "second.p7s", "sha1");
    let path = |name: &str| court.path(name);
    let (order, signature, state) = (path("order.txt"), path("order.p7s"), path("state.pem"));

    // Without a collector: whoever holds document, signature and anchor.
    let checks = |document: &str, signature: &str, anchor: &str, at: &str| {
        let (document, signature, anchor) = (path(document), path(signature), path(anchor));
        let flags = ["--signature", &signature, "--anchor", &anchor, "--at", at];
        let arguments = [&["requests", "document", "check", &document][..], &flags].concat();
        world.assessor.tried(&arguments)
    };
    for (document, signature, anchor, at, code, words) in [
        ("order.txt", "order.p7s", "state.pem", "0m", 0, "valid, signed by CN=Clerk"),
        ("tampered.txt", "order.p7s", "state.pem", "0m", 1, "another one than was signed"),
        ("order.txt", "order.p7s", "other.pem", "0m", 3, "no anchor leads to its signer"),
        ("order.txt", "order.p7s", "state.pem", "2099-01-01", 1, "was not valid then"),
        ("second.txt", "second.p7s", "state.pem", "0m", 1, "SHA-1"),
    ] {
        let (found, text) = checks(document, signature, anchor, at);
        assert_eq!(
            (found, text.contains(words)),
            (Some(code), true),
            "{document} {anchor}: {text}"
        );
    }

    fs::write(dir.path().join("requests.toml"), REQUEST).unwrap();
    world.operator.remit(&["requests", "import", &path("requests.toml")]).unwrap();
    // A signature that does not hold is kept, and proves a document.
    let second = [
        "requests",
        "document",
        "add",
        "court/1",
        &path("second.txt"),
        "--signature",
        &path("second.p7s"),
        "--anchor",
        &state,
    ];
    let (code, text) = world.operator.tried(&second);
    assert_eq!((code, text.contains("proved by document_held")), (Some(0), true), "{text}");
    let first = [
        "requests",
        "document",
        "add",
        "court/1",
        &order,
        "--signature",
        &signature,
        "--anchor",
        &state,
    ];
    // Before anybody had the anchor; the same document is then the signed one.
    let unchecked = &first[..first.len() - 2];
    let (code, text) = world.operator.tried(unchecked);
    assert_eq!((code, text.contains("proved by document_held")), (Some(0), true), "{text}");
    let (code, text) = world.operator.tried(unchecked);
    assert_eq!((code, text.contains("--anchor FILE checks it")), (Some(2), true), "{text}");
    let (code, text) = world.operator.tried(&first);
    assert_eq!((code, text.contains("proved by authority_signed")), (Some(0), true), "{text}");
    let said = "not checked: whether the document asks what the request says";
    assert!(text.contains(said) && text.contains("the document itself stays"), "{text}");
    let (code, text) = world.operator.tried(&first);
    assert_eq!((code, text.contains("has this document already")), (Some(2), true), "{text}");
    let page = world.operator.remit(&["requests", "show", "court/1"]).unwrap();
    for words in
        ["signature valid (valid, signed by CN=Clerk", "documents: shown to you; restricted"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }

    // The file of before knows of no document, and takes none away.
    let (code, text) = world.operator.tried(&["requests", "import", &path("requests.toml")]);
    assert_eq!((code, text.contains("1 unchanged")), (Some(0), true), "{text}");

    // From a bundle, without the document.
    let bundle = path("bundle.tar");
    world.assessor.remit(&["export", "--clearance", "restricted", "-o", &bundle]).unwrap();
    let verified = |anchor: &str| {
        let anchor = path(anchor);
        let arguments = ["verify", &bundle, "--quorum", "none", "--anchor", &anchor];
        world.assessor.tried(&arguments)
    };
    let (code, report) = verified("state.pem");
    assert_eq!(code, Some(0), "{report}");
    // The first document stands in two versions, in the first of them unchecked; the second in three.
    let words =
        "1 signatures of authorities hold under the anchors given; 4 are kept, and nobody says";
    assert!(report.contains(words), "{report}");
    let (code, report) = verified("other.pem");
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("of 1 that the register calls valid no anchor given"), "{report}");
}
