//! What a statement would change of today's verdicts, as the collector computes it: `--dry-run`, and before
//! whatever is entered.

use prost::Message;
use remit_proto::v1::{self, statement::Body};

use super::adopt::statements::{Change, change_of_all, unsigned};
use crate::{
    client::RegisterClient,
    config::Config,
    exit::CliError,
    output::{escape, fitted},
    time, words,
};

/// Bytes of items in one message: a collector takes 1 MiB, and an item may be 256 KiB.
const PART_SIZE_MAX: usize = 512 * 1024;

/// Asks, and says what it would change; of a dry run also of which rules.
pub(super) async fn tell(
    config: &Config,
    client: &mut RegisterClient,
    body: Body,
    items: Vec<v1::RegisterItem>,
    effective_at_s: i64,
    dry_run: bool,
) -> Result<(), CliError> {
    let now_s = time::now_s();
    let statement = unsigned(config, body.clone(), now_s, effective_at_s)?;
    let statement = evidence::canonical::encode(&statement);
    let answer = preview(client, statement, items).await?;
    if let (Body::Proceeding(ended), Some(named)) = (&body, &answer.proceeding) {
        eprintln!("{}", escape(&depending(&ended.id, named)));
    }
    let later_s = Some(answer.effective_at_s).filter(|at_s| now_s < *at_s);
    let would = if answer.waits { Would::OnceApproved } else { Would::of(dry_run) };
    eprintln!("{}", sentence(&change_of_all(&answer.rows), would, later_s));
    if answer.waits {
        eprintln!(
            "this waits for a second person: until somebody else has approved it, it covers and ends nothing"
        );
    }
    if dry_run {
        for line in rules(&answer) {
            eprintln!("{}", fitted(&escape(&line)));
        }
    }
    Ok(())
}

pub(super) async fn preview(
    client: &mut RegisterClient,
    statement: Vec<u8>,
    items: Vec<v1::RegisterItem>,
) -> Result<v1::PreviewStatementResponse, CliError> {
    let parts = tokio_stream::iter(parts(statement, items));
    Ok(client.preview_statement(parts).await?.into_inner())
}

/// The statement in the first message, and as many as the items need.
fn parts(
    statement: Vec<u8>,
    items: Vec<v1::RegisterItem>,
) -> impl Iterator<Item = v1::PreviewStatementRequest> {
    let mut items = items.into_iter().peekable();
    let mut statement = Some(statement);
    std::iter::from_fn(move || {
        if statement.is_none() && items.peek().is_none() {
            return None;
        }
        let (mut size, mut part) = (0, Vec::new());
        while let Some(item) = items.next_if(|item| {
            size += item.encoded_len();
            part.is_empty() || size <= PART_SIZE_MAX
        }) {
            part.push(item);
        }
        let statement = statement.take().unwrap_or_default();
        Some(v1::PreviewStatementRequest { statement, items: part })
    })
}

/// Whether what is told happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Would {
    /// It does.
    Now,
    /// It is a dry run.
    IfEntered,
    /// When a second person has approved it.
    OnceApproved,
}

impl Would {
    pub(in crate::commands) fn of(dry_run: bool) -> Self {
        if dry_run { Self::IfEntered } else { Self::Now }
    }
}

/// `later_s`: when what is stated takes effect, if that is still to come.
pub(in crate::commands) fn sentence(change: &Change, would: Would, later_s: Option<i64>) -> String {
    let Change { rules, before, after, .. } = change;
    if *rules == 0 {
        return "no verdict on a rule that stands now changes".to_owned();
    }
    let later = later_s
        .map_or_else(String::new, |at_s| format!(" at {}, if they stand then", time::utc(at_s)));
    format!(
        "{} of rules that stand now {}{later}: {} become {}",
        words::count(*rules, "verdict", "verdicts"),
        match would {
            Would::Now => "change",
            Would::IfEntered => "would change",
            Would::OnceApproved => "would change once it is approved",
        },
        before.join(", "),
        after.join(", ")
    )
}

/// Which requests lapse with a proceeding. That none names it is most likely a mistake in its id: nothing else would
/// show it.
fn depending(proceeding: &str, named: &v1::NamedProceeding) -> String {
    let v1::NamedProceeding { request_ids, request_count, outliving_count, alike } = named;
    let outliving = words::count(
        *outliving_count,
        "request that names it and holds on after it (outlives)",
        "requests that name it and hold on after it (outlives)",
    );
    if *request_count == 0 && *outliving_count == 0 {
        let quoted: Vec<_> = alike.iter().map(|id| format!("{id:?}")).collect();
        let like = if quoted.is_empty() {
            "no other one is written like it".to_owned()
        } else {
            format!("requests name these, which are written like it: {}", quoted.join(", "))
        };
        return format!(
            "no request of the register names proceeding {proceeding:?}: check how it is written; {like}. As it \
             stands, its end changes nothing, unless a request that is entered later names it"
        );
    }
    if *request_count == 0 {
        return format!(
            "no request lapses with proceeding {proceeding:?}; the register holds {outliving}"
        );
    }
    let more = match request_count.saturating_sub(request_ids.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let beside = match outliving_count {
        0 => String::new(),
        _ => format!("; beside them {outliving}"),
    };
    format!(
        "{} on proceeding {proceeding:?}: {}{more}{beside}",
        words::count(*request_count, "request depends", "requests depend"),
        request_ids.join(", ")
    )
}

/// "  edge-1 rule 0000000000000007 domain_exact:bad.example: AUTHORISED (call/1) would become REVOKED (call/1)"
fn rules(answer: &v1::PreviewStatementResponse) -> Vec<String> {
    let v1::PreviewStatementResponse { changed, changed_count, .. } = answer;
    let mut lines: Vec<String> = changed.iter().map(rule).collect();
    let more = changed_count.saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("  and {}", words::count(more, "rule more", "rules more")));
    }
    lines
}

fn rule(changed: &v1::PreviewedRule) -> String {
    let v1::PreviewedRule { node, generation: _, rule, target, before, after } = changed;
    let target = target.as_ref();
    let (kind, value) = (words::target_kind(target), words::target(target));
    let said = |verdict: &Option<v1::Verdict>| {
        let Some(verdict) = verdict else { return "no verdict".to_owned() };
        let request = verdict.clause.as_ref().map_or("", |clause| clause.request_id.as_str());
        let code = words::verdict_code(verdict);
        if request.is_empty() { code } else { format!("{code} ({request})") }
    };
    let rule = words::rule(*rule);
    format!("  {node} rule {rule} {kind}:{value}: {} would become {}", said(before), said(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(size: usize) -> v1::RegisterItem {
        let request = v1::Request { id: "x".repeat(size), ..v1::Request::default() };
        let item = Some(v1::register_item::Item::Request(request));
        v1::RegisterItem { item }
    }

    #[test]
    fn a_long_import_is_asked_about_in_parts_and_nothing_of_it_is_lost() {
        let sizes = |items: Vec<v1::RegisterItem>| -> Vec<(bool, usize)> {
            let parts = parts(vec![1], items);
            parts.map(|part| (part.statement.is_empty(), part.items.len())).collect()
        };
        assert_eq!(sizes(Vec::new()), [(false, 0)]);
        assert_eq!(sizes(vec![item(10), item(10)]), [(false, 2)]);
        let large = vec![item(200_000); 5];
        assert_eq!(sizes(large), [(false, 2), (true, 2), (true, 1)]);
        // One that is larger than a part goes alone.
        assert_eq!(sizes(vec![item(600_000), item(1)]), [(false, 1), (true, 1)]);
    }

    #[test]
    fn requests_that_depend_on_a_proceeding_are_named_and_that_there_is_none_is_said() {
        let told = |ids: &[&str], request_count, outliving_count, alike: &[&str]| {
            depending(
                "12 O 345/26",
                &v1::NamedProceeding {
                    request_ids: ids.iter().map(ToString::to_string).collect(),
                    request_count,
                    outliving_count,
                    alike: alike.iter().map(ToString::to_string).collect(),
                },
            )
        };
        let on = "on proceeding \"12 O 345/26\": ";
        assert_eq!(told(&["a/1"], 1, 0, &[]), format!("1 request depends {on}a/1"));
        assert_eq!(
            told(&["a/1", "a/2"], 14, 1, &[]),
            format!(
                "14 requests depend {on}a/1, a/2 and 12 more; beside them 1 request that names it and holds on \
                 after it (outlives)"
            )
        );
        assert_eq!(
            told(&[], 0, 2, &[]),
            "no request lapses with proceeding \"12 O 345/26\"; the register holds 2 requests that name it and \
             hold on after it (outlives)"
        );
        let none = told(&[], 0, 0, &[]);
        assert!(none.starts_with("no request of the register names proceeding \"12 O 345/26\""));
        assert!(none.contains("no other one is written like it"), "{none}");
        let like = told(&[], 0, 0, &["12 O 354/26"]);
        assert!(like.contains("written like it: \"12 O 354/26\""), "{like}");
    }

    #[test]
    fn rules_are_named_and_those_that_are_only_counted_are_counted() {
        let verdict = |code: v1::VerdictCode, request: &str| {
            let clause = v1::Clause { request_id: request.to_owned(), ..v1::Clause::default() };
            Some(v1::Verdict { code: code.into(), clause: Some(clause), ..v1::Verdict::default() })
        };
        let rule = v1::PreviewedRule {
            node: "edge-1".to_owned(),
            rule: 7,
            target: Some(v1::Target {
                kind: v1::TargetKind::Ip.into(),
                value: "192.0.2.7".to_owned(),
            }),
            before: verdict(v1::VerdictCode::Authorised, "call/1"),
            after: verdict(v1::VerdictCode::NoBasis, ""),
            ..v1::PreviewedRule::default()
        };
        let answer = v1::PreviewStatementResponse {
            changed: vec![rule],
            changed_count: 3,
            ..v1::PreviewStatementResponse::default()
        };
        assert_eq!(
            rules(&answer),
            [
                "  edge-1 rule 0000000000000007 ip:192.0.2.7: AUTHORISED (call/1) would become NO_BASIS",
                "  and 2 rules more",
            ]
        );
    }
}
