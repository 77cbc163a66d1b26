//! Tidegate and flagd agree: generated definitions and contexts, evaluated by both.
#![expect(clippy::expect_used, reason = "a test may panic")]

mod definitions;
mod engine;
mod lowering;
