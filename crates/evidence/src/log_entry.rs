//! Value check of the entries of the collector's log.

use remit_proto::v1::{self, log_entry::Entry};

use crate::{
    ENTRY_SIZE_MAX, FORMAT, NOTE_SIZE_MAX,
    canonical::{self, Malformed, digest, known, require, short_text, time},
    id::{AgentOrigin, NodeId, Operator, PersonId},
};

/// What an entry says, or that this version cannot tell.
#[derive(Debug, Clone, PartialEq)]
pub enum LogEntry {
    Known {
        logged_at_s: i64,
        entry: Entry,
    },
    /// A newer format: stored, hashed, proven, and reported as not understood; never as forged.
    NotUnderstood {
        format: u32,
    },
}

impl LogEntry {
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        match newer_format(bytes) {
            Some(format) => Ok(Self::NotUnderstood { format }),
            None => {
                let wire: v1::LogEntry = canonical::decode(bytes, ENTRY_SIZE_MAX)?;
                let v1::LogEntry { format, logged_at_s, entry } = wire;
                require(format == FORMAT, "format", "1")?;
                time(logged_at_s, "logged_at_s")?;
                let entry = entry.ok_or(Malformed::Missing { field: "entry" })?;
                check(&entry)?;
                Ok(Self::Known { logged_at_s, entry })
            }
        }
    }
}

/// The format number of a message whose field 1 is `format`, if it is newer than ours. Read without
/// the rest, which a newer version may have changed.
pub(crate) fn newer_format(bytes: &[u8]) -> Option<u32> {
    let [0x08, rest @ ..] = bytes else { return None };
    let format = prost::decode_length_delimiter(rest).ok()?;
    u32::try_from(format).ok().filter(|f| *f > FORMAT)
}

fn check(entry: &Entry) -> Result<(), Malformed> {
    match entry {
        Entry::AgentHead(v1::AgentHead { note }) => note_size(note, "agent_head.note"),
        Entry::NodeKey(v1::NodeKey {
            origin,
            public_key,
            revoked,
            revoked_from_size,
            approver,
        }) => {
            require(
                origin.parse::<AgentOrigin>().is_ok(),
                "node_key.origin",
                "<operator>/agent/<node>/<generation>",
            )?;
            digest(public_key, "node_key.public_key")?;
            require(*revoked || *revoked_from_size == 0, "node_key.revoked_from_size", "0")?;
            approver.as_ref().map_or(Ok(()), check_person)
        }
        Entry::PersonKey(v1::PersonKey { person, public_key, revoked: _, approver }) => {
            check_person(person.as_ref().ok_or(Malformed::Missing { field: "person" })?)?;
            digest(public_key, "person_key.public_key")?;
            approver.as_ref().map_or(Ok(()), check_person)
        }
        Entry::NodeFacts(v1::SignedNodeFacts { facts, signatures }) => {
            check_signatures(signatures)?;
            decode_facts(facts).map(drop)
        }
        Entry::RegisterHead(v1::StatementHead { note })
        | Entry::CaseHead(v1::StatementHead { note }) => note_size(note, "head.note"),
        Entry::Export(v1::Export { manifest, by }) => {
            digest(manifest, "export.manifest")?;
            by.as_ref().map_or(Ok(()), check_person)
        }
        Entry::Erasure(v1::Erasure { origin, from_index, until_index, count, by, chunks }) => {
            chunks.iter().try_for_each(|id| digest(id, "erasure.chunks"))?;
            short_text(origin, 400, "erasure.origin")?;
            require(from_index < until_index, "erasure.until_index", "above from_index")?;
            require(*count > 0, "erasure.count", "above 0")?;
            by.as_ref().map_or(Ok(()), check_person)
        }
        Entry::Fork(v1::Fork { kind, accepted_note, conflicting_note }) => {
            known::<v1::ForkKind>(*kind, "fork.kind")?;
            note_size(accepted_note, "fork.accepted_note")?;
            note_size(conflicting_note, "fork.conflicting_note")
        }
        Entry::Shard(v1::Shard { previous_checkpoint }) => {
            note_size(previous_checkpoint, "shard.previous_checkpoint")
        }
        Entry::Archive(v1::Archive { partition, events, manifest }) => {
            let wanted = "a day, and a number from 2 on: 2026-01-15-2";
            require(is_partition(partition), "archive.partition", wanted)?;
            require(*events > 0, "archive.events", "above 0")?;
            digest(manifest, "archive.manifest")
        }
        Entry::Reassessment(v1::Reassessment {
            log_size,
            from_register_size,
            to_register_size,
            examined,
            changed,
            root,
            // 0: not stated.
            matcher_version: _,
        }) => {
            require(*log_size > 0, "reassessment.log_size", "above 0")?;
            require(
                from_register_size <= to_register_size,
                "reassessment.to_register_size",
                "not below from_register_size",
            )?;
            require(
                (1..=*examined).contains(changed),
                "reassessment.changed",
                "1 to the number of those examined",
            )?;
            digest(root, "reassessment.root")
        }
    }
}

/// "2026-01-15", "2026-01-15-2".
fn is_partition(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |len: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        (len.contains(&part.len()) && digits).then(|| part.parse::<u64>().ok()).flatten()
    };
    let day = (number(4..=4), number(2..=2), number(2..=2));
    let (Some(_), Some(1..=12), Some(1..=31)) = day else { return false };
    match number(1..=9) {
        None => text.len() == 10,
        Some(nth) => nth >= 2 && text.get(11..) == Some(nth.to_string().as_str()),
    }
}

fn note_size(note: &[u8], field: &'static str) -> Result<(), Malformed> {
    require(!note.is_empty() && note.len() <= NOTE_SIZE_MAX, field, "1 byte to 8 KiB")
}

pub(crate) fn check_person(person: &v1::PersonRef) -> Result<(), Malformed> {
    let v1::PersonRef { person, role } = person;
    require(person.parse::<PersonId>().is_ok(), "person", "1 to 63 of a-z, 0-9 and '-'")?;
    known::<v1::Role>(*role, "role").map(drop)
}

pub(crate) fn check_signatures(signatures: &[v1::PersonSignature]) -> Result<(), Malformed> {
    require((1..=8).contains(&signatures.len()), "signatures", "1 to 8")?;
    for v1::PersonSignature { person, signature } in signatures {
        check_person(person.as_ref().ok_or(Malformed::Missing { field: "signatures.person" })?)?;
        require(signature.len() == 64, "signatures.signature", "64 bytes")?;
    }
    Ok(())
}

/// Names of cells of one node: those of a large site, or areas.
const CELLS_MAX: usize = 512;

/// Decodes one row of the inventory by both checks.
pub fn decode_facts(bytes: &[u8]) -> Result<v1::NodeFacts, Malformed> {
    let facts: v1::NodeFacts = canonical::decode(bytes, ENTRY_SIZE_MAX)?;
    let v1::NodeFacts {
        format,
        operator,
        node,
        role,
        groups,
        country,
        region,
        asn: _,
        network_type,
        audiences,
        lines_served: _,
        points,
        recorded_at_s,
        author,
        cells,
    } = &facts;
    require(*format == FORMAT, "format", "1")?;
    require(operator.parse::<Operator>().is_ok(), "operator", "a DNS name")?;
    require(node.parse::<NodeId>().is_ok(), "node", "1 to 63 of a-z, 0-9 and '-'")?;
    known::<v1::NodeRole>(*role, "role")?;
    for (list, field) in [(groups, "groups"), (audiences, "audiences")] {
        require(list.len() <= 64, field, "at most 64")?;
        list.iter().try_for_each(|t| short_text(t, 64, field))?;
    }
    require(cells.len() <= CELLS_MAX, "cells", "at most 512")?;
    cells.iter().try_for_each(|cell| short_text(cell, 64, "cells"))?;
    require(
        country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()),
        "country",
        "two capital letters (ISO 3166-1)",
    )?;
    require(
        region.is_empty() || region.strip_prefix(country.as_str()).is_some_and(is_subdivision),
        "region",
        "ISO 3166-2 of the same country, such as DE-BE",
    )?;
    known::<v1::NetworkType>(*network_type, "network_type")?;
    require(points.len() <= 256, "points", "at most 256")?;
    for (position, v1::EnforcementPoint { id, technology, observation }) in
        points.iter().enumerate()
    {
        require(id.parse::<NodeId>().is_ok(), "points.id", "1 to 63 of a-z, 0-9 and '-'")?;
        require(!technology.is_empty(), "points.technology", "not empty")?;
        short_text(technology, 64, "points.technology")?;
        known::<v1::Observation>(*observation, "points.observation")?;
        let repeated = points.iter().take(position).any(|p| p.id == *id);
        require(!repeated, "points.id", "unique within the node")?;
    }
    time(*recorded_at_s, "recorded_at_s")?;
    check_person(author.as_ref().ok_or(Malformed::Missing { field: "author" })?)?;
    Ok(facts)
}

fn is_subdivision(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|code| {
        (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}
