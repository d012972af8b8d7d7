//! Deeds that no packet shows: recorded by one login, confirmed by another, judged like every rule, and
//! recomputed offline.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    person::Person,
    process::{Programs, wait_for},
};
use serde_json::Value;

const REQUESTS: &str = r#"
time_zone = "Europe/Berlin"
end_date = "last_day"
[[request]]
id = "court/2026-9"
instrument = "court_order_final"
form = "letter"
authority = { id = "court", name = "Regional Court", branch = "judicial", country = "DE" }
from = 2026-01-01
territories = ["DE"]
techniques = ["disconnection"]
targets = ["cell_area:mitte"]
"#;

const POINTS: &str = r#"
[[node]]
node = "core-1"
role = "mobile_core"
country = "DE"
network_type = "mobile"
lines_served = 1000
[[node.point]]
id = "staff"
technology = "person"
observation = "observed"
"#;

/// Logins that no other test has, and nobody else.
const ALICE: u32 = 48_101;
const BOB: u32 = 48_102;

struct World {
    network: Network,
    programs: Programs,
    operator: Person,
    assessor: Person,
    node: Node,
    socket: PathBuf,
    _collector: Collector,
}

fn world(dir: &Path) -> Result<World> {
    // Whoever may record must reach the socket.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    let programs = Programs::built()?;
    let network = Network::new()?;
    let collector = Collector::start(&network, &programs, &dir.join("collector"), 8443)?;
    let person = |id: &str, role: &str| {
        Person::enrol(&network, &programs, &collector, id, role, &dir.join(id))
    };
    let (operator, assessor) = (person("person-1", "operator")?, person("person-3", "assessor")?);
    person("person-2", "operator")?;
    let settings = "lines_served = 1000\nseal_interval_s = 2\n";
    let folder = dir.join("core-1");
    let node =
        Node::enrol(&network, &programs, &collector, Host::Router, "core-1", &folder, settings)?;
    let run = dir.join("run");
    fs::create_dir(&run)?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
    let socket = run.join("record.sock");
    node.configure(&format!(
        "\n[sources.person]\nsocket = {socket:?}\npersons = {{ person-1 = {ALICE}, person-2 = {BOB} }}\n"
    ))?;
    for (name, text) in [("points.toml", POINTS), ("requests.toml", REQUESTS)] {
        fs::write(dir.join(name), text)?;
    }
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    operator.remit(&["points", "declare", "--file", &path("points.toml")])?;
    operator.remit(&["requests", "import", &path("requests.toml")])?;
    Ok(World { network, programs, operator, assessor, node, socket, _collector: collector })
}

impl World {
    /// Runs `remit-agent record` under a login; `line` is what stands on standard input.
    fn record(&self, uid: u32, arguments: &[&str], line: &str) -> Result<Output> {
        let mut child = Command::new("setpriv")
            .args([format!("--reuid={uid}"), "--regid=65534".into(), "--clear-groups".into()])
            .arg(self.programs.path("remit-agent"))
            .arg("record")
            .args(arguments)
            .arg("--socket")
            .arg(&self.socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("stdin")?.write_all(line.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    /// What it printed; the number of the deed is its first word.
    fn recorded(&self, uid: u32, arguments: &[&str], line: &str) -> Result<String> {
        let output = self.record(uid, arguments, line)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn refused(&self, uid: u32, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let output = self.record(uid, arguments, "")?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    }

    /// "<deed act> <verdict>" of each deed, as they were told, once there are so many.
    fn wait_for_deeds(&self, want: &[&str]) -> Result<Vec<Value>> {
        wait_for("the deeds", Duration::from_secs(60), || {
            let mut rows = self.operator.rows(&["events", "list"])?;
            rows.sort_by_key(|row| {
                let leaf = word(&row["event"]).rsplit('/').next();
                leaf.and_then(|leaf| leaf.parse::<u64>().ok())
            });
            let told: Vec<String> = rows
                .iter()
                .map(|row| format!("{} {}", word(&row["deed_act"]), word(&row["verdict"])))
                .collect();
            ensure!(told == want, "{told:?}");
            Ok(rows)
        })
    }

    /// Findings that a second person is missing.
    fn wait_for_unconfirmed(&self, want: usize) -> Result<()> {
        wait_for("the second person", Duration::from_secs(60), || {
            let rows = self.operator.rows(&["findings", "list", "--verdict", "UNCONFIRMED"])?;
            ensure!(rows.len() == want, "{rows:?}");
            Ok(())
        })
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[test]
fn a_shutdown_is_recorded_by_one_and_confirmed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).unwrap();
    let shutdown = ["shutdown", "--target", "cell_area:mitte", "--claim", "court/2026-9"];
    let (code, says) = world.refused(ALICE, &shutdown).unwrap();
    assert!(code == Some(75) && says.contains("no agent takes records at"), "{code:?} {says}");

    world.node.start(&world.network, &world.programs).unwrap();
    wait_for("the socket", Duration::from_secs(60), || {
        ensure!(world.socket.exists());
        Ok(())
    })
    .unwrap();
    let from = ["--from", "2026-11-01T08:00:00+01:00"];
    let told = world.recorded(ALICE, &[&shutdown[..], &from].concat(), "").unwrap();
    let (number, _) = told.split_once(' ').unwrap();
    assert!(told.contains("recorded by person-1") && told.contains("UNCONFIRMED"), "{told}");
    let rows = world.wait_for_deeds(&["recorded AUTHORISED"]).unwrap();
    assert_eq!(rows[0]["deed"], "shutdown");
    assert_eq!(rows[0]["recorded_by"], "operator person-1");
    assert_eq!(rows[0]["attestation"], "by_node");
    assert_eq!(rows[0]["deed_from"], "2026-11-01T07:00:00Z");
    world.wait_for_unconfirmed(1).unwrap();

    // The second is another login, and never root or a stranger.
    let confirm = ["confirm", number];
    for (uid, says) in [
        (ALICE, "another person has to"),
        (0, "root is nobody in particular"),
        (48_103, "belongs to nobody"),
    ] {
        let (code, said) = world.refused(uid, &confirm).unwrap();
        assert!(code == Some(65) && said.contains(says), "{code:?} {said}");
    }
    world.node.kill().unwrap();
    world.node.start(&world.network, &world.programs).unwrap();
    wait_for("what stands", Duration::from_secs(60), || {
        let listed = world.recorded(BOB, &["list"], "")?;
        ensure!(listed.starts_with(number), "{listed}");
        Ok(())
    })
    .unwrap();
    world.recorded(BOB, &confirm, "").unwrap();
    world.wait_for_unconfirmed(0).unwrap();
    let rows = world.operator.rows(&["events", "list"]).unwrap();
    assert_eq!(rows[0]["confirmed_by"], "operator person-2");
    let rules = world.operator.rows(&["rules", "list"]).unwrap();
    assert_eq!((word(&rules[0]["native"]), word(&rules[0]["verdict"])), ("shutdown", "AUTHORISED"));
    let duties = world.operator.rows(&["findings", "list", "--verdict", "NOT_ENFORCED"]).unwrap();
    assert!(duties.is_empty(), "the request is carried out: {duties:?}");

    // Everybody is cut off, for one area's request: beyond it, also from where one name is asked for.
    let all = ["shutdown", "--target", "whole_service:*", "--claim", "court/2026-9"];
    world.recorded(BOB, &all, "").unwrap();
    world.wait_for_deeds(&["recorded AUTHORISED", "recorded OVERBROAD"]).unwrap();
    let asked = world.operator.remit(&["target", "a.example"]).unwrap();
    assert!(asked.contains("OVERBROAD"), "{asked}");
    let page = world.operator.remit(&["summary"]).unwrap();
    assert!(page.contains("beyond its request"), "{page}");

    let ended = world.recorded(ALICE, &["end", number], "").unwrap();
    assert!(ended.contains("UNCONFIRMED"), "the end is a new word: {ended}");
    world.recorded(BOB, &confirm, "").unwrap();
    let told = ["recorded AUTHORISED", "recorded OVERBROAD", "ended AUTHORISED"];
    world.wait_for_deeds(&told).unwrap();

    // A line is a token, wherever one looks.
    let identity = "+49 30 555 0199";
    let token = world.recorded(ALICE, &["token"], identity).unwrap();
    let suspended = ["line-suspension", "--claim", "none"];
    let line = world.recorded(ALICE, &suspended, identity).unwrap();
    assert!(line.contains(token.trim()), "{line}: {token}");
    wait_for("the line", Duration::from_secs(60), || {
        let rows = world.operator.rows(&["events", "list", "--technique", "line_suspend"])?;
        ensure!(rows.iter().any(|row| row["verdict"] == "NO_BASIS"), "{rows:?}");
        Ok(())
    })
    .unwrap();
    let found = Command::new("grep").args(["-rlF", identity]).arg(dir.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));

    let bundle = dir.path().join("bundle.tar").to_string_lossy().into_owned();
    world.assessor.remit(&["export", "-o", &bundle]).unwrap();
    let verified = world.assessor.output(&["verify", &bundle, "--quorum", "none"]).unwrap();
    let report = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(0), "{report}");
    assert!(report.contains("4 verdicts recomputed"), "{report}");
}
