//! The collector over TLS on loopback, as agents, people and strangers meet it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod agents;
mod bundles;
mod connections;
mod enrolment;
mod rig;
mod stopping;
mod strangers;
