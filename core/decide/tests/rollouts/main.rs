//! Rollouts from their first step to their last: transcripts, laws under random attack, and faults.
#![cfg(test)]

mod accelerating;
mod alerting;
mod amending;
mod apart;
mod approving;
mod attack;
mod beside;
mod dependencies;
mod evidence;
mod exposing;
mod faults;
mod flag_edits;
mod freezing;
mod gating;
mod guards;
mod interlocking;
mod judging;
mod laws;
mod monitoring;
mod nights;
mod no_return;
mod policy_text;
mod quorum;
mod serving;
mod shipped;
mod simulation;
mod staging;
mod starting;
mod street;
mod transcripts;
mod zones;
