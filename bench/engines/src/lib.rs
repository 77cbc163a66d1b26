//! Evaluation engines of others beside ours: the same flags, the same people, the same questions.
//!
//! Each engine is loaded through what it reads in production (its JSON, or its own types), and asked
//! through the function its SDK calls. What an engine cannot say is said in the nearest way that costs
//! it least; `README.md` lists these.

pub mod clock;
pub mod engine;
pub mod engines;
pub mod expected;
pub mod workload;
