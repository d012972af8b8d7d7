//! End-to-end: the real binaries, the real kernel, a real Unbound, in namespaces of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod kill;
mod line;
mod refusals;
