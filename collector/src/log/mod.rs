//! The append-only heart: one writer, one journal, three trees.
//!
//! **In**: [`command::Command`]s from the gRPC edge. **Out**: replies, once durable; and
//! [`Committed`](crate::committed::Committed), in order, to `assess`.
//!
//! **On disk**, below the collector's directory:
//!
//! | path | what | truth or derived |
//! |---|---|---|
//! | `journal/<first position, 20 digits>` | a frame for each commit (`evidence::frame`), kinds in [`journal`] | truth |
//! | `openings/<YYYY-MM-DD>` | openings of the batches received that day (UTC); may be erased | truth |
//! | `chunks/<2 hex>/<64 hex>` | content-addressed parts of sets; may be erased | truth |
//! | `signed` | the newest checkpoint ever signed | guard against a rolled-back journal |
//! | `public/checkpoint`, `public/tile/…` | the log as C2SP tlog-tiles | derived |
//!
//! **Order of a commit**: openings and chunks, sync; journal, sync — the commit point; then the
//! reply. A crash before the commit point leaves at most openings that nothing names, and at the end of
//! the journal a frame of which pages are missing: it is cut off.
//!
//! **Order of a publish**: entries for new heads into the journal, sync; tiles, sync; read the tiles
//! back and hash what is about to be signed; `signed`, sync; journal the checkpoint, sync; expose
//! it. A log never signs below a size that it has signed: if `signed` is ahead of the journal, the
//! journal was rolled back and the collector does not start.
//!
//! **Promised**: nothing is answered before it is synced; one leaf per (node, generation, index);
//! recovery replays the journal through the same functions as the normal path.
//!
//! **Not done here**: several shards, cosignatures, a second copy.

mod agents;
mod budget;
pub mod chunks;
pub mod command;
pub mod journal;
pub mod openings;
pub mod publish;
pub mod receipts;
mod revocation;
pub mod state;
pub mod writer;
