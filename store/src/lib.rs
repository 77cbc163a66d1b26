//! Where acknowledged means durable.
//!
//! [`Store`] is what the actors know. The embedded store writes a journal first and keeps sled as a
//! view of it that can always be rebuilt; the memory store is for tests. Both pass the same
//! contract. What is on disk, byte by byte, and what to do about each error: `docs/store.md`.

mod api;
mod draft;
mod table;

mod memory;

mod answers;
mod checkpoint;
mod folder;
mod heads;
mod journal;
mod lists;
mod view;

mod embedded;

mod about;
mod archive;
mod compact;
mod copy;
mod probe;
mod room;
mod verify;
mod walk;

#[cfg(feature = "contract")]
pub mod contract;

pub use about::{About, about};
pub use api::{Changed, CommitError, Expect, KeptAnswer, Proposal, Store, StoreError, Stored, Write};
pub use archive::{Archived, archive};
pub use compact::{Compacted, compact};
pub use copy::{CopyReport, Life, copy};
pub use embedded::{EmbeddedStore, OpenReport, Settings, StoreStats, Tip, ViewReport};
pub use heads::{HeadFile, read_heads};
pub use journal::{Chain, Torn};
pub use memory::MemoryStore;
pub use probe::{Space, sync_times};
pub use verify::{Expected, VerifyReport, read_journal, verify, verify_against};
pub use view::view_bytes_max;
