//! The inventory: nodes with and without an agent, and their enforcement points.

use std::collections::BTreeSet;

use register::canary;
use remit_proto::v1;
use tonic::Status;

use super::{
    QueryHandle, Scene,
    completeness::{completeness, is_silent, last_heard_s, newest_by_node, reports},
    error::QueryError,
    filter::Filter,
    page::Page,
};
use crate::store::GenerationRow;

impl QueryHandle {
    pub fn list_nodes(
        &self,
        request: v1::ListNodesRequest,
    ) -> Result<v1::ListNodesResponse, Status> {
        Ok(self.nodes(request)?)
    }

    fn nodes(&self, request: v1::ListNodesRequest) -> Result<v1::ListNodesResponse, QueryError> {
        let v1::ListNodesRequest { page_size, page_token } = request;
        let page = Page::open("nodes", &v1::ListNodesRequest::default(), page_size, &page_token)?;
        let scene = self.scene()?;
        let declared = scene.inventory.iter().map(|facts| facts.node.as_str());
        let enrolled = scene.generations.iter().map(|generation| generation.node.as_str());
        let names: BTreeSet<&str> = declared.chain(enrolled).collect();
        let nodes: Vec<v1::NodeRow> = names.into_iter().map(|n| node_row(&scene, n)).collect();
        let (nodes, next_page_token) = page.cut(nodes, |row| row.node.clone());
        let completeness = Some(completeness(&scene, &Filter::default())?);
        Ok(v1::ListNodesResponse { nodes, next_page_token, completeness })
    }

    pub fn list_points(
        &self,
        request: v1::ListPointsRequest,
    ) -> Result<v1::ListPointsResponse, Status> {
        Ok(self.points(request)?)
    }

    fn points(&self, request: v1::ListPointsRequest) -> Result<v1::ListPointsResponse, QueryError> {
        let v1::ListPointsRequest { page_size, page_token } = request;
        let page = Page::open("points", &v1::ListPointsRequest::default(), page_size, &page_token)?;
        let scene = self.scene()?;
        let mut points: Vec<v1::PointRow> = Vec::new();
        for facts in &scene.inventory {
            points.extend(facts.points.iter().map(|point| v1::PointRow {
                node: facts.node.clone(),
                point: Some(point.clone()),
                country: facts.country.clone(),
                region: facts.region.clone(),
                reporting: reports(&scene, &facts.node, point),
            }));
        }
        points.sort_by_cached_key(point_key);
        let (points, next_page_token) = page.cut(points, point_key);
        let completeness = Some(completeness(&scene, &Filter::default())?);
        Ok(v1::ListPointsResponse { points, next_page_token, completeness })
    }
}

fn point_key(row: &v1::PointRow) -> String {
    let point = row.point.as_ref().map_or("", |point| point.id.as_str());
    // A node id holds no '/', and nothing sorts between a name and its own end.
    format!("{}/{point}", row.node)
}

fn node_row(scene: &Scene, node: &str) -> v1::NodeRow {
    let facts = scene.inventory.iter().find(|facts| facts.node == node).cloned();
    let mut row = v1::NodeRow { node: node.to_owned(), facts, ..v1::NodeRow::default() };
    let Some(newest) = newest_by_node(scene).find(|generation| generation.node == node) else {
        return row;
    };
    let GenerationRow {
        node: _,
        generation,
        enrolled_by: _,
        enrolled_at_s: _,
        received_size,
        covered_size,
        last_received_s: _,
        window_s,
        individual_actions,
        loss_bound_s,
        start: _,
        seal,
        forks,
    } = newest;
    row.generation.clone_from(generation);
    row.tree_size = *received_size;
    row.logged_size = *covered_size;
    row.last_received_s = last_heard_s(scene, node);
    row.silent = is_silent(scene, node);
    row.window_s = *window_s;
    row.individual_actions = *individual_actions;
    row.loss_bound_s = *loss_bound_s;
    row.forks = *forks;
    if let Some(seal) = seal {
        row.last_seal_s = seal.at_s;
        row.clock = seal.clock;
        row.accounts.clone_from(&seal.sources);
        row.canaries = canary::paths(seal).cloned().collect();
        row.self_protection.clone_from(&seal.self_protection);
        row.stopped_cleanly = seal.stopping;
        row.raw_logs.clone_from(&seal.raw_logs);
    }
    row
}
