//! Step functions: what is true and what came in, to what becomes true and what must be done.
//!
//! Everything here is a pure function of its arguments. Actors fetch inputs, call one of these,
//! store the changes, and carry out the effects.

pub mod alert;
pub mod alert_out;
pub mod amendment;
pub mod definition;
pub mod drill;
pub mod due;
pub mod environment;
pub mod experiment;
pub mod freeze;
pub mod judge;
pub mod loss;
pub mod neighbour;
pub mod notice;
pub mod quarantine;
pub mod refusal;
pub mod rollout;
pub mod serving;
pub mod shadow;
pub mod staged;
pub mod start;
pub mod step;
