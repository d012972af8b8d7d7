//! The file as typed, and the one function that turns it into a `Config`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    BATCH_INTERVAL_S_DEFAULT, BasisMap, CONTROL_INTERVAL_S_DEFAULT, Check, CollectorEndpoint,
    Config, ConfigError, DEFAULT_ACTOR_DEFAULT, K_DEFAULT, LOSS_BOUND_S_MAX, MEMORY_DIR_DEFAULT,
    Memory, Mistake, SEAL_INTERVAL_S_DEFAULT, SPOOL_BYTES_MAX_DEFAULT, SPOOL_BYTES_MIN,
    WINDOW_S_DEFAULT, table,
};
use crate::sources::{self, Source, Technology, actor, registry::TECHNOLOGIES};

/// What the operator typed. Everything is optional here, so that what is missing is reported beside
/// what is wrong.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    dir: Option<String>,
    lines_served: Option<u64>,
    k: Option<u64>,
    window_s: Option<u32>,
    individual_actions: Option<bool>,
    batch_interval_s: Option<u32>,
    seal_interval_s: Option<u32>,
    control_interval_s: Option<u32>,
    spool_bytes_max: Option<u64>,
    durability: Option<String>,
    loss_bound_s: Option<u32>,
    memory_dir: Option<String>,
    #[serde(default)]
    customer_prefixes: Vec<String>,
    basis_map: Option<String>,
    default_actor: Option<String>,
    metrics_listen: Option<String>,
    user: Option<String>,
    confine_files: Option<bool>,
    #[serde(default)]
    read_also: Vec<String>,
    #[serde(default)]
    collector: toml::Table,
    /// Of each technology a section, or a list of one.
    #[serde(default)]
    sources: toml::Table,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectorSection {
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fallback_urls: Vec<String>,
    tls_name: Option<String>,
}

impl ConfigFile {
    pub(super) fn parse(text: &str) -> Result<(Self, Vec<Mistake>), ConfigError> {
        // In a text that is not TOML nothing else can be looked for.
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let message = error.message().replace('\n', " ");
            ConfigError(vec![Mistake::new("(file)", message)])
        })?;
        let mut mistakes = Vec::new();
        let file = Check::new(&mut mistakes).section(table);
        Ok((file, mistakes))
    }
}

/// The one function: `None`, or mistakes added, if anything is wrong.
pub(super) fn check(
    file: ConfigFile,
    digest: [u8; 32],
    read: &dyn Fn(&Path) -> Result<String, String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Config> {
    let mut check = Check::new(mistakes);
    let ConfigFile {
        dir,
        lines_served,
        k,
        window_s,
        individual_actions,
        batch_interval_s,
        seal_interval_s,
        control_interval_s,
        spool_bytes_max,
        durability,
        loss_bound_s,
        memory_dir,
        customer_prefixes,
        basis_map,
        default_actor,
        metrics_listen,
        user,
        confine_files,
        read_also,
        collector,
        sources,
    } = file;
    let dir = check.absolute(dir, "dir", "set the directory that `enrol --dir` was given");
    let collectors = check_collector(&mut check.below("collector"), collector);
    let lines_served = check.given(
        lines_served,
        "lines_served",
        "say how many subscriber lines this node serves; it has no default",
    );
    let k = k.unwrap_or(K_DEFAULT);
    check.that(k > 0, "k", "must be at least 1");
    let individual_actions = individual_actions.unwrap_or(false);
    check.that(
        !individual_actions || lines_served.is_none_or(|lines| lines >= k),
        "individual_actions",
        "is not possible on a node that serves fewer than k lines",
    );
    let window_s = window_s.unwrap_or(WINDOW_S_DEFAULT);
    check.that(
        window_s == 0 || 86_400_u32.checked_rem(window_s) == Some(0),
        "window_s",
        "must divide a day (86400) without remainder, so that no window crosses midnight UTC",
    );
    check.that(
        individual_actions || window_s >= 60,
        "window_s",
        "must be at least 60 unless individual_actions = true",
    );
    let batch_interval_s = batch_interval_s.unwrap_or(BATCH_INTERVAL_S_DEFAULT);
    check.that((1..=60).contains(&batch_interval_s), "batch_interval_s", "must be 1 to 60");
    let seal_interval_s = seal_interval_s.unwrap_or(SEAL_INTERVAL_S_DEFAULT);
    check.that((1..=3600).contains(&seal_interval_s), "seal_interval_s", "must be 1 to 3600");
    let control_interval_s = control_interval_s.unwrap_or(CONTROL_INTERVAL_S_DEFAULT);
    check.that(
        control_interval_s == 0 || (60..=31 * 86_400).contains(&control_interval_s),
        "control_interval_s",
        "must be 60 to 2678400, or 0 for never",
    );
    let spool_bytes_max = spool_bytes_max.unwrap_or(SPOOL_BYTES_MAX_DEFAULT);
    check.that(
        spool_bytes_max >= SPOOL_BYTES_MIN,
        "spool_bytes_max",
        "must be at least 16777216 (16 MiB)",
    );
    let memory = check_durability(&mut check, durability, loss_bound_s, memory_dir);
    let mut prefixes: Vec<IpNet> = Vec::new();
    for (at, text) in customer_prefixes.iter().enumerate() {
        match text.parse::<IpNet>() {
            Ok(net) if net.trunc() == net => prefixes.push(net),
            _ => check.wrong(
                &format!("customer_prefixes[{at}]"),
                "must be a prefix with zero host bits, such as 198.51.100.0/24",
            ),
        }
    }
    let basis_map = match basis_map {
        None => BasisMap::default(),
        Some(path) => match read(Path::new(&path)) {
            Ok(text) => BasisMap::parse(&text, path.into(), check.mistakes()),
            Err(error) => {
                check.wrong("basis_map", &format!("cannot be read: {error}"));
                BasisMap::default()
            }
        },
    };
    let default_actor = default_actor.and_then(|word| {
        let remedy = "must be operator_staff, operator_automation, vendor, upstream_provider, \
                      government_box, customer or unknown";
        check.given(actor::parse(&word), "default_actor", remedy)
    });
    let metrics_listen = metrics_listen.and_then(|text| {
        let address = text.parse().ok();
        check.given(address, "metrics_listen", "must be address:port, such as 127.0.0.1:9469")
    });
    check.that(user.as_deref() != Some(""), "user", "must name a user, or be left out");
    let mut folders = Vec::new();
    for (at, text) in read_also.into_iter().enumerate() {
        let key = format!("read_also[{at}]");
        folders.extend(check.absolute(Some(text), &key, "must be a folder").map(PathBuf::from));
    }
    let sources = check_sources(&mut check.below("sources"), sources);
    Some(Config {
        dir: dir?.into(),
        collectors,
        lines_served: lines_served?,
        k,
        window_s,
        individual_actions,
        batch_interval_s,
        seal_interval_s,
        control_interval_s,
        spool_bytes_max,
        memory,
        customer_prefixes: prefixes,
        basis_map,
        default_actor: default_actor.unwrap_or(DEFAULT_ACTOR_DEFAULT),
        metrics_listen,
        user,
        confine_files: confine_files.unwrap_or(true),
        read_also: folders,
        sources,
        digest,
    })
}

fn check_durability(
    check: &mut Check<'_>,
    durability: Option<String>,
    loss_bound_s: Option<u32>,
    memory_dir: Option<String>,
) -> Option<Memory> {
    let known = matches!(durability.as_deref(), None | Some("disk" | "memory"));
    check.that(known, "durability", "must be disk or memory");
    if durability.as_deref() != Some("memory") {
        let remedy = "is for durability = \"memory\": on disk everything outlasts a power cut";
        check.that(loss_bound_s.is_none(), "loss_bound_s", remedy);
        check.that(memory_dir.is_none(), "memory_dir", remedy);
        return None;
    }
    let loss_bound_s = loss_bound_s.unwrap_or(LOSS_BOUND_S_MAX);
    check.that((1..=LOSS_BOUND_S_MAX).contains(&loss_bound_s), "loss_bound_s", "must be 1 to 60");
    let dir = memory_dir.unwrap_or_else(|| MEMORY_DIR_DEFAULT.to_owned());
    let dir = check.absolute(Some(dir), "memory_dir", "must be a folder on a tmpfs")?;
    Some(Memory { dir: dir.into(), loss_bound_s })
}

fn check_collector(check: &mut Check<'_>, section: toml::Table) -> Vec<CollectorEndpoint> {
    let CollectorSection { url, fallback_urls, tls_name } = check.section(section);
    let url = check.given(url, "url", "set the address, such as https://host:8443");
    let first = url.map(|url| ("url".to_owned(), url));
    let others = fallback_urls
        .into_iter()
        .enumerate()
        .map(|(at, url)| (format!("fallback_urls[{at}]"), url));
    let mut endpoints = Vec::new();
    for (key, url) in first.into_iter().chain(others) {
        let host = url.strip_prefix("https://").unwrap_or_default();
        let valid = !host.is_empty() && url.parse::<tonic::transport::Uri>().is_ok();
        check.that(valid, &key, "must be https://host:port; agents never submit in clear");
        endpoints.push(CollectorEndpoint { url, tls_name: tls_name.clone() });
    }
    endpoints
}

/// Each technology reads its own section.
fn check_sources(check: &mut Check<'_>, mut sections: toml::Table) -> Vec<Arc<dyn Source>> {
    let mut found = Vec::new();
    for Technology { kind, read } in TECHNOLOGIES {
        let word = sources::word(*kind);
        let (name, section) = match sections.remove(&word) {
            Some(toml::Value::Table(section)) => (word, section),
            Some(toml::Value::Array(list)) => {
                let name = format!("{word}[0]");
                for at in 1..list.len() {
                    check.wrong(
                        &format!("{word}[{at}]"),
                        "one node observes one of a kind: enrol a second node for it, with a \
                         directory and a configuration of its own",
                    );
                }
                match list.into_iter().next() {
                    Some(toml::Value::Table(section)) => (name, section),
                    Some(_) => {
                        check.wrong(&name, "must be a section");
                        continue;
                    }
                    None => continue,
                }
            }
            Some(_) => {
                check.wrong(&word, "must be a section");
                continue;
            }
            None => continue,
        };
        found.extend(read(section, &mut check.below(&name)));
    }
    for unknown in sections.keys() {
        let known: Vec<_> = TECHNOLOGIES.iter().map(|known| sources::word(known.kind)).collect();
        check.wrong(unknown, &format!("unknown; known are {}", known.join(", ")));
    }
    found
}

/// The settings in force as a file that reads back to them.
pub(super) fn print(config: &Config) -> String {
    let path = |path: &Path| path.display().to_string();
    let mut printed = toml::Table::new();
    for source in &config.sources {
        printed.insert(sources::word(source.kind()), toml::Value::Table(source.section()));
    }
    let file = ConfigFile {
        dir: Some(path(&config.dir)),
        lines_served: Some(config.lines_served),
        k: Some(config.k),
        window_s: Some(config.window_s),
        individual_actions: Some(config.individual_actions),
        batch_interval_s: Some(config.batch_interval_s),
        seal_interval_s: Some(config.seal_interval_s),
        control_interval_s: Some(config.control_interval_s),
        spool_bytes_max: Some(config.spool_bytes_max),
        durability: Some(if config.memory.is_some() { "memory" } else { "disk" }.to_owned()),
        loss_bound_s: config.memory.as_ref().map(|memory| memory.loss_bound_s),
        memory_dir: config.memory.as_ref().map(|memory| path(&memory.dir)),
        customer_prefixes: config.customer_prefixes.iter().map(ToString::to_string).collect(),
        basis_map: config.basis_map.path().map(path),
        default_actor: Some(actor::word(config.default_actor)),
        metrics_listen: config.metrics_listen.map(|address| address.to_string()),
        user: config.user.clone(),
        confine_files: Some(config.confine_files),
        read_also: config.read_also.iter().map(|folder| path(folder)).collect(),
        collector: table(&CollectorSection {
            url: config.collectors.first().map(|c| c.url.clone()),
            fallback_urls: config.collectors.iter().skip(1).map(|c| c.url.clone()).collect(),
            tls_name: config.collectors.first().and_then(|c| c.tls_name.clone()),
        }),
        sources: printed,
    };
    // Fails only for types that this struct does not hold.
    toml::to_string(&file).unwrap_or_default()
}
