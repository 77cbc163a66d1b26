//! Tidegate and flagd agree: generated definitions and contexts, evaluated by both.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod definitions;
mod documents;
mod engine;
mod import;
mod lowering;
