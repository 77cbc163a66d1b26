//! The newest snapshot of one environment, kept and evaluated inside a process: pulled from upstream,
//! kept on disk, swapped as a whole, counted.
//!
//! A replica never needs the control plane to evaluate. This crate knows neither the store nor the
//! actors, so Cargo itself proves it: all that comes from above passes through [`Upstream`]. It has no
//! server: the node puts HTTP and gRPC in front of it, an application may use it as it is.

mod backoff;
mod breaker;
mod contact;
mod handing_in;
mod lease;
mod lists;
mod metrics;
mod observations;
mod seen;
mod serving;
mod shelf;
mod spool;
mod tally;
mod trust;

pub mod publication;
mod pull;
mod replica;
mod report;
mod upstream;

pub use contact::{StaleBecause, Standing};
pub use lists::ListRefusal;
pub use metrics::{Counters, collector, exposition};
pub use observations::{Exposure, NotRecorded, Observations, SPOOL_BYTES_DEFAULT};
pub use replica::{Replica, ReplicaError, ReplicaSettings};
pub use serving::{OfferRefusal, Served, ServedFlag};
pub use shelf::ShelfError;
pub use spool::NotKept;
pub use tally::{FlagCounts, METRICS_PER_FLAG_MAX, TooManyMetrics};
pub use trust::Trust;
pub use upstream::http::{HttpUpstream, HttpUpstreamError};
pub use upstream::{News, Offer, Tiding, Upstream, UpstreamError};
