//! flagd's protocols from outside: real connections, a client made from the same definitions, and raw
//! frames where a client would not say what has to be tried.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test all of these fail it"
)]

/// flagd's services as a client sees them.
mod proto;
/// Nodes with flagd's listeners in front of them.
mod site;

mod access;
mod connect;
mod evaluation;
mod events;
mod hostile;
mod http;
mod sync;
