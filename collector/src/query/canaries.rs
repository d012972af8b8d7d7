//! Canaries: which paths of which nodes are shown to be alive, by the newest seals.

use register::canary::{self, Health, LISTED_MAX, health};
use remit_proto::v1::{self, CanaryState};

use super::{Scene, completeness::newest_by_node, filter::Filter};

/// Of the active generations, by node, source and path.
pub(super) fn rows<'s>(
    scene: &'s Scene,
    filter: &'s Filter,
) -> impl Iterator<Item = v1::CanaryRow> + use<'s> {
    let newest = newest_by_node(scene).filter(|newest| filter.takes_node(&newest.node));
    newest
        .filter_map(|newest| Some((&newest.node, newest.seal.as_ref()?)))
        .flat_map(|(node, seal)| canary::paths(seal).map(|account| row(node, account, seal.at_s)))
}

fn row(node: &str, account: &v1::CanaryAccount, sealed_s: i64) -> v1::CanaryRow {
    let (state, at_s) = match health(account, sealed_s) {
        Health::None => (CanaryState::None, 0),
        Health::Waiting => (CanaryState::Waiting, 0),
        Health::Alive { as_of_s } => (CanaryState::Alive, as_of_s),
        Health::Missing { since_s } => (CanaryState::Missing, since_s),
        Health::Stopped { since_s } => (CanaryState::Stopped, since_s),
    };
    let (source, path) = (account.source, account.path.clone());
    v1::CanaryRow { node: node.to_owned(), source, path, state: state.into(), at_s }
}

pub(super) fn complete(answer: &mut v1::Completeness, scene: &Scene, filter: &Filter) {
    for row in rows(scene, filter) {
        answer.canary_paths += 1;
        if row.state() == CanaryState::Alive {
            answer.canary_paths_alive += 1;
            answer.canaries_alive_as_of_s = match answer.canaries_alive_as_of_s {
                0 => row.at_s,
                oldest => oldest.min(row.at_s),
            };
        } else if answer.canaries_not_alive.len() < LISTED_MAX {
            answer.canaries_not_alive.push(row);
        }
    }
}

/// Nobody can say that this path's hits are seen. A path that never had canaries is no finding: the
/// operator has not set them up, and the answer says so.
pub(super) fn is_finding(row: &v1::CanaryRow) -> bool {
    match row.state() {
        CanaryState::Missing | CanaryState::Stopped => true,
        CanaryState::None
        | CanaryState::Waiting
        | CanaryState::Alive
        | CanaryState::Unspecified => false,
    }
}
