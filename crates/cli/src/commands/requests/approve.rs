//! `remit requests approve`: a second person lets what was entered count.
//!
//! Signed with the person's own key, or attested by the collector for somebody who is logged in; the two
//! are said in other words wherever they are shown ([`approved`]).

use clap::Args;
use remit_proto::v1::{self, ApprovalMeans, statement::Body};

use super::wait_until_shown;
use crate::{
    client::{self, RegisterClient},
    commands::preview,
    config::Config,
    exit::CliError,
    statement as signing, time,
};

#[derive(Debug, Args)]
pub(crate) struct RequestsApprove {
    /// Its newest version is approved, and with it all that the same import entered
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) approval: GiveApproval,
}

#[derive(Debug, Args)]
pub(crate) struct GiveApproval {
    /// Do not sign: let the collector attest that you were logged in and approved
    #[arg(long)]
    pub(crate) by_login: bool,
    /// From when it counts [default: now]; no version of a list is in force before its own time, and a
    /// request counts from its own times whenever it was approved
    #[arg(long, value_name = "TIME", conflicts_with = "by_login")]
    pub(crate) effective_at: Option<String>,
    /// Show what it would change of today's verdicts, and of which rules; approve nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

pub(crate) async fn approve(config: &Config, args: &RequestsApprove) -> Result<(), CliError> {
    let RequestsApprove { id, approval } = args;
    let mut client = client::register(config).await?;
    let question = v1::GetRequestRequest { id: id.clone() };
    let versions = client.get_request(question).await?.into_inner().versions;
    let newest = versions.last().cloned().unwrap_or_default();
    let waits = newest.second_person.filter(|second| second.approval.is_none());
    let Some(v1::SecondPerson { digest, approval: _ }) = waits else {
        return Err(CliError::Usage(format!("{id} does not wait for an approval")));
    };
    let version = newest.request.unwrap_or_default().version;
    let what = format!("version {version} of {id}, entered by {}", newest.author);
    approval.give(config, &mut client, newest.statement_index, digest, &what).await
}

impl GiveApproval {
    pub(crate) async fn give(
        &self,
        config: &Config,
        client: &mut RegisterClient,
        statement: u64,
        digest: Vec<u8>,
        what: &str,
    ) -> Result<(), CliError> {
        if self.dry_run {
            return self.preview(config, client, statement, digest, what).await;
        }
        eprintln!("approving statement {statement}: {what}");
        if self.by_login {
            let request = v1::ApproveStatementRequest { statement, digest };
            let response = client.approve_statement(request).await?.into_inner();
            eprintln!(
                "attested by the collector as statement {}; register size {}",
                response.index, response.register_size
            );
            return wait_until_shown(client, response.register_size).await;
        }
        let (now_s, effective_at_s) = self.times()?;
        let means = ApprovalMeans::SignedByPerson.into();
        let body = Body::Approval(v1::Approval { statement, digest, means });
        let signed_statement = signing::sign(config, body, now_s, effective_at_s)?;
        let request = v1::AppendStatementRequest { signed_statement };
        let response = client.append_statement(request).await?.into_inner();
        eprintln!(
            "signed as statement {}; register size {}",
            response.index, response.register_size
        );
        wait_until_shown(client, response.register_size).await
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
