//! Settings: what the operator typed becomes what the agent runs with, in one function.
//!
//! In: the text of a TOML file ([`file::ConfigFile`]) and, if it names one, of a basis map. Out: a
//! [`Config`] in which only valid values exist, or *every* mistake at once, each by its name in the
//! file and with what to do about it. Unknown keys are mistakes. Each default is a constant with
//! its reason. The section of a source is the source's own (`sources/<technology>/settings.rs`). The settings in use are known to the evidence by their digest (leaf `Start`).

mod basis;
mod check;
mod file;

use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use basis::BasisMap;
pub use check::{Check, table};
pub use file::ConfigFile;
use ipnet::IpNet;
use remit_proto::v1::Actor;
use sha2::{Digest as _, Sha256};

use crate::{enrol::SPOOL, sources::Source};

/// What the agent runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// State: keys, identity, spool.
    pub dir: PathBuf,
    pub collectors: Vec<CollectorEndpoint>,
    pub lines_served: u64,
    pub k: u64,
    pub window_s: u32,
    pub individual_actions: bool,
    pub batch_interval_s: u32,
    pub seal_interval_s: u32,
    /// How often each source's rules are listed whole, to hold them against the changes that were told; 0: never.
    pub control_interval_s: u32,
    pub spool_bytes_max: u64,
    /// The spool lies in memory; `None`: on disk.
    pub memory: Option<Memory>,
    pub customer_prefixes: Vec<IpNet>,
    pub basis_map: BasisMap,
    /// Who is said to have made a rule that does not say it.
    pub default_actor: Actor,
    pub metrics_listen: Option<SocketAddr>,
    /// To whom the agent drops its privileges.
    pub user: Option<String>,
    /// Whether the kernel is to keep the agent to the files it needs (`confinement`).
    pub confine_files: bool,
    /// Folders that it may read beside.
    pub read_also: Vec<PathBuf>,
    /// At most one of each technology: rules and accounts of a node are told apart by it.
    pub sources: Vec<Arc<dyn Source>>,
    /// SHA-256 of the file as it was read.
    pub digest: [u8; 32],
}

/// `durability = "memory"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// A folder on a tmpfs.
    pub dir: PathBuf,
    /// What a power cut may cost.
    pub loss_bound_s: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorEndpoint {
    /// "https://host:port"
    pub url: String,
    /// Name in the collector's certificate, where it is not the host of the URL.
    pub tls_name: Option<String>,
}

impl Config {
    /// Below k lines a node is a subscriber: no hit targets, hourly windows.
    pub fn reduced(&self) -> bool {
        self.lines_served < self.k
    }

    /// Where the spool lies.
    pub fn spool_dir(&self) -> PathBuf {
        self.memory.as_ref().map_or(&self.dir, |memory| &memory.dir).join(SPOOL)
    }

    /// The window in force.
    pub fn window(&self) -> u32 {
        if self.reduced() { self.window_s.max(REDUCED_WINDOW_S) } else { self.window_s }
    }

    /// Reads and checks a file and what it names.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| {
            ConfigError(vec![Mistake::new("(file)", format!("{}: {source}", path.display()))])
        })?;
        Self::parse(&text, &|path| fs::read_to_string(path).map_err(|error| error.to_string()))
    }

    /// Checks a text. `read` is how a basis map is read.
    pub fn parse(
        text: &str,
        read: &dyn Fn(&Path) -> Result<String, String>,
    ) -> Result<Self, ConfigError> {
        let (file, mut mistakes) = ConfigFile::parse(text)?;
        let config = file::check(file, Sha256::digest(text).into(), read, &mut mistakes);
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(ConfigError(mistakes)),
        }
    }
}

/// The settings in force, defaults included, for `--print-config`.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&file::print(self))
    }
}

/// One mistake: the key as it stands in the file, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub key: String,
    pub remedy: String,
}

impl Mistake {
    pub(crate) fn new(key: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), remedy: remedy.into() }
    }
}

/// All mistakes of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Mistake>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mistake(s) in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|Mistake { key, remedy }| write!(f, "\n  {key}: {remedy}"))
    }
}

/// DOMAIN.md section 5: cells below ten are commonly suppressed.
pub const K_DEFAULT: u64 = 10;
/// A quarter of an hour: fine enough for a request's bounds, coarse enough to name nobody's habits.
pub const WINDOW_S_DEFAULT: u32 = 900;
/// Below k lines: hourly at the finest (DESIGN.md idea 8).
pub const REDUCED_WINDOW_S: u32 = 3600;
/// One signature and one sync a second cost nothing measurable and bound what a power cut takes.
pub const BATCH_INTERVAL_S_DEFAULT: u32 = 1;
/// What `durability = "memory"` may cost at most, and does unless less is asked for.
pub const LOSS_BOUND_S_MAX: u32 = 60;
/// A tmpfs everywhere; systemd and procd make the folder.
pub const MEMORY_DIR_DEFAULT: &str = "/run/remit-agent";
/// A dead node is seen within three of these.
pub const SEAL_INTERVAL_S_DEFAULT: u32 = 30;
/// A day: a hundred thousand rules are some 10 MB each time.
pub const CONTROL_INTERVAL_S_DEFAULT: u32 = 86_400;
/// A week of a busy node without its collector; small enough for a router with a USB stick.
pub const SPOOL_BYTES_MAX_DEFAULT: u64 = 256 * 1024 * 1024;
/// Who made a rule is never guessed.
pub const DEFAULT_ACTOR_DEFAULT: Actor = Actor::Unknown;
/// Two segments and a batch: below this the spool could not even turn over.
pub const SPOOL_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// A difference is provable after two readings; ten seconds keep findings fresh and the dump cheap.
pub const COUNTERS_INTERVAL_S_DEFAULT: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        dir = "/var/lib/remit-agent"
        lines_served = 1000
        [collector]
        url = "https://collector.example.net:8443"
    "#;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, &|path| match path.to_str() {
            Some("/basis") => Ok("[claims]\n\"comment:x\" = \"de/1\"".to_owned()),
            Some("/broken") => Ok("[claims]\n\"x\" = \"de/1\"\n\"set:y\" = \"list:\"".to_owned()),
            _ => Err("no such file".to_owned()),
        })
    }

    /// The keys of all mistakes, in order.
    fn check(text: &str, keys: &[&str]) {
        let mistakes = match parse(text) {
            Ok(_) => Vec::new(),
            Err(ConfigError(mistakes)) => mistakes,
        };
        let found: Vec<_> = mistakes.iter().map(|m| m.key.as_str()).collect();
        assert_eq!(found, keys, "{mistakes:?}");
        assert!(mistakes.iter().all(|m| !m.remedy.is_empty()));
    }

    #[test]
    fn a_spool_in_memory_says_what_a_power_cut_may_cost() {
        let memory = |more: &str| format!("{more}\n{GOOD}");
        let config = parse(&memory("durability = \"memory\"")).unwrap();
        assert_eq!(config.spool_dir(), Path::new("/run/remit-agent/spool"));
        assert_eq!(config.memory.as_ref().map(|memory| memory.loss_bound_s), Some(60));
        assert_eq!(parse(&config.to_string()).unwrap().memory, config.memory);
        assert_eq!(parse(GOOD).unwrap().spool_dir(), Path::new("/var/lib/remit-agent/spool"));
        check(&memory("durability = \"flash\""), &["durability"]);
        check(&memory("durability = \"memory\"\nloss_bound_s = 61"), &["loss_bound_s"]);
        check(
            &memory("loss_bound_s = 5\nmemory_dir = \"/run/x\""),
            &["loss_bound_s", "memory_dir"],
        );
        check(&memory("durability = \"memory\"\nmemory_dir = \"x\""), &["memory_dir"]);
        check(&memory("read_also = [\"lists\"]"), &["read_also[0]"]);
    }

    #[test]
    fn the_least_that_is_needed() {
        check(GOOD, &[]);
        let config = parse(GOOD).unwrap();
        assert_eq!(config.window(), 900);
        assert_eq!(config.k, 10);
    }

    #[test]
    fn every_mistake_is_reported_at_once_by_its_key() {
        check("", &["dir", "collector.url", "lines_served"]);
        check(
            r#"
            dir = "relative"
            k = 0
            lines_served = 5
            window_s = 7
            batch_interval_s = 61
            seal_interval_s = 0
            spool_bytes_max = 5
            customer_prefixes = ["10.0.0.0/8", "nonsense", "10.0.0.1/8"]
            basis_map = "/absent"
            metrics_listen = "9100"
            default_actor = "staff"
            colour = "blue"
            [collector]
            url = "http://collector.example.net"
            speed = 1
            [sources.nftables]
            groups = []
            counters_interval_s = 0
            [[sources.unbound_rpz]]
            log = "x"
            zones = []
            "#,
            &[
                "colour",
                "dir",
                "collector.speed",
                "collector.url",
                "k",
                "window_s",
                "batch_interval_s",
                "seal_interval_s",
                "spool_bytes_max",
                "customer_prefixes[1]",
                "customer_prefixes[2]",
                "basis_map",
                "default_actor",
                "metrics_listen",
                "sources.nftables.groups",
                "sources.nftables.counters_interval_s",
                "sources.unbound_rpz[0].log",
                "sources.unbound_rpz[0].zones",
            ],
        );
    }

    #[test]
    fn a_wrong_type_is_named_and_does_not_hide_the_rest() {
        check(
            "dir = 5\nlines_served = \"many\"\n[collector]\nurl = \"https://a\"\n",
            &["dir", "lines_served"],
        );
        check("dir = ", &["(file)"]);
    }

    #[test]
    fn sections_of_sources_name_their_own_keys() {
        let text = "[sources.nftables]\ngroups = \"all\"\ncolour = 1\n[sources.telepathy]\n\
                    [[sources.unbound_rpz]]\nlog = \"/l\"\nzones = [{ nmae = \"z\" }]\n";
        check(
            &format!("{GOOD}{text}"),
            &[
                "sources.nftables.colour",
                "sources.nftables.groups",
                "sources.unbound_rpz[0].zones",
                "sources.telepathy",
            ],
        );
        check(&format!("{GOOD}[sources]\nnftables = 7\n"), &["sources.nftables"]);
        // One source is a table or a list of one.
        let both = "[sources.nftables]\ngroups = [1]\n[sources.unbound_rpz]\nlog = \"/l\"\n\
                    zones = [{ name = \"z\", file = \"/z\" }]\n";
        check(&format!("{GOOD}{both}"), &[]);
    }

    #[test]
    fn fine_windows_need_individual_actions() {
        check(&format!("window_s = 0\n{GOOD}"), &["window_s"]);
        check(&format!("window_s = 0\nindividual_actions = true\n{GOOD}"), &[]);
        // A day must consist of whole windows.
        check(&format!("window_s = 700\n{GOOD}"), &["window_s"]);
    }

    #[test]
    fn below_k_lines_windows_are_hourly_at_the_finest() {
        let text = GOOD.replace("1000", "9");
        assert_eq!(parse(&text).unwrap().window(), 3600);
        let text = format!("window_s = 0\nindividual_actions = true\n{text}");
        check(&text, &["individual_actions"]);
    }

    #[test]
    fn a_second_resolver_is_a_second_node() {
        let resolver = "[[sources.unbound_rpz]]\nlog = \"/l\"\n\
                        zones = [{ name = \"z\", file = \"/z\" }]\n";
        check(&format!("{GOOD}{resolver}"), &[]);
        check(&format!("{GOOD}{resolver}{resolver}"), &["sources.unbound_rpz[1]"]);
        let error = parse(&format!("{GOOD}{resolver}{resolver}")).unwrap_err().to_string();
        assert!(error.contains("enrol a second node"), "{error}");
    }

    #[test]
    fn local_zones_need_the_control_socket() {
        let resolver = "[sources.unbound_rpz]\nlog = \"/l\"\nlocal_zones = true\n";
        check(&format!("{GOOD}{resolver}"), &["sources.unbound_rpz.local_zones"]);
        check(&format!("{GOOD}{resolver}control = \"/c\"\n"), &[]);
    }

    #[test]
    fn a_zone_is_named_once() {
        let zones = |second: &str| {
            format!(
                "{GOOD}[[sources.unbound_rpz]]\nlog = \"/l\"\nzones = [{{ name = \"rpz.test\", file = \
                 \"/a\" }}, {{ name = \"{second}\", file = \"/b\" }}]\n"
            )
        };
        check(&zones("other.test"), &[]);
        check(&zones("RPZ.test."), &["sources.unbound_rpz[0].zones[1].name"]);
    }

    #[test]
    fn who_made_a_rule_is_not_guessed() {
        assert_eq!(parse(GOOD).unwrap().default_actor, Actor::Unknown);
        let text = format!("default_actor = \"operator_staff\"\n{GOOD}");
        let config = parse(&text).unwrap();
        assert_eq!(config.default_actor, Actor::OperatorStaff);
        assert!(config.to_string().contains("default_actor = \"operator_staff\""));
    }

    #[test]
    fn a_basis_map_is_checked_with_the_file() {
        check(&format!("basis_map = \"/basis\"\n{GOOD}"), &[]);
        check(&format!("basis_map = \"/broken\"\n{GOOD}"), &["basis_map: set:y", "basis_map: x"]);
    }

    #[test]
    fn sections_of_sources_print_back() {
        let text = "[sources.bind_rpz]\nlog = \"/l\"\nstatistics = \"127.0.0.1:8053\"\nzones = [{ name \
                    = \"a.test\", file = \"/a\", policy = \"drop\" }, { name = \"b.test\", file = \"/b\", \
                    policy = \"given\" }]\nutc_offset_s = 3600\ncounters_interval_s = 7\n\
                    [sources.dnsmasq]\nconf = \"/c\"\nconf_dirs = [\"/d,*.conf\"]\nloopback_blocks = true\n\
                    [sources.pdns]\nlisten = \"127.0.0.1:4242\"\nwebserver = \"127.0.0.1:8082\"\n\
                    policies = [{ name = \"p\", file = \"/p\", origin = \"o.test\" }]\n\
                    [sources.knot]\nsocket = \"/k\"\npolicies = [{ message = \"m\", file = \"/m\" }]\n";
        let config = parse(&format!("{GOOD}{text}")).unwrap();
        let shown = |config: &Config| format!("{:?}", config.sources);
        assert_eq!(config.sources.len(), 4);
        let again = parse(&config.to_string()).unwrap();
        assert_eq!(shown(&again), shown(&config));
        check(
            &format!(
                "{GOOD}[sources.bind_rpz]\nlog = \"l\"\nstatistics = \"8053\"\nzones = [{{ name = \
                 \"a..b\", file = \"/a\", policy = \"whim\" }}]\n[sources.dnsmasq]\nconf_dirs = [\"d\"]\n\
                 [sources.pdns]\nlisten = \"192.0.2.1:4242\"\nwebserver = \"x\"\npolicies = [{{ name = \
                 \"p\" }}]\n"
            ),
            &[
                "sources.bind_rpz.log",
                "sources.bind_rpz.statistics",
                "sources.bind_rpz.zones[0].policy",
                "sources.bind_rpz.zones[0].name",
                "sources.dnsmasq.conf",
                "sources.dnsmasq.conf_dirs[0]",
                "sources.pdns.listen",
                "sources.pdns.webserver",
                "sources.pdns.policies[0].file",
            ],
        );
    }

    #[test]
    fn persons_have_logins_of_their_own() {
        let persons = |list: &str| format!("{GOOD}[sources.person]\npersons = {{ {list} }}\n");
        check(&persons("person-1 = \"alice\", person-2 = 1002"), &[]);
        check(&persons("person-1 = \"alice\""), &["sources.person.persons"]);
        check(
            &persons("p-1 = \"alice\", p-2 = \"alice\", p-3 = \"bob\""),
            &["sources.person.persons.p-2"],
        );
        for root in ["\"root\"", "0", "-1", "\"\"", "true"] {
            check(
                &persons(&format!("p-1 = {root}, p-2 = 1002, p-3 = 1003")),
                &["sources.person.persons.p-1"],
            );
        }
        check(&persons("P1 = 1001, p-2 = 1002, p-3 = 1003"), &["sources.person.persons.P1"]);
        let config = parse(&persons("p-1 = \"alice\", p-2 = 1002")).unwrap();
        let again = parse(&config.to_string()).unwrap();
        assert_eq!(format!("{:?}", again.sources), format!("{:?}", config.sources));
    }

    #[test]
    fn the_example_file_is_valid_and_prints_back() {
        let text = include_str!("../../../deploy/config/agent.toml");
        let config = parse(text).unwrap();
        let printed = config.to_string();
        let again = parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(again.to_string(), printed);
    }
}
