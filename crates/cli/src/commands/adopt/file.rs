//! The plan file: written for a person to edit, and read again.
//!
//! Everything in it that came from a node or from the register is escaped: a set's comment must not be able
//! to write a line of the plan.

use std::{collections::BTreeMap, path::Path};

use evidence::Claim;
use remit_proto::v1;
use serde::Deserialize;

use super::{
    groups::{Group, Matcher, groups},
    propose::{Proposal, proposals},
    rules,
    traits::Traits,
};
use crate::{
    cli::AdoptPlan,
    client,
    commands::requests,
    config::Config,
    exit::CliError,
    home,
    output::{escape, some},
    time, words,
};

/// It names targets: whoever wrote it decides who else reads it.
const MODE: u32 = 0o600;
/// Of a group; the rest is counted.
const EXAMPLES: usize = 4;

/// What `to` says where an attribution is to be taken back.
const NOTHING: &str = "nothing";

pub(crate) async fn plan(config: &Config, args: &AdoptPlan) -> Result<(), CliError> {
    // Before the question: what is installed while it is answered is not in the plan.
    let seen_at_s = time::now_s();
    let rows = rules(config, &args.nodes).await?;
    let installed = rows.len();
    let mut found: Vec<Traits> = rows.iter().filter_map(Traits::of).collect();
    found.retain(|rule| args.again || rule.attributed.is_empty());
    let mut client = client::register(config).await?;
    let (requests, _) =
        requests::rows(&mut client, v1::ListRequestsRequest::default(), None).await?;
    let requests: Vec<v1::Request> = requests.into_iter().filter_map(|row| row.request).collect();
    let groups = groups(found);
    let text = write(&groups, &requests, seen_at_s);
    home::write_new(&args.out, text.as_bytes(), MODE)?;
    let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
    eprintln!(
        "{}: {} of {} installed claim nothing that the register knows, in {}; edit it, then: remit adopt \
         apply --dry-run {}",
        args.out.display(),
        words::count(rules as u64, "rule", "rules"),
        installed,
        words::count(groups.len() as u64, "group", "groups"),
        args.out.display()
    );
    Ok(())
}

fn write(groups: &[Group], requests: &[v1::Request], seen_at_s: i64) -> String {
    let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
    let mut text = format!(
        "# What is installed and claims nothing that the register knows: {} in {}.\n{HEADER}\
         seen_at = {}\n",
        words::count(rules as u64, "rule", "rules"),
        words::count(groups.len() as u64, "group", "groups"),
        time::utc(seen_at_s)
    );
    for group in groups {
        text.push('\n');
        text.push_str(&section(group, &proposals(group, requests)));
    }
    text
}

const HEADER: &str = r##"#
# For each group, say what its rules rest on: take the "# " away before one of the proposals, or write
#   to = "court/2026-001"        a request of the register
#   to = "list:hotline@2026-11"  a list, as of a version
#   to = "class:security"        an own measure; an entry of that class in the register documents it
# A group without `to` stays as it is. The words below each [[group]] select its rules; add comment, log,
# counter, node or technique to narrow one, and lower `count` with it. `set`, `claim` and `touched_by`
# that are left out mean none. Then:
#   remit adopt apply --dry-run FILE    what each would change
#   remit adopt apply FILE              signed, as one statement
# Rules that are installed after this time are not attributed by this plan:
"##;

fn section(group: &Group, proposals: &[Proposal]) -> String {
    let mut lines = vec!["[[group]]".to_owned()];
    let mut comment = |text: String| lines.push(format!("# {}", escape(&text)));
    let nodes = unique(group.rules.iter().map(|rule| rule.node.as_str()));
    let nodes: Vec<String> = nodes.into_iter().map(str::to_owned).collect();
    let hits = group.rules.iter().fold(0_u64, |sum, rule| sum.saturating_add(rule.hits));
    comment(format!(
        "{} on {}; {}; {}",
        words::count(group.rules.len() as u64, "rule", "rules"),
        some(&nodes, EXAMPLES, ", "),
        since(group),
        words::count(hits, "hit", "hits")
    ));
    let targets: Vec<&str> = unique(group.rules.iter().map(|rule| rule.target.as_str()));
    let shown: Vec<&str> = targets.iter().take(EXAMPLES).copied().collect();
    let more = targets.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    comment(format!("targets: {}{more}", shown.join(", ")));
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    for rule in &group.rules {
        *verdicts.entry(&rule.verdict).or_default() += 1;
    }
    let verdicts: Vec<String> =
        verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    comment(format!("now: {}", verdicts.join(", ")));
    for Proposal { to, why } in proposals {
        lines.push(format!("# to = {}   # {}", string(to), escape(why)));
    }
    lines.extend(keys(&group.matcher));
    lines.push(format!("count = {}", group.rules.len()));
    lines.join("\n") + "\n"
}

fn since(group: &Group) -> String {
    let times = || group.rules.iter().map(|rule| rule.installed_at_s);
    match (times().min().unwrap_or(0), times().max().unwrap_or(0)) {
        (0, 0) => "before the agent first looked".to_owned(),
        (0, last) => format!("before the agent first looked, until {}", time::utc(last)),
        (first, last) if first == last => format!("installed {}", time::utc(first)),
        (first, last) => format!("installed from {} to {}", time::utc(first), time::utc(last)),
    }
}

fn unique<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let all: std::collections::BTreeSet<&str> = texts.collect();
    all.into_iter().collect()
}

/// The lines by which the group is selected. What reads as none where it is left out, is.
fn keys(matcher: &Matcher) -> Vec<String> {
    let Matcher {
        attributed,
        claim,
        set,
        comment,
        log,
        counter,
        source,
        technique,
        touched_by,
        installed_from_s,
        installed_until_s,
        node,
    } = matcher;
    let or_none =
        [("attributed", attributed), ("claim", claim), ("set", set), ("touched_by", touched_by)];
    let or_any = [
        ("comment", comment),
        ("log", log),
        ("counter", counter),
        ("source", source),
        ("technique", technique),
        ("node", node),
    ];
    let or_none = or_none.into_iter().filter(|(_, text)| text.as_deref() != Some(""));
    let texts = or_none.chain(or_any).filter_map(|(key, text)| Some((key, text.as_ref()?)));
    let mut lines: Vec<String> =
        texts.map(|(key, text)| format!("{key} = {}", string(text))).collect();
    for (key, at_s) in
        [("installed_from_s", installed_from_s), ("installed_until_s", installed_until_s)]
    {
        lines.extend(at_s.map(|at_s| format!("{key} = {at_s}")));
    }
    lines
}

/// A basic string of TOML, on one line whatever it holds.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() || !escape(&c.to_string()).starts_with(c) => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    seen_at: toml::value::Datetime,
    #[serde(default)]
    group: Vec<toml::Spanned<toml::Table>>,
}

/// A group that a person has attributed, or left.
#[derive(Debug)]
pub(super) struct Planned {
    /// Of its `[[group]]`, from 1.
    pub(super) line: usize,
    pub(super) matcher: Matcher,
    pub(super) count: usize,
    pub(super) to: To,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    /// Nobody has said.
    Left,
    Claims(Vec<Claim>),
    TakenBack,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seen_at_s: i64,
    pub(super) groups: Vec<Planned>,
}

pub(super) fn read(path: &Path, text: &str) -> Result<Plan, CliError> {
    parse(text).map_err(|problem| CliError::Malformed(format!("{}: {problem}", path.display())))
}

fn parse(text: &str) -> Result<Plan, String> {
    let line_at = |byte: usize| text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1;
    let at = |error: &toml::de::Error| match error.span() {
        Some(span) => format!("line {}: {}", line_at(span.start), error.message()),
        None => error.message().to_owned(),
    };
    let File { seen_at, group } = toml::from_str(text).map_err(|error| at(&error))?;
    let seen_at_s = seen_at
        .to_string()
        .parse::<jiff::Timestamp>()
        .map_err(|_| "seen_at: want a time such as 2026-01-31T12:00:00Z".to_owned())?
        .as_second();
    // Every mistake at once.
    let mut mistakes = Vec::new();
    let mut groups = Vec::new();
    for spanned in group {
        let line = line_at(spanned.span().start);
        match planned(line, spanned.into_inner()) {
            Ok(group) => groups.push(group),
            Err(mistake) => mistakes.push(format!("line {line}: {mistake}")),
        }
    }
    if mistakes.is_empty() { Ok(Plan { seen_at_s, groups }) } else { Err(mistakes.join("; ")) }
}

fn planned(line: usize, mut table: toml::Table) -> Result<Planned, String> {
    let count = table
        .remove("count")
        .and_then(|count| usize::try_from(count.as_integer()?).ok())
        .ok_or("count: want the number of rules of the group")?;
    let to = to(table.remove("to"))?;
    let mut matcher: Matcher = toml::Value::Table(table)
        .try_into()
        .map_err(|e: toml::de::Error| e.message().to_owned())?;
    matcher.attributed.get_or_insert_default();
    let claims = !matcher.claim.get_or_insert_default().is_empty();
    if !claims {
        matcher.set.get_or_insert_default();
        matcher.touched_by.get_or_insert_default();
    }
    Ok(Planned { line, matcher, count, to })
}

fn to(value: Option<toml::Value>) -> Result<To, String> {
    let want = "to: want a request, list:<id>@<version>, class:<basis class>, or \"nothing\"";
    let texts = match value {
        None => return Ok(To::Left),
        Some(toml::Value::String(text)) => vec![text],
        Some(toml::Value::Array(texts)) => texts
            .into_iter()
            .map(|text| text.as_str().map(str::to_owned).ok_or(want))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(want.to_owned()),
    };
    match texts.as_slice() {
        [] => Err(want.to_owned()),
        [one] if one.is_empty() => Ok(To::Left),
        [one] if one == NOTHING => Ok(To::TakenBack),
        all => {
            let claims = all.iter().map(|text| text.parse::<Claim>());
            let claims: Result<Vec<Claim>, _> = claims.collect();
            claims.map(To::Claims).map_err(|_| want.to_owned())
        }
    }
}

/// The groups of a plan with the rules that they select now: each rule in the first that takes it.
pub(super) fn select(plan: &Plan, rules: Vec<Traits>) -> Vec<Vec<Traits>> {
    let mut selected: Vec<Vec<Traits>> = plan.groups.iter().map(|_| Vec::new()).collect();
    for rule in rules.into_iter().filter(|rule| rule.installed_at_s <= plan.seen_at_s) {
        let first = plan.groups.iter().position(|group| group.matcher.takes(&rule));
        if let Some(group) = first.and_then(|at| selected.get_mut(at)) {
            group.push(rule);
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::{super::traits::tests::row, *};

    fn found() -> Vec<Traits> {
        let mut rows: Vec<v1::RuleRow> = (0..12)
            .map(|n| {
                let native = format!("ip daddr @blocked drop; element 192.0.2.{n}");
                row(["edge-1", "edge-2"][n % 2], n as u64, &native, &format!("192.0.2.{n}"))
            })
            .collect();
        rows.push(row(
            "edge-1",
            50,
            "ip daddr 203.0.113.1 drop comment \"x\\nto = 1\"",
            "203.0.113.1",
        ));
        rows.push(row("edge-1", 51, "ip daddr 203.0.113.2 log prefix \"old\" drop", "203.0.113.2"));
        rows.iter().filter_map(Traits::of).collect()
    }

    fn written() -> String {
        let requests = [v1::Request { id: "court/2026-004".into(), ..v1::Request::default() }];
        write(&groups(found()), &requests, 1_768_478_400)
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_attributes_nothing_by_itself() {
        let text = written();
        let plan = parse(&text).unwrap();
        assert_eq!(plan.groups.iter().map(|g| g.count).collect::<Vec<_>>(), [12, 1, 1]);
        assert!(plan.groups.iter().all(|group| group.to == To::Left), "{text}");
        let selected = select(&plan, found());
        let counts: Vec<usize> = selected.iter().map(Vec::len).collect();
        assert_eq!(counts, [12, 1, 1], "{text}");
        assert!(
            text.contains("12 rules on edge-1, edge-2; before the agent first looked"),
            "{text}"
        );
        assert!(text.contains("192.0.2.0, 192.0.2.1, 192.0.2.10, 192.0.2.11 and 8 more"), "{text}");
    }

    #[test]
    fn what_a_rule_is_called_cannot_write_a_line_of_the_plan() {
        let text = written().replace("comment = \"x", "comment = \"y");
        assert_eq!(parse(&text).unwrap().groups.len(), 3);
        let mut evil = found();
        evil[12].comment = "x\"\nto = \"class:security".into();
        evil[12].target = "a\nto = \"class:security\"".into();
        let text = write(&groups(evil.clone()), &[], 1_768_478_400);
        let plan = parse(&text).unwrap();
        assert!(plan.groups.iter().all(|group| group.to == To::Left), "{text}");
        let counts: Vec<usize> = select(&plan, evil).iter().map(Vec::len).collect();
        assert_eq!(counts, [12, 1, 1]);
    }

    #[test]
    fn a_person_takes_up_a_proposal_or_writes_another() {
        let text =
            written().replacen("set = ", "to = [\"court/1\", \"class:security\"]\nset = ", 1);
        let claims = vec!["court/1".parse().unwrap(), "class:security".parse().unwrap()];
        assert_eq!(parse(&text).unwrap().groups[0].to, To::Claims(claims));
        let back = written().replacen("set = ", "to = \"nothing\"\nset = ", 1);
        assert_eq!(parse(&back).unwrap().groups[0].to, To::TakenBack);
    }

    #[test]
    fn what_was_installed_later_is_not_in_the_plan() {
        let plan = parse(&written()).unwrap();
        let mut later = found();
        later[0].installed_at_s = plan.seen_at_s + 1;
        assert_eq!(select(&plan, later)[0].len(), 11);
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_in_a_plan_is_read_or_refused(
            text: String,
            keys in "(count|to|set|node|comment|claim|x) ?= ?[\"\\[\\]0-9a-z:/@,\n -]{0,20}",
        ) {
            let _ = parse(&text);
            let _ = parse(&format!("seen_at = 2026-01-15T12:00:00Z\n[[group]]\n{keys}\n{text}"));
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let check = |group: &str, want: &str| {
            let text = format!("seen_at = 2026-01-15T12:00:00Z\n\n[[group]]\n{group}\n");
            let found = parse(&text).unwrap_err();
            assert!(found.contains("line 3") && found.contains(want), "{found}");
        };
        check("set = \"x\"", "count");
        check("count = 1\nto = \"class:whim\"", "to: want");
        check("count = 1\nto = 7", "to: want");
        check("count = 1\ncolour = \"red\"", "colour");
        assert!(parse("[[group]]\ncount = 1\n").unwrap_err().contains("seen_at"));
    }
}
