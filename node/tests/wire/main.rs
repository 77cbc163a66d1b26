//! The node from outside: real HTTP on both sides of it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test all of these fail it"
)]

/// A control plane that speaks its half of the contract, and misbehaves on request.
mod control_plane;
/// A server with nodes on it.
mod site;
/// Snapshots to serve.
mod snapshots;
/// A client of change streams.
mod streams;

mod bad_input;
mod cache;
mod enrolments;
mod evaluate;
mod events;
mod handing_in;
mod observations;
mod ofrep;
mod probes;
mod pulling;
mod relay;
mod reporting;
mod rules;
mod time;
mod visibility;
