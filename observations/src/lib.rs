//! What nodes saw of single units: kept in a log, each batch taken in once, and folded into the tallies of experiments.
//!
//! One [`Observations`] an environment. A batch that is acknowledged survives a power cut. One thread writes the log
//! ([`writer`]); another one follows it and folds ([`follow`]): it reads nothing but the log, so that a fold is the same
//! live, after a restart and when it catches up, and so that a long walk over all units keeps no batch waiting.

mod append;
mod check;
mod cursor;
mod disk;
mod error;
mod extent;
mod follow;
mod frame;
mod handle;
mod lane;
mod open;
mod pack;
mod read;
mod replay;
mod segment;
mod series;
mod spool;
mod status;
mod varint;
mod writer;

pub use disk::{Disk, Space, SystemDisk};
pub use error::{LogError, TakeInError, TalliesError};
pub use follow::{Folded, PeriodTallies};
pub use handle::{Observations, Settings, folder_of};
pub use replay::{Replayed, replay};
pub use series::{Sample, Series};
pub use status::{Damage, FoldStatus, Status, Taking, Torn};
pub use tidegate_analytics::fold::Period;

use std::fmt;
use std::sync::Arc;
use tidegate_model::Timestamp;

/// Tells the time: the clock of whoever owns the log.
#[derive(Clone)]
struct Now(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

/// Since 1970.
fn millis(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

/// That many since 1970.
fn at_millis(millis: i64) -> Timestamp {
    let last = if millis < 0 {
        Timestamp::MIN_UTC
    } else {
        Timestamp::MAX_UTC
    };
    Timestamp::from_timestamp_millis(millis).unwrap_or(last)
}
