//! The file as typed, and the one function that turns it into a `Config`.

use std::{collections::BTreeSet, path::Path};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    BATCH_INTERVAL_S_DEFAULT, BasisMap, COUNTERS_INTERVAL_S_DEFAULT, CollectorEndpoint, Config,
    ConfigError, DEFAULT_ACTOR_DEFAULT, K_DEFAULT, Mistake, NftablesConfig, RpzZoneConfig,
    SEAL_INTERVAL_S_DEFAULT, SPOOL_BYTES_MAX_DEFAULT, SPOOL_BYTES_MIN, UnboundRpzConfig,
    WINDOW_S_DEFAULT,
};
use crate::sources::{actor, unbound_rpz::action::Action};

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
    spool_bytes_max: Option<u64>,
    #[serde(default)]
    customer_prefixes: Vec<String>,
    basis_map: Option<String>,
    default_actor: Option<String>,
    metrics_listen: Option<String>,
    user: Option<String>,
    #[serde(default)]
    collector: CollectorSection,
    #[serde(default)]
    sources: SourcesSection,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectorSection {
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fallback_urls: Vec<String>,
    tls_name: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourcesSection {
    nftables: Option<NftablesSection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unbound_rpz: Vec<UnboundRpzSection>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NftablesSection {
    groups: Option<Vec<u16>>,
    counters_interval_s: Option<u32>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnboundRpzSection {
    log: Option<String>,
    control: Option<String>,
    #[serde(default)]
    zones: Vec<RpzZoneSection>,
    counters_interval_s: Option<u32>,
    utc_offset_s: Option<i64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RpzZoneSection {
    name: Option<String>,
    file: Option<String>,
    log_name: Option<String>,
    action_override: Option<String>,
}

impl ConfigFile {
    /// Reads the text key by key: a key that is unknown or of the wrong type is a mistake and is
    /// taken out, until the rest can be read.
    pub(super) fn parse(text: &str) -> Result<(Self, Vec<Mistake>), ConfigError> {
        let mut mistakes = Vec::new();
        // In a text that is not TOML nothing else can be looked for.
        let mut table: toml::Table = text
            .parse()
            .map_err(|error| ConfigError(vec![Mistake::new("(file)", one_line(&error))]))?;
        for (section, known) in KNOWN {
            let Some(section_table) = descend(&mut table, section) else { continue };
            let unknown: Vec<String> = section_table
                .keys()
                .filter(|key| !known.contains(&key.as_str()))
                .cloned()
                .collect();
            for key in unknown {
                section_table.remove(&key);
                let name = if section.is_empty() { key } else { format!("{section}.{key}") };
                let remedy = format!("unknown key; known are {}", known.join(", "));
                mistakes.push(Mistake::new(name, remedy));
            }
        }
        // Whatever is still wrong is wrong in its type; each top-level key stands for itself.
        let keys: Vec<String> = table.keys().cloned().collect();
        for key in keys {
            let alone: toml::Table =
                table.get(&key).map(|v| (key.clone(), v.clone())).into_iter().collect();
            if let Err(error) = alone.try_into::<Self>() {
                mistakes.push(Mistake::new(key.clone(), one_line(&error)));
                table.remove(&key);
            }
        }
        Ok((table.try_into().unwrap_or_default(), mistakes))
    }
}

fn descend<'a>(table: &'a mut toml::Table, section: &str) -> Option<&'a mut toml::Table> {
    section
        .split('.')
        .filter(|part| !part.is_empty())
        .try_fold(table, |table, part| table.get_mut(part).and_then(toml::Value::as_table_mut))
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

/// The sections with the keys that each knows.
const KNOWN: [(&str, &[&str]); 4] = [
    (
        "",
        &[
            "dir",
            "lines_served",
            "k",
            "window_s",
            "individual_actions",
            "batch_interval_s",
            "seal_interval_s",
            "spool_bytes_max",
            "customer_prefixes",
            "basis_map",
            "default_actor",
            "metrics_listen",
            "user",
            "collector",
            "sources",
        ],
    ),
    ("collector", &["url", "fallback_urls", "tls_name"]),
    ("sources", &["nftables", "unbound_rpz"]),
    ("sources.nftables", &["groups", "counters_interval_s"]),
];

/// Collects mistakes while values are checked.
struct Check<'a> {
    mistakes: &'a mut Vec<Mistake>,
}

impl Check<'_> {
    fn that(&mut self, ok: bool, key: &str, remedy: &str) {
        if !ok {
            self.wrong(key, remedy);
        }
    }

    fn wrong(&mut self, key: &str, remedy: &str) {
        // A key whose type was wrong is reported once.
        if !self.mistakes.iter().any(|mistake| mistake.key == key) {
            self.mistakes.push(Mistake::new(key, remedy));
        }
    }

    fn given<T>(&mut self, value: Option<T>, key: &str, remedy: &str) -> Option<T> {
        if value.is_none() {
            self.wrong(key, remedy);
        }
        value
    }

    fn absolute(&mut self, value: Option<String>, key: &str, remedy: &str) -> Option<String> {
        let value = self.given(value, key, remedy)?;
        self.that(Path::new(&value).is_absolute(), key, "must be an absolute path");
        Some(value)
    }
}

/// The one function: `None`, or mistakes added, if anything is wrong.
pub(super) fn check(
    file: ConfigFile,
    digest: [u8; 32],
    read: &dyn Fn(&Path) -> Result<String, String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Config> {
    let mut check = Check { mistakes };
    let ConfigFile {
        dir,
        lines_served,
        k,
        window_s,
        individual_actions,
        batch_interval_s,
        seal_interval_s,
        spool_bytes_max,
        customer_prefixes,
        basis_map,
        default_actor,
        metrics_listen,
        user,
        collector,
        sources,
    } = file;
    let dir = check.absolute(dir, "dir", "set the directory that `enrol --dir` was given");
    let collectors = check_collector(&mut check, collector);
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
    let spool_bytes_max = spool_bytes_max.unwrap_or(SPOOL_BYTES_MAX_DEFAULT);
    check.that(
        spool_bytes_max >= SPOOL_BYTES_MIN,
        "spool_bytes_max",
        "must be at least 16777216 (16 MiB)",
    );
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
            Ok(text) => BasisMap::parse(&text, path.into(), check.mistakes),
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
    let SourcesSection { nftables, unbound_rpz } = sources;
    let nftables = nftables.map(|section| check_nftables(&mut check, section));
    for at in 1..unbound_rpz.len() {
        check.wrong(
            &format!("sources.unbound_rpz[{at}]"),
            "one node observes one resolver: enrol a second node for it, with a directory and a \
             configuration of its own",
        );
    }
    let unbound_rpz: Vec<_> = unbound_rpz
        .into_iter()
        .enumerate()
        .filter_map(|(at, section)| check_unbound(&mut check, at, section))
        .collect();
    Some(Config {
        dir: dir?.into(),
        collectors,
        lines_served: lines_served?,
        k,
        window_s,
        individual_actions,
        batch_interval_s,
        seal_interval_s,
        spool_bytes_max,
        customer_prefixes: prefixes,
        basis_map,
        default_actor: default_actor.unwrap_or(DEFAULT_ACTOR_DEFAULT),
        metrics_listen,
        user,
        nftables,
        unbound_rpz: unbound_rpz.into_iter().next(),
        digest,
    })
}

fn check_collector(check: &mut Check<'_>, section: CollectorSection) -> Vec<CollectorEndpoint> {
    let CollectorSection { url, fallback_urls, tls_name } = section;
    let url = check.given(url, "collector.url", "set the address, such as https://host:8443");
    let first = url.map(|url| ("collector.url".to_owned(), url));
    let others = fallback_urls
        .into_iter()
        .enumerate()
        .map(|(at, url)| (format!("collector.fallback_urls[{at}]"), url));
    let mut endpoints = Vec::new();
    for (key, url) in first.into_iter().chain(others) {
        let host = url.strip_prefix("https://").unwrap_or_default();
        let valid = !host.is_empty() && url.parse::<tonic::transport::Uri>().is_ok();
        check.that(valid, &key, "must be https://host:port; agents never submit in clear");
        endpoints.push(CollectorEndpoint { url, tls_name: tls_name.clone() });
    }
    endpoints
}

fn check_nftables(check: &mut Check<'_>, section: NftablesSection) -> NftablesConfig {
    let NftablesSection { groups, counters_interval_s } = section;
    let groups = groups.unwrap_or_default();
    let distinct: BTreeSet<u16> = groups.iter().copied().collect();
    check.that(
        !groups.is_empty() && distinct.len() == groups.len() && groups.len() <= 16,
        "sources.nftables.groups",
        "name 1 to 16 different NFLOG groups, as in the rules' `log group N`",
    );
    let counters_interval_s = counters_interval_s.unwrap_or(COUNTERS_INTERVAL_S_DEFAULT);
    check.that(
        (1..=300).contains(&counters_interval_s),
        "sources.nftables.counters_interval_s",
        "must be 1 to 300",
    );
    NftablesConfig { groups, counters_interval_s }
}

fn check_unbound(
    check: &mut Check<'_>,
    at: usize,
    section: UnboundRpzSection,
) -> Option<UnboundRpzConfig> {
    let name = format!("sources.unbound_rpz[{at}]");
    let UnboundRpzSection { log, control, zones, counters_interval_s, utc_offset_s } = section;
    let log = check.absolute(log, &format!("{name}.log"), "set the log file that Unbound writes");
    if let Some(control) = &control {
        let absolute = Path::new(control).is_absolute();
        check.that(absolute, &format!("{name}.control"), "must be the absolute path of a socket");
    }
    check.that(
        !zones.is_empty(),
        &format!("{name}.zones"),
        "name at least one response policy zone",
    );
    let counters_interval_s = counters_interval_s.unwrap_or(COUNTERS_INTERVAL_S_DEFAULT);
    check.that(
        (1..=300).contains(&counters_interval_s),
        &format!("{name}.counters_interval_s"),
        "must be 1 to 300",
    );
    let utc_offset_s = utc_offset_s.unwrap_or(0);
    check.that(
        (-86_400..=86_400).contains(&utc_offset_s),
        &format!("{name}.utc_offset_s"),
        "must be within a day, in seconds east of UTC",
    );
    let mut checked = Vec::new();
    for (index, RpzZoneSection { name: zone, file, log_name, action_override }) in
        zones.into_iter().enumerate()
    {
        let key = format!("{name}.zones[{index}]");
        let zone = check.given(zone, &format!("{key}.name"), "set the name as in unbound.conf");
        let file = check.absolute(file, &format!("{key}.file"), "set the zone's file");
        let action_override = action_override.and_then(|word| {
            let known = ACTION_OVERRIDES.iter().find(|(known, _)| *known == word);
            let action = known.map(|(_, action)| *action);
            let remedy = "must be nxdomain, nodata, passthru, drop, cname or disabled";
            check.given(action, &format!("{key}.action_override"), remedy)
        });
        let again = zone.as_ref().is_some_and(|zone| {
            let same = |known: &RpzZoneConfig| is_same_name(&known.name, zone);
            checked.iter().any(same)
        });
        check.that(!again, &format!("{key}.name"), "is there already; a zone is named once");
        if let (Some(name), Some(file)) = (zone, file) {
            checked.push(RpzZoneConfig { name, file: file.into(), log_name, action_override });
        }
    }
    Some(UnboundRpzConfig {
        log: log?.into(),
        control: control.map(Into::into),
        zones: checked,
        counters_interval_s,
        utc_offset_s,
    })
}

/// Names of zones as the DNS compares them (RFC 4343).
fn is_same_name(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

/// The words of Unbound's `rpz-action-override`.
const ACTION_OVERRIDES: [(&str, Action); 6] = [
    ("nxdomain", Action::Nxdomain),
    ("nodata", Action::Nodata),
    ("passthru", Action::Passthru),
    ("drop", Action::Drop),
    ("cname", Action::Redirect),
    ("disabled", Action::Disabled),
];

fn override_word(action: Action) -> Option<String> {
    let found = ACTION_OVERRIDES.iter().find(|(_, known)| *known == action);
    found.map(|(word, _)| (*word).to_owned())
}

/// The settings in force as a file that reads back to them.
pub(super) fn print(config: &Config) -> String {
    let path = |path: &Path| path.display().to_string();
    let file = ConfigFile {
        dir: Some(path(&config.dir)),
        lines_served: Some(config.lines_served),
        k: Some(config.k),
        window_s: Some(config.window_s),
        individual_actions: Some(config.individual_actions),
        batch_interval_s: Some(config.batch_interval_s),
        seal_interval_s: Some(config.seal_interval_s),
        spool_bytes_max: Some(config.spool_bytes_max),
        customer_prefixes: config.customer_prefixes.iter().map(ToString::to_string).collect(),
        basis_map: config.basis_map.path().map(path),
        default_actor: Some(actor::word(config.default_actor)),
        metrics_listen: config.metrics_listen.map(|address| address.to_string()),
        user: config.user.clone(),
        collector: CollectorSection {
            url: config.collectors.first().map(|c| c.url.clone()),
            fallback_urls: config.collectors.iter().skip(1).map(|c| c.url.clone()).collect(),
            tls_name: config.collectors.first().and_then(|c| c.tls_name.clone()),
        },
        sources: SourcesSection {
            nftables: config.nftables.as_ref().map(|nft| NftablesSection {
                groups: Some(nft.groups.clone()),
                counters_interval_s: Some(nft.counters_interval_s),
            }),
            unbound_rpz: config
                .unbound_rpz
                .iter()
                .map(|unbound| UnboundRpzSection {
                    log: Some(path(&unbound.log)),
                    control: unbound.control.as_deref().map(path),
                    zones: unbound
                        .zones
                        .iter()
                        .map(|zone| RpzZoneSection {
                            name: Some(zone.name.clone()),
                            file: Some(path(&zone.file)),
                            log_name: zone.log_name.clone(),
                            action_override: zone.action_override.and_then(override_word),
                        })
                        .collect(),
                    counters_interval_s: Some(unbound.counters_interval_s),
                    utc_offset_s: Some(unbound.utc_offset_s),
                })
                .collect(),
        },
    };
    // Fails only for types that this struct does not hold.
    toml::to_string(&file).unwrap_or_default()
}
