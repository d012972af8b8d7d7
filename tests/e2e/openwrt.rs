//! The OpenWrt package as far as it can be tried without a router: its scripts in the shell that runs them
//! there, and what they make of UCI read by the agent.

use std::{fs, path::PathBuf, process::Output};

use remit_tests::process::{Programs, output};

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/openwrt").join(name);
    path.to_string_lossy().into_owned()
}

/// What the scripts use of OpenWrt's /lib/functions.sh, /lib/functions/procd.sh and logger, with the same
/// contract. A file of UCI is words of a shell.
const FUNCTIONS: &str = r#"
config_load() { REMIT_SECTION=; . "$REMIT_UCI"; }
config() { REMIT_SECTION=$2; }
option() { eval "REMIT_${REMIT_SECTION}_$1=\$2"; }
list() {
    eval "length=\${REMIT_${REMIT_SECTION}_${1}_LENGTH:-0}"
    length=$((length + 1))
    eval "REMIT_${REMIT_SECTION}_${1}_LENGTH=$length REMIT_${REMIT_SECTION}_${1}_ITEM$length=\$2"
}
config_get() { eval "$1=\${REMIT_${2}_$3:-\${4:-}}"; }
config_get_bool() {
    config_get "$@"
    eval "case \"\$$1\" in 1|on|true|yes|enabled) $1=1 ;; 0|off|false|no|disabled) $1=0 ;; *) $1=\${4:-} ;; esac"
}
config_list_foreach() {
    config_get length "$1" "$2_LENGTH"
    at=1
    while [ "$at" -le "${length:-0}" ]; do
        config_get item "$1" "$2_ITEM$at"
        "$3" "$item"
        at=$((at + 1))
    done
}
procd_open_instance() { echo open; }
procd_close_instance() { echo close; }
procd_set_param() { echo "param $*"; }
procd_add_reload_trigger() { echo "trigger $*"; }
logger() { echo "logger $*"; }
stop() { stop_service 2>/dev/null; }
"#;

struct Router {
    dir: tempfile::TempDir,
    agent: String,
}

impl Router {
    fn new() -> Self {
        let agent = Programs::built()
            .expect("the programs are built")
            .path("remit-agent")
            .to_string_lossy()
            .into_owned();
        Self { dir: tempfile::tempdir().expect("a folder"), agent }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    /// Starts the service with this UCI, in BusyBox's shell as on the router.
    fn start(&self, uci: &str) -> (bool, String) {
        fs::write(self.path("functions.sh"), FUNCTIONS).expect("a file");
        fs::write(self.path("uci"), uci).expect("a file");
        let lib = file("files");
        let script = format!(
            ". {functions}; REMIT_LIB={lib}; . {lib}/remit-agent.init; REMIT_PROGRAM={agent}; \
             REMIT_CONFIG={config}; start_service",
            functions = self.path("functions.sh"),
            agent = self.agent,
            config = self.path("run/agent.toml"),
        );
        let uci = format!("REMIT_UCI={}", self.path("uci"));
        let ended = output("env", &[&uci, "busybox", "sh", "-eu", "-c", &script])
            .expect("BusyBox is there");
        (ended.status.success(), said(&ended))
    }

    fn toml(&self) -> String {
        fs::read_to_string(self.path("run/agent.toml")).expect("the service has made it")
    }
}

fn said(ended: &Output) -> String {
    let all = [ended.stdout.as_slice(), ended.stderr.as_slice()].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// The file of the package, switched on and with what has no default.
fn shipped(router: &Router) -> String {
    let text = fs::read_to_string(file("files/remit-agent.config")).expect("it is in deploy");
    let text = text.replacen("option enabled '0'", "option enabled '1'", 1);
    let text = text.replace("/var/run/remit-agent", &router.path("memory"));
    text.replacen("# option lines_served '1'", "option lines_served '1'", 1)
}

#[test]
fn the_scripts_are_sound() {
    for (name, excluded) in [("uci-to-toml.sh", "SC3043"), ("remit-agent.init", "SC1008")] {
        let path = file(&format!("files/{name}"));
        // `local` is in every shell that OpenWrt has; /etc/rc.common is no shell that it knows.
        let arguments = ["-s", "dash", "-x", "-P", &file("files"), "-e", excluded, &path];
        let checked = output("shellcheck", &arguments).unwrap();
        assert!(checked.status.success(), "{}", said(&checked));
        let parsed = output("busybox", &["sh", "-n", &path]).unwrap();
        assert!(parsed.status.success(), "{}", said(&parsed));
    }
}

#[test]
fn what_the_package_ships_becomes_a_configuration_without_mistakes() {
    let router = Router::new();
    let (started, said) = router.start(&shipped(&router));
    assert!(started, "{said}");
    assert!(said.contains("param command") && said.contains("run --config"), "{said}");
    assert!(said.contains("param respawn 3600 5 0"), "{said}");
    let toml: toml::Table = router.toml().parse().unwrap();
    assert_eq!(toml["lines_served"].as_integer(), Some(1));
    assert_eq!(toml["sources"]["nftables"]["groups"], toml::Value::from(vec![42]));
    assert!(toml["sources"].get("dnsmasq").is_none(), "it is not switched on");

    // As it comes, it is off: nobody has said yet whom it reports to.
    let (started, said) =
        router.start(&fs::read_to_string(file("files/remit-agent.config")).unwrap());
    assert!(started && !said.contains("param"), "{said}");
}

#[test]
fn every_option_becomes_what_it_is_in_toml() {
    let router = Router::new();
    let more = router.path("more.toml");
    fs::write(&more, "[sources.routes]\nlog_group = 43\ncounter = \"inet/t/c\"\n").unwrap();
    let uci = format!(
        r#"
config agent 'agent'
    option enabled '1'
    option dir '/etc/remit/a "quoted" \ name'
    option lines_served '1000'
    option individual_actions '1'
    option window_s '0'
    option confine_files 'no'
    option collector 'https://collector.example.net:8443'
    list fallback_url 'https://second.example.net:8443'
    list customer_prefix '198.51.100.0/24'
    list customer_prefix '2001:db8::/32'
    option more '{more}'
config nftables 'nftables'
    option enabled 'on'
    list group '42'
    list group '43'
config dnsmasq 'dnsmasq'
    option enabled '1'
    option conf '/var/etc/dnsmasq.conf'
"#
    );
    let (started, said) = router.start(&uci);
    assert!(started, "{said}");
    let toml: toml::Table = router.toml().parse().unwrap();
    assert_eq!(toml["dir"].as_str(), Some(r#"/etc/remit/a "quoted" \ name"#));
    assert_eq!(toml["individual_actions"].as_bool(), Some(true));
    assert_eq!(toml["confine_files"].as_bool(), Some(false));
    let prefixes = toml::Value::from(vec!["198.51.100.0/24", "2001:db8::/32"]);
    assert_eq!(toml["customer_prefixes"], prefixes);
    assert_eq!(toml["sources"]["nftables"]["groups"], toml::Value::from(vec![42, 43]));
    assert_eq!(toml["sources"]["routes"]["log_group"].as_integer(), Some(43));
}

#[test]
fn a_mistake_is_in_the_routers_log_and_nothing_is_started() {
    let router = Router::new();
    let uci = shipped(&router)
        .replacen("'1'\n", "'one'\n", 2)
        .replace("'one'\n\t# Keys", "'1'\n\t# Keys");
    assert!(uci.contains("lines_served 'one'"), "{uci}");
    let (started, said) = router.start(&uci);
    assert!(!started && !said.contains("param command"), "{said}");
    assert!(said.contains("logger -t remit-agent") && said.contains("lines_served"), "{said}");
}

#[test]
fn the_makefile_names_what_the_agent_needs_and_files_that_are_there() {
    let makefile = fs::read_to_string(file("Makefile")).unwrap();
    for needed in
        ["kmod-nfnetlink-log", "rust-package.mk", "RUST_ARCH_DEPENDS", "CARGO_PKG_PROFILE:=size"]
    {
        assert!(makefile.contains(needed), "{needed}");
    }
    let installed = makefile.lines().filter_map(|line| line.split_once("./files/"));
    let names: Vec<&str> = installed.filter_map(|(_, rest)| rest.split(' ').next()).collect();
    assert_eq!(names.len(), 3);
    for name in names {
        assert!(fs::exists(file(&format!("files/{name}"))).unwrap(), "{name}");
    }
    // The version of the package is that of the program.
    let version = format!("PKG_VERSION:={}\n", env!("CARGO_PKG_VERSION"));
    assert!(makefile.contains(&version), "{version}");
}
