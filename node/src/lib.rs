//! The evaluation node: keeps the newest snapshot of one environment, answers OFREP from memory,
//! and counts what happened.
//!
//! A node never needs the control plane to evaluate. This crate knows neither the store nor the
//! actors, so Cargo itself proves it: all that comes from above passes through [`Upstream`].

mod backoff;
mod contact;
mod metrics;
mod serving;
mod shelf;
mod tally;

mod node;
mod pull;
mod report;
mod upstream;

mod access;
mod caller;
mod events;
mod health;
mod ofrep;
mod problem;
mod routes;

pub use access::{Admission, ClientAccess, OpenAccess, TokenFile, TokenFileError};
pub use contact::{StaleBecause, Standing};
pub use metrics::collector;
pub use node::{Node, NodeError, NodeSettings, default_name};
pub use routes::{probes, routes};
pub use serving::{OfferRefusal, Served};
pub use shelf::ShelfError;
pub use upstream::http::{HttpUpstream, HttpUpstreamError};
pub use upstream::{Upstream, UpstreamError};
