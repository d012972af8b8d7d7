//! Leaves as an agent makes them of nftables hits: one rule on a /24, each hit with a target of its
//! own.
//!
//! Salts are counted up here and not drawn: what random bytes cost is the agent's to pay, and what
//! stands in a commitment is of no interest to a benchmark.

use evidence::{
    AgentOrigin, FORMAT,
    commitment::{self, Salt},
    leaf::{self, ACTIVITY_HIT_TARGET, ACTIVITY_RULE_TARGET, RULE_CHANGE_TARGET},
};
use prost::Message as _;
use remit_proto::v1::{self, leaf::Body};

/// Makes `Activity` leaves, one after the other.
pub struct Activities {
    leaf: v1::Leaf,
    rule_value: Vec<u8>,
    hit: v1::Target,
    salt: u128,
    made: u32,
}

/// One leaf, and what it has committed to.
pub struct Made {
    pub bytes: Vec<u8>,
    rule: (Salt, Vec<u8>),
    hit: (Salt, Vec<u8>),
}

impl Activities {
    pub fn new(at_s: i64) -> Self {
        let activity = v1::Activity {
            rule: Some(rule()),
            response: Some(v1::Response { response: Some(v1::response::Response::Silent(true)) }),
            hits: 1,
            window_start_s: at_s,
            first_s: at_s,
            last_s: at_s,
            ..Default::default()
        };
        Self {
            leaf: v1::Leaf { body: Some(Body::Activity(activity)) },
            rule_value: rule_target().encode_to_vec(),
            hit: v1::Target { kind: v1::TargetKind::Ip.into(), value: String::new() },
            salt: 0,
            made: 0,
        }
    }

    /// The next leaf: encoding and two commitments, and nothing that could be left out.
    pub fn encoded(&mut self) -> Vec<u8> {
        let (rule_salt, hit_salt) = (self.next_salt(), self.next_salt());
        let hit_value = self.next_hit();
        self.encode(&rule_salt, &hit_salt, &hit_value)
    }

    /// The next leaf with what its openings need.
    pub fn with_openings(&mut self) -> Made {
        let (rule_salt, hit_salt) = (self.next_salt(), self.next_salt());
        let hit_value = self.next_hit();
        let bytes = self.encode(&rule_salt, &hit_salt, &hit_value);
        Made { bytes, rule: (rule_salt, self.rule_value.clone()), hit: (hit_salt, hit_value) }
    }

    fn encode(&mut self, rule_salt: &Salt, hit_salt: &Salt, hit_value: &[u8]) -> Vec<u8> {
        let rule_target = commitment::commit(ACTIVITY_RULE_TARGET, rule_salt, &self.rule_value);
        let hit_target = commitment::commit(ACTIVITY_HIT_TARGET, hit_salt, hit_value);
        if let Some(Body::Activity(activity)) = &mut self.leaf.body {
            activity.rule_target.clear();
            activity.rule_target.extend_from_slice(&rule_target.0);
            activity.hit_target.clear();
            activity.hit_target.extend_from_slice(&hit_target.0);
        }
        self.leaf.encode_to_vec()
    }

    fn next_salt(&mut self) -> Salt {
        self.salt += 1;
        Salt(self.salt.to_be_bytes())
    }

    fn next_hit(&mut self) -> Vec<u8> {
        let host = self.made % 254 + 1;
        self.made = self.made.wrapping_add(1);
        self.hit.value = format!("203.0.113.{host}");
        self.hit.encode_to_vec()
    }
}

impl Made {
    pub fn openings(&self, index: u64) -> [v1::LeafOpening; 2] {
        let opening = |field, (salt, value): &(Salt, Vec<u8>)| v1::LeafOpening {
            index,
            opening: Some(v1::Opening { field, salt: salt.0.to_vec(), value: value.clone() }),
        };
        [opening(ACTIVITY_RULE_TARGET, &self.rule), opening(ACTIVITY_HIT_TARGET, &self.hit)]
    }
}

/// Leaf 0 of a tree.
pub fn genesis(origin: &AgentOrigin, at_s: i64) -> Vec<u8> {
    leaf::encode(Body::Genesis(v1::Genesis {
        format: FORMAT,
        operator: origin.operator.to_string(),
        node: origin.node.to_string(),
        generation: origin.generation.0,
        durability: v1::Durability::Disk.into(),
        loss_bound_s: 0,
        window_s: 0,
        individual_actions: true,
        reason: v1::GenerationReason::Enrolled.into(),
        previous: None,
        at_s,
        lines_served: 1000,
        k: 10,
    }))
}

/// The rule comes before its hits.
pub fn installed(index: u64, at_s: i64) -> (Vec<u8>, v1::LeafOpening) {
    let (target, opening) =
        commitment::make(RULE_CHANGE_TARGET, Salt([0; 16]), rule_target().encode_to_vec());
    let change = v1::RuleChange {
        kind: v1::RuleChangeKind::Installed.into(),
        at_s,
        rule: Some(rule()),
        rule_target: target,
        native: Vec::new(),
        changed_by: "nft".to_owned(),
        source_generation: 1,
    };
    let opening = v1::LeafOpening { index, opening: Some(opening) };
    (leaf::encode(Body::RuleChange(change)), opening)
}

/// The last leaf of a batch: all that was offered up to here was recorded.
pub fn seal(recorded: u64, at_s: i64) -> Vec<u8> {
    leaf::encode(Body::Seal(v1::Seal {
        at_s,
        clock: v1::ClockState::Synced.into(),
        sources: vec![v1::SourceAccount {
            source: v1::SourceKind::Nftables.into(),
            offered_known: true,
            offered: recorded,
            recorded,
            ..Default::default()
        }],
        seal_interval_s: 30,
        ..Default::default()
    }))
}

/// The facts that the agent states of the rule in `flood::RULES`.
fn rule() -> v1::Rule {
    let claim = v1::claim::Claim::RequestId("court/2026-004".to_owned());
    v1::Rule {
        number: 0x7d3a_91c4_55e0_1b26,
        source: v1::SourceKind::Nftables.into(),
        technique: v1::Technique::IpAclDrop.into(),
        trigger: v1::Trigger::Destination.into(),
        direction: v1::Direction::ToTarget.into(),
        actor: v1::Actor::Unknown.into(),
        claims: vec![v1::Claim { claim: Some(claim) }],
        claim_origin: v1::ClaimOrigin::Carried.into(),
        narrowed: false,
        counted: true,
        names_sampled: false,
        rate_bits_per_s: 0,
    }
}

fn rule_target() -> v1::Target {
    v1::Target { kind: v1::TargetKind::Cidr.into(), value: "203.0.113.0/24".to_owned() }
}

#[cfg(test)]
mod tests {
    use evidence::Leaf;

    use super::*;

    #[test]
    fn the_leaves_are_well_formed_and_open() {
        let mut activities = Activities::new(1_800_000_000);
        let made = activities.with_openings();
        let leaf = Leaf::decode(&made.bytes).unwrap();
        for opening in made.openings(7) {
            let (field, hash) = commitment::opened(&opening.opening.unwrap()).unwrap();
            assert!(leaf::commits_to(leaf.body().unwrap(), field, &hash));
        }
        assert_ne!(activities.encoded(), made.bytes);
    }
}
