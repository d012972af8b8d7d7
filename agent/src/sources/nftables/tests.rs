//! The real kernel: rules of `nft`, packets of a client and a server, a router between them.

mod canaries;
mod counters;
mod rules;
mod traffic;

use std::collections::BTreeMap;

use super::{testing::*, *};
use crate::observation::{KnownRule, Response};
use crate::rules::nftables::testing::{in_namespace, nft};
