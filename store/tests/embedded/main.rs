//! The embedded store under everything that can happen to its folder.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands beside the tests is a test too"
)]

mod archive;
mod copies;
mod crash;
mod damage;
mod folder;
mod ground;
mod heads;
mod lists;
mod replay;
mod room;
mod tail;
mod view;
