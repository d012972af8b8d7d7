//! The Ansible role, played against this machine under overlays that nobody else sees.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use remit_tests::{
    collector::Collector,
    network::{Host, Network},
    process::{Programs, run},
};

fn playbook() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/ansible/site.yml");
    path.to_string_lossy().into_owned()
}

/// A shell whose /etc, /usr and /var/lib are the machine's to read and its own to write.
const OVERLAYS: &str = r#"
mount -t tmpfs none "$1"
for folder in etc usr var/lib; do
    mkdir -p "$1/$folder.upper" "$1/$folder.work"
    mount -t overlay overlay \
        -o "lowerdir=/$folder,upperdir=$1/$folder.upper,workdir=$1/$folder.work" "/$folder"
done
shift
"$@" >"$LOG.1" 2>&1 || exit 1
"$@" >"$LOG.2" 2>&1 || exit 2
stat -c '%U %a %n' /var/lib/remit-agent /var/lib/remit-agent/* /usr/bin/remit-agent
cat /etc/remit/agent.toml
"#;

#[test]
fn the_examples_are_sound() {
    let inventory = playbook().replace("site.yml", "inventory.yml");
    run("ansible-playbook", &["--syntax-check", "-i", &inventory, &playbook()]).unwrap();
}

#[test]
fn the_role_enrols_and_configures_a_node_and_changes_nothing_the_second_time() {
    played().unwrap();
}

fn played() -> Result<()> {
    let (programs, network) = (Programs::built()?, Network::new()?);
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let mut collector = Collector::start(&network, &programs, &dir.path().join("collector"), 8443)?;
    let token = collector.token(&programs, &["nodes", "edge-7", "edge-8"])?;
    fs::create_dir(path("overlays"))?;
    fs::write(path("overlays.sh"), OVERLAYS)?;
    fs::write(
        path("inventory"),
        format!(
            "[remit_nodes]\nedge-7.example.net ansible_connection=local \
             ansible_python_interpreter=/usr/bin/python3\n[remit_nodes:vars]\n\
             remit_agent_lines_served=1000\nremit_agent_collector={}\nremit_agent_program={}\n\
             remit_agent_ca={}\n",
            collector.url,
            programs.path("remit-agent").display(),
            collector.ca().display()
        ),
    )?;
    // No service manager runs here.
    let variables =
        format!("{{\"remit_agent_token\": {token:?}, \"remit_agent_manage_service\": false}}");
    let mut play: Command = network.command(Host::Router, Path::new("unshare"));
    play.args(["--mount", "sh", "-eu", &path("overlays.sh"), &path("overlays")])
        .args(["ansible-playbook", "-i", &path("inventory"), "-e", &variables, &playbook()])
        .env("LOG", path("play"))
        .env("ANSIBLE_HOME", path("ansible"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("LC_ALL", "C.UTF-8");
    let output = play.output()?;
    let plays = ["play.1", "play.2"].map(|name| fs::read_to_string(path(name)).unwrap_or_default());
    let [first, second] = &plays;
    let said = format!("{first}\n{second}\n{}", String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}");
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    for wanted in [
        "remit-agent 700 /var/lib/remit-agent\n",
        "remit-agent 600 /var/lib/remit-agent/node.key",
        "root 755 /usr/bin/remit-agent",
        "[sources.nftables]",
    ] {
        ensure!(found.contains(wanted), "{wanted} is missing:\n{found}\n{said}");
    }
    // The doctor has spoken, and the token stands nowhere.
    ensure!(first.contains("none is running"), "{said}");
    ensure!(!said.contains(&token) && !found.contains(&token), "the token was shown");
    let recap = second.lines().find(|line| line.contains("ok=")).context(said.clone())?;
    ensure!(recap.contains("changed=0 ") && recap.contains("failed=0 "), "{recap}\n{said}");
    // The other place is still there for the other node.
    ensure!(collector.admin(&programs, &["tokens"])?.contains("edge-8"));
    collector.stop()
}
