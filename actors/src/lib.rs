//! Supervised actors, and the one handle through which the rest of the binary speaks to them.
//!
//! Read in this order: what the control plane offers ([`control`]), how actors are kept alive
//! (`keeper`), then one file per actor: `flag`, `rollout`, `experiment`, `publisher`. What they ask of the world
//! is in `poller`, [`question`], [`prometheus`], `ingest` and [`observing`].

pub mod alerts;
pub mod clock;
pub mod control;
pub mod freeze;
pub mod keys;
pub mod measures;
pub mod notices;
pub mod observing;
pub mod prometheus;
pub mod question;
pub mod repeats;
pub mod view;

mod definitions;
mod experiment;
mod flag;
mod fleet;
mod gates;
mod ingest;
mod keeper;
mod neighbours;
mod poller;
mod publisher;
mod rollout;
mod serving;
mod shell;
mod waiting;

#[cfg(test)]
mod world;
