//! Rollouts from their first step to their last: transcripts, laws under random attack, and faults.
#![cfg(test)]

mod alerting;
mod amending;
mod approving;
mod attack;
mod evidence;
mod faults;
mod freezing;
mod gating;
mod guards;
mod judging;
mod laws;
mod monitoring;
mod nights;
mod no_return;
mod policy_text;
mod shipped;
mod simulation;
mod starting;
mod transcripts;
