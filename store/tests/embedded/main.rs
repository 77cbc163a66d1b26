//! The embedded store under everything that can happen to its folder.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands beside the tests is a test too"
)]

mod crash;
mod damage;
mod folder;
mod ground;
mod lists;
mod replay;
mod tail;
mod view;
