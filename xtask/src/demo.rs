//! `cargo xtask demo`: tells the story of `remit_tests::demo` on the terminal.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use remit_tests::{
    demo::{Demo, PLANTED},
    network::Host,
    packages,
    person::Person,
};

use crate::shell;

pub(crate) fn run(once: bool, json: Option<&Path>) -> Result<()> {
    packages::install()?;
    shell(env!("CARGO"), &["build", "--workspace", "--bins", "--locked", "--quiet"])?;
    ensure!(
        nix_is_root(),
        "the demo makes network namespaces and loads nftables rules in them: run it as root"
    );
    let dir = tempfile::Builder::new().prefix("remit-demo-").tempdir()?;

    title("A small operator network");
    println!(
        "subscriber ── router edge-1 (nftables) ── internet\n\
         \x20                 │── resolver dns-1 (Unbound, response policy zones)\n\
         \x20                 └── management (collector, people)\n\n\
         Declared for this demo: individual_actions = true, window 0, lines_served = 1000,\n\
         default_actor = \"operator_staff\" (who made a rule that does not say it).\n\
         In production, hits are counted per rule in windows of 15 minutes.\n"
    );
    let demo = Demo::start(dir.path())?;
    println!("collector and two agents are up; {} blocking rules are installed", PLANTED.len());

    title("What is blocked: rules installed now (remit rules list)");
    print(&demo.operator.output(&["rules", "list"])?);

    title("The subscriber tries to reach things");
    for line in demo.subscriber_acts()? {
        println!("  {line}");
    }
    demo.wait_for_hits()?;
    println!("\nAn assessor saves the checkpoint of this moment (remit checkpoint).");
    let saved = dir.path().join("saved.checkpoint");
    demo.save_checkpoint(&saved)?;
    println!("Then the operator enters a request for 198.51.100.90, after the act.");
    demo.register_late()?;

    title("What was hit, by which node and rule, on whose claimed authority (remit events list)");
    print(&demo.operator.output(&["events", "list"])?);

    title("Findings: one per rule or request and cause (remit findings list --kind rule,duty)");
    print(&demo.operator.output(&["findings", "list", "--kind", "rule,duty"])?);

    title("The router's own drops: counted, not judged (remit nodes list)");
    print(&demo.operator.output(&["nodes", "list"])?);

    let events = demo.operator.rows(&["events", "list"])?;
    demo.check_verdicts(&events)?;
    println!("\nAll {} planted cases have the verdict that they must have.", PLANTED.len());
    if let Some(path) = json {
        fs::write(path, serde_json::to_string_pretty(&events)? + "\n")?;
        println!("The verdict table is in {}.", path.display());
    }

    title("Evidence to take home (remit export, remit verify --quorum none)");
    println!(
        "--quorum none, because no witness cosigns in this demo: without it the result would be\n\
         \"incomplete\", exit code 3.\n"
    );
    let bundle = dir.path().join("bundle.tar");
    demo.export(&demo.assessor, &demo.collector.url, &bundle)?;
    let (code, report) = demo.verify(&bundle, Some(&saved))?;
    println!("{report}exit code {code}");
    ensure!(code == 0, "the honest bundle must verify");

    dishonest(&demo, &saved)?;

    if once {
        return Ok(());
    }
    explore(&demo, dir.path())
}

fn dishonest(demo: &Demo, saved: &Path) -> Result<()> {
    title("The dishonest operator");
    let (forged, bundle) = demo.forge_history()?;
    println!(
        "Somebody who holds every key writes another history and signs all of it anew:\n\
         \x20 - request police/2026-090 was entered after the act; its statement now stands at the\n\
         \x20   beginning of the register, recorded {} s earlier\n\
         \x20 - the hit on 198.51.100.70 under an unknown request is gone ({})\n\
         The real collector runs on it without complaint, and exports a bundle.\n",
        forged.recorded_at_was_s - forged.recorded_at_is_s,
        forged.dropped
    );
    println!("With the checkpoint that the assessor saved (remit verify --old-checkpoint):\n");
    let (code, report) = demo.verify(&bundle, Some(saved))?;
    let (checks, rest) = report.split_once("\ncoverage\n").unwrap_or((report.as_str(), ""));
    let (proven, others): (Vec<_>, Vec<_>) =
        checks.lines().partition(|line| line.starts_with("proven"));
    for line in others {
        println!("{line}");
    }
    println!(
        "proven          {} other checks; coverage and limits are left out here",
        proven.len()
    );
    for line in rest.lines().filter(|line| line.starts_with("result:")) {
        println!("{line}");
    }
    println!("exit code {code}");
    ensure!(code == 1 && report.contains("CONTRADICTED"), "the lie must be contradicted");

    title("One lie that this evidence cannot catch");
    let (code, _) = demo.verify(&bundle, None)?;
    println!(
        "The same forged bundle without a checkpoint from before: exit code {code}. Nothing in it is\n\
         wrong by itself. Evidence that only the operator has signed does not bind the operator: it\n\
         takes a checkpoint that somebody else has kept, or a witness who cosigns."
    );
    ensure!(code == 0, "without an old checkpoint the forged bundle is consistent in itself");
    Ok(())
}

fn explore(demo: &Demo, dir: &Path) -> Result<()> {
    title("Explore");
    let wrapper = |name: &str, person: &Person| -> Result<PathBuf> {
        let path = dir.join(name);
        fs::write(
            &path,
            format!(
                "#!/bin/sh\nexec ip netns exec {} {} --dir {} \"$@\"\n",
                demo.network.name(Host::Management),
                demo.programs.path("remit").display(),
                person.dir.display()
            ),
        )?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    };
    let operator = wrapper("remit", &demo.operator)?;
    let assessor = wrapper("remit-assessor", &demo.assessor)?;
    println!(
        "Everything stays up. In another terminal:\n\n\
         \x20 {remit} findings list\n\
         \x20 {remit} target 203.0.113.7\n\
         \x20 {remit} requests show court/2026-004\n\
         \x20 ip netns exec {subscriber} dig @10.99.2.2 news.example\n\
         \x20 ip netns exec {router} nft add rule inet blocks forward ip daddr 198.51.100.44 drop\n\n\
         The last is a finding within 3 s. As the assessor:\n\n\
         \x20 {assessor} export -o bundle.tar\n\
         \x20 {assessor} verify bundle.tar --old-checkpoint {saved} --quorum none\n\n\
         Press Enter (or end the input) to stop and remove it all.",
        remit = operator.display(),
        assessor = assessor.display(),
        saved = dir.join("saved.checkpoint").display(),
        router = demo.network.name(Host::Router),
        subscriber = demo.network.name(Host::Subscriber),
    );
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn title(text: &str) {
    println!("\n== {text} ==\n");
}

fn print(output: &std::process::Output) {
    print!("{}", String::from_utf8_lossy(&output.stdout));
    print!("{}", String::from_utf8_lossy(&output.stderr));
}

fn nix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}
