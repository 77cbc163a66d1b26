//! The journal: one record after the other, each checksummed, each chained to all before it.
//!
//! `journal/00000001.log` and so on. A segment begins with a header ([`segment`]) and goes on with
//! frames ([`frame`]), one per record. [`scan`] reads all of it at start and finds damage, [`append`]
//! writes behind the end, [`read`] answers for records in the middle. Whoever reads all of it holds it ([`hold`]), so that
//! no segment is moved to an archive meanwhile.

mod append;
mod frame;
mod hold;
mod read;
mod scan;
mod segment;

pub(crate) use append::{AppendError, Appender, Written};
pub use frame::Chain;
pub(crate) use hold::{hold, hold_alone};
pub(crate) use read::{Index, Reader};
pub use scan::Torn;
pub(crate) use scan::{Place, Scan, cut, scan};
pub(crate) use segment::{SegmentFile, beginning, list, path};
