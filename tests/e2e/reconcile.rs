//! An authority's list in its own form: imported, published again with changes, and reconciled with the
//! register, from the collector and from a bundle at home.

use std::{fs, path::Path};

use remit_tests::{
    collector::Collector,
    network::Network,
    person::Person,
    process::{Programs, wait_for},
};
use serde_json::Value;

const SETTINGS: &str = "[constants]\ninstrument = \"administrative_order\"\n";

/// Two entries, of which the second names a subtree.
const FIRST: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<reg:register xmlns:reg="http://rsoc.ru" updateTime="2018-04-26T12:00:00+03:00" formatVersion="2.4">
<content id="111" includeTime="2018-04-20T10:00:00" entryType="1" blockType="default" hash="A">
  <decision date="2018-04-01" number="2-1234/2018" org="Court"/>
  <url><![CDATA[http://http://news.example\page]]></url>
  <ip>192.0.2.1</ip>
</content>
<content id="112" includeTime="2018-04-21T00:00:00" entryType="3" blockType="domain-mask" hash="B">
  <decision date="2018-04-02" number="27-31" org="Prosecutor"/>
  <domain><![CDATA[*.games.example]]></domain>
</content>
</reg:register>
"#;

/// The page is gone, the subtree has another number, an address is new, and a row cannot be read.
const SECOND: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<reg:register xmlns:reg="http://rsoc.ru" updateTime="2018-05-26T12:00:00+03:00" formatVersion="2.4">
<content id="112" includeTime="2018-04-21T00:00:00" entryType="3" blockType="domain-mask" hash="C">
  <decision date="2018-04-02" number="27-32" org="Prosecutor"/>
  <domain><![CDATA[*.games.example]]></domain>
</content>
<content id="113" includeTime="2018-05-21T00:00:00" entryType="1" blockType="ip" hash="D">
  <decision date="2018-05-20" number="2-99" org="Court"/>
  <ip>198.51.100.7</ip>
</content>
<content id="114" includeTime="2018-05-21T00:00:00" entryType="1" blockType="sni" hash="E">
  <decision date="2018-05-20" number="2-100" org="Court"/>
  <domain>other.example</domain>
</content>
</reg:register>
"#;

const SAID: &str = r#"
[[explanation]]
target = "url:http://news.example/page"
side = "authority"
text = "lifted on appeal"
by = "officer-7"
at = "2018-05-10"
"#;

/// `Null` if there is none that can be read.
fn statement(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// "CLASS target" of each difference.
fn differences(statement: &Value) -> Vec<String> {
    let rows = statement["differences"].as_array().into_iter().flatten();
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.map(|row| format!("{} {}", word(row, "class"), word(row, "target"))).collect()
}

#[test]
fn an_authoritys_list_is_imported_and_reconciled() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let programs = Programs::built().unwrap();
    let network = Network::new().unwrap();
    let collector = Collector::start(&network, &programs, &dir.join("collector"), 8443).unwrap();
    let person = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.join(id)).unwrap()
    };
    let (operator, assessor) = (person("person-1", "operator"), person("person-2", "assessor"));
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let written = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap();
        path(name)
    };
    let (first, second) = (written("first.xml", FIRST), written("second.xml", SECOND));
    let mapping = written("rkn.toml", SETTINGS);
    let form = ["--format", "rkn-xml", "--mapping", &mapping];

    // What a person has to say is asked for, a cut file is refused whole, and a dry run enters nothing.
    let (code, said) = operator.tried(&["requests", "import", &first, "--format", "rkn-xml"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("instrument: the form does not say"), "{said}");
    let cut = written("cut.xml", FIRST.trim_end().trim_end_matches("</reg:register>"));
    let (code, said) = operator.tried(&[&["requests", "import", &cut], &form[..]].concat());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the file is cut off inside <register>; fetch it again"), "{said}");
    let import = [&["requests", "import", &first], &form[..]].concat();
    let (code, said) = operator.tried(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(operator.rows(&["requests", "list"]).unwrap().is_empty());

    let (code, said) = operator.tried(&import);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("line 3, rkn/111: repaired: targets:"), "{said}");
    assert!(said.contains("2 rows: 2 accepted (2 new, 0 changed, 0 unchanged"), "{said}");
    let (code, said) = operator.tried(&import);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 unchanged and not entered again"), "{said}");
    assert!(said.contains("nothing was entered"), "{said}");

    // The list against itself, and against its next edition.
    let reconcile = |list: &str, more: &[&str]| -> Vec<String> {
        let fixed = ["reconcile", "--authority", "Roskomnadzor", "--list", list];
        // Nothing is a matter of time, although the register took it in just now.
        let timing = ["--timing", "0s"];
        [&fixed[..], &form[..], &timing, more].concat().into_iter().map(str::to_owned).collect()
    };
    let run = |person: &Person, list: &str, more: &[&str]| {
        let arguments = reconcile(list, more);
        person.tried(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (code, said) = run(&assessor, &first, &["--json", &path("same.json")]);
    assert_eq!(code, Some(0), "{said}");
    let same = statement(&dir.join("same.json"));
    assert_eq!(
        (same["figures"]["MATCHED"].as_u64(), same["figures"]["rows"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(same["register"]["size"], 1);
    assert_eq!(same["register"]["root"].as_str().map(str::len), Some(64), "{same}");

    let said_file = written("said.toml", SAID);
    let (html, csv, json) = (path("second.html"), path("second.csv"), path("second.json"));
    let files = ["--html", &html, "--csv", &csv, "--json", &json, "--explanations", &said_file];
    let (code, said) = run(&assessor, &second, &files);
    assert_eq!(code, Some(3), "a row was refused: {said}");
    let live = statement(&dir.join("second.json"));
    assert_eq!(
        differences(&live),
        [
            "ONLY_OPERATOR url:http://news.example/page",
            "ONLY_AUTHORITY ip:198.51.100.7",
            "DIFFERS domain_subtree:*.games.example"
        ]
    );
    assert_eq!(live["differences"][0]["explained_by"][0], "authority");
    assert_eq!(live["differences"][2]["fields"][0], "reference");
    assert_eq!(live["differences"][0]["unread"], true, "the row that was refused may name it");
    assert_eq!(live["figures"]["unexplained"], 2);
    assert_eq!(live["figures"]["unread"], 1);
    assert_eq!(live["figures"]["material"], true);
    let page = fs::read_to_string(&html).unwrap();
    for said in ["Only in the register (ONLY_OPERATOR)", "lifted on appeal", "blockType"] {
        assert!(page.contains(said), "{said}");
    }
    assert!(fs::read_to_string(&csv).unwrap().lines().count() == 4, "a heading and three rows");
    let fixed = ["reconcile", "--authority", "Roskomnadzor", "--list", &second];
    let timely = path("timely.json");
    let (code, said) = assessor.tried(&[&fixed[..], &form, &["--json", &timely]].concat());
    assert_eq!(code, Some(3), "{said}");
    let timely = differences(&statement(&dir.join("timely.json")));
    assert!(timely.contains(&"TIMING url:http://news.example/page".to_owned()), "{timely:?}");
    let (code, said) = run(&assessor, &second, &["--html", &html]);
    assert_eq!(code, Some(2), "a file that is there is never overwritten: {said}");

    let (code, said) = run(&assessor, &first, &["--anchor", "state.pem"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--anchor: it is for a bundle"), "{said}");

    // At home: the same statement from a bundle, with what was said before.
    let bundle = path("bundle.tar");
    wait_for("the register under the log", std::time::Duration::from_secs(60), || {
        let _ = fs::remove_file(&bundle);
        assessor.remit(&["export", "-o", &bundle])?;
        let (code, said) = assessor.tried(&["verify", &bundle, "--quorum", "none"]);
        anyhow::ensure!(code == Some(0), "{said}");
        Ok(())
    })
    .unwrap();
    let home = path("home.json");
    let offline = ["--bundle", &bundle, "--quorum", "none", "--previous", &json, "--json", &home];
    let (code, said) = run(&assessor, &second, &offline);
    assert_eq!(code, Some(3), "{said}");
    let home = statement(&dir.join("home.json"));
    for same in ["differences", "figures", "matched", "authority_list", "explanations_unused"] {
        assert_eq!(home[same], live[same], "{same}");
    }
    for same in ["origin", "size", "root"] {
        assert_eq!(home["register"][same], live["register"][same], "{same}");
    }
    // One bit of the register altered: nothing is compared with it.
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(4).position(|b| b == b"rkn/").unwrap();
    bytes[at] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let (code, said) = run(&assessor, &second, &["--bundle", &bundle, "--quorum", "none"]);
    assert_ne!(code, Some(3), "{said}");
    assert!(said.contains("contradicted") || said.contains("could not be read"), "{said}");

    // Numbers alone.
    let totals = written("totals.json", "{\"requests\": 94, \"targets\": 3725}");
    let arguments =
        ["reconcile", "--authority", "Roskomnadzor", "--list", &totals, "--format", "totals"];
    let (code, said) = assessor.tried(&arguments);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("COUNT_ONLY"), "{said}");
}
