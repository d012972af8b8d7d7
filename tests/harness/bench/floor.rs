//! The floors: what no program can leave out that makes, or takes, leaves of this format.
//!
//! Both run in this process, on one thread, compiled with the same settings as the programs; their
//! input is in memory and their output is dropped.

use std::{hint::black_box, time::Duration};

use anyhow::{Context, Result, ensure};
use evidence::{AgentOrigin, Generation};
use remit_proto::v1;
use tlog::{
    Edge,
    checkpoint::Checkpoint,
    leaf_hash,
    note::{KeyName, SigningKey, VerifierKey},
};

use super::{cpu, leaves::Activities, now_s};

/// CPU for one leaf of an agent: encoding, two commitments, the leaf's hash, its place in the tree,
/// and its share of one signed head for each 1,024 leaves.
pub fn agent(count: u32) -> Result<Duration> {
    let origin = AgentOrigin {
        operator: crate::collector::OPERATOR.parse()?,
        node: "floor".parse()?,
        generation: Generation(1),
    }
    .to_string();
    let key = SigningKey::new(KeyName::new(origin.clone())?, [7; 32]);
    let mut activities = Activities::new(now_s());
    let mut edge = Edge::new();
    let begin = cpu::of_this_thread()?;
    for index in 1..=count {
        let leaf = activities.encoded();
        edge.append(leaf_hash(&leaf));
        if index % 1024 == 0 {
            let head = Checkpoint::new(origin.clone(), edge.size(), edge.root());
            black_box(head.sign(&key)?.encode());
        }
    }
    let used = cpu::of_this_thread()?.saturating_sub(begin);
    ensure!(edge.size() == u64::from(count), "the floor made every leaf");
    Ok(used.checked_div(count).unwrap_or_default())
}

/// CPU for one leaf of a collector: the leaf's hash, its place in the tree, and its share of one
/// strict verification for each batch.
pub fn collector(batches: &[v1::Batch], before: &Edge, key: &VerifierKey) -> Result<Duration> {
    let mut count: u32 = 0;
    let begin = cpu::of_this_thread()?;
    // Several times over, so that what is measured is not shorter than what the clock can tell.
    for _ in 0..PASSES {
        let mut edge = before.clone();
        for batch in batches {
            for leaf in &batch.leaves {
                edge.append(leaf_hash(leaf));
                count += 1;
            }
            let head = Checkpoint::open(&batch.note, key).context("a head of the bench")?;
            ensure!(head.root == edge.root(), "the bench's batches make up their heads");
        }
    }
    let used = cpu::of_this_thread()?.saturating_sub(begin);
    Ok(used.checked_div(count).unwrap_or_default())
}

const PASSES: usize = 3;
