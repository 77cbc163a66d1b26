//! flagd's messages and services, made of `proto/` when the crate is built.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::large_futures,
    clippy::too_many_lines,
    reason = "generated"
)]

pub(super) mod evaluation_v1 {
    include!(concat!(env!("OUT_DIR"), "/flagd.evaluation.v1.rs"));
}

pub(super) mod evaluation_v2 {
    include!(concat!(env!("OUT_DIR"), "/flagd.evaluation.v2.rs"));
}

pub(super) mod sync_v1 {
    include!(concat!(env!("OUT_DIR"), "/flagd.sync.v1.rs"));
}
