//! One request: everything that the register holds of it, and what stands on it.

use remit_proto::v1;
use serde_json::{Value, json};

use super::{
    details::{of_versions, pairs_json},
    list::layout,
    steps::step,
    targets::complete,
};
use crate::{
    cli::Format,
    client,
    commands::{findings, lists, rules},
    config::Config,
    exit::CliError,
    output, words,
};

pub(crate) async fn show(config: &Config, id: &str, out: Format) -> Result<(), CliError> {
    let mut client = client::register(config).await?;
    let request = v1::GetRequestRequest { id: id.to_owned() };
    let response = client.get_request(request).await?.into_inner();
    let v1::GetRequestResponse {
        mut versions,
        rules: installed,
        findings: found,
        completeness,
        lists: covered,
        transitions,
        rule_count,
        finding_count,
        version_count,
        waiting_transitions: waiting,
    } = response;
    // Those before it are told with as many targets as the answer had room for.
    if let Some(newest) = versions.last_mut()
        && out != Format::Table
    {
        complete(&mut client, newest).await?;
    }
    match out {
        Format::Json => {
            let details: Vec<Value> = of_versions(&versions).iter().map(pairs_json).collect();
            let answer = json!({
                "versions": layout().listing(&versions, None).objects(),
                "details": details,
                "transitions": transitions.iter().map(step).collect::<Vec<_>>(),
                "waiting_transitions": waiting.iter().map(step).collect::<Vec<_>>(),
                "lists": lists::versions_layout().listing(&covered, None).objects(),
                "rules": rules::layout(false).listing(&installed, None).objects(),
                "findings": findings::layout().listing(&found, None).objects(),
                "version_count": version_count,
                "rule_count": rule_count,
                "finding_count": finding_count,
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only.
        Format::Jsonl | Format::Csv => layout().listing(&versions, completeness).print(out),
        Format::Table => {
            let mut text = String::new();
            let before = version_count.saturating_sub(versions.len() as u64);
            if before > 0 {
                text.push_str(&format!(
                    "{} before these\n\n",
                    words::count(before, "version", "versions")
                ));
            }
            for pairs in of_versions(&versions) {
                for (name, value) in pairs {
                    text.push_str(&line(name, &value));
                }
                text.push('\n');
            }
            if !transitions.is_empty() {
                text.push_str("what became of it\n");
                let steps = transitions.iter().map(|t| format!("  {}\n", step(t)));
                text.push_str(&steps.collect::<String>());
                text.push('\n');
            }
            if !waiting.is_empty() {
                text.push_str("what would become of it\n");
                let steps = waiting.iter().map(|t| format!("  {}\n", step(t)));
                text.push_str(&steps.collect::<String>());
                text.push('\n');
            }
            output::write(output::escape_lines(&text).as_bytes())?;
            if !covered.is_empty() {
                output::write(b"lists that it covers\n")?;
                lists::versions_layout().listing(&covered, None).print(out)?;
                output::write(b"\n")?;
            }
            output::write(b"rules installed now that claim it or fall under it\n")?;
            rules::layout(false).listing(&installed, None).print(out)?;
            output::write(beyond_rows(rule_count, installed.len(), "rules", id).as_bytes())?;
            output::write(b"\nfindings\n")?;
            output::write(beyond_rows(finding_count, found.len(), "findings", id).as_bytes())?;
            findings::layout().listing(&found, completeness).print(out)
        }
    }
}

/// A value may have lines of its own: they stand under it, or each could pass for a field.
fn line(name: &str, value: &str) -> String {
    format!("{name:<20}{}\n", value.replace('\n', &format!("\n{:20}", "")))
}

/// An answer has room for so many; the lists have all.
fn beyond_rows(count: u64, shown: usize, list: &str, id: &str) -> String {
    match count.saturating_sub(shown as u64) {
        0 => String::new(),
        more => format!("the first {shown}; {more} more: remit {list} list --request {id}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_value_passes_for_no_field() {
        let text = line("reasons", "counterfeit\nstate               accepted");
        let second = text.lines().nth(1).unwrap();
        assert_eq!(second, format!("{:20}state               accepted", ""));
    }
}
