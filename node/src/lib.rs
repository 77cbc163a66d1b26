//! The evaluation node: answers OFREP and the clients of flagd from memory, and takes in events.
//!
//! What it answers with is a [`Replica`](tidegate_replica::Replica); this crate is who may ask it, and
//! in which protocol.

mod name;
mod node;

mod access;
mod cache;
mod caller;
mod credential;
pub mod distribution;
mod enrolments;
mod evaluate;
mod events;
mod exposures;
mod facts;
mod fields;
/// flagd's protocols.
pub mod flagd;
mod health;
mod json;
mod metrics;
mod ofrep;
mod openapi;
mod problem;
mod rate_limit;
pub mod relay;
mod result_cache;
mod routes;
mod sheet;
mod stream;
mod surface;

pub use access::{Admission, ClientAccess, Grant, OpenAccess, Scope, TokenFile, TokenFileError};
pub use credential::{Credential, Handle};
pub use name::default_name;
pub use node::Node;
pub use openapi::document;
pub use routes::{probes, routes};
