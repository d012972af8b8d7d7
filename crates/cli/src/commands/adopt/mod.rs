//! `remit adopt`: what people say of rules that stood already, in bulk.
//!
//! In: the rules that stand and claim nothing that the register knows, and its requests. Out: a plan file
//! for a person to edit (`plan`), and from the edited plan one signed import of attributions (`apply`);
//! statements of baselines, basis maps and the time to wait for late registers, and what was stated (`show`).
//!
//! Promised:
//! - Nothing is attributed that a person did not write down: proposals stand in the plan as comments.
//! - A rule that was installed after the plan was written is not attributed by it, and a group that
//!   matches more rules than the plan counted is refused.
//! - What would change is computed by the collector from the same statement, before it is signed.
//!
//! Not done here: judging. A wrong attribution is judged like any wrong claim.

mod apply;
mod file;
mod groups;
mod propose;
mod show;
pub(super) mod statements;
mod traits;

pub(super) use self::{
    apply::apply,
    file::plan,
    show::{adopted, by, show},
    statements::{baseline, basis_map, enter, late_register},
};

use remit_proto::v1;

use super::list;
use crate::{client, config::Config, exit::CliError};

/// All rules that stand.
async fn rules(config: &Config, nodes: &[String]) -> Result<Vec<v1::RuleRow>, CliError> {
    let filter = v1::Filter { nodes: nodes.to_vec(), ..v1::Filter::default() };
    let mut client = client::query(config).await?;
    let (rows, _) = list::all(None, async |page_size, page_token| {
        let request = v1::ListRulesRequest { filter: Some(filter.clone()), page_size, page_token };
        let answer = client.list_rules(request).await?.into_inner();
        Ok((answer.rules, answer.next_page_token, answer.completeness))
    })
    .await?;
    Ok(rows)
}
