//! Interfaces by name, as rules ask for them, and by number, as messages say them.
//!
//! Only where both speak of the same device: in the bridge and arp families a message names the
//! bridge, a rule its port. An interface that does not exist now contradicts nothing; it may come
//! without a commit.

use std::collections::BTreeMap;

use crate::{
    rules::nftables::{Family, Match, Way},
    sources::nflog::Packet,
};

/// Those of a network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interfaces(BTreeMap<Vec<u8>, u32>);

/// A condition on the interface that a packet came in by or goes out by.
#[derive(Debug)]
pub(super) struct Device {
    way: Way,
    indexes: Vec<u32>,
    inverted: bool,
}

impl Interfaces {
    /// Those of the calling thread's namespace; none if they cannot be read.
    pub(super) fn read() -> Self {
        let Ok(all) = nix::net::if_::if_nameindex() else { return Self::default() };
        Self(crate::order::map(all.iter().map(|one| (one.name().to_bytes().to_vec(), one.index()))))
    }

    /// The conditions that a message can contradict.
    pub(super) fn devices(&self, family: Family, conditions: &[Match]) -> Vec<Device> {
        match family {
            Family::Inet | Family::Ip | Family::Ip6 | Family::Netdev => {
                conditions.iter().filter_map(|condition| self.device(condition)).collect()
            }
            Family::Arp | Family::Bridge | Family::Other(_) => Vec::new(),
        }
    }

    fn device(&self, condition: &Match) -> Option<Device> {
        let Match::Interface { way, name, inverted } = condition else { return None };
        let indexes: Vec<u32> = match (name.strip_prefix('#'), name.strip_suffix('*')) {
            (Some(index), _) => index.parse().into_iter().collect(),
            (None, Some(begin)) => {
                let all = self.0.iter().filter(|(name, _)| name.starts_with(begin.as_bytes()));
                all.map(|(_, index)| *index).collect()
            }
            (None, None) => self.0.get(name.as_bytes()).copied().into_iter().collect(),
        };
        (!indexes.is_empty()).then_some(Device { way: *way, indexes, inverted: *inverted })
    }
}

impl Device {
    pub(super) fn contradicts(&self, packet: &Packet<'_>) -> bool {
        let index = match self.way {
            Way::In => packet.in_dev,
            Way::Out => packet.out_dev,
        };
        index.is_some_and(|index| self.indexes.contains(&index) == self.inverted)
    }
}
