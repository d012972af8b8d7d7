//! `remit target NAME`: installed where, hit where, since when, under what, is it covered.

use remit_proto::v1::{GetTargetRequest, GetTargetResponse, TargetKind};
use serde_json::json;

use super::{events, lists, rules as rule_rows};
use crate::{
    cli::{Format, TargetArgs},
    client,
    config::Config,
    exit::CliError,
    output, words,
};

pub(crate) async fn target(
    config: &Config,
    args: &TargetArgs,
    out: Format,
) -> Result<(), CliError> {
    let mut client = client::query(config).await?;
    let request = GetTargetRequest { target: args.name.clone() };
    let response = client.get_target(request).await?.into_inner();
    let GetTargetResponse { targets, rules, events, requests, completeness, listed } = response;
    let understood: Vec<String> =
        targets.iter().map(|t| format!("{}:{}", words::target_kind(Some(t)), t.value)).collect();
    match out {
        Format::Json => {
            let rules = rule_rows::layout().listing(&rules, None);
            let events = events::layout().listing(&events, None);
            let answer = json!({
                "targets": understood,
                "requests": requests,
                "lists": lists::listed_layout().listing(&listed, None).objects(),
                "rules": rules.objects(),
                "events": events.objects(),
                "completeness": output::completeness_json(completeness.as_ref()),
            });
            output::write(format!("{answer:#}\n").as_bytes())
        }
        // One kind of row only: what is, or was, installed.
        Format::Jsonl | Format::Csv => rule_rows::layout().listing(&rules, completeness).print(out),
        Format::Table => {
            let now = rules.iter().filter(|r| r.installed_now).count();
            let mut text = format!("understood as {}\n", understood.join(", "));
            let by = if requests.is_empty() { "none".to_owned() } else { requests.join(", ") };
            text.push_str(&format!("requests that cover or touch it: {by}\n"));
            text.push_str(&format!(
                "installed now by {}; newest events: {}\n",
                words::count(now as u64, "rule", "rules"),
                events.len()
            ));
            for name in targets.iter().filter(|t| t.kind() == TargetKind::DomainExact) {
                text.push_str(&format!("for names below it: remit target '*.{}'\n", name.value));
            }
            text.push('\n');
            output::write(output::escape_lines(&text).as_bytes())?;
            if !listed.is_empty() {
                lists::listed_layout().listing(&listed, None).print(out)?;
                output::write(b"\n")?;
            }
            rule_rows::layout().listing(&rules, None).print(out)?;
            output::write(b"\n")?;
            events::layout().listing(&events, completeness).print(out)
        }
    }
}
