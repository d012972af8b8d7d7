//! Statements about rules that stood already: signed, sent, and what they would change.

use std::collections::BTreeMap;

use evidence::{NodeId, canonical};
use remit_proto::v1::{self, VerdictCode, statement::Body};
use sha2::{Digest, Sha256};

use crate::{
    cli::{AdoptBaseline, AdoptBasisMap, AdoptLateRegister},
    client::{self, RegisterClient},
    commands::{
        preview::{Would, preview, sentence},
        requests::{hand_in, item_set},
    },
    config::Config,
    exit::CliError,
    home, statement, time, words,
};

pub(crate) async fn baseline(config: &Config, args: &AdoptBaseline) -> Result<(), CliError> {
    let now_s = time::now_s();
    let until_s = time::parse(&args.until, "--until", now_s)?;
    if until_s <= now_s {
        return Err(CliError::Usage("--until: it has passed; give a later time".to_owned()));
    }
    let body = Body::Baseline(v1::Baseline { nodes: nodes(&args.nodes)?, until_s });
    state(config, body, args.dry_run).await
}

pub(crate) async fn late_register(
    config: &Config,
    args: &AdoptLateRegister,
) -> Result<(), CliError> {
    let AdoptLateRegister { grace_s, dry_run } = args;
    state(config, Body::LateRegister(v1::LateRegister { grace_s: *grace_s }), *dry_run).await
}

/// Tells what it changes of the verdicts on rules, and enters it.
async fn state(config: &Config, body: Body, dry_run: bool) -> Result<(), CliError> {
    let now_s = time::now_s();
    let mut client = client::register(config).await?;
    let bytes = canonical::encode(&unsigned(config, body.clone(), now_s, now_s)?);
    let answer = preview(&mut client, bytes, Vec::new()).await?;
    let change = change_of_all(&answer.rows);
    let told = match &body {
        // It is about references, and not about rules without a basis.
        Body::LateRegister(_) => sentence(&change, Would::of(dry_run), None),
        _ => change.sentence(dry_run),
    };
    eprintln!("{told}");
    if dry_run {
        eprintln!("nothing was entered (--dry-run)");
        return Ok(());
    }
    enter(config, &mut client, body, Vec::new()).await
}

pub(crate) async fn basis_map(config: &Config, args: &AdoptBasisMap) -> Result<(), CliError> {
    let bytes = home::read(&args.file)?;
    let digest = Sha256::digest(&bytes).to_vec();
    let body = Body::BasisMap(v1::BasisMap { digest, nodes: nodes(&args.nodes)? });
    let mut client = client::register(config).await?;
    enter(config, &mut client, body, Vec::new()).await
}

fn nodes(named: &[String]) -> Result<Vec<String>, CliError> {
    for node in named {
        node.parse::<NodeId>()
            .map_err(|error| CliError::Usage(format!("--nodes: {node:?}: {error}")))?;
    }
    let mut nodes = named.to_vec();
    nodes.sort();
    nodes.dedup();
    Ok(nodes)
}

/// A statement as it would be signed.
pub(crate) fn unsigned(
    config: &Config,
    body: Body,
    now_s: i64,
    effective_at_s: i64,
) -> Result<v1::Statement, CliError> {
    Ok(v1::Statement {
        format: evidence::FORMAT,
        origin: config.register_vkey()?.name().to_string(),
        recorded_at_s: now_s,
        effective_at_s,
        author: Some(config.person()?),
        approver: None,
        body: Some(body),
    })
}

/// All attributions of a plan as one import, with its chunks.
pub(super) fn import(
    items: &[v1::RegisterItem],
    file: &[u8],
    groups: usize,
) -> Result<(Body, Vec<Vec<u8>>), CliError> {
    let (set, chunks) = item_set(items)?;
    let body = Body::Import(v1::Import {
        items: Some(set),
        file_digest: Sha256::digest(file).to_vec(),
        rows_read: groups as u64,
        ..v1::Import::default()
    });
    Ok((body, chunks))
}

/// Signs, sends, and waits until answers show it.
pub(in crate::commands) async fn enter(
    config: &Config,
    client: &mut RegisterClient,
    body: Body,
    chunks: Vec<Vec<u8>>,
) -> Result<(), CliError> {
    let now_s = time::now_s();
    let see = shown_by(&body);
    let signed_statement = statement::sign(config, body, now_s, now_s)?;
    hand_in(client, signed_statement, chunks, &see).await
}

/// The command that shows whether such a statement was entered.
fn shown_by(body: &Body) -> String {
    match body {
        Body::ListFeed(feed) => format!("remit lists show {}", feed.list_id),
        Body::Baseline(_) | Body::LateRegister(_) | Body::BasisMap(_) => {
            "remit adopt show".to_owned()
        }
        Body::Import(_)
        | Body::Attribution(_)
        | Body::Transition(_)
        | Body::Decision(_)
        | Body::ListVersion(_)
        | Body::Approval(_)
        | Body::Proceeding(_) => {
            "remit adopt plan, in which nothing is that was attributed".to_owned()
        }
    }
}

/// What a statement changes of the verdicts on rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(in crate::commands) rules: u64,
    /// "3871 NO_BASIS"
    pub(in crate::commands) before: Vec<String>,
    pub(in crate::commands) after: Vec<String>,
    pub(super) leave_no_basis: u64,
}

impl Change {
    pub(crate) fn sentence(&self, dry_run: bool) -> String {
        let Self { rules, leave_no_basis, after, .. } = self;
        format!(
            "{} {}: {leave_no_basis} {} NO_BASIS; then {}",
            words::count(*rules, "rule", "rules"),
            if dry_run { "would be spoken of" } else { "spoken of" },
            if dry_run { "would leave" } else { "leave" },
            if after.is_empty() { "none".to_owned() } else { after.join(", ") }
        )
    }
}

/// Of the rules that an attribution is about.
pub(super) fn change(rows: &[v1::PreviewRow]) -> Change {
    sum(rows, |row| row.named)
}

/// Of the rules whose verdict changes.
pub(crate) fn change_of_all(rows: &[v1::PreviewRow]) -> Change {
    sum(rows, |row| if row.before == row.after { 0 } else { row.rules })
}

fn sum(rows: &[v1::PreviewRow], rules: impl Fn(&v1::PreviewRow) -> u64) -> Change {
    let mut change = Change::default();
    let mut before: BTreeMap<VerdictCode, u64> = BTreeMap::new();
    let mut after: BTreeMap<VerdictCode, u64> = BTreeMap::new();
    for row in rows {
        let count = rules(row);
        change.rules += count;
        *before.entry(row.before()).or_default() += count;
        *after.entry(row.after()).or_default() += count;
        if row.before() == VerdictCode::NoBasis && row.after() != VerdictCode::NoBasis {
            change.leave_no_basis += count;
        }
    }
    let shown = |counts: BTreeMap<VerdictCode, u64>| {
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let word = |code: VerdictCode| {
            words::verdict_code(&v1::Verdict { code: code.into(), ..v1::Verdict::default() })
        };
        counts.map(|(code, count)| format!("{count} {}", word(code))).collect()
    };
    change.before = shown(before);
    change.after = shown(after);
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_no_basis_is_counted_and_what_stays_is_not() {
        let row = |before: VerdictCode, after: VerdictCode, rules, named| v1::PreviewRow {
            before: before.into(),
            after: after.into(),
            rules,
            named,
            ..v1::PreviewRow::default()
        };
        use VerdictCode::{Authorised, Expired, NoBasis};
        let rows = [
            row(NoBasis, Authorised, 5, 5),
            row(NoBasis, NoBasis, 90, 2),
            row(Expired, Expired, 7, 0),
        ];
        let told = change(&rows);
        assert_eq!((told.rules, told.leave_no_basis), (7, 5));
        assert_eq!(told.before, ["7 NO_BASIS"]);
        assert_eq!(told.after, ["5 AUTHORISED", "2 NO_BASIS"]);
        assert_eq!(change_of_all(&rows).after, ["5 AUTHORISED"]);
        assert!(told.sentence(true).contains("5 would leave NO_BASIS"), "{}", told.sentence(true));
    }
}
