//! A request's way through the register, as people go it: a call at night, its confirmation, an
//! amendment, a stay, an end; each first as a dry run.

#![allow(clippy::unwrap_used, reason = "a step that cannot be taken has failed")]

use anyhow::Result;
use remit_tests::{collector::Collector, network::Network, person::Person, process::Programs};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

struct World {
    _network: Network,
    _collector: Collector,
    operator: Person,
}

impl World {
    fn new(dir: &std::path::Path) -> Result<Self> {
        let programs = Programs::built()?;
        let network = Network::new()?;
        let collector = Collector::start(&network, &programs, &dir.join("collector"), 8443)?;
        let operator = Person::enrol(
            &network,
            &programs,
            &collector,
            "person-1",
            "operator",
            &dir.join("person-1"),
        )?;
        Ok(Self { _network: network, _collector: collector, operator })
    }

    /// What it said, after it has succeeded.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.operator.output(arguments).unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    fn is_refused(&self, arguments: &[&str], words: &str) {
        let output = self.operator.output(arguments).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }

    fn state(&self, id: &str) -> (String, u64) {
        let rows = self.operator.rows(&["requests", "list"]).unwrap();
        let row = rows.iter().find(|row| row["request"] == id).unwrap();
        let state = row["state"].as_str().unwrap_or_default().to_owned();
        (state, row["version"].as_u64().unwrap_or_default())
    }
}

#[test]
fn a_request_from_the_call_to_the_closed_file() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).unwrap();
    let call = [
        "requests",
        "quick",
        "--id",
        "call/1",
        "--authority",
        "Police Berlin",
        "--form",
        "telephone",
        "--received",
        "10m",
        "--in",
        "DE",
        "--target",
        "bad.example",
        "--target",
        "192.0.2.7",
    ];

    // A dry run enters nothing.
    let said = world.does(&[&call[..], &["--dry-run"]].concat());
    assert!(said.contains("would be provisional and lapses at"), "{said}");
    assert!(world.operator.rows(&["requests", "list"]).unwrap().is_empty());

    let said = world.does(&call);
    assert!(said.contains("remit requests confirm call/1"), "{said}");
    assert_eq!(world.state("call/1"), ("provisional".to_owned(), 1));
    world.is_refused(&call, "is in the register already");

    // The paper comes, and names one more name and not the address.
    let confirm = ["requests", "confirm", "call/1", "--back-covers", "--reason", "order received"];
    world.does(&confirm);
    assert_eq!(world.state("call/1").0, "active");
    let amend = [
        "requests",
        "amend",
        "call/1",
        "--remove-target",
        "192.0.2.7",
        "--add-target",
        "worse.example",
        "--until",
        "2099-01-01T00:00:00Z",
        "--reason",
        "the written order",
    ];
    world.does(&amend);
    assert_eq!(world.state("call/1"), ("active".to_owned(), 2));
    world.is_refused(&amend, "is no target of the request");
    // What its findings ask for can be said later, without a file.
    let lacks = || {
        let rows = world.operator.rows(&["findings", "list", "--kind", "entry"]).unwrap();
        let told = rows.iter().map(ToString::to_string).filter(|row| row.contains("call/1"));
        told.collect::<Vec<_>>().join("\n")
    };
    for lack in ["UNNUMBERED", "(a)(ii)", "(a)(v)", "9(2)(c)"] {
        assert!(lacks().contains(lack), "{lack}: {}", lacks());
    }
    let number = ["requests", "amend", "call/1", "--number", "4 K 17/26", "--language", "de"];
    let why = ["--reasons", "counterfeit goods", "--redress", "objection within a month"];
    world.does(&[&number[..], &why].concat());
    for lack in ["UNNUMBERED", "(a)(ii)", "(a)(v)", "9(2)(c)"] {
        assert!(!lacks().contains(lack), "{lack}: {}", lacks());
    }
    let page = world.operator.remit(&["target", "192.0.2.7"]).unwrap();
    assert!(page.contains("was covered "), "{page}");
    let page = world.operator.remit(&["target", "worse.example"]).unwrap();
    assert!(page.contains("call/1") && page.contains("is covered "), "{page}");

    // Another order holds one of the names: the stay of the first does not free it.
    let other = [
        "requests",
        "quick",
        "--id",
        "call/2",
        "--authority",
        "Court",
        "--in",
        "DE",
        "--target",
        "domain_subtree:bad.example",
        "--received",
        "0m",
    ];
    world.does(&other);
    let said = world.does(&["requests", "suspend", "call/1", "--reason", "stay granted"]);
    assert!(said.contains("also held by: call/2"), "{said}");
    assert_eq!(world.state("call/1").0, "suspended");
    world.is_refused(&["requests", "suspend", "call/1"], "does not follow where it stands then");
    world.does(&["requests", "resume", "call/1"]);

    // Everything of it on one page.
    let page = world.operator.remit(&["requests", "show", "call/1"]).unwrap();
    for line in [
        "the written order",
        "stay granted",
        "order received",
        "confirm, covering the time since it was asked",
        "legal_basis: absent",
        "also_held_by",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }

    world.does(&["requests", "withdraw", "call/1"]);
    world
        .is_refused(&["requests", "amend", "call/1", "--until", "never"], "under an id of its own");
    world.does(&["requests", "close", "call/1"]);
    assert_eq!(world.state("call/1").0, "closed (withdrawn)");
    world.is_refused(&["requests", "annul", "call/1"], "closed");
}

#[test]
fn an_order_lapses_with_its_case_and_a_refusal_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).unwrap();
    let file = dir.path().join("requests.toml");
    let text = r#"
[[request]]
id = "interim/1"
instrument = "court_order_interim"
form = "letter"
from = 2026-01-01T00:00:00Z
territories = ["DE"]
techniques = ["dns_nxdomain"]
targets = ["domain_exact:bad.example"]
relations = ["depends_on_proceeding:12 O 345/26"]
[[request]]
id = "asked/1"
instrument = "police_request"
form = "email"
status = "received"
from = 2026-01-01T00:00:00Z
territories = ["DE"]
techniques = ["dns_nxdomain"]
targets = ["domain_exact:other.example", "domain_exact:ours.example"]
competence = { result = "competent", verified_by = "person-7" }
validity = { redress = { state = "disputed", by = "person-8", at = 2026-01-02T10:00:00Z } }
confidentiality = { tier = "restricted", reviewed = 2026-01-02T11:00:00Z }
impact = { scale = "low", made = 2026-01-02T12:00:00Z }
[[request]]
id = "narrow/1"
instrument = "police_request"
form = "letter"
from = 2026-01-01T00:00:00Z
territories = ["DE"]
techniques = ["dns_nxdomain"]
targets = ["domain_exact:other.example"]
decision = { kind = "accept_narrowed", reason = "service_not_covered", territories = ["DE-BE"], nodes = ["dns-1"] }
"#;
    std::fs::write(&file, text).unwrap();
    world.does(&["requests", "import", &file.to_string_lossy()]);
    assert_eq!(world.state("interim/1").0, "active");
    let said = world.does(&["requests", "proceeding-ended", "12 O 354/26", "--dry-run"]);
    assert!(said.contains("no request of the register names proceeding"), "{said}");
    assert!(said.contains("written like it: \"12 O 345/26\""), "{said}");
    let said =
        world.does(&["requests", "proceeding-ended", "12 O 345/26", "--outcome", "dismissed"]);
    assert!(said.contains("on proceeding \"12 O 345/26\": interim/1"), "{said}");
    assert_eq!(world.state("interim/1").0, "moot");
    let page = world.operator.remit(&["requests", "show", "interim/1"]).unwrap();
    assert!(page.contains("moot with the end of proceeding 12 O 345/26"), "{page}");
    assert!(page.contains(": dismissed"), "{page}");

    world.is_refused(&["requests", "refuse", "asked/1"], "--code: say why");
    world.does(&["requests", "review", "asked/1"]);
    world.does(&[
        "requests",
        "accept",
        "asked/1",
        "--code",
        "manifest_errors",
        "--not",
        "domain_exact:ours.example",
        "--text",
        "our own name",
    ]);
    let page = world.operator.remit(&["requests", "show", "asked/1"]).unwrap();
    assert!(page.contains("partial (manifest_errors)"), "{page}");
    for line in [
        "not domain_exact:ours.example",
        "competent; verified by person-7",
        "redress: disputed; by person-8; at 2026-01-02T10:00:00Z",
        "restricted; without end; reviewed 2026-01-02T11:00:00Z",
        "scale low; made 2026-01-02T12:00:00Z",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    let page = world.operator.remit(&["requests", "show", "narrow/1"]).unwrap();
    assert!(page.contains("only in DE-BE; only at nodes dns-1"), "{page}");

    // Written out, read again, changed.
    let out = |name: &str, more: &[&str]| {
        let path = dir.path().join(name).to_string_lossy().into_owned();
        let export = ["requests", "export", "asked/1", "interim/1", "narrow/1", "-o", &path];
        world.operator.remit(&[&export[..], more].concat()).unwrap();
        path
    };
    for path in [out("out.toml", &[]), out("out.json", &["--format", "json"])] {
        let said = world.does(&["requests", "import", &path]);
        assert!(said.contains("nothing was entered"), "{said}");
        assert!(said.contains("3 unchanged"), "{said}");
    }
    let one = dir.path().join("one.toml").to_string_lossy().into_owned();
    world.operator.remit(&["requests", "export", "narrow/1", "-o", &one]).unwrap();
    let amend = ["requests", "amend", "narrow/1", "--file", &one, "--reason", "who issued it"];
    world.is_refused(&amend, "nothing of narrow/1 changes by it");
    let text = std::fs::read_to_string(&one).unwrap();
    let text = text.replace(
        "form = \"letter\"",
        "form = \"letter\"\nauthority = { name = \"Police Berlin\", country = \"DE\" }",
    );
    std::fs::write(&one, text).unwrap();
    world.does(&[&amend[..], &["--dry-run"]].concat());
    assert_eq!(world.state("narrow/1").1, 1);
    world.does(&amend);
    assert_eq!(world.state("narrow/1"), ("active".to_owned(), 2));
    world.is_refused(
        &["requests", "amend", "asked/1", "--file", &one],
        "it holds narrow/1, and asked/1 is to",
    );
    let law = ["--legal-basis", "TKG section 5", "--competence", "competent,by=person-7"];
    world.does(
        &[&["requests", "amend", "narrow/1"][..], &law, &["--validity", "redress=absent"]].concat(),
    );
    let page = world.operator.remit(&["requests", "show", "narrow/1"]).unwrap();
    for line in ["who issued it", "Police Berlin", "TKG section 5", "redress: absent"] {
        assert!(page.contains(line), "{line}: {page}");
    }

    // One takes the place of the other, and not the other of the one.
    world.does(&["requests", "supersede", "asked/1", "--by", "narrow/1"]);
    let back = ["requests", "supersede", "narrow/1", "--by", "asked/1"];
    world.is_refused(&back, "request narrow/1 cannot be superseded by asked/1");
}

/// Rows that were refused are on record, also where nothing else of the file is new.
#[test]
fn what_was_refused_of_a_file_stays_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).unwrap();
    let request = |id: &str, from: &str| {
        format!(
            "[[request]]\nid = \"{id}\"\ninstrument = \"administrative_order\"\nform = \"letter\"\n\
             from = {from}\nterritories = [\"DE\"]\ntechniques = [\"dns_nxdomain\"]\n\
             targets = [\"domain_exact:{id}.example\"]\n"
        )
    };
    let good = request("good", "2026-01-01T00:00:00Z");
    let written = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let imports = |file: &str| {
        let output = world.operator.output(&["requests", "import", file]).unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        stderr(&output)
    };
    let files = || world.operator.rows(&["requests", "files"]).unwrap();
    let first = written("first.toml", &format!("{good}{}", request("bad", "\"yesterday\"")));
    imports(&first);
    let said = imports(&first);
    assert!(said.contains("nothing was entered"), "the same file says nothing new: {said}");
    let second = written(
        "second.toml",
        &format!("{}nobody = \"Erika\"\n{good}", request("worse", "2026-01-01T00:00:00Z")),
    );
    let said = imports(&second);
    assert!(said.contains("entered as statement"), "it refuses another row: {said}");
    let told: Vec<_> = files().iter().map(|f| f["refused"].clone()).collect();
    let row = |at: usize| &told[at][0];
    assert_eq!(
        (&row(0)["row"], &row(0)["line"], &row(0)["field"]),
        (&2.into(), &9.into(), &"from".into())
    );
    assert_eq!((&row(0)["fault"], &row(1)["fault"]), (&"value".into(), &"unknown_key".into()));
    assert_eq!(told.len(), 2);
    let page = world.operator.remit(&["requests", "files", "--statement", "1"]).unwrap();
    assert!(page.contains("row 1, line 1, refused: it has a key that no row has"), "{page}");
    assert!(!page.contains("line 9"), "{page}");
}

/// An answer has no room for its targets; whoever needs them all has them all.
#[test]
fn a_request_that_is_larger_than_an_answer() {
    const COUNT: usize = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).unwrap();
    let file = dir.path().join("large.toml");
    let names: Vec<String> =
        (0..COUNT).map(|n| format!("\"domain_exact:n{n}.{}.example\"", "a".repeat(60))).collect();
    let text = format!(
        "[[request]]\nid = \"large/1\"\ninstrument = \"administrative_order\"\nform = \"letter\"\n\
         received = 2026-01-01T00:00:00Z\nfrom = 2026-01-01T00:00:00Z\nterritories = [\"DE\"]\n\
         techniques = [\"dns_nxdomain\"]\ntargets = [{}]\n",
        names.join(", ")
    );
    std::fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();
    let said = world.does(&["requests", "import", file, "--dry-run"]);
    assert!(said.contains("no verdict on a rule that stands now changes"), "{said}");
    let said = world.does(&["requests", "import", file]);
    assert!(said.contains("1 accepted (1 new"), "{said}");
    let said = world.does(&["requests", "import", file]);
    assert!(said.contains("1 unchanged"), "the same file is compared with all of it: {said}");

    let shown = world.operator.output(&["requests", "show", "large/1"]).unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(" more; --output json has all of them"), "{}", &shown[..2_000]);
    let targets = |rows: Vec<serde_json::Value>| rows[0]["targets"].as_array().unwrap().len();
    assert_eq!(targets(world.operator.rows(&["requests", "list"]).unwrap()), COUNT);

    // Its last target, which no first answer holds.
    let last = format!("domain_exact:n{}.{}.example", COUNT - 1, "a".repeat(60));
    let change = ["--remove-target", &last, "--add-target", "new.example", "--reason", "corrected"];
    world.does(&[&["requests", "amend", "large/1"][..], &change].concat());
    assert_eq!(world.state("large/1"), ("active".to_owned(), 2));
    assert_eq!(targets(world.operator.rows(&["requests", "list"]).unwrap()), COUNT);
    world.is_refused(&[&["requests", "amend", "large/1"][..], &change].concat(), "is no target");
    world.does(&["requests", "withdraw", "large/1", "--reason", "by the authority"]);
    assert_eq!(world.state("large/1").0, "withdrawn");
}
