//! `remit-agent template`: commented fragments of other programs' configuration, in which rules carry
//! their claim. The tests load each into the program that it is for.

use clap::ValueEnum;

/// For what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Rules, sets and counters, for `nft --file`
    Nftables,
    /// Unbound: response policy zones, their log and their counters
    Unbound,
    /// A response policy zone, for any resolver that loads them
    RpzZone,
}

impl Template {
    pub fn text(self) -> &'static str {
        match self {
            Self::Nftables => include_str!("../../deploy/templates/nftables.nft"),
            Self::Unbound => include_str!("../../deploy/templates/unbound.conf"),
            Self::RpzZone => include_str!("../../deploy/templates/rpz.zone"),
        }
    }
}
