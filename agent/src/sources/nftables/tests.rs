//! The real kernel: rules of `nft`, packets of a client and a server, a router between them.

mod rules;
mod traffic;

use super::{testing::*, *};
use crate::observation::Response;
use crate::rules::nftables::testing::{in_namespace, nft};
