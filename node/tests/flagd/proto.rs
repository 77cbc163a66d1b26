#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]

pub(crate) mod v1 {
    include!(concat!(env!("OUT_DIR"), "/client/flagd.evaluation.v1.rs"));
}

pub(crate) mod v2 {
    include!(concat!(env!("OUT_DIR"), "/client/flagd.evaluation.v2.rs"));
}

pub(crate) mod sync {
    include!(concat!(env!("OUT_DIR"), "/client/flagd.sync.v1.rs"));
}
