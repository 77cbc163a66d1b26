//! The evaluation node: answers OFREP from memory, and takes in events.
//!
//! What it answers with is a [`Replica`](tidegate_replica::Replica); this crate is who may ask it, and
//! in which protocol.

mod name;
mod node;

mod access;
mod caller;
mod credential;
mod events;
mod health;
mod ofrep;
mod problem;
mod routes;

pub use access::{Admission, ClientAccess, Grant, OpenAccess, Scope, TokenFile, TokenFileError};
pub use credential::{Credential, Handle};
pub use name::default_name;
pub use node::Node;
pub use routes::{probes, routes};
