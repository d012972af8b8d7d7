//! The bytes by their rules: published vectors, and properties.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod in_place;
mod properties;
mod sample;
mod vectors;
