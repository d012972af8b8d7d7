//! What the demo and the end-to-end tests are made of: a small operator network in namespaces of its
//! own, and the real programs in it.
//!
//! Everything that is started here is stopped when its value is dropped: processes by their id,
//! namespaces by their name, directories with their contents. No traffic leaves the namespaces.

pub mod bench;
pub mod collector;
pub mod demo;
pub mod forge;
pub mod network;
pub mod node;
pub mod packages;
pub mod person;
pub mod process;
pub mod traffic;
pub mod unbound;
