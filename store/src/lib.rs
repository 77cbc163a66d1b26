//! Where acknowledged means durable.
//!
//! [`Store`] is what the actors know. The embedded store writes a journal first and keeps sled as a
//! view of it that can always be rebuilt; the memory store is for tests. Both pass the same
//! contract.

mod api;

pub use api::{CommitError, Expect, Proposal, Store, StoreError, Stored, Write};
