//! Who sees what of a request that is partly closed: by role, by tier, with and without clearance in a
//! bundle, after its secrecy has ended, and after it was erased.

#![allow(clippy::unwrap_used, reason = "a step that cannot be taken has failed")]

use std::{fs, path::Path};

use remit_tests::{collector::Collector, network::Network, person::Person, process::Programs};

const REQUESTS: &str = r#"
[[request]]
id = "court/1"
instrument = "court_order_final"
form = "letter"
from = 2026-01-01T00:00:00Z
authority = { name = "Regional Court", officer = { name = "N. N.", role = "clerk" } }
statement_of_reasons = "the pages are those of the second schedule"
territories = ["DE"]
techniques = ["ip_acl_drop"]
targets = ["ip:192.0.2.7"]
closed = [
  { part = "targets", tier = "secret", until = 2099-01-01T00:00:00Z, ground = "order, no. 4" },
  { part = "reference", tier = "secret", until = 2026-02-01T00:00:00Z },
]
external_ref = "4 K 17/26"
"#;

const UNSEEN: &str = r#"
[[request]]
id = "court/2"
instrument = "court_order_final"
form = "letter"
from = 2026-01-01T00:00:00Z
authority = { name = "Regional Court" }
territories = ["DE"]
techniques = ["ip_acl_drop"]
targets = ["ip:192.0.2.8"]
"#;

struct World {
    network: Network,
    programs: Programs,
    collector: Collector,
    operator: Person,
    officer: Person,
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
        let officer = enrol("officer-1", "officer");
        let assessor = enrol("assessor-1", "assessor");
        Self { network, programs, collector, operator, officer, assessor }
    }
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_string_lossy().into_owned()
}

fn verified(person: &Person, bundle: &str) -> (Option<i32>, String) {
    person.tried(&["verify", bundle, "--quorum", "none"])
}

#[test]
fn secrecy_is_not_absence() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut world = World::new(dir);
    fs::write(dir.join("court.toml"), REQUESTS).unwrap();
    fs::write(dir.join("unseen.toml"), UNSEEN).unwrap();
    world.operator.remit(&["requests", "import", &path(dir, "court.toml")]).unwrap();
    let unseen = path(dir, "unseen.toml");
    world.operator.remit(&["requests", "import", &unseen, "--existence", "secret"]).unwrap();

    // The operator made it all; an officer sees what is restricted and that there is more.
    let page = world.operator.remit(&["requests", "show", "court/1"]).unwrap();
    for words in ["192.0.2.7", "N. N.", "second schedule", "4 K 17/26", "targets: shown to you"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = world.officer.remit(&["requests", "show", "court/1"]).unwrap();
    for words in ["N. N.", "second schedule", "targets: withheld; secret", "order, no. 4"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("192.0.2.7"), "{page}");
    // What was secret until a day that has passed is open, and that nobody said so is shown.
    assert!(page.contains("4 K 17/26") && page.contains("secrecy_expired"), "{page}");
    // A closed list is not read by asking for its entries.
    let rows = |person: &Person, target: &str| {
        person.rows(&["requests", "list", "--target", target]).unwrap().len()
    };
    assert_eq!((rows(&world.operator, "192.0.2.7"), rows(&world.officer, "192.0.2.7")), (1, 0));
    let page = world.officer.remit(&["target", "192.0.2.7"]).unwrap();
    assert!(!page.contains("court/1"), "{page}");

    // That court/2 exists is itself the secret; that there are such requests is not.
    let ids = |person: &Person| {
        let rows = person.rows(&["requests", "list"]).unwrap();
        rows.iter().map(|row| row["request"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&world.operator), ["court/1", "court/2"]);
    assert_eq!(ids(&world.officer), ["court/1"]);
    let (_, text) = world.officer.tried(&["requests", "show", "court/2"]);
    assert!(text.contains("no such request") || text.contains("holds no request"), "{text}");
    let (_, text) = world.officer.tried(&["requests", "list"]);
    assert!(text.contains("2 requests with parts that are restricted or secret"), "{text}");

    // Nor is it found by its name, nor what is wrong with it.
    let about = |person: &Person, id: &str| {
        person.rows(&["findings", "list", "--request", id]).unwrap().len()
    };
    assert_ne!(about(&world.operator, "court/2"), 0);
    assert_eq!((about(&world.officer, "court/2"), about(&world.officer, "court/0")), (0, 0));
    let of_1 = world.officer.remit(&["findings", "list", "--request", "court/1"]).unwrap();
    assert!(of_1.contains("court/1") && !of_1.contains("192.0.2.7"), "{of_1}");

    // The same file once more enters nothing, whatever of it is closed.
    let (code, text) = world.operator.tried(&["requests", "import", &path(dir, "court.toml")]);
    assert_eq!((code, text.contains("1 unchanged")), (Some(0), true), "{text}");

    // Without openings the bundle verifies as far as it goes; with them, wholly.
    let bundle = path(dir, "closed.tar");
    world.assessor.remit(&["export", "-o", &bundle]).unwrap();
    let (code, report) = verified(&world.assessor, &bundle);
    assert_eq!(code, Some(3), "{report}");
    assert!(report.contains("1 imports of requests whose existence"), "{report}");
    // Targets and officer; the reasons are everybody's, and the reference is open by now.
    assert!(
        report.contains("2 parts of requests are committed and not in the bundle; 1"),
        "{report}"
    );
    let (code, text) =
        world.assessor.tried(&["export", "--clearance", "secret", "-o", &path(dir, "no.tar")]);
    assert_eq!(code, Some(4), "{text}");
    let bundle = path(dir, "open.tar");
    world.operator.remit(&["export", "--clearance", "secret", "-o", &bundle]).unwrap();
    let (code, report) = verified(&world.operator, &bundle);
    assert_eq!(code, Some(0), "{report}");

    // A name can go, and what verdicts rest on cannot.
    let erase = |part: &str| {
        world.operator.tried(&["requests", "erase", "court/1", "--part", part, "--for-good"])
    };
    let (code, text) = erase("targets");
    assert_eq!((code, text.contains("verdicts rest on targets")), (Some(2), true), "{text}");
    let (code, text) = erase("officer,reasons");
    assert_eq!((code, text.contains("2 parts erased")), (Some(0), true), "{text}");
    let (code, text) = erase("officer");
    assert_eq!((code, text.contains("erased already")), (Some(2), true), "{text}");
    let (code, _) =
        world.officer.tried(&["requests", "erase", "court/1", "--part", "reference", "--for-good"]);
    assert_eq!(code, Some(4));

    // So can the words of its steps.
    let stated = ["requests", "suspend", "court/1", "--reason", "on the word of Erika M."];
    world.operator.remit(&stated).unwrap();
    world.operator.remit(&["requests", "resume", "court/1", "--reason", "stay over"]).unwrap();
    let page = world.operator.remit(&["requests", "show", "court/1"]).unwrap();
    assert!(page.contains("on the word of Erika M.") && page.contains("stay over"), "{page}");
    // They are in a bundle for whoever sees what they are about, and in no other.
    let said = |person: &Person, name: &str, clearance: &str| {
        let bundle = path(dir, name);
        person.remit(&["export", "--clearance", clearance, "-o", &bundle]).unwrap();
        let words = b"on the word of Erika M.";
        fs::read(&bundle).unwrap().windows(words.len()).any(|bytes| bytes == words)
    };
    assert!(said(&world.operator, "said.tar", "secret"));
    assert!(!said(&world.assessor, "unsaid.tar", "restricted"));
    let (code, text) = erase("remarks");
    assert_eq!((code, text.contains("2 parts erased")), (Some(0), true), "{text}");

    // So it stays, also for a collector that begins anew.
    world.collector.stop().unwrap();
    world.collector.serve(&world.network, &world.programs).unwrap();
    let page = world.operator.remit(&["requests", "show", "court/1"]).unwrap();
    assert!(page.contains("officer: erased") && page.contains("reasons: erased"), "{page}");
    assert!(!page.contains("N. N.") && !page.contains("second schedule"), "{page}");
    assert!(!page.contains("Erika") && !page.contains("stay over"), "{page}");
    assert_eq!(page.matches("what was said of it is erased").count(), 2, "{page}");
    let bundle = path(dir, "erased.tar");
    world.operator.remit(&["export", "--clearance", "secret", "-o", &bundle]).unwrap();
    let (code, report) = verified(&world.operator, &bundle);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("4 parts of requests are erased, as logged"), "{report}");

    // The next version keeps what is erased erased.
    world
        .operator
        .remit(&["requests", "amend", "court/1", "--until", "2099-01-01T00:00:00Z"])
        .unwrap();
    let page = world.operator.remit(&["requests", "show", "court/1"]).unwrap();
    assert_eq!(page.matches("officer: erased").count(), 2, "{page}");
}
