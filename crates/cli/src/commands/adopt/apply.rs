//! An edited plan into one signed import of attributions.

use evidence::{Claim, canonical, statement::RULES_MAX};
use remit_proto::v1::{self, register_item::Item, statement::Body};

use super::{
    file::{Plan, Planned, To, read, select},
    rules,
    statements::{Change, change, enter, import, unsigned},
    traits::Traits,
};
use crate::{
    cli::{AdoptApply, Format},
    client::{self, RegisterClient},
    commands::preview::preview,
    config::Config,
    exit::CliError,
    home,
    output::{Cell, Layout, fields},
    time, words,
};

/// `RegisterItem.attribution.group` is a short text.
const GROUP_SIZE_MAX: usize = 200;

pub(crate) async fn apply(config: &Config, args: &AdoptApply, out: Format) -> Result<(), CliError> {
    let bytes = home::read(&args.file)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| CliError::Malformed(format!("{}: not UTF-8 text", args.file.display())))?;
    let plan = read(&args.file, text)?;
    let found: Vec<Traits> = rules(config, &[]).await?.iter().filter_map(Traits::of).collect();
    let groups = attributed(&plan, found)?;
    if groups.is_empty() {
        return Err(CliError::Usage(format!(
            "{}: no group says what its rules rest on, or none of its rules stands; write `to = …` below \
             a [[group]]",
            args.file.display()
        )));
    }
    let mut client = client::register(config).await?;
    let mut rows = Vec::new();
    for group in &groups {
        rows.push(group.row(config, &mut client).await?);
    }
    let items: Vec<v1::RegisterItem> =
        groups.iter().flat_map(|group| group.items.clone()).collect();
    let all = ask(config, &mut client, &items).await?;
    layout().listing(&rows, None).print(out)?;
    eprintln!("{}", all.sentence(args.dry_run));
    if args.dry_run {
        eprintln!("nothing was entered (--dry-run)");
        return Ok(());
    }
    let (body, chunks) = import(&items, &bytes, groups.len())?;
    enter(config, &mut client, body, chunks).await
}

/// A group with what it says, and with the rules that it says it of.
struct Attributed {
    line: usize,
    name: String,
    to: String,
    planned: usize,
    rules: usize,
    items: Vec<v1::RegisterItem>,
}

/// Those that a person has attributed and that still have rules. A group that has grown is refused: the
/// person has not seen what is new in it.
fn attributed(plan: &Plan, found: Vec<Traits>) -> Result<Vec<Attributed>, CliError> {
    let mut groups = Vec::new();
    for (planned, rules) in plan.groups.iter().zip(select(plan, found)) {
        let Planned { line, matcher, count, to } = planned;
        let (claims, shown) = match to {
            To::Left => continue,
            To::TakenBack => (Vec::new(), "nothing".to_owned()),
            To::Claims(claims) => {
                let shown: Vec<String> = claims.iter().map(ToString::to_string).collect();
                (claims.iter().map(v1::Claim::from).collect(), shown.join(", "))
            }
        };
        if rules.len() > *count {
            return Err(CliError::Malformed(format!(
                "line {line}: {} selects {} now, and the plan counted {count}: a group above it was taken \
                 out or narrowed, or its rules changed; write a new plan",
                matcher.name(),
                words::count(rules.len() as u64, "rule", "rules"),
            )));
        }
        if rules.is_empty() {
            continue;
        }
        let name = matcher.name();
        let claiming = matcher.claim.as_deref().and_then(|claim| claim.parse().ok());
        groups.push(Attributed {
            line: *line,
            to: shown,
            planned: *count,
            rules: rules.len(),
            items: items(&name, &claims, claiming.as_ref(), &rules),
            name,
        });
    }
    Ok(groups)
}

/// By node, and in as many parts as fit.
fn items(
    name: &str,
    claims: &[v1::Claim],
    claiming: Option<&Claim>,
    rules: &[Traits],
) -> Vec<v1::RegisterItem> {
    let cut = (0..=GROUP_SIZE_MAX.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    let group: String = name
        .get(..cut.unwrap_or(0))
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let mut by_node: std::collections::BTreeMap<&str, Vec<u64>> = std::collections::BTreeMap::new();
    for rule in rules {
        by_node.entry(&rule.node).or_default().push(rule.number);
    }
    let attribution = |node: &str| v1::Attribution {
        node: node.to_owned(),
        claims: claims.to_vec(),
        group: group.clone(),
        withdrawn: claims.is_empty(),
        ..v1::Attribution::default()
    };
    let mut items = Vec::new();
    for (node, mut numbers) in by_node {
        if let Some(claiming) = claiming {
            let claiming = Some(v1::Claim::from(claiming));
            items.push(v1::Attribution { claiming, ..attribution(node) });
            continue;
        }
        // The same number in two generations of a node is not told twice.
        numbers.sort_unstable();
        numbers.dedup();
        items.extend(
            numbers
                .chunks(RULES_MAX)
                .map(|rules| v1::Attribution { rules: rules.to_vec(), ..attribution(node) }),
        );
    }
    let item = |said| v1::RegisterItem { item: Some(Item::Attribution(said)) };
    items.into_iter().map(item).collect()
}

/// One line of the answer: what a group would change.
struct Row {
    line: usize,
    name: String,
    to: String,
    planned: usize,
    rules: usize,
    change: Change,
}

impl Attributed {
    async fn row(&self, config: &Config, client: &mut RegisterClient) -> Result<Row, CliError> {
        let Self { line, name, to, planned, rules, items } = self;
        let change = ask(config, client, items).await?;
        let (line, planned, rules) = (*line, *planned, *rules);
        Ok(Row { line, name: name.clone(), to: to.clone(), planned, rules, change })
    }
}

/// What these attributions alone would change.
async fn ask(
    config: &Config,
    client: &mut RegisterClient,
    items: &[v1::RegisterItem],
) -> Result<Change, CliError> {
    let set =
        v1::ItemSet { count: items.len() as u64, root: vec![0; 32], chunks: vec![vec![0; 32]] };
    let body = Body::Import(v1::Import { items: Some(set), ..v1::Import::default() });
    let now_s = time::now_s();
    let statement = canonical::encode(&unsigned(config, body, now_s, now_s)?);
    Ok(change(&preview(client, statement, items.to_vec()).await?.rows))
}

fn layout() -> Layout<Row> {
    let fields = fields![row: Row;
        "line" => row.line,
        "group" => row.name,
        "attributed_to" => row.to,
        "rules" => row.rules,
        "rules_planned" => row.planned,
        "before" => row.change.before,
        "after" => row.change.after,
        "leave_no_basis" => row.change.leave_no_basis,
    ];
    type Of = Cell<Row>;
    let cells = vec![
        Of::new("GROUP", |row| row.name.clone()),
        Of::new("RULES", |row| row.rules.to_string()),
        Of::new("ATTRIBUTED TO", |row| row.to.clone()),
        Of::new("NOW", |row| row.change.before.join(", ")),
        Of::new("THEN", |row| row.change.after.join(", ")),
    ];
    let below = |row: &Row| match row.planned.saturating_sub(row.rules) {
        0 => Vec::new(),
        gone => {
            vec![format!("{gone} of the planned rules stand no more, or were attributed since.")]
        }
    };
    Layout { noun: "groups", fields, cells, below }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::adopt::groups::Matcher;

    fn rule(node: &str, number: u64) -> Traits {
        Traits { node: node.into(), number, set: "x".into(), ..Traits::default() }
    }

    fn plan(count: usize) -> Plan {
        let none = || Some(String::new());
        let matcher = Matcher { set: Some("x".into()), claim: none(), ..Matcher::default() };
        let to = To::Claims(vec!["court/1".parse().unwrap()]);
        Plan { seen_at_s: 100, groups: vec![Planned { line: 3, matcher, count, to }] }
    }

    #[test]
    fn a_group_is_told_by_node_and_in_parts_that_fit() {
        let mut rules: Vec<Traits> = (0..RULES_MAX as u64 + 1).map(|n| rule("edge-1", n)).collect();
        rules.push(rule("edge-2", 1));
        let groups = attributed(&plan(rules.len()), rules).unwrap();
        let told: Vec<(String, usize)> = groups[0]
            .items
            .iter()
            .map(|item| match &item.item {
                Some(Item::Attribution(said)) => {
                    evidence::statement::check_attribution(said).unwrap();
                    (said.node.clone(), said.rules.len())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let want = [("edge-1", RULES_MAX), ("edge-1", 1), ("edge-2", 1)];
        assert_eq!(told, want.map(|(node, count)| (node.to_owned(), count)));
    }

    #[test]
    fn a_group_that_has_grown_is_refused_and_one_that_shrank_is_not() {
        let two = || vec![rule("edge-1", 1), rule("edge-1", 2)];
        let refused = attributed(&plan(1), two()).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("line 3") && refused.contains("2 rules now"), "{refused}");
        assert_eq!(attributed(&plan(5), two()).unwrap()[0].rules, 2);
        assert!(attributed(&plan(5), Vec::new()).unwrap().is_empty());
    }
}
