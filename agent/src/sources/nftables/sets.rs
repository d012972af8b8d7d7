//! The elements of the sets that blocking rules name their targets by, as many as we keep.
//!
//! Sets are streamed. Up to [`ELEMENTS_MAX`] elements are kept, over all sets together and in the
//! order in which rules refer to them; a set that does not fit is kept as its name, its count and a
//! digest of its elements (`digest`). It is then one rule whose target is not understood, and what was
//! hit names the element.
//!
//! Only sets with an address or a port in their key are read: others narrow a target and name none.

use std::collections::HashMap;

use super::digest::{Contents, Digests};
use crate::privacy::Privacy;
use crate::rules::nftables::{
    AddrSet, DropPath, Element, Family, Field, Match, PortSet, ReadError, Reader, Ruleset, SetInfo,
    SetRef, Side,
};

/// An element costs about 500 bytes here and as much in the recorder, which compares the state
/// with the next; a small router has some tens of megabytes.
const ELEMENTS_MAX: usize = 20_000;

/// Family, table, name.
pub(super) type SetName = (Family, String, String);

#[derive(Debug)]
pub(super) struct KnownSet {
    pub(super) info: SetInfo,
    /// Empty if there are too many.
    pub(super) elements: Vec<Element>,
    /// What is known of them then. `None`: they are all in `elements`.
    pub(super) beyond: Option<Contents>,
}

#[derive(Debug, Default)]
pub(super) struct Sets {
    known: HashMap<SetName, KnownSet>,
    /// One that is not kept could not be read yet.
    unread: bool,
}

/// A set that a condition asks for, and what is compared with its key.
#[derive(Debug, Clone)]
pub(super) struct Membership<'a> {
    pub(super) fields: Vec<Field>,
    pub(super) set: &'a SetRef,
}

impl Sets {
    pub(super) fn read<'a>(
        reader: &mut Reader,
        ruleset: &Ruleset,
        paths: impl Iterator<Item = &'a DropPath>,
        digests: &mut Digests,
        privacy: &Privacy,
    ) -> Result<Self, ReadError> {
        let infos: HashMap<_, _> = ruleset
            .sets
            .iter()
            .map(|info| ((info.family, info.table.as_str(), info.name.as_str()), info))
            .collect();
        digests.begin(ruleset.generation);
        let mut sets = Self::default();
        let mut left = ELEMENTS_MAX;
        let mut long = Vec::new();
        for path in paths {
            for Membership { fields, set } in path.matches.iter().filter_map(membership) {
                let (family, table) = (path.rule.family, path.rule.table.as_str());
                let name = (family, table.to_owned(), set.name.clone());
                if !fields.iter().any(names_target) || sets.known.contains_key(&name) {
                    continue;
                }
                let Some(info) = infos.get(&(family, table, set.name.as_str())) else { continue };
                let known = read_one(reader, ruleset, info, left)?;
                if known.beyond.is_some() && !known.is_dynamic() {
                    long.push(name.clone());
                }
                left -= known.elements.len().min(left);
                sets.known.insert(name, known);
            }
        }
        for name in digests.in_turn(long) {
            let Some(known) = sets.known.get_mut(&name) else { continue };
            let contents = digests.read(reader, &name, &known.info, privacy)?;
            known.beyond = Some(contents);
            sets.unread |= contents == Contents::NotRead;
        }
        Ok(sets)
    }

    pub(super) fn get(&self, path: &DropPath, set: &SetRef) -> Option<&KnownSet> {
        self.known.get(&(path.rule.family, path.rule.table.clone(), set.name.clone()))
    }

    /// Elements come and go, or count, without a commit, or could not be read yet: the sets must be read
    /// again.
    pub(super) fn are_moving(&self) -> bool {
        self.unread
            || self.known.values().any(|set| {
                set.is_dynamic() || set.elements.iter().any(|element| element.counter.is_some())
            })
    }
}

impl KnownSet {
    pub(super) fn is_complete(&self) -> bool {
        self.beyond.is_none()
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.info.has(SetInfo::TIMEOUT) || self.info.has(SetInfo::EVAL)
    }
}

fn read_one(
    reader: &mut Reader,
    ruleset: &Ruleset,
    info: &SetInfo,
    left: usize,
) -> Result<KnownSet, ReadError> {
    let mut elements = Vec::new();
    let mut complete = usize::try_from(info.count).is_ok_and(|count| count <= left);
    if complete {
        let read = reader.for_each_element(info.family, &info.table, &info.name, |element| {
            complete = complete && elements.len() < left;
            if complete {
                elements.push(element);
            }
        });
        match read {
            Ok(read) if read.generation == ruleset.generation => {}
            // The ruleset is not the one that we are reading.
            Ok(_) | Err(ReadError::NoSuchSet) => return Err(ReadError::NotStable),
            Err(error) => return Err(error),
        }
    }
    if !complete {
        elements = Vec::new();
    }
    let beyond = (!complete).then_some(Contents::Moving);
    Ok(KnownSet { info: info.clone(), elements, beyond })
}

/// The set that a condition asks for, if it asks for one and what it asks is not the opposite.
pub(super) fn membership(condition: &Match) -> Option<Membership<'_>> {
    match condition {
        // The version is that of the addresses in the set.
        Match::Address { side, set: AddrSet::Named(set), inverted: false } => {
            Some(Membership { fields: vec![Field::Address { side: *side, version: 4 }], set })
        }
        Match::Port { side, protocol, set: PortSet::Named(set), inverted: false } => {
            let field = Field::Port { side: *side, protocol: *protocol };
            Some(Membership { fields: vec![field], set })
        }
        Match::Member { fields, set, inverted: false } => {
            Some(Membership { fields: fields.clone(), set })
        }
        _ => None,
    }
}

impl Membership<'_> {
    pub(super) fn has_address(&self, of: Side) -> bool {
        self.fields.iter().any(|f| matches!(f, Field::Address { side, .. } if *side == of))
    }
}

fn names_target(field: &Field) -> bool {
    matches!(field, Field::Address { .. } | Field::Port { .. })
}
