//! Bundles made in this process by a small operator, honest or not, and what verification says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adopted;
mod attested;
mod cases;
mod forged;
mod honest;
mod hostile;
mod operator;
mod reassessed;
mod refused;
