//! Rollouts from their first step to their last: transcripts, laws under random attack, and faults.
#![cfg(test)]

mod policy_text;
mod simulation;
mod transcripts;
