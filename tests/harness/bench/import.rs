//! Two million targets into the register by the programs that operators run: a CSV of fifty thousand
//! requests, `remit requests import`, the collector, and the collector's next start.
//!
//! Wall-clock time, because a person waits: of the command, from its start until the register shows the
//! last request; of the start, until a question about the last request is answered. Memory is the
//! highest that the collector's process had resident, over both.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{Row, cpu, million};
use crate::{
    collector::Collector,
    network::Network,
    person::Person,
    process::{Programs, wait_for},
};

const PORT: u16 = 8543;

/// A column for each kind, targets in a cell apart by a space.
const KINDS: [&str; 5] = ["domain_exact", "domain_subtree", "url", "ip", "cidr"];

pub fn measure(dir: &Path, programs: &Programs) -> Result<Vec<Row>> {
    fs::create_dir_all(dir)?;
    let (csv, mapping) = (dir.join("register.csv"), dir.join("mapping.toml"));
    let size_mib = write_csv(&csv)? as f64 / 1_048_576.0;
    fs::write(&mapping, mapping_text())?;
    let network = Network::new()?;
    let mut collector = Collector::start(&network, programs, &dir.join("collector"), PORT)?;
    let person =
        Person::enrol(&network, programs, &collector, "p1", "operator", &dir.join("person"))?;
    let (csv, mapping) = (csv.to_string_lossy(), mapping.to_string_lossy());
    let begin = Instant::now();
    person.remit(&["requests", "import", &csv, "--mapping", &mapping])?;
    shows_the_last(&person)?;
    let imported_s = begin.elapsed().as_secs_f64();
    let while_importing = highest_mib(&collector)?;
    collector.stop()?;
    let begin = Instant::now();
    collector.serve(&network, programs)?;
    shows_the_last(&person)?;
    let started_s = begin.elapsed().as_secs_f64();
    let while_starting = highest_mib(&collector)?;
    collector.stop()?;
    Ok(vec![
        Row {
            what: "two million targets imported by `remit`, until the register shows them",
            unit: "s",
            values: vec![imported_s],
            target: Some(60.0),
            detail: format!(
                "one statement; {} requests, {} targets, a CSV of {size_mib:.0} MiB",
                million::REQUESTS,
                million::target_count()
            ),
        },
        Row {
            what: "start of the collector with them, until it answers",
            unit: "s",
            values: vec![started_s],
            target: Some(60.0),
            detail: String::new(),
        },
        Row {
            what: "collector, highest memory over both",
            unit: "MiB",
            values: vec![while_importing.max(while_starting)],
            target: Some(600.0),
            detail: format!("import {while_importing:.0} MiB, start {while_starting:.0} MiB"),
        },
    ])
}

fn shows_the_last(person: &Person) -> Result<()> {
    let last = million::id(million::REQUESTS - 1);
    wait_for("the last request", Duration::from_secs(300), || {
        person.remit(&["requests", "show", &last]).map(drop)
    })
}

fn highest_mib(collector: &Collector) -> Result<f64> {
    let process = collector.process().context("the collector runs")?;
    Ok(cpu::memory(process.id())?.peak_kib as f64 / 1024.0)
}

fn write_csv(path: &Path) -> Result<usize> {
    let mut text = format!("id,ref,{}\n", KINDS.join(","));
    for number in 0..million::REQUESTS {
        let mut cells: [String; KINDS.len()] = Default::default();
        for (kind, value) in million::targets(number) {
            let kind = register::target::kind_word(kind);
            let at =
                KINDS.iter().position(|word| *word == kind).context("a kind of the columns")?;
            if let Some(cell) = cells.get_mut(at) {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&value);
            }
        }
        ensure!(!cells.iter().any(|cell| cell.contains([',', '"'])), "a cell would need quotes");
        writeln!(text, "{},{number}/2023,{}", million::id(number), cells.join(","))?;
    }
    fs::write(path, &text)?;
    Ok(text.len())
}

fn mapping_text() -> String {
    let mut text = "[columns]\nid = \"id\"\nexternal_ref = \"ref\"\n".to_owned();
    for kind in KINDS {
        text.push_str(&format!(
            "[[targets]]\ncolumn = \"{kind}\"\nseparator = \" \"\nkind = \"{kind}\"\n"
        ));
    }
    text.push_str(
        "[constants]\ninstrument = \"regulator_order\"\nform = \"portal_list\"\n\
         authority = { id = \"media\", name = \"Media authority\", branch = \"regulator\", country = \"DE\" }\n\
         from = 2026-01-01T00:00:00Z\nterritories = [\"DE\"]\n\
         techniques = [\"dns_nxdomain\", \"ip_acl_drop\", \"http_451\"]\n",
    );
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_mapping_is_one() {
        register::import::Mapping::parse(&super::mapping_text()).unwrap();
    }
}
