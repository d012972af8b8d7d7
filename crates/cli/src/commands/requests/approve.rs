//! `remit requests approve`: a second person lets what was entered count.
//!
//! Signed with the person's own key, or attested by the collector for somebody who is logged in; the two
//! are said in other words wherever they are shown ([`approved`]).

use clap::Args;
use register::words as field;
use remit_proto::v1::{self, ApprovalMeans, statement::Body};

use super::{enter::wait_until_shown, rows};
use crate::{
    client::{self, RegisterClient},
    commands::preview,
    config::Config,
    exit::CliError,
    statement as signing, time,
};

#[derive(Debug, Args)]
pub(crate) struct RequestsApprove {
    /// What waits of it is approved: its newest version, and with it all that the same import entered; or what was
    /// stated of it
    pub(crate) id: String,
    /// Which statement, where several wait
    #[arg(long, value_name = "NUMBER")]
    pub(crate) statement: Option<u64>,
    #[command(flatten)]
    pub(crate) approval: GiveApproval,
}

#[derive(Debug, Args)]
pub(crate) struct GiveApproval {
    /// Do not sign: let the collector attest that you were logged in and approved
    #[arg(long)]
    pub(crate) by_login: bool,
    /// From when a version of a list or a feed counts [default: now]; none is in force before its own time. Requests and
    /// steps count from their own times
    #[arg(long, value_name = "TIME", conflicts_with = "by_login")]
    pub(crate) effective_at: Option<String>,
    /// Show what it would change of today's verdicts, and of which rules; approve nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

pub(crate) async fn approve(config: &Config, args: &RequestsApprove) -> Result<(), CliError> {
    let RequestsApprove { id, statement, approval } = args;
    if approval.effective_at.is_some() {
        let problem = "--effective-at: a request, a step and the end of a proceeding count from their own times, whenever \
                       they are approved; leave it out";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let mut client = client::register(config).await?;
    let question = v1::GetRequestRequest { id: id.clone() };
    let answer = client.get_request(question).await?.into_inner();
    let mut waiting = waiting(id, &answer);
    waiting.retain(|waits| statement.is_none_or(|wanted| waits.statement == wanted));
    let one = match (waiting.as_slice(), statement) {
        ([one], _) => one,
        ([], None) => {
            return Err(CliError::Usage(format!("{id} does not wait for an approval")));
        }
        ([], Some(number)) => {
            return Err(CliError::Usage(format!(
                "statement {number} of {id} does not wait for an approval"
            )));
        }
        (several, _) => {
            let each: Vec<_> =
                several.iter().map(|w| format!("{}: {}", w.statement, w.what)).collect();
            return Err(CliError::Usage(format!(
                "several statements wait; say which with --statement: {}",
                each.join("; ")
            )));
        }
    };
    let (statement, digest) = (one.statement, one.digest.clone());
    if one.is_version {
        let others = entered_with(&mut client, id, statement).await?;
        if !others.is_empty() {
            let (shown, rest) = others.split_at(others.len().min(IDS_SHOWN));
            let more =
                if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            eprintln!("with it, what the same import entered: {}{more}", shown.join(", "));
        }
    }
    let see = format!("remit requests show {id}");
    approval.give(config, &mut client, statement, digest, &one.what, &see).await
}

/// Ids that are named.
const IDS_SHOWN: usize = 20;

/// Other requests of which this statement entered the version that waits: who approves one approves all.
async fn entered_with(
    client: &mut RegisterClient,
    id: &str,
    statement: u64,
) -> Result<Vec<String>, CliError> {
    let (rows, _) = rows(client, v1::ListRequestsRequest::default(), None).await?;
    let mut others = Vec::new();
    for row in rows {
        let other = row.request.as_ref().map(|request| request.id.clone()).unwrap_or_default();
        let is_one = if row.newer_waits {
            let question = v1::GetRequestRequest { id: other.clone() };
            let newest = client.get_request(question).await?.into_inner().versions.pop();
            newest.is_some_and(|newest| newest.statement_index == statement)
        } else {
            row.statement_index == statement
        };
        if is_one && other != id {
            others.push(other);
        }
    }
    Ok(others)
}

/// A statement that waits for a second person.
#[derive(Debug, PartialEq, Eq)]
struct Waiting {
    statement: u64,
    digest: Vec<u8>,
    what: String,
    /// It entered a version, and not a step.
    is_version: bool,
}

/// In the order of the register.
fn waiting(id: &str, answer: &v1::GetRequestResponse) -> Vec<Waiting> {
    let waits = |second: &Option<v1::SecondPerson>| {
        let second = second.as_ref().filter(|second| second.approval.is_none());
        second.map(|second| second.digest.clone())
    };
    let version = answer.versions.last().and_then(|row| {
        let version = row.request.as_ref().map_or(0, |request| request.version);
        let what = format!("version {version} of {id}, entered by {}", row.author);
        let (statement, digest) = (row.statement_index, waits(&row.second_person)?);
        Some(Waiting { statement, digest, what, is_version: true })
    });
    let steps = answer.waiting_transitions.iter().filter_map(|row| {
        let what = format!(
            "{} {id} from {}, stated by {}",
            field::transition(row.kind()),
            time::utc(row.effective_at_s),
            row.author
        );
        let (statement, digest) = (row.statement_index, waits(&row.second_person)?);
        Some(Waiting { statement, digest, what, is_version: false })
    });
    let mut all: Vec<Waiting> = version.into_iter().chain(steps).collect();
    all.sort_by_key(|waits| waits.statement);
    all
}

impl GiveApproval {
    pub(crate) async fn give(
        &self,
        config: &Config,
        client: &mut RegisterClient,
        statement: u64,
        digest: Vec<u8>,
        what: &str,
        see: &str,
    ) -> Result<(), CliError> {
        let lost = |status| CliError::of_entry(status, see);
        if self.dry_run {
            return self.preview(config, client, statement, digest, what).await;
        }
        eprintln!("approving statement {statement}: {what}");
        if self.by_login {
            let request = v1::ApproveStatementRequest { statement, digest };
            let response = client.approve_statement(request).await.map_err(lost)?.into_inner();
            eprintln!(
                "attested by the collector as statement {}; register size {}",
                response.index, response.register_size
            );
            wait_until_shown(client, response.register_size).await;
            return Ok(());
        }
        let (now_s, effective_at_s) = self.times()?;
        let means = ApprovalMeans::SignedByPerson.into();
        let body = Body::Approval(v1::Approval { statement, digest, means });
        let signed_statement = signing::sign(config, body, now_s, effective_at_s)?;
        let request = v1::AppendStatementRequest { signed_statement };
        let response = client.append_statement(request).await.map_err(lost)?.into_inner();
        eprintln!(
            "signed as statement {}; register size {}",
            response.index, response.register_size
        );
        wait_until_shown(client, response.register_size).await;
        Ok(())
    }

    /// Now, and from when it counts.
    fn times(&self) -> Result<(i64, i64), CliError> {
        let now_s = time::now_s();
        let effective_at_s = match &self.effective_at {
            Some(text) => time::parse(text, "--effective-at", now_s)?,
            None => now_s,
        };
        Ok((now_s, effective_at_s))
    }

    async fn preview(
        &self,
        config: &Config,
        client: &mut RegisterClient,
        statement: u64,
        digest: Vec<u8>,
        what: &str,
    ) -> Result<(), CliError> {
        let (_, effective_at_s) = self.times()?;
        let means = match self.by_login {
            true => ApprovalMeans::AttestedByCollector,
            false => ApprovalMeans::SignedByPerson,
        };
        let approval = v1::Approval { statement, digest, means: means.into() };
        let body = Body::Approval(approval);
        preview::tell(config, client, body, Vec::new(), effective_at_s, true).await?;
        eprintln!("statement {statement} was not approved (--dry-run): {what}");
        Ok(())
    }
}

/// "signed by p-2 (statement 7)", "attested by the collector for p-2 (statement 7)".
pub(crate) fn approved(approval: &v1::PersonApproval) -> String {
    let by = approval.by.clone().unwrap_or_default();
    let how = match approval.means() {
        ApprovalMeans::SignedByPerson => "signed by",
        ApprovalMeans::AttestedByCollector => "attested by the collector for",
        ApprovalMeans::Unspecified => "approved by",
    };
    format!("{how} {} (statement {})", by.person, approval.statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_and_what_was_stated_wait_side_by_side() {
        let second = |approval| Some(v1::SecondPerson { digest: vec![1; 32], approval });
        let version = |statement_index, second_person| v1::RequestRow {
            request: Some(v1::Request { version: 2, ..v1::Request::default() }),
            statement_index,
            author: "p-1".to_owned(),
            second_person,
            ..v1::RequestRow::default()
        };
        let step = v1::TransitionRow {
            kind: v1::TransitionKind::Revoke.into(),
            effective_at_s: 1_772_618_400,
            statement_index: 4,
            author: "p-1".to_owned(),
            second_person: second(None),
            ..v1::TransitionRow::default()
        };
        let answer = v1::GetRequestResponse {
            versions: vec![version(7, second(None))],
            waiting_transitions: vec![step],
            ..v1::GetRequestResponse::default()
        };
        let told: Vec<_> = waiting("req-7", &answer).into_iter().map(|w| w.what).collect();
        assert_eq!(
            told,
            [
                "revoke req-7 from 2026-03-04T10:00:00Z, stated by p-1",
                "version 2 of req-7, entered by p-1",
            ]
        );
        let approved = second(Some(v1::PersonApproval::default()));
        for done in [approved, None] {
            let answer = v1::GetRequestResponse {
                versions: vec![version(7, done)],
                ..v1::GetRequestResponse::default()
            };
            assert_eq!(waiting("req-7", &answer), []);
        }
    }
}
