//! End to end: the real binary, real nodes and a real Prometheus, on this machine.
//!
//! Each test starts its own processes on free ports of 127.0.0.1 and ends them. Nothing here asserts
//! how long something takes; what takes long is printed.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod alertmanager;
mod archives;
mod backtests;
mod bad_starts;
mod clients;
mod clocks;
mod commands;
mod demo;
mod drills;
mod enrolments;
mod experiments;
mod exporter;
mod flagd;
mod folders;
mod kills;
mod lints;
mod lists;
mod lost_answers;
mod plane;
mod policies;
mod policy_tools;
mod processes;
mod prometheus;
mod rollouts;
mod rule_kinds;
mod staging;
mod standstill;
mod targets;
mod trail;
mod transfer;
mod until;
mod webhook;
